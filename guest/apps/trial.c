/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `trial`. */
#include "guest/apps/trial.h"
#include "guest/apps/pkt.h"
#include "guest/runtime/words.h"

#define SETTLE_DIV 50u	/* 20 ms */
#define GRACE_DIV  500u /* 2 ms for what had no room at the end, and for what comes twice */
#define QUIET_DIV  20u	/* 50 ms without a frame: the rest is lost */
#define STILL	   1u	/* seconds without a frame either way: without a rate that is the end */
#define RATE_MAX   1000000000u
#define BEHIND_MAX 15u /* rounds in a row that only receive */

static const uint16_t imix[TRIAL_SIZES] = {64, 570, 64, 64, 570, 64, 1518, 64, 570, 64, 570, 64};

void trial_init(struct trial *t, const struct trial_ops *ops, void *side0, void *side1,
		void *monitor)
{
	__builtin_memset(t, 0, sizeof(*t));
	t->ops = ops;
	t->side[0] = side0;
	t->side[1] = side1;
	t->monitor = monitor;
}

/* ---- Orders -------------------------------------------------------------------------------- */

static const char *parse_size(struct trial_cfg *cfg, const char *order, uint32_t size_max)
{
	uint64_t size = 64;
	unsigned int i;

	if (words_is(order, "size", "imix")) {
		if (size_max < 1518)
			return "size=imix: the adapter takes no 1518 bytes";
		cfg->nr_len = TRIAL_SIZES;
		for (i = 0; i < TRIAL_SIZES; i++)
			cfg->len[i] = imix[i] - PKT_FCS;
		return NULL;
	}
	if (!words_u64(order, "size", &size) || size < PROBE_LEN_MIN + PKT_FCS || size > size_max)
		return "size: want 64 to what the adapter takes, or imix";
	cfg->nr_len = 1;
	cfg->len[0] = (uint32_t)size - PKT_FCS;
	return NULL;
}

/* A number between the two, or @dflt. */
static bool parse_num(const char *order, const char *key, uint64_t dflt, uint64_t least,
		      uint64_t most, uint64_t *out)
{
	*out = dflt;
	return words_u64(order, key, out) && *out >= least && *out <= most;
}

const char *trial_parse(struct trial_cfg *cfg, const char *order, uint32_t size_max)
{
	uint64_t ms, window, flows, macs, both, rows;

	if (!parse_num(order, "rate", 0, 0, RATE_MAX, &cfg->rate))
		return "rate: want 0 to 1e9 frames a second";
	if (!parse_num(order, "ms", 0, 0, 86400000, &ms))
		return "ms: want up to a day";
	if (!parse_num(order, "count", cfg->rate * ms / 1000, 1, 1ull << 47, &cfg->count))
		return "count: want 1 frame at least, or rate and ms";
	if (!parse_num(order, "window", 0, 0, SEQ_WINDOW / 2, &window))
		return "window: too large";
	if (!parse_num(order, "flows", 1, 1, 1u << 24, &flows))
		return "flows: want 1 to 2^24";
	if (!parse_num(order, "macs", 1, 1, PROBE_MACS_MAX, &macs))
		return "macs: want 1 to 2^20";
	if (!parse_num(order, "announce", 0, 0, RATE_MAX, &cfg->announce))
		return "announce: want 0 to 1e9 addresses a second";
	if (!parse_num(order, "both", 1, 0, 1, &both) || !parse_num(order, "rows", 0, 0, 1, &rows))
		return "both, rows: want 0 or 1";
	cfg->window = (uint32_t)window;
	cfg->flows = (uint32_t)flows;
	cfg->macs = (uint32_t)macs;
	cfg->is_both = both;
	cfg->has_rows = rows;
	if (rows && ms > ROWS_MAX * 1000)
		return "rows: want an hour at most";
	return parse_size(cfg, order, size_max);
}

/* ---- Begin --------------------------------------------------------------------------------- */

static unsigned int kind_of(struct trial *t, unsigned int *nr, uint32_t len)
{
	unsigned int k;

	for (k = 0; k < *nr; k++) {
		if (t->way[0].tmpl[k].len == len)
			return k;
	}
	t->way[0].tmpl[(*nr)++].len = len;
	return k;
}

