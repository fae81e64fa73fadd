/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue of packets that are made inside, how they become a vector, and changing a frame's head. */
#include "vswitch/inject.h"

#include <errno.h>
#include <string.h>

#include "vswitch/priv.h"

void *vsw_scratch(struct vsw_lcore *lc, uint32_t len)
{
	struct vsw_inject *q = &lc->inj;
	uint32_t at = q->scratch_used;

	len = (len + 7) & ~7u;
	if (len > VSW_SCRATCH - at)
		return NULL;
	q->scratch_used += len;
	return q->scratch + at;
}

uint32_t vsw_inj_room(const struct vsw_lcore *lc)
{
	return VSW_INJ_QUEUE - lc->inj.n;
}

/* The pieces of @from's backing in @v become pieces in the queue. */
static bool take_pieces(struct vsw_inject *q, struct vsw_slot *s, const struct vsw_vec *v)
{
	if (s->data)
		return true;
	if (q->nr_sg + s->sg_count > VSW_INJ_SG)
		return false;
	memcpy(q->sg + q->nr_sg, v->sg + s->sg_first, s->sg_count * sizeof(q->sg[0]));
	s->sg_first = (uint16_t)q->nr_sg;
	q->nr_sg += s->sg_count;
	return true;
}

struct vsw_inj *vsw_inj_put(struct vsw_lcore *lc, const struct vsw_slot *from,
			    const struct vsw_vec *v, struct vsw_resume at, uint16_t acct)
{
	struct vsw_inject *q = &lc->inj;
	struct vsw_inj *e = &q->e[q->n];

	if (q->n == VSW_INJ_QUEUE)
		return NULL;
	e->slot = *from;
	if (v && !take_pieces(q, &e->slot, v))
		return NULL;
	e->slot.mbuf = NULL;
	e->slot.pkt.ndst = 0;
	e->at = at;
	e->acct = acct;
	e->ndst = 0;
	q->n++;
	return e;
}

static void count_copy(struct vsw_lcore *lc)
{
	stat_add(&lc->run.st->copies, 1);
}

struct vsw_slot *vsw_inject_new(struct vsw_lcore *lc, struct vsw_resume at)
{
	struct vsw_slot *s;
	struct vsw_inj *e = &lc->inj.e[lc->inj.n];

	if (lc->inj.n == VSW_INJ_QUEUE || lc->inj.made++ >= VSW_INJECT_MAX)
		return NULL;
	s = &e->slot;
	memset(&s->pkt, 0, sizeof(s->pkt));
	s->pkt.hdr_off = VSW_SNAP_OFF;
	s->data = NULL;
	s->mbuf = NULL;
	s->sg_count = 0;
	s->sg_first = 0;
	s->sg_off = 0;
	e->at = at;
	e->acct = lc->run.acct;
	e->ndst = 0;
	lc->inj.n++;
	count_copy(lc);
	return s;
}

struct vsw_slot *vsw_inject_clone(struct vsw_lcore *lc, const struct vsw_slot *from,
				  struct vsw_resume at)
{
	struct vsw_inj *e = NULL;

	if (lc->inj.made++ < VSW_INJECT_MAX)
		e = vsw_inj_put(lc, from, lc->run.v, at, lc->run.acct);
	if (!e)
		return NULL;
	e->slot.pkt.flags |= NETHV_PKT_CLONE;
	count_copy(lc);
	return &e->slot;
}

struct vsw_slot *vsw_inject_frame(struct vsw_lcore *lc, const void *frame, uint32_t len,
				  struct vsw_resume at)
{
	uint8_t *copy = len <= VSW_FRAME_MAX ? vsw_scratch(lc, len) : NULL;
	struct vsw_slot *s = copy ? vsw_inject_new(lc, at) : NULL;

	if (!s)
		return NULL;
	memcpy(copy, frame, len);
	s->pkt.len = len;
	s->pkt.hdr_len = (uint16_t)(len < VSW_SNAP_SIZE ? len : VSW_SNAP_SIZE);
	memcpy(s->snap, copy, s->pkt.hdr_len);
	s->data = copy;
	s->pkt.flags = NETHV_PKT_SAFE | NETHV_PKT_MADE;
	return s;
}

/* ---- From the queue into a vector ---------------------------------------------------------- */

static bool fits_together(const struct vsw_inj *a, const struct vsw_inj *b)
{
	return a->at.station == b->at.station && a->at.below == b->at.below && a->acct == b->acct &&
	       a->slot.pkt.src_port == b->slot.pkt.src_port;
}

/* False: the vector has no room for the pieces. */
static bool give_pieces(const struct vsw_inject *q, struct vsw_slot *s, struct vsw_vec *v)
{
	if (s->data)
		return true;
	if (v->nr_sg + s->sg_count > VSW_SG_MAX)
		return false;
	memcpy(v->sg + v->nr_sg, q->sg + s->sg_first, s->sg_count * sizeof(q->sg[0]));
	s->sg_first = (uint16_t)v->nr_sg;
	v->nr_sg += s->sg_count;
	return true;
}

/* Destinations that came along. */
static void give_dsts(struct vsw_run *r, struct nethv_pkt *p, const struct vsw_inj *e)
{
	p->ndst = e->ndst;
	p->dst_first = r->nr_dst;
	memcpy(&r->lc->dstv[r->nr_dst], e->dst, e->ndst * sizeof(e->dst[0]));
	r->nr_dst += e->ndst;
}

