/* SPDX-License-Identifier: BSD-3-Clause */
/* A host with PFs, made up: a sysfs tree in a temporary directory that reacts to what is written like a
 * kernel, a netlink that keeps the settings of VFs and filters, and a clock that only sleep moves. It can
 * be told to fail, or to say yes and do nothing. */
#pragma once

#include "sriov/nl.h"
#include "sriov/sys.h"
#include "tests/support/scratch.h"

#define FAKE_PFS    2u
#define FAKE_VFS    16u
#define FAKE_FAULTS 8u

enum fake_fault {
	FAKE_FAIL,   /* return rc, do nothing */
	FAKE_IGNORE, /* return 0, do nothing */
};

struct fake_pf {
	char bdf[SRIOV_BDF_MAX], ifname[SRIOV_NAME_MAX];
	unsigned int ifindex, nr_vfs;
	bool is_up, is_promisc;
	unsigned int appear; /* of VFs at most; 0: all */
	struct sriov_vf vf[FAKE_VFS];
	unsigned int cannot; /* 1 << enum sriov_field: not supported by the driver */
	uint8_t filter[64][6];
	unsigned int nr_filters;
	unsigned int nr_sets; /* of VF settings */
};

struct fake_host {
	char root[SCRATCH_PATH];
	struct sriov_sys sys;
	struct sriov_nl *nl;
	struct fake_pf pf[FAKE_PFS];
	unsigned int nr_pfs;
	int slept_ms;
	unsigned int nr_writes;
	bool is_group_open
		[64];	      /* by number of the IOMMU group: that of VF n of PF p is 16 * p + n */
	bool keeps_mastering; /* after a reset */
	struct {
		enum fake_fault kind;
		const char *end; /* of the path; NULL: netlink ... */
		int type;	 /* ... message of this type, of VF settings: 1000 + field */
		int rc;
		int times; /* -1: always */
	} fault[FAKE_FAULTS];
	unsigned int nr_faults;
};

void fake_host_init(struct fake_host *h); /* fails the test when it cannot */
void fake_host_fini(struct fake_host *h);

/* One more PF with driver igb (82576), @total_vfs and interface @ifname. */
struct fake_pf *fake_pf_add(struct fake_host *h, const char *ifname, unsigned int total_vfs);

/* The next @times (-1: all) writes to a file whose path ends so, or netlink messages, do that. */
void fake_fail_write(struct fake_host *h, const char *end, enum fake_fault kind, int rc, int times);
void fake_fail_nl(struct fake_host *h, int type, enum fake_fault kind, int rc, int times);
#define FAKE_SET(field) (1000 + (field))

/* As sriov_nl_ops::talk, with the host as context. */
int fake_talk(void *ctx, const struct nlmsghdr *m,
	      int (*each)(const struct nlmsghdr *m, void *data), void *data);

bool fake_has_filter(const struct fake_pf *pf, const uint8_t mac[6]);
void fake_vf_bdf(const struct fake_host *h, const struct fake_pf *pf, unsigned int vf,
		 char out[SRIOV_BDF_MAX]);
/* Makes @bdf master the bus, as a guest's driver would. */
void fake_master(struct fake_host *h, const char *bdf);
