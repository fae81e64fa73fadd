/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames built from headers. A frame under construction grows from the front to the back. */
#include "mgmt/ext/catalog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>

#include "base/err.h"

#define ETH_LEN	   14u
#define TAG	   0x8100
#define IP4	   0x0800
#define IP6	   0x86DD
#define ARP	   0x0806
#define TCP	   6u
#define UDP	   17u
#define ICMP	   1u
#define ICMP6	   58u
#define HOP_OPTS   0u
#define ROUTING	   43u
#define FRAGMENT   44u
#define AUTH	   51u
#define NO_NEXT	   59u
#define DST_OPTS   60u
#define IP4_DF	   0x4000
#define IP4_MF	   0x2000
#define TCP_CSUM   16u
#define UDP_CSUM   6u
#define CUT_UPTO   140u
#define RANDOM_MAX 300u

struct build {
	struct catalog *c;
	uint8_t b[FRAME_LEN_MAX + 1];
	uint32_t n;
	uint32_t l3, l4;
	bool is_ip4;
	uint8_t proto;
	uint64_t prng;
	int rc;
};

/* ---- Pieces --------------------------------------------------------------------------------- */

static void put(struct build *f, const void *bytes, uint32_t len)
{
	if (f->n + len > FRAME_LEN_MAX)
		len = FRAME_LEN_MAX - f->n;
	memcpy(f->b + f->n, bytes, len);
	f->n += len;
}

static void put8(struct build *f, uint8_t v)
{
	put(f, &v, 1);
}

static void put16(struct build *f, uint16_t v)
{
	put8(f, (uint8_t)(v >> 8));
	put8(f, (uint8_t)v);
}

static void put32(struct build *f, uint32_t v)
{
	put16(f, (uint16_t)(v >> 16));
	put16(f, (uint16_t)v);
}

static void set16(struct build *f, uint32_t at, uint32_t v)
{
	f->b[at] = (uint8_t)(v >> 8);
	f->b[at + 1] = (uint8_t)v;
}

static void pattern(struct build *f, uint32_t len)
{
	while (len--)
		put8(f, (uint8_t)(f->n * 7 + 3));
}

static void eth_from(struct build *f, uint64_t dst, uint64_t src, uint16_t type)
{
	f->n = f->l3 = f->l4 = 0;
	put16(f, (uint16_t)(dst >> 32));
	put32(f, (uint32_t)dst);
	put16(f, (uint16_t)(src >> 32));
	put32(f, (uint32_t)src);
	put16(f, type);
}

static void eth(struct build *f, uint16_t type)
{
	eth_from(f, 0x020000000002, 0x020000000001, type);
}

/* @words: 32-bit words of options. */
static void ip4(struct build *f, uint8_t proto, uint16_t frag, uint8_t words)
{
	f->l3 = f->n;
	f->is_ip4 = true;
	f->proto = proto;
	put8(f, (uint8_t)(0x45 + words));
	put8(f, 0);
	put16(f, 0); /* length: end() */
	put16(f, 0x1234);
	put16(f, frag);
	put8(f, 64);
	put8(f, proto);
	put16(f, 0);
	put32(f, 0xC0000201);
	put32(f, 0xC0000202);
	while (words--)
		put32(f, 0x01010101);
	f->l4 = f->n;
}

static void ip6(struct build *f, uint8_t next)
{
	f->l3 = f->n;
	f->is_ip4 = false;
	f->proto = next;
	put32(f, 0x60000000);
	put16(f, 0);
	put8(f, next);
	put8(f, 64);
	for (int i = 0; i < 2; i++) {
		put32(f, 0x20010DB8);
		put32(f, 0);
		put32(f, 0);
		put32(f, 1 + (uint32_t)i);
	}
	f->l4 = f->n;
}

/* An extension header of 8 + @units * 8 bytes. */
static void ip6_ext(struct build *f, uint8_t next, uint8_t units)
{
	put8(f, next);
	put8(f, units);
	put16(f, 0x0104);
	put32(f, 0);
	for (uint32_t i = 0; i < units * 8u; i++)
		put8(f, 0);
	f->l4 = f->n;
	f->proto = next;
}

static void ip6_frag(struct build *f, uint8_t next, uint16_t offset_more)
{
	put8(f, next);
	put8(f, 0);
	put16(f, offset_more);
	put32(f, 0x11223344);
	f->l4 = f->n;
	f->proto = next;
}

static void tcp(struct build *f, uint16_t dst, uint8_t flags, uint8_t words)
{
	put16(f, 40000);
	put16(f, dst);
	put32(f, 1000);
	put32(f, 2000);
	put8(f, (uint8_t)(0x50 + 16 * words));
	put8(f, flags);
	put16(f, 0xFFFF);
	put32(f, 0);
	while (words--)
		put32(f, 0x01010101);
}

