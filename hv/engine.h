/* SPDX-License-Identifier: BSD-3-Clause */
/* The line between libhv and what runs guest code. An engine knows memory, VPs, traps and
 * interrupt vectors; SynIC, MSRs, hypercalls and timers lie above it and are the same for all.
 *
 * Life: vm_create -> mem_map, vp_create (any number) -> vm_seal -> vp_run .. -> vm_destroy.
 * vp_run and vp_complete of one VP belong to one thread. Device assignment (hv/device.h) has operations
 * of its own, after vm_seal; an engine without them leaves all of those NULL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/hv.h"

#define HV_EXIT_BYTES 15u
#define HV_LINES_MAX  1024u /* of devices, in a VM */

struct hv_exit {
	uint32_t kind; /* enum hv_exit_kind; checked by the reader, a ring3 guest can forge it */
	uint32_t msr;
	uint64_t rip;	       /* of the instruction, where known */
	uint64_t value;	       /* WRMSR, IO out, MMIO write: data; FAULT: CR2 */
	uint64_t gpa;	       /* MMIO */
	uint64_t rcx, rdx, r8; /* HYPERCALL */
	uint16_t port;
	uint8_t size;	/* IO: 1, 2, 4; MMIO: 1, 2, 4, 8 */
	uint8_t is_out; /* IO out, MMIO write */
	uint32_t trap;	/* FAULT: x86 exception number */
	uint32_t error; /* FAULT: its error code */
	uint8_t nr_bytes;
	uint8_t bytes[HV_EXIT_BYTES]; /* FAULT: the instruction */
};

/* How a VP begins. */
enum hv_start_kind {
	HV_START_IMAGE, /* nethv/abi/boot.h: 64-bit, RDI = boot_gpa, RSI = VP index, stack, GS */
	HV_START_LINUX, /* Linux 64-bit boot protocol: identity map, RSI = boot_gpa (boot_params) */
	HV_START_PVH,	/* PVH: 32-bit protected mode without paging, EBX = boot_gpa */
	HV_START_SIPI,	/* waits for INIT and SIPI of another VP */
};

struct hv_vp_start {
	enum hv_start_kind kind;
	uint64_t entry;
	uint64_t boot_gpa;
	uint64_t area_gpa; /* IMAGE: NETHV_VP_AREA bytes. LINUX: HV_LINUX_START_BYTES of scratch for
			    * page tables and GDT, in RAM that the memory map calls reserved */
};

#define HV_LINUX_START_BYTES 0x8000u

struct hv_engine_cfg {
	const char *name;
	unsigned int nr_vps;
	unsigned int nr_doorbells;
	unsigned int flags; /* enum hv_cfg_flags */
	enum hv_synic_kind synic;
	bool has_tsc;  /* the host's TSC is good enough to be the guest's clock */
	bool is_linux; /* an unmodified kernel: a PC's interrupt controllers are wanted */
	uint64_t boot_gpa;
	void *arg; /* for test engines */
};

enum hv_complete {
	HV_COMPLETE_OK,
	HV_COMPLETE_GP, /* #GP in the guest; only engines with can_gp */
};

struct hv_engine_ops {
	const char *name;
	enum hv_engine_kind kind;
	bool can_gp;	     /* a refused MSR access can become #GP */
	uint32_t boot_flags; /* enum nethv_boot_flags */
	uint32_t hints;	     /* HV_CPUID_HINTS, EAX */

