/* SPDX-License-Identifier: BSD-3-Clause */
/* The tap set: what is in it, how it is published, and the round that empties the lcores' rings. */
#include "vswitch/see/see.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>

#include "base/err.h"
#include "vswitch/see/ctl.h"

#define RING_DEFAULT (1u << 20)
#define RING_MIN     (1u << 18) /* a few of the longest frames */
#define RING_MAX     (1u << 30)

/* ---- Create ----------------------------------------------------------------------- */

static int lane_init(struct see_lane *l, uint32_t ring_size)
{
	int rc = see_ring_init(&l->ring, ring_size);

	if (rc)
		return rc;
	l->scratch = malloc(VSW_SEE_SNAP_MAX);
	l->drop = calloc(VSW_SEE_DROPS, sizeof(*l->drop));
	return l->scratch && l->drop ? 0 : err_set(-ENOMEM, "no memory for remembered drops");
}

static int cfg_check(struct vsw_see_cfg *cfg)
{
	if (cfg->ring_size == 0)
		cfg->ring_size = RING_DEFAULT;
	if (cfg->nr_lcores == 0 || cfg->nr_lcores > VSW_LCORES_MAX)
		return err_set(-EINVAL, "%u lcores, want 1..%u", cfg->nr_lcores, VSW_LCORES_MAX);
	if (cfg->tsc_hz == 0)
		return err_set(-EINVAL, "the frequency of the TSC is not known");
	if (cfg->ring_size < RING_MIN || cfg->ring_size > RING_MAX ||
	    (cfg->ring_size & (cfg->ring_size - 1)))
		return err_set(-EINVAL, "ring of %u bytes: a power of two, %u..%u", cfg->ring_size,
			       RING_MIN, RING_MAX);
	return 0;
}

int vsw_see_create(struct vsw_see **out, const struct vsw_see_cfg *cfg,
		   const struct vsw_see_ops *ops, void *ctx)
{
	struct vsw_see_cfg c = *cfg;
	struct vsw_see *see;
	unsigned int i;
	int rc = cfg_check(&c);

	if (rc)
		return rc;
	see = calloc(1, sizeof(*see));
	if (!see)
		return err_set(-ENOMEM, "no memory for captures");
	see->cfg = c;
	see_clock(see);
	see->ops = ops;
	see->ctx = ctx;
	see->lane = aligned_alloc(64, c.nr_lcores * sizeof(*see->lane));
	if (see->lane)
		memset(see->lane, 0, c.nr_lcores * sizeof(*see->lane));
	else
		rc = err_set(-ENOMEM, "no memory for captures");
	for (i = 0; i < c.nr_lcores && !rc; i++)
		rc = lane_init(&see->lane[i], c.ring_size);
	if (rc) {
		vsw_see_destroy(see);
		return rc;
	}
	*out = see;
	return 0;
}

/* ---- What the files share ------------------------------------------------------------------- */

int see_counts_new(struct see_counts **out, uint64_t left)
{
	*out = aligned_alloc(64, sizeof(**out));
	if (!*out)
		return err_set(-ENOMEM, "no memory for counters");
	memset(*out, 0, sizeof(**out));
	(*out)->left = left;
	return 0;
}

uint64_t see_lost(const struct vsw_see *see, const struct see_counts *c)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < see->cfg.nr_lcores; i++)
		sum += __atomic_load_n(&c->lcore[i].lost, __ATOMIC_ACQUIRE);
	return sum;
}

/* Pairs with the lcore's count(): what is counted is in the ring, seen by a later see_ring_end(). */
uint64_t see_taken(const struct vsw_see *see, const struct see_counts *c)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < see->cfg.nr_lcores; i++)
		sum += __atomic_load_n(&c->lcore[i].taken, __ATOMIC_ACQUIRE);
	return sum;
}

/* The TSC's frequency is not known well enough for hours: each round starts from the wall clock. */
void see_clock(struct vsw_see *see)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	see->anchor_tsc = rte_rdtsc();
	see->anchor_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t see_ns(const struct vsw_see *see, uint64_t tsc)
{
	__int128 ago = (__int128)(int64_t)(see->anchor_tsc - tsc) * 1000000000;

	return see->anchor_ns - (uint64_t)(int64_t)(ago / (int64_t)see->cfg.tsc_hz);
}

