/* SPDX-License-Identifier: BSD-3-Clause */
/* The last dropped packets. Each lcore writes its own over and over; we read them while it does, and
 * leave out what it was writing just then. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/see/ctl.h"

#define SUMMARY_SIZE 256u

/* Room for the record and, in terms of the compiler, its alignment. */
struct copy {
	uint64_t word[SEE_DROP_WORDS];
};

static const struct see_rec *rec_of(const struct copy *c)
{
	return (const struct see_rec *)c->word;
}

int vsw_see_drops_watch(struct vsw_see *see, const char *filter)
{
	struct see_filter *f = NULL, *old = see->drop_filter;
	int rc = see_filter_create(&f, filter);

	if (rc)
		return rc;
	see->has_drops = filter != NULL;
	see->drop_filter = f;
	see_publish(see);
	see_filter_destroy(old);
	return 0;
}

bool vsw_see_drops_is_watched(const struct vsw_see *see)
{
	return see->has_drops;
}

/* False: it was written over meanwhile. */
static bool drop_read(const struct see_drop *d, uint64_t nr, struct copy *out)
{
	uint64_t seq = __atomic_load_n(&d->seq, __ATOMIC_ACQUIRE);
	unsigned int i;

	if (seq != 2 * nr + 2)
		return false;
	for (i = 0; i < SEE_DROP_WORDS; i++)
		out->word[i] = __atomic_load_n(&d->word[i], __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE); /* the words before seq: pairs with remember() */
	return __atomic_load_n(&d->seq, __ATOMIC_RELAXED) == seq;
}

static unsigned int read_lane(const struct see_lane *l, const struct see_filter *f,
			      struct copy *out)
{
	uint64_t end = __atomic_load_n(&l->nr_drops, __ATOMIC_ACQUIRE);
	uint64_t nr = end > VSW_SEE_DROPS ? end - VSW_SEE_DROPS : 0;
	unsigned int n = 0;

	for (; nr < end; nr++) {
		const struct see_rec *r = rec_of(&out[n]);

		if (drop_read(&l->drop[nr % VSW_SEE_DROPS], nr, &out[n]) &&
		    see_filter_match(f, see_rec_bytes(r), r->cap, r->len))
			n++;
	}
	return n;
}

static int later_first(const void *a, const void *b)
{
	int64_t d = (int64_t)(rec_of(b)->tsc - rec_of(a)->tsc);

	return d > 0 ? 1 : d < 0 ? -1 : 0;
}

static json_t *drop_json(const struct vsw_see *see, const struct see_rec *r)
{
	char text[SUMMARY_SIZE], src[SEE_NAME_LEN + 8];
	uint64_t ns = see_ns(see, r->tsc);
	json_t *o;

	vsw_see_summary(see_rec_bytes(r), r->cap, r->len, text, sizeof(text));
	see_src_name(see, r, src);
	o = json_pack("{s:f, s:I, s:o, s:o, s:I}", "time", (double)ns / 1e9, "ago_ms",
		      ns < see->anchor_ns ? (json_int_t)((see->anchor_ns - ns) / 1000000) : 0,
		      "summary", see_json_text(text), "src", see_json_text(src), "len",
		      (json_int_t)r->len);
	if (o && see_rec_has_vlan(r))
		json_object_set_new(o, "vlan", json_integer(r->vlan));
	if (!o || see_drop_describe(see, r, o)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

int vsw_see_drops_json(struct vsw_see *see, const char *filter, unsigned int max, json_t **out)
{
	struct see_filter *f = NULL;
	json_t *all = json_array();
	struct copy *c = calloc(see->cfg.nr_lcores, VSW_SEE_DROPS * sizeof(*c));
	unsigned int i, n = 0;
	int rc = see_filter_create(&f, filter);

	if (!rc && (!all || !c))
		rc = err_set(-ENOMEM, "no memory for the list of drops");
	for (i = 0; i < see->cfg.nr_lcores && !rc; i++)
		n += read_lane(&see->lane[i], f, c + n);
	see_clock(see);
	if (!rc)
		qsort(c, n, sizeof(*c), later_first);
	for (i = 0; i < n && !rc && (!max || i < max); i++)
		json_array_append_new(all, drop_json(see, rec_of(&c[i])));
	see_filter_destroy(f);
	free(c);
	if (rc)
		json_decref(all);
	else
		*out = all;
	return rc;
}
