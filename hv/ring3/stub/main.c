/* SPDX-License-Identifier: BSD-3-Clause */
/* Start of the ring3 stub: maps the guest, makes a thread for each VP, gives up everything that is
 * not needed to run guest code, and enters it. After seccomp only five system calls are left. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "hv/ring3/stub/stub.h"
#include "hv/ring3/stub/sys.h"

#define ARCH_SET_GS	 0x1001
#define ARCH_SET_CPUID	 0x1012
#define SIG_KILL	 9
#define SIG_USR1	 10
#define SIG_USR2	 12
#define SIG_SETMASK_CMD	 2
#define F_SETFL_CMD	 4
#define F_SETSIG_CMD	 10
#define F_SETOWN_EX_CMD	 15
#define OWNER_TID	 0
#define FL_ASYNC	 (0x2000 | 0x800)		 /* O_ASYNC | O_NONBLOCK */
#define SA_FLAGS	 (0x4 | 0x08000000 | 0x04000000) /* SIGINFO | ONSTACK | RESTORER */
#define SIGNAL_STACK_OFF 4096u

struct ksigaction {
	void (*handler)(int, void *, uint8_t *);
	uint64_t flags;
	void (*restorer)(void);
	uint64_t mask;
};

static uint32_t nr_ready;

static void fail(enum r3_stage stage, long rc)
{
	struct r3_config *cfg = stub_config();

	cfg->error = (int32_t)-rc;
	__atomic_store_n(&cfg->stage, stage, __ATOMIC_RELEASE);
	for (;;)
		sys3(__NR_exit_group, 1, 0, 0);
}

static void check(long rc, enum r3_stage stage)
{
	if (rc < 0)
		fail(stage, rc);
}

static void regions_map(const struct r3_config *cfg)
{
	uint32_t i;

	for (i = 0; i < cfg->nr_regions; i++) {
		const struct r3_region *r = &cfg->region[i];

		check(sys6(__NR_mmap, r->gpa, r->len, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_SHARED | MAP_FIXED_NOREPLACE, R3_FD_MEM + i, 0),
		      R3_STAGE_MAP);
		sys3(__NR_madvise, r->gpa, r->len, MADV_HUGEPAGE);
	}
	check(sys6(__NR_mmap, R3_STACK_BASE, R3_STACK_SIZE * cfg->nr_vps, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1ull, 0),
	      R3_STAGE_STACKS);
}

static const uint8_t faults[] = {11, 7, 4, 8, 5}; /* SEGV, BUS, ILL, FPE, TRAP */

static void handlers_install(void)
{
	struct ksigaction sa = {stub_on_fault, SA_FLAGS, stub_restorer, ~0ull};
	unsigned int i;

	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		check(sys4(__NR_rt_sigaction, (uint64_t)faults[i], (uint64_t)&sa, 0, 8),
		      R3_STAGE_SIGNALS);
	sa.handler = stub_on_sint;
	check(sys4(__NR_rt_sigaction, SIG_USR1, (uint64_t)&sa, 0, 8), R3_STAGE_SIGNALS);
	sa.handler = stub_on_aux;
	check(sys4(__NR_rt_sigaction, SIG_USR2, (uint64_t)&sa, 0, 8), R3_STAGE_SIGNALS);
}

/* Everything blocked but faults and our two: the terminal's signals are not for a guest. */
static void signals_unblock(void)
{
	uint64_t mask = ~(1ull << (SIG_USR1 - 1) | 1ull << (SIG_USR2 - 1));
	unsigned int i;

	for (i = 0; i < sizeof(faults); i++)
		mask &= ~(1ull << (faults[i] - 1));
	check(sys4(__NR_rt_sigprocmask, SIG_SETMASK_CMD, (uint64_t)&mask, 0, 8), R3_STAGE_SIGNALS);
}

/* A classic signal below SIGRTMIN coalesces: no queue that could fill up. */
static void pipe_own(int fd, uint64_t sig)
{
	struct {
		int32_t type, pid;
	} owner = {OWNER_TID, (int32_t)sys3(__NR_gettid, 0, 0, 0)};

	check(sys3(__NR_fcntl, (uint64_t)fd, F_SETOWN_EX_CMD, (uint64_t)&owner), R3_STAGE_VP);
	check(sys3(__NR_fcntl, (uint64_t)fd, F_SETSIG_CMD, sig), R3_STAGE_VP);
	check(sys3(__NR_fcntl, (uint64_t)fd, F_SETFL_CMD, FL_ASYNC), R3_STAGE_VP);
}

static void vp_prepare(unsigned int i)
{
	const struct r3_config *cfg = stub_config();
	struct stub_vp *vp = stub_vp_of(i);
	struct {
		uint64_t sp;
		int32_t flags, reserved;
		uint64_t size;
	} ss = {(uint64_t)vp + SIGNAL_STACK_OFF, 0, 0, R3_STACK_SIZE - SIGNAL_STACK_OFF};

	vp->index = i;
	vp->sh = r3_vp_page((void *)R3_SHARED_BASE, i);
	check(sys3(__NR_sigaltstack, (uint64_t)&ss, 0, 0), R3_STAGE_VP);
	pipe_own(r3_vp_fd(i, R3_VP_SINT), SIG_USR1);
	pipe_own(r3_vp_fd(i, R3_VP_AUX), SIG_USR2);
	check(sys3(__NR_arch_prctl, ARCH_SET_GS, cfg->area_base + i * (uint64_t)NETHV_VP_AREA, 0),
	      R3_STAGE_VP);
	signals_unblock();
}

