/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of NetVSP share. */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_spinlock.h>

#include <nethv/abi/nvsp.h>
#include <nethv/abi/rndis.h>

#include "netvsp/netvsp.h"
#include "netvsp/path.h"
#include "vswitch/direct.h"
#include "vswitch/lend.h"

#define NETVSP_SECTIONS_MAX	8192u
#define NETVSP_SECTION_SIZE	2048u /* while the MTU fits; else a multiple of 4096 */
#define NETVSP_SECTIONS_MIN	4u
#define NETVSP_SECTIONS_RESERVE 16u   /* kept for control answers; of few sections, a quarter */
#define NETVSP_DIRECT_SECTION	4096u /* of adapters that may be direct; the longer one else */
#define NETVSP_DIRECT_JUMBO	12288u
#define NETVSP_SEND_SECTION	4096u
#define NETVSP_RANGES_MAX	32u   /* frames in one packet to the guest */
#define NETVSP_MSGS_MAX		32u   /* RNDIS messages in one packet from the guest */
#define NETVSP_RANGE_BYTES_MAX	4096u /* of a GPA-direct range list */
#define NETVSP_ANSWER_ROOM	256u  /* of the ring: a completion, and an RNDIS answer's packet */
#define NETVSP_CONTROL_MAX	2048u /* bytes of an RNDIS control message */
#define NETVSP_PPIS_MAX		4u    /* of a frame to the guest: VLAN, checksum, hash, its type */
#define NETVSP_PPI_SIZE		16u
/* RNDIS header, per-packet information, Ethernet, tag */
#define NETVSP_FRAME_ROOM  (44u + NETVSP_PPIS_MAX * NETVSP_PPI_SIZE + 14u + 4u)
#define NETVSP_STATE_MAGIC 0x33534e56u
#define NETVSP_SEC_END	   0xFFFFu
#define NETVSP_SEC_HEAD	   0x8000u /* first section of a packet: its number is the id */
#define NETVSP_SEC_FREEING 0x4000u /* given back in the burst being read; void after a restart */
#define NETVSP_SEC_RELID   0x0FFFu

/* Offloads that the guest switched on. Sending is the receiving bit << NETVSP_TX_SHIFT. */
enum netvsp_offload {
	NETVSP_RX_IP4 = 1 << 0,
	NETVSP_RX_TCP4 = 1 << 1,
	NETVSP_RX_UDP4 = 1 << 2,
	NETVSP_RX_TCP6 = 1 << 3,
	NETVSP_RX_UDP6 = 1 << 4,
	NETVSP_LSO4 = 1 << 16,
	NETVSP_LSO6 = 1 << 17,
};
#define NETVSP_TX_SHIFT	   8
#define NETVSP_OFFLOAD_ALL 0x31F1Fu

/* Who holds a receive section. In the state memfd. */
struct netvsp_section {
	alignas(8) uint32_t seq; /* 0: free; else of the commit that handed it out */
	uint16_t owner;		 /* relid with NETVSP_SEC_* */
	uint16_t next;		 /* of the same packet, or NETVSP_SEC_END */
};
_Static_assert(sizeof(struct netvsp_section) == 8, "it is written by one store");

/* What survives a restart of the switch, in the primary channel's device area. */
struct netvsp_state {
	uint32_t magic;
	uint32_t nvsp_version; /* 0: not negotiated */
	uint32_t ndis_version;
	uint32_t mtu; /* without the Ethernet header */
	uint64_t ndis_caps;
	uint32_t recv_gpadl; /* handle; 0: none */
	uint32_t send_gpadl;
	uint32_t section_size;
	uint32_t nr_sections;
	uint32_t rndis_ready; /* RNDIS INIT was answered */
	uint32_t packet_filter;
	uint32_t nr_subs;		     /* granted */
	uint16_t relid[NETVSP_CHANNELS_MAX]; /* by queue; 0: not open */
	uint32_t rss_on;
	uint32_t rss_hash_info;
	uint32_t rss_entries;
	uint8_t rss_table[NDIS_RSS_TABLE_MAX];
	uint8_t rss_key[NDIS_RSS_KEY_SIZE];
	uint8_t mac[6];
	uint8_t has_mac;	 /* the guest set its own */
	uint32_t offload;	 /* enum netvsp_offload */
	uint32_t link_told_down; /* what the guest last heard of its link */
	uint64_t vf_told; /* and of its VF, since RNDIS INIT: 0, or serial | allocated << 32 */
	uint64_t counted[NETVSP_CHANNELS_MAX]; /* burst that was counted as `restart` */
	struct netvsp_section section[NETVSP_SECTIONS_MAX];
};
_Static_assert(sizeof(struct netvsp_state) <= VMBUS_DEV_STATE, "fits the channel's device area");

