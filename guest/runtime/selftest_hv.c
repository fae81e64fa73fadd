/* SPDX-License-Identifier: BSD-3-Clause */
/* Self-test image: SynIC, timers, connections and clock as the TLFS has them, on every VP, also
 * what the runtime itself never uses. */
#include "guest/runtime/priv.h"
#include "guest/runtime/selftest.h"

#define CONNECTION_RAISE 9u /* the host raises {vp, sint, what, value} */
#define RAISE_FLAG	 0u
#define RAISE_MESSAGE	 1u
#define VECTOR(sint)	 (0x40u + (sint)) /* one each; SINT 2 is the runtime's */
#define VECTOR_DIRECT	 0x60u
#define FENCE		 4u /* a SINT of its own, and a lower vector than those it is used with */
#define LONG		 (60000 * MS) /* what has not come by then is lost */

static uint32_t hits[RT_VPS_MAX][HV_NR_SINTS];
static uint32_t direct_hits[RT_VPS_MAX];

static void on_sint(unsigned int vector)
{
	uint32_t *n = &hits[rt_vp_id()][vector - VECTOR(0)];

	__atomic_store_n(n, *n + 1, __ATOMIC_RELEASE);
}

static void on_direct(unsigned int vector)
{
	direct_hits[rt_vp_id()]++;
}

static uint32_t hits_of(unsigned int vp, unsigned int sint)
{
	return __atomic_load_n(&hits[vp][sint], __ATOMIC_ACQUIRE);
}

static void pause_for(uint64_t ticks)
{
	uint64_t until = rt_ref_time() + ticks;

	while (rt_ref_time() < until) {
		rt_wake_clear();
		rt_idle(until);
	}
}

static void on_every_vp(void (*fn)(void *arg))
{
	unsigned int i;

	fn(NULL);
	for (i = 1; i < rt_nr_vps(); i++) {
		CHECK(rt_run_on(i, fn, NULL) == 0);
		while (rt_vp_busy(i))
			rt_pause();
	}
}

static void raise(unsigned int vp, unsigned int sint, unsigned int what, uint32_t value)
{
	uint32_t word[4] = {vp, sint, what, value};

	CHECK(rt_post_message(CONNECTION_RAISE, 1, word, sizeof(word)) == 0);
}

static void sint_set(unsigned int sint, uint64_t more)
{
	rt_wrmsr(HV_MSR_SINT0 + sint, VECTOR(sint) | more);
	CHECK(rt_rdmsr(HV_MSR_SINT0 + sint) == (VECTOR(sint) | more));
}

static void sints_set(uint64_t more)
{
	unsigned int i;

	for (i = 0; i < HV_NR_SINTS; i++) {
		if (i == HV_SINT_VMBUS)
			continue;
		rt_irq_handler(VECTOR(i), on_sint);
		sint_set(i, more);
	}
}

static void sints_on(void *arg)
{
	sints_set(0);
}

static void sints_off(void *arg)
{
	sints_set(HV_SINT_MASKED);
}

/* --- flags and messages ----------------------------------------------------------------------- */

/* Takes the one flag that is set in the area of @sint of @vp. */
static void flag_take(unsigned int vp, unsigned int sint, unsigned int flag)
{
	uint64_t *word = rt_vp_of(vp)->flags[sint], bits;
	unsigned int i;

	for (i = 0; i < HV_EVENT_FLAGS / 64; i++) {
		bits = __atomic_exchange_n(&word[i], 0, __ATOMIC_SEQ_CST);
		CHECK(bits == (i == flag / 64 ? 1ull << (flag % 64) : 0));
	}
}

static uint32_t slot_type(const struct hv_message *slot)
{
	return __atomic_load_n(&slot->type, __ATOMIC_ACQUIRE);
}

/* Frees the slot; true when more waits, and an EOM is due. */
static bool slot_free(struct hv_message *slot)
{
	__atomic_exchange_n(&slot->type, HV_MESSAGE_NONE, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&slot->flags, __ATOMIC_SEQ_CST) & HV_MESSAGE_FLAG_PENDING;
}

/* This VP's slot of @sint, as soon as something is in it. */
static struct hv_message *slot_wait(unsigned int sint)
{
	struct hv_message *slot = &rt_this_vp()->messages[sint];
	uint64_t until = rt_ref_time() + LONG;

