/* SPDX-License-Identifier: BSD-3-Clause */
/* eBPF extensions: objects made by clang from tests/bpf/ are opened, refused or run over packets. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include <bpf_objects.h>
#include "tests/support/eal.h"
#include "tests/support/fakeexthost.h"
#include "tests/support/scratch.h"
#include "vswitch/ext/bpf_priv.h"

#include <rte_rcu_qsbr.h>

TestSuite(vsw_bpf, .init = eal_up);

#define SRC4 10, 0, 0, 1
#define DST4 10, 0, 0, 2

static struct fakeexthost host, host2;

static const char *object(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s.o", BPF_OBJECTS, name);
	return path;
}

static struct vsw_ext_code *opened(const char *name)
{
	struct vsw_ext_code *c = NULL;

	cr_assert_eq(vsw_bpf_open(&c, object(name)), 0, "%s", err_text());
	return c;
}

static struct vsw_ext_code *started(struct fakeexthost *f, const char *name)
{
	struct vsw_ext_code *c = opened(name);

	cr_assert_eq(fakeexthost_init(f, c), 0, "%s", f->failed);
	return c;
}

static void stopped(struct fakeexthost *f, struct vsw_ext_code *c)
{
	fakeexthost_fini(f);
	c->close(c);
}

/* A UDP packet over IPv4, @len bytes. */
static struct nethv_pkt *udp4(struct fakeexthost *f, uint16_t src, uint16_t dst, uint32_t len)
{
	uint8_t frame[FAKEEXT_BYTES] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45};
	const uint8_t rest[] = {64, 17, 0, 0, SRC4, DST4};
	uint32_t i;

	for (i = 42; i < len; i++)
		frame[i] = (uint8_t)i;
	frame[16] = (uint8_t)((len - 14) >> 8);
	frame[17] = (uint8_t)(len - 14);
	memcpy(frame + 22, rest, sizeof(rest));
	frame[34] = src >> 8;
	frame[35] = (uint8_t)src;
	frame[36] = dst >> 8;
	frame[37] = (uint8_t)dst;
	frame[38] = (uint8_t)((len - 34) >> 8);
	frame[39] = (uint8_t)(len - 34);
	return fakeexthost_add(f, frame, len, 0);
}

/* A TCP segment over IPv6 whose addresses are 1, 2, 3 ... */
static struct nethv_pkt *tcp6(struct fakeexthost *f, uint16_t src, uint16_t dst, uint16_t shift)
{
	uint8_t frame[74] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60};
	unsigned int i;

	frame[19] = 20;
	frame[20] = 6;
	frame[21] = 64;
	for (i = 0; i < 32; i++)
		frame[22 + i] = (uint8_t)(i + 1);
	frame[54] = src >> 8;
	frame[55] = (uint8_t)src;
	frame[56] = dst >> 8;
	frame[57] = (uint8_t)dst;
	frame[66] = 0x50;
	frame[67] = 0x12; /* SYN, ACK */
	return fakeexthost_add(f, frame, sizeof(frame), shift);
}

static const char *status(struct fakeexthost *f)
{
	static char json[16384];
	int n = f->code->desc.status(f->inst, json, sizeof(json));

	cr_assert_geq(n, 0);
	cr_assert_eq(strlen(json), (size_t)n);
	return json;
}

/* ---- Running ---- */

Test(vsw_bpf, passes_all_when_the_program_does)
{
	struct vsw_ext_code *c = started(&host, "pass");
	unsigned int i;

	cr_assert_eq(c->desc.cls, NETHV_FILTER);
	cr_assert_str_eq(c->desc.name, "pass");
	cr_assert_eq(c->desc.guid.b[15], 15);
	cr_assert_eq(c->desc.nr_reasons, 2);
	cr_assert_str_eq(c->desc.reasons[1], "nor: nor this");
	cr_assert(c->desc.ingress);
	cr_assert_null(c->desc.egress);
	cr_assert(!c->is_tainted);
	for (i = 0; i < NETHV_VECTOR_MAX; i++)
		udp4(&host, 1000, (uint16_t)i, 60 + i);
	fakeexthost_ingress(&host, 0);
	for (i = 0; i < NETHV_VECTOR_MAX; i++)
		cr_assert_eq(host.verdict[i], 0);
	cr_assert(strstr(status(&host), "\"native\":true"), "%s", status(&host));
	stopped(&host, c);
}

