/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts: the IDT, software masking, handlers by vector, sleeping. Built without SSE. */
#include "guest/runtime/priv.h"
#include "guest/runtime/rt.h"

#define NR_VECTORS   256u
#define GATE_PRESENT 0x8e00u
#define VECTOR_NMI   2u

struct gate {
	uint16_t offset_low, selector, flags, offset_mid;
	uint32_t offset_high, reserved;
};

uint8_t rt_apic_eoi;

static struct gate idt[NR_VECTORS] __attribute__((aligned(16)));
static void (*handler[NR_VECTORS])(unsigned int vector);

#define barrier() __asm__ volatile("" ::: "memory")

static struct gate gate_to(uint16_t cs, const uint8_t *entry)
{
	uint64_t at = (uint64_t)(uintptr_t)entry;

	return (struct gate){
		.offset_low = (uint16_t)at,
		.selector = cs,
		.flags = GATE_PRESENT,
		.offset_mid = (uint16_t)(at >> 16),
		.offset_high = (uint32_t)(at >> 32),
	};
}

/* ring3 takes exceptions itself, and tells more of them. */
void rt_idt_init(const struct nethv_boot *boot)
{
	uint16_t cs;
	unsigned int i;

	__asm__("movw %%cs, %0" : "=r"(cs));
	rt_apic_eoi = !!(boot->flags & NETHV_BOOT_APIC_EOI);
	for (i = 0; !(boot->flags & NETHV_BOOT_RING3) && i < RT_VECTOR_FIRST; i++)
		idt[i] = gate_to(cs, rt_exception_table + i * RT_ISR_BYTES);
	for (i = RT_VECTOR_FIRST; i < NR_VECTORS; i++)
		idt[i] = gate_to(cs, rt_isr_table + i * RT_ISR_BYTES);
}

/* One RT_ON_FAULT(). The linker makes the bounds. */
struct fault {
	uint32_t at, to;
};
extern const struct fault __start_rt_faults[], __stop_rt_faults[];

void rt_exception(struct rt_exception *e)
{
	const struct fault *f;
	uint64_t cr2;

	if (e->vector == VECTOR_NMI)
		return; /* says nothing that we know */
	for (f = __start_rt_faults; f < __stop_rt_faults; f++) {
		if (f->at == e->rip) {
			e->rip = f->to;
			return;
		}
	}
	__asm__ volatile("movq %%cr2, %0" : "=r"(cr2));
	rt_panic("exception %u, error 0x%llx, at RIP 0x%llx, RSP 0x%llx, CR2 0x%llx",
		 (unsigned int)e->vector, (unsigned long long)e->error, (unsigned long long)e->rip,
		 (unsigned long long)e->rsp, (unsigned long long)cr2);
}

void rt_idt_load(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)(uintptr_t)idt};

	__asm__ volatile("lidt (%0)" ::"r"(&idtr) : "memory");
}

void rt_irq_handler(unsigned int vector, void (*fn)(unsigned int vector))
{
	if (vector < NR_VECTORS)
		__atomic_store_n(&handler[vector], fn, __ATOMIC_RELEASE);
}

static void handle(struct rt_vp *vp, unsigned int vector)
{
	void (*fn)(unsigned int) = __atomic_load_n(&handler[vector], __ATOMIC_ACQUIRE);

	vp->wake = 1;
	if (vector == RT_VECTOR_TIMER)
		vp->timer_due = 0;
	if (fn)
		fn(vector);
}

static bool any_pending(const struct rt_vp *vp)
{
	return vp->pending[0] | vp->pending[1] | vp->pending[2] | vp->pending[3];
}

/* irq_off is set. The exchange is against our own ISR only. */
static void handle_pending(struct rt_vp *vp)
{
	unsigned int i;
	uint64_t bits;

	for (i = 0; i < NR_VECTORS / 64; i++) {
		bits = 0;
		__asm__ volatile("xchgq %0, %1" : "+r"(bits), "+m"(vp->pending[i])::"memory");
		while (bits) {
			handle(vp, i * 64 + (unsigned int)__builtin_ctzll(bits));
			bits &= bits - 1;
		}
	}
}

/* From irq_off 1 to 0. What was noted before the 0 is handled here; what comes after it is an
 * interrupt of its own. */
static void unmask(struct rt_vp *vp)
{
	for (;;) {
		vp->irq_off = 0;
		barrier();
		if (!any_pending(vp))
			return;
		vp->irq_off = 1;
		barrier();
		handle_pending(vp);
		barrier();
	}
}

void rt_isr(unsigned int vector)
{
	struct rt_vp *vp = rt_this_vp();

	handle(vp, vector & 0xff);
	barrier();
	unmask(vp);
}

void rt_irq_disable(void)
{
	__asm__ volatile("incl %%gs:12" ::: "memory", "cc");
}

void rt_irq_enable(void)
{
	struct rt_vp *vp = rt_this_vp();

	barrier();
	if (vp->irq_off > 1)
		vp->irq_off--;
	else
		unmask(vp);
}

void rt_wake_clear(void)
{
	rt_this_vp()->wake = 0;
	barrier();
}

void rt_timer_set(uint64_t when)
{
	rt_this_vp()->timer_due = when;
	barrier();
	rt_wrmsr(HV_MSR_STIMER0_COUNT, when);
}

/* Arms the timer unless it already fires before @deadline: an early wake-up does no harm. */
static bool timer_ensure(struct rt_vp *vp, uint64_t deadline)
{
	uint64_t due;

	if (deadline == RT_NEVER)
		return true;
	if (rt_ref_time() >= deadline)
		return false;
	due = vp->timer_due;
	if (due == 0 || due > deadline)
		rt_timer_set(deadline);
	return true;
}

/* The check lies between cli and sti; hlt: an interrupt cannot fall between check and sleep. */
void rt_idle(uint64_t deadline)
{
	struct rt_vp *vp = rt_this_vp();

	if (*(volatile uint32_t *)&vp->wake || !timer_ensure(vp, deadline))
		return;
	__asm__ volatile("cli" ::: "memory");
	if (vp->wake)
		__asm__ volatile("sti" ::: "memory");
	else
		__asm__ volatile("sti; hlt" ::: "memory");
}
