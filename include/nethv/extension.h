/* SPDX-License-Identifier: BSD-3-Clause */
/* The SDK of switch extensions: everything that an extension needs to be compiled. C11 or C++.
 *
 * An extension is a shared object that exports one symbol, `nethv_extension`, made by NETHV_EXTENSION().
 * Its class says what it may do (the rules EXT-1 to EXT-3 of docs/conformance.md), and the switch
 * enforces it: packets lie in memory that the extension cannot write, and what it wants is written into
 * a result (verdict, route, exclusion) or asked for by a call, and done after the callback returned.
 *
 * Life:  create() -> [event()s, ingress(), egress(), poll(), tick() ...] -> flush() -> destroy()
 * An upgrade: new create() -> old save() -> new restore() -> the new one runs -> old destroy(). Lcores stand
 * still from save() to the end of restore(), so these two have the budget of an lcore's call.
 *
 * Threads.  ctl: one thread, may take its time. lcore: a poll thread, several at once on the same
 * instance; must not block, allocate, or make system calls, and is ended when it takes longer than the
 * budget (1 ms of CPU time by default). Whoever crashes, aborts or runs over its budget is detached with
 * a report, and none of its callbacks is called again; traffic goes on without it.
 *
 * Compatibility.  Members are only ever added at the end, enumerators only ever added; each struct
 * that crosses the border begins with its size or has a fixed one. A binary made with this header
 * runs in every later switch of the same NETHV_EXT_ABI. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NETHV_EXT_ABI 1u

#define NETHV_VECTOR_MAX  64u  /* packets in a burst */
#define NETHV_PRIVATE_MAX 128u /* bytes of a frame that are private at most: see nethv_pull() */
#define NETHV_PORTS_MAX	  256u /* port numbers are below */
#define NETHV_PORT_DEFAULT \
	0xFFFFu		      /* as a source: nobody's port; such packets are trusted (DP-10) */
#define NETHV_NICS_MAX	  32u /* members of a team have the NIC indices 1..32 */
#define NETHV_REASONS_MAX 32u /* drop reasons of one extension */

/* ---- Packets ------------------------------------------------------------------------------- */

enum nethv_pkt_flags {
	NETHV_PKT_VLAN =
		1 << 0, /* vlan_tci is valid: the tag is out of band, the bytes carry none */
	/* Offloads: what the sender left undone. csum is valid with each, l3_off and l4_off with the
	 * first two, and these headers are private bytes. An extension with NETHV_EXT_PLAIN never
	 * sees the first two. */
	NETHV_PKT_CSUM = 1 << 2, /* the L4 checksum holds the pseudo header's sum, to be finished */
	NETHV_PKT_LSO = 1 << 3,	 /* TCP, to be cut into segments of lso_mss */
	NETHV_PKT_CSUM_OK = 1 << 4, /* the device that received it verified the L4 checksum */
	NETHV_PKT_PARSED = 1 << 5,  /* ether_type to l3_version are valid: in each burst,
				     * but for NETHV_EXT_RAW */
	NETHV_PKT_SAFE = 1 << 6,   /* all bytes are in the switch's memory (DP-14). Without it those
				     * behind the private ones are a guest's, who may rewrite them */
	NETHV_PKT_NATIVE = 1 << 7, /* overlay: the switch forwards it, no forwarder may (EXT-9) */
	NETHV_PKT_CLONE = 1 << 8,  /* made by nethv_clone() */
	NETHV_PKT_MADE = 1 << 9,   /* made by nethv_originate() */
	NETHV_PKT_FRAGMENT = 1 << 10, /* IP fragment, not the first one: has no L4 header */
};

/* nethv_pkt.csum: what the offload flags speak of. */
enum nethv_csum {
	NETHV_CSUM_TCP = 1 << 0,
	NETHV_CSUM_UDP = 1 << 1,
	NETHV_CSUM_IP4 = 1 << 2,    /* over IPv4; else IPv6 */
	NETHV_CSUM_IP4_OK = 1 << 3, /* with NETHV_PKT_CSUM_OK: the IPv4 header's checksum, too */
};

