/* SPDX-License-Identifier: BSD-3-Clause */
/* The supervisor of one instance, private to mgmt/sup*.c and mgmt/run.c: it starts the switch and
 * the workers, restarts the switch, answers the control socket, and ends everything.
 *
 * Life: SUP_SWITCH_UP -> SUP_WORKERS_UP -> SUP_RUNNING -> SUP_STOP_WORKERS -> SUP_STOP_SWITCH ->
 * SUP_OVER. One thread; children die with it (PDEATHSIG), and all sockets and memory are
 * anonymous, so that nothing of them is left even after kill -9. */
#pragma once

#include <jansson.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mgmt/config.h"
#include "mgmt/loop.h"
#include "mgmt/preflight.h"
#include "mgmt/rpc.h"
#include "mgmt/sup_vf.h"
#include "mgmt/wake.h"

#define SUP_CLIENTS_MAX 32u
#define SUP_ASKS_MAX	32u
#define SUP_OPS_MAX	32u

struct sup;

enum proc_state {
	PROC_OFF,      /* not started, or to be started again */
	PROC_STARTING, /* until it said "ready" */
	PROC_RUNNING,
	PROC_STOPPING,
	PROC_ENDED,
};

/* What an operator wants of a partition whose worker still lives. */
enum proc_wish {
	WISH_NONE,
	WISH_OFF,     /* it stays off, however it ends */
	WISH_RESTART, /* it is started again, however it ends */
};

/* The switch, or the worker of a partition. */
struct proc {
	struct sup *sup;
	const struct mgmt_partition *part; /* NULL: the switch */
	char name[40];			   /* "switch", or the partition's name */
	enum proc_state state;
	pid_t pid;
	int pidfd;
	struct rpc_conn conn;
	struct loop_src conn_src, pid_src;
	int64_t started_ms;
	char failure[512]; /* what it said before it ended */
	int fail_status;
	json_t *ready;	 /* params of its "ready" */
	json_t *ended;	 /* worker: params of its "ended": the partition's last status */
	bool is_up;	 /* worker: its guest said so, or had its time for it */
	bool wants_link; /* worker: has not said "resumed" since the switch was restarted */

	/* Worker: starting again. */
	enum proc_wish wish;
	int64_t restart_at_ms; /* PROC_OFF: then; 0: none due */
	int64_t kill_at_ms;    /* it was told to end at once; 0: it was not */
	unsigned int quick_ends;
	unsigned int reboots;
	char last_end[600]; /* of the life before this one */
};

struct client {
	struct sup *sup;
	bool is_used;
	struct rpc_conn conn;
	struct loop_src src;
};

/* A client's request for status that waits for the answers of children. */
struct ask {
	struct client *client; /* NULL: free */
	json_t *id;
	int64_t number;
	int64_t until_ms;
	json_t *answers; /* by name of the process */
	unsigned int waiting;
};

/* A client's request for a change. What it waits for, and who answers, is its kind's business. */
struct op {
	const struct op_kind *kind; /* NULL: free */
	struct sup *sup;
	struct client *client; /* NULL: it has gone; the change is made all the same */
	json_t *id, *params;
	struct proc *part;     /* whose partition it is about; NULL: the switch */
	bool is_asked;	       /* a child was, by @number */
	int64_t number;	       /* rises with the age: also the order among ops */
	int64_t until_ms;      /* while it waits for its turn */
	struct mgmt_cfg *next; /* asked: becomes the configuration when the switch agrees ... */
	int next_fd;	       /* ... and this its memfd */
	json_t *result;
};

enum sup_state {
	SUP_SWITCH_UP,
	SUP_WORKERS_UP,
	SUP_RUNNING,
	SUP_STOP_WORKERS,
	SUP_STOP_SWITCH,
	SUP_OVER,
};

struct sup {
	struct mgmt_cfg *cfg;
	const char *file;
	struct hv_engine_report engine;
	struct preflight preflight;
	struct loop loop;
	enum sup_state state;
	int exit_status;
	int64_t started_ms;
	int64_t deadline_ms; /* of the present state; 0: none */

	int config_fd, stats_fd, link_fd, control_fd, signal_fd;
	struct loop_src control_src, signal_src;

	struct proc sw;
	struct proc *worker; /* one a partition */
	uint32_t nr_workers; /* started so far: in the order of the file, one after the other */
	uint32_t nr_untold;  /* at the end: the first so many were not yet told to stop */
	int64_t told_ms;     /* when the last one was */

	struct client client[SUP_CLIENTS_MAX];
	struct ask ask[SUP_ASKS_MAX];
	struct op op[SUP_OPS_MAX];
	int64_t next_number;
	struct sup_vf *vf; /* NULL: the configuration asks for no VF */
	struct wake wake;  /* of the switch's CPUs, also while it is being restarted */
	cpu_set_t may;	   /* where we were started to run, and our children are */

	/* Restarts of the switch. */
	unsigned int restarts;
	unsigned int quick_deaths; /* in a row */
	int64_t restart_at_ms;	   /* 0: none due */
	int64_t died_at_ms;	   /* 0: no pause is being measured */
	int64_t pause_ms;	   /* of the last restart; -1: none yet */
	int64_t ping_at_ms;	   /* when the switch was asked for a sign of life */
	int64_t ping_number;	   /* 0: it has answered */
};

