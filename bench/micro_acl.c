/* SPDX-License-Identifier: BSD-3-Clause */
/* What the ACL costs: vsw_policy_run() with 1,000 rules on bursts of 32, without and with connections,
 * beside bare rte_acl_classify() of the same rules on the same packets as dpdk-l3fwd-acl does it (key
 * straight in the IPv4 header, no verdict taken). Slices of the three take turns, so that what else the
 * machine does hits all alike; packets lie in the cache as after a receive. One line of JSON for each
 * case: TSC cycles a packet, best and median of the slices, and the median's ratio to the bare one.
 *
 * The rules are those of a network that names hosts, networks and services, and end with a permission
 * for all, so a packet is compared with all of them. Packets are read in a random order of flows.
 *
 * With an option that writes files (usage below) it measures nothing: the same rules and frames for
 * other switches, and frames that rules deny with what is to become of them. bench/acl.py uses them. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_acl.h>
#include <rte_cycles.h>
#include <rte_eal.h>

#include "acl_files.h"
#include "base/err.h"
#include "bench/micro.h"
#include "vswitch/policy/config.h"
#include "vswitch/policy/policy.h"
#include "vswitch/policy/status.h"
#include "vswitch/stages.h"

#define NR_RULES  1000u
#define BURST	  32u
#define BURSTS	  4096u /* a round */
#define FLOWS_MAX 100000u
#define CHECKED	  40000u /* frames */
#define SLICE	  128u	 /* bursts: short, so that most are not interrupted */
#define SLICES	  1001u

enum who { BARE, STATELESS, STATEFUL, WHOS };

static const char *const who_name[WHOS] = {"rte_acl", "stateless", "stateful"};

struct bench {
	struct vsw_acl_rule rule[NR_RULES];
	struct vsw_policy *pol[WHOS];
	struct rte_acl_ctx *acl;
	struct vsw_vec v;
	uint16_t why[BURST], idx[BURST];
	uint64_t denied[WHOS];
	uint32_t flow[BURSTS * BURST];
	uint8_t frame[FLOWS_MAX][ACL_FRAME];
};

struct options {
	const char *ovs_rules, *ovs_ct_rules, *pcap, *check;
	const char *core;
	uint32_t flows, packets;
};

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((seed >> 33) % n);
}

static void put32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

static void put16(uint8_t *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, sizeof(v));
}

/* ---- The same rules for both ------------------------------------------------------------------ */

static struct vsw_acl_prefix prefix(uint32_t addr, uint8_t len)
{
	struct vsw_acl_prefix p = {.len = len};

	put32(p.addr, len ? addr & (uint32_t)(~0ull << (32 - len)) : 0);
	return p;
}

static void rules_make(struct bench *b)
{
	static const uint8_t lens[] = {16, 24, 24, 28, 32, 32};
	static const uint16_t services[] = {22, 25, 53, 80, 123, 443, 445, 3389, 5432, 8080};
	uint32_t i;

	for (i = 0; i < NR_RULES; i++) {
		struct vsw_acl_rule *r = &b->rule[i];
		uint16_t port = services[below(10)];

		*r = (struct vsw_acl_rule){.layer = VSW_ACL_IP4, .ways = VSW_ACL_INGRESS};
		snprintf(r->name, sizeof(r->name), "r%u", i);
		if (i == NR_RULES - 1)
			break;
		r->action = VSW_ACL_DENY;
		r->src = prefix(0xAC100000 + below(1 << 20), below(3) ? lens[below(6)] : 0);
		r->dst = prefix(0xC6120000 + below(1 << 17), lens[below(6)]);
		r->proto = below(4) ? 6 : 17;
		r->dst_port = (struct vsw_acl_range){port, below(5) ? port : port + 100};
	}
}

static const struct rte_acl_field_def defs[] = {
	{RTE_ACL_FIELD_TYPE_BITMASK, 1, 0, 0, 0}, {RTE_ACL_FIELD_TYPE_MASK, 4, 1, 1, 3},
	{RTE_ACL_FIELD_TYPE_MASK, 4, 2, 2, 7},	  {RTE_ACL_FIELD_TYPE_RANGE, 2, 3, 3, 11},
	{RTE_ACL_FIELD_TYPE_RANGE, 2, 4, 3, 13},
};

