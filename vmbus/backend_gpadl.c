/* SPDX-License-Identifier: BSD-3-Clause */
/* GPADLs as the switch sees them: host addresses. Lcores find them in a table of atomic pointers;
 * removal is unlink, quiesce, gpadl_gone(), quiesce, free. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "vmbus/backend_priv.h"

static struct vmbus_gpadl *load_slot(const struct vmbus_chan *ch, uint32_t i)
{
	/* Acquire: pairs with the release in be_gpadl_add(). */
	return __atomic_load_n(&ch->gpadl[i], __ATOMIC_ACQUIRE);
}

struct vmbus_gpadl *be_gpadl_find(const struct vmbus_chan *ch, uint32_t handle)
{
	uint32_t i;

	for (i = 0; i < BE_GPADLS_MAX; i++) {
		struct vmbus_gpadl *g = load_slot(ch, i);

		if (g && g->handle == handle)
			return g;
	}
	return NULL;
}

const struct vmbus_gpadl *vmbus_chan_gpadl(const struct vmbus_chan *ch, uint32_t handle)
{
	return be_gpadl_find(ch, handle);
}

/* Resolves each PFN once, into private memory. */
static int resolve(const struct vmbus_chan *ch, const struct vmbus_link_gpadl_add *m,
		   struct vmbus_gpadl *g)
{
	uint32_t i;

	g->flat = NULL;
	for (i = 0; i < m->nr_pages; i++) {
		uint64_t pfn = vmbus_link_pfn(m, i);

		g->page[i] = gmem_page(&ch->peer->pub.gm, pfn);
		if (!g->page[i])
			return err_set(-EFAULT, "GPADL 0x%x: page %u (PFN 0x%llx) is not memory",
				       m->handle, i, (unsigned long long)pfn);
	}
	for (i = 1; i < m->nr_pages; i++) {
		if (g->page[i] != g->page[i - 1] + GMEM_PAGE_SIZE)
			return 0;
	}
	g->flat = g->page[0];
	return 0;
}

static uint32_t free_slot(const struct vmbus_chan *ch)
{
	uint32_t i = 0;

	while (i < BE_GPADLS_MAX && ch->gpadl[i])
		i++;
	return i;
}

static int admit(const struct vmbus_chan *ch, const struct vmbus_link_gpadl_add *m)
{
	if (be_gpadl_find(ch, m->handle))
		return err_set(-EEXIST, "GPADL 0x%x: exists already", m->handle);
	if (m->byte_offset)
		return err_set(-EOPNOTSUPP,
			       "GPADL 0x%x: starts at byte %u of its first page, want 0", m->handle,
			       m->byte_offset);
	if (free_slot(ch) == BE_GPADLS_MAX)
		return err_set(-ENOSPC, "GPADL 0x%x: the channel has %u of them", m->handle,
			       BE_GPADLS_MAX);
	if (m->nr_pages > BE_PAGES_MAX - ch->peer->nr_pages)
		return err_set(-ENOSPC, "GPADL 0x%x: the partition shares %u pages, limit %u",
			       m->handle, ch->peer->nr_pages, BE_PAGES_MAX);
	return 0;
}

int be_gpadl_add(struct vmbus_chan *ch, const struct vmbus_link_gpadl_add *m)
{
	struct vmbus_gpadl *g;
	int rc = admit(ch, m);

	if (rc)
		return rc;
	g = calloc(1, sizeof(*g) + m->nr_pages * sizeof(g->page[0]));
	if (!g)
		return err_set(-ENOMEM, "GPADL 0x%x: no memory for %u pages", m->handle,
			       m->nr_pages);
	g->handle = m->handle;
	g->relid = m->relid;
	g->len = m->byte_count;
	g->nr_pages = m->nr_pages;
	g->page = (uint8_t **)(g + 1);
	rc = resolve(ch, m, g);
	if (rc) {
		free(g);
		return rc;
	}
	ch->peer->nr_pages += g->nr_pages;
	__atomic_store_n(&ch->gpadl[free_slot(ch)], g, __ATOMIC_RELEASE);
	return 0;
}

/* Returns false when it is not (any more) in the table. */
static bool unlink_gpadl(struct vmbus_chan *ch, const struct vmbus_gpadl *g)
{
	uint32_t i;

	for (i = 0; i < BE_GPADLS_MAX; i++) {
		if (ch->gpadl[i] == g) {
			__atomic_store_n(&ch->gpadl[i], NULL, __ATOMIC_RELEASE);
			return true;
		}
	}
	return false;
}

void be_gpadl_del(struct vmbus_chan *ch, struct vmbus_gpadl *g)
{
	const struct vmbus_backend *be = ch->peer->be;

	if (!unlink_gpadl(ch, g))
		return;
	if (!be->is_muted) {
		/* An lcore that has just found it may be about to put it where gpadl_gone() looks. */
		be->ops->quiesce(be->ctx);
		be->ops->gpadl_gone(ch, g);
		be->ops->quiesce(be->ctx);
	}
	ch->peer->nr_pages -= g->nr_pages;
	free(g);
}

void be_gpadl_del_all(struct vmbus_chan *ch)
{
	uint32_t i;

	for (i = 0; i < BE_GPADLS_MAX; i++) {
		if (ch->gpadl[i])
			be_gpadl_del(ch, ch->gpadl[i]);
	}
}
