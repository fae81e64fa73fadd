/* SPDX-License-Identifier: BSD-3-Clause */
#include "hv/ioapic.h"

#define REG_SELECT 0x00u
#define REG_WINDOW 0x10u
#define REG_EOI	   0x40u
#define WINDOW_LEN 0x1000u

#define INDEX_ID      0x00u
#define INDEX_VERSION 0x01u
#define INDEX_ARB     0x02u
#define INDEX_RTE     0x10u
#define ID_MASK	      0x0f000000u
#define VERSION	      (0x20u | (HV_IOAPIC_PINS - 1) << 16)

#define RTE_VECTOR(e)	((uint8_t)(e))
#define RTE_MODE(e)	((unsigned int)((e) >> 8) & 7)
#define RTE_LOGICAL	(1ull << 11)
#define RTE_ACTIVE_LOW	(1ull << 13)
#define RTE_REMOTE_IRR	(1ull << 14) /* read-only */
#define RTE_LEVEL	(1ull << 15)
#define RTE_MASKED	(1ull << 16)
#define RTE_DEST(e)	((uint32_t)((e) >> 56))
#define RTE_WRITABLE_LO 0x0001afffu /* bit 12, delivery pending, is never set: we deliver at once */
#define RTE_WRITABLE_HI 0xff000000u

#define MODE_FIXED  0u
#define MODE_LOWEST 1u
#define VECTOR_MIN  16u

#define MSI_ADDRESS 0xfee00000ull
#define MSI_DEST(d) ((uint64_t)(d) << 12)
#define MSI_LOGICAL (1ull << 2)
#define MSI_MODE(m) ((uint32_t)(m) << 8)
#define MSI_ASSERT  (1u << 14)
#define MSI_LEVEL   (1u << 15)

/* Only what an ordinary device may send: no NMI, SMI or INIT by way of a table entry. */
static bool send(struct hv_ioapic *io, uint64_t e)
{
	unsigned int mode = RTE_MODE(e);
	uint64_t address = MSI_ADDRESS | MSI_DEST(RTE_DEST(e));
	uint32_t data = RTE_VECTOR(e) | MSI_MODE(mode) | MSI_ASSERT;

	if ((mode != MODE_FIXED && mode != MODE_LOWEST) || RTE_VECTOR(e) < VECTOR_MIN) {
		io->refused++;
		return false;
	}
	if (e & RTE_LOGICAL)
		address |= MSI_LOGICAL;
	if (e & RTE_LEVEL)
		data |= MSI_LEVEL;
	io->msi(io->ctx, address, data);
	io->sent++;
	return true;
}

static bool is_asserted(const struct hv_ioapic *io, unsigned int pin)
{
	bool is_high = io->line & 1u << pin;

	return is_high != !!(io->rte[pin] & RTE_ACTIVE_LOW);
}

/* A level-triggered pin is sent once, and again after its EOI while it stays asserted. */
static void level_service(struct hv_ioapic *io, unsigned int pin)
{
	uint64_t e = io->rte[pin];

	if (!(e & RTE_LEVEL) || (e & (RTE_MASKED | RTE_REMOTE_IRR)) || !is_asserted(io, pin))
		return;
	if (send(io, e))
		io->rte[pin] |= RTE_REMOTE_IRR;
}

void hv_ioapic_set(struct hv_ioapic *io, unsigned int pin, bool is_high)
{
	bool was;
	uint64_t e;

	pthread_mutex_lock(&io->lock);
	was = is_asserted(io, pin);
	io->line = (io->line & ~(1u << pin)) | (uint32_t)is_high << pin;
	e = io->rte[pin];
	if (e & RTE_LEVEL)
		level_service(io, pin);
	else if (!was && is_asserted(io, pin) && !(e & RTE_MASKED)) /* masked: the edge is lost */
		send(io, e);
	pthread_mutex_unlock(&io->lock);
}