	for (;;) {
		rt_wake_clear();
		if (slot_type(slot) != HV_MESSAGE_NONE)
			return slot;
		rt_idle(until);
		if (rt_ref_time() >= until)
			rt_panic("VP %u: no message at SINT %u", rt_vp_id(), sint);
	}
}

static void slot_check(const struct hv_message *slot, uint32_t value)
{
	uint32_t got;

	CHECK(slot->type == 1 && slot->payload_size == sizeof(got));
	memcpy(&got, slot->payload, sizeof(got));
	CHECK(got == value);
}

static void hit_wait(unsigned int vp, unsigned int sint, uint32_t want)
{
	uint64_t until = rt_ref_time() + LONG;

	while (hits_of(vp, sint) != want) {
		rt_wake_clear();
		if (vp != rt_vp_id())
			rt_pause();
		else if (hits_of(vp, sint) != want)
			rt_idle(until);
		if (hits_of(vp, sint) > want || rt_ref_time() >= until)
			rt_panic("SINT %u of VP %u: %u interrupts, not %u", sint, vp,
				 hits_of(vp, sint), want);
	}
}

static uint32_t hits_all(void)
{
	unsigned int vp, i;
	uint32_t sum = 0;

	for (vp = 0; vp < rt_nr_vps(); vp++) {
		for (i = 0; i < HV_NR_SINTS; i++)
			sum += hits_of(vp, i);
	}
	return sum;
}

/* Every SINT of the opposite VP: the right VP takes one interrupt on the right vector, and finds the
 * right flag, or the right message. */
static void sints_of_opposite(void *arg)
{
	unsigned int vp = (rt_vp_id() + rt_nr_vps() / 2) % rt_nr_vps(), i;
	uint32_t flag, before;
	struct hv_message *slot;

	for (i = 0; i < HV_NR_SINTS; i++) {
		if (i == HV_SINT_VMBUS)
			continue;
		flag = (i * 517 + 3) % HV_EVENT_FLAGS;
		before = hits_all();
		raise(vp, i, RAISE_FLAG, flag);
		hit_wait(vp, i, 1);
		flag_take(vp, i, flag);
		raise(vp, i, RAISE_MESSAGE, flag);
		hit_wait(vp, i, 2);
		slot = &rt_vp_of(vp)->messages[i];
		slot_check(slot, flag);
		CHECK(!slot_free(slot));
		CHECK(hits_all() == before + 2);
	}
}

/* Masked: the flag is there, the interrupt comes at the unmasking. Polling: no interrupt at all. A
 * flag that is set already raises none. */
static void sint_modes(void *arg)
{
	const unsigned int vp = rt_vp_id(), sint = 9;
	uint32_t n = hits_of(vp, sint), fence = hits_of(vp, FENCE);
	struct hv_message *slot = &rt_this_vp()->messages[sint];

	sint_set(sint, HV_SINT_MASKED);
	raise(vp, sint, RAISE_FLAG, 100);
	raise(vp, FENCE, RAISE_FLAG, 1);
	hit_wait(vp, FENCE, ++fence);
	CHECK(hits_of(vp, sint) == n);
	sint_set(sint, 0);
	hit_wait(vp, sint, ++n);
	flag_take(vp, sint, 100);
	flag_take(vp, FENCE, 1);

	sint_set(sint, HV_SINT_POLLING);
	raise(vp, sint, RAISE_MESSAGE, 5);
	raise(vp, FENCE, RAISE_FLAG, 2);
	hit_wait(vp, FENCE, ++fence);
	CHECK(hits_of(vp, sint) == n);
	slot_check(slot, 5);
	CHECK(!slot_free(slot));
	flag_take(vp, FENCE, 2);
	sint_set(sint, 0);

	raise(vp, sint, RAISE_FLAG, 7);
	hit_wait(vp, sint, ++n);
	raise(vp, sint, RAISE_FLAG, 7);
	raise(vp, FENCE, RAISE_FLAG, 3);
	hit_wait(vp, FENCE, ++fence);
	CHECK(hits_of(vp, sint) == n);
	flag_take(vp, sint, 7);
	flag_take(vp, FENCE, 3);
}

void selftest_sints(void)
{
	on_every_vp(sints_on);
	on_every_vp(sints_of_opposite);
	on_every_vp(sint_modes);
	on_every_vp(sints_off);
	selftest_pass("sints");
}

