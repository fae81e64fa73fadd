/* SPDX-License-Identifier: BSD-3-Clause */
/* Next hops on the underlay: who is known, whom to ask. An address is asked for when a packet
 * needs it or at a tick, once a second at most. A known one is asked for again, without loss,
 * when it was not confirmed for a while, and forgotten when nobody answers for long. */
#include "vswitch/overlay/priv.h"

#define STALE_S 30u  /* then asked again, and used on */
#define DEAD_S	120u /* then forgotten */
#define PROBES	10u  /* asks to the known address, before it asks all */
#define PATIENT 5u   /* asks a second apart at ticks, then one each LAZY_S */
#define LAZY_S	10u

struct frame *frame_new(struct vsw_overlay *ov, uint16_t lcore)
{
	struct lane *ln = lane_of(ov, lcore);
	struct frame *f;

	if (ln->nr_frames == FRAMES_MAX) {
		count_add(&ln->total[VSW_OVERLAY_T_arp_lost], 1);
		return NULL;
	}
	f = &ln->frame[ln->nr_frames++];
	memset(f, 0, sizeof(*f));
	count_add(&ln->total[VSW_OVERLAY_T_arp_out], 1);
	return f;
}

/* One asker a second: who wins the exchange. */
static void ask(struct vsw_overlay *ov, uint16_t lcore, struct neigh *nb, uint32_t now_s)
{
	uint32_t asked = __atomic_load_n(&nb->asked_s, __ATOMIC_RELAXED), tries;
	uint64_t to = 0;
	struct frame *f;

	if (asked == now_s + 1 || lane_of(ov, lcore)->nr_frames == FRAMES_MAX ||
	    !__atomic_compare_exchange_n(&nb->asked_s, &asked, now_s + 1, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return;
	tries = __atomic_fetch_add(&nb->tries, 1, __ATOMIC_RELAXED);
	f = frame_new(ov, lcore);
	if (!f)
		return;
	if (tries < PROBES)
		to = __atomic_load_n(&nb->mac, __ATOMIC_RELAXED);
	if (ov->local.version == 4)
		arp_request(ov, f, nb->ip.b, to);
	else
		ndp_request(ov, f, nb->ip.b, to);
}

uint64_t neigh_use(struct vsw_overlay *ov, uint16_t lcore, uint16_t neigh, uint32_t now_s)
{
	struct neigh *nb = &ov->neigh[neigh];
	uint64_t mac = __atomic_load_n(&nb->mac, __ATOMIC_ACQUIRE);
	int32_t age = (int32_t)(now_s - __atomic_load_n(&nb->confirmed_s, __ATOMIC_RELAXED));

	if (mac && age <= (int32_t)STALE_S)
		return mac;
	if (mac && age > (int32_t)DEAD_S) {
		/* Unless somebody just heard it: then the next packet finds it. */
		__atomic_compare_exchange_n(&nb->mac, &mac, 0, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
		mac = 0;
	}
	ask(ov, lcore, nb, now_s);
	return mac;
}

bool neigh_heard(struct vsw_overlay *ov, const struct vsw_overlay_ip *ip, uint64_t mac,
		 uint32_t now_s)
{
	uint16_t i;

	if (!mac_is_unicast(mac) || mac == mac_load(ov->mac))
		return false;
	for (i = 0; i < ov->nr_neighs; i++) {
		struct neigh *nb = &ov->neigh[i];

		if (!ip_is(ip, nb->ip.b))
			continue;
		__atomic_store_n(&nb->confirmed_s, now_s, __ATOMIC_RELAXED);
		__atomic_store_n(&nb->tries, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&nb->mac, mac, __ATOMIC_RELEASE); /* pairs with neigh_use() */
		return true;
	}
	return false;
}

static bool is_due(const struct neigh *nb, uint32_t now_s)
{
	uint32_t asked = __atomic_load_n(&nb->asked_s, __ATOMIC_RELAXED);

	return __atomic_load_n(&nb->tries, __ATOMIC_RELAXED) < PATIENT || asked == 0 ||
	       now_s + 1 - asked >= LAZY_S;
}

void vsw_overlay_tick(struct vsw_overlay *ov, uint16_t lcore, uint32_t now_s)
{
	struct frame *f;
	uint16_t i;

	if (!ov->is_announced) {
		f = frame_new(ov, lcore);
		if (f && ov->local.version == 4)
			arp_announce(ov, f);
		else if (f)
			ndp_announce(ov, f);
		ov->is_announced = f != NULL;
	}
	for (i = 0; i < ov->nr_neighs; i++) {
		if (is_due(&ov->neigh[i], now_s))
			neigh_use(ov, lcore, i, now_s);
	}
}

uint32_t vsw_overlay_next_frame(struct vsw_overlay *ov, uint16_t lcore,
				uint8_t frame[VSW_OVERLAY_FRAME_MAX])
{
	struct lane *ln = lane_of(ov, lcore);
	const struct frame *f;

	if (ln->next_frame == ln->nr_frames) {
		ln->next_frame = ln->nr_frames = 0;
		return 0;
	}
	f = &ln->frame[ln->next_frame++];
	memcpy(frame, f->b, f->len);
	return f->len;
}
