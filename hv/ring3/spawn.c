/* SPDX-License-Identifier: BSD-3-Clause */
/* Starts the stub process of a ring3 partition: exec from a memfd, with exactly the fds that it
 * needs at fixed numbers, as nobody when we are root. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/memfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/ring3/priv.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

#define UID_NOBODY   65534
#define HANDSHAKE_MS 10000
#define FDS_MAX	     (R3_FD_END + 1)
#define EXIT_NO_EXEC 120

_Static_assert(R3_FD_DOORBELLS == 272, "hcpage.S has this number");

/* What the child needs between fork and exec: no allocation happens there. */
struct plan {
	const struct r3_vm *vm;
	int src[FDS_MAX], dst[FDS_MAX];
	unsigned int nr_fds;
	bool drop_uid;
	char argv0[80];
};

static void plan_fd(struct plan *pl, int src, int dst)
{
	pl->src[pl->nr_fds] = src;
	pl->dst[pl->nr_fds] = dst;
	pl->nr_fds++;
}

static void plan_fds(struct plan *pl, const struct r3_vm *vm, int exec_fd)
{
	unsigned int i;

	plan_fd(pl, vm->shared_fd, R3_FD_SHARED);
	for (i = 0; i < vm->nr_mem; i++)
		plan_fd(pl, vm->mem_fd[i], R3_FD_MEM + (int)i);
	plan_fd(pl, exec_fd, R3_FD_EXEC);
	for (i = 0; i < vm->cfg.nr_vps; i++) {
		plan_fd(pl, vm->vp[i].wr[R3_VP_EXIT], r3_vp_fd(i, R3_VP_EXIT));
		plan_fd(pl, vm->vp[i].rd[R3_VP_RESUME], r3_vp_fd(i, R3_VP_RESUME));
		plan_fd(pl, vm->vp[i].rd[R3_VP_SINT], r3_vp_fd(i, R3_VP_SINT));
		plan_fd(pl, vm->vp[i].rd[R3_VP_AUX], r3_vp_fd(i, R3_VP_AUX));
	}
	for (i = 0; i < vm->cfg.nr_doorbells; i++)
		plan_fd(pl, vm->doorbell[i], R3_FD_DOORBELLS + (int)i);
}

/* Whoever drops the uid must still be able to kill the child (PDEATHSIG asks for that, too). */
static bool may_drop_uid(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {0};
	uint32_t need = 1u << CAP_KILL | 1u << CAP_SETUID | 1u << CAP_SETGID;

	if (geteuid() != 0 || syscall(SYS_capget, &h, d) < 0)
		return false;
	return (d[0].effective & need) == need;
}

