/* SPDX-License-Identifier: BSD-3-Clause */
/* What handling an exit came to, and how a partition ends. */
#pragma once

#include <stdint.h>

#include "hv/hv.h"

#define HV_STOP_TEXT 384u

enum hv_verdict {
	HV_GO_ON,  /* complete with the value */
	HV_REFUSE, /* #GP where the engine can, else a crash; text in the stop record */
	HV_STOP,
};

struct hv_stop {
	enum hv_stop_reason reason;
	uint32_t status;
	char text[HV_STOP_TEXT];
};
