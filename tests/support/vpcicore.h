/* SPDX-License-Identifier: BSD-3-Clause */
/* A vPCI device without channel and thread: messages go in by a call, what leaves is kept. No Criterion. */
#pragma once

#include <stdbool.h>
#include <stdlib.h>

#include "sriov/vpci_priv.h"
#include "tests/support/fakevf.h"

#define CORE_WIN 0xF8000000ull

struct pcicore {
	struct fakevf vf;
	struct vpci v;
	unsigned int nr_sent, nr_told;
	uint8_t last[64]; /* sent */
	uint32_t last_len;
	enum vmbus_pkttype last_type;
	bool is_full; /* nothing can be sent */
};

/* For fuzz targets, which have nobody to tell. */
static inline void pcicore_need(bool is_so)
{
	if (!is_so)
		abort();
}

/* Before: fakevf_init(&c->vf), and what the test makes of it. As vpci_core_init(). */
int pcicore_init(struct pcicore *c, const struct vpci_cfg *cfg);
void pcicore_fini(struct pcicore *c);
/* Opens, agrees on 1.4 and enters D0. The status. */
uint32_t pcicore_start(struct pcicore *c);

/* What the guest reads and writes of config space, through the window. */
uint32_t pcicore_rd(struct pcicore *c, uint32_t off, unsigned int size);
void pcicore_wr(struct pcicore *c, uint32_t off, unsigned int size, uint32_t value);
