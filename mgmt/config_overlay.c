/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of the overlay: addresses, and who is in which subnet. */
#include "mgmt/config_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define BAD_IP "an IPv4 or IPv6 address of a host"

static bool is_host(const struct vsw_overlay_ip *ip)
{
	static const uint8_t none[16];

	if (!memcmp(ip->b, none, sizeof(none)))
		return false;
	return ip->version == 4 ? ip->b[0] < 224 && ip->b[0] != 127 : ip->b[0] != 0xff;
}

int mgmt_overlay_ip(const char *text, struct vsw_overlay_ip *out, uint8_t *bits)
{
	bool is_6 = strchr(text, ':');
	unsigned int max = is_6 ? 128 : 32, len = max;
	char buf[64], end;
	char *slash;

	memset(out, 0, sizeof(*out));
	out->version = is_6 ? 6 : 4;
	snprintf(buf, sizeof(buf), "%s", text);
	slash = bits ? strchr(buf, '/') : NULL;
	if (slash)
		*slash = 0;
	if (inet_pton(is_6 ? AF_INET6 : AF_INET, buf, out->b) != 1 || !is_host(out))
		return err_set(-EINVAL, "found \"%.64s\"; allowed: " BAD_IP "%s", text,
			       bits ? ", or ADDRESS/BITS" : "");
	if (slash && (sscanf(slash + 1, "%3u%c", &len, &end) != 1 || !len || len > max))
		return err_set(-EINVAL, "found \"%.64s\"; allowed: 1..%u bits", text, max);
	if (bits)
		*bits = slash ? (uint8_t)len : 0;
	return 0;
}

/* @rc of a parser: its text is the rest of the message. */
static int complain_text(const struct check *c, const char *path)
{
	char rest[200];

	snprintf(rest, sizeof(rest), "%s", err_text());
	return mgmt_complain(c, rest, "%s", path);
}

/* An address of the local one's version, and not that one. */
static int check_ip(const struct check *c, const char *text, const struct vsw_overlay_ip *local,
		    const char *path)
{
	struct vsw_overlay_ip ip;
	char rest[160];

	if (mgmt_overlay_ip(text, &ip, NULL))
		return complain_text(c, path);
	snprintf(rest, sizeof(rest),
		 "found \"%s\"; allowed: another host's IPv%u address, as in local", text,
		 local->version);
	if (ip.version != local->version || !memcmp(ip.b, local->b, sizeof(ip.b)))
		return mgmt_complain(c, rest, "%s", path);
	return 0;
}

static int check_mac(const struct check *c, const char *text, const char *path)
{
	char rest[160];
	uint8_t mac[6];

	if (mgmt_mac(text, mac) && !(mac[0] & 1) && memcmp(mac, "\0\0\0\0\0\0", 6) != 0)
		return 0;
	snprintf(rest, sizeof(rest),
		 "found \"%s\"; allowed: six bytes, not all zero, no group address", text);
	return mgmt_complain(c, rest, "%s", path);
}

static int check_remote(const struct check *c, const struct mgmt_remote *r,
			const struct vsw_overlay_ip *local, const char *at)
{
	char path[128];
	int rc;

	snprintf(path, sizeof(path), "%s.vtep", at);
	rc = check_ip(c, r->vtep, local, path);
	snprintf(path, sizeof(path), "%s.next_hop_mac", at);
	if (!rc && r->next_hop_mac)
		rc = check_mac(c, r->next_hop_mac, path);
	for (uint32_t i = 0; i < r->macs_count && !rc; i++) {
		snprintf(path, sizeof(path), "%s.macs[%u]", at, i);
		rc = check_mac(c, r->macs[i], path);
	}
	return rc;
}

/* Which subnet before (@sub, @at) has the port; -1: none. */
static int64_t subnet_with(const struct mgmt_overlay *o, uint32_t sub, uint32_t at)
{
	const char *name = o->subnets[sub].ports[at];

	for (uint32_t i = 0; i <= sub; i++) {
		uint32_t end = i == sub ? at : o->subnets[i].ports_count;

		for (uint32_t k = 0; k < end; k++)
			if (!strcmp(o->subnets[i].ports[k], name))
				return i;
	}
	return -1;
}

