/* SPDX-License-Identifier: BSD-3-Clause */
/* One wrong field at a time in VMBus control messages. The worker's server answers them; what it
 * lets through reaches the switch. */
#include <stdio.h>
#include <string.h>

#include "tests/integ/hostile.h"

#define ARRAY(a) (sizeof(a) / sizeof((a)[0]))
#define NONE	 VMBUS_MSG_INVALID
#define WORDS	 10u
#define NO_LEN	 0u	  /* the good length of the words given */
#define HANDLE	 0x5000u  /* of GPADLs made here */
#define SOME_PFN 0x200u	  /* in RAM, and free */
#define RING	 0x10001u /* the handle that the driver gives to the ring */
#define RECV	 0x10002u /* ... and to the receive buffer */
#define ALL_ONES UINT32_MAX

struct busmsg {
	const char *name;
	enum evil_level level;
	uint32_t len; /* of the message; NO_LEN: as the type wants */
	uint32_t reply;
	enum want want;
	uint32_t word[WORDS]; /* from the type on; [1] is padding */
};

/* rangecount and range_buflen are one word: GP(count, pages). */
#define GP(count, pages) ((uint32_t)(count) << 16 | (uint16_t)(8 + 8 * (pages)))

static const struct busmsg msgs[] = {
	{"type 0", EVIL_UP, 8, NONE, WANT_NOTHING, {0}},
	{"type 4", EVIL_UP, 8, NONE, WANT_NOTHING, {4}},
	{"type 19", EVIL_UP, 240, NONE, WANT_NOTHING, {19}},
	{"type 2^32-1", EVIL_UP, 240, NONE, WANT_NOTHING, {ALL_ONES}},
	{"Hyper-V socket", EVIL_UP, 48, NONE, WANT_NOTHING, {21}},
	{"open before contact", EVIL_LINKED, NO_LEN, NONE, WANT_NOTHING, {5, 0, 1, 1, RING}},
	{"offers before contact", EVIL_LINKED, 8, NONE, WANT_NOTHING, {3}},
	{"unload before contact", EVIL_LINKED, 8, VMBUS_MSG_UNLOAD_RESPONSE, WANT_NOTHING, {16}},
	{"contact: unknown version", EVIL_LINKED, 40, 15, WANT_NOTHING, {14, 0, 0x60000}},
	{"contact: version 0", EVIL_LINKED, 40, 15, WANT_NOTHING, {14, 0, 0}},
	{"contact: VP 99", EVIL_LINKED, 40, 15, WANT_REFUSED, {14, 0, 0x50003, 99}},
	{"contact: monitor pages outside RAM",
	 EVIL_LINKED,
	 40,
	 15,
	 WANT_REFUSED,
	 {14, 0, 0x50003, 0, 2, 0, 0x1000, 0, 0x2000, 0}},
	{"contact: monitor pages overflow",
	 EVIL_LINKED,
	 40,
	 15,
	 WANT_REFUSED,
	 {14, 0, 0x50003, 0, 2, 0, 0xfffff000, ALL_ONES, 0x100000, 0}},
	{"contact: too short", EVIL_LINKED, 11, NONE, WANT_NOTHING, {14, 0, 0x50003}},
	{"offers asked for twice", EVIL_UP, 8, 4, WANT_REFUSED, {3}},

	{"open: relid 0", EVIL_UP, NO_LEN, 6, WANT_REFUSED, {5, 0, 0, 7, RING, 0, 32}},
	{"open: relid 63", EVIL_UP, NO_LEN, 6, WANT_REFUSED, {5, 0, 63, 7, RING, 0, 32}},
	{"open: relid 64", EVIL_UP, NO_LEN, 6, WANT_REFUSED, {5, 0, 64, 7, RING, 0, 32}},
	{"open: relid 2^32-1", EVIL_UP, NO_LEN, 6, WANT_REFUSED, {5, 0, ALL_ONES, 7, RING, 0, 32}},
	{"open: twice", EVIL_UP, NO_LEN, 6, WANT_REFUSED, {5, 0, 1, 7, RING, 0, 32}},
	{"open: no GPADL", EVIL_CONNECTED, NO_LEN, 6, WANT_REFUSED, {5, 0, 1, 7, 0, 0, 32}},
	{"open: unknown GPADL", EVIL_CONNECTED, NO_LEN, 6, WANT_REFUSED, {5, 0, 1, 7, 9, 0, 32}},
	{"open: too short", EVIL_CONNECTED, 15, NONE, WANT_NOTHING, {5, 0, 1, 7}},
	{"open: cut", EVIL_CONNECTED, 16, 6, WANT_REFUSED, {5, 0, 1, 7}},
	{"close: relid 0", EVIL_UP, 12, NONE, WANT_REFUSED, {7, 0, 0}},
	{"close: relid 2^32-1", EVIL_UP, 12, NONE, WANT_REFUSED, {7, 0, ALL_ONES}},
	{"close: not open", EVIL_CONNECTED, 12, NONE, WANT_REFUSED, {7, 0, 1}},
	{"close: too short", EVIL_UP, 11, NONE, WANT_NOTHING, {7, 0, 1}},

	{"GPADL: relid 0",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 0, HANDLE, GP(1, 1), PAGE, 0, SOME_PFN}},
	{"GPADL: relid 2^32-1",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, ALL_ONES, HANDLE, GP(1, 1), PAGE, 0, SOME_PFN}},
	{"GPADL: handle 0",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, 0, GP(1, 1), PAGE, 0, SOME_PFN}},
	{"GPADL: the ring's handle",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, RING, GP(1, 1), PAGE, 0, SOME_PFN}},
	{"GPADL: no range",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(0, 1), PAGE, 0, SOME_PFN}},
	{"GPADL: two ranges",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(2, 1), PAGE, 0, SOME_PFN}},
	{"GPADL: 65535 ranges",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(0xffff, 1), PAGE, 0, SOME_PFN}},
	{"GPADL: list longer than its range",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(1, 2), PAGE, 0, SOME_PFN}},
	{"GPADL: list shorter than its range",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(1, 0), PAGE, 0, SOME_PFN}},
	{"GPADL: 0 bytes",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(1, 0), 0, 0, SOME_PFN}},
	{"GPADL: 2^32-1 bytes",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(1, 1), ALL_ONES, 0, SOME_PFN}},
	{"GPADL: offset 4096",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(1, 1), PAGE, PAGE, SOME_PFN}},
	{"GPADL: offset 1 in the switch",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(1, 1), 100, 1, SOME_PFN}},
	{"GPADL: offset 2^32-1",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(1, 1), PAGE, ALL_ONES, SOME_PFN}},
	{"GPADL: PFN 0", EVIL_UP, 36, 10, WANT_REFUSED, {8, 0, 1, HANDLE, GP(1, 1), PAGE}},
	{"GPADL: PFN before RAM",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(1, 1), PAGE, 0, RAM_FIRST - 1}},
	{"GPADL: PFN behind RAM",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(1, 1), PAGE, 0, RAM_END}},
	{"GPADL: PFN 2^52 and more",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(1, 1), PAGE, 0, SOME_PFN, 1u << 20}},
	{"GPADL: PFN 2^64-1",
	 EVIL_UP,
	 36,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(1, 1), PAGE, 0, ALL_ONES, ALL_ONES}},
	{"GPADL: too short", EVIL_UP, 15, NONE, WANT_NOTHING, {8, 0, 1, HANDLE}},
	{"GPADL: cut", EVIL_UP, 24, 10, WANT_REFUSED, {8, 0, 1, HANDLE, GP(1, 1), PAGE}},
	{"GPADL: more than announced",
	 EVIL_UP,
	 40,
	 10,
	 WANT_REFUSED,
	 {8, 0, 1, HANDLE, GP(1, 1), PAGE, 0, SOME_PFN, 0, SOME_PFN}},
	{"GPADL body: of nothing", EVIL_UP, 40, NONE, WANT_NOTHING, {9, 0, 0, HANDLE, SOME_PFN}},
	{"GPADL body: too short", EVIL_UP, 15, NONE, WANT_NOTHING, {9, 0, 0, HANDLE}},
	{"teardown: relid 0", EVIL_UP, 16, 12, WANT_REFUSED, {11, 0, 0, RECV}},
	{"teardown: relid 2^32-1", EVIL_UP, 16, 12, WANT_REFUSED, {11, 0, ALL_ONES, RECV}},
	{"teardown: handle 0", EVIL_UP, 16, 12, WANT_REFUSED, {11, 0, 1, 0}},
	{"teardown: unknown handle", EVIL_UP, 16, 12, WANT_REFUSED, {11, 0, 1, HANDLE}},

	{"modify: relid 0", EVIL_UP, 16, 24, WANT_REFUSED, {22, 0, 0, 0}},
	{"modify: relid 2^32-1", EVIL_UP, 16, 24, WANT_REFUSED, {22, 0, ALL_ONES, 0}},
	{"modify: VP 99", EVIL_UP, 16, 24, WANT_REFUSED, {22, 0, 1, 99}},
	{"modify: closed channel", EVIL_CONNECTED, 16, 24, WANT_REFUSED, {22, 0, 1, 0}},
	{"modify: no VP", EVIL_UP, 16, 24, WANT_NOTHING, {22, 0, 1, ALL_ONES}},
	{"modify: too short", EVIL_UP, 15, NONE, WANT_NOTHING, {22, 0, 1, 0}},
	{"release: not rescinded", EVIL_UP, 12, NONE, WANT_REFUSED, {13, 0, 1}},
	{"release: relid 0", EVIL_UP, 12, NONE, WANT_REFUSED, {13, 0, 0}},
	{"release: relid 2^32-1", EVIL_UP, 12, NONE, WANT_REFUSED, {13, 0, ALL_ONES}},
};

