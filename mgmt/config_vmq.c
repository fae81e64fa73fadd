/* SPDX-License-Identifier: BSD-3-Clause */
/* What is to hold for queues of uplinks that belong to adapters, beyond types and limits. */
#include "mgmt/config_priv.h"

#include <stdio.h>

static int check_uplink(const struct check *c, uint32_t i)
{
	const struct mgmt_uplink *up = &c->cfg->uplinks[i];

	if (!up->vmq || up->queues <= 1)
		return 0;
	return mgmt_complain(c, "found beside vmq; allowed: vmq.queues, or leave vmq away",
			     "uplinks[%u].queues", i);
}

/* Which CPU polls when none is named is the switch's to choose, so none can be relied on. */
static int check_nic(const struct check *c, uint32_t part, uint32_t k)
{
	const struct mgmt_switch *sw = &c->cfg->sw;
	const uint32_t *cpu = c->cfg->partitions[part].nics[k].vmq.lcore;
	char rest[120];

	if (!cpu || mgmt_is_lcore(sw, *cpu))
		return 0;
	snprintf(rest, sizeof(rest), "found CPU %u%s; allowed: one of switch.lcores", *cpu,
		 sw->lcores_count ? ", which polls nothing" : ", and no switch.lcores");
	return mgmt_complain(c, rest, "partitions[%u].nics[%u].vmq.lcore", part, k);
}

int mgmt_check_vmq(const struct check *c)
{
	return mgmt_check_each(c, check_uplink, check_nic);
}