static int check_port(const struct check *c, uint32_t sub, uint32_t at)
{
	const struct mgmt_overlay *o = c->cfg->sw.overlay;
	const char *name = o->subnets[sub].ports[at];
	int64_t other = subnet_with(o, sub, at);
	char rest[160], path[96];

	snprintf(path, sizeof(path), "switch.overlay.subnets[%u].ports[%u]", sub, at);
	snprintf(
		rest, sizeof(rest),
		"found \"%s\"; allowed: an adapter (PARTITION/NUMBER) or uplink of this file but the "
		"overlay's own",
		name);
	if (!mgmt_config_has_port(c->cfg, name) || !strcmp(name, o->uplink))
		return mgmt_complain(c, rest, "%s", path);
	snprintf(rest, sizeof(rest),
		 "found \"%s\", which subnets[%lld] has, too; allowed: each port once", name,
		 (long long)other);
	return other < 0 ? 0 : mgmt_complain(c, rest, "%s", path);
}

static int check_subnet(const struct check *c, uint32_t i, const struct vsw_overlay_ip *local)
{
	const struct mgmt_overlay *o = c->cfg->sw.overlay;
	const struct mgmt_subnet *s = &o->subnets[i];
	char path[96], rest[128];
	int rc = 0;

	for (uint32_t k = 0; k < i; k++) {
		snprintf(rest, sizeof(rest),
			 "found %u, which subnets[%u] has, too; allowed: each number once", s->vsid,
			 k);
		if (o->subnets[k].vsid == s->vsid)
			return mgmt_complain(c, rest, "switch.overlay.subnets[%u].vsid", i);
	}
	if (s->external && s->remotes_count)
		return mgmt_complain(c, "found with external: true; allowed: in subnets of our own",
				     "switch.overlay.subnets[%u].remotes", i);
	for (uint32_t k = 0; k < s->ports_count && !rc; k++)
		rc = check_port(c, i, k);
	for (uint32_t k = 0; k < s->remotes_count && !rc; k++) {
		snprintf(path, sizeof(path), "switch.overlay.subnets[%u].remotes[%u]", i, k);
		rc = check_remote(c, &s->remotes[k], local, path);
	}
	return rc;
}

static int check_uplink(const struct check *c)
{
	const char *name = c->cfg->sw.overlay->uplink;
	char rest[128];

	for (uint32_t i = 0; i < c->cfg->uplinks_count; i++)
		if (!strcmp(c->cfg->uplinks[i].name, name))
			return 0;
	snprintf(rest, sizeof(rest), "found \"%s\"; allowed: the name of an uplink of this file",
		 name);
	return mgmt_complain(c, rest, "switch.overlay.uplink");
}

/* A stable address from the instance's name, when none is given. */
static int resolve_mac(const struct check *c)
{
	struct mgmt_overlay *o = c->cfg->sw.overlay;

	if (o->mac)
		return check_mac(c, o->mac, "switch.overlay.mac");
	o->mac = mgmt_derived_mac(c->cfg->name, "(overlay)", 0);
	return o->mac ? 0 : err_set(-ENOMEM, "%s: out of memory", c->label);
}

int mgmt_check_overlay(const struct check *c)
{
	const struct mgmt_overlay *o = c->cfg->sw.overlay;
	struct vsw_overlay_ip local;
	uint8_t bits;
	int rc;

	if (!o)
		return 0;
	rc = check_uplink(c);
	if (!rc && mgmt_overlay_ip(o->local, &local, &bits))
		return complain_text(c, "switch.overlay.local");
	if (!rc && o->gateway)
		rc = check_ip(c, o->gateway, &local, "switch.overlay.gateway");
	if (!rc)
		rc = resolve_mac(c);
	for (uint32_t i = 0; i < o->subnets_count && !rc; i++)
		rc = check_subnet(c, i, &local);
	return rc;
}
