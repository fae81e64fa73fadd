/* SPDX-License-Identifier: BSD-3-Clause */
/* The provider by VMDq pools on an 82576 made of an array: what it writes, what it refuses, what it proves. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <rte_ethdev.h>

#include "base/err.h"
#include "tests/support/fakeigb.h"

static const struct vmq_provider_ops *const ops = &vmq_vmdq;
static const uint8_t all[6] = {255, 255, 255, 255, 255, 255}, group[6] = {1, 0, 94, 1, 2, 3};
static const struct vmq_provider_cfg cfg = {
	.name = "up", .dev = FAKE_DEV, .nr_queues = 8, .nr_desc = 512};
static struct rte_eth_dev_info info = {
	.driver_name = "net_e1000_igb", .max_vmdq_pools = 8, .max_rx_queues = 16};
static void *pv;

static struct vmq_filter filter(uint8_t last, enum vmq_vlan_test test, uint16_t vlan)
{
	return (struct vmq_filter){
		.mac = {2, 0, 0, 0, 0, last}, .vlan_test = (uint8_t)test, .vlan = vlan};
}

static int set(uint16_t q, uint8_t last, enum vmq_vlan_test test, uint16_t vlan)
{
	struct vmq_filter f = filter(last, test, vlan);

	return ops->filter_set(pv, q, &f);
}

static int clear(uint16_t q, uint8_t last, enum vmq_vlan_test test, uint16_t vlan)
{
	struct vmq_filter f = filter(last, test, vlan);

	return ops->filter_clear(pv, q, &f);
}

static int move(uint16_t from, uint16_t to, uint8_t last, enum vmq_vlan_test test, uint16_t vlan)
{
	struct vmq_filter f = filter(last, test, vlan);

	return ops->filter_move(pv, from, to, &f);
}

static uint8_t pools(uint8_t last, int vid)
{
	struct vmq_filter f = filter(last, VMQ_VLAN_ANY, 0);

	return fake_igb_pools(&fake_igb, f.mac, vid);
}

static bool says(const char *words)
{
	return strstr(err_text(), words) != NULL;
}

static void up(void)
{
	static const uint8_t own[6] = {2, 0, 0, 0, 9, 9};
	struct rte_eth_conf conf = {0};

	memset(&fake_igb, 0, sizeof(fake_igb));
	fake_igb.id = 0x808610c9;
	memcpy(fake_igb.own, own, 6);
	memcpy(fake_igb.listed[0], own, 6);
	cr_assert_eq(vmdq_create_by(&fake_igb_calls, &pv, &cfg), 0);
	cr_assert_eq(ops->configure(pv, &info, &conf), 8, "%s", err_text());
	fake_igb_start();
	cr_assert_eq(ops->started(pv), 0, "%s", err_text());
	cr_assert_eq(ops->hear(pv, NULL), 0);
}

static void down(void)
{
	ops->destroy(pv);
}

TestSuite(vmq_vmdq, .init = up, .fini = down);

Test(vmq_vmdq, probe_takes_an_82576_only)
{
	struct rte_eth_dev_info i = info;

	cr_assert_eq(vmdq_probe_by(&fake_igb_calls, &i), 8);
	fake_igb.window_rc = -ENODEV;
	cr_assert_eq(vmdq_probe_by(&fake_igb_calls, &i), -ENOTSUP);
	cr_assert(says("by VFIO") && says("software or flow") && says("BAR 0"));
	fake_igb.window_rc = 0;
	fake_igb.id = 0x80861521;
	cr_assert_eq(vmdq_probe_by(&fake_igb_calls, &i), -ENOTSUP);
	cr_assert(says("80861521") && says("software or flow"));
	fake_igb.id = -ENOENT;
	cr_assert_eq(vmdq_probe_by(&fake_igb_calls, &i), -ENOENT);
	i.driver_name = "net_ixgbe";
	cr_assert_eq(vmdq_probe_by(&fake_igb_calls, &i), -ENOTSUP);
	cr_assert(says("net_ixgbe") && says("software or flow"));
	i.max_vmdq_pools = 1;
	cr_assert_eq(vmdq_probe_by(&fake_igb_calls, &i), -ENOTSUP);
	cr_assert(says("no VMDq"));
}

Test(vmq_vmdq, create_refuses_queues_that_there_are_not)
{
	struct vmq_provider_cfg c = cfg;
	void *p = NULL;

	c.nr_queues = 1;
	cr_assert_eq(vmdq_create_by(&fake_igb_calls, &p, &c), -EINVAL);
	c.nr_queues = 9;
	cr_assert_eq(vmdq_create_by(&fake_igb_calls, &p, &c), -EINVAL);
	cr_assert(says("want 2..8"));
	cr_assert_null(p);
}

Test(vmq_vmdq, configure_asks_for_pools_and_a_default_one)
{
	struct rte_eth_dev_info i = info;
	struct rte_eth_conf conf = {0};
	const struct rte_eth_vmdq_rx_conf *rx = &conf.rx_adv_conf.vmdq_rx_conf;

	cr_assert_eq(ops->configure(pv, &i, &conf), 8);
	cr_assert_eq(conf.rxmode.mq_mode, RTE_ETH_MQ_RX_VMDQ_ONLY);
	cr_assert(rx->nb_queue_pools == RTE_ETH_8_POOLS && rx->enable_default_pool);
	cr_assert(rx->default_pool == 0 && rx->rx_mode == 0 && rx->nb_pool_maps == 0);
	i.max_vmdq_pools = 4;
	cr_assert_eq(ops->configure(pv, &i, &conf), -EINVAL);
	i.max_vmdq_pools = 0;
	cr_assert_eq(ops->configure(pv, &i, &conf), -ENOTSUP);
}

Test(vmq_vmdq, without_filters_all_goes_to_the_default_queue_once)
{
	for (int vid = -1; vid < 4096; vid++) {
		cr_assert_eq(pools(1, vid), 1);
		cr_assert_eq(fake_igb_pools(&fake_igb, all, vid), 1);
		cr_assert_eq(fake_igb_pools(&fake_igb, group, vid), 1);
		cr_assert_eq(fake_igb_pools(&fake_igb, fake_igb.own, vid), 1);
	}
}

Test(vmq_vmdq, untagged_means_priority_tags_too)
{
	cr_assert_eq(set(3, 1, VMQ_VLAN_UNTAGGED, 0), 0, "%s", err_text());
	cr_assert(pools(1, -1) == 8 && pools(1, 0) == 8);
	cr_assert(pools(1, 5) == 1 && pools(2, -1) == 1);
	cr_assert(fake_igb_pools(&fake_igb, all, -1) == 1 &&
		  fake_igb_pools(&fake_igb, group, 0) == 1);
	cr_assert_eq(clear(3, 1, VMQ_VLAN_UNTAGGED, 0), 0);
	cr_assert(pools(1, -1) == 1 && pools(1, 0) == 1);
}

Test(vmq_vmdq, a_filter_by_vlan_is_exact)
{
	cr_assert_eq(set(1, 1, VMQ_VLAN_IS, 5), 0, "%s", err_text());
	cr_assert_eq(set(2, 1, VMQ_VLAN_IS, 6), 0, "%s", err_text());
	cr_assert(pools(1, 5) == 2 && pools(1, 6) == 4 && pools(1, -1) == 1 && pools(1, 7) == 1);
	cr_assert(fake_igb_pools(&fake_igb, all, 5) == 1);
	cr_assert_eq(clear(1, 1, VMQ_VLAN_IS, 5), 0);
	cr_assert(pools(1, 5) == 1 && pools(1, 6) == 4);
}

Test(vmq_vmdq, any_vlan_works_alone)
{
	cr_assert_eq(set(1, 1, VMQ_VLAN_ANY, 0), 0, "%s", err_text());
	cr_assert(pools(1, -1) == 2 && pools(1, 77) == 2 && pools(2, 77) == 1);
	cr_assert_eq(fake_igb_pools(&fake_igb, all, 77), 1);
	cr_assert_eq(set(2, 2, VMQ_VLAN_IS, 7), -ENOTSUP);
	cr_assert(says("any VLAN"));
	cr_assert_eq(ops->prove(pv, 1), -ENOTSUP);
	cr_assert_eq(clear(1, 1, VMQ_VLAN_ANY, 0), 0);
	cr_assert_eq(set(2, 2, VMQ_VLAN_IS, 7), 0);
	cr_assert_eq(set(1, 1, VMQ_VLAN_ANY, 0), -ENOTSUP);
	cr_assert(pools(1, -1) == 1 && pools(2, 7) == 4);
}

Test(vmq_vmdq, what_it_cannot_tell_apart_is_refused)
{
	cr_assert_eq(set(1, 1, VMQ_VLAN_IS, 5), 0);
	cr_assert_eq(set(1, 2, VMQ_VLAN_IS, 6), -ENOSPC);
	cr_assert(says("up: an 82576 compares addresses and VLANs apart"), "%s", err_text());
	cr_assert(pools(2, 6) == 1 && pools(1, 6) == 1 && pools(1, 5) == 2);
	cr_assert_eq(set(2, 1, VMQ_VLAN_IS, 6), 0);
	cr_assert_eq(set(2, 3, VMQ_VLAN_IS, 5), -ENOSPC);
}

Test(vmq_vmdq, vlans_are_not_compared_before_it_is_told_which_are_heard)
{
	void *other;
	struct rte_eth_conf conf = {0};
	struct vmq_filter f = filter(1, VMQ_VLAN_IS, 5), any = filter(1, VMQ_VLAN_ANY, 0);

	cr_assert_eq(vmdq_create_by(&fake_igb_calls, &other, &cfg), 0);
	cr_assert_eq(ops->configure(other, &info, &conf), 8);
	cr_assert_eq(ops->started(other), 0);
	cr_assert_eq(ops->filter_set(other, 1, &f), -ENOTSUP);
	cr_assert(says("was not said"));
	cr_assert_eq(ops->filter_set(other, 1, &any), 0);
	ops->destroy(other);
}

Test(vmq_vmdq, hears_groups_in_vlans_that_it_was_told)
{
	uint64_t vlans[64] = {1ull << 9, 1}, many[64] = {~0ull};

	cr_assert_eq(set(1, 1, VMQ_VLAN_IS, 5), 0);
	cr_assert_eq(fake_igb_pools(&fake_igb, all, 9), 0);
	cr_assert_eq(ops->hear(pv, vlans), 0);
	cr_assert(fake_igb_pools(&fake_igb, all, 9) == 1 &&
		  fake_igb_pools(&fake_igb, group, 64) == 1);
	cr_assert_eq(ops->hear(pv, many), -ENOSPC);
	cr_assert(says("31 VLANs"));
	cr_assert(fake_igb_pools(&fake_igb, all, 9) == 1 &&
		  fake_igb_pools(&fake_igb, all, 10) == 0);
	cr_assert(pools(1, 5) == 2 && pools(1, 9) == 1);
	cr_assert_eq(ops->hear(pv, NULL), 0);
	cr_assert(fake_igb_pools(&fake_igb, all, 9) == 0 && fake_igb_pools(&fake_igb, all, 5) == 1);
}

Test(vmq_vmdq, a_full_list_of_addresses_changes_nothing)
{
	for (uint8_t i = 1; i < IGB_MACS; i++)
		cr_assert_eq(set(1, i, VMQ_VLAN_IS, 5), 0, "%s", err_text());
	cr_assert_eq(set(2, 99, VMQ_VLAN_IS, 6), -ENOSPC);
	cr_assert(says("does not take the address"));
	cr_assert_eq(fake_igb.reg[IGB_VLVF(2) / 4], 0);
	cr_assert(pools(99, 6) == 1 && pools(23, 5) == 2);
	cr_assert_eq(clear(1, 4, VMQ_VLAN_IS, 5), 0);
	cr_assert_eq(set(2, 99, VMQ_VLAN_IS, 6), 0, "%s", err_text());
	cr_assert(pools(99, 6) == 4 && pools(4, 5) == 1);
}

Test(vmq_vmdq, has_31_vlans)
{
	for (uint16_t v = 1; v < IGB_VLANS; v++)
		cr_assert_eq(set(1, 1, VMQ_VLAN_IS, v), 0, "%s", err_text());
	cr_assert_eq(set(1, 1, VMQ_VLAN_IS, 99), -ENOSPC);
	cr_assert_eq(set(1, 1, VMQ_VLAN_UNTAGGED, 0), 0, "%s", err_text());
	cr_assert(pools(1, 0) == 2 && pools(1, 31) == 2 && pools(1, 99) == 1);
}

Test(vmq_vmdq, its_own_address_can_be_a_filter)
{
	struct vmq_filter f = {.vlan_test = VMQ_VLAN_UNTAGGED};

	memcpy(f.mac, fake_igb.own, 6);
	cr_assert_eq(ops->filter_set(pv, 2, &f), 0, "%s", err_text());
	cr_assert_eq(fake_igb_pools(&fake_igb, f.mac, -1), 4);
	cr_assert_eq(ops->filter_clear(pv, 2, &f), 0, "%s", err_text());
	cr_assert_eq(fake_igb_pools(&fake_igb, f.mac, -1), 1);
}

Test(vmq_vmdq, a_stop_ends_all_filters)
{
	set(1, 1, VMQ_VLAN_IS, 5);
	set(2, 2, VMQ_VLAN_UNTAGGED, 0);
	ops->stopping(pv);
	cr_assert_not(fake_igb.is_open);
	cr_assert(!fake_igb.listed[1][0] && !fake_igb.listed[2][0], "DPDK would enter them again");
	cr_assert_eq(set(1, 3, VMQ_VLAN_IS, 5), -ENODEV);
	fake_igb_start();
	cr_assert_eq(ops->started(pv), 0, "%s", err_text());
	cr_assert(pools(1, 5) == 1 && pools(2, -1) == 1);
	cr_assert_eq(clear(1, 1, VMQ_VLAN_IS, 5), -ENOENT);
	cr_assert_eq(set(3, 1, VMQ_VLAN_IS, 5), 0, "%s", err_text());
	cr_assert(pools(1, 5) == 8);
}

Test(vmq_vmdq, what_cannot_be_moved_at_one_stroke_stays)
{
	/* Both the address and the lack of a tag are needed on both queues before and after. */
	cr_assert_eq(set(1, 1, VMQ_VLAN_IS, 5), 0);
	cr_assert_eq(set(1, 1, VMQ_VLAN_UNTAGGED, 0), 0);
	cr_assert_eq(move(1, 2, 1, VMQ_VLAN_UNTAGGED, 0), -ENOSPC);
	cr_assert(says("at one stroke"));
	cr_assert(pools(1, -1) == 2 && pools(1, 5) == 2);
	cr_assert_eq(move(1, 2, 1, VMQ_VLAN_IS, 5), 0, "%s", err_text());
	cr_assert(pools(1, -1) == 2 && pools(1, 5) == 4);
}

