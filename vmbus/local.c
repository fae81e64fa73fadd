/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels that the worker serves itself. A provider is called where the switch would be asked and
 * has answered when the call returns, so nothing of this depends on a switch. */
#include "vmbus/local.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "vmbus/backend.h"
#include "vmbus/server_priv.h"

/* ---- Open and close ----------------------------------------------------------------------- */

/* The addresses of all ring pages, or NULL (text set). */
static uint8_t **map_pages(const struct vmbus_server *s, const struct vmbus_gpadl_build *list)
{
	uint8_t **page = calloc(list->nr_pages, sizeof(*page));
	uint32_t i;

	if (!page) {
		err_set(-ENOMEM, "open: no memory for %u ring pages", list->nr_pages);
		return NULL;
	}
	for (i = 0; i < list->nr_pages; i++)
		page[i] = gmem_page(s->cfg.gm, list->pfn[i]); /* was checked at creation */
	return page;
}

static int try_open(struct vmbus_server *s, struct srv_chan *ch)
{
	const struct vmbus_gpadl_build *list = srv_gpadl_find(ch, ch->ring)->list;
	struct vmbus_local_open o = {.relid = ch->relid,
				     .target_vp = ch->target_vp,
				     .split = ch->split,
				     .nr_pages = list->nr_pages};

	if (list->nr_pages > 2 * VMBUS_RING_PAGES_MAX)
		return err_set(-EINVAL, "open: rings of %u pages", list->nr_pages);
	ch->local.page = map_pages(s, list);
	if (!ch->local.page)
		return -ENOMEM;
	o.page = ch->local.page;
	if (!vmbus_ring_start(o.page, o.split))
		return err_set(-EPROTO, "open: the rings' indices of ours are not 0");
	return ch->local.ops->open(ch->local.ctx, &o);
}

void srv_local_open(struct vmbus_server *s, struct srv_chan *ch)
{
	int rc = try_open(s, ch);

	if (rc) {
		free(ch->local.page);
		ch->local.page = NULL;
	}
	srv_chan_opened(s, ch, rc, VMBUS_OPEN_FRESH, rc ? err_text() : "");
}

void srv_local_retarget(struct srv_chan *ch, uint32_t target_vp)
{
	ch->target_vp = target_vp;
	ch->local.ops->retarget(ch->local.ctx, target_vp);
}

void srv_local_stop(struct srv_chan *ch)
{
	uint8_t **page = ch->local.page;

	if (!page)
		return;
	ch->local.page = NULL; /* first: the provider may come back to us from close() */
	ch->local.ops->close(ch->local.ctx);
	free(page);
}

void srv_local_stop_all(struct vmbus_server *s)
{
	uint32_t relid;

	for (relid = 1; relid < VMBUS_CHANS_MAX; relid++)
		srv_local_stop(&s->chan[relid]);
}

/* ---- Offer and withdrawal ----------------------------------------------------------------- */

int vmbus_server_offer_local(struct vmbus_server *s, const struct vmbus_local_cfg *cfg,
			     const struct vmbus_local_ops *ops, void *ctx)
{
	struct vmbus_link_offer o = {.if_type = cfg->if_type, .if_instance = cfg->if_instance};
	struct srv_local local = {
		.ops = ops, .ctx = ctx, .flags = cfg->flags, .pipe_mode = cfg->pipe_mode};
	int relid = srv_chan_offer_local(s, &o, &local);

	if (relid > 0)
		vmbus_server_wake(s); /* it may have been announced */
	return relid;
}

static struct srv_chan *offered(struct vmbus_server *s, uint32_t relid)
{
	struct srv_chan *ch = relid < VMBUS_CHANS_MAX ? &s->chan[relid] : NULL;

	return ch && ch->state == CHAN_OFFERED && srv_is_local(ch) ? ch : NULL;
}

void vmbus_server_rescind_local(struct vmbus_server *s, uint32_t relid)
{
	struct srv_chan *ch = offered(s, relid);

	if (!ch)
		return;
	srv_chan_gone(s, ch);
	vmbus_server_wake(s);
}

void vmbus_server_fault_local(struct vmbus_server *s, uint32_t relid, const char *why)
{
	struct srv_chan *ch = offered(s, relid);

	if (!ch)
		return;
	srv_fault(s, ch, "%s", why);
	srv_chan_gone(s, ch);
	vmbus_server_wake(s);
}
