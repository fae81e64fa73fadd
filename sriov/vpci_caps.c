/* SPDX-License-Identifier: BSD-3-Clause */
/* What a function is, read once from its config space: ids, where its MSI-X table lies, and which of its
 * capabilities the guest gets to see. Those that are not listed here do not exist for it. */
#include "sriov/vpci_priv.h"

#include <errno.h>

#include "base/err.h"

#define CAP_POINTER 0x34u
#define CAP_FIRST   0x40u
#define CAP_END	    0x100u
#define CAPS_WALK   48u /* as many as fit */

enum { CAP_PM = 0x01, CAP_PCIE = 0x10, CAP_MSIX = 0x11 };

#define STATUS_HAS_CAPS 0x10u

static int read_ids(struct vpci *v)
{
	uint32_t ids = vpci_func_read(v, 0x00, 4), subsystem = vpci_func_read(v, 0x2C, 4);
	uint32_t type = vpci_func_read(v, 0x0E, 1);

	if ((ids & 0xFFFF) == 0xFFFF || (ids & 0xFFFF) == 0)
		return err_set(-ENODEV, "%s: the function does not answer (vendor 0x%04x)", v->name,
			       ids & 0xFFFF);
	if (type & 0x7F)
		return err_set(-ENODEV, "%s: a bridge (header type 0x%02x) cannot be assigned",
			       v->name, type);
	v->ids = (struct vpci_ids){
		.vendor = (uint16_t)ids,
		.device = (uint16_t)(ids >> 16),
		.subsystem_vendor = (uint16_t)subsystem,
		.subsystem = (uint16_t)(subsystem >> 16),
		.class_revision = vpci_func_read(v, 0x08, 4),
	};
	return 0;
}

static uint8_t cap_len(struct vpci *v, uint8_t id, uint32_t at)
{
	switch (id) {
	case CAP_PM: return 8;
	case CAP_MSIX: return 12;
	case CAP_PCIE: return (vpci_func_read(v, at + 2, 2) & 0xF) >= 2 ? 0x3C : 0x14;
	default: return 0;
	}
}

static bool has_cap(const struct vpci_caps *caps, uint8_t id)
{
	for (unsigned int i = 0; i < caps->nr; i++) {
		if (caps->cap[i].id == id)
			return true;
	}
	return false;
}

/* A list may be wrong, or have a loop: the hardware's word is not trusted either. */
static void read_list(struct vpci *v)
{
	uint32_t at;

	if (!(vpci_func_read(v, 0x06, 2) & STATUS_HAS_CAPS))
		return;
	at = vpci_func_read(v, CAP_POINTER, 1) & 0xFC;
	for (unsigned int i = 0; at >= CAP_FIRST && i < CAPS_WALK; i++) {
		uint8_t id = (uint8_t)vpci_func_read(v, at, 1), len = cap_len(v, id, at);

		if (len && at + len <= CAP_END && !has_cap(&v->caps, id) &&
		    v->caps.nr < VPCI_CAPS_MAX)
			v->caps.cap[v->caps.nr++] = (struct vpci_cap){id, (uint8_t)at, len};
		at = vpci_func_read(v, at + 1, 1) & 0xFC;
	}
}

static bool fits(const struct vpci *v, unsigned int bar, uint64_t off, uint64_t len)
{
	return bar < VPCI_BARS && v->cfg.bar[bar].size >= len && off <= v->cfg.bar[bar].size - len;
}

static int read_msix(struct vpci *v, uint32_t at)
{
	uint32_t table = vpci_func_read(v, at + 4, 4), pba = vpci_func_read(v, at + 8, 4);
	struct vpci_msix_place *p = &v->place;

	p->nr = (vpci_func_read(v, at + 2, 2) & 0x7FF) + 1;
	p->table_bar = table & 7;
	p->table_off = table & ~7u;
	p->table_len = p->nr * 16ull;
	p->pba_bar = pba & 7;
	p->pba_off = pba & ~7u;
	p->pba_len = (p->nr + 63) / 64 * 8ull;
	if (!fits(v, p->table_bar, p->table_off, p->table_len) ||
	    !fits(v, p->pba_bar, p->pba_off, p->pba_len))
		return err_set(-ENODEV, "%s: MSI-X table (0x%08x) or PBA (0x%08x) outside of BARs",
			       v->name, table, pba);
	if (p->table_bar == p->pba_bar && p->table_off < p->pba_off + p->pba_len &&
	    p->pba_off < p->table_off + p->table_len)
		return err_set(-ENODEV, "%s: MSI-X table and PBA overlap", v->name);
	if (v->cfg.nr_vectors > p->nr)
		return err_set(-ENODEV, "%s: %u vectors wanted, the function has %u", v->name,
			       v->cfg.nr_vectors, p->nr);
	return 0;
}

int vpci_caps_read(struct vpci *v)
{
	int rc = read_ids(v);

	if (rc)
		return rc;
	read_list(v);
	for (unsigned int i = 0; i < v->caps.nr; i++) {
		if (v->caps.cap[i].id == CAP_MSIX)
			return read_msix(v, v->caps.cap[i].at);
	}
	return err_set(-ENODEV, "%s: the function has no MSI-X", v->name);
}
