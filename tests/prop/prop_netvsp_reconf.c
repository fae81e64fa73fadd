/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that takes its adapter down and up again and again, in Linux's order: other channels, another
 * MTU, other buffers, the driver unloaded and loaded (`ethtool -L`, `-G`, `ip link set mtu`, `modprobe`).
 * All the while others send to it, and now and then the switch is restarted. Nothing arrives after the
 * filter was set to 0, everything that is delivered arrives, and each answer has its exact size. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/eal.h"
#include "tests/support/nvspbed.h"
#include "tests/support/prng.h"

#define NR_RECV	  4u
#define RAM_PAGES (5u + 64u + 4096u + 7936u + 255u + 200u)
#define STATE_USED \
	(offsetof(struct vmbus_state, chan) + (BED_CHANS + 1) * sizeof(struct vmbus_chan_state))
#define MTU_MAX 9000u
#define POLLS	4u

static const uint32_t recv_pages[NR_RECV] = {5, 64, 4096, 7936}; /* 20 KiB to 31 MiB */
static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};

static struct bed bed;
static struct vsw_vec vec, tx;
static struct prng rng;
static struct vmbus_gpadl *recv[NR_RECV], *send;
static uint64_t ctl_pfn;

/* What the guest is at the moment. */
static struct {
	const struct vmbus_gpadl *recv;
	uint32_t mtu, nr_chans, section_size, nr_sections;
	uint32_t version;
	bool wants_data; /* its filter is not 0, or about to be */
	bool is_open;	 /* and that was answered */
	uint64_t delivered, received;
	uint32_t req_id;
} now;

/* ---- Rings --------------------------------------------------------------------------------- */

static void host(void)
{
	uint16_t q;

	for (q = 0; q < BED_CHANS; q++) {
		if (!atomic_load(&bed.nic->live[q]))
			continue;
		cr_assert_not(bed.nic->chan[q].is_faulted, "%s", bed.nic->chan[q].fault);
		vec.n = 0;
		vec.n = netvsp_rx(bed.nic, q, &vec);
		if (vec.n)
			netvsp_rx_done(bed.nic, q, &vec);
	}
}

static void give_back(unsigned int q, uint64_t id)
{
	const struct vmbus_pkt_desc d = {
		.type = VMBUS_PKT_COMPLETION, .offset8 = 2, .len8 = 7, .trans_id = id};
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE};

	cr_assert(bed_send(&bed, q, &d, NULL, 0, &m, sizeof(m)));
}

/* Takes the next packet of a channel: data is counted and given back at once. 0: the ring is empty; 1:
 * data, or the send table; else the packet's length. */
static uint32_t next(unsigned int q, uint8_t *pkt, uint32_t room)
{
	uint32_t len = bed_recv(&bed, q, pkt, room);
	struct vmbus_pkt_desc d;
	struct vmbus_pkt_xfer x;
	struct nvsp_msg m;

	if (len == 0)
		return 0;
	memcpy(&d, pkt, sizeof(d));
	memcpy(&m, pkt + d.offset8 * 8, 16);
	if (d.type == VMBUS_PKT_INBAND) {
		cr_assert_eq(m.type, NVSP_MSG_INDIRECTION_TABLE);
		return 1;
	}
	if (d.type != VMBUS_PKT_XFER_PAGES || m.rndis_pkt.channel_type != NVSP_CHANNEL_DATA)
		return len;
	cr_assert(now.wants_data, "a frame for a guest that wants none");
	memcpy(&x, pkt + sizeof(d), sizeof(x));
	now.received += x.range_count;
	give_back(q, d.trans_id);
	return 1;
}

static void drain(void)
{
	uint8_t pkt[512];
	unsigned int q;

	for (q = 0; q < now.nr_chans; q++) {
		while (next(q, pkt, sizeof(pkt)))
			;
	}
	host();
}

/* ---- Others -------------------------------------------------------------------------------- */