static uint32_t good_len(const struct busmsg *b)
{
	if (b->len)
		return b->len;
	return sizeof(struct vmbus_msg_open);
}

static int post(const void *bytes, uint32_t len)
{
	uint32_t conn = evil.bus.msg_conn_id ? evil.bus.msg_conn_id : VMBUS_MSG_CONN_ID_V5;

	return vmbus_server_post(evil.part.server, 0, conn, VMBUS_MSG_TYPE_CHANNEL, bytes, len);
}

static uint64_t faults(const char **why)
{
	struct vmbus_server_chan_status ch;
	struct vmbus_server_status st;

	vmbus_server_status(evil.part.server, &st);
	*why = st.reason;
	if (vmbus_server_chan_next(evil.part.server, 0, &ch) && ch.reason[0])
		*why = ch.reason;
	return st.counters.faults;
}

/* The answer must come, even to nonsense: guests wait for it without a time limit. */
static void await_reply(uint32_t type)
{
	uint64_t buf[VMBUS_MSG_PAYLOAD_MAX / 8], until = now_ms() + PATIENCE_MS;

	for (;;) {
		if (part_message(&evil.part, buf) && (uint32_t)buf[0] == type)
			return;
		must(now_ms() < until, "no answer of type %u", type);
		nap_us(20);
	}
}

