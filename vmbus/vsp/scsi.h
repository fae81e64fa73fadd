/* SPDX-License-Identifier: BSD-3-Clause */
/* A SCSI target of direct-access disks: one command in, its status out. It keeps no state between
 * commands (a disk is always ready, sense comes with the status), so that several threads may run
 * commands at the same time. [SPC-3], [SBC-3]. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmbus/vsp/disk.h"

#define SCSI_LUNS_MAX  64u
#define SCSI_CDB_MAX   16u
#define SCSI_SENSE_LEN 18u

enum scsi_status { SCSI_GOOD = 0x00, SCSI_CHECK_CONDITION = 0x02 };

struct scsi_target {
	struct disk *lun[SCSI_LUNS_MAX]; /* NULL: no such unit; borrowed */
	uint64_t id;			 /* the units' identities are made of it */
	uint32_t max_transfer;		 /* bytes in one command */
};

struct scsi_cmd {
	/* in */
	uint8_t cdb[SCSI_CDB_MAX];
	uint8_t cdb_len;
	uint8_t lun;
	struct iovec *iov; /* the initiator's buffer; what it points to may change any time */
	unsigned int nr_iov;
	uint32_t len; /* bytes of it */
	/* out */
	bool is_absent; /* no such unit: the rest is not set */
	uint8_t status; /* enum scsi_status */
	uint8_t sense[SCSI_SENSE_LEN];
	uint32_t done; /* bytes that were moved */
};

/* any.  Runs @c to its end (blocks on the disk). @c->iov is used up. */
void scsi_execute(const struct scsi_target *t, struct scsi_cmd *c);
