/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels at the switch's end: offered by a provider, opened and closed by the worker. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "vmbus/backend_priv.h"

static struct be_peer *peer_of(struct vmbus_peer *pub)
{
	return (struct be_peer *)(void *)pub;
}

const struct vmbus_chan_info *vmbus_chan_info(const struct vmbus_chan *ch)
{
	return &ch->info;
}

/* ---- Offers ------------------------------------------------------------------------------- */

static bool is_same(const struct vmbus_chan_cfg *a, const struct vmbus_chan_cfg *b)
{
	return a->sub_index == b->sub_index && !memcmp(&a->if_type, &b->if_type, 16) &&
	       !memcmp(&a->if_instance, &b->if_instance, 16);
}

static bool is_offered(const struct be_peer *p, const struct vmbus_chan_cfg *cfg)
{
	const struct vmbus_chan *ch;

	for (ch = p->chans; ch; ch = ch->next) {
		if (!ch->is_gone && is_same(&ch->cfg, cfg))
			return true;
	}
	return false;
}

int vmbus_peer_offer(struct vmbus_peer *peer, const struct vmbus_chan_cfg *cfg,
		     struct vmbus_chan **out)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_OFFER};
	struct be_peer *p = peer_of(peer);
	struct vmbus_chan *ch;

	if (p->is_ended)
		return err_set(-EPIPE, "partition %s: its worker is gone", peer->name);
	if (is_offered(p, cfg))
		return err_set(-EEXIST, "partition %s: the channel is offered already", peer->name);
	ch = calloc(1, sizeof(*ch));
	if (!ch)
		return err_set(-ENOMEM, "partition %s: no memory for a channel", peer->name);
	ch->cfg = *cfg;
	ch->peer = p;
	ch->info = (struct vmbus_chan_info){.peer = peer,
					    .sub_index = cfg->sub_index,
					    .ctx = cfg->ctx,
					    .target_vp = VMBUS_VP_NONE};
	ch->next = p->chans;
	p->chans = ch;
	m.offer = (struct vmbus_link_offer){.if_type = cfg->if_type,
					    .if_instance = cfg->if_instance,
					    .sub_index = cfg->sub_index,
					    .wants_monitor = cfg->wants_monitor};
	be_send(p, &m);
	ch->offer_id = m.id;
	*out = ch;
	return 0;
}

/* The provider gave it up: it stays in the list only while its OFFER is unanswered. */
static void bury(struct vmbus_chan *ch)
{
	struct be_peer *p = ch->peer;
	struct vmbus_chan **pp = &p->chans;

	while (*pp && *pp != ch)
		pp = &(*pp)->next;
	if (!*pp)
		return;
	*pp = ch->next;
	if (ch->info.relid)
		p->by_relid[ch->info.relid] = NULL;
	ch->next = p->be->graveyard;
	p->be->graveyard = ch;
}

void be_graveyard_free(struct vmbus_backend *be)
{
	while (be->graveyard) {
		struct vmbus_chan *ch = be->graveyard;

		be->graveyard = ch->next;
		free(ch);
	}
}

static void say_gone(struct vmbus_chan *ch, const char *cause)
{
	struct vmbus_link_msg m = {.type = cause ? VMBUS_LINK_ERROR : VMBUS_LINK_RESCIND};

	if (cause) {
		m.error.relid = ch->info.relid;
		vmbus_link_text(m.error.text, cause);
	} else {
		m.chan.relid = ch->info.relid;
	}
	be_send(ch->peer, &m);
}

static struct vmbus_chan *by_offer(const struct be_peer *p, uint32_t id)
{
	struct vmbus_chan *ch = p->chans;

	while (ch && ch->offer_id != id)
		ch = ch->next;
	return ch;
}

static int offered(struct be_peer *p, struct vmbus_chan *ch, const struct vmbus_link_msg *m)
{
	uint32_t relid = m->ack.relid;

	ch->offer_id = 0;
	if (m->ack.status) {
		log_warn(p->pub.name, "worker refuses channel %u: %s", ch->cfg.sub_index,
			 m->ack.text);
		if (ch->is_gone)
			bury(ch);
		return 0;
	}
	if (relid == 0 || relid >= VMBUS_CHANS_MAX || p->by_relid[relid])
		return err_set(-EPROTO, "worker gives a channel relid %u", relid);
	ch->info.relid = relid;
	ch->info.state = &p->pub.state->chan[relid];
	p->by_relid[relid] = ch;
	if (ch->is_gone) {
		say_gone(ch, NULL);
		bury(ch);
	}
	return 0;
}

/* ---- The way of an adapter's frames --------------------------------------------------------- */

int vmbus_chan_path(struct vmbus_chan *ch, enum vmbus_path path)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_PATH};

	if (ch->peer->is_ended || ch->is_gone || !ch->info.relid)
		return err_set(-EPIPE, "no worker to ask for a data path");
	m.path.relid = ch->info.relid;
	m.path.is_vf = path == VMBUS_PATH_VF;
	be_send(ch->peer, &m);
	ch->path_id = m.id;
	return 0;
}

