/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/fakesys.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/dmarmake.h"
#include "tests/support/scratch.h"

static char root[SCRATCH_PATH];

static void must(int is_good)
{
	if (!is_good)
		abort();
}

const char *fakesys_begin(void)
{
	scratch_dir(root, "sys");
	return root;
}

void fakesys_end(void)
{
	scratch_remove(root);
}

static char *full(char *buf, size_t size, const char *path)
{
	must(snprintf(buf, size, "%s/%s", root, path) < (int)size);
	for (char *s = buf + strlen(root) + 1; (s = strchr(s, '/')); *s++ = '/') {
		*s = 0;
		mkdir(buf, 0700);
	}
	return buf;
}

void fakesys_bytes(const char *path, const void *bytes, size_t len)
{
	char buf[512];
	int fd = open(full(buf, sizeof(buf), path), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0);
	must(write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

void fakesys_put(const char *path, const char *text)
{
	fakesys_bytes(path, text, strlen(text));
}

void fakesys_link(const char *path, const char *target)
{
	char buf[512];

	full(buf, sizeof(buf), path);
	unlink(buf);
	must(symlink(target, buf) == 0);
}

void fakesys_remove(const char *path)
{
	char buf[512];

	must(remove(full(buf, sizeof(buf), path)) == 0);
}

static void put_num(const char *dir, const char *name, const char *fmt, unsigned long v)
{
	char path[512], text[32];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(text, sizeof(text), fmt, v);
	fakesys_put(path, text);
}

static void link_in(const char *dir, const char *name, const char *fmt, const char *last)
{
	char path[512], target[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(target, sizeof(target), fmt, last);
	fakesys_link(path, target);
}

void fakesys_dev(const struct fakesys_dev *d)
{
	char dir[200], path[400], group[16];

	snprintf(dir, sizeof(dir), "sys/devices/pci0000:00/%s%s%s", d->above ? d->above : "",
		 d->above ? "/" : "", d->bdf);
	put_num(dir, "vendor", "0x%04lx\n", 0x8086);
	put_num(dir, "device", "0x%04lx\n", 0x10ca);
	put_num(dir, "class", "0x%06lx\n", d->class_code ? d->class_code : 0x020000);
	put_num(dir, "numa_node", "%ld\n", 0);
	if (!d->no_reset)
		put_num(dir, "reset", "%lu", 1);
	if (d->vfs_total) {
		put_num(dir, "sriov_totalvfs", "%lu\n", d->vfs_total);
		put_num(dir, "sriov_numvfs", "%lu\n", d->vfs_on);
	}
	if (d->driver)
		link_in(dir, "driver", "../../../bus/pci/drivers/%s", d->driver);
	if (d->netdev) {
		snprintf(path, sizeof(path), "%s/net/%s", dir, d->netdev);
		put_num(path, "mtu", "%lu\n", 1500);
	}
	if (d->pf)
		link_in(dir, "physfn", "../%s", d->pf);
	if (d->unit)
		link_in(dir, "iommu", "../../virtual/iommu/%s", d->unit);
	if (d->config) {
		snprintf(path, sizeof(path), "%s/config", dir);
		fakesys_bytes(path, d->config, d->config_len);
	}
	snprintf(path, sizeof(path), "../../../devices/pci0000:00/%s%s%%s",
		 d->above ? d->above : "", d->above ? "/" : "");
	link_in("sys/bus/pci/devices", d->bdf, path, d->bdf);
	if (d->group < 0)
		return;
	snprintf(group, sizeof(group), "%d", d->group);
	link_in(dir, "iommu_group", "../../../kernel/iommu_groups/%s", group);
}

void fakesys_group(unsigned int id, const char *ranges)
{
	char path[100];

	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/type", id);
	fakesys_put(path, "DMA-FQ\n");
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/reserved_regions", id);
	fakesys_put(path, ranges);
}

void fakesys_unit(const char *name, uint64_t address, uint64_t cap, uint64_t ecap)
{
	char dir[100];

	snprintf(dir, sizeof(dir), "sys/class/iommu/%s/intel-iommu", name);
	put_num(dir, "address", "%lx\n", address);
	put_num(dir, "cap", "%lx\n", cap);
	put_num(dir, "ecap", "%lx\n", ecap);
	put_num(dir, "version", "%lu:0\n", 1);
}

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void common(uint8_t cfg[4096], uint8_t type)
{
	memset(cfg, 0, 4096);
	put16(cfg, 0x8086);
	put16(cfg + 2, 0x10ca);
	put16(cfg + 6, 0x10); /* it has capabilities */
	cfg[0x34] = 0x40;
	cfg[0x40] = 0x10; /* PCI Express */
	put16(cfg + 0x42, 2u | (unsigned int)type << 4);
}

void fakesys_endpoint(uint8_t cfg[4096], unsigned int nr_msix)
{
	common(cfg, 0);
	cfg[0x47] = 0x10; /* FLR */
	if (!nr_msix)
		return;
	cfg[0x41] = 0x80;
	cfg[0x80] = 0x11;
	put16(cfg + 0x82, nr_msix - 1);
}

void fakesys_port(uint8_t cfg[4096], uint8_t type, uint8_t secondary, int acs_ctrl)
{
	common(cfg, type);
	cfg[0x0e] = 1;
	cfg[0x19] = secondary;
	cfg[0x1a] = secondary;
	put16(cfg + 0x100, acs_ctrl < 0 ? 0x0001 : 0x000d);
	put16(cfg + 0x102, 1);
	if (acs_ctrl < 0)
		return;
	put16(cfg + 0x104, 0x5f);
	put16(cfg + 0x106, (unsigned int)acs_ctrl);
}

static void good_files(void)
{
	struct dmarmake m;

	dmar_begin(&m, 39, 1);
	dmar_drhd(&m, 1, 0, 0xfed90000);
	dmar_end(&m);
	fakesys_bytes("sys/firmware/acpi/tables/DMAR", m.bytes, m.len);
	fakesys_put("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 intel_iommu=on iommu=pt\n");
	fakesys_put("proc/interrupts",
		    "            CPU0       CPU1\n"
		    "   0:          8          0  IR-IO-APIC   2-edge      timer\n"
		    "  24:          0          0  DMAR-MSI   0-edge      dmar0\n"
		    "  25:          0        900 IR-PCI-MSIX-0000:01:00.0   0-edge      eth0\n"
		    " NMI:          0          0   Non-maskable interrupts\n");
	fakesys_put(
		"proc/self/limits",
		"Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max locked memory         8388608              2147483648           bytes     \n");
	fakesys_put("proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n");
	fakesys_put("dev/vfio/vfio", "");
	fakesys_put("sys/bus/pci/drivers/vfio-pci/bind", "");
	fakesys_put("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N\n");
}

void fakesys_good_host(void)
{
	static uint8_t port[4096], pf[4096], vf[4096];

	good_files();
	/* PI, 1 GiB and 2 MiB pages, 39 bits; interrupt remapping, queued invalidation */
	fakesys_unit("dmar0", 0xfed90000, 1ull << 59 | 3ull << 34 | 38ull << 16, 0xf0f);
	fakesys_group(9, "");
	fakesys_group(10, "0x00000000fee00000 0x00000000feefffff msi\n");
	fakesys_group(11, "0x00000000fee00000 0x00000000feefffff msi\n");
	fakesys_port(port, 4, 1, 0x1d);
	fakesys_endpoint(pf, 10);
	put16(pf + 0x100, 0x0010);
	put16(pf + 0x102, 1);
	put16(pf + 0x10e, 8);
	put16(pf + 0x110, 2);
	put16(pf + 0x114, 0x80);
	put16(pf + 0x116, 2);
	fakesys_endpoint(vf, 3);
	fakesys_dev(&(struct fakesys_dev){.bdf = "0000:00:01.0",
					  .class_code = 0x060400,
					  .group = 9,
					  .driver = "pcieport",
					  .config = port,
					  .config_len = 4096,
					  .unit = "dmar0"});
	fakesys_dev(&(struct fakesys_dev){.bdf = "0000:01:00.0",
					  .above = "0000:00:01.0",
					  .driver = "igb",
					  .netdev = "eth0",
					  .group = 10,
					  .unit = "dmar0",
					  .vfs_total = 8,
					  .vfs_on = 2,
					  .config = pf,
					  .config_len = 4096});
	fakesys_dev(&(struct fakesys_dev){.bdf = "0000:01:10.0",
					  .above = "0000:00:01.0",
					  .group = 11,
					  .unit = "dmar0",
					  .pf = "0000:01:00.0",
					  .config = vf,
					  .config_len = 4096});
}
