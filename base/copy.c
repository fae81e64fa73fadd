/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/copy.h"

#include <string.h>

typedef uint8_t by16 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint8_t by32 __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint8_t by64 __attribute__((vector_size(64), aligned(1), may_alias));

/* Stores that cross no line, between a first and a last one that may overlap their neighbours. */
#define COPY(name, type, isa)                                                                   \
	static isa void name(uint8_t *dst, const uint8_t *src, uint32_t n)                      \
	{                                                                                       \
		const uint32_t width = sizeof(type);                                            \
		uint32_t i = width - ((uintptr_t)dst & (width - 1));                            \
                                                                                                \
		if (n < width) {                                                                \
			memcpy(dst, src, n);                                                    \
			return;                                                                 \
		}                                                                               \
		*(type *)dst = *(const type *)src;                                              \
		_Pragma("GCC unroll 4") for (; i + width < n; i += width) * (type *)(dst + i) = \
			*(const type *)(src + i);                                               \
		*(type *)(dst + n - width) = *(const type *)(src + n - width);                  \
	}

COPY(copy_by16, by16, )
COPY(copy_by32, by32, __attribute__((target("avx2"))))
COPY(copy_by64, by64, __attribute__((target("avx512f"))))

void (*copy_lines)(uint8_t *dst, const uint8_t *src, uint32_t n) = copy_by16;

/* Processors with AVX-512 that lower their clock for it have no VBMI2. */
enum copy_width copy_use(enum copy_width most)
{
	if (most >= COPY_64 && __builtin_cpu_supports("avx512vbmi2")) {
		copy_lines = copy_by64;
		return COPY_64;
	}
	if (most >= COPY_32 && __builtin_cpu_supports("avx2")) {
		copy_lines = copy_by32;
		return COPY_32;
	}
	copy_lines = copy_by16;
	return COPY_16;
}
