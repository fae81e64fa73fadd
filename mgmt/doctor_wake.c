/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of the doctor that looks from which idle states sleeping lcores are woken. It reads files only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/doctor.h"

#define CPU_DIR "/sys/devices/system/cpu"

/* An idle state that takes longer to leave is worth a word. C1 and its like take less. */
#define LONG_US 20u

struct idle_state {
	char name[32];
	unsigned long us; /* to leave it */
};

/* Whether the CPU's PM QoS limit lets it into states that take @us to leave. */
static bool permits(const struct doctor *d, unsigned int cpu, unsigned long us)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), CPU_DIR "/cpu%u/power/pm_qos_resume_latency_us", cpu);
	if (!doctor_read(d, path, text, sizeof(text)) || !strcmp(text, "0"))
		return true;
	return strcmp(text, "n/a") != 0 && strtoul(text, NULL, 10) >= us;
}

static bool read_state(const struct doctor *d, unsigned int cpu, unsigned int i,
		       struct idle_state *out)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), CPU_DIR "/cpu%u/cpuidle/state%u/latency", cpu, i);
	if (!doctor_read(d, path, text, sizeof(text)))
		return false;
	out->us = strtoul(text, NULL, 10);
	snprintf(path, sizeof(path), CPU_DIR "/cpu%u/cpuidle/state%u/disable", cpu, i);
	if (doctor_read(d, path, text, sizeof(text)) && strcmp(text, "0") != 0)
		out->us = 0;
	snprintf(path, sizeof(path), CPU_DIR "/cpu%u/cpuidle/state%u/name", cpu, i);
	if (!doctor_read(d, path, out->name, sizeof(out->name)))
		snprintf(out->name, sizeof(out->name), "state %u", i);
	return true;
}

/* Of the states that are enabled and permitted. */
static struct idle_state deepest(const struct doctor *d, unsigned int cpu)
{
	struct idle_state found = {"", 0}, s;

	for (unsigned int i = 0; read_state(d, cpu, i, &s); i++)
		if (s.us > found.us && permits(d, cpu, s.us))
			found = s;
	return found;
}

/* Of a virtual processor: its halt goes to the host, whatever a driver says of it, unless the guest was given the
 * processor's own states, which intel_idle enters. */
static bool halts_in_host(const struct doctor *d)
{
	char driver[32] = "";

	doctor_read(d, CPU_DIR "/cpuidle/current_driver", driver, sizeof(driver));
	if (!strcmp(driver, "haltpoll"))
		return true;
	return strcmp(driver, "intel_idle") != 0 && doctor_has_flag(d, "hypervisor");
}

/* Whether there was something to say. */
static bool check_cpu(struct doctor *d, unsigned int cpu)
{
	struct idle_state s = deepest(d, cpu);

	if (halts_in_host(d) && permits(d, cpu, 1)) { /* any limit but 0 lets it halt */
		doctor_say(
			d, DOCTOR_WARN, "wake-up",
			"switch.wake_latency_us: 0 if that is too long; then the host's CPU stays "
			"busy without traffic, too, and takes power",
			"CPU %u is virtual: while its lcore sleeps the host takes it away, and a "
			"first frame waits up to 100 us or more",
			cpu);
		return true;
	}
	if (s.us < LONG_US)
		return false;
	doctor_say(d, DOCTOR_WARN, "wake-up",
		   "switch.wake_latency_us: 5 if that is too long; then idle CPUs take more power",
		   "CPU %u falls into %s while its lcore sleeps, and a first frame waits %lu us",
		   cpu, s.name, s.us);
	return true;
}

void doctor_look_at_wakes(struct doctor *d, const uint64_t cpus[DOCTOR_CPUS_MAX / 64])
{
	unsigned int n = 0;

	for (unsigned int cpu = 0; cpu < DOCTOR_CPUS_MAX; cpu++) {
		if (!(cpus[cpu / 64] >> (cpu % 64) & 1))
			continue;
		n++;
		if (check_cpu(d, cpu))
			return; /* the others are mostly alike */
	}
	if (n)
		doctor_say(d, DOCTOR_OK, "wake-up", NULL,
			   "fast on the %u CPU%s where lcores may sleep", n, n == 1 ? "" : "s");
}
