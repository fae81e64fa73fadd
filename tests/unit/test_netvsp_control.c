/* SPDX-License-Identifier: BSD-3-Clause */
/* The control dialogue over a real ring: which NVSP message is taken at which version, what each is
 * answered with, and which end the channel. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/eal.h"
#include "tests/support/nvspbed.h"
#include "vswitch/vswitch.h"

#define RECV_PAGES 64u
#define RECV	   0x10u
#define SEND	   0x20u
#define SMALL	   0x30u
#define OTHER	   0x40u

static struct bed bed;
static struct vsw_vec vec;

static void setup(void)
{
	static const struct netvsp_nic_cfg cfg = {.mtu = 1500, .max_channels = 4};

	eal_up();
	bed_create(&bed, &cfg, NULL, 200);
	bed_gpadl(&bed, RECV, NULL, bed_alloc(&bed, RECV_PAGES), RECV_PAGES);
	bed_gpadl(&bed, SEND, NULL, bed_alloc(&bed, 8), 8);
	bed_gpadl(&bed, SMALL, NULL, bed_alloc(&bed, 1), 1);
	bed_gpadl(&bed, OTHER, NULL, bed_alloc(&bed, RECV_PAGES), RECV_PAGES);
	bed_open(&bed, 0);
}

static void teardown(void)
{
	bed_destroy(&bed);
}

TestSuite(netvsp_control, .init = setup, .fini = teardown);

static void host(void)
{
	vec.n = 0;
	vec.n = netvsp_rx(bed.nic, 0, &vec);
	if (vec.n)
		netvsp_rx_done(bed.nic, 0, &vec);
}

static bool is_faulted(void)
{
	return bed.nic->chan[0].is_faulted;
}

/* What the guest reads next: a completion with an NVSP message, a bare one, or nothing. */
struct got {
	uint32_t len;
	struct vmbus_pkt_desc d;
	union {
		struct nvsp_msg m;
		uint8_t bytes[1024];
	};
};

static struct got next(void)
{
	uint8_t buf[1100];
	struct got g = {.len = bed_recv(&bed, 0, buf, sizeof(buf))};

	memcpy(&g.d, buf, sizeof(g.d));
	if (g.len > g.d.offset8 * 8u)
		memcpy(g.bytes, buf + g.d.offset8 * 8u, g.len - g.d.offset8 * 8u);
	return g;
}

static struct got ask(const struct nvsp_msg *m)
{
	cr_assert(bed_send_nvsp(&bed, m, 77));
	host();
	if (bed.nic->chan[0].waits_for_path) {
		vsw_event_process(bed.sw);
		host();
	}
	return next();
}

static uint32_t init(uint32_t min, uint32_t max)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_INIT, .init = {min, max}};
	struct got g = ask(&m);

	cr_assert_eq(g.d.type, VMBUS_PKT_COMPLETION);
	cr_assert_eq(g.d.trans_id, 77);
	cr_assert_eq(g.len, 16 + 40);
	cr_assert_eq(g.m.type, NVSP_MSG_INIT_COMPLETE);
	if (g.m.init_complete.version == 0)
		cr_assert_eq(g.m.init_complete.status, NVSP_STATUS_FAIL);
	else
		cr_assert_eq(g.m.init_complete.status, NVSP_STATUS_SUCCESS);
	return g.m.init_complete.version;
}

static const uint32_t versions[] = {NVSP_V1, NVSP_V2, NVSP_V4, NVSP_V5, NVSP_V6, NVSP_V6_1};

/* Each message, the version it came with, and whether it is answered. */
static const struct {
	struct nvsp_msg m;
	uint32_t since;
	uint32_t answer;
} messages[] = {
	{{.type = NVSP_MSG_NDIS_VER, .ndis_ver = {6, 30}}, NVSP_V1, 0},
	{{.type = NVSP_MSG_RECV_BUF, .buf = {RECV, 0xCAFE}}, NVSP_V1, NVSP_MSG_RECV_BUF_COMPLETE},
	{{.type = NVSP_MSG_REVOKE_RECV_BUF, .revoke = {0xCAFE}}, NVSP_V1, 0},
	{{.type = NVSP_MSG_SEND_BUF, .buf = {SEND, 0}}, NVSP_V1, NVSP_MSG_SEND_BUF_COMPLETE},
	{{.type = NVSP_MSG_REVOKE_SEND_BUF}, NVSP_V1, 0},
	{{.type = NVSP_MSG_NDIS_CONFIG, .ndis_config = {1514}}, NVSP_V2, 0},
	{{.type = NVSP_MSG_SWITCH_DATA_PATH}, NVSP_V4, UINT32_MAX},
	{{.type = NVSP_MSG_SUBCHANNEL, .subchannel = {1, 1}}, NVSP_V5, NVSP_MSG_SUBCHANNEL},
};

