/* SPDX-License-Identifier: BSD-3-Clause */
/* What the suites of the control server do as the guest, on one loop. Static: each test program has a
 * loop and a buffer of its own. */
#pragma once

#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/vmbus_loop.h"

static const struct vmbus_guid nic_class = VMBUS_CLASS_NIC;
#define NIC   (&nic_class)
#define RING  0xe1e10u
#define PAGES 64u

static struct loop *l;
static uint8_t buf[VMBUS_MSG_PAYLOAD_MAX];

static inline void start(struct loop_cfg cfg)
{
	l = loop_create(&cfg);
}

static inline void stop(void)
{
	if (l)
		loop_destroy(l);
}

/* Connected, the primary channel open. Returns its relid. */
static inline uint32_t start_open(void)
{
	uint32_t relid;

	start((struct loop_cfg){0});
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 1);
	relid = loop_offer(l, NIC, 0)->child_relid;
	cr_assert_eq(loop_gpadl(l, relid, RING, NULL, loop_alloc(l, PAGES), PAGES), 0);
	cr_assert_eq(loop_open(l, relid, RING, PAGES / 2, 1), 0);
	return relid;
}

static inline struct vmbus_server_counters counters(void)
{
	struct vmbus_server_status st;

	vmbus_server_status(loop_server(l), &st);
	return st.counters;
}

static inline struct vmbus_server_chan_status chan(uint32_t relid)
{
	struct vmbus_server_chan_status st = {0};

	vmbus_server_chan_next(loop_server(l), relid - 1, &st);
	return st.relid == relid ? st : (struct vmbus_server_chan_status){0};
}

static inline void post_relid(enum vmbus_msgtype type, uint32_t relid)
{
	struct vmbus_msg_relid m = {.hdr.msgtype = type, .child_relid = relid};

	cr_assert_eq(loop_post(l, &m, sizeof(m)), VMBUS_POST_OK);
}

/* The type of the next message, 0 when there is none. */
static inline uint32_t next_type(void)
{
	uint32_t type = 0;

	if (loop_next_msg(l, buf))
		memcpy(&type, buf, sizeof(type));
	return type;
}