/* A busy slot keeps its message; the next ones come one by one, each after an EOM and not before. */
static void eom_on_vp(void *arg)
{
	const unsigned int vp = rt_vp_id(), sint = 7, n = 4;
	struct hv_message *slot = &rt_this_vp()->messages[sint];
	unsigned int i;

	for (i = 0; i < n; i++)
		raise(vp, sint, RAISE_MESSAGE, 50 + i);
	for (i = 0; i < n; i++) {
		slot_check(slot_wait(sint), 50 + i);
		if (!slot_free(slot))
			break;
		pause_for(MS / 2);
		CHECK(slot_type(slot) == HV_MESSAGE_NONE);
		rt_wrmsr(HV_MSR_EOM, 0);
	}
	CHECK(i == n - 1);
	CHECK(rt_rdmsr(HV_MSR_EOM) == 0);
}

void selftest_eom(void)
{
	on_every_vp(sints_on);
	on_every_vp(eom_on_vp);
	on_every_vp(sints_off);
	selftest_pass("eom");
}

/* --- timers ----------------------------------------------------------------------------------- */

#define TIMER_SINT 3u
/* Timer 0 is the runtime's. */
#define CONFIG(i) (HV_MSR_STIMER0_CONFIG + 2 * (i))
#define COUNT(i)  (HV_MSR_STIMER0_COUNT + 2 * (i))

static uint64_t timer_take(unsigned int index)
{
	struct hv_message *slot = slot_wait(TIMER_SINT);
	struct hv_timer_message tm;

	CHECK(slot->type == HV_MESSAGE_TIMER_EXPIRED && slot->payload_size == sizeof(tm));
	memcpy(&tm, slot->payload, sizeof(tm));
	CHECK(tm.timer_index == index);
	CHECK(tm.delivery_time >= tm.expiration_time && tm.delivery_time <= rt_ref_time());
	if (slot_free(slot))
		rt_wrmsr(HV_MSR_EOM, 0);
	return tm.expiration_time;
}

static void timer_one_shot(void)
{
	const uint64_t on = HV_STIMER_SINT_OF(TIMER_SINT) | HV_STIMER_ENABLE;
	uint64_t when = rt_ref_time() + 2 * MS;

	rt_wrmsr(COUNT(1), when);
	rt_wrmsr(CONFIG(1), on);
	CHECK(timer_take(1) >= when);
	CHECK(!(rt_rdmsr(CONFIG(1)) & HV_STIMER_ENABLE));
	rt_wrmsr(COUNT(1), 1); /* long past */
	rt_wrmsr(CONFIG(1), on);
	timer_take(1);
	rt_wrmsr(CONFIG(1), HV_STIMER_SINT_OF(TIMER_SINT) | HV_STIMER_AUTO_ENABLE);
	CHECK(!(rt_rdmsr(CONFIG(1)) & HV_STIMER_ENABLE));
	when = rt_ref_time() + MS;
	rt_wrmsr(COUNT(1), when);
	CHECK(timer_take(1) >= when);
	rt_wrmsr(COUNT(1), rt_ref_time() + 1000000 * MS);
	CHECK(rt_rdmsr(CONFIG(1)) & HV_STIMER_ENABLE);
	rt_wrmsr(COUNT(1), 0);
	CHECK(!(rt_rdmsr(CONFIG(1)) & HV_STIMER_ENABLE));
}

static void timer_periodic(uint64_t how)
{
	struct hv_message *slot = &rt_this_vp()->messages[TIMER_SINT];
	uint64_t last = 0, now;
	unsigned int i;

	rt_wrmsr(CONFIG(2), HV_STIMER_SINT_OF(TIMER_SINT) | HV_STIMER_PERIODIC | how);
	rt_wrmsr(COUNT(2), MS);
	for (i = 0; i < 6; i++) {
		now = timer_take(2);
		CHECK(now > last);
		last = now;
	}
	rt_wrmsr(CONFIG(2), 0);
	if (slot_type(slot) != HV_MESSAGE_NONE)
		timer_take(2);
	pause_for(3 * MS);
	CHECK(slot_type(slot) == HV_MESSAGE_NONE);
}

