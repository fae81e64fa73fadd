/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv ext test`: what its files share. test.c has the options, test_run.c sends the frames,
 * test_report.c says what happened, test_expect.c compares. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "mgmt/ext/bed.h"
#include "mgmt/ext/broken.h"
#include "mgmt/ext/ext.h"
#include "mgmt/ext/frames.h"
#include "vswitch/ext/ext.h"

#define TEST_EXTS_MAX	8u
#define TEST_BROKEN_MAX 32u
#define TEST_REPEAT_MAX 1000000u

struct test_ext {
	const char *path;
	char *config; /* JSON, owned; NULL: defaults */
	struct vsw_ext *e;
	struct broken_seen seen;
};

struct test_port {
	struct vsw_port_cfg cfg;
	const char *in, *out, *expect; /* files */
	unsigned int no;	       /* in the bed */
	bool is_known;		       /* with --switch: the file has it */
};

/* A rule that was broken, once or more often. */
struct test_broken {
	char text[128]; /* "EXT-1: ..." */
	unsigned int ext;
	uint64_t times;
};

struct test {
	/* As asked for. ext[0] is the one under test. */
	struct test_ext ext[TEST_EXTS_MAX];
	unsigned int nr_exts;
	const char *import[EXT_IMPORTS_MAX + 1];
	unsigned int nr_imports;
	struct test_port port[BED_PORTS_MAX];
	unsigned int nr_ports;
	const char *out, *expect;
	const char *switch_file;
	json_t *expect_status;
	unsigned int repeat, burst;
	bool is_json, by_mac;
	bool is_one_way; /* frames enter at one port: nobody answers */

	/* As it went. */
	struct mgmt_cfg *like; /* of --switch, or NULL */
	struct bed *bed;
	struct frames in, got;
	struct bed_in *send; /* [in.n] */
	int sink_rc;
	struct test_broken broken[TEST_BROKEN_MAX];
	unsigned int nr_broken;
	double *cycles; /* a packet, of each pass: [repeat], ascending */
	unsigned int nr_cycles;
	json_t *report;
	bool is_failed;
};

/* Takes "in" and "out" away: others take their place. */
void test_drop_own_ports(struct test *t);

/* The port of that name, added when it is not there yet; NULL (text set): too many. */
struct test_port *test_port(struct test *t, const char *name);

/* Sends all frames once and keeps what leaves. 0 or -errno (text set). */
int test_run(struct test *t);
/* Then: what happened, as t->report; writes the files asked for; compares with what is expected. */
int test_report(struct test *t);
/* Then: sends them again and again for the cycles, and adds these, faults and broken rules. */
int test_measure(struct test *t);
void test_report_end(struct test *t);
void test_report_show(const struct test *t);

/* test_expect.c.  Compares what left port @port (-1: any) with @path: an object with "same", and where they
 * differ first. NULL (text set): the file cannot be read. */
json_t *test_expect_frames(const struct test *t, const char *path, int port);
/* Members of @want that @got lacks or has otherwise; or NULL: none. */
json_t *test_expect_status(const json_t *want, const json_t *got);
