/* SPDX-License-Identifier: BSD-3-Clause */
/* eBPF extensions in a switch, with the runtime that all extensions have. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf_objects.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/fakeport.h"
#include "vswitch/ext/ext.h"
#include "vswitch/priv.h"

TestSuite(vsw_bpfswitch, .init = eal_up);

#define MAC_A 0x010000000002ull
#define MAC_B 0x020000000002ull

static struct vsw *sw;
static struct fake_port *a, *b;

static struct fake_port *port(const char *name, uint8_t mac)
{
	struct vsw_port_cfg c = {.mac = {2, 0, 0, 0, 0, mac}};

	snprintf(c.name, sizeof(c.name), "%s", name);
	return fake_port_new(sw, &c);
}

static void up(void)
{
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}, .fdb_size = 256};

	cr_assert_eq(vsw_create(&sw, &cfg), 0, "%s", err_text());
	a = port("a/0", 1);
	b = port("b/0", 2);
}

static void down(void)
{
	cr_assert(fake_is_balanced(sw));
	fake_port_free(a);
	fake_port_free(b);
	vsw_destroy(sw);
}

static struct vsw_ext_cfg cfg_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s.o", BPF_OBJECTS, name);
	return (struct vsw_ext_cfg){.path = path};
}

static struct vsw_ext *loaded(const char *name)
{
	struct vsw_ext_cfg cfg = cfg_of(name);
	struct vsw_ext *e = NULL;

	cr_assert_eq(vsw_ext_load(&e, sw, &cfg), 0, "%s", err_text());
	return e;
}

static void udp(uint16_t src, uint16_t dst)
{
	static const uint8_t ip[] = {8,	 0,  0x45, 0, 0,  46, 0, 0, 0, 0,
				     64, 17, 0,	   0, 10, 0,  0, 1, 10};
	struct fake_frame *f = fake_send(a, MAC_B, MAC_A);

	memcpy(f->bytes + 12, ip, sizeof(ip));
	f->bytes[34] = src >> 8;
	f->bytes[35] = (uint8_t)src;
	f->bytes[36] = dst >> 8;
	f->bytes[37] = (uint8_t)dst;
}

static unsigned int delivered(void)
{
	while (fake_switch_poll(sw))
		;
	return b->nr_out;
}

static struct vsw_ext_status last;

static void take(const struct vsw_ext_status *st, void *ctx)
{
	last = *st;
}

Test(vsw_bpfswitch, filter_drops_with_its_own_reason)
{
	struct vsw_ext *e;
	char json[4096];
	int n;

	up();
	e = loaded("portfilter");
	udp(4000, 53);
	udp(4000, 1900);
	udp(4001, 1900);
	cr_assert_eq(delivered(), 1);
	vsw_ext_walk(sw, take, NULL);
	cr_assert_eq(last.state, VSW_EXT_ENABLED, "%s", last.report);
	cr_assert(!last.is_tainted);
	cr_assert_eq(last.sum.packets, 3);
	cr_assert_eq(last.sum.drops[0], 2);
	n = vsw_ext_say(e, json, sizeof(json));
	cr_assert_gt(n, 0, "%s", err_text());
	cr_assert(strstr(json, "\"seen\":3"), "%s", json);
	cr_assert(strstr(json, "\"value\":2"), "%s", json);
	vsw_ext_unload(e);
	udp(4000, 1900);
	cr_assert_eq(delivered(), 2);
	down();
}

Test(vsw_bpfswitch, capture_sees_both_ways_and_changes_nothing)
{
	struct vsw_ext *e;
	char json[4096];

	up();
	e = loaded("capture");
	udp(1, 2);
	udp(1, 3);
	cr_assert_eq(delivered(), 2);
	vsw_ext_walk(sw, take, NULL);
	cr_assert_eq(last.sum.broken, 0, "%s", last.last_broken);
	cr_assert_gt(vsw_ext_say(e, json, sizeof(json)), 0);
	cr_assert(strstr(json, "\"packets\":2"), "%s", json);
	cr_assert(!strstr(json, "\"egress\":0"), "%s", json);
	vsw_ext_unload(e);
	down();
}

Test(vsw_bpfswitch, verdict_without_reason_is_a_broken_rule)
{
	struct vsw_ext *e;

	up();
	e = loaded("wild");
	udp(1, 1);
	delivered();
	vsw_ext_walk(sw, take, NULL);
	cr_assert_eq(last.state, VSW_EXT_ENABLED);
	cr_assert_eq(last.sum.broken, 1);
	cr_assert_str_eq(last.last_broken_id, "EXT-11");
	vsw_ext_unload(e);
	down();
}

Test(vsw_bpfswitch, upgrade_keeps_what_the_maps_hold)
{
	struct vsw_ext_cfg next;
	struct vsw_ext *e;

	up();
	e = loaded("maps");
	udp(7, 1); /* puts 7 */
	cr_assert_eq(delivered(), 1);
	next = cfg_of("maps2");
	cr_assert_eq(vsw_ext_upgrade(e, &next), 0, "%s", err_text());
	udp(7, 99); /* maps2 drops what is in the table */
	udp(8, 99);
	cr_assert_eq(delivered(), 2);
	vsw_ext_unload(vsw_ext_find(sw, "maps")); /* another one than e */
	down();
}

Test(vsw_bpfswitch, refusal_tells_the_line_and_leaves_the_switch_as_it_was)
{
	static const char *const names[] = {"loop", "offset", "write", "librte"};
	struct vsw_ext *e = NULL;
	unsigned int i;

	up();
	for (i = 0; i < 4; i++) {
		struct vsw_ext_cfg cfg = cfg_of(names[i]);

		cr_assert_lt(vsw_ext_load(&e, sw, &cfg), 0);
		cr_assert_null(e);
		cr_assert(strstr(err_text(), "refuse.c:"), "%s", err_text());
	}
	udp(1, 2);
	cr_assert_eq(delivered(), 1);
	down();
}
