/* SPDX-License-Identifier: 0BSD */
/* NETHV_NEW_NAME: counts what passes, by protocol.
 *
 * A capturing extension sees every packet twice, when it has entered the switch and before it leaves,
 * and changes nothing: it gets no place to write a verdict to. */
#include <nethv/extension.h>

#include <inttypes.h>
#include <stdio.h>

#define PROTO_TCP 6
#define PROTO_UDP 17
#define ETHER_ARP 0x0806

enum { ARP, TCP, UDP, OTHER, NR_KINDS };

/* What one lcore counts. The switch makes it, zeroed, for each lcore; nobody else writes to it. */
struct counts {
	uint64_t packets[NR_KINDS];
	uint64_t bytes;
};

/* An instance. Two switches, or two instances on one switch, share nothing. */
struct self {
	const struct nethv_host *host;
	struct counts before; /* of the version that this one took over from: restore() */
};

static unsigned int kind_of(const struct nethv_pkt *p)
{
	if (p->ether_type == ETHER_ARP)
		return ARP;
	if (p->l4_proto == PROTO_TCP)
		return TCP;
	return p->l4_proto == PROTO_UDP ? UDP : OTHER;
}

/* lcore: no locks, no memory, no system calls, nothing that takes long. */
static void on_ingress(void *inst, struct nethv_burst *b)
{
	struct counts *c = (struct counts *)b->lcore_data;

	(void)inst;
	for (uint16_t i = 0; i < b->n; i++) {
		c->packets[kind_of(b->pkt[i])]++;
		c->bytes += b->pkt[i]->len;
	}
}

static void add(struct counts *sum, const struct counts *c)
{
	for (unsigned int k = 0; k < NR_KINDS; k++)
		sum->packets[k] += c->packets[k];
	sum->bytes += c->bytes;
}

/* ctl: the sum over lcores. They go on counting meanwhile, which does no harm here. */
static struct counts sum_of(const struct self *s)
{
	struct counts sum = s->before;

	for (uint32_t l = 0; l < s->host->nr_lcores; l++)
		add(&sum, (const struct counts *)s->host->lcore_data(s->host, (uint16_t)l));
	return sum;
}

static int on_create(const struct nethv_host *h, void **inst)
{
	struct self *s = (struct self *)h->alloc(h, sizeof(*s));

	if (!s)
		return h->fail(h, "no memory");
	s->host = h;
	*inst = s;
	return 0;
}

/* Shown by `nethv ext`: a JSON object. */
static int on_status(void *inst, char *json, size_t size)
{
	struct counts c = sum_of((const struct self *)inst);

	return snprintf(json, size,
			"{\"arp\": %" PRIu64 ", \"tcp\": %" PRIu64 ", \"udp\": %" PRIu64
			", \"other\": %" PRIu64 ", \"bytes\": %" PRIu64 "}",
			c.packets[ARP], c.packets[TCP], c.packets[UDP], c.packets[OTHER], c.bytes);
}

/* An upgrade: what the old version saves, the new one restores. No packet passes in between. */
static int on_save(void *inst, struct nethv_writer *w)
{
	struct counts c = sum_of((const struct self *)inst);

	return w->put(w, &c, sizeof(c));
}

static int on_restore(void *inst, const void *data, size_t len, uint32_t state_version)
{
	struct self *s = (struct self *)inst;

	if (state_version != 1 || len != sizeof(s->before))
		return s->host->fail(s->host, "state of a version that is not known");
	memcpy(&s->before, data, len);
	return 0;
}

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = NETHV_NEW_GUID,
	.name = "NETHV_NEW_NAME",
	.version = "0.1.0",
	.summary = "counts packets by protocol",
	.cls = NETHV_CAPTURE,
	.lcore_size = sizeof(struct counts),
	.state_version = 1,
	.create = on_create,
	.status = on_status,
	.save = on_save,
	.restore = on_restore,
	.ingress = on_ingress,
};
