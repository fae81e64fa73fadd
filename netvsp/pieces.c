/* SPDX-License-Identifier: BSD-3-Clause */
/* One packet's bytes: a section and ranges. */
#include "netvsp/pieces.h"

#include <string.h>

#include <rte_branch_prediction.h>

#include "base/gmem.h"

/* Bytes of a list of one range in one page. */
#define PAGE_LIST (sizeof(struct vmbus_pkt_gpa_direct) + sizeof(struct page_range))

/* What nearly all ranges are. */
struct page_range {
	struct vmbus_gpa_range r;
	uint64_t pfn;
};

/* Appends @len bytes at @ptr to the vector's pieces; joins neighbours from piece @first on. Ranges
 * are not joined with each other: a driver puts one message in each, so the place of the next
 * message is known from the list, without waiting for the length in this one's header. */
static inline void piece_add(struct vsw_vec *v, uint32_t first, const uint8_t *ptr, uint32_t len)
{
	struct vsw_sg *last = v->nr_sg > first ? &v->sg[v->nr_sg - 1] : NULL;

	if (last && last->ptr + last->len == ptr)
		last->len += len;
	else
		v->sg[v->nr_sg++] = (struct vsw_sg){ptr, len};
}

/* [@off, @off + @len) of a GPADL, which the caller checked to be inside. */
static void pieces_of_gpadl(struct vsw_vec *v, uint32_t first, const struct vmbus_gpadl *g,
			    uint32_t off, uint32_t len)
{
	if (likely(g->flat != NULL)) {
		piece_add(v, first, g->flat + off, len);
		return;
	}
	while (len) {
		uint32_t in_page = off % VMBUS_PAGE_SIZE;
		uint32_t run = VMBUS_PAGE_SIZE - in_page < len ? VMBUS_PAGE_SIZE - in_page : len;

		piece_add(v, first, g->page[off / VMBUS_PAGE_SIZE] + in_page, run);
		off += run;
		len -= run;
	}
}

static const char *pieces_of_section(const struct netvsp_chan *ch, struct vsw_vec *v,
				     const struct nvsp_msg *m, uint32_t *total)
{
	const struct vmbus_gpadl *g = atomic_load_explicit(&ch->nic->send, memory_order_acquire);
	uint32_t index = m->rndis_pkt.section_index, size = m->rndis_pkt.section_size;

	if (!g)
		return "send section used without a send buffer";
	if (size > NETVSP_SEND_SECTION || index >= g->len / NETVSP_SEND_SECTION)
		return "send section outside the send buffer";
	*total += size;
	if (size)
		pieces_of_gpadl(v, v->nr_sg, g, index * NETVSP_SEND_SECTION, size);
	return NULL;
}

/* Any range, at @p of @room bytes; *@used tells what it took. */
static __attribute__((noinline)) const char *pieces_of_range(const struct gmem *gm,
							     struct vsw_vec *v, const uint8_t *p,
							     uint32_t room, uint32_t *used,
							     uint32_t *total)
{
	const uint32_t first = v->nr_sg;
	struct vmbus_gpa_range r;
	uint32_t pages, i, off;

	if (room < sizeof(r))
		return "GPA range list is cut short";
	memcpy(&r, p, sizeof(r));
	if (r.byte_offset >= VMBUS_PAGE_SIZE || r.byte_count > UINT32_MAX / 2)
		return "GPA range with a bad offset or length";
	pages = (r.byte_offset + r.byte_count + VMBUS_PAGE_SIZE - 1) / VMBUS_PAGE_SIZE;
	if (pages > (room - sizeof(r)) / 8)
		return "GPA range longer than its page list";
	*used = (uint32_t)sizeof(r) + pages * 8;
	*total += r.byte_count;
	for (i = 0, off = r.byte_offset; i < pages; i++, off = 0) {
		uint32_t run =
			VMBUS_PAGE_SIZE - off < r.byte_count ? VMBUS_PAGE_SIZE - off : r.byte_count;
		const uint8_t *page;
		uint64_t pfn;

		memcpy(&pfn, p + sizeof(r) + i * 8, sizeof(pfn));
		page = gmem_page(gm, pfn);
		if (!page)
			return "GPA range outside of RAM";
		if (run)
			piece_add(v, first, page + off, run);
		r.byte_count -= run;
	}
	return NULL;
}

/* Of @n ranges at @p, which are private, those that come first and lie in one page each, in the region that has the first
 * one's. How many. */
