/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of an uplink's VMQ share: vmq.c (life, and the switch's table), ports.c (queues of ports),
 * rx.c (direct receive), balance.c (lcores), show.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmq/direct.h"
#include "vmq/provider.h"
#include "vmq/vmq.h"
#include "vswitch/packet.h"
#include "vswitch/port.h"

#define VMQ_HELD	     0x10000u /* nothing is taken from the queue now */
#define VMQ_PORT_FILTERS_MAX 32u
#define VMQ_SOFTWARE_QUEUES  64u

/* A port that was added. */
struct vmq_port {
	struct vsw_port *p; /* NULL: free */
	struct vmq_port_cfg cfg;
	uint16_t nr_q; /* 0: none */
	uint16_t q[VMQ_PORT_QUEUES_MAX];
	uint16_t nr_filters;
	uint32_t filter[VMQ_PORT_FILTERS_MAX];
	bool is_short;	       /* of queues or filters: is tried again when some are given back */
	char why[VMQ_WHY_MAX]; /* it has no queue */
	char why_copied[VMQ_WHY_MAX]; /* its queue is not direct */
	bool is_direct;
};

/* What a queue cost. */
struct vmq_meter {
	uint64_t tsc;	  /* at the last round */
	uint64_t packets; /* that came for whoever had it before */
	uint32_t load;	  /* in it */
	uint32_t settled;
};

struct vmq {
	struct vmq_cfg cfg;
	struct vsw_steer steer;
	const struct vmq_provider_ops *ops; /* NULL before the device was looked at */
	unsigned int choice;		    /* its place among all */
	uint8_t rejected; /* bit per provider that the device turned out not to do */
	void *pv;
	uint16_t dev; /* ethdev */
	char why[512];
	struct vmq_nic *nic;
	bool is_one;	     /* one lcore polls all queues, and the provider knows */
	int vfio_fd;	     /* of the container that the device is in; borrowed */
	struct vsw_port *up; /* the uplink's port, while attached */
	struct vmq_direct *direct[VMQ_QUEUES_MAX];
	/* Port id of each queue, and VMQ_HELD. Atomic: lcores read. */
	uint32_t to[VMQ_QUEUES_MAX];
	struct vmq_port port[VSW_PORTS_MAX];
	struct vmq_placer placer;
	struct vmq_meter meter[VMQ_QUEUES_MAX];
	uint64_t lcore_busy[VMQ_LCORES_MAX], lcore_all[VMQ_LCORES_MAX]; /* TSC at the last round */
	uint32_t lcore_load[VMQ_LCORES_MAX];
	uint64_t measured_tsc;
};

/* ports.c.  Frames that pass filters of queue @from go to @to from when @change returned with success, and none of
 * them is delivered before those that came earlier: nothing is taken from @to meanwhile. Needs no new snapshot, so that it
 * can be done before one is published. */
struct vmq_over {
	struct vmq *v;
	uint16_t from, to;
};
void vmq_over_begin(struct vmq_over *o, struct vmq *v, uint16_t from, uint16_t to);
void vmq_over_end(struct vmq_over *o);
struct vmq_port *vmq_port_of(struct vmq *v, const struct vsw_port *p);
/* In which VLANs the default queue is to get groups' frames: those of all ports that were added. */
void vmq_hear(struct vmq *v);
/* After the device was started anew: it has forgotten its filters. */
int vmq_filters_again(struct vmq *v);

/* Before queues change lcores, and after. */
void vmq_one_off(struct vmq *v);
void vmq_one_try(struct vmq *v);

/* rx.c.  Switches direct receive on for the port's queue if all that it takes is there, and says else why not. */
void vmq_direct_try(struct vmq *v, struct vmq_port *vp);
/* Off, and nothing is lost: frames go by the default queue meanwhile. */
void vmq_direct_stop(struct vmq *v, struct vmq_port *vp);

/* balance.c */
uint16_t vmq_loads(const struct vmq *v, struct vmq_load *out);
uint16_t vmq_lcores(const struct vmq *v, struct vmq_lcore *out);
void vmq_meter_reset(struct vmq *v, uint16_t q); /* somebody else's from now on */
uint16_t vmq_lcore_for(const struct vmq *v, const struct vmq_port *vp);
