/* SPDX-License-Identifier: BSD-3-Clause */
/* Traces and drops for people, from their JSON: needs nothing of the switch, so that a program at the
 * other end of a socket can use it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/see/see.h"

#define COLUMN 14 /* width of the stations' names */

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static json_int_t number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void say_vlan(FILE *f, const json_t *o)
{
	if (json_object_get(o, "vlan"))
		fprintf(f, ", VLAN %lld", (long long)number_of(o, "vlan"));
}

static void say_dsts(FILE *f, const json_t *dst)
{
	size_t i;

	if (json_array_size(dst) == 0)
		fputs("no destination", f);
	for (i = 0; i < json_array_size(dst); i++) {
		const char *name = json_string_value(json_array_get(dst, i));

		fprintf(f, "%s%s", i ? ", " : "-> ", name ? name : "?");
	}
}

static void say_reason(FILE *f, const json_t *o)
{
	const char *ext = text_of(o, "ext"), *why = text_of(o, "ext_reason"),
		   *port = text_of(o, "port");

	fprintf(f, "%s: %s", text_of(o, "reason"), text_of(o, "text"));
	if (*ext || *why)
		fprintf(f, " (%s%s%s)", ext, *ext && *why ? ": " : "", why);
	if (*port)
		fprintf(f, ", towards %s", port);
}

static void say_ext(FILE *f, const json_t *step)
{
	char name[64];

	snprintf(name, sizeof(name), "ext %s", text_of(step, "ext"));
	fprintf(f, "  %-*s%s%-22s", COLUMN, name, strlen(name) < COLUMN ? "" : " ",
		text_of(step, "verdict"));
	fprintf(f, " %8lld cycles", (long long)number_of(step, "cycles"));
}

static void say_in(FILE *f, const json_t *step)
{
	fputs(text_of(step, "src"), f);
	say_vlan(f, step);
}

static void say_step(FILE *f, const json_t *step)
{
	const json_t *dst = json_object_get(step, "dst");
	const char *at = text_of(step, "at");

	if (json_object_get(step, "verdict")) {
		say_ext(f, step);
	} else {
		fprintf(f, "  %-*s", COLUMN, at);
		if (json_object_get(step, "text"))
			say_reason(f, step);
		else if (dst)
			say_dsts(f, dst);
		else if (!strcmp(at, "in"))
			say_in(f, step);
		else
			fputs("passed", f);
	}
	fputs(json_is_true(json_object_get(step, "clone")) ? " (clone)\n" : "\n", f);
}

char *vsw_see_trace_text(const json_t *packet)
{
	const json_t *steps = json_object_get(packet, "steps");
	char *text = NULL;
	size_t i, size;
	FILE *f;

	if (!json_is_array(steps))
		return NULL;
	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	fprintf(f, "packet %lld: %s from %s, %lld bytes\n", (long long)number_of(packet, "packet"),
		text_of(packet, "summary"), text_of(packet, "src"),
		(long long)number_of(packet, "len"));
	for (i = 0; i < json_array_size(steps); i++)
		say_step(f, json_array_get(steps, i));
	if (!json_is_true(json_object_get(packet, "done")))
		fputs("  (on its way)\n", f);
	fclose(f);
	return text;
}

char *vsw_see_drop_text(const json_t *drop)
{
	double ago = (double)number_of(drop, "ago_ms") / 1000;
	char *text = NULL;
	size_t size;
	FILE *f;

	if (!json_is_string(json_object_get(drop, "reason")))
		return NULL;
	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	fprintf(f, "%.3f s ago  %s from %s", ago, text_of(drop, "summary"), text_of(drop, "src"));
	say_vlan(f, drop);
	fprintf(f, ", %lld bytes  ", (long long)number_of(drop, "len"));
	say_reason(f, drop);
	fclose(f);
	return text;
}
