/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts of assigned devices: cookies and their targets, the entries of the MSI-X table that
 * hold them, and the engine's lines, which follow from the two. All under assigned.routing, which is
 * held for no longer than the engine takes to change a line. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include <nethv/abi/hv.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/device_priv.h"
#include "hv/retarget.h"

/* A cookie means nothing to the device, whose table is ours; but it looks like an MSI of a PC. Its
 * data fits the 16 bits that a plain MSI has. */
#define COOKIE_ADDRESS 0xfee00000ull
#define COOKIE_FIRST   1u
#define COOKIE_END     0x10000u

static void routing_lock(struct hv_device *d)
{
	pthread_mutex_lock(&d->p->assigned.routing);
}

static void routing_unlock(struct hv_device *d)
{
	pthread_mutex_unlock(&d->p->assigned.routing);
}

/* ---- Lines. The lock is held by what is called from here on. ----------------------------------- */

/* One that the engine could not set is unplugged: nothing is lost, it only waits. */
static int line_failed(struct hv_device *d, struct hv_entry *e, int rc)
{
	const struct hv_partition *p = d->p;

	if (!d->has_failed)
		log_err(p->name, "device %s: interrupt %u cannot be set: %s", d->name,
			(unsigned int)(e - d->entry), strerror(-rc));
	d->has_failed = true;
	p->eng->line_set(p->vm, (unsigned int)e->line, 0, 0);
	e->vector = e->vp = 0;
	return rc;
}

/* Makes the line what cookie, target and mask say. 0 or -errno. */
static int entry_update(struct hv_device *d, struct hv_entry *e)
{
	const struct hv_irq *q = e->irq >= 0 && !e->is_masked ? &d->irq[e->irq] : NULL;
	unsigned int vector = q ? q->vector : 0;
	unsigned int vp = vector ? q->vp : 0;
	int rc;

	if (vector == e->vector && vp == e->vp)
		return 0;
	rc = d->p->eng->line_set(d->p->vm, (unsigned int)e->line, vp, vector);
	if (rc)
		return line_failed(d, e, rc);
	e->vector = vector;
	e->vp = vp;
	return 0;
}

/* ---- Cookies -------------------------------------------------------------------------------- */

static int irq_find(const struct hv_device *d, uint64_t address, uint32_t data)
{
	unsigned int i;

	for (i = 0; address == COOKIE_ADDRESS && i < HV_DEVICE_IRQS_MAX; i++) {
		if (d->irq[i].is_live && d->irq[i].data == data)
			return (int)i;
	}
	return -1;
}

static bool is_taken(const struct hv_device *d, uint32_t data, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < HV_DEVICE_IRQS_MAX; i++) {
		if (d->irq[i].is_live && d->irq[i].data - data < count)
			return true;
	}
	return false;
}

static unsigned int irqs_free(const struct hv_device *d)
{
	unsigned int i, n = 0;

	for (i = 0; i < HV_DEVICE_IRQS_MAX; i++)
		n += !d->irq[i].is_live;
	return n;
}

/* Aligned, as the low bits of an MSI with several vectors are the device's. There are more aligned
 * places than cookies can be alive, so one is free. */
static uint32_t data_find(struct hv_device *d, unsigned int count)
{
	uint32_t at = d->next_data;

	do {
		at = (at + count - 1) & ~(count - 1);
		if (at < COOKIE_FIRST || at > COOKIE_END - count)
			at = (COOKIE_FIRST + count - 1) & ~(count - 1);
		d->next_data = at + count;
		if (!is_taken(d, at, count))
			return at;
		at = d->next_data;
	} while (true);
}

static void irqs_add(struct hv_device *d, uint32_t base, unsigned int count)
{
	unsigned int i, n = 0;

	for (i = 0; i < HV_DEVICE_IRQS_MAX && n < count; i++) {
		if (d->irq[i].is_live)
			continue;
		d->irq[i] = (struct hv_irq){.is_live = true, .base = base, .data = base + n};
		n++;
	}
}

int hv_device_irq_create(struct hv_device *d, unsigned int count, uint64_t *address, uint32_t *data)
{
	bool has_room;

	if (count == 0 || count > HV_DEVICE_VECTORS_MAX || count & (count - 1))
		return err_set(-EINVAL, "%s: device %s: %u interrupts, want a power of two to %u",
			       d->p->name, d->name, count, HV_DEVICE_VECTORS_MAX);
	routing_lock(d);
	has_room = irqs_free(d) >= count;
	if (has_room) {
		*address = COOKIE_ADDRESS;
		*data = data_find(d, count);
		irqs_add(d, *data, count);
	}
	routing_unlock(d);
	return has_room ? 0
			: err_set(-ENOSPC, "%s: device %s: more than %u interrupts", d->p->name,
				  d->name, HV_DEVICE_IRQS_MAX);
}

static void irq_drop(struct hv_device *d, int irq)
{
	unsigned int i;

	for (i = 0; i < d->nr_entries; i++) {
		if (d->entry[i].irq != irq)
			continue;
		d->entry[i].irq = -1;
		entry_update(d, &d->entry[i]);
	}
	d->irq[irq].is_live = false;
}

