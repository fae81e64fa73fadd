/* SPDX-License-Identifier: BSD-3-Clause */
/* An adapter that is received for directly. */
#include "tests/support/directbed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/vswitch.h"

#define must(cond)                                                                                \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			fprintf(stderr, "directbed: %s:%d: %s failed (%s)\n", __func__, __LINE__, \
				#cond, err_text());                                               \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* ---- The user -------------------------------------------------------------------------------- */

static void filter(struct dbed *b, bool is_on)
{
	if (b->on_filter)
		b->on_filter(b->filter_ctx, is_on);
}

static void begin(struct dbed *b, struct vsw_port *p)
{
	must(vmq_direct_begin(b->vd, vsw_rxbuf_of(p)) == 0);
	filter(b, true);
}

static void end(struct dbed *b)
{
	filter(b, false);
	vmq_direct_end(b->vd);
	filter(b, true);
}

static void offered(void *ctx, struct vsw_port *p, const struct vsw_rxbuf *buf)
{
	struct dbed *b = ctx;

	b->nr_offered++;
	must(vsw_rxbuf_of(p) == buf);
	if (!vsw_direct_obstacle(p))
		begin(b, p);
}

static void withdrawn(void *ctx, struct vsw_port *p)
{
	struct dbed *b = ctx;

	b->nr_withdrawn++;
	end(b);
}

static void judged(void *ctx, struct vsw_port *p, bool is_judged)
{
	struct dbed *b = ctx;

	b->nr_judged++;
	if (is_judged)
		end(b);
	else
		begin(b, p);
}

static const struct vsw_direct_user user = {offered, withdrawn, judged};

/* ---- Life ------------------------------------------------------------------------------------ */

void dbed_up(struct dbed *b, struct vsw *sw, uint16_t mtu, struct prng *rng)
{
	const struct netvsp_nic_cfg nc = {.mtu = mtu, .max_channels = 4, .may_direct = true};
	struct vmq_direct_cfg vc = {.name = "dbed",
				    .nr_bufs = DBED_BUFS,
				    .socket = SOCKET_ID_ANY,
				    .iova = &dma_ops,
				    .iova_ctx = &b->io};

	memset(b, 0, sizeof(*b));
	dma_init(&b->io);
	nguest_up_on(&b->g, sw, &nc, rng, true, true);
	vc.sw = b->g.bed.sw;
	vc.buf_size = netvsp_direct_section_size(mtu);
	must(vmq_direct_create(&b->vd, &vc) == 0);
	dma_add_pool(&b->io, vmq_direct_pool(b->vd));
	vsw_direct_set_user(b->g.bed.sw, &user, b);
	netvsp_direct_sync(b->g.bed.nic);
	must(vmq_direct_is_on(b->vd));
	fakenic_start(&b->nic, &b->io, vmq_direct_pool(b->vd), DBED_RING);
}

void dbed_down(struct dbed *b)
{
	vsw_direct_set_user(b->g.bed.sw, NULL, NULL);
	fakenic_stop(&b->nic);
	vmq_direct_destroy(b->vd);
	must(b->io.nr == DBED_BUFS);
	nguest_down(&b->g);
}

void dbed_buffer(struct dbed *b)
{
	bed_ready(&b->g.bed, b->g.recv, NULL);
	netvsp_direct_sync(b->g.bed.nic);
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static void build(uint8_t *f, uint32_t len, uint32_t seed)
{
	uint32_t i;

	memcpy(f, (uint8_t[12]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9}, 12);
	f[12] = 0x88;
	f[13] = 0xB5;
	memcpy(f + 14, &seed, 4);
	memcpy(f + 18, &len, 4);
	for (i = 22; i < len; i++)
		f[i] = (uint8_t)(seed * 31 + i);
}

bool dbed_dma(struct dbed *b, uint32_t len, uint32_t seed)
{
	uint8_t f[12288];

	build(f, len, seed);
	return fakenic_dma(&b->nic, f, len);
}

bool dbed_is(const uint8_t *frame, uint32_t len, uint32_t seed)
{
	uint8_t f[12288];

	build(f, len, seed);
	return memcmp(frame, f, len) == 0;
}

uint16_t dbed_rx(struct dbed *b)
{
	struct rte_mbuf *m[VSW_VEC_SIZE];
	uint16_t i, n = fakenic_rx(&b->nic, m, VSW_VEC_SIZE);

	b->vec.n = 0;
	b->vec.nr_sg = 0;
	b->vec.has_direct = true;
	b->vec.to = vsw_port_id(b->g.bed.nic->port);
	for (i = 0; i < n; i++)
		fakenic_slot(&b->vec, m[i]);
	return n;
}

uint16_t dbed_tx(struct dbed *b)
{
	uint16_t idx[VSW_VEC_SIZE], i, n = 0;

	for (i = 0; i < b->vec.n; i++)
		if (!b->vec.slot[i].pkt.drop_reason)
			idx[n++] = i;
	memset(b->reason, 0, sizeof(b->reason));
	return n ? netvsp_tx(b->g.bed.nic, &b->vec, idx, n, b->reason) : 0;
}

void dbed_done(struct dbed *b)
{
	uint16_t i;

	for (i = 0; i < b->vec.n; i++)
		rte_pktmbuf_free(b->vec.slot[i].mbuf);
	b->vec.n = 0;
}

uint16_t dbed_pass(struct dbed *b)
{
	uint16_t n;

	dbed_rx(b);
	n = dbed_tx(b);
	dbed_done(b);
	return n;
}

/* ---- The guest ------------------------------------------------------------------------------- */

uint32_t dbed_hold(struct dbed *b)
{
	struct vmbus_pkt_desc d;
	uint8_t pkt[512];
	uint32_t n = 0;

	while (bed_recv(&b->g.bed, 0, pkt, sizeof(pkt)) > 0) {
		memcpy(&d, pkt, sizeof(d));
		if (d.type == VMBUS_PKT_COMPLETION)
			continue;
		must(b->nr_held < sizeof(b->held) / sizeof(b->held[0]));
		b->held[b->nr_held++] = d.trans_id;
		n++;
	}
	return n;
}

void dbed_release(struct dbed *b, uint32_t n)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE};
	uint32_t i;

	n = n < b->nr_held ? n : b->nr_held;
	for (i = 0; i < n; i++) {
		const struct vmbus_pkt_desc d = {.type = VMBUS_PKT_COMPLETION,
						 .offset8 = 2,
						 .len8 = 7,
						 .trans_id = b->held[i]};

		while (!bed_send(&b->g.bed, 0, &d, NULL, 0, &m, NVSP_MSG_SIZE))
			nguest_host_rx(&b->g);
	}
	b->nr_held -= n;
	memmove(b->held, b->held + n, b->nr_held * sizeof(b->held[0]));
	for (i = 0; i <= n; i += 8)
		nguest_host_rx(&b->g);
}

/* ---- Counters -------------------------------------------------------------------------------- */

uint64_t dbed_direct(const struct dbed *b)
{
	struct netvsp_nic_status st;

	netvsp_nic_status(b->g.bed.nic, &st);
	return st.direct;
}

uint64_t dbed_copies(const struct dbed *b)
{
	struct netvsp_nic_status st;

	netvsp_nic_status(b->g.bed.nic, &st);
	return st.copies;
}

struct vmq_direct_stats dbed_stats(const struct dbed *b)
{
	struct vmq_direct_stats st;

	vmq_direct_stats(b->vd, &st);
	return st;
}
