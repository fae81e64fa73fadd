/* SPDX-License-Identifier: BSD-3-Clause */
/* What vswitch/ offers besides its headers. */
#pragma once

#include <stdint.h>

#include "vswitch/mirror.h"

struct vsw;

/* ctl.  Copies @cfg; lcores see it from now on. 0, -EINVAL, -ENOMEM (text set), then what was before
 * stays. */
int vsw_set_mirrors(struct vsw *sw, const struct vsw_mirror_cfg *cfg, uint32_t nr);
