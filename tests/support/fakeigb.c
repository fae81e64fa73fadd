/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/fakeigb.h"

#include <errno.h>
#include <string.h>

#include <rte_ethdev.h>

#include "base/err.h"

struct fake_igb fake_igb;

static void wr(void *ctx, uint32_t reg, uint32_t v)
{
	struct fake_igb *f = ctx;

	if (reg != f->stuck)
		f->reg[reg / 4] = v;
	f->writes++;
	if (f->watch)
		f->watch(f, f->ctx);
}

static uint32_t rd(void *ctx, uint32_t reg)
{
	return ((struct fake_igb *)ctx)->reg[reg / 4];
}

static uint32_t at(const struct fake_igb *f, uint32_t reg)
{
	return f->reg[reg / 4];
}

static uint8_t by_address(const struct fake_igb *f, const uint8_t *a)
{
	uint8_t pools = 0;

	for (uint32_t i = 0; i < IGB_MACS; i++) {
		uint32_t lo = at(f, IGB_RAL(i)), hi = at(f, IGB_RAH(i));

		if (hi & IGB_RAH_VALID && !memcmp(&lo, a, 4) && !memcmp(&hi, a + 4, 2))
			pools |= (hi & IGB_RAH_POOLS) >> IGB_RAH_POOL_SHIFT;
	}
	return pools;
}

static uint8_t with(const struct fake_igb *f, uint32_t bit)
{
	uint8_t pools = 0;

	for (uint32_t p = 0; p < IGB_POOLS; p++)
		if (at(f, IGB_VMOLR(p)) & bit)
			pools |= (uint8_t)(1u << p);
	return pools;
}

static uint8_t by_hash(const struct fake_igb *f, const uint8_t *a)
{
	uint32_t h = (a[4] >> 4 | a[5] << 4) & 0xfff;

	return at(f, IGB_MTA(h / 32)) >> h % 32 & 1 ? with(f, IGB_VMOLR_ROMPE) : 0;
}

static uint8_t by_vlan(const struct fake_igb *f, int vid)
{
	uint8_t pools = 0;

	if (vid < 0)
		return with(f, IGB_VMOLR_AUPE);
	for (uint32_t i = 0; i < IGB_VLANS; i++) {
		uint32_t v = at(f, IGB_VLVF(i));

		if (v & IGB_VLVF_VALID && (v & IGB_VLVF_VLAN) == (uint32_t)vid)
			pools |= (v & IGB_VLVF_POOLS) >> IGB_VLVF_POOL_SHIFT;
	}
	return pools;
}

uint8_t fake_igb_pools(const struct fake_igb *f, const uint8_t *a, int vid)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
	bool has_vlans = at(f, IGB_RCTL) & IGB_RCTL_VFE;
	uint32_t vt = at(f, IGB_VT_CTL);
	uint8_t pools;

	if (has_vlans && vid >= 0 && !(at(f, IGB_VFTA(vid / 32)) >> vid % 32 & 1))
		return 0;
	pools = memcmp(a, all, 6) ? by_address(f, a) : with(f, IGB_VMOLR_BAM);
	if (!pools && a[0] & 1 && memcmp(a, all, 6))
		pools = by_hash(f, a);
	if (vt & IGB_VT_CTL_IGNORE_MAC)
		pools = 0xff;
	if (has_vlans)
		pools &= by_vlan(f, vid);
	if (!pools && !(a[0] & 1) && !(vt & IGB_VT_CTL_NO_DEFAULT))
		pools = (uint8_t)(1u << ((vt & IGB_VT_CTL_DEFAULT) >> 7));
	return pools;
}

static void enter(uint32_t i, const uint8_t *a, uint32_t pools)
{
	uint32_t lo, hi = 0;

	memcpy(&lo, a, 4);
	memcpy(&hi, a + 4, 2);
	hi |= lo || hi ? IGB_RAH_VALID : 0;
	wr(&fake_igb, IGB_RAL(i), lo);
	wr(&fake_igb, IGB_RAH(i), hi);
	if (pools)
		wr(&fake_igb, IGB_RAH(i), hi | pools << IGB_RAH_POOL_SHIFT);
}

void fake_igb_start(void)
{
	struct fake_igb *f = &fake_igb;

	memset(f->reg, 0, sizeof(f->reg));
	f->reg[IGB_MRQC / 4] = IGB_MRQC_VMDQ;
	f->reg[IGB_VT_CTL / 4] = IGB_VT_CTL_IGNORE_MAC;
	f->reg[IGB_RCTL / 4] = IGB_RCTL_VFE | 2;
	f->reg[IGB_VET / 4] = 0x81008100;
	memset(&f->reg[IGB_VFTA(0) / 4], 0xff, 512);
	for (uint32_t i = 0; i < IGB_MACS; i++)
		enter(i, f->listed[i], 1);
}

static int list_find(const uint8_t *a)
{
	for (int i = 0; i < (int)IGB_MACS; i++)
		if (!memcmp(fake_igb.listed[i], a, 6))
			return i;
	return -1;
}

static int mac_add(uint16_t dev, struct rte_ether_addr *a, uint32_t pool)
{
	static const uint8_t free[6];
	int i = list_find(a->addr_bytes);

	if (dev != FAKE_DEV)
		return -ENODEV;
	i = i < 0 ? list_find(free) : i;
	if (i < 0)
		return -ENOSPC;
	memcpy(fake_igb.listed[i], a->addr_bytes, 6);
	enter((uint32_t)i, a->addr_bytes, 1u << pool);
	return 0;
}

static int mac_remove(uint16_t dev, struct rte_ether_addr *a)
{
	int i = list_find(a->addr_bytes);

	if (i == 0)
		return -EADDRINUSE;
	if (i > 0) {
		memset(fake_igb.listed[i], 0, 6);
		enter((uint32_t)i, fake_igb.listed[i], 0);
	}
	return 0;
}

static int mac_get(uint16_t dev, struct rte_ether_addr *a)
{
	memcpy(a->addr_bytes, fake_igb.own, 6);
	return 0;
}

static int mtu_get(uint16_t dev, uint16_t *mtu)
{
	*mtu = 1500;
	return fake_igb.mtu_rc;
}

static const char *bdf(const struct rte_device *dev)
{
	return "0000:01:00.0";
}

static int64_t pci_id(const char *name)
{
	return fake_igb.id < 0 ? err_set((int)fake_igb.id, "%s: no number", name) : fake_igb.id;
}

static int window_open(struct igb_window *w, const char *name)
{
	if (fake_igb.window_rc)
		return err_set(fake_igb.window_rc, "%s: BAR 0", name);
	fake_igb.is_open = true;
	return 0;
}

static void window_close(struct igb_window *w)
{
	fake_igb.is_open = false;
}

static struct igb_io window_io(struct igb_window *w)
{
	return (struct igb_io){rd, wr, &fake_igb};
}

const struct vmdq_calls fake_igb_calls = {
	.bdf = bdf,
	.pci_id = pci_id,
	.mtu_get = mtu_get,
	.mac_get = mac_get,
	.mac_add = mac_add,
	.mac_remove = mac_remove,
	.window_open = window_open,
	.window_close = window_close,
	.window_io = window_io,
};