void see_port_name(const struct vsw_see *see, uint16_t port, char out[SEE_NAME_LEN])
{
	const char *name = NULL;

	if (port < VSW_PORTS_MAX)
		name = see->ops->port_name(see->ctx, port);
	if (port == NETHV_PORT_DEFAULT)
		name = "switch";
	if (name)
		snprintf(out, SEE_NAME_LEN, "%s", name);
	else
		snprintf(out, SEE_NAME_LEN, "port %u", port);
}

void see_src_name(const struct vsw_see *see, const struct see_rec *r, char out[SEE_NAME_LEN + 8])
{
	char name[SEE_NAME_LEN];

	see_port_name(see, r->src_port, name);
	if (r->src_nic)
		snprintf(out, SEE_NAME_LEN + 8, "%s.%u", name, r->src_nic);
	else
		snprintf(out, SEE_NAME_LEN + 8, "%s", name);
}

json_t *see_json_text(const char *text)
{
	json_t *j = json_string(text);
	char clean[SEE_WHY_LEN];
	size_t i;

	if (j)
		return j;
	snprintf(clean, sizeof(clean), "%s", text);
	for (i = 0; clean[i]; i++) {
		if (clean[i] < ' ' || clean[i] > '~')
			clean[i] = '?';
	}
	return json_string(clean);
}

/* ---- Publishing ------------------------------------------------------------------------------ */

static void tap_captures(const struct vsw_see *see, struct vsw_tap *t)
{
	unsigned int i;

	for (i = 0; i < VSW_SEE_CAPTURES_MAX; i++) {
		const struct see_capture *c = see->capture[i];
		struct see_tap_capture *to = &t->capture[t->nr_captures];

		if (!c || c->state != VSW_SEE_RUNNING || c->is_unlinked)
			continue;
		*to = (struct see_tap_capture){.id = c->id,
					       .stations = c->cfg.stations,
					       .snaplen = c->cfg.snaplen,
					       .is_for_ports = c->cfg.is_for_ports,
					       .filter = c->filter,
					       .counts = c->counts};
		memcpy(to->ports, c->cfg.ports, sizeof(to->ports));
		t->stations |= c->cfg.stations;
		t->nr_captures++;
	}
}

static void tap_traces(const struct vsw_see *see, struct vsw_tap *t)
{
	unsigned int i;

	for (i = 0; i < VSW_SEE_TRACES_MAX; i++) {
		const struct see_trace *tr = see->trace[i];

		if (tr)
			t->trace[t->nr_traces++] =
				(struct see_tap_trace){tr->id, tr->filter, tr->counts};
	}
}

void see_publish(struct vsw_see *see)
{
	struct vsw_tap *t = &see->tap[see->tap_next];

	memset(t, 0, sizeof(*t));
	t->nr_lcores = see->cfg.nr_lcores;
	t->lane = see->lane;
	t->next_packet = &see->next_packet;
	t->has_drops = see->has_drops;
	t->drop_filter = see->drop_filter;
	tap_captures(see, t);
	tap_traces(see, t);
	if (!t->nr_captures && !t->nr_traces && !t->has_drops)
		t = NULL;
	see->ops->publish(see->ctx, t);
	see->has_tap = t != NULL;
	see->tap_next ^= 1;
}

/* ---- The round --------------------------------------------------------------------------------- */

/* The oldest record of all lcores, so that a capture's packets come out in the order of time. */
static const struct see_rec *oldest(struct vsw_see *see, const uint64_t *end, unsigned int *lane)
{
	const struct see_rec *best = NULL;
	unsigned int i;

	for (i = 0; i < see->cfg.nr_lcores; i++) {
		const struct see_rec *r = see_ring_peek(&see->lane[i].ring, end[i]);

		if (r && (!best || (int64_t)(r->tsc - best->tsc) < 0)) {
			best = r;
			*lane = i;
		}
	}
	return best;
}

static void dispatch(struct vsw_see *see, const struct see_rec *r)
{
	unsigned int i;

	if (r->kind != SEE_CAPTURED) {
		see_trace_take(see, r);
		return;
	}
	for (i = 0; i < VSW_SEE_CAPTURES_MAX; i++) {
		if (see->capture[i] && see->capture[i]->id == r->id)
			see_capture_take(see, see->capture[i], r);
	}
}

