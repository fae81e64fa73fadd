/* SPDX-License-Identifier: BSD-3-Clause */
/* An engine that runs nothing: it replays exits that a test gives it and records what libhv did to
 * it. For tests of everything above the engine. */
#pragma once

#include "hv/engine.h"

#define HV_SCRIPT_MAX	64u
#define HV_SCRIPT_LINES 80u /* fewer than real engines have, so that they run out */
#define HV_SCRIPT_MAPS	48u

/* An interrupt line of a device; vector 0: not plugged in. */
struct hv_script_line {
	bool is_used;
	int fd;
	unsigned int vp, vector;
	unsigned int nr_raised, raised_vp,
		raised_vector; /* how often, and where to the last time */
};

struct hv_script_map {
	uint64_t gpa, len; /* len 0: free */
	void *hva;
	bool is_readonly;
};

struct hv_script {
	/* From the test. */
	bool is_run; /* vp_run replays `exit`; without it vp_run only waits for a kick */
	const struct hv_exit *exit;
	unsigned int nr_exits;
	bool can_gp;
	unsigned int address_bits; /* what CPUID says; 0: as this machine has */
	bool is_linux;		   /* has the devices of a Linux partition; no kernel is loaded */
	bool is_bare;		   /* an engine that cannot assign devices */
	int line_error;		   /* what plugging in a line comes to; 0: it works */

	/* Recorded, all for VP 0 but starts and interrupts. */
	struct hv_vp_start start[HV_VPS_MAX];
	unsigned int nr_completed;
	uint64_t value[HV_SCRIPT_MAX];
	bool was_gp[HV_SCRIPT_MAX];
	unsigned int nr_irqs[HV_VPS_MAX];
	unsigned int last_vector[HV_VPS_MAX];
	unsigned int sint_vector[HV_VPS_MAX][HV_NR_SINTS];
	unsigned int nr_msis;
	uint64_t msi_address;
	uint32_t msi_data;
	struct hv_script_line line[HV_SCRIPT_LINES];
	struct hv_script_map map[HV_SCRIPT_MAPS];
	unsigned int nr_line_sets;
	int vfio_fd; /* attached last; -1: it was detached */
};

/* hv_partition_create_on() with @cfg. @s is borrowed. */
int hv_scripted_create_cfg(struct hv_partition **out, struct hv_script *s, const struct hv_cfg *cfg,
			   const struct hv_partition_ops *ops, void *ctx);

/* As hv_partition_create_on(), with 4 MiB of memory, no image and @nr_vps VPs. @s is borrowed. */
int hv_scripted_create(struct hv_partition **out, struct hv_script *s, unsigned int nr_vps,
		       const struct hv_partition_ops *ops, void *ctx);

/* What a kernel does by itself: raises all lines that are plugged in and whose eventfd was written. */
void hv_scripted_poll(struct hv_script *s);
