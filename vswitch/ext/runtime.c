/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's list of extensions, and what ctl does with it. Every change is a new snapshot: lcores see
 * the list before or the list after, for whole vectors. */
#include "vswitch/ext/ext.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "vswitch/ext/objects.h"
#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

#define NAP_NS	  20000
#define POSTS_MAX 256u /* events of one instance that wait */

static struct vsw_ext_code *stay; /* code that faulted: what it left undone, nobody knows */

/* ---- The list ------------------------------------------------------------------------------ */

static unsigned int class_first(const struct vsw_exts *x, uint32_t cls)
{
	unsigned int i = 0;

	while (i < x->n && x->e[i]->code->desc.cls < cls)
		i++;
	return i;
}

static unsigned int class_count(const struct vsw_exts *x, uint32_t cls)
{
	unsigned int i = class_first(x, cls), n = 0;

	for (; i < x->n && x->e[i]->code->desc.cls == cls; i++)
		n++;
	return n;
}

unsigned int vsw_exts_place(const struct vsw_exts *x, const struct vsw_ext *e)
{
	unsigned int i = 0;

	while (i < x->n && x->e[i] != e)
		i++;
	return i;
}

static void list_remove(struct vsw_exts *x, const struct vsw_ext *e)
{
	unsigned int i = vsw_exts_place(x, e);

	if (i == x->n)
		return;
	x->n--;
	memmove(&x->e[i], &x->e[i + 1], (x->n - i) * sizeof(x->e[0]));
}

static void list_insert(struct vsw_exts *x, struct vsw_ext *e, unsigned int position)
{
	unsigned int i = class_first(x, e->code->desc.cls) + position;

	memmove(&x->e[i + 1], &x->e[i], (x->n - i) * sizeof(x->e[0]));
	x->e[i] = e;
	x->n++;
}

struct vsw_ext *vsw_ext_find(struct vsw *sw, const char *name)
{
	struct vsw_exts *x = sw->exts;
	unsigned int i;

	for (i = 0; i < x->n; i++)
		if (!strcmp(x->e[i]->name, name))
			return x->e[i];
	return NULL;
}

/* Whether lcores are to see it. */
static bool is_on(const struct vsw_ext *e)
{
	return !e->is_disabled && !(ext_is_faulted(e) && e->report[0] && !e->is_fail_closed);
}

/* ---- Snapshots ----------------------------------------------------------------------------- */

static void view_fill(struct vsw_ext_view *v, struct vsw_ext *e)
{
	const struct nethv_ext *d = &e->code->desc;

	*v = (struct vsw_ext_view){
		.e = e,
		.inst = e->inst,
		.in = d->ingress,
		.out = d->egress,
		.poll = d->poll,
		.ports = e->is_for_ports ? e->ports : NULL,
		.name = e->name,
		.cls = d->cls,
		.flags = d->flags,
		.budget_ns = e->budget_us * 1000ull * VSW_BUDGET_SCALE,
		.is_fail_closed = e->is_fail_closed,
	};
}

bool vsw_exts_any(const struct vsw *sw)
{
	const struct vsw_exts *x = sw->exts;
	unsigned int i;

	for (i = 0; x && i < x->n; i++)
		if (is_on(x->e[i]))
			return true;
	return false;
}

void vsw_exts_snapshot(const struct vsw *sw, struct vsw_ext_set *out)
{
	const struct vsw_exts *x = sw->exts;
	struct vsw_ext_list *list[] = {
		[NETHV_CAPTURE] = &out->capture,
		[NETHV_FILTER] = &out->filter,
		[NETHV_FORWARD] = &out->forward,
	};
	unsigned int i;

	for (i = 0; x && i < x->n; i++) {
		struct vsw_ext *e = x->e[i];
		uint32_t flags = e->code->desc.flags;
		struct vsw_ext_list *l = list[e->code->desc.cls];

		if (!is_on(e))
			continue;
		l->has_in |= e->code->desc.ingress != NULL || e->is_fail_closed;
		l->has_out |= e->code->desc.egress != NULL;
		view_fill(&l->x[l->n++], e);
		out->is_any = true;
		out->wants_parsed |= !(flags & NETHV_EXT_RAW);
		out->wants_plain |= (flags & (NETHV_EXT_PLAIN | NETHV_EXT_HOLDS)) != 0;
		out->wants_poll |= (flags & NETHV_EXT_HOLDS) != 0;
	}
}

