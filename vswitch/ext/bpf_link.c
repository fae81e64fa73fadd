/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts the addresses of an instance's maps, variables and helpers into a copy of a checked program and
 * hands it to librte_bpf, which verifies it once more and makes native code of it.
 *
 * The address of a map is a plain number to librte_bpf. Each other place that a program refers to becomes
 * an external symbol of its own, with the sizes that the check has found.
 *
 * librte_bpf 22.11 works constants out with the processor's signed division, which traps on the lowest
 * number by -1. So what is divided by a number that may be -1 is kept unknown to it: the bytes are swapped
 * twice before. */
#include "vswitch/ext/bpf_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bpf.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "base/err.h"

struct linker {
	const struct bpf_obj *o;
	const struct bpf_prog *p;
	struct bpf_inst *in;
	struct ebpf_insn *ins;
	uint32_t nr_ins;
	uint32_t *at; /* [p->n + 1]: where in @ins each instruction of @p begins */
	struct rte_bpf_xsym *xsym;
	uint32_t nr_xsym; /* at most one an instruction */
};

static struct rte_bpf_arg raw(void)
{
	return (struct rte_bpf_arg){.type = RTE_BPF_ARG_RAW, .size = sizeof(uint64_t)};
}

static struct rte_bpf_arg ptr(size_t size)
{
	return (struct rte_bpf_arg){.type = RTE_BPF_ARG_PTR, .size = size};
}

static void describe(struct rte_bpf_xsym *x, const struct linker *l, const struct bpf_ref *ref)
{
	const struct nv_map *m = &l->o->map[ref->map].size;
	bool is_of_map = ref->index > BPF_COUNT;
	unsigned int i;

	x->name = bpf_helper_names[ref->index];
	x->type = RTE_BPF_XTYPE_FUNC;
	x->func.val = bpf_helper_fns[ref->index];
	x->func.ret = raw();
	for (i = 0; i < EBPF_FUNC_MAX_ARGS; i++)
		x->func.args[i] = raw();
	if (is_of_map)
		x->func.args[1] = ptr(m->key_size);
	else
		x->func.args[0] = ptr(sizeof(struct nv_ctx));
	switch (ref->index) {
	case BPF_COPY:
		x->func.args[2] = ptr(ref->len);
		x->func.nb_args = 4;
		break;
	case BPF_MAP_LOOKUP:
	case BPF_MAP_UPDATE:
		x->func.args[2] = ptr(m->value_size);
		x->func.nb_args = 3;
		break;
	case BPF_MAP_DELETE: x->func.nb_args = 2; break;
	default: x->func.nb_args = 3;
	}
}

static void put_address(struct ebpf_insn *ins, const void *p)
{
	uint64_t at = (uintptr_t)p;

	ins[0].imm = (int32_t)(uint32_t)at;
	ins[1].imm = (int32_t)(uint32_t)(at >> 32);
}

static void link_variable(struct linker *l, const struct bpf_ref *ref, struct ebpf_insn *ins)
{
	struct rte_bpf_xsym *x = &l->xsym[l->nr_xsym++];
	uint8_t *at = l->in->data[ref->index] + ref->off;
	uint32_t left = l->o->data[ref->index].size - ref->off;

	x->name = "variable";
	x->type = RTE_BPF_XTYPE_VAR;
	x->var.val = at;
	x->var.desc = ptr(left ? left : 1);
	put_address(ins, at);
}

static bool is_by_minus_one(const struct ebpf_insn *ins)
{
	uint8_t op = BPF_OP(ins->code);

	return BPF_CLASS(ins->code) == EBPF_ALU64 && (op == BPF_DIV || op == BPF_MOD) &&
	       (BPF_SRC(ins->code) == BPF_X || ins->imm == -1);
}

/* Where @ins leads is given from where it is. */
static bool is_relative(const struct ebpf_insn *ins)
{
	return BPF_CLASS(ins->code) == BPF_JMP && BPF_OP(ins->code) != EBPF_CALL &&
	       BPF_OP(ins->code) != EBPF_EXIT;
}

static void lay_out(struct linker *l)
{
	const struct ebpf_insn *from = l->p->ins;
	uint32_t pc, n = 0;

	for (pc = 0; pc < l->p->n; pc++) {
		l->at[pc] = n;
		if (is_by_minus_one(&from[pc])) {
			l->ins[n] = (struct ebpf_insn){.code = BPF_ALU | EBPF_END | EBPF_TO_BE,
						       .dst_reg = from[pc].dst_reg,
						       .imm = 64};
			l->ins[n + 1] = l->ins[n];
			n += 2;
		}
		l->ins[n++] = from[pc];
	}
	l->at[pc] = n;
	l->nr_ins = n;
	for (pc = 0; pc < l->p->n; pc++)
		if (is_relative(&from[pc]))
			l->ins[l->at[pc]].off =
				(int16_t)(l->at[(int64_t)pc + 1 + from[pc].off] - l->at[pc] - 1);
}

