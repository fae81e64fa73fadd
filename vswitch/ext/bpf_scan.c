/* SPDX-License-Identifier: BSD-3-Clause */
/* First look at a program: which instructions there are and where they lead. Only those of clang -mcpu=v2
 * are let through, and not one more. The native code that librte_bpf 22.11 makes is wrong for some others
 * (JSET with a small number; 32-bit division by a register, which loses half of r0; shifting or dividing
 * a register by itself), and its interpreter for one (conversion to little-endian). */
#include "vswitch/ext/bpf_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define INSN_LDDW (BPF_LD | BPF_IMM | EBPF_DW)
#define INSN_CALL (BPF_JMP | EBPF_CALL)
#define INSN_EXIT (BPF_JMP | EBPF_EXIT)
#define INSN_JA	  (BPF_JMP | BPF_JA)

#define CLASS_JMP32 0x06 /* -mcpu=v3 */

enum colour { NEW, OPEN, DONE };

struct scan {
	const struct bpf_obj *o;
	const struct bpf_prog *p;
	uint32_t pc;
	const struct ebpf_insn *in; /* at pc */
	uint8_t *is_second;	    /* [n] */
	uint8_t *colour;	    /* [n]: enum colour, of the search */
};

#define NO(c, ...) bpf_refuse((c)->o, (c)->p, (c)->pc, __VA_ARGS__)

const char *const bpf_helper_names[BPF_HELPERS] = {
	[BPF_LOAD] = "nv_load",
	[BPF_COPY] = "nv_copy",
	[BPF_COUNT] = "nv_count",
	[BPF_MAP_LOOKUP] = "nv_map_lookup",
	[BPF_MAP_UPDATE] = "nv_map_update",
	[BPF_MAP_DELETE] = "nv_map_delete",
	[BPF_MAP_ADD] = "nv_map_add",
};

unsigned int bpf_helper_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < BPF_HELPERS; i++)
		if (!strcmp(name, bpf_helper_names[i]))
			break;
	return i;
}

static bool is_jump(uint8_t code)
{
	return BPF_CLASS(code) == BPF_JMP && code != INSN_CALL && code != INSN_EXIT;
}

static int scan_jump(struct scan *c)
{
	int64_t to = (int64_t)c->pc + 1 + c->in->off;
	uint8_t op = BPF_OP(c->in->code);

	if (op == BPF_JSET || op == EBPF_CALL || op == EBPF_EXIT || op > EBPF_JSLE)
		return NO(c, "instruction 0x%02x is not one of -mcpu=v2", c->in->code);
	if (c->in->code == (INSN_JA | BPF_X) || (BPF_SRC(c->in->code) == BPF_K && c->in->src_reg))
		return NO(c, "instruction 0x%02x is malformed", c->in->code);
	if (to < 0 || to >= c->p->n)
		return NO(c, "jumps out of the program");
	return 0;
}

static int scan_call(struct scan *c)
{
	const struct bpf_ref *ref = &c->p->ref[c->pc];

	if (ref->kind == BPF_REF_HELPER)
		return 0;
	if (ref->kind == BPF_REF_OWN || (ref->kind == BPF_REF_NONE && c->in->src_reg))
		return NO(c,
			  "calls a function of its own%s%s: functions must be inlined "
			  "(static inline __attribute__((always_inline)))",
			  ref->name && ref->name[0] && ref->name[0] != '.' ? ", " : "",
			  ref->name && ref->name[0] != '.' ? ref->name : "");
	if (ref->kind == BPF_REF_NONE)
		return NO(c,
			  "calls helper number %d: the helpers of Linux are not here, those of "
			  "nethv/bpf.h are",
			  c->in->imm);
	return NO(c, "calls %s(), which is no helper of nethv/bpf.h", ref->name);
}

