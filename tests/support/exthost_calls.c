/* SPDX-License-Identifier: BSD-3-Clause */
/* What an extension may call, and its configuration. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/exthost.h"

static struct exthost *host_of(const struct nethv_host *h)
{
	return h->priv;
}

static int refuse(struct exthost *x, const char *rule)
{
	x->nr_broken++;
	x->broken = rule;
	return NETHV_EPERM;
}

/* ---- lcore --------------------------------------------------------------------------------- */

static int copy(struct nethv_burst *b, uint16_t i, uint32_t off, void *dst, uint32_t len)
{
	struct exthost *x = host_of(b->host);

	if (i >= b->n || off > x->pkt[i].len || len > x->pkt[i].len - off)
		return NETHV_ERANGE;
	memcpy(dst, x->pkt[i].frame + off, len);
	return NETHV_OK;
}

static int pull(struct nethv_burst *b, uint16_t i, uint32_t n)
{
	struct exthost *x = host_of(b->host);
	struct nethv_pkt *p;

	if (i >= b->n)
		return NETHV_ERANGE;
	p = x->pkt[i].p;
	if (n > NETHV_PRIVATE_MAX || n > x->pkt[i].len)
		return NETHV_ERANGE;
	if (n > p->hdr_len)
		p->hdr_len = (uint16_t)n;
	memcpy((uint8_t *)p + p->hdr_off, x->pkt[i].frame, p->hdr_len);
	return NETHV_OK;
}

/* What only filters and forwarders may do, on ingress, with a packet of the burst. */
static int may_change(struct exthost *x, const struct nethv_burst *b, uint16_t i)
{
	if (x->ext->cls == NETHV_CAPTURE)
		return refuse(x, "EXT-1: a capture changes packets");
	if (x->is_egress || x->is_poll)
		return refuse(x, "EXT-2: packets are changed on ingress only");
	return i < b->n ? NETHV_OK : NETHV_ERANGE;
}

static int later(struct exthost *x, struct exthost_edit e, const void *bytes)
{
	if (e.len > sizeof(e.bytes) || x->nr_edits == NETHV_VECTOR_MAX)
		return NETHV_ENOROOM;
	memcpy(e.bytes, bytes, e.len);
	x->edit[x->nr_edits++] = e;
	return NETHV_OK;
}

static int edit(struct nethv_burst *b, uint16_t i, uint32_t off, const void *bytes, uint32_t len)
{
	struct exthost *x = host_of(b->host);
	int rc = may_change(x, b, i);

	if (rc)
		return rc;
	if (off > x->pkt[i].p->hdr_len || len > x->pkt[i].p->hdr_len - off)
		return NETHV_ERANGE;
	return later(x, (struct exthost_edit){.i = i, .off = off, .strip = len, .len = len}, bytes);
}

static int set_head(struct nethv_burst *b, uint16_t i, uint32_t strip, const void *bytes,
		    uint32_t len)
{
	struct exthost *x = host_of(b->host);
	int rc = may_change(x, b, i);

	if (rc)
		return rc;
	if (!(x->ext->flags & NETHV_EXT_PLAIN))
		return refuse(x, "SDK-1: a head is replaced only with NETHV_EXT_PLAIN");
	if (strip > x->pkt[i].p->hdr_len)
		return NETHV_ERANGE;
	return later(x, (struct exthost_edit){.i = i, .strip = strip, .len = len}, bytes);
}

static int set_vlan(struct nethv_burst *b, uint16_t i, int32_t tci)
{
	struct exthost *x = host_of(b->host);
	int rc = may_change(x, b, i);

	if (rc)
		return rc;
	if (tci < -1 || tci > 0xFFFF)
		return NETHV_ERANGE;
	x->pkt[i].tci = tci;
	return NETHV_OK;
}

static int set_mark(struct nethv_burst *b, uint16_t i, uint32_t mark)
{
	struct exthost *x = host_of(b->host);
	int rc = may_change(x, b, i);

	if (!rc)
		x->pkt[i].p->mark = mark;
	return rc;
}

static int set_source(struct nethv_burst *b, uint16_t i, uint16_t port)
{
	struct exthost *x = host_of(b->host);
	int rc = may_change(x, b, i);

	if (rc)
		return rc;
	if (port >= NETHV_PORTS_MAX || !x->port[port].size)
		return refuse(x, "SRC-1: a source that is not there");
	x->pkt[i].p->src_port = port;
	return NETHV_OK;
}

static int made(struct exthost *x, struct exthost_made m, const void *frame)
{
	if (x->has_no_room || x->nr_made == EXTHOST_MADE)
		return NETHV_ENOROOM;
	memcpy(m.frame, frame, m.len < sizeof(m.frame) ? m.len : sizeof(m.frame));
	x->made[x->nr_made++] = m;
	return NETHV_OK;
}

