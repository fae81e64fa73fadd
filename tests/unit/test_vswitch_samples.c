/* SPDX-License-Identifier: BSD-3-Clause */
/* The sample extensions in a switch: loaded from the shared objects that are built with nothing but the
 * SDK's header, with traffic through them. What each decides is tested in test_ext_NAME.c. */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/exthost.h"
#include "tests/support/fakeport.h"
#include "vswitch/ext/ext.h"
#include "vswitch/priv.h"

TestSuite(vsw_samples, .init = eal_up);

#define MAC_A 0x020000000001
#define MAC_B 0x020000000002
#define FAR   0x0200000000FF
#define ALL   0xFFFFFFFFFFFF

/* Guests a and b, uplinks up0 and up1 (those only with has_uplinks). */
struct bed {
	struct vsw *sw;
	struct fake_port *a, *b, *up[2];
};

static struct fake_port *port(struct vsw *sw, const char *name, enum vsw_port_kind kind,
			      uint8_t mac)
{
	struct vsw_port_cfg c = {.kind = kind};

	snprintf(c.name, sizeof(c.name), "%s", name);
	if (mac) {
		c.mac[0] = 2;
		c.mac[5] = mac;
	}
	return fake_port_new(sw, &c);
}

static struct bed bed(bool has_uplinks)
{
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}, .fdb_size = 256};
	struct bed t = {0};

	cr_assert_eq(vsw_create(&t.sw, &cfg), 0, "%s", err_text());
	t.a = port(t.sw, "a/0", VSW_PORT_NIC, 1);
	t.b = port(t.sw, "b/0", VSW_PORT_NIC, 2);
	if (has_uplinks) {
		t.up[0] = port(t.sw, "up0", VSW_PORT_UPLINK, 0);
		t.up[1] = port(t.sw, "up1", VSW_PORT_UPLINK, 0);
	}
	return t;
}

static void bed_end(struct bed *t)
{
	cr_assert(fake_is_balanced(t->sw));
	fake_port_free(t->a);
	fake_port_free(t->b);
	fake_port_free(t->up[0]);
	fake_port_free(t->up[1]);
	vsw_destroy(t->sw);
}

/* The modules lie beside the test. */
static const char *path_of(const char *name)
{
	static char path[512];
	ssize_t n = readlink("/proc/self/exe", path, 400);

	cr_assert_gt(n, 0);
	path[n] = 0;
	snprintf(strrchr(path, '/') + 1, 64, "%s.so", name);
	return path;
}

static struct vsw_ext *load(struct vsw *sw, const char *name, const char *config)
{
	struct vsw_ext_cfg cfg = {.path = path_of(name), .config = config};
	struct vsw_ext *e = NULL;

	cr_assert_eq(vsw_ext_load(&e, sw, &cfg), 0, "%s: %s", name, err_text());
	return e;
}

static struct exthost_flow flow(uint64_t dst, uint64_t src, uint16_t sport, uint16_t dport)
{
	return (struct exthost_flow){dst, src, "10.0.0.1", "10.0.0.2", 17, sport, dport, 100};
}

static void give(struct fake_port *p, const struct exthost_flow *f)
{
	struct fake_frame *fr = fake_send(p, 0, 0);
	uint8_t frame[EXTHOST_BYTES];

	fr->len = exthost_frame(frame, f);
	memcpy(fr->bytes, frame, fr->len);
}

static uint16_t sport_at(const struct fake_frame *f)
{
	return nethv_get16(f->bytes + 34);
}

static json_int_t number(struct vsw_ext *e, const char *path)
{
	static char text[65536];
	json_error_t err;
	json_int_t n;
	json_t *j;

	cr_assert_gt(vsw_ext_say(e, text, sizeof(text)), 0, "%s", err_text());
	j = json_loads(text, 0, &err);
	cr_assert_not_null(j, "%s in %s", err.text, text);
	cr_assert(json_is_integer(exthost_value(j, path)), "no number %s in %s", path, text);
	n = json_integer_value(exthost_value(j, path));
	json_decref(j);
	return n;
}

static struct vsw_ext_counts counts;
static uint64_t faults;

static void take_counts(const struct vsw_ext_status *st, void *ctx)
{
	counts = st->sum;
	faults += st->faults;
}

/* With one extension loaded: what the switch counted of it. */
static struct vsw_ext_counts counted(struct vsw *sw)
{
	faults = 0;
	vsw_ext_walk(sw, take_counts, NULL);
	cr_assert_eq(faults, 0);
	cr_assert_eq(counts.broken, 0, "it broke a rule");
	return counts;
}

