/* SPDX-License-Identifier: BSD-3-Clause */
/* One thread sorts, two poll queues and sleep when there is nothing, the control thread moves a filter from queue to
 * queue, sets and clears another, and spreads a queue's frames over two or not (they have no hash, and stay). No
 * frame is lost uncounted, comes twice, or overtakes one of its own filter; what is sorted after a move is on the
 * new queue; nobody sleeps for ever.
 *
 * Then frames go one by one to pollers that sleep at once: each comes when its poller is about to.
 *
 * mbufs go back to the first thread through rings of the same kind: the pool's own are not instrumented. */
#include <poll.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "tests/support/eal.h"
#include "tests/support/prng.h"
#include "tests/support/sortbed.h"
#include "tests/tsan/tsan.h"
#include "vmq/ring.h"
#include "vswitch/priv.h"

#define QUEUES	 4u	      /* besides the default one; filter i leads to queue i, for ever */
#define POLLERS	 2u	      /* queues i and i + POLLERS each */
#define MOVES	 0u	      /* the stream whose filter moves */
#define COMES	 (QUEUES + 1) /* the one whose filter comes and goes */
#define STREAMS	 (QUEUES + 2)
#define SPREAD	 2u /* the queue that is spread */
#define DEPTH	 256u
#define BACK	 4096u
#define TURN	 48u
#define IDLE	 20u
#define LOST_MS	 30000 /* a wake-up that does not come in this time was lost */
#define SEQ_LAST UINT32_MAX

struct poller {
	uint16_t q[2];
	uint32_t next[STREAMS][2]; /* a frame of the stream is not before that one */
	bool is_last[2];
	uint64_t got, sleeps;
	struct vmq_ring back;
	struct vmq_pen pen;
	struct rte_mbuf *slot[BACK];
};

static struct sort_bed bed;
static const struct vmq_provider_ops *const ops = &vmq_software;
static struct poller poller[POLLERS];
static uint32_t total, nr_moving;    /* frames to send; of the stream that moves, sent */
static uint8_t *seen_on, *wanted_on; /* [total] of that stream: queue; 0: none, not known */
static uint32_t moves;		     /* odd: one is going on. Atomic */
static uint8_t moved_to;	     /* while it is even. Atomic */
static uint32_t has_ended;	     /* atomic */
static bool is_single;		     /* frames one by one, to those who sleep at once */

static struct vmq_filter filter_of(uint32_t stream)
{
	return sort_filter(2 | (uint64_t)stream << 40, VMQ_VLAN_ANY, 0);
}

/* ---- Those who poll ------------------------------------------------------------------------ */

static void look(struct poller *p, uint32_t i, const struct rte_mbuf *m)
{
	const uint32_t seq = sort_frame_seq(m);
	const uint8_t stream = rte_pktmbuf_mtod(m, const uint8_t *)[5];

	check(stream < STREAMS);
	if (seq == SEQ_LAST) {
		p->is_last[i] = true;
		return;
	}
	check(stream == MOVES || stream == COMES || stream == p->q[i]);
	check(seq >= p->next[stream][i]);
	p->next[stream][i] = seq + 1;
	if (stream == MOVES)
		check(__atomic_exchange_n(&seen_on[seq], (uint8_t)p->q[i], __ATOMIC_RELAXED) == 0);
}

static uint32_t turn(struct poller *p)
{
	struct rte_mbuf *m[64];
	uint32_t i, k, n, sum = 0;

	for (i = 0; i < 2; i++) {
		n = sort_rx(&bed, p->q[i], m, 64);
		for (k = 0; k < n; k++) {
			look(p, i, m[k]);
			check(vmq_ring_put(&p->pen, &p->back, m[k]));
		}
		sum += n;
	}
	if (sum)
		vmq_ring_show(&p->pen, &p->back);
	p->got += sum;
	return sum;
}

static void nap(struct poller *p, uint32_t id)
{
	struct pollfd fd[2];
	bool has_work = false;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		fd[i] = (struct pollfd){.fd = ops->event_fd(bed.pv, p->q[i]), .events = POLLIN};
		has_work = has_work || ops->arm(bed.pv, p->q[i]);
	}
	if (!has_work) {
		rte_rcu_qsbr_thread_offline(bed.sw->qsbr, id);
		check(poll(fd, 2, LOST_MS) > 0);
		rte_rcu_qsbr_thread_online(bed.sw->qsbr, id);
		p->sleeps++;
	}
	for (i = 0; i < 2; i++) {
		if (!has_work && fd[i].revents)
			fd_drain(fd[i].fd);
		ops->disarm(bed.pv, p->q[i]);
	}
}

