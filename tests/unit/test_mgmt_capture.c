/* SPDX-License-Identifier: BSD-3-Clause */
/* The reader of our captures against their writer, in pieces of any size; and bytes that are none. */
#include "mgmt/capture_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "vswitch/see/pcapng.h"

static char seen[4096];

static void note(const struct capture_packet *p, void *ctx)
{
	size_t n = strlen(seen);

	snprintf(seen + n, sizeof(seen) - n, "%s %llu %u/%u %02x%02x [%s]\n", p->iface,
		 (unsigned long long)p->ns, p->cap, p->len, p->cap ? p->bytes[0] : 0,
		 p->cap ? p->bytes[p->cap - 1] : 0, p->comment);
}

static size_t make(uint8_t *mem, size_t size)
{
	struct see_buf b = {.mem = mem, .size = size};
	struct see_pcapng_packet p = {.bytes = (const uint8_t *)"abcdefg", .cap = 7, .len = 90};

	cr_assert(see_pcapng_head(&b, "nethv"));
	cr_assert(see_pcapng_iface(&b, "a/0", 0));
	cr_assert(see_pcapng_iface(&b, "uplink", 128));
	p.ns = 1700000000123456789ull;
	p.comment = "at in src a/0";
	cr_assert(see_pcapng_packet(&b, &p));
	p.iface = 1;
	p.dir = SEE_DIR_OUT;
	p.cap = 4;
	p.comment = NULL;
	cr_assert(see_pcapng_packet(&b, &p));
	cr_assert(see_pcapng_stats(&b, &(struct see_pcapng_stats){.iface = 1, .received = 2}));
	p.iface = 9; /* nobody said what that is */
	p.cap = 0;
	cr_assert(see_pcapng_packet(&b, &p));
	return b.len;
}

static const char want[] = "a/0 1700000000123456789 7/90 6167 [at in src a/0]\n"
			   "uplink 1700000000123456789 4/90 6164 []\n"
			   "? 1700000000123456789 0/90 0000 []\n";

Test(mgmt_capture, reads_what_is_written_in_pieces_of_any_size)
{
	uint8_t mem[4096];
	size_t len = make(mem, sizeof(mem));

	for (size_t step = 1; step <= len; step++) {
		struct capture_reader r = {0};

		seen[0] = 0;
		for (size_t at = 0; at < len; at += step)
			cr_assert_eq(capture_feed(&r, mem + at, len - at < step ? len - at : step,
						  note, NULL),
				     0, "%s", err_text());
		cr_assert_str_eq(seen, want, "in steps of %zu: %s", step, seen);
		capture_fini(&r);
	}
}

/* Nothing is read that is not there, whatever the lengths say: for the address sanitizer. */
Test(mgmt_capture, bears_any_change_of_a_byte)
{
	uint8_t mem[4096], *bad;
	size_t len = make(mem, sizeof(mem));

	for (size_t i = 0; i < len; i++)
		for (int v = 0; v < 256; v += 15) {
			struct capture_reader r = {0};
			int rc;

			bad = malloc(len);
			memcpy(bad, mem, len);
			bad[i] = (uint8_t)v;
			seen[0] = 0;
			rc = capture_feed(&r, bad, len, note, NULL);
			cr_assert(rc == 0 || rc == -EINVAL, "%d", rc);
			capture_fini(&r);
			free(bad);
		}
}

Test(mgmt_capture, says_what_is_none)
{
	struct capture_reader r = {0};

	cr_expect_eq(capture_feed(&r, "this is no capture", 18, note, NULL), -EINVAL);
	cr_expect(strstr(err_text(), "a block of"));
	capture_fini(&r);
}