static void udp(struct build *f, uint16_t src, uint16_t dst, uint16_t payload)
{
	put16(f, src);
	put16(f, dst);
	put16(f, (uint16_t)(8 + payload));
	put16(f, 0);
	pattern(f, payload);
}

static uint32_t pseudo(const struct build *f, uint32_t len)
{
	uint32_t sum = f->is_ip4 ? rte_raw_cksum(f->b + f->l3 + 12, 8)
				 : rte_raw_cksum(f->b + f->l3 + 8, 32);

	sum += rte_cpu_to_be_16((uint16_t)len) + rte_cpu_to_be_16(f->proto);
	while (sum >> 16)
		sum = (sum & 0xFFFF) + (sum >> 16);
	return sum;
}

/* Lengths and checksums; @is_left: the L4 checksum is left to the switch, with @len in it. */
static void end_ip(struct build *f, bool is_left, uint32_t len)
{
	uint32_t at = f->l4 + (f->proto == TCP ? TCP_CSUM : UDP_CSUM), sum;

	if (f->is_ip4) {
		set16(f, f->l3 + 2, f->n - f->l3);
		sum = (uint16_t)~rte_raw_cksum(f->b + f->l3, (f->b[f->l3] & 15) * 4u);
		set16(f, f->l3 + 10, rte_be_to_cpu_16((uint16_t)sum));
	} else {
		set16(f, f->l3 + 4, f->n - f->l3 - 40);
	}
	if ((f->proto != TCP && f->proto != UDP) || at + 2 > f->n)
		return;
	sum = pseudo(f, len);
	if (!is_left) {
		sum += rte_raw_cksum(f->b + f->l4, f->n - f->l4);
		sum = (sum & 0xFFFF) + (sum >> 16);
		sum = (uint16_t) ~((sum & 0xFFFF) + (sum >> 16));
	}
	set16(f, at, rte_be_to_cpu_16((uint16_t)sum));
}

/* ---- Frames --------------------------------------------------------------------------------- */

static void keep(struct build *f)
{
	if (!f->rc)
		f->rc = frames_add(&f->c->bytes, f->b, f->n, f->c->bytes.n * 1000ull, 0);
}

static void end(struct build *f)
{
	end_ip(f, false, f->n - f->l4);
	keep(f);
}

static void sizes(struct build *f)
{
	static const uint32_t len[] = {0,    1,	   5,	 6,    11,    12,    13,	   14,
				       15,   16,   18,	 59,   60,    61,    63,	   64,
				       65,   127,  128,	 129,  1513,  1514,  1518,	   1522,
				       2048, 9014, 9234, 9235, 16000, 65000, FRAME_LEN_MAX};

	for (size_t i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		eth(f, 0x88B5);
		pattern(f, len[i] > ETH_LEN ? len[i] - ETH_LEN : 0);
		f->n = len[i];
		keep(f);
	}
}

static void addresses(struct build *f)
{
	static const uint64_t mac[] = {0,
				       0xFFFFFFFFFFFF,
				       0x01005E000001,
				       0x333300000001,
				       0x0180C2000000,
				       0x0180C200000E,
				       0x020000000001,
				       0x020000000002};

	for (size_t d = 0; d < sizeof(mac) / sizeof(mac[0]); d++)
		for (size_t s = 0; s < sizeof(mac) / sizeof(mac[0]); s++) {
			eth_from(f, mac[d], mac[s], 0x88B5);
			pattern(f, 46);
			keep(f);
		}
}

static void types(struct build *f)
{
	static const uint16_t type[] = {0,	100,	1500,	1536,	IP4,	ARP,
					TAG,	IP6,	0x8035, 0x8847, 0x8863, 0x88A8,
					0x88CC, 0x88F7, 0x9000, 0xFFFF};

	for (size_t i = 0; i < sizeof(type) / sizeof(type[0]); i++)
		for (uint32_t len = 0; len < 100; len += 33) {
			eth(f, type[i]);
			pattern(f, len);
			keep(f);
		}
	eth_from(f, 0xFFFFFFFFFFFF, 0x020000000001, ARP);
	put32(f, 0x00010800);
	put32(f, 0x06040001);
	put(f, "\2\0\0\0\0\1\xC0\0\2\1\0\0\0\0\0\0\xC0\0\2\2", 20);
	keep(f);
}

static void tags(struct build *f)
{
	static const uint16_t tci[] = {0, 0xE000, 1, 10, 0xA00A, 4094, 4095};

	for (size_t i = 0; i < sizeof(tci) / sizeof(tci[0]); i++)
		for (int is_double = 0; is_double < 2; is_double++) {
			eth(f, TAG);
			put16(f, tci[i]);
			if (is_double) {
				put16(f, TAG);
				put16(f, 20);
			}
			put16(f, IP4);
			ip4(f, UDP, 0, 0);
			udp(f, 53, 53, 30);
			end(f);
		}
}