static int stub_memfd(void)
{
	size_t len = (size_t)(r3_stub_end - r3_stub_start);
	int rc, fd = memfd_create("nethv-stub", MFD_CLOEXEC | MFD_EXEC);

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create("nethv-stub", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(-errno, "ring3: memfd for the stub");
	if (write(fd, r3_stub_start, len) != (ssize_t)len) {
		rc = err_sys(-errno, "ring3: writing the stub");
		fd_close(&fd);
		return rc;
	}
	return fd;
}

/* --- in the child, between fork and exec: system calls only ---------------------------------- */

static int child_fds(struct plan *pl)
{
	struct rlimit lim;
	unsigned int i;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	/* All up out of the way, then down to their places, then nothing else stays. */
	for (i = 0; i < pl->nr_fds; i++) {
		pl->src[i] = fcntl(pl->src[i], F_DUPFD, R3_FD_END);
		if (pl->src[i] < 0)
			return -errno;
	}
	if (syscall(SYS_close_range, 0, R3_FD_END - 1, 0) < 0)
		return -errno;
	for (i = 0; i < pl->nr_fds; i++) {
		if (dup2(pl->src[i], pl->dst[i]) < 0)
			return -errno;
	}
	return syscall(SYS_close_range, R3_FD_END, ~0U, 0) < 0 ? -errno : 0;
}

/* Raw calls: libc's wrappers would try to reach threads that a forked child does not have. */
static int child_uid(void)
{
	if (syscall(SYS_setgroups, 0, NULL) < 0 ||
	    syscall(SYS_setresgid, UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0 ||
	    syscall(SYS_setresuid, UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0)
		return -errno;
	return 0;
}

static void child(struct plan *pl)
{
	struct r3_config *cfg = pl->vm->shared;
	char *const argv[] = {pl->argv0, NULL}, *const envp[] = {NULL};
	struct rlimit no_core = {0, 0};
	int rc;

	setsid(); /* the terminal's signals are not for a guest */
	setrlimit(RLIMIT_CORE, &no_core);
	rc = child_fds(pl);
	if (!rc && pl->drop_uid)
		rc = child_uid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!rc) {
		syscall(SYS_execveat, R3_FD_EXEC, "", argv, envp, AT_EMPTY_PATH);
		rc = -errno;
	}
	cfg->error = -rc;
	_exit(EXIT_NO_EXEC);
}

/* --------------------------------------------------------------------------------------------- */

static void config_fill(const struct r3_vm *vm)
{
	struct r3_config *c = vm->shared;

	c->nr_vps = vm->cfg.nr_vps;
	c->nr_regions = vm->nr_mem;
	c->want_cpuid_fault = !(vm->cfg.flags & HV_CFG_NO_CPUID_FAULT);
	c->parent_pid = getpid();
	c->boot_gpa = vm->start.boot_gpa;
	c->entry = vm->start.entry;
	c->area_base = vm->start.area_gpa;
	memcpy(c->region, vm->mem, sizeof(vm->mem));
}

static int handshake_error(const struct r3_vm *vm)
{
	static const char *const what[] = {
		[R3_STAGE_START] = "exec of the stub (is vm.memfd_noexec set?)",
		[R3_STAGE_PARENT] = "its parent is gone",
		[R3_STAGE_MAP] = "mapping guest memory",
		[R3_STAGE_STACKS] = "mapping signal stacks",
		[R3_STAGE_SIGNALS] = "signal handlers",
		[R3_STAGE_THREAD] = "threads",
		[R3_STAGE_VP] = "interrupt pipes",
		[R3_STAGE_UNMAP] = "unmapping",
		[R3_STAGE_SECCOMP] = "seccomp",
	};
	const struct r3_config *c = vm->shared;
	uint32_t stage = c->stage;

	if (stage >= sizeof(what) / sizeof(what[0]) || !what[stage])
		return err_set(-EIO, "%s: ring3: the partition's process did not start", vm->name);
	return err_sys(c->error ? -c->error : -EIO, "%s: ring3: %s", vm->name, what[stage]);
}

static int handshake(const struct r3_vm *vm)
{
	struct pollfd pfd[2] = {
		{.fd = vm->vp[0].rd[R3_VP_EXIT], .events = POLLIN},
		{.fd = vm->pidfd, .events = POLLIN},
	};
	const struct r3_config *c = vm->shared;
	int n;

	do {
		n = poll(pfd, 2, HANDSHAKE_MS);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return err_set(-ETIMEDOUT, "%s: ring3: no answer from the partition's process",
			       vm->name);
	if (!(pfd[0].revents & POLLIN) ||
	    __atomic_load_n(&c->stage, __ATOMIC_ACQUIRE) != R3_STAGE_READY)
		return handshake_error(vm);
	fd_drain(vm->vp[0].rd[R3_VP_EXIT]);
	return 0;
}

int r3_spawn(struct r3_vm *vm)
{
	struct plan pl = {.vm = vm, .drop_uid = may_drop_uid()};
	int rc, exec_fd = stub_memfd();

	if (exec_fd < 0)
		return exec_fd;
	snprintf(pl.argv0, sizeof(pl.argv0), "nethv-guest:%s", vm->name);
	plan_fds(&pl, vm, exec_fd);
	config_fill(vm);
	if (geteuid() == 0 && !pl.drop_uid)
		log_warn(vm->name, "CAP_KILL, CAP_SETUID or CAP_SETGID is missing: the guest's "
				   "process keeps our uid");
	vm->pid = fork();
	if (vm->pid == 0)
		child(&pl);
	rc = -errno;
	fd_close(&exec_fd);
	if (vm->pid < 0) {
		vm->pid = 0;
		return err_sys(rc, "%s: ring3: fork", vm->name);
	}
	vm->pidfd = (int)syscall(SYS_pidfd_open, vm->pid, 0);
	if (vm->pidfd < 0)
		return err_sys(-errno, "%s: ring3: pidfd_open (Linux 5.3 or later)", vm->name);
	return handshake(vm);
}
