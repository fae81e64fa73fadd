/* SPDX-License-Identifier: BSD-3-Clause */
/* The lcores' half of struct nethv_host. Calls that read are done at once. Calls that change something
 * are checked, noted with a copy of their bytes, and done when the callback has returned: what a faulted
 * callback had asked for never happens.
 *
 * Memory that the extension names is touched outside of guard_in/guard_out only, so that a wrong
 * pointer is the extension's fault and not ours. */
#include <string.h>

#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

/* The run of the calling thread, inside a callback; NULL: not on an lcore. */
static struct vsw_run *begin(void)
{
	struct vsw_guard *g = vsw_guard_mine();

	if (!g || !g->owner || !(g->seq & 1))
		return NULL;
	vsw_guard_in(g);
	return &g->owner->run;
}

static int end(struct vsw_run *r, int rc)
{
	vsw_guard_out(&r->lc->guard);
	return rc;
}

static int broken(struct vsw_run *r, enum vsw_rule rule)
{
	vsw_rule_broken(r->x->e, r->lc->index, rule);
	return NETHV_EPERM;
}

static int no_room(struct vsw_run *r)
{
	stat_add(&r->x->e->lane[r->lc->index].c.refused, 1);
	return NETHV_ENOROOM;
}

/* The slot of packet @i of the burst; NULL: there is no such one. */
static struct vsw_slot *slot_of(struct vsw_run *r, uint16_t i)
{
	return i < r->nr_sub ? &r->v->slot[r->sub[i]] : NULL;
}

/* Packet @i of the burst is held, or goes on from another source: nothing more can be asked for it. */
static bool is_gone(const struct vsw_run *r, uint16_t i)
{
	return r->gone >> i & 1;
}

/* What changes packets is for filters and forwarders, on ingress. 0 or the call's result. */
static int may_change(struct vsw_run *r, uint16_t i)
{
	if (r->x->cls == NETHV_CAPTURE)
		return broken(r, VSW_RULE_capture_writes);
	if (i >= r->nr_sub) {
		broken(r, VSW_RULE_index);
		return NETHV_ERANGE;
	}
	if (is_gone(r, i))
		return NETHV_ERANGE;
	return r->is_egress ? broken(r, VSW_RULE_filter_ingress) : NETHV_OK;
}

static struct vsw_op *op_new(struct vsw_run *r, enum vsw_op_kind kind, uint16_t i)
{
	struct vsw_op *op = &r->op[r->nr_ops];

	if (r->nr_ops == VSW_OPS_MAX)
		return NULL;
	memset(op, 0, sizeof(*op));
	op->kind = (uint8_t)kind;
	op->i = i < r->nr_sub ? r->sub[i] : 0;
	r->nr_ops++;
	return op;
}

/* A copy of the extension's bytes in scratch, or NULL: no room. */
static uint8_t *take_bytes(struct vsw_run *r, const void *bytes, uint32_t len)
{
	uint8_t *to = vsw_scratch(r->lc, len);

	if (!to)
		return NULL;
	vsw_guard_out(&r->lc->guard);
	if (len) /* set_head() may take away only */
		memcpy(to, bytes, len);
	vsw_guard_in(&r->lc->guard);
	return to;
}

/* ---- Reading ------------------------------------------------------------------------------- */

static int call_copy(struct nethv_burst *b, uint16_t i, uint32_t off, void *dst, uint32_t len)
{
	struct vsw_run *r = begin();
	const struct vsw_slot *s;

	if (!r)
		return NETHV_EPERM;
	s = slot_of(r, i);
	if (!s || off > s->pkt.len || len > s->pkt.len - off)
		return end(r, NETHV_ERANGE);
	end(r, NETHV_OK);
	vsw_slot_copy(r->v, s, off, dst, len);
	return NETHV_OK;
}

