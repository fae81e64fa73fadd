/* SPDX-License-Identifier: BSD-3-Clause */
/* What `pktgen` and `sink` say to each other: UDP frames with a sequence number, a time stamp and
 * a pattern, all under the UDP checksum; and credits, which say how far the sink has come.
 *
 *	60 bytes: Ethernet, IPv4 (id = epoch), UDP, magic:2 type:1 flow:1 seq:8 tsc:6
 *	then: DATA: the pattern. CREDIT, FIN_ACK: struct flow_report, big-endian. FIN, HELLO: nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FLOW_LEN_MIN	60u
#define FLOW_LEN_MAX	9018u
#define FLOW_REPORT_LEN 108u
#define FLOW_PORT	7000u
#define FLOW_TSC_MASK	0xffffffffffffull

enum flow_type {
	FLOW_DATA = 1,	  /* seq: of this frame */
	FLOW_CREDIT = 2,  /* seq: one more than the highest seen; tsc: of that frame */
	FLOW_FIN = 3,	  /* seq: how many there were */
	FLOW_FIN_ACK = 4, /* as credit */
	FLOW_HELLO = 5,	  /* asks for a credit before the first frame: is somebody there? */
};

enum flow_verdict {
	FLOW_OTHER = 0, /* not of this protocol */
	FLOW_CORRUPT,
	FLOW_GOOD,
};

struct flow_report {
	uint64_t next;
	uint64_t unique;
	uint64_t lost;
	uint64_t duplicated;
	uint64_t reordered;
	uint64_t corrupted;
};

/* Who speaks to whom. */
struct flow_id {
	uint8_t src[6];
	uint8_t dst[6];
	uint32_t src_ip; /* host order */
	uint32_t dst_ip;
	uint8_t flow;
	uint16_t epoch; /* of pktgen's life */
};

struct flow_msg {
	uint8_t type; /* enum flow_type */
	struct flow_id id;
	uint64_t seq;
	uint64_t tsc; /* 48 bits */
	struct flow_report report;
};

/* The parts of a frame that do not change. */
struct flow_tmpl {
	uint8_t head[FLOW_LEN_MIN];
	uint32_t len;
};

/* Fills the pattern table. Once, before anything else here. */
void flow_init(void);
/* What stands behind the head of data frame @seq: at least FLOW_LEN_MAX bytes. */
const uint8_t *flow_pattern(uint64_t seq);

void flow_tmpl_init(struct flow_tmpl *t, const struct flow_id *id, uint8_t type, uint32_t len);

/* The id of what answers @id. */
struct flow_id flow_reverse(const struct flow_id *id);

/* Writes a whole frame of @t->len bytes. @report: for CREDIT and FIN_ACK, else NULL. */
void flow_build(const struct flow_tmpl *t, uint8_t *frame, uint64_t seq, uint64_t tsc,
		const struct flow_report *report);

/* Checks a frame and takes it apart. @m is only good with FLOW_GOOD. */
enum flow_verdict flow_parse(const uint8_t *frame, uint32_t len, struct flow_msg *m);
