/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of extensions in a switch: what is refused and why, configuration, upgrade, faults in each callback of
 * ctl and what is told of them, ports, fail closed, pauses, and lcores that run meanwhile. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "base/err.h"
#include "tests/support/extbed.h"
#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

/* What hooks there are outlives the test function: the bed goes after it, with events to extensions. */
TestSuite(vsw_runtime, .init = bed_suite_up, .fini = bed_suite_down, .timeout = 60);

#define SAYS(text) cr_assert(strstr(err_text(), text), "want \"%s\" in: %s", text, err_text())

/* A configuration that names @k; valid until the next call. */
static const char *config_of(const struct hooks *k, const char *more)
{
	static char text[2][128];
	static unsigned int at;
	char *to = text[at++ & 1];

	snprintf(to, sizeof(text[0]), "{\"hooks\": %llu%s}", (unsigned long long)(uintptr_t)k,
		 more);
	return to;
}

static struct vsw_ext_cfg cfg_of(const char *module, const char *config)
{
	static char path[2][512];
	static unsigned int at;
	char *to = path[at++ & 1];

	snprintf(to, sizeof(path[0]), "%s", bed_path(module));
	return (struct vsw_ext_cfg){.path = to, .config = config};
}

static int load(const char *module, const char *config)
{
	struct vsw_ext_cfg cfg = cfg_of(module, config);
	struct vsw_ext *e;

	return vsw_ext_load(&e, bed.sw, &cfg);
}

static uint32_t send(unsigned int from, unsigned int to)
{
	uint32_t before = bed.p[to]->nr_out;

	bed_send(&bed, from, to);
	bed_poll(&bed);
	return bed.p[to]->nr_out - before;
}

static void add_one(const struct vsw_ext_status *st, void *ctx)
{
	++*(unsigned int *)ctx;
}

static unsigned int nr_exts(void)
{
	unsigned int n = 0;

	vsw_ext_walk(bed.sw, add_one, &n);
	return n;
}

/* ---- Load ---------------------------------------------------------------------------------- */

Test(vsw_runtime, what_is_no_extension_is_refused_with_the_reason)
{
	static const struct {
		const char *module;
		int rc;
		const char *text;
	} bad[] = {
		{"refused-import", -EPERM, "imports getenv"},
		{"refused-constructor", -EPERM, "has constructors"},
		{"refused-abi", -ENOEXEC, "made for ABI 2 of the SDK, this switch has 1"},
		{"refused-class", -EINVAL, "class 4, want capture, filter or forward"},
		{"refused-guid", -EINVAL, "its GUID is zero"},
		{"refused-holds", -EINVAL, "with poll() and flush()"},
		{"no-such-file", -ENOENT, "no-such-file.so"},
	};
	struct vsw_ext_cfg cfg = {.path = "builtin:nothing"};
	struct vsw_ext *e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_eq(load(bad[i].module, NULL), bad[i].rc, "%s", bad[i].module);
		SAYS(bad[i].text);
	}
	cr_expect_eq(vsw_ext_load(&e, bed.sw, &cfg), -ENOENT);
	SAYS("no extension \"nothing\"");
	cfg.path = "/proc/self/exe";
	cr_expect_neq(vsw_ext_load(&e, bed.sw, &cfg), 0);
	cfg.path = "/dev/null";
	cr_expect_eq(vsw_ext_load(&e, bed.sw, &cfg), -EINVAL);
	cr_assert_eq(nr_exts(), 0);
	cr_assert_eq(send(0, 1), 1);
}

