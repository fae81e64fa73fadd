/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/power.h"

#include <string.h>

bool power_restarts(const char *how, enum mgmt_on_crash on_crash, bool is_wanted)
{
	if (is_wanted)
		return true;
	if (how && !strcmp(how, "reset"))
		return true;
	if (!how || !strcmp(how, "crashed") || !strcmp(how, "failed"))
		return on_crash == MGMT_CRASH_RESTART;
	return false;
}

int64_t power_pause_ms(unsigned int *quick, int64_t lived_ms, bool is_wanted)
{
	int64_t pause = POWER_BACKOFF_MS;

	if (is_wanted || lived_ms >= POWER_STABLE_MS) {
		*quick = 0;
		return 0;
	}
	if (++*quick == 1)
		return 0;
	for (unsigned int i = 2; i < *quick && pause < POWER_PAUSE_MAX; i++)
		pause *= 2;
	return pause < POWER_PAUSE_MAX ? pause : POWER_PAUSE_MAX;
}
