/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said to a PF's driver by rtnetlink: the settings of its VFs, and the unicast filters of the PF
 * itself. Messages are built and read here; a tests' kernel may take the place of the socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRIOV_VFS_MAX	  256u /* of a PF */
#define SRIOV_FILTERS_MAX 1024u

enum sriov_link { SRIOV_LINK_AUTO, SRIOV_LINK_UP, SRIOV_LINK_DOWN };

enum sriov_field {
	SRIOV_MAC,
	SRIOV_VLAN,
	SRIOV_SPOOFCHK,
	SRIOV_TRUST,
	SRIOV_RATE,
	SRIOV_LINK,
	SRIOV_FIELDS,
};

/* The settings of a VF. */
struct sriov_vf {
	unsigned int
		fields; /* 1 << enum sriov_field: those that the driver told, or that are wanted */
	uint8_t mac[6]; /* all zero: none set */
	uint16_t vlan;	/* 0: untagged */
	uint8_t qos;
	bool spoofchk, trust;
	uint32_t min_mbps, max_mbps; /* 0: no limit */
	enum sriov_link link;
};

struct sriov_nl;
struct nlmsghdr;

struct sriov_nl_ops {
	/* Sends a request and gives each message of the answer to @each, which goes on while it returns
	 * 0. 0, the kernel's -errno, or that of @each (no text). */
	int (*talk)(void *ctx, const struct nlmsghdr *req,
		    int (*each)(const struct nlmsghdr *m, void *data), void *data);
	void (*close)(void *ctx);
};

/* ctl.  A socket, or with @ops what the caller puts in its place (borrows @ctx). 0 or -errno (text set). */
int sriov_nl_create(struct sriov_nl **out, const struct sriov_nl_ops *ops, void *ctx);
void sriov_nl_destroy(struct sriov_nl *n); /* NULL is fine */

struct sriov_link_state {
	bool is_up, is_promisc;
	unsigned int nr_vfs;
	struct sriov_vf vf[SRIOV_VFS_MAX];
};

/* All below: ctl; 0 or -errno (no text: what it means is the caller's to say). */

int sriov_nl_get(struct sriov_nl *n, unsigned int ifindex, struct sriov_link_state *out);
/* One setting; the driver that cannot do it: -EOPNOTSUPP. */
int sriov_nl_set(struct sriov_nl *n, unsigned int ifindex, unsigned int vf, enum sriov_field field,
		 const struct sriov_vf *to);
/* @flag: IFF_UP or IFF_PROMISC. */
int sriov_nl_set_flag(struct sriov_nl *n, unsigned int ifindex, unsigned int flag, bool is_on);

int sriov_nl_filter_add(struct sriov_nl *n, unsigned int ifindex, const uint8_t mac[6]);
int sriov_nl_filter_del(struct sriov_nl *n, unsigned int ifindex, const uint8_t mac[6]);
/* The unicast filters that there are. Returns how many, or -errno; -ENOSPC: more than SRIOV_FILTERS_MAX. */
int sriov_nl_filters(struct sriov_nl *n, unsigned int ifindex, uint8_t out[SRIOV_FILTERS_MAX][6]);
