/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving into partitions' memory, the switch's part: who offers a buffer, who uses it, and that nothing is
 * received directly while frames are to be judged first. */
#include "vswitch/direct.h"

#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

#define PAGE VSW_DIRECT_ROOM

/* ---- ctl ------------------------------------------------------------------------------------ */

static void tell_offered(struct vsw_port *p)
{
	const struct vsw_direct_user *u = p->sw->direct_user;

	p->is_judged = vsw_direct_obstacle(p) != NULL;
	if (u)
		u->offered(p->sw->direct_ctx, p, p->rxbuf);
}

static void tell_withdrawn(struct vsw_port *p)
{
	const struct vsw_direct_user *u = p->sw->direct_user;

	if (u)
		u->withdrawn(p->sw->direct_ctx, p);
}

static void for_each_buffer(struct vsw *sw, void (*fn)(struct vsw_port *p))
{
	unsigned int i;

	for (i = 0; i < PORTS_REAL; i++)
		if (sw->port[i] && sw->port[i]->rxbuf)
			fn(sw->port[i]);
}

void vsw_direct_set_user(struct vsw *sw, const struct vsw_direct_user *user, void *ctx)
{
	for_each_buffer(sw, tell_withdrawn);
	sw->direct_user = user;
	sw->direct_ctx = ctx;
	for_each_buffer(sw, tell_offered);
}

void vsw_rxbuf_offer(struct vsw_port *p, const struct vsw_rxbuf *b)
{
	vsw_rxbuf_withdraw(p);
	p->rxbuf = b;
	tell_offered(p);
}

void vsw_rxbuf_withdraw(struct vsw_port *p)
{
	if (!p->rxbuf)
		return;
	tell_withdrawn(p);
	p->rxbuf = NULL;
}

const struct vsw_rxbuf *vsw_rxbuf_of(const struct vsw_port *p)
{
	return p->rxbuf;
}

/* Where frames from a wire enter there may be a policy as well as where they leave. */
static bool is_wire_policed(const struct vsw *sw)
{
	unsigned int i;

	for (i = 0; i < PORTS_REAL; i++) {
		const struct vsw_port *p = sw->port[i];

		if (p && p->policy && p->cfg.kind == VSW_PORT_UPLINK)
			return true;
	}
	return false;
}

/* What makes vectors go the long way (long_way_build()), but for policies between other adapters. Mirrors and
 * overlays are asked for as a whole: an uplink may be the source of the one, and the wire of the other. */
const char *vsw_direct_obstacle(const struct vsw_port *p)
{
	const struct vsw *sw = p->sw;

	if (vsw_exts_any(sw))
		return "extension";
	if (p->policy || is_wire_policed(sw))
		return "policy";
	if (sw->tap)
		return "capture";
	if (sw->mirror)
		return "mirror";
	if (sw->overlay)
		return "overlay";
	if (p->is_on_vf)
		return "vf";
	return NULL;
}

static void judge(struct vsw_port *p, bool is_judged)
{
	const struct vsw_direct_user *u = p->sw->direct_user;

	if (p->is_judged == is_judged)
		return;
	p->is_judged = is_judged;
	if (u)
		u->judged(p->sw->direct_ctx, p, is_judged);
}

static void judge_if(struct vsw_port *p)
{
	if (vsw_direct_obstacle(p))
		judge(p, true);
}

static void judge_unless(struct vsw_port *p)
{
	if (!vsw_direct_obstacle(p))
		judge(p, false);
}

void vsw_direct_before(struct vsw *sw)
{
	for_each_buffer(sw, judge_if);
}

void vsw_direct_after(struct vsw *sw)
{
	for_each_buffer(sw, judge_unless);
}

/* ---- lcore ---------------------------------------------------------------------------------- */

/* Appends one piece, as part of the last one when it lies behind it. False: no room. */
static bool piece_add(struct vsw_vec *v, struct vsw_slot *s, const uint8_t *at, uint32_t len)
{
	struct vsw_sg *last = s->sg_count ? &v->sg[v->nr_sg - 1] : NULL;

	if (last && last->ptr + last->len == at) {
		last->len += len;
		return true;
	}
	if (v->nr_sg == VSW_SG_MAX)
		return false;
	v->sg[v->nr_sg++] = (struct vsw_sg){at, len};
	s->sg_count++;
	return true;
}

/* The bytes of one mbuf, by the pages of its section. */
static bool pieces_add(struct vsw_vec *v, struct vsw_slot *s, struct rte_mbuf *m)
{
	const struct vsw_direct *d = vsw_direct_of(m);
	const struct vsw_rxbuf *b = d->buf;
	uint32_t at = m->data_off, left = m->data_len, run;
	uint8_t *const *page;

	if (!b)
		return piece_add(v, s, rte_pktmbuf_mtod(m, const uint8_t *), left);
	if (at + left > b->section_size)
		return false;
	page = b->page + (size_t)d->sec * (b->section_size / PAGE);
	for (; left; at += run, left -= run) {
		run = RTE_MIN(PAGE - at % PAGE, left);
		if (!piece_add(v, s, page[at / PAGE] + at % PAGE, run))
			return false;
	}
	return true;
}

/* The usual case: a section of one page, or a short frame. */
static bool is_in_first_page(const struct rte_mbuf *m)
{
	return m->nb_segs == 1 && m->data_off + m->pkt_len <= PAGE;
}

/* Fills the pieces of all of @m, which must hold what its length says. */
static bool scatter(struct vsw_vec *v, struct vsw_slot *s, struct rte_mbuf *m)
{
	const uint32_t len = m->pkt_len;
	uint64_t sum = 0;

	for (; m; m = m->next) {
		sum += m->data_len;
		if (!pieces_add(v, s, m))
			return false;
	}
	return sum == len;
}

uint16_t vsw_direct_slot(struct vsw_vec *v, struct vsw_slot *s, struct rte_mbuf *m)
{
	s->sg_off = 0;
	s->sg_first = (uint16_t)v->nr_sg;
	s->sg_count = 0;
	if (likely(is_in_first_page(m))) {
		s->data = rte_pktmbuf_mtod(m, const uint8_t *);
		return VSW_DROP_none;
	}
	s->data = NULL;
	if (!scatter(v, s, m)) {
		s->sg_count = 0;
		return VSW_DROP_too_big;
	}
	if (s->sg_count == 1)
		s->data = v->sg[--v->nr_sg].ptr;
	return VSW_DROP_none;
}
