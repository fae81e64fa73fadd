/* SPDX-License-Identifier: BSD-3-Clause */
/* The sample `acl`: rules, what cannot be read, changes under traffic, state; and text.h. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "docs/examples/extensions/text.h"
#include "tests/support/exthost.h"
#include "tests/support/prng.h"

extern const struct nethv_ext nethv_extension;

enum { PASS, DENIED, NO_RULE, UNREADABLE }; /* verdicts */

static struct exthost *acl(const char *config)
{
	struct exthost *x = exthost_new(&nethv_extension, 2);

	cr_assert_eq(exthost_create(x, config), 0, "%s", x->text);
	return x;
}

static uint16_t judge(struct exthost *x, const struct exthost_flow *f)
{
	exthost_clear(x);
	exthost_put_flow(x, 0, f);
	exthost_ingress(x, 0);
	return x->pkt[0].verdict;
}

static uint16_t judge_bytes(struct exthost *x, const uint8_t *frame, uint32_t len)
{
	exthost_clear(x);
	exthost_put(x, 0, frame, len);
	exthost_ingress(x, 0);
	return x->pkt[0].verdict;
}

static const char table[] =
	"{\"otherwise\": \"deny\", \"rules\": ["
	"{\"action\": \"deny\", \"src\": \"10.1.2.0/23\", \"proto\": 6, \"dport\": \"22\"},"
	"{\"action\": \"allow\", \"src\": \"10.0.0.0/8\"},"
	"{\"action\": \"allow\", \"dst\": \"2001:db8::/33\", \"proto\": 17, \"dport\": \"53-55\"},"
	"{\"action\": \"deny\", \"sport\": \"7\"}]}";

Test(ext_acl, the_first_rule_that_matches_decides)
{
	static const struct {
		struct exthost_flow f;
		uint16_t verdict;
	} row[] = {
		{{2, 1, "10.1.3.9", "9.9.9.9", 6, 5, 22, 0}, DENIED},
		{{2, 1, "10.1.4.9", "9.9.9.9", 6, 5, 22, 0}, PASS},
		{{2, 1, "10.1.3.9", "9.9.9.9", 6, 5, 23, 0}, PASS},
		{{2, 1, "10.1.3.9", "9.9.9.9", 17, 5, 22, 0}, PASS},
		{{2, 1, "11.0.0.1", "9.9.9.9", 17, 5, 22, 0}, NO_RULE},
		{{2, 1, "11.0.0.1", "9.9.9.9", 17, 7, 22, 0}, DENIED},
		{{2, 1, "fe80::1", "2001:db8:7fff::1", 17, 5, 55, 0}, PASS},
		{{2, 1, "fe80::1", "2001:db8:8000::1", 17, 5, 55, 0}, NO_RULE},
		{{2, 1, "fe80::1", "2001:db8::1", 17, 5, 56, 0}, NO_RULE},
		{{2, 1, "fe80::1", "2001:db8::1", 6, 5, 55, 0}, NO_RULE},
	};
	struct exthost *x = acl(table);
	size_t i;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		cr_assert_eq(judge(x, &row[i].f), row[i].verdict, "row %zu: %u", i,
			     x->pkt[0].verdict);
	cr_assert_eq(exthost_number(x, "hits[0]"), 1);
	cr_assert_eq(exthost_number(x, "hits[1]"), 3);
	cr_assert_eq(exthost_number(x, "hits[2]"), 1);
	cr_assert_eq(exthost_number(x, "hits[3]"), 1);
	cr_assert_eq(exthost_number(x, "no_rule"), 4);
	cr_assert_eq(x->nr_broken, 0);
	exthost_free(x);
}

Test(ext_acl, what_is_not_ip_passes)
{
	struct exthost *x = acl("{\"otherwise\": \"deny\"}");
	uint8_t arp[60] = {[12] = 8, [13] = 6};

	cr_assert_eq(judge_bytes(x, arp, sizeof(arp)), PASS);
	exthost_free(x);
}

Test(ext_acl, headers_that_are_cut_short_do_not_slip_through)
{
	struct exthost *x = acl("{\"rules\": [{\"action\": \"deny\", \"dport\": \"22\"}]}");
	const struct exthost_flow f4 = {2, 1, "10.0.0.1", "10.0.0.2", 6, 5, 22, 0};
	const struct exthost_flow f6 = {2, 1, "fe80::1", "fe80::2", 6, 5, 22, 0};
	uint8_t frame[256];
	uint32_t len, n;

	len = exthost_frame(frame, &f4);
	for (n = 14; n < 38; n++) /* up to the destination port's last byte */
		cr_assert_eq(judge_bytes(x, frame, n), UNREADABLE, "IPv4, %u bytes", n);
	cr_assert_eq(judge_bytes(x, frame, len), DENIED);
	len = exthost_frame(frame, &f6);
	for (n = 14; n < 58; n++)
		cr_assert_eq(judge_bytes(x, frame, n), UNREADABLE, "IPv6, %u bytes", n);
	cr_assert_eq(judge_bytes(x, frame, len), DENIED);
	exthost_free(x);
}