static int call_pull(struct nethv_burst *b, uint16_t i, uint32_t n)
{
	struct vsw_run *r = begin();
	struct vsw_slot *s;

	if (!r)
		return NETHV_EPERM;
	s = slot_of(r, i);
	return end(r, s && vsw_slot_pull(r->v, s, n) ? NETHV_OK : NETHV_ERANGE);
}

static const struct rte_mbuf *call_mbuf(struct nethv_burst *b, uint16_t i)
{
	struct vsw_run *r = begin();
	const struct vsw_slot *s;

	if (!r)
		return NULL;
	s = slot_of(r, i);
	if (r->v != &r->lc->vec || !r->src || r->src->cfg.kind != VSW_PORT_UPLINK)
		s = NULL;
	end(r, 0);
	return s ? s->mbuf : NULL;
}

static int call_post(struct nethv_burst *b, uint64_t arg)
{
	struct vsw_run *r = begin();

	if (!r)
		return NETHV_EPERM;
	return end(r, vsw_ext_post(r->x->e, arg) ? NETHV_OK : no_room(r));
}

/* ---- Changing packets ---------------------------------------------------------------------- */

static int note_bytes(struct vsw_run *r, struct vsw_op *op, const void *bytes, uint32_t len)
{
	const uint8_t *copy = op ? take_bytes(r, bytes, len) : NULL;

	if (copy) {
		op->bytes = copy;
		op->len = len;
		return NETHV_OK;
	}
	if (op)
		r->nr_ops--;
	return no_room(r);
}

static int call_edit(struct nethv_burst *b, uint16_t i, uint32_t off, const void *bytes,
		     uint32_t len)
{
	struct vsw_run *r = begin();
	const struct nethv_pkt *p;
	struct vsw_op *op;
	int rc;

	if (!r)
		return NETHV_EPERM;
	rc = may_change(r, i);
	if (rc)
		return end(r, rc);
	p = &slot_of(r, i)->pkt;
	if (off > p->hdr_len || len > p->hdr_len - off)
		return end(r, NETHV_ERANGE);
	op = op_new(r, VSW_OP_EDIT, i);
	rc = note_bytes(r, op, bytes, len);
	if (!rc)
		op->off = off;
	return end(r, rc);
}

static int call_set_head(struct nethv_burst *b, uint16_t i, uint32_t strip, const void *bytes,
			 uint32_t len)
{
	struct vsw_run *r = begin();
	const struct nethv_pkt *p;
	struct vsw_op *op;
	int rc;

	if (!r)
		return NETHV_EPERM;
	rc = may_change(r, i);
	if (!rc && !(r->x->flags & NETHV_EXT_PLAIN))
		rc = broken(r, VSW_RULE_plain);
	if (rc)
		return end(r, rc);
	p = &slot_of(r, i)->pkt;
	if (strip > p->hdr_len || len > VSW_SNAP_SIZE || p->len - strip + len < VSW_FRAME_MIN ||
	    p->len - strip + len > VSW_FRAME_MAX)
		return end(r, NETHV_ERANGE);
	op = op_new(r, VSW_OP_HEAD, i);
	rc = note_bytes(r, op, bytes, len);
	if (!rc)
		op->off = strip;
	return end(r, rc);
}

static int note_value(struct vsw_run *r, enum vsw_op_kind kind, uint16_t i, int32_t value)
{
	struct vsw_op *op = op_new(r, kind, i);

	if (!op)
		return no_room(r);
	op->value = value;
	return NETHV_OK;
}

static int call_set_vlan(struct nethv_burst *b, uint16_t i, int32_t tci)
{
	struct vsw_run *r = begin();
	int rc;

	if (!r)
		return NETHV_EPERM;
	rc = may_change(r, i);
	if (!rc && (tci < -1 || tci > UINT16_MAX || (tci >= 0 && (tci & 0xFFF) == VLAN_NONE)))
		rc = NETHV_ERANGE;
	return end(r, rc ? rc : note_value(r, VSW_OP_VLAN, i, tci));
}

