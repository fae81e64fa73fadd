/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `l2fwd`. */
#include "guest/apps/l2fwd.h"
#include "guest/apps/pkt.h"

#define INJECT_TYPE 0x88b5u /* IEEE: local experiments */

void l2fwd_init(struct l2fwd *l, const struct l2fwd_cfg *cfg)
{
	unsigned int side;

	__builtin_memset(l, 0, sizeof(*l));
	l->cfg = *cfg;
	l->to_inject = cfg->inject;
	for (side = 0; side < 2; side++) {
		__builtin_memcpy(l->macs[side], cfg->peer[side], 6);
		__builtin_memcpy(l->macs[side] + 6, cfg->mac[side], 6);
	}
}

static void rewrite(struct nvsc_frame *f, unsigned int n, const uint8_t *macs)
{
	uint64_t a;
	uint32_t b;
	unsigned int i;

	__builtin_memcpy(&a, macs, 8);
	__builtin_memcpy(&b, macs + 8, 4);
	for (i = 0; i < n; i++) {
		__builtin_memcpy(f[i].data, &a, 8);
		__builtin_memcpy(f[i].data + 8, &b, 4);
	}
}

/* The copying variant. What finds no room goes in place: nothing is lost. */
static void copy_out(struct l2fwd *l, struct nvsc_queue *rxq, struct nvsc_queue *txq,
		     struct nvsc_frame *f, unsigned int n)
{
	unsigned int i;
	uint8_t *p;

	for (i = 0; i < n; i++) {
		p = nvsc_tx_alloc(txq, f[i].len, f[i].flags & NVSC_FRAME_VLAN, f[i].tci);
		if (!p) {
			nvsc_tx_forward(txq, rxq, &f[i], 1);
			continue;
		}
		__builtin_memcpy(p, f[i].data, f[i].len);
		nvsc_rx_drop(rxq, &f[i], 1);
		l->copies++;
	}
}

static unsigned int forward(struct l2fwd *l, struct nvsc_queue *rxq, struct nvsc_queue *txq,
			    unsigned int out)
{
	struct nvsc_frame f[NVSC_BURST];
	unsigned int n = nvsc_rx_burst(rxq, f, NVSC_BURST);

	if (!n)
		return 0;
	if (l->cfg.mode == L2FWD_MAC)
		rewrite(f, n, l->macs[out]);
	if (l->cfg.is_copying)
		copy_out(l, rxq, txq, f, n);
	else
		nvsc_tx_forward(txq, rxq, f, n);
	l->forwarded[out] += n;
	l->bursts++;
	return n;
}

/* Puts frames into circulation, alternating between the two sides. */
static unsigned int inject(struct l2fwd *l, struct nvsc_queue *q[2])
{
	unsigned int n = 0, side;
	uint8_t *p;

	while (l->to_inject && n < NVSC_BURST) {
		side = l->to_inject % 2;
		p = nvsc_tx_alloc(q[side], l->cfg.len, 0, 0);
		if (!p)
			break;
		__builtin_memcpy(p, l->macs[side], 12);
		pkt_put16(p + 12, INJECT_TYPE);
		__builtin_memset(p + 14, 0, l->cfg.len - 14);
		pkt_put32(p + 14, l->to_inject);
		l->to_inject--;
		n++;
	}
	return n;
}

unsigned int l2fwd_poll(struct l2fwd *l, struct nvsc_queue *q0, struct nvsc_queue *q1)
{
	struct nvsc_queue *q[2] = {q0, q1};
	unsigned int n;

	n = forward(l, q0, q1, 1);
	n += forward(l, q1, q0, 0);
	if (__builtin_expect(l->to_inject, 0))
		n += inject(l, q);
	nvsc_flush(q0);
	nvsc_flush(q1);
	return n;
}