/* A chain of hop-by-hop and destination options longer than the private bytes. */
Test(ext_acl, ports_hidden_behind_options_are_found_or_the_packet_is_dropped)
{
	struct exthost *x = acl("{\"rules\": [{\"action\": \"deny\", \"dport\": \"22\"}]}");
	uint8_t frame[512] = {[12] = 0x86, [13] = 0xDD, [14] = 0x60, [20] = 60};

	x->private_bytes = 128;
	frame[54] = 6, frame[55] = 1; /* 16 bytes of options, then TCP at 70 */
	frame[73] = 22;
	cr_assert_eq(judge_bytes(x, frame, 200), DENIED);
	frame[55] = 20; /* TCP at 222 */
	frame[225] = 80;
	cr_assert_eq(judge_bytes(x, frame, 300), UNREADABLE);
	exthost_free(x);
}

Test(ext_acl, fragments_have_no_ports_and_match_rules_without)
{
	struct exthost *x = acl(
		"{\"otherwise\": \"deny\", \"rules\": [{\"action\": \"allow\", \"dport\": \"0-80\"},"
		"{\"action\": \"allow\", \"src\": \"10.0.0.0/8\"}]}");
	struct exthost_flow f = {2, 1, "10.0.0.1", "10.0.0.2", 17, 0, 0, 100, .is_fragment = true};

	cr_assert_eq(judge(x, &f), PASS);
	cr_assert_eq(exthost_number(x, "hits[1]"), 1);
	f.src = "11.0.0.1";
	cr_assert_eq(judge(x, &f), NO_RULE);
	exthost_free(x);
}

Test(ext_acl, new_rules_hold_at_once_and_equal_ones_go_on_counting)
{
	struct exthost *x = acl("{\"rules\": [{\"action\": \"deny\", \"dport\": \"1\"},"
				"{\"action\": \"deny\", \"dport\": \"2\"}]}");
	const struct exthost_flow one = {2, 1, "1.1.1.1", "2.2.2.2", 17, 5, 1, 0};
	const struct exthost_flow two = {2, 1, "1.1.1.1", "2.2.2.2", 17, 5, 2, 0};

	judge(x, &one);
	cr_assert_eq(judge(x, &two), DENIED);
	judge(x, &two);
	cr_assert_eq(
		exthost_configure(x, "{\"rules\": [{\"action\": \"deny\", \"dport\": \"2\"}]}"), 0);
	cr_assert_eq(x->nr_quiesced, 1);
	cr_assert_eq(exthost_number(x, "hits[0]"), 2);
	cr_assert_eq(judge(x, &one), PASS);
	cr_assert_eq(judge(x, &two), DENIED);
	cr_assert_eq(exthost_number(x, "hits[0]"), 3);
	cr_assert_eq(exthost_number(x, "no_rule"), 1);
	exthost_free(x);
}

Test(ext_acl, bad_rules_are_refused_by_number_and_the_old_ones_stay)
{
	static const char *const bad[][2] = {
		{"\"action\": \"drop\"", "rules[0]: action is allow or deny"},
		{"\"action\": \"deny\", \"src\": \"10.0.0/8\"", "rules[0]: src is a prefix"},
		{"\"action\": \"deny\", \"dst\": \"10.0.0.0/33\"", "rules[0]: dst is a prefix"},
		{"\"action\": \"deny\", \"dport\": \"9-8\"", "rules[0]: a port is"},
		{"\"action\": \"deny\", \"sport\": \"65536\"", "rules[0]: a port is"},
		{"\"action\": \"deny\", \"src\": \"::/0\", \"dst\": \"0.0.0.0/0\"", "different IP"},
		{"\"action\": \"deny\", \"proto\": 256", "rules.proto: is out of range"},
		{"\"src\": \"::/0\"", "rules.action: is missing"},
	};
	struct exthost *x = acl(table);
	char config[256];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(config, sizeof(config), "{\"rules\": [{%s}]}", bad[i][0]);
		cr_assert_neq(exthost_configure(x, config), 0, "%s", bad[i][0]);
		cr_assert(strstr(x->text, bad[i][1]), "%s: %s", bad[i][0], x->text);
	}
	cr_assert_eq(x->nr_quiesced, 0);
	exthost_free(x);
}

