/* SPDX-License-Identifier: BSD-3-Clause */
/* A delivery to the guest: what egress.c, which copies frames into sections, and direct.c, whose frames lie there
 * already, share. */
#pragma once

#include <string.h>

#include "base/line.h"
#include "base/load.h"
#include "netvsp/priv.h"
#include "vswitch/fdb.h"

#define MSG_ALIGN 8u
#define HDR_LEN	  ((uint32_t)sizeof(struct rndis_packet))

#define STAGE_SIZE 4096u

/* One packet to the guest under construction. */
struct xfer {
	uint32_t nr_ranges;
	uint16_t head; /* first section: the transaction id */
	struct vmbus_pkt_xfer h;
	struct vmbus_xfer_range range[NETVSP_RANGES_MAX];
};

/* What a message says of its frame, besides the bytes and the tag. */
struct ppis {
	uint32_t n;
	bool is_unfinished; /* its checksum stays what the sender made of it */
	uint32_t type[NETVSP_PPIS_MAX - 1];
	uint32_t value[NETVSP_PPIS_MAX - 1];
};

/* A frame's hash and its type (NDIS_HASH_*); type 0: none. */
struct hashed {
	uint32_t value;
	uint32_t type;
};

/* A delivery of one vector to one channel. */
struct give {
	struct netvsp_chan *ch;
	struct netvsp_state *st;
	const struct vmbus_gpadl *g;
	struct vsw_vec *v;
	const struct hashed *hash; /* of each frame; NULL: not computed */
	uint64_t own, own_mask;	   /* frames whose first bytes, masked, are @own are wanted */
	uint32_t seq;
	uint32_t section_size;
	int32_t space; /* of the ring, after the reserve */
	uint32_t nr_sec, next_sec;
	uint32_t nr_used;    /* sections of this burst */
	uint32_t at;	     /* of the buffer: where the next message goes */
	uint32_t end;	     /* of the current section */
	uint32_t len_max;    /* of a frame */
	uint16_t cur;	     /* current section */
	uint32_t filter;     /* the guest's, not 0 */
	uint32_t nr_more;    /* segments besides one a frame */
	uint32_t nr_placed;  /* frames that were there already */
	uint32_t staged_max; /* bytes of a frame that is staged; 0: none is */
	uint32_t nr_staged;  /* bytes in front of @at that are in the stage only */
	struct xfer x;
	uint16_t sec[VSW_VEC_SIZE];
	uint8_t stage[STAGE_SIZE] __attribute__((aligned(LINE_SIZE)));
};

/* ---- Heads of messages ---------------------------------------------------------------------- */

/* Two fields, the first one below. */
static inline uint64_t pair(uint32_t lo, uint32_t hi)
{
	return lo | (uint64_t)hi << 32;
}

static inline void put_pair(uint8_t *dst, size_t off, uint64_t pair)
{
	memcpy(dst + off, &pair, sizeof(pair));
}

#define AT(field) offsetof(struct rndis_packet, field)

/* The head of a message by its pairs of fields, from registers: a struct put together on the stack and copied is
 * loaded across its own stores, which waits until all stores before it, those to the guest's cache lines included,
 * have been done. */
static inline void head_put(uint8_t *dst, uint64_t type_len, uint64_t data, uint32_t ppi_off,
			    uint32_t ppi_len)
{
	const uint32_t none = 0;

	put_pair(dst, AT(hdr), type_len);
	put_pair(dst, AT(data_offset), data);
	put_pair(dst, AT(oob_offset), 0);
	put_pair(dst, AT(num_oob), pair(0, ppi_off));
	put_pair(dst, AT(ppi_len), ppi_len);
	memcpy(dst + AT(reserved), &none, sizeof(none));
}

static inline uint64_t head_type_len(uint32_t len)
{
	return pair(RNDIS_MSG_PACKET, len);
}

static inline uint64_t head_data(uint32_t data_off, uint32_t frame_len)
{
	return pair(data_off - RNDIS_REL, frame_len);
}

