/* SPDX-License-Identifier: BSD-3-Clause */
/* What left the switch, beside what should have. */
#include "mgmt/ext/test.h"

#include <stdio.h>
#include <string.h>

#define SHOWN 16u /* bytes of a difference */

struct compare {
	const struct frames *got, *want;
	int port;      /* of got; -1: any */
	uint32_t g, w; /* next ones */
	uint32_t no;   /* packets compared */
};

static bool next_got(struct compare *c)
{
	while (c->g < c->got->n && c->port >= 0 && c->got->frame[c->g].port != c->port)
		c->g++;
	return c->g < c->got->n;
}

static uint32_t first_difference(const uint8_t *a, uint32_t a_len, const uint8_t *b, uint32_t b_len)
{
	uint32_t i = 0;

	while (i < a_len && i < b_len && a[i] == b[i])
		i++;
	return i;
}

static json_t *hex(const uint8_t *b, uint32_t len, uint32_t from)
{
	char text[3 * SHOWN + 1] = "";
	size_t n = 0;

	for (uint32_t i = from; i < len && i < from + SHOWN; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%02x", n ? " " : "", b[i]);
	return json_string(text);
}

/* NULL: the packets at hand are the same. */
static json_t *differ(const struct compare *c)
{
	const struct frame *a = &c->got->frame[c->g], *b = &c->want->frame[c->w];
	const uint8_t *x = frames_bytes(c->got, c->g), *y = frames_bytes(c->want, c->w);
	uint32_t at = first_difference(x, a->len, y, b->len);

	if (at == a->len && at == b->len)
		return NULL;
	return json_pack("{s:b, s:I, s:I, s:o, s:o, s:I, s:I}", "same", 0, "packet",
			 (json_int_t)c->no, "offset", (json_int_t)at, "is", hex(x, a->len, at),
			 "should_be", hex(y, b->len, at), "length", (json_int_t)a->len,
			 "length_should_be", (json_int_t)b->len);
}

static json_t *compare(struct compare *c)
{
	json_t *d;

	for (;; c->g++, c->w++) {
		bool has_got = next_got(c), has_want = c->w < c->want->n;

		if (!has_got && !has_want)
			return json_pack("{s:b, s:I}", "same", 1, "packets", (json_int_t)c->no);
		c->no++;
		if (!has_got)
			return json_pack("{s:b, s:I, s:I}", "same", 0, "packet", (json_int_t)c->no,
					 "missing", (json_int_t)(c->want->n - c->w));
		if (!has_want)
			return json_pack("{s:b, s:I, s:s}", "same", 0, "packet", (json_int_t)c->no,
					 "too_many", "nothing should follow");
		d = differ(c);
		if (d)
			return d;
	}
}

json_t *test_expect_frames(const struct test *t, const char *path, int port)
{
	struct frames want = {0};
	struct compare c = {.got = &t->got, .want = &want, .port = port};
	json_t *o = NULL;

	if (!frames_read(&want, path, 0))
		o = compare(&c);
	frames_fini(&want);
	return o;
}

json_t *test_expect_status(const json_t *want, const json_t *got)
{
	json_t *wrong = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)want, key, value)
	{
		json_t *is = json_object_get(got, key);

		if (!is || !json_equal(is, value))
			json_object_set_new(wrong, key,
					    json_pack("{s:O?, s:O}", "is", is, "should_be", value));
	}
	if (json_object_size(wrong))
		return wrong;
	json_decref(wrong);
	return NULL;
}