/* The worker's first byte in the resume pipe is the start. */
static void __attribute__((noreturn)) vp_enter(unsigned int i)
{
	const struct r3_config *cfg = stub_config();
	uint64_t area = cfg->area_base + i * (uint64_t)NETHV_VP_AREA;

	stub_read_byte(r3_vp_fd(i, R3_VP_RESUME));
	stub_enter(cfg->entry, cfg->boot_gpa, i, area + NETHV_VP_AREA);
}

static void vp_thread(unsigned int i)
{
	vp_prepare(i);
	__atomic_fetch_add(&nr_ready, 1, __ATOMIC_RELEASE);
	vp_enter(i);
}

static void threads_start(const struct r3_config *cfg)
{
	const uint64_t flags =
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	uint32_t i;

	/* The thread begins on its signal stack, and leaves it when it enters the guest. */
	for (i = 1; i < cfg->nr_vps; i++)
		check(stub_clone(flags, R3_STACK_BASE + (i + 1) * R3_STACK_SIZE, vp_thread, i),
		      R3_STAGE_THREAD);
	while (__atomic_load_n(&nr_ready, __ATOMIC_ACQUIRE) != cfg->nr_vps - 1)
		sys3(__NR_sched_yield, 0, 0, 0);
}

static void unmap(uint64_t from, uint64_t to)
{
	if (from < to)
		check(sys3(__NR_munmap, from, to - from, 0), R3_STAGE_UNMAP);
}

/* Everything but guest memory, stub, shared pages and signal stacks; vdso and stack go, too. */
static void unmap_rest(const struct r3_config *cfg)
{
	uint64_t shared_end = R3_SHARED_BASE + (cfg->nr_vps + 1) * (uint64_t)R3_PAGE;
	uint64_t at = 0x10000;
	uint32_t i;

	for (i = 0; i < cfg->nr_regions; i++) {
		unmap(at, cfg->region[i].gpa);
		at = cfg->region[i].gpa + cfg->region[i].len;
	}
	unmap(at, R3_STUB_BASE);
	unmap(R3_STUB_END, R3_SHARED_BASE);
	unmap(shared_end, R3_STACK_BASE);
	unmap(R3_STACK_BASE + cfg->nr_vps * R3_STACK_SIZE, R3_TASK_SIZE);
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ALLOW(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* Guest code can make these calls itself, with any argument. */
static const struct sock_filter filter[] = {
	LOAD(arch), /* int 0x80 comes with another architecture */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	LOAD(nr),		  /* x32 calls have bit 30 set: no number below matches */
	ALLOW(__NR_write),	  /* doorbells, exits */
	ALLOW(__NR_read),	  /* resume; draining interrupt pipes */
	ALLOW(__NR_rt_sigreturn), /* end of each handler */
	ALLOW(__NR_ppoll),	  /* hlt */
	ALLOW(__NR_exit_group),	  /* the end */
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

static void seccomp_enter(void)
{
	const struct sock_fprog prog = {sizeof(filter) / sizeof(filter[0]), (void *)filter};

	check(sys6(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0), R3_STAGE_SECCOMP);
	/* A positive result is a thread that could not be synchronised. */
	if (sys3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
		 (uint64_t)&prog) != 0)
		fail(R3_STAGE_SECCOMP, -1);
}

static void process_prepare(const struct r3_config *cfg)
{
	static const char comm[16] = "nethv-guest";

	sys6(__NR_prctl, PR_SET_PDEATHSIG, SIG_KILL, 0, 0, 0, 0);
	if (sys3(__NR_getppid, 0, 0, 0) != cfg->parent_pid)
		fail(R3_STAGE_PARENT, 0);
	sys6(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
	sys6(__NR_prctl, PR_SET_NAME, (uint64_t)comm, 0, 0, 0, 0);
}

void stub_main(const uint64_t *sp)
{
	struct r3_config *cfg = stub_config();
	uint64_t len = R3_PAGE; /* how many pages is in the first one */
	uint8_t byte = 1;

	if (sys6(__NR_mmap, R3_SHARED_BASE, len, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, R3_FD_SHARED, 0) < 0)
		for (;;)
			sys3(__NR_exit_group, 2, 0, 0);
	process_prepare(cfg);
	check(sys6(__NR_mmap, R3_SHARED_BASE + R3_PAGE, cfg->nr_vps * (uint64_t)R3_PAGE,
		   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, R3_FD_SHARED, R3_PAGE),
	      R3_STAGE_MAP);
	regions_map(cfg);
	sys3(__NR_close_range, 0, R3_FD_KEEP - 1, 0);
	/* Threads inherit it. Not everywhere available, and not needed: rt's hv_cpuid() reads a table. */
	if (cfg->want_cpuid_fault)
		cfg->has_cpuid_fault = sys3(__NR_arch_prctl, ARCH_SET_CPUID, 0, 0) == 0;
	handlers_install();
	vp_prepare(0);
	threads_start(cfg);
	unmap_rest(cfg);
	seccomp_enter();
	__atomic_store_n(&cfg->stage, R3_STAGE_READY, __ATOMIC_RELEASE);
	sys3(__NR_write, (uint64_t)r3_vp_fd(0, R3_VP_EXIT), (uint64_t)&byte, 1);
	vp_enter(0);
}
