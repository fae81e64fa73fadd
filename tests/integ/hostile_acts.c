/* SPDX-License-Identifier: BSD-3-Clause */
/* Attacks of several steps: what the guest holds and gives back, memory that is taken away under
 * traffic, doorbells. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/integ/hostile.h"

#define ARRAY(a)     (sizeof(a) / sizeof((a)[0]))
#define RX_SECTION   2048u
#define NOISE_LEN    1000u
#define RX_PAGES     128u
#define QUIET_ROUNDS 32u
#define REOPENS	     20u
#define DOORBELLS    1000000u
#define SUBS_GRANTED 7u

/* ---- Receives ------------------------------------------------------------------------------------- */

/* Frames on their way when the noise stopped have come when many good packets brought no more: a section
 * that is given back after that is free. */
static void noise_ends(void)
{
	unsigned int held, i;

	do {
		held = evil.nr_held;
		for (i = 0; i < QUIET_ROUNDS; i++)
			evil_must_work();
	} while (evil.nr_held != held);
}

/* Hoards until @n packets are held, of which one at least has several sections. */
static const struct evil_held *hoard(unsigned int n)
{
	uint64_t until = now_ms() + PATIENCE_MS;
	const struct evil_held *chain = NULL;
	unsigned int i;

	evil.is_hoarding = true;
	crowd_noise(NOISE_LEN + 400, mac_evil);
	while (evil.nr_held < n || !chain) {
		must(now_ms() < until, "only %u receives came", evil.nr_held);
		evil_turn();
		for (i = 0; i < evil.nr_held && !chain; i++) {
			if (evil.held[i].first / RX_SECTION != evil.held[i].last / RX_SECTION)
				chain = &evil.held[i];
		}
	}
	crowd_noise(0, NULL);
	noise_ends();
	return chain;
}

static void complete_id(uint64_t id)
{
	evil_give_back(0, id);
	evil_must_be_closed(0, NULL);
}

static void complete_unknown(void)
{
	complete_id(1u << 20);
}

static void complete_last_plus_one(void)
{
	complete_id(evil.nic.nr_rx_sections);
}

static void complete_huge(void)
{
	complete_id(UINT64_MAX);
}

/* Far behind the table of sections. */
static void complete_far(void)
{
	complete_id(1ull << 33);
}

static void complete_free(void)
{
	complete_id(evil.nic.nr_rx_sections - 1);
}

static void complete_twice(void)
{
	hoard(4);
	evil_give_back(0, evil.held[0].id);
	evil_must_work();
	complete_id(evil.held[0].id);
}

/* Both in one burst. */
static void complete_twice_at_once(void)
{
	struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE};
	struct pkt p, both = {0};

	hoard(4);
	pkt_begin(&p, VMBUS_PKT_COMPLETION, evil.held[0].id);
	pkt_end(&p, &m, NVSP_MSG_SIZE);
	pkt_add(&both, p.b, p.len);
	pkt_add(&both, p.b, p.len);
	evil_push(0, both.b, both.len);
	evil_must_be_closed(0, NULL);
}

static void complete_middle(void)
{
	const struct evil_held *h = hoard(4);

	complete_id(h->last / RX_SECTION);
}

/* The other queue is closed; the one that received goes on. */
static void complete_elsewhere(void)
{
	hoard(4);
	evil_give_back(2, evil.held[0].id);
	evil_must_be_closed(2, NULL);
	evil_give_back_all();
	evil_must_work();
}

static void control_on_sub(void)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_INIT, .init = {NVSP_V6_1, NVSP_V6_1}};
	struct pkt p;

	pkt_nvsp(&p, &m);
	evil_push(1, p.b, p.len);
	evil_must_be_closed(1, NULL);
	evil_must_work();
}

static void bad_index_on_sub(void)
{
	evil_publish(3, 5);
	evil_must_be_closed(3, NULL);
	evil_must_work();
}

static uint64_t watch_drops(unsigned int reason)
{
	struct vsw_port_stats s;

	switch_port("watch/0", &s);
	return s.drops[reason];
}

static void await_watch_drops(uint64_t n)
{
	uint64_t until = now_ms() + PATIENCE_MS, first, now;

	first = watch_drops(VSW_DROP_rx_no_buffer) + watch_drops(VSW_DROP_rx_ring_full);
	do {
		must(now_ms() < until, "nothing is dropped");
		nap_us(100);
		now = watch_drops(VSW_DROP_rx_no_buffer) + watch_drops(VSW_DROP_rx_ring_full);
	} while (now < first + n);
}

