/* SPDX-License-Identifier: BSD-3-Clause */
/* Two lcores forward through extensions, one of which holds every tenth packet, while ctl loads, moves,
 * configures, upgrades, disables, faults and unloads them, reads their counters, and takes ports away and
 * brings them back. In the end every packet is accounted for. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/eal.h"
#include "tests/support/prng.h"
#include "tests/tsan/spring.h"
#include "vswitch/ext/ext.h"

#define PORTS	  4u
#define BUDGET_US 1000000u /* what is slow under a sanitizer is no fault */

static struct vsw *sw;
static struct spring *port[PORTS];

static void nap(void)
{
	const struct timespec t = {0, 200000};

	nanosleep(&t, NULL);
}

static const char *module(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s.so", EXT_DIR, name);
	return path;
}

static struct vsw_ext *load(const char *name, const char *as, const char *config)
{
	struct vsw_ext_cfg cfg = {.path = module(name), .config = config, .budget_us = BUDGET_US};
	struct vsw_ext *e = NULL;

	snprintf(cfg.name, sizeof(cfg.name), "%s", as);
	check(vsw_ext_load(&e, sw, &cfg) == 0);
	return e;
}

static void upgrade(const char *as, const char *name, const char *config)
{
	struct vsw_ext_cfg cfg = {.path = module(name), .config = config, .budget_us = BUDGET_US};

	check(vsw_ext_upgrade(vsw_ext_find(sw, as), &cfg) == 0);
}

static void look(const struct vsw_ext_status *st, void *ctx)
{
	check(st->sum.released <= st->sum.held);
}

static void move_port(struct prng *p)
{
	unsigned int i = prng_below(p, PORTS);

	spring_free(port[i]);
	port[i] = spring_new(sw, (uint8_t)(1 + i), (uint8_t)(1 + (i + 1) % PORTS));
}

static void step(struct prng *p)
{
	struct vsw_ext *holder = vsw_ext_find(sw, "holder");

	switch (prng_below(p, 8)) {
	case 0: check(vsw_ext_move(holder, prng_below(p, 2)) == 0); break;
	case 1: check(vsw_ext_disable(holder) == 0); break;
	case 2: check(vsw_ext_enable(holder) == 0); break;
	case 3: upgrade("holder", "crash", "{\"hold\": true}"); break;
	case 4: check(vsw_ext_configure(holder, "{\"hold\": true, \"nth\": 9}") == 0); break;
	case 5: move_port(p); break;
	case 6: vsw_event_process(sw); break;
	default: upgrade("state", prng_below(p, 2) ? "state-v1" : "state-v2", NULL);
	}
	nap();
	vsw_ext_walk(sw, look, NULL);
}

/* One that faults while packets come, holding some. */
static void fault(const char *where)
{
	char config[96];
	struct vsw_ext *e;
	int k;

	snprintf(config, sizeof(config), "{\"where\": \"%s\", \"hold\": true, \"nth\": 3}", where);
	e = load("crash", "faulty", config);
	for (k = 0; k < 20; k++) {
		nap();
		vsw_event_process(sw);
	}
	vsw_ext_unload(e);
}

static void account(void)
{
	struct vsw_totals t;

	vsw_totals_get(sw, &t);
	if (t.in + t.copies != t.out + t.drops)
		fprintf(stderr, "in %lu copies %lu out %lu drops %lu\n", t.in, t.copies, t.out,
			t.drops);
	check(t.in > 0 && t.in + t.copies == t.out + t.drops);
}

int main(void)
{
	struct vsw_cfg cfg = {.nr_lcores = 2, .lcore_id = {1, 2}, .fdb_size = 256};
	unsigned int i, steps = prng_steps(1000) / 10 + 1;
	struct prng p;

	prng_init(&p);
	eal_up();
	check(vsw_create(&sw, &cfg) == 0);
	for (i = 0; i < PORTS; i++)
		port[i] = spring_new(sw, (uint8_t)(1 + i), (uint8_t)(1 + (i + 1) % PORTS));
	check(vsw_start(sw) == 0);
	load("crash", "holder", "{\"hold\": true}");
	load("state-v1", "state", NULL);
	for (i = 0; i < steps; i++)
		step(&p);
	fault("ingress");
	fault("egress");
	fault("poll");
	fault("notify");
	for (i = 0; i < PORTS; i++)
		__atomic_store_n(&port[i]->is_on, false, __ATOMIC_RELAXED);
	vsw_ext_unload(vsw_ext_find(sw, "holder"));
	vsw_ext_unload(vsw_ext_find(sw, "state"));
	nap();
	vsw_stop(sw);
	account();
	for (i = 0; i < PORTS; i++)
		spring_free(port[i]);
	vsw_destroy(sw);
	return 0;
}
