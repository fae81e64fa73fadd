/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv iommu`: what can be passed through on this host, and why not. Needs no instance that runs, and
 * changes nothing. */
#include "mgmt/cli.h"

#include "iommu/judge.h"
#include "mgmt/iommu_text.h"

static int print_json(json_t *o)
{
	int rc = cli_print_json(o);

	json_decref(o);
	return rc;
}

int cmd_iommu(const struct cli_args *a)
{
	struct iommu_topology *t;
	struct iommu_verdict v = {.is_assignable = true};
	int rc = 0;

	if (iommu_topology_create(&t, ""))
		return cli_error(1);
	if (a->operand)
		iommu_judge(t, a->operand, NULL, &v);
	if (a->is_json)
		rc = print_json(a->operand ? iommu_dev_json(t, &v) : iommu_host_json(t));
	else if (a->operand)
		iommu_print_dev(stdout, t, &v);
	else
		iommu_print_host(stdout, t);
	iommu_topology_destroy(t);
	return rc ? rc : v.is_assignable ? 0 : 1;
}
