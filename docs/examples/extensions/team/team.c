/* SPDX-License-Identifier: BSD-3-Clause */
/* A teaming provider: several uplinks as one, without help from the physical switches. Spreads flows over
 * the members or keeps all but the first in reserve, and moves them when a member goes.
 *
 *   guest -> an adapter of this switch     as the switch does it (normal)
 *   guest -> anybody else                  out by the member that the flow's hash chooses
 *   member -> an adapter of this switch    there
 *   group frames                           flooded; egress() takes the members off that are not meant
 *
 * A group frame of ours may come back by another member, and one from outside comes by each: dropped,
 * or the network would see loops and guests would see doubles. */
#include <nethv/extension.h>

#include "../text.h"

#define MEMBERS_MAX NETHV_NICS_MAX
#define BUCKETS	    256u  /* of flows */
#define MACS	    1024u /* hash slots: at most a quarter is used */

enum reason { NO_MEMBER, REFLECTED, DOUBLE, NOT_OURS, RUNT };

static const char *const reasons[] = {
	"no_member: no member of the team is connected",
	"reflected: a frame of ours came back by an uplink",
	"double: group frame from a member other than the first",
	"not_ours: from an uplink to an address that is not on this switch",
	"runt: no Ethernet header",
};

struct member {
	uint16_t port;
	uint8_t nic; /* 0: the port is the member */
	uint8_t is_up;
};

/* What lcores see: never changes; made anew at each event. */
struct view {
	uint32_t first;		 /* member that group frames are taken from; MEMBERS_MAX: none */
	uint8_t bucket[BUCKETS]; /* flow -> member; valid when first is */
	struct member member[MEMBERS_MAX];
	uint8_t is_member[NETHV_PORTS_MAX]; /* by port */
	struct {
		uint64_t mac; /* as mac_of(); 0: free */
		uint16_t port;
	} local[MACS];
};

struct port {
	struct nethv_port_info info; /* info.size 0: there is no such port */
	uint32_t nics_down;	     /* bit n - 1: member n of a team in the port is disconnected */
};

struct setup { /* what the operator wrote */
	bool is_standby;
	uint32_t n;
	struct {
		char port[32];
		uint8_t nic;
	} member[MEMBERS_MAX];
};

struct team {
	const struct nethv_host *h;
	struct view *view;
	/* ctl: */
	struct setup setup;
	struct port port[NETHV_PORTS_MAX];
	uint64_t failovers;
};

struct lane {
	uint64_t sent[MEMBERS_MAX];
};

static const struct nethv_key keys[] = {
	{"mode", NETHV_KEY_TEXT, 0, "active",
	 "active (all members send) or standby (the first one)", 0, 0},
	{"members", NETHV_KEY_LIST, 1, NULL, "in the order in which they are preferred", 0, 0},
	{"members.port", NETHV_KEY_TEXT, 1, NULL, "name of an uplink's port", 0, 0},
	{"members.nic", NETHV_KEY_INT, 0, "0", "member of that port's own team, 1..32; 0: no team",
	 0, NETHV_NICS_MAX},
	{NULL, 0, 0, NULL, NULL, 0, 0},
};

static uint64_t mac_of(const uint8_t *at)
{
	uint64_t mac = 0;

	memcpy(&mac, at, 6);
	return mac;
}

static uint32_t mac_slot(uint64_t mac)
{
	return (uint32_t)((mac * 0x9E3779B97F4A7C15ull) >> 54);
}
_Static_assert(MACS == 1u << (64 - 54) && MACS > 2 * NETHV_PORTS_MAX, "mac_slot(), and free slots");

/* ---- The view: ctl ---- */

static void add_local(struct view *v, const uint8_t *at, uint16_t port)
{
	uint64_t mac = mac_of(at);
	uint32_t slot = mac_slot(mac);

	if (!mac)
		return;
	while (v->local[slot].mac && v->local[slot].mac != mac)
		slot = (slot + 1) % MACS;
	v->local[slot].mac = mac;
	v->local[slot].port = port;
}

static void resolve_members(const struct team *t, struct view *v)
{
	for (uint32_t m = 0; m < t->setup.n; m++) {
		struct member *to = &v->member[m];

		to->port = NETHV_PORT_DEFAULT;
		to->nic = t->setup.member[m].nic;
		for (uint16_t p = 0; p < NETHV_PORTS_MAX; p++) {
			const struct port *port = &t->port[p];

			if (!port->info.size ||
			    strcmp(port->info.name, t->setup.member[m].port) != 0)
				continue;
			to->port = p;
			v->is_member[p] = 1;
			to->is_up = port->info.state == NETHV_NIC_CONNECTED &&
				    (!to->nic || !(port->nics_down & 1u << (to->nic - 1)));
		}
	}
}