int vmbus_chan_vf_remove(struct vmbus_chan *ch, const char *why)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_VF_REMOVE};

	if (ch->peer->is_ended || ch->is_gone || !ch->info.relid)
		return err_set(-EPIPE, "no worker that could take a VF away");
	m.error.relid = ch->info.relid;
	vmbus_link_text(m.error.text, why);
	be_send(ch->peer, &m);
	return 0;
}

static struct vmbus_chan *by_path(const struct be_peer *p, uint32_t id)
{
	struct vmbus_chan *ch = p->chans;

	while (ch && ch->path_id != id)
		ch = ch->next;
	return ch;
}

/* Answers to RESCIND, ERROR, OFFERS_DONE and VF_REMOVE carry nothing, nor do those to a PATH that was
 * asked anew. */
int be_chan_answered(struct be_peer *p, const struct vmbus_link_msg *m)
{
	struct vmbus_chan *ch = by_offer(p, m->id);

	if (ch)
		return offered(p, ch, m);
	ch = by_path(p, m->id);
	if (!ch)
		return 0;
	ch->path_id = 0;
	if (!ch->is_gone && p->be->ops->path_done)
		p->be->ops->path_done(ch, m->ack.status, m->ack.text);
	return 0;
}

static int set_vf(struct vmbus_chan *ch, const struct vmbus_link_msg *m)
{
	const struct vmbus_backend_ops *ops = ch->peer->be->ops;

	if (ch->cfg.sub_index || !ops->vf)
		return err_set(-EINVAL, "channel %u can have no VF", ch->info.relid);
	return ops->vf(ch, m->vf.serial, m->vf.is_allocated);
}

/* ---- Open and close ----------------------------------------------------------------------- */

static int set_monitor(struct vmbus_chan *ch, const struct vmbus_link_open *o)
{
	struct vmbus_monitor_page *page;

	if (!o->monitor_page)
		return 0;
	page = gmem_map(&ch->peer->pub.gm, gpa(o->monitor_page), sizeof(*page));
	if (!page)
		return err_set(-EFAULT, "open: monitor page 0x%llx is not memory",
			       (unsigned long long)o->monitor_page);
	ch->info.monitor = &page->group[o->monitor_id / VMBUS_MONITOR_GROUP_BITS].pending;
	ch->info.monitor_bit = 1u << (o->monitor_id % VMBUS_MONITOR_GROUP_BITS);
	return 0;
}

static int set_ring(struct vmbus_chan *ch, const struct vmbus_link_open *o)
{
	const struct vmbus_gpadl *g = be_gpadl_find(ch, o->ring);

	if (ch->is_open)
		return err_set(-EBUSY, "open: channel %u is open", ch->info.relid);
	if (!g || g->len % GMEM_PAGE_SIZE || g->nr_pages > 2 * VMBUS_RING_PAGES_MAX)
		return err_set(-EINVAL, "open: no GPADL 0x%x that can be rings", o->ring);
	if (o->split < 2 || o->split > g->nr_pages || g->nr_pages - o->split < 2)
		return err_set(-EINVAL, "open: %u pages split at %u make no two rings", g->nr_pages,
			       o->split);
	if (o->target_vp >= ch->peer->pub.nr_vps && o->target_vp != VMBUS_VP_NONE)
		return err_set(-EINVAL, "open: VP %u of %u", o->target_vp, ch->peer->pub.nr_vps);
	if (set_monitor(ch, o))
		return -EFAULT;
	ch->info.ring = g;
	ch->info.split = o->split;
	__atomic_store_n(&ch->info.target_vp, o->target_vp, __ATOMIC_RELAXED);
	return 0;
}

static void unset_ring(struct vmbus_chan *ch)
{
	ch->is_open = false;
	ch->info.ring = NULL;
	ch->info.split = 0;
	ch->info.monitor = NULL;
	__atomic_store_n(&ch->info.target_vp, VMBUS_VP_NONE, __ATOMIC_RELAXED);
}

static int open_chan(struct vmbus_chan *ch, const struct vmbus_link_open *o)
{
	enum vmbus_open_how how = (enum vmbus_open_how)o->how;
	int rc = set_ring(ch, o);

	if (rc)
		return rc;
	if (how == VMBUS_OPEN_FRESH) {
		vmbus_state_chan_reset(ch->info.state);
		if (!vmbus_ring_start(ch->info.ring->page, ch->info.split))
			rc = err_set(-EPROTO, "open: the rings' indices of ours are not 0");
	}
	ch->is_open = rc == 0;
	if (!rc)
		rc = ch->peer->be->ops->open(ch, how);
	if (rc)
		unset_ring(ch);
	else if (ch->is_gone)
		rc = err_set(-ENODEV, "open: channel %u was withdrawn", ch->info.relid);
	return rc;
}

static void close_chan(struct vmbus_chan *ch)
{
	if (!ch->is_open)
		return;
	ch->is_open = false; /* first: the provider may come back to us from close() */
	if (!ch->peer->be->is_muted)
		ch->peer->be->ops->close(ch);
	unset_ring(ch);
}

