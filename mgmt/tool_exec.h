/* SPDX-License-Identifier: BSD-3-Clause */
/* Verbs that programs of their own carry out: `nethv ext new|test|check|info` (nethv-ext, which needs DPDK; `nethv` does
 * not) and `nethv bench ...` (nethv-bench). */
#pragma once

#include <stdbool.h>

/* Whether the command line, argv[0] being ours, begins with one of these. */
bool tool_exec_has(int argc, char **argv);

/* Runs it in place of this program, which it finds by the variable NETHV. A NULL ends @argv. Returns only when that
 * fails: said, the exit status. */
int tool_exec(int argc, char **argv);
