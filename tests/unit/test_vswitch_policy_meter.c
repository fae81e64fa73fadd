/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates, minimum shares, storm limits, and private VLANs. */
#include <criterion/criterion.h>
#include <string.h>

#include <rte_cycles.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/polbed.h"

TestSuite(vsw_meter, .init = eal_up);

#define IN  VSW_POLICY_INGRESS
#define OUT VSW_POLICY_EGRESS

static struct polbed bed;
static struct vsw_policy_cfg cfg;

static struct vsw_policy *make(struct vsw_policy *old)
{
	struct vsw_policy *pol = NULL;

	if (!old)
		polbed_init(&bed);
	cr_assert_eq(vsw_policy_create(&pol, &cfg, 2, old), 0, "%s", err_text());
	bed.v.now_tsc = old ? bed.v.now_tsc : rte_rdtsc();
	return pol;
}

/* Frames of @len from @src; all to a group address when @mac0 is one. Returns how many pass. */
static unsigned int send(struct vsw_policy *pol, enum vsw_policy_way way, unsigned int n,
			 uint16_t len, uint16_t src, uint8_t mac0)
{
	static uint8_t frame[1514];
	unsigned int passed = 0, k;

	memset(frame, mac0 == 0xFF ? 0xFF : 0, 6);
	frame[0] = mac0;
	for (; n; n -= k) {
		for (k = 0; k < VSW_VEC_SIZE && k < n; k++) {
			polbed_put_raw(&bed, frame, len, 64);
			bed.v.slot[k].pkt.src_port = src;
		}
		passed += polbed_run(&bed, pol, way);
	}
	return passed;
}

#define assert_about(value, want)                                                                \
	do {                                                                                     \
		unsigned int v_ = (value), w_ = (want);                                          \
		cr_assert(v_ >= w_ - w_ / 50 - 1 && v_ <= w_ + w_ / 50 + 1, "%u, want about %u", \
			  v_, w_);                                                               \
	} while (0)

Test(vsw_meter, bytes_pass_at_the_rate_after_the_burst)
{
	struct vsw_policy *pol;
	unsigned int i, passed = 0;

	cfg.rate[IN].max_kbps = 80000; /* 10 MB/s */
	cfg.rate[IN].burst_bytes = 200000;
	pol = make(NULL);
	cr_assert(!vsw_policy_has(pol, OUT));
	assert_about(send(pol, IN, 1000, 1000, 0, 0), 200);
	for (i = 0; i < 100; i++) {
		polbed_wait(&bed, 10); /* 100 frames' worth */
		passed += send(pol, IN, 300, 1000, 0, 0);
	}
	assert_about(passed, 10000);
	polbed_wait(&bed, 10000);
	assert_about(send(pol, IN, 1000, 1000, 0, 0), 200);
	vsw_policy_destroy(pol);
}

Test(vsw_meter, packets_pass_at_the_rate_whatever_their_size)
{
	struct vsw_policy *pol;
	struct vsw_policy_status st;

	cfg.rate[OUT].max_pps = 1000;
	cfg.rate[OUT].burst_packets = 10;
	pol = make(NULL);
	cr_assert(!vsw_policy_has(pol, IN));
	cr_assert_eq(send(pol, OUT, 100, 60, 0, 0), 10);
	polbed_wait(&bed, 7);
	assert_about(send(pol, OUT, 100, 1500, 0, 0), 7);
	vsw_policy_status(pol, 0, &st);
	cr_assert_geq(st.drops[VSW_POLICY_DROP_rate_out], 180);
	vsw_policy_destroy(pol);
}

Test(vsw_meter, a_frame_to_be_cut_counts_as_its_segments)
{
	struct vsw_policy *pol;
	struct nethv_pkt *p;
	unsigned int passed = 0, i;

	cfg.rate[IN].max_pps = 1;
	cfg.rate[IN].burst_packets = 100;
	pol = make(NULL);
	for (i = 0; i < 20; i++) {
		struct polbed_pkt t = {.proto = 6};

		polbed_put(&bed, &t);
		p = &bed.v.slot[0].pkt;
		p->flags |= NETHV_PKT_LSO;
		p->lso_mss = 1000;
		p->len = 54 + 10000;
		passed += polbed_run(&bed, pol, IN);
	}
	cr_assert_eq(passed, 10);
	vsw_policy_destroy(pol);
}

Test(vsw_meter, a_clock_that_is_behind_gives_nothing)
{
	struct vsw_policy *pol;

	cfg.rate[IN].max_pps = 1000;
	cfg.rate[IN].burst_packets = 10;
	pol = make(NULL);
	send(pol, IN, 100, 60, 0, 0);
	bed.v.now_tsc -= rte_get_tsc_hz() / 10; /* another lcore's */
	cr_assert_eq(send(pol, IN, 100, 60, 0, 0), 0);
	vsw_policy_destroy(pol);
}

