/* SPDX-License-Identifier: BSD-3-Clause */
#include "vmq/igb.h"

#include <errno.h>
#include <stdbool.h>

#include "base/err.h"

#define ETHERTYPE_VLAN 0x8100u
#define ALL_POOLS      0xffu
#define ALL_ONES       0xffffffffu
#define NO_SLOT	       IGB_MACS

/* What lets frames into a pool that no filter lets in. */
#define OPEN_DOORS                                                                           \
	(IGB_VMOLR_VPE | IGB_VMOLR_ROMPE | IGB_VMOLR_ROPE | IGB_VMOLR_BAM | IGB_VMOLR_MPME | \
	 IGB_VMOLR_UPE)

static uint32_t get(const struct igb *d, uint32_t reg)
{
	return d->io.read(d->io.ctx, reg);
}

/* Reading back also waits for the write to be there. */
static int put(const struct igb *d, uint32_t reg, uint32_t v)
{
	uint32_t is;

	d->io.write(d->io.ctx, reg, v);
	is = get(d, reg);
	if (is == v)
		return 0;
	return err_set(-EIO, "%s: register 0x%04x is 0x%08x after 0x%08x was written", d->name, reg,
		       is, v);
}

static int change(const struct igb *d, uint32_t reg, uint32_t clear, uint32_t set)
{
	uint32_t is = get(d, reg), v = (is & ~clear) | set;

	return is == v ? 0 : put(d, reg, v);
}

static int fill(const struct igb *d, uint32_t reg, uint32_t nr, uint32_t v)
{
	int rc = 0;

	for (uint32_t i = 0; i < nr && !rc; i++)
		rc = put(d, reg + 4 * i, v);
	return rc;
}

/* Pool 0 takes all groups: by the hash, of which each bit is set, and where there is such a thing without it. */
static int setup_pool(const struct igb *d, uint32_t pool, uint32_t frame_max)
{
	uint32_t set = IGB_VMOLR_STRIP_VLAN | IGB_VMOLR_LPE | frame_max;

	if (pool == 0)
		set |= IGB_VMOLR_AUPE | IGB_VMOLR_BAM | IGB_VMOLR_ROMPE | IGB_VMOLR_MPME;
	return change(d, IGB_VMOLR(pool),
		      OPEN_DOORS | IGB_VMOLR_AUPE | IGB_VMOLR_RSSE | IGB_VMOLR_RLPML, set);
}

static int close_pools(const struct igb *d)
{
	int rc = 0;

	for (uint32_t i = 0; i < IGB_MACS && !rc; i++)
		rc = change(d, IGB_RAH(i), IGB_RAH_POOLS, 0);
	return rc ? rc : fill(d, IGB_VLVF(0), IGB_VLANS, 0);
}

/* DPDK leaves the device with addresses ignored. Frames of a VLAN that is not in VFTA would be lost to all. */
int igb_setup(const struct igb *d, uint32_t frame_max)
{
	int rc = close_pools(d);

	for (uint32_t i = 0; i < IGB_POOLS && !rc; i++)
		rc = setup_pool(d, i, frame_max);
	if (!rc)
		rc = change(d, IGB_RPLOLR, 0, IGB_RPLOLR_STRIP_VLAN);
	if (!rc)
		rc = fill(d, IGB_MTA(0), IGB_TABLE_WORDS, ALL_ONES);
	if (!rc)
		rc = fill(d, IGB_VFTA(0), IGB_TABLE_WORDS, ALL_ONES);
	if (!rc)
		rc = change(d, IGB_QDE, 0, ALL_POOLS);
	if (!rc)
		rc = change(d, IGB_VT_CTL,
			    IGB_VT_CTL_IGNORE_MAC | IGB_VT_CTL_NO_DEFAULT | IGB_VT_CTL_DEFAULT |
				    IGB_VT_CTL_REPLICATE,
			    0);
	return rc ? rc : change(d, IGB_RCTL, IGB_RCTL_VFE, 0);
}

