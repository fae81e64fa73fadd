/* SPDX-License-Identifier: BSD-3-Clause */
/* Stations in words. No DPDK: programs that only show them use it, too. */
#include "vswitch/stages.h"

static const char *const station_names[] = {
#define X(name, text) #name,
	VSW_STATIONS(X)
#undef X
};

static const char *const station_texts[] = {
#define X(name, text) text,
	VSW_STATIONS(X)
#undef X
};

const char *vsw_station_name(unsigned int station)
{
	return station < VSW_STATION_COUNT ? station_names[station] : "?";
}

const char *vsw_station_text(unsigned int station)
{
	return station < VSW_STATION_COUNT ? station_texts[station] : "?";
}
