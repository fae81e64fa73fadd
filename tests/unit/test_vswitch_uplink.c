/* SPDX-License-Identifier: BSD-3-Clause */
/* Uplinks over DPDK's software devices. Those of the kernel (TAP, AF_PACKET, AF_XDP) need root. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/fakeport.h"
#include "tests/support/netns.h"
#include "tests/support/scratch.h"
#include "vswitch/priv.h"
#include "vswitch/uplink.h"

TestSuite(vsw_uplink, .init = eal_up);

#define BCAST 0xFFFFFFFFFFFFull
#define MAC_A 0x0a0000000002ull
#define MAC_R 0x0f0000000002ull

static struct vsw *sw;

static struct vsw_uplink_cfg up_cfg(const char *name, const char *devargs)
{
	struct vsw_uplink_cfg c = {.devargs = devargs};

	strcpy(c.name, name);
	return c;
}

static void switch_up(enum vsw_poll_mode mode)
{
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}, .poll = mode};

	cr_assert_eq(vsw_create(&sw, &cfg), 0, "%s", err_text());
}

static struct vsw_uplink *plug(const char *name, const char *devargs)
{
	struct vsw_uplink_cfg c = up_cfg(name, devargs);
	struct vsw_uplink *u = NULL;

	cr_assert_eq(vsw_uplink_create(&u, sw, &c), 0, "%s", err_text());
	return u;
}

static struct fake_port *nic_a(uint16_t pvid)
{
	struct vsw_port_cfg c = {.name = "a", .pvid = pvid};
	uint64_t mac = MAC_A;

	memcpy(c.mac, &mac, 6);
	return fake_port_new(sw, &c);
}

static void finish(struct fake_port *a)
{
	fake_port_free(a);
	vsw_stop(sw);
	cr_assert(fake_is_balanced(sw));
	vsw_destroy(sw);
}

/* Polls until @a got a frame; gives up after five seconds. */
static bool gets_frame(struct fake_port *a)
{
	unsigned int i;

	for (i = 0; i < 5000 && a->nr_out == 0; i++) {
		fake_switch_poll(sw);
		usleep(1000);
	}
	return a->nr_out > 0;
}

static bool is_root(void)
{
	return geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0;
}

static int run(const char *cmd)
{
	return WEXITSTATUS(system(cmd));
}

static void expect_refused(const char *devargs, const char *netns, int code, const char *text)
{
	struct vsw_uplink_cfg c = up_cfg("up0", devargs);
	struct vsw_uplink *u = NULL;
	int rc;

	c.netns = netns;
	rc = vsw_uplink_create(&u, sw, &c);
	cr_assert_lt(rc, 0);
	cr_assert(code == 0 || rc == code, "%s: %d", devargs, rc);
	cr_assert_null(u);
	cr_assert(strstr(err_text(), "uplink up0") && strstr(err_text(), text), "%s", err_text());
}

Test(vsw_uplink, says_what_is_wrong_with_a_device_and_leaves_nothing)
{
	switch_up(VSW_POLL_SHARED);
	expect_refused("", NULL, -EINVAL, "no devargs");
	expect_refused("net_nosuch0", NULL, 0, "driver installed");
	expect_refused("net_pcap0,rx_pcap=/nonexistent/x.pcap", NULL, 0, "rx_pcap=");
	expect_refused("net_af_packet0,iface=nosuch0", NULL, 0, "naming an interface that exists");
	expect_refused("net_null0", "nosuchns", -ENOENT, "ip netns add nosuchns");
	expect_refused("net_null0", "../../etc", -EINVAL, "plain name");
	vsw_uplink_destroy(plug("up0", "net_null0"));
	vsw_destroy(sw);
}

Test(vsw_uplink, refuses_a_device_that_another_uplink_has)
{
	struct vsw_uplink *u;

	switch_up(VSW_POLL_SHARED);
	u = plug("first", "net_ring0");
	expect_refused("net_ring0", NULL, -EEXIST, "in use by another uplink");
	vsw_uplink_destroy(u);
	vsw_uplink_destroy(plug("first", "net_ring0"));
	vsw_destroy(sw);
}

