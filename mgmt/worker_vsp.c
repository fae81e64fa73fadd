/* SPDX-License-Identifier: BSD-3-Clause */
/* What the worker serves its partition itself: disks and integration components, and what they tell. */
#include "mgmt/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "base/log.h"

#define HEARTBEAT_LOST_MS 10000 /* five are missing */

/* ---- The bus -------------------------------------------------------------------------------- */

static int offer(void *ctx, const struct vmbus_local_cfg *cfg, const struct vmbus_local_ops *ops,
		 void *chan)
{
	return vmbus_server_offer_local(((struct worker *)ctx)->server, cfg, ops, chan);
}

static void rescind(void *ctx, uint32_t relid)
{
	vmbus_server_rescind_local(((struct worker *)ctx)->server, relid);
}

static void fault(void *ctx, uint32_t relid, const char *why)
{
	vmbus_server_fault_local(((struct worker *)ctx)->server, relid, why);
}

static int doorbell_fd(void *ctx, uint32_t relid)
{
	return hv_doorbell_fd(((struct worker *)ctx)->hv, relid);
}

/* The server checked @vp when the channel was opened. */
static void raise_flag(void *ctx, uint32_t vp, uint32_t relid)
{
	hv_signal_event_flag(((struct worker *)ctx)->hv, vp, HV_SINT_VMBUS, relid);
}

static uint64_t ref_time(void *ctx)
{
	return hv_ref_time(((struct worker *)ctx)->hv);
}

const struct vsp_ops worker_bus_ops = {
	.offer = offer,
	.rescind = rescind,
	.fault = fault,
	.doorbell_fd = doorbell_fd,
	.signal = raise_flag,
	.ref_time = ref_time,
};

/* ---- Life ----------------------------------------------------------------------------------- */

int worker_vsp_build(struct worker *w)
{
	const struct mgmt_partition *part = w->part;
	struct vsp_disk_cfg disk[MGMT_DISKS_MAX];
	char id[2 * MGMT_NAME_MAX + 2];
	struct vsp_cfg cfg = {
		.name = part->name,
		.id = id,
		.gm = hv_gmem(w->hv),
		.disk = disk,
		.nr_disks = part->disks_count,
		.has_integration = part->integration,
	};

	if (!part->disks_count && !part->integration)
		return 0;
	if (part->disks_count > MGMT_DISKS_MAX)
		return err_set(-EINVAL, "%u disks, at most %u are possible", part->disks_count,
			       MGMT_DISKS_MAX);
	snprintf(id, sizeof(id), "%s/%s", w->child.cfg->name, part->name);
	for (uint32_t i = 0; i < part->disks_count; i++)
		disk[i] = (struct vsp_disk_cfg){part->disks[i].path, part->disks[i].readonly};
	return vsp_create(&w->vsp, &cfg, &worker_bus_ops, w);
}

static void tell_answer(struct worker *w)
{
	enum vsp_answer answer = vsp_shutdown_answer(w->vsp);

	if (answer == w->shutdown_answer)
		return;
	if (answer == VSP_ANSWER_ACCEPTED)
		log_info(w->part->name, "the guest goes down as it was asked to");
	else if (answer == VSP_ANSWER_REFUSED)
		log_warn(w->part->name, "the guest refuses to go down");
	w->shutdown_answer = answer;
}

static void on_vsp(void *ctx, uint32_t events)
{
	struct worker *w = ctx;

	vsp_process(w->vsp);
	tell_answer(w);
}

int worker_vsp_start(struct worker *w)
{
	w->vsp_src = (struct loop_src){-1, on_vsp, w};
	return w->vsp ? loop_add(&w->child.loop, &w->vsp_src, vsp_fd(w->vsp), EPOLLIN) : 0;
}

void worker_vsp_demolish(struct worker *w)
{
	if (!w->vsp)
		return;
	loop_del(&w->child.loop, &w->vsp_src);
	vsp_destroy(w->vsp);
	w->vsp = NULL;
}