Test(vsw_runtime, keys_are_checked_before_create)
{
	static const struct {
		const char *config, *text;
	} bad[] = {
		{"{\"nth\": 0}", "nth"},
		{"{\"nth\": \"x\"}", "nth"},
		{"{\"when\": 1}", "no key \"when\"; there are where how nth hold"},
		{"{\"where\"", "no JSON"},
		{"[]", "a map of keys"},
		{"{\"nth\": 1, \"nth\": 2}", "no JSON"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_eq(load("crash", bad[i].config), -EINVAL, "%s", bad[i].config);
		SAYS(bad[i].text);
	}
	cr_expect_eq(load("hook-filter", NULL), -EINVAL);
	SAYS("hooks is missing: address of the hooks");
	cr_expect_eq(load("crash", "{\"where\": \"nowhere at all\"}"), -EINVAL);
	SAYS("no such place or way");
	cr_assert_eq(nr_exts(), 0);
}

Test(vsw_runtime, a_name_is_used_once_and_the_number_is_bounded)
{
	struct vsw_ext_cfg cfg = cfg_of("passthrough", NULL);
	struct vsw_ext *e;
	unsigned int i;

	bed_load(&bed, "passthrough", NULL);
	cr_assert_eq(vsw_ext_load(&e, bed.sw, &cfg), -EEXIST);
	SAYS("an extension of that name is loaded");
	for (i = 1; i < VSW_EXTS_MAX; i++) {
		snprintf(cfg.name, sizeof(cfg.name), "p%u", i);
		cr_assert_eq(vsw_ext_load(&e, bed.sw, &cfg), 0, "%s", err_text());
	}
	snprintf(cfg.name, sizeof(cfg.name), "more");
	cr_assert_eq(vsw_ext_load(&e, bed.sw, &cfg), -ENOSPC);
	memset(cfg.name, 'x', sizeof(cfg.name));
	cr_assert_eq(vsw_ext_load(&e, bed.sw, &cfg), -EINVAL);
	cr_assert_eq(nr_exts(), VSW_EXTS_MAX);
	cr_assert_eq(send(0, 1), 1);
}

Test(vsw_runtime, imports_that_are_allowed_taint_and_outlive_another_configuration)
{
	static const char *const allowed[] = {"getenv", NULL};
	struct vsw_ext_cfg cfg = cfg_of("refused-import", NULL);
	struct vsw_ext *e;

	cfg.imports = allowed;
	cr_assert_eq(vsw_ext_load(&e, bed.sw, &cfg), 0, "%s", err_text());
	cr_assert(bed_status(&bed, "refused").is_tainted);
	cr_assert_eq(vsw_ext_configure(e, "{}"), 0, "%s", err_text());
	cr_assert(bed_status(&bed, "refused").is_tainted);
	cr_assert_str_eq(bed_status(&bed, "refused").last_change, "upgrade");
}

/* ---- Configure and upgrade ----------------------------------------------------------------- */

struct told {
	struct hooks k;
	int64_t tag;
	int rc;
	unsigned int nr_save, nr_restore, nr_destroy, nr_notify;
	char got[16];
	size_t len;
	uint32_t version;
};

static int take_tag(struct hooks *k)
{
	struct told *t = (struct told *)k;

	t->tag = k->host->cfg_int(k->host, "tag");
	return t->rc ? k->host->fail(k->host, "not this tag") : 0;
}

static void sees_tag(struct hooks *k)
{
	((struct told *)k)->tag = k->host->cfg_int(k->host, "tag");
}

static int saves(struct hooks *k, struct nethv_writer *w)
{
	struct told *t = (struct told *)k;

	t->nr_save++;
	return t->rc ? k->host->fail(k->host, "it cannot be saved") : w->put(w, "abc", 3);
}

static int restores(struct hooks *k, const void *data, size_t len, uint32_t version)
{
	struct told *t = (struct told *)k;

	t->nr_restore++;
	t->len = len < sizeof(t->got) ? len : sizeof(t->got);
	memcpy(t->got, data, t->len);
	t->version = version;
	return t->rc ? k->host->fail(k->host, "it cannot be read") : 0;
}

static void ends(struct hooks *k)
{
	((struct told *)k)->nr_destroy++;
}

#define TOLD                                                                                       \
	{                                                                                          \
		.k = {.configure = take_tag, .save = saves, .restore = restores, .destroy = ends } \
	}

Test(vsw_runtime, a_configuration_that_is_refused_changes_nothing)
{
	static struct told t = TOLD;
	struct vsw_ext *e;

	t.k.tick = sees_tag;
	e = bed_hook(&bed, "hook-filter", "", &t.k);
	cr_assert_eq(vsw_ext_configure(e, config_of(&t.k, ", \"tag\": 5")), 0, "%s", err_text());
	cr_assert_eq(t.tag, 5);
	t.rc = -1;
	cr_assert_eq(vsw_ext_configure(e, config_of(&t.k, ", \"tag\": 6")), -EINVAL);
	SAYS("hook-filter: not this tag");
	cr_assert_eq(t.tag, 6, "it was asked");
	cr_assert(strstr(bed_status(&bed, "hook-filter").config, "\"tag\": 5"));
	vsw_exts_tick(bed.sw);
	cr_assert_eq(t.tag, 5);
	cr_assert_eq(vsw_ext_configure(e, "{\"tag\": 7}"), -EINVAL);
	SAYS("hooks is missing");
	cr_assert_eq(bed_status(&bed, "hook-filter").state, VSW_EXT_ENABLED);
}

static int upgrade(struct vsw_ext *e, const char *module, const struct hooks *to)
{
	struct vsw_ext_cfg cfg = cfg_of(module, config_of(to, ""));

	return vsw_ext_upgrade(e, &cfg);
}

Test(vsw_runtime, an_upgrade_hands_over_bytes_and_version)
{
	static struct told from = TOLD, to = TOLD;
	struct vsw_ext *e = bed_hook(&bed, "hook-filter", "f", &from.k);

	bed_hook(&bed, "hook-plain", "above", &from.k);
	cr_assert_eq(upgrade(e, "hook-filter", &to.k), 0, "%s", err_text());
	cr_assert_eq(from.nr_save, 1);
	cr_assert_eq(from.nr_destroy, 1);
	cr_assert_eq(to.nr_restore, 1);
	cr_assert_eq(to.len, 3);
	cr_assert_eq(memcmp(to.got, "abc", 3), 0);
	cr_assert_eq(to.version, 7);
	cr_assert_eq(bed_status(&bed, "f").position, 1);
	cr_assert_str_eq(bed_status(&bed, "f").last_change, "upgrade");
	cr_assert_eq(nr_exts(), 2);
}

Test(vsw_runtime, an_upgrade_that_fails_leaves_the_old_one_at_work)
{
	static struct told from = TOLD, to = TOLD;
	struct vsw_ext *e = bed_hook(&bed, "hook-filter", "f", &from.k);

	to.rc = -1;
	cr_assert_eq(upgrade(e, "hook-filter", &to.k), -EINVAL);
	SAYS("it cannot be read");
	cr_assert_eq(to.nr_destroy, 1);
	to.rc = 0;
	from.rc = -1;
	cr_assert_eq(upgrade(e, "hook-filter", &to.k), -EINVAL);
	SAYS("it cannot be saved");
	cr_assert_eq(to.nr_restore, 1, "it did not get to that");
	cr_assert_eq(upgrade(e, "hook-plain", &to.k), -EINVAL);
	SAYS("hook-plain is another extension than hook-filter");
	cr_assert_eq(from.nr_destroy, 0);
	cr_assert_eq(vsw_ext_find(bed.sw, "f"), e);
	cr_assert_eq(bed_status(&bed, "f").state, VSW_EXT_ENABLED);
	cr_assert_eq(send(0, 1), 1);
	cr_assert_eq(bed_status(&bed, "f").sum.packets, 2, "both ways");
}

static void crash(void)
{
	static volatile int *volatile nowhere = (volatile int *)16;

	*nowhere = 1;
}

static int crashes_saving(struct hooks *k, struct nethv_writer *w)
{
	crash();
	return 0;
}

static int loops_saving(struct hooks *k, struct nethv_writer *w)
{
	for (volatile int on = 1; on;)
		;
	return 0;
}

/* Lcores stand still while a state is handed over. */
Test(vsw_runtime, an_endless_save_is_over_after_the_budget_of_an_lcore)
{
	static struct told from = TOLD, to = TOLD;
	struct vsw_ext *e = bed_hook(&bed, "hook-filter", "f", &from.k);
	struct vsw_ext_cfg cfg = cfg_of("hook-filter", config_of(&to.k, ""));

	from.k.save = loops_saving;
	cfg.budget_us = 3000;
	cr_assert_eq(vsw_ext_upgrade(e, &cfg), -EFAULT);
	SAYS("save() did not return within its budget of 3000 us");
	bed_poll(&bed);
	cr_assert_eq(bed_status(&bed, "f").state, VSW_EXT_FAULTED);
	cr_assert_eq(upgrade(e, "hook-filter", &to.k), 0, "%s", err_text());
	cr_assert_eq(to.nr_restore, 0, "there is no state");
	cr_assert_eq(bed_status(&bed, "f").state, VSW_EXT_ENABLED);
	cr_assert_eq(bed_status(&bed, "f").faults, 1);
}

static void posts(struct hooks *k, struct nethv_burst *b)
{
	cr_assert_eq(b->host->post(b, 1), NETHV_OK);
}

static void is_notified(struct hooks *k, uint64_t arg)
{
	((struct told *)k)->nr_notify++;
}

/* What was posted before a change of the stack reaches who posted it, as long as it is there. */
Test(vsw_runtime, ext_8_a_change_of_the_stack_loses_no_event)
{
	static struct told t = TOLD, other = TOLD;
	struct vsw_ext *e;

	t.k.ingress = posts;
	t.k.notify = is_notified;
	e = bed_hook(&bed, "hook-filter", "f", &t.k);
	bed_send(&bed, 0, 1);
	vsw_lcore_poll(bed.sw->lcore[0], bed.sw->snap, rte_rdtsc());
	bed_hook(&bed, "hook-plain", "g", &other.k);
	cr_assert_eq(vsw_ext_move(e, 0), 0);
	cr_assert_eq(vsw_ext_disable(e), 0);
	cr_assert_eq(t.nr_notify, 0);
	vsw_event_process(bed.sw);
	cr_assert_eq(t.nr_notify, 1);
	cr_assert_eq(vsw_ext_enable(e), 0);
	bed_send(&bed, 0, 1);
	vsw_lcore_poll(bed.sw->lcore[0], bed.sw->snap, rte_rdtsc());
	vsw_ext_unload(e);
	vsw_event_process(bed.sw);
	cr_assert_eq(t.nr_notify, 1, "it is gone, and its memory is still there");
}

/* ---- Faults -------------------------------------------------------------------------------- */

static int crash_configure(struct hooks *k)
{
	crash();
	return 0;
}

static int crash_status(struct hooks *k, char *json, size_t size)
{
	crash();
	return 0;
}

static void crash_tick(struct hooks *k)
{
	crash();
}

static int crash_event(struct hooks *k, struct nethv_event *e)
{
	crash();
	return NETHV_EV_VETO;
}

static void crash_notify(struct hooks *k, uint64_t arg)
{
	crash();
}

static void do_configure(struct vsw_ext *e, const struct hooks *k)
{
	cr_assert_eq(vsw_ext_configure(e, config_of(k, "")), -EFAULT);
	SAYS("configure()");
}

static void do_status(struct vsw_ext *e, const struct hooks *k)
{
	char say[64];

	cr_assert_lt(vsw_ext_say(e, say, sizeof(say)), 0);
	SAYS("status()");
}

static void do_tick(struct vsw_ext *e, const struct hooks *k)
{
	vsw_exts_tick(bed.sw);
}

/* Its veto does not count: the port is there. */
static void do_event(struct vsw_ext *e, const struct hooks *k)
{
	bed_port(&bed, 4, (struct vsw_port_cfg){.name = "p4", .mac = {2, 0, 0, 0, 0, 14}});
}

static void do_notify(struct vsw_ext *e, const struct hooks *k)
{
	send(0, 1);
}

static void do_save(struct vsw_ext *e, const struct hooks *k)
{
	static struct told to = TOLD;

	cr_assert_eq(upgrade(e, "hook-filter", &to.k), -EFAULT);
	SAYS("save()");
	cr_assert_eq(to.nr_destroy, 1);
}

Test(vsw_runtime, a_fault_in_any_callback_of_ctl_names_it)
{
	static const struct {
		const char *name;
		struct hooks k;
		void (*act)(struct vsw_ext *e, const struct hooks *k);
	} all[] = {
		{"configure()", {.configure = crash_configure}, do_configure},
		{"status()", {.status = crash_status}, do_status},
		{"tick()", {.tick = crash_tick}, do_tick},
		{"event()", {.event = crash_event}, do_event},
		{"notify()", {.ingress = posts, .notify = crash_notify}, do_notify},
		{"save()", {.save = crashes_saving}, do_save},
	};
	static struct hooks k;
	struct vsw_ext_status st;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct vsw_ext *e;

		k = all[i].k;
		e = bed_hook(&bed, "hook-filter", "f", &k);
		all[i].act(e, &k);
		bed_poll(&bed);
		st = bed_status(&bed, "f");
		cr_assert_eq(st.state, VSW_EXT_FAULTED, "%s", all[i].name);
		cr_assert_eq(st.faults, 1);
		cr_assert(strstr(st.report, all[i].name), "%s: %s", all[i].name, st.report);
		cr_assert(strstr(st.report, "touched memory at 0x10"), "%s", st.report);
		cr_assert(strstr(st.report, "control thread"), "%s", st.report);
		cr_assert_str_eq(st.last_change, "fault");
		cr_assert_eq(vsw_ext_enable(e), -EINVAL);
		cr_assert_eq(vsw_ext_configure(e, config_of(&k, "")), -EINVAL);
		cr_assert_eq(send(2, 3), 1);
		vsw_ext_unload(e);
	}
	cr_assert_not_null(bed.p[4]);
}

