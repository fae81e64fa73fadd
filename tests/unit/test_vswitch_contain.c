/* SPDX-License-Identifier: BSD-3-Clause */
/* Containment on ctl and between threads: callbacks inside of callbacks, calls with arguments from nowhere,
 * stacks that end, lcores that are parked. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/extbed.h"
#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

static void up(void)
{
	eal_up();
	bed_up(&bed, 2, 2);
}

TestSuite(vsw_contain, .init = up, .fini = bed_suite_down, .timeout = 60);

static struct hooks above, below;
static int calls, rc[8];

static bool is_faulted(const char *name)
{
	return bed_status(&bed, name).state == VSW_EXT_FAULTED;
}

/* @below is under @above in the stack, so that a request of @above comes to it. */
static void load_two(void)
{
	bed_hook(&bed, "hook-plain", "below", &below);
	bed_hook(&bed, "hook-filter", "above", &above);
}

static void tick(void)
{
	vsw_exts_tick(bed.sw);
	vsw_event_process(bed.sw);
}

static int ask_for_queue(struct hooks *k)
{
	struct nethv_port_info port = {.size = sizeof(port), .port = vsw_port_id(bed.p[0]->port)};
	struct nethv_event e = {
		.size = sizeof(e),
		.kind = NETHV_EV_NIC_REQUEST,
		.request = NETHV_REQ_VMQ_ALLOCATE,
		.port = &port,
	};

	return k->host->request(k->host, &e);
}

static void crash(void)
{
	volatile int *volatile nowhere = (int *)16; /* not NULL: UBSan would be first */

	*nowhere = 1;
}

/* ---- Callbacks inside of callbacks --------------------------------------------------------- */

static void asks(struct hooks *k)
{
	calls++;
	ask_for_queue(k);
	rc[0] = k->host->alloc(k->host, 64) != NULL;
}

static int event_allocates(struct hooks *k, struct nethv_event *e)
{
	if (e->kind != NETHV_EV_NIC_REQUEST)
		return NETHV_EV_PASS;
	rc[1] = k->host->alloc(k->host, 64) != NULL;
	return NETHV_EV_PASS;
}

Test(vsw_contain, both_callbacks_may_call_when_one_is_inside_the_other)
{
	load_two();
	above.tick = asks;
	below.event = event_allocates;
	tick();
	cr_assert_geq(calls, 1);
	cr_assert_eq(rc[1], 1, "the inner one");
	cr_assert_eq(rc[0], 1, "the outer one, afterwards");
	cr_assert(!is_faulted("above") && !is_faulted("below"));
}

static int event_crashes(struct hooks *k, struct nethv_event *e)
{
	if (e->kind == NETHV_EV_NIC_REQUEST)
		crash();
	return NETHV_EV_PASS;
}

Test(vsw_contain, the_fault_of_the_inner_callback_is_its_own)
{
	load_two();
	above.tick = asks;
	below.event = event_crashes;
	tick();
	cr_assert_eq(rc[0], 1, "the outer one goes on");
	cr_assert(is_faulted("below"));
	cr_assert(!is_faulted("above"));
	tick();
	cr_assert_geq(calls, 2);
}

static void asks_and_crashes(struct hooks *k)
{
	ask_for_queue(k);
	crash();
}

Test(vsw_contain, the_fault_of_the_outer_callback_after_an_inner_one_is_contained)
{
	load_two();
	above.tick = asks_and_crashes;
	below.event = event_allocates;
	tick();
	cr_assert(is_faulted("above"));
	cr_assert(!is_faulted("below"));
	cr_assert(strstr(bed_status(&bed, "above").report, "tick()"));
}

static void asks_for_ever(struct hooks *k)
{
	for (;;)
		ask_for_queue(k);
}

