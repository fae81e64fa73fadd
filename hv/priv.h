/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside libhv: the partition and its VPs as the files above the engine see them.
 *
 * Locks: a VP's `lock` guards its SynIC and timers; `timers.lock` may be taken inside it; no two VP
 * locks are held at once. Upward calls are made with no lock held. Those of assigned devices are
 * innermost but for the engine's: `assigned.routing`, `assigned.memory`, `windows.lock`. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/gmem.h"
#include "hv/clock.h"
#include "hv/engine.h"
#include "hv/hv.h"
#include "hv/verdict.h"
#include "hv/window.h"

struct hv_devices;
struct hv_retarget;

#define HV_MEM_REGIONS	2u
#define HV_MSGQ_MAX	256u /* messages that wait for one SINT of one VP */
#define HV_CONSOLE_LINE 256u

struct hv_msg {
	struct hv_msg *next;
	struct hv_message m;
};

struct hv_msgq {
	struct hv_msg *head, *tail;
	unsigned int n;
};

struct hv_stimer {
	uint64_t config;
	uint64_t count;
	uint64_t due;	  /* reference time of the next expiry; 0: not armed */
	bool has_message; /* expired in message mode, slot not yet free */
	uint64_t expired_at;
};

struct hv_synic {
	uint64_t scontrol, siefp, simp;
	uint64_t sint[HV_NR_SINTS];
	struct hv_msgq queue[HV_NR_SINTS];
	uint8_t kept[HV_NR_SINTS][HV_EVENT_AREA_BYTES]; /* flags wanted while SIEFP is off */
};

struct hv_vp {
	struct hv_partition *p;
	unsigned int index;
	pthread_t thread;
	bool has_thread;

	pthread_mutex_t lock; /* guards what follows, up to the blank line */
	struct hv_synic synic;
	struct hv_stimer stimer[HV_NR_STIMERS];
	struct hv_vp_stats stats; /* `raised` and `messages_sent` */

	/* The VP's own thread. */
	uint64_t vp_assist;
	_Atomic uint64_t exits[HV_EXIT_NR];
	_Atomic uint64_t hypercalls, signals_trapped;
	_Atomic uint64_t nobodys_io, nobodys_mmio;
	char line[HV_CONSOLE_LINE];
	unsigned int line_len;
};

struct hv_region {
	int fd;
	uint64_t gpa, len;
	void *hva;
	int is_huge;
};

struct hv_timers {
	pthread_mutex_t lock;
	int fd;		/* timerfd */
	uint64_t armed; /* reference time it stands at; UINT64_MAX: not armed */
	pthread_t thread;
	bool has_thread;
	_Atomic bool is_ending;
};

/* Devices that are assigned to a partition (hv/device.h). */
struct hv_assigned {
	/* By ctl, with both locks held. */
	struct hv_device *device[HV_DEVICES_MAX];
	pthread_mutex_t memory;	 /* what they have mapped; taken before `routing` */
	pthread_mutex_t routing; /* cookies, targets and entries of them all */
};

struct hv_partition {
	char name[64];
	const struct hv_engine_ops *eng;
	void *vm;
	const struct hv_partition_ops *ops;
	void *ctx;
	unsigned int nr_vps, nr_doorbells;
	struct gmem gm;
	struct hv_region region[HV_MEM_REGIONS];
	unsigned int nr_regions;
	struct hv_clock clock;
	struct hv_timers timers;
	struct hv_vp *vp;	    /* [nr_vps] */
	bool is_linux;		    /* an unmodified kernel, with the devices of a PC */
	uint32_t order_seq;	    /* ctl.  Of the last hv_order(); 0: none */
	struct hv_devices *devices; /* NULL: our own image */
	struct hv_assigned assigned;
	struct hv_windows windows;

	pthread_mutex_t msr_lock; /* partition-wide MSRs */
	uint64_t guest_os_id, hypercall, reference_tsc, tsc_invariant, crash[5];

	_Atomic bool is_stopping; /* VP threads leave their loops */
	_Atomic bool has_stopped; /* `stopped` was called, or never will be */
	bool is_started;
};

/* ctl.  hv_partition_create() over a given engine; @arg goes to its cfg. Without an image nothing
 * is loaded and the guest starts at NETHV_IMAGE_BASE. */
int hv_partition_create_on(struct hv_partition **out, const struct hv_cfg *cfg,
			   const struct hv_partition_ops *ops, void *ctx,
			   const struct hv_engine_ops *eng, void *arg);

/* memory.c */
int hv_memory_create(struct hv_partition *p, const struct hv_cfg *cfg); /* ctl */
void hv_memory_destroy(struct hv_partition *p);				/* ctl */

