/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums and segments on their way through the switch: books that balance, tags in band, uplinks that
 * cut and uplinks whose device does. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/fakeport.h"
#include "tests/support/naive.h"
#include "tests/support/netns.h"
#include "vswitch/offload.h"
#include "vswitch/priv.h"
#include "vswitch/uplink_priv.h"

#define MAC_A 0x0a0000000002ull
#define MAC_B 0x0b0000000002ull
#define BCAST 0xFFFFFFFFFFFFull
#define MSS   100u

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0x0a}, mac_b[6] = {2, 0, 0, 0, 0, 0x0b};
static const uint8_t bcast[6] = {255, 255, 255, 255, 255, 255};

static struct vsw *sw;
static struct naive_frame whole, want, asked;

static void setup(void)
{
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}};

	eal_up();
	cr_assert_eq(vsw_create(&sw, &cfg), 0, "%s", err_text());
}

static void teardown(void)
{
	cr_assert(fake_is_balanced(sw));
	vsw_destroy(sw);
}

TestSuite(vsw_offload, .init = setup, .fini = teardown);

static struct fake_port *port(const char *name, const uint8_t *mac)
{
	struct vsw_port_cfg c = {.allowed = {1 << 7}, .vlan_mode = VSW_VLAN_TRUNK};
	struct fake_port *f;

	strcpy(c.name, name);
	if (mac)
		memcpy(c.mac, mac, 6);
	f = fake_port_new(sw, &c);
	cr_assert_not_null(f, "%s", err_text());
	return f;
}

/* Queues the frame @k at @f, to be cut, or with its checksum to be finished (@mss 0). */
static void queue(struct fake_port *f, const struct naive_kind *k, const uint8_t *dst, uint16_t mss)
{
	struct fake_frame *fr = fake_send(f, 0, 0);

	naive_make(&whole, k, dst, mac_a, 3);
	asked = whole;
	naive_unfinish(&asked, mss != 0);
	memcpy(fr->bytes, asked.bytes, asked.len);
	fr->len = asked.len;
	fr->flags = mss ? NETHV_PKT_LSO : NETHV_PKT_CSUM;
	fr->lso_mss = mss;
	fr->l3_off = (uint8_t)asked.l3;
	fr->l4_off = (uint8_t)asked.l4;
	fr->csum = (k->is_tcp ? NETHV_CSUM_TCP : NETHV_CSUM_UDP) | (k->is_v6 ? 0 : NETHV_CSUM_IP4);
}

static struct vsw_port_stats stats(const struct fake_port *f)
{
	struct vsw_port_stats st;

	vsw_port_stats_get(sw, vsw_port_id(f->port), &st);
	return st;
}

/* Segments [0, @n) are what lies in @f from its @first frame on. */
static void expect_segments(const struct fake_port *f, unsigned int first, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		cr_assert(naive_cut(&whole, MSS, i, &want));
		cr_assert_eq(f->out[first + i].len, want.len);
		cr_assert_eq(memcmp(f->out[first + i].bytes, want.bytes, want.len), 0, "%u", i);
	}
}

Test(vsw_offload, segments_count_as_copies)
{
	const struct naive_kind k = {.is_tcp = true, .payload = 1550};
	struct fake_port *a = port("a", mac_a), *b = port("b", mac_b);
	struct vsw_port_stats st;

	queue(a, &k, mac_b, MSS);
	fake_switch_poll(sw);
	cr_assert_eq(b->nr_out, 16);
	expect_segments(b, 0, 16);
	st = stats(a);
	cr_expect_eq(st.in_packets, 1);
	cr_expect_eq(st.copies, 15);
	cr_expect_eq(st.delivered, 16);
	st = stats(b);
	cr_expect_eq(st.out_packets, 16);
	cr_expect_eq(st.out_bytes, 1550 + 16 * 54);
	fake_port_free(a);
	fake_port_free(b);
}

Test(vsw_offload, each_segment_without_room_is_a_drop)
{
	const struct naive_kind k = {.is_tcp = true, .payload = 1550};
	struct fake_port *a = port("a", mac_a), *b = port("b", mac_b);
	struct vsw_port_stats st;

	b->room = 5;
	queue(a, &k, mac_b, MSS);
	queue(a, &k, mac_b, MSS);
	fake_switch_poll(sw);
	cr_assert_eq(b->nr_out, 5);
	st = stats(a);
	cr_expect_eq(st.in_packets, 2);
	cr_expect_eq(st.copies, 30);
	cr_expect_eq(st.delivered, 5);
	cr_expect_eq(st.drops[VSW_DROP_rx_no_buffer], 27);
	cr_expect_eq(stats(b).out_bytes, 5 * 154);
	fake_port_free(a);
	fake_port_free(b);
}

