/* SPDX-License-Identifier: BSD-3-Clause */
/* Self-test image: exercises the runtime and, through it, the engine. Which part is chosen by the
 * command line ("test=..."); the default runs all that end well. Status 0: passed. */
#include "guest/runtime/rt.h"
#include "guest/runtime/rt_hv.h"
#include "guest/runtime/selftest.h"

#define CONNECTION_TEST	 7u /* the host answers what is posted here with a message */
#define CONNECTION_FLAGS 8u /* the host answers with event flags: {vp, first, count} */
#define LIVE_TICKS	 200u

void selftest_pass(const char *name)
{
	*rt_report_u64(name) = 1;
	rt_printf("selftest: %s ok\n", name);
}

static void test_boot(void)
{
	char buf[16];

	CHECK(hv_cpuid(HV_CPUID_VENDOR, 0).ebx == HV_VENDOR_EBX);
	CHECK(hv_cpuid(HV_CPUID_INTERFACE, 0).eax == HV_INTERFACE_EAX);
	CHECK(rt_rdmsr(HV_MSR_VP_INDEX) == rt_vp_id());
	CHECK(rt_rdmsr(HV_MSR_SVERSION) == 1);
	CHECK(rt_rdmsr(HV_MSR_TSC_FREQUENCY) == rt_tsc_hz());
	CHECK(rt_arg("number", buf, sizeof(buf)) == 2 && !strcmp(buf, "4K"));
	CHECK(rt_arg_u64("number", 1) == 4096);
	CHECK(rt_arg_u64("absent", 77) == 77);
	CHECK(rt_arg_u64("hex", 0) == 0x1f);
	CHECK(rt_arg("bare", buf, sizeof(buf)) == 0);
	CHECK(rt_arg("num", buf, sizeof(buf)) == -1);
	selftest_pass("boot");
}

static void test_memory(void)
{
	static uint8_t a[300], b[300];
	uint8_t *p = rt_alloc_pages(3), *big;
	size_t i, n, shift;

	CHECK(p && rt_gpa(p) % RT_PAGE == 0);
	for (i = 0; i < 3 * RT_PAGE; i++)
		CHECK(p[i] == 0);
	big = rt_alloc_pages(512);
	CHECK(big && rt_gpa(big) % (2 << 20) == 0);
	CHECK(rt_alloc(40, 64) && rt_gpa(rt_alloc(40, 64)) % 64 == 0);
	CHECK(!rt_alloc_pages(1ul << 40));
	for (n = 0; n < 200; n++) {
		for (shift = 0; shift < 40; shift += 13) {
			for (i = 0; i < sizeof(a); i++)
				a[i] = b[i] = (uint8_t)(i * 7);
			memmove(a + shift, a + 20, n);
			for (i = 0; i < n; i++)
				CHECK(a[shift + i] == b[20 + i]);
			memset(a + shift, 0x5a, n);
			for (i = 0; i < n; i++)
				CHECK(a[shift + i] == 0x5a);
			memcpy(a, b, n);
			CHECK(memcmp(a, b, n) == 0);
			for (i = 0; i < n; i++) {
				a[i] ^= 0x80;
				CHECK((memcmp(a, b, n) > 0) == (a[i] > b[i]) && memcmp(a, b, n));
				a[i] ^= 0x80;
			}
		}
	}
	selftest_pass("memory");
}

static void test_clock(void)
{
	uint64_t page = rt_ref_time(), msr = rt_rdmsr(HV_MSR_TIME_REF_COUNT), again = rt_ref_time();

	CHECK(page <= msr && msr <= again);
	selftest_pass("clock");
}

static void test_timer(void)
{
	uint64_t start, i;

	for (i = 0; i < 20; i++) {
		start = rt_ref_time();
		do {
			rt_wake_clear();
			rt_idle(start + MS);
		} while (rt_ref_time() < start + MS);
	}
	rt_wake_clear();
	rt_timer_set(1); /* in the past: an interrupt at once, or this never returns */
	rt_idle(RT_NEVER);
	selftest_pass("timer");
}

#define NR_TICKS 200u

static uint32_t nr_ticks;

static void on_timer(unsigned int vector)
{
	nr_ticks++;
}

