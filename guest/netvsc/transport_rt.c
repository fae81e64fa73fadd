/* SPDX-License-Identifier: BSD-3-Clause */
/* The transport of bus.h on our guest runtime. Messages are taken on the VP that connected. */
#include "guest/netvsc/transport_rt.h"

#include "guest/runtime/rt.h"
#include "guest/runtime/rt_hv.h"

#define RELAX_TIME 10000u /* 1 ms: a wait also ends without an interrupt */

static int rt_post(void *ctx, uint32_t conn_id, const void *payload, uint32_t len)
{
	unsigned int rc = rt_post_message(conn_id, VMBUS_MSG_TYPE_CHANNEL, payload, len);

	if (rc == HV_STATUS_SUCCESS)
		return 0;
	if (rc == HV_STATUS_INSUFFICIENT_MEMORY || rc == HV_STATUS_INSUFFICIENT_BUFFERS)
		return NVSC_E_AGAIN;
	return rc == HV_STATUS_INVALID_CONNECTION_ID ? NVSC_E_NODEV : NVSC_E_IO;
}

static int rt_next_message(void *ctx, void *buf)
{
	struct hv_message m;

	while (rt_message_take(&m)) {
		if (m.type != HV_MESSAGE_VMBUS || m.payload_size > sizeof(m.payload))
			continue;
		memcpy(buf, m.payload, m.payload_size);
		return m.payload_size;
	}
	return 0;
}

static void rt_signal(void *ctx, uint32_t conn_id)
{
	rt_signal_event(conn_id);
}

static void *rt_pages(void *ctx, uint32_t nr_pages)
{
	return rt_alloc_pages(nr_pages);
}

static uint64_t rt_gpa_of(void *ctx, const void *ptr)
{
	return rt_gpa(ptr);
}

static void ignore_flag(void *arg, unsigned int flag)
{
}

static void rt_relax(void *ctx)
{
	rt_idle(rt_ref_time() + RELAX_TIME);
	rt_wake_clear();
	rt_event_flags_take(HV_EVENT_FLAGS, ignore_flag, NULL);
}

static uint64_t rt_now(void *ctx)
{
	return rt_ref_time();
}

static const struct nvsc_transport_ops ops = {
	.post = rt_post,
	.next_message = rt_next_message,
	.signal = rt_signal,
	.alloc = rt_pages,
	.gpa = rt_gpa_of,
	.relax = rt_relax,
	.now = rt_now,
};

struct nvsc_transport nvsc_transport_rt(void)
{
	return (struct nvsc_transport){.ops = &ops};
}