static uint32_t pieces_of_pages(const struct gmem *gm, struct vsw_vec *v, const uint8_t *p,
				uint32_t n, uint32_t *total)
{
	struct vsw_sg *sg = &v->sg[v->nr_sg];
	const struct gmem_region *in;
	uint64_t first, nr_pages;
	struct page_range r;
	uint32_t i, sum = 0;

	if (n == 0)
		return 0;
	memcpy(&r, p, sizeof(r));
	in = gmem_region_of(gm, r.pfn);
	if (unlikely(!in))
		return 0;
	first = in->gpa >> GMEM_PAGE_SHIFT;
	nr_pages = in->len >> GMEM_PAGE_SHIFT;
	for (i = 0; i < n; i++) {
		memcpy(&r, p + i * sizeof(r), sizeof(r));
		if (unlikely(r.pfn - first >= nr_pages || r.r.byte_count == 0 ||
			     (uint64_t)r.r.byte_offset + r.r.byte_count > VMBUS_PAGE_SIZE))
			break;
		sg[i].ptr = in->hva + ((r.pfn - first) << GMEM_PAGE_SHIFT) + r.r.byte_offset;
		sg[i].len = r.r.byte_count;
		sum += r.r.byte_count;
	}
	v->nr_sg += i;
	*total += sum;
	return i;
}

/* @len bytes of list at @list, which are private. */
static const char *pieces_of_list(const struct gmem *gm, struct vsw_vec *v, const uint8_t *list,
				  uint32_t len, uint32_t *total)
{
	struct vmbus_pkt_gpa_direct h;
	uint32_t at = sizeof(h), used, n;
	const char *why;

	memcpy(&h, list, sizeof(h));
	if (h.range_count == 0 || h.range_count > len / sizeof(struct vmbus_gpa_range))
		return "GPA-direct packet with a bad range count";
	for (;;) {
		n = (len - at) / (uint32_t)sizeof(struct page_range);
		n = pieces_of_pages(gm, v, list + at, n < h.range_count ? n : h.range_count, total);
		at += n * (uint32_t)sizeof(struct page_range);
		h.range_count -= n;
		if (likely(h.range_count == 0))
			return NULL;
		why = pieces_of_range(gm, v, list + at, len - at, &used, total);
		if (why)
			return why;
		at += used;
		if (--h.range_count == 0)
			return NULL;
	}
}

static const char *pieces_of_ranges(struct netvsp_chan *ch, struct vsw_vec *v,
				    const struct vmbus_pkt_desc *d, uint32_t *total)
{
	const uint32_t len = d->offset8 * 8u - (uint32_t)sizeof(*d);
	const uint32_t from = vmbus_ring_wrap(&ch->in, ch->in.own + (uint32_t)sizeof(*d));
	const struct gmem *gm = &ch->info->peer->gm;
	struct {
		struct vmbus_pkt_gpa_direct h;
		struct page_range r;
	} one;

	if (d->offset8 * 8u < sizeof(*d) + sizeof(one.h))
		return "GPA-direct packet without a range list";
	if (len > sizeof(ch->ranges))
		return "GPA range list too long";
	if (len == PAGE_LIST) { /* most packets of a stock driver */
		vmbus_ring_read(&ch->in, from, &one, sizeof(one));
		if (likely(one.h.range_count == 1 &&
			   pieces_of_pages(gm, v, (const uint8_t *)&one.r, 1, total) == 1))
			return NULL;
	}
	vmbus_ring_read(&ch->in, from, ch->ranges, len);
	return pieces_of_list(gm, v, ch->ranges, len, total);
}

const char *netvsp_pieces(struct netvsp_chan *ch, struct vsw_vec *v, const struct vmbus_pkt_desc *d,
			  const struct nvsp_msg *m, uint32_t *total)
{
	const char *why = NULL;

	*total = 0;
	if (m->rndis_pkt.section_index != NVSP_SECTION_NONE)
		why = pieces_of_section(ch, v, m, total);
	if (!why && d->type == VMBUS_PKT_GPA_DIRECT)
		why = pieces_of_ranges(ch, v, d, total);
	return why;
}

void netvsp_gather(const struct vsw_vec *v, uint32_t i, uint32_t off, uint8_t *dst, uint32_t len)
{
	while (len) {
		uint32_t run = v->sg[i].len - off < len ? v->sg[i].len - off : len;

		memcpy(dst, v->sg[i].ptr + off, run);
		dst += run;
		len -= run;
		off = 0;
		i++;
	}
}
