/* SPDX-License-Identifier: BSD-3-Clause */
/* Loading: tree for messages, schema check, libcyaml into structs, defaults, meaning. */
#include "mgmt/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "mgmt/config_priv.h"

#define PARTITION_MIB 128u
#define SWITCH_MIB    256u

static const cyaml_config_t cyaml_cfg = {
	.mem_fn = cyaml_mem,
	.flags = CYAML_CFG_NO_ALIAS,
};

void mgmt_host_get(struct mgmt_host *out, const char *default_image)
{
	cpu_set_t set;

	memset(out, 0, sizeof(*out));
	out->default_image = default_image;
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (unsigned int i = 0; i < CPU_SETSIZE && i < 1024; i++)
		if (CPU_ISSET(i, &set))
			out->cpus[i / 64] |= 1ull << (i % 64);
}

uint32_t mgmt_host_last_cpu(const struct mgmt_host *host)
{
	uint32_t last = 0;

	for (uint32_t cpu = 0; cpu < 1024; cpu++)
		if (host->cpus[cpu / 64] >> (cpu % 64) & 1)
			last = cpu;
	return last;
}

static int default_text(char **field, const char *value)
{
	if (*field)
		return 0;
	*field = strdup(value);
	return *field ? 0 : err_set(-ENOMEM, "configuration: out of memory");
}

#define DEFAULT(field, value) ((field) = (field) ? (field) : (value))

static int default_nic(struct mgmt_nic *nic, uint32_t at, uint32_t vps)
{
	DEFAULT(nic->mtu, 1500);
	DEFAULT(nic->channels, vps < 8 ? vps : 8);
	DEFAULT(nic->link_mbps, 100000);
	if (nic->index)
		return 0;
	nic->index = malloc(sizeof(*nic->index));
	if (!nic->index)
		return err_set(-ENOMEM, "configuration: out of memory");
	*nic->index = (uint8_t)at;
	return 0;
}

static int default_partition(struct mgmt_partition *p, const struct mgmt_host *host)
{
	int rc = p->kernel ? 0 : default_text(&p->image, host->default_image);

	if (!rc)
		rc = default_text(&p->cmdline, "");
	if (!rc)
		rc = default_text(&p->serial, "log");
	DEFAULT(p->vps, 1);
	DEFAULT(p->memory, PARTITION_MIB);
	DEFAULT(p->vmbus_version, VMBUS_V5_3);
	DEFAULT(p->stop_s, p->kernel ? 20 : 3);
	for (uint32_t i = 0; i < p->nics_count && !rc; i++)
		rc = default_nic(&p->nics[i], i, p->vps);
	return rc;
}

static int fill_defaults(struct mgmt_cfg *cfg, const struct mgmt_host *host)
{
	int rc = default_text(&cfg->name, "nethv");

	DEFAULT(cfg->sw.memory, SWITCH_MIB);
	DEFAULT(cfg->sw.fdb_size, 65536);
	DEFAULT(cfg->sw.ageing_s, 300);
	for (uint32_t i = 0; i < cfg->sw.exts_count; i++)
		DEFAULT(cfg->sw.exts[i].budget_us, VSW_EXT_BUDGET_US);
	for (uint32_t i = 0; i < cfg->sw.mirrors_count; i++) {
		DEFAULT(cfg->sw.mirrors[i].way, VSW_MIRROR_BOTH);
		DEFAULT(cfg->sw.mirrors[i].what, VSW_MIRROR_FORWARDED);
	}
	for (uint32_t i = 0; i < cfg->uplinks_count; i++)
		DEFAULT(cfg->uplinks[i].queues, 1);
	for (uint32_t i = 0; i < cfg->partitions_count && !rc; i++)
		rc = default_partition(&cfg->partitions[i], host);
	return rc;
}

static int load_tree(struct mgmt_cfg **out, const char *label, const struct ytree *root)
{
	int rc = mgmt_check_schema(label, root);
	cyaml_err_t err = CYAML_ERR_OOM;
	char *text;

	if (rc)
		return rc;
	text = ytree_for_cyaml(root);
	if (text)
		err = cyaml_load_data((const uint8_t *)text, strlen(text), &cyaml_cfg, &mgmt_schema,
				      (cyaml_data_t **)out, NULL);
	free(text);
	if (err == CYAML_ERR_OOM)
		return err_set(-ENOMEM, "%s: out of memory", label);
	if (err)
		return err_set(-EINVAL, "%s:1: %s", label, cyaml_strerror(err));
	return 0;
}

int mgmt_config_load(struct mgmt_cfg **out, const char *label, const char *text, size_t len,
		     const struct mgmt_host *host)
{
	struct mgmt_cfg *cfg = NULL;
	struct ytree *root;
	int rc = ytree_parse(&root, label, text, len);

	*out = NULL;
	if (rc)
		return rc;
	rc = load_tree(&cfg, label, root);
	if (!rc)
		rc = fill_defaults(cfg, host);
	if (!rc)
		rc = mgmt_check_meaning(label, root, cfg, host);
	ytree_free(root);
	if (rc) {
		mgmt_config_free(cfg);
		return rc;
	}
	*out = cfg;
	return 0;
}

int mgmt_config_load_json(struct mgmt_cfg **out, const char *label, const json_t *json,
			  const struct mgmt_host *host)
{
	char *text = json_dumps(json, JSON_COMPACT);
	int rc;

	*out = NULL;
	if (!text)
		return err_set(-ENOMEM, "%s: out of memory", label);
	rc = mgmt_config_load(out, label, text, strlen(text), host);
	free(text);
	return rc;
}

