/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/ext/broken.h"

#include "vswitch/ext/priv.h" /* where an instance keeps them */

unsigned int broken_look(const struct vsw_ext *e, struct broken_seen *seen,
			 struct broken_news news[2])
{
	uint64_t lcore = 0;
	uint32_t rule = VSW_RULE_none;
	unsigned int n = 0;

	for (uint32_t i = 0; i < e->host.nr_lcores; i++) {
		lcore += e->lane[i].c.broken;
		rule = e->lane[i].last_broken ? e->lane[i].last_broken : rule;
	}
	if (lcore > seen->lcore)
		news[n++] = (struct broken_news){vsw_rule_id(rule), vsw_rule_text(rule),
						 lcore - seen->lcore};
	if (e->ctl_broken > seen->ctl)
		news[n++] = (struct broken_news){e->broken_id ? e->broken_id : "?", e->broken_text,
						 e->ctl_broken - seen->ctl};
	seen->lcore = lcore;
	seen->ctl = e->ctl_broken;
	return n;
}
