/* SPDX-License-Identifier: BSD-3-Clause */
/* Direct receive with threads: an lcore that polls the queue and the guest's channel, a device that writes all the
 * time, and ctl, which takes the buffer away and gives it back a thousand times. */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "tests/support/directbed.h"
#include "tests/support/eal.h"
#include "vswitch/vswitch.h"

#define ROUNDS	1000u
#define PATTERN 0xC3
#define LEN_MAX 1500u

static struct dbed b;
static struct prng rng;
static struct vsw *sw;
static struct vsw_port *wire;

static const uint8_t
	*forged;	    /* addresses that the guest writes over those of frames in its buffer */
static atomic_uint victims; /* frames that came to somebody else */

/* ---- The uplink's queue ----------------------------------------------------------------------- */

static uint16_t wire_rx(void *be, uint16_t q, struct vsw_vec *v)
{
	struct rte_mbuf *m[VSW_VEC_SIZE];
	uint16_t i, n = fakenic_rx(&b.nic, m, VSW_VEC_SIZE);

	v->has_direct = true;
	v->to = vsw_port_id(b.g.bed.nic->port);
	for (i = 0; i < n; i++) {
		if (forged && vsw_direct_is_guests(m[i]))
			memcpy(rte_pktmbuf_mtod(m[i], uint8_t *), forged, 12);
		fakenic_slot(v, m[i]);
	}
	return n;
}

static void wire_rx_done(void *be, uint16_t q, struct vsw_vec *v)
{
	uint16_t i;

	for (i = 0; i < v->n; i++)
		rte_pktmbuf_free(v->slot[i].mbuf);
}

static uint16_t wire_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n,
			uint8_t *reason)
{
	return n;
}

static uint16_t victim_rx(void *be, uint16_t q, struct vsw_vec *v)
{
	return 0;
}

static uint16_t victim_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n,
			  uint8_t *reason)
{
	atomic_fetch_add(&victims, n);
	return n;
}

static const struct vsw_port_ops victim_ops = {
	.rx = victim_rx, .rx_done = wire_rx_done, .tx = victim_tx};
static const struct vsw_port_ops wire_ops = {.rx = wire_rx, .rx_done = wire_rx_done, .tx = wire_tx};

/* ---- The device ------------------------------------------------------------------------------- */

static struct {
	pthread_t thread;
	pthread_mutex_t lock; /* one frame, or the filter */
	bool is_filtered;     /* nothing is for the queue */
	bool is_careless;     /* the filter does not help */
	atomic_bool must_end;
	atomic_uint written;
	uint32_t seq;
} dev;

static void on_filter(void *ctx, bool is_on)
{
	pthread_mutex_lock(&dev.lock);
	dev.is_filtered = !is_on;
	pthread_mutex_unlock(&dev.lock);
}

static void *device(void *arg)
{
	const struct timespec nap = {0, 20000};
	bool ok;

	while (!atomic_load(&dev.must_end)) {
		pthread_mutex_lock(&dev.lock);
		ok = (!dev.is_filtered || dev.is_careless) &&
		     dbed_dma(&b, 60 + dev.seq % (LEN_MAX - 60), dev.seq);
		pthread_mutex_unlock(&dev.lock);
		if (ok) {
			dev.seq++;
			atomic_fetch_add(&dev.written, 1);
		} else {
			nanosleep(&nap, NULL);
		}
	}
	return NULL;
}

/* ---- Life ------------------------------------------------------------------------------------- */

static void setup(void)
{
	const struct vsw_cfg sc = {.nr_lcores = 1, .lcore_id = {1}, .poll = VSW_POLL_ADAPTIVE};
	const struct vsw_port_cfg pc = {.name = "wire", .kind = VSW_PORT_UPLINK, .nr_queues = 1};

	eal_up();
	prng_init(&rng);
	cr_assert_eq(vsw_create(&sw, &sc), 0);
	dbed_up(&b, sw, 1500, &rng);
	pthread_mutex_init(&dev.lock, NULL);
	b.on_filter = on_filter;
	cr_assert_eq(vsw_port_create(&wire, sw, &pc, &wire_ops, NULL), 0, "%s", err_text());
	cr_assert_eq(vsw_port_attach(wire), 0);
	cr_assert_eq(vsw_start(sw), 0, "%s", err_text());
}

static void device_start(bool is_careless)
{
	dev.is_careless = is_careless;
	cr_assert_eq(pthread_create(&dev.thread, NULL, device, NULL), 0);
}

static void device_stop(void)
{
	atomic_store(&dev.must_end, true);
	pthread_join(dev.thread, NULL);
}

static void teardown(void)
{
	vsw_port_destroy(wire);
	vsw_stop(sw);
	dbed_down(&b);
	vsw_destroy(sw);
}

TestSuite(netvsp_direct_live, .init = setup, .fini = teardown, .timeout = 110);

/* ---- The guest -------------------------------------------------------------------------------- */

static uint32_t nr_seen, last_seq;