	/* ctl.  0 or -errno (text set); *@vm is the engine's, freed by vm_destroy. */
	int (*vm_create)(void **vm, const struct hv_engine_cfg *cfg);
	void (*vm_destroy)(void *vm); /* ctl.  NULL is fine. No VP is in vp_run */
	/* ctl.  @fd is borrowed until vm_destroy. */
	int (*mem_map)(void *vm, uint64_t gpa, int fd, uint64_t off, uint64_t len);
	int (*vp_create)(void *vm, unsigned int vp, const struct hv_vp_start *start);
	int (*vm_seal)(void *vm); /* ctl.  Nothing will be added: make it ready to run */
	/* any.  No VP executes guest code any more when it returns. Idempotent. */
	void (*vm_halt)(void *vm);
	int (*vm_pid)(void *vm); /* any.  Process that runs the guest, 0: this one */
	/* any.  The CPUID leaves that the guest sees below 0x40000000 and above 0x4fffffff. Count. */
	unsigned int (*cpuid)(void *vm, struct nethv_cpuid *table, unsigned int max);
	/* Optional: an engine that keeps SynIC and timers itself, beside ours. NULL: it has neither. */
	/* any.  Whose SynIC it is, for people. */
	const char *(*synic_name)(void *vm);
	/* any.  Synthetic timers and reference time are the engine's. */
	bool (*has_timers)(void *vm);
	/* vcpu.  A SynIC register was written, and taken by ours. */
	void (*synic_msr)(void *vm, unsigned int vp, uint32_t msr, uint64_t value);
	uint64_t (*ref_time)(void *vm); /* any.  100 ns; used if has_timers() */

	/* any.  Writes the code of the hypercall page. */
	void (*hypercall_page)(void *vm, uint8_t page[4096]);

	/* vcpu.  Runs until an exit. 0, or -errno when the engine failed (text set). */
	int (*vp_run)(void *vm, unsigned int vp, struct hv_exit *ex);
	/* vcpu.  Result of the last RDMSR, IO in, MMIO read (value) or HYPERCALL (RAX); goes with the
	 * next run. */
	void (*vp_complete)(void *vm, unsigned int vp, uint64_t value, enum hv_complete how);
	void (*vp_kick)(void *vm, unsigned int vp); /* any.  This or the next vp_run returns INTR */

	/* any.  Raises a vector on a VP. */
	void (*irq)(void *vm, unsigned int vp, unsigned int vector);
	/* any.  Delivers an x86 MSI (I/O APIC, later devices). NULL where there is no APIC. */
	void (*msi)(void *vm, uint64_t address, uint32_t data);
	/* ctl.  fd that raises @sint with its vector of the moment; -EOPNOTSUPP where there is none. */
	int (*sint_fd)(void *vm, unsigned int vp, unsigned int sint);
	/* vcpu.  @vector 0: masked. Ordered before the caller's next look at the SynIC pages. */
	void (*sint_set)(void *vm, unsigned int vp, unsigned int sint, unsigned int vector);
	int (*doorbell)(void *vm, unsigned int relid); /* any.  eventfd; relid is in range */
	/* any.  Fills the engine's part of @out. */
	void (*vp_stats)(void *vm, unsigned int vp, struct hv_vp_stats *out);

	/* Optional: device assignment. All or none, all after vm_seal. Errors with text. */
	/* ctl, vcpu.  Memory of a device at @gpa; all page-aligned, @hva borrowed until the same range
	 * is unmapped. -EEXIST: something is there, -ENOSPC. */
	int (*dev_map)(void *vm, uint64_t gpa, void *hva, uint64_t len, bool is_readonly);
	/* ctl, vcpu.  No VP reaches it any more when it returns. -ENOENT unless mapped just so. */
	int (*dev_unmap)(void *vm, uint64_t gpa, uint64_t len);
	/* ctl.  A line that a write to @fd (an eventfd, borrowed) raises, not plugged in: what is written
	 * stays in the eventfd. Its number, < HV_LINES_MAX, or -errno. */
	int (*line_create)(void *vm, int fd);
	void (*line_destroy)(void *vm, unsigned int line); /* ctl.  Unplugs it */
	/* any.  It raises @vector (>= 16) on @vp from now on, first of all for what the eventfd holds.
	 * @vector 0: unplugged. After an error it is as before, or unplugged. */
	int (*line_set)(void *vm, unsigned int line, unsigned int vp, unsigned int vector);
	/* ctl.  The VM works with the device behind a VFIO group or device fd; holds it until detach. */
	int (*vfio_attach)(void *vm, int fd);
	void (*vfio_detach)(void *vm, int fd);
};

extern const struct hv_engine_ops hv_ring3_ops, hv_kvm_ops;
