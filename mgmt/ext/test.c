/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv ext test`: its options. */
#include "mgmt/ext/test.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "mgmt/config.h"
#include "mgmt/ext/ext.h"
#include "vswitch/ext/code.h"

#define BURST  32u
#define REPEAT 100u

enum option_id {
	OPT_IN = 1,
	OPT_OUT,
	OPT_EXPECT,
	OPT_PORT,
	OPT_OUT_PORT,
	OPT_EXPECT_PORT,
	OPT_EXPECT_STATUS,
	OPT_CONFIG,
	OPT_WITH,
	OPT_PORTS,
	OPT_VLAN,
	OPT_BY_MAC,
	OPT_SWITCH,
	OPT_REPEAT,
	OPT_BURST,
	OPT_IMPORT,
	OPT_DEBUG,
	OPT_JSON,
};

static const struct option options[] = {
	{"in", required_argument, NULL, OPT_IN},
	{"out", required_argument, NULL, OPT_OUT},
	{"expect", required_argument, NULL, OPT_EXPECT},
	{"port", required_argument, NULL, OPT_PORT},
	{"out-port", required_argument, NULL, OPT_OUT_PORT},
	{"expect-port", required_argument, NULL, OPT_EXPECT_PORT},
	{"expect-status", required_argument, NULL, OPT_EXPECT_STATUS},
	{"config", required_argument, NULL, OPT_CONFIG},
	{"with", required_argument, NULL, OPT_WITH},
	{"ports", required_argument, NULL, OPT_PORTS},
	{"vlan", required_argument, NULL, OPT_VLAN},
	{"switch", required_argument, NULL, OPT_SWITCH},
	{"by-mac", no_argument, NULL, OPT_BY_MAC},
	{"repeat", required_argument, NULL, OPT_REPEAT},
	{"burst", required_argument, NULL, OPT_BURST},
	{"allow-import", required_argument, NULL, OPT_IMPORT},
	{"debug", no_argument, NULL, OPT_DEBUG},
	{"json", no_argument, NULL, OPT_JSON},
	{0},
};

struct test_port *test_port(struct test *t, const char *name)
{
	struct test_port *p;

	for (unsigned int i = 0; i < t->nr_ports; i++)
		if (!strcmp(t->port[i].cfg.name, name))
			return &t->port[i];
	if (t->nr_ports == BED_PORTS_MAX || strlen(name) >= sizeof(p->cfg.name) || !*name) {
		err_set(-EINVAL, "port \"%s\": want up to %u ports, with names of up to %zu bytes",
			name, BED_PORTS_MAX, sizeof(p->cfg.name) - 1);
		return NULL;
	}
	p = &t->port[t->nr_ports++];
	strcpy(p->cfg.name, name);
	return p;
}

/* "NAME=REST": the port and *@rest. NULL (text set) when it is not so. */
static struct test_port *port_of(struct test *t, const char *word, const char **rest)
{
	const char *eq = strchr(word, '=');
	char name[64];

	if (!eq || !eq[1] || eq - word >= (ptrdiff_t)sizeof(name)) {
		err_set(-EINVAL, "%s: want PORT=...", word);
		return NULL;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(eq - word), word);
	*rest = eq + 1;
	return test_port(t, name);
}

static int port_file(struct test *t, int id, const char *word)
{
	const char *rest;
	struct test_port *p = port_of(t, word, &rest);

	if (!p)
		return -EINVAL;
	if (id == OPT_PORT)
		p->in = rest;
	else if (id == OPT_OUT_PORT)
		p->out = rest;
	else
		p->expect = rest;
	return 0;
}

static int number(const char *what, const char *word, unsigned int max, unsigned int *out)
{
	char *end;
	unsigned long v = strtoul(word, &end, 10);

	if (*end || end == word || v < 1 || v > max)
		return err_set(-EINVAL, "%s %s: want 1..%u", what, word, max);
	*out = (unsigned int)v;
	return 0;
}

static int port_vlan(struct test *t, const char *word)
{
	const char *rest;
	struct test_port *p = port_of(t, word, &rest);
	unsigned int id = 0;
	int rc;

	if (!p)
		return -EINVAL;
	if (!strcmp(rest, "trunk")) {
		p->cfg.vlan_mode = VSW_VLAN_TRUNK;
		memset(p->cfg.allowed, 0xFF, sizeof(p->cfg.allowed));
		return 0;
	}
	rc = number("--vlan", rest, 4094, &id);
	p->cfg.pvid = rc ? 0 : (uint16_t)id;
	return rc;
}

static int ports_upto(struct test *t, const char *word)
{
	unsigned int n = 0;
	char name[16];
	int rc = number("--ports", word, BED_PORTS_MAX, &n);

	for (unsigned int i = 3; !rc && i <= n; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		rc = test_port(t, name) ? 0 : -EINVAL;
	}
	return rc;
}

static int add_ext(struct test *t, const char *path, const char *config)
{
	struct test_ext *x = &t->ext[t->nr_exts];

	if (t->nr_exts == TEST_EXTS_MAX)
		return err_set(-EINVAL, "more than %u extensions", TEST_EXTS_MAX);
	t->nr_exts++;
	x->path = path;
	return config ? ext_config_read(config, &x->config) : 0;
}

/* EXT or EXT=CONFIG. */
static int with(struct test *t, char *word)
{
	char *eq = strchr(word, '=');

	if (eq)
		*eq++ = 0;
	return add_ext(t, word, eq);
}

static int wanted_status(struct test *t, const char *word)
{
	json_error_t e;
	char *text;
	int rc = ext_config_read(word, &text);

	if (rc)
		return rc;
	t->expect_status = json_loads(text, 0, &e);
	free(text);
	if (json_is_object(t->expect_status))
		return 0;
	return err_set(-EINVAL, "--expect-status: want a JSON object: %s", e.text);
}

static int import(struct test *t, const char *name)
{
	if (t->nr_imports == EXT_IMPORTS_MAX)
		return err_set(-EINVAL, "more than %u imports", EXT_IMPORTS_MAX);
	t->import[t->nr_imports++] = name;
	return 0;
}

static int config_of(struct test *t, const char *word)
{
	free(t->ext[0].config);
	t->ext[0].config = NULL;
	return ext_config_read(word, &t->ext[0].config);
}

static int take(struct test *t, int id)
{
	switch (id) {
	case OPT_IN: t->port[0].in = optarg; return 0;
	case OPT_OUT: t->out = optarg; return 0;
	case OPT_EXPECT: t->expect = optarg; return 0;
	case OPT_PORT:
	case OPT_OUT_PORT:
	case OPT_EXPECT_PORT: return port_file(t, id, optarg);
	case OPT_EXPECT_STATUS: return wanted_status(t, optarg);
	case OPT_CONFIG: return config_of(t, optarg);
	case OPT_WITH: return with(t, optarg);
	case OPT_PORTS: return ports_upto(t, optarg);
	case OPT_VLAN: return port_vlan(t, optarg);
	case OPT_SWITCH: t->switch_file = optarg; return 0;
	case OPT_BY_MAC: t->by_mac = true; return 0;
	case OPT_REPEAT: return number("--repeat", optarg, TEST_REPEAT_MAX, &t->repeat);
	case OPT_BURST: return number("--burst", optarg, BED_BURST_MAX, &t->burst);
	case OPT_IMPORT: return import(t, optarg);
	case OPT_DEBUG: vsw_so_in_place = true; return 0;
	default: t->is_json = true; return 0;
	}
}

static bool has_input(const struct test *t)
{
	for (unsigned int i = 0; i < t->nr_ports; i++)
		if (t->port[i].in)
			return true;
	return false;
}

/* 0, 2 (wrong use: said). */
static int parse(struct test *t, int argc, char **argv)
{
	int c;

	t->nr_exts = 1;
	t->repeat = REPEAT;
	t->burst = BURST;
	test_port(t, "in");
	test_port(t, "out");
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return ext_usage("test", NULL);
		if (take(t, c))
			return ext_usage("test", "%s", err_text());
	}
	if (argc - optind != 1 && !(t->switch_file && argc == optind))
		return ext_usage("test", "want one extension");
	if (t->switch_file && t->by_mac)
		return ext_usage("test", "--switch and --by-mac do not go together");
	t->ext[0].path = argv[optind];
	if (!has_input(t))
		return ext_usage("test", "want --in FILE, or --port NAME=FILE");
	return 0;
}

static void fini(struct test *t)
{
	for (unsigned int i = 0; i < t->nr_exts; i++) {
		if (t->ext[i].e)
			vsw_ext_unload(t->ext[i].e);
		free(t->ext[i].config);
	}
	bed_destroy(t->bed);
	mgmt_config_free(t->like);
	frames_fini(&t->in);
	frames_fini(&t->got);
	free(t->send);
	free(t->cycles);
	json_decref(t->expect_status);
	json_decref(t->report);
}

int ext_cmd_test(int argc, char **argv)
{
	struct test t = {.repeat = 0};
	int rc = parse(&t, argc, argv);

	if (!rc && (test_run(&t) || test_report(&t) || test_measure(&t)))
		rc = ext_error();
	if (!rc) {
		test_report_end(&t);
		if (t.is_json)
			json_dumpf(t.report, stdout, JSON_INDENT(2));
		else
			test_report_show(&t);
		rc = t.is_failed;
	}
	fini(&t);
	return rc;
}
