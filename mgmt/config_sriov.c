/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys of SR-IOV: which uplinks have a PF, and which adapters may get a VF. What the host's PFs can do is
 * found out when the instance starts (sup_vf*.c). */
#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "mgmt/config_priv.h"

/* The kernel has an interface for the devices of these drivers, and they leave it to the kernel. */
static bool is_on_interface(const char *devargs)
{
	return !strncmp(devargs, "net_af_packet", 13) || !strncmp(devargs, "eth_af_packet", 13) ||
	       !strncmp(devargs, "net_af_xdp", 10);
}

bool mgmt_uplink_pf(const struct mgmt_uplink *up, char *buf, size_t size)
{
	const char *arg = strchr(up->devargs, ',');

	if (up->pf) {
		snprintf(buf, size, "%s", up->pf);
		return true;
	}
	while (arg && strncmp(arg + 1, "iface=", 6) != 0)
		arg = strchr(arg + 1, ',');
	if (!arg || up->netns || !is_on_interface(up->devargs))
		return false;
	arg += 7;
	snprintf(buf, size, "%.*s", (int)strcspn(arg, ","), arg);
	return buf[0];
}

uint32_t mgmt_config_vfs(const struct mgmt_cfg *cfg)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cfg->partitions_count; i++)
		for (uint32_t k = 0; k < cfg->partitions[i].nics_count; k++)
			n += cfg->partitions[i].nics[k].sriov;
	return n;
}

static bool is_pci(const char *s)
{
	static const char form[] = "xxxx:xx:xx.x";
	size_t i;

	for (i = 0; form[i]; i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)s[i]) : s[i] != form[i])
			return false;
	return !s[i];
}

static bool is_interface(const char *s)
{
	for (const char *p = s; *p; p++)
		if (isspace((unsigned char)*p) || iscntrl((unsigned char)*p) || *p == '/' ||
		    *p == ':')
			return false;
	return strlen(s) < IFNAMSIZ && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

static int check_pf_name(const struct check *c, uint32_t i)
{
	const struct mgmt_uplink *up = &c->cfg->uplinks[i];
	char rest[200];

	if (!up->pf)
		return 0;
	snprintf(rest, sizeof(rest),
		 "found \"%.40s\"; allowed: an interface, or a PCI address such as 0000:01:00.0",
		 up->pf);
	if (!is_pci(up->pf) && !is_interface(up->pf))
		return mgmt_complain(c, rest, "uplinks[%u].pf", i);
	if (up->netns)
		return mgmt_complain(
			c, "found with netns; allowed: without, since its VFs are set up from here",
			"uplinks[%u].pf", i);
	return 0;
}

/* Two uplinks on one PF would each count its VFs. */
static int check_pf_once(const struct check *c, uint32_t i)
{
	char name[40], other[40], rest[160];

	if (!mgmt_uplink_pf(&c->cfg->uplinks[i], name, sizeof(name)))
		return 0;
	for (uint32_t k = 0; k < i; k++) {
		if (!mgmt_uplink_pf(&c->cfg->uplinks[k], other, sizeof(other)) ||
		    strcmp(name, other) != 0)
			continue;
		snprintf(rest, sizeof(rest),
			 "found \"%s\", which uplinks[%u] has, too; allowed: each once", name, k);
		return mgmt_complain(c, rest, "uplinks[%u].%s", i,
				     c->cfg->uplinks[i].pf ? "pf" : "devargs");
	}
	return 0;
}

static int check_uplink(const struct check *c, uint32_t i)
{
	char name[40];
	int rc = check_pf_name(c, i);

	if (!rc)
		rc = check_pf_once(c, i);
	if (!rc && c->cfg->uplinks[i].vfs &&
	    !mgmt_uplink_pf(&c->cfg->uplinks[i], name, sizeof(name)))
		rc = mgmt_complain(
			c,
			"found on an uplink without a PF; allowed: with the key pf, or on "
			"a net_af_packet device outside of network namespaces",
			"uplinks[%u].vfs", i);
	return rc;
}

static bool has_pf(const struct mgmt_cfg *cfg)
{
	char name[40];

	for (uint32_t i = 0; i < cfg->uplinks_count; i++)
		if (mgmt_uplink_pf(&cfg->uplinks[i], name, sizeof(name)))
			return true;
	return false;
}

static int check_nic(const struct check *c, uint32_t part, uint32_t k)
{
	const struct mgmt_partition *p = &c->cfg->partitions[part];
	const char *rest = NULL;

	if (!p->nics[k].sriov)
		return 0;
	if (mgmt_config_engine(c->cfg, p) == HV_ENGINE_RING3)
		rest = "found on with engine ring3; allowed: with engine kvm";
	else if (p->nics[k].vlan.mode == VSW_VLAN_TRUNK)
		rest = "found on with vlan.mode trunk; allowed: with access, since a VF would not be "
		       "kept to the VLANs of a trunk";
	else if (!has_pf(c->cfg))
		rest = "found on, but no uplink can have a PF; allowed: with an uplink that has the "
		       "key pf or a net_af_packet device";
	return rest ? mgmt_complain(c, rest, "partitions[%u].nics[%u].sriov", part, k) : 0;
}

int mgmt_check_sriov(const struct check *c)
{
	return mgmt_check_each(c, check_uplink, check_nic);
}
