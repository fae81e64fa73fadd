/* SPDX-License-Identifier: BSD-3-Clause */
/* What a hostile guest would do with CPL 0 (engine kvm). Its partition may end, and nothing else. Those that
 * work at random take seed=N (default: the host's) and rounds=N for each VP, and end by themselves unless
 * something they hit ends the partition. */
#include "guest/runtime/rt.h"
#include "guest/runtime/rt_hv.h"
#include "guest/runtime/selftest.h"

#define X2APIC_MSR  0x800u
#define X2APIC_ICR  0x830u
#define ICR_SELF    (1ull << 18)
#define ICR_SMI	    (2ull << 8)
#define ICR_NMI	    (4ull << 8)
#define CONNECTIONS 5u /* 1 to 4 are VMBus' own */
#define VMBUS_TYPES 26u

#define SCRATCH_PAGES 16u
static uint8_t scratch[SCRATCH_PAGES * RT_PAGE] __attribute__((aligned(4096))); /* "rings" */

struct work {
	uint64_t random;
	uint64_t refused, done;
};

static uint64_t any(struct work *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * 0x2545f4914f6cdd1dull;
}

static uint64_t below(struct work *w, uint64_t n)
{
	return any(w) % n;
}

/* A value that a check may have forgotten. */
static uint64_t odd(struct work *w)
{
	switch (below(w, 8)) {
	case 0: return 0;
	case 1: return 1;
	case 2: return ~0ull;
	case 3: return 1ull << below(w, 64);
	case 4: return ~(1ull << below(w, 64));
	case 5: return (below(w, 64) << 12) + below(w, 4); /* a page, enabled or not */
	case 6: return below(w, 0x4000000) & ~0xffeull;	   /* likewise, in RAM */
	default: return any(w);
	}
}

/* --- one act each ------------------------------------------------------------------------------ */

/* Reset and crash report are left out: they do what they should. */
static void act_msr(struct work *w)
{
	uint32_t msr = 0x40000000u + (uint32_t)below(w, 0x200);
	uint64_t v;

	if (below(w, 2))
		msr = 0x40000080u + (uint32_t)below(w, 0x40);
	if (below(w, 3) == 0)
		w->refused += !rt_rdmsr_safe(msr, &v);
	else if (msr != HV_MSR_RESET && msr != HV_MSR_CRASH_CTL)
		w->refused += !rt_wrmsr_safe(msr, odd(w));
}

/* The hypercall page may have been moved away: the port behind it is called directly. */
static uint64_t call(uint64_t control, uint64_t in, uint64_t out)
{
	register uint64_t r8 __asm__("r8") = out;
	uint64_t rax = control;

	__asm__ volatile("outl %%eax, %[port]"
			 : "+a"(rax), "+c"(control), "+d"(in), "+r"(r8)
			 : [port] "N"(NETHV_PORT_HYPERCALL)
			 : "memory");
	return rax;
}

static void act_call(struct work *w)
{
	static const uint16_t known[] = {HV_CALL_SEND_IPI, HV_CALL_POST_MESSAGE,
					 HV_CALL_SIGNAL_EVENT};
	uint64_t control = below(w, 4) ? known[below(w, 3)] : below(w, 0x10000);

	if (below(w, 2))
		control |= HV_CALL_FAST;
	if (below(w, 4) == 0)
		control |= odd(w) << 16;
	w->refused += call(control, odd(w), odd(w)) != 0;
}

static void act_signal(struct work *w)
{
	uint64_t what = below(w, 2) ? HV_CONNECTION_DOORBELL | below(w, 70) : odd(w);

	if (below(w, 2))
		w->refused += call(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, what, 0) != 0;
	else
		__asm__ volatile(
			"outl %%eax, %[port]" ::"a"((uint32_t)what), [port] "N"(NETHV_PORT_SIGNAL)
			: "r9", "memory");
}

