/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv doctor`: what on this host limits performance or function, in plain words. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOCTOR_MAX	40u
#define DOCTOR_CPUS_MAX 1024u

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_BAD };

struct doctor_finding {
	enum doctor_level level;
	const char *what;
	char found[320];
	char advice[240]; /* "": nothing to do */
};

struct doctor {
	const char *root; /* put before /proc, /sys and the like; "" but in tests */
	struct doctor_finding finding[DOCTOR_MAX];
	unsigned int nr;
};

/* ctl.  Adds a finding; @advice NULL: none. */
void doctor_say(struct doctor *d, enum doctor_level level, const char *what, const char *advice,
		const char *found, ...) __attribute__((format(printf, 5, 6)));

/* ctl.  The file's text without the last newline, cut to @size. False when it cannot be read. */
bool doctor_read(const struct doctor *d, const char *path, char *buf, size_t size);

/* any.  Whether the processor has that flag, as /proc/cpuinfo says. */
bool doctor_has_flag(const struct doctor *d, const char *flag);

/* doctor_host.c.  ctl. What files below root say: processor, memory, clocks, isolation, drivers. */
void doctor_look_at_files(struct doctor *d);
/* doctor_wake.c.  ctl. Of a bit per CPU on which an lcore sleeps: how long it takes to wake there. */
void doctor_look_at_wakes(struct doctor *d, const uint64_t cpus[DOCTOR_CPUS_MAX / 64]);
/* doctor_live.c.  ctl. What must be tried: engines, devices, rights, limits. */
void doctor_look_at_rights(struct doctor *d);
