/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv ext` for a switch that runs, and `nethv policy`. What is allowed is the supervisor's and the
 * switch's to say; here words become a request. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "mgmt/cli.h"
#include "mgmt/config.h"

const struct cli_option cli_ext_options[] = {
	{"--instance", true},	  {"--name", true},
	{"--before", true},	  {"--disabled", false},
	{"--ports", true},	  {"--budget-us", true},
	{"--on-fault", true},	  {"--config", true},
	{"--allow-import", true}, {0},
};

static int read_map(json_t **out, int fd, const char *label)
{
	char *text = malloc(MGMT_FILE_MAX + 1);
	size_t len = 0;
	ssize_t n = 1;
	int rc = text ? 0 : err_set(-ENOMEM, "%s: out of memory", label);

	while (!rc && n > 0 && len <= MGMT_FILE_MAX) {
		n = read(fd, text + len, MGMT_FILE_MAX + 1 - len);
		if (n < 0)
			rc = err_sys(-errno, "%s: cannot read", label);
		else
			len += (size_t)n;
	}
	if (!rc && len > MGMT_FILE_MAX)
		rc = err_set(-EINVAL, "%s: larger than %u bytes", label, MGMT_FILE_MAX);
	if (!rc)
		rc = mgmt_yaml_map(out, label, text, len);
	free(text);
	return rc;
}

int cli_map(json_t **out, const char *arg)
{
	int fd, rc;

	*out = NULL;
	if (arg[0] == '{')
		return mgmt_yaml_map(out, "command line", arg, strlen(arg));
	if (!strcmp(arg, "-"))
		return read_map(out, STDIN_FILENO, "stdin");
	fd = open(arg, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(-errno, "%s: cannot open", arg);
	rc = read_map(out, fd, arg);
	fd_close(&fd);
	return rc;
}

/* "a,b" as a list. */
static json_t *words_json(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		size_t n = strcspn(text, ",");

		json_array_append_new(list, json_stringn(text, n));
		text += n + (text[n] == ',');
	}
	return list;
}

/* The supervisor has another folder than we. */
static int put_path(json_t *params, const char *path)
{
	char full[PATH_MAX];

	if (!strncmp(path, "builtin:", 8)) {
		json_object_set_new(params, "path", json_string(path));
		return 0;
	}
	if (!realpath(path, full))
		return err_sys(-errno, "%s", path);
	json_object_set_new(params, "path", json_string(full));
	return 0;
}

/* Options of load and upgrade in the keys of the configuration file. */
static int put_options(json_t *params, const struct cli_args *a)
{
	const char *budget = cli_option(a, "--budget-us"), *config = cli_option(a, "--config");
	const char *text;
	json_t *map;
	int rc = 0;

	if (budget)
		json_object_set_new(params, "budget_us", json_string(budget));
	text = cli_option(a, "--ports");
	if (text)
		json_object_set_new(params, "ports", words_json(text));
	text = cli_option(a, "--allow-import");
	if (text)
		json_object_set_new(params, "allow_imports", words_json(text));
	text = cli_option(a, "--on-fault");
	if (text)
		json_object_set_new(params, "on_fault", json_string(text));
	if (config) {
		rc = cli_map(&map, config);
		if (!rc)
			json_object_set_new(params, "config", map);
	}
	return rc;
}

static void show_change(json_t *c)
{
	printf("%s: %s", js(c, "name"), js(c, "change"));
	if (jo(c, "class"))
		printf(", %s %lld", js(c, "class"), (long long)ji(c, "position"));
	if (jo(c, "pause_ns"))
		printf("; the slowest lcore paused %.1f us", (double)ji(c, "pause_ns") / 1000);
	printf("\n");
}

static void show_changes(json_t *result)
{
	json_t *c;
	size_t i;

	/* A new one is moved to its place, too. */
	json_array_foreach(jo(result, "changes"), i, c)
	{
		if (strcmp(js(c, "change"), "moved") != 0)
			show_change(c);
	}
	if (!json_array_size(jo(result, "changes")))
		printf("%s: as it was\n", js(result, "name"));
}

static int go(const struct cli_args *a, const char *method, json_t *params, int rc)
{
	if (!rc)
		return cli_change(a, method, params, show_changes);
	json_decref(params);
	return cli_error(rc == -EINVAL ? 2 : 1);
}

static int ext_load(const struct cli_args *a)
{
	const char *name = cli_option(a, "--name"), *before = cli_option(a, "--before");
	json_t *params = json_object();
	int rc = put_path(params, a->word[1]);

	if (!rc)
		rc = put_options(params, a);
	if (name)
		json_object_set_new(params, "name", json_string(name));
	if (before)
		json_object_set_new(params, "before", json_string(before));
	if (cli_option(a, "--disabled"))
		json_object_set_new(params, "enabled", json_false());
	return go(a, "ext_load", params, rc);
}

static int ext_upgrade(const struct cli_args *a)
{
	json_t *params = json_pack("{s:s}", "name", a->word[1]);
	int rc = a->nr_words > 2 ? put_path(params, a->word[2]) : 0;

	if (!rc)
		rc = put_options(params, a);
	return go(a, "ext_upgrade", params, rc);
}

/* unload, enable, disable */
static int ext_plain(const struct cli_args *a)
{
	char method[32];

	snprintf(method, sizeof(method), "ext_%s", a->word[0]);
	return go(a, method, json_pack("{s:s}", "name", a->word[1]), 0);
}

static int ext_configure(const struct cli_args *a)
{
	json_t *params = json_pack("{s:s}", "name", a->word[1]), *map;
	int rc = cli_map(&map, a->word[2]);

	if (!rc)
		json_object_set_new(params, "config", map);
	return go(a, "ext_configure", params, rc);
}

static json_t *find_ext(json_t *list, const char *name)
{
	json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
	{
		if (!strcmp(js(e, "name"), name))
			return e;
	}
	err_set(-ENOENT, "no extension %.60s", name);
	return NULL;
}

/* Whom @name stands before when it is at @position of its class; *@before NULL: nobody. */
static int neighbour(json_t *list, const char *name, unsigned int position, const char **before)
{
	json_t *me = find_ext(list, name), *e;
	unsigned int n = 0;
	size_t i;

	*before = NULL;
	if (!me)
		return -ENOENT;
	json_array_foreach(list, i, e)
	{
		if (e == me || strcmp(js(e, "class"), js(me, "class")) != 0)
			continue;
		if (n++ == position)
			*before = js(e, "name");
	}
	if (position > n)
		return err_set(-EINVAL,
			       "found position %u; allowed: 0..%u, as there are %u of class %s",
			       position, n, n + 1, js(me, "class"));
	return 0;
}

/* To swap two it is all the same which one the switch takes out. */
static void show_move(json_t *result)
{
	json_int_t pause = 0;
	json_t *c;
	size_t i;

	json_array_foreach(jo(result, "changes"), i, c)
	{
		if (ji(c, "pause_ns") > pause)
			pause = ji(c, "pause_ns");
	}
	if (json_array_size(jo(result, "changes")))
		printf("%s: moved; the slowest lcore paused %.1f us\n", js(result, "name"),
		       (double)pause / 1000);
	else
		printf("%s: is there already\n", js(result, "name"));
}

static int ext_move(const struct cli_args *a)
{
	json_t *status = NULL, *params;
	unsigned int position;
	const char *before;
	char end;
	int rc;

	if (sscanf(a->word[2], "%5u%c", &position, &end) != 1) {
		err_set(-EINVAL, "found position \"%.20s\"; allowed: a number, 0 is the top",
			a->word[2]);
		return cli_error(2);
	}
	if (cli_status(cli_option(a, "--instance"), &status))
		return cli_error(1);
	rc = neighbour(jo(status, "switch.extensions"), a->word[1], position, &before);
	params = json_pack("{s:s, s:s?}", "name", a->word[1], "before", before);
	json_decref(status);
	if (!rc)
		return cli_change(a, "ext_move", params, show_move);
	json_decref(params);
	return cli_error(2);
}

static int ext_list(const struct cli_args *a)
{
	json_t *status = NULL;
	int rc = 0;

	if (cli_status(cli_option(a, "--instance"), &status))
		return cli_error(1);
	if (a->is_json)
		rc = cli_print_json(jo(status, "switch.extensions"));
	else if (!json_array_size(jo(status, "switch.extensions")))
		printf("no extensions\n");
	else
		show_exts_table(jo(status, "switch.extensions"));
	json_decref(status);
	return rc;
}

static void show_whole(json_t *result)
{
	show_ext_whole(json_array_get(jo(result, "extensions"), 0));
}

static int ext_show(const struct cli_args *a)
{
	return cli_change(a, "ext_status", json_pack("{s:s}", "name", a->word[1]), show_whole);
}

#define OF_CODE "--ports --budget-us --on-fault --config --allow-import"

static const struct sub {
	const char *name;
	const char *use;
	unsigned int min_words, max_words; /* with the name */
	int (*fn)(const struct cli_args *a);
	const char *options;
} subs[] = {
	{"list", "", 1, 1, ext_list, ""},
	{"show", " NAME", 2, 2, ext_show, ""},
	{"load", " FILE", 2, 2, ext_load, "--name --before --disabled " OF_CODE},
	{"unload", " NAME", 2, 2, ext_plain, ""},
	{"enable", " NAME", 2, 2, ext_plain, ""},
	{"disable", " NAME", 2, 2, ext_plain, ""},
	{"move", " NAME POSITION", 3, 3, ext_move, ""},
	{"configure", " NAME CONFIG", 3, 3, ext_configure, ""},
	{"upgrade", " NAME [FILE]", 2, 3, ext_upgrade, OF_CODE},
};

static const struct sub *sub_of(const char *name)
{
	for (size_t i = 0; i < sizeof(subs) / sizeof(subs[0]); i++)
		if (!strcmp(subs[i].name, name))
			return &subs[i];
	return NULL;
}

static int unknown_sub(const char *name)
{
	fprintf(stderr, "nethv ext: no verb \"%.40s\"; there are", name);
	for (size_t i = 0; i < sizeof(subs) / sizeof(subs[0]); i++)
		fprintf(stderr, " %s", subs[i].name);
	fprintf(stderr, " new test check info\n");
	return 2;
}

/* An option that is not for this verb. */
static bool has_stray_option(const struct cli_args *a, const struct sub *s)
{
	for (unsigned int i = 1; a->options[i].name; i++)
		if (a->value[i] && !strstr(s->options, a->options[i].name)) {
			fprintf(stderr, "nethv ext %s: no option %s\n", s->name,
				a->options[i].name);
			return true;
		}
	return false;
}

int cmd_ext(const struct cli_args *a)
{
	const struct sub *s = sub_of(a->word[0]);

	if (!s)
		return unknown_sub(a->word[0]);
	if (has_stray_option(a, s))
		return 2;
	if (a->nr_words >= s->min_words && a->nr_words <= s->max_words)
		return s->fn(a);
	fprintf(stderr, "nethv ext: use: nethv ext %s%s\n", s->name, s->use);
	return 2;
}

int cmd_policy(const struct cli_args *a)
{
	json_t *map;

	if (cli_map(&map, a->word[1]))
		return cli_error(2);
	return cli_change(a, "policy_set",
			  json_pack("{s:s, s:o}", "port", a->word[0], "policy", map), NULL);
}
