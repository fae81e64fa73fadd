/* SPDX-License-Identifier: BSD-3-Clause */
/* Which memory may be lent, to which uplinks, and getting it back. */
#include "vswitch/lend.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_errno.h>
#include <rte_vfio.h>

#include "base/err.h"
#include "base/log.h"
#include "vswitch/priv.h"
#include "vswitch/uplink_priv.h"

#define NAP_NS	   50000
#define PATIENCE_S 1

struct vsw_memory {
	uint8_t *at;
	uint64_t len;
	bool is_mapped; /* for the devices at VFIO: they share one set of addresses, which are ours */
};

/* False: devices cannot read it. Software devices read by our addresses anyway. */
static bool map(struct vsw_memory *m, const struct vsw_uplink *u)
{
	if (u->is_soft || m->is_mapped)
		return true;
	m->is_mapped = rte_vfio_container_dma_map(RTE_VFIO_DEFAULT_CONTAINER_FD, (uintptr_t)m->at,
						  (uintptr_t)m->at, m->len) == 0;
	if (!m->is_mapped)
		log_warn(
			"switch",
			"%llu MiB of a partition cannot be mapped for devices: %s; what it sends is copied",
			(unsigned long long)(m->len >> 20), rte_strerror(rte_errno));
	return m->is_mapped;
}

static void unmap(struct vsw_memory *m)
{
	if (m->is_mapped &&
	    rte_vfio_container_dma_unmap(RTE_VFIO_DEFAULT_CONTAINER_FD, (uintptr_t)m->at,
					 (uintptr_t)m->at, m->len))
		log_warn("switch", "memory of a partition stays mapped for devices: %s",
			 rte_strerror(rte_errno));
	m->is_mapped = false;
}

static void give(struct vsw_uplink *u, struct vsw_memory *m)
{
	if (map(m, u))
		uplink_memory_add(u, m->at, m->len);
}

void vsw_memory_add(struct vsw *sw, void *at, uint64_t len)
{
	struct vsw_memory *more = realloc(sw->memory, (sw->nr_memory + 1) * sizeof(*sw->memory)),
			  *m;

	if (!more) {
		log_warn("switch", "no memory to remember a partition's: what it sends is copied");
		return;
	}
	sw->memory = more;
	m = &sw->memory[sw->nr_memory++];
	*m = (struct vsw_memory){.at = at, .len = len};
	for (unsigned int i = 0; i < sw->nr_lenders; i++)
		give(sw->lender[i], m);
}

void vsw_memory_remove(struct vsw *sw, void *at)
{
	struct vsw_memory *m = sw->memory, *end = m + sw->nr_memory;

	while (m < end && m->at != at)
		m++;
	if (m == end)
		return;
	for (unsigned int i = 0; i < sw->nr_lenders; i++)
		uplink_memory_remove(sw->lender[i], m->at);
	unmap(m);
	*m = end[-1];
	sw->nr_memory--;
}

int vsw_lender_add(struct vsw *sw, struct vsw_uplink *u)
{
	if (sw->nr_lenders == VSW_LENDERS_MAX)
		return err_set(-ENOSPC, "at most %u uplinks with zero_copy", VSW_LENDERS_MAX);
	sw->lender[sw->nr_lenders++] = u;
	for (unsigned int i = 0; i < sw->nr_memory; i++)
		give(u, &sw->memory[i]);
	return 0;
}

void vsw_lender_remove(struct vsw *sw, struct vsw_uplink *u)
{
	unsigned int i = 0;

	while (i < sw->nr_lenders && sw->lender[i] != u)
		i++;
	if (i == sw->nr_lenders)
		return;
	for (unsigned int k = 0; k < sw->nr_memory; k++)
		uplink_memory_remove(u, sw->memory[k].at);
	sw->lender[i] = sw->lender[--sw->nr_lenders];
	/* With the last device the addresses go, too. */
	for (unsigned int k = 0; !sw->nr_lenders && k < sw->nr_memory; k++)
		unmap(&sw->memory[k]);
}

static bool is_back(const struct vsw_lend *l)
{
	return !__atomic_load_n(&l->out, __ATOMIC_ACQUIRE);
}

/* Lcores take back in their loops, and do not sleep while something is out. */
static bool wait_back(const struct vsw_lend *l)
{
	const struct timespec nap = {0, NAP_NS};
	struct timespec begun, now;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	do {
		if (is_back(l))
			return true;
		nanosleep(&nap, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begun.tv_sec <= PATIENCE_S);
	return is_back(l);
}

void vsw_lend_settle(struct vsw *sw, struct vsw_lend *l)
{
	if (is_back(l) || (sw->is_started && wait_back(l)))
		return;
	for (unsigned int i = 0; i < sw->nr_lenders; i++)
		uplink_lend_recall(sw->lender[i]);
	if (is_back(l))
		return;
	/* A device may still read memory that goes to somebody else. The next switch resets it. */
	log_err("switch", "a device does not give back what it was lent: the switch ends");
	abort();
}

void vsw_lend_tick(struct vsw *sw)
{
	for (unsigned int i = 0; i < sw->nr_lenders; i++)
		uplink_lend_tick(sw->lender[i]);
}

void vsw_lend_destroy(struct vsw *sw)
{
	while (sw->nr_memory)
		vsw_memory_remove(sw, sw->memory[0].at);
	free(sw->memory);
	sw->memory = NULL;
}
