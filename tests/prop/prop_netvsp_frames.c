/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of every size through an adapter, from guest memory cut in any way. They come back by the
 * adapter's own receive buffer, byte for byte, and nothing is written beside them. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/copy.h"
#include "tests/support/eal.h"
#include "tests/support/nvspguest.h"

#define MSGS_MAX  4u	/* of any size */
#define BYTES_MAX 6000u /* of many, until the last one */

struct frame {
	uint32_t len;
	uint16_t tci;
	bool is_tagged;
	uint8_t bytes[9018];
};

static struct nguest g;
static struct prng rng;
static struct frame sent[NETVSP_MSGS_MAX];
static uint32_t nr_sent, nr_back;
static struct vsw_quiet quiet;

/* Appends a message with a random frame of @len bytes, and three bits of @what to tell of it. */
static void add_message(uint32_t len, uint32_t what)
{
	struct frame *f = &sent[nr_sent++];
	uint32_t i, n = 0;
	struct nguest_ppi ppi[3];

	f->len = len;
	f->tci = (uint16_t)prng_next(&rng);
	f->is_tagged = what & 1;
	for (i = 0; i < len; i++)
		f->bytes[i] = (uint8_t)(prng_next(&rng) >> 32);
	if (f->is_tagged)
		ppi[n++] = (struct nguest_ppi){RNDIS_PPI_VLAN, rndis_vlan_from_tci(f->tci)};
	if (what & 2)
		ppi[n++] = (struct nguest_ppi){RNDIS_PPI_HASH, 0x12345678};
	if (what & 4)
		ppi[n++] = (struct nguest_ppi){RNDIS_PPI_HASH_INFO, 1};
	nguest_add(&g, f->bytes, len, ppi, n);
}

static void check(void *ctx, const uint8_t *msg, uint32_t len)
{
	const struct frame *f = &sent[nr_back++];
	struct rndis_frame got;

	cr_assert_leq(nr_back, nr_sent);
	cr_assert_eq(rndis_parse_packet(msg, len, len, &got), 0);
	cr_assert_eq(got.data_len, f->len);
	cr_assert_eq(memcmp(msg + got.data_off, f->bytes, f->len), 0, "%u bytes", f->len);
	cr_assert_eq(got.has_vlan, f->is_tagged);
	if (f->is_tagged)
		cr_assert_eq(got.vlan_tci, f->tci);
}

/* What an lcore looks at before it asks (struct vsw_quiet). */
static bool is_quiet(void)
{
	return *quiet.now == *quiet.seen;
}

/* The messages go to the host and come back. */
static void and_back(void)
{
	uint8_t reason[VSW_VEC_SIZE];

	cr_assert_eq(nguest_host_rx(&g), 0); /* sections that come back */
	cr_assert_eq(nguest_host_rx(&g), 0);
	cr_assert(is_quiet(), "nothing is in the ring");
	nguest_send(&g);
	cr_assert_not(is_quiet(), "a lcore would not look");
	cr_assert_eq(nguest_host_rx(&g), nr_sent, "%s", g.bed.nic->chan[0].fault);
	cr_assert_not(is_quiet(), "the index may come around to where it was");
	cr_assert_eq(nguest_host_tx(&g, reason), nr_sent);
	nguest_host_done(&g);
	cr_assert_eq(nguest_receive(&g, check, NULL), 1);
	cr_assert_eq(nr_back, nr_sent);
}

/* The range list of a packet that has more messages than one must fit. */
static void one_packet(uint32_t len, uint32_t max)
{
	uint32_t more = prng_below(&rng, MSGS_MAX);

	nr_sent = nr_back = 0;
	add_message(len, prng_below(&rng, 8));
	while (more--)
		add_message(VSW_FRAME_MIN + prng_below(&rng, max - VSW_FRAME_MIN + 1),
			    prng_below(&rng, 8));
	and_back();
}

/* Mostly short frames of which there is nothing to tell, with others in between. */
static void one_run(uint32_t max)
{
	uint32_t n = 1 + prng_below(&rng, NETVSP_MSGS_MAX), bytes = 0, len;

	nr_sent = nr_back = 0;
	for (; n && bytes < BYTES_MAX; n--, bytes += len) {
		uint32_t most = prng_below(&rng, 16) ? 100 : prng_below(&rng, 2) ? 300 : max;

		len = VSW_FRAME_MIN + prng_below(&rng, most - VSW_FRAME_MIN + 1);
		add_message(len, prng_below(&rng, 32) ? 0 : prng_below(&rng, 8));
	}
	and_back();
}

/* Every size once, or every n-th where STEPS allows no more. */
static void every_size(uint32_t max)
{
	const uint32_t steps = prng_steps(4 * max);
	const uint32_t step = 4 * max / steps + (4 * max % steps != 0);
	uint32_t len;

	for (len = VSW_FRAME_MIN + prng_below(&rng, step); len <= max; len += step)
		one_packet(len, max);
	one_packet(max, max);
}

static void runs(uint32_t max)
{
	uint32_t i, steps = prng_steps(2000);

	for (i = 0; i < steps; i++)
		one_run(max);
}

/* With guests whose memory lies in each way, by stores of any width. */
static void in_sections(uint16_t mtu, uint32_t section, void (*packets)(uint32_t max))
{
	const struct netvsp_nic_cfg cfg = {.mtu = mtu};
	unsigned int how;

	eal_up();
	prng_init(&rng);
	for (how = 0; how < 4; how++) {
		copy_use((enum copy_width)prng_below(&rng, COPY_64 + 1));
		nguest_up(&g, &cfg, &rng, how & 1, how & 2);
		cr_assert_eq(g.bed.nic->st->section_size, section);
		quiet = netvsp_quiet(g.bed.nic, 0);
		packets(mtu + 18u);
		nguest_check_empty(&g);
		nguest_down(&g);
	}
}

Test(netvsp_frames, arrive_byte_for_byte_in_sections_of_2048, .timeout = 200)
{
	in_sections(1500, 2048, every_size);
}

Test(netvsp_frames, arrive_byte_for_byte_in_sections_of_a_page, .timeout = 200)
{
	in_sections(3900, 4096, every_size);
}

Test(netvsp_frames, arrive_byte_for_byte_in_sections_of_three_pages, .timeout = 200)
{
	in_sections(9000, 12288, every_size);
}

Test(netvsp_frames, arrive_in_runs_of_short_ones, .timeout = 200)
{
	in_sections(1500, 2048, runs);
}

Test(netvsp_frames, arrive_in_runs_that_are_more_than_the_stage_holds, .timeout = 200)
{
	in_sections(9000, 12288, runs);
}
