/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts of an assigned device against a naive model: every short sequence of events on one entry
 * and two cookies, and long random ones on several. Whatever the order: an entry is plugged in just
 * when it should be, nothing that fired is lost or comes twice, and the pending bits are right. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "hv/device.h"
#include "tests/support/hvbed.h"
#include "tests/support/prng.h"

#define ID	0x77ull
#define ADDRESS 0xfee00000ull
#define ENTRIES 3u
#define COOKIES 4u
#define DEPTH	5u

struct naive_cookie {
	bool is_live, has_target;
	uint32_t data;
	unsigned int vector, vp;
};

struct naive_entry {
	int cookie; /* -1: none */
	bool is_masked, is_pending;
	unsigned int nr_raised, raised_vector, raised_vp;
};

static struct naive_cookie nc[COOKIES];
static struct naive_entry ne[ENTRIES];
static struct hv_device *dev;
static unsigned int nr_targets;
static char story[512];

static void up(void)
{
	const struct hv_device_cfg cfg = {.name = "vf0", .device_id = ID, .nr_vectors = ENTRIES};

	bed_up();
	cr_assert_eq(hv_device_create(&dev, bed, &cfg), 0, "%s", err_text());
}

static void down(void)
{
	hv_device_destroy(dev);
	bed_down();
}

TestSuite(hv_device, .init = up, .fini = down);

static bool naive_is_plugged(const struct naive_entry *e)
{
	return e->cookie >= 0 && nc[e->cookie].has_target && !e->is_masked;
}

static void naive_settle(void)
{
	unsigned int i;

	for (i = 0; i < ENTRIES; i++) {
		if (!naive_is_plugged(&ne[i]) || !ne[i].is_pending)
			continue;
		ne[i].is_pending = false;
		ne[i].nr_raised++;
		ne[i].raised_vector = nc[ne[i].cookie].vector;
		ne[i].raised_vp = nc[ne[i].cookie].vp;
	}
}

static void check(void)
{
	unsigned int i;

	naive_settle();
	hv_scripted_poll(&bed_script);
	for (i = 0; i < ENTRIES; i++) {
		const struct hv_script_line *l = &bed_script.line[i];
		const struct naive_entry *e = &ne[i];
		bool is_plugged = naive_is_plugged(e);

		cr_assert_eq(l->vector, is_plugged ? nc[e->cookie].vector : 0, "%s", story);
		cr_assert(!is_plugged || l->vp == nc[e->cookie].vp, "%s", story);
		cr_assert_eq(l->nr_raised, e->nr_raised, "%s", story);
		cr_assert_eq(l->raised_vector, e->raised_vector, "%s", story);
		cr_assert_eq(l->raised_vp, e->raised_vp, "%s", story);
		cr_assert_eq(hv_device_entry_pending(dev, i), e->is_pending, "%s", story);
	}
}

static void forget(void)
{
	unsigned int i;

	hv_device_irqs_reset(dev);
	memset(nc, 0, sizeof(nc));
	memset(ne, 0, sizeof(ne));
	for (i = 0; i < ENTRIES; i++) {
		ne[i].cookie = -1;
		ne[i].is_masked = true;
		bed_script.line[i].nr_raised = 0;
		bed_script.line[i].raised_vector = bed_script.line[i].raised_vp = 0;
	}
	story[0] = '\0';
	check();
}

/* --- Events ---------------------------------------------------------------------------------------- */

static void cookie_create(unsigned int c)
{
	uint64_t address;
	unsigned int i;

	if (nc[c].is_live)
		return;
	cr_assert_eq(hv_device_irq_create(dev, 1, &address, &nc[c].data), 0, "%s", story);
	cr_assert_eq(address, ADDRESS);
	nc[c].is_live = true;
	for (i = 0; i < COOKIES; i++)
		cr_assert(i == c || !nc[i].is_live || nc[i].data != nc[c].data, "%s", story);
}

static void cookie_delete(unsigned int c)
{
	unsigned int i;

	cr_assert_eq(hv_device_irq_delete(dev, ADDRESS, nc[c].data) == 0, nc[c].is_live, "%s",
		     story);
	nc[c].is_live = nc[c].has_target = false;
	for (i = 0; i < ENTRIES; i++) {
		if (ne[i].cookie == (int)c)
			ne[i].cookie = -1;
	}
}

static void retarget(unsigned int c)
{
	unsigned int vp = nr_targets % 3, vector = 0x30 + nr_targets % 64;
	uint64_t status = bed_retarget(ID, nc[c].data, vector, 1ull << vp | (vp < 2 ? 4 : 0));

	nr_targets++;
	cr_assert_eq(status, nc[c].is_live ? 0 : HV_STATUS_INVALID_PARAMETER, "%s", story);
	if (!nc[c].is_live)
		return;
	nc[c].has_target = true;
	nc[c].vector = vector;
	nc[c].vp = vp;
}

static void entry_write(unsigned int e, unsigned int c, bool is_masked)
{
	hv_device_entry_set(dev, e, ADDRESS, nc[c].data, is_masked);
	ne[e].cookie = nc[c].is_live ? (int)c : -1;
	ne[e].is_masked = is_masked;
}

static void entry_clear(unsigned int e)
{
	hv_device_entry_set(dev, e, 0, 0, ne[e].is_masked);
	ne[e].cookie = -1;
}

static void fire(unsigned int e)
{
	fd_kick(hv_device_entry_fd(dev, e));
	ne[e].is_pending = true;
}

enum event { CREATE, DELETE, RETARGET, BIND_MASKED, BIND, CLEAR, FIRE, NR_EVENTS };

static void play(enum event what, unsigned int entry, unsigned int c)
{
	static const char name[NR_EVENTS] = "cdrmbxf";
	size_t n = strlen(story);

	snprintf(story + n, sizeof(story) - n, " %c%u%u", name[what], entry, c);
	switch (what) {
	case CREATE: cookie_create(c); break;
	case DELETE: cookie_delete(c); break;
	case RETARGET: retarget(c); break;
	case BIND_MASKED: entry_write(entry, c, true); break;
	case BIND: entry_write(entry, c, false); break;
	case CLEAR: entry_clear(entry); break;
	default: fire(entry); break;
	}
	check();
}

/* --- Tests ----------------------------------------------------------------------------------------- */

/* The cookie's events for either of two, the entry's once. */
static const struct {
	enum event what;
	unsigned int c;
} menu[] = {
	{CREATE, 0},	  {CREATE, 1}, {DELETE, 0}, {RETARGET, 0}, {RETARGET, 1},
	{BIND_MASKED, 0}, {BIND, 0},   {BIND, 1},   {CLEAR, 0},	   {FIRE, 0},
};
#define MENU (sizeof(menu) / sizeof(menu[0]))

Test(hv_device, every_short_sequence_does_as_the_model)
{
	unsigned int i, n, rest, all = 1;

	for (i = 0; i < DEPTH; i++)
		all *= MENU;
	for (n = 0; n < all; n++) {
		forget();
		for (i = 0, rest = n; i < DEPTH; i++, rest /= MENU)
			play(menu[rest % MENU].what, 0, menu[rest % MENU].c);
	}
}

Test(hv_device, long_random_sequences_do_as_the_model)
{
	unsigned int i, steps = prng_steps(20000);
	struct prng r;

	prng_init(&r);
	for (i = 0; i < steps; i++) {
		if (i % 60 == 0)
			forget();
		play(prng_below(&r, NR_EVENTS), prng_below(&r, ENTRIES), prng_below(&r, COOKIES));
	}
}
