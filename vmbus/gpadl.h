/* SPDX-License-Identifier: BSD-3-Clause */
/* Assembly of GPADLs from a guest's header and body messages. Several may be in progress and
 * interleaved; pages, number and time are bounded. Pure: no sockets, no guest memory; whether a
 * PFN is RAM is the caller's to check. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <nethv/abi/vmbus.h>

#define VMBUS_GPADL_BUILDS_MAX 32u

/* One list of pages, complete or not. */
struct vmbus_gpadl_build {
	uint32_t relid;
	uint32_t handle;
	uint32_t byte_offset;
	uint32_t byte_count;
	uint32_t nr_pages;
	uint32_t got; /* bytes of pfn[] that came */
	uint64_t deadline_ms;
	uint64_t pfn[];
};

struct vmbus_gpadl_builds {
	struct vmbus_gpadl_build *slot[VMBUS_GPADL_BUILDS_MAX];
	uint32_t nr;
	uint32_t nr_pages; /* of all in progress */
};

/* any.  Takes a GPADL_HEADER of @len bytes. At most @pages_left pages are accepted.
 * 1: complete, *@out is the caller's to free(). 0: bodies must follow. -EINVAL: malformed, -EEXIST:
 * the handle is in progress, -ENOSPC: too many or too big, -ENOMEM (texts set); then nothing is
 * kept. */
int vmbus_gpadl_header(struct vmbus_gpadl_builds *b, const void *msg, size_t len,
		       uint32_t pages_left, uint64_t deadline_ms, struct vmbus_gpadl_build **out);

/* any.  Takes a GPADL_BODY. 1: complete, *@out is the caller's to free(). 0: more must follow.
 * -ENOENT: belongs to none in progress. -EPROTO: more data than announced; *@out is out of the
 * list and the caller's to answer and free(). */
int vmbus_gpadl_body(struct vmbus_gpadl_builds *b, const void *msg, size_t len,
		     struct vmbus_gpadl_build **out);

/* any.  Takes one out of the list: by channel and handle (NULL when there is none), any of a channel
 * (@handle 0), or one whose time is over. The caller frees it. */
struct vmbus_gpadl_build *vmbus_gpadl_take(struct vmbus_gpadl_builds *b, uint32_t relid,
					   uint32_t handle);
struct vmbus_gpadl_build *vmbus_gpadl_take_late(struct vmbus_gpadl_builds *b, uint64_t now_ms);

/* any.  The earliest deadline, or UINT64_MAX. */
uint64_t vmbus_gpadl_deadline(const struct vmbus_gpadl_builds *b);

/* any.  Frees all. */
void vmbus_gpadl_drop(struct vmbus_gpadl_builds *b);
