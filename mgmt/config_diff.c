/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/config_diff.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

void mgmt_diff_add(struct mgmt_diff *d, struct mgmt_change change)
{
	if (d->n < (int)MGMT_CHANGES_MAX)
		d->out[d->n++] = change;
}

static void add(struct mgmt_diff *d, enum mgmt_change_kind kind, const struct mgmt_partition *part,
		const struct mgmt_nic *nic)
{
	mgmt_diff_add(d, (struct mgmt_change){.kind = kind, .part = part, .nic = nic});
}

/* All that a guest was told at the offer, or that the port was made with. */
static bool is_same_nic(const struct mgmt_nic *a, const struct mgmt_nic *b)
{
	uint64_t va[64], vb[64];

	mgmt_vlan_bits(&a->vlan, va);
	mgmt_vlan_bits(&b->vlan, vb);
	return !memcmp(a->addr, b->addr, sizeof(a->addr)) && a->mtu == b->mtu &&
	       a->channels == b->channels && a->vlan.mode == b->vlan.mode &&
	       a->vlan.pvid == b->vlan.pvid && !memcmp(va, vb, sizeof(va)) &&
	       a->allow_spoofing == b->allow_spoofing && a->link_mbps == b->link_mbps &&
	       a->no_offload == b->no_offload && a->monitor == b->monitor && a->sriov == b->sriov;
}

static int diff_nic(struct mgmt_diff *d, const struct mgmt_partition *old,
		    const struct mgmt_partition *part, const struct mgmt_nic *nic)
{
	const struct mgmt_nic *was = mgmt_config_nic(old, *nic->index);

	if (!was) {
		add(d, MGMT_NIC_ADD, part, nic);
		return 0;
	}
	if (!is_same_nic(was, nic))
		return err_set(-EOPNOTSUPP,
			       "adapter %s/%u: only its link and vmq can change while it exists; "
			       "remove it and add it again",
			       part->name, *nic->index);
	return 0;
}

static bool is_same_vmq(const struct mgmt_nic_vmq *a, const struct mgmt_nic_vmq *b)
{
	bool is_pinned = a->lcore && b->lcore;

	return a->is_off == b->is_off && a->queues == b->queues && a->no_direct == b->no_direct &&
	       !a->lcore == !b->lcore && (!is_pinned || *a->lcore == *b->lcore);
}

static void links(struct mgmt_diff *d, const struct mgmt_partition *old,
		  const struct mgmt_partition *part)
{
	for (uint32_t i = 0; i < part->nics_count; i++) {
		const struct mgmt_nic *was = mgmt_config_nic(old, *part->nics[i].index);

		if (was && was->link_down != part->nics[i].link_down)
			add(d, MGMT_NIC_LINK, part, &part->nics[i]);
		if (was && !is_same_vmq(&was->vmq, &part->nics[i].vmq))
			add(d, MGMT_NIC_VMQ, part, &part->nics[i]);
	}
}

static void removals(struct mgmt_diff *d, const struct mgmt_partition *old,
		     const struct mgmt_partition *part)
{
	for (uint32_t i = 0; i < old->nics_count; i++)
		if (!mgmt_config_nic(part, *old->nics[i].index))
			add(d, MGMT_NIC_REMOVE, old, &old->nics[i]);
}

static int check_fixed(const struct mgmt_diff *d)
{
	bool is_same = d->from->partitions_count == d->to->partitions_count &&
		       d->from->uplinks_count == d->to->uplinks_count;

	for (uint32_t i = 0; is_same && i < d->from->partitions_count; i++)
		is_same = !strcmp(d->from->partitions[i].name, d->to->partitions[i].name);
	for (uint32_t i = 0; is_same && i < d->from->uplinks_count; i++)
		is_same = !strcmp(d->from->uplinks[i].name, d->to->uplinks[i].name);
	if (is_same)
		return 0;
	return err_set(-EOPNOTSUPP, "partitions and uplinks cannot change while the switch runs");
}

int mgmt_config_diff(const struct mgmt_cfg *from, const struct mgmt_cfg *to,
		     struct mgmt_change out[MGMT_CHANGES_MAX])
{
	struct mgmt_diff d = {.from = from, .to = to, .out = out};
	int rc = check_fixed(&d);

	for (uint32_t i = 0; i < to->partitions_count && !rc; i++)
		for (uint32_t k = 0; k < to->partitions[i].nics_count && !rc; k++)
			rc = diff_nic(&d, &from->partitions[i], &to->partitions[i],
				      &to->partitions[i].nics[k]);
	if (!rc) {
		mgmt_diff_exts(&d);
		mgmt_diff_policies(&d);
		mgmt_diff_mirrors(&d);
		mgmt_diff_overlay(&d);
	}
	for (uint32_t i = 0; i < to->partitions_count && !rc; i++)
		links(&d, &from->partitions[i], &to->partitions[i]);
	if (!rc)
		mgmt_diff_exts_gone(&d);
	for (uint32_t i = 0; i < to->partitions_count && !rc; i++)
		removals(&d, &from->partitions[i], &to->partitions[i]);
	return rc ? rc : d.n;
}
