/* SPDX-License-Identifier: BSD-3-Clause */
/* EAL for tests. */
#include "tests/support/eal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>

void eal_up(void)
{
	char cpus[32], lcores[160];
	/* A benchmark may want what the switch has; tests ask the machine for nothing. */
	char *memory = getenv("EAL_HUGE") ? "--in-memory" : "--no-huge";
	char *argv[] = {"test", memory,	       "--no-pci",   "--no-shconf", "--no-telemetry", "-m",
			"128",	"--log-level", "*:critical", "--lcores",    lcores,	      NULL};
	int argc = sizeof(argv) / sizeof(argv[0]) - 1;

	snprintf(cpus, sizeof(cpus), "(0-%ld)", sysconf(_SC_NPROCESSORS_ONLN) - 1);
	snprintf(lcores, sizeof(lcores), "0@%s,1@%s,2@%s,3@%s", cpus, cpus, cpus, cpus);
	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "EAL does not start\n");
		exit(1);
	}
}
