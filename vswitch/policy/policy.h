/* SPDX-License-Identifier: BSD-3-Clause */
/* The policies of a port that are built in: ACL, DHCP and router guard, rate limits and minimum shares,
 * storm control, isolation (private VLAN). The source port's are asked on ingress, each destination
 * port's on egress.
 *
 * A policy set is made by ctl, attached to a port's snapshot, and read by lcores, which keep their own
 * counters and buckets in it. A change makes a new set, which takes over what the old one knew
 * (connections, buckets); the old one is freed after a grace period. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vswitch/packet.h"

struct vsw_policy;
struct vsw_policy_cfg; /* vswitch/policy/config.h */

enum vsw_policy_way { VSW_POLICY_INGRESS, VSW_POLICY_EGRESS };

/* ctl.  0, -EINVAL, -ENOMEM (text set: which rule, what is wrong with it, what is allowed). @old: the
 * port's present one, or NULL; it stays as it is until vsw_policy_destroy(). */
int vsw_policy_create(struct vsw_policy **out, const struct vsw_policy_cfg *cfg,
		      unsigned int nr_lcores, struct vsw_policy *old);
void vsw_policy_destroy(struct vsw_policy *pol); /* ctl, after the grace period. NULL is fine. */

/* any.  Whether there is anything to do in that direction. */
bool vsw_policy_has(const struct vsw_policy *pol, enum vsw_policy_way way);

/* lcore.  Judges v->slot[idx[0 .. n)], parsed packets that entered at (ingress), or are about to leave
 * by (egress), the port of @pol, in that order. Sets why[k] of idx[k] to an enum vsw_drop; 0 (the
 * caller's) passes. Packets from NETHV_PORT_DEFAULT are trusted: the caller leaves them out. Bytes that
 * it must see become private (hdr_len grows), so that what was judged is what leaves. */
void vsw_policy_run(struct vsw_policy *pol, enum vsw_policy_way way, struct vsw_vec *v,
		    const uint16_t *idx, uint16_t n, uint16_t *why);