/* What it holds it lacks, and gets back when it gives back. */
static void hoarder(void)
{
	uint64_t until = now_ms() + PATIENCE_MS, before;

	hoard(8);
	crowd_noise(NOISE_LEN, mac_evil);
	do {
		must(now_ms() < until, "%u receives held, %lu dropped", evil.nr_held,
		     watch_drops(VSW_DROP_rx_no_buffer));
		evil_turn();
	} while (!watch_drops(VSW_DROP_rx_no_buffer));
	evil_must_work();
	await_watch_drops(500);
	evil.is_hoarding = false;
	evil_give_back_all();
	before = evil.received;
	until = now_ms() + PATIENCE_MS;
	while (evil.received < before + 4 * evil.nic.nr_rx_sections) {
		must(now_ms() < until, "sections given back are not used");
		evil_turn();
	}
	crowd_noise(0, NULL);
	evil_must_work();
}

/* Reads nothing: receives pile up, then completions have no room, then the switch reads no more. */
static void deaf_ring(void)
{
	unsigned int pushed = 0, done;
	uint64_t until;
	struct pkt p;

	crowd_noise(NOISE_LEN, mac_evil);
	await_watch_drops(500);
	pkt_section(&p, 3, rndis_marked(evil.nic.tx + 3 * PAGE, 200, -1));
	while (vmbus_ring_space(&evil.out[0]) >= (int32_t)p.len) {
		evil_push(0, p.b, p.len);
		pushed++;
		if (pushed % 64 == 0)
			nap_us(100);
	}
	await_watch_drops(500);
	crowd_noise(0, NULL);
	done = evil.nr_done;
	until = now_ms() + PATIENCE_MS;
	while (evil.nr_done < done + pushed) {
		must(now_ms() < until, "%u of %u are completed", evil.nr_done - done, pushed);
		evil_turn();
	}
	evil_must_work();
}

/* Reads no messages: the server waits for it, and nobody waits for the server. */
static void deaf_guest(void)
{
	struct vmbus_msg_gpadl_teardown m = {
		.hdr.msgtype = VMBUS_MSG_GPADL_TEARDOWN, .child_relid = 1, .gpadl = 0x7777};
	unsigned int i, refused = 0;

	evil.part.is_deaf = true;
	for (i = 0; i < 1000; i++) {
		refused += vmbus_server_post(evil.part.server, 0, VMBUS_MSG_CONN_ID_V5, 1, &m,
					     sizeof(m)) == VMBUS_POST_NO_BUFFERS;
		part_pump(&evil.part);
	}
	must(refused > 500, "the server keeps the answers to all %u messages", 1000 - refused);
	evil_must_work();
}

/* ---- Doorbells and memory ------------------------------------------------------------------------- */

static void doorbells(void)
{
	uint64_t much = UINT64_MAX - 1;
	unsigned int i;

	for (i = 0; i < DOORBELLS; i++)
		fd_kick(evil.part.bell_fd[i % 8 ? 1 : i % 63 + 1]);
	for (i = 1; i < VMBUS_CHANS_MAX; i++) /* as far as they go: further writes would block */
		must(write(evil.part.bell_fd[i], &much, 8) == 8 || errno == EAGAIN, "eventfd");
	evil_must_work();
}

static void punched_memory(void)
{
	struct pkt p;

	must(ftruncate(evil.part.mem_fd, 0) < 0 && errno == EPERM, "memory can shrink");
	must(ftruncate(evil.part.mem_fd, 1ll << 40) < 0 && errno == EPERM, "memory can grow");
	must(fcntl(evil.part.mem_fd, F_ADD_SEALS, F_SEAL_WRITE) < 0, "memory can be sealed");
	crowd_noise(NOISE_LEN, mac_evil);
	pkt_section(&p, 3, rndis_marked(evil.nic.tx + 3 * PAGE, 200, -1));
	evil_push(0, p.b, p.len);
	must(!fallocate(evil.part.mem_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			(off_t)evil.part.nr_pages * PAGE),
	     "punch: %s", strerror(errno));
	fd_kick(evil.part.bell_fd[1]);
	evil_must_be_closed(0, NULL);
}

