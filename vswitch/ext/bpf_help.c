/* SPDX-License-Identifier: BSD-3-Clause */
/* What eBPF programs call. The check has seen that pointers point to what they say; what is a number may
 * be any number.
 *
 * librte_bpf's native code calls with the stack aligned as it happens to be, so each function here aligns
 * it for itself. */
#include "vswitch/ext/bpf_priv.h"

#include <rte_byteorder.h>

#define HELPER static uint64_t __attribute__((force_align_arg_pointer))

static struct bpf_run *run_of(uint64_t ctx)
{
	return (struct bpf_run *)(uintptr_t)ctx; /* its first member */
}

static bool copy(const struct bpf_run *r, uint64_t off, void *dst, uint32_t len)
{
	const struct nethv_pkt *p = r->b->pkt[r->i];

	if (off > p->len || len > p->len - off)
		return false;
	if (off + len <= p->hdr_len) {
		__builtin_memcpy(dst, nethv_bytes(p) + off, len);
		return true;
	}
	return nethv_copy(r->b, r->i, (uint32_t)off, dst, len) == NETHV_OK;
}

HELPER help_load(uint64_t ctx, uint64_t off, uint64_t size, uint64_t r4, uint64_t r5)
{
	uint64_t v = 0;

	if (size - 1 > 6 || !copy(run_of(ctx), off, &v, (uint32_t)size))
		return (uint64_t)NV_ENOENT;
	return rte_be_to_cpu_64(v) >> (64 - 8 * size); /* 1 to 7 */
}

HELPER help_copy(uint64_t ctx, uint64_t off, uint64_t dst, uint64_t len, uint64_t r5)
{
	return copy(run_of(ctx), off, (void *)(uintptr_t)dst, (uint32_t)len) ? 0
									     : (uint64_t)NV_ENOENT;
}

HELPER help_count(uint64_t ctx, uint64_t counter, uint64_t n, uint64_t r4, uint64_t r5)
{
	uint64_t *counters = run_of(ctx)->b->lcore_data;

	if (counter >= run_of(ctx)->nr_counters)
		return (uint64_t)NV_ENOENT;
	/* One writer; ctl reads. */
	__atomic_store_n(&counters[counter], counters[counter] + n, __ATOMIC_RELAXED);
	return 0;
}

HELPER help_lookup(uint64_t map, uint64_t key, uint64_t value, uint64_t r4, uint64_t r5)
{
	return (uint64_t)bpf_map_lookup((const struct bpf_map *)(uintptr_t)map,
					(const void *)(uintptr_t)key, (void *)(uintptr_t)value);
}

HELPER help_update(uint64_t map, uint64_t key, uint64_t value, uint64_t r4, uint64_t r5)
{
	return (uint64_t)bpf_map_update((struct bpf_map *)(uintptr_t)map,
					(const void *)(uintptr_t)key,
					(const void *)(uintptr_t)value);
}

HELPER help_delete(uint64_t map, uint64_t key, uint64_t r3, uint64_t r4, uint64_t r5)
{
	return (uint64_t)bpf_map_delete((struct bpf_map *)(uintptr_t)map,
					(const void *)(uintptr_t)key);
}

HELPER help_add(uint64_t map, uint64_t key, uint64_t n, uint64_t r4, uint64_t r5)
{
	return (uint64_t)bpf_map_add((struct bpf_map *)(uintptr_t)map, (const void *)(uintptr_t)key,
				     n);
}

const bpf_helper_fn bpf_helper_fns[BPF_HELPERS] = {
	[BPF_LOAD] = help_load,		[BPF_COPY] = help_copy,
	[BPF_COUNT] = help_count,	[BPF_MAP_LOOKUP] = help_lookup,
	[BPF_MAP_UPDATE] = help_update, [BPF_MAP_DELETE] = help_delete,
	[BPF_MAP_ADD] = help_add,
};