/* Interrupts that come while masked are handled at the unmasking, once for each vector. */
static void test_masked(void)
{
	uint64_t end;

	rt_irq_handler(RT_VECTOR_TIMER, on_timer);
	nr_ticks = 0;
	rt_irq_disable();
	rt_irq_disable();
	rt_timer_set(1);
	end = rt_ref_time() + 20 * MS;
	while (rt_ref_time() < end)
		rt_pause();
	CHECK(nr_ticks == 0);
	rt_irq_enable();
	CHECK(nr_ticks == 0);
	rt_irq_enable();
	CHECK(nr_ticks == 1);
	rt_irq_handler(RT_VECTOR_TIMER, NULL);
	selftest_pass("masked");
}

/* Registers, vector ones above all, are the same after an interrupt in the middle of a loop. */
static void live_loop(uint64_t rounds)
{
	uint64_t seed = 0x1234567890abcdefull, i, a, b;

	for (i = 0; i < rounds && __atomic_load_n(&nr_ticks, __ATOMIC_RELAXED) < NR_TICKS; i++) {
		__asm__ volatile("movq %2, %%xmm7\n\t"
				 "movq %2, %%xmm8\n\t"
				 "movq %2, %%r12\n\t"
				 "movq %2, %%r9\n\t"
				 "movl $2000, %%ecx\n"
				 "1:\tpaddq %%xmm8, %%xmm7\n\t"
				 "addq %%r9, %%r12\n\t"
				 "decl %%ecx\n\t"
				 "jnz 1b\n\t"
				 "movq %%xmm7, %0\n\t"
				 "movq %%r12, %1"
				 : "=&r"(a), "=&r"(b)
				 : "r"(seed + i)
				 : "xmm7", "xmm8", "r9", "r12", "rcx", "cc");
		CHECK(a == b && a == (seed + i) * 2001);
	}
}

/* No more than are wanted: on a slow machine the next is due as soon as it is set. */
static void on_timer_again(unsigned int vector)
{
	if (++nr_ticks < NR_TICKS)
		rt_timer_set(rt_rdmsr(HV_MSR_TIME_REF_COUNT) + MS / 10);
}

static void test_live_registers(void)
{
	nr_ticks = 0;
	rt_irq_handler(RT_VECTOR_TIMER, on_timer_again);
	rt_timer_set(1);
	live_loop(UINT64_MAX);
	rt_irq_handler(RT_VECTOR_TIMER, NULL);
	rt_timer_set(0);
	CHECK(nr_ticks >= NR_TICKS);
	selftest_pass("registers");
}

static void message_wait(struct hv_message *m)
{
	for (;;) {
		rt_wake_clear();
		if (rt_message_take(m))
			return;
		rt_idle(RT_NEVER);
	}
}

/* The host sends back @n messages for each post: more than the slot holds, so EOM is needed. */
static void test_messages(void)
{
	struct hv_message m;
	uint32_t i, got, n = 20, word[2];

	for (i = 0; i < 10; i++) {
		word[0] = n;
		word[1] = i;
		CHECK(rt_post_message(CONNECTION_TEST, 1, word, sizeof(word)) == 0);
		for (got = 0; got < n; got++) {
			message_wait(&m);
			memcpy(word, m.payload, sizeof(word));
			CHECK(m.type == 1 && m.payload_size == 8);
			CHECK(word[0] == got && word[1] == i);
		}
	}
	CHECK(rt_post_message(99, 1, word, 4) == HV_STATUS_INVALID_CONNECTION_ID);
	CHECK(rt_hypercall(0x7777, 0, 0) == HV_STATUS_INVALID_HYPERCALL_CODE);
	selftest_pass("messages");
}

static uint64_t flags_seen;

static void on_flag(void *arg, unsigned int flag)
{
	flags_seen |= 1ull << (flag % 64);
}

static void flags_round(uint32_t first, uint32_t count)
{
	uint32_t word[3] = {rt_vp_id(), first, count};
	uint64_t want = ((1ull << count) - 1) << (first % 64);

	flags_seen = 0;
	CHECK(rt_post_message(CONNECTION_FLAGS, 1, word, sizeof(word)) == 0);
	while (flags_seen != want) {
		rt_wake_clear();
		if (!rt_event_flags_take(HV_EVENT_FLAGS, on_flag, NULL))
			rt_idle(RT_NEVER);
		CHECK((flags_seen & ~want) == 0);
	}
}