static uint32_t vlvf_of(const struct igb_vlan *v)
{
	if (!v->pools)
		return 0;
	return IGB_VLVF_VALID | (uint32_t)v->pools << IGB_VLVF_POOL_SHIFT | v->vid;
}

int igb_vlans(const struct igb *d, const struct igb_table *from, const struct igb_table *to)
{
	int rc = 0;

	for (uint32_t i = 0; i < IGB_VLANS && !rc; i++)
		if (vlvf_of(&from->vlan[i]) != vlvf_of(&to->vlan[i]))
			rc = put(d, IGB_VLVF(i), vlvf_of(&to->vlan[i]));
	for (uint32_t p = 1; p < IGB_POOLS && !rc; p++)
		rc = change(d, IGB_VMOLR(p), to->untagged >> p & 1 ? 0 : IGB_VMOLR_AUPE,
			    to->untagged >> p & 1 ? IGB_VMOLR_AUPE : 0);
	if (!rc && from->has_vlans != to->has_vlans)
		rc = change(d, IGB_RCTL, IGB_RCTL_VFE, to->has_vlans ? IGB_RCTL_VFE : 0);
	return rc;
}

static uint32_t low_of(const uint8_t *a)
{
	return a[0] | (uint32_t)a[1] << 8 | (uint32_t)a[2] << 16 | (uint32_t)a[3] << 24;
}

static uint32_t high_of(const uint8_t *a)
{
	return IGB_RAH_VALID | a[4] | (uint32_t)a[5] << 8;
}

static uint32_t slot_of(const struct igb *d, const uint8_t *addr)
{
	uint32_t i;

	for (i = 0; i < IGB_MACS; i++)
		if (get(d, IGB_RAL(i)) == low_of(addr) &&
		    (get(d, IGB_RAH(i)) & (IGB_RAH_VALID | IGB_RAH_ADDR)) == high_of(addr))
			break;
	return i;
}

int igb_mac_pools(const struct igb *d, const uint8_t *addr, uint8_t pools)
{
	uint32_t i = slot_of(d, addr);

	if (i == NO_SLOT)
		return err_set(-ENOENT,
			       "%s: the device does not have the address that it was given",
			       d->name);
	return put(d, IGB_RAH(i), high_of(addr) | (uint32_t)pools << IGB_RAH_POOL_SHIFT);
}

/* What holds for all pools. */
static const struct {
	uint32_t reg, nr, mask, want;
	const char *what;
} rules[] = {
	{IGB_MRQC, 1, IGB_MRQC_MODE, IGB_MRQC_VMDQ, "it does not sort by pools"},
	{IGB_VT_CTL, 1,
	 IGB_VT_CTL_IGNORE_MAC | IGB_VT_CTL_NO_DEFAULT | IGB_VT_CTL_DEFAULT | IGB_VT_CTL_REPLICATE,
	 0, "addresses are not compared, or frames without a filter go elsewhere"},
	{IGB_RCTL, 1, IGB_RCTL_VFE, IGB_RCTL_VFE, "VLANs are not compared"},
	{IGB_VET, 1, 0xffff, ETHERTYPE_VLAN, "it does not know tags"},
	{IGB_CTRL_EXT, 1, IGB_CTRL_EXT_TWO_TAGS, 0, "it looks for two tags"},
	{IGB_VFTA(0), IGB_TABLE_WORDS, ALL_ONES, ALL_ONES, "a VLAN does not come in"},
	{IGB_VMRCTL(0), 4, IGB_VMRCTL_ON, 0, "a mirror is on"},
	{IGB_ETQF(0), 8, IGB_ETQF_QUEUE_ON, 0, "a filter by protocol chooses queues"},
	{IGB_SYNQF(0), 1, IGB_SYNQF_ON, 0, "a filter of connections chooses queues"},
};

