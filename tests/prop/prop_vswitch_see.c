/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters on packets as they lie in the switch (first bytes private, tag out of band, the rest in pieces)
 * against libpcap on the frame in one piece; and the ring against a queue. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/prng.h"
#include "tests/support/seebed.h"

static const char *const terms[] = {
	"arp",
	"ip",
	"ip6",
	"tcp",
	"udp",
	"icmp",
	"icmp6",
	"vlan",
	"vlan 10",
	"vlan and ip",
	"vlan 10 and udp port 53",
	"vlan and vlan",
	"vlan and ip6 and tcp",
	"not vlan",
	"udp port 53",
	"tcp port 80",
	"tcp dst port 80",
	"portrange 50-90",
	"host 10.0.0.1",
	"net 10.0.0.0/8",
	"src host 10.0.0.2",
	"ip6 host fe80::1",
	"ether host 02:00:00:00:00:01",
	"ether broadcast",
	"ether multicast",
	"len > 100",
	"less 64",
	"greater 1000",
	"ether proto 0x88b5",
	"ip proto 47",
	"ip[6:2] & 0x1fff != 0",
	"ip[8] = 64",
	"tcp[tcpflags] & (tcp-syn|tcp-ack) != 0",
	"tcp[((tcp[12] & 0xf0) >> 2):1] = 0x61",
	"udp[8:4] > 0x10000000",
	"icmp[icmptype] = icmp-echo",
	"ip6[6] = 6",
	"ip6 protochain 17",
	"ether[100] = 0x33",
	"ether[12:2] = 0x8100",
	"ether[len - 1] & 1 = 1",
	"ether[400:4] != 0",
	"ether[1000] < 128",
	"ip[2:2] = len - 14",
	"(ip[0] & 0xf) != 5",
	"ether[14 + (ether[14] & 15) * 4] = 0",
	"llc",
	"ip broadcast",
	"mpls",
	"pppoes",
};

static struct prng rnd;
static uint8_t frame[SEEBED_FRAME], wire[SEEBED_FRAME + 4], scratch[VSW_SEE_SNAP_MAX];

/* Now and then a value that some term asks for. */
static void sprinkle(uint8_t *at, const char *choices, unsigned int n, unsigned int size)
{
	memcpy(at, choices + prng_below(&rnd, n) * size, size);
}

static void fill_ip4(uint8_t *p)
{
	p[0] = prng_below(&rnd, 8) ? 0x45 : (uint8_t)prng_next(&rnd);
	p[8] = 64;
	p[6] = prng_below(&rnd, 4) ? 0 : (uint8_t)prng_next(&rnd);
	p[7] = prng_below(&rnd, 4) ? 0 : (uint8_t)prng_next(&rnd);
	sprinkle(p + 9, "\1\6\x11\x2f", 4, 1);
	sprinkle(p + 12, "\x0a\0\0\1\x0a\0\0\2\x0b\0\0\1", 3, 4);
	sprinkle(p + 16, "\x0a\0\0\1\x0a\0\0\2\xff\xff\xff\xff", 3, 4);
	p += (p[0] & 15) * 4;
	sprinkle(p, "\0\x35\0\x50\x08\0", 3, 2);
	sprinkle(p + 2, "\0\x35\0\x50\0\1", 3, 2);
	sprinkle(p + 12, "\x50\x80\xf0", 3, 1);
}

static void fill_ip6(uint8_t *p)
{
	p[0] = 0x60;
	sprinkle(p + 6, "\6\x11\x3a\0\x2c\x3c", 6, 1);
	memcpy(p + 8, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	sprinkle(p + 40, "\0\x35\0\x50\x11\0\6\1", 4, 2);
	sprinkle(p + 42, "\0\x35\0\x50\0\1", 3, 2);
}

/* A frame without its own tag (in band there may be others); its length. */
static uint32_t make_frame(void)
{
	static const uint32_t lens[] = {14, 15, 20, 33, 34, 37, 42, 59, 60, 63, 64, 65};
	uint32_t i, at = 14, len;

	len = prng_below(&rnd, 2) ? lens[prng_below(&rnd, 12)] : 14 + prng_below(&rnd, 1600);
	for (i = 0; i < 1700; i++)
		frame[i] = (uint8_t)prng_next(&rnd);
	sprinkle(frame, "\2\0\0\0\0\1\xff\xff\xff\xff\xff\xff\1\0\0\0\0\0", 3, 6);
	sprinkle(frame + 6, "\2\0\0\0\0\1\2\0\0\0\0\2", 2, 6);
	if (prng_below(&rnd, 5) == 0) {
		memcpy(frame + 12, prng_below(&rnd, 2) ? "\x81\0\0\x0a" : "\x88\xa8\0\x0a", 4);
		at += 4;
	}
	sprinkle(frame + at - 2, "\x08\0\x08\0\x86\xdd\x86\xdd\x08\x06\x88\xb5\x88\x47\0\x20", 8,
		 2);
	if (frame[at - 2] == 8 && frame[at - 1] == 0)
		fill_ip4(frame + at);
	if (frame[at - 2] == 0x86)
		fill_ip6(frame + at);
	return len;
}

static uint32_t on_wire(uint32_t len, int tci)
{
	if (tci < 0) {
		memcpy(wire, frame, len);
		return len;
	}
	memcpy(wire, frame, 12);
	wire[12] = 0x81;
	wire[13] = 0;
	wire[14] = (uint8_t)(tci >> 8);
	wire[15] = (uint8_t)tci;
	memcpy(wire + 16, frame + 12, len - 12);
	return len + 4;
}

static void make_text(char *text, size_t size)
{
	static const char *const forms[] = {"%s", "not %s", "(%s) and (%s)", "(%s) or (%s)",
					    "not (%s) and (%s)"};
	const char *a = terms[prng_below(&rnd, sizeof(terms) / sizeof(terms[0]))];
	const char *c = terms[prng_below(&rnd, sizeof(terms) / sizeof(terms[0]))];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, size, forms[prng_below(&rnd, 5)], a, c);
#pragma GCC diagnostic pop
}

