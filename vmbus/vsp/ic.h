/* SPDX-License-Identifier: BSD-3-Clause */
/* What all integration components share: framing, the negotiation of versions, and one request at a
 * time. A state machine over messages and a clock that are handed in; it has no thread, ring or timer.
 * No answer is waited for by a time-out: a guest without its KVP daemon takes minutes, and may. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <nethv/abi/ic.h>
#include <nethv/abi/vmbus.h>

#define IC_MSG_MAX  (IC_HDRS_SIZE + (uint32_t)sizeof(struct ic_kvp_enumerate))
#define IC_NEVER    INT64_MAX
#define IC_RETRY_MS 1000 /* the ring was full */

struct ic;

/* What a component needs of its surroundings. */
struct ic_io {
	/* Sends an in-band packet. 0, -EAGAIN (no room), -EPROTO (text set). */
	int (*send)(void *ctx, const void *payload, uint32_t len);
	uint64_t (*ref_time)(void *ctx); /* of the partition, 100 ns */
	uint64_t (*utc)(void *ctx);	 /* 100 ns since 1970 */
	void *ctx;
};

struct ic_service {
	const char *name;
	uint16_t type; /* enum ic_msg_type */
	struct vmbus_guid if_type, if_instance;
	const struct ic_version *version; /* of its messages, lowest first */
	uint16_t nr_versions;
	void (*reset)(struct ic *ic); /* forgets what the guest said; channel opened or closed */
	void (*ready)(struct ic *ic, int64_t now_ms); /* versions are agreed on */
	/* The deadline has come and nothing is asked: sends the next request. As ic_request(). */
	int (*due)(struct ic *ic, int64_t now_ms);
	/* The answer to the request. @body: @len private bytes. 0 or -EPROTO (text set). */
	int (*answered)(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t len,
			int64_t now_ms);
};

enum ic_state { IC_CLOSED, IC_NEGOTIATING, IC_READY, IC_REFUSED };

struct ic {
	const struct ic_service *svc;
	struct ic_io io;
	enum ic_state state;
	bool is_waiting; /* for an answer */
	uint8_t trans_id;
	struct ic_version framework, message;
	uint64_t answers;
	int64_t deadline_ms;
};

/* All: one thread at a time. */

void ic_init(struct ic *ic, const struct ic_service *svc, const struct ic_io *io);
/* The channel was opened: the host speaks first. 0 or -EPROTO (text set). */
int ic_open(struct ic *ic);
void ic_close(struct ic *ic);
/* A packet of the guest: @len bytes behind the descriptor @d. 0 or -EPROTO (text set). */
int ic_packet(struct ic *ic, const struct vmbus_pkt_desc *d, const uint8_t *pkt, int64_t now_ms);
/* To be called at or after ic->deadline_ms. 0 or -EPROTO (text set). */
int ic_timer(struct ic *ic, int64_t now_ms);

/* Sends a request; ready, and none is waited for. 0, -EAGAIN, -EPROTO (text set). */
int ic_request(struct ic *ic, const void *body, uint16_t len);

const char *ic_state_text(const struct ic *ic);
