/* SPDX-License-Identifier: BSD-3-Clause */
/* One wrong field at a time on the data path: each line takes a good packet, puts one wrong value in
 * one place, and says what must become of it. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tests/integ/hostile.h"

#define FRAME	 200u
#define KEY_OID	 OID_GEN_MAXIMUM_FRAME_SIZE
#define ARRAY(a) (sizeof(a) / sizeof((a)[0]))

/* What is good at first. */
enum base {
	SECTION, /* in-band data, message in send section 3 */
	GPA,	 /* GPA-direct, one range that covers two pages */
	TAGGED,	 /* as SECTION, with a VLAN tag */
	MANY,	 /* as SECTION, three messages: the second is the wrong one */
	DEEP,	 /* as TAGGED, the tag lies deeper than the switch looks */
	QUERY,	 /* RNDIS control in a page */
};

/* Which bytes: of the ring packet, or of the RNDIS message. */
enum where { RING, MSG };

struct field {
	const char *name;
	enum base base;
	enum where where;
	uint16_t off;
	uint8_t width;
	enum want want;
	uint64_t value;
	uint16_t drop;	 /* WANT_DROPPED, WANT_FAILED: reason that is counted */
	const char *why; /* WANT_CLOSED: part of the reason */
};

#define DESC(f)	 offsetof(struct vmbus_pkt_desc, f)
#define NVSP(f)	 (16 + offsetof(struct nvsp_msg, f))
#define RNDIS(f) offsetof(struct rndis_packet, f)
#define PPI(f)	 (44 + offsetof(struct rndis_ppi, f))
#define LIST	 16 /* range list of GPA: reserved, count, byte_count, byte_offset, 2 PFNs */
#define GNVSP(f) (48 + offsetof(struct nvsp_msg, f))
#define BAD	 WANT_FAILED
#define RUNT	 VSW_DROP_runt
#define RNDIS_NO VSW_DROP_bad_rndis

