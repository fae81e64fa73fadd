/* SPDX-License-Identifier: BSD-3-Clause */
#include "hv/devices.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "hv/linux/machine.h"
#include "hv/priv.h"

/* An engine without APICs has no Linux to interrupt. */
static void on_msi(void *ctx, uint64_t address, uint32_t data)
{
	const struct hv_devices *d = ctx;

	if (d->p->eng->msi)
		d->p->eng->msi(d->p->vm, address, data);
}

static void on_serial_irq(void *ctx, bool is_high)
{
	struct hv_devices *d = ctx;

	hv_ioapic_set(&d->ioapic, HV_PC_COM1_GSI, is_high);
}

static void on_serial_ready(void *ctx)
{
	const struct hv_devices *d = ctx;

	if (d->p->ops->serial_ready)
		d->p->ops->serial_ready(d->p->ctx);
}

static void on_serial_room(void *ctx)
{
	const struct hv_devices *d = ctx;

	if (d->p->ops->serial_room)
		d->p->ops->serial_room(d->p->ctx);
}

static const struct hv_uart_ops uart_ops = {on_serial_irq, on_serial_ready, on_serial_room};

int hv_devices_create(struct hv_devices **out, struct hv_partition *p)
{
	struct hv_devices *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return err_set(-ENOMEM, "%s: devices", p->name);
	d->p = p;
	rc = hv_ioapic_init(&d->ioapic, &d->bus, on_msi, d);
	if (!rc)
		rc = hv_uart_init(&d->uart, &d->bus, HV_PC_COM1, &uart_ops, d);
	if (!rc)
		rc = hv_pm_init(&d->pm, &d->bus);
	if (!rc)
		rc = hv_rtc_init(&d->rtc, &d->bus);
	*out = d; /* also after a failure: destroyed with the partition */
	return rc;
}

void hv_devices_destroy(struct hv_devices *d)
{
	if (!d)
		return;
	hv_uart_fini(&d->uart);
	hv_ioapic_fini(&d->ioapic);
	free(d);
}

size_t hv_serial_read(struct hv_partition *p, void *buf, size_t n, uint64_t *lost)
{
	if (lost)
		*lost = 0;
	return p->devices ? hv_uart_take(&p->devices->uart, buf, n, lost) : 0;
}

size_t hv_serial_write(struct hv_partition *p, const void *buf, size_t n)
{
	return p->devices ? hv_uart_give(&p->devices->uart, buf, n) : n;
}
