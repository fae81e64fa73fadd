/* SPDX-License-Identifier: BSD-3-Clause */
/* Brings up the EAL in a test's own process: no huge pages, no PCI, no files left behind. Any number
 * of lcores works on any number of CPUs. */
#pragma once

/* For TestSuite(.init = eal_up): main lcore 0 and worker lcores 1 to 3, all on all CPUs. */
void eal_up(void);
