/* SPDX-License-Identifier: BSD-3-Clause */
/* NetVSC: bringing an adapter up and down. The order of steps is the one that Linux keeps, because
 * hosts are tested with that. */
#include "guest/netvsc/nvsc.h"

#define MTU_DEFAULT	1500u
#define RING_PAGES	32u
#define RX_BYTES	(8u << 20)
#define RX_BYTES_V2	(15u << 20) /* most that NVSP 2 and older take */
#define TX_BYTES	(1u << 20)
#define SUB_ALLOC_MIN	68u
#define SUB_ALLOC_MAX	(512u << 10)
#define SECTIONS_MAX	(1u << 16)
#define ETH_HDR		14u
#define ETH_TAG		4u
#define MSG_OVERHEAD	(44u + NVSC_VLAN_PPI_SIZE + ETH_HDR + ETH_TAG)
#define RSS_CAPS_SIZE	18u
#define OFFLOAD_PARM_V4 22u
#define OFFLOAD_PARM_V5 28u
#define HASH_LINUX	0x1701u /* Toeplitz over IPv4, IPv6 and TCP on them */

static const uint32_t versions[] = {NVSP_V6_1, NVSP_V6, NVSP_V5, NVSP_V4, NVSP_V2, NVSP_V1};

static const uint8_t rss_key[NDIS_RSS_KEY_SIZE] = {
	0x4d, 0x1b, 0x93, 0x27, 0xe5, 0x6a, 0x0c, 0xf8, 0x31, 0x9e, 0x72, 0xd4, 0xab, 0x05,
	0xc6, 0x5f, 0x88, 0x13, 0xba, 0x47, 0x2c, 0xe1, 0x7d, 0x90, 0x36, 0xfb, 0x64, 0xad,
	0x58, 0xc2, 0x0f, 0x99, 0x71, 0xde, 0x23, 0xb6, 0x4a, 0x8d, 0x15, 0xe7};

static uint32_t pages_of(uint64_t bytes)
{
	return (uint32_t)((bytes + VMBUS_PAGE_SIZE - 1) / VMBUS_PAGE_SIZE);
}

/* Memory for @nr_pages: what is there already if it is large enough. */
static void *mem_get(struct nvsc_nic *nic, struct nvsc_mem *m, uint32_t nr_pages)
{
	if (m->nr_pages < nr_pages) {
		m->ptr = nic->bus->t.ops->alloc(nic->bus->t.ctx, nr_pages);
		m->nr_pages = m->ptr ? nr_pages : 0;
	}
	return m->ptr;
}

/* ---- NVSP ---------------------------------------------------------------------------------- */

static int nvsp_ndis_config(struct nvsc_nic *nic)
{
	struct nvsp_msg m = {.type = NVSP_MSG_NDIS_CONFIG};

	if (nic->version < NVSP_V2)
		return 0;
	m.ndis_config.mtu = nic->cfg.mtu + ETH_HDR;
	m.ndis_config.capabilities = NVSP_NDIS_CAP_8021Q;
	if (nic->version >= NVSP_V5)
		m.ndis_config.capabilities |= NVSP_NDIS_CAP_TEAMING;
	return nvsc_nvsp_call(nic, &m, 0);
}

static int nvsp_version(struct nvsc_nic *nic)
{
	uint32_t max = nic->cfg.max_version ? nic->cfg.max_version : NVSP_V6_1;
	struct nvsp_msg m = {.type = NVSP_MSG_INIT};
	unsigned int i;
	int rc;

	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (versions[i] > max)
			continue;
		m.init.min_version = m.init.max_version = versions[i];
		rc = nvsc_nvsp_call(nic, &m, NVSP_MSG_INIT_COMPLETE);
		if (rc)
			return rc;
		if (nic->ctl.reply.init_complete.status == NVSP_STATUS_SUCCESS) {
			nic->version = versions[i];
			return nvsp_ndis_config(nic);
		}
	}
	return NVSC_E_IO;
}