static void *run_poller(void *arg)
{
	struct poller *p = arg;
	uint32_t id = 1 + (uint32_t)(p - poller), idle = 0;

	rte_rcu_qsbr_thread_online(bed.sw->qsbr, id);
	while (!p->is_last[0] || !p->is_last[1]) {
		rte_rcu_qsbr_quiescent(bed.sw->qsbr, id);
		idle = turn(p) ? 0 : idle + 1;
		if (idle > (is_single ? 0 : IDLE))
			nap(p, id);
	}
	rte_rcu_qsbr_thread_offline(bed.sw->qsbr, id);
	return NULL;
}

/* ---- The one that sorts -------------------------------------------------------------------- */

struct stock {
	struct rte_mbuf *m[BACK];
	uint32_t nr;
};

static void stock_fill(struct stock *s)
{
	uint32_t i;

	for (i = 0; i < POLLERS && s->nr + 64 <= BACK; i++)
		s->nr += vmq_ring_take(&poller[i].back, s->m + s->nr, 64);
}

static void send_one(struct stock *s, uint32_t stream, uint32_t seq)
{
	struct sort_frame f = {.mac = 2 | (uint64_t)stream << 40, .seq = seq};
	struct rte_mbuf *m;
	uint8_t *at;

	if (s->nr == 0)
		s->m[s->nr++] = sort_frame_make(&bed, &f);
	m = s->m[--s->nr];
	at = rte_pktmbuf_mtod(m, uint8_t *);
	at[5] = (uint8_t)stream;
	memcpy(at + m->data_len - sizeof(seq), &seq, sizeof(seq));
	check(rte_eth_tx_burst(bed.dev, 0, &m, 1) == 1);
}

static uint32_t sort(struct stock *s)
{
	struct rte_mbuf *m[64];
	uint32_t n = sort_rx(&bed, 0, m, 64), i;

	for (i = 0; i < n; i++) {
		check(s->nr < BACK);
		s->m[s->nr++] = m[i];
	}
	return n;
}

/* Sends and sorts some; of the moving stream it is noted where they had to go, if that was certain. */
static uint32_t send_some(struct stock *s, struct prng *p, uint32_t *seq, uint32_t *sent)
{
	uint32_t n = 1 + prng_below(p, TURN), first = seq[MOVES], i;
	uint32_t before = __atomic_load_n(&moves, __ATOMIC_SEQ_CST);
	uint8_t on = __atomic_load_n(&moved_to, __ATOMIC_SEQ_CST);

	for (i = 0; i < n; i++) {
		uint32_t stream = prng_below(p, STREAMS);

		send_one(s, stream, seq[stream]++);
	}
	*sent += n;
	n = sort(s);
	if (before % 2 == 0 && __atomic_load_n(&moves, __ATOMIC_SEQ_CST) == before)
		memset(wanted_on + first, on, seq[MOVES] - first);
	return n;
}

static uint64_t all_missed(void)
{
	uint64_t sum = 0;
	uint16_t q;

	for (q = 1; q <= QUEUES; q++)
		sum += ops->missed(bed.pv, q);
	return sum;
}

static uint64_t nr_back(void)
{
	return (uint64_t)__atomic_load_n(&poller[0].back.tail, __ATOMIC_RELAXED) +
	       __atomic_load_n(&poller[1].back.tail, __ATOMIC_RELAXED);
}

static void send_many(struct stock *s, struct prng *p, uint32_t *seq)
{
	uint32_t sent = 0, kept = 0;

	while (sent < total) {
		rte_rcu_qsbr_quiescent(bed.sw->qsbr, 0);
		stock_fill(s);
		kept += send_some(s, p, seq, &sent);
		if (prng_below(p, 16) == 0)
			usleep(prng_below(p, 100));
	}
	while (nr_back() + all_missed() + kept <
	       sent) { /* so that there is room for the last ones */
		rte_rcu_qsbr_quiescent(bed.sw->qsbr, 0);
		usleep(100);
		stock_fill(s);
	}
}

static void send_singly(struct stock *s, struct prng *p, uint32_t *seq)
{
	const uint64_t before = nr_back();
	uint32_t i, k;

	for (i = 1; i <= total / 10; i++) {
		uint32_t stream = 1 + prng_below(p, QUEUES);

		for (k = prng_below(p, 200); k; k--)
			rte_pause();
		send_one(s, stream, seq[stream]++);
		sort(s);
		while (nr_back() < before + i)
			rte_rcu_qsbr_quiescent(bed.sw->qsbr, 0);
		stock_fill(s);
	}
}

static void *run_sorter(void *arg)
{
	static struct stock s;
	static uint32_t seq[STREAMS];
	uint32_t i;

	rte_rcu_qsbr_thread_online(bed.sw->qsbr, 0);
	if (is_single)
		send_singly(&s, arg, seq);
	else
		send_many(&s, arg, seq);
	for (i = 1; i <= QUEUES; i++)
		send_one(&s, i, SEQ_LAST);
	sort(&s);
	rte_rcu_qsbr_thread_offline(bed.sw->qsbr, 0);
	nr_moving = seq[MOVES];
	rte_pktmbuf_free_bulk(s.m, s.nr);
	s.nr = 0;
	__atomic_store_n(&has_ended, true, __ATOMIC_RELEASE);
	return NULL;
}

