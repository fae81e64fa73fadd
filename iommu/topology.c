/* SPDX-License-Identifier: BSD-3-Clause */
/* Units and the host as a whole. Functions and groups are in devices.c. */
#include "iommu/topology.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "iommu/files.h"
#include "iommu/priv.h"

/* Bits of VT-d's capability and extended capability registers (VT-d spec §11.4.2, §11.4.3) */
#define CAP_PI		       (1ull << 59)
#define CAP_2M		       (1ull << 34)
#define CAP_1G		       (1ull << 35)
#define CAP_MGAW_SHIFT	       16
#define CAP_MGAW_MASK	       0x3f
#define ECAP_IR		       (1ull << 3)
#define AMD_EFR_GA	       (1ull << 7)  /* AMD IOMMU spec, extended feature register */
#define AMD_EFR_VAPIC	       (1ull << 21) /* guest mode of it: posted interrupts */
#define LINUX_CAP_IPC_LOCK     14
#define LINUX_CAP_SYS_RESOURCE 24

#define UNITS_MAX 128u

static void read_intel(const char *root, struct iommu_unit *u)
{
	char p[FILES_PATH_MAX];

	u->kind = IOMMU_UNIT_INTEL;
	files_number(files_path(p, root, "sys/class/iommu/%s/intel-iommu/address", u->name), 16,
		     &u->address);
	files_number(files_path(p, root, "sys/class/iommu/%s/intel-iommu/cap", u->name), 16,
		     &u->cap);
	files_number(files_path(p, root, "sys/class/iommu/%s/intel-iommu/ecap", u->name), 16,
		     &u->ecap);
	u->has_intr_remap = u->ecap & ECAP_IR;
	u->has_posted = u->cap & CAP_PI;
	u->has_2m = u->cap & CAP_2M;
	u->has_1g = u->cap & CAP_1G;
	u->address_bits = (unsigned int)(u->cap >> CAP_MGAW_SHIFT & CAP_MGAW_MASK) + 1;
}

static void read_amd(const char *root, struct iommu_unit *u)
{
	char p[FILES_PATH_MAX];

	u->kind = IOMMU_UNIT_AMD;
	files_number(files_path(p, root, "sys/class/iommu/%s/amd-iommu/cap", u->name), 16, &u->cap);
	files_number(files_path(p, root, "sys/class/iommu/%s/amd-iommu/features", u->name), 16,
		     &u->ecap);
	/* All of them remap interrupts and have any power of two as page size. */
	u->has_intr_remap = true;
	u->has_2m = true;
	u->has_1g = true;
	u->has_posted = u->ecap & AMD_EFR_GA && u->ecap & AMD_EFR_VAPIC;
}

static int read_unit(const char *root, const char *name, void *ctx)
{
	struct iommu_topology *t = ctx;
	struct iommu_unit *more, *u;
	char p[FILES_PATH_MAX];

	if (t->nr_units == UNITS_MAX)
		return 0;
	more = realloc(t->unit, (t->nr_units + 1) * sizeof(*more));
	if (!more)
		return err_set(-ENOMEM, "IOMMU units");
	t->unit = more;
	u = &t->unit[t->nr_units++];
	*u = (struct iommu_unit){0};
	snprintf(u->name, sizeof(u->name), "%.23s", name);
	if (files_has(files_path(p, root, "sys/class/iommu/%s/intel-iommu", u->name)))
		read_intel(root, u);
	else if (files_has(files_path(p, root, "sys/class/iommu/%s/amd-iommu", u->name)))
		read_amd(root, u);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(((const struct iommu_unit *)a)->name,
			  ((const struct iommu_unit *)b)->name);
}

static int read_units(const char *root, struct iommu_topology *t)
{
	int rc = files_each(root, "sys/class/iommu", read_unit, t);

	if (t->nr_units)
		qsort(t->unit, t->nr_units, sizeof(*t->unit), by_name);
	return rc;
}

static int read_dmar(const char *root, struct iommu_topology *t)
{
	uint8_t *bytes = malloc(IOMMU_DMAR_BYTES_MAX + 1);
	char p[FILES_PATH_MAX];
	ptrdiff_t n;

	t->dmar = calloc(1, sizeof(*t->dmar));
	if (!bytes || !t->dmar) {
		free(bytes);
		return err_set(-ENOMEM, "DMAR table");
	}
	n = files_bytes(files_path(p, root, "sys/firmware/acpi/tables/DMAR"), bytes,
			IOMMU_DMAR_BYTES_MAX + 1);
	if (n < 0)
		snprintf(t->host.table_error, sizeof(t->host.table_error), "%s",
			 n == -EACCES ? "the DMAR table is for root only" : strerror((int)-n));
	else if (iommu_dmar_parse(bytes, (size_t)n, t->dmar))
		snprintf(t->host.table_error, sizeof(t->host.table_error), "%.127s", err_text());
	free(bytes);
	if (t->host.table_error[0]) {
		free(t->dmar);
		t->dmar = NULL;
	}
	return 0;
}

