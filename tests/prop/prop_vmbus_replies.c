/* SPDX-License-Identifier: BSD-3-Clause */
/* Every request gets exactly its reply. A guest sends random requests, right and wrong; the switch
 * refuses some, rescinds channels, dies, hangs, is replaced; the worker offers channels of its own
 * and withdraws them. In the end, with a living switch, no debt is left: for each request one reply
 * of its kind came, in order, and never one that nobody asked for. After a rescind the guest may
 * free everything, so then nobody has the channel open. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "tests/support/prng.h"
#include "tests/support/vmbus_loop.h"
#include "vmbus/local.h"
#include "vmbus/server_priv.h"

#define NIC	(&(struct vmbus_guid)VMBUS_CLASS_NIC)
#define PAGES	8u
#define HANDLES 6u

static struct loop *l;
static struct prng rng;

/* What is owed, by the identity that the reply carries. */
static uint32_t owed_open[VMBUS_CHANS_MAX]; /* by openid */
static uint32_t owed_created[HANDLES], owed_torn[HANDLES];
static uint32_t owed_modify[VMBUS_CHANS_MAX];
static uint32_t owed_contact, owed_offers, owed_unload;
static bool is_rescinded[VMBUS_CHANS_MAX];
static bool is_connected;

static void forget(void)
{
	memset(owed_open, 0, sizeof(owed_open));
	memset(owed_created, 0, sizeof(owed_created));
	memset(owed_torn, 0, sizeof(owed_torn));
	memset(owed_modify, 0, sizeof(owed_modify));
	memset(is_rescinded, 0, sizeof(is_rescinded));
	owed_offers = 0;
}

static void pay(uint32_t *debt, const char *what)
{
	cr_assert_gt(*debt, 0, "a reply that nobody asked for: %s", what);
	--*debt;
}

static uint32_t field(const uint8_t *msg, uint32_t at)
{
	uint32_t v;

	memcpy(&v, msg + at, 4);
	return v;
}

/* ---- The worker's own channels ------------------------------------------------------------ */

static struct device {
	uint32_t relid; /* 0: not offered */
	bool is_open;
	int open_rc;
	unsigned int nr_opens, nr_closes, nr_rescinds;
} dev[2];

static int dev_open(void *ctx, const struct vmbus_local_open *o)
{
	struct device *d = ctx;

	cr_assert_not(d->is_open);
	cr_assert_eq(o->relid, d->relid);
	if (d->open_rc)
		return d->open_rc;
	d->is_open = true;
	d->nr_opens++;
	return 0;
}

static void dev_close(void *ctx)
{
	struct device *d = ctx;

	cr_assert(d->is_open);
	d->is_open = false;
	d->nr_closes++;
}

static void dev_retarget(void *ctx, uint32_t target_vp)
{
	cr_assert(((struct device *)ctx)->is_open);
	cr_assert(target_vp < LOOP_VPS_DEFAULT || target_vp == VMBUS_VP_NONE);
}

static const struct vmbus_local_ops dev_ops = {dev_open, dev_close, dev_retarget};

static void disturb_device(void)
{
	struct device *d = &dev[prng_below(&rng, 2)];
	struct vmbus_local_cfg cfg = {.if_type = {.data1 = 77},
				      .if_instance = {.data1 = (uint32_t)(d - dev)}};

	d->open_rc = prng_below(&rng, 4) ? 0 : -EIO;
	if (!d->relid) {
		d->relid = (uint32_t)vmbus_server_offer_local(loop_server(l), &cfg, &dev_ops, d);
		cr_assert_lt(d->relid, VMBUS_CHANS_MAX);
		return;
	}
	if (prng_below(&rng, 3))
		return;
	if (prng_below(&rng, 2))
		vmbus_server_rescind_local(loop_server(l), d->relid);
	else
		vmbus_server_fault_local(loop_server(l), d->relid, "disturbed");
	cr_assert_not(d->is_open, "rescinded and still open");
	d->relid = 0;
	d->nr_rescinds++;
}

/* The latest relid of the switch's adapter. */
static uint32_t nic_relid = 1;

static void note_offer(const uint8_t *msg)
{
	struct vmbus_msg_offer o;

	memcpy(&o, msg, sizeof(o));
	if (!memcmp(&o.if_type, NIC, sizeof(o.if_type)) && o.sub_channel_index == 0)
		nic_relid = o.child_relid;
}

/* ---- Replies ------------------------------------------------------------------------------ */

