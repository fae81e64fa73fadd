/* SPDX-License-Identifier: BSD-3-Clause */
/* The hostile guest against a live nethv-switch: what the parts of the test share. The switch is the
 * real process; this program plays its supervisor, all workers (VMBus server, memory, state) and all
 * guests (the guest driver, and raw access to everything a guest can write).
 *
 *   hostile.c         the order of events, and what must hold after each attack
 *   hostile_switch.c  the process, its statistics memory, its log
 *   hostile_part.c    a partition: memory, server, transport of the guest driver
 *   hostile_crowd.c   well-behaved partitions in a thread of their own: pktgen -> sink, and a watcher
 *   hostile_evil.c    the attacker's tools
 *   hostile_data.c    one wrong field at a time: rings, ranges, NVSP, RNDIS
 *   hostile_bus.c     one wrong field at a time: VMBus messages
 *   hostile_acts.c    attacks that take several steps
 *   hostile_race.c    a second processor that rewrites what the first one sends
 *   hostile_random.c  random bytes everywhere */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/gmem.h"
#include "guest/netvsc/nvsc.h"
#include "tests/support/prng.h"
#include "vmbus/server.h"
#include "vswitch/vswitch.h"

#define PAGE	    4096u
#define RAM_PAGES   4096u /* of the attacker: PFNs [RAM_FIRST, RAM_FIRST + RAM_PAGES) */
#define RAM_FIRST   0x100u
#define RAM_END	    (RAM_FIRST + RAM_PAGES)
#define NIC_MTU	    9000u
#define PATIENCE_MS 20000 /* until something that must happen counts as never happening */
#define EVIL_VPS    2u
#define INBOX_MAX   256u
#define MARK_TYPE   0xB588u /* EtherType 0x88B5 as it lies in memory */

/* The frames of attackers: what the watcher checks. Both bytes and length are as some sender wrote
 * them together, or the switch has read them twice. */
struct marked {
	uint8_t dst[6];
	uint8_t src[6];
	uint16_t type; /* MARK_TYPE */
	uint16_t len;  /* of the frame; 0: any */
} __attribute__((packed));

extern const uint8_t mac_gen[6], mac_sink[6], mac_watch[6], mac_evil[6];

/* ---- The whole test's end ------------------------------------------------------------------ */

extern const char *now_doing; /* named when something is wrong */

/* any.  Prints the reason, what was going on and the end of the switch's log; ends the program. */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define must(cond, ...)                   \
	do {                              \
		if (!(cond))              \
			die(__VA_ARGS__); \
	} while (0)

uint64_t now_ms(void);
void nap_us(unsigned int us);

/* ---- The switch ---------------------------------------------------------------------------- */

void switch_start(void);
/* Told to stop, as by its supervisor; must end with status 0. */
void switch_stop(void);
/* Dies when the process is not the one that was started, or a sanitizer has complained. */
void switch_must_live(void);
int switch_connect(void); /* a worker's socket */
uint64_t switch_rss_kib(void);
size_t switch_log_bytes(void);
void switch_log_print(void);

/* Counters from the statistics memory, summed over lcores. */
void switch_port(const char *port, struct vsw_port_stats *out);
void switch_sum(struct vsw_port_stats *out); /* of all ports */
uint64_t drops_of(const struct vsw_port_stats *s);
/* "faults" and "last_fault" of an adapter, as the switch tells its supervisor. */
uint64_t switch_faults(const char *port, char *last, size_t size);

/* ---- A partition --------------------------------------------------------------------------- */

struct part {
	char name[16];
	unsigned int nr_nics;
	int mem_fd, state_fd, link_fd;
	int sint_fd[EVIL_VPS], bell_fd[VMBUS_CHANS_MAX];
	uint8_t *mem;
	uint32_t nr_pages, next_page;
	struct gmem gm;
	struct vmbus_state *state;
	struct vmbus_server *server;
	bool is_deaf; /* the guest does not read its messages */
	unsigned int head, tail;
	struct {
		uint32_t len;
		uint8_t data[VMBUS_MSG_PAYLOAD_MAX];
	} inbox[INBOX_MAX];
	char event[256]; /* what the server last told */
};

void part_init(struct part *p, const char *name, uint32_t nr_pages, unsigned int nr_nics);
/* A new life: fresh state, fresh server; returns when the adapters are offered. */
void part_boot(struct part *p);
/* The worker dies; returns when the switch has let go of everything. */
void part_kill(struct part *p);
bool part_pump(struct part *p);
/* Takes the oldest message to the guest into @buf; its length or 0. */
uint32_t part_message(struct part *p, void *buf);
void *part_alloc(struct part *p, uint32_t nr_pages); /* NULL: none left */
uint64_t part_pfn(const struct part *p, const void *at);
struct nvsc_transport part_transport(struct part *p);

/* ---- The crowd ------------------------------------------------------------------------------ */

struct crowd_news {
	uint64_t passed; /* frames that the sink has seen */
	uint64_t lost, duplicated, reordered, corrupted, strange, timeouts;
	uint64_t watched, forged, torn; /* frames at the watcher; of these: wrong */
	uint64_t noise;			/* frames that the watcher sent */
	uint8_t forged_src[6];
	uint16_t torn_len, torn_mark;
};

