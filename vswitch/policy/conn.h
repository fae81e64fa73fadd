/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections that stateful rules opened: a table of groups of 30, each with one cache line of tags. A
 * connection lies in the group that its hash names, so there is neither a free list nor a sweeper: what
 * is too old is nobody's any more, and its place is taken by the next one.
 *
 * Readers take no lock; writers take that of a group, which is for lcores only. ctl reads like a
 * reader. Policies of a port that come one after the other share a table; the generation in a
 * connection says which rules it was last judged by. */
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vswitch/parse.h"

/* A packet's addresses and ports, as rte_acl and the table read them. Network order but for vlan. For
 * connections the port's own side is src. What is not used is zero. */
union pol_key {
	struct {
		uint8_t proto;
		uint8_t version;
		uint16_t vlan;
		union {
			struct {
				uint32_t src, dst;
				uint16_t sport, dport;
			} v4;
			struct {
				uint8_t src[16], dst[16];
				uint16_t sport, dport;
			} v6;
		};
	};
	uint64_t word[5];
};
_Static_assert(sizeof(union pol_key) == 40, "no padding that is not zeroed");

enum pol_conn_bits {
	POL_CONN_EGRESS = 1 << 0, /* opened by a packet to the port, else by one from it */
	POL_CONN_ANSWERED = 1 << 1,
	POL_CONN_FIN = 1 << 2,	     /* by who opened it */
	POL_CONN_FIN_REPLY = 1 << 3, /* by the other one */
	POL_CONN_RST = 1 << 4,
	POL_CONN_TCP = 1 << 5,
	POL_CONN_ECHO = 1 << 6,
};

/* What is known of a connection: one word. */
union pol_conn_meta {
	struct {
		uint32_t gen; /* of the rules that it was judged by */
		uint16_t rule;
		uint8_t bits;
		uint8_t zero;
	};
	uint64_t word;
};

struct pol_conn {
	uint64_t key[5];
	uint64_t meta;
	uint32_t seen; /* tick of the last packet */
	uint32_t pad[3];
};
_Static_assert(sizeof(struct pol_conn) == 64, "one cache line");

#define POL_CONN_WAYS 30u

struct pol_conn_group {
	uint32_t lock;		     /* odd: a writer is in; a number that readers compare */
	uint16_t tag[POL_CONN_WAYS]; /* 0: free */
};
_Static_assert(sizeof(struct pol_conn_group) == 64, "one cache line");

struct pol_conns {
	struct pol_conn_group *group;
	struct pol_conn *conn; /* POL_CONN_WAYS a group */
	uint64_t mask;	       /* groups - 1 */
	uint64_t seed[2];      /* secret: nobody chooses who shares a group */
	uint32_t size;	       /* as asked for */
	uint32_t refs;	       /* ctl: policies that use it */
	size_t group_bytes, conn_bytes;
};

/* Ticks without a packet, after which a connection is forgotten. See struct vsw_acl_idle. */
struct pol_conn_idle {
	uint32_t tcp, tcp_new, tcp_end, other, other_new;
};

enum pol_conn_result { POL_CONN_OPENED, POL_CONN_REPLACED, POL_CONN_REFUSED };

/* ctl.  Room for about @size connections. 0 or -ENOMEM (text set). */
int pol_conns_create(struct pol_conns **out, uint32_t size);
void pol_conns_put(struct pol_conns *t); /* ctl.  Gives a reference back. NULL is fine. */

/* ctl.  Takes what is alive in @from over into @to, which no lcore uses yet. */
void pol_conns_copy(struct pol_conns *to, const struct pol_conns *from);
/* ctl.  Connections alive at @now. */
uint32_t pol_conns_count(const struct pol_conns *t, uint32_t now, const struct pol_conn_idle *idle);
static inline uint32_t pol_conns_capacity(const struct pol_conns *t)
{
	return (uint32_t)(t->mask + 1) * POL_CONN_WAYS;
}

/* any.  TSC >> this are ticks: 8 to 16 a second. */
unsigned int pol_tick_shift(void);

static inline uint64_t pol_mix(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 r = (unsigned __int128)a * b;

	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

/* any.  What is mixed last must have been mixed before: one product turns ports that follow each other into
 * places that follow each other, all in a few groups for some seeds. */
static inline uint64_t pol_key_hash(const uint64_t seed[2], const union pol_key *k)
{
	uint64_t h = pol_mix(k->word[0] ^ seed[0], k->word[1] ^ seed[1]);

	if (k->version != 4) {
		h = pol_mix(h ^ k->word[2], k->word[3] ^ seed[0]);
		h = pol_mix(h ^ k->word[4], seed[1]);
	}
	return pol_mix(h ^ seed[1], seed[0]);
}

static inline bool pol_key_equal(const union pol_key *a, const union pol_key *b)
{
	uint64_t diff = (a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]);

	if (a->version == 4)
		return diff == 0;
	return (diff | (a->word[2] ^ b->word[2]) | (a->word[3] ^ b->word[3]) |
		(a->word[4] ^ b->word[4])) == 0;
}

/* lcore.  Gets the tags of a connection's group, and then its place, on their way into the cache. */
void pol_conn_prefetch_place(const struct pol_conns *t, uint64_t hash);
static inline void pol_conn_prefetch(const struct pol_conns *t, uint64_t hash)
{
	__builtin_prefetch(&t->group[hash & t->mask]);
}

/* lcore.  The connection of @key, alive at @now or not. NULL: there is none. @meta, @seen as they were
 * when it was found; the place may be another one's by now, which only pol_conn_touch() does not mind. */
struct pol_conn *pol_conn_find(const struct pol_conns *t, const union pol_key *key, uint64_t hash,
			       union pol_conn_meta *meta, uint32_t *seen);

static inline void pol_conn_touch(struct pol_conn *c, uint32_t seen, uint32_t now)
{
	if (seen != now)
		__atomic_store_n(&c->seen, now, __ATOMIC_RELAXED);
}

/* any.  Whether a connection with @bits, last seen at @seen, is still one at @now. */
bool pol_conn_is_alive(uint8_t bits, uint32_t seen, uint32_t now, const struct pol_conn_idle *idle);

/* lcore.  Writes a connection, the one of the same key or a new one. @must_refuse: not in the place of
 * one that is alive. */
enum pol_conn_result pol_conn_open(struct pol_conns *t, const union pol_key *key, uint64_t hash,
				   union pol_conn_meta meta, uint32_t now,
				   const struct pol_conn_idle *idle, bool must_refuse);
/* lcore.  Adds @bits; says which rules it was judged by; ends it. Nothing when it is gone. */
void pol_conn_mark(struct pol_conns *t, const union pol_key *key, uint64_t hash, uint8_t bits);
void pol_conn_renew(struct pol_conns *t, const union pol_key *key, uint64_t hash, uint32_t gen,
		    uint16_t rule);
void pol_conn_close(struct pol_conns *t, const union pol_key *key, uint64_t hash);