/* Flooded, each destination cuts for itself. */
Test(vsw_offload, each_destination_has_its_own_segments)
{
	const struct naive_kind k = {.is_tcp = true, .is_v6 = true, .payload = 250};
	struct fake_port *a = port("a", mac_a), *b = port("b", mac_b), *c = port("c", NULL);
	struct vsw_port_stats st;

	c->room = 1;
	queue(a, &k, bcast, MSS);
	queue(a, &k, mac_b, 0);
	fake_switch_poll(sw);
	cr_assert_eq(b->nr_out, 4);
	cr_assert_eq(c->nr_out, 1);
	cr_assert_eq(memcmp(b->out[3].bytes, whole.bytes, whole.len), 0);
	st = stats(a);
	cr_expect_eq(st.in_packets, 2);
	cr_expect_eq(st.copies, 1 + 2 + 2);
	cr_expect_eq(st.drops[VSW_DROP_rx_no_buffer], 2);
	fake_port_free(a);
	fake_port_free(b);
	fake_port_free(c);
}

/* A tag in band moves the headers when it is taken out of band. */
Test(vsw_offload, a_tag_in_band_moves_the_headers)
{
	struct naive_kind k = {.is_tcp = true, .is_tagged = true, .payload = 550};
	struct fake_port *a = port("a", mac_a), *b = port("b", mac_b);
	unsigned int i;

	queue(a, &k, mac_b, MSS);
	queue(a, &k, mac_b, 0);
	fake_switch_poll(sw);
	cr_assert_eq(b->nr_out, 7);
	k.is_tagged = false;
	naive_make(&whole, &k, mac_b, mac_a, 3);
	expect_segments(b, 0, 6);
	cr_assert_eq(memcmp(b->out[6].bytes, whole.bytes, whole.len), 0);
	for (i = 0; i < 7; i++)
		cr_expect_eq(b->out[i].tci, 0x6007);
	fake_port_free(a);
	fake_port_free(b);
}

/* ---- Uplinks ------------------------------------------------------------------------------- */

static struct vsw_vec vec;

/* Hands the long frame to the uplink, as an lcore would. */
static uint8_t hand_over(struct vsw_uplink *u, uint16_t mss)
{
	const uint16_t idx[1] = {0};
	uint8_t reason[1] = {0};
	struct vsw_slot *s = &vec.slot[0];

	memset(&s->pkt, 0, sizeof(s->pkt));
	memset(&vec.cut, 0, sizeof(vec.cut));
	vec.nr_cut = 0;
	memcpy(s->snap, asked.bytes, VSW_SNAP_SIZE);
	s->pkt.hdr_off = VSW_SNAP_OFF;
	s->pkt.hdr_len = VSW_SNAP_SIZE;
	s->pkt.len = asked.len;
	s->pkt.flags = mss ? NETHV_PKT_LSO : NETHV_PKT_CSUM;
	s->pkt.lso_mss = mss;
	s->pkt.l3_off = (uint8_t)asked.l3;
	s->pkt.l4_off = (uint8_t)asked.l4;
	s->pkt.csum = (asked.kind.is_tcp ? NETHV_CSUM_TCP : NETHV_CSUM_UDP) |
		      (asked.kind.is_v6 ? 0 : NETHV_CSUM_IP4);
	s->data = asked.bytes;
	cr_assert_eq(uplink_tx(u, &vec, idx, 1, reason), !reason[0]);
	return reason[0];
}

static void make(const struct naive_kind *k, bool is_long)
{
	naive_make(&whole, k, bcast, mac_b, 9);
	asked = whole;
	naive_unfinish(&asked, is_long);
}

static struct vsw_uplink *uplink(const char *devargs, enum vsw_uplink_offload who, const char *ns)
{
	struct vsw_uplink_cfg c = {.name = "up", .devargs = devargs, .netns = ns, .offload = who};
	struct vsw_uplink *u = NULL;

	cr_assert_eq(vsw_uplink_create(&u, sw, &c), 0, "%s", err_text());
	return u;
}

