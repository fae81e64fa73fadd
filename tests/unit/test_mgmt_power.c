/* SPDX-License-Identifier: BSD-3-Clause */
/* When a partition is started again, and how long it waits when it ends in a loop. */
#include "mgmt/power.h"

#include <criterion/criterion.h>

Test(mgmt_power, starts_again_after_the_right_ends)
{
	static const struct {
		const char *how;
		bool by_default, if_told;
	} row[] = {
		{"off", false, false}, {"exited", false, false}, {"stopped", false, false},
		{"reset", true, true}, {"crashed", false, true}, {"failed", false, true},
		{NULL, false, true}, /* the worker died */
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		cr_expect_eq(power_restarts(row[i].how, MGMT_CRASH_STOP, false), row[i].by_default,
			     "row %zu", i);
		cr_expect_eq(power_restarts(row[i].how, MGMT_CRASH_RESTART, false), row[i].if_told,
			     "row %zu", i);
		cr_expect(power_restarts(row[i].how, MGMT_CRASH_STOP, true), "row %zu", i);
	}
}

Test(mgmt_power, waits_longer_each_time_but_never_for_ever)
{
	static const int64_t want[] = {0, 250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
	unsigned int quick = 0;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		cr_expect_eq(power_pause_ms(&quick, 100, false), want[i], "end %zu", i);
	for (int i = 0; i < 100; i++)
		cr_expect_eq(power_pause_ms(&quick, 100, false), POWER_PAUSE_MAX);
}

Test(mgmt_power, forgets_quick_ends_after_a_long_life_or_when_somebody_wants_it)
{
	unsigned int quick = 5;

	cr_expect_eq(power_pause_ms(&quick, POWER_STABLE_MS, false), 0);
	cr_expect_eq(quick, 0);
	quick = 5;
	cr_expect_eq(power_pause_ms(&quick, 1, true), 0);
	cr_expect_eq(power_pause_ms(&quick, 1, false), 0);
	cr_expect_eq(power_pause_ms(&quick, 1, false), POWER_BACKOFF_MS);
}
