/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool of a queue that may receive directly: which bytes a refill gets, and that nothing is written into a
 * receive buffer that was given back, whatever the device still has of it. The test is device, driver and
 * backend. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/dmabed.h"
#include "tests/support/eal.h"
#include "tests/support/prng.h"

#define BUFS 96u
#define RING 48u

static struct dma io;
static struct fakenic nic;
static struct secbed sec;
static struct vmq_direct *vd;
static struct vsw_vec vec;

static void create(uint32_t buf_size)
{
	const struct vmq_direct_cfg cfg = {.name = "pool",
					   .nr_bufs = BUFS,
					   .buf_size = buf_size,
					   .socket = SOCKET_ID_ANY,
					   .iova = &dma_ops,
					   .iova_ctx = &io};

	cr_assert_eq(vmq_direct_create(&vd, &cfg), 0, "%s", err_text());
	dma_add_pool(&io, vmq_direct_pool(vd));
}

static void setup(void)
{
	eal_up();
	dma_init(&io);
}

static void up(uint32_t section_size, uint32_t nr)
{
	create(section_size);
	secbed_create(&sec, section_size, nr, 7);
	fakenic_start(&nic, &io, vmq_direct_pool(vd), RING);
	cr_assert_eq(nic.nr, RING);
}

static void down(void)
{
	fakenic_stop(&nic);
	vmq_direct_destroy(vd);
	cr_expect_eq(io.nr, BUFS, "nothing but the pool's own bytes is mapped");
	secbed_destroy(&sec);
}

TestSuite(vmq_direct, .init = setup, .timeout = 100);

static struct vmq_direct_stats stats(void)
{
	struct vmq_direct_stats s;

	vmq_direct_stats(vd, &s);
	return s;
}

static uint8_t frame[12000];

static void make(uint32_t len, uint8_t seed)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		frame[i] = (uint8_t)(seed + i * 7);
}

/* One frame by DMA, received, looked at in the vector. */
static struct rte_mbuf *one(uint32_t len, uint8_t seed)
{
	static uint8_t got[12000];
	struct rte_mbuf *m;

	make(len, seed);
	cr_assert(fakenic_dma(&nic, frame, len));
	cr_assert_eq(fakenic_rx(&nic, &m, 1), 1);
	vec.n = vec.nr_sg = 0;
	fakenic_slot(&vec, m);
	cr_assert_eq(vec.slot[0].pkt.drop_reason, 0);
	vsw_slot_copy_frame(&vec, &vec.slot[0], got);
	cr_assert_eq(memcmp(got, frame, len), 0, "frame of %u", len);
	return m;
}

/* So many frames that all that is posted now was used. */
static void cycle(uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		rte_pktmbuf_free(one(60 + i, (uint8_t)i));
}

static void begin(void)
{
	cr_assert_eq(vmq_direct_begin(vd, &sec.b), 0, "%s", err_text());
}

/* ---- Life ------------------------------------------------------------------------------------ */

Test(vmq_direct, refuses_buffers_that_are_not_whole_pages)
{
	struct vmq_direct_cfg cfg = {
		.name = "pool", .nr_bufs = 8, .buf_size = 2048, .iova = &dma_ops};

	cr_expect_eq(vmq_direct_create(&vd, &cfg), -EINVAL);
	cfg.buf_size = 65536;
	cr_expect_eq(vmq_direct_create(&vd, &cfg), -EINVAL);
	cfg.buf_size = 4096;
	cfg.nr_bufs = 0;
	cr_expect_eq(vmq_direct_create(&vd, &cfg), -EINVAL);
	vmq_direct_destroy(NULL);
}

Test(vmq_direct, tells_drivers_how_long_a_frame_may_be)
{
	create(12288);
	cr_expect_eq(rte_pktmbuf_data_room_size(vmq_direct_pool(vd)), 12288);
	cr_expect_geq(rte_pktmbuf_priv_size(vmq_direct_pool(vd)), VSW_DIRECT_PRIV);
	cr_expect_eq(rte_mempool_avail_count(vmq_direct_pool(vd)), BUFS);
	vmq_direct_destroy(vd);
}

