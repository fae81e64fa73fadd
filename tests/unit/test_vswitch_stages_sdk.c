/* SPDX-License-Identifier: BSD-3-Clause */
/* What the SDK gives extensions on a vector's long way beyond the rules of docs/conformance.md: other
 * heads, plain packets, tags and marks, packets that are held. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/extbed.h"
#include "tests/support/seen.h"

TestSuite(vsw_stages, .init = bed_suite_up, .fini = bed_suite_down);

SEEN(fil, "f");
SEEN(fil2, "g");

/* ---- Heads, segments, tags ----------------------------------------------------------------- */

static void encapsulates(struct hooks *k, struct nethv_burst *b)
{
	uint8_t head[64];

	for (uint16_t i = 0; i < b->n; i++) {
		memcpy(head, nethv_bytes(b->pkt[i]), 12);
		memset(head + 12, 0xEE, 52);
		((struct seen *)k)->rc[0] = b->host->set_head(b, i, 0, head, 64);
	}
}

static void decapsulates(struct hooks *k, struct nethv_burst *b)
{
	((struct seen *)k)->rc[0] = b->host->set_head(b, 0, 64, NULL, 0);
}

Test(vsw_stages, a_head_is_put_on_and_taken_off_whatever_lies_behind)
{
	unsigned int scattered, hdr_len;

	bed_hook(&bed, "hook-plain", "", &fil.k);
	for (scattered = 0; scattered < 2; scattered++) {
		for (hdr_len = 64; hdr_len <= 128; hdr_len += 64) {
			struct fake_frame *f;

			fil.k.ingress = encapsulates;
			bed.p[0]->is_scattered = scattered;
			bed.p[0]->hdr_len = (uint16_t)hdr_len;
			f = bed_send(&bed, 0, 1);
			f->len = 1400;
			memset(f->bytes + 200, 0x5A, 1200);
			bed_poll(&bed);
			cr_assert_eq(fil.rc[0], NETHV_OK);
			cr_assert_eq(bed.p[1]->out[0].len, 1464);
			cr_assert_eq(memcmp(bed.p[1]->out[0].bytes + 64, f->bytes, 1400), 0,
				     "%u %u", scattered, hdr_len);
			bed.p[2]->in[0] = bed.p[1]->out[0];
			bed.p[2]->nr_in = 1;
			bed.p[2]->nr_taken = 0;
			fil.k.ingress = decapsulates;
			bed_poll(&bed);
			cr_assert_eq(fil.rc[0], NETHV_OK);
			cr_assert_eq(bed.p[1]->nr_out, 2, "to the inner address");
			cr_assert_eq(bed.p[1]->out[1].len, 1400);
			cr_assert_eq(memcmp(bed.p[1]->out[1].bytes, f->bytes, 1400), 0);
			fake_clear(bed.p[1]);
		}
	}
}

static void counts_lengths(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	for (uint16_t i = 0; i < b->n; i++)
		s->rc[s->in++ & 15] = (int)b->pkt[i]->len << 8 |
				      (b->pkt[i]->flags & (NETHV_PKT_CSUM | NETHV_PKT_LSO));
}

Test(vsw_stages, who_wants_plain_packets_gets_segments_in_order_with_checksums)
{
	struct fake_frame *f;

	bed_hook(&bed, "hook-plain", "", &fil.k);
	fil.k.ingress = counts_lengths;
	bed_send(&bed, 0, 1)->len = 70;
	f = bed_send(&bed, 0, 1);
	f->len = 54 + 250;
	fake_tcp(f, NETHV_PKT_LSO, 100);
	fake_tcp(bed_send(&bed, 0, 1), NETHV_PKT_CSUM, 0);
	bed_poll(&bed);
	cr_assert_eq(fil.in, 5);
	cr_assert_eq(fil.rc[0], 70 << 8);
	cr_assert_eq(fil.rc[1], 154 << 8);
	cr_assert_eq(fil.rc[2], 154 << 8);
	cr_assert_eq(fil.rc[3], 104 << 8);
	cr_assert_eq(fil.rc[4], 200 << 8);
	cr_assert_eq(bed.p[1]->nr_out, 5);
}

