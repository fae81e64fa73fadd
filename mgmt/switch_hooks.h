/* SPDX-License-Identifier: BSD-3-Clause */
/* What the switch is given to look at and to enforce, beside ports and extensions. */
#pragma once

#include <stdint.h>

#include "vswitch/mirror.h"

struct vsw;
struct vsw_policy;
struct vsw_tap;

/* ctl.  Lcores see @pol (NULL: none) at port @port from now on; returns after a grace period: no lcore
 * uses the one before. 0 or -ENOMEM (text set); never fails with NULL. */
int vsw_set_policy(struct vsw *sw, uint16_t port, struct vsw_policy *pol);

/* ctl.  Likewise; copies @cfg. 0, -EINVAL, -ENOMEM (text set); never fails with none. */
int vsw_set_mirrors(struct vsw *sw, const struct vsw_mirror_cfg *cfg, uint32_t nr);

/* ctl.  Likewise. Waits for memory. */
void vsw_set_tap(struct vsw *sw, struct vsw_tap *tap);
