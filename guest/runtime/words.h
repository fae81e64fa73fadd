/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of words, "key=value key2 key3=...", separated by blanks: command lines and orders. No platform. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copies the value of @key ("" for a bare key) into @buf, cut to @size. Its length, or -1: no such key. */
int words_copy(const char *line, const char *key, char *buf, size_t size);
/* The key is there and has this value. */
bool words_is(const char *line, const char *key, const char *value);
/* Decimal or 0x hex with an optional K, M or G (1024s) into *@out, which stays as it is without the key. False:
 * what stands there is no number. */
bool words_u64(const char *line, const char *key, uint64_t *out);
