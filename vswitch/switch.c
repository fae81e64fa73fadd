/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch as a whole: its life, publishing of snapshots, events from lcores to ctl. */
#include "vswitch/vswitch.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_ring_elem.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "vswitch/ext/priv.h"
#include "vswitch/mirror.h"
#include "vswitch/overlay/overlay.h"
#include "vswitch/priv.h"

#define FDB_SIZE_DEFAULT 65536u
#define FDB_SIZE_MAX	 (1u << 24)
#define AGEING_DEFAULT_S 300u
#define EVENTS_MAX	 4096u
#define SHARED_IDLE_US	 50u
#define ADAPTIVE_IDLE_US 1000u
#define NAP_NS		 20000

static int cfg_check(const struct vsw_cfg *cfg)
{
	unsigned int i;

	if (cfg->nr_lcores == 0 || cfg->nr_lcores > VSW_LCORES_MAX)
		return err_set(-EINVAL, "switch: %u poll lcores, want 1..%u", cfg->nr_lcores,
			       VSW_LCORES_MAX);
	for (i = 0; i < cfg->nr_lcores; i++) {
		if (cfg->lcore_id[i] >= RTE_MAX_LCORE)
			return err_set(-EINVAL, "switch: lcore %u, want 0..%u", cfg->lcore_id[i],
				       RTE_MAX_LCORE - 1);
	}
	if (cfg->fdb_size > FDB_SIZE_MAX)
		return err_set(-EINVAL, "switch: %u MAC addresses, want up to %u", cfg->fdb_size,
			       FDB_SIZE_MAX);
	return 0;
}

static int stats_create(struct vsw *sw)
{
	void *m = sw->cfg.stats;

	if (!m) {
		m = mmap(NULL, sizeof(*sw->stats), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (m == MAP_FAILED)
			return err_sys(-errno, "switch: memory for statistics");
		sw->owns_stats = true;
	}
	sw->stats = m;
	return vsw_stats_open(sw->stats);
}

static int events_create(struct vsw *sw)
{
	const struct itimerspec each_s = {{1, 0}, {1, 0}};
	struct epoll_event ev = {.events = EPOLLIN};
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "events_%p", (void *)sw);
	/* RTS: an lcore preempted in the middle of a post does not stall the others. */
	sw->events = rte_ring_create_elem(name, sizeof(struct vsw_event), EVENTS_MAX, SOCKET_ID_ANY,
					  RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ);
	if (!sw->events)
		return err_sys(-rte_errno, "switch: event queue");
	sw->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	sw->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	sw->events_epfd = epoll_create1(EPOLL_CLOEXEC);
	if (sw->event_fd < 0 || sw->timer_fd < 0 || sw->events_epfd < 0 ||
	    timerfd_settime(sw->timer_fd, 0, &each_s, NULL) < 0 ||
	    epoll_ctl(sw->events_epfd, EPOLL_CTL_ADD, sw->event_fd, &ev) < 0 ||
	    epoll_ctl(sw->events_epfd, EPOLL_CTL_ADD, sw->timer_fd, &ev) < 0)
		return err_sys(-errno, "switch: event fds");
	return 0;
}

static int qsbr_create(struct vsw *sw)
{
	size_t len = RTE_ALIGN_CEIL(rte_rcu_qsbr_get_memsize(sw->nr_lcores), RTE_CACHE_LINE_SIZE);

	sw->qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, len);
	if (!sw->qsbr || rte_rcu_qsbr_init(sw->qsbr, sw->nr_lcores))
		return err_set(-ENOMEM, "switch: out of memory");
	return 0;
}

static int lcores_create(struct vsw *sw)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < sw->nr_lcores && !rc; i++)
		rc = vsw_lcore_create(&sw->lcore[i], sw, (uint16_t)i, sw->cfg.lcore_id[i]);
	return rc;
}

static int parts_create(struct vsw *sw)
{
	int rc = stats_create(sw);

	if (!rc)
		rc = qsbr_create(sw);
	if (!rc)
		rc = vsw_fdb_create(&sw->fdb, sw->cfg.fdb_size, PORTS_REAL);
	if (!rc)
		rc = events_create(sw);
	if (!rc)
		rc = lcores_create(sw);
	if (!rc)
		rc = vsw_exts_create(sw);
	if (!rc)
		rc = vsw_snap_build(&sw->snap, sw);
	return rc;
}

