/* SPDX-License-Identifier: BSD-3-Clause */
/* Forwarding database: (MAC, VLAN) -> port. Written by ctl only, looked up by lcores without locks.
 * It knows nothing of ports but their number.
 *
 * Removal: vsw_fdb_unlink_*() (no look-up finds it) -> grace period, by the caller ->
 * vsw_fdb_reclaim() (its place may be used again). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct vsw_fdb;

/* An address as a number: byte 0 lowest; VLAN on top. */
#define VSW_MAC_MASK   0xFFFFFFFFFFFFull
#define VSW_VLAN_SHIFT 48
#define VSW_VLAN_ANY   0xFFFFu /* a NIC's own address, valid in each VLAN that its port is in */

static inline uint64_t vsw_mac_num(const uint8_t *mac)
{
	uint64_t n = 0;

	memcpy(&n, mac, 6);
	return n;
}

static inline uint64_t vsw_fdb_key(uint64_t mac, uint16_t vlan)
{
	return mac | (uint64_t)vlan << VSW_VLAN_SHIFT;
}

/* What an entry is; is_used by ctl only. The rest is read by lcores, which also write last_seen. */
struct vsw_fdb_rec {
	uint64_t key;
	uint32_t last_seen; /* seconds of the switch's clock */
	uint16_t port;
	bool is_static;
	bool is_used;
};

/* ctl.  Room for @size learned addresses, and for @nr_static static ones beside them. */
int vsw_fdb_create(struct vsw_fdb **out, uint32_t size, uint32_t nr_static);
void vsw_fdb_destroy(struct vsw_fdb *f);

/* ctl.  0, -EEXIST, -ENOSPC (text set). Learned entries of the address stay: unlink them first. */
int vsw_fdb_add_static(struct vsw_fdb *f, uint64_t mac, uint16_t port);

enum vsw_fdb_learned { VSW_FDB_KNOWN, VSW_FDB_NEW, VSW_FDB_MOVED, VSW_FDB_FULL };

/* ctl.  Notes that @key was seen as a source at @port. */
enum vsw_fdb_learned vsw_fdb_learn(struct vsw_fdb *f, uint64_t key, uint16_t port, uint32_t now_s);

/* ctl.  Unlinks each entry for which @fn is true; returns how many. Reclaim frees
 * all that was unlinked so far. */
typedef bool (*vsw_fdb_pred)(const struct vsw_fdb_rec *r, void *ctx);
uint32_t vsw_fdb_unlink_if(struct vsw_fdb *f, vsw_fdb_pred fn, void *ctx);
void vsw_fdb_reclaim(struct vsw_fdb *f);

/* ctl. */
uint32_t vsw_fdb_count(const struct vsw_fdb *f, uint32_t *nr_static);
void vsw_fdb_each(const struct vsw_fdb *f, void (*fn)(const struct vsw_fdb_rec *r, void *ctx),
		  void *ctx);

/* any.  Changes whenever what a look-up returned before may be wrong now. Acquire. */
uint32_t vsw_fdb_gen(const struct vsw_fdb *f);

/* lcore, ctl.  The record of @key or NULL. Valid until the grace period after its unlinking. */
struct vsw_fdb_rec *vsw_fdb_find(const struct vsw_fdb *f, uint64_t key);

/* lcore.  The same for @n (1 to VSW_FDB_BULK) keys at once: the waits for memory are shared. */
#define VSW_FDB_BULK 64u
void vsw_fdb_find_bulk(const struct vsw_fdb *f, const uint64_t *key, uint32_t n,
		       struct vsw_fdb_rec **rec);

static inline uint16_t vsw_fdb_port(const struct vsw_fdb_rec *r)
{
	return __atomic_load_n(&r->port, __ATOMIC_RELAXED);
}

/* lcore.  Keeps the entry young; writes only what differs, because the line is shared. */
static inline void vsw_fdb_touch(struct vsw_fdb_rec *r, uint32_t now_s)
{
	if (__atomic_load_n(&r->last_seen, __ATOMIC_RELAXED) != now_s)
		__atomic_store_n(&r->last_seen, now_s, __ATOMIC_RELAXED);
}
