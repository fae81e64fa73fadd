/* SPDX-License-Identifier: BSD-3-Clause */
/* NetVSC on our guest runtime. Not for host processes. */
#pragma once

#include "guest/netvsc/bus.h"

struct nvsc_transport nvsc_transport_rt(void);
