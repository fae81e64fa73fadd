/* SPDX-License-Identifier: BSD-3-Clause */
/* The test extensions of tests/ext/ in a switch: that they fail, count and break rules as they are told, and
 * that neighbours and packets do not suffer. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/fakeport.h"
#include "vswitch/ext/ext.h"
#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

TestSuite(vsw_extmods, .init = eal_up);

#define MAC_A 0x010000000002ull /* as numbers of little-endian bytes: 02:00:00:00:00:01 */
#define MAC_B 0x020000000002ull

struct bed {
	struct vsw *sw;
	struct fake_port *a, *b;
};

static struct fake_port *port(struct vsw *sw, const char *name, uint8_t mac)
{
	struct vsw_port_cfg c = {.mac = {2, 0, 0, 0, 0, mac}};

	snprintf(c.name, sizeof(c.name), "%s", name);
	return fake_port_new(sw, &c);
}

static struct bed bed(void)
{
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}, .fdb_size = 256};
	struct bed t;

	cr_assert_eq(vsw_create(&t.sw, &cfg), 0, "%s", err_text());
	t.a = port(t.sw, "a/0", 1);
	t.b = port(t.sw, "b/0", 2);
	return t;
}

static void bed_end(struct bed *t)
{
	cr_assert(fake_is_balanced(t->sw));
	fake_port_free(t->a);
	fake_port_free(t->b);
	vsw_destroy(t->sw);
}

/* The modules lie beside the test. */
static struct vsw_ext_cfg cfg_of(const char *name, const char *config)
{
	static char path[2][512];
	static unsigned int k;
	char *at = path[k++ & 1];
	ssize_t n = readlink("/proc/self/exe", at, 400);

	cr_assert_gt(n, 0);
	at[n] = 0;
	snprintf(strrchr(at, '/') + 1, 64, "%s.so", name);
	return (struct vsw_ext_cfg){.path = at, .config = config};
}

static int load(struct vsw_ext **e, struct vsw *sw, const char *name, const char *config)
{
	struct vsw_ext_cfg cfg = cfg_of(name, config);

	return vsw_ext_load(e, sw, &cfg);
}

static uint64_t run(struct bed *t, unsigned int n)
{
	fake_clear(t->b);
	while (n--)
		fake_send(t->a, MAC_B, MAC_A);
	while (fake_switch_poll(t->sw))
		;
	fake_switch_poll(t->sw); /* what is held is released by the next poll */
	fake_switch_poll(t->sw);
	return t->b->nr_out;
}

static struct vsw_ext_status last;
static char report[512];

static void take(const struct vsw_ext_status *st, void *ctx)
{
	last = *st;
	snprintf(report, sizeof(report), "%s", st->report);
}

/* Makes each callback that needs something to happen run once. */
static void stir(struct bed *t, struct vsw_ext *e)
{
	struct vsw_ext_cfg next = cfg_of("crash", "{}");
	char say[64];

	cr_assert_eq(run(t, 100), 100, "no packet is lost");
	vsw_exts_tick(t->sw);
	fake_port_free(port(t->sw, "c/0", 3));
	vsw_ext_say(e, say, sizeof(say));
	vsw_ext_configure(e, "{\"where\": \"configure\"}");
	vsw_ext_upgrade(e, &next);
}

static void crash_once(const char *where, const char *how)
{
	struct bed t = bed();
	struct vsw_ext *e = NULL;
	char config[96];
	int rc;

	snprintf(config, sizeof(config), "{\"where\": \"%s\", \"how\": \"%s\", \"hold\": true}",
		 where, how);
	rc = load(&e, t.sw, "crash", config);
	if (strcmp(where, "create") == 0) {
		cr_assert_eq(rc, -EFAULT, "%s %s: %s", where, how, err_text());
	} else {
		cr_assert_eq(rc, 0, "%s %s: %s", where, how, err_text());
		stir(&t, e);
		vsw_ext_unload(vsw_ext_find(t.sw, "crash"));
	}
	cr_assert_eq(run(&t, 100), 100);
	bed_end(&t);
}

Test(vsw_extmods, a_crash_in_any_callback_loses_no_packet, .timeout = 60)
{
	static const char *const where[] = {
		"create", "configure", "event",	 "save", "restore", "status",  "notify",
		"tick",	  "ingress",   "egress", "poll", "flush",   "destroy",
	};
	size_t i;

	for (i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		crash_once(where[i], "segv");
		crash_once(where[i], "abort");
	}
}

Test(vsw_extmods, a_crash_of_any_kind_loses_no_packet, .timeout = 60)
{
	static const char *const how[] = {"segv", "fpe", "ill", "abort", "wild", "stack", "jump"};
	size_t i;

	for (i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		crash_once("ingress", how[i]);
		crash_once("poll", how[i]);
		crash_once("event", how[i]);
	}
}

Test(vsw_extmods, endless_loops_end)
{
	crash_once("ingress", "loop");
	crash_once("egress", "loop");
	crash_once("poll", "loop");
	crash_once("status", "loop");
}

