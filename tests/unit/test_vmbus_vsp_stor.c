/* SPDX-License-Identifier: BSD-3-Clause */
/* The SCSI controller over its channel: Linux's dialogue, requests in flight, full rings, resets,
 * closing, and each field of a packet wrong. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "tests/support/storguest.h"
#include "vmbus/vsp/stor_req.h"

#define BLOCKS 4096u

static struct bed b;
static struct bed_chan *ch;
static char path[2][SCRATCH_PATH];

static void setup(void)
{
	struct vsp_disk_cfg disk[2] = {{path[0], false}, {path[1], true}};

	bed_init(&b);
	bed_file(path[0], BLOCKS * 512);
	bed_file(path[1], BLOCKS * 512);
	cr_assert_eq(bed_create(&b, disk, 2, false), 0, "%s", err_text());
	ch = bed_find(&b, VSTOR_CLASS);
}

static void teardown(void)
{
	bed_fini(&b);
	bed_file_gone(path[0]);
	bed_file_gone(path[1]);
}

TestSuite(vmbus_vsp_stor, .init = setup, .fini = teardown, .timeout = 120);

/* ---- Offer and dialogue --------------------------------------------------------------------- */

Test(vmbus_vsp_stor, one_controller_is_offered_with_a_stable_name)
{
	struct vmbus_guid first = ch->cfg.if_instance, zero = {0};

	cr_assert_eq(b.nr_chans, 1);
	cr_assert_eq(ch->cfg.flags, 0);
	cr_assert_eq(ch->cfg.pipe_mode, 0);
	cr_assert_neq(memcmp(&first, &zero, sizeof(zero)), 0);
	bed_fini(&b);
	bed_file_gone(path[0]);
	bed_file_gone(path[1]);
	setup();
	cr_assert_eq(memcmp(&first, &ch->cfg.if_instance, sizeof(first)), 0);
}

Test(vmbus_vsp_stor, the_dialogue_of_linux)
{
	struct vstor_packet p = {.version = {0x0700, 0}};

	cr_assert_eq(bed_open(&b, ch, 32), 0);
	cr_assert_eq(sg_say(ch, VSTOR_BEGIN_INITIALIZATION, NULL).status, 0);
	cr_assert_neq(sg_say(ch, VSTOR_QUERY_PROTOCOL_VERSION, &p).status, 0, "try a lower one");
	p.version.version = 0x0402;
	cr_assert_neq(sg_say(ch, VSTOR_QUERY_PROTOCOL_VERSION, &p).status, 0);
	p.version.version = VSTOR_V6_0;
	cr_assert_eq(sg_say(ch, VSTOR_QUERY_PROTOCOL_VERSION, &p).status, 0);
	p = sg_say(ch, VSTOR_QUERY_PROPERTIES, NULL);
	cr_assert_eq(p.status, 0);
	cr_assert_eq(p.properties.max_channel_count, 0);
	cr_assert_eq(p.properties.flags, 0);
	cr_assert_eq(p.properties.max_transfer_bytes, STOR_MAX_TRANSFER);
	cr_assert_eq(p.properties.max_transfer_bytes % 4096, 0);
	cr_assert_eq(sg_say(ch, VSTOR_END_INITIALIZATION, NULL).status, 0);
	cr_assert_neq(sg_say(ch, VSTOR_CREATE_SUB_CHANNELS, NULL).status, 0, "there are none");
	cr_assert_neq(sg_say(ch, VSTOR_FCHBA_DATA, NULL).status, 0);
	cr_assert_neq(sg_say(ch, 99, NULL).status, 0);
}

Test(vmbus_vsp_stor, each_version_is_taken)
{
	static const uint16_t version[] = {VSTOR_V6_2, VSTOR_V6_0, VSTOR_V5_1};

	for (int i = 0; i < 3; i++) {
		struct vstor_packet p = {.version = {version[i], 0}};

		cr_assert_eq(bed_open(&b, ch, 8), 0);
		sg_say(ch, VSTOR_BEGIN_INITIALIZATION, NULL);
		cr_assert_eq(sg_say(ch, VSTOR_QUERY_PROTOCOL_VERSION, &p).status, 0);
		bed_close(ch);
	}
}