int vsw_create(struct vsw **out, const struct vsw_cfg *cfg)
{
	struct vsw *sw;
	int rc = cfg_check(cfg);

	if (rc)
		return rc;
	sw = calloc(1, sizeof(*sw));
	if (!sw)
		return err_set(-ENOMEM, "switch: out of memory");
	sw->cfg = *cfg;
	sw->cfg.fdb_size = cfg->fdb_size ? cfg->fdb_size : FDB_SIZE_DEFAULT;
	sw->cfg.ageing_s = cfg->ageing_s ? cfg->ageing_s : AGEING_DEFAULT_S;
	sw->nr_lcores = cfg->nr_lcores;
	sw->mode = cfg->poll;
	sw->event_fd = sw->timer_fd = sw->events_epfd = -1;
	sw->start_tsc = rte_rdtsc();
	sw->tsc_hz = rte_get_tsc_hz();
	sw->ns_mult = (1000000000ull << 32) / sw->tsc_hz + 1; /* a second is no less */
	rc = parts_create(sw);
	if (rc) {
		vsw_destroy(sw);
		return rc;
	}
	*out = sw;
	return 0;
}

void vsw_destroy(struct vsw *sw)
{
	unsigned int i;

	if (!sw)
		return;
	vsw_stop(sw);
	vsw_exts_destroy(sw);
	for (i = 0; i < sw->nr_lcores; i++)
		vsw_lcore_destroy(sw->lcore[i]);
	vsw_snap_free(sw->snap);
	vsw_overlay_destroy(sw->overlay);
	free(sw->mirror);
	vsw_lend_destroy(sw);
	vsw_fdb_destroy(sw->fdb);
	rte_ring_free(sw->events);
	free(sw->qsbr);
	fd_close(&sw->events_epfd);
	fd_close(&sw->timer_fd);
	fd_close(&sw->event_fd);
	if (sw->owns_stats)
		munmap(sw->stats, sizeof(*sw->stats));
	free(sw);
}

/* CPUs that this process may use. The EAL pins threads, so no single one of them knows. */
static int cpus_usable(void)
{
	DIR *d = opendir("/proc/self/task");
	cpu_set_t all, one;
	struct dirent *e;

	CPU_ZERO(&all);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] != '.' && !sched_getaffinity(atoi(e->d_name), sizeof(one), &one))
			CPU_OR(&all, &all, &one);
	}
	if (d)
		closedir(d);
	return CPU_COUNT(&all);
}

/* Poll lcores, and at least two CPUs for those they serve: else they would take each other's time. */
static enum vsw_poll_mode mode_choose(const struct vsw *sw)
{
	if (sw->cfg.poll != VSW_POLL_AUTO)
		return sw->cfg.poll;
	return cpus_usable() < (int)sw->nr_lcores + 2 ? VSW_POLL_SHARED : VSW_POLL_ADAPTIVE;
}

static uint64_t idle_limit_tsc(const struct vsw *sw)
{
	switch (sw->mode) {
	case VSW_POLL_BUSY: return UINT64_MAX;
	case VSW_POLL_ADAPTIVE: return sw->tsc_hz / 1000000 * ADAPTIVE_IDLE_US;
	default: return sw->tsc_hz / 1000000 * SHARED_IDLE_US;
	}
}

static int lcore_launch(struct vsw *sw, struct vsw_lcore *lc)
{
	int rc;

	if (!rte_lcore_is_enabled(lc->eal_id) || lc->eal_id == rte_get_main_lcore())
		return err_set(-EINVAL, "switch: lcore %u cannot poll: it is %s", lc->eal_id,
			       lc->eal_id == rte_get_main_lcore() ? "the main lcore"
								  : "not enabled in the EAL");
	lc->idle_limit_tsc = idle_limit_tsc(sw);
	lc->should_stop = lc->has_ended = false;
	rte_rcu_qsbr_thread_register(sw->qsbr, lc->index);
	rc = rte_eal_remote_launch(vsw_lcore_main, lc, lc->eal_id);
	if (rc) {
		rte_rcu_qsbr_thread_unregister(sw->qsbr, lc->index);
		return err_sys(rc, "switch: lcore %u does other work", lc->eal_id);
	}
	return 0;
}

/* Naps while it waits, as rte_eal_wait_lcore() does not: the lcore may need this CPU to end. */
static void lcore_stop(struct vsw *sw, struct vsw_lcore *lc)
{
	const struct timespec nap = {0, NAP_NS};

	__atomic_store_n(&lc->should_stop, true, __ATOMIC_RELEASE);
	fd_kick(lc->wake_fd);
	while (!__atomic_load_n(&lc->has_ended, __ATOMIC_ACQUIRE))
		nanosleep(&nap, NULL);
	rte_eal_wait_lcore(lc->eal_id);
	rte_rcu_qsbr_thread_unregister(sw->qsbr, lc->index);
}

