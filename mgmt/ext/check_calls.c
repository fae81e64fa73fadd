/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the extension and the switch: each call is counted and passed on, so that the report can tell a
 * rule that was kept from one that nothing came near. */
#include "mgmt/ext/check.h"

#include "vswitch/ext/priv.h" /* where an instance keeps its calls */

/* The same for all instances: the functions know theirs by the burst. */
static struct nethv_host real;
static uint64_t *count;

static int on_copy(struct nethv_burst *b, uint16_t i, uint32_t off, void *dst, uint32_t len)
{
	count[CALL_COPY]++;
	return real.copy(b, i, off, dst, len);
}

static int on_pull(struct nethv_burst *b, uint16_t i, uint32_t n)
{
	count[CALL_PULL]++;
	return real.pull(b, i, n);
}

static int on_edit(struct nethv_burst *b, uint16_t i, uint32_t off, const void *bytes, uint32_t len)
{
	count[CALL_EDIT]++;
	return real.edit(b, i, off, bytes, len);
}

static int on_set_head(struct nethv_burst *b, uint16_t i, uint32_t strip, const void *bytes,
		       uint32_t len)
{
	count[CALL_SET_HEAD]++;
	return real.set_head(b, i, strip, bytes, len);
}

static int on_set_vlan(struct nethv_burst *b, uint16_t i, int32_t tci)
{
	count[CALL_SET_VLAN]++;
	return real.set_vlan(b, i, tci);
}

static int on_set_mark(struct nethv_burst *b, uint16_t i, uint32_t mark)
{
	count[CALL_SET_MARK]++;
	return real.set_mark(b, i, mark);
}

static int on_set_source(struct nethv_burst *b, uint16_t i, uint16_t port)
{
	count[CALL_SET_SOURCE]++;
	return real.set_source(b, i, port);
}

static int on_clone(struct nethv_burst *b, uint16_t i)
{
	count[CALL_CLONE]++;
	return real.clone(b, i);
}

static int on_originate(struct nethv_burst *b, uint16_t src_port, const void *frame, uint32_t len)
{
	count[CALL_ORIGINATE]++;
	return real.originate(b, src_port, frame, len);
}

static int on_hold(struct nethv_burst *b, uint16_t i, uint32_t *handle)
{
	count[CALL_HOLD]++;
	return real.hold(b, i, handle);
}

static int on_release(struct nethv_burst *b, uint32_t handle)
{
	count[CALL_RELEASE]++;
	return real.release(b, handle);
}

static int on_discard(struct nethv_burst *b, uint32_t handle, uint16_t reason)
{
	count[CALL_DISCARD]++;
	return real.discard(b, handle, reason);
}

static int on_post(struct nethv_burst *b, uint64_t arg)
{
	count[CALL_POST]++;
	return real.post(b, arg);
}

void check_calls_watch(struct check *c, struct vsw_ext *e)
{
	struct nethv_host *h = &e->host;

	if (h->copy == on_copy)
		return;
	real = *h;
	count = c->call;
	h->copy = on_copy;
	h->pull = on_pull;
	h->edit = on_edit;
	h->set_head = on_set_head;
	h->set_vlan = on_set_vlan;
	h->set_mark = on_set_mark;
	h->set_source = on_set_source;
	h->clone = on_clone;
	h->originate = on_originate;
	h->hold = on_hold;
	h->release = on_release;
	h->discard = on_discard;
	h->post = on_post;
}