static const struct field fields[] = {
	{"good section", SECTION, RING, DESC(trans_id), 0, WANT_SENT, 0, 0},
	{"good ranges", GPA, RING, DESC(trans_id), 0, WANT_SENT, 0, 0},
	{"good tag", TAGGED, RING, DESC(trans_id), 0, WANT_SENT, 0, 0},
	{"good batch", MANY, RING, DESC(trans_id), 0, WANT_SENT, 0, 0},

	{"descriptor: type 0", SECTION, RING, DESC(type), 2, WANT_CLOSED, 0, 0, "unknown type"},
	{"descriptor: type 7", SECTION, RING, DESC(type), 2, WANT_CLOSED, 7, 0, "unknown type"},
	{"descriptor: type 8", SECTION, RING, DESC(type), 2, WANT_CLOSED, 8, 0, "unknown type"},
	{"descriptor: type 10", SECTION, RING, DESC(type), 2, WANT_CLOSED, 10, 0, "unknown type"},
	{"descriptor: type 65535", SECTION, RING, DESC(type), 2, WANT_CLOSED, 65535, 0,
	 "unknown type"},
	{"descriptor: in-band as GPA-direct", SECTION, RING, DESC(type), 2, WANT_CLOSED, 9, 0},
	{"descriptor: data as completion", SECTION, RING, DESC(type), 2, WANT_CLOSED, 11, 0},
	{"descriptor: offset 0", SECTION, RING, DESC(offset8), 2, WANT_CLOSED, 0, 0, "malformed"},
	{"descriptor: offset 1", SECTION, RING, DESC(offset8), 2, WANT_CLOSED, 1, 0, "malformed"},
	{"descriptor: offset behind the end", SECTION, RING, DESC(offset8), 2, WANT_CLOSED, 8, 0,
	 "malformed"},
	{"descriptor: offset 65535", SECTION, RING, DESC(offset8), 2, WANT_CLOSED, 65535, 0,
	 "malformed"},
	{"descriptor: no payload", SECTION, RING, DESC(offset8), 2, WANT_CLOSED, 7, 0},
	{"descriptor: length 0", SECTION, RING, DESC(len8), 2, WANT_CLOSED, 0, 0, "malformed"},
	{"descriptor: length 1", SECTION, RING, DESC(len8), 2, WANT_CLOSED, 1, 0, "malformed"},
	{"descriptor: longer than what waits", SECTION, RING, DESC(len8), 2, WANT_CLOSED, 8, 0,
	 "malformed"},
	{"descriptor: length 65535", SECTION, RING, DESC(len8), 2, WANT_CLOSED, 65535, 0,
	 "malformed"},
	{"descriptor: no completion wanted", SECTION, RING, DESC(flags), 2, WANT_CLOSED, 0, 0,
	 "no completion"},
	{"descriptor: other flags", SECTION, RING, DESC(flags), 2, WANT_SENT, 0xffff, 0},

	{"section: index behind the buffer", SECTION, RING, NVSP(rndis_pkt.section_index), 4,
	 WANT_CLOSED, 32, 0, "outside the send buffer"},
	{"section: index 2^31", SECTION, RING, NVSP(rndis_pkt.section_index), 4, WANT_CLOSED,
	 1u << 31, 0, "outside the send buffer"},
	{"section: index overflows", SECTION, RING, NVSP(rndis_pkt.section_index), 4, WANT_CLOSED,
	 0x100003, 0, "outside the send buffer"},
	{"section: none, and no ranges", SECTION, RING, NVSP(rndis_pkt.section_index), 4, BAD,
	 NVSP_SECTION_NONE, RNDIS_NO},
	{"section: size 0", SECTION, RING, NVSP(rndis_pkt.section_size), 4, BAD, 0, RNDIS_NO},
	{"section: one byte short", SECTION, RING, NVSP(rndis_pkt.section_size), 4, BAD,
	 44 + FRAME - 1, RNDIS_NO},
	{"section: larger than a section", SECTION, RING, NVSP(rndis_pkt.section_size), 4,
	 WANT_CLOSED, 4097, 0, "outside the send buffer"},
	{"section: size 2^32-1", SECTION, RING, NVSP(rndis_pkt.section_size), 4, WANT_CLOSED,
	 UINT32_MAX, 0, "outside the send buffer"},
	{"section: channel type 7", SECTION, RING, NVSP(rndis_pkt.channel_type), 4, BAD, 7, 0},
	{"NVSP type 0", SECTION, RING, NVSP(type), 4, WANT_CLOSED, 0, 0},
	{"NVSP type 2", SECTION, RING, NVSP(type), 4, WANT_CLOSED, 2, 0},
	{"NVSP type 108", SECTION, RING, NVSP(type), 4, WANT_CLOSED, 108, 0},
	{"NVSP type 128", SECTION, RING, NVSP(type), 4, WANT_CLOSED, 128, 0},
	{"NVSP type 134", SECTION, RING, NVSP(type), 4, WANT_CLOSED, 134, 0},
	{"NVSP type 2^32-1", SECTION, RING, NVSP(type), 4, WANT_CLOSED, UINT32_MAX, 0},

	{"ranges: count 0", GPA, RING, LIST + 4, 4, WANT_CLOSED, 0, 0, "range count"},
	{"ranges: count 2", GPA, RING, LIST + 4, 4, WANT_CLOSED, 2, 0, "cut short"},
	{"ranges: count 2^32-1", GPA, RING, LIST + 4, 4, WANT_CLOSED, UINT32_MAX, 0, "range count"},
	{"ranges: length 0", GPA, RING, LIST + 8, 4, BAD, 0, RNDIS_NO},
	{"ranges: one byte short", GPA, RING, LIST + 8, 4, BAD, 44 + FRAME - 1, RNDIS_NO},
	{"ranges: longer than its pages", GPA, RING, LIST + 8, 4, WANT_CLOSED, 3 * PAGE, 0,
	 "page list"},
	{"ranges: length 2^31", GPA, RING, LIST + 8, 4, WANT_CLOSED, 1u << 31, 0,
	 "bad offset or length"},
	{"ranges: length 2^32-1", GPA, RING, LIST + 8, 4, WANT_CLOSED, UINT32_MAX, 0,
	 "bad offset or length"},
	{"ranges: offset 4096", GPA, RING, LIST + 12, 4, WANT_CLOSED, 4096, 0,
	 "bad offset or length"},
	{"ranges: offset 2^32-1", GPA, RING, LIST + 12, 4, WANT_CLOSED, UINT32_MAX, 0,
	 "bad offset or length"},
	{"ranges: PFN 0", GPA, RING, LIST + 16, 8, WANT_CLOSED, 0, 0, "outside of RAM"},
	{"ranges: PFN before RAM", GPA, RING, LIST + 16, 8, WANT_CLOSED, RAM_FIRST - 1, 0,
	 "outside of RAM"},
	{"ranges: PFN behind RAM", GPA, RING, LIST + 16, 8, WANT_CLOSED, RAM_END, 0,
	 "outside of RAM"},
	{"ranges: second PFN behind RAM", GPA, RING, LIST + 24, 8, WANT_CLOSED, RAM_END, 0,
	 "outside of RAM"},
	{"ranges: PFN 2^52", GPA, RING, LIST + 16, 8, WANT_CLOSED, 1ull << 52, 0, "outside of RAM"},
	{"ranges: PFN overflows into RAM", GPA, RING, LIST + 16, 8, WANT_CLOSED,
	 (1ull << 52) + RAM_FIRST, 0, "outside of RAM"},
	{"ranges: PFN 2^64-1", GPA, RING, LIST + 16, 8, WANT_CLOSED, UINT64_MAX, 0,
	 "outside of RAM"},
	{"ranges: list cut by the offset", GPA, RING, DESC(offset8), 2, WANT_CLOSED, 4, 0},
	{"ranges: no list", GPA, RING, DESC(offset8), 2, WANT_CLOSED, 2, 0},
	{"ranges: and a section", GPA, RING, GNVSP(rndis_pkt.section_index), 4, WANT_SENT, 0, 0},
	{"ranges: and a section outside", GPA, RING, GNVSP(rndis_pkt.section_index), 4, WANT_CLOSED,
	 32, 0, "outside the send buffer"},

	{"message: type 0", SECTION, MSG, RNDIS(hdr.type), 4, BAD, 0, RNDIS_NO},
	{"message: type 2", SECTION, MSG, RNDIS(hdr.type), 4, BAD, 2, RNDIS_NO},
	{"message: type 2^32-1", SECTION, MSG, RNDIS(hdr.type), 4, BAD, UINT32_MAX, RNDIS_NO},
	{"message: length 0", SECTION, MSG, RNDIS(hdr.len), 4, BAD, 0, RNDIS_NO},
	{"message: length 8", SECTION, MSG, RNDIS(hdr.len), 4, BAD, 8, RNDIS_NO},
	{"message: length 43", SECTION, MSG, RNDIS(hdr.len), 4, BAD, 43, RNDIS_NO},
	{"message: shorter than its data", SECTION, MSG, RNDIS(hdr.len), 4, BAD, 44 + FRAME - 1,
	 RNDIS_NO},
	{"message: longer than the packet", SECTION, MSG, RNDIS(hdr.len), 4, BAD, 44 + FRAME + 1,
	 RNDIS_NO},
	{"message: length 2^32-1", SECTION, MSG, RNDIS(hdr.len), 4, BAD, UINT32_MAX, RNDIS_NO},
	{"message: data in the header", SECTION, MSG, RNDIS(data_offset), 4, BAD, 35, RNDIS_NO},
	{"message: data offset 0", SECTION, MSG, RNDIS(data_offset), 4, BAD, 0, RNDIS_NO},
	{"message: data beyond the end", SECTION, MSG, RNDIS(data_offset), 4, BAD, 37, RNDIS_NO},
	{"message: data offset 2^32-1", SECTION, MSG, RNDIS(data_offset), 4, BAD, UINT32_MAX,
	 RNDIS_NO},
	{"message: data offset 2^32-8", SECTION, MSG, RNDIS(data_offset), 4, BAD, UINT32_MAX - 7,
	 RNDIS_NO},
	{"message: no data", SECTION, MSG, RNDIS(data_len), 4, WANT_DROPPED, 0, RUNT},
	{"message: 13 bytes of data", SECTION, MSG, RNDIS(data_len), 4, WANT_DROPPED, 13, RUNT},
	{"message: data too long by one", SECTION, MSG, RNDIS(data_len), 4, BAD, FRAME + 1,
	 RNDIS_NO},
	{"message: data length 2^32-1", SECTION, MSG, RNDIS(data_len), 4, BAD, UINT32_MAX,
	 RNDIS_NO},
	{"message: out-of-band data is ignored", SECTION, MSG, RNDIS(oob_len), 4, WANT_SENT,
	 UINT32_MAX, 0},
	{"message: PPIs outside", SECTION, MSG, RNDIS(ppi_len), 4, BAD, 16, RNDIS_NO},
	{"message: PPI length 2^32-1", SECTION, MSG, RNDIS(ppi_len), 4, BAD, UINT32_MAX, RNDIS_NO},
	{"message: PPI offset without PPIs", SECTION, MSG, RNDIS(ppi_offset), 4, WANT_SENT,
	 UINT32_MAX, 0},
	{"message: second of three broken", MANY, MSG, RNDIS(hdr.type), 4, BAD, 9, RNDIS_NO},
	{"message: second of three runs on", MANY, MSG, RNDIS(hdr.len), 4, BAD, 4096, RNDIS_NO},

	{"frame: the victim's source MAC", SECTION, MSG, 44 + 6, 6, WANT_DROPPED, 0x010a00000002,
	 VSW_DROP_spoofed_mac},
	{"frame: source MAC of a neighbour", SECTION, MSG, 44 + 6, 6, WANT_DROPPED, 0x011400000002,
	 VSW_DROP_spoofed_mac},
	{"frame: group source MAC", SECTION, MSG, 44 + 6, 1, WANT_DROPPED, 3, VSW_DROP_spoofed_mac},
	{"frame: to itself", SECTION, MSG, 44, 6, WANT_DROPPED, 0x021400000002, VSW_DROP_same_port},
	{"frame: in-band tag of another VLAN", SECTION, MSG, 44 + 12, 4, WANT_DROPPED, 0x0a000081,
	 VSW_DROP_vlan_denied},

	{"PPI: size 0", TAGGED, MSG, PPI(size), 4, BAD, 0, RNDIS_NO},
	{"PPI: size 11", TAGGED, MSG, PPI(size), 4, BAD, 11, RNDIS_NO},
	{"PPI: size 12", TAGGED, MSG, PPI(size), 4, BAD, 12, RNDIS_NO},
	{"PPI: size 18", TAGGED, MSG, PPI(size), 4, BAD, 18, RNDIS_NO},
	{"PPI: larger than all", TAGGED, MSG, PPI(size), 4, BAD, 20, RNDIS_NO},
	{"PPI: size 2^32-4", TAGGED, MSG, PPI(size), 4, BAD, UINT32_MAX - 3, RNDIS_NO},
	{"PPI: unknown type", TAGGED, MSG, PPI(type), 4, WANT_SENT, 77, 0},
	{"PPI: checksum that asks for nothing", TAGGED, MSG, PPI(type), 4, WANT_SENT, 0, 0},
	{"PPI: segmentation that was not offered", TAGGED, MSG, PPI(type), 4, WANT_DROPPED, 2,
	 VSW_DROP_bad_offload},
	{"PPI: value in its header", TAGGED, MSG, PPI(offset), 4, BAD, 0, RNDIS_NO},
	{"PPI: value behind it", TAGGED, MSG, PPI(offset), 4, BAD, 13, RNDIS_NO},
	{"PPI: offset 2^32-1", TAGGED, MSG, PPI(offset), 4, BAD, UINT32_MAX, RNDIS_NO},
	{"PPI: the victims' VLAN", TAGGED, MSG, 56, 4, WANT_DROPPED, 10 << 4, VSW_DROP_vlan_denied},
	{"PPI: VLAN 4095", TAGGED, MSG, 56, 4, WANT_DROPPED, 4095 << 4, VSW_DROP_vlan_denied},
	{"PPI: offset in the header", TAGGED, MSG, RNDIS(ppi_offset), 4, BAD, 0, RNDIS_NO},
	{"PPI: offset behind the data", TAGGED, MSG, RNDIS(ppi_offset), 4, BAD, 60, RNDIS_NO},
	{"PPI: offset 2^32-1", TAGGED, MSG, RNDIS(ppi_offset), 4, BAD, UINT32_MAX, RNDIS_NO},
	{"PPI: length 12", TAGGED, MSG, RNDIS(ppi_len), 4, BAD, 12, RNDIS_NO},
	{"PPI: length 17", TAGGED, MSG, RNDIS(ppi_len), 4, BAD, 17, RNDIS_NO},

	{"PPI: behind the private bytes", DEEP, RING, DESC(trans_id), 0, BAD, 0, RNDIS_NO},
	{"control: good", QUERY, RING, DESC(trans_id), 0, WANT_NOTHING, 0, 0},
	{"control: type 0", QUERY, MSG, 0, 4, BAD, 0, 0},
	{"control: type 1", QUERY, MSG, 0, 4, BAD, 1, 0},
	{"control: type 7", QUERY, MSG, 0, 4, BAD, 7, 0},
	{"control: type 9", QUERY, MSG, 0, 4, BAD, 9, 0},
	{"control: a completion", QUERY, MSG, 0, 4, BAD, 0x80000004, 0},
	{"control: length 0", QUERY, MSG, 4, 4, BAD, 0, 0},
	{"control: length 11", QUERY, MSG, 4, 4, BAD, 11, 0},
	{"control: length 27", QUERY, MSG, 4, 4, BAD, 27, 0},
	{"control: longer than sent", QUERY, MSG, 4, 4, BAD, 33, 0},
	{"control: length 2^32-1", QUERY, MSG, 4, 4, BAD, UINT32_MAX, 0},
	{"control: unknown OID", QUERY, MSG, 12, 4, WANT_NOTHING, 0x12345678, 0},
	{"control: question outside", QUERY, MSG, 16, 4, BAD, 5, 0},
	{"control: question length 2^32-1", QUERY, MSG, 16, 4, BAD, UINT32_MAX, 0},
	{"control: question in the header", QUERY, MSG, 20, 4, BAD, 19, 0},
	{"control: question offset 2^32-1", QUERY, MSG, 20, 4, BAD, UINT32_MAX, 0},
	{"control: set too short a filter", QUERY, MSG, 0, 4, WANT_NOTHING, RNDIS_MSG_SET, 0},
	{"control: range of 11 bytes", QUERY, RING, LIST + 8, 4, BAD, 11, 0},
	{"control: range of 4096 bytes", QUERY, RING, LIST + 8, 4, BAD, 4096, 0},
	{"control: PFN behind RAM", QUERY, RING, LIST + 16, 8, WANT_CLOSED, RAM_END, 0,
	 "outside of RAM"},
};

