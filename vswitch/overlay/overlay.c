/* SPDX-License-Identifier: BSD-3-Clause */
/* Making an overlay of its configuration, taking over from the one before, and look-ups. */
#include "vswitch/overlay/priv.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

uint64_t mix64(uint64_t v)
{
	v ^= v >> 33;
	v *= 0xFF51AFD7ED558CCDull;
	v ^= v >> 33;
	v *= 0xC4CEB9FE1A85EC53ull;
	return v ^ v >> 33;
}

uint64_t ip_hash(const struct vsw_overlay_ip *ip)
{
	uint64_t hi = 0, lo = 0;

	if (ip->version == 4) {
		memcpy(&lo, ip->b, 4);
	} else {
		memcpy(&hi, ip->b, 8);
		memcpy(&lo, ip->b + 8, 8);
	}
	return mix64(mix64(hi) ^ lo);
}

/* ---- Look-ups ------------------------------------------------------------------------------ */

/* Both tables are at most a quarter full, so each search ends at an empty slot. */
static uint16_t *vsid_slot(const struct vsw_overlay *ov, uint32_t vsid)
{
	uint32_t i = (uint32_t)mix64(vsid) & (BY_VSID - 1);

	while (ov->by_vsid[i] && ov->subnet[ov->by_vsid[i] - 1].vsid != vsid)
		i = (i + 1) & (BY_VSID - 1);
	return (uint16_t *)(uintptr_t)&ov->by_vsid[i];
}

static uint16_t *ip_slot(const struct vsw_overlay *ov, const struct vsw_overlay_ip *ip)
{
	uint32_t i = (uint32_t)ip_hash(ip) & (BY_IP - 1);

	while (ov->by_ip[i] && !ip_is(ip, ov->vtep[ov->by_ip[i] - 1].ip.b))
		i = (i + 1) & (BY_IP - 1);
	return (uint16_t *)(uintptr_t)&ov->by_ip[i];
}

const struct subnet *subnet_find(const struct vsw_overlay *ov, uint32_t vsid)
{
	uint16_t n = *vsid_slot(ov, vsid);

	return n ? &ov->subnet[n - 1] : NULL;
}

uint16_t vtep_find(const struct vsw_overlay *ov, const struct vsw_overlay_ip *ip)
{
	uint16_t n = *ip_slot(ov, ip);

	return n ? (uint16_t)(n - 1) : NO_MEMBER;
}

uint32_t vsw_overlay_vsid(const struct vsw_overlay *ov, uint16_t port)
{
	uint16_t n = port < VSW_PORTS_MAX ? ov->subnet_of[port] : NO_MEMBER;

	return n == NO_MEMBER ? 0 : ov->subnet[n].vsid;
}

bool vsw_overlay_is_native(const struct vsw_overlay *ov, uint16_t port)
{
	uint16_t n = port < VSW_PORTS_MAX ? ov->subnet_of[port] : NO_MEMBER;

	return n != NO_MEMBER && !ov->subnet[n].is_external;
}

uint16_t vsw_overlay_uplink(const struct vsw_overlay *ov)
{
	return ov->uplink;
}

uint16_t vsw_overlay_vlan(const struct vsw_overlay *ov)
{
	return ov->vlan;
}

uint16_t vsw_overlay_inner_mtu(const struct vsw_overlay *ov)
{
	uint32_t ip = ov->local.version == 4 ? IP4_HLEN : IP6_HLEN;

	return (uint16_t)(ov->mtu - ip - UDP_HLEN - TUNNEL_HLEN - ETH_HLEN);
}

/* ---- Building ------------------------------------------------------------------------------ */

static void take_constants(struct vsw_overlay *ov, const struct vsw_overlay_cfg *cfg)
{
	uint16_t port = cfg->encap == VSW_OVERLAY_GENEVE ? 6081 : 4789;

	ov->encap = cfg->encap;
	ov->udp_port = cfg->udp_port ? cfg->udp_port : port;
	ov->uplink = cfg->uplink;
	ov->vlan = cfg->vlan;
	ov->mtu = cfg->mtu ? cfg->mtu : 1500;
	memcpy(ov->mac, cfg->mac, sizeof(ov->mac));
	ov->has_zero_csum6 = cfg->has_zero_csum6;
	ov->local = cfg->local;
	memset(ov->subnet_of, 0xFF, sizeof(ov->subnet_of));
}

