/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame around the applications. */
#include "guest/apps/app.h"

#include "guest/apps/pkt.h"
#include "guest/netvsc/transport_rt.h"
#include "guest/runtime/rt_hv.h"

#define IDLE_AFTER_US 50u	   /* of polling without work */
#define SLEEP_MAX     200000u	   /* 20 ms, in 100 ns units: worker 0 looks around that often */
#define LOOK_DIV      200u	   /* every 5 ms */
#define FINISH_TIME   100000000ull /* 10 s for the last words */
#define REPORT_EVERY  64u

void app_report(const char *name, uint64_t value)
{
	__atomic_store_n(rt_report_u64(name), value, __ATOMIC_RELAXED);
}

uint64_t app_to_ns(uint64_t cycles)
{
	uint64_t hz = rt_tsc_hz();

	return cycles / hz * 1000000000u + cycles % hz * 1000000000u / hz;
}

void app_arg_mac(const char *key, uint8_t mac[6])
{
	char text[32];

	if (rt_arg(key, text, sizeof(text)) < 0)
		rt_panic("%s=MAC is missing", key);
	if (!pkt_parse_mac(text, mac))
		rt_panic("%s=%s is not a MAC address", key, text);
}

/* ---- Adapters ------------------------------------------------------------------------------ */

/* The @n-th number of nics=A,B, or of nic=A; @n itself without them. */
static unsigned int nic_number(unsigned int n)
{
	char text[16];
	const char *p = text;
	unsigned int value;

	if (rt_arg("nics", text, sizeof(text)) < 0 && rt_arg("nic", text, sizeof(text)) < 0)
		return n;
	for (;; p++, n--) {
		value = 0;
		if (*p < '0' || *p > '9')
			rt_panic("nics=%s: numbers of %u adapters are needed", text, n + 1);
		for (; *p >= '0' && *p <= '9' && value < 100; p++)
			value = value * 10 + (unsigned int)(*p - '0');
		if (!n)
			return value;
		if (*p != ',')
			rt_panic("nics=%s: another adapter is needed", text);
	}
}

static unsigned int nr_listed(void)
{
	char text[16];
	const char *p = text;
	unsigned int n = 1;

	if (rt_arg("nics", text, sizeof(text)) < 0)
		return 0;
	for (; *p; p++)
		n += *p == ',';
	return n;
}

static unsigned int nr_wanted(const struct app_ops *ops)
{
	unsigned int n = ops->nr_nics_max ? nr_listed() : 0;

	if (n > ops->nr_nics_max)
		rt_panic("nics: %u adapters, and %u at most are of use", n, ops->nr_nics_max);
	return n > ops->nr_nics ? n : ops->nr_nics;
}

static void open_nic(struct app *a, unsigned int i)
{
	struct nvsc_cfg cfg = {
		.mtu = (uint16_t)rt_arg_u64("mtu", 0),
		.nr_queues = (uint16_t)a->nr_workers,
		.nr_vps = rt_nr_vps(),
		.filter = a->ops->filter ? a->ops->filter() : 0,
		.rx_bytes = (uint32_t)rt_arg_u64("rxbuf", 0),
		.tx_bytes = (uint32_t)rt_arg_u64("txbuf", 0),
		.ring_pages = (uint32_t)rt_arg_u64("ring_pages", 0),
		.max_pkts = (uint32_t)rt_arg_u64("messages", 0),
	};
	unsigned int n = nic_number(i);
	struct nvsc_chan *ch = nvsc_bus_nic(&a->bus, n);
	int rc;

	if (!ch)
		rt_panic("there is no adapter %u", n);
	rc = nvsc_open(&a->nic[i], &a->bus, ch, &cfg);
	if (rc)
		rt_panic("adapter %u does not open: error %d", n, rc);
	if (a->nic[i].nr_queues < a->nr_workers)
		a->nr_workers = a->nic[i].nr_queues;
}

static void connect(struct app *a)
{
	struct nvsc_bus_cfg cfg = {.transport = nvsc_transport_rt(),
				   .max_version = (uint32_t)rt_arg_u64("vmbus", 0)};
	uint64_t queues = rt_arg_u64("queues", 1);
	unsigned int i;
	int rc = nvsc_bus_connect(&a->bus, &cfg);

	if (rc)
		rt_panic("no VMBus: error %d", rc);
	if (!queues || queues > rt_nr_vps() || queues > APP_WORKERS_MAX)
		rt_panic("queues=%lu: 1 to the number of VPs (%u)", (unsigned long)queues,
			 rt_nr_vps());
	a->nr_workers = (unsigned int)queues;
	a->nr_nics = nr_wanted(a->ops);
	for (i = 0; i < a->nr_nics; i++)
		open_nic(a, i);
}

/* ---- Sleeping ------------------------------------------------------------------------------ */

static void ignore_flag(void *arg, unsigned int flag)
{
}

static void sleep_a_while(struct app_worker *w)
{
	struct app *a = w->app;
	bool has_work = false;
	unsigned int i;

	rt_wake_clear();
	rt_event_flags_take(HV_EVENT_FLAGS, ignore_flag, NULL);
	if (!w->id)
		has_work = nvsc_bus_poll(&a->bus) != 0;
	for (i = 0; i < a->nr_nics; i++)
		has_work |= nvsc_queue_arm(app_queue(w, i));
	if (!has_work) {
		rt_idle(rt_ref_time() + SLEEP_MAX);
		w->idle_count++;
	}
	for (i = 0; i < a->nr_nics; i++)
		nvsc_queue_disarm(app_queue(w, i));
}

