/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of words. */
#include "guest/runtime/words.h"

/* The text behind "key=" or "key" as a whole word, and its length; NULL without the key. */
static const char *find(const char *s, const char *key, size_t *len)
{
	size_t n = __builtin_strlen(key), word;

	for (;; s += word) {
		while (*s == ' ')
			s++;
		for (word = 0; s[word] && s[word] != ' '; word++)
			;
		if (word == 0)
			return NULL;
		if (word < n || __builtin_strncmp(s, key, n) || (word > n && s[n] != '='))
			continue;
		*len = word > n ? word - n - 1 : 0;
		return s + word - *len;
	}
}

int words_copy(const char *line, const char *key, char *buf, size_t size)
{
	size_t len = 0;
	const char *v = find(line, key, &len);

	if (!v || size == 0)
		return -1;
	if (len >= size)
		len = size - 1;
	__builtin_memcpy(buf, v, len);
	buf[len] = '\0';
	return (int)len;
}

bool words_is(const char *line, const char *key, const char *value)
{
	size_t len = 0;
	const char *v = find(line, key, &len);

	return v && len == __builtin_strlen(value) && !__builtin_strncmp(v, value, len);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return 99;
}

static unsigned int suffix_shift(const char *s, size_t left)
{
	static const char suffix[] = "KMG";
	unsigned int i;

	if (left == 0)
		return 0;
	for (i = 0; left == 1 && suffix[i]; i++) {
		if (*s == suffix[i])
			return 10 * (i + 1);
	}
	return 64;
}

bool words_u64(const char *line, const char *key, uint64_t *out)
{
	size_t len = 0, i = 0;
	const char *v = find(line, key, &len);
	unsigned int base = 10, shift;
	uint64_t n = 0;

	if (!v)
		return true;
	if (len > 2 && v[0] == '0' && v[1] == 'x') {
		base = 16;
		i = 2;
	}
	for (; i < len && digit(v[i]) < (int)base; i++)
		n = n * base + (unsigned int)digit(v[i]);
	shift = suffix_shift(v + i, len - i);
	if (len == 0 || i == 0 || shift == 64)
		return false;
	*out = n << shift;
	return true;
}
