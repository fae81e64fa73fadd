/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv ext new|test|check|info`: run by the program nethv-ext. */
#pragma once

#include <stdbool.h>

/* Whether the verb behind `nethv ext` is one of those. */
bool ext_exec_has(const char *verb);

/* Runs nethv-ext in place of this program; @argv[0] stands for its name, argv[1] is the verb, and a NULL
 * ends it. Returns only when that fails: said, the exit status. */
int ext_exec(int argc, char **argv);
