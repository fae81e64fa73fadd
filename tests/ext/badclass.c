/* SPDX-License-Identifier: BSD-3-Clause */
/* Breaks the rule that its configuration names, on each burst (or each event). Compiled with CLASS 1
 * (capture), 2 (filter) or 3 (forwarder, which else routes as the switch does). What the switch answered to
 * calls is in the status. */
#include <stdio.h>

#include <nethv/extension.h>

struct bad {
	const struct nethv_host *h;
	const struct deed *deed;
	int32_t last; /* result of the last call */
};

struct deed {
	const char *word;
	int (*on_ingress)(struct nethv_burst *b); /* for the first packet */
	int (*on_egress)(struct nethv_burst *b);
	int (*on_event)(const struct nethv_host *h, struct nethv_event *e);
};

static const uint8_t frame[60] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0, 0, 9, 0x88, 0xB5};

/* EXT-1 for captures: a fault, or refused. */
static int write_verdict(struct nethv_burst *b)
{
	b->verdict[0] = 1;
	return 0;
}

static int write_exclude(struct nethv_burst *b)
{
	b->exclude[0] = 1;
	return 0;
}

/* EXT-3: only forwarders have routes. */
static int write_route(struct nethv_burst *b)
{
	nethv_route_flood(b, 0);
	return 0;
}

static int edit(struct nethv_burst *b)
{
	return nethv_edit(b, 0, 6, frame + 6, 6);
}

static int set_vlan(struct nethv_burst *b)
{
	return b->host->set_vlan(b, 0, 5);
}

static int set_mark(struct nethv_burst *b)
{
	return b->host->set_mark(b, 0, 5);
}

/* SDK-1: without NETHV_EXT_PLAIN. */
static int set_head(struct nethv_burst *b)
{
	return b->host->set_head(b, 0, 14, frame, 14);
}

/* SRC-1: nobody has this port. */
static int set_source(struct nethv_burst *b)
{
	return b->host->set_source(b, 0, 250);
}

static int clone(struct nethv_burst *b)
{
	return nethv_clone(b, 0);
}

static int originate(struct nethv_burst *b)
{
	return nethv_originate(b, NETHV_PORT_DEFAULT, frame, sizeof(frame));
}

static int originate_from_nobody(struct nethv_burst *b)
{
	return nethv_originate(b, 250, frame, sizeof(frame));
}

static int originate_runt(struct nethv_burst *b)
{
	return nethv_originate(b, NETHV_PORT_DEFAULT, frame, 13);
}

/* SDK-2: without NETHV_EXT_HOLDS. */
static int hold(struct nethv_burst *b)
{
	uint32_t handle;

	return b->host->hold(b, 0, &handle);
}

/* SDK-3 */
static int release_nothing(struct nethv_burst *b)
{
	return b->host->release(b, 0xABCDEF);
}

/* SDK-5 */
static int beyond(struct nethv_burst *b)
{
	uint8_t byte;

	return nethv_copy(b, b->n, 0, &byte, 1);
}

static int copy_beyond(struct nethv_burst *b)
{
	uint8_t byte[2];

	return nethv_copy(b, 0, b->pkt[0]->len - 1, byte, 2);
}

static int pull_too_much(struct nethv_burst *b)
{
	return b->host->pull(b, 0, NETHV_PRIVATE_MAX + 1);
}

static int edit_beyond(struct nethv_burst *b)
{
	return nethv_edit(b, 0, b->pkt[0]->hdr_len - 1u, frame, 2);
}

/* EXT-11: a verdict without a reason. */
static int reason(struct nethv_burst *b)
{
	nethv_drop(b, 0, NETHV_REASONS_MAX + 8);
	return 0;
}

/* SDK-4: ctl's calls on an lcore. */
static int moment(struct nethv_burst *b)
{
	return b->host->alloc(b->host, 64) ? NETHV_OK : NETHV_EPERM;
}

/* DP-4 */
static int route_to_nobody(struct nethv_burst *b)
{
	return nethv_route_add(b, 0, 250, 0);
}

static int route_out_of_range(struct nethv_burst *b)
{
	b->route[0].kind = NETHV_ROUTE_PORTS;
	b->route[0].n = 200;
	memset(b->route[0].dst, 0xFF, sizeof(b->route[0].dst));
	return 0;
}

static int route_kind(struct nethv_burst *b)
{
	b->route[0].kind = 99;
	return 0;
}

/* DP-8: nothing chosen. */
static int route_none(struct nethv_burst *b)
{
	memset(&b->route[0], 0, sizeof(b->route[0]));
	return 0;
}

static int veto(const struct nethv_host *h, struct nethv_event *e)
{
	(void)h;
	return nethv_veto(e, "badclass does not like it");
}

static int odd_result(const struct nethv_host *h, struct nethv_event *e)
{
	(void)h;
	(void)e;
	return 77;
}

/* POL-4: a standard property is not to be kept from those below. */
static int answer(const struct nethv_host *h, struct nethv_event *e)
{
	(void)h;
	(void)e;
	return NETHV_EV_DONE;
}