Test(vsw_samples, passthrough_sees_all_and_loses_nothing)
{
	struct bed t = bed(false);
	struct vsw_ext *e = load(t.sw, "passthrough", NULL);
	struct exthost_flow f = flow(MAC_B, MAC_A, 0, 9);
	uint16_t i;

	for (i = 0; i < 200; i++) {
		f.sport = i;
		give(t.a, &f);
	}
	while (fake_switch_poll(t.sw))
		;
	cr_assert_eq(t.b->nr_out, 200);
	for (i = 0; i < 200; i++)
		cr_assert_eq(sport_at(&t.b->out[i]), i);
	cr_assert_eq(number(e, "in"), 200);
	cr_assert_eq(number(e, "in_bytes"), 20000);
	cr_assert_eq(number(e, "out"), 200);
	cr_assert_eq(counted(t.sw).packets, 400);
	vsw_ext_unload(e);
	give(t.a, &f);
	fake_switch_poll(t.sw);
	cr_assert_eq(t.b->nr_out, 201);
	bed_end(&t);
}

Test(vsw_samples, sampler_keeps_one_of_n)
{
	struct bed t = bed(false);
	struct vsw_ext *e = load(t.sw, "sampler", "{\"every\": 8, \"bytes\": 60}");
	struct exthost_flow f = flow(MAC_B, MAC_A, 0, 9);
	uint16_t i;

	t.a->is_scattered = true;
	t.a->hdr_len = 64;
	for (i = 0; i < 64; i++)
		give(t.a, &f);
	fake_switch_poll(t.sw);
	vsw_event_process(t.sw);
	cr_assert_eq(number(e, "seen"), 64);
	cr_assert_eq(number(e, "samples[7].len"), 100);
	cr_assert_eq(number(e, "samples[0].ether_type"), 0x0800);
	cr_assert_eq(t.b->nr_out, 64);
	counted(t.sw);
	vsw_ext_unload(e);
	bed_end(&t);
}

Test(vsw_samples, acl_drops_changes_and_hands_its_hits_over)
{
	static const char rules[] = "{\"rules\": [{\"action\": \"deny\", \"dport\": \"22\"}]}";
	struct bed t = bed(false);
	struct vsw_ext *e = load(t.sw, "acl", rules);
	struct exthost_flow bad = flow(MAC_B, MAC_A, 5, 22), good = flow(MAC_B, MAC_A, 5, 23);
	struct vsw_ext_cfg next = {.path = path_of("acl"), .config = rules};
	struct vsw_totals sum;

	give(t.a, &bad), give(t.a, &good), give(t.a, &bad);
	fake_switch_poll(t.sw);
	cr_assert_eq(t.b->nr_out, 1);
	vsw_totals_get(t.sw, &sum);
	cr_assert_eq(sum.by_reason[VSW_DROP_filtered], 2);
	cr_assert_eq(counted(t.sw).drops[0], 2);
	cr_assert_eq(vsw_ext_upgrade(e, &next), 0, "%s", err_text());
	e = vsw_ext_find(t.sw, "acl");
	cr_assert_eq(number(e, "hits[0]"), 2);
	cr_assert_eq(vsw_ext_configure(e, "{}"), 0, "%s", err_text());
	give(t.a, &bad);
	fake_switch_poll(t.sw);
	cr_assert_eq(t.b->nr_out, 2);
	cr_assert_neq(vsw_ext_configure(e, "{\"rules\": [{\"action\": \"maybe\"}]}"), 0);
	cr_assert(strstr(err_text(), "rules[0]: action is allow or deny"), "%s", err_text());
	vsw_ext_unload(e);
	bed_end(&t);
}

/* At this rate nothing is released before its time: the unload gives all back. */
Test(vsw_samples, ratelimit_drops_or_holds_and_an_unload_loses_nothing_of_what_waits)
{
	struct bed t = bed(false);
	struct vsw_ext *e = load(t.sw, "ratelimit", "{\"rate_mbps\": 0.01, \"burst_kib\": 1}");
	struct exthost_flow f = flow(MAC_B, MAC_A, 0, 9);
	uint16_t i;

	for (i = 0; i < 20; i++)
		give(t.a, &f);
	fake_switch_poll(t.sw);
	cr_assert_eq(t.b->nr_out, 10); /* 1024 bytes */
	cr_assert_eq(counted(t.sw).drops[0], 10);
	vsw_ext_unload(e);
	fake_clear(t.b);
	e = load(t.sw, "ratelimit",
		 "{\"rate_mbps\": 0.01, \"burst_kib\": 1, \"mode\": \"shape\", \"queue\": 200}");
	for (i = 0; i < 150; i++) {
		f.sport = i;
		give(t.a, &f);
	}
	while (fake_switch_poll(t.sw))
		;
	cr_assert_eq(t.b->nr_out, 10);
	cr_assert_eq(counted(t.sw).held, 140);
	cr_assert_eq(number(e, "waiting"), 140);
	vsw_ext_unload(e);
	fake_switch_poll(t.sw);
	cr_assert_eq(t.b->nr_out, 150);
	for (i = 0; i < 150; i++)
		cr_assert_eq(sport_at(&t.b->out[i]), i);
	bed_end(&t);
}

