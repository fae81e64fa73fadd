/* SPDX-License-Identifier: BSD-3-Clause */
/* The input of HvRetargetDeviceInterrupt: a pure function over private bytes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HV_RETARGET_HEADER_MAX 65u /* variable header, in 8 bytes: the mask of banks, 64 banks */

struct hv_retarget {
	uint64_t device_id;
	uint32_t address, data;
	unsigned int vector, vp;
};

/* any.  @in: a struct hv_retarget_input and @nr_header units of 8 bytes after it. Of several VPs the
 * first that exists is taken. Returns an enum hv_status; *@out is valid after success. */
int hv_retarget_parse(const void *in, unsigned int nr_header, unsigned int nr_vps,
		      struct hv_retarget *out);
