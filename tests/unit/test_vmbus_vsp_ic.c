/* SPDX-License-Identifier: BSD-3-Clause */
/* Integration components: a guest that answers as hv_utils of Linux does (in the request's own buffer),
 * a clock that the test turns, each field wrong; then the same over real channels. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "tests/support/vspbed.h"
#include "vmbus/vsp/services.h"

/* ---- A guest without a channel -------------------------------------------------------------- */

struct msg {
	struct ic_pipe_hdr pipe;
	struct ic_hdr hdr;
	uint8_t body[sizeof(struct ic_kvp_enumerate)];
} __attribute__((packed));

static struct heartbeat hb;
static struct shutdown sd;
static struct timesync ts;
static struct kvp kvp;
static struct msg last; /* what the host sent */
static uint32_t last_len, sent;
static int send_rc;
static int64_t now;
static uint64_t ref, utc;

static int io_send(void *ctx, const void *payload, uint32_t len)
{
	if (send_rc)
		return send_rc;
	cr_assert_leq(len, sizeof(last));
	memset(&last, 0xEE, sizeof(last));
	memcpy(&last, payload, len);
	last_len = len;
	sent++;
	return 0;
}

static uint64_t io_ref(void *ctx)
{
	return ref;
}

static uint64_t io_utc(void *ctx)
{
	return utc;
}

static const struct ic_io io = {io_send, io_ref, io_utc, NULL};

/* Gives @m, @len bytes with its headers, to the host. */
static int give_len(struct ic *ic, const struct msg *m, uint32_t len)
{
	uint8_t pkt[16 + sizeof(*m) + 8] = {0};
	struct vmbus_pkt_desc d = {
		.type = VMBUS_PKT_INBAND, .offset8 = 2, .len8 = (uint16_t)((16 + len + 7) / 8)};

	memcpy(pkt + 16, m, len);
	return ic_packet(ic, &d, pkt, now);
}

static int give(struct ic *ic, const struct msg *m)
{
	return give_len(ic, m, last_len);
}

/* The host's last message, made an answer. */
static struct msg reply(void)
{
	struct msg m = last;

	m.hdr.flags = IC_FLAG_TRANSACTION | IC_FLAG_RESPONSE;
	return m;
}

/* What Linux answers to a negotiation. */
static struct msg agree(uint16_t fw, uint16_t major, uint16_t minor)
{
	struct ic_version v[2] = {{fw, 0}, {major, minor}};
	struct ic_negotiate n = {1, 1, 0};
	struct msg m = reply();

	m.hdr.size = IC_NEGOTIATED_SIZE;
	memcpy(m.body, &n, sizeof(n));
	memcpy(m.body + sizeof(n), v, sizeof(v));
	return m;
}

static void start(struct ic *ic, const struct ic_service *svc, uint16_t major, uint16_t minor)
{
	struct msg m;

	ic_init(ic, svc, &io);
	cr_assert_eq(ic_open(ic), 0);
	m = agree(3, major, minor);
	cr_assert_eq(give(ic, &m), 0, "%s", err_text());
	cr_assert_eq(ic->state, IC_READY);
}

static void turn(struct ic *ic)
{
	cr_assert_neq(ic->deadline_ms, IC_NEVER, "nothing is due");
	now = ic->deadline_ms;
	cr_assert_eq(ic_timer(ic, now), 0);
}

/* ---- Negotiation ---------------------------------------------------------------------------- */

Test(vmbus_vsp_ic, the_host_speaks_first_and_offers_all_versions)
{
	struct ic_version v[6];
	struct ic_negotiate n;

	ic_init(&sd.ic, &shutdown_service, &io);
	cr_assert_eq(ic_open(&sd.ic), 0);
	cr_assert_eq(last_len, 28 + 8 + 6 * 4);
	cr_assert_eq(last.pipe.type, 1);
	cr_assert_eq(last.pipe.length, last_len - 8);
	cr_assert_eq(last.hdr.type, IC_MSG_NEGOTIATE);
	cr_assert_eq(last.hdr.flags, 3);
	cr_assert_eq(last.hdr.size, 8 + 6 * 4);
	cr_assert_eq(last.hdr.status, 0);
	memcpy(&n, last.body, sizeof(n));
	memcpy(v, last.body + 8, sizeof(v));
	cr_assert(n.framework_count == 2 && n.message_count == 4);
	cr_assert(v[0].major == 1 && v[1].major == 3, "frameworks come first");
	cr_assert(v[5].major == 3 && v[5].minor == 2);
}

