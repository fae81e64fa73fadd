/* SPDX-License-Identifier: BSD-3-Clause */
/* An extension that does what `how` says: KIND-CALLBACK for faults (crash, abort, divide, loop), else the
 * name of a broken rule. CLASS and FLAGS come from the build. */
#include <nethv/extension.h>

#ifndef FLAGS
#define FLAGS 0
#endif

#define HOW_MAX 32u
#define NO_PORT 250u

struct self {
	const struct nethv_host *host;
	char how[HOW_MAX];
	uint32_t handle;
	int has_handle;
};

static const char *const reasons[] = {"no: it does not want it"};

static const struct nethv_key keys[] = {
	{.name = "how", .kind = NETHV_KEY_TEXT, .help = "what is to go wrong"},
	{.name = "n",
	 .kind = NETHV_KEY_INT,
	 .fallback = "5",
	 .help = "a number",
	 .min = 1,
	 .max = 9},
	{.name = NULL},
};

static int is(const struct self *s, const char *how)
{
	return !strcmp(s->how, how);
}

static void fault(const struct self *s, const char *callback)
{
	static volatile int zero;
	const char *dash = strchr(s->how, '-');

	if (!dash || strcmp(dash + 1, callback) != 0)
		return;
	if (!strncmp(s->how, "crash", 5))
		*(volatile int *)(uintptr_t)(16 + zero) = 1;
	else if (!strncmp(s->how, "abort", 5))
		__builtin_trap();
	else if (!strncmp(s->how, "divide", 6))
		zero = (int)s->host->size / zero;
	else if (!strncmp(s->how, "loop", 4))
		while (zero == 0)
			;
}

static void break_filter(struct self *s, struct nethv_burst *b)
{
	if (is(s, "edit"))
		nethv_edit(b, 0, 0, "\2", 1);
	else if (is(s, "reason"))
		b->verdict[0] = 77;
	else if (is(s, "source"))
		b->host->set_source(b, 0, NO_PORT);
	else if (is(s, "head"))
		b->host->set_head(b, 0, 0, "\2\0\0\0", 4);
	else if (is(s, "hold"))
		b->host->hold(b, 0, &s->handle);
	else if (is(s, "handle"))
		b->host->release(b, 1234567);
	else if (is(s, "index"))
		nethv_edit(b, 64, 0, "\2", 1);
}

static void on_ingress(void *inst, struct nethv_burst *b)
{
	struct self *s = (struct self *)inst;

	fault(s, "ingress");
	break_filter(s, b);
	if (is(s, "verdict"))
		b->verdict[0] = 1;
	else if (is(s, "route"))
		b->route[0].kind = NETHV_ROUTE_FLOOD;
	else if (is(s, "packet"))
		((uint8_t *)(uintptr_t)nethv_bytes(b->pkt[0]))[0] ^= 1;
	else if (is(s, "keep") && !s->has_handle)
		s->has_handle = b->host->hold(b, 0, &s->handle) == NETHV_OK;
	for (uint16_t i = 0; b->route && i < b->n; i++) {
		if (is(s, "dst"))
			nethv_route_add(b, i, NO_PORT, 0);
		else
			nethv_route_normal(b, i);
	}
}

static void on_egress(void *inst, struct nethv_burst *b)
{
	struct self *s = (struct self *)inst;

	fault(s, "egress");
	if (is(s, "late"))
		nethv_edit(b, 0, 0, "\2", 1);
	else if (is(s, "originate"))
		nethv_originate(b, NETHV_PORT_DEFAULT,
				"\377\377\377\377\377\377\2\0\0\0\0\1\210\265", 14);
	else if (is(s, "exclude"))
		b->exclude[0] = 1;
}

static int on_event(void *inst, struct nethv_event *e)
{
	struct self *s = (struct self *)inst;

	fault(s, "event");
	if (is(s, "veto-create") && e->kind == NETHV_EV_NIC_CREATE)
		return nethv_veto(e, "no");
	if (is(s, "veto-connect") && e->kind == NETHV_EV_NIC_CONNECT)
		return nethv_veto(e, "no");
	if (is(s, "done") && e->kind == NETHV_EV_PORT_PROPERTY_ADD &&
	    e->prop->kind != NETHV_PROP_CUSTOM)
		return NETHV_EV_DONE;
	return NETHV_EV_PASS;
}

static int on_configure(void *inst)
{
	struct self *s = (struct self *)inst;
	const struct nethv_host *h = s->host;

	fault(s, "configure");
	if (is(s, "bounds") && h->cfg_int(h, "n") == 9)
		return h->fail(h, "n is too much");
	return is(s, "fixed") ? h->fail(h, "not now") : 0;
}

static int on_create(const struct nethv_host *h, void **inst)
{
	static int nr_made;
	struct self *s = (struct self *)h->alloc(h, sizeof(*s));

	if (!s)
		return h->fail(h, "no memory");
	s->host = h;
	strncpy(s->how, h->cfg_text(h, "how"), HOW_MAX - 1);
	*inst = s;
	fault(s, "create");
	if (is(s, "once") && nr_made++)
		return h->fail(h, "there is one already");
	return is(s, "bounds") ? on_configure(s) : 0;
}

static void on_destroy(void *inst)
{
	fault((struct self *)inst, "destroy");
}

static int on_save(void *inst, struct nethv_writer *w)
{
	fault((struct self *)inst, "save");
	return w->put(w, "state", 5);
}

static int on_restore(void *inst, const void *data, size_t len, uint32_t state_version)
{
	struct self *s = (struct self *)inst;

	(void)data, (void)len, (void)state_version;
	fault(s, "restore");
	return is(s, "forgets") ? s->host->fail(s->host, "what is this?") : 0;
}

static int on_status(void *inst, char *json, size_t size)
{
	struct self *s = (struct self *)inst;
	const char *text = is(s, "status") ? "so so" : "{\"mood\": \"bad\"}";

	fault(s, "status");
	strncpy(json, text, size);
	return (int)strlen(text);
}

static void on_tick(void *inst)
{
	fault((struct self *)inst, "tick");
}

static void on_poll(void *inst, struct nethv_burst *b)
{
	(void)b;
	fault((struct self *)inst, "poll");
}

static void on_flush(void *inst, struct nethv_burst *b)
{
	struct self *s = (struct self *)inst;

	fault(s, "flush");
	if (s->has_handle)
		b->host->release(b, s->handle);
	s->has_handle = 0;
}

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = {{0x51, 0x7e, 0x0b, 0x2a, 0x60, 0x1d, 0x4c, 0x55, 0x9d, 0x22, 0x13, 0x01, 0xd2,
		  0x3f, 0x41, CLASS}},
	.name = "misbehave",
	.version = "1.0",
	.summary = "does what it should not",
	.cls = CLASS,
	.flags = FLAGS,
	.reasons = reasons,
	.nr_reasons = 1,
	.keys = keys,
	.state_version = 1,
	.create = on_create,
	.destroy = on_destroy,
	.configure = on_configure,
	.event = on_event,
	.save = on_save,
	.restore = on_restore,
	.status = on_status,
	.tick = on_tick,
	.ingress = on_ingress,
	.egress = on_egress,
	.poll = (FLAGS)&NETHV_EXT_HOLDS ? on_poll : NULL,
	.flush = (FLAGS)&NETHV_EXT_HOLDS ? on_flush : NULL,
};