/* A packet with its forwarding context. Read only for extensions. The frame (Ethernet, without FCS and
 * without 802.1Q tag) begins with hdr_len private bytes at nethv_bytes(); what lies behind them is
 * reached by nethv_copy(). */
struct nethv_pkt {
	/* What came with it, and what was found in it. */
	uint32_t len;	  /* of the frame */
	uint16_t hdr_off; /* where the private bytes begin, from the start of this struct */
	uint16_t hdr_len; /* how many: at least min(len, 64) */
	uint16_t flags;	  /* enum nethv_pkt_flags */
	uint16_t vlan_tci;
	uint16_t csum; /* enum nethv_csum */
	uint16_t lso_mss;
	uint32_t hash;	      /* RSS hash by the sender or device, 0: none */
	uint16_t drop_reason; /* the switch's own */
	uint16_t ether_type;  /* host order */
	uint8_t l3_off;	      /* of the IP header; 0: not IP */
	uint8_t l4_off;	      /* of the L4 header; 0: none, or not among the private bytes */
	uint8_t l4_proto;     /* IP protocol number behind all extension headers that are private */
	uint8_t l3_version;   /* 4, 6, or 0 */
	uint16_t vlan;	      /* the VLAN that it belongs to; 0: the untagged network */
	uint16_t ndst;	      /* egress: destinations, at burst->dst[dst_first] */
	/* Its context. */
	uint16_t src_port; /* or NETHV_PORT_DEFAULT */
	uint16_t src_nic;  /* 0, or the member of a team that received it */
	uint32_t dst_first;
	uint32_t mark;	   /* free use by extensions of this switch: host->set_mark() */
	uint32_t trace_id; /* of `nethv trace`; 0: not traced */
	uint32_t vsid;	   /* virtual subnet of a native packet; 0: none */
	uint32_t reserved[3];
};

enum nethv_dst_flags {
	NETHV_DST_EXCLUDED = 1 << 0,  /* is not delivered there; sticky (EX-1) */
	NETHV_DST_KEEP_VLAN = 1 << 1, /* the tag leaves as it is, whatever the port's VLAN mode */
	NETHV_DST_KEEP_PRIORITY = 1 << 2, /* with a tag's removal its priority stays: VID 0 */
	NETHV_DST_MIRROR = 1 << 3,	  /* added by port mirroring */
};

struct nethv_dst {
	uint16_t port;
	uint8_t nic;   /* of a team: which member; 0: the port decides */
	uint8_t flags; /* enum nethv_dst_flags */
};

/* What a forwarder decided for a packet. All zero: no destination, the packet is dropped (DP-8). */
enum nethv_route_kind {
	NETHV_ROUTE_NONE = 0,
	NETHV_ROUTE_PORTS = 1,	/* dst[0 .. n) */
	NETHV_ROUTE_FLOOD = 2,	/* every other port in the packet's VLAN */
	NETHV_ROUTE_NORMAL = 3, /* as the switch's own learning forwarder would */
};

#define NETHV_ROUTE_DSTS 6u

struct nethv_route {
	uint8_t kind; /* enum nethv_route_kind */
	uint8_t n;
	uint16_t reserved;
	struct nethv_dst dst[NETHV_ROUTE_DSTS];
};

enum nethv_burst_flags {
	NETHV_BURST_EGRESS = 1 << 0,	    /* else ingress */
	NETHV_BURST_SINGLE_SOURCE = 1 << 1, /* all packets have the same src_port */
	NETHV_BURST_SAME_DST = 1 << 2,	    /* egress: all have the same destinations */
	NETHV_BURST_POLL = 1 << 3,	    /* no packets: poll() or flush() */
};

struct nethv_host;

