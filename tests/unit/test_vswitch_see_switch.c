/* SPDX-License-Identifier: BSD-3-Clause */
/* A tap on a switch at work: what its stages tell is what is captured, traced and remembered. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/fakeport.h"
#include "tests/support/pcapread.h"
#include "vswitch/priv.h"
#include "vswitch/see/see.h"

#define MAC_A 0x0a0000000002ull
#define MAC_B 0x0b0000000002ull
#define MAC_C 0x0c0000000002ull
#define BCAST 0xFFFFFFFFFFFFull

static struct vsw *sw;
static struct vsw_see *see;
static struct fake_port *a, *bp, *c;
static struct pcapread in;
static uint8_t bytes[1 << 20];

static void publish(void *ctx, struct vsw_tap *tap)
{
	sw->tap = tap;
	vsw_republish(sw);
}

static const char *port_name(void *ctx, uint16_t port)
{
	return sw->port[port] ? vsw_port_cfg(sw->port[port])->name : NULL;
}

static const struct vsw_see_ops ops = {.publish = publish, .port_name = port_name};

static struct fake_port *port(const char *name, uint64_t mac)
{
	struct vsw_port_cfg cfg = {.pvid = 10};

	strcpy(cfg.name, name);
	memcpy(cfg.mac, &mac, 6);
	return fake_port_new(sw, &cfg);
}

static void setup(void)
{
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}};
	struct vsw_see_cfg scfg = {.nr_lcores = 1};

	eal_up();
	scfg.tsc_hz = rte_get_tsc_hz();
	cr_assert_eq(vsw_create(&sw, &cfg), 0, "%s", err_text());
	cr_assert_eq(vsw_see_create(&see, &scfg, &ops, NULL), 0, "%s", err_text());
	a = port("a/0", MAC_A);
	bp = port("b/0", MAC_B);
	c = port("c/0", MAC_C);
}

static void teardown(void)
{
	vsw_see_destroy(see);
	cr_assert(fake_is_balanced(sw));
	fake_port_free(a);
	fake_port_free(bp);
	fake_port_free(c);
	vsw_destroy(sw);
}

TestSuite(vsw_see_switch, .init = setup, .fini = teardown);

Test(vsw_see_switch, captures_at_every_station)
{
	struct vsw_see_capture_cfg cfg = {.filter = "ether proto 0x88b5"};
	struct vsw_see_capture_status st;
	int fd = memfd_create("capture", MFD_CLOEXEC);
	struct fake_frame *f;
	uint32_t id;
	ssize_t n;

	cr_assert_eq(vsw_see_stations(&cfg.stations, "all"), 0);
	cfg.fd = dup(fd);
	cr_assert_eq(vsw_see_capture_add(see, &cfg, &id), 0, "%s", err_text());
	a->is_scattered = true;
	f = fake_send(a, BCAST, MAC_A);
	c->refuse = VSW_DROP_link_down;
	fake_switch_poll(sw);
	cr_assert_eq(vsw_see_capture_remove(see, id, &st), 0);
	n = pread(fd, bytes, sizeof(bytes), 0);
	cr_assert(n > 0 && pcapread(&in, bytes, (size_t)n), "%s", in.fault);
	cr_assert_eq(in.nr_packets, 11); /* 8 stations, delivered twice, dropped once */
	cr_assert_str_eq(in.packet[0].comment, "at in src a/0 vlan 10");
	cr_assert_str_eq(in.packet[4].comment, "at forward src a/0 vlan 10 dst b/0,c/0");
	cr_assert_str_eq(in.iface[in.packet[8].iface].name, "b/0");
	cr_assert_str_eq(in.iface[in.packet[9].iface].name, "c/0");
	cr_assert_str_eq(in.packet[10].comment,
			 "at drop src a/0 vlan 10 towards c/0 drop link_down (link of the source "
			 "or destination is down)");
	cr_assert_eq(in.packet[3].len, f->len);
	cr_assert_arr_eq(in.packet[3].bytes, f->bytes, f->len);
	close(fd);
}

Test(vsw_see_switch, traces_packets_and_only_these)
{
	json_t *j, *p;
	uint32_t id;
	char *text;

	cr_assert_eq(vsw_see_trace_add(see, "ether dst 02:00:00:00:00:0b", 4, &id), 0, "%s",
		     err_text());
	fake_send(a, MAC_B, MAC_A);
	fake_send(a, MAC_C, MAC_A);
	fake_switch_poll(sw);
	vsw_see_poll(see);
	j = vsw_see_trace_json(see, id);
	p = json_array_get(json_object_get(j, "packets"), 0);
	cr_assert_eq(json_array_size(json_object_get(j, "packets")), 1);
	cr_assert(json_is_true(json_object_get(p, "done")));
	text = vsw_see_trace_text(p);
	cr_assert_str_eq(text,
			 "packet 1: type 0x88b5 02:00:00:00:00:0a > 02:00:00:00:00:0b from "
			 "a/0, 200 bytes\n"
			 "  in            a/0, VLAN 10\n"
			 "  capture_in    passed\n"
			 "  filter_in     passed\n"
			 "  policy_in     passed\n"
			 "  forward       -> b/0\n"
			 "  policy_out    -> b/0\n"
			 "  filter_out    -> b/0\n"
			 "  capture_out   -> b/0\n"
			 "  out           -> b/0\n",
			 "%s", text);
	free(text);
	json_decref(j);
}

Test(vsw_see_switch, remembers_what_was_dropped_anywhere)
{
	static const char *const want[] = {"rx_no_buffer", "same_port", "vlan_denied", "runt"};
	json_t *j = NULL;
	size_t i;

	cr_assert_eq(vsw_see_drops_watch(see, ""), 0);
	fake_send(a, MAC_B, MAC_A)->len = 9;
	fake_switch_poll(sw);
	fake_send(a, MAC_B, MAC_A)->flags = NETHV_PKT_VLAN;
	a->in[a->nr_in - 1].tci = 77;
	fake_switch_poll(sw);
	fake_send(a, MAC_A, MAC_A);
	fake_switch_poll(sw);
	bp->refuse = VSW_DROP_rx_no_buffer;
	fake_send(a, MAC_B, MAC_A);
	fake_switch_poll(sw);
	cr_assert_eq(vsw_see_drops_json(see, "", 0, &j), 0);
	cr_assert_eq(json_array_size(j), 4);
	for (i = 0; i < 4; i++)
		cr_assert_str_eq(json_string_value(json_object_get(json_array_get(j, i), "reason")),
				 want[i]);
	cr_assert_str_eq(json_string_value(json_object_get(json_array_get(j, 0), "port")), "b/0");
	cr_assert_str_eq(json_string_value(json_object_get(json_array_get(j, 3), "summary")),
			 "runt");
	json_decref(j);
}

/* With nothing to see, the short way is taken again. */
Test(vsw_see_switch, leaves_nothing_behind)
{
	uint32_t id;

	cr_assert_eq(vsw_see_trace_add(see, "", 4, &id), 0);
	cr_assert(sw->snap->is_long);
	cr_assert_eq(vsw_see_trace_remove(see, id), 0);
	cr_assert_not(sw->snap->is_long);
	fake_send(a, MAC_B, MAC_A);
	fake_switch_poll(sw);
	cr_assert_eq(bp->nr_out, 1);
}
