/* SPDX-License-Identifier: BSD-3-Clause */
/* The /dev/kvm probe: a child process makes a VM whose only code is a few 64-bit instructions and
 * lets it run. A child, because a KVM that hangs can then be killed without a signal handler in the
 * caller's process. */
#include "hv/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUEST_BYTES 0x10000u
#define PML4	    0x1000u
#define PDPT	    0x2000u
#define PD	    0x3000u
#define CODE	    0x4000u
#define PORT	    0xe4
#define EXPECTED    0x2a002a00u /* 0x15001500 twice, added by SSE */
#define SETUP_MS    10000	/* as RUN_MS */
#define RUN_MS	    5000	/* enough where KVM itself runs on a busy, emulated processor */
#define EXITS_MAX   8
#define CPUID_MAX   256u

/* mov $0x15001500,%eax; movd %eax,%xmm1; paddd %xmm1,%xmm1; movd %xmm1,%eax; out %eax,$0xe4; hlt */
static const uint8_t code[] = {0xb8, 0x00, 0x15, 0x00, 0x15, 0x66, 0x0f, 0x6e, 0xc8, 0x66,
			       0x0f, 0xfe, 0xc9, 0x66, 0x0f, 0x7e, 0xc8, 0xe7, PORT, 0xf4};

/* What the child found, its exit status. */
enum found {
	FOUND_OK,
	FOUND_NO_VM,
	FOUND_NO_VCPU,
	FOUND_NO_STATE,
	FOUND_RUN_FAILED,
	FOUND_EMULATION, /* KVM_EXIT_INTERNAL_ERROR: it tried to emulate, and could not */
	FOUND_WRONG_EXIT,
	FOUND_WRONG_VALUE,
	FOUND_NR
};

static const char *const found_text[FOUND_NR] = {
	[FOUND_OK] = "runs 64-bit guests with SSE",
	[FOUND_NO_VM] = "/dev/kvm cannot create a VM",
	[FOUND_NO_VCPU] = "/dev/kvm cannot create a VP",
	[FOUND_NO_STATE] = "/dev/kvm refuses 64-bit mode",
	[FOUND_RUN_FAILED] = "/dev/kvm creates VMs but KVM_RUN fails",
	[FOUND_EMULATION] =
		"/dev/kvm creates VMs but emulates instructions instead of running them (no SSE)",
	[FOUND_WRONG_EXIT] = "/dev/kvm creates VMs but the guest does not get to its end",
	[FOUND_WRONG_VALUE] = "/dev/kvm creates VMs but an SSE instruction gives a wrong result",
};

static void tables_write(uint8_t *mem)
{
	uint64_t entry = PDPT | 3;

	memcpy(mem + PML4, &entry, sizeof(entry));
	entry = PD | 3;
	memcpy(mem + PDPT, &entry, sizeof(entry));
	entry = 0x83; /* 2 MiB at 0 */
	memcpy(mem + PD, &entry, sizeof(entry));
	memcpy(mem + CODE, code, sizeof(code));
}

