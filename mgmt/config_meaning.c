/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of a loaded configuration that need more than one key, or the host: names and addresses
 * used twice, CPUs that are not there, images that are missing. Fills in derived MAC addresses. */
#include "mgmt/config_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "mgmt/serial.h"
#include "vmbus/state.h"

int mgmt_complain(const struct check *c, const char *rest, const char *path, ...)
{
	char at[160], safe[512];
	va_list ap;

	va_start(ap, path);
	vsnprintf(at, sizeof(at), path, ap);
	va_end(ap);
	snprintf(safe, sizeof(safe), "%s", rest);
	for (char *s = safe; *s; s++)
		if (iscntrl((unsigned char)*s))
			*s = '?';
	return err_set(-EINVAL, "%s:%u: %s: %s", c->label, ytree_find(c->root, at)->line, at, safe);
}

bool mgmt_is_name(const char *name)
{
	if (!islower(name[0]) && !isdigit(name[0]))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen(name);
}

static int check_names(const struct check *c)
{
	const struct mgmt_cfg *cfg = c->cfg;
	char rest[256];

	snprintf(rest, sizeof(rest), "found \"%s\"; allowed: " MGMT_NAME_RULE, cfg->name);
	if (!mgmt_is_name(cfg->name))
		return mgmt_complain(c, rest, "name");
	for (uint32_t i = 0; i < cfg->partitions_count; i++) {
		const char *name = cfg->partitions[i].name;

		snprintf(rest, sizeof(rest), "found \"%s\"; allowed: " MGMT_NAME_RULE, name);
		if (!mgmt_is_name(name))
			return mgmt_complain(c, rest, "partitions[%u].name", i);
		for (uint32_t k = 0; k < i; k++) {
			snprintf(rest, sizeof(rest),
				 "found \"%s\", which partitions[%u] has, too; allowed: each name "
				 "once",
				 name, k);
			if (!strcmp(cfg->partitions[k].name, name))
				return mgmt_complain(c, rest, "partitions[%u].name", i);
		}
	}
	return 0;
}

static int check_uplink_name(const struct check *c, uint32_t i)
{
	const struct mgmt_uplink *up = c->cfg->uplinks;
	char rest[256];

	snprintf(rest, sizeof(rest), "found \"%s\"; allowed: " MGMT_NAME_RULE, up[i].name);
	if (!mgmt_is_name(up[i].name))
		return mgmt_complain(c, rest, "uplinks[%u].name", i);
	for (uint32_t k = 0; k < i; k++) {
		snprintf(rest, sizeof(rest),
			 "found \"%s\", which uplinks[%u] has, too; allowed: each name once",
			 up[i].name, k);
		if (!strcmp(up[k].name, up[i].name))
			return mgmt_complain(c, rest, "uplinks[%u].name", i);
	}
	return 0;
}

/* The device is what stands before the first comma: two uplinks on it cannot work. */
static int check_uplink_device(const struct check *c, uint32_t i)
{
	const struct mgmt_uplink *up = c->cfg->uplinks;
	size_t n = strcspn(up[i].devargs, ",");
	char rest[256];

	for (uint32_t k = 0; k < i; k++) {
		snprintf(rest, sizeof(rest),
			 "found device \"%.60s\", which uplinks[%u] uses, too; allowed: each once",
			 up[i].devargs, k);
		if (strcspn(up[k].devargs, ",") == n && !memcmp(up[k].devargs, up[i].devargs, n))
			return mgmt_complain(c, rest, "uplinks[%u].devargs", i);
	}
	return 0;
}

static int check_vlan(const struct check *c, const struct mgmt_vlan *vlan, const char *path)
{
	if (vlan->mode == VSW_VLAN_ACCESS && vlan->allowed)
		return mgmt_complain(c, "found with mode access; allowed: with mode: trunk only",
				     "%s.vlan.allowed", path);
	return 0;
}

int mgmt_check_each(const struct check *c, int (*uplink)(const struct check *c, uint32_t i),
		    int (*nic)(const struct check *c, uint32_t part, uint32_t k))
{
	int rc = 0;

	for (uint32_t i = 0; i < c->cfg->uplinks_count && !rc; i++)
		rc = uplink(c, i);
	for (uint32_t i = 0; i < c->cfg->partitions_count && !rc; i++)
		for (uint32_t k = 0; k < c->cfg->partitions[i].nics_count && !rc; k++)
			rc = nic(c, i, k);
	return rc;
}

static int check_uplinks(const struct check *c)
{
	char path[64];
	int rc = 0;

	for (uint32_t i = 0; i < c->cfg->uplinks_count && !rc; i++) {
		rc = check_uplink_name(c, i);
		if (!rc)
			rc = check_uplink_device(c, i);
		snprintf(path, sizeof(path), "uplinks[%u]", i);
		if (!rc)
			rc = check_vlan(c, &c->cfg->uplinks[i].vlan, path);
		if (!rc && c->cfg->uplinks[i].netns && strchr(c->cfg->uplinks[i].netns, '/'))
			rc = mgmt_complain(
				c, "found a path; allowed: a name as `ip netns list` shows it",
				"%s.netns", path);
	}
	return rc;
}

