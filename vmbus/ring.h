/* SPDX-License-Identifier: BSD-3-Clause */
/* One direction of a channel: a byte ring of packets in shared memory. The same code serves host
 * and guest, producer and consumer; it needs no libc. It keeps a private copy of its own index and
 * never reads that back; the peer's index is loaded once a batch and validated in one place.
 *
 * Each view is used by one thread at a time (a producer shared by several takes a lock outside). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <nethv/abi/vmbus.h>

#define VMBUS_RING_PAGES_MAX 4096u

struct vmbus_ring {
	struct vmbus_ring_ctrl *ctrl;
	uint8_t *data;	      /* the data area, or NULL when its pages are scattered */
	uint8_t *const *page; /* then: the address of each data page (borrowed) */
	uint32_t size;	      /* bytes of the data area, a multiple of 4096 */
	uint32_t own;	      /* our index: next byte to read or write */
	uint32_t peer;	      /* the peer's index, as last validated */
};

/* any.  A view of a ring whose data area is contiguous; both indices start at @index. */
void vmbus_ring_init(struct vmbus_ring *r, void *ctrl, void *data, uint32_t size, uint32_t index);

/* any.  As above over scattered pages: page[0] is the control page, the rest the data area. */
void vmbus_ring_init_pages(struct vmbus_ring *r, uint8_t *const *page, uint32_t nr_pages,
			   uint32_t index);

/* any.  Two rings that a guest opens: control pages @page[0] (guest->host) and @page[@split]
 * (host->guest). False when our index in one of them is not 0, as guests leave it: then nothing was
 * done. Else sets the other fields that are ours; they may hold what an earlier user of the pages
 * left. */
bool vmbus_ring_start(uint8_t *const *page, uint32_t split);

/* any.  Copies between the ring and private memory; @at is an offset into the data area and wraps.
 * @len <= size. */
void vmbus_ring_read_slow(const struct vmbus_ring *r, uint32_t at, void *dst, uint32_t len);
void vmbus_ring_write_slow(const struct vmbus_ring *r, uint32_t at, const void *src, uint32_t len);

static inline uint32_t vmbus_ring_wrap(const struct vmbus_ring *r, uint32_t at)
{
	return at >= r->size ? at - r->size : at;
}

static inline void vmbus_ring_read(const struct vmbus_ring *r, uint32_t at, void *dst, uint32_t len)
{
	if (__builtin_expect(r->data && len <= r->size - at, 1))
		__builtin_memcpy(dst, r->data + at, len);
	else
		vmbus_ring_read_slow(r, at, dst, len);
}

static inline void vmbus_ring_write(const struct vmbus_ring *r, uint32_t at, const void *src,
				    uint32_t len)
{
	if (__builtin_expect(r->data && len <= r->size - at, 1))
		__builtin_memcpy(r->data + at, src, len);
	else
		vmbus_ring_write_slow(r, at, src, len);
}

/* ---- Consumer ----------------------------------------------------------------------------- */

/* Loads the producer's index. Returns the bytes that wait, or -1 when the index is not a place in
 * the ring (the peer broke the protocol). Acquire: pairs with vmbus_ring_publish_write(). */
static inline int32_t vmbus_ring_avail(struct vmbus_ring *r)
{
	uint32_t w = __atomic_load_n(&r->ctrl->write_index, __ATOMIC_ACQUIRE);

	if (w >= r->size || w % 8)
		return -1;
	r->peer = w;
	return (int32_t)(w >= r->own ? w - r->own : w + r->size - r->own);
}

/* Copies the descriptor at the read position into *@d and checks it against @avail (the bytes that
 * wait from there). Returns the bytes that the packet takes in the ring, or -1 when it is malformed. */
static inline int32_t vmbus_ring_peek(const struct vmbus_ring *r, uint32_t avail,
				      struct vmbus_pkt_desc *d)
{
	uint32_t len, off;

	if (avail < sizeof(*d) + VMBUS_PKT_TRAILER)
		return -1;
	vmbus_ring_read(r, r->own, d, sizeof(*d));
	len = d->len8 * 8u;
	off = d->offset8 * 8u;
	if (len < sizeof(*d) || len + VMBUS_PKT_TRAILER > avail || off < sizeof(*d) || off > len)
		return -1;
	return (int32_t)(len + VMBUS_PKT_TRAILER);
}

