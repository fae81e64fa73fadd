/* SPDX-License-Identifier: BSD-3-Clause */
/* The attacker's tools: a partition that rises like a good guest, as far as its attack needs, and
 * then writes to its rings byte by byte. */
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "tests/integ/hostile.h"

#define RING_PAGES 32u
#define SCRATCH	   16u

struct evil evil;

void evil_init(void)
{
	part_init(&evil.part, "evil", RAM_PAGES, 1);
}

/* ---- Life -------------------------------------------------------------------------------------- */

static void connect_bus(void)
{
	struct nvsc_bus_cfg bc = {.transport = part_transport(&evil.part),
				  .timeout = PATIENCE_MS * 10000ull};
	int rc;

	memset(&evil.bus, 0, sizeof(evil.bus));
	rc = nvsc_bus_connect(&evil.bus, &bc);
	must(!rc, "evil: connect: %d", rc);
	evil.ch[0] = nvsc_bus_nic(&evil.bus, 0);
	must(evil.ch[0] && evil.ch[0]->relid == 1, "evil: no adapter with relid 1");
}

static void open_only(void)
{
	int rc;

	evil.ring_mem = part_alloc(&evil.part, 2 * RING_PAGES);
	rc = nvsc_chan_open(&evil.bus, evil.ch[0], evil.ring_mem, RING_PAGES, 0);
	must(!rc, "evil: open: %d", rc);
	evil.in[0] = evil.ch[0]->in;
	evil.out[0] = evil.ch[0]->out;
}

void evil_views(void)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		evil.ch[i] = evil.nic.queue[i].ch;
		evil.in[i] = evil.nic.queue[i].in;
		evil.out[i] = evil.nic.queue[i].out;
	}
}

static void open_nic(uint16_t nr_queues)
{
	struct nvsc_cfg nc = {.nr_queues = nr_queues,
			      .nr_vps = EVIL_VPS,
			      .rx_bytes = 512u << 10,
			      .tx_bytes = 128u << 10,
			      .ring_pages = RING_PAGES};
	int rc = nvsc_open(&evil.nic, &evil.bus, evil.ch[0], &nc);

	must(!rc, "evil: adapter: %d", rc);
	must(evil.nic.nr_queues == nr_queues, "evil: %u queues", evil.nic.nr_queues);
	evil_views();
}

void evil_rise(enum evil_level level)
{
	memset(evil.ch, 0, sizeof(evil.ch));
	memset(evil.in, 0, sizeof(evil.in));
	memset(evil.out, 0, sizeof(evil.out));
	memset(&evil.nic, 0, sizeof(evil.nic));
	evil.ring_mem = NULL;
	evil.nr_done = evil.nr_held = 0;
	evil.received = 0;
	evil.is_hoarding = false;
	evil.next_id = 0x1000;
	part_boot(&evil.part);
	evil.page = part_alloc(&evil.part, SCRATCH);
	if (level >= EVIL_CONNECTED)
		connect_bus();
	if (level == EVIL_OPEN)
		open_only();
	else if (level > EVIL_OPEN)
		open_nic(level == EVIL_QUEUES ? 4 : 1);
}

void evil_fall(void)
{
	int rc;

	if (evil.lives++ % 2 && evil.bus.version && !evil.part.is_deaf) {
		rc = nvsc_bus_unload(&evil.bus);
		must(!rc, "evil: unload is not answered: %d", rc);
	}
	evil.bus.version = 0;
	part_kill(&evil.part);
}

/* ---- Rings -------------------------------------------------------------------------------------- */

void evil_publish(unsigned int q, uint32_t write_index)
{
	__atomic_store_n(&evil.out[q].ctrl->write_index, write_index, __ATOMIC_SEQ_CST);
	fd_kick(evil.part.bell_fd[evil.ch[q]->relid]);
}

void evil_put(unsigned int q, const void *bytes, uint32_t len)
{
	struct vmbus_ring *r = &evil.out[q];
	uint64_t until = now_ms() + PATIENCE_MS;

	while (vmbus_ring_space(r) < (int32_t)len) {
		if (evil_is_closed(q, NULL))
			return;
		must(now_ms() < until, "the switch stopped reading queue %u", q);
		evil_turn();
	}
	vmbus_ring_write(r, r->own, bytes, len);
	r->own = vmbus_ring_wrap(r, r->own + len);
}

void evil_push(unsigned int q, const void *bytes, uint32_t len)
{
	evil_put(q, bytes, len);
	if (!evil_is_closed(q, NULL))
		evil_publish(q, evil.out[q].own);
}

static void take_done(unsigned int q, const struct vmbus_pkt_desc *d)
{
	struct evil_done *e = &evil.done[evil.nr_done++ % 64];
	uint32_t at = vmbus_ring_wrap(&evil.in[q], evil.in[q].own + d->offset8 * 8u);
	uint32_t word[2] = {0, 0}, len = (d->len8 - d->offset8) * 8u;

	vmbus_ring_read(&evil.in[q], at, word, len < 8 ? len : 8);
	*e = (struct evil_done){d->trans_id, word[0], word[1]};
}