static bool irqs_drop(struct hv_device *d, uint64_t address, uint32_t data)
{
	int first = irq_find(d, address, data), i;

	if (first < 0 || d->irq[first].base != data)
		return false;
	for (i = 0; i < (int)HV_DEVICE_IRQS_MAX; i++) {
		if (d->irq[i].is_live && d->irq[i].base == data)
			irq_drop(d, i);
	}
	return true;
}

int hv_device_irq_delete(struct hv_device *d, uint64_t address, uint32_t data)
{
	bool was_there;

	routing_lock(d);
	was_there = irqs_drop(d, address, data);
	routing_unlock(d);
	return was_there ? 0
			 : err_set(-ENOENT, "%s: device %s: no interrupt %#llx, %#x", d->p->name,
				   d->name, (unsigned long long)address, data);
}

/* ---- Entries -------------------------------------------------------------------------------- */

void hv_device_entry_set(struct hv_device *d, unsigned int entry, uint64_t address, uint32_t data,
			 bool is_masked)
{
	struct hv_entry *e;

	if (entry >= d->nr_entries)
		return;
	e = &d->entry[entry];
	routing_lock(d);
	e->irq = irq_find(d, address, data);
	e->is_masked = is_masked;
	entry_update(d, e);
	routing_unlock(d);
}

int hv_device_entry_fd(struct hv_device *d, unsigned int entry)
{
	if (entry >= d->nr_entries)
		return err_set(-EINVAL, "%s: device %s: interrupt %u, there are %u", d->p->name,
			       d->name, entry, d->nr_entries);
	return d->entry[entry].fd;
}

/* The engine empties the eventfd of a line that is plugged in. */
bool hv_device_entry_pending(struct hv_device *d, unsigned int entry)
{
	struct pollfd pfd = {.events = POLLIN};
	bool is_pending;

	if (entry >= d->nr_entries)
		return false;
	pfd.fd = d->entry[entry].fd;
	routing_lock(d);
	is_pending = d->entry[entry].vector == 0 && poll(&pfd, 1, 0) == 1;
	routing_unlock(d);
	return is_pending;
}

void hv_device_irqs_reset(struct hv_device *d)
{
	unsigned int i;

	routing_lock(d);
	for (i = 0; i < d->nr_entries; i++) {
		d->entry[i].irq = -1;
		d->entry[i].is_masked = true;
		entry_update(d, &d->entry[i]);
		fd_drain(d->entry[i].fd);
	}
	for (i = 0; i < HV_DEVICE_IRQS_MAX; i++)
		d->irq[i].is_live = false;
	routing_unlock(d);
}

/* ---- Retargeting ---------------------------------------------------------------------------- */

static struct hv_device *device_find(const struct hv_partition *p, uint64_t id)
{
	unsigned int i;

	for (i = 0; i < HV_DEVICES_MAX; i++) {
		if (p->assigned.device[i] && p->assigned.device[i]->id == id)
			return p->assigned.device[i];
	}
	return NULL;
}

static int irq_retarget(struct hv_device *d, const struct hv_retarget *r)
{
	/* The call carries the low half of the address, and cookies have no other. */
	int irq = irq_find(d, r->address, r->data), rc = 0;
	unsigned int i;

	if (irq < 0)
		return HV_STATUS_INVALID_PARAMETER;
	d->irq[irq].vector = r->vector;
	d->irq[irq].vp = r->vp;
	for (i = 0; i < d->nr_entries; i++) {
		if (d->entry[i].irq == irq && entry_update(d, &d->entry[i]))
			rc = HV_STATUS_INSUFFICIENT_MEMORY;
	}
	return rc;
}

int hv_device_retarget(struct hv_partition *p, const struct hv_retarget *r)
{
	struct hv_device *d;
	int status;

	pthread_mutex_lock(&p->assigned.routing);
	d = device_find(p, r->device_id);
	status = d ? irq_retarget(d, r) : HV_STATUS_INVALID_PARAMETER;
	pthread_mutex_unlock(&p->assigned.routing);
	return status;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static int entry_open(struct hv_device *d, struct hv_entry *e)
{
	e->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->fd < 0)
		return err_sys(-errno, "%s: device %s: eventfd", d->p->name, d->name);
	e->line = d->p->eng->line_create(d->p->vm, e->fd);
	return e->line < 0 ? e->line : 0;
}

int hv_device_irqs_init(struct hv_device *d, unsigned int nr_entries)
{
	unsigned int i;
	int rc = 0;

	d->nr_entries = nr_entries;
	d->next_data = COOKIE_FIRST;
	for (i = 0; i < nr_entries; i++)
		d->entry[i] = (struct hv_entry){.fd = -1, .line = -1, .irq = -1, .is_masked = true};
	for (i = 0; !rc && i < nr_entries; i++)
		rc = entry_open(d, &d->entry[i]);
	return rc;
}

void hv_device_irqs_fini(struct hv_device *d)
{
	unsigned int i;

	for (i = 0; i < d->nr_entries; i++) {
		if (d->entry[i].line >= 0)
			d->p->eng->line_destroy(d->p->vm, (unsigned int)d->entry[i].line);
		fd_close(&d->entry[i].fd);
	}
}
