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
