/* SPDX-License-Identifier: BSD-3-Clause */
/* Visiting a named network namespace. Sockets and TAPs made there belong to it for good, so a device
 * made during a visit works afterwards from everywhere, link state and all. (Moving a TAP there later
 * would leave its driver's control socket behind, and the interface down.) */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "vswitch/uplink_priv.h"

#define NETNS_DIR "/var/run/netns"

int vsw_netns_enter(const char *name, int *saved)
{
	char path[128];
	int fd, rc;

	*saved = -1;
	if (name[0] == '\0')
		return 0;
	if (strchr(name, '/') || name[0] == '.')
		return err_set(-EINVAL, "network namespace '%s': a plain name is wanted", name);
	snprintf(path, sizeof(path), NETNS_DIR "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(-errno, "network namespace '%s' (make it with: ip netns add %s)",
			       name, name);
	*saved = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (*saved < 0 || setns(fd, CLONE_NEWNET) < 0) {
		rc = err_sys(-errno, "network namespace '%s': cannot enter (root is needed)", name);
		fd_close(saved);
		fd_close(&fd);
		return rc;
	}
	fd_close(&fd);
	return 0;
}

void vsw_netns_leave(int *saved)
{
	if (*saved < 0)
		return;
	if (setns(*saved, CLONE_NEWNET) < 0)
		log_err("uplink", "cannot return to our network namespace: %m");
	fd_close(saved);
}
