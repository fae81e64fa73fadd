/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/dmarmake.h"

#include <stdlib.h>
#include <string.h>

static void put(struct dmarmake *m, const void *p, size_t len)
{
	if (len > sizeof(m->bytes) - m->len)
		abort();
	memcpy(m->bytes + m->len, p, len);
	m->len += len;
}

static void num(struct dmarmake *m, uint64_t v, size_t bytes)
{
	uint8_t b[8];

	for (size_t i = 0; i < bytes; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	put(m, b, bytes);
}

static void set16(struct dmarmake *m, size_t at, size_t v)
{
	m->bytes[at] = (uint8_t)v;
	m->bytes[at + 1] = (uint8_t)(v >> 8);
}

static void begin(struct dmarmake *m, uint16_t type)
{
	m->open = m->len;
	num(m, type, 2);
	num(m, 0, 2);
}

static void end(struct dmarmake *m)
{
	set16(m, m->open + 2, m->len - m->open);
}

void dmar_begin(struct dmarmake *m, uint8_t address_bits, uint8_t flags)
{
	memset(m, 0, sizeof(*m));
	put(m, "DMAR\0\0\0\0\1\0NETHV TESTDMAR\0\0\0\1NETH\0\0\0\1", 36);
	num(m, address_bits - 1u, 1);
	num(m, flags, 1);
	num(m, 0, 8);
	num(m, 0, 2);
}

void dmar_drhd(struct dmarmake *m, uint8_t flags, uint16_t segment, uint64_t base)
{
	begin(m, 0);
	num(m, flags, 1);
	num(m, 0, 1);
	num(m, segment, 2);
	num(m, base, 8);
	end(m);
}

void dmar_rmrr(struct dmarmake *m, uint16_t segment, uint64_t base, uint64_t last)
{
	begin(m, 1);
	num(m, 0, 2);
	num(m, segment, 2);
	num(m, base, 8);
	num(m, last, 8);
	end(m);
}

static void flags_and_segment(struct dmarmake *m, uint16_t type, uint8_t flags, uint16_t segment)
{
	begin(m, type);
	num(m, flags, 1);
	num(m, 0, 1);
	num(m, segment, 2);
	end(m);
}

void dmar_atsr(struct dmarmake *m, uint8_t flags, uint16_t segment)
{
	flags_and_segment(m, 2, flags, segment);
}

void dmar_rhsa(struct dmarmake *m, uint64_t base, uint32_t domain)
{
	begin(m, 3);
	num(m, 0, 4);
	num(m, base, 8);
	num(m, domain, 4);
	end(m);
}

void dmar_andd(struct dmarmake *m, uint8_t number, const char *name)
{
	begin(m, 4);
	num(m, 0, 3);
	num(m, number, 1);
	put(m, name, strlen(name) + 1);
	end(m);
}

void dmar_satc(struct dmarmake *m, uint8_t flags, uint16_t segment)
{
	flags_and_segment(m, 5, flags, segment);
}

void dmar_raw(struct dmarmake *m, uint16_t type, const void *body, size_t len)
{
	begin(m, type);
	put(m, body, len);
	end(m);
}

void dmar_scope(struct dmarmake *m, uint8_t type, uint8_t id, uint8_t bus, const uint8_t *path,
		size_t nr_hops)
{
	num(m, type, 1);
	num(m, 6 + 2 * nr_hops, 1);
	num(m, 0, 2);
	num(m, id, 1);
	num(m, bus, 1);
	put(m, path, 2 * nr_hops);
	end(m);
}

void dmar_end(struct dmarmake *m)
{
	uint8_t sum = 0;

	set16(m, 4, m->len);
	m->bytes[9] = 0;
	for (size_t i = 0; i < m->len; i++)
		sum = (uint8_t)(sum + m->bytes[i]);
	m->bytes[9] = (uint8_t)(0x100 - sum);
}
