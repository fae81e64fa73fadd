/* SPDX-License-Identifier: BSD-3-Clause */
/* libhv: partitions, virtual processors and what the TLFS promises a guest, over an engine.
 * It knows nothing of VMBus, of the switch or of any device.
 *
 * Life of a partition: hv_partition_create() (memory, image, engine; nothing runs) -> _start() ->
 * [ops->stopped()] -> _stop() -> _destroy(). The thread that creates a ring3 partition must outlive
 * it: the partition's process dies with that thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nethv/abi/boot.h>
#include <nethv/abi/hv.h>

struct gmem;
struct hv_partition;

#define HV_VPS_MAX	 64u
#define HV_DOORBELLS_MAX 256u
#define HV_DOORBELLS_DEF 64u

#define HV_LINUX_CMDLINE_MAX 2047u /* without the closing NUL; the kernel may take less */

enum hv_engine_kind { HV_ENGINE_AUTO, HV_ENGINE_KVM, HV_ENGINE_RING3 };

/* Who keeps a VP's SynIC. KVM's own needs a kernel with CONFIG_KVM_HYPERV; ours works on all. */
enum hv_synic_kind { HV_SYNIC_AUTO, HV_SYNIC_KVM, HV_SYNIC_NETHV };

enum hv_cfg_flags {
	HV_CFG_NO_CPUID_FAULT = 1u << 0, /* do without CPUID faulting even where it exists */
	HV_CFG_NO_HUGE = 1u << 1,	 /* do not try huge pages, and do not warn */
};

struct hv_cfg {
	const char *name;    /* object path for the log, such as "vm/echo"; copied */
	unsigned int nr_vps; /* 1..HV_VPS_MAX */
	uint64_t mem_bytes;  /* RAM for image and guest: a multiple of 2 MiB, at least 4 MiB */
	int numa_node;	     /* of its memory, -1: any; hv/place.h has the threads */
	enum hv_engine_kind engine;
	const char *image_path; /* ELF file; or NULL with ... */
	const void *image;	/* ... the same in memory (borrowed for the call) */
	size_t image_len;
	const char *kernel_path; /* Linux (bzImage, or ELF with a PVH note); instead of an image */
	const char *initrd_path; /* for the kernel, or NULL */
	const char *
		cmdline; /* <= NETHV_CMDLINE_MAX, for a kernel HV_LINUX_CMDLINE_MAX bytes; or NULL */
	enum hv_synic_kind synic;  /* engine kvm only; the others have ours */
	unsigned int nr_doorbells; /* 0: HV_DOORBELLS_DEF */
	unsigned int flags;	   /* enum hv_cfg_flags */
};

enum hv_stop_reason {
	HV_STOP_GUEST_EXIT,  /* the guest ended itself; status is valid */
	HV_STOP_GUEST_OFF,   /* it switched its machine off */
	HV_STOP_GUEST_RESET, /* it wants its machine reset */
	HV_STOP_GUEST_CRASH, /* trap we do not emulate, bad MSR, crash MSR: text has RIP and bytes */
	HV_STOP_ENGINE,	     /* the engine failed or its process died */
};

/* Upward calls. All optional. No call into start, stop or destroy from inside. */
struct hv_partition_ops {
	/* vcpu.  HvPostMessage. @payload is a private copy. Returns an enum hv_status; must not wait
	 * for the control thread (a full queue is HV_STATUS_INSUFFICIENT_BUFFERS). */
	int (*post_message)(void *ctx, unsigned int vp, uint32_t connection_id, uint32_t type,
			    const void *payload, size_t len);
	/* vcpu.  The event flags page of @vp is now @siefp (GPA | enabled; 0: off). The guest waits
	 * until this returns: block until nobody uses the old page. */
	void (*siefp_changed)(void *ctx, unsigned int vp, uint64_t siefp);
	/* vcpu, once.  The partition has stopped running by itself. Not called for hv_partition_stop(). */
	void (*stopped)(void *ctx, enum hv_stop_reason reason, uint32_t status, const char *text);
	/* vcpu.  A line of the guest's console: @n printable bytes, no newline. */
	void (*console)(void *ctx, const char *line, size_t n);
	/* vcpu.  A Linux guest reported a crash of its kernel. It goes on (a crash kernel may follow). */
	void (*crashed)(void *ctx, const char *text);
	/* vcpu.  The serial port of a Linux partition has output, and had none: see hv_serial_read(). */
	void (*serial_ready)(void *ctx);
	/* vcpu.  It takes input again, after hv_serial_write() took less than it was given. */
	void (*serial_room)(void *ctx);
};

