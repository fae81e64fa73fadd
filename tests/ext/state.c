/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts packets and hands the count over at an upgrade. Compiled with VERSION 1, 2 (counts on), 3 (its
 * restore() fails) or 4 (its save() fails). The GUID is the same in all. */
#include <stdio.h>

#include <nethv/extension.h>

#define TEXT_(v) #v
#define TEXT(v)	 TEXT_(v)

struct state {
	const struct nethv_host *h;
	uint64_t before; /* counted by those before this one */
};

struct lane {
	uint64_t seen;
};

static uint64_t sum(const struct state *s)
{
	uint64_t n = s->before;

	for (uint16_t lc = 0; lc < s->h->nr_lcores; lc++)
		n += ((struct lane *)s->h->lcore_data(s->h, lc))->seen;
	return n;
}

static int create(const struct nethv_host *h, void **inst)
{
	struct state *s = (struct state *)h->alloc(h, sizeof(*s));

	if (!s)
		return h->fail(h, "no memory");
	s->h = h;
	*inst = s;
	return 0;
}

static int save(void *inst, struct nethv_writer *w)
{
	uint64_t n = sum((struct state *)inst);

	return VERSION == 4 ? -1 : w->put(w, &n, sizeof(n));
}

static int restore(void *inst, const void *data, size_t len, uint32_t state_version)
{
	struct state *s = (struct state *)inst;

	if (VERSION == 3)
		return s->h->fail(s->h, "version 3 cannot read it");
	if (state_version != 1 || len != sizeof(s->before))
		return s->h->fail(s->h, "not a state of ours");
	memcpy(&s->before, data, sizeof(s->before));
	return 0;
}

static int status(void *inst, char *json, size_t size)
{
	return snprintf(json, size, "{\"version\":%d,\"seen\":%llu}", VERSION,
			(unsigned long long)sum((struct state *)inst));
}

static void ingress(void *inst, struct nethv_burst *b)
{
	(void)inst;
	((struct lane *)b->lcore_data)->seen += b->n;
}

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = {{0x57, 0xA7, 0xE0}},
	.name = "state",
	.version = TEXT(VERSION) ".0",
	.summary = "Counts, and goes on counting after an upgrade",
	.cls = NETHV_FILTER,
	.lcore_size = sizeof(struct lane),
	.state_version = 1,
	.create = create,
	.save = save,
	.restore = restore,
	.status = status,
	.ingress = ingress,
};