Test(vsw_bpf, example_drops_closed_ports_and_counts_who_tried)
{
	struct vsw_ext_code *c = started(&host, "portfilter");
	struct nethv_pkt *p;

	udp4(&host, 4000, 53, 80);
	udp4(&host, 4000, 1900, 80);
	udp4(&host, 4000, 11211, 1400);
	tcp6(&host, 4000, 1900, 0);
	p = udp4(&host, 4000, 1900, 80);
	p->flags |= NETHV_PKT_FRAGMENT;
	fakeexthost_ingress(&host, 0);
	cr_assert_eq(host.verdict[0], 0);
	cr_assert_eq(host.verdict[1], 1);
	cr_assert_eq(host.verdict[2], 1);
	cr_assert_eq(host.verdict[3], 0, "TCP is none of its business");
	cr_assert_eq(host.verdict[4], 0, "a fragment has no ports");
	fakeexthost_ingress(&host, 3);
	cr_assert_str_eq(status(&host),
			 "{\"native\":true,\"counters\":{\"seen\":8,\"fragments\":2},\"maps\":{"
			 "\"offenders\":{\"entries\":1,\"max\":4096,\"full\":0,\"pairs\":["
			 "{\"key\":\"0a000001000000000000000000000000\",\"value\":4}]}}}");
	stopped(&host, c);
}

Test(vsw_bpf, capture_counts_on_both_ways_and_gives_no_verdict)
{
	struct vsw_ext_code *c = started(&host, "capture");
	struct nethv_pkt *p;

	cr_assert_eq(c->desc.cls, NETHV_CAPTURE);
	cr_assert_eq(c->desc.flags, NETHV_EXT_PLAIN);
	cr_assert_str_eq(c->desc.version, "2.1");
	udp4(&host, 1, 2, 100);
	p = udp4(&host, 1, 2, 300);
	fakeexthost_ingress(&host, 0); /* there is no verdict[] to be written */
	fakeexthost_ingress(&host, 1);
	host.n = 2;
	host.dst[5].port = 9;
	p->dst_first = 5;
	p->ndst = 3;
	fakeexthost_egress(&host, 2);
	cr_assert(strstr(status(&host), "{\"packets\":4,\"bytes\":800,\"egress\":65544032}"), "%s",
		  status(&host));
	stopped(&host, c);
}

/* What fields.c said under that number. */
static uint64_t told(struct fakeexthost *f, uint32_t what)
{
	const struct bpf_inst *in = f->inst;
	uint64_t v;

	cr_assert_eq(bpf_map_lookup(&in->map[0], &what, &v), 1, "%u", what);
	return v;
}

Test(vsw_bpf, context_says_what_the_packet_is)
{
	struct vsw_ext_code *c = started(&host, "fields");
	struct nethv_pkt *p = udp4(&host, 4001, 53, 600);

	p->flags |= NETHV_PKT_VLAN | NETHV_PKT_SAFE;
	p->vlan_tci = 0x2005;
	p->src_port = 7;
	p->src_nic = 2;
	p->hash = 0xdeadbeef;
	p->mark = 0x80000001;
	p->ndst = 4; /* ingress: not told */
	host.now_ns = 1ull << 40;
	fakeexthost_ingress(&host, 0);
	cr_assert_eq(host.verdict[0], 0);
	cr_assert_eq(told(&host, 0), 600);
	cr_assert_eq(told(&host, 1), 128);
	cr_assert_eq(told(&host, 2), p->flags);
	cr_assert_eq(told(&host, 3), 0x2005);
	cr_assert_eq(told(&host, 4), 0x20007);
	cr_assert_eq(told(&host, 5), NETHV_PORT_DEFAULT);
	cr_assert_eq(told(&host, 6), 0x800);
	cr_assert_eq(told(&host, 7), 14 | 34 << 8 | 17 << 16 | 4 << 24);
	cr_assert_eq(told(&host, 8), 4001);
	cr_assert_eq(told(&host, 9), 53);
	cr_assert_eq(told(&host, 10), 0);
	cr_assert_eq(told(&host, 11), 0x0a00000100000000);
	cr_assert_eq(told(&host, 12), 0);
	cr_assert_eq(told(&host, 13), 127);
	cr_assert_eq(told(&host, 14), 0xdeadbeef);
	cr_assert_eq(told(&host, 15), 0x80000001);
	cr_assert_eq(told(&host, 16), 1ull << 40);
	stopped(&host, c);
}