/* Reads what is written to the standard error meanwhile. */
static void capture_unload(struct vsw_ext *e, char *to, size_t max)
{
	int old = dup(2), p[2];
	ssize_t n;

	cr_assert_eq(pipe(p), 0);
	dup2(p[1], 2);
	vsw_ext_unload(e);
	dup2(old, 2);
	close(old);
	close(p[1]);
	n = read(p[0], to, max - 1);
	close(p[0]);
	to[n < 0 ? 0 : n] = 0;
}

Test(vsw_runtime, a_fault_at_the_very_end_is_told_too)
{
	static const char *const where[] = {"destroy", "flush"};
	char text[2048], config[64];

	for (int i = 0; i < 2; i++) {
		snprintf(config, sizeof(config), "{\"where\": \"%s\"}", where[i]);
		capture_unload(bed_load(&bed, "crash", config), text, sizeof(text));
		snprintf(config, sizeof(config), "crash 1: %s() touched memory", where[i]);
		cr_assert(strstr(text, config), "%s", text);
	}
	cr_assert_eq(nr_exts(), 0);
}

static void loops_in(struct hooks *k, struct nethv_burst *b)
{
	for (volatile int on = 1; on;)
		;
}

Test(vsw_runtime, a_burst_over_its_budget_is_ended_with_its_numbers)
{
	static struct hooks k = {.ingress = loops_in};
	struct vsw_ext_cfg cfg = cfg_of("hook-filter", config_of(&k, ""));
	struct vsw_ext_status st;
	struct vsw_ext *e;

	cfg.budget_us = 2500;
	cr_assert_eq(vsw_ext_load(&e, bed.sw, &cfg), 0, "%s", err_text());
	cr_assert_eq(send(0, 1), 1);
	st = bed_status(&bed, "hook-filter");
	cr_assert_eq(st.state, VSW_EXT_FAULTED);
	cr_assert(strstr(st.report,
			 "hook-filter 1.0: ingress() did not return within its budget of "
			 "2500 us of CPU time"),
		  "%s", st.report);
	cr_assert(strstr(st.report, "lcore 0, burst of 1; detached"), "%s", st.report);
	cr_assert_eq(send(0, 1), 1);
}

