/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring3 engine with a real guest: the self-test image of the runtime, and what it does when it
 * is asked to be hostile. Needs no root and no /dev/kvm. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/gmem.h"
#include "hv/hv.h"
#include "tests/support/hvhost.h"

extern const uint8_t rt_selftest_start[], rt_selftest_end[];

static int host_create(struct hvhost *h, const char *cmdline, unsigned int nr_vps,
		       unsigned int flags)
{
	return hvhost_create(h, (struct hv_cfg){.nr_vps = nr_vps,
						.engine = HV_ENGINE_RING3,
						.cmdline = cmdline,
						.flags = flags});
}

/* Runs the image to its end and checks that its process is gone after destroy. */
static void run(struct hvhost *h, const char *cmdline, unsigned int nr_vps, unsigned int flags)
{
	int pid;

	cr_assert_eq(host_create(h, cmdline, nr_vps, flags), 0, "%s", err_text());
	pid = hv_engine_pid(h->p);
	cr_assert_gt(pid, 1);
	cr_assert_eq(hv_partition_start(h->p), 0, "%s", err_text());
	cr_assert(hvhost_wait(h), "no end; console: %s", h->console);
	hv_partition_destroy(h->p);
	cr_assert_eq(kill(pid, 0), -1, "the stub process is still there");
	cr_assert_eq(errno, ESRCH);
}

#define ARGS "number=4K hex=0x1f bare"

static void run_all(unsigned int nr_vps, unsigned int flags)
{
	static struct hvhost h;

	run(&h, ARGS, nr_vps, flags);
	cr_assert_eq(h.reason, HV_STOP_GUEST_EXIT, "%s", h.text);
	cr_assert_eq(h.status, 0, "%s; console: %s", h.text, h.console);
	cr_assert(strstr(h.console, "selftest: vps ok"), "%s", h.console);
	cr_assert_eq(h.nr_siefp, nr_vps);
}

Test(hv_ring3, runs_the_self_test_image_on_one_vp)
{
	run_all(1, 0);
}

Test(hv_ring3, runs_the_self_test_image_on_four_vps)
{
	run_all(4, 0);
}

Test(hv_ring3, needs_no_cpuid_faulting)
{
	run_all(2, HV_CFG_NO_CPUID_FAULT);
}

/* --- hostile guests ---------------------------------------------------------------------------- */

static struct hvhost hh;

static void expect_crash(const char *cmdline, enum hv_stop_reason reason, const char *words)
{
	run(&hh, cmdline, 2, 0);
	cr_assert_eq(hh.reason, reason, "%s", hh.text);
	cr_assert(strstr(hh.text, words), "%s", hh.text);
}

Test(hv_ring3, forbidden_system_call_ends_the_partition_only)
{
	expect_crash("test=syscall", HV_STOP_ENGINE, "seccomp");
}

Test(hv_ring3, thirty_two_bit_system_call_ends_the_partition)
{
	run(&hh, "test=int80", 2, 0);
	if (hh.reason == HV_STOP_GUEST_CRASH) /* a host kernel without IA32 emulation */
		cr_assert(strstr(hh.text, "general protection"), "%s", hh.text);
	else
		cr_assert(strstr(hh.text, "seccomp"), "%s", hh.text);
}

Test(hv_ring3, exit_group_by_the_guest_is_seen)
{
	expect_crash("test=group", HV_STOP_ENGINE, "exit_group(3)");
}

Test(hv_ring3, jump_to_nowhere_is_a_crash_with_rip)
{
	expect_crash("test=jump", HV_STOP_GUEST_CRASH, "RIP 0x123456789000");
}

Test(hv_ring3, unknown_instruction_is_a_crash_with_its_bytes)
{
	expect_crash("test=ud2", HV_STOP_GUEST_CRASH, "bytes 0f 0b");
}

Test(hv_ring3, interrupt_without_a_stack_is_a_crash)
{
	expect_crash("test=stack", HV_STOP_GUEST_CRASH, "stack segment");
}

Test(hv_ring3, unknown_msr_is_a_crash_that_names_it)
{
	expect_crash("test=msr", HV_STOP_GUEST_CRASH, "WRMSR 0x40000199: no such register");
}

Test(hv_ring3, message_page_outside_memory_is_refused)
{
	expect_crash("test=simp", HV_STOP_GUEST_CRASH, "WRMSR 0x40000083: value");
}

