/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums and addresses. */
#include "guest/apps/pkt.h"

uint64_t pkt_sum(uint64_t sum, const void *p, uint32_t len)
{
	const uint8_t *b = p;
	uint32_t v;

	for (; len >= 4; len -= 4, b += 4) {
		__builtin_memcpy(&v, b, 4);
		sum += v;
	}
	for (v = 0; len; len--)
		v |= (uint32_t)b[len - 1] << 8 * (len - 1);
	return sum + v;
}

uint16_t pkt_csum(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint64_t pkt_pseudo_sum(const uint8_t *ip, uint8_t proto, uint16_t udp_len)
{
	uint8_t tail[4] = {0, proto, (uint8_t)(udp_len >> 8), (uint8_t)udp_len};

	return pkt_sum(pkt_sum(0, ip + 12, 8), tail, 4);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool pkt_parse_mac(const char *s, uint8_t mac[6])
{
	unsigned int i;
	int hi, lo;

	for (i = 0; i < 6; i++, s += 3) {
		hi = hex_digit(s[0]);
		lo = hi < 0 ? -1 : hex_digit(s[1]);
		if (lo < 0 || s[2] != (i < 5 ? ':' : '\0'))
			return false;
		mac[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/* A decimal number up to @max; *@s moves behind it. */
static bool number(const char **s, uint32_t max, uint32_t *out)
{
	const char *p = *s;

	*out = 0;
	while (*p >= '0' && *p <= '9') {
		*out = *out * 10 + (uint32_t)(*p++ - '0');
		if (*out > max)
			return false;
	}
	if (p == *s)
		return false;
	*s = p;
	return true;
}

bool pkt_parse_ip(const char *s, uint32_t *ip, uint32_t *prefix)
{
	uint32_t part, i;

	*ip = 0;
	*prefix = 32;
	for (i = 0; i < 4; i++) {
		if ((i && *s++ != '.') || !number(&s, 255, &part))
			return false;
		*ip = *ip << 8 | part;
	}
	if (*s == '/') {
		s++;
		if (!number(&s, 32, prefix))
			return false;
	}
	return *s == '\0';
}
