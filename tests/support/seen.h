/* SPDX-License-Identifier: BSD-3-Clause */
/* Hooks of a tests/support/extbed.h that note who was called, in which order, with how many packets. */
#pragma once

#include "tests/ext/hook.h"

struct seen {
	struct hooks k;
	const char *name;
	unsigned int in, out; /* packets */
	uint16_t drop;	      /* ingress: verdict for all, 0: pass */
	int rc[16];
};

#define SEEN(var, called) \
	static struct seen var = {.k = {.ingress = see_in, .egress = see_out}, .name = called}

void see_in(struct hooks *k, struct nethv_burst *b);
void see_out(struct hooks *k, struct nethv_burst *b);

/* "NAME< " for each see_in(), "NAME> " for each see_out(). */
extern char seen_order[256];
