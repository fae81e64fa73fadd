/* SPDX-License-Identifier: BSD-3-Clause */
/* A hostile guest's whole dialogue with its adapter, read from the input: NVSP and RNDIS control,
 * data, completions, wild ring packets and ring indices, guest memory written at any place. The real
 * code runs on it. Checked after each step: every packet taken is completed once and in order,
 * sections are in the pool or the guest's, frames and answers lie where they may. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/eal.h"
#include "tests/support/nvspbed.h"
#include "vswitch/offload.h"
#include "vswitch/vswitch.h"

#define CHANS	   2u
#define RECV_PAGES 100u
#define SEND_PAGES 8u
#define OWN_PAGES  8u
#define OWED_MAX   1024u /* more than a ring has packets */

#define check(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #cond); \
			abort();                                                   \
		}                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- The input ----------------------------------------------------------------------------- */

struct input {
	const uint8_t *p;
	size_t left;
};

static void take(struct input *in, void *dst, size_t n)
{
	size_t have = n < in->left ? n : in->left;

	memset(dst, 0, n);
	memcpy(dst, in->p, have);
	in->p += have;
	in->left -= have;
}

static uint8_t take8(struct input *in)
{
	uint8_t v;

	take(in, &v, 1);
	return v;
}

static uint16_t take16(struct input *in)
{
	uint16_t v;

	take(in, &v, 2);
	return v;
}

static uint32_t take32(struct input *in)
{
	uint32_t v;

	take(in, &v, 4);
	return v;
}

/* ---- The world ----------------------------------------------------------------------------- */

/* Completions that the host owes, by channel: what it took, in order. */
struct owed {
	uint64_t id[OWED_MAX];
	uint32_t head, tail;
};

static struct bed bed;
static struct vsw_vec vec;
static struct owed owed[CHANS];
static uint64_t own_pfn, send_pfn;
static const struct vmbus_gpadl *recv_gpadl[2], *send_gpadl[2];

/* Pages of [@first, @first + @n) in an order that makes no two neighbours. */
static const struct vmbus_gpadl *scattered(uint32_t handle, uint64_t first, uint32_t n)
{
	uint64_t pfns[RECV_PAGES];
	uint32_t i;

	for (i = 0; i < n; i++)
		pfns[i] = first + (i % 2 ? i / 2 : n - 1 - i / 2);
	return bed_gpadl(&bed, handle, pfns, 0, n);
}

static void world_up(void)
{
	static const struct netvsp_nic_cfg cfg = {.mtu = 9000, .max_channels = CHANS};
	uint64_t recv_pfn;
	unsigned int q;

	eal_up();
	bed_create(&bed, &cfg, NULL,
		   BED_CHANS * 2 * BED_RING_PAGES + RECV_PAGES + SEND_PAGES + OWN_PAGES);
	recv_pfn = bed_alloc(&bed, RECV_PAGES);
	own_pfn = bed_alloc(&bed, OWN_PAGES);
	send_pfn = bed_alloc(&bed, SEND_PAGES); /* at the end: what lies behind is not RAM */
	recv_gpadl[0] = bed_gpadl(&bed, 1, NULL, recv_pfn, RECV_PAGES);
	recv_gpadl[1] = scattered(2, recv_pfn, RECV_PAGES);
	send_gpadl[0] = bed_gpadl(&bed, 3, NULL, send_pfn, SEND_PAGES);
	send_gpadl[1] = scattered(4, send_pfn, SEND_PAGES);
	for (q = 0; q < CHANS; q++)
		bed_open(&bed, q);
}

static bool is_over(void)
{
	return bed.nic->chan[0].is_faulted || bed.nic->chan[1].is_faulted;
}

/* ---- Checks -------------------------------------------------------------------------------- */

static bool in_ram(const uint8_t *p, uint64_t len)
{
	const uint64_t bytes = (uint64_t)bed.nr_pages * VMBUS_PAGE_SIZE;

	return p >= bed.ram && (uint64_t)(p - bed.ram) <= bytes &&
	       len <= bytes - (uint64_t)(p - bed.ram);
}

