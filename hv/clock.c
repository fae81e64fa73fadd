/* SPDX-License-Identifier: BSD-3-Clause */
/* TSC calibration and reference time. */
#include "hv/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#define CALIBRATE_NS 20000000
#define REF_HZ	     10000000ull
#define NS_PER_TICK  100
#define CLOCKSOURCE  "/sys/devices/system/clocksource/clocksource0/current_clocksource"

/* What this machine's TSC is: measured once, constant afterwards. */
static struct {
	pthread_once_t once;
	uint64_t hz;
	bool is_trusted;
} tsc = {.once = PTHREAD_ONCE_INIT};

static uint64_t raw_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* A pair of readings taken as close together as a few tries allow. */
static void sample(uint64_t *ns, uint64_t *ticks)
{
	uint64_t best = UINT64_MAX;
	int i;

	for (i = 0; i < 16; i++) {
		uint64_t before = __rdtsc(), now = raw_ns(), after = __rdtsc();

		if (after - before >= best)
			continue;
		best = after - before;
		*ns = now;
		*ticks = before + best / 2;
	}
}

static bool clocksource_is_tsc(void)
{
	char line[32] = "";
	FILE *f = fopen(CLOCKSOURCE, "re");

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	return strcmp(line, "tsc\n") == 0;
}

static void calibrate(void)
{
	struct timespec pause = {.tv_nsec = CALIBRATE_NS};
	uint64_t ns0 = 0, ns1 = 0, t0 = 0, t1 = 0;

	sample(&ns0, &t0);
	nanosleep(&pause, NULL);
	sample(&ns1, &t1);
	tsc.hz = (uint64_t)((unsigned __int128)(t1 - t0) * 1000000000 / (ns1 - ns0));
	tsc.is_trusted = clocksource_is_tsc();
}

static uint64_t scaled(uint64_t ticks, uint64_t scale)
{
	return (uint64_t)((unsigned __int128)ticks * scale >> 64);
}

void hv_clock_init(struct hv_clock *c, enum hv_clock_source src)
{
	pthread_once(&tsc.once, calibrate);
	c->is_tsc = tsc.is_trusted && src == HV_CLOCK_BEST;
	c->tsc_hz = tsc.hz;
	c->scale = (uint64_t)(((unsigned __int128)REF_HZ << 64) / tsc.hz);
	c->offset = -(int64_t)scaled(__rdtsc(), c->scale);
	c->base_ns = raw_ns();
}

uint64_t hv_clock_now(const struct hv_clock *c)
{
	if (c->is_tsc)
		return scaled(__rdtsc(), c->scale) + (uint64_t)c->offset;
	return (raw_ns() - c->base_ns) / NS_PER_TICK;
}

void hv_clock_tsc_page(const struct hv_clock *c, struct hv_reference_tsc *out)
{
	*out = (struct hv_reference_tsc){
		.sequence = c->is_tsc ? 1 : 0,
		.scale = c->scale,
		.offset = c->offset,
	};
}
