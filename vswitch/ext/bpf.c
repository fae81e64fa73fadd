/* SPDX-License-Identifier: BSD-3-Clause */
/* An eBPF object as an extension. Opening it checks its programs; each instance gets maps, variables and
 * native code of its own. For each packet of a burst the program is called with a copy of what it reads of
 * the packet, and what it returns is the verdict. */
#include "vswitch/ext/bpf_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_bpf.h>
#include <rte_rcu_qsbr.h>

#include "base/err.h"

#define SAME_FLAG(name) _Static_assert(NV_PKT_##name == NETHV_PKT_##name, "")
SAME_FLAG(VLAN);
SAME_FLAG(CSUM);
SAME_FLAG(LSO);
SAME_FLAG(CSUM_OK);
SAME_FLAG(SAFE);
SAME_FLAG(NATIVE);
SAME_FLAG(CLONE);
SAME_FLAG(MADE);
SAME_FLAG(FRAGMENT);
_Static_assert((int)NV_CAPTURE == NETHV_CAPTURE && (int)NV_FILTER == NETHV_FILTER, "");
_Static_assert(NV_BYTES_MAX == NETHV_PRIVATE_MAX && NV_REASONS_MAX == NETHV_REASONS_MAX, "");
_Static_assert(NV_PORT_DEFAULT == NETHV_PORT_DEFAULT, "");

struct bpf_code {
	struct vsw_ext_code code; /* first: what others have a pointer to */
	struct bpf_obj *obj;
	const char *reason[NV_REASONS_MAX];
};

/* ---- lcore: the context, bursts ---- */

enum { PROTO_TCP = 6, PROTO_UDP = 17, PROTO_SCTP = 132 };

static void fill_l4(struct nv_ctx *c, const struct nethv_pkt *p)
{
	const uint8_t *l4 = nethv_bytes(p) + p->l4_off;
	bool has_ports =
		p->l4_proto == PROTO_TCP || p->l4_proto == PROTO_UDP || p->l4_proto == PROTO_SCTP;

	c->l4_src_port = 0;
	c->l4_dst_port = 0;
	c->tcp_flags = 0;
	if (!p->l4_off || !has_ports || p->l4_off + 4 > p->hdr_len || p->flags & NETHV_PKT_FRAGMENT)
		return;
	c->l4_src_port = nethv_get16(l4);
	c->l4_dst_port = nethv_get16(l4 + 2);
	if (p->l4_proto == PROTO_TCP && p->l4_off + 14 <= p->hdr_len)
		c->tcp_flags = l4[13];
}

static void fill_ip(struct nv_ctx *c, const struct nethv_pkt *p)
{
	const uint8_t *l3 = nethv_bytes(p) + p->l3_off;

	memset(c->ip_src, 0, sizeof(c->ip_src) + sizeof(c->ip_dst));
	if (p->l3_version == 4 && p->l3_off && p->l3_off + 20 <= p->hdr_len) {
		memcpy(c->ip_src, l3 + 12, 4);
		memcpy(c->ip_dst, l3 + 16, 4);
	} else if (p->l3_version == 6 && p->l3_off && p->l3_off + 40 <= p->hdr_len) {
		memcpy(c->ip_src, l3 + 8, 16);
		memcpy(c->ip_dst, l3 + 24, 16);
	}
}

static void fill_bytes(struct nv_ctx *c, const struct nethv_pkt *p, uint32_t n)
{
	uint32_t have = c->nr_bytes < n ? c->nr_bytes : n;

	memcpy(c->bytes, nethv_bytes(p), have);
	if (have < n)
		memset(c->bytes + have, 0, n - have);
}