/* ---- Pauses -------------------------------------------------------------------------------- */

void vsw_ext_pause_begin(const struct vsw *sw)
{
	unsigned int i;

	for (i = 0; i < sw->nr_lcores; i++)
		vsw_lcore_gap_begin(sw->lcore[i]);
}

void vsw_ext_pause_end(struct vsw_ext *e, const char *change)
{
	struct vsw *sw = e->sw;
	uint64_t max = 0;
	unsigned int i;

	for (i = 0; i < sw->nr_lcores; i++) {
		uint64_t gap = vsw_lcore_gap(sw->lcore[i]);

		max = gap > max ? gap : max;
	}
	e->pause_ns = vsw_tsc_ns(sw, sw->start_tsc + max);
	e->change = change;
	sw->exts->pause_ns = e->pause_ns;
}

uint64_t vsw_ext_last_pause(const struct vsw *sw)
{
	return sw->exts->pause_ns;
}

/* ---- Faults -------------------------------------------------------------------------------- */

static void detach(struct vsw_ext *e);

static void on_fault(void *ctx, uint64_t arg)
{
	struct vsw_ext *e = ctx;

	if (!e->is_dead)
		detach(e);
}

void vsw_ext_faulted(struct vsw_ext *e, const struct vsw_guard *g, uint16_t lcore, uint16_t burst)
{
	bool no = false;

	vsw_guard_listen();
	if (!__atomic_compare_exchange_n(&e->is_told, &no, true, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		return;
	e->fault = g->fault;
	e->fault_callback = g->callback;
	e->fault_lcore = lcore;
	e->fault_burst = burst;
	if (g->owner) /* the pause of this fault begins with the loop that we are in */
		vsw_lcore_gap_begin(g->owner);
	__atomic_store_n(&e->is_faulted, true, __ATOMIC_RELEASE);
	/* A full queue: the tick of each second looks, too. */
	vsw_event_post(e->sw, on_fault, e, 0);
}

void vsw_ext_holds_end(struct vsw_ext *e)
{
	const struct timespec nap = {0, NAP_NS};
	struct vsw_guard *before = vsw_guard_mine();
	struct vsw *sw = e->sw;
	uint32_t wanted;
	unsigned int i;

	/* One that was detached gave all back then. */
	if (!(e->code->desc.flags & NETHV_EXT_HOLDS) || !is_on(e))
		return;
	wanted = (e->flush_wanted + 2) | 1;
	__atomic_store_n(&e->flush_wanted, wanted, __ATOMIC_RELEASE);
	vsw_wake(sw);
	for (i = 0; i < sw->nr_lcores; i++) {
		while (__atomic_load_n(&e->lane[i].flushed, __ATOMIC_ACQUIRE) != wanted) {
			if (sw->is_started)
				nanosleep(&nap, NULL);
			else
				vsw_ext_poll(sw->lcore[i], sw->snap);
		}
	}
	vsw_guard_attach(before);
}

void vsw_ext_holds_begin(struct vsw_ext *e)
{
	__atomic_store_n(&e->flush_wanted, e->flush_wanted & ~1u, __ATOMIC_RELEASE);
}

static void report(struct vsw_ext *e)
{
	vsw_fault_text(e, e->report, sizeof(e->report));
	e->faults++;
	log_err(e->name, "%s", e->report);
}

/* Takes a faulted instance out of the pipeline. Its code stays mapped, and is never called again. */
static void detach(struct vsw_ext *e)
{
	if (!ext_is_faulted(e) || e->report[0])
		return;
	if (e->fault_lcore >= e->sw->nr_lcores)
		vsw_ext_pause_begin(e->sw);
	vsw_ext_holds_end(e);
	report(e);
	vsw_republish(e->sw);
	vsw_ext_pause_end(e, "fault");
	vsw_objs_owner_gone(e->sw->exts->objs, e->id);
}

void vsw_rule_broken(struct vsw_ext *e, uint16_t lcore, enum vsw_rule rule)
{
	stat_add(&e->lane[lcore].c.broken, 1);
	__atomic_store_n(&e->lane[lcore].last_broken, (uint32_t)rule, __ATOMIC_RELAXED);
}

/* The queue has room for others, and ctl has time for them. */
bool vsw_ext_post(struct vsw_ext *e, uint64_t arg)
{
	if (__atomic_fetch_add(&e->nr_posted, 1, __ATOMIC_RELAXED) < POSTS_MAX &&
	    vsw_event_post(e->sw, vsw_ext_on_notify, e, arg))
		return true;
	__atomic_fetch_sub(&e->nr_posted, 1, __ATOMIC_RELAXED);
	return false;
}

void vsw_ext_on_notify(void *ctx, uint64_t arg)
{
	struct vsw_ctl_call c = {.e = ctx, .arg = arg};

	__atomic_fetch_sub(&c.e->nr_posted, 1, __ATOMIC_RELAXED);
	if (!c.e->is_dead)
		vsw_ctl_notify(&c);
}

/* ---- Making and unmaking an instance ------------------------------------------------------- */

static void grave_dig(struct vsw_ext *e)
{
	struct vsw_exts *x = e->sw->exts;

	e->is_dead = true;
	e->next_grave = x->graves;
	x->graves = e;
}

static void ext_free(struct vsw_ext *e)
{
	size_t i;

	free(e->path);
	free(e->config);
	for (i = 0; e->imports && e->imports[i]; i++)
		free(e->imports[i]);
	free(e->imports);
	json_decref(e->cfg);
	free(e->lane);
	free(e);
}

void vsw_ext_end(struct vsw_ext *e)
{
	struct vsw_ctl_call c = {.e = e};

	if (e->is_created)
		vsw_ctl_destroy(&c);
	if (e->is_created && ext_is_faulted(e) && !e->report[0]) /* at its very end */
		report(e);
	vsw_objs_owner_gone(e->sw->exts->objs, e->id);
	vsw_host_free_all(e);
	if (e->code && !ext_is_faulted(e)) {
		e->code->close(e->code);
	} else if (e->code) {
		e->code->next = stay;
		stay = e->code;
	}
	e->code = NULL;
	grave_dig(e);
}

/* For when it is loaded again with another configuration. */
static int imports_take(struct vsw_ext *e, const char *const *imports)
{
	size_t n = 0, i;

	while (imports && imports[n])
		n++;
	e->imports = calloc(n + 1, sizeof(e->imports[0]));
	for (i = 0; e->imports && i < n; i++)
		if (!(e->imports[i] = strdup(imports[i])))
			break;
	return e->imports && i == n ? 0 : err_set(-ENOMEM, "extension: out of memory");
}

static int cfg_take(struct vsw_ext *e, const struct vsw_ext_cfg *cfg)
{
	const char *name = cfg->name[0] ? cfg->name : e->code->desc.name;

	if (!memchr(cfg->name, 0, sizeof(cfg->name)))
		return err_set(-EINVAL, "extension: its name has more than %zu characters",
			       sizeof(cfg->name) - 1);
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->path = strdup(cfg->path);
	e->config = strdup(cfg->config ? cfg->config : "{}");
	if (!e->path || !e->config)
		return err_set(-ENOMEM, "%s: out of memory", name);
	if (imports_take(e, cfg->imports))
		return -ENOMEM;
	e->is_disabled = cfg->is_disabled;
	e->is_fail_closed = cfg->is_fail_closed;
	e->is_for_ports = cfg->is_for_ports;
	memcpy(e->ports, cfg->ports, sizeof(e->ports));
	e->budget_us = cfg->budget_us ? cfg->budget_us : VSW_EXT_BUDGET_US;
	e->is_tainted = e->code->is_tainted;
	return vsw_keys_check(&e->cfg, &e->code->desc, e->config);
}

int vsw_ext_why(const struct vsw_ext *e, const char *callback)
{
	char text[512];

	if (ext_is_faulted(e)) {
		vsw_fault_text(e, text, sizeof(text));
		return err_set(-EFAULT, "%s: %s", e->name, text);
	}
	return err_set(-EINVAL, "%s: %s", e->name,
		       e->fail[0] ? e->fail : "it failed and did not say why");
}

static int holds_create(const struct vsw_ext *e)
{
	unsigned int i;
	int rc = 0;

	if (!(e->code->desc.flags & NETHV_EXT_HOLDS))
		return 0;
	for (i = 0; i < e->sw->nr_lcores && !rc; i++)
		rc = vsw_hold_create(&e->sw->lcore[i]->hold);
	return rc;
}

static int watchdog_start(struct vsw_exts *x)
{
	struct vsw_guard *g[VSW_LCORES_MAX + 1];
	unsigned int i;

	if (x->watchdog)
		return 0;
	for (i = 0; i < x->sw->nr_lcores; i++)
		g[i] = &x->sw->lcore[i]->guard;
	g[i] = &x->guard;
	return vsw_watchdog_start(&x->watchdog, g, i + 1);
}

int vsw_ext_create(struct vsw_ext **out, struct vsw *sw, const struct vsw_ext_cfg *cfg)
{
	struct vsw_exts *x = sw->exts;
	struct vsw_ext *e = calloc(1, sizeof(*e));
	struct vsw_ctl_call c = {.e = e};
	int rc;

	if (!e)
		return err_set(-ENOMEM, "extension: out of memory");
	e->sw = sw;
	e->id = ++x->next_id;
	rc = vsw_ext_code_open(&e->code, cfg->path, cfg->imports);
	if (!rc)
		rc = cfg_take(e, cfg);
	if (!rc)
		rc = watchdog_start(x);
	if (!rc)
		rc = vsw_host_init(e);
	if (!rc)
		rc = holds_create(e);
	if (!rc) {
		e->is_created = vsw_ctl_create(&c) && c.rc == 0;
		rc = e->is_created ? 0 : vsw_ext_why(e, "create");
	}
	if (rc) {
		vsw_ext_end(e);
		return rc;
	}
	*out = e;
	return 0;
}

/* ---- Load, order, unload ------------------------------------------------------------------- */

int vsw_ext_check_forwarder(const struct vsw_exts *x, const struct vsw_ext *e)
{
	unsigned int i;

	for (i = 0; i < x->n; i++) {
		const struct vsw_ext *o = x->e[i];

		if (o != e && o->code->desc.cls == NETHV_FORWARD && !o->is_disabled &&
		    !ext_is_faulted(o))
			return err_set(-EBUSY,
				       "%s: %s forwards already, and only one may (EXT-3); disable "
				       "or unload it first",
				       e->name, o->name);
	}
	return 0;
}

static int check_new(const struct vsw_exts *x, const struct vsw_ext *e)
{
	unsigned int i;

	for (i = 0; i < x->n; i++)
		if (!strcmp(x->e[i]->name, e->name))
			return err_set(-EEXIST,
				       "%s: an extension of that name is loaded; give this one "
				       "another, or upgrade",
				       e->name);
	if (x->n == VSW_EXTS_MAX)
		return err_set(-ENOSPC, "%s: the switch has %u extensions, the limit", e->name,
			       VSW_EXTS_MAX);
	return e->code->desc.cls == NETHV_FORWARD && !e->is_disabled ? vsw_ext_check_forwarder(x, e)
								     : 0;
}

int vsw_ext_load(struct vsw_ext **out, struct vsw *sw, const struct vsw_ext_cfg *cfg)
{
	struct vsw_ext *e;
	int rc = vsw_ext_create(&e, sw, cfg);

	if (rc)
		return rc;
	rc = check_new(sw->exts, e);
	if (!rc) {
		list_insert(sw->exts, e, 0);
		vsw_ext_pause_begin(sw);
		rc = vsw_publish(sw);
	}
	if (rc) {
		list_remove(sw->exts, e);
		vsw_ext_end(e);
		return rc;
	}
	vsw_ext_pause_end(e, "load");
	log_info(e->name, "%s %s loaded%s", e->code->desc.name, e->code->desc.version,
		 e->is_tainted ? "; it may call functions that taint the switch" : "");
	*out = e;
	return 0;
}

void vsw_ext_unload(struct vsw_ext *e)
{
	struct vsw *sw = e->sw;

	vsw_ext_pause_begin(sw);
	vsw_ext_holds_end(e);
	list_remove(sw->exts, e);
	vsw_republish(sw);
	vsw_ext_pause_end(e, "unload");
	log_info(e->name, "unloaded");
	vsw_ext_end(e);
}

static int set_disabled(struct vsw_ext *e, bool is_disabled)
{
	int rc;

	if (e->is_disabled == is_disabled)
		return 0;
	vsw_ext_pause_begin(e->sw);
	if (is_disabled)
		vsw_ext_holds_end(e);
	else
		vsw_ext_holds_begin(e);
	e->is_disabled = is_disabled;
	rc = vsw_publish(e->sw);
	if (rc) {
		e->is_disabled = !is_disabled;
		vsw_ext_holds_begin(e);
		return rc;
	}
	vsw_ext_pause_end(e, is_disabled ? "disable" : "enable");
	return 0;
}

int vsw_ext_enable(struct vsw_ext *e)
{
	int rc = 0;

	if (ext_is_faulted(e))
		return err_set(-EINVAL, "%s: detached after a fault; unload or upgrade it",
			       e->name);
	if (e->is_disabled && e->code->desc.cls == NETHV_FORWARD)
		rc = vsw_ext_check_forwarder(e->sw->exts, e);
	return rc ? rc : set_disabled(e, false);
}

int vsw_ext_disable(struct vsw_ext *e)
{
	return set_disabled(e, true);
}

int vsw_ext_move(struct vsw_ext *e, unsigned int position)
{
	struct vsw_exts *x = e->sw->exts;
	unsigned int n = class_count(x, e->code->desc.cls);
	unsigned int before = vsw_exts_place(x, e) - class_first(x, e->code->desc.cls);
	int rc;

	if (position >= n)
		return err_set(-EINVAL,
			       "%s: position %u, want 0..%u: an extension stays in its "
			       "class",
			       e->name, position, n - 1);
	list_remove(x, e);
	list_insert(x, e, position);
	vsw_ext_pause_begin(e->sw);
	rc = vsw_publish(e->sw);
	if (rc) {
		list_remove(x, e);
		list_insert(x, e, before);
		return rc;
	}
	vsw_ext_pause_end(e, "move");
	return 0;
}

/* ---- Life of the list ---------------------------------------------------------------------- */

int vsw_exts_create(struct vsw *sw)
{
	struct vsw_exts *x = calloc(1, sizeof(*x));
	int rc;

	if (!x)
		return err_set(-ENOMEM, "switch: out of memory");
	sw->exts = x;
	x->sw = sw;
	rc = vsw_guard_init(&x->guard);
	return rc ? rc : vsw_exts_objs_create(x);
}

static void graves_clear(struct vsw_exts *x, unsigned int age_s)
{
	struct vsw_ext **at = &x->graves, *e;

	while ((e = *at)) {
		if (e->dead_s++ < age_s) {
			at = &e->next_grave;
			continue;
		}
		*at = e->next_grave;
		ext_free(e);
	}
}

/* Lcores have ended, events are not processed any more. */
void vsw_exts_destroy(struct vsw *sw)
{
	struct vsw_exts *x = sw->exts;

	if (!x)
		return;
	while (x->n)
		vsw_ext_end(x->e[--x->n]);
	graves_clear(x, 0);
	vsw_watchdog_stop(x->watchdog);
	vsw_objs_destroy(x->objs);
	vsw_guard_fini(&x->guard);
	free(x);
	sw->exts = NULL;
}

void vsw_exts_tick(struct vsw *sw)
{
	struct vsw_exts *x = sw->exts;
	struct vsw_ext *e[VSW_EXTS_MAX];
	unsigned int i, n = x->n;

	memcpy(e, x->e, n * sizeof(e[0]));
	for (i = 0; i < n; i++) {
		struct vsw_ctl_call c = {.e = e[i]};

		detach(e[i]);
		if (!e[i]->is_disabled)
			vsw_ctl_tick(&c);
	}
	graves_clear(x, 3);
}