static int call_set_mark(struct nethv_burst *b, uint16_t i, uint32_t mark)
{
	struct vsw_run *r = begin();
	int rc = NETHV_OK;

	if (!r)
		return NETHV_EPERM;
	if (r->x->cls == NETHV_CAPTURE)
		rc = broken(r, VSW_RULE_capture_writes);
	else if (i >= r->nr_sub || is_gone(r, i))
		rc = NETHV_ERANGE;
	return end(r, rc ? rc : note_value(r, VSW_OP_MARK, i, (int32_t)mark));
}

/* A source that packets may have: nobody, or a port that is connected. */
static bool is_source(const struct vsw_run *r, uint16_t port)
{
	return port == NETHV_PORT_DEFAULT || (port < VSW_PORTS_MAX && r->sn->port[port]);
}

/* What will take a place in the queue of injected packets; with those that were asked for before. */
static int note_place(struct vsw_run *r, enum vsw_op_kind kind, uint16_t i, int32_t value)
{
	int rc = vsw_inj_room(r->lc) > r->nr_places ? note_value(r, kind, i, value) : no_room(r);

	r->nr_places += rc == NETHV_OK;
	return rc;
}

static bool may_make(const struct vsw_run *r)
{
	return r->lc->inj.made + r->nr_places < VSW_INJECT_MAX;
}

static int set_source(struct vsw_run *r, uint16_t i, uint16_t port)
{
	int rc = may_change(r, i);

	if (rc)
		return rc;
	if (!is_source(r, port)) {
		broken(r, VSW_RULE_source);
		return NETHV_ERANGE;
	}
	if (port == r->src_id)
		return NETHV_OK;
	rc = note_place(r, VSW_OP_SOURCE, i, port);
	if (!rc)
		r->gone |= 1ull << i;
	return rc;
}

static int call_set_source(struct nethv_burst *b, uint16_t i, uint16_t port)
{
	struct vsw_run *r = begin();

	return r ? end(r, set_source(r, i, port)) : NETHV_EPERM;
}

/* ---- More packets, and fewer --------------------------------------------------------------- */

static int call_clone(struct nethv_burst *b, uint16_t i)
{
	struct vsw_run *r = begin();
	const struct vsw_slot *s;

	if (!r)
		return NETHV_EPERM;
	s = slot_of(r, i);
	if (r->x->cls == NETHV_CAPTURE)
		return end(r, broken(r, VSW_RULE_capture_writes));
	if (!s || is_gone(r, i))
		return end(r, NETHV_ERANGE);
	if (!may_make(r) || (r->is_egress && s->pkt.ndst > VSW_INJ_DSTS))
		return end(r, no_room(r));
	return end(r, note_place(r, VSW_OP_CLONE, i, 0));
}

static int call_originate(struct nethv_burst *b, uint16_t src_port, const void *frame, uint32_t len)
{
	struct vsw_run *r = begin();
	struct vsw_op *op;
	int rc;

	if (!r)
		return NETHV_EPERM;
	if (r->is_egress || !is_source(r, src_port))
		return end(r, broken(r, VSW_RULE_originate));
	if (len < VSW_FRAME_MIN || len > VSW_FRAME_MAX)
		return end(r, NETHV_ERANGE);
	if (!may_make(r) || vsw_inj_room(r->lc) <= r->nr_places)
		return end(r, no_room(r));
	op = op_new(r, VSW_OP_ORIGINATE, UINT16_MAX);
	rc = note_bytes(r, op, frame, len);
	if (!rc) {
		op->port = src_port;
		r->nr_places++;
	}
	return end(r, rc);
}

