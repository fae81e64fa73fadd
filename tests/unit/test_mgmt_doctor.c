/* SPDX-License-Identifier: BSD-3-Clause */
/* The doctor on hosts that are made of a few files: a good one, a bad one, and one without any. */
#include "mgmt/doctor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "mgmt/cli.h"
#include "tests/support/scratch.h"

static char root[SCRATCH_PATH];
static struct doctor d;

/* What cmd_doctor() calls and this test does not. */
void doctor_look_at_rights(struct doctor *unused)
{
	(void)unused;
}

int cli_print_json(json_t *o)
{
	return o == NULL;
}

static void make_root(void)
{
	scratch_dir(root, "doctor");
	d.root = root;
}

static void drop_root(void)
{
	scratch_remove(root);
}

TestSuite(mgmt_doctor, .init = make_root, .fini = drop_root);

static void put(const char *path, const char *text)
{
	char full[512];
	int fd;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *s = full + strlen(root) + 1; (s = strchr(s, '/')); *s++ = '/') {
		*s = 0;
		mkdir(full, 0700);
	}
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cr_assert_geq(fd, 0, "%s", full);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void expect(const char *what, enum doctor_level level, const char *found)
{
	for (unsigned int i = 0; i < d.nr; i++) {
		const struct doctor_finding *f = &d.finding[i];

		if (strcmp(f->what, what) != 0)
			continue;
		cr_expect_eq(f->level, level, "%s: %d: %s", what, f->level, f->found);
		cr_expect(strstr(f->found, found), "%s: no `%s` in: %s", what, found, f->found);
		cr_expect(level != DOCTOR_OK || !f->advice[0], "%s: advice for what is good", what);
		return;
	}
	cr_expect_fail("nothing about %s", what);
}

#define CPUINFO(flags) "processor\t: 0\nvendor_id\t: X\nflags\t\t: fpu " flags "\nbugs\t\t:\n"

