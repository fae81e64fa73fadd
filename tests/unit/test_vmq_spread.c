/* SPDX-License-Identifier: BSD-3-Clause */
/* Several queues of one adapter, sorted in software: what is a flow, that it stays on one queue and in order, and that
 * nothing is lost while they change. With ports and lcores: test_vmq_ports.c. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/sortbed.h"
#include "vmq/queue.h"
#include "vmq/spread.h"
#include "vswitch/priv.h"

TestSuite(vmq_spread, .init = eal_up);

#define MAC_A 0x0a0000000002ull
#define MAC_B 0x0b0000000002ull
#define TCP   6
#define UDP   17
#define LEN   128

static struct sort_bed bed;
static const struct vmq_provider_ops *const ops = &vmq_software;
static const uint16_t qs[] = {1, 2, 3};

/* A leads to queue 1, B to queue 4. */
static void up(void)
{
	const struct vmq_filter a = sort_filter(MAC_A, VMQ_VLAN_ANY, 0),
				b = sort_filter(MAC_B, VMQ_VLAN_ANY, 0);

	sort_bed_up(&bed, 5, 256);
	cr_assert_eq(ops->filter_set(bed.pv, 1, &a), 0);
	cr_assert_eq(ops->filter_set(bed.pv, 4, &b), 0);
}

static void down(void)
{
	cr_assert(sort_bed_down(&bed), "mbufs are missing");
}

static void spread(uint16_t n)
{
	cr_assert_eq(ops->spread(bed.pv, 1, qs, n), 0, "%s", err_text());
}

static struct sort_frame frame(uint8_t version, uint8_t proto)
{
	return (struct sort_frame){.mac = MAC_A,
				   .len = LEN,
				   .flow = {.version = version,
					    .proto = proto,
					    .src = 0x0a000001,
					    .dst = 0x0a000002,
					    .ports = {1000, 2000}}};
}

/* Number @i of flows that differ as those of one server do: neighbours by port and address. */
static struct sort_frame nth(uint32_t i)
{
	struct sort_frame f = frame(i % 4 ? 4 : 6, i % 2 ? TCP : UDP);

	f.flow.src += i / 64;
	f.flow.ports[0] = (uint16_t)(f.flow.ports[0] + i % 64);
	return f;
}

static uint64_t hash(const struct sort_frame *f)
{
	struct rte_mbuf *m = sort_frame_make(&bed, f);
	uint64_t h = vmq_spread_hash(m);

	rte_pktmbuf_free(m);
	return h;
}

static uint16_t take(uint16_t q, uint32_t *seq)
{
	struct rte_mbuf *m[VSW_VEC_SIZE];
	uint16_t n = sort_rx(&bed, q, m, VSW_VEC_SIZE), i;

	for (i = 0; seq && i < n; i++)
		seq[i] = sort_frame_seq(m[i]);
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

/* The one queue of 0 .. 4 that has got @n frames since, and nothing else has any. */
static uint16_t where(uint16_t n)
{
	uint16_t q, got, at = UINT16_MAX;

	for (q = 0; q < 5; q++) {
		got = take(q, NULL);
		if (!got)
			continue;
		cr_assert_eq(at, UINT16_MAX, "on %u and on %u", at, q);
		cr_assert_eq(got, n);
		at = q;
	}
	return at;
}

static uint16_t where_goes(const struct sort_frame *f)
{
	sort_send(&bed, f);
	return where(1);
}

/* ---- What is a flow ------------------------------------------------------------------------- */

Test(vmq_spread, a_flow_has_one_hash_in_every_form_of_its_frames)
{
	static const struct {
		uint8_t version, proto;
	} rows[] = {{4, TCP}, {4, UDP}, {4, 1}, {6, TCP}, {6, UDP}, {6, 58}};

	up();
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sort_frame f = frame(rows[i].version, rows[i].proto);
		uint64_t want = hash(&f);

		cr_assert_neq(want, 0, "row %u", i);
		for (f.tag = SORT_UNTAGGED; f.tag <= SORT_STRIPPED; f.tag++) {
			f.tci = f.tag ? 0xE007 : 0;
			for (f.piece = 0; f.piece < 90; f.piece++)
				cr_assert_eq(hash(&f), want, "row %u, tag %u, pieces of %u", i,
					     f.tag, f.piece);
			f.piece = 0;
			f.seq++;
			for (f.flow.options = 0; rows[i].version == 4 && f.flow.options <= 10;
			     f.flow.options++)
				cr_assert_eq(hash(&f), want, "row %u, %u options", i,
					     f.flow.options);
			f.flow.options = 0;
		}
	}
	down();
}