static void retags(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->rc[0] = b->host->set_vlan(b, 0, 0x6005);
	s->rc[1] = b->host->set_vlan(b, 0, 0xFFF);
	s->rc[2] = b->host->set_mark(b, 0, 0xC0FFEE);
}

static void sees_mark(struct hooks *k, struct nethv_burst *b)
{
	((struct seen *)k)->rc[0] = (int)b->pkt[0]->mark;
}

Test(vsw_stages, a_packet_moves_to_another_vlan_and_is_marked)
{
	struct vsw_port_cfg other = {.name = "other", .pvid = 5};

	bed_port(&bed, 4, other);
	bed_hook(&bed, "hook-plain", "below", &fil2.k);
	bed_hook(&bed, "hook-filter", "f", &fil.k);
	fil.k.ingress = retags;
	fil2.k.ingress = sees_mark;
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[0], NETHV_OK);
	cr_assert_eq(fil.rc[1], NETHV_ERANGE);
	cr_assert_eq(fil2.rc[0], 0xC0FFEE);
	cr_assert_eq(bed.p[4]->nr_out, 1);
	cr_assert_eq(bed.p[1]->nr_out, 0);
}

/* ---- Holding ------------------------------------------------------------------------------- */

static struct {
	uint32_t handle[64];
	unsigned int n;
} kept;

static void holds(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		if (b->host->hold(b, i, &kept.handle[kept.n]) == NETHV_OK)
			kept.n++;
}

static void releases(struct hooks *k, struct nethv_burst *b)
{
	unsigned int i;

	for (i = 0; i < kept.n; i++)
		b->host->release(b, kept.handle[i]);
	if (kept.n) {
		b->host->release(b, kept.handle[0]); /* twice */
		b->host->release(b, 100000);
	}
	kept.n = 0;
}

Test(vsw_stages, a_held_packet_comes_back_where_it_left_even_when_its_sender_rewrote_it)
{
	struct fake_frame before;

	bed_hook(&bed, "hook-holder", "", &fil.k);
	bed_hook(&bed, "hook-plain", "above", &fil2.k);
	fil.k.ingress = holds;
	bed_send(&bed, 0, 1)->len = 2000;
	bed_send(&bed, 0, 1);
	bed.p[0]->in[0].bytes[1999] = 0x77;
	before = bed.p[0]->in[0];
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 0);
	cr_assert_eq(bed_status(&bed, "hook-holder").sum.held, 2);
	memset(bed.p[0]->in[0].bytes, 0, 2000);
	fil.k.ingress = NULL;
	fil.k.poll = releases;
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 2);
	cr_assert_eq(bed.p[1]->out[0].len, 2000);
	cr_assert_eq(memcmp(bed.p[1]->out[0].bytes, before.bytes, 2000), 0);
	cr_assert_eq(fil2.in, 2, "not again through those above");
	cr_assert_eq(bed_status(&bed, "hook-holder").sum.released, 2);
	cr_assert_eq(bed_status(&bed, "hook-holder").sum.broken, 1);
}

static void discards(struct hooks *k, struct nethv_burst *b)
{
	while (kept.n)
		b->host->discard(b, kept.handle[--kept.n], 1);
}

Test(vsw_stages, a_discarded_packet_is_a_drop_with_a_reason)
{
	bed_hook(&bed, "hook-holder", "", &fil.k);
	fil.k.egress = holds;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	fil.k.poll = discards;
	bed_poll(&bed);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_filtered), 1);
	cr_assert_eq(bed_status(&bed, "hook-holder").sum.drops[1], 1);
}

Test(vsw_stages, what_an_unloaded_holder_forgets_is_delivered_in_order)
{
	struct vsw_ext *e = bed_hook(&bed, "hook-holder", "", &fil.k);
	unsigned int i;

	fil.k.ingress = holds;
	for (i = 0; i < 10; i++)
		bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 0);
	vsw_ext_unload(e);
	cr_assert_eq(bed.p[1]->nr_out, 10);
	for (i = 0; i < 10; i++)
		cr_assert_eq(memcmp(bed.p[1]->out[i].bytes, bed.p[0]->in[i].bytes, 200), 0);
}
