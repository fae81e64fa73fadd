/* SPDX-License-Identifier: BSD-3-Clause */
/* Private to the vPCI VSP. Files: vpci_msg.c messages and bytes; vpci_proto.c what a message does;
 * vpci_func.c giving the function to the guest and taking it back; vpci_space.c config space;
 * vpci_caps.c what it is made of; vpci_bar.c where BARs are; vpci_msix.c the table; vpci.c the channel.
 *
 * Each member of struct vpci belongs to one lock or thread, as marked; what is in no such group is fixed
 * at creation. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sriov/vpci.h"

#define VPCI_PAGE	4096u
#define VPCI_CAPS_MAX	3u
#define VPCI_PIECES_MAX 7u /* of a BAR: three that trap, with mapped ones around */
#define VPCI_IRQS_MAX	(2 * VPCI_VECTORS_MAX)
#define VPCI_WHY_MAX	160u
#define VPCI_ONES	(~0ull)

/* ---- Messages (vpci_msg.c); pure ------------------------------------------------------------ */

struct vpci_msg {
	uint32_t type;
	bool is_known;
	uint32_t slot; /* 0 when the type has none */
	union {
		uint32_t version;
		uint64_t window_gpa;
		struct vpci_irq irq;
		struct {
			uint32_t nr_vectors;
			uint32_t nr_cpus;
		} want;
	};
};

/* Reads a message from @len private bytes. 0, also for types that are not known; -EPROTO when it is
 * shorter than its type, or longer than any (text set). */
int vpci_msg_parse(struct vpci_msg *m, const uint8_t *body, uint32_t len);

#define VPCI_RELATIONS_MAX (sizeof(struct vpci_bus_relations) + VPCI_DESC2_BYTES)

/* Makes BUS_RELATIONS, or BUS_RELATIONS2 as of 1.3, of @desc; NULL: an empty bus. Its bytes. */
uint32_t vpci_msg_relations(uint8_t out[VPCI_RELATIONS_MAX], uint32_t version,
			    const struct vpci_function_desc *desc);

/* ---- Config space (vpci_caps.c, vpci_space.c) ----------------------------------------------- */

/* A capability that the guest sees. */
struct vpci_cap {
	uint8_t id, at, len;
};

struct vpci_caps {
	struct vpci_cap cap[VPCI_CAPS_MAX];
	unsigned int nr;
};

struct vpci_ids {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_revision; /* as at offset 8 */
};

/* Where the function has its table and its pending bits. */
struct vpci_msix_place {
	unsigned int nr; /* entries of the function; the guest may see fewer */
	unsigned int table_bar, pba_bar;
	uint64_t table_off, table_len, pba_off, pba_len;
};

struct vpci_map {
	bool is_mapped;
	uint64_t gpa;
};

/* What the guest wrote. */
struct vpci_space {
	bool is_on;	    /* the guest is in D0; else all reads are ones */
	bool has_irqs;	    /* func->irqs_on() */
	bool is_asleep;	    /* D3hot, of which the function knows nothing */
	uint16_t command;   /* PCI command register */
	uint16_t msix_ctrl; /* enable and function mask */
	uint32_t bar[VPCI_BARS];
	struct vpci_map map[VPCI_BARS];
	uint64_t window_gpa;
};

/* ---- BARs (vpci_bar.c) ---------------------------------------------------------------------- */

struct vpci_piece {
	struct vpci *v;
	unsigned int bar;
	unsigned int slot; /* of its window; 0: it is mapped */
	uint64_t off, len;
};

struct vpci_layout {
	struct vpci_piece piece[VPCI_PIECES_MAX];
	unsigned int nr;
};

/* ---- MSI-X (vpci_msix.c) -------------------------------------------------------------------- */

struct vpci_msix_entry {
	uint32_t word[4]; /* address low, high, data, control */
};

struct vpci_msix {
	struct vpci_msix_entry entry[VPCI_VECTORS_MAX];
	bool is_on, is_masked; /* the whole function */
};

/* ---- The device ----------------------------------------------------------------------------- */

enum vpci_phase { VPCI_PHASE_CLOSED, VPCI_PHASE_OPEN, VPCI_PHASE_READY };

enum vpci_ejection {
	VPCI_EJECT_NO,
	VPCI_EJECT_WANTED, /* the ring was full */
	VPCI_EJECT_SENT,
	VPCI_EJECT_DONE,
};

/* How messages leave. */
struct vpci_io {
	/* 0, -EAGAIN (no room), -EPROTO (text set). */
	int (*send)(void *ctx, enum vmbus_pkttype type, uint64_t trans_id, const void *body,
		    uint32_t len);
	void (*tell)(void *ctx); /* any.  vpci_process() has something to do */
	void *ctx;
};

struct vpci_proto {
	enum vpci_phase phase;
	enum vpci_ejection ejection;
	uint32_t version;
	bool is_known;	  /* the guest was told that the function is there */
	bool is_assigned; /* RESOURCES_ASSIGNED */
	bool has_window;
	bool is_dirty; /* the guest had the function since its last reset */
	struct vpci_irq irq[VPCI_IRQS_MAX];
	unsigned int nr_irqs;
	uint64_t messages, refused, unknown;
};

struct vpci {
	struct vpci_cfg cfg;
	char name[64];
	struct vpci_io io;
	struct vpci_ids ids;
	struct vpci_caps caps;
	struct vpci_msix_place place;
	struct vpci_layout layout[VPCI_BARS];
	unsigned int nr_windows; /* with that of config space */

	pthread_mutex_t cfg_lock;
	struct vpci_space space;

	pthread_mutex_t msix_lock;
	struct vpci_msix msix;

	struct vpci_proto proto; /* messages' thread */

