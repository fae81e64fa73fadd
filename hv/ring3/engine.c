/* SPDX-License-Identifier: BSD-3-Clause */
/* Engine ring3, on the worker's side: the guest runs in a process of its own (see stub/), exits
 * come as a record in a shared page and a byte in a pipe, interrupts go as a byte in a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/priv.h"
#include "hv/ring3/priv.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

#define HALT_MS 5000

static void r3_vm_destroy(void *arg);
static void r3_vm_halt(void *arg);

static struct r3_vp *page_of(const struct r3_vm *vm, unsigned int vp)
{
	return r3_vp_page(vm->shared, vp);
}

/* Exit and resume: the stub's end blocks, ours does not. Interrupt pipes do not block at all. */
static int pipe_make(struct r3_vp_host *h, enum r3_vp_fd which)
{
	int fd[2], rc = 0;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return err_sys(-errno, "ring3: pipe");
	h->rd[which] = fd[0];
	h->wr[which] = fd[1];
	if (which != R3_VP_RESUME)
		rc = fd_nonblock(fd[0]);
	if (!rc && which != R3_VP_EXIT)
		rc = fd_nonblock(fd[1]);
	return rc;
}

static int vp_fds_make(struct r3_vp_host *h)
{
	unsigned int i;
	int rc = 0;

	h->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->kick < 0)
		return err_sys(-errno, "ring3: eventfd");
	for (i = 0; !rc && i < R3_VP_NR; i++)
		rc = pipe_make(h, i);
	h->must_resume = true;
	return rc;
}

static int fds_make(struct r3_vm *vm)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; !rc && i < vm->cfg.nr_vps; i++)
		rc = vp_fds_make(&vm->vp[i]);
	for (i = 0; !rc && i < vm->cfg.nr_doorbells; i++) {
		vm->doorbell[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vm->doorbell[i] < 0)
			rc = err_sys(-errno, "ring3: doorbell %u", i + 1);
	}
	return rc;
}

static void fds_clear(struct r3_vm *vm)
{
	unsigned int i, k;

	vm->shared_fd = -1;
	vm->pidfd = -1;
	for (i = 0; i < HV_VPS_MAX; i++) {
		vm->vp[i].kick = -1;
		for (k = 0; k < R3_VP_NR; k++)
			vm->vp[i].rd[k] = vm->vp[i].wr[k] = -1;
	}
	for (i = 0; i < HV_DOORBELLS_MAX; i++)
		vm->doorbell[i] = -1;
}

static int r3_vm_create(void **out, const struct hv_engine_cfg *cfg)
{
	struct r3_vm *vm = calloc(1, sizeof(*vm));
	int rc;

	if (!vm)
		return err_set(-ENOMEM, "%s: ring3", cfg->name);
	fds_clear(vm);
	pthread_mutex_init(&vm->halt_lock, NULL);
	snprintf(vm->name, sizeof(vm->name), "%s", cfg->name);
	vm->cfg = *cfg;
	vm->cfg.name = vm->name;
	vm->shared_len = (size_t)R3_PAGE * (cfg->nr_vps + 1);
	rc = fd_memfd("nethv-ring3", vm->shared_len, FD_HUGE_NO, NULL);
	if (rc < 0)
		goto fail;
	vm->shared_fd = rc;
	rc = fd_map(vm->shared_fd, 0, vm->shared_len, &vm->shared);
	if (!rc)
		rc = fds_make(vm);
	if (rc)
		goto fail;
	*out = vm;
	return 0;
fail:
	r3_vm_destroy(vm);
	return rc;
}

static void r3_vm_destroy(void *arg)
{
	struct r3_vm *vm = arg;
	unsigned int i, k;

	if (!vm)
		return;
	r3_vm_halt(vm);
	for (i = 0; i < HV_VPS_MAX; i++) {
		fd_close(&vm->vp[i].kick);
		for (k = 0; k < R3_VP_NR; k++) {
			fd_close(&vm->vp[i].rd[k]);
			fd_close(&vm->vp[i].wr[k]);
		}
	}
	for (i = 0; i < HV_DOORBELLS_MAX; i++)
		fd_close(&vm->doorbell[i]);
	if (vm->shared)
		munmap(vm->shared, vm->shared_len);
	fd_close(&vm->shared_fd);
	fd_close(&vm->pidfd);
	pthread_mutex_destroy(&vm->halt_lock);
	free(vm);
}