/* Memory that the guest got back is not written any more. */
static void must_stay(uint8_t *mem, uint32_t len)
{
	struct vsw_port_stats s;
	uint64_t start, until = now_ms() + PATIENCE_MS;
	uint32_t i;

	memset(mem, 0xee, len);
	switch_port("watch/0", &s);
	start = s.in_packets;
	do {
		must(now_ms() < until, "no noise");
		nap_us(100);
		switch_port("watch/0", &s);
	} while (s.in_packets < start + 500);
	for (i = 0; i < len; i++)
		must(mem[i] == 0xee, "memory is written after it was given back, at %u", i);
}

static void teardown_recv(void)
{
	crowd_noise(NOISE_LEN, mac_evil);
	must(!nvsc_gpadl_teardown(&evil.bus, evil.ch[0], evil.nic.rx_gpadl), "teardown");
	must_stay(evil.nic.rx, RX_PAGES * PAGE);
	evil_must_work();
}

static void teardown_send(void)
{
	struct pkt p;
	unsigned int i;

	crowd_noise(NOISE_LEN, mac_evil);
	pkt_section(&p, 3, rndis_marked(evil.nic.tx + 3 * PAGE, 200, -1));
	for (i = 0; i < 200; i++)
		evil_push(0, p.b, p.len);
	must(!nvsc_gpadl_teardown(&evil.bus, evil.ch[0], evil.nic.tx_gpadl), "teardown");
	evil_push(0, p.b, p.len);
	evil_must_be_closed(0, NULL);
}

static void close_in_traffic(void)
{
	struct vmbus_msg_relid m = {.hdr.msgtype = VMBUS_MSG_CLOSE, .child_relid = 1};
	uint8_t *ring = evil.nic.ring_mem[0].ptr;
	struct pkt p;
	unsigned int i;

	crowd_noise(NOISE_LEN, mac_evil);
	pkt_section(&p, 3, rndis_marked(evil.nic.tx + 3 * PAGE, 200, -1));
	for (i = 0; i < 200; i++)
		evil_push(0, p.b, p.len);
	must(!nvsc_bus_post(&evil.bus, &m, sizeof(m)), "close");
	must(!nvsc_gpadl_teardown(&evil.bus, evil.ch[0], evil.nic.ch->ring_gpadl), "ring");
	must_stay(ring, 8 * PAGE);
	must_stay(evil.nic.rx, RX_PAGES * PAGE);
	evil_bus_must_work();
}

static void reopen_in_traffic(void)
{
	struct nvsc_cfg nc = {.nr_vps = EVIL_VPS, .rx_bytes = 512u << 10, .tx_bytes = 128u << 10};
	struct nvsc_chan *ch = evil.ch[0];
	unsigned int i;
	int rc;

	crowd_noise(NOISE_LEN, mac_evil);
	for (i = 0; i < REOPENS; i++) {
		rc = nvsc_close(&evil.nic);
		must(!rc, "close %u: %d", i, rc);
		nc.nr_queues = (uint16_t)(i % 2 ? 1 : 4);
		nc.mtu = (uint16_t)(i % 3 ? 1500 : 4000);
		rc = nvsc_open(&evil.nic, &evil.bus, ch, &nc);
		must(!rc, "open %u: %d", i, rc);
	}
	evil_views();
	evil_must_work();
}

/* Says contact or unload while all is in use: the pages are its own again at the answer. */
static void contact_in_traffic(void)
{
	struct nvsc_bus_cfg bc = {.transport = part_transport(&evil.part),
				  .timeout = PATIENCE_MS * 10000ull};
	struct pkt p;
	unsigned int i;
	int rc;

	for (i = 0; i < REOPENS; i++) {
		crowd_noise(NOISE_LEN, mac_evil);
		pkt_section(&p, 3, rndis_marked(evil.nic.tx + 3 * PAGE, 200, -1));
		evil_push(0, p.b, p.len);
		rc = i % 2 ? nvsc_bus_unload(&evil.bus) : 0;
		must(!rc, "unload: %d", rc);
		rc = nvsc_bus_connect(&evil.bus, &bc);
		must(!rc, "contact: %d", rc);
		memset(&evil.nic, 0, sizeof(evil.nic));
		evil.part.next_page = 64;
		rc = nvsc_open(&evil.nic, &evil.bus, nvsc_bus_nic(&evil.bus, 0),
			       &(struct nvsc_cfg){.rx_bytes = 256u << 10, .tx_bytes = 64u << 10});
		must(!rc, "open %u: %d", i, rc);
		evil_views();
	}
	evil_must_work();
}

