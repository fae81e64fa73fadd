/* SPDX-License-Identifier: BSD-3-Clause */
/* What the worker and the stub of a ring3 partition share: address map, fd numbers, one page of
 * configuration and one for each VP. The stub runs with the guest's privilege, so the worker
 * treats all that the stub can write here as guest input. */
#pragma once

#include <stdint.h>

#include "hv/engine.h"

/* The stub's corner of the address space; everything else but guest memory is unmapped. */
#define R3_STUB_BASE   0x7e0000000000ull /* hv/meson.build links it there */
#define R3_STUB_END    0x7e0000100000ull
#define R3_SHARED_BASE 0x7e0001000000ull
#define R3_STACK_BASE  0x7e0002000000ull
#define R3_STACK_SIZE  0x10000ull /* one a VP, aligned to its size: VP struct at its base */
#define R3_GUEST_END   R3_STUB_BASE
#define R3_TASK_SIZE   0x7ffffffff000ull

/* Fd numbers in the stub. The first block is closed before the guest runs; every other is one that
 * the guest may read and write as it likes. */
enum {
	R3_FD_SHARED = 0,
	R3_FD_MEM = 1, /* + region */
	R3_FD_EXEC = 9,
	R3_FD_KEEP = 16,
	R3_FD_VPS = R3_FD_KEEP,
	R3_FD_DOORBELLS = R3_FD_VPS + 4 * HV_VPS_MAX, /* + relid - 1 */
	R3_FD_END = R3_FD_DOORBELLS + HV_DOORBELLS_MAX,
};
#define R3_REGIONS_MAX 8u

enum r3_vp_fd {
	R3_VP_EXIT,   /* stub writes: an exit record is there */
	R3_VP_RESUME, /* stub reads, blocking: go on */
	R3_VP_SINT,   /* O_ASYNC pipe of HV_SINT_VMBUS */
	R3_VP_AUX,    /* O_ASYNC pipe: look at `vectors` */
	R3_VP_NR
};

static inline int r3_vp_fd(unsigned int vp, enum r3_vp_fd which)
{
	return R3_FD_VPS + (int)vp * R3_VP_NR + (int)which;
}

enum r3_stage {
	R3_STAGE_START,
	R3_STAGE_PARENT, /* the parent died meanwhile */
	R3_STAGE_MAP,
	R3_STAGE_STACKS,
	R3_STAGE_SIGNALS,
	R3_STAGE_THREAD,
	R3_STAGE_VP,
	R3_STAGE_UNMAP,
	R3_STAGE_SECCOMP,
	R3_STAGE_READY,
};

struct r3_region {
	uint64_t gpa, len;
};

struct r3_config {
	uint32_t nr_vps;
	uint32_t nr_regions;
	uint32_t want_cpuid_fault;
	int32_t parent_pid;
	uint64_t boot_gpa;
	uint64_t entry;
	uint64_t area_base; /* VP n: + n * NETHV_VP_AREA */
	struct r3_region region[R3_REGIONS_MAX];
	/* From the stub. */
	uint32_t stage; /* enum r3_stage */
	int32_t error;	/* errno that ended the stage */
	uint32_t has_cpuid_fault;
};

enum r3_vp_state { R3_VP_RUNNING, R3_VP_EXITED };

struct r3_vp {
	/* From the stub. */
	struct hv_exit exit;
	uint32_t state; /* enum r3_vp_state, stored last */
	uint32_t reserved;
	uint64_t traps, irq_signals, injected, halts;
	/* From the worker. */
	_Alignas(64) uint64_t value; /* completion of the exit */
	uint32_t sint_vector;	     /* of HV_SINT_VMBUS; 0: masked */
	uint64_t vectors[4];	     /* raised, by vector; taken by the stub */
};

#define R3_PAGE 4096u

static inline struct r3_vp *r3_vp_page(void *shared, unsigned int vp)
{
	return (struct r3_vp *)((uint8_t *)shared + R3_PAGE * (vp + 1));
}

_Static_assert(sizeof(struct r3_config) <= R3_PAGE, "a page");
_Static_assert(sizeof(struct r3_vp) <= R3_PAGE, "a page");
