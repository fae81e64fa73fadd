/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/control.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

static socklen_t address(struct sockaddr_un *sa, uid_t uid, const char *instance,
			 const char *suffix)
{
	int n;

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	n = snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1, "nethv/%u/%s%s", uid, instance,
		     suffix);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static int listen_at(const char *instance, const char *suffix, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;
	struct sockaddr_un sa;
	socklen_t len = address(&sa, geteuid(), instance, suffix);

	if (fd < 0)
		return err_sys(-errno, "socket");
	if (!bind(fd, (struct sockaddr *)&sa, len) && !listen(fd, 128))
		return fd;
	rc = -errno;
	fd_close(&fd);
	if (rc == -EADDRINUSE)
		return err_set(rc,
			       "an instance named %s is running already; stop it with `nethv stop "
			       "%s`, or give this one another name",
			       instance, instance);
	return err_sys(rc, "socket @%s", sa.sun_path + 1);
}

int control_listen(const char *instance)
{
	return listen_at(instance, "", SOCK_STREAM);
}

int control_listen_link(const char *instance)
{
	return listen_at(instance, "/link", SOCK_SEQPACKET);
}

int control_listen_see(const char *instance)
{
	return listen_at(instance, "/see", SOCK_STREAM);
}

static void console_suffix(char *buf, size_t size, const char *partition)
{
	snprintf(buf, size, "/console/%.40s", partition);
}

int control_listen_console(const char *instance, const char *partition)
{
	char suffix[64];
	int fd;

	console_suffix(suffix, sizeof(suffix), partition);
	fd = listen_at(instance, suffix, SOCK_STREAM);
	if (fd == -EADDRINUSE)
		return err_set(fd, "its socket's name, @nethv/%u/%s%s, is taken", geteuid(),
			       instance, suffix);
	return fd;
}

/* Root, or @uid, is at the other end. Anybody can bind and connect to an abstract name. */
static bool is_peer(int fd, uid_t uid, pid_t *pid)
{
	socklen_t len = sizeof(struct ucred);
	struct ucred cred;
	bool is_known = !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);

	if (is_known && pid)
		*pid = cred.pid;
	errno = EPERM;
	return is_known && (cred.uid == 0 || cred.uid == uid);
}

static int connect_at(uid_t uid, const char *instance, const char *suffix, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), rc;
	struct sockaddr_un sa;
	socklen_t len = address(&sa, uid, instance, suffix);

	if (fd < 0)
		return err_sys(-errno, "socket");
	if (!connect(fd, (struct sockaddr *)&sa, len) && is_peer(fd, uid, NULL))
		return fd;
	rc = errno == ECONNREFUSED ? -ENOENT : -errno;
	fd_close(&fd);
	if (rc == -ENOENT)
		return err_set(rc, "no instance named %s is running", instance);
	return err_sys(rc ? rc : -EPERM, "socket @%s", sa.sun_path + 1);
}

int control_connect(uid_t uid, const char *instance)
{
	return connect_at(uid, instance, "", SOCK_STREAM);
}

int control_connect_link(const char *instance)
{
	return connect_at(geteuid(), instance, "/link", SOCK_SEQPACKET);
}

int control_connect_console(uid_t uid, const char *instance, const char *partition)
{
	char suffix[64];
	int fd;

	console_suffix(suffix, sizeof(suffix), partition);
	fd = connect_at(uid, instance, suffix, SOCK_STREAM);
	if (fd == -ENOENT)
		return err_set(fd, "%s has no partition named %.40s that runs", instance,
			       partition);
	return fd;
}

int control_connect_see(uid_t uid, const char *instance)
{
	int fd = connect_at(uid, instance, "/see", SOCK_STREAM);

	if (fd == -ENOENT)
		return err_set(fd, "the switch of %s is not running", instance);
	return fd;
}

bool control_peer_ok(int fd, pid_t *pid)
{
	return is_peer(fd, geteuid(), pid);
}

/* A line of /proc/net/unix: "... Flags Type St Inode @nethv/0/demo"; 0x10000 in Flags: it listens. */
static bool parse_line(const char *line, struct control_instance *out)
{
	unsigned int flags, uid;
	char name[64];

	if (sscanf(line, "%*s %*s %*s %x %*s %*s %*s @nethv/%u/%63s", &flags, &uid, name) != 3)
		return false;
	if (!(flags & 0x10000) || strchr(name, '/') || strlen(name) >= sizeof(out->name))
		return false;
	out->uid = uid;
	strcpy(out->name, name);
	return true;
}

unsigned int control_list(struct control_instance out[CONTROL_INSTANCES_MAX])
{
	FILE *f = fopen("/proc/net/unix", "re");
	unsigned int n = 0;
	char line[512];

	if (!f)
		return 0;
	while (n < CONTROL_INSTANCES_MAX && fgets(line, sizeof(line), f))
		if (parse_line(line, &out[n]) && (geteuid() == 0 || out[n].uid == geteuid()))
			n++;
	fclose(f);
	return n;
}