static int scan_wide(struct scan *c)
{
	const struct bpf_ref *ref = &c->p->ref[c->pc];

	if (c->pc + 1 >= c->p->n || c->in[1].code || c->in[1].dst_reg || c->in[1].src_reg ||
	    c->in[1].off || c->in->src_reg || c->in->off)
		return NO(c, "a 64-bit constant is malformed");
	c->is_second[c->pc + 1] = 1;
	if (ref->kind == BPF_REF_UNKNOWN)
		return NO(c, "takes the address of %s, which is no map and no variable",
			  ref->name[0] ? ref->name : "something");
	if (ref->kind != BPF_REF_NONE && c->in[1].imm && c->in[1].imm != -1)
		return NO(c, "the address of %s is malformed", ref->name);
	return 0;
}

static int scan_alu(struct scan *c)
{
	uint8_t code = c->in->code, op = BPF_OP(code);
	bool is_reg = BPF_SRC(code) == BPF_X;

	if (BPF_CLASS(code) == BPF_ALU && op != EBPF_END)
		return NO(c, "32-bit arithmetic (0x%02x) is of -mcpu=v3: compile with -mcpu=v2",
			  code);
	if (op > EBPF_END || (op == EBPF_END && BPF_CLASS(code) == EBPF_ALU64) || c->in->off)
		return NO(c, "instruction 0x%02x is of a later -mcpu: compile with -mcpu=v2", code);
	if (op == EBPF_END && !is_reg)
		return NO(c, "a conversion to little-endian, which is a cast on this machine");
	if (op == EBPF_END)
		return c->in->imm == 16 || c->in->imm == 32 || c->in->imm == 64
			       ? 0
			       : NO(c, "swaps %d bits", c->in->imm);
	if (op == BPF_NEG && is_reg)
		return NO(c, "instruction 0x%02x is malformed", code);
	if (is_reg ? c->in->imm : c->in->src_reg)
		return NO(c, "instruction 0x%02x is malformed", code);
	if ((op == BPF_DIV || op == BPF_MOD) && !is_reg && !c->in->imm)
		return NO(c, "divides by zero");
	if ((op == BPF_LSH || op == BPF_RSH || op == EBPF_ARSH) && !is_reg &&
	    (uint32_t)c->in->imm > 63)
		return NO(c, "shifts by %d", c->in->imm);
	if (is_reg && c->in->dst_reg == c->in->src_reg &&
	    (op == BPF_DIV || op == BPF_MOD || op == BPF_LSH || op == BPF_RSH || op == EBPF_ARSH))
		return NO(c, "divides or shifts a number by itself");
	return 0;
}

static int scan_memory(struct scan *c)
{
	uint8_t code = c->in->code, mode = BPF_MODE(code);
	bool is_store = BPF_CLASS(code) != BPF_LDX;

	if (mode == EBPF_XADD && BPF_CLASS(code) == BPF_STX) {
		if (c->in->imm || (BPF_SIZE(code) != BPF_W && BPF_SIZE(code) != EBPF_DW))
			return NO(c,
				  "an atomic operation other than adding, or one whose result is "
				  "used, is of -mcpu=v3: use nv_map_add()");
		return 0;
	}
	if (mode != BPF_MEM)
		return NO(c, "instruction 0x%02x is not one of -mcpu=v2", code);
	if (BPF_CLASS(code) == BPF_ST ? c->in->src_reg : c->in->imm)
		return NO(c, "instruction 0x%02x is malformed", code);
	return is_store || c->in->dst_reg < EBPF_REG_10 ? 0 : NO(c, "writes to r10");
}

static int scan_insn(struct scan *c)
{
	if (c->in->dst_reg > EBPF_REG_10 || c->in->src_reg > EBPF_REG_10)
		return NO(c, "a register that does not exist");
	if (c->in->code == INSN_CALL)
		return scan_call(c);
	if (c->in->code == INSN_EXIT)
		return 0;
	if (c->in->code == INSN_LDDW)
		return c->in->dst_reg < EBPF_REG_10 ? scan_wide(c) : NO(c, "writes to r10");
	switch (BPF_CLASS(c->in->code)) {
	case BPF_JMP: return scan_jump(c);
	case BPF_ALU:
	case EBPF_ALU64: return c->in->dst_reg < EBPF_REG_10 ? scan_alu(c) : NO(c, "writes to r10");
	case BPF_LDX:
	case BPF_ST:
	case BPF_STX: return scan_memory(c);
	case CLASS_JMP32: return NO(c, "32-bit jumps are of -mcpu=v3: compile with -mcpu=v2");
	default: return NO(c, "instruction 0x%02x is not one of -mcpu=v2", c->in->code);
	}
}

