/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a native packet goes: ports of its subnet, and remote VTEPs. What came out of a tunnel
 * goes into none (split horizon): its sender reached the other remotes itself. */
#include "vswitch/overlay/priv.h"

static bool is_from_tunnel(const struct vsw_overlay *ov, const struct nethv_pkt *p)
{
	return p->src_port == ov->uplink;
}

static void flood(struct vsw_overlay *ov, const struct vsw_vec *v, const struct subnet *sn,
		  const struct nethv_pkt *p, struct vsw_overlay_route *r)
{
	uint16_t i;

	for (i = 0; i < sn->nr_ports; i++) {
		if (sn->port[i] != p->src_port)
			r->port[r->nr_ports++] = sn->port[i];
	}
	if (!is_from_tunnel(ov, p)) {
		memcpy(r->vtep, sn->vtep, sn->nr_vteps * sizeof(r->vtep[0]));
		r->nr_vteps = sn->nr_vteps;
	}
	if (!r->nr_ports && !r->nr_vteps)
		r->why = VSW_DROP_no_destination;
	count_add(&lane_of(ov, v->lcore)->subnet[subnet_index(ov, sn)][VSW_OVERLAY_flooded], 1);
}

/* Learned places may be those of another subnet's address, for a moment: see struct mac_table. */
static uint16_t place_of(const struct vsw_overlay *ov, const struct subnet *sn,
			 const struct nethv_pkt *p, uint32_t now_s)
{
	uint64_t mac = mac_load(vsw_hdr(p));
	uint16_t dest;

	if (mac & 1)
		return DEST_NONE;
	dest = mac_find(&ov->macs, subnet_index(ov, sn), mac, now_s);
	if (dest == DEST_NONE)
		return DEST_NONE;
	if (dest & DEST_VTEP)
		return subnet_has_vtep(sn, dest & (uint16_t)~DEST_VTEP) ? dest : DEST_NONE;
	return ov->subnet_of[dest] == subnet_index(ov, sn) ? dest : DEST_NONE;
}

void vsw_overlay_route(struct vsw_overlay *ov, const struct vsw_vec *v, uint16_t i,
		       const struct vsw_overlay_io *io, struct vsw_overlay_route *r)
{
	const struct nethv_pkt *p = &v->slot[i].pkt;
	const struct subnet *sn = subnet_find(ov, io->vsid[i]);
	uint16_t dest;

	r->why = VSW_DROP_none;
	r->nr_ports = r->nr_vteps = 0;
	if (!sn || sn->is_external) {
		r->why = VSW_DROP_overlay;
		return;
	}
	dest = place_of(ov, sn, p, io->now_s);
	if (dest == DEST_NONE) {
		flood(ov, v, sn, p, r);
	} else if (dest & DEST_VTEP) {
		if (is_from_tunnel(ov, p))
			r->why = VSW_DROP_same_port;
		else
			r->vtep[r->nr_vteps++] = dest & (uint16_t)~DEST_VTEP;
	} else if (dest == p->src_port) {
		r->why = VSW_DROP_same_port;
	} else {
		r->port[r->nr_ports++] = dest;
	}
}