static int hold(struct vsw_run *r, uint16_t i, uint32_t *handle)
{
	int64_t at;

	if (r->x->cls == NETHV_CAPTURE)
		return broken(r, VSW_RULE_capture_writes);
	if (!(r->x->flags & NETHV_EXT_HOLDS) || r->x->cls != NETHV_FILTER || r->is_poll)
		return broken(r, VSW_RULE_hold);
	if (i >= r->nr_sub || is_gone(r, i))
		return NETHV_ERANGE;
	if (r->nr_ops == VSW_OPS_MAX ||
	    (__atomic_load_n(&r->x->e->flush_wanted, __ATOMIC_RELAXED) & 1))
		return no_room(r);
	at = vsw_hold_take(r, r->sub[i], r->x->e->id);
	if (at < 0)
		return no_room(r);
	note_value(r, VSW_OP_HOLD, i, (int32_t)at);
	r->gone |= 1ull << i;
	*handle = (uint32_t)at;
	return NETHV_OK;
}

static int call_hold(struct nethv_burst *b, uint16_t i, uint32_t *handle)
{
	struct vsw_run *r = begin();
	uint32_t at = 0;
	int rc;

	if (!r)
		return NETHV_EPERM;
	rc = end(r, hold(r, i, &at));
	if (!rc)
		*handle = at;
	return rc;
}

static int held_call(enum vsw_op_kind kind, uint32_t handle, uint16_t reason)
{
	struct vsw_run *r = begin();
	struct vsw_op *op;

	if (!r)
		return NETHV_EPERM;
	if (!vsw_hold_is(r->lc, handle, r->x->e->id)) {
		broken(r, VSW_RULE_handle);
		return end(r, NETHV_ERANGE);
	}
	if (kind == VSW_OP_RELEASE && !vsw_hold_can_release(r))
		return end(r, no_room(r));
	op = op_new(r, kind, UINT16_MAX);
	if (!op)
		return end(r, no_room(r));
	op->value = (int32_t)handle;
	op->port = reason;
	r->nr_places += kind == VSW_OP_RELEASE;
	return end(r, NETHV_OK);
}

static int call_release(struct nethv_burst *b, uint32_t handle)
{
	return held_call(VSW_OP_RELEASE, handle, 0);
}

static int call_discard(struct nethv_burst *b, uint32_t handle, uint16_t reason)
{
	return held_call(VSW_OP_DISCARD, handle, reason);
}

void vsw_calls_fill(struct nethv_host *h)
{
	h->copy = call_copy;
	h->pull = call_pull;
	h->edit = call_edit;
	h->set_head = call_set_head;
	h->set_vlan = call_set_vlan;
	h->set_mark = call_set_mark;
	h->set_source = call_set_source;
	h->clone = call_clone;
	h->originate = call_originate;
	h->hold = call_hold;
	h->release = call_release;
	h->discard = call_discard;
	h->mbuf = call_mbuf;
	h->post = call_post;
}

/* ---- Afterwards ---------------------------------------------------------------------------- */

/* Where a new packet of this extension goes on: below it. A forwarder is the last one on ingress, so it
 * gets its own clones and gives them destinations. */
static struct vsw_resume resume_at(const struct vsw_run *r)
{
	if (r->x->cls == NETHV_FORWARD && !r->is_egress)
		return (struct vsw_resume){VSW_AT_policy_in, 0};
	return (struct vsw_resume){r->station, (uint16_t)(r->pos + 1)};
}

static void vlan_put(const struct vsw_run *r, struct nethv_pkt *p, int32_t tci)
{
	uint16_t vid = tci < 0 ? 0 : tci & 0xFFF;

	p->flags = (uint16_t)((p->flags & ~NETHV_PKT_VLAN) | (tci < 0 ? 0 : NETHV_PKT_VLAN));
	p->vlan_tci = tci < 0 ? 0 : (uint16_t)tci;
	p->vlan = vid || !r->src ? vid : r->src->pvid;
}

/* Other bytes than before: a tag among them goes out of band, as with all packets. */
static void look_anew(struct vsw_run *r, uint16_t i)
{
	struct vsw_slot *s = &r->v->slot[i];
	bool had_tag = s->pkt.flags & NETHV_PKT_VLAN;
	uint16_t lost = vsw_admit(r->v, s);

	if (lost) {
		vsw_stage_drop(r, i, lost, r->x, NULL);
		return;
	}
	if (!had_tag && (s->pkt.flags & NETHV_PKT_VLAN))
		vlan_put(r, &s->pkt, s->pkt.vlan_tci);
	s->pkt.flags &= (uint16_t)~NETHV_PKT_PARSED;
	vsw_parse(&s->pkt);
}