int vsw_start(struct vsw *sw)
{
	unsigned int i;
	int rc;

	if (sw->is_started)
		return 0;
	sw->mode = mode_choose(sw);
	for (i = 0; i < sw->nr_lcores; i++) {
		rc = lcore_launch(sw, sw->lcore[i]);
		if (rc)
			goto fail;
	}
	sw->is_started = true;
	return 0;
fail:
	while (i--)
		lcore_stop(sw, sw->lcore[i]);
	return rc;
}

void vsw_stop(struct vsw *sw)
{
	unsigned int i;

	for (i = 0; sw->is_started && i < sw->nr_lcores; i++)
		lcore_stop(sw, sw->lcore[i]);
	sw->is_started = false;
}

/* Does not spin for long: the lcore it waits for may need this CPU. */
void vsw_quiesce(struct vsw *sw)
{
	const struct timespec nap = {0, NAP_NS};
	uint64_t token;

	if (sw->is_parking)
		return; /* nobody is inside a vector, and they come back without a snapshot */
	token = rte_rcu_qsbr_start(sw->qsbr);
	while (rte_rcu_qsbr_check(sw->qsbr, token, false) == 0)
		nanosleep(&nap, NULL);
}

/* Release pairs with snap_get(): what led to this snapshot is seen with it. */
struct vsw_snap *vsw_snap_exchange(struct vsw *sw, struct vsw_snap *sn)
{
	struct vsw_snap *old = sw->snap;

	__atomic_store_n(&sw->snap, sn, __ATOMIC_RELEASE);
	return old;
}

void vsw_snap_retire(struct vsw *sw, struct vsw_snap *old)
{
	vsw_wake(sw);
	vsw_quiesce(sw);
	vsw_fdb_reclaim(sw->fdb);
	vsw_snap_free(old);
}

static void snap_swap(struct vsw *sw, struct vsw_snap *sn)
{
	vsw_direct_before(sw);
	vsw_snap_retire(sw, vsw_snap_exchange(sw, sn));
	vsw_direct_after(sw);
}

/* Each side writes its flag before it reads the other's: of an lcore that leaves its sleep and ctl that
 * parks, one sees the other. */
void vsw_park(struct vsw *sw)
{
	const struct timespec nap = {0, NAP_NS};
	unsigned int i;

	if (!sw->is_started)
		return;
	__atomic_store_n(&sw->is_parking, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < sw->nr_lcores; i++)
		while (!__atomic_load_n(&sw->lcore[i]->is_out, __ATOMIC_SEQ_CST))
			nanosleep(&nap, NULL);
}

void vsw_unpark(struct vsw *sw)
{
	__atomic_store_n(&sw->is_parking, false, __ATOMIC_SEQ_CST);
}

int vsw_publish(struct vsw *sw)
{
	struct vsw_snap *sn;
	int rc = vsw_snap_build(&sn, sw);

	if (!rc)
		snap_swap(sw, sn);
	return rc;
}

void vsw_republish(struct vsw *sw)
{
	const struct timespec nap = {0, 10000000};
	struct vsw_snap *sn;

	while (vsw_snap_build(&sn, sw)) {
		log_warn("switch",
			 "out of memory for a change that must not fail, waiting for some");
		nanosleep(&nap, NULL);
	}
	snap_swap(sw, sn);
}

void vsw_set_tap(struct vsw *sw, struct vsw_tap *tap)
{
	sw->tap = tap;
	vsw_republish(sw);
}

uint32_t vsw_now_s(const struct vsw *sw)
{
	return (uint32_t)((rte_rdtsc() - sw->start_tsc) / sw->tsc_hz);
}

/* One system call for many events: only who finds the flag clear kicks. The exchange pairs with the
 * one in events_take(): either ctl sees the event or the next poster sees the flag clear. */
bool vsw_event_put(struct vsw *sw, const struct vsw_event *e)
{
	if (rte_ring_enqueue_elem(sw->events, (void *)e, sizeof(*e)))
		return false;
	if (!__atomic_exchange_n(&sw->is_event_due, true, __ATOMIC_ACQ_REL))
		fd_kick(sw->event_fd);
	return true;
}

bool vsw_event_post(struct vsw *sw, vsw_event_fn fn, void *ctx, uint64_t arg)
{
	struct vsw_event e = {fn, ctx, arg};

	return vsw_event_put(sw, &e);
}

int vsw_event_fd(const struct vsw *sw)
{
	return sw->events_epfd;
}

