/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs of `nethv`. Each returns the exit status: 0, 1 (it did not work), 2 (wrong use or a
 * mistake in the configuration). */
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct cli_args {
	const char *verb;
	const char *operand; /* FILE or NAME, or NULL */
	bool is_json;
};

int cmd_run(const struct cli_args *a);
int cmd_check(const struct cli_args *a);
int cmd_ps(const struct cli_args *a);
int cmd_stats(const struct cli_args *a);
int cmd_why_dropped(const struct cli_args *a);
int cmd_stop(const struct cli_args *a);

/* The status of the instance @name (NULL: the only one). 0 or -errno (text set). */
int cli_status(const char *name, json_t **out);

/* Finds the instance that @name (or NULL) means and connects. An fd or -errno (text set). */
int cli_connect(const char *name);

/* Prints "nethv: <err_text>" and returns @status. */
int cli_error(int status);

/* Members of JSON objects by path "a.b.c"; "" or 0 when absent. */
const char *js(json_t *o, const char *path);
json_int_t ji(json_t *o, const char *path);
json_t *jo(json_t *o, const char *path);

/* Prints @o as JSON for programs. */
int cli_print_json(json_t *o);

/* A verb that shows an instance's status: as JSON, or by @show for people. Returns the exit status. */
int cli_show_status(const struct cli_args *a, void (*show)(json_t *status));
