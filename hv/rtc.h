/* SPDX-License-Identifier: BSD-3-Clause */
/* A clock that can be read: the time registers of a PC's MC146818, in UTC. Linux takes its first time
 * of day from it; later time synchronisation comes by VMBus. It cannot be set and never interrupts. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "hv/bus.h"

struct hv_rtc {
	_Atomic uint8_t index; /* the register that the data port shows */
};

/* ctl.  Puts the ports on @bus; @rtc must live as long. 0 or -errno (text set). */
int hv_rtc_init(struct hv_rtc *rtc, struct hv_bus *bus);

/* any.  What register @index shows at time @t. */
uint8_t hv_rtc_register(uint8_t index, const struct tm *t);