static int r3_mem_map(void *arg, uint64_t at, int fd, uint64_t off, uint64_t len)
{
	struct r3_vm *vm = arg;

	if (vm->nr_mem == R3_REGIONS_MAX || off != 0)
		return err_set(-EINVAL, "%s: ring3: more than %u memory regions, or an offset",
			       vm->name, R3_REGIONS_MAX);
	if (at + len > R3_GUEST_END)
		return err_set(-EINVAL, "%s: ring3: memory at %#llx is beyond its address space",
			       vm->name, (unsigned long long)at);
	vm->mem_fd[vm->nr_mem] = fd;
	vm->mem[vm->nr_mem] = (struct r3_region){at, len};
	vm->nr_mem++;
	return 0;
}

static int r3_vp_create(void *arg, unsigned int vp, const struct hv_vp_start *start)
{
	struct r3_vm *vm = arg;

	if (vp == 0)
		vm->start = *start;
	return 0;
}

static int r3_vm_seal(void *arg)
{
	return r3_spawn(arg);
}

static int r3_vm_pid(void *arg)
{
	const struct r3_vm *vm = arg;

	return vm->pid;
}

/* How the process ended, in words. halt_lock is held; the process is dead or dying. */
static void death_note(struct r3_vm *vm)
{
	siginfo_t si = {0};

	if (vm->death[0])
		return;
	if (waitid(P_PIDFD, (id_t)vm->pidfd, &si, WEXITED | WNOWAIT) < 0 || si.si_pid == 0)
		snprintf(vm->death, sizeof(vm->death), "the guest's process is gone");
	else if (si.si_code == CLD_EXITED)
		snprintf(vm->death, sizeof(vm->death),
			 "the guest's process called exit_group(%d) itself", si.si_status);
	else if (si.si_status == SIGSYS)
		snprintf(vm->death, sizeof(vm->death),
			 "the guest made a system call that is not allowed (killed by seccomp)");
	else
		snprintf(vm->death, sizeof(vm->death),
			 "the guest's process was killed by signal %d", si.si_status);
}

static void r3_vm_halt(void *arg)
{
	struct r3_vm *vm = arg;
	struct pollfd pfd = {.fd = vm->pidfd, .events = POLLIN};
	siginfo_t si;

	pthread_mutex_lock(&vm->halt_lock);
	if (vm->pid > 0 && vm->pidfd >= 0) {
		syscall(SYS_pidfd_send_signal, vm->pidfd, SIGKILL, NULL, 0);
		poll(&pfd, 1, HALT_MS);
		death_note(vm);
		waitid(P_PIDFD, (id_t)vm->pidfd, &si, WEXITED);
		vm->pid = 0;
	} else if (vm->pid > 0) {
		kill(vm->pid, SIGKILL);
		waitpid(vm->pid, NULL, 0);
		vm->pid = 0;
	}
	pthread_mutex_unlock(&vm->halt_lock);
}

static unsigned int r3_cpuid(void *vm, struct nethv_cpuid *table, unsigned int max)
{
	return hv_cpuid_host(table, max);
}

static void r3_hypercall_page(void *arg, uint8_t page[4096])
{
	const struct r3_vm *vm = arg;
	const uint64_t one = 1, nr = vm->cfg.nr_doorbells;

	memset(page, 0xcc, R3_PAGE);
	memcpy(page, r3_hcpage_start, (size_t)(r3_hcpage_end - r3_hcpage_start));
	memcpy(page + R3_HCPAGE_ONE, &one, sizeof(one));
	memcpy(page + R3_HCPAGE_NR, &nr, sizeof(nr));
}

static int died(struct r3_vm *vm)
{
	pthread_mutex_lock(&vm->halt_lock);
	death_note(vm);
	err_set(-ESRCH, "%s", vm->death);
	pthread_mutex_unlock(&vm->halt_lock);
	return -ESRCH;
}

/* One look at the exit record; true when there is one. The guest may have kicked for nothing. */
static bool exit_take(struct r3_vm *vm, unsigned int vp, struct hv_exit *ex)
{
	struct r3_vp *sh = page_of(vm, vp);
	char buf[64];

	if (read(vm->vp[vp].rd[R3_VP_EXIT], buf, sizeof(buf)) < 0 && errno != EAGAIN)
		return false;
	/* Pairs with the stub's release store. */
	if (__atomic_load_n(&sh->state, __ATOMIC_ACQUIRE) != R3_VP_EXITED)
		return false;
	memcpy(ex, &sh->exit, sizeof(*ex));
	__atomic_store_n(&sh->state, R3_VP_RUNNING, __ATOMIC_RELAXED);
	return true;
}

