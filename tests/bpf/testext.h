/* SPDX-License-Identifier: BSD-3-Clause */
/* What the programs of tests/unit/test_vswitch_bpf.c have in common. */
#pragma once

#include <nethv/bpf.h>

#define GUID "00010203-0405-0607-0809-0a0b0c0d0e0f"
#define FILTER(n)                                                                              \
	NV_HEAD, .cls = NV_FILTER, .name = n, .version = "1", .summary = "test", .guid = GUID, \
		 .reasons = {"no: not this one", "nor: nor this"}
