/* SPDX-License-Identifier: BSD-3-Clause */
/* When VFs come and go; what a single one is made of is worker_vfdev.c's. */
#include "mgmt/worker_vf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nethv/abi/vmbus.h>

#include "base/err.h"
#include "base/gmem.h"
#include "base/log.h"
#include "mgmt/worker.h"
#include "mgmt/worker_vfdev.h"

#define LEAVE_MS 5000 /* for the data path to leave the VF: a switch is restarted within that */

/* How long the guest may take to let go is the supervisor's to know. */
enum vf_state { VF_OFFERED, VF_LEAVING, VF_EJECTING };

static const char *const state_word[] = {"offered", "leaving", "ejecting"};

/* The VF of an adapter. */
struct vf {
	bool is_used;
	struct vfdev *dev;
	uint32_t nic, serial;
	enum vf_state state;
	int64_t until_ms; /* LEAVING */
	char why[200];	  /* what went wrong with it */
};

struct worker_vfs {
	struct vfio_ctx *vfio; /* while there is a VF */
	struct vf vf[MGMT_NICS_MAX];
};

/* ---- Adapters ------------------------------------------------------------------------------- */

/* The adapter of a channel that is the primary one of an adapter of the switch; else -1. */
static int nic_at(const struct vmbus_server_chan_status *ch)
{
	const struct vmbus_guid net = VMBUS_CLASS_NIC;

	if (ch->sub_index || ch->is_rescinded || memcmp(&ch->if_type, &net, sizeof(net)) != 0)
		return -1;
	return ch->if_instance.data2 & 0xff;
}

static int nic_of(struct worker *w, uint32_t relid)
{
	struct vmbus_server_chan_status ch;

	for (uint32_t at = 0; vmbus_server_chan_next(w->server, at, &ch); at = ch.relid)
		if (ch.relid == relid)
			return nic_at(&ch);
	return -1;
}

/* The primary channel of an adapter, 0 while the switch offers none. */
static uint32_t relid_of(struct worker *w, uint32_t nic)
{
	struct vmbus_server_chan_status ch;

	for (uint32_t at = 0; vmbus_server_chan_next(w->server, at, &ch); at = ch.relid)
		if (nic_at(&ch) == (int)nic)
			return ch.relid;
	return 0;
}

static struct vf *vf_of(struct worker *w, uint32_t nic)
{
	for (unsigned int i = 0; i < MGMT_NICS_MAX; i++)
		if (w->vfs->vf[i].is_used && w->vfs->vf[i].nic == nic)
			return &w->vfs->vf[i];
	return NULL;
}

/* What the supervisor calls the adapter. */
static json_t *name_of(struct worker *w, uint32_t nic)
{
	return json_sprintf("%s/%u", w->part->name, nic);
}

/* @why may be empty. */
static void say(struct worker *w, const struct vf *vf, const char *state, const char *why)
{
	json_t *o = json_pack("{s:o, s:I, s:s}", "nic", name_of(w, vf->nic), "serial",
			      (json_int_t)vf->serial, "state", state);

	if (why[0])
		json_object_set_new(o, "why", json_string(why));
	child_say(&w->child, "vf_state", o);
}

static void associate(struct worker *w, const struct vf *vf, bool is_allocated)
{
	uint32_t relid = relid_of(w, vf->nic);

	if (relid && vmbus_server_vf_set(w->server, relid, vf->serial, is_allocated))
		log_warn(w->part->name, "adapter %u: %s", vf->nic, err_text());
}

/* Memory is pinned only while there is a VF. */
static void vfio_release(struct worker *w)
{
	for (unsigned int i = 0; i < MGMT_NICS_MAX; i++)
		if (w->vfs->vf[i].is_used)
			return;
	vfio_close(w->vfs->vfio);
	w->vfs->vfio = NULL;
}

/* ---- A VF goes ------------------------------------------------------------------------------ */

/* The function is taken from the guest and reset; nothing of it is left here. */
static void vf_end(struct worker *w, struct vf *vf)
{
	if (vfdev_destroy(vf->dev))
		log_warn(w->part->name, "%s", err_text());
	say(w, vf, "gone", vf->why);
	vf->is_used = false;
	vfio_release(w);
}

static void eject(struct worker *w, struct vf *vf)
{
	vf->state = VF_EJECTING;
	if (vfdev_eject(vf->dev)) {
		log_warn(w->part->name, "%s", err_text());
		vf_end(w, vf);
	}
}