/* Somebody sends to the guest: flows of all sorts, lengths of all sorts. */
static void traffic(void)
{
	uint16_t idx[16], i;
	uint8_t reason[16] = {0};

	for (i = 0; i < 16; i++) {
		struct vsw_slot *s = &tx.slot[i];
		uint32_t len = 60 + prng_below(&rng, 1400);

		memset(s->snap, 0, sizeof(s->snap));
		memcpy(s->snap, mac, 6);
		memcpy(s->snap + 12, "\x08\0\x45", 3);
		s->snap[23] = 17;
		s->snap[29] = (uint8_t)prng_next(&rng);
		s->pkt = (struct nethv_pkt){.hdr_off = VSW_SNAP_OFF, .len = len, .hdr_len = 60};
		s->data = bed.ram;
		idx[i] = i;
	}
	now.delivered += netvsp_tx(bed.nic, &tx, idx, 16, reason);
	for (i = 0; i < 16; i++)
		cr_assert(!now.is_open || reason[i] == 0 || reason[i] == VSW_DROP_too_big ||
				  reason[i] == VSW_DROP_rx_no_buffer ||
				  reason[i] == VSW_DROP_rx_ring_full,
			  "%s", vsw_drop_name(reason[i]));
}

/* The switch is killed and succeeded: memory and state are what they were. */
static void restart(void)
{
	const struct vmbus_backend_ops *ops = netvsp_backend(bed.nv)->ops;
	static uint8_t state[STATE_USED];
	unsigned int q;

	memcpy(state, bed.peer->pub.state, sizeof(state));
	for (q = BED_CHANS; q-- > 0;) {
		if (!atomic_load(&bed.nic->live[q]))
			continue;
		bed.nic->chan[q].vch = NULL;
		ops->close(&bed.chan[q].vch);
	}
	memcpy(bed.peer->pub.state, state, sizeof(state));
	for (q = 0; q < now.nr_chans; q++)
		cr_assert_eq(ops->open(&bed.chan[q].vch, VMBUS_OPEN_RESUME), 0);
}

static void meanwhile(void)
{
	traffic();
	if (prng_below(&rng, 12) == 0)
		restart();
	traffic();
}

/* ---- The dialogue -------------------------------------------------------------------------- */

/* Sends an NVSP message; its completion, if there is one. What is taken with sections that came back, or
 * finds the ring full of frames, is handled at the next poll. */
static struct nvsp_msg ask(const struct nvsp_msg *m)
{
	struct nvsp_msg answer = {0};
	uint8_t pkt[512];
	uint32_t len, i;

	meanwhile();
	cr_assert(bed_send_nvsp(&bed, m, 5));
	for (i = 0; i < POLLS; i++) {
		host();
		while ((len = next(0, pkt, sizeof(pkt)))) {
			if (len != 1)
				memcpy(&answer, pkt + 16, sizeof(answer));
		}
	}
	return answer;
}

/* By one page, by one range over two pages (6.12), or by two ranges (6.1). */
static void send_control(const void *msg, uint32_t len)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
				   .rndis_pkt = {NVSP_CHANNEL_CONTROL, NVSP_SECTION_NONE, 0}};
	uint32_t how = prng_below(&rng, 3), first = how ? 1 + prng_below(&rng, len - 1) : len;
	uint64_t list[8] = {(uint64_t)(how == 2 ? 2 : 1) << 32};
	const uint32_t off = VMBUS_PAGE_SIZE - first, words = how == 0 ? 3 : how == 1 ? 4 : 5;
	const struct vmbus_pkt_desc d = {.type = VMBUS_PKT_GPA_DIRECT,
					 .offset8 = (uint16_t)(2 + words),
					 .len8 = (uint16_t)(2 + words + 5),
					 .flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED,
					 .trans_id = 6};

	memcpy(bed_page(&bed, ctl_pfn) + off, msg, first);
	memcpy(bed_page(&bed, ctl_pfn + 2), (const uint8_t *)msg + first, len - first);
	list[1] = (how == 2 ? first : len) | (uint64_t)off << 32;
	list[2] = ctl_pfn;
	list[3] = how == 1 ? ctl_pfn + 2 : len - first;
	list[4] = ctl_pfn + 2;
	cr_assert(bed_send(&bed, 0, &d, list, words * 8, &m, sizeof(m)));
}