/* What ingress() and egress() are called with. Valid during the call. */
struct nethv_burst {
	uint32_t size;	/* of this struct */
	uint16_t n;	/* packets, 1..NETHV_VECTOR_MAX */
	uint16_t lcore; /* 0 .. host->nr_lcores - 1 */
	uint32_t flags; /* enum nethv_burst_flags */
	uint16_t src_port;
	uint16_t reserved;
	uint64_t now_ns; /* monotonic, coarse: one reading a burst */
	uint64_t now_tsc;
	const struct nethv_pkt *const *pkt; /* [n] */
	uint16_t *verdict;		    /* [n], zero. Not for captures: writing it is a fault */
	struct nethv_route *route;	    /* [n], zero: forwarders on ingress; else NULL */
	const struct nethv_dst *dst;	    /* egress; else NULL */
	uint8_t *exclude;		    /* egress, beside dst[]; zero. Not for captures */
	void *lcore_data; /* the instance's own for this lcore, ext->lcore_size bytes */
	const struct nethv_host *host;
};

static inline const uint8_t *nethv_bytes(const struct nethv_pkt *p)
{
	return (const uint8_t *)p + p->hdr_off;
}

/* ---- Ports, adapters, properties, events --------------------------------------------------- */

struct nethv_guid {
	uint8_t b[16]; /* in the order in which it is written */
};

enum nethv_port_type {
	NETHV_PORT_SYNTHETIC = 0,
	NETHV_PORT_EMULATED = 1,
	NETHV_PORT_INTERNAL = 2,
	NETHV_PORT_EXTERNAL = 3,
};

enum nethv_port_state { /* conformance.md 5.3 */
			NETHV_PORT_NONE = 0,
			NETHV_PORT_CREATED = 1,
			NETHV_NIC_CREATED = 2,
			NETHV_NIC_CONNECTED = 3,
			NETHV_NIC_DISCONNECTED = 4,
			NETHV_NIC_DELETED = 5,
			NETHV_PORT_TEARDOWN = 6,
};

enum nethv_port_flags {
	NETHV_PORT_VALIDATION =
		1 << 0, /* exists to ask whether its settings are good (VP-1, VP-2) */
	NETHV_PORT_VLAN_TRUNK = 1 << 1,
	NETHV_PORT_VF_ASSIGNED = 1 << 2,
};

struct nethv_port_info {
	uint32_t size;
	uint16_t port;
	uint8_t type;  /* enum nethv_port_type */
	uint8_t state; /* enum nethv_port_state */
	uint32_t flags;
	uint16_t pvid;
	uint16_t mtu;	  /* 0: not known */
	uint16_t nr_nics; /* members of a team, else 0 */
	uint8_t mac[6];	  /* zero: none of its own */
	char name[32];	  /* "a/0": adapter 0 of partition a; an uplink's name */
};

enum nethv_event_kind {
	/* Ports and adapters. data: none. Those with V may be vetoed. */
	NETHV_EV_PORT_CREATE = 1, /* V */
	NETHV_EV_PORT_UPDATED = 2,
	NETHV_EV_PORT_TEARDOWN = 3,
	NETHV_EV_PORT_DELETE = 4,
	NETHV_EV_NIC_CREATE = 5, /* V */
	NETHV_EV_NIC_CONNECT = 6,
	NETHV_EV_NIC_UPDATED = 7,
	NETHV_EV_NIC_DISCONNECT = 8,
	NETHV_EV_NIC_DELETE = 9,
	/* Policies. prop: the property. */
	NETHV_EV_PORT_PROPERTY_ADD = 10,    /* V */
	NETHV_EV_PORT_PROPERTY_UPDATE = 11, /* V */
	NETHV_EV_PORT_PROPERTY_DELETE = 12,
	NETHV_EV_SWITCH_PROPERTY_ADD = 13,    /* V */
	NETHV_EV_SWITCH_PROPERTY_UPDATE = 14, /* V */
	NETHV_EV_SWITCH_PROPERTY_DELETE = 15,
	/* Read-back: prop->id says of what; the answer goes to out. NETHV_EV_DONE when answered. */
	NETHV_EV_SWITCH_FEATURE_STATUS = 16,
	NETHV_EV_PORT_FEATURE_STATUS = 17,
	/* Run-time data of an adapter. SAVE is repeated until nobody answers it: put out and feature,
	 * return NETHV_EV_DONE. RESTORE comes with in and feature, to the extension of that GUID. */
	NETHV_EV_NIC_SAVE = 18,
	NETHV_EV_NIC_SAVE_COMPLETE = 19,
	NETHV_EV_NIC_RESTORE = 20,
	NETHV_EV_NIC_RESTORE_COMPLETE = 21,
	/* A request for an adapter or uplink on its way through the stack (hardware offloads), and its
	 * status on the way back: request says which. V where HWO-2 allows it. */
	NETHV_EV_NIC_REQUEST = 22, /* V */
	NETHV_EV_NIC_STATUS = 23,
};

