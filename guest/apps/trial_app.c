/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `trial` on our runtime: adapters are its sides, a third one listens, orders come by the control page, and
 * what became of the frames goes to the report page. `order` is the number of the newest order, `done` of the last one
 * that was carried out. The order show=N reports the seconds from N on, as many as there is room for. */
#include "guest/apps/app.h"
#include "guest/apps/flow.h"
#include "guest/apps/pkt.h"
#include "guest/apps/trial.h"
#include "guest/runtime/words.h"

#include <nethv/abi/boot.h>

#define SHOWN 8u /* seconds */

struct side {
	struct nvsc_queue *q;
	struct nvsc_frame f[NVSC_BURST];
	unsigned int n; /* of them are to be given back */
};

static struct trial trial;
static struct side side[3];
static uint32_t order_seq, told_seq;

static unsigned int side_rx(void *ctx, struct trial_frame *f, unsigned int max)
{
	struct side *s = ctx;
	unsigned int i;

	s->n = nvsc_rx_burst(s->q, s->f, max);
	for (i = 0; i < s->n; i++)
		f[i] = (struct trial_frame){s->f[i].data, s->f[i].len};
	return s->n;
}

static unsigned int side_tx(void *ctx, const uint32_t *len, uint8_t **at, unsigned int n)
{
	struct side *s = ctx;
	unsigned int i;

	for (i = 0; i < n; i++) {
		at[i] = nvsc_tx_alloc(s->q, len[i], 0, 0);
		if (!at[i])
			break;
	}
	return i;
}

static void side_flush(void *ctx)
{
	struct side *s = ctx;

	if (s->n)
		nvsc_rx_drop(s->q, s->f, s->n);
	s->n = 0;
	nvsc_flush(s->q);
}

static const struct trial_ops ops = {.rx = side_rx, .tx = side_tx, .flush = side_flush};

static void trial_setup(struct app *a)
{
	unsigned int i;

	if (a->nr_workers != 1)
		rt_panic("queues=%u: one thread sends and receives", a->nr_workers);
	flow_init();
	for (i = 0; i < a->nr_nics; i++)
		side[i].q = &a->nic[i].queue[0];
	trial_init(&trial, &ops, &side[0], &side[1], a->nr_nics == 3 ? &side[2] : NULL);
}

static unsigned int trial_round(struct app_worker *w, uint64_t tsc)
{
	return trial_poll(&trial, tsc);
}

static void report_row(unsigned int i, const struct row *row)
{
	char name[24];

	rt_snprintf(name, sizeof(name), "row%u_sent", i);
	app_report(name, row->sent);
	rt_snprintf(name, sizeof(name), "row%u_received", i);
	app_report(name, row->received);
	rt_snprintf(name, sizeof(name), "row%u_max_ns", i);
	app_report(name, app_to_ns(row->latency));
}

static void show(uint64_t from)
{
	unsigned int i;

	for (i = 0; i < SHOWN && from + i < ROWS_MAX; i++)
		report_row(i, &trial.rows.row[from + i]);
	told_seq = order_seq;
	app_report("done", order_seq);
}

/* Addresses beyond the adapters' own are for a switch that learns: they come here by all means. */
static void begin(struct app *a, const char *line)
{
	struct trial_cfg cfg = {.id = (uint16_t)(order_seq / 2), .tsc_hz = rt_tsc_hz()};
	const char *why = trial_parse(&cfg, line, a->nic[0].cfg.mtu + PKT_ETH_HDR + PKT_FCS);
	unsigned int i;

	for (i = 0; i < 2; i++)
		__builtin_memcpy(cfg.mac[i], a->nic[i].mac, 6);
	if (why)
		rt_report_message("order %u: %s", order_seq, why);
	else
		trial_begin(&trial, &cfg, rt_tsc());
	app_report("refused", why ? order_seq : 0);
}

static void obey(struct app *a, const char *line)
{
	uint64_t from = ROWS_MAX;

	if (words_u64(line, "show", &from) && from < ROWS_MAX)
		show(from);
	else
		begin(a, line);
	app_report("order", order_seq);
}

static void report_latency(void)
{
	static const struct {
		const char *name;
		unsigned int ppm;
	} points[] = {{"lat_p1_ns", 10000},	 {"lat_p10_ns", 100000}, {"lat_p25_ns", 250000},
		      {"lat_p50_ns", 500000},	 {"lat_p75_ns", 750000}, {"lat_p90_ns", 900000},
		      {"lat_p95_ns", 950000},	 {"lat_p99_ns", 990000}, {"lat_p99.9_ns", 999000},
		      {"lat_p99.99_ns", 999900}, {"lat_max_ns", 1000000}};
	unsigned int i;

	for (i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		app_report(points[i].name, app_to_ns(hist_quantile(&trial.latency, points[i].ppm)));
	app_report("lat_min_ns", app_to_ns(trial.latency.min));
}

static void report_end(const struct trial_sum *s)
{
	uint64_t first = trial.start_tsc;

	report_latency();
	app_report("jitter_ns", app_to_ns(s->jitter));
	app_report("lag", trial.lag);
	app_report("gap_ns", app_to_ns(trial.gap));
	app_report("strange", trial.strange);
	app_report("flooded", trial.flooded);
	app_report("announced", trial.way[0].announced + trial.way[1].announced);
	app_report("announce_ns", app_to_ns(trial.announce_time));
	app_report("rx_bytes", s->bytes);
	app_report("send_ns", trial.sent_tsc ? app_to_ns(trial.sent_tsc - first) : 0);
	app_report("receive_ns",
		   trial.received_tsc > first ? app_to_ns(trial.received_tsc - first) : 0);
	app_report("done", order_seq);
}

static void trial_report(struct app *a, struct app_totals *t)
{
	char line[NETHV_ORDER_MAX + 1];
	uint32_t seq = rt_order(line);
	struct trial_sum s;

	if (trial.state == TRIAL_RUN && seq == order_seq)
		return; /* each look takes time from what is measured */
	trial_sum(&trial, &s);
	t->packets = s.sent;
	app_report("tx_packets", s.sent);
	app_report("rx_packets", s.received);
	app_report("unsent", s.unsent);
	app_report("duplicated", s.duplicated);
	app_report("reordered", s.reordered);
	app_report("corrupted", s.corrupted);
	if (trial.state == TRIAL_DONE && told_seq != order_seq) {
		told_seq = order_seq;
		report_end(&s);
	}
	if (seq && seq != order_seq) {
		order_seq = seq;
		obey(a, line);
	}
}

static uint32_t trial_filter(void)
{
	return rt_arg_u64("promiscuous", 0) ? NDIS_FILTER_PROMISCUOUS : 0;
}

const struct app_ops app_trial = {.name = "trial",
				  .nr_nics = 2,
				  .nr_nics_max = 3,
				  .filter = trial_filter,
				  .setup = trial_setup,
				  .poll = trial_round,
				  .report = trial_report};
