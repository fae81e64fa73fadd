/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour discovery (RFC 4861) for a VTEP with an IPv6 address: solicitations and
 * advertisements. */
#include "vswitch/overlay/priv.h"

#define TYPE_NS	 135u
#define TYPE_NA	 136u
#define NS_LEN	 24u /* with the target, without options */
#define MSG_LEN	 32u /* and with a link-layer address */
#define OPT_SLLA 1u
#define OPT_TLLA 2u
#define OPTS_MAX 8u

#define NA_SOLICITED 0x40u
#define NA_OVERRIDE  0x20u

/* Where the parts of a message are in a frame. */
#define AT_IP	  ETH_HLEN
#define AT_SRC	  (AT_IP + 8)
#define AT_DST	  (AT_IP + 24)
#define AT_ICMP	  (ETH_HLEN + IP6_HLEN)
#define AT_TARGET (AT_ICMP + 8)
#define AT_OPTS	  (AT_ICMP + NS_LEN)

static const uint8_t all_nodes[16] = {0xFF, 0x02, [15] = 1};
static const uint8_t unspecified[16];

static void eth_to(struct frame *f, const uint8_t *ip, uint64_t mac)
{
	if (mac) {
		memcpy(f->b, &mac, 6);
	} else {
		f->b[0] = f->b[1] = 0x33;
		memcpy(f->b + 2, ip + 12, 4);
	}
}

/* A message from the VTEP to @dst (with @mac, or the group's), about @target. */
static void ndp_make(const struct vsw_overlay *ov, struct frame *f, uint8_t type,
		     const uint8_t *dst, uint64_t mac)
{
	uint8_t *b = f->b;

	f->len = AT_ICMP + MSG_LEN;
	eth_to(f, dst, mac);
	memcpy(b + 6, ov->mac, 6);
	put16(b + 12, ETYPE_IP6);
	b[AT_IP] = 0x60;
	put16(b + AT_IP + 4, MSG_LEN);
	b[AT_IP + 6] = PROTO_ICMPV6;
	b[AT_IP + 7] = 255;
	memcpy(b + AT_SRC, ov->local.b, 16);
	memcpy(b + AT_DST, dst, 16);
	b[AT_ICMP] = type;
	b[AT_OPTS] = type == TYPE_NS ? OPT_SLLA : OPT_TLLA;
	b[AT_OPTS + 1] = 1;
	memcpy(b + AT_OPTS + 2, ov->mac, 6);
}

static void ndp_seal(struct frame *f)
{
	uint64_t sum = (uint64_t)sum_pseudo(f->b + AT_SRC, 32, PROTO_ICMPV6, MSG_LEN) +
		       sum_bytes(f->b + AT_ICMP, MSG_LEN);

	put16(f->b + AT_ICMP + 2, sum_finish(sum));
}

void ndp_request(const struct vsw_overlay *ov, struct frame *f, const uint8_t *ip, uint64_t to)
{
	uint8_t group[16] = {0xFF, 0x02, [11] = 1, [12] = 0xFF};

	memcpy(group + 13, ip + 13, 3);
	ndp_make(ov, f, TYPE_NS, to ? ip : group, to);
	memcpy(f->b + AT_TARGET, ip, 16);
	ndp_seal(f);
}

static void advertise(const struct vsw_overlay *ov, struct frame *f, const uint8_t *dst,
		      uint64_t mac)
{
	ndp_make(ov, f, TYPE_NA, dst, mac);
	f->b[AT_ICMP + 4] = dst == all_nodes ? NA_OVERRIDE : NA_OVERRIDE | NA_SOLICITED;
	memcpy(f->b + AT_TARGET, ov->local.b, 16);
	ndp_seal(f);
}

void ndp_announce(const struct vsw_overlay *ov, struct frame *f)
{
	advertise(ov, f, all_nodes, 0);
}

/* The link-layer address in the options of @kind, or 0; false when an option is malformed. */
static bool lla_of(const uint8_t *opts, uint32_t len, uint8_t kind, uint64_t *mac)
{
	uint32_t at = 0, n = 0, olen;

	*mac = 0;
	while (len - at >= 8 && n++ < OPTS_MAX) {
		olen = opts[at + 1] * 8u;
		if (olen == 0 || olen > len - at)
			return false;
		if (opts[at] == kind && !*mac)
			*mac = mac_load(opts + at + 2);
		at += olen;
	}
	return at == len;
}

/* A whole message among the private bytes, from a neighbour on the link, with a good checksum.
 * Messages with so many options that they are not private are none of ours. */
static uint32_t message_len(const struct vsw_vec *v, struct vsw_slot *s)
{
	const uint8_t *b = vsw_hdr(&s->pkt);
	uint32_t len;

	if (s->pkt.len < AT_ICMP + NS_LEN || !head_pull(v, s, AT_ICMP + NS_LEN))
		return 0;
	b = vsw_hdr(&s->pkt);
	len = nethv_get16(b + AT_IP + 4);
	if (b[AT_IP] >> 4 != 6 || b[AT_IP + 6] != PROTO_ICMPV6 || b[AT_IP + 7] != 255 ||
	    len < NS_LEN || !head_pull(v, s, AT_ICMP + len))
		return 0;
	b = vsw_hdr(&s->pkt);
	if ((b[AT_ICMP] != TYPE_NS && b[AT_ICMP] != TYPE_NA) || b[AT_ICMP + 1] != 0)
		return 0;
	if (sum_finish((uint64_t)sum_pseudo(b + AT_SRC, 32, PROTO_ICMPV6, len) +
		       sum_bytes(b + AT_ICMP, len)))
		return 0;
	return len;
}

static bool solicited(struct vsw_overlay *ov, const struct vsw_vec *v, const uint8_t *b,
		      uint64_t mac, uint32_t now_s)
{
	struct vsw_overlay_ip from = {.version = 6};
	bool is_probe = !memcmp(b + AT_SRC, unspecified, 16);
	struct frame *f;

	if (!ip_is(&ov->local, b + AT_TARGET) || ip_is(&ov->local, b + AT_SRC))
		return false;
	memcpy(from.b, b + AT_SRC, 16);
	if (mac && !is_probe)
		neigh_heard(ov, &from, mac, now_s);
	f = frame_new(ov, v->lcore);
	if (!f)
		return true;
	if (!mac_is_unicast(mac))
		mac = mac_load(b + 6);
	if (is_probe)
		advertise(ov, f, all_nodes, 0);
	else
		advertise(ov, f, b + AT_SRC, mac);
	return true;
}

bool ndp_heard(struct vsw_overlay *ov, const struct vsw_vec *v, struct vsw_slot *s, uint32_t now_s)
{
	struct vsw_overlay_ip target = {.version = 6};
	uint32_t len;
	const uint8_t *b;
	uint64_t mac;
	bool is_ask;

	if (ov->local.version != 6)
		return false;
	len = message_len(v, s);
	if (!len)
		return false;
	b = vsw_hdr(&s->pkt);
	is_ask = b[AT_ICMP] == TYPE_NS;
	if (!lla_of(b + AT_OPTS, len - NS_LEN, is_ask ? OPT_SLLA : OPT_TLLA, &mac))
		return false;
	if (is_ask)
		return solicited(ov, v, b, mac, now_s);
	/* Who answers an ask to its own address may leave out what we know already. */
	memcpy(target.b, b + AT_TARGET, 16);
	return neigh_heard(ov, &target, mac ? mac : mac_load(b + 6), now_s);
}
