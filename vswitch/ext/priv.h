/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of vswitch/ext/ share: instances, the switch's list of them, rules. */
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "vswitch/ext/code.h"
#include "vswitch/ext/ext.h"
#include "vswitch/ext/guard.h"
#include "vswitch/vswitch.h"

struct vsw_objs;
struct vsw_ext_view;

/* Rules that the runtime enforces; what is counted as broken. X(word, ID, text) */
#define VSW_RULES(X)                                                                              \
	X(none, "", "")                                                                           \
	X(capture_writes, "EXT-1",                                                                \
	  "a capturing extension may not drop, exclude or change packets")                        \
	X(filter_ingress, "EXT-2", "packets are changed on ingress only")                         \
	X(forward_route, "EXT-3", "only a forwarding extension chooses destinations, on ingress") \
	X(native, "EXT-9", "a packet marked native is forwarded by the switch")                   \
	X(reason, "EXT-11", "a verdict must be 1 + the index of a declared reason")               \
	X(dst, "DP-4", "a destination must be a port that is connected")                          \
	X(commit, "DP-6", "after the commit only exclusion may change, on egress")                \
	X(originate, "DP-10", "packets are originated on ingress, from a connected port")         \
	X(clone, "DP-12", "on egress a clone keeps data, source and destinations")                \
	X(source, "SRC-1", "a source must be a port that is connected")                           \
	X(plain, "SDK-1", "a head is replaced only with NETHV_EXT_PLAIN")                         \
	X(hold, "SDK-2", "packets are held only with NETHV_EXT_HOLDS, and not while unloading")   \
	X(handle, "SDK-3", "a handle stands for one held packet, until it is released")           \
	X(moment, "SDK-4", "this call does not belong into this callback")                        \
	X(index, "SDK-5", "a packet index must be below burst->n")                                \
	X(bytes, "SDK-6", "bytes that a new head took away cannot be edited")

enum vsw_rule {
#define X(word, id, text) VSW_RULE_##word,
	VSW_RULES(X)
#undef X
		VSW_RULE_COUNT
};

struct vsw_ext_lane { /* one lcore's; written by it only */
	alignas(64) struct vsw_ext_counts c;
	uint32_t last_broken; /* enum vsw_rule */
	uint32_t flushed;     /* flush_wanted as it was when flush() was done */
	void *data;
};

struct vsw_ext_mem {
	struct vsw_ext_mem *next;
	void *at;
	size_t len;
};

struct vsw_ext {
	struct nethv_host host; /* what the extension sees; priv: this struct */
	struct vsw *sw;
	uint32_t id; /* never used again */
	struct vsw_ext_code *code;
	void *inst;
	struct vsw_ext_lane *lane; /* [nr_lcores] */

	/* Faults: the first one is kept. Atomic. */
	bool is_faulted;
	bool is_told; /* the event is on its way, or was taken */
	struct vsw_fault fault;
	const char *fault_callback;
	uint16_t fault_lcore; /* nr_lcores: ctl */
	uint16_t fault_burst;

	uint32_t flush_wanted; /* atomic; odd: being unloaded, holds nothing more */
	uint32_t nr_posted;    /* atomic; events of post() that wait */

	/* ctl only */
	bool is_created;
	bool is_disabled;
	bool is_fail_closed;
	bool is_for_ports;
	bool is_tainted;
	uint64_t ports[4];
	uint32_t budget_us;
	char name[32];
	char *path;
	char **imports; /* NULL-terminated */
	char *config;	/* JSON text */
	json_t *cfg;	/* checked, defaults filled in */
	char fail[256]; /* host->fail() */
	char report[512];
	uint64_t faults;
	uint64_t ctl_broken;
	const char *broken_id; /* on ctl, the last one; NULL: none */
	char broken_text[128];
	struct vsw_ext_mem *mem;
	uint64_t pause_ns;
	const char *change;
	struct vsw_ext *next_grave; /* unloaded; events may still name it */
	bool is_dead;
	unsigned int dead_s;
};

struct vsw_exts {
	struct vsw *sw;
	struct vsw_ext *e[VSW_EXTS_MAX]; /* by class, then by position */
	unsigned int n;
	uint32_t next_id;
	struct vsw_guard guard; /* ctl's */
	struct vsw_watchdog *watchdog;
	struct vsw_objs *objs;
	struct vsw_ext *graves;
	uint64_t pause_ns; /* of the last change */
};

#define CTL_BUDGET_NS 500000000ull

/* rules: any. "EXT-1" and the sentence. */
const char *vsw_rule_id(enum vsw_rule rule);
const char *vsw_rule_text(enum vsw_rule rule);

static inline struct vsw_ext *ext_of(const struct nethv_host *h)
{
	return h->priv;
}

/* any.  True: its fault is complete, too (pairs with vsw_ext_faulted()). */
static inline bool ext_is_faulted(const struct vsw_ext *e)
{
	return __atomic_load_n(&e->is_faulted, __ATOMIC_ACQUIRE);
}