static bool is_completed(const struct vmbus_ring *r, const struct vmbus_pkt_desc *d, uint32_t at)
{
	uint32_t type = 0, len = (d->len8 - d->offset8) * 8u;

	if (d->type == VMBUS_PKT_COMPLETION || !(d->flags & VMBUS_PKT_FLAG_COMPLETION_REQUESTED))
		return false;
	vmbus_ring_read_slow(r, vmbus_ring_wrap(r, at + d->offset8 * 8u), &type, len < 4 ? len : 4);
	return type != NVSP_MSG_NDIS_VER && type != NVSP_MSG_NDIS_CONFIG &&
	       type != NVSP_MSG_REVOKE_RECV_BUF && type != NVSP_MSG_REVOKE_SEND_BUF;
}

/* Packets in [@from, the ring's own index) that the host took. */
static void note_taken(struct owed *o, const struct vmbus_ring *r, uint32_t from)
{
	struct vmbus_pkt_desc d;

	while (from != r->own) {
		vmbus_ring_read_slow(r, from, &d, sizeof(d));
		if (is_completed(r, &d, from)) {
			check(o->tail - o->head < OWED_MAX);
			o->id[o->tail++ % OWED_MAX] = d.trans_id;
		}
		from = vmbus_ring_wrap(r, from + d.len8 * 8u + VMBUS_PKT_TRAILER);
	}
}

static void check_xfer(const struct vmbus_ring *r, const struct vmbus_pkt_desc *d, uint32_t at)
{
	const struct netvsp_state *st = bed.nic->st;
	struct vmbus_xfer_range range;
	struct vmbus_pkt_xfer x;
	uint32_t i;

	at = vmbus_ring_wrap(r, at + (uint32_t)sizeof(*d));
	vmbus_ring_read_slow(r, at, &x, sizeof(x));
	check(x.set_id == NVSP_RECV_BUF_ID && x.range_count >= 1 &&
	      x.range_count <= NETVSP_RANGES_MAX);
	check(d->offset8 * 8u >= sizeof(*d) + sizeof(x) + x.range_count * sizeof(range));
	check(d->trans_id < st->nr_sections);
	check(st->section[d->trans_id].seq != 0);
	for (i = 0; i < x.range_count; i++) {
		at = vmbus_ring_wrap(r, at + 8);
		vmbus_ring_read_slow(r, at, &range, sizeof(range));
		check(range.byte_count >= 8 && range.byte_count <= st->section_size);
		check(range.byte_offset / st->section_size < st->nr_sections);
		check(range.byte_offset % st->section_size + range.byte_count <= st->section_size);
	}
}

/* Packets in [@from, the ring's own index) that the host wrote. */
static void check_written(struct owed *o, const struct vmbus_ring *r, uint32_t from)
{
	struct vmbus_pkt_desc d;

	while (from != r->own) {
		vmbus_ring_read_slow(r, from, &d, sizeof(d));
		check(d.len8 >= d.offset8 && d.offset8 >= 2);
		if (d.type == VMBUS_PKT_COMPLETION) {
			check(o->head != o->tail);
			check(d.trans_id == o->id[o->head % OWED_MAX]);
			o->head++;
		} else {
			check(d.type == VMBUS_PKT_XFER_PAGES);
			check_xfer(r, &d, from);
		}
		from = vmbus_ring_wrap(r, from + d.len8 * 8u + VMBUS_PKT_TRAILER);
	}
}

static void check_sections(void)
{
	const struct netvsp_state *st = bed.nic->st;
	uint32_t i, held = 0;

	for (i = 0; i < st->nr_sections; i++)
		held += st->section[i].seq != 0;
	check(bed.nic->pool.nr + held == st->nr_sections);
}