/* Where the messages lie. */
static uint8_t *place(enum base b)
{
	if (b == GPA)
		return evil.page + PAGE - 100; /* the header in one page, the frame in two */
	return b == QUERY ? evil.page : evil.nic.tx + 3 * PAGE;
}

#define DEPTH 120u /* bytes between header and tag */

static uint32_t rndis_deep(uint8_t *at)
{
	const struct rndis_packet h = {.hdr = {RNDIS_MSG_PACKET, 60 + DEPTH + FRAME},
				       .data_offset = 60 + DEPTH - RNDIS_REL,
				       .data_len = FRAME,
				       .ppi_offset = 44 + DEPTH - RNDIS_REL,
				       .ppi_len = 16};

	rndis_marked(at + DEPTH, FRAME, 20);
	memset(at, 0, 44 + DEPTH);
	memcpy(at, &h, sizeof(h));
	return h.hdr.len;
}

/* Builds the good packet and its message. Returns the message that is going to be spoilt. */
static uint8_t *build(enum base b, struct pkt *p)
{
	const struct rndis_request q = {{RNDIS_MSG_QUERY, 32}, 77, KEY_OID, 4,
					sizeof(q) - RNDIS_REL, 0};
	uint8_t *at = place(b);
	uint32_t len, i;

	if (b == QUERY) {
		memset(at, 0, 64);
		memcpy(at, &q, sizeof(q));
		pkt_gpa(p, at, 32, NVSP_CHANNEL_CONTROL);
		return at;
	}
	len = b == DEEP ? rndis_deep(at) : rndis_marked(at, FRAME, b == TAGGED ? 20 : -1);
	for (i = 1; b == MANY && i < 3; i++)
		rndis_marked(at + i * len, FRAME, -1);
	if (b == GPA)
		pkt_gpa(p, at, len, NVSP_CHANNEL_DATA);
	else
		pkt_section(p, 3, b == MANY ? 3 * len : len);
	return b == MANY ? at + len : at;
}

