/* SPDX-License-Identifier: BSD-3-Clause */
/* CPUID of a VP: what this host's KVM supports, without nested virtualization, with a flat topology
 * (one package, a core for each VP, APIC id = VP index) and with the leaves of the TLFS. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "hv/kvm/priv.h"
#include "hv/priv.h"

#define ENTRIES_MAX   256u
#define HV_LEAF_FIRST 0x40000000u
#define HV_LEAF_LAST  0x4fffffffu
#define VIRT_STACK_LEAF \
	0x40000081u /* asked by Linux; an explicit zero, not KVM's out-of-range rule */
#define VIRT_STACK_LEAF_2 0x40000082u

#define L1_ECX_VMX	    (1u << 5)
#define L1_ECX_X2APIC	    (1u << 21)
#define L1_ECX_TSC_DEADLINE (1u << 24)
#define L1_ECX_HYPERVISOR   (1u << 31)
#define L1_EDX_HTT	    (1u << 28)
#define L8_1_ECX_CMP_LEGACY (1u << 1)
#define L8_1_ECX_SVM	    (1u << 2)
#define L8_1_ECX_TOPOEXT    (1u << 22)
#define L8_7_EDX_INVARIANT  (1u << 8)

static unsigned int width(unsigned int n)
{
	unsigned int bits = 0;

	while (1u << bits < n)
		bits++;
	return bits;
}

static struct kvm_cpuid_entry2 *entry_add(struct kvm_cpuid2 *t, uint32_t leaf)
{
	struct kvm_cpuid_entry2 *e = &t->entries[t->nent];

	if (t->nent == ENTRIES_MAX)
		return NULL;
	t->nent++;
	memset(e, 0, sizeof(*e));
	e->function = leaf;
	return e;
}

static void hide_hypervisors(struct kvm_cpuid2 *t)
{
	unsigned int i, n = 0;

	for (i = 0; i < t->nent; i++) {
		if (t->entries[i].function < HV_LEAF_FIRST || t->entries[i].function > HV_LEAF_LAST)
			t->entries[n++] = t->entries[i];
	}
	t->nent = n;
}

static void leaf_mend(const struct kvm_vm *vm, struct kvm_cpuid_entry2 *e)
{
	const unsigned int nr = vm->cfg.nr_vps;

	switch (e->function) {
	case 1:
		e->ecx &= ~L1_ECX_VMX;
		e->ecx |= L1_ECX_HYPERVISOR | L1_ECX_X2APIC | L1_ECX_TSC_DEADLINE;
		e->ebx = (e->ebx & 0x0000ffff) | (nr > 1 ? nr << 16 : 1 << 16);
		e->edx = nr > 1 ? e->edx | L1_EDX_HTT : e->edx & ~L1_EDX_HTT;
		break;
	case 4: /* caches: none is shared between VPs */
		e->eax = (e->eax & 0x00003fff) | (nr - 1) << 26;
		break;
	case 0x8000001d: e->eax &= 0x00003fff; break;
	case 0x80000001:
		e->ecx &= ~(L8_1_ECX_SVM | L8_1_ECX_TOPOEXT | L8_1_ECX_CMP_LEGACY);
		if (nr > 1)
			e->ecx |= L8_1_ECX_CMP_LEGACY;
		break;
	case 0x80000007: e->edx |= vm->cfg.has_tsc ? L8_7_EDX_INVARIANT : 0; break;
	case 0x80000008: e->ecx = (nr - 1) | width(nr) << 12; break;
	case 0x8000000a: e->eax = e->ebx = e->ecx = e->edx = 0; break; /* SVM */
	case 0x8000001e: e->eax = e->ebx = e->ecx = e->edx = 0; break; /* AMD topology */
	default: break;
	}
}

