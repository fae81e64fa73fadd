/* SPDX-License-Identifier: 0BSD */
/* NETHV_NEW_NAME: drops TCP packets to one port, 23 by default.
 *
 * A filtering extension may drop packets, change them, clone them and make new ones when they enter the
 * switch, and exclude destinations when they leave it. Where they go is not its business. */
#include <nethv/extension.h>

#define PROTO_TCP 6

/* Index in reasons[], for nethv_drop(). */
enum { DROP_CLOSED };

static const char *const reasons[] = {
	[DROP_CLOSED] = "closed: sent to the TCP port that this filter closes",
};

/* What an operator may write into the configuration; the switch checks it. */
static const struct nethv_key keys[] = {
	{.name = "port",
	 .kind = NETHV_KEY_INT,
	 .fallback = "23",
	 .help = "TCP port that nobody may send to",
	 .min = 1,
	 .max = 65535},
	{.name = NULL},
};

/* An instance. Two switches, or two instances on one switch, share nothing. */
struct self {
	const struct nethv_host *host;
	uint16_t port; /* written by ctl, read by lcores */
};

static int is_to_port(struct nethv_burst *b, uint16_t i, uint16_t port)
{
	const struct nethv_pkt *p = b->pkt[i];

	if (p->l4_proto != PROTO_TCP || (p->flags & NETHV_PKT_FRAGMENT))
		return 0;
	/* l4_off is 0 behind long IPv6 extension headers: such a packet is none that we know. */
	if (p->l4_off == 0 || nethv_pull(b, i, p->l4_off + 4u) != NETHV_OK)
		return 0;
	return nethv_get16(nethv_bytes(p) + p->l4_off + 2) == port;
}

/* lcore: no locks, no memory, no system calls, nothing that takes long. */
static void on_ingress(void *inst, struct nethv_burst *b)
{
	struct self *s = (struct self *)inst;
	uint16_t port = __atomic_load_n(&s->port, __ATOMIC_RELAXED);

	for (uint16_t i = 0; i < b->n; i++)
		if (is_to_port(b, i, port))
			nethv_drop(b, i, DROP_CLOSED);
}

/* ctl, under traffic. One number: lcores see the old one or the new one. */
static int on_configure(void *inst)
{
	struct self *s = (struct self *)inst;

	__atomic_store_n(&s->port, (uint16_t)s->host->cfg_int(s->host, "port"), __ATOMIC_RELAXED);
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

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = NETHV_NEW_GUID,
	.name = "NETHV_NEW_NAME",
	.version = "0.1.0",
	.summary = "drops TCP packets to one port",
	.cls = NETHV_FILTER,
	.reasons = reasons,
	.nr_reasons = sizeof(reasons) / sizeof(reasons[0]),
	.keys = keys,
	.create = on_create,
	.configure = on_configure,
	.ingress = on_ingress,
};
