/* SPDX-License-Identifier: BSD-3-Clause */
/* nethv-ext: finds the verb. `nethv ext VERB ...` runs it. */
#include "mgmt/ext/ext.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"

static const struct verb {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *use;
	const char *help;
} verbs[] = {
	{"new", ext_cmd_new, "NAME [--class capture|filter|forward] [--dir DIR]",
	 "Writes a project for an extension into DIR (NAME), which must be empty or not there:\n"
	 "code that does something small, Makefile, meson.build, and a test on real frames.\n"},
	{"test", ext_cmd_test,
	 "EXT --in FILE [--out FILE] [--expect FILE] [--config CONFIG] [OPTION ...]",
	 "Sends the packets of a pcap or pcapng through a real switch with the extension: FILE.so, FILE.o\n"
	 "(eBPF) or builtin:NAME. They enter at port \"in\"; the switch has a port \"out\", too. Exit status 1:\n"
	 "what left is not what was expected, a rule was broken, or the extension faulted.\n\n"
	 "  --in FILE             packets for port \"in\"\n"
	 "  --port NAME=FILE      packets for another port; all are sent in the order of their times\n"
	 "  --by-mac              a port for each sender in the files, with its address for a name\n"
	 "  --ports N             ports p3 .. pN besides\n"
	 "  --switch FILE         ports as in that configuration file, with their VLANs, policies, mirrors,\n"
	 "                        overlay and extensions; EXT may be left out then\n"
	 "  --vlan PORT=ID|trunk  the port's VLAN; trunk: all of them, tagged\n"
	 "  --out FILE            what leaves; FILE.pcapng: with an interface for each port\n"
	 "  --out-port PORT=FILE  what leaves at that port\n"
	 "  --expect FILE, --expect-port PORT=FILE\n"
	 "                        what must leave; the first difference is shown\n"
	 "  --expect-status CONFIG\n"
	 "                        members that the extension's status must have\n"
	 "  --config CONFIG       the extension's configuration\n"
	 "                        CONFIG: '{key: value, ...}' or a file\n"
	 "  --with EXT[=CONFIG]   another extension; the one under test is above it in its class\n"
	 "  --allow-import NAME   lets extensions call that function\n"
	 "  --repeat N, --burst N passes (100) for the cycles, packets of a burst (32)\n"
	 "  --debug               load the file itself: debuggers and sanitizers find its symbols\n"
	 "  --json                the result for programs\n"},
	{"check", ext_cmd_check,
	 "EXT [--config CONFIG] [--seed N] [--steps N] [--allow-import NAME] [--json]",
	 "Puts an extension through every kind of frame, events of ports and adapters in every order, and\n"
	 "changes under traffic, and tells of each rule whether it was kept, broken or not touched.\n"
	 "Exit status 1: a rule was broken. The same --seed does the same again.\n"},
	{"info", ext_cmd_info, "EXT [--allow-import NAME] [--json]",
	 "What an extension says of itself: class, GUID, callbacks, configuration keys, reasons for drops.\n"
	 "--json: for programs, the configuration as a JSON schema.\n"},
};

#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < NR_VERBS; i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static int help_all(FILE *to)
{
	fprintf(to, "nethv ext: write, try and check switch extensions; docs/extensions.md\n\n");
	for (size_t i = 0; i < NR_VERBS; i++)
		fprintf(to, "  nethv ext %s %s\n", verbs[i].name, verbs[i].use);
	return to == stdout ? 0 : 2;
}

static int help(const struct verb *v)
{
	printf("nethv ext %s %s\n\n%s", v->name, v->use, v->help);
	return 0;
}

int ext_error(void)
{
	fprintf(stderr, "nethv ext: %s\n", err_text());
	return 2;
}

int ext_usage(const char *verb, const char *fmt, ...)
{
	const struct verb *v = find(verb);
	va_list ap;

	if (fmt) {
		va_start(ap, fmt);
		fprintf(stderr, "nethv ext %s: ", verb);
		vfprintf(stderr, fmt, ap);
		fprintf(stderr, "\n");
		va_end(ap);
	}
	fprintf(stderr, "use: nethv ext %s %s\n", v->name, v->use);
	return 2;
}

static bool is_help(const char *s)
{
	return !strcmp(s, "--help") || !strcmp(s, "-h") || !strcmp(s, "help");
}

int main(int argc, char **argv)
{
	const struct verb *v;

	log_init("nethv ext", LOG_LVL_WARN);
	if (argc < 2)
		return help_all(stderr);
	if (is_help(argv[1]))
		return help_all(stdout);
	v = find(argv[1]);
	if (!v) {
		fprintf(stderr, "nethv ext: no verb \"%.40s\"\n", argv[1]);
		return help_all(stderr);
	}
	if (argc > 2 && is_help(argv[2]))
		return help(v);
	return v->fn(argc - 1, argv + 1);
}
