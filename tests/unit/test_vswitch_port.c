/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports: what is refused, identity, queues, and what the switch forgets with them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/fakeport.h"
#include "vswitch/priv.h"

TestSuite(vsw_port, .init = eal_up);

static struct vsw *switch_of(unsigned int nr_lcores)
{
	struct vsw_cfg cfg = {.nr_lcores = nr_lcores, .lcore_id = {1, 2, 3}};
	struct vsw *sw;

	cr_assert_eq(vsw_create(&sw, &cfg), 0, "%s", err_text());
	return sw;
}

static struct vsw_port_cfg good(void)
{
	return (struct vsw_port_cfg){.name = "p0", .nr_queues = 1, .mac = {2, 0, 0, 0, 0, 1}};
}

static void expect_refused(struct vsw *sw, const struct vsw_port_cfg *cfg, int code,
			   const char *text)
{
	struct vsw_port *p = NULL;

	cr_assert_eq(vsw_port_create(&p, sw, cfg, &fake_port_ops, NULL), code, "%s", text);
	cr_assert_null(p);
	cr_assert(strstr(err_text(), text), "'%s' lacks '%s'", err_text(), text);
}

Test(vsw_port, refuses_bad_configurations_and_says_what_is_wanted)
{
	struct vsw *sw = switch_of(1);
	struct vsw_port_cfg c;

	c = good(), c.nr_queues = VSW_QUEUES_MAX + 1;
	expect_refused(sw, &c, -EINVAL, "want 0..128");
	c = good(), c.name[0] = 0;
	expect_refused(sw, &c, -EINVAL, "name");
	c = good(), memset(c.name, 'x', sizeof(c.name));
	expect_refused(sw, &c, -EINVAL, "name");
	c = good(), c.pvid = 4095;
	expect_refused(sw, &c, -EINVAL, "want 0..4094");
	c = good(), c.mac[0] = 1;
	expect_refused(sw, &c, -EINVAL, "group address");
	c = good(), c.vlan_mode = 7;
	expect_refused(sw, &c, -EINVAL, "access or trunk");
	c = good(), memset(c.mac, 0, 6), c.is_spoof_guarded = true;
	expect_refused(sw, &c, -EINVAL, "spoof guard");
	vsw_destroy(sw);
}

Test(vsw_port, refuses_names_and_addresses_that_are_taken)
{
	struct vsw *sw = switch_of(1);
	struct vsw_port_cfg c = good();
	struct fake_port *f = fake_port_new(sw, &c);

	expect_refused(sw, &c, -EEXIST, "name is taken");
	strcpy(c.name, "p1");
	expect_refused(sw, &c, -EEXIST, "port p0's own");
	fake_port_free(f);
	f = fake_port_new(sw, &c);
	cr_assert_not_null(f, "%s", err_text());
	fake_port_free(f);
	vsw_destroy(sw);
}

Test(vsw_port, refuses_the_256th_port_and_recycles_names)
{
	struct vsw *sw = switch_of(1);
	struct vsw_port *p[PORTS_REAL], *more;
	struct vsw_port_cfg c = {.nr_queues = 1};
	struct vsw_totals t;
	unsigned int i;

	for (i = 0; i < PORTS_REAL; i++) {
		snprintf(c.name, sizeof(c.name), "n%u", i);
		cr_assert_eq(vsw_port_create(&p[i], sw, &c, &fake_port_ops, NULL), 0);
	}
	strcpy(c.name, "one-more");
	expect_refused(sw, &c, -ENOSPC, "the limit");
	p[7]->stats[0].in_packets = 5;
	p[7]->stats[0].drops[VSW_DROP_runt] = 5;
	vsw_port_destroy(p[7]);
	cr_assert_eq(vsw_port_create(&more, sw, &c, &fake_port_ops, NULL), 0);
	cr_assert_eq(vsw_port_id(more), 7);
	cr_assert_eq(more->stats[0].in_packets, 0);
	vsw_totals_get(sw, &t);
	cr_assert_eq(t.in, 5, "what the name before it counted stays in the sums");
	cr_assert_eq(t.by_reason[VSW_DROP_runt], 5);
	p[7] = more;
	for (i = 0; i < PORTS_REAL; i++)
		vsw_port_destroy(p[i]);
	vsw_destroy(sw);
}

