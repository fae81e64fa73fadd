/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest before a vPCI bus: its messages over a real ring, its accesses through the windows, in the
 * steps that Linux takes. For Criterion. */
#pragma once

#include "sriov/vpci.h"
#include "tests/support/fakevf.h"
#include "tests/support/vspbed.h"

#define WIN_GPA 0xF8000000ull /* where the guest puts the config window */
/* And the BARs. */
#define BAR0_GPA 0x1000000000ull
#define BAR2_GPA 0xF8100000ull
#define BAR3_GPA 0xF8200000ull
#define BAR4_GPA 0x1000100000ull

struct pcibed {
	struct bed bed;
	struct fakevf vf;
	struct vpci *v;
	struct bed_chan *ch;
	uint32_t version;
	uint64_t next_id;
};

void pcibed_init(struct pcibed *b); /* the channel is offered */
void pcibed_fini(struct pcibed *b);
void pcibed_open(struct pcibed *b);
/* Runs vpci_process() until @nr is reached; the test fails if it never is. */
void pcibed_await(struct pcibed *b, const unsigned int *nr, unsigned int want);
/* Waits for the channel to be closed for a fault; its reason. */
const char *pcibed_fault(struct pcibed *b);
struct vpci_status pcibed_status(struct pcibed *b);

/* A message without a completion. */
void pcibed_send(struct pcibed *b, const void *msg, uint32_t len);
/* A request; the status of its completion. @reply (NULL: not wanted) gets @reply_len bytes. */
uint32_t pcibed_ask(struct pcibed *b, const void *msg, uint32_t len, void *reply,
		    uint32_t reply_len);
uint32_t pcibed_ask_slot(struct pcibed *b, uint32_t type, uint32_t slot);

/* Steps of a start. They fail the test if the host does not play along. */
uint32_t pcibed_agree(struct pcibed *b, uint32_t version); /* status */
/* Functions on the bus: 0 or 1, whose description is put into @out (may be NULL). */
uint32_t pcibed_relations(struct pcibed *b, struct vpci_function_desc *out);
uint32_t pcibed_d0(struct pcibed *b, uint64_t gpa);	 /* status */
uint32_t pcibed_assign(struct pcibed *b, uint32_t slot); /* status, by the version's message */
/* Status, by the version's message. */
uint32_t pcibed_irq(struct pcibed *b, uint32_t slot, uint16_t nr, struct vpci_interrupt *out);
void pcibed_irq_delete(struct pcibed *b, const struct vpci_interrupt *irq);
void pcibed_place_bars(struct pcibed *b);
/* All of it, until the driver has memory, mastery and two interrupts. */
void pcibed_start(struct pcibed *b, uint32_t version);

/* Fails the test unless the guest has nothing of the function any more. */
void pcibed_taken_back(struct pcibed *b);

uint32_t pcibed_rd(struct pcibed *b, uint32_t off, unsigned int size);
void pcibed_wr(struct pcibed *b, uint32_t off, unsigned int size, uint32_t value);
