/* SPDX-License-Identifier: BSD-3-Clause */
/* What a driver in our guest image needs of the hypervisor: CPUID, MSRs, interrupts, one-shot
 * timers, hypercalls, SynIC messages and event flags. The runtime has set SynIC up on every VP:
 * message and event pages, SINT 2 on vector RT_VECTOR_SINT. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nethv/abi/boot.h>
#include <nethv/abi/hv.h>

#define RT_VECTOR_TIMER 0xed
#define RT_VECTOR_SINT	0xf3

const struct nethv_boot *rt_boot(void);
/* From the boot record's table, the same on every engine; zeros for an unknown leaf. */
struct nethv_cpuid hv_cpuid(uint32_t leaf, uint32_t subleaf);

uint64_t rt_rdmsr(uint32_t msr);
void rt_wrmsr(uint32_t msr, uint64_t value);

/* Inside an asm statement: when the instruction at local label @at faults, go on at label @to. For
 * engines that run us at CPL 0; elsewhere a fault ends the partition. */
#define RT_ON_FAULT(at, to) \
	".pushsection rt_faults, \"a\"\n\t.long " at ", " to "\n\t.popsection\n\t"

/* False: refused (#GP). */
bool rt_rdmsr_safe(uint32_t msr, uint64_t *value);
bool rt_wrmsr_safe(uint32_t msr, uint64_t value);

/* --- interrupts: masking is a per-VP word, no instruction traps ------------------------------- */
/* Nests. While off, interrupts of this VP are remembered by vector. */
void rt_irq_disable(void);
void rt_irq_enable(void);
/* Called on the VP that took the interrupt, interrupts off, without SSE registers (see rt.h). One for
 * each vector, for all VPs; set before the vector can fire. */
void rt_irq_handler(unsigned int vector, void (*fn)(unsigned int vector));

/* This VP's one-shot timer 0: an interrupt at @when (rt_ref_time() units; past counts fire at once;
 * 0 stops it). rt_idle() uses the same timer. */
void rt_timer_set(uint64_t when);

/* --- hypercalls ------------------------------------------------------------------------------ */
/* @control as TLFS 3.7; returns RAX. Parameter blocks: 8-byte aligned, within a page. */
uint64_t rt_hypercall(uint64_t control, uint64_t in, uint64_t out);
/* An enum hv_status. Payload <= 240 bytes. Any VP. */
unsigned int rt_post_message(uint32_t connection, uint32_t type, const void *payload, size_t len);
/* HvSignalEvent, flag 0. On ring3 one system call for doorbells. */
unsigned int rt_signal_event(uint32_t connection);

/* --- SynIC reception: polled from ordinary code, after the wake-up (see rt_idle) --------------- */
/* Takes the message in this VP's slot of SINT 2, frees the slot, EOM when more wait. */
bool rt_message_take(struct hv_message *out);
/* Takes all event flags of SINT 2 that are set on this VP (below @max) and calls @fn for each.
 * Returns how many. */
unsigned int rt_event_flags_take(unsigned int max, void (*fn)(void *arg, unsigned int flag),
				 void *arg);
bool rt_event_flags_pending(unsigned int max); /* any set on this VP? Only looks */
