/* SPDX-License-Identifier: BSD-3-Clause */
#include "vmq/igb_table.h"

#include <errno.h>

#include "base/err.h"

#define POOL_0 1u

int igb_table_mac(const struct igb_table *t, const uint8_t *addr)
{
	for (unsigned int i = 0; i < IGB_MACS; i++)
		if (t->mac[i].pools && !memcmp(t->mac[i].addr, addr, 6))
			return (int)i;
	return -1;
}

static int mac_add(struct igb_table *t, const uint8_t *addr, uint8_t pools)
{
	int i = igb_table_mac(t, addr);

	for (unsigned int k = 0; i < 0 && k < IGB_MACS; k++)
		if (!t->mac[k].pools)
			i = (int)k;
	if (i < 0)
		return err_set(-ENOSPC, "an 82576 compares %u addresses", IGB_MACS);
	memcpy(t->mac[i].addr, addr, 6);
	t->mac[i].pools |= pools;
	return 0;
}

static int vlan_add(struct igb_table *t, uint16_t vid, uint8_t pools)
{
	unsigned int i, free = IGB_VLANS;

	for (i = 0; i < IGB_VLANS; i++) {
		if (t->vlan[i].pools && t->vlan[i].vid == vid)
			break;
		if (!t->vlan[i].pools && free == IGB_VLANS)
			free = i;
	}
	if (i == IGB_VLANS)
		i = free;
	if (i == IGB_VLANS)
		return err_set(-ENOSPC, "an 82576 compares %u VLANs, besides VLAN 0",
			       IGB_VLANS - 1);
	t->vlan[i].vid = vid;
	t->vlan[i].pools |= pools | POOL_0;
	return 0;
}

static bool vlan_is_wanted(uint16_t vid, const struct igb_rules *rules, const uint64_t heard[64])
{
	if (heard[vid / 64] >> vid % 64 & 1)
		return true;
	for (uint32_t i = 0; i < rules->nr; i++)
		if (rules->r[i].f.vlan_test == VMQ_VLAN_IS && rules->r[i].f.vlan == vid)
			return true;
	return false;
}

/* An entry that moved would be twice there, or not at all, for a moment. */
static void vlans_keep(struct igb_table *t, const struct igb_table *now,
		       const struct igb_rules *rules, const uint64_t heard[64])
{
	t->vlan[0].pools = POOL_0;
	for (unsigned int i = 1; i < IGB_VLANS; i++)
		if (now->vlan[i].pools && vlan_is_wanted(now->vlan[i].vid, rules, heard))
			t->vlan[i] = (struct igb_vlan){.vid = now->vlan[i].vid, .pools = POOL_0};
}

static int rule_add(struct igb_table *t, const struct igb_rule *r)
{
	uint8_t pool = (uint8_t)(1u << r->q);
	int rc = mac_add(t, r->f.mac, pool);

	if (rc || r->f.vlan_test == VMQ_VLAN_ANY)
		return rc;
	if (r->f.vlan_test == VMQ_VLAN_IS)
		return vlan_add(t, r->f.vlan, pool);
	t->untagged |= pool;
	return vlan_add(t, 0, pool);
}

/* All look at the VLAN, or none does. */
static int vlan_mode(struct igb_table *t, const struct igb_rules *rules)
{
	for (uint32_t i = 0; i < rules->nr; i++) {
		bool has_test = rules->r[i].f.vlan_test != VMQ_VLAN_ANY;

		if (i && has_test != t->has_vlans)
			return err_set(-ENOTSUP,
				       "an 82576 compares VLANs for all of its queues or for none: "
				       "a filter for any VLAN does not go with others");
		t->has_vlans = has_test;
	}
	return 0;
}

int igb_table_build(struct igb_table *t, const struct igb_table *now, const struct igb_rules *rules,
		    const uint64_t heard[64])
{
	int rc;

	memset(t, 0, sizeof(*t));
	t->untagged = POOL_0;
	rc = vlan_mode(t, rules);
	if (rc)
		return rc;
	vlans_keep(t, now, rules, heard);
	for (uint32_t i = 0; i < rules->nr && !rc; i++)
		rc = rule_add(t, &rules->r[i]);
	/* Without VLANs compared all of them are heard. */
	for (uint16_t v = 1; t->has_vlans && v < 4095 && !rc; v++)
		if (heard[v / 64] >> v % 64 & 1)
			rc = vlan_add(t, v, 0);
	return rc;
}