struct netvsp_chan_stats {
	uint64_t ring_packets;
	uint64_t interrupts;
	uint64_t control;
	uint64_t copies;
	uint64_t direct;
	uint64_t armed;
	uint64_t monitored;
};

#define QUIET_NEVER 1u /* no place in a ring */

/* One open channel: a queue of the port. */
struct netvsp_chan {
	/* Constant while open. */
	struct netvsp_nic *nic;
	struct vmbus_chan *vch;
	const struct vmbus_chan_info *info;
	struct vmbus_chan_state *cs;
	uint16_t q;
	uint16_t burst_max; /* VMBus packets taken in one burst: their completions always fit */
	uint32_t monitor_bit;
	uint32_t *monitor; /* the guest may signal by this word; or NULL */
	/* The lcore that reads the channel. */
	alignas(64) struct vmbus_ring in;
	uint32_t quiet_at;    /* atomic: the guest's index with nothing to do, or QUIET_NEVER */
	uint64_t burst;	      /* number of the last burst taken */
	uint32_t nr_pending;  /* completions of it not yet written */
	struct vsw_lend lend; /* what devices still read of its frames: completions wait for that */
	uint32_t need_room;   /* bytes that a control answer waits for; 0: none does */
	uint8_t status[VMBUS_BURST_MAX]; /* NVSP status of each */
	bool waits_for_path; /* the next message is a request whose answer is not there yet */
	bool may_repeat; /* nothing was taken since a takeover: an earlier switch may have acted on
			  * the next control message, and died before it answered */
	/* Any lcore that finds the guest at fault; ctl reads. fault is set before is_faulted. */
	atomic_bool is_faulted;
	atomic_bool is_reported;
	_Atomic(const char *) fault; /* static text */
	struct netvsp_chan_stats rx;
	uint8_t control[NETVSP_CONTROL_MAX];
	uint8_t ranges[NETVSP_RANGE_BYTES_MAX];
	/* Whoever writes to the guest, under the lock. */
	alignas(64) rte_spinlock_t lock;
	struct vmbus_ring out;
	uint32_t rx_seq;
	uint32_t nr_used; /* sections of the last burst: so many are taken for the next one, too */
	uint64_t burst_done;
	struct netvsp_chan_stats tx;
};

/* Receive sections that the guest does not hold. Any lcore, under the lock. */
struct netvsp_pool {
	alignas(64) rte_spinlock_t lock;
	uint32_t nr;
	uint32_t keep; /* sections that data leaves to control answers */
	uint16_t stack[NETVSP_SECTIONS_MAX];
};

/* The adapter's VF: netvsp/vf.c */
struct netvsp_vf {
	/* ctl and the primary's reader. */
	atomic_uint ask;	/* the guest's request for a path, and whether it is answered */
	atomic_bool has_news;	/* the primary's reader is to tell the guest of assoc */
	_Atomic uint64_t assoc; /* as vf_told in the state */
	/* ctl only. */
	struct netvsp_path path;
	bool is_known; /* the past was read from the state */
	bool is_taken_away;
	uint64_t since_ms; /* CLOCK_REALTIME */
	uint64_t asked_ms; /* the worker, the last time */
	const char *obstacle;
	char why[128]; /* the last failure */
};

/* The receive buffer as it is offered for direct receive: netvsp/direct.c */
struct netvsp_direct {
	/* Constant while offered. */
	struct vsw_rxbuf buf;
	const struct vmbus_gpadl *g; /* NULL: not offered */
	/* ctl and the primary's reader. */
	atomic_bool is_offered; /* or about to be: the sections may not be given out anew */
	atomic_bool is_due;	/* ctl is to look at it */
};

