/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports whose partitions have a VF of an uplink's device. While their frames come by the VF, the device
 * delivers what arrives by wire, so the switch must not deliver it again; and what other ports send to
 * them leaves at the uplink, where the device brings it to the VF (VF-1). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/ports.h"
#include "vswitch/mirror.h"
#include "vswitch/overlay/overlay.h"
#include "vswitch/priv.h"

/* ---- lcore ---------------------------------------------------------------------------------- */

uint16_t vsw_via(const struct vsw_snap *sn, uint16_t src_id, uint16_t port, uint16_t vid)
{
	uint16_t via = sn->via[port];

	if (via < VSW_PORTS_MAX && (via == src_id || !vsw_port_in_vlan(sn->port[via], vid)))
		return DST_DROP + VSW_DROP_vf_path;
	return via;
}

static bool has_dst(const struct vsw_run *r, const struct nethv_pkt *p, uint16_t port)
{
	uint32_t d;

	for (d = p->dst_first; d < p->dst_first + p->ndst; d++)
		if (r->lc->dstv[d].port == port && !(r->lc->dstv[d].flags & NETHV_DST_EXCLUDED))
			return true;
	return false;
}

/* A copy for a monitor port is nobody else's: it does not go by a wire. */
static void place_one(struct vsw_run *r, uint16_t i, uint32_t d)
{
	struct nethv_dst *dst = &r->lc->dstv[d];
	const struct nethv_pkt *p = &r->v->slot[i].pkt;
	uint16_t to;

	if (r->sn->via[dst->port] == dst->port || dst->flags & NETHV_DST_EXCLUDED)
		return;
	to = dst->flags & NETHV_DST_MIRROR ? DST_DROP
					   : vsw_via(r->sn, r->src_id, dst->port, p->vlan);
	if (to >= VSW_PORTS_MAX || has_dst(r, p, to))
		vsw_stage_exclude(r, i, d, VSW_DROP_vf_path, NULL);
	else
		dst->port = to;
}

/* Destinations that a forwarder chose, or that came along with a packet, and that are on their VFs. */
void vsw_stage_place(struct vsw_run *r)
{
	uint16_t k;

	for (k = 0; k < r->n; k++) {
		const struct nethv_pkt *p = &r->v->slot[r->live[k]].pkt;
		uint32_t d;

		for (d = p->dst_first; d < p->dst_first + p->ndst; d++)
			place_one(r, r->live[k], d);
	}
}

/* ---- ctl ------------------------------------------------------------------------------------ */

const struct vsw_port *vsw_vf_uplink(const struct vsw_port *p)
{
	unsigned int i;

	for (i = 0; p->is_on_vf && i < PORTS_REAL; i++) {
		const struct vsw_port *up = p->sw->port[i];

		if (up && up->is_attached && up->cfg.kind == VSW_PORT_UPLINK &&
		    (!p->vf_uplink[0] || !strcmp(p->vf_uplink, up->cfg.name)))
			return up;
	}
	return NULL;
}

/* A subnet's port is no part of the network behind an uplink: nothing for it goes there as it is. */
static uint16_t via_of(const struct vsw_snap *sn, const struct vsw_port *p)
{
	const struct vsw_port *up = vsw_vf_uplink(p);

	if (!up || (sn->overlay && vsw_overlay_is_native(sn->overlay, p->id)))
		return DST_DROP + VSW_DROP_vf_path;
	return up->id;
}

void vsw_via_build(struct vsw_snap *sn, const struct vsw *sw)
{
	uint16_t i;

	for (i = 0; i <= VSW_PORTS_MAX; i++)
		sn->via[i] = i;
	for (i = 0; i < PORTS_REAL; i++) {
		if (!sn->port[i] || !sw->port[i]->is_on_vf)
			continue;
		sn->via[i] = via_of(sn, sw->port[i]);
		sn->has_via = true;
	}
}

int vsw_port_vf_path_set(struct vsw_port *p, enum vsw_vf_path path, const char *uplink)
{
	bool is_on = path == VSW_VF_PATH_ON;

	if (is_on && (p->cfg.kind != VSW_PORT_NIC || !p->is_attached))
		return err_set(-EINVAL, "port %s: it cannot be on a VF: %s", p->cfg.name,
			       p->is_attached ? "not an adapter's" : "not attached");
	snprintf(p->vf_uplink, sizeof(p->vf_uplink), "%s", uplink ? uplink : "");
	if (!is_on && !p->is_on_vf)
		return 0;
	p->is_on_vf = is_on;
	if (p->is_attached)
		vsw_republish(p->sw);
	return 0;
}

bool vsw_port_vf_path(const struct vsw_port *p)
{
	return p->is_on_vf;
}

void vsw_port_vf_assigned_set(struct vsw_port *p, bool is_assigned)
{
	if (p->has_vf == is_assigned)
		return;
	p->has_vf = is_assigned;
	vsw_ext_port_updated(p);
}

static bool is_mirrored(const struct vsw_mirror *m, uint16_t port)
{
	uint32_t i;

	for (i = 0; m && i < m->nr; i++) {
		if (m->session[i].to == port ||
		    (m->session[i].sources[port >> 6] >> (port & 63) & 1))
			return true;
	}
	return false;
}

const char *vsw_port_vf_obstacle(const struct vsw_port *p)
{
	if (p->policy)
		return "policy";
	if (is_mirrored(p->sw->mirror, p->id))
		return "mirror";
	return NULL;
}