static void take_receive(unsigned int q, const struct vmbus_pkt_desc *d)
{
	uint32_t at = vmbus_ring_wrap(&evil.in[q], evil.in[q].own + 16);
	struct vmbus_xfer_range r[2];
	struct vmbus_pkt_xfer x;

	vmbus_ring_read(&evil.in[q], at, &x, sizeof(x));
	must(x.range_count > 0 && x.range_count <= 32, "%u ranges received", x.range_count);
	at += sizeof(x);
	vmbus_ring_read(&evil.in[q], vmbus_ring_wrap(&evil.in[q], at), &r[0], 8);
	at += (x.range_count - 1) * 8;
	vmbus_ring_read(&evil.in[q], vmbus_ring_wrap(&evil.in[q], at), &r[1], 8);
	evil.received += x.range_count;
	if (!evil.is_hoarding || evil.nr_held == 512) {
		evil_give_back(q, d->trans_id);
		return;
	}
	evil.held[evil.nr_held++] =
		(struct evil_held){d->trans_id, r[0].byte_offset, r[1].byte_offset};
}

static void drain(unsigned int q)
{
	int32_t avail = vmbus_ring_avail(&evil.in[q]), total;
	struct vmbus_pkt_desc d;

	while (avail > 0) {
		total = vmbus_ring_peek(&evil.in[q], (uint32_t)avail, &d);
		must(total > 0, "the switch wrote a malformed packet to queue %u", q);
		if (d.type == VMBUS_PKT_COMPLETION)
			take_done(q, &d);
		else if (d.type == VMBUS_PKT_XFER_PAGES)
			take_receive(q, &d);
		vmbus_ring_skip(&evil.in[q], (uint32_t)total);
		avail -= total;
	}
	if (vmbus_ring_publish_read(&evil.in[q]))
		fd_kick(evil.part.bell_fd[evil.ch[q]->relid]);
}

void evil_turn(void)
{
	bool any = part_pump(&evil.part);
	unsigned int q;

	for (q = 0; q < 4; q++) {
		if (evil.ch[q] && evil.in[q].ctrl && evil.in[q].size)
			drain(q);
	}
	if (!any)
		nap_us(20);
}

void evil_give_back(unsigned int q, uint64_t id)
{
	struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE,
			     .rndis_pkt_complete.status = NVSP_STATUS_SUCCESS};
	struct pkt p;

	pkt_begin(&p, VMBUS_PKT_COMPLETION, id);
	p.b[6] = 0; /* wants no completion of its own */
	pkt_end(&p, &m, NVSP_MSG_SIZE);
	if (vmbus_ring_space(&evil.out[q]) >= (int32_t)p.len)
		evil_push(q, p.b, p.len);
}

void evil_give_back_all(void)
{
	while (evil.nr_held)
		evil_give_back(0, evil.held[--evil.nr_held].id);
}

/* ---- What became of it ---------------------------------------------------------------------------- */

bool evil_is_closed(unsigned int q, const char **why)
{
	struct vmbus_server_chan_status st;

	if (!evil.ch[q] || !evil.ch[q]->relid ||
	    !vmbus_server_chan_next(evil.part.server, evil.ch[q]->relid - 1, &st) ||
	    st.relid != evil.ch[q]->relid)
		return true;
	if (why)
		*why = st.reason;
	return st.is_rescinded;
}

static void reason_must_be_readable(const char *why)
{
	size_t i, spaces = 0, n = strlen(why);

	for (i = 0; i < n; i++) {
		must(why[i] >= ' ' && why[i] <= '~', "byte 0x%x in the reason", why[i] & 0xff);
		spaces += why[i] == ' ';
	}
	must(n >= 10 && spaces >= 1, "the reason is \"%s\"", why);
}

void evil_must_be_closed(unsigned int q, const char *why)
{
	uint64_t until = now_ms() + PATIENCE_MS;
	const char *reason = "";

	while (!evil_is_closed(q, &reason)) {
		must(now_ms() < until, "queue %u is not closed", q);
		part_pump(&evil.part);
		nap_us(20);
	}
	reason_must_be_readable(reason);
	must(!why || strstr(reason, why), "the reason is \"%s\", not \"%s\"", reason, why);
}

const struct evil_done *evil_await(uint64_t id)
{
	uint64_t until = now_ms() + PATIENCE_MS;
	const char *why = "";
	unsigned int i;

	for (;;) {
		for (i = 0; i < 64 && i < evil.nr_done; i++) {
			if (evil.done[i].id == id)
				return &evil.done[i];
		}
		must(!evil_is_closed(0, &why), "the channel was closed: %s", why);
		must(now_ms() < until, "packet 0x%lx is never completed", id);
		evil_turn();
	}
}