/* Reads what came on the primary; true when the request was completed. An answer goes into @buf. */
static bool read_answer(uint8_t *buf, uint32_t room, bool is_completed, uint32_t *answer)
{
	struct vmbus_xfer_range r;
	struct vmbus_pkt_desc d;
	uint8_t pkt[512];
	uint32_t n;

	while ((n = next(0, pkt, sizeof(pkt)))) {
		if (n == 1)
			continue;
		memcpy(&d, pkt, sizeof(d));
		if (d.type == VMBUS_PKT_COMPLETION) {
			cr_assert_eq(d.trans_id, 6);
			is_completed = true;
			continue;
		}
		cr_assert(is_completed, "DPDK wants the completion first");
		memcpy(&r, pkt + 24, sizeof(r));
		cr_assert_leq(r.byte_count, room);
		memcpy(buf, now.recv->flat + r.byte_offset, r.byte_count);
		*answer = r.byte_count;
		give_back(0, d.trans_id);
	}
	return is_completed;
}

/* Sends an RNDIS request; its answer into @buf. Returns the answer's length. */
static uint32_t rndis(const void *msg, uint32_t len, uint8_t *buf, uint32_t room)
{
	bool is_completed = false;
	uint32_t answer = 0, i;

	meanwhile();
	send_control(msg, len);
	for (i = 0; i < POLLS; i++) {
		host();
		is_completed = read_answer(buf, room, is_completed, &answer);
	}
	cr_assert(is_completed);
	host();
	return answer;
}

/* The length of the answer's information. */
static uint32_t query(uint32_t oid, const void *in, uint32_t in_len, void *out)
{
	struct {
		struct rndis_request r;
		uint8_t in[160];
	} q = {{.hdr = {RNDIS_MSG_QUERY, (uint32_t)sizeof(q.r) + in_len},
		.req_id = ++now.req_id,
		.oid = oid,
		.info_len = in_len,
		.info_offset = 20}};
	struct rndis_query_complete c;
	uint8_t buf[512];
	uint32_t len;

	if (in_len)
		memcpy(q.in, in, in_len);
	len = rndis(&q, q.r.hdr.len, buf, sizeof(buf));
	cr_assert_geq(len, sizeof(c));
	memcpy(&c, buf, sizeof(c));
	cr_assert_eq(c.hdr.type, 0x80000004);
	cr_assert_eq(c.req_id, now.req_id);
	cr_assert_eq(c.hdr.len, len);
	cr_assert_eq(c.info_len, len - sizeof(c));
	memcpy(out, buf + sizeof(c), c.info_len);
	return c.info_len;
}

static uint32_t set(uint32_t oid, const void *in, uint32_t in_len)
{
	struct {
		struct rndis_request r;
		uint8_t in[640];
	} q = {{.hdr = {RNDIS_MSG_SET, (uint32_t)sizeof(q.r) + in_len},
		.req_id = ++now.req_id,
		.oid = oid,
		.info_len = in_len,
		.info_offset = 20}};
	struct rndis_status_complete c;
	uint8_t buf[64];

	memcpy(q.in, in, in_len);
	cr_assert_eq(rndis(&q, q.r.hdr.len, buf, sizeof(buf)), 16);
	memcpy(&c, buf, sizeof(c));
	cr_assert_eq(c.hdr.type, 0x80000005);
	cr_assert_eq(c.req_id, now.req_id);
	return c.status;
}

/* ---- Up and down, as Linux does ------------------------------------------------------------- */

