/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's socket for looking at packets: each connection is one capture, trace or watch of drops, and
 * ends with it. What it writes goes past the supervisor: a capture into a descriptor that its client
 * passes along, all else into the answer.
 *
 * Life: see_server_create() -> see_server_destroy(). */
#pragma once

#include <stdbool.h>

struct loop;
struct see_server;
struct vsw_see;

struct see_server_cfg {
	struct loop *loop;
	const char *instance; /* borrowed */
	struct vsw_see *see;
	bool remembers_drops; /* always, not only while somebody asks */
	/* The number of a port, or -errno (text set). */
	int (*port_number)(void *ctx, const char *name);
	void *ctx;
};

/* ctl.  0 or -errno (text set). */
int see_server_create(struct see_server **out, const struct see_server_cfg *cfg);
void see_server_destroy(struct see_server *s); /* NULL is fine */
