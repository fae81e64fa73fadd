/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the ring3 stub. It lives in the guest's process and privilege: it protects nobody, it
 * only gives guest code the semantics of privileged instructions. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hv/ring3/shared.h"

#pragma GCC visibility push(hidden)

/* At the base of a VP's signal stack. */
struct stub_vp {
	struct r3_vp *sh;
	uint32_t index;
	uint32_t irq_on; /* what cli and sti say; masking proper is the guest's own business */
	uint64_t idt_base;
	uint32_t idt_limit;
	uint32_t reserved;
	uint64_t held[4]; /* vectors that wait for sti */
};

/* The kernel's signal frame, as far as we use it: general registers of the ucontext. */
enum {
	G_R8,
	G_R9,
	G_R10,
	G_R11,
	G_R12,
	G_R13,
	G_R14,
	G_R15,
	G_RDI,
	G_RSI,
	G_RBP,
	G_RBX,
	G_RDX,
	G_RAX,
	G_RCX,
	G_RSP,
	G_RIP,
	G_EFL,
	G_CSGSFS,
	G_ERR,
	G_TRAPNO,
	G_OLDMASK,
	G_CR2
};
#define UCONTEXT_GREGS 40u /* byte offset of the registers in struct ucontext */

static inline struct r3_config *stub_config(void)
{
	return (struct r3_config *)R3_SHARED_BASE;
}

static inline struct stub_vp *stub_vp_of(unsigned int vp)
{
	return (struct stub_vp *)(R3_STACK_BASE + vp * R3_STACK_SIZE);
}

/* Handlers, entered by the kernel on the VP's signal stack. */
void stub_on_fault(int sig, void *info, uint8_t *ucontext);
void stub_on_sint(int sig, void *info, uint8_t *ucontext);
void stub_on_aux(int sig, void *info, uint8_t *ucontext);
void stub_restorer(void); /* stub.S */

/* Guest memory that is surely there: [@at, @at + @len). */
bool stub_is_ram(uint64_t at, uint64_t len);

/* irq.c.  Signals are masked. */
void stub_inject_held(struct stub_vp *vp, uint64_t *g);
void stub_wait_irq(struct stub_vp *vp);
/* Fills in an exit with what is known of a fault, and hands it over: does not come back. */
void stub_fault(struct stub_vp *vp, const uint64_t *g, uint32_t trap, uint64_t address)
	__attribute__((noreturn));

/* stub.S */
void stub_enter(uint64_t entry, uint64_t rdi, uint64_t rsi, uint64_t rsp) __attribute__((noreturn));
long stub_clone(uint64_t flags, uint64_t stack_top, void (*fn)(unsigned int), unsigned int vp);

/* One byte from a blocking pipe of ours; ends the process when the other end is gone. */
void stub_read_byte(int fd);
static inline struct stub_vp *stub_current_vp(void)
{
	return (struct stub_vp *)((uint64_t)__builtin_frame_address(0) & ~(R3_STACK_SIZE - 1));
}

void stub_main(const uint64_t *sp) __attribute__((noreturn));

#pragma GCC visibility pop
