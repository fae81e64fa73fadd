/* SPDX-License-Identifier: BSD-3-Clause */
/* SCSI commands as Linux's sd sends them, each field wrong, and the images behind them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/support/vspbed.h"
#include "vmbus/vsp/scsi.h"

#define BLOCKS 2048u

static char path[SCRATCH_PATH];
static struct scsi_target t = {.id = 0x123456789abcdef0, .max_transfer = 512u << 10};
static uint8_t buf[64 << 10];
static struct scsi_cmd c;

static void make(uint64_t len, bool readonly)
{
	bed_file(path, len);
	cr_assert_eq(disk_open(&t.lun[0], path, readonly), 0, "%s", err_text());
}

static void setup(void)
{
	make(BLOCKS * 512, false);
}

static void teardown(void)
{
	for (int i = 0; i < 3; i++) {
		disk_close(t.lun[i]);
		t.lun[i] = NULL;
	}
	bed_file_gone(path);
}

TestSuite(vmbus_vsp_scsi, .init = setup, .fini = teardown);

/* Runs a CDB with a buffer of @len bytes, in two parts to cross a boundary. */
static void run_on(uint8_t lun, const uint8_t *cdb, uint8_t cdb_len, uint32_t len)
{
	static struct iovec iov[2];
	uint32_t first = len > 20 ? 20 : len;

	iov[0] = (struct iovec){buf, first};
	iov[1] = (struct iovec){buf + first, len - first};
	c = (struct scsi_cmd){.cdb_len = cdb_len, .lun = lun, .iov = iov, .len = len};
	c.nr_iov = len > first ? 2 : len ? 1 : 0;
	memcpy(c.cdb, cdb, cdb_len);
	scsi_execute(&t, &c);
}

#define RUN(len, ...)                                          \
	do {                                                   \
		const uint8_t cdb_[] = {__VA_ARGS__};          \
                                                               \
		memset(buf, 0xEE, sizeof(buf));                \
		run_on(0, cdb_, (uint8_t)sizeof(cdb_), (len)); \
	} while (0)

/* As RUN(), with what is in the buffer. */
#define RUN_OUT(len, ...)                                      \
	do {                                                   \
		const uint8_t cdb_[] = {__VA_ARGS__};          \
                                                               \
		run_on(0, cdb_, (uint8_t)sizeof(cdb_), (len)); \
	} while (0)

static void expect_sense(uint8_t key, uint8_t asc, uint8_t ascq)
{
	cr_assert_eq(c.status, SCSI_CHECK_CONDITION, "status 0x%x", c.status);
	cr_assert_eq(c.done, 0);
	cr_assert_eq(c.sense[0], 0x70);
	cr_assert_eq(c.sense[7], 10);
	cr_assert(c.sense[2] == key && c.sense[12] == asc && c.sense[13] == ascq,
		  "sense %x/%02x/%02x, want %x/%02x/%02x", c.sense[2], c.sense[12], c.sense[13],
		  key, asc, ascq);
}

static void expect_good(uint32_t done)
{
	cr_assert_eq(c.status, SCSI_GOOD, "sense %x/%02x/%02x", c.sense[2], c.sense[12],
		     c.sense[13]);
	cr_assert_eq(c.done, done, "%u bytes, want %u", c.done, done);
}

/* ---- What Linux asks of a new unit ---------------------------------------------------------- */

Test(vmbus_vsp_scsi, inquiry_tells_of_a_disk)
{
	RUN(36, 0x12, 0, 0, 0, 36, 0);
	expect_good(36);
	cr_assert_eq(buf[0], 0, "a direct-access device");
	cr_assert_eq(buf[2], 5, "SPC-3");
	cr_assert_eq(buf[3] & 0x0F, 2);
	cr_assert_eq(buf[4], 31);
	cr_assert_arr_eq(buf + 8, "NETHV   Virtual Disk    1.0 ", 28);
}

Test(vmbus_vsp_scsi, a_reply_is_cut_to_what_was_asked_for_and_to_the_buffer)
{
	RUN(36, 0x12, 0, 0, 0, 5, 0);
	expect_good(5);
	cr_assert_eq(buf[5], 0xEE, "nothing is written behind it");
	RUN(7, 0x12, 0, 0, 0, 36, 0);
	expect_good(7);
	cr_assert_eq(buf[7], 0xEE);
	RUN(0, 0x12, 0, 0, 0, 36, 0);
	expect_good(0);
	RUN(255, 0x12, 0, 0, 0, 255, 0);
	expect_good(36);
}

