/* SPDX-License-Identifier: BSD-3-Clause */
/* An extension that a switch refuses: WRONG says why. */
#include <stdlib.h>

#include <nethv/extension.h>

#define IMPORT	    1
#define CONSTRUCTOR 2
#define ABI	    3
#define CLASS	    4
#define GUID	    5
#define HOLDS	    6

#if WRONG == CONSTRUCTOR
static int early;

static __attribute__((constructor)) void begin(void)
{
	early = 1;
}
#endif

static int create(const struct nethv_host *h, void **inst)
{
	*inst = (void *)(uintptr_t)h;
#if WRONG == CONSTRUCTOR
	return early - 1;
#elif WRONG == IMPORT
	return getenv("NO_SUCH_VARIABLE") ? h->fail(h, "the variable is set") : 0;
#else
	return 0;
#endif
}

NETHV_EXTENSION{
	.abi = WRONG == ABI ? NETHV_EXT_ABI + 1 : NETHV_EXT_ABI,
	.size = sizeof(struct nethv_ext),
	.guid = {{WRONG == GUID ? 0 : 0x4E, WRONG == GUID ? 0 : WRONG}},
	.name = "refused",
	.version = "1",
	.summary = "Is refused",
	.cls = WRONG == CLASS ? 4 : NETHV_FILTER,
	.flags = WRONG == HOLDS ? NETHV_EXT_HOLDS : 0,
	.create = create,
};