Test(vsw_bpf, loads_bytes_at_any_offset_but_none_behind_the_frame)
{
	struct vsw_ext_code *c = started(&host, "fields");

	udp4(&host, 4001, 53, 600);
	fakeexthost_ingress(&host, 0);
	cr_assert_eq(told(&host, 17), 600 - 34);
	cr_assert_eq(told(&host, 18), 0x54555657, "%lx", told(&host, 18)); /* bytes 596..599 */
	cr_assert_eq((int64_t)told(&host, 19), NV_ENOENT);
	cr_assert_eq((int64_t)told(&host, 20), NV_ENOENT);
	cr_assert_eq(told(&host, 21), 0x02000000000202);
	cr_assert_eq(told(&host, 22), 0);
	cr_assert_eq(told(&host, 23), 0x020000000001);
	cr_assert_eq(host.nr_copies, 1, "only the last bytes are not private");
	stopped(&host, c);
}

Test(vsw_bpf, shows_zeroes_behind_the_private_bytes)
{
	struct vsw_ext_code *c = started(&host, "fields");

	tcp6(&host, 80, 8080, 32); /* 74 bytes, all private */
	fakeexthost_ingress(&host, 0);
	cr_assert_eq(told(&host, 1), 74);
	cr_assert_eq(told(&host, 8), 80);
	cr_assert_eq(told(&host, 9), 8080);
	cr_assert_eq(told(&host, 10), 0x12);
	cr_assert_eq(told(&host, 11), 0x0102030405060708);
	cr_assert_eq(told(&host, 12), 0x191a1b1c1d1e1f20);
	cr_assert_eq(told(&host, 13), 0, "the slot has rubbish there");
	fakeexthost_clear(&host);
	udp4(&host, 1, 2, 600)->hdr_len = 64; /* addresses yes, last byte no */
	fakeexthost_ingress(&host, 0);
	cr_assert_eq(told(&host, 1), 64);
	cr_assert_eq(told(&host, 13), 0, "what the packet before had there");
	cr_assert_eq(told(&host, 12), 0);
	stopped(&host, c);
}

Test(vsw_bpf, headers_cut_by_the_private_bytes_are_not_read)
{
	struct vsw_ext_code *c = started(&host, "fields");
	struct nethv_pkt *p = udp4(&host, 4001, 53, 600);

	p->hdr_len = 37; /* ports end at 38 */
	fakeexthost_ingress(&host, 0);
	cr_assert_eq(told(&host, 8), 0);
	cr_assert_eq(told(&host, 9), 0);
	cr_assert_eq(told(&host, 11) >> 32, 0x0a000001);
	p->hdr_len = 33; /* addresses end at 34 */
	fakeexthost_ingress(&host, 0);
	cr_assert_eq(told(&host, 11), 0);
	stopped(&host, c);
}

Test(vsw_bpf, variables_belong_to_the_instance)
{
	struct vsw_ext_code *c = started(&host, "globals");
	unsigned int i;

	cr_assert_eq(fakeexthost_init(&host2, c), 0);
	for (i = 0; i < 6; i++)
		udp4(&host, 1, 98 + (i == 4), 60);
	fakeexthost_ingress(&host, 0);
	cr_assert_eq(host.verdict[2], 0);
	cr_assert_eq(host.verdict[3], 1, "more than limits[2], which is 3");
	cr_assert_eq(host.verdict[4], 0, "which is 5 now");
	cr_assert_eq(host.verdict[5], 1);
	udp4(&host2, 1, 2, 60);
	fakeexthost_ingress(&host2, 0);
	cr_assert_eq(host2.verdict[0], 0);
	fakeexthost_fini(&host2);
	stopped(&host, c);
}