Test(hv_ring3, guest_that_writes_to_every_fd_hurts_itself_at_most)
{
	run(&hh, "test=fds", 2, 0);
	cr_assert_eq(hh.reason, HV_STOP_GUEST_EXIT, "%s", hh.text);
	cr_assert(strstr(hh.console, "fds done"));
}

Test(hv_ring3, bad_hypercall_input_gets_its_status)
{
	run(&hh, "test=input", 1, 0);
	cr_assert_eq(hh.status, 0, "%s; %s", hh.text, hh.console);
	cr_assert(strstr(hh.console, "bad input done"));
}

Test(hv_ring3, panic_reaches_the_report_and_the_exit_status)
{
	struct nethv_report r;

	cr_assert_eq(host_create(&hh, "test=panic", 1, 0), 0, "%s", err_text());
	cr_assert_eq(hv_report_read(hh.p, &r), -ENODATA);
	cr_assert_eq(hv_partition_start(hh.p), 0);
	cr_assert(hvhost_wait(&hh));
	cr_assert_eq(hv_report_read(hh.p, &r), 0);
	cr_assert_eq(hh.status, 1);
	cr_assert_eq(r.state, NETHV_STATE_FAILED);
	cr_assert_str_eq(r.message, "as asked, 42");
	hv_partition_destroy(hh.p);
}

/* --- life and death of the process -------------------------------------------------------------- */

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

Test(hv_ring3, stop_ends_a_guest_that_spins_and_leaks_no_fd)
{
	int i, fds = 0;

	for (i = 0; i < 4; i++) {
		cr_assert_eq(host_create(&hh, "test=spin", 3, 0), 0, "%s", err_text());
		if (i != 3) /* the last one is destroyed without a start */
			cr_assert_eq(hv_partition_start(hh.p), 0);
		hv_partition_stop(hh.p);
		hv_partition_stop(hh.p);
		hv_partition_destroy(hh.p);
		cr_assert_not(hh.has_stopped, "no upcall for a stop that we asked for");
		if (i == 0)
			fds = open_fds();
		cr_assert_eq(open_fds(), fds);
	}
}

Test(hv_ring3, death_of_the_stub_is_reported)
{
	cr_assert_eq(host_create(&hh, "test=spin", 2, 0), 0, "%s", err_text());
	cr_assert_eq(hv_partition_start(hh.p), 0);
	kill(hv_engine_pid(hh.p), SIGKILL);
	cr_assert(hvhost_wait(&hh));
	cr_assert_eq(hh.reason, HV_STOP_ENGINE);
	cr_assert(strstr(hh.text, "signal 9"), "%s", hh.text);
	hv_partition_destroy(hh.p);
}

static bool is_gone(int pid)
{
	int i;

	for (i = 0; i < 500; i++) {
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return true;
		usleep(10000);
	}
	return false;
}