Test(vmq_spread, addresses_and_ports_make_a_flow)
{
	static const uint8_t versions[] = {4, 6}, protos[] = {TCP, UDP, 1};

	up();
	for (uint32_t i = 0; i < 6; i++) {
		const bool has_ports = protos[i / 2] != 1;
		struct sort_frame f = frame(versions[i % 2], protos[i / 2]), g = f;
		const uint64_t h = hash(&f);

		g.flow.src++;
		cr_assert_neq(hash(&g), h);
		g = f;
		g.flow.dst++;
		cr_assert_neq(hash(&g), h);
		g = f;
		g.flow.ports[0]++;
		cr_assert_eq(hash(&g) != h, has_ports, "row %u", i);
		g = f;
		g.flow.ports[1]++;
		cr_assert_eq(hash(&g) != h, has_ports, "row %u", i);
	}
	down();
}

/* Only the first piece has ports: it must not go another way than the others. */
Test(vmq_spread, pieces_of_a_packet_are_one_flow)
{
	static const uint16_t pieces[] = {0x2000, 0x20B9, 0x0172, 0x0001, 0x6000};
	struct sort_frame f = frame(4, UDP), g = frame(6, 44);
	uint64_t h, whole;

	up();
	whole = hash(&f);
	f.flow.piece = 0x4000; /* "do not", and that it is whole */
	cr_assert_eq(hash(&f), whole);
	f.flow.piece = 0x2000;
	h = hash(&f);
	cr_assert_neq(h, whole);
	for (uint32_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		f.flow.piece = pieces[i];
		f.flow.ports[0]++;
		cr_assert_eq(hash(&f), h, "piece %#x", pieces[i]);
	}
	h = hash(&g);
	g.flow.ports[0]++; /* in IPv6 that is where the piece's header is */
	cr_assert_eq(hash(&g), h);
	down();
}

Test(vmq_spread, cut_headers_are_read_as_far_as_they_go)
{
	static const struct {
		uint8_t version;
		uint16_t ip, ports; /* from which length on, untagged */
	} rows[] = {{4, 34, 38}, {6, 54, 58}};
	struct sort_frame f;

	up();
	for (uint32_t i = 0; i < 4; i++) {
		const uint16_t tag = i / 2 ? 4 : 0;
		uint64_t whole, bare;

		f = frame(rows[i % 2].version, UDP);
		f.tag = tag ? SORT_IN_BAND : SORT_UNTAGGED;
		whole = hash(&f);
		f.flow.proto = 1;
		bare = hash(&f);
		f.flow.proto = UDP;
		for (f.len = 22; f.len <= LEN; f.len++) {
			uint64_t h;

			f.seq = 0;
			/* The number at the end is written over what is looked at. */
			if (f.len < rows[i % 2].ports + tag + 4u && f.len >= rows[i % 2].ip + tag)
				continue;
			h = hash(&f);
			cr_assert_eq(h, f.len < rows[i % 2].ip + tag ? 0 : whole, "row %u, %u", i,
				     f.len);
		}
		cr_assert_neq(whole, bare);
	}
	down();
}