static void push(const struct field *f)
{
	struct pkt p;
	uint8_t *msg = build(f->base, &p);

	memcpy((f->where == RING ? p.b : msg) + f->off, &f->value, f->width);
	evil_push(0, p.b, p.len);
}

static void judge(const struct field *f, const struct vsw_port_stats *before)
{
	struct vsw_port_stats s;
	uint32_t status;

	if (f->want == WANT_CLOSED) {
		evil_must_be_closed(0, f->why);
		switch_port("evil/0", &s);
		must(s.delivered == before->delivered, "and its frame is delivered");
		return;
	}
	status = evil_await(evil.next_id)->word;
	if (f->want == WANT_FAILED)
		must(status == NVSP_STATUS_INVALID_RNDIS, "completed with status %u", status);
	else
		must(status == NVSP_STATUS_SUCCESS, "completed with status %u", status);
	evil_must_balance();
	switch_port("evil/0", &s);
	if (f->drop)
		must(s.drops[f->drop] == before->drops[f->drop] + 1, "no drop %s is counted",
		     vsw_drop_name(f->drop));
	if (f->want == WANT_FAILED || f->want == WANT_DROPPED)
		must(s.delivered == before->delivered + (f->base == MANY), "it is delivered");
	if (f->want == WANT_SENT)
		must(s.delivered > before->delivered && drops_of(&s) == drops_of(before),
		     "it is not delivered");
	evil_must_work();
}

