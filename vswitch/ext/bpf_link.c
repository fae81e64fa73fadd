/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts the addresses of an instance's maps, variables and helpers into a copy of a checked program and
 * hands it to librte_bpf, which verifies it once more and makes native code of it.
 *
 * The address of a map is a plain number to librte_bpf. Each other place that a program refers to becomes
 * an external symbol of its own, with the sizes that the check has found. */
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

static void link_insns(struct linker *l)
{
	uint32_t pc;

	for (pc = 0; pc < l->p->n; pc++) {
		const struct bpf_ref *ref = &l->p->ref[pc];
		struct ebpf_insn *ins = &l->ins[pc];

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

/* What librte_bpf logs is the only reason that it gives. */
struct log_catch {
	FILE *old, *mem;
	char *text;
	size_t len;
	uint32_t global;
	int type, level;
};

static void catch_begin(struct log_catch *c)
{
	*c = (struct log_catch){.old = rte_log_get_stream(), .type = rte_log_register("lib.bpf")};
	c->mem = open_memstream(&c->text, &c->len);
	if (!c->mem)
		return;
	c->global = rte_log_get_global_level();
	c->level = c->type < 0 ? -1 : rte_log_get_level((uint32_t)c->type);
	rte_log_set_global_level(RTE_LOG_ERR);
	if (c->level >= 0)
		rte_log_set_level((uint32_t)c->type, RTE_LOG_ERR);
	rte_openlog_stream(c->mem);
}

static void catch_end(struct log_catch *c)
{
	if (!c->mem)
		return;
	rte_openlog_stream(c->old);
	rte_log_set_global_level(c->global);
	if (c->level >= 0)
		rte_log_set_level((uint32_t)c->type, (uint32_t)c->level);
	fclose(c->mem);
}

/* "evaluate: undefined value on the stack at pc: 5" */
static int refused(const struct linker *l, const char *log)
{
	const char *at = log ? strstr(log, " at pc: ") : NULL;
	const char *line = at, *why;
	unsigned long pc = at ? strtoul(at + strlen(" at pc: "), NULL, 10) : l->p->n;

	if (pc >= l->p->n)
		return err_set(-EINVAL, "%s: librte_bpf refuses section %s: %s", l->o->label,
			       l->p->section, log && log[0] ? log : rte_strerror(rte_errno));
	while (line > log && line[-1] != '\n')
		line--;
	why = strstr(line, ": ");
	why = why && why < at ? why + 2 : line;
	return bpf_refuse(l->o, l->p, (uint32_t)pc, "librte_bpf: %.*s", (int)(at - why), why);
}

static int load(struct bpf_run_prog *out, struct linker *l)
{
	struct rte_bpf_prm prm = {
		.ins = l->ins,
		.nb_ins = l->p->n,
		.xsym = l->xsym,
		.nb_xsym = l->nr_xsym,
		.prog_arg = ptr(sizeof(struct nv_ctx)),
	};
	struct rte_bpf_jit jit;
	struct log_catch c;
	int rc = 0;

	catch_begin(&c);
	out->bpf = rte_bpf_load(&prm);
	catch_end(&c);
	if (!out->bpf)
		rc = refused(l, c.text);
	else if (!rte_bpf_get_jit(out->bpf, &jit))
		out->fn = jit.func;
	free(c.text);
	return rc;
}

int bpf_link(struct bpf_run_prog *out, const struct bpf_obj *o, const struct bpf_prog *p,
	     struct bpf_inst *in)
{
	struct linker l = {.o = o, .p = p, .in = in};
	int rc;

	out->src = p;
	l.ins = malloc(p->n * sizeof(*l.ins));
	l.xsym = calloc(p->n, sizeof(*l.xsym));
	if (l.ins && l.xsym) {
		memcpy(l.ins, p->ins, p->n * sizeof(*l.ins));
		link_insns(&l);
		rc = load(out, &l);
	} else {
		rc = err_set(-ENOMEM, "%s", o->label);
	}
	free(l.ins);
	free(l.xsym);
	return rc;
}

void bpf_unlink(struct bpf_run_prog *r)
{
	rte_bpf_destroy(r->bpf);
	r->bpf = NULL;
	r->fn = NULL;
}