/* As the watchdog does when the host has taken this CPU for some milliseconds. */
static void is_late_once(struct hooks *k, struct nethv_burst *b)
{
	struct vsw_guard *g = &bed.sw->lcore[0]->guard;
	union sigval v = {.sival_int = (int)(uint32_t)g->seq};

	((struct told *)k)->nr_save++;
	pthread_sigqueue(pthread_self(), VSW_SIG_BUDGET, v);
	pthread_sigqueue(pthread_self(), VSW_SIG_BUDGET, v);
	((struct told *)k)->nr_restore++;
}

Test(vsw_runtime, who_returns_after_one_late_look_was_not_endless)
{
	static struct told t = {.k = {.ingress = is_late_once}};

	bed_hook(&bed, "hook-filter", "", &t.k);
	cr_assert_eq(send(0, 1), 1);
	cr_assert_eq(send(0, 1), 1);
	cr_assert_eq(t.nr_save, 2);
	cr_assert_eq(t.nr_restore, 2);
	cr_assert_eq(bed_status(&bed, "hook-filter").state, VSW_EXT_ENABLED);
}

static void crashes_in(struct hooks *k, struct nethv_burst *b)
{
	crash();
}

Test(vsw_runtime, who_fails_closed_drops_what_was_its_own_until_it_is_gone)
{
	static struct hooks k = {.ingress = crashes_in};
	struct vsw_ext_cfg cfg = cfg_of("hook-filter", config_of(&k, ""));
	struct vsw_ext *e;

	cfg.is_fail_closed = cfg.is_for_ports = true;
	cfg.ports[0] = 1ull << vsw_port_id(bed.p[0]->port);
	cr_assert_eq(vsw_ext_load(&e, bed.sw, &cfg), 0, "%s", err_text());
	cr_assert_eq(send(2, 3), 1);
	cr_assert_eq(send(0, 1), 0);
	cr_assert_eq(send(0, 1), 0);
	cr_assert_eq(send(2, 3), 1);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_filtered), 2);
	cr_assert(strstr(bed_status(&bed, "hook-filter").report, "dropped (fail closed)"));
	vsw_ext_unload(e);
	cr_assert_eq(send(0, 1), 1);
}