/* What goes into the ring comes out of it, towards a. */
Test(vsw_offload, an_uplink_cuts_what_its_device_does_not)
{
	struct naive_kind k = {
		.is_tcp = true, .payload = 1400 * 44 + 7, .id = 0xFFFE, .seq = UINT32_MAX};
	struct vsw_uplink *u = uplink("net_ring0", VSW_UPLINK_OFFLOAD_AUTO, NULL);
	struct fake_port *a = port("a", mac_a);
	unsigned int i;

	cr_assert_not(u->has_csum || u->has_tso);
	for (k.is_v6 = 0;; k.is_v6 = 1) {
		make(&k, true);
		cr_assert_eq(hand_over(u, 1400), 0);
		cr_assert_eq(vec.cut.sent, 44);
		cr_assert_eq(vec.cut.bytes + asked.len, (int64_t)(whole.data * 45 + k.payload));
		while (fake_switch_poll(sw))
			;
		cr_assert_eq(a->nr_out, 45);
		for (i = 0; naive_cut(&whole, 1400, i, &want); i++)
			cr_assert_eq(memcmp(a->out[i].bytes, want.bytes, want.len), 0, "%u", i);
		cr_assert_eq(i, 45);
		fake_clear(a);
		if (k.is_v6)
			break;
	}
	cr_assert_eq(hand_over(u, 1600), VSW_DROP_too_big);
	cr_assert_eq(vec.cut.lost[VSW_DROP_too_big], 38);
	vsw_uplink_destroy(u);
	fake_port_free(a);
}

Test(vsw_offload, an_uplink_that_takes_no_more_loses_the_rest_of_a_frame)
{
	const struct naive_kind k = {.is_tcp = true, .payload = 60000};
	struct vsw_uplink *u = uplink("net_ring0", VSW_UPLINK_OFFLOAD_AUTO, NULL);
	uint32_t sent = 0, lost = 0;
	unsigned int i, r;

	make(&k, true);
	for (i = 0; i < 4; i++) {
		uint8_t why = hand_over(u, 100);

		sent += vec.cut.sent + !why;
		for (r = 1; r < VSW_DROP_COUNT; r++)
			lost += vec.cut.lost[r];
		lost += why != 0;
	}
	cr_assert_eq(sent + lost, 2400);
	cr_assert_gt(lost, 0);
	cr_assert_gt(sent, 0);
	vsw_uplink_destroy(u);
}

/* ---- A TAP, seen from the kernel ----------------------------------------------------------- */

static int run(const char *cmd)
{
	return WEXITSTATUS(system(cmd));
}

/* All frames that the kernel gets from the TAP. */
static int tap_listen(const char *ns)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct timeval t = {2, 0};
	int saved, fd, size = 4 << 20;

	cr_assert_eq(vsw_netns_enter(ns, &saved), 0, "%s", err_text());
	fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	at.sll_ifindex = (int)if_nametoindex("nvo0");
	vsw_netns_leave(&saved);
	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

/* The next frame that was ours; its length. */
static ssize_t tap_next(int fd, uint8_t *buf, size_t room)
{
	ssize_t n;

	do {
		n = recv(fd, buf, room, 0);
	} while (n >= 12 && memcmp(buf + 6, mac_b, 6) != 0);
	return n;
}

static void through_tap(enum vsw_uplink_offload who)
{
	struct naive_kind k = {
		.is_tcp = true, .payload = 1400 * 20 + 3, .tcp_options = 12, .tcp_flags = 0x18};
	uint8_t buf[2048];
	struct vsw_uplink *u;
	unsigned int i;
	int fd;

	if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0)
		cr_skip_test("needs root and /dev/net/tun");
	netns_private();
	cr_assert_eq(run("ip netns add nvo"), 0);
	u = uplink("net_tap0,iface=nvo0", who, "nvo");
	cr_assert_eq(u->has_tso, who == VSW_UPLINK_OFFLOAD_DEVICE);
	fd = tap_listen("nvo");
	for (k.is_v6 = 0;; k.is_v6 = 1) {
		make(&k, true);
		cr_assert_eq(hand_over(u, 1400), 0);
		for (i = 0; i < 21; i++) {
			cr_assert(naive_cut(&whole, 1400, i, &want));
			cr_assert_eq(tap_next(fd, buf, sizeof(buf)), (ssize_t)want.len, "%u", i);
			cr_expect_null(naive_wrong(buf, want.len), "%u: %s", i,
				       naive_wrong(buf, want.len));
			cr_expect_eq(memcmp(buf, want.bytes, want.len), 0, "%u", i);
		}
		if (k.is_v6 || u->has_tso) /* that device's library knows IPv4 only */
			break;
	}
	k.payload = 700;
	make(&k, false);
	cr_assert_eq(hand_over(u, 0), 0);
	cr_assert_eq(tap_next(fd, buf, sizeof(buf)), (ssize_t)whole.len);
	cr_expect_eq(memcmp(buf, whole.bytes, whole.len), 0);
	close(fd);
	vsw_uplink_destroy(u);
}

Test(vsw_offload, linux_gets_good_segments_that_we_cut, .timeout = 60)
{
	through_tap(VSW_UPLINK_OFFLOAD_AUTO);
}

Test(vsw_offload, linux_gets_good_segments_that_the_device_cut, .timeout = 60)
{
	through_tap(VSW_UPLINK_OFFLOAD_DEVICE);
}
