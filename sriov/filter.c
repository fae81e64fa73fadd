/* SPDX-License-Identifier: BSD-3-Clause */
#include "sriov/filter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "iommu/why.h"

struct claim {
	uint8_t mac[6];
	enum sriov_owner owner; /* NOBODY: the place is free */
};

struct sriov_filter {
	struct sriov_nl *nl;
	unsigned int ifindex, slots, used;
	const char *name;
	struct claim claim[SRIOV_FILTERS_MAX];
	uint8_t there[SRIOV_FILTERS_MAX][6]; /* what the PF has, as last asked */
	int nr_there;
};

int sriov_filter_create(struct sriov_filter **out, struct sriov_nl *nl, unsigned int ifindex,
			const char *name, unsigned int slots)
{
	struct sriov_filter *f = calloc(1, sizeof(*f));

	*out = NULL;
	if (!f)
		return err_set(-ENOMEM, "%s: filters", name);
	f->nl = nl;
	f->ifindex = ifindex;
	f->name = name;
	f->slots = slots;
	*out = f;
	return 0;
}

void sriov_filter_destroy(struct sriov_filter *f)
{
	free(f);
}

static struct claim *find(struct sriov_filter *f, const uint8_t mac[6])
{
	for (unsigned int i = 0; i < SRIOV_FILTERS_MAX; i++)
		if (f->claim[i].owner != SRIOV_NOBODY && !memcmp(f->claim[i].mac, mac, 6))
			return &f->claim[i];
	return NULL;
}

static int refuse(const struct sriov_filter *f, int rc, const char *doing, const uint8_t m[6])
{
	enum iommu_why why = IOMMU_WHY_VF_CONFIG;

	if (rc == -ETIMEDOUT)
		why = IOMMU_WHY_PF_TIMEOUT;
	else if (rc == -ENODEV)
		why = IOMMU_WHY_GONE;
	else if (rc == -ENOSPC || rc == -ENOMEM)
		why = IOMMU_WHY_FILTERS_FULL;
	return iommu_refuse(why, f->name, "%s filter %02x:%02x:%02x:%02x:%02x:%02x: %s", doing,
			    m[0], m[1], m[2], m[3], m[4], m[5], strerror(-rc));
}

static int look(struct sriov_filter *f, const uint8_t mac[6])
{
	int n = sriov_nl_filters(f->nl, f->ifindex, f->there);

	if (n < 0)
		return refuse(f, n, "reading", mac);
	f->nr_there = n;
	return 0;
}

static bool is_there(const struct sriov_filter *f, const uint8_t mac[6])
{
	for (int i = 0; i < f->nr_there; i++)
		if (!memcmp(f->there[i], mac, 6))
			return true;
	return false;
}

/* Filters that others have set (a macvlan, an operator) take places, too. */
static unsigned int count_foreign(struct sriov_filter *f)
{
	unsigned int n = 0;

	for (int i = 0; i < f->nr_there; i++)
		n += !find(f, f->there[i]);
	return n;
}

static int claim(struct sriov_filter *f, const uint8_t mac[6], struct claim **out)
{
	unsigned int foreign = 0;
	int rc = look(f, mac);

	if (rc)
		return rc;
	foreign = count_foreign(f) - is_there(f, mac);
	if ((f->slots && f->used + foreign >= f->slots) || f->used == SRIOV_FILTERS_MAX)
		return iommu_refuse(IOMMU_WHY_FILTERS_FULL, f->name,
				    "%u fit, %u adapters have one, %u are of others", f->slots,
				    f->used, foreign);
	for (*out = f->claim; (*out)->owner != SRIOV_NOBODY;)
		++*out;
	memcpy((*out)->mac, mac, 6);
	f->used++;
	return 0;
}

static void give_up(struct sriov_filter *f, struct claim *c)
{
	c->owner = SRIOV_NOBODY;
	f->used--;
}

static int set(struct sriov_filter *f, const uint8_t mac[6], bool is_wanted)
{
	int rc = is_wanted ? sriov_nl_filter_add(f->nl, f->ifindex, mac)
			   : sriov_nl_filter_del(f->nl, f->ifindex, mac);

	if (rc == (is_wanted ? -EEXIST : -ENOENT))
		rc = 0;
	if (rc)
		return refuse(f, rc, is_wanted ? "adding" : "removing", mac);
	rc = look(f, mac);
	if (!rc && is_there(f, mac) != is_wanted)
		rc = iommu_refuse(IOMMU_WHY_VF_CONFIG, f->name,
				  "filter %02x:%02x:%02x:%02x:%02x:%02x: expected %s, found %s",
				  mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
				  is_wanted ? "present" : "absent",
				  is_wanted ? "absent" : "present");
	return rc;
}

static int move(struct sriov_filter *f, const uint8_t mac[6], enum sriov_owner to)
{
	struct claim *c = find(f, mac);
	bool is_new = !c;
	int rc = is_new ? claim(f, mac, &c) : 0;

	if (rc)
		return rc;
	rc = set(f, mac, to == SRIOV_PF);
	c->owner = rc ? SRIOV_UNSURE : to;
	if (rc && is_new)
		give_up(f, c);
	return rc;
}

int sriov_filter_to_pf(struct sriov_filter *f, const uint8_t mac[6])
{
	return move(f, mac, SRIOV_PF);
}

int sriov_filter_to_vf(struct sriov_filter *f, const uint8_t mac[6])
{
	return move(f, mac, SRIOV_VF);
}

int sriov_filter_forget(struct sriov_filter *f, const uint8_t mac[6])
{
	struct claim *c = find(f, mac);
	int rc = 0;

	if (!c)
		return 0;
	if (c->owner != SRIOV_VF)
		rc = set(f, mac, false);
	give_up(f, c);
	return rc;
}

void sriov_filter_forget_all(struct sriov_filter *f)
{
	for (unsigned int i = 0; i < SRIOV_FILTERS_MAX; i++)
		if (f->claim[i].owner != SRIOV_NOBODY)
			sriov_filter_forget(f, f->claim[i].mac);
}

enum sriov_owner sriov_filter_owner(const struct sriov_filter *f, const uint8_t mac[6])
{
	const struct claim *c = find((struct sriov_filter *)f, mac);

	return c ? c->owner : SRIOV_NOBODY;
}

const char *sriov_owner_word(enum sriov_owner owner)
{
	static const char *const word[] = {
		[SRIOV_NOBODY] = "nobody",
		[SRIOV_PF] = "switch",
		[SRIOV_VF] = "vf",
		[SRIOV_UNSURE] = "unsure",
	};

	return word[owner];
}

unsigned int sriov_filter_used(const struct sriov_filter *f)
{
	return f->used;
}

unsigned int sriov_filter_slots(const struct sriov_filter *f)
{
	return f->slots;
}
