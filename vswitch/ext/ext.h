/* SPDX-License-Identifier: BSD-3-Clause */
/* Extensions of a switch: load, order, upgrade, unload, and what they do. An instance is an extension
 * with a name of its own and a configuration, on one switch.
 *
 * Life: vsw_ext_load() -> [enable, disable, move, configure, upgrade, under traffic] -> vsw_ext_unload().
 * One that faults is detached: it stays in the list with its report until it is unloaded or upgraded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nethv/extension.h>

struct vsw;
struct vsw_ext;

#define VSW_EXTS_MAX	  32u
#define VSW_EXT_BUDGET_US 1000u

struct vsw_ext_cfg {
	char name[32];	  /* of the instance; "": the extension's own */
	const char *path; /* FILE.so; FILE.o (eBPF); "builtin:NAME"; borrowed for the call */
	bool is_disabled;
	bool is_fail_closed; /* after a fault its packets are dropped, not let through */
	bool is_for_ports;   /* only packets that enter at or go to these ports */
	uint64_t ports[4];   /* then: bit per port number */
	uint32_t budget_us;  /* CPU time of one call on an lcore, and of save() and restore();
				     * 0: VSW_EXT_BUDGET_US */
	const char *config;  /* JSON object, or NULL: all defaults. Borrowed for the call */
	const char *const *imports; /* functions allowed besides the usual ones, NULL-terminated, or
				     * NULL. Any taints the switch: containment is no longer sure */
};

/* ctl, all.  0 or -errno (text set: extension, cause, what to do); after a failure everything is as it
 * was before. */
int vsw_ext_load(struct vsw_ext **out, struct vsw *sw, const struct vsw_ext_cfg *cfg);
void vsw_ext_unload(struct vsw_ext *e);
int vsw_ext_enable(struct vsw_ext *e);
int vsw_ext_disable(struct vsw_ext *e);
/* 0 is the top of its class: first on ingress, last on egress. */
int vsw_ext_move(struct vsw_ext *e, unsigned int position);
int vsw_ext_configure(struct vsw_ext *e, const char *config);
/* Puts the extension in @cfg (same class and GUID) into its place; state is handed over by save() and
 * restore(). */
int vsw_ext_upgrade(struct vsw_ext *e, const struct vsw_ext_cfg *cfg);
struct vsw_ext *vsw_ext_find(struct vsw *sw, const char *name);

enum vsw_ext_state { VSW_EXT_ENABLED, VSW_EXT_DISABLED, VSW_EXT_FAULTED };

/* Counters of one instance on one lcore, or summed. */
struct vsw_ext_counts {
	uint64_t packets; /* seen, both ways */
	uint64_t bursts;
	uint64_t tsc;	/* spent in its callbacks: counted for some calls, and put in proportion */
	uint64_t timed; /* packets of the calls that were timed */
	uint64_t tsc_poll; /* in poll() and flush(); part of tsc */
	uint64_t dropped;
	uint64_t excluded;
	uint64_t cloned, originated;
	uint64_t held, released; /* held - released are held now */
	uint64_t refused;	 /* calls refused: no room */
	uint64_t broken;	 /* rules broken: see last_broken */
	uint64_t drops[NETHV_REASONS_MAX];
};

struct vsw_ext_status {
	const char *name;
	const char *path;
	const struct nethv_ext *ext; /* of the code: name, version, class, reasons, keys */
	enum vsw_ext_state state;
	unsigned int position; /* in its class */
	bool is_tainted;
	bool is_fail_closed;
	bool is_for_ports;
	uint64_t ports[4];
	uint32_t budget_us;
	const char *config;
	const char *report;	    /* why it was detached, or "" */
	const char *last_broken_id; /* "EXT-1", or "" */
	const char *last_broken;    /* the rule's sentence, or "" */
	uint64_t faults;
	struct vsw_ext_counts sum;
	/* The last change of this instance: how long no packet went through the slowest lcore. */
	uint64_t last_pause_ns;
	const char *last_change; /* "load", "upgrade" ... */
};

/* ctl.  Calls @fn for each instance: captures, filters, forwarders, each from the top. */
void vsw_ext_walk(struct vsw *sw, void (*fn)(const struct vsw_ext_status *st, void *ctx),
		  void *ctx);
void vsw_ext_counts(const struct vsw_ext *e, unsigned int lcore, struct vsw_ext_counts *out);
/* ctl.  The pause of the last change of any instance, also of one that is unloaded. */
uint64_t vsw_ext_last_pause(const struct vsw *sw);
/* ctl.  What the extension says of itself: its length, JSON; or -errno (text set). */
int vsw_ext_say(struct vsw_ext *e, char *json, size_t size);
