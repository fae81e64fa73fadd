/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes DMAR tables, byte by byte. What it is told it writes, sense or not. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct dmarmake {
	uint8_t bytes[4096];
	size_t len;
	size_t open; /* where the structure that scopes are added to begins */
};

void dmar_begin(struct dmarmake *m, uint8_t address_bits, uint8_t flags);
void dmar_drhd(struct dmarmake *m, uint8_t flags, uint16_t segment, uint64_t base);
void dmar_rmrr(struct dmarmake *m, uint16_t segment, uint64_t base, uint64_t last);
void dmar_atsr(struct dmarmake *m, uint8_t flags, uint16_t segment);
void dmar_rhsa(struct dmarmake *m, uint64_t base, uint32_t domain);
void dmar_andd(struct dmarmake *m, uint8_t number, const char *name);
void dmar_satc(struct dmarmake *m, uint8_t flags, uint16_t segment);
void dmar_raw(struct dmarmake *m, uint16_t type, const void *body, size_t len);

/* A device below the open structure. @path: nr_hops pairs of device and function. */
void dmar_scope(struct dmarmake *m, uint8_t type, uint8_t id, uint8_t bus, const uint8_t *path,
		size_t nr_hops);

/* Writes length and checksum. May be called again after bytes were changed by hand. */
void dmar_end(struct dmarmake *m);
