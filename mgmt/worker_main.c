/* SPDX-License-Identifier: BSD-3-Clause */
/* nethv-worker: runs one partition. Arguments (from `nethv run`): config fd, ctl fd, partition. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "mgmt/control.h"
#include "mgmt/worker.h"
#include "mgmt/worker_vf.h"

#define OFFERS_MS    10000 /* for the switch, to offer the adapters */
#define UP_MS	     5000  /* for the guest, to report that it is up */
#define STOP_TELL_MS 5000  /* between two lines about a guest that does not end */
#define TICK_MS	     200
#define TICK_BUSY_MS 5 /* something is to be tried again */

static int link_up(struct worker *w)
{
	int fd = control_connect_link(w->child.cfg->name);

	return fd < 0 ? fd : vmbus_server_link_up(w->server, fd);
}

static void on_server(void *ctx, uint32_t events)
{
	struct worker *w = ctx;

	vmbus_server_process(w->server);
}

static void on_wake(void *ctx, uint32_t events)
{
	struct worker *w = ctx;

	fd_drain(w->wake_fd);
	worker_console_process(&w->con);
}

static void announce_end(struct worker *w)
{
	static const char *const how[] = {
		[HV_STOP_GUEST_EXIT] = "the guest ended itself",
		[HV_STOP_GUEST_OFF] = "the guest switched itself off",
		[HV_STOP_GUEST_RESET] = "the guest resets itself",
		[HV_STOP_GUEST_CRASH] = "the guest crashed",
		[HV_STOP_ENGINE] = "the engine failed",
	};
	const struct worker_end *end = &w->end;

	worker_console_process(&w->con);
	if (end->reason == HV_STOP_GUEST_EXIT && !end->status)
		log_info(w->part->name, "%s, status %u", how[end->reason], end->status);
	else
		log_warn(w->part->name, "%s: %s", how[end->reason], end->text);
}

/* Whether every primary channel that the guest has, or is to have, is served by the switch. */
static bool is_served(struct worker *w, bool is_first)
{
	struct vmbus_server_chan_status ch;
	struct vmbus_server_status st;
	uint32_t offered = 0;

	vmbus_server_status(w->server, &st);
	if (strcmp(st.link, "up") || !st.is_settled)
		return false;
	for (uint32_t relid = 0; vmbus_server_chan_next(w->server, relid, &ch); relid = ch.relid) {
		offered += ch.has_switch && ch.sub_index == 0;
		if (ch.open == VMBUS_CH_OPEN && !strcmp(ch.server, "none") && !ch.is_rescinded)
			return false;
	}
	return !is_first || offered >= w->part->nics_count;
}

static void fail(struct worker *w)
{
	w->exit_status = child_failed(&w->child, 1);
	w->child.is_over = true;
}

/* A guest that asks for offers before they are there would find no adapter. */
static void try_start(struct worker *w)
{
	struct vmbus_server_status st;
	int rc;

	if (is_served(w, true)) {
		w->start_until_ms = 0;
		rc = hv_partition_start(w->hv);
		if (rc) {
			fail(w);
			return;
		}
		child_say(&w->child, "ready", NULL);
		w->up_until_ms = loop_now_ms() + UP_MS;
	} else if (loop_now_ms() >= w->start_until_ms) {
		vmbus_server_status(w->server, &st);
		err_set(-ETIMEDOUT,
			"the switch did not offer its %u adapters within %d s (link %s%s%s)",
			w->part->nics_count, OFFERS_MS / 1000, st.link, st.reason[0] ? ": " : "",
			st.reason);
		fail(w);
	}
}

/* A kernel has no report page: it counts as up at once. */
static void try_up(struct worker *w)
{
	struct nethv_report r;
	bool is_up =
		w->part->kernel || (!hv_report_read(w->hv, &r) && r.state != NETHV_STATE_BOOTING);

	if (is_up)
		child_say(&w->child, "up", NULL);
	if (is_up || loop_now_ms() >= w->up_until_ms)
		w->up_until_ms = 0;
}

static void try_again(struct worker *w)
{
	bool is_busy;

	if (w->has_backlog) {
		w->has_backlog = false;
		vmbus_server_wake(w->server);
	}
	if (w->wants_link && is_served(w, false)) {
		w->wants_link = false;
		child_say(&w->child, "resumed", NULL);
	}
	if (w->start_until_ms)
		try_start(w);
	if (w->up_until_ms)
		try_up(w);
	is_busy = w->has_backlog || w->wants_link || w->start_until_ms || w->up_until_ms;
	w->child.tick_ms = is_busy ? TICK_BUSY_MS : TICK_MS;
}