/* A flow stays where it is while its member is up: each bucket has a home, and only those whose home is
 * down are spread over the others. */
static void spread(const struct team *t, struct view *v)
{
	uint8_t up[MEMBERS_MAX];
	uint32_t n = 0;

	for (uint32_t m = 0; m < t->setup.n; m++)
		if (v->member[m].is_up)
			up[n++] = (uint8_t)m;
	v->first = n ? up[0] : MEMBERS_MAX;
	for (uint32_t i = 0; i < BUCKETS && n; i++) {
		uint32_t home = i % t->setup.n;

		if (t->setup.is_standby)
			v->bucket[i] = up[0];
		else
			v->bucket[i] =
				v->member[home].is_up ? (uint8_t)home : up[i / t->setup.n % n];
	}
}

/* When it returns, no lcore sends to a member that went: it may go (DP-9). */
static int publish(struct team *t)
{
	struct view *old = t->view, *v = (struct view *)t->h->alloc(t->h, sizeof(*v));

	if (!v)
		return t->h->fail(t->h, "no memory");
	resolve_members(t, v);
	spread(t, v);
	for (uint16_t p = 0; p < NETHV_PORTS_MAX; p++)
		if (t->port[p].info.size && !v->is_member[p])
			add_local(v, t->port[p].info.mac, p);
	__atomic_store_n(&t->view, v, __ATOMIC_RELEASE);
	if (!old)
		return 0;
	t->h->quiesce(t->h);
	t->failovers += old->first != v->first || memcmp(old->bucket, v->bucket, BUCKETS) != 0;
	t->h->free(t->h, old);
	return 0;
}

static int configure(void *inst)
{
	struct team *t = (struct team *)inst;
	const struct nethv_host *h = t->h;
	const char *mode = h->cfg_text(h, "mode");
	uint32_t n = h->cfg_count(h, "members");
	struct setup old = t->setup, *s = &t->setup;
	char path[48];

	if (strcmp(mode, "active") != 0 && strcmp(mode, "standby") != 0)
		return h->fail(h, "mode is active or standby");
	if (!n || n > MEMBERS_MAX)
		return h->fail(h, "members: 1 to 32");
	s->is_standby = mode[0] == 's';
	s->n = n;
	for (uint32_t m = 0; m < n; m++) {
		snprintf(path, sizeof(path), "members[%u].port", m);
		snprintf(s->member[m].port, sizeof(s->member[m].port), "%s", h->cfg_text(h, path));
		snprintf(path, sizeof(path), "members[%u].nic", m);
		s->member[m].nic = (uint8_t)h->cfg_int(h, path);
	}
	if (publish(t) == 0)
		return 0;
	t->setup = old;
	return -1;
}

static int create(const struct nethv_host *h, void **inst)
{
	struct team *t = (struct team *)h->alloc(h, sizeof(*t));
	struct nethv_port_info info = {.size = sizeof(info)};

	if (!t)
		return h->fail(h, "no memory");
	t->h = h;
	for (uint16_t p = 0; h->port_next(h, p, &info) && info.port < NETHV_PORTS_MAX;
	     p = info.port + 1)
		t->port[info.port].info = info;
	*inst = t;
	return configure(t);
}

/* What an event makes of a port's state; 0: nothing that concerns us. */
static uint8_t state_after(uint32_t kind)
{
	switch (kind) {
	case NETHV_EV_PORT_CREATE: return NETHV_PORT_CREATED;
	case NETHV_EV_NIC_CREATE: return NETHV_NIC_CREATED;
	case NETHV_EV_NIC_CONNECT: return NETHV_NIC_CONNECTED;
	case NETHV_EV_NIC_DISCONNECT: return NETHV_NIC_DISCONNECTED;
	case NETHV_EV_NIC_DELETE: return NETHV_NIC_DELETED;
	case NETHV_EV_PORT_TEARDOWN: return NETHV_PORT_TEARDOWN;
	default: return 0;
	}
}

