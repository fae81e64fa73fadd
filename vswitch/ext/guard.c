/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals and the watchdog. The handlers are the process's, so they are installed once and for all; whose
 * fault a signal tells of is found through the thread that it comes to. */
#include "vswitch/ext/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/err.h"

#define STACK_SIZE (256u * 1024) /* room for the reports of sanitizers, too */
#define STACK_ROOM (64u * 1024)	 /* for calls of the switch */
#define SAMPLE_NS  250000
#define GRACE_NS   200000
#define QUIET	   40 /* samples without a callback, then the watchdog sleeps */
#define DOZE_NS	   100000000

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, VSW_SIG_BUDGET};
#define NR_FAULTS (sizeof(faults) / sizeof(faults[0]))

static struct sigaction before[NR_FAULTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static __thread struct vsw_guard *mine;
static __thread stack_t stack_before; /* the thread's signal stack without us */
static __thread uintptr_t stack_low;

struct vsw_guard *vsw_guard_mine(void)
{
	return mine;
}

/* The callback is over, before anything else is done: a budget's signal that comes meanwhile finds nobody
 * inside. What sanitizers do before a jump takes long, and locks. */
static inline __attribute__((always_inline)) void over(struct vsw_guard *g)
{
	__atomic_store_n(&g->seq, g->seq + 1, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void vsw_guard_due(struct vsw_guard *g)
{
	over(g);
	siglongjmp(g->env, 1);
}

void vsw_guard_overflow(struct vsw_guard *g)
{
	if (g->depth)
		return;
	g->fault = (struct vsw_fault){
		.sig = SIGSEGV,
		.addr = (uintptr_t)__builtin_frame_address(0),
		.ip = (uintptr_t)__builtin_return_address(0),
	};
	over(g);
	siglongjmp(g->env, 1);
}

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void vsw_guard_push(struct vsw_guard *g, struct vsw_guard_kept *k)
{
	uint64_t spent = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - g->since_ns;

	memcpy(&k->env, &g->env, sizeof(k->env));
	k->ext = g->ext;
	k->callback = g->callback;
	k->depth = g->depth;
	k->budget_ns = g->budget_ns > spent ? g->budget_ns - spent : 0;
	__atomic_store_n(&g->seq, g->seq + 1, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	k->is_due = g->is_due; /* nothing changes it any more */
	k->fault = g->fault;
	if (k->budget_ns || k->is_due)
		return;
	/* Who calls on and on is never seen twice at the same place by the watchdog. */
	k->is_due = true;
	k->fault = (struct vsw_fault){.sig = VSW_SIG_BUDGET, .budget_ns = g->budget_ns};
}

void vsw_guard_pop(struct vsw_guard *g, const struct vsw_guard_kept *k, bool ends)
{
	memcpy(&g->env, &k->env, sizeof(g->env));
	g->ext = k->ext;
	g->callback = k->callback;
	g->depth = k->depth;
	g->is_due = k->is_due || ends;
	g->fault = k->fault;
	g->since_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	__atomic_store_n(&g->budget_ns, k->budget_ns, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&g->seq, g->seq + 1, __ATOMIC_RELEASE);
}

/* Nobody's callback: what would have happened without us. */
static void hand_on(int sig, siginfo_t *info, void *uc)
{
	struct sigaction *sa = NULL;
	size_t i;

	for (i = 0; i < NR_FAULTS; i++)
		if (faults[i] == sig)
			sa = &before[i];
	if (sa && (sa->sa_flags & SA_SIGINFO)) {
		sa->sa_sigaction(sig, info, uc);
		return;
	}
	if (sa && sa->sa_handler != SIG_DFL && sa->sa_handler != SIG_IGN) {
		sa->sa_handler(sig);
		return;
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

/* What a host takes of a virtual CPU, and interrupts, count as the thread's time, and are not the callback's
 * doing. Such a one returns soon after we have seen that it runs again; an endless one does not. */
static bool is_warned(struct vsw_guard *g)
{
	uint64_t now = cpu_ns(g->clock);

	if (g->warned_seq == g->seq)
		return now - g->warned_ns >= GRACE_NS;
	g->warned_seq = g->seq;
	g->warned_ns = now;
	return false;
}

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	const ucontext_t *u = uc;
	struct vsw_guard *g = mine;
	bool is_inside = g && (__atomic_load_n(&g->seq, __ATOMIC_RELAXED) & 1);

	if (sig == VSW_SIG_BUDGET) {
		if (!is_inside || info->si_code != SI_QUEUE ||
		    info->si_value.sival_int != (int)(uint32_t)g->seq)
			return; /* late: that callback has returned */
		if (!is_warned(g))
			return;
		g->fault = (struct vsw_fault){.sig = sig, .budget_ns = g->budget_ns};
		g->fault.ip = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
		if (g->depth) {
			g->is_due = true;
			return;
		}
		over(g);
		siglongjmp(g->env, 1);
	}
	if (!is_inside || g->depth) {
		hand_on(sig, info, uc);
		return;
	}
	over(g);
	g->fault = (struct vsw_fault){
		.sig = sig,
		.code = info->si_code,
		.addr = (uintptr_t)info->si_addr,
		.ip = (uintptr_t)u->uc_mcontext.gregs[REG_RIP],
	};
	siglongjmp(g->env, 1);
}

/* SA_NODEFER: after a jump out of the handler the signal must not stay blocked. */
static void install(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_RESTART,
	};
	size_t i;

	sigemptyset(&sa.sa_mask);
	for (i = 0; i < NR_FAULTS; i++)
		sigaction(faults[i], &sa, &before[i]);
}

int vsw_guard_init(struct vsw_guard *g)
{
	pthread_once(&once, install);
	memset(g, 0, sizeof(*g));
	g->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (g->stack != MAP_FAILED)
		return 0;
	g->stack = NULL;
	return err_sys(-errno, "extensions: a signal stack");
}

void vsw_guard_fini(struct vsw_guard *g)
{
	if (mine == g)
		vsw_guard_attach(NULL);
	if (g->stack)
		munmap(g->stack, STACK_SIZE);
	g->stack = NULL;
}

void vsw_guard_listen(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < NR_FAULTS; i++)
		sigaddset(&set, faults[i]);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Where the thread's stack ends, and some more. 0: not known. */
static uintptr_t stack_low_find(void)
{
	pthread_attr_t attr;
	void *at = NULL;
	size_t size = 0;

	if (pthread_getattr_np(pthread_self(), &attr))
		return 0;
	pthread_attr_getstack(&attr, &at, &size);
	pthread_attr_destroy(&attr);
	return (uintptr_t)at + STACK_ROOM;
}

void vsw_guard_attach(struct vsw_guard *g)
{
	stack_t st = {0};
	clockid_t clock;

	if (mine == g)
		return;
	if (mine)
		__atomic_store_n(&mine->is_attached, false, __ATOMIC_RELEASE);
	if (g) {
		st = (stack_t){.ss_sp = g->stack, .ss_size = STACK_SIZE};
		if (!stack_low)
			stack_low = stack_low_find();
		g->stack_low = stack_low;
		pthread_getcpuclockid(pthread_self(), &clock);
		__atomic_store_n(&g->thread, pthread_self(), __ATOMIC_RELAXED);
		__atomic_store_n(&g->clock, clock, __ATOMIC_RELAXED);
		__atomic_store_n(&g->is_attached, true, __ATOMIC_RELEASE);
		vsw_guard_listen();
	}
	sigaltstack(g ? &st : &stack_before, mine ? NULL : &stack_before);
	mine = g;
}

/* ---- The watchdog -------------------------------------------------------------------------- */

struct watched {
	struct vsw_guard *g;
	uint64_t seq;	/* odd, when last seen; else 0 */
	uint64_t since; /* the thread's CPU time then */
};

struct vsw_watchdog {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool should_stop;
	bool is_asleep; /* atomic */
	unsigned int n;
	struct watched w[];
};

/* Returns whether the guard's thread is inside a callback. */
static bool look(struct watched *w)
{
	struct vsw_guard *g = w->g;
	uint64_t seq = __atomic_load_n(&g->seq, __ATOMIC_ACQUIRE), now;
	union sigval v = {.sival_int = (int)(uint32_t)seq};

	if (!(seq & 1) || !__atomic_load_n(&g->is_attached, __ATOMIC_ACQUIRE)) {
		w->seq = 0;
		return false;
	}
	now = cpu_ns(__atomic_load_n(&g->clock, __ATOMIC_RELAXED));
	if (seq != w->seq) {
		w->seq = seq;
		w->since = now;
	} else if (now - w->since >= __atomic_load_n(&g->budget_ns, __ATOMIC_RELAXED)) {
		pthread_sigqueue(__atomic_load_n(&g->thread, __ATOMIC_RELAXED), VSW_SIG_BUDGET, v);
	}
	return true;
}

static bool look_at_all(struct vsw_watchdog *w)
{
	bool is_busy = false;
	unsigned int i;

	for (i = 0; i < w->n; i++)
		is_busy |= look(&w->w[i]);
	return is_busy;
}

/* Who asked just before saw us awake, and is in its callback soon: a fence on the lcores' side would cost
 * more than to look a while longer. */
static bool is_quiet(struct vsw_watchdog *w)
{
	const struct timespec nap = {0, SAMPLE_NS};
	unsigned int i;

	for (i = 0; i < QUIET && __atomic_load_n(&w->is_asleep, __ATOMIC_SEQ_CST); i++) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		if (look_at_all(w))
			return false;
	}
	return true;
}

/* Ends by itself, too: not even who was kept from its CPU all the while is lost. */
static void doze(struct vsw_watchdog *w)
{
	struct timespec until;

	__atomic_store_n(&w->is_asleep, true, __ATOMIC_SEQ_CST);
	if (!is_quiet(w)) {
		__atomic_store_n(&w->is_asleep, false, __ATOMIC_SEQ_CST);
		return;
	}

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += DOZE_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&w->lock);
	while (__atomic_load_n(&w->is_asleep, __ATOMIC_SEQ_CST) && !w->should_stop &&
	       pthread_cond_timedwait(&w->wake, &w->lock, &until) == 0)
		;
	__atomic_store_n(&w->is_asleep, false, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&w->lock);
}

static void *watch(void *arg)
{
	const struct timespec nap = {0, SAMPLE_NS};
	struct vsw_watchdog *w = arg;
	unsigned int quiet = 0;

	prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
	pthread_setname_np(pthread_self(), "ext-watchdog");
	while (!__atomic_load_n(&w->should_stop, __ATOMIC_ACQUIRE)) {
		quiet = look_at_all(w) ? 0 : quiet + 1;
		if (quiet > QUIET) {
			quiet = 0;
			doze(w);
		}
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	}
	return NULL;
}

int vsw_watchdog_start(struct vsw_watchdog **out, struct vsw_guard *const *guards, unsigned int n)
{
	struct vsw_watchdog *w = calloc(1, sizeof(*w) + n * sizeof(w->w[0]));
	pthread_condattr_t attr;
	sigset_t all, old;
	unsigned int i;
	int rc;

	if (!w)
		return err_set(-ENOMEM, "extensions: out of memory for the watchdog");
	w->n = n;
	for (i = 0; i < n; i++)
		w->w[i].g = guards[i];
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all); /* signals are for the other threads */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&w->thread, NULL, watch, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc) {
		free(w);
		return err_sys(rc, "extensions: the watchdog's thread");
	}
	*out = w;
	return 0;
}

void vsw_watchdog_stop(struct vsw_watchdog *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	__atomic_store_n(&w->should_stop, true, __ATOMIC_RELEASE);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* One load while it is awake. */
void vsw_watchdog_need(struct vsw_watchdog *w)
{
	if (!__atomic_load_n(&w->is_asleep, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&w->lock);
	__atomic_store_n(&w->is_asleep, false, __ATOMIC_SEQ_CST);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}
