/* SPDX-License-Identifier: BSD-3-Clause */
/* The SCSI controller: the dialogue by which hv_storvsc sets it up, and requests on their way to the
 * disks' threads and back. Each request has its place in the guest's ring reserved before it is
 * taken, so that a completion always fits. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vmbus/vsp/priv.h"
#include "vmbus/vsp/stor_req.h"

#define REQS_MAX 64u

enum stor_state {
	STOR_CLOSED,
	STOR_BEGIN, /* the guest is to say BEGIN_INITIALIZATION */
	STOR_VERSION,
	STOR_PROPERTIES,
	STOR_END,
	STOR_READY,
};

struct stor_slot {
	struct vsp_job job; /* first: what the pool hands around */
	struct stor *s;
	struct stor_slot *next; /* free */
	struct stor_req req;
};

struct stor {
	struct vsp_chan *ch;
	struct vmbus_guid instance;
	struct scsi_target target;
	uint32_t nr_disks;

	enum stor_state state;
	uint32_t depth;	      /* requests at a time that the guest's ring allows */
	uint32_t nr_inflight; /* since the channel was opened */
	bool has_reset;	      /* a reset waits for what came before it */
	struct stor_req reset;
	struct stor_slot *free;
	struct stor_slot slot[REQS_MAX];
};

/* ---- Answers -------------------------------------------------------------------------------- */

#define ANSWER_SIZE vmbus_ring_need(0, sizeof(struct vstor_packet))

static int answer(struct stor *s, struct stor_req *r, uint32_t status)
{
	r->pkt.operation = VSTOR_COMPLETE_IO;
	r->pkt.flags = 0;
	r->pkt.status = status;
	return vsp_chan_send(s->ch, VMBUS_PKT_COMPLETION, 0, r->trans_id, &r->pkt, sizeof(r->pkt))
		       ? err_set(-EPROTO,
				 "no room for a completion, the guest moved its ring's index")
		       : 0;
}

/* ---- Setting up ----------------------------------------------------------------------------- */

static int on_begin(struct stor *s, struct stor_req *r)
{
	s->state = STOR_VERSION;
	return answer(s, r, VSTOR_STATUS_OK);
}

static int on_version(struct stor *s, struct stor_req *r)
{
	uint16_t v = r->pkt.version.version;

	if (v != VSTOR_V6_2 && v != VSTOR_V6_0 && v != VSTOR_V5_1)
		return answer(s, r, VSTOR_STATUS_REVISION_MISMATCH);
	s->state = STOR_PROPERTIES;
	return answer(s, r, VSTOR_STATUS_OK);
}

static int on_properties(struct stor *s, struct stor_req *r)
{
	memset(r->pkt.bytes, 0, sizeof(r->pkt.bytes));
	r->pkt.properties.max_transfer_bytes = STOR_MAX_TRANSFER;
	s->state = STOR_END;
	return answer(s, r, VSTOR_STATUS_OK);
}

static int on_end(struct stor *s, struct stor_req *r)
{
	s->state = STOR_READY;
	return answer(s, r, VSTOR_STATUS_OK);
}

/* ---- Requests ------------------------------------------------------------------------------- */

static void run(struct pool_job *job)
{
	struct stor_slot *slot = (struct stor_slot *)job;

	stor_req_execute(&slot->req, &slot->s->target);
}

static int try_reset(struct stor *s)
{
	if (!s->has_reset || s->nr_inflight)
		return 0;
	s->has_reset = false;
	return answer(s, &s->reset, VSTOR_STATUS_OK);
}

static int on_done(struct vsp_job *job)
{
	struct stor_slot *slot = (struct stor_slot *)job;
	int rc = answer(slot->s, &slot->req, VSTOR_STATUS_OK);

	slot->s->nr_inflight--;
	return rc ? rc : try_reset(slot->s);
}

static void on_release(struct vsp_job *job)
{
	struct stor_slot *slot = (struct stor_slot *)job;

	slot->next = slot->s->free;
	slot->s->free = slot;
}

static int on_srb(struct stor *s, struct stor_slot *slot)
{
	s->free = slot->next;
	s->nr_inflight++;
	vsp_chan_submit(&slot->job);
	return 0;
}

/* A reset is over when all that came before it is; nothing is taken meanwhile. */
static int on_reset(struct stor *s, struct stor_req *r)
{
	s->reset = *r;
	s->has_reset = true;
	return try_reset(s);
}

static const struct {
	enum stor_state state; /* in which it is allowed */
	int (*fn)(struct stor *s, struct stor_req *r);
} table[] = {
	[VSTOR_RESET_LUN] = {STOR_READY, on_reset},
	[VSTOR_RESET_ADAPTER] = {STOR_READY, on_reset},
	[VSTOR_RESET_BUS] = {STOR_READY, on_reset},
	[VSTOR_BEGIN_INITIALIZATION] = {STOR_BEGIN, on_begin},
	[VSTOR_END_INITIALIZATION] = {STOR_END, on_end},
	[VSTOR_QUERY_PROTOCOL_VERSION] = {STOR_VERSION, on_version},
	[VSTOR_QUERY_PROPERTIES] = {STOR_PROPERTIES, on_properties},
};

static int dispatch(struct stor *s, struct stor_slot *slot)
{
	uint32_t op = slot->req.pkt.operation;
	enum stor_state want = STOR_READY;
	bool is_known = op < sizeof(table) / sizeof(table[0]) && table[op].fn;

	if (is_known)
		want = table[op].state;
	if (s->state != want)
		return err_set(-EPROTO, "operation %u is out of order", op);
	if (op == VSTOR_EXECUTE_SRB)
		return on_srb(s, slot);
	return is_known ? table[op].fn(s, &slot->req)
			: answer(s, &slot->req, VSTOR_STATUS_NOT_SUPPORTED);
}

