/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv stats` and `nethv why-dropped`: counters as tables. */
#include <stdio.h>
#include <string.h>

#include "mgmt/cli.h"
#include "vswitch/packet.h"

static const struct {
	const char *name;
	const char *text;
} reasons[] = {
#define X(name, text) {#name, text},
	VSW_DROPS(X)
#undef X
};

/* What helps, for reasons where something does. */
static const struct {
	const char *name;
	const char *hint;
} hints[] = {
	{"too_big", "give both sides the same mtu"},
	{"bad_rndis", "the guest's driver is at fault; `nethv ps` shows the cause"},
	{"bad_offload", "the guest's driver ignores what was offered"},
	{"spoofed_mac", "allow_spoofing: true, if the guest bridges or routes"},
	{"vlan_denied", "look at vlan: mode, pvid and allowed of the port"},
	{"no_destination", "no other port has this VLAN: look at pvid and allowed"},
	{"port_down", "the receiver has not brought its adapter up yet"},
	{"link_down", "link: up of the adapter, if it is to have one"},
	{"rx_no_buffer", "the receiver is too slow, or gave its buffers not back"},
	{"rx_ring_full", "the receiver is too slow"},
	{"uplink_full", "the uplink is slower than its senders"},
	{"no_mbuf", "raise switch.memory"},
	{"filtered", "`nethv ext list` and `nethv ext show NAME` tell which one and why"},
	{"no_route", "the forwarding extension's business: `nethv ext show NAME`"},
	{"excluded", "an extension's business: `nethv ext list`"},
	{"acl_denied", "look at acl and acl_default of the ports"},
	{"dhcp_guard", "guards: without dhcp, if a DHCP server is meant to be there"},
	{"router_guard", "guards: without router, if a router is meant to be there"},
	{"rate_limited", "look at limit, share_mbps and min_mbps of the ports"},
	{"storm", "look at storm of the port"},
	{"isolated", "look at isolation of the ports"},
	{"overlay", "look at the remotes of the subnet in switch.overlay"},
};

static long long dropped(json_t *port)
{
	long long sum = 0;
	const char *name;
	json_t *n;

	json_object_foreach(jo(port, "drops"), name, n) sum += json_integer_value(n);
	return sum;
}

static void show_ports(json_t *s)
{
	long long way = ji(s, "switch.totals.on_the_way");
	json_t *p;
	size_t i;

	printf("%-20s %12s %15s %12s %15s %10s %10s\n", "PORT", "IN", "BYTES", "OUT", "BYTES",
	       "COPIES", "DROPPED");
	json_array_foreach(jo(s, "switch.ports"), i, p) printf(
		"%-20s %12lld %15lld %12lld %15lld %10lld %10lld\n", js(p, "name"),
		(long long)ji(p, "in"), (long long)ji(p, "in_bytes"), (long long)ji(p, "out"),
		(long long)ji(p, "out_bytes"), (long long)ji(p, "copies"), dropped(p));
	printf("in %lld + copies %lld = out %lld + dropped %lld",
	       (long long)ji(s, "switch.totals.in"), (long long)ji(s, "switch.totals.copies"),
	       (long long)ji(s, "switch.totals.out"), (long long)ji(s, "switch.totals.drops"));
	if (way)
		printf(" + %lld on the way\n", way);
	else
		printf(": balanced\n");
}

static void show_lcores(json_t *s)
{
	json_t *l;
	size_t i;

	printf("\n%-6s %-4s %14s %14s %12s %14s %6s %6s %6s\n", "LCORE", "CPU", "PACKETS", "LOOPS",
	       "BUSY LOOPS", "SLEEPS", "BUSY", "IDLE", "SLEEP");
	json_array_foreach(jo(s, "switch.lcores"), i, l)
	{
		double busy = (double)ji(l, "tsc_busy"), idle = (double)ji(l, "tsc_idle"),
		       asleep = (double)ji(l, "tsc_asleep"), all = busy + idle + asleep;

		all = all > 0 ? all / 100 : 1;
		printf("%-6zu %-4lld %14lld %14lld %12lld %14lld %5.1f%% %5.1f%% %5.1f%%\n", i,
		       (long long)ji(l, "cpu"), (long long)ji(l, "packets"),
		       (long long)ji(l, "loops"), (long long)ji(l, "busy_loops"),
		       (long long)ji(l, "sleeps"), busy / all, idle / all, asleep / all);
	}
}

static void show_nics(json_t *s)
{
	json_t *n;
	size_t i;

	printf("\n%-20s %13s %13s %10s %11s %10s %9s %6s\n", "NIC", "RINGS IN", "RINGS OUT",
	       "COPIES", "INTERRUPTS", "DOORBELLS", "SECTIONS", "FAULTS");
	json_array_foreach(jo(s, "switch.nics"), i, n) printf(
		"%-20s %13lld %13lld %10lld %11lld %10lld %4lld/%-4lld %6lld\n", js(n, "name"),
		(long long)ji(n, "rx_vmbus_packets"), (long long)ji(n, "tx_vmbus_packets"),
		(long long)ji(n, "copies"), (long long)ji(n, "interrupts"),
		(long long)ji(n, "doorbells_armed"), (long long)ji(n, "sections_free"),
		(long long)ji(n, "sections"), (long long)ji(n, "faults"));
}

static void show_vps(json_t *s)
{
	json_t *p, *vp;
	size_t i, k;

	printf("\n%-20s %3s %10s %10s %10s %10s %10s %10s %10s\n", "PARTITION", "VP", "EXITS",
	       "TRAPS", "SIGNALS", "INJECTED", "HALTS", "HYPERCALLS", "MESSAGES");
	json_array_foreach(jo(s, "partitions"), i, p) json_array_foreach(jo(p, "vps"), k, vp)
		printf("%-20s %3zu %10lld %10lld %10lld %10lld %10lld %10lld %10lld\n",
		       js(p, "name"), k, (long long)ji(vp, "exits_all"), (long long)ji(vp, "traps"),
		       (long long)ji(vp, "irq_signals"), (long long)ji(vp, "injected"),
		       (long long)ji(vp, "halts"), (long long)ji(vp, "hypercalls"),
		       (long long)ji(vp, "messages"));
}

/* Packets of the partition's adapters, both ways. */
static double packets_of(json_t *s, json_t *p)
{
	size_t n = strlen(js(p, "name")), i;
	double sum = 0;
	json_t *port;

	json_array_foreach(jo(s, "switch.ports"), i, port)
	{
		const char *name = js(port, "name");

		if (!strncmp(name, js(p, "name"), n) && name[n] == '/')
			sum += (double)ji(port, "in") + (double)ji(port, "out");
	}
	return sum;
}

/* Which kinds of exits the worker saw, where there were any. */
static void show_exits(json_t *s)
{
	json_t *p, *vp, *nr;
	const char *kind;
	size_t i, k;

	printf("\n%-20s %3s %s\n", "PARTITION", "VP", "EXITS BY KIND");
	json_array_foreach(jo(s, "partitions"), i, p)
	{
		double packets = packets_of(s, p), exits = 0;

		json_array_foreach(jo(p, "vps"), k, vp)
		{
			printf("%-20s %3zu", js(p, "name"), k);
			json_object_foreach(jo(vp, "exits"), kind, nr) if (json_integer_value(nr))
				printf("  %s %lld", kind, (long long)json_integer_value(nr));
			printf("\n");
			exits += jo(vp, "kvm")
					 ? (double)(ji(vp, "kvm.exits") - ji(vp, "kvm.irq_exits"))
					 : (double)ji(vp, "exits_all");
		}
		/* Ports count over all lives of a partition, its VPs only over this one. */
		if (packets > 0 && !ji(p, "reboots"))
			printf("%-20s     %.4f exits a packet since its start, its boot included, "
			       "the host's interrupts not\n",
			       js(p, "name"), exits / packets);
	}
}

/* Counters that KVM itself keeps, such as those of halt polling. */
static void show_kvm(json_t *s)
{
	bool has_head = false;
	json_t *p, *vp;
	size_t i, k;

	json_array_foreach(jo(s, "partitions"), i, p) json_array_foreach(jo(p, "vps"), k, vp)
	{
		if (!jo(vp, "kvm"))
			continue;
		if (!has_head)
			printf("\n%-20s %3s %12s %12s %12s %12s %12s %12s %12s\n", "KVM", "VP",
			       "EXITS", "FOR HOST IRQ", "IO", "MMIO", "HALT POLLS", "OF THEM WON",
			       "WAKE-UPS");
		has_head = true;
		printf("%-20s %3zu %12lld %12lld %12lld %12lld %12lld %12lld %12lld\n",
		       js(p, "name"), k, (long long)ji(vp, "kvm.exits"),
		       (long long)ji(vp, "kvm.irq_exits"), (long long)ji(vp, "kvm.io_exits"),
		       (long long)ji(vp, "kvm.mmio_exits"), (long long)ji(vp, "kvm.halt_polls"),
		       (long long)ji(vp, "kvm.halt_polls_won"),
		       (long long)ji(vp, "kvm.halt_wakeups"));
	}
}

static void show_report(json_t *p)
{
	const char *name;
	json_t *v;

	if (!json_is_object(jo(p, "guest")))
		return;
	printf("\n%s: %s%s%s\n", js(p, "name"), js(p, "guest.state"),
	       js(p, "guest.message")[0] ? ": " : "", js(p, "guest.message"));
	json_object_foreach(jo(p, "guest.values"), name, v)
		printf("  %-24s %lld\n", name, (long long)json_integer_value(v));
}

static void show_stats(json_t *s)
{
	json_t *p;
	size_t i;

	show_ports(s);
	show_lcores(s);
	show_nics(s);
	if (json_array_size(jo(s, "switch.extensions"))) {
		printf("\n");
		show_exts_table(jo(s, "switch.extensions"));
	}
	show_vps(s);
	show_exits(s);
	show_kvm(s);
	json_array_foreach(jo(s, "partitions"), i, p) show_report(p);
}

int cmd_stats(const struct cli_args *a)
{
	return cli_show_status(a, show_stats);
}

static const char *text_of(const char *reason)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (!strcmp(reasons[i].name, reason))
			return reasons[i].text;
	return "?";
}

static const char *hint_of(const char *reason)
{
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (!strcmp(hints[i].name, reason))
			return hints[i].hint;
	return "";
}

static json_t *drop_list(json_t *s)
{
	json_t *list = json_array(), *p, *n;
	const char *reason;
	size_t i;

	json_array_foreach(jo(s, "switch.ports"), i, p)
		json_object_foreach(jo(p, "drops"), reason, n) json_array_append_new(
			list, json_pack("{s:s, s:s, s:O, s:s, s:s}", "port", js(p, "name"),
					"reason", reason, "packets", n, "text", text_of(reason),
					"hint", hint_of(reason)));
	return list;
}

int cmd_why_dropped(const struct cli_args *a)
{
	json_t *s = NULL, *list, *d;
	size_t i;
	int rc;

	if (a->nr_words || cli_option(a, "--for") || cli_option(a, "--count"))
		return cli_drops(a);
	rc = cli_status(cli_option(a, "--instance"), &s);
	if (rc)
		return cli_error(1);
	list = drop_list(s);
	if (a->is_json) {
		rc = cli_print_json(list);
	} else if (!json_array_size(list)) {
		printf("nothing was dropped\n");
	} else {
		printf("%-20s %12s  %-14s %s\n", "ENTERED AT", "PACKETS", "REASON", "MEANING");
		json_array_foreach(list, i, d)
			printf("%-20s %12lld  %-14s %s%s%s\n", js(d, "port"),
			       (long long)ji(d, "packets"), js(d, "reason"), js(d, "text"),
			       js(d, "hint")[0] ? "; " : "", js(d, "hint"));
	}
	json_decref(list);
	json_decref(s);
	return rc;
}
