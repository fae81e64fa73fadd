/* SPDX-License-Identifier: BSD-3-Clause */
/* An extension in the list becomes another one: configured anew, or replaced by another version that takes
 * over its state. Its place and its name stay; when that fails, the old one goes on. */
#include "vswitch/ext/ext.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

#define STATE_MAX (64u << 20)

/* ---- Configure ----------------------------------------------------------------------------- */

static int reload(struct vsw_ext *e, const char *config)
{
	struct vsw_ext_cfg cfg = {
		.path = e->path,
		.is_disabled = e->is_disabled,
		.is_fail_closed = e->is_fail_closed,
		.is_for_ports = e->is_for_ports,
		.budget_us = e->budget_us,
		.config = config,
		.imports = (const char *const *)e->imports,
	};

	memcpy(cfg.name, e->name, sizeof(cfg.name));
	memcpy(cfg.ports, e->ports, sizeof(cfg.ports));
	return vsw_ext_upgrade(e, &cfg);
}

int vsw_ext_configure(struct vsw_ext *e, const char *config)
{
	struct vsw_ctl_call c = {.e = e};
	json_t *before = e->cfg, *now;
	char *text;
	int rc;

	if (ext_is_faulted(e))
		return err_set(-EINVAL, "%s: detached after a fault; unload or upgrade it",
			       e->name);
	rc = vsw_keys_check(&now, &e->code->desc, config);
	if (rc)
		return rc;
	if (!e->code->desc.configure) {
		json_decref(now);
		return reload(e, config);
	}
	text = strdup(config && config[0] ? config : "{}");
	e->cfg = now;
	e->fail[0] = 0;
	vsw_ext_pause_begin(e->sw);
	if (text && vsw_ctl_configure(&c) && c.rc == 0) {
		free(e->config);
		e->config = text;
		json_decref(before);
		vsw_ext_pause_end(e, "configure");
		return 0;
	}
	e->cfg = before;
	json_decref(now);
	free(text);
	return vsw_ext_why(e, "configure");
}

/* ---- State --------------------------------------------------------------------------------- */

struct state {
	struct nethv_writer w;
	uint8_t *at;
	size_t len, max;
	bool is_full;
};

static int state_put(struct nethv_writer *w, const void *data, size_t len)
{
	struct state *s = w->priv;
	size_t want = s->len + len;

	if (len > STATE_MAX || want > STATE_MAX || want > s->max) {
		s->is_full = true;
		return NETHV_ENOROOM;
	}
	memcpy(s->at + s->len, data, len);
	s->len = want;
	return NETHV_OK;
}

/* The room is there before lcores stop: an untouched page costs nothing. */
static int state_create(struct state *s)
{
	memset(s, 0, sizeof(*s));
	s->w = (struct nethv_writer){.size = sizeof(s->w), .priv = s, .put = state_put};
	s->max = STATE_MAX;
	s->at = malloc(s->max);
	return s->at ? 0 : err_set(-ENOMEM, "extension: out of memory for its state");
}

/* The old one is not running, the new one not yet. Lcores stand still meanwhile, so the time is that of
 * their calls; who hands more over is given a larger budget. */
static int hand_over(struct vsw_ext *from, struct vsw_ext *to, struct state *s)
{
	uint32_t us = from->budget_us > to->budget_us ? from->budget_us : to->budget_us;
	uint64_t budget_ns = us * 1000ull * VSW_BUDGET_SCALE;
	struct vsw_ctl_call save = {.e = from, .w = &s->w, .budget_ns = budget_ns};
	struct vsw_ctl_call restore = {.e = to, .budget_ns = budget_ns};

	if (ext_is_faulted(from) || !from->code->desc.save || !to->code->desc.restore)
		return 0;
	if (!vsw_ctl_save(&save) || save.rc || s->is_full) {
		if (s->is_full)
			return err_set(-ENOSPC, "%s: its state has more than %u MiB", from->name,
				       STATE_MAX >> 20);
		return vsw_ext_why(from, "save");
	}
	restore.in = s->at;
	restore.in_len = s->len;
	restore.version = from->code->desc.state_version;
	if (!vsw_ctl_restore(&restore) || restore.rc)
		return vsw_ext_why(to, "restore");
	return 0;
}

/* ---- Upgrade ------------------------------------------------------------------------------- */

static int check_upgrade(const struct vsw_ext *from, const struct vsw_ext *to)
{
	const struct nethv_ext *a = &from->code->desc, *b = &to->code->desc;

	if (memcmp(&a->guid, &b->guid, sizeof(a->guid)) != 0 || a->cls != b->cls)
		return err_set(-EINVAL,
			       "%s: %s is another extension than %s: their GUIDs or classes "
			       "differ; unload and load instead",
			       from->name, b->name, a->name);
	return b->cls == NETHV_FORWARD && ext_is_faulted(from) && !to->is_disabled
		       ? vsw_ext_check_forwarder(from->sw->exts, from)
		       : 0;
}

/* The new snapshot is ready before lcores stop; they stop for as long as the state is handed over. */
static int swap(struct vsw_ext *from, struct vsw_ext *to, struct state *s)
{
	struct vsw_exts *x = from->sw->exts;
	unsigned int at = vsw_exts_place(x, from);
	struct vsw_snap *sn;
	int rc;

	x->e[at] = to;
	rc = vsw_snap_build(&sn, from->sw);
	if (rc) {
		x->e[at] = from;
		return rc;
	}
	vsw_direct_before(from->sw);
	vsw_park(from->sw);
	rc = hand_over(from, to, s);
	if (rc)
		x->e[at] = from;
	else
		sn = vsw_snap_exchange(from->sw, sn);
	vsw_unpark(from->sw);
	vsw_snap_retire(from->sw, sn);
	vsw_direct_after(from->sw);
	return rc;
}

int vsw_ext_upgrade(struct vsw_ext *e, const struct vsw_ext_cfg *cfg)
{
	struct vsw_ext *to;
	struct state s;
	int rc = state_create(&s);

	if (rc)
		return rc;
	rc = vsw_ext_create(&to, e->sw, cfg);
	if (rc) {
		free(s.at);
		return rc;
	}
	memcpy(to->name, e->name, sizeof(to->name));
	rc = check_upgrade(e, to);
	vsw_ext_pause_begin(e->sw);
	if (!rc) {
		vsw_ext_holds_end(e);
		rc = swap(e, to, &s);
	}
	free(s.at);
	if (rc) {
		vsw_ext_holds_begin(e);
		vsw_ext_end(to);
		return rc;
	}
	vsw_ext_pause_end(to, "upgrade");
	to->faults = e->faults;
	log_info(to->name, "%s instead of %s", to->code->desc.version, e->code->desc.version);
	vsw_ext_end(e);
	return 0;
}