Test(vsw_uplink, ring_returns_the_frames_sent_to_it)
{
	struct vsw_uplink *u;
	struct fake_port *a;
	unsigned int i;

	switch_up(VSW_POLL_SHARED);
	u = plug("ring", "net_ring0");
	a = nic_a(0);
	for (i = 0; i < 40; i++)
		fake_send(a, BCAST, MAC_R)->len = 60 + i * 40;
	fake_switch_poll(sw);
	cr_assert(gets_frame(a));
	for (i = 0; i < 35; i++) {
		cr_assert_eq(a->out[i].len, 60 + i * 40);
		cr_assert_eq(memcmp(a->out[i].bytes, a->in[i].bytes, 60), 0);
	}
	cr_assert_eq(a->nr_out, 37, "frames above MTU 1500 stay behind");
	vsw_uplink_destroy(u);
	finish(a);
}

Test(vsw_uplink, tags_go_in_band_on_a_trunk)
{
	struct vsw_uplink_cfg c = up_cfg("ring", "net_ring0");
	struct vsw_uplink *u = NULL;
	struct fake_port *a;
	struct vsw_port_stats st;

	switch_up(VSW_POLL_SHARED);
	c.vlan_mode = VSW_VLAN_TRUNK;
	c.pvid = 9;
	c.allowed[0] = 1 << 7;
	cr_assert_eq(vsw_uplink_create(&u, sw, &c), 0, "%s", err_text());
	a = nic_a(7);
	fake_send(a, BCAST, MAC_R);
	fake_switch_poll(sw);
	cr_assert(gets_frame(a));
	cr_assert_eq(a->out[0].len, 200);
	cr_assert_eq(memcmp(a->out[0].bytes, a->in[0].bytes, 200), 0);
	vsw_port_stats_get(sw, vsw_port_id(vsw_uplink_port(u)), &st);
	cr_assert_eq(st.in_packets, 1);
	cr_assert_eq(st.out_packets, 1);
	vsw_uplink_destroy(u);
	finish(a);
}

Test(vsw_uplink, pcap_writes_what_another_reads)
{
	char path[SCRATCH_PATH], args[SCRATCH_PATH + 32];
	struct vsw_uplink *u;
	struct fake_port *a;
	int fd = scratch_file(path, "pcap");

	switch_up(VSW_POLL_SHARED);
	a = nic_a(0);
	snprintf(args, sizeof(args), "net_pcap0,tx_pcap=%s", path);
	u = plug("w", args);
	fake_send(a, BCAST, MAC_R);
	fake_switch_poll(sw);
	vsw_uplink_destroy(u);
	snprintf(args, sizeof(args), "net_pcap1,rx_pcap=%s", path);
	u = plug("r", args);
	cr_assert(gets_frame(a));
	cr_assert_eq(a->out[0].len, 200);
	cr_assert_eq(memcmp(a->out[0].bytes, a->in[0].bytes, 200), 0);
	vsw_uplink_destroy(u);
	unlink(path);
	close(fd);
	finish(a);
}

Test(vsw_uplink, comes_and_goes_under_traffic, .timeout = 60)
{
	struct vsw_lcore_stats st;
	unsigned int i, k;

	switch_up(VSW_POLL_SHARED);
	cr_assert_eq(vsw_start(sw), 0, "%s", err_text());
	for (i = 0; i < 10; i++) {
		struct vsw_uplink *n = plug("null", "net_null0,size=64"),
				  *r = plug("ring", "net_ring0");

		vsw_lcore_stats_get(sw, 0, &st);
		for (k = 0; k < 1000; k++) {
			struct vsw_lcore_stats now;

			vsw_lcore_stats_get(sw, 0, &now);
			if (now.packets > st.packets + 1000)
				break;
			usleep(1000);
		}
		cr_assert_lt(k, 1000);
		vsw_uplink_destroy(i & 1 ? n : r);
		vsw_uplink_destroy(i & 1 ? r : n);
	}
	vsw_stop(sw);
	cr_assert(fake_is_balanced(sw));
	vsw_destroy(sw);
}