static void say(const struct busmsg *b)
{
	uint8_t bytes[VMBUS_MSG_PAYLOAD_MAX] = {0};
	uint32_t len = good_len(b);
	const char *why;
	uint64_t before;

	before = faults(&why);
	memcpy(bytes, b->word, sizeof(b->word));
	must(post(bytes, len) == VMBUS_POST_OK, "not taken");
	if (b->reply)
		await_reply(b->reply);
	part_pump(&evil.part);
	if (b->want == WANT_REFUSED)
		must(faults(&why) == before + 1 && strlen(why) > 10 && strchr(why, ' '),
		     "faults %lu, then %lu, reason \"%s\"", before, faults(&why), why);
	else
		must(faults(&why) == before, "it counts as a fault: %s", why);
	if (b->level == EVIL_UP)
		evil_must_work();
	if (b->level >= EVIL_CONNECTED)
		evil_bus_must_work();
}

/* HvPostMessage itself. */
static void bad_posts(void)
{
	struct vmbus_server *s = evil.part.server;
	uint8_t buf[512] = {16};

	must(vmbus_server_post(s, 0, 4, 1, buf, 241) == VMBUS_POST_BAD_PARAMETER, "241 bytes");
	must(vmbus_server_post(s, 0, 4, 1, buf, 7) == VMBUS_POST_BAD_PARAMETER, "7 bytes");
	must(vmbus_server_post(s, 0, 4, 2, buf, 8) == VMBUS_POST_BAD_PARAMETER, "type 2");
	must(vmbus_server_post(s, 99, 4, 1, buf, 8) == VMBUS_POST_BAD_PARAMETER, "VP 99");
	must(vmbus_server_post(s, 0, 0, 1, buf, 8) == VMBUS_POST_BAD_CONNECTION, "connection 0");
	must(vmbus_server_post(s, 0, 0x2001, 1, buf, 8) == VMBUS_POST_BAD_CONNECTION,
	     "an event connection");
}

/* Splits of a ring GPADL of 8 pages; all others are refused by the server, before the switch. */
static void bad_splits(void)
{
	static const uint32_t split[] = {0, 1, 7, 8, 9, 1u << 31, UINT32_MAX};
	struct busmsg b = {.reply = 6, .want = WANT_REFUSED, .level = EVIL_CONNECTED};
	uint32_t i, handle;

	must(!nvsc_gpadl_create(&evil.bus, evil.ch[0], evil.page, 8, &handle), "GPADL");
	for (i = 0; i < ARRAY(split); i++) {
		memcpy(b.word, (uint32_t[]){5, 0, 1, 7, handle, 0, split[i]}, 28);
		say(&b);
	}
	memcpy(b.word, (uint32_t[]){5, 0, 1, 7, handle, 99, 4}, 28);
	say(&b);
	memset(evil.page, 0xff, 8 * PAGE); /* indices of an earlier use: the switch refuses */
	memcpy(b.word, (uint32_t[]){5, 0, 1, 7, handle, 0, 4}, 28);
	say(&b);
}