/* Whoever delivers relies on what the flags say. */
static void check_offload(const struct nethv_pkt *p)
{
	if (p->flags & NETHV_PKT_CSUM) {
		check(p->l3_off < p->l4_off && p->l4_off + 8u <= p->hdr_len);
		check(!(p->csum & NETHV_CSUM_TCP) || p->l4_off + 20u <= p->hdr_len);
		check(p->l4_off + vsw_l4_len(p) <= p->len && vsw_l4_len(p) >= 8);
	}
	if (p->flags & NETHV_PKT_LSO) {
		check(p->l3_off < p->l4_off && p->l4_off + 20u <= vsw_lso_hdr_len(p));
		check(vsw_lso_hdr_len(p) <= p->hdr_len && vsw_lso_hdr_len(p) < p->len);
		check(p->lso_mss >= VSW_LSO_MSS_MIN && vsw_lso_segments(p) >= 1);
	}
}

/* Copying finds bytes beyond the guest's memory by the sanitizer; the pointers are looked at, too. */
static void check_frame(const struct vsw_slot *s)
{
	const struct nethv_pkt *p = &s->pkt;
	uint64_t bytes = 0;
	uint8_t *copy;
	uint32_t i;

	check(vsw_hdr(p) >= s->snap && vsw_hdr(p) + p->hdr_len <= s->snap + VSW_SNAP_SIZE);
	check(p->len >= VSW_FRAME_MIN);
	check(p->len <= (p->flags & NETHV_PKT_LSO ? VSW_LSO_MAX : bed.nic->st->mtu + 18u));
	check_offload(p);
	check(p->hdr_len <= p->len && p->hdr_len >= (p->len < 64 ? p->len : 64));
	if (s->data)
		check(in_ram(s->data, p->len));
	for (i = 0; !s->data && i < s->sg_count; i++) {
		check(in_ram(vec.sg[s->sg_first + i].ptr, vec.sg[s->sg_first + i].len));
		bytes += vec.sg[s->sg_first + i].len;
	}
	check(s->data || bytes >= (uint64_t)s->sg_off + p->len);
	copy = malloc(p->len);
	check(copy);
	vsw_slot_copy_frame(&vec, s, copy);
	free(copy);
}

/* ---- The host's turn ----------------------------------------------------------------------- */

struct before {
	uint32_t in[CHANS], out[CHANS];
};

static struct before where(void)
{
	struct before w;
	unsigned int q;

	for (q = 0; q < CHANS; q++) {
		w.in[q] = bed.nic->chan[q].in.own;
		w.out[q] = bed.nic->chan[q].out.own;
	}
	return w;
}

static void check_since(const struct before *w)
{
	unsigned int q;

	for (q = 0; q < CHANS; q++) {
		note_taken(&owed[q], &bed.nic->chan[q].in, w->in[q]);
		check_written(&owed[q], &bed.nic->chan[q].out, w->out[q]);
	}
	check_sections();
}

/* Each segment was delivered or lost. */
static void check_segments(const uint16_t *idx, uint16_t n)
{
	uint64_t made = 0, seen = vec.cut.sent;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!(vec.slot[idx[i]].pkt.flags & NETHV_PKT_LSO))
			continue;
		made += vsw_lso_segments(&vec.slot[idx[i]].pkt) - 1;
	}
	for (i = 0; i < VSW_DROP_COUNT; i++)
		seen += vec.cut.lost[i];
	/* Those that no channel, or a filter, kept from being cut are one packet each. */
	check(seen <= made && (vec.nr_cut || seen == 0));
}

/* The frames received go back to where they came from. */
static void deliver(void)
{
	uint8_t reason[VSW_VEC_SIZE] = {0};
	uint16_t idx[VSW_VEC_SIZE], n = 0, given, i, lost = 0;
	struct before w = where();

	for (i = 0; i < vec.n; i++) {
		if (vec.slot[i].pkt.drop_reason) {
			check(vec.slot[i].pkt.drop_reason < VSW_DROP_COUNT);
			continue;
		}
		check_frame(&vec.slot[i]);
		idx[n++] = i;
	}
	if (n == 0)
		return;
	memset(&vec.cut, 0, sizeof(vec.cut));
	vec.nr_cut = 0;
	given = netvsp_tx(bed.nic, &vec, idx, n, reason);
	for (i = 0; i < n; i++)
		lost += reason[i] != 0;
	check(given + lost == n);
	check_segments(idx, n);
	check_since(&w);
}