Test(vsw_uplink, memif_carries_frames_between_two_uplinks, .timeout = 60)
{
	struct vsw_uplink *s, *c;
	struct vsw_port_stats st;
	struct fake_port *a;
	char args[SCRATCH_PATH + 64], path[SCRATCH_PATH];
	unsigned int i;

	switch_up(VSW_POLL_SHARED);
	scratch_name(path, "memif");
	snprintf(args, sizeof(args), "net_memif0,role=server,id=0,socket=%s", path);
	s = plug("server", args);
	snprintf(args, sizeof(args), "net_memif1,role=client,id=0,socket=%s", path);
	c = plug("client", args);
	for (i = 0; i < 5000; i++) {
		struct vsw_uplink_status ss, cs;

		vsw_uplink_status(s, &ss);
		vsw_uplink_status(c, &cs);
		if (ss.is_link_up && cs.is_link_up)
			break;
		usleep(1000);
	}
	cr_assert_lt(i, 5000, "links up");
	a = nic_a(0);
	vsw_uplink_destroy(NULL);
	fake_send(a, BCAST, MAC_R);
	for (i = 0; i < 50;
	     i++) /* each frame that arrives is flooded again: stop the storm early */
		fake_switch_poll(sw);
	vsw_port_stats_get(sw, vsw_port_id(vsw_uplink_port(c)), &st);
	cr_assert_gt(st.in_packets, 0);
	vsw_port_stats_get(sw, vsw_port_id(vsw_uplink_port(s)), &st);
	cr_assert_gt(st.in_packets, 0);
	vsw_uplink_destroy(c);
	vsw_uplink_destroy(s);
	finish(a);
}

/* Two namespaces, a TAP uplink in each. */
static void taps_up(struct vsw_uplink *u[2])
{
	static const char *const ns[2] = {"nvt0", "nvt1"};
	char cmd[256], args[64];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct vsw_uplink_cfg c;

		snprintf(args, sizeof(args), "net_tap%u,iface=nvtap%u", i, i);
		snprintf(cmd, sizeof(cmd), "ip netns add %s", ns[i]);
		cr_assert_eq(run(cmd), 0);
		c = up_cfg(i ? "tap1" : "tap0", args);
		c.netns = ns[i];
		cr_assert_eq(vsw_uplink_create(&u[i], sw, &c), 0, "%s", err_text());
		snprintf(cmd, sizeof(cmd), "ip -n %s addr add 10.77.0.%u/24 dev nvtap%u", ns[i],
			 i + 1, i);
		cr_assert_eq(run(cmd), 0);
	}
}

static void taps_down(struct vsw_uplink *u[2])
{
	char cmd[128];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		vsw_uplink_destroy(u[i]);
		snprintf(cmd, sizeof(cmd), "ip -n nvt%u link show dev nvtap%u 2>/dev/null", i, i);
		cr_assert_neq(run(cmd), 0, "no TAP is left");
	}
}

Test(vsw_uplink, linux_pings_linux_through_two_taps, .timeout = 100)
{
	struct vsw_uplink_status st;
	struct vsw_lcore_stats ls;
	struct vsw_uplink *u[2];
	sigset_t all;
	int rc;

	if (!is_root())
		cr_skip_test("needs root and /dev/net/tun");
	netns_private();
	sigfillset(
		&all); /* as a program with a signalfd does: the TAP's signal must come through */
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	switch_up(VSW_POLL_SHARED);
	cr_assert_eq(vsw_start(sw), 0);
	taps_up(u);
	rc = run("ip netns exec nvt0 ping -q -c 20 -i 0.05 -W 2 10.77.0.2 >&2");
	vsw_uplink_status(u[0], &st);
	vsw_lcore_stats_get(sw, 0, &ls);
	taps_down(u);
	cr_assert_eq(rc, 0);
	cr_assert(st.is_link_up);
	cr_assert(st.has_wakeup);
	cr_assert_gt(ls.sleeps, 10, "it slept, and was woken");
	vsw_stop(sw);
	cr_assert(fake_is_balanced(sw));
	vsw_destroy(sw);
}