static int scan_all(struct scan *c)
{
	int rc = 0;

	for (c->pc = 0; c->pc < c->p->n && !rc; c->pc++) {
		c->in = &c->p->ins[c->pc];
		if (!c->is_second[c->pc])
			rc = scan_insn(c);
	}
	for (c->pc = 0; c->pc < c->p->n && !rc; c->pc++) {
		c->in = &c->p->ins[c->pc];
		if (!c->is_second[c->pc] && is_jump(c->in->code) &&
		    c->is_second[c->pc + 1 + c->in->off])
			rc = NO(c, "jumps into the middle of an instruction");
	}
	return rc;
}

/* ---- Ways: each ends, each instruction is on one ---- */

unsigned int bpf_next(const struct bpf_prog *p, uint32_t pc, uint32_t next[2])
{
	const struct ebpf_insn *in = &p->ins[pc];
	unsigned int n = 0;

	if (in->code == INSN_EXIT)
		return 0;
	if (in->code != INSN_JA)
		next[n++] = pc + (in->code == INSN_LDDW ? 2 : 1);
	if (is_jump(in->code))
		next[n++] = (uint32_t)((int64_t)pc + 1 + in->off);
	return n;
}

static int is_loop(struct scan *c, uint32_t to)
{
	struct bpf_line l;

	if (bpf_line_find(c->o, c->p, to, &l))
		return NO(
			c,
			"a loop: this goes back to line %u. Programs must only go forward: unroll "
			"it (#pragma unroll, a constant number of rounds)",
			l.line);
	return NO(c, "a loop: this goes back to instruction %u. Programs must only go forward", to);
}

/* A successor of the instruction at hand: 1 when it is to be searched, 0 when it was. */
static int visit(struct scan *c, uint32_t to)
{
	if (to >= c->p->n)
		return NO(c, "the program does not end with a return");
	if (c->colour[to] == OPEN)
		return is_loop(c, to);
	return c->colour[to] == NEW;
}

/* Depth first, without recursion. An instruction is put before all that follow from it: @order is filled
 * from its end. */
static int search(struct scan *c, uint32_t *order, uint32_t *stack)
{
	uint32_t next[2], depth = 0, left = c->p->n;
	unsigned int i, n;
	int rc;

	stack[depth++] = 0;
	while (depth) {
		c->pc = stack[depth - 1];
		c->colour[c->pc] = OPEN;
		n = bpf_next(c->p, c->pc, next);
		for (i = 0, rc = 0; i < n && !rc; i++)
			rc = visit(c, next[i]);
		if (rc < 0)
			return rc;
		if (rc) {
			stack[depth++] = next[i - 1];
			continue;
		}
		c->colour[c->pc] = DONE;
		order[--left] = c->pc;
		depth--;
	}
	memmove(order, order + left, (c->p->n - left) * sizeof(*order));
	return (int)(c->p->n - left);
}

/* Loops are named by the jump that closes them, and what cannot be reached by its first instruction. */
static int find_ways(struct scan *c, uint32_t *order)
{
	uint32_t *stack = calloc(c->p->n, sizeof(*stack));
	int n;

	c->colour = calloc(c->p->n, 1);
	n = stack && c->colour ? search(c, order, stack) : err_set(-ENOMEM, "%s", c->o->label);
	for (c->pc = 0; c->pc < c->p->n && n > 0; c->pc++)
		if (c->colour[c->pc] == NEW && !c->is_second[c->pc])
			n = NO(c, "no way leads to here");
	free(c->colour);
	free(stack);
	return n;
}

int bpf_scan(const struct bpf_obj *o, const struct bpf_prog *p, uint32_t *order)
{
	struct scan c = {.o = o, .p = p};
	int rc;

	c.is_second = calloc(p->n, 1);
	rc = c.is_second ? scan_all(&c) : err_set(-ENOMEM, "%s", o->label);
	if (!rc)
		rc = find_ways(&c, order);
	free(c.is_second);
	return rc;
}
