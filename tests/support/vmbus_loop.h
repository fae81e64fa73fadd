/* SPDX-License-Identifier: BSD-3-Clause */
/* A whole VMBus in one process and one thread: server (worker side) and backend (switch side) over a
 * socketpair, memfd guest memory, state memfd, a SynIC made of queues. The test is the guest.
 * Calls assert what cannot go wrong unless the code under test is broken.
 *
 *   loop_create() -> loop_connect() -> loop_offer() -> loop_gpadl() -> loop_open() -> ...
 *
 * A provider's lcore work is the test's to call between loop_pump()s; no thread runs here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nethv/abi/vmbus.h>

#include "base/gmem.h"
#include "vmbus/backend.h"
#include "vmbus/server.h"
#include "vmbus/state.h"

#define LOOP_VPS_DEFAULT 2u
#define LOOP_MEM_DEFAULT (64ull << 20)

struct loop_cfg {
	struct vmbus_backend *backend; /* a provider's own; NULL: the loop creates one from @ops */
	const struct vmbus_backend_ops
		*ops; /* the provider under test; NULL: a mock that accepts all */
	void *ctx;
	uint64_t mem_bytes; /* default LOOP_MEM_DEFAULT, from GPA 0 */
	uint32_t nr_vps;    /* default LOOP_VPS_DEFAULT */
	enum vmbus_version max_version;
	uint32_t ack_timeout_ms;
	uint32_t gpadl_timeout_ms;
	uint32_t gpadl_pages_max;
	bool is_alone;	    /* no switch yet */
	bool wants_monitor; /* the mock's channels do */
};

struct loop;

struct loop *loop_create(const struct loop_cfg *cfg);
void loop_destroy(struct loop *l);

/* Runs server and backend until neither has anything to do. */
void loop_pump(struct loop *l);

/* ---- The guest's end ---------------------------------------------------------------------- */

/* HvPostMessage on the connection id of the version in use. Returns VMBUS_POST_*. Does not pump. */
int loop_post(struct loop *l, const void *msg, size_t len);

/* Pumps, then takes the oldest message to the guest (any VP). Returns its length, 0 when none. */
size_t loop_next_msg(struct loop *l, void *buf /* 240 bytes */);

/* The VP that the message taken last was sent to. */
uint32_t loop_msg_vp(const struct loop *l);

/* The guest leaves its message slot full, until @on is false. */
void loop_block(struct loop *l, bool on);

/* As above, but skips messages of other types; asserts that one of @type comes. */
size_t loop_expect(struct loop *l, enum vmbus_msgtype type, void *buf);

/* INITIATE_CONTACT with @version, REQUEST_OFFERS; remembers the offers. Returns how many came. */
unsigned int loop_connect(struct loop *l, enum vmbus_version version);

/* The latest offer of this class and sub-channel index, or NULL. Pumps. */
const struct vmbus_msg_offer *loop_offer(struct loop *l, const struct vmbus_guid *if_type,
					 uint16_t sub_index);

/* Creates a GPADL of @nr_pages pages and waits for the answer. @pfns NULL: contiguous from
 * @first_pfn. Returns the status of GPADL_CREATED. */
uint32_t loop_gpadl(struct loop *l, uint32_t relid, uint32_t handle, const uint64_t *pfns,
		    uint64_t first_pfn, uint32_t nr_pages);

/* Posts only the messages of a GPADL (header and bodies), pumping when the queue is full. */
void loop_gpadl_post(struct loop *l, uint32_t relid, uint32_t handle, const uint64_t *pfns,
		     uint64_t first_pfn, uint32_t nr_pages);

/* Zeroes both control pages' indices as a guest does, opens, returns the status of OPEN_RESULT. */
uint32_t loop_open(struct loop *l, uint32_t relid, uint32_t ring_gpadl, uint32_t split,
		   uint32_t target_vp);
void loop_close(struct loop *l, uint32_t relid);
/* Returns when GPADL_TORNDOWN came. */
void loop_teardown(struct loop *l, uint32_t relid, uint32_t handle);
void loop_release(struct loop *l, uint32_t relid); /* RELID_RELEASED */

/* Guest memory. */
void *loop_mem(struct loop *l, uint64_t gpa);
const struct gmem *loop_gmem(const struct loop *l);

/* Allocates pages of guest memory from a bump pointer: the first PFN of a contiguous run. */
uint64_t loop_alloc(struct loop *l, uint32_t nr_pages);

/* Host addresses of the pages behind PFNs, for ring views: page[i]. */
void loop_pages(struct loop *l, const uint64_t *pfns, uint64_t first_pfn, uint32_t nr_pages,
		uint8_t **page);

/* The guest signalled the channel (HvSignalEvent): writes its doorbell. */
void loop_doorbell(struct loop *l, uint32_t relid);

/* Test-and-clear of event flag @relid of SINT 2 on @vp. */
bool loop_flag(struct loop *l, uint32_t vp, uint32_t relid);
/* Interrupts (writes to the SINT fd plus vp_interrupt()) of @vp since the last call. */
uint64_t loop_interrupts(struct loop *l, uint32_t vp);

/* ---- The host's end ----------------------------------------------------------------------- */

struct vmbus_server *loop_server(struct loop *l);
struct vmbus_backend *loop_backend(struct loop *l);
struct vmbus_state *loop_state(struct loop *l); /* the worker's mapping */

/* What the mock provider (loop_cfg without backend and ops) saw and does. It offers one channel of
 * VMBUS_CLASS_NIC, instance data1 = 1, and accepts all. */
struct loop_mock {
	struct vmbus_peer *peer; /* NULL: none is up */
	struct vmbus_chan *primary;
	struct vmbus_chan *sub[8]; /* by sub index; rescinded at close of the primary */
	int open_rc;		   /* what open() returns */
	bool wants_monitor;
	unsigned int nr_up, nr_down, nr_fresh, nr_resumed, nr_closed, nr_gpadls_gone, nr_quiesced;
	uint32_t last_gone; /* handle */
	/* VFs */
	unsigned int nr_reset, nr_vf, nr_path_done;
	uint32_t vf_serial;
	bool is_vf_allocated;
	int vf_rc;	 /* what vf() returns */
	int path_status; /* of the last path_done() */
	char path_why[64];
};
struct loop_mock *loop_mock(struct loop *l);

/* Offers a sub-channel by the mock. */
void loop_mock_offer_sub(struct loop *l, uint16_t sub_index);

/* kill -9 of the switch: the backend vanishes without a callback to the provider; the worker learns
 * it from socket and pidfd. The provider's own objects of that life are the test's to forget. */
void loop_switch_kill(struct loop *l);
/* As above, but the process is still there: only the socket is closed. */
void loop_switch_unplug(struct loop *l);
/* The unplugged or silent switch is now seen dead. */
void loop_switch_dies(struct loop *l);
/* Starts a new switch (as in loop_cfg: @be, or @ops, or neither) and connects it. */
void loop_switch_start(struct loop *l, struct vmbus_backend *be,
		       const struct vmbus_backend_ops *ops, void *ctx);

/* What the worker was asked for VFs, the last time, and how often. */
struct loop_worker {
	unsigned int nr_offered, nr_path, nr_remove;
	uint32_t relid, ticket;
	bool is_vf;
	char why[64];
};
struct loop_worker *loop_worker(struct loop *l);

/* A socket that a switch can be connected to, for tests that speak the link themselves: the worker's
 * end is given to the server. The caller owns the returned end. */
int loop_raw_link(struct loop *l);

/* How often need_kill() was called. */
unsigned int loop_kills_wanted(const struct loop *l);
