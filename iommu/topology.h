/* SPDX-License-Identifier: BSD-3-Clause */
/* What this host has for passing devices through: remapping units, groups, PCI functions and their
 * drivers, and what the kernel was told. Read from sysfs, procfs and the firmware's table, once, into
 * one object that does not change; it changes nothing itself. Whether a device may be assigned, and
 * why not, is in judge.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "iommu/bdf.h"
#include "iommu/dmar.h"
#include "iommu/pci.h"

#define IOMMU_RANGES_MAX 16u
#define IOMMU_NONE	 (-1)

enum iommu_unit_kind { IOMMU_UNIT_OTHER, IOMMU_UNIT_INTEL, IOMMU_UNIT_AMD };

struct iommu_unit {
	char name[24]; /* "dmar0" */
	enum iommu_unit_kind kind;
	uint64_t address, cap, ecap; /* INTEL: registers. AMD: cap, and features in ecap */
	bool has_intr_remap;	     /* hardware can */
	bool has_posted;	     /* hardware can: interrupts straight to a running VP */
	bool has_2m, has_1g;	     /* page sizes of DMA mappings */
	unsigned int address_bits;   /* of guest-physical addresses; 0: not known */
};

struct iommu_range {
	uint64_t first, last;
	char type[24]; /* "msi", "direct", "direct-relaxable", "reserved" */
};

struct iommu_group {
	unsigned int id;
	char type[16]; /* of its domain now: "DMA", "DMA-FQ", "identity", "unmanaged" */
	unsigned int nr_devs, nr_ranges;
	struct iommu_range range[IOMMU_RANGES_MAX];
};

struct iommu_dev {
	struct iommu_bdf bdf;
	char name[IOMMU_BDF_TEXT];
	uint16_t vendor, device;
	uint32_t class_code; /* 0xCCSSPP */
	char driver[32];     /* "": none */
	char netdev[16];     /* its network interface; "": none */
	int group;	     /* index, or IOMMU_NONE */
	int unit;	     /* index, or IOMMU_NONE when the kernel does not say */
	int parent;	     /* index of the bridge above, or IOMMU_NONE on a root bus */
	bool is_vf;
	struct iommu_bdf pf;		/* of a VF */
	bool has_reset;			/* the kernel knows a way */
	int numa_node;			/* IOMMU_NONE: not known */
	unsigned int vfs_total, vfs_on; /* of a PF */
	struct iommu_pci pci;
};

/* Interrupt remapping as it is now, which is not what hardware and firmware can. */
enum iommu_intr { IOMMU_INTR_UNKNOWN, IOMMU_INTR_OFF, IOMMU_INTR_ON };

struct iommu_host {
	bool has_dmar, has_ivrs; /* the firmware has such a table */
	char table_error
		[128];	 /* why the DMAR table could not be read; "": it was, or is not there */
	char off_by[32]; /* the kernel's parameter that switched the IOMMU off; "": none */
	bool has_acs_override; /* pcie_acs_override= on the command line */
	bool is_posting_off;   /* intremap=nopost */
	enum iommu_intr intr_remap;
	char intr_evidence[128];       /* how we know */
	bool is_unsafe_set;	       /* allow_unsafe_interrupts of vfio_iommu_type1 or iommufd */
	bool has_vfio_pci;	       /* the driver is loaded */
	bool has_vfio, has_iommufd;    /* /dev/vfio/vfio and /dev/iommu are there */
	bool may_vfio, may_iommufd;    /* and may be opened */
	uint64_t memlock, memlock_max; /* limits of this process, bytes; UINT64_MAX: none */
	bool has_ipc_lock;	       /* limits of locked memory do not hold for it */
	bool has_sys_resource;	       /* it may raise limits */
};

struct iommu_topology {
	struct iommu_host host;
	struct iommu_dmar *dmar; /* NULL: none, or table_error */
	struct iommu_unit *unit;
	unsigned int nr_units;
	struct iommu_group *group; /* by id */
	unsigned int nr_groups;
	struct iommu_dev *dev; /* by address */
	unsigned int nr_devs;
};

/* ctl.  Reads all below @root ("": this host). What is missing is no error. 0 or -ENOMEM (text set). */
int iommu_topology_create(struct iommu_topology **out, const char *root);
void iommu_topology_destroy(struct iommu_topology *t); /* ctl.  NULL is fine */

/* any.  Index of the device, or IOMMU_NONE. */
int iommu_topology_find(const struct iommu_topology *t, struct iommu_bdf bdf);

/* any.  Whether a driver of the host has it: one that is neither VFIO's nor harmless there (pci-stub,
 * pcieport). Bridges do not count, they do no DMA of their own. */
bool iommu_dev_is_held(const struct iommu_dev *d);
bool iommu_driver_is_vfio(const char *driver); /* any.  vfio-pci and its variants for some cards */

/* any.  The devices of @group that have drivers of the host, but for @but (index or IOMMU_NONE), as "A has
 * ixgbe, B has nvme". Returns how many; @buf "" for none. */
unsigned int iommu_group_held(const struct iommu_topology *t, int group, int but, char *buf,
			      unsigned int size);

/* any.  Whether a DMAR scope is this device, or a bridge above it. */
bool iommu_scope_covers(const struct iommu_topology *t, const struct iommu_dmar_item *item,
			const struct iommu_scope *scope, int dev);

/* any.  What @path below @root says about interrupt remapping, and how we know. */
enum iommu_intr iommu_intr_now(const char *root, const struct iommu_topology *t, char *evidence,
			       unsigned int size);
