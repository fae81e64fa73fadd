/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch of the offline bench, without extensions: what enters leaves, once and whole. */
#include "mgmt/ext/bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"

#define OUT_MAX 256u

static struct bed *bed;
static int in_port, out_port;
static struct bed_out out[OUT_MAX];
static unsigned int nr_out;

static void keep(void *ctx, const struct bed_out *o)
{
	uint8_t *copy = malloc(o->len);

	cr_assert_lt(nr_out, OUT_MAX);
	memcpy(copy, o->bytes, o->len);
	out[nr_out] = *o;
	out[nr_out++].bytes = copy;
}

static void start(unsigned int nr_lcores)
{
	struct vsw_port_cfg cfg = {.name = "in"};

	cr_assert_eq(bed_eal(), 0, "%s", err_text());
	cr_assert_eq(bed_create(&bed, nr_lcores), 0, "%s", err_text());
	in_port = bed_port_add(bed, &cfg);
	strcpy(cfg.name, "out");
	cfg.vlan_mode = VSW_VLAN_TRUNK;
	cfg.allowed[0] = 1ull << 10;
	out_port = bed_port_add(bed, &cfg);
	cr_assert(in_port >= 0 && out_port > in_port, "%s", err_text());
	bed_sink(bed, keep, NULL);
}

static void stop(void)
{
	while (nr_out)
		free((void *)out[--nr_out].bytes);
	bed_destroy(bed);
}

TestSuite(mgmt_ext_bed, .fini = stop);

static void fill(uint8_t *b, uint32_t len, uint8_t dst, uint8_t src)
{
	memset(b, 0, 14);
	b[0] = b[6] = 2;
	b[5] = dst;
	b[11] = src;
	b[12] = 0x88;
	b[13] = 0xB5;
	for (uint32_t i = 14; i < len; i++)
		b[i] = (uint8_t)(i * 7 + src);
}

static void try_backing(struct bed_backing how)
{
	static uint8_t b[3][1514];
	struct bed_in in[3];

	for (uint8_t i = 0; i < 3; i++) {
		fill(b[i], 1514, 2, (uint8_t)(i + 3));
		in[i] = (struct bed_in){.bytes = b[i], .len = 60 + 727u * i, .ts_ns = 1000u + i};
	}
	bed_port_backing(bed, (unsigned int)in_port, &how);
	nr_out = 0;
	bed_send(bed, 0, (unsigned int)in_port, in, 3);
	cr_assert_eq(nr_out, 3);
	for (unsigned int i = 0; i < 3; i++) {
		cr_assert_eq(out[i].port, (unsigned int)out_port);
		cr_assert_eq(out[i].len, in[i].len);
		cr_assert_eq(out[i].tci, -1);
		cr_assert(!memcmp(out[i].bytes, b[i], out[i].len));
		free((void *)out[i].bytes);
	}
	nr_out = 0;
	cr_assert(bed_is_balanced(bed));
}

Test(mgmt_ext_bed, frames_leave_as_they_entered_however_they_are_kept)
{
	start(1);
	try_backing((struct bed_backing){0});
	try_backing((struct bed_backing){.piece = 53});
	try_backing((struct bed_backing){.hdr_max = 64, .hdr_off = 44});
	try_backing((struct bed_backing){.piece = 1, .hdr_max = 64});
}

Test(mgmt_ext_bed, times_are_those_of_the_frames)
{
	static uint8_t b[2][100];
	struct bed_in in[2] = {{b[0], 100, .ts_ns = 5}, {b[1], 100, .ts_ns = 7}};

	start(1);
	fill(b[0], 100, 9, 1);
	fill(b[1], 100, 9, 1);
	bed_send(bed, 0, (unsigned int)in_port, in, 2);
	cr_assert_eq(nr_out, 2);
	cr_assert_eq(out[0].ts_ns, 5);
	cr_assert_eq(out[1].ts_ns, 7);
}

Test(mgmt_ext_bed, a_tag_is_shown_beside_the_frame_and_keeps_to_its_vlan)
{
	struct vsw_port_cfg cfg = {.name = "trunk", .vlan_mode = VSW_VLAN_TRUNK};
	static uint8_t b[104], bare[100];
	struct bed_in in = {b, 104};
	int trunk;

	start(1);
	cfg.allowed[0] = 1ull << 10;
	trunk = bed_port_add(bed, &cfg);
	fill(bare, 100, 9, 1);
	memcpy(b, bare, 12);
	memcpy(b + 12, "\x81\x00\xE0\x0A", 4);
	memcpy(b + 16, bare + 12, 88);
	bed_send(bed, 0, (unsigned int)out_port, &in, 1);
	cr_assert_eq(nr_out, 1); /* not at "in", which is in another VLAN */
	cr_assert_eq(out[0].port, (unsigned int)trunk);
	cr_assert_eq(out[0].tci, 0xE00A);
	cr_assert_eq(out[0].len, 100);
	cr_assert(!memcmp(out[0].bytes, bare, 100));
	bed_send(bed, 0, (unsigned int)in_port, &in, 1);
	cr_assert_eq(nr_out, 1);
	cr_assert(bed_is_balanced(bed));
}

Test(mgmt_ext_bed, both_lcores_poll)
{
	static uint8_t b[100];
	struct bed_in in = {b, 100};

	start(2);
	fill(b, 100, 9, 1);
	bed_send(bed, 0, (unsigned int)in_port, &in, 1);
	bed_send(bed, 1, (unsigned int)in_port, &in, 1);
	cr_assert_eq(nr_out, 2);
}

Test(mgmt_ext_bed, what_was_learned_can_be_forgotten)
{
	static uint8_t ab[100], ba[100];
	struct bed_in there = {ab, 100}, back = {ba, 100};

	start(1);
	fill(ab, 100, 2, 1);
	fill(ba, 100, 1, 2);
	bed_send(bed, 0, (unsigned int)in_port, &there, 1);
	bed_send(bed, 0, (unsigned int)in_port, &back, 1);
	cr_assert_eq(nr_out, 1); /* the second one is at home already */
	bed_forget(bed);
	bed_send(bed, 0, (unsigned int)in_port, &back, 1);
	cr_assert_eq(nr_out, 2);
	cr_assert(bed_is_balanced(bed));
}

Test(mgmt_ext_bed, a_port_can_go_and_another_one_come)
{
	struct vsw_port_cfg cfg = {.name = "third"};
	static uint8_t b[100];
	struct bed_in in = {b, 100};

	start(1);
	fill(b, 100, 9, 1);
	bed_port_remove(bed, (unsigned int)out_port);
	bed_send(bed, 0, (unsigned int)in_port, &in, 1);
	cr_assert_eq(nr_out, 0);
	cr_assert_eq(bed_port_add(bed, &cfg), out_port);
	cr_assert_str_eq(bed_port_name(bed, (unsigned int)out_port), "third");
	bed_send(bed, 0, (unsigned int)in_port, &in, 1);
	cr_assert_eq(nr_out, 1);
}
