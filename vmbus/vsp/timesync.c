/* SPDX-License-Identifier: BSD-3-Clause */
/* Time synchronisation: tells the guest once to set its clock, then gives it a sample every five
 * seconds (its PTP clock goes stale without). */
#include "vmbus/vsp/services.h"

#define PERIOD_MS 5000

static const struct ic_version versions[] = {{1, 0}, {3, 0}, {4, 0}};

static void reset(struct ic *ic)
{
	((struct timesync *)ic)->is_synced = false;
}

static void ready(struct ic *ic, int64_t now_ms)
{
	ic->deadline_ms = now_ms;
}

static int due(struct ic *ic, int64_t now_ms)
{
	uint8_t flags = ((struct timesync *)ic)->is_synced ? IC_TIMESYNC_SAMPLE : IC_TIMESYNC_SYNC;
	struct ic_timesync_v4 v4 = {.flags = flags};
	struct ic_timesync_v1 v1 = {.flags = flags};

	v4.ref_time = ic->io.ref_time(ic->io.ctx);
	v4.parent_time = ic->io.utc(ic->io.ctx) + IC_TIME_UNIX_EPOCH;
	v1.parent_time = v4.parent_time;
	return ic->message.major >= 4 ? ic_request(ic, &v4, sizeof(v4))
				      : ic_request(ic, &v1, sizeof(v1));
}

static int answered(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t len,
		    int64_t now_ms)
{
	if (!status)
		((struct timesync *)ic)->is_synced = true;
	ic->deadline_ms = now_ms + PERIOD_MS;
	return 0;
}

const struct ic_service timesync_service = {
	.name = "timesync",
	.type = IC_MSG_TIMESYNC,
	.if_type = IC_CLASS_TIMESYNC,
	/* 2dd1ce17-079e-403c-b352-a1921ee207ee */
	.if_instance = {0x2dd1ce17,
			0x079e,
			0x403c,
			{0xb3, 0x52, 0xa1, 0x92, 0x1e, 0xe2, 0x07, 0xee}},
	.version = versions,
	.nr_versions = sizeof(versions) / sizeof(versions[0]),
	.reset = reset,
	.ready = ready,
	.due = due,
	.answered = answered,
};
