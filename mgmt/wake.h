/* SPDX-License-Identifier: BSD-3-Clause */
/* How long the CPUs of poll lcores may take to wake up (key switch.wake_latency_us): the kernel's PM QoS
 * resume latency of a CPU, which lasts until somebody writes another one. So what was there before is kept in
 * /run/nethv, in a file a CPU that each instance which limits the CPU holds locked. The kernel unlocks it
 * when a process dies, however it dies: a file that nobody locks is what a killed instance left, and
 * its CPU is put right by the next start. The last instance that lets go of a CPU puts it right, too. */
#pragma once

#include <stdint.h>

#include "vswitch/vswitch.h"

#define WAKE_CPUS_MAX VSW_LCORES_MAX

struct wake {
	const char *root; /* put before /run and /sys; "" but in tests */
	struct wake_cpu {
		uint32_t cpu;
		int fd; /* of its file, locked */
	} held[WAKE_CPUS_MAX];
	unsigned int nr;
};

/* All below: ctl. What does not work is told in the log; nothing of it stops an instance. */

/* Puts right what killed instances have left. */
void wake_sweep(const char *root);
/* Limits these CPUs, and no others any more, to @us. A stricter limit that is there already stays. */
void wake_limit(struct wake *w, const uint32_t *cpus, unsigned int n, uint32_t us);
/* Lets go of all. What somebody else has written meanwhile stays. */
void wake_end(struct wake *w);
