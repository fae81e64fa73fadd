/* SPDX-License-Identifier: BSD-3-Clause */
/* Hosts made of files, read. And configuration spaces. */
#include "iommu/topology.h"

#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/support/dmarmake.h"
#include "tests/support/fakesys.h"

static const char *root;
static struct iommu_topology *t;

static void begin(void)
{
	root = fakesys_begin();
}

static void end(void)
{
	iommu_topology_destroy(t);
	t = NULL;
	fakesys_end();
}

TestSuite(iommu_topology, .init = begin, .fini = end);

static void look(void)
{
	iommu_topology_destroy(t);
	cr_assert_eq(iommu_topology_create(&t, root), 0, "%s", err_text());
}

static const struct iommu_dev *dev(const char *name)
{
	struct iommu_bdf bdf;
	int at;

	cr_assert_eq(iommu_bdf_parse(name, &bdf), 0);
	at = iommu_topology_find(t, bdf);
	cr_assert_neq(at, IOMMU_NONE, "%s", name);
	return &t->dev[at];
}

Test(iommu_topology, a_host_without_anything_is_no_error)
{
	look();
	cr_expect_eq(t->nr_units + t->nr_groups + t->nr_devs, 0);
	cr_expect_null(t->dmar);
	cr_expect_not(t->host.has_dmar || t->host.has_ivrs || t->host.has_vfio_pci);
	cr_expect_eq(t->host.intr_remap, IOMMU_INTR_UNKNOWN);
	cr_expect_eq(t->host.memlock, UINT64_MAX);
	iommu_topology_destroy(NULL);
}

Test(iommu_topology, reads_units_with_what_they_can)
{
	fakesys_good_host();
	fakesys_unit("dmar10", 0xfed91000, 47ull << 16, 0);
	fakesys_unit("dmar2", 0xfed92000, 38ull << 16, 8);
	fakesys_put("sys/class/iommu/ivhd0/amd-iommu/features", "200080\n");
	look();
	cr_assert_eq(t->nr_units, 4);
	cr_expect_str_eq(t->unit[0].name, "dmar0");
	cr_expect_eq(t->unit[0].address, 0xfed90000);
	cr_expect(t->unit[0].has_posted && t->unit[0].has_intr_remap);
	cr_expect(t->unit[0].has_2m && t->unit[0].has_1g);
	cr_expect_eq(t->unit[0].address_bits, 39);
	cr_expect_str_eq(t->unit[1].name, "dmar2");
	cr_expect_not(t->unit[1].has_posted || t->unit[1].has_2m);
	cr_expect(t->unit[1].has_intr_remap);
	cr_expect_str_eq(t->unit[2].name, "dmar10");
	cr_expect_not(t->unit[2].has_intr_remap);
	cr_expect_eq(t->unit[3].kind, IOMMU_UNIT_AMD);
	cr_expect(t->unit[3].has_posted);
}

Test(iommu_topology, reads_functions_with_driver_group_unit_and_bridge)
{
	const struct iommu_dev *pf, *vf;

	fakesys_good_host();
	look();
	cr_assert_eq(t->nr_devs, 3);
	pf = dev("0000:01:00.0");
	cr_expect_str_eq(pf->driver, "igb");
	cr_expect_str_eq(pf->netdev, "eth0");
	cr_expect_eq(t->group[pf->group].id, 10);
	cr_expect_eq(pf->unit, 0);
	cr_expect_str_eq(t->dev[pf->parent].name, "0000:00:01.0");
	cr_expect_eq(pf->vfs_total, 8);
	cr_expect_eq(pf->vfs_on, 2);
	cr_expect(pf->pci.has_sriov);
	cr_expect_eq(pf->pci.total_vfs, 8);
	cr_expect_eq(pf->pci.vf_offset, 0x80);
	vf = dev("0000:01:10.0");
	cr_expect(vf->is_vf && iommu_bdf_equal(vf->pf, pf->bdf));
	cr_expect_str_eq(vf->driver, "");
	cr_expect_eq(vf->pci.nr_msix, 3);
	cr_expect(vf->pci.has_flr);
	cr_expect_eq(dev("0000:00:01.0")->parent, IOMMU_NONE);
}