static uint32_t macs_of(const struct trial_cfg *c, unsigned int side)
{
	return side == 1 || c->is_both ? c->macs : 1;
}

static void make_templates(struct trial *t)
{
	const struct trial_cfg *c = &t->cfg;
	struct probe_cfg p = {.flows = c->flows, .trial = c->id, .is_in_turn = c->announce != 0};
	unsigned int i, k, side, nr = 0;

	for (i = 0; i < c->nr_len; i++)
		t->kind[i] = (uint8_t)kind_of(t, &nr, c->len[i]);
	for (side = 0; side < 2; side++) {
		__builtin_memcpy(p.src, c->mac[side], 6);
		__builtin_memcpy(p.dst, c->mac[!side], 6);
		p.src_macs = macs_of(c, side);
		p.dst_macs = macs_of(c, !side);
		for (k = 0; k < nr; k++)
			probe_tmpl_init(&t->way[side].tmpl[k], &p, t->way[0].tmpl[k].len);
	}
}

void trial_begin(struct trial *t, const struct trial_cfg *cfg, uint64_t tsc)
{
	void *side0 = t->side[0], *side1 = t->side[1], *monitor = t->monitor;

	trial_init(t, t->ops, side0, side1, monitor);
	t->cfg = *cfg;
	make_templates(t);
	t->rows.hz = cfg->has_rows ? cfg->tsc_hz : 0;
	t->state = cfg->announce ? TRIAL_ANNOUNCE : TRIAL_SETTLE;
	t->start_tsc = tsc;
	t->next_tsc = tsc + cfg->tsc_hz / SETTLE_DIV;
}

/* ---- What comes ---------------------------------------------------------------------------- */

static const struct probe_tmpl *tmpl_of(const struct trial_way *w, uint32_t len)
{
	unsigned int k;

	for (k = 0; k < TRIAL_LENS; k++) {
		if (w->tmpl[k].len == len)
			return &w->tmpl[k];
	}
	return NULL;
}

static void count_latency(struct trial *t, struct trial_way *w, uint64_t lat)
{
	hist_add(&t->latency, lat);
	if (w->seq.unique)
		w->jitter_sum += lat > w->last_lat ? lat - w->last_lat : w->last_lat - lat;
	w->last_lat = lat;
}

static void take(struct trial *t, struct trial_way *w, const struct trial_frame *f, uint64_t now)
{
	const struct probe_tmpl *tmpl = tmpl_of(w, f->len);
	uint64_t seq, tsc;

	switch (tmpl ? probe_check(tmpl, f->data, &seq, &tsc) : PROBE_OTHER) {
	case PROBE_OTHER: t->strange++; return;
	case PROBE_CORRUPT: w->corrupted++; return;
	case PROBE_GOOD: break;
	}
	count_latency(t, w, (now - tsc) & PROBE_TSC_MASK);
	if (t->rows.hz)
		rows_received(&t->rows, (tsc - t->start_stamp) & PROBE_TSC_MASK,
			      (now - tsc) & PROBE_TSC_MASK);
	seq_add(&w->seq, seq);
	w->bytes += f->len;
}

static unsigned int receive(struct trial *t, unsigned int side, uint64_t tsc)
{
	struct trial_frame f[TRIAL_BURST];
	unsigned int i, n = t->ops->rx(t->side[side], f, TRIAL_BURST);
	uint64_t now;

	if (!n)
		return 0;
	now = __builtin_ia32_rdtsc(); /* @tsc is that of the round's begin */
	for (i = 0; i < n; i++)
		take(t, &t->way[!side], &f[i], now);
	if (t->state == TRIAL_RUN && t->received_tsc > t->start_tsc &&
	    tsc - t->received_tsc > t->gap)
		t->gap = tsc - t->received_tsc;
	t->received_tsc = tsc;
	return n;
}

/* What a switch sends everywhere comes here, too. */
static unsigned int listen(struct trial *t, uint64_t tsc)
{
	struct trial_frame f[TRIAL_BURST];
	unsigned int i, n = t->ops->rx(t->monitor, f, TRIAL_BURST);
	const struct probe_tmpl *tmpl;
	uint64_t seq, stamp;

	for (i = 0; i < n; i++) {
		tmpl = tmpl_of(&t->way[0], f[i].len);
		if (tmpl && probe_check(tmpl, f[i].data, &seq, &stamp) != PROBE_OTHER)
			t->flooded++;
	}
	if (n)
		t->received_tsc = tsc;
	return n;
}

