/* SPDX-License-Identifier: BSD-3-Clause */
/* Building the immutable picture of ports, VLANs and queues that lcores work on. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/priv.h"
#include "vswitch/overlay/overlay.h"
#include "vswitch/policy/policy.h"
#include "vswitch/priv.h"

static struct vsw_flood *flood_build(const struct vsw_snap *sn, uint16_t vid)
{
	struct vsw_flood *fl = malloc(sizeof(*fl) + PORTS_REAL * sizeof(fl->port[0]));
	unsigned int i;

	if (!fl)
		return NULL;
	fl->nr_ports = 0;
	for (i = 0; i < PORTS_REAL; i++) {
		if (sn->port[i] && sn->via[i] == i && vsw_port_in_vlan(sn->port[i], vid) &&
		    !(sn->overlay && vsw_overlay_is_native(sn->overlay, (uint16_t)i)))
			fl->port[fl->nr_ports++] = (uint16_t)i;
	}
	return fl;
}

static bool flood_is_equal(const struct vsw_flood *a, const struct vsw_flood *b)
{
	return a && a->nr_ports == b->nr_ports &&
	       memcmp(a->port, b->port, a->nr_ports * sizeof(a->port[0])) == 0;
}

static int floods_build(struct vsw_snap *sn)
{
	uint16_t vid;

	for (vid = 0; vid < VLAN_NONE; vid++) {
		const struct vsw_flood *before = vid ? sn->flood[vid - 1] : NULL;
		struct vsw_flood *fl = flood_build(sn, vid), *fit;

		if (!fl)
			return -ENOMEM;
		if (flood_is_equal(before, fl)) {
			free(fl);
			sn->flood[vid] = before;
			continue;
		}
		fit = realloc(fl, sizeof(*fl) + fl->nr_ports * sizeof(fl->port[0]));
		sn->flood[vid] = fit ? fit : fl;
	}
	return 0;
}

static void poll_add(struct vsw_snap *sn, uint32_t *n, const struct vsw_port *p, uint16_t q)
{
	int fd = p->queue[q].event_fd;

	sn->poll[(*n)++] = (struct vsw_poll){
		.port = p,
		.load = p->load ? &p->load[q] : NULL,
		.q = q,
		.event_fd = fd,
		.is_drained = fd >= 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK),
		.quiet = p->queue[q].quiet,
	};
}

static void polls_of_lcore(struct vsw_snap *sn, unsigned int lcore, uint32_t *n)
{
	unsigned int i;
	uint16_t q;

	sn->lcore[lcore].first = *n;
	for (i = 0; i < PORTS_REAL; i++) {
		const struct vsw_port *p = sn->port[i];

		for (q = 0; p && q < VSW_QUEUES_MAX; q++) {
			if (p->queue[q].is_on && p->queue[q].lcore == lcore)
				poll_add(sn, n, p, q);
		}
	}
	sn->lcore[lcore].n = *n - sn->lcore[lcore].first;
}

static uint32_t polls_count(const struct vsw_snap *sn)
{
	uint32_t i, q, n = 0;

	for (i = 0; i < PORTS_REAL; i++) {
		for (q = 0; sn->port[i] && q < VSW_QUEUES_MAX; q++)
			n += sn->port[i]->queue[q].is_on;
	}
	return n;
}

static int polls_build(struct vsw_snap *sn, unsigned int nr_lcores)
{
	unsigned int i;
	uint32_t n = 0;

	sn->poll = calloc(polls_count(sn) + 1, sizeof(*sn->poll));
	if (!sn->poll)
		return -ENOMEM;
	for (i = 0; i < nr_lcores; i++)
		polls_of_lcore(sn, i, &n);
	return 0;
}

/* Whether there is anything besides forwarding, and what. */
static void long_way_build(struct vsw_snap *sn, const struct vsw *sw)
{
	bool has_policy = false;
	unsigned int i;

	vsw_exts_snapshot(sw, &sn->ext);
	sn->watchdog = sw->exts ? sw->exts->watchdog : NULL;
	sn->tap = sw->tap;
	sn->mirror = sw->mirror;
	sn->is_long = sn->ext.is_any || sn->tap || sn->mirror || sn->overlay;
	sn->ext.wants_plain |= sn->overlay != NULL;
	for (i = 0; i < PORTS_REAL; i++) {
		struct vsw_policy *pol = sn->port[i] ? sw->port[i]->policy : NULL;

		sn->policy[i] = pol;
		has_policy |= pol != NULL;
		sn->has_policy_out |= pol && vsw_policy_has(pol, VSW_POLICY_EGRESS);
	}
	sn->is_quick = sn->ext.is_any && !has_policy && !sn->tap && !sn->mirror && !sn->overlay &&
		       !sn->ext.forward.n && !sn->ext.wants_plain;
	sn->is_long |= has_policy;
}

int vsw_snap_build(struct vsw_snap **out, const struct vsw *sw)
{
	struct vsw_snap *sn = calloc(1, sizeof(*sn));
	unsigned int i;

	if (!sn)
		goto fail;
	for (i = 0; i < PORTS_REAL; i++) {
		if (!sw->port[i] || !sw->port[i]->is_attached)
			continue;
		sn->port[i] = sw->port[i];
		if (sw->port[i]->ops->reclaim)
			sn->lender[sn->nr_lenders++] = sw->port[i];
	}
	sn->overlay = sw->overlay;
	vsw_via_build(sn, sw);
	if (polls_build(sn, sw->nr_lcores) || floods_build(sn))
		goto fail;
	long_way_build(sn, sw);
	*out = sn;
	return 0;
fail:
	vsw_snap_free(sn);
	return err_set(-ENOMEM, "switch: out of memory for a new configuration");
}

void vsw_snap_free(struct vsw_snap *sn)
{
	unsigned int vid;

	if (!sn)
		return;
	for (vid = 0; vid < VLAN_NONE; vid++) {
		if (vid == 0 || sn->flood[vid] != sn->flood[vid - 1])
			free((void *)sn->flood[vid]);
	}
	free(sn->poll);
	free(sn);
}