/* ---- The ring's control page ---------------------------------------------------------------------- */

struct ctrl {
	const char *name;
	bool is_in; /* the ring towards us; else the one towards the switch */
	uint16_t off;
	uint32_t value;
	enum want want;
};

#define CTRL(f) offsetof(struct vmbus_ring_ctrl, f)

static const struct ctrl ctrls[] = {
	{"control page: write index not of 8", false, CTRL(write_index), 4, WANT_CLOSED},
	{"control page: write index odd", false, CTRL(write_index), 0xffff, WANT_CLOSED},
	{"control page: write index at the end", false, CTRL(write_index), 31 * PAGE, WANT_CLOSED},
	{"control page: write index behind", false, CTRL(write_index), 32 * PAGE, WANT_CLOSED},
	{"control page: write index 2^31", false, CTRL(write_index), 1u << 31, WANT_CLOSED},
	{"control page: write index 2^32-8", false, CTRL(write_index), UINT32_MAX - 7, WANT_CLOSED},
	{"control page: our read index", false, CTRL(read_index), 0x100, WANT_NOTHING},
	{"control page: our read index wild", false, CTRL(read_index), UINT32_MAX, WANT_NOTHING},
	{"control page: our mask", false, CTRL(interrupt_mask), 77, WANT_NOTHING},
	{"control page: waits for all the ring", false, CTRL(pending_send_sz), UINT32_MAX,
	 WANT_NOTHING},
	{"control page: waits for 1 byte", false, CTRL(pending_send_sz), 1, WANT_NOTHING},
	{"control page: features", false, CTRL(feature_bits), UINT32_MAX, WANT_NOTHING},
	{"control page: read index not of 8", true, CTRL(read_index), 12, WANT_CLOSED},
	{"control page: read index at the end", true, CTRL(read_index), 31 * PAGE, WANT_CLOSED},
	{"control page: read index 2^31", true, CTRL(read_index), 1u << 31, WANT_CLOSED},
	{"control page: read index 2^32-8", true, CTRL(read_index), UINT32_MAX - 7, WANT_CLOSED},
	{"control page: host's write index", true, CTRL(write_index), UINT32_MAX, WANT_NOTHING},
	{"control page: host's waiting size", true, CTRL(pending_send_sz), UINT32_MAX,
	 WANT_NOTHING},
	{"control page: our mask of interrupts", true, CTRL(interrupt_mask), UINT32_MAX,
	 WANT_NOTHING},
};

