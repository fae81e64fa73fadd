/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs of `nethv`. Each returns the exit status: 0, 1 (it did not work), 2 (wrong use or a
 * mistake in the configuration). */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#define CLI_WORDS_MAX	32u
#define CLI_OPTIONS_MAX 12u

struct control_instance;

struct cli_option {
	const char *name; /* "--mac" */
	bool has_value;
};

struct cli_args {
	const char *verb;
	const char *operand; /* the first word, or NULL */
	const char *word[CLI_WORDS_MAX];
	unsigned int nr_words;
	bool is_json;
	const struct cli_option *options;   /* of the verb; ends with an empty name */
	const char *value[CLI_OPTIONS_MAX]; /* of options[i]; NULL: not given */
};

/* The value of an option, "" when it has none, or NULL when it was not given. */
const char *cli_option(const struct cli_args *a, const char *name);
/* The words from @from on, with blanks between: what is a line needs no quotes. */
void cli_join(const struct cli_args *a, unsigned int from, char *out, size_t size);

int cmd_run(const struct cli_args *a);
int cmd_check(const struct cli_args *a);
int cmd_ps(const struct cli_args *a);
int cmd_stats(const struct cli_args *a);
int cmd_why_dropped(const struct cli_args *a);
int cmd_stop(const struct cli_args *a);
int cmd_nic(const struct cli_args *a);
int cmd_power(const struct cli_args *a); /* start, reset, shutdown */
int cmd_tell(const struct cli_args *a);
int cmd_ext(const struct cli_args *a);
int cmd_policy(const struct cli_args *a);
int cmd_doctor(const struct cli_args *a);
int cmd_iommu(const struct cli_args *a);
int cmd_console(const struct cli_args *a);

/* cli_change.c */
extern const struct cli_option cli_nic_options[];
extern const struct cli_option cli_power_options[];
extern const struct cli_option cli_shutdown_options[];

/* cli_vf.c */
extern const struct cli_option cli_vf_options[];
int cmd_vf(const struct cli_args *a);

int cmd_vmq(const struct cli_args *a); /* cli_vmq.c */

/* cli_see.c */
extern const struct cli_option cli_capture_options[];
extern const struct cli_option cli_trace_options[];
int cmd_capture(const struct cli_args *a);
int cmd_trace(const struct cli_args *a);
int cli_drops(const struct cli_args *a); /* `why-dropped FILTER` */

/* cli_ext.c */
extern const struct cli_option cli_ext_options[];

/* What a verb's map of configuration says: "{...}" itself, "-" stdin, or a file. 0 or -errno (text set). */
int cli_map(json_t **out, const char *arg);

/* show_ext.c: extensions as a table, with why one was detached below it; or one line for each. */
void show_exts_table(json_t *list);
void show_exts_lines(json_t *list);
void show_ext_whole(json_t *ext);

/* The status of the instance @name (NULL: the only one). 0 or -errno (text set). */
int cli_status(const char *name, json_t **out);

/* Any other method. @params is consumed. 0 and *@out (the caller releases), or -errno (text set). */
int cli_call(const char *name, const char *method, json_t *params, int timeout_ms, json_t **out);

/* Finds the instance that @name means (NULL: the only one). 0 or -errno (text set). */
int cli_find(const char *name, struct control_instance *out);

/* As cli_find(), and connects. An fd or -errno (text set). */
int cli_connect(const char *name);

/* Prints "nethv: <err_text>" and returns @status. */
int cli_error(int status);

/* Members of JSON objects by path "a.b.c"; "" or 0 when absent. */
const char *js(json_t *o, const char *path);
json_int_t ji(json_t *o, const char *path);
json_t *jo(json_t *o, const char *path);

/* As cli_call(), for verbs that change something: prints the answer as JSON, or by @show (NULL: not at
 * all). @params is consumed. Returns the exit status. */
int cli_change(const struct cli_args *a, const char *method, json_t *params,
	       void (*show)(json_t *result));

/* Prints @o as JSON for programs. */
int cli_print_json(json_t *o);

/* A verb that shows an instance's status: as JSON, or by @show for people. Returns the exit status. */
int cli_show_status(const struct cli_args *a, void (*show)(json_t *status));