Test(vsw_meter, a_change_does_not_fill_the_bucket)
{
	struct vsw_policy *pol, *next;

	cfg.rate[IN].max_pps = 1;
	cfg.rate[IN].burst_packets = 100;
	pol = make(NULL);
	cr_assert_eq(send(pol, IN, 90, 60, 0, 0), 90);
	cfg.rate[IN].burst_packets = 200;
	next = make(pol);
	vsw_policy_destroy(pol);
	cr_assert_eq(send(next, IN, 90, 60, 0, 0), 10);
	vsw_policy_destroy(next);
}

Test(vsw_meter, a_minimum_passes_and_the_rest_takes_what_is_left)
{
	static uint64_t min[VSW_PORTS_MAX] = {[1] = 40000, [2] = 16000}; /* 5 and 2 MB/s */
	struct vsw_policy *pol;
	unsigned int i, a = 0, b = 0, c = 0;

	cfg.share = (struct vsw_share_cfg){.total_kbps = 80000, .min_kbps = min};
	pol = make(NULL);
	send(pol, OUT, 1000, 1000, 3, 0); /* the bursts */
	send(pol, OUT, 1000, 1000, 1, 0);
	send(pol, OUT, 1000, 1000, 2, 0);
	for (i = 0; i < 1100; i++) {
		if (i == 100) /* the bursts of the minima are paid back */
			a = b = c = 0;
		polbed_wait(&bed, 1); /* 10 frames' worth, first come */
		c += send(pol, OUT, 30, 1000, 3, 0);
		a += send(pol, OUT, 4, 1000, 1, 0); /* less than its minimum */
		b += send(pol, OUT, 30, 1000, 2, 0);
	}
	cr_assert_eq(a, 4000);
	cr_assert_geq(b, 1900, "%u", b);
	assert_about(a + b + c, 10000);
	cr_assert_geq(c, 3000, "%u", c);
	vsw_policy_destroy(pol);
}

Test(vsw_meter, without_others_a_source_has_all_of_the_total)
{
	static uint64_t min[VSW_PORTS_MAX] = {[1] = 40000, [2] = 16000};
	struct vsw_policy *pol;
	unsigned int i, a = 0;

	cfg.share = (struct vsw_share_cfg){.total_kbps = 80000, .min_kbps = min};
	pol = make(NULL);
	send(pol, OUT, 2000, 1000, 2, 0);
	for (i = 0; i < 100; i++) {
		polbed_wait(&bed, 10);
		a += send(pol, OUT, 300, 1000, 2, 0);
	}
	assert_about(a, 10000);
	vsw_policy_destroy(pol);
}

Test(vsw_meter, broadcasts_and_multicasts_have_limits_of_their_own)
{
	struct vsw_policy *pol;

	cfg.broadcast_pps = 100;
	cfg.multicast_pps = 200;
	pol = make(NULL);
	cr_assert(!vsw_policy_has(pol, OUT));
	cr_assert_eq(send(pol, IN, 100, 60, 0, 0xFF), 10);
	cr_assert_eq(send(pol, IN, 100, 60, 0, 0x33), 20);
	cr_assert_eq(send(pol, IN, 100, 60, 0, 0x02), 100);
	polbed_wait(&bed, 50);
	assert_about(send(pol, IN, 100, 60, 0, 0xFF), 5);
	assert_about(send(pol, IN, 100, 60, 0, 0x01), 10);
	vsw_policy_destroy(pol);
}

Test(vsw_meter, what_is_dropped_before_costs_no_tokens)
{
	struct vsw_policy *pol;

	cfg.broadcast_pps = 1; /* 8 at once */
	cfg.rate[IN].max_pps = 1;
	cfg.rate[IN].burst_packets = 20;
	pol = make(NULL);
	cr_assert_eq(send(pol, IN, 100, 60, 0, 0xFF), 8);
	cr_assert_eq(send(pol, IN, 100, 60, 0, 0), 12);
	vsw_policy_destroy(pol);
}

/* Ports 0..5: promiscuous, isolated, isolated, community 1, 1, 2. */
Test(vsw_meter, private_vlan_roles_say_who_reaches_whom)
{
	static const char *const may[6] = {"111111", "100000", "100000",
					   "100110", "100110", "100001"};
	static const struct vsw_pvlan role[VSW_PORTS_MAX] = {
		[1] = {VSW_PVLAN_ISOLATED, 0},	[2] = {VSW_PVLAN_ISOLATED, 0},
		[3] = {VSW_PVLAN_COMMUNITY, 1}, [4] = {VSW_PVLAN_COMMUNITY, 1},
		[5] = {VSW_PVLAN_COMMUNITY, 2},
	};
	struct vsw_policy *pol;
	uint16_t from, to;

	cfg.pvlan_of = role;
	for (to = 0; to < 6; to++) {
		cfg.pvlan = role[to];
		pol = make(NULL);
		for (from = 0; from < 6; from++)
			cr_assert_eq(send(pol, OUT, 1, 60, from, 0),
				     (unsigned int)(may[from][to] - '0'), "from %u to %u", from,
				     to);
		cr_assert_eq(send(pol, OUT, 1, 60, NETHV_PORT_DEFAULT, 0), 1);
		cr_assert_eq(vsw_policy_has(pol, OUT), to != 0);
		vsw_policy_destroy(pol);
	}
}