static void note_port(struct port *p, const struct nethv_event *e)
{
	uint8_t state = state_after(e->kind);

	if (e->nic) { /* a member inside of the port: the port goes on */
		uint32_t bit = 1u << (e->nic - 1);

		if (e->kind == NETHV_EV_NIC_CONNECT)
			p->nics_down &= ~bit;
		else if (e->kind == NETHV_EV_NIC_DISCONNECT || e->kind == NETHV_EV_NIC_DELETE)
			p->nics_down |= bit;
		return;
	}
	if (!state)
		state = p->info.state; /* an update */
	p->info = *e->port;
	p->info.size = sizeof(p->info);
	p->info.state = state;
	if (e->kind == NETHV_EV_PORT_DELETE)
		memset(p, 0, sizeof(*p));
}

static int event(void *inst, struct nethv_event *e)
{
	struct team *t = (struct team *)inst;

	if (e->kind > NETHV_EV_NIC_DELETE || !e->port || e->port->port >= NETHV_PORTS_MAX ||
	    e->nic > NETHV_NICS_MAX || (e->port->flags & NETHV_PORT_VALIDATION))
		return NETHV_EV_PASS;
	note_port(&t->port[e->port->port], e);
	if (publish(t) && (e->kind == NETHV_EV_PORT_CREATE || e->kind == NETHV_EV_NIC_CREATE))
		return nethv_veto(e, "team: no memory");
	return NETHV_EV_PASS;
}

static int status(void *inst, char *json, size_t size)
{
	struct team *t = (struct team *)inst;
	int at = 0;

	TEXT_PUT(at, json, size, "{\"failovers\":%llu,\"members\":[",
		 (unsigned long long)t->failovers);
	for (uint32_t m = 0; m < t->setup.n; m++) {
		unsigned long long sent = 0;

		for (uint16_t lc = 0; lc < t->h->nr_lcores; lc++)
			sent += ((struct lane *)t->h->lcore_data(t->h, lc))->sent[m];
		TEXT_PUT(at, json, size, "%s{\"up\":%s,\"sent\":%llu}", m ? "," : "",
			 t->view->member[m].is_up ? "true" : "false", sent);
	}
	TEXT_PUT(at, json, size, "]}");
	return at;
}

/* ---- Packets: lcore ---- */

static const uint16_t *find_local(const struct view *v, const uint8_t *at)
{
	uint64_t mac = mac_of(at);
	uint32_t slot = mac_slot(mac);

	for (; v->local[slot].mac; slot = (slot + 1) % MACS)
		if (v->local[slot].mac == mac)
			return &v->local[slot].port;
	return NULL;
}

static uint64_t mix(uint64_t h, const uint8_t *at, uint32_t len)
{
	for (; len; at++, len--)
		h = (h ^ *at) * 0x100000001B3ull;
	return h;
}

/* All fragments of a packet must take one way, and only the first one has ports: so none of them is
 * hashed by ports. */
static bool is_whole(const struct nethv_pkt *p, const uint8_t *ip)
{
	if (p->flags & NETHV_PKT_FRAGMENT)
		return false;
	if (p->l3_version == 4)
		return !(nethv_get16(ip + 6) & 0x3FFF); /* more fragments, or an offset */
	return ip[6] == p->l4_proto; /* else a chain of headers, in which one may be a fragment's */
}

/* The packet's flow. pkt.hash is not used: a guest may claim what it likes. */
static uint32_t bucket_of(struct nethv_burst *b, uint16_t i)
{
	const struct nethv_pkt *p = b->pkt[i];
	const uint8_t *ip;
	uint64_t h = 0xCBF29CE484222325ull;

	if (!p->l3_off || nethv_pull(b, i, p->l3_off + (p->l3_version == 4 ? 20u : 40u)))
		return (uint32_t)(mix(h, nethv_bytes(p), 12) >> 32) % BUCKETS;
	if (p->l4_off)
		(void)nethv_pull(b, i, p->l4_off + 4u);
	ip = nethv_bytes(p) + p->l3_off;
	h = p->l3_version == 4 ? mix(h, ip + 12, 8) : mix(h, ip + 8, 32);
	if ((p->l4_proto == 6 || p->l4_proto == 17) && p->l4_off && p->hdr_len >= p->l4_off + 4u &&
	    is_whole(p, ip))
		h = mix(h, nethv_bytes(p) + p->l4_off, 4);
	return (uint32_t)(h >> 32) % BUCKETS;
}