static int clone(struct nethv_burst *b, uint16_t i)
{
	struct exthost *x = host_of(b->host);
	struct exthost_made m = {.kind = EXTHOST_CLONED};

	if (x->ext->cls == NETHV_CAPTURE)
		return refuse(x, "EXT-1: a capture clones");
	if (i >= b->n)
		return NETHV_ERANGE;
	m.src_port = x->pkt[i].p->src_port;
	m.len = x->pkt[i].len;
	return made(x, m, x->pkt[i].frame);
}

static int originate(struct nethv_burst *b, uint16_t src_port, const void *frame, uint32_t len)
{
	struct exthost *x = host_of(b->host);
	struct exthost_made m = {.kind = EXTHOST_ORIGINATED, .src_port = src_port, .len = len};

	if (x->is_egress)
		return refuse(x, "DP-10: packets are originated on ingress");
	if (len < 14 || len > EXTHOST_BYTES)
		return NETHV_ERANGE;
	return made(x, m, frame);
}

static int hold(struct nethv_burst *b, uint16_t i, uint32_t *handle)
{
	struct exthost *x = host_of(b->host);
	uint32_t k;

	if (!(x->ext->flags & NETHV_EXT_HOLDS) || x->is_unloading)
		return refuse(x, "SDK-2: holds without NETHV_EXT_HOLDS, or while unloading");
	if (i >= b->n || x->pkt[i].is_held)
		return NETHV_ERANGE;
	if (x->has_no_room || x->nr_held == EXTHOST_HELD)
		return NETHV_ENOROOM;
	for (k = 0; x->held[k].is_there; k++)
		;
	x->pkt[i].is_held = true;
	x->held[k].is_there = true;
	x->held[k].pkt = x->pkt[i];
	x->held[k].src_port = x->pkt[i].p->src_port;
	x->nr_held++;
	*handle = k + 1;
	return NETHV_OK;
}

static int let_go(struct exthost *x, uint32_t handle, enum exthost_kind kind, uint16_t reason)
{
	struct exthost_made m = {.kind = kind, .reason = reason};
	struct exthost_pkt *k;
	int rc;

	if (handle == 0 || handle > EXTHOST_HELD || !x->held[handle - 1].is_there) {
		refuse(x, "SDK-3: a handle that stands for nothing");
		return NETHV_ERANGE;
	}
	k = &x->held[handle - 1].pkt;
	m.src_port = x->held[handle - 1].src_port;
	m.len = k->len;
	rc = made(x, m, k->frame);
	if (rc)
		return rc;
	x->held[handle - 1].is_there = false;
	x->nr_held--;
	return NETHV_OK;
}

static int release(struct nethv_burst *b, uint32_t handle)
{
	return let_go(host_of(b->host), handle, EXTHOST_RELEASED, 0);
}

static int discard(struct nethv_burst *b, uint32_t handle, uint16_t reason)
{
	return let_go(host_of(b->host), handle, EXTHOST_DISCARDED, reason);
}

static const struct rte_mbuf *mbuf(struct nethv_burst *b, uint16_t i)
{
	return NULL;
}

static int post(struct nethv_burst *b, uint64_t arg)
{
	struct exthost *x = host_of(b->host);

	if (x->has_no_room || x->nr_posted == 256)
		return NETHV_ENOROOM;
	x->posted[x->nr_posted++] = arg;
	return NETHV_OK;
}

/* ---- ctl ----------------------------------------------------------------------------------- */

static void *alloc(const struct nethv_host *h, size_t size)
{
	struct exthost *x = host_of(h);
	struct exthost_mem *m = malloc(sizeof(*m));

	size = (size + 63) & ~(size_t)63;
	m->at = aligned_alloc(64, size);
	memset(m->at, 0, size);
	m->next = x->mem;
	x->mem = m;
	return m->at;
}

static void free_one(const struct nethv_host *h, void *p)
{
	struct exthost_mem **m = &host_of(h)->mem, *gone;

	if (!p)
		return;
	while (*m && (*m)->at != p)
		m = &(*m)->next;
	cr_assert_not_null(*m, "frees what it did not get");
	gone = *m;
	*m = gone->next;
	free(gone->at);
	free(gone);
}

void exthost_free_mem(struct exthost *x)
{
	while (x->mem)
		free_one(&x->host, x->mem->at);
}

static void say(const struct nethv_host *h, int level, const char *text)
{
	snprintf(host_of(h)->logged, sizeof(host_of(h)->logged), "%s", text);
}

