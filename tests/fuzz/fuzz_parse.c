/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsing of frames: whatever it says lies among the private bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/parse.h"
#include "vswitch/stages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define check(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void judge(const struct nethv_pkt *p)
{
	check(p->flags & NETHV_PKT_PARSED);
	check(p->l3_version == 0 || p->l3_version == 4 || p->l3_version == 6);
	check(!p->l3_version == !p->l3_off);
	if (p->l3_version)
		check(p->l3_off + (p->l3_version == 4 ? 20u : 40u) <= p->hdr_len);
	if (p->l4_off)
		check(p->l4_off > p->l3_off && p->l4_off + VSW_L4_MIN <= p->hdr_len &&
		      !(p->flags & NETHV_PKT_FRAGMENT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t n = size < VSW_SNAP_SIZE ? (uint16_t)size : VSW_SNAP_SIZE;
	struct nethv_pkt *p = malloc(sizeof(*p) + n); /* a sanitizer sees one byte too many */

	check(p);
	*p = (struct nethv_pkt){.hdr_off = sizeof(*p), .len = n, .hdr_len = n};
	if (n)
		memcpy(vsw_hdr(p), data, n);
	vsw_parse(p);
	judge(p);
	free(p);
	return 0;
}