static int state_set(int vcpu)
{
	struct kvm_segment cs = {
		.limit = ~0u, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
	struct kvm_segment ds = {
		.limit = ~0u, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
	struct kvm_regs regs = {.rip = CODE, .rsp = GUEST_BYTES, .rflags = 2};
	struct kvm_sregs s;

	if (ioctl(vcpu, KVM_GET_SREGS, &s) < 0)
		return -errno;
	s.cr3 = PML4;
	s.cr4 = 0x620; /* PAE, OSFXSR, OSXMMEXCPT */
	s.cr0 = 0x80050033;
	s.efer = 0x500; /* LME, LMA */
	s.cs = cs;
	s.ds = s.es = s.ss = s.fs = s.gs = ds;
	if (ioctl(vcpu, KVM_SET_SREGS, &s) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

static enum found guest_run(int vcpu, struct kvm_run *run)
{
	uint32_t value;
	int i;

	for (i = 0; i < EXITS_MAX; i++) {
		if (ioctl(vcpu, KVM_RUN, 0) < 0 && errno != EINTR && errno != EAGAIN)
			return FOUND_RUN_FAILED;
		if (run->exit_reason == KVM_EXIT_INTR)
			continue;
		if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
			return FOUND_EMULATION;
		if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT || run->io.size != 4)
			return FOUND_WRONG_EXIT;
		memcpy(&value, (uint8_t *)run + run->io.data_offset, sizeof(value));
		return value == EXPECTED ? FOUND_OK : FOUND_WRONG_VALUE;
	}
	return FOUND_WRONG_EXIT;
}

static void cpuid_set(int kvm, int vcpu)
{
	static _Alignas(struct kvm_cpuid2) uint8_t
		buf[sizeof(struct kvm_cpuid2) + CPUID_MAX * sizeof(struct kvm_cpuid_entry2)];
	struct kvm_cpuid2 *c = (struct kvm_cpuid2 *)buf;

	c->nent = CPUID_MAX;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, c) == 0)
		ioctl(vcpu, KVM_SET_CPUID2, c);
}

/* In the child. One byte in @ready_fd means that the guest runs from now on. */
static enum found probe_child(int kvm, int ready_fd)
{
	struct kvm_userspace_memory_region region = {.memory_size = GUEST_BYTES};
	struct kvm_run *run;
	int vm, vcpu, run_len;
	uint8_t *mem;

	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	run_len = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	mem = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vm < 0 || run_len < (int)sizeof(*run) || mem == MAP_FAILED)
		return FOUND_NO_VM;
	tables_write(mem);
	region.userspace_addr = (uintptr_t)mem;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return FOUND_NO_VM;
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return FOUND_NO_VCPU;
	run = mmap(NULL, (size_t)run_len, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		return FOUND_NO_VCPU;
	cpuid_set(kvm, vcpu);
	if (state_set(vcpu) < 0)
		return FOUND_NO_STATE;
	if (write(ready_fd, "r", 1) != 1)
		return FOUND_RUN_FAILED;
	return guest_run(vcpu, run);
}

/* Waits for the child's ready byte, then for its end, each with its limit. False: out of time. */
static bool child_wait(int ready_fd)
{
	struct pollfd pfd = {.fd = ready_fd, .events = POLLIN};
	char byte;

	if (poll(&pfd, 1, SETUP_MS) <= 0)
		return false;
	if (read(ready_fd, &byte, 1) <= 0)
		return true; /* closed: ended during set-up */
	return poll(&pfd, 1, RUN_MS) > 0;
}

static bool probe_in_child(int kvm, char *text, size_t size)
{
	int status = 0, ready[2];
	bool in_time;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0) {
		snprintf(text, size, "not probed (%s)", strerror(errno));
		return false;
	}
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		_exit(probe_child(kvm, ready[1]));
	}
	close(ready[1]);
	in_time = pid > 0 && child_wait(ready[0]);
	close(ready[0]);
	if (pid > 0) {
		if (!in_time)
			kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	if (pid < 0 || !in_time || !WIFEXITED(status) || WEXITSTATUS(status) >= FOUND_NR) {
		snprintf(text, size,
			 "/dev/kvm is there but a test guest did not end in time (%d s)",
			 RUN_MS / 1000);
		return false;
	}
	snprintf(text, size, "%s", found_text[WEXITSTATUS(status)]);
	return WEXITSTATUS(status) == FOUND_OK;
}

bool hv_probe_kvm(char *text, size_t size)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	bool ok;

	if (kvm < 0) {
		snprintf(text, size, "no use of /dev/kvm (%s)", strerror(errno));
		return false;
	}
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		snprintf(text, size, "/dev/kvm has another API version than %d", KVM_API_VERSION);
		ok = false;
	} else {
		ok = probe_in_child(kvm, text, size);
	}
	close(kvm);
	return ok;
}
