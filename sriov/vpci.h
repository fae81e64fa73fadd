/* SPDX-License-Identifier: BSD-3-Clause */
/* The vPCI VSP: gives a partition one PCI function over a VMBus channel, as Hyper-V does. It speaks the
 * protocol, and emulates config space, BAR registers and the MSI-X table; the function behind it
 * (VFIO, or a fake) and what the partition does for it (memory, traps, interrupts) are tables of
 * functions, so all of it runs on plain memory too.
 *
 * Life: vpci_create() offers the channel -> the guest opens it, enters D0, leaves, comes again ->
 * vpci_eject() and its ejected(), or vpci_surprise() -> vpci_destroy().
 *
 * Threads. Messages have a thread of their own. Config accesses come from VPs while it works, and while
 * ctl works; a VP that waits for a completion with its interrupts off reads config all the time. So:
 *   cfg   (mutex)  config space and BAR mappings; messages take it only to enter and leave D0
 *   msix  (mutex)  the MSI-X table; taken under cfg, or alone
 * No call that waits for VPs (window_set, window_clear of the config window) is made under either; the
 * windows of BARs take only msix, so they may be moved under cfg. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <nethv/abi/vmbus.h>
#include <nethv/abi/vpci.h>

struct vpci;
struct vsp_ops;

#define VPCI_VECTORS_MAX 64u
#define VPCI_WINDOWS	 16u /* slots of windows that it uses at most: 0 is config, the rest BARs */

/* What the guest gets for its request of an interrupt. */
struct vpci_irq {
	uint32_t count;
	uint32_t data;
	uint64_t address;
};

/* Memory BAR of the function. */
struct vpci_bar {
	uint64_t size; /* power of two; 0: none, or upper half of a 64-bit one */
	bool is_64, is_prefetch;
	void *map; /* host address of it all, page aligned; NULL: every access traps */
	uint64_t trap_off,
		trap_len; /* pages that are not mapped there. The pages of MSI-X table and
				      * PBA trap in any case */
};

/* The function behind. Any thread, several at once; config and interrupts under cfg, where the partition
 * waits for them. Sizes are 1, 2, 4, of BARs 8 too. 0 or -errno. */
struct vpci_function_ops {
	int (*cfg_read)(void *f, uint32_t off, unsigned int size, uint32_t *value);
	int (*cfg_write)(void *f, uint32_t off, unsigned int size, uint32_t value);
	/* Pages that trap, but for MSI-X table and PBA. */
	int (*bar_read)(void *f, unsigned int bar, uint64_t off, unsigned int size,
			uint64_t *value);
	int (*bar_write)(void *f, unsigned int bar, uint64_t off, unsigned int size,
			 uint64_t value);
	int (*irqs_on)(void *f, unsigned int nr_vectors); /* the guest enabled MSI-X */
	void (*irqs_off)(void *f);
	/* Back to the state after power-on; when it returns, no DMA of before is under way. May take
	 * its time; never under a lock. */
	int (*reset)(void *f);
};

/* What takes accesses in a window. vcpu, several at once; @off + @size lies inside. */
struct vpci_window_ops {
	uint64_t (*read)(void *dev, uint64_t off, unsigned int size);
	void (*write)(void *dev, uint64_t off, unsigned int size, uint64_t value);
};

/* What the partition gives. 0 or -errno (text set) where it can fail. */
struct vpci_host_ops {
	/* Messages' thread. Cookies {address, data} that the function's other interrupts have not. */
	int (*irq_create)(void *h, struct vpci_irq *irq); /* count is set */
	void (*irq_delete)(void *h, const struct vpci_irq *irq);
	/* Any thread, under msix. What stands in a table entry, and whether it is masked there, for the
	 * whole function, or by MSI-X being off. */
	void (*entry_set)(void *h, unsigned int entry, uint64_t address, uint32_t data,
			  bool is_masked);
	bool (*entry_pending)(void *h, unsigned int entry);
	/* Any thread. Whether the range holds no memory and no device of the partition's own, and
	 * devices may be put there. */
	bool (*is_free)(void *h, uint64_t gpa, uint64_t len);
	int (*mem_map)(void *h, uint64_t gpa, void *hva, uint64_t len);
	int (*mem_unmap)(void *h, uint64_t gpa, uint64_t len);
	/* Replaces what the slot had. Both return when no VP is in the old one's callback, and wait for
	 * no other window's; from within a callback they wait for nobody, but the next call for the slot
	 * from elsewhere does. Clearing an empty slot is fine. */
	int (*window_set)(void *h, unsigned int slot, uint64_t gpa, uint64_t len,
			  const struct vpci_window_ops *ops, void *dev);
	void (*window_clear)(void *h, unsigned int slot);
};

