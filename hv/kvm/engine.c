/* SPDX-License-Identifier: BSD-3-Clause */
/* Engine kvm: life of a VM, its memory and its VPs. Local APICs are KVM's, the I/O APIC is the
 * worker's (split irqchip); hypercalls, messages and event flags are always ours. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/kvm/priv.h"
#include "hv/priv.h"

#define TSS_ADDR	  0xfffbd000ul /* three pages that Intel's real mode needs; no RAM is there */
#define IDENTITY_MAP_ADDR 0xfffbc000ull

static void vm_destroy(void *arg);

void *kvm_hva(const struct kvm_vm *vm, uint64_t at, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < vm->nr_mem; i++) {
		const struct kvm_mem *m = &vm->mem[i];

		if (at >= m->gpa && at - m->gpa < m->len && len <= m->len - (at - m->gpa))
			return m->hva + (at - m->gpa);
	}
	return NULL;
}

static int cap(const struct kvm_vm *vm, unsigned int what)
{
	int rc = ioctl(vm->fd, KVM_CHECK_EXTENSION, what);

	return rc < 0 ? 0 : rc;
}

static int cap_enable(int fd, uint32_t what, uint64_t arg)
{
	struct kvm_enable_cap c = {.cap = what, .args = {arg}};

	return ioctl(fd, KVM_ENABLE_CAP, &c) < 0 ? -errno : 0;
}

/* ---- VM ------------------------------------------------------------------------------------- */

static int caps_check(const struct kvm_vm *vm)
{
	static const struct {
		unsigned int cap;
		const char *name;
	} need[] = {
		{KVM_CAP_SPLIT_IRQCHIP, "a split irqchip"},
		{KVM_CAP_IRQFD, "irqfd"},
		{KVM_CAP_IOEVENTFD, "ioeventfd"},
		{KVM_CAP_SIGNAL_MSI, "MSI injection"},
		{KVM_CAP_IMMEDIATE_EXIT, "immediate exits"},
		{KVM_CAP_X86_USER_SPACE_MSR, "MSR exits (Linux 5.10)"},
		{KVM_CAP_X86_MSR_FILTER, "MSR filters (Linux 5.10)"},
	};
	size_t i;

	for (i = 0; i < sizeof(need) / sizeof(need[0]); i++) {
		if (!cap(vm, need[i].cap))
			return err_set(-ENOTSUP, "%s: this kernel's KVM has no %s", vm->name,
				       need[i].name);
	}
	return 0;
}

static int synic_choose(struct kvm_vm *vm)
{
	bool has = cap(vm, KVM_CAP_HYPERV_SYNIC2) && cap(vm, KVM_CAP_HYPERV_VP_INDEX);

	if (vm->cfg.synic == HV_SYNIC_KVM && !has)
		return err_set(
			-ENOTSUP,
			"%s: synic: kvm: this kernel's KVM has no SynIC (CONFIG_KVM_HYPERV): "
			"use auto or nethv",
			vm->name);
	vm->has_synic = has && vm->cfg.synic != HV_SYNIC_NETHV;
	return 0;
}

static int vm_setup(struct kvm_vm *vm)
{
	uint64_t identity = IDENTITY_MAP_ADDR;
	int rc = caps_check(vm);

	if (!rc)
		rc = synic_choose(vm);
	if (rc)
		return rc;
	ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDR); /* Intel only, harmless elsewhere */
	ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	rc = cap_enable(vm->fd, KVM_CAP_SPLIT_IRQCHIP, KVM_PINS);
	if (rc)
		return err_sys(rc, "%s: KVM_CAP_SPLIT_IRQCHIP", vm->name);
	rc = kvm_msr_filter(vm);
	return rc ? rc : kvm_cpuid_build(vm);
}

static void fds_clear(struct kvm_vm *vm)
{
	unsigned int i;

	vm->kvm = vm->fd = vm->vfio = -1;
	for (i = 0; i < HV_VPS_MAX; i++)
		vm->vp[i].fd = vm->vp[i].sint_fd = vm->vp[i].stats_fd = -1;
	for (i = 0; i < HV_DOORBELLS_MAX; i++)
		vm->doorbell[i] = -1;
}

static int vm_open(struct kvm_vm *vm)
{
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		return err_sys(-errno, "%s: /dev/kvm", vm->name);
	vm->run_len = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vm->run_len < (int)sizeof(struct kvm_run))
		return err_set(-ENOTSUP, "%s: KVM's run page has %d bytes", vm->name, vm->run_len);
	do
		vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	while (vm->fd < 0 && errno == EINTR);
	return vm->fd < 0 ? err_sys(-errno, "%s: KVM_CREATE_VM", vm->name) : 0;
}

static int vm_create(void **out, const struct hv_engine_cfg *cfg)
{
	struct kvm_vm *vm = calloc(1, sizeof(*vm));
	int rc;

	if (!vm)
		return err_set(-ENOMEM, "%s: kvm", cfg->name);
	fds_clear(vm);
	pthread_mutex_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->dev_lock, NULL);
	snprintf(vm->name, sizeof(vm->name), "%s", cfg->name);
	vm->cfg = *cfg;
	vm->cfg.name = vm->name;
	rc = kvm_kick_signal_install();
	if (!rc)
		rc = vm_open(vm);
	if (!rc)
		rc = vm_setup(vm);
	if (rc) {
		vm_destroy(vm);
		return rc;
	}
	*out = vm;
	return 0;
}