void crowd_start(void);
void crowd_news(struct crowd_news *out);
/* The watcher sends frames of @len bytes to @dst as fast as it is let; 0: stops. */
void crowd_noise(uint32_t len, const uint8_t dst[6]);
/* The generator ends; the sink's last report must be perfect. */
void crowd_finish(void);

/* ---- The attacker --------------------------------------------------------------------------- */

enum evil_level {
	EVIL_LINKED,	/* the worker is there, the guest has said nothing */
	EVIL_CONNECTED, /* contact, offers */
	EVIL_OPEN,	/* primary channel open, nothing said on it */
	EVIL_UP,	/* adapter in full use */
	EVIL_QUEUES,	/* the same with 4 queues */
};

struct evil_done {
	uint64_t id;
	uint32_t type; /* NVSP type of the payload; 0: none */
	uint32_t word; /* the next one: mostly a status */
};

struct evil_held {
	uint64_t id;
	uint32_t first, last; /* offsets of the first and the last range */
};

struct evil {
	struct part part;
	struct nvsc_bus bus;
	struct nvsc_nic nic;
	struct nvsc_chan *ch[4];
	struct vmbus_ring in[4], out[4];
	uint8_t *ring_mem; /* EVIL_OPEN: 2 * 32 pages */
	uint8_t *page;	   /* 16 pages of scratch */
	uint64_t next_id;
	struct evil_done done[64]; /* a ring of the latest */
	unsigned int nr_done;
	struct evil_held held[512]; /* receives that we did not complete */
	unsigned int nr_held;
	uint64_t received;
	bool is_hoarding;
	unsigned int lives;
};

extern struct evil evil;

/* What must become of an attack. */
enum want {
	WANT_CLOSED,  /* the channel is closed, with a reason */
	WANT_REFUSED, /* the server says no and why; all goes on */
	WANT_FAILED,  /* completed with an error status; all goes on */
	WANT_DROPPED, /* completed well, the frame is dropped for a reason */
	WANT_SENT,    /* legal: it arrives */
	WANT_NOTHING, /* legal or senseless: ignored, all goes on */
};

void evil_init(void);
void evil_rise(enum evil_level level);
void evil_views(void); /* after the driver has opened the adapter itself */
void evil_fall(void);  /* unload and die, or die at once, in turns */
/* Bytes onto ring @q, published and signalled. Waits for room. */
void evil_push(unsigned int q, const void *bytes, uint32_t len);
void evil_publish(unsigned int q, uint32_t write_index);
/* As evil_push(), but not published. */
void evil_put(unsigned int q, const void *bytes, uint32_t len);
/* One turn: messages, completions, receives. */
void evil_turn(void);
/* Gives back receive packet @id on queue @q. */
void evil_give_back(unsigned int q, uint64_t id);
void evil_give_back_all(void);
/* Whether the channel of queue @q is gone; then *@why is the server's reason. */
bool evil_is_closed(unsigned int q, const char **why);
/* Waits. @why: part of the reason, or NULL. */
void evil_must_be_closed(unsigned int q, const char *why);
const struct evil_done *evil_await(uint64_t id);
/* All that lies in the rings is consumed and nothing is closed: the adapter still answers. */
void evil_must_work(void);
/* A good VMBus life sign: a page is shared and taken back. */
void evil_bus_must_work(void);
/* The books of the attacker's port: each packet ended in one place. */
void evil_must_balance(void);

/* Builders. The frame goes to the watcher. */
struct pkt {
	uint32_t len;
	uint8_t b[8192];
};

uint32_t frame_marked(uint8_t *at, uint32_t len, const uint8_t dst[6], const uint8_t src[6]);
/* A good RNDIS message with a marked frame of @len bytes (and a VLAN tag). Returns its length. */
uint32_t rndis_marked(uint8_t *at, uint32_t len, int vid);
void pkt_begin(struct pkt *p, uint32_t type, uint64_t id);
void pkt_add(struct pkt *p, const void *bytes, uint32_t len);
/* The payload; closes the packet. */
void pkt_end(struct pkt *p, const void *payload, uint32_t len);
/* RNDIS data of @len bytes in send section @index; in our page @at; */
uint64_t pkt_section(struct pkt *p, uint32_t index, uint32_t len);
uint64_t pkt_gpa(struct pkt *p, const void *at, uint32_t len, uint32_t channel_type);
uint64_t pkt_nvsp(struct pkt *p, const struct nvsp_msg *m);

/* ---- Attacks --------------------------------------------------------------------------------- */

extern unsigned int nr_attacks, nr_closed, nr_refused, nr_harmless;

/* Between rise and fall: names the attack, and afterwards looks at everybody. */
void attack_begin(const char *group, const char *name, enum evil_level level);
void attack_end(enum want want);

void attacks_data(void);
void attacks_bus(void);
void attacks_acts(void);
void attacks_race(void);
void attacks_random(struct prng *r, unsigned int lives, unsigned int steps);
/* A mutated good packet or message, for the random part. */
void data_random(struct prng *r, unsigned int q);
void bus_random(struct prng *r);