static void leave(struct worker *w, struct vf *vf)
{
	if (vf->state != VF_OFFERED)
		return;
	vf->state = VF_LEAVING;
	vf->until_ms = loop_now_ms() + LEAVE_MS;
	associate(w, vf, false);
	if (!relid_of(w, vf->nic)) /* no adapter, no path */
		eject(w, vf);
}

/* It is gone, or must go now: the path follows. */
static void surprise(struct worker *w, struct vf *vf)
{
	if (vf->state == VF_OFFERED)
		associate(w, vf, false);
	vfdev_surprise(vf->dev);
	vf_end(w, vf);
}

void worker_vf_tick(struct worker *w)
{
	int64_t now = loop_now_ms();

	for (unsigned int i = 0; w->vfs && i < MGMT_NICS_MAX; i++) {
		struct vf *vf = &w->vfs->vf[i];

		if (vf->is_used && vf->state == VF_LEAVING && now >= vf->until_ms)
			eject(w, vf);
	}
}

/* ---- What the device tells (ctl) ------------------------------------------------------------ */

static void on_ejected(void *ctx, uint32_t nic)
{
	struct worker *w = ctx;
	struct vf *vf = vf_of(w, nic);

	if (vf)
		vf_end(w, vf);
}

static void on_d0(void *ctx, uint32_t nic, bool is_d0)
{
	struct worker *w = ctx;
	struct vf *vf = vf_of(w, nic);

	if (vf && vf->state == VF_OFFERED)
		say(w, vf, is_d0 ? "guest" : "offered", "");
}

static void on_lost(void *ctx, uint32_t nic, const char *why)
{
	struct worker *w = ctx;
	struct vf *vf = vf_of(w, nic);

	if (!vf)
		return;
	log_warn(w->part->name, "adapter %u: its VF is lost: %s", nic, why);
	snprintf(vf->why, sizeof(vf->why), "%s", why);
	say(w, vf, "lost", vf->why);
	surprise(w, vf);
}

static const struct vfdev_ops dev_ops = {
	.ejected = on_ejected, .d0_changed = on_d0, .lost = on_lost};

/* ---- Requests of the supervisor ------------------------------------------------------------- */

static int add(struct worker *w, uint32_t nic, const char *bdf, uint32_t serial)
{
	struct worker_vfs *vfs = w->vfs;
	struct vf *vf = NULL;
	int rc = 0;

	if (vf_of(w, nic))
		return err_set(-EEXIST, "adapter %s/%u has a VF already", w->part->name, nic);
	for (unsigned int i = 0; i < MGMT_NICS_MAX && !vf; i++)
		if (!vfs->vf[i].is_used)
			vf = &vfs->vf[i];
	if (!vf)
		return err_set(-ENOSPC, "partition %s has %u VFs", w->part->name, MGMT_NICS_MAX);
	if (!vfs->vfio)
		rc = vfdev_vfio_open(&vfs->vfio, w);
	if (rc)
		return rc;
	*vf = (struct vf){.is_used = true, .nic = nic, .serial = serial, .state = VF_OFFERED};
	/* The adapter hears of it first: when the function appears, the driver in the guest looks for the
	 * association. */
	associate(w, vf, true);
	rc = vfdev_create(&vf->dev, w, vfs->vfio, bdf, nic, serial, &dev_ops);
	if (rc) {
		associate(w, vf, false);
		vf->is_used = false;
		vfio_release(w);
		return rc;
	}
	return 0;
}

/* The number of the adapter that the supervisor means, or -EINVAL. It may be newer than our configuration. */
static int nic_named(struct worker *w, const char *name)
{
	size_t n = strlen(w->part->name);
	unsigned int nic;
	char rest;

	if (!strncmp(name, w->part->name, n) && name[n] == '/' &&
	    sscanf(name + n + 1, "%3u%c", &nic, &rest) == 1 && nic <= UINT8_MAX)
		return (int)nic;
	return err_set(-EINVAL, "no adapter %s", name);
}

static int on_add(struct worker *w, json_t *params, json_t **result)
{
	const char *name, *bdf;
	json_int_t serial;
	int nic;

	if (json_unpack(params, "{s:s, s:s, s:I}", "nic", &name, "bdf", &bdf, "serial", &serial) ||
	    serial <= 0 || serial > UINT32_MAX)
		return err_set(-EINVAL, "vf_add: wants nic, bdf and serial");
	nic = nic_named(w, name);
	return nic < 0 ? nic : add(w, (uint32_t)nic, bdf, (uint32_t)serial);
}

