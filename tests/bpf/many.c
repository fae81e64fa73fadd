/* SPDX-License-Identifier: BSD-3-Clause */
/* As many ways as there may be: librte_bpf's verifier walks all of them, and must come to an end. */
#include "testext.h"

NV_EXTENSION{FILTER("many")};

#define BRANCH(n)                                                                \
	do {                                                                     \
		if (c->bytes[n] > 3)                                             \
			asm volatile("%0 += %1" : "+r"(x) : "i"(1 << ((n)&15))); \
		else                                                             \
			asm volatile("%0 *= %1" : "+r"(x) : "i"(3 + (n)));       \
	} while (0)
#define BRANCH4(n)             \
	do {                   \
		BRANCH(n);     \
		BRANCH(n + 1); \
		BRANCH(n + 2); \
		BRANCH(n + 3); \
	} while (0)

NV_SEC("ingress") int in(const struct nv_ctx *c)
{
	nv_u64 x = c->len;

	BRANCH4(0);
	BRANCH4(4);
	BRANCH4(8);
	BRANCH4(12);
#ifdef TOO_MANY
	BRANCH4(16); /* HERE too_many */
#endif
	return x == 12345 ? NV_DROP(0) : NV_PASS;
}
