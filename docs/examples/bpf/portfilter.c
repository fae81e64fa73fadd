/* SPDX-License-Identifier: BSD-3-Clause */
/* An eBPF filter: closes some UDP ports, wherever they are, and counts who tried.
 *
 *     clang -O2 -g -target bpf -mcpu=v2 -c portfilter.c
 *     nethv ext test portfilter.o --in a.pcap --out b.pcap
 *     nethv ext load portfilter.o
 */
#include <nethv/bpf.h>

#define UDP 17

/* Verdicts and counters are numbers: indices of .reasons and .counters below. */
enum { CLOSED };
enum { SEEN, FRAGMENTS };

NV_EXTENSION{
	NV_HEAD,
	.cls = NV_FILTER,
	.name = "portfilter",
	.version = "1.0",
	.summary = "closes UDP ports and counts who tried",
	.guid = "6f1de0a4-97c1-4c9f-8a3f-9d6b6f0c2b11", /* uuidgen; then never changed */
	.reasons = {[CLOSED] = "closed_port: the UDP port is closed"},
	.counters = {[SEEN] = "seen", [FRAGMENTS] = "fragments"},
};

/* How many packets each address sent to closed ports. `nethv ext show portfilter` shows it. */
NV_MAP(offenders, nv_u8[16], nv_u64, 4096);

static inline __attribute__((always_inline)) int is_closed(nv_u16 port)
{
	/* A few comparisons cost less than a map. */
	return port == 19 || port == 1900 || port == 5353 || port == 11211;
}

/* For each packet that enters the switch. */
NV_SEC("ingress") int on_ingress(const struct nv_ctx *c)
{
	if (c->l4_proto != UDP)
		return NV_PASS;
	nv_count(c, SEEN, 1);
	if (c->flags & NV_PKT_FRAGMENT) { /* has no ports: the first fragment was judged */
		nv_count(c, FRAGMENTS, 1);
		return NV_PASS;
	}
	if (!is_closed(c->l4_dst_port))
		return NV_PASS;
	nv_map_add(&offenders, c->ip_src, 1);
	return NV_DROP(CLOSED);
}