static void over_ip4(struct build *f)
{
	static const uint8_t proto[] = {ICMP, 2, 4, TCP, UDP, 41, 47, 50, AUTH, 89, 132, 255};
	static const uint16_t frag[] = {0, IP4_DF, IP4_MF, IP4_MF | 1, 1, 0x1FFF, 0xFFFF};

	for (size_t p = 0; p < sizeof(proto); p++)
		for (size_t g = 0; g < sizeof(frag) / sizeof(frag[0]); g++) {
			eth(f, IP4);
			ip4(f, proto[p], frag[g], 0);
			pattern(f, 100);
			end(f);
		}
	for (uint8_t words = 0; words <= 10; words++) {
		eth(f, IP4);
		ip4(f, TCP, 0, words);
		tcp(f, 80, 0x02, words);
		pattern(f, 64);
		end(f);
	}
	for (unsigned int flags = 0; flags < 256; flags += 5) {
		eth(f, IP4);
		ip4(f, TCP, 0, 0);
		tcp(f, (uint16_t)(flags * 3 + 20), (uint8_t)flags, 0);
		end(f);
	}
}

/* What no honest sender sends. */
static void bad_ip4(struct build *f)
{
	static const uint16_t len[] = {0, 1, 19, 20, 21, 41, 1500, 0xFFFF};

	for (unsigned int first = 0; first < 256; first += 3) {
		eth(f, IP4);
		ip4(f, TCP, 0, 0);
		tcp(f, 80, 2, 0);
		f->b[f->l3] = (uint8_t)first; /* version and header length */
		keep(f);
	}
	for (size_t i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		eth(f, IP4);
		ip4(f, UDP, 0, 0);
		udp(f, 1, 2, 20);
		end_ip(f, false, f->n - f->l4);
		set16(f, f->l3 + 2, len[i]);
		keep(f);
		set16(f, f->l4 + 4, len[i]);
		keep(f);
	}
}

static void over_ip6(struct build *f)
{
	static const uint8_t proto[] = {ICMP6, TCP, UDP, NO_NEXT, 4, 41, 47, 50, 132, 255};

	for (size_t p = 0; p < sizeof(proto); p++) {
		eth(f, IP6);
		ip6(f, proto[p]);
		pattern(f, 100);
		end(f);
		for (uint8_t units = 0; units < 20; units += 3) {
			eth(f, IP6);
			ip6(f, HOP_OPTS);
			ip6_ext(f, DST_OPTS, 0);
			ip6_ext(f, ROUTING, 0);
			ip6_ext(f, proto[p], units);
			pattern(f, 40);
			end(f);
		}
		for (uint16_t off = 0; off < 32; off += 8) {
			eth(f, IP6);
			ip6(f, FRAGMENT);
			ip6_frag(f, proto[p], off | (off < 24));
			pattern(f, 64);
			end(f);
		}
	}
	for (unsigned int n = 1; n < 30; n++) { /* chains of headers that end nowhere */
		eth(f, IP6);
		ip6(f, n & 1 ? HOP_OPTS : AUTH);
		for (unsigned int i = 0; i < n; i++)
			ip6_ext(f, i & 1 ? DST_OPTS : ROUTING, (uint8_t)(n == 29 ? 255 : 0));
		end(f);
	}
}

/* What guards and overlays look for. */
static void services(struct build *f)
{
	static const uint16_t port[] = {53, 67, 68, 123, 546, 547, 4789, 6081, 5353};

	for (size_t i = 0; i < sizeof(port) / sizeof(port[0]); i++) {
		eth(f, IP4);
		ip4(f, UDP, 0, 0);
		udp(f, port[i], port[i], 300);
		end(f);
		eth(f, IP6);
		ip6(f, UDP);
		udp(f, port[i], port[i], 300);
		end(f);
	}
	for (unsigned int type = 128; type <= 137; type++) {
		eth_from(f, 0x333300000001, 0x020000000001, IP6);
		ip6(f, ICMP6);
		put32(f, type << 24);
		pattern(f, 28);
		end(f);
	}
}

/* Frames of before, cut at every byte. */
static void cut(struct build *f)
{
	for (int kind = 0; kind < 4; kind++)
		for (uint32_t n = ETH_LEN; n < CUT_UPTO; n++) {
			eth(f, kind < 2 ? IP4 : IP6);
			if (kind < 2) {
				ip4(f, kind ? UDP : TCP, 0, 2);
			} else {
				ip6(f, HOP_OPTS);
				ip6_ext(f, kind == 2 ? TCP : UDP, 1);
			}
			tcp(f, 80, 2, 3);
			pattern(f, CUT_UPTO);
			end_ip(f, false, f->n - f->l4);
			f->n = n;
			keep(f);
		}
}

