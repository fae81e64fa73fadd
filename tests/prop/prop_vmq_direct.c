/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool for direct receive against a table of who owns each section. At all times a section is the backend's, or
 * under one head or in the pool's hand, or the guest's; and the bytes of those that are the backend's or the guest's
 * do not change, whatever the device writes to. Frames arrive in order and whole over all changes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/dmabed.h"
#include "tests/support/eal.h"
#include "tests/support/prng.h"

#define BUFS	  64u
#define RING	  24u
#define SECTIONS  96u
#define OLD_MAX	  512u
#define FRAME_MAX 3968u
#define PAGE	  4096u

/* Two buffers of the same adapter, one after the other. */
struct naive {
	struct secbed s;
	enum sec_owner was[SECTIONS];
	uint8_t mark[SECTIONS]; /* what fills it while it is not lent */
	uint8_t seen[SECTIONS];
};

static struct naive buf[2];
static struct naive *on; /* the one in use */
static struct dma io;
static struct fakenic nic;
static struct vmq_direct *vd;
static struct vsw_vec vec;
static struct prng p;

/* Written and not received yet. */
static struct {
	uint32_t len, seed;
} fifo[RING];
static uint32_t fifo_at, fifo_n, next_seed;

static uint64_t old[OLD_MAX]; /* addresses of windows that are gone */
static uint32_t nr_old;

static void frame_make(uint8_t *f, uint32_t len, uint32_t seed)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		f[i] = (uint8_t)(seed * 13 + i);
}

/* ---- The table ------------------------------------------------------------------------------- */

static uint8_t *bytes_of(struct naive *b, uint32_t sec)
{
	return b->s.page[sec];
}

/* A section that changed hands gets a mark of its own. */
static void mark_changed(struct naive *b)
{
	uint32_t i;

	for (i = 0; i < SECTIONS; i++) {
		if (b->s.owner[i] != b->was[i] && b->s.owner[i] != SEC_LENT) {
			b->mark[i] = (uint8_t)prng_below(&p, 256);
			memset(bytes_of(b, i), b->mark[i], PAGE);
		}
		b->was[i] = b->s.owner[i];
	}
}

static void look_at(struct rte_mempool *mp, void *ctx, void *obj, unsigned int i)
{
	const struct vsw_direct *d = vsw_direct_of(obj);

	if (!d->buf) {
		cr_assert_eq(((struct rte_mbuf *)obj)->buf_addr, d->host_addr);
		return;
	}
	cr_assert(on && d->buf == &on->s.b, "a section of a buffer that is gone");
	cr_assert_eq(on->s.owner[d->sec], SEC_LENT, "section %u is not the pool's", d->sec);
	cr_assert_eq(on->seen[d->sec]++, 0, "section %u is under two heads", d->sec);
	cr_assert_eq(((struct rte_mbuf *)obj)->buf_addr, bytes_of(on, d->sec));
}

static void check_owners(void)
{
	struct vmq_direct_stats st;
	uint32_t i, lent;

	for (i = 0; i < 2; i++) {
		memset(buf[i].seen, 0, sizeof(buf[i].seen));
		mark_changed(&buf[i]);
	}
	rte_mempool_obj_iter(vmq_direct_pool(vd), look_at, NULL);
	vmq_direct_stats(vd, &st);
	lent = secbed_count(&buf[0].s, SEC_LENT) + secbed_count(&buf[1].s, SEC_LENT);
	cr_assert_eq(st.lent, lent);
	cr_assert_leq(lent, SECTIONS / 2);
	cr_assert_eq(on != NULL, vmq_direct_is_on(vd));
	cr_assert_eq(io.faults, 0);
}

static void check_bytes(const char *when)
{
	uint32_t i, k;

	for (k = 0; k < 2; k++)
		for (i = 0; i < SECTIONS; i++) {
			const uint8_t *at = bytes_of(&buf[k], i);

			cr_assert(buf[k].s.owner[i] == SEC_LENT || (at[0] == buf[k].mark[i] &&
								    !memcmp(at, at + 1, PAGE - 1)),
				  "section %u was written to: %s", i, when);
		}
}

/* ---- What happens ---------------------------------------------------------------------------- */

static void begin(void)
{
	if (on)
		return;
	on = &buf[prng_below(&p, 2)];
	cr_assert_eq(vmq_direct_begin(vd, &on->s.b), 0, "%s", err_text());
}

/* The adapter's guest is gone as well: all of the buffer is free. */
static void end(void)
{
	uint32_t i;

	if (!on)
		return;
	for (i = 0; i < nic.nr && nr_old < OLD_MAX; i++)
		old[nr_old++] = nic.d[i].addr;
	vmq_direct_end(vd);
	cr_assert_eq(secbed_count(&on->s, SEC_LENT), 0);
	for (i = 0; prng_below(&p, 2) && i < SECTIONS; i++)
		on->s.owner[i] = SEC_FREE;
	on = NULL;
}