/* A packet follows, so that the switch looks at both rings. */
static void spoil_ctrl(const struct ctrl *c)
{
	uint8_t *at = (uint8_t *)(c->is_in ? evil.in[0].ctrl : evil.out[0].ctrl) + c->off;
	bool is_index = !c->is_in && c->off == CTRL(write_index);
	struct vmbus_ring *r = &evil.out[0];
	struct pkt p;

	pkt_section(&p, 3, rndis_marked(place(SECTION), FRAME, -1));
	vmbus_ring_write(r, r->own, p.b, p.len);
	r->own = vmbus_ring_wrap(r, r->own + p.len);
	memcpy(at, &c->value, 4);
	evil_publish(0, is_index ? c->value : r->own);
	if (c->want == WANT_CLOSED) {
		evil_must_be_closed(0, "index outside the ring");
		return;
	}
	must(evil_await(evil.next_id)->word == NVSP_STATUS_SUCCESS, "the packet fails");
	evil_must_work();
}

/* ---- NVSP messages ----------------------------------------------------------------------------------- */

struct nvsp {
	const char *name;
	enum evil_level level;
	uint32_t word[4]; /* type and fields */
	enum want want;
	uint32_t status; /* WANT_FAILED: the second word of the answer's fields */
	bool is_asked;	 /* a completion is requested and awaited */
};