static void fill(struct bpf_run *r, const struct bpf_prog *prog)
{
	const struct nethv_pkt *p = r->b->pkt[r->i];
	struct nv_ctx *c = &r->ctx;

	c->len = p->len;
	c->nr_bytes = p->hdr_len < NV_BYTES_MAX ? p->hdr_len : NV_BYTES_MAX;
	c->flags = p->flags;
	c->vlan_tci = p->vlan_tci;
	c->vlan = p->vlan;
	c->src_port = p->src_port;
	c->src_nic = p->src_nic;
	c->dst_port = c->is_egress && p->ndst ? r->b->dst[p->dst_first].port : NV_PORT_DEFAULT;
	c->ndst = c->is_egress ? p->ndst : 0;
	c->ether_type = p->ether_type;
	c->l3_off = p->l3_off;
	c->l4_off = p->l4_off;
	c->l4_proto = p->l4_proto;
	c->l3_version = p->l3_version;
	c->lso_mss = p->flags & NETHV_PKT_LSO ? p->lso_mss : 0;
	c->hash = p->hash;
	c->mark = p->mark;
	if (prog->needs & BPF_NEEDS_L4)
		fill_l4(c, p);
	if (prog->needs & BPF_NEEDS_IP)
		fill_ip(c, p);
	if (prog->nr_bytes)
		fill_bytes(c, p, prog->nr_bytes);
}

static void run_packets(const struct bpf_inst *in, const struct bpf_run_prog *prog,
			struct bpf_run *r)
{
	struct nethv_burst *b = r->b;
	uint64_t v;

	for (r->i = 0; r->i < b->n; r->i++) {
		fill(r, prog->src);
		v = prog->fn ? prog->fn(&r->ctx) : rte_bpf_exec(prog->bpf, &r->ctx);
		/* Out of range stays out of range: the switch counts a broken rule. */
		if (in->is_filter && v)
			b->verdict[r->i] = v < UINT16_MAX ? (uint16_t)v : UINT16_MAX;
	}
}

static void run(struct bpf_inst *in, struct nethv_burst *b, bool is_egress)
{
	struct bpf_run r;

	r.b = b;
	r.nr_counters = in->obj->nr_counters;
	r.ctx.is_egress = is_egress;
	r.ctx.reserved = 0;
	r.ctx.now_ns = b->now_ns;
	if (in->qsbr)
		rte_rcu_qsbr_thread_online(in->qsbr, b->lcore);
	run_packets(in, &in->prog[is_egress], &r);
	if (in->qsbr)
		rte_rcu_qsbr_thread_offline(in->qsbr, b->lcore);
}

static void ingress(void *inst, struct nethv_burst *b)
{
	run(inst, b, false);
}

static void egress(void *inst, struct nethv_burst *b)
{
	run(inst, b, true);
}

/* ---- ctl: instances ---- */

static void inst_fini(struct bpf_inst *in)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		bpf_unlink(&in->prog[i]);
	for (i = 0; i < in->obj->nr_maps; i++)
		bpf_map_destroy(&in->map[i]);
}

static int make_qsbr(struct bpf_inst *in, const struct nethv_host *h)
{
	uint32_t i, n = h->nr_lcores + 1; /* and ctl */

	if (!in->obj->prog[0].has_delete && !in->obj->prog[1].has_delete)
		return 0;
	in->qsbr = h->alloc(h, rte_rcu_qsbr_get_memsize(n));
	if (!in->qsbr || rte_rcu_qsbr_init(in->qsbr, n))
		return err_set(-ENOMEM, "%s: no memory", in->obj->label);
	for (i = 0; i < n; i++)
		rte_rcu_qsbr_thread_register(in->qsbr, i);
	return 0;
}

static int make_data(struct bpf_inst *in, const struct nethv_host *h)
{
	unsigned int i;

	for (i = 0; i < in->obj->nr_data; i++) {
		in->data[i] = h->alloc(h, in->obj->data[i].size);
		if (!in->data[i])
			return err_set(-ENOMEM, "%s: no memory", in->obj->label);
		memcpy(in->data[i], in->obj->data[i].image, in->obj->data[i].size);
	}
	return 0;
}