static int nvsp_ndis_version(struct nvsc_nic *nic)
{
	struct nvsp_msg m = {.type = NVSP_MSG_NDIS_VER, .ndis_ver.major = 6};

	m.ndis_ver.minor = nic->version >= NVSP_V5 ? 30 : 1;
	return nvsc_nvsp_call(nic, &m, 0);
}

/* Page numbers of the receive buffer for forwarding: a base when they are contiguous, else a table. */
static int find_pfns(struct nvsc_nic *nic, uint32_t nr_pages)
{
	const struct nvsc_bus *b = nic->bus;
	bool is_flat = true;
	uint64_t *table;
	uint32_t i;

	table = mem_get(nic, &nic->pfn_mem, pages_of((uint64_t)nr_pages * 8));
	if (!table)
		return NVSC_E_NOMEM;
	for (i = 0; i < nr_pages; i++) {
		table[i] = b->t.ops->gpa(b->t.ctx, nic->rx + (uint64_t)i * VMBUS_PAGE_SIZE) /
			   VMBUS_PAGE_SIZE;
		is_flat &= table[i] == table[0] + i;
	}
	nic->rx_pfn0 = table[0];
	nic->rx_pfn = is_flat ? NULL : table;
	return 0;
}

static int check_recv_answer(struct nvsc_nic *nic)
{
	const struct nvsp_msg *m = &nic->ctl.reply;

	if (m->recv_buf_complete.status != NVSP_STATUS_SUCCESS)
		return NVSC_E_IO;
	nic->sub_alloc = m->recv_buf_complete.sub_alloc_size;
	nic->nr_rx_sections = m->recv_buf_complete.num_sub_allocs;
	if (m->recv_buf_complete.num_sections != 1 || m->recv_buf_complete.offset ||
	    nic->sub_alloc < SUB_ALLOC_MIN || nic->sub_alloc > SUB_ALLOC_MAX ||
	    nic->sub_alloc > nic->rx_size || !nic->nr_rx_sections ||
	    nic->nr_rx_sections > SECTIONS_MAX ||
	    (uint64_t)nic->sub_alloc * nic->nr_rx_sections > nic->rx_size)
		return NVSC_E_PROTO;
	return 0;
}

static int nvsp_recv_buf(struct nvsc_nic *nic)
{
	uint32_t bytes = nic->cfg.rx_bytes ? nic->cfg.rx_bytes : RX_BYTES, pages;
	struct nvsp_msg m = {.type = NVSP_MSG_RECV_BUF};
	int rc;

	if (nic->version <= NVSP_V2 && bytes > RX_BYTES_V2)
		bytes = RX_BYTES_V2;
	pages = pages_of(bytes);
	nic->rx = mem_get(nic, &nic->rx_mem, pages);
	if (!nic->rx)
		return NVSC_E_NOMEM;
	nic->rx_size = pages * VMBUS_PAGE_SIZE;
	rc = find_pfns(nic, pages);
	if (!rc)
		rc = nvsc_gpadl_create(nic->bus, nic->ch, nic->rx, pages, &nic->rx_gpadl);
	if (rc)
		return rc;
	m.buf.gpadl = nic->rx_gpadl;
	m.buf.id = NVSP_RECV_BUF_ID;
	rc = nvsc_nvsp_call(nic, &m, NVSP_MSG_RECV_BUF_COMPLETE);
	return rc ? rc : check_recv_answer(nic);
}

static int nvsp_send_buf(struct nvsc_nic *nic)
{
	uint32_t pages = pages_of(nic->cfg.tx_bytes ? nic->cfg.tx_bytes : TX_BYTES);
	struct nvsp_msg m = {.type = NVSP_MSG_SEND_BUF};
	int rc;

	nic->tx = mem_get(nic, &nic->tx_mem, pages);
	if (!nic->tx)
		return NVSC_E_NOMEM;
	rc = nvsc_gpadl_create(nic->bus, nic->ch, nic->tx, pages, &nic->tx_gpadl);
	if (rc)
		return rc;
	m.buf.gpadl = nic->tx_gpadl;
	rc = nvsc_nvsp_call(nic, &m, NVSP_MSG_SEND_BUF_COMPLETE);
	if (rc)
		return rc;
	if (nic->ctl.reply.send_buf_complete.status != NVSP_STATUS_SUCCESS)
		return NVSC_E_IO;
	nic->section_size = nic->ctl.reply.send_buf_complete.section_size;
	if (nic->section_size < SUB_ALLOC_MIN || nic->section_size > pages * VMBUS_PAGE_SIZE)
		return NVSC_E_PROTO;
	nic->nr_tx_sections = pages * VMBUS_PAGE_SIZE / nic->section_size;
	return 0;
}

