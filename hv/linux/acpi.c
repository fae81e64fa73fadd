/* SPDX-License-Identifier: BSD-3-Clause */
/* ACPI tables for an unmodified kernel. */
#include "hv/linux/acpi.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "hv/linux/acpi_tables.h"
#include "hv/linux/machine.h"

#define OEM_ID	      "NETHV "
#define OEM_TABLE_ID  "NETHV-PC"
#define CREATOR_ID    "NETH"
#define REVISION      1u
#define RSDP_CHECKED  20u
#define RSDP_REVISION 2u
#define XSDT_TABLES   2u /* FADT and MADT; the FADT has the DSDT */
#define MADT_REVISION 5u
#define ALIGN	      16u

/* What iasl made, by embed.sh. */
extern const uint8_t hv_dsdt_start[], hv_dsdt_end[];

/* The tail of a QWordMemory descriptor, from its granularity on (6.4.3.5.1). */
struct qword_window {
	uint64_t granularity, min, max, translation, len;
};

static const struct qword_window placeholder = {
	.min = 0x4e45544856000000ull,
	.max = 0x4e45544856ffffffull,
	.len = 0x1000000ull,
};

static uint8_t checksum(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	while (len--)
		sum += *b++;
	return (uint8_t)-sum;
}

static void seal(struct acpi_header *h)
{
	h->checksum = 0;
	h->checksum = checksum(h, h->length);
}

static void header_fill(struct acpi_header *h, const char *signature, uint8_t revision, size_t len)
{
	memcpy(h->signature, signature, sizeof(h->signature));
	h->length = (uint32_t)len;
	h->revision = revision;
	memcpy(h->oem_id, OEM_ID, sizeof(h->oem_id));
	memcpy(h->oem_table_id, OEM_TABLE_ID, sizeof(h->oem_table_id));
	h->oem_revision = REVISION;
	memcpy(h->creator_id, CREATOR_ID, sizeof(h->creator_id));
	h->creator_revision = REVISION;
}

int hv_acpi_patch_dsdt(uint8_t *aml, size_t len, uint64_t mmio_high)
{
	const struct qword_window window = {
		.min = mmio_high,
		.max = mmio_high + HV_PC_MMIO_HIGH_SIZE - 1,
		.len = HV_PC_MMIO_HIGH_SIZE,
	};
	uint8_t *at = memmem(aml, len, &placeholder, sizeof(placeholder));
	struct acpi_header h;

	if (len < sizeof(h))
		return err_set(-EINVAL, "DSDT: %zu bytes", len);
	memcpy(&h, aml, sizeof(h));
	if (memcmp(h.signature, "DSDT", 4) || h.length != len)
		return err_set(-EINVAL, "DSDT: %zu bytes, its header says %u", len, h.length);
	if (!at || memmem(at + 1, (size_t)(aml + len - at - 1), &placeholder, sizeof(placeholder)))
		return err_set(-EINVAL, "DSDT: %s for the high MMIO window",
			       at ? "more than one place" : "no place");
	memcpy(at, &window, sizeof(window));
	seal((struct acpi_header *)aml);
	return 0;
}

static struct acpi_gas port(uint16_t number)
{
	return (struct acpi_gas){ACPI_SPACE_IO, 8, 0, ACPI_ACCESS_BYTE, number};
}

static void fadt_fill(uint8_t *buf, uint64_t dsdt)
{
	struct acpi_fadt f = {
		.dsdt = (uint32_t)dsdt,
		.pm_profile = ACPI_PM_SERVER,
		.boot_arch = ACPI_BOOT_NO_VGA | ACPI_BOOT_NO_RTC,
		.flags = ACPI_FADT_WBINVD | ACPI_FADT_RESET_REG | ACPI_FADT_HW_REDUCED,
		.reset_reg = port(HV_PORT_RESET),
		.reset_value = HV_RESET_VALUE,
		.minor = ACPI_FADT_MINOR,
		.x_dsdt = dsdt,
		.sleep_control = port(HV_PORT_SLEEP_CONTROL),
		.sleep_status = port(HV_PORT_SLEEP_STATUS),
	};

	header_fill(&f.h, "FACP", ACPI_FADT_REVISION, sizeof(f));
	seal(&f.h);
	memcpy(buf, &f, sizeof(f));
}

