/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies to memory whose lines another core has. Each store waits for its line, in order, and a core holds only so many
 * stores that wait: the wider they are, the more lines are on their way at a time. */
#pragma once

#include <stdint.h>

enum copy_width { COPY_16, COPY_32, COPY_64 }; /* bytes of a store */

/* any.  Copies @n bytes, which do not overlap: exactly these are written. */
extern void (*copy_lines)(uint8_t *dst, const uint8_t *src, uint32_t n);

/* Before any lcore runs.  Copies by the widest stores that this processor does well, at most @most; until then by those that all
 * have. Returns what it came to. */
enum copy_width copy_use(enum copy_width most);