struct netvsp_nic {
	struct netvsp_nic *next;
	struct netvsp *nv;
	struct netvsp_nic_cfg cfg;
	struct vsw_port *port;
	struct vmbus_guid instance;
	/* Written by ctl and by the primary's reader, read by every lcore. */
	alignas(64) _Atomic(struct netvsp_chan *)
		live[NETVSP_CHANNELS_MAX]; /* may be used by lcores */
	_Atomic(const struct vmbus_gpadl *) recv;
	_Atomic(const struct vmbus_gpadl *) send;
	struct netvsp_state *st; /* while the primary is open */
	atomic_uint rx_on;	 /* deliver: RNDIS and link are up; the filter, or 0 */
	atomic_uint refuses;	 /* what the guest sends: enum vsw_drop, or 0 */
	atomic_uint link_work;	 /* NETVSP_LINK_*: the primary's reader is to do it */
	atomic_bool wants_table; /* the primary's reader is to send the send indirection table */
	_Atomic uint64_t control_tsc; /* when the guest's last control message was answered */
	uint8_t mac[6];
	struct netvsp_pool pool;
	struct netvsp_vf vf;
	struct netvsp_direct direct;
	/* ctl only. */
	struct vmbus_peer *peer;
	struct netvsp_chan chan[NETVSP_CHANNELS_MAX];
	char last_fault[128];
	uint64_t faults;
	uint64_t link_told_ms;	       /* when the guest was last told of a change; 0: never */
	uint64_t leave_until_ms;       /* it goes then at the latest; 0: it stays */
	struct netvsp_chan_stats past; /* of channels closed before */
};

struct netvsp {
	struct vsw *sw;
	struct vmbus_backend *backend;
	struct netvsp_nic *nics;
};

/* sections.c */
void netvsp_pool_reset(struct netvsp_nic *nic);
/* ctl.  Rebuilds the pool from the state: what was never committed to the guest is free. */
void netvsp_pool_recover(struct netvsp_nic *nic);
/* lcore.  Pops up to @n section numbers, leaving @keep. Returns how many. */
uint32_t netvsp_pool_take(struct netvsp_nic *nic, uint16_t *sec, uint32_t n, uint32_t keep);
void netvsp_pool_give(struct netvsp_nic *nic, const uint16_t *sec, uint32_t n);
/* lcore.  The guest completed receive @id on @relid: marks it and returns its sequence, or 0 when
 * the guest does not hold it there. */
uint32_t netvsp_section_claim(struct netvsp_nic *nic, uint64_t id, uint32_t relid);
/* ctl, no lcore uses the channel.  Takes back what the guest holds on @relid: it cannot complete it
 * any more. */
void netvsp_section_reclaim(struct netvsp_nic *nic, uint32_t relid);
/* lcore or ctl.  Frees what was claimed and committed. */
void netvsp_section_free(struct netvsp_nic *nic, const struct vmbus_freed *f, uint32_t n);

/* ingress.c */
uint16_t netvsp_rx(void *be, uint16_t q, struct vsw_vec *v);
void netvsp_rx_done(void *be, uint16_t q, struct vsw_vec *v);
/* lcore.  Writes the pending completions. False when the ring has no room yet. */
bool netvsp_flush_completions(struct netvsp_chan *ch, unsigned int lcore);
bool netvsp_arm(void *be, uint16_t q);
void netvsp_disarm(void *be, uint16_t q);
bool netvsp_is_silent(void *be, uint16_t q);
struct vsw_quiet netvsp_quiet(void *be, uint16_t q);

/* egress.c */
uint16_t netvsp_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n, uint8_t *reason);
/* lcore, lock held.  Room that frames must leave for completions and control. */
uint32_t netvsp_out_reserve(const struct netvsp_chan *ch);
/* lcore, or ctl as VMBUS_LCORE_CTL.  Signals the guest if @wanted. */
void netvsp_signal(struct netvsp_chan *ch, unsigned int lcore, bool wanted);

/* lcore, lock held, room was made sure of.  An RNDIS message of @len private bytes to the guest: it takes a
 * section of its own. False: none is free. */
bool netvsp_put_rndis(struct netvsp_chan *ch, const void *msg, uint32_t len);

