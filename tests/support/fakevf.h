/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtual function and a partition without hardware, for vPCI: a config space and BARs in memory, and a
 * guest-physical space in which RAM, mappings and windows lie. It aborts when the VSP does what no guest
 * may bring it to: memory over RAM or over other memory, more than the BAR, a write to the function's
 * MSI-X table. Threads as vpci.h has them. */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "sriov/vpci.h"

#define VF_RAM	   (16ull << 20) /* of the guest, from 0 */
#define VF_VECTORS 5u		 /* that the guest sees */
#define VF_ENTRIES 10u		 /* that the function has */
#define VF_MAPS	   32u
#define VF_SERIAL  77u

/* Where its capabilities are; 0x50 has one that nobody is to see. */
#define VF_CAP_PM   0x40u
#define VF_CAP_MSIX 0x70u
#define VF_CAP_PCIE 0xA0u

/* BAR 0: 64 KiB, 64 bits, all mapped. BAR 2: 32 KiB, table and PBA and what is between. BAR 3: 256
 * bytes. BAR 4: 1 MiB, 64 bits, its third page is not mapped. */
#define VF_TABLE_BAR 2u
#define VF_TABLE_OFF 0x1800u
#define VF_PBA_OFF   0x4010u

struct vf_map {
	uint64_t gpa, len;
	uint8_t *hva;
};

struct vf_window {
	uint64_t gpa, len;
	const struct vpci_window_ops *ops;
	void *dev;
	unsigned int nr_inside; /* VPs */
};

struct vf_entry {
	uint64_t address;
	uint32_t data;
	bool is_masked;
	unsigned int nr_sets;
};

struct fakevf {
	pthread_mutex_t lock;
	pthread_cond_t left; /* a window */

	/* The function. */
	uint8_t cfg[4096];
	struct vpci_bar bar[VPCI_BARS];
	uint8_t *mem[VPCI_BARS];
	bool has_irqs;
	unsigned int nr_irqs_on, nr_resets, nr_bar_reads, nr_bar_writes;
	/* These fail while set. */
	bool fail_reset, fail_irqs_on, fail_cfg_read, fail_cfg_write, fail_unmap, fail_map,
		fail_window, fail_irq;
	/* While set, irqs_on() or bar_read() posts @reached and waits for @hold; who waits for such a
	 * VP to leave its window posts @hold. */
	bool hold_irqs_on, hold_bar_read;
	sem_t reached, hold;
	void (*in_window_set)(void); /* happens meanwhile */

	/* The partition. */
	struct vf_map map[VF_MAPS];
	struct vf_window window[VPCI_WINDOWS];
	struct vf_entry entry[VPCI_VECTORS_MAX];
	uint64_t pending;
	unsigned int nr_irqs;
	uint32_t next_data;

	/* Upcalls. */
	unsigned int nr_ejected, nr_d0, nr_failed;
	bool is_d0;
	char why[256];
};

void fakevf_init(struct fakevf *f);
void fakevf_fini(struct fakevf *f);
/* All but the bus. */
struct vpci_cfg fakevf_cfg(struct fakevf *f);

/* vcpu.  An access of the guest: a window, what is mapped, or nobody (all ones). */
uint64_t fakevf_read(struct fakevf *f, uint64_t gpa, unsigned int size);
void fakevf_write(struct fakevf *f, uint64_t gpa, unsigned int size, uint64_t value);

/* What the function's memory holds at first: never 0xFF, which nobody answers. */
uint8_t fakevf_byte(unsigned int bar, uint64_t off);
unsigned int fakevf_nr_maps(struct fakevf *f);
unsigned int fakevf_nr_windows(struct fakevf *f); /* but for that of config space */

static inline uint32_t fakevf_reg(const struct fakevf *f, unsigned int off, unsigned int size)
{
	uint32_t value = 0;

	__builtin_memcpy(&value, f->cfg + off, size);
	return value;
}
