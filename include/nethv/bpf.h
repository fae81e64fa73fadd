/* SPDX-License-Identifier: BSD-3-Clause */
/* The SDK of eBPF extensions: what the source of one includes. Freestanding; docs/bpf.md shows the way.
 *
 *     clang -O2 -g -target bpf -mcpu=v2 -c portfilter.c
 *
 * An eBPF extension is a capture or a filter. It is one object file with a description (NV_EXTENSION), a
 * function in the section "ingress" or "egress" or one in each, and perhaps maps (NV_MAP):
 *
 *     NV_EXTENSION { NV_HEAD, .cls = NV_FILTER, .name = "closed", .version = "1.0", ... };
 *
 *     NV_SEC("ingress") int on_ingress(const struct nv_ctx *c)
 *     {
 *             return c->l4_dst_port == 23 ? NV_DROP(0) : NV_PASS;
 *     }
 *
 * It is called for each packet (and may not be named like its section). What it does is checked before
 * it runs: no loops, no calls of functions that are not inlined, no writing but to its own stack and
 * variables, reading only inside of what is below. What is refused is refused with the line of the
 * source and the reason. */
#pragma once

typedef __UINT8_TYPE__ nv_u8;
typedef __UINT16_TYPE__ nv_u16;
typedef __UINT32_TYPE__ nv_u32;
typedef __UINT64_TYPE__ nv_u64;
typedef __INT64_TYPE__ nv_s64;

#define NV_BPF_ABI 1u

#define NV_BYTES_MAX	128u /* of a frame in nv_ctx.bytes */
#define NV_REASONS_MAX	32u
#define NV_COUNTERS_MAX 32u
#define NV_MAPS_MAX	16u
#define NV_KEY_MAX	64u	  /* bytes of a key */
#define NV_VALUE_MAX	256u	  /* bytes of a value */
#define NV_ENTRIES_MAX	1048576u  /* of a map; it has 8 at least */
#define NV_MAP_BYTES	67108864u /* of all values of a map */
#define NV_COPY_MAX	256u	  /* of one nv_copy() */
#define NV_INSNS_MAX	4096u	  /* instructions of a program */
#define NV_MAP_CALLS	32u	  /* calls for maps on any way through a program */
#define NV_WAYS_MAX	262144u /* ways through a program: branches one behind the other multiply */

/* ---- The packet ---------------------------------------------------------------------------- */

/* As in nethv/extension.h: enum nethv_pkt_flags. */
#define NV_PKT_VLAN	(1u << 0)  /* vlan_tci is valid: the tag is not among the bytes */
#define NV_PKT_CSUM	(1u << 2)  /* the L4 checksum is not finished yet */
#define NV_PKT_LSO	(1u << 3)  /* TCP, to be cut into segments of lso_mss */
#define NV_PKT_CSUM_OK	(1u << 4)  /* the L4 checksum is known to be good */
#define NV_PKT_SAFE	(1u << 6)  /* no guest can rewrite what nv_load() and nv_copy() read */
#define NV_PKT_NATIVE	(1u << 7)  /* overlay traffic that the switch forwards itself */
#define NV_PKT_CLONE	(1u << 8)  /* made by an extension: a copy */
#define NV_PKT_MADE	(1u << 9)  /* made by an extension: of its own */
#define NV_PKT_FRAGMENT (1u << 10) /* IP fragment, not the first one */

#define NV_PORT_DEFAULT 0xFFFFu /* as src_port: nobody's port */

/* A packet. Numbers are in host order but where it says otherwise. Members are only added at the end. */
struct nv_ctx {
	nv_u32 len;	 /* of the frame */
	nv_u32 nr_bytes; /* valid ones in bytes[]: at least min(len, 64) */
	nv_u16 flags;	 /* NV_PKT_* */
	nv_u16 vlan_tci; /* with NV_PKT_VLAN */
	nv_u16 vlan;	 /* that the packet belongs to; 0: the untagged network */
	nv_u16 src_port; /* of the switch, or NV_PORT_DEFAULT */
	nv_u16 src_nic;	 /* of a team: 1.., else 0 */
	nv_u16 dst_port; /* egress: the first destination; ingress: NV_PORT_DEFAULT */
	nv_u16 ndst;	 /* egress: how many destinations */
	nv_u16 ether_type;
	nv_u8 l3_off;	  /* of the IP header; 0: not IP */
	nv_u8 l4_off;	  /* of the L4 header; 0: none, or not among the private bytes */
	nv_u8 l4_proto;	  /* IP protocol number */
	nv_u8 l3_version; /* 4, 6, or 0 */
	nv_u16 lso_mss;
	nv_u8 tcp_flags; /* the byte of the TCP header with FIN, SYN, RST, PSH, ACK ... */
	nv_u8 is_egress;
	nv_u32 hash;	    /* RSS hash by the sender or device, 0: none */
	nv_u32 mark;	    /* of other extensions */
	nv_u16 l4_src_port; /* TCP, UDP, SCTP: 0 when there is none */
	nv_u16 l4_dst_port;
	nv_u32 reserved;
	nv_u64 now_ns;	  /* monotonic, one reading a burst */
	nv_u8 ip_src[16]; /* in network order; IPv4: the first four, then zero */
	nv_u8 ip_dst[16];
	nv_u8 bytes[NV_BYTES_MAX]; /* of the frame from its first; zero behind nr_bytes */
};

