/* SPDX-License-Identifier: BSD-3-Clause */
/* Which MSRs are the worker's. With our own SynIC: the whole synthetic range. With KVM's: all but VP index,
 * clock, timers, VP assist page and the reading of SynIC registers. So nothing of KVM that we do not offer is
 * in a guest's reach, and what it tries there does not fill the host's log. Writes to SynIC registers are
 * judged and kept here first, as for every engine, and then handed to KVM. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "base/log.h"
#include "hv/kvm/priv.h"
#include "hv/priv.h"

#define SYNTHETIC_NR   0x200u
#define SYNTHETIC_LAST (HV_MSR_GUEST_OS_ID + SYNTHETIC_NR - 1)
#define MTRR_DEF_TYPE  0x2ffu
#define MTRR_WRITEBACK 0xc06ull /* on, fixed ranges on, default type write-back */
#define TSC_COUNTS_P0  (1ull << 24)

static uint8_t deny_all[SYNTHETIC_NR / 8]; /* a clear bit denies */

static struct kvm_msr_filter_range range(uint32_t first, uint32_t last, uint32_t what)
{
	return (struct kvm_msr_filter_range){
		.flags = what, .base = first, .nmsrs = last - first + 1, .bitmap = deny_all};
}

static int msr_set(const struct kvm_vm *vm, unsigned int vp, uint32_t msr, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = {.head = {.nmsrs = 1}, .entry = {.index = msr, .data = value}};

	return ioctl(vm->vp[vp].fd, KVM_SET_MSRS, &m) == 1 ? 0 : -EINVAL;
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
		f.ranges[1] = range(HV_MSR_RESET, HV_MSR_TIME_REF_COUNT - 1, both);
		f.ranges[2] = range(HV_MSR_TSC_FREQUENCY, HV_MSR_VP_ASSIST - 1, both);
		f.ranges[3] = range(HV_MSR_VP_ASSIST + 1, HV_MSR_SCONTROL - 1, both);
		f.ranges[4] = range(HV_MSR_SCONTROL, HV_MSR_EOM, KVM_MSR_FILTER_WRITE);
		f.ranges[5] = range(HV_MSR_EOM + 1, HV_MSR_SINT0 - 1, both);
		f.ranges[7] = range(HV_MSR_SINT0, HV_MSR_SINT15, KVM_MSR_FILTER_WRITE);
		f.ranges[8] = range(HV_MSR_SINT15 + 1, HV_MSR_STIMER0_CONFIG - 1, both);
		f.ranges[9] = range(HV_MSR_STIMER3_COUNT + 1, SYNTHETIC_LAST, both);
	} else {
		f.ranges[0] = range(HV_MSR_GUEST_OS_ID, SYNTHETIC_LAST, both);
	}
	if (vm->cfg.has_tsc)
		f.ranges[6] = range(KVM_MSR_HWCR, KVM_MSR_HWCR, KVM_MSR_FILTER_READ);
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &c) < 0 || ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &f) < 0)
		return err_sys(-errno, "%s: MSR filter", vm->name);
	return 0;
}

/* What firmware would have set up: without it Linux finds no memory type for its RAM. */
int kvm_msr_start(const struct kvm_vm *vm, unsigned int vp)
{
	return msr_set(vm, vp, MTRR_DEF_TYPE, MTRR_WRITEBACK)
		       ? err_set(-EIO, "%s: memory types of VP %u", vm->name, vp)
		       : 0;
}

/* AMD's HWCR says whether the TSC counts at the nominal frequency; KVM does not know it. */
bool kvm_msr_answer(const struct kvm_vm *vm, struct kvm_run *run)
{
	if (run->exit_reason != KVM_EXIT_X86_RDMSR || run->msr.index != KVM_MSR_HWCR)
		return false;
	run->msr.data = vm->cfg.has_tsc ? TSC_COUNTS_P0 : 0;
	run->msr.error = 0;
	return true;
}

void kvm_synic_msr(void *arg, unsigned int vp, uint32_t msr, uint64_t value)
{
	struct kvm_vm *vm = arg;

	if (!vm->has_synic)
		return;
	if (msr_set(vm, vp, msr, value))
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
