/* SPDX-License-Identifier: BSD-3-Clause */
/* Is a program safe to run? It is when each of these holds on every way through it:
 *
 *   - it only goes forward (bpf_scan.c), so it ends;
 *   - a pointer only ever has an offset that is known here: no arithmetic on ranges, hence nothing to be
 *     got wrong about ranges. What is known at run time only goes through helpers, which check it;
 *   - registers and stack are set before they are read; pointers are not stored outside of the stack.
 *
 * Because it only goes forward, one walk in the order of the instructions does: when an instruction is
 * reached, all ways to it have been walked, and their states were joined.
 */
#include "vswitch/ext/bpf_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define INSN_LDDW (BPF_LD | BPF_IMM | EBPF_DW)
#define INSN_CALL (BPF_JMP | EBPF_CALL)
#define INSN_EXIT (BPF_JMP | EBPF_EXIT)
#define INSN_JA	  (BPF_JMP | BPF_JA)

#define NR_SLOTS (BPF_STACK / 8)
#define OFF_MAX	 (1 << 20) /* of a pointer, either way: no sum of two overflows */

enum val_type {
	VAL_NONE,  /* not set */
	VAL_NUM,   /* a number; off when is_known */
	VAL_CTX,   /* &nv_ctx + off */
	VAL_STACK, /* r10 + off */
	VAL_DATA,  /* section of variables [index] + off */
	VAL_MAP,   /* &map[index] */
	VAL_MIXED  /* pointers to different places, by way */
};

struct val {
	uint8_t type; /* enum val_type */
	uint8_t index;
	bool is_known;
	/* Known numbers and pointers: off to off + span, by way. The compiler makes one load of two in
	 * different branches. */
	uint32_t span;
	int64_t off;
};

/* Eight bytes of stack: a whole pointer, or bytes of which those in @set were written. */
struct slot {
	uint8_t set;
	bool is_pointer;
	struct val ptr;
};

struct state {
	struct val r[EBPF_REG_NUM];
	struct slot s[NR_SLOTS];
	uint32_t map_calls; /* on the longest way */
	uint32_t ways;
};

struct check {
	const struct bpf_obj *o;
	struct bpf_prog *p;
	uint32_t pc;
	const struct ebpf_insn *in; /* at pc */
	struct state st;	    /* before it, then behind it */
	struct state **at;	    /* [n]: joined states of the ways to there that were walked */
	uint32_t *order;	    /* [n] */
};

#define NO(c, ...) bpf_refuse((c)->o, (c)->p, (c)->pc, __VA_ARGS__)

/* ---- Joining what two ways know ---- */

static bool val_same(const struct val *a, const struct val *b)
{
	return a->type == b->type && a->index == b->index && a->is_known == b->is_known &&
	       a->off == b->off && a->span == b->span;
}

static bool is_small(const struct val *v)
{
	return v->off >= -OFF_MAX && v->off + v->span <= OFF_MAX;
}

/* Two numbers, or places in the context, or in the same variables: all small. */
static struct val hull(const struct val *a, const struct val *b)
{
	struct val v = *a;
	int64_t end_a = a->off + a->span, end_b = b->off + b->span;

	v.off = a->off < b->off ? a->off : b->off;
	v.span = (uint32_t)((end_a > end_b ? end_a : end_b) - v.off);
	return v;
}

static struct val val_join(const struct val *a, const struct val *b)
{
	if (val_same(a, b))
		return *a;
	if (a->type == VAL_NONE || b->type == VAL_NONE)
		return (struct val){.type = VAL_NONE};
	if (a->type == VAL_NUM && b->type == VAL_NUM)
		return a->is_known && b->is_known && is_small(a) && is_small(b)
			       ? hull(a, b)
			       : (struct val){.type = VAL_NUM};
	if (a->type == b->type && a->index == b->index &&
	    (a->type == VAL_CTX || a->type == VAL_DATA))
		return hull(a, b);
	return (struct val){.type = VAL_MIXED};
}