Test(vmbus_vsp_ic, what_was_agreed_is_in_each_header)
{
	start(&hb.ic, &heartbeat_service, 3, 0);
	turn(&hb.ic);
	cr_assert_eq(last.hdr.framework.major, 3);
	cr_assert_eq(last.hdr.message.major, 3);
	cr_assert_eq(last.hdr.type, IC_MSG_HEARTBEAT);
}

Test(vmbus_vsp_ic, a_guest_that_knows_no_version_is_left_alone)
{
	struct msg m;

	ic_init(&hb.ic, &heartbeat_service, &io);
	ic_open(&hb.ic);
	m = agree(3, 3, 0);
	memset(m.body, 0, 4);
	cr_assert_eq(give(&hb.ic, &m), 0);
	cr_assert_eq(hb.ic.state, IC_REFUSED);
	cr_assert_eq(hb.ic.deadline_ms, IC_NEVER);
	ic_open(&hb.ic);
	m = agree(3, 3, 0);
	m.hdr.status = IC_STATUS_FAIL;
	cr_assert_eq(give(&hb.ic, &m), 0);
	cr_assert_eq(hb.ic.state, IC_REFUSED);
}

static void bad_fw(struct msg *m)
{
	m->body[8] = 2;
}
static void bad_msg(struct msg *m)
{
	m->body[12] = 9;
}
static void two_fws(struct msg *m)
{
	m->body[0] = 2;
}
static void no_msgs(struct msg *m)
{
	m->body[2] = 0;
}
static void cut_versions(struct msg *m)
{
	m->hdr.size = 12;
}
static void cut_counts(struct msg *m)
{
	m->hdr.size = 7;
}
static void bad_pipe(struct msg *m)
{
	m->pipe.type = 2;
}
static void long_pipe(struct msg *m)
{
	m->pipe.length += 64;
}
static void huge_pipe(struct msg *m)
{
	m->pipe.length = 0xFFFFFFFF;
}
static void short_pipe(struct msg *m)
{
	m->pipe.length = 19;
}
static void long_msg(struct msg *m)
{
	m->hdr.size = (uint16_t)(m->pipe.length - 19);
}
static void bad_type(struct msg *m)
{
	m->hdr.type = IC_MSG_KVP;
}
static void bad_id(struct msg *m)
{
	m->hdr.trans_id++;
}
static void no_response(struct msg *m)
{
	m->hdr.flags = IC_FLAG_REQUEST;
}

Test(vmbus_vsp_ic, each_wrong_field_of_a_negotiation_is_a_fault)
{
	static const struct {
		void (*spoil)(struct msg *m);
		const char *why;
	} row[] = {
		{bad_fw, "2.0 and 3.0 were not offered"},
		{bad_msg, "3.0 and 9.0 were not offered"},
		{two_fws, "2 and 1 versions"},
		{no_msgs, "1 and 0 versions"},
		{cut_versions, "in 12 bytes"},
		{cut_counts, "negotiation of 7"},
		{bad_pipe, "type 2"},
		{long_pipe, "pipe message"},
		{huge_pipe, "4294967295 bytes"},
		{short_pipe, "19 bytes"},
		{long_msg, "in a pipe message"},
		{bad_type, "answer of type 2"},
		{bad_id, "to type 0, id"},
		{no_response, "flags 2"},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct msg m;

		ic_init(&hb.ic, &heartbeat_service, &io);
		cr_assert_eq(ic_open(&hb.ic), 0);
		m = agree(3, 3, 0);
		row[i].spoil(&m);
		cr_assert_eq(give(&hb.ic, &m), -EPROTO, "row %zu", i);
		cr_assert(strstr(err_text(), row[i].why), "row %zu: %s", i, err_text());
	}
}

Test(vmbus_vsp_ic, a_message_cut_anywhere_is_a_fault)
{
	struct msg m;

	for (uint32_t len = 0; len < IC_HDRS_SIZE + 16 - 7; len++) {
		ic_init(&hb.ic, &heartbeat_service, &io);
		ic_open(&hb.ic);
		m = agree(3, 3, 0);
		cr_assert_eq(give_len(&hb.ic, &m, len), -EPROTO, "%u bytes", len);
	}
}

