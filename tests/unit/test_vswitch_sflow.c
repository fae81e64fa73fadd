/* SPDX-License-Identifier: BSD-3-Clause */
/* The built-in extension `sflow`: datagrams as a collector gets them, read by a decoder of our own and by
 * tshark; how many packets are chosen; what is refused. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/exthost.h"
#include "tests/support/scratch.h"
#include "vswitch/ext/builtin/sflow.h"

/* ---- A collector --------------------------------------------------------------------------- */

struct sample {
	uint32_t seq, source, rate, pool, drops, input, output, frame_len, stripped, header_len;
	uint32_t vlan, priority;
	const uint8_t *header;
};

struct dgram {
	uint8_t bytes[2048];
	uint32_t len, at;
	uint32_t addr_type, sub_agent, seq, uptime, n;
	uint8_t addr[16];
	struct sample sample[32];
};

static uint32_t word(struct dgram *d)
{
	cr_assert_leq(d->at + 4, d->len, "cut short at %u", d->at);
	d->at += 4;
	return nethv_get32(d->bytes + d->at - 4);
}

static void decode_raw(struct dgram *d, struct sample *s)
{
	cr_assert_eq(word(d), 1, "Ethernet");
	s->frame_len = word(d);
	s->stripped = word(d);
	s->header_len = word(d);
	s->header = d->bytes + d->at;
	d->at += (s->header_len + 3) / 4 * 4;
	cr_assert_leq(d->at, d->len);
}

static void decode_switch(struct dgram *d, struct sample *s)
{
	s->vlan = word(d);
	s->priority = word(d);
	cr_assert_eq(word(d), s->vlan);
	cr_assert_eq(word(d), s->priority);
}

static void decode_sample(struct dgram *d, struct sample *s)
{
	uint32_t end, n;

	cr_assert_eq(word(d), 1, "a flow sample");
	end = word(d);
	end += d->at;
	s->seq = word(d), s->source = word(d), s->rate = word(d), s->pool = word(d);
	s->drops = word(d), s->input = word(d), s->output = word(d);
	for (n = word(d); n; n--) {
		uint32_t format = word(d), stop = word(d);

		stop += d->at;
		cr_assert(format == 1 || format == 1001);
		(format == 1 ? decode_raw : decode_switch)(d, s);
		cr_assert_eq(d->at, stop, "a record's length");
	}
	cr_assert_eq(d->at, end, "a sample's length");
}

static void decode(struct dgram *d)
{
	uint32_t i;

	d->at = 0;
	cr_assert_eq(word(d), 5);
	d->addr_type = word(d);
	memcpy(d->addr, d->bytes + d->at, d->addr_type == 2 ? 16 : 4);
	d->at += d->addr_type == 2 ? 16 : 4;
	d->sub_agent = word(d), d->seq = word(d), d->uptime = word(d), d->n = word(d);
	cr_assert_leq(d->n, 32);
	for (i = 0; i < d->n; i++)
		decode_sample(d, &d->sample[i]);
	cr_assert_eq(d->at, d->len);
}

static uint16_t collector_port;