static void test_event_flags(void)
{
	unsigned int i;

	for (i = 0; i < 50; i++)
		flags_round(1 + i, 1 + i % 7);
	flags_round(2040, 8);
	selftest_pass("flags");
}

static void test_doorbells(void)
{
	unsigned int i;

	for (i = 0; i < 1000; i++)
		CHECK(rt_signal_event(HV_CONNECTION_DOORBELL | 3) == 0);
	CHECK(rt_signal_event(HV_CONNECTION_DOORBELL | 2000) == HV_STATUS_INVALID_CONNECTION_ID);
	CHECK(rt_signal_event(5) == HV_STATUS_INVALID_CONNECTION_ID);
	CHECK(rt_hypercall(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST,
			   1ull << 32 | HV_CONNECTION_DOORBELL | 4, 0) == 0);
	selftest_pass("doorbells");
}

static struct rt_barrier barrier;
static uint64_t vp_sum;

static void vp_job(void *arg)
{
	uint64_t n = (uint64_t)(uintptr_t)arg, until;

	__atomic_fetch_add(&vp_sum, n + rt_vp_id(), __ATOMIC_RELAXED);
	rt_barrier_wait(&barrier, rt_nr_vps());
	until = rt_ref_time() + 2 * MS;
	while (rt_ref_time() < until) {
		rt_wake_clear();
		rt_idle(until);
	}
	live_loop(20);
}

static void test_vps(void)
{
	unsigned int i, round, n = rt_nr_vps();
	uint64_t want = 0;

	CHECK(rt_run_on(n, vp_job, NULL) == -1);
	CHECK(rt_run_on(0, vp_job, NULL) == -1);
	for (round = 0; round < 20; round++) {
		nr_ticks = 0;
		for (i = 1; i < n; i++) {
			CHECK(rt_run_on(i, vp_job, (void *)(uintptr_t)100) == 0);
			want += 100 + i;
		}
		rt_barrier_wait(&barrier, n);
		for (i = 1; i < n; i++) {
			while (rt_vp_busy(i))
				rt_pause();
		}
		CHECK(vp_sum == want);
	}
	selftest_pass("vps");
}

/* The polled path takes no trap: a while of pure work, whose counters the host compares. */
static void test_quiet(void)
{
	uint64_t *phase = rt_report_u64("phase"), i;

	*phase = 1;
	for (i = 0; i < 20000000; i++)
		__asm__ volatile("" ::"r"(rt_tsc()));
	*phase = 2;
	while (!rt_stop_requested()) {
		rt_wake_clear();
		rt_idle(RT_NEVER);
	}
}

static void count_flag(void *cell, unsigned int flag)
{
	__atomic_store_n((uint64_t *)cell, *(uint64_t *)cell + 1, __ATOMIC_RELEASE);
}

/* The host signals again only after it saw the count: a lost wake-up is a hang. */
static void test_pings(void)
{
	uint64_t *pings = rt_report_u64("pings");

	while (!rt_stop_requested()) {
		rt_wake_clear();
		if (!rt_event_flags_take(64, count_flag, pings) && !rt_stop_requested())
			rt_idle(RT_NEVER);
	}
}

static void hv(void)
{
	selftest_sints();
	selftest_eom();
	selftest_stimers();
	selftest_connections();
	selftest_clock();
}

static void all(void)
{
	test_boot();
	test_memory();
	test_clock();
	test_timer();
	test_masked();
	test_live_registers();
	test_messages();
	test_event_flags();
	test_doorbells();
	test_vps();
	hv();
}

/* --- what a hostile guest would do: the partition must end, and nothing else ------------------- */

static long call3(long nr, uint64_t a, uint64_t b, uint64_t c)
{
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return rc;
}

static void hostile_fds(void)
{
	uint64_t full = UINT64_MAX - 1, one = 1;
	unsigned int fd, i;

	for (fd = 0; fd < 1024; fd++) {
		if (fd % 4 == 0 && fd >= 16 && fd < 272)
			continue; /* an exit pipe would block us once it is full */
		call3(1, fd, (uint64_t)(uintptr_t)&full, 8);
		call3(1, fd, (uint64_t)(uintptr_t)&one, 8);
	}
	for (i = 0; i < 1000; i++)
		call3(1, 16, (uint64_t)(uintptr_t)&one, 8);
	rt_printf("selftest: fds done\n");
}

