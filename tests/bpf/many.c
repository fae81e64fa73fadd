/* SPDX-License-Identifier: BSD-3-Clause */
/* As many ways as there may be: librte_bpf's verifier walks all of them, and must come to an end. */
#include "testext.h"

NV_EXTENSION { FILTER("many") };

#define BRANCH(n)                                                     \
	if (c->bytes[n] > 3)                                          \
		asm volatile("%0 += %1" : "+r"(x) : "i"(1 << (n))); \
	else                                                          \
		asm volatile("%0 *= %1" : "+r"(x) : "i"(3 + n));

NV_SEC("ingress") int in(const struct nv_ctx *c)
{
	nv_u64 x = c->len;

	BRANCH(0) BRANCH(1) BRANCH(2) BRANCH(3) BRANCH(4) BRANCH(5) BRANCH(6) BRANCH(7)
	BRANCH(8) BRANCH(9) BRANCH(10) BRANCH(11) BRANCH(12) BRANCH(13) BRANCH(14) BRANCH(15)
#ifdef TOO_MANY
	BRANCH(16) BRANCH(17) BRANCH(18) /* HERE too_many */
#endif
	return x == 12345 ? NV_DROP(0) : NV_PASS;
}