static uint8_t wanted(const struct igb_rules *rules, const uint8_t *addr, uint16_t vid)
{
	uint8_t pools = 0;

	for (uint32_t i = 0; i < rules->nr; i++)
		if (vmq_filter_passes(&rules->r[i].f, addr, vid))
			pools |= (uint8_t)(1u << rules->r[i].q);
	return pools;
}

static int check_one(const struct igb_mac *m, uint16_t vid, uint8_t got, uint8_t want)
{
	if (got == want && (got & (got - 1)) == 0)
		return 0;
	return err_set(-ENOSPC,
		       "an 82576 compares addresses and VLANs apart: frames to "
		       "%02x:%02x:%02x:%02x:%02x:%02x in VLAN %u would go to queues 0x%02x, not "
		       "0x%02x",
		       m->addr[0], m->addr[1], m->addr[2], m->addr[3], m->addr[4], m->addr[5], vid,
		       got, want);
}

/* An address with no VLAN, and with each VLAN that it compares: the others lead to pool 0. */
static int check_mac(const struct igb_table *t, const struct igb_mac *m,
		     const struct igb_rules *rules)
{
	int rc;

	if (!t->has_vlans)
		return check_one(m, 0, m->pools, wanted(rules, m->addr, 0));
	rc = check_one(m, 0, m->pools & t->untagged, wanted(rules, m->addr, 0));
	for (unsigned int i = 0; i < IGB_VLANS && !rc; i++)
		if (t->vlan[i].pools)
			rc = check_one(m, t->vlan[i].vid, m->pools & t->vlan[i].pools,
				       wanted(rules, m->addr, t->vlan[i].vid));
	return rc;
}

int igb_table_check(const struct igb_table *t, const struct igb_rules *rules)
{
	int rc = 0;

	for (unsigned int i = 0; i < IGB_MACS && !rc; i++)
		if (t->mac[i].pools)
			rc = check_mac(t, &t->mac[i], rules);
	return rc;
}

static void macs_join(struct igb_table *t, const struct igb_table *to)
{
	for (unsigned int i = 0; i < IGB_MACS; i++)
		t->mac[i].pools |= to->mac[i].pools;
}

static void vlans_join(struct igb_table *t, const struct igb_table *to)
{
	t->untagged |= to->untagged;
	for (unsigned int i = 0; i < IGB_VLANS; i++) {
		if (to->vlan[i].pools)
			t->vlan[i].vid = to->vlan[i].vid;
		t->vlan[i].pools |= to->vlan[i].pools;
	}
}

/* The address is what changes at one stroke: the VLANs of both before it. */
static bool by_mac(struct igb_table via[2], const struct igb_table *from,
		   const struct igb_table *to, const struct igb_rules *before,
		   const struct igb_rules *after)
{
	via[0] = *from;
	vlans_join(&via[0], to);
	via[1] = via[0];
	memcpy(via[1].mac, to->mac, sizeof(to->mac));
	return !igb_table_check(&via[0], before) && !igb_table_check(&via[1], after);
}

static unsigned int vlan_writes(const struct igb_table *a, const struct igb_table *b)
{
	unsigned int n = a->untagged == b->untagged ? 0 : 2;

	for (unsigned int i = 0; i < IGB_VLANS; i++)
		n += memcmp(&a->vlan[i], &b->vlan[i], sizeof(a->vlan[i])) != 0;
	return n;
}

/* The VLAN is: but untagged frames have a bit in each pool's own register. */
static bool by_vlan(struct igb_table via[2], const struct igb_table *from,
		    const struct igb_table *to, const struct igb_rules *before,
		    const struct igb_rules *after)
{
	via[0] = *from;
	macs_join(&via[0], to);
	via[1] = *to;
	memcpy(via[1].mac, via[0].mac, sizeof(to->mac));
	return vlan_writes(&via[0], &via[1]) <= 1 && !igb_table_check(&via[0], before) &&
	       !igb_table_check(&via[1], after);
}

int igb_table_move(struct igb_table via[2], const struct igb_table *from,
		   const struct igb_table *to, const struct igb_rules *before,
		   const struct igb_rules *after)
{
	if (by_mac(via, from, to, before, after) || by_vlan(via, from, to, before, after))
		return 0;
	return err_set(-ENOSPC, "an 82576 cannot move that filter at one stroke, because both "
				"queues have others with its address and with its VLAN");
}