/* event()'s results. Another negative value is an error, and told like a veto. */
enum nethv_event_result {
	NETHV_EV_PASS = 0,  /* goes on to the extension below */
	NETHV_EV_DONE = 1,  /* answered here; nobody below sees it */
	NETHV_EV_VETO = -1, /* refused; say why with nethv_veto() */
};

enum nethv_property_kind {
	NETHV_PROP_CUSTOM = 0,	 /* an extension's own */
	NETHV_PROP_SECURITY = 1, /* standard ones (POL-2) */
	NETHV_PROP_VLAN = 2,
	NETHV_PROP_PROFILE = 3,
};

struct nethv_property {
	uint32_t size;
	uint32_t kind;	       /* enum nethv_property_kind */
	struct nethv_guid id;  /* which policy */
	struct nethv_guid ext; /* whose; zero: standard */
	struct nethv_guid instance;
	uint32_t version;
	uint32_t data_len;
	const void *data; /* as the operator gave it: text, by convention JSON */
};

enum nethv_request { /* NIC_REQUEST: what is asked of an uplink for a port (HWO-1) */
		     NETHV_REQ_VMQ_ALLOCATE = 1, /* V */
		     NETHV_REQ_VMQ_COMPLETE = 2,
		     NETHV_REQ_VMQ_SET_FILTER = 3, /* V */
		     NETHV_REQ_VMQ_CLEAR_FILTER = 4,
		     NETHV_REQ_VMQ_FREE = 5,
		     NETHV_REQ_VF_ALLOCATE = 6,	 /* V */
		     NETHV_REQ_VPORT_CREATE = 7, /* V */
		     NETHV_REQ_VPORT_DELETE = 8,
		     NETHV_REQ_VF_FREE = 9,
		     NETHV_REQ_FILTER_MOVE = 10,
};

struct nethv_event {
	uint32_t size;
	uint32_t kind;			    /* enum nethv_event_kind */
	const struct nethv_port_info *port; /* NULL: about the switch */
	uint16_t nic;			    /* index of the adapter, with port */
	uint16_t request;		    /* enum nethv_request */
	uint32_t
		number; /* NIC_REQUEST: which queue, VF or vport; set by who allocates. NIC_RESTORE: the
			  * state_version of who saved */
	const struct nethv_property *prop;
	struct nethv_guid feature; /* NIC_SAVE, NIC_RESTORE: which blob of the extension */
	const void *in;
	size_t in_len;
	void *out;	/* room for an answer */
	size_t out_max; /* its size */
	size_t out_len; /* set by who answers; more than out_max: asked again with so much room */
	char *text;	/* room for the reason of a veto, text_max bytes */
	size_t text_max;
};

static inline int nethv_veto(struct nethv_event *e, const char *why)
{
	size_t n = strlen(why);

	if (e->text_max) {
		n = n < e->text_max ? n : e->text_max - 1;
		memcpy(e->text, why, n);
		e->text[n] = 0;
	}
	return NETHV_EV_VETO;
}

/* ---- The switch, as an extension calls it --------------------------------------------------- */

