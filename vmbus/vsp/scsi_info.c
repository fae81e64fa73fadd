/* SPDX-License-Identifier: BSD-3-Clause */
/* SCSI commands that describe a unit: INQUIRY and its pages, capacity, mode pages, the list of units. */
#include "vmbus/vsp/scsi_priv.h"

#include <stdio.h>
#include <string.h>

#define VENDOR	"NETHV   "
#define PRODUCT "Virtual Disk    "
#define REV	"1.0 "

#define NO_SUCH_UNIT 0x7F /* peripheral qualifier 3, type 31 */

/* An NAA identifier of the locally assigned kind (3), one for each unit. */
static uint64_t unit_id(const struct scsi_target *t, uint8_t lun)
{
	return (t->id & 0x0FFFFFFFFFFFFF00ull) | 0x3000000000000000ull | lun;
}

/* ---- INQUIRY -------------------------------------------------------------------------------- */

static uint32_t page_serial(const struct scsi_target *t, struct disk *d, uint8_t lun, uint8_t *p)
{
	char text[17];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)unit_id(t, lun));
	memcpy(p + 4, text, 16);
	return 20;
}

static uint32_t page_id(const struct scsi_target *t, struct disk *d, uint8_t lun, uint8_t *p)
{
	p[4] = 0x01; /* binary */
	p[5] = 0x03; /* of the unit, NAA */
	p[7] = 8;
	put64(p + 8, unit_id(t, lun));
	return 16;
}

static uint32_t page_limits(const struct scsi_target *t, struct disk *d, uint8_t lun, uint8_t *p)
{
	p[4] = 0x01; /* WRITE SAME of no blocks is refused */
	put16(p + 6, DISK_DISCARD_UNIT / DISK_BLOCK);
	put32(p + 8, t->max_transfer / DISK_BLOCK);
	if (disk_can_discard(d)) {
		put32(p + 20, (uint32_t)(DISK_DISCARD_MAX / DISK_BLOCK));
		put32(p + 24, SCSI_UNMAP_DESC_MAX);
		put32(p + 28, DISK_DISCARD_UNIT / DISK_BLOCK);
	}
	put64(p + 36, SCSI_WRITE_SAME_MAX);
	return 64;
}

static uint32_t page_characteristics(const struct scsi_target *t, struct disk *d, uint8_t lun,
				     uint8_t *p)
{
	put16(p + 4, 1); /* it does not rotate */
	return 64;
}

static uint32_t page_provisioning(const struct scsi_target *t, struct disk *d, uint8_t lun,
				  uint8_t *p)
{
	if (disk_can_discard(d)) {
		p[5] = 0xE4; /* by UNMAP and WRITE SAME; reads as zeros then */
		p[6] = 0x02; /* thin */
	}
	return 8;
}

static uint32_t page_list(const struct scsi_target *t, struct disk *d, uint8_t lun, uint8_t *p);

static const struct {
	uint8_t code;
	uint32_t (*make)(const struct scsi_target *t, struct disk *d, uint8_t lun, uint8_t *p);
} pages[] = {
	{0x00, page_list},   {0x80, page_serial},	   {0x83, page_id},
	{0xB0, page_limits}, {0xB1, page_characteristics}, {0xB2, page_provisioning},
};

#define NR_PAGES (sizeof(pages) / sizeof(pages[0]))

static uint32_t page_list(const struct scsi_target *t, struct disk *d, uint8_t lun, uint8_t *p)
{
	for (size_t i = 0; i < NR_PAGES; i++)
		p[4 + i] = pages[i].code;
	return 4 + NR_PAGES;
}

static void inquiry_page(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	uint8_t p[64] = {0};

	for (size_t i = 0; d && i < NR_PAGES; i++) {
		uint32_t len;

		if (pages[i].code != c->cdb[2])
			continue;
		len = pages[i].make(t, d, c->lun, p);
		p[1] = c->cdb[2];
		put16(p + 2, len - 4);
		scsi_reply(c, p, len, get16(c->cdb + 3));
		return;
	}
	scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD);
}

