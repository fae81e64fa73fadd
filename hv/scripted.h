/* SPDX-License-Identifier: BSD-3-Clause */
/* An engine that runs nothing: it replays exits that a test gives it and records what libhv did to
 * it. For tests of everything above the engine. */
#pragma once

#include "hv/engine.h"

#define HV_SCRIPT_MAX 64u

struct hv_script {
	/* From the test. */
	bool is_run; /* vp_run replays `exit`; without it vp_run only waits for a kick */
	const struct hv_exit *exit;
	unsigned int nr_exits;
	bool can_gp;
	unsigned int address_bits; /* what CPUID says; 0: as this machine has */
	bool is_linux;		   /* has the devices of a Linux partition; no kernel is loaded */

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
};

/* hv_partition_create_on() with @cfg. @s is borrowed. */
int hv_scripted_create_cfg(struct hv_partition **out, struct hv_script *s, const struct hv_cfg *cfg,
			   const struct hv_partition_ops *ops, void *ctx);

/* As hv_partition_create_on(), with 4 MiB of memory, no image and @nr_vps VPs. @s is borrowed. */
int hv_scripted_create(struct hv_partition **out, struct hv_script *s, unsigned int nr_vps,
		       const struct hv_partition_ops *ops, void *ctx);
