/* SPDX-License-Identifier: BSD-3-Clause */
/* Random programs of all instructions that the check lets through: it must accept them, and the native
 * code must do what the interpreter does. The check is only as good as the code that is made of what it
 * allows, and librte_bpf's is known to be wrong for some of what it does not. */
#include <criterion/criterion.h>
#include <string.h>

#include <rte_bpf.h>

#include "base/err.h"
#include "tests/support/prng.h"
#include "vswitch/ext/bpf_priv.h"

#define BODY  80u /* instructions between the first and the last ones */
#define INSNS (BODY * 3 + 64)

struct maker {
	struct prng rng;
	struct ebpf_insn ins[INSNS];
	uint32_t n;
};

static void put(struct maker *m, uint8_t code, unsigned int dst, unsigned int src, int off, int imm)
{
	m->ins[m->n++] = (struct ebpf_insn){
		.code = code, .dst_reg = dst, .src_reg = src, .off = (int16_t)off, .imm = imm};
}

static unsigned int below(struct maker *m, unsigned int n)
{
	return prng_below(&m->rng, n);
}

/* r0 to r9 but r1, which stays the context. */
static unsigned int reg(struct maker *m)
{
	unsigned int r = below(m, 9);

	return r ? r + 1 : 0;
}

static int number(struct maker *m)
{
	static const int odd[] = {0, 1, -1, 127, 128, -128, -129, 255, 256, INT32_MAX, INT32_MIN};

	return below(m, 2) ? odd[below(m, sizeof(odd) / sizeof(odd[0]))]
			   : (int)(uint32_t)prng_next(&m->rng);
}

static void alu(struct maker *m)
{
	static const uint8_t ops[] = {BPF_ADD, BPF_SUB,	 BPF_MUL,  BPF_DIV, BPF_OR,
				      BPF_AND, BPF_LSH,	 BPF_RSH,  BPF_NEG, BPF_MOD,
				      BPF_XOR, EBPF_MOV, EBPF_ARSH};
	uint8_t op = ops[below(m, sizeof(ops))];
	bool is_shift = op == BPF_LSH || op == BPF_RSH || op == EBPF_ARSH;
	bool is_div = op == BPF_DIV || op == BPF_MOD;
	unsigned int dst = reg(m), src = reg(m);
	int imm = number(m);

	if (op == BPF_NEG) {
		put(m, EBPF_ALU64 | BPF_NEG, dst, 0, 0, 0);
	} else if (below(m, 2)) {
		imm = is_shift ? imm & 63 : is_div && !imm ? 3 : imm;
		put(m, EBPF_ALU64 | BPF_K | op, dst, 0, 0, imm);
	} else if (!(is_shift || is_div) || dst != src) {
		if (is_shift) /* more is not defined in C */
			put(m, EBPF_ALU64 | BPF_AND | BPF_K, src, 0, 0, 63);
		if (is_div && below(m, 8)) /* zero ends the program, mostly too early */
			put(m, EBPF_ALU64 | BPF_OR | BPF_K, src, 0, 0, 1);
		put(m, EBPF_ALU64 | BPF_X | op, dst, src, 0, 0);
	}
}

static void swap(struct maker *m)
{
	put(m, BPF_ALU | EBPF_END | EBPF_TO_BE, reg(m), 0, 0, 16 << below(m, 3));
}

static void load(struct maker *m)
{
	static const uint8_t sizes[] = {BPF_B, BPF_H, BPF_W, EBPF_DW};

	put(m, BPF_LDX | BPF_MEM | sizes[below(m, 4)], reg(m), EBPF_REG_1,
	    (int)below(m, sizeof(struct nv_ctx) - 8), 0);
}

static void stack(struct maker *m)
{
	int off = -8 * (int)(1 + below(m, 64));

	if (below(m, 2))
		put(m, BPF_STX | BPF_MEM | EBPF_DW, EBPF_REG_10, reg(m), off, 0);
	else
		put(m, BPF_ST | BPF_MEM | EBPF_DW, EBPF_REG_10, 0, off, number(m));
	put(m, BPF_LDX | BPF_MEM | EBPF_DW, reg(m), EBPF_REG_10, off, 0);
}

static void wide(struct maker *m)
{
	put(m, BPF_LD | BPF_IMM | EBPF_DW, reg(m), 0, 0, number(m));
	put(m, 0, 0, 0, 0, number(m));
}

