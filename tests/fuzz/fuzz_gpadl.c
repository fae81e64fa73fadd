/* SPDX-License-Identifier: BSD-3-Clause */
/* GPADL headers and bodies in any order. Input: {length (1), payload} again and again; the payload's
 * own type decides. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/gpadl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct vmbus_gpadl_builds *b)
{
	uint32_t i, nr = 0, pages = 0;

	for (i = 0; i < VMBUS_GPADL_BUILDS_MAX; i++) {
		if (!b->slot[i])
			continue;
		nr++;
		pages += b->slot[i]->nr_pages;
		if (b->slot[i]->got >= b->slot[i]->nr_pages * 8)
			abort();
	}
	if (nr != b->nr || pages != b->nr_pages)
		abort();
}

static void feed(struct vmbus_gpadl_builds *b, const uint8_t *msg, size_t len)
{
	struct vmbus_gpadl_build *out = NULL;
	uint32_t type = 0;
	int rc;

	memcpy(&type, msg, len < 4 ? len : 4);
	if (type == VMBUS_MSG_GPADL_BODY)
		rc = vmbus_gpadl_body(b, msg, len, &out);
	else
		rc = vmbus_gpadl_header(b, msg, len, 20000, len, &out);
	if (rc == 1 && out->got != out->nr_pages * 8)
		abort();
	if ((rc == 1) != (out != NULL) && type != VMBUS_MSG_GPADL_BODY)
		abort();
	free(out);
	check(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmbus_gpadl_builds b = {0};
	size_t at = 0;

	while (at < size) {
		uint8_t msg[VMBUS_MSG_PAYLOAD_MAX];
		size_t len = data[at++] % (sizeof(msg) + 1);

		len = len < size - at ? len : size - at;
		memcpy(msg, data + at, len);
		feed(&b, msg, len);
		at += len;
	}
	vmbus_gpadl_drop(&b);
	if (b.nr || b.nr_pages)
		abort();
	return 0;
}