/* ---- What goes ----------------------------------------------------------------------------- */

/* @rate frames a second since the start, as a number of frames. */
static uint64_t due(const struct trial *t, uint64_t rate, uint64_t tsc)
{
	uint64_t dt = tsc - t->start_tsc, hz = t->cfg.tsc_hz;

	return dt / hz * rate + dt % hz * rate / hz;
}

static unsigned int burst(struct trial *t, unsigned int side, uint64_t n, uint64_t tsc)
{
	const struct trial_cfg *c = &t->cfg;
	struct trial_way *w = &t->way[side];
	uint32_t len[TRIAL_BURST];
	uint8_t *at[TRIAL_BURST];
	unsigned int i, want = n < TRIAL_BURST ? (unsigned int)n : TRIAL_BURST;
	unsigned int first = (unsigned int)(w->sent % c->nr_len), at_len = first;
	uint64_t now;

	for (i = 0; i < want; i++) {
		len[i] = c->len[at_len];
		at_len = at_len + 1 == c->nr_len ? 0 : at_len + 1;
	}
	want = t->ops->tx(t->side[side], len, at, want);
	now = __builtin_ia32_rdtsc();
	for (i = 0; i < want; i++) {
		probe_build(&w->tmpl[t->kind[first]], at[i], w->sent + i, now);
		first = first + 1 == c->nr_len ? 0 : first + 1;
	}
	w->sent += want;
	if (want)
		t->sent_tsc = tsc;
	if (t->rows.hz)
		rows_sent(&t->rows, (now - t->start_stamp) & PROBE_TSC_MASK, want);
	return want;
}

static unsigned int load(struct trial *t, unsigned int side, uint64_t tsc)
{
	const struct trial_cfg *c = &t->cfg;
	struct trial_way *w = &t->way[side];
	uint64_t n = c->rate ? due(t, c->rate, tsc) : c->count, room;

	n = (n < c->count ? n : c->count) - w->sent;
	if (c->rate && n > t->lag)
		t->lag = n;
	if (c->window) {
		room = w->seq.unique + c->window - w->sent;
		n = n < room ? n : room;
	}
	return n ? burst(t, side, n, tsc) : 0;
}

static unsigned int announce(struct trial *t, unsigned int side, uint64_t tsc)
{
	struct trial_way *w = &t->way[side];
	uint64_t n = due(t, t->cfg.announce, tsc);
	const uint32_t len = t->cfg.len[0], macs = macs_of(&t->cfg, side);
	unsigned int sent = 0;
	uint8_t *at;

	for (; w->announced < macs && w->announced < n && sent < TRIAL_BURST; sent++) {
		if (!t->ops->tx(t->side[side], &len, &at, 1))
			break;
		probe_announce(&w->tmpl[0], at, w->announced++);
	}
	if (sent)
		t->sent_tsc = tsc;
	return sent;
}

/* ---- States -------------------------------------------------------------------------------- */

static void enter(struct trial *t, enum trial_state s, uint64_t until)
{
	t->state = s;
	t->next_tsc = until;
}

static bool has_all_sent(const struct trial *t)
{
	return t->way[0].sent == t->cfg.count &&
	       (!t->cfg.is_both || t->way[1].sent == t->cfg.count);
}

/* With a rate the end is a time, else it has to come by itself. */
static uint64_t end_of(const struct trial *t)
{
	const struct trial_cfg *c = &t->cfg;

	if (!c->rate)
		return UINT64_MAX;
	return t->start_tsc + c->count / c->rate * c->tsc_hz +
	       c->count % c->rate * c->tsc_hz / c->rate + c->tsc_hz / GRACE_DIV;
}

/* When the last frame came or went. */
static uint64_t last_of(const struct trial *t)
{
	uint64_t last = t->received_tsc > t->sent_tsc ? t->received_tsc : t->sent_tsc;

	return last > t->start_tsc ? last : t->start_tsc;
}

static bool stands_still(const struct trial *t, uint64_t tsc)
{
	return tsc > last_of(t) + STILL * t->cfg.tsc_hz;
}

