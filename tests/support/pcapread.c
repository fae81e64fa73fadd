/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/pcapread.h"

#include <string.h>

/* What is left of a block, or of a file. */
struct span {
	const uint8_t *p;
	size_t n;
};

static bool take(struct span *s, void *dst, size_t n)
{
	size_t padded = (n + 3) & ~(size_t)3;

	if (padded > s->n)
		return false;
	if (dst)
		memcpy(dst, s->p, n);
	s->p += padded;
	s->n -= padded;
	return true;
}

static bool fail(struct pcapread *r, const char *why)
{
	r->fault = why;
	return false;
}

static uint64_t time_of(const uint32_t half[2])
{
	return (uint64_t)half[0] << 32 | half[1];
}

/* Calls @fn for each option up to the end of options, which must be the last thing in the block. */
static bool options(struct pcapread *r, struct span *s,
		    bool (*fn)(struct pcapread *r, uint16_t code, const uint8_t *v, uint16_t n))
{
	uint16_t head[2];

	for (;;) {
		struct span v;

		if (!take(s, head, 4))
			return fail(r, "option cut");
		if (head[0] == 0)
			return head[1] == 0 && s->n == 0 ? true : fail(r, "bad end of options");
		v = *s;
		if (!take(s, NULL, head[1]) || !fn(r, head[0], v.p, head[1]))
			return fail(r, r->fault ? r->fault : "bad option");
	}
}

static bool text(char *dst, size_t size, const uint8_t *v, uint16_t n)
{
	if (n >= size)
		return false;
	memcpy(dst, v, n);
	dst[n] = 0;
	return true;
}

static bool shb_option(struct pcapread *r, uint16_t code, const uint8_t *v, uint16_t n)
{
	return code == 4 || code == 1;
}

static bool shb(struct pcapread *r, struct span s)
{
	uint32_t magic;
	uint16_t version[2];

	if (!take(&s, &magic, 4) || !take(&s, version, 4) || !take(&s, NULL, 8))
		return fail(r, "SHB cut");
	if (magic != 0x1A2B3C4D || version[0] != 1 || version[1] != 0)
		return fail(r, "not a section of this byte order");
	return options(r, &s, shb_option);
}

static bool idb_option(struct pcapread *r, uint16_t code, const uint8_t *v, uint16_t n)
{
	struct pcapread_iface *i = &r->iface[r->nr_ifaces];

	if (code == 2)
		return text(i->name, sizeof(i->name), v, n);
	return code == 9 && n == 1 && v[0] == 9;
}

static bool idb(struct pcapread *r, struct span s)
{
	uint16_t link[2];

	if (r->nr_ifaces == sizeof(r->iface) / sizeof(r->iface[0]))
		return fail(r, "too many interfaces");
	if (!take(&s, link, 4) || !take(&s, &r->iface[r->nr_ifaces].snaplen, 4))
		return fail(r, "IDB cut");
	if (link[0] != 1)
		return fail(r, "not Ethernet");
	r->iface[r->nr_ifaces].name[0] = 0;
	r->iface[r->nr_ifaces].has_stats = false;
	if (!options(r, &s, idb_option))
		return false;
	r->nr_ifaces++;
	return true;
}

static bool epb_option(struct pcapread *r, uint16_t code, const uint8_t *v, uint16_t n)
{
	struct pcapread_packet *p = &r->packet[r->nr_packets];

	if (code == 1)
		return text(p->comment, sizeof(p->comment), v, n);
	if (code != 2 || n != 4)
		return false;
	memcpy(&p->flags, v, 4);
	return true;
}

static bool epb(struct pcapread *r, struct span s)
{
	struct pcapread_packet *p = &r->packet[r->nr_packets];
	uint32_t when[2];

	if (r->nr_packets == PCAPREAD_MAX)
		return fail(r, "too many packets");
	if (!take(&s, &p->iface, 4) || !take(&s, when, 8) || !take(&s, &p->cap, 4) ||
	    !take(&s, &p->len, 4))
		return fail(r, "EPB cut");
	p->ns = time_of(when);
	p->flags = 0;
	p->comment[0] = 0;
	p->bytes = s.p;
	if (p->iface >= r->nr_ifaces || p->cap > p->len || p->cap > r->iface[p->iface].snaplen ||
	    !take(&s, NULL, p->cap))
		return fail(r, "EPB says what is not so");
	if (!options(r, &s, epb_option))
		return false;
	r->nr_packets++;
	return true;
}

static uint32_t stats_of;

static bool isb_option(struct pcapread *r, uint16_t code, const uint8_t *v, uint16_t n)
{
	struct pcapread_iface *i = &r->iface[stats_of];

	if (n != 8)
		return false;
	if (code == 4)
		memcpy(&i->received, v, 8);
	if (code == 5)
		memcpy(&i->dropped, v, 8);
	return code >= 2 && code <= 5;
}

static bool isb(struct pcapread *r, struct span s)
{
	if (!take(&s, &stats_of, 4) || !take(&s, NULL, 8) || stats_of >= r->nr_ifaces)
		return fail(r, "ISB of no interface");
	r->iface[stats_of].has_stats = true;
	return options(r, &s, isb_option);
}

static bool block(struct pcapread *r, uint32_t type, struct span body)
{
	switch (type) {
	case 0x0A0D0D0A: return shb(r, body);
	case 1: return idb(r, body);
	case 5: return isb(r, body);
	case 6: return epb(r, body);
	default: return fail(r, "unknown block");
	}
}

bool pcapread(struct pcapread *r, const uint8_t *bytes, size_t n)
{
	struct span s = {bytes, n};

	r->nr_packets = r->nr_ifaces = 0;
	r->fault = NULL;
	while (s.n) {
		struct span body = {s.p + 8, 0};
		uint32_t head[2], tail;

		if (s.n < 12)
			return fail(r, "block cut");
		memcpy(head, s.p, 8);
		if (head[1] < 12 || head[1] > s.n || head[1] & 3)
			return fail(r, "bad length of a block");
		memcpy(&tail, s.p + head[1] - 4, 4);
		if (tail != head[1])
			return fail(r, "lengths of a block differ");
		if (s.p == bytes && head[0] != 0x0A0D0D0A)
			return fail(r, "does not begin with a section");
		body.n = head[1] - 12;
		if (!block(r, head[0], body))
			return false;
		s.p += head[1];
		s.n -= head[1];
	}
	return true;
}
