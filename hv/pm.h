/* SPDX-License-Identifier: BSD-3-Clause */
/* How a Linux guest switches its machine off or resets it: ACPI's registers of reduced hardware, and
 * the two ways of older PCs that Linux falls back to (keyboard controller, port 0xcf9). */
#pragma once

#include <stdatomic.h>

#include "hv/bus.h"

struct hv_pm {
	_Atomic uint8_t cf9; /* last value written */
};

/* ctl.  Puts the ports on @bus; @pm must live as long. 0 or -errno (text set). */
int hv_pm_init(struct hv_pm *pm, struct hv_bus *bus);
