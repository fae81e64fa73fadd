/* SPDX-License-Identifier: BSD-3-Clause */
/* The host of the self-test image. */
#include "tests/support/hvhost.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define WAIT_S		 120
#define CONNECTION_TEST	 7
#define CONNECTION_FLAGS 8
#define CONNECTION_RAISE 9

extern const uint8_t rt_selftest_start[], rt_selftest_end[];

static int answer_messages(struct hvhost *h, unsigned int vp, const uint32_t *word)
{
	uint32_t i, out[2];

	for (i = 0; i < word[0]; i++) {
		out[0] = i;
		out[1] = word[1];
		if (hv_post_to_guest(h->p, vp, HV_SINT_VMBUS, 1, out, sizeof(out)))
			return HV_STATUS_INSUFFICIENT_BUFFERS;
	}
	return HV_STATUS_SUCCESS;
}

static int answer_flags(struct hvhost *h, const uint32_t *word)
{
	uint32_t i;

	for (i = 0; i < word[2]; i++)
		hv_signal_event_flag(h->p, word[0], HV_SINT_VMBUS, word[1] + i);
	return HV_STATUS_SUCCESS;
}

/* {vp, sint, 0 = event flag or 1 = message, value} */
static int raise_sint(struct hvhost *h, const uint32_t *word)
{
	int rc = word[2] ? hv_post_to_guest(h->p, word[0], word[1], 1, &word[3], sizeof(word[3]))
			 : hv_signal_event_flag(h->p, word[0], word[1], word[3]);

	return rc ? HV_STATUS_INVALID_PARAMETER : HV_STATUS_SUCCESS;
}

static int on_message(void *ctx, unsigned int vp, uint32_t connection, uint32_t type,
		      const void *payload, size_t len)
{
	uint32_t word[4] = {0};

	memcpy(word, payload, len < sizeof(word) ? len : sizeof(word));
	if (connection == CONNECTION_TEST)
		return answer_messages(ctx, vp, word);
	if (connection == CONNECTION_FLAGS)
		return answer_flags(ctx, word);
	if (connection == CONNECTION_RAISE)
		return raise_sint(ctx, word);
	return HV_STATUS_INVALID_CONNECTION_ID;
}

static void on_siefp(void *ctx, unsigned int vp, uint64_t siefp)
{
	((struct hvhost *)ctx)->nr_siefp++;
}

static void on_stopped(void *ctx, enum hv_stop_reason reason, uint32_t status, const char *text)
{
	struct hvhost *h = ctx;

	pthread_mutex_lock(&h->lock);
	h->has_stopped = true;
	h->reason = reason;
	h->status = status;
	snprintf(h->text, sizeof(h->text), "%s", text);
	pthread_cond_signal(&h->cond);
	pthread_mutex_unlock(&h->lock);
}

static void on_console(void *ctx, const char *line, size_t n)
{
	struct hvhost *h = ctx;
	size_t len;

	pthread_mutex_lock(&h->lock);
	len = strlen(h->console);
	snprintf(h->console + len, sizeof(h->console) - len, "%.*s\n", (int)n, line);
	pthread_mutex_unlock(&h->lock);
}

static const struct hv_partition_ops ops = {
	.post_message = on_message,
	.siefp_changed = on_siefp,
	.stopped = on_stopped,
	.console = on_console,
};

int hvhost_create(struct hvhost *h, struct hv_cfg cfg)
{
	cfg.name = "test";
	cfg.mem_bytes = 16 << 20;
	cfg.numa_node = -1;
	cfg.image = rt_selftest_start;
	cfg.image_len = (size_t)(rt_selftest_end - rt_selftest_start);
	cfg.flags |= HV_CFG_NO_HUGE;
	memset(h, 0, sizeof(*h));
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->cond, NULL);
	return hv_partition_create(&h->p, &cfg, &ops, h);
}

bool hvhost_wait(struct hvhost *h)
{
	struct timespec until;
	bool stopped;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&h->lock);
	while (!h->has_stopped && !pthread_cond_timedwait(&h->cond, &h->lock, &until))
		;
	stopped = h->has_stopped;
	pthread_mutex_unlock(&h->lock);
	return stopped;
}
