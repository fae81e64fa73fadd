/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors of other versions of the SDK: an older one, which ends before tick() and has rubbish behind,
 * and a newer one, with a member that this switch does not know. SIZE says which. */
#include <nethv/extension.h>

#define RUBBISH ((void *)0x5A5A5A5A5A5A5A5A)

static const char *const reasons[] = {"odd: its number is odd"};

static void on_ingress(void *inst, struct nethv_burst *b)
{
	(void)inst;
	for (uint16_t i = 0; i < b->n; i++)
		if (b->pkt[i]->len & 1)
			nethv_drop(b, i, 0);
}

struct descriptor {
	struct nethv_ext ext;
	void *more[4];
};

__attribute__((visibility("default"))) extern const struct descriptor nethv_extension;

const struct descriptor nethv_extension = {
	.ext =
		{
			.abi = NETHV_EXT_ABI,
			.size = SIZE,
			.guid = {{0x0d, 0x44, 0x31, 0x1f, 0x07, 0x5e, 0x49, 0xc3, 0xa6, 0x20, 0x9c,
				  0x61, 0xe1, 0x55, 0x02, 0x18}},
			.name = "sizes",
			.version = "1.0",
			.summary = "of another SDK",
			.cls = NETHV_FILTER,
			.reasons = reasons,
			.nr_reasons = 1,
			.ingress = on_ingress,
#ifdef OLD
			.egress = RUBBISH,
			.poll = RUBBISH,
			.flush = RUBBISH,
#endif
		},
	.more = {RUBBISH, RUBBISH, RUBBISH, RUBBISH},
};
