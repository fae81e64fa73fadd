/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of the offline bench: text, pcap and pcapng. */
#include "mgmt/ext/frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/support/scratch.h"

#define TS 1700000000123456789ull

static char path[SCRATCH_PATH + 16];
static struct frames in, back;

static void temp_name(const char *suffix)
{
	char name[SCRATCH_PATH];

	scratch_name(name, "frames");
	snprintf(path, sizeof(path), "%s%s", name, suffix);
}

static void clean_up(void)
{
	if (path[0])
		unlink(path);
	frames_fini(&in);
	frames_fini(&back);
}

TestSuite(mgmt_ext_frames, .fini = clean_up);

Test(mgmt_ext_frames, text_has_frames_with_comments_and_indented_lines)
{
	cr_assert_eq(frames_from_hex(&in, "# a\n\n0001 02 # b\n  0304\n\n\nFf\n# c\n", "t"), 0);
	cr_assert_eq(in.n, 2);
	cr_assert_eq(in.frame[0].len, 5);
	cr_assert(!memcmp(frames_bytes(&in, 0), "\0\1\2\3\4", 5));
	cr_assert_eq(in.frame[1].len, 1);
	cr_assert_eq(frames_bytes(&in, 1)[0], 0xFF);
	cr_assert_lt(in.frame[0].ts_ns, in.frame[1].ts_ns);
}

Test(mgmt_ext_frames, text_that_is_not_hexadecimal_is_refused_with_its_line)
{
	static const char *const bad[] = {"00\n0", "00\n0g", "00\n0 0", "00\n  x"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(frames_from_hex(&in, bad[i], "t"), -EINVAL, "%s", bad[i]);
		cr_assert(strstr(err_text(), "t:2:"), "%s", err_text());
	}
}

static void put_two(const char *suffix)
{
	static const char *const port[] = {"in", "a/0"};
	struct frames_out *o = NULL;
	uint8_t b[100];

	for (unsigned int i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)i;
	temp_name(suffix);
	cr_assert_eq(frames_out_open(&o, path, port, 2), 0, "%s", err_text());
	frames_out_put(o, 1, TS, b, 61);
	frames_out_put(o, 0, TS + 1, b, 100);
	cr_assert_eq(frames_out_close(o), 0);
	cr_assert_eq(frames_read(&back, path, 7), 0, "%s", err_text());
	cr_assert_eq(back.n, 2);
	cr_assert_eq(back.frame[0].ts_ns, TS);
	cr_assert_eq(back.frame[1].ts_ns, TS + 1);
	cr_assert_eq(back.frame[1].len, 100);
	cr_assert_eq(back.frame[1].port, 7);
	cr_assert(!memcmp(frames_bytes(&back, 1), b, 100));
	cr_assert_eq(back.nr_cut, 0);
}

Test(mgmt_ext_frames, pcap_comes_back_with_its_nanoseconds)
{
	put_two(".pcap");
	cr_assert_eq(back.frame[0].len, 61);
}

Test(mgmt_ext_frames, pcapng_comes_back_with_its_nanoseconds)
{
	put_two(".pcapng");
	cr_assert_eq(back.frame[0].len, 61);
}

Test(mgmt_ext_frames, a_tag_is_put_behind_the_addresses)
{
	const uint8_t *b;
	uint8_t plain[61];

	for (unsigned int i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)i;
	cr_assert_eq(frames_add_tagged(&in, plain, 61, 0xA123, TS, 3), 0);
	cr_assert_eq(frames_add_tagged(&in, plain, 61, -1, TS, 3), 0);
	cr_assert_eq(frames_add_tagged(&in, plain, 11, 0xA123, TS, 3), 0);
	b = frames_bytes(&in, 0);
	cr_assert_eq(in.frame[0].len, 65);
	cr_assert(!memcmp(b, "\0\1\2\3\4\5\6\7\10\11\12\13\x81\0\xA1\x23\14\15", 18));
	cr_assert_eq(b[64], 60);
	cr_assert_eq(in.frame[1].len, 61);
	cr_assert_eq(in.frame[2].len, 11);
	cr_assert(!memcmp(frames_bytes(&in, 1), plain, 61));
}

/* Microseconds, 4 of 9 bytes captured, made by hand: byte order of this machine. */
static void write_classic(uint32_t link_type, uint32_t nr_bytes)
{
	const uint32_t head[] = {0xA1B2C3D4, 0x00040002, 0, 0, 65535, link_type, 5, 7, 4, 9};
	FILE *f;

	temp_name(".pcap");
	f = fopen(path, "w");
	fwrite(head, sizeof(head), 1, f);
	fwrite("abcd", nr_bytes, 1, f);
	fclose(f);
}

Test(mgmt_ext_frames, frames_that_the_capture_cut_are_told)
{
	write_classic(1, 4);
	cr_assert_eq(frames_read(&back, path, 0), 0, "%s", err_text());
	cr_assert_eq(back.nr_cut, 1);
	cr_assert_eq(back.frame[0].len, 4);
	cr_assert_eq(back.frame[0].wire_len, 9);
	cr_assert_eq(back.frame[0].ts_ns, 5000007000ull);
}

Test(mgmt_ext_frames, a_file_that_ends_inside_a_packet_is_refused)
{
	write_classic(1, 2);
	cr_assert_eq(frames_read(&back, path, 0), -EINVAL);
	cr_assert(strstr(err_text(), path) && strstr(err_text(), "behind packet 0"), "%s",
		  err_text());
}

Test(mgmt_ext_frames, other_link_types_are_refused_with_what_helps)
{
	write_classic(113, 4);
	cr_assert_eq(frames_read(&back, path, 0), -EINVAL);
	cr_assert(strstr(err_text(), "want Ethernet"), "%s", err_text());
}

Test(mgmt_ext_frames, a_file_that_is_none_is_refused_by_its_name)
{
	cr_assert_eq(frames_read(&back, "/nowhere/x.pcap", 0), -EINVAL);
	cr_assert(strstr(err_text(), "/nowhere/x.pcap"), "%s", err_text());
}

Test(mgmt_ext_frames, order_is_by_time_and_stable)
{
	static const uint64_t ts[] = {5, 3, 5, 3, 1};
	static const uint16_t order[] = {4, 1, 3, 0, 2};

	for (uint16_t i = 0; i < 5; i++)
		cr_assert_eq(frames_add(&in, &i, sizeof(i), ts[i], i), 0);
	frames_sort(&in);
	for (uint16_t i = 0; i < 5; i++)
		cr_assert_eq(in.frame[i].port, order[i]);
}

Test(mgmt_ext_frames, a_frame_longer_than_any_is_refused)
{
	uint8_t *b = calloc(1, 100000);
	struct frames_out *o = NULL;
	static const char *const port[] = {"in"};

	temp_name(".pcap");
	cr_assert_eq(frames_out_open(&o, path, port, 1), 0);
	frames_out_put(o, 0, TS, b, FRAME_LEN_MAX);
	frames_out_put(o, 0, TS, b, FRAME_LEN_MAX + 1);
	cr_assert_eq(frames_out_close(o), 0);
	cr_assert_eq(frames_read(&back, path, 0), -EFBIG);
	cr_assert(strstr(err_text(), "packet 2"), "%s", err_text());
	free(b);
}