static bool has_cpu(const struct mgmt_host *host, uint32_t cpu)
{
	return cpu < 1024 && (host->cpus[cpu / 64] >> (cpu % 64) & 1);
}

static const char *cpu_list(const struct mgmt_host *host, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	for (uint32_t first = 0; first < 1024 && n + 16 < size; first++) {
		uint32_t last = first;

		if (!has_cpu(host, first))
			continue;
		while (has_cpu(host, last + 1))
			last++;
		n += snprintf(buf + n, size - n, "%s%u", n ? "," : "", first);
		if (last > first)
			n += snprintf(buf + n, size - n, "-%u", last);
		first = last;
	}
	return buf;
}

static int check_cpu_list(const struct check *c, const uint32_t *cpu, uint32_t nr, const char *path)
{
	char list[64], rest[160];

	for (uint32_t i = 0; i < nr; i++) {
		snprintf(rest, sizeof(rest), "found CPU %u; allowed: %s (CPUs nethv may use here)",
			 cpu[i], cpu_list(c->host, list, sizeof(list)));
		if (!has_cpu(c->host, cpu[i]))
			return mgmt_complain(c, rest, "%s[%u]", path, i);
		for (uint32_t k = 0; k < i; k++) {
			snprintf(rest, sizeof(rest), "found CPU %u again; allowed: each once",
				 cpu[i]);
			if (cpu[k] == cpu[i])
				return mgmt_complain(c, rest, "%s[%u]", path, i);
		}
	}
	return 0;
}

bool mgmt_is_lcore(const struct mgmt_switch *sw, uint32_t cpu)
{
	for (uint32_t i = 0; i < sw->lcores_count; i++)
		if (sw->lcores[i] == cpu)
			return true;
	return false;
}

static int check_cpus(const struct check *c)
{
	const struct mgmt_switch *sw = &c->cfg->sw;
	char path[64], rest[200];
	int rc;

	rc = check_cpu_list(c, sw->lcores, sw->lcores_count, "switch.lcores");
	for (uint32_t i = 0; i < c->cfg->partitions_count && !rc; i++) {
		const struct mgmt_partition *p = &c->cfg->partitions[i];

		snprintf(path, sizeof(path), "partitions[%u].cpus", i);
		rc = check_cpu_list(c, p->cpus, p->cpus_count, path);
		for (uint32_t k = 0; k < p->cpus_count && !rc; k++) {
			snprintf(rest, sizeof(rest),
				 "found CPU %u, which switch.lcores polls without pause "
				 "(poll: busy); allowed: another CPU, or another switch.poll",
				 p->cpus[k]);
			if (sw->poll == VSW_POLL_BUSY && mgmt_is_lcore(sw, p->cpus[k]))
				rc = mgmt_complain(c, rest, "%s[%u]", path, k);
		}
	}
	return rc;
}

