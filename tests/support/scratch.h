/* SPDX-License-Identifier: BSD-3-Clause */
/* Scratch files of tests: in TMPDIR, else in /tmp. A program that cannot have one ends and says so. */
#pragma once

/* Fits, with a short name behind it, into the address of a socket; a longer TMPDIR is refused. */
#define SCRATCH_PATH 100u

/* A new file or directory named after @name; the caller removes it. The file's descriptor. */
int scratch_file(char path[SCRATCH_PATH], const char *name);
void scratch_dir(char path[SCRATCH_PATH], const char *name);
/* Removes a directory and all in it, also one inside of a scratch directory. */
void scratch_remove(const char *path);
/* A name of this process, for what is made by others; the same at each call. */
void scratch_name(char path[SCRATCH_PATH], const char *name);
