/* SPDX-License-Identifier: BSD-3-Clause */
/* Config space: what the guest reads and writes of it. It is made dword by dword, from what the guest
 * wrote and from what the function says; what has no line here reads 0 and takes no write.
 *
 *   ids, class, subsystem   the function's          command      memory decode maps the BARs
 *   BARs                    ours; the function's    status       the function's
 *                           stay where the host     PCIe         the function's; no FLR: that is ours
 *                           put them                PM           ours: D3hot takes the BARs away
 *   MSI-X                   ours                    all others   hidden */
#include "sriov/vpci_priv.h"

enum { CAP_PM = 0x01, CAP_PCIE = 0x10, CAP_MSIX = 0x11 };

#define REG_IDS		0x00u
#define REG_COMMAND	0x04u
#define REG_CLASS	0x08u
#define REG_BAR0	0x10u
#define REG_BAR_END	0x28u
#define REG_SUBSYSTEM	0x2Cu
#define REG_CAP_POINTER 0x34u
#define REG_CAPS	0x40u

#define CMD_MEMORY   0x0002u
#define CMD_MASTER   0x0004u
#define CMD_WRITABLE (CMD_MEMORY | CMD_MASTER | 0x0540u) /* and parity, SERR, INTx off */

#define STATUS_HAS_CAPS 0x0010u

#define PCIE_DEVCAP	4u
#define PCIE_DEVCTL	8u
#define PCIE_DEVCTL2	0x28u
#define PCIE_DEVCAP_FLR (1u << 28)
#define PCIE_DEVCTL_FLR 0x8000u /* starts one */

#define PM_CTRL		 4u
#define PM_CAP_VERSION	 0x00070000u /* no D1, D2 or PME */
#define PM_CTRL_STATE	 0x3u
#define PM_CTRL_NO_RESET 0x8u /* leaving D3hot loses nothing, as it is ours */
#define PM_D3HOT	 3u

#define MSIX_ENABLE 0x8000u
#define MSIX_MASK   0x4000u

/* ---- Reading -------------------------------------------------------------------------------- */

static const struct vpci_cap *find_cap(const struct vpci *v, uint32_t at)
{
	for (unsigned int i = 0; i < v->caps.nr; i++) {
		const struct vpci_cap *cap = &v->caps.cap[i];

		if (at >= cap->at && at < (uint32_t)cap->at + cap->len)
			return cap;
	}
	return NULL;
}

/* Id, and the pointer to the next that the guest sees. */
static uint32_t cap_head(const struct vpci *v, const struct vpci_cap *cap)
{
	const struct vpci_cap *end = v->caps.cap + v->caps.nr;

	return cap->id | (cap + 1 < end ? (uint32_t)cap[1].at << 8 : 0);
}

static uint32_t read_pcie(struct vpci *v, const struct vpci_cap *cap, uint32_t off)
{
	uint32_t value = vpci_func_read(v, cap->at + off, 4);

	switch (off) {
	case 0: return cap_head(v, cap) | (value & 0xFFFF0000u);
	case PCIE_DEVCAP: return value & ~PCIE_DEVCAP_FLR;
	case PCIE_DEVCTL: return value & ~PCIE_DEVCTL_FLR;
	default: return value;
	}
}

static uint32_t read_pm(struct vpci *v, const struct vpci_cap *cap, uint32_t off)
{
	if (off == 0)
		return cap_head(v, cap) | (vpci_func_read(v, cap->at, 4) & PM_CAP_VERSION);
	return PM_CTRL_NO_RESET | (v->space.is_asleep ? PM_D3HOT : 0);
}

static uint32_t read_msix(struct vpci *v, const struct vpci_cap *cap, uint32_t off)
{
	const struct vpci_msix_place *p = &v->place;

	switch (off) {
	case 0:
		return cap_head(v, cap) | (uint32_t)(v->space.msix_ctrl | (v->cfg.nr_vectors - 1))
						  << 16;
	case 4: return (uint32_t)p->table_off | p->table_bar;
	default: return (uint32_t)p->pba_off | p->pba_bar;
	}
}

static uint32_t read_cap(struct vpci *v, uint32_t at)
{
	const struct vpci_cap *cap = find_cap(v, at);

	if (!cap)
		return 0;
	switch (cap->id) {
	case CAP_PCIE: return read_pcie(v, cap, at - cap->at);
	case CAP_PM: return read_pm(v, cap, at - cap->at);
	default: return read_msix(v, cap, at - cap->at);
	}
}

