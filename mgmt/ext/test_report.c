/* SPDX-License-Identifier: BSD-3-Clause */
/* What happened to the frames: first as JSON, and that in words. */
#include "mgmt/ext/test.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define STATUS_MAX (1u << 16)

static const char *class_name(uint32_t cls)
{
	static const char *const names[] = {"?", "capture", "filter", "forward"};

	return names[cls <= NETHV_FORWARD ? cls : 0];
}

/* ---- Extensions ----------------------------------------------------------------------------- */

static json_t *drops_of(const struct vsw_ext_status *st)
{
	json_t *a = json_array();

	for (uint32_t r = 0; r < NETHV_REASONS_MAX && r < st->ext->nr_reasons; r++)
		if (st->sum.drops[r])
			json_array_append_new(a,
					      json_pack("{s:s, s:I}", "reason", st->ext->reasons[r],
							"packets", (json_int_t)st->sum.drops[r]));
	return a;
}

static json_t *status_of(struct vsw_ext *e)
{
	char *text = malloc(STATUS_MAX);
	json_t *o = NULL;

	if (text && vsw_ext_say(e, text, STATUS_MAX) > 0)
		o = json_loads(text, 0, NULL);
	free(text);
	return o;
}

static void add_ext(const struct vsw_ext_status *st, void *ctx)
{
	struct test *t = ctx;
	const struct vsw_ext_counts *c = &st->sum;
	struct vsw_ext *e = vsw_ext_find(bed_switch(t->bed), st->name);

	json_array_append_new(
		json_object_get(t->report, "extensions"),
		json_pack(
			"{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o*}",
			"name", st->name, "path", st->path, "version",
			st->ext->version ? st->ext->version : "", "class", class_name(st->ext->cls),
			"packets", (json_int_t)c->packets, "bursts", (json_int_t)c->bursts,
			"dropped", (json_int_t)c->dropped, "excluded", (json_int_t)c->excluded,
			"cloned", (json_int_t)c->cloned, "originated", (json_int_t)c->originated,
			"held", (json_int_t)c->held, "released", (json_int_t)c->released, "refused",
			(json_int_t)c->refused, "drops", drops_of(st), "status", status_of(e)));
}

static json_t *ext_under_test(const struct test *t)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(t->report, "extensions"), i, o)
	{
		const char *name = json_string_value(json_object_get(o, "name"));

		if (vsw_ext_find(bed_switch(t->bed), name) == t->ext[0].e)
			return o;
	}
	return NULL;
}

/* ---- Ports and drops ------------------------------------------------------------------------ */

static json_t *ports(const struct test *t)
{
	json_t *a = json_array();

	for (unsigned int i = 0; i < t->nr_ports; i++) {
		struct vsw_port_stats s;

		vsw_port_stats_get(bed_switch(t->bed), vsw_port_id(bed_port(t->bed, t->port[i].no)),
				   &s);
		json_array_append_new(a, json_pack("{s:s, s:I, s:I}", "name", t->port[i].cfg.name,
						   "in", (json_int_t)s.in_packets, "out",
						   (json_int_t)s.out_packets));
	}
	return a;
}

static json_t *drops(const struct vsw_totals *tot)
{
	json_t *a = json_array();

	for (unsigned int r = 0; r < VSW_DROP_COUNT; r++)
		if (tot->by_reason[r])
			json_array_append_new(a,
					      json_pack("{s:s, s:s, s:I}", "reason",
							vsw_drop_name(r), "text", vsw_drop_text(r),
							"packets", (json_int_t)tot->by_reason[r]));
	return a;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static int write_file(const struct test *t, const char *path, int port)
{
	const char *name[BED_PORTS_MAX];
	struct frames_out *o;
	int rc;

	for (unsigned int i = 0; i < t->nr_ports; i++)
		name[i] = t->port[i].cfg.name;
	rc = frames_out_open(&o, path, name, t->nr_ports);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < t->got.n; i++) {
		const struct frame *f = &t->got.frame[i];

		if (port < 0 || f->port == port)
			frames_out_put(o, f->port, f->ts_ns, frames_bytes(&t->got, i), f->len);
	}
	return frames_out_close(o);
}