enum nethv_log_level { NETHV_LOG_ERROR, NETHV_LOG_WARN, NETHV_LOG_INFO, NETHV_LOG_DEBUG };

struct rte_mbuf;

/* The calls of one instance. Results: 0 or more is success; EPERM means that the class, the direction or
 * the moment does not allow it (where a rule is broken, it is counted and shown), ERANGE that an argument
 * is out of range, ENOROOM that there is no room (counted; try again with the next burst).
 *
 * A call knows by itself whose callback it is in: the burst or host that it is given is not looked at, and
 * outside of a callback, or in one of the other kind (lcore, ctl), it does nothing and returns EPERM, NULL,
 * 0 or false. Wrong pointers among the arguments are a fault of the extension.
 *
 * What changes packets is noted, up to 256 times in one callback, with a copy of the bytes, and done in
 * that order when the callback has returned; nothing of it when it faulted. A packet that was held or
 * given another source is not there any more: calls that name it later in the callback return ERANGE. */
enum nethv_result { NETHV_OK = 0, NETHV_EPERM = -1, NETHV_ERANGE = -2, NETHV_ENOROOM = -3 };

struct nethv_host {
	uint32_t size;
	uint32_t abi;
	void *priv;
	uint32_t nr_lcores;
	uint32_t budget_us;
	uint64_t tsc_hz;

	/* lcore, in ingress() and egress(): packet @i of the burst. */

	/* Copies frame bytes [@off, @off + @len) to @dst, wherever they lie. */
	int (*copy)(struct nethv_burst *b, uint16_t i, uint32_t off, void *dst, uint32_t len);
	/* Makes at least min(@n, frame) bytes private, up to NETHV_PRIVATE_MAX. ERANGE: not so many.
	 * The packet's pointer stays, hdr_len grows; nethv_bytes() may be elsewhere afterwards. */
	int (*pull)(struct nethv_burst *b, uint16_t i, uint32_t n);
	/* Filter, forwarder; ingress. Overwrites @len private bytes at @off. Checksums are the
	 * extension's own matter. An 802.1Q tag that comes to stand behind the addresses is taken out
	 * of band, as set_vlan() would set it. */
	int (*edit)(struct nethv_burst *b, uint16_t i, uint32_t off, const void *bytes,
		    uint32_t len);
	/* Filter, forwarder; ingress. Replaces the first @strip private bytes of the frame by @len
	 * others (up to NETHV_PRIVATE_MAX): encapsulates, decapsulates, rewrites. Needs NETHV_EXT_PLAIN.
	 * ERANGE: the frame would have less than 14 or more than 9234 bytes. */
	int (*set_head)(struct nethv_burst *b, uint16_t i, uint32_t strip, const void *bytes,
			uint32_t len);
	/* Filter, forwarder; ingress. The tag, and with it the packet's VLAN: @tci, or -1 for none; then,
	 * and with VLAN 0, the source port's own VLAN. */
	int (*set_vlan)(struct nethv_burst *b, uint16_t i, int32_t tci);
	/* Filter, forwarder; both ways. */
	int (*set_mark)(struct nethv_burst *b, uint16_t i, uint32_t mark);
	/* Filter, forwarder; ingress. The only way to change a packet's source (SRC-1): a connected port,
	 * or NETHV_PORT_DEFAULT. The packet goes on below this extension, behind this burst; from a
	 * forwarder it comes to that forwarder again. */
	int (*set_source)(struct nethv_burst *b, uint16_t i, uint16_t port);
	/* Filter, forwarder. A copy of packet @i with its context and without destinations goes into
	 * the ingress path, behind this burst, to the extensions below this one (DP-11); a forwarder gets
	 * its own again. On egress it keeps the destinations that are not excluded, up to 8 (ENOROOM:
	 * more), and goes to the extensions that follow. */
	int (*clone)(struct nethv_burst *b, uint16_t i);
	/* Any class; ingress or poll(). A new packet from @src_port, likewise. From
	 * NETHV_PORT_DEFAULT it is trusted: no port policy applies (DP-10). 14 to 9234 bytes. */
	int (*originate)(struct nethv_burst *b, uint16_t src_port, const void *frame, uint32_t len);
	/* Filter with NETHV_EXT_HOLDS; both ways. Takes packet @i out, as it is when the callback has
	 * returned; *@handle stands for it until release() or discard(), on the same lcore. ENOROOM: too
	 * many are held, the packet has more than 8 destinations, or the extension is to give back all.
	 * release() puts it back behind this extension, in any callback with a burst; ENOROOM: it is
	 * still held. A packet whose source or last destination is removed meanwhile is dropped by the
	 * switch; its handle stays good. ERANGE: no such handle. */
	int (*hold)(struct nethv_burst *b, uint16_t i, uint32_t *handle);
	int (*release)(struct nethv_burst *b, uint32_t handle);
	int (*discard)(struct nethv_burst *b, uint32_t handle, uint16_t reason);
	/* nethv/extension_dpdk.h: the buffer of a packet that came from an uplink, or NULL. */
	const struct rte_mbuf *(*mbuf)(struct nethv_burst *b, uint16_t i);
	/* lcore. notify(@arg) will run on ctl. ENOROOM when too many wait: 256 of one instance. */
	int (*post)(struct nethv_burst *b, uint64_t arg);