/* ---- The control thread -------------------------------------------------------------------- */

static uint32_t change(struct prng *p)
{
	const struct vmq_filter f = filter_of(MOVES), g = filter_of(COMES);
	const uint16_t spread[] = {SPREAD, 1};
	uint16_t at = 1, to, on = 0;
	uint32_t n;

	for (n = 0; !__atomic_load_n(&has_ended, __ATOMIC_ACQUIRE); n++) {
		to = (uint16_t)(1 + prng_below(p, QUEUES));
		__atomic_store_n(&moves, 2 * n + 1, __ATOMIC_SEQ_CST);
		check(ops->filter_move(bed.pv, at, to, &f) == 0);
		__atomic_store_n(&moved_to, (uint8_t)to, __ATOMIC_SEQ_CST);
		__atomic_store_n(&moves, 2 * n + 2, __ATOMIC_SEQ_CST);
		at = to;
		if (on)
			check(ops->filter_clear(bed.pv, on, &g) == 0);
		on = on ? 0 : (uint16_t)(1 + prng_below(p, QUEUES));
		if (on)
			check(ops->filter_set(bed.pv, on, &g) == 0);
		check(ops->spread(bed.pv, SPREAD, spread, 1 + n % 2) == 0);
		usleep(prng_below(p, 500));
	}
	return n;
}

static void filters_set(void)
{
	struct vmq_filter f;
	uint16_t q;

	for (q = 1; q <= QUEUES; q++) {
		f = filter_of(q);
		check(ops->filter_set(bed.pv, q, &f) == 0);
	}
	f = filter_of(MOVES);
	check(ops->filter_set(bed.pv, 1, &f) == 0);
	moved_to = 1;
}

static void check_moved(void)
{
	uint32_t i, certain = 0, seen = 0;

	for (i = 0; i < nr_moving; i++) {
		seen += seen_on[i] != 0;
		if (!seen_on[i] || !wanted_on[i])
			continue;
		check(seen_on[i] == wanted_on[i]);
		certain++;
	}
	printf("%u frames of the moving filter, %u received, %u where they had to be\n", nr_moving,
	       seen, certain);
	check(certain > 0);
}

static void threads_run(struct prng *p, bool one_by_one)
{
	struct prng q = {.s = prng_next(p)};
	pthread_t t[1 + POLLERS];
	uint32_t i, n = 0;

	is_single = one_by_one;
	has_ended = false;
	for (i = 0; i < POLLERS; i++)
		poller[i].is_last[0] = poller[i].is_last[1] = false;
	t[0] = start(run_sorter, &q);
	for (i = 0; i < POLLERS; i++)
		t[1 + i] = start(run_poller, &poller[i]);
	if (!one_by_one)
		n = change(p);
	for (i = 0; i <= POLLERS; i++)
		check(pthread_join(t[i], NULL) == 0);
	printf("%u frames, %u changes, %llu lost in full rings, slept %llu and %llu times\n",
	       one_by_one ? total / 10 : total, n, (unsigned long long)all_missed(),
	       (unsigned long long)poller[0].sleeps, (unsigned long long)poller[1].sleeps);
	check(poller[0].sleeps + poller[1].sleeps > 0);
}

static void pollers_init(void)
{
	uint32_t i;

	for (i = 0; i < POLLERS; i++) {
		poller[i].q[0] = (uint16_t)(1 + i);
		poller[i].q[1] = (uint16_t)(1 + i + POLLERS);
		vmq_ring_init(&poller[i].back, &poller[i].pen, poller[i].slot, BACK, -1);
	}
	for (i = 0; i <= POLLERS; i++)
		rte_rcu_qsbr_thread_register(bed.sw->qsbr, i);
}

static void pollers_fini(void)
{
	struct rte_mbuf *m[64];
	uint32_t i;
	uint16_t n;

	for (i = 0; i <= POLLERS; i++)
		rte_rcu_qsbr_thread_unregister(bed.sw->qsbr, i);
	for (i = 0; i < POLLERS; i++) {
		while ((n = vmq_ring_take(&poller[i].back, m, 64)))
			rte_pktmbuf_free_bulk(m, n);
	}
}

int main(void)
{
	struct prng p;

	prng_init(&p);
	total = prng_steps(2000) * 100;
	seen_on = calloc(total, 1);
	wanted_on = calloc(total, 1);
	eal_up();
	sort_bed_up(&bed, 1 + QUEUES, DEPTH);
	filters_set();
	pollers_init();
	threads_run(&p, false);
	check_moved();
	threads_run(&p, true);
	pollers_fini();
	check(sort_bed_down(&bed));
	free(seen_on);
	free(wanted_on);
	return 0;
}
