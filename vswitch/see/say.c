/* SPDX-License-Identifier: BSD-3-Clause */
/* Text of bounded length, and lists of stations. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/see/priv.h"

void see_say(struct see_say *y, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (y->len + 1 >= y->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(y->out + y->len, y->size - y->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		y->len += (size_t)n < y->size - y->len ? (size_t)n : y->size - y->len - 1;
}

static uint32_t station_bit(const char *name, size_t n)
{
	unsigned int i;

	for (i = 0; i < VSW_STATION_COUNT; i++) {
		if (strlen(vsw_station_name(i)) == n && !memcmp(vsw_station_name(i), name, n))
			return 1u << i;
	}
	return n == 3 && !memcmp(name, "all", 3) ? (1u << VSW_STATION_COUNT) - 1 : 0;
}

static int station_unknown(const char *name, size_t n)
{
	struct see_say y = {.size = 0};
	char known[256] = "";
	unsigned int i;

	y.out = known;
	y.size = sizeof(known);
	for (i = 0; i < VSW_STATION_COUNT; i++)
		see_say(&y, "%s, ", vsw_station_name(i));
	return err_set(-EINVAL, "no station \"%.*s\": there are %sall", (int)(n < 32 ? n : 32),
		       name, known);
}

int vsw_see_stations(uint32_t *mask, const char *text)
{
	uint32_t all = 0;

	for (;;) {
		size_t n = strcspn(text, ",");
		uint32_t bit = station_bit(text, n);

		if (!bit)
			return station_unknown(text, n);
		all |= bit;
		if (!text[n])
			break;
		text += n + 1;
	}
	*mask = all;
	return 0;
}
