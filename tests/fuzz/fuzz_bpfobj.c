/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as an eBPF object: refused with a text, or checked. What passes the check and needs no maps is
 * linked and run over a few packets, natively and interpreted: it may not crash, and both must agree. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_bpf.h>

#include "base/err.h"
#include "vswitch/ext/bpf_priv.h"

#define RUN_INSNS 256u /* librte_bpf's verifier takes its time */
#define PAGE	  4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A context that ends where the memory does. */
static struct bpf_run *make_run(struct nethv_burst *b)
{
	static uint8_t *pages;
	struct bpf_run *r;

	if (!pages) {
		pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
		if (pages == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_NONE))
			abort();
	}
	r = (struct bpf_run *)(void *)(pages + PAGE - sizeof(*r));
	memset(r, 0, sizeof(*r));
	r->b = b;
	return r;
}

static int copy(struct nethv_burst *b, uint16_t i, uint32_t off, void *dst, uint32_t len)
{
	memset(dst, (int)off, len);
	return NETHV_OK;
}

static uint64_t run_once(const struct bpf_obj *o, const struct bpf_run_prog *p, unsigned int seed,
			 uint64_t *counters)
{
	struct {
		struct nethv_pkt pkt;
		uint8_t bytes[128];
	} slot = {.pkt = {.len = 300, .hdr_off = sizeof(struct nethv_pkt), .hdr_len = 128}};
	const struct nethv_pkt *pkt = &slot.pkt;
	const struct nethv_host host = {.size = sizeof(host), .copy = copy};
	struct nethv_burst b = {.n = 1, .pkt = &pkt, .lcore_data = counters, .host = &host};
	struct bpf_run *r = make_run(&b);
	struct bpf_run before;
	uint64_t v;

	r->nr_counters = o->nr_counters;
	memset(&r->ctx, (int)(seed * 85), sizeof(r->ctx));
	before = *r;
	v = p->fn ? p->fn(&r->ctx) : rte_bpf_exec(p->bpf, &r->ctx);
	if (memcmp(&before, r, sizeof(*r)))
		abort(); /* it wrote to its context */
	return v;
}

static void fill_data(struct bpf_inst *in)
{
	unsigned int i;

	for (i = 0; i < in->obj->nr_data; i++) {
		if (!in->data[i])
			in->data[i] = aligned_alloc(64, BPF_DATA_SIZE);
		memcpy(in->data[i], in->obj->data[i].image, in->obj->data[i].size);
	}
}

static void run(const struct bpf_obj *o, const struct bpf_prog *p)
{
	struct bpf_inst in = {.obj = o};
	struct bpf_run_prog native = {0}, slow;
	uint64_t counters[NV_COUNTERS_MAX] = {0};
	unsigned int seed, i;

	fill_data(&in);
	if (bpf_link(&native, o, p, &in) == 0) {
		slow = native;
		slow.fn = NULL;
		for (seed = 0; seed < 4; seed++) {
			uint64_t v[2];

			fill_data(&in);
			v[0] = run_once(o, &native, seed, counters);
			fill_data(&in);
			v[1] = run_once(o, &slow, seed, counters);
			if (v[0] != v[1])
				abort();
		}
		bpf_unlink(&native);
	}
	for (i = 0; i < o->nr_data; i++)
		free(in.data[i]);
}

/* Maps want the EAL; pointers never become numbers, so that both runs see the same. */
static bool is_runnable(const struct bpf_obj *o, const struct bpf_prog *p)
{
	return !o->nr_maps && p->n <= RUN_INSNS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bpf_obj *o;
	unsigned int i;

	err_set(0, "%s", "");
	if (bpf_obj_read(&o, "x.o", data, size)) {
		if (!err_text()[0])
			abort();
		return 0;
	}
	for (i = 0; i < 2; i++) {
		struct bpf_prog *p = &o->prog[i];

		if (p->section && bpf_check(o, p) == 0 && is_runnable(o, p))
			run(o, p);
	}
	bpf_obj_free(o);
	return 0;
}