Test(vmq_vmdq, the_default_queue_is_what_is_left)
{
	cr_assert_eq(set(0, 1, VMQ_VLAN_IS, 5), 0);
	cr_assert_eq(fake_igb.listed[1][0], 0);
	cr_assert_eq(move(0, 2, 1, VMQ_VLAN_IS, 5), 0);
	cr_assert_eq(pools(1, 5), 4);
	cr_assert_eq(move(2, 0, 1, VMQ_VLAN_IS, 5), 0);
	cr_assert_eq(pools(1, 5), 1);
	cr_assert_eq(clear(0, 1, VMQ_VLAN_IS, 5), 0);
	cr_assert_eq(ops->prove(pv, 0), -ENOTSUP);
}

Test(vmq_vmdq, refuses_queues_and_filters_that_there_are_not)
{
	cr_assert_eq(set(8, 1, VMQ_VLAN_IS, 5), -EINVAL);
	cr_assert_eq(clear(1, 1, VMQ_VLAN_IS, 5), -ENOENT);
	cr_assert_eq(move(1, 2, 1, VMQ_VLAN_IS, 5), -ENOENT);
	cr_assert_eq(ops->prove(pv, 8), -EINVAL);
}

Test(vmq_vmdq, a_device_that_does_not_do_it_is_told)
{
	fake_igb.stuck = IGB_VLVF(1);
	cr_assert_eq(set(1, 1, VMQ_VLAN_IS, 5), -EIO);
	cr_assert(says("0x5d04"), "%s", err_text());
	cr_assert(pools(1, 5) == 1 && fake_igb.listed[1][0] == 0);
	fake_igb.stuck = 0;
	cr_assert_eq(set(1, 1, VMQ_VLAN_IS, 5), 0, "%s", err_text());
	fake_igb.stuck = IGB_RAH(1);
	cr_assert_eq(move(1, 2, 1, VMQ_VLAN_IS, 5), -EIO);
	cr_assert_eq(pools(1, 5), 2);
}

