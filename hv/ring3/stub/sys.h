/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls of the ring3 stub: it has no libc. Results as the kernel gives them (-errno). */
#pragma once

#include <asm/unistd.h>
#include <stdint.h>

static inline long sys6(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
			uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return rc;
}

static inline long sys3(long nr, uint64_t a, uint64_t b, uint64_t c)
{
	return sys6(nr, a, b, c, 0, 0, 0);
}

static inline long sys4(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return sys6(nr, a, b, c, d, 0, 0);
}