Test(vsw_bpf, verdicts_out_of_range_stay_so_and_division_by_zero_passes)
{
	struct vsw_ext_code *c = started(&host, "wild");

	udp4(&host, 1, 1, 60);
	udp4(&host, 7, 2, 60);
	udp4(&host, 1007, 2, 60);
	fakeexthost_ingress(&host, 0);
	cr_assert_eq(host.verdict[0], UINT16_MAX, "not 70000 - 65536");
	cr_assert_eq(host.verdict[1], 0);
	cr_assert_eq(host.verdict[2], 2);
	stopped(&host, c);
}

Test(vsw_bpf, interpreter_and_native_code_agree)
{
	static const char *const names[] = {"portfilter", "fields", "globals", "wild", "maps"};
	uint16_t native[NETHV_VECTOR_MAX];
	static char native_status[16384];
	unsigned int i, n;

	for (n = 0; n < 5; n++) {
		struct vsw_ext_code *c = started(&host, names[n]);

		cr_assert_eq(fakeexthost_init(&host2, c), 0);
		((struct bpf_inst *)host2.inst)->prog[0].fn = NULL;
		for (i = 0; i < NETHV_VECTOR_MAX; i++) {
			udp4(&host, (uint16_t)(i / 2), i % 3 ? i % 6 : 1900, 60 + i * 9);
			udp4(&host2, (uint16_t)(i / 2), i % 3 ? i % 6 : 1900, 60 + i * 9);
		}
		fakeexthost_ingress(&host, 0);
		fakeexthost_ingress(&host2, 0);
		memcpy(native, host.verdict, sizeof(native));
		cr_assert_arr_eq(native, host2.verdict, sizeof(native), "%s", names[n]);
		snprintf(native_status, sizeof(native_status), "%s",
			 strstr(status(&host), "counters"));
		cr_assert_str_eq(native_status, strstr(status(&host2), "counters"), "%s", names[n]);
		cr_assert(strstr(status(&host2), "\"native\":false"));
		fakeexthost_fini(&host2);
		stopped(&host, c);
	}
}

Test(vsw_bpf, branches_may_read_from_different_places)
{
	struct vsw_ext_code *c = started(&host, "merge");

	udp4(&host, 7, 1, 100)->vlan = 1; /* first time: the destination port, 1 */
	udp4(&host, 9, 7, 100);		  /* first time of the other map: the destination port, 7 */
	udp4(&host, 9, 1, 100);
	udp4(&host, 7, 1, 100); /* from the third on: the source port */
	fakeexthost_ingress(&host, 0);
	cr_assert_eq(host.verdict[0], 0);
	cr_assert_eq(host.verdict[1], 1);
	cr_assert_eq(host.verdict[2], 0);
	cr_assert_eq(host.verdict[3], 1);
	cr_assert(strstr(status(&host), "{\"one\":3,\"other\":90}"), "%s", status(&host));
	cr_assert(
		strstr(status(&host), "\"key\":\"0a000001000000000000000000000000\",\"value\":3"));
	cr_assert(
		strstr(status(&host), "\"key\":\"0a000002000000000000000000000000\",\"value\":1"));
	stopped(&host, c);
}

/* ---- Maps ---- */

enum { UPDATE = 1, LOOKUP, DELETE, ADD };

static uint16_t ask(struct fakeexthost *f, uint16_t key, uint16_t what, uint16_t lcore)
{
	fakeexthost_clear(f);
	udp4(f, key, what, 100);
	fakeexthost_ingress(f, lcore);
	return f->verdict[0];
}

