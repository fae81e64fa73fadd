/* SPDX-License-Identifier: BSD-3-Clause */
#include "hv/pm.h"

#include <stdio.h>

#include "hv/linux/machine.h"

#define PORT_KBD	0x64u
#define KBD_PULSE_RESET 0xfeu
#define PORT_CF9	0xcf9u
#define CF9_RESET_CPU	0x04u

static enum hv_verdict reset(struct hv_stop *stop, const char *how)
{
	stop->reason = HV_STOP_GUEST_RESET;
	snprintf(stop->text, sizeof(stop->text), "reset by %s", how);
	return HV_STOP;
}

static uint64_t acpi_read(void *dev, uint64_t off, unsigned int size)
{
	return 0;
}

static enum hv_verdict acpi_write(void *dev, uint64_t off, unsigned int size, uint64_t v,
				  struct hv_stop *stop)
{
	switch (HV_PORT_RESET + off) {
	case HV_PORT_RESET:
		return v == HV_RESET_VALUE ? reset(stop, "the ACPI reset register") : HV_GO_ON;
	case HV_PORT_SLEEP_CONTROL:
		if (!(v & HV_SLEEP_ENABLE) || HV_SLEEP_TYPE(v) != HV_SLEEP_TYPE_S5)
			return HV_GO_ON; /* we have no other sleep */
		stop->reason = HV_STOP_GUEST_OFF;
		snprintf(stop->text, sizeof(stop->text), "powered off by ACPI (S5)");
		return HV_STOP;
	default: return HV_GO_ON;
	}
}

/* All ones: there is no keyboard controller, a driver that looks for one must not find it. */
static uint64_t kbd_read(void *dev, uint64_t off, unsigned int size)
{
	return 0xff;
}

static enum hv_verdict kbd_write(void *dev, uint64_t off, unsigned int size, uint64_t v,
				 struct hv_stop *stop)
{
	return v == KBD_PULSE_RESET ? reset(stop, "the keyboard controller") : HV_GO_ON;
}

static uint64_t cf9_read(void *dev, uint64_t off, unsigned int size)
{
	struct hv_pm *pm = dev;

	return pm->cf9;
}

/* The rising edge of the bit resets, as in a chipset. */
static enum hv_verdict cf9_write(void *dev, uint64_t off, unsigned int size, uint64_t v,
				 struct hv_stop *stop)
{
	struct hv_pm *pm = dev;
	uint8_t old = atomic_exchange(&pm->cf9, (uint8_t)v);

	return v & ~old & CF9_RESET_CPU ? reset(stop, "port 0xcf9") : HV_GO_ON;
}

static const struct hv_bus_ops acpi_ops = {acpi_read, acpi_write};
static const struct hv_bus_ops kbd_ops = {kbd_read, kbd_write};
static const struct hv_bus_ops cf9_ops = {cf9_read, cf9_write};

int hv_pm_init(struct hv_pm *pm, struct hv_bus *bus)
{
	const struct hv_bus_range acpi = {HV_PORT_RESET, HV_PORT_SLEEP_STATUS, 1, &acpi_ops, pm};
	const struct hv_bus_range kbd = {PORT_KBD, PORT_KBD, 1, &kbd_ops, pm};
	const struct hv_bus_range cf9 = {PORT_CF9, PORT_CF9, 1, &cf9_ops, pm};
	int rc;

	pm->cf9 = 0;
	rc = hv_bus_add(bus, HV_SPACE_PORT, &acpi);
	if (!rc)
		rc = hv_bus_add(bus, HV_SPACE_PORT, &kbd);
	return rc ? rc : hv_bus_add(bus, HV_SPACE_PORT, &cf9);
}