/* @head: with per-packet information, behind which the frame may not come at once. */
static inline void message_head(uint8_t *dst, uint32_t frame_len, uint32_t head, uint32_t data_off,
				uint32_t len)
{
	const uint32_t ppi_len = head - HDR_LEN;

	head_put(dst, head_type_len(len), head_data(data_off, frame_len),
		 ppi_len ? HDR_LEN - RNDIS_REL : 0, ppi_len);
}

static inline void put_ppi(uint8_t *dst, uint32_t type, uint32_t value)
{
	put_pair(dst, 0, pair(NETVSP_PPI_SIZE, type));
	put_pair(dst, 8, pair(sizeof(struct rndis_ppi), value));
}

static inline void message_ppis(uint8_t *dst, const struct nethv_pkt *p, bool is_tagged,
				const struct ppis *x)
{
	uint32_t i;

	if (is_tagged) {
		put_ppi(dst, RNDIS_PPI_VLAN, rndis_vlan_from_tci(p->vlan_tci));
		dst += NETVSP_PPI_SIZE;
	}
	for (i = 0; x && i < x->n; i++, dst += NETVSP_PPI_SIZE)
		put_ppi(dst, x->type[i], x->value[i]);
}

static inline uint32_t head_len(bool is_tagged, const struct ppis *x)
{
	return HDR_LEN + (is_tagged ? NETVSP_PPI_SIZE : 0) + (x ? x->n * NETVSP_PPI_SIZE : 0);
}

static inline uint32_t message_len(const struct nethv_pkt *p, bool is_tagged, const struct ppis *x)
{
	return (head_len(is_tagged, x) + p->len + MSG_ALIGN - 1) & ~(MSG_ALIGN - 1);
}

/* ---- Packets and sections ------------------------------------------------------------------- */

static inline uint32_t xfer_size(uint32_t nr_ranges)
{
	return vmbus_ring_need((uint32_t)(sizeof(struct vmbus_pkt_xfer) +
					  nr_ranges * sizeof(struct vmbus_xfer_range)),
			       NVSP_MSG_SIZE);
}

/* egress.c, lcore.  Writes what is staged to the guest's memory. */
void netvsp_stage_flush(struct give *w);
/* egress.c, lcore.  Announces what the packet under construction has, and begins the next one. */
void netvsp_xfer_close(struct give *w);

/* What says of a section that it is the guest's with the commit of @seq, the last one of its packet. */
static inline uint64_t section_given(uint16_t owner, uint32_t seq)
{
	return (uint64_t)NETVSP_SEC_END << 48 | (uint64_t)owner << 32 | seq;
}

/* In one store: with a new sequence under an old owner it could pass for committed after a restart. */
static inline void section_mark(struct netvsp_section *s, uint64_t given)
{
	__atomic_store_n((uint64_t *)(void *)s, given, __ATOMIC_RELEASE);
}

/* Section @sec is the current one and the guest's with this delivery, chained to the packet under construction. */
static inline void section_use(struct give *w, uint16_t sec)
{
	uint16_t owner = (uint16_t)w->ch->info->relid;

	if (w->x.nr_ranges == 0) {
		w->x.head = sec;
		owner |= NETVSP_SEC_HEAD;
	} else {
		w->st->section[w->cur].next = sec;
	}
	section_mark(&w->st->section[sec], section_given(owner, w->seq));
	w->cur = sec;
}

/* direct.c, lcore.  Whether the frame lies in a section of the guest's buffer and can stay there. Of a vector whose
 * mbufs may have sections. */
bool netvsp_is_in_place(const struct give *w, const struct vsw_slot *s);
/* Hands it out there. 0, or the reason why not (enum vsw_drop), then the mbuf still has it. */
uint8_t netvsp_put_in_place(struct give *w, const struct vsw_slot *s, const struct ppis *px);
/* The first ones of a burst, as many as lie there and need nothing said or done: they are handed out. How many. */
uint16_t netvsp_put_plain(struct give *w, const uint16_t *idx, uint16_t n, uint8_t *reason);
