/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be known before anything is started: rights, devices, memory, huge pages. */
#pragma once

#include "mgmt/config.h"

struct preflight {
	char memory[200]; /* a sentence on huge pages, for people */
};

/* ctl.  0, or -errno (text set: what is missing and what to do). Resolves hugepages: auto in @cfg
 * to yes or no. */
int preflight_check(struct mgmt_cfg *cfg, struct preflight *out);

/* ctl.  Resolves engine: auto, of the instance and of each partition, in @cfg. 0, or -errno (text set:
 * what an engine was wanted for and why this host has none). *@out: what the instance gets. */
int preflight_engines(struct mgmt_cfg *cfg, struct hv_engine_report *out);

/* any.  Whether this process has capability @cap (CAP_...). */
bool preflight_has_cap(unsigned int cap);
