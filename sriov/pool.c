/* SPDX-License-Identifier: BSD-3-Clause */
#include "sriov/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "iommu/why.h"

struct sriov_pool {
	struct sriov_pool_vf vf[SRIOV_POOL_MAX];
	uint64_t free_since[SRIOV_POOL_MAX]; /* in acts of giving back, not time */
	unsigned int nr;
	uint64_t acts;
	uint32_t last_serial;
};

int sriov_pool_create(struct sriov_pool **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : err_set(-ENOMEM, "VF pool");
}

void sriov_pool_destroy(struct sriov_pool *p)
{
	free(p);
}

int sriov_pool_add(struct sriov_pool *p, unsigned int pf, unsigned int vf, const char *bdf)
{
	struct sriov_pool_vf *v = &p->vf[p->nr];

	if (p->nr == SRIOV_POOL_MAX)
		return err_set(-ENOSPC, "VF %s: the pool holds %u", bdf, SRIOV_POOL_MAX);
	for (unsigned int i = 0; i < p->nr; i++)
		if (!strcmp(p->vf[i].bdf, bdf))
			return err_set(-EEXIST, "VF %s is in the pool already", bdf);
	*v = (struct sriov_pool_vf){.pf = pf, .vf = vf};
	snprintf(v->bdf, sizeof(v->bdf), "%s", bdf);
	p->free_since[p->nr++] = 0;
	return 0;
}

static bool is_serial_used(const struct sriov_pool *p, uint32_t serial)
{
	for (unsigned int i = 0; i < p->nr; i++)
		if (p->vf[i].state == SRIOV_ASSIGNED && p->vf[i].serial == serial)
			return true;
	return false;
}

/* Always rising: a guest that has not yet forgotten the last slot of a serial sees another. */
static uint32_t next_serial(struct sriov_pool *p)
{
	do
		p->last_serial++;
	while (!p->last_serial || is_serial_used(p, p->last_serial));
	return p->last_serial;
}

const struct sriov_pool_vf *sriov_pool_next(const struct sriov_pool *p, unsigned int pf)
{
	const struct sriov_pool_vf *best = NULL;

	for (unsigned int i = 0; i < p->nr; i++) {
		const struct sriov_pool_vf *v = &p->vf[i];

		if (v->pf == pf && v->state == SRIOV_FREE &&
		    (!best || p->free_since[i] < p->free_since[best - p->vf]))
			best = v;
	}
	return best;
}

int sriov_pool_take(struct sriov_pool *p, unsigned int pf, const char *owner,
		    struct sriov_pool_vf **out)
{
	const struct sriov_pool_vf *next = sriov_pool_next(p, pf);
	struct sriov_pool_vf *best = next ? &p->vf[next - p->vf] : NULL;

	if (!best)
		return iommu_refuse(IOMMU_WHY_VF_NONE_FREE, owner,
				    "%u are assigned, %u in quarantine",
				    sriov_pool_count(p, pf, SRIOV_ASSIGNED),
				    sriov_pool_count(p, pf, SRIOV_QUARANTINE));
	best->state = SRIOV_ASSIGNED;
	best->serial = next_serial(p);
	snprintf(best->owner, sizeof(best->owner), "%s", owner);
	*out = best;
	return 0;
}

void sriov_pool_give_back(struct sriov_pool *p, struct sriov_pool_vf *v)
{
	v->state = SRIOV_FREE;
	v->serial = 0;
	v->owner[0] = 0;
	p->free_since[v - p->vf] = ++p->acts;
}

void sriov_pool_quarantine(struct sriov_pool *p, struct sriov_pool_vf *v, const char *why)
{
	v->state = SRIOV_QUARANTINE;
	v->serial = 0;
	snprintf(v->why, sizeof(v->why), "%s", why);
}

const struct sriov_pool_vf *sriov_pool_at(const struct sriov_pool *p, unsigned int n)
{
	return n < p->nr ? &p->vf[n] : NULL;
}

unsigned int sriov_pool_count(const struct sriov_pool *p, unsigned int pf,
			      enum sriov_vf_state state)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->nr; i++)
		n += p->vf[i].pf == pf && p->vf[i].state == state;
	return n;
}

const char *sriov_vf_state_word(enum sriov_vf_state state)
{
	static const char *const word[] = {
		[SRIOV_FREE] = "free",
		[SRIOV_ASSIGNED] = "assigned",
		[SRIOV_QUARANTINE] = "quarantine",
	};

	return word[state];
}
