/* SPDX-License-Identifier: BSD-3-Clause */
/* An I/O APIC of 24 pins with an EOI register (version 0x20, as Intel's 82093AA and ICH data sheets
 * have it): turns the levels of its pins into MSIs. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "hv/bus.h"
#include "hv/linux/machine.h"

#define HV_IOAPIC_PINS HV_PC_IOAPIC_GSIS

/* any, with the I/O APIC's lock held.  Delivers an x86 MSI; must not call the I/O APIC. */
typedef void (*hv_msi_fn)(void *ctx, uint64_t address, uint32_t data);

struct hv_ioapic {
	hv_msi_fn msi;
	void *ctx;
	pthread_mutex_t lock; /* of what follows */
	uint32_t select;
	uint32_t id; /* bits 27:24, as in the register */
	uint64_t rte[HV_IOAPIC_PINS];
	uint32_t line; /* levels of the pins */
	uint64_t sent;
	uint64_t refused; /* delivery modes and vectors that we do not deliver */
};

/* ctl.  Puts it on @bus at HV_PC_IOAPIC; @io must live as long. 0 or -errno (text set). */
int hv_ioapic_init(struct hv_ioapic *io, struct hv_bus *bus, hv_msi_fn msi, void *ctx);
void hv_ioapic_fini(struct hv_ioapic *io);

/* any.  The level of a pin's line. @pin < HV_IOAPIC_PINS. */
void hv_ioapic_set(struct hv_ioapic *io, unsigned int pin, bool is_high);
/* any.  A local APIC broadcasts the end of a level-triggered interrupt. */
void hv_ioapic_eoi(struct hv_ioapic *io, uint8_t vector);