static void vm_destroy(void *arg)
{
	struct kvm_vm *vm = arg;
	unsigned int i;

	if (!vm)
		return;
	kvm_vm_halt(vm);
	kvm_irq_destroy(vm);
	for (i = 0; i < HV_VPS_MAX; i++) {
		if (vm->vp[i].run)
			munmap(vm->vp[i].run, (size_t)vm->run_len);
		fd_close(&vm->vp[i].stats_fd);
		fd_close(&vm->vp[i].fd);
	}
	fd_close(&vm->vfio);
	fd_close(&vm->fd);
	fd_close(&vm->kvm);
	for (i = 0; i < vm->nr_mem; i++)
		munmap(vm->mem[i].hva, vm->mem[i].len);
	free(vm->cpuid);
	free(vm->routes);
	pthread_mutex_destroy(&vm->dev_lock);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}

static int mem_map(void *arg, uint64_t at, int fd, uint64_t off, uint64_t len)
{
	struct kvm_vm *vm = arg;
	struct kvm_userspace_memory_region r = {
		.slot = vm->nr_mem, .guest_phys_addr = at, .memory_size = len};
	void *hva;

	if (vm->nr_mem == KVM_REGIONS_MAX)
		return err_set(-EINVAL, "%s: more than %u memory regions", vm->name,
			       KVM_REGIONS_MAX);
	hva = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)off);
	if (hva == MAP_FAILED)
		return err_sys(-errno, "%s: mapping %llu MiB of guest memory", vm->name,
			       (unsigned long long)(len >> 20));
	madvise(hva, len, MADV_HUGEPAGE); /* a hint; hugetlb memory is in big pages anyway */
	r.userspace_addr = (uintptr_t)hva;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r) < 0) {
		int rc = err_sys(-errno, "%s: memory slot at %#llx", vm->name,
				 (unsigned long long)at);

		munmap(hva, len);
		return rc;
	}
	vm->mem[vm->nr_mem++] = (struct kvm_mem){at, len, hva};
	return 0;
}

/* ---- VPs ------------------------------------------------------------------------------------ */

/* Guest TSC = host TSC, so that one reference clock serves the worker, the guest's pages and all
 * engines. (Linux 5.16; before it the TSC page is not offered.) */
static bool tsc_align(const struct kvm_vp *v)
{
	uint64_t zero = 0;
	struct kvm_device_attr a = {
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&zero};

	return ioctl(v->fd, KVM_SET_DEVICE_ATTR, &a) == 0;
}

static int vp_open(struct kvm_vm *vm, unsigned int vp)
{
	struct kvm_vp *v = &vm->vp[vp];
	int rc;

	v->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)vp);
	if (v->fd < 0)
		return err_sys(-errno, "%s: KVM_CREATE_VCPU %u", vm->name, vp);
	v->run = mmap(NULL, (size_t)vm->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return err_sys(-errno, "%s: run page of VP %u", vm->name, vp);
	}
	rc = vm->has_synic ? cap_enable(v->fd, KVM_CAP_HYPERV_SYNIC2, 0) : 0;
	if (rc)
		return err_sys(rc, "%s: KVM_CAP_HYPERV_SYNIC2 of VP %u", vm->name, vp);
	kvm_stats_open(v);
	return 0;
}

static int vp_create(void *arg, unsigned int vp, const struct hv_vp_start *start)
{
	struct kvm_vm *vm = arg;
	int rc = vp_open(vm, vp);

	if (!rc)
		rc = kvm_cpuid_set(vm, vp);
	if (!rc && !tsc_align(&vm->vp[vp]) && vm->cfg.has_tsc)
		rc = err_set(-ENOTSUP,
			     "%s: KVM cannot give a guest the host's TSC (Linux 5.16 can)",
			     vm->name);
	return rc ? rc : kvm_vp_start(vm, vp, start);
}

static int vm_seal(void *arg)
{
	return kvm_irq_create(arg);
}

static int vm_pid(void *vm)
{
	return 0;
}

static const char *synic_name(void *arg)
{
	const struct kvm_vm *vm = arg;

	return vm->has_synic ? "kvm" : "nethv";
}

static bool has_timers(void *arg)
{
	const struct kvm_vm *vm = arg;

	return vm->has_synic;
}

static void vp_stats(void *arg, unsigned int vp, struct hv_vp_stats *out)
{
	const struct kvm_vm *vm = arg;

	kvm_stats_read(&vm->vp[vp], out);
}

const struct hv_engine_ops hv_kvm_ops = {
	.name = "kvm",
	.kind = HV_ENGINE_KVM,
	.can_gp = true,
	.boot_flags = NETHV_BOOT_APIC_EOI,
	.hints = HV_HINT_NO_AUTO_EOI,
	.vm_create = vm_create,
	.vm_destroy = vm_destroy,
	.mem_map = mem_map,
	.vp_create = vp_create,
	.vm_seal = vm_seal,
	.vm_halt = kvm_vm_halt,
	.vm_pid = vm_pid,
	.cpuid = kvm_cpuid_table,
	.hypercall_page = kvm_hypercall_page,
	.synic_name = synic_name,
	.has_timers = has_timers,
	.synic_msr = kvm_synic_msr,
	.ref_time = kvm_ref_time,
	.vp_run = kvm_vp_run,
	.vp_complete = kvm_vp_complete,
	.vp_kick = kvm_vp_kick,
	.irq = kvm_irq,
	.msi = kvm_msi,
	.sint_fd = kvm_sint_fd,
	.sint_set = kvm_sint_set,
	.doorbell = kvm_doorbell,
	.vp_stats = vp_stats,
	.dev_map = kvm_dev_map,
	.dev_unmap = kvm_dev_unmap,
	.line_create = kvm_line_create,
	.line_destroy = kvm_line_destroy,
	.line_set = kvm_line_set,
	.vfio_attach = kvm_vfio_attach,
	.vfio_detach = kvm_vfio_detach,
};
