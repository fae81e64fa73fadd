/* SPDX-License-Identifier: BSD-3-Clause */
/* The protocol between a worker and the switch: the only coupling of the two. One message is one
 * SOCK_SEQPACKET datagram. Requests carry an id and are acknowledged in the order in which they
 * were sent, by ACK; HELLO by WELCOME, or by an ACK with an error. Nothing here knows what a
 * message means: vmbus/server.h (worker) and vmbus/backend.h (switch) are the two state machines.
 *
 *   worker -> switch: HELLO, GPADL_ADD, GPADL_DEL, OPEN, CLOSE, RETARGET, RESET, PING, VF
 *   switch -> worker: WELCOME, OFFER, OFFERS_DONE, RESCIND, LINK_ERROR, PATH, VF_REMOVE
 *
 * PATH is acknowledged when the NIC's filters are as it asks, which may be behind later requests; of
 * several for one channel the last one counts.
 *
 * File descriptors: HELLO carries, in this order, one a region, one SINT line a VP, one doorbell a
 * relid from 1 on, and the state memfd. WELCOME carries a pidfd of the switch. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nethv/abi/vmbus.h>

#include "base/gmem.h"
#include "vmbus/state.h"

#define VMBUS_LINK_VERSION   3u
#define VMBUS_LINK_NAME_MAX  32u  /* with the final NUL */
#define VMBUS_LINK_TEXT_MAX  192u /* with the final NUL */
#define VMBUS_LINK_FDS_MAX   253u /* SCM_MAX_FD */
#define VMBUS_LINK_DOORBELLS (VMBUS_CHANS_MAX - 1)
#define VMBUS_LINK_MSG_MAX   (64u + 8u * VMBUS_GPADL_PAGES_MAX)

enum vmbus_link_type {
	VMBUS_LINK_NONE = 0,
	VMBUS_LINK_ACK = 1,
	/* worker -> switch */
	VMBUS_LINK_HELLO = 16,
	VMBUS_LINK_GPADL_ADD,
	VMBUS_LINK_GPADL_DEL,
	VMBUS_LINK_OPEN,
	VMBUS_LINK_CLOSE,
	VMBUS_LINK_RETARGET,
	VMBUS_LINK_RESET,
	VMBUS_LINK_PING,
	VMBUS_LINK_VF, /* a VF belongs to the adapter, or does not any more */
	/* switch -> worker */
	VMBUS_LINK_WELCOME = 32,
	VMBUS_LINK_OFFER,
	VMBUS_LINK_OFFERS_DONE, /* what the partition is to have was offered */
	VMBUS_LINK_RESCIND,
	VMBUS_LINK_ERROR,
	VMBUS_LINK_PATH,      /* move what the NIC delivers to the VF, or away from it */
	VMBUS_LINK_VF_REMOVE, /* a policy does not allow the VF: take it from the guest */
};

struct vmbus_link_region {
	uint64_t gpa;
	uint64_t len;
	uint64_t fd_offset;
};

struct vmbus_link_hello {
	char name[VMBUS_LINK_NAME_MAX];
	uint32_t is_resumed; /* 1: ran with an earlier switch, the state holds its past */
	uint32_t nr_vps;
	uint32_t nr_regions;
	struct vmbus_link_region region[GMEM_REGIONS_MAX];
};

struct vmbus_link_gpadl_add {
	uint32_t relid;
	uint32_t handle;
	uint32_t byte_offset; /* in the first page */
	uint32_t byte_count;
	uint32_t nr_pages; /* ceil((byte_offset + byte_count) / 4096) */
	const void *pfns;  /* u64 each, not aligned: vmbus_link_pfn(). Points into the message. */
};

struct vmbus_link_offer {
	struct vmbus_guid if_type;
	struct vmbus_guid if_instance;
	uint32_t sub_index;
	uint32_t wants_monitor; /* 1: the guest may signal by a monitor page */
};

struct vmbus_link_open {
	uint32_t relid;
	uint32_t ring;	/* GPADL handle */
	uint32_t split; /* pages of the guest->host ring */
	uint32_t target_vp;
	uint32_t how; /* enum vmbus_open_how */
	uint32_t monitor_id;
	uint64_t
		monitor_page; /* GPA of the child -> parent page; 0: the guest signals by hypercalls */
};

