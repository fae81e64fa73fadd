/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/naive_tunnel.h"

#include <string.h>

static unsigned int be16(const uint8_t *p)
{
	return (unsigned int)p[0] * 256 + p[1];
}

static void set16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v / 256);
	p[1] = (uint8_t)v;
}

static uint32_t add_up(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0, i;

	for (i = 0; i < len; i++)
		sum += i % 2 ? p[i] : p[i] * 256u;
	return sum;
}

static unsigned int fold(uint32_t sum)
{
	while (sum > 0xFFFF)
		sum = sum / 65536 + sum % 65536;
	return sum;
}

static bool is_v6(const uint8_t *b)
{
	return be16(b + 12) == 0x86DD;
}

static uint32_t udp_at(const uint8_t *b)
{
	return is_v6(b) ? 54 : 14 + (b[14] & 15) * 4u;
}

/* With what is in the checksum's field. */
static unsigned int udp_sum(const uint8_t *b)
{
	uint32_t udp = udp_at(b), len = be16(b + udp + 4);
	const uint8_t *addrs = is_v6(b) ? b + 22 : b + 26;

	return fold(add_up(addrs, is_v6(b) ? 32 : 8) + 17 + len + add_up(b + udp, len));
}

void naive_tunnel_fix(uint8_t *b)
{
	uint32_t udp = udp_at(b);

	if (!is_v6(b)) {
		set16(b + 24, 0);
		set16(b + 24, 0xFFFF - fold(add_up(b + 14, udp - 14)));
	}
	if (be16(b + udp + 6) == 0)
		return;
	set16(b + udp + 6, 0);
	set16(b + udp + 6, 0xFFFF - udp_sum(b));
	if (be16(b + udp + 6) == 0)
		set16(b + udp + 6, 0xFFFF);
}

uint32_t naive_tunnel_make(const struct naive_tunnel *t, uint8_t out[NAIVE_TUNNEL_MAX])
{
	uint32_t udp = t->is_v6 ? 54 : 34 + t->ip4_options, tun = udp + 8;
	uint32_t in = tun + 8 + t->opt_words * 4u, len = in + t->inner_len;

	memset(out, 0, in);
	memcpy(out, t->eth_dst, 6);
	memcpy(out + 6, t->eth_src, 6);
	set16(out + 12, t->is_v6 ? 0x86DD : 0x0800);
	if (t->is_v6) {
		out[14] = 0x60;
		set16(out + 18, len - udp);
		out[20] = 17;
		out[21] = t->ttl;
		memcpy(out + 22, t->src, 16);
		memcpy(out + 38, t->dst, 16);
	} else {
		out[14] = (uint8_t)(0x45 + t->ip4_options / 4);
		set16(out + 16, len - 14);
		set16(out + 20, t->has_df ? 0x4000 : 0);
		out[22] = t->ttl;
		out[23] = 17;
		memcpy(out + 26, t->src, 4);
		memcpy(out + 30, t->dst, 4);
		memset(out + 34, 1, t->ip4_options); /* no operation */
	}
	set16(out + udp, t->sport);
	set16(out + udp + 2, t->dport);
	set16(out + udp + 4, len - udp);
	out[tun] = t->is_geneve ? t->opt_words : 8;
	if (t->is_geneve)
		set16(out + tun + 2, 0x6558);
	out[tun + 4] = (uint8_t)(t->vni >> 16);
	set16(out + tun + 5, t->vni & 0xFFFF);
	memcpy(out + in, t->inner, t->inner_len);
	set16(out + udp + 6, t->has_csum ? 1 : 0);
	naive_tunnel_fix(out);
	return len;
}

static const char *open_ip(const uint8_t *b, uint32_t len, struct naive_tunnel *t)
{
	t->is_v6 = is_v6(b);
	if (t->is_v6) {
		if (len < 54 + 8 || b[14] != 0x60 || be16(b + 18) != len - 54 || b[20] != 17)
			return "IPv6 header";
		t->ttl = b[21];
		memcpy(t->src, b + 22, 16);
		memcpy(t->dst, b + 38, 16);
		return NULL;
	}
	if (be16(b + 12) != 0x0800 || b[14] != 0x45 || b[15] || be16(b + 16) != len - 14 ||
	    b[23] != 17)
		return "IPv4 header";
	if (be16(b + 20) & 0x3FFF)
		return "is a fragment";
	if (fold(add_up(b + 14, 20)) != 0xFFFF)
		return "IPv4 checksum";
	t->has_df = be16(b + 20) == 0x4000;
	t->ttl = b[22];
	memcpy(t->src, b + 26, 4);
	memcpy(t->dst, b + 30, 4);
	return NULL;
}

const char *naive_tunnel_open(const uint8_t *b, uint32_t len, struct naive_tunnel *t)
{
	const char *wrong;
	uint32_t udp, tun;

	memset(t, 0, sizeof(*t));
	if (len < 14 + 20 + 8 + 8 + 14)
		return "too short";
	memcpy(t->eth_dst, b, 6);
	memcpy(t->eth_src, b + 6, 6);
	wrong = open_ip(b, len, t);
	if (wrong)
		return wrong;
	udp = udp_at(b);
	tun = udp + 8;
	t->sport = (uint16_t)be16(b + udp);
	t->dport = (uint16_t)be16(b + udp + 2);
	if (be16(b + udp + 4) != len - udp)
		return "UDP length";
	t->has_csum = be16(b + udp + 6) != 0;
	if (t->has_csum && udp_sum(b) != 0xFFFF)
		return "UDP checksum";
	t->is_geneve = t->dport == 6081;
	if (t->is_geneve ? b[tun] || b[tun + 1] || be16(b + tun + 2) != 0x6558
			 : b[tun] != 8 || b[tun + 1] || b[tun + 2] || b[tun + 3])
		return "tunnel header";
	if (b[tun + 7])
		return "reserved byte";
	t->vni = b[tun + 4] * 65536u + be16(b + tun + 5);
	t->inner = b + tun + 8;
	t->inner_len = len - tun - 8;
	return NULL;
}