static void slot_join(struct slot *a, const struct slot *b)
{
	if (a->is_pointer && b->is_pointer) {
		a->ptr = val_join(&a->ptr, &b->ptr);
		return;
	}
	if (a->is_pointer || b->is_pointer)
		*a = (struct slot){0};
	a->set &= b->set;
}

static void state_join(struct state *a, const struct state *b)
{
	unsigned int i;

	for (i = 0; i < EBPF_REG_NUM; i++)
		a->r[i] = val_join(&a->r[i], &b->r[i]);
	for (i = 0; i < NR_SLOTS; i++)
		slot_join(&a->s[i], &b->s[i]);
	a->map_calls = a->map_calls > b->map_calls ? a->map_calls : b->map_calls;
	a->ways += b->ways; /* each at most NV_WAYS_MAX */
}

/* The state at hand arrives at @to, too. */
static int flow(struct check *c, uint32_t to)
{
	if (c->at[to]) {
		state_join(c->at[to], &c->st);
	} else {
		c->at[to] = malloc(sizeof(c->st));
		if (!c->at[to])
			return err_set(-ENOMEM, "%s", c->o->label);
		*c->at[to] = c->st;
	}
	if (c->at[to]->ways > NV_WAYS_MAX)
		return NO(c,
			  "more than %u ways lead to here: every branch that comes together again "
			  "doubles them. Return early, or look it up in a map",
			  NV_WAYS_MAX);
	return 0;
}

/* ---- What registers and stack hold ---- */

static struct val num(void)
{
	return (struct val){.type = VAL_NUM};
}

static struct val known(int64_t n)
{
	return (struct val){.type = VAL_NUM, .is_known = true, .off = n};
}

static bool is_pointer(const struct val *v)
{
	return v->type >= VAL_CTX;
}

/* A register that must have been set. */
static int need_set(struct check *c, unsigned int reg)
{
	if (c->st.r[reg].type != VAL_NONE)
		return 0;
	return NO(c, "uses a value that is not set on every way to here (r%u)", reg);
}

static int need_num(struct check *c, unsigned int reg, const char *what)
{
	int rc = need_set(c, reg);

	if (!rc && c->st.r[reg].type != VAL_NUM)
		rc = NO(c, "%s a pointer", what);
	return rc;
}

static int unknown_offset(struct check *c, const struct val *ptr)
{
	if (ptr->type == VAL_CTX)
		return NO(c,
			  "an offset into the packet that is known only at run time: use nv_load() "
			  "or nv_copy()");
	if (ptr->type == VAL_STACK)
		return NO(c,
			  "an index into an array on the stack that is known only at run time: use "
			  "a map");
	return NO(c, "an index into a variable that is known only at run time: use a map");
}

/* @ptr + @by. */
static int move_pointer(struct check *c, const struct val *ptr, const struct val *by, int64_t sign)
{
	struct val v = *ptr;

	if (ptr->type == VAL_MAP)
		return NO(c, "calculates with the address of a map");
	if (ptr->type == VAL_MIXED)
		return NO(
			c,
			"a pointer that points to different places by way: use it before the ways "
			"come together");
	if (!by->is_known)
		return unknown_offset(c, ptr);
	if (!is_small(by) || ((sign < 0 || ptr->type == VAL_STACK) && by->span))
		return unknown_offset(c, ptr);
	v.off += sign * by->off;
	v.span += by->span;
	if (!is_small(&v))
		return NO(c, "moves a pointer by %lld", (long long)v.off);
	c->st.r[c->in->dst_reg] = v;
	return 0;
}

static struct val fold(uint8_t op, const struct val *a, const struct val *b)
{
	uint64_t x = (uint64_t)a->off, y = (uint64_t)b->off;

