/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest and a bus for the worker's own channels, on plain memory: the tests' side of vsp.h and
 * local.h. The guest's half uses the same ring code as everybody. */
#pragma once

#include "base/gmem.h"
#include "tests/support/scratch.h"
#include "vmbus/ring.h"
#include "vmbus/vsp/vsp.h"

#define BED_RAM	  (8u << 20)
#define BED_GPA	  0x100000ull /* where it lies for the guest */
#define BED_CHANS 8u
#define BED_PAGES 64u

struct bed_chan {
	struct vmbus_local_cfg cfg;
	const struct vmbus_local_ops *ops;
	void *ctx;
	uint32_t relid;
	int bell, irq; /* eventfds */
	bool is_open, is_faulted;
	char why[256];
	uint8_t *page[BED_PAGES];
	struct vmbus_ring out, in; /* as the guest sees them */
	uint32_t irq_vp;	   /* that was interrupted last */
};

struct bed {
	struct vsp *v;
	struct gmem gm;
	uint8_t *ram;
	uint32_t next_page; /* of RAM, for rings */
	struct bed_chan chan[BED_CHANS];
	uint32_t nr_chans;
	uint64_t ref_time;
	int fail_offer; /* this offer fails, from 1; 0: none */
};

void bed_init(struct bed *b);
/* Creates the vsp; what vsp_create() returned. */
int bed_create(struct bed *b, const struct vsp_disk_cfg *disk, uint32_t nr_disks, bool has_ics);
void bed_fini(struct bed *b);
/* The bus, for devices that make their vsp themselves; its context is the bed. */
const struct vsp_ops *bed_bus(void);

/* The channel of a class, or NULL. */
struct bed_chan *bed_find(struct bed *b, struct vmbus_guid if_type);
/* Opens it with two rings of @pages each; what the provider answered. */
int bed_open(struct bed *b, struct bed_chan *ch, uint32_t pages);
void bed_close(struct bed_chan *ch);

/* The guest puts a packet; @ranges go between descriptor and body. Rings the bell if it is to. */
void bed_send(struct bed_chan *ch, uint16_t type, uint16_t flags, uint64_t id, const void *ranges,
	      uint32_t ranges_len, const void *body, uint32_t len);
/* The next packet of the host, waited for (the test fails if none comes). Bytes of its body. */
uint32_t bed_recv(struct bed_chan *ch, struct vmbus_pkt_desc *d, void *body, uint32_t max);
/* Whether a packet waits now. */
bool bed_has_packet(struct bed_chan *ch);
/* Waits until a channel is closed for a fault; its reason. */
const char *bed_fault(struct bed *b, struct bed_chan *ch);

/* A scratch file of @len bytes, unlinked by bed_file_gone(). */
void bed_file(char path[SCRATCH_PATH], uint64_t len);
void bed_file_gone(const char *path);
