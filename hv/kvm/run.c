/* SPDX-License-Identifier: BSD-3-Clause */
/* Running a VP: KVM's exits become ours, and what an exit asked for goes back with the next run. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "hv/kvm/priv.h"
#include "hv/priv.h"

#define KICK_SIGNAL (SIGRTMIN + 4)
#define CPL_MASK    3u

static void on_kick(int sig)
{
}

int kvm_kick_signal_install(void)
{
	struct sigaction sa = {.sa_handler = on_kick}; /* no SA_RESTART: KVM_RUN must return */

	return sigaction(KICK_SIGNAL, &sa, NULL) < 0 ? err_sys(-errno, "kvm: kick signal") : 0;
}

/* ---- Hypercalls ----------------------------------------------------------------------------- */

/* Ports can be opened to a guest's user space; hypercalls are for its kernel only. */
static bool is_kernel(const struct kvm_vp *v)
{
	struct kvm_sregs s;

	return ioctl(v->fd, KVM_GET_SREGS, &s) == 0 && (s.ss.dpl & CPL_MASK) == 0;
}

/* Where RIP stands at the exit differs between KVMs: it is never looked at. */
static int exit_hypercall(struct kvm_vp *v, struct hv_exit *ex)
{
	if (ioctl(v->fd, KVM_GET_REGS, &v->regs) < 0)
		return err_sys(-errno, "kvm: KVM_GET_REGS");
	ex->kind = HV_EXIT_HYPERCALL;
	ex->rcx = v->regs.rcx;
	ex->rdx = v->regs.rdx;
	ex->r8 = v->regs.r8;
	v->owed = OWED_RAX;
	return 0;
}

/* The doorbell port with a value that no ioeventfd matched: an unknown connection. The page takes
 * the result from R9. */
static int exit_signal(struct kvm_vp *v, struct hv_exit *ex)
{
	int rc = exit_hypercall(v, ex);

	ex->rcx = HV_CALL_SIGNAL_EVENT | HV_CALL_FAST;
	ex->rdx = v->regs.rdx;
	v->owed = OWED_R9;
	return rc;
}

/* ---- Exits ---------------------------------------------------------------------------------- */

static uint8_t *io_data(const struct kvm_vp *v, uint32_t i)
{
	return (uint8_t *)v->run + v->run->io.data_offset + (size_t)i * v->run->io.size;
}

/* One element of a port access; string instructions come with several. */
static int exit_io(struct kvm_vp *v, struct hv_exit *ex)
{
	const struct kvm_run *run = v->run;

	if (run->io.direction == KVM_EXIT_IO_OUT && run->io.size == 4 && run->io.count == 1 &&
	    (run->io.port == NETHV_PORT_HYPERCALL || run->io.port == NETHV_PORT_SIGNAL) &&
	    is_kernel(v))
		return run->io.port == NETHV_PORT_HYPERCALL ? exit_hypercall(v, ex)
							    : exit_signal(v, ex);
	ex->kind = HV_EXIT_IO;
	ex->port = run->io.port;
	ex->size = run->io.size;
	ex->is_out = run->io.direction == KVM_EXIT_IO_OUT;
	if (ex->is_out)
		memcpy(&ex->value, io_data(v, v->io_done), run->io.size);
	v->io_done++;
	v->owed = OWED_IO;
	return 0;
}

static int exit_mmio(const struct kvm_vm *vm, struct kvm_vp *v, struct hv_exit *ex)
{
	const struct kvm_run *run = v->run;
	struct kvm_regs r;

	/* It ends an image, with the place told; a kernel looks for devices so, and goes on. */
	if (!vm->cfg.is_linux && ioctl(v->fd, KVM_GET_REGS, &r) == 0)
		ex->rip = r.rip;
	ex->kind = HV_EXIT_MMIO;
	ex->gpa = run->mmio.phys_addr;
	ex->size = run->mmio.len <= sizeof(ex->value) ? (uint8_t)run->mmio.len : 8;
	ex->is_out = run->mmio.is_write;
	if (ex->is_out)
		memcpy(&ex->value, run->mmio.data, ex->size);
	v->owed = OWED_MMIO;
	return 0;
}

static int exit_msr(struct kvm_vp *v, struct hv_exit *ex)
{
	ex->kind = v->run->exit_reason == KVM_EXIT_X86_RDMSR ? HV_EXIT_RDMSR : HV_EXIT_WRMSR;
	ex->msr = v->run->msr.index;
	ex->value = v->run->msr.data;
	v->owed = OWED_MSR;
	return 0;
}