Test(vmbus_vsp_ic, an_answer_to_nothing_is_a_fault)
{
	struct msg m;

	start(&hb.ic, &heartbeat_service, 3, 0);
	m = reply();
	cr_assert_eq(give(&hb.ic, &m), -EPROTO);
	cr_assert(strstr(err_text(), "answers nothing"));
}

Test(vmbus_vsp_ic, only_in_band_packets_are_taken)
{
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_GPA_DIRECT, .offset8 = 2, .len8 = 10};
	uint8_t pkt[80] = {0};

	ic_init(&hb.ic, &heartbeat_service, &io);
	ic_open(&hb.ic);
	cr_assert_eq(ic_packet(&hb.ic, &d, pkt, 0), -EPROTO);
}

/* ---- Heartbeat ------------------------------------------------------------------------------ */

static int beat(uint64_t answer, uint32_t app)
{
	struct msg m = reply();
	struct ic_heartbeat h = {.sequence = answer, .application_state = app};

	memcpy(m.body, &h, sizeof(h));
	return give(&hb.ic, &m);
}

Test(vmbus_vsp_ic, a_heart_beats_every_two_seconds)
{
	struct ic_heartbeat h;

	now = 1000;
	start(&hb.ic, &heartbeat_service, 3, 0);
	cr_assert_eq(hb.seen_ms, -1);
	for (uint64_t i = 0; i < 5; i++) {
		int64_t asked;

		turn(&hb.ic);
		asked = now;
		cr_assert_eq(last_len, 28 + 40);
		memcpy(&h, last.body, sizeof(h));
		cr_assert_eq(h.sequence, i);
		cr_assert_eq(hb.ic.deadline_ms, IC_NEVER, "one request at a time");
		now += 300;
		cr_assert_eq(beat(i + 1, 7), 0);
		cr_assert_eq(hb.seen_ms, now);
		cr_assert_eq(hb.app_state, 7);
		cr_assert_eq(hb.ic.deadline_ms, asked + 2000);
	}
	cr_assert_eq(hb.ic.answers, 5);
}

Test(vmbus_vsp_ic, a_heart_that_beats_wrong)
{
	struct msg m;

	start(&hb.ic, &heartbeat_service, 3, 0);
	turn(&hb.ic);
	cr_assert_eq(beat(0, 0), -EPROTO);
	start(&hb.ic, &heartbeat_service, 3, 0);
	turn(&hb.ic);
	m = reply();
	m.hdr.size = 39;
	cr_assert_eq(give(&hb.ic, &m), -EPROTO);
	start(&hb.ic, &heartbeat_service, 3, 0);
	turn(&hb.ic);
	m = reply();
	m.hdr.status = IC_STATUS_FAIL;
	cr_assert_eq(give(&hb.ic, &m), 0);
	cr_assert_eq(hb.seen_ms, -1);
	cr_assert_neq(hb.ic.deadline_ms, IC_NEVER, "it is asked again");
}

Test(vmbus_vsp_ic, a_full_ring_is_tried_again)
{
	start(&hb.ic, &heartbeat_service, 3, 0);
	send_rc = -EAGAIN;
	turn(&hb.ic);
	cr_assert_eq(hb.ic.deadline_ms, now + IC_RETRY_MS);
	send_rc = 0;
	turn(&hb.ic);
	cr_assert_eq(last.hdr.type, IC_MSG_HEARTBEAT);
	send_rc = -EAGAIN;
	ic_init(&hb.ic, &heartbeat_service, &io);
	cr_assert_eq(ic_open(&hb.ic), -EPROTO, "but a new ring is empty");
}

Test(vmbus_vsp_ic, a_silent_guest_is_waited_for)
{
	start(&hb.ic, &heartbeat_service, 3, 0);
	turn(&hb.ic);
	sent = 0;
	cr_assert_eq(ic_timer(&hb.ic, now + 3600 * 1000), 0);
	cr_assert_eq(sent, 0);
}

/* ---- Shutdown ------------------------------------------------------------------------------- */

