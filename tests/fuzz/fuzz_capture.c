/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a stream of a capture, in two pieces: refused with one line, or packets that can be read. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "mgmt/capture_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct capture_packet *p, void *ctx)
{
	unsigned int *sum = ctx;

	for (uint32_t i = 0; i < p->cap; i++)
		*sum += p->bytes[i];
	if (!p->iface || strlen(p->iface) > 31 || strlen(p->comment) >= sizeof(p->comment))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut = size ? data[0] % size : 0;
	struct capture_reader r = {0};
	unsigned int sum = 0;
	int rc = capture_feed(&r, data, cut, look, &sum);

	if (!rc)
		rc = capture_feed(&r, data + cut, size - cut, look, &sum);
	if (rc && (!err_text()[0] || strchr(err_text(), '\n')))
		abort();
	capture_fini(&r);
	return 0;
}
