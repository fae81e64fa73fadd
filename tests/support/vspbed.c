/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest and a bus for the worker's own channels. */
#include "tests/support/vspbed.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "tests/support/scratch.h"

#define PATIENCE_MS 30000 /* then a test hangs and fails */

/* ---- The bus -------------------------------------------------------------------------------- */

static int offer(void *ctx, const struct vmbus_local_cfg *cfg, const struct vmbus_local_ops *ops,
		 void *chan)
{
	struct bed *b = ctx;
	struct bed_chan *ch = &b->chan[b->nr_chans];

	if (b->fail_offer && (int)b->nr_chans + 1 == b->fail_offer)
		return err_set(-ENOSPC, "no relid left");
	b->nr_chans++;
	*ch = (struct bed_chan){.cfg = *cfg, .ops = ops, .ctx = chan, .relid = b->nr_chans};
	ch->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ch->irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return (int)ch->relid;
}

static void drop(struct bed_chan *ch)
{
	if (ch->is_open)
		ch->ops->close(ch->ctx);
	ch->is_open = false;
	fd_close(&ch->bell);
	fd_close(&ch->irq);
}

static void rescind(void *ctx, uint32_t relid)
{
	drop(&((struct bed *)ctx)->chan[relid - 1]);
}

static void fault(void *ctx, uint32_t relid, const char *why)
{
	struct bed_chan *ch = &((struct bed *)ctx)->chan[relid - 1];

	snprintf(ch->why, sizeof(ch->why), "%s", why);
	ch->is_faulted = true;
	drop(ch);
}

static int doorbell_fd(void *ctx, uint32_t relid)
{
	return ((struct bed *)ctx)->chan[relid - 1].bell;
}

static void raise_irq(void *ctx, uint32_t vp, uint32_t relid)
{
	struct bed_chan *ch = &((struct bed *)ctx)->chan[relid - 1];

	__atomic_store_n(&ch->irq_vp, vp, __ATOMIC_RELAXED);
	fd_kick(ch->irq);
}

static uint64_t ref_time(void *ctx)
{
	return ((struct bed *)ctx)->ref_time;
}

static const struct vsp_ops ops = {
	.offer = offer,
	.rescind = rescind,
	.fault = fault,
	.doorbell_fd = doorbell_fd,
	.signal = raise_irq,
	.ref_time = ref_time,
};

/* ---- Life ----------------------------------------------------------------------------------- */

void bed_init(struct bed *b)
{
	*b = (struct bed){0};
	b->ram = aligned_alloc(4096, BED_RAM);
	cr_assert_not_null(b->ram);
	memset(b->ram, 0, BED_RAM);
	cr_assert_eq(gmem_add(&b->gm, gpa(BED_GPA), BED_RAM, b->ram), 0);
}

int bed_create(struct bed *b, const struct vsp_disk_cfg *disk, uint32_t nr_disks, bool has_ics)
{
	struct vsp_cfg cfg = {.name = "vm/test",
			      .id = "test/one",
			      .gm = &b->gm,
			      .disk = disk,
			      .nr_disks = nr_disks,
			      .has_integration = has_ics};

	return vsp_create(&b->v, &cfg, &ops, b);
}

const struct vsp_ops *bed_bus(void)
{
	return &ops;
}

void bed_fini(struct bed *b)
{
	vsp_destroy(b->v);
	free(b->ram);
	*b = (struct bed){0};
}

struct bed_chan *bed_find(struct bed *b, struct vmbus_guid if_type)
{
	for (uint32_t i = 0; i < b->nr_chans; i++) {
		if (!memcmp(&b->chan[i].cfg.if_type, &if_type, sizeof(if_type)))
			return &b->chan[i];
	}
	return NULL;
}

/* Ring pages are taken backwards from the end of RAM, so that they are never contiguous. */
int bed_open(struct bed *b, struct bed_chan *ch, uint32_t pages)
{
	struct vmbus_local_open o = {.relid = ch->relid,
				     .target_vp = 0,
				     .split = pages,
				     .nr_pages = 2 * pages,
				     .page = ch->page};
	int rc;

	cr_assert_leq(2 * pages, BED_PAGES);
	for (uint32_t i = 0; i < 2 * pages; i++) {
		ch->page[i] = b->ram + BED_RAM - 4096u * (1 + b->next_page++ % 512);
		memset(ch->page[i], 0, 4096);
	}
	vmbus_ring_init_pages(&ch->out, ch->page, pages, 0);
	vmbus_ring_init_pages(&ch->in, ch->page + pages, pages, 0);
	ch->in.ctrl->feature_bits = VMBUS_RING_FEATURE_PENDING_SEND;
	rc = ch->ops->open(ch->ctx, &o);
	ch->is_open = !rc;
	return rc;
}

void bed_close(struct bed_chan *ch)
{
	ch->ops->close(ch->ctx);
	ch->is_open = false;
}

/* ---- The guest ------------------------------------------------------------------------------ */

void bed_send(struct bed_chan *ch, uint16_t type, uint16_t flags, uint64_t id, const void *ranges,
	      uint32_t ranges_len, const void *body, uint32_t len)
{
	struct vmbus_pkt_desc d = {
		.type = type,
		.offset8 = (uint16_t)((sizeof(d) + ranges_len) / 8),
		.len8 = (uint16_t)((sizeof(d) + ranges_len + len + 7) / 8),
		.flags = flags,
		.trans_id = id,
	};

	for (int i = 0; vmbus_ring_space(&ch->out) < (int32_t)vmbus_ring_need(ranges_len, len);
	     i++) {
		cr_assert_lt(i, PATIENCE_MS, "the host takes nothing");
		usleep(1000);
	}
	vmbus_ring_put(&ch->out, &d, ranges, ranges_len, body, len);
	if (vmbus_ring_publish_write(&ch->out))
		fd_kick(ch->bell);
}

bool bed_has_packet(struct bed_chan *ch)
{
	int32_t avail = vmbus_ring_avail(&ch->in);

	cr_assert_geq(avail, 0, "the host's index is out of place");
	return avail > 0;
}

static void await(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1, "the host says nothing");
}

uint32_t bed_recv(struct bed_chan *ch, struct vmbus_pkt_desc *d, void *body, uint32_t max)
{
	int32_t total;
	uint32_t len;

	while (!bed_has_packet(ch)) {
		await(ch->irq);
		fd_drain(ch->irq);
	}
	total = vmbus_ring_peek(&ch->in, (uint32_t)vmbus_ring_avail(&ch->in), d);
	cr_assert_gt(total, 0, "the host's packet is malformed");
	len = (uint32_t)(d->len8 - d->offset8) * 8;
	cr_assert_leq(len, max, "the host's packet has %u bytes", len);
	vmbus_ring_read(&ch->in, vmbus_ring_wrap(&ch->in, ch->in.own + d->offset8 * 8u), body, len);
	vmbus_ring_skip(&ch->in, (uint32_t)total);
	if (vmbus_ring_publish_read(&ch->in))
		fd_kick(ch->bell);
	return len;
}

const char *bed_fault(struct bed *b, struct bed_chan *ch)
{
	while (!ch->is_faulted) {
		await(vsp_fd(b->v));
		vsp_process(b->v);
	}
	return ch->why;
}

/* ---- Files ---------------------------------------------------------------------------------- */

void bed_file(char path[SCRATCH_PATH], uint64_t len)
{
	int fd = scratch_file(path, "disk");

	cr_assert_eq(ftruncate(fd, (off_t)len), 0);
	close(fd);
}

void bed_file_gone(const char *path)
{
	unlink(path);
}
