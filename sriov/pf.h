/* SPDX-License-Identifier: BSD-3-Clause */
/* A physical function: how many virtual functions it has, and how each is set up. What is wanted is
 * compared with what is (a pure question: a plan is a list of steps with a text each, which a dry run
 * prints); each step is then taken, looked at, and either took or is an error that names the step,
 * what was expected and what was found. What is already as wanted gives no step, so applying twice is
 * applying once.
 *
 *   open -> (plan -> apply) ... -> close */
#pragma once

#include "sriov/nl.h"
#include "sriov/sys.h"

#define SRIOV_KEEP (-1)

struct sriov_pf;

/* What a PF is. */
struct sriov_pf_info {
	char bdf[SRIOV_BDF_MAX];
	char ifname[SRIOV_NAME_MAX];
	char driver[SRIOV_NAME_MAX];
	unsigned int ifindex;
	unsigned int total_vfs;
	uint16_t vendor, device;
};

/* ctl.  @name: an interface or a PCI address. Borrows @sys (copied) and @nl. 0, -ENOMEM, or a refusal:
 * NO_DEVICE, NOT_SRIOV. */
int sriov_pf_open(struct sriov_pf **out, const struct sriov_sys *sys, struct sriov_nl *nl,
		  const char *name);
void sriov_pf_close(struct sriov_pf *pf); /* NULL is fine; changes nothing at the PF */
const struct sriov_pf_info *sriov_pf_info(const struct sriov_pf *pf); /* any */

/* ctl.  What is. 0 or a refusal. */
struct sriov_pf_state {
	unsigned int nr_vfs;
	int autoprobe; /* 0, 1; SRIOV_KEEP: the kernel has no such switch */
	bool is_up, is_promisc;
	struct sriov_vf vf[SRIOV_VFS_MAX]; /* fields: those that the driver tells */
};
int sriov_pf_read(struct sriov_pf *pf, struct sriov_pf_state *out);

/* ctl.  The PCI address of VF @vf, as it is now. 0 or a refusal: GONE. */
int sriov_pf_vf(const struct sriov_pf *pf, unsigned int vf, char bdf[SRIOV_BDF_MAX]);

/* any.  Unicast filters that the PF has for itself beside its own address while there are @nr_vfs; 0: not
 * known. */
unsigned int sriov_pf_filter_slots(const struct sriov_pf_info *info, unsigned int nr_vfs);

struct sriov_vf_want {
	unsigned int vf;
	struct sriov_vf to; /* fields: those that are wanted; the others stay */
};

struct sriov_pf_want {
	int nr_vfs;	/* SRIOV_KEEP: as many as there are */
	int autoprobe;	/* SRIOV_KEEP, or whether host drivers take new VFs */
	int is_up;	/* SRIOV_KEEP, or whether the interface is up */
	int is_promisc; /* SRIOV_KEEP, or whether the interface is told to hear everything */
	const struct sriov_vf_want *vf;
	unsigned int nr; /* of vf */
	/* Whether somebody has the VF: their number does not change then. NULL: nobody has any. */
	bool (*is_assigned)(void *ctx, unsigned int vf);
	void *ctx;
};

enum sriov_step_kind {
	SRIOV_DO_UP,
	SRIOV_DO_PROMISC,
	SRIOV_DO_AUTOPROBE,
	SRIOV_DO_NUMVFS,
	SRIOV_DO_VF,
};

enum sriov_step_state {
	SRIOV_STEP_TODO,
	SRIOV_STEP_DONE,	/* taken and seen to have taken */
	SRIOV_STEP_UNSUPPORTED, /* the driver cannot do it, and can be done without */
	SRIOV_STEP_FAILED,
};

struct sriov_step {
	enum sriov_step_kind kind;
	enum sriov_step_state state;
	unsigned int number; /* the value of all but the last */
	unsigned int vf;     /* SRIOV_DO_VF: which one ... */
	enum sriov_field field;
	struct sriov_vf to; /* ... and the value */
	char text[128];	    /* for people: what it does */
	char why[128];	    /* unsupported, failed */
};

struct sriov_plan {
	struct sriov_step *step;
	unsigned int nr;
};

/* ctl.  Changes nothing. 0 and the plan (empty: all is as wanted), or -errno: VF_TOO_MANY, BUSY (VFs that
 * somebody has would vanish), -EINVAL (a VF that there would not be), -ENOMEM. */
int sriov_pf_plan(struct sriov_pf *pf, const struct sriov_pf_want *want, struct sriov_plan *out);
void sriov_plan_fini(struct sriov_plan *plan);

/* ctl.  Takes the steps, one after the other, up to the first that fails. 0 (some may be unsupported), or a
 * refusal: VF_ENABLE, VF_CONFIG, PF_TIMEOUT, GONE. */
int sriov_pf_apply(struct sriov_pf *pf, struct sriov_plan *plan);

const char *sriov_step_word(enum sriov_step_state state); /* any.  "done", "unsupported" ... */

/* ctl.  Plan and apply. */
int sriov_pf_set(struct sriov_pf *pf, const struct sriov_pf_want *want);