static int read_all(int fd, const char *label, char **out, size_t *len)
{
	char *buf = malloc(MGMT_FILE_MAX + 1);
	ssize_t n = 1;
	size_t have = 0;

	if (!buf)
		return err_set(-ENOMEM, "%s: out of memory", label);
	while (n > 0 && have <= MGMT_FILE_MAX) {
		n = read(fd, buf + have, MGMT_FILE_MAX + 1 - have);
		if (n > 0)
			have += (size_t)n;
	}
	if (n < 0) {
		int rc = -errno;

		free(buf);
		return err_sys(rc, "%s: cannot read", label);
	}
	if (have > MGMT_FILE_MAX) {
		free(buf);
		return err_set(-EINVAL, "%s: larger than %u bytes, the limit of a configuration",
			       label, MGMT_FILE_MAX);
	}
	*out = buf;
	*len = have;
	return 0;
}

static int load_open(struct mgmt_cfg **out, int fd, const char *label, const struct mgmt_host *host)
{
	char *text = NULL;
	size_t len = 0;
	int rc = read_all(fd, label, &text, &len);

	if (rc)
		return rc;
	rc = mgmt_config_load(out, label, text, len, host);
	free(text);
	return rc;
}

int mgmt_config_load_file(struct mgmt_cfg **out, const char *path, const struct mgmt_host *host)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
	struct mgmt_host with = *host;
	char folder[PATH_MAX];

	*out = NULL;
	if (fd < 0) {
		rc = -errno;
		return err_sys(rc, "%s: cannot open", path);
	}
	/* Without one, such as for a pipe, relative paths begin where we are. */
	if (realpath(path, folder)) {
		*strrchr(folder, '/') = 0;
		with.folder = folder;
	}
	rc = load_open(out, fd, path, &with);
	close(fd);
	return rc;
}

int mgmt_config_load_fd(struct mgmt_cfg **out, int fd, const struct mgmt_host *host)
{
	*out = NULL;
	if (lseek(fd, 0, SEEK_SET) < 0) {
		int rc = -errno;

		return err_sys(rc, "configuration: fd %d", fd);
	}
	return load_open(out, fd, "configuration", host);
}

void mgmt_config_free(struct mgmt_cfg *cfg)
{
	if (cfg)
		cyaml_free(&cyaml_cfg, &mgmt_schema, cfg, 0);
}

const struct mgmt_partition *mgmt_config_partition(const struct mgmt_cfg *cfg, const char *name)
{
	for (uint32_t i = 0; i < cfg->partitions_count; i++)
		if (!strcmp(cfg->partitions[i].name, name))
			return &cfg->partitions[i];
	return NULL;
}

const struct mgmt_nic *mgmt_config_nic(const struct mgmt_partition *part, unsigned int index)
{
	for (uint32_t i = 0; i < part->nics_count; i++)
		if (*part->nics[i].index == index)
			return &part->nics[i];
	return NULL;
}

const struct mgmt_ext *mgmt_config_ext(const struct mgmt_cfg *cfg, const char *name)
{
	for (uint32_t i = 0; i < cfg->sw.exts_count; i++)
		if (!strcmp(cfg->sw.exts[i].name, name))
			return &cfg->sw.exts[i];
	return NULL;
}

static bool nic_port(const struct mgmt_cfg *cfg, uint32_t n, struct mgmt_port *out)
{
	for (uint32_t i = 0; i < cfg->partitions_count; i++) {
		const struct mgmt_partition *part = &cfg->partitions[i];

		if (n < part->nics_count) {
			snprintf(out->name, sizeof(out->name), "%s/%u", part->name,
				 *part->nics[n].index);
			snprintf(out->path, sizeof(out->path), "partitions[%u].nics[%u]", i, n);
			out->policy = &part->nics[n].policy;
			return true;
		}
		n -= part->nics_count;
	}
	return false;
}

bool mgmt_config_port(const struct mgmt_cfg *cfg, uint32_t n, struct mgmt_port *out)
{
	if (n >= cfg->uplinks_count)
		return nic_port(cfg, n - cfg->uplinks_count, out);
	snprintf(out->name, sizeof(out->name), "%s", cfg->uplinks[n].name);
	snprintf(out->path, sizeof(out->path), "uplinks[%u]", n);
	out->policy = &cfg->uplinks[n].policy;
	return true;
}

bool mgmt_config_has_port(const struct mgmt_cfg *cfg, const char *name)
{
	struct mgmt_port port;

	for (uint32_t n = 0; mgmt_config_port(cfg, n, &port); n++)
		if (!strcmp(port.name, name))
			return true;
	return false;
}

enum hv_engine_kind mgmt_config_engine(const struct mgmt_cfg *cfg,
				       const struct mgmt_partition *part)
{
	return part->engine == HV_ENGINE_AUTO ? cfg->engine : part->engine;
}

void mgmt_vlan_bits(const struct mgmt_vlan *vlan, uint64_t allowed[64])
{
	memset(allowed, vlan->allowed ? 0 : 0xff, 64 * sizeof(*allowed));
	for (uint32_t i = 0; i < vlan->allowed_count; i++)
		allowed[vlan->allowed[i] / 64] |= 1ull << (vlan->allowed[i] % 64);
}
