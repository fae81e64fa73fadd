/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `revoke`. */
#include "guest/apps/revoke.h"
#include "guest/apps/pkt.h"

#define PATTERN_MUL 0x9e3779b97f4a7c15ull /* odd: no two words of a buffer are the same */
#define NUMBER_LEN  8u
#define PATIENCE    64u /* times as many frames, when none is placed */

/* ---- Frames -------------------------------------------------------------------------------- */

static bool is_as_sent(const uint8_t *frame, uint32_t len, uint8_t number)
{
	const uint32_t first = PKT_ETH_HDR + NUMBER_LEN;
	uint32_t i;

	for (i = first; i < len; i++) {
		if (frame[i] != (uint8_t)(number + 1 + (i - first)))
			return false;
	}
	return true;
}

void revoke_frame(struct revoke *r, const uint8_t *frame, uint32_t len)
{
	uint64_t number;

	r->rx_packets++;
	if (len < PKT_ETH_HDR + NUMBER_LEN || pkt_get16(frame + 12) != REVOKE_TYPE)
		return;
	number =
		(uint64_t)pkt_get32(frame + PKT_ETH_HDR) << 32 | pkt_get32(frame + PKT_ETH_HDR + 4);
	if (r->numbered++ && number <= r->last_number)
		r->late++;
	r->last_number = number;
	if (!is_as_sent(frame, len, (uint8_t)number))
		r->corrupted++;
}

/* ---- The pattern --------------------------------------------------------------------------- */

uint64_t revoke_pattern(uint64_t cycle, uint64_t i)
{
	return (cycle << 32 | i) * PATTERN_MUL;
}

static void fill(void *mem, uint64_t len, uint64_t cycle)
{
	uint64_t *p = mem, i;

	for (i = 0; i < len / 8; i++)
		p[i] = revoke_pattern(cycle, i);
}

static unsigned int bytes_that_differ(uint64_t x)
{
	unsigned int n = 0;

	for (; x; x >>= 8)
		n += (x & 0xff) != 0;
	return n;
}

/* Volatile: what somebody else may have written is what is asked. */
void revoke_compare(struct revoke *r, const void *mem, uint64_t len)
{
	const volatile uint64_t *p = mem;
	uint64_t i, x, before = r->damaged;

	for (i = 0; i < len / 8; i++) {
		x = p[i] ^ revoke_pattern(r->cycles, i);
		if (!x)
			continue;
		r->damaged += bytes_that_differ(x);
		r->damaged_at = i * 8;
	}
	r->compared += len;
	r->damaged_cycles += r->damaged != before;
}

/* ---- A cycle ------------------------------------------------------------------------------- */

static void wait_a_while(const struct nvsc_transport *t, uint64_t time)
{
	uint64_t end = t->ops->now(t->ctx) + time;

	while (t->ops->now(t->ctx) < end)
		t->ops->relax(t->ctx);
}

/* Nothing comes between the host's word and the pattern. Sections with low numbers are what the host uses most: they
 * are filled first. Each second time the host gets no warning: it writes until the GPADL goes. */
static int take_away(struct revoke *r, struct nvsc_nic *nic)
{
	uint64_t len = nic->rx_size;
	void *mem = nic->rx;
	int rc = nvsc_rx_revoke(nic, r->cycles % 2 == 0);

	if (rc)
		return rc;
	fill(mem, len, r->cycles);
	wait_a_while(&nic->bus->t, r->wait);
	revoke_compare(r, mem, len);
	r->cycles++;
	r->placed += r->placed_now;
	r->placed_cycles += r->placed_now != 0;
	r->frames = r->placed_now = 0;
	return nvsc_rx_renew(nic);
}

static bool is_due(const struct revoke *r)
{
	if (r->cycles == r->cycles_max)
		return false;
	if (!r->place || r->placed_now >= r->frames_each)
		return r->frames >= r->frames_each;
	return r->frames >= PATIENCE * r->frames_each;
}

int revoke_poll(struct revoke *r, struct nvsc_queue *q)
{
	struct nvsc_frame f[NVSC_BURST];
	unsigned int n = nvsc_rx_burst(q, f, NVSC_BURST), i;
	int rc;

	for (i = 0; i < n; i++) {
		revoke_frame(r, f[i].data, f[i].len);
		r->placed_now +=
			r->place && (f[i].data - q->nic->rx) % q->nic->sub_alloc == r->place;
	}
	r->frames += n;
	nvsc_rx_drop(q, f, n);
	nvsc_flush(q);
	if (!is_due(r))
		return (int)n;
	rc = take_away(r, q->nic);
	return rc ? rc : (int)n;
}