Test(vsw_samples, team_spreads_flows_and_survives_a_member)
{
	struct bed t = bed(true);
	struct vsw_ext *e =
		load(t.sw, "team", "{\"members\": [{\"port\": \"up0\"}, {\"port\": \"up1\"}]}");
	struct exthost_flow f = flow(FAR, MAC_A, 0, 9), group = flow(ALL, MAC_A, 0, 9);
	struct exthost_flow back = flow(MAC_B, FAR, 0, 9);
	uint16_t i;

	for (i = 0; i < 128; i++) {
		f.sport = i;
		give(t.a, &f);
	}
	while (fake_switch_poll(t.sw))
		;
	cr_assert_eq(t.up[0]->nr_out + t.up[1]->nr_out, 128);
	cr_assert(t.up[0]->nr_out > 32 && t.up[1]->nr_out > 32);
	cr_assert_eq(t.b->nr_out, 0);
	fake_clear(t.up[0]), fake_clear(t.up[1]);
	give(t.a, &group);
	give(t.up[1], &back);
	fake_switch_poll(t.sw);
	cr_assert_eq(t.up[0]->nr_out + t.up[1]->nr_out, 1, "one copy leaves");
	cr_assert_eq(t.b->nr_out, 2);
	counted(t.sw);
	fake_port_free(t.up[0]);
	t.up[0] = NULL;
	fake_clear(t.up[1]);
	for (i = 0; i < 128; i++) {
		f.sport = i;
		give(t.a, &f);
	}
	while (fake_switch_poll(t.sw))
		;
	cr_assert_eq(t.up[1]->nr_out, 128);
	cr_assert_eq(number(e, "failovers"), 1);
	counted(t.sw);
	vsw_ext_unload(e);
	bed_end(&t);
}

Test(vsw_samples, flowtable_forwards_and_changes_by_its_rules)
{
	struct bed t = bed(true);
	struct vsw_ext *e = load(
		t.sw, "flowtable",
		"{\"miss\": \"drop\", \"rules\": ["
		"{\"dport\": \"80\", \"actions\": \"set_dst:02:00:00:00:00:aa,output:up0,output:up1\"},"
		"{\"dport\": \"81\", \"actions\": \"output:up1\"},"
		"{\"in_port\": \"up0\", \"actions\": \"normal\"}]}");
	struct exthost_flow both = flow(MAC_B, MAC_A, 1, 80), one = flow(MAC_B, MAC_A, 1, 81);
	struct exthost_flow none = flow(MAC_B, MAC_A, 1, 82), in = flow(MAC_B, FAR, 1, 82);

	give(t.a, &both), give(t.a, &one), give(t.a, &none), give(t.up[0], &in);
	fake_switch_poll(t.sw);
	cr_assert_eq(t.up[0]->nr_out, 1);
	cr_assert_eq(t.up[1]->nr_out, 2);
	cr_assert_eq(t.b->nr_out, 1);
	cr_assert_eq(t.up[0]->out[0].bytes[5], 0xaa);
	cr_assert_eq(t.up[1]->out[0].bytes[5], 0xaa);
	cr_assert_eq(t.up[1]->out[1].bytes[5], 0x02);
	cr_assert_eq(counted(t.sw).drops[1], 1);
	fake_port_free(t.up[1]);
	t.up[1] = NULL;
	give(t.a, &one);
	fake_switch_poll(t.sw);
	cr_assert_eq(counted(t.sw).drops[2], 1, "its port went: dropped by the rule's own reason");
	cr_assert_eq(number(e, "rules[1].packets"), 2);
	t.up[1] = port(t.sw, "up1", VSW_PORT_UPLINK, 0);
	give(t.a, &one);
	fake_switch_poll(t.sw);
	cr_assert_eq(t.up[1]->nr_out, 1, "and is back");
	vsw_ext_unload(e);
	bed_end(&t);
}

Test(vsw_samples, sflow_is_built_in_and_tells_its_collector)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct exthost_flow f = flow(MAC_B, MAC_A, 0, 9);
	struct vsw_ext_cfg cfg = {.path = "builtin:sflow"};
	struct bed t = bed(false);
	uint8_t bytes[2048];
	struct vsw_ext *e;
	char config[96];
	uint16_t i;

	cr_assert_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
	getsockname(fd, (struct sockaddr *)&sa, &len);
	snprintf(config, sizeof(config), "{\"collector\": \"127.0.0.1:%u\", \"rate\": 1}",
		 ntohs(sa.sin_port));
	cfg.config = config;
	cr_assert_eq(vsw_ext_load(&e, t.sw, &cfg), 0, "%s", err_text());
	for (i = 0; i < 64; i++)
		give(t.a, &f);
	fake_switch_poll(t.sw);
	vsw_event_process(t.sw);
	cr_assert_eq(number(e, "samples"), 64);
	cr_assert_gt(recv(fd, bytes, sizeof(bytes), 0), 1000);
	cr_assert_eq(nethv_get32(bytes), 5);
	counted(t.sw);
	vsw_ext_unload(e);
	close(fd);
	bed_end(&t);
}
