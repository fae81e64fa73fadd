/* SPDX-License-Identifier: BSD-3-Clause */
/* The extensions that come with the switch. */
#include <stddef.h>

#include "vswitch/ext/builtin/sflow.h"
#include "vswitch/ext/code.h"

const struct nethv_ext *const vsw_builtin_exts[] = {&vsw_sflow_ext, NULL};