/* The guest had its time to end. Until then, a line now and then says what is waited for. */
static bool is_stop_late(struct worker *w)
{
	int64_t now = loop_now_ms();

	if (!w->stop_until_ms)
		return false;
	if (now >= w->stop_until_ms) {
		log_warn(w->part->name, "the guest did not end within %u s, stopping it",
			 w->part->stop_s);
		return true;
	}
	if (now - w->stop_told_ms >= STOP_TELL_MS) {
		w->stop_told_ms = now;
		log_info(w->part->name, "waits for its guest to end, %lld s more at most",
			 (long long)(w->stop_until_ms - now + 999) / 1000);
	}
	return false;
}

static void tick(void *ctx)
{
	struct worker *w = ctx;
	bool is_ended;

	try_again(w);
	worker_vf_tick(w);
	pthread_mutex_lock(&w->lock);
	is_ended = w->end.is_ended;
	pthread_mutex_unlock(&w->lock);
	if (is_ended)
		announce_end(w);
	else if (!is_stop_late(w))
		return;
	w->child.is_over = true;
}

/* Asks the guest; when and whether it ends is its business. */
static int ask_shutdown(struct worker *w, bool is_reboot)
{
	if (w->part->kernel)
		return worker_vsp_shutdown(w, is_reboot);
	hv_request_stop(w->hv);
	return 0;
}

/* The instance ends. A guest that cannot be asked, or has not begun, is not waited for. */
static void stop(struct worker *w)
{
	int rc;

	if (w->stop_until_ms)
		return;
	rc = w->start_until_ms ? -ENOTCONN : ask_shutdown(w, false);
	if (rc && rc != -EBUSY) { /* busy: it was asked a moment ago */
		if (rc != -EOPNOTSUPP && !w->start_until_ms)
			log_warn(w->part->name, "%s; switching it off", err_text());
		w->child.is_over = true;
		return;
	}
	w->stop_told_ms = loop_now_ms();
	w->stop_until_ms = w->stop_told_ms + 1000ll * w->part->stop_s;
}

static void told(void *ctx, const char *method)
{
	struct worker *w = ctx;

	if (!strcmp(method, "stop")) {
		stop(w);
	} else if (!strcmp(method, "off")) {
		w->child.is_over = true;
	} else if (!strcmp(method, "link")) {
		w->wants_link = true;
		if (link_up(w))
			log_warn(w->part->name, "%s", err_text());
	}
}

static json_t *status(void *ctx)
{
	return worker_status_json(ctx);
}

static int tell(struct worker *w, json_t *params, json_t **result)
{
	uint32_t seq;
	int rc = hv_order(w->hv, json_string_value(json_object_get(params, "order")), &seq);

	if (!rc)
		*result = json_pack("{s:I}", "number", (json_int_t)seq);
	return rc;
}

static int call(void *ctx, const char *method, json_t *params, json_t **result)
{
	if (!strcmp(method, "shutdown"))
		return ask_shutdown(ctx, json_is_true(json_object_get(params, "reboot")));
	if (!strcmp(method, "tell"))
		return tell(ctx, params, result);
	return worker_vf_call(ctx, method, params, result);
}

static const struct child_ops ops = {.status = status, .told = told, .call = call};

static int start(struct worker *w, const char *partition)
{
	struct loop *loop = &w->child.loop;
	int rc = worker_build(w, partition);

	if (rc)
		return rc;
	w->server_src = (struct loop_src){-1, on_server, w};
	w->wake_src = (struct loop_src){-1, on_wake, w};
	rc = worker_console_open(&w->con, loop, w->child.cfg->name, w->part, w->hv);
	if (!rc)
		rc = loop_add(loop, &w->server_src, vmbus_server_fd(w->server), EPOLLIN);
	if (!rc)
		rc = loop_add(loop, &w->wake_src, w->wake_fd, EPOLLIN);
	if (!rc)
		rc = worker_vsp_start(w);
	w->start_until_ms = loop_now_ms() + OFFERS_MS;
	w->child.tick_ms = TICK_BUSY_MS;
	return rc ? rc : link_up(w);
}

int main(int argc, char **argv)
{
	static struct worker w = {.state_fd = -1,
				  .wake_fd = -1,
				  .lock = PTHREAD_MUTEX_INITIALIZER,
				  .con.lock = PTHREAD_MUTEX_INITIALIZER};
	int rc;

	log_init("nethv", LOG_LVL_INFO);
	if (argc != 4 || child_init(&w.child, argv[1], argv[2], &ops, &w)) {
		fprintf(stderr, "nethv-worker: %s\n",
			argc == 4 ? err_text() : "started by `nethv run FILE`, not by hand");
		return 2;
	}
	rc = start(&w, argv[3]);
	if (rc) {
		rc = child_failed(&w.child, 1);
	} else {
		child_run(&w.child, tick);
		hv_partition_stop(w.hv);
		if (!w.exit_status)
			child_say(&w.child, "ended", worker_last_json(&w));
		rc = w.exit_status;
	}
	worker_demolish(&w);
	child_fini(&w.child);
	return rc;
}