/* Words of an answer that say failure: at [1] for most, at [3] for INIT. */
static const struct nvsp nvsps[] = {
	{"NVSP before INIT: NDIS version", EVIL_OPEN, {100, 6, 30}, WANT_CLOSED, 0, false},
	{"NVSP before INIT: receive buffer", EVIL_OPEN, {101, 1, 0xcafe}, WANT_CLOSED, 0, true},
	{"NVSP before INIT: send buffer", EVIL_OPEN, {104, 1}, WANT_CLOSED, 0, true},
	{"NVSP before INIT: configuration", EVIL_OPEN, {125, 1514}, WANT_CLOSED, 0, false},
	{"NVSP before INIT: sub-channels", EVIL_OPEN, {133, 1, 3}, WANT_CLOSED, 0, true},
	{"NVSP before INIT: data", EVIL_OPEN, {107, 0, UINT32_MAX}, WANT_FAILED, 2, true},
	{"NVSP before INIT: section", EVIL_OPEN, {107, 0, 0, 100}, WANT_CLOSED, 0, true},
	{"NVSP INIT: no version", EVIL_OPEN, {1, 0, 0}, WANT_FAILED, 0, true},
	{"NVSP INIT: unknown version", EVIL_OPEN, {1, 0x70000, 0x70000}, WANT_FAILED, 0, true},
	{"NVSP INIT: min above max", EVIL_OPEN, {1, UINT32_MAX, 2}, WANT_FAILED, 0, true},
	{"NVSP INIT: not asked for an answer", EVIL_OPEN, {1, 2, 2}, WANT_NOTHING, 0, false},
	{"NVSP INIT: again, an older one", EVIL_UP, {1, 2, 2}, WANT_NOTHING, 0, true},
	{"NVSP receive buffer: a second one",
	 EVIL_UP,
	 {101, 0x10002, 0xcafe},
	 WANT_FAILED,
	 2,
	 true},
	{"NVSP receive buffer: unknown GPADL",
	 EVIL_UP,
	 {101, 0x7777, 0xcafe},
	 WANT_FAILED,
	 2,
	 true},
	{"NVSP send buffer: a second one", EVIL_UP, {104, 0x10002}, WANT_FAILED, 2, true},
	{"NVSP send buffer: unknown GPADL", EVIL_UP, {104, 0}, WANT_FAILED, 2, true},
	{"NVSP configuration: MTU 0", EVIL_UP, {125, 0}, WANT_NOTHING, 0, false},
	{"NVSP configuration: MTU 2^32-1",
	 EVIL_UP,
	 {125, UINT32_MAX, 0, UINT32_MAX},
	 WANT_NOTHING,
	 0,
	 false},
	{"NVSP NDIS version 2^32-1",
	 EVIL_UP,
	 {100, UINT32_MAX, UINT32_MAX},
	 WANT_NOTHING,
	 0,
	 false},
	{"NVSP data path: a VF that is not there", EVIL_UP, {129, 1}, WANT_NOTHING, 0, true},
	{"NVSP data path: 2^32-1", EVIL_UP, {129, UINT32_MAX}, WANT_CLOSED, 0, false},
	{"NVSP sub-channels: 0", EVIL_UP, {133, 1, 0}, WANT_FAILED, 2, true},
	{"NVSP sub-channels: operation 0", EVIL_UP, {133, 0, 3}, WANT_FAILED, 2, true},
	{"NVSP sub-channels: twice", EVIL_QUEUES, {133, 1, 3}, WANT_FAILED, 2, true},
	{"NVSP sub-channels: 2^32-1", EVIL_UP, {133, 1, UINT32_MAX}, WANT_NOTHING, 0, true},
	{"NVSP revoke of the send buffer in use", EVIL_UP, {106, 0}, WANT_NOTHING, 0, false},
	{"NVSP revoke of no buffer", EVIL_OPEN, {103, 0xcafe}, WANT_CLOSED, 0, false},
};