static struct seebed_form make_form(uint32_t len)
{
	struct seebed_form f = {.hdr_off = (uint16_t)prng_below(&rnd, 20), .tci = -1};

	f.hdr_len = (uint16_t)(64 + prng_below(&rnd, VSW_SNAP_SIZE - f.hdr_off - 64 + 1));
	if (prng_below(&rnd, 2))
		f.piece = (uint16_t)(20 + prng_below(&rnd, 200));
	if (prng_below(&rnd, 2))
		f.tci = (int)(prng_below(&rnd, 2) ? 10 : prng_next(&rnd) & 0xFFFF);
	return f;
}

static unsigned int check_packet(struct seebed *b, const struct see_filter *f,
				 const struct bpf_program *naive, const char *text)
{
	uint32_t len = make_frame(), n;
	struct seebed_form form = make_form(len);
	struct pcap_pkthdr h = {};
	struct vsw_slot *s;
	bool want;

	seebed_clear(b);
	s = seebed_put(b, frame, len, form);
	n = on_wire(len, form.tci);
	h.len = h.caplen = n;
	want = pcap_offline_filter(naive, &h, wire) != 0;
	cr_assert_eq(see_wire_len(&s->pkt), n);
	cr_assert_eq(see_filter_run(f, &b->v, s, scratch), want,
		     "\"%s\": %u bytes, %u private, tag %d, pieces of %u", text, len,
		     s->pkt.hdr_len, form.tci, form.piece);
	see_wire_copy(&b->v, s, scratch, n);
	cr_assert_arr_eq(scratch, wire, n);
	return want;
}

Test(prop_vsw_see, filters_match_what_libpcap_does, .timeout = 200)
{
	unsigned int i, k, matched = 0, checked = 0;
	struct seebed *b = seebed_new(1, 0);
	pcap_t *pc = pcap_open_dead(DLT_EN10MB, 262144);

	prng_init(&rnd);
	for (i = 0; i < prng_steps(3000); i++) {
		struct bpf_program naive;
		struct see_filter *f;
		char text[256];

		make_text(text, sizeof(text));
		if (pcap_compile(pc, &naive, text, 1, PCAP_NETMASK_UNKNOWN)) {
			cr_assert_eq(see_filter_create(&f, text), -EINVAL, "%s", text);
			continue;
		}
		cr_assert_eq(see_filter_create(&f, text), 0, "%s: %s", text, err_text());
		for (k = 0; k < 20; k++, checked++)
			matched += check_packet(b, f, &naive, text);
		pcap_freecode(&naive);
		see_filter_destroy(f);
	}
	cr_assert_gt(matched, checked / 20); /* the frames are worth something */
	cr_assert_lt(matched, checked);
	pcap_close(pc);
	seebed_free(b);
}

/* ---- The ring ------------------------------------------------------------------------------------ */

#define RING	8192u
#define QUEUE	4096u
#define LONGEST 3072u

static struct {
	uint32_t id[QUEUE], size[QUEUE], head, tail;
	uint64_t bytes;
} naive;

static void ring_put(struct see_ring *r)
{
	uint32_t max = 64 + prng_below(&rnd, prng_below(&rnd, 4) ? 200 : LONGEST - 64);
	uint32_t size = prng_below(&rnd, 4) ? max : 64 + prng_below(&rnd, max - 63);
	struct see_rec *rec = see_ring_reserve(r, max);

	if (!rec) { /* only when it is so; each of two pads is less than the longest record */
		cr_assert_gt(naive.bytes + max + 7 + 2 * LONGEST, RING);
		return;
	}
	if (prng_below(&rnd, 8) == 0)
		return;
	memset(rec, (uint8_t)naive.head, size);
	rec->kind = SEE_STATION;
	rec->id = naive.head;
	see_ring_commit(r, size);
	naive.id[naive.head % QUEUE] = naive.head;
	naive.size[naive.head++ % QUEUE] = size;
	naive.bytes += (size + 7) & ~7u;
}

static void ring_take(struct see_ring *r)
{
	const struct see_rec *rec = see_ring_peek(r, see_ring_end(r));
	uint32_t i, k = naive.tail % QUEUE;

	if (naive.tail == naive.head) {
		cr_assert_null(rec);
		return;
	}
	cr_assert_not_null(rec);
	cr_assert_eq(rec->id, naive.id[k]);
	cr_assert_eq(rec->size, (naive.size[k] + 7) & ~7u);
	for (i = sizeof(*rec); i < naive.size[k]; i++)
		cr_assert_eq(((const uint8_t *)rec)[i], (uint8_t)naive.tail);
	see_ring_release(r);
	naive.bytes -= (naive.size[k] + 7) & ~7u;
	naive.tail++;
}

Test(prop_vsw_see, the_ring_is_a_queue)
{
	struct see_ring r = {.mem = NULL};
	unsigned int i, bias = 0;

	prng_init(&rnd);
	cr_assert_eq(see_ring_init(&r, RING), 0);
	for (i = 0; i < prng_steps(100000); i++) {
		if (i % 500 == 0)
			bias = prng_below(&rnd, 10);
		if (prng_below(&rnd, 10) < bias)
			ring_put(&r);
		else
			ring_take(&r);
	}
	see_ring_fini(&r);
}