/* Leaves 0xb and 0x1f: threads, then cores. */
static void topology_add(const struct kvm_vm *vm, struct kvm_cpuid2 *t, uint32_t leaf)
{
	const struct kvm_cpuid_entry2 level[] = {
		{.index = 0, .eax = 0, .ebx = 1, .ecx = 0x100},
		{.index = 1, .eax = width(vm->cfg.nr_vps), .ebx = vm->cfg.nr_vps, .ecx = 0x201},
		{.index = 2, .ecx = 2},
	};
	size_t i;

	for (i = 0; i < sizeof(level) / sizeof(level[0]); i++) {
		struct kvm_cpuid_entry2 *e = entry_add(t, leaf);

		if (!e)
			return;
		*e = level[i];
		e->function = leaf;
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
}

static void topology_mend(const struct kvm_vm *vm, struct kvm_cpuid2 *t)
{
	bool has_b = false, has_1f = false;
	unsigned int i, n = 0;

	for (i = 0; i < t->nent; i++) {
		const uint32_t leaf = t->entries[i].function;

		has_b |= leaf == 0xb;
		has_1f |= leaf == 0x1f;
		if (leaf != 0xb && leaf != 0x1f)
			t->entries[n++] = t->entries[i];
	}
	t->nent = n;
	if (has_b)
		topology_add(vm, t, 0xb);
	if (has_1f)
		topology_add(vm, t, 0x1f);
}

static void tlfs_add(const struct kvm_vm *vm, struct kvm_cpuid2 *t)
{
	struct nethv_cpuid leaf[NETHV_CPUID_MAX];
	struct hv_cpuid_cfg c = {.nr_vps = vm->cfg.nr_vps,
				 .hints = HV_HINT_NO_AUTO_EOI,
				 .has_tsc = vm->cfg.has_tsc,
				 .is_linux = vm->cfg.is_linux};
	unsigned int i, n = hv_cpuid_add(leaf, 0, NETHV_CPUID_MAX, &c);

	for (i = 0; i < n; i++) {
		struct kvm_cpuid_entry2 *e = entry_add(t, leaf[i].leaf);

		if (!e)
			return;
		e->eax = leaf[i].eax;
		e->ebx = leaf[i].ebx;
		e->ecx = leaf[i].ecx;
		e->edx = leaf[i].edx;
	}
	entry_add(t, VIRT_STACK_LEAF);
	entry_add(t, VIRT_STACK_LEAF_2);
}

int kvm_cpuid_build(struct kvm_vm *vm)
{
	struct kvm_cpuid2 *t = calloc(1, sizeof(*t) + ENTRIES_MAX * sizeof(t->entries[0]));
	unsigned int i;

	if (!t)
		return err_set(-ENOMEM, "%s: CPUID", vm->name);
	vm->cpuid = t;
	t->nent = ENTRIES_MAX;
	if (ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, t) < 0)
		return err_sys(-errno, "%s: KVM_GET_SUPPORTED_CPUID", vm->name);
	hide_hypervisors(t);
	topology_mend(vm, t);
	for (i = 0; i < t->nent; i++)
		leaf_mend(vm, &t->entries[i]);
	tlfs_add(vm, t);
	return 0;
}

static void apic_id_set(struct kvm_cpuid2 *t, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < t->nent; i++) {
		struct kvm_cpuid_entry2 *e = &t->entries[i];

		if (e->function == 1)
			e->ebx = (e->ebx & 0x00ffffff) | id << 24;
		else if (e->function == 0xb || e->function == 0x1f)
			e->edx = id;
	}
}

int kvm_cpuid_set(struct kvm_vm *vm, unsigned int vp)
{
	apic_id_set(vm->cpuid, vp);
	if (ioctl(vm->vp[vp].fd, KVM_SET_CPUID2, vm->cpuid) < 0)
		return err_sys(-errno, "%s: CPUID of VP %u", vm->name, vp);
	return 0;
}

unsigned int kvm_cpuid_table(void *arg, struct nethv_cpuid *table, unsigned int max)
{
	const struct kvm_vm *vm = arg;
	unsigned int i, n = 0;

	for (i = 0; i < vm->cpuid->nent && n < max; i++) {
		const struct kvm_cpuid_entry2 *e = &vm->cpuid->entries[i];

		if (e->function >= HV_LEAF_FIRST && e->function <= HV_LEAF_LAST)
			continue;
		if (e->index > 1) /* the record has room for the first two subleaves */
			continue;
		table[n++] =
			(struct nethv_cpuid){e->function, e->index, e->eax, e->ebx, e->ecx, e->edx};
	}
	return n;
}
