/* SPDX-License-Identifier: BSD-3-Clause */
/* The developer's verbs of `nethv ext` are a program of their own: it needs DPDK, `nethv` does not. */
#include "mgmt/ext_exec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "mgmt/cli.h"
#include "mgmt/paths.h"

static const char *const ext_verbs[] = {"new", "test", "check", "info"};

bool ext_exec_has(const char *verb)
{
	for (size_t i = 0; i < sizeof(ext_verbs) / sizeof(ext_verbs[0]); i++)
		if (!strcmp(ext_verbs[i], verb))
			return true;
	return false;
}

int ext_exec(int argc, char **argv)
{
	char path[PATH_MAX];

	if (argc < 1 || mgmt_path_find(MGMT_FILE_EXT, path))
		return cli_error(2);
	argv[0] = path;
	execv(path, argv);
	err_sys(-errno, "%s", path);
	return cli_error(2);
}
