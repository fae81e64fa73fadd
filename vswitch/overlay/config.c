/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether an overlay's configuration is good. Nothing is built here. */
#include "vswitch/overlay/priv.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/err.h"

/* Long enough for an address. One buffer a call: a text names two at most. */
struct ip_text {
	char s[INET6_ADDRSTRLEN];
};

static const char *ip_text(const struct vsw_overlay_ip *ip, struct ip_text *t)
{
	if (!inet_ntop(ip->version == 4 ? AF_INET : AF_INET6, ip->b, t->s, sizeof(t->s)))
		t->s[0] = 0;
	return t->s;
}

static bool ip_is_host(const struct vsw_overlay_ip *ip)
{
	static const uint8_t zero[16];

	if (ip->version == 4)
		return ip->b[0] != 0 && ip->b[0] != 127 && ip->b[0] < 224;
	return ip->version == 6 && ip->b[0] != 0xFF && memcmp(ip->b, zero, 15);
}

static bool ip_same(const struct vsw_overlay_ip *a, const struct vsw_overlay_ip *b)
{
	return a->version == b->version && ip_is(a, b->b);
}

bool overlay_on_link(const struct vsw_overlay_cfg *cfg, const struct vsw_overlay_ip *ip)
{
	unsigned int whole = cfg->prefix_len / 8, rest = cfg->prefix_len % 8;
	uint8_t mask = (uint8_t)(0xFF00u >> rest);

	if (memcmp(cfg->local.b, ip->b, whole))
		return false;
	return rest == 0 || ((cfg->local.b[whole] ^ ip->b[whole]) & mask) == 0;
}

static int check_local(const struct vsw_overlay_cfg *cfg)
{
	uint8_t bits = cfg->local.version == 4 ? 32 : 128;
	uint16_t mtu_min = cfg->local.version == 4 ? 576 : 1280;
	struct ip_text t;

	if (!ip_is_host(&cfg->local))
		return err_set(-EINVAL,
			       "overlay: %s is no address of a host; want an IPv4 or IPv6 "
			       "unicast address",
			       ip_text(&cfg->local, &t));
	if (!mac_is_unicast(mac_load(cfg->mac)))
		return err_set(-EINVAL, "overlay: the VTEP's MAC address is zero or a group's");
	if (cfg->prefix_len > bits)
		return err_set(-EINVAL, "overlay: prefix length %u: want 0..%u", cfg->prefix_len,
			       bits);
	if (cfg->mtu && (cfg->mtu < mtu_min || cfg->mtu > VSW_FRAME_MAX - 18))
		return err_set(-EINVAL, "overlay: MTU %u: want %u..%u", cfg->mtu, mtu_min,
			       VSW_FRAME_MAX - 18);
	if (cfg->gateway.version &&
	    (cfg->gateway.version != cfg->local.version || !ip_is_host(&cfg->gateway) ||
	     ip_same(&cfg->gateway, &cfg->local)))
		return err_set(-EINVAL, "overlay: gateway %s: want another host's IPv%u address",
			       ip_text(&cfg->gateway, &t), cfg->local.version);
	return 0;
}

static int check_switch(const struct vsw_overlay_cfg *cfg)
{
	if (cfg->encap != VSW_OVERLAY_VXLAN && cfg->encap != VSW_OVERLAY_GENEVE)
		return err_set(-EINVAL, "overlay: encapsulation %d: want vxlan or geneve",
			       (int)cfg->encap);
	if (cfg->uplink >= VSW_PORTS_MAX)
		return err_set(-EINVAL, "overlay: no uplink");
	if (cfg->vlan > 4094)
		return err_set(-EINVAL, "overlay: VLAN %u: want 0..4094", cfg->vlan);
	if (cfg->nr_macs_max > MACS_LIMIT)
		return err_set(-EINVAL, "overlay: %u addresses: want at most %u", cfg->nr_macs_max,
			       MACS_LIMIT);
	if (cfg->nr_subnets > VSW_OVERLAY_SUBNETS_MAX)
		return err_set(-EINVAL, "overlay: %u subnets: want at most %u", cfg->nr_subnets,
			       VSW_OVERLAY_SUBNETS_MAX);
	return 0;
}