/* ---- Requests ------------------------------------------------------------------------------- */

static void pattern(uint8_t *p, uint32_t len, uint32_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 13 + i / 256 + seed);
}

Test(vmbus_vsp_stor, scattered_pages_at_any_offset_are_written_and_read)
{
	static uint8_t want[STOR_MAX_TRANSFER], got[STOR_MAX_TRANSFER];
	static const uint16_t blocks[] = {1, 7, 8, 9, 65, 1024};

	sg_start(&b, 32);
	for (int i = 0; i < 6; i++) {
		for (uint32_t off = 0; off < 4096; off += 1365) {
			struct sg_req w = sg_rw(true, 0, 100 + i, blocks[i], 3, off);
			struct sg_req r = sg_rw(false, 0, 100 + i, blocks[i], 21, 4095 - off);
			struct vstor_packet p;

			pattern(want, w.len, off + i);
			sg_fill(&b, &w, want);
			p = sg_run(ch, &w);
			cr_assert_eq(p.srb.srb_status, VSTOR_SRB_SUCCESS);
			cr_assert_eq(p.srb.scsi_status, 0);
			cr_assert_eq(p.srb.data_transfer_length, w.len);
			p = sg_run(ch, &r);
			cr_assert_eq(p.srb.srb_status, VSTOR_SRB_SUCCESS);
			sg_fetch(&b, &r, got);
			cr_assert_eq(memcmp(want, got, w.len), 0, "%u blocks at %u", blocks[i],
				     off);
		}
	}
}

Test(vmbus_vsp_stor, what_scsi_refuses_comes_with_sense)
{
	struct sg_req w = sg_rw(true, 1, 0, 1, 0, 0); /* the read-only one */
	struct vstor_packet p;

	sg_start(&b, 32);
	p = sg_run(ch, &w);
	cr_assert_eq(p.srb.srb_status, VSTOR_SRB_ERROR | VSTOR_SRB_AUTOSENSE_VALID);
	cr_assert_eq(p.srb.scsi_status, 2);
	cr_assert_eq(p.srb.sense_info_length, 18);
	cr_assert_eq(p.srb.sense[0], 0x70);
	cr_assert_eq(p.srb.sense[2], 7);
	cr_assert_eq(p.srb.sense[12], 0x27);
	cr_assert_eq(p.srb.data_transfer_length, 0);
}

Test(vmbus_vsp_stor, a_scan_finds_two_units_and_no_ghosts)
{
	struct sg_req r = {.cdb = {0x12, 0, 0, 0, 36}, .cdb_len = 6, .dir = 1, .len = 36};
	uint8_t data[36];

	sg_start(&b, 32);
	for (r.path = 0; r.path < 8; r.path++) {
		for (r.target = 0; r.target < 2; r.target++) {
			for (r.lun = 0; r.lun < 4; r.lun++) {
				bool is_there = !r.path && !r.target && r.lun < 2;
				struct vstor_packet p = sg_run(ch, &r);

				/* Linux takes no other answer to this for a "no". */
				cr_assert_eq(p.srb.srb_status, VSTOR_SRB_SUCCESS);
				cr_assert_eq(p.srb.data_transfer_length, 36);
				sg_fetch(&b, &r, data);
				cr_assert_eq(data[0], is_there ? 0 : 0x7F);
			}
		}
	}
}

Test(vmbus_vsp_stor, a_target_that_is_not_there_has_no_units)
{
	struct sg_req luns = {
		.cdb = {0xA0, [9] = 64}, .cdb_len = 12, .dir = 1, .len = 64, .target = 1};
	struct sg_req ready = {.cdb_len = 6, .dir = VSTOR_DATA_NONE, .path = 3};
	struct vstor_packet p;

	sg_start(&b, 32);
	p = sg_run(ch, &luns);
	cr_assert_eq(p.srb.srb_status, VSTOR_SRB_SUCCESS);
	cr_assert_eq(p.srb.data_transfer_length, 8);
	p = sg_run(ch, &ready);
	cr_assert_eq(p.srb.srb_status, VSTOR_SRB_INVALID_LUN);
	cr_assert_eq(p.srb.scsi_status, 2);
	cr_assert_eq(p.srb.data_transfer_length, 0);
}

