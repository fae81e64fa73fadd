/* SPDX-License-Identifier: BSD-3-Clause */
/* Who receives the frames to a MAC address at one PF: the PF itself, by a unicast filter, so that they
 * reach the switch; or a VF that has this address. Never both for longer than the NIC takes (each
 * frame would come twice) and never neither (none would come): so a filter is added before a VF goes,
 * and removed when the guest has switched over.
 *
 * A claimed address keeps its place in the PF's table also while a VF receives it, so the way back
 * cannot fail for lack of room.
 *
 *   NOBODY --to_pf--> PF <--to_pf-- / --to_vf--> VF        forget: from any, to NOBODY
 *   any of them, and the driver failed: UNSURE, until to_pf or to_vf works
 */
#pragma once

#include <stdint.h>

#include "sriov/nl.h"

enum sriov_owner { SRIOV_NOBODY, SRIOV_PF, SRIOV_VF, SRIOV_UNSURE };

struct sriov_filter;

/* ctl.  @slots: filters that fit, 0: the driver refuses by itself. Borrows @nl and @name (for messages). 0
 * or -ENOMEM (text set). */
int sriov_filter_create(struct sriov_filter **out, struct sriov_nl *nl, unsigned int ifindex,
			const char *name, unsigned int slots);
/* ctl.  Leaves the filters as they are. NULL is fine. */
void sriov_filter_destroy(struct sriov_filter *f);

/* All below: ctl. Each looks afterwards whether it took. 0 or a refusal: FILTERS_FULL (only of an address
 * that is new), VF_CONFIG (the driver failed, or it did not take), PF_TIMEOUT, GONE. Repeating is fine. */
int sriov_filter_to_pf(struct sriov_filter *f, const uint8_t mac[6]);
int sriov_filter_to_vf(struct sriov_filter *f, const uint8_t mac[6]);
/* Takes the filter away and gives its place back, even when that fails. */
int sriov_filter_forget(struct sriov_filter *f, const uint8_t mac[6]);
void sriov_filter_forget_all(struct sriov_filter *f);

enum sriov_owner sriov_filter_owner(const struct sriov_filter *f, const uint8_t mac[6]);
const char *sriov_owner_word(enum sriov_owner owner);	       /* any */
unsigned int sriov_filter_used(const struct sriov_filter *f);  /* any. Claimed ones */
unsigned int sriov_filter_slots(const struct sriov_filter *f); /* any. 0: not known */
