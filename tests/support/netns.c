/* SPDX-License-Identifier: BSD-3-Clause */
/* Named network namespaces that end with the test. */
#include "tests/support/netns.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define NAMES "/run/netns"

void netns_private(void)
{
	cr_assert_eq(unshare(CLONE_NEWNS), 0, "unshare: %s", strerror(errno));
	cr_assert_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0, "%s", strerror(errno));
	cr_assert(mkdir(NAMES, 0755) == 0 || errno == EEXIST, NAMES ": %s", strerror(errno));
	cr_assert_eq(mount("netns", NAMES, "tmpfs", 0, "mode=755"), 0, NAMES ": %s",
		     strerror(errno));
}