Test(vmbus_vsp_stor, a_request_without_a_buffer)
{
	struct sg_req r = {.cdb_len = 6, .dir = VSTOR_DATA_NONE};
	struct vstor_packet p;

	sg_start(&b, 32);
	p = sg_run(ch, &r);
	cr_assert_eq(p.srb.srb_status, VSTOR_SRB_SUCCESS);
}

Test(vmbus_vsp_stor, many_requests_at_a_time_are_each_completed_once)
{
	uint8_t seen[300] = {0};
	uint64_t id;

	sg_start(&b, 32);
	for (uint64_t sent = 0, done = 0; done < 300;) {
		while (sent < 300 && sent - done < 100) {
			struct sg_req r = sg_rw(sent % 2, 0, (uint32_t)sent * 8, 8, sent % 100, 0);

			sg_put(ch, sent++, &r);
		}
		cr_assert_eq(sg_get(ch, &id).srb.srb_status, VSTOR_SRB_SUCCESS);
		cr_assert_lt(id, 300);
		cr_assert_eq(seen[id]++, 0);
		done++;
	}
	cr_assert_not(bed_has_packet(ch));
}

/* The guest takes nothing: the host stops when the ring can hold no more answers, asks to be rung, and
 * goes on when there is room. */
Test(vmbus_vsp_stor, a_full_ring_stops_the_host_and_room_wakes_it)
{
	struct sg_req r = {.cdb_len = 6, .dir = VSTOR_DATA_NONE};
	uint32_t *pending;
	uint64_t id;

	sg_start(&b, 2); /* 46 answers fill one ring, 37 requests the other */
	pending = &ch->in.ctrl->pending_send_sz;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 80; i++)
			sg_put(ch, 1, &r);
		while (!__atomic_load_n(pending, __ATOMIC_ACQUIRE))
			sched_yield();
		cr_assert_lt(*pending, ch->in.size - 8, "more would never be free");
		for (int i = 0; i < 80; i++)
			cr_assert_eq(sg_get(ch, &id).srb.srb_status, VSTOR_SRB_SUCCESS);
		cr_assert_not(bed_has_packet(ch));
		cr_assert_eq(__atomic_load_n(pending, __ATOMIC_ACQUIRE), 0);
	}
}

Test(vmbus_vsp_stor, a_reset_is_over_after_what_came_before_it)
{
	static const uint32_t op[] = {VSTOR_RESET_LUN, VSTOR_RESET_ADAPTER, VSTOR_RESET_BUS};
	struct vstor_packet reset = {.flags = 1};
	struct sg_req r = sg_rw(true, 0, 0, 8, 0, 0);
	uint64_t id;

	sg_start(&b, 32);
	for (int i = 0; i < 3; i++) {
		reset.operation = op[i];
		for (int j = 0; j < 8; j++)
			sg_put(ch, 1, &r);
		bed_send(ch, VMBUS_PKT_INBAND, 1, UINT64_MAX - 3, NULL, 0, &reset, sizeof(reset));
		sg_put(ch, 2, &r);
		for (int j = 0; j < 8; j++) {
			sg_get(ch, &id);
			cr_assert_eq(id, 1);
		}
		cr_assert_eq(sg_get(ch, &id).status, 0);
		cr_assert_eq(id, UINT64_MAX - 3);
		sg_get(ch, &id);
		cr_assert_eq(id, 2);
	}
}

/* ---- Closing -------------------------------------------------------------------------------- */

Test(vmbus_vsp_stor, nothing_is_touched_after_close)
{
	static uint8_t snap[STOR_MAX_TRANSFER];
	struct sg_req r = sg_rw(false, 0, 0, 1024, 0, 0);

	for (int i = 0; i < 20; i++) {
		sg_start(&b, 8);
		for (int j = 0; j < 15; j++)
			sg_put(ch, 1, &r);
		bed_close(ch);
		sg_fill(&b, &r, memset(snap, 0x77, sizeof(snap)));
		for (int j = 0; j < 16; j++)
			memset(ch->page[j], 0x77, 4096);
		fd_kick(ch->bell);
	}
	sg_start(&b, 8);
	sg_fetch(&b, &r, snap);
	cr_assert(snap[0] == 0x77 && !memcmp(snap, snap + 1, sizeof(snap) - 1));
	for (int j = 0; j < 16; j++)
		memset(ch->page[j], 0, 1);
}

