/* SPDX-License-Identifier: BSD-3-Clause */
/* The overlay that is built in: virtual subnets over VXLAN (RFC 7348) or Geneve (RFC 8926). A
 * port may belong to one virtual subnet; what it sends reaches the ports of that subnet, here
 * and behind the remote tunnel endpoints (VTEPs), and nobody else. It has no part in VLANs.
 *
 * Native packets (NETHV_PKT_NATIVE) are forwarded by this code and by no extension (EXT-9): what
 * a port of a subnet sends, and what comes out of a tunnel. A subnet that is external is a third
 * party's: its packets, and tunnels with its VSID, are left to the forwarding extension.
 *
 * Learned addresses and neighbours are kept in tables of a fixed size that all lcores share.
 * Everything else is immutable: a change makes a new overlay, which takes over what the old one
 * learned.
 *
 * The overlay is a layer 2 service without an address in the subnets, so it sends no ICMP
 * errors: an inner frame that does not fit into the underlay is dropped (too_big), and
 * partitions are to be given vsw_overlay_inner_mtu(). The outer IPv4 header has DF set. Outer
 * fragments are not put together.
 *
 * The underlay is trusted as far as its VLAN reaches: packets are taken from the uplink in that
 * VLAN, to the VTEP, with the address of a remote of the subnet; who can send such packets is in
 * the subnet. Ports of partitions do not belong into the underlay's VLAN. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/packet.h"

struct vsw_overlay;

#define VSW_OVERLAY_VSID_MAX	0xFFFFFEu
#define VSW_OVERLAY_SUBNETS_MAX 256u
#define VSW_OVERLAY_VTEPS_MAX	256u /* of a switch */
#define VSW_OVERLAY_REMOTES_MAX 64u  /* of a subnet: a broadcast is copied to each */
#define VSW_OVERLAY_HEAD_MAX	72u  /* Ethernet, IPv6, UDP, VXLAN or Geneve */
#define VSW_OVERLAY_FRAME_MAX	96u  /* of what vsw_overlay_next_frame() gives */

enum vsw_overlay_encap { VSW_OVERLAY_VXLAN, VSW_OVERLAY_GENEVE };

struct vsw_overlay_ip {
	uint8_t version; /* 4, 6, or 0: none */
	uint8_t b[16];	 /* network order; IPv4: the first four */
};

struct vsw_overlay_port {
	uint16_t port;
	uint8_t mac[6]; /* its own, known without learning; zero: none */
};

struct vsw_overlay_remote {
	struct vsw_overlay_ip vtep;
	uint8_t next_hop_mac[6];  /* zero: to be resolved */
	const uint8_t (*macs)[6]; /* known to be behind it */
	uint32_t nr_macs;
};

struct vsw_overlay_subnet {
	uint32_t vsid;	  /* 1..VSW_OVERLAY_VSID_MAX */
	bool is_learning; /* remote and local source addresses, beside the ones given */
	bool is_external; /* a third party's: has ports only */
	const struct vsw_overlay_port *ports;
	uint32_t nr_ports;
	const struct vsw_overlay_remote *remotes;
	uint32_t nr_remotes; /* only they may send into the subnet */
};

struct vsw_overlay_cfg {
	enum vsw_overlay_encap encap;
	uint16_t udp_port;  /* 0: 4789 or 6081 */
	uint16_t uplink;    /* the port whose network is the underlay */
	uint16_t vlan;	    /* of the underlay on the uplink; 0: the untagged network */
	uint16_t mtu;	    /* of the underlay: IP bytes, 576 (IPv6: 1280) .. 9216; 0: 1500 */
	uint8_t prefix_len; /* of the local network; 0: all of it is one link */
	uint8_t mac[6];	    /* of the local VTEP */
	struct vsw_overlay_ip local;
	struct vsw_overlay_ip gateway; /* for remotes off the link; version 0: none */
	bool has_zero_csum6;	       /* send UDP checksum 0 over IPv6 (RFC 6935), too */
	uint32_t nr_macs_max;	       /* learned addresses kept at most; 0: 16384 */
	uint32_t ageing_s;	       /* of learned addresses; 0: 300 */
	const struct vsw_overlay_subnet *subnets;
	uint32_t nr_subnets;
};

