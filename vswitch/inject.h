/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that the switch makes itself while a vector is in work: clones, what extensions originate,
 * segments, overlay copies. They are put into the lcore's second vector, in host memory or over the same
 * backing, and run through the rest of the stages right after the vector at hand, before it is released.
 * They are bounded: extensions make at most VSW_INJECT_MAX of them for a vector. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/packet.h"
#include "vswitch/stages.h"

struct vsw_lcore;

#define VSW_INJECT_MAX 256u

/* Where an injected packet goes on: behind @station; for the stages of extensions, with the extensions
 * below position @below of that stage (0: all of them). */
struct vsw_resume {
	enum vsw_station station;
	uint16_t below;
};

/* lcore.  A slot for a new packet, zeroed but for its private bytes' place, or NULL: no room. Counted
 * as a copy of the port that the vector at hand came from. The caller fills pkt (len, hdr_len, flags,
 * src_port, ...) and the backing. */
struct vsw_slot *vsw_inject_new(struct vsw_lcore *lc, struct vsw_resume at);

/* lcore.  The same, as a copy of @from (context, private bytes, backing) without destinations. */
struct vsw_slot *vsw_inject_clone(struct vsw_lcore *lc, const struct vsw_slot *from,
				  struct vsw_resume at);

/* lcore.  The same, with @frame copied into host memory: safe. */
struct vsw_slot *vsw_inject_frame(struct vsw_lcore *lc, const void *frame, uint32_t len,
				  struct vsw_resume at);

/* lcore.  Replaces the first @strip private bytes of the packet in @s by @len others. Private bytes that
 * have no room any more move into host memory, so what was judged stays what leaves. The packet has no
 * offload (NETHV_PKT_CSUM, _LSO); parsed fields are void afterwards (vsw_parse()). 0, -EINVAL, or -ENOBUFS. */
int vsw_head_replace(struct vsw_lcore *lc, struct vsw_slot *s, uint32_t strip, const void *bytes,
		     uint32_t len);

/* lcore.  Memory for the time of one poll loop, aligned to 8; NULL when there is no more. */
void *vsw_scratch(struct vsw_lcore *lc, uint32_t len);
