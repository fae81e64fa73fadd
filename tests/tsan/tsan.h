/* SPDX-License-Identifier: BSD-3-Clause */
/* For programs that run under ThreadSanitizer, where Criterion cannot: plain checks, exit code 0 or
 * not. Without the sanitizer they are tests all the same. */
#pragma once

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

#define check(cond)                                                                    \
	do {                                                                           \
		if (!(cond)) {                                                         \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, \
				err_text());                                           \
			_Exit(1);                                                      \
		}                                                                      \
	} while (0)

static inline pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	check(pthread_create(&t, NULL, fn, arg) == 0);
	return t;
}