/* code.c, ctl.  0 or -EINVAL (text set). */
int vsw_desc_check(const struct nethv_ext *d, const char *path);

/* calls.c: the lcores' half of struct nethv_host; host.c: ctl's half. */
void vsw_calls_fill(struct nethv_host *h);
void vsw_host_objs_fill(struct nethv_host *h); /* objs.c: ports, references, properties */
struct vsw_ext *vsw_host_begin(void);	       /* ctl's calls; then vsw_guard_out() */
int vsw_host_init(struct vsw_ext *e);
void vsw_host_free_all(struct vsw_ext *e);

/* lcore.  Counts a broken rule. */
void vsw_rule_broken(struct vsw_ext *e, uint16_t lcore, enum vsw_rule rule);

/* keys.c, ctl.  Checks @config (NULL: {}) against the extension's keys. New reference with defaults filled
 * in, and 0; -EINVAL (text set: key, what was found, what is allowed). */
int vsw_keys_check(json_t **out, const struct nethv_ext *ext, const char *config);
json_t *vsw_keys_get(json_t *cfg, const char *path);

/* guarded.c, ctl.  A callback of an instance, contained. False: it faulted and is detached now. */
struct vsw_ctl_call {
	struct vsw_ext *e;
	const char *name;
	int rc;
	/* what the callback gets */
	struct nethv_event *ev;
	struct nethv_writer *w;
	const void *in;
	size_t in_len;
	uint32_t version;
	char *text;
	size_t text_max;
	uint64_t arg;
	uint64_t budget_ns; /* 0: CTL_BUDGET_NS */
};
bool vsw_ctl_create(struct vsw_ctl_call *c);
bool vsw_ctl_destroy(struct vsw_ctl_call *c);
bool vsw_ctl_configure(struct vsw_ctl_call *c);
bool vsw_ctl_event(struct vsw_ctl_call *c);
bool vsw_ctl_save(struct vsw_ctl_call *c);
bool vsw_ctl_restore(struct vsw_ctl_call *c);
bool vsw_ctl_status(struct vsw_ctl_call *c);
bool vsw_ctl_notify(struct vsw_ctl_call *c);
bool vsw_ctl_tick(struct vsw_ctl_call *c);

/* runtime.c, any.  Notes the fault of @g in @e; the first one counts. */
void vsw_ext_faulted(struct vsw_ext *e, const struct vsw_guard *g, uint16_t lcore, uint16_t burst);
/* runtime.c, ctl.  The error of a callback on ctl that failed (text set). */
int vsw_ext_why(const struct vsw_ext *e, const char *callback);
/* runtime.c, ctl.  The event behind host->post(). */
void vsw_ext_on_notify(void *ctx, uint64_t arg);

/* runtime.c, ctl.  Of what loading, unloading and upgrading are made. An instance with its code; the error of
 * opening it or of its create() (text set). */
int vsw_ext_create(struct vsw_ext **out, struct vsw *sw, const struct vsw_ext_cfg *cfg);
/* Not in the list, not seen by lcores. Events may still name it: it is freed a while later. */
void vsw_ext_end(struct vsw_ext *e);
/* Its index in x->e; x->n: it is not there. */
unsigned int vsw_exts_place(const struct vsw_exts *x, const struct vsw_ext *e);
/* -EBUSY (text set): another one than @e forwards. */
int vsw_ext_check_forwarder(const struct vsw_exts *x, const struct vsw_ext *e);
/* Holders give back what they hold, in their lcores; nothing new is held until holds_begin(). */
void vsw_ext_holds_end(struct vsw_ext *e);
void vsw_ext_holds_begin(struct vsw_ext *e);
/* Around a change: the longest pause of an lcore meanwhile is shown as that of @change. */
void vsw_ext_pause_begin(const struct vsw *sw);
void vsw_ext_pause_end(struct vsw_ext *e, const char *change);

/* report.c, ctl.  The fault of an instance in one sentence. */
void vsw_fault_text(const struct vsw_ext *e, char *to, size_t max);

/* lcore.  A host call's event for ctl: notify(@arg). */
bool vsw_ext_post(struct vsw_ext *e, uint64_t arg);

/* runtime.c, ctl.  For vsw_create(), vsw_destroy(), snapshots and the clock. */
int vsw_exts_create(struct vsw *sw);
void vsw_exts_destroy(struct vsw *sw);
struct vsw_ext_set;
void vsw_exts_snapshot(const struct vsw *sw, struct vsw_ext_set *out);
bool vsw_exts_any(const struct vsw *sw); /* ctl.  Whether it would have any */
void vsw_exts_tick(struct vsw *sw);

/* objs.c, ctl.  The switch's ports and adapters for extensions. */
int vsw_exts_objs_create(struct vsw_exts *x);
