/* SPDX-License-Identifier: BSD-3-Clause */
/* Drop reasons in words, and reading the bytes behind the private ones. */
#include "vswitch/packet.h"

#include <string.h>

static const char *const names[] = {
#define X(name, text) #name,
	VSW_DROPS(X)
#undef X
};

static const char *const texts[] = {
#define X(name, text) text,
	VSW_DROPS(X)
#undef X
};

const char *vsw_drop_name(unsigned int reason)
{
	return reason < VSW_DROP_COUNT ? names[reason] : "?";
}

const char *vsw_drop_text(unsigned int reason)
{
	return reason < VSW_DROP_COUNT ? texts[reason] : "?";
}

static void copy_pieces(const struct vsw_sg *sg, uint16_t nr_sg, uint32_t skip, uint8_t *dst,
			uint32_t len)
{
	uint16_t i;

	for (i = 0; i < nr_sg && len; i++) {
		uint32_t part;

		if (skip >= sg[i].len) {
			skip -= sg[i].len;
			continue;
		}
		part = sg[i].len - skip;
		if (part > len)
			part = len;
		memcpy(dst, sg[i].ptr + skip, part);
		dst += part;
		len -= part;
		skip = 0;
	}
}

void vsw_slot_copy_backing(const struct vsw_vec *v, const struct vsw_slot *s, uint32_t from,
			   void *dst, uint32_t len)
{
	if (s->data)
		memcpy(dst, s->data + from, len);
	else
		copy_pieces(v->sg + s->sg_first, s->sg_count, s->sg_off + from, dst, len);
}

uint32_t vsw_slot_run(const struct vsw_vec *v, const struct vsw_slot *s, uint32_t from,
		      const uint8_t **at)
{
	const struct vsw_sg *sg = v->sg + s->sg_first;
	uint32_t skip = s->sg_off + from, left = s->pkt.len - from;

	if (s->data) {
		*at = s->data + from;
		return left;
	}
	for (; skip >= sg->len; sg++)
		skip -= sg->len;
	*at = sg->ptr + skip;
	return sg->len - skip < left ? sg->len - skip : left;
}

bool vsw_slot_pull(const struct vsw_vec *v, struct vsw_slot *s, uint32_t n)
{
	struct nethv_pkt *p = &s->pkt;
	uint32_t want = p->len < n ? p->len : n;

	if (p->hdr_len >= want)
		return true;
	if (want > VSW_SNAP_SIZE)
		return false;
	if (p->hdr_off + want > VSW_SNAP_OFF + VSW_SNAP_SIZE) {
		memmove(s->snap, vsw_hdr(p), p->hdr_len);
		p->hdr_off = VSW_SNAP_OFF;
	}
	vsw_slot_copy_backing(v, s, p->hdr_len, vsw_hdr(p) + p->hdr_len, want - p->hdr_len);
	p->hdr_len = (uint16_t)want;
	return true;
}

void vsw_slot_copy(const struct vsw_vec *v, const struct vsw_slot *s, uint32_t from, void *dst,
		   uint32_t len)
{
	uint32_t head = from < s->pkt.hdr_len ? s->pkt.hdr_len - from : 0;

	if (head > len)
		head = len;
	memcpy(dst, vsw_hdr(&s->pkt) + from, head);
	if (len > head)
		vsw_slot_copy_backing(v, s, from + head, (uint8_t *)dst + head, len - head);
}
