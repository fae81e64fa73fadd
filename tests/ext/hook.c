/* SPDX-License-Identifier: BSD-3-Clause */
/* See hook.h. Built once for each class; CLASS, FLAGS, NAME and LAST (the GUID's last byte) come from the
 * build. */
#include "hook.h"

static int hook_create(const struct nethv_host *h, void **inst)
{
	struct hooks *k = (struct hooks *)(uintptr_t)h->cfg_int(h, "hooks");

	if (!k)
		return h->fail(h, "no hooks");
	k->host = h;
	*inst = k;
	return k->create ? k->create(k) : 0;
}

static void hook_destroy(void *inst)
{
	struct hooks *k = inst;

	if (k->destroy)
		k->destroy(k);
}

static int hook_configure(void *inst)
{
	struct hooks *k = inst;

	return k->configure ? k->configure(k) : 0;
}

static int hook_event(void *inst, struct nethv_event *e)
{
	struct hooks *k = inst;

	return k->event ? k->event(k, e) : NETHV_EV_PASS;
}

static int hook_save(void *inst, struct nethv_writer *w)
{
	struct hooks *k = inst;

	return k->save ? k->save(k, w) : 0;
}

static int hook_restore(void *inst, const void *data, size_t len, uint32_t version)
{
	struct hooks *k = inst;

	return k->restore ? k->restore(k, data, len, version) : 0;
}

static int hook_status(void *inst, char *json, size_t size)
{
	struct hooks *k = inst;

	return k->status ? k->status(k, json, size) : 0;
}

static void hook_notify(void *inst, uint64_t arg)
{
	struct hooks *k = inst;

	if (k->notify)
		k->notify(k, arg);
}

static void hook_tick(void *inst)
{
	struct hooks *k = inst;

	if (k->tick)
		k->tick(k);
}

static void hook_ingress(void *inst, struct nethv_burst *b)
{
	struct hooks *k = inst;

	if (k->ingress)
		k->ingress(k, b);
}

static void hook_egress(void *inst, struct nethv_burst *b)
{
	struct hooks *k = inst;

	if (k->egress)
		k->egress(k, b);
}

static void hook_poll(void *inst, struct nethv_burst *b)
{
	struct hooks *k = inst;

	if (k->poll)
		k->poll(k, b);
}

static void hook_flush(void *inst, struct nethv_burst *b)
{
	struct hooks *k = inst;

	if (k->flush)
		k->flush(k, b);
}

static const char *const reasons[] = {"first: the first reason", "second: the second reason"};

static const struct nethv_key keys[] = {
	{.name = "hooks", .kind = NETHV_KEY_INT, .is_required = 1, .help = "address of the hooks"},
	{.name = "tag", .kind = NETHV_KEY_INT, .help = "tells instances apart"},
	{0},
};

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = {{0x68, 0x6f, 0x6f, 0x6b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, LAST}},
	.name = NAME,
	.version = "1.0",
	.summary = "calls the test",
	.cls = CLASS,
	.flags = FLAGS,
	.reasons = reasons,
	.nr_reasons = 2,
	.lcore_size = 64,
	.keys = keys,
	.state_version = 7,
	.create = hook_create,
	.destroy = hook_destroy,
	.configure = hook_configure,
	.event = hook_event,
	.save = hook_save,
	.restore = hook_restore,
	.status = hook_status,
	.notify = hook_notify,
	.tick = hook_tick,
	.ingress = hook_ingress,
	.egress = hook_egress,
	.poll = hook_poll,
	.flush = hook_flush,
};