/* The message that a driver would send at this point, mostly: connect, describe a ring, open a channel on it. */
static void post_sensible(struct work *w, struct hv_post_message_input *m)
{
	uint32_t *word = (uint32_t *)m->payload, i, pages = 2 + (uint32_t)below(w, 25);

	m->payload_size = HV_MESSAGE_PAYLOAD_MAX;
	word[0] =
		below(w, 4) ? 8 - 3 * (uint32_t)below(w, 2) : 14; /* GPADL header, open, contact */
	if (word[0] == 14) {
		word[2] = below(w, 2) ? 5u << 16 | (uint32_t)below(w, 4) : 4u << 16;
		word[3] = 0;
		word[4] = word[2] > 4u << 16 ? HV_SINT_VMBUS : 0;
		word[5] = word[6] = word[7] = word[8] = word[9] = 0;
	} else if (word[0] == 8) {
		word[4] = 1u << 16 | (8 + 8 * pages);
		word[5] = pages * (uint32_t)RT_PAGE;
		word[6] = 0;
		for (i = 0; i < pages && 8 + 2 * i < HV_MESSAGE_PAYLOAD_MAX / 4; i++) {
			word[7 + 2 * i] = (uint32_t)(rt_gpa(scratch) / RT_PAGE) + i % SCRATCH_PAGES;
			word[8 + 2 * i] = 0;
		}
	}
}

/* Messages on the VMBus' connections and others: noise, then some that come further, and in between the rings
 * that they made known are written over. */
static void act_post(struct work *w)
{
	static struct hv_post_message_input block[RT_VPS_MAX] __attribute__((aligned(256)));
	struct hv_post_message_input *m = &block[rt_vp_id()];
	uint32_t *word = (uint32_t *)m->payload, i;

	for (i = 0; i < sizeof(m->payload) / 4; i++)
		word[i] = below(w, 2) ? (uint32_t)below(w, 9) : (uint32_t)odd(w);
	if (below(w, 8))
		word[0] = (uint32_t)below(w, VMBUS_TYPES);
	m->connection_id = below(w, 8) ? (uint32_t)below(w, CONNECTIONS) : (uint32_t)odd(w);
	m->reserved = below(w, 16) ? 0 : (uint32_t)odd(w);
	m->message_type = below(w, 8) ? 1 : (uint32_t)odd(w);
	m->payload_size = below(w, 4) ? (uint32_t)below(w, 241) : (uint32_t)odd(w);
	if (below(w, 2)) {
		m->reserved = 0;
		m->message_type = 1;
		m->connection_id = below(w, 2) ? 1 : 4;
		post_sensible(w, m);
	}
	w->refused += call(HV_CALL_POST_MESSAGE, rt_gpa(m), 0) != 0;
	for (i = 0; i < 16; i++)
		((uint32_t *)scratch)[below(w, 2) ? below(w, 16) : below(w, sizeof(scratch) / 4)] =
			(uint32_t)odd(w);
}

static void port_in(uint16_t port, unsigned int size)
{
	uint32_t v;

	if (size == 1)
		__asm__ volatile("inb %w1, %b0" : "=a"(v) : "d"(port));
	else if (size == 2)
		__asm__ volatile("inw %w1, %w0" : "=a"(v) : "d"(port));
	else
		__asm__ volatile("inl %w1, %0" : "=a"(v) : "d"(port));
}

static void port_out(uint16_t port, unsigned int size, uint32_t v)
{
	if (size == 1)
		__asm__ volatile("outb %b1, %w0" ::"d"(port), "a"(v));
	else if (size == 2)
		__asm__ volatile("outw %w1, %w0" ::"d"(port), "a"(v));
	else
		__asm__ volatile("outl %1, %w0" ::"d"(port), "a"(v));
}

/* Whole strings, of every size, both ways. */
static void port_string(struct work *w, uint16_t port)
{
	static uint8_t block[RT_PAGE] __attribute__((aligned(4096)));
	void *at = block + below(w, 8);
	uint64_t n = below(w, 200);

	switch (below(w, 4)) {
	case 0: __asm__ volatile("rep outsb" : "+S"(at), "+c"(n) : "d"(port) : "memory"); break;
	case 1: __asm__ volatile("rep outsl" : "+S"(at), "+c"(n) : "d"(port) : "memory"); break;
	case 2: __asm__ volatile("rep insb" : "+D"(at), "+c"(n) : "d"(port) : "memory"); break;
	default: __asm__ volatile("rep insl" : "+D"(at), "+c"(n) : "d"(port) : "memory"); break;
	}
}

static void act_port(struct work *w)
{
	uint16_t port = (uint16_t)(below(w, 2) ? below(w, 0x400) : below(w, 0x10000));

	if (port <= NETHV_PORT_EXIT && port + 3 >= NETHV_PORT_EXIT)
		return;
	if (below(w, 32) == 0)
		port_string(w, port);
	else if (below(w, 2))
		port_in(port, 1u << below(w, 3));
	else
		port_out(port, 1u << below(w, 3), (uint32_t)odd(w));
}

