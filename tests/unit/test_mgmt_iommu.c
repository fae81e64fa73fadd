/* SPDX-License-Identifier: BSD-3-Clause */
/* What people and programs are shown of a host. */
#include "mgmt/iommu_text.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "iommu/judge.h"
#include "tests/support/dmarmake.h"
#include "tests/support/fakesys.h"

static const char *root;
static struct iommu_topology *t;
static char *text;
static size_t len;
static FILE *to;

static void begin(void)
{
	root = fakesys_begin();
	fakesys_good_host();
}

static void end(void)
{
	iommu_topology_destroy(t);
	t = NULL;
	free(text);
	fakesys_end();
}

TestSuite(mgmt_iommu, .init = begin, .fini = end);

static void look(void)
{
	cr_assert_eq(iommu_topology_create(&t, root), 0);
	to = open_memstream(&text, &len);
	cr_assert_not_null(to);
}

static void has(const char *what)
{
	fflush(to);
	cr_expect(strstr(text, what), "no `%s` in:\n%s", what, text);
}

Test(mgmt_iommu, shows_units_remapping_vfio_and_nics_with_an_answer)
{
	look();
	iommu_print_host(to, t);
	has("dmar0     VT-d at 0xfed90000, 39 address bits, pages up to 1 GiB, can remap interrupts: "
	    "yes, post them: yes\n");
	has("interrupt remapping: on (/proc/interrupts has 2 interrupts of IR- chips)\n");
	has("vfio-pci: loaded; /dev/vfio/vfio: usable; /dev/iommu: not there\n");
	has("locked memory: 8 MiB, can be raised to 2048 MiB\n");
	has("0000:01:00.0     10 igb          PF, 2 of 8 VFs, eth0       no: pf-has-vfs\n");
	has("0000:01:10.0     11 -            VF of 0000:01:00.0         yes\n");
	has("2 of 3 PCI functions");
	cr_expect_null(strstr(text, "UNSAFE"));
	fclose(to);
}

Test(mgmt_iommu, shows_all_that_blocks_a_device_and_what_helps)
{
	struct iommu_verdict v;

	fakesys_dev(&(struct fakesys_dev){
		.bdf = "0000:01:00.1", .above = "0000:00:01.0", .driver = "nvme", .group = 11});
	fakesys_put("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
	look();
	iommu_judge(t, "0000:01:10.0", NULL, &v);
	iommu_print_dev(to, t, &v);
	has("0000:01:10.0: VF of 0000:01:00.0, driver none, unit dmar0, NUMA node 0\n");
	has("MSI-X: 3, FLR: yes\n");
	has("group 11 (DMA-FQ): 0000:01:00.1 (nvme) 0000:01:10.0 (no driver)\n");
	has("reserved: 0xfee00000-0xfeefffff msi\n");
	has("blocks  other devices of its IOMMU group");
	has("(group 11: 0000:01:00.1 has nvme) [group-not-viable]\n        -> bind these");
	has("note    allow_unsafe_interrupts is set");
	has("0000:01:10.0: cannot be assigned\n");
	fclose(to);
}

Test(mgmt_iommu, a_host_without_iommu_says_so)
{
	fakesys_end();
	root = fakesys_begin();
	fakesys_put("proc/cmdline", "intel_iommu=off\n");
	look();
	iommu_print_host(to, t);
	has("no IOMMU in use: intel_iommu=off\n");
	has("/dev/vfio/vfio: not there");
	has("locked memory: unlimited\n");
	has("0 of 0 PCI functions");
	fclose(to);
}

Test(mgmt_iommu, programs_get_all_of_it)
{
	struct dmarmake m;
	json_t *o, *dev, *f;

	dmar_begin(&m, 39, 1);
	dmar_drhd(&m, 1, 0, 0xfed90000);
	dmar_rmrr(&m, 0, 0x7b000000, 0x7f7fffff);
	dmar_end(&m);
	fakesys_bytes("sys/firmware/acpi/tables/DMAR", m.bytes, m.len);
	look();
	o = iommu_host_json(t);
	cr_assert_not_null(o);
	cr_expect_str_eq(json_string_value(json_object_get(o, "interrupt_remapping")), "on");
	cr_expect(json_is_true(json_object_get(o, "vfio")));
	cr_expect(json_is_false(json_object_get(o, "unsafe_interrupts")));
	cr_expect_eq(json_array_size(json_object_get(o, "units")), 1);
	cr_expect_eq(json_array_size(json_object_get(o, "groups")), 3);
	f = json_array_get(json_object_get(o, "reserved_memory"), 0);
	cr_expect_str_eq(json_string_value(json_object_get(f, "first")), "0x7b000000");
	cr_assert_eq(json_array_size(json_object_get(o, "devices")), 3);
	dev = json_array_get(json_object_get(o, "devices"), 1);
	cr_expect_str_eq(json_string_value(json_object_get(dev, "bdf")), "0000:01:00.0");
	cr_expect_str_eq(json_string_value(json_object_get(dev, "netdev")), "eth0");
	cr_expect_eq(json_integer_value(json_object_get(dev, "group")), 10);
	cr_expect_eq(json_integer_value(json_object_get(dev, "vfs_on")), 2);
	cr_expect(json_is_false(json_object_get(dev, "assignable")));
	f = json_array_get(json_object_get(dev, "findings"), 1);
	cr_expect_str_eq(json_string_value(json_object_get(f, "id")), "pf-has-vfs");
	cr_expect_str_eq(json_string_value(json_object_get(f, "weight")), "blocks");
	cr_expect_str_eq(json_string_value(json_object_get(f, "detail")), "2 of 8");
	dev = json_array_get(json_object_get(o, "devices"), 2);
	cr_expect_str_eq(json_string_value(json_object_get(dev, "pf")), "0000:01:00.0");
	cr_expect(json_is_null(json_object_get(dev, "driver")));
	json_decref(o);
	fclose(to);
}

Test(mgmt_iommu, names_that_are_no_devices_are_answered_too)
{
	static const char *const names[] = {"eth0", "0000:05:00.0", "\xff\xfe", ""};
	struct iommu_verdict v;

	look();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *o;

		iommu_judge(t, names[i], NULL, &v);
		iommu_print_dev(to, t, &v);
		o = iommu_dev_json(t, &v);
		cr_assert_not_null(o, "%zu", i);
		cr_expect(json_is_false(json_object_get(o, "assignable")));
		cr_expect_null(json_object_get(o, "driver"));
		json_decref(o);
	}
	has("no such PCI device (none of 3) [no-device]");
	fclose(to);
}
