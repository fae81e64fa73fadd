/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a partition's threads run: they inherit it from the thread that makes the partition. */
#pragma once

#include <stddef.h>

/* ctl, before hv_partition_create().  Of the CPUs that the calling thread may use, it keeps those of NUMA
 * node @node (-1: all). 0 or -ENOENT (text set: it may use none of them; all are kept). */
int hv_place(int node);

/* any.  The CPUs that the calling thread may use, as in "0-3,8"; cut where @buf ends. Returns @buf. */
const char *hv_place_text(char *buf, size_t size);
