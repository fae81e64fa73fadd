/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of the doctor that reads files: pure but for them, so tests lay out a host of their own. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/doctor.h"

static bool has_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = strstr(line, word); at; at = strstr(at + 1, word))
		if ((at == line || at[-1] == ' ' || at[-1] == '\t') &&
		    (!at[n] || at[n] == ' ' || at[n] == '\n'))
			return true;
	return false;
}

/* The "flags" line of the first processor. */
static bool cpu_flags(const struct doctor *d, char *buf, size_t size)
{
	char *line, *end;

	if (!doctor_read(d, "/proc/cpuinfo", buf, size))
		return false;
	line = strstr(buf, "\nflags");
	if (!line)
		return false;
	end = strchr(line + 1, '\n');
	if (end)
		*end = 0;
	memmove(buf, line + 1, strlen(line + 1) + 1);
	return true;
}

bool doctor_has_flag(const struct doctor *d, const char *flag)
{
	char flags[8192];

	return cpu_flags(d, flags, sizeof(flags)) && has_word(flags, flag);
}

static void check_cpu(struct doctor *d)
{
	char flags[8192];

	if (!cpu_flags(d, flags, sizeof(flags))) {
		doctor_say(d, DOCTOR_WARN, "processor", NULL, "/proc/cpuinfo shows no flags");
		return;
	}
	if (has_word(flags, "vmx") || has_word(flags, "svm"))
		doctor_say(d, DOCTOR_OK, "virtualization", NULL, "the processor has %s",
			   has_word(flags, "vmx") ? "VT-x" : "AMD-V");
	else
		doctor_say(
			d, DOCTOR_WARN, "virtualization",
			has_word(flags, "hypervisor")
				? "allow nested virtualization for this machine, or use bare metal"
				: "enable it in the firmware",
			"no VT-x or AMD-V: no engine kvm, so no Linux partitions");
	if (has_word(flags, "hypervisor"))
		doctor_say(d, DOCTOR_WARN, "bare metal", "measure on bare metal",
			   "this is a virtual machine itself: exits and timers cost more");
	if (has_word(flags, "constant_tsc") && has_word(flags, "nonstop_tsc"))
		doctor_say(d, DOCTOR_OK, "TSC", NULL, "constant and never stops");
	else
		doctor_say(d, DOCTOR_WARN, "TSC", NULL,
			   "not constant or stops in sleep: guests' clocks may drift");
}

static void check_clocksource(struct doctor *d)
{
	char text[64];

	if (!doctor_read(d, "/sys/devices/system/clocksource/clocksource0/current_clocksource",
			 text, sizeof(text)))
		return;
	if (!strcmp(text, "tsc") || !strcmp(text, "hyperv_clocksource_tsc_page") ||
	    !strcmp(text, "kvm-clock"))
		doctor_say(d, DOCTOR_OK, "clock", NULL, "%s", text);
	else
		doctor_say(
			d, DOCTOR_WARN, "clock",
			"look in the kernel's log why it left tsc; boot with tsc=reliable if you "
			"trust it",
			"%s: each look at the time is a system call or worse", text);
}

static void check_thp(struct doctor *d)
{
	char text[128];

	if (!doctor_read(d, "/sys/kernel/mm/transparent_hugepage/shmem_enabled", text,
			 sizeof(text)))
		return;
	if (strstr(text, "[never]") || strstr(text, "[deny]"))
		doctor_say(d, DOCTOR_WARN, "THP",
			   "echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled",
			   "shared memory gets no transparent huge pages: where no huge pages are "
			   "reserved, guests run on 4 KiB pages");
	else
		doctor_say(d, DOCTOR_OK, "THP", NULL, "shared memory may get huge pages: %s", text);
}

static unsigned long meminfo(const struct doctor *d, const char *key)
{
	char text[8192], *at;

	if (!doctor_read(d, "/proc/meminfo", text, sizeof(text)))
		return 0;
	at = strstr(text, key);
	return at ? strtoul(at + strlen(key), NULL, 10) : 0;
}

static void check_hugepages(struct doctor *d)
{
	unsigned long nr = meminfo(d, "HugePages_Free:"), kib = meminfo(d, "Hugepagesize:");

	if (nr)
		doctor_say(d, DOCTOR_OK, "huge pages", NULL, "%lu of %lu KiB are free", nr, kib);
	else
		doctor_say(d, DOCTOR_WARN, "huge pages", "sysctl vm.nr_hugepages=512 (2 MiB each)",
			   "none are free: more TLB misses in the switch and in guests");
}