	if (!a->is_known || !b->is_known || a->span || b->span)
		return num();
	switch (op) {
	case BPF_ADD: return known((int64_t)(x + y));
	case BPF_SUB: return known((int64_t)(x - y));
	case BPF_AND: return known((int64_t)(x & y));
	case BPF_OR: return known((int64_t)(x | y));
	case BPF_LSH: return y < 64 ? known((int64_t)(x << y)) : num();
	case BPF_RSH: return y < 64 ? known((int64_t)(x >> y)) : num();
	default: return num();
	}
}

static int step_alu(struct check *c)
{
	struct val *d = &c->st.r[c->in->dst_reg], s = known(c->in->imm);
	uint8_t op = BPF_OP(c->in->code);
	int rc = 0;

	if (op != EBPF_MOV)
		rc = need_set(c, c->in->dst_reg);
	if (!rc && op != BPF_NEG && op != EBPF_END && BPF_SRC(c->in->code) == BPF_X) {
		rc = need_set(c, c->in->src_reg);
		s = c->st.r[c->in->src_reg];
	}
	if (rc)
		return rc;
	if (op == EBPF_MOV) {
		*d = s;
		return 0;
	}
	if (!is_pointer(d) && !is_pointer(&s)) {
		*d = op == BPF_NEG || op == EBPF_END ? num() : fold(op, d, &s);
		return 0;
	}
	if (op == BPF_ADD && is_pointer(d) != is_pointer(&s))
		return is_pointer(d) ? move_pointer(c, d, &s, 1) : move_pointer(c, &s, d, 1);
	if (op == BPF_SUB && !is_pointer(&s))
		return move_pointer(c, d, &s, -1);
	return NO(c, "calculates with a pointer");
}

/* Notes which parts of the context are read. */
static void ctx_read(struct bpf_prog *p, uint64_t off, uint64_t len)
{
	const uint64_t l4 = offsetof(struct nv_ctx, l4_src_port);
	const uint64_t ip = offsetof(struct nv_ctx, ip_src);
	const uint64_t bytes = offsetof(struct nv_ctx, bytes);
	uint64_t flags = offsetof(struct nv_ctx, tcp_flags), end = off + len;

	if ((off < l4 + 4 && end > l4) || (off <= flags && end > flags))
		p->needs |= BPF_NEEDS_L4;
	if (off < bytes && end > ip)
		p->needs |= BPF_NEEDS_IP;
	if (end > bytes && end - bytes > p->nr_bytes)
		p->nr_bytes = end - bytes;
}

static bool is_inside(int64_t off, uint64_t len, uint64_t size)
{
	return off >= 0 && (uint64_t)off <= size && len <= size - (uint64_t)off;
}

/* Are all bytes [@off, @off + @len) of the stack set, and no pointer? */
static bool is_stack_set(const struct check *c, int64_t off, uint64_t len)
{
	uint64_t i, at;

	for (i = 0; i < len; i++) {
		at = (uint64_t)(off + BPF_STACK) + i;
		if (!(c->st.s[at / 8].set >> at % 8 & 1))
			return false;
	}
	return true;
}

/* Memory that a pointer reaches: @len bytes at @v + @off. Stack: it need not be set. */
static int reach(struct check *c, const struct val *v, int64_t off, uint64_t len)
{
	off += v->off;
	len += v->span;
	switch (v->type) {
	case VAL_CTX:
		return is_inside(off, len, sizeof(struct nv_ctx))
			       ? 0
			       : NO(c,
				    "reads outside of the context, which has the first %u bytes of "
				    "the packet: use nv_load()",
				    NV_BYTES_MAX);
	case VAL_STACK:
		return is_inside(off + BPF_STACK, len, BPF_STACK)
			       ? 0
			       : NO(c, "the stack has %u bytes, and this is outside of it",
				    BPF_STACK);
	case VAL_DATA:
		return is_inside(off, len, c->o->data[v->index].size)
			       ? 0
			       : NO(c, "outside of the variables");
	case VAL_MAP: return NO(c, "a map can only be used by nv_map_lookup() and its like");
	case VAL_MIXED:
		return NO(
			c,
			"a pointer that points to different places by way: use it before the ways "
			"come together");
	default:
		return NO(c,
			  "the address is a number, not a pointer to the context, the stack or a "
			  "variable");
	}
}