static int collector(int family)
{
	struct sockaddr_in6 sa6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *at = family == AF_INET ? (struct sockaddr *)&sa : (struct sockaddr *)&sa6;
	socklen_t len = family == AF_INET ? sizeof(sa) : sizeof(sa6);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), big = 1 << 20;

	if (fd < 0 || bind(fd, at, len)) {
		fd_close(&fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	getsockname(fd, at, &len);
	collector_port = ntohs(family == AF_INET ? sa.sin_port : sa6.sin6_port);
	return fd;
}

/* Loopback delivers before send() returns. */
static bool receive(int fd, struct dgram *d)
{
	ssize_t n = recv(fd, d->bytes, sizeof(d->bytes), 0);

	if (n < 0)
		return false;
	d->len = (uint32_t)n;
	decode(d);
	return true;
}

/* ---- The switch ---------------------------------------------------------------------------- */

static struct exthost *sflow(const char *addr, const char *more)
{
	struct exthost *x = exthost_new(&vsw_sflow_ext, 2);
	char config[256];

	snprintf(config, sizeof(config), "{\"collector\": \"%s:%u\", \"seed\": 42 %s}", addr,
		 collector_port, more);
	cr_assert_eq(exthost_create(x, config), 0, "%s", x->text);
	return x;
}

static const struct exthost_flow flow = {
	0x020000000002, 0x020000000001, "10.0.0.1", "10.0.0.2", 17, 1000, 40001, 300,
};

Test(vsw_sflow, tells_each_field_of_a_packet)
{
	int fd = collector(AF_INET);
	struct exthost *x =
		sflow("127.0.0.1", ", \"rate\": 1, \"agent\": \"192.0.2.7\", \"sub_agent\": 3");
	struct exthost_pkt *k;
	static struct dgram d;

	exthost_put_flow(x, 4, &flow);
	k = exthost_put_flow(x, NETHV_PORT_DEFAULT, &flow);
	k->p->flags |= NETHV_PKT_VLAN;
	k->p->vlan_tci = 5 << 13 | 77;
	k->p->vlan = 77;
	exthost_ingress(x, 1);
	exthost_notify(x);
	cr_assert_not(receive(fd, &d), "it waits for more");
	x->ext->tick(x->inst);
	cr_assert(receive(fd, &d));
	cr_assert_eq(d.addr_type, 1);
	cr_assert_eq(memcmp(d.addr, "\xc0\0\2\7", 4), 0);
	cr_assert_eq(d.sub_agent, 3);
	cr_assert_eq(d.seq, 1);
	cr_assert_eq(d.n, 2);
	cr_assert_eq(d.sample[0].seq, 1);
	cr_assert_eq(d.sample[0].source, 5);
	cr_assert_eq(d.sample[0].input, 5);
	cr_assert_eq(d.sample[0].output, 0);
	cr_assert_eq(d.sample[0].rate, 1);
	cr_assert_eq(d.sample[0].pool, 1);
	cr_assert_eq(d.sample[0].frame_len, 304);
	cr_assert_eq(d.sample[0].stripped, 4);
	cr_assert_eq(d.sample[0].header_len, 128);
	cr_assert_eq(memcmp(d.sample[0].header, x->pkt[0].frame, 128), 0);
	cr_assert_eq(d.sample[0].vlan, 0);
	cr_assert_eq(d.sample[1].source, 0);
	cr_assert_eq(d.sample[1].input, 0x3FFFFFFF);
	cr_assert_eq(d.sample[1].frame_len, 308);
	cr_assert_eq(d.sample[1].header_len, 132);
	cr_assert_eq(memcmp(d.sample[1].header, x->pkt[1].frame, 12), 0);
	cr_assert_eq(memcmp(d.sample[1].header + 12, "\x81\0\xa0\x4d\x08\0", 6), 0);
	cr_assert_eq(memcmp(d.sample[1].header + 18, x->pkt[1].frame + 14, 114), 0);
	cr_assert_eq(d.sample[1].vlan, 77);
	cr_assert_eq(d.sample[1].priority, 5);
	cr_assert_eq(x->nr_broken, 0);
	exthost_free(x);
	close(fd);
}

Test(vsw_sflow, reaches_a_collector_over_ipv6_and_names_the_address_it_sends_from)
{
	int fd = collector(AF_INET6);
	static struct dgram d;
	struct exthost *x;

	if (fd < 0)
		cr_skip_test("no IPv6 on the loopback interface");
	x = sflow("[::1]", ", \"rate\": 1, \"header_bytes\": 14");
	exthost_put_flow(x, 0, &flow);
	exthost_ingress(x, 0);
	x->ext->tick(x->inst);
	cr_assert(receive(fd, &d));
	cr_assert_eq(d.addr_type, 2);
	cr_assert_eq(d.addr[15], 1);
	cr_assert_eq(d.sample[0].header_len, 14);
	exthost_free(x);
	close(fd);
}

Test(vsw_sflow, fills_datagrams_and_numbers_them_and_the_samples)
{
	int fd = collector(AF_INET);
	struct exthost *x = sflow("127.0.0.1", ", \"rate\": 1");
	uint32_t seen[2] = {0}, dgrams = 0, i;
	static struct dgram d;

	for (i = 0; i < 60; i++)
		exthost_put_flow(x, i & 1, &flow);
	exthost_ingress(x, 0);
	exthost_notify(x);
	x->ext->tick(x->inst);
	while (receive(fd, &d)) {
		cr_assert_eq(d.seq, ++dgrams);
		cr_assert_leq(d.len, SFLOW_DGRAM_MAX);
		for (i = 0; i < d.n; i++)
			cr_assert_eq(d.sample[i].seq, ++seen[d.sample[i].source - 1]);
	}
	cr_assert_eq(seen[0] + seen[1], 60);
	cr_assert_eq(dgrams, 10); /* six of 216 bytes go into one */
	cr_assert_eq(exthost_number(x, "datagrams"), 10);
	cr_assert_eq(exthost_number(x, "samples"), 60);
	exthost_free(x);
	close(fd);
}

Test(vsw_sflow, counts_samples_for_which_the_ring_had_no_room)
{
	int fd = collector(AF_INET);
	struct exthost *x = sflow("127.0.0.1", ", \"rate\": 1");
	static struct dgram d;
	uint32_t i;

	for (i = 0; i < 64; i++)
		exthost_put_flow(x, 2, &flow);
	for (i = 0; i < 3; i++)
		exthost_ingress(x, 0); /* 128 fit */
	cr_assert_eq(exthost_number(x, "lost"), 64);
	x->ext->tick(x->inst);
	cr_assert(receive(fd, &d));
	cr_assert_eq(d.sample[0].drops, 64);
	cr_assert_eq(d.sample[0].pool, 192);
	exthost_free(x);
	close(fd);
}

/* The numbers are those of the seed; the bounds are wide, so that another generator would do as well. */
Test(vsw_sflow, chooses_one_of_n_at_random)
{
	int fd = collector(AF_INET);
	struct exthost *x = sflow("127.0.0.1", ", \"rate\": 64");
	uint32_t i, at[64] = {0}, n = 0;
	static struct dgram d;

	for (i = 0; i < 64; i++) {
		struct exthost_flow f = flow;

		f.sport = (uint16_t)i;
		exthost_put_flow(x, 0, &f);
	}
	for (i = 0; i < 10000; i++) {
		exthost_ingress(x, i & 1);
		exthost_notify(x);
		while (receive(fd, &d))
			for (uint32_t k = 0; k < d.n; k++, n++)
				at[nethv_get16(d.sample[k].header + 34) % 64]++;
	}
	x->ext->tick(x->inst);
	while (receive(fd, &d))
		n += d.n;
	cr_assert(n > 9500 && n < 10500, "%u of 640000", n);
	cr_assert_eq(exthost_number(x, "samples"), n);
	cr_assert_eq(exthost_number(x, "pool"), 640000);
	for (i = 0; i < 64; i++) /* every place in a burst is as likely: 156 each */
		cr_assert(at[i] > 90 && at[i] < 230, "place %u: %u", i, at[i]);
	exthost_free(x);
	close(fd);
}

Test(vsw_sflow, a_change_of_collector_and_rate_holds_at_once)
{
	int first = collector(AF_INET), second;
	struct exthost *x = sflow("127.0.0.1", ", \"rate\": 1000000");
	static struct dgram d;
	char config[128];

	exthost_put_flow(x, 0, &flow);
	exthost_ingress(x, 0);
	second = collector(AF_INET);
	snprintf(config, sizeof(config), "{\"collector\": \"127.0.0.1:%u\", \"rate\": 1}",
		 collector_port);
	cr_assert_eq(exthost_configure(x, config), 0, "%s", x->text);
	exthost_ingress(x, 0);
	exthost_ingress(x, 0);
	x->ext->tick(x->inst);
	cr_assert_not(receive(first, &d));
	cr_assert(receive(second, &d));
	cr_assert_geq(d.n, 1);
	cr_assert_eq(d.sample[0].rate, 1);
	exthost_free(x);
	close(first), close(second);
}

Test(vsw_sflow, a_collector_that_is_not_there_is_counted)
{
	int fd = collector(AF_INET);
	struct exthost *x = sflow("127.0.0.1", ", \"rate\": 1");
	int i;

	close(fd);
	exthost_put_flow(x, 0, &flow);
	for (i = 0; i < 4; i++) {
		exthost_ingress(x, 0);
		x->ext->tick(x->inst);
	}
	cr_assert_geq(exthost_number(x, "send_errors"), 1);
	cr_assert_eq(exthost_number(x, "samples"), 4);
	exthost_free(x);
}

Test(vsw_sflow, refuses_what_is_no_collector)
{
	static const char *const bad[] = {
		"",	      "localhost:6343", "127.0.0.1:0",	"127.0.0.1:65536",
		"127.0.0.1:", "127.0.0.1:12x",	"127.0.0.1: 1", "127.0.0.1:+1",
		"[::1",	      "[::1]6343",	"[::1]:",	":6343",
		"[]:1",	      "1.2.3:4",
	};
	struct exthost *x = exthost_new(&vsw_sflow_ext, 1);
	char config[128];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(config, sizeof(config), "{\"collector\": \"%s\"}", bad[i]);
		cr_assert_eq(exthost_create(x, config), -1, "%s", bad[i]);
		cr_assert(strstr(x->text, "collector is ADDRESS:PORT"), "%s: %s", bad[i], x->text);
		json_decref(x->cfg);
		x->cfg = NULL;
	}
	cr_assert_eq(exthost_create(x, "{\"collector\": \"127.0.0.1\", \"agent\": \"me\"}"), -1);
	cr_assert(strstr(x->text, "agent is an IPv4"));
	json_decref(x->cfg);
	x->cfg = NULL;
	cr_assert_eq(exthost_create(x, "{\"collector\": \"127.0.0.1\"}"), 0, "%s", x->text);
	exthost_free(x);
}