/* 5.3: a reference at each event, whatever the port's state. */
static int refer(const struct nethv_host *h, struct nethv_event *e)
{
	if (e->port && h->nic_ref(h, e->port->port, e->nic) == NETHV_OK)
		h->nic_unref(h, e->port->port, e->nic);
	return NETHV_EV_PASS;
}

static const struct deed deeds[] = {
	{"nothing", NULL, NULL, NULL},
	{"verdict", write_verdict, NULL, NULL},
	{"verdict_egress", NULL, write_verdict, NULL},
	{"exclude", NULL, write_exclude, NULL},
	{"route", write_route, NULL, NULL},
	{"edit", edit, NULL, NULL},
	{"edit_egress", NULL, edit, NULL},
	{"set_vlan", set_vlan, NULL, NULL},
	{"set_vlan_egress", NULL, set_vlan, NULL},
	{"set_mark", set_mark, NULL, NULL},
	{"set_head", set_head, NULL, NULL},
	{"set_source", set_source, NULL, NULL},
	{"set_source_egress", NULL, set_source, NULL},
	{"clone", clone, NULL, NULL},
	{"clone_egress", NULL, clone, NULL},
	{"originate", originate, NULL, NULL},
	{"originate_egress", NULL, originate, NULL},
	{"originate_from_nobody", originate_from_nobody, NULL, NULL},
	{"originate_runt", originate_runt, NULL, NULL},
	{"hold", hold, NULL, NULL},
	{"release_nothing", release_nothing, NULL, NULL},
	{"beyond", beyond, NULL, NULL},
	{"copy_beyond", copy_beyond, NULL, NULL},
	{"pull_too_much", pull_too_much, NULL, NULL},
	{"edit_beyond", edit_beyond, NULL, NULL},
	{"reason", reason, NULL, NULL},
	{"moment", moment, NULL, NULL},
	{"route_to_nobody", route_to_nobody, NULL, NULL},
	{"route_out_of_range", route_out_of_range, NULL, NULL},
	{"route_kind", route_kind, NULL, NULL},
	{"route_none", route_none, NULL, NULL},
	{"veto", NULL, NULL, veto},
	{"odd_result", NULL, NULL, odd_result},
	{"answer", NULL, NULL, answer},
	{"refer", NULL, NULL, refer},
	{NULL, NULL, NULL, NULL},
};

static const struct nethv_key keys[] = {
	{"how", NETHV_KEY_TEXT, 0, "nothing", "which rule is broken", 0, 0},
	{NULL, 0, 0, NULL, NULL, 0, 0},
};

static int configure(void *inst)
{
	struct bad *s = (struct bad *)inst;
	const struct deed *d = deeds;

	while (d->word && strcmp(d->word, s->h->cfg_text(s->h, "how")) != 0)
		d++;
	if (!d->word)
		return s->h->fail(s->h, "no such deed");
	__atomic_store_n(&s->deed, d, __ATOMIC_RELEASE);
	return 0;
}

static int create(const struct nethv_host *h, void **inst)
{
	struct bad *s = (struct bad *)h->alloc(h, sizeof(*s));

	if (!s)
		return h->fail(h, "no memory");
	s->h = h;
	*inst = s;
	return configure(s);
}

static int event(void *inst, struct nethv_event *e)
{
	struct bad *s = (struct bad *)inst;

	return s->deed->on_event ? s->deed->on_event(s->h, e) : NETHV_EV_PASS;
}

static int status(void *inst, char *json, size_t size)
{
	return snprintf(json, size, "{\"last\":%d}",
			__atomic_load_n(&((struct bad *)inst)->last, __ATOMIC_RELAXED));
}

static void ingress(void *inst, struct nethv_burst *b)
{
	struct bad *s = (struct bad *)inst;
	const struct deed *d = __atomic_load_n(&s->deed, __ATOMIC_ACQUIRE);

	for (uint16_t i = 0; i < b->n && CLASS == NETHV_FORWARD; i++)
		nethv_route_normal(b, i);
	if (d->on_ingress)
		__atomic_store_n(&s->last, d->on_ingress(b), __ATOMIC_RELAXED);
}

static void egress(void *inst, struct nethv_burst *b)
{
	struct bad *s = (struct bad *)inst;
	const struct deed *d = __atomic_load_n(&s->deed, __ATOMIC_ACQUIRE);

	if (d->on_egress)
		__atomic_store_n(&s->last, d->on_egress(b), __ATOMIC_RELAXED);
}

static const char *const reasons[] = {"bad: it does what it may not"};

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = {{0xBA, 0xDC, CLASS}},
	.name = CLASS == NETHV_CAPTURE	? "bad-capture"
		: CLASS == NETHV_FILTER ? "bad-filter"
					: "bad-forward",
	.version = "1",
	.summary = "Breaks the rule that it is told to break",
	.cls = CLASS,
	.reasons = reasons,
	.nr_reasons = 1,
	.keys = keys,
	.create = create,
	.configure = configure,
	.event = event,
	.status = status,
	.ingress = ingress,
	.egress = egress,
};