static void host_turn(unsigned int q)
{
	struct before w = where();
	uint16_t n;

	vec.n = 0;
	vec.nr_sg = 0;
	if (bed.nic->chan[0].waits_for_path)
		vsw_event_process(bed.sw);
	n = netvsp_rx(bed.nic, (uint16_t)q, &vec);
	check(n <= VSW_VEC_SIZE);
	vec.n = n;
	check_since(&w);
	if (n == 0)
		return;
	deliver();
	w = where();
	netvsp_rx_done(bed.nic, (uint16_t)q, &vec);
	check_since(&w);
}

/* ---- The guest's turns --------------------------------------------------------------------- */

static void guest_nvsp(struct input *in, unsigned int q)
{
	static const uint32_t type[16] = {1,   1,   100, 101, 103, 104, 106, 107,
					  108, 125, 129, 133, 0,   2,	128, 0xFFFFFFFF};
	uint8_t what = take8(in), len = take8(in);
	struct nvsp_msg m = {.type = type[what & 15]};
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND, .offset8 = 2, .len8 = 7};

	d.flags = !(what & 0x80);
	d.trans_id = take8(in);
	take(in, m.pad, len < sizeof(m.pad) ? len : sizeof(m.pad));
	bed_send(&bed, q, &d, NULL, 0, &m, sizeof(m));
}

/* A list of GPA ranges that is right but for what the input says. Returns its bytes. */
static uint32_t range_list(struct input *in, uint8_t *buf, uint32_t room)
{
	struct vmbus_pkt_gpa_direct h = {0, take8(in) % 34};
	uint32_t at = sizeof(h), r, i, pages;
	struct vmbus_gpa_range g;
	uint64_t pfn;

	memcpy(buf, &h, sizeof(h));
	for (r = 0; r < h.range_count; r++) {
		g.byte_count = take16(in);
		g.byte_offset = take16(in) & 0x1FFF;
		pages = (g.byte_offset + g.byte_count + VMBUS_PAGE_SIZE - 1) / VMBUS_PAGE_SIZE;
		if (at + sizeof(g) + pages * 8 > room)
			break;
		memcpy(buf + at, &g, sizeof(g));
		at += (uint32_t)sizeof(g);
		for (i = 0; i < pages; i++, at += 8) {
			pfn = take8(in);
			pfn = pfn < 0xF0 ? own_pfn + pfn % (OWN_PAGES + 1) : pfn << (pfn & 63);
			memcpy(buf + at, &pfn, 8);
		}
	}
	return at;
}

static void guest_packet(struct input *in, unsigned int q)
{
	uint8_t what = take8(in), list[1024];
	struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT};
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND, .flags = !(what & 0x40)};
	uint32_t list_len = 0;

	m.rndis_pkt.channel_type = what & 1;
	m.rndis_pkt.section_index = what & 2 ? take8(in) : NVSP_SECTION_NONE;
	m.rndis_pkt.section_size = what & 2 ? take16(in) : 0;
	if (what & 4) {
		d.type = VMBUS_PKT_GPA_DIRECT;
		list_len = range_list(in, list, sizeof(list));
	}
	d.offset8 = (uint16_t)((sizeof(d) + list_len) / 8);
	d.len8 = (uint16_t)(d.offset8 + NVSP_MSG_SIZE / 8);
	d.trans_id = take8(in);
	bed_send(&bed, q, &d, list, list_len, &m, sizeof(m));
}

/* The first pages are the send sections', the others the guest's own. */
static void *ram_at(uint32_t page, uint32_t off, uint32_t len)
{
	const uint64_t end = (uint64_t)bed.nr_pages * VMBUS_PAGE_SIZE;
	uint64_t pfn, at;

	page %= SEND_PAGES + OWN_PAGES;
	pfn = page < SEND_PAGES ? send_pfn + page : own_pfn + page - SEND_PAGES;
	at = pfn * VMBUS_PAGE_SIZE + off % VMBUS_PAGE_SIZE;
	return bed.ram + (len <= end - at ? at : end - len);
}