Test(vsw_bpf, maps_keep_what_programs_put_into_them)
{
	struct vsw_ext_code *c = started(&host, "maps");

	cr_assert_eq(ask(&host, 5, LOOKUP, 0), 0);
	cr_assert_eq(ask(&host, 5, UPDATE, 0), 0);
	cr_assert_eq(ask(&host, 5, LOOKUP, 1), 1, "sum == len: as it was put");
	cr_assert_eq(ask(&host, 5, ADD, 2), 0);
	cr_assert_eq(ask(&host, 5, LOOKUP, 3), 2, "sum is more");
	cr_assert_eq(ask(&host, 6, LOOKUP, 3), 0);
	cr_assert_eq(ask(&host, 5, DELETE, 0), 0);
	cr_assert_eq(ask(&host, 5, LOOKUP, 0), 0);
	cr_assert_eq(ask(&host, 5, DELETE, 0), 0);
	cr_assert(strstr(status(&host), "\"missing\":4"), "%s", status(&host));
	stopped(&host, c);
}

Test(vsw_bpf, map_takes_as_many_as_it_says_and_deleting_makes_room)
{
	struct vsw_ext_code *c = started(&host, "maps");
	unsigned int round, k;

	for (k = 0; k < 64; k++)
		ask(&host, (uint16_t)k, UPDATE, k % 4);
	cr_assert(strstr(status(&host), "\"no_room\":0"), "%s", status(&host));
	ask(&host, 64, UPDATE, 0);
	cr_assert(strstr(status(&host), "\"no_room\":1"));
	cr_assert(strstr(status(&host), "\"table\":{\"entries\":64,\"max\":64,\"full\":1,"));
	for (round = 0; round < 50; round++) {
		for (k = 0; k < 64; k++)
			ask(&host, (uint16_t)(round * 64 + k), DELETE, k % 4);
		for (k = 0; k < 64; k++)
			ask(&host, (uint16_t)(round * 64 + 64 + k), UPDATE, (k + 1) % 4);
		for (k = 0; k < 64; k++)
			cr_assert_eq(ask(&host, (uint16_t)(round * 64 + 64 + k), LOOKUP, 0), 1);
	}
	cr_assert(strstr(status(&host), "\"no_room\":1"), "%s", status(&host));
	stopped(&host, c);
}

Test(vsw_bpf, deleted_cell_waits_for_who_may_look_at_it)
{
	struct vsw_ext_code *c = started(&host, "maps");
	struct bpf_inst *in = host.inst;
	struct bpf_map *m = &in->map[1];
	uint32_t before;

	ask(&host, 1, UPDATE, 0);
	before = m->nr_free;
	rte_rcu_qsbr_thread_online(in->qsbr, 2); /* lcore 2 is inside a burst */
	ask(&host, 1, DELETE, 0);
	ask(&host, 2, UPDATE, 0);
	ask(&host, 2, DELETE, 0);
	cr_assert_eq(m->nr_free, before - 1);
	rte_rcu_qsbr_thread_offline(in->qsbr, 2);
	ask(&host, 3, UPDATE, 0);
	ask(&host, 3, DELETE, 0);
	ask(&host, 4, UPDATE, 0);
	ask(&host, 4, DELETE, 0);
	cr_assert_geq(m->nr_free, before - 1);
	stopped(&host, c);
}

Test(vsw_bpf, status_shows_as_many_pairs_as_fit)
{
	struct vsw_ext_code *c = started(&host, "maps");
	char json[512];
	unsigned int k;
	int n;

	for (k = 0; k < 64; k++)
		ask(&host, (uint16_t)k, UPDATE, 0);
	n = c->desc.status(host.inst, json, sizeof(json));
	cr_assert(n > 0 && n < (int)sizeof(json));
	cr_assert_eq(json[n - 1], '}');
	cr_assert(strstr(json, "\"key\":"));
	cr_assert_eq(c->desc.status(host.inst, json, 40), -1);
	n = 0;
	for (const char *p = status(&host); (p = strstr(p, "\"key\":")); p++)
		n++;
	cr_assert_eq(n, 32);
	stopped(&host, c);
}