Test(ext_acl, an_upgrade_hands_hits_over_to_the_same_rules)
{
	struct exthost *x = acl(table), *y;
	const struct exthost_flow f = {2, 1, "10.1.3.9", "9.9.9.9", 6, 5, 22, 0};
	const struct exthost_flow none = {2, 1, "11.1.3.9", "9.9.9.9", 6, 5, 22, 0};
	size_t len;
	void *state;

	judge(x, &f), judge(x, &none), judge(x, &none);
	state = exthost_save(x, &len);
	y = acl("{\"rules\": [{\"action\": \"allow\"}, {\"action\": \"deny\", \"src\": \"10.1.2.0/23\", "
		"\"proto\": 6, \"dport\": \"22\"}]}");
	cr_assert_eq(y->ext->restore(y->inst, state, len, 1), 0);
	cr_assert_eq(exthost_number(y, "hits[0]"), 0);
	cr_assert_eq(exthost_number(y, "hits[1]"), 1);
	cr_assert_eq(exthost_number(y, "no_rule"), 2);
	cr_assert_eq(y->ext->restore(y->inst, state, len - 1, 1), -1);
	cr_assert_eq(y->ext->restore(y->inst, state, len, 2), -1);
	cr_assert_eq(y->ext->restore(y->inst, state, 0, 1), -1);
	free(state);
	exthost_free(x);
	exthost_free(y);
}

/* ---- text.h -------------------------------------------------------------------------------- */

Test(ext_acl, reads_prefixes_and_refuses_what_is_none)
{
	static const char *const bad[] = {
		"1.2.3",
		"1.2.3.4/33",
		"1.2.3.4/",
		"1.2.3.4/8x",
		"1.2.3.4/08",
		"1.2.3.4 ",
		"::/129",
		"::/-1",
		":",
		"1:2",
		"fe80::1%eth0",
		"/8",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
	};
	struct prefix p;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_not(text_prefix(bad[i], &p), "%s", bad[i]);
	cr_assert(text_prefix("10.255.255.255/9", &p) && p.version == 4 && p.len == 9);
	cr_assert_eq(memcmp(p.addr, "\x0a\x80\0\0", 4), 0, "bits behind the length are cleared");
	cr_assert(text_prefix("::ffff:1.2.3.4", &p) && p.version == 6 && p.len == 128);
	cr_assert(text_prefix("0.0.0.0/0", &p) && p.version == 4 && p.len == 0);
	cr_assert(text_prefix("", &p) && p.version == 0);
}

Test(ext_acl, a_prefix_compares_its_bits_and_no_others)
{
	struct prng r;
	unsigned int i, k;

	prng_init(&r);
	for (i = 0; i < 20000; i++) {
		uint8_t a[16], b[16];
		char s[64], t[80];
		bool is_same = true;
		struct prefix p;
		uint32_t len = prng_below(&r, 129);

		for (k = 0; k < 16; k++)
			a[k] = (uint8_t)prng_next(&r);
		memcpy(b, a, 16);
		k = prng_below(&r, 128);
		b[k / 8] ^= (uint8_t)(0x80 >> k % 8);
		is_same = k >= len;
		inet_ntop(AF_INET6, a, s, sizeof(s));
		if (strchr(s, '.'))
			continue;
		snprintf(t, sizeof(t), "%s/%u", s, len);
		cr_assert(text_prefix(t, &p), "%s", t);
		cr_assert(prefix_has(&p, 6, a));
		cr_assert_eq(prefix_has(&p, 6, b), is_same, "%s, bit %u", t, k);
		cr_assert_not(prefix_has(&p, 4, a));
	}
}

Test(ext_acl, reads_macs_and_ranges)
{
	uint8_t mac[6];
	uint16_t lo, hi;

	cr_assert(text_mac("02:00:00:0a:fF:1", mac));
	cr_assert_eq(memcmp(mac, "\x02\0\0\x0a\xff\x01", 6), 0);
	cr_assert_not(text_mac("02:00:00:00:00", mac));
	cr_assert_not(text_mac("02:00:00:00:00:01:", mac));
	cr_assert_not(text_mac("02:00:00:00:00:001", mac));
	cr_assert(text_range("", &lo, &hi) && lo == 0 && hi == 65535);
	cr_assert(text_range("80", &lo, &hi) && lo == 80 && hi == 80);
	cr_assert(text_range("80-80", &lo, &hi) && lo == 80 && hi == 80);
	cr_assert_not(text_range("80-", &lo, &hi));
	cr_assert_not(text_range("-80", &lo, &hi));
	cr_assert_not(text_range("80x", &lo, &hi));
}
