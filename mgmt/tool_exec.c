/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/tool_exec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "mgmt/cli.h"
#include "mgmt/paths.h"

static const struct tool {
	const char *verb;
	const char *sub[5]; /* NULL: whatever follows */
	enum mgmt_file file;
} tools[] = {
	{"ext", {"new", "test", "check", "info"}, MGMT_FILE_EXT},
	{"bench", {NULL}, MGMT_FILE_BENCH},
};

static bool takes(const struct tool *t, int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], t->verb) != 0)
		return false;
	if (!t->sub[0])
		return true;
	for (size_t i = 0; t->sub[i] && argc > 2; i++)
		if (!strcmp(argv[2], t->sub[i]))
			return true;
	return false;
}

static const struct tool *find(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		if (takes(&tools[i], argc, argv))
			return &tools[i];
	return NULL;
}

bool tool_exec_has(int argc, char **argv)
{
	return find(argc, argv) != NULL;
}

int tool_exec(int argc, char **argv)
{
	char path[PATH_MAX], own[PATH_MAX];

	if (mgmt_path_find(find(argc, argv)->file, path))
		return cli_error(2);
	if (realpath("/proc/self/exe", own))
		setenv("NETHV", own, 1);
	argv[1] = path;
	execv(path, argv + 1);
	err_sys(-errno, "%s", path);
	return cli_error(2);
}
