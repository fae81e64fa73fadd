/* SPDX-License-Identifier: BSD-3-Clause */
/* A capture on both ways that counts packets and bytes. What it returns would be a verdict. */
#include "testext.h"

enum { PACKETS, BYTES, EGRESS };

NV_EXTENSION{
	NV_HEAD,
	.cls = NV_CAPTURE,
	.name = "count-all",
	.version = "2.1",
	.summary = "counts",
	.guid = GUID,
	.flags = NV_PLAIN,
	.counters = {"packets", "bytes", "egress"},
};

NV_SEC("ingress") int in(const struct nv_ctx *c)
{
	nv_count(c, PACKETS, 1);
	nv_count(c, BYTES, c->len);
	return 7;
}

NV_SEC("egress") int out(const struct nv_ctx *c)
{
	nv_count(c, EGRESS, c->is_egress + c->ndst * 10 + c->dst_port * 1000);
	return 7;
}
