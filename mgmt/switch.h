/* SPDX-License-Identifier: BSD-3-Clause */
/* nethv-switch, private to mgmt/switch*.c: DPDK, the switch, its adapters and uplinks. The main
 * thread is ctl. */
#pragma once

#include <stdbool.h>

#include "mgmt/child.h"
#include "mgmt/config_diff.h"
#include "netvsp/netvsp.h"
#include "vmq/vmq.h"
#include "vswitch/ext/ext.h"
#include "vswitch/uplink.h"
#include "vswitch/vswitch.h"

/* An extension that a restarted switch could not load again: the switch goes on without it. */
struct sw_missing {
	char name[MGMT_EXT_NAME_MAX + 1];
	char why[512];
};

struct sw {
	struct child child;
	struct vsw_stats *stats;
	struct vsw *vsw;
	struct netvsp *netvsp;
	struct vsw_uplink *uplink[MGMT_UPLINKS_MAX];
	struct vmq *vmq[MGMT_UPLINKS_MAX]; /* beside uplink; NULL: none */
	struct vsw_see *see;
	struct see_server *see_server;
	struct sw_missing missing[MGMT_EXTS_MAX];
	unsigned int nr_missing;
	uint32_t cpu[VSW_LCORES_MAX]; /* of each poll lcore */
	unsigned int nr_lcores;
	bool has_eal;
	bool is_held; /* restarted: lcores start when the supervisor says that all are back */
	int link_fd;
	int hold_fd;
	struct loop_src link_src, backend_src, event_src, hold_src;
};

/* switch_eal.c.  ctl. Chooses CPUs and starts the EAL. 0 or -errno (text set). Poll lcores get the ids
 * 1..nr_lcores, the main thread is lcore 0 and is not pinned. */
int sw_eal_start(struct sw *sw);

/* ctl.  Before sw_eal_start(): DPDK's own log lines are kept for messages, or logged. */
int sw_eal_capture_log(void);
void sw_eal_log_on(void); /* the start is over: log them */
const char *sw_eal_last_line(void);

/* switch_change.c.  ctl. Makes of the present configuration the one in @config, or changes nothing.
 * *@result: what was changed. 0 or -errno (text set). */
int sw_configure(struct sw *sw, const json_t *config, json_t **result);

/* switch_nics.c.  ctl. 0 or -errno (text set). */
void sw_nic_name(char out[32], const struct mgmt_partition *part, const struct mgmt_nic *nic);
int sw_nic_make(struct sw *sw, const struct mgmt_partition *part, const struct mgmt_nic *nic);
int sw_nic_apply(struct sw *sw, const struct mgmt_change *c);
void sw_nic_undo(struct sw *sw, const struct mgmt_change *c);

/* switch_vmq.c.  ctl. Before and after the uplink is made. 0 or -errno (text set). */
int sw_vmq_begin(struct sw *sw, uint32_t i, struct vsw_uplink_cfg *cfg);
void sw_vmq_attach(struct sw *sw, uint32_t i);
void sw_vmq_destroy(struct sw *sw); /* before the adapters are; with the uplinks */
/* An adapter came, or has other keys of vmq; it goes. Whether it gets queues is in the status. */
void sw_vmq_nic(struct sw *sw, const struct mgmt_partition *part, const struct mgmt_nic *nic);
void sw_vmq_nic_gone(struct sw *sw, const struct mgmt_partition *part, const struct mgmt_nic *nic);
json_t *sw_vmq_json(const struct sw *sw);

/* switch_policy.c.  ctl. The policies of all ports and the mirrors. 0 or -errno (text set). */
int sw_policies_make(struct sw *sw);
/* A change towards @next, or back to the present configuration. */
int sw_policy_apply(struct sw *sw, const struct mgmt_change *c, const struct mgmt_cfg *next);

/* switch_overlay.c.  ctl. The overlay of @cfg in place of the present one. 0 or -errno (text set). */
int sw_overlay_set(struct sw *sw, const struct mgmt_cfg *cfg);

/* The number of the port of that name, or -ENOENT (text set). */
int sw_port_number(const struct sw *sw, const char *name);

/* switch_exts.c.  ctl. The extensions of the configuration, after the ports. 0 or -errno (text set). */
int sw_exts_make(struct sw *sw);
/* A change towards @next; what was done is added to @done. */
int sw_ext_apply(struct sw *sw, const struct mgmt_change *c, const struct mgmt_cfg *next,
		 json_t *done);
void sw_ext_undo(struct sw *sw, const struct mgmt_change *c);
/* After a change was made: which ones are still missing, and in which places those in @done are. */
void sw_exts_settle(struct sw *sw, json_t *done);

/* switch_ext_status.c.  ctl. All extensions, with @is_whole everything there is about them. New reference. */
json_t *sw_exts_json(struct sw *sw, bool is_whole);
/* Answers "ext_status": of the one {name}, or of all. */
int sw_ext_status(struct sw *sw, json_t *params, json_t **result);
const char *sw_ext_class_word(uint32_t cls);

/* switch_fault.c.  ctl. SIGBUS names the memory that faulted, then ends the process as usual. */
void sw_fault_install(void);

/* switch_status.c.  ctl. New reference. */
json_t *sw_status_json(struct sw *sw);

/* any.  The word of a poll mode, as in the configuration. */
const char *sw_poll_word(enum vsw_poll_mode mode);
