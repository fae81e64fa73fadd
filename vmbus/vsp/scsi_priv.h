/* SPDX-License-Identifier: BSD-3-Clause */
/* Private to vmbus/vsp/scsi*.c. */
#pragma once

#include "vmbus/vsp/scsi.h"

enum scsi_sense_key {
	SCSI_KEY_NONE = 0x0,
	SCSI_KEY_MEDIUM_ERROR = 0x3,
	SCSI_KEY_ILLEGAL_REQUEST = 0x5,
	SCSI_KEY_DATA_PROTECT = 0x7,
};

/* Additional sense code and its qualifier: asc << 8 | ascq. */
enum scsi_asc {
	SCSI_ASC_NONE = 0x0000,
	SCSI_ASC_WRITE_ERROR = 0x0C00,
	SCSI_ASC_READ_ERROR = 0x1100,
	SCSI_ASC_PARAM_LENGTH = 0x1A00,
	SCSI_ASC_INVALID_OPCODE = 0x2000,
	SCSI_ASC_LBA_OUT_OF_RANGE = 0x2100,
	SCSI_ASC_INVALID_FIELD = 0x2400,
	SCSI_ASC_WRITE_PROTECTED = 0x2700,
	SCSI_ASC_SPACE_FAILED = 0x2707,
	SCSI_ASC_SAVING_UNSUPPORTED = 0x3900,
};

#define SCSI_UNMAP_DESC_MAX	64u
#define SCSI_WRITE_SAME_MAX	65536u /* blocks */
#define SCSI_MODE_WRITE_PROTECT 0x80u
#define SCSI_MODE_DPO_FUA	0x10u

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

static inline void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static inline void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)(v >> 32));
	put32(p + 4, (uint32_t)v);
}

/* Ends @c in a CHECK CONDITION. */
void scsi_fail(struct scsi_cmd *c, enum scsi_sense_key key, enum scsi_asc asc);
/* Sends @data to the initiator: the least of @len, what it allows (@alloc) and its buffer. */
void scsi_reply(struct scsi_cmd *c, const void *data, uint32_t len, uint32_t alloc);
/* Copies @len bytes of the initiator's buffer from its beginning: once. False when it is shorter. */
bool scsi_fetch(const struct scsi_cmd *c, void *dst, uint32_t len);

/* scsi_info.c: what tells of the unit. @d may be NULL only for REPORT LUNS and INQUIRY. */
void scsi_inquiry(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c);
void scsi_report_luns(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c);
void scsi_request_sense(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c);
void scsi_mode_sense(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c);
void scsi_capacity10(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c);
void scsi_service_in16(const struct scsi_target *t, struct disk *d, struct scsi_cmd *c);
