/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPUID table of the boot record: the host's leaves, and those of the TLFS over them. */
#include <cpuid.h>

#include "hv/priv.h"

#define LEAF1_ECX_HYPERVISOR (1u << 31)
#define LEAF7		     7u
#define LEAF_XSAVE	     0xdu
#define BASIC_LEAVES_MAX     0x16u
#define EXT_LEAF_FIRST	     0x80000000u
#define EXT_LEAF_LAST	     0x80000008u

static unsigned int leaf_add(struct nethv_cpuid *t, unsigned int n, unsigned int max,
			     struct nethv_cpuid leaf)
{
	if (n < max)
		t[n++] = leaf;
	return n;
}

static struct nethv_cpuid host_leaf(uint32_t leaf, uint32_t subleaf)
{
	struct nethv_cpuid c = {.leaf = leaf, .subleaf = subleaf};

	__cpuid_count(leaf, subleaf, c.eax, c.ebx, c.ecx, c.edx);
	if (leaf == 1)
		c.ecx |= LEAF1_ECX_HYPERVISOR;
	return c;
}

unsigned int hv_cpuid_host(struct nethv_cpuid *t, unsigned int max)
{
	uint32_t leaf, last = host_leaf(0, 0).eax;
	uint32_t ext_last = host_leaf(EXT_LEAF_FIRST, 0).eax;
	unsigned int n = 0;

	for (leaf = 0; leaf <= last && leaf <= BASIC_LEAVES_MAX; leaf++) {
		n = leaf_add(t, n, max, host_leaf(leaf, 0));
		if (leaf == LEAF7 || leaf == LEAF_XSAVE)
			n = leaf_add(t, n, max, host_leaf(leaf, 1));
	}
	for (leaf = EXT_LEAF_FIRST; leaf <= ext_last && leaf <= EXT_LEAF_LAST; leaf++)
		n = leaf_add(t, n, max, host_leaf(leaf, 0));
	return n;
}

unsigned int hv_cpuid_add(struct nethv_cpuid *t, unsigned int n, unsigned int max,
			  const struct hv_cpuid_cfg *c)
{
	const uint32_t tsc = HV_FEAT_REFERENCE_TSC | HV_FEAT_TSC_INVARIANT;
	const struct nethv_cpuid leaves[] = {
		{HV_CPUID_VENDOR, 0, HV_CPUID_MAX, HV_VENDOR_EBX, HV_VENDOR_ECX, HV_VENDOR_EDX},
		{HV_CPUID_INTERFACE, 0, HV_INTERFACE_EAX, 0, 0, 0},
		{HV_CPUID_VERSION, 0, 20348, 0x000a0000, 0, 0},
		{HV_CPUID_FEATURES, 0,
		 HV_FEAT_TIME_REF | HV_FEAT_SYNIC | HV_FEAT_HYPERCALL | HV_FEAT_VP_INDEX |
			 HV_FEAT_FREQ_MSRS | (c->has_tsc || !c->is_linux ? tsc : 0) |
			 (c->is_linux ? 0 : HV_FEAT_STIMER),
		 HV_FEAT_POST_MESSAGES | HV_FEAT_SIGNAL_EVENTS, 0,
		 HV_FEAT_FREQ_AVAILABLE | HV_FEAT_CRASH_MSRS |
			 (c->is_linux ? 0 : HV_FEAT_STIMER_DIRECT)},
		{HV_CPUID_HINTS, 0, HV_HINT_RELAXED_TIMING | c->hints, 0xffffffff, 0, 0},
		{HV_CPUID_LIMITS, 0, c->nr_vps, HV_VPS_MAX, 0, 0},
	};
	unsigned int i;

	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		n = leaf_add(t, n, max, leaves[i]);
	return n;
}
