/* SPDX-License-Identifier: BSD-3-Clause */
/* A switch for one extension, on plain memory and on the test's thread: the calls of struct nethv_host, the
 * configuration checked against its keys, bursts made from frames. What a class may not do is refused
 * and noted. Packets are seen through a read-only mapping, as in the real one.
 *
 * Life: exthost_new() -> exthost_port()s -> exthost_create() -> { exthost_put() -> exthost_ingress() ->
 * look at pkt[] and made[] } -> exthost_free(). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include <nethv/extension.h>

#define EXTHOST_BYTES  9216u
#define EXTHOST_MADE   512u
#define EXTHOST_HELD   1024u
#define EXTHOST_LCORES 4u
#define EXTHOST_DSTS   (NETHV_VECTOR_MAX * 8u)

/* A packet of the burst, and what became of it. */
struct exthost_pkt {
	uint8_t frame[EXTHOST_BYTES]; /* edits are done when the callback returned */
	uint32_t len;
	struct nethv_pkt *p; /* may still be changed before the burst runs */
	uint16_t verdict;
	struct nethv_route route;
	uint8_t excluded[8]; /* egress: by index of its destinations */
	int32_t tci;	     /* -1: none */
	bool is_held;
};

enum exthost_kind { EXTHOST_CLONED, EXTHOST_ORIGINATED, EXTHOST_RELEASED, EXTHOST_DISCARDED };

/* What an extension put into the switch, or took out for good, in that order. */
struct exthost_made {
	enum exthost_kind kind;
	uint16_t src_port, reason;
	uint32_t len;
	uint8_t frame[256]; /* its beginning */
};

struct exthost_edit {
	uint16_t i;
	uint32_t off, strip, len;
	uint8_t bytes[NETHV_PRIVATE_MAX];
};

struct exthost_mem {
	struct exthost_mem *next;
	void *at;
};

struct exthost {
	struct nethv_host host;
	const struct nethv_ext *ext;
	void *inst;
	json_t *cfg; /* checked, with defaults */
	char text[512];
	char logged[256];
	char veto[256];

	struct exthost_pkt pkt[NETHV_VECTOR_MAX];
	uint16_t n;
	uint32_t private_bytes; /* of a packet at first; 0: 64 */
	uint64_t now_ns;
	struct nethv_dst dst[EXTHOST_DSTS];
	uint32_t nr_dst;

	struct exthost_made made[EXTHOST_MADE];
	uint32_t nr_made;
	bool has_no_room;  /* clone, originate, hold, release, post: ENOROOM */
	bool is_unloading; /* hold: EPERM */

	struct {
		bool is_there;
		uint16_t src_port;
		struct exthost_pkt pkt;
	} * held; /* [EXTHOST_HELD]: handle - 1 */
	uint32_t nr_held;

	uint64_t posted[256];
	uint32_t nr_posted;
	uint32_t nr_quiesced, nr_broken;
	const char *broken; /* the last rule that was broken, or NULL */

	/* private */
	bool has_cfg; /* inside create() or configure() */
	bool is_egress, is_poll;
	struct exthost_edit edit[NETHV_VECTOR_MAX];
	uint32_t nr_edits;
	struct nethv_port_info port[NETHV_PORTS_MAX];
	void *lane[EXTHOST_LCORES];
	struct exthost_mem *mem;
	uint8_t *rw, *ro;
};

struct exthost *exthost_new(const struct nethv_ext *ext, unsigned int nr_lcores);
void exthost_free(struct exthost *x);

/* A connected port. Its number. */
uint16_t exthost_port(struct exthost *x, const char *name, enum nethv_port_type type, uint64_t mac);

/* 0, or -1: text says why. @config: JSON, or NULL. */
int exthost_create(struct exthost *x, const char *config);
int exthost_configure(struct exthost *x, const char *config);

/* Tells the extension, and changes the port's state (not when vetoed). Its answer. */
int exthost_event(struct exthost *x, enum nethv_event_kind kind, uint16_t port, uint16_t nic);

/* Appends a frame to the burst; parsed. */
struct exthost_pkt *exthost_put(struct exthost *x, uint16_t src_port, const void *frame,
				uint32_t len);
/* Adds a destination to the packet put last; for egress. */
void exthost_dst(struct exthost *x, uint16_t port);
/* Runs the burst; its packets stay to be looked at until exthost_clear(). */
void exthost_ingress(struct exthost *x, uint16_t lcore);
void exthost_egress(struct exthost *x, uint16_t lcore);
void exthost_poll(struct exthost *x, uint16_t lcore);
void exthost_flush(struct exthost *x, uint16_t lcore);
/* Forgets the burst and what was made. */
void exthost_clear(struct exthost *x);

/* Hands what was posted to notify(). */
void exthost_notify(struct exthost *x);

/* status() as JSON, which must be good and fit, or the test fails. The caller's. */
json_t *exthost_status(struct exthost *x);
/* A number in it, by path: "rules[1].packets". */
json_int_t exthost_number(struct exthost *x, const char *path);

/* What save() writes; the caller frees it. NULL: save() failed. */
void *exthost_save(struct exthost *x, size_t *len);

/* For exthost.c's other half. */
void exthost_calls(struct nethv_host *h);
int exthost_config(struct exthost *x, const char *text, json_t **out);
json_t *exthost_value(json_t *cfg, const char *path);
void exthost_parse(struct nethv_pkt *p, const uint8_t *frame, uint32_t len);
void exthost_free_mem(struct exthost *x);

/* Frames: Ethernet (@dst and @src as numbers), IPv4 or IPv6, and TCP or UDP. The length. */
struct exthost_flow {
	uint64_t dst_mac, src_mac;
	const char *src, *dst; /* addresses in text: IPv4 or IPv6 */
	uint8_t proto;
	uint16_t sport, dport;
	uint32_t len;	  /* of the frame; 0: the shortest */
	bool is_fragment; /* IPv4: behind the first */
};
uint32_t exthost_frame(uint8_t *frame, const struct exthost_flow *f);
/* The same, put into the burst. */
struct exthost_pkt *exthost_put_flow(struct exthost *x, uint16_t src_port,
				     const struct exthost_flow *f);
