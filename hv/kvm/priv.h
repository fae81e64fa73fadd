/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the kvm engine: one VM, its VPs, its interrupt lines. */
#pragma once

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "hv/engine.h"

#define KVM_REGIONS_MAX 8u
#define KVM_DEV_SLOTS	256u /* memory slots of devices, from KVM_REGIONS_MAX on */
#define KVM_PINS	24u /* of the I/O APIC in the worker; then come the VPs' SINT lines, then ... */
#define KVM_LINE_GSI	(KVM_PINS + HV_VPS_MAX) /* ... those of devices */
#define KVM_MSI_BASE	0xfee00000ull
#define KVM_APIC_SHIFT	12
#define KVM_STATS_NAMES 9
#define KVM_MSR_HWCR	0xc0010015u

/* What the last exit still needs when the VP goes on. */
enum kvm_owed { OWED_NOTHING, OWED_IO, OWED_MMIO, OWED_MSR, OWED_RAX, OWED_R9 };

struct kvm_vp {
	int fd;
	struct kvm_run *run;
	int sint_fd;   /* eventfd, irqfd of its SINT line */
	bool has_line; /* the irqfd is assigned */
	unsigned int vector;
	atomic_bool is_kicked, is_inside; /* inside: in KVM_RUN, or about to be */
	_Atomic pthread_t thread;
	atomic_bool has_thread;
	/* The VP's own thread. */
	enum kvm_owed owed;
	uint32_t io_done; /* of a string I/O exit: elements handed out so far; 0: none is open */
	struct kvm_regs regs;
	/* KVM's statistics: fd, and where each of ours stands in it; 0: not there. */
	int stats_fd;
	uint64_t stats_at[KVM_STATS_NAMES];
};

struct kvm_mem {
	uint64_t gpa, len;
	uint8_t *hva;
};

/* Of an assigned device. The route stays when it is unplugged. */
struct kvm_line {
	bool is_used, is_bound; /* bound: the irqfd is assigned */
	int fd;
	unsigned int vp, vector; /* the route; vector 0: none */
};

struct kvm_vm {
	char name[64];
	struct hv_engine_cfg cfg;
	int kvm, fd;
	int run_len;
	bool has_synic; /* KVM's own is in use */
	bool has_tsc;	/* guest TSC = host TSC */
	unsigned int nr_mem;
	struct kvm_mem mem[KVM_REGIONS_MAX];
	struct kvm_vp vp[HV_VPS_MAX];
	int doorbell[HV_DOORBELLS_MAX]; /* by relid - 1 */
	struct kvm_cpuid2 *cpuid;	/* template; APIC ids are filled in for each VP */
	atomic_bool is_halted;

	pthread_mutex_t lock; /* lines and routing, up to the blank line */
	struct kvm_irq_routing *routes;
	unsigned int nr_lines; /* lines from here on are not used */
	struct kvm_line line[HV_LINES_MAX];

	pthread_mutex_t dev_lock; /* memory and VFIO of devices */
	struct kvm_mem dev_mem[KVM_DEV_SLOTS];
	int vfio; /* KVM's own VFIO device, or -1 */
};

/* engine.c.  ctl.  Host address of guest memory, or NULL. */
void *kvm_hva(const struct kvm_vm *vm, uint64_t at, uint64_t len);

/* cpuid.c, ctl.  The table that every VP starts from. */
int kvm_cpuid_build(struct kvm_vm *vm);
/* ctl.  Gives it to a VP, with that VP's APIC id. */
int kvm_cpuid_set(struct kvm_vm *vm, unsigned int vp);
/* any.  As hv_engine_ops.cpuid. */
unsigned int kvm_cpuid_table(void *vm, struct nethv_cpuid *table, unsigned int max);

/* start.c, ctl.  Registers, page tables and descriptor tables of a VP that begins. */
int kvm_vp_start(struct kvm_vm *vm, unsigned int vp, const struct hv_vp_start *start);

/* run.c */
int kvm_vp_run(void *vm, unsigned int vp, struct hv_exit *ex);
void kvm_vp_complete(void *vm, unsigned int vp, uint64_t value, enum hv_complete how);
void kvm_vp_kick(void *vm, unsigned int vp);
void kvm_vm_halt(void *vm);
int kvm_kick_signal_install(void); /* ctl */

/* irq.c */
int kvm_irq_create(struct kvm_vm *vm); /* ctl.  SINT lines, doorbells; after all VPs exist */
void kvm_irq_destroy(struct kvm_vm *vm);
void kvm_irq(void *vm, unsigned int vp, unsigned int vector);
void kvm_msi(void *vm, uint64_t address, uint32_t data);
int kvm_sint_fd(void *vm, unsigned int vp, unsigned int sint);
void kvm_sint_set(void *vm, unsigned int vp, unsigned int sint, unsigned int vector);
int kvm_doorbell(void *vm, unsigned int relid);
void kvm_hypercall_page(void *vm, uint8_t page[4096]);
int kvm_line_create(void *vm, int fd);
void kvm_line_destroy(void *vm, unsigned int line);
int kvm_line_set(void *vm, unsigned int line, unsigned int vp, unsigned int vector);

/* device.c */
int kvm_dev_map(void *vm, uint64_t gpa, void *hva, uint64_t len, bool is_readonly);
int kvm_dev_unmap(void *vm, uint64_t gpa, uint64_t len);
int kvm_vfio_attach(void *vm, int fd);
void kvm_vfio_detach(void *vm, int fd);

/* msr.c */
int kvm_msr_filter(struct kvm_vm *vm);			     /* ctl.  Which MSRs are the worker's */
int kvm_msr_start(const struct kvm_vm *vm, unsigned int vp); /* ctl */
/* vcpu.  True when the MSR exit in @run is answered: none of the partition's business. */
bool kvm_msr_answer(const struct kvm_vm *vm, struct kvm_run *run);
void kvm_synic_msr(void *vm, unsigned int vp, uint32_t msr, uint64_t value); /* vcpu */
uint64_t kvm_ref_time(void *vm);					     /* any */

/* stats.c */
void kvm_stats_open(struct kvm_vp *vp); /* ctl.  Nothing happens on a kernel without them */
void kvm_stats_read(const struct kvm_vp *vp, struct hv_vp_stats *out); /* any */