/* All below: ctl. */

/* sup_proc.c */
void proc_init(struct proc *p, struct sup *sup, const struct mgmt_partition *part);
int proc_start(struct proc *p); /* 0 or -errno (text set) */
void proc_fini(struct proc *p); /* kills and reaps what still runs */
void proc_tell(struct proc *p, const char *method);
void proc_kill(struct proc *p);
static inline bool proc_is_alive(const struct proc *p)
{
	return p->pid > 0;
}

/* sup_events.c: what children say and do. */
void sup_on_message(struct proc *p, const struct rpc_msg *m);
void sup_on_death(struct proc *p, int wait_status);

/* sup_power.c: partitions that end, and are started, reset or shut down. */
void sup_power_ended(struct proc *p, const char *why);
void sup_power_tick(struct sup *sup, int64_t now_ms);
int64_t sup_power_next_ms(const struct sup *sup); /* when to tick; 0: nothing is due */
int sup_power_start(struct op *op);		  /* an op_kind's begin */
int sup_power_reset(struct op *op);
int sup_power_shutdown(struct op *op);
int sup_power_tell(struct op *op);

/* sup_config.c: changes of the configuration. Checks @config (consumed) as if it were a file, and asks the
 * switch for it. As an op_kind's begin. */
int sup_propose(struct op *op, json_t *config);
/* Of a map of the configuration: @value takes the place of what @key had, and null takes it away; the others stay. */
void sup_config_set(json_t *map, const char *key, json_t *value);
void sup_config_merge(json_t *map, json_t *keys); /* each of @keys */

/* sup_nics.c */
int sup_nics_add(struct op *op); /* an op_kind's begin */
int sup_nics_remove(struct op *op);
int sup_nics_set(struct op *op);

/* sup_policy.c */
int sup_policy_set(struct op *op);
int sup_mirrors_set(struct op *op);
int sup_overlay_set(struct op *op);

/* sup_exts.c */
int sup_exts_load(struct op *op);
int sup_exts_unload(struct op *op);
int sup_exts_enable(struct op *op);
int sup_exts_disable(struct op *op);
int sup_exts_move(struct op *op);
int sup_exts_configure(struct op *op);
int sup_exts_upgrade(struct op *op);
int sup_exts_status(struct op *op);

/* sup_ops.c: requests for changes. */
enum { OP_DONE = 0, OP_ASKED = 1 };

enum op_flags {
	OP_CONFIG = 1 << 0, /* one after the other, and only while the switch runs */
	OP_SWITCH = 1 << 1, /* about the switch, not a partition */
	OP_ONCE = 1 << 2,   /* not asked again of the switch after the one that died of it */
	OP_NOBODY = 1 << 3, /* about no partition, and waits for nothing */
	OP_LONG = 1 << 4,   /* waits for a guest, too; ended by sup_op_done() */
};

struct op_kind {
	const char *method;
	unsigned int flags; /* enum op_flags */
	/* OP_DONE and op->result, OP_ASKED (op->number was sent to a child), or -errno (text set);
	 * -EINVAL: bad parameters. Repeated when the child died before it answered. Members of the
	 * child's answer are added to op->result. */
	int (*begin)(struct op *op);
};

/* False: no such method. */
bool sup_op_new(struct client *c, const struct rpc_msg *m);
/* Asks @p; its answer ends the op. */
int sup_op_ask(struct op *op, struct proc *p, const char *method, json_t *params);
/* Ends the op of that number, if there is one, for which begin() returned OP_ASKED: 0 and @result
 * (consumed), or -errno and @text. */
void sup_op_done(struct sup *sup, int64_t number, int rc, const char *text, json_t *result);
void sup_ops_answer(struct proc *p, const struct rpc_msg *m);
void sup_ops_death(struct proc *p);
void sup_ops_run(struct sup *sup); /* begins what can begin */
void sup_ops_forget(struct sup *sup, const struct client *c);
bool sup_ops_hold(const struct sup *sup); /* a change is under way: start no partition now */
void sup_ops_fini(struct sup *sup);

/* sup_control.c */
void sup_client_send(struct client *c, json_t *msg);
void sup_control_accept(void *sup, uint32_t events);
void sup_answer(struct sup *sup, const struct proc *p, int64_t number, json_t *result);
void sup_no_answer(struct sup *sup, const struct proc *p); /* it has ended */
void sup_asks_tick(struct sup *sup, int64_t now_ms);
void sup_clients_fini(struct sup *sup);

/* sup_status.c.  @answers: what switch and workers said. New reference. */
json_t *sup_status_json(const struct sup *sup, json_t *answers);
const char *sup_state_word(enum sup_state state);

/* sup.c */
int sup_create(struct sup **out, struct mgmt_cfg *cfg, const char *file);
void sup_destroy(struct sup *sup); /* NULL and half-built are fine; frees the cfg */
int sup_run(struct sup *sup);	   /* until it is over; returns the exit status */
void sup_fail(struct sup *sup, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void sup_stop(struct sup *sup);		    /* begins a clean end */
int64_t sup_stop_ms(const struct sup *sup); /* how long that takes at most */
void sup_advance(struct sup *sup);	    /* looks whether the present state is done */
void sup_banner(const struct sup *sup);