/* ---- Queues -------------------------------------------------------------------------------- */

/* Buffers for frames that no send section holds. */
static int big_init(struct nvsc_nic *nic, struct nvsc_queue *q)
{
	uint32_t i;

	nic->big_pages = 0;
	q->nr_big = 0;
	if (nic->cfg.mtu + MSG_OVERHEAD <= nic->section_size)
		return 0;
	nic->big_pages = pages_of(nic->cfg.mtu + MSG_OVERHEAD);
	q->big = mem_get(nic, &nic->big_mem[q->index], NVSC_BIG_BUFFERS * nic->big_pages);
	if (!q->big)
		return NVSC_E_NOMEM;
	for (i = 0; i < NVSC_BIG_BUFFERS; i++)
		q->big_free[q->nr_big++] = i;
	return 0;
}

/* Gives queue @i its share of the send sections. */
static int queue_start(struct nvsc_nic *nic, uint32_t i, struct nvsc_chan *ch)
{
	uint32_t share = nic->nr_queues ? nic->nr_tx_sections / nic->nr_queues : 0;
	struct nvsc_queue *q = &nic->queue[i];
	void *mem;

	q->nic = nic;
	q->index = i;
	mem = mem_get(nic, &nic->queue_mem[i], pages_of(nvsc_queue_bytes(nic, share)));
	if (!mem)
		return NVSC_E_NOMEM;
	nvsc_queue_init(q, ch, mem, i * share, share);
	return nic->nr_tx_sections ? big_init(nic, q) : 0;
}

static int open_queue_channel(struct nvsc_nic *nic, uint32_t i, struct nvsc_chan *ch)
{
	uint32_t pages = nic->cfg.ring_pages ? nic->cfg.ring_pages : RING_PAGES;
	uint32_t vps = nic->cfg.nr_vps ? nic->cfg.nr_vps : 1;
	void *mem = mem_get(nic, &nic->ring_mem[i], 2 * pages);

	if (!mem)
		return NVSC_E_NOMEM;
	return nvsc_chan_open(nic->bus, ch, mem, pages, i % vps);
}

/* Waits for the offer of sub-channel @i. */
static struct nvsc_chan *await_sub(struct nvsc_nic *nic, uint16_t i)
{
	const struct nvsc_transport *t = &nic->bus->t;
	uint64_t deadline = t->ops->now(t->ctx) + nic->bus->timeout;
	struct nvsc_chan *ch;

	for (;;) {
		ch = nvsc_bus_sub(nic->bus, nic->ch, i);
		if (ch || nic->ch->is_rescinded || t->ops->now(t->ctx) > deadline)
			return ch;
		if (!nvsc_ctl_step(nic))
			t->ops->relax(t->ctx);
	}
}

static int open_subs(struct nvsc_nic *nic, uint32_t granted)
{
	struct nvsc_chan *ch;
	uint32_t i;
	int rc;

	for (i = 1; i <= granted; i++) {
		ch = await_sub(nic, (uint16_t)i);
		if (!ch)
			return NVSC_E_TIMEDOUT;
		ch->is_owned = true;
		rc = open_queue_channel(nic, i, ch);
		if (rc) {
			nvsc_chan_release(nic->bus, ch);
			return rc;
		}
		nic->queue[i].ch = NULL; /* so that queue_start() takes the new rings */
		nic->nr_queues = i + 1;
		rc = queue_start(nic, i, ch);
		if (rc)
			return rc;
	}
	for (i = 0; i < nic->nr_queues; i++) { /* shares, now that the number is known */
		rc = queue_start(nic, i, nic->queue[i].ch);
		if (rc)
			return rc;
	}
	return 0;
}

