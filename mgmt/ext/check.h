/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv ext check`: puts any extension through traffic, events and changes, and tells of each rule whether
 * it was kept, broken, or not touched at all. check.c has the rules and the report, check_session.c a
 * switch with the extension, check_traffic.c, check_change.c and check_events.c what is done to it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "mgmt/ext/bed.h"
#include "mgmt/ext/broken.h"
#include "mgmt/ext/catalog.h"
#include "mgmt/ext/ext.h"
#include "vswitch/ext/ext.h"

#define CHECK_RULES_MAX 64u
#define CHECK_PORTS	3u

enum check_state { CHECK_UNTOUCHED, CHECK_KEPT, CHECK_BROKEN };

struct check_rule {
	char id[16]; /* "CHK-1", "EXT-1" */
	char text[128];
	enum check_state state;
	uint64_t times; /* broken */
	char why[600];	/* the first time */
};

/* Calls into the switch, counted: whether a rule about them was touched. */
enum check_call {
	CALL_COPY,
	CALL_PULL,
	CALL_EDIT,
	CALL_SET_HEAD,
	CALL_SET_VLAN,
	CALL_SET_MARK,
	CALL_SET_SOURCE,
	CALL_CLONE,
	CALL_ORIGINATE,
	CALL_HOLD,
	CALL_RELEASE,
	CALL_DISCARD,
	CALL_POST,
	CALL_COUNT
};

struct check {
	const char *path;
	char *config; /* JSON; NULL: defaults */
	const char *import[EXT_IMPORTS_MAX + 1];
	unsigned int nr_imports;
	uint64_t seed;
	unsigned int steps; /* random ones, of each kind */
	bool is_json;

	struct catalog cat;
	struct nethv_ext desc; /* pointers are valid while it is loaded */
	bool has_event, has_egress, has_ingress;
	uint64_t call[CALL_COUNT];
	uint64_t packets, dropped, nr_events;
	struct check_rule rule[CHECK_RULES_MAX];
	unsigned int nr_rules;
	uint64_t prng;
};

/* A rule was tried and held so far; was broken; printf-like: what happened. */
void check_kept(struct check *c, const char *id);
void check_broken(struct check *c, const char *id, const char *text, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
bool check_is_broken(struct check *c, const char *id);
uint64_t check_random(struct check *c);

/* ---- A switch with the extension ------------------------------------------------------------ */

struct session {
	struct check *c;
	const char *step; /* what is being tried, for the report */
	struct bed *bed;
	struct vsw_ext *e;
	char name[32];
	unsigned int port[CHECK_PORTS];
	unsigned int nr_lcores, lcore;
	struct broken_seen seen;
	bool is_over;	       /* it faulted: nothing of it is called any more */
	uint64_t nr_out, hash; /* of what left */
};

/* A bed with ports and, if @config is not NULL, the extension. 0 or -errno (text set). */
int session_begin(struct session *s, struct check *c, const char *step, unsigned int nr_lcores,
		  const char *config);
/* Gives it time to release what it holds, unloads it, looks at the books. */
void session_end(struct session *s);
/* A burst; afterwards broken rules and faults are noted. */
void session_send(struct session *s, unsigned int port, const struct bed_in *in, unsigned int n);
/* @n frames of the catalogue from @at on, around its end, in bursts of @burst, each to another port. */
void session_traffic(struct session *s, uint32_t at, uint32_t n, unsigned int burst);
void session_idle(struct session *s);
/* Notes what happened in calls that are not traffic. */
void session_note(struct session *s);
/* Finds the instance again, after an upgrade. */
void session_found(struct session *s);
const char *session_config(const struct check *c); /* as given, or "{}" */
struct vsw_ext_counts session_counts(struct session *s);

/* check_calls.c: counts the calls of @e into c->call, from now on. */
void check_calls_watch(struct check *c, struct vsw_ext *e);

/* ---- What is done to it --------------------------------------------------------------------- */

int check_traffic(struct check *c); /* all return 0 or -errno (text set): the check cannot go on */
int check_config(struct check *c);
int check_change(struct check *c);
int check_twice(struct check *c);
int check_events(struct check *c);
