/* SPDX-License-Identifier: BSD-3-Clause */
/* The few PC devices of a Linux partition, and the bus that they are on: serial port, I/O APIC,
 * power management, clock. All else comes by VMBus.
 *
 * Locks: the UART's may be held when the I/O APIC's is taken, and that when the engine is called. */
#pragma once

#include "hv/bus.h"
#include "hv/ioapic.h"
#include "hv/pm.h"
#include "hv/rtc.h"
#include "hv/uart.h"

struct hv_partition;

struct hv_devices {
	struct hv_partition *p;
	struct hv_bus bus;
	struct hv_ioapic ioapic;
	struct hv_uart uart;
	struct hv_pm pm;
	struct hv_rtc rtc;
};

/* ctl.  After the engine's VM was made, before a VP runs. 0 or -errno (text set). */
int hv_devices_create(struct hv_devices **out, struct hv_partition *p);
void hv_devices_destroy(struct hv_devices *d); /* ctl.  NULL is fine. No VP runs */
