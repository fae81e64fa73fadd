/* SPDX-License-Identifier: BSD-3-Clause */
/* The ACL benchmark's rules and frames as files that other switches read. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/policy/config.h"

#define ACL_FRAME 64u

/* ctl.  The IPv4 rules as flows for ovs-ofctl: the first has the highest priority, rule i the cookie
 * i + 1; what is permitted leaves by port 2. @stateful: a permission commits a connection, and packets
 * of one pass without a rule (cookie 0). Source ports are taken for "any". 0, -errno (text set). */
int acl_write_openflow(const char *path, const struct vsw_acl_rule *rule, uint32_t n,
		       bool stateful);

/* ctl.  @n frames, order[0 .. n) of @frame, as pcap. 0, -errno (text set). */
int acl_write_pcap(const char *path, const uint8_t (*frame)[ACL_FRAME], const uint32_t *order,
		   uint32_t n);
