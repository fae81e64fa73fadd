/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void give_up(const char *path)
{
	perror(path);
	abort();
}

static void path_set(char *path, const char *name, const char *suffix)
{
	const char *dir = getenv("TMPDIR");
	int n;

	if (!dir || !*dir)
		dir = "/tmp";
	n = snprintf(path, SCRATCH_PATH, "%s/nethv-%s-%s", dir, name, suffix);
	if (n < 0 || (unsigned int)n >= SCRATCH_PATH) {
		fprintf(stderr, "TMPDIR is too long for scratch files: %s\n", dir);
		abort();
	}
}

int scratch_file(char path[SCRATCH_PATH], const char *name)
{
	int fd;

	path_set(path, name, "XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		give_up(path);
	return fd;
}

void scratch_dir(char path[SCRATCH_PATH], const char *name)
{
	path_set(path, name, "XXXXXX");
	if (!mkdtemp(path))
		give_up(path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

void scratch_remove(const char *path)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS))
		give_up(path);
}

void scratch_name(char path[SCRATCH_PATH], const char *name)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	path_set(path, name, pid);
}
