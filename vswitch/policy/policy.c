/* SPDX-License-Identifier: BSD-3-Clause */
/* A port's set of policies. */
#include "vswitch/policy/policy.h"

#include <errno.h>

#include "base/err.h"

int vsw_policy_create(struct vsw_policy **out, const struct vsw_policy_cfg *cfg,
		      unsigned int nr_lcores, struct vsw_policy *old)
{
	return err_set(-ENOTSUP, "this switch has no port policies");
}

void vsw_policy_destroy(struct vsw_policy *pol)
{
}

bool vsw_policy_has(const struct vsw_policy *pol, enum vsw_policy_way way)
{
	return false;
}

void vsw_policy_run(struct vsw_policy *pol, enum vsw_policy_way way, const struct vsw_vec *v,
		    const uint16_t *idx, uint16_t n, uint16_t *why)
{
}
