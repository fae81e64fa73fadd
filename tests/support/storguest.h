/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest's storvsc over the bed of vspbed.h, in the order of Linux: dialogue, requests whose buffer
 * is one range of scattered pages. */
#pragma once

#include <nethv/abi/storvsc.h>

#include "tests/support/vspbed.h"

#define SG_INIT_ID (UINT64_MAX - 2) /* what Linux uses for the dialogue */
#define SG_PAGES   160u		    /* of RAM, for buffers */

struct sg_req {
	uint8_t lun, path, target;
	uint8_t cdb[16], cdb_len;
	uint8_t dir;	   /* enum vstor_data_dir */
	uint32_t off, len; /* buffer: offset in its first page, bytes */
	uint32_t page;	   /* its first page, an index into the bed's buffer pages */
};

/* A page of RAM for buffers; neighbours by index are not neighbours in memory. */
uint8_t *sg_page(struct bed *b, uint32_t i);
uint64_t sg_pfn(uint32_t i);

/* Copies to and from the buffer of @r. */
void sg_fill(struct bed *b, const struct sg_req *r, const void *src);
void sg_fetch(struct bed *b, const struct sg_req *r, void *dst);

/* Sends a dialogue packet and returns the completion. */
struct vstor_packet sg_say(struct bed_chan *ch, uint32_t op, const struct vstor_packet *in);
/* Opens the channel and goes through the dialogue. */
struct bed_chan *sg_start(struct bed *b, uint32_t pages);

/* Sends a SCSI request. */
void sg_put(struct bed_chan *ch, uint64_t id, const struct sg_req *r);
/* The next completion; *@id says whose. */
struct vstor_packet sg_get(struct bed_chan *ch, uint64_t *id);
/* Both, for one request at a time. */
struct vstor_packet sg_run(struct bed_chan *ch, const struct sg_req *r);

/* READ(10) or WRITE(10). */
struct sg_req sg_rw(bool is_write, uint8_t lun, uint32_t lba, uint16_t blocks, uint32_t page,
		    uint32_t off);