static void link_insns(struct linker *l)
{
	uint32_t pc;

	for (pc = 0; pc < l->p->n; pc++) {
		const struct bpf_ref *ref = &l->p->ref[pc];
		struct ebpf_insn *ins = &l->ins[l->at[pc]];

		if (ref->kind == BPF_REF_MAP) {
			put_address(ins, &l->in->map[ref->index]);
		} else if (ref->kind == BPF_REF_DATA) {
			link_variable(l, ref, ins);
		} else if (ref->kind == BPF_REF_HELPER) {
			describe(&l->xsym[l->nr_xsym], l, ref);
			ins->src_reg = 0;
			ins->imm = (int32_t)l->nr_xsym++;
		}
	}
}

/* What librte_bpf logs is the only reason that it gives. It is caught in memory that stays: we may be ended
 * in the middle, by our budget, and then the next one puts the log right. */
struct log_catch {
	FILE *old, *mem; /* mem: catching */
	char text[1024];
	uint32_t global;
	int type, level;
};

static struct log_catch caught; /* ctl only */

static void catch_end(struct log_catch *c)
{
	if (!c->mem)
		return;
	rte_openlog_stream(c->old);
	rte_log_set_global_level(c->global);
	if (c->level >= 0)
		rte_log_set_level((uint32_t)c->type, (uint32_t)c->level);
	fclose(c->mem);
	c->mem = NULL;
}

static void catch_begin(struct log_catch *c)
{
	catch_end(c);
	memset(c, 0, sizeof(*c));
	c->old = rte_log_get_stream();
	c->type = rte_log_register("lib.bpf");
	c->global = rte_log_get_global_level();
	c->level = c->type < 0 ? -1 : rte_log_get_level((uint32_t)c->type);
	c->mem = fmemopen(c->text, sizeof(c->text) - 1, "w");
	if (!c->mem)
		return;
	rte_log_set_global_level(RTE_LOG_ERR);
	if (c->level >= 0)
		rte_log_set_level((uint32_t)c->type, RTE_LOG_ERR);
	rte_openlog_stream(c->mem);
}

/* "evaluate: undefined value on the stack at pc: 5" */
static int refused(const struct linker *l, const char *log)
{
	const char *at = strstr(log, " at pc: ");
	const char *line = at, *why;
	unsigned long in = at ? strtoul(at + strlen(" at pc: "), NULL, 10) : l->nr_ins;
	uint32_t pc = 0;

	if (in >= l->nr_ins)
		return err_set(-EINVAL, "%s: librte_bpf refuses section %s: %s", l->o->label,
			       l->p->section, log[0] ? log : rte_strerror(rte_errno));
	while (l->at[pc + 1] <= in)
		pc++;
	while (line > log && line[-1] != '\n')
		line--;
	why = strstr(line, ": ");
	why = why && why < at ? why + 2 : line;
	return bpf_refuse(l->o, l->p, pc, "librte_bpf: %.*s", (int)(at - why), why);
}

static int load(struct bpf_run_prog *out, struct linker *l)
{
	struct rte_bpf_prm prm = {
		.ins = l->ins,
		.nb_ins = l->nr_ins,
		.xsym = l->xsym,
		.nb_xsym = l->nr_xsym,
		.prog_arg = ptr(sizeof(struct nv_ctx)),
	};
	struct rte_bpf_jit jit;

	catch_begin(&caught);
	out->bpf = rte_bpf_load(&prm);
	catch_end(&caught);
	if (!out->bpf)
		return refused(l, caught.text);
	if (!rte_bpf_get_jit(out->bpf, &jit))
		out->fn = jit.func;
	return 0;
}

int bpf_link(struct bpf_run_prog *out, const struct bpf_obj *o, const struct bpf_prog *p,
	     struct bpf_inst *in)
{
	struct linker l = {.o = o, .p = p, .in = in};
	int rc;

	out->src = p;
	l.ins = calloc(p->n * 3, sizeof(*l.ins)); /* if each were such a division */
	l.at = calloc(p->n + 1, sizeof(*l.at));
	l.xsym = calloc(p->n, sizeof(*l.xsym));
	if (l.ins && l.at && l.xsym) {
		lay_out(&l);
		link_insns(&l);
		rc = load(out, &l);
	} else {
		rc = err_set(-ENOMEM, "%s", o->label);
	}
	free(l.ins);
	free(l.at);
	free(l.xsym);
	return rc;
}

void bpf_unlink(struct bpf_run_prog *r)
{
	rte_bpf_destroy(r->bpf);
	r->bpf = NULL;
	r->fn = NULL;
}