static int set_rss(struct nvsc_nic *nic, uint16_t flags)
{
	struct {
		struct ndis_rss_params p;
		uint32_t table[NDIS_RSS_TABLE_MAX];
		uint8_t key[NDIS_RSS_KEY_SIZE];
	} m = {.p = {.hdr = {NDIS_OBJECT_RSS_PARAMS, 2, sizeof(m.p)},
		     .flags = flags,
		     .hash_info = HASH_LINUX,
		     .table_size = sizeof(m.table),
		     .table_offset = sizeof(m.p),
		     .key_size = sizeof(m.key),
		     .key_offset = sizeof(m.p) + sizeof(m.table)}};
	unsigned int i;

	for (i = 0; i < NDIS_RSS_TABLE_MAX; i++)
		m.table[i] = i % nic->nr_queues;
	__builtin_memcpy(m.key, rss_key, sizeof(m.key));
	return nvsc_rndis_set(nic, OID_GEN_RECEIVE_SCALE_PARAMETERS, &m, sizeof(m));
}

uint32_t nvsc_rss_queue(const struct nvsc_nic *nic, uint32_t src_ip, uint32_t dst_ip)
{
	uint64_t input = (uint64_t)src_ip << 32 | dst_ip;
	uint32_t window = 0, hash = 0, bit;

	for (bit = 0; bit < 32; bit++)
		window = window << 1 | (rss_key[bit / 8] >> (7 - bit % 8) & 1);
	for (bit = 0; bit < 64; bit++) {
		if (input >> (63 - bit) & 1)
			hash ^= window;
		window = window << 1 | (rss_key[4 + bit / 8] >> (7 - bit % 8) & 1);
	}
	return hash % NDIS_RSS_TABLE_MAX % (nic->nr_queues ? nic->nr_queues : 1);
}

/* More queues, as many as both sides want. A host that refuses leaves us with one. */
static int multi_queue(struct nvsc_nic *nic)
{
	uint32_t want = nic->cfg.nr_queues;
	struct nvsp_msg m = {.type = NVSP_MSG_SUBCHANNEL, .subchannel.op = 1};
	uint32_t i;
	int rc;

	if (want > nic->rss_caps_queues)
		want = nic->rss_caps_queues;
	if (want < 2)
		return 0;
	m.subchannel.num = want - 1;
	rc = nvsc_nvsp_call(nic, &m, NVSP_MSG_SUBCHANNEL);
	if (rc)
		return rc;
	if (nic->ctl.reply.subchannel_complete.status != NVSP_STATUS_SUCCESS)
		return 0;
	if (nic->ctl.reply.subchannel_complete.num > want - 1)
		return NVSC_E_PROTO;
	rc = open_subs(nic, nic->ctl.reply.subchannel_complete.num);
	if (rc || nic->nr_queues < 2)
		return rc;
	for (i = 0; i < NVSP_SEND_TABLE_COUNT; i++)
		nic->send_table[i] = i % nic->nr_queues;
	rc = set_rss(nic, NDIS_RSS_DISABLE);
	if (!rc || rc == NVSC_E_IO)
		rc = set_rss(nic, 0);
	return rc == NVSC_E_IO ? 0 : rc; /* a refusal costs speed only */
}

/* ---- RNDIS --------------------------------------------------------------------------------- */

static int query_u32(struct nvsc_nic *nic, uint32_t oid, uint32_t *out)
{
	int rc = nvsc_rndis_query(nic, oid, out, 0, sizeof(*out));

	if (rc < 0)
		return rc;
	return rc == sizeof(*out) ? 0 : NVSC_E_PROTO;
}

static int query_mac(struct nvsc_nic *nic)
{
	int rc = nvsc_rndis_query(nic, OID_802_3_PERMANENT_ADDRESS, nic->mac, 0, sizeof(nic->mac));

	if (rc < 0)
		return rc;
	return rc == sizeof(nic->mac) ? 0 : NVSC_E_PROTO;
}