Test(mgmt_doctor, finds_nothing_wrong_with_a_good_host)
{
	put("/proc/cpuinfo", CPUINFO("vmx constant_tsc nonstop_tsc"));
	put("/proc/meminfo",
	    "MemTotal: 1 kB\nHugePages_Free:      512\nHugepagesize:    2048 kB\n");
	put("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
	put("/proc/sys/vm/overcommit_memory", "0\n");
	put("/proc/sys/vm/max_map_count", "65530\n");
	put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
	put("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "always [advise] never\n");
	put("/sys/devices/system/node/online", "0\n");
	put("/sys/devices/system/cpu/isolated", "2-5\n");
	put("/sys/devices/system/cpu/nohz_full", "2-5\n");
	put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
	put("/sys/module/kvm/parameters/halt_poll_ns", "200000\n");
	put("/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_tap.so.23", "");
	put("/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_pcap.so.23", "");
	put("/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_af_packet.so.23", "");
	doctor_look_at_files(&d);
	cr_expect_geq(d.nr, 10);
	for (unsigned int i = 0; i < d.nr; i++)
		cr_expect_eq(d.finding[i].level, DOCTOR_OK, "%s: %s", d.finding[i].what,
			     d.finding[i].found);
	expect("virtualization", DOCTOR_OK, "VT-x");
	expect("huge pages", DOCTOR_OK, "512 of 2048 KiB");
}

Test(mgmt_doctor, names_each_thing_that_is_wrong)
{
	put("/proc/cpuinfo", CPUINFO("hypervisor vmx_nothing constant_tsc"));
	put("/proc/meminfo", "HugePages_Free:        0\nHugepagesize:    2048 kB\n");
	put("/proc/swaps", "Filename Type\n/swap file 1 0 -2\n");
	put("/proc/sys/vm/overcommit_memory", "2\n");
	put("/proc/sys/vm/max_map_count", "100\n");
	put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
	put("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "always advise [never]\n");
	put("/sys/devices/system/node/online", "0-1\n");
	put("/sys/devices/system/cpu/isolated", "\n");
	put("/sys/devices/system/cpu/nohz_full", "(null)\n");
	put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
	put("/sys/module/kvm/parameters/halt_poll_ns", "0\n");
	put("/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_pcap.so.23", "");
	doctor_look_at_files(&d);
	expect("virtualization", DOCTOR_WARN, "no VT-x");
	expect("bare metal", DOCTOR_WARN, "virtual machine");
	expect("TSC", DOCTOR_WARN, "drift");
	expect("huge pages", DOCTOR_WARN, "none");
	expect("swap", DOCTOR_WARN, "swap");
	expect("overcommit", DOCTOR_WARN, "is 2");
	expect("mappings", DOCTOR_WARN, "100");
	expect("clock", DOCTOR_WARN, "hpet");
	expect("THP", DOCTOR_WARN, "4 KiB");
	expect("NUMA", DOCTOR_WARN, "0-1");
	expect("isolation", DOCTOR_WARN, "isolcpus=(none) nohz_full=(none)");
	expect("governor", DOCTOR_WARN, "powersave");
	expect("halt polling", DOCTOR_WARN, "off");
	expect("DPDK drivers", DOCTOR_WARN, "not found: tap, af_packet; found: pcap");
}

Test(mgmt_doctor, does_not_mind_a_host_that_shows_nothing)
{
	put("/proc/cpuinfo", "no such lines\n");
	doctor_look_at_files(&d);
	expect("processor", DOCTOR_WARN, "no flags");
	expect("huge pages", DOCTOR_WARN, "none");
	expect("governor", DOCTOR_OK, "does not change");
}

#define CPU(n) "/sys/devices/system/cpu/cpu" #n

static void put_driver(const char *name)
{
	put("/sys/devices/system/cpu/cpuidle/current_driver", name);
}

/* CPU 1 of bare metal: C6 takes long, C8 longer and is disabled. */
static void put_deep_states(void)
{
	put("/proc/cpuinfo", CPUINFO("vmx"));
	put_driver("intel_idle\n");
	put(CPU(1) "/cpuidle/state0/latency", "0\n");
	put(CPU(1) "/cpuidle/state0/name", "POLL\n");
	put(CPU(1) "/cpuidle/state1/latency", "2\n");
	put(CPU(1) "/cpuidle/state1/name", "C1\n");
	put(CPU(1) "/cpuidle/state2/latency", "133\n");
	put(CPU(1) "/cpuidle/state2/name", "C6\n");
	put(CPU(1) "/cpuidle/state2/disable", "0\n");
	put(CPU(1) "/cpuidle/state3/latency", "600\n");
	put(CPU(1) "/cpuidle/state3/name", "C8\n");
	put(CPU(1) "/cpuidle/state3/disable", "1\n");
}

/* Lcores sleep on CPUs @cpus, with that limit on CPU 1. */
static void look_at_wakes(uint64_t cpus, const char *limit)
{
	uint64_t set[DOCTOR_CPUS_MAX / 64] = {cpus};

	put(CPU(1) "/power/pm_qos_resume_latency_us", limit);
	d.nr = 0;
	doctor_look_at_wakes(&d, set);
}

Test(mgmt_doctor, advises_a_wake_latency_where_idle_states_are_deep)
{
	put_deep_states();
	look_at_wakes(2, "0\n");
	expect("wake-up", DOCTOR_WARN, "CPU 1 falls into C6 while its lcore sleeps");
	cr_expect(strstr(d.finding[0].found, "133 us"));
	cr_expect(strstr(d.finding[0].advice, "switch.wake_latency_us"));
	cr_expect(strstr(d.finding[0].advice, "power"));
	look_at_wakes(2, "200\n");
	expect("wake-up", DOCTOR_WARN, "C6");
}

Test(mgmt_doctor, is_content_with_a_limit_or_shallow_states)
{
	put_deep_states();
	look_at_wakes(2, "n/a\n");
	expect("wake-up", DOCTOR_OK, "the 1 CPU where");
	look_at_wakes(2, "100\n");
	expect("wake-up", DOCTOR_OK, "the 1 CPU where");
	look_at_wakes(4, "0\n"); /* CPU 2 shows no states */
	expect("wake-up", DOCTOR_OK, "the 1 CPU where");
	look_at_wakes(6, "5\n");
	expect("wake-up", DOCTOR_OK, "the 2 CPUs where");
}

Test(mgmt_doctor, advises_a_wake_latency_on_virtual_processors)
{
	put("/proc/cpuinfo", CPUINFO("hypervisor"));
	look_at_wakes(2, "0\n");
	expect("wake-up", DOCTOR_WARN, "CPU 1 is virtual");
	cr_expect(strstr(d.finding[0].advice, "host's CPU stays busy"));
	look_at_wakes(2, "5\n");
	expect("wake-up", DOCTOR_WARN, "CPU 1 is virtual");
	look_at_wakes(2, "n/a\n");
	expect("wake-up", DOCTOR_OK, "fast");
	put("/proc/cpuinfo", "no such lines\n");
	put_driver("haltpoll\n");
	look_at_wakes(2, "0\n");
	expect("wake-up", DOCTOR_WARN, "CPU 1 is virtual");
}

/* A guest with the processor's own states is like bare metal. */
Test(mgmt_doctor, believes_the_states_of_a_guest_that_enters_them_itself)
{
	put_deep_states();
	put("/proc/cpuinfo", CPUINFO("hypervisor"));
	look_at_wakes(2, "0\n");
	expect("wake-up", DOCTOR_WARN, "falls into C6");
	look_at_wakes(2, "5\n");
	expect("wake-up", DOCTOR_OK, "fast");
}

Test(mgmt_doctor, says_nothing_of_wakes_where_nobody_sleeps)
{
	put_deep_states();
	look_at_wakes(0, "0\n");
	cr_expect_eq(d.nr, 0);
}

Test(mgmt_doctor, cuts_what_is_too_long_and_takes_no_more_than_it_holds)
{
	char buf[8];

	put("/x", "0123456789\n");
	cr_assert(doctor_read(&d, "/x", buf, sizeof(buf)));
	cr_expect_str_eq(buf, "0123456");
	cr_expect_not(doctor_read(&d, "/nosuch", buf, sizeof(buf)));
	for (unsigned int i = 0; i < DOCTOR_MAX + 5; i++)
		doctor_say(&d, DOCTOR_OK, "x", NULL, "%u", i);
	cr_expect_eq(d.nr, DOCTOR_MAX);
}