struct hv_engine_report {
	enum hv_engine_kind kind; /* what was chosen */
	char text[256];		  /* what was found and why, one line */
};

enum hv_exit_kind {
	HV_EXIT_INTR, /* vp_kick, nothing to do */
	HV_EXIT_IO,
	HV_EXIT_MMIO,
	HV_EXIT_RDMSR,
	HV_EXIT_WRMSR,
	HV_EXIT_HYPERCALL,
	HV_EXIT_HLT,
	HV_EXIT_SHUTDOWN, /* triple fault */
	HV_EXIT_FAULT,	  /* something that we do not emulate */
	HV_EXIT_EOI,	  /* of a level-triggered interrupt of the I/O APIC; value: its vector */
	HV_EXIT_NR
};

struct hv_vp_stats {
	uint64_t exits[HV_EXIT_NR]; /* that reached the worker */
	uint64_t hypercalls;	    /* slow ones, of any kind */
	uint64_t signals_trapped;   /* HvSignalEvent that took the slow way */
	uint64_t messages_sent;	    /* to the guest */
	uint64_t raised;	    /* interrupts that the worker raised */
	uint64_t nobodys_io;	    /* accesses to I/O ports and ... */
	uint64_t nobodys_mmio;	    /* ... to addresses where nothing is; Linux partitions only */
	/* Counted by the engine on the guest's side (ring3), so a guest could forge them. */
	uint64_t traps;	      /* SIGSEGV and its like */
	uint64_t irq_signals; /* interrupt signals */
	uint64_t injected;    /* interrupt frames pushed; kvm: interrupts injected */
	uint64_t halts;
	/* KVM's own statistics (KVM_GET_STATS_FD). */
	bool has_kvm;
	uint64_t kvm_exits; /* from guest mode, for whatever reason */
	uint64_t kvm_io_exits, kvm_mmio_exits;
	uint64_t kvm_irq_exits;	 /* for interrupts of the host */
	uint64_t halt_polls;	 /* halts at which KVM polled */
	uint64_t halt_polls_won; /* ... and needed no sleep */
	uint64_t halt_wakeups;
};

/* ctl.  Which engine @want means on this host; probes /dev/kvm for AUTO and KVM (< 1 s). 0, or
 * -ENOTSUP when an engine was asked for by name and cannot be had (@out->text says why, too). */
int hv_engine_probe(enum hv_engine_kind want, struct hv_engine_report *out);
const char *hv_engine_name(enum hv_engine_kind kind); /* any */

/* ctl.  Nothing in @cfg is kept; @ops and @ctx are borrowed until destroy. 0, or -EINVAL (bad cfg or
 * image), -ENOENT, -ENOMEM, -ENOTSUP (engine), or the error of a system call; text set. */
int hv_partition_create(struct hv_partition **out, const struct hv_cfg *cfg,
			const struct hv_partition_ops *ops, void *ctx);
int hv_partition_start(struct hv_partition *p);	   /* ctl, once.  0 or -errno (text set) */
void hv_partition_stop(struct hv_partition *p);	   /* ctl.  No VP runs after it. Idempotent */
void hv_partition_destroy(struct hv_partition *p); /* ctl.  Stops first; NULL is fine */