/* direct.c */
/* lcore, primary's reader.  The receive buffer changed: ctl is to offer or to withdraw it. */
void netvsp_direct_post(struct netvsp_nic *nic);
/* lcore, primary's reader.  Before all sections are given out anew, which from now on are handed out to nobody. False:
 * a device may still write into some; to be asked again. */
bool netvsp_direct_may_reset(struct netvsp_nic *nic);
/* ctl.  Offers the receive buffer for direct receive, or withdraws it, as the guest has made it. */
void netvsp_direct_sync(struct netvsp_nic *nic);
void netvsp_ctl_direct(void *ctx, uint64_t arg); /* the same as an event */
/* ctl.  When it returns no device writes into the receive buffer, and none will. May be called twice. */
void netvsp_direct_withdraw(struct netvsp_nic *nic);
void netvsp_direct_gpadl_gone(struct netvsp_nic *nic, const struct vmbus_gpadl *g);

/* control.c: NVSP messages and the RNDIS control dialogue */

/* What a control packet is answered with; all of it is committed at once. */
struct netvsp_answer {
	bool has_completion;
	bool is_empty; /* completion without payload (SWITCH_DATA_PATH) */
	struct nvsp_msg completion;
	uint32_t rndis_len; /* 0: no RNDIS answer */
	uint8_t rndis[512];
};

/* lcore, primary's reader.  In-band NVSP message other than RNDIS data. 0; -EPROTO: close the
 * channel, *@why says why; -EAGAIN: nothing was done, try again at the next poll (*@why is NULL). */
int netvsp_control_nvsp(struct netvsp_chan *ch, const struct nvsp_msg *m, struct netvsp_answer *a,
			const char **why);
/* lcore, primary's reader.  RNDIS control message of @len private bytes. */
void netvsp_control_rndis(struct netvsp_chan *ch, const uint8_t *msg, uint32_t len,
			  struct netvsp_answer *a);

/* oid.c: pure but for the adapter's state */

/* Answers a query into @buf (@room bytes). Returns the length, or a negative RNDIS status cast to
 * int32_t (RNDIS_STATUS_* have the top bit set). */
int32_t netvsp_oid_query(const struct netvsp_nic *nic, uint32_t oid, const uint8_t *in,
			 uint32_t in_len, uint8_t *buf, uint32_t room);
uint32_t netvsp_oid_set(struct netvsp_nic *nic, uint32_t oid, const uint8_t *in, uint32_t in_len);

/* offload.c */

struct rndis_frame;

/* lcore.  Takes what the guest asks of a frame whose private head is as long as may be: sets flags and
 * offsets, or returns why the frame is dropped (enum vsw_drop). */
uint16_t netvsp_offload_take(const struct netvsp_nic *nic, struct nethv_pkt *p,
			     const struct rndis_frame *f);
/* lcore, primary's reader.  As netvsp_oid_query() and netvsp_oid_set(); @is_current: what is on, else
 * what can be. */
int32_t netvsp_offload_query(const struct netvsp_nic *nic, bool is_current, const uint8_t *in,
			     uint32_t in_len, uint8_t *buf, uint32_t room);
uint32_t netvsp_offload_set(struct netvsp_nic *nic, const uint8_t *in, uint32_t in_len);

/* link.c */
#define NETVSP_LINK_APPLY 1u /* the link changed */
#define NETVSP_LINK_TELL  2u /* the guest is to hear of it */

/* ctl.  Orders that the guest be told of its link if it does not know and it is time. */
void netvsp_link_check(struct netvsp_nic *nic, uint64_t now_ms);
uint64_t netvsp_now_ms(void);
/* ctl.  No link from now on, and the guest is not told. */
void netvsp_link_cut(struct netvsp_nic *nic);