Test(vmq_direct, refuses_sections_shorter_than_its_buffers)
{
	create(12288);
	secbed_create(&sec, 4096, 8, 1);
	cr_expect_eq(vmq_direct_begin(vd, &sec.b), -EINVAL);
	cr_expect_not(vmq_direct_is_on(vd));
	vmq_direct_destroy(vd);
	secbed_destroy(&sec);
}

Test(vmq_direct, maps_pages_in_a_row_at_once)
{
	create(4096);
	secbed_create(&sec, 4096, 64, 1);
	begin();
	cr_expect_eq(io.nr, BUFS + 1);
	cr_expect_eq(vmq_direct_begin(vd, &sec.b), -EBUSY);
	vmq_direct_destroy(vd);
	cr_expect_eq(io.nr, BUFS, "destroy ends it");
	secbed_destroy(&sec);
}

Test(vmq_direct, a_begin_that_fails_leaves_nothing_behind)
{
	uint32_t i;

	up(4096, 64);
	for (i = 1; i <= 64; i += 9) {
		io.fail_in = i;
		cr_expect_eq(vmq_direct_begin(vd, &sec.b), -ENOSPC);
		cr_expect_eq(io.nr, BUFS);
		cr_expect_not(vmq_direct_is_on(vd));
	}
	io.fail_in = 0;
	cycle(RING);
	begin();
	down();
}

/* ---- Refills --------------------------------------------------------------------------------- */

static void check_direct(uint32_t section_size, uint32_t max)
{
	uint32_t len, n = 0;

	up(section_size, 128);
	begin();
	cycle(RING);
	for (len = 60; len <= max; len += 37) {
		struct rte_mbuf *m = one(len, (uint8_t)len);
		const struct vsw_direct *d = vsw_direct_of(m);

		cr_assert_eq(d->buf, &sec.b);
		cr_assert_eq(sec.owner[d->sec], SEC_LENT);
		cr_assert_eq(m->data_off, VSW_DIRECT_HEAD);
		cr_assert_eq(m->buf_addr, sec.page[d->sec * (section_size / 4096)]);
		n++;
		rte_pktmbuf_free(m);
	}
	cr_expect_eq(stats().own, 0);
	cr_expect_geq(stats().sections, n);
	cr_expect_eq(io.faults, 0);
	down();
}

Test(vmq_direct, frames_lie_in_sections_of_a_page)
{
	check_direct(4096, 4096 - 128);
}

Test(vmq_direct, frames_lie_in_sections_of_three_scattered_pages)
{
	check_direct(12288, 9022);
}

Test(vmq_direct, a_frame_longer_than_its_section_has_no_bytes)
{
	struct rte_mbuf *m;

	up(4096, 128);
	begin();
	cycle(RING);
	m = one(1000, 1);
	m->pkt_len = m->data_len = 4096 - 127;
	vec.n = 0;
	fakenic_slot(&vec, m);
	cr_expect_eq(vec.slot[0].pkt.drop_reason, VSW_DROP_too_big);
	cr_expect_eq(vec.slot[0].pkt.hdr_len, 0);
	cr_expect_null(vec.slot[0].data);
	cr_expect_eq(vec.slot[0].sg_count, 0);
	m->data_len = 100;
	vec.n = 0;
	fakenic_slot(&vec, m);
	cr_expect_eq(vec.slot[0].pkt.drop_reason, VSW_DROP_too_big, "more than there is");
	rte_pktmbuf_free(m);
	down();
}

