/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/fakeexthost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/stages.h"

static struct fakeexthost *self(const struct nethv_host *h)
{
	return h->priv;
}

/* For the code's create(): the switch's own is not linked in. */
struct vsw_ext_code *vsw_host_code(const struct nethv_host *h)
{
	return self(h)->code;
}

static int copy(struct nethv_burst *b, uint16_t i, uint32_t off, void *dst, uint32_t len)
{
	struct fakeexthost *f = self(b->host);

	f->nr_copies++;
	if (i >= b->n || off > f->pkt[i]->len || len > f->pkt[i]->len - off)
		return NETHV_ERANGE;
	memcpy(dst, f->frame[i] + off, len);
	return NETHV_OK;
}

static void *alloc(const struct nethv_host *h, size_t size)
{
	struct fakeexthost *f = self(h);
	void *p;

	if (f->nr_mem == FAKEEXT_ALLOCS || (f->mem_limit && f->nr_mem == f->mem_limit))
		return NULL;
	size = (size + 63) & ~(size_t)63;
	p = aligned_alloc(64, size ? size : 64);
	memset(p, 0, size);
	f->mem[f->nr_mem++] = p;
	return p;
}

static void release(const struct nethv_host *h, void *p)
{
	struct fakeexthost *f = self(h);
	unsigned int i;

	for (i = 0; i < f->nr_mem; i++) {
		if (f->mem[i] == p) {
			f->mem[i] = f->mem[--f->nr_mem];
			free(p);
			return;
		}
	}
}

static void say(const struct nethv_host *h, int level, const char *text)
{
}

static void quiesce(const struct nethv_host *h)
{
}

static void *lcore_data(const struct nethv_host *h, uint16_t lcore)
{
	return self(h)->lcore_data[lcore];
}

static int fail(const struct nethv_host *h, const char *text)
{
	snprintf(self(h)->failed, sizeof(self(h)->failed), "%s", text);
	return -1;
}

int fakeexthost_init(struct fakeexthost *f, struct vsw_ext_code *code)
{
	unsigned int i, limit = f->mem_limit;
	size_t size = code->desc.lcore_size ? code->desc.lcore_size : 1;

	memset(f, 0, sizeof(*f));
	f->mem_limit = limit;
	f->code = code;
	f->host = (struct nethv_host){
		.size = sizeof(f->host),
		.abi = NETHV_EXT_ABI,
		.priv = f,
		.nr_lcores = FAKEEXT_LCORES,
		.copy = copy,
		.alloc = alloc,
		.free = release,
		.log = say,
		.quiesce = quiesce,
		.lcore_data = lcore_data,
		.fail = fail,
	};
	for (i = 0; i < FAKEEXT_LCORES; i++)
		f->lcore_data[i] = calloc(1, size);
	return code->desc.create(&f->host, &f->inst);
}

void fakeexthost_fini(struct fakeexthost *f)
{
	unsigned int i;

	if (f->inst)
		f->code->desc.destroy(f->inst);
	for (i = 0; i < f->nr_mem; i++)
		free(f->mem[i]);
	for (i = 0; i < FAKEEXT_LCORES; i++)
		free(f->lcore_data[i]);
	free(f->state);
	memset(f, 0, sizeof(*f));
}

struct nethv_pkt *fakeexthost_add(struct fakeexthost *f, const void *frame, uint32_t len,
				  uint16_t shift)
{
	struct vsw_slot *s = &f->slot[f->n];
	uint32_t room = VSW_SNAP_SIZE - shift;

	memset(s, 0, sizeof(*s));
	memset(s->snap, 0xa5, sizeof(s->snap));
	memcpy(f->frame[f->n], frame, len);
	s->pkt.len = len;
	s->pkt.hdr_off = VSW_SNAP_OFF + shift;
	s->pkt.hdr_len = len < room ? len : room;
	memcpy(s->snap + shift, frame, s->pkt.hdr_len);
	vsw_parse(&s->pkt);
	f->pkt[f->n++] = &s->pkt;
	return &s->pkt;
}

static struct nethv_burst burst(struct fakeexthost *f, uint16_t lcore)
{
	bool may_drop = f->code->desc.cls != NETHV_CAPTURE;

	memset(f->verdict, 0, sizeof(f->verdict));
	memset(f->exclude, 0, sizeof(f->exclude));
	return (struct nethv_burst){
		.size = sizeof(struct nethv_burst),
		.n = f->n,
		.lcore = lcore,
		.now_ns = f->now_ns,
		.pkt = f->pkt,
		.verdict = may_drop ? f->verdict : NULL,
		.lcore_data = f->lcore_data[lcore],
		.host = &f->host,
	};
}

void fakeexthost_ingress(struct fakeexthost *f, uint16_t lcore)
{
	struct nethv_burst b = burst(f, lcore);

	f->code->desc.ingress(f->inst, &b);
}

void fakeexthost_egress(struct fakeexthost *f, uint16_t lcore)
{
	struct nethv_burst b = burst(f, lcore);

	b.flags = NETHV_BURST_EGRESS;
	b.dst = f->dst;
	b.exclude = f->code->desc.cls != NETHV_CAPTURE ? f->exclude : NULL;
	f->code->desc.egress(f->inst, &b);
}

void fakeexthost_clear(struct fakeexthost *f)
{
	f->n = 0;
}

static int put(struct nethv_writer *w, const void *data, size_t len)
{
	struct fakeexthost *f = w->priv;

	f->state = realloc(f->state, f->state_len + len);
	memcpy(f->state + f->state_len, data, len);
	f->state_len += len;
	return NETHV_OK;
}

int fakeexthost_save(struct fakeexthost *f)
{
	struct nethv_writer w = {.size = sizeof(w), .priv = f, .put = put};

	f->state_len = 0;
	return f->code->desc.save(f->inst, &w);
}

int fakeexthost_restore(struct fakeexthost *f, const void *state, size_t len)
{
	return f->code->desc.restore(f->inst, state, len, f->code->desc.state_version);
}
