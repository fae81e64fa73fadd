/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring3 engine with a real guest: the self-test image of the runtime, and what it does when it
 * is asked to be hostile. Needs no root and no /dev/kvm. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "hv/hv.h"

#define WAIT_S		 60
#define CONNECTION_TEST	 7
#define CONNECTION_FLAGS 8

extern const uint8_t rt_selftest_start[], rt_selftest_end[];

struct host {
	struct hv_partition *p;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool has_stopped;
	enum hv_stop_reason reason;
	uint32_t status;
	char text[512];
	char console[8192];
	_Atomic unsigned int nr_siefp;
};

static int answer_messages(struct host *h, unsigned int vp, const uint32_t *word)
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

static int answer_flags(struct host *h, const uint32_t *word)
{
	uint32_t i;

	for (i = 0; i < word[2]; i++)
		hv_signal_event_flag(h->p, word[0], HV_SINT_VMBUS, word[1] + i);
	return HV_STATUS_SUCCESS;
}

static int on_message(void *ctx, unsigned int vp, uint32_t connection, uint32_t type,
		      const void *payload, size_t len)
{
	uint32_t word[3] = {0};

	memcpy(word, payload, len < sizeof(word) ? len : sizeof(word));
	if (connection == CONNECTION_TEST)
		return answer_messages(ctx, vp, word);
	if (connection == CONNECTION_FLAGS)
		return answer_flags(ctx, word);
	return HV_STATUS_INVALID_CONNECTION_ID;
}

static void on_siefp(void *ctx, unsigned int vp, uint64_t siefp)
{
	((struct host *)ctx)->nr_siefp++;
}

static void on_stopped(void *ctx, enum hv_stop_reason reason, uint32_t status, const char *text)
{
	struct host *h = ctx;

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
	struct host *h = ctx;
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

static int host_create(struct host *h, const char *cmdline, unsigned int nr_vps, unsigned int flags)
{
	const struct hv_cfg cfg = {
		.name = "test",
		.nr_vps = nr_vps,
		.mem_bytes = 16 << 20,
		.numa_node = -1,
		.engine = HV_ENGINE_RING3,
		.image = rt_selftest_start,
		.image_len = (size_t)(rt_selftest_end - rt_selftest_start),
		.cmdline = cmdline,
		.flags = flags | HV_CFG_NO_HUGE,
	};

	memset(h, 0, sizeof(*h));
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->cond, NULL);
	return hv_partition_create(&h->p, &cfg, &ops, h);
}

static bool host_wait(struct host *h)
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

/* Runs the image to its end and checks that its process is gone after destroy. */
static void run(struct host *h, const char *cmdline, unsigned int nr_vps, unsigned int flags)
{
	int pid;

	cr_assert_eq(host_create(h, cmdline, nr_vps, flags), 0, "%s", err_text());
	pid = hv_engine_pid(h->p);
	cr_assert_gt(pid, 1);
	cr_assert_eq(hv_partition_start(h->p), 0, "%s", err_text());
	cr_assert(host_wait(h), "no end; console: %s", h->console);
	hv_partition_destroy(h->p);
	cr_assert_eq(kill(pid, 0), -1, "the stub process is still there");
	cr_assert_eq(errno, ESRCH);
}

#define ARGS "number=4K hex=0x1f bare"

static void run_all(unsigned int nr_vps, unsigned int flags)
{
	static struct host h;

	run(&h, ARGS, nr_vps, flags);
	cr_assert_eq(h.reason, HV_STOP_GUEST_EXIT, "%s", h.text);
	cr_assert_eq(h.status, 0, "%s; console: %s", h.text, h.console);
	cr_assert(strstr(h.console, "selftest: vps ok"), "%s", h.console);
	cr_assert_eq(h.nr_siefp, nr_vps);
}

Test(hv_ring3, runs_the_self_test_image_on_one_vp)
{
	run_all(1, 0);
}

Test(hv_ring3, runs_the_self_test_image_on_four_vps)
{
	run_all(4, 0);
}

Test(hv_ring3, needs_no_cpuid_faulting)
{
	run_all(2, HV_CFG_NO_CPUID_FAULT);
}
