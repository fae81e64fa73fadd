/* SPDX-License-Identifier: BSD-3-Clause */
/* A poll lcore: its loop over receive queues, and its sleep. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <rte_pause.h>

#include "base/err.h"
#include "base/fd.h"
#include "vswitch/priv.h"

#define LEARN_PER_MS 256u
#define ASK_ALL_EACH 64u /* loops: also queues that are quiet */
#define PAGE	     4096u
#define LCORE_SIZE   RTE_ALIGN_CEIL(sizeof(struct vsw_lcore), PAGE)
#define OUT_SIZE     RTE_ALIGN_CEIL(sizeof(struct vsw_ext_out), PAGE)
#define OUT_MAP_SIZE (2 * OUT_SIZE + VSW_SCRATCH + 4 * PAGE)
#define SLEEP_POLLED_NS \
	200000 /* when a queue cannot wake us: TAPs without interrupts, monitored channels */
#define SLEEP_HELD_NS	 50000 /* while an extension holds packets, which it releases in poll() */
#define SLEEP_EVENTS_MAX 16
#define PARK_SPINS	 1000u /* some 20 us */
#define PARK_NAP_NS	 5000
#define WATCH_WAKE	 UINT64_MAX

int vsw_lcore_watch(struct vsw_lcore *lc, int fd, uint16_t port, uint16_t q)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = (uint64_t)port << 16 | q};
	int flags = fcntl(fd, F_GETFL);

	/* What cannot be drained must not stay ready: it tells of changes only. */
	if (flags >= 0 && !(flags & O_NONBLOCK))
		ev.events |= EPOLLET;
	if (epoll_ctl(lc->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_sys(-errno, "lcore %u: cannot wait for fd %d", lc->eal_id, fd);
	return 0;
}

void vsw_lcore_unwatch(struct vsw_lcore *lc, int fd)
{
	epoll_ctl(lc->epfd, EPOLL_CTL_DEL, fd, NULL); /* fails if the backend closed it: same end */
}

static int wake_fd_open(struct vsw_lcore *lc)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = WATCH_WAKE};

	lc->epfd = epoll_create1(EPOLL_CLOEXEC);
	lc->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (lc->epfd < 0 || lc->wake_fd < 0 ||
	    epoll_ctl(lc->epfd, EPOLL_CTL_ADD, lc->wake_fd, &ev) < 0)
		return err_sys(-errno, "lcore %u: cannot make its wake-up fd", lc->eal_id);
	return 0;
}