Test(vsw_bpf, upgrade_takes_over_maps_and_counters_of_the_same_kind)
{
	struct vsw_ext_code *c = started(&host, "maps"), *c2 = opened("maps2");
	unsigned int k, found = 0;

	for (k = 0; k < 10; k++)
		ask(&host, (uint16_t)k, UPDATE, 1);
	cr_assert_eq(fakeexthost_save(&host), 0);
	cr_assert_eq(fakeexthost_init(&host2, c2), 0);
	cr_assert_eq(fakeexthost_restore(&host2, host.state, host.state_len), 0, "%s",
		     host2.failed);
	for (k = 0; k < 12; k++)
		found += ask(&host2, (uint16_t)k, 0, 0) == 2;
	cr_assert_eq(found, 10);
	cr_assert(strstr(status(&host2), "{\"fresh\":0,\"ports\":10}"), "%s", status(&host2));
	stopped(&host2, c2);
	stopped(&host, c);
}

Test(vsw_bpf, state_cut_anywhere_is_refused_or_harmless)
{
	struct vsw_ext_code *c = started(&host, "maps");
	unsigned int k;
	size_t n;

	for (k = 0; k < 5; k++)
		ask(&host, (uint16_t)k, UPDATE, 1);
	cr_assert_eq(fakeexthost_save(&host), 0);
	for (n = 0; n < host.state_len; n++) {
		uint8_t *cut = malloc(n ? n : 1);

		memcpy(cut, host.state, n);
		cr_assert_eq(fakeexthost_init(&host2, c), 0);
		cr_assert_eq(fakeexthost_restore(&host2, cut, n), -1, "%zu", n);
		cr_assert_str_eq(host2.failed, "the state is cut off");
		fakeexthost_fini(&host2);
		free(cut);
	}
	cr_assert_eq(c->desc.restore(host.inst, host.state, host.state_len, 2), -1);
	stopped(&host, c);
}

Test(vsw_bpf, create_without_memory_says_so_and_leaves_nothing)
{
	struct vsw_ext_code *c = opened("maps");
	unsigned int i;

	for (i = 1; i < 6; i++) {
		host.mem_limit = i;
		cr_assert_eq(fakeexthost_init(&host, c), -1);
		cr_assert(strstr(host.failed, "no memory"), "%u: %s", i, host.failed);
		fakeexthost_fini(&host);
	}
	c->close(c);
}

/* ---- Refusals ---- */

/* The line of refuse.c or many.c with that mark; 0: there is none. */
static unsigned int marked_line(const char *file, const char *mark)
{
	char path[512], text[512], want[64];
	unsigned int line = 0, found = 0;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", BPF_SOURCES, file);
	n = (size_t)snprintf(want, sizeof(want), "HERE %s", mark);
	f = fopen(path, "r");
	cr_assert(f, "%s", path);
	while (fgets(text, sizeof(text), f)) {
		const char *at = strstr(text, want);

		line++;
		if (at && (at[n] == ' ' || at[n] == ':'))
			found = line;
	}
	fclose(f);
	return found;
}

struct refusal {
	const char *object, *text;
};