Test(vmq_spread, what_is_no_ip_has_no_hash)
{
	struct sort_frame f = frame(4, TCP);
	struct rte_mbuf *m;
	uint8_t *at;

	up();
	m = sort_frame_make(&bed, &f);
	at = rte_pktmbuf_mtod(m, uint8_t *);
	cr_assert_neq(vmq_spread_hash(m), 0);
	at[14] = 0x44; /* a header of 16 bytes */
	cr_assert_eq(vmq_spread_hash(m), 0);
	at[14] = 0x65; /* not what the type says */
	cr_assert_eq(vmq_spread_hash(m), 0);
	at[14] = 0x45;
	at[13] = 0x06; /* ARP */
	cr_assert_eq(vmq_spread_hash(m), 0);
	memcpy(at + 12, "\x81\0\0\7\x81\0\0\7", 8); /* two tags */
	cr_assert_eq(vmq_spread_hash(m), 0);
	m->data_len = 34;
	m->pkt_len = 34;
	memcpy(at + 12, "\x08\0\x45\0", 4); /* TCP, but not its ports */
	cr_assert_neq(vmq_spread_hash(m), 0);
	m->data_len = 17;
	m->pkt_len = 17;
	cr_assert_eq(vmq_spread_hash(m), 0);
	rte_pktmbuf_free(m);
	down();
}