Test(vsw_contain, the_time_of_the_outer_callback_is_counted_on)
{
	load_two();
	above.tick = asks_for_ever;
	below.event = event_allocates;
	tick();
	cr_assert(is_faulted("above") || is_faulted("below"));
	cr_assert(strstr(bed_status(&bed, "above").report, "budget"));
}

static int event_loops(struct hooks *k, struct nethv_event *e)
{
	for (volatile int on = e->kind == NETHV_EV_NIC_REQUEST; on;)
		;
	return NETHV_EV_PASS;
}

Test(vsw_contain, the_inner_callback_has_a_budget_of_its_own)
{
	load_two();
	above.tick = asks;
	below.event = event_loops;
	tick();
	cr_assert(is_faulted("below"));
	cr_assert(!is_faulted("above"), "whose time it was not");
	cr_assert_eq(rc[0], 1);
}

static int event_reports(struct hooks *k, struct nethv_event *e)
{
	struct nethv_port_info port = *e->port;
	struct nethv_event up = {
		.size = sizeof(up),
		.kind = NETHV_EV_NIC_STATUS,
		.request = NETHV_REQ_VMQ_ALLOCATE,
		.port = &port,
	};

	if (e->kind == NETHV_EV_NIC_REQUEST)
		rc[2] = k->host->request(k->host, &up);
	return NETHV_EV_PASS;
}

static int event_crashes_on_status(struct hooks *k, struct nethv_event *e)
{
	if (e->kind == NETHV_EV_NIC_STATUS)
		crash();
	return NETHV_EV_PASS;
}

static void asks_then_notes(struct hooks *k)
{
	ask_for_queue(k);
	rc[3] = 1;
}

Test(vsw_contain, who_is_detached_inside_does_not_run_on_outside)
{
	load_two();
	above.tick = asks_then_notes;
	above.event = event_crashes_on_status;
	below.event = event_reports;
	tick();
	cr_assert_eq(rc[2], NETHV_OK);
	cr_assert(is_faulted("above"));
	cr_assert_eq(rc[3], 0, "its code does not run after the fault");
	cr_assert(!is_faulted("below"));
}

/* ---- Arguments from nowhere ---------------------------------------------------------------- */

static void calls_with_a_wrong_host(struct hooks *k)
{
	const struct nethv_host *wrong = (const struct nethv_host *)(uintptr_t)16;

	rc[0] = k->host->alloc(wrong, 64) != NULL;
	k->host->log(NULL, NETHV_LOG_DEBUG, "words");
	rc[1] = (int)k->host->cfg_count(wrong, "nothing");
	rc[2] = k->host->port_ref(wrong, 5000);
}

Test(vsw_contain, a_wrong_host_pointer_is_not_followed)
{
	load_two();
	above.tick = calls_with_a_wrong_host;
	tick();
	cr_assert_eq(rc[0], 1);
	cr_assert_lt(rc[2], 0);
	cr_assert(!is_faulted("above"));
}

static struct nethv_event wild;

static void asks_wildly(struct hooks *k)
{
	k->host->request(k->host, &wild);
}

static void expect_wild(struct nethv_event e)
{
	bed_hook(&bed, "hook-filter", "above", &above);
	wild = e;
	above.tick = asks_wildly;
	tick();
	cr_assert(is_faulted("above"));
	vsw_ext_unload(vsw_ext_find(bed.sw, "above"));
}

Test(vsw_contain, wild_pointers_in_a_request_are_the_extensions_fault)
{
	struct nethv_port_info port = {.port = vsw_port_id(bed.p[0]->port)};
	struct nethv_event e = {
		.kind = NETHV_EV_NIC_REQUEST,
		.request = NETHV_REQ_VMQ_ALLOCATE,
		.port = &port,
	};
	struct nethv_event bad = e;

	bed_hook(&bed, "hook-plain", "below", &below);
	bad.port = (const struct nethv_port_info *)(uintptr_t)64;
	expect_wild(bad);
	bad = e;
	bad.text = (char *)(uintptr_t)64;
	bad.text_max = 100;
	expect_wild(bad);
	bad = e;
	bad.out = (void *)(uintptr_t)64;
	bad.out_max = 10000;
	expect_wild(bad);
	bad = e;
	bad.in = (void *)(uintptr_t)64;
	bad.in_len = 1;
	expect_wild(bad);
	cr_assert(!is_faulted("below"));
}

