/* SPDX-License-Identifier: BSD-3-Clause */
/* Two lcores deliver to one guest on two channels and take what it gives back, while the guest reads
 * and completes, and its channels are closed and opened again. */
#include <unistd.h>

#include "netvsp/rndis.h"
#include "tests/support/eal.h"
#include "tests/support/nvspbed.h"
#include "tests/support/prng.h"
#include "tests/tsan/spring.h"

#define CHANS	   2u
#define RECV_PAGES 64u

static struct bed bed;
static const struct vmbus_gpadl *recv_gpadl;
static pthread_mutex_t awake = PTHREAD_MUTEX_INITIALIZER; /* held: channels do not come or go */
static bool is_over;
static uint64_t nr_frames;

static void check_frame(const struct vmbus_xfer_range *r)
{
	const uint8_t *msg = recv_gpadl->flat + r->byte_offset;
	struct rndis_frame f;

	check(r->byte_offset + r->byte_count <= recv_gpadl->len);
	check(rndis_parse_packet(msg, r->byte_count, r->byte_count, &f) == 0);
	check(f.data_len == SPRING_LEN && msg[f.data_off + 5] == 1);
	nr_frames++;
}

/* Takes one packet and gives its sections back. False: none is there. */
static bool guest_take(unsigned int q)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE};
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_COMPLETION, .offset8 = 2, .len8 = 7};
	struct vmbus_xfer_range r;
	struct vmbus_pkt_xfer x;
	uint8_t pkt[512];
	uint32_t i;

	if (bed_recv(&bed, q, pkt, sizeof(pkt)) == 0)
		return false;
	memcpy(&x, pkt + 16, sizeof(x));
	for (i = 0; i < x.range_count; i++) {
		memcpy(&r, pkt + 24 + i * sizeof(r), sizeof(r));
		check_frame(&r);
	}
	memcpy(&d.trans_id, pkt + 8, 8);
	while (!bed_send(&bed, q, &d, NULL, 0, &m, sizeof(m)))
		usleep(10);
	return true;
}

static void *guest(void *arg)
{
	unsigned int n;

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&awake);
		for (n = 0; n < 16 && bed.chan[0].vch.is_open; n++) {
			guest_take(0);
			if (bed.chan[1].vch.is_open)
				guest_take(1);
		}
		pthread_mutex_unlock(&awake);
		usleep(20);
	}
	return NULL;
}

static void spread(struct netvsp_state *st)
{
	unsigned int i;

	st->nr_subs = CHANS - 1;
	for (i = 0; i < 128; i++)
		st->rss_table[i] = i % CHANS;
	for (i = 0; i < NDIS_RSS_KEY_SIZE; i++)
		st->rss_key[i] = (uint8_t)(i * 37 + 1);
	st->rss_entries = 128;
	st->rss_on = 1;
}

/* What the guest's driver does; delivery begins with the packet filter, at the end of it. */
static void up(void)
{
	bed_open(&bed, 0);
	bed_open(&bed, 1);
	spread(bed.nic->st);
	bed_ready(&bed, recv_gpadl, NULL);
}

int main(void)
{
	struct vsw_cfg cfg = {.nr_lcores = 2, .lcore_id = {1, 2}, .poll = VSW_POLL_SHARED};
	const struct netvsp_nic_cfg nc = {.max_channels = CHANS};
	unsigned int i, steps = prng_steps(1000) / 10 + 1;
	struct spring *s[2];
	struct prng p;
	struct vsw *sw;
	pthread_t t;

	prng_init(&p);
	eal_up();
	check(vsw_create(&sw, &cfg) == 0);
	bed_create(&bed, &nc, sw, 128);
	recv_gpadl = bed_gpadl(&bed, 1, NULL, bed_alloc(&bed, RECV_PAGES), RECV_PAGES);
	check(vsw_start(sw) == 0);
	s[0] = spring_new(sw, 11, 1);
	s[1] = spring_new(sw, 12, 1);
	up();
	t = start(guest, NULL);
	for (i = 0; i < steps; i++) {
		usleep(1000 + prng_below(&p, 1000));
		vsw_event_process(sw);
		pthread_mutex_lock(&awake);
		bed_close(&bed, prng_below(&p, 2));
		up();
		pthread_mutex_unlock(&awake);
	}
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	check(pthread_join(t, NULL) == 0);
	check(bed.nic->faults == 0);
	spring_free(s[0]);
	spring_free(s[1]);
	bed_destroy(&bed);
	vsw_stop(sw);
	vsw_destroy(sw);
	printf("%u lives, %llu frames\n", steps, (unsigned long long)nr_frames);
	check(nr_frames > 0);
	return 0;
}