/* We ask for no offload; the dialogue is one that hosts expect. */
static int offloads(struct nvsc_nic *nic)
{
	union {
		struct ndis_object_hdr hdr;
		uint8_t bytes[NDIS_OFFLOAD_SIZE];
	} caps = {.hdr = {NDIS_OBJECT_OFFLOAD, 3, NDIS_OFFLOAD_SIZE}};
	uint8_t parm[OFFLOAD_PARM_V5] = {NDIS_OBJECT_OFFLOAD_PARM, 3, OFFLOAD_PARM_V5};
	uint32_t len = OFFLOAD_PARM_V5;
	int rc;

	rc = nvsc_rndis_query(nic, (uint32_t)OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, &caps,
			      sizeof(caps), sizeof(caps));
	if (rc < 0)
		return rc;
	if (rc < (int)NDIS_OFFLOAD_SIZE_REV1 || caps.hdr.type != NDIS_OBJECT_OFFLOAD ||
	    !caps.hdr.revision || caps.hdr.size > rc || caps.hdr.size < NDIS_OFFLOAD_SIZE_REV1)
		return NVSC_E_PROTO;
	if (nic->version < NVSP_V5) {
		parm[1] = 2;
		parm[2] = OFFLOAD_PARM_V4;
		len = OFFLOAD_PARM_V4;
	}
	for (rc = 4; rc <= 8; rc++)
		parm[rc] = 1;	 /* checksums off */
	parm[11] = parm[12] = 1; /* LSO off */
	return nvsc_rndis_set(nic, (uint32_t)OID_TCP_OFFLOAD_PARAMETERS, parm, len);
}

static int query_rss(struct nvsc_nic *nic)
{
	union {
		struct ndis_object_hdr hdr;
		uint8_t bytes[RSS_CAPS_SIZE];
	} caps = {.hdr = {NDIS_OBJECT_RSS_CAPS, 2, RSS_CAPS_SIZE}};
	int rc;

	nic->rss_caps_queues = 1;
	rc = nvsc_rndis_query(nic, OID_GEN_RECEIVE_SCALE_CAPABILITIES, &caps, sizeof(caps),
			      sizeof(caps));
	if (rc == NVSC_E_IO)
		return 0;
	if (rc < 0)
		return rc;
	if (rc < (int)RSS_CAPS_SIZE || caps.hdr.type != NDIS_OBJECT_RSS_CAPS)
		return NVSC_E_PROTO;
	__builtin_memcpy(&nic->rss_caps_queues, caps.bytes + 12, 4);
	return 0;
}

static int rndis_dialogue(struct nvsc_nic *nic)
{
	uint8_t name[512];
	uint32_t media = 0;
	int rc = nvsc_rndis_init(nic);

	if (!rc)
		rc = query_u32(nic, OID_GEN_MAXIMUM_FRAME_SIZE, &nic->max_frame);
	if (!rc)
		rc = query_mac(nic);
	if (!rc)
		rc = nvsc_rndis_query(nic, OID_GEN_FRIENDLY_NAME, name, 0, sizeof(name));
	if (rc >= 0 || rc == NVSC_E_IO) /* the name is optional */
		rc = offloads(nic);
	if (!rc)
		rc = query_u32(nic, OID_GEN_MEDIA_CONNECT_STATUS, &media);
	nic->is_link_up = media == 0;
	if (rc || nic->version < NVSP_V5)
		return rc;
	rc = query_u32(nic, OID_GEN_LINK_SPEED, &nic->link_speed);
	if (!rc)
		rc = query_rss(nic);
	return rc ? rc : multi_queue(nic);
}

int nvsc_set_filter(struct nvsc_nic *nic, uint32_t filter)
{
	return nvsc_rndis_set(nic, OID_GEN_CURRENT_PACKET_FILTER, &filter, sizeof(filter));
}

/* ---- Up and down --------------------------------------------------------------------------- */