static uint64_t next_random(struct build *f)
{
	f->prng ^= f->prng << 13;
	f->prng ^= f->prng >> 7;
	f->prng ^= f->prng << 17;
	return f->prng;
}

/* Half of them random behind good headers. */
static void random_ones(struct build *f, uint32_t n)
{
	while (n--) {
		uint64_t r = next_random(f);
		uint32_t len = (uint32_t)(r >> 8) % RANDOM_MAX;

		eth(f, r & 1 ? IP4 : r & 2 ? IP6 : (uint16_t)(r >> 16));
		if (r & 1 && r & 4)
			ip4(f, (uint8_t)(r >> 32), (uint16_t)(r & 8 ? r >> 40 : 0), r >> 60 & 7);
		else if (r & 2 && r & 4)
			ip6(f, (uint8_t)(r >> 32));
		while (f->n < len)
			put8(f, (uint8_t)(next_random(f) >> 24));
		keep(f);
	}
}

/* ---- Offloads ------------------------------------------------------------------------------- */

struct offload {
	bool is_ip4;
	uint8_t proto;
	uint32_t payload;
	uint16_t mss; /* 0: the checksum only */
};

static const struct offload offloads[] = {
	{true, TCP, 0, 0},	  {true, TCP, 100, 0},	     {true, UDP, 0, 0},
	{true, UDP, 1400, 0},	  {false, TCP, 0, 0},	     {false, TCP, 100, 0},
	{false, UDP, 1, 0},	  {false, UDP, 1400, 0},     {true, TCP, 100, 28},
	{true, TCP, 1460, 1460},  {true, TCP, 1461, 1460},   {true, TCP, 65000, 1460},
	{false, TCP, 1441, 1440}, {false, TCP, 65000, 1440}, {true, TCP, 9000, 536},
	{false, TCP, 9000, 1220},
};

static void offload_frame(struct build *f, const struct offload *o)
{
	eth(f, o->is_ip4 ? IP4 : IP6);
	if (o->is_ip4)
		ip4(f, o->proto, IP4_DF, 0);
	else
		ip6(f, o->proto);
	if (o->proto == TCP)
		tcp(f, 80, 0x19, 3);
	else
		udp(f, 1000, 2000, (uint16_t)o->payload);
	if (o->proto == TCP)
		pattern(f, o->payload);
	end_ip(f, true, o->mss ? 0 : f->n - f->l4);
	keep(f);
}

static void offload_ask(struct bed_in *in, const struct offload *o)
{
	in->flags = NETHV_PKT_CSUM | (o->mss ? NETHV_PKT_LSO : 0);
	in->csum = (o->proto == TCP ? NETHV_CSUM_TCP : NETHV_CSUM_UDP) |
		   (o->is_ip4 ? NETHV_CSUM_IP4 : 0);
	in->l3_off = ETH_LEN;
	in->l4_off = ETH_LEN + (o->is_ip4 ? 20 : 40);
	in->lso_mss = o->mss;
}

#define NR_OFFLOADS (sizeof(offloads) / sizeof(offloads[0]))

static int finish(struct catalog *c)
{
	c->in = calloc(c->bytes.n, sizeof(*c->in));
	if (!c->in)
		return err_set(-ENOMEM, "no memory for frames");
	for (uint32_t i = 0; i < c->bytes.n; i++)
		c->in[i] = (struct bed_in){
			.bytes = frames_bytes(&c->bytes, i),
			.len = c->bytes.frame[i].len,
			.ts_ns = c->bytes.frame[i].ts_ns,
		};
	for (size_t i = 0; i < NR_OFFLOADS; i++)
		offload_ask(&c->in[c->nr_plain + i], &offloads[i]);
	return 0;
}

int catalog_make(struct catalog *c, uint32_t nr_random, uint64_t seed)
{
	struct build *f = calloc(1, sizeof(*f));
	int rc;

	memset(c, 0, sizeof(*c));
	if (!f)
		return err_set(-ENOMEM, "no memory for frames");
	f->c = c;
	f->prng = seed | 1;
	sizes(f);
	addresses(f);
	types(f);
	tags(f);
	over_ip4(f);
	bad_ip4(f);
	over_ip6(f);
	services(f);
	cut(f);
	random_ones(f, nr_random);
	c->nr_plain = c->bytes.n;
	for (size_t i = 0; i < NR_OFFLOADS; i++)
		offload_frame(f, &offloads[i]);
	rc = f->rc ? f->rc : finish(c);
	free(f);
	if (rc)
		catalog_fini(c);
	return rc;
}

void catalog_fini(struct catalog *c)
{
	frames_fini(&c->bytes);
	free(c->in);
	c->in = NULL;
}