Test(vmq_vmdq, does_not_start_without_its_registers)
{
	ops->stopping(pv);
	fake_igb.window_rc = -ENODEV;
	cr_assert_eq(ops->started(pv), -ENODEV);
	cr_assert(says("up: registers"));
	fake_igb.window_rc = 0;
	fake_igb.stuck = IGB_VT_CTL;
	fake_igb_start();
	cr_assert_eq(ops->started(pv), -EIO);
	cr_assert(says("0x581c") && !fake_igb.is_open, "%s", err_text());
	fake_igb.stuck = 0;
	fake_igb.mtu_rc = -EIO;
	cr_assert_eq(ops->started(pv), -EIO);
	cr_assert_not(fake_igb.is_open);
}

Test(vmq_vmdq, vmq_9_proves_what_the_device_holds_now)
{
	static const struct {
		uint32_t reg, flip;
		const char *word;
	} wrong[] = {
		{IGB_MRQC, 2, "sort"},
		{IGB_VT_CTL, IGB_VT_CTL_IGNORE_MAC, "addresses are not compared"},
		{IGB_VT_CTL, IGB_VT_CTL_NO_DEFAULT, "0x581c"},
		{IGB_VT_CTL, 0x80, "0x581c"},
		{IGB_VT_CTL, IGB_VT_CTL_REPLICATE, "0x581c"},
		{IGB_RCTL, IGB_RCTL_VFE, "VLANs are not compared"},
		{IGB_VET, 1, "tags"},
		{IGB_CTRL_EXT, IGB_CTRL_EXT_TWO_TAGS, "two tags"},
		{IGB_VFTA(0), 32, "0x5600"},
		{IGB_VFTA(127), 1, "0x57fc"},
		{IGB_VMRCTL(3), 1, "mirror"},
		{IGB_ETQF(7), IGB_ETQF_QUEUE_ON, "protocol"},
		{IGB_SYNQF(0), 1, "connections"},
		{IGB_VMOLR(1), IGB_VMOLR_AUPE, "VMOLR"},
		{IGB_VMOLR(1), IGB_VMOLR_BAM, "VMOLR"},
		{IGB_VMOLR(1), IGB_VMOLR_ROMPE, "VMOLR"},
		{IGB_VMOLR(1), IGB_VMOLR_ROPE, "VMOLR"},
		{IGB_VMOLR(1), IGB_VMOLR_MPME, "VMOLR"},
		{IGB_VMOLR(1), IGB_VMOLR_UPE, "VMOLR"},
		{IGB_VMOLR(1), IGB_VMOLR_VPE, "VMOLR"},
		{IGB_RAL(1), 1, "address 1 leads"},
		{IGB_RAH(1), 1, "address 1 leads"},
		{IGB_RAH(1), IGB_RAH_VALID, "does not lead"},
		{IGB_RAH(1), 2u << IGB_RAH_POOL_SHIFT, "does not lead"},
		{IGB_RAH(1), 4u << IGB_RAH_POOL_SHIFT, "address 1 leads"},
		{IGB_RAH(0), 2u << IGB_RAH_POOL_SHIFT, "address 0 leads"},
		{IGB_VLVF(1), 1, "VLAN 1 of queue 1"},
		{IGB_VLVF(1), IGB_VLVF_VALID, "VLAN 1 of queue 1"},
		{IGB_VLVF(1), 2u << IGB_VLVF_POOL_SHIFT, "VLAN 1 of queue 1"},
		{IGB_VLVF(7), IGB_VLVF_VALID | 2u << IGB_VLVF_POOL_SHIFT, "VLAN 7 of queue 1"},
		{IGB_STATUS, 0xffffffff, "does not answer"},
	};

	cr_assert_eq(set(1, 1, VMQ_VLAN_IS, 5), 0);
	cr_assert_eq(ops->prove(pv, 1), 0, "%s", err_text());
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		fake_igb.reg[wrong[i].reg / 4] ^= wrong[i].flip;
		cr_expect(ops->prove(pv, 1) == -EIO && says(wrong[i].word), "%zu: %s", i,
			  err_text());
		fake_igb.reg[wrong[i].reg / 4] ^= wrong[i].flip;
	}
	cr_assert_eq(ops->prove(pv, 1), 0, "%s", err_text());
}
