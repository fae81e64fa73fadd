/* SPDX-License-Identifier: BSD-3-Clause */
/* One vPCI function as the guest's accesses see it: config space, BARs, MSI-X; for unit tests. */
#pragma once

#include "tests/support/vpcicore.h"

#define BAR0_GPA 0x1000000000ull
#define BAR2_GPA 0xF8100000ull
#define BAR3_GPA 0xF8200000ull
#define BAR4_GPA 0x1000100000ull

extern struct pcicore space;

/* Of suites. */
void space_setup(void);
void space_teardown(void);

/* Config space. */
uint32_t space_rd(uint32_t off, unsigned int size);
void space_wr(uint32_t off, unsigned int size, uint32_t value);
/* A read of guest memory, which may be a BAR's. */
uint64_t space_mem(uint64_t gpa, unsigned int size);
/* The BARs get their addresses; memory decoding is still off. */
void space_place(void);
