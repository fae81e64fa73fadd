/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits of CPUs' wake-up latency on a host made of files. An instance that was killed is one whose files
 * the kernel has closed. */
#include "mgmt/wake.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/support/scratch.h"

static char root[SCRATCH_PATH];
static struct wake w, other;
static const uint32_t cpus[] = {0, 1, 2, 3};

static void path_of(uint32_t cpu, char *buf, size_t size)
{
	snprintf(buf, size, "%s/sys/devices/system/cpu/cpu%u/power/pm_qos_resume_latency_us", root,
		 cpu);
}

static void make_dirs(const char *path)
{
	char part[512];

	snprintf(part, sizeof(part), "%s", path);
	for (char *s = part + strlen(root) + 1; (s = strchr(s, '/')); *s++ = '/') {
		*s = 0;
		mkdir(part, 0700);
	}
}

static void put(uint32_t cpu, const char *text)
{
	char path[512];
	int fd;

	path_of(cpu, path, sizeof(path));
	make_dirs(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(dprintf(fd, "%s\n", text), (int)strlen(text) + 1);
	close(fd);
}

static void expect(uint32_t cpu, const char *want)
{
	char path[512], got[32] = "";
	int fd;

	path_of(cpu, path, sizeof(path));
	fd = open(path, O_RDONLY);
	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_gt(read(fd, got, sizeof(got) - 1), 0);
	close(fd);
	got[strcspn(got, "\n")] = 0;
	cr_expect_str_eq(got, want, "CPU %u: %s, not %s", cpu, got, want);
}

static void expect_nothing_left(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/run/nethv", root);
	cr_expect_eq(access(path, F_OK), -1, "%s is still there", path);
}

static void get_killed(struct wake *who)
{
	for (unsigned int i = 0; i < who->nr; i++)
		close(who->held[i].fd);
	who->nr = 0;
}

static void setup(void)
{
	char run[512];

	scratch_dir(root, "wake");
	snprintf(run, sizeof(run), "%s/run/", root);
	make_dirs(run);
	w.root = other.root = root;
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		put(cpu, "0");
}

static void teardown(void)
{
	get_killed(&w);
	get_killed(&other);
	scratch_remove(root);
}

TestSuite(mgmt_wake, .init = setup, .fini = teardown, .timeout = 60);

Test(mgmt_wake, limits_these_cpus_and_puts_back_what_was_there)
{
	put(2, "100");
	wake_limit(&w, &cpus[1], 2, 0);
	expect(0, "0");
	expect(1, "n/a");
	expect(2, "n/a");
	wake_end(&w);
	expect(1, "0");
	expect(2, "100");
	expect_nothing_left();
}

Test(mgmt_wake, writes_microseconds_but_never_loosens)
{
	put(1, "n/a");
	put(2, "20");
	put(3, "21");
	wake_limit(&w, cpus, 4, 20);
	expect(0, "20");
	expect(1, "n/a");
	expect(2, "20");
	expect(3, "20");
	wake_end(&w);
	expect(0, "0");
	expect(1, "n/a");
	expect(2, "20");
	expect(3, "21");
}

Test(mgmt_wake, follows_a_restarted_switch_to_other_cpus)
{
	wake_limit(&w, &cpus[0], 2, 0);
	wake_limit(&w, &cpus[1], 2, 0);
	cr_expect_eq(w.nr, 2);
	expect(0, "0");
	expect(1, "n/a");
	expect(2, "n/a");
	wake_end(&w);
	expect_nothing_left();
}

Test(mgmt_wake, does_not_take_what_a_killed_instance_left_for_the_operators)
{
	put(1, "100");
	wake_limit(&w, &cpus[1], 1, 0);
	get_killed(&w);
	expect(1, "n/a");
	wake_limit(&w, &cpus[1], 1, 50);
	expect(1, "50");
	wake_end(&w);
	expect(1, "100");
	expect_nothing_left();
}

Test(mgmt_wake, sweeps_what_killed_instances_left_and_nothing_else)
{
	wake_limit(&w, &cpus[0], 2, 0);
	wake_limit(&other, &cpus[2], 1, 0);
	get_killed(&w);
	wake_sweep(root);
	expect(0, "0");
	expect(1, "0");
	expect(2, "n/a");
	wake_end(&other);
	expect(2, "0");
	expect_nothing_left();
	wake_sweep(root);
	expect_nothing_left();
}

Test(mgmt_wake, lets_two_instances_share_a_cpu)
{
	wake_limit(&w, &cpus[1], 1, 100);
	wake_limit(&other, &cpus[1], 1, 0);
	expect(1, "n/a");
	wake_end(&w);
	expect(1, "n/a");
	wake_end(&other);
	expect(1, "0");
	expect_nothing_left();
}

Test(mgmt_wake, puts_back_after_two_that_were_killed_and_after_one_of_two)
{
	wake_limit(&w, &cpus[1], 1, 100);
	wake_limit(&other, &cpus[1], 1, 0);
	get_killed(&w);
	wake_sweep(root);
	expect(1, "n/a");
	get_killed(&other);
	wake_sweep(root);
	expect(1, "0");
}

Test(mgmt_wake, leaves_alone_what_somebody_else_has_written_meanwhile)
{
	wake_limit(&w, &cpus[0], 2, 0);
	put(0, "7");
	wake_end(&w);
	expect(0, "7");
	expect(1, "0");
	wake_limit(&w, &cpus[1], 1, 0);
	get_killed(&w);
	put(1, "8");
	wake_sweep(root);
	expect(1, "8");
	expect_nothing_left();
}

/* It was killed between its note and its write. */
Test(mgmt_wake, knows_a_note_that_was_not_carried_out)
{
	wake_limit(&w, &cpus[1], 1, 0);
	get_killed(&w);
	put(1, "0");
	wake_limit(&w, &cpus[1], 1, 30);
	expect(1, "30");
	wake_end(&w);
	expect(1, "0");
}

Test(mgmt_wake, goes_on_where_a_kernel_has_no_such_file)
{
	static const uint32_t some[] = {9, 1};

	wake_limit(&w, some, 2, 0);
	cr_expect_eq(w.nr, 1);
	expect(1, "n/a");
	wake_end(&w);
	expect(1, "0");
	expect_nothing_left();
}

Test(mgmt_wake, does_nothing_that_it_could_not_undo)
{
	char run[512];

	snprintf(run, sizeof(run), "%s/run", root);
	cr_assert_eq(rmdir(run), 0);
	wake_limit(&w, &cpus[1], 1, 0);
	cr_expect_eq(w.nr, 0);
	expect(1, "0");
	wake_end(&w);
	wake_sweep(root);
}
