/* SPDX-License-Identifier: BSD-3-Clause */
/* Any filters and any frame in any pieces: the table gives what the filters say one by one, and nothing behind the
 * frame's end is read.
 *
 * Input: number of filters, of bytes in each piece, flags (1: a tag was stripped), TCI (2); 5 bytes for each
 * filter: address (last 2 bytes), VLAN test, VLAN (2); the frame. */
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "vmq/filter.h"
#include "vmq/sort.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD   5u
#define ROW    5u
#define PIECES 64u
#define FRAME  1024u

struct pieces {
	struct rte_mbuf m[PIECES];
	uint8_t *bytes[PIECES]; /* exactly as long as they are */
	uint32_t nr;
};

static void filter_read(struct vmq_filter *f, const uint8_t *row)
{
	memcpy(f->mac, "\2\0\0\0", 4);
	memcpy(f->mac + 4, row, 2);
	f->vlan_test = row[2] % 3;
	f->vlan = 0;
	if (f->vlan_test == VMQ_VLAN_IS)
		f->vlan = (uint16_t)(1 + (row[3] << 8 | row[4]) % 4094);
}

static bool overlaps_any(const struct vmq_filter *f, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr && !vmq_filter_overlaps(&f[i], &f[nr]); i++)
		;
	return i < nr;
}

/* Those that may stand beside each other; filter i leads to queue i + 1. */
static uint32_t filters_read(struct vmq_filter *f, struct vmq_sort_rule *rule, const uint8_t *row,
			     uint32_t nr)
{
	uint32_t i, n = 0;

	for (i = 0; i < nr; i++) {
		filter_read(&f[n], row + i * ROW);
		if (overlaps_any(f, n))
			continue;
		rule[n] = (struct vmq_sort_rule){vmq_sort_key_filter(&f[n]), (uint8_t)(n + 1)};
		n++;
	}
	return n;
}

static void piece_add(struct pieces *p, const uint8_t *at, uint16_t n)
{
	struct rte_mbuf *m = &p->m[p->nr];

	p->bytes[p->nr] = malloc(n ? n : 1);
	if (n)
		memcpy(p->bytes[p->nr], at, n);
	memset(m, 0, sizeof(*m));
	m->buf_addr = p->bytes[p->nr];
	m->data_len = n;
	m->nb_segs = 1;
	if (p->nr) {
		p->m[p->nr - 1].next = m;
		p->m[0].nb_segs++;
	}
	p->m[0].pkt_len += n;
	p->nr++;
}

static void frame_cut(struct pieces *p, const uint8_t *at, uint32_t len, uint16_t piece)
{
	uint32_t n;

	p->nr = 0;
	do {
		n = p->nr + 1 == PIECES || !piece ? len : RTE_MIN(len, piece);
		piece_add(p, at, (uint16_t)n);
		at += n;
		len -= n;
	} while (len);
}

static uint8_t naive(const struct vmq_filter *f, uint32_t nr, const struct rte_mbuf *m,
		     const uint8_t *at, uint32_t len)
{
	const bool is_stripped = m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED;
	uint16_t vlan = is_stripped ? m->vlan_tci & 0xFFF : 0;
	uint32_t i;

	if (len < 14 || at[0] & 1)
		return 0;
	if (!is_stripped && at[12] == 0x81 && at[13] == 0) {
		if (len < 18)
			return 0;
		vlan = (uint16_t)((at[14] & 15) << 8 | at[15]);
	}
	for (i = 0; i < nr; i++) {
		if (vmq_filter_passes(&f[i], at, vlan))
			return (uint8_t)(i + 1);
	}
	return 0;
}

static void look_up(const struct vmq_filter *f, uint32_t nr, struct vmq_sort *t,
		    const struct pieces *p, const uint8_t *at)
{
	const uint64_t key = vmq_sort_key(p->m);
	const uint8_t want = naive(f, nr, p->m, at, p->m->pkt_len);

	if (vmq_sort_find(t, key) != want)
		abort();
	if (!want)
		return;
	if (!vmq_sort_lead(t, vmq_sort_key_filter(&f[want - 1]), 0) || vmq_sort_find(t, key))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint32_t nr_rows = size < HEAD ? 0 : data[0] & 127u, skip = HEAD + nr_rows * ROW;
	struct vmq_filter f[128];
	struct vmq_sort_rule rule[128];
	struct vmq_sort *t;
	struct pieces p;
	uint32_t nr, i;

	if (size < skip)
		return 0;
	nr = filters_read(f, rule, data + HEAD, nr_rows);
	if (vmq_sort_build(&t, rule, nr))
		abort();
	frame_cut(&p, data + skip, (uint32_t)RTE_MIN(size - skip, FRAME), data[1]);
	if (data[2] & 1)
		p.m[0].ol_flags = RTE_MBUF_F_RX_VLAN_STRIPPED;
	p.m[0].vlan_tci = (uint16_t)(data[3] << 8 | data[4]);
	look_up(f, nr, t, &p, data + skip);
	for (i = 0; i < p.nr; i++)
		free(p.bytes[i]);
	free(t);
	return 0;
}
