/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses, numbers and ranges in text, prefix matching, and JSON piece by piece: for ctl, but where
 * it says lcore. Extensions may import few functions, these need no others. Copy it beside yours. */
#pragma once

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* For status(): appends to json[size] at the int `at`, which counts on when there is no room left, as
 * snprintf() does, so that the caller learns how much it takes. */
#define TEXT_PUT(at, json, size, ...)                                   \
	((at) += snprintf((size_t)(at) < (size) ? (json) + (at) : NULL, \
			  (size_t)(at) < (size) ? (size) - (size_t)(at) : 0, __VA_ARGS__))

/* No padding, so that two of them may be compared by memcmp(). */
struct prefix {
	uint8_t addr[16]; /* IPv4: the first four bytes */
	uint8_t len;	  /* bits */
	uint8_t version;  /* 4, 6; 0: any packet */
};

static inline int text_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Reads up to @digits digits at *@s and moves it behind them. False: none there, more than @max, or
 * a decimal number with a zero before it, which others take for an octal one. */
static inline bool text_number(const char **s, int base, int digits, uint32_t max, uint32_t *out)
{
	const char *p = *s;
	uint64_t v = 0;

	for (; p - *s < digits && text_digit(*p) < base; p++)
		v = v * (uint64_t)base + (uint64_t)text_digit(*p);
	if (p == *s || v > max || (base == 10 && **s == '0' && p - *s > 1))
		return false;
	*out = (uint32_t)v;
	*s = p;
	return true;
}

/* "10.0.0.0/8", "2001:db8::/32", an address, or "" for any. Bits behind the length are cleared. */
static inline bool text_prefix(const char *s, struct prefix *out)
{
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	char addr[INET6_ADDRSTRLEN];
	uint32_t len;

	memset(out, 0, sizeof(*out));
	if (!*s)
		return true;
	if (n >= sizeof(addr))
		return false;
	memcpy(addr, s, n);
	addr[n] = 0;
	if (inet_pton(AF_INET, addr, out->addr) == 1)
		out->version = 4;
	else if (inet_pton(AF_INET6, addr, out->addr) == 1)
		out->version = 6;
	else
		return false;
	len = out->version == 4 ? 32 : 128;
	if (slash && (s = slash + 1, !text_number(&s, 10, 3, len, &len) || *s))
		return false;
	out->len = (uint8_t)len;
	if (len % 8)
		out->addr[len / 8] &= (uint8_t)(0xFF00 >> len % 8);
	for (uint32_t i = (len + 7) / 8; i < 16; i++)
		out->addr[i] = 0;
	return true;
}

/* "02:00:00:00:00:01" */
static inline bool text_mac(const char *s, uint8_t mac[6])
{
	uint32_t v;

	for (int i = 0; i < 6; i++) {
		if (i && *s++ != ':')
			return false;
		if (!text_number(&s, 16, 2, 0xFF, &v))
			return false;
		mac[i] = (uint8_t)v;
	}
	return *s == 0;
}

/* "80", "1024-65535", or "" for 0-65535. */
static inline bool text_range(const char *s, uint16_t *lo, uint16_t *hi)
{
	uint32_t a = 0, b = 65535;

	if (*s) {
		if (!text_number(&s, 10, 5, 65535, &a))
			return false;
		b = a;
		if (*s == '-' && (s++, !text_number(&s, 10, 5, 65535, &b)))
			return false;
	}
	*lo = (uint16_t)a;
	*hi = (uint16_t)b;
	return *s == 0 && a <= b;
}

/* lcore, too.  Whether @addr, an address of IP @version, lies in the prefix. */
static inline bool prefix_has(const struct prefix *p, uint8_t version, const uint8_t *addr)
{
	uint32_t bytes = p->len / 8u, bits = p->len % 8u;

	if (p->version == 0)
		return true;
	if (p->version != version || memcmp(p->addr, addr, bytes) != 0)
		return false;
	return !bits || !((p->addr[bytes] ^ addr[bytes]) >> (8 - bits));
}