/* Over a few instructions, which set what they need themselves. */
static void jump(struct maker *m)
{
	static const uint8_t ops[] = {BPF_JEQ,	 BPF_JGT,  BPF_JGE,  EBPF_JNE,	EBPF_JSGT,
				      EBPF_JSGE, EBPF_JLT, EBPF_JLE, EBPF_JSLT, EBPF_JSLE};
	uint8_t op = ops[below(m, sizeof(ops))];
	uint32_t at = m->n;
	unsigned int i, n = 1 + below(m, 3);

	if (below(m, 2))
		put(m, BPF_JMP | BPF_K | op, reg(m), 0, 0, number(m));
	else
		put(m, BPF_JMP | BPF_X | op, reg(m), reg(m), 0, 0);
	for (i = 0; i < n; i++)
		below(m, 2) ? swap(m) : load(m);
	m->ins[at].off = (int16_t)(m->n - at - 1);
}

static void make(struct maker *m)
{
	static void (*const kinds[])(struct maker *) = {alu,  alu,  alu,   alu, swap,
							load, jump, stack, wide};
	unsigned int r, jumps = 0;

	m->n = 0;
	for (r = 0; r < EBPF_REG_10; r++)
		if (r != EBPF_REG_1)
			put(m, BPF_LDX | BPF_MEM | EBPF_DW, r, EBPF_REG_1, (int)(80 + 8 * r), 0);
	while (m->n < BODY) {
		void (*kind)(struct maker *) = kinds[below(m, sizeof(kinds) / sizeof(kinds[0]))];

		if (kind != jump || jumps++ < 8)
			kind(m);
	}
	for (r = 2; r < EBPF_REG_10; r++) {
		put(m, EBPF_ALU64 | BPF_MUL | BPF_K, EBPF_REG_0, 0, 0, 31);
		put(m, EBPF_ALU64 | BPF_XOR | BPF_X, EBPF_REG_0, r, 0, 0);
	}
	put(m, BPF_JMP | EBPF_EXIT, 0, 0, 0, 0);
}

/* 1 when it ran. */
static unsigned int try_one(struct maker *m, unsigned int step)
{
	static struct bpf_ref ref[INSNS];
	static struct bpf_obj o = {.label = "random"};
	struct bpf_prog p = {.section = "ingress", .ins = m->ins, .ref = ref, .n = m->n};
	struct bpf_inst in = {.obj = &o};
	struct bpf_run_prog r = {0};
	struct nv_ctx c;
	unsigned int i, k;

	cr_assert_eq(bpf_check(&o, &p), 0, "step %u: %s", step, err_text());
	if (bpf_link(&r, &o, &p, &in)) { /* it knows more of numbers than the check wants to */
		cr_assert(strstr(err_text(), "division by 0"), "step %u: %s", step, err_text());
		return 0;
	}
	cr_assert(r.fn);
	for (k = 0; k < 8; k++) {
		for (i = 0; i < sizeof(c); i++)
			((uint8_t *)&c)[i] = below(m, 3) ? (uint8_t)prng_next(&m->rng)
					     : k & 1	 ? 255
							 : 0;
		cr_assert_eq(r.fn(&c), rte_bpf_exec(r.bpf, &c), "step %u", step);
	}
	bpf_unlink(&r);
	return 1;
}

Test(vsw_bpfcode, native_code_does_what_the_interpreter_does, .timeout = 200)
{
	static struct maker m;
	unsigned int step, ran = 0, steps = prng_steps(10000) / 5;

	prng_init(&m.rng);
	for (step = 0; step < steps; step++) {
		make(&m);
		ran += try_one(&m, step);
	}
	cr_assert_gt(ran, steps / 2);
}

/* What librte_bpf would work out with an instruction that traps. */
Test(vsw_bpfcode, the_lowest_number_is_divided_by_minus_one)
{
	static const uint8_t ops[] = {BPF_DIV, BPF_MOD};
	static struct maker m;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		m.n = 0;
		put(&m, BPF_LD | BPF_IMM | EBPF_DW, EBPF_REG_0, 0, 0, 0);
		put(&m, 0, 0, 0, 0, INT32_MIN);
		put(&m, EBPF_ALU64 | EBPF_MOV | BPF_K, EBPF_REG_2, 0, 0, -1);
		put(&m, BPF_JMP | EBPF_JNE | BPF_K, EBPF_REG_2, 0, 1, -1);
		if (i & 1)
			put(&m, EBPF_ALU64 | ops[i / 2] | BPF_X, EBPF_REG_0, EBPF_REG_2, 0, 0);
		else
			put(&m, EBPF_ALU64 | ops[i / 2] | BPF_K, EBPF_REG_0, 0, 0, -1);
		put(&m, EBPF_ALU64 | EBPF_ARSH | BPF_K, EBPF_REG_0, 0, 0, 62);
		put(&m, BPF_JMP | EBPF_EXIT, 0, 0, 0, 0);
		cr_assert_eq(try_one(&m, i), 1);
	}
}