static void say_good_init(void)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_INIT, .init = {NVSP_V6_1, NVSP_V6_1}};
	struct pkt p;
	uint64_t id = pkt_nvsp(&p, &m);

	evil_push(0, p.b, p.len);
	must(evil_await(id)->word == NVSP_V6_1, "a good INIT fails");
}

static void say_nvsp(const struct nvsp *n)
{
	struct nvsp_msg m = {0};
	const struct evil_done *d;
	struct pkt p;
	uint64_t id;

	memcpy(&m, n->word, sizeof(n->word));
	id = pkt_nvsp(&p, &m);
	if (!n->is_asked)
		p.b[6] = 0;
	evil_push(0, p.b, p.len);
	if (n->want == WANT_CLOSED) {
		evil_must_be_closed(0, NULL);
		return;
	}
	d = n->is_asked ? evil_await(id) : NULL;
	if (n->want == WANT_FAILED && n->status)
		must(d->word == n->status, "answered with %u", d->word);
	if (n->want == WANT_FAILED && !n->status)
		must(d->type == NVSP_MSG_INIT_COMPLETE && d->word == 0, "version %u agreed",
		     d->word);
	say_good_init();
	must(!evil_is_closed(0, NULL), "the channel was closed");
}

void attacks_data(void)
{
	struct vsw_port_stats before;
	unsigned int i;

	for (i = 0; i < ARRAY(fields); i++) {
		attack_begin("data", fields[i].name, EVIL_UP);
		evil_must_balance();
		switch_port("evil/0", &before);
		push(&fields[i]);
		judge(&fields[i], &before);
		attack_end(fields[i].want);
	}
	for (i = 0; i < ARRAY(ctrls); i++) {
		attack_begin("ring", ctrls[i].name, EVIL_UP);
		spoil_ctrl(&ctrls[i]);
		attack_end(ctrls[i].want);
	}
	for (i = 0; i < ARRAY(nvsps); i++) {
		attack_begin("nvsp", nvsps[i].name, nvsps[i].level);
		say_nvsp(&nvsps[i]);
		attack_end(nvsps[i].want);
	}
}

void data_random(struct prng *r, unsigned int q)
{
	const struct field *f = &fields[prng_below(r, ARRAY(fields))];
	struct pkt p;
	uint8_t *msg = build(f->base, &p);
	uint64_t value = prng_below(r, 2) ? f->value : prng_next(r) >> prng_below(r, 64);

	if (prng_below(r, 4))
		memcpy((f->where == RING ? p.b : msg) + f->off, &value, f->width);
	if (vmbus_ring_space(&evil.out[q]) >= (int32_t)p.len)
		evil_push(q, p.b, p.len);
}
