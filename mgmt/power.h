/* SPDX-License-Identifier: BSD-3-Clause */
/* When a partition that has ended is started again, and after which pause. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "mgmt/config.h"

#define POWER_STABLE_MS	 10000 /* a partition that lived so long is no quick repetition */
#define POWER_BACKOFF_MS 250   /* before the third start in a row; doubled for each one more ... */
#define POWER_PAUSE_MAX	 30000 /* ... up to this */

/* any.  @how: the worker's word for the end ("off", "reset", "exited", "crashed", "failed",
 * "stopped"), or NULL: the worker died. @is_wanted: an operator asked for the restart. */
bool power_restarts(const char *how, enum mgmt_on_crash on_crash, bool is_wanted);

/* any.  The pause before the next start. *@quick counts ends in a row that came soon after their
 * start. */
int64_t power_pause_ms(unsigned int *quick, int64_t lived_ms, bool is_wanted);