int worker_vsp_shutdown(struct worker *w, bool is_reboot)
{
	int rc;

	if (!w->vsp || !w->part->integration)
		return err_set(-EOPNOTSUPP,
			       "partition %s has no shutdown component (key integration); "
			       "--now ends it without asking",
			       w->part->name);
	rc = vsp_shutdown(w->vsp, is_reboot ? VSP_SHUTDOWN_REBOOT : VSP_SHUTDOWN_OFF);
	if (rc)
		err_prefix("partition %s", w->part->name);
	else
		w->shutdown_answer = VSP_ANSWER_WAITING;
	return rc;
}

/* ---- Status --------------------------------------------------------------------------------- */

static const char *pair(const struct vsp_status *st, const char *key)
{
	for (uint32_t i = 0; i < st->nr_kvp; i++) {
		if (!strcmp(st->kvp[i].key, key))
			return st->kvp[i].value;
	}
	return "";
}

/* The addresses of a list parted by semicolons. */
static void add_ips(json_t *list, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, ";");

		if (n)
			json_array_append_new(list, json_stringn(text, n));
		text += n + (text[n] == ';');
	}
}

static json_t *services_json(const struct vsp_status *st)
{
	json_t *list = json_array();

	for (int i = 0; i < VSP_IC_NR; i++) {
		const struct vsp_ic_status *ic = &st->ic[i];
		char version[16];

		snprintf(version, sizeof(version), "%u.%u", ic->msg_major, ic->msg_minor);
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I}", "name", ic->name,
						      "state", ic->state, "version", version,
						      "answers", (json_int_t)ic->answers));
	}
	return list;
}

static json_t *integration_json(const struct vsp_status *st)
{
	json_t *ips = json_array(), *pairs = json_object(), *o;
	char heart[48] = "none";

	if (st->heartbeat_ago_ms > HEARTBEAT_LOST_MS)
		snprintf(heart, sizeof(heart), "lost %lld s ago",
			 (long long)st->heartbeat_ago_ms / 1000);
	else if (st->heartbeat_ago_ms >= 0)
		snprintf(heart, sizeof(heart), "ok");
	add_ips(ips, pair(st, "NetworkAddressIPv4"));
	add_ips(ips, pair(st, "NetworkAddressIPv6"));
	for (uint32_t i = 0; i < st->nr_kvp; i++)
		json_object_set_new(pairs, st->kvp[i].key, json_string(st->kvp[i].value));
	o = json_pack("{s:s, s:I, s:i, s:s, s:s, s:o, s:o, s:o}", "heartbeat", heart,
		      "heartbeat_ago_ms", (json_int_t)st->heartbeat_ago_ms, "application_state",
		      (int)st->heartbeat_app_state, "name", pair(st, "FullyQualifiedDomainName"),
		      "os", pair(st, "OSName"), "ips", ips, "pairs", pairs, "services",
		      services_json(st));
	return o;
}

static json_t *disks_json(const struct vsp_status *st)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < st->nr_disks; i++) {
		const struct vsp_disk_status *d = &st->disk[i];

		json_array_append_new(
			list,
			json_pack("{s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "path",
				  d->path, "readonly", d->readonly, "state", st->scsi_state,
				  "bytes", (json_int_t)d->bytes, "reads", (json_int_t)d->reads,
				  "writes", (json_int_t)d->writes, "flushes",
				  (json_int_t)d->flushes, "discards", (json_int_t)d->discards,
				  "bytes_read", (json_int_t)d->bytes_read, "bytes_written",
				  (json_int_t)d->bytes_written, "errors", (json_int_t)d->errors));
	}
	return list;
}

void worker_vsp_add_json(struct worker *w, json_t *o)
{
	struct vsp_status *st;

	if (!w->vsp)
		return;
	st = malloc(sizeof(*st));
	if (!st)
		return;
	vsp_status(w->vsp, st);
	if (st->nr_disks)
		json_object_set_new(o, "disks", disks_json(st));
	if (st->has_integration)
		json_object_set_new(o, "integration", integration_json(st));
	free(st);
}
