/* SPDX-License-Identifier: BSD-3-Clause */
/* Reference time of a partition: 100 ns units from a TSC scale measured once per process, or from
 * CLOCK_MONOTONIC_RAW where the kernel itself does not trust the TSC. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <nethv/abi/hv.h>

struct hv_clock {
	bool is_tsc;
	uint64_t tsc_hz;
	uint64_t scale; /* (10^7 << 64) / tsc_hz */
	int64_t offset; /* ticks, when is_tsc */
	uint64_t base_ns;
};

enum hv_clock_source { HV_CLOCK_BEST, HV_CLOCK_NO_TSC };

/* ctl.  Time 0 is now. The first call in a process takes 20 ms to measure the TSC. */
void hv_clock_init(struct hv_clock *c, enum hv_clock_source src);
uint64_t hv_clock_now(const struct hv_clock *c); /* any */
/* any.  The page's content: sequence 0 when the guest must ask by MSR. */
void hv_clock_tsc_page(const struct hv_clock *c, struct hv_reference_tsc *out);
