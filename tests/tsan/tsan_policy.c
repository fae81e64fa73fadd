/* SPDX-License-Identifier: BSD-3-Clause */
/* Two lcores judge packets of the same flows at one port while ctl changes its policies and reads all
 * counters. A reply of a connection that each of the rule sets permits passes at any time. */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "tests/support/eal.h"
#include "tests/support/polbed.h"
#include "tests/support/prng.h"

#define LCORES 2u
#define FLOWS  500u

#define check(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

struct lcore {
	struct polbed bed;
	pthread_t thread;
	uint64_t rounds; /* done: what was loaded before is not used any more */
	uint32_t base;
};

static struct vsw_policy *current;
static bool should_stop;
static struct lcore lcores[LCORES];

static void judge(struct lcore *lc, struct vsw_policy *pol, uint32_t flow)
{
	struct polbed_pkt go = {.proto = 17, .src = 1, .dst = 2, .sport = (uint16_t)flow};
	struct polbed_pkt back = {.proto = 17, .src = 2, .dst = 1, .dport = (uint16_t)flow};

	go.is_v6 = back.is_v6 = flow & 1;
	lc->bed.v.now_tsc = rte_rdtsc();
	check(polbed_one(&lc->bed, pol, VSW_POLICY_INGRESS, &go) == VSW_DROP_none);
	check(polbed_one(&lc->bed, pol, VSW_POLICY_EGRESS, &back) == VSW_DROP_none);
	go.proto = back.proto = 6;
	go.tcp = 2;
	back.tcp = flow % 7 ? 16 : 17;
	polbed_one(&lc->bed, pol, VSW_POLICY_INGRESS, &go);
	polbed_one(&lc->bed, pol, VSW_POLICY_EGRESS, &back);
}

static void *run(void *arg)
{
	struct lcore *lc = arg;
	uint32_t n = lc->base;

	while (!__atomic_load_n(&should_stop, __ATOMIC_RELAXED)) {
		judge(lc, __atomic_load_n(&current, __ATOMIC_ACQUIRE), n++ % FLOWS);
		__atomic_store_n(&lc->rounds, lc->rounds + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void grace(void)
{
	uint64_t was[LCORES];
	unsigned int i;

	for (i = 0; i < LCORES; i++)
		was[i] = __atomic_load_n(&lcores[i].rounds, __ATOMIC_ACQUIRE);
	for (i = 0; i < LCORES; i++) {
		while (__atomic_load_n(&lcores[i].rounds, __ATOMIC_ACQUIRE) < was[i] + 2)
			sched_yield();
	}
}

static struct vsw_policy *make(struct prng *p, struct vsw_policy *old)
{
	static struct vsw_acl_rule r[4];
	static uint64_t min[VSW_PORTS_MAX] = {[0] = 1000};
	struct vsw_policy_cfg cfg = {.rules = r, .nr_rules = 4};
	struct vsw_policy *pol = NULL;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		r[i] = polbed_rule(i & 2 ? "udp" : "tcp", i & 1 ? VSW_ACL_IP6 : VSW_ACL_IP4);
		r[i].ways = VSW_ACL_INGRESS;
		r[i].proto = i & 2 ? 17 : 6;
		r[i].is_stateful = true;
	}
	if (prng_below(p, 2)) {
		r[0].action = r[1].action = VSW_ACL_DENY;
		r[0].is_stateful = r[1].is_stateful = false;
	}
	cfg.default_ip[VSW_POLICY_EGRESS] = VSW_ACL_DENY;
	cfg.max_connections = prng_below(p, 4) ? 20000 : 30000;
	cfg.rate[0].max_kbps = cfg.rate[1].max_pps = 1000000000;
	cfg.share = (struct vsw_share_cfg){.total_kbps = 1000000000, .min_kbps = min};
	cfg.broadcast_pps = 1000;
	check(vsw_policy_create(&pol, &cfg, LCORES, old) == 0);
	return pol;
}

static void read_all(const struct vsw_policy *pol)
{
	struct vsw_policy_status st;
	struct vsw_policy_rule r;
	uint32_t i;

	vsw_policy_status(pol, rte_rdtsc(), &st);
	check(st.connections <= st.capacity && st.nr_rules == 4);
	for (i = 0; i < st.nr_rules; i++)
		check(vsw_policy_rule(pol, i, &r));
}

int main(void)
{
	unsigned int i, steps = prng_steps(1000) / 100 + 1;
	struct vsw_policy *old;
	struct prng p;

	prng_init(&p);
	eal_up();
	current = make(&p, NULL);
	for (i = 0; i < LCORES; i++) {
		polbed_init(&lcores[i].bed);
		lcores[i].bed.v.lcore = (uint16_t)i;
		lcores[i].base = i * FLOWS / 2;
		check(pthread_create(&lcores[i].thread, NULL, run, &lcores[i]) == 0);
	}
	for (i = 0; i < steps; i++) {
		old = current;
		__atomic_store_n(&current, make(&p, old), __ATOMIC_RELEASE);
		grace();
		vsw_policy_destroy(old);
		read_all(current);
	}
	__atomic_store_n(&should_stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < LCORES; i++)
		check(pthread_join(lcores[i].thread, NULL) == 0);
	vsw_policy_destroy(current);
	return 0;
}
