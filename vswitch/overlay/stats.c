/* SPDX-License-Identifier: BSD-3-Clause */
/* What an overlay tells of itself: counters, next hops, addresses. */
#include "vswitch/overlay/priv.h"

#define NAME(name, text) #name,
#define TEXT(name, text) text,

const char *vsw_overlay_count_name(unsigned int count)
{
	static const char *const names[] = {VSW_OVERLAY_COUNTS(NAME)};

	return count < VSW_OVERLAY_COUNT ? names[count] : "?";
}

const char *vsw_overlay_count_text(unsigned int count)
{
	static const char *const texts[] = {VSW_OVERLAY_COUNTS(TEXT)};

	return count < VSW_OVERLAY_COUNT ? texts[count] : "?";
}

const char *vsw_overlay_total_name(unsigned int total)
{
	static const char *const names[] = {VSW_OVERLAY_TOTALS(NAME)};

	return total < VSW_OVERLAY_TOTAL ? names[total] : "?";
}

const char *vsw_overlay_total_text(unsigned int total)
{
	static const char *const texts[] = {VSW_OVERLAY_TOTALS(TEXT)};

	return total < VSW_OVERLAY_TOTAL ? texts[total] : "?";
}

static void sum_up(uint64_t *to, const uint64_t *from, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

static void subnet_counts(const struct vsw_overlay *ov, uint16_t n, uint64_t out[VSW_OVERLAY_COUNT])
{
	uint16_t i;

	memset(out, 0, VSW_OVERLAY_COUNT * sizeof(out[0]));
	for (i = 0; i < ov->nr_lanes; i++)
		sum_up(out, ov->lane[i].subnet[n], VSW_OVERLAY_COUNT);
}

static void vtep_counts(const struct vsw_overlay *ov, uint16_t n, uint64_t out[VSW_OVERLAY_COUNT])
{
	uint16_t i;

	memset(out, 0, VSW_OVERLAY_COUNT * sizeof(out[0]));
	for (i = 0; i < ov->nr_lanes; i++)
		sum_up(out, ov->lane[i].vtep[n], VSW_OVERLAY_COUNT);
}

bool vsw_overlay_subnet_get(const struct vsw_overlay *ov, uint32_t n,
			    struct vsw_overlay_subnet_info *out)
{
	const struct subnet *sn;

	if (n >= ov->nr_subnets)
		return false;
	sn = &ov->subnet[n];
	out->vsid = sn->vsid;
	out->is_external = sn->is_external;
	out->is_learning = sn->is_learning;
	out->nr_ports = sn->nr_ports;
	out->nr_remotes = sn->nr_vteps;
	subnet_counts(ov, (uint16_t)n, out->count);
	return true;
}

bool vsw_overlay_vtep_get(const struct vsw_overlay *ov, uint32_t n, uint32_t now_s,
			  struct vsw_overlay_vtep_info *out)
{
	const struct vtep *vt;
	const struct neigh *nb;
	uint64_t mac;

	if (n >= ov->nr_vteps)
		return false;
	vt = &ov->vtep[n];
	memset(out, 0, sizeof(*out));
	out->ip = vt->ip;
	out->is_static = vt->neigh == NO_MEMBER;
	mac = vt->next_hop;
	if (!out->is_static) {
		nb = &ov->neigh[vt->neigh];
		mac = __atomic_load_n(&nb->mac, __ATOMIC_ACQUIRE);
		out->next_hop = nb->ip;
		out->age_s = now_s - __atomic_load_n(&nb->confirmed_s, __ATOMIC_RELAXED);
	}
	memcpy(out->mac, &mac, 6);
	vtep_counts(ov, (uint16_t)n, out->count);
	return true;
}

void vsw_overlay_totals_get(const struct vsw_overlay *ov, uint64_t out[VSW_OVERLAY_TOTAL])
{
	uint16_t i;

	memset(out, 0, VSW_OVERLAY_TOTAL * sizeof(out[0]));
	for (i = 0; i < ov->nr_lanes; i++)
		sum_up(out, ov->lane[i].total, VSW_OVERLAY_TOTAL);
}

static bool mac_info(const struct vsw_overlay *ov, const struct mac_entry *e, uint32_t now_s,
		     struct vsw_overlay_mac_info *m)
{
	uint64_t key = __atomic_load_n(&e->key, __ATOMIC_ACQUIRE);
	uint64_t where = __atomic_load_n(&e->where, __ATOMIC_RELAXED);
	uint16_t dest = (uint16_t)where;

	memset(m, 0, sizeof(*m));
	m->age_s = now_s - (uint32_t)(where >> 32);
	if (!key || (int32_t)m->age_s > (int32_t)ov->macs.ageing_s)
		return false;
	m->vsid = ov->subnet[key >> 48].vsid;
	memcpy(m->mac, &key, 6);
	m->port = dest & DEST_VTEP ? VSW_PORT_NONE : dest;
	if (dest & DEST_VTEP)
		m->vtep = ov->vtep[dest & ~DEST_VTEP].ip;
	return true;
}

void vsw_overlay_macs_walk(const struct vsw_overlay *ov, uint32_t now_s,
			   void (*fn)(const struct vsw_overlay_mac_info *m, void *ctx), void *ctx)
{
	uint64_t i, n = ((uint64_t)ov->macs.set_mask + 1) * MAC_WAYS;
	struct vsw_overlay_mac_info m;

	for (i = 0; i < n; i++) {
		if (mac_info(ov, &ov->macs.learned[i], now_s, &m))
			fn(&m, ctx);
	}
}

/* A subnet or VTEP that is there no more takes its counters with it; the totals stay. */
void vsw_overlay_adopt(struct vsw_overlay *ov, const struct vsw_overlay *old)
{
	struct lane *ln = &ov->lane[ov->nr_lanes - 1];
	uint64_t total[VSW_OVERLAY_TOTAL], count[VSW_OVERLAY_COUNT];
	const struct subnet *sn;
	uint16_t i, vt;

	vsw_overlay_totals_get(old, total);
	sum_up(ln->total, total, VSW_OVERLAY_TOTAL);
	for (i = 0; i < old->nr_subnets; i++) {
		sn = subnet_find(ov, old->subnet[i].vsid);
		subnet_counts(old, i, count);
		if (sn)
			sum_up(ln->subnet[subnet_index(ov, sn)], count, VSW_OVERLAY_COUNT);
	}
	for (i = 0; i < old->nr_vteps && old->local.version == ov->local.version; i++) {
		vt = vtep_find(ov, &old->vtep[i].ip);
		vtep_counts(old, i, count);
		if (vt != NO_MEMBER)
			sum_up(ln->vtep[vt], count, VSW_OVERLAY_COUNT);
	}
}