static unsigned int announce_all(struct trial *t, uint64_t tsc)
{
	unsigned int n = announce(t, 0, tsc) + announce(t, 1, tsc);

	if ((t->way[0].announced == macs_of(&t->cfg, 0) &&
	     t->way[1].announced == macs_of(&t->cfg, 1)) ||
	    stands_still(t, tsc)) {
		t->announce_time = tsc - t->start_tsc;
		enter(t, TRIAL_SETTLE, tsc + t->cfg.tsc_hz / SETTLE_DIV);
	}
	return n;
}

static void begin_load(struct trial *t, uint64_t tsc)
{
	t->start_tsc = tsc;
	t->start_stamp = __builtin_ia32_rdtsc();
	t->sent_tsc = 0;
	t->received_tsc = 0;
	t->strange = 0;
	t->flooded = 0;
	enter(t, TRIAL_RUN, end_of(t));
}

static unsigned int run(struct trial *t, uint64_t tsc)
{
	unsigned int n = load(t, 0, tsc), side;

	if (t->cfg.is_both)
		n += load(t, 1, tsc);
	if (!has_all_sent(t) && tsc < t->next_tsc && (t->cfg.rate || !stands_still(t, tsc)))
		return n;
	for (side = 0; side < 2; side++) {
		if (side == 0 || t->cfg.is_both)
			t->way[side].unsent = t->cfg.count - t->way[side].sent;
	}
	enter(t, TRIAL_DRAIN, 0);
	return n;
}

static void drain(struct trial *t, uint64_t tsc)
{
	bool is_whole =
		t->way[0].seq.unique == t->way[0].sent && t->way[1].seq.unique == t->way[1].sent;

	if (tsc > last_of(t) + t->cfg.tsc_hz / (is_whole ? GRACE_DIV : QUIET_DIV))
		t->state = TRIAL_DONE;
}

static unsigned int step(struct trial *t, uint64_t tsc)
{
	unsigned int n = 0;

	switch (t->state) {
	case TRIAL_ANNOUNCE: n = announce_all(t, tsc); break;
	case TRIAL_SETTLE:
		if (tsc >= t->next_tsc)
			begin_load(t, tsc);
		break;
	case TRIAL_RUN: n = run(t, tsc); break;
	case TRIAL_DRAIN: drain(t, tsc); break;
	case TRIAL_IDLE:
	case TRIAL_DONE: break;
	}
	return n;
}

/* Whether to receive again before anything is sent. What was late comes at once, and so it is with what is sent to
 * catch up: a round that sends as much as it receives would keep the rest waiting, and call that latency. Without a rate
 * nothing is late. */
static bool is_behind(struct trial *t, bool is_full)
{
	if (!is_full || !t->cfg.rate || t->state != TRIAL_RUN || t->nr_behind == BEHIND_MAX) {
		t->nr_behind = 0;
		return false;
	}
	t->nr_behind++;
	return true;
}

unsigned int trial_poll(struct trial *t, uint64_t tsc)
{
	const unsigned int n0 = receive(t, 0, tsc), n1 = receive(t, 1, tsc);
	unsigned int n = n0 + n1;

	if (t->monitor) {
		n += listen(t, tsc);
		t->ops->flush(t->monitor);
	}
	if (!is_behind(t, n0 == TRIAL_BURST || n1 == TRIAL_BURST))
		n += step(t, tsc);
	t->ops->flush(t->side[0]);
	t->ops->flush(t->side[1]);
	return n;
}

void trial_sum(const struct trial *t, struct trial_sum *out)
{
	uint64_t jitter = 0, n = 0;
	unsigned int side;

	*out = (struct trial_sum){0};
	for (side = 0; side < 2; side++) {
		const struct trial_way *w = &t->way[side];

		out->sent += w->sent;
		out->unsent += w->unsent;
		out->received += w->seq.unique;
		out->duplicated += w->seq.duplicated;
		out->reordered += w->seq.reordered;
		out->corrupted += w->corrupted;
		out->bytes += w->bytes;
		jitter += w->jitter_sum;
		n += w->seq.unique ? w->seq.unique - 1 : 0;
	}
	out->jitter = n ? jitter / n : 0;
}