/* What is gone already was told as gone, or will be. */
static int on_remove(struct worker *w, json_t *params, json_t **result)
{
	const char *name, *how;
	struct vf *vf;
	int nic;

	if (json_unpack(params, "{s:s, s:s}", "nic", &name, "how", &how))
		return err_set(-EINVAL, "vf_remove: wants nic and how");
	nic = nic_named(w, name);
	if (nic < 0)
		return nic;
	vf = vf_of(w, (uint32_t)nic);
	if (vf && !strcmp(how, "surprise"))
		surprise(w, vf);
	else if (vf)
		leave(w, vf);
	*result = json_pack("{s:b}", "gone", vf_of(w, (uint32_t)nic) == NULL);
	return 0;
}

int worker_vf_call(struct worker *w, const char *method, json_t *params, json_t **result)
{
	static const struct {
		const char *method;
		int (*fn)(struct worker *w, json_t *params, json_t **result);
	} calls[] = {{"vf_add", on_add}, {"vf_remove", on_remove}};

	*result = NULL;
	for (unsigned int i = 0; w->vfs && i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(method, calls[i].method))
			return calls[i].fn(w, params, result);
	return err_set(-ENOSYS, "no such method");
}

/* ---- Upward calls of the VMBus server ------------------------------------------------------- */

/* A new switch, or a new channel: it is told again. */
void worker_vf_offered(struct worker *w, uint32_t relid)
{
	int nic = nic_of(w, relid);
	struct vf *vf = w->vfs && nic >= 0 ? vf_of(w, (uint32_t)nic) : NULL;

	if (vf && vf->state == VF_OFFERED)
		associate(w, vf, true);
}

/* A question of the switch that the supervisor was asked. */
struct path_ask {
	struct worker *w;
	uint32_t nic, ticket;
	bool is_vf;
};

/* The NIC's filters are as the switch asked, or cannot be made so. */
static void on_path_answer(void *ctx, int rc, const char *text, json_t *result)
{
	struct path_ask *a = ctx;
	struct vf *vf = vf_of(a->w, a->nic);

	if (a->ticket)
		vmbus_server_path_done(a->w->server, a->ticket, rc, text);
	if (vf && vf->state == VF_LEAVING && !a->is_vf && !rc)
		eject(a->w, vf);
	free(a);
}

void worker_vf_path(struct worker *w, uint32_t relid, bool is_vf, uint32_t ticket)
{
	int nic = nic_of(w, relid), rc;
	struct path_ask *a;

	if (!w->vfs || nic < 0) {
		if (ticket)
			vmbus_server_path_done(w->server, ticket, is_vf ? -ENODEV : 0,
					       "the adapter has no VF (key sriov)");
		return;
	}
	a = malloc(sizeof(*a));
	rc = a ? 0 : err_set(-ENOMEM, "%s/%d: data path", w->part->name, nic);
	if (a) {
		*a = (struct path_ask){w, (uint32_t)nic, ticket, is_vf};
		rc = child_ask(&w->child, "vf_path",
			       json_pack("{s:o, s:b}", "nic", name_of(w, a->nic), "is_vf", is_vf),
			       on_path_answer, a);
	}
	if (rc && ticket)
		vmbus_server_path_done(w->server, ticket, rc, err_text());
	if (rc)
		free(a);
}

void worker_vf_unwanted(struct worker *w, uint32_t relid, const char *why)
{
	int nic = nic_of(w, relid);
	struct vf *vf = w->vfs && nic >= 0 ? vf_of(w, (uint32_t)nic) : NULL;

	if (vf)
		say(w, vf, "unwanted", why);
}

/* ---- Life, status --------------------------------------------------------------------------- */

int worker_vf_build(struct worker *w)
{
	w->vfs = calloc(1, sizeof(*w->vfs));
	return w->vfs ? 0 : err_set(-ENOMEM, "partition %s: virtual functions", w->part->name);
}

void worker_vf_demolish(struct worker *w)
{
	for (unsigned int i = 0; w->vfs && i < MGMT_NICS_MAX; i++)
		if (w->vfs->vf[i].is_used)
			vf_end(w, &w->vfs->vf[i]);
	free(w->vfs);
	w->vfs = NULL;
}

void worker_vf_add_json(struct worker *w, json_t *o)
{
	json_t *list;

	if (!w->vfs)
		return;
	list = json_array();
	for (unsigned int i = 0; i < MGMT_NICS_MAX; i++) {
		const struct vf *vf = &w->vfs->vf[i];
		json_t *one;

		if (!vf->is_used)
			continue;
		one = vfdev_json(vf->dev);
		json_object_set_new(one, "nic", json_integer(vf->nic));
		json_object_set_new(one, "state", json_string(state_word[vf->state]));
		json_array_append_new(list, one);
	}
	json_object_set_new(o, "vfs", list);
}
