/* SPDX-License-Identifier: BSD-3-Clause */
/* Disks through the whole stack (ring, vstor, SCSI, file) against arrays: random reads, writes, trims,
 * flushes and re-opened channels, several requests at a time that do not touch the same blocks. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/prng.h"
#include "tests/support/storguest.h"

#define BLOCKS 1500u
#define DISKS  3u
#define BATCH  6u
#define PAGES  (SG_PAGES / BATCH) /* of a request's buffer */
#define LIMIT  ((PAGES - 1) * 8u) /* blocks */

struct naive_op {
	bool is_trim;
	uint32_t lba, nr;
	struct sg_req r;
};

static uint8_t naive_disk[DISKS][BLOCKS * 512];
static struct bed b;
static struct bed_chan *ch;
static char path[DISKS][SCRATCH_PATH];
static struct prng rng;

static void put32be(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static bool overlaps(const struct naive_op *op, uint32_t nr, const struct naive_op *with)
{
	for (uint32_t i = 0; i < nr; i++) {
		if (op[i].r.lun == with->r.lun && op[i].lba < with->lba + with->nr &&
		    with->lba < op[i].lba + op[i].nr)
			return true;
	}
	return false;
}

static void make_trim(struct naive_op *op, uint32_t page)
{
	uint8_t list[24] = {0, 22, 0, 16};

	op->is_trim = true;
	put32be(list + 12, op->lba);
	put32be(list + 16, op->nr);
	op->r = (struct sg_req){.lun = op->r.lun,
				.cdb = {0x42, [8] = 24},
				.cdb_len = 10,
				.len = 24,
				.page = page,
				.off = op->r.off};
	sg_fill(&b, &op->r, list);
}

static void make_op(struct naive_op *op, uint32_t page)
{
	static uint8_t data[LIMIT * 512];
	uint8_t lun = (uint8_t)prng_below(&rng, DISKS);
	bool is_write = prng_below(&rng, 2);

	op->is_trim = false;
	op->nr = 1 + prng_below(&rng, prng_below(&rng, 4) ? 16 : LIMIT);
	op->lba = prng_below(&rng, BLOCKS - op->nr + 1);
	op->r = sg_rw(is_write, lun, op->lba, (uint16_t)op->nr, page, prng_below(&rng, 4096));
	if (!is_write)
		return;
	for (uint32_t i = 0; i < op->r.len; i += 8) {
		uint64_t v = prng_next(&rng);

		memcpy(data + i, &v, 8);
	}
	sg_fill(&b, &op->r, data);
}

static void check(const struct naive_op *op)
{
	static uint8_t got[LIMIT * 512];
	uint8_t *at = naive_disk[op->r.lun] + op->lba * 512;

	if (op->is_trim) {
		memset(at, 0, op->nr * 512);
	} else if (op->r.dir == VSTOR_DATA_OUT) {
		sg_fetch(&b, &op->r, at);
	} else {
		sg_fetch(&b, &op->r, got);
		cr_assert_eq(memcmp(got, at, op->nr * 512), 0, "disk %u, %u blocks at %u",
			     op->r.lun, op->nr, op->lba);
	}
}

static void batch(void)
{
	struct naive_op op[BATCH];
	uint32_t nr = 0;
	uint64_t id;

	for (uint32_t i = 0; i < BATCH; i++) {
		make_op(&op[nr], i * PAGES);
		if (overlaps(op, nr, &op[nr]))
			continue;
		if (prng_below(&rng, 5) == 0)
			make_trim(&op[nr], i * PAGES);
		sg_put(ch, nr, &op[nr].r);
		nr++;
	}
	for (uint32_t i = 0; i < nr; i++) {
		struct vstor_packet p = sg_get(ch, &id);

		cr_assert_lt(id, nr);
		cr_assert_eq(p.srb.srb_status, VSTOR_SRB_SUCCESS);
		cr_assert_eq(p.srb.data_transfer_length, op[id].r.len);
		check(&op[id]);
	}
}

static void flush(void)
{
	struct sg_req r = {.cdb = {0x35}, .cdb_len = 10, .dir = VSTOR_DATA_NONE};

	r.lun = (uint8_t)prng_below(&rng, DISKS);
	cr_assert_eq(sg_run(ch, &r).srb.srb_status, VSTOR_SRB_SUCCESS);
}

static void check_files(void)
{
	static uint8_t file[BLOCKS * 512];

	for (uint32_t i = 0; i < DISKS; i++) {
		FILE *f = fopen(path[i], "rb");

		cr_assert_eq(fread(file, 1, sizeof(file), f), sizeof(file));
		cr_assert_eq(fgetc(f), EOF);
		fclose(f);
		cr_assert_eq(memcmp(file, naive_disk[i], sizeof(file)), 0, "disk %u", i);
	}
}

Test(prop_vmbus_vsp_stor, disks_behave_like_arrays, .timeout = 200)
{
	struct vsp_disk_cfg disk[DISKS];
	unsigned int steps = prng_steps(1500);

	prng_init(&rng);
	bed_init(&b);
	for (uint32_t i = 0; i < DISKS; i++) {
		bed_file(path[i], BLOCKS * 512);
		disk[i] = (struct vsp_disk_cfg){path[i], false};
	}
	cr_assert_eq(bed_create(&b, disk, DISKS, false), 0, "%s", err_text());
	ch = sg_start(&b, 8);
	for (unsigned int i = 0; i < steps; i++) {
		batch();
		if (prng_below(&rng, 20) == 0)
			flush();
		if (prng_below(&rng, 50) == 0) {
			bed_close(ch);
			sg_start(&b, 2 + prng_below(&rng, 8));
		}
	}
	bed_fini(&b);
	check_files();
	for (uint32_t i = 0; i < DISKS; i++)
		bed_file_gone(path[i]);
}
