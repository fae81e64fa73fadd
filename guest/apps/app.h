/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame around our guest's applications: adapters, one worker a VP and queue, the loop that polls
 * or sleeps, the report. Runs only in the image; what an application does is in its own file. */
#pragma once

#include "guest/netvsc/nvsc.h"
#include "guest/runtime/rt.h"

#define APP_NICS_MAX	3u
#define APP_WORKERS_MAX NVSC_QUEUES_MAX

struct app;

struct app_worker {
	struct app *app;
	unsigned int id; /* serves queue id of every adapter, on VP id */
	uint64_t loops;
	uint64_t idle_count;
	uint64_t busy_cycles; /* TSC, of rounds that had work */
	bool has_ended;
} __attribute__((aligned(64)));

/* Values that every application shows; summed over workers. */
struct app_totals {
	uint64_t packets; /* what it is there for: the steady state is told by this */
	bool is_done;
};

struct app_ops {
	const char *name;
	unsigned int nr_nics;
	unsigned int nr_nics_max; /* as many as nics= lists, up to that; 0: it has nr_nics */
	uint32_t (*filter)(void); /* NDIS_FILTER_*, or NULL: the usual */
	void (*setup)(struct app *a);
	/* One round of one worker. Returns how much there was to do. */
	unsigned int (*poll)(struct app_worker *w, uint64_t tsc);
	/* Writes the application's report entries. Worker 0, every few milliseconds. */
	void (*report)(struct app *a, struct app_totals *t);
	/* The end is asked for: true once nothing remains to be said to the peer. Or NULL. */
	bool (*finish)(struct app *a, uint64_t tsc);
};

struct app {
	const struct app_ops *ops;
	struct nvsc_bus bus;
	struct nvsc_nic nic[APP_NICS_MAX];
	unsigned int nr_nics;
	unsigned int nr_workers;
	bool is_polling;  /* poll=1: never sleeps */
	bool is_stopping; /* workers leave their loop (relaxed atomic) */
	struct app_worker worker[APP_WORKERS_MAX];
	/* Worker 0's. */
	uint64_t next_look, steady_at, start_tsc, finish_by;
	bool is_finishing;
	bool has_failed;
};

extern const struct app_ops app_echo, app_l2fwd, app_pktgen, app_sink, app_revoke, app_trial;

/* Runs the application to its end. Returns the exit status of the image. */
int app_run(struct app *a, const struct app_ops *ops);

/* Panic with the key's name when the value is missing or is not an address. */
void app_arg_mac(const char *key, uint8_t mac[6]);

uint64_t app_to_ns(uint64_t cycles); /* of the TSC */

/* A report entry. */
void app_report(const char *name, uint64_t value);

static inline struct nvsc_queue *app_queue(struct app_worker *w, unsigned int nic)
{
	return &w->app->nic[nic].queue[w->id];
}