Test(vmq_direct, frames_in_several_mbufs_are_pieced_together)
{
	static uint8_t got[8000];
	struct rte_mbuf *m[2];
	uint32_t i;

	up(4096, 128);
	begin();
	cycle(RING);
	make(6000, 3);
	cr_assert(fakenic_dma(&nic, frame, 3968) && fakenic_dma(&nic, frame + 3968, 6000 - 3968));
	for (i = 0; i < 2; i++)
		cr_assert_eq(fakenic_rx(&nic, &m[i], 1), 1);
	m[0]->next = m[1];
	m[0]->nb_segs = 2;
	m[0]->pkt_len = 6000;
	vec.n = vec.nr_sg = 0;
	fakenic_slot(&vec, m[0]);
	cr_assert_eq(vec.slot[0].pkt.drop_reason, 0);
	vsw_slot_copy_frame(&vec, &vec.slot[0], got);
	cr_expect_eq(memcmp(got, frame, 6000), 0);
	rte_pktmbuf_free(m[0]);
	down();
}

Test(vmq_direct, lends_half_of_the_sections_at_most)
{
	up(4096, 64);
	begin();
	cycle(3 * RING);
	cr_expect_eq(stats().lent, 32);
	cr_expect_eq(secbed_count(&sec, SEC_LENT), 32);
	cr_expect_gt(stats().own, 0);
	down();
}

Test(vmq_direct, copies_while_the_guest_holds_all_and_goes_on_afterwards)
{
	uint64_t before;

	up(4096, 256);
	begin();
	sec.keep = 256;
	cycle(2 * RING);
	cr_expect_eq(stats().sections, 0);
	cr_expect_eq(stats().own, 2 * RING);
	sec.keep = 0;
	cycle(2 * RING);
	before = stats().own;
	cycle(RING);
	cr_expect_eq(stats().own, before);
	down();
}

Test(vmq_direct, a_section_whose_frame_was_dropped_stays_with_its_mbuf)
{
	void *next[BUFS];
	struct rte_mbuf *m;
	uint32_t was, lent, n = 0;

	up(4096, 256);
	begin();
	cycle(RING);
	m = one(100, 1);
	was = vsw_direct_of(m)->sec;
	lent = stats().lent;
	rte_pktmbuf_free(m);
	cr_expect_eq(stats().lent, lent);
	do /* others may be ready to go out first */
		cr_assert_eq(rte_mempool_get(vmq_direct_pool(vd), &next[n]), 0);
	while (next[n++] != m);
	cr_expect_eq(vsw_direct_of(m)->buf, &sec.b);
	cr_expect_eq(vsw_direct_of(m)->sec, was);
	rte_mempool_put_bulk(vmq_direct_pool(vd), next, n);
	down();
}

Test(vmq_direct, a_section_that_was_handed_out_is_the_guests)
{
	struct rte_mbuf *m;
	uint32_t was, lent;

	up(4096, 256);
	begin();
	cycle(RING);
	m = one(100, 1);
	was = vsw_direct_of(m)->sec;
	lent = stats().lent;
	vsw_direct_gone(m);
	sec.owner[was] = SEC_GUEST;
	cr_expect_eq(m->buf_addr, vsw_direct_of(m)->host_addr);
	rte_pktmbuf_free(m);
	cr_expect_eq(stats().lent, lent - 1);
	cycle(RING);
	cr_expect_eq(sec.owner[was], SEC_GUEST);
	down();
}

/* ---- Giving back ----------------------------------------------------------------------------- */

Test(vmq_direct, what_was_written_before_the_end_is_received_after_it)
{
	static uint8_t got[12000];
	struct rte_mbuf *m;
	uint32_t i;

	up(12288, 128);
	begin();
	cycle(RING);
	for (i = 0; i < RING; i++) {
		make(9000 + i, (uint8_t)i);
		cr_assert(fakenic_dma(&nic, frame, 9000 + i));
	}
	vmq_direct_end(vd);
	cr_expect_eq(secbed_count(&sec, SEC_FREE), 128);
	cr_expect_eq(stats().lent, 0);
	cr_expect_eq(stats().stale, RING);
	secbed_fill(&sec, 0xA5);
	for (i = 0; i < RING; i++) {
		cr_assert_eq(fakenic_rx(&nic, &m, 1), 1);
		vec.n = vec.nr_sg = 0;
		fakenic_slot(&vec, m);
		make(9000 + i, (uint8_t)i);
		vsw_slot_copy_frame(&vec, &vec.slot[0], got);
		cr_assert_eq(memcmp(got, frame, 9000 + i), 0);
		rte_pktmbuf_free(m);
	}
	cr_expect_eq(stats().stale, 0);
	down();
}