/* ---- Reporting and the end ----------------------------------------------------------------- */

static void report_common(struct app *a, uint64_t tsc)
{
	uint64_t idle = 0, busy = 0, doorbells = 0, lost = 0, backlog = 0;
	const struct nvsc_stats *s;
	unsigned int i, k;

	for (i = 0; i < a->nr_workers; i++) {
		idle += a->worker[i].idle_count;
		busy += a->worker[i].busy_cycles;
		for (k = 0; k < a->nr_nics; k++) {
			s = &a->nic[k].queue[i].stats;
			doorbells += s->doorbells;
			lost += s->tx_lost;
			backlog += s->backlog;
		}
	}
	app_report("idle_count", idle);
	app_report("busy_cycles", busy);
	app_report("tsc_cycles", tsc - a->start_tsc);
	app_report("doorbells", doorbells);
	app_report("tx_lost", lost);
	app_report("backlog", backlog);
}

static bool is_dead(const struct app *a)
{
	unsigned int i, k;

	for (i = 0; i < a->nr_nics; i++) {
		if (a->nic[i].ch->is_rescinded)
			return true;
		for (k = 0; k < a->nr_workers; k++) {
			if (a->nic[i].queue[k].fault)
				return true;
		}
	}
	return false;
}

/* A second after the first packet the traffic is steady: the host notes its counters then. */
static void note_steady(struct app *a, uint64_t packets, uint64_t tsc)
{
	if (!packets || a->steady_at == RT_NEVER)
		return;
	if (!a->steady_at) {
		a->steady_at = tsc + rt_tsc_hz();
	} else if (tsc > a->steady_at) {
		app_report("steady_packets", packets);
		app_report("steady_tsc", tsc);
		app_report("steady", 1);
		a->steady_at = RT_NEVER;
	}
}

static void stop_workers(struct app *a)
{
	__atomic_store_n(&a->is_stopping, true, __ATOMIC_RELAXED);
}

/* Worker 0 looks around: messages, report, end. */
static void look_around(struct app *a, uint64_t tsc)
{
	struct app_totals t = {0};

	a->next_look = tsc + rt_tsc_hz() / LOOK_DIV;
	nvsc_bus_poll(&a->bus);
	a->ops->report(a, &t);
	report_common(a, tsc);
	note_steady(a, t.packets, tsc);
	if (is_dead(a)) {
		a->has_failed = true;
		rt_report_message("an adapter was withdrawn");
		stop_workers(a);
		return;
	}
	if (rt_stop_requested() && !a->is_finishing) {
		a->is_finishing = true;
		a->finish_by = rt_ref_time() + FINISH_TIME;
	}
	if (t.is_done || (a->is_finishing && (!a->ops->finish || a->ops->finish(a, tsc) ||
					      rt_ref_time() > a->finish_by)))
		stop_workers(a);
}

/* ---- Workers ------------------------------------------------------------------------------- */

static void worker_main(void *arg)
{
	struct app_worker *w = arg;
	struct app *a = w->app;
	uint64_t idle_after = rt_tsc_hz() / 1000000 * IDLE_AFTER_US;
	uint64_t tsc = rt_tsc(), last_work = tsc, now;

	while (!__atomic_load_n(&a->is_stopping, __ATOMIC_RELAXED)) {
		if (a->ops->poll(w, tsc)) {
			now = rt_tsc();
			w->busy_cycles += now - tsc;
			last_work = tsc = now;
		} else {
			if (!a->is_polling && tsc - last_work > idle_after)
				sleep_a_while(w);
			else
				rt_pause();
			tsc = rt_tsc();
		}
		if (!w->id && __builtin_expect(tsc > a->next_look, 0))
			look_around(a, tsc);
	}
	w->has_ended = true;
}

static void run_workers(struct app *a)
{
	unsigned int i;

	for (i = 0; i < a->nr_workers; i++) {
		a->worker[i].app = a;
		a->worker[i].id = i;
	}
	a->start_tsc = rt_tsc();
	for (i = 1; i < a->nr_workers; i++) {
		if (rt_run_on(i, worker_main, &a->worker[i]))
			rt_panic("VP %u does not run", i);
	}
	worker_main(&a->worker[0]);
	for (i = 1; i < a->nr_workers; i++) {
		rt_wake(i);
		while (rt_vp_busy(i))
			rt_pause();
	}
}

static int close_all(struct app *a)
{
	struct app_totals t = {0};
	unsigned int i;
	int rc = 0, rc2;

	a->ops->report(a, &t);
	report_common(a, rt_tsc());
	for (i = 0; i < a->nr_nics; i++) {
		rc2 = nvsc_close(&a->nic[i]);
		rc = rc ? rc : rc2;
	}
	rc2 = nvsc_bus_unload(&a->bus);
	return rc ? rc : rc2;
}

int app_run(struct app *a, const struct app_ops *ops)
{
	int rc;

	a->ops = ops;
	a->is_polling = rt_arg_u64("poll", 0) != 0;
	connect(a);
	ops->setup(a);
	app_report("queues", a->nr_workers);
	app_report("nvsp_version", a->nic[0].version);
	app_report("vmbus_version", a->bus.version);
	rt_report_state(NETHV_STATE_RUNNING);
	run_workers(a);
	rc = close_all(a);
	if (a->has_failed)
		return 1;
	if (rc)
		rt_report_message("unclean end: error %d", rc);
	rt_report_state(rc ? NETHV_STATE_FAILED : NETHV_STATE_DONE);
	return rc ? 1 : 0;
}
