/* SPDX-License-Identifier: BSD-3-Clause */
/* Who answers at an I/O port or at an address where no memory is. A table for each of the two
 * spaces, filled before a VP runs and only read after that, so it needs no lock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hv/verdict.h"

#define HV_BUS_RANGES_MAX 16u /* in a space */

enum hv_space { HV_SPACE_PORT, HV_SPACE_MMIO, HV_SPACE_NR };

/* vcpu, several VPs at once.  @off is inside of the range, @size is 1, 2, 4 or 8, at most the
 * range's width, and all of it lies inside of the range. */
struct hv_bus_ops {
	uint64_t (*read)(void *dev, uint64_t off, unsigned int size);
	/* HV_STOP: the partition ends so; @stop is filled in. */
	enum hv_verdict (*write)(void *dev, uint64_t off, unsigned int size, uint64_t value,
				 struct hv_stop *stop);
};

struct hv_bus_range {
	uint64_t first, last;
	unsigned int width; /* of the widest access that the device takes; wider ones are cut up */
	const struct hv_bus_ops *ops;
	void *dev;
};

struct hv_bus {
	struct hv_bus_range range[HV_SPACE_NR][HV_BUS_RANGES_MAX]; /* by address */
	unsigned int nr[HV_SPACE_NR];
};

/* An access as an exit carries it: nothing in it is trusted. */
struct hv_access {
	enum hv_space space;
	uint64_t at;
	unsigned int size;
	uint64_t value; /* to write, or what was read: all ones where nobody is */
	bool is_nobodys;
};

/* vcpu.  As hv_bus_read() and hv_bus_write(), for a range that @a begins in. */
void hv_range_read(const struct hv_bus_range *r, struct hv_access *a);
enum hv_verdict hv_range_write(const struct hv_bus_range *r, struct hv_access *a,
			       struct hv_stop *stop);

/* ctl.  Copies @r. 0, -EEXIST (overlap), -EINVAL (empty range or bad width), -ENOSPC; text set. */
int hv_bus_add(struct hv_bus *bus, enum hv_space space, const struct hv_bus_range *r);

/* vcpu.  The device at the first byte takes the access, all others are nobody's: a 32-bit access
 * to port 0xcf8 does not reach a device at 0xcf9. What reaches beyond the end is nobody's, too. */
void hv_bus_read(const struct hv_bus *bus, struct hv_access *a);
enum hv_verdict hv_bus_write(const struct hv_bus *bus, struct hv_access *a, struct hv_stop *stop);