#define NR_MESSAGES (sizeof(messages) / sizeof(messages[0]))

Test(netvsp_control, every_version_is_agreed_on_alone)
{
	unsigned int i;

	for (i = 0; i < 6; i++)
		cr_expect_eq(init(versions[i], versions[i]), versions[i], "%x", versions[i]);
}

Test(netvsp_control, versions_that_are_none_are_refused_and_the_channel_stays)
{
	static const uint32_t bad[] = {0, 1, 3, 0x00030001, 0x00050001, 0x00060002, UINT32_MAX};
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(init(bad[i], bad[i]), 0, "%x", bad[i]);
	cr_expect_eq(init(NVSP_V6, NVSP_V5), 0, "upside down");
	cr_assert_not(is_faulted());
	cr_assert_eq(bed.nic->st->nvsp_version, 0);
}

Test(netvsp_control, the_highest_of_a_range_is_taken)
{
	cr_expect_eq(init(0, UINT32_MAX), NVSP_V6_1);
	cr_expect_eq(init(NVSP_V1, NVSP_V5 + 5), NVSP_V5);
	bed.nic->cfg.max_version = NVSP_V4;
	cr_expect_eq(init(NVSP_V1, NVSP_V6_1), NVSP_V4);
	cr_expect_eq(init(NVSP_V5, NVSP_V6_1), 0);
}

Test(netvsp_control, no_message_is_taken_before_init)
{
	unsigned int i;

	for (i = 0; i < NR_MESSAGES; i++) {
		cr_expect_eq(ask(&messages[i].m).len, 0, "%u", messages[i].m.type);
		cr_expect(is_faulted(), "%u", messages[i].m.type);
		bed_renew(&bed, 1);
	}
}

Test(netvsp_control, each_message_is_taken_from_its_version_on)
{
	unsigned int i, v;

	for (i = 0; i < NR_MESSAGES; i++) {
		for (v = 0; v < 6; v++) {
			struct got g;

			bed_renew(&bed, 1);
			init(versions[v], versions[v]);
			g = ask(&messages[i].m);
			cr_expect_eq(is_faulted(), versions[v] < messages[i].since, "%u at %x",
				     messages[i].m.type, versions[v]);
			if (is_faulted() || !messages[i].answer)
				cr_expect_eq(g.len, 0, "%u", messages[i].m.type);
			else if (messages[i].answer == UINT32_MAX)
				cr_expect_eq(g.len, 16, "a bare completion, which Linux waits for");
			else
				cr_expect_eq(g.m.type, messages[i].answer);
		}
	}
}

Test(netvsp_control, what_only_hosts_send_ends_the_channel)
{
	static const uint32_t type[] = {0,   2,	  102, 105, 108, 109, 124, 126,	      127,
					128, 130, 131, 132, 134, 135, 136, UINT32_MAX};
	unsigned int i;

	for (i = 0; i < sizeof(type) / sizeof(type[0]); i++) {
		const struct nvsp_msg m = {.type = type[i]};

		bed_renew(&bed, 1);
		init(NVSP_V6_1, NVSP_V6_1);
		cr_expect_eq(ask(&m).len, 0, "%u", type[i]);
		cr_expect(is_faulted(), "%u", type[i]);
	}
}

Test(netvsp_control, who_wants_no_completion_gets_none)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_SWITCH_DATA_PATH, .switch_data_path = {1}};
	const struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND, .offset8 = 2, .len8 = 7};

	init(NVSP_V6_1, NVSP_V6_1);
	cr_assert(bed_send(&bed, 0, &d, NULL, 0, &m, sizeof(m)));
	host();
	vsw_event_process(bed.sw);
	host();
	cr_assert_eq(next().len, 0);
	cr_assert_not(is_faulted());
	cr_assert_eq(ask(&(struct nvsp_msg){.type = NVSP_MSG_SWITCH_DATA_PATH}).len, 16,
		     "the next one is not hidden behind it");
}

Test(netvsp_control, a_data_path_that_there_is_not_ends_the_channel)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_SWITCH_DATA_PATH, .switch_data_path = {2}};

	init(NVSP_V6_1, NVSP_V6_1);
	cr_assert_eq(ask(&m).len, 0);
	cr_assert(is_faulted());
}

static uint32_t recv_buf(uint32_t handle, uint16_t id, struct got *g)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_RECV_BUF, .buf = {handle, id}};

	*g = ask(&m);
	return g->m.recv_buf_complete.status;
}