/* ---- tshark -------------------------------------------------------------------------------- */

/* A pcap with the datagram in UDP over IPv4, as a wire would carry it. */
static void write_pcap(const char *path, const struct dgram *d)
{
	const struct exthost_flow f = {2,  1,	  "127.0.0.1", "127.0.0.1",
				       17, 40000, 6343,	       42 + d->len};
	const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1};
	static uint8_t frame[EXTHOST_BYTES];
	uint32_t len = exthost_frame(frame, &f), rec[4] = {1, 0, len, len};
	FILE *out = fopen(path, "w");

	memcpy(frame + 42, d->bytes, d->len);
	cr_assert_not_null(out);
	fwrite(head, sizeof(head), 1, out);
	fwrite(rec, sizeof(rec), 1, out);
	fwrite(frame, len, 1, out);
	fclose(out);
}

static void run_tshark(const char *path, char *text, size_t size)
{
	char command[256];
	size_t n;
	FILE *p;

	snprintf(command, sizeof(command),
		 "tshark -r %s -d udp.port==6343,sflow -V -O sflow 2>/dev/null", path);
	p = popen(command, "r");
	cr_assert_not_null(p);
	n = fread(text, 1, size - 1, p);
	text[n] = 0;
	cr_assert_eq(pclose(p), 0);
}