/* It stays pending while the slot is busy, and comes after the EOM. */
static void timer_at_busy_slot(void)
{
	struct hv_message *slot;

	rt_wrmsr(CONFIG(1), HV_STIMER_SINT_OF(TIMER_SINT) | HV_STIMER_AUTO_ENABLE);
	rt_wrmsr(CONFIG(3), HV_STIMER_SINT_OF(TIMER_SINT) | HV_STIMER_AUTO_ENABLE);
	rt_wrmsr(COUNT(1), 1);
	slot = slot_wait(TIMER_SINT);
	rt_wrmsr(COUNT(3), rt_ref_time() + MS);
	while (!(__atomic_load_n(&slot->flags, __ATOMIC_ACQUIRE) & HV_MESSAGE_FLAG_PENDING))
		pause_for(MS);
	timer_take(1);
	timer_take(3);
}

static void timer_direct(void)
{
	const unsigned int vp = rt_vp_id();
	uint32_t n = direct_hits[vp];
	unsigned int i;

	rt_wrmsr(CONFIG(2),
		 HV_STIMER_DIRECT | HV_STIMER_AUTO_ENABLE | HV_STIMER_VECTOR_OF(VECTOR_DIRECT));
	rt_wrmsr(COUNT(2), rt_ref_time() + MS);
	while (__atomic_load_n(&direct_hits[vp], __ATOMIC_RELAXED) == n) {
		rt_wake_clear();
		if (__atomic_load_n(&direct_hits[vp], __ATOMIC_RELAXED) == n)
			rt_idle(RT_NEVER);
	}
	pause_for(MS);
	CHECK(direct_hits[vp] == n + 1);
	for (i = 0; i < HV_NR_SINTS; i++)
		CHECK(slot_type(&rt_this_vp()->messages[i]) == HV_MESSAGE_NONE);
	rt_wrmsr(CONFIG(2), 0);
}

static void stimers_on_vp(void *arg)
{
	timer_one_shot();
	timer_periodic(HV_STIMER_ENABLE);
	timer_periodic(HV_STIMER_AUTO_ENABLE);
	timer_at_busy_slot();
	timer_direct();
}

void selftest_stimers(void)
{
	rt_irq_handler(VECTOR_DIRECT, on_direct);
	on_every_vp(sints_on);
	on_every_vp(stimers_on_vp);
	on_every_vp(sints_off);
	selftest_pass("stimers");
}

/* --- connections: what is wrong gets its status ------------------------------------------------- */

#define REP_ONE	 (1ull << 32)
#define VARHEAD	 (1ull << 17)
#define RESERVED (1ull << 27)
#define POST	 HV_CALL_POST_MESSAGE
#define SIGNAL	 (HV_CALL_SIGNAL_EVENT | HV_CALL_FAST)
#define DOORBELL (HV_CONNECTION_DOORBELL | 5)

static void posts_refused(void)
{
	static struct hv_post_message_input block[32] __attribute__((aligned(4096)));
	struct hv_post_message_input *m = &block[0];
	uint64_t at = rt_gpa(m);

	*m = (struct hv_post_message_input){.connection_id = 99, .message_type = 1};
	CHECK(rt_hypercall(POST, at, 0) == HV_STATUS_INVALID_CONNECTION_ID);
	m->connection_id = 1u << 24 | CONNECTION_RAISE;
	CHECK(rt_hypercall(POST, at, 0) == HV_STATUS_INVALID_CONNECTION_ID);
	m->connection_id = CONNECTION_RAISE;
	m->message_type = HV_MESSAGE_NONE;
	CHECK(rt_hypercall(POST, at, 0) == HV_STATUS_INVALID_PARAMETER);
	m->message_type = HV_MESSAGE_TIMER_EXPIRED; /* the hypervisor's own types */
	CHECK(rt_hypercall(POST, at, 0) == HV_STATUS_INVALID_PARAMETER);
	m->message_type = 1;
	m->payload_size = HV_MESSAGE_PAYLOAD_MAX + 1;
	CHECK(rt_hypercall(POST, at, 0) == HV_STATUS_INVALID_PARAMETER);
	m->payload_size = UINT32_MAX;
	CHECK(rt_hypercall(POST, at, 0) == HV_STATUS_INVALID_PARAMETER);
	m->payload_size = 0;
	CHECK(rt_hypercall(POST, at + 4, 0) == HV_STATUS_INVALID_ALIGNMENT);
	CHECK(rt_hypercall(POST, at + 4096 - 8, 0) == HV_STATUS_INVALID_HYPERCALL_INPUT);
	CHECK(rt_hypercall(POST, 1ull << 60, 0) == HV_STATUS_INVALID_PARAMETER);
	CHECK(rt_hypercall(POST | HV_CALL_FAST, at, 0) == HV_STATUS_INVALID_HYPERCALL_INPUT);
	CHECK(rt_hypercall(POST | REP_ONE, at, 0) == HV_STATUS_INVALID_HYPERCALL_INPUT);
	CHECK(rt_hypercall(POST | VARHEAD, at, 0) == HV_STATUS_INVALID_HYPERCALL_INPUT);
}

