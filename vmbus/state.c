/* SPDX-License-Identifier: BSD-3-Clause */
/* The state memfd: set-up, commit records, event flags across two processes. */
#include "vmbus/state.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include <nethv/abi/vmbus.h>

#include "base/err.h"
#include "base/fd.h"

#define SIEFP_ENABLED 1ull
#define FLAGS_BYTES   256u /* event flags of one SINT */

void vmbus_state_init(struct vmbus_state *st, unsigned int nr_vps)
{
	st->version = VMBUS_STATE_VERSION;
	st->size = sizeof(*st);
	st->nr_vps = nr_vps;
	st->magic = VMBUS_STATE_MAGIC;
}

int vmbus_state_check(const struct vmbus_state *st, uint64_t size)
{
	if (size < sizeof(*st))
		return err_set(-EPROTO, "channel state: %llu bytes, want %zu",
			       (unsigned long long)size, sizeof(*st));
	if (st->magic != VMBUS_STATE_MAGIC || st->version != VMBUS_STATE_VERSION ||
	    st->size != sizeof(*st))
		return err_set(-EPROTO, "channel state: version %u of %u bytes, want %u of %zu",
			       st->version, st->size, VMBUS_STATE_VERSION, sizeof(*st));
	if (st->nr_vps == 0 || st->nr_vps > VMBUS_VPS_MAX)
		return err_set(-EPROTO, "channel state: %u VPs, want 1..%u", st->nr_vps,
			       VMBUS_VPS_MAX);
	return 0;
}

const struct vmbus_g2h_slot *vmbus_state_g2h(const struct vmbus_chan_state *cs)
{
	return &cs->g2h[__atomic_load_n(&cs->g2h_sel, __ATOMIC_ACQUIRE) & 1];
}

const struct vmbus_h2g_slot *vmbus_state_h2g(const struct vmbus_chan_state *cs)
{
	return &cs->h2g[__atomic_load_n(&cs->h2g_sel, __ATOMIC_ACQUIRE) & 1];
}

void vmbus_state_chan_reset(struct vmbus_chan_state *cs)
{
	cs->g2h_sel = 0;
	cs->h2g_sel = 0;
	memset(cs->g2h, 0, sizeof(cs->g2h));
	memset(cs->h2g, 0, sizeof(cs->h2g));
	memset(cs->dev, 0, sizeof(cs->dev));
	cs->generation++;
}

/* The word of SINT 2's flags that holds flag @relid, or NULL when the guest's page is not RAM. */
static uint64_t *flag_word(const struct gmem *gm, uint64_t siefp, uint32_t relid)
{
	uint64_t page = siefp & ~(uint64_t)(GMEM_PAGE_SIZE - 1);

	return gmem_map(gm, gpa(page + VMBUS_SINT * FLAGS_BYTES + relid / 64 * 8), 8);
}

/* Returns true when the flag was clear before. */
static bool flag_set(struct vmbus_vp_state *vp, const struct gmem *gm, uint32_t relid)
{
	uint64_t bit = 1ull << (relid % 64);
	/* seq_cst: pairs with the store in vmbus_state_set_siefp(); see there. */
	uint64_t siefp = __atomic_load_n(&vp->siefp, __ATOMIC_SEQ_CST);
	uint64_t *word = siefp & SIEFP_ENABLED ? flag_word(gm, siefp, relid) : NULL;

	if (word)
		return !(__atomic_fetch_or(word, bit, __ATOMIC_ACQ_REL) & bit);
	__atomic_fetch_or(&vp->pending[relid / 64], bit, __ATOMIC_RELEASE);
	return false;
}

void vmbus_state_signal(struct vmbus_state *st, const struct gmem *gm, unsigned int lcore,
			uint32_t vp, uint32_t relid, int sint_fd)
{
	uint32_t *signalling = &st->lcore[lcore].signalling;
	bool raise;

	/* Not st->nr_vps: the worker, whom the switch does not trust, can change it. */
	if (vp >= VMBUS_VPS_MAX || relid >= VMBUS_CHANS_MAX)
		return;
	__atomic_store_n(signalling, 1, __ATOMIC_SEQ_CST);
	raise = flag_set(&st->vp[vp], gm, relid);
	__atomic_store_n(signalling, 0, __ATOMIC_RELEASE);
	if (raise)
		fd_kick(sint_fd);
}

static void wait_signallers(struct vmbus_state *st, bool (*is_dead)(void *ctx), void *ctx)
{
	unsigned int i;

	for (i = 0; i < VMBUS_LCORES_MAX; i++) {
		uint32_t *s = &st->lcore[i].signalling;

		while (__atomic_load_n(s, __ATOMIC_SEQ_CST)) {
			if (is_dead(ctx))
				__atomic_store_n(s, 0, __ATOMIC_RELAXED);
			sched_yield();
		}
	}
}

/* Either the lcore's load sees the new value, or this thread sees the lcore's signalling = 1: both
 * sides store first and load second, in one total order. */
bool vmbus_state_set_siefp(struct vmbus_state *st, const struct gmem *gm, uint32_t vp,
			   uint64_t siefp, bool (*is_dead)(void *ctx), void *ctx)
{
	struct vmbus_vp_state *v = &st->vp[vp];
	bool merged = false;
	unsigned int i;

	__atomic_store_n(&v->siefp, siefp, __ATOMIC_SEQ_CST);
	wait_signallers(st, is_dead, ctx);
	if (!(siefp & SIEFP_ENABLED))
		return false;
	for (i = 0; i < VMBUS_CHANS_MAX / 64; i++) {
		uint64_t bits = __atomic_exchange_n(&v->pending[i], 0, __ATOMIC_ACQUIRE);
		uint64_t *word = flag_word(gm, siefp, i * 64);

		if (bits && word) {
			__atomic_fetch_or(word, bits, __ATOMIC_ACQ_REL);
			merged = true;
		}
	}
	return merged;
}
