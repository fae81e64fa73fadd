/* SPDX-License-Identifier: BSD-3-Clause */
/* The command table, and the commands that touch blocks. What describes a unit is in scsi_info.c. */
#include "vmbus/vsp/scsi_priv.h"

#include <errno.h>
#include <string.h>

/* ---- The initiator's buffer ----------------------------------------------------------------- */

void scsi_fail(struct scsi_cmd *c, enum scsi_sense_key key, enum scsi_asc asc)
{
	c->status = SCSI_CHECK_CONDITION;
	c->done = 0;
	memset(c->sense, 0, sizeof(c->sense));
	c->sense[0] = 0x70; /* fixed format, current error */
	c->sense[2] = (uint8_t)key;
	c->sense[7] = SCSI_SENSE_LEN - 8;
	put16(c->sense + 12, asc);
}

void scsi_reply(struct scsi_cmd *c, const void *data, uint32_t len, uint32_t alloc)
{
	const uint8_t *from = data;

	len = len < alloc ? len : alloc;
	len = len < c->len ? len : c->len;
	c->done = len;
	for (unsigned int i = 0; len && i < c->nr_iov; i++) {
		uint32_t n = c->iov[i].iov_len < len ? (uint32_t)c->iov[i].iov_len : len;

		memcpy(c->iov[i].iov_base, from, n);
		from += n;
		len -= n;
	}
}

bool scsi_fetch(const struct scsi_cmd *c, void *dst, uint32_t len)
{
	uint8_t *to = dst;

	if (len > c->len)
		return false;
	for (unsigned int i = 0; len && i < c->nr_iov; i++) {
		uint32_t n = c->iov[i].iov_len < len ? (uint32_t)c->iov[i].iov_len : len;

		memcpy(to, c->iov[i].iov_base, n);
		to += n;
		len -= n;
	}
	return true;
}

/* Cuts the buffer to its first @len bytes. */
static void cut(struct scsi_cmd *c, uint32_t len)
{
	unsigned int i;

	for (i = 0; len && i < c->nr_iov; i++) {
		if (c->iov[i].iov_len > len)
			c->iov[i].iov_len = len;
		len -= (uint32_t)c->iov[i].iov_len;
	}
	c->nr_iov = i;
}

/* ---- Blocks --------------------------------------------------------------------------------- */

struct extent {
	uint64_t lba;
	uint64_t nr; /* blocks */
};

/* Where LBA and count lie in a CDB is the same for all commands of a group. */
static struct extent extent_of(const uint8_t *cdb)
{
	switch (cdb[0] >> 5) {
	case 0: return (struct extent){get32(cdb) & 0x1FFFFF, cdb[4] ? cdb[4] : 256u};
	case 4: return (struct extent){get64(cdb + 2), get32(cdb + 10)};
	case 5: return (struct extent){get32(cdb + 2), get32(cdb + 6)};
	default: return (struct extent){get32(cdb + 2), get16(cdb + 7)};
	}
}

static bool is_inside(const struct disk *d, struct extent e)
{
	return e.lba <= disk_blocks(d) && e.nr <= disk_blocks(d) - e.lba;
}

static bool check_extent(const struct disk *d, struct scsi_cmd *c, struct extent e)
{
	if (is_inside(d, e))
		return true;
	scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LBA_OUT_OF_RANGE);
	return false;
}

static bool check_writable(const struct disk *d, struct scsi_cmd *c)
{
	if (!disk_is_readonly(d))
		return true;
	scsi_fail(c, SCSI_KEY_DATA_PROTECT, SCSI_ASC_WRITE_PROTECTED);
	return false;
}

static void fail_write(struct scsi_cmd *c, int rc)
{
	if (rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG)
		scsi_fail(c, SCSI_KEY_DATA_PROTECT, SCSI_ASC_SPACE_FAILED);
	else
		scsi_fail(c, SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_WRITE_ERROR);
}

/* The extent of a READ or WRITE, which must be inside the disk and fit the buffer. */
static bool prepare(const struct disk *d, struct scsi_cmd *c, struct extent *e)
{
	*e = extent_of(c->cdb);
	if (!check_extent(d, c, *e))
		return false;
	if (e->nr > c->len / DISK_BLOCK) {
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD);
		return false;
	}
	cut(c, (uint32_t)e->nr * DISK_BLOCK);
	return true;
}

static void read_blocks(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	struct extent e;

	if (!prepare(d, c, &e))
		return;
	if (disk_read(d, e.lba * DISK_BLOCK, c->iov, c->nr_iov))
		scsi_fail(c, SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_READ_ERROR);
	else
		c->done = (uint32_t)e.nr * DISK_BLOCK;
}

static void write_blocks(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	bool is_fua = c->cdb[0] >> 5 && c->cdb[1] & 0x08;
	struct extent e;
	int rc;

	if (!check_writable(d, c) || !prepare(d, c, &e))
		return;
	rc = disk_write(d, e.lba * DISK_BLOCK, c->iov, c->nr_iov);
	if (!rc && is_fua)
		rc = disk_flush(d);
	if (rc)
		fail_write(c, rc);
	else
		c->done = (uint32_t)e.nr * DISK_BLOCK;
}

/* Without a comparison (BYTCHK 0) nothing is left to do but to check the range. */
static void verify(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	if (c->cdb[1] & 0x06)
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD);
	else
		check_extent(d, c, extent_of(c->cdb));
}

static void synchronize_cache(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	int rc;

	if (!check_extent(d, c, extent_of(c->cdb)) || disk_is_readonly(d))
		return;
	rc = disk_flush(d);
	if (rc)
		fail_write(c, rc);
}

static bool is_zero(const uint8_t *block)
{
	return !block[0] && !memcmp(block, block + 1, DISK_BLOCK - 1);
}

