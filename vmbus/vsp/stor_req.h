/* SPDX-License-Identifier: BSD-3-Clause */
/* One request to the SCSI controller: from a ring packet to a SCSI command over guest memory, and
 * from the command's end to the completion. Pure but for the memory that the packet names. */
#pragma once

#include "base/gmem.h"
#include <nethv/abi/storvsc.h>
#include <nethv/abi/vmbus.h>

#include "vmbus/vsp/scsi.h"

#define STOR_MAX_TRANSFER (512u << 10)
#define STOR_PFNS_MAX	  (STOR_MAX_TRANSFER / 4096 + 1) /* it may begin inside a page */

struct stor_req {
	uint64_t trans_id;
	struct vstor_packet pkt; /* private copy; becomes the completion */
	uint32_t len;		 /* bytes of the buffer */
	unsigned int nr_iov;
	struct iovec iov[STOR_PFNS_MAX];
};

/* any.  Reads the packet @pkt (d->len8 * 8 bytes, private). @r->iov lies in guest memory. 0 or -EPROTO
 * (text set). */
int stor_req_parse(struct stor_req *r, const struct gmem *gm, const struct vmbus_pkt_desc *d,
		   const uint8_t *pkt);

/* any.  Runs the SRB of @r (EXECUTE_SRB) and makes its completion. Blocks on the disk. */
void stor_req_execute(struct stor_req *r, const struct scsi_target *t);