/* ---- Verdicts ------------------------------------------------------------------------------ */

/* What a filter returns. What a capture returns does not matter. */
#define NV_PASS		0
#define NV_DROP(reason) (1 + (reason)) /* index in .reasons */

/* ---- The description ------------------------------------------------------------------------ */

enum nv_class { NV_CAPTURE = 1, NV_FILTER = 2 };

#define NV_PLAIN \
	(1u << 0) /* flags: packets without CSUM and LSO, please; the switch does it before */

struct nv_info {
	nv_u32 abi, size; /* NV_HEAD */
	nv_u32 cls;	  /* enum nv_class */
	nv_u32 flags;
	char name[32]; /* [a-z0-9-], at most 31 */
	char version[32];
	char summary[128]; /* one line for people */
	char guid[40];	   /* "01234567-89ab-cdef-0123-456789abcdef": for ever the same */
	char reasons[NV_REASONS_MAX][96];   /* why it drops: "word: sentence" */
	char counters[NV_COUNTERS_MAX][32]; /* names for nv_count(): [a-z0-9_] */
};

#define NV_SEC(name) __attribute__((section(name), used))
#define NV_HEAD	     .abi = NV_BPF_ABI, .size = sizeof(struct nv_info)

#define NV_EXTENSION                         \
	extern const struct nv_info nv_info; \
	const struct nv_info nv_info NV_SEC("nethv") =

/* ---- Helpers --------------------------------------------------------------------------------
 * Their results: 0 or more is success. What they read from must be set before, and what they write to
 * must be set as well ("nv_u64 n = 0;"). A pointer to a key may point into the context. */

#define NV_ENOENT  (-1) /* no such key; no such bytes */
#define NV_ENOROOM (-3) /* the map is full */

/* The @size bytes (1 to 7) of the frame at @off as a number, most significant byte first;
 * NV_ENOENT when the frame ends before. @off may be known at run time only. */
extern nv_s64 nv_load(const struct nv_ctx *c, nv_u64 off, nv_u64 size);

/* Copies @len bytes (a constant, 1 to NV_COPY_MAX) of the frame at @off to @dst. 0 or NV_ENOENT. */
extern nv_s64 nv_copy(const struct nv_ctx *c, nv_u64 off, void *dst, nv_u64 len);

/* Adds @n to counter number @counter of .counters. Each lcore has its own: it is cheap. */
extern nv_s64 nv_count(const struct nv_ctx *c, nv_u64 counter, nv_u64 n);

/* A map: fixed sizes, shared by all lcores, one set for each instance of the extension. Read and written
 * eight bytes at a time: a longer value that two lcores write at the same time may be a mixture. */
struct nv_map {
	nv_u32 key_size, value_size, entries, flags;
};

#define NV_MAP(name, key_type, value_type, n)                                           \
	extern struct nv_map name;                                                      \
	struct nv_map name __attribute__((section(".maps"), used)) = {sizeof(key_type), \
								      sizeof(value_type), n, 0}

/* 1: *@value is the value of *@key. NV_ENOENT: *@value is as before. */
extern nv_s64 nv_map_lookup(const struct nv_map *m, const void *key, void *value);
/* Makes *@value the value of *@key, which need not be there. 0 or NV_ENOROOM. */
extern nv_s64 nv_map_update(const struct nv_map *m, const void *key, const void *value);
/* 0 or NV_ENOENT. */
extern nv_s64 nv_map_delete(const struct nv_map *m, const void *key);
/* Adds @n to the first eight bytes of the value of *@key, in one step for all lcores; a key that is not
 * there is made with zeroes. The sum before, or NV_ENOROOM. */
extern nv_s64 nv_map_add(const struct nv_map *m, const void *key, nv_u64 n);

/* Keeps the compiler from making one call of two in different branches, with the address of one map or of
 * another: what a call works on must be plain from the program. */
#define NV_CALL(call)                                \
	({                                           \
		__typeof__(call) result_ = call;     \
		asm volatile("" ::"i"(__COUNTER__)); \
		result_;                             \
	})
#define nv_load(...)	   NV_CALL(nv_load(__VA_ARGS__))
#define nv_copy(...)	   NV_CALL(nv_copy(__VA_ARGS__))
#define nv_count(...)	   NV_CALL(nv_count(__VA_ARGS__))
#define nv_map_lookup(...) NV_CALL(nv_map_lookup(__VA_ARGS__))
#define nv_map_update(...) NV_CALL(nv_map_update(__VA_ARGS__))
#define nv_map_delete(...) NV_CALL(nv_map_delete(__VA_ARGS__))
#define nv_map_add(...)	   NV_CALL(nv_map_add(__VA_ARGS__))

/* ---- Shorthands ----------------------------------------------------------------------------- */

/* Big-endian numbers in bytes[], at a place that is known at compile time. */
static inline __attribute__((always_inline)) nv_u16 nv_get16(const nv_u8 *p)
{
	return (nv_u16)(p[0] << 8 | p[1]);
}

static inline __attribute__((always_inline)) nv_u32 nv_get32(const nv_u8 *p)
{
	return (nv_u32)p[0] << 24 | (nv_u32)p[1] << 16 | (nv_u32)p[2] << 8 | p[3];
}

_Static_assert(sizeof(struct nv_ctx) == 216, "fixed");
_Static_assert(sizeof(struct nv_map) == 16, "fixed");
_Static_assert(sizeof(struct nv_info) == 4344, "fixed");