/* Everywhere the device was ever told of: also where no descriptor leads any more. */
static void write_everywhere(const uint64_t *addr, uint32_t n)
{
	static const uint8_t junk[3900] = {1, 2, 3};
	uint32_t i;

	for (i = 0; i < n; i++)
		dma_write(&io, addr[i], junk, sizeof(junk));
}

Test(vmq_direct, memory_that_was_given_back_is_not_written_to_a_thousand_times)
{
	uint64_t addr[RING];
	uint32_t round, i;
	struct prng p;

	prng_init(&p);
	up(4096, 128);
	for (round = 0; round < 1000; round++) {
		begin();
		cycle(prng_below(&p, 2 * RING));
		for (i = 0; i < RING; i++)
			addr[i] = nic.d[i].addr;
		for (i = prng_below(&p, RING); i > 0; i--)
			fakenic_dma(&nic, frame, 60);
		vmq_direct_end(vd);
		cr_assert_eq(secbed_count(&sec, SEC_FREE), 128);
		secbed_fill(&sec, (uint8_t)round);
		write_everywhere(addr, RING);
		while (fakenic_dma(&nic, frame, 1000))
			;
		for (i = prng_below(&p, 2 * RING); i > 0; i--) {
			struct rte_mbuf *m;

			if (fakenic_rx(&nic, &m, 1))
				rte_pktmbuf_free(m);
			fakenic_dma(&nic, frame, 1000);
		}
		cr_assert(secbed_is(&sec, (uint8_t)round), "round %u", round);
		for (i = 0; i < RING;
		     i++) { /* all that is written is received, or the next round begins full */
			struct rte_mbuf *m;

			if (fakenic_rx(&nic, &m, 1))
				rte_pktmbuf_free(m);
		}
	}
	cr_expect_eq(io.faults, 0, "a descriptor always leads somewhere");
	down();
}

Test(vmq_direct, descriptors_keep_the_address_they_have_for_as_long_as_they_like)
{
	uint64_t addr[RING];
	uint32_t i, k;

	up(4096, 128);
	begin();
	cycle(RING);
	for (i = 0; i < RING; i++)
		addr[i] = nic.d[i].addr;
	for (k = 0; k < 20; k++) { /* on and off without a single frame */
		vmq_direct_end(vd);
		cr_assert_eq(stats().stale, RING);
		begin();
	}
	vmq_direct_end(vd);
	secbed_fill(&sec, 0x3C);
	for (i = 0; i < RING; i++)
		cr_assert_eq(nic.d[i].addr, addr[i]);
	cycle(RING);
	cr_expect(secbed_is(&sec, 0x3C));
	cr_expect_eq(io.faults, 0);
	cr_expect_eq(stats().stale, 0);
	vmq_direct_end(vd);
	begin();
	cr_expect_eq(io.nr, BUFS + 128, "maps of earlier windows are gone");
	down();
}

Test(vmq_direct, no_address_is_used_twice_while_a_descriptor_may_have_it)
{
	uint64_t first[RING];
	uint32_t i, k;

	up(4096, 128);
	begin();
	cycle(RING);
	vmq_direct_end(vd);
	for (i = 0; i < RING; i++)
		first[i] = nic.d[i].addr & ~4095ull;
	secbed_fill(&sec, 0x77);
	for (k = 0; k < 10; k++) {
		begin();
		for (i = 0; i < RING; i++)
			cr_assert(dma_write(&io, first[i], frame, 16));
		cr_assert_eq(stats().stale, RING);
		vmq_direct_end(vd);
	}
	cr_expect(secbed_is(&sec, 0x77));
	cr_expect_eq(io.faults, 0);
	down();
}
