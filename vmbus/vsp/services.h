/* SPDX-License-Identifier: BSD-3-Clause */
/* The four integration components. Each begins with its struct ic, so that a service finds its own
 * state from it. One thread at a time. */
#pragma once

#include "vmbus/vsp/ic.h"
#include "vmbus/vsp/vsp.h"

struct heartbeat {
	struct ic ic;
	uint64_t sequence;
	int64_t sent_ms;
	int64_t seen_ms; /* -1: never */
	uint32_t app_state;
};

struct shutdown {
	struct ic ic;
	enum vsp_answer answer;
	void (*changed)(struct shutdown *s); /* optional: @answer changed by the guest's doing */
	void *ctx;
};

struct timesync {
	struct ic ic;
	bool is_synced; /* the guest was told to set its clock */
};

struct kvp {
	struct ic ic;
	uint32_t index;	  /* asked for now */
	uint32_t nr_next; /* of this enumeration */
	struct vsp_kvp_pair next[VSP_KVP_MAX];
	int64_t seen_ms; /* -1: never */
	uint32_t nr;	 /* of the last whole one */
	struct vsp_kvp_pair pair[VSP_KVP_MAX];
};

extern const struct ic_service heartbeat_service;
extern const struct ic_service shutdown_service;
extern const struct ic_service timesync_service;
extern const struct ic_service kvp_service;

/* 0, or -ENOTCONN, -EBUSY, -EAGAIN, -EPROTO (text set). */
int shutdown_request(struct shutdown *s, enum vsp_shutdown what);

/* any.  UTF-16LE of @len bytes, to its terminator if there is one, as UTF-8 that is safe to print, cut
 * to @size bytes with the terminator. */
void kvp_text(char *out, uint32_t size, const uint8_t *utf16, uint32_t len);
/* any.  What the guest told. 0 or -EPROTO (text set). */
int kvp_decode(struct vsp_kvp_pair *out, const struct ic_kvp_enumerate *m);