/* loader.c, ctl.  Loads the image and writes the boot record, or loads the kernel; fills the start of
 * VP 0. */
int hv_load(struct hv_partition *p, const struct hv_cfg *cfg, struct hv_vp_start *start);
/* How @vp begins when VP 0 begins as @first. */
struct hv_vp_start hv_start_of(const struct hv_partition *p, const struct hv_vp_start *first,
			       unsigned int vp);
void hv_boot_record(struct hv_partition *p, const struct hv_cfg *cfg, uint64_t image_end);
uint64_t hv_vp_areas(const struct hv_partition *p); /* GPA of VP 0's area */

/* What the TLFS leaves say. */
struct hv_cpuid_cfg {
	unsigned int nr_vps;
	uint32_t hints; /* HV_CPUID_HINTS, EAX */
	bool has_tsc;	/* the TSC is invariant and the TSC page can be had */
	bool is_linux;	/* no synthetic timers: the local APIC's are as good, and exit-free */
};

/* cpuid.c, any.  Adds the hypervisor leaves to a table that holds @n entries; the new count. */
unsigned int hv_cpuid_add(struct nethv_cpuid *t, unsigned int n, unsigned int max,
			  const struct hv_cpuid_cfg *c);
/* The host's own leaves without any hypervisor's. */
unsigned int hv_cpuid_host(struct nethv_cpuid *t, unsigned int max);

/* dispatch.c, vcpu.  *@value is what vp_complete gets. */
enum hv_verdict hv_dispatch(struct hv_vp *vp, const struct hv_exit *ex, uint64_t *value,
			    struct hv_stop *stop);
void hv_vp_loop(struct hv_vp *vp); /* the VP thread's body */
/* any.  Ends all VPs; the first caller's reason is reported upwards. */
void hv_stopped(struct hv_partition *p, const struct hv_stop *stop);

/* msr.c, vcpu. */
enum hv_verdict hv_rdmsr(struct hv_vp *vp, uint32_t msr, uint64_t *value, struct hv_stop *stop);
enum hv_verdict hv_wrmsr(struct hv_vp *vp, uint32_t msr, uint64_t value, struct hv_stop *stop);

/* hypercall.c, vcpu.  The value for RAX. */
uint64_t hv_hypercall(struct hv_vp *vp, uint64_t control, uint64_t in, uint64_t out);

/* device_irq.c, vcpu.  Takes the routing lock only. An enum hv_status. */
int hv_device_retarget(struct hv_partition *p, const struct hv_retarget *r);

/* synic.c */
void hv_synic_init(struct hv_synic *s);
void hv_synic_fini(struct hv_synic *s);
/* vcpu, the VP's own.  Values as written by the guest; -EINVAL: #GP. */
int hv_synic_set_scontrol(struct hv_vp *vp, uint64_t v);
int hv_synic_set_siefp(struct hv_vp *vp, uint64_t v);
int hv_synic_set_simp(struct hv_vp *vp, uint64_t v);
int hv_synic_set_sint(struct hv_vp *vp, unsigned int sint, uint64_t v);
void hv_synic_eom(struct hv_vp *vp);
/* vcpu.  Raises those of @sints (bits) for which something waits: after the engine's own SynIC has
 * been told. */
void hv_synic_recheck(struct hv_vp *vp, uint32_t sints);
/* Lock held.  Delivers what the slot of @sint can take. */
void hv_synic_deliver(struct hv_vp *vp, unsigned int sint);
void hv_vp_raise(struct hv_vp *vp, unsigned int vector); /* lock held */

/* stimer.c */
int hv_timers_create(struct hv_partition *p); /* ctl */
int hv_timers_start(struct hv_partition *p);
void hv_timers_stop(struct hv_partition *p);
void hv_timers_destroy(struct hv_partition *p);
/* vcpu.  -EINVAL: #GP. */
int hv_stimer_set_config(struct hv_vp *vp, unsigned int i, uint64_t v);
int hv_stimer_set_count(struct hv_vp *vp, unsigned int i, uint64_t v);
/* Lock held.  Fires what is due at @now; reference time of the next expiry or UINT64_MAX. */
uint64_t hv_stimers_fire(struct hv_vp *vp, uint64_t now);
/* Lock held.  Message of a timer that waits for the slot of @sint; false when there is none. */
bool hv_stimer_take_message(struct hv_vp *vp, unsigned int sint, struct hv_message *out);
bool hv_stimer_has_message(const struct hv_vp *vp, unsigned int sint);
