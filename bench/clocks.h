/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of bench/clocks share. */
#pragma once

/* The calling thread, on this CPU and no other. Ends the program where there is none. */
void clocks_run_on(int cpu);

double clocks_now_ns(void);

/* `clocks CPU CPU stalls`; what main() returns. */
int clocks_stalls(int sw, int guest);
