/* SPDX-License-Identifier: BSD-3-Clause */
/* Where our other programs and the guest image are: beside /proc/self/exe in a build tree, in
 * ../libexec/nethv when installed; NETHV_SWITCH, NETHV_WORKER, NETHV_IMAGE, NETHV_EXT
 * and NETHV_BENCH override. */
#pragma once

#include <limits.h>

enum mgmt_file {
	MGMT_FILE_SWITCH,
	MGMT_FILE_WORKER,
	MGMT_FILE_IMAGE,
	MGMT_FILE_EXT,
	MGMT_FILE_BENCH
};

/* ctl.  0, or -ENOENT (text set: where was looked, and which variable helps). */
int mgmt_path_find(enum mgmt_file what, char out[PATH_MAX]);