/* Takes in what the guest got. */
static void hear_one(const uint8_t *m)
{
	switch (field(m, 0)) {
	case VMBUS_MSG_OPEN_RESULT: pay(&owed_open[field(m, 12) % VMBUS_CHANS_MAX], "open"); break;
	case VMBUS_MSG_GPADL_CREATED: pay(&owed_created[field(m, 12) % HANDLES], "created"); break;
	case VMBUS_MSG_GPADL_TORNDOWN: pay(&owed_torn[field(m, 8) % HANDLES], "torn"); break;
	case VMBUS_MSG_MODIFY_RESPONSE:
		pay(&owed_modify[field(m, 8) % VMBUS_CHANS_MAX], "modify");
		break;
	case VMBUS_MSG_ALL_OFFERS_DELIVERED: pay(&owed_offers, "offers"); break;
	case VMBUS_MSG_VERSION_RESPONSE:
		pay(&owed_contact, "contact");
		is_connected = m[8];
		break;
	case VMBUS_MSG_UNLOAD_RESPONSE: pay(&owed_unload, "unload"); break;
	case VMBUS_MSG_RESCIND: is_rescinded[field(m, 8)] = true; break;
	case VMBUS_MSG_OFFER: note_offer(m); break;
	default: cr_assert_fail("message %u", field(m, 0));
	}
}

static void hear(void)
{
	uint8_t buf[VMBUS_MSG_PAYLOAD_MAX];

	while (loop_next_msg(l, buf))
		hear_one(buf);
}

/* ---- The switch --------------------------------------------------------------------------- */

static bool has_switch = true;

static void kill_switch(void)
{
	if (has_switch)
		loop_switch_kill(l);
	has_switch = false;
}

static void start_switch(void)
{
	if (!has_switch)
		loop_switch_start(l, NULL, NULL, NULL);
	has_switch = true;
}

static struct vmbus_server_status status(void)
{
	struct vmbus_server_status st;

	vmbus_server_status(loop_server(l), &st);
	return st;
}

/* A switch that this machine was too slow for, with our short timeouts, is taken for dead. */
static void revive_switch(void)
{
	if (has_switch && strcmp(status().link, "up") != 0) {
		kill_switch();
		start_switch();
	}
}

/* ---- Requests ----------------------------------------------------------------------------- */

/* A request that the queue refused was not made. */
static bool post(const void *m, size_t len)
{
	return loop_post(l, m, len) == VMBUS_POST_OK;
}

static void post_surely(const void *m, size_t len)
{
	while (!post(m, len)) {
		revive_switch();
		hear();
	}
}

static uint32_t any_relid(void)
{
	uint32_t dice = prng_below(&rng, 10);

	/* Mostly a primary channel; 0 and some that were never offered, too. */
	if (dice < 3 && dev[dice % 2].relid)
		return dev[dice % 2].relid;
	return dice < 8 ? nic_relid : prng_below(&rng, 8);
}

static uint32_t any_handle(void)
{
	return HANDLES * 1000 + prng_below(&rng, HANDLES);
}

static void do_gpadl(void)
{
	uint8_t m[28 + 8 * PAGES];
	struct vmbus_msg_gpadl_header h = {.hdr.msgtype = VMBUS_MSG_GPADL_HEADER,
					   .child_relid = any_relid(),
					   .gpadl = any_handle(),
					   .range_buflen = 8 + 8 * PAGES,
					   .rangecount = prng_below(&rng, 8) ? 1 : 2};
	struct vmbus_gpa_range r = {.byte_count = PAGES * 4096};
	uint32_t i, split = prng_below(&rng, 3) ? PAGES : prng_below(&rng, PAGES);

	memcpy(m, &h, sizeof(h));
	memcpy(m + sizeof(h), &r, sizeof(r));
	for (i = 0; i < PAGES; i++) {
		uint64_t pfn = prng_below(&rng, 200) ? 100 + i : 1ull << 40;

		memcpy(m + 28 + i * 8, &pfn, 8);
	}
	if (!post(m, 28 + 8 * split))
		return;
	owed_created[h.gpadl % HANDLES]++;
	if (split < PAGES) { /* the rest in a body */
		struct vmbus_msg_gpadl_body b = {.hdr.msgtype = VMBUS_MSG_GPADL_BODY,
						 .gpadl = h.gpadl};
		uint8_t body[16 + 8 * PAGES];

		memcpy(body, &b, sizeof(b));
		memcpy(body + 16, m + 28 + 8 * split, 8 * (PAGES - split));
		post_surely(body, 16 + 8 * (PAGES - split));
	}
}

static bool is_torn_already(uint32_t relid, uint32_t handle);

static void do_teardown(void)
{
	struct vmbus_msg_gpadl_teardown m = {.hdr.msgtype = VMBUS_MSG_GPADL_TEARDOWN,
					     .child_relid = any_relid(),
					     .gpadl = any_handle()};

	hear();
	if (!is_torn_already(m.child_relid, m.gpadl) && post(&m, sizeof(m)))
		owed_torn[m.gpadl % HANDLES]++;
}

