/* SPDX-License-Identifier: BSD-3-Clause */
/* Cache lines that lie in another core's cache. */
#pragma once

#include <stdint.h>

#define LINE_SIZE 64u

/* any.  Asks for the line of @p so that it may be written: it moves once, where a read and a later write ask twice. A
 * hint: nothing happens where @p is not mapped. By hand, for compilers take it for granted only beyond x86-64-v2; older
 * processors do nothing. */
static inline void line_own(const void *p)
{
	asm volatile("prefetchw %0" : : "m"(*(const char *)p));
}

/* any.  All lines that begin within the @n bytes from that of @p. */
static inline void lines_own(const uint8_t *p, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i += LINE_SIZE)
		line_own(p + i);
}
