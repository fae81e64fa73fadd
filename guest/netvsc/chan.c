/* SPDX-License-Identifier: BSD-3-Clause */
/* VMBus client: GPADLs and the life of a channel. */
#include "guest/netvsc/bus.h"

static uint64_t pfn_of(const struct nvsc_bus *b, const void *mem, uint32_t page)
{
	return b->t.ops->gpa(b->t.ctx, (const uint8_t *)mem + (uint64_t)page * VMBUS_PAGE_SIZE) /
	       VMBUS_PAGE_SIZE;
}

static uint32_t fill_pfns(const struct nvsc_bus *b, const void *mem, uint32_t from, uint32_t to,
			  uint64_t *pfn)
{
	uint32_t i;

	for (i = from; i < to; i++)
		pfn[i - from] = pfn_of(b, mem, i);
	return (to - from) * 8;
}

static int post_gpadl_header(struct nvsc_bus *b, const struct nvsc_chan *ch, uint32_t handle,
			     const void *mem, uint32_t nr_pages)
{
	struct {
		struct vmbus_msg_gpadl_header hdr;
		struct vmbus_gpa_range range;
		uint64_t pfn[VMBUS_GPADL_PFNS_HEADER];
	} __attribute__((packed)) m = {
		.hdr = {.hdr.msgtype = VMBUS_MSG_GPADL_HEADER,
			.child_relid = ch->relid,
			.gpadl = handle,
			.range_buflen = (uint16_t)(8 + 8 * nr_pages),
			.rangecount = 1},
		.range = {.byte_count = nr_pages * VMBUS_PAGE_SIZE},
	};
	uint64_t pfn[VMBUS_GPADL_PFNS_HEADER];
	uint32_t n = nr_pages < VMBUS_GPADL_PFNS_HEADER ? nr_pages : VMBUS_GPADL_PFNS_HEADER;
	uint32_t len = fill_pfns(b, mem, 0, n, pfn);

	__builtin_memcpy(m.pfn, pfn, len);
	return nvsc_bus_post(b, &m, (uint32_t)(sizeof(m.hdr) + sizeof(m.range)) + len);
}

static int post_gpadl_body(struct nvsc_bus *b, uint32_t handle, const void *mem, uint32_t from,
			   uint32_t to)
{
	struct {
		struct vmbus_msg_gpadl_body hdr;
		uint64_t pfn[VMBUS_GPADL_PFNS_BODY];
	} m = {.hdr = {.hdr.msgtype = VMBUS_MSG_GPADL_BODY, .gpadl = handle}};
	uint32_t len = fill_pfns(b, mem, from, to, m.pfn);

	return nvsc_bus_post(b, &m, (uint32_t)sizeof(m.hdr) + len);
}

int nvsc_gpadl_create(struct nvsc_bus *b, const struct nvsc_chan *ch, const void *mem,
		      uint32_t nr_pages, uint32_t *handle)
{
	uint32_t h = b->next_gpadl++, at, to;
	int rc;

	if (!nr_pages || nr_pages > VMBUS_GPADL_PAGES_MAX)
		return NVSC_E_INVAL;
	if (ch->is_rescinded)
		return NVSC_E_NODEV;
	nvsc_bus_expect(b, VMBUS_MSG_GPADL_CREATED, ch->relid, h);
	rc = post_gpadl_header(b, ch, h, mem, nr_pages);
	for (at = VMBUS_GPADL_PFNS_HEADER; !rc && at < nr_pages; at = to) {
		to = nr_pages - at < VMBUS_GPADL_PFNS_BODY ? nr_pages : at + VMBUS_GPADL_PFNS_BODY;
		rc = post_gpadl_body(b, h, mem, at, to);
	}
	if (!rc)
		rc = nvsc_bus_await(b, ch);
	if (rc)
		return rc;
	if (b->wait.status)
		return NVSC_E_IO;
	*handle = h;
	return 0;
}

