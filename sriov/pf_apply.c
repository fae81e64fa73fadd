/* SPDX-License-Identifier: BSD-3-Clause */
/* Steps of a plan: taken, looked at, and said to have taken or not. */
#include "sriov/pf_priv.h"

#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "iommu/why.h"

/* A refusal of @s, which it also remembers. */
static int failed(struct sriov_step *s, enum iommu_why why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int failed(struct sriov_step *s, enum iommu_why why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	s->state = SRIOV_STEP_FAILED;
	return iommu_refuse(why, s->text, "%s", s->why);
}

/* The cause behind a -errno that a step of kind @usual met with. */
static int failed_rc(struct sriov_step *s, enum iommu_why usual, int rc)
{
	if (rc == -ETIMEDOUT)
		return failed(s, IOMMU_WHY_PF_TIMEOUT, "still not done after %d s",
			      SRIOV_TIMEOUT_MS / 1000);
	if (rc == -ENODEV)
		return failed(s, IOMMU_WHY_GONE, "%s", strerror(-rc));
	return failed(s, usual, "%s", strerror(-rc));
}

/* Folders of VFs appear one after the other, and some may never. */
static unsigned int count_vfs(const struct sriov_pf *pf)
{
	unsigned int n = 0;

	while (n < SRIOV_VFS_MAX &&
	       sriov_sys_exists(&pf->sys, SRIOV_DEV "/virtfn%u", pf->info.bdf, n))
		n++;
	return n;
}

static int do_numvfs(struct sriov_pf *pf, struct sriov_step *s)
{
	char text[16];
	uint32_t nr = 0;
	int rc;

	snprintf(text, sizeof(text), "%u", s->number);
	rc = sriov_sys_write(&pf->sys, text, SRIOV_DEV "/sriov_numvfs", pf->info.bdf);
	if (rc)
		return failed_rc(s, IOMMU_WHY_VF_ENABLE, rc);
	for (int waited = 0; waited < SRIOV_TIMEOUT_MS; waited += SRIOV_TRY_MS) {
		rc = sriov_sys_number(&pf->sys, &nr, SRIOV_DEV "/sriov_numvfs", pf->info.bdf);
		if (rc)
			return failed_rc(s, IOMMU_WHY_VF_ENABLE, rc);
		if (nr == s->number && count_vfs(pf) == s->number)
			return 0;
		sriov_sys_sleep(&pf->sys, SRIOV_TRY_MS);
	}
	return failed(s, IOMMU_WHY_VF_ENABLE,
		      "expected %u VFs, found %u, of which %u have appeared", s->number, nr,
		      count_vfs(pf));
}

static int do_autoprobe(struct sriov_pf *pf, struct sriov_step *s)
{
	uint32_t is = 0;
	int rc;

	if (!sriov_sys_exists(&pf->sys, SRIOV_DEV "/sriov_drivers_autoprobe", pf->info.bdf))
		return -EOPNOTSUPP;
	rc = sriov_sys_write(&pf->sys, s->number ? "1" : "0", SRIOV_DEV "/sriov_drivers_autoprobe",
			     pf->info.bdf);
	if (!rc)
		rc = sriov_sys_number(&pf->sys, &is, SRIOV_DEV "/sriov_drivers_autoprobe",
				      pf->info.bdf);
	if (rc)
		return failed_rc(s, IOMMU_WHY_VF_ENABLE, rc);
	if (is != s->number)
		return failed(s, IOMMU_WHY_VF_ENABLE, "expected %u, found %u", s->number, is);
	return 0;
}

static int do_flag(struct sriov_pf *pf, struct sriov_step *s, unsigned int flag)
{
	struct sriov_pf_state *is;
	bool is_on;
	int rc = sriov_nl_set_flag(pf->nl, pf->info.ifindex, flag, s->number);

	if (rc)
		return failed_rc(s, IOMMU_WHY_VF_CONFIG, rc);
	is = calloc(1, sizeof(*is));
	if (!is)
		return err_set(-ENOMEM, "PF %s", pf->info.ifname);
	rc = sriov_pf_read(pf, is);
	is_on = flag == IFF_UP ? is->is_up : is->is_promisc;
	free(is);
	if (rc)
		return rc;
	if (is_on != s->number)
		return failed(s, IOMMU_WHY_VF_CONFIG, "expected %s, found %s",
			      s->number ? "on" : "off", is_on ? "on" : "off");
	return 0;
}

/* Without these a guest would have more or less than the operator thinks; the rest is comfort. */
static bool is_vital(const struct sriov_step *s)
{
	return s->field == SRIOV_MAC || s->field == SRIOV_VLAN ||
	       (s->field == SRIOV_SPOOFCHK && s->to.spoofchk) ||
	       (s->field == SRIOV_RATE && s->to.max_mbps);
}

/* What the driver tells may lag behind what it was told. */
static int do_vf(struct sriov_pf *pf, struct sriov_step *s, struct sriov_link_state *link)
{
	char want[64], is[64];
	int rc = sriov_nl_set(pf->nl, pf->info.ifindex, s->vf, s->field, &s->to);

	if (rc == -EOPNOTSUPP && !is_vital(s))
		return rc;
	if (rc)
		return failed_rc(s, IOMMU_WHY_VF_CONFIG, rc);
	for (int waited = 0; waited < SRIOV_TIMEOUT_MS; waited += SRIOV_TRY_MS) {
		rc = sriov_nl_get(pf->nl, pf->info.ifindex, link);
		if (rc)
			return failed_rc(s, IOMMU_WHY_VF_CONFIG, rc);
		if (sriov_vf_has(&link->vf[s->vf], &s->to, s->field))
			return 0;
		sriov_sys_sleep(&pf->sys, SRIOV_TRY_MS);
	}
	return failed(s, IOMMU_WHY_VF_CONFIG, "expected %s, found %s",
		      sriov_vf_words(&s->to, s->field, want, sizeof(want)),
		      sriov_vf_words(&link->vf[s->vf], s->field, is, sizeof(is)));
}

static int take(struct sriov_pf *pf, struct sriov_step *s, struct sriov_link_state *link)
{
	switch (s->kind) {
	case SRIOV_DO_UP: return do_flag(pf, s, IFF_UP);
	case SRIOV_DO_PROMISC: return do_flag(pf, s, IFF_PROMISC);
	case SRIOV_DO_AUTOPROBE: return do_autoprobe(pf, s);
	case SRIOV_DO_NUMVFS: return do_numvfs(pf, s);
	default: return do_vf(pf, s, link);
	}
}

int sriov_pf_apply(struct sriov_pf *pf, struct sriov_plan *plan)
{
	struct sriov_link_state *link = calloc(1, sizeof(*link));
	int rc = 0;

	if (!link)
		return err_set(-ENOMEM, "PF %s", pf->info.ifname);
	for (unsigned int i = 0; i < plan->nr && !rc; i++) {
		struct sriov_step *s = &plan->step[i];

		rc = take(pf, s, link);
		if (rc == -EOPNOTSUPP && s->state != SRIOV_STEP_FAILED) {
			s->state = SRIOV_STEP_UNSUPPORTED;
			snprintf(s->why, sizeof(s->why), "not supported by the PF's driver");
			rc = 0;
		} else if (!rc) {
			s->state = SRIOV_STEP_DONE;
		}
	}
	free(link);
	return rc;
}

const char *sriov_step_word(enum sriov_step_state state)
{
	static const char *const word[] = {
		[SRIOV_STEP_TODO] = "to do",
		[SRIOV_STEP_DONE] = "done",
		[SRIOV_STEP_UNSUPPORTED] = "not supported",
		[SRIOV_STEP_FAILED] = "failed",
	};

	return word[state];
}

int sriov_pf_set(struct sriov_pf *pf, const struct sriov_pf_want *want)
{
	struct sriov_plan plan;
	int rc = sriov_pf_plan(pf, want, &plan);

	if (!rc)
		rc = sriov_pf_apply(pf, &plan);
	sriov_plan_fini(&plan);
	return rc;
}