Test(vmbus_vsp_stor, interrupts_follow_the_target)
{
	struct sg_req r = {.cdb_len = 6, .dir = VSTOR_DATA_NONE};

	sg_start(&b, 8);
	cr_assert_eq(ch->irq_vp, 0);
	ch->ops->retarget(ch->ctx, 3);
	sg_run(ch, &r);
	cr_assert_eq(ch->irq_vp, 3);
}

Test(vmbus_vsp_stor, destroying_closes_what_is_open)
{
	struct sg_req r = sg_rw(true, 0, 0, 1024, 0, 0);

	sg_start(&b, 32);
	for (int j = 0; j < 30; j++)
		sg_put(ch, 1, &r);
	vsp_destroy(b.v);
	b.v = NULL;
	cr_assert_not(ch->is_open);
}

Test(vmbus_vsp_stor, rings_of_no_data_are_refused)
{
	cr_assert_eq(bed_open(&b, ch, 1), -EINVAL);
	cr_assert(strstr(err_text(), "at least 2"), "%s", err_text());
	sg_start(&b, 2);
}

/* ---- Status --------------------------------------------------------------------------------- */

Test(vmbus_vsp_stor, status_counts)
{
	static struct vsp_status st;
	struct sg_req w = sg_rw(true, 0, 0, 4, 0, 0), r = sg_rw(false, 1, 0, 2, 0, 0);

	vsp_status(b.v, &st);
	cr_assert_str_eq(st.scsi_state, "closed");
	cr_assert_not(st.has_integration);
	sg_start(&b, 32);
	sg_run(ch, &w);
	sg_run(ch, &r);
	sg_run(ch, &r);
	vsp_status(b.v, &st);
	cr_assert_str_eq(st.scsi_state, "ready");
	cr_assert_eq(st.nr_disks, 2);
	cr_assert_str_eq(st.disk[0].path, path[0]);
	cr_assert(!st.disk[0].readonly && st.disk[1].readonly);
	cr_assert_eq(st.disk[0].bytes, BLOCKS * 512);
	cr_assert(st.disk[0].writes == 1 && st.disk[0].bytes_written == 2048);
	cr_assert(st.disk[1].reads == 2 && st.disk[1].bytes_read == 2048);
}

Test(vmbus_vsp_stor, a_disk_that_cannot_be_had_is_named)
{
	struct vsp_disk_cfg disk[2] = {{path[0], false}, {"/nonexistent/b.img", false}};
	struct bed other;

	bed_init(&other);
	cr_assert_eq(bed_create(&other, disk, 2, true), -EBUSY);
	disk[0].path = disk[1].path;
	cr_assert_eq(bed_create(&other, disk, 2, true), -ENOENT);
	cr_assert(strstr(err_text(), "/nonexistent/b.img"), "%s", err_text());
	cr_assert_eq(other.nr_chans, 0);
	bed_fini(&other);
}

Test(vmbus_vsp_stor, a_failed_offer_takes_back_the_others)
{
	struct bed other;

	for (int i = 1; i <= 4; i++) {
		bed_init(&other);
		other.fail_offer = i;
		cr_assert_eq(bed_create(&other, NULL, 0, true), -ENOSPC);
		cr_assert_null(other.v);
		for (uint32_t j = 0; j < other.nr_chans; j++)
			cr_assert_eq(other.chan[j].bell, -1, "rescinded");
		bed_fini(&other);
	}
}

/* ---- Faults --------------------------------------------------------------------------------- */

/* A packet in all its parts, right as it stands. */
struct raw {
	uint16_t type, flags;
	uint32_t nr_pfn;
	uint32_t reserved, range_count, byte_count, byte_offset;
	uint64_t pfn[3];
	struct vstor_packet p;
	uint32_t len;
};

