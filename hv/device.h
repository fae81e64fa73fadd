/* SPDX-License-Identifier: BSD-3-Clause */
/* What a partition gives a device that is assigned to it: interrupts that reach the guest without
 * the worker, memory that the guest reaches without an exit, and windows that trap. It knows nothing
 * of VFIO or vPCI; those use it. Engine kvm only.
 *
 * Life: hv_device_create() (on a partition that exists, whether its VPs run or not) -> interrupts,
 * memory, windows in any order -> hv_device_destroy(), before the partition's.
 *
 * An interrupt: the guest asks for one and gets a cookie, an {address, data} pair (irq_create). It
 * writes the pair into an entry of the MSI-X table (entry_set), and tells by HvRetargetDeviceInterrupt
 * which vector on which VP the cookie means. These come in any order. An entry that has a cookie
 * which has a target, and is not masked, is plugged in: a write to its eventfd is that interrupt. What
 * is written at other times stays in the eventfd and comes when the entry is plugged in. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct hv_bus_ops;
struct hv_device;
struct hv_partition;

#define HV_DEVICES_MAX	      16u /* in a partition */
#define HV_DEVICE_VECTORS_MAX 64u
#define HV_DEVICE_IRQS_MAX    128u /* cookies: a guest may make new ones before it deletes the old */
#define HV_DEVICE_WINDOWS_MAX 16u
#define HV_DEVICE_MAPS_MAX    32u

struct hv_device_cfg {
	const char *name;   /* for messages, copied */
	uint64_t device_id; /* as HvRetargetDeviceInterrupt names it; unique in the partition */
	unsigned int nr_vectors; /* MSI-X entries, <= HV_DEVICE_VECTORS_MAX */
};

/* ctl.  0, -EINVAL, -EEXIST (the id is taken), -ENOSPC, -ENOMEM, -EOPNOTSUPP (an engine without device
 * assignment), or the error of a system call; text set. */
int hv_device_create(struct hv_device **out, struct hv_partition *p,
		     const struct hv_device_cfg *cfg);
/* ctl.  Unmaps and unplugs all; no VP is in a window's callback any more. NULL is fine. */
void hv_device_destroy(struct hv_device *d);

/* any.  Makes @count (a power of two) interrupts: cookies {*address, *data}, {*address, *data + 1} ..,
 * no two of which are the same in the device. 0, -EINVAL or -ENOSPC (text set). */
int hv_device_irq_create(struct hv_device *d, unsigned int count, uint64_t *address,
			 uint32_t *data);
/* any.  Deletes all interrupts that were made by the call that returned this pair; entries that
 * have them are unbound. 0 or -ENOENT (text set). */
int hv_device_irq_delete(struct hv_device *d, uint64_t address, uint32_t data);
/* any.  The guest or the function was reset: all cookies are deleted, all entries are unbound and
 * masked, and nothing is pending. Memory and windows stay. */
void hv_device_irqs_reset(struct hv_device *d);
/* any.  MSI-X table entry @entry holds @address and @data, and is masked or not (the function's mask
 * included). A pair that is no cookie now: unbound, also if it becomes one later. An entry that does
 * not exist is ignored. */
void hv_device_entry_set(struct hv_device *d, unsigned int entry, uint64_t address, uint32_t data,
			 bool is_masked);
/* any.  Non-blocking eventfd, for VFIO; the device's. -EINVAL when there is no such entry (text set). */
int hv_device_entry_fd(struct hv_device *d, unsigned int entry);
/* any.  Its bit in the pending bit array: it fired and is not plugged in. */
bool hv_device_entry_pending(struct hv_device *d, unsigned int entry);

/* any.  Memory of the device: @len bytes at @hva (page-aligned, borrowed until unmapped) appear
 * at @gpa. 0, -EINVAL, -EEXIST (RAM or other device memory is there), -ENOSPC; text set. */
int hv_device_mem_map(struct hv_device *d, uint64_t gpa, void *hva, uint64_t len, bool is_readonly);
/* any.  What was mapped so, as a whole. No VP reaches it any more when it returns. 0 or
 * -ENOENT (text set). */
int hv_device_mem_unmap(struct hv_device *d, uint64_t gpa, uint64_t len);

/* ctl, vcpu.  Accesses to [@gpa, @gpa + @len) go to @ops, up to 8 bytes wide and not always aligned,
 * from several VPs at once. Memory and the PC's own devices go before. It replaces the slot's old
 * window, and returns when no VP is in a callback of that; except from within a window's callback:
 * then it does not wait, and an old callback may still be running on another VP. A later call for the
 * slot from elsewhere waits for that one, too. A caller that is not in a callback may hold no lock
 * that a callback takes. -EINVAL, -EEXIST (overlaps another window); text set: the old one stays. */
int hv_device_window_set(struct hv_device *d, unsigned int slot, uint64_t gpa, uint64_t len,
			 const struct hv_bus_ops *ops, void *dev);
/* ctl, vcpu.  As hv_device_window_set(), with no window. */
void hv_device_window_clear(struct hv_device *d, unsigned int slot);

/* ctl.  Tells the engine about a VFIO group or device fd, so that it knows of the device's DMA. The engine
 * holds a reference until detach: the function is not free before. 0, -EOPNOTSUPP, or the error of a
 * system call; text set. */
int hv_device_vfio_attach(struct hv_partition *p, int vfio_fd);
/* ctl.  @vfio_fd as given to attach, still open. */
void hv_device_vfio_detach(struct hv_partition *p, int vfio_fd);