/* A veth pair in a namespace of its own; the device takes one end, the kernel's ARP comes from the
 * other. Returns what vsw_uplink_create() said. */
static int arp_through(const char *devargs, bool *has_come)
{
	struct vsw_uplink_cfg c = up_cfg("veth", devargs);
	struct vsw_uplink *u = NULL;
	struct fake_port *a = nic_a(0);
	unsigned int i;
	int rc;

	netns_private();
	cr_assert_eq(run("ip netns add nvp && ip -n nvp link add nvv0 type veth peer name nvv1 && "
			 "ip -n nvp link set nvv0 up && ip -n nvp link set nvv1 up && "
			 "ip -n nvp addr add 10.78.0.1/24 dev nvv1"),
		     0);
	c.netns = "nvp";
	rc = vsw_uplink_create(&u, sw, &c);
	run("ip netns exec nvp ping -q -c 3 10.78.0.2 >/dev/null 2>&1 &");
	*has_come = false;
	for (i = 0; rc == 0 && i < 3000 && !*has_come; i++) {
		const uint8_t *b = a->out[a->nr_out ? a->nr_out - 1 : 0].bytes;

		fake_switch_poll(sw);
		*has_come = a->nr_out && b[12] == 0x08 && b[13] == 0x06;
		usleep(1000);
	}
	vsw_uplink_destroy(u);
	fake_port_free(a);
	return rc;
}

Test(vsw_uplink, af_packet_joins_an_interface_of_another_namespace, .timeout = 60)
{
	bool has_come;

	if (!is_root())
		cr_skip_test("needs root");
	switch_up(VSW_POLL_SHARED);
	cr_assert_eq(arp_through("net_af_packet0,iface=nvv0", &has_come), 0, "%s", err_text());
	cr_assert(has_come);
	cr_assert(fake_is_balanced(sw));
	vsw_destroy(sw);
}

Test(vsw_uplink, af_xdp_joins_an_interface_of_another_namespace, .timeout = 60)
{
	bool has_come;
	int rc;

	if (!is_root())
		cr_skip_test("needs root");
	switch_up(VSW_POLL_SHARED);
	rc = arp_through("net_af_xdp0,iface=nvv0,force_copy=1", &has_come);
	if (rc)
		cr_skip_test("no AF_XDP here: %s", err_text());
	cr_assert(has_come);
	cr_assert(fake_is_balanced(sw));
	vsw_destroy(sw);
}

Test(vsw_uplink, vhost_makes_its_socket_and_takes_it_away)
{
	struct vsw_uplink *u;
	char args[SCRATCH_PATH + 64], path[SCRATCH_PATH];

	switch_up(VSW_POLL_SHARED);
	scratch_name(path, "vhost");
	snprintf(args, sizeof(args), "net_vhost0,iface=%s,queues=1", path);
	u = plug("vh", args);
	cr_assert_eq(access(path, F_OK), 0);
	fake_switch_poll(sw);
	vsw_uplink_destroy(u);
	cr_assert_neq(access(path, F_OK), 0);
	vsw_destroy(sw);
}

Test(vsw_uplink, a_tap_name_that_is_taken_is_said)
{
	struct vsw_uplink *u;

	if (!is_root())
		cr_skip_test("needs root and /dev/net/tun");
	switch_up(VSW_POLL_SHARED);
	u = plug("tap", "net_tap0,iface=nvtapx");
	expect_refused("net_tap1,iface=nvtapx", NULL, -EEXIST, "nvtapx exists already");
	vsw_uplink_destroy(u);
	vsw_destroy(sw);
}