Test(netvsp_control, the_receive_buffer_is_cut_into_sections)
{
	struct got g;

	init(NVSP_V6_1, NVSP_V6_1);
	cr_assert_eq(recv_buf(RECV, 0xCAFE, &g), NVSP_STATUS_SUCCESS);
	cr_assert_eq(g.m.recv_buf_complete.num_sections, 1);
	cr_assert_eq(g.m.recv_buf_complete.offset, 0);
	cr_assert_eq(g.m.recv_buf_complete.sub_alloc_size, 2048);
	cr_assert_eq(g.m.recv_buf_complete.num_sub_allocs, RECV_PAGES * 2);
	cr_assert_eq(g.m.recv_buf_complete.end_offset, RECV_PAGES * 4096);
	cr_assert_eq(bed.nic->pool.nr, RECV_PAGES * 2);
}

Test(netvsp_control, receive_buffers_that_cannot_be_are_refused)
{
	const struct nvsp_msg revoke = {.type = NVSP_MSG_REVOKE_RECV_BUF};
	struct got g;

	init(NVSP_V6_1, NVSP_V6_1);
	cr_expect_eq(recv_buf(0x99, 0xCAFE, &g), NVSP_STATUS_FAIL, "no such GPADL");
	cr_expect_eq(recv_buf(SMALL, 0xCAFE, &g), NVSP_STATUS_FAIL, "too small");
	cr_expect_eq(recv_buf(RECV, 0xCAFF, &g), NVSP_STATUS_FAIL, "other id");
	cr_expect_eq(recv_buf(RECV, 0xCAFE, &g), NVSP_STATUS_SUCCESS);
	cr_expect_eq(recv_buf(RECV, 0xCAFE, &g), NVSP_STATUS_FAIL, "the same again");
	cr_expect_eq(recv_buf(OTHER, 0xCAFE, &g), NVSP_STATUS_FAIL, "a second one");
	cr_expect_eq(ask(&revoke).len, 0);
	cr_expect_eq(recv_buf(RECV, 0xCAFE, &g), NVSP_STATUS_SUCCESS, "after it was revoked");
	cr_assert_not(is_faulted());
}

Test(netvsp_control, the_mtu_is_kept_between_its_limits)
{
	static const uint32_t mtu[][2] = {{1514, 1500}, {9014, 1500},	   {1000, 986},
					  {0, 68},	{81, 68},	   {82, 68},
					  {83, 69},	{UINT32_MAX, 1500}};
	unsigned int i;

	init(NVSP_V6_1, NVSP_V6_1);
	for (i = 0; i < 8; i++) {
		const struct nvsp_msg m = {.type = NVSP_MSG_NDIS_CONFIG,
					   .ndis_config = {mtu[i][0], 0, 8}};

		cr_expect_eq(ask(&m).len, 0);
		cr_expect_eq(bed.nic->st->mtu, mtu[i][1], "%u: %u", mtu[i][0], bed.nic->st->mtu);
	}
}

static uint32_t subs(uint32_t op, uint32_t num, uint32_t *granted)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_SUBCHANNEL, .subchannel = {op, num}};
	struct got g = ask(&m);

	cr_assert_eq(g.m.type, NVSP_MSG_SUBCHANNEL);
	*granted = g.m.subchannel_complete.num;
	return g.m.subchannel_complete.status;
}

Test(netvsp_control, sub_channels_are_granted_once_and_no_more_than_there_are)
{
	uint32_t n;

	init(NVSP_V6_1, NVSP_V6_1);
	cr_expect_eq(subs(0, 1, &n), NVSP_STATUS_FAIL);
	cr_expect_eq(subs(1, 0, &n), NVSP_STATUS_FAIL);
	cr_expect_eq(subs(1, UINT32_MAX, &n), NVSP_STATUS_SUCCESS);
	cr_expect_eq(n, 3);
	cr_expect_eq(subs(1, 1, &n), NVSP_STATUS_FAIL, "they are given away");
	bed_renew(&bed, 1);
	init(NVSP_V6_1, NVSP_V6_1);
	cr_expect_eq(subs(1, 2, &n), NVSP_STATUS_SUCCESS);
	cr_expect_eq(n, 2, "no more than asked for");
	bed_renew(&bed, 1);
	bed.nic->cfg.max_channels = 1;
	init(NVSP_V6_1, NVSP_V6_1);
	cr_expect_eq(subs(1, 1, &n), NVSP_STATUS_FAIL);
}