Test(vmq_spread, flows_are_spread_about_evenly)
{
	static const uint16_t all[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	static const uint16_t counts[] = {2, 3, 8, 16};
	struct vmq_spread t;

	up();
	for (uint32_t i = 0; i < 4; i++) {
		const uint16_t n = counts[i];
		uint32_t nr[17] = {0}, fair = 8192 / n;

		vmq_spread_init(&t, all, n);
		for (uint32_t k = 0; k < 8192; k++) {
			struct sort_frame f = nth(k);
			struct rte_mbuf *m = sort_frame_make(&bed, &f);

			nr[vmq_spread_queue(&t, m)]++;
			rte_pktmbuf_free(m);
		}
		for (uint16_t q = 1; q <= 16; q++)
			cr_assert(q > n ? nr[q] == 0
					: nr[q] > fair - fair / 4 && nr[q] < fair + fair / 4,
				  "%u of %u: %u flows", q, n, nr[q]);
	}
	down();
}

/* ---- In the sorter -------------------------------------------------------------------------- */

Test(vmq_spread, vmq_11_a_flow_stays_on_one_of_the_queues_and_what_has_no_hash_on_the_first)
{
	struct sort_frame none = {.mac = MAC_A}, f;
	uint32_t nr[5] = {0};

	up();
	spread(3);
	for (uint32_t i = 0; i < 200; i++) {
		uint16_t q;

		f = nth(i);
		q = where_goes(&f);
		cr_assert(q >= 1 && q <= 3);
		nr[q]++;
		f.tag = 1 + i % 2;
		f.tci = 7;
		cr_assert_eq(where_goes(&f), q);
		for (uint32_t k = 0; k < 10; k++)
			sort_send(&bed, &f);
		cr_assert_eq(where(10), q);
		none.tag = (uint8_t)(i % 3);
		cr_assert_eq(where_goes(&none), 1);
	}
	for (uint16_t q = 1; q <= 3; q++)
		cr_assert_gt(nr[q], 30);
	down();
}

/* Runs of equal headers, of who is spread and who is not, and of the default queue's. */
Test(vmq_spread, others_frames_among_them_stay_where_they_are_and_all_in_order)
{
	static const uint64_t macs[] = {MAC_A, MAC_B, 0x0c0000000002ull};
	uint32_t seq[5][VSW_VEC_SIZE], at[5] = {0}, last, i;
	uint16_t n[5], want[64], q;

	up();
	spread(3);
	for (i = 0; i < 64; i++) {
		struct sort_frame f = nth(i * 7);

		f.mac = macs[i / 3 % 3];
		want[i] = i / 3 % 3 ? (i / 3 % 3 == 1 ? 4 : 0) : where_goes(&f);
	}
	for (i = 0; i < 64; i++) {
		struct sort_frame f = nth(i * 7);

		f.mac = macs[i / 3 % 3];
		f.seq = i;
		sort_send(&bed, &f);
	}
	for (q = 0; q < 5; q++) {
		n[q] = take(q, seq[q]);
		for (last = 0, i = 0; i < n[q]; last = seq[q][i++])
			cr_assert(i == 0 || seq[q][i] > last);
	}
	for (i = 0; i < 64; i++)
		cr_assert_eq(seq[want[i]][at[want[i]]++], i);
	down();
}

Test(vmq_spread, mmq_1_the_table_changes_while_it_is_in_use_and_the_hash_does_not)
{
	static const uint16_t other[] = {1, 3};
	struct sort_frame f;
	uint16_t before[64], i;

	up();
	spread(3);
	for (i = 0; i < 64; i++) {
		f = nth(i);
		before[i] = where_goes(&f);
	}
	for (i = 0; i < 64; i++) { /* these lie in their queues during the change */
		f = nth(i);
		sort_send(&bed, &f);
	}
	cr_assert_eq(take(0, NULL), 0);
	cr_assert_eq(ops->spread(bed.pv, 1, other, 2), 0);
	cr_assert_eq(take(1, NULL) + take(2, NULL) + take(3, NULL), 64, "none is lost");
	for (i = 0; i < 64; i++) {
		f = nth(i);
		cr_assert_neq(where_goes(&f), 2);
	}
	spread(1);
	for (i = 0; i < 64; i++) {
		f = nth(i);
		cr_assert_eq(where_goes(&f), 1);
	}
	spread(1);
	spread(3);
	for (i = 0; i < 64; i++) {
		f = nth(i);
		cr_assert_eq(where_goes(&f), before[i]);
	}
	down();
}

Test(vmq_spread, mmq_3_who_cannot_spread_has_no_such_operation)
{
	cr_assert_not_null(vmq_software.spread);
	cr_assert_null(vmq_vmdq.spread);
	cr_assert_null(vmq_flow.spread);
}

/* With one lcore a burst of one key's frames is not sorted; the queues would not be used then. */
Test(vmq_spread, with_one_lcore_too)
{
	struct sort_frame f = nth(1);
	struct vsw_steered st = {0};
	struct rte_mbuf *m[VSW_VEC_SIZE];
	uint16_t i;

	up();
	spread(3);
	cr_assert(ops->one_lcore(bed.pv, true));
	for (i = 0; i < 8; i++)
		sort_send(&bed, &f);
	cr_assert_eq(ops->rx(bed.pv, 0, m, VSW_VEC_SIZE, &st), 0);
	cr_assert_eq(st.q, 0);
	cr_assert_eq(st.nr_passed, 8);
	cr_assert_gt(where(8), 0);
	spread(1);
	for (i = 0; i < 8; i++)
		sort_send(&bed, &f);
	cr_assert_eq(ops->rx(bed.pv, 0, m, VSW_VEC_SIZE, &st), 8);
	cr_assert_eq(st.q, 1, "all of it is queue 1's");
	rte_pktmbuf_free_bulk(m, 8);
	down();
}

Test(vmq_spread, a_full_queue_of_them_loses_its_own_flows_alone)
{
	struct sort_frame f = nth(1);
	uint16_t q, i;

	up();
	spread(3);
	q = where_goes(&f);
	for (i = 0; i < 300; i++)
		sort_send(&bed, &f);
	while (rte_mempool_in_use_count(bed.pool) > 256)
		take(0, NULL);
	for (i = 1; i <= 3; i++)
		cr_assert_eq(ops->missed(bed.pv, i), i == q ? 300 - 256 : 0);
	down();
}

/* ---- While frames come ---------------------------------------------------------------------- */

#define FLOWS	16u
#define CHANGES 300u

struct live {
	pthread_mutex_t lock; /* of who sorts */
	bool is_over;	      /* atomic, as the next */
	bool has_sorted;
	uint32_t put, got;
	uint32_t sent[FLOWS], next[FLOWS], swapped; /* the sorter's, the taker's */
};

/* Frames are sent and sorted in one thread; never more of them are on the way than a ring holds. */
static void *sorts(void *arg)
{
	struct live *l = arg;

	rte_rcu_qsbr_thread_register(bed.sw->qsbr, 0);
	for (uint32_t i = 0; !__atomic_load_n(&l->is_over, __ATOMIC_ACQUIRE); i++) {
		struct sort_frame f = nth(i % FLOWS * 37);

		if (l->put - __atomic_load_n(&l->got, __ATOMIC_ACQUIRE) >= 200) {
			usleep(10);
			continue;
		}
		f.mac = MAC_A;
		f.tci = (uint16_t)(i % FLOWS);
		f.tag = SORT_IN_BAND;
		f.seq = l->sent[i % FLOWS]++;
		pthread_mutex_lock(&l->lock);
		rte_rcu_qsbr_thread_online(bed.sw->qsbr, 0);
		sort_send(&bed, &f);
		cr_assert_eq(take(0, NULL), 0);
		__atomic_store_n(&l->put, l->put + 1, __ATOMIC_RELEASE);
		rte_rcu_qsbr_thread_offline(bed.sw->qsbr, 0);
		pthread_mutex_unlock(&l->lock);
	}
	rte_rcu_qsbr_thread_unregister(bed.sw->qsbr, 0);
	return NULL;
}

static void see(struct live *l, struct rte_mbuf *m)
{
	const uint32_t seq = sort_frame_seq(m), flow = rte_pktmbuf_mtod(m, uint8_t *)[15];

	l->swapped += seq != l->next[flow];
	l->next[flow] = seq + 1;
	rte_pktmbuf_free(m);
	__atomic_store_n(&l->got, l->got + 1, __ATOMIC_RELEASE);
}

static void *takes(void *arg)
{
	struct live *l = arg;
	struct rte_mbuf *m[VSW_VEC_SIZE];

	while (!__atomic_load_n(&l->has_sorted, __ATOMIC_ACQUIRE) || l->got != l->put)
		for (uint16_t q = 3; q >= 1; q--)
			for (uint16_t n = sort_rx(&bed, q, m, VSW_VEC_SIZE), i = 0; i < n; i++)
				see(l, m[i]);
	return NULL;
}

static void wait_for(const uint32_t *word, uint32_t n)
{
	while ((int32_t)(__atomic_load_n(word, __ATOMIC_ACQUIRE) - n) < 0)
		usleep(10);
}

/* As vmq/ports.c does it: nothing is sorted, what was is taken, then it changes. */
static void change_in_order(struct live *l, uint16_t n)
{
	pthread_mutex_lock(&l->lock);
	wait_for(&l->got, l->put);
	spread(n);
	pthread_mutex_unlock(&l->lock);
}

static void live(bool is_in_order)
{
	struct live l = {.lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t sorter, taker;

	up();
	pthread_create(&sorter, NULL, sorts, &l);
	pthread_create(&taker, NULL, takes, &l);
	for (uint32_t i = 0; i < CHANGES; i++) {
		const uint32_t seen = __atomic_load_n(&l.put, __ATOMIC_ACQUIRE);
		const uint16_t n = i % 2 ? 1 : 2 + i / 2 % 2;

		if (is_in_order)
			change_in_order(&l, n);
		else
			spread(n);
		wait_for(&l.put, seen + 20);
	}
	__atomic_store_n(&l.is_over, true, __ATOMIC_RELEASE);
	pthread_join(sorter, NULL);
	__atomic_store_n(&l.has_sorted, true, __ATOMIC_RELEASE);
	pthread_join(taker, NULL);
	cr_assert_eq(l.got, l.put);
	cr_assert_geq(l.got, CHANGES * 20);
	for (uint16_t i = 0; is_in_order && i < FLOWS; i++)
		cr_assert_eq(l.next[i], l.sent[i]);
	if (is_in_order)
		cr_assert_eq(l.swapped, 0);
	for (uint16_t q = 1; q <= 3; q++)
		cr_assert_eq(ops->missed(bed.pv, q), 0);
	down();
}

Test(vmq_spread, on_and_off_300_times_between_two_threads_and_no_flow_is_swapped, .timeout = 60)
{
	live(true);
}

Test(vmq_spread, on_and_off_at_any_moment_and_nothing_is_lost, .timeout = 60)
{
	live(false);
}
