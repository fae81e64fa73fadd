/* SPDX-License-Identifier: BSD-3-Clause */
/* Assigned devices: their life, their memory and their windows. */
#include "hv/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "hv/device_priv.h"

#define GPA_MAX	     (1ull << 52)
#define WINDOW_WIDTH 8u

typedef unsigned long long ull;

/* ---- Life ----------------------------------------------------------------------------------- */

static int engine_check(const struct hv_partition *p)
{
	if (p->eng->line_create)
		return 0;
	return err_set(-EOPNOTSUPP, "%s: engine %s has no device assignment, only kvm has", p->name,
		       p->eng->name);
}

static int cfg_check(const struct hv_partition *p, const struct hv_device_cfg *cfg)
{
	if (!cfg->name || !cfg->name[0])
		return err_set(-EINVAL, "%s: a device without a name", p->name);
	if (cfg->nr_vectors == 0 || cfg->nr_vectors > HV_DEVICE_VECTORS_MAX)
		return err_set(-EINVAL, "%s: device %s: %u interrupt vectors, want 1..%u", p->name,
			       cfg->name, cfg->nr_vectors, HV_DEVICE_VECTORS_MAX);
	return engine_check(p);
}

/* A place in the list; only ctl adds to it, so it stays free. */
static int place_find(struct hv_partition *p, const struct hv_device_cfg *cfg)
{
	int i, at = -1;

	for (i = (int)HV_DEVICES_MAX - 1; i >= 0; i--) {
		const struct hv_device *o = p->assigned.device[i];

		if (o && o->id == cfg->device_id)
			return err_set(-EEXIST, "%s: device %s: id %#llx is that of %s", p->name,
				       cfg->name, (ull)cfg->device_id, o->name);
		if (!o)
			at = i;
	}
	if (at < 0)
		return err_set(-ENOSPC, "%s: device %s: there are %u already", p->name, cfg->name,
			       HV_DEVICES_MAX);
	return at;
}

static void listed_set(struct hv_device *d, struct hv_device *what)
{
	struct hv_assigned *a = &d->p->assigned;

	pthread_mutex_lock(&a->memory);
	pthread_mutex_lock(&a->routing);
	a->device[d->index] = what;
	pthread_mutex_unlock(&a->routing);
	pthread_mutex_unlock(&a->memory);
}

int hv_device_create(struct hv_device **out, struct hv_partition *p,
		     const struct hv_device_cfg *cfg)
{
	struct hv_device *d;
	int rc = cfg_check(p, cfg), at;

	at = rc ? rc : place_find(p, cfg);
	if (at < 0)
		return at;
	d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(-ENOMEM, "%s: device %s", p->name, cfg->name);
	snprintf(d->name, sizeof(d->name), "%s", cfg->name);
	d->p = p;
	d->id = cfg->device_id;
	d->index = (unsigned int)at;
	rc = hv_device_irqs_init(d, cfg->nr_vectors);
	if (rc) {
		hv_device_destroy(d);
		return rc;
	}
	listed_set(d, d);
	*out = d;
	return 0;
}

static void unmap_all(struct hv_device *d)
{
	unsigned int i;

	for (i = 0; i < HV_DEVICE_MAPS_MAX; i++) {
		if (d->map[i].len && hv_device_mem_unmap(d, d->map[i].gpa, d->map[i].len))
			log_err(d->p->name, "device %s: %s", d->name, err_text());
	}
}

/* Windows first: their callbacks may still use what goes after them. */
void hv_device_destroy(struct hv_device *d)
{
	unsigned int i;

	if (!d)
		return;
	for (i = 0; i < HV_DEVICE_WINDOWS_MAX; i++)
		hv_device_window_clear(d, i);
	if (d->p->assigned.device[d->index] == d)
		listed_set(d, NULL);
	unmap_all(d);
	hv_device_irqs_fini(d);
	free(d);
}

/* ---- Memory. assigned.memory is held by what is called from map and unmap. ------------------------ */