Test(netvsp_control, the_send_table_comes_once_when_the_last_sub_channel_is_open)
{
	uint32_t n, i, q, at;
	struct got g;

	init(NVSP_V6_1, NVSP_V6_1);
	cr_assert_eq(subs(1, 3, &n), NVSP_STATUS_SUCCESS);
	bed_open(&bed, 1);
	bed_open(&bed, 2);
	host();
	cr_expect_eq(next().len, 0, "one is not open yet");
	bed_open(&bed, 3);
	host();
	g = next();
	cr_assert_eq(g.d.type, VMBUS_PKT_INBAND);
	cr_expect_eq(g.d.flags, 0);
	cr_assert_eq(g.m.type, NVSP_MSG_INDIRECTION_TABLE);
	cr_assert_eq(g.m.indirection_table.count, NVSP_SEND_TABLE_COUNT);
	at = g.m.indirection_table.offset;
	cr_assert_eq(at, 12);
	cr_assert_lt(g.len - 16, 104, "Linux would look at offset 40");
	for (i = 0; i < NVSP_SEND_TABLE_COUNT; i++) {
		memcpy(&q, g.bytes + at + i * 4, 4);
		cr_expect_eq(q, i % 4);
	}
	host();
	cr_expect_eq(next().len, 0, "once");
	bed.nic->st->nr_subs = 0; /* there is no worker that ctl could offer them to */
}

/* ---- RNDIS --------------------------------------------------------------------------------- */

/* Sends an RNDIS control message by a GPA range; returns the status of its completion. */
static uint32_t rndis(const void *msg, uint32_t len)
{
	static uint64_t pfn;
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
				   .rndis_pkt = {NVSP_CHANNEL_CONTROL, NVSP_SECTION_NONE, 0}};
	struct {
		struct vmbus_pkt_gpa_direct h;
		struct vmbus_gpa_range r;
		uint64_t pfn;
	} list = {{0, 1}, {len, 0}, 0};
	const struct vmbus_pkt_desc d = {.type = VMBUS_PKT_GPA_DIRECT,
					 .offset8 = (sizeof(d) + sizeof(list)) / 8,
					 .len8 = (sizeof(d) + sizeof(list) + sizeof(m)) / 8,
					 .flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED};
	struct got g;

	if (!pfn)
		pfn = bed_alloc(&bed, 1);
	list.pfn = pfn;
	memcpy(bed_page(&bed, pfn), msg, len);
	cr_assert(bed_send(&bed, 0, &d, &list, sizeof(list), &m, sizeof(m)));
	host();
	g = next();
	cr_assert_eq(g.d.type, VMBUS_PKT_COMPLETION);
	cr_assert_eq(g.m.type, NVSP_MSG_RNDIS_PKT_COMPLETE);
	return g.m.rndis_pkt_complete.status;
}

/* The RNDIS answer in its receive section; its length, or 0. Gives the section back. */
static uint32_t answer(void *buf, uint32_t room)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE};
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_COMPLETION, .offset8 = 2, .len8 = 7};
	struct vmbus_xfer_range range;
	uint8_t pkt[256];
	uint32_t len = bed_recv(&bed, 0, pkt, sizeof(pkt));

	if (len == 0)
		return 0;
	memcpy(&range, pkt + 24, sizeof(range));
	cr_assert_leq(range.byte_count, room);
	memcpy(buf, bed.gpadl[0]->flat + range.byte_offset, range.byte_count);
	memcpy(&d.trans_id, pkt + 8, 8);
	cr_assert(bed_send(&bed, 0, &d, NULL, 0, &m, sizeof(m)));
	host();
	return range.byte_count;
}

static void to_rndis(void)
{
	struct got g;

	init(NVSP_V6_1, NVSP_V6_1);
	recv_buf(RECV, 0xCAFE, &g);
}

static const struct rndis_init start = {
	{RNDIS_MSG_INIT, sizeof(start)}, .req_id = 5, .major = 1, .max_xfer_size = 0x4000};

Test(netvsp_control, rndis_init_tells_the_limits)
{
	struct rndis_init_complete c;

	to_rndis();
	cr_assert_eq(rndis(&start, sizeof(start)), NVSP_STATUS_SUCCESS);
	cr_assert_eq(answer(&c, sizeof(c)), 52);
	cr_assert_eq(c.hdr.type, 0x80000002);
	cr_assert_eq(c.hdr.len, 52);
	cr_assert_eq(c.req_id, 5);
	cr_assert_eq(c.status, 0);
	cr_assert_eq(c.major, 1);
	cr_assert_eq(c.dev_flags, 1);
	cr_assert_eq(c.max_pkt_per_msg, 32);
	cr_assert_eq(c.pkt_align_factor, 3);
	cr_assert_eq(bed.nic->pool.nr, RECV_PAGES * 2, "the section came back");
}