static void check_numa(struct doctor *d)
{
	char text[64];

	if (!doctor_read(d, "/sys/devices/system/node/online", text, sizeof(text)))
		return;
	if (!strcmp(text, "0"))
		doctor_say(d, DOCTOR_OK, "NUMA", NULL, "one node");
	else
		doctor_say(d, DOCTOR_WARN, "NUMA",
			   "keep switch.lcores, a partition's cpus and numa_node on the NIC's node",
			   "nodes %s: memory of another node is slower", text);
}

static void check_isolation(struct doctor *d)
{
	char isolated[256] = "", nohz[256] = "";

	doctor_read(d, "/sys/devices/system/cpu/isolated", isolated, sizeof(isolated));
	doctor_read(d, "/sys/devices/system/cpu/nohz_full", nohz, sizeof(nohz));
	if (strstr(nohz, "null"))
		nohz[0] = 0;
	if (isolated[0] && nohz[0])
		doctor_say(d, DOCTOR_OK, "isolation", NULL, "isolcpus=%s nohz_full=%s", isolated,
			   nohz);
	else
		doctor_say(d, DOCTOR_WARN, "isolation",
			   "boot with isolcpus=LIST nohz_full=LIST and name these CPUs in "
			   "switch.lcores and cpus",
			   "isolcpus=%s nohz_full=%s: other tasks and ticks interrupt polling",
			   isolated[0] ? isolated : "(none)", nohz[0] ? nohz : "(none)");
}

static void check_governor(struct doctor *d)
{
	char text[64];

	if (!doctor_read(d, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", text,
			 sizeof(text)))
		doctor_say(d, DOCTOR_OK, "governor", NULL, "the host does not change frequencies");
	else if (!strcmp(text, "performance"))
		doctor_say(d, DOCTOR_OK, "governor", NULL, "performance");
	else
		doctor_say(d, DOCTOR_WARN, "governor", "cpupower frequency-set -g performance",
			   "%s: the processor slows down between bursts", text);
}

static void check_vm(struct doctor *d)
{
	char text[512], *line;

	if (doctor_read(d, "/proc/sys/vm/overcommit_memory", text, sizeof(text)) &&
	    !strcmp(text, "2"))
		doctor_say(d, DOCTOR_WARN, "overcommit", "sysctl vm.overcommit_memory=0",
			   "vm.overcommit_memory is 2: large partitions may be refused");
	if (doctor_read(d, "/proc/sys/vm/max_map_count", text, sizeof(text)) &&
	    strtoul(text, NULL, 10) < 65530)
		doctor_say(d, DOCTOR_WARN, "mappings", "sysctl vm.max_map_count=65530",
			   "vm.max_map_count is %.20s", text);
	if (!doctor_read(d, "/proc/swaps", text, sizeof(text)))
		return;
	line = strchr(text, '\n');
	if (line && line[1])
		doctor_say(d, DOCTOR_WARN, "swap", "swapoff -a, or reserve huge pages",
			   "there is swap: a guest whose memory is swapped out stalls");
	else
		doctor_say(d, DOCTOR_OK, "swap", NULL, "none");
}

static void check_halt_poll(struct doctor *d)
{
	char text[32];

	if (!doctor_read(d, "/sys/module/kvm/parameters/halt_poll_ns", text, sizeof(text)))
		return;
	if (!strcmp(text, "0"))
		doctor_say(d, DOCTOR_WARN, "halt polling",
			   "echo 200000 > /sys/module/kvm/parameters/halt_poll_ns",
			   "off: each halt of a guest costs a sleep and a wake-up");
	else
		doctor_say(d, DOCTOR_OK, "halt polling", NULL, "up to %s ns", text);
}

static void check_pmds(struct doctor *d)
{
	static const char *const wanted[] = {"tap", "af_packet", "pcap"};
	char pattern[512], found[128] = "", missing[128] = "";

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		glob_t g;
		char *to = found;

		snprintf(pattern, sizeof(pattern), "%s/usr/lib*/*/dpdk/pmds-*/librte_net_%s.so*",
			 d->root, wanted[i]);
		if (glob(pattern, 0, NULL, &g))
			to = missing;
		globfree(&g);
		snprintf(to + strlen(to), sizeof(found) - strlen(to), "%s%s", to[0] ? ", " : "",
			 wanted[i]);
	}
	if (missing[0])
		doctor_say(
			d, DOCTOR_WARN, "DPDK drivers",
			"install DPDK's drivers (Debian: librte-net-... packages), or name one of "
			"another place in devargs",
			"not found: %s; found: %s", missing, found[0] ? found : "none");
	else
		doctor_say(d, DOCTOR_OK, "DPDK drivers", NULL, "%s", found);
}

void doctor_look_at_files(struct doctor *d)
{
	check_cpu(d);
	check_clocksource(d);
	check_hugepages(d);
	check_thp(d);
	check_numa(d);
	check_isolation(d);
	check_governor(d);
	check_vm(d);
	check_halt_poll(d);
	check_pmds(d);
}
