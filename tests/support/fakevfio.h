/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's side of VFIO, both ways, played for one or two devices: group 11 with VF 0000:01:10.0
 * ("vfio3") and 0000:01:10.1 ("vfio4"), behind files of fakesys. Keeps count of descriptors and
 * mappings, so that what is left behind shows; fails where it is told to. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "iommu/vfio.h"

#define FAKEVFIO_MAPS 64u

struct fakevfio {
	/* what the kernel has */
	bool is_viable, is_in_other_container;
	uint64_t memlock, memlock_max; /* limit now, and as far as it may be raised */
	uint64_t taken;		       /* the limit is enforced for mappings beyond it; 0: not */
	unsigned int maps_max;
	struct vfio_range range[4];
	unsigned int nr_ranges; /* 0: it does not tell them */
	uint64_t config_size;
	bool can_reset, has_sparse, has_many_areas, has_cut_caps, has_msix_mappable;
	unsigned int nr_msix;
	int irqs_answer; /* of switching on more than one */

	/* failures: the @fail_at-th call (from 1), or each @fail_request; the first @fail_skip of these pass */
	unsigned int fail_at;
	unsigned long fail_request;
	unsigned int fail_skip;
	int fail_rc;
	const char *fail_open; /* end of a path */

	/* what happened */
	unsigned int nr_calls, nr_open, nr_resets, nr_naps, nr_map_calls;
	unsigned int nr_maps;
	struct {
		uint64_t iova, len;
		void *hva;
		bool is_writable;
	} map[FAKEVFIO_MAPS];
	bool is_broken; /* a rule of the kernel's interface was broken */
	char how[128];
	int irq_fd[VFIO_IRQ_COUNT][VFIO_VECTORS_MAX];
	unsigned int nr_irq[VFIO_IRQ_COUNT];
	uint8_t config[256];
	unsigned int nr_mmaps;
	uint64_t last_mmap;

	/* inside */
	bool has_iommu, has_ioas;
	unsigned int nr_groups_in;
	bool fd[1024];
	bool is_bound[2], is_attached[2];
};

extern const struct vfio_ops fakevfio_ops; /* sys: struct fakevfio */

void fakevfio_init(struct fakevfio *k);

/* Files beside those of fakesys_good_host(): the VFs' drivers, and device files if @is_cdev. */
void fakevfio_files(bool is_cdev);