static int write_files(const struct test *t)
{
	int rc = t->out ? write_file(t, t->out, -1) : 0;

	for (unsigned int i = 0; !rc && i < t->nr_ports; i++)
		if (t->port[i].out)
			rc = write_file(t, t->port[i].out, (int)i);
	return rc;
}

/* ---- Expectations --------------------------------------------------------------------------- */

static int expect(struct test *t, const char *path, int port)
{
	json_t *o;

	if (!path)
		return 0;
	o = test_expect_frames(t, path, port);
	if (!o)
		return -EINVAL;
	json_object_set_new(o, "file", json_string(path));
	if (port >= 0)
		json_object_set_new(o, "port", json_string(t->port[port].cfg.name));
	t->is_failed |= !json_is_true(json_object_get(o, "same"));
	json_array_append_new(json_object_get(t->report, "expect"), o);
	return 0;
}

static void expect_status(struct test *t)
{
	json_t *wrong =
		test_expect_status(t->expect_status, json_object_get(ext_under_test(t), "status"));

	if (!wrong)
		return;
	json_object_set_new(t->report, "status_wrong", wrong);
	t->is_failed = true;
}

int test_report(struct test *t)
{
	struct vsw_totals tot;
	int rc;

	vsw_totals_get(bed_switch(t->bed), &tot);
	t->report =
		json_pack("{s:{s:I, s:I, s:I}, s:{s:I, s:I}, s:b, s:[], s:[], s:o, s:o}", "in",
			  "packets", (json_int_t)t->in.n, "bytes", (json_int_t)t->in.nr_bytes,
			  "cut", (json_int_t)t->in.nr_cut, "out", "packets", (json_int_t)t->got.n,
			  "bytes", (json_int_t)t->got.nr_bytes, "balanced", bed_is_balanced(t->bed),
			  "extensions", "expect", "ports", ports(t), "drops", drops(&tot));
	vsw_ext_walk(bed_switch(t->bed), add_ext, t);
	rc = write_files(t);
	if (!rc)
		rc = expect(t, t->expect, -1);
	for (unsigned int i = 0; !rc && i < t->nr_ports; i++)
		rc = expect(t, t->port[i].expect, (int)i);
	if (!rc && t->expect_status)
		expect_status(t);
	return rc;
}

/* ---- The end -------------------------------------------------------------------------------- */

static void add_fault(const struct vsw_ext_status *st, void *ctx)
{
	struct test *t = ctx;

	if (st->state != VSW_EXT_FAULTED)
		return;
	t->is_failed = true;
	json_array_append_new(json_object_get(t->report, "faults"),
			      json_pack("{s:s, s:s}", "extension", st->name, "report", st->report));
}

static json_t *cycles(const struct test *t)
{
	return json_pack("{s:f, s:f, s:I, s:I}", "best", t->cycles[0], "median",
			 t->cycles[t->nr_cycles / 2], "passes", (json_int_t)t->nr_cycles, "burst",
			 (json_int_t)t->burst);
}

void test_report_end(struct test *t)
{
	json_t *broken = json_array();

	for (unsigned int i = 0; i < t->nr_broken; i++)
		json_array_append_new(broken,
				      json_pack("{s:s, s:s, s:I}", "rule", t->broken[i].text,
						"extension", t->ext[t->broken[i].ext].path, "times",
						(json_int_t)t->broken[i].times));
	t->is_failed |= t->nr_broken > 0;
	json_object_set_new(t->report, "broken", broken);
	json_object_set_new(t->report, "faults", json_array());
	vsw_ext_walk(bed_switch(t->bed), add_fault, t);
	if (t->nr_cycles)
		json_object_set_new(t->report, "cycles", cycles(t));
	json_object_set_new(t->report, "good", json_boolean(!t->is_failed));
}

/* ---- In words ------------------------------------------------------------------------------- */

