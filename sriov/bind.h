/* SPDX-License-Identifier: BSD-3-Clause */
/* Which driver a PCI function has, and giving it another. Each step is looked at after it was taken,
 * and what was begun and does not work out is taken back. */
#pragma once

#include "sriov/sys.h"

/* ctl.  The driver of @bdf; "" when it has none. 0, or -ENODEV (cause GONE). */
int sriov_driver(const struct sriov_sys *s, const char *bdf, char out[SRIOV_NAME_MAX]);

/* ctl.  Gives @bdf to @driver, whatever had it. @former (may be NULL) is told who: for sriov_unbind().
 * Nothing to do when @driver has it. 0 or a refusal: NO_VFIO_MODULE (there is no such driver), BUSY (open
 * by another program), UNBIND_FAILED, PF_TIMEOUT, VFIO_FAILED (it did not take it), GONE. */
int sriov_bind(const struct sriov_sys *s, const char *bdf, const char *driver,
	       char former[SRIOV_NAME_MAX]);

/* ctl.  Gives @bdf back to @former; "": no driver. Clears driver_override. Errors as above. */
int sriov_unbind(const struct sriov_sys *s, const char *bdf, const char *former);

/* ctl.  1: a program has the function open through VFIO, 0: none has, or none can: it has no group. */
int sriov_is_open(const struct sriov_sys *s, const char *bdf);

/* ctl.  Makes @bdf fit for the next owner: nobody has it open, it is reset, and it masters no bus. 0 or a
 * refusal: BUSY, NO_RESET, QUARANTINE (the reset failed, or it still masters the bus), GONE. */
int sriov_clean(const struct sriov_sys *s, const char *bdf);
