/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that are refused, one a macro. HERE marks the line that must be named. */
#include "testext.h"

NV_MAP(table, nv_u32, nv_u64, 64);
NV_MAP(small, nv_u32, nv_u32, 64);
nv_u64 array[8];
const volatile nv_u32 fixed = 3;

#if defined(CASE_forward)
NV_EXTENSION{FILTER("refuse"), .cls = 3};
#elif defined(CASE_guid)
NV_EXTENSION{FILTER("refuse"), .guid = "00010203-0405-0607-0809-0a0b0c0d0e"};
#elif defined(CASE_guid_zero)
NV_EXTENSION{FILTER("refuse"), .guid = "00000000-0000-0000-0000-000000000000"};
#elif defined(CASE_name)
NV_EXTENSION{FILTER("Refuse")};
#elif defined(CASE_abi)
NV_EXTENSION{FILTER("refuse"), .abi = 9};
#elif defined(CASE_reason)
NV_EXTENSION{FILTER("refuse"), .reasons = {"just because"}};
#elif !defined(CASE_info)
NV_EXTENSION{FILTER("refuse"), .counters = {"one", "two"}};
#endif

#if defined(CASE_map_key)
NV_MAP(wide, nv_u8[65], nv_u64, 64);
#elif defined(CASE_map_entries)
NV_MAP(wide, nv_u8[64], nv_u64, 2000000);
#elif defined(CASE_pointer_data)
nv_u64 *cursor = &array[3];
#endif

#if defined(CASE_local)
static __attribute__((noinline)) nv_u64 mine(nv_u64 n)
{
	array[0] += n;
	return n * 3;
}
#elif defined(CASE_two)
NV_SEC("ingress") int second(const struct nv_ctx *c)
{
	return c->len > 3;
}
#endif

extern int printk(const char *fmt);
extern nv_u64 outside;