/* Upwards; ctl, from vpci_process(). Not to destroy the device from within. */
struct vpci_up_ops {
	void (*ejected)(void *up); /* the guest let go; the function was reset */
	void (*d0_changed)(void *up, bool is_d0);
	/* The function could not be taken from the guest: keep it out of the pool. It is not given to
	 * the guest again. */
	void (*failed)(void *up, const char *why);
};

struct vpci_cfg {
	const char *name;	    /* object path for the log, such as "vm/web/vf0"; copied */
	struct vmbus_guid instance; /* data2 becomes the guest's PCI domain: unique and not 0 */
	uint32_t serial;	    /* unique and not 0; of a VF as in its VF_ASSOCIATION */
	struct vpci_bar bar[VPCI_BARS];
	unsigned int nr_vectors; /* MSI-X entries that the guest sees, 1..VPCI_VECTORS_MAX */
	int numa_node;		 /* -1: not told */

	const struct vpci_function_ops *func;
	void *func_ctx;
	const struct vpci_host_ops *host;
	void *host_ctx;
	const struct vpci_up_ops *up;
	void *up_ctx;
	/* As for the worker's other channels (vmbus/vsp/vsp.h). A guest that breaks the protocol reaches
	 * fault(), which withdraws the channel. */
	const struct vsp_ops *bus;
	void *bus_ctx;
};

/* ctl.  Reads the function's config space and offers the channel. All that @cfg points to is borrowed
 * until destroy. 0, -EINVAL (bad @cfg), -ENODEV (not a function that can be given: text set), -ENOMEM, or
 * what the bus said. */
int vpci_create(struct vpci **out, const struct vpci_cfg *cfg);
/* ctl.  Withdraws the channel. The function was taken from the guest and reset when it returns, or
 * failed() would have said so: -EIO. NULL is fine (0). */
int vpci_destroy(struct vpci *v);

/* ctl.  Readable when vpci_process() is to be called. Owned by @v. */
int vpci_fd(const struct vpci *v);
void vpci_process(struct vpci *v); /* ctl */

/* ctl.  Asks the guest to let go; ejected() tells that it did. How long to wait is the caller's to
 * know. A guest that never asked for devices has nothing to let go of: ejected() follows at once. 0,
 * -EALREADY (was asked or is out), -ENODEV (surprise came first); text set. */
int vpci_eject(struct vpci *v);
/* ctl.  The function is gone, or must go now: takes its memory and interrupts from the guest; config
 * reads all ones from now on. vpci_destroy() is next. */
void vpci_surprise(struct vpci *v);

struct vpci_bar_status {
	uint64_t gpa, size;
	bool is_mapped; /* the guest reaches it there */
};

struct vpci_status {
	/* "closed", "opened" (no version yet), "ready", "d0", "ejecting", "ejected", "gone", "failed" */
	const char *state;
	uint32_t version; /* enum vpci_version; 0: none agreed on */
	bool is_assigned; /* the guest settled its resources */
	bool has_decode, is_master, has_msix, is_asleep;
	uint16_t vendor, device;
	uint32_t serial;
	struct vpci_bar_status bar[VPCI_BARS];
	unsigned int nr_vectors, nr_unmasked;
	unsigned int nr_irqs;	 /* that the guest was given and did not give back */
	uint64_t messages;	 /* since creation, as all that follow */
	uint64_t refused;	 /* completed with a failure, or of no use */
	uint64_t unknown;	 /* of these: message types that nobody knows */
	uint64_t bad_accesses;	 /* of sizes or places that no access may have */
	uint64_t maps_refused;	 /* BARs or config windows put where they cannot be */
	uint64_t function_fails; /* operations of the function that failed */
};

/* ctl.  A snapshot. */
void vpci_status(struct vpci *v, struct vpci_status *out);