Test(vmbus_vsp_ic, shutdown_asks_once_and_tells_the_answer)
{
	struct ic_shutdown m;
	struct msg r;

	ic_init(&sd.ic, &shutdown_service, &io);
	cr_assert_eq(shutdown_request(&sd, VSP_SHUTDOWN_OFF), -ENOTCONN);
	start(&sd.ic, &shutdown_service, 3, 2);
	cr_assert_eq(sd.ic.deadline_ms, IC_NEVER, "nothing is sent by itself");
	cr_assert_eq(shutdown_request(&sd, VSP_SHUTDOWN_OFF), 0);
	cr_assert_eq(last_len, 28 + 2060, "always the whole message");
	memcpy(&m, last.body, sizeof(m));
	cr_assert_eq(m.flags, 0);
	cr_assert_eq(m.reason, 0x80000000);
	cr_assert_eq(m.text[2047], 0);
	cr_assert_eq(sd.answer, VSP_ANSWER_WAITING);
	cr_assert_eq(shutdown_request(&sd, VSP_SHUTDOWN_OFF), -EBUSY);
	r = reply();
	cr_assert_eq(give(&sd.ic, &r), 0);
	cr_assert_eq(sd.answer, VSP_ANSWER_ACCEPTED);
	ic_close(&sd.ic);
	cr_assert_eq(sd.answer, VSP_ANSWER_ACCEPTED, "the guest closes on its way down");
}

Test(vmbus_vsp_ic, a_reboot_that_is_refused)
{
	struct ic_shutdown m;
	struct msg r;

	start(&sd.ic, &shutdown_service, 3, 0);
	cr_assert_eq(shutdown_request(&sd, VSP_SHUTDOWN_REBOOT), 0);
	memcpy(&m, last.body, sizeof(m));
	cr_assert_eq(m.flags, 2);
	r = reply();
	r.hdr.status = IC_STATUS_FAIL;
	cr_assert_eq(give(&sd.ic, &r), 0);
	cr_assert_eq(sd.answer, VSP_ANSWER_REFUSED);
	cr_assert_eq(shutdown_request(&sd, VSP_SHUTDOWN_OFF), 0);
	ic_close(&sd.ic);
	cr_assert_eq(sd.answer, VSP_ANSWER_NONE);
}

/* ---- Time synchronisation ------------------------------------------------------------------- */

Test(vmbus_vsp_ic, time_is_set_once_and_sampled_then)
{
	struct ic_timesync_v4 t;
	struct msg r;

	start(&ts.ic, &timesync_service, 4, 0);
	for (int i = 0; i < 3; i++) {
		ref = 1000u + i;
		utc = 16000000000000000ull + i;
		turn(&ts.ic);
		cr_assert_eq(last_len, 28 + 24);
		memcpy(&t, last.body, sizeof(t));
		cr_assert_eq(t.flags, i ? IC_TIMESYNC_SAMPLE : IC_TIMESYNC_SYNC);
		cr_assert_eq(t.ref_time, ref);
		cr_assert_eq(t.parent_time, utc + 116444736000000000ull);
		r = reply();
		cr_assert_eq(give(&ts.ic, &r), 0);
		cr_assert_eq(ts.ic.deadline_ms, now + 5000);
	}
	ic_open(&ts.ic);
	r = agree(3, 4, 0);
	give(&ts.ic, &r);
	turn(&ts.ic);
	memcpy(&t, last.body, sizeof(t));
	cr_assert_eq(t.flags, IC_TIMESYNC_SYNC, "a new channel begins anew");
}

Test(vmbus_vsp_ic, older_guests_get_the_older_message)
{
	struct ic_timesync_v1 t;

	utc = 5;
	start(&ts.ic, &timesync_service, 3, 0);
	turn(&ts.ic);
	cr_assert_eq(last_len, 28 + 25);
	memcpy(&t, last.body, sizeof(t));
	cr_assert_eq(t.flags, IC_TIMESYNC_SYNC);
	cr_assert_eq(t.parent_time, 116444736000000005ull);
	cr_assert_eq(t.round_trip, 0);
}

/* ---- Key-value pairs ------------------------------------------------------------------------ */

static uint32_t utf16(uint8_t *out, const char *text)
{
	uint32_t n = 0;

	do {
		out[n++] = (uint8_t)*text;
		out[n++] = 0;
	} while (*text++);
	return n;
}

static struct ic_kvp_enumerate pair(const char *key, const char *value)
{
	struct ic_kvp_enumerate m;

	memcpy(&m, last.body, sizeof(m));
	m.value_type = IC_KVP_STRING;
	m.key_size = utf16(m.key, key);
	m.value_size = utf16(m.value, value);
	return m;
}