static unsigned int size_of(uint8_t code)
{
	return BPF_SIZE(code) == BPF_B	 ? 1
	       : BPF_SIZE(code) == BPF_H ? 2
	       : BPF_SIZE(code) == BPF_W ? 4
					 : 8;
}

static int load_stack(struct check *c, int64_t off, unsigned int size)
{
	struct slot *s = &c->st.s[(off + BPF_STACK) / 8];

	if (s->is_pointer && size == 8 && !(off & 7)) {
		c->st.r[c->in->dst_reg] = s->ptr;
		return 0;
	}
	if (!is_stack_set(c, off, size))
		return NO(c, "reads stack that is not set on every way to here");
	c->st.r[c->in->dst_reg] = num();
	return 0;
}

static int step_load(struct check *c)
{
	const struct val v = c->st.r[c->in->src_reg];
	unsigned int size = size_of(c->in->code);
	int rc = need_set(c, c->in->src_reg);

	if (!rc)
		rc = reach(c, &v, c->in->off, size);
	if (rc)
		return rc;
	if (v.type == VAL_STACK)
		return load_stack(c, v.off + c->in->off, size);
	if (v.type == VAL_CTX)
		ctx_read(c->p, (uint64_t)(v.off + c->in->off), size + v.span);
	c->st.r[c->in->dst_reg] = num();
	return 0;
}

/* Marks stack bytes as set by numbers. */
static void set_stack(struct check *c, int64_t off, uint64_t len)
{
	uint64_t i, at;

	for (i = 0; i < len; i++) {
		at = (uint64_t)(off + BPF_STACK) + i;
		if (c->st.s[at / 8].is_pointer)
			c->st.s[at / 8] = (struct slot){0};
		c->st.s[at / 8].set |= 1 << at % 8;
	}
}

static int store_stack(struct check *c, const struct val *src, int64_t off, unsigned int size)
{
	if (!is_pointer(src)) {
		set_stack(c, off, size);
		return 0;
	}
	if (size != 8 || (off & 7))
		return NO(c, "stores a part of a pointer");
	c->st.s[(off + BPF_STACK) / 8] = (struct slot){.is_pointer = true, .ptr = *src};
	return 0;
}

/* Memory that may be written. */
static int writable(struct check *c, const struct val *v)
{
	if (v->type == VAL_CTX)
		return NO(c, "writes to the packet or its context, which are read only");
	if (v->type == VAL_DATA && c->o->data[v->index].is_const)
		return NO(c, "writes to a constant");
	return 0;
}

static int step_store(struct check *c)
{
	const struct val d = c->st.r[c->in->dst_reg];
	struct val s = num();
	unsigned int size = size_of(c->in->code);
	int64_t off = d.off + c->in->off;
	bool is_add = BPF_MODE(c->in->code) == EBPF_XADD;
	int rc = need_set(c, c->in->dst_reg);

	if (!rc && BPF_CLASS(c->in->code) == BPF_STX) {
		rc = need_set(c, c->in->src_reg);
		s = c->st.r[c->in->src_reg];
	}
	if (!rc)
		rc = reach(c, &d, c->in->off, size);
	if (!rc)
		rc = writable(c, &d);
	if (rc)
		return rc;
	if (is_add && (d.type == VAL_STACK || d.span || off & (size - 1)))
		return NO(c, "adds atomically to what is on the stack or not aligned");
	if (d.type == VAL_STACK)
		return store_stack(c, &s, off, size);
	return is_pointer(&s) ? NO(c, "stores a pointer in a variable") : 0;
}

/* ---- Calls ---- */

/* An argument that points to @len bytes: set ones on the stack, too, when they are only written, so that
 * a helper that fails leaves no stray bytes behind. */