static void counts_in(struct hooks *k, struct nethv_burst *b)
{
	((struct told *)k)->nr_save += b->n;
}

static void counts_out(struct hooks *k, struct nethv_burst *b)
{
	((struct told *)k)->nr_restore += b->n;
}

Test(vsw_runtime, ports_are_those_that_packets_enter_at_or_go_to)
{
	static struct told t = {.k = {.ingress = counts_in, .egress = counts_out}};
	struct vsw_ext_cfg cfg = cfg_of("hook-filter", config_of(&t.k, ""));
	struct vsw_ext *e;

	cfg.is_for_ports = true;
	cfg.ports[0] = 1ull << vsw_port_id(bed.p[1]->port);
	cr_assert_eq(vsw_ext_load(&e, bed.sw, &cfg), 0, "%s", err_text());
	send(2, 3);
	cr_assert_eq(t.nr_save + t.nr_restore, 0);
	send(0, 1);
	cr_assert_eq(t.nr_save, 0, "on ingress nobody knows where it goes");
	cr_assert_eq(t.nr_restore, 1);
	send(1, 0);
	cr_assert_eq(t.nr_save, 1);
	cr_assert_eq(t.nr_restore, 2);
	bed_send(&bed, 2, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(t.nr_restore, 3, "a flood goes there, too");
}

/* ---- What stays, and pauses ---------------------------------------------------------------- */

static unsigned int nr_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

Test(vsw_runtime, code_that_stays_after_a_fault_keeps_no_descriptor_and_no_name)
{
	unsigned int before, i;

	vsw_ext_unload(bed_load(&bed, "passthrough", NULL));
	before = nr_fds();
	for (i = 0; i < 20; i++) {
		struct vsw_ext *e = bed_load(&bed, "crash", "{\"where\": \"ingress\"}");

		cr_assert_eq(send(0, 1), 1);
		cr_assert_eq(bed_status(&bed, "crash").state, VSW_EXT_FAULTED);
		vsw_ext_unload(e);
		e = bed_load(&bed, i & 1 ? "passthrough" : "state-v1", NULL);
		cr_assert_str_eq(bed_status(&bed, i & 1 ? "passthrough" : "state").ext->name,
				 i & 1 ? "passthrough" : "state");
		vsw_ext_unload(e);
	}
	cr_assert_eq(nr_fds(), before);
}

#define LONG_AGO 1000000000000ull

Test(vsw_runtime, the_pause_of_a_fault_begins_with_the_fault)
{
	static struct hooks in = {.ingress = crashes_in}, tick = {.tick = crash_tick};

	bed_hook(&bed, "hook-filter", "in", &in);
	bed_hook(&bed, "hook-filter", "tick", &tick);
	bed.sw->lcore[0]->gap_max = LONG_AGO;
	send(0, 1);
	cr_assert_str_eq(bed_status(&bed, "in").last_change, "fault");
	cr_assert_eq(bed_status(&bed, "in").last_pause_ns, 0);
	bed.sw->lcore[0]->gap_max = LONG_AGO;
	vsw_exts_tick(bed.sw);
	bed_poll(&bed);
	cr_assert_str_eq(bed_status(&bed, "tick").last_change, "fault");
	cr_assert_eq(bed_status(&bed, "tick").last_pause_ns, 0);
}

/* As if the lcore's loop had taken a millisecond. */
static void flush_slowly(struct hooks *k, struct nethv_burst *b)
{
	bed.sw->lcore[0]->gap_max = bed.sw->tsc_hz / 1000;
}

Test(vsw_runtime, the_pause_of_a_flush_is_that_of_its_change)
{
	static struct hooks k = {.flush = flush_slowly};
	struct vsw_ext *e = bed_hook(&bed, "hook-holder", "", &k);

	cr_assert_eq(vsw_ext_last_pause(bed.sw), 0);
	cr_assert_eq(vsw_ext_disable(e), 0);
	cr_assert_eq(bed_status(&bed, "hook-holder").last_pause_ns / 1000, 1000);
	cr_assert_eq(vsw_ext_enable(e), 0);
	cr_assert_eq(vsw_ext_last_pause(bed.sw), 0);
	vsw_ext_unload(e);
	cr_assert_eq(vsw_ext_last_pause(bed.sw) / 1000, 1000);
}

/* ---- With lcores that run ------------------------------------------------------------------ */

static void nap(unsigned int ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000l};

	nanosleep(&t, NULL);
}