void scsi_inquiry(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	uint8_t p[36] = {0};

	if (c->cdb[1] & 0x01) {
		inquiry_page(t, d, c);
		return;
	}
	if (c->cdb[2]) {
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD);
		return;
	}
	p[0] = d ? 0x00 : NO_SUCH_UNIT;
	p[2] = 0x05; /* SPC-3 */
	p[3] = 0x12; /* hierarchical LUNs, format 2 */
	p[4] = sizeof(p) - 5;
	p[7] = 0x02; /* queues commands */
	memcpy(p + 8, VENDOR PRODUCT REV, 28);
	scsi_reply(c, p, sizeof(p), get16(c->cdb + 3));
}

/* ---- Others --------------------------------------------------------------------------------- */

void scsi_report_luns(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	uint8_t p[8 + 8 * SCSI_LUNS_MAX] = {0};
	uint32_t len = 8;

	for (uint32_t i = 0; i < SCSI_LUNS_MAX; i++) {
		if (!t->lun[i])
			continue;
		p[len + 1] = (uint8_t)i;
		len += 8;
	}
	put32(p, len - 8);
	scsi_reply(c, p, len, get32(c->cdb + 6));
}

/* Sense comes with the status of the command that failed, so there never is any left. */
void scsi_request_sense(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	uint8_t fixed[SCSI_SENSE_LEN] = {[0] = 0x70, [7] = SCSI_SENSE_LEN - 8};
	uint8_t descriptor[8] = {[0] = 0x72};

	if (c->cdb[1] & 0x01)
		scsi_reply(c, descriptor, sizeof(descriptor), c->cdb[4]);
	else
		scsi_reply(c, fixed, sizeof(fixed), c->cdb[4]);
}

void scsi_capacity10(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	uint64_t last = disk_blocks(d) - 1;
	uint8_t p[8];

	put32(p, last > 0xFFFFFFFF ? 0xFFFFFFFF : (uint32_t)last);
	put32(p + 4, DISK_BLOCK);
	scsi_reply(c, p, sizeof(p), sizeof(p));
}

/* READ CAPACITY(16) is the one service action that we have. */
void scsi_service_in16(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	uint8_t p[32] = {0};

	if ((c->cdb[1] & 0x1F) != 0x10) {
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD);
		return;
	}
	put64(p, disk_blocks(d) - 1);
	put32(p + 8, DISK_BLOCK);
	p[13] = disk_blocks(d) % 8 ? 0 : 3; /* physical blocks of 4 KiB: the host's pages */
	p[14] = disk_can_discard(d) ? 0xC0 : 0;
	scsi_reply(c, p, sizeof(p), get32(c->cdb + 10));
}

/* ---- Mode pages ----------------------------------------------------------------------------- */

enum { MODE_CURRENT, MODE_CHANGEABLE, MODE_DEFAULT, MODE_SAVED };

/* The write cache is the host's page cache; nothing can be changed. */
static uint32_t mode_caching(uint8_t *p, uint8_t control)
{
	p[0] = 0x08;
	p[1] = 18;
	p[2] = control == MODE_CHANGEABLE ? 0 : 0x04; /* WCE */
	return 20;
}

static uint32_t mode_control(uint8_t *p, uint8_t control)
{
	p[0] = 0x0A;
	p[1] = 10;
	p[3] = control == MODE_CHANGEABLE ? 0 : 0x10; /* commands are reordered */
	return 12;
}

void scsi_mode_sense(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c)
{
	uint8_t page = c->cdb[2] & 0x3F, control = c->cdb[2] >> 6, sub = c->cdb[3];
	bool is_6 = c->cdb[0] == 0x1A;
	uint32_t head = is_6 ? 4 : 8, len = head;
	uint8_t p[64] = {0};

	if (control == MODE_SAVED) {
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_SAVING_UNSUPPORTED);
		return;
	}
	if (sub == 0 || sub == 0xFF) {
		if (page == 0x08 || page == 0x3F)
			len += mode_caching(p + len, control);
		if (page == 0x0A || page == 0x3F)
			len += mode_control(p + len, control);
	}
	if (len == head) {
		scsi_fail(c, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD);
		return;
	}
	if (is_6)
		p[0] = (uint8_t)(len - 1);
	else
		put16(p, len - 2);
	p[is_6 ? 2 : 3] = SCSI_MODE_DPO_FUA | (disk_is_readonly(d) ? SCSI_MODE_WRITE_PROTECT : 0);
	scsi_reply(c, p, len, is_6 ? c->cdb[4] : get16(c->cdb + 7));
}