static void events_take(struct vsw *sw)
{
	struct vsw_event e;
	unsigned int n;

	fd_drain(sw->event_fd);
	(void)__atomic_exchange_n(&sw->is_event_due, false, __ATOMIC_ACQ_REL);
	for (n = 0; n < EVENTS_MAX && !rte_ring_dequeue_elem(sw->events, &e, sizeof(e)); n++) {
		if (e.fn)
			e.fn(e.ctx, e.arg);
		else
			vsw_learn_apply(sw, &e);
	}
	if (n == EVENTS_MAX)
		fd_kick(sw->event_fd); /* others want the ctl thread, too: come again for the rest */
}

void vsw_event_process(struct vsw *sw)
{
	uint64_t ticks;

	events_take(sw);
	if (read(sw->timer_fd, &ticks, sizeof(ticks)) != (ssize_t)sizeof(ticks))
		return;
	vsw_learn_age(sw);
	vsw_exts_tick(sw);
	vsw_lend_tick(sw);
	for (unsigned int i = 0; i < VSW_SECONDS_MAX; i++)
		if (sw->second[i].fn)
			sw->second[i].fn(sw->second[i].ctx, 0);
}

void vsw_each_second(struct vsw *sw, vsw_event_fn fn, void *ctx)
{
	unsigned int i = 0;

	while (sw->second[i].fn) {
		i++;
		assert(i < VSW_SECONDS_MAX);
	}
	sw->second[i].fn = fn;
	sw->second[i].ctx = ctx;
}

void vsw_each_second_end(struct vsw *sw, void *ctx)
{
	for (unsigned int i = 0; i < VSW_SECONDS_MAX; i++)
		if (sw->second[i].fn && sw->second[i].ctx == ctx)
			sw->second[i].fn = NULL;
}

void vsw_on_vf_remove(struct vsw *sw, vsw_vf_remove_fn fn, void *ctx)
{
	sw->vf_remove_fn = fn;
	sw->vf_remove_ctx = ctx;
}

int vsw_set_mirrors(struct vsw *sw, const struct vsw_mirror_cfg *cfg, uint32_t nr)
{
	struct vsw_mirror *m = NULL, *old = sw->mirror;
	int rc = 0;

	if (nr) {
		m = calloc(1, sizeof(*m));
		rc = m ? vsw_mirror_init(m, cfg, nr) : err_set(-ENOMEM, "mirrors: out of memory");
	}
	if (!rc) {
		sw->mirror = m;
		rc = vsw_publish(sw);
	}
	if (rc) {
		sw->mirror = old;
		old = m;
	}
	free(old);
	return rc;
}

int vsw_set_overlay(struct vsw *sw, const struct vsw_overlay_cfg *cfg)
{
	struct vsw_overlay *ov = NULL, *old = sw->overlay;
	int rc = cfg ? vsw_overlay_create(&ov, cfg, sw->nr_lcores, old) : 0;

	if (!rc) {
		sw->overlay = ov;
		rc = vsw_publish(sw);
	}
	if (rc) {
		sw->overlay = old;
		vsw_overlay_destroy(ov);
		return rc;
	}
	if (ov && old)
		vsw_overlay_adopt(ov, old);
	vsw_overlay_destroy(old);
	return 0;
}

struct vsw_overlay *vsw_overlay_of(const struct vsw *sw)
{
	return sw->overlay;
}

void vsw_wake(struct vsw *sw)
{
	unsigned int i;

	for (i = 0; i < sw->nr_lcores; i++)
		fd_kick(sw->lcore[i]->wake_fd);
}

enum vsw_poll_mode vsw_poll_mode(const struct vsw *sw)
{
	return sw->mode;
}

unsigned int vsw_nr_lcores(const struct vsw *sw)
{
	return sw->nr_lcores;
}

unsigned int vsw_lcore_eal_id(const struct vsw *sw, unsigned int lcore)
{
	return sw->cfg.lcore_id[lcore];
}

void vsw_lcore_stats_get(const struct vsw *sw, unsigned int lcore, struct vsw_lcore_stats *out)
{
	const struct vsw_lcore_stats *s;

	memset(out, 0, sizeof(*out));
	if (lcore >= sw->nr_lcores)
		return;
	s = &sw->lcore[lcore]->stats;
	out->loops = stat_get(&s->loops);
	out->busy_loops = stat_get(&s->busy_loops);
	out->sleeps = stat_get(&s->sleeps);
	out->packets = stat_get(&s->packets);
	out->tsc_busy = stat_get(&s->tsc_busy);
	out->tsc_idle = stat_get(&s->tsc_idle);
	out->tsc_asleep = stat_get(&s->tsc_asleep);
}