Test(vmbus_vsp_scsi, the_list_of_pages_names_pages_that_are_there)
{
	uint8_t list[16], nr;

	RUN(255, 0x12, 1, 0, 0, 255, 0);
	expect_good(10);
	nr = buf[3];
	cr_assert_eq(nr, 6);
	memcpy(list, buf + 4, nr);
	cr_assert_arr_eq(list, ((uint8_t[]){0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB2}), 6);
	for (int i = 0; i < nr; i++) {
		RUN(255, 0x12, 1, list[i], 0, 255, 0);
		cr_assert_eq(c.status, SCSI_GOOD);
		cr_assert_eq(buf[1], list[i]);
		cr_assert_eq(c.done, 4u + buf[3], "page 0x%x", list[i]);
	}
	RUN(255, 0x12, 1, 0x84, 0, 255, 0);
	expect_sense(5, 0x24, 0);
	RUN(255, 0x12, 0, 0x80, 0, 255, 0);
	expect_sense(5, 0x24, 0);
}

Test(vmbus_vsp_scsi, each_unit_has_an_identity_of_its_own)
{
	static const uint8_t cdb[] = {0x12, 1, 0x83, 0, 255, 0};
	uint8_t one[16];
	char other[SCRATCH_PATH];

	bed_file(other, 4096);
	cr_assert_eq(disk_open(&t.lun[1], other, false), 0);
	run_on(0, cdb, sizeof(cdb), 255);
	memcpy(one, buf, 16);
	cr_assert_eq(one[8] >> 4, 3, "NAA, locally assigned");
	run_on(1, cdb, sizeof(cdb), 255);
	cr_assert_neq(memcmp(one, buf, 16), 0);
	bed_file_gone(other);
}