/* ---- Buffers that lie where they should not -------------------------------------------------------- */

/* Receive buffer, send buffer and both rings are the same pages. */
static void everything_overlaps(void)
{
	struct nvsp_msg init = {.type = NVSP_MSG_INIT, .init = {NVSP_V6_1, NVSP_V6_1}};
	struct nvsp_msg recv = {.type = NVSP_MSG_RECV_BUF, .buf.id = NVSP_RECV_BUF_ID};
	struct nvsp_msg send = {.type = NVSP_MSG_SEND_BUF};
	const struct nvsp_msg conf = {.type = NVSP_MSG_NDIS_CONFIG, .ndis_config.mtu = 1514};
	const struct rndis_init ri = {{RNDIS_MSG_INIT, sizeof(ri)}, 1, 1, 0, 0x4000};
	struct rndis_request set = {{RNDIS_MSG_SET, 32}, 2, OID_GEN_CURRENT_PACKET_FILTER, 4, 20};
	uint32_t handle, filter = NDIS_FILTER_DIRECTED | NDIS_FILTER_BROADCAST;
	struct pkt p;
	unsigned int i;

	must(!nvsc_gpadl_create(&evil.bus, evil.ch[0], evil.ring_mem, 64, &handle), "GPADL");
	recv.buf.gpadl = send.buf.gpadl = handle;
	pkt_nvsp(&p, &init);
	evil_push(0, p.b, p.len);
	pkt_nvsp(&p, &conf);
	p.b[6] = 0;
	evil_push(0, p.b, p.len);
	pkt_nvsp(&p, &send);
	evil_push(0, p.b, p.len);
	memcpy(evil.page, &ri, sizeof(ri));
	memcpy(evil.page + 64, &set, sizeof(set));
	memcpy(evil.page + 64 + 28, &filter, 4);
	pkt_nvsp(&p, &recv);
	evil_push(0, p.b, p.len);
	must(evil_await(evil.next_id)->word == NVSP_STATUS_SUCCESS, "receive buffer");
	pkt_gpa(&p, evil.page, sizeof(ri), NVSP_CHANNEL_CONTROL);
	evil_push(0, p.b, p.len); /* the answer goes to section 0: over our ring's control page */
	pkt_gpa(&p, evil.page + 64, 32, NVSP_CHANNEL_CONTROL);
	for (i = 0; i < 100; i++) {
		fd_kick(evil.part.bell_fd[1]);
		part_pump(&evil.part);
		nap_us(20);
	}
	evil_must_be_closed(0, NULL);
}

/* The buffer changes its section size while another lcore fills it. */
static void buffer_swapped_in_traffic(void)
{
	struct nvsp_msg revoke = {.type = NVSP_MSG_REVOKE_RECV_BUF, .revoke.id = NVSP_RECV_BUF_ID};
	struct nvsp_msg conf = {.type = NVSP_MSG_NDIS_CONFIG};
	struct nvsp_msg recv = {.type = NVSP_MSG_RECV_BUF, .buf.id = NVSP_RECV_BUF_ID};
	const struct nvsp_msg *say[] = {&revoke, &conf, &recv};
	uint8_t *high = evil.part.mem + (size_t)(RAM_PAGES - 2 - 512) * PAGE;
	uint32_t big;
	unsigned int i, k;
	struct pkt p;

	must(!nvsc_gpadl_create(&evil.bus, evil.ch[0], high, 512, &big), "GPADL");
	crowd_noise(NOISE_LEN, mac_evil);
	for (i = 0; i < 3000; i++) {
		evil.is_hoarding = true; /* what is not given back before is forgotten */
		evil.nr_held = 0;
		conf.ndis_config.mtu = i % 2 ? 9014 : 1514;
		recv.buf.gpadl = big;
		for (k = 0; k < ARRAY(say); k++) {
			pkt_nvsp(&p, say[k]);
			if (k < 2)
				p.b[6] = 0;
			evil_push(0, p.b, p.len);
		}
		must(evil_await(evil.next_id)->word == NVSP_STATUS_SUCCESS, "receive buffer");
	}
	evil_must_work();
}

