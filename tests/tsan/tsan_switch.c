/* SPDX-License-Identifier: BSD-3-Clause */
/* Lcores at work while the control thread attaches and detaches ports, stops and starts queues,
 * learns, and reads every counter there is. */
#include "tests/support/eal.h"
#include "tests/support/prng.h"
#include "tests/tsan/spring.h"

static void read_all(struct vsw *sw)
{
	struct vsw_port_stats ps;
	struct vsw_lcore_stats ls;
	struct vsw_fdb_stats fs;
	struct vsw_totals t;
	unsigned int i;

	vsw_totals_get(sw, &t);
	vsw_fdb_stats_get(sw, &fs);
	for (i = 0; i < 4; i++)
		vsw_port_stats_get(sw, (uint16_t)i, &ps);
	for (i = 0; i < 2; i++)
		vsw_lcore_stats_get(sw, i, &ls);
	check(fs.entries <= fs.capacity);
}

static void round_of(struct vsw *sw, struct prng *p)
{
	struct spring *b = spring_new(sw, 2, 1), *c = spring_new(sw, 3, 9);
	unsigned int i, n = 1 + prng_below(p, 4);

	for (i = 0; i < n; i++) {
		vsw_port_queue_stop(b->port, 0);
		read_all(sw);
		check(vsw_port_queue_start(b->port, 0) == 0);
		vsw_event_process(sw);
	}
	n = prng_below(p, 2);
	spring_free(n ? b : c);
	read_all(sw);
	spring_free(n ? c : b);
}

int main(void)
{
	struct vsw_cfg cfg = {.nr_lcores = 2, .lcore_id = {1, 2}, .poll = VSW_POLL_SHARED};
	unsigned int i, steps = prng_steps(1000) / 20 + 1;
	struct spring *a;
	struct vsw_totals t;
	struct vsw *sw;
	struct prng p;

	prng_init(&p);
	eal_up();
	check(vsw_create(&sw, &cfg) == 0);
	a = spring_new(sw, 1, 2);
	check(vsw_start(sw) == 0);
	for (i = 0; i < steps; i++)
		round_of(sw, &p);
	__atomic_store_n(&a->is_on, false, __ATOMIC_RELAXED);
	vsw_quiesce(sw);
	vsw_totals_get(sw, &t);
	check(t.in + t.copies == t.out + t.drops);
	spring_free(a);
	vsw_stop(sw);
	vsw_destroy(sw);
	printf("%u rounds, %llu frames\n", steps, (unsigned long long)t.in);
	check(t.in > 0);
	return 0;
}