/* A head that was replaced before may have left fewer private bytes. */
static void do_edit(struct vsw_run *r, const struct vsw_op *op)
{
	struct vsw_slot *s = &r->v->slot[op->i];
	uint32_t to = op->off + op->len;

	if (to > s->pkt.len || !vsw_slot_pull(r->v, s, to)) {
		vsw_rule_broken(r->x->e, r->lc->index, VSW_RULE_bytes);
		return;
	}
	memcpy(vsw_hdr(&s->pkt) + op->off, op->bytes, op->len);
	look_anew(r, op->i);
}

static void do_head(struct vsw_run *r, const struct vsw_op *op)
{
	struct vsw_slot *s = &r->v->slot[op->i];

	if (s->pkt.len + op->len > op->off + VSW_FRAME_MAX)
		vsw_stage_drop(r, op->i, VSW_DROP_too_big, r->x, NULL);
	else if (vsw_head_replace(r->lc, s, op->off, op->bytes, op->len))
		vsw_stage_drop(r, op->i, VSW_DROP_no_room, r->x, NULL);
	else
		look_anew(r, op->i);
}

static void do_vlan(struct vsw_run *r, const struct vsw_op *op)
{
	vlan_put(r, &r->v->slot[op->i].pkt, op->value);
}

/* Leaves this run, which has one source. */
static void do_source(struct vsw_run *r, const struct vsw_op *op)
{
	struct vsw_slot *s = &r->v->slot[op->i];
	struct vsw_inj *e = NULL;

	/* A forwarder gets it again, and could do that for ever. */
	if (r->x->cls != NETHV_FORWARD || r->lc->inj.made++ < VSW_INJECT_MAX)
		e = vsw_inj_put(r->lc, s, r->v, resume_at(r), r->acct);
	if (!e) {
		no_room(r);
		vsw_stage_drop(r, op->i, VSW_DROP_no_room, r->x, NULL);
		return;
	}
	e->slot.pkt.src_port = (uint16_t)op->value;
	e->slot.pkt.vlan = VLAN_UNKNOWN;
	vsw_stage_moved(r, op->i);
}

/* Excluded ones are gone for good, and counted. */
uint16_t vsw_dsts_left(const struct vsw_run *r, const struct nethv_pkt *p, struct nethv_dst *dst)
{
	uint32_t d;
	uint16_t n = 0;

	for (d = p->dst_first; d < p->dst_first + p->ndst; d++)
		if (!(r->lc->dstv[d].flags & NETHV_DST_EXCLUDED))
			dst[n++] = r->lc->dstv[d];
	return n;
}

static void do_clone(struct vsw_run *r, const struct vsw_op *op)
{
	const struct nethv_pkt *p = &r->v->slot[op->i].pkt;
	struct vsw_inj *e;

	if (!vsw_inject_clone(r->lc, &r->v->slot[op->i], resume_at(r))) {
		no_room(r);
		return;
	}
	e = &r->lc->inj.e[r->lc->inj.n - 1];
	stat_add(&r->x->e->lane[r->lc->index].c.cloned, 1);
	if (!r->is_egress)
		return;
	e->ndst = vsw_dsts_left(r, p, e->dst);
	if (e->ndst > 1)
		stat_add(&r->st->copies, e->ndst - 1u);
}

static void do_originate(struct vsw_run *r, const struct vsw_op *op)
{
	struct vsw_slot *s = vsw_inject_new(r->lc, resume_at(r));

	if (!s) {
		no_room(r);
		return;
	}
	s->data = op->bytes;
	s->pkt.len = op->len;
	s->pkt.hdr_len = (uint16_t)(op->len < VSW_SNAP_SIZE ? op->len : VSW_SNAP_SIZE);
	memcpy(s->snap, op->bytes, s->pkt.hdr_len);
	s->pkt.flags = NETHV_PKT_SAFE | NETHV_PKT_MADE;
	s->pkt.src_port = op->port;
	s->pkt.vlan = VLAN_UNKNOWN;
	stat_add(&r->x->e->lane[r->lc->index].c.originated, 1);
}

