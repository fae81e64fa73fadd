/* SPDX-License-Identifier: BSD-3-Clause */
/* Abstract sockets of an instance: "@nethv/<uid>/<name>" for people (stream, JSON-RPC),
 * "@nethv/<uid>/<name>/link" for the workers' links to the switch (SOCK_SEQPACKET),
 * "@nethv/<uid>/<name>/console/<partition>" for the partitions' consoles (stream, raw bytes), and
 * "@nethv/<uid>/<name>/see" for captures and traces (the switch's; stream, JSON-RPC). They
 * vanish with the last process that holds them. Only root and the same user get through. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONTROL_INSTANCES_MAX 64u

/* ctl.  A listening socket, or -EADDRINUSE and other -errno (text set). The caller owns it. */
int control_listen(const char *instance);
int control_listen_link(const char *instance);
int control_listen_console(const char *instance, const char *partition);
int control_listen_see(const char *instance);

/* ctl.  A connected socket, or -ENOENT: no such instance, or -errno (text set). */
int control_connect(uid_t uid, const char *instance);
int control_connect_link(const char *instance);
int control_connect_console(uid_t uid, const char *instance, const char *partition);
int control_connect_see(uid_t uid, const char *instance);

/* any.  Whether the peer is root or our own user. *@pid may be NULL. */
bool control_peer_ok(int fd, pid_t *pid);

struct control_instance {
	uid_t uid;
	char name[32];
};
/* ctl.  The instances of this user (root: of all) that listen now. Returns how many. */
unsigned int control_list(struct control_instance out[CONTROL_INSTANCES_MAX]);