Test(iommu_topology, reads_groups_with_reserved_ranges)
{
	fakesys_good_host();
	fakesys_group(3, "0x0000000000001000 0x0000000000001fff direct\n"
			 "garbage\n"
			 "0x2000 0x1000 reserved\n"
			 "0x00000000fee00000 0x00000000feefffff msi\n"
			 "0x5000 0x5fff cut");
	fakesys_put("sys/kernel/iommu_groups/notanumber/type", "DMA\n");
	look();
	cr_assert_eq(t->nr_groups, 4);
	cr_expect_eq(t->group[0].id, 3);
	cr_assert_eq(t->group[0].nr_ranges, 2);
	cr_expect_str_eq(t->group[0].range[0].type, "direct");
	cr_expect_eq(t->group[0].range[1].last, 0xfeefffff);
	cr_expect_str_eq(t->group[1].type, "DMA-FQ");
	cr_expect_eq(t->group[1].nr_devs, 1);
}

Test(iommu_topology, reads_limits_rights_and_modules)
{
	fakesys_good_host();
	look();
	cr_expect_eq(t->host.memlock, 8388608);
	cr_expect_eq(t->host.memlock_max, 2147483648);
	cr_expect_not(t->host.has_ipc_lock || t->host.has_sys_resource || t->host.is_unsafe_set);
	cr_expect(t->host.has_vfio_pci && t->host.has_vfio && t->host.may_vfio);
	cr_expect_not(t->host.has_iommufd);
	fakesys_put("proc/self/status", "CapEff:\t0000000001004000\n");
	fakesys_put("proc/self/limits",
		    "Max locked memory         unlimited   unlimited   bytes\n");
	fakesys_put("sys/module/iommufd/parameters/allow_unsafe_interrupts", "Y\n");
	fakesys_put("dev/iommu", "");
	look();
	cr_expect(t->host.has_ipc_lock && t->host.has_sys_resource && t->host.is_unsafe_set);
	cr_expect_eq(t->host.memlock, UINT64_MAX);
	cr_expect(t->host.may_iommufd);
}

static void interrupts(const char *lines)
{
	fakesys_put("proc/interrupts", lines);
	look();
}

Test(iommu_topology, interrupt_remapping_is_on_when_chips_say_so_whatever_else_says)
{
	fakesys_good_host();
	fakesys_put("proc/cmdline", "intremap=off\n"); /* a kernel that does not know it */
	look();
	cr_expect_eq(t->host.intr_remap, IOMMU_INTR_ON, "%s", t->host.intr_evidence);
	cr_expect(strstr(t->host.intr_evidence, "2 interrupts of IR- chips"));
	interrupts("  40:    1   PCI-MSI 524288-edge      eth0\n"
		   "  41:    1   IR-PCI-MSI 524288-edge      eth1\n");
	cr_expect_eq(t->host.intr_remap, IOMMU_INTR_ON);
}

Test(iommu_topology, interrupt_remapping_is_off_when_interrupts_go_past_it)
{
	fakesys_good_host();
	interrupts("   0:   8  IO-APIC   2-edge      timer\n  24:  0  DMAR-MSI  0-edge  dmar0\n");
	cr_expect_eq(t->host.intr_remap, IOMMU_INTR_OFF);
	cr_expect(strstr(t->host.intr_evidence, "1 interrupts, and none"));
	fakesys_put("proc/cmdline", "quiet intremap=off\n");
	look();
	cr_expect(strstr(t->host.intr_evidence, "intremap=off"), "%s", t->host.intr_evidence);
}