/* The guest that tears down twice gets one reply: it has broken the protocol. Not asked here. */
static bool is_torn_already(uint32_t relid, uint32_t handle)
{
	return relid < VMBUS_CHANS_MAX && owed_torn[handle % HANDLES] > 0;
}

static void do_open(void)
{
	uint32_t relid = any_relid();
	struct vmbus_msg_open m = {.hdr.msgtype = VMBUS_MSG_OPEN,
				   .child_relid = relid,
				   .openid = relid,
				   .ring_gpadl = any_handle(),
				   .target_vp = prng_below(&rng, 3),
				   .downstream_offset = prng_below(&rng, 6) ? PAGES / 2 : 1};

	if (post(&m, prng_below(&rng, 20) ? sizeof(m) : 20))
		owed_open[relid]++;
}

static void do_relid(enum vmbus_msgtype type)
{
	struct vmbus_msg_relid m = {.hdr.msgtype = type, .child_relid = any_relid()};

	post(&m, sizeof(m));
}

/* A good guest releases what was rescinded, mostly. */
static void do_release(void)
{
	struct vmbus_msg_relid m = {.hdr.msgtype = VMBUS_MSG_RELID_RELEASED};

	for (m.child_relid = 1; m.child_relid < VMBUS_CHANS_MAX; m.child_relid++) {
		if (is_rescinded[m.child_relid] && post(&m, sizeof(m)))
			is_rescinded[m.child_relid] = false;
	}
}

static void do_modify(void)
{
	struct vmbus_msg_modify m = {.hdr.msgtype = VMBUS_MSG_MODIFY,
				     .child_relid = any_relid(),
				     .target_vp = prng_below(&rng, 3)};

	if (post(&m, sizeof(m)))
		owed_modify[m.child_relid]++;
}

/* Requests before a contact or an unload are forgotten, with their replies. Some of those may come
 * until it is answered: so that is awaited, with whatever happens to the switch meanwhile. */
static void await(const uint32_t *debt)
{
	while (*debt) {
		revive_switch();
		hear();
	}
	forget();
}

static void do_contact(void)
{
	struct vmbus_msg_initiate_contact m = {.hdr.msgtype = VMBUS_MSG_INITIATE_CONTACT,
					       .version = VMBUS_V5_3};
	struct vmbus_msg_hdr ask = {.msgtype = VMBUS_MSG_REQUEST_OFFERS};

	hear();
	if (!post(&m, sizeof(m)))
		return;
	owed_contact++;
	await(&owed_contact);
	if (post(&ask, sizeof(ask)))
		owed_offers++;
}

static void do_unload(void)
{
	struct vmbus_msg_hdr m = {.msgtype = VMBUS_MSG_UNLOAD};

	hear();
	if (!post(&m, sizeof(m)))
		return;
	owed_unload++;
	await(&owed_unload);
	do_contact();
}

static void do_offers(void)
{
	struct vmbus_msg_hdr m = {.msgtype = VMBUS_MSG_REQUEST_OFFERS};

	if (post(&m, sizeof(m)))
		owed_offers++;
}

/* ---- Disturbances ------------------------------------------------------------------------ */

/* The switch withdraws its adapter, sub-channel first, and offers it anew while the guest runs. */
static void replug(struct loop_mock *k)
{
	struct vmbus_chan_cfg cfg = {
		.if_type = VMBUS_CLASS_NIC, .if_instance = {.data1 = 1}, .ctx = k};

	if (k->sub[1])
		vmbus_chan_rescind(k->sub[1]);
	k->sub[1] = NULL;
	vmbus_chan_rescind(k->primary);
	k->primary = NULL;
	cr_assert_eq(vmbus_peer_offer(k->peer, &cfg, &k->primary), 0);
}

static void disturb_switch(void)
{
	struct loop_mock *k = loop_mock(l);

	disturb_device();
	switch (prng_below(&rng, 10)) {
	case 0: kill_switch(); break;
	case 1:
	case 2: start_switch(); break;
	case 3: k->open_rc = prng_below(&rng, 4) ? 0 : -EIO; break;
	case 4: k->open_rc = 0; break;
	case 5:
		if (has_switch && k->peer && k->primary && !k->sub[1])
			loop_mock_offer_sub(l, 1);
		break;
	case 6:
		if (has_switch && k->sub[1])
			vmbus_chan_fault(k->sub[1], "disturbed");
		k->sub[1] = NULL;
		break;
	case 7:
		if (has_switch && k->peer && k->primary)
			replug(k);
		break;
	default: break;
	}
}

