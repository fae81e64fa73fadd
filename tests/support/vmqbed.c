/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/vmqbed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

bool vmqbed_is_same(const struct vmq_filter *a, const struct vmq_filter *b)
{
	return !memcmp(a->mac, b->mac, 6) && a->vlan_test == b->vlan_test && a->vlan == b->vlan;
}

static int find(const struct vmqbed_dev *d, uint16_t q, const struct vmq_filter *f)
{
	for (unsigned int i = 0; i < d->nr; i++)
		if (d->entry[i].q == q && vmqbed_is_same(&d->entry[i].f, f))
			return (int)i;
	return -1;
}

static void fault(struct vmqbed_dev *d, const char *what, uint16_t q, const struct vmq_filter *f)
{
	char text[VMQ_FILTER_TEXT];

	if (!d->fault[0])
		snprintf(d->fault, sizeof(d->fault), "%s: queue %u, %s", what, q,
			 vmq_filter_text(f, text));
}

/* Counts the call; whether it is to be refused. */
static int enter(struct vmqbed_dev *d, enum vmqbed_call c, uint16_t q, const struct vmq_filter *f)
{
	d->asked++;
	if (q == VMQ_DEFAULT)
		fault(d, "called for the default queue", q, f);
	if (d->asked >= d->fail_from && d->asked < d->fail_from + d->nr_fail)
		return err_set(d->fail_code, "the device refuses call %u", d->asked);
	d->calls[c]++;
	return 0;
}

static int filter_set(void *pv, uint16_t q, const struct vmq_filter *f)
{
	struct vmqbed_dev *d = pv;
	int rc = enter(d, VMQBED_SET, q, f);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < d->nr; i++)
		if (vmqbed_is_same(&d->entry[i].f, f) ||
		    (d->entry[i].q != q && vmq_filter_overlaps(&d->entry[i].f, f)))
			fault(d, "a frame would have two queues", q, f);
	d->entry[d->nr].q = q;
	d->entry[d->nr++].f = *f;
	return 0;
}

static int filter_clear(void *pv, uint16_t q, const struct vmq_filter *f)
{
	struct vmqbed_dev *d = pv;
	int i = find(d, q, f), rc = enter(d, VMQBED_CLEAR, q, f);

	if (rc)
		return rc;
	if (i < 0)
		fault(d, "it does not have what it is to clear", q, f);
	else
		d->entry[i] = d->entry[--d->nr];
	return 0;
}

static int filter_move(void *pv, uint16_t from, uint16_t to, const struct vmq_filter *f)
{
	struct vmqbed_dev *d = pv;
	int i = find(d, from, f), rc = enter(d, VMQBED_MOVE, from, f);

	if (rc)
		return rc;
	if (i < 0 || to == from || to == VMQ_DEFAULT)
		fault(d, "it cannot move that", to, f);
	else
		d->entry[i].q = to;
	return 0;
}

const struct vmq_provider_ops vmqbed_ops = {
	.name = "list",
	.filter_set = filter_set,
	.filter_clear = filter_clear,
	.filter_move = filter_move,
};

bool vmqbed_has(const struct vmqbed_dev *d, uint16_t q, const struct vmq_filter *f)
{
	return find(d, q, f) >= 0;
}

uint16_t vmqbed_sort(const struct vmqbed_dev *d, const uint8_t *dmac, uint16_t vlan)
{
	for (unsigned int i = 0; i < d->nr; i++)
		if (vmq_filter_passes(&d->entry[i].f, dmac, vlan))
			return d->entry[i].q;
	return VMQ_DEFAULT;
}

void vmqbed_fail_nth(struct vmqbed_dev *d, unsigned int nth, unsigned int nr, int code)
{
	d->fail_from = d->asked + nth;
	d->nr_fail = nr;
	d->fail_code = code;
}

void vmqbed_fail(struct vmqbed_dev *d, unsigned int nr, int code)
{
	vmqbed_fail_nth(d, 1, nr, code);
}

struct vmq_filter vmqbed_any(uint8_t i)
{
	return (struct vmq_filter){.mac = {2, 0, 0, 0, 0, i}, .vlan_test = VMQ_VLAN_ANY};
}

struct vmq_filter vmqbed_vlan(uint8_t i, uint16_t vlan)
{
	return (struct vmq_filter){{2, 0, 0, 0, 0, i}, VMQ_VLAN_IS, vlan};
}

struct vmq_filter vmqbed_untagged(uint8_t i)
{
	return (struct vmq_filter){.mac = {2, 0, 0, 0, 0, i}, .vlan_test = VMQ_VLAN_UNTAGGED};
}

/* ---- Dump ------------------------------------------------------------------------------------ */

struct dump {
	char *buf;
	size_t at;
};

static void say_queue(const struct vmq_queue_info *i, void *ctx)
{
	struct dump *d = ctx;
	const struct vmq_params *p = &i->params;

	d->at += snprintf(d->buf + d->at, VMQBED_DUMP - d->at,
			  "queue %u %s owner %u filters %u \"%s\" lcore %u%s%s\n", i->q,
			  vmq_state_name(i->state), i->owner, i->nr_filters, p->name, p->lcore,
			  p->is_static ? " static" : "", p->may_direct ? " direct" : "");
}

static void say_filter(const struct vmq_filter_info *i, void *ctx)
{
	struct dump *d = ctx;
	char text[VMQ_FILTER_TEXT];

	d->at += snprintf(d->buf + d->at, VMQBED_DUMP - d->at, "filter %u queue %u owner %u %s\n",
			  i->id, i->q, i->owner, vmq_filter_text(&i->f, text));
}

const char *vmqbed_dump(const struct vmq_nic *n, const struct vmqbed_dev *dev,
			char buf[VMQBED_DUMP])
{
	struct dump d = {buf, 0};
	char text[VMQ_FILTER_TEXT];

	vmq_queue_enum(n, say_queue, &d);
	vmq_filter_enum(n, UINT16_MAX, say_filter, &d);
	for (unsigned int i = 0; i < dev->nr; i++)
		d.at += snprintf(buf + d.at, VMQBED_DUMP - d.at, "device: queue %u %s\n",
				 dev->entry[i].q, vmq_filter_text(&dev->entry[i].f, text));
	return buf;
}