static void from_member(const struct view *v, struct nethv_burst *b, uint16_t i)
{
	const struct nethv_pkt *p = b->pkt[i];
	const struct member *first = &v->member[v->first % MEMBERS_MAX];
	const uint8_t *frame = nethv_bytes(p);
	const uint16_t *port = find_local(v, frame);

	if (find_local(v, frame + 6))
		nethv_drop(b, i, REFLECTED);
	else if (port)
		nethv_route_add(b, i, *port, 0);
	else if (!(frame[0] & 1))
		nethv_drop(b, i, NOT_OURS);
	else if (v->first == MEMBERS_MAX || p->src_port != first->port ||
		 (first->nic && p->src_nic != first->nic))
		nethv_drop(b, i, DOUBLE);
	else
		nethv_route_flood(b, i);
}

static void from_guest(const struct view *v, struct nethv_burst *b, uint16_t i)
{
	struct lane *l = (struct lane *)b->lcore_data;
	const uint8_t *frame = nethv_bytes(b->pkt[i]);
	uint32_t m;

	if (frame[0] & 1) {
		nethv_route_flood(b, i); /* other guests get it even without a member */
		return;
	}
	if (find_local(v, frame)) {
		nethv_route_normal(b, i);
		return;
	}
	if (v->first == MEMBERS_MAX) {
		nethv_drop(b, i, NO_MEMBER);
		return;
	}
	m = v->bucket[bucket_of(b, i)];
	l->sent[m]++;
	nethv_route_add(b, i, v->member[m].port, v->member[m].nic);
}

static void ingress(void *inst, struct nethv_burst *b)
{
	struct team *t = (struct team *)inst;
	const struct view *v = __atomic_load_n(&t->view, __ATOMIC_ACQUIRE); /* once a burst */

	for (uint16_t i = 0; i < b->n; i++) {
		const struct nethv_pkt *p = b->pkt[i];

		if (p->flags & NETHV_PKT_NATIVE)
			continue;
		if (p->hdr_len < 14)
			nethv_drop(b, i, RUNT);
		else if (p->src_port < NETHV_PORTS_MAX && v->is_member[p->src_port])
			from_member(v, b, i);
		else
			from_guest(v, b, i);
	}
}

/* A flooded frame has every port as a destination: it leaves by one member when it is a guest's, and by
 * none when it came from one. Where the member is a NIC of a team, its port decides which. */
static void egress(void *inst, struct nethv_burst *b)
{
	struct team *t = (struct team *)inst;
	const struct view *v = __atomic_load_n(&t->view, __ATOMIC_ACQUIRE);
	struct lane *l = (struct lane *)b->lcore_data;

	for (uint16_t i = 0; i < b->n; i++) {
		const struct nethv_pkt *p = b->pkt[i];
		bool is_ours = p->src_port >= NETHV_PORTS_MAX || !v->is_member[p->src_port];
		uint32_t m = MEMBERS_MAX;

		if ((p->flags & NETHV_PKT_NATIVE) || p->hdr_len < 14 || !(nethv_bytes(p)[0] & 1))
			continue;
		if (is_ours && v->first != MEMBERS_MAX)
			m = v->bucket[bucket_of(b, i)];
		for (uint32_t d = p->dst_first; d < p->dst_first + p->ndst; d++) {
			uint16_t port = b->dst[d].port;

			if (port >= NETHV_PORTS_MAX || !v->is_member[port])
				continue;
			if (m < MEMBERS_MAX && v->member[m].port == port)
				l->sent[m]++;
			else
				nethv_exclude(b, d);
		}
	}
}

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = {{0x3d, 0x0a, 0x5c, 0x11, 0x7e, 0x42, 0x4b, 0x0e, 0x9a, 0x61, 0x52, 0x10, 0x8b,
		  0x6f, 0xd2, 0x05}},
	.name = "team",
	.version = "1.0",
	.summary = "Several uplinks as one: spreads flows, survives the loss of a member",
	.cls = NETHV_FORWARD,
	.flags = NETHV_EXT_TEAM,
	.reasons = reasons,
	.nr_reasons = sizeof(reasons) / sizeof(reasons[0]),
	.lcore_size = sizeof(struct lane),
	.keys = keys,
	.create = create,
	.destroy = NULL, /* all its memory is the switch's */
	.configure = configure,
	.event = event,
	.status = status,
	.ingress = ingress,
	.egress = egress,
};