#if defined(CASE_none)
int nowhere(const struct nv_ctx *c)
#else
NV_SEC("ingress") int in(const struct nv_ctx *c) /* HERE v3 */
#endif
{
	nv_u64 v = c->len, i = 0; /* HERE big */

#if defined(CASE_loop)
#pragma nounroll
	for (i = 0; i < c->len; i++) /* HERE loop */
		v += i * v;
#elif defined(CASE_offset)
	v = c->bytes[c->l4_off & 63];		 /* HERE offset */
#elif defined(CASE_stack_index)
	volatile nv_u8 own[16] = {0};
	own[c->len & 15] = 1; /* HERE stack_index */
	v = own[3];
#elif defined(CASE_array_index)
	array[c->len & 7]++; /* HERE array_index */
#elif defined(CASE_beyond)
	v = *(const nv_u8 *)(c + 1); /* HERE beyond */
#elif defined(CASE_before)
	v = *((const nv_u8 *)c - 1); /* HERE before */
#elif defined(CASE_write)
	((struct nv_ctx *)c)->mark = 1; /* HERE write */
#elif defined(CASE_unknown)
	v = (nv_u64)printk("hello"); /* HERE unknown */
#elif defined(CASE_linux_helper)
	v = ((nv_u64(*)(void))5)(); /* HERE linux_helper */
#elif defined(CASE_local)
	v = mine(v); /* HERE local */
#elif defined(CASE_extern)
	v = outside; /* HERE extern */
#elif defined(CASE_stack)
	asm volatile("*(u64 *)(r10 - 520) = %0" ::"r"(v)); /* HERE stack */
#elif defined(CASE_above)
	asm volatile("*(u64 *)(r10 + 0) = %0" ::"r"(v)); /* HERE above */
#elif defined(CASE_unset)
	asm volatile("%0 = *(u64 *)(r10 - 8)" : "=r"(v)); /* HERE unset */
#elif defined(CASE_reg)
	asm volatile("%0 = r9" : "=r"(v)); /* HERE reg */
#elif defined(CASE_number)
	asm volatile("%0 = *(u64 *)(%1 + 0)" : "=r"(v) : "r"(v)); /* HERE number */
#elif defined(CASE_spill)
	asm volatile("*(u32 *)(r10 - 8) = %0" ::"r"(c)); /* HERE spill */
#elif defined(CASE_leak)
	array[0] = (nv_u64)c; /* HERE leak */
#elif defined(CASE_multiply)
	asm volatile("%0 *= 3" : "=r"(v) : "0"(c)); /* HERE multiply */
#elif defined(CASE_compare)
	if ((nv_u64)c > 3) /* HERE compare */
		return 1;
#elif defined(CASE_return)
	asm volatile("r0 = %0\nexit" ::"r"(c)); /* HERE return */
	__builtin_unreachable();
#elif defined(CASE_dead)
	asm volatile("goto +1\nr9 = 1"); /* HERE dead */
#elif defined(CASE_end)
	asm volatile("r0 = %0" ::"r"(v)); /* HERE end */
	__builtin_unreachable();
#elif defined(CASE_copy_len)
	nv_u8 copied[16] = {0};
	v = (nv_u64)nv_copy(c, 0, copied, c->mark & 7); /* HERE copy_len */
#elif defined(CASE_big)
	asm volatile(".rept 4100\n%0 += 1\n.endr" : "+r"(v));
#elif defined(CASE_jset)
	asm volatile(".8byte 0x0000000400000045"); /* HERE jset: if r0 & 4 goto +0 */
#elif defined(CASE_little)
	asm volatile("%0 = le16 %0" : "+r"(v)); /* HERE little */
#elif defined(CASE_shift_self)
	asm volatile("%0 <<= %0" : "+r"(v)); /* HERE shift_self */
#elif defined(CASE_v3)
	nv_u32 a = c->mark, b = c->hash;
	if (a + 7 < b * 3)
		return 1;
#elif defined(CASE_atomic)
	v = __sync_fetch_and_add(&array[0], v); /* HERE atomic */
#elif defined(CASE_map_memory)
	v = table.entries; /* HERE map_memory */
#elif defined(CASE_no_map)
	nv_u32 k = 1;
	v = (nv_u64)nv_map_delete((struct nv_map *)array, &k); /* HERE no_map */
#elif defined(CASE_raw_key)
	nv_u32 k;
	v = (nv_u64)nv_map_add(&table, &k, 1); /* HERE raw_key */
#elif defined(CASE_short_value)
	nv_u32 n = 0;
	v = (nv_u64)nv_map_lookup(&table, &c->mark, &n) + n; /* HERE short_value */
#elif defined(CASE_key_to_ctx)
	nv_u32 k = 1;
	v = (nv_u64)nv_map_lookup(&table, &k, (void *)c->bytes); /* HERE key_to_ctx */
#elif defined(CASE_add_small)
	nv_u32 k = 1;
	v = (nv_u64)nv_map_add(&small, &k, 1); /* HERE add_small */
#elif defined(CASE_not_ctx)
	v = (nv_u64)nv_load((const struct nv_ctx *)c->bytes, 0, 4); /* HERE not_ctx */
#elif defined(CASE_load_size)
	v = (nv_u64)nv_load(c, 0, 8); /* HERE load_size */
#elif defined(CASE_counter)
	nv_count(c, 2, 1); /* HERE counter */
#elif defined(CASE_map_calls)
#pragma unroll
	for (i = 0; i < 33; i++)
		v += (nv_u64)nv_map_add(&table, &c->mark, v); /* HERE map_calls */
#elif defined(CASE_constant)
	*(volatile nv_u32 *)&fixed = 4; /* HERE constant */
#elif defined(CASE_mixed)
	nv_u8 own = 3;
	const nv_u8 *p = c->ip_src;
	asm volatile("if %1 > 3 goto +1\n%0 = %2" : "+r"(p) : "r"(v), "r"(&own));
	v = *p; /* HERE mixed */
#elif defined(CASE_hull)
	const nv_u8 *p = c->bytes;
	asm volatile("if %1 > 3 goto +1\n%0 += 128" : "+r"(p) : "r"(v));
	v = *p; /* HERE hull */
#elif defined(CASE_pointer_data)
	v = *cursor;
#elif defined(CASE_librte)
	/* What librte_bpf cannot follow: eight bytes set by two halves. */
	asm volatile("*(u32 *)(r10 - 8) = %1\n"
		     "*(u32 *)(r10 - 4) = %1\n"
		     "%0 = *(u64 *)(r10 - 8)" /* HERE librte */
		     : "=r"(v)
		     : "r"(v));
#endif
	return (v + i) * 77 > 1000 ? NV_DROP(1) : NV_PASS;
}