static void text_from_nowhere(struct hooks *k)
{
	k->host->log(k->host, NETHV_LOG_INFO, (const char *)(uintptr_t)64);
}

Test(vsw_contain, a_text_that_is_not_there_is_the_extensions_fault)
{
	load_two();
	above.tick = text_from_nowhere;
	tick();
	cr_assert(is_faulted("above"));
}

/* ---- Stacks that end ----------------------------------------------------------------------- */

static __attribute__((noinline)) int deep(struct hooks *k, struct nethv_burst *b, int n)
{
	volatile char here[512];

	here[0] = (char)n;
	if (b)
		b->host->pull(b, 0, 100);
	else
		k->host->cfg_int(k->host, "hooks");
	return n < 0 ? n : deep(k, b, n + 1) + here[0];
}

static void ticks_deep(struct hooks *k)
{
	deep(k, NULL, 0);
}

static void falls_deep(struct hooks *k, struct nethv_burst *b)
{
	deep(k, b, 0);
}

Test(vsw_contain, a_stack_that_ends_inside_a_call_of_the_switch_is_contained)
{
	load_two();
	above.tick = ticks_deep;
	below.ingress = falls_deep;
	tick();
	cr_assert(is_faulted("above"));
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert(is_faulted("below"));
	cr_assert_eq(bed.p[1]->nr_out, 1);
}

/* ---- Parked lcores ------------------------------------------------------------------------- */

static int saves(struct hooks *k, struct nethv_writer *w)
{
	k->host->quiesce(k->host);
	calls++;
	return w->put(w, "x", 1);
}

static int restores(struct hooks *k, const void *data, size_t len, uint32_t version)
{
	k->host->quiesce(k->host);
	calls++;
	return len == 1 && version == 7 ? 0 : -1;
}

Test(vsw_contain, quiesce_returns_while_lcores_are_parked)
{
	struct vsw_ext *e = bed_hook(&bed, "hook-filter", "above", &above);
	struct vsw_ext_cfg cfg = {.path = bed_path("hook-filter")};
	char config[64];

	above.save = saves;
	above.restore = restores;
	snprintf(config, sizeof(config), "{\"hooks\": %llu}",
		 (unsigned long long)(uintptr_t)&above);
	cfg.config = config;
	cr_assert_eq(vsw_start(bed.sw), 0, "%s", err_text());
	cr_assert_eq(vsw_ext_upgrade(e, &cfg), 0, "%s", err_text());
	cr_assert_eq(calls, 2);
	vsw_stop(bed.sw);
}

/* ---- Signals ------------------------------------------------------------------------------- */

Test(vsw_contain, the_signal_stack_of_the_thread_comes_back)
{
	static char own[64 * 1024];
	stack_t mine = {.ss_sp = own, .ss_size = sizeof(own)}, now;

	cr_assert_eq(sigaltstack(&mine, NULL), 0);
	load_two();
	above.tick = asks;
	tick();
	cr_assert_eq(sigaltstack(NULL, &now), 0);
	cr_assert_eq(now.ss_sp, own);
	cr_assert_eq(now.ss_flags & SS_DISABLE, 0);
}

Test(vsw_contain, a_budget_signal_that_comes_too_late_does_nothing)
{
	union sigval v = {.sival_int = 1};

	load_two();
	above.tick = asks;
	tick();
	cr_assert_eq(sigqueue(getpid(), VSW_SIG_BUDGET, v), 0);
	raise(VSW_SIG_BUDGET);
	cr_assert(!is_faulted("above"));
}
