/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv ps`: what runs, in which state, and why something does not. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mgmt/cli.h"

static void show_head(json_t *s)
{
	printf("%s: %s, pid %lld, up %lld s, from %s\n", js(s, "name"), js(s, "state"),
	       (long long)ji(s, "pid"), (long long)ji(s, "uptime_ms") / 1000, js(s, "file"));
	printf("engine %s: %s\n", js(s, "engine.name"), js(s, "engine.why"));
	printf("memory %s\n", js(s, "memory"));
	printf("switch %s, pid %lld, poll: %s, %lld restart%s", js(s, "switch.state"),
	       (long long)ji(s, "switch.pid"), js(s, "switch.poll"),
	       (long long)ji(s, "switch.restarts"), ji(s, "switch.restarts") == 1 ? "" : "s");
	if (jo(s, "switch.last_pause_ms"))
		printf(" (last pause %lld ms)", (long long)ji(s, "switch.last_pause_ms"));
	printf("\n");
}

static void show_uplinks(json_t *s)
{
	json_t *up;
	size_t i;

	json_array_foreach(jo(s, "switch.uplinks"), i, up)
		printf("uplink %s: %s (%s), link %s%s%s\n", js(up, "name"), js(up, "devargs"),
		       js(up, "driver"), json_is_true(jo(up, "link")) ? "up" : "down",
		       json_is_true(jo(up, "wakeup")) ? "" : ", polled",
		       json_is_true(jo(up, "zero_copy")) ? ", zero copy" : "");
}

/* "1 d 2 h", "3 h 4 min", "5 min 6 s" */
static const char *span(long long s, char *buf, size_t size)
{
	if (s >= 86400)
		snprintf(buf, size, "%lld d %lld h", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(buf, size, "%lld h %lld min", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(buf, size, "%lld min %lld s", s / 60, s % 60);
	else
		snprintf(buf, size, "%lld s", s);
	return buf;
}

static bool is_link_down(json_t *nic)
{
	return !strcmp(js(nic, "link"), "down");
}

/* "  path vf (VF 3)", or what the VF is not used for; nothing where there was never one. */
static void show_path(json_t *nic)
{
	bool is_vf = !strcmp(js(nic, "path"), "vf");

	if (!ji(nic, "vf_serial") && !ji(nic, "switches"))
		return;
	printf("  path %s", js(nic, "path"));
	if (ji(nic, "vf_serial"))
		printf(", VF %lld", (long long)ji(nic, "vf_serial"));
	if (!is_vf && js(nic, "why_not_vf")[0])
		printf(" (%s: %s)", js(nic, "why_not_vf"), js(nic, "why_not_vf_text"));
}

static void show_nic(json_t *nic)
{
	printf("    %-16s %s  %-4s  NVSP %-4s  mtu %lld  %lld channel%s", js(nic, "name"),
	       js(nic, "mac"), json_is_true(jo(nic, "up")) ? "up" : "down", js(nic, "nvsp"),
	       (long long)ji(nic, "mtu"), (long long)ji(nic, "channels"),
	       ji(nic, "channels") == 1 ? "" : "s");
	if (is_link_down(nic))
		printf("  link down");
	show_path(nic);
	if (js(nic, "last_fault")[0])
		printf("  fault: %s", js(nic, "last_fault"));
	printf("\n");
}

/* What its VF was stopped from doing. */
static void show_dma_faults(json_t *s, json_t *nic)
{
	char ago[32];
	json_t *n;
	size_t i;

	json_array_foreach(jo(s, "sriov.nics"), i,
			   n) if (!strcmp(js(n, "nic"), js(nic, "name")) && ji(n, "dma_faults"))
		printf("      DMA faults: %lld, the last %s ago: %s\n",
		       (long long)ji(n, "dma_faults"),
		       span(ji(n, "dma_fault_ago_ms") / 1000, ago, sizeof(ago)),
		       js(n, "last_dma_fault"));
}

static void show_channels(json_t *p)
{
	json_t *ch;
	size_t i;

	json_array_foreach(jo(p, "vmbus.channels"), i, ch) if (js(ch, "reason")[0])
		printf("    channel %lld: %s: %s\n", (long long)ji(ch, "relid"), js(ch, "state"),
		       js(ch, "reason"));
}

/* Last part of a path. */
static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* How it runs: what does not change while it does. */
static void show_machine(json_t *p)
{
	const char *kernel = js(p, "kernel");
	char up[32];

	printf("    engine %s", js(p, "engine"));
	if (js(p, "synic")[0])
		printf(", SynIC %s", js(p, "synic"));
	printf(", %s %s", kernel[0] ? "kernel" : "image",
	       base(kernel[0] ? kernel : js(p, "image")));
	if (js(p, "cpus")[0])
		printf(", CPUs %s", js(p, "cpus"));
	if (jo(p, "uptime_ms"))
		printf(", up %s", span(ji(p, "uptime_ms") / 1000, up, sizeof(up)));
	if (ji(p, "reboots"))
		printf(", started again %lld time%s", (long long)ji(p, "reboots"),
		       ji(p, "reboots") == 1 ? "" : "s");
	if (js(p, "last_end")[0])
		printf(" (last end: %s)", js(p, "last_end"));
	printf("\n");
}

/* A guest that does not come up: it hangs, or died without a report. */
#define SILENCE_S 10

static void show_silence(json_t *p)
{
	bool is_silent =
		(js(p, "kernel")[0] || ji(p, "nr_nics")) && !strcmp(js(p, "vmbus.version"), "none");
	long long s = ji(p, "uptime_ms") / 1000;
	const char *last = js(p, "console.last");
	char up[32];

	if (strcmp(js(p, "state"), "running") != 0 || !is_silent || s < SILENCE_S)
		return;
	printf("    no VMBus contact for %s; %s%s\n", span(s, up, sizeof(up)),
	       last[0] ? "last on its serial port: " : "nothing on its serial port", last);
}

/* What was not taken of what the guest sent. */
static void show_refused(json_t *p)
{
	long long refused = ji(p, "vmbus.posts_refused"), malformed = ji(p, "vmbus.malformed"),
		  unknown = ji(p, "vmbus.unknown");

	if (refused + malformed + unknown)
		printf("    VMBus: %lld messages refused, %lld malformed, %lld unknown\n", refused,
		       malformed, unknown);
	if (ji(p, "console.lost"))
		printf("    serial port: %lld bytes lost, it writes faster than they are taken\n",
		       (long long)ji(p, "console.lost"));
	if (ji(p, "console.log_dropped"))
		printf("    serial port: %lld lines left out of the log\n",
		       (long long)ji(p, "console.log_dropped"));
}

/* What the guest's integration components say: its word. */
static void show_integration(json_t *p)
{
	json_t *in = jo(p, "integration"), *ip;
	size_t i;

	if (!json_is_object(in))
		return;
	printf("    guest says: heartbeat %s",
	       js(in, "heartbeat")[0] ? js(in, "heartbeat") : "none");
	if (js(in, "name")[0])
		printf(", name %s", js(in, "name"));
	if (js(in, "os")[0])
		printf(", %s", js(in, "os"));
	json_array_foreach(jo(in, "ips"), i, ip)
		printf("%s%s", i ? " " : ", ", json_string_value(ip) ? json_string_value(ip) : "");
	printf("\n");
}

static void show_disks(json_t *p)
{
	json_t *disk;
	size_t i;

	json_array_foreach(jo(p, "disks"), i, disk)
		printf("    disk %zu: %s%s\n", i, js(disk, "path"),
		       json_is_true(jo(disk, "readonly")) ? ", read-only" : "");
}

static void show_partition(json_t *s, json_t *p)
{
	json_t *nic;
	size_t i;

	printf("  %-18s %-10s %3lld %7lld  %-8lld %-6s %s%s%s\n", js(p, "name"), js(p, "state"),
	       (long long)ji(p, "nr_vps"), (long long)ji(p, "memory_mib"), (long long)ji(p, "pid"),
	       js(p, "vmbus.version"), js(p, "guest.state"), js(p, "guest.message")[0] ? ": " : "",
	       js(p, "guest.message"));
	if (js(p, "reason")[0])
		printf("    reason: %s\n", js(p, "reason"));
	if (js(p, "crash")[0] && !js(p, "reason")[0])
		printf("    %s\n", js(p, "crash"));
	if (js(p, "vmbus.reason")[0])
		printf("    VMBus: %s\n", js(p, "vmbus.reason"));
	show_machine(p);
	show_silence(p);
	show_refused(p);
	show_integration(p);
	show_disks(p);
	show_channels(p);
	json_array_foreach(jo(s, "switch.nics"), i, nic)
	{
		if (strcmp(js(nic, "partition"), js(p, "name")) != 0)
			continue;
		show_nic(nic);
		show_dma_faults(s, nic);
	}
}

static void show_ps(json_t *s)
{
	json_t *p;
	size_t i;

	show_head(s);
	show_uplinks(s);
	show_exts_lines(jo(s, "switch.extensions"));
	printf("\n  %-18s %-10s %3s %7s  %-8s %-6s %s\n", "PARTITION", "STATE", "VPS", "MIB", "PID",
	       "VMBUS", "GUEST");
	json_array_foreach(jo(s, "partitions"), i, p) show_partition(s, p);
}

int cmd_ps(const struct cli_args *a)
{
	return cli_show_status(a, show_ps);
}
