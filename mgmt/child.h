/* SPDX-License-Identifier: BSD-3-Clause */
/* What nethv-switch and nethv-worker share: arguments, the socket to the supervisor, the loop. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "mgmt/config.h"
#include "mgmt/loop.h"
#include "mgmt/rpc.h"

struct child_ops {
	/* ctl.  Answers the supervisor's "status". New reference. */
	json_t *(*status)(void *ctx);
	/* ctl.  "stop" and other notifications. */
	void (*told)(void *ctx, const char *method);
	/* ctl.  Any other request. 0 and *@result (NULL is fine; consumed), or -errno (text set);
	 * -ENOSYS: no such method. */
	int (*call)(void *ctx, const char *method, json_t *params, json_t **result);
};

#define CHILD_ASKS_MAX 32u

/* ctl.  The answer to child_ask(): 0 and @result (borrowed), or -EREMOTEIO and @text. */
typedef void (*child_answer_fn)(void *ctx, int rc, const char *text, json_t *result);

struct child_ask {
	child_answer_fn fn; /* NULL: free */
	void *ctx;
	int64_t id;
};

struct child {
	struct loop loop;
	struct rpc_conn conn;
	struct loop_src src;
	struct mgmt_cfg *cfg;
	const struct child_ops *ops;
	void *ctx;
	int tick_ms;  /* longest time between two ticks */
	bool is_over; /* leave the loop */
	struct child_ask ask[CHILD_ASKS_MAX];
	int64_t last_id;
};

/* ctl.  @config_fd and @ctl_fd as inherited, in text. 0 or -errno (text set). */
int child_init(struct child *c, const char *config_fd, const char *ctl_fd,
	       const struct child_ops *ops, void *ctx);
void child_fini(struct child *c);

/* ctl.  A notification; @params is consumed. A supervisor that is gone ends the loop. */
void child_say(struct child *c, const char *method, json_t *params);

/* ctl.  Asks the supervisor, without waiting: @fn is called with @ctx when the answer comes; never, when the
 * supervisor is gone, which ends the loop. @params is consumed. 0 or -EBUSY (text set): CHILD_ASKS_MAX are
 * not answered yet, @fn is not called. */
int child_ask(struct child *c, const char *method, json_t *params, child_answer_fn fn, void *ctx);

/* ctl.  Says "failed" with err_text() and returns @status (1; 2 for a mistake in the file). */
int child_failed(struct child *c, int status);

/* ctl.  Handles events until is_over. @tick (may be NULL) runs after each, and
 * every tick_ms (200). */
int child_run(struct child *c, void (*tick)(void *ctx));