/* ctl.  0, -EINVAL, -ENOMEM (text set). Borrows @cfg for the call. @old: the switch's present
 * one, or NULL; it goes on being used by lcores until the caller has published the new one. */
int vsw_overlay_create(struct vsw_overlay **out, const struct vsw_overlay_cfg *cfg,
		       unsigned int nr_lcores, const struct vsw_overlay *old);
/* ctl, after the grace period that made @old unused, once: adds its counters to @ov's. */
void vsw_overlay_adopt(struct vsw_overlay *ov, const struct vsw_overlay *old);
void vsw_overlay_destroy(struct vsw_overlay *ov); /* ctl, after the grace period. NULL is fine. */

/* any.  Of the configuration. The subnet of a port (0: none); whether its packets are native:
 * then the port takes no part in VLANs, floods and learning of the switch; port and VLAN of the
 * underlay; the MTU that partitions may use. */
uint32_t vsw_overlay_vsid(const struct vsw_overlay *ov, uint16_t port);
bool vsw_overlay_is_native(const struct vsw_overlay *ov, uint16_t port);
uint16_t vsw_overlay_uplink(const struct vsw_overlay *ov);
uint16_t vsw_overlay_vlan(const struct vsw_overlay *ov);
uint16_t vsw_overlay_inner_mtu(const struct vsw_overlay *ov);

/* What goes with a vector. */
struct vsw_overlay_io {
	uint32_t now_s; /* the switch's clock */
	uint32_t *vsid; /* by slot; 0: none */
	uint16_t *why;	/* of idx[k]: enum vsw_drop; 0 (the caller's): goes on */
};

/* lcore, on entry, before extensions.  Of packets v->slot[idx[0 .. n)] (plain: without
 * NETHV_PKT_CSUM and _LSO; tags out of band; pkt.vlan valid):
 *  - those from a port of a subnet become native, their source is learned. With a tag that has a
 *    VID they are dropped (vlan_denied);
 *  - those from the uplink to the VTEP lose the outer headers, become native, belong to pkt.vlan
 *    0, and are to be parsed anew; or are dropped (overlay: malformed, fragment, unknown VSID or
 *    sender; vlan_denied: tagged inside);
 *  - ARP and neighbour discovery from the uplink for the VTEP are answered
 *    (vsw_overlay_next_frame()); what is addressed to its MAC is dropped as consumed;
 *  - all others are left alone, vsid 0. */
void vsw_overlay_ingress(struct vsw_overlay *ov, struct vsw_vec *v, const uint16_t *idx, uint16_t n,
			 const struct vsw_overlay_io *io);

/* Where a native packet goes. All lists are without its source. */
struct vsw_overlay_route {
	uint16_t why; /* enum vsw_drop, when both lists are empty */
	uint16_t nr_ports;
	uint16_t nr_vteps; /* one encapsulated copy each */
	uint16_t port[VSW_PORTS_MAX];
	uint16_t vtep[VSW_OVERLAY_REMOTES_MAX]; /* for vsw_overlay_head() */
};

/* lcore, in place of forwarding.  Routes the native packet in slot @i. It leaves by each port
 * untagged. */
void vsw_overlay_route(struct vsw_overlay *ov, const struct vsw_vec *v, uint16_t i,
		       const struct vsw_overlay_io *io, struct vsw_overlay_route *r);

struct vsw_overlay_to {
	uint32_t vsid;
	uint32_t now_s;
	uint16_t vtep;
};

/* Outer headers, Ethernet to VXLAN or Geneve; to be put before the frame. */
struct vsw_overlay_head {
	uint16_t len;
	uint8_t b[VSW_OVERLAY_HEAD_MAX];
};

/* lcore.  Makes the outer headers of the copy of the packet in slot @i that goes to a VTEP, and
 * counts it. 0, or why it cannot go: too_big, or overlay while the next hop is not resolved (a
 * request is due). The copy goes to vsw_overlay_uplink(), in vsw_overlay_vlan(), and is not
 * native. */
uint16_t vsw_overlay_head(struct vsw_overlay *ov, const struct vsw_vec *v, uint16_t i,
			  const struct vsw_overlay_to *to, struct vsw_overlay_head *h);

/* lcore, the same one for the overlay's life, about once a second: announces the VTEP once,
 * resolves and refreshes next hops. */
void vsw_overlay_tick(struct vsw_overlay *ov, uint16_t lcore, uint32_t now_s);