RTE_ACL_RULE_DEF(rule4, 5);

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static int bare_build(struct bench *b)
{
	struct rte_acl_param par = {.name = "bare",
				    .socket_id = SOCKET_ID_ANY,
				    .rule_size = RTE_ACL_RULE_SZ(5),
				    .max_rule_num = NR_RULES};
	struct rte_acl_config conf = {.num_categories = 1, .num_fields = 5};
	uint32_t i;

	memcpy(conf.defs, defs, sizeof(defs));
	b->acl = rte_acl_create(&par);
	for (i = 0; b->acl && i < NR_RULES; i++) {
		const struct vsw_acl_rule *r = &b->rule[i];
		struct rule4 to = {.data = {1, (int32_t)(RTE_ACL_MAX_PRIORITY - i), i + 1}};

		to.field[0].value.u8 = r->proto;
		to.field[0].mask_range.u8 = r->proto ? 0xFF : 0;
		to.field[1].value.u32 = get32(r->src.addr);
		to.field[1].mask_range.u32 = r->src.len;
		to.field[2].value.u32 = get32(r->dst.addr);
		to.field[2].mask_range.u32 = r->dst.len;
		to.field[3].mask_range.u16 = UINT16_MAX;
		to.field[4].value.u16 = r->dst_port.first;
		to.field[4].mask_range.u16 = r->dst_port.last ? r->dst_port.last : UINT16_MAX;
		if (rte_acl_add_rules(b->acl, (struct rte_acl_rule *)&to, 1))
			return -1;
	}
	return b->acl ? rte_acl_build(b->acl, &conf) : -1;
}

static int policy_build(struct bench *b, enum who who)
{
	struct vsw_policy_cfg cfg = {.rules = b->rule, .nr_rules = NR_RULES};

	b->rule[NR_RULES - 1].is_stateful = who == STATEFUL;
	cfg.max_connections = who == STATEFUL ? FLOWS_MAX * 5 / 4 : 0;
	return vsw_policy_create(&b->pol[who], &cfg, 1, NULL);
}

/* ---- Packets ---------------------------------------------------------------------------------- */

static uint32_t sum16(const uint8_t *p, uint32_t n, uint32_t sum)
{
	uint32_t i;

	for (i = 0; i < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

static void put_sum(uint8_t *p, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xFFFF) + (sum >> 16);
	put16(p, (uint16_t)~sum);
}

/* Valid to the last checksum, since others look. */
static void frame_make(uint8_t *f, uint8_t proto, uint32_t src, uint32_t dst, uint16_t dport)
{
	uint8_t *ip = f + 14, *l4 = ip + 20;
	const uint32_t len = ACL_FRAME - 14, l4_len = len - 20;

	memset(f, 0, ACL_FRAME);
	memcpy(f, "\2\0\0\0\0\2\2\0\0\0\0\1\10", 13);
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)len);
	ip[8] = 64;
	ip[9] = proto;
	put32(ip + 12, src);
	put32(ip + 16, dst);
	put_sum(ip + 10, sum16(ip, 20, 0));
	put16(l4, (uint16_t)(1024 + below(64000)));
	put16(l4 + 2, dport);
	if (proto == 6) {
		l4[12] = 5 << 4;
		l4[13] = 16;
		put16(l4 + 14, 1024);
	} else {
		put16(l4 + 4, (uint16_t)l4_len);
	}
	put_sum(l4 + (proto == 6 ? 16 : 6), sum16(l4, l4_len, sum16(ip + 12, 8, proto + l4_len)));
}

/* The number, from 1, of the rule that DPDK finds. */
static uint32_t bare_rule(const struct bench *b, const uint8_t *frame)
{
	const uint8_t *data = frame + 14 + 9;
	uint32_t result;

	rte_acl_classify(b->acl, &data, &result, 1, 1);
	return result;
}

static void random_flow(uint8_t *f)
{
	const uint8_t proto = below(2) ? 6 : 17;
	const uint32_t src = 0xAC100000 + below(1 << 20), dst = 0xC6120000 + below(1 << 17);

	frame_make(f, proto, src, dst, (uint16_t)(below(2) ? 443 : below(10000)));
}

/* Of a flow that no rule but the last one is for: what is denied does not open a connection. */
static void flow_make(struct bench *b, uint32_t i)
{
	do
		random_flow(b->frame[i]);
	while (bare_rule(b, b->frame[i]) != NR_RULES);
}

static void fill(struct bench *b, uint32_t at)
{
	uint32_t i;

	for (i = 0; i < BURST; i++) {
		struct vsw_slot *s = &b->v.slot[i];

		memcpy(s->snap, b->frame[b->flow[at + i]], 64);
		s->data = b->frame[b->flow[at + i]];
		s->pkt.hdr_off = VSW_SNAP_OFF;
		s->pkt.len = s->pkt.hdr_len = 64;
		s->pkt.flags = NETHV_PKT_PARSED;
		s->pkt.ether_type = 0x0800;
		s->pkt.l3_off = 14;
		s->pkt.l4_off = 34;
		s->pkt.l3_version = 4;
		s->pkt.l4_proto = s->snap[23];
		b->why[i] = 0;
	}
}

