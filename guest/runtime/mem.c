/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory: a bump allocator over the usable RAM (nothing is given back), and the mem* and str*
 * functions that compilers and drivers expect. RAM comes zeroed from the host. */
#include <emmintrin.h>

#include "guest/runtime/priv.h"
#include "guest/runtime/rt.h"

#define LARGE_PAGE (2ul << 20)

static struct {
	struct rt_lock lock;
	uint64_t next, end;
	uint64_t small_next, small_end; /* page that rt_alloc() cuts from */
} heap;

void rt_memory_init(const struct nethv_boot *boot)
{
	uint32_t i;

	for (i = 0; i < boot->nr_mem && i < NETHV_MEM_MAX; i++) {
		if (boot->mem[i].type != NETHV_MEM_USABLE ||
		    boot->mem[i].len < heap.end - heap.next)
			continue;
		heap.next = boot->mem[i].base;
		heap.end = boot->mem[i].base + boot->mem[i].len;
	}
}

static void *pages_take(size_t n)
{
	uint64_t align = n * RT_PAGE >= LARGE_PAGE ? LARGE_PAGE : RT_PAGE;
	uint64_t at = (heap.next + align - 1) & ~(align - 1);

	if (n == 0 || at > heap.end || n > (heap.end - at) / RT_PAGE)
		return NULL;
	heap.next = at + n * RT_PAGE;
	return (void *)(uintptr_t)at;
}

void *rt_alloc_pages(size_t nr_pages)
{
	void *p;

	rt_lock(&heap.lock);
	p = pages_take(nr_pages);
	rt_unlock(&heap.lock);
	return p;
}

static void *small_take(size_t bytes, size_t align)
{
	uint64_t at = (heap.small_next + align - 1) & ~(uint64_t)(align - 1);
	void *page;

	if (at > heap.small_end || bytes > heap.small_end - at) {
		page = pages_take(1);
		if (!page)
			return NULL;
		at = rt_gpa(page);
		heap.small_end = at + RT_PAGE;
	}
	heap.small_next = at + bytes;
	return (void *)(uintptr_t)at;
}

void *rt_alloc(size_t bytes, size_t align)
{
	void *p;

	if (bytes >= RT_PAGE)
		return rt_alloc_pages((bytes + RT_PAGE - 1) / RT_PAGE);
	rt_lock(&heap.lock);
	p = small_take(bytes, align);
	rt_unlock(&heap.lock);
	return p;
}

size_t rt_free_pages(void)
{
	return (heap.end - heap.next) / RT_PAGE;
}

/* --- mem* : 16 bytes at a time; the tail is an overlapping move --------------------------------- */

static inline __m128i load16(const void *p)
{
	return _mm_loadu_si128(p);
}

static inline void store16(void *p, __m128i v)
{
	_mm_storeu_si128(p, v);
}

/* 1..15 bytes; both ends are read before anything is written, so overlap does not matter. */
static void move_small(uint8_t *d, const uint8_t *s, size_t n)
{
	uint64_t a, b;
	uint32_t c, e;

	if (n >= 8) {
		__builtin_memcpy(&a, s, 8);
		__builtin_memcpy(&b, s + n - 8, 8);
		__builtin_memcpy(d, &a, 8);
		__builtin_memcpy(d + n - 8, &b, 8);
	} else if (n >= 4) {
		__builtin_memcpy(&c, s, 4);
		__builtin_memcpy(&e, s + n - 4, 4);
		__builtin_memcpy(d, &c, 4);
		__builtin_memcpy(d + n - 4, &e, 4);
	} else if (n) {
		uint8_t first = s[0], mid = s[n / 2], last = s[n - 1];

		d[0] = first;
		d[n / 2] = mid;
		d[n - 1] = last;
	}
}

void *memcpy(void *dst, const void *src, size_t n)
{
	const uint8_t *s = src;
	uint8_t *d = dst;
	__m128i tail;

	if (n < 16) {
		move_small(d, s, n);
		return dst;
	}
	tail = load16(s + n - 16);
	for (; n >= 64; n -= 64, s += 64, d += 64) {
		__m128i a = load16(s), b = load16(s + 16), c = load16(s + 32), e = load16(s + 48);

		store16(d, a);
		store16(d + 16, b);
		store16(d + 32, c);
		store16(d + 48, e);
	}
	for (; n >= 16; n -= 16, s += 16, d += 16)
		store16(d, load16(s));
	if (n)
		store16(d + n - 16, tail);
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	const uint8_t *s = src;
	uint8_t *d = dst;
	__m128i head;

	if (n < 16) {
		move_small(d, s, n);
		return dst;
	}
	/* Ours goes upwards and loads before it stores: right also where d lies below s. */
	if ((uintptr_t)d - (uintptr_t)s >= n)
		return memcpy(dst, src, n);
	head = load16(s);
	for (; n >= 16; n -= 16)
		store16(d + n - 16, load16(s + n - 16));
	store16(d, head);
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	__m128i v = _mm_set1_epi8((char)c);
	uint8_t *d = dst;

	if (n < 16) {
		while (n--)
			*d++ = (uint8_t)c;
		return dst;
	}
	store16(d + n - 16, v);
	for (; n >= 16; n -= 16, d += 16)
		store16(d, v);
	return dst;
}

static inline bool is_same16(const uint8_t *x, const uint8_t *y)
{
	return _mm_movemask_epi8(_mm_cmpeq_epi8(load16(x), load16(y))) == 0xffff;
}

/* Frames are compared whole: 16 bytes at once as long as they are the same. */
int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	size_t i = 0;

	while (i + 16 <= n && is_same16(x + i, y + i))
		i += 16;
	if (n >= 16 && i + 16 > n && is_same16(x + n - 16, y + n - 16))
		return 0;
	for (; i < n; i++) {
		if (x[i] != y[i])
			return x[i] - y[i];
	}
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (a[i] != b[i] || !a[i])
			return (uint8_t)a[i] - (uint8_t)b[i];
	}
	return 0;
}