/* lcore, after ingress, head and tick.  Takes a frame (60 bytes or more) that the overlay sends
 * by itself, to go to the uplink in the underlay's VLAN. Returns its length; 0: there is none
 * (any more). */
uint32_t vsw_overlay_next_frame(struct vsw_overlay *ov, uint16_t lcore,
				uint8_t frame[VSW_OVERLAY_FRAME_MAX]);

/* What is counted, X(name, text for people). */
#define VSW_OVERLAY_COUNTS(X)                                              \
	X(decap, "packets out of tunnels")                                 \
	X(decap_bytes, "their inner bytes")                                \
	X(encap, "packets into tunnels")                                   \
	X(encap_bytes, "their inner bytes")                                \
	X(flooded, "packets to all of a subnet: unknown or group address") \
	X(too_big, "lost: inner frame too long for the underlay")          \
	X(unresolved, "lost: next hop's address not known yet")

enum vsw_overlay_count {
#define X(name, text) VSW_OVERLAY_##name,
	VSW_OVERLAY_COUNTS(X)
#undef X
		VSW_OVERLAY_COUNT
};

/* Of the switch's VTEP, X(name, text for people). */
#define VSW_OVERLAY_TOTALS(X)                                                    \
	X(malformed, "tunnel packets dropped: lengths, flags or version")        \
	X(bad_csum, "tunnel packets dropped: checksum")                          \
	X(fragment, "outer fragments dropped")                                   \
	X(unknown_vsid, "tunnel packets dropped: no such subnet here")           \
	X(stranger, "tunnel packets dropped: sender is no remote of the subnet") \
	X(inner_tag, "tunnel packets dropped: tagged inside")                    \
	X(external, "tunnel packets left to the forwarding extension")           \
	X(arp_in, "ARP and neighbour discovery for the VTEP or from next hops")  \
	X(arp_out, "ARP and neighbour discovery sent")                           \
	X(arp_lost, "ARP and neighbour discovery not sent: no room")             \
	X(learned, "addresses learned")                                          \
	X(moved, "addresses that were elsewhere before")                         \
	X(full, "addresses not learned: no room")                                \
	X(refused, "addresses not learned: given by configuration elsewhere")

enum vsw_overlay_total {
#define X(name, text) VSW_OVERLAY_T_##name,
	VSW_OVERLAY_TOTALS(X)
#undef X
		VSW_OVERLAY_TOTAL
};

/* any.  "decap" and its sentence; "?" when out of range. */
const char *vsw_overlay_count_name(unsigned int count);
const char *vsw_overlay_count_text(unsigned int count);
const char *vsw_overlay_total_name(unsigned int total);
const char *vsw_overlay_total_text(unsigned int total);

/* ctl.  For show: subnets and VTEPs 0, 1, ... until false; learned addresses by @fn. */
struct vsw_overlay_subnet_info {
	uint32_t vsid;
	bool is_external;
	bool is_learning;
	uint32_t nr_ports, nr_remotes;
	uint64_t count[VSW_OVERLAY_COUNT];
};
struct vsw_overlay_vtep_info {
	struct vsw_overlay_ip ip, next_hop;
	uint8_t mac[6]; /* of the next hop; zero: not resolved */
	bool is_static;
	uint32_t age_s; /* since it was confirmed */
	uint64_t count[VSW_OVERLAY_COUNT];
};
struct vsw_overlay_mac_info {
	uint32_t vsid;
	uint8_t mac[6];
	uint16_t port; /* VSW_PORT_NONE: behind vtep */
	struct vsw_overlay_ip vtep;
	uint32_t age_s;
};
bool vsw_overlay_subnet_get(const struct vsw_overlay *ov, uint32_t n,
			    struct vsw_overlay_subnet_info *out);
bool vsw_overlay_vtep_get(const struct vsw_overlay *ov, uint32_t n, uint32_t now_s,
			  struct vsw_overlay_vtep_info *out);
void vsw_overlay_totals_get(const struct vsw_overlay *ov, uint64_t out[VSW_OVERLAY_TOTAL]);
void vsw_overlay_macs_walk(const struct vsw_overlay *ov, uint32_t now_s,
			   void (*fn)(const struct vsw_overlay_mac_info *m, void *ctx), void *ctx);
