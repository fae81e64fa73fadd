/* SPDX-License-Identifier: BSD-3-Clause */
/* A NetVSP adapter on plain memory. */
#include "tests/support/nvspbed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/vswitch.h"

#define must(cond)                                                                              \
	do {                                                                                    \
		if (!(cond)) {                                                                  \
			fprintf(stderr, "nvspbed: %s:%d: %s failed (%s)\n", __func__, __LINE__, \
				#cond, err_text());                                             \
			abort();                                                                \
		}                                                                               \
	} while (0)

/* ---- Memory -------------------------------------------------------------------------------- */

uint64_t bed_alloc(struct bed *b, uint32_t n)
{
	uint32_t pfn = b->next_pfn;

	must(n <= b->nr_pages - pfn);
	b->next_pfn += n;
	return pfn;
}

uint8_t *bed_page(const struct bed *b, uint64_t pfn)
{
	must(pfn < b->nr_pages);
	return b->ram + pfn * VMBUS_PAGE_SIZE;
}

static struct vmbus_gpadl *gpadl_new(struct bed *b, uint32_t handle, const uint64_t *pfns,
				     uint64_t first, uint32_t n)
{
	struct vmbus_gpadl *g = calloc(1, sizeof(*g) + n * sizeof(g->page[0]));
	uint32_t i;

	must(g);
	*g = (struct vmbus_gpadl){.handle = handle, .relid = 1, .nr_pages = n};
	g->len = n * VMBUS_PAGE_SIZE;
	g->page = (uint8_t **)(g + 1);
	for (i = 0; i < n; i++)
		g->page[i] = bed_page(b, pfns ? pfns[i] : first + i);
	g->flat = g->page[0];
	for (i = 1; i < n; i++) {
		if (g->page[i] != g->page[i - 1] + VMBUS_PAGE_SIZE)
			g->flat = NULL;
	}
	return g;
}

struct vmbus_gpadl *bed_gpadl(struct bed *b, uint32_t handle, const uint64_t *pfns, uint64_t first,
			      uint32_t n)
{
	struct vmbus_gpadl *g = gpadl_new(b, handle, pfns, first, n);

	must(b->nr_gpadls < BED_GPADLS);
	b->chan[0].vch.gpadl[b->nr_gpadls] = g;
	b->gpadl[b->nr_gpadls++] = g;
	return g;
}

/* ---- Channels ------------------------------------------------------------------------------ */

static const struct vmbus_backend_ops *ops_of(const struct bed *b)
{
	return netvsp_backend(b->nv)->ops;
}

/* What a guest does before it opens: both rings empty. */
static void zero_rings(struct bed *b, struct bed_chan *c)
{
	uint8_t *in = bed_page(b, c->first_pfn), *out = in + BED_RING_PAGES * VMBUS_PAGE_SIZE;
	const uint32_t size = (BED_RING_PAGES - 1) * VMBUS_PAGE_SIZE;

	memset(in, 0, VMBUS_PAGE_SIZE);
	memset(out, 0, VMBUS_PAGE_SIZE);
	vmbus_ring_init(&c->to_host, in, in + VMBUS_PAGE_SIZE, size, 0);
	vmbus_ring_init(&c->from_host, out, out + VMBUS_PAGE_SIZE, size, 0);
}

static void chan_make(struct bed *b, unsigned int q)
{
	struct bed_chan *c = &b->chan[q];
	struct vmbus_chan_info *info = &c->vch.info;

	c->first_pfn = bed_alloc(b, 2 * BED_RING_PAGES);
	c->ring = gpadl_new(b, 0x100 + q, NULL, c->first_pfn, 2 * BED_RING_PAGES);
	c->vch.peer = b->peer;
	*info = (struct vmbus_chan_info){.peer = &b->peer->pub,
					 .relid = q + 1,
					 .sub_index = (uint16_t)q,
					 .ctx = &b->nic->chan[q],
					 .state = &b->peer->pub.state->chan[q + 1],
					 .ring = c->ring,
					 .split = BED_RING_PAGES};
}

void bed_open(struct bed *b, unsigned int q)
{
	struct bed_chan *c = &b->chan[q];

	bed_close(b, q);
	zero_rings(b, c);
	vmbus_state_chan_reset(c->vch.info.state);
	c->vch.is_open = true;
	must(ops_of(b)->open(&c->vch, VMBUS_OPEN_FRESH) == 0);
}

/* Events of the old life find no channel and an old generation. The backend would have freed the
 * channel; here it is kept, so the adapter must not hand sub-channels back. */
static void forget(struct bed *b, unsigned int q)
{
	unsigned int i;

	for (i = q == 0 ? 1 : q; i < (q == 0 ? NETVSP_CHANNELS_MAX : q + 1); i++)
		b->nic->chan[i].vch = NULL;
	b->chan[q].vch.info.state->generation++;
}

void bed_close(struct bed *b, unsigned int q)
{
	struct bed_chan *c = &b->chan[q];
	unsigned int i;

	if (!c->vch.is_open)
		return;
	for (i = BED_CHANS - 1; q == 0 && i > 0; i--)
		bed_close(b, i);
	forget(b, q);
	c->vch.is_open = false;
	ops_of(b)->close(&c->vch);
	b->nic->chan[q].vch = NULL;
	vsw_event_process(b->sw);
}

static void renew_one(struct bed *b, unsigned int q)
{
	struct netvsp_chan *ch = &b->nic->chan[q];
	struct bed_chan *c = &b->chan[q];

	zero_rings(b, c);
	vmbus_state_chan_reset(ch->cs);
	must(vmbus_chan_rings(&c->vch, 0, 0, &ch->in, &ch->out) == 0);
	ch->vch = &c->vch;
	ch->burst = 0;
	ch->burst_done = 0;
	ch->rx_seq = 0;
	ch->nr_pending = 0;
	ch->need_room = 0;
	ch->waits_for_path = false;
	ch->is_faulted = false;
	ch->is_reported = false;
	ch->fault = NULL;
	ch->in.ctrl->interrupt_mask = 1;
	ch->in.ctrl->feature_bits = VMBUS_RING_FEATURE_PENDING_SEND;
}

void bed_renew(struct bed *b, unsigned int nr)
{
	struct netvsp_nic *nic = b->nic;
	unsigned int q;

	for (q = nr; q-- > 0;) {
		nic->chan[q].vch = NULL;
		nic->chan[q].cs->generation++;
	}
	vsw_event_process(b->sw);
	atomic_store(&nic->vf.ask, 0);
	atomic_store(&nic->recv, NULL);
	atomic_store(&nic->send, NULL);
	atomic_store(&nic->rx_on, 0);
	nic->pool.nr = 0;
	memcpy(nic->mac, nic->cfg.mac, 6);
	for (q = 0; q < nr; q++)
		renew_one(b, q);
	nic->st->magic = NETVSP_STATE_MAGIC;
	nic->st->mtu = nic->cfg.mtu;
	for (q = 0; q < nr; q++)
		nic->st->relid[q] = (uint16_t)(q + 1);
	netvsp_update_rx_on(nic);
}

/* ---- Life ---------------------------------------------------------------------------------- */

static void peer_make(struct bed *b, uint32_t nr_pages)
{
	const size_t bytes = (size_t)nr_pages * VMBUS_PAGE_SIZE;
	unsigned int i;

	b->nr_pages = nr_pages;
	b->ram = aligned_alloc(VMBUS_PAGE_SIZE, bytes);
	b->peer = calloc(1, sizeof(*b->peer));
	must(b->ram && b->peer);
	memset(b->ram, 0, bytes);
	b->peer->be = netvsp_backend(b->nv);
	b->peer->pub.nr_vps = 1;
	for (i = 0; i < VMBUS_VPS_MAX; i++)
		b->peer->pub.sint_fd[i] = -1;
	for (i = 0; i < VMBUS_CHANS_MAX; i++)
		b->peer->pub.doorbell_fd[i] = -1;
	must(gmem_add(&b->peer->pub.gm, gpa(0), bytes, b->ram) == 0);
	b->peer->pub.state = aligned_alloc(4096, sizeof(struct vmbus_state));
	must(b->peer->pub.state);
	memset(b->peer->pub.state, 0, sizeof(struct vmbus_state));
	vmbus_state_init(b->peer->pub.state, 1);
}

static void nic_make(struct bed *b, struct netvsp_nic_cfg *nc, uint32_t nr_pages)
{
	unsigned int q;

	snprintf(nc->partition, sizeof(nc->partition), "%s", nc->name);
	must(netvsp_nic_create(&b->nic, b->nv, nc) == 0);
	peer_make(b, nr_pages);
	b->nic->peer = &b->peer->pub;
	for (q = 0; q < BED_CHANS; q++)
		chan_make(b, q);
}

void bed_create(struct bed *b, const struct netvsp_nic_cfg *cfg, struct vsw *sw, uint32_t nr_pages)
{
	struct vsw_cfg sc = {.nr_lcores = 1, .lcore_id = {1}, .poll = VSW_POLL_BUSY};
	struct netvsp_nic_cfg nc = *cfg;

	memset(b, 0, sizeof(*b));
	b->sw = sw;
	b->owns_switch = !sw;
	b->owns_netvsp = true;
	if (!sw)
		must(vsw_create(&b->sw, &sc) == 0);
	must(netvsp_create(&b->nv, b->sw) == 0);
	snprintf(nc.name, sizeof(nc.name), "bed");
	memcpy(nc.mac, (uint8_t[6]){2, 0, 0, 0, 0, 1}, 6);
	nic_make(b, &nc, nr_pages);
}

void bed_create_beside(struct bed *b, const struct netvsp_nic_cfg *cfg, const struct bed *first,
		       uint32_t nr_pages)
{
	struct netvsp_nic_cfg nc = *cfg;

	memset(b, 0, sizeof(*b));
	b->sw = first->sw;
	b->nv = first->nv;
	nic_make(b, &nc, nr_pages);
}

void bed_destroy(struct bed *b)
{
	unsigned int i;

	if (b->nic) {
		bed_close(b, 0);
		b->nic->peer = NULL;
		netvsp_nic_destroy(b->nic);
	}
	if (b->owns_netvsp)
		netvsp_destroy(b->nv);
	if (b->owns_switch)
		vsw_destroy(b->sw);
	for (i = 0; i < BED_CHANS; i++)
		free(b->chan[i].ring);
	for (i = 0; i < b->nr_gpadls; i++)
		free(b->gpadl[i]);
	free(b->peer->pub.state);
	free(b->peer);
	free(b->ram);
}

void bed_ready(struct bed *b, const struct vmbus_gpadl *recv, const struct vmbus_gpadl *send)
{
	struct netvsp_state *st = b->nic->st;
	uint32_t size = netvsp_section_size(b->nic);

	st->nvsp_version = NVSP_V6_1;
	if (recv) {
		st->recv_gpadl = recv->handle;
		st->section_size = size;
		st->nr_sections = recv->len / size;
		netvsp_pool_reset(b->nic);
		atomic_store(&b->nic->recv, recv);
	}
	if (send) {
		st->send_gpadl = send->handle;
		atomic_store(&b->nic->send, send);
	}
	st->rndis_ready = 1;
	st->packet_filter = NDIS_FILTER_PROMISCUOUS;
	netvsp_update_rx_on(b->nic);
}

/* ---- The guest's end of the rings ---------------------------------------------------------- */

bool bed_send(struct bed *b, unsigned int q, const struct vmbus_pkt_desc *d, const void *hdr,
	      uint32_t hdr_len, const void *body, uint32_t body_len)
{
	struct vmbus_ring *r = &b->chan[q].to_host;

	if (vmbus_ring_space(r) < (int32_t)vmbus_ring_need(hdr_len, body_len))
		return false;
	vmbus_ring_put(r, d, hdr, hdr_len, body, body_len);
	vmbus_ring_publish_write(r);
	return true;
}

bool bed_send_nvsp(struct bed *b, const struct nvsp_msg *m, uint64_t trans_id)
{
	const struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND,
					 .offset8 = sizeof(d) / 8,
					 .len8 = (sizeof(d) + NVSP_MSG_SIZE) / 8,
					 .flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED,
					 .trans_id = trans_id};

	return bed_send(b, 0, &d, NULL, 0, m, NVSP_MSG_SIZE);
}

uint32_t bed_recv(struct bed *b, unsigned int q, void *buf, uint32_t room)
{
	struct vmbus_ring *r = &b->chan[q].from_host;
	int32_t avail = vmbus_ring_avail(r), total;
	struct vmbus_pkt_desc d;
	uint32_t len;

	must(avail >= 0);
	if (avail == 0)
		return 0;
	total = vmbus_ring_peek(r, (uint32_t)avail, &d);
	must(total > 0);
	len = (uint32_t)total - VMBUS_PKT_TRAILER;
	must(len <= room);
	vmbus_ring_read(r, r->own, buf, len);
	vmbus_ring_skip(r, (uint32_t)total);
	vmbus_ring_publish_read(r);
	return len;
}
