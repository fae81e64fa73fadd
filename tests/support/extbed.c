/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/extbed.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "vswitch/priv.h"

struct extbed bed;

void bed_port(struct extbed *b, unsigned int i, struct vsw_port_cfg cfg)
{
	b->p[i] = fake_port_new(b->sw, &cfg);
	cr_assert_not_null(b->p[i], "%s", err_text());
}

void bed_up(struct extbed *b, unsigned int nr_lcores, unsigned int n)
{
	struct vsw_cfg cfg = {.nr_lcores = nr_lcores, .lcore_id = {1, 2, 3, 4}};
	unsigned int i;

	memset(b, 0, sizeof(*b));
	cr_assert_eq(vsw_create(&b->sw, &cfg), 0, "%s", err_text());
	for (i = 0; i < n; i++) {
		struct vsw_port_cfg pc = {0};
		uint64_t mac = BED_MAC(i);

		snprintf(pc.name, sizeof(pc.name), "p%u", i);
		memcpy(pc.mac, &mac, 6);
		bed_port(b, i, pc);
	}
}

void bed_down(struct extbed *b)
{
	unsigned int i;

	for (i = 0; i < BED_PORTS; i++)
		fake_port_free(b->p[i]);
	vsw_destroy(b->sw);
	memset(b, 0, sizeof(*b));
}

void bed_suite_up(void)
{
	eal_up();
	bed_up(&bed, 1, 4);
}

void bed_suite_down(void)
{
	cr_expect(bed_is_balanced(&bed));
	bed_down(&bed);
}

const char *bed_path(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s.so", EXT_DIR, name);
	return path;
}

struct vsw_ext *bed_load(struct extbed *b, const char *name, const char *config)
{
	struct vsw_ext_cfg cfg = {.path = bed_path(name), .config = config};
	struct vsw_ext *e = NULL;

	cr_assert_eq(vsw_ext_load(&e, b->sw, &cfg), 0, "%s", err_text());
	return e;
}

struct vsw_ext *bed_hook(struct extbed *b, const char *name, const char *as, struct hooks *k)
{
	struct vsw_ext_cfg cfg = {.path = bed_path(name)};
	struct vsw_ext *e = NULL;
	char config[64];

	snprintf(config, sizeof(config), "{\"hooks\": %llu}", (unsigned long long)(uintptr_t)k);
	snprintf(cfg.name, sizeof(cfg.name), "%s", as);
	cfg.config = config;
	cr_assert_eq(vsw_ext_load(&e, b->sw, &cfg), 0, "%s", err_text());
	return e;
}

struct fake_frame *bed_send(struct extbed *b, unsigned int from, unsigned int to)
{
	return fake_send(b->p[from], to == UINT32_MAX ? BED_BCAST : BED_MAC(to), BED_MAC(from));
}

uint32_t bed_poll(struct extbed *b)
{
	return fake_switch_poll(b->sw);
}

uint64_t bed_drops(const struct extbed *b, unsigned int port, enum vsw_drop why)
{
	struct vsw_port_stats st;

	vsw_port_stats_get(b->sw, vsw_port_id(b->p[port]->port), &st);
	return st.drops[why];
}

struct pick {
	const char *name;
	struct vsw_ext_status st;
	bool is_found;
};

static void pick(const struct vsw_ext_status *st, void *ctx)
{
	struct pick *p = ctx;

	if (strcmp(st->name, p->name) != 0)
		return;
	p->st = *st;
	p->is_found = true;
}

struct vsw_ext_status bed_status(const struct extbed *b, const char *name)
{
	struct pick p = {.name = name};

	vsw_ext_walk(b->sw, pick, &p);
	cr_assert(p.is_found, "no extension %s", name);
	return p.st;
}

static void add_held(const struct vsw_ext_status *st, void *ctx)
{
	*(uint64_t *)ctx += st->sum.held - st->sum.released;
}

bool bed_is_balanced(const struct extbed *b)
{
	struct vsw_totals t;
	uint64_t held = 0;

	vsw_ext_walk(b->sw, add_held, &held);
	vsw_totals_get(b->sw, &t);
	return t.in + t.copies == t.out + t.drops + held;
}
