/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/preflight.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

bool preflight_has_cap(unsigned int cap)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{0}, {0}};

	if (syscall(SYS_capget, &head, data))
		return false;
	return data[cap / 32].effective >> (cap % 32) & 1;
}

static int check_netns(const struct mgmt_uplink *up)
{
	char path[300];

	if (!up->netns)
		return 0;
	snprintf(path, sizeof(path), "/run/netns/%s", up->netns);
	if (access(path, F_OK))
		return err_set(-ENOENT,
			       "uplink %s: there is no network namespace %s; make it with `ip "
			       "netns add %s`",
			       up->name, up->netns, up->netns);
	if (!preflight_has_cap(CAP_SYS_ADMIN))
		return err_set(-EPERM,
			       "uplink %s: entering network namespace %s needs root "
			       "(CAP_SYS_ADMIN); run nethv as root",
			       up->name, up->netns);
	return 0;
}

/* The value of "iface=" in devargs, or "". */
static void iface_of(const char *devargs, char out[IFNAMSIZ])
{
	const char *at = strstr(devargs, "iface=");
	size_t n;

	out[0] = 0;
	if (!at)
		return;
	at += strlen("iface=");
	n = strcspn(at, ",");
	if (n < IFNAMSIZ)
		snprintf(out, IFNAMSIZ, "%.*s", (int)n, at);
}

static int check_tap(const struct mgmt_uplink *up)
{
	char iface[IFNAMSIZ];
	int fd;

	if (strncmp(up->devargs, "net_tap", 7))
		return 0;
	if (!preflight_has_cap(CAP_NET_ADMIN))
		return err_set(-EPERM,
			       "uplink %s: making a TAP needs root (CAP_NET_ADMIN); run nethv as "
			       "root, or leave the uplink out",
			       up->name);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_sys(-errno,
			       "uplink %s: cannot open /dev/net/tun (load the module with "
			       "`modprobe tun`, or give the container the device)",
			       up->name);
	close(fd);
	iface_of(up->devargs, iface);
	if (iface[0] && !up->netns && if_nametoindex(iface))
		return err_set(-EEXIST,
			       "uplink %s: a network interface %s exists already; remove it, or "
			       "choose another iface= in devargs",
			       up->name, iface);
	return 0;
}

static int check_memory(const struct mgmt_cfg *cfg)
{
	uint64_t want = cfg->sw.memory, have, huge;

	for (uint32_t i = 0; i < cfg->partitions_count; i++)
		want += cfg->partitions[i].memory;
	have = mem_left() >> 20;
	huge = mem_huge_free() >> 20;
	if (want > have + huge)
		return err_set(-ENOMEM,
			       "the partitions and the switch want %llu MiB, but %llu MiB are "
			       "free; lower `memory` of partitions or of the switch",
			       (unsigned long long)want, (unsigned long long)(have + huge));
	return 0;
}

static int resolve_huge(struct mgmt_cfg *cfg, struct preflight *out)
{
	uint64_t mib = mem_huge_free() >> 20;
	struct mgmt_switch *sw = &cfg->sw;

	if (sw->hugepages == MGMT_HUGE_NO) {
		snprintf(out->memory, sizeof(out->memory), "4 KiB pages (hugepages: no)");
		return 0;
	}
	if (mib >= sw->memory) {
		sw->hugepages = MGMT_HUGE_YES;
		snprintf(out->memory, sizeof(out->memory), "2 MiB pages (%llu MiB were free)",
			 (unsigned long long)mib);
		return 0;
	}
	if (sw->hugepages == MGMT_HUGE_YES)
		return err_set(-ENOMEM,
			       "switch.hugepages is yes, but of %u MiB wanted %llu MiB are free; "
			       "reserve more with `sysctl vm.nr_hugepages=N` (2 MiB each), or use "
			       "auto",
			       sw->memory, (unsigned long long)mib);
	sw->hugepages = MGMT_HUGE_NO;
	snprintf(out->memory, sizeof(out->memory),
		 "4 KiB pages, slower: %llu MiB of huge pages are free, the switch wants %u "
		 "(`sysctl vm.nr_hugepages=N`)",
		 (unsigned long long)mib, sw->memory);
	return 0;
}

int preflight_check(struct mgmt_cfg *cfg, struct preflight *out)
{
	int rc = 0;

	for (uint32_t i = 0; i < cfg->uplinks_count && !rc; i++) {
		rc = check_tap(&cfg->uplinks[i]);
		if (!rc)
			rc = check_netns(&cfg->uplinks[i]);
	}
	if (!rc)
		rc = resolve_huge(cfg, out);
	if (!rc)
		rc = check_memory(cfg);
	return rc;
}

static int check_engine(const struct mgmt_partition *p, const struct hv_engine_report *engine)
{
	const char *key = p->kernel ? "kernel" : "synic";

	if (engine->kind == HV_ENGINE_KVM || (!p->kernel && p->synic == HV_SYNIC_AUTO))
		return 0;
	return err_set(-ENOTSUP, "partition %s: its %s needs engine kvm, but this host gets %s",
		       p->name, key, engine->text);
}

int preflight_engines(struct mgmt_cfg *cfg, struct hv_engine_report *out)
{
	struct hv_engine_report of[3] = {{0}};
	bool is_known[3] = {false};
	int rc = hv_engine_probe(cfg->engine, out);

	for (uint32_t i = 0; i < cfg->partitions_count && !rc; i++) {
		struct mgmt_partition *p = &cfg->partitions[i];
		struct hv_engine_report *r = p->engine == HV_ENGINE_AUTO ? out : &of[p->engine];

		if (r != out && !is_known[p->engine])
			rc = hv_engine_probe(p->engine, r);
		if (rc) {
			err_prefix("partition %s", p->name);
			break;
		}
		is_known[p->engine] = true;
		p->engine = r->kind;
		rc = check_engine(p, r);
	}
	if (!rc)
		cfg->engine = out->kind;
	return rc;
}