/* Timers of every kind, as many and as fast as can be. */
static void act_timer(struct work *w)
{
	uint32_t msr = HV_MSR_STIMER0_CONFIG + (uint32_t)below(w, 8);
	uint64_t v = odd(w);

	if (msr % 2 == 0 && below(w, 4))
		v = below(w, 16) | HV_STIMER_VECTOR_OF(below(w, 256)) | (below(w, 2) << 12) |
		    HV_STIMER_SINT_OF(below(w, 16));
	else if (below(w, 2))
		v = rt_ref_time() + below(w, 100);
	w->refused += !rt_wrmsr_safe(msr, v);
}

/* The APIC, with interrupts to ourselves and to whoever is there, of every kind. */
static void act_apic(struct work *w)
{
	uint32_t msr = X2APIC_MSR + (uint32_t)below(w, 0x100);
	uint64_t v;

	if (below(w, 4) == 0)
		w->refused += !rt_rdmsr_safe(msr, &v);
	else if (msr != X2APIC_ICR && below(w, 2))
		w->refused += !rt_wrmsr_safe(msr, odd(w));
	else /* not SMI, INIT or SIPI: they end this very test */
		w->refused += !rt_wrmsr_safe(X2APIC_ICR, (below(w, 2) ? 0 : ICR_NMI) | ICR_SELF |
								 below(w, 256));
}

/* --- tests ------------------------------------------------------------------------------------- */

static void (*const every[])(struct work *) = {act_msr,	 act_call, act_signal,
					       act_post, act_port, act_timer};
static void (*act)(struct work *);
static struct work work[RT_VPS_MAX];
static uint64_t nr_rounds;

/* Interrupts stay off: what they would run is not ours any more once SynIC and APIC are a mess. */
static void rounds(void *arg)
{
	struct work *w = &work[rt_vp_id()];
	uint64_t i;

	__asm__ volatile("cli" ::: "memory");
	for (i = 0; i < nr_rounds; i++) {
		(act ? act : every[below(w, sizeof(every) / sizeof(every[0]))])(w);
		__atomic_store_n(&w->done, i + 1, __ATOMIC_RELAXED);
	}
	while (rt_vp_id())
		rt_pause();
}

static void hostile_random(void (*fn)(struct work *))
{
	uint64_t seed = rt_arg_u64("seed", rt_random() >> 1), refused = 0, done = 0;
	unsigned int i;

	rt_printf("selftest: seed=%llu\n", (unsigned long long)seed);
	nr_rounds = rt_arg_u64("rounds", 1000);
	act = fn;
	for (i = 0; i < rt_nr_vps(); i++)
		work[i].random = (seed + i) * 0x9e3779b97f4a7c15ull | 1;
	for (i = 1; i < rt_nr_vps(); i++)
		rt_run_on(i, rounds, NULL);
	rounds(NULL);
	for (i = 0; i < rt_nr_vps(); i++) {
		while (__atomic_load_n(&work[i].done, __ATOMIC_RELAXED) < nr_rounds)
			rt_pause();
		refused += work[i].refused;
		done += work[i].done;
	}
	*rt_report_u64("done") = done;
	*rt_report_u64("refused") = refused;
}

static void msrs(void)
{
	hostile_random(act_msr);
}

static void calls(void)
{
	hostile_random(act_call);
}

static void act_bus(struct work *w)
{
	(below(w, 3) ? act_post : act_signal)(w);
}

static void posts(void)
{
	hostile_random(act_bus);
}

static void apic(void)
{
	hostile_random(act_apic);
}

static void timers(void)
{
	hostile_random(act_timer);
}

static void mix(void)
{
	hostile_random(NULL);
}

/* Every port with every size, both ways. */
static void ports(void)
{
	uint64_t *done = rt_report_u64("done");
	unsigned int port, size;

	for (port = 0; port < 0x10000; port += rt_arg_u64("step", 1)) {
		for (size = 1; size <= 4; size *= 2) {
			if (port <= NETHV_PORT_EXIT && port + size > NETHV_PORT_EXIT)
				continue;
			port_in((uint16_t)port, size);
			port_out((uint16_t)port, size, 0x5a5a5a5a);
			++*done;
		}
	}
}

static void triple(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = {0, 0};

	__asm__ volatile("lidt (%0); ud2" ::"r"(&none) : "memory");
}

