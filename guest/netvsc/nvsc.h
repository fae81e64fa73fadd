/* SPDX-License-Identifier: BSD-3-Clause */
/* NetVSC: our driver for synthetic network adapters, over bus.h. Frames are received and forwarded
 * where they lie; the layout of messages is in nethv/abi. No libc, no platform.
 *
 * Threads: nvsc_open(), nvsc_close() and control by one thread, which then also polls queue 0.
 * Each queue is polled, filled and flushed by one thread. A frame may be forwarded to a queue of
 * another adapter only if the same thread serves both. A loop looks so:
 *
 *	n = nvsc_rx_burst(q, frames, 64);	take what came
 *	... nvsc_tx_forward() / nvsc_rx_drop() each of them exactly once, nvsc_tx_alloc() new ones
 *	nvsc_flush(q);				publish all of it
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <nethv/abi/nvsp.h>
#include <nethv/abi/rndis.h>

#include "guest/netvsc/bus.h"

#define NVSC_QUEUES_MAX	   16u
#define NVSC_BURST	   64u	/* a good size for nvsc_rx_burst() */
#define NVSC_RANGES_MAX	   562u /* of one receive packet, as Linux */
#define NVSC_BATCH_MAX	   32u	/* messages in one send packet */
#define NVSC_BATCH_WORDS   160u /* 64-bit words of range list in one send packet */
#define NVSC_BIG_BUFFERS   32u	/* a queue, for frames larger than a send section */
#define NVSC_BACKLOG	   8192u
#define NVSC_RESPONSE_MAX  1024u
#define NVSC_LEN_MIN	   14u
#define NVSC_VLAN_PPI_SIZE 16u

enum nvsc_frame_flags {
	NVSC_FRAME_VLAN = 1 << 0,  /* tci is valid: the tag is not in the frame's bytes */
	NVSC_FRAME_DIRTY = 1 << 1, /* carries per-packet information that has no meaning on send */
};

/* A received frame, in place in the receive buffer. Its bytes belong to us until it is dropped or
 * its forwarding is complete; the host could still change them. */
struct nvsc_frame {
	uint8_t *data;
	uint32_t len; /* without FCS, >= NVSC_LEN_MIN */
	uint16_t tci;
	uint16_t flags;	  /* enum nvsc_frame_flags */
	uint32_t msg_off; /* of its RNDIS message in the receive buffer */
	uint32_t msg_len;
	uint32_t rec; /* the receive packet it came in */
	uint32_t reserved;
};

struct nvsc_cfg {
	uint16_t mtu;	      /* 0: 1500 */
	uint16_t nr_queues;   /* 0: 1; the host may grant fewer */
	uint32_t nr_vps;      /* queue i interrupts VP i % nr_vps; 0: 1 */
	uint32_t max_version; /* of NVSP; 0: NVSP_V6_1 */
	uint32_t filter;      /* NDIS_FILTER_*; 0: directed, all multicast and broadcast */
	uint32_t rx_bytes;    /* receive buffer; 0: 8 MiB */
	uint32_t tx_bytes;    /* send buffer; 0: 1 MiB */
	uint32_t ring_pages;  /* a direction; 0: 32 */
	uint32_t max_pkts;    /* RNDIS messages in a packet sent; 0: what the host takes */
};

struct nvsc_stats {
	uint64_t rx_frames;
	uint64_t rx_packets; /* on the ring */
	uint64_t rx_bad;     /* malformed messages, dropped */
	uint64_t rx_dropped; /* data that came while control waited */
	uint64_t tx_frames;
	uint64_t tx_packets;
	uint64_t tx_failed; /* packets that the host completed with an error */
	uint64_t tx_lost;   /* frames dropped because the backlog was full */
	uint64_t backlog;   /* frames that had to wait for room in the ring */
	uint64_t bad_ids;   /* completions of nothing outstanding */
	uint64_t copies;    /* frames built in a send section */
	uint64_t doorbells;
};

/* ---- Inside (public for inlining and tests) ------------------------------------------------ */

struct nvsc_nic;

/* A receive packet that is not completed yet. */
struct nvsc_rec {
	uint64_t trans_id;
	uint32_t refs; /* frames that are still in use */
	uint32_t next; /* in the list of free or of done ones */
};

/* A part of a send packet that gives references back when it completes. */
struct nvsc_pair {
	uint32_t rec;
	uint32_t n;
};

enum nvsc_slot_kind {
	NVSC_SLOT_FREE = 0,
	NVSC_SLOT_SECTION, /* unit: number of the send section */
	NVSC_SLOT_FORWARD, /* pairs */
	NVSC_SLOT_BIG,	   /* unit: number of the big buffer */
};

/* A send packet that is not completed yet. */
struct nvsc_slot {
	uint32_t gen; /* part of the transaction id: catches late doubles */
	uint16_t kind;
	uint16_t nr_pairs;
	uint32_t unit;
	uint32_t next;
	struct nvsc_queue *rxq;
	struct nvsc_pair pair[NVSC_BATCH_MAX];
};

