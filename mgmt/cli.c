/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv`: finds the verb, prints help. What verbs do is in run.c, client.c and show*.c. */
#include "mgmt/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

enum operand { OPERAND_NONE, OPERAND_FILE, OPERAND_NAME };

static const struct verb {
	const char *name;
	enum operand operand;
	bool has_json;
	int (*fn)(const struct cli_args *a);
	const char *brief;
	const char *help;
} verbs[] = {
	{"run", OPERAND_FILE, false, cmd_run, "start the switch and the partitions of FILE",
	 "Stays in the foreground; ends cleanly at Ctrl-C, SIGTERM or `nethv stop`. When it is\n"
	 "killed, everything that it started goes with it. FILE: see docs/configuration.md.\n"},
	{"check", OPERAND_FILE, false, cmd_check, "check FILE and start nothing",
	 "Exit status 0: good. 2: a mistake, named with file, line, key, what was found and what\n"
	 "is allowed.\n"},
	{"ps", OPERAND_NAME, true, cmd_ps, "partitions, their state and their adapters",
	 "Without NAME: the only instance that runs. Faults are shown with their reason.\n"},
	{"stats", OPERAND_NAME, true, cmd_stats, "counters of ports, lcores, VPs and guests",
	 "The last line of the ports says whether in + copies = out + drops; under traffic some\n"
	 "packets are on their way and the difference is shown.\n"},
	{"why-dropped", OPERAND_NAME, true, cmd_why_dropped,
	 "every packet that was not delivered, with its reason",
	 "One line for each port and reason, with what the reason means and what helps.\n"},
	{"stop", OPERAND_NAME, false, cmd_stop, "end an instance cleanly and wait for it",
	 "Guests are asked to end and get three seconds for it.\n"},
};

#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const char *operand_text(const struct verb *v)
{
	static const char *const text[] = {"", " FILE", " [NAME]"};

	return text[v->operand];
}

static int help_all(FILE *to)
{
	fprintf(to, "nethv: network-dataplane hypervisor\n\n");
	for (size_t i = 0; i < NR_VERBS; i++) {
		char use[64];

		snprintf(use, sizeof(use), "%s%s%s", verbs[i].name, operand_text(&verbs[i]),
			 verbs[i].has_json ? " [--json]" : "");
		fprintf(to, "  nethv %-28s %s\n", use, verbs[i].brief);
	}
	fprintf(to, "  nethv %-28s %s\n  nethv %-28s %s\n", "help [VERB]", "this, or more on VERB",
		"--version", "print the version");
	return to == stdout ? 0 : 2;
}

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < NR_VERBS; i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static int unknown_verb(const char *name)
{
	fprintf(stderr, "nethv: no verb \"%.40s\"; there are", name);
	for (size_t i = 0; i < NR_VERBS; i++)
		fprintf(stderr, " %s", verbs[i].name);
	fprintf(stderr, " help\n");
	return 2;
}

static int help(const char *name)
{
	const struct verb *v;

	if (!name)
		return help_all(stdout);
	v = find(name);
	if (!v)
		return unknown_verb(name);
	printf("nethv %s%s%s: %s\n\n%s", v->name, operand_text(v), v->has_json ? " [--json]" : "",
	       v->brief, v->help);
	return 0;
}

static int parse(const struct verb *v, int argc, char **argv, struct cli_args *a)
{
	a->verb = v->name;
	for (int i = 2; i < argc; i++) {
		if (v->has_json && !strcmp(argv[i], "--json")) {
			a->is_json = true;
		} else if (argv[i][0] == '-' && argv[i][1]) {
			fprintf(stderr, "nethv %s: no option %.40s%s\n", v->name, argv[i],
				v->has_json ? "; there is --json" : "");
			return 2;
		} else if (a->operand) {
			fprintf(stderr, "nethv %s: one%s too many: %.80s\n", v->name,
				operand_text(v), argv[i]);
			return 2;
		} else {
			a->operand = argv[i];
		}
	}
	if (v->operand == OPERAND_FILE && !a->operand) {
		fprintf(stderr, "nethv %s: which FILE? use: nethv %s FILE\n", v->name, v->name);
		return 2;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct cli_args a = {0};
	const struct verb *v;
	int rc;

	log_init("nethv", LOG_LVL_INFO);
	if (argc < 2)
		return help_all(stderr);
	if (!strcmp(argv[1], "--version")) {
		puts("nethv " NETHV_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return help(argc > 2 ? argv[2] : NULL);
	v = find(argv[1]);
	if (!v)
		return unknown_verb(argv[1]);
	if (argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h")))
		return help(argv[1]);
	rc = parse(v, argc, argv, &a);
	return rc ? rc : v->fn(&a);
}