static int tell(const struct ic_kvp_enumerate *m)
{
	struct msg r = reply();

	memcpy(r.body, m, sizeof(*m));
	return give(&kvp.ic, &r);
}

static int refuse(uint32_t status)
{
	struct msg r = reply();

	r.hdr.status = status;
	return give(&kvp.ic, &r);
}

static const char *const keys[] = {"FullyQualifiedDomainName", "IntegrationServicesVersion",
				   "NetworkAddressIPv4", "OSName"};
static const char *const values[] = {"debian", "3.1", "10.0.0.5;192.168.1.2", "Debian GNU/Linux"};

static void enumerate(uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		struct ic_kvp_enumerate m;

		turn(&kvp.ic);
		memcpy(&m, last.body, sizeof(m));
		cr_assert(m.op == 3 && m.pool == 2 && m.index == i, "index %u", m.index);
		m = pair(keys[i % 4], values[i % 4]);
		cr_assert_eq(tell(&m), 0, "%s", err_text());
	}
}

Test(vmbus_vsp_ic, the_guest_tells_of_itself)
{
	now = 0;
	start(&kvp.ic, &kvp_service, 4, 0);
	cr_assert_eq(kvp.ic.deadline_ms, 5000);
	enumerate(4);
	cr_assert_eq(last_len, 28 + 2580, "always the whole message");
	cr_assert_eq(kvp.nr, 0, "not yet whole");
	turn(&kvp.ic);
	cr_assert_eq(refuse(IC_STATUS_NO_MORE), 0);
	cr_assert_eq(kvp.nr, 4);
	cr_assert_str_eq(kvp.pair[2].key, "NetworkAddressIPv4");
	cr_assert_str_eq(kvp.pair[2].value, "10.0.0.5;192.168.1.2");
	cr_assert_eq(kvp.seen_ms, now);
	cr_assert_eq(kvp.ic.deadline_ms, now + 30000);
	enumerate(2);
	turn(&kvp.ic);
	refuse(IC_STATUS_NO_MORE);
	cr_assert_eq(kvp.nr, 2, "the next round replaces it");
}

Test(vmbus_vsp_ic, a_guest_without_a_daemon_is_asked_again_later)
{
	start(&kvp.ic, &kvp_service, 4, 0);
	for (int i = 0; i < 3; i++) {
		turn(&kvp.ic);
		now += 30000;
		cr_assert_eq(refuse(IC_STATUS_FAIL), 0);
		cr_assert_eq(kvp.nr, 0);
		cr_assert_eq(kvp.seen_ms, -1);
		cr_assert_eq(kvp.ic.deadline_ms, now + 30000);
	}
	enumerate(1);
	turn(&kvp.ic);
	refuse(IC_STATUS_NO_MORE);
	turn(&kvp.ic);
	refuse(IC_STATUS_FAIL);
	cr_assert_eq(kvp.nr, 1, "what was told is kept");
	ic_close(&kvp.ic);
	cr_assert_eq(kvp.nr, 0);
}

Test(vmbus_vsp_ic, an_endless_list_is_cut)
{
	start(&kvp.ic, &kvp_service, 4, 0);
	enumerate(VSP_KVP_MAX);
	cr_assert_eq(kvp.nr, VSP_KVP_MAX);
	cr_assert_eq(kvp.ic.deadline_ms, now + 30000);
}

Test(vmbus_vsp_ic, wrong_key_value_answers_are_faults)
{
	struct ic_kvp_enumerate m;
	struct msg r;

	start(&kvp.ic, &kvp_service, 4, 0);
	turn(&kvp.ic);
	m = pair("k", "v");
	m.key_size = 513;
	cr_assert_eq(tell(&m), -EPROTO);
	start(&kvp.ic, &kvp_service, 4, 0);
	turn(&kvp.ic);
	m = pair("k", "v");
	m.value_size = 0xFFFFFFFF;
	cr_assert_eq(tell(&m), -EPROTO);
	start(&kvp.ic, &kvp_service, 4, 0);
	turn(&kvp.ic);
	m = pair("k", "v");
	m.value_type = 3;
	cr_assert_eq(tell(&m), -EPROTO);
	start(&kvp.ic, &kvp_service, 4, 0);
	turn(&kvp.ic);
	r = reply();
	r.hdr.size--;
	cr_assert_eq(give(&kvp.ic, &r), -EPROTO);
}