static struct raw good(void)
{
	struct raw r = {.type = VMBUS_PKT_GPA_DIRECT,
			.flags = 1,
			.range_count = 1,
			.byte_count = 8192,
			.byte_offset = 512,
			.pfn = {sg_pfn(0), sg_pfn(1), sg_pfn(2)},
			.nr_pfn = 3,
			.len = sizeof(struct vstor_packet)};

	r.p.operation = VSTOR_EXECUTE_SRB;
	r.p.srb.cdb_length = 10;
	r.p.srb.sense_info_length = 20;
	r.p.srb.data_in = VSTOR_DATA_IN;
	r.p.srb.data_transfer_length = 8192;
	memcpy(r.p.srb.cdb, ((uint8_t[10]){0x28, [8] = 16}), 10);
	return r;
}

static void put_raw(const struct raw *r)
{
	bed_send(ch, r->type, r->flags, 9, &r->reserved, 16 + 8 * r->nr_pfn, &r->p, r->len);
}

Test(vmbus_vsp_stor, the_packet_that_is_made_wrong_below_is_right)
{
	struct raw r = good();
	uint64_t id;

	sg_start(&b, 32);
	put_raw(&r);
	cr_assert_eq(sg_get(ch, &id).srb.srb_status, VSTOR_SRB_SUCCESS);
	r.len = 52; /* a guest that leaves the end of the union out */
	put_raw(&r);
	cr_assert_eq(sg_get(ch, &id).srb.srb_status, VSTOR_SRB_SUCCESS);
	r.p.srb.data_transfer_length = 512;
	memcpy(r.p.srb.cdb, ((uint8_t[10]){0x28, [8] = 1}), 10);
	put_raw(&r);
	cr_assert_eq(sg_get(ch, &id).srb.data_transfer_length, 512);
}

static void bad_type(struct raw *r)
{
	r->type = 8;
}
static void bad_flags(struct raw *r)
{
	r->flags = 0;
}
static void no_range(struct raw *r)
{
	r->range_count = 0;
}
static void two_ranges(struct raw *r)
{
	r->range_count = 2;
}
static void no_bytes(struct raw *r)
{
	r->byte_count = 0;
}
static void too_long(struct raw *r)
{
	r->byte_count = STOR_MAX_TRANSFER + 1;
}
static void huge(struct raw *r)
{
	r->byte_count = 0xFFFFFFFF;
}
static void bad_offset(struct raw *r)
{
	r->byte_offset = 4096;
}
static void wild_offset(struct raw *r)
{
	r->byte_offset = 0xFFFFFFFF;
}
static void few_pfns(struct raw *r)
{
	r->nr_pfn = 2;
}
static void bad_pfn(struct raw *r)
{
	r->pfn[2] = 1;
}
static void wild_pfn(struct raw *r)
{
	r->pfn[0] = 0xFFFFFFFFFFFFFull;
}
static void wrapping_pfn(struct raw *r)
{
	r->pfn[1] = 1ull << 63 | r->pfn[1];
}
static void short_packet(struct raw *r)
{
	r->len = 40;
}
static void long_cdb(struct raw *r)
{
	r->p.srb.cdb_length = 17;
}
static void long_sense(struct raw *r)
{
	r->p.srb.sense_info_length = 21;
}
static void long_transfer(struct raw *r)
{
	r->p.srb.data_transfer_length = 8193;
}
static void out_of_order(struct raw *r)
{
	r->p.operation = VSTOR_BEGIN_INITIALIZATION;
}

Test(vmbus_vsp_stor, each_wrong_field_closes_the_channel_with_a_reason)
{
	static const struct {
		void (*spoil)(struct raw *r);
		const char *why;
	} row[] = {
		{bad_type, "type 8"},
		{bad_flags, "completion"},
		{no_range, "0 ranges"},
		{two_ranges, "2 ranges"},
		{no_bytes, "buffer of 0 bytes"},
		{too_long, "at most 524288"},
		{huge, "buffer of 4294967295 bytes"},
		{bad_offset, "offset 4096"},
		{wild_offset, "offset 4294967295"},
		{few_pfns, "3 pages"},
		{bad_pfn, "page 0x1 "},
		{wild_pfn, "page 0xfffffffffffff "},
		{wrapping_pfn, "is not memory"},
		{short_packet, "request of 40 bytes"},
		{long_cdb, "CDB of 17"},
		{long_sense, "sense buffer of 21"},
		{long_transfer, "transfer of 8193"},
		{out_of_order, "out of order"},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		static struct vsp_status st;
		struct raw r = good();

		sg_start(&b, 8);
		row[i].spoil(&r);
		put_raw(&r);
		cr_assert(strstr(bed_fault(&b, ch), row[i].why), "row %zu: %s", i, ch->why);
		cr_assert_not(ch->is_open);
		vsp_status(b.v, &st);
		cr_assert_str_eq(st.scsi_state, "closed");
		bed_fini(&b);
		bed_file_gone(path[0]);
		bed_file_gone(path[1]);
		setup();
	}
}

