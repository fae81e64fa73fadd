/* SPDX-License-Identifier: BSD-3-Clause */
/* Life, events and bursts. The calls that an extension makes are in exthost_calls.c. */
#include "tests/support/exthost.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

#define SLOT	 256u /* a struct nethv_pkt, a line of the switch's, the private bytes */
#define SLOT_OFF 128u
#define VECTOR	 (SLOT * NETHV_VECTOR_MAX)

/* The same memory twice: the extension's packets cannot be written. */
static void map_vector(struct exthost *x)
{
	int fd = fd_memfd("exthost", VECTOR, FD_HUGE_NO, NULL);

	cr_assert_geq(fd, 0);
	x->rw = mmap(NULL, VECTOR, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	x->ro = mmap(NULL, VECTOR, PROT_READ, MAP_SHARED, fd, 0);
	cr_assert(x->rw != MAP_FAILED && x->ro != MAP_FAILED);
	close(fd);
}

struct exthost *exthost_new(const struct nethv_ext *ext, unsigned int nr_lcores)
{
	struct exthost *x = calloc(1, sizeof(*x));
	unsigned int i;

	cr_assert_not_null(x);
	cr_assert_leq(nr_lcores, EXTHOST_LCORES);
	x->ext = ext;
	x->held = calloc(EXTHOST_HELD, sizeof(*x->held));
	x->now_ns = 1000000000;
	exthost_calls(&x->host);
	x->host.priv = x;
	x->host.nr_lcores = nr_lcores;
	for (i = 0; i < nr_lcores && ext->lcore_size; i++) {
		x->lane[i] = aligned_alloc(64, (ext->lcore_size + 63u) & ~63u);
		memset(x->lane[i], 0, ext->lcore_size);
	}
	map_vector(x);
	return x;
}

void exthost_free(struct exthost *x)
{
	unsigned int i;

	if (x->inst && x->ext->destroy)
		x->ext->destroy(x->inst);
	exthost_free_mem(x);
	for (i = 0; i < x->host.nr_lcores; i++)
		free(x->lane[i]);
	json_decref(x->cfg);
	munmap(x->rw, VECTOR);
	munmap(x->ro, VECTOR);
	free(x->held);
	free(x);
}

static void put_mac(uint8_t *at, uint64_t mac)
{
	for (int i = 5; i >= 0; i--, mac >>= 8)
		at[i] = (uint8_t)mac;
}

uint16_t exthost_port(struct exthost *x, const char *name, enum nethv_port_type type, uint64_t mac)
{
	uint16_t p = 0;

	while (x->port[p].size)
		p++;
	x->port[p] = (struct nethv_port_info){
		.size = sizeof(x->port[p]),
		.port = p,
		.type = type,
		.state = NETHV_NIC_CONNECTED,
		.mtu = 1500,
	};
	put_mac(x->port[p].mac, mac);
	snprintf(x->port[p].name, sizeof(x->port[p].name), "%s", name);
	return p;
}

int exthost_create(struct exthost *x, const char *config)
{
	int rc;

	if (exthost_config(x, config, &x->cfg))
		return -1;
	x->has_cfg = true;
	rc = x->ext->create ? x->ext->create(&x->host, &x->inst) : 0;
	x->has_cfg = false;
	if (rc) {
		x->inst = NULL; /* half made: never called again */
		json_decref(x->cfg);
		x->cfg = NULL;
		cr_assert_neq(x->text[0], 0, "create() failed without a word");
	}
	return rc;
}

int exthost_configure(struct exthost *x, const char *config)
{
	json_t *old = x->cfg;
	int rc;

	if (exthost_config(x, config, &x->cfg))
		return -1;
	x->has_cfg = true;
	rc = x->ext->configure(x->inst);
	x->has_cfg = false;
	if (rc) {
		json_decref(x->cfg);
		x->cfg = old;
		return rc;
	}
	json_decref(old);
	return 0;
}

static uint8_t state_after(enum nethv_event_kind kind, uint8_t now)
{
	switch (kind) {
	case NETHV_EV_PORT_CREATE: return NETHV_PORT_CREATED;
	case NETHV_EV_NIC_CREATE: return NETHV_NIC_CREATED;
	case NETHV_EV_NIC_CONNECT: return NETHV_NIC_CONNECTED;
	case NETHV_EV_NIC_DISCONNECT: return NETHV_NIC_DISCONNECTED;
	case NETHV_EV_NIC_DELETE: return NETHV_NIC_DELETED;
	case NETHV_EV_PORT_TEARDOWN: return NETHV_PORT_TEARDOWN;
	default: return now;
	}
}

int exthost_event(struct exthost *x, enum nethv_event_kind kind, uint16_t port, uint16_t nic)
{
	struct nethv_port_info info = x->port[port];
	struct nethv_event e = {
		.size = sizeof(e),
		.kind = kind,
		.port = &info,
		.nic = nic,
		.text = x->veto,
		.text_max = sizeof(x->veto),
	};
	int rc;

	x->veto[0] = 0;
	rc = x->ext->event(x->inst, &e);
	if (rc < 0 || nic)
		return rc;
	x->port[port].state = state_after(kind, info.state);
	if (kind == NETHV_EV_PORT_DELETE)
		memset(&x->port[port], 0, sizeof(x->port[port]));
	return rc;
}

/* ---- Bursts -------------------------------------------------------------------------------- */

struct exthost_pkt *exthost_put(struct exthost *x, uint16_t src_port, const void *frame,
				uint32_t len)
{
	struct exthost_pkt *k = &x->pkt[x->n];
	struct nethv_pkt *p = (struct nethv_pkt *)(x->rw + SLOT * x->n);
	uint32_t priv = x->private_bytes ? x->private_bytes : 64;

	cr_assert_lt(x->n, NETHV_VECTOR_MAX);
	cr_assert_leq(len, EXTHOST_BYTES);
	memset(k, 0, sizeof(*k));
	memset(p, 0, SLOT);
	memcpy(k->frame, frame, len);
	k->len = len;
	k->p = p;
	k->tci = -1;
	p->len = len;
	p->hdr_off = SLOT_OFF;
	p->hdr_len = (uint16_t)(len < priv ? len : priv);
	p->src_port = src_port;
	memcpy(x->rw + SLOT * x->n + SLOT_OFF, frame, p->hdr_len);
	exthost_parse(p, k->frame, p->hdr_len);
	p->dst_first = x->nr_dst;
	x->n++;
	return k;
}

void exthost_dst(struct exthost *x, uint16_t port)
{
	struct nethv_pkt *p = x->pkt[x->n - 1].p;

	cr_assert_lt(x->nr_dst, EXTHOST_DSTS);
	x->dst[x->nr_dst++] = (struct nethv_dst){.port = port};
	p->ndst++;
}

static void do_edit(struct exthost_pkt *k, const struct exthost_edit *e)
{
	memmove(k->frame + e->off + e->len, k->frame + e->off + e->strip,
		k->len - e->off - e->strip);
	memcpy(k->frame + e->off, e->bytes, e->len);
	k->len = k->len - e->strip + e->len;
}

struct run {
	struct nethv_burst b;
	const struct nethv_pkt *pkt[NETHV_VECTOR_MAX];
	uint16_t verdict[NETHV_VECTOR_MAX];
	struct nethv_route route[NETHV_VECTOR_MAX];
	uint8_t exclude[EXTHOST_DSTS];
};

static void note(struct exthost *x, const char *rule)
{
	x->nr_broken++;
	x->broken = rule;
}

static void collect(struct exthost *x, const struct run *r)
{
	uint32_t i, d;

	for (i = 0; i < x->nr_edits; i++)
		do_edit(&x->pkt[x->edit[i].i], &x->edit[i]);
	for (i = 0; i < r->b.n; i++) {
		struct exthost_pkt *k = &x->pkt[i];

		k->verdict = r->verdict[i];
		k->route = r->route[i];
		if (k->verdict && x->ext->cls == NETHV_CAPTURE)
			note(x, "EXT-1: a capture drops");
		if (k->verdict > x->ext->nr_reasons)
			note(x, "EXT-11: a drop without a declared reason");
		if (k->route.kind == NETHV_ROUTE_PORTS && k->p->src_port < NETHV_PORTS_MAX)
			for (d = 0; d < k->route.n; d++)
				if (!x->port[k->route.dst[d].port % NETHV_PORTS_MAX].size)
					note(x, "DP-4: a destination that is not there");
		for (d = 0; d < k->p->ndst && d < 8; d++)
			k->excluded[d] = r->exclude[k->p->dst_first + d];
	}
	x->nr_edits = 0;
}

static void begin(struct exthost *x, struct run *r, uint16_t lcore, uint32_t flags)
{
	bool is_single = true;
	uint16_t i;

	memset(r, 0, sizeof(*r));
	x->is_egress = flags & NETHV_BURST_EGRESS;
	x->is_poll = flags & NETHV_BURST_POLL;
	r->b = (struct nethv_burst){
		.size = sizeof(r->b),
		.n = x->is_poll ? 0 : x->n,
		.lcore = lcore,
		.flags = flags,
		.src_port = x->n ? x->pkt[0].p->src_port : NETHV_PORT_DEFAULT,
		.now_ns = x->now_ns,
		.now_tsc = x->now_ns * 2,
		.pkt = r->pkt,
		.verdict = r->verdict,
		.route = !x->is_egress && x->ext->cls == NETHV_FORWARD ? r->route : NULL,
		.dst = x->is_egress ? x->dst : NULL,
		.exclude = x->is_egress ? r->exclude : NULL,
		.lcore_data = x->lane[lcore],
		.host = &x->host,
	};
	for (i = 0; i < r->b.n; i++) {
		r->pkt[i] = (const struct nethv_pkt *)(x->ro + SLOT * i);
		is_single &= x->pkt[i].p->src_port == x->pkt[0].p->src_port;
	}
	if (is_single)
		r->b.flags |= NETHV_BURST_SINGLE_SOURCE;
}

void exthost_ingress(struct exthost *x, uint16_t lcore)
{
	struct run r;

	begin(x, &r, lcore, 0);
	x->ext->ingress(x->inst, &r.b);
	collect(x, &r);
}

void exthost_egress(struct exthost *x, uint16_t lcore)
{
	struct run r;

	begin(x, &r, lcore, NETHV_BURST_EGRESS);
	x->ext->egress(x->inst, &r.b);
	collect(x, &r);
}

void exthost_poll(struct exthost *x, uint16_t lcore)
{
	struct run r;

	begin(x, &r, lcore, NETHV_BURST_POLL);
	x->ext->poll(x->inst, &r.b);
}

void exthost_flush(struct exthost *x, uint16_t lcore)
{
	struct run r;

	begin(x, &r, lcore, NETHV_BURST_POLL);
	x->ext->flush(x->inst, &r.b);
}

void exthost_clear(struct exthost *x)
{
	x->n = 0;
	x->nr_dst = 0;
	x->nr_made = 0;
}

void exthost_notify(struct exthost *x)
{
	uint32_t i;

	for (i = 0; i < x->nr_posted; i++)
		x->ext->notify(x->inst, x->posted[i]);
	x->nr_posted = 0;
}

/* ---- What it says and keeps ---------------------------------------------------------------- */

json_t *exthost_status(struct exthost *x)
{
	static char text[65536];
	json_error_t err;
	json_t *j;
	int n = x->ext->status(x->inst, text, sizeof(text));

	cr_assert(n > 0 && n < (int)sizeof(text) && (int)strlen(text) == n, "status is %d long", n);
	j = json_loads(text, 0, &err);
	cr_assert_not_null(j, "status is not JSON: %s: %s", err.text, text);
	/* Short of room it says how much it takes, and writes no further. */
	memset(text, '#', sizeof(text));
	cr_assert_eq(x->ext->status(x->inst, text, 20), n);
	cr_assert_eq(text[20], '#');
	return j;
}

json_int_t exthost_number(struct exthost *x, const char *path)
{
	json_t *j = exthost_status(x), *v = exthost_value(j, path);
	json_int_t n;

	cr_assert(json_is_integer(v), "no number %s in the status", path);
	n = json_integer_value(v);
	json_decref(j);
	return n;
}

struct sink {
	struct nethv_writer w;
	char *at;
	size_t len;
};

static int put(struct nethv_writer *w, const void *data, size_t len)
{
	struct sink *s = w->priv;

	s->at = realloc(s->at, s->len + len + 1);
	memcpy(s->at + s->len, data, len);
	s->len += len;
	return 0;
}

void *exthost_save(struct exthost *x, size_t *len)
{
	struct sink s = {.w = {.size = sizeof(s.w), .priv = &s, .put = put}};

	if (x->ext->save(x->inst, &s.w)) {
		free(s.at);
		return NULL;
	}
	*len = s.len;
	return s.at;
}

/* ---- Frames -------------------------------------------------------------------------------- */

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

uint32_t exthost_frame(uint8_t *f, const struct exthost_flow *k)
{
	bool is_v6 = strchr(k->src, ':') != NULL;
	uint32_t l4 = is_v6 ? 54 : 34, len = l4 + (k->proto == 6 ? 20 : 8);

	len = k->len > len ? k->len : len;
	memset(f, 0, len);
	put_mac(f, k->dst_mac);
	put_mac(f + 6, k->src_mac);
	put16(f + 12, is_v6 ? 0x86DD : 0x0800);
	f[14] = is_v6 ? 0x60 : 0x45;
	if (is_v6) {
		put16(f + 18, len - 54);
		f[20] = k->proto;
		f[21] = 64;
	} else {
		put16(f + 16, len - 14);
		put16(f + 20, k->is_fragment ? 100 : 0);
		f[22] = 64;
		f[23] = k->proto;
	}
	cr_assert_eq(inet_pton(is_v6 ? AF_INET6 : AF_INET, k->src, f + (is_v6 ? 22 : 26)), 1);
	cr_assert_eq(inet_pton(is_v6 ? AF_INET6 : AF_INET, k->dst, f + (is_v6 ? 38 : 30)), 1);
	put16(f + l4, k->sport);
	put16(f + l4 + 2, k->dport);
	if (k->proto == 17)
		put16(f + l4 + 4, len - l4);
	return len;
}

struct exthost_pkt *exthost_put_flow(struct exthost *x, uint16_t src_port,
				     const struct exthost_flow *f)
{
	uint8_t frame[EXTHOST_BYTES];
	uint32_t len = exthost_frame(frame, f);

	return exthost_put(x, src_port, frame, len);
}