Test(vsw_extmods, a_fault_is_told_and_another_extension_may_follow)
{
	static const char *const text[][2] = {
		{"segv", "SIGSEGV"},
		{"fpe", "SIGFPE"},
		{"ill", "SIGILL"},
		{"abort", "abort"},
	};
	struct bed t = bed();
	struct vsw_ext *e = NULL;
	char config[64];
	size_t i;

	for (i = 0; i < 4; i++) {
		snprintf(config, sizeof(config), "{\"where\": \"ingress\", \"how\": \"%s\"}",
			 text[i][0]);
		cr_assert_eq(load(&e, t.sw, "crash", config), 0, "%s", err_text());
		cr_assert_eq(run(&t, 10), 10);
		vsw_ext_walk(t.sw, take, NULL);
		cr_assert_eq(last.state, VSW_EXT_FAULTED);
		cr_assert(strstr(report, text[i][1]), "%s", report);
		vsw_ext_unload(e);
	}
	cr_assert_eq(load(&e, t.sw, "state-v1", NULL), 0, "%s", err_text());
	vsw_ext_walk(t.sw, take, NULL);
	cr_assert_str_eq(last.ext->name, "state");
	vsw_ext_unload(e);
	bed_end(&t);
}

static void expect_state(struct bed *t, const char *want)
{
	char say[64];

	cr_assert_gt(vsw_ext_say(vsw_ext_find(t->sw, "state"), say, sizeof(say)), 0);
	cr_assert_str_eq(say, want);
}

Test(vsw_extmods, state_goes_from_version_to_version_or_all_stays)
{
	struct bed t = bed();
	struct vsw_ext *e = NULL;
	struct vsw_ext_cfg next;

	cr_assert_eq(load(&e, t.sw, "state-v1", NULL), 0, "%s", err_text());
	run(&t, 10);
	next = cfg_of("state-v2", NULL);
	cr_assert_eq(vsw_ext_upgrade(e, &next), 0, "%s", err_text());
	run(&t, 5);
	expect_state(&t, "{\"version\":2,\"seen\":15}");
	next = cfg_of("state-v3", NULL);
	cr_assert_neq(vsw_ext_upgrade(vsw_ext_find(t.sw, "state"), &next), 0);
	cr_assert(strstr(err_text(), "version 3 cannot read it"), "%s", err_text());
	run(&t, 5);
	expect_state(&t, "{\"version\":2,\"seen\":20}");
	vsw_ext_unload(vsw_ext_find(t.sw, "state"));
	cr_assert_eq(load(&e, t.sw, "state-v4", NULL), 0, "%s", err_text());
	next = cfg_of("state-v2", NULL);
	cr_assert_neq(vsw_ext_upgrade(e, &next), 0, "its save() fails");
	expect_state(&t, "{\"version\":4,\"seen\":0}");
	vsw_ext_unload(vsw_ext_find(t.sw, "state"));
	bed_end(&t);
}

/* What the switch makes of each deed: a fault, a rule that it counts as broken, or a refused call. */
enum result { FAULT, BROKEN, REFUSED };

static void expect_bad(const char *module, const char *how, enum result want, uint64_t delivered)
{
	struct bed t = bed();
	struct vsw_ext *e = NULL;
	char config[64], say[64] = "";
	uint64_t n;

	snprintf(config, sizeof(config), "{\"how\": \"%s\"}", how);
	cr_assert_eq(load(&e, t.sw, module, config), 0, "%s", err_text());
	n = run(&t, 60);
	cr_assert_eq(n, delivered, "%s %s: %lu", module, how, n);
	vsw_ext_walk(t.sw, take, NULL);
	cr_assert_eq(last.state == VSW_EXT_FAULTED, want == FAULT, "%s %s: %s", module, how,
		     report);
	cr_assert_eq(last.sum.broken > 0, want == BROKEN, "%s %s: broken %lu", module, how,
		     last.sum.broken);
	if (want == REFUSED) {
		vsw_ext_say(e, say, sizeof(say));
		cr_assert(strstr(say, ":-"), "%s %s: %s", module, how, say);
	}
	vsw_ext_unload(e);
	bed_end(&t);
}

Test(vsw_extmods, captures_only_look)
{
	expect_bad("bad-capture", "verdict", FAULT, 60);
	expect_bad("bad-capture", "exclude", FAULT, 60);
	expect_bad("bad-capture", "route", FAULT, 60);
	expect_bad("bad-capture", "edit", BROKEN, 60);
	expect_bad("bad-capture", "set_vlan", BROKEN, 60);
	expect_bad("bad-capture", "clone", BROKEN, 60);
	expect_bad("bad-capture", "hold", BROKEN, 60);
	expect_bad("bad-capture", "originate_egress", BROKEN, 60);
	expect_bad("bad-capture", "moment", REFUSED, 60);
}

Test(vsw_extmods, filters_change_on_ingress_and_route_nowhere)
{
	expect_bad("bad-filter", "route", FAULT, 60);
	expect_bad("bad-filter", "edit_egress", BROKEN, 60);
	expect_bad("bad-filter", "set_head", BROKEN, 60);
	expect_bad("bad-filter", "set_source", BROKEN, 60);
	expect_bad("bad-filter", "hold", BROKEN, 60);
	expect_bad("bad-filter", "release_nothing", BROKEN, 60);
	expect_bad("bad-filter", "originate_from_nobody", BROKEN, 60);
	expect_bad("bad-filter", "reason", BROKEN, 59);
	expect_bad("bad-filter", "copy_beyond", REFUSED, 60);
	expect_bad("bad-filter", "pull_too_much", REFUSED, 60);
	expect_bad("bad-filter", "edit_beyond", REFUSED, 60);
	expect_bad("bad-filter", "originate_runt", REFUSED, 60);
}

Test(vsw_extmods, forwarders_choose_among_ports_that_are_there)
{
	expect_bad("bad-forward", "route_to_nobody", BROKEN, 59);
	expect_bad("bad-forward", "route_out_of_range", BROKEN, 59);
}