static void hang(void)
{
	if (rt_arg_is("hang", "hlt"))
		__asm__ volatile("cli; 1: hlt; jmp 1b" ::: "memory");
	__asm__ volatile("cli; 1: jmp 1b" ::: "memory");
}

/* Lines, then bytes without end. */
static void flood(void)
{
	static uint8_t block[RT_PAGE];
	void *at;
	uint64_t n;
	unsigned int i;

	for (i = 0; i < sizeof(block); i++)
		block[i] = i % 64 == 63 ? '\n' : (uint8_t)(i * 7);
	for (;;) {
		at = block;
		n = sizeof(block);
		__asm__ volatile("rep outsb"
				 : "+S"(at), "+c"(n)
				 : "d"((uint16_t)NETHV_PORT_SERIAL)
				 : "memory");
		++*rt_report_u64("pages");
	}
}

/* Where no RAM is, and no page table of ours: the first GiB entry is made to cover it. */
static void mmio(void)
{
	volatile uint64_t *at = (volatile uint64_t *)(uintptr_t)rt_arg_u64("at", 0x1000);
	uint64_t pml4, *pdpt;

	__asm__ volatile("movq %%cr3, %0" : "=r"(pml4));
	pdpt = (uint64_t *)(uintptr_t)(*(uint64_t *)(uintptr_t)pml4 & ~0xfffull);
	if ((uintptr_t)at >> 30) {
		uint64_t *pd = rt_alloc_pages(1);

		pd[(uintptr_t)at >> 21 & 511] = ((uintptr_t)at & ~0x1fffffull) | 0x83;
		pdpt[(uintptr_t)at >> 30 & 511] = rt_gpa(pd) | 3;
		__asm__ volatile("movq %0, %%cr3" ::"r"(pml4) : "memory");
	}
	if (rt_arg_is("how", "write"))
		*at = 0x1122334455667788ull;
	else
		*rt_report_u64("read") = *at;
}

static void reset_msr(void)
{
	rt_wrmsr_safe(HV_MSR_RESET, 1);
}

/* System management mode, where nobody put any code. */
static void smi(void)
{
	rt_wrmsr_safe(X2APIC_ICR, ICR_SMI | ICR_SELF);
	for (;;)
		rt_pause();
}

/* A text that lies nowhere, of a length beyond all bounds; then one that is there. */
static void crash_msr(void)
{
	rt_wrmsr_safe(HV_MSR_CRASH_P0, 0xdead);
	rt_wrmsr_safe(HV_MSR_CRASH_P0 + 3, ~0ull);
	rt_wrmsr_safe(HV_MSR_CRASH_P4, ~0ull);
	rt_wrmsr_safe(HV_MSR_CRASH_CTL, HV_CRASH_MSG);
	rt_wrmsr_safe(HV_MSR_CRASH_P0 + 3, rt_gpa("out of milk\x1b[2J"));
	rt_wrmsr_safe(HV_MSR_CRASH_CTL, HV_CRASH_NOTIFY | HV_CRASH_MSG);
}

/* A fault that nobody expects is told, not a triple fault. */
static void fault(void)
{
	*(volatile uint64_t *)0x7000000000ull = 1;
}

/* What must hold wherever faults can be caught: refused registers are #GP, and all goes on. */
static void caught(void)
{
	uint64_t v = 7;
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		if (rt_wrmsr_safe(0x40000199, i) || rt_rdmsr_safe(0x40000199, &v) ||
		    rt_wrmsr_safe(HV_MSR_VP_INDEX, 0) || rt_wrmsr_safe(HV_MSR_SIMP, ~0ull))
			rt_panic("round %u: taken", i);
		if (!rt_rdmsr_safe(HV_MSR_VP_INDEX, &v) || v != rt_vp_id())
			rt_panic("round %u: VP %llu", i, (unsigned long long)v);
	}
	*rt_report_u64("done") = i;
}

static const struct {
	const char *name;
	void (*fn)(void);
} tests[] = {
	{"caught", caught}, {"triple", triple},	  {"hang", hang},	{"flood", flood},
	{"msrs", msrs},	    {"calls", calls},	  {"posts", posts},	{"apic", apic},
	{"timers", timers}, {"ports", ports},	  {"mix", mix},		{"mmio", mmio},
	{"fault", fault},   {"reset", reset_msr}, {"crash", crash_msr}, {"smi", smi},
};

bool hostile_run(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!strcmp(tests[i].name, name)) {
			tests[i].fn();
			return true;
		}
	}
	return false;
}
