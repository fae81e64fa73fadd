/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

static const struct {
	const char *env;
	const char *what;
	int mode;
	const char *rel[3]; /* from the folder of the running program */
} files[] = {
	[MGMT_FILE_SWITCH] = {"NETHV_SWITCH",
			      "the program nethv-switch",
			      X_OK,
			      {"nethv-switch", "../libexec/nethv/nethv-switch"}},
	[MGMT_FILE_WORKER] = {"NETHV_WORKER",
			      "the program nethv-worker",
			      X_OK,
			      {"nethv-worker", "../libexec/nethv/nethv-worker"}},
	[MGMT_FILE_IMAGE] = {"NETHV_IMAGE",
			     "the guest image",
			     R_OK,
			     {"../guest/nethv-guest.elf", "../libexec/nethv/nethv-guest.elf",
			      "nethv-guest.elf"}},
	[MGMT_FILE_EXT] = {"NETHV_EXT",
			   "the program nethv-ext",
			   X_OK,
			   {"ext/nethv-ext", "../libexec/nethv/nethv-ext"}},
	[MGMT_FILE_BENCH] = {"NETHV_BENCH",
			     "the program nethv-bench",
			     X_OK,
			     {"../bench/nethv-bench", "../libexec/nethv/nethv-bench"}},
};

static int own_folder(char out[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return err_sys(-errno, "/proc/self/exe");
	out[n] = 0;
	slash = strrchr(out, '/');
	if (slash)
		*slash = 0;
	return 0;
}

int mgmt_path_find(enum mgmt_file what, char out[PATH_MAX])
{
	const char *env = getenv(files[what].env);
	char dir[PATH_MAX], path[2 * PATH_MAX];
	int rc;

	if (env) {
		if (!access(env, files[what].mode) && realpath(env, out))
			return 0;
		rc = -errno;
		return err_sys(rc, "%s: %s names %s", files[what].what, files[what].env, env);
	}
	rc = own_folder(dir);
	for (size_t i = 0; !rc && i < 3 && files[what].rel[i]; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[what].rel[i]);
		if (!access(path, files[what].mode) && realpath(path, out))
			return 0;
	}
	return err_set(-ENOENT, "%s: not found at %s/%s; build or install it, or set %s",
		       files[what].what, dir, files[what].rel[0], files[what].env);
}