Test(vmbus_vsp_ic, numbers_are_shown_as_numbers)
{
	struct vsp_kvp_pair p;
	struct ic_kvp_enumerate m = {.value_type = IC_KVP_U32, .key_size = 2, .key = {'n', 0}};

	memset(m.value, 0xFF, 8);
	cr_assert_eq(kvp_decode(&p, &m), 0);
	cr_assert_str_eq(p.value, "4294967295");
	m.value_type = IC_KVP_U64;
	cr_assert_eq(kvp_decode(&p, &m), 0);
	cr_assert_str_eq(p.value, "18446744073709551615");
	m.value_type = IC_KVP_U64_LINUX;
	cr_assert_eq(kvp_decode(&p, &m), 0);
	cr_assert_str_eq(p.key, "n");
}

Test(vmbus_vsp_ic, text_is_safe_to_print)
{
	static const struct {
		uint16_t in[8];
		const char *out;
	} row[] = {
		{{'a', 0, 'b'}, "a"},
		{{0x1B, '[', '3', '1', 'm', '\n', 0x7F}, "?[31m??"},
		{{0xE4, 0x20AC, 0}, "\xC3\xA4\xE2\x82\xAC"},
		{{0xD83D, 0xDE00, 'x'}, "\xF0\x9F\x98\x80x"},
		{{0xD83D, 'x', 0}, "?x"},
		{{0xDE00, 'x', 0}, "?x"},
		{{0x202E, 0x9B, 0xFEFF, 0xFFFF, 0x200B}, "?????"},
		{{'a', 'b', 'c', 'd', 'e', 'f', 'g', 0xD800}, "abcdefg?"},
	};
	char out[64], tiny[4];

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		kvp_text(out, sizeof(out), (const uint8_t *)row[i].in, 16);
		cr_assert_str_eq(out, row[i].out, "row %zu: %s", i, out);
	}
	kvp_text(out, sizeof(out), (const uint8_t *)row[0].in, 1);
	cr_assert_str_eq(out, "", "half a character is none");
	kvp_text(tiny, sizeof(tiny), (const uint8_t *)row[2].in, 16);
	cr_assert_str_eq(tiny, "\xC3\xA4", "no character is cut in two");
}

/* ---- Over channels -------------------------------------------------------------------------- */

static struct bed b;

static void answer_with(struct bed_chan *ch, struct msg *m, uint32_t len, uint64_t id)
{
	m->hdr.flags = IC_FLAG_TRANSACTION | IC_FLAG_RESPONSE;
	bed_send(ch, VMBUS_PKT_INBAND, 0, id, NULL, 0, m, len);
}

/* Opens a component and negotiates as Linux. */
static struct bed_chan *connect(struct vmbus_guid class, uint16_t major, uint16_t minor)
{
	struct bed_chan *ch = bed_find(&b, class);
	struct ic_version v[2] = {{3, 0}, {major, minor}};
	struct ic_negotiate n = {1, 1, 0};
	struct vmbus_pkt_desc d;
	struct msg m;
	uint32_t len;

	cr_assert_eq(bed_open(&b, ch, 4), 0);
	len = bed_recv(ch, &d, &m, sizeof(m));
	cr_assert_eq(d.type, VMBUS_PKT_INBAND);
	cr_assert_eq(m.hdr.type, IC_MSG_NEGOTIATE);
	m.hdr.size = IC_NEGOTIATED_SIZE;
	memcpy(m.body, &n, sizeof(n));
	memcpy(m.body + sizeof(n), v, sizeof(v));
	answer_with(ch, &m, len, d.trans_id);
	return ch;
}

static void bed_up(void)
{
	bed_init(&b);
	cr_assert_eq(bed_create(&b, NULL, 0, true), 0, "%s", err_text());
}

TestSuite(vmbus_vsp_ics, .init = bed_up, .timeout = 120);

Test(vmbus_vsp_ics, four_pipes_are_offered)
{
	static const struct vmbus_guid class[] = {IC_CLASS_HEARTBEAT, IC_CLASS_SHUTDOWN,
						  IC_CLASS_TIMESYNC, IC_CLASS_KVP};

	cr_assert_eq(b.nr_chans, 4);
	for (int i = 0; i < 4; i++) {
		struct bed_chan *ch = bed_find(&b, class[i]);

		cr_assert_not_null(ch);
		cr_assert_eq(ch->cfg.flags, 0x10);
		cr_assert_eq(ch->cfg.pipe_mode, 4);
	}
	bed_fini(&b);
}