static uint32_t read_bar(const struct vpci *v, unsigned int i)
{
	return v->space.bar[i] | (v->cfg.bar[i].size ? vpci_bar_probe(v, i) & 0xF : 0);
}

static uint32_t read_dword(struct vpci *v, uint32_t at)
{
	if (at >= REG_BAR0 && at < REG_BAR_END)
		return read_bar(v, (at - REG_BAR0) / 4);
	if (at >= REG_CAPS)
		return read_cap(v, at);
	switch (at) {
	case REG_IDS: return v->ids.vendor | (uint32_t)v->ids.device << 16;
	case REG_COMMAND:
		return v->space.command | (vpci_func_read(v, REG_COMMAND + 2, 2) | STATUS_HAS_CAPS)
						  << 16;
	case REG_CLASS: return v->ids.class_revision;
	case REG_SUBSYSTEM: return v->ids.subsystem_vendor | (uint32_t)v->ids.subsystem << 16;
	case REG_CAP_POINTER: return v->caps.cap[0].at;
	default: return 0;
	}
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* Some bytes of a dword. */
struct lanes {
	uint32_t value, mask;
};

static uint32_t merge(uint32_t old, struct lanes w)
{
	return (old & ~w.mask) | (w.value & w.mask);
}

/* What the function may do. It stays in D0 itself, so asleep it must not be master. */
static int push_command(struct vpci *v)
{
	uint32_t command = v->space.command;

	if (v->space.is_asleep)
		command &= ~CMD_MASTER;
	return vpci_func_write(v, REG_COMMAND, 2, command);
}

/* BARs leave before the function stops answering, and come when it does. 0 or -errno. */
static int settle(struct vpci *v)
{
	bool has_memory = (v->space.command & CMD_MEMORY) && !v->space.is_asleep;
	int rc;

	if (!has_memory)
		vpci_bar_unmap(v);
	rc = push_command(v);
	if (!rc && has_memory)
		vpci_bar_map(v);
	return rc;
}

/* If the function does not take it, the guest reads what there was before, and no memory that went. */
static void write_command(struct vpci *v, struct lanes w)
{
	uint16_t command = (uint16_t)(merge(v->space.command, w) & CMD_WRITABLE);
	uint32_t status = (w.value & w.mask) >> 16; /* ones clear */
	uint16_t old = v->space.command;

	v->space.command = command;
	if (command != old && settle(v))
		v->space.command = old & (command | (uint16_t)~CMD_MEMORY);
	if (status)
		vpci_func_write(v, REG_COMMAND + 2, 2, status);
}

/* While memory is decoded they stand still, as Hyper-V has it: a 64-bit one is written in halves. */
static void write_bar(struct vpci *v, unsigned int i, struct lanes w)
{
	if (v->space.command & CMD_MEMORY)
		return;
	v->space.bar[i] = merge(v->space.bar[i], w) & vpci_bar_probe(v, i);
	if (v->cfg.bar[i].size)
		v->space.bar[i] &= ~0xFu;
}

static void write_pcie(struct vpci *v, const struct vpci_cap *cap, uint32_t off, struct lanes w)
{
	uint32_t control, status;

	if (off != PCIE_DEVCTL && off != PCIE_DEVCTL2)
		return;
	if (w.mask & 0xFFFF) {
		control = merge(vpci_func_read(v, cap->at + off, 2), w) & 0xFFFF;
		if (off == PCIE_DEVCTL)
			control &= ~PCIE_DEVCTL_FLR;
		vpci_func_write(v, cap->at + off, 2, control);
	}
	status = (w.value & w.mask) >> 16; /* ones clear */
	if (status)
		vpci_func_write(v, cap->at + off + 2, 2, status);
}

static void write_pm(struct vpci *v, uint32_t off, struct lanes w)
{
	uint32_t state = w.value & PM_CTRL_STATE;
	bool is_asleep = state == PM_D3HOT;

	if (off != PM_CTRL || !(w.mask & PM_CTRL_STATE) || (state && state != PM_D3HOT) ||
	    is_asleep == v->space.is_asleep)
		return;
	v->space.is_asleep = is_asleep;
	if (settle(v))
		v->space.is_asleep = true; /* it does not wake up */
}

/* The function raises nothing unless the guest wants it; which entries, is for the partition. */
static void write_msix(struct vpci *v, uint32_t off, struct lanes w)
{
	uint32_t ctrl = merge((uint32_t)v->space.msix_ctrl << 16, w) >> 16;
	bool is_on = ctrl & MSIX_ENABLE;

	if (off)
		return;
	if (is_on && !v->space.has_irqs) {
		if (v->cfg.func->irqs_on(v->cfg.func_ctx, v->cfg.nr_vectors)) {
			vpci_count(&v->function_fails);
			return; /* the guest reads it as off, and may try again */
		}
		v->space.has_irqs = true;
	}
	v->space.msix_ctrl = ctrl & (MSIX_ENABLE | MSIX_MASK);
	vpci_msix_control(v, is_on, ctrl & MSIX_MASK);
	if (!is_on && v->space.has_irqs) {
		v->cfg.func->irqs_off(v->cfg.func_ctx);
		v->space.has_irqs = false;
	}
}

static void write_cap(struct vpci *v, uint32_t at, struct lanes w)
{
	const struct vpci_cap *cap = find_cap(v, at);

	if (!cap)
		return;
	if (cap->id == CAP_PCIE)
		write_pcie(v, cap, at - cap->at, w);
	else if (cap->id == CAP_PM)
		write_pm(v, at - cap->at, w);
	else
		write_msix(v, at - cap->at, w);
}

static void write_dword(struct vpci *v, uint32_t at, struct lanes w)
{
	if (at == REG_COMMAND)
		write_command(v, w);
	else if (at >= REG_BAR0 && at < REG_BAR_END)
		write_bar(v, (at - REG_BAR0) / 4, w);
	else if (at >= REG_CAPS)
		write_cap(v, at, w);
}

void vpci_space_reset(struct vpci *v)
{
	vpci_bar_unmap(v);
	vpci_msix_reset(v);
	if (v->space.has_irqs)
		v->cfg.func->irqs_off(v->cfg.func_ctx);
	v->space.has_irqs = v->space.is_asleep = false;
	v->space.command = v->space.msix_ctrl = 0;
	for (unsigned int i = 0; i < VPCI_BARS; i++)
		v->space.bar[i] = 0;
	push_command(v); /* no DMA any more; where it fails, the reset that follows tells */
}

/* ---- Accesses ------------------------------------------------------------------------------- */

/* 1, 2 or 4 bytes inside of one dword. */
static bool is_good(struct vpci *v, uint64_t off, unsigned int size)
{
	if ((size == 1 || size == 2 || size == 4) && off % 4 + size <= 4)
		return true;
	vpci_count(&v->bad_accesses);
	return false;
}

static uint32_t lane_mask(unsigned int size)
{
	return size == 4 ? ~0u : (1u << 8 * size) - 1;
}

uint32_t vpci_space_read(struct vpci *v, uint64_t off, unsigned int size)
{
	uint32_t value = (uint32_t)VPCI_ONES;

	if (!is_good(v, off, size))
		return value;
	pthread_mutex_lock(&v->cfg_lock);
	if (v->space.is_on)
		value = read_dword(v, (uint32_t)off & ~3u) >> 8 * (off % 4);
	pthread_mutex_unlock(&v->cfg_lock);
	return value & lane_mask(size);
}

void vpci_space_write(struct vpci *v, uint64_t off, unsigned int size, uint32_t value)
{
	unsigned int shift = 8 * (off % 4);

	if (!is_good(v, off, size))
		return;
	pthread_mutex_lock(&v->cfg_lock);
	if (v->space.is_on)
		write_dword(v, (uint32_t)off & ~3u,
			    (struct lanes){value << shift, lane_mask(size) << shift});
	pthread_mutex_unlock(&v->cfg_lock);
}

/* ---- The window ----------------------------------------------------------------------------- */

static uint64_t window_read(void *dev, uint64_t off, unsigned int size)
{
	struct vpci *v = dev;
	uint32_t slot = __atomic_load_n(&v->slot, __ATOMIC_RELAXED);

	if (off < VPCI_WINDOW_PAGE)
		return off == 0 && size == 4 ? slot : VPCI_ONES;
	if (slot != 0 || off >= VPCI_WINDOW_BYTES)
		return VPCI_ONES;
	return vpci_space_read(v, off - VPCI_WINDOW_PAGE, size) | (size > 4 ? VPCI_ONES : 0);
}

static void window_write(void *dev, uint64_t off, unsigned int size, uint64_t value)
{
	struct vpci *v = dev;

	if (off == 0 && size == 4)
		__atomic_store_n(&v->slot, (uint32_t)value, __ATOMIC_RELAXED);
	else if (off >= VPCI_WINDOW_PAGE && off < VPCI_WINDOW_BYTES &&
		 __atomic_load_n(&v->slot, __ATOMIC_RELAXED) == 0)
		vpci_space_write(v, off - VPCI_WINDOW_PAGE, size, (uint32_t)value);
}

const struct vpci_window_ops vpci_space_window = {window_read, window_write};