static json_int_t num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static void show_ext(const json_t *o)
{
	static const char *const words[] = {"dropped", "excluded", "cloned", "originated",
					    "held",    "released", "refused"};
	json_t *d;
	size_t i;

	printf("%s %s (%s): %" JSON_INTEGER_FORMAT " packets in %" JSON_INTEGER_FORMAT " bursts",
	       text(o, "name"), text(o, "version"), text(o, "class"), num(o, "packets"),
	       num(o, "bursts"));
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (num(o, words[i]))
			printf(", %s %" JSON_INTEGER_FORMAT, words[i], num(o, words[i]));
	printf("\n");
	json_array_foreach(json_object_get(o, "drops"), i, d)
		printf("  %8" JSON_INTEGER_FORMAT "  %s\n", num(d, "packets"), text(d, "reason"));
	if (json_object_get(o, "status")) {
		printf("  says  ");
		json_dumpf(json_object_get(o, "status"), stdout, 0);
		printf("\n");
	}
}

static void show_ways(const json_t *r)
{
	const json_t *in = json_object_get(r, "in");
	json_t *o;
	size_t i;

	printf("in    %8" JSON_INTEGER_FORMAT " packets, %" JSON_INTEGER_FORMAT " bytes\n",
	       num(in, "packets"), num(in, "bytes"));
	if (num(in, "cut"))
		printf("      %8" JSON_INTEGER_FORMAT
		       " of them are shorter than they were: the capture cut them (tcpdump -s 0)\n",
		       num(in, "cut"));
	json_array_foreach(json_object_get(r, "ports"), i, o) if (num(o, "out")) printf(
		"out   %8" JSON_INTEGER_FORMAT " at port %s\n", num(o, "out"), text(o, "name"));
	json_array_foreach(json_object_get(r, "drops"), i, o)
		printf("drop  %8" JSON_INTEGER_FORMAT " %s: %s\n", num(o, "packets"),
		       text(o, "reason"), text(o, "text"));
}

static void show_expect(const json_t *o)
{
	const char *port = text(o, "port");

	printf("expect %s%s%s: ", text(o, "file"), *port ? " at port " : "", port);
	if (json_is_true(json_object_get(o, "same")))
		printf("the same, %" JSON_INTEGER_FORMAT " packets\n", num(o, "packets"));
	else if (json_object_get(o, "missing"))
		printf("packet %" JSON_INTEGER_FORMAT " did not come, %" JSON_INTEGER_FORMAT
		       " are missing\n",
		       num(o, "packet"), num(o, "missing"));
	else if (json_object_get(o, "too_many"))
		printf("packet %" JSON_INTEGER_FORMAT ": %s\n", num(o, "packet"),
		       text(o, "too_many"));
	else
		printf("packet %" JSON_INTEGER_FORMAT " differs at byte %" JSON_INTEGER_FORMAT
		       "\n  is        %s (of %" JSON_INTEGER_FORMAT
		       ")\n  should be %s (of %" JSON_INTEGER_FORMAT ")\n",
		       num(o, "packet"), num(o, "offset"), text(o, "is"), num(o, "length"),
		       text(o, "should_be"), num(o, "length_should_be"));
}

static void show_faults(const json_t *r)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(r, "broken"), i, o)
		printf("broken %8" JSON_INTEGER_FORMAT " times by %s: %s\n", num(o, "times"),
		       text(o, "extension"), text(o, "rule"));
	json_array_foreach(json_object_get(r, "faults"), i, o)
		printf("fault  %s: %s\n", text(o, "extension"), text(o, "report"));
	if (json_object_get(r, "status_wrong")) {
		printf("status is not as expected: ");
		json_dumpf(json_object_get(r, "status_wrong"), stdout, 0);
		printf("\n");
	}
	if (json_is_false(json_object_get(r, "balanced")))
		printf("fault  the switch's books do not balance\n");
}

void test_report_show(const struct test *t)
{
	const json_t *c = json_object_get(t->report, "cycles");
	json_t *o;
	size_t i;

	show_ways(t->report);
	json_array_foreach(json_object_get(t->report, "extensions"), i, o) show_ext(o);
	if (c)
		printf("cycles a packet: %.0f best, %.0f median, of %" JSON_INTEGER_FORMAT
		       " passes in bursts of up to %" JSON_INTEGER_FORMAT "\n",
		       json_real_value(json_object_get(c, "best")),
		       json_real_value(json_object_get(c, "median")), num(c, "passes"),
		       num(c, "burst"));
	json_array_foreach(json_object_get(t->report, "expect"), i, o) show_expect(o);
	show_faults(t->report);
	printf("%s\n", t->is_failed ? "FAILED" : "good");
}
