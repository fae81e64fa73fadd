/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker for an adapter on plain memory (nvspbed.h): the other end of the link, by which VFs come and go
 * and data paths are asked for. The test is worker and guest; it looks at the port's path. */
#pragma once

#include "tests/support/nvspbed.h"
#include "vmbus/link.h"

struct vfbed {
	struct bed *b;
	struct vmbus_link w; /* the worker's end */
	/* PATH, as asked the last time. */
	uint32_t path_id; /* 0: answered, or never asked */
	bool is_vf;
	unsigned int nr_asked;
	/* VF_REMOVE */
	unsigned int nr_removes;
	char why[64];
};

/* On a bed whose primary channel is there. */
void vfbed_up(struct vfbed *v, struct bed *b);
void vfbed_down(struct vfbed *v); /* before bed_destroy() */

/* The worker says: the adapter has VF @serial, or it goes. */
void vfbed_vf(struct vfbed *v, uint32_t serial, bool is_allocated);
/* Takes what the switch has said. */
void vfbed_hear(struct vfbed *v);
/* Answers the PATH that is open. */
void vfbed_answer(struct vfbed *v, int status, const char *why);
/* Answers PATH @id, whether it is open or not. */
void vfbed_answer_to(struct vfbed *v, uint32_t id, int status, const char *why);
void vfbed_reset(struct vfbed *v); /* the guest was reset; its channels are closed already */

/* The guest asks for a path; nothing is waited for. */
void vfbed_ask(struct vfbed *v, bool is_vf, bool wants_answer, uint64_t trans_id);
/* One turn of lcore and ctl. */
void vfbed_turn(struct vfbed *v);