static int tables_alloc(struct vsw_overlay *ov, const struct vsw_overlay_cfg *cfg)
{
	size_t lanes = ov->nr_lanes * sizeof(struct lane);

	ov->subnet = calloc(VSW_OVERLAY_SUBNETS_MAX, sizeof(*ov->subnet));
	ov->ports = calloc(VSW_PORTS_MAX, sizeof(*ov->ports));
	ov->vtep = calloc(VSW_OVERLAY_VTEPS_MAX, sizeof(*ov->vtep));
	ov->neigh = calloc(NEIGHS_MAX, sizeof(*ov->neigh));
	ov->lane = aligned_alloc(64, lanes);
	if (!ov->subnet || !ov->ports || !ov->vtep || !ov->neigh || !ov->lane)
		return err_set(-ENOMEM, "overlay: no memory");
	memset(ov->lane, 0, lanes);
	return mac_init(&ov->macs, cfg);
}

static uint16_t neigh_get(struct vsw_overlay *ov, const struct vsw_overlay_ip *ip)
{
	uint16_t i;

	for (i = 0; i < ov->nr_neighs; i++) {
		if (ip_is(ip, ov->neigh[i].ip.b))
			return i;
	}
	ov->neigh[ov->nr_neighs].ip = *ip;
	return ov->nr_neighs++;
}

/* The VTEP of @r, a new one if need be. */
static int vtep_get(struct vsw_overlay *ov, const struct vsw_overlay_cfg *cfg,
		    const struct vsw_overlay_remote *r, uint16_t *out)
{
	uint64_t hop = mac_load(r->next_hop_mac);
	struct vtep *vt;

	*out = vtep_find(ov, &r->vtep);
	if (*out != NO_MEMBER) {
		if (ov->vtep[*out].next_hop != hop)
			return err_set(-EINVAL, "overlay: a remote has different next hops in two "
						"subnets");
		return 0;
	}
	if (ov->nr_vteps == VSW_OVERLAY_VTEPS_MAX)
		return err_set(-EINVAL, "overlay: more than %u remotes", VSW_OVERLAY_VTEPS_MAX);
	*out = ov->nr_vteps;
	vt = &ov->vtep[*out];
	vt->ip = r->vtep;
	vt->next_hop = hop;
	vt->neigh = hop ? NO_MEMBER
			: neigh_get(ov, overlay_on_link(cfg, &r->vtep) ? &r->vtep : &cfg->gateway);
	*ip_slot(ov, &r->vtep) = ++ov->nr_vteps;
	return 0;
}