Test(vmbus_vsp_stor, a_request_before_the_dialogue_is_a_fault)
{
	struct sg_req r = {.cdb_len = 6, .dir = VSTOR_DATA_NONE};

	cr_assert_eq(bed_open(&b, ch, 8), 0);
	sg_put(ch, 1, &r);
	cr_assert(strstr(bed_fault(&b, ch), "operation 3 is out of order"), "%s", ch->why);
}

Test(vmbus_vsp_stor, a_transfer_without_a_buffer_is_a_fault)
{
	struct vstor_packet p = {.operation = VSTOR_EXECUTE_SRB, .flags = 1};

	p.srb.data_transfer_length = 1;
	sg_start(&b, 8);
	bed_send(ch, VMBUS_PKT_INBAND, 1, 1, NULL, 0, &p, sizeof(p));
	cr_assert(strstr(bed_fault(&b, ch), "the buffer has 0"), "%s", ch->why);
}

Test(vmbus_vsp_stor, an_index_out_of_place_is_a_fault)
{
	sg_start(&b, 8);
	__atomic_store_n(&ch->out.ctrl->write_index, 12, __ATOMIC_RELEASE);
	fd_kick(ch->bell);
	cr_assert(strstr(bed_fault(&b, ch), "write index"), "%s", ch->why);
}

Test(vmbus_vsp_stor, a_read_index_out_of_place_is_a_fault)
{
	struct sg_req r = {.cdb_len = 6, .dir = VSTOR_DATA_NONE};

	sg_start(&b, 8);
	__atomic_store_n(&ch->in.ctrl->read_index, 0x70000, __ATOMIC_RELEASE);
	sg_put(ch, 1, &r);
	cr_assert(strstr(bed_fault(&b, ch), "read index"), "%s", ch->why);
}

Test(vmbus_vsp_stor, a_malformed_descriptor_is_a_fault)
{
	sg_start(&b, 8);
	memset(ch->page[1], 0xFF, 4096);
	__atomic_store_n(&ch->out.ctrl->write_index, (ch->out.own + 64) % ch->out.size,
			 __ATOMIC_RELEASE);
	fd_kick(ch->bell);
	cr_assert(strstr(bed_fault(&b, ch), "packet of"), "%s", ch->why);
}

Test(vmbus_vsp_stor, a_packet_longer_than_any_request_is_a_fault)
{
	static uint8_t body[8192];

	sg_start(&b, 8);
	bed_send(ch, VMBUS_PKT_INBAND, 1, 1, NULL, 0, body, sizeof(body));
	cr_assert(strstr(bed_fault(&b, ch), "packet of 8208 bytes"), "%s", ch->why);
}

Test(vmbus_vsp_stor, a_flood_of_bells_and_a_masked_guest_do_no_harm)
{
	struct sg_req r = {.cdb_len = 6, .dir = VSTOR_DATA_NONE};
	uint64_t id;

	sg_start(&b, 8);
	for (int i = 0; i < 1000; i++)
		fd_kick(ch->bell);
	__atomic_store_n(&ch->in.ctrl->interrupt_mask, 1, __ATOMIC_SEQ_CST);
	fd_drain(ch->irq);
	sg_put(ch, 1, &r);
	while (!bed_has_packet(ch))
		;
	cr_assert_eq(sg_get(ch, &id).srb.srb_status, VSTOR_SRB_SUCCESS);
	cr_assert_not(ch->is_faulted);
}