/* any.  Asks our guest image to end (control page, and NETHV_VECTOR_WAKE to every VP). Does nothing to
 * an unmodified kernel: its memory and vectors are its own. */
void hv_request_stop(struct hv_partition *p);

/* ctl.  Gives our guest image an order: a line for its application, in place of the one before, whether that was read
 * or not. *@seq: its number, even, which the application reports as `order` when it has begun with it. 0, -EINVAL
 * (1 to NETHV_ORDER_MAX bytes), -EOPNOTSUPP (an unmodified kernel); text set. */
int hv_order(struct hv_partition *p, const char *line, uint32_t *seq);

/* ctl.  Queues a SynIC message; order per (vp, sint) is kept. 0, -EAGAIN (queue full: the guest does
 * not take its messages), -EINVAL (vp, sint, type 0 or len > 240; text set). */
int hv_post_to_guest(struct hv_partition *p, unsigned int vp, unsigned int sint, uint32_t type,
		     const void *payload, size_t len);
/* ctl, vcpu.  Sets event flag @flag (< 2048) and raises the SINT if it was clear. While the page is
 * off the flag is kept and merged at enable. 0 or -EINVAL (text set). */
int hv_signal_event_flag(struct hv_partition *p, unsigned int vp, unsigned int sint,
			 unsigned int flag);
/* ctl, vcpu.  Raises interrupt @vector (16..255) on @vp. 0 or -EINVAL (text set). */
int hv_raise_vector(struct hv_partition *p, unsigned int vp, unsigned int vector);

/* ctl.  fd whose 8-byte write raises the SINT on that VP (non-blocking; masked: nothing happens,
 * unmasking looks at the pages). Owned by the partition. -EOPNOTSUPP for a SINT other than
 * HV_SINT_VMBUS, -EINVAL; text set. */
int hv_sint_fd(struct hv_partition *p, unsigned int vp, unsigned int sint);
/* ctl.  Non-blocking eventfd that counts HvSignalEvent on HV_CONNECTION_DOORBELL | @relid. The guest
 * can write any count into it. Owned by the partition. -EINVAL outside 1..nr_doorbells; text set. */
int hv_doorbell_fd(struct hv_partition *p, unsigned int relid);
/* ctl.  The @i-th memory region. The fd stays the partition's. 0, or -ENOENT past the last. */
int hv_memory(const struct hv_partition *p, unsigned int i, int *fd, uint64_t *gpa, uint64_t *len);
const struct gmem *hv_gmem(const struct hv_partition *p);   /* any.  Lives as long as @p */
unsigned int hv_nr_vps(const struct hv_partition *p);	    /* any */
uint64_t hv_siefp(struct hv_partition *p, unsigned int vp); /* any.  Current value, see the ops */
int hv_engine_pid(const struct hv_partition *p); /* any.  Process that runs the guest, or 0 */

/* any.  Takes up to @n bytes that a Linux partition has written to its serial port. *@lost (may be
 * NULL): how many were lost just before them, because nobody took them in time. Returns how many;
 * after less than @n (0 for our own image), ops->serial_ready tells of more. */
size_t hv_serial_read(struct hv_partition *p, void *buf, size_t n, uint64_t *lost);
/* any.  Gives the serial port input. Returns how many bytes it took (our own image: all, and nobody
 * reads them); after less than @n, ops->serial_room tells when to go on. */
size_t hv_serial_write(struct hv_partition *p, const void *buf, size_t n);

/* any.  A snapshot; @out is zeroed for a VP that does not exist. */
void hv_vp_stats(struct hv_partition *p, unsigned int vp, struct hv_vp_stats *out);
/* any.  One copy of the guest's report page, made safe to print. 0, or -ENODATA when there is none. */
int hv_report_read(struct hv_partition *p, struct nethv_report *out);
uint64_t hv_ref_time(const struct hv_partition *p);	 /* any.  Reference time, 100 ns units */
const char *hv_synic_name(const struct hv_partition *p); /* any.  Whose SynIC: "kvm", "nethv" */