/* vf.c */
/* lcore, primary's reader.  The guest asks for a path: whether it is answered, or is to be read again. */
enum netvsp_vf_asked { NETVSP_VF_WAITS, NETVSP_VF_ANSWERED };
enum netvsp_vf_asked netvsp_vf_ask(struct netvsp_chan *ch, bool is_vf);
/* lcore.  Of a request that waits: it is answered, or was not even posted. */
bool netvsp_vf_has_answer(const struct netvsp_nic *nic);
/* lcore, primary's reader.  Tells the guest what it is to hear of its VF, if it is to. */
void netvsp_vf_work(struct netvsp_chan *ch, unsigned int lcore);
/* lcore, primary's reader.  RNDIS INIT: the guest has heard nothing yet. */
void netvsp_vf_greet(struct netvsp_nic *nic);
/* ctl, events. */
void netvsp_ctl_path(void *ctx, uint64_t arg);
int netvsp_vf_set(struct vmbus_chan *vch, uint32_t serial, bool is_allocated);
void netvsp_vf_path_done(struct vmbus_chan *vch, int status, const char *why);
void netvsp_vf_reset(void *ctx, struct vmbus_peer *peer);
void netvsp_vf_removed(void *ctx, struct vsw_port *port);
void netvsp_vf_closed(struct netvsp_nic *nic);
/* The channel goes, or its worker: the path is synthetic. Before the channel is given back. */
void netvsp_vf_lost(struct netvsp_nic *nic);
void netvsp_vf_tick(struct netvsp_nic *nic, uint64_t now_ms);
void netvsp_vf_init(struct netvsp_nic *nic);
void netvsp_vf_status(const struct netvsp_nic *nic, struct netvsp_nic_status *out);

/* nic.c.  Both are the same adapter of the same partition. */
bool netvsp_is_same_number(const struct netvsp_nic_cfg *a, const struct netvsp_nic_cfg *b);

/* leave.c, ctl */
void netvsp_leave_check(struct netvsp *nv, uint64_t now_ms);
void netvsp_leave_now(struct netvsp *nv, const struct netvsp_nic_cfg *cfg);
/* lcore, primary's reader.  Does link_work. */
void netvsp_link_work(struct netvsp_chan *ch, unsigned int lcore);
/* lcore, primary's reader.  OID MEDIA_CONNECT_STATUS: the guest knows from now on. */
uint32_t netvsp_link_media(const struct netvsp_nic *nic);

/* rss.c */
/* lcore.  The hash of @p with the guest's key. Returns its type (NDIS_HASH_*); 0: it is not IP. */
uint32_t netvsp_rss_hash(const struct netvsp_nic *nic, const struct nethv_pkt *p, uint32_t *hash);
/* lcore.  Queue that the guest wants frames of @hash on. */
uint8_t netvsp_rss_queue(const struct netvsp_nic *nic, uint32_t hash);
/* lcore, primary's reader.  Takes RECEIVE_SCALE_PARAMETERS. Returns an RNDIS status. */
uint32_t netvsp_rss_set(struct netvsp_nic *nic, const uint8_t *in, uint32_t in_len);
/* lcore, primary's reader.  Tells the guest which channel to send a flow on, once there is room. */
void netvsp_send_table(struct netvsp_chan *ch, unsigned int lcore);

/* nic.c */
/* lcore.  The guest broke the protocol: stops the channel and has ctl close it. @why is static. */
void netvsp_fault(struct netvsp_chan *ch, const char *why);
/* lcore.  Has ctl offer the granted sub-channels. False when it must be tried again. */
bool netvsp_want_subs(struct netvsp_nic *nic);
/* lcore, primary's reader; or ctl while it has none.  Recomputes from the state and the link whether frames
 * are delivered and taken. When it returns and they are not, none is being delivered any more. */
void netvsp_update_rx_on(struct netvsp_nic *nic);

/* Sequences of commits to the guest; 0 means free. */
static inline uint32_t netvsp_seq_next(uint32_t seq)
{
	return seq + 1 ? seq + 1 : 1;
}

/* In a section that a device fills the frame begins at VSW_DIRECT_HEAD, and its message is padded. */
static inline uint32_t netvsp_direct_section_size(uint32_t mtu)
{
	return VSW_DIRECT_HEAD + mtu + 18u + 8u <= NETVSP_DIRECT_SECTION ? NETVSP_DIRECT_SECTION
									 : NETVSP_DIRECT_JUMBO;
}

static inline uint32_t netvsp_section_size(const struct netvsp_nic *nic)
{
	uint32_t need = nic->st->mtu + NETVSP_FRAME_ROOM;

	if (nic->cfg.may_direct)
		return netvsp_direct_section_size(nic->st->mtu);
	return need <= NETVSP_SECTION_SIZE ? NETVSP_SECTION_SIZE : (need + 4095) & ~4095u;
}
