/* SPDX-License-Identifier: BSD-3-Clause */
/* nethv-switch: the root's switch on DPDK. Arguments (from `nethv run`): config fd, ctl fd, link fd
 * (listening, for workers), stats fd (memory that outlives us). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>

#include "base/copy.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "mgmt/control.h"
#include "mgmt/switch.h"
#include "mgmt/switch_see.h"
#include "vswitch/see/see.h"

/* After a restart the lcores wait until all partitions are back, or for this long: what they would
 * forward before finds no destination. */
#define HOLD_MS 2000

static int open_stats(struct sw *sw, int fd)
{
	uint64_t lost;
	void *at;
	int rc = fd_map(fd, 0, sizeof(struct vsw_stats), &at);

	if (rc)
		return rc;
	sw->stats = at;
	if (!sw->stats->magic)
		return 0;
	sw->is_held = true;
	lost = vsw_stats_close_restart(sw->stats);
	log_info("switch", "takes over: %llu packets were inside the old one, counted as restart",
		 (unsigned long long)lost);
	return 0;
}

static int make_switch(struct sw *sw)
{
	const struct mgmt_switch *c = &sw->child.cfg->sw;
	struct vsw_cfg cfg = {
		.nr_lcores = sw->nr_lcores,
		.poll = c->poll,
		.fdb_size = c->fdb_size,
		.ageing_s = c->ageing_s,
		.stats = sw->stats,
	};
	int rc;

	for (unsigned int i = 0; i < sw->nr_lcores; i++)
		cfg.lcore_id[i] = i + 1;
	copy_use(COPY_64);
	rc = vsw_create(&sw->vsw, &cfg);
	if (!rc && !sw->is_held)
		rc = vsw_start(sw->vsw);
	return rc ? rc : netvsp_create(&sw->netvsp, sw->vsw);
}

static int make_uplink(struct sw *sw, uint32_t i)
{
	const struct mgmt_uplink *up = &sw->child.cfg->uplinks[i];
	struct vsw_uplink_cfg cfg = {
		.devargs = up->devargs,
		.netns = up->netns,
		.vlan_mode = up->vlan.mode,
		.pvid = up->vlan.pvid,
		.nr_queues = (uint16_t)up->queues,
		.mtu = up->mtu ? (uint16_t)*up->mtu : 0,
		.zero_copy = up->zero_copy,
	};

	int rc;

	snprintf(cfg.name, sizeof(cfg.name), "%s", up->name);
	mgmt_vlan_bits(&up->vlan, cfg.allowed);
	rc = sw_vmq_begin(sw, i, &cfg);
	if (!rc)
		rc = vsw_uplink_create(&sw->uplink[i], sw->vsw, &cfg);
	if (!rc)
		sw_vmq_attach(sw, i);
	return rc;
}

static int make_ports(struct sw *sw)
{
	const struct mgmt_cfg *cfg = sw->child.cfg;
	int rc = 0;

	for (uint32_t i = 0; i < cfg->partitions_count; i++)
		for (uint32_t k = 0; k < cfg->partitions[i].nics_count && !rc; k++)
			rc = sw_nic_make(sw, &cfg->partitions[i], &cfg->partitions[i].nics[k]);
	for (uint32_t i = 0; i < cfg->uplinks_count && !rc; i++)
		rc = make_uplink(sw, i);
	for (uint32_t i = 0; i < cfg->partitions_count; i++)
		for (uint32_t k = 0; k < cfg->partitions[i].nics_count && !rc; k++)
			sw_vmq_nic(sw, &cfg->partitions[i], &cfg->partitions[i].nics[k]);
	return rc;
}

static void publish_tap(void *ctx, struct vsw_tap *tap)
{
	struct sw *sw = ctx;

	vsw_set_tap(sw->vsw, tap);
}

static const char *port_name(void *ctx, uint16_t port)
{
	const struct sw *sw = ctx;

	return port < VSW_PORTS_MAX && sw->stats->port[port].name[0] ? sw->stats->port[port].name
								     : NULL;
}

static int port_number(void *ctx, const char *name)
{
	return sw_port_number(ctx, name);
}

static int make_see(struct sw *sw)
{
	static const struct vsw_see_ops see_ops = {.publish = publish_tap, .port_name = port_name};
	const struct vsw_see_cfg cfg = {.nr_lcores = sw->nr_lcores, .tsc_hz = rte_get_tsc_hz()};
	int rc = vsw_see_create(&sw->see, &cfg, &see_ops, sw);
	const struct see_server_cfg server = {
		.loop = &sw->child.loop,
		.instance = sw->child.cfg->name,
		.see = sw->see,
		.remembers_drops = sw->child.cfg->sw.remember_drops,
		.port_number = port_number,
		.ctx = sw,
	};

	return rc ? rc : see_server_create(&sw->see_server, &server);
}

