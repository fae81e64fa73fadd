/* SPDX-License-Identifier: BSD-3-Clause */
/* The datagram of sFlow version 5, in XDR: 32-bit big-endian words (sflow_version_5.txt, section 5). */
#include <string.h>

#include "vswitch/ext/builtin/sflow.h"

#define VERSION		5u
#define ADDR_V4		1u
#define ADDR_V6		2u
#define FLOW_SAMPLE	1u /* enterprise 0, format 1 */
#define RAW_HEADER	1u
#define EXTENDED_SWITCH 1001u
#define PROTO_ETHERNET	1u

#define SAMPLE_WORDS 10u /* of a flow sample with its head, up to its records */
#define RAW_WORDS    6u	 /* of a raw header record with its head, up to the bytes */
#define SWITCH_WORDS 6u

static void put(struct sflow_dgram *d, uint32_t v)
{
	uint8_t *at = d->bytes + d->len;

	at[0] = (uint8_t)(v >> 24);
	at[1] = (uint8_t)(v >> 16);
	at[2] = (uint8_t)(v >> 8);
	at[3] = (uint8_t)v;
	d->len += 4;
}

static uint32_t padded(uint32_t len)
{
	return (len + 3) & ~3u;
}

/* Opaque bytes, filled up to a whole word. */
static void put_bytes(struct sflow_dgram *d, const uint8_t *bytes, uint32_t len)
{
	memset(d->bytes + d->len, 0, padded(len));
	memcpy(d->bytes + d->len, bytes, len);
	d->len += padded(len);
}

void sflow_begin(struct sflow_dgram *d, const struct sflow_agent *a, uint32_t seq,
		 uint32_t uptime_ms)
{
	d->len = 0;
	d->nr_samples = 0;
	put(d, VERSION);
	put(d, a->is_v6 ? ADDR_V6 : ADDR_V4);
	put_bytes(d, a->addr, a->is_v6 ? 16 : 4);
	put(d, a->sub_id);
	put(d, seq);
	put(d, uptime_ms);
	d->nr_at = d->len;
	put(d, 0);
}

static void put_raw_header(struct sflow_dgram *d, const struct sflow_sample *s)
{
	put(d, RAW_HEADER);
	put(d, 16 + padded(s->header_len));
	put(d, PROTO_ETHERNET);
	put(d, s->frame_len);
	put(d, SFLOW_FRAME_BYTES);
	put(d, s->header_len);
	put_bytes(d, s->header, s->header_len);
}

/* The switch translates no VLAN: it leaves in the one in which it came. */
static void put_switch(struct sflow_dgram *d, const struct sflow_sample *s)
{
	put(d, EXTENDED_SWITCH);
	put(d, 16);
	put(d, s->vlan);
	put(d, s->priority);
	put(d, s->vlan);
	put(d, s->priority);
}

static void put_count(struct sflow_dgram *d)
{
	uint32_t len = d->len;

	d->len = d->nr_at;
	put(d, ++d->nr_samples);
	d->len = len;
}

bool sflow_add(struct sflow_dgram *d, const struct sflow_sample *s)
{
	uint32_t words = SAMPLE_WORDS + RAW_WORDS + SWITCH_WORDS;
	uint32_t len = words * 4 + padded(s->header_len);

	if (len > SFLOW_DGRAM_MAX - d->len)
		return false;
	put(d, FLOW_SAMPLE);
	put(d, len - 8); /* behind this word */
	put(d, s->seq);
	put(d, s->source); /* upper byte 0: an ifIndex */
	put(d, s->rate);
	put(d, s->pool);
	put(d, s->drops);
	put(d, s->input);
	put(d, SFLOW_IF_UNKNOWN); /* output: not decided on ingress */
	put(d, 2);		  /* records */
	put_raw_header(d, s);
	put_switch(d, s);
	put_count(d);
	return true;
}