/* A data message as it should be; later steps may write over it. */
static void guest_frame(struct input *in)
{
	uint8_t page = take8(in), what = take8(in);
	const bool is_v6 = what & 0x20;
	const uint32_t ppi[4][4] = {
		{16, RNDIS_PPI_VLAN, 12, 0x50},
		{16, RNDIS_PPI_HASH, 12, 0xabcd},
		{16, RNDIS_PPI_CSUM, 12, is_v6 ? 6 : 5},
		{16, RNDIS_PPI_LSO, 12, RNDIS_LSO_V2 | (is_v6 ? RNDIS_LSO_IPV6 : 0) | 28}};
	static const uint8_t ip[2][16] = {{0x45}, {0x60, 0, 0, 0, 0, 60, 6}};
	uint32_t off = take8(in) * 16u, len = take16(in) % 9100, ppis = 0, i;
	struct rndis_packet h = {.hdr = {RNDIS_MSG_PACKET}};
	uint8_t buf[sizeof(h) + sizeof(ppi) + 14], *f;

	for (i = 0; i < 4; i++) {
		if (!(what & 1u << i))
			continue;
		memcpy(buf + sizeof(h) + ppis, ppi[i], 16);
		ppis += 16;
	}
	h.ppi_len = ppis;
	h.ppi_offset = ppis ? sizeof(h) - RNDIS_REL : 0;
	h.data_offset = (uint32_t)sizeof(h) - RNDIS_REL + ppis;
	h.data_len = len;
	h.hdr.len = (uint32_t)sizeof(h) + ppis + ((len + 7) & ~7u);
	memcpy(buf, &h, sizeof(h));
	take(in, buf + sizeof(h) + ppis, 14);
	f = ram_at(page, off, sizeof(h) + ppis + 80);
	memcpy(f, buf, sizeof(h) + ppis + 14);
	if (!(what & 0x10))
		return;
	/* TCP/IP behind it, so that offloads find what they speak of. */
	f += sizeof(h) + ppis;
	memcpy(f + 12, is_v6 ? "\x86\xdd" : "\x08\0", 2);
	memcpy(f + 14, ip[is_v6], 16);
	if (!is_v6) {
		f[17] = 60;
		f[23] = 6;
	}
	f[is_v6 ? 66 : 46] = 0x50;
}

static void guest_request(struct input *in)
{
	static const uint32_t oid[] = {
		OID_GEN_SUPPORTED_LIST,		  OID_802_3_PERMANENT_ADDRESS,
		OID_GEN_CURRENT_PACKET_FILTER,	  OID_GEN_RNDIS_CONFIG_PARAMETER,
		OID_TCP_OFFLOAD_PARAMETERS,	  OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES,
		OID_GEN_RECEIVE_SCALE_PARAMETERS, OID_GEN_RECEIVE_SCALE_CAPABILITIES,
		OID_802_3_MULTICAST_LIST,
	};
	uint8_t page = take8(in), what = take8(in), info = take8(in);
	struct rndis_request r = {.hdr = {what & 15}, .req_id = what, .info_len = info};
	uint8_t *at = ram_at(page, 0, sizeof(r) + 255);

	r.oid = oid[(what >> 4) % (sizeof(oid) / sizeof(oid[0]))];
	r.info_offset = sizeof(r) - RNDIS_REL;
	r.hdr.len = (uint32_t)sizeof(r) + info;
	memcpy(at, &r, sizeof(r));
	take(in, at + sizeof(r), info);
}

static void guest_poke(struct input *in)
{
	uint8_t page = take8(in), n = take8(in) % 64;
	uint16_t off = take16(in);

	take(in, ram_at(page, off, n), n);
}

