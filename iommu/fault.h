/* SPDX-License-Identifier: BSD-3-Clause */
/* DMA faults: what a device tried and the IOMMU stopped. The kernel tells it in its log only, so the
 * log is followed and lines of the VT-d and AMD-Vi drivers are taken apart. The kernel limits their
 * rate itself: a storm of faults is some lines, and the count here is of lines, not of faults. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "iommu/bdf.h"

enum iommu_fault_kind {
	IOMMU_FAULT_OTHER, /* the line does not say */
	IOMMU_FAULT_READ,
	IOMMU_FAULT_WRITE,
	IOMMU_FAULT_INTERRUPT, /* an interrupt that is not the device's to raise */
};

struct iommu_fault {
	struct iommu_bdf
		bdf; /* the requester; of some cards function 0 for all. Segment 0 if not said */
	enum iommu_fault_kind kind;
	uint64_t address; /* the guest's, as IOVA = GPA. INTERRUPT: index of the table */
	bool has_pasid;
	uint32_t pasid;
	bool has_reason;
	unsigned int reason; /* VT-d: fault reason; AMD-Vi: flags */
	char text[96];	     /* the kernel's words for it, printable; may be "" */
};

/* any.  True when [@line, @line + @len) is a DMA fault; it need not end with a zero. */
bool iommu_fault_parse(const char *line, size_t len, struct iommu_fault *out);

/* any.  "read", "write", "interrupt", "access". */
const char *iommu_fault_word(enum iommu_fault_kind kind);

/* any.  One line for people: "0000:01:10.0: write to 0x1000 was stopped: <text>". Returns @buf. */
char *iommu_fault_line(const struct iommu_fault *f, char *buf, size_t size);

struct iommu_fault_log {
	int fd; /* /dev/kmsg, not blocking: for the event loop */
	ssize_t (*read)(int fd, void *buf, size_t len);
	uint64_t records, faults,
		lost; /* lost: times that the kernel overwrote what was not read */
};

/* ctl.  Opens @path (NULL: /dev/kmsg) behind what is in it already. 0 or -errno (text set). */
int iommu_fault_log_open(struct iommu_fault_log *l, const char *path);
void iommu_fault_log_close(struct iommu_fault_log *l); /* ctl.  Of a closed one: fine */

/* ctl.  Takes what is there, at most some hundred records a call, and calls @fn for each fault. Returns
 * how many there were, or -errno (text set) when the log cannot be read any more. */
int iommu_fault_log_read(struct iommu_fault_log *l,
			 void (*fn)(const struct iommu_fault *f, void *ctx), void *ctx);