Test(netvsp_control, rndis_without_a_receive_buffer_is_not_started)
{
	init(NVSP_V6_1, NVSP_V6_1);
	cr_assert_eq(rndis(&start, sizeof(start)), NVSP_STATUS_INVALID_RNDIS);
	cr_assert_eq(next().len, 0);
	cr_assert_not(bed.nic->st->rndis_ready);
}

Test(netvsp_control, halt_and_reset_stop_delivery)
{
	struct rndis_status_complete halt = {{RNDIS_MSG_HALT, 12}, 9};
	struct rndis_reset_complete c, reset = {{RNDIS_MSG_RESET, 12}, 0};
	uint8_t buf[64];

	to_rndis();
	rndis(&start, sizeof(start));
	answer(buf, sizeof(buf));
	bed.nic->st->packet_filter = 9;
	netvsp_update_rx_on(bed.nic);
	cr_assert_eq(rndis(&reset, 12), NVSP_STATUS_SUCCESS);
	cr_assert_eq(answer(&c, sizeof(c)), 16);
	cr_assert_eq(c.hdr.type, 0x80000006);
	cr_assert_eq(c.addressing_reset, 1);
	cr_assert_eq(atomic_load(&bed.nic->rx_on), 0);
	cr_assert(bed.nic->st->rndis_ready);
	cr_assert_eq(rndis(&halt, 12), NVSP_STATUS_SUCCESS);
	cr_assert_eq(answer(buf, sizeof(buf)), 0, "HALT has no answer of its own");
	cr_assert_not(bed.nic->st->rndis_ready);
}

Test(netvsp_control, keepalive_is_answered)
{
	struct rndis_status_complete c, ask_alive = {{RNDIS_MSG_KEEPALIVE, 12}, 1234};

	to_rndis();
	cr_assert_eq(rndis(&ask_alive, 12), NVSP_STATUS_SUCCESS);
	cr_assert_eq(answer(&c, sizeof(c)), 16);
	cr_assert_eq(c.hdr.type, 0x80000008);
	cr_assert_eq(c.req_id, 1234);
	cr_assert_eq(c.status, 0);
}

Test(netvsp_control, an_unknown_oid_is_answered_as_such)
{
	struct rndis_request q = {.hdr = {RNDIS_MSG_QUERY, 28}, .req_id = 3, .oid = 0x12345678};
	struct rndis_query_complete c;

	to_rndis();
	cr_assert_eq(rndis(&q, 28), NVSP_STATUS_SUCCESS);
	cr_assert_eq(answer(&c, sizeof(c)), 24);
	cr_assert_eq(c.hdr.len, 24);
	cr_assert_eq(c.status, RNDIS_STATUS_NOT_SUPPORTED);
	cr_assert_eq(c.info_len, 0);
	cr_assert_eq(c.info_offset, 16, "Linux wants it even then");
}

Test(netvsp_control, malformed_requests_are_completed_as_invalid_and_the_channel_stays)
{
	static const struct {
		const char *what;
		size_t off;
		uint32_t value;
	} bad[] = {
		{"type 0", 0, 0},
		{"data on the control channel", 0, RNDIS_MSG_PACKET},
		{"an indication", 0, RNDIS_MSG_INDICATE},
		{"type beyond the table", 0, 9},
		{"an answer", 0, 0x80000004},
		{"length 0", 4, 0},
		{"length below the request", 4, 27},
		{"length beyond the message", 4, 33},
		{"length all ones", 4, UINT32_MAX},
		{"buffer one too long", 16, 5},
		{"buffer length that wraps", 16, UINT32_MAX - 19},
		{"buffer inside the header", 20, 19},
		{"buffer behind the end", 20, 25},
		{"buffer offset that wraps", 20, UINT32_MAX - 3},
	};
	unsigned int i;

	to_rndis();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct {
			struct rndis_request q;
			uint32_t info;
		} r = {{.hdr = {RNDIS_MSG_QUERY, 32},
			.oid = OID_GEN_LINK_SPEED,
			.info_len = 4,
			.info_offset = 20}};

		memcpy((uint8_t *)&r + bad[i].off, &bad[i].value, 4);
		cr_expect_eq(rndis(&r, sizeof(r)), NVSP_STATUS_INVALID_RNDIS, "%s", bad[i].what);
		cr_expect_eq(next().len, 0, "%s", bad[i].what);
		cr_assert_not(is_faulted(), "%s", bad[i].what);
	}
}