static void hostile_bad_input(void)
{
	static uint8_t block[8192] __attribute__((aligned(4096)));
	uint64_t at = rt_gpa(block);
	uint32_t *size = (uint32_t *)(block + 12);

	CHECK(rt_hypercall(HV_CALL_POST_MESSAGE, at + 4, 0) == HV_STATUS_INVALID_ALIGNMENT);
	CHECK(rt_hypercall(HV_CALL_POST_MESSAGE, at + 4096 - 8, 0) ==
	      HV_STATUS_INVALID_HYPERCALL_INPUT);
	CHECK(rt_hypercall(HV_CALL_POST_MESSAGE, 1ull << 60, 0) == HV_STATUS_INVALID_PARAMETER);
	CHECK(rt_hypercall(HV_CALL_POST_MESSAGE | HV_CALL_FAST, at, 0) ==
	      HV_STATUS_INVALID_HYPERCALL_INPUT);
	block[8] = 1;
	*size = 241;
	CHECK(rt_hypercall(HV_CALL_POST_MESSAGE, at, 0) == HV_STATUS_INVALID_PARAMETER);
	*size = UINT32_MAX;
	CHECK(rt_hypercall(HV_CALL_POST_MESSAGE, at, 0) == HV_STATUS_INVALID_PARAMETER);
	rt_printf("selftest: bad input done\n");
}

static void hostile_getpid(void)
{
	call3(39, 0, 0, 0);
}

static void hostile_int80(void)
{
	__asm__ volatile("int $0x80" ::"a"(20));
}

static void hostile_exit_group(void)
{
	call3(231, 3, 0, 0);
}

static void hostile_jump(void)
{
	((void (*)(void))0x123456789000ull)();
}

static void hostile_ud2(void)
{
	__asm__ volatile("ud2");
}

static void hostile_msr(void)
{
	rt_wrmsr(0x40000199, 1);
}

static void hostile_simp(void)
{
	rt_wrmsr(HV_MSR_SIMP, ~0ull);
}

/* An interrupt finds no stack: the first that comes after the instruction, however late that is. */
static void hostile_stack(void)
{
	rt_wrmsr(HV_MSR_STIMER0_CONFIG + 2, HV_STIMER_AUTO_ENABLE | HV_STIMER_PERIODIC |
						    HV_STIMER_DIRECT |
						    HV_STIMER_VECTOR_OF(RT_VECTOR_TIMER));
	rt_wrmsr(HV_MSR_STIMER0_COUNT + 2, MS);
	__asm__ volatile("xorl %%esp, %%esp; 1: jmp 1b" ::: "memory");
}

static void spin(void)
{
	for (;;)
		rt_pause();
}

static void panic(void)
{
	rt_panic("as asked, %d", 42);
}

static const struct {
	const char *name;
	void (*fn)(void);
} tests[] = {
	{"all", all},
	{"hv", hv},
	{"doorbells", test_doorbells},
	{"quiet", test_quiet},
	{"pings", test_pings},
	{"spin", spin},
	{"panic", panic},
	{"syscall", hostile_getpid},
	{"int80", hostile_int80},
	{"group", hostile_exit_group},
	{"jump", hostile_jump},
	{"ud2", hostile_ud2},
	{"msr", hostile_msr},
	{"simp", hostile_simp},
	{"stack", hostile_stack},
	{"fds", hostile_fds},
	{"input", hostile_bad_input},
};

int app_main(void)
{
	char name[16] = "all";
	unsigned int i;

	rt_report_state(NETHV_STATE_RUNNING);
	rt_arg("test", name, sizeof(name));
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (strcmp(tests[i].name, name))
			continue;
		tests[i].fn();
		break;
	}
	if (i == sizeof(tests) / sizeof(tests[0]) && !hostile_run(name))
		rt_panic("no test %s", name);
	rt_report_message("all passed");
	rt_report_state(NETHV_STATE_DONE);
	return 0;
}