static int prove_rules(const struct igb *d)
{
	for (size_t r = 0; r < sizeof(rules) / sizeof(rules[0]); r++)
		for (uint32_t i = 0; i < rules[r].nr; i++) {
			uint32_t reg = rules[r].reg + 4 * i, is = get(d, reg);

			if ((is & rules[r].mask) != rules[r].want)
				return err_set(-EIO, "%s: %s (register 0x%04x is 0x%08x)", d->name,
					       rules[r].what, reg, is);
		}
	return 0;
}

static int prove_pool(const struct igb *d, const struct igb_table *t, uint16_t q)
{
	uint32_t is = get(d, IGB_VMOLR(q));
	uint32_t want = t->untagged >> q & 1 ? IGB_VMOLR_AUPE : 0;

	if ((is & (OPEN_DOORS | IGB_VMOLR_AUPE | IGB_VMOLR_RSSE)) == want)
		return 0;
	return err_set(-EIO, "%s: queue %u gets frames without a filter (VMOLR is 0x%08x)", d->name,
		       q, is);
}

static int prove_slot(const struct igb *d, const struct igb_table *t, uint32_t i, uint16_t q)
{
	uint32_t lo = get(d, IGB_RAL(i)), hi = get(d, IGB_RAH(i));
	uint8_t addr[6] = {lo & 0xff,	    lo >> 8 & 0xff, lo >> 16 & 0xff,
			   lo >> 24 & 0xff, hi & 0xff,	    hi >> 8 & 0xff};
	uint8_t pools = (hi & IGB_RAH_POOLS) >> IGB_RAH_POOL_SHIFT;
	int m = igb_table_mac(t, addr);

	if (!(hi & IGB_RAH_VALID) || !(pools >> q & 1))
		return 0;
	if (m >= 0 && t->mac[m].pools == pools)
		return 0;
	return err_set(-EIO, "%s: address %u leads to queues 0x%02x (0x%08x, 0x%08x)", d->name, i,
		       pools, lo, hi);
}

static int prove_mac(const struct igb *d, const struct igb_mac *m, uint16_t q)
{
	uint32_t i = slot_of(d, m->addr);
	uint32_t want = high_of(m->addr) | (uint32_t)m->pools << IGB_RAH_POOL_SHIFT;

	if (i != NO_SLOT && get(d, IGB_RAH(i)) == want)
		return 0;
	return err_set(-EIO, "%s: an address of queue %u does not lead there", d->name, q);
}

/* In the device and not in the table, and the other way round. */
static int prove_macs(const struct igb *d, const struct igb_table *t, uint16_t q)
{
	int rc = 0;

	for (uint32_t i = 0; i < IGB_MACS && !rc; i++)
		rc = prove_slot(d, t, i, q);
	for (uint32_t i = 0; i < IGB_MACS && !rc; i++)
		if (t->mac[i].pools >> q & 1)
			rc = prove_mac(d, &t->mac[i], q);
	return rc;
}

static int prove_vlans(const struct igb *d, const struct igb_table *t, uint16_t q)
{
	for (uint32_t i = 0; i < IGB_VLANS; i++) {
		uint32_t is = get(d, IGB_VLVF(i)), want = vlvf_of(&t->vlan[i]);
		bool has_q = (is >> IGB_VLVF_POOL_SHIFT | t->vlan[i].pools) >> q & 1;

		if (has_q && is != want)
			return err_set(-EIO, "%s: VLAN %u of queue %u is 0x%08x, not 0x%08x",
				       d->name, i, q, is, want);
	}
	return 0;
}

int igb_prove(const struct igb *d, const struct igb_table *t, uint16_t q)
{
	int rc;

	if (get(d, IGB_STATUS) == ALL_ONES)
		return err_set(-EIO, "%s: the device does not answer", d->name);
	if (!t->has_vlans)
		return err_set(-ENOTSUP,
			       "%s: VLANs are not compared, because no filter has one to compare",
			       d->name);
	rc = prove_rules(d);
	if (!rc)
		rc = prove_pool(d, t, q);
	if (!rc)
		rc = prove_macs(d, t, q);
	return rc ? rc : prove_vlans(d, t, q);
}
