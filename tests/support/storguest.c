/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest's storvsc. */
#include "tests/support/storguest.h"

#include <criterion/criterion.h>
#include <string.h>

static uint32_t place(uint32_t i)
{
	return i * 7 % SG_PAGES;
}

uint8_t *sg_page(struct bed *b, uint32_t i)
{
	return b->ram + 4096u * place(i);
}

uint64_t sg_pfn(uint32_t i)
{
	return (BED_GPA >> 12) + place(i);
}

static void copy(struct bed *b, const struct sg_req *r, uint8_t *buf, bool is_out)
{
	uint32_t off = r->off, left = r->len;

	for (uint32_t i = r->page; left; i++) {
		uint32_t n = 4096 - off < left ? 4096 - off : left;

		if (is_out)
			memcpy(sg_page(b, i) + off, buf, n);
		else
			memcpy(buf, sg_page(b, i) + off, n);
		buf += n;
		left -= n;
		off = 0;
	}
}

void sg_fill(struct bed *b, const struct sg_req *r, const void *src)
{
	copy(b, r, (uint8_t *)src, true);
}

void sg_fetch(struct bed *b, const struct sg_req *r, void *dst)
{
	copy(b, r, dst, false);
}

struct vstor_packet sg_get(struct bed_chan *ch, uint64_t *id)
{
	struct vmbus_pkt_desc d;
	struct vstor_packet p;

	cr_assert_eq(bed_recv(ch, &d, &p, sizeof(p)), sizeof(p));
	cr_assert_eq(d.type, VMBUS_PKT_COMPLETION);
	cr_assert_eq(p.operation, VSTOR_COMPLETE_IO);
	*id = d.trans_id;
	return p;
}

struct vstor_packet sg_say(struct bed_chan *ch, uint32_t op, const struct vstor_packet *in)
{
	struct vstor_packet p = in ? *in : (struct vstor_packet){0};
	uint64_t id;

	p.operation = op;
	p.flags = VSTOR_FLAG_COMPLETION;
	bed_send(ch, VMBUS_PKT_INBAND, 1, SG_INIT_ID, NULL, 0, &p, sizeof(p));
	p = sg_get(ch, &id);
	cr_assert_eq(id, SG_INIT_ID);
	return p;
}

struct bed_chan *sg_start(struct bed *b, uint32_t pages)
{
	struct bed_chan *ch = bed_find(b, VSTOR_CLASS);
	struct vstor_packet p = {.version = {VSTOR_V6_2, 0}};

	cr_assert_not_null(ch);
	cr_assert_eq(bed_open(b, ch, pages), 0);
	cr_assert_eq(sg_say(ch, VSTOR_BEGIN_INITIALIZATION, NULL).status, 0);
	cr_assert_eq(sg_say(ch, VSTOR_QUERY_PROTOCOL_VERSION, &p).status, 0);
	cr_assert_eq(sg_say(ch, VSTOR_QUERY_PROPERTIES, NULL).status, 0);
	cr_assert_eq(sg_say(ch, VSTOR_END_INITIALIZATION, NULL).status, 0);
	return ch;
}

void sg_put(struct bed_chan *ch, uint64_t id, const struct sg_req *r)
{
	struct vstor_packet p = {.operation = VSTOR_EXECUTE_SRB, .flags = VSTOR_FLAG_COMPLETION};
	uint64_t ranges[2 + SG_PAGES];
	uint32_t n = (r->off + r->len + 4095) / 4096;

	p.srb.length = sizeof(p.srb);
	p.srb.path_id = r->path;
	p.srb.target_id = r->target;
	p.srb.lun = r->lun;
	p.srb.cdb_length = r->cdb_len;
	p.srb.sense_info_length = VSTOR_SENSE_MAX;
	p.srb.data_in = r->dir;
	p.srb.data_transfer_length = r->len;
	memcpy(p.srb.cdb, r->cdb, sizeof(r->cdb));
	if (!r->len) {
		bed_send(ch, VMBUS_PKT_INBAND, 1, id, NULL, 0, &p, sizeof(p));
		return;
	}
	ranges[0] = 1ull << 32; /* one range */
	ranges[1] = (uint64_t)r->off << 32 | r->len;
	for (uint32_t i = 0; i < n; i++)
		ranges[2 + i] = sg_pfn(r->page + i);
	bed_send(ch, VMBUS_PKT_GPA_DIRECT, 1, id, ranges, 16 + 8 * n, &p, sizeof(p));
}

struct vstor_packet sg_run(struct bed_chan *ch, const struct sg_req *r)
{
	struct vstor_packet p;
	uint64_t id;

	sg_put(ch, 42, r);
	p = sg_get(ch, &id);
	cr_assert_eq(id, 42);
	return p;
}

struct sg_req sg_rw(bool is_write, uint8_t lun, uint32_t lba, uint16_t blocks, uint32_t page,
		    uint32_t off)
{
	return (struct sg_req){
		.lun = lun,
		.cdb = {is_write ? 0x2A : 0x28, 0, (uint8_t)(lba >> 24), (uint8_t)(lba >> 16),
			(uint8_t)(lba >> 8), (uint8_t)lba, 0, (uint8_t)(blocks >> 8),
			(uint8_t)blocks},
		.cdb_len = 10,
		.dir = is_write ? VSTOR_DATA_OUT : VSTOR_DATA_IN,
		.off = off,
		.len = blocks * 512u,
		.page = page,
	};
}
