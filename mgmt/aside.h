/* SPDX-License-Identifier: BSD-3-Clause */
/* Control threads stay off the CPUs of poll lcores, as long as they have others: each time one runs there, an lcore waits
 * for it, some hundred microseconds with it for all that is under way. */
#pragma once

#include <sched.h>
#include <stdint.h>

/* any.  @may without @cpus; all of @may when nothing is left. */
cpu_set_t aside_of(const cpu_set_t *may, const uint32_t *cpus, unsigned int n);

/* any.  The calling thread may run on @may, but not on @cpus. It stays where it is if the kernel refuses. */
void aside_go(const cpu_set_t *may, const uint32_t *cpus, unsigned int n);