static void nvsp_up(void)
{
	struct nvsp_msg m = {.type = NVSP_MSG_INIT, .init = {now.version, now.version}},
			a = ask(&m);

	cr_assert_eq(a.init_complete.status, NVSP_STATUS_SUCCESS);
	m = (struct nvsp_msg){.type = NVSP_MSG_NDIS_CONFIG, .ndis_config = {now.mtu + 14, 0, 0x2C}};
	ask(&m);
	m = (struct nvsp_msg){.type = NVSP_MSG_NDIS_VER, .ndis_ver = {6, 30}};
	ask(&m);
	m = (struct nvsp_msg){.type = NVSP_MSG_RECV_BUF, .buf = {now.recv->handle, 0xCAFE}};
	a = ask(&m);
	cr_assert_eq(a.recv_buf_complete.status, NVSP_STATUS_SUCCESS, "MTU %u in %u bytes", now.mtu,
		     now.recv->len);
	cr_assert_eq(a.recv_buf_complete.num_sections, 1);
	cr_assert_eq(a.recv_buf_complete.offset, 0);
	now.section_size = a.recv_buf_complete.sub_alloc_size;
	now.nr_sections = a.recv_buf_complete.num_sub_allocs;
	cr_assert_geq(now.section_size, now.mtu + 14 + 4 + 44 + 4 * 16);
	cr_assert_leq((uint64_t)now.section_size * now.nr_sections, now.recv->len);
	cr_assert(now.nr_sections > 0 && now.nr_sections <= NETVSP_SECTIONS_MAX);
	m = (struct nvsp_msg){.type = NVSP_MSG_SEND_BUF, .buf = {send->handle, 0}};
	a = ask(&m);
	cr_assert_eq(a.send_buf_complete.status, NVSP_STATUS_SUCCESS);
	cr_assert_leq(a.send_buf_complete.section_size, send->len);
}

static void rndis_up(void)
{
	static const uint8_t params[28] = {0x80, 3, 28, 0, 1, 4, 4, 4, 4, 0, 0, 2, 2};
	const struct rndis_init init = {{RNDIS_MSG_INIT, sizeof(init)}, ++now.req_id, 1, 0, 0x4000};
	uint8_t in[156] = {0xA7, 3, 156}, buf[512];
	uint32_t v;

	cr_assert_eq(rndis(&init, sizeof(init), buf, sizeof(buf)), 52);
	cr_assert_eq(query(OID_GEN_MAXIMUM_FRAME_SIZE, NULL, 0, &v), 4);
	cr_assert_eq(v, MTU_MAX);
	cr_assert_eq(query(OID_802_3_PERMANENT_ADDRESS, NULL, 0, buf), 6);
	cr_assert_eq(memcmp(buf, mac, 6), 0);
	cr_assert_eq(query(OID_GEN_FRIENDLY_NAME, NULL, 0, buf), 6);
	cr_assert_eq(query(OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, in, 156, buf), 156);
	cr_assert_eq(buf[0], 0xA7);
	cr_assert_eq(set(OID_TCP_OFFLOAD_PARAMETERS, params, 28), 0);
	cr_assert_eq(query(OID_GEN_MEDIA_CONNECT_STATUS, NULL, 0, &v), 4);
	cr_assert_eq(v, 0);
	cr_assert_eq(query(OID_GEN_LINK_SPEED, NULL, 0, &v), 4);
	memcpy(in, (uint8_t[18]){0x88, 2, 18}, 18);
	cr_assert_eq(query(OID_GEN_RECEIVE_SCALE_CAPABILITIES, in, 18, buf), 18);
}

static void set_rss(uint16_t flags)
{
	struct {
		struct ndis_rss_params p;
		uint32_t table[128];
		uint8_t key[40];
	} m = {.p = {{0x89, 2, 40}, flags, 0, 0x1701, 512, 0, 40, 40, 0, 552}};
	uint32_t i;

	for (i = 0; i < 128; i++)
		m.table[i] = i % now.nr_chans;
	memset(m.key, 0x6D, sizeof(m.key));
	cr_assert_eq(set(OID_GEN_RECEIVE_SCALE_PARAMETERS, &m, sizeof(m)), 0);
}

