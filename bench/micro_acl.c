/* SPDX-License-Identifier: BSD-3-Clause */
/* What the ACL costs: vsw_policy_run() with 1,000 rules on bursts of 32, without and with connections,
 * beside bare rte_acl_classify() of the same rules on the same packets as dpdk-l3fwd-acl does it (key
 * straight in the IPv4 header, no verdict taken). Slices of the three take turns, so that what else the
 * machine does hits all alike; packets lie in the cache as after a receive. One line of JSON for each
 * case: TSC cycles a packet, best and median of the slices, and the median's ratio to the bare one.
 *
 * The rules are those of a network that names hosts, networks and services, and end with a permission
 * for all, so a packet is compared with all of them. Packets are read in a random order of flows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_acl.h>
#include <rte_cycles.h>
#include <rte_eal.h>

#include "base/err.h"
#include "vswitch/policy/config.h"
#include "vswitch/policy/policy.h"
#include "vswitch/policy/status.h"
#include "vswitch/stages.h"

#define NR_RULES  1000u
#define BURST	  32u
#define BURSTS	  4096u /* a round */
#define FLOWS_MAX 100000u
#define SLICE	  128u /* bursts: short, so that most are not interrupted */
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
	uint8_t frame[FLOWS_MAX][64];
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

/* Of a flow that no rule but the last one is for: what is denied does not open a connection. */
static void flow_make(struct bench *b, uint32_t i)
{
	uint8_t *f = b->frame[i], *ip = f + 14;
	const uint8_t *data;
	uint32_t result;

	do {
		memset(f, 0, sizeof(b->frame[i]));
		put16(f + 12, 0x0800);
		ip[0] = 0x45;
		ip[9] = below(2) ? 6 : 17;
		put32(ip + 12, 0xAC100000 + below(1 << 20));
		put32(ip + 16, 0xC6120000 + below(1 << 17));
		put16(ip + 20, (uint16_t)(1024 + below(64000)));
		put16(ip + 22, (uint16_t)(below(2) ? 443 : below(10000)));
		f[14 + 20 + 13] = 16;
		data = ip + 9;
		rte_acl_classify(b->acl, &data, &result, 1, 1);
	} while (result != NR_RULES);
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

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
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

static void run(struct bench *b, uint32_t flows)
{
	static double t[WHOS][SLICES];
	uint32_t i;
	int who;

	for (i = 0; i < BURSTS * BURST; i++)
		b->flow[i] = i < flows ? i : below(flows);
	shuffle(b->flow, BURSTS * BURST);
	for (who = 0; who < WHOS; who++)
		slice(b, who, 0, BURSTS); /* opens the connections */
	for (i = 0; i < SLICES; i++) {
		for (who = 0; who < WHOS; who++)
			t[who][i] = slice(b, who, i * SLICE, SLICE);
	}
	for (who = 0; who < WHOS; who++)
		qsort(t[who], SLICES, sizeof(t[who][0]), by_value);
	for (who = 0; who < WHOS; who++)
		print(who, flows, t);
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0],		 "--no-huge", "--no-pci", "--no-shconf",
		       "--no-telemetry", "-m",	      "256",	  "--log-level",
		       "lib.*:error",	 "-l",	      "0",	  NULL};
	static struct bench b;
	struct vsw_policy_status st;
	uint32_t i;

	if (rte_eal_init(11, eal) < 0)
		return 1;
	rules_make(&b);
	if (bare_build(&b) || policy_build(&b, STATELESS) || policy_build(&b, STATEFUL)) {
		fprintf(stderr, "%s\n", err_text());
		return 1;
	}
	for (i = 0; i < BURST; i++)
		b.idx[i] = (uint16_t)i;
	for (i = 0; i < FLOWS_MAX; i++)
		flow_make(&b, i);
	run(&b, 1);
	run(&b, FLOWS_MAX);
	vsw_policy_status(b.pol[STATEFUL], rte_rdtsc(), &st);
	printf("{\"bench\":\"micro_acl\",\"connections\":%u,\"opened\":%llu,\"replaced\":%llu,"
	       "\"denied\":%llu}\n",
	       st.connections, (unsigned long long)st.opened, (unsigned long long)st.replaced,
	       (unsigned long long)(b.denied[BARE] + b.denied[STATELESS] + b.denied[STATEFUL]));
	vsw_policy_destroy(b.pol[STATELESS]);
	vsw_policy_destroy(b.pol[STATEFUL]);
	rte_acl_free(b.acl);
	return 0;
}