static int stor_packet(struct vsp_chan *ch, const struct vmbus_pkt_desc *d, const uint8_t *pkt,
		       int64_t now_ms)
{
	struct stor *s = ch->self;
	struct stor_slot *slot = s->free; /* there is one: stor_may_take() */
	int rc = stor_req_parse(&slot->req, ch->v->gm, d, pkt);

	return rc ? rc : dispatch(s, slot);
}

static enum vsp_take stor_may_take(struct vsp_chan *ch)
{
	struct stor *s = ch->self;

	if (s->has_reset || s->nr_inflight >= s->depth || !s->free)
		return VSP_TAKE_LATER;
	ch->want = (s->nr_inflight + 1) * ANSWER_SIZE;
	return vsp_chan_room(ch) < (int32_t)ch->want ? VSP_TAKE_NO_ROOM : VSP_TAKE_YES;
}

static int stor_opened(struct vsp_chan *ch, int64_t now_ms)
{
	struct stor *s = ch->self;
	uint32_t fits = (ch->out.size - 16) / ANSWER_SIZE - 1;

	s->depth = fits < REQS_MAX ? fits : REQS_MAX;
	s->state = STOR_BEGIN;
	s->nr_inflight = 0;
	s->has_reset = false;
	return 0;
}

static void stor_closed(struct vsp_chan *ch)
{
	struct stor *s = ch->self;

	s->state = STOR_CLOSED;
}

static void stor_offer_cfg(const struct vsp_chan *ch, struct vmbus_local_cfg *out)
{
	const struct stor *s = ch->self;

	*out = (struct vmbus_local_cfg){.if_type = VSTOR_CLASS, .if_instance = s->instance};
}

static const struct vsp_dev stor_dev = {
	.offer_cfg = stor_offer_cfg,
	.opened = stor_opened,
	.closed = stor_closed,
	.may_take = stor_may_take,
	.packet = stor_packet,
};

/* ---- Life ----------------------------------------------------------------------------------- */

/* FNV-1a: stable identities from a name, no secret. */
static uint64_t hash(const char *text, uint64_t salt)
{
	uint64_t h = 0xcbf29ce484222325ull ^ salt;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ull;
	return h;
}

static void identify(struct stor *s, const char *id)
{
	uint64_t a = hash(id, 0x5c51), b = hash(id, 0x6e6574687673ull);

	s->target.id = b;
	s->instance.data1 = (uint32_t)a;
	s->instance.data2 = (uint16_t)(a >> 32);
	s->instance.data3 =
		(uint16_t)((a >> 48 & 0x0FFF) | 0x8000); /* version 8: made by a rule of ours */
	memcpy(s->instance.data4, &b, sizeof(b));
	s->instance.data4[0] = (uint8_t)((s->instance.data4[0] & 0x3F) | 0x80);
}

int stor_create(struct stor **out, struct vsp *v, const struct vsp_cfg *cfg)
{
	struct stor *s;
	int rc;

	*out = NULL;
	if (cfg->nr_disks > VSP_DISKS_MAX)
		return err_set(-EINVAL, "%u disks, at most %u are possible", cfg->nr_disks,
			       VSP_DISKS_MAX);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_sys(-ENOMEM, "disks");
	*out = s;
	identify(s, cfg->id);
	s->target.max_transfer = STOR_MAX_TRANSFER;
	for (; s->nr_disks < cfg->nr_disks; s->nr_disks++) {
		const struct vsp_disk_cfg *d = &cfg->disk[s->nr_disks];

		rc = disk_open(&s->target.lun[s->nr_disks], d->path, d->readonly);
		if (rc)
			return rc;
	}
	for (uint32_t i = 0; i < REQS_MAX; i++) {
		s->slot[i].s = s;
		s->slot[i].job.job.run = run;
		s->slot[i].job.done = on_done;
		s->slot[i].job.release = on_release;
		on_release(&s->slot[i].job);
	}
	s->ch = vsp_add(v, "scsi", &stor_dev, s);
	for (uint32_t i = 0; i < REQS_MAX; i++)
		s->slot[i].job.ch = s->ch;
	return 0;
}

void stor_destroy(struct stor *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->nr_disks; i++)
		disk_close(s->target.lun[i]);
	free(s);
}

void stor_status(const struct stor *s, struct vsp_status *out)
{
	out->scsi_state = s->ch->state == VSP_CHAN_FAULTED ? "faulted"
			  : s->state == STOR_CLOSED	   ? "closed"
			  : s->state == STOR_READY	   ? "ready"
							   : "negotiating";
	out->nr_disks = s->nr_disks;
	for (uint32_t i = 0; i < s->nr_disks; i++) {
		const struct disk *d = s->target.lun[i];
		struct disk_counters n;

		disk_counters(d, &n);
		out->disk[i] = (struct vsp_disk_status){
			.path = disk_path(d),
			.readonly = disk_is_readonly(d),
			.can_discard = disk_can_discard(d),
			.bytes = disk_blocks(d) * DISK_BLOCK,
			.reads = n.reads,
			.writes = n.writes,
			.flushes = n.flushes,
			.discards = n.discards,
			.bytes_read = n.bytes_read,
			.bytes_written = n.bytes_written,
			.errors = n.errors,
		};
	}
}