static void read_cmdline(const char *root, struct iommu_host *h)
{
	static const char *const off[] = {"intel_iommu=off", "amd_iommu=off", "iommu=off"};
	char p[FILES_PATH_MAX], line[4096];

	if (!files_text(files_path(p, root, "proc/cmdline"), line, sizeof(line)))
		return;
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
		if (files_has_word(line, off[i]))
			snprintf(h->off_by, sizeof(h->off_by), "%s", off[i]);
	h->has_acs_override = strstr(line, "pcie_acs_override=");
	h->is_posting_off = strstr(line, "intremap=nopost") != NULL;
}

static bool is_yes(const char *root, const char *path)
{
	char p[FILES_PATH_MAX], text[8];

	return files_text(files_path(p, root, "%s", path), text, sizeof(text)) &&
	       (text[0] == 'Y' || text[0] == '1');
}

static void read_vfio(const char *root, struct iommu_host *h)
{
	char p[FILES_PATH_MAX];

	h->is_unsafe_set =
		is_yes(root, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts") ||
		is_yes(root, "sys/module/iommufd/parameters/allow_unsafe_interrupts");
	h->has_vfio_pci = files_has(files_path(p, root, "sys/bus/pci/drivers/vfio-pci"));
	h->has_vfio = files_has(files_path(p, root, "dev/vfio/vfio"));
	h->may_vfio = access(files_path(p, root, "dev/vfio/vfio"), R_OK | W_OK) == 0;
	h->has_iommufd = files_has(files_path(p, root, "dev/iommu"));
	h->may_iommufd = access(files_path(p, root, "dev/iommu"), R_OK | W_OK) == 0;
}

/* "Max locked memory  8388608  unlimited  bytes" */
static void read_limits(const char *root, struct iommu_host *h)
{
	char p[FILES_PATH_MAX], text[8192], soft[32] = "", hard[32] = "", *line;
	ptrdiff_t n = files_bytes(files_path(p, root, "proc/self/limits"), text, sizeof(text) - 1);

	h->memlock = UINT64_MAX;
	h->memlock_max = UINT64_MAX;
	text[n > 0 ? n : 0] = 0;
	line = strstr(text, "Max locked memory");
	if (!line || sscanf(line, "Max locked memory %31s %31s", soft, hard) != 2)
		return;
	if (strcmp(soft, "unlimited") != 0)
		h->memlock = strtoull(soft, NULL, 10);
	if (strcmp(hard, "unlimited") != 0)
		h->memlock_max = strtoull(hard, NULL, 10);
}

static void read_rights(const char *root, struct iommu_host *h)
{
	char p[FILES_PATH_MAX], text[8192], *line;
	ptrdiff_t n = files_bytes(files_path(p, root, "proc/self/status"), text, sizeof(text) - 1);
	unsigned long long caps;

	text[n > 0 ? n : 0] = 0;
	line = strstr(text, "CapEff:");
	if (!line)
		return;
	caps = strtoull(line + strlen("CapEff:"), NULL, 16);
	h->has_ipc_lock = caps >> LINUX_CAP_IPC_LOCK & 1;
	h->has_sys_resource = caps >> LINUX_CAP_SYS_RESOURCE & 1;
}

int iommu_topology_create(struct iommu_topology **out, const char *root)
{
	struct iommu_topology *t = calloc(1, sizeof(*t));
	char p[FILES_PATH_MAX];
	int rc = 0;

	if (!t)
		return err_set(-ENOMEM, "IOMMU topology");
	t->host.has_dmar = files_has(files_path(p, root, "sys/firmware/acpi/tables/DMAR"));
	t->host.has_ivrs = files_has(files_path(p, root, "sys/firmware/acpi/tables/IVRS"));
	read_cmdline(root, &t->host);
	read_vfio(root, &t->host);
	read_limits(root, &t->host);
	read_rights(root, &t->host);
	if (t->host.has_dmar)
		rc = read_dmar(root, t);
	if (rc == 0)
		rc = read_units(root, t);
	if (rc == 0)
		rc = iommu_groups_read(root, t);
	if (rc == 0)
		rc = iommu_devs_read(root, t);
	if (rc) {
		iommu_topology_destroy(t);
		return rc;
	}
	t->host.intr_remap =
		iommu_intr_now(root, t, t->host.intr_evidence, sizeof(t->host.intr_evidence));
	*out = t;
	return 0;
}

void iommu_topology_destroy(struct iommu_topology *t)
{
	if (!t)
		return;
	free(t->dmar);
	free(t->unit);
	free(t->group);
	free(t->dev);
	free(t);
}
