/* SPDX-License-Identifier: 0BSD */
/* NETHV_NEW_NAME: forwards by a table of MAC addresses that the operator gives, and learns nothing.
 *
 * A forwarding extension decides where packets go, in place of the switch's own learning; one at most
 * is enabled on a switch. VLANs are still enforced by the switch on what it chooses. */
#include <nethv/extension.h>

#include <stdio.h>

#define STATIONS_MAX 64u
#define MAC_LEN	     6u

/* Index in reasons[], for nethv_drop(). */
enum { DROP_UNKNOWN };

static const char *const reasons[] = {
	[DROP_UNKNOWN] = "unknown: the table has no station with this address",
};

/* What an operator may write into the configuration; the switch checks it. */
static const struct nethv_key keys[] = {
	{.name = "stations",
	 .kind = NETHV_KEY_LIST,
	 .is_required = 1,
	 .help = "who is behind which port; up to 64"},
	{.name = "stations.mac",
	 .kind = NETHV_KEY_TEXT,
	 .is_required = 1,
	 .help = "MAC address, as 02:00:00:00:00:01"},
	{.name = "stations.port",
	 .kind = NETHV_KEY_TEXT,
	 .is_required = 1,
	 .help = "name of the port"},
	{.name = NULL},
};

struct station {
	uint8_t mac[MAC_LEN];
	char port_name[32];
	uint16_t port; /* NETHV_PORT_DEFAULT: there is none of that name at present */
};

/* Never changed once lcores can see it. */
struct table {
	uint32_t n;
	struct station st[STATIONS_MAX];
};

struct self {
	const struct nethv_host *host;
	struct table *table; /* ctl replaces it, lcores read it */
};

/* ---- lcore ---------------------------------------------------------------------------------- */

static const struct station *find(const struct table *t, const uint8_t *mac)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (!memcmp(t->st[i].mac, mac, MAC_LEN))
			return &t->st[i];
	return NULL;
}

static void choose(struct nethv_burst *b, uint16_t i, const struct table *t)
{
	const uint8_t *dst = nethv_bytes(b->pkt[i]);
	const struct station *st;

	if (b->pkt[i]->flags & NETHV_PKT_NATIVE) /* overlay: the switch forwards it */
		return;
	if (dst[0] & 1) {
		nethv_route_flood(b, i);
		return;
	}
	st = find(t, dst);
	if (!st || st->port == NETHV_PORT_DEFAULT)
		nethv_drop(b, i, DROP_UNKNOWN);
	else
		nethv_route_add(b, i, st->port, 0);
}

/* No locks, no memory, no system calls, nothing that takes long. */
static void on_ingress(void *inst, struct nethv_burst *b)
{
	struct self *s = (struct self *)inst;
	const struct table *t = __atomic_load_n(&s->table, __ATOMIC_ACQUIRE);

	for (uint16_t i = 0; i < b->n; i++)
		choose(b, i, t);
}

/* ---- ctl ------------------------------------------------------------------------------------ */

/* Lcores may still read the old table until they have left the burst at hand. */
static void table_publish(struct self *s, struct table *t)
{
	struct table *old = s->table;

	__atomic_store_n(&s->table, t, __ATOMIC_RELEASE);
	if (!old)
		return;
	s->host->quiesce(s->host);
	s->host->free(s->host, old);
}

static int mac_parse(const char *text, uint8_t mac[MAC_LEN])
{
	unsigned int b[MAC_LEN];
	char rest;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &rest) != (int)MAC_LEN)
		return -1;
	for (unsigned int i = 0; i < MAC_LEN; i++)
		mac[i] = (uint8_t)b[i];
	return 0;
}

static int station_read(const struct nethv_host *h, uint32_t i, struct station *st)
{
	char key[32], why[96];
	const char *mac;

	snprintf(key, sizeof(key), "stations[%u].mac", i);
	mac = h->cfg_text(h, key);
	if (mac_parse(mac, st->mac)) {
		snprintf(why, sizeof(why), "%s: %.40s is not a MAC address", key, mac);
		return h->fail(h, why);
	}
	snprintf(key, sizeof(key), "stations[%u].port", i);
	snprintf(st->port_name, sizeof(st->port_name), "%s", h->cfg_text(h, key));
	st->port = h->port_find(h, st->port_name);
	return 0;
}

static int on_configure(void *inst)
{
	struct self *s = (struct self *)inst;
	const struct nethv_host *h = s->host;
	struct table *t;

	if (h->cfg_count(h, "stations") > STATIONS_MAX)
		return h->fail(h, "stations: more than 64");
	t = (struct table *)h->alloc(h, sizeof(*t));
	if (!t)
		return h->fail(h, "no memory");
	t->n = h->cfg_count(h, "stations");
	for (uint32_t i = 0; i < t->n; i++)
		if (station_read(h, i, &t->st[i])) {
			h->free(h, t);
			return -1;
		}
	table_publish(s, t);
	return 0;
}

static int on_create(const struct nethv_host *h, void **inst)
{
	struct self *s = (struct self *)h->alloc(h, sizeof(*s));

	if (!s)
		return h->fail(h, "no memory");
	s->host = h;
	*inst = s;
	return on_configure(s);
}

/* Ports come and go: a name may mean another port, or none, from now on. */
static int on_event(void *inst, struct nethv_event *e)
{
	struct self *s = (struct self *)inst;
	struct table *t;

	if (e->kind != NETHV_EV_NIC_CONNECT && e->kind != NETHV_EV_NIC_DISCONNECT)
		return NETHV_EV_PASS;
	t = (struct table *)s->host->alloc(s->host, sizeof(*t));
	if (!t)
		return NETHV_EV_PASS;
	*t = *s->table;
	for (uint32_t i = 0; i < t->n; i++) {
		if (strcmp(t->st[i].port_name, e->port->name) != 0)
			continue;
		t->st[i].port = e->kind == NETHV_EV_NIC_CONNECT ? e->port->port
								: (uint16_t)NETHV_PORT_DEFAULT;
	}
	table_publish(s, t);
	return NETHV_EV_PASS;
}

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = NETHV_NEW_GUID,
	.name = "NETHV_NEW_NAME",
	.version = "0.1.0",
	.summary = "forwards by a fixed table of MAC addresses",
	.cls = NETHV_FORWARD,
	.reasons = reasons,
	.nr_reasons = sizeof(reasons) / sizeof(reasons[0]),
	.keys = keys,
	.create = on_create,
	.configure = on_configure,
	.event = on_event,
	.ingress = on_ingress,
};
