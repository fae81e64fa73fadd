/* SPDX-License-Identifier: BSD-3-Clause */
/* Breaks the rules that only show when it runs: a verdict without a reason, a division by zero. */
#include "testext.h"

NV_EXTENSION{FILTER("wild")};

NV_SEC("ingress") int in(const struct nv_ctx *c)
{
	if (c->l4_dst_port == 1)
		return 70000;
	if (c->l4_dst_port == 2)
		return 1 + (int)(1000 / ((nv_u64)c->l4_src_port - 7)); /* a source port of 7 */
	return NV_PASS;
}