static int saves_late(struct hooks *k, struct nethv_writer *w)
{
	vsw_wake(bed.sw);
	nap(50);
	return w->put(w, "", 0);
}

/* Those that wake up meanwhile wait; packets do, too. */
Test(vsw_runtime, lcores_that_wake_up_into_an_upgrade_count_their_wait)
{
	static struct told a = TOLD, b = TOLD;
	uint64_t pause = 0;
	unsigned int i;

	bed.sw->cfg.poll = VSW_POLL_SHARED;
	cr_assert_eq(vsw_start(bed.sw), 0, "%s", err_text());
	a.k.save = b.k.save = saves_late;
	bed_hook(&bed, "hook-filter", "f", &a.k);
	for (i = 0; i < 20 && pause < 5000000; i++) {
		struct vsw_ext *e = vsw_ext_find(bed.sw, "f");

		nap(5); /* they fall asleep */
		cr_assert_eq(upgrade(e, "hook-filter", i & 1 ? &a.k : &b.k), 0, "%s", err_text());
		pause = bed_status(&bed, "f").last_pause_ns;
	}
	vsw_stop(bed.sw);
	cr_assert_geq(pause, 5000000u);
}

static void loops_polling(struct hooks *k, struct nethv_burst *b)
{
	for (volatile int on = 1; on;)
		;
}

static void wait_fault(const char *name)
{
	/* The lcore says that it is faulted, then asks ctl to report and detach. */
	for (int i = 0; i < 2000 && !*bed_status(&bed, name).report; i++) {
		nap(5);
		vsw_event_process(bed.sw);
	}
	cr_assert_eq(bed_status(&bed, name).state, VSW_EXT_FAULTED);
}

/* Each begins while the watchdog is about to fall asleep, is asleep, or has just woken up. */
Test(vsw_runtime, an_lcore_in_an_endless_loop_comes_back)
{
	static struct hooks k = {.poll = loops_polling};
	unsigned int i;

	bed.sw->cfg.poll = VSW_POLL_BUSY;
	cr_assert_eq(vsw_start(bed.sw), 0, "%s", err_text());
	for (i = 0; i < 20; i++) {
		struct vsw_ext *e = bed_hook(&bed, "hook-holder", "", &k);

		wait_fault("hook-holder");
		cr_assert(strstr(bed_status(&bed, "hook-holder").report,
				 "poll() did not return within its budget of 1000 us"));
		vsw_ext_unload(e);
		nap(i);
	}
	vsw_stop(bed.sw);
}