static void request(void)
{
	uint32_t dice = prng_below(&rng, 200);

	if (dice < 2)
		do_contact();
	else if (dice < 4 && has_switch)
		do_unload();
	else if (dice < 10)
		do_offers();
	else if (dice < 14)
		do_relid(VMBUS_MSG_RELID_RELEASED);
	else if (dice < 30)
		do_modify();
	else if (dice < 36)
		do_relid(VMBUS_MSG_CLOSE);
	else if (dice < 70)
		do_teardown();
	else if (dice < 80)
		do_release();
	else if (dice < 140)
		do_open();
	else
		do_gpadl();
}

static uint32_t sum(const uint32_t *debt, uint32_t n)
{
	uint32_t i, s = 0;

	for (i = 0; i < n; i++)
		s += debt[i];
	return s;
}

static uint32_t debts(void)
{
	return sum(owed_open, VMBUS_CHANS_MAX) + sum(owed_created, HANDLES) +
	       sum(owed_torn, HANDLES) + sum(owed_modify, VMBUS_CHANS_MAX) + owed_offers;
}

/* Closes all, so that teardowns of rings are due, and lets a switch serve what waits for one. What
 * waits on a sub-channel that is not offered again is settled by the server's timer. */
static void settle(void)
{
	struct vmbus_msg_relid m = {.hdr.msgtype = VMBUS_MSG_CLOSE};
	struct pollfd p = {.fd = vmbus_server_fd(loop_server(l)), .events = POLLIN};
	int tries = 0;

	loop_mock(l)->open_rc = 0;
	start_switch();
	hear();
	for (m.child_relid = 1; m.child_relid < 16; m.child_relid++) {
		post_surely(&m, sizeof(m));
	}
	hear();
	while (debts() && tries++ < 100) {
		poll(&p, 1, 100);
		hear();
		revive_switch();
	}
}

static void check_paid(unsigned int step)
{
	cr_assert_eq(sum(owed_open, VMBUS_CHANS_MAX), 0, "step %u: OPEN_RESULT is owed", step);
	cr_assert_eq(sum(owed_created, HANDLES), 0, "step %u: GPADL_CREATED is owed", step);
	cr_assert_eq(sum(owed_torn, HANDLES), 0, "step %u: GPADL_TORNDOWN is owed", step);
	cr_assert_eq(sum(owed_modify, VMBUS_CHANS_MAX), 0, "step %u: MODIFY_RESPONSE", step);
	cr_assert_eq(owed_contact + owed_offers + owed_unload, 0, "step %u: contact", step);
}

Test(prop_vmbus_replies, every_request_gets_exactly_its_reply, .timeout = 200)
{
	unsigned int i, steps = prng_steps(20000);
	struct loop_cfg cfg = {.mem_bytes = 4 << 20, .ack_timeout_ms = 20};

	prng_init(&rng);
	l = loop_create(&cfg);
	loop_connect(l, VMBUS_V5_3);
	for (i = 0; i < steps; i++) {
		request();
		if (prng_below(&rng, 12) == 0)
			disturb_switch();
		if (prng_below(&rng, 3) == 0)
			hear();
		if (i % 200 == 199) {
			settle();
			check_paid(i);
		}
	}
	cr_assert(is_connected);
	cr_assert(loop_mock(l)->nr_fresh && loop_mock(l)->nr_resumed && loop_mock(l)->nr_closed,
		  "the test did open, close and take over");
	for (i = 0; i < 2; i++)
		cr_assert(dev[i].nr_opens && dev[i].nr_closes && dev[i].nr_rescinds, "%u", i);
	cr_assert_gt(status().counters.switch_deaths, 0);
	loop_destroy(l);
}

Test(prop_vmbus_replies, the_table_names_a_reply_for_each_request_that_waits)
{
	cr_assert_eq(srv_reply_of(VMBUS_MSG_INITIATE_CONTACT), VMBUS_MSG_VERSION_RESPONSE);
	cr_assert_eq(srv_reply_of(VMBUS_MSG_REQUEST_OFFERS), VMBUS_MSG_ALL_OFFERS_DELIVERED);
	cr_assert_eq(srv_reply_of(VMBUS_MSG_OPEN), VMBUS_MSG_OPEN_RESULT);
	cr_assert_eq(srv_reply_of(VMBUS_MSG_GPADL_HEADER), VMBUS_MSG_GPADL_CREATED);
	cr_assert_eq(srv_reply_of(VMBUS_MSG_GPADL_TEARDOWN), VMBUS_MSG_GPADL_TORNDOWN);
	cr_assert_eq(srv_reply_of(VMBUS_MSG_MODIFY), VMBUS_MSG_MODIFY_RESPONSE);
	cr_assert_eq(srv_reply_of(VMBUS_MSG_UNLOAD), VMBUS_MSG_UNLOAD_RESPONSE);
	cr_assert_eq(srv_reply_of(VMBUS_MSG_CLOSE), VMBUS_MSG_INVALID);
}