Test(iommu_topology, interrupt_remapping_that_firmware_or_hardware_lacks_is_off)
{
	struct dmarmake m;

	fakesys_good_host();
	interrupts("");
	cr_expect_eq(t->host.intr_remap, IOMMU_INTR_UNKNOWN);
	fakesys_unit("dmar0", 0xfed90000, 38ull << 16, 0xf07);
	look();
	cr_expect_eq(t->host.intr_remap, IOMMU_INTR_OFF);
	cr_expect(strstr(t->host.intr_evidence, "ecap"));
	dmar_begin(&m, 39, 0);
	dmar_end(&m);
	fakesys_bytes("sys/firmware/acpi/tables/DMAR", m.bytes, m.len);
	look();
	cr_expect_eq(t->host.intr_remap, IOMMU_INTR_OFF);
	cr_expect(strstr(t->host.intr_evidence, "DMAR table"));
}

Test(iommu_topology, a_broken_dmar_table_is_told_and_nothing_else_suffers)
{
	fakesys_good_host();
	fakesys_put("sys/firmware/acpi/tables/DMAR", "DMAR and nothing more");
	look();
	cr_expect_null(t->dmar);
	cr_expect(strstr(t->host.table_error, "cut short"), "%s", t->host.table_error);
	cr_expect_eq(t->nr_devs, 3);
}

Test(iommu_topology, links_that_lead_nowhere_and_names_that_are_none_are_left_out)
{
	fakesys_good_host();
	fakesys_link("sys/bus/pci/devices/10000:e0:01.0",
		     "../../../devices/pci10000:e0/10000:e0:01.0");
	fakesys_link("sys/bus/pci/devices/0000:01:1f.9", "nowhere");
	fakesys_link("sys/bus/pci/devices/0000:02:00.0", "nowhere");
	look();
	cr_assert_eq(t->nr_devs, 4);
	cr_expect_eq(dev("0000:02:00.0")->parent, IOMMU_NONE);
	cr_expect_eq(dev("0000:02:00.0")->group, IOMMU_NONE);
	cr_expect_not(dev("0000:02:00.0")->pci.is_known);
}

/* A DMAR scope names a device by bridges, whose buses only the kernel knows. */
Test(iommu_topology, follows_the_way_of_a_device_scope)
{
	static const struct iommu_dmar_item item = {.type = IOMMU_DMAR_RMRR};
	struct iommu_scope s = {
		.type = IOMMU_SCOPE_ENDPOINT, .nr_hops = 2, .hop = {{1, 0}, {0, 0}}};
	int pf, vf;

	fakesys_good_host();
	look();
	pf = (int)(dev("0000:01:00.0") - t->dev);
	vf = (int)(dev("0000:01:10.0") - t->dev);
	cr_expect(iommu_scope_covers(t, &item, &s, pf));
	cr_expect_not(iommu_scope_covers(t, &item, &s, vf));
	s.hop[0].dev = 2; /* no such bridge */
	cr_expect_not(iommu_scope_covers(t, &item, &s, pf));
	s = (struct iommu_scope){.type = IOMMU_SCOPE_BRIDGE, .nr_hops = 1, .hop = {{1, 0}}};
	cr_expect(iommu_scope_covers(t, &item, &s, pf));
	cr_expect(iommu_scope_covers(t, &item, &s, vf));
	s.type = IOMMU_SCOPE_IOAPIC;
	cr_expect_not(iommu_scope_covers(t, &item, &s, pf));
	s = (struct iommu_scope){.type = IOMMU_SCOPE_ENDPOINT,
				 .start_bus = 1,
				 .nr_hops = 2,
				 .hop = {{0, 0}, {0, 0}}}; /* through what is no bridge */
	cr_expect_not(iommu_scope_covers(t, &item, &s, pf));
}

