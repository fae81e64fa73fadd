/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of the doctor that tries things: engines, devices, rights and limits of this process. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kvm.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hv/hv.h"
#include "mgmt/cli.h"
#include "mgmt/config.h"
#include "mgmt/control.h"
#include "mgmt/doctor.h"
#include "mgmt/preflight.h"

static void check_engine(struct doctor *d)
{
	struct hv_engine_report r;

	hv_engine_probe(HV_ENGINE_AUTO, &r);
	if (r.kind == HV_ENGINE_KVM)
		doctor_say(d, DOCTOR_OK, "engine", NULL, "%s", r.text);
	else
		doctor_say(d, DOCTOR_BAD, "engine",
			   "Linux partitions need engine kvm: a /dev/kvm that can run guests, and "
			   "the right to open it",
			   "%s", r.text);
}

static void check_synic(struct doctor *d)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return; /* said by the engine */
	if (ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV_SYNIC2) > 0)
		doctor_say(d, DOCTOR_OK, "SynIC", NULL, "KVM has one of its own");
	else
		doctor_say(d, DOCTOR_WARN, "SynIC",
			   "a kernel with CONFIG_KVM_HYPERV saves exits on interrupts and timers",
			   "KVM has none: nethv's own is used");
	close(fd);
}

static void check_cpus(struct doctor *d)
{
	cpu_set_t set;
	int n;

	CPU_ZERO(&set);
	n = sched_getaffinity(0, sizeof(set), &set) ? 0 : CPU_COUNT(&set);
	if (n >= 4)
		doctor_say(d, DOCTOR_OK, "CPUs", NULL, "%d may be used", n);
	else
		doctor_say(d, DOCTOR_WARN, "CPUs",
			   "give the switch and each busy VP a CPU of its own",
			   "%d may be used: switch and guests take turns, latencies become time "
			   "slices",
			   n);
}

static void check_memlock(struct doctor *d)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_MEMLOCK, &lim))
		return;
	if (lim.rlim_cur == RLIM_INFINITY || preflight_has_cap(CAP_IPC_LOCK))
		doctor_say(d, DOCTOR_OK, "locked memory", NULL, "no limit");
	else
		doctor_say(d, DOCTOR_WARN, "locked memory", "ulimit -l unlimited, or run as root",
			   "at most %llu KiB: devices by VFIO cannot be used",
			   (unsigned long long)lim.rlim_cur >> 10);
}

static void check_tap(struct doctor *d)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		doctor_say(d, DOCTOR_WARN, "TAP", "modprobe tun, or give the container the device",
			   "/dev/net/tun: %s: no TAP uplinks", strerror(errno));
		return;
	}
	close(fd);
	if (preflight_has_cap(CAP_NET_ADMIN))
		doctor_say(d, DOCTOR_OK, "TAP", NULL, "can be made");
	else
		doctor_say(d, DOCTOR_WARN, "TAP", "run nethv as root for TAP uplinks",
			   "needs root (CAP_NET_ADMIN)");
}

static void check_netns(struct doctor *d)
{
	if (preflight_has_cap(CAP_SYS_ADMIN))
		doctor_say(d, DOCTOR_OK, "namespaces", NULL, "can be entered");
	else
		doctor_say(d, DOCTOR_WARN, "namespaces", "run nethv as root for uplinks with netns",
			   "entering a network namespace needs root (CAP_SYS_ADMIN)");
}

static void add_cpu(uint64_t cpus[DOCTOR_CPUS_MAX / 64], json_int_t cpu)
{
	if (cpu >= 0 && cpu < DOCTOR_CPUS_MAX)
		cpus[cpu / 64] |= 1ull << (cpu % 64);
}

static void add_sleepers(uint64_t cpus[DOCTOR_CPUS_MAX / 64], json_t *status)
{
	json_t *lcore;
	size_t i;

	if (!strcmp(js(status, "switch.poll"), "busy"))
		return;
	json_array_foreach(jo(status, "switch.lcores"), i, lcore) add_cpu(cpus, ji(lcore, "cpu"));
}

/* Where lcores of running instances sleep; without any, where one would by default. */
static void check_wakes(struct doctor *d)
{
	struct control_instance all[CONTROL_INSTANCES_MAX];
	uint64_t cpus[DOCTOR_CPUS_MAX / 64] = {0};
	unsigned int n = control_list(all);
	struct mgmt_host host;
	json_t *status;

	mgmt_host_get(&host, "");
	if (!n)
		add_cpu(cpus, mgmt_host_last_cpu(&host));
	for (unsigned int i = 0; i < n; i++) {
		if (cli_status(all[i].name, &status))
			continue;
		add_sleepers(cpus, status);
		json_decref(status);
	}
	doctor_look_at_wakes(d, cpus);
}

void doctor_look_at_rights(struct doctor *d)
{
	check_engine(d);
	check_synic(d);
	check_cpus(d);
	check_memlock(d);
	check_tap(d);
	check_netns(d);
	check_wakes(d);
}