static void connections_on_vp(void *arg)
{
	posts_refused();
	CHECK(rt_hypercall(0x7777, 0, 0) == HV_STATUS_INVALID_HYPERCALL_CODE);
	CHECK(rt_hypercall(SIGNAL, DOORBELL, 0) == HV_STATUS_SUCCESS);
	CHECK(rt_hypercall(SIGNAL, 5, 0) == HV_STATUS_INVALID_CONNECTION_ID);
	CHECK(rt_hypercall(SIGNAL, HV_CONNECTION_DOORBELL, 0) == HV_STATUS_INVALID_CONNECTION_ID);
	CHECK(rt_hypercall(SIGNAL, 1ull << 48 | DOORBELL, 0) == HV_STATUS_INVALID_PARAMETER);
	CHECK(rt_hypercall(SIGNAL | RESERVED, DOORBELL, 0) == HV_STATUS_INVALID_HYPERCALL_INPUT);
	CHECK(rt_hypercall(SIGNAL | REP_ONE, DOORBELL, 0) == HV_STATUS_INVALID_HYPERCALL_INPUT);
	CHECK(rt_hypercall(HV_CALL_SEND_IPI | HV_CALL_FAST, 3, 1) == HV_STATUS_INVALID_PARAMETER);
	CHECK(rt_hypercall(HV_CALL_SEND_IPI | HV_CALL_FAST, 0x60, 1ull << 63) ==
	      HV_STATUS_INVALID_PARAMETER);
}

void selftest_connections(void)
{
	on_every_vp(connections_on_vp);
	selftest_pass("connections");
}

/* --- clock ------------------------------------------------------------------------------------ */

static struct rt_barrier clock_start;
static uint64_t clock_latest; /* that any VP has seen */

/* Neither clock goes back, on one VP or from one to another, and they agree. */
static void clock_race(void *arg)
{
	uint64_t seen, now, page;
	unsigned int i;

	rt_barrier_wait(&clock_start, rt_nr_vps());
	for (i = 0; i < 1000; i++) {
		seen = __atomic_load_n(&clock_latest, __ATOMIC_ACQUIRE);
		__asm__ volatile("lfence" ::: "memory");
		page = rt_ref_time();
		now = i % 8 ? page : rt_rdmsr(HV_MSR_TIME_REF_COUNT);
		CHECK(page >= seen && now >= page && rt_ref_time() >= now);
		while (seen < now &&
		       !__atomic_compare_exchange_n(&clock_latest, &seen, now, false,
						    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
			;
	}
}

void selftest_clock(void)
{
	uint64_t reg = rt_rdmsr(HV_MSR_REFERENCE_TSC), before;
	const struct hv_reference_tsc *page = (const void *)(uintptr_t)(reg & HV_MSR_PFN_MASK);
	unsigned int i;

	CHECK(reg & HV_MSR_ENABLE);
	/* 0: the host's TSC is not fit for it, and rt_ref_time() reads the MSR. */
	rt_printf("selftest: reference TSC page, sequence %u\n", page->sequence);
	for (i = 1; i < rt_nr_vps(); i++)
		CHECK(rt_run_on(i, clock_race, NULL) == 0);
	clock_race(NULL);
	for (i = 1; i < rt_nr_vps(); i++) {
		while (rt_vp_busy(i))
			rt_pause();
	}
	before = rt_ref_time();
	rt_wrmsr(HV_MSR_REFERENCE_TSC, 0);
	CHECK(rt_rdmsr(HV_MSR_REFERENCE_TSC) == 0);
	CHECK(rt_rdmsr(HV_MSR_TIME_REF_COUNT) >= before);
	rt_wrmsr(HV_MSR_REFERENCE_TSC, reg);
	CHECK(rt_rdmsr(HV_MSR_REFERENCE_TSC) == reg);
	CHECK(rt_ref_time() >= before);
	selftest_pass("clocks");
}
