/* SPDX-License-Identifier: BSD-3-Clause */
/* The shortest filter: ingress only, reads nothing. */
#include "testext.h"

NV_EXTENSION{FILTER("pass")};

NV_SEC("ingress") int pass(const struct nv_ctx *c)
{
	return NV_PASS;
}
