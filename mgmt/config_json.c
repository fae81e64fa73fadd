/* SPDX-License-Identifier: BSD-3-Clause */
/* A checked configuration as JSON in a sealed memfd: what the switch and the workers are given. */
#include "mgmt/config.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

static const char *const engine_word[] = {
	[HV_ENGINE_AUTO] = "auto",
	[HV_ENGINE_KVM] = "kvm",
	[HV_ENGINE_RING3] = "ring3",
};

static const char *const poll_word[] = {
	[VSW_POLL_AUTO] = "auto",
	[VSW_POLL_BUSY] = "busy",
	[VSW_POLL_ADAPTIVE] = "adaptive",
	[VSW_POLL_SHARED] = "shared",
};

static const char *const huge_word[] = {
	[MGMT_HUGE_AUTO] = "auto",
	[MGMT_HUGE_YES] = "yes",
	[MGMT_HUGE_NO] = "no",
};

static json_t *list_u32(const uint32_t *v, uint32_t nr)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < nr; i++)
		json_array_append_new(list, json_integer(v[i]));
	return list;
}

static json_t *vlan_json(const struct mgmt_vlan *vlan)
{
	json_t *o =
		json_pack("{s:s, s:i}", "mode", vlan->mode == VSW_VLAN_TRUNK ? "trunk" : "access",
			  "pvid", vlan->pvid);
	json_t *list;

	if (!vlan->allowed)
		return o;
	list = json_array();
	for (uint32_t i = 0; i < vlan->allowed_count; i++)
		json_array_append_new(list, json_integer(vlan->allowed[i]));
	json_object_set_new(o, "allowed", list);
	return o;
}

static json_t *nic_json(const struct mgmt_nic *nic)
{
	return json_pack("{s:s, s:i, s:i, s:o, s:b, s:I}", "mac", nic->mac, "mtu", nic->mtu,
			 "channels", nic->channels, "vlan", vlan_json(&nic->vlan), "allow_spoofing",
			 nic->allow_spoofing, "link_mbps", (json_int_t)nic->link_mbps);
}

static json_t *partition_json(const struct mgmt_partition *p)
{
	json_t *nics = json_array(), *o;

	for (uint32_t i = 0; i < p->nics_count; i++)
		json_array_append_new(nics, nic_json(&p->nics[i]));
	o = json_pack("{s:s, s:s, s:s, s:i, s:i, s:o}", "name", p->name, "image", p->image,
		      "cmdline", p->cmdline, "vps", p->vps, "memory", p->memory, "nics", nics);
	if (p->numa_node)
		json_object_set_new(o, "numa_node", json_integer(*p->numa_node));
	if (p->cpus_count)
		json_object_set_new(o, "cpus", list_u32(p->cpus, p->cpus_count));
	return o;
}

static json_t *uplink_json(const struct mgmt_uplink *up)
{
	json_t *o = json_pack("{s:s, s:s, s:o, s:i}", "name", up->name, "devargs", up->devargs,
			      "vlan", vlan_json(&up->vlan), "queues", up->queues);

	if (up->netns)
		json_object_set_new(o, "netns", json_string(up->netns));
	return o;
}

static json_t *switch_json(const struct mgmt_switch *sw)
{
	json_t *o = json_pack("{s:s, s:i, s:s, s:i, s:i}", "poll", poll_word[sw->poll], "memory",
			      sw->memory, "hugepages", huge_word[sw->hugepages], "fdb_size",
			      sw->fdb_size, "ageing_s", sw->ageing_s);

	if (sw->lcores_count)
		json_object_set_new(o, "lcores", list_u32(sw->lcores, sw->lcores_count));
	return o;
}

static json_t *config_json(const struct mgmt_cfg *cfg)
{
	json_t *ups = json_array(), *parts = json_array();

	for (uint32_t i = 0; i < cfg->uplinks_count; i++)
		json_array_append_new(ups, uplink_json(&cfg->uplinks[i]));
	for (uint32_t i = 0; i < cfg->partitions_count; i++)
		json_array_append_new(parts, partition_json(&cfg->partitions[i]));
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", cfg->name, "engine",
			 engine_word[cfg->engine], "switch", switch_json(&cfg->sw), "uplinks", ups,
			 "partitions", parts);
}

static int write_sealed(int fd, const char *text, size_t len)
{
	int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	if (write(fd, text, len) != (ssize_t)len || fcntl(fd, F_ADD_SEALS, seals))
		return err_sys(-errno, "configuration memfd");
	return 0;
}

int mgmt_config_memfd(const struct mgmt_cfg *cfg)
{
	json_t *o = config_json(cfg);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	int fd, rc;

	json_decref(o);
	if (!text)
		return err_set(-ENOMEM, "configuration: no memory for its JSON form");
	fd = memfd_create("nethv-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	rc = fd < 0 ? err_sys(-errno, "configuration memfd") : write_sealed(fd, text, strlen(text));
	free(text);
	if (rc) {
		fd_close(&fd);
		return rc;
	}
	return fd;
}