static void shut(struct vmbus_chan *ch)
{
	close_chan(ch);
	be_gpadl_del_all(ch);
}

static void withdraw(struct vmbus_chan *ch, const char *cause)
{
	if (ch->is_gone)
		return;
	ch->is_gone = true;
	shut(ch);
	if (ch->info.relid)
		say_gone(ch, cause);
	if (ch->offer_id == 0)
		bury(ch);
}

void vmbus_chan_rescind(struct vmbus_chan *ch)
{
	withdraw(ch, NULL);
}

void vmbus_chan_fault(struct vmbus_chan *ch, const char *cause)
{
	withdraw(ch, cause);
}

int vmbus_chan_rings(const struct vmbus_chan *ch, uint32_t g2h, uint32_t h2g, struct vmbus_ring *in,
		     struct vmbus_ring *out)
{
	const struct vmbus_gpadl *g = ch->info.ring;
	uint32_t split = ch->info.split, in_size, out_size;

	if (!g || split < 2 || g->nr_pages < split + 2)
		return err_set(-EPROTO, "channel %u has no two rings", ch->info.relid);
	in_size = (split - 1) * GMEM_PAGE_SIZE;
	out_size = (g->nr_pages - split - 1) * GMEM_PAGE_SIZE;
	if (g2h >= in_size || g2h % 8 || h2g >= out_size || h2g % 8)
		return err_set(-EPROTO, "channel %u: ring indices %u of %u and %u of %u",
			       ch->info.relid, g2h, in_size, h2g, out_size);
	vmbus_ring_init_pages(in, g->page, split, g2h);
	vmbus_ring_init_pages(out, g->page + split, g->nr_pages - split, h2g);
	return 0;
}

/* ---- Requests of the worker --------------------------------------------------------------- */

static int retarget(struct vmbus_chan *ch, uint32_t vp)
{
	const struct vmbus_backend *be = ch->peer->be;

	if (!ch->is_open || (vp >= ch->peer->pub.nr_vps && vp != VMBUS_VP_NONE))
		return err_set(-EINVAL, "channel %u cannot interrupt VP %u", ch->info.relid, vp);
	__atomic_store_n(&ch->info.target_vp, vp, __ATOMIC_RELAXED);
	be->ops->quiesce(be->ctx); /* after it no lcore uses the old VP */
	return 0;
}

/* A ring of an open channel is closed first: whatever the worker asks, memory that it was told is
 * free is not touched. */
static int del_gpadl(struct vmbus_chan *ch, uint32_t handle)
{
	struct vmbus_gpadl *g = be_gpadl_find(ch, handle);

	if (!g)
		return err_set(-ENOENT, "channel %u has no GPADL 0x%x", ch->info.relid, handle);
	if (g == ch->info.ring)
		close_chan(ch);
	be_gpadl_del(ch, g);
	return 0;
}

static uint32_t relid_of(const struct vmbus_link_msg *m)
{
	switch (m->type) {
	case VMBUS_LINK_GPADL_ADD: return m->gpadl_add.relid;
	case VMBUS_LINK_GPADL_DEL: return m->gpadl_del.relid;
	case VMBUS_LINK_OPEN: return m->open.relid;
	case VMBUS_LINK_RETARGET: return m->retarget.relid;
	case VMBUS_LINK_VF: return m->vf.relid;
	default: return m->chan.relid;
	}
}

int be_chan_request(struct be_peer *p, const struct vmbus_link_msg *m)
{
	uint32_t relid = relid_of(m);
	struct vmbus_chan *ch = relid < VMBUS_CHANS_MAX ? p->by_relid[relid] : NULL;

	if (!ch)
		return err_set(-ENOENT, "no channel %u", relid);
	switch (m->type) {
	case VMBUS_LINK_GPADL_ADD: return be_gpadl_add(ch, &m->gpadl_add);
	case VMBUS_LINK_GPADL_DEL: return del_gpadl(ch, m->gpadl_del.handle);
	case VMBUS_LINK_OPEN: return open_chan(ch, &m->open);
	case VMBUS_LINK_VF: return set_vf(ch, m);
	case VMBUS_LINK_RETARGET: return retarget(ch, m->retarget.target_vp);
	default: close_chan(ch); return 0;
	}
}

/* The provider may withdraw channels while we walk: so each step starts from the list's head. */
static struct vmbus_chan *next_to_shut(const struct be_peer *p, bool subs)
{
	struct vmbus_chan *ch;
	uint32_t i;

	for (ch = p->chans; ch; ch = ch->next) {
		if (subs != (ch->cfg.sub_index != 0))
			continue;
		if (ch->is_open)
			return ch;
		for (i = 0; i < BE_GPADLS_MAX; i++) {
			if (ch->gpadl[i])
				return ch;
		}
	}
	return NULL;
}

void be_chan_reset(struct be_peer *p)
{
	struct vmbus_chan *ch;

	while ((ch = next_to_shut(p, true)))
		shut(ch);
	while ((ch = next_to_shut(p, false)))
		shut(ch);
}

void be_chan_free_all(struct be_peer *p)
{
	while (p->chans)
		bury(p->chans);
}
