/* SPDX-License-Identifier: BSD-3-Clause */
/* A host for the self-test image of the guest runtime, on any engine: it answers the messages and
 * flags that the image asks for, and waits for its end. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "hv/hv.h"

struct hvhost {
	struct hv_partition *p;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool has_stopped;
	enum hv_stop_reason reason;
	uint32_t status;
	char text[512];
	char console[8192];
	_Atomic unsigned int nr_siefp;
};

/* The self-test image with @cmdline; name, image, memory and node of @cfg are filled in here. As
 * hv_partition_create(). */
int hvhost_create(struct hvhost *h, struct hv_cfg cfg);
/* False when it did not end by itself within two minutes. */
bool hvhost_wait(struct hvhost *h);
