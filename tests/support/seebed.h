/* SPDX-License-Identifier: BSD-3-Clause */
/* Something to look at: vectors built by hand, and a tap set that is published to the test itself. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/see/priv.h"

#define SEEBED_FRAME 66000u

struct seebed {
	struct vsw_see *see;
	struct vsw_tap *tap; /* published */
	unsigned int nr_published;
	struct vsw_vec v;
	uint16_t idx[VSW_VEC_SIZE]; /* 0, 1, 2 ... */
	struct nethv_dst dst[512];
	uint8_t mem[VSW_VEC_SIZE][SEEBED_FRAME]; /* backings */
};

/* How a packet lies. */
struct seebed_form {
	uint16_t hdr_len,
		hdr_off; /* private bytes at most (0: 128), and where they begin in snap */
	uint16_t piece;	 /* backing in pieces of so many bytes; 0: in one */
	int tci;	 /* out of band tag, or -1 */
};

struct seebed *seebed_new(unsigned int nr_lcores, uint32_t ring_size);
void seebed_free(struct seebed *b);

/* Adds a packet from port 0 to the vector. The backing's bytes under the private ones are garbage: whoever
 * reads them there is wrong. */
struct vsw_slot *seebed_put(struct seebed *b, const void *frame, uint32_t len,
			    struct seebed_form form);
void seebed_clear(struct seebed *b);
/* Ports by name "p0", "p1", ...; destinations of the latest packet. */
void seebed_to(struct seebed *b, struct vsw_slot *s, uint16_t port, uint8_t flags);

/* The vector at a station, from forward on with destinations. With no tap nothing happens. */
void seebed_at(struct seebed *b, enum vsw_station station);
void seebed_enter(struct seebed *b);
void seebed_ext(struct seebed *b, enum vsw_station station, const char *ext, uint16_t verdict);
void seebed_drop(struct seebed *b, uint16_t i, struct vsw_tap_drop d);