static bool overlaps(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

static int map_check(const struct hv_device *d, uint64_t at, const void *hva, uint64_t len)
{
	const uint64_t low = GMEM_PAGE_SIZE - 1;

	if (len == 0 || at > GPA_MAX || len > GPA_MAX - at || (at | len | (uintptr_t)hva) & low)
		return err_set(-EINVAL, "%s: device %s: memory of %#llx bytes at %#llx", d->p->name,
			       d->name, (ull)len, (ull)at);
	return 0;
}

static int room_check(const struct hv_device *d, uint64_t at, uint64_t len)
{
	const struct hv_partition *p = d->p;
	unsigned int i, j;

	for (i = 0; i < p->gm.nr_regions; i++) {
		if (overlaps(at, len, p->gm.region[i].gpa, p->gm.region[i].len))
			return err_set(-EEXIST, "%s: device %s: at %#llx is RAM", p->name, d->name,
				       (ull)at);
	}
	for (i = 0; i < HV_DEVICES_MAX; i++) {
		const struct hv_device *o = p->assigned.device[i];

		for (j = 0; o && j < HV_DEVICE_MAPS_MAX; j++) {
			if (o->map[j].len && overlaps(at, len, o->map[j].gpa, o->map[j].len))
				return err_set(-EEXIST, "%s: device %s: at %#llx is memory of %s",
					       p->name, d->name, (ull)at, o->name);
		}
	}
	return 0;
}

/* The map of exactly this range; @len 0: a free one. NULL: none. */
static struct hv_map *map_find(struct hv_device *d, uint64_t at, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < HV_DEVICE_MAPS_MAX; i++) {
		if (d->map[i].len == len && (len == 0 || d->map[i].gpa == at))
			return &d->map[i];
	}
	return NULL;
}

static int map_add(struct hv_device *d, uint64_t at, void *hva, uint64_t len, bool is_readonly)
{
	struct hv_map *m = map_find(d, 0, 0);
	int rc = room_check(d, at, len);

	if (!rc && !m)
		rc = err_set(-ENOSPC, "%s: device %s: more than %u pieces of memory", d->p->name,
			     d->name, HV_DEVICE_MAPS_MAX);
	if (!rc)
		rc = d->p->eng->dev_map(d->p->vm, at, hva, len, is_readonly);
	if (!rc)
		*m = (struct hv_map){.gpa = at, .len = len};
	return rc;
}

int hv_device_mem_map(struct hv_device *d, uint64_t gpa, void *hva, uint64_t len, bool is_readonly)
{
	int rc = map_check(d, gpa, hva, len);

	if (rc)
		return rc;
	pthread_mutex_lock(&d->p->assigned.memory);
	rc = map_add(d, gpa, hva, len, is_readonly);
	pthread_mutex_unlock(&d->p->assigned.memory);
	return rc;
}

int hv_device_mem_unmap(struct hv_device *d, uint64_t gpa, uint64_t len)
{
	struct hv_map *m = NULL;
	int rc;

	pthread_mutex_lock(&d->p->assigned.memory);
	if (len)
		m = map_find(d, gpa, len);
	if (!m)
		rc = err_set(-ENOENT, "%s: device %s: %#llx bytes at %#llx are not mapped so",
			     d->p->name, d->name, (ull)len, (ull)gpa);
	else
		rc = d->p->eng->dev_unmap(d->p->vm, gpa, len);
	if (!rc)
		*m = (struct hv_map){0};
	pthread_mutex_unlock(&d->p->assigned.memory);
	return rc;
}

/* ---- Windows -------------------------------------------------------------------------------- */

static unsigned int window_of(const struct hv_device *d, unsigned int slot)
{
	return d->index * HV_DEVICE_WINDOWS_MAX + slot;
}

int hv_device_window_set(struct hv_device *d, unsigned int slot, uint64_t gpa, uint64_t len,
			 const struct hv_bus_ops *ops, void *dev)
{
	const struct hv_bus_range r = {
		.first = gpa, .last = gpa + len - 1, .width = WINDOW_WIDTH, .ops = ops, .dev = dev};

	if (slot >= HV_DEVICE_WINDOWS_MAX || !ops)
		return err_set(-EINVAL, "%s: device %s: window %u", d->p->name, d->name, slot);
	if (len == 0 || gpa > GPA_MAX || len > GPA_MAX - gpa)
		return err_set(-EINVAL, "%s: device %s: window %u of %#llx bytes at %#llx",
			       d->p->name, d->name, slot, (ull)len, (ull)gpa);
	return hv_windows_set(&d->p->windows, window_of(d, slot), &r);
}

void hv_device_window_clear(struct hv_device *d, unsigned int slot)
{
	const struct hv_bus_range none = {.ops = NULL};

	if (slot < HV_DEVICE_WINDOWS_MAX)
		hv_windows_set(&d->p->windows, window_of(d, slot), &none);
}

/* ---- VFIO ----------------------------------------------------------------------------------- */

int hv_device_vfio_attach(struct hv_partition *p, int vfio_fd)
{
	int rc = engine_check(p);

	return rc ? rc : p->eng->vfio_attach(p->vm, vfio_fd);
}

void hv_device_vfio_detach(struct hv_partition *p, int vfio_fd)
{
	if (p->eng->vfio_detach)
		p->eng->vfio_detach(p->vm, vfio_fd);
}