	/* ctl. */

	/* Zeroed memory, aligned to 64 bytes; freed by the switch after destroy(), or by free(). NULL:
	 * none. The only memory that an extension gets. */
	void *(*alloc)(const struct nethv_host *h, size_t size);
	void (*free)(const struct nethv_host *h, void *p);
	void (*log)(const struct nethv_host *h, int level, const char *text);
	/* After it returns, no lcore is inside a callback that began before. */
	void (*quiesce)(const struct nethv_host *h);
	/* The data of lcore @lcore, to be read or, before packets come, initialised. */
	void *(*lcore_data)(const struct nethv_host *h, uint16_t lcore);
	/* The text of why create(), configure() or restore() fails, for the operator. Returns -1. */
	int (*fail)(const struct nethv_host *h, const char *text);

	/* ctl, in create() and configure(): the instance's configuration. @key is a key of ext->keys, or
	 * "list[3].key" in a list. A value that is absent is the key's default; one of a wrong type or
	 * out of range was refused before. */
	const char *(*cfg_text)(const struct nethv_host *h, const char *key);
	int64_t (*cfg_int)(const struct nethv_host *h, const char *key);
	double (*cfg_real)(const struct nethv_host *h, const char *key);
	uint32_t (*cfg_count)(const struct nethv_host *h, const char *key);

	/* ctl. Ports, in ascending order: the first one whose number is at least @from. False: none. The
	 * name's port, or NETHV_PORT_DEFAULT. */
	bool (*port_next)(const struct nethv_host *h, uint16_t from, struct nethv_port_info *out);
	uint16_t (*port_find)(const struct nethv_host *h, const char *name);
	/* ctl. References keep a port or an adapter from being deleted. EPERM in states without. */
	int (*port_ref)(const struct nethv_host *h, uint16_t port);
	int (*port_unref)(const struct nethv_host *h, uint16_t port);
	int (*nic_ref)(const struct nethv_host *h, uint16_t port, uint16_t nic);
	int (*nic_unref)(const struct nethv_host *h, uint16_t port, uint16_t nic);
	/* ctl. Properties of a port (NETHV_PORT_DEFAULT: of the switch) with @id, the @n-th. */
	bool (*property)(const struct nethv_host *h, uint16_t port, const struct nethv_guid *id,
			 uint32_t n, struct nethv_property *out);
	/* ctl; forwarders. Takes the VF away from @port, so that policies apply again (IOV-9). */
	int (*remove_vf)(const struct nethv_host *h, uint16_t port);
	/* ctl; sends an event down the stack from below this extension (NIC_REQUEST), or up from
	 * above it (NIC_STATUS). Others' event() run inside of this call, and may lead to one's own;
	 * their time is not counted. in and out: up to 1 MiB each. */
	int (*request)(const struct nethv_host *h, struct nethv_event *e);
};

