// SPDX-License-Identifier: BSD-3-Clause
/* Saving and restoring the run-time data of an adapter. */
#include "vswitch/ext/rtd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/objects_priv.h"

/* One save or restore at a time for an adapter (RTD-2); others may go on meanwhile. */
static int begin(struct vsw_objs *o, uint16_t port, uint16_t nic, unsigned int kind)
{
	int rc = obj_check(o, port, nic, kind);
	struct obj_port *p;

	if (rc)
		return rc;
	p = o->port[port];
	if (p->in_transit >> nic & 1)
		return err_set(-EBUSY, "port %s: adapter %u is being saved or restored",
			       p->info.name, nic);
	p->in_transit |= 1ull << nic;
	obj_enter(o);
	return 0;
}

static int end(struct vsw_objs *o, struct obj_port *p, uint16_t nic, unsigned int kind, int rc)
{
	char *text = rc ? strdup(err_text()) : NULL;

	p->in_transit &= ~(1ull << nic);
	obj_tell(o, p, kind, nic);
	if (text)
		err_set(rc, "%s", text);
	free(text);
	return obj_leave(o, rc);
}

/* Appends a blob; an extension that answers the same twice would do so for ever. */
static int blob_take(struct vsw_objs *o, struct vsw_rtd *out, const struct vsw_objs_ext *x,
		     const struct nethv_event *ev, void *data, size_t len)
{
	struct vsw_blob b = {.port = ev->port->port,
			     .nic = ev->nic,
			     .version = x->state_version,
			     .ext = x->guid,
			     .feature = ev->feature,
			     .len = (uint32_t)len,
			     .data = data};
	int rc;

	memcpy(b.name, x->name, sizeof(b.name) - 1);
	rc = vsw_rtd_add(out, &b);
	free(data);
	if (rc == -EEXIST) {
		o->ops->broken(o->ctx, x->owner, "RTD-1",
			       "answers NIC_SAVE twice with the same feature");
		err_set(-EMSGSIZE, "port %s: extension %s: no end of its run-time data",
			ev->port->name, x->name);
		rc = -EMSGSIZE;
	}
	return rc;
}

/* Asks each once, from the top, until one answers. 1: somebody did. */
static int save_round(struct vsw_objs *o, struct obj_port *p, uint16_t nic, struct vsw_rtd *out)
{
	struct vsw_objs_ext ext[VSW_EXTS_MAX];
	unsigned int i, n = obj_stack(o, ext);
	struct nethv_port_info info;
	struct nethv_event ev;
	void *data;
	size_t len;
	int rc;

	for (i = 0; i < n; i++) {
		ev = obj_event(p, NETHV_EV_NIC_SAVE, nic, &info);
		rc = obj_ask(o, &ext[i], &ev, &data, &len);
		if (rc < 0)
			return rc;
		if (rc == NETHV_EV_DONE) {
			rc = blob_take(o, out, &ext[i], &ev, data, len);
			return rc ? rc : 1;
		}
	}
	return 0;
}

static int save(struct vsw_objs *o, struct obj_port *p, uint16_t nic, struct vsw_rtd *out)
{
	struct vsw_blob b;
	unsigned int i;
	int rc;

	do {
		if (out->n >= VSW_BLOBS_NIC_MAX || out->bytes > VSW_RTD_NIC_MAX)
			return err_set(
				-EMSGSIZE,
				"port %s: run-time data of adapter %u: %u blobs, %zu bytes; %u, %u are the most",
				p->info.name, nic, out->n, out->bytes, VSW_BLOBS_NIC_MAX,
				VSW_RTD_NIC_MAX);
		rc = save_round(o, p, nic, out);
	} while (rc == 1);
	for (i = 0; i < p->kept.n && rc == 0; i++) {
		b = p->kept.blob[i];
		if (b.nic == nic && !vsw_rtd_find(out, &b))
			rc = vsw_rtd_add(out, &b);
	}
	return rc;
}

static int append(struct vsw_rtd *out, const struct vsw_rtd *more)
{
	unsigned int i, n = out->n;
	int rc = 0;

	for (i = 0; i < more->n && rc == 0; i++)
		rc = vsw_rtd_add(out, &more->blob[i]);
	while (rc && out->n > n) {
		out->n--;
		out->bytes -= out->blob[out->n].len;
		free(out->blob[out->n].data);
	}
	return rc;
}