static void write_some(void)
{
	uint32_t i, n = prng_below(&p, RING);
	uint8_t f[FRAME_MAX];

	for (i = 0; i < n && fifo_n < RING; i++) {
		uint32_t len = 60 + prng_below(&p, FRAME_MAX - 59);

		frame_make(f, len, next_seed);
		cr_assert(fakenic_dma(&nic, f, len));
		fifo[(fifo_at + fifo_n++) % RING].len = len;
		fifo[(fifo_at + fifo_n - 1) % RING].seed = next_seed++;
	}
}

static void check_frame(const struct vsw_slot *s)
{
	uint8_t want[FRAME_MAX], got[FRAME_MAX];

	cr_assert_gt(fifo_n, 0);
	cr_assert_eq(s->pkt.len, fifo[fifo_at].len);
	frame_make(want, s->pkt.len, fifo[fifo_at].seed);
	vsw_slot_copy_frame(&vec, s, got);
	cr_assert_eq(memcmp(want, got, s->pkt.len), 0, "frame %u", fifo[fifo_at].seed);
	fifo_at = (fifo_at + 1) % RING;
	fifo_n--;
}

/* Some are dropped, some copied, some handed out. */
static void receive_some(void)
{
	struct rte_mbuf *m[RING];
	uint16_t i, n = fakenic_rx(&nic, m, (uint16_t)prng_below(&p, RING));

	vec.n = vec.nr_sg = 0;
	for (i = 0; i < n; i++) {
		struct vsw_direct *d = vsw_direct_of(m[i]);

		fakenic_slot(&vec, m[i]);
		check_frame(&vec.slot[i]);
		if (d->buf && prng_below(&p, 4)) {
			on->s.owner[d->sec] = SEC_GUEST;
			vsw_direct_gone(m[i]);
		}
	}
	for (i = 0; i < n; i++)
		rte_pktmbuf_free(m[i]);
}

static void complete_some(void)
{
	uint32_t i, k, odds = 1 + prng_below(&p, 4);

	for (k = 0; k < 2; k++)
		for (i = 0; i < SECTIONS; i++)
			if (buf[k].s.owner[i] == SEC_GUEST && !prng_below(&p, odds))
				buf[k].s.owner[i] = SEC_FREE;
}

/* A device that is out of its mind: while nothing waits to be received, which may lie in the same place, and no window
 * is there, which may have the addresses of one that no descriptor leads to any more. */
static void write_to_the_past(void)
{
	static const uint8_t junk[FRAME_MAX] = {1, 2, 3, 4};
	uint64_t faults = io.faults;

	while (nr_old && fifo_n == 0 && !on)
		dma_write(&io, old[--nr_old], junk, sizeof(junk));
	nr_old = on ? 0 : nr_old;
	io.faults = faults;
	check_bytes("by an address of a window that is gone");
}

static void keep_back(void)
{
	buf[0].s.keep = buf[1].s.keep = prng_below(&p, 3) ? 0 : prng_below(&p, SECTIONS + 1);
}

static void (*const step[])(void) = {
	write_some, receive_some, write_some,	     receive_some, complete_some,
	begin,	    end,	  write_to_the_past, keep_back,
};

Test(vmq_direct, agrees_with_a_table_of_owners)
{
	const struct vmq_direct_cfg cfg = {.name = "pool",
					   .nr_bufs = BUFS,
					   .buf_size = PAGE,
					   .socket = SOCKET_ID_ANY,
					   .iova = &dma_ops,
					   .iova_ctx = &io};
	unsigned int i, steps = prng_steps(20000);

	eal_up();
	prng_init(&p);
	dma_init(&io);
	cr_assert_eq(vmq_direct_create(&vd, &cfg), 0, "%s", err_text());
	dma_add_pool(&io, vmq_direct_pool(vd));
	for (i = 0; i < 2; i++)
		secbed_create(&buf[i].s, PAGE, SECTIONS, 5);
	fakenic_start(&nic, &io, vmq_direct_pool(vd), RING);
	for (i = 0; i < steps; i++) {
		step[prng_below(&p, sizeof(step) / sizeof(step[0]))]();
		check_owners();
		if (i % 64 == 0)
			check_bytes("in passing");
	}
	end();
	fakenic_stop(&nic);
	check_owners();
	vmq_direct_destroy(vd);
	cr_assert_eq(io.nr, BUFS, "no map is left");
	secbed_destroy(&buf[0].s);
	secbed_destroy(&buf[1].s);
}