/* Steps over a packet of @total bytes (from vmbus_ring_peek()). Private until published. */
static inline void vmbus_ring_skip(struct vmbus_ring *r, uint32_t total)
{
	r->own = vmbus_ring_wrap(r, r->own + total);
}

/* Publishes the read position. Returns true when the producer waits for space and must be
 * signalled. Fence: pairs with the producer's store of pending_send_sz before it re-checks. */
bool vmbus_ring_publish_read(struct vmbus_ring *r);

/* Arm notification, re-check: clears the mask and returns true when packets came meanwhile (the
 * caller polls again instead of sleeping). Everything consumed must be published before. */
static inline bool vmbus_ring_arm(struct vmbus_ring *r)
{
	__atomic_store_n(&r->ctrl->interrupt_mask, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(
		__ATOMIC_SEQ_CST); /* pairs with the fence in vmbus_ring_publish_write() */
	return __atomic_load_n(&r->ctrl->write_index, __ATOMIC_RELAXED) != r->own;
}

static inline void vmbus_ring_disarm(struct vmbus_ring *r)
{
	__atomic_store_n(&r->ctrl->interrupt_mask, 1, __ATOMIC_RELAXED);
}

/* ---- Producer ----------------------------------------------------------------------------- */

/* Loads the consumer's index. Returns the bytes that may be written now (8 are always left free),
 * or -1 when the index is not a place in the ring. Acquire: pairs with vmbus_ring_publish_read(). */
static inline int32_t vmbus_ring_space(struct vmbus_ring *r)
{
	uint32_t rd = __atomic_load_n(&r->ctrl->read_index, __ATOMIC_ACQUIRE);

	if (rd >= r->size || rd % 8)
		return -1;
	r->peer = rd;
	return (int32_t)((rd > r->own ? rd - r->own : rd + r->size - r->own) - 8);
}

/* Writes one packet at the write position: descriptor, @hdr (type-specific, multiple of 8 bytes),
 * @body (padded to 8), trailer. The caller checked the space. Private until published.
 * Returns the bytes taken. */
uint32_t vmbus_ring_put(struct vmbus_ring *r, const struct vmbus_pkt_desc *d, const void *hdr,
			uint32_t hdr_len, const void *body, uint32_t body_len);

/* The same for a packet that is a line of 64 bytes with its trailer, as completions of 40 bytes are: @w has the other 56.
 * Word by word from registers: a packet put together in memory and copied waits for its own stores. */
static inline void vmbus_ring_put_line(struct vmbus_ring *r, const uint64_t w[7])
{
	const uint64_t trailer = (uint64_t)r->own << 32;
	uint32_t i, at = r->own;
	uint8_t *to = r->data + at;

	if (__builtin_expect(r->data && r->size - at >= 64, 1)) {
		for (i = 0; i < 7; i++)
			__builtin_memcpy(to + i * 8, &w[i], 8);
		__builtin_memcpy(to + 56, &trailer, 8);
	} else {
		vmbus_ring_write_slow(r, at, w, 56);
		vmbus_ring_write_slow(r, vmbus_ring_wrap(r, at + 56), &trailer, 8);
	}
	r->own = vmbus_ring_wrap(r, at + 64);
}

/* What vmbus_ring_put() will take. */
static inline uint32_t vmbus_ring_need(uint32_t hdr_len, uint32_t body_len)
{
	return (uint32_t)sizeof(struct vmbus_pkt_desc) + hdr_len + ((body_len + 7) & ~7u) +
	       VMBUS_PKT_TRAILER;
}

/* Publishes the write position. Returns true when the consumer wants a signal: it does not mask
 * them. (Strictly only empty -> non-empty needs one; signalling always while unmasked hides
 * consumers that lose an edge, and a polling consumer masks.) */
static inline bool vmbus_ring_publish_write(struct vmbus_ring *r)
{
	__atomic_store_n(&r->ctrl->write_index, r->own, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the fence in vmbus_ring_arm() */
	return __atomic_load_n(&r->ctrl->interrupt_mask, __ATOMIC_RELAXED) == 0;
}
