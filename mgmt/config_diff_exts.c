/* SPDX-License-Identifier: BSD-3-Clause */
/* Extensions in the difference of two configurations. An instance is known by its name. */
#include "mgmt/config_diff.h"

#include <string.h>

static bool is_same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* An order of no meaning, so a list that was sorted is no change. */
static bool is_subset(char **of, uint32_t nr_of, char **in, uint32_t nr_in)
{
	for (uint32_t i = 0; i < nr_of; i++) {
		uint32_t k = 0;

		while (k < nr_in && strcmp(of[i], in[k]) != 0)
			k++;
		if (k == nr_in)
			return false;
	}
	return true;
}

static bool is_same_set(char **a, uint32_t nr_a, char **b, uint32_t nr_b)
{
	return !a == !b && is_subset(a, nr_a, b, nr_b) && is_subset(b, nr_b, a, nr_a);
}

/* All that an instance is made with, but its own configuration. */
static bool is_same_code(const struct mgmt_ext *a, const struct mgmt_ext *b)
{
	return !strcmp(a->path, b->path) && a->revision == b->revision &&
	       a->budget_us == b->budget_us && a->on_fault == b->on_fault &&
	       is_same_set(a->ports, a->ports_count, b->ports, b->ports_count) &&
	       is_same_set(a->allow_imports, a->allow_imports_count, b->allow_imports,
			   b->allow_imports_count);
}

static bool is_same_config(const struct mgmt_ext *a, const struct mgmt_ext *b)
{
	json_t *one, *two;
	bool is_same;

	if (is_same_text(a->config, b->config))
		return true;
	one = a->config ? json_loads(a->config, 0, NULL) : json_object();
	two = b->config ? json_loads(b->config, 0, NULL) : json_object();
	is_same = one && two && json_equal(one, two);
	json_decref(one);
	json_decref(two);
	return is_same;
}

typedef bool (*is_wanted_fn)(const struct mgmt_ext *ext, const struct mgmt_ext *was);

static bool wants_load(const struct mgmt_ext *ext, const struct mgmt_ext *was)
{
	return !was;
}

static bool wants_upgrade(const struct mgmt_ext *ext, const struct mgmt_ext *was)
{
	return was && !is_same_code(ext, was);
}

/* An upgrade brings its configuration along. */
static bool wants_configure(const struct mgmt_ext *ext, const struct mgmt_ext *was)
{
	return was && is_same_code(ext, was) && !is_same_config(ext, was);
}

static bool wants_enable(const struct mgmt_ext *ext, const struct mgmt_ext *was)
{
	return was && was->is_off && !ext->is_off;
}

static bool wants_disable(const struct mgmt_ext *ext, const struct mgmt_ext *was)
{
	return was && !was->is_off && ext->is_off;
}

/* Those that stay are in another order, or new ones have to find their place. */
static bool wants_order(const struct mgmt_diff *d)
{
	const struct mgmt_switch *from = &d->from->sw, *to = &d->to->sw;
	uint32_t at = 0;

	for (uint32_t i = 0; i < to->exts_count; i++) {
		if (!mgmt_config_ext(d->from, to->exts[i].name))
			return true;
		while (!mgmt_config_ext(d->to, from->exts[at].name))
			at++;
		if (strcmp(from->exts[at++].name, to->exts[i].name) != 0)
			return true;
	}
	return false;
}

void mgmt_diff_exts(struct mgmt_diff *d)
{
	static const struct {
		enum mgmt_change_kind kind;
		is_wanted_fn is_wanted;
	} kinds[] = {
		{MGMT_EXT_LOAD, wants_load},	       {MGMT_EXT_UPGRADE, wants_upgrade},
		{MGMT_EXT_CONFIGURE, wants_configure}, {MGMT_EXT_ENABLE, wants_enable},
		{MGMT_EXT_DISABLE, wants_disable},
	};

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (uint32_t i = 0; i < d->to->sw.exts_count; i++) {
			const struct mgmt_ext *ext = &d->to->sw.exts[i];
			const struct mgmt_ext *was = mgmt_config_ext(d->from, ext->name);

			if (kinds[k].is_wanted(ext, was))
				mgmt_diff_add(d, (struct mgmt_change){.kind = kinds[k].kind,
								      .ext = ext,
								      .was = was});
		}
	if (wants_order(d))
		mgmt_diff_add(d, (struct mgmt_change){.kind = MGMT_EXT_ORDER});
}

void mgmt_diff_exts_gone(struct mgmt_diff *d)
{
	for (uint32_t i = 0; i < d->from->sw.exts_count; i++) {
		const struct mgmt_ext *was = &d->from->sw.exts[i];

		if (!mgmt_config_ext(d->to, was->name))
			mgmt_diff_add(d, (struct mgmt_change){.kind = MGMT_EXT_UNLOAD, .ext = was});
	}
}