static size_t madt_len(unsigned int nr_vps)
{
	return sizeof(struct acpi_madt) + nr_vps * sizeof(struct acpi_madt_lapic) +
	       sizeof(struct acpi_madt_ioapic);
}

static void madt_fill(uint8_t *buf, unsigned int nr_vps)
{
	struct acpi_madt m = {.lapic = (uint32_t)HV_PC_LAPIC};
	const struct acpi_madt_ioapic io = {
		.type = ACPI_MADT_IOAPIC,
		.length = sizeof(io),
		.id = HV_PC_IOAPIC_ID,
		.address = (uint32_t)HV_PC_IOAPIC,
	};
	uint8_t *at = buf + sizeof(m);
	unsigned int i;

	for (i = 0; i < nr_vps; i++, at += sizeof(struct acpi_madt_lapic)) {
		const struct acpi_madt_lapic l = {
			.type = ACPI_MADT_LAPIC,
			.length = sizeof(l),
			.processor_uid = (uint8_t)i,
			.apic_id = (uint8_t)i,
			.flags = ACPI_MADT_ENABLED,
		};

		memcpy(at, &l, sizeof(l));
	}
	memcpy(at, &io, sizeof(io));
	header_fill(&m.h, "APIC", MADT_REVISION, madt_len(nr_vps));
	memcpy(buf, &m, sizeof(m));
	seal((struct acpi_header *)buf);
}

static void xsdt_fill(uint8_t *buf, const uint64_t table[XSDT_TABLES])
{
	struct acpi_header h = {0};
	size_t tables = XSDT_TABLES * sizeof(table[0]);

	header_fill(&h, "XSDT", REVISION, sizeof(h) + tables);
	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), table, tables);
	seal((struct acpi_header *)buf);
}

static void rsdp_fill(uint8_t *buf, uint64_t xsdt)
{
	struct acpi_rsdp r = {
		.revision = RSDP_REVISION,
		.length = sizeof(r),
		.xsdt = xsdt,
	};

	memcpy(r.signature, "RSD PTR ", sizeof(r.signature));
	memcpy(r.oem_id, OEM_ID, sizeof(r.oem_id));
	r.checksum = checksum(&r, RSDP_CHECKED);
	r.ext_checksum = checksum(&r, sizeof(r));
	memcpy(buf, &r, sizeof(r));
}

static size_t aligned(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

int hv_acpi_build(const struct hv_acpi_cfg *cfg, uint64_t at, uint8_t *buf, size_t size,
		  size_t *len)
{
	size_t dsdt_len = (size_t)(hv_dsdt_end - hv_dsdt_start);
	size_t xsdt = aligned(sizeof(struct acpi_rsdp));
	size_t fadt = aligned(xsdt + sizeof(struct acpi_header) + XSDT_TABLES * sizeof(uint64_t));
	size_t madt = aligned(fadt + sizeof(struct acpi_fadt));
	size_t dsdt = aligned(madt + madt_len(cfg->nr_vps));
	const uint64_t tables[XSDT_TABLES] = {at + fadt, at + madt};

	if (dsdt + dsdt_len > size)
		return err_set(-ENOSPC, "ACPI tables: %zu bytes, %zu are there", dsdt + dsdt_len,
			       size);
	memset(buf, 0, dsdt);
	rsdp_fill(buf, at + xsdt);
	xsdt_fill(buf + xsdt, tables);
	fadt_fill(buf + fadt, at + dsdt);
	madt_fill(buf + madt, cfg->nr_vps);
	memcpy(buf + dsdt, hv_dsdt_start, dsdt_len);
	*len = dsdt + dsdt_len;
	return hv_acpi_patch_dsdt(buf + dsdt, dsdt_len, cfg->mmio_high);
}