static void burst(struct bench *b, enum who who)
{
	const uint8_t *data[BURST];
	uint32_t result[BURST], i;

	if (who == BARE) {
		for (i = 0; i < BURST; i++)
			data[i] = b->v.slot[i].snap + 14 + 9;
		rte_acl_classify(b->acl, data, result, BURST, 1);
		for (i = 0; i < BURST; i++)
			b->denied[who] += result[i] != NR_RULES;
	} else {
		vsw_policy_run(b->pol[who], VSW_POLICY_INGRESS, &b->v, b->idx, BURST, b->why);
		for (i = 0; i < BURST; i++)
			b->denied[who] += b->why[i] != 0;
	}
}

/* Bursts [@from, @from + @n) of a round. */
static double slice(struct bench *b, enum who who, uint32_t from, uint32_t n)
{
	uint64_t t, sum = 0;
	uint32_t i;

	b->v.now_tsc = rte_rdtsc();
	for (i = 0; i < n; i++) {
		fill(b, (from + i) % BURSTS * BURST);
		t = rte_rdtsc();
		burst(b, who);
		sum += rte_rdtsc() - t;
	}
	return (double)sum / n / BURST;
}

static void print(enum who who, uint32_t flows, double (*t)[SLICES])
{
	printf("{\"bench\":\"micro_acl\",\"unit\":\"tsc_per_packet\",\"case\":\"%s\",\"rules\":%u,"
	       "\"flows\":%u,\"burst\":%u,\"best\":%.1f,\"median\":%.1f,\"ratio\":%.2f}\n",
	       who_name[who], NR_RULES, flows, BURST, t[who][0], t[who][SLICES / 2],
	       t[who][SLICES / 2] / t[BARE][SLICES / 2]);
}

static void shuffle(uint32_t *a, uint32_t n)
{
	uint32_t i, k, x;

	for (i = n; i > 1; i--) {
		k = below(i);
		x = a[k];
		a[k] = a[i - 1];
		a[i - 1] = x;
	}
}

/* Frames in the order that run() reads them, the same in each process. */
static void order_make(struct bench *b, uint32_t flows)
{
	uint32_t i;

	seed = flows;
	for (i = 0; i < BURSTS * BURST; i++)
		b->flow[i] = i < flows ? i : below(flows);
	shuffle(b->flow, BURSTS * BURST);
}

static void run(struct bench *b, uint32_t flows)
{
	static double t[WHOS][SLICES];
	uint32_t i;
	int who;

	order_make(b, flows);
	for (who = 0; who < WHOS; who++)
		slice(b, who, 0, BURSTS); /* opens the connections */
	for (i = 0; i < SLICES; i++) {
		for (who = 0; who < WHOS; who++)
			t[who][i] = slice(b, who, i * SLICE, SLICE);
	}
	for (who = 0; who < WHOS; who++)
		micro_sort(t[who], SLICES);
	for (who = 0; who < WHOS; who++)
		print(who, flows, t);
}

static void run_all(struct bench *b)
{
	struct vsw_policy_status st;

	run(b, 1);
	run(b, FLOWS_MAX);
	vsw_policy_status(b->pol[STATEFUL], rte_rdtsc(), &st);
	printf("{\"bench\":\"micro_acl\",\"connections\":%u,\"opened\":%llu,\"replaced\":%llu,"
	       "\"denied\":%llu,\"tsc_hz\":%llu}\n",
	       st.connections, (unsigned long long)st.opened, (unsigned long long)st.replaced,
	       (unsigned long long)(b->denied[BARE] + b->denied[STATELESS] + b->denied[STATEFUL]),
	       (unsigned long long)rte_get_tsc_hz());
}

/* ---- For other switches ----------------------------------------------------------------------- */

static uint32_t inside(const struct vsw_acl_prefix *p, uint32_t other)
{
	const uint32_t low = (uint32_t)(UINT32_MAX >> p->len);

	return p->len ? get32(p->addr) | (p->len < 32 ? other & low : 0) : other;
}

/* Inside a rule's networks, its ports or one beside them: an earlier rule may still be first. */
static void aimed_flow(const struct bench *b, uint8_t *f)
{
	const struct vsw_acl_rule *r = &b->rule[below(NR_RULES - 1)];
	const uint32_t ports = r->dst_port.last - r->dst_port.first + 3u;
	const uint32_t src = inside(&r->src, 0xAC100000 + below(1 << 20));
	const uint32_t dst = inside(&r->dst, 0xC6120000 + below(1 << 17));

	frame_make(f, r->proto, src, dst, (uint16_t)(r->dst_port.first - 1 + below(ports)));
}

/* Frames of which half aim at rules; prints how many each rule took, by DPDK, and what our policy
 * denied, which must be the same. */
