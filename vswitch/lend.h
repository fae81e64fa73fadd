/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending from where the bytes lie. A source whose memory devices may read lends it for a vector: an uplink
 * that can sends the private bytes and, behind them, the source's own, and gives each piece back when
 * the device has read it. Until all are back the source tells nobody that its packets are done.
 *
 * mempool objects and what tells of the loan are the switch's own memory; a guest can change only
 * the bytes that leave behind the private ones. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vsw;

/* A source's loan, one for each queue that it is polled by. */
struct vsw_lend {
	uint32_t out; /* pieces that devices still read. Atomic */
};

/* ctl.  Memory that sources lend of: all uplinks that can are to read it. What a device cannot map is copied, as
 * is everything when there is no room to remember (told in the log). @at and @len: whole pages. */
void vsw_memory_add(struct vsw *sw, void *at, uint64_t len);
/* ctl.  Before it is unmapped, when all that was lent of it is back. Not added: nothing. */
void vsw_memory_remove(struct vsw *sw, void *at);

/* ctl.  When no lcore lends by @l any more (vsw_quiesce()): returns when all of it is back. A device that
 * does not send within a second is started anew, which gives everything back. */
void vsw_lend_settle(struct vsw *sw, struct vsw_lend *l);