struct nvsc_waiting {
	struct nvsc_queue *rxq;
	uint32_t off;
	uint32_t len;
	uint32_t rec;
	uint32_t reserved;
};

struct nvsc_queue {
	struct nvsc_nic *nic;
	struct nvsc_chan *ch; /* NULL: not open */
	uint32_t index;
	int fault; /* the host broke the ring protocol: queue is dead */
	struct vmbus_ring in, out;
	uint32_t in_avail; /* seen and not consumed yet */
	uint32_t read_pub; /* indices as last published */
	uint32_t write_pub;
	/* Receive packets. */
	struct nvsc_rec *rec;
	uint32_t nr_recs, rec_free, done_head, done_tail;
	/* The packet being handed out. */
	uint32_t cur_i, cur_n, cur_rec, cur_type;
	/* Send packets. */
	struct nvsc_slot *slot;
	uint32_t slot_free;
	uint32_t nr_busy; /* slots in use */
	uint32_t *unit_free;
	uint32_t nr_units; /* free send sections */
	uint32_t big_free[NVSC_BIG_BUFFERS];
	uint32_t nr_big;
	uint8_t *big;
	/* A send section being filled. */
	uint8_t *agg; /* NULL: none */
	uint32_t agg_slot, agg_used, agg_last, agg_count;
	/* A GPA-direct packet being built. */
	uint32_t batch_nr, batch_words, batch_pairs, batch_bytes;
	struct nvsc_queue *batch_rxq;
	struct nvsc_pair batch_pair[NVSC_BATCH_MAX];
	struct {
		uint64_t head; /* struct vmbus_pkt_gpa_direct */
		uint64_t word[NVSC_BATCH_WORDS];
	} batch;
	/* What could not be sent yet, in order. */
	struct nvsc_waiting *backlog;
	uint32_t backlog_head, backlog_nr;
	struct nvsc_stats stats;
	struct vmbus_xfer_range cur[NVSC_RANGES_MAX];
};

struct nvsc_mem {
	void *ptr;
	uint32_t nr_pages;
};

/* The control dialogue: at most one request at a time. */
struct nvsc_ctl {
	uint64_t next_id;
	uint64_t id; /* of the NVSP request; 0: none */
	bool is_done;
	uint32_t reply_len;
	union {
		struct nvsp_msg reply;
		uint8_t reply_bytes[64];
	};
	uint32_t next_req;
	uint32_t req_id; /* of the RNDIS request; 0: none */
	bool has_response;
	uint32_t response_len;
	uint8_t response[NVSC_RESPONSE_MAX];
};

struct nvsc_nic {
	/* Read on the data path. */
	uint8_t *rx;
	uint32_t rx_size;
	uint32_t sub_alloc;
	uint64_t rx_pfn0; /* of its first page, when they are contiguous */
	uint64_t *rx_pfn; /* else, of each */
	uint8_t *tx;
	uint32_t section_size;
	uint32_t max_pkts; /* RNDIS messages in one send packet */
	uint32_t max_xfer; /* bytes in one send packet */
	uint32_t align;	   /* of aggregated messages */
	/* Constant while open. */
	struct nvsc_bus *bus;
	struct nvsc_chan *ch;
	struct nvsc_cfg cfg;
	uint32_t version; /* NVSP */
	uint32_t nr_queues;
	uint8_t mac[6];
	uint32_t max_frame;  /* MTU that the host allows */
	uint32_t link_speed; /* 100 bps units */
	uint32_t big_pages;
	uint32_t rx_gpadl, tx_gpadl; /* 0: none */
	uint32_t nr_tx_sections, nr_rx_sections;
	bool is_rndis_up;
	bool owes_revoke; /* the GPADL of the receive buffer went without a word */
	/* Control. */
	bool is_link_up;
	uint32_t vf_allocated, vf_serial;
	uint32_t send_table[NVSP_SEND_TABLE_COUNT]; /* queue for a hash's low 4 bits */
	uint32_t rss_caps_queues;
	struct nvsc_ctl ctl;
	struct nvsc_mem rx_mem, tx_mem, ctl_mem, pfn_mem;
	struct nvsc_mem ring_mem[NVSC_QUEUES_MAX], queue_mem[NVSC_QUEUES_MAX],
		big_mem[NVSC_QUEUES_MAX];
	struct nvsc_queue queue[NVSC_QUEUES_MAX];
};

/* ---- Life ---------------------------------------------------------------------------------- */

/* Brings the adapter behind @ch up to receiving. @nic: zeroed, or closed before (its memory is used
 * again). On failure everything is closed again. 0 or negative. */
int nvsc_open(struct nvsc_nic *nic, struct nvsc_bus *bus, struct nvsc_chan *ch,
	      const struct nvsc_cfg *cfg);

/* Clean end: filter 0, all sends complete, HALT, buffers revoked, channels closed. No other thread
 * touches the queues any more. The adapter is closed whatever is returned. */
int nvsc_close(struct nvsc_nic *nic);