/* True when the switch is new enough to have member @fn. */
#define NETHV_HOST_HAS(h, fn) ((h)->size >= offsetof(struct nethv_host, fn) + sizeof((h)->fn))

/* ---- The extension --------------------------------------------------------------------------- */

enum nethv_ext_class {
	NETHV_CAPTURE = 1,
	NETHV_FILTER = 2,
	NETHV_FORWARD = 3,
};

enum nethv_ext_flags {
	NETHV_EXT_PLAIN =
		1 << 0, /* wants packets without CSUM and LSO: the switch does it before */
	NETHV_EXT_HOLDS = 1 << 1, /* may hold packets: has poll() and flush() */
	NETHV_EXT_VLAN =
		1 << 2, /* forwarder that enforces the VLAN property itself (POL-2); else the
				  * switch goes on enforcing it on the destinations chosen */
	NETHV_EXT_TEAM = 1 << 3, /* forwarder that chooses among the members of a team (EXT-4) */
	NETHV_EXT_RAW =
		1 << 4, /* does not look at ether_type, l3_off, l4_off, l4_proto and l3_version:
				  * they may not be filled in, which saves time */
};

enum nethv_key_kind {
	NETHV_KEY_TEXT = 1,
	NETHV_KEY_INT = 2,
	NETHV_KEY_REAL = 3,
	NETHV_KEY_BOOL = 4, /* read by cfg_int() */
	NETHV_KEY_LIST = 5, /* of maps, whose keys are those with a "list." before */
};

/* A key of the configuration, so that what the operator writes is checked and explained. The table
 * ends with a name that is NULL. */
struct nethv_key {
	const char *name; /* "rate_mbps", "rules", "rules.dst" */
	uint32_t kind;	  /* enum nethv_key_kind */
	uint32_t is_required;
	const char *fallback; /* as text; NULL: "", 0, false, empty */
	const char *help;     /* one line, with the unit */
	double min, max;      /* numbers; both 0: any */
};

/* Receives a state that save() wrote. */
struct nethv_writer {
	uint32_t size;
	uint32_t reserved;
	void *priv;
	int (*put)(struct nethv_writer *w, const void *data,
		   size_t len); /* 0, or ENOROOM: > 64 MiB */
};

struct nethv_ext {
	uint32_t abi;		/* NETHV_EXT_ABI */
	uint32_t size;		/* of this struct */
	struct nethv_guid guid; /* for ever the same for an extension, over all its versions */
	const char *name;	/* [a-z0-9-]{1,31} */
	const char *version;
	const char *summary;	    /* one line for people */
	uint32_t cls;		    /* enum nethv_ext_class */
	uint32_t flags;		    /* enum nethv_ext_flags */
	const char *const *reasons; /* why it drops: "word: sentence"; verdicts are 1 + index */
	uint32_t nr_reasons;
	uint32_t lcore_size; /* bytes of zeroed memory an lcore */
	const struct nethv_key *keys;
	uint32_t state_version; /* of what save() writes */
	uint32_t reserved;

	/* Callbacks; each may be NULL. ctl: */
	int (*create)(const struct nethv_host *h, void **inst); /* 0, or h->fail() */
	void (*destroy)(void *inst);
	int (*configure)(
		void *inst); /* new values: read them by cfg_*(). 0, or h->fail(): as before */
	int (*event)(void *inst, struct nethv_event *e);
	int (*save)(void *inst, struct nethv_writer *w);
	int (*restore)(void *inst, const void *data, size_t len, uint32_t state_version);
	int (*status)(void *inst, char *json, size_t size); /* JSON object for people and programs;
							      * its length */
	void (*notify)(void *inst, uint64_t arg);
	void (*tick)(void *inst); /* about once a second */
	/* lcore: */
	void (*ingress)(void *inst, struct nethv_burst *b);
	void (*egress)(void *inst, struct nethv_burst *b);
	/* Each loop; with NETHV_EXT_HOLDS. An lcore that sleeps has no loops; while packets are held it
	 * sleeps for 50 us at most. */
	void (*poll)(void *inst, struct nethv_burst *b);
	void (*flush)(void *inst, struct nethv_burst *b); /* release or discard all that is held */
};