int vsw_objs_save(struct vsw_objs *o, uint16_t port, uint16_t nic, struct vsw_rtd *out)
{
	struct vsw_rtd r = {0};
	int rc = begin(o, port, nic, NETHV_EV_NIC_SAVE);

	if (rc)
		return rc;
	rc = save(o, o->port[port], nic, &r);
	if (rc == 0)
		rc = append(out, &r);
	vsw_rtd_free(&r);
	return end(o, o->port[port], nic, NETHV_EV_NIC_SAVE_COMPLETE, rc);
}

/* ---- Restore --------------------------------------------------------------------------------- */

/* 0: nobody took it. 1: taken. -EBADMSG (text set): its extension could not read it. */
static int restore_to(struct vsw_objs *o, const struct vsw_objs_ext *x, struct obj_port *p,
		      uint16_t nic, const struct vsw_blob *b)
{
	struct nethv_port_info info;
	struct nethv_event ev = obj_event(p, NETHV_EV_NIC_RESTORE, nic, &info);
	char why[VSW_VETO_TEXT];
	int rc;

	ev.feature = b->feature;
	ev.number = b->version;
	ev.in = b->data;
	ev.in_len = b->len;
	rc = obj_deliver(o, x, &ev, why);
	if (rc == NETHV_EV_VETO)
		return err_set(-EBADMSG,
			       "port %s: extension %s cannot restore %u bytes of version %u: %s",
			       p->info.name, x->name, b->len, b->version,
			       why[0] ? why : "no reason given");
	return rc == NETHV_EV_DONE;
}

/* The instance of the same name first: two of one extension may both have saved something. */
static int restore_blob(struct vsw_objs *o, struct obj_port *p, uint16_t nic,
			const struct vsw_blob *b)
{
	struct vsw_objs_ext ext[VSW_EXTS_MAX];
	unsigned int i, pass, n = obj_stack(o, ext);
	int rc = 0;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < n && rc == 0; i++) {
			bool is_same = strncmp(ext[i].name, b->name, sizeof(b->name)) == 0;

			if (is_same == (pass == 0) &&
			    memcmp(&ext[i].guid, &b->ext, sizeof(b->ext)) == 0)
				rc = restore_to(o, &ext[i], p, nic, b);
		}
	}
	return rc;
}

static void forget(struct vsw_rtd *r, unsigned int i)
{
	r->bytes -= r->blob[i].len;
	free(r->blob[i].data);
	r->blob[i] = r->blob[--r->n];
}

static int keep(struct obj_port *p, uint16_t nic, const struct vsw_blob *b)
{
	const struct vsw_blob *old;
	struct vsw_blob mine = *b;

	mine.port = p->info.port;
	mine.nic = nic;
	old = vsw_rtd_find(&p->kept, &mine);
	if (old)
		forget(&p->kept, (unsigned int)(old - p->kept.blob));
	return vsw_rtd_add(&p->kept, &mine);
}

static int restore(struct vsw_objs *o, struct obj_port *p, uint16_t nic, const struct vsw_rtd *in,
		   uint16_t from_port)
{
	unsigned int i;
	int rc, first = 0;

	for (i = 0; i < in->n; i++) {
		const struct vsw_blob *b = &in->blob[i];

		if (b->port != from_port || b->nic != nic)
			continue;
		rc = restore_blob(o, p, nic, b);
		if (rc == 0)
			rc = keep(p, nic, b);
		if (rc < 0 && first == 0)
			first = rc;
	}
	return first;
}

int vsw_objs_restore(struct vsw_objs *o, uint16_t port, uint16_t nic, const struct vsw_rtd *in,
		     uint16_t from_port)
{
	int rc = begin(o, port, nic, NETHV_EV_NIC_RESTORE);

	if (rc)
		return rc;
	rc = restore(o, o->port[port], nic, in, from_port);
	return end(o, o->port[port], nic, NETHV_EV_NIC_RESTORE_COMPLETE, rc);
}

void obj_kept_drop(struct obj_port *p, uint16_t nic)
{
	unsigned int i = 0;

	while (i < p->kept.n) {
		if (p->kept.blob[i].nic == nic)
			forget(&p->kept, i);
		else
			i++;
	}
}