static const struct refusal with_line[] = {
	{"loop", "a loop: this goes back to line"},
	{"offset", "an offset into the packet that is known only at run time: use nv_load()"},
	{"stack_index", "an index into an array on the stack that is known only at run time"},
	{"array_index", "an index into a variable that is known only at run time: use a map"},
	{"beyond", "reads outside of the context"},
	{"before", "reads outside of the context"},
	{"write", "writes to the packet or its context, which are read only"},
	{"unknown", "calls printk(), which is no helper of nethv/bpf.h"},
	{"linux_helper", "calls helper number 5: the helpers of Linux are not here"},
	{"local", "calls a function of its own: functions must be inlined"},
	{"extern", "takes the address of outside, which is no map and no variable"},
	{"stack", "the stack has 512 bytes, and this is outside of it"},
	{"above", "the stack has 512 bytes, and this is outside of it"},
	{"unset", "reads stack that is not set on every way to here"},
	{"reg", "uses a value that is not set on every way to here (r9)"},
	{"number", "the address is a number, not a pointer"},
	{"spill", "stores a part of a pointer"},
	{"leak", "stores a pointer in a variable"},
	{"multiply", "calculates with a pointer"},
	{"compare", "compares a pointer"},
	{"return", "returns a pointer"},
	{"big", "instructions, at most 4096 are allowed"},
	{"jset", "instruction 0x45 is not one of -mcpu=v2"},
	{"little", "a conversion to little-endian, which is a cast on this machine"},
	{"shift_self", "divides or shifts a number by itself"},
	{"v3", "is of -mcpu=v3: compile with -mcpu=v2"},
	{"atomic", "an atomic operation other than adding, or one whose result is used"},
	{"map_memory", "a map can only be used by nv_map_lookup() and its like"},
	{"no_map", "nv_map_delete() wants the address of a map as first argument"},
	{"raw_key", "argument 2 of nv_map_add() points to 4 bytes that are not all set"},
	{"short_value", "the stack has 512 bytes, and this is outside of it"},
	{"key_to_ctx", "writes to the packet or its context, which are read only"},
	{"add_small", "nv_map_add() wants values of at least 8 bytes"},
	{"not_ctx", "nv_load() wants the context as first argument"},
	{"load_size", "argument 3 of nv_load() is 8, not 1 to 7"},
	{"counter", "argument 2 of nv_count() is 2, not 0 to 1"},
	{"map_calls", "more than 32 calls for maps on one way"},
	{"constant", "writes to a constant"},
	{"copy_len", "argument 4 of nv_copy() is not a constant"},
	{"dead", "no way leads to here"},
	{"end", "the program does not end with a return"},
	{"hull", "reads outside of the context"},
	{"mixed", "a pointer that points to different places by way"},
};

Test(vsw_bpf, refuses_with_line_reason_and_source)
{
	char want[64];
	size_t i;

	for (i = 0; i < sizeof(with_line) / sizeof(with_line[0]); i++) {
		const struct refusal *r = &with_line[i];
		struct vsw_ext_code *c = NULL;
		unsigned int line = marked_line("refuse.c", r->object);

		cr_expect_eq(vsw_bpf_open(&c, object(r->object)), -EINVAL, "%s", r->object);
		cr_expect_null(c);
		cr_expect(strstr(err_text(), r->text), "%s: %s", r->object, err_text());
		cr_expect_neq(line, 0, "%s", r->object);
		snprintf(want, sizeof(want), "%s.o: refuse.c:%u: ", r->object, line);
		cr_expect(!strncmp(err_text(), want, strlen(want)), "%s, want line %u: %s",
			  r->object, line, err_text());
		cr_expect(strstr(err_text(), "\n    "), "%s: %s", r->object, err_text());
	}
}

static const struct refusal without_line[] = {
	{"abi", "abi.o: made for version 9 of nethv/bpf.h, not 1"},
	{"forward",
	 "forward.o: an eBPF extension is a capture or a filter; a forwarder is a shared"},
	{"guid", ".guid is not like 01234567-89ab-cdef-0123-456789abcdef"},
	{"guid_zero", ".guid is not like 01234567-89ab-cdef-0123-456789abcdef"},
	{"info", "no NV_EXTENSION in it"},
	{"map_entries", "map wide: 2000000 entries, want 1 to 1048576"},
	{"map_key", "map wide: key of 65 bytes, want 1 to 64"},
	{"name", ".name is not of [a-z0-9-], 1 to 31"},
	{"none", "no function in section \"ingress\" or \"egress\""},
	{"pointer_data", "a variable or the description holds an address"},
	{"reason", ".reasons[0] is not \"word: sentence\""},
	{"two", "section ingress has 2 functions, not one"},
};

Test(vsw_bpf, refuses_descriptions_and_maps_that_do_not_fit)
{
	size_t i;

	for (i = 0; i < sizeof(without_line) / sizeof(without_line[0]); i++) {
		const struct refusal *r = &without_line[i];
		struct vsw_ext_code *c = NULL;

		cr_expect_eq(vsw_bpf_open(&c, object(r->object)), -ENOEXEC, "%s", r->object);
		cr_expect(strstr(err_text(), r->text), "%s: %s", r->object, err_text());
	}
}