static int exit_broken(const struct kvm_vm *vm, const struct kvm_vp *v, unsigned int vp)
{
	const struct kvm_run *run = v->run;
	struct kvm_regs r = {0};

	ioctl(v->fd, KVM_GET_REGS, &r);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		return err_set(-EIO, "%s: VP %u: the processor refuses to enter the guest (%#llx)",
			       vm->name, vp,
			       (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return err_set(
			-EIO,
			"%s: VP %u: KVM could not go on (internal error, suberror %u) at RIP "
			"%#llx",
			vm->name, vp, run->internal.suberror, (unsigned long long)r.rip);
	return err_set(-EIO, "%s: VP %u: unexpected KVM exit %u at RIP %#llx", vm->name, vp,
		       run->exit_reason, (unsigned long long)r.rip);
}

static int exit_translate(struct kvm_vm *vm, unsigned int vp, struct hv_exit *ex)
{
	struct kvm_vp *v = &vm->vp[vp];

	switch (v->run->exit_reason) {
	case KVM_EXIT_IO: return exit_io(v, ex);
	case KVM_EXIT_MMIO: return exit_mmio(vm, v, ex);
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR: return exit_msr(v, ex);
	case KVM_EXIT_IOAPIC_EOI:
		ex->kind = HV_EXIT_EOI;
		ex->value = v->run->eoi.vector;
		return 0;
	case KVM_EXIT_SHUTDOWN: ex->kind = HV_EXIT_SHUTDOWN; return 0;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN: ex->kind = HV_EXIT_INTR; return 0;
	default: return exit_broken(vm, v, vp);
	}
}

/* ---- The run loop --------------------------------------------------------------------------- */

static bool has_more_io(struct kvm_vp *v)
{
	if (v->io_done && v->io_done < v->run->io.count)
		return true;
	v->io_done = 0;
	return false;
}

/* 1: an exit is in the run page. 0: kicked or halted. */
static int enter(struct kvm_vm *vm, struct kvm_vp *v)
{
	for (;;) {
		atomic_store(&v->is_inside, true); /* before the look at is_halted: kvm_vm_halt() */
		if (atomic_load(&vm->is_halted)) {
			atomic_store(&v->is_inside, false);
			return 0;
		}
		int rc = ioctl(v->fd, KVM_RUN, 0) < 0 ? -errno : 0;

		atomic_store(&v->is_inside, false);
		if (!rc)
			return 1;
		if (rc != -EINTR && rc != -EAGAIN)
			return err_sys(rc, "%s: KVM_RUN", vm->name);
		v->run->immediate_exit = 0;
		if (atomic_exchange(&v->is_kicked, false))
			return 0;
	}
}

int kvm_vp_run(void *arg, unsigned int vp, struct hv_exit *ex)
{
	struct kvm_vm *vm = arg;
	struct kvm_vp *v = &vm->vp[vp];
	int rc;

	if (!atomic_load(&v->has_thread)) {
		atomic_store(&v->thread, pthread_self());
		atomic_store(&v->has_thread, true);
	}
	*ex = (struct hv_exit){.kind = HV_EXIT_INTR};
	v->owed = OWED_NOTHING;
	if (has_more_io(v))
		return exit_io(v, ex);
	do
		rc = enter(vm, v);
	while (rc == 1 && kvm_msr_answer(vm, v->run));
	return rc == 1 ? exit_translate(vm, vp, ex) : rc;
}

static void complete_regs(struct kvm_vp *v)
{
	if (ioctl(v->fd, KVM_SET_REGS, &v->regs) < 0)
		log_warn("kvm", "KVM_SET_REGS: %s", strerror(errno));
}

void kvm_vp_complete(void *arg, unsigned int vp, uint64_t value, enum hv_complete how)
{
	struct kvm_vp *v = &((struct kvm_vm *)arg)->vp[vp];
	struct kvm_run *run = v->run;

	switch (v->owed) {
	case OWED_IO:
		if (run->io.direction == KVM_EXIT_IO_IN)
			memcpy(io_data(v, v->io_done - 1), &value, run->io.size);
		break;
	case OWED_MMIO:
		if (!run->mmio.is_write)
			memcpy(run->mmio.data, &value, sizeof(run->mmio.data));
		break;
	case OWED_MSR:
		run->msr.data = value;
		run->msr.error = how == HV_COMPLETE_GP;
		break;
	case OWED_RAX:
		v->regs.rax = value;
		complete_regs(v);
		break;
	case OWED_R9:
		v->regs.r9 = value;
		complete_regs(v);
		break;
	case OWED_NOTHING: break;
	}
	v->owed = OWED_NOTHING;
}

void kvm_vp_kick(void *arg, unsigned int vp)
{
	struct kvm_vp *v = &((struct kvm_vm *)arg)->vp[vp];

	atomic_store(&v->is_kicked, true);
	if (!v->run)
		return;
	__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (atomic_load(&v->has_thread) && atomic_load(&v->is_inside))
		pthread_kill(atomic_load(&v->thread), KICK_SIGNAL);
}

/* Nobody enters once is_halted is set; whoever is inside is kicked until it came out. */
void kvm_vm_halt(void *arg)
{
	struct kvm_vm *vm = arg;
	const struct timespec pause = {.tv_nsec = 200000};
	unsigned int i;

	atomic_store(&vm->is_halted, true);
	for (i = 0; i < vm->cfg.nr_vps; i++) {
		while (atomic_load(&vm->vp[i].is_inside)) {
			kvm_vp_kick(vm, i);
			nanosleep(&pause, NULL);
		}
	}
}