static void eoi(struct hv_ioapic *io, uint8_t vector)
{
	unsigned int pin;

	for (pin = 0; pin < HV_IOAPIC_PINS; pin++) {
		uint64_t e = io->rte[pin];

		if (!(e & RTE_REMOTE_IRR) || RTE_VECTOR(e) != vector)
			continue;
		io->rte[pin] &= ~RTE_REMOTE_IRR;
		level_service(io, pin);
	}
}

void hv_ioapic_eoi(struct hv_ioapic *io, uint8_t vector)
{
	pthread_mutex_lock(&io->lock);
	eoi(io, vector);
	pthread_mutex_unlock(&io->lock);
}

static uint32_t window_read(const struct hv_ioapic *io)
{
	unsigned int i = io->select - INDEX_RTE;

	switch (io->select) {
	case INDEX_ID:
	case INDEX_ARB: return io->id;
	case INDEX_VERSION: return VERSION;
	default: break;
	}
	if (io->select < INDEX_RTE || i / 2 >= HV_IOAPIC_PINS)
		return 0;
	return (uint32_t)(io->rte[i / 2] >> (i % 2 ? 32 : 0));
}

/* An entry that is made edge-triggered forgets that an EOI is due: how systems without an EOI
 * register clear remote IRR. */
static void rte_write(struct hv_ioapic *io, unsigned int i, uint32_t v)
{
	uint64_t *e = &io->rte[i / 2];

	if (i % 2) {
		*e = (uint32_t)*e | (uint64_t)(v & RTE_WRITABLE_HI) << 32;
		return;
	}
	*e = (*e & ~(uint64_t)RTE_WRITABLE_LO) | (v & RTE_WRITABLE_LO);
	if (!(*e & RTE_LEVEL))
		*e &= ~RTE_REMOTE_IRR;
	level_service(io, i / 2);
}

static void window_write(struct hv_ioapic *io, uint32_t v)
{
	unsigned int i = io->select - INDEX_RTE;

	if (io->select == INDEX_ID)
		io->id = v & ID_MASK;
	else if (io->select >= INDEX_RTE && i / 2 < HV_IOAPIC_PINS)
		rte_write(io, i, v);
}

static uint64_t mmio_read(void *dev, uint64_t off, unsigned int size)
{
	struct hv_ioapic *io = dev;
	uint32_t v = 0;

	pthread_mutex_lock(&io->lock);
	if (off == REG_SELECT)
		v = io->select;
	else if (off == REG_WINDOW)
		v = window_read(io);
	pthread_mutex_unlock(&io->lock);
	return v;
}

/* The window takes 32 bits only, as the data sheet says; the others are bytes. */
static enum hv_verdict mmio_write(void *dev, uint64_t off, unsigned int size, uint64_t v,
				  struct hv_stop *stop)
{
	struct hv_ioapic *io = dev;

	pthread_mutex_lock(&io->lock);
	if (off == REG_SELECT)
		io->select = (uint8_t)v;
	else if (off == REG_WINDOW && size == 4)
		window_write(io, (uint32_t)v);
	else if (off == REG_EOI)
		eoi(io, (uint8_t)v);
	pthread_mutex_unlock(&io->lock);
	return HV_GO_ON;
}

static const struct hv_bus_ops mmio_ops = {mmio_read, mmio_write};

int hv_ioapic_init(struct hv_ioapic *io, struct hv_bus *bus, hv_msi_fn msi, void *ctx)
{
	const struct hv_bus_range r = {HV_PC_IOAPIC, HV_PC_IOAPIC + WINDOW_LEN - 1, 4, &mmio_ops,
				       io};
	unsigned int pin;

	*io = (struct hv_ioapic){.msi = msi, .ctx = ctx, .id = HV_PC_IOAPIC_ID << 24};
	pthread_mutex_init(&io->lock, NULL);
	for (pin = 0; pin < HV_IOAPIC_PINS; pin++)
		io->rte[pin] = RTE_MASKED;
	return hv_bus_add(bus, HV_SPACE_MMIO, &r);
}

void hv_ioapic_fini(struct hv_ioapic *io)
{
	pthread_mutex_destroy(&io->lock);
}