	/* Atomic. */
	uint32_t slot; /* that the config window shows */
	bool is_d0;
	bool is_gone;	  /* surprise */
	bool is_ejected;  /* to be told */
	uint32_t failure; /* 0; 1: @why is being written; 2: it stands */
	uint64_t bad_accesses, maps_refused, function_fails;
	char why[VPCI_WHY_MAX];

	struct vsp *bus;	    /* ctl */
	struct vsp_chan *chan;	    /* messages' thread */
	bool told_d0, told_failure; /* ctl */
};

static inline void vpci_count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static inline bool vpci_is(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static inline bool vpci_has_failed(const struct vpci *v)
{
	return __atomic_load_n(&v->failure, __ATOMIC_ACQUIRE) == 2;
}

/* ---- vpci.c --------------------------------------------------------------------------------- */

/* ctl.  All but the channel. As vpci_create(). */
int vpci_core_init(struct vpci *v, const struct vpci_cfg *cfg, const struct vpci_io *io);
void vpci_core_fini(struct vpci *v);

/* ---- vpci_proto.c; messages' thread --------------------------------------------------------- */

#define VPCI_ANSWER_ROOM 128u /* of the ring; no message is answered by more */

void vpci_proto_opened(struct vpci *v);
void vpci_proto_closed(struct vpci *v);
/* A packet's payload, @len private bytes. 0 or -EPROTO (text set). */
int vpci_proto_packet(struct vpci *v, uint64_t trans_id, bool wants_completion, const uint8_t *body,
		      uint32_t len);
/* As vpci_eject(). */
int vpci_proto_eject(struct vpci *v);
/* Sends EJECT if it is due. 0; -EAGAIN: again later; -EPROTO (text set). */
int vpci_proto_try_eject(struct vpci *v);

/* ---- vpci_func.c ---------------------------------------------------------------------------- */

/* messages' thread.  Gives the function to the guest; config space appears at @gpa. Status. */
uint32_t vpci_func_enter(struct vpci *v, uint64_t gpa);
/* messages' thread.  Takes it back and resets it. */
void vpci_func_leave(struct vpci *v);
/* any, no lock held.  Takes memory and interrupts from the guest; config reads all ones. */
void vpci_func_stop(struct vpci *v);
/* messages' thread.  RESOURCES_RELEASED: as after power-on, but still there. */
void vpci_func_release(struct vpci *v);
/* any.  The function is out of control: nobody gets it again. The first reason counts. */
void vpci_func_fail(struct vpci *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* any.  Reads the function's config space; all ones and counted when it fails. */
uint32_t vpci_func_read(struct vpci *v, uint32_t off, unsigned int size);
/* any.  0 or -errno, counted. */
int vpci_func_write(struct vpci *v, uint32_t off, unsigned int size, uint32_t value);

/* ---- vpci_caps.c; ctl ----------------------------------------------------------------------- */

/* Reads ids, capabilities and MSI-X place of the function. 0 or -ENODEV (text set). */
int vpci_caps_read(struct vpci *v);

/* ---- vpci_space.c --------------------------------------------------------------------------- */

extern const struct vpci_window_ops vpci_space_window; /* dev: struct vpci */

/* any.  An access to the config space itself, @off < 4096. */
uint32_t vpci_space_read(struct vpci *v, uint64_t off, unsigned int size);
void vpci_space_write(struct vpci *v, uint64_t off, unsigned int size, uint32_t value);
/* Under cfg.  All registers as after power-on; BARs leave, interrupts are off. */
void vpci_space_reset(struct vpci *v);

/* ---- vpci_bar.c ----------------------------------------------------------------------------- */

/* ctl.  Checks the BARs and cuts them into pieces. 0 or -EINVAL (text set). */
int vpci_bar_init(struct vpci *v);
/* What register @i reads after all ones were written to it. */
uint32_t vpci_bar_probe(const struct vpci *v, unsigned int i);
/* Under cfg.  Where BAR @i is to be; 0: nowhere. */
uint64_t vpci_bar_address(const struct vpci *v, unsigned int i);
/* Under cfg.  Puts BARs where their registers say, if they may be there. */
void vpci_bar_map(struct vpci *v);
void vpci_bar_unmap(struct vpci *v);
/* any.  An access to pages that trap. */
uint64_t vpci_bar_read(struct vpci *v, unsigned int bar, uint64_t off, unsigned int size);
void vpci_bar_write(struct vpci *v, unsigned int bar, uint64_t off, unsigned int size,
		    uint64_t value);

/* ---- vpci_msix.c ---------------------------------------------------------------------------- */

/* Whether [@off, @off + @size) of a BAR touches table or pending bits; VPCI_MSIX_CUT: and something
 * else, too. */
enum vpci_msix_what { VPCI_MSIX_NONE, VPCI_MSIX_TABLE, VPCI_MSIX_PBA, VPCI_MSIX_CUT };

enum vpci_msix_what vpci_msix_what(const struct vpci *v, unsigned int bar, uint64_t off,
				   unsigned int size);
/* any.  @off from the table's or the pending bits' beginning; the access lies inside. */
uint64_t vpci_msix_table_read(struct vpci *v, uint64_t off, unsigned int size);
uint64_t vpci_msix_pba_read(struct vpci *v, uint64_t off, unsigned int size);
void vpci_msix_table_write(struct vpci *v, uint64_t off, unsigned int size, uint64_t value);
/* Under cfg.  Enable and function mask as the guest wants them. */
void vpci_msix_control(struct vpci *v, bool is_on, bool is_masked);
void vpci_msix_reset(struct vpci *v); /* under cfg.  Off, and all entries as after power-on */
unsigned int vpci_msix_unmasked(struct vpci *v); /* any */
