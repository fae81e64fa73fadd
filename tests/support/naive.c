/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames, checksums and segments, the stupid way. */
#include "tests/support/naive.h"

#include <stdlib.h>
#include <string.h>

static void w16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v / 256);
	p[1] = (uint8_t)v;
}

static void w32(uint8_t *p, uint32_t v)
{
	w16(p, v / 65536);
	w16(p + 2, v % 65536);
}

static uint32_t r16(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

/* Adds @len bytes to a one's complement sum, one after the other. */
static uint32_t add(uint32_t sum, const uint8_t *p, uint32_t len)
{
	uint32_t i;

	for (i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : p[i] * 256u;
		if (sum > 0xFFFF)
			sum -= 0xFFFF;
	}
	return sum;
}

static uint32_t pseudo(const uint8_t *ip, bool is_v6, uint32_t proto, uint32_t len)
{
	uint8_t tail[4] = {0, (uint8_t)proto};
	uint32_t sum = is_v6 ? add(0, ip + 8, 32) : add(0, ip + 12, 8);

	w16(tail + 2, len);
	return add(sum, tail, 4);
}

static void ip4_checksum(uint8_t *ip)
{
	w16(ip + 10, 0);
	w16(ip + 10, 0xFFFF - add(0, ip, (ip[0] % 16) * 4u));
}

static uint8_t *csum_field(struct naive_frame *f)
{
	return f->bytes + f->l4 + (f->kind.is_tcp ? 16 : 6);
}

static uint32_t proto_of(const struct naive_frame *f)
{
	return f->kind.is_tcp ? 6 : 17;
}

static void l4_checksum(struct naive_frame *f)
{
	uint32_t len = f->len - f->l4, sum;

	w16(csum_field(f), 0);
	sum = pseudo(f->bytes + f->l3, f->kind.is_v6, proto_of(f), len);
	sum = 0xFFFF - add(sum, f->bytes + f->l4, len);
	w16(csum_field(f), sum == 0 && !f->kind.is_tcp ? 0xFFFF : sum);
}

/* ---- Making -------------------------------------------------------------------------------- */

static void put_ip4(struct naive_frame *f)
{
	uint8_t *ip = f->bytes + f->l3;
	uint32_t i;

	ip[0] = (uint8_t)(0x45 + f->kind.ip_options / 4);
	w16(ip + 2, f->len - f->l3);
	w16(ip + 4, f->kind.id);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = (uint8_t)proto_of(f);
	memcpy(ip + 12, "\x0a\x01\x02\x03\xc0\xa8\xff\xfe", 8);
	for (i = 0; i < f->kind.ip_options; i++)
		ip[20 + i] = 1; /* no operation */
	ip4_checksum(ip);
}

/* Destination options of 8 bytes each, one header after the other. */
static void put_ip6(struct naive_frame *f)
{
	uint8_t *ip = f->bytes + f->l3, *next = ip + 6, *ext;
	uint32_t i;

	ip[0] = 0x60;
	w16(ip + 4, f->len - f->l3 - 40);
	ip[7] = 64;
	for (i = 0; i < 16; i++) {
		ip[8 + i] = (uint8_t)(0x20 + i * 3);
		ip[24 + i] = (uint8_t)(0xF0 - i * 5);
	}
	for (ext = ip + 40; ext < f->bytes + f->l4; ext += 8) {
		*next = 60;
		next = ext;
		memcpy(ext, "\0\0\1\4\0\0\0\0", 8);
	}
	*next = (uint8_t)proto_of(f);
}

static void put_l4(struct naive_frame *f)
{
	uint8_t *l4 = f->bytes + f->l4;

	w16(l4, 40000);
	w16(l4 + 2, 443);
	if (!f->kind.is_tcp) {
		w16(l4 + 4, f->len - f->l4);
		return;
	}
	w32(l4 + 4, f->kind.seq);
	w32(l4 + 8, 0x01020304);
	l4[12] = (uint8_t)((5 + f->kind.tcp_options / 4) * 16);
	l4[13] = f->kind.tcp_flags;
	w16(l4 + 14, 501);
	memset(l4 + 20, 1, f->kind.tcp_options);
}

static void put_headers(struct naive_frame *f)
{
	if (f->kind.is_v6)
		put_ip6(f);
	else
		put_ip4(f);
	put_l4(f);
}

void naive_make(struct naive_frame *f, const struct naive_kind *k, const uint8_t *dst,
		const uint8_t *src, uint32_t seed)
{
	uint32_t i;

	f->kind = *k;
	f->l3 = k->is_tagged ? 18 : 14;
	f->l4 = f->l3 + (k->is_v6 ? 40u : 20u) + k->ip_options;
	f->data = f->l4 + (k->is_tcp ? 20u + k->tcp_options : 8u);
	f->len = f->data + k->payload;
	if (f->len > sizeof(f->bytes))
		abort();
	memset(f->bytes, 0, f->data);
	memcpy(f->bytes, dst, 6);
	memcpy(f->bytes + 6, src, 6);
	if (k->is_tagged)
		memcpy(f->bytes + 12, "\x81\0\x60\x07", 4);
	w16(f->bytes + f->l3 - 2, k->is_v6 ? 0x86DD : 0x0800);
	for (i = f->data; i < f->len; i++, seed = seed * 1664525 + 1013904223)
		f->bytes[i] = (uint8_t)(seed >> 24);
	put_headers(f);
	l4_checksum(f);
}

void naive_unfinish(struct naive_frame *f, bool is_long)
{
	uint8_t *ip = f->bytes + f->l3;

	w16(csum_field(f), pseudo(ip, f->kind.is_v6, proto_of(f), is_long ? 0 : f->len - f->l4));
	if (!is_long)
		return;
	w16(ip + (f->kind.is_v6 ? 4 : 2), 0);
	if (!f->kind.is_v6)
		w16(ip + 10, 0);
}

bool naive_cut(const struct naive_frame *f, uint32_t mss, uint32_t i, struct naive_frame *out)
{
	uint32_t at = i * mss, n = f->kind.payload - at;

	if (at >= f->kind.payload)
		return false;
	n = n > mss ? mss : n;
	out->kind = f->kind;
	out->kind.payload = n;
	out->kind.id = (uint16_t)(f->kind.id + i);
	out->kind.seq = f->kind.seq + at;
	if (at + n < f->kind.payload)
		out->kind.tcp_flags &= 0xFF - 1 - 8; /* FIN, PSH */
	if (i)
		out->kind.tcp_flags &= 0x7F; /* CWR */
	out->l3 = f->l3;
	out->l4 = f->l4;
	out->data = f->data;
	out->len = f->data + n;
	memcpy(out->bytes, f->bytes, f->data);
	memcpy(out->bytes + f->data, f->bytes + f->data + at, n);
	put_headers(out);
	l4_checksum(out);
	return true;
}

/* ---- Judging ------------------------------------------------------------------------------- */

static const char *wrong_l4(const uint8_t *l4, uint32_t len, uint32_t proto, uint32_t sum)
{
	if (proto != 6 && proto != 17)
		return "neither TCP nor UDP";
	if (len < (proto == 6 ? 20 : 8))
		return "no room for the L4 header";
	if (proto == 17 && r16(l4 + 6) == 0)
		return "UDP without a checksum";
	return add(sum, l4, len) == 0xFFFF ? NULL : "L4 checksum";
}

static const char *wrong_v4(const uint8_t *ip, uint32_t len)
{
	uint32_t hdr = (ip[0] % 16) * 4u;

	if (len < 20 || hdr < 20 || hdr > len || r16(ip + 2) != len)
		return "IPv4 length";
	if (add(0, ip, hdr) != 0xFFFF)
		return "IPv4 header checksum";
	return wrong_l4(ip + hdr, len - hdr, ip[9], pseudo(ip, false, ip[9], len - hdr));
}

static const char *wrong_v6(const uint8_t *ip, uint32_t len)
{
	uint32_t at = 40, proto = len < 40 ? 0 : ip[6];

	if (len < 40 || r16(ip + 4) != len - 40)
		return "IPv6 length";
	for (; proto == 60 && at + 8 <= len; at += 8)
		proto = ip[at];
	return wrong_l4(ip + at, len - at, proto, pseudo(ip, true, proto, len - at));
}

const char *naive_wrong(const uint8_t *bytes, uint32_t len)
{
	uint32_t at = 12;

	if (len < 14 + 20)
		return "too short";
	if (r16(bytes + at) == 0x8100)
		at += 4;
	if (r16(bytes + at) == 0x0800)
		return wrong_v4(bytes + at + 2, len - at - 2);
	if (r16(bytes + at) == 0x86DD)
		return wrong_v6(bytes + at + 2, len - at - 2);
	return "not IP";
}