void evil_must_work(void)
{
	struct pkt p;
	uint64_t id;
	uint32_t len = rndis_marked(evil.page, 200, -1);

	id = pkt_gpa(&p, evil.page, len, NVSP_CHANNEL_DATA);
	evil_push(0, p.b, p.len);
	must(evil_await(id)->word == NVSP_STATUS_SUCCESS, "a good packet fails");
}

void evil_bus_must_work(void)
{
	uint32_t handle;
	int rc = nvsc_gpadl_create(&evil.bus, evil.ch[0], evil.page, 1, &handle);

	must(!rc, "a good GPADL is refused: %d (%s)", rc, evil.part.event);
	rc = nvsc_gpadl_teardown(&evil.bus, evil.ch[0], handle);
	must(!rc, "its teardown: %d", rc);
}

void evil_must_balance(void)
{
	uint64_t until = now_ms() + PATIENCE_MS;
	struct vsw_port_stats s;

	for (;;) {
		switch_port("evil/0", &s);
		if (s.in_packets + s.copies == s.delivered + drops_of(&s))
			return;
		must(now_ms() < until, "in %lu + copies %lu is not delivered %lu + drops %lu",
		     s.in_packets, s.copies, s.delivered, drops_of(&s));
		nap_us(100);
	}
}

/* ---- Builders -------------------------------------------------------------------------------------- */

uint32_t frame_marked(uint8_t *at, uint32_t len, const uint8_t dst[6], const uint8_t src[6])
{
	struct marked m = {.type = MARK_TYPE, .len = (uint16_t)len};

	memcpy(m.dst, dst, 6);
	memcpy(m.src, src, 6);
	memcpy(at, &m, sizeof(m));
	memset(at + sizeof(m), 0x5a, len - sizeof(m));
	return len;
}

uint32_t rndis_marked(uint8_t *at, uint32_t len, int vid)
{
	uint32_t ppi_len = vid >= 0 ? 16 : 0, head = 44 + ppi_len;
	struct rndis_packet h = {.hdr = {RNDIS_MSG_PACKET, head + len},
				 .data_offset = head - RNDIS_REL,
				 .data_len = len,
				 .ppi_offset = ppi_len ? 44 - RNDIS_REL : 0,
				 .ppi_len = ppi_len};
	struct rndis_ppi ppi = {16, RNDIS_PPI_VLAN, sizeof(ppi)};
	uint32_t value = rndis_vlan_from_tci((uint16_t)vid);

	memcpy(at, &h, sizeof(h));
	if (ppi_len) {
		memcpy(at + 44, &ppi, sizeof(ppi));
		memcpy(at + 56, &value, sizeof(value));
	}
	frame_marked(at + head, len, mac_watch, mac_evil);
	return head + len;
}

void pkt_begin(struct pkt *p, uint32_t type, uint64_t id)
{
	const struct vmbus_pkt_desc d = {.type = (uint16_t)type,
					 .flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED,
					 .trans_id = id};

	memcpy(p->b, &d, sizeof(d));
	p->len = sizeof(d);
}

void pkt_add(struct pkt *p, const void *bytes, uint32_t len)
{
	memcpy(p->b + p->len, bytes, len);
	p->len += len;
}

void pkt_end(struct pkt *p, const void *payload, uint32_t len)
{
	uint16_t offset8 = (uint16_t)(p->len / 8), len8;

	pkt_add(p, payload, len);
	len8 = (uint16_t)(p->len / 8);
	memcpy(p->b + 2, &offset8, 2);
	memcpy(p->b + 4, &len8, 2);
	memset(p->b + p->len, 0, VMBUS_PKT_TRAILER);
	p->len += VMBUS_PKT_TRAILER;
}

uint64_t pkt_section(struct pkt *p, uint32_t index, uint32_t len)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
				   .rndis_pkt = {NVSP_CHANNEL_DATA, index, len}};

	pkt_begin(p, VMBUS_PKT_INBAND, ++evil.next_id);
	pkt_end(p, &m, NVSP_MSG_SIZE);
	return evil.next_id;
}

uint64_t pkt_gpa(struct pkt *p, const void *at, uint32_t len, uint32_t channel_type)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
				   .rndis_pkt = {channel_type, NVSP_SECTION_NONE, 0}};
	uint32_t offset = (uint32_t)((const uint8_t *)at - evil.part.mem) % PAGE;
	uint64_t pfn = part_pfn(&evil.part, at), i, pages = (offset + len + PAGE - 1) / PAGE;
	uint32_t list[4] = {0, 1, len, offset};

	pkt_begin(p, VMBUS_PKT_GPA_DIRECT, ++evil.next_id);
	pkt_add(p, list, sizeof(list));
	for (i = 0; i < pages; i++, pfn++)
		pkt_add(p, &pfn, sizeof(pfn));
	pkt_end(p, &m, NVSP_MSG_SIZE);
	return evil.next_id;
}

uint64_t pkt_nvsp(struct pkt *p, const struct nvsp_msg *m)
{
	pkt_begin(p, VMBUS_PKT_INBAND, ++evil.next_id);
	pkt_end(p, m, NVSP_MSG_SIZE);
	return evil.next_id;
}
