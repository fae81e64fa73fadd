/* SPDX-License-Identifier: BSD-3-Clause */
/* A supervisor that hands out VFs of a host that is made up: one PF with eight VFs. The test plays the client,
 * the switch and the workers. */
#pragma once

#include "mgmt/sup_vf_priv.h"
#include "tests/support/fakepf.h"

struct supvf {
	struct fake_host h;
	struct fake_pf *fake;
	struct sriov_nl_ops nl_ops;
	struct sup *sup;
	struct rpc_conn client, sw, worker[2]; /* the test's ends */
};

extern struct supvf supvf;
extern const struct mgmt_host supvf_cpus; /* four processors */

/* Addresses of p/0 and q/0, which ask for a VF, and of q/1, which does not. */
extern const uint8_t supvf_mac_p[6], supvf_mac_q[6], supvf_mac_r[6];

#define SUPVF_UPLINK(more) \
	"uplinks: [{name: u, devargs: net_null0, pf: pf0, vlan: {mode: trunk}" more "}]\n"

void supvf_play(struct proc *p, struct rpc_conn *end);
/* An instance with these uplinks (SUPVF_UPLINK). */
void supvf_begin(const char *uplink);
/* Of suites. */
void supvf_setup(void);
/* The instance ends; the host stays. */
void supvf_end(void);
void supvf_teardown(void);
bool supvf_next(struct rpc_conn *c, struct rpc_msg *m);
const char *supvf_text_of(const struct rpc_msg *m, const char *key);
/* What arrives at the supervisor from the worker of partition @w. */
void supvf_deliver(int w, json_t *o, enum rpc_kind kind);
void supvf_worker_up(int w);
void supvf_switch_is_ready(void);
void supvf_worker_dies(int w);
void supvf_said(int w, const char *nic, const char *state);
void supvf_said_why(int w, const char *nic, const char *state, const char *why);
/* The worker was asked for @method, and answers; @error may be NULL. Returns the serial. */
uint32_t supvf_worker_answers(int w, const char *method, const char *error);
/* Asks for the path; returns whether the answer was yes. */
bool supvf_asks_path(int w, const char *nic, bool is_vf);
struct vf_nic *supvf_nic(const char *name);
void supvf_expect_state(const char *name, enum vfm_state state);
/* Up to PATH_VF. */
void supvf_bring_up(int w, const char *name);
/* All that is due now or later. */
void supvf_time_passes(void);
/* The switch was asked to take the configuration, and does. */
void supvf_switch_says_yes(void);
void supvf_ask(int id, const char *method, const char *params);
/* The answer to @id; the caller releases it. */
json_t *supvf_result_of(int id);
void supvf_expect_error(int id, const char *part);
bool supvf_has_answer(void);
void supvf_driver_of(unsigned int vf, char out[SRIOV_NAME_MAX]);