Test(vsw_sflow, tshark_reads_it_and_finds_nothing_malformed)
{
	static const char *const want[] = {
		"Datagram version: 5",
		"Agent address: 192.0.2.7",
		"NumSamples: 2",
		"sFlow sample type: Flow sample",
		"Sampling rate: 1 out of 1 packets",
		"Input interface (ifIndex): 5",
		"Frame Length: 304",
		"Header protocol: Ethernet",
		"Payload stripped: 4",
		"Incoming 802.1Q VLAN: 77",
		"Incoming 802.1p priority: 5",
	};
	char path[SCRATCH_PATH];
	struct exthost_pkt *k;
	struct exthost *x;
	static struct dgram d;
	static char text[65536];
	int fd, file;
	size_t i;

	if (system("tshark --version >/dev/null 2>&1") != 0)
		cr_skip_test("tshark is not installed");
	fd = collector(AF_INET);
	x = sflow("127.0.0.1", ", \"rate\": 1, \"agent\": \"192.0.2.7\"");
	exthost_put_flow(x, 4, &flow);
	k = exthost_put_flow(x, 4, &flow);
	k->p->flags |= NETHV_PKT_VLAN;
	k->p->vlan_tci = 5 << 13 | 77;
	k->p->vlan = 77;
	exthost_ingress(x, 0);
	x->ext->tick(x->inst);
	cr_assert(receive(fd, &d));
	file = scratch_file(path, "sflow");
	write_pcap(path, &d);
	run_tshark(path, text, sizeof(text));
	unlink(path);
	close(file);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		cr_assert(strstr(text, want[i]), "no '%s' in:\n%s", want[i], text);
	cr_assert_null(strstr(text, "Malformed"), "%s", text);
	exthost_free(x);
	close(fd);
}