static void on_link(void *ctx, uint32_t events)
{
	struct sw *sw = ctx;
	int fd = accept4(sw->link_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (!control_peer_ok(fd, NULL))
		fd_close(&fd);
	else if (vmbus_backend_accept(netvsp_backend(sw->netvsp), fd))
		log_warn("switch", "a worker's link: %s", err_text());
}

static void on_backend(void *ctx, uint32_t events)
{
	struct sw *sw = ctx;

	vmbus_backend_process(netvsp_backend(sw->netvsp));
}

static void on_event(void *ctx, uint32_t events)
{
	struct sw *sw = ctx;

	vsw_event_process(sw->vsw);
}

static void go(struct sw *sw)
{
	if (!sw->is_held)
		return;
	sw->is_held = false;
	loop_del(&sw->child.loop, &sw->hold_src);
	fd_close(&sw->hold_fd);
	if (vsw_start(sw->vsw)) {
		child_failed(&sw->child, 1);
		sw->child.is_over = true;
	}
}

static void on_hold_over(void *ctx, uint32_t events)
{
	log_warn("switch", "not all partitions are back after %d ms, forwarding without them",
		 HOLD_MS);
	go(ctx);
}

static int hold(struct sw *sw)
{
	const struct itimerspec when = {.it_value = {HOLD_MS / 1000, HOLD_MS % 1000 * 1000000}};

	sw->hold_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (sw->hold_fd < 0 || timerfd_settime(sw->hold_fd, 0, &when, NULL))
		return err_sys(-errno, "timer for the take-over");
	sw->hold_src = (struct loop_src){-1, on_hold_over, sw};
	return loop_add(&sw->child.loop, &sw->hold_src, sw->hold_fd, EPOLLIN);
}

static int watch_all(struct sw *sw)
{
	struct loop *l = &sw->child.loop;
	int rc;

	sw->link_src = (struct loop_src){-1, on_link, sw};
	sw->backend_src = (struct loop_src){-1, on_backend, sw};
	sw->event_src = (struct loop_src){-1, on_event, sw};
	rc = loop_add(l, &sw->backend_src, vmbus_backend_fd(netvsp_backend(sw->netvsp)), EPOLLIN);
	if (!rc)
		rc = loop_add(l, &sw->event_src, vsw_event_fd(sw->vsw), EPOLLIN);
	if (!rc && sw->is_held)
		rc = hold(sw);
	return rc ? rc : loop_add(l, &sw->link_src, sw->link_fd, EPOLLIN);
}

static void say_ready(struct sw *sw)
{
	json_t *cpus = json_array();
	char text[256];
	size_t n;

	n = snprintf(text, sizeof(text), "%u lcore%s on CPU", sw->nr_lcores,
		     sw->nr_lcores == 1 ? "" : "s");
	for (unsigned int i = 0; i < sw->nr_lcores; i++) {
		n += snprintf(text + n, sizeof(text) - n, " %u", sw->cpu[i]);
		json_array_append_new(cpus, json_integer(sw->cpu[i]));
	}
	snprintf(text + n, sizeof(text) - n, ", poll: %s", sw_poll_word(vsw_poll_mode(sw->vsw)));
	child_say(&sw->child, "ready", json_pack("{s:s, s:o}", "text", text, "cpus", cpus));
}

static int start(struct sw *sw, int stats_fd)
{
	int rc = sw_eal_capture_log();

	sw_fault_install();
	if (!rc)
		rc = open_stats(sw, stats_fd);
	if (!rc)
		rc = sw_eal_start(sw);
	if (!rc)
		rc = make_switch(sw);
	if (!rc)
		rc = make_ports(sw);
	if (!rc)
		rc = sw_policies_make(sw);
	if (!rc)
		rc = sw_exts_make(sw);
	if (!rc)
		rc = make_see(sw);
	return rc ? rc : watch_all(sw);
}

static void finish(struct sw *sw)
{
	see_server_destroy(sw->see_server);
	vsw_see_destroy(sw->see);
	sw_vmq_destroy(sw);
	netvsp_destroy(sw->netvsp);
	if (sw->vsw)
		vsw_stop(sw->vsw);
	vsw_destroy(sw->vsw);
	if (sw->has_eal)
		rte_eal_cleanup();
}

static json_t *status(void *ctx)
{
	return sw_status_json(ctx);
}

static void told(void *ctx, const char *method)
{
	struct sw *sw = ctx;

	if (!strcmp(method, "stop"))
		sw->child.is_over = true;
	else if (!strcmp(method, "go"))
		go(sw);
}

static int call(void *ctx, const char *method, json_t *params, json_t **result)
{
	if (!strcmp(method, "configure"))
		return sw_configure(ctx, json_object_get(params, "config"), result);
	if (!strcmp(method, "ext_status"))
		return sw_ext_status(ctx, params, result);
	return err_set(-ENOSYS, "no such method");
}

static const struct child_ops ops = {.status = status, .told = told, .call = call};

int main(int argc, char **argv)
{
	static struct sw sw;
	int rc;

	log_init("nethv", LOG_LVL_INFO);
	if (argc != 5 || child_init(&sw.child, argv[1], argv[2], &ops, &sw)) {
		fprintf(stderr, "nethv-switch: %s\n",
			argc == 5 ? err_text() : "started by `nethv run FILE`, not by hand");
		return 2;
	}
	sw.link_fd = atoi(argv[3]);
	rc = start(&sw, atoi(argv[4]));
	if (rc) {
		if (sw_eal_last_line()[0])
			err_set(rc, "%s (DPDK: %s)", err_text(), sw_eal_last_line());
		rc = child_failed(&sw.child, 1);
	} else {
		sw_eal_log_on();
		say_ready(&sw);
		child_run(&sw.child, NULL);
	}
	finish(&sw);
	child_fini(&sw.child);
	return rc;
}
