/* SPDX-License-Identifier: BSD-3-Clause */
/* The smallest extension that does anything: a filter that lets everything pass, and counts it. */
#include <stdio.h>

#include <nethv/extension.h>

struct lane { /* of one lcore, which alone writes it */
	uint64_t in, in_bytes, out;
};

static int create(const struct nethv_host *h, void **inst)
{
	*inst = (void *)(uintptr_t)h; /* no state of our own: the lanes are all there is */
	return 0;
}

static void ingress(void *inst, struct nethv_burst *b)
{
	struct lane *l = (struct lane *)b->lcore_data;

	(void)inst;
	l->in += b->n;
	for (uint16_t i = 0; i < b->n; i++) {
		l->in_bytes += b->pkt[i]->len;
		/* nethv_drop(b, i, 0) would drop packet i for the first of the extension's reasons. */
	}
}

static void egress(void *inst, struct nethv_burst *b)
{
	(void)inst;
	((struct lane *)b->lcore_data)->out += b->n;
}

static int status(void *inst, char *json, size_t size)
{
	const struct nethv_host *h = (const struct nethv_host *)inst;
	struct lane sum = {0, 0, 0};

	for (uint16_t lc = 0; lc < h->nr_lcores; lc++) {
		const struct lane *l = (const struct lane *)h->lcore_data(h, lc);

		sum.in += l->in;
		sum.in_bytes += l->in_bytes;
		sum.out += l->out;
	}
	return snprintf(json, size, "{\"in\":%llu,\"in_bytes\":%llu,\"out\":%llu}",
			(unsigned long long)sum.in, (unsigned long long)sum.in_bytes,
			(unsigned long long)sum.out);
}

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = {{0x3d, 0x0a, 0x5c, 0x11, 0x7e, 0x42, 0x4b, 0x0e, 0x9a, 0x61, 0x52, 0x10, 0x8b,
		  0x6f, 0xd2, 0x01}}, /* your own: uuidgen */
	.name = "passthrough",
	.version = "1.0",
	.summary = "Lets everything pass and counts it",
	.cls = NETHV_FILTER,
	.flags = NETHV_EXT_RAW, /* looks at lengths only: no need to parse for it */
	.lcore_size = sizeof(struct lane),
	.create = create,
	.status = status,
	.ingress = ingress,
	.egress = egress,
};