#ifdef __cplusplus
#define NETHV_EXTERN_C extern "C"
#else
#define NETHV_EXTERN_C extern
#endif

/* `NETHV_EXTENSION { .abi = NETHV_EXT_ABI, .size = sizeof(struct nethv_ext), ... };` */
#define NETHV_EXTENSION                                       \
	NETHV_EXTERN_C const struct nethv_ext nethv_extension \
		__attribute__((visibility("default")));       \
	const struct nethv_ext nethv_extension =

#define NETHV_EXT_HEAD .abi = NETHV_EXT_ABI, .size = sizeof(struct nethv_ext)

/* ---- Shorthands ------------------------------------------------------------------------------ */

/* Drops packet @i for the reason with that index in ext->reasons. Filters, forwarders. */
static inline void nethv_drop(struct nethv_burst *b, uint16_t i, uint16_t reason)
{
	b->verdict[i] = (uint16_t)(reason + 1);
}

static inline void nethv_exclude(struct nethv_burst *b, uint32_t dst_index)
{
	b->exclude[dst_index] = 1;
}

/* Forwarders on ingress. Adds a destination; ERANGE when there are NETHV_ROUTE_DSTS already. */
static inline int nethv_route_add(struct nethv_burst *b, uint16_t i, uint16_t port, uint8_t nic)
{
	struct nethv_route *r = &b->route[i];

	if (r->n >= NETHV_ROUTE_DSTS)
		return NETHV_ERANGE;
	r->kind = NETHV_ROUTE_PORTS;
	r->dst[r->n].port = port;
	r->dst[r->n].nic = nic;
	r->dst[r->n].flags = 0;
	r->n++;
	return NETHV_OK;
}

static inline void nethv_route_flood(struct nethv_burst *b, uint16_t i)
{
	b->route[i].kind = NETHV_ROUTE_FLOOD;
}

static inline void nethv_route_normal(struct nethv_burst *b, uint16_t i)
{
	b->route[i].kind = NETHV_ROUTE_NORMAL;
}

static inline int nethv_copy(struct nethv_burst *b, uint16_t i, uint32_t off, void *dst,
			     uint32_t len)
{
	return b->host->copy(b, i, off, dst, len);
}

static inline int nethv_pull(struct nethv_burst *b, uint16_t i, uint32_t n)
{
	return b->pkt[i]->hdr_len >= n ? NETHV_OK : b->host->pull(b, i, n);
}

static inline int nethv_edit(struct nethv_burst *b, uint16_t i, uint32_t off, const void *bytes,
			     uint32_t len)
{
	return b->host->edit(b, i, off, bytes, len);
}

static inline int nethv_clone(struct nethv_burst *b, uint16_t i)
{
	return b->host->clone(b, i);
}

static inline int nethv_originate(struct nethv_burst *b, uint16_t src_port, const void *frame,
				  uint32_t len)
{
	return b->host->originate(b, src_port, frame, len);
}

/* Big-endian numbers in packets. */
static inline uint16_t nethv_get16(const void *at)
{
	const uint8_t *p = (const uint8_t *)at;

	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t nethv_get32(const void *at)
{
	const uint8_t *p = (const uint8_t *)at;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

#ifdef __cplusplus
}
static_assert(sizeof(struct nethv_pkt) == 64, "one cache line");
#else
_Static_assert(sizeof(struct nethv_pkt) == 64, "one cache line");
_Static_assert(sizeof(struct nethv_dst) == 4, "");
_Static_assert(sizeof(struct nethv_route) == 28, "");
#endif