Test(iommu_pci, ports_leak_without_access_control)
{
	uint8_t cfg[4096];
	struct iommu_pci p;

	fakesys_port(cfg, IOMMU_PCI_ROOT_PORT, 1, 0x1d);
	iommu_pci_parse(cfg, sizeof(cfg), &p);
	cr_expect(p.has_acs && p.is_bridge);
	cr_expect_eq(p.secondary, 1);
	cr_expect_not(iommu_pci_leaks(&p));
	fakesys_port(cfg, IOMMU_PCI_DOWNSTREAM, 1, 0x19); /* no request redirect */
	iommu_pci_parse(cfg, sizeof(cfg), &p);
	cr_expect(iommu_pci_leaks(&p));
	cfg[0x104] = 0x1b; /* which it does not have: then there is nothing to redirect */
	iommu_pci_parse(cfg, sizeof(cfg), &p);
	cr_expect_not(iommu_pci_leaks(&p));
	fakesys_port(cfg, IOMMU_PCI_ROOT_PORT, 1, -1);
	iommu_pci_parse(cfg, sizeof(cfg), &p);
	cr_expect(iommu_pci_leaks(&p));
	iommu_pci_parse(cfg, 256, &p);
	cr_expect_not(iommu_pci_leaks(&p), "not root: it cannot be known");
	fakesys_port(cfg, IOMMU_PCI_UPSTREAM, 1, -1);
	iommu_pci_parse(cfg, sizeof(cfg), &p);
	cr_expect_not(iommu_pci_leaks(&p));
	fakesys_port(cfg, IOMMU_PCI_TO_PCI, 1, -1);
	iommu_pci_parse(cfg, sizeof(cfg), &p);
	cr_expect(iommu_pci_leaks(&p));
	fakesys_endpoint(cfg, 4);
	iommu_pci_parse(cfg, sizeof(cfg), &p);
	cr_expect_not(iommu_pci_leaks(&p));
	cr_expect_eq(p.nr_msix, 4);
}

Test(iommu_pci, lists_that_loop_or_leave_the_space_end)
{
	uint8_t cfg[4096];
	struct iommu_pci p;

	fakesys_endpoint(cfg, 4);
	cfg[0x81] = 0x40; /* back to the first */
	cfg[0x100] = 0x0d;
	cfg[0x102] = 1;
	cfg[0x103] = 0x10; /* to itself */
	iommu_pci_parse(cfg, sizeof(cfg), &p);
	cr_expect(p.has_msix && p.has_acs);
	memset(cfg + 0x100, 0xff, 4);
	iommu_pci_parse(cfg, sizeof(cfg), &p);
	cr_expect_not(p.has_acs);
	fakesys_endpoint(cfg, 4);
	memset(cfg, 0xff, 4); /* a VF, whose ids are its PF's */
	iommu_pci_parse(cfg, sizeof(cfg), &p);
	cr_expect(p.is_known && p.has_caps && p.has_msix);
	memset(cfg, 0xff, sizeof(cfg)); /* it fell off the bus */
	iommu_pci_parse(cfg, sizeof(cfg), &p);
	cr_expect_not(p.is_known);
	for (size_t n = 0; n < 512; n++) {
		fakesys_endpoint(cfg, 0);
		cfg[0x41] = 0xfc; /* at the very end */
		cfg[0xfc] = 0x11;
		iommu_pci_parse(cfg, n, &p);
		cr_expect_eq(p.is_known, n >= 64);
		cr_expect_eq(p.has_msix, n >= 256, "%zu", n);
	}
}

Test(iommu_topology, tells_drivers_of_the_host_from_those_that_do_no_harm)
{
	struct iommu_dev d = {.driver = "vfio-pci"};

	cr_expect_not(iommu_dev_is_held(&d));
	strcpy(d.driver, "mlx5_vfio_pci");
	cr_expect_not(iommu_dev_is_held(&d));
	strcpy(d.driver, "pci-stub");
	cr_expect_not(iommu_dev_is_held(&d));
	strcpy(d.driver, "");
	cr_expect_not(iommu_dev_is_held(&d));
	strcpy(d.driver, "nvme");
	cr_expect(iommu_dev_is_held(&d));
	d.pci.is_bridge = true;
	cr_expect_not(iommu_dev_is_held(&d));
}