bool vsw_inj_next(struct vsw_lcore *lc, struct vsw_run *r)
{
	struct vsw_inject *q = &lc->inj;
	struct vsw_vec *v = &lc->more;
	const struct vsw_inj *first = &q->e[q->next];

	if (q->next == q->n) {
		q->next = q->n = q->nr_sg = 0;
		return false;
	}
	v->n = 0;
	v->nr_sg = 0;
	v->lcore = lc->index;
	v->now_tsc = lc->vec.now_tsc;
	r->nr_dst = 0;
	for (; q->next < q->n && v->n < VSW_VEC_SIZE; q->next++) {
		struct vsw_inj *e = &q->e[q->next];

		if (!fits_together(first, e) || !give_pieces(q, &e->slot, v))
			break;
		v->slot[v->n] = e->slot;
		vsw_slot_pull(v, &v->slot[v->n], 64);
		give_dsts(r, &v->slot[v->n].pkt, e);
		v->n++;
	}
	r->v = v;
	r->from = first->at.station;
	r->below = first->at.below;
	r->acct = first->acct;
	r->src_id = first->slot.pkt.src_port;
	return true;
}

/* ---- A frame's head ------------------------------------------------------------------------ */

static struct vsw_vec *vec_of(struct vsw_lcore *lc, const struct vsw_slot *s)
{
	return s >= lc->more.slot && s < lc->more.slot + VSW_VEC_SIZE ? &lc->more : &lc->vec;
}

/* Where the pieces of the vector or queue that holds @s are. */
static struct vsw_sg *pieces_of(struct vsw_lcore *lc, const struct vsw_slot *s, uint32_t **nr,
				uint32_t *max)
{
	struct vsw_vec *v = vec_of(lc, s);

	if (s >= &lc->inj.e[0].slot && s <= &lc->inj.e[VSW_INJ_QUEUE - 1].slot) {
		*nr = &lc->inj.nr_sg;
		*max = VSW_INJ_SG;
		return lc->inj.sg;
	}
	*nr = &v->nr_sg;
	*max = VSW_SG_MAX;
	return v->sg;
}

/* The bytes @rest, which were private, and what the backing has from @behind on, are the backing now;
 * its first byte is byte @at of the frame. */
static int rebase(struct vsw_lcore *lc, struct vsw_slot *s, const uint8_t *rest, uint32_t rest_len,
		  uint32_t behind, uint32_t at)
{
	uint32_t *nr, max, pieces = s->data ? 1 : s->sg_count, left = s->pkt.len - behind, skip, i;
	struct vsw_sg *sg = pieces_of(lc, s, &nr, &max), *to;
	uint8_t *copy;

	if (*nr + pieces + 1 > max || pieces + 1 > VSW_SG_MAX) /* it must fit into a vector */
		return -ENOBUFS;
	copy = vsw_scratch(lc, rest_len);
	if (!copy)
		return -ENOBUFS;
	memcpy(copy, rest, rest_len);
	to = sg + *nr;
	to->ptr = copy;
	to->len = rest_len;
	if (s->data) {
		to[1] = (struct vsw_sg){s->data + behind, left};
	} else {
		skip = s->sg_off + behind;
		memcpy(to + 1, sg + s->sg_first, pieces * sizeof(*sg));
		for (i = 1; i <= pieces && skip; i++) {
			uint32_t part = to[i].len < skip ? to[i].len : skip;

			to[i].ptr += part;
			to[i].len -= part;
			skip -= part;
		}
	}
	s->data = NULL;
	s->sg_first = (uint16_t)*nr;
	s->sg_count = (uint16_t)(pieces + 1);
	s->sg_off = 0u - at;
	*nr += pieces + 1;
	return 0;
}

int vsw_head_replace(struct vsw_lcore *lc, struct vsw_slot *s, uint32_t strip, const void *bytes,
		     uint32_t len)
{
	struct nethv_pkt *p = &s->pkt;
	uint8_t all[2 * VSW_SNAP_SIZE];
	uint32_t keep, total, *nr, max;
	int rc = 0;

	if (strip > p->hdr_len || len > VSW_SNAP_SIZE || p->len - strip + len < VSW_FRAME_MIN ||
	    p->flags & (NETHV_PKT_CSUM | NETHV_PKT_LSO))
		return -EINVAL;
	keep = p->hdr_len - strip;
	total = len + keep;
	memcpy(all, bytes, len);
	memcpy(all + len, vsw_hdr(p) + strip, keep);
	if (total > VSW_SNAP_SIZE) {
		rc = rebase(lc, s, all + VSW_SNAP_SIZE, total - VSW_SNAP_SIZE, p->hdr_len,
			    VSW_SNAP_SIZE);
		if (rc)
			return rc;
		total = VSW_SNAP_SIZE;
	} else if (s->data) {
		s->data += (ptrdiff_t)strip - (ptrdiff_t)len;
	} else {
		s->sg_off += strip - len;
	}
	memcpy(s->snap, all, total);
	p->hdr_off = VSW_SNAP_OFF;
	p->hdr_len = (uint16_t)total;
	p->len = p->len - strip + len;
	p->flags &= (uint16_t) ~(NETHV_PKT_PARSED | NETHV_PKT_CSUM_OK | NETHV_PKT_FRAGMENT);
	p->l3_off = p->l4_off = 0;
	if (pieces_of(lc, s, &nr, &max) !=
	    lc->inj.sg) /* what waits is made whole when it comes out */
		vsw_slot_pull(vec_of(lc, s), s, 64);
	return 0;
}
