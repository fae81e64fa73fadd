/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of any bytes through the parser and all policies of a port. The first bytes of an input say the
 * way, how much is private, and how the frame is cut; what guards look for must never pass, nor what a
 * rule denies for all. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "tests/support/eal.h"
#include "tests/support/polbed.h"
#include "vswitch/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define check(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static struct vsw_policy *pol;
static struct vsw_vec *vec;

static struct vsw_acl_rule *rule(struct vsw_acl_rule *r, uint8_t layer, uint8_t action)
{
	*r = polbed_rule("r", layer);
	r->action = action;
	return r;
}

static void setup(void)
{
	static struct vsw_acl_rule r[6];
	static struct vsw_pvlan role[VSW_PORTS_MAX] = {[2] = {VSW_PVLAN_ISOLATED, 0}};
	static uint64_t min[VSW_PORTS_MAX] = {[1] = 1000};
	struct vsw_policy_cfg cfg = {.rules = r, .nr_rules = 6};

	rule(&r[0], VSW_ACL_IP4, VSW_ACL_DENY)->proto = IP_PROTO_TCP;
	r[0].dst_port = (struct vsw_acl_range){22, 22};
	rule(&r[1], VSW_ACL_IP6, VSW_ACL_DENY)->proto = IP_PROTO_TCP;
	r[1].dst_port = (struct vsw_acl_range){22, 22};
	rule(&r[2], VSW_ACL_IP4, VSW_ACL_PERMIT)->is_stateful = true;
	rule(&r[3], VSW_ACL_IP6, VSW_ACL_PERMIT)->is_stateful = true;
	rule(&r[4], VSW_ACL_ETHER, VSW_ACL_DENY)->ether_type = 0x1234;
	rule(&r[5], VSW_ACL_ETHER, VSW_ACL_PERMIT);
	r[2].ways = r[3].ways = VSW_ACL_INGRESS;
	cfg.default_ip[VSW_POLICY_EGRESS] = VSW_ACL_DENY;
	cfg.max_connections = 64;
	cfg.dhcp_guard = cfg.router_guard = true;
	cfg.rate[0].max_kbps = cfg.rate[1].max_pps = 1000000000;
	cfg.broadcast_pps = cfg.multicast_pps = 1000000000;
	cfg.share = (struct vsw_share_cfg){.total_kbps = 1000000000, .min_kbps = min};
	cfg.pvlan_of = role;
	cfg.pvlan.role = VSW_PVLAN_ISOLATED;
	eal_up();
	check(vsw_policy_create(&pol, &cfg, 1, NULL) == 0);
	vec = calloc(1, sizeof(*vec));
	check(vec);
	vec->now_tsc = rte_rdtsc();
}

/* The backing is of exact size, so that a sanitizer sees one byte too many; whole or in two pieces. */
static uint8_t *slot_fill(struct vsw_slot *s, const uint8_t *how, const uint8_t *frame, size_t len)
{
	uint8_t *data = malloc(len);
	uint16_t max = len < VSW_SNAP_SIZE ? (uint16_t)len : VSW_SNAP_SIZE, at = how[3] % 5 * 4;
	uint16_t least = max < 64 ? max : 64, room = VSW_SNAP_SIZE - at;

	check(data);
	memcpy(data, frame, len);
	memset(s, 0, sizeof(*s));
	s->pkt.len = (uint32_t)len;
	s->pkt.hdr_off = VSW_SNAP_OFF + at;
	s->pkt.hdr_len = how[1] > least ? how[1] : least;
	s->pkt.hdr_len = s->pkt.hdr_len < max ? s->pkt.hdr_len : max;
	s->pkt.hdr_len = s->pkt.hdr_len < room ? s->pkt.hdr_len : room;
	s->pkt.src_port = how[2] % 4 == 3 ? NETHV_PORT_DEFAULT : how[2] % 4;
	memcpy(vsw_hdr(&s->pkt), data, s->pkt.hdr_len);
	s->data = data;
	if (how[0] & 2) {
		vec->sg[0] = (struct vsw_sg){data, (uint32_t)(len / 3)};
		vec->sg[1] = (struct vsw_sg){data + len / 3, (uint32_t)(len - len / 3)};
		s->data = NULL;
		s->sg_count = 2;
	}
	return data;
}

/* What passed may be nothing that is seen to be denied. */
static void judge(const struct nethv_pkt *p, enum vsw_policy_way way)
{
	const uint8_t *l4 = vsw_hdr(p) + p->l4_off;

	check(p->ether_type != 0x1234);
	if (!p->l4_off)
		return;
	check(!(p->l4_proto == IP_PROTO_TCP && vsw_get16(l4 + 2) == 22 &&
		way == VSW_POLICY_INGRESS));
	if (way == VSW_POLICY_EGRESS)
		return;
	check(!(p->l3_version == 6 && p->l4_proto == IP_PROTO_ICMP6 &&
		(l4[0] == 134 || l4[0] == 137)));
	check(!(p->l3_version == 4 && p->l4_proto == IP_PROTO_ICMP && (l4[0] == 9 || l4[0] == 5)));
	check(!(p->l4_proto == IP_PROTO_UDP &&
		vsw_get16(l4 + 2) == (p->l3_version == 4 ? 68 : 546)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t idx[1];
	enum vsw_policy_way way;
	struct nethv_pkt *p;
	uint16_t why = 0;
	uint8_t *backing;

	if (size < 4 + VSW_FRAME_MIN)
		return 0;
	if (!pol)
		setup();
	way = data[0] & 1 ? VSW_POLICY_EGRESS : VSW_POLICY_INGRESS;
	backing = slot_fill(&vec->slot[0], data, data + 4, size - 4);
	p = &vec->slot[0].pkt;
	vsw_parse(p);
	vsw_policy_run(pol, way, vec, idx, 1, &why);
	check(why < VSW_DROP_COUNT && p->hdr_len <= p->len &&
	      p->hdr_off + p->hdr_len <= sizeof(struct vsw_slot));
	check(memcmp(vsw_hdr(p), backing, p->hdr_len) == 0);
	if (why == VSW_DROP_none)
		judge(p, way);
	vec->now_tsc += rte_get_tsc_hz() / 100;
	free(backing);
	return 0;
}