static void subs_up(uint32_t wants)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_SUBCHANNEL, .subchannel = {1, wants - 1}};
	struct nvsp_msg a;

	if (wants == 1)
		return;
	a = ask(&m);
	cr_assert_eq(a.subchannel_complete.status, NVSP_STATUS_SUCCESS);
	cr_assert_eq(a.subchannel_complete.num, wants - 1);
	for (; now.nr_chans < wants; now.nr_chans++) {
		bed_open(&bed, now.nr_chans);
		traffic();
	}
	set_rss(NDIS_RSS_DISABLE);
	set_rss(0);
}

static void filter(uint32_t f)
{
	now.wants_data |= f != 0;
	now.is_open = false;
	cr_assert_eq(set(OID_GEN_CURRENT_PACKET_FILTER, &f, 4), 0);
	now.is_open = f != 0;
	if (f)
		return;
	drain();
	now.wants_data = false;
	cr_assert_eq(now.received, now.delivered, "all that was delivered arrived");
}

/* Both rings of each channel must be empty and stay so, or Linux gives up half-way. */
static void rings_are_empty(void)
{
	unsigned int q;

	for (q = 0; q < now.nr_chans; q++) {
		cr_assert_eq(vmbus_ring_avail(&bed.chan[q].from_host), 0);
		cr_assert_eq(bed.chan[q].to_host.own, bed.chan[q].to_host.ctrl->read_index);
	}
}

static void down(void)
{
	const struct rndis_status_complete halt = {{RNDIS_MSG_HALT, 12}, ++now.req_id};
	struct nvsp_msg m = {.type = NVSP_MSG_REVOKE_RECV_BUF, .revoke = {0xCAFE}};
	uint8_t buf[64];

	filter(0);
	meanwhile();
	rings_are_empty();
	cr_assert_eq(rndis(&halt, 12, buf, sizeof(buf)), 0);
	cr_assert_eq(bed.nic->pool.nr, now.nr_sections, "every section came back");
	ask(&m);
	m = (struct nvsp_msg){.type = NVSP_MSG_REVOKE_SEND_BUF};
	ask(&m);
	traffic();
	rings_are_empty();
	for (; now.nr_chans > 1; now.nr_chans--)
		bed_close(&bed, now.nr_chans - 1);
	bed_close(&bed, 0);
	traffic();
}

static void one_life(void)
{
	static const uint32_t mtus[] = {68, 576, 1280, 1500, 1800, 4000, 9000};
	static const uint32_t versions[] = {NVSP_V5, NVSP_V6, NVSP_V6_1};
	unsigned int i;

	now.version = versions[prng_below(&rng, 3)];
	now.mtu = mtus[prng_below(&rng, 7)];
	/* Linux keeps so many sections that a small buffer goes with small ones. */
	now.recv = recv[now.mtu > 1800 ? 1 + prng_below(&rng, 3) : prng_below(&rng, 4)];
	bed_open(&bed, 0);
	now.nr_chans = 1;
	nvsp_up();
	rndis_up();
	filter(0x0D);
	subs_up(1 + prng_below(&rng, BED_CHANS));
	for (i = 0; i < 6; i++) {
		meanwhile();
		drain();
	}
	down();
}

Test(netvsp_reconf, a_guest_comes_and_goes_under_traffic, .timeout = 600)
{
	static const struct netvsp_nic_cfg cfg = {.mtu = MTU_MAX, .max_channels = BED_CHANS};
	unsigned int lives = prng_steps(150), i;

	eal_up();
	prng_init(&rng);
	bed_create(&bed, &cfg, NULL, RAM_PAGES);
	bed.peer->is_ended = true; /* offers go nowhere: the guest opens what was granted */
	for (i = 0; i < NR_RECV; i++)
		recv[i] = bed_gpadl(&bed, 0x10 + i, NULL, bed_alloc(&bed, recv_pages[i]),
				    recv_pages[i]);
	send = bed_gpadl(&bed, 0x20, NULL, bed_alloc(&bed, 255), 255);
	ctl_pfn = bed_alloc(&bed, 3);
	for (i = 0; i < lives; i++)
		one_life();
	cr_assert_gt(now.received, 0);
	bed_destroy(&bed);
}