static int give(struct vsw_overlay *ov, const struct subnet *sn, const uint8_t *mac, uint16_t dest)
{
	if (mac_give(&ov->macs, subnet_index(ov, sn), mac_load(mac), dest))
		return err_set(-EINVAL,
			       "subnet %u: MAC address %02x:%02x:%02x:%02x:%02x:%02x is there "
			       "twice",
			       sn->vsid, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return 0;
}

static int remotes_build(struct vsw_overlay *ov, const struct vsw_overlay_cfg *cfg,
			 const struct vsw_overlay_subnet *from, struct subnet *sn)
{
	uint32_t i, k;
	int rc = 0;

	for (i = 0; i < from->nr_remotes && !rc; i++) {
		const struct vsw_overlay_remote *r = &from->remotes[i];
		uint16_t vt;

		rc = vtep_get(ov, cfg, r, &vt);
		if (rc)
			return rc;
		sn->vtep[sn->nr_vteps++] = vt;
		sn->may_send[vt / 64] |= 1ull << (vt % 64);
		for (k = 0; k < r->nr_macs && !rc; k++)
			rc = give(ov, sn, r->macs[k], DEST_VTEP | vt);
	}
	return rc;
}

static int subnet_build(struct vsw_overlay *ov, const struct vsw_overlay_cfg *cfg,
			const struct vsw_overlay_subnet *from, uint16_t *ports)
{
	struct subnet *sn = &ov->subnet[ov->nr_subnets];
	uint32_t i;
	int rc = 0;

	sn->vsid = from->vsid;
	sn->is_learning = from->is_learning;
	sn->is_external = from->is_external;
	sn->port = ports;
	*vsid_slot(ov, sn->vsid) = ++ov->nr_subnets;
	for (i = 0; i < from->nr_ports && !rc; i++) {
		const struct vsw_overlay_port *p = &from->ports[i];

		ports[sn->nr_ports++] = p->port;
		ov->subnet_of[p->port] = subnet_index(ov, sn);
		if (mac_load(p->mac))
			rc = give(ov, sn, p->mac, p->port);
	}
	return rc ? rc : remotes_build(ov, cfg, from, sn);
}

static int build(struct vsw_overlay *ov, const struct vsw_overlay_cfg *cfg)
{
	uint16_t *ports = ov->ports; /* a port is in one subnet at most, so they suffice */
	uint32_t i;
	int rc = 0;

	for (i = 0; i < cfg->nr_subnets && !rc; i++) {
		rc = subnet_build(ov, cfg, &cfg->subnets[i], ports);
		ports += cfg->subnets[i].nr_ports;
	}
	return rc;
}

/* ---- Taking over ---------------------------------------------------------------------------- */

static void take_neighs(struct vsw_overlay *ov, const struct vsw_overlay *old)
{
	uint16_t i, k;

	if (old->uplink != ov->uplink || old->vlan != ov->vlan ||
	    old->local.version != ov->local.version)
		return;
	for (i = 0; i < ov->nr_neighs; i++) {
		for (k = 0; k < old->nr_neighs; k++) {
			struct neigh *to = &ov->neigh[i];
			const struct neigh *from = &old->neigh[k];

			if (!ip_is(&to->ip, from->ip.b))
				continue;
			to->mac = __atomic_load_n(&from->mac, __ATOMIC_ACQUIRE);
			to->confirmed_s = __atomic_load_n(&from->confirmed_s, __ATOMIC_RELAXED);
			to->asked_s = __atomic_load_n(&from->asked_s, __ATOMIC_RELAXED);
		}
	}
}

/* Where @dest of the old overlay is in the new one's subnet, if it still is. */
static uint16_t dest_in(const struct vsw_overlay *ov, const struct subnet *sn,
			const struct vsw_overlay *old, uint16_t dest)
{
	uint16_t vt;

	if (!(dest & DEST_VTEP))
		return dest < VSW_PORTS_MAX && ov->subnet_of[dest] == subnet_index(ov, sn)
			       ? dest
			       : DEST_NONE;
	if ((dest & ~DEST_VTEP) >= old->nr_vteps || old->local.version != ov->local.version)
		return DEST_NONE;
	vt = vtep_find(ov, &old->vtep[dest & ~DEST_VTEP].ip);
	return vt != NO_MEMBER && subnet_has_vtep(sn, vt) ? (uint16_t)(DEST_VTEP | vt) : DEST_NONE;
}

static void take_mac(struct vsw_overlay *ov, const struct vsw_overlay *old,
		     const struct mac_entry *e)
{
	uint64_t key = __atomic_load_n(&e->key, __ATOMIC_ACQUIRE);
	uint64_t where = __atomic_load_n(&e->where, __ATOMIC_RELAXED);
	const struct subnet *sn;
	uint16_t dest;

	if (!key)
		return;
	sn = subnet_find(ov, old->subnet[key >> 48].vsid);
	if (!sn || !sn->is_learning)
		return;
	dest = dest_in(ov, sn, old, (uint16_t)where);
	if (dest != DEST_NONE)
		mac_learn(&ov->macs, subnet_index(ov, sn), key & MAC_MASK, dest,
			  (uint32_t)(where >> 32));
}

static void take_macs(struct vsw_overlay *ov, const struct vsw_overlay *old)
{
	uint64_t i, n = ((uint64_t)old->macs.set_mask + 1) * MAC_WAYS;

	for (i = 0; i < n; i++)
		take_mac(ov, old, &old->macs.learned[i]);
}

int vsw_overlay_create(struct vsw_overlay **out, const struct vsw_overlay_cfg *cfg,
		       unsigned int nr_lcores, const struct vsw_overlay *old)
{
	struct vsw_overlay *ov;
	int rc = overlay_check(cfg);

	*out = NULL;
	if (rc)
		return rc;
	ov = calloc(1, sizeof(*ov));
	if (!ov)
		return err_set(-ENOMEM, "overlay: no memory");
	take_constants(ov, cfg);
	ov->nr_lanes = (uint16_t)(nr_lcores + 1);
	rc = tables_alloc(ov, cfg);
	if (!rc)
		rc = build(ov, cfg);
	if (rc) {
		vsw_overlay_destroy(ov);
		return rc;
	}
	if (old) {
		take_neighs(ov, old);
		take_macs(ov, old);
	}
	*out = ov;
	return 0;
}

void vsw_overlay_destroy(struct vsw_overlay *ov)
{
	if (!ov)
		return;
	mac_fini(&ov->macs);
	free(ov->lane);
	free(ov->neigh);
	free(ov->vtep);
	free(ov->ports);
	free(ov->subnet);
	free(ov);
}