static void reset(struct nvsc_nic *nic, struct nvsc_bus *bus, struct nvsc_chan *ch,
		  const struct nvsc_cfg *cfg)
{
	uint32_t i;

	for (i = 0; i < NVSC_QUEUES_MAX; i++)
		__builtin_memset(&nic->queue[i], 0, sizeof(nic->queue[i]));
	__builtin_memset(&nic->ctl, 0, sizeof(nic->ctl));
	nic->bus = bus;
	nic->ch = ch;
	nic->cfg = *cfg;
	if (!nic->cfg.mtu)
		nic->cfg.mtu = MTU_DEFAULT;
	nic->rx = nic->tx = NULL;
	nic->rx_gpadl = nic->tx_gpadl = 0;
	nic->nr_rx_sections = nic->nr_tx_sections = 0;
	nic->version = nic->nr_queues = nic->rss_caps_queues = 0;
	nic->is_rndis_up = nic->owes_revoke = false;
	nic->max_pkts = nic->align = 1;
	ch->is_owned = true;
}

static int bring_up(struct nvsc_nic *nic)
{
	uint32_t filter = nic->cfg.filter, i;
	int rc = open_queue_channel(nic, 0, nic->ch);

	if (!rc)
		rc = queue_start(nic, 0, nic->ch);
	nic->nr_queues = 1;
	if (!rc)
		rc = nvsp_version(nic);
	if (!rc)
		rc = nvsp_ndis_version(nic);
	if (!rc)
		rc = nvsp_recv_buf(nic);
	if (!rc)
		rc = nvsp_send_buf(nic);
	if (!rc)
		rc = queue_start(nic, 0, nic->ch);
	if (!rc)
		rc = rndis_dialogue(nic);
	if (rc)
		return rc;
	if (!filter)
		filter = NDIS_FILTER_DIRECTED | NDIS_FILTER_ALL_MULTICAST | NDIS_FILTER_BROADCAST;
	rc = nvsc_set_filter(nic, filter);
	for (i = 0; i < nic->nr_queues; i++)
		nvsc_queue_disarm(&nic->queue[i]);
	return rc;
}

int nvsc_open(struct nvsc_nic *nic, struct nvsc_bus *bus, struct nvsc_chan *ch,
	      const struct nvsc_cfg *cfg)
{
	int rc;

	if (cfg->nr_queues > NVSC_QUEUES_MAX || ch->is_owned || ch->sub_index)
		return NVSC_E_INVAL;
	if (ch->is_rescinded)
		return NVSC_E_NODEV;
	reset(nic, bus, ch, cfg);
	if (!mem_get(nic, &nic->ctl_mem, 1)) {
		nvsc_chan_release(bus, ch);
		return NVSC_E_NOMEM;
	}
	rc = bring_up(nic);
	if (rc)
		nvsc_close(nic);
	return rc;
}

/* One step towards empty: true while something is outstanding or came. What was known to have come may not be all. */
static bool drain_step(struct nvsc_nic *nic)
{
	struct nvsc_frame f[16];
	bool is_busy = false;
	unsigned int n;
	uint32_t i;

	for (i = 0; i < nic->nr_queues; i++) {
		struct nvsc_queue *q = &nic->queue[i];
		uint32_t read = q->in.own;

		n = nvsc_rx_burst(q, f, 16);
		nvsc_rx_drop(q, f, n);
		q->stats.rx_dropped += n;
		nvsc_flush(q);
		is_busy |= n || read != q->in.own ||
			   (!q->fault && (nvsc_tx_pending(q) || nvsc_rx_owes(q) || q->in_avail ||
					  vmbus_ring_space(&q->out) != (int32_t)q->out.size - 8));
	}
	return is_busy;
}

static int drain(struct nvsc_nic *nic)
{
	const struct nvsc_transport *t = &nic->bus->t;
	uint64_t deadline = t->ops->now(t->ctx) + nic->bus->timeout;

	while (drain_step(nic)) {
		nvsc_bus_poll(nic->bus);
		if (nic->ch->is_rescinded)
			return NVSC_E_NODEV;
		if (t->ops->now(t->ctx) > deadline)
			return NVSC_E_TIMEDOUT;
		t->ops->relax(t->ctx);
	}
	return 0;
}

static int revoke_recv(struct nvsc_nic *nic)
{
	struct nvsp_msg m = {.type = NVSP_MSG_REVOKE_RECV_BUF, .revoke.id = NVSP_RECV_BUF_ID};

	nic->owes_revoke = false;
	return nvsc_nvsp_call(nic, &m, 0);
}

