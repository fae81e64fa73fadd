/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters that may outlive the process: slots by port name, sums, and closing the books.
 *
 * Order in which an lcore counts a vector: in; copies and drops of the look-up; then for each
 * destination drops, out, delivered. So at any point, for the one port whose vector is in work on an
 * lcore, in + copies - delivered - drops is what has not ended yet, and out may be ahead of delivered
 * by one burst. Segments that delivery makes of a packet enter as copies just before. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/ports.h"
#include "vswitch/priv.h"

#define STATS_MAGIC (0x7673775374617400ull ^ sizeof(struct vsw_stats))
#define SLOT_GONE   (VSW_PORTS_MAX - 1)

int vsw_stats_open(struct vsw_stats *st)
{
	if (st->magic != 0 && st->magic != STATS_MAGIC)
		return err_set(-EINVAL,
			       "statistics memory is of another version (magic %#" PRIx64
			       "), start with fresh memory",
			       st->magic);
	st->magic = STATS_MAGIC;
	strcpy(st->port[SLOT_GONE].name, "(others)");
	return 0;
}

static uint64_t sum_drops(const struct vsw_port_stats *s)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 1; i < VSW_DROP_COUNT; i++)
		sum += stat_get(&s->drops[i]);
	return sum;
}

static void stats_fold(struct vsw_port_stats *to, const struct vsw_port_stats *from)
{
	unsigned int i;

	to->in_packets += stat_get(&from->in_packets);
	to->in_bytes += stat_get(&from->in_bytes);
	to->out_packets += stat_get(&from->out_packets);
	to->out_bytes += stat_get(&from->out_bytes);
	to->copies += stat_get(&from->copies);
	to->delivered += stat_get(&from->delivered);
	to->rx_bursts += stat_get(&from->rx_bursts);
	to->tx_bursts += stat_get(&from->tx_bursts);
	for (i = 0; i < VSW_DROP_COUNT; i++)
		to->drops[i] += stat_get(&from->drops[i]);
}

/* Gives the slot of a name that no port has any more to @name; what it counted stays in the sums. Lcores
 * count into those, too: what extensions send in nobody's name. */
static void slot_recycle(struct vsw *sw, unsigned int slot, const char *name)
{
	struct vsw_stats *st = sw->stats;
	unsigned int l;

	vsw_park(sw);
	for (l = 0; l < VSW_STATS_LANES; l++)
		stats_fold(&st->port[SLOT_GONE].lcore[l], &st->port[slot].lcore[l]);
	vsw_unpark(sw);
	memset(&st->port[slot], 0, sizeof(st->port[slot]));
	strcpy(st->port[slot].name, name);
}

int vsw_stats_slot(struct vsw *sw, const char *name)
{
	int i, fresh = -1, unused = -1;

	for (i = 0; i < (int)PORTS_REAL; i++) {
		const char *has = sw->stats->port[i].name;

		if (strncmp(has, name, sizeof(sw->stats->port[i].name)) == 0)
			return vsw_ext_port_is_free(sw, (uint16_t)i)
				       ? i
				       : err_set(-EBUSY,
						 "port %s: an extension still refers to the one "
						 "that was removed",
						 name);
		if (has[0] == '\0' && fresh < 0)
			fresh = i;
		else if (!sw->port[i] && unused < 0 && vsw_ext_port_is_free(sw, (uint16_t)i))
			unused = i;
	}
	if (fresh >= 0)
		strcpy(sw->stats->port[fresh].name, name);
	else if (unused >= 0)
		slot_recycle(sw, unused, name);
	else
		return err_set(-ENOSPC, "port %s: the switch has %u ports, the limit", name,
			       PORTS_REAL);
	return fresh >= 0 ? fresh : unused;
}

void vsw_port_stats_get(const struct vsw *sw, uint16_t port, struct vsw_port_stats *out)
{
	unsigned int l;

	memset(out, 0, sizeof(*out));
	for (l = 0; port < VSW_PORTS_MAX && l < VSW_STATS_LANES; l++)
		stats_fold(out, &sw->stats->port[port].lcore[l]);
}

void vsw_totals_get(const struct vsw *sw, struct vsw_totals *out)
{
	struct vsw_port_stats s;
	unsigned int i, r;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < VSW_PORTS_MAX; i++) {
		vsw_port_stats_get(sw, (uint16_t)i, &s);
		out->in += s.in_packets;
		out->copies += s.copies;
		out->out += s.out_packets;
		out->drops += sum_drops(&s);
		for (r = 0; r < VSW_DROP_COUNT; r++)
			out->by_reason[r] += s.drops[r];
	}
}

/* One lcore works on packets of one port at a time, so whatever is open on it belongs there, or is held by
 * an extension. */
static uint64_t close_lcore(struct vsw_stats *st, unsigned int l)
{
	uint64_t out = 0, delivered = 0, open, lost = 0;
	unsigned int i;

	for (i = 0; i < VSW_PORTS_MAX; i++) {
		out += st->port[i].lcore[l].out_packets;
		delivered += st->port[i].lcore[l].delivered;
	}
	for (i = 0; i < VSW_PORTS_MAX; i++) {
		struct vsw_port_stats *s = &st->port[i].lcore[l];

		open = s->in_packets + s->copies - s->delivered - sum_drops(s);
		if (open == 0)
			continue;
		if (out > delivered && out - delivered <= open) {
			s->delivered += out - delivered;
			open -= out - delivered;
			delivered = out;
		}
		s->drops[VSW_DROP_restart] += open;
		st->port[i].closed += open;
		lost += open;
	}
	return lost;
}

uint64_t vsw_stats_close_restart(struct vsw_stats *st)
{
	uint64_t lost = 0;
	unsigned int i, l;

	if (st->magic != STATS_MAGIC)
		return 0;
	for (i = 0; i < VSW_PORTS_MAX; i++)
		st->port[i].closed = 0;
	for (l = 0; l < VSW_STATS_LANES; l++)
		lost += close_lcore(st, l);
	st->restarts++;
	return lost;
}

void vsw_port_count_restart(struct vsw_port *p, uint32_t frames)
{
	struct vsw_stats_slot *slot = &p->sw->stats->port[p->id];
	struct vsw_port_stats *s = &slot->lcore[VSW_STATS_LANES - 1];

	if (slot->closed)
		return;
	s->in_packets += frames;
	s->drops[VSW_DROP_restart] += frames;
}
