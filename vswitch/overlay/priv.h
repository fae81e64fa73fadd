/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of vswitch/overlay/ share. Not for others; tests may. */
#pragma once

#include <stdalign.h>
#include <string.h>

#include <rte_spinlock.h>

#include "vswitch/overlay/overlay.h"
#include "vswitch/vswitch.h"

#define NO_MEMBER   0xFFFFu
#define NEIGHS_MAX  (VSW_OVERLAY_VTEPS_MAX + 1) /* and the gateway */
#define BY_VSID	    1024u /* slots: a power of two, four times what there can be */
#define BY_IP	    1024u
#define FRAMES_MAX  64u
#define MAC_WAYS    8u
#define MACS_DEF    16384u
#define MACS_LIMIT  (1u << 20)
#define AGEING_DEF  300u
#define MAC_MASK    0xFFFFFFFFFFFFull
#define TUNNEL_HLEN 8u /* VXLAN's, and Geneve's without options */
#define UDP_HLEN    8u
#define ETH_HLEN    14u
#define IP4_HLEN    20u
#define IP6_HLEN    40u

#define ETYPE_IP4    0x0800u
#define ETYPE_ARP    0x0806u
#define ETYPE_8021Q  0x8100u
#define ETYPE_IP6    0x86DDu
#define ETYPE_8021AD 0x88A8u
#define ETYPE_TEB    0x6558u /* Geneve: an Ethernet frame follows */

#define PROTO_UDP    17u
#define PROTO_FRAG   44u
#define PROTO_ICMPV6 58u

/* A next hop on the underlay. All lcores use it; members are written by whoever heard or asked. */
struct neigh {
	struct vsw_overlay_ip ip;
	uint64_t mac;	      /* 0: not resolved */
	uint32_t confirmed_s; /* when mac was heard last */
	uint32_t asked_s;     /* when it was asked for last, + 1; 0: never */
	uint32_t tries;	      /* since it was heard */
};

struct vtep {
	struct vsw_overlay_ip ip;
	uint16_t neigh; /* NO_MEMBER: next_hop is given */
	uint64_t next_hop;
};

struct subnet {
	uint32_t vsid;
	bool is_learning, is_external;
	uint16_t nr_ports, nr_vteps;
	uint16_t *port; /* in ports[] of the overlay */
	uint16_t vtep[VSW_OVERLAY_REMOTES_MAX];
	uint64_t may_send[VSW_OVERLAY_VTEPS_MAX / 64];
};

/* Where an address is: a port's number, or DEST_VTEP | index. */
#define DEST_VTEP 0x8000u
#define DEST_NONE 0xFFFFu

/* Addresses of all subnets. A key is address | subnet index << 48 and never 0. Those given by
 * configuration lie in a hash table that nobody writes to; learned ones in sets of MAC_WAYS,
 * which are read without a lock: an entry may be replaced while it is read, and then tells of
 * the former or the new address's place. Both are checked against the subnet by whoever uses it. */
struct mac_entry {
	uint64_t key;
	uint64_t where; /* seen_s << 32 | destination */
};

struct mac_given {
	uint64_t key;
	uint16_t dest;
};

struct mac_table {
	struct mac_given *given;
	struct mac_entry *learned;
	uint32_t given_mask; /* slots - 1 */
	uint32_t set_mask;   /* sets - 1 */
	uint32_t ageing_s;
	uint64_t seed;
	rte_spinlock_t lock; /* writers of learned[]; never waited for */
};

struct frame {
	uint16_t len;
	uint8_t b[VSW_OVERLAY_FRAME_MAX];
};

/* One lcore's own. The last lane is ctl's: what was counted by overlays before this one. */
struct lane {
	alignas(64) uint64_t total[VSW_OVERLAY_TOTAL];
	uint64_t subnet[VSW_OVERLAY_SUBNETS_MAX][VSW_OVERLAY_COUNT];
	uint64_t vtep[VSW_OVERLAY_VTEPS_MAX][VSW_OVERLAY_COUNT];
	uint32_t nr_frames, next_frame;
	struct frame frame[FRAMES_MAX];
};

struct vsw_overlay {
	/* Constant */
	enum vsw_overlay_encap encap;
	uint16_t udp_port, uplink, vlan, mtu;
	uint8_t mac[6];
	bool has_zero_csum6;
	struct vsw_overlay_ip local;
	uint16_t nr_subnets, nr_vteps, nr_neighs, nr_lanes;
	uint16_t subnet_of[VSW_PORTS_MAX]; /* NO_MEMBER: none */
	uint16_t by_vsid[BY_VSID];	   /* index + 1 */
	uint16_t by_ip[BY_IP];		   /* VTEPs, index + 1 */
	struct subnet *subnet;
	uint16_t *ports;
	struct vtep *vtep;

