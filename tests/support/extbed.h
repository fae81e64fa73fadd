/* SPDX-License-Identifier: BSD-3-Clause */
/* A switch with fake ports and extensions, all on the test's thread. */
#pragma once

#include "tests/ext/hook.h"
#include "tests/support/fakeport.h"
#include "vswitch/ext/ext.h"

#define BED_PORTS 8u

struct extbed {
	struct vsw *sw;
	struct fake_port *p[BED_PORTS];
};

/* Addresses of the bed's ports. */
#define BED_MAC(i) (0x0a0000000002ull + ((uint64_t)(i) << 40))
#define BED_BCAST  0xFFFFFFFFFFFFull

/* A switch with @nr_lcores lcores, and @n ports "p0".. with an address and one queue each. */
void bed_up(struct extbed *b, unsigned int nr_lcores, unsigned int n);
void bed_port(struct extbed *b, unsigned int i, struct vsw_port_cfg cfg);
void bed_down(struct extbed *b);

/* The bed of suites that need only one: p0 to p3 on one lcore. Its books must balance at the end. */
extern struct extbed bed;
void bed_suite_up(void);
void bed_suite_down(void);

/* Loads "NAME.so" of the build with @config (JSON or NULL). Fails the test when it cannot. */
struct vsw_ext *bed_load(struct extbed *b, const char *name, const char *config);
/* A hooked one: hook-capture, hook-filter ... as @as ("": its own name). */
struct vsw_ext *bed_hook(struct extbed *b, const char *name, const char *as, struct hooks *k);
const char *bed_path(const char *name);

/* Sends a frame of 200 bytes from port @from to port @to's address; it may be changed before the poll. */
struct fake_frame *bed_send(struct extbed *b, unsigned int from, unsigned int to);
/* One round of lcore 0, and the events. */
uint32_t bed_poll(struct extbed *b);
/* Counters. */
uint64_t bed_drops(const struct extbed *b, unsigned int port, enum vsw_drop why);
struct vsw_ext_status bed_status(const struct extbed *b, const char *name);
/* The books balance: in + copies = out + drops + what extensions hold. */
bool bed_is_balanced(const struct extbed *b);
