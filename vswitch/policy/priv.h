/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of vswitch/policy/ share. Stages work on a burst: the packets that are still to pass. */
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_meter.h>
#include <rte_spinlock.h>

#include "vswitch/parse.h"
#include "vswitch/policy/config.h"
#include "vswitch/policy/conn.h"
#include "vswitch/policy/policy.h"
#include "vswitch/policy/status.h"
#include "vswitch/vswitch.h"

struct pol_acl;
struct pol_share;

/* Counters of one lcore, written by it alone; the last lane is what was taken over. */
struct pol_lane {
	alignas(64) uint64_t drops[VSW_POLICY_DROP_COUNT];
	uint64_t default_permits, connection_packets, related, fragments;
	uint64_t opened, replaced, refused, revoked;
	uint64_t hits[]; /* by rule */
};

/* Packets or bytes a second. Shared by lcores under its lock, which is taken once a burst. */
struct pol_bucket {
	alignas(64) rte_spinlock_t lock;
	bool is_on;
	struct rte_meter_srtcm meter;
	struct rte_meter_srtcm_profile profile;
};

struct vsw_policy {
	bool has[2]; /* by way */
	bool dhcp_guard, router_guard;
	bool is_isolated; /* may_from[] says something */
	bool may_from[VSW_PORTS_MAX];
	struct pol_acl *acl; /* NULL: none */
	bool has_acl[2];
	struct pol_share *share; /* NULL: none */
	struct pol_bucket broadcast, multicast;
	struct pol_bucket bytes[2], packets[2];

	unsigned int nr_lcores;
	uint32_t nr_rules;
	char (*rule_name)[32];
	size_t lane_size;
	uint8_t *lanes; /* [nr_lcores + 1] */
};

struct pol_burst {
	struct vsw_vec *v;
	uint16_t *why;
	struct pol_lane *lane;
	uint8_t way;
	uint16_t n;
	uint16_t at[VSW_VEC_SIZE]; /* in why[] */
	struct vsw_slot *slot[VSW_VEC_SIZE];
};

static inline struct pol_lane *pol_lane(const struct vsw_policy *pol, unsigned int lcore)
{
	return (struct pol_lane *)(void *)(pol->lanes + lcore * pol->lane_size);
}

/* One writer; relaxed, so that ctl reads whole numbers. */
static inline void pol_count(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

/* Drops packet @k of the burst; stages do not look at it again after pol_compact(). */
static inline void pol_drop(struct pol_burst *b, uint16_t k, enum vsw_drop why,
			    enum vsw_policy_drop kind)
{
	b->why[b->at[k]] = (uint16_t)why;
	pol_count(&b->lane->drops[kind], 1);
}

static inline bool pol_has_ports(uint8_t proto)
{
	return proto == IP_PROTO_TCP || proto == IP_PROTO_UDP || proto == IP_PROTO_DCCP ||
	       proto == IP_PROTO_SCTP || proto == IP_PROTO_UDPLITE;
}

static inline const char *pol_way_name(unsigned int way)
{
	return way == VSW_POLICY_INGRESS ? "ingress" : "egress";
}

/* Frames with a further tag inside: a receiver that takes it off sees what we did not look at. */
static inline bool pol_is_tagged_inside(const struct nethv_pkt *p)
{
	return p->ether_type == ETH_TYPE_8021Q || p->ether_type == 0x88A8 ||
	       p->ether_type == 0x9100 || p->ether_type == 0x9200;
}

/* policy.c.  lcore. Makes at least @n bytes of the frame private, so that what is judged is what
 * leaves; less when the frame has not so many or @n is more than fits. Returns hdr_len. */
uint32_t pol_pull(struct pol_burst *b, uint16_t k, uint32_t n);

/* Stages, lcore. */
void pol_guards_run(const struct vsw_policy *pol, struct pol_burst *b);
void pol_acl_run(const struct vsw_policy *pol, struct pol_burst *b);
void pol_isolate_run(const struct vsw_policy *pol, struct pol_burst *b);
void pol_storm_run(struct vsw_policy *pol, struct pol_burst *b);
void pol_rate_run(struct vsw_policy *pol, struct pol_burst *b);
void pol_share_run(struct vsw_policy *pol, struct pol_burst *b);

/* acl.c.  ctl. Takes the connections of @old over. *@out stays NULL when @cfg has no ACL. */
int pol_acl_create(struct pol_acl **out, const struct vsw_policy_cfg *cfg, struct pol_acl *old);
void pol_acl_destroy(struct pol_acl *a);
bool pol_acl_has(const struct pol_acl *a, enum vsw_policy_way way);
void pol_acl_status(const struct pol_acl *a, uint64_t now_tsc, struct vsw_policy_status *out);

/* meter.c.  ctl. @per_s 0: off. Starts with what @old (NULL: none) has left, else full. */
int pol_bucket_init(struct pol_bucket *b, const char *what, uint64_t per_s, uint64_t burst,
		    const struct pol_bucket *old);
int pol_rate_init(struct vsw_policy *pol, const struct vsw_policy_cfg *cfg,
		  const struct vsw_policy *old);
int pol_share_create(struct pol_share **out, const struct vsw_share_cfg *cfg,
		     const struct pol_share *old);
void pol_share_destroy(struct pol_share *s);
/* lcore, with the lock held. Whether there are @cost tokens; then they are taken. */
bool pol_bucket_take(struct pol_bucket *b, uint64_t now_tsc, uint64_t cost);

/* storm.c, isolate.c.  ctl. */
int pol_storm_init(struct vsw_policy *pol, const struct vsw_policy_cfg *cfg,
		   const struct vsw_policy *old);
void pol_isolate_init(struct vsw_policy *pol, const struct vsw_policy_cfg *cfg);
