/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of a hostile guest to an integration component: it sends no request while it waits, keeps
 * its tables bounded, and its texts are safe. Input: component (1), then messages: length (2, and bit
 * 15: made to look like an answer), bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/vsp/services.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

union any {
	struct ic ic;
	struct heartbeat heartbeat;
	struct shutdown shutdown;
	struct timesync timesync;
	struct kvp kvp;
};

static union any any;
static uint8_t last[IC_MSG_MAX];
static uint32_t last_len;

static int io_send(void *ctx, const void *payload, uint32_t len)
{
	if (len > IC_MSG_MAX || any.ic.is_waiting)
		abort();
	memcpy(last, payload, len);
	last_len = len;
	return 0;
}

static uint64_t io_time(void *ctx)
{
	return 1;
}

static void check_text(const char *s, size_t size)
{
	size_t n = strnlen(s, size);

	if (n == size)
		abort();
	for (size_t i = 0; i < n; i++) {
		if ((uint8_t)s[i] < 0x20 || s[i] == 0x7F)
			abort();
	}
}

static void check_kvp(const struct kvp *k)
{
	if (k->nr > VSP_KVP_MAX || k->nr_next > VSP_KVP_MAX)
		abort();
	for (uint32_t i = 0; i < k->nr; i++) {
		check_text(k->pair[i].key, sizeof(k->pair[i].key));
		check_text(k->pair[i].value, sizeof(k->pair[i].value));
	}
}

/* Gives the guest the headers that fit, so that what is behind them is reached. */
static void disguise(uint8_t *msg, uint32_t len)
{
	struct ic_hdr hdr;

	if (len < IC_HDRS_SIZE)
		return;
	memcpy(msg, last, IC_HDRS_SIZE);
	memcpy(&hdr, msg + sizeof(struct ic_pipe_hdr), sizeof(hdr));
	hdr.flags = IC_FLAG_RESPONSE;
	if (last_len > len)
		hdr.size = (uint16_t)(len - IC_HDRS_SIZE);
	memcpy(msg + sizeof(struct ic_pipe_hdr), &hdr, sizeof(hdr));
	((struct ic_pipe_hdr *)msg)->length = len - (uint32_t)sizeof(struct ic_pipe_hdr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ic_service *const service[4] = {&heartbeat_service, &shutdown_service,
							    &timesync_service, &kvp_service};
	static const struct ic_io io = {io_send, io_time, io_time, NULL};
	static uint64_t pkt[2 + 4096 / 8];
	int64_t now = 0;

	if (!size)
		return 0;
	memset(&any, 0, sizeof(any));
	ic_init(&any.ic, service[data[0] & 3], &io);
	if (ic_open(&any.ic))
		abort();
	for (data++, size--; size >= 2; now += 60000) {
		uint32_t len = (data[0] | data[1] << 8) & 0xFFF, take;
		bool is_disguised = data[1] & 0x80;
		struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND, .offset8 = 2};

		data += 2;
		size -= 2;
		take = len < size ? len : (uint32_t)size;
		memset(pkt, 0, sizeof(pkt));
		memcpy(pkt + 2, data, take);
		if (is_disguised)
			disguise((uint8_t *)(pkt + 2), len);
		data += take;
		size -= take;
		d.len8 = (uint16_t)(2 + (len + 7) / 8);
		if (ic_packet(&any.ic, &d, (const uint8_t *)pkt, now) || ic_timer(&any.ic, now))
			break;
		if (any.ic.state == IC_READY && !any.ic.is_waiting &&
		    any.ic.svc == &shutdown_service)
			shutdown_request(&any.shutdown, VSP_SHUTDOWN_REBOOT);
		if (any.ic.svc == &kvp_service)
			check_kvp(&any.kvp);
	}
	return 0;
}
