/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the runtime: what lies at the bottom of a VP's private area, found by GS. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/runtime/rt_hv.h"

struct rt_vp {
	struct rt_vp *self;
	uint32_t index;
	uint32_t irq_off;    /* > 0: the ISR only notes the vector. One writer: this VP */
	uint64_t pending[4]; /* vectors noted */
	uint32_t wake;
	uint32_t reserved;
	uint64_t timer_due; /* what the one-shot timer stands at; 0: not armed */
	uint64_t random;
	/* Written by other VPs: a function to run. NULL: idle. */
	void (*job)(void *arg);
	void *job_arg;
	_Alignas(256) struct hv_post_message_input post;
	_Alignas(4096) struct hv_message messages[HV_NR_SINTS]; /* SIMP */
	uint64_t flags[HV_NR_SINTS][HV_EVENT_FLAGS / 64];	/* SIEFP */
};

/* isr.S knows these. */
_Static_assert(offsetof(struct rt_vp, self) == 0, "isr.S");
_Static_assert(offsetof(struct rt_vp, irq_off) == 12, "isr.S");
_Static_assert(offsetof(struct rt_vp, pending) == 16, "isr.S");
_Static_assert(sizeof(struct rt_vp) <= NETHV_VP_AREA / 2, "half of the area is the stack");

static inline struct rt_vp *rt_this_vp(void)
{
	struct rt_vp *vp;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(vp));
	return vp;
}

struct rt_vp *rt_vp_of(unsigned int index);

/* boot.c: from start.S, on each VP. */
void rt_start(struct nethv_boot *boot, unsigned int vp) __attribute__((noreturn));

/* Set-up, in this order: on VP 0, then on every VP. */
void rt_memory_init(const struct nethv_boot *boot);
void rt_report_init(const struct nethv_boot *boot);
void rt_idt_init(const struct nethv_boot *boot);
void rt_hypercall_init(void);
void rt_time_init(void);
void rt_idt_load(void);
void rt_synic_init(struct rt_vp *vp);

/* irq.c, from isr.S: one interrupt, with irq_off 1 on entry and 0 on return. */
void rt_isr(unsigned int vector);
extern uint8_t rt_apic_eoi;		   /* isr.S writes the EOI register */
extern const uint8_t rt_isr_table[];	   /* isr.S: entry of vector n at n * RT_ISR_BYTES */
extern const uint8_t rt_exception_table[]; /* isr.S: likewise, vectors 0 to 31 */
#define RT_ISR_BYTES 16u

/* What isr.S leaves on the stack at an exception. */
struct rt_exception {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* irq.c, from isr.S: goes on at the instruction's RT_ON_FAULT, or ends the partition with a panic. */
void rt_exception(struct rt_exception *e);
#define RT_VECTOR_FIRST 32u

/* A lock for rare, short things. Not for interrupt code. */
struct rt_lock {
	uint32_t is_taken;
};

static inline void rt_lock(struct rt_lock *l)
{
	while (__atomic_exchange_n(&l->is_taken, 1, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static inline void rt_unlock(struct rt_lock *l)
{
	__atomic_store_n(&l->is_taken, 0, __ATOMIC_RELEASE);
}
