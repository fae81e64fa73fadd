/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a frame waits because a core is not there for the thread that polls on it: the host, an interrupt or another
 * thread has it. Only the arithmetic; bench/clocks_stalls.c watches the cores. Times are of the TSC, one for all cores. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A core was away. */
struct stall {
	uint64_t from, to;
};

/* One core's: in order, and apart. */
struct stall_list {
	const struct stall *at;
	size_t nr;
};

/* Two cores while both were watched. */
struct stall_watch {
	struct stall_list sw, guest;
	uint64_t from, to;
};

/* The waits of a frame that is due at a random moment of the watch. The guest's core sends it, and stamps it when it is
 * there to do so; then it waits for the switch's core, and from then on for the guest's, which receives it. It takes no
 * time otherwise, nor do frames wait for each other that come at once when a core is back: no switch between two polling
 * cores can have shorter waits, and real ones are longer. */
struct stall_waits;

/* any. 0 or -ENOMEM. Borrows nothing of @w afterwards. */
int stalls_waits_create(struct stall_waits **out, const struct stall_watch *w);
void stalls_waits_destroy(struct stall_waits *s); /* or NULL */

/* any. The shortest wait that at least the part @share, 0 to 1, of the frames does not exceed; 1: the longest of all. */
uint64_t stalls_waits_quantile(const struct stall_waits *s, double share);

/* any. The part of the moments in which one of the two cores, or both, are away. */
double stalls_away(const struct stall_watch *w);

/* any. The part of the moments from..to in which core @l stays away for more than @ticks from then on. */
double stalls_beyond(const struct stall_list *l, uint64_t from, uint64_t to, uint64_t ticks);