/* The lcore's memory twice: as we use it, and as extensions may see it. */
static int memory_map(struct vsw_lcore **out, unsigned int eal_id)
{
	int fd = memfd_create("lcore", MFD_CLOEXEC);
	struct vsw_lcore *lc = MAP_FAILED;
	char *ro = MAP_FAILED;
	unsigned int i;
	int rc;

	if (fd >= 0 && ftruncate(fd, LCORE_SIZE) == 0)
		lc = mmap(NULL, LCORE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (lc != MAP_FAILED)
		ro = mmap(NULL, LCORE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	rc = -errno;
	fd_close(&fd);
	if (ro == MAP_FAILED) {
		if (lc != MAP_FAILED)
			munmap(lc, LCORE_SIZE);
		return err_sys(rc, "lcore %u: its memory", eal_id);
	}
	lc->ro = ro - (char *)lc;
	for (i = 0; i < VSW_VEC_SIZE; i++)
		lc->ro_pkt[i] = &((struct vsw_lcore *)ro)->vec.slot[i].pkt;
	*out = lc;
	return 0;
}

/* What extensions write results into: pages without access around it, so that who writes too far is
 * stopped there. Captures get the second one, which takes no writes. Behind them lies the scratch
 * memory of what is injected. */
static int out_map(struct vsw_lcore *lc)
{
	char *at = mmap(NULL, OUT_MAP_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return err_sys(-errno, "lcore %u: its memory", lc->eal_id);
	lc->out = (struct vsw_ext_out *)(at + PAGE);
	lc->no_out = (const struct vsw_ext_out *)(at + 2 * PAGE + OUT_SIZE);
	if (mprotect(lc->out, OUT_SIZE, PROT_READ | PROT_WRITE) ||
	    mprotect((void *)lc->no_out, OUT_SIZE, PROT_READ))
		return err_sys(-errno, "lcore %u: its memory", lc->eal_id);
	lc->inj.scratch = (uint8_t *)(at + 2 * OUT_SIZE + 3 * PAGE);
	if (mprotect(lc->inj.scratch, VSW_SCRATCH, PROT_READ | PROT_WRITE))
		return err_sys(-errno, "lcore %u: its memory", lc->eal_id);
	return 0;
}

int vsw_lcore_create(struct vsw_lcore **out, struct vsw *sw, uint16_t index, unsigned int eal_id)
{
	struct vsw_lcore *lc = NULL;
	int rc = memory_map(&lc, eal_id);

	if (rc)
		return rc;
	lc->sw = sw;
	lc->is_out = true;
	lc->index = index;
	lc->eal_id = eal_id;
	lc->vec.lcore = index;
	lc->epfd = lc->wake_fd = -1;
	rc = wake_fd_open(lc);
	if (!rc)
		rc = out_map(lc);
	if (!rc)
		rc = vsw_guard_init(&lc->guard);
	lc->guard.owner = lc;
	if (rc) {
		vsw_lcore_destroy(lc);
		return rc;
	}
	*out = lc;
	return 0;
}

void vsw_lcore_destroy(struct vsw_lcore *lc)
{
	if (!lc)
		return;
	fd_close(&lc->epfd);
	fd_close(&lc->wake_fd);
	vsw_guard_fini(&lc->guard);
	vsw_hold_destroy(&lc->hold);
	if (lc->out)
		munmap((char *)lc->out - PAGE, OUT_MAP_SIZE);
	munmap((char *)lc + lc->ro, LCORE_SIZE);
	munmap(lc, LCORE_SIZE);
}

static uint16_t poll_queue(struct vsw_lcore *lc, const struct vsw_snap *sn,
			   const struct vsw_poll *po)
{
	const struct vsw_port *p = po->port;
	struct vsw_vec *v = &lc->vec;
	uint16_t n;

	v->n = 0;
	v->nr_sg = 0;
	v->lend = NULL;
	v->to = VSW_PORT_NONE;
	v->nr_passed = 0;
	v->has_direct = false;
	n = p->ops->rx(p->be, po->q, v);
	if (n == 0)
		return 0;
	v->n = n;
	vsw_pipeline_run(lc, sn, p);
	p->ops->rx_done(p->be, po->q, v);
	return n;
}

static __attribute__((noinline)) uint16_t poll_metered(struct vsw_lcore *lc,
						       const struct vsw_snap *sn,
						       const struct vsw_poll *po)
{
	struct vsw_queue_load *own = po->load, *l = own;
	const struct vsw_vec *v = &lc->vec;
	uint64_t from = rte_rdtsc();
	uint16_t n = poll_queue(lc, sn, po);

	if (n < VSW_VEC_SIZE)
		stat_add(&own->empties, 1);
	if (!n && !v->nr_passed)
		return 0;
	if (n && v->to != VSW_PORT_NONE)
		l = &po->port->load[v->as_q];
	stat_add(&l->tsc, rte_rdtsc() - from);
	stat_add(&l->packets, n);
	stat_add(&l->bursts, n != 0);
	lc->nr_passed += v->nr_passed;
	return n;
}

static __attribute__((noinline)) void reclaim(struct vsw_lcore *lc, const struct vsw_snap *sn)
{
	uint32_t i;

	lc->is_lent = false;
	for (i = 0; i < sn->nr_lenders; i++)
		lc->is_lent |= sn->lender[i]->ops->reclaim(sn->lender[i]->be, lc->index);
}

/* Most queues are empty most of the time: with 64 partitions asking each cost as much as switching. */
static inline bool is_quiet(const struct vsw_quiet *qt)
{
	return qt->now && __atomic_load_n(qt->now, __ATOMIC_RELAXED) ==
				  __atomic_load_n(qt->seen, __ATOMIC_RELAXED);
}

/* Coarse clocks, moved on without a division in each loop. */
static void clocks_advance(struct vsw_lcore *lc, uint64_t now)
{
	const struct vsw *sw = lc->sw;

	if (now >= lc->next_ms_tsc) {
		lc->next_ms_tsc = now + sw->tsc_hz / 1000;
		lc->learn_budget = LEARN_PER_MS;
	}
	if (now >= lc->next_s_tsc) {
		lc->now_s = (uint32_t)((now - sw->start_tsc) / sw->tsc_hz);
		lc->next_s_tsc = sw->start_tsc + (lc->now_s + 1ull) * sw->tsc_hz;
	}
}

uint32_t vsw_lcore_poll(struct vsw_lcore *lc, const struct vsw_snap *sn, uint64_t now_tsc)
{
	const struct vsw_poll *po = sn->poll + sn->lcore[lc->index].first;
	const bool asks_all = lc->stats.loops % ASK_ALL_EACH == 0 || lc->has_slept;
	uint32_t i, n = 0;

	lc->nr_passed = 0;
	lc->has_slept = false;
	lc->vec.now_tsc = now_tsc;
	lc->gen = vsw_fdb_gen(lc->sw->fdb);
	clocks_advance(lc, now_tsc);
	if (unlikely(sn->overlay != NULL) && lc->overlay_s != lc->now_s)
		vsw_stage_overlay_tick(lc, sn);
	for (i = 0; i < sn->lcore[lc->index].n; i++) {
		if (is_quiet(&po[i].quiet) && !asks_all)
			continue;
		n += likely(!po[i].load) ? poll_queue(lc, sn, &po[i])
					 : poll_metered(lc, sn, &po[i]);
	}
	if (unlikely(sn->ext.wants_poll))
		vsw_ext_poll(lc, sn);
	if (unlikely(sn->nr_lenders))
		reclaim(lc, sn);
	stat_add(&lc->stats.loops, 1);
	if (n | lc->nr_passed) {
		stat_add(&lc->stats.busy_loops, 1);
		stat_add(&lc->stats.packets, n);
	}
	return n + lc->nr_passed;
}

static const struct vsw_snap *snap_get(const struct vsw *sw)
{
	return __atomic_load_n(&sw->snap, __ATOMIC_ACQUIRE); /* pairs with snap_swap() */
}

static bool can_wake(const struct vsw_poll *po)
{
	return po->event_fd >= 0 && po->port->ops->arm;
}

static void disarm_all(struct vsw_lcore *lc, const struct vsw_snap *sn)
{
	const struct vsw_poll *po = sn->poll + sn->lcore[lc->index].first;
	uint32_t i;

	for (i = 0; i < sn->lcore[lc->index].n; i++) {
		if (can_wake(&po[i]) && po[i].port->ops->disarm)
			po[i].port->ops->disarm(po[i].port->be, po[i].q);
	}
}

static bool is_silent(const struct vsw_poll *po)
{
	const struct vsw_port_ops *ops = po->port->ops;

	return !can_wake(po) || (ops->is_silent && ops->is_silent(po->port->be, po->q));
}

/* Asks every queue to wake us. False: one has work already, nobody may sleep. *@ns is how long we may
 * sleep at most; -1: for ever. */
static bool arm_all(const struct vsw_lcore *lc, const struct vsw_snap *sn, int64_t *ns)
{
	const struct vsw_poll *po = sn->poll + sn->lcore[lc->index].first;
	uint32_t i;

	*ns = lc->hold.nr_held ? SLEEP_HELD_NS : -1;
	if (lc->is_lent && sn->nr_lenders)
		return false;
	for (i = 0; i < sn->lcore[lc->index].n; i++) {
		if (is_silent(&po[i]) && *ns < 0)
			*ns = SLEEP_POLLED_NS;
		if (can_wake(&po[i]) && po[i].port->ops->arm(po[i].port->be, po[i].q))
			return false;
	}
	return true;
}

static int wait_events(int epfd, struct epoll_event *ev, int64_t ns)
{
	struct timespec ts = {.tv_nsec = ns};
	int n = epoll_pwait2(epfd, ev, SLEEP_EVENTS_MAX, ns < 0 ? NULL : &ts, NULL);

	if (n < 0 && errno == ENOSYS) /* before Linux 5.11 */
		n = epoll_wait(epfd, ev, SLEEP_EVENTS_MAX, ns < 0 ? -1 : 1);
	return n;
}

/* The snapshot of before the sleep may be gone: drains what the present one still has. */
static void drain_one(const struct vsw_lcore *lc, const struct vsw_snap *sn, uint64_t tag)
{
	const struct vsw_poll *po = sn->poll + sn->lcore[lc->index].first;
	uint8_t buf[256];
	uint32_t i;

	for (i = 0; i < sn->lcore[lc->index].n; i++) {
		if (po[i].port->id != tag >> 16 || po[i].q != (tag & 0xFFFF) || !po[i].is_drained)
			continue;
		if (read(po[i].event_fd, buf, sizeof(buf)) < 0)
			return; /* nothing left, or an fd that cannot be read: polling empties it */
	}
}

void vsw_lcore_gap_begin(struct vsw_lcore *lc)
{
	__atomic_store_n(&lc->gap_max, 0, __ATOMIC_RELAXED);
}

uint64_t vsw_lcore_gap(const struct vsw_lcore *lc)
{
	/* In this order: whoever goes on adds to the longest before it is no longer parked. */
	uint64_t from = __atomic_load_n(&lc->parked_from, __ATOMIC_ACQUIRE);
	uint64_t max = __atomic_load_n(&lc->gap_max, __ATOMIC_RELAXED);
	uint64_t gap = from ? rte_rdtsc() - from : 0;

	return gap > max ? gap : max;
}

static void gap_end(struct vsw_lcore *lc, uint64_t tsc)
{
	if (tsc > __atomic_load_n(&lc->gap_max, __ATOMIC_RELAXED))
		__atomic_store_n(&lc->gap_max, tsc, __ATOMIC_RELAXED);
}

/* Does not spin for long: ctl may need this CPU to get on. */
static void wait_parked(const struct vsw_lcore *lc)
{
	const struct timespec nap = {0, PARK_NAP_NS};
	uint32_t i;

	for (i = 0; __atomic_load_n(&lc->sw->is_parking, __ATOMIC_SEQ_CST); i++)
		if (i < PARK_SPINS)
			rte_pause();
		else
			nanosleep(&nap, NULL);
}

/* Between two vectors, as long as ctl wants it so. See vsw_park(). */
static void come_in(struct vsw_lcore *lc)
{
	for (;;) {
		uint64_t from;

		__atomic_store_n(&lc->is_out, false, __ATOMIC_SEQ_CST);
		if (likely(!__atomic_load_n(&lc->sw->is_parking, __ATOMIC_SEQ_CST)))
			return;
		from = rte_rdtsc();
		__atomic_store_n(&lc->parked_from, from, __ATOMIC_RELAXED);
		__atomic_store_n(&lc->is_out, true, __ATOMIC_SEQ_CST);
		wait_parked(lc);
		gap_end(lc, rte_rdtsc() - from);
		__atomic_store_n(&lc->parked_from, 0, __ATOMIC_RELEASE);
	}
}

/* "Arm, re-check, sleep", once for all. A queue that gets work after its arm() found none makes its
 * event fd readable, so the wait ends at once. While we wait we are offline: ctl does not wait for
 * us, and the snapshot may be replaced and freed. So nothing of the old one is touched afterwards. */
static void sleep_until_event(struct vsw_lcore *lc, const struct vsw_snap *sn)
{
	struct epoll_event ev[SLEEP_EVENTS_MAX];
	int i, n = 0;
	int64_t ns;

	if (arm_all(lc, sn, &ns)) {
		rte_rcu_qsbr_thread_offline(lc->sw->qsbr, lc->index);
		__atomic_store_n(&lc->is_out, true, __ATOMIC_SEQ_CST);
		n = wait_events(lc->epfd, ev, ns);
		come_in(lc);
		rte_rcu_qsbr_thread_online(lc->sw->qsbr, lc->index);
		stat_add(&lc->stats.sleeps, 1);
		sn = snap_get(lc->sw);
	}
	for (i = 0; i < n; i++) {
		if (ev[i].data.u64 == WATCH_WAKE)
			fd_drain(lc->wake_fd);
		else
			drain_one(lc, sn, ev[i].data.u64);
	}
	disarm_all(lc, sn);
	lc->has_slept = true;
}

/* Takes the time from @from to now into the account that the loop belongs to. */
static uint64_t loop_account(struct vsw_lcore *lc, uint64_t from, uint32_t nr_packets)
{
	uint64_t now = rte_rdtsc();

	if (nr_packets) {
		stat_add(&lc->stats.tsc_busy, now - from);
		lc->busy_until_tsc = now;
	} else {
		stat_add(&lc->stats.tsc_idle, now - from);
	}
	gap_end(lc, now - from);
	return now;
}

/* The TAP driver learns of frames by a real-time signal to the process. A thread must take it, even
 * where the program blocks signals: best the one that polls. */
static void signals_unblock(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	for (sig = SIGRTMIN; sig <= SIGRTMAX; sig++)
		sigaddset(&set, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int vsw_lcore_main(void *arg)
{
	struct vsw_lcore *lc = arg;
	struct vsw *sw = lc->sw;
	uint64_t now = rte_rdtsc(), before;
	const struct vsw_snap *sn;

	signals_unblock();
	prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0); /* else short sleeps take 50 us longer */
	lc->busy_until_tsc = now;
	come_in(lc);
	rte_rcu_qsbr_thread_online(sw->qsbr, lc->index);
	while (!__atomic_load_n(&lc->should_stop, __ATOMIC_ACQUIRE)) {
		if (unlikely(__atomic_load_n(&sw->is_parking, __ATOMIC_RELAXED)))
			come_in(lc);
		rte_rcu_qsbr_quiescent(sw->qsbr, lc->index);
		sn = snap_get(sw);
		now = loop_account(lc, now, vsw_lcore_poll(lc, sn, now));
		if (now - lc->busy_until_tsc <= lc->idle_limit_tsc)
			continue;
		before = now;
		sleep_until_event(lc, sn);
		now = rte_rdtsc();
		stat_add(&lc->stats.tsc_asleep, now - before);
	}
	rte_rcu_qsbr_thread_offline(sw->qsbr, lc->index);
	__atomic_store_n(&lc->is_out, true, __ATOMIC_SEQ_CST);
	vsw_guard_attach(NULL);
	__atomic_store_n(&lc->has_ended, true, __ATOMIC_RELEASE);
	return 0;
}
