/* SPDX-License-Identifier: BSD-3-Clause */
/* A filter that fails where and how its configuration says, at the n-th call; until then all passes. With
 * hold, every tenth packet waits for the next poll. */
#include <stdlib.h>

#include <nethv/extension.h>

enum where {
	CREATE,
	CONFIGURE,
	EVENT,
	SAVE,
	RESTORE,
	STATUS,
	NOTIFY,
	TICK,
	INGRESS,
	EGRESS,
	POLL,
	FLUSH,
	DESTROY,
	NOWHERE,
};

static const char *const places[] = {
	"create",  "configure", "event", "save",  "restore", "status",	"notify", "tick",
	"ingress", "egress",	"poll",	 "flush", "destroy", "nowhere", NULL,
};

enum how { SEGV, FPE, ILL, ABORT, LOOP, WILD, STACK, JUMP };

static const char *const ways[] = {"segv", "fpe",   "ill",  "abort", "loop",
				   "wild", "stack", "jump", NULL};

#define HELD 64u

struct lane {
	uint64_t seen;
	uint32_t n;
	uint32_t handle[HELD];
};

struct crash {
	const struct nethv_host *h;
	int where, how;
	bool is_holding;
	uint32_t nth;
	uint32_t calls[NOWHERE + 1]; /* atomic */
};

static const struct nethv_key keys[] = {
	{"where", NETHV_KEY_TEXT, 0, "nowhere", "callback that fails", 0, 0},
	{"how", NETHV_KEY_TEXT, 0, "segv", "segv fpe ill abort loop wild stack jump", 0, 0},
	{"nth", NETHV_KEY_INT, 0, "1", "at which call", 1, 1e9},
	{"hold", NETHV_KEY_BOOL, 0, "false", "holds every tenth packet until the next poll", 0, 0},
	{NULL, 0, 0, NULL, NULL, 0, 0},
};

static int find(const char *const *list, const char *word)
{
	for (int i = 0; list[i]; i++)
		if (strcmp(list[i], word) == 0)
			return i;
	return -1;
}

static void divide(volatile int by)
{
	volatile int result = 7 / by; /* of 1 / by gcc makes a comparison */

	(void)result;
}

/* The frame is used after the call, so that no tail call makes a loop of it. */
static __attribute__((noinline)) int deep(volatile int on)
{
	volatile char here[4096];

	here[0] = (char)on;
	return on ? deep(on) + here[0] : 0;
}

static void fail_now(int how, struct nethv_burst *b)
{
	volatile uint32_t *volatile nowhere = NULL;

	switch (how) {
	case SEGV: *nowhere = 1; break;
	case FPE: divide(0); break;
	case ILL: __builtin_trap(); break;
	case ABORT: abort(); break;
	case LOOP:
		for (volatile int on = 1; on;)
			;
		break;
	case WILD: /* what is read-only: a packet; elsewhere, our own description */
		if (b && b->n)
			*(volatile uint32_t *)(uintptr_t)&b->pkt[0]->len = 0;
		else
			*(volatile char *)(uintptr_t)places[0] = 0;
		break;
	case STACK: deep(1); break;
	default: ((void (*)(void))(uintptr_t)16)(); break;
	}
}

static void at(struct crash *c, enum where w, struct nethv_burst *b)
{
	uint32_t n = __atomic_add_fetch(&c->calls[w], 1, __ATOMIC_RELAXED);

	if ((int)w == c->where && n == c->nth)
		fail_now(c->how, b);
}

static int read_config(struct crash *c)
{
	c->where = find(places, c->h->cfg_text(c->h, "where"));
	c->how = find(ways, c->h->cfg_text(c->h, "how"));
	c->nth = (uint32_t)c->h->cfg_int(c->h, "nth");
	c->is_holding = c->h->cfg_int(c->h, "hold");
	return c->where < 0 || c->how < 0 ? c->h->fail(c->h, "no such place or way") : 0;
}

static int create(const struct nethv_host *h, void **inst)
{
	struct crash *c = (struct crash *)h->alloc(h, sizeof(*c));

	if (!c)
		return h->fail(h, "no memory");
	c->h = h;
	*inst = c;
	if (read_config(c))
		return -1;
	at(c, CREATE, NULL);
	return 0;
}

static void destroy(void *inst)
{
	at((struct crash *)inst, DESTROY, NULL);
}

static int configure(void *inst)
{
	if (read_config((struct crash *)inst))
		return -1;
	at((struct crash *)inst, CONFIGURE, NULL);
	return 0;
}

static int event(void *inst, struct nethv_event *e)
{
	(void)e;
	at((struct crash *)inst, EVENT, NULL);
	return NETHV_EV_PASS;
}

static int save(void *inst, struct nethv_writer *w)
{
	at((struct crash *)inst, SAVE, NULL);
	return w->put(w, "state", 5);
}

static int restore(void *inst, const void *data, size_t len, uint32_t state_version)
{
	(void)data;
	(void)len;
	(void)state_version;
	at((struct crash *)inst, RESTORE, NULL);
	return 0;
}

static int status(void *inst, char *json, size_t size)
{
	at((struct crash *)inst, STATUS, NULL);
	if (size < 3)
		return 2;
	memcpy(json, "{}", 3);
	return 2;
}

static void notify(void *inst, uint64_t arg)
{
	(void)arg;
	at((struct crash *)inst, NOTIFY, NULL);
}

static void tick(void *inst)
{
	at((struct crash *)inst, TICK, NULL);
}

static void ingress(void *inst, struct nethv_burst *b)
{
	struct crash *c = (struct crash *)inst;
	struct lane *l = (struct lane *)b->lcore_data;

	for (uint16_t i = 0; i < b->n && c->is_holding; i++)
		if (l->seen++ % 10 == 0 && l->n < HELD &&
		    b->host->hold(b, i, &l->handle[l->n]) == NETHV_OK)
			l->n++;
	if (c->where == NOTIFY)
		(void)b->host->post(b, 0);
	at(c, INGRESS, b);
}

static void egress(void *inst, struct nethv_burst *b)
{
	at((struct crash *)inst, EGRESS, b);
}

static void release_all(struct nethv_burst *b)
{
	struct lane *l = (struct lane *)b->lcore_data;
	uint32_t k = 0;

	while (k < l->n && b->host->release(b, l->handle[k]) != NETHV_ENOROOM)
		k++;
	memmove(l->handle, l->handle + k, (l->n - k) * sizeof(l->handle[0]));
	l->n -= k;
}

static void poll(void *inst, struct nethv_burst *b)
{
	at((struct crash *)inst, POLL, b);
	release_all(b);
}

static void flush(void *inst, struct nethv_burst *b)
{
	at((struct crash *)inst, FLUSH, b);
	release_all(b);
}

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = {{0xC4, 0xA5, 0x8E}},
	.name = "crash",
	.version = "1",
	.summary = "Fails where and how it is told",
	.cls = NETHV_FILTER,
	.flags = NETHV_EXT_HOLDS,
	.lcore_size = sizeof(struct lane),
	.keys = keys,
	.state_version = 1,
	.create = create,
	.destroy = destroy,
	.configure = configure,
	.event = event,
	.save = save,
	.restore = restore,
	.status = status,
	.notify = notify,
	.tick = tick,
	.ingress = ingress,
	.egress = egress,
	.poll = poll,
	.flush = flush,
};