static int inst_init(struct bpf_inst *in, const struct nethv_host *h, const struct bpf_obj *o)
{
	unsigned int i;
	int rc;

	in->host = h;
	in->obj = o;
	in->is_filter = o->info.cls == NV_FILTER;
	rc = make_qsbr(in, h);
	if (!rc)
		rc = make_data(in, h);
	for (i = 0; i < o->nr_maps && !rc; i++)
		rc = bpf_map_create(&in->map[i], h, &o->map[i], in->qsbr);
	for (i = 0; i < 2 && !rc; i++)
		rc = o->prog[i].section ? bpf_link(&in->prog[i], o, &o->prog[i], in) : 0;
	if (rc)
		inst_fini(in);
	return rc;
}

static int create(const struct nethv_host *h, void **inst)
{
	struct bpf_code *c = (struct bpf_code *)vsw_host_code(h);
	struct bpf_inst *in = h->alloc(h, sizeof(*in));

	if (!in)
		return h->fail(h, "no memory");
	if (inst_init(in, h, c->obj))
		return h->fail(h, err_text());
	*inst = in;
	return 0;
}

static void destroy(void *inst)
{
	inst_fini(inst);
}

/* ---- ctl: the code ---- */

static void code_close(struct vsw_ext_code *code)
{
	struct bpf_code *c = (struct bpf_code *)code;

	bpf_obj_free(c->obj);
	free(c);
}

static void describe(struct bpf_code *c)
{
	const struct bpf_obj *o = c->obj;
	unsigned int i;

	for (i = 0; i < o->nr_reasons; i++)
		c->reason[i] = o->info.reasons[i];
	c->code.close = code_close;
	c->code.desc = (struct nethv_ext){
		NETHV_EXT_HEAD,
		.guid = o->guid,
		.name = o->info.name,
		.version = o->info.version,
		.summary = o->info.summary,
		.cls = o->info.cls,
		.flags = o->info.flags & NV_PLAIN ? NETHV_EXT_PLAIN : 0,
		.reasons = c->reason,
		.nr_reasons = o->nr_reasons,
		.lcore_size = o->nr_counters * sizeof(uint64_t),
		.state_version = BPF_STATE_VERSION,
		.create = create,
		.destroy = destroy,
		.status = bpf_status,
		.save = bpf_save,
		.restore = bpf_restore,
		.ingress = o->prog[0].section ? ingress : NULL,
		.egress = o->prog[1].section ? egress : NULL,
	};
}

static int read_file(void **out, size_t *len, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;
	int rc = 0;

	*out = NULL;
	if (fd < 0 || fstat(fd, &st) < 0)
		rc = err_sys(-errno, "%s", path);
	else if (!S_ISREG(st.st_mode) || st.st_size > BPF_FILE_MAX)
		rc = err_set(-EFBIG, "%s: not a file of at most %u MiB", path, BPF_FILE_MAX >> 20);
	else if (!(*out = malloc((size_t)st.st_size + 1)))
		rc = err_set(-ENOMEM, "%s", path);
	else if ((n = pread(fd, *out, (size_t)st.st_size, 0)) < 0)
		rc = err_sys(-errno, "%s", path);
	*len = n < 0 ? 0 : (size_t)n;
	if (fd >= 0)
		close(fd);
	return rc;
}

static int open_object(struct bpf_obj **out, const char *path)
{
	const char *slash = strrchr(path, '/');
	void *file;
	size_t len;
	int rc = read_file(&file, &len, path);

	if (!rc)
		rc = bpf_obj_read(out, slash ? slash + 1 : path, file, len);
	free(file);
	return rc;
}

int vsw_bpf_open(struct vsw_ext_code **out, const char *path)
{
	struct bpf_code *c = calloc(1, sizeof(*c));
	unsigned int i;
	int rc;

	if (!c)
		return err_set(-ENOMEM, "%s", path);
	rc = open_object(&c->obj, path);
	for (i = 0; i < 2 && !rc; i++)
		if (c->obj->prog[i].section)
			rc = bpf_check(c->obj, &c->obj->prog[i]);
	if (rc) {
		code_close(&c->code);
		return rc;
	}
	describe(c);
	*out = &c->code;
	return 0;
}