Test(vmbus_vsp_ics, a_guest_boots_beats_and_is_shut_down)
{
	struct bed_chan *heart, *down;
	static struct vsp_status st;
	struct vmbus_pkt_desc d;
	struct ic_heartbeat h;
	struct msg m;
	uint32_t len;

	cr_assert_eq(vsp_shutdown(b.v, VSP_SHUTDOWN_OFF), -ENOTCONN);
	cr_assert(strstr(err_text(), "closed"), "%s", err_text());
	heart = connect(IC_CLASS_HEARTBEAT, 3, 0);
	len = bed_recv(heart, &d, &m, sizeof(m));
	cr_assert_eq(m.hdr.type, IC_MSG_HEARTBEAT);
	memcpy(&h, m.body, sizeof(h));
	h.sequence++;
	memcpy(m.body, &h, sizeof(h));
	answer_with(heart, &m, len, d.trans_id);
	do {
		vsp_status(b.v, &st);
	} while (st.heartbeat_ago_ms < 0);
	cr_assert_str_eq(st.ic[VSP_IC_HEARTBEAT].state, "ready");
	cr_assert_eq(st.ic[VSP_IC_HEARTBEAT].msg_major, 3);
	cr_assert_eq(st.ic[VSP_IC_HEARTBEAT].answers, 1);
	cr_assert_str_eq(st.ic[VSP_IC_KVP].state, "closed");
	cr_assert_eq(st.kvp_ago_ms, -1);

	down = connect(IC_CLASS_SHUTDOWN, 3, 2);
	while (vsp_shutdown(b.v, VSP_SHUTDOWN_OFF) == -ENOTCONN)
		;
	cr_assert_eq(vsp_shutdown_answer(b.v), VSP_ANSWER_WAITING);
	len = bed_recv(down, &d, &m, sizeof(m));
	cr_assert_eq(m.hdr.type, IC_MSG_SHUTDOWN);
	cr_assert_geq(len, 28 + 2060);
	answer_with(down, &m, len, d.trans_id);
	while (vsp_shutdown_answer(b.v) == VSP_ANSWER_WAITING)
		;
	cr_assert_eq(vsp_shutdown_answer(b.v), VSP_ANSWER_ACCEPTED);
	vsp_process(b.v);
	bed_close(heart);
	vsp_status(b.v, &st);
	cr_assert_eq(st.heartbeat_ago_ms, -1);
	bed_fini(&b);
}

Test(vmbus_vsp_ics, time_comes_from_the_partitions_clock)
{
	struct bed_chan *ch;
	struct ic_timesync_v4 t;
	struct vmbus_pkt_desc d;
	struct msg m;

	b.ref_time = 777;
	ch = connect(IC_CLASS_TIMESYNC, 4, 0);
	bed_recv(ch, &d, &m, sizeof(m));
	cr_assert_eq(m.hdr.type, IC_MSG_TIMESYNC);
	memcpy(&t, m.body, sizeof(t));
	cr_assert_eq(t.ref_time, 777);
	cr_assert_gt(t.parent_time, 133000000000000000ull, "some time after 2022");
	bed_fini(&b);
}

Test(vmbus_vsp_ics, a_component_that_is_lied_to_goes_alone)
{
	struct bed_chan *heart = connect(IC_CLASS_HEARTBEAT, 3, 0);
	struct bed_chan *down = connect(IC_CLASS_SHUTDOWN, 9, 9);
	static struct vsp_status st;

	cr_assert(strstr(bed_fault(&b, down), "9.9 were not offered"), "%s", down->why);
	cr_assert(heart->is_open && !heart->is_faulted);
	cr_assert_eq(vsp_shutdown(b.v, VSP_SHUTDOWN_OFF), -ENOTCONN);
	vsp_status(b.v, &st);
	cr_assert_str_eq(st.scsi_state, "none");
	bed_fini(&b);
}

Test(vmbus_vsp_ics, channels_are_opened_again_and_again)
{
	for (int i = 0; i < 20; i++)
		bed_close(connect(IC_CLASS_KVP, 4, 0));
	bed_fini(&b);
}
