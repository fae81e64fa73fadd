/* SPDX-License-Identifier: BSD-3-Clause */
/* Heartbeat: asks every two seconds whether the guest's kernel still answers. */
#include "vmbus/vsp/services.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

#define PERIOD_MS 2000

static const struct ic_version versions[] = {{1, 0}, {3, 0}};

static void reset(struct ic *ic)
{
	struct heartbeat *h = (struct heartbeat *)ic;

	h->sequence = 0;
	h->seen_ms = -1;
	h->app_state = 0;
}

static void ready(struct ic *ic, int64_t now_ms)
{
	ic->deadline_ms = now_ms;
}

static int due(struct ic *ic, int64_t now_ms)
{
	struct heartbeat *h = (struct heartbeat *)ic;
	struct ic_heartbeat m = {.sequence = h->sequence};

	h->sent_ms = now_ms;
	return ic_request(ic, &m, sizeof(m));
}

static int answered(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t len,
		    int64_t now_ms)
{
	struct heartbeat *h = (struct heartbeat *)ic;
	struct ic_heartbeat m;

	ic->deadline_ms = h->sent_ms + PERIOD_MS;
	if (status)
		return 0; /* it lives, but does not say how it is */
	if (len < sizeof(m))
		return err_set(-EPROTO, "heartbeat of %u bytes, want %zu", len, sizeof(m));
	memcpy(&m, body, sizeof(m));
	if (m.sequence != h->sequence + 1)
		return err_set(-EPROTO, "heartbeat %llu answered by %llu",
			       (unsigned long long)h->sequence, (unsigned long long)m.sequence);
	h->sequence++;
	h->seen_ms = now_ms;
	h->app_state = m.application_state;
	return 0;
}

const struct ic_service heartbeat_service = {
	.name = "heartbeat",
	.type = IC_MSG_HEARTBEAT,
	.if_type = IC_CLASS_HEARTBEAT,
	/* fd149e91-82e0-4a7d-afa6-2a4166cbd7c0 */
	.if_instance = {0xfd149e91,
			0x82e0,
			0x4a7d,
			{0xaf, 0xa6, 0x2a, 0x41, 0x66, 0xcb, 0xd7, 0xc0}},
	.version = versions,
	.nr_versions = sizeof(versions) / sizeof(versions[0]),
	.reset = reset,
	.ready = ready,
	.due = due,
	.answered = answered,
};
