/* SPDX-License-Identifier: BSD-3-Clause */
/* Run-time data of adapters: what extensions want to be kept when a partition is saved or moved. Each
 * extension puts any number of blobs; they are restored to the extension of the same GUID, first to
 * the instance of the same name. What nobody here knows is kept with the adapter and saved again
 * (RTD-3). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nethv/extension.h>

struct vsw_objs;

#define VSW_BLOBS_NIC_MAX 256u	      /* of one adapter */
#define VSW_BLOBS_MAX	  4096u	      /* in one stream */
#define VSW_RTD_NIC_MAX	  (64u << 20) /* bytes of one adapter's blobs */

struct vsw_blob {
	uint16_t port; /* where it was saved */
	uint16_t nic;
	uint32_t version; /* of the extension's state */
	struct nethv_guid ext;
	struct nethv_guid feature;
	char name[32]; /* of the instance */
	uint32_t len;
	void *data;
};

/* A list of blobs. All zero: empty. */
struct vsw_rtd {
	struct vsw_blob *blob;
	unsigned int n, room;
	size_t bytes; /* of data */
};

void vsw_rtd_free(struct vsw_rtd *r); /* ctl.  Leaves it empty. */

/* ctl.  Appends copies; "same" means port, nic, ext, feature and name. 0, -EEXIST, -ENOMEM,
 * -EMSGSIZE (text set). */
int vsw_rtd_add(struct vsw_rtd *r, const struct vsw_blob *b);
const struct vsw_blob *vsw_rtd_find(const struct vsw_rtd *r, const struct vsw_blob *same);

/* ctl.  As one piece of memory, for a file or another host; the caller frees it. 0 or -ENOMEM. */
int vsw_rtd_pack(const struct vsw_rtd *r, void **out, size_t *len);
/* ctl.  The opposite. The input is not trusted. 0, -EBADMSG, -EMSGSIZE, -ENOMEM (text set; @out empty). */
int vsw_rtd_parse(struct vsw_rtd *out, const void *in, size_t len);

/* ctl.  Appends the run-time data of an adapter (created, connected or disconnected): NIC_SAVE until
 * nobody answers, then NIC_SAVE_COMPLETE. 0; -EPROTO (state), -EBUSY (this adapter is being saved or
 * restored, RTD-2), -EMSGSIZE, -ENOMEM (text set; @out as before). */
int vsw_objs_save(struct vsw_objs *o, uint16_t port, uint16_t nic, struct vsw_rtd *out);

/* ctl.  Hands those blobs of @in that were saved at @from_port, adapter @nic, to their extensions:
 * NIC_RESTORE each, then NIC_RESTORE_COMPLETE. Blobs that nobody took are kept. 0; -EPROTO, -EBUSY,
 * -ENOMEM; -EBADMSG (an extension could not read its blob; the others were restored). */
int vsw_objs_restore(struct vsw_objs *o, uint16_t port, uint16_t nic, const struct vsw_rtd *in,
		     uint16_t from_port);
