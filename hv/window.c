/* SPDX-License-Identifier: BSD-3-Clause */
#include "hv/window.h"

#include <errno.h>

#include "base/err.h"

#define ACCESS_MAX 8u

void hv_windows_init(struct hv_windows *w)
{
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->left, NULL);
}

void hv_windows_fini(struct hv_windows *w)
{
	pthread_cond_destroy(&w->left);
	pthread_mutex_destroy(&w->lock);
}

/* ---- Change. The lock is held. --------------------------------------------------------------- */

static int room_check(const struct hv_windows *w, unsigned int slot, const struct hv_bus_range *r)
{
	unsigned int i;

	for (i = 0; i < w->end; i++) {
		const struct hv_bus_range *o = &w->window[i].range;

		if (i != slot && w->window[i].is_on && o->first <= r->last && r->first <= o->last)
			return err_set(-EEXIST, "window %#llx..%#llx: overlaps %#llx..%#llx",
				       (unsigned long long)r->first, (unsigned long long)r->last,
				       (unsigned long long)o->first, (unsigned long long)o->last);
	}
	return 0;
}

static void slot_store(struct hv_windows *w, unsigned int slot, const struct hv_bus_range *r)
{
	struct hv_window *o = &w->window[slot];

	w->nr_on += (r->ops != NULL) - (unsigned int)o->is_on;
	o->range = *r;
	o->is_on = r->ops != NULL;
	o->generation++;
	if (o->is_on && slot >= w->end)
		w->end = slot + 1;
	while (w->end > 0 && !w->window[w->end - 1].is_on)
		w->end--;
}

static bool is_within(const struct hv_windows *w)
{
	unsigned int i;

	for (i = 0; i < HV_VPS_MAX; i++) {
		if (w->inside[i].is_in && pthread_equal(w->inside[i].thread, pthread_self()))
			return true;
	}
	return false;
}

/* Is a VP in what @slot held before @generation? */
static bool is_busy(const struct hv_windows *w, unsigned int slot, uint64_t generation)
{
	unsigned int i;

	for (i = 0; i < HV_VPS_MAX; i++) {
		const struct hv_inside *in = &w->inside[i];

		if (in->is_in && in->slot == slot && in->generation < generation)
			return true;
	}
	return false;
}

/* A VP within a callback does not wait: it would wait for itself, or for one that wants its locks. */
static void wait_for_leavers(struct hv_windows *w, unsigned int slot)
{
	const uint64_t generation = w->window[slot].generation;

	if (is_within(w))
		return;
	w->nr_waiting++;
	while (is_busy(w, slot, generation))
		pthread_cond_wait(&w->left, &w->lock);
	w->nr_waiting--;
}

int hv_windows_set(struct hv_windows *w, unsigned int slot, const struct hv_bus_range *range)
{
	int rc;

	pthread_mutex_lock(&w->lock);
	rc = range->ops ? room_check(w, slot, range) : 0;
	if (!rc) {
		slot_store(w, slot, range);
		wait_for_leavers(w, slot);
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

/* ---- Use ------------------------------------------------------------------------------------ */

static const struct hv_window *find(const struct hv_windows *w, uint64_t at)
{
	unsigned int i;

	for (i = 0; i < w->end; i++) {
		const struct hv_window *o = &w->window[i];

		if (o->is_on && at >= o->range.first && at <= o->range.last)
			return o;
	}
	return NULL;
}

static bool enter(struct hv_windows *w, unsigned int vp, uint64_t at, struct hv_bus_range *out)
{
	const struct hv_window *o;

	pthread_mutex_lock(&w->lock);
	o = find(w, at);
	if (o) {
		*out = o->range;
		w->inside[vp] = (struct hv_inside){.is_in = true,
						   .slot = (unsigned int)(o - w->window),
						   .generation = o->generation,
						   .thread = pthread_self()};
	}
	pthread_mutex_unlock(&w->lock);
	return o != NULL;
}

static void leave(struct hv_windows *w, unsigned int vp)
{
	pthread_mutex_lock(&w->lock);
	w->inside[vp].is_in = false;
	if (w->nr_waiting)
		pthread_cond_broadcast(&w->left);
	pthread_mutex_unlock(&w->lock);
}

bool hv_windows_access(struct hv_windows *w, unsigned int vp, struct hv_access *a, bool is_write,
		       enum hv_verdict *verdict, struct hv_stop *stop)
{
	struct hv_bus_range r;

	/* A VP that sees an old 0 came before the window did. */
	if (!atomic_load_explicit(&w->nr_on, memory_order_acquire))
		return false;
	if (a->size == 0 || a->size > ACCESS_MAX || !enter(w, vp, a->at, &r))
		return false;
	*verdict = HV_GO_ON;
	if (is_write)
		*verdict = hv_range_write(&r, a, stop);
	else
		hv_range_read(&r, a);
	a->is_nobodys = false;
	leave(w, vp);
	return true;
}
