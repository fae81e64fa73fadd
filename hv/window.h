/* SPDX-License-Identifier: BSD-3-Clause */
/* Address windows that come and go while VPs run, beside hv/bus.h: what a guest moves about with BARs
 * and config windows. A VP is noted down before it enters a callback, so a window's end can wait for
 * those who are in it. The lock is held for the look-up only, never over a callback.
 *
 * Life: hv_windows_init() -> set, clear, access in any order -> hv_windows_fini(), all clear. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "hv/bus.h"
#include "hv/device.h"

#define HV_WINDOWS_MAX (HV_DEVICES_MAX * HV_DEVICE_WINDOWS_MAX)

struct hv_window {
	struct hv_bus_range range;
	bool is_on;
	uint64_t generation; /* of what the slot holds; grows with each change */
};

/* Where a VP is. */
struct hv_inside {
	bool is_in;
	unsigned int slot;
	uint64_t generation;
	pthread_t thread;
};

struct hv_windows {
	_Atomic unsigned int nr_on; /* 0: nobody needs the lock to know that there is none */
	pthread_mutex_t lock;	    /* guards what follows */
	pthread_cond_t left;	    /* a VP left a callback, and somebody waits */
	unsigned int nr_waiting;
	unsigned int end; /* slots from here on are clear */
	struct hv_window window[HV_WINDOWS_MAX];
	struct hv_inside inside[HV_VPS_MAX];
};

void hv_windows_init(struct hv_windows *w); /* ctl */
void hv_windows_fini(struct hv_windows *w); /* ctl */

/* ctl, vcpu.  As hv_device_window_set(); @range->ops NULL: clear, which always succeeds. */
int hv_windows_set(struct hv_windows *w, unsigned int slot, const struct hv_bus_range *range);

/* vcpu, of VP @vp.  Does the access in @a if a window is there (else *@a is as it was and false comes
 * back). *@verdict: what a write came to; HV_GO_ON for reads. */
bool hv_windows_access(struct hv_windows *w, unsigned int vp, struct hv_access *a, bool is_write,
		       enum hv_verdict *verdict, struct hv_stop *stop);
