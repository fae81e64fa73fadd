/* SPDX-License-Identifier: BSD-3-Clause */
/* Which MSRs are the worker's. With our own SynIC: the whole synthetic range. With KVM's: what KVM
 * must not answer (identity, hypercall page, frequencies, reset, crash, TSC control), and all writes to SynIC
 * registers: they are judged and kept here first, as for every engine, and then handed to KVM. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "base/log.h"
#include "hv/kvm/priv.h"
#include "hv/priv.h"

#define SYNTHETIC_NR 0x200u

static uint8_t deny_all[SYNTHETIC_NR / 8]; /* a clear bit denies */

static struct kvm_msr_filter_range range(uint32_t first, uint32_t last, uint32_t what)
{
	return (struct kvm_msr_filter_range){
		.flags = what, .base = first, .nmsrs = last - first + 1, .bitmap = deny_all};
}

int kvm_msr_filter(struct kvm_vm *vm)
{
	const uint32_t both = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
	struct kvm_enable_cap c = {.cap = KVM_CAP_X86_USER_SPACE_MSR,
				   .args = {KVM_MSR_EXIT_REASON_UNKNOWN |
					    KVM_MSR_EXIT_REASON_INVAL |
					    KVM_MSR_EXIT_REASON_FILTER}};
	struct kvm_msr_filter f = {.flags = KVM_MSR_FILTER_DEFAULT_ALLOW};

	if (vm->has_synic) {
		f.ranges[0] = range(HV_MSR_GUEST_OS_ID, HV_MSR_HYPERCALL, both);
		f.ranges[1] = range(HV_MSR_RESET, HV_MSR_RESET, both);
		f.ranges[2] = range(HV_MSR_SCONTROL, HV_MSR_SINT15, KVM_MSR_FILTER_WRITE);
		f.ranges[3] = range(HV_MSR_CRASH_P0, HV_MSR_CRASH_CTL, both);
		f.ranges[5] = range(HV_MSR_TSC_FREQUENCY, HV_MSR_APIC_FREQUENCY, both);
		f.ranges[4] = range(HV_MSR_TSC_INVARIANT, HV_MSR_TSC_INVARIANT, both);
	} else {
		f.ranges[0] =
			range(HV_MSR_GUEST_OS_ID, HV_MSR_GUEST_OS_ID + SYNTHETIC_NR - 1, both);
	}
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &c) < 0 || ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &f) < 0)
		return err_sys(-errno, "%s: MSR filter", vm->name);
	return 0;
}

void kvm_synic_msr(void *arg, unsigned int vp, uint32_t msr, uint64_t value)
{
	struct kvm_vm *vm = arg;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = {.head = {.nmsrs = 1}, .entry = {.index = msr, .data = value}};

	if (!vm->has_synic)
		return;
	if (ioctl(vm->vp[vp].fd, KVM_SET_MSRS, &m) != 1)
		log_dbg(vm->name, "VP %u: KVM does not take MSR %#x = %#llx", vp, msr,
			(unsigned long long)value);
}

uint64_t kvm_ref_time(void *arg)
{
	const struct kvm_vm *vm = arg;
	struct kvm_clock_data c = {0};

	if (ioctl(vm->fd, KVM_GET_CLOCK, &c) < 0)
		return 0;
	return c.clock / 100;
}