static int arg_memory(struct check *c, unsigned int reg, uint64_t len, bool is_written)
{
	const struct val v = c->st.r[reg];
	int rc = need_set(c, reg);

	if (!rc && v.type == VAL_NUM)
		rc = NO(c, "%s() wants a pointer as argument %u",
			bpf_helper_names[c->p->ref[c->pc].index], reg);
	if (!rc)
		rc = reach(c, &v, 0, len);
	if (!rc && is_written)
		rc = writable(c, &v);
	if (rc)
		return rc;
	if (v.type == VAL_CTX)
		ctx_read(c->p, (uint64_t)v.off, len + v.span);
	if (v.type == VAL_STACK && !is_stack_set(c, v.off, len))
		return NO(c,
			  "argument %u of %s() points to %llu bytes that are not all set: "
			  "initialise them",
			  reg, bpf_helper_names[c->p->ref[c->pc].index], (unsigned long long)len);
	return 0;
}

static int arg_ctx(struct check *c)
{
	const struct val *v = &c->st.r[EBPF_REG_1];

	if (v->type == VAL_CTX && !v->off && !v->span)
		return 0;
	return NO(c, "%s() wants the context as first argument",
		  bpf_helper_names[c->p->ref[c->pc].index]);
}

static int arg_map(struct check *c, const struct nv_map **out)
{
	const struct val *v = &c->st.r[EBPF_REG_1];

	if (v->type != VAL_MAP)
		return NO(c, "%s() wants the address of a map as first argument",
			  bpf_helper_names[c->p->ref[c->pc].index]);
	if (++c->st.map_calls > NV_MAP_CALLS)
		return NO(c, "more than %u calls for maps on one way", NV_MAP_CALLS);
	c->p->ref[c->pc].map = v->index;
	*out = &c->o->map[v->index].size;
	return 0;
}

/* A number from @min to @max if it is known; the compiler may have made one call of two, in which case
 * the helper looks. */
static int arg_number(struct check *c, unsigned int reg, int64_t min, int64_t max)
{
	const struct val *v = &c->st.r[reg];
	int rc = need_num(c, reg, "passes as a number");

	if (!rc && v->is_known && (v->off < min || v->off + v->span > max))
		rc = NO(c, "argument %u of %s() is %lld, not %lld to %lld", reg,
			bpf_helper_names[c->p->ref[c->pc].index], (long long)v->off, (long long)min,
			(long long)max);
	return rc;
}

static int call_count(struct check *c)
{
	int rc = 0;

	if (!c->o->nr_counters)
		rc = NO(c, "nv_count() without .counters in the description");
	if (!rc)
		rc = arg_number(c, 2, 0, (int64_t)c->o->nr_counters - 1);
	return rc ? rc : need_num(c, 3, "counts");
}

static int call_copy(struct check *c)
{
	const struct val *len = &c->st.r[EBPF_REG_4];
	int rc = arg_number(c, 4, 1, NV_COPY_MAX);

	if (!rc && (!len->is_known || len->span))
		rc = NO(c, "argument 4 of nv_copy() is not a constant");
	if (rc)
		return rc;
	c->p->ref[c->pc].len = (uint16_t)len->off;
	return arg_memory(c, 3, (uint64_t)len->off, true);
}

static int call_packet(struct check *c, unsigned int helper)
{
	int rc = arg_ctx(c);

	if (rc)
		return rc;
	if (helper == BPF_COUNT)
		return call_count(c);
	rc = need_num(c, 2, "reads at an offset that is");
	if (rc)
		return rc;
	return helper == BPF_COPY ? call_copy(c) : arg_number(c, 3, 1, 7);
}

static int call_map(struct check *c, unsigned int helper)
{
	const struct nv_map *m = NULL;
	int rc = arg_map(c, &m);

	if (!rc)
		rc = arg_memory(c, 2, m->key_size, false);
	if (!rc && (helper == BPF_MAP_LOOKUP || helper == BPF_MAP_UPDATE))
		rc = arg_memory(c, 3, m->value_size, helper == BPF_MAP_LOOKUP);
	if (!rc && helper == BPF_MAP_ADD)
		rc = need_num(c, 3, "adds");
	if (!rc && helper == BPF_MAP_ADD && m->value_size < sizeof(uint64_t))
		rc = NO(c, "nv_map_add() wants values of at least 8 bytes");
	if (helper == BPF_MAP_DELETE)
		c->p->has_delete = true;
	return rc;
}

