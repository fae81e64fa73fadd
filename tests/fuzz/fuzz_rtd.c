// SPDX-License-Identifier: BSD-3-Clause
/* A stream of run-time data from another host: it is refused, or packs to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/ext/rtd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vsw_rtd r;
	size_t len;
	void *out;

	if (vsw_rtd_parse(&r, data, size)) {
		if (r.n || r.blob)
			abort();
		return 0;
	}
	if (r.n > VSW_BLOBS_MAX || r.bytes > size)
		abort();
	if (vsw_rtd_pack(&r, &out, &len) == 0 && (len != size || memcmp(out, data, len) != 0))
		abort();
	free(out);
	vsw_rtd_free(&r);
	return 0;
}