static void do_discard(struct vsw_run *r, const struct vsw_op *op)
{
	struct vsw_ext_counts *c = &r->x->e->lane[r->lc->index].c;

	stat_add(&c->dropped, 1);
	stat_add(&c->released, 1);
	if (op->port < NETHV_REASONS_MAX)
		stat_add(&c->drops[op->port], 1);
	vsw_hold_drop(r->lc, (uint32_t)op->value, VSW_DROP_filtered);
}

/* There was room when it was asked for; should that be gone, the packet is, too: it left its holder. */
static void do_release(struct vsw_run *r, const struct vsw_op *op)
{
	if (!vsw_hold_release(r, (uint32_t)op->value)) {
		no_room(r);
		vsw_hold_drop(r->lc, (uint32_t)op->value, VSW_DROP_no_room);
	}
	stat_add(&r->x->e->lane[r->lc->index].c.released, 1);
}

static void do_held(struct vsw_run *r, const struct vsw_op *op)
{
	if (!vsw_hold_is(r->lc, (uint32_t)op->value, r->x->e->id))
		return; /* named twice */
	if (vsw_hold_is_void(r->lc, (uint32_t)op->value))
		vsw_hold_forget(r->lc, (uint32_t)op->value);
	else if (op->kind == VSW_OP_RELEASE)
		do_release(r, op);
	else
		do_discard(r, op);
}

/* The packet was copied when it was asked for, before what the callback did to it earlier. When it went
 * elsewhere the handle stands for nothing. */
static void do_hold(struct vsw_run *r, const struct vsw_op *op)
{
	struct nethv_pkt *p = &r->v->slot[op->i].pkt;

	if (!p->drop_reason && !vsw_hold_fill(r, op->i, (uint32_t)op->value))
		vsw_stage_drop(r, op->i, VSW_DROP_no_room, r->x, NULL);
	if (p->drop_reason) { /* what was asked for before has cost it its life */
		vsw_hold_void(r->lc, (uint32_t)op->value);
		return;
	}
	vsw_stage_moved(r, op->i);
	stat_add(&r->x->e->lane[r->lc->index].c.held, 1);
}

static void do_one(struct vsw_run *r, const struct vsw_op *op)
{
	switch (op->kind) {
	case VSW_OP_EDIT: do_edit(r, op); break;
	case VSW_OP_HEAD: do_head(r, op); break;
	case VSW_OP_VLAN: do_vlan(r, op); break;
	case VSW_OP_MARK: r->v->slot[op->i].pkt.mark = (uint32_t)op->value; break;
	case VSW_OP_SOURCE: do_source(r, op); break;
	case VSW_OP_CLONE: do_clone(r, op); break;
	case VSW_OP_ORIGINATE: do_originate(r, op); break;
	case VSW_OP_HOLD: do_hold(r, op); break;
	default: do_held(r, op); break;
	}
}

void vsw_ops_do(struct vsw_run *r)
{
	uint16_t k, n = r->nr_ops;

	r->nr_ops = r->nr_places = 0;
	r->is_whole = false;
	for (k = 0; k < n; k++) {
		const struct vsw_op *op = &r->op[k];

		if (op->kind <= VSW_OP_CLONE && r->v->slot[op->i].pkt.drop_reason)
			continue; /* it was dropped on the way */
		do_one(r, op);
	}
}

void vsw_hold_undo(struct vsw_run *r)
{
	uint16_t k;

	for (k = 0; k < r->nr_ops; k++)
		if (r->op[k].kind == VSW_OP_HOLD)
			vsw_hold_forget(r->lc, (uint32_t)r->op[k].value);
}