static int step_call(struct check *c)
{
	unsigned int i, helper = c->p->ref[c->pc].index;
	int rc = helper <= BPF_COUNT ? call_packet(c, helper) : call_map(c, helper);

	for (i = EBPF_REG_1; i <= EBPF_REG_5; i++)
		c->st.r[i] = (struct val){.type = VAL_NONE};
	c->st.r[EBPF_REG_0] = num();
	return rc;
}

/* ---- Ways ---- */

static int step_jump(struct check *c)
{
	int rc = 0;

	if (c->in->code != INSN_JA) {
		rc = need_num(c, c->in->dst_reg, "compares");
		if (!rc && BPF_SRC(c->in->code) == BPF_X)
			rc = need_num(c, c->in->src_reg, "compares");
	}
	return rc;
}

static void step_wide(struct check *c)
{
	const struct bpf_ref *ref = &c->p->ref[c->pc];
	struct val *d = &c->st.r[c->in->dst_reg];

	if (ref->kind == BPF_REF_MAP)
		*d = (struct val){.type = VAL_MAP, .index = ref->index};
	else if (ref->kind == BPF_REF_DATA)
		*d = (struct val){.type = VAL_DATA, .index = ref->index, .off = ref->off};
	else
		*d = known((int64_t)((uint64_t)(uint32_t)c->in[0].imm |
				     (uint64_t)(uint32_t)c->in[1].imm << 32));
}

static int step(struct check *c)
{
	if (c->in->code == INSN_CALL)
		return step_call(c);
	if (c->in->code == INSN_EXIT)
		return need_num(c, EBPF_REG_0, "returns");
	switch (BPF_CLASS(c->in->code)) {
	case BPF_LD: step_wide(c); return 0;
	case BPF_JMP: return step_jump(c);
	case BPF_LDX: return step_load(c);
	case BPF_ST:
	case BPF_STX: return step_store(c);
	default: return step_alu(c);
	}
}

static int walk(struct check *c, unsigned int n)
{
	uint32_t next[2];
	unsigned int i, k;
	int rc = 0;

	c->pc = 0;
	c->st.ways = 1;
	c->st.r[EBPF_REG_1] = (struct val){.type = VAL_CTX};
	c->st.r[EBPF_REG_10] = (struct val){.type = VAL_STACK};
	rc = flow(c, 0);
	for (i = 0; i < n && !rc; i++) {
		c->pc = c->order[i];
		c->in = &c->p->ins[c->pc];
		c->st = *c->at[c->pc];
		free(c->at[c->pc]);
		c->at[c->pc] = NULL;
		rc = step(c);
		for (k = bpf_next(c->p, c->pc, next); k && !rc; k--)
			rc = flow(c, next[k - 1]);
	}
	return rc;
}

int bpf_check(const struct bpf_obj *o, struct bpf_prog *p)
{
	struct check c = {.o = o, .p = p};
	uint32_t i;
	int rc;

	if (!p->n || p->n > NV_INSNS_MAX)
		return bpf_refuse(o, p, 0, "%u instructions, at most %u are allowed", p->n,
				  NV_INSNS_MAX);
	c.at = calloc(p->n, sizeof(*c.at));
	c.order = calloc(p->n, sizeof(*c.order));
	rc = c.at && c.order ? bpf_scan(o, p, c.order) : err_set(-ENOMEM, "%s", o->label);
	if (rc > 0)
		rc = walk(&c, (unsigned int)rc);
	for (i = 0; c.at && i < p->n; i++)
		free(c.at[i]);
	free(c.at);
	free(c.order);
	return rc;
}