Test(hv_ring3, kill_minus_nine_of_the_host_leaves_no_stub)
{
	int stub = 0, fd[2], pid;

	cr_assert_eq(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		if (host_create(&hh, "test=spin", 2, 0) || hv_partition_start(hh.p))
			_exit(1);
		stub = hv_engine_pid(hh.p);
		if (write(fd[1], &stub, sizeof(stub)) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	cr_assert_eq(read(fd[0], &stub, sizeof(stub)), sizeof(stub));
	cr_assert_eq(kill(stub, 0), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cr_assert(is_gone(stub));
}

Test(hv_ring3, two_partitions_live_side_by_side)
{
	static struct hvhost other;

	cr_assert_eq(host_create(&other, "test=spin", 1, 0), 0);
	cr_assert_eq(hv_partition_start(other.p), 0);
	run(&hh, "test=syscall", 1, 0);
	cr_assert_not(other.has_stopped);
	cr_assert_eq(kill(hv_engine_pid(other.p), 0), 0);
	hv_partition_destroy(other.p);
}

/* --- the polled path ---------------------------------------------------------------------------- */

static uint64_t report_value(struct hv_partition *p, const char *name)
{
	struct nethv_report r;
	uint32_t i;

	if (hv_report_read(p, &r))
		return 0;
	for (i = 0; i < r.nr; i++) {
		if (!strcmp(r.entry[i].name, name))
			return r.entry[i].value;
	}
	return 0;
}

static void wait_phase(struct hv_partition *p, uint64_t phase)
{
	int i;

	for (i = 0; i < 60000 && report_value(p, "phase") < phase; i++)
		usleep(1000);
	cr_assert_geq(report_value(p, "phase"), phase);
}

/* Between two phases the guest computes only; hv_request_stop() ends its sleep afterwards. */
Test(hv_ring3, computing_guest_takes_no_trap_and_no_signal)
{
	struct hv_vp_stats before, after;

	cr_assert_eq(host_create(&hh, "test=quiet", 1, 0), 0);
	cr_assert_eq(hv_partition_start(hh.p), 0);
	wait_phase(hh.p, 1);
	hv_vp_stats(hh.p, 0, &before);
	do {
		hv_vp_stats(hh.p, 0, &after);
	} while (report_value(hh.p, "phase") < 2);
	cr_assert_eq(after.traps, before.traps);
	cr_assert_eq(after.irq_signals, before.irq_signals);
	hv_request_stop(hh.p);
	cr_assert(hvhost_wait(&hh));
	cr_assert_eq(hh.status, 0);
	hv_partition_destroy(hh.p);
}

Test(hv_ring3, sint_fd_wakes_a_sleeping_guest)
{
	struct hv_vp_stats before, after;
	uint64_t one = 1;
	int i, fd;

	cr_assert_eq(host_create(&hh, "test=quiet", 1, 0), 0);
	fd = hv_sint_fd(hh.p, 0, HV_SINT_VMBUS);
	cr_assert_geq(fd, 0);
	cr_assert_eq(hv_sint_fd(hh.p, 0, 3), -EOPNOTSUPP);
	cr_assert_eq(hv_sint_fd(hh.p, 1, 2), -EINVAL);
	cr_assert_eq(hv_partition_start(hh.p), 0);
	wait_phase(hh.p, 2);
	usleep(10000);
	hv_vp_stats(hh.p, 0, &before);
	cr_assert_eq(write(fd, &one, 8), 8);
	for (i = 0; i < 10000; i++) {
		hv_vp_stats(hh.p, 0, &after);
		if (after.injected > before.injected)
			break;
		usleep(1000);
	}
	cr_assert_eq(after.injected, before.injected + 1);
	hv_partition_destroy(hh.p);
}

/* As the switch does it: OR the flag into the page, write the fd if it was clear. */
static void ping(int fd, unsigned int i)
{
	uint8_t *area = gmem_page(hv_gmem(hh.p), hv_siefp(hh.p, 0) >> 12);
	uint8_t *byte = area + HV_SINT_VMBUS * HV_EVENT_AREA_BYTES + i % 64 / 8;
	uint8_t bit = (uint8_t)(1u << (i % 8));
	uint64_t one = 1;

	if (!(__atomic_fetch_or(byte, bit, __ATOMIC_SEQ_CST) & bit))
		cr_assert_eq(write(fd, &one, 8), 8);
}

/* PINGS=: fewer, for a software CPU. */
Test(hv_ring3, no_wake_up_is_lost_between_check_and_sleep)
{
	const char *wanted = getenv("PINGS");
	unsigned int i, tries, n = wanted ? (unsigned int)atoi(wanted) : 20000;
	int fd;

	cr_assert_gt(n, 0);
	cr_assert_eq(host_create(&hh, "test=pings", 1, 0), 0);
	fd = hv_sint_fd(hh.p, 0, HV_SINT_VMBUS);
	cr_assert_eq(hv_partition_start(hh.p), 0);
	for (tries = 0; tries < 10000 && !hh.nr_siefp; tries++)
		usleep(1000);
	for (i = 0; i < n; i++) {
		ping(fd, i);
		for (tries = 0; tries < 100000 && report_value(hh.p, "pings") != i + 1; tries++)
			tries > 1000 ? usleep(100) : sched_yield();
		cr_assert_eq(report_value(hh.p, "pings"), i + 1, "lost at %u", i);
	}
	hv_request_stop(hh.p);
	cr_assert(hvhost_wait(&hh));
	hv_partition_destroy(hh.p);
}

Test(hv_ring3, doorbell_counts_signals_that_never_reach_the_worker)
{
	struct hv_vp_stats st;
	uint64_t n = 0;

	cr_assert_eq(host_create(&hh, "test=doorbells", 1, 0), 0);
	cr_assert_eq(hv_partition_start(hh.p), 0);
	cr_assert(hvhost_wait(&hh));
	cr_assert_eq(read(hv_doorbell_fd(hh.p, 3), &n, sizeof(n)), 8);
	cr_assert_eq(n, 1000);
	cr_assert_eq(read(hv_doorbell_fd(hh.p, 4), &n, sizeof(n)), 8);
	cr_assert_eq(n, 1);
	hv_vp_stats(hh.p, 0, &st);
	cr_assert_eq(st.signals_trapped, 3, "two to wrong connections, and one with a flag");
	cr_assert_eq(hv_doorbell_fd(hh.p, 0), -EINVAL);
	cr_assert_eq(hv_doorbell_fd(hh.p, HV_DOORBELLS_DEF + 1), -EINVAL);
	hv_partition_destroy(hh.p);
}

/* --- what is refused ----------------------------------------------------------------------------- */

static const struct hv_partition_ops no_ops;

static void refused(struct hv_cfg cfg, int code, const char *words)
{
	struct hv_partition *p = NULL;

	cr_assert_eq(hv_partition_create(&p, &cfg, &no_ops, NULL), code, "%s", err_text());
	cr_assert_null(p);
	cr_assert(strstr(err_text(), words), "%s", err_text());
}

Test(hv_ring3, configuration_mistakes_get_a_clear_line)
{
	const struct hv_cfg good = {
		.name = "x",
		.nr_vps = 1,
		.mem_bytes = 8 << 20,
		.numa_node = -1,
		.engine = HV_ENGINE_RING3,
		.image = rt_selftest_start,
		.image_len = 4096,
		.flags = HV_CFG_NO_HUGE,
	};
	struct hv_cfg c = good;
	char longline[NETHV_CMDLINE_MAX + 2];

	/* Should the check for memory ever be lost, this ends the attempt, not the OOM killer. */
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 30, 1 << 30}), 0);
	refused(good, -ENOEXEC, "image: truncated: segment");
	c.nr_vps = 65;
	refused(c, -EINVAL, "want 1..64");
	c = good, c.mem_bytes = 5 << 20;
	refused(c, -EINVAL, "multiple of 2 MiB");
	c = good, c.mem_bytes = 1ull << 39;
	refused(c, -ENOMEM, "give the partition less");
	c = good, c.image = NULL;
	refused(c, -EINVAL, "no image");
	c = good, c.image_path = "/nonexistent/image";
	refused(c, -ENOENT, "/nonexistent/image");
	c = good, c.numa_node = 900;
	refused(c, -EINVAL, "NUMA node 900");
	memset(longline, 'a', sizeof(longline));
	longline[sizeof(longline) - 1] = '\0';
	c = good, c.cmdline = longline;
	refused(c, -EINVAL, "want at most 1024");
}

