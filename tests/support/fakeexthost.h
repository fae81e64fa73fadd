/* SPDX-License-Identifier: BSD-3-Clause */
/* A switch in the eyes of one extension: the calls of struct nethv_host, one burst at a time, four lcores
 * that are all the test's thread. It keeps none of the switch's rules; it does what is asked, so that a
 * test sees what the extension asks for. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/ext/code.h"
#include "vswitch/packet.h"

#define FAKEEXT_LCORES 4u
#define FAKEEXT_BYTES  2048u
#define FAKEEXT_ALLOCS 256u

struct fakeexthost {
	struct nethv_host host;
	struct vsw_ext_code *code; /* borrowed */
	void *inst;
	char failed[512]; /* text of fail() */

	struct vsw_slot slot[NETHV_VECTOR_MAX];
	uint8_t frame[NETHV_VECTOR_MAX][FAKEEXT_BYTES];
	const struct nethv_pkt *pkt[NETHV_VECTOR_MAX];
	uint16_t n;
	uint16_t verdict[NETHV_VECTOR_MAX];
	struct nethv_dst dst[NETHV_VECTOR_MAX];
	uint8_t exclude[NETHV_VECTOR_MAX];
	uint64_t now_ns;
	unsigned int nr_copies; /* calls of copy() */

	void *lcore_data[FAKEEXT_LCORES];
	void *mem[FAKEEXT_ALLOCS];
	unsigned int nr_mem, mem_limit; /* allocations before they fail; 0: they do not */
	uint8_t *state;			/* written by save() */
	size_t state_len;
};

/* Makes an instance of @code: the result of its create(). fini() destroys it, if there is one. */
int fakeexthost_init(struct fakeexthost *f, struct vsw_ext_code *code);
void fakeexthost_fini(struct fakeexthost *f);

/* Adds a frame to the burst, parsed. Its private bytes begin @shift bytes into their room and go as far as
 * that does; what is around them is rubbish. */
struct nethv_pkt *fakeexthost_add(struct fakeexthost *f, const void *frame, uint32_t len,
				  uint16_t shift);
/* Runs the burst on an lcore. Verdicts are there until the next one; clear() forgets the packets. */
void fakeexthost_ingress(struct fakeexthost *f, uint16_t lcore);
void fakeexthost_egress(struct fakeexthost *f, uint16_t lcore);
void fakeexthost_clear(struct fakeexthost *f);

/* save() of @f into f->state; restore() of @f from there of another one. Their results. */
int fakeexthost_save(struct fakeexthost *f);
int fakeexthost_restore(struct fakeexthost *f, const void *state, size_t len);