/* What is there now: lcores may go on writing meanwhile. */
static void drain(struct vsw_see *see)
{
	uint64_t end[VSW_LCORES_MAX];
	const struct see_rec *r;
	unsigned int i, lane = 0;

	for (i = 0; i < see->cfg.nr_lcores; i++)
		end[i] = see_ring_end(&see->lane[i].ring);
	while ((r = oldest(see, end, &lane))) {
		dispatch(see, r);
		see_ring_release(&see->lane[lane].ring);
	}
}

static void flush(struct see_capture *c)
{
	if (c->state == VSW_SEE_RUNNING && see_file_flush(&c->file)) {
		c->state = VSW_SEE_FAILED;
		snprintf(c->text, sizeof(c->text), "%s", err_text());
	}
}

/* @had_all: lcores had taken all packets wanted before their rings were emptied. */
static bool is_over(const struct see_capture *c, bool had_all)
{
	uint64_t bytes = c->file.written + c->file.buf.len;

	return c->state != VSW_SEE_RUNNING || had_all ||
	       (c->cfg.max_packets && c->packets >= c->cfg.max_packets) ||
	       (c->cfg.max_bytes && bytes >= c->cfg.max_bytes);
}

static void end_captures(struct vsw_see *see, const bool *had_all)
{
	bool has_ended[VSW_SEE_CAPTURES_MAX] = {false}, is_changed = false;
	unsigned int i;

	for (i = 0; i < VSW_SEE_CAPTURES_MAX; i++) {
		struct see_capture *c = see->capture[i];

		if (!c || c->file.fd < 0 || !is_over(c, had_all[i]))
			continue;
		if (c->state == VSW_SEE_RUNNING)
			c->state = VSW_SEE_DONE;
		has_ended[i] = is_changed = true;
	}
	if (is_changed)
		see_publish(see);
	for (i = 0; i < VSW_SEE_CAPTURES_MAX; i++) {
		if (has_ended[i])
			see_capture_end(see, see->capture[i], see->capture[i]->state);
	}
}

void vsw_see_poll(struct vsw_see *see)
{
	bool had_all[VSW_SEE_CAPTURES_MAX] = {false};
	unsigned int i;

	see_clock(see);
	for (i = 0; i < VSW_SEE_CAPTURES_MAX; i++) {
		const struct see_capture *c = see->capture[i];

		if (c && c->cfg.max_packets)
			had_all[i] = see_taken(see, c->counts) >= c->cfg.max_packets;
	}
	drain(see);
	for (i = 0; i < VSW_SEE_CAPTURES_MAX; i++) {
		if (see->capture[i])
			flush(see->capture[i]);
	}
	end_captures(see, had_all);
}

bool vsw_see_is_busy(const struct vsw_see *see)
{
	unsigned int i;

	for (i = 0; i < VSW_SEE_CAPTURES_MAX; i++) {
		if (see->capture[i] && see->capture[i]->file.fd >= 0)
			return true;
	}
	for (i = 0; i < VSW_SEE_TRACES_MAX; i++) {
		if (see->trace[i])
			return true;
	}
	return false;
}

void vsw_see_destroy(struct vsw_see *see)
{
	unsigned int i;

	if (!see)
		return;
	if (see->has_tap)
		see->ops->publish(see->ctx, NULL);
	if (see->ops) {
		see_clock(see);
		drain(see);
	}
	for (i = 0; i < VSW_SEE_CAPTURES_MAX; i++) {
		if (see->capture[i])
			see_capture_end(see, see->capture[i], VSW_SEE_DONE);
		see_capture_free(see->capture[i]);
	}
	for (i = 0; i < VSW_SEE_TRACES_MAX; i++)
		see_trace_free(see->trace[i]);
	for (i = 0; i < see->cfg.nr_lcores && see->lane; i++) {
		see_ring_fini(&see->lane[i].ring);
		free(see->lane[i].scratch);
		free(see->lane[i].drop);
	}
	see_filter_destroy(see->drop_filter);
	free(see->lane);
	free(see);
}