/* One byte is one answer. The pipe cannot be full: at most one exit is open. */
static void resume(const struct r3_vp_host *h)
{
	const uint8_t byte = 1;

	if (write(h->wr[R3_VP_RESUME], &byte, 1) < 0)
		log_dbg("ring3", "resume: %s", strerror(errno));
}

static int r3_vp_run(void *arg, unsigned int vp, struct hv_exit *ex)
{
	struct r3_vm *vm = arg;
	struct r3_vp_host *h = &vm->vp[vp];
	struct pollfd pfd[3] = {
		{.fd = h->rd[R3_VP_EXIT], .events = POLLIN},
		{.fd = h->kick, .events = POLLIN},
		{.fd = vm->pidfd, .events = POLLIN},
	};

	if (h->must_resume) {
		h->must_resume = false;
		resume(h);
	}
	for (;;) {
		if (poll(pfd, 3, -1) < 0)
			continue; /* EINTR: nothing else can go wrong here */
		if ((pfd[0].revents & POLLIN) && exit_take(vm, vp, ex))
			return 0;
		if (pfd[1].revents & POLLIN) {
			fd_drain(h->kick);
			*ex = (struct hv_exit){.kind = HV_EXIT_INTR};
			return 0;
		}
		if (pfd[2].revents & POLLIN)
			return died(vm);
	}
}

static void r3_vp_complete(void *arg, unsigned int vp, uint64_t value, enum hv_complete how)
{
	struct r3_vm *vm = arg;

	__atomic_store_n(&page_of(vm, vp)->value, value, __ATOMIC_RELEASE);
	vm->vp[vp].must_resume = true;
}

static void r3_vp_kick(void *arg, unsigned int vp)
{
	const struct r3_vm *vm = arg;

	fd_kick(vm->vp[vp].kick);
}

static void r3_irq(void *arg, unsigned int vp, unsigned int vector)
{
	const struct r3_vm *vm = arg;
	uint64_t bit = 1ull << (vector % 64);

	/* Already set: its byte is in the pipe, or the stub is about to look. */
	if (!(__atomic_fetch_or(&page_of(vm, vp)->vectors[vector / 64], bit, __ATOMIC_ACQ_REL) &
	      bit))
		fd_kick(vm->vp[vp].wr[R3_VP_AUX]);
}

static int r3_sint_fd(void *arg, unsigned int vp, unsigned int sint)
{
	const struct r3_vm *vm = arg;

	if (sint != HV_SINT_VMBUS)
		return err_set(-EOPNOTSUPP, "%s: ring3 has an fd for SINT %u only, not for %u",
			       vm->name, HV_SINT_VMBUS, sint);
	return vm->vp[vp].wr[R3_VP_SINT];
}

static void r3_sint_set(void *arg, unsigned int vp, unsigned int sint, unsigned int vector)
{
	const struct r3_vm *vm = arg;

	if (sint == HV_SINT_VMBUS)
		__atomic_store_n(&page_of(vm, vp)->sint_vector, vector, __ATOMIC_SEQ_CST);
}

static int r3_doorbell(void *arg, unsigned int relid)
{
	const struct r3_vm *vm = arg;

	return vm->doorbell[relid - 1];
}

static void r3_vp_stats(void *arg, unsigned int vp, struct hv_vp_stats *out)
{
	const struct r3_vp *sh = page_of(arg, vp);

	out->traps = __atomic_load_n(&sh->traps, __ATOMIC_RELAXED);
	out->irq_signals = __atomic_load_n(&sh->irq_signals, __ATOMIC_RELAXED);
	out->injected = __atomic_load_n(&sh->injected, __ATOMIC_RELAXED);
	out->halts = __atomic_load_n(&sh->halts, __ATOMIC_RELAXED);
}

const struct hv_engine_ops hv_ring3_ops = {
	.name = "ring3",
	.kind = HV_ENGINE_RING3,
	.boot_flags = NETHV_BOOT_RING3,
	.vm_create = r3_vm_create,
	.vm_destroy = r3_vm_destroy,
	.mem_map = r3_mem_map,
	.vp_create = r3_vp_create,
	.vm_seal = r3_vm_seal,
	.vm_halt = r3_vm_halt,
	.vm_pid = r3_vm_pid,
	.cpuid = r3_cpuid,
	.hypercall_page = r3_hypercall_page,
	.vp_run = r3_vp_run,
	.vp_complete = r3_vp_complete,
	.vp_kick = r3_vp_kick,
	.irq = r3_irq,
	.sint_fd = r3_sint_fd,
	.sint_set = r3_sint_set,
	.doorbell = r3_doorbell,
	.vp_stats = r3_vp_stats,
};
