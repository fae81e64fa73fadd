/* SPDX-License-Identifier: BSD-3-Clause */
/* nethv-ext, the developer's side of extensions: `nethv ext new|test|check|info`. No root, no huge pages,
 * no switch that runs. Each verb returns the exit status: 0, 1 (it did not do what was expected), 2
 * (wrong use, or a file that cannot be used). */
#pragma once

#include <limits.h>
#include <stddef.h>

#define EXT_IMPORTS_MAX 16u

int ext_cmd_new(int argc, char **argv);
int ext_cmd_check(int argc, char **argv);
int ext_cmd_info(int argc, char **argv);
int ext_cmd_test(int argc, char **argv);

/* Prints "nethv ext: <err_text>" and returns 2. */
int ext_error(void);

/* Prints "nethv ext: <text>" and how to get help for @verb, and returns 2. */
int ext_usage(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The folder with the templates of `new`: beside the program in a build tree, in share/nethv when
 * installed; NETHV_TEMPLATES overrides. 0 or -errno (text set). */
int ext_templates_find(char out[PATH_MAX]);

/* A configuration as `nethv ext` takes it everywhere: '{key: value, ...}', or a file, with or without '@'
 * before its name. *@out is JSON, freed by the caller. 0 or -errno (text set). */
int ext_config_read(const char *arg, char **out);

/* Reads a whole file of at most @max bytes; a zero is put behind. The caller frees *@out. 0 or -errno
 * (text set). */
int ext_file_read(const char *path, size_t max, char **out, size_t *len);
