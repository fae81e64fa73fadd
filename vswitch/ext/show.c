/* SPDX-License-Identifier: BSD-3-Clause */
/* What is shown of extensions: their state, their counters, what they say of themselves. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

void vsw_ext_counts(const struct vsw_ext *e, unsigned int lcore, struct vsw_ext_counts *out)
{
	const uint64_t *from = (const uint64_t *)&e->lane[lcore].c;
	uint64_t *to = (uint64_t *)out;
	size_t i;

	for (i = 0; i < sizeof(*out) / sizeof(*to); i++)
		to[i] = stat_get(&from[i]);
	if (out->timed)
		out->tsc = (uint64_t)((double)out->tsc * (double)out->packets / (double)out->timed);
	out->tsc += out->tsc_poll;
}

static void counts_sum(const struct vsw_ext *e, struct vsw_ext_status *st)
{
	struct vsw_ext_counts c;
	uint32_t broken = VSW_RULE_none;
	unsigned int i;
	size_t k;

	for (i = 0; i < e->host.nr_lcores; i++) {
		uint32_t last = __atomic_load_n(&e->lane[i].last_broken, __ATOMIC_RELAXED);

		vsw_ext_counts(e, i, &c);
		for (k = 0; k < sizeof(c) / sizeof(uint64_t); k++)
			((uint64_t *)&st->sum)[k] += ((uint64_t *)&c)[k];
		broken = last ? last : broken;
	}
	st->sum.broken += e->ctl_broken;
	st->last_broken_id = vsw_rule_id(broken);
	st->last_broken = vsw_rule_text(broken);
	if (e->broken_id) {
		st->last_broken_id = e->broken_id;
		st->last_broken = e->broken_text;
	}
}

static unsigned int position_of(const struct vsw_exts *x, unsigned int i)
{
	unsigned int n = 0;

	while (n < i && x->e[i - n - 1]->code->desc.cls == x->e[i]->code->desc.cls)
		n++;
	return n;
}

void vsw_ext_walk(struct vsw *sw, void (*fn)(const struct vsw_ext_status *st, void *ctx), void *ctx)
{
	struct vsw_exts *x = sw->exts;
	unsigned int i;

	for (i = 0; i < x->n; i++) {
		const struct vsw_ext *e = x->e[i];
		struct vsw_ext_status st = {
			.name = e->name,
			.path = e->path,
			.ext = &e->code->desc,
			.state = ext_is_faulted(e) ? VSW_EXT_FAULTED
				 : e->is_disabled  ? VSW_EXT_DISABLED
						   : VSW_EXT_ENABLED,
			.position = position_of(x, i),
			.is_tainted = e->is_tainted,
			.is_fail_closed = e->is_fail_closed,
			.is_for_ports = e->is_for_ports,
			.budget_us = e->budget_us,
			.config = e->config,
			.report = e->report,
			.faults = e->faults,
			.last_pause_ns = e->pause_ns,
			.last_change = e->change,
		};

		memcpy(st.ports, e->ports, sizeof(st.ports));
		counts_sum(e, &st);
		fn(&st, ctx);
	}
}

int vsw_ext_say(struct vsw_ext *e, char *json, size_t size)
{
	struct vsw_ctl_call c = {.e = e, .text = json, .text_max = size};

	if (!e->code->desc.status)
		return err_set(-ENOTSUP, "%s: it has nothing to say", e->name);
	if (!vsw_ctl_status(&c))
		return vsw_ext_why(e, "status");
	if (c.rc < 0 || (size_t)c.rc >= size)
		return err_set(-EMSGSIZE, "%s: what it says does not fit into %zu bytes", e->name,
			       size);
	json[c.rc] = 0;
	return c.rc;
}