Test(vsw_port, finds_its_counters_again_under_its_name)
{
	struct vsw *sw = switch_of(1);
	struct vsw_port_cfg ca = good(), cb = {.name = "p1"};
	struct fake_port *a = fake_port_new(sw, &ca), *b = fake_port_new(sw, &cb);
	struct vsw_port_stats st;
	uint16_t id = vsw_port_id(a->port);

	fake_send(a, 0x0a02, 0x010000000002);
	fake_switch_poll(sw);
	fake_port_free(a);
	a = fake_port_new(sw, &ca);
	cr_assert_eq(vsw_port_id(a->port), id);
	vsw_port_stats_get(sw, id, &st);
	cr_assert_eq(st.in_packets, 1);
	cr_assert(fake_is_balanced(sw));
	fake_port_free(a);
	fake_port_free(b);
	vsw_destroy(sw);
}

Test(vsw_port, queues_are_spread_over_lcores_and_stay_there)
{
	struct vsw *sw = switch_of(3);
	struct vsw_port_cfg c = {.name = "p0", .nr_queues = 6};
	struct fake_port *f = fake_port_new(sw, &c);
	unsigned int i;

	for (i = 0; i < 3; i++)
		cr_assert_eq(sw->snap->lcore[i].n, 2);
	vsw_port_queue_stop(f->port, 0);
	cr_assert_eq(sw->snap->lcore[0].n, 1);
	cr_assert_eq(vsw_port_queue_start(f->port, 9), 0);
	cr_assert_eq(sw->snap->lcore[0].n, 2);
	cr_assert_eq(vsw_port_queue_start(f->port, 0), 0);
	cr_assert_eq(sw->snap->lcore[0].n, 3, "back where it was");
	cr_assert_eq(vsw_port_queue_start(f->port, VSW_QUEUES_MAX), -EINVAL);
	vsw_port_detach(f->port);
	cr_assert_eq(vsw_port_queue_start(f->port, 0), -EINVAL);
	cr_assert(strstr(err_text(), "not attached"));
	fake_port_free(f);
	vsw_destroy(sw);
}

Test(vsw_port, stopped_queue_is_not_polled)
{
	struct vsw *sw = switch_of(1);
	struct vsw_port_cfg c = good();
	struct fake_port *f = fake_port_new(sw, &c);

	vsw_port_queue_stop(f->port, 0);
	fake_send(f, 1, 2);
	cr_assert_eq(fake_switch_poll(sw), 0);
	vsw_port_queue_start(f->port, 0);
	cr_assert_eq(fake_switch_poll(sw), 1);
	fake_port_free(f);
	vsw_destroy(sw);
}

static void count(const struct vsw_fdb_entry *e, void *ctx)
{
	++*(unsigned int *)ctx;
}

Test(vsw_port, detach_forgets_what_was_learned_there)
{
	struct vsw *sw = switch_of(1);
	struct vsw_port_cfg ca = good(), cb = {.name = "p1"};
	struct fake_port *a = fake_port_new(sw, &ca), *b = fake_port_new(sw, &cb);
	unsigned int n = 0;

	fake_send(b, 0x22, 0x1100000000aa);
	fake_switch_poll(sw);
	vsw_fdb_walk(sw, count, &n);
	cr_assert_eq(n, 2, "one own, one learned");
	fake_send(b, 0x22, 0x1100000000cc);
	vsw_lcore_poll(sw->lcore[0], sw->snap, 0);
	fake_port_free(b);
	vsw_event_process(sw); /* a report of a port that is gone */
	n = 0;
	vsw_fdb_walk(sw, count, &n);
	cr_assert_eq(n, 1);
	fake_port_free(a);
	vsw_destroy(sw);
}

static int shared_fd;
static unsigned int nr_disarmed;

static bool idle_arm(void *be, uint16_t q)
{
	return false;
}

static void idle_disarm(void *be, uint16_t q)
{
	nr_disarmed++;
}

static int idle_fd(void *be, uint16_t q)
{
	return shared_fd;
}

Test(vsw_port, a_queue_whose_fd_cannot_be_waited_for_is_polled)
{
	struct vsw_port_ops ops = fake_port_ops;
	struct vsw *sw = switch_of(1);
	struct vsw_port_cfg c = good();
	struct vsw_port *p;

	ops.arm = idle_arm, ops.disarm = idle_disarm, ops.event_fd = idle_fd;
	shared_fd = eventfd(0, EFD_NONBLOCK);
	c.nr_queues = 2; /* both with the same fd: epoll takes it once */
	cr_assert_eq(vsw_port_create(&p, sw, &c, &ops, NULL), 0);
	cr_assert_eq(vsw_port_attach(p), 0);
	cr_assert_eq(sw->snap->poll[0].event_fd, shared_fd);
	cr_assert(sw->snap->poll[0].is_drained);
	cr_assert_eq(sw->snap->poll[1].event_fd, -1);
	vsw_port_detach(p);
	cr_assert_eq(nr_disarmed, 2, "an lcore may have left it armed in its sleep");
	vsw_port_destroy(p);
	vsw_destroy(sw);
}
