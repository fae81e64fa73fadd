/* SPDX-License-Identifier: BSD-3-Clause */
/* GPADL assembly. Body messages carry a handle but no relid, and a message number that guests leave
 * at 0: so the handle alone, unique among those in progress, says where a body belongs. */
#include "vmbus/gpadl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define HEADER_FIXED (sizeof(struct vmbus_msg_gpadl_header) + sizeof(struct vmbus_gpa_range))

/* One range, of whole PFNs, whose announced size agrees with its bytes. */
static int check_header(const struct vmbus_msg_gpadl_header *h, const struct vmbus_gpa_range *r,
			uint32_t *nr_pages)
{
	uint64_t pages =
		((uint64_t)r->byte_offset + r->byte_count + VMBUS_PAGE_SIZE - 1) / VMBUS_PAGE_SIZE;

	if (h->gpadl == 0)
		return err_set(-EINVAL, "GPADL handle 0");
	if (h->rangecount != 1)
		return err_set(-EINVAL, "GPADL 0x%x: %u ranges, want 1", h->gpadl, h->rangecount);
	if (r->byte_count == 0 || r->byte_offset >= VMBUS_PAGE_SIZE)
		return err_set(-EINVAL, "GPADL 0x%x: %u bytes at offset %u", h->gpadl,
			       r->byte_count, r->byte_offset);
	if (pages > VMBUS_GPADL_PAGES_MAX || h->range_buflen != sizeof(*r) + 8 * pages)
		return err_set(-EINVAL, "GPADL 0x%x: %llu pages in %u bytes of ranges", h->gpadl,
			       (unsigned long long)pages, h->range_buflen);
	*nr_pages = (uint32_t)pages;
	return 0;
}

static uint32_t slot_of(const struct vmbus_gpadl_builds *b, uint32_t handle)
{
	uint32_t i;

	for (i = 0; i < VMBUS_GPADL_BUILDS_MAX; i++) {
		if (b->slot[i] && b->slot[i]->handle == handle)
			break;
	}
	return i;
}

static struct vmbus_gpadl_build *remove_slot(struct vmbus_gpadl_builds *b, uint32_t i)
{
	struct vmbus_gpadl_build *g = b->slot[i];

	b->slot[i] = NULL;
	b->nr--;
	b->nr_pages -= g->nr_pages;
	return g;
}

static void insert(struct vmbus_gpadl_builds *b, struct vmbus_gpadl_build *g)
{
	uint32_t i = 0;

	while (b->slot[i])
		i++;
	b->slot[i] = g;
	b->nr++;
	b->nr_pages += g->nr_pages;
}

/* Adds list data. 1: complete. -EPROTO: more than announced. */
static int append(struct vmbus_gpadl_build *g, const void *data, size_t len)
{
	uint32_t want = g->nr_pages * 8 - g->got;

	if (len > want)
		return err_set(-EPROTO, "GPADL 0x%x: %zu bytes of pages, only %u missing",
			       g->handle, len, want);
	memcpy((uint8_t *)g->pfn + g->got, data, len);
	g->got += (uint32_t)len;
	return len == want;
}

static int admit(const struct vmbus_gpadl_builds *b, uint32_t handle, uint32_t nr_pages,
		 uint32_t pages_left)
{
	if (slot_of(b, handle) < VMBUS_GPADL_BUILDS_MAX)
		return err_set(-EEXIST, "GPADL 0x%x: being created already", handle);
	if (b->nr >= VMBUS_GPADL_BUILDS_MAX)
		return err_set(-ENOSPC, "GPADL 0x%x: %u others are unfinished", handle, b->nr);
	if (nr_pages > pages_left)
		return err_set(-ENOSPC, "GPADL 0x%x: %u pages, only %u left", handle, nr_pages,
			       pages_left);
	return 0;
}

int vmbus_gpadl_header(struct vmbus_gpadl_builds *b, const void *msg, size_t len,
		       uint32_t pages_left, uint64_t deadline_ms, struct vmbus_gpadl_build **out)
{
	struct vmbus_msg_gpadl_header h;
	struct vmbus_gpadl_build *g;
	struct vmbus_gpa_range r;
	uint32_t nr_pages = 0;
	int rc;

	*out = NULL;
	if (len < HEADER_FIXED)
		return err_set(-EINVAL, "GPADL header of %zu bytes", len);
	memcpy(&h, msg, sizeof(h));
	memcpy(&r, (const uint8_t *)msg + sizeof(h), sizeof(r));
	rc = check_header(&h, &r, &nr_pages);
	if (!rc)
		rc = admit(b, h.gpadl, nr_pages, pages_left);
	if (rc)
		return rc;
	g = calloc(1, sizeof(*g) + nr_pages * sizeof(g->pfn[0]));
	if (!g)
		return err_set(-ENOMEM, "GPADL 0x%x: no memory for %u pages", h.gpadl, nr_pages);
	g->relid = h.child_relid;
	g->handle = h.gpadl;
	g->byte_offset = r.byte_offset;
	g->byte_count = r.byte_count;
	g->nr_pages = nr_pages;
	g->deadline_ms = deadline_ms;
	rc = append(g, (const uint8_t *)msg + HEADER_FIXED, len - HEADER_FIXED);
	if (rc == 0)
		insert(b, g);
	else if (rc == 1)
		*out = g;
	else
		free(g);
	return rc == -EPROTO ? -EINVAL : rc;
}

int vmbus_gpadl_body(struct vmbus_gpadl_builds *b, const void *msg, size_t len,
		     struct vmbus_gpadl_build **out)
{
	struct vmbus_msg_gpadl_body h;
	uint32_t i;
	int rc;

	*out = NULL;
	if (len < sizeof(h))
		return -ENOENT;
	memcpy(&h, msg, sizeof(h));
	i = slot_of(b, h.gpadl);
	if (i == VMBUS_GPADL_BUILDS_MAX)
		return -ENOENT;
	rc = append(b->slot[i], (const uint8_t *)msg + sizeof(h), len - sizeof(h));
	if (rc)
		*out = remove_slot(b, i);
	return rc;
}

struct vmbus_gpadl_build *vmbus_gpadl_take(struct vmbus_gpadl_builds *b, uint32_t relid,
					   uint32_t handle)
{
	uint32_t i;

	for (i = 0; i < VMBUS_GPADL_BUILDS_MAX; i++) {
		if (b->slot[i] && b->slot[i]->relid == relid &&
		    (handle == 0 || b->slot[i]->handle == handle))
			return remove_slot(b, i);
	}
	return NULL;
}

struct vmbus_gpadl_build *vmbus_gpadl_take_late(struct vmbus_gpadl_builds *b, uint64_t now_ms)
{
	uint32_t i;

	for (i = 0; i < VMBUS_GPADL_BUILDS_MAX; i++) {
		if (b->slot[i] && b->slot[i]->deadline_ms <= now_ms)
			return remove_slot(b, i);
	}
	return NULL;
}

uint64_t vmbus_gpadl_deadline(const struct vmbus_gpadl_builds *b)
{
	uint64_t min = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < VMBUS_GPADL_BUILDS_MAX; i++) {
		if (b->slot[i] && b->slot[i]->deadline_ms < min)
			min = b->slot[i]->deadline_ms;
	}
	return min;
}

void vmbus_gpadl_drop(struct vmbus_gpadl_builds *b)
{
	uint32_t i;

	for (i = 0; i < VMBUS_GPADL_BUILDS_MAX; i++) {
		if (b->slot[i])
			free(remove_slot(b, i));
	}
}
