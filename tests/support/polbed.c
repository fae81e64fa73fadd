/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets for port policies. */
#include "tests/support/polbed.h"

#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "vswitch/parse.h"

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

void polbed_init(struct polbed *bed)
{
	memset(bed, 0, sizeof(*bed));
	bed->v.now_tsc = rte_rdtsc();
}

static uint32_t put_v4(uint8_t *f, const struct polbed_pkt *p)
{
	put16(f + 12, ETH_TYPE_IP4);
	f[14] = 0x45;
	put16(f + 18, p->id);
	put16(f + 20, p->frag);
	f[22] = 64;
	f[23] = p->proto;
	put32(f + 26, p->src);
	put32(f + 30, p->dst);
	return 34;
}

static uint32_t put_v6(uint8_t *f, const struct polbed_pkt *p)
{
	uint32_t at = 54;

	put16(f + 12, ETH_TYPE_IP6);
	f[14] = 0x60;
	f[20] = p->ext_len ? p->ext_first : p->is_fragment ? 44 : p->proto;
	put16(f + 22, p->is_local ? 0xFE80 : 0xFD00);
	put32(f + 34, p->src);
	put16(f + 38, 0xFD00);
	put32(f + 50, p->dst);
	memcpy(f + at, p->ext, p->ext_len);
	at += p->ext_len;
	if (p->is_fragment) {
		f[at] = p->proto;
		put16(f + at + 2, p->frag);
		put32(f + at + 4, p->id);
		at += 8;
	}
	return at;
}

static uint32_t put_l4(uint8_t *f, uint32_t at, const struct polbed_pkt *p)
{
	if (p->proto == IP_PROTO_ICMP || p->proto == IP_PROTO_ICMP6) {
		memcpy(f + at, p->icmp, sizeof(p->icmp));
	} else {
		put16(f + at, p->sport);
		put16(f + at + 2, p->dport);
	}
	if (p->proto == IP_PROTO_TCP) {
		f[at + 12] = 0x50;
		f[at + 13] = p->tcp;
		at += 12;
	}
	at += 8;
	if (p->tail)
		memcpy(f + at, p->tail, p->tail_len);
	return at + p->tail_len;
}

static void add(struct polbed *bed, uint32_t len, uint16_t hdr_len)
{
	struct vsw_slot *s = &bed->v.slot[bed->v.n];
	uint16_t max = len < VSW_SNAP_SIZE ? (uint16_t)len : VSW_SNAP_SIZE;

	memset(s, 0, sizeof(*s));
	s->data = bed->frame[bed->v.n++];
	s->pkt.len = len;
	s->pkt.hdr_off = VSW_SNAP_OFF;
	s->pkt.hdr_len = hdr_len && hdr_len < max ? hdr_len : max;
	memcpy(s->snap, s->data, s->pkt.hdr_len);
	vsw_parse(&s->pkt);
}

uint8_t *polbed_put(struct polbed *bed, const struct polbed_pkt *p)
{
	const uint16_t i = bed->v.n;
	uint8_t *f = bed->frame[i];
	uint32_t len;

	memset(f, 0, 256);
	f[5] = 2;
	f[11] = 1;
	len = put_l4(f, p->is_v6 ? put_v6(f, p) : put_v4(f, p), p);
	add(bed, len < 60 ? 60 : len, p->hdr_len);
	bed->v.slot[i].pkt.vlan = p->vlan;
	bed->v.slot[i].pkt.src_port = p->src_port;
	return f;
}

void polbed_put_raw(struct polbed *bed, const void *frame, uint16_t len, uint16_t hdr_len)
{
	memcpy(bed->frame[bed->v.n], frame, len);
	add(bed, len, hdr_len);
}

uint16_t polbed_run(struct polbed *bed, struct vsw_policy *pol, enum vsw_policy_way way)
{
	uint16_t idx[VSW_VEC_SIZE], i, passed = 0;

	memset(bed->why, 0, sizeof(bed->why));
	for (i = 0; i < bed->v.n; i++)
		idx[i] = i;
	vsw_policy_run(pol, way, &bed->v, idx, bed->v.n, bed->why);
	for (i = 0; i < bed->v.n; i++)
		passed += bed->why[i] == VSW_DROP_none;
	bed->v.n = 0;
	return passed;
}

uint16_t polbed_one(struct polbed *bed, struct vsw_policy *pol, enum vsw_policy_way way,
		    const struct polbed_pkt *p)
{
	bed->v.n = 0;
	polbed_put(bed, p);
	polbed_run(bed, pol, way);
	return bed->why[0];
}

void polbed_wait(struct polbed *bed, uint64_t ms)
{
	bed->v.now_tsc += rte_get_tsc_hz() / 1000 * ms;
}

struct vsw_acl_rule polbed_rule(const char *name, uint8_t layer)
{
	struct vsw_acl_rule r = {.layer = layer, .ways = VSW_ACL_BOTH};

	snprintf(r.name, sizeof(r.name), "%s", name);
	return r;
}