/* The lcore looks the GPADL up while the control thread frees it. */
static void buffer_torn_down_while_given(void)
{
	struct nvsp_msg revoke = {.type = NVSP_MSG_REVOKE_RECV_BUF, .revoke.id = NVSP_RECV_BUF_ID};
	struct nvsp_msg recv = {.type = NVSP_MSG_RECV_BUF, .buf.id = NVSP_RECV_BUF_ID};
	uint32_t handle;
	unsigned int i;
	struct pkt p;

	crowd_noise(NOISE_LEN, mac_evil);
	for (i = 0; i < 1000; i++) {
		evil.is_hoarding = true;
		evil.nr_held = 0;
		pkt_nvsp(&p, &revoke);
		p.b[6] = 0;
		evil_push(0, p.b, p.len);
		must(!nvsc_gpadl_create(&evil.bus, evil.ch[0], evil.nic.rx, RX_PAGES, &handle),
		     "GPADL %u", i);
		recv.buf.gpadl = handle;
		pkt_nvsp(&p, &recv);
		evil_push(0, p.b, p.len);
		must(!nvsc_gpadl_teardown(&evil.bus, evil.ch[0], handle), "teardown");
		evil_turn();
	}
	evil_must_work();
}

/* The switch has the page numbers of the packet before still in its buffer. */
static void stale_pages(void)
{
	uint32_t len = rndis_marked(evil.page, 60, -1), at = 24;
	struct pkt p;

	memset(evil.page + 2 * PAGE, 0, 8 * PAGE);
	pkt_gpa(&p, evil.page, 6 * PAGE, NVSP_CHANNEL_DATA);
	evil_push(0, p.b, p.len);
	must(evil_await(evil.next_id)->word != 0, "no status");
	pkt_gpa(&p, evil.page, len, NVSP_CHANNEL_DATA);
	memcpy(p.b + at, (uint32_t[]){4 * PAGE}, 4);
	evil_push(0, p.b, p.len);
	evil_must_be_closed(0, "longer than its page list");
}

/* More messages in a packet than the switch said that it takes; and more than a vector holds. */
static void too_many_messages(void)
{
	static const unsigned int many[] = {33, 64, 65, 68};
	uint8_t *section = evil.nic.tx + 3 * PAGE;
	uint32_t i, k, len = 0;
	struct pkt p;

	for (i = 0; i < ARRAY(many); i++) {
		for (k = 0; k < many[i]; k++)
			len = rndis_marked(section + k * 60, 16, -1);
		pkt_section(&p, 3, many[i] * len);
		evil_push(0, p.b, p.len);
		must(evil_await(evil.next_id)->word == NVSP_STATUS_INVALID_RNDIS, "%u are taken",
		     many[i]);
	}
	evil_must_work();
}

/* ---- Sub-channels ------------------------------------------------------------------------------------ */

static unsigned int subs_offered(void)
{
	unsigned int i, n = 0;

	nvsc_bus_poll(&evil.bus);
	for (i = 0; i < NVSC_CHANS_MAX; i++) {
		const struct nvsc_chan *ch = &evil.bus.chan[i];

		n += ch->relid && ch->sub_index && !ch->is_rescinded;
	}
	return n;
}

/* Opens the primary channel, has 7 sub-channels offered, closes it. Returns how many came. */
static unsigned int one_storm(unsigned int expect)
{
	const struct nvsp_msg init = {.type = NVSP_MSG_INIT, .init = {NVSP_V6_1, NVSP_V6_1}};
	const struct nvsp_msg sub = {.type = NVSP_MSG_SUBCHANNEL, .subchannel = {1, 15}};
	uint64_t until = now_ms() + PATIENCE_MS;
	unsigned int n = 0;
	struct pkt p;

	pkt_nvsp(&p, &init);
	evil_push(0, p.b, p.len);
	pkt_nvsp(&p, &sub);
	evil_push(0, p.b, p.len);
	must(evil_await(evil.next_id)->word == NVSP_STATUS_SUCCESS, "sub-channels are refused");
	do {
		must(now_ms() < until, "%u of %u sub-channels are offered", n, expect);
		evil_turn();
		n = subs_offered();
	} while (n < expect);
	evil_bus_must_work(); /* by now all that can come has come */
	n = subs_offered();
	must(!nvsc_chan_close(&evil.bus, evil.ch[0]), "close");
	while (subs_offered()) {
		must(now_ms() < until, "sub-channels stay after the close");
		nap_us(50);
	}
	return n;
}