static int check(struct bench *b, const char *path)
{
	static uint32_t took[NR_RULES + 1];
	uint32_t i, k, rule, differ = 0, denied = 0;

	for (i = 0; i < CHECKED; i++) {
		b->flow[i] = i;
		if (i % 2)
			aimed_flow(b, b->frame[i]);
		else
			random_flow(b->frame[i]);
	}
	for (i = 0; i < CHECKED; i += BURST) {
		fill(b, i);
		burst(b, STATELESS);
		for (k = 0; k < BURST; k++) {
			rule = bare_rule(b, b->frame[i + k]);
			took[rule]++;
			denied += b->why[k] != 0;
			differ += (b->why[k] != 0) != (rule != NR_RULES);
		}
	}
	printf("{\"bench\":\"micro_acl\",\"check\":%u,\"denied\":%u,\"differ\":%u,\"by_rule\":[",
	       CHECKED, denied, differ);
	for (i = 1; i <= NR_RULES; i++)
		printf("%u%s", took[i], i < NR_RULES ? "," : "]}\n");
	if (differ || took[0])
		return err_set(-1, "rte_acl and the policy do not agree on %u frames", differ);
	return acl_write_pcap(path, b->frame, b->flow, CHECKED);
}

static int write_files(struct bench *b, const struct options *o)
{
	int rc = 0;

	if (o->ovs_rules)
		rc = acl_write_openflow(o->ovs_rules, b->rule, NR_RULES, false);
	if (!rc && o->ovs_ct_rules)
		rc = acl_write_openflow(o->ovs_ct_rules, b->rule, NR_RULES, true);
	if (!rc && o->pcap) {
		order_make(b, o->flows);
		rc = acl_write_pcap(o->pcap, b->frame, b->flow, o->packets);
	}
	if (!rc && o->check)
		rc = check(b, o->check);
	return rc;
}

static bool within(const char *text, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	*out = (uint32_t)v;
	return !*end && v >= 1 && v <= max;
}

static bool options_read(struct options *o, int argc, char **argv)
{
	static const struct option known[] = {
		{"ovs-rules", 1, NULL, 'r'}, {"ovs-ct-rules", 1, NULL, 'c'},
		{"pcap", 1, NULL, 'p'},	     {"flows", 1, NULL, 'f'},
		{"packets", 1, NULL, 'n'},   {"check", 1, NULL, 'k'},
		{"core", 1, NULL, 'l'},	     {NULL, 0, NULL, 0},
	};
	bool ok = true;
	int c;

	while (ok && (c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'r': o->ovs_rules = optarg; break;
		case 'c': o->ovs_ct_rules = optarg; break;
		case 'p': o->pcap = optarg; break;
		case 'k': o->check = optarg; break;
		case 'l': o->core = optarg; break;
		case 'f': ok = within(optarg, FLOWS_MAX, &o->flows); break;
		case 'n': ok = within(optarg, BURSTS * BURST, &o->packets); break;
		default: ok = false;
		}
	}
	if (!ok || optind < argc)
		fprintf(stderr,
			"usage: %s [--core N]: measures on that core (0)\n"
			"       %s [--ovs-rules FILE] [--ovs-ct-rules FILE]\n"
			"          [--pcap FILE [--flows 1..%u] [--packets 1..%u]] [--check PCAP]: writes\n",
			argv[0], argv[0], FLOWS_MAX, BURSTS * BURST);
	return ok && optind == argc;
}

static int setup(struct bench *b)
{
	uint32_t i;

	rules_make(b);
	if (bare_build(b))
		return err_set(-1, "rte_acl does not take the rules");
	if (policy_build(b, STATELESS) || policy_build(b, STATEFUL))
		return -1;
	for (i = 0; i < BURST; i++)
		b->idx[i] = (uint16_t)i;
	for (i = 0; i < FLOWS_MAX; i++)
		flow_make(b, i);
	return 0;
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct options o = {.core = "0", .flows = FLOWS_MAX, .packets = BURSTS * BURST};
	int rc;

	if (!options_read(&o, argc, argv))
		return 2;
	char *eal[] = {argv[0],		 "--no-huge", "--no-pci",     "--no-shconf",
		       "--no-telemetry", "-m",	      "256",	      "--log-level",
		       "lib.*:error",	 "-l",	      (char *)o.core, NULL};
	if (rte_eal_init(11, eal) < 0)
		return 1;
	rc = setup(&b);
	if (!rc && !o.ovs_rules && !o.ovs_ct_rules && !o.pcap && !o.check)
		run_all(&b);
	else if (!rc)
		rc = write_files(&b, &o);
	if (rc)
		fprintf(stderr, "%s\n", err_text());
	vsw_policy_destroy(b.pol[STATELESS]);
	vsw_policy_destroy(b.pol[STATEFUL]);
	rte_acl_free(b.acl);
	return rc ? 1 : 0;
}
