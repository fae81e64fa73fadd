/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving into the memory of the partition that a queue belongs to: a device writes frames into sections of
 * its receive buffer, and the port's backend hands these out as they are.
 *
 * Three parties. The port's backend (netvsp) owns the receive buffer: it offers it (vsw_rxbuf_offer()) when it
 * is set up, withdraws it (vsw_rxbuf_withdraw()) before its memory goes back, and lends free sections
 * of it meanwhile. The user (vmq/direct.c) puts them under the device's descriptors. The uplink passes
 * the mbufs through the switch.
 *
 * A section is free (the backend's), lent (under a descriptor, or on its way through the switch), or the
 * guest's. mbufs, their private areas and mempools are the switch's own memory, which no guest sees. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

struct vsw;
struct vsw_port;

/* Where in a section the device writes: as much as mbufs keep free, and enough for an RNDIS header. */
#define VSW_DIRECT_HEAD 128u
_Static_assert(VSW_DIRECT_HEAD == RTE_PKTMBUF_HEADROOM, "PMDs write there");
/* So much of a section lies in a row for sure: what its mbuf has an address of. */
#define VSW_DIRECT_ROOM 4096u

/* A partition's receive buffer. Constant while it is offered; so is what it points to. */
struct vsw_rxbuf {
	uint32_t section_size; /* a multiple of 4096 */
	uint32_t nr_sections;
	uint8_t *const *page; /* host address of each 4096 bytes of it, in order */
	/* lcore (the one that polls the queue), or ctl with no such lcore about.  Up to @n free sections; how many. Some
	 * are always kept back for frames that are copied. */
	uint32_t (*take)(void *be, uint16_t *sec, uint32_t n);
	void (*give)(void *be, const uint16_t *sec, uint32_t n);
	void *be; /* the port's backend */
};

/* In the private area of each mbuf of a queue that may receive directly. */
struct vsw_direct {
	const struct vsw_rxbuf *buf; /* what it has a section of; NULL: it has its own bytes */
	uint32_t sec; /* which one. The frame is in it where the mbuf's data_off says */
	/* The user's: where its own bytes are. */
	void *host_addr;
	rte_iova_t host_iova;
	rte_iova_t stale_iova; /* a descriptor may still lead to them by this address; 0: none */
};
#define VSW_DIRECT_PRIV RTE_ALIGN_CEIL(sizeof(struct vsw_direct), RTE_MBUF_PRIV_ALIGN)

/* any.  What belongs to an mbuf of such a queue. Others' private areas are something else: v->has_direct says. */
static inline struct vsw_direct *vsw_direct_of(struct rte_mbuf *m)
{
	return (struct vsw_direct *)rte_mbuf_to_priv(m);
}

/* lcore.  The section is the guest's now: the mbuf has its own bytes again. */
static inline void vsw_direct_gone(struct rte_mbuf *m)
{
	struct vsw_direct *d = vsw_direct_of(m);

	d->buf = NULL;
	m->buf_addr = d->host_addr;
	m->buf_iova = d->host_iova;
}

/* lcore.  Its bytes are, or were when they came, where the guest can write. */
static inline bool vsw_direct_is_guests(struct rte_mbuf *m)
{
	const struct vsw_direct *d = vsw_direct_of(m);

	return d->buf || d->stale_iova;
}

struct vsw_vec;
struct vsw_slot;

/* lcore.  Where the bytes of a frame lie that was received into @m, of which some mbuf has a section: fills data, or
 * the pieces in @v, by the sections' pages. VSW_DROP_none, or too_big: longer than a section, or in too many
 * pieces; then the slot has no bytes. */
uint16_t vsw_direct_slot(struct vsw_vec *v, struct vsw_slot *s, struct rte_mbuf *m);

/* Who uses them. ctl, all of it. */
struct vsw_direct_user {
	/* The port's buffer is there. If its frames are judged first now (vsw_direct_obstacle()), judged() follows when
	 * they are not any more. */
	void (*offered)(void *ctx, struct vsw_port *p, const struct vsw_rxbuf *b);
	/* It goes: when this returns no device writes into it, nobody holds a section of it, and no lcore touches @b. */
	void (*withdrawn)(void *ctx, struct vsw_port *p);
	/* Frames to the port are to be judged first (an extension, a policy, a capture ...), or not any more. When it
	 * returns with true, no device writes into the buffer until it is called with false. */
	void (*judged)(void *ctx, struct vsw_port *p, bool is_judged);
};

/* ctl.  One for each switch; NULL: none. */
void vsw_direct_set_user(struct vsw *sw, const struct vsw_direct_user *user, void *ctx);

/* ctl.  By the port's backend. @b is borrowed until it is withdrawn, which may be done twice. */
void vsw_rxbuf_offer(struct vsw_port *p, const struct vsw_rxbuf *b);
void vsw_rxbuf_withdraw(struct vsw_port *p);

/* ctl.  The port's buffer now; NULL: none. Why its frames must be judged first, in a word; NULL: they need not. */
const struct vsw_rxbuf *vsw_rxbuf_of(const struct vsw_port *p);
const char *vsw_direct_obstacle(const struct vsw_port *p);