	/* Shared by lcores */
	struct neigh *neigh;
	struct mac_table macs;
	struct lane *lane;
	bool is_announced; /* by the lcore that ticks */
};

static inline uint64_t mac_load(const uint8_t *b)
{
	uint64_t v = 0;

	memcpy(&v, b, 6);
	return v;
}

/* The group bit is the lowest of the first byte, which comes first in memory. */
static inline bool mac_is_unicast(uint64_t mac)
{
	return mac && !(mac & 1);
}

static inline bool ip_is(const struct vsw_overlay_ip *a, const uint8_t *b)
{
	return memcmp(a->b, b, a->version == 4 ? 4 : 16) == 0;
}

static inline void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v);
}

/* lcore.  One writer each. */
static inline void count_add(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

static inline struct lane *lane_of(struct vsw_overlay *ov, uint16_t lcore)
{
	return &ov->lane[lcore];
}

/* config.c, ctl.  0 or -EINVAL (text set). */
int overlay_check(const struct vsw_overlay_cfg *cfg);
bool overlay_on_link(const struct vsw_overlay_cfg *cfg, const struct vsw_overlay_ip *ip);

/* overlay.c, any.  NULL, NO_MEMBER: there is none. */
const struct subnet *subnet_find(const struct vsw_overlay *ov, uint32_t vsid);
uint16_t vtep_find(const struct vsw_overlay *ov, const struct vsw_overlay_ip *ip);
static inline uint16_t subnet_index(const struct vsw_overlay *ov, const struct subnet *sn)
{
	return (uint16_t)(sn - ov->subnet);
}
static inline bool subnet_has_vtep(const struct subnet *sn, uint16_t vtep)
{
	return sn->may_send[vtep / 64] >> (vtep % 64) & 1;
}
uint64_t mix64(uint64_t v);
uint64_t ip_hash(const struct vsw_overlay_ip *ip);

/* mac.c.  ctl: 0 or -ENOMEM (text set); gives an address, -EEXIST: it was given. */
int mac_init(struct mac_table *t, const struct vsw_overlay_cfg *cfg);
void mac_fini(struct mac_table *t);
int mac_give(struct mac_table *t, uint16_t subnet, uint64_t mac, uint16_t dest);
/* lcore.  DEST_NONE: not known. */
uint16_t mac_find(const struct mac_table *t, uint16_t subnet, uint64_t mac, uint32_t now_s);
/* lcore, ctl. Notes that @mac was seen at @dest. What is counted, or VSW_OVERLAY_TOTAL: nothing
 * new. */
enum vsw_overlay_total mac_learn(struct mac_table *t, uint16_t subnet, uint64_t mac, uint16_t dest,
				 uint32_t now_s);

/* decap.c, lcore. Makes at least @want bytes private. False: the frame or the room has not so
 * many. */
bool head_pull(const struct vsw_vec *v, struct vsw_slot *s, uint32_t want);

/* csum.c, lcore. The Internet checksum's sum of frame bytes [@off, @off + @len) of a packet, of
 * bytes; folded and inverted. Whether that of the UDP datagram at @l4 is right, for addresses at
 * @addr. */
uint32_t sum_frame(const struct vsw_vec *v, const struct vsw_slot *s, uint32_t off, uint32_t len);
uint32_t sum_bytes(const void *at, uint32_t len);
uint16_t sum_finish(uint64_t sum);
uint32_t sum_pseudo(const uint8_t *addrs, uint32_t addrs_len, uint8_t proto, uint32_t len);

/* neigh.c, lcore.  The next hop's address, or 0; asks for it when it is unknown or old. */
uint64_t neigh_use(struct vsw_overlay *ov, uint16_t lcore, uint16_t neigh, uint32_t now_s);
/* @ip has @mac. False: it is no next hop. */
bool neigh_heard(struct vsw_overlay *ov, const struct vsw_overlay_ip *ip, uint64_t mac,
		 uint32_t now_s);
/* Room for a frame to be sent, zeroed; NULL: none (counted). */
struct frame *frame_new(struct vsw_overlay *ov, uint16_t lcore);

/* arp.c, ndp.c, lcore. Frames made: a request (@to: broadcast or to whom), an announcement.
 * Frames heard, with the private bytes that they need; whether it was one that concerns the
 * VTEP. */
void arp_request(const struct vsw_overlay *ov, struct frame *f, const uint8_t *ip, uint64_t to);
void ndp_request(const struct vsw_overlay *ov, struct frame *f, const uint8_t *ip, uint64_t to);
void arp_announce(const struct vsw_overlay *ov, struct frame *f);
void ndp_announce(const struct vsw_overlay *ov, struct frame *f);
bool arp_heard(struct vsw_overlay *ov, uint16_t lcore, const struct vsw_slot *s, uint32_t now_s);
bool ndp_heard(struct vsw_overlay *ov, const struct vsw_vec *v, struct vsw_slot *s, uint32_t now_s);