Test(vsw_bpf, names_the_instruction_when_there_are_no_lines)
{
	struct vsw_ext_code *c;

	cr_assert_eq(vsw_bpf_open(&c, object("plain")), -EINVAL);
	cr_assert(strstr(err_text(), "plain.o: ingress, instruction "), "%s", err_text());
	cr_assert(strstr(err_text(), "a loop: this goes back to instruction "), "%s", err_text());
	cr_assert(strstr(err_text(), "(compile with -g to see the line)"), "%s", err_text());
}

Test(vsw_bpf, what_only_librte_bpf_refuses_has_a_line_too)
{
	struct vsw_ext_code *c = opened("librte");
	char want[64];

	snprintf(want, sizeof(want), "librte.o: refuse.c:%u: librte_bpf: ",
		 marked_line("refuse.c", "librte") - 2); /* asm's first line */
	cr_assert_eq(fakeexthost_init(&host, c), -1);
	cr_assert(!strncmp(host.failed, want, strlen(want)), "%s: %s", want, host.failed);
	cr_assert(strstr(host.failed, "undefined value on the stack"), "%s", host.failed);
	stopped(&host, c);
}

Test(vsw_bpf, bounds_the_ways_that_librte_bpf_has_to_walk, .timeout = 60)
{
	struct vsw_ext_code *c = started(&host, "many");
	char want[64];

	udp4(&host, 1, 2, 100);
	fakeexthost_ingress(&host, 0);
	cr_assert_eq(host.verdict[0], 0);
	stopped(&host, c);
	cr_assert_eq(vsw_bpf_open(&c, object("too_many")), -EINVAL);
	cr_assert(strstr(err_text(), "more than 262144 ways lead to here"), "%s", err_text());
	snprintf(want, sizeof(want), "too_many.o: many.c:%u: ", marked_line("many.c", "too_many"));
	cr_assert(!strncmp(err_text(), want, strlen(want)), "%s: %s", want, err_text());
}

Test(vsw_bpf, refuses_what_is_no_object)
{
	char path[SCRATCH_PATH];
	struct vsw_ext_code *c;
	int fd = scratch_file(path, "bpf");

	cr_assert_eq(vsw_bpf_open(&c, "/nowhere/x.o"), -ENOENT);
	cr_assert_eq(vsw_bpf_open(&c, "/"), -EFBIG);
	cr_assert_eq(vsw_bpf_open(&c, path), -ENOEXEC, "empty");
	cr_assert_eq(write(fd, "\177ELF\2\1\1 hello", 13), 13);
	cr_assert_eq(vsw_bpf_open(&c, path), -ENOEXEC);
	cr_assert_eq(vsw_bpf_open(&c, "/proc/self/exe"), -ENOEXEC);
	cr_assert(strstr(err_text(), "not an eBPF object"), "%s", err_text());
	close(fd);
	unlink(path);
}

/* Every byte of an object replaced in turn: opened or refused, and what is opened runs. */
Test(vsw_bpf, objects_with_a_wrong_byte_are_harmless, .timeout = 120)
{
	uint8_t *file = malloc(1 << 20);
	struct bpf_obj *o = NULL;
	size_t i, len;
	FILE *f = fopen(object("maps"), "rb");

	len = fread(file, 1, 1 << 20, f);
	fclose(f);
	for (i = 0; i < len; i++) {
		uint8_t old = file[i];

		file[i] ^= (uint8_t)(1 + i % 255);
		if (bpf_obj_read(&o, "x.o", file, len) == 0) {
			if (o->prog[0].section)
				bpf_check(o, &o->prog[0]);
			bpf_obj_free(o);
		} else {
			cr_assert(err_text()[0]);
		}
		file[i] = old;
		if (bpf_obj_read(&o, "x.o", file, i) == 0)
			bpf_obj_free(o);
	}
	free(file);
}
