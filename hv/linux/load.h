/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts an unmodified kernel, its initrd, command line, boot parameters and ACPI tables into a new
 * partition's memory. */
#pragma once

struct hv_cfg;
struct hv_partition;
struct hv_vp_start;

/* ctl.  Fills VP 0's start; the other VPs wait for INIT and SIPI. 0, -ENOEXEC (not a kernel that we can
 * start), -EINVAL (command line, address bits), -ENOMEM (does not fit), or the error of a system call;
 * text set. */
int hv_linux_load(struct hv_partition *p, const struct hv_cfg *cfg, struct hv_vp_start *start);
