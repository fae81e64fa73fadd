/* SPDX-License-Identifier: BSD-3-Clause */
/* Ring buffers: the parts that are not worth inlining. No libc: the guest image compiles this, too. */
#include "vmbus/ring.h"

void vmbus_ring_init(struct vmbus_ring *r, void *ctrl, void *data, uint32_t size, uint32_t index)
{
	*r = (struct vmbus_ring){
		.ctrl = ctrl, .data = data, .size = size, .own = index, .peer = index};
}

void vmbus_ring_init_pages(struct vmbus_ring *r, uint8_t *const *page, uint32_t nr_pages,
			   uint32_t index)
{
	uint32_t i;

	*r = (struct vmbus_ring){.ctrl = (void *)page[0],
				 .data = page[1],
				 .page = page + 1,
				 .size = (nr_pages - 1) * VMBUS_PAGE_SIZE,
				 .own = index,
				 .peer = index};
	for (i = 2; i < nr_pages; i++) {
		if (page[i] != page[i - 1] + VMBUS_PAGE_SIZE)
			r->data = NULL;
	}
}

bool vmbus_ring_start(uint8_t *const *page, uint32_t split)
{
	struct vmbus_ring_ctrl *in = (void *)page[0], *out = (void *)page[split];

	if (__atomic_load_n(&in->read_index, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&out->write_index, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&in->interrupt_mask, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&out->pending_send_sz, 0, __ATOMIC_RELEASE);
	return true;
}

/* The longest run from @at that is contiguous, at most @len. */
static uint8_t *run_at(const struct vmbus_ring *r, uint32_t at, uint32_t len, uint32_t *run)
{
	uint32_t in_page = at % VMBUS_PAGE_SIZE;
	uint32_t max = r->data ? r->size - at : VMBUS_PAGE_SIZE - in_page;

	*run = len < max ? len : max;
	return r->data ? r->data + at : r->page[at / VMBUS_PAGE_SIZE] + in_page;
}

void vmbus_ring_read_slow(const struct vmbus_ring *r, uint32_t at, void *dst, uint32_t len)
{
	uint8_t *to = dst;
	uint32_t run;

	while (len) {
		const uint8_t *from = run_at(r, at, len, &run);

		__builtin_memcpy(to, from, run);
		to += run;
		len -= run;
		at = vmbus_ring_wrap(r, at + run);
	}
}

void vmbus_ring_write_slow(const struct vmbus_ring *r, uint32_t at, const void *src, uint32_t len)
{
	const uint8_t *from = src;
	uint32_t run;

	while (len) {
		uint8_t *to = run_at(r, at, len, &run);

		__builtin_memcpy(to, from, run);
		from += run;
		len -= run;
		at = vmbus_ring_wrap(r, at + run);
	}
}

bool vmbus_ring_publish_read(struct vmbus_ring *r)
{
	uint32_t pending, w, free;

	__atomic_store_n(&r->ctrl->read_index, r->own, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	pending = __atomic_load_n(&r->ctrl->pending_send_sz, __ATOMIC_RELAXED);
	if (__builtin_expect(pending == 0, 1))
		return false;
	w = __atomic_load_n(&r->ctrl->write_index, __ATOMIC_RELAXED);
	if (w >= r->size)
		return true; /* nonsense is caught at the next poll; an extra signal harms nobody */
	free = r->own > w ? r->own - w : r->own + r->size - w;
	return free > pending;
}

uint32_t vmbus_ring_put(struct vmbus_ring *r, const struct vmbus_pkt_desc *d, const void *hdr,
			uint32_t hdr_len, const void *body, uint32_t body_len)
{
	uint64_t trailer = (uint64_t)r->own << 32, zero = 0;
	uint32_t padded = (body_len + 7) & ~7u;
	uint32_t at = r->own;

	vmbus_ring_write(r, at, d, sizeof(*d));
	at = vmbus_ring_wrap(r, at + (uint32_t)sizeof(*d));
	if (hdr_len) {
		vmbus_ring_write(r, at, hdr, hdr_len);
		at = vmbus_ring_wrap(r, at + hdr_len);
	}
	if (body_len) {
		vmbus_ring_write(r, at, body, body_len);
		at = vmbus_ring_wrap(r, at + body_len);
	}
	if (padded != body_len) {
		vmbus_ring_write(r, at, &zero, padded - body_len);
		at = vmbus_ring_wrap(r, at + padded - body_len);
	}
	vmbus_ring_write(r, at, &trailer, sizeof(trailer));
	r->own = vmbus_ring_wrap(r, at + (uint32_t)sizeof(trailer));
	return (uint32_t)sizeof(*d) + hdr_len + padded + VMBUS_PKT_TRAILER;
}