Test(vmbus_vsp_scsi, capacity)
{
	RUN(8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	expect_good(8);
	cr_assert_arr_eq(buf, ((uint8_t[]){0, 0, 7, 0xFF, 0, 0, 2, 0}), 8);
	RUN(32, 0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0);
	expect_good(32);
	cr_assert_arr_eq(buf, ((uint8_t[]){0, 0, 0, 0, 0, 0, 7, 0xFF, 0, 0, 2, 0}), 12);
	cr_assert_eq(buf[13], 3);
	cr_assert_eq(buf[14], 0xC0, "thin, and reads zeros");
	RUN(32, 0x9E, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0);
	expect_sense(5, 0x24, 0);
}

Test(vmbus_vsp_scsi, a_disk_beyond_2_tib_needs_the_long_capacity)
{
	teardown();
	make(3ull << 40, false);
	RUN(8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	cr_assert_arr_eq(buf, ((uint8_t[]){0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 2, 0}), 8);
	RUN(32, 0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0);
	cr_assert_arr_eq(buf, ((uint8_t[]){0, 0, 0, 1, 0x7F, 0xFF, 0xFF, 0xFF}), 8);
	RUN(512, 0x88, 0, 0, 0, 0, 1, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1, 0, 0);
	expect_good(512);
	RUN(512, 0x88, 0, 0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0);
	expect_sense(5, 0x21, 0);
}

Test(vmbus_vsp_scsi, mode_pages)
{
	RUN(192, 0x1A, 0, 0x3F, 0, 192, 0);
	expect_good(36);
	cr_assert_eq(buf[0], 35);
	cr_assert_eq(buf[2], 0x10, "writable, FUA works");
	cr_assert_eq(buf[3], 0, "no block descriptor");
	cr_assert_eq(buf[4], 0x08);
	cr_assert_eq(buf[6], 0x04, "it has a write cache");
	cr_assert_eq(buf[24], 0x0A);
	RUN(192, 0x5A, 0, 0x08, 0, 0, 0, 0, 0, 192, 0);
	expect_good(28);
	cr_assert_eq(buf[1], 26);
	cr_assert_eq(buf[3], 0x10);
	cr_assert_eq(buf[8], 0x08);
	RUN(192, 0x1A, 0, 0x48, 0, 192, 0);
	cr_assert_eq(buf[6], 0, "nothing can be changed");
	RUN(192, 0x1A, 0, 0xC8, 0, 192, 0);
	expect_sense(5, 0x39, 0);
	RUN(192, 0x1A, 0, 0x1C, 0, 192, 0);
	expect_sense(5, 0x24, 0);
	RUN(192, 0x1A, 0, 0x08, 1, 192, 0);
	expect_sense(5, 0x24, 0);
}

Test(vmbus_vsp_scsi, always_ready_and_no_sense_is_left)
{
	RUN(0, 0x00, 0, 0, 0, 0, 0);
	expect_good(0);
	RUN(0, 0x1B, 0, 0, 0, 1, 0);
	expect_good(0);
	RUN(0, 0x1E, 0, 0, 0, 1, 0);
	expect_good(0);
	RUN(18, 0x03, 0, 0, 0, 18, 0);
	expect_good(18);
	cr_assert_eq(buf[0], 0x70);
	cr_assert_eq(buf[2], 0);
	RUN(18, 0x03, 1, 0, 0, 18, 0);
	expect_good(8);
	cr_assert_eq(buf[0], 0x72);
}

Test(vmbus_vsp_scsi, report_luns_names_what_is_there)
{
	static const uint8_t cdb[] = {0xA0, 0, 0, 0, 0, 0, 0, 0, 2, 8, 0, 0};

	t.lun[2] = t.lun[0];
	t.lun[0] = NULL;
	run_on(0, cdb, sizeof(cdb), 520);
	expect_good(16);
	cr_assert_arr_eq(buf, ((uint8_t[]){0, 0, 0, 8, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0}), 16);
}

Test(vmbus_vsp_scsi, an_absent_unit_is_no_ghost)
{
	static const uint8_t inquiry[] = {0x12, 0, 0, 0, 36, 0}, page[] = {0x12, 1, 0x80, 0, 36, 0};
	static const uint8_t ready[] = {0, 0, 0, 0, 0, 0};
	static const uint8_t luns[] = {1, 5, 63, 64, 255};

	for (size_t i = 0; i < sizeof(luns); i++) {
		run_on(luns[i], inquiry, 6, 36);
		expect_good(36);
		cr_assert_eq(buf[0], 0x7F, "unit %u", luns[i]);
		run_on(luns[i], ready, 6, 0);
		cr_assert(c.is_absent);
	}
	t.lun[1] = t.lun[0];
	t.lun[0] = NULL;
	run_on(0, ready, 6, 0);
	cr_assert(c.is_absent);
	run_on(0, inquiry, 6, 36);
	cr_assert_not(c.is_absent, "unit 0 answers, or nobody asks for the others");
	cr_assert_eq(buf[0], 0x7F, "and says that it is not there");
	run_on(0, page, 6, 36);
	expect_sense(5, 0x24, 0);
}

/* ---- Blocks --------------------------------------------------------------------------------- */

/* The same write and read in each of the four lengths of CDB. */
static const struct {
	uint8_t len, write[16], read[16];
} forms[] = {
	{6, {0x0A, 0, 0, 7, 2, 0}, {0x08, 0, 0, 7, 2, 0}},
	{10, {0x2A, 0, 0, 0, 0, 7, 0, 0, 2, 0}, {0x28, 0, 0, 0, 0, 7, 0, 0, 2, 0}},
	{12, {0xAA, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0}, {0xA8, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0}},
	{16,
	 {0x8A, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0},
	 {0x88, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0}},
};

Test(vmbus_vsp_scsi, what_is_written_is_read_in_each_form)
{
	uint8_t want[1024], file[1024];
	int fd = open(path, O_RDONLY);

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		for (size_t j = 0; j < sizeof(want); j++)
			buf[j] = want[j] = (uint8_t)(j * 7 + i);
		run_on(0, forms[i].write, forms[i].len, 1024);
		expect_good(1024);
		cr_assert_eq(pread(fd, file, 1024, 7 * 512), 1024);
		cr_assert_arr_eq(file, want, 1024);
		memset(buf, 0xEE, sizeof(buf));
		run_on(0, forms[i].read, forms[i].len, 2048);
		expect_good(1024);
		cr_assert_arr_eq(buf, want, 1024);
		cr_assert_eq(buf[1024], 0xEE, "a longer buffer is not filled");
	}
	close(fd);
}

Test(vmbus_vsp_scsi, six_byte_commands_mean_256_blocks_by_0)
{
	RUN(sizeof(buf), 0x08, 0, 0, 0, 0, 0);
	expect_sense(5, 0x24, 0); /* 128 KiB do not fit */
	RUN(sizeof(buf), 0x08, 0, 0, 0, 128, 0);
	expect_good(65536);
}

Test(vmbus_vsp_scsi, nothing_outside_of_the_disk_is_touched)
{
	struct stat st;

	RUN(512, 0x28, 0, 0, 0, 8, 0, 0, 0, 1, 0);
	expect_sense(5, 0x21, 0);
	RUN(1024, 0x2A, 0, 0, 0, 7, 0xFF, 0, 0, 2, 0);
	expect_sense(5, 0x21, 0);
	RUN(512, 0x2A, 0, 0, 0, 7, 0xFF, 0, 0, 1, 0);
	expect_good(512);
	RUN(512, 0x8A, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1, 0, 0);
	expect_sense(5, 0x21, 0);
	RUN(512, 0x88, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0);
	expect_sense(5, 0x21, 0);
	RUN(0, 0x35, 0, 0, 0, 8, 1, 0, 0, 1, 0);
	expect_sense(5, 0x21, 0);
	RUN(0, 0x2F, 0, 0, 0, 8, 1, 0, 0, 1, 0);
	expect_sense(5, 0x21, 0);
	stat(path, &st);
	cr_assert_eq(st.st_size, BLOCKS * 512, "the image does not grow");
}

Test(vmbus_vsp_scsi, a_buffer_that_is_too_short_moves_nothing)
{
	RUN(1023, 0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0);
	expect_sense(5, 0x24, 0);
	cr_assert_eq(buf[0], 0xEE);
}

Test(vmbus_vsp_scsi, flushes_are_counted_and_fua_flushes)
{
	struct disk_counters n;

	RUN(0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	expect_good(0);
	RUN(0, 0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	expect_good(0);
	RUN(512, 0x2A, 0x08, 0, 0, 0, 1, 0, 0, 1, 0);
	expect_good(512);
	disk_counters(t.lun[0], &n);
	cr_assert_eq(n.flushes, 3);
	cr_assert_eq(n.writes, 1);
	cr_assert_eq(n.bytes_written, 512);
}

Test(vmbus_vsp_scsi, a_read_only_disk_says_so_and_refuses)
{
	teardown();
	make(BLOCKS * 512, true);
	RUN(192, 0x1A, 0, 0x3F, 0, 192, 0);
	cr_assert_eq(buf[2], 0x90);
	RUN(512, 0x2A, 0, 0, 0, 0, 1, 0, 0, 1, 0);
	expect_sense(7, 0x27, 0);
	RUN(512, 0x0A, 0, 0, 1, 1, 0);
	expect_sense(7, 0x27, 0);
	RUN(512, 0x41, 0, 0, 0, 0, 1, 0, 0, 1, 0);
	expect_sense(7, 0x27, 0);
	RUN(24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0);
	expect_sense(7, 0x27, 0);
	RUN(512, 0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0);
	expect_good(512);
	RUN(0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	expect_good(0);
	RUN(32, 0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0);
	cr_assert_eq(buf[14], 0);
}

/* ---- Trim ----------------------------------------------------------------------------------- */

static void fill(void)
{
	for (uint8_t at = 0; at < 16; at++) {
		memset(buf, 0xAA, sizeof(buf));
		RUN_OUT(65536, 0x2A, 0, 0, 0, (uint8_t)(at / 2), (uint8_t)(at % 2 * 128), 0, 0, 128,
			0);
		expect_good(65536);
	}
}

static bool is_all(uint32_t lba, uint8_t what)
{
	RUN(512, 0x28, 0, 0, 0, (uint8_t)(lba >> 8), (uint8_t)lba, 0, 0, 1, 0);
	return buf[0] == what && !memcmp(buf, buf + 1, 511);
}

Test(vmbus_vsp_scsi, unmapped_blocks_read_as_zeros_and_take_no_room)
{
	static const uint8_t list[] = {0, 38, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				       0, 8,  0, 0,  2, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				       0, 0,  4, 1,  0, 0, 0, 3, 0, 0, 0, 0};
	struct stat before, after;

	fill();
	stat(path, &before);
	memcpy(buf, list, sizeof(list));
	RUN_OUT(40, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0);
	expect_good(40);
	stat(path, &after);
	cr_assert_lt(after.st_blocks, before.st_blocks);
	cr_assert(is_all(7, 0xAA) && is_all(8, 0) && is_all(519, 0) && is_all(520, 0xAA));
	cr_assert(is_all(1024, 0xAA) && is_all(1025, 0) && is_all(1027, 0) && is_all(1028, 0xAA));
}

Test(vmbus_vsp_scsi, a_bad_unmap_changes_nothing)
{
	/* two descriptors; the second lies outside */
	uint8_t list[40] = {0, 38, 0, 32, [15] = 8, [19] = 8, [30] = 8, [35] = 1};

	fill();
	memcpy(buf, list, sizeof(list));
	RUN_OUT(40, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0);
	expect_sense(5, 0x21, 0);
	cr_assert(is_all(8, 0xAA));
	memcpy(buf, list, sizeof(list));
	RUN_OUT(40, 0x42, 1, 0, 0, 0, 0, 0, 0, 40, 0);
	expect_sense(5, 0x24, 0);
	RUN_OUT(39, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0);
	expect_sense(5, 0x1A, 0);
	RUN_OUT(40, 0x42, 0, 0, 0, 0, 0, 0, 0, 7, 0);
	expect_sense(5, 0x1A, 0);
	RUN_OUT(40, 0x42, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0);
	expect_sense(5, 0x1A, 0);
	buf[3] = 33; /* descriptors longer than the list */
	RUN_OUT(40, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0);
	expect_sense(5, 0x1A, 0);
	RUN_OUT(0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	expect_good(0);
}

Test(vmbus_vsp_scsi, write_same_repeats_a_block_or_gives_it_back)
{
	struct disk_counters n;

	fill();
	memset(buf, 0x55, 512);
	RUN_OUT(512, 0x41, 0, 0, 0, 0, 100, 0, 1, 0, 0);
	expect_good(512);
	cr_assert(is_all(99, 0xAA) && is_all(100, 0x55) && is_all(355, 0x55) && is_all(356, 0xAA));
	memset(buf, 0, 512);
	RUN_OUT(512, 0x93, 0x08, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 4, 0, 0);
	expect_good(512);
	disk_counters(t.lun[0], &n);
	cr_assert_eq(n.discards, 1);
	cr_assert(is_all(103, 0) && is_all(104, 0x55));
	memset(buf, 0x11, 512);
	RUN_OUT(512, 0x93, 0x08, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0);
	expect_good(512);
	cr_assert(is_all(8, 0x11), "a block that is not zeros is written even so");
	RUN_OUT(0, 0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0);
	expect_good(0);
	cr_assert(is_all(8, 0), "no data means zeros");
	RUN_OUT(512, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0);
	expect_sense(5, 0x24, 0);
	RUN_OUT(511, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0);
	expect_sense(5, 0x24, 0);
	RUN_OUT(512, 0x93, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1, 0, 0);
	expect_sense(5, 0x21, 0);
}

/* ---- What is not there ---------------------------------------------------------------------- */

Test(vmbus_vsp_scsi, unknown_and_short_commands_are_refused)
{
	static const uint8_t unknown[] = {0x04, 0x15, 0x5E, 0x5F, 0x7F, 0x85, 0xA1, 0xA3, 0xFF};
	uint8_t cdb[16] = {0};

	for (size_t i = 0; i < sizeof(unknown); i++) {
		cdb[0] = unknown[i];
		run_on(0, cdb, 16, 512);
		expect_sense(5, 0x20, 0);
	}
	cdb[0] = 0x28;
	run_on(0, cdb, 9, 512);
	expect_sense(5, 0x24, 0);
	cdb[0] = 0x88;
	run_on(0, cdb, 10, 512);
	expect_sense(5, 0x24, 0);
	run_on(0, cdb, 0, 512);
	expect_sense(5, 0x24, 0);
}

/* ---- Images --------------------------------------------------------------------------------- */

Test(vmbus_vsp_scsi, an_image_is_written_by_one_only)
{
	struct disk *other;

	cr_assert_eq(disk_open(&other, path, false), -EBUSY);
	cr_assert(strstr(err_text(), "in use"), "%s", err_text());
	cr_assert_eq(disk_open(&other, path, true), -EBUSY);
	teardown();
	make(512, true);
	cr_assert_eq(disk_open(&other, path, true), 0, "readers share it");
	disk_close(other);
}

Test(vmbus_vsp_scsi, what_is_no_image_is_refused)
{
	struct disk *d;
	char odd[SCRATCH_PATH];

	cr_assert_eq(disk_open(&d, "/nonexistent/disk", false), -ENOENT);
	cr_assert_null(d);
	cr_assert_eq(disk_open(&d, "/dev/null", false), -EINVAL);
	cr_assert_eq(disk_open(&d, "/tmp", true), -EINVAL);
	bed_file(odd, 1000);
	cr_assert_eq(disk_open(&d, odd, false), -EINVAL);
	cr_assert(strstr(err_text(), "1000 bytes"), "%s", err_text());
	truncate(odd, 0);
	cr_assert_eq(disk_open(&d, odd, false), -EINVAL);
	bed_file_gone(odd);
}

Test(vmbus_vsp_scsi, an_image_cut_behind_our_back_is_a_medium_error)
{
	struct disk_counters n;

	cr_assert_eq(truncate(path, 512), 0);
	RUN(512, 0x28, 0, 0, 0, 0, 9, 0, 0, 1, 0);
	expect_sense(3, 0x11, 0);
	disk_counters(t.lun[0], &n);
	cr_assert_eq(n.errors, 1);
}