/* FNV-1a. */
char *mgmt_derived_mac(const char *instance, const char *owner, uint32_t index)
{
	uint32_t h = 2166136261u;
	char text[80], *mac;

	snprintf(text, sizeof(text), "%s/%s/%u", instance, owner, index);
	for (const char *s = text; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	if (asprintf(&mac, "02:4e:%02x:%02x:%02x:%02x", h >> 24, h >> 16 & 0xff, h >> 8 & 0xff,
		     h & 0xff) < 0)
		return NULL;
	return mac;
}

static int resolve_mac(const struct check *c, uint32_t part, uint32_t index)
{
	struct mgmt_partition *p = &c->cfg->partitions[part];
	struct mgmt_nic *nic = &p->nics[index];
	const uint8_t *a = nic->addr;
	char rest[128];

	if (nic->mac) {
		snprintf(rest, sizeof(rest),
			 "found \"%s\"; allowed: six bytes, such as 02:4e:00:00:00:01, not all "
			 "zero, no group address",
			 nic->mac);
		if (!mgmt_mac(nic->mac, nic->addr) || (a[0] & 1) ||
		    !(a[0] | a[1] | a[2] | a[3] | a[4] | a[5]))
			return mgmt_complain(c, rest, "partitions[%u].nics[%u].mac", part, index);
		return 0;
	}
	nic->mac = mgmt_derived_mac(c->cfg->name, p->name, *nic->index);
	if (!nic->mac)
		return err_set(-ENOMEM, "%s: out of memory", c->label);
	mgmt_mac(nic->mac, nic->addr);
	return 0;
}

/* Looks at all adapters before (@part, @index). */
static int check_mac_unique(const struct check *c, uint32_t part, uint32_t index)
{
	const struct mgmt_nic *nic = &c->cfg->partitions[part].nics[index];
	char rest[160];

	for (uint32_t i = 0; i <= part; i++) {
		const struct mgmt_partition *p = &c->cfg->partitions[i];
		uint32_t end = i == part ? index : p->nics_count;

		for (uint32_t k = 0; k < end; k++) {
			if (memcmp(p->nics[k].addr, nic->addr, 6))
				continue;
			snprintf(rest, sizeof(rest),
				 "found %s, which partitions[%u].nics[%u] has, too; allowed: each "
				 "address once",
				 nic->mac, i, k);
			return mgmt_complain(c, rest, "partitions[%u].nics[%u].mac", part, index);
		}
	}
	return 0;
}

static int check_index(const struct check *c, uint32_t part, uint32_t at)
{
	const struct mgmt_nic *nic = c->cfg->partitions[part].nics;
	char rest[128];

	for (uint32_t i = 0; i < at; i++) {
		snprintf(rest, sizeof(rest),
			 "found %u, which partitions[%u].nics[%u] has, too; allowed: each number "
			 "once",
			 *nic[at].index, part, i);
		if (*nic[i].index == *nic[at].index)
			return mgmt_complain(c, rest, "partitions[%u].nics[%u].index", part, at);
	}
	return 0;
}

/* Channels that the worker serves itself: a controller for all disks, and the components. */
static uint32_t local_channels(const struct mgmt_partition *p)
{
	return (p->disks_count ? 1 : 0) + (p->integration ? 4 : 0);
}

static int check_nics(const struct check *c, uint32_t part)
{
	const struct mgmt_partition *p = &c->cfg->partitions[part];
	uint32_t channels = local_channels(p);
	char path[64], rest[128];
	int rc = 0;

	for (uint32_t i = 0; i < p->nics_count && !rc; i++) {
		snprintf(path, sizeof(path), "partitions[%u].nics[%u]", part, i);
		channels += p->nics[i].channels;
		rc = check_index(c, part, i);
		if (!rc)
			rc = resolve_mac(c, part, i);
		if (!rc)
			rc = check_mac_unique(c, part, i);
		if (!rc)
			rc = check_vlan(c, &p->nics[i].vlan, path);
	}
	snprintf(rest, sizeof(rest), "found %u channels in all; allowed: %u in a partition",
		 channels, VMBUS_CHANS_MAX - 1);
	if (!rc && channels > VMBUS_CHANS_MAX - 1)
		rc = mgmt_complain(c, rest, "partitions[%u].nics", part);
	return rc;
}

/* One file or socket each: two workers would write over one another. */
static int check_serial(const struct check *c, uint32_t part)
{
	const char *text = c->cfg->partitions[part].serial, *path;
	enum serial_kind kind;
	char rest[300];

	snprintf(rest, sizeof(rest),
		 "found \"%.100s\"; allowed: log, file PATH, socket PATH (of at most 107 bytes)",
		 text);
	if (serial_parse(text, &kind, &path) || (kind == SERIAL_SOCKET && strlen(path) > 107))
		return mgmt_complain(c, rest, "partitions[%u].serial", part);
	for (uint32_t i = 0; i < part; i++) {
		snprintf(rest, sizeof(rest),
			 "found \"%.100s\", which partitions[%u] has, too; allowed: each once",
			 text, i);
		if (*path && !strcmp(c->cfg->partitions[i].serial, text))
			return mgmt_complain(c, rest, "partitions[%u].serial", part);
	}
	return 0;
}

int mgmt_check_meaning(const char *label, const struct ytree *root, struct mgmt_cfg *cfg,
		       const struct mgmt_host *host)
{
	struct check c = {.label = label, .root = root, .cfg = cfg, .host = host};
	uint32_t ports = cfg->uplinks_count;
	char rest[96];
	int rc;

	rc = check_names(&c);
	if (!rc)
		rc = check_uplinks(&c);
	if (!rc)
		rc = check_cpus(&c);
	for (uint32_t i = 0; i < cfg->partitions_count && !rc; i++) {
		ports += cfg->partitions[i].nics_count;
		rc = check_nics(&c, i);
		if (!rc)
			rc = mgmt_check_boot(&c, i);
		if (!rc)
			rc = check_serial(&c, i);
	}
	if (!rc)
		rc = mgmt_check_sriov(&c);
	if (!rc)
		rc = mgmt_check_vmq(&c);
	if (!rc)
		rc = mgmt_check_disks(&c);
	if (!rc)
		rc = mgmt_check_exts(&c);
	if (!rc)
		rc = mgmt_check_policies(&c);
	if (!rc)
		rc = mgmt_check_overlay(&c);
	snprintf(rest, sizeof(rest), "found %u nics and uplinks; allowed: %u ports", ports,
		 VSW_PORTS_MAX);
	if (!rc && ports > VSW_PORTS_MAX)
		rc = mgmt_complain(&c, rest, "partitions");
	return rc;
}
