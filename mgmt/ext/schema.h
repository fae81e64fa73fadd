/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration of an extension as a JSON schema, made from its keys. */
#pragma once

#include <jansson.h>

#include <nethv/extension.h>

/* any.  A new object; keys "list.key" become members of the items of "list". */
json_t *ext_schema(const struct nethv_ext *e);