/* One message, decoded. Which member holds: see @type. */
struct vmbus_link_msg {
	enum vmbus_link_type type;
	uint32_t id; /* of the request; an answer has its request's */
	union {
		struct {
			int32_t status; /* 0 or -errno */
			uint32_t relid; /* answers OFFER */
			char text[VMBUS_LINK_TEXT_MAX];
		} ack;
		struct vmbus_link_hello hello;
		struct vmbus_link_gpadl_add gpadl_add;
		struct {
			uint32_t relid;
			uint32_t handle;
		} gpadl_del;
		struct vmbus_link_open open;
		struct {
			uint32_t relid;
		} chan; /* CLOSE, RESCIND */
		struct {
			uint32_t relid;
			uint32_t target_vp;
		} retarget;
		struct vmbus_link_offer offer;
		struct {
			uint32_t relid; /* of the adapter's primary channel */
			uint32_t serial;
			uint32_t is_allocated; /* 0 or 1 */
		} vf;
		struct {
			uint32_t relid;
			uint32_t is_vf; /* 0 or 1 */
		} path;
		struct {
			uint32_t relid; /* 0: the switch let go of the whole partition */
			char text[VMBUS_LINK_TEXT_MAX];
		} error; /* ERROR; VF_REMOVE, with the reason */
	};
};

/* any.  Writes @m to @buf. Returns the length, or -EINVAL / -EMSGSIZE. */
int vmbus_link_encode(const struct vmbus_link_msg *m, void *buf, size_t cap);

/* any.  Reads a message of exactly @len bytes. 0, or -EPROTO (text set): nothing in *@out may be
 * used. Lengths, counts and texts of a decoded message are in bounds; relids, VPs and handles are
 * the receiver's to judge. */
int vmbus_link_decode(const void *buf, size_t len, struct vmbus_link_msg *out);

/* any.  Copies a text into a message's field, cut and made printable. @src may be NULL. */
void vmbus_link_text(char dst[VMBUS_LINK_TEXT_MAX], const char *src);

/* any.  How many fds belong to a message. */
uint32_t vmbus_link_nr_fds(const struct vmbus_link_msg *m);

static inline uint64_t vmbus_link_pfn(const struct vmbus_link_gpadl_add *g, uint32_t i)
{
	uint64_t pfn;

	__builtin_memcpy(&pfn, (const uint8_t *)g->pfns + i * sizeof(pfn), sizeof(pfn));
	return pfn;
}

/* ---- A connected socket ------------------------------------------------------------------- */

struct vmbus_link_out;

struct vmbus_link {
	int fd;
	uint32_t next_id;
	struct vmbus_link_out *head; /* not yet sent */
	struct vmbus_link_out **tail;
	uint32_t nr_queued;
	uint64_t bytes_queued;
	uint8_t *buf; /* one message; what gpadl_add.pfns of the last one received points into */
};

/* ctl.  Takes over @fd (consumed, also on failure) and makes it non-blocking. 0 or -errno. */
int vmbus_link_init(struct vmbus_link *l, int fd);

/* ctl.  Closes the socket and drops what was not sent. Accepts a zeroed link with fd -1. */
void vmbus_link_fini(struct vmbus_link *l);

/* ctl.  Sends, or queues when the peer is slow. @fds are borrowed (duplicated when queued). 0, or
 * -EPIPE: the peer is gone, -ENOBUFS: the bound of the queue is reached (text set); both end the
 * link. A request gets its id here when m->id is 0. */
int vmbus_link_send(struct vmbus_link *l, struct vmbus_link_msg *m, const int *fds,
		    uint32_t nr_fds);

/* ctl.  Answers request @id. As vmbus_link_send(). @text may be NULL. */
int vmbus_link_ack(struct vmbus_link *l, uint32_t id, int status, uint32_t relid, const char *text);

/* ctl.  Sends what is queued, as far as it goes. 0, -EPIPE. */
int vmbus_link_flush(struct vmbus_link *l);

/* ctl.  The next message. 1: *@out holds it and fds[0..vmbus_link_nr_fds) are the caller's (room
 * for VMBUS_LINK_FDS_MAX). 0: none waits. -EPIPE: closed. -EPROTO (text set): malformed, or with
 * another number of fds than its type wants; all fds were closed. */
int vmbus_link_recv(struct vmbus_link *l, struct vmbus_link_msg *out, int *fds);