Test(hv_ring3, auto_engine_says_what_it_found)
{
	struct hv_engine_report r, k;
	bool has_kvm = hv_engine_probe(HV_ENGINE_KVM, &k) == 0;

	cr_assert_eq(k.kind, HV_ENGINE_KVM);
	cr_assert(has_kvm || strstr(err_text(), "use engine ring3"), "%s", err_text());
	cr_assert_eq(hv_engine_probe(HV_ENGINE_AUTO, &r), 0);
	cr_assert_eq(r.kind, has_kvm ? HV_ENGINE_KVM : HV_ENGINE_RING3);
	cr_assert(strstr(r.text, "kvm: "), "%s", r.text);
	cr_assert(has_kvm || strstr(r.text, "using ring3"), "%s", r.text);
	fprintf(stderr, "# %s\n", r.text);
}

Test(hv_ring3, kernel_is_refused_by_name)
{
	struct hv_partition *p = NULL;
	const struct hv_cfg cfg = {.name = "x",
				   .nr_vps = 1,
				   .mem_bytes = 64 << 20,
				   .numa_node = -1,
				   .engine = HV_ENGINE_RING3,
				   .kernel_path = "/boot/vmlinuz"};

	cr_assert_eq(hv_partition_create(&p, &cfg, &no_ops, NULL), -ENOTSUP);
	cr_assert(strstr(err_text(), "a kernel needs the engine kvm"), "%s", err_text());
}