int nvsc_rx_revoke(struct nvsc_nic *nic, bool is_told)
{
	uint32_t i;
	int rc = 0;

	if (!nic->rx_gpadl)
		return NVSC_E_INVAL;
	nic->owes_revoke = true;
	if (is_told)
		rc = revoke_recv(nic);
	if (!rc)
		rc = nvsc_gpadl_teardown(nic->bus, nic->ch, nic->rx_gpadl);
	if (rc)
		return rc;
	nic->rx_gpadl = 0;
	nic->rx = NULL;
	for (i = 0; i < nic->nr_queues; i++)
		nvsc_rx_skip(&nic->queue[i]);
	return 0;
}

/* Numbers of sections mean those of the new buffer as soon as there is one: the old ones go back before. */
int nvsc_rx_renew(struct nvsc_nic *nic)
{
	int rc = 0;

	if (nic->rx_gpadl)
		return NVSC_E_INVAL;
	if (nic->owes_revoke)
		rc = revoke_recv(nic);
	if (!rc)
		rc = drain(nic);
	if (!rc)
		rc = nvsp_recv_buf(nic);
	if (!rc && nic->nr_rx_sections > nic->queue[0].nr_recs)
		rc = NVSC_E_PROTO;
	return rc;
}

static int revoke(struct nvsc_nic *nic)
{
	struct nvsp_msg send = {.type = NVSP_MSG_REVOKE_SEND_BUF};
	int rc = 0;

	if (nic->rx_gpadl)
		rc = revoke_recv(nic);
	if (!rc && nic->tx_gpadl)
		rc = nvsc_nvsp_call(nic, &send, 0);
	return rc;
}

static int teardown_buffers(struct nvsc_nic *nic)
{
	int rc = 0, rc2 = 0;

	if (nic->rx_gpadl)
		rc = nvsc_gpadl_teardown(nic->bus, nic->ch, nic->rx_gpadl);
	if (nic->tx_gpadl)
		rc2 = nvsc_gpadl_teardown(nic->bus, nic->ch, nic->tx_gpadl);
	nic->rx_gpadl = nic->tx_gpadl = 0;
	nic->rx = nic->tx = NULL;
	return rc ? rc : rc2;
}

/* The polite part of the end: may fail with a host that is gone. */
static int quiesce(struct nvsc_nic *nic)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < nic->nr_queues; i++)
		nvsc_queue_arm(&nic->queue[i]);
	if (nic->is_rndis_up) {
		rc = nvsc_set_filter(nic, 0);
		if (!rc)
			rc = drain(nic);
		if (!rc)
			rc = nvsc_rndis_halt(nic);
	}
	return rc ? rc : revoke(nic);
}

static int close_channels(struct nvsc_nic *nic)
{
	struct nvsc_chan *ch;
	int rc = 0, rc2;
	uint32_t i;

	for (i = nic->nr_queues ? nic->nr_queues : 1; i-- > 0;) {
		ch = i ? nic->queue[i].ch : nic->ch;
		nic->queue[i].ch = NULL;
		if (!ch)
			continue;
		rc2 = nvsc_chan_close(nic->bus, ch);
		rc = rc ? rc : rc2;
		if (!i)
			continue;
		ch->is_stale = true; /* the host rescinds it; a new open gets a new offer */
		nvsc_chan_release(nic->bus, ch);
	}
	return rc;
}

int nvsc_close(struct nvsc_nic *nic)
{
	int rc = 0, rc2;

	if (!nic->ch)
		return 0;
	if (nic->ch->is_open)
		rc = quiesce(nic);
	if (nic->bus->version < VMBUS_V4_0 && !rc)
		rc = teardown_buffers(nic);
	rc2 = close_channels(nic);
	rc = rc ? rc : rc2;
	rc2 = teardown_buffers(nic);
	nvsc_chan_release(nic->bus, nic->ch);
	nic->ch = NULL;
	nic->nr_queues = 0;
	return rc ? rc : rc2;
}