static void own_subs(bool is_owned)
{
	unsigned int i;

	for (i = 0; i < NVSC_CHANS_MAX; i++) {
		struct nvsc_chan *ch = &evil.bus.chan[i];

		if (ch->relid && ch->sub_index && is_owned)
			ch->is_owned = true;
		else if (ch->relid && ch->sub_index)
			nvsc_chan_release(&evil.bus, ch);
	}
}

static void reopen(void)
{
	must(!nvsc_chan_open(&evil.bus, evil.ch[0], evil.ring_mem, 32, 0), "open");
	evil.in[0] = evil.ch[0]->in;
	evil.out[0] = evil.ch[0]->out;
}

/* Relids are never given back, until none is left; then they are, and all works again. */
static void sub_channel_storm(void)
{
	unsigned int i;

	for (i = 0; i < 12; i++) {
		one_storm(i < 8 ? SUBS_GRANTED : 0);
		own_subs(true);
		reopen();
	}
	own_subs(false);
	must(one_storm(SUBS_GRANTED) == SUBS_GRANTED, "relids that were released are not used");
}

/* ---- List --------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum evil_level level;
	void (*fn)(void);
	enum want want;
} acts[] = {
	{"completes what does not exist", EVIL_UP, complete_unknown, WANT_CLOSED},
	{"completes one behind the last section", EVIL_UP, complete_last_plus_one, WANT_CLOSED},
	{"completes 2^64-1", EVIL_UP, complete_huge, WANT_CLOSED},
	{"completes 2^33", EVIL_UP, complete_far, WANT_CLOSED},
	{"completes what it does not hold", EVIL_UP, complete_free, WANT_CLOSED},
	{"completes twice", EVIL_UP, complete_twice, WANT_CLOSED},
	{"completes twice in one burst", EVIL_UP, complete_twice_at_once, WANT_CLOSED},
	{"completes the middle of a packet", EVIL_UP, complete_middle, WANT_CLOSED},
	{"completes on another channel", EVIL_QUEUES, complete_elsewhere, WANT_CLOSED},
	{"control message on a sub-channel", EVIL_QUEUES, control_on_sub, WANT_CLOSED},
	{"bad index on a sub-channel", EVIL_QUEUES, bad_index_on_sub, WANT_CLOSED},
	{"hoards receives", EVIL_UP, hoarder, WANT_NOTHING},
	{"never reads its ring", EVIL_UP, deaf_ring, WANT_NOTHING},
	{"never reads its messages", EVIL_UP, deaf_guest, WANT_REFUSED},
	{"a million doorbells", EVIL_UP, doorbells, WANT_NOTHING},
	{"punches its memory", EVIL_UP, punched_memory, WANT_CLOSED},
	{"takes the receive buffer back in traffic", EVIL_UP, teardown_recv, WANT_NOTHING},
	{"takes the send buffer back in traffic", EVIL_UP, teardown_send, WANT_CLOSED},
	{"closes in traffic", EVIL_UP, close_in_traffic, WANT_NOTHING},
	{"opens again in traffic", EVIL_UP, reopen_in_traffic, WANT_NOTHING},
	{"contacts and unloads in traffic", EVIL_UP, contact_in_traffic, WANT_NOTHING},
	{"rings and buffers are the same pages", EVIL_OPEN, everything_overlaps, WANT_CLOSED},
	{"swaps receive buffers in traffic", EVIL_UP, buffer_swapped_in_traffic, WANT_NOTHING},
	{"tears a buffer down while giving it", EVIL_UP, buffer_torn_down_while_given,
	 WANT_NOTHING},
	{"range longer than its pages, after a long one", EVIL_UP, stale_pages, WANT_CLOSED},
	{"too many messages in a packet", EVIL_UP, too_many_messages, WANT_FAILED},
	{"sub-channel storm", EVIL_OPEN, sub_channel_storm, WANT_NOTHING},
};

void attacks_acts(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY(acts); i++) {
		attack_begin("act", acts[i].name, acts[i].level);
		acts[i].fn();
		attack_end(acts[i].want);
	}
}
