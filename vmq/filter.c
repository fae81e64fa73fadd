/* SPDX-License-Identifier: BSD-3-Clause */
/* The filters of a NIC's queues. The device has a filter exactly while its queue is Running: a queue that is
 * not complete gets no frames (VMQ-4), the default queue needs no filter to get what it asks for. A call that
 * fails has changed nothing here. */
#include "vmq/filter.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "vmq/queue_priv.h"

const char *vmq_filter_text(const struct vmq_filter *f, char buf[VMQ_FILTER_TEXT])
{
	const uint8_t *m = f->mac;
	int at = snprintf(buf, VMQ_FILTER_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x ", m[0], m[1], m[2],
			  m[3], m[4], m[5]);

	if (f->vlan_test == VMQ_VLAN_IS)
		snprintf(buf + at, VMQ_FILTER_TEXT - at, "vlan %u", f->vlan);
	else
		snprintf(buf + at, VMQ_FILTER_TEXT - at, "%s",
			 f->vlan_test == VMQ_VLAN_ANY ? "any vlan" : "untagged");
	return buf;
}

/* ---- The device ------------------------------------------------------------------------------ */

/* To or from the default queue a move is a set or a clear; all else is one call, so that no frame finds the
 * filter on both queues or on neither (FLT-1). */
static int device_move(struct vmq_nic *n, struct vmq_entry *e, uint16_t to)
{
	const struct vmq_filter *f = &e->i.f;
	int rc;

	if (e->at == to)
		return 0;
	if (e->at == VMQ_DEFAULT)
		rc = n->ops->filter_set(n->pv, to, f);
	else if (to == VMQ_DEFAULT)
		rc = n->ops->filter_clear(n->pv, e->at, f);
	else
		rc = n->ops->filter_move(n->pv, e->at, to, f);
	if (!rc)
		e->at = to;
	return rc;
}

/* Where the device is to lead frames of a filter whose queue is then in state @s. */
static uint16_t target(uint16_t q, enum vmq_state s)
{
	return s == VMQ_RUNNING ? q : VMQ_DEFAULT;
}