/* Sets the packet filter. */
int nvsc_set_filter(struct nvsc_nic *nic, uint32_t filter);

/* Takes the receive buffer back at once, while frames come, as nvsc_close() never does, which asks for silence first.
 * When it returns 0 the host has forgotten it: its pages (nic->rx_mem) are the caller's. @is_told: by REVOKE_RECV_BUF
 * first; else the host learns it by the teardown of the GPADL. Frames of it were given back and sends of them
 * completed, by the caller; what it did not take yet is lost. Until nvsc_rx_renew() one thread has the whole adapter,
 * and control that is answered in that buffer fails. Negative: the pages are the host's. */
int nvsc_rx_revoke(struct nvsc_nic *nic, bool is_told);
/* Shares it again under a new handle, and frames come as before. The sections are to be what they were. 0 or negative:
 * the adapter is fit to be closed only. */
int nvsc_rx_renew(struct nvsc_nic *nic);

/* The queue on which an IPv4 datagram that is not TCP comes, by the RSS parameters that we set.
 * Addresses in host order. A host may do otherwise. */
uint32_t nvsc_rss_queue(const struct nvsc_nic *nic, uint32_t src_ip, uint32_t dst_ip);

/* ---- Data ---------------------------------------------------------------------------------- */

/* Takes up to @max frames. Also handles what else the host wrote. */
unsigned int nvsc_rx_burst(struct nvsc_queue *q, struct nvsc_frame *f, unsigned int max);

/* Gives @n received frames back. */
void nvsc_rx_drop(struct nvsc_queue *q, const struct nvsc_frame *f, unsigned int n);

/* Sends @n frames received on @rxq as they lie (their bytes may have been edited, their length not).
 * Never fails for lack of room: they wait in order. The receive is completed when the send is. */
void nvsc_tx_forward(struct nvsc_queue *q, struct nvsc_queue *rxq, struct nvsc_frame *f,
		     unsigned int n);

/* Room for a frame of @len bytes to be filled in before nvsc_flush(); it is sent then. @flags may be
 * NVSC_FRAME_VLAN, with @tci. NULL: no room now, flush and try again. */
uint8_t *nvsc_tx_alloc(struct nvsc_queue *q, uint32_t len, uint16_t flags, uint16_t tci);

/* Publishes all that was sent, dropped and consumed; signals the host if it asked for it. */
void nvsc_flush(struct nvsc_queue *q);

/* Before a sleep: asks for an interrupt. True when there is work: do not sleep. */
bool nvsc_queue_arm(struct nvsc_queue *q);
/* After it: no interrupts, we poll. */
void nvsc_queue_disarm(struct nvsc_queue *q);

/* Send packets that the host has not completed, and frames that wait for room. */
uint32_t nvsc_tx_pending(const struct nvsc_queue *q);

/* ---- Between the driver's files ------------------------------------------------------------ */

/* data.c */
void nvsc_queue_init(struct nvsc_queue *q, struct nvsc_chan *ch, void *mem, uint32_t first_section,
		     uint32_t nr_sections);
uint32_t nvsc_queue_bytes(const struct nvsc_nic *nic, uint32_t nr_sections);
void nvsc_rec_put(struct nvsc_queue *q, uint32_t rec, uint32_t n);
/* What is left of the packet that is being handed out goes back unread. */
void nvsc_rx_skip(struct nvsc_queue *q);
bool nvsc_rx_owes(const struct nvsc_queue *q); /* receive packets wait to be given back */
bool nvsc_out_room(struct nvsc_queue *q, uint32_t bytes);

/* tx.c */
void nvsc_tx_complete(struct nvsc_queue *q, uint64_t id, uint32_t status);
void nvsc_tx_flush(struct nvsc_queue *q);

/* control.c */
void nvsc_ctl_completion(struct nvsc_nic *nic, uint64_t id, const void *payload, uint32_t len);
void nvsc_ctl_inband(struct nvsc_nic *nic, const void *payload, uint32_t len);
void nvsc_ctl_rndis(struct nvsc_nic *nic, const uint8_t *msg, uint32_t len);
/* Sends @m and waits for its completion of type @want (0: none is requested). 0 or negative. */
int nvsc_nvsp_call(struct nvsc_nic *nic, const struct nvsp_msg *m, uint32_t want);
int nvsc_rndis_init(struct nvsc_nic *nic);
int nvsc_rndis_halt(struct nvsc_nic *nic);
/* Up to @max bytes of the answer to @buf (of which the first @in_len go along as the question).
 * Their number, or negative. */
int nvsc_rndis_query(struct nvsc_nic *nic, uint32_t oid, void *buf, uint32_t in_len, uint32_t max);
int nvsc_rndis_set(struct nvsc_nic *nic, uint32_t oid, const void *info, uint32_t len);
/* One step of a control wait on queue 0: false when nothing happened. */
bool nvsc_ctl_step(struct nvsc_nic *nic);

#define NVSC_CTL_ID (1ull << 63) /* marks transaction ids of control requests */
