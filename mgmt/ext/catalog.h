/* SPDX-License-Identifier: BSD-3-Clause */
/* Every kind of frame that an extension may meet: for `nethv ext check`. */
#pragma once

#include <stdint.h>

#include "mgmt/ext/bed.h"
#include "mgmt/ext/frames.h"

struct catalog {
	struct frames bytes;
	struct bed_in *in; /* [bytes.n] */
	uint32_t nr_plain; /* in[0 .. nr_plain) ask for no offload */
};

/* Good and bad frames of fixed content, the same cut at every byte, frames with offloads, and @nr_random
 * frames from @seed. 0 or -ENOMEM (text set). */
int catalog_make(struct catalog *c, uint32_t nr_random, uint64_t seed);
void catalog_fini(struct catalog *c);