/* Whole, what was written, and none before one that came earlier. */
static void see(void *ctx, const uint8_t *msg, uint32_t len)
{
	struct rndis_frame f;
	uint32_t seq;

	cr_assert_eq(rndis_parse_packet(msg, len, len, &f), 0);
	memcpy(&seq, msg + f.data_off + 14, sizeof(seq));
	cr_assert_eq(f.data_len, 60 + seq % (LEN_MAX - 60));
	cr_assert(dbed_is(msg + f.data_off, f.data_len, seq), "frame %u", seq);
	cr_assert(nr_seen == 0 || seq > last_seq, "%u behind %u", seq, last_seq);
	last_seq = seq;
	nr_seen++;
}

static void guest_reads(uint32_t us)
{
	const struct timespec nap = {0, us * 1000};

	nguest_receive(&b.g, see, NULL);
	nanosleep(&nap, NULL);
	vsw_event_process(sw);
}

static uint64_t drops(void)
{
	struct vsw_totals t;

	vsw_totals_get(sw, &t);
	return t.drops;
}

/* ---- Tests ------------------------------------------------------------------------------------ */

Test(netvsp_direct_live, on_and_off_under_traffic_a_thousand_times)
{
	struct vsw_port *p = b.g.bed.nic->port;
	uint32_t i;

	device_start(false);
	for (i = 0; i < ROUNDS; i++) {
		on_filter(NULL, false);
		vmq_direct_end(b.vd);
		on_filter(NULL, true);
		guest_reads(prng_below(&rng, 100));
		cr_assert_eq(vmq_direct_begin(b.vd, vsw_rxbuf_of(p)), 0, "%s", err_text());
		guest_reads(prng_below(&rng, 300));
	}
	device_stop();
	for (i = 0; i < 1000 && nr_seen + drops() < atomic_load(&dev.written); i++)
		guest_reads(200);
	cr_expect_eq(nr_seen + drops(), atomic_load(&dev.written), "%u seen, %lu lost of %u",
		     nr_seen, drops(), atomic_load(&dev.written));
	cr_expect_gt(dbed_direct(&b), 0);
	cr_expect_gt(dbed_copies(&b), 0);
	cr_expect_eq(b.io.faults, 0);
}

static void fill(uint8_t pattern)
{
	uint32_t i;

	for (i = 0; i < NGUEST_RECV_PAGES; i++)
		memset(b.g.recv->page[i], pattern, VMBUS_PAGE_SIZE);
}

static void check_pattern(uint32_t round)
{
	uint32_t i;

	for (i = 0; i < NGUEST_RECV_PAGES; i++) {
		const uint8_t *at = b.g.recv->page[i];

		cr_assert(at[0] == PATTERN && !memcmp(at, at + 1, VMBUS_PAGE_SIZE - 1),
			  "round %u page %u", round, i);
	}
}

/* The guest has completed everything, and the host knows. */
static void guest_drains(void)
{
	const struct vmbus_ring *r = &b.g.bed.chan[0].to_host;

	nguest_receive(&b.g, see, NULL);
	while (__atomic_load_n(&r->ctrl->read_index, __ATOMIC_ACQUIRE) != r->own)
		sched_yield();
	vsw_quiesce(sw);
}

/* The device writes on, and nobody keeps frames from the queue: what it writes while the window goes is lost, and none
 * of it comes to where the buffer was. */
Test(netvsp_direct_live, a_buffer_torn_down_under_traffic_stays_as_its_next_owner_leaves_it)
{
	const struct vmbus_backend_ops *ops = netvsp_backend(b.g.bed.nv)->ops;
	const struct timespec nap = {0, 100000};
	uint32_t i;

	device_start(true);
	for (i = 0; i < ROUNDS; i++) {
		guest_reads(prng_below(&rng, 300));
		ops->gpadl_gone(&b.g.bed.chan[0].vch, b.g.recv);
		guest_drains();
		fill(PATTERN);
		nanosleep(&nap, NULL);
		check_pattern(i);
		fill(NGUEST_POISON);
		dbed_buffer(&b);
		cr_assert(vmq_direct_is_on(b.vd));
	}
	device_stop();
	cr_expect_gt(dbed_direct(&b), 0);
	cr_expect_gt(nr_seen, 0);
}

/* A guest that is quicker than the switch makes another frame of what the device wrote. */
Test(netvsp_direct_live, a_frame_that_the_guest_forged_in_its_buffer_goes_to_nobody)
{
	static const uint8_t addresses[12] = {2, 0x4e, 9, 9, 9, 1, 2, 0x4e, 9, 9, 9, 2};
	const struct vsw_port_cfg pc = {.name = "victim", .kind = VSW_PORT_UPLINK, .nr_queues = 1};
	struct vsw_totals t;
	struct vsw_port *p;
	uint32_t i;

	cr_assert_eq(vsw_port_create(&p, sw, &pc, &victim_ops, NULL), 0, "%s", err_text());
	cr_assert_eq(vsw_port_attach(p), 0);
	forged = addresses;
	device_start(false);
	for (i = 0; i < 10000 && atomic_load(&dev.written) < 2000; i++)
		guest_reads(100);
	vmq_direct_end(b.vd); /* what lies in the queue then has the guest's bytes, too */
	device_stop();
	for (i = 0; i < 1000 && nr_seen + drops() < atomic_load(&dev.written); i++)
		guest_reads(200);
	vsw_totals_get(sw, &t);
	cr_expect_gt(t.by_reason[VSW_DROP_spoofed_mac], 0);
	cr_expect_eq(atomic_load(&victims), 0);
	vsw_port_destroy(p);
}