/* [SBC-3] 5.43: with UNMAP blocks may be given back if they read as the block that came. */
static void write_same(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	bool wants_unmap = c->cdb[1] & 0x08, has_no_data = c->cdb[0] == 0x93 && c->cdb[1] & 0x01;
	struct extent e = extent_of(c->cdb);
	uint8_t block[DISK_BLOCK] = {0};
	uint64_t at = e.lba * DISK_BLOCK, len = e.nr * DISK_BLOCK;
	uint64_t max = wants_unmap ? DISK_DISCARD_MAX / DISK_BLOCK : SCSI_WRITE_SAME_MAX;
	bool can_discard;
	int rc;

	if (!check_writable(d, c) || !check_extent(d, c, e))
		return;
	if (!e.nr || e.nr > max || c->cdb[1] & 0xF0 || (wants_unmap && !disk_can_discard(d)) ||
	    (!has_no_data && !scsi_fetch(c, block, sizeof(block)))) {
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD);
		return;
	}
	can_discard = wants_unmap && is_zero(block);
	if (!can_discard && e.nr > SCSI_WRITE_SAME_MAX) {
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD);
		return;
	}
	rc = can_discard ? disk_discard(d, at, len) : disk_fill(d, at, len, block);
	if (rc)
		fail_write(c, rc);
	else
		c->done = has_no_data ? 0 : DISK_BLOCK;
}

/* Checks all descriptors before the first is done: a refused command changes nothing. */
static enum scsi_asc check_unmap(const struct disk *d, const uint8_t *desc, uint32_t nr)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < nr; i++) {
		struct extent e = {get64(desc + 16 * i), get32(desc + 16 * i + 8)};

		if (!is_inside(d, e))
			return SCSI_ASC_LBA_OUT_OF_RANGE;
		sum += e.nr;
	}
	return sum > DISK_DISCARD_MAX / DISK_BLOCK ? SCSI_ASC_INVALID_FIELD : SCSI_ASC_NONE;
}

static void unmap(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	uint8_t list[8 + 16 * SCSI_UNMAP_DESC_MAX];
	uint32_t len = get16(c->cdb + 7), nr;
	enum scsi_asc asc;
	int rc = 0;

	if (!check_writable(d, c) || !len)
		return;
	if (!disk_can_discard(d) || c->cdb[1] & 0x01) {
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST,
			  c->cdb[1] & 0x01 ? SCSI_ASC_INVALID_FIELD : SCSI_ASC_INVALID_OPCODE);
		return;
	}
	if (len < 8 || len > sizeof(list) || !scsi_fetch(c, list, len) ||
	    get16(list + 2) > len - 8) {
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
		return;
	}
	nr = get16(list + 2) / 16;
	asc = check_unmap(d, list + 8, nr);
	if (asc != SCSI_ASC_NONE) {
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, asc);
		return;
	}
	for (uint32_t i = 0; i < nr && !rc; i++) {
		const uint8_t *desc = list + 8 + 16 * i;

		if (get32(desc + 8))
			rc = disk_discard(d, get64(desc) * DISK_BLOCK,
					  (uint64_t)get32(desc + 8) * DISK_BLOCK);
	}
	if (rc)
		fail_write(c, rc);
	else
		c->done = len;
}

/* The unit is always ready and cannot be stopped, nor its medium be taken out. */
static void succeed(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
}

/* ---- Table ---------------------------------------------------------------------------------- */

typedef void (*scsi_fn)(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c);

static const scsi_fn table[256] = {
	[0x00] = succeed, /* TEST UNIT READY */
	[0x03] = scsi_request_sense,
	[0x08] = read_blocks,
	[0x0A] = write_blocks,
	[0x12] = scsi_inquiry,
	[0x1A] = scsi_mode_sense,
	[0x1B] = succeed, /* START STOP UNIT */
	[0x1E] = succeed, /* PREVENT ALLOW MEDIUM REMOVAL */
	[0x25] = scsi_capacity10,
	[0x28] = read_blocks,
	[0x2A] = write_blocks,
	[0x2F] = verify,
	[0x35] = synchronize_cache,
	[0x41] = write_same,
	[0x42] = unmap,
	[0x5A] = scsi_mode_sense,
	[0x88] = read_blocks,
	[0x8A] = write_blocks,
	[0x8F] = verify,
	[0x91] = synchronize_cache,
	[0x93] = write_same,
	[0x9E] = scsi_service_in16,
	[0xA0] = scsi_report_luns,
	[0xA8] = read_blocks,
	[0xAA] = write_blocks,
	[0xAF] = verify,
};

static uint8_t cdb_len_of(uint8_t opcode)
{
	static const uint8_t len[8] = {6, 10, 10, 16, 16, 12, 6, 6};

	return len[opcode >> 5];
}

/* Linux takes any answer to an INQUIRY for a good one, and one without data for a disk: a unit that is not
 * there has to say so. LUN 0 must tell what units there are even when it is not one itself. */
static bool is_for_absent(const struct scsi_cmd *c)
{
	return c->cdb[0] == 0x12 || (c->lun == 0 && c->cdb[0] == 0xA0);
}

void scsi_execute(const struct scsi_target *t, struct scsi_cmd *c)
{
	struct disk *d = c->lun < SCSI_LUNS_MAX ? t->lun[c->lun] : NULL;
	scsi_fn fn = table[c->cdb[0]];

	c->status = SCSI_GOOD;
	c->done = 0;
	c->is_absent = !d && !is_for_absent(c);
	if (c->is_absent)
		return;
	if (!fn)
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_OPCODE);
	else if (c->cdb_len > SCSI_CDB_MAX || c->cdb_len < cdb_len_of(c->cdb[0]))
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD);
	else
		fn(t, d, c);
}
