/* SPDX-License-Identifier: BSD-3-Clause */
/* A small VMBus client: connect, offers, GPADLs, channels. It knows no device and no platform: the
 * transport does what needs a hypervisor, so the same code runs in our guest image and, as a mock
 * guest, inside a host process. No libc.
 *
 * The host is not trusted: every message is checked, an answer that nobody waits for is counted and
 * ignored, and every wait ends after cfg.timeout. One thread at a time uses a bus. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <nethv/abi/vmbus.h>

#include "vmbus/ring.h"

/* Negative results. The values are those of Linux's errno, which an image without libc lacks. */
enum nvsc_err {
	NVSC_E_IO = -5,		/* the host refused */
	NVSC_E_AGAIN = -11,	/* no room at the moment */
	NVSC_E_NOMEM = -12,	/* the transport has no memory left */
	NVSC_E_NODEV = -19,	/* no such connection or device, or it was rescinded */
	NVSC_E_INVAL = -22,	/* the caller's mistake */
	NVSC_E_PROTO = -71,	/* the host broke the protocol */
	NVSC_E_TIMEDOUT = -110, /* no answer within the time limit */
};

struct nvsc_transport_ops {
	/* HvPostMessage, type 1. 0, NVSC_E_AGAIN (host's queue is full), NVSC_E_NODEV (no such
	 * connection id) or another negative result. */
	int (*post)(void *ctx, uint32_t conn_id, const void *payload, uint32_t len);
	/* Takes the next VMBus message into @buf (240 bytes). Its length, or 0: none waits. */
	int (*next_message)(void *ctx, void *buf);
	/* HvSignalEvent. */
	void (*signal)(void *ctx, uint32_t conn_id);
	/* Contiguous, zeroed, page-aligned pages, never given back. NULL: none left. */
	void *(*alloc)(void *ctx, uint32_t nr_pages);
	/* GPA of a byte of such memory. Neighbouring pages need not have neighbouring GPAs. */
	uint64_t (*gpa)(void *ctx, const void *ptr);
	/* One step of a wait: pause, sleep a moment, or let the other side run. */
	void (*relax)(void *ctx);
	uint64_t (*now)(void *ctx); /* 100 ns units, monotonic */
};

struct nvsc_transport {
	const struct nvsc_transport_ops *ops;
	void *ctx;
};

#define NVSC_CHANS_MAX 64u

struct nvsc_chan {
	struct vmbus_guid if_type;
	struct vmbus_guid if_instance;
	uint32_t relid; /* 0: entry is free */
	uint32_t connection_id;
	uint16_t sub_index;
	bool is_owned; /* a driver uses it, and will close it */
	bool is_open;
	bool is_rescinded;
	bool is_stale; /* a sub-channel whose primary was closed: never opened again */
	uint32_t ring_gpadl;
	struct vmbus_ring in;  /* host -> guest */
	struct vmbus_ring out; /* guest -> host */
};

struct nvsc_bus_cfg {
	struct nvsc_transport transport;
	uint32_t max_version; /* 0: VMBUS_V5_3 */
	uint32_t target_vp;   /* takes the host's messages */
	uint64_t timeout;     /* of each wait, 100 ns units; 0: 60 s */
};

struct nvsc_bus {
	struct nvsc_transport t;
	uint64_t timeout;
	uint32_t version; /* agreed; 0: not connected */
	uint32_t msg_conn_id;
	uint32_t next_gpadl;
	bool has_all_offers;
	uint8_t *pages; /* interrupt page and two monitor pages */
	struct {
		uint32_t type; /* the answer awaited; 0: none */
		uint32_t relid;
		uint32_t id;
		uint32_t status;
		bool is_done;
	} wait;
	struct nvsc_chan chan[NVSC_CHANS_MAX];
	uint64_t bad_messages; /* malformed, unknown, or not waited for */
};

/* Connects with the highest version that the host takes, and collects the offers. 0 or negative. */
int nvsc_bus_connect(struct nvsc_bus *b, const struct nvsc_bus_cfg *cfg);

/* Handles the messages that wait (at most 64). Returns how many. To be called now and then. */
unsigned int nvsc_bus_poll(struct nvsc_bus *b);

/* UNLOAD: the host closes everything. The bus is disconnected afterwards, whatever is returned. */
int nvsc_bus_unload(struct nvsc_bus *b);

/* The @n-th synthetic NIC (primary channel) by instance GUID, or NULL. */
struct nvsc_chan *nvsc_bus_nic(struct nvsc_bus *b, unsigned int n);
/* Sub-channel @index (1..) of @primary, or NULL: not offered (yet). */
struct nvsc_chan *nvsc_bus_sub(struct nvsc_bus *b, const struct nvsc_chan *primary, uint16_t index);

/* Shares @nr_pages at @mem with the host under a new handle. 0 or negative. */
int nvsc_gpadl_create(struct nvsc_bus *b, const struct nvsc_chan *ch, const void *mem,
		      uint32_t nr_pages, uint32_t *handle);
/* Takes them back; when it returns, the host has forgotten them (or, rescinded, never uses them). */
int nvsc_gpadl_teardown(struct nvsc_bus *b, const struct nvsc_chan *ch, uint32_t handle);

/* Opens @ch over @mem, 2 * @ring_pages pages: the first half towards the host. 0 or negative. */
int nvsc_chan_open(struct nvsc_bus *b, struct nvsc_chan *ch, void *mem, uint32_t ring_pages,
		   uint32_t target_vp);
int nvsc_chan_close(struct nvsc_bus *b, struct nvsc_chan *ch);
/* Moves the interrupt of an open channel. NVSC_E_INVAL before protocol 4.1. */
int nvsc_chan_modify(struct nvsc_bus *b, const struct nvsc_chan *ch, uint32_t target_vp);
/* The driver is done with a closed channel: a rescinded one is given back to the host. */
void nvsc_chan_release(struct nvsc_bus *b, struct nvsc_chan *ch);

/* Inside the client: posts @msg, again and again while the host's queue is full. */
int nvsc_bus_post(struct nvsc_bus *b, const void *msg, uint32_t len);
/* Inside the client: begins to wait for the answer @type with these ids, before the request goes. */
void nvsc_bus_expect(struct nvsc_bus *b, uint32_t type, uint32_t relid, uint32_t id);
/* ... and waits. 0 with the status in b->wait.status; NVSC_E_NODEV when @ch (may be NULL) goes. */
int nvsc_bus_await(struct nvsc_bus *b, const struct nvsc_chan *ch);
