/* SPDX-License-Identifier: BSD-3-Clause */
/* An extension whose callbacks are the test's: tests/ext/hook.c calls those that are set. Which hooks is
 * said by their address, in the configuration key "hooks". */
#pragma once

#include <nethv/extension.h>

struct hooks {
	void *ctx;
	const struct nethv_host *host; /* set by create() */
	int (*create)(struct hooks *k);
	void (*destroy)(struct hooks *k);
	int (*configure)(struct hooks *k);
	int (*event)(struct hooks *k, struct nethv_event *e);
	int (*save)(struct hooks *k, struct nethv_writer *w);
	int (*restore)(struct hooks *k, const void *data, size_t len, uint32_t version);
	int (*status)(struct hooks *k, char *json, size_t size);
	void (*notify)(struct hooks *k, uint64_t arg);
	void (*tick)(struct hooks *k);
	void (*ingress)(struct hooks *k, struct nethv_burst *b);
	void (*egress)(struct hooks *k, struct nethv_burst *b);
	void (*poll)(struct hooks *k, struct nethv_burst *b);
	void (*flush)(struct hooks *k, struct nethv_burst *b);
};