static int check_ports(const struct vsw_overlay_cfg *cfg, const struct vsw_overlay_subnet *sn,
		       bool taken[VSW_PORTS_MAX])
{
	uint32_t i;

	for (i = 0; i < sn->nr_ports; i++) {
		uint16_t port = sn->ports[i].port;
		uint64_t mac = mac_load(sn->ports[i].mac);

		if (port >= VSW_PORTS_MAX || port == cfg->uplink)
			return err_set(-EINVAL,
				       "subnet %u: port %u: want a port below %u that is "
				       "not the overlay's uplink",
				       sn->vsid, port, VSW_PORTS_MAX);
		if (taken[port])
			return err_set(-EINVAL, "subnet %u: port %u is in a subnet already",
				       sn->vsid, port);
		if (mac && !mac_is_unicast(mac))
			return err_set(-EINVAL, "subnet %u: port %u has a group's MAC address",
				       sn->vsid, port);
		taken[port] = true;
	}
	return 0;
}

static int check_remote(const struct vsw_overlay_cfg *cfg, const struct vsw_overlay_subnet *sn,
			const struct vsw_overlay_remote *r)
{
	uint64_t hop = mac_load(r->next_hop_mac);
	struct ip_text t;
	uint32_t i;

	if (r->vtep.version != cfg->local.version || !ip_is_host(&r->vtep) ||
	    ip_same(&r->vtep, &cfg->local))
		return err_set(-EINVAL, "subnet %u: remote %s: want another host's IPv%u address",
			       sn->vsid, ip_text(&r->vtep, &t), cfg->local.version);
	if (hop && !mac_is_unicast(hop))
		return err_set(-EINVAL, "subnet %u: remote %s: next hop is a group's MAC address",
			       sn->vsid, ip_text(&r->vtep, &t));
	if (!hop && !cfg->gateway.version && !overlay_on_link(cfg, &r->vtep))
		return err_set(-EINVAL,
			       "subnet %u: remote %s is not on the link; give a gateway, or "
			       "its next hop's MAC address",
			       sn->vsid, ip_text(&r->vtep, &t));
	for (i = 0; i < r->nr_macs; i++) {
		if (!mac_is_unicast(mac_load(r->macs[i])))
			return err_set(-EINVAL,
				       "subnet %u: remote %s: MAC address %u is zero or a group's",
				       sn->vsid, ip_text(&r->vtep, &t), i);
	}
	return 0;
}

static int check_remotes(const struct vsw_overlay_cfg *cfg, const struct vsw_overlay_subnet *sn)
{
	struct ip_text t;
	uint32_t i, k;
	int rc;

	if (sn->is_external && sn->nr_remotes)
		return err_set(-EINVAL, "subnet %u is external: it has no remotes here", sn->vsid);
	if (sn->nr_remotes > VSW_OVERLAY_REMOTES_MAX)
		return err_set(-EINVAL, "subnet %u: %u remotes: want at most %u", sn->vsid,
			       sn->nr_remotes, VSW_OVERLAY_REMOTES_MAX);
	for (i = 0; i < sn->nr_remotes; i++) {
		rc = check_remote(cfg, sn, &sn->remotes[i]);
		if (rc)
			return rc;
		for (k = 0; k < i; k++) {
			if (ip_same(&sn->remotes[i].vtep, &sn->remotes[k].vtep))
				return err_set(-EINVAL, "subnet %u: remote %s is there twice",
					       sn->vsid, ip_text(&sn->remotes[i].vtep, &t));
		}
	}
	return 0;
}

static int check_vsid(const struct vsw_overlay_cfg *cfg, uint32_t n)
{
	uint32_t i, vsid = cfg->subnets[n].vsid;

	if (vsid == 0 || vsid > VSW_OVERLAY_VSID_MAX)
		return err_set(-EINVAL, "overlay: subnet %u: want a VSID of 1..%u", vsid,
			       VSW_OVERLAY_VSID_MAX);
	for (i = 0; i < n; i++) {
		if (cfg->subnets[i].vsid == vsid)
			return err_set(-EINVAL, "overlay: subnet %u is there twice", vsid);
	}
	return 0;
}

int overlay_check(const struct vsw_overlay_cfg *cfg)
{
	bool taken[VSW_PORTS_MAX] = {false};
	uint32_t i;
	int rc = check_switch(cfg);

	if (!rc)
		rc = check_local(cfg);
	for (i = 0; i < cfg->nr_subnets && !rc; i++) {
		rc = check_vsid(cfg, i);
		if (!rc)
			rc = check_ports(cfg, &cfg->subnets[i], taken);
		if (!rc)
			rc = check_remotes(cfg, &cfg->subnets[i]);
	}
	return rc;
}
