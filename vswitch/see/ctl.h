/* SPDX-License-Identifier: BSD-3-Clause */
/* What ctl keeps of captures, traces and remembered drops. For the files of vswitch/see/ only. */
#pragma once

#include "vswitch/see/pcapng.h"
#include "vswitch/see/priv.h"

#define SEE_NAME_LEN 32u

/* file.c: a file, pipe or socket that is written to without waiting for its reader. */
enum see_file_kind { SEE_FILE_REGULAR, SEE_FILE_SOCKET, SEE_FILE_OTHER };

struct see_file {
	int fd; /* owned; -1: closed */
	enum see_file_kind kind;
	struct see_buf buf; /* what waits */
	uint64_t written;
};

int see_file_open(struct see_file *f, int fd); /* 0, -EBADF or -ENOMEM (text set); owns @fd then */
/* 0, or the error of write(2) (text set). */
int see_file_flush(struct see_file *f);
/* Flushes, waits for a slow reader for some 200 ms, closes. As flush; -EAGAIN: the reader did not read. */
int see_file_close(struct see_file *f);

struct see_iface {
	char name[SEE_NAME_LEN];
	uint64_t packets;
};

struct see_capture {
	uint32_t id;
	struct vsw_see_capture_cfg cfg; /* filter: owned */
	struct see_filter *filter;
	struct see_counts *counts;
	enum vsw_see_state state;
	bool is_unlinked; /* lcores do not know it any more */
	char text[256];
	struct see_file file;
	uint64_t start_ns, packets, lost;
	struct see_iface *iface;
	unsigned int nr_ifaces;
};

struct see_traced {
	uint32_t packet;
	unsigned int left; /* destinations, from forward on */
	uint64_t tsc;
	json_t *json; /* with "steps" */
};

struct see_trace {
	uint32_t id, wanted;
	char *text;
	struct see_filter *filter;
	struct see_counts *counts;
	unsigned int nr;
	struct see_traced packet[VSW_SEE_TRACED_MAX];
};

struct vsw_see {
	struct vsw_see_cfg cfg;
	const struct vsw_see_ops *ops;
	void *ctx;
	struct see_lane *lane;
	struct vsw_tap tap[2]; /* one is published, the other is free: publish() waits */
	unsigned int tap_next;
	bool has_tap;
	uint32_t next_id, next_packet;
	struct see_capture *capture[VSW_SEE_CAPTURES_MAX];
	struct see_trace *trace[VSW_SEE_TRACES_MAX];
	bool has_drops;
	struct see_filter *drop_filter;
	uint64_t anchor_tsc, anchor_ns;
	char last_text[256]; /* of a status whose capture is gone */
};

/* see.c */
void see_publish(struct vsw_see *see); /* what is set now */
int see_counts_new(struct see_counts **out, uint64_t left);
uint64_t see_lost(const struct vsw_see *see, const struct see_counts *c);
uint64_t see_taken(const struct vsw_see *see, const struct see_counts *c);
/* Wall clock, nanoseconds since 1970, of a TSC value around now. */
void see_clock(struct vsw_see *see);
uint64_t see_ns(const struct vsw_see *see, uint64_t tsc);
void see_port_name(const struct vsw_see *see, uint16_t port, char out[SEE_NAME_LEN]);
/* Source of a record: "a/0", or "up.2" for member 2 of a team. */
void see_src_name(const struct vsw_see *see, const struct see_rec *r, char out[SEE_NAME_LEN + 8]);
json_t *see_json_text(const char *text); /* never fails for its bytes */

/* capture.c */
void see_capture_take(struct vsw_see *see, struct see_capture *c, const struct see_rec *r);
void see_capture_end(struct vsw_see *see, struct see_capture *c, enum vsw_see_state state);
void see_capture_free(struct see_capture *c);

/* trace.c */
void see_trace_take(struct vsw_see *see, const struct see_rec *r);
void see_trace_free(struct see_trace *t);
/* What drops say in JSON, into @o: reason, text, ext, ext_reason, port. */
int see_drop_describe(const struct vsw_see *see, const struct see_rec *r, json_t *o);
