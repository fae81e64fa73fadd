/* SPDX-License-Identifier: BSD-3-Clause */
#include "hv/bus.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/err.h"

#define ACCESS_MAX 8u

static const char *space_name(enum hv_space space)
{
	return space == HV_SPACE_PORT ? "port" : "address";
}

int hv_bus_add(struct hv_bus *bus, enum hv_space space, const struct hv_bus_range *r)
{
	struct hv_bus_range *table = bus->range[space];
	unsigned int i, n = bus->nr[space];
	bool is_width = r->width && r->width <= ACCESS_MAX && !(r->width & (r->width - 1));

	if (r->last < r->first || !is_width)
		return err_set(-EINVAL, "bus: %s %#llx..%#llx, width %u", space_name(space),
			       (unsigned long long)r->first, (unsigned long long)r->last, r->width);
	if (n == HV_BUS_RANGES_MAX)
		return err_set(-ENOSPC, "bus: more than %u devices", HV_BUS_RANGES_MAX);
	for (i = 0; i < n && table[i].first < r->first; i++)
		;
	if ((i > 0 && table[i - 1].last >= r->first) || (i < n && table[i].first <= r->last))
		return err_set(-EEXIST, "bus: %s %#llx..%#llx is taken", space_name(space),
			       (unsigned long long)r->first, (unsigned long long)r->last);
	memmove(&table[i + 1], &table[i], (n - i) * sizeof(*table));
	table[i] = *r;
	bus->nr[space]++;
	return 0;
}

static const struct hv_bus_range *find(const struct hv_bus *bus, const struct hv_access *a)
{
	const struct hv_bus_range *r = bus->range[a->space];
	unsigned int i;

	if (a->size == 0 || a->size > ACCESS_MAX)
		return NULL;
	for (i = 0; i < bus->nr[a->space] && r[i].first <= a->at; i++)
		if (a->at <= r[i].last)
			return &r[i];
	return NULL;
}

static uint64_t ones(unsigned int size)
{
	return size >= 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

/* The largest power of two that the device takes at once, of @left bytes from @off. 0: past the end. */
static unsigned int part(const struct hv_bus_range *r, uint64_t off, unsigned int left)
{
	uint64_t room = r->last - r->first - off;
	unsigned int n = r->width;

	if (off > r->last - r->first)
		return 0;
	while (n > left || n - 1 > room)
		n /= 2;
	return n;
}

void hv_range_read(const struct hv_bus_range *r, struct hv_access *a)
{
	unsigned int done, n;
	uint64_t v, off;

	a->value = ones(a->size);
	for (done = 0; done < a->size; done += n) {
		off = a->at - r->first + done;
		n = part(r, off, a->size - done);
		if (n == 0)
			return;
		v = r->ops->read(r->dev, off, n) & ones(n);
		a->value &= ~(ones(n) << (8 * done));
		a->value |= v << (8 * done);
	}
}

enum hv_verdict hv_range_write(const struct hv_bus_range *r, struct hv_access *a,
			       struct hv_stop *stop)
{
	enum hv_verdict v = HV_GO_ON;
	unsigned int done, n;
	uint64_t off;

	for (done = 0; done < a->size && v == HV_GO_ON; done += n) {
		off = a->at - r->first + done;
		n = part(r, off, a->size - done);
		if (n == 0)
			break;
		v = r->ops->write(r->dev, off, n, (a->value >> (8 * done)) & ones(n), stop);
	}
	return v;
}

void hv_bus_read(const struct hv_bus *bus, struct hv_access *a)
{
	const struct hv_bus_range *r = find(bus, a);

	a->value = ones(a->size);
	a->is_nobodys = !r;
	if (r)
		hv_range_read(r, a);
}

enum hv_verdict hv_bus_write(const struct hv_bus *bus, struct hv_access *a, struct hv_stop *stop)
{
	const struct hv_bus_range *r = find(bus, a);

	a->is_nobodys = !r;
	return r ? hv_range_write(r, a, stop) : HV_GO_ON;
}