static void guest_control_page(struct input *in, unsigned int q)
{
	struct bed_chan *c = &bed.chan[q];
	uint8_t what = take8(in);
	struct vmbus_ring_ctrl *ctrl = what & 1 ? c->to_host.ctrl : c->from_host.ctrl;
	uint32_t value = what & 0x80 ? take32(in) : take16(in) & 0x1FF8u;

	switch (what >> 1 & 3) {
	case 0: ctrl->write_index = value; break;
	case 1: ctrl->read_index = value; break;
	case 2: ctrl->interrupt_mask = value; break;
	case 3: ctrl->pending_send_sz = value; break;
	}
}

static void guest_wild_packet(struct input *in, unsigned int q)
{
	struct vmbus_pkt_desc d = {.type = take8(in), .offset8 = take8(in), .len8 = take8(in)};
	uint8_t body[64], n = take8(in) % sizeof(body);

	d.flags = take8(in);
	d.trans_id = take8(in);
	take(in, body, n);
	bed_send(&bed, q, &d, NULL, 0, body, n);
}

/* Reads all, and gives sections back: those that it holds, or others. */
static void guest_reads(struct input *in, unsigned int q)
{
	uint8_t what = take8(in), left = what >> 4;
	const struct netvsp_state *st = bed.nic->st;
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_COMPLETION, .offset8 = 2, .len8 = 7};
	struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE};
	uint32_t i;

	__atomic_store_n(&bed.chan[q].from_host.ctrl->read_index, bed.nic->chan[q].out.own,
			 __ATOMIC_RELEASE);
	for (i = 0; i < st->nr_sections && left > 0; i++) {
		if (st->section[i].owner != (NETVSP_SEC_HEAD | (q + 1)) || !st->section[i].seq)
			continue;
		d.trans_id = i;
		bed_send(&bed, q, &d, NULL, 0, &m, sizeof(m));
		left--;
	}
	if (!(what & 1))
		return;
	d.trans_id = take16(in);
	bed_send(&bed, q, &d, NULL, 0, &m, sizeof(m));
}

static void guest_turn(struct input *in)
{
	uint8_t op = take8(in);
	unsigned int q = op >> 4 & 1;

	switch (op & 15) {
	case 0: guest_nvsp(in, q); break;
	case 1: guest_frame(in); break;
	case 2: guest_request(in); break;
	case 3: guest_poke(in); break;
	case 4: guest_control_page(in, q); break;
	case 5: guest_wild_packet(in, q); break;
	case 6: guest_reads(in, q); break;
	case 7: netvsp_arm(bed.nic, (uint16_t)q); break;
	case 8: netvsp_disarm(bed.nic, (uint16_t)q); break;
	case 9:
	case 10:
	case 11:
	case 12: guest_packet(in, q); break;
	default: host_turn(q); break;
	}
}

/* An honest guest reads; then everything that was taken must be completed. */
static void settle(void)
{
	unsigned int q, i;

	for (q = 0; q < CHANS && !is_over(); q++) {
		for (i = 0; i < 64 && !is_over(); i++) {
			bed.chan[q].from_host.ctrl->read_index = bed.nic->chan[q].out.own;
			host_turn(q);
		}
		if (!is_over())
			check(owed[q].head == owed[q].tail);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t mode = take8(&in);
	unsigned int turns = 0;

	if (!bed.nic)
		world_up();
	bed_renew(&bed, CHANS);
	memset(bed.ram + own_pfn * VMBUS_PAGE_SIZE, 0, (SEND_PAGES + OWN_PAGES) * VMBUS_PAGE_SIZE);
	memset(owed, 0, sizeof(owed));
	if (mode & 4)
		bed.nic->st->mtu = mode & 8 ? 1500 : 4000;
	if (mode & 16)
		bed.nic->st->nr_subs = 1;
	if (mode & 32)
		bed_ready(&bed, recv_gpadl[mode & 1], send_gpadl[mode >> 1 & 1]);
	while (in.left && !is_over() && turns++ < 500)
		guest_turn(&in);
	settle();
	return 0;
}
