/* SPDX-License-Identifier: BSD-3-Clause */
/* A host made of files: sysfs, procfs and the firmware's table below a directory of its own. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A PCI function. Members that are 0 or NULL are left out, as sysfs leaves them out. */
struct fakesys_dev {
	const char *bdf;
	const char
		*above; /* bridges: "0000:00:01.0" or "0000:00:01.0/0000:01:00.0"; NULL: root bus */
	const char *driver, *netdev, *pf;
	int group;	  /* -1: none */
	const char *unit; /* "dmar0" */
	uint32_t class_code;
	unsigned int vfs_total, vfs_on;
	int no_reset;
	const uint8_t *config;
	size_t config_len;
};

/* Makes the directory and returns its path. */
const char *fakesys_begin(void);
void fakesys_end(void); /* removes it */

void fakesys_put(const char *path, const char *text); /* with all folders on the way */
void fakesys_bytes(const char *path, const void *bytes, size_t len);
void fakesys_link(const char *path, const char *target);
void fakesys_remove(const char *path);

void fakesys_dev(const struct fakesys_dev *d);
void fakesys_group(unsigned int id, const char *ranges);
void fakesys_unit(const char *name, uint64_t address, uint64_t cap, uint64_t ecap);

/* Configuration spaces, 4096 bytes. @type: of the PCI Express capability. */
void fakesys_endpoint(uint8_t cfg[4096], unsigned int nr_msix);
void fakesys_port(uint8_t cfg[4096], uint8_t type, uint8_t secondary,
		  int acs_ctrl); /* -1: no ACS */

/* A host with VT-d, remapping, VFIO, one root port with ACS and a NIC below it: PF 0000:01:00.0 (igb, group
 * 10) and VF 0000:01:10.0 (no driver, group 11), unit dmar0. */
void fakesys_good_host(void);
