/* SPDX-License-Identifier: BSD-3-Clause */
/* Configurations from strings, on a host that is made up: CPUs 0-3. */
#pragma once

#include <stddef.h>

#include "mgmt/config.h"

/* The least that is a configuration; more keys of its partition may follow. */
#define PART "partitions:\n  - name: a\n"

extern const struct mgmt_host cfg_host;

/* Loads @text as f.yaml. */
int cfg_load(struct mgmt_cfg **out, const char *text);

struct cfg_bad {
	const char *text;
	const char *want[4]; /* parts of the message */
};

/* Each of @n is refused by one line that says what is wanted. */
void cfg_refused(const struct cfg_bad *bad, size_t n);

/* @expect finds in @text what it wants, also behind a memfd. */
void cfg_kept(const char *text, void (*expect)(const struct mgmt_cfg *c));

/* What JSON says must be what it was made from: a second trip changes nothing. */
void cfg_written_as_read(const char *text);