/* The tables of the server are full: it says so, and works on. */
static void too_many_gpadls(void)
{
	struct busmsg b = {.len = 36, .reply = 10, .want = WANT_REFUSED, .level = EVIL_CONNECTED};
	uint32_t i, handle[64];

	for (i = 0; i < 64; i++)
		must(!nvsc_gpadl_create(&evil.bus, evil.ch[0], evil.page, 1, &handle[i]),
		     "GPADL %u", i);
	b.level = EVIL_LINKED; /* no life sign needs another GPADL now */
	memcpy(b.word, (uint32_t[]){8, 0, 1, HANDLE, GP(1, 1), PAGE, 0, SOME_PFN}, 32);
	say(&b);
	for (i = 0; i < 64; i++)
		must(!nvsc_gpadl_teardown(&evil.bus, evil.ch[0], handle[i]), "teardown %u", i);
	evil_bus_must_work();
}

static void too_many_begun(void)
{
	struct busmsg b = {.len = 28, .want = WANT_NOTHING, .level = EVIL_LINKED};
	uint32_t i;

	for (i = 0; i < 33; i++) {
		memcpy(b.word, (uint32_t[]){8, 0, 1, HANDLE + i, GP(1, 100), 100 * PAGE, 0}, 28);
		b.want = i < 32 ? WANT_NOTHING : WANT_REFUSED;
		b.reply = i < 32 ? NONE : 10;
		say(&b);
	}
	b = (struct busmsg){.len = 16, .reply = 12, .level = EVIL_LINKED, .want = WANT_NOTHING};
	memcpy(b.word, (uint32_t[]){11, 0, 1, HANDLE}, 16); /* given up by the guest */
	say(&b);
	evil_bus_must_work();
}

static void body_too_long(void)
{
	struct busmsg b = {.len = 28, .want = WANT_NOTHING, .level = EVIL_LINKED};

	memcpy(b.word, (uint32_t[]){8, 0, 1, HANDLE, GP(1, 2), 2 * PAGE, 0}, 28);
	say(&b);
	b = (struct busmsg){.len = 40, .reply = 10, .want = WANT_REFUSED, .level = EVIL_CONNECTED};
	memcpy(b.word, (uint32_t[]){9, 0, 0, HANDLE, SOME_PFN, 0, SOME_PFN, 0, SOME_PFN}, 36);
	say(&b);
}

static void two_teardowns_of_a_ring(void)
{
	struct busmsg b = {.len = 16, .want = WANT_NOTHING, .level = EVIL_LINKED};

	memcpy(b.word, (uint32_t[]){11, 0, 1, RING}, 16);
	say(&b); /* answered when the channel is closed */
	b.want = WANT_REFUSED;
	say(&b);
	evil_must_work();
}

static const struct {
	const char *name;
	enum evil_level level;
	void (*fn)(void);
	enum want want;
} acts[] = {
	{"HvPostMessage: wrong sizes, types, connections", EVIL_CONNECTED, bad_posts, WANT_REFUSED},
	{"open: bad splits, VP, dirty indices", EVIL_CONNECTED, bad_splits, WANT_REFUSED},
	{"GPADL: the 65th", EVIL_CONNECTED, too_many_gpadls, WANT_REFUSED},
	{"GPADL: 33 begun and not ended", EVIL_CONNECTED, too_many_begun, WANT_REFUSED},
	{"GPADL body: more than announced", EVIL_CONNECTED, body_too_long, WANT_REFUSED},
	{"teardown: of an open ring, twice", EVIL_UP, two_teardowns_of_a_ring, WANT_REFUSED},
};

void attacks_bus(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY(msgs); i++) {
		attack_begin("vmbus", msgs[i].name, msgs[i].level);
		say(&msgs[i]);
		attack_end(msgs[i].want);
	}
	for (i = 0; i < ARRAY(acts); i++) {
		attack_begin("vmbus", acts[i].name, acts[i].level);
		acts[i].fn();
		attack_end(acts[i].want);
	}
}

void bus_random(struct prng *r)
{
	const struct busmsg *b = &msgs[prng_below(r, ARRAY(msgs))];
	uint8_t bytes[VMBUS_MSG_PAYLOAD_MAX] = {0};
	uint32_t word;

	memcpy(bytes, b->word, sizeof(b->word));
	for (word = prng_below(r, 3); word > 0; word--) {
		uint32_t v = prng_below(r, 2) ? prng_below(r, 70) : (uint32_t)prng_next(r);

		memcpy(bytes + 4 * prng_below(r, WORDS), &v, 4);
	}
	post(bytes, good_len(b));
}