int vmq_entries_deploy(struct vmq_nic *n, uint16_t q)
{
	for (uint16_t i = 0; i < n->nr_entries; i++) {
		int rc = n->entry[i].i.q == q ? device_move(n, &n->entry[i], q) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

void vmq_entries_withdraw(struct vmq_nic *n, uint16_t q)
{
	char why[512], text[VMQ_FILTER_TEXT];

	snprintf(why, sizeof(why), "%s", err_text()); /* of what made it necessary */
	for (uint16_t i = n->nr_entries; i > 0; i--) {
		struct vmq_entry *e = &n->entry[i - 1];

		if (e->i.q == q && device_move(n, e, VMQ_DEFAULT))
			log_err("vmq",
				"filter %s stays in the device though queue %u is %s: %s, "
				"tried again when it is cleared or completed",
				vmq_filter_text(&e->i.f, text), q,
				vmq_state_name(n->queue[q].state), err_text());
	}
	err_set(0, "%s", why);
}

/* ---- What is refused --------------------------------------------------------------------------- */

static int check_filter(const struct vmq_filter *f)
{
	static const uint8_t none[6];
	char text[VMQ_FILTER_TEXT];
	bool wants_vlan = f->vlan_test == VMQ_VLAN_IS;

	if (f->vlan_test > VMQ_VLAN_UNTAGGED)
		return err_set(-EINVAL, "filter with VLAN test %u: want 0..%u", f->vlan_test,
			       VMQ_VLAN_UNTAGGED);
	if ((f->mac[0] & 1) || !memcmp(f->mac, none, 6))
		return err_set(-EINVAL, "filter %s: want the address of one station",
			       vmq_filter_text(f, text));
	if (wants_vlan ? f->vlan < 1 || f->vlan > 4094 : f->vlan != 0)
		return err_set(-EINVAL, "filter %s with VLAN %u: want %s", vmq_filter_text(f, text),
			       f->vlan, wants_vlan ? "1..4094" : "0");
	return 0;
}

/* No frame may belong to two queues, and none to one queue by two equal filters: the device would have one and
 * lose it with the first that is cleared. @self: id of one that is not looked at; 0. */
static int check_free(const struct vmq_nic *n, uint16_t q, const struct vmq_filter *f,
		      uint32_t self)
{
	char mine[VMQ_FILTER_TEXT], other[VMQ_FILTER_TEXT];

	for (uint16_t i = 0; i < n->nr_entries; i++) {
		const struct vmq_filter_info *o = &n->entry[i].i;

		if (o->id == self || !vmq_filter_overlaps(f, &o->f) ||
		    (o->q == q && !vmq_filter_is_same(f, &o->f)))
			continue;
		return err_set(-EEXIST,
			       "filter %s on queue %u: queue %u has filter %u (%s) of owner %u: "
			       "clear or move that one",
			       vmq_filter_text(f, mine), q, o->q, o->id,
			       vmq_filter_text(&o->f, other), o->owner);
	}
	return 0;
}

/* Whether @owner may set filters on @q: VMQ-3, VMQ-1. */
static int check_owner(const struct vmq_nic *n, uint16_t q, uint32_t owner)
{
	if (owner == VMQ_NOBODY)
		return err_set(-EPERM, "a filter on queue %u needs an owner, other than %u", q,
			       VMQ_NOBODY);
	if (q == VMQ_DEFAULT || n->queue[q].owner == owner)
		return 0;
	return err_set(-EPERM,
		       "queue %u was allocated by owner %u: only it sets filters there, not "
		       "owner %u",
		       q, n->queue[q].owner, owner);
}

/* What every filter that comes to @q has to pass. */
static int check_arrival(const struct vmq_nic *n, uint16_t q, uint32_t owner, enum vmq_state *next)
{
	int rc = vmq_queue_check(n, q);

	if (!rc)
		rc = vmq_queue_step(n, q, VMQ_EV_SET_FILTER, next);
	return rc ? rc : check_owner(n, q, owner);
}

/* What follows for its queue when a filter leaves. */
static int departure(const struct vmq_nic *n, uint16_t q, enum vmq_state *next)
{
	bool is_last = n->queue[q].nr_filters == 1;

	return vmq_queue_step(n, q, is_last ? VMQ_EV_CLEAR_LAST : VMQ_EV_CLEAR, next);
}

/* ---- The table --------------------------------------------------------------------------------- */

static struct vmq_entry *find(struct vmq_nic *n, uint32_t id)
{
	for (uint16_t i = 0; i < n->nr_entries; i++)
		if (n->entry[i].i.id == id)
			return &n->entry[i];
	return NULL;
}

/* Its filter @id, or NULL and why not in *@rc. */
static struct vmq_entry *find_own(struct vmq_nic *n, uint32_t id, uint32_t owner, int *rc)
{
	struct vmq_entry *e = find(n, id);

	*rc = 0;
	if (!e)
		*rc = err_set(-ENOENT, "there is no filter %u: it was cleared or never set", id);
	else if (e->i.owner != owner)
		*rc = err_set(-EPERM, "filter %u was set by owner %u, not by owner %u", id,
			      e->i.owner, owner);
	return *rc ? NULL : e;
}

/* Rising, so that whoever keeps an old id does not hit another filter by it. */
static uint32_t next_id(struct vmq_nic *n)
{
	do
		n->last_id++;
	while (n->last_id == 0 || find(n, n->last_id));
	return n->last_id;
}

static void enter(struct vmq_nic *n, const struct vmq_entry *e)
{
	uint16_t i = n->nr_entries++;

	for (; i > 0 && n->entry[i - 1].i.id > e->i.id; i--)
		n->entry[i] = n->entry[i - 1];
	n->entry[i] = *e;
}

static void strike(struct vmq_nic *n, struct vmq_entry *e)
{
	struct vmq_entry *end = &n->entry[n->nr_entries--];

	memmove(e, e + 1, (size_t)(end - e - 1) * sizeof(*e));
}

static void count(struct vmq_nic *n, uint16_t q, int by, enum vmq_state next)
{
	n->queue[q].nr_filters = (uint16_t)(n->queue[q].nr_filters + by);
	n->queue[q].state = next;
}

int64_t vmq_filter_set(struct vmq_nic *n, uint16_t q, uint32_t owner, const struct vmq_filter *f)
{
	struct vmq_entry e = {.i = {.owner = owner, .q = q, .f = *f}, .at = VMQ_DEFAULT};
	char text[VMQ_FILTER_TEXT];
	enum vmq_state next;
	int rc = check_arrival(n, q, owner, &next);

	if (!rc)
		rc = check_filter(f);
	if (!rc)
		rc = check_free(n, q, f, 0);
	if (!rc && n->nr_entries == VMQ_FILTERS_MAX)
		rc = err_set(-ENOSPC, "filter %s on queue %u: all %u filters are in use: clear one",
			     vmq_filter_text(f, text), q, VMQ_FILTERS_MAX);
	if (!rc)
		rc = device_move(n, &e, target(q, next));
	if (rc)
		return rc;
	e.i.id = next_id(n);
	enter(n, &e);
	count(n, q, 1, next);
	return e.i.id;
}

int vmq_filter_clear(struct vmq_nic *n, uint32_t id, uint32_t owner)
{
	enum vmq_state next;
	struct vmq_entry *e;
	uint16_t q;
	int rc;

	e = find_own(n, id, owner, &rc);
	if (!e)
		return rc;
	q = e->i.q;
	rc = departure(n, q, &next);
	if (!rc)
		rc = device_move(n, e, VMQ_DEFAULT);
	if (rc)
		return rc;
	strike(n, e);
	count(n, q, -1, next);
	return 0;
}

int vmq_filter_move(struct vmq_nic *n, uint32_t id, uint32_t owner, uint16_t to)
{
	enum vmq_state next_from, next_to;
	struct vmq_entry *e;
	uint16_t from;
	int rc;

	e = find_own(n, id, owner, &rc);
	if (!e)
		return rc;
	from = e->i.q;
	rc = check_arrival(n, to, owner, &next_to);
	if (rc || to == from)
		return rc;
	rc = check_free(n, to, &e->i.f, id);
	if (!rc)
		rc = departure(n, from, &next_from);
	if (!rc)
		rc = device_move(n, e, target(to, next_to));
	if (rc)
		return rc;
	e->i.q = to;
	count(n, from, -1, next_from);
	count(n, to, 1, next_to);
	return 0;
}

void vmq_filter_enum(const struct vmq_nic *n, uint16_t q,
		     void (*fn)(const struct vmq_filter_info *i, void *ctx), void *ctx)
{
	for (uint16_t i = 0; i < n->nr_entries; i++)
		if (q == UINT16_MAX || n->entry[i].i.q == q)
			fn(&n->entry[i].i, ctx);
}
