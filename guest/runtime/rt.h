/* SPDX-License-Identifier: BSD-3-Clause */
/* The small runtime under our guest image: VPs, time, memory, console, arguments, report.
 * Freestanding; GVA = GPA everywhere. What concerns the hypervisor is in rt_hv.h.
 *
 * An image = librt + one `int app_main(void)`, which runs on VP 0 with SynIC set up on every VP and
 * interrupts on. Its return value is the exit status. Other VPs sleep until rt_run_on().
 * Code that runs in an interrupt must be built with guest_isr_c_args (no SSE registers). */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_PAGE	   4096ul
#define RT_VPS_MAX 64u
#define RT_NEVER   UINT64_MAX /* a deadline */

/* From the image. */
int app_main(void);

/* --- VPs ------------------------------------------------------------------------------------ */
unsigned int rt_vp_id(void); /* 0.. */
unsigned int rt_nr_vps(void);

/* Runs @fn(@arg) on another VP, which must be idle. 0, or -1 when there is no such VP, it is the
 * caller's own, or it is busy. */
int rt_run_on(unsigned int vp, void (*fn)(void *), void *arg);
bool rt_vp_busy(unsigned int vp); /* its function has not returned yet */

/* Ends the sleep of another VP (or the next one it begins). One hypercall. */
void rt_wake(unsigned int vp);

/* All @n participants wait for each other, spinning. Zero-initialised; usable again and again. */
struct rt_barrier {
	uint32_t arrived;
	uint32_t generation;
};
void rt_barrier_wait(struct rt_barrier *b, unsigned int n);

static inline void rt_pause(void)
{
	__builtin_ia32_pause();
}

/* --- time ----------------------------------------------------------------------------------- */
static inline uint64_t rt_tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}
uint64_t rt_tsc_hz(void);
uint64_t rt_ref_time(void); /* 100 ns units since the partition began; the same on all VPs */

/* Sleep without losing a wake-up:
 *	for (;;) {
 *		rt_wake_clear();
 *		if (!poll_everything())
 *			rt_idle(deadline);
 *	}
 * Every interrupt sets this VP's wake word; rt_idle() sleeps only while it is clear, and returns at
 * @deadline (rt_ref_time() units; RT_NEVER) at the latest. Spurious returns are possible. */
void rt_wake_clear(void);
void rt_idle(uint64_t deadline);

/* --- memory --------------------------------------------------------------------------------- */
/* Zeroed, contiguous, page-aligned; from 2 MiB upwards aligned to 2 MiB. Never given back. NULL
 * when there is none left. */
void *rt_alloc_pages(size_t nr_pages);
void *rt_alloc(size_t bytes, size_t align); /* zeroed; @align: a power of two <= 4096 */
size_t rt_free_pages(void);		    /* that are left */

static inline uint64_t rt_gpa(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

/* --- console and end ------------------------------------------------------------------------ */
/* %d %i %u %x %p %s %c %% with l, ll, z, width, 0 and - flags, %.*s; one line at a time appears.
 * Slow (an exit a byte): never per packet. */
void rt_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int rt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int rt_snprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void rt_exit(uint32_t status) __attribute__((noreturn)); /* the whole partition */
/* Reports NETHV_STATE_FAILED with this text, and ends the partition with status 1. */
void rt_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* --- command line: "key=value key2 key3=..." separated by blanks ----------------------------- */
/* Copies the value ("" for a bare key) into @buf, cut to @size. Its length, or -1: no such key. */
int rt_arg(const char *key, char *buf, size_t size);
/* Decimal or 0x hex with an optional K, M or G (1024s). @dflt without the key; panics on rubbish. */
uint64_t rt_arg_u64(const char *key, uint64_t dflt);
bool rt_arg_is(const char *key, const char *value); /* key is there and has this value */

/* --- report page (the host reads it at any time, no exit) ------------------------------------- */
/* The cell behind @name (at most 23 characters of [a-z0-9_.-]); made at first use, 0. When the page
 * is full, a cell that nobody reads. Write plain 64-bit stores. */
uint64_t *rt_report_u64(const char *name);
void rt_report_state(unsigned int nethv_report_state);
void rt_report_message(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool rt_stop_requested(void); /* the host wants us to end */
/* The host's newest order, a line of words, into @line (NETHV_ORDER_MAX + 1 bytes). Its number; 0: none, or it is
 * being written. Look as often as you like; one that was overwritten before is lost. */
uint32_t rt_order(char *line);
uint64_t rt_random(void); /* seeded by the host at boot; not for secrets */