static void quiesce(const struct nethv_host *h)
{
	host_of(h)->nr_quiesced++;
}

static void *lcore_data(const struct nethv_host *h, uint16_t lcore)
{
	return lcore < h->nr_lcores ? host_of(h)->lane[lcore] : NULL;
}

static int fail(const struct nethv_host *h, const char *text)
{
	snprintf(host_of(h)->text, sizeof(host_of(h)->text), "%s", text);
	return -1;
}

/* Keys that are not in the table are a fault of the extension, so the test ends. */
static json_t *value(const struct nethv_host *h, const char *key)
{
	json_t *v = exthost_value(host_of(h)->cfg, key);

	cr_assert(host_of(h)->has_cfg, "reads %s outside of create() and configure()", key);
	cr_assert_not_null(v, "%s is not a key", key);
	return v;
}

static const char *cfg_text(const struct nethv_host *h, const char *key)
{
	return json_string_value(value(h, key));
}

static int64_t cfg_int(const struct nethv_host *h, const char *key)
{
	json_t *v = value(h, key);

	return json_is_boolean(v) ? json_boolean_value(v) : json_integer_value(v);
}

static double cfg_real(const struct nethv_host *h, const char *key)
{
	return json_number_value(value(h, key));
}

static uint32_t cfg_count(const struct nethv_host *h, const char *key)
{
	return (uint32_t)json_array_size(value(h, key));
}

static bool port_next(const struct nethv_host *h, uint16_t from, struct nethv_port_info *out)
{
	for (; from < NETHV_PORTS_MAX; from++) {
		if (host_of(h)->port[from].size) {
			*out = host_of(h)->port[from];
			return true;
		}
	}
	return false;
}

static uint16_t port_find(const struct nethv_host *h, const char *name)
{
	struct nethv_port_info info;
	uint16_t p;

	for (p = 0; port_next(h, p, &info); p = info.port + 1)
		if (strcmp(info.name, name) == 0)
			return info.port;
	return NETHV_PORT_DEFAULT;
}

static int ref(const struct nethv_host *h, uint16_t port)
{
	return port < NETHV_PORTS_MAX && host_of(h)->port[port].size ? NETHV_OK : NETHV_EPERM;
}

static int ref_nic(const struct nethv_host *h, uint16_t port, uint16_t nic)
{
	return ref(h, port);
}

static bool property(const struct nethv_host *h, uint16_t port, const struct nethv_guid *id,
		     uint32_t n, struct nethv_property *out)
{
	return false;
}

static int request(const struct nethv_host *h, struct nethv_event *e)
{
	return NETHV_EV_PASS;
}

void exthost_calls(struct nethv_host *h)
{
	*h = (struct nethv_host){
		.size = sizeof(*h),
		.abi = NETHV_EXT_ABI,
		.budget_us = 1000,
		.tsc_hz = 2000000000,
		.copy = copy,
		.pull = pull,
		.edit = edit,
		.set_head = set_head,
		.set_vlan = set_vlan,
		.set_mark = set_mark,
		.set_source = set_source,
		.clone = clone,
		.originate = originate,
		.hold = hold,
		.release = release,
		.discard = discard,
		.mbuf = mbuf,
		.post = post,
		.alloc = alloc,
		.free = free_one,
		.log = say,
		.quiesce = quiesce,
		.lcore_data = lcore_data,
		.fail = fail,
		.cfg_text = cfg_text,
		.cfg_int = cfg_int,
		.cfg_real = cfg_real,
		.cfg_count = cfg_count,
		.port_next = port_next,
		.port_find = port_find,
		.port_ref = ref,
		.port_unref = ref,
		.nic_ref = ref_nic,
		.nic_unref = ref_nic,
		.property = property,
		.remove_vf = ref,
		.request = request,
	};
}

/* ---- Configuration ------------------------------------------------------------------------- */

json_t *exthost_value(json_t *cfg, const char *path)
{
	char name[64];
	unsigned int i;
	int n = 0;

	while (cfg && *path) {
		if (sscanf(path, "%63[^.[]%n", name, &n) != 1)
			return NULL;
		path += n;
		cfg = json_object_get(cfg, name);
		if (sscanf(path, "[%u]%n", &i, &n) == 1) {
			path += n;
			cfg = json_array_get(cfg, i);
		}
		path += *path == '.';
	}
	return cfg;
}

static json_t *fallback_of(const struct nethv_key *k)
{
	const char *s = k->fallback ? k->fallback : "";

	switch (k->kind) {
	case NETHV_KEY_TEXT: return json_string(s);
	case NETHV_KEY_INT: return json_integer(atoll(s));
	case NETHV_KEY_REAL: return json_real(atof(s));
	case NETHV_KEY_BOOL: return json_boolean(strcmp(s, "true") == 0);
	default: return json_array();
	}
}

