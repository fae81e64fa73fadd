/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests to the SCSI controller: parsing and execution. */
#include "vmbus/vsp/stor_req.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

#define PKT_MIN 48u /* bytes of a vstor packet: some guests leave the end of the union out */

/* Adds @n bytes at @hva, merged with what lies before it. */
static void add_iov(struct stor_req *r, uint8_t *hva, uint32_t n)
{
	struct iovec *last = r->nr_iov ? &r->iov[r->nr_iov - 1] : NULL;

	if (last && (uint8_t *)last->iov_base + last->iov_len == hva)
		last->iov_len += n;
	else
		r->iov[r->nr_iov++] = (struct iovec){hva, n};
}

static int add_pages(struct stor_req *r, const struct gmem *gm, struct vmbus_gpa_range range,
		     const uint8_t *pfns)
{
	uint32_t off = range.byte_offset, left = range.byte_count;

	for (uint32_t i = 0; left; i++) {
		uint32_t n = VMBUS_PAGE_SIZE - off < left ? VMBUS_PAGE_SIZE - off : left;
		uint8_t *page;
		uint64_t pfn;

		memcpy(&pfn, pfns + 8 * i, sizeof(pfn));
		page = gmem_page(gm, pfn);
		if (!page)
			return err_set(-EPROTO, "page 0x%llx of a buffer is not memory",
				       (unsigned long long)pfn);
		add_iov(r, page + off, n);
		left -= n;
		off = 0;
	}
	r->len = range.byte_count;
	return 0;
}

/* The one range of a packet with a buffer: [24, payload) holds its header and its page numbers. */
static int parse_range(struct stor_req *r, const struct gmem *gm, const struct vmbus_pkt_desc *d,
		       const uint8_t *pkt)
{
	uint32_t begin = sizeof(*d) + sizeof(struct vmbus_pkt_gpa_direct), end = d->offset8 * 8u;
	struct vmbus_pkt_gpa_direct head;
	struct vmbus_gpa_range range;
	uint32_t pages;

	if (end < begin + sizeof(range))
		return err_set(-EPROTO, "payload at %u leaves no place for a range", end);
	memcpy(&head, pkt + sizeof(*d), sizeof(head));
	memcpy(&range, pkt + begin, sizeof(range));
	if (head.range_count != 1)
		return err_set(-EPROTO, "%u ranges in a request, want 1", head.range_count);
	if (range.byte_offset >= VMBUS_PAGE_SIZE || !range.byte_count ||
	    range.byte_count > STOR_MAX_TRANSFER)
		return err_set(-EPROTO, "buffer of %u bytes at offset %u, at most %u are allowed",
			       range.byte_count, range.byte_offset, STOR_MAX_TRANSFER);
	pages = (range.byte_offset + range.byte_count + VMBUS_PAGE_SIZE - 1) / VMBUS_PAGE_SIZE;
	if (pages > (end - begin - sizeof(range)) / 8)
		return err_set(-EPROTO, "buffer of %u pages with %u bytes of page numbers", pages,
			       (uint32_t)(end - begin - sizeof(range)));
	return add_pages(r, gm, range, pkt + begin + sizeof(range));
}

static int check_srb(const struct stor_req *r)
{
	const struct vstor_srb *srb = &r->pkt.srb;

	if (srb->cdb_length > VSTOR_CDB_MAX || srb->sense_info_length > VSTOR_SENSE_MAX)
		return err_set(-EPROTO, "CDB of %u bytes, sense buffer of %u", srb->cdb_length,
			       srb->sense_info_length);
	if (srb->data_transfer_length > r->len)
		return err_set(-EPROTO, "transfer of %u bytes, the buffer has %u",
			       srb->data_transfer_length, r->len);
	return 0;
}

int stor_req_parse(struct stor_req *r, const struct gmem *gm, const struct vmbus_pkt_desc *d,
		   const uint8_t *pkt)
{
	uint32_t at = d->offset8 * 8u, len = d->len8 * 8u - at;
	int rc = 0;

	r->trans_id = d->trans_id;
	r->nr_iov = 0;
	r->len = 0;
	memset(&r->pkt, 0, sizeof(r->pkt));
	if (d->type != VMBUS_PKT_INBAND && d->type != VMBUS_PKT_GPA_DIRECT)
		return err_set(-EPROTO, "packet of type %u", d->type);
	if (!(d->flags & VMBUS_PKT_FLAG_COMPLETION_REQUESTED))
		return err_set(-EPROTO, "request that wants no completion");
	if (len < PKT_MIN)
		return err_set(-EPROTO, "request of %u bytes, want %zu", len, sizeof(r->pkt));
	memcpy(&r->pkt, pkt + at, len < sizeof(r->pkt) ? len : sizeof(r->pkt));
	if (d->type == VMBUS_PKT_GPA_DIRECT)
		rc = parse_range(r, gm, d, pkt);
	if (!rc && r->pkt.operation == VSTOR_EXECUTE_SRB)
		rc = check_srb(r);
	return rc;
}

/* Cuts the buffer to what the SRB says of it. */
static void cut(struct stor_req *r, uint32_t len)
{
	uint32_t left = len;
	unsigned int i;

	for (i = 0; left; i++) {
		if (r->iov[i].iov_len > left)
			r->iov[i].iov_len = left;
		left -= (uint32_t)r->iov[i].iov_len;
	}
	r->nr_iov = i;
	r->len = len;
}

static void complete(struct vstor_srb *srb, const struct scsi_cmd *c)
{
	uint8_t n = srb->sense_info_length;

	srb->data_transfer_length = c->is_absent ? 0 : c->done;
	srb->sense_info_length = 0;
	memset(srb->sense, 0, sizeof(srb->sense));
	if (c->is_absent) {
		srb->srb_status = VSTOR_SRB_INVALID_LUN;
		srb->scsi_status = SCSI_CHECK_CONDITION;
		return;
	}
	srb->srb_status = VSTOR_SRB_SUCCESS;
	srb->scsi_status = c->status;
	if (c->status == SCSI_GOOD)
		return;
	srb->srb_status = VSTOR_SRB_ERROR;
	if (n < SCSI_SENSE_LEN)
		return;
	srb->srb_status |= VSTOR_SRB_AUTOSENSE_VALID;
	srb->sense_info_length = SCSI_SENSE_LEN;
	memcpy(srb->sense, c->sense, SCSI_SENSE_LEN);
}

void stor_req_execute(struct stor_req *r, const struct scsi_target *t)
{
	static const struct scsi_target nobody;
	struct vstor_srb *srb = &r->pkt.srb;
	struct scsi_cmd c = {.cdb_len = srb->cdb_length, .lun = srb->lun};

	cut(r, srb->data_transfer_length);
	memcpy(c.cdb, srb->cdb, srb->cdb_length);
	c.iov = r->iov;
	c.nr_iov = r->nr_iov;
	c.len = r->len;
	/* One target on one bus: Linux asks for seven more buses and a second target. */
	scsi_execute(srb->path_id || srb->target_id ? &nobody : t, &c);
	complete(srb, &c);
}
