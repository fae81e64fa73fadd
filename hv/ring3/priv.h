/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the ring3 engine, on the worker's side. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "hv/ring3/shared.h"

struct r3_vp_host {
	int rd[R3_VP_NR], wr[R3_VP_NR]; /* both ends of each pipe */
	int kick;			/* eventfd, never seen by the stub */
	bool must_resume;		/* the VP's thread only */
};

struct r3_vm {
	char name[64];
	struct hv_engine_cfg cfg;
	struct hv_vp_start start; /* of VP 0 */
	int shared_fd;
	void *shared; /* r3_config, then a page a VP */
	size_t shared_len;
	int mem_fd[R3_REGIONS_MAX]; /* borrowed */
	struct r3_region mem[R3_REGIONS_MAX];
	unsigned int nr_mem;
	struct r3_vp_host vp[HV_VPS_MAX];
	int doorbell[HV_DOORBELLS_MAX];

	pthread_mutex_t halt_lock;
	pid_t pid; /* 0: none, or reaped */
	int pidfd;
	char death[160]; /* how it ended, once known; under halt_lock */
};

/* spawn.c, ctl.  Starts the stub and waits until it is sealed. 0 or -errno (text set). The process
 * dies with the calling thread. */
int r3_spawn(struct r3_vm *vm);

/* stub_blob.S, generated: the stub's ELF file. */
extern const uint8_t r3_stub_start[], r3_stub_end[];

/* hcpage.S: code of the hypercall page, position independent. */
extern const uint8_t r3_hcpage_start[], r3_hcpage_end[];
#define R3_HCPAGE_ONE 4080u /* u64 1 */
#define R3_HCPAGE_NR  4088u /* u64: relids 1..nr have a doorbell */