int nvsc_gpadl_teardown(struct nvsc_bus *b, const struct nvsc_chan *ch, uint32_t handle)
{
	struct vmbus_msg_gpadl_teardown m = {
		.hdr.msgtype = VMBUS_MSG_GPADL_TEARDOWN, .child_relid = ch->relid, .gpadl = handle};
	int rc;

	if (ch->is_rescinded)
		return 0;
	nvsc_bus_expect(b, VMBUS_MSG_GPADL_TORNDOWN, 0, handle);
	rc = nvsc_bus_post(b, &m, sizeof(m));
	if (!rc)
		rc = nvsc_bus_await(b, ch);
	return rc == NVSC_E_NODEV && ch->is_rescinded ? 0 : rc;
}

/* Both control pages as the protocol wants them at open, and our views of the rings. */
static void init_rings(struct nvsc_chan *ch, uint8_t *mem, uint32_t ring_pages)
{
	uint32_t half = ring_pages * VMBUS_PAGE_SIZE, size = half - VMBUS_PAGE_SIZE;
	struct vmbus_ring_ctrl *ctrl;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ctrl = (void *)(mem + (uint64_t)i * half);
		__builtin_memset(ctrl, 0, sizeof(*ctrl));
		ctrl->feature_bits = VMBUS_RING_FEATURE_PENDING_SEND;
	}
	vmbus_ring_init(&ch->out, mem, mem + VMBUS_PAGE_SIZE, size, 0);
	vmbus_ring_init(&ch->in, mem + half, mem + half + VMBUS_PAGE_SIZE, size, 0);
}

static int post_open(struct nvsc_bus *b, const struct nvsc_chan *ch, uint32_t ring_pages,
		     uint32_t target_vp)
{
	struct vmbus_msg_open m = {.hdr.msgtype = VMBUS_MSG_OPEN,
				   .child_relid = ch->relid,
				   .openid = ch->relid,
				   .ring_gpadl = ch->ring_gpadl,
				   .target_vp = target_vp,
				   .downstream_offset = ring_pages};
	int rc;

	nvsc_bus_expect(b, VMBUS_MSG_OPEN_RESULT, ch->relid, ch->relid);
	rc = nvsc_bus_post(b, &m, sizeof(m));
	if (!rc)
		rc = nvsc_bus_await(b, ch);
	if (rc)
		return rc;
	return b->wait.status ? NVSC_E_IO : 0;
}

int nvsc_chan_open(struct nvsc_bus *b, struct nvsc_chan *ch, void *mem, uint32_t ring_pages,
		   uint32_t target_vp)
{
	int rc;

	if (ch->is_open || ring_pages < 2 || ring_pages > VMBUS_RING_PAGES_MAX)
		return NVSC_E_INVAL;
	init_rings(ch, mem, ring_pages);
	rc = nvsc_gpadl_create(b, ch, mem, 2 * ring_pages, &ch->ring_gpadl);
	if (rc)
		return rc;
	rc = post_open(b, ch, ring_pages, target_vp);
	if (rc) {
		nvsc_gpadl_teardown(b, ch, ch->ring_gpadl);
		return rc;
	}
	ch->is_open = true;
	return 0;
}

int nvsc_chan_close(struct nvsc_bus *b, struct nvsc_chan *ch)
{
	struct vmbus_msg_relid m = {.hdr.msgtype = VMBUS_MSG_CLOSE, .child_relid = ch->relid};
	int rc;

	if (!ch->is_open)
		return 0;
	ch->is_open = false;
	rc = nvsc_bus_post(b, &m, sizeof(m));
	return rc ? rc : nvsc_gpadl_teardown(b, ch, ch->ring_gpadl);
}

int nvsc_chan_modify(struct nvsc_bus *b, const struct nvsc_chan *ch, uint32_t target_vp)
{
	struct vmbus_msg_modify m = {
		.hdr.msgtype = VMBUS_MSG_MODIFY, .child_relid = ch->relid, .target_vp = target_vp};
	int rc;

	if (b->version < VMBUS_V4_1 || !ch->is_open)
		return NVSC_E_INVAL;
	nvsc_bus_expect(b, VMBUS_MSG_MODIFY_RESPONSE, ch->relid, 0);
	rc = nvsc_bus_post(b, &m, sizeof(m));
	if (rc || b->version < VMBUS_V5_3)
		return rc;
	rc = nvsc_bus_await(b, ch);
	if (rc)
		return rc;
	return b->wait.status ? NVSC_E_IO : 0;
}