static bool is_right(const struct nethv_key *k, const json_t *v)
{
	switch (k->kind) {
	case NETHV_KEY_TEXT: return json_is_string(v);
	case NETHV_KEY_INT: return json_is_integer(v);
	case NETHV_KEY_REAL: return json_is_number(v);
	case NETHV_KEY_BOOL: return json_is_boolean(v);
	default: return json_is_array(v);
	}
}

static int wrong(struct exthost *x, const char *key, const char *what)
{
	snprintf(x->text, sizeof(x->text), "%s: %s", key, what);
	return -1;
}

/* Checks one map against the keys that begin with @prefix, and fills in what is not there. */
static int check_map(struct exthost *x, json_t *map, const char *prefix)
{
	const struct nethv_key *k;
	size_t n = strlen(prefix), known = 0;

	for (k = x->ext->keys; k && k->name; k++) {
		const char *name = k->name + n;
		json_t *v;

		if (strncmp(k->name, prefix, n) != 0 || strchr(name, '.'))
			continue;
		v = json_object_get(map, name);
		if (!v && k->is_required)
			return wrong(x, k->name, "is missing");
		if (!v)
			json_object_set_new(map, name, v = fallback_of(k));
		if (!is_right(k, v))
			return wrong(x, k->name, "is of another type");
		if (json_is_number(v) && (k->min || k->max) &&
		    (json_number_value(v) < k->min || json_number_value(v) > k->max))
			return wrong(x, k->name, "is out of range");
		known++;
	}
	return known == json_object_size(map) ? 0 : wrong(x, prefix, "has a key that is not known");
}

static int check_lists(struct exthost *x, json_t *cfg)
{
	const struct nethv_key *k;
	char prefix[64];
	json_t *element;
	size_t i;

	for (k = x->ext->keys; k && k->name; k++) {
		if (k->kind != NETHV_KEY_LIST)
			continue;
		snprintf(prefix, sizeof(prefix), "%s.", k->name);
		json_array_foreach(json_object_get(cfg, k->name), i, element)
		{
			if (check_map(x, element, prefix))
				return -1;
		}
	}
	return 0;
}

int exthost_config(struct exthost *x, const char *text, json_t **out)
{
	json_error_t err;
	json_t *cfg = json_loads(text ? text : "{}", 0, &err);

	x->text[0] = 0;
	if (!cfg)
		return wrong(x, "configuration", err.text);
	if (check_map(x, cfg, "") || check_lists(x, cfg)) {
		json_decref(cfg);
		return -1;
	}
	*out = cfg;
	return 0;
}

/* ---- Headers, the stupid way --------------------------------------------------------------- */

static bool is_header(uint8_t proto)
{
	return proto == 0 || proto == 43 || proto == 44 || proto == 60;
}

static void parse_v6(struct nethv_pkt *p, const uint8_t *f, uint32_t len)
{
	uint8_t proto = f[20];
	uint32_t at = 54;

	while (is_header(proto) && at + 8 <= len) {
		uint8_t next = f[at];

		if (proto == 44 && (nethv_get16(f + at + 2) & 0xFFF8))
			p->flags |= NETHV_PKT_FRAGMENT;
		at += proto == 44 ? 8u : 8u + f[at + 1] * 8u;
		proto = next;
	}
	p->l4_proto = proto;
	if (at < len && !is_header(proto) && !(p->flags & NETHV_PKT_FRAGMENT))
		p->l4_off = (uint8_t)at;
}

/* @len: private bytes. */
void exthost_parse(struct nethv_pkt *p, const uint8_t *f, uint32_t len)
{
	p->flags |= NETHV_PKT_PARSED;
	if (len < 14)
		return;
	p->ether_type = nethv_get16(f + 12);
	if (p->ether_type == 0x0800 && len >= 34 && f[14] >> 4 == 4 && (f[14] & 15) >= 5) {
		p->l3_off = 14;
		p->l3_version = 4;
		p->l4_proto = f[23];
		if (nethv_get16(f + 20) & 0x1FFF)
			p->flags |= NETHV_PKT_FRAGMENT;
		else if (14u + (f[14] & 15) * 4u < len)
			p->l4_off = (uint8_t)(14 + (f[14] & 15) * 4);
	} else if (p->ether_type == 0x86DD && len >= 54 && f[14] >> 4 == 6) {
		p->l3_off = 14;
		p->l3_version = 6;
		parse_v6(p, f, len);
	}
}
