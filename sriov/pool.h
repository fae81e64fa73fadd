/* SPDX-License-Identifier: BSD-3-Clause */
/* The VFs that may be handed out: which are free, who has which, and which may not be used any more
 * because they could not be cleaned. Pure book-keeping; what is done to a VF is the caller's.
 *
 *   FREE --take--> ASSIGNED --give_back--> FREE
 *                  ASSIGNED --quarantine--> QUARANTINE
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sriov/sys.h"

#define SRIOV_POOL_MAX 1024u /* of all PFs */

enum sriov_vf_state { SRIOV_FREE, SRIOV_ASSIGNED, SRIOV_QUARANTINE };

struct sriov_pool_vf {
	unsigned int pf, vf; /* the caller's number of the PF, and its VF */
	char bdf[SRIOV_BDF_MAX];
	enum sriov_vf_state state;
	uint32_t serial; /* ASSIGNED: of this time only, never 0, never in use twice */
	char owner[40];	 /* ASSIGNED, QUARANTINE: who has, or had it */
	char why[400];	 /* QUARANTINE */
};

struct sriov_pool;

/* ctl.  0 or -ENOMEM (text set). */
int sriov_pool_create(struct sriov_pool **out);
void sriov_pool_destroy(struct sriov_pool *p); /* NULL is fine */

/* ctl.  One more free VF. 0, -EEXIST, or -ENOSPC (text set). */
int sriov_pool_add(struct sriov_pool *p, unsigned int pf, unsigned int vf, const char *bdf);

/* ctl.  A free VF of @pf for @owner, with a serial number of its own. The same VF is not handed out again
 * while another has been free for longer. 0 and *@out (the pool's), or a refusal: VF_NONE_FREE. */
int sriov_pool_take(struct sriov_pool *p, unsigned int pf, const char *owner,
		    struct sriov_pool_vf **out);
/* any.  The VF that sriov_pool_take() would take, or NULL. */
const struct sriov_pool_vf *sriov_pool_next(const struct sriov_pool *p, unsigned int pf);
void sriov_pool_give_back(struct sriov_pool *p, struct sriov_pool_vf *v); /* ctl */
void sriov_pool_quarantine(struct sriov_pool *p, struct sriov_pool_vf *v,
			   const char *why); /* ctl */

/* any.  The @n-th one, or NULL: there are no more. */
const struct sriov_pool_vf *sriov_pool_at(const struct sriov_pool *p, unsigned int n);
unsigned int sriov_pool_count(const struct sriov_pool *p, unsigned int pf,
			      enum sriov_vf_state state);   /* any */
const char *sriov_vf_state_word(enum sriov_vf_state state); /* any */
