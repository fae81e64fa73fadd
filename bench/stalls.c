/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/stalls.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* Moments one after the other, at the first of which a frame waits @wait. Of those that follow it waits as long, or each
 * time one tick less: who comes later waits for the same end. */
struct piece {
	uint64_t wait, ticks;
	bool falls;
};

struct stall_waits {
	uint64_t ticks; /* of the whole watch */
	size_t nr;
	struct piece piece[]; /* those with a wait */
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The first stall that ends after @t, or NULL. */
static const struct stall *stall_after(const struct stall_list *l, uint64_t t)
{
	size_t low = 0, high = l->nr, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (l->at[mid].to > t)
			high = mid;
		else
			low = mid + 1;
	}
	return low < l->nr ? &l->at[low] : NULL;
}

/* When the core is there for what comes at @t. */
static uint64_t there(const struct stall_list *l, uint64_t t)
{
	const struct stall *s = stall_after(l, t);

	return s && s->from <= t ? s->to : t;
}

/* When it comes or goes next, but not after @end. */
static uint64_t next_change(const struct stall_list *l, uint64_t t, uint64_t end)
{
	const struct stall *s = stall_after(l, t);

	return s ? earlier(s->from > t ? s->from : s->to, end) : end;
}

static void add_pieces(struct stall_waits *s, const struct stall_watch *w)
{
	uint64_t t, next, sent, wait;

	for (t = w->from; t < w->to; t = next) {
		next = earlier(next_change(&w->sw, t, w->to), next_change(&w->guest, t, w->to));
		sent = there(&w->guest, t);
		wait = there(&w->guest, there(&w->sw, sent)) - sent;
		if (wait)
			s->piece[s->nr++] = (struct piece){wait, next - t, sent == t};
	}
}

int stalls_waits_create(struct stall_waits **out, const struct stall_watch *w)
{
	size_t most = 2 * (w->sw.nr + w->guest.nr) + 1; /* each begin and each end begins one */
	struct stall_waits *s = calloc(1, sizeof(*s) + most * sizeof(s->piece[0]));

	if (!s)
		return -ENOMEM;
	s->ticks = w->to - w->from;
	add_pieces(s, w);
	*out = s;
	return 0;
}

void stalls_waits_destroy(struct stall_waits *s)
{
	free(s);
}

/* Moments of which a frame waits longer than @wait. */
static uint64_t longer(const struct stall_waits *s, uint64_t wait)
{
	const struct piece *p;
	uint64_t sum = 0;

	for (p = s->piece; p < s->piece + s->nr; p++)
		if (p->wait > wait)
			sum += p->falls ? earlier(p->wait - wait, p->ticks) : p->ticks;
	return sum;
}

static uint64_t longest(const struct stall_waits *s)
{
	const struct piece *p;
	uint64_t most = 0;

	for (p = s->piece; p < s->piece + s->nr; p++)
		most = p->wait > most ? p->wait : most;
	return most;
}

uint64_t stalls_waits_quantile(const struct stall_waits *s, double share)
{
	double may_exceed = (double)s->ticks - share * (double)s->ticks;
	uint64_t low = 0, high = longest(s), mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if ((double)longer(s, mid) <= may_exceed)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

double stalls_away(const struct stall_watch *w)
{
	uint64_t t, next, sum = 0;

	for (t = w->from; t < w->to; t = next) {
		next = earlier(next_change(&w->sw, t, w->to), next_change(&w->guest, t, w->to));
		if (there(&w->sw, t) != t || there(&w->guest, t) != t)
			sum += next - t;
	}
	return w->to > w->from ? (double)sum / (double)(w->to - w->from) : 0;
}

double stalls_beyond(const struct stall_list *l, uint64_t from, uint64_t to, uint64_t ticks)
{
	uint64_t begin, end, sum = 0;
	size_t i;

	for (i = 0; i < l->nr; i++) {
		begin = l->at[i].from > from ? l->at[i].from : from;
		end = l->at[i].to > ticks ? earlier(l->at[i].to - ticks, to) : 0;
		sum += end > begin ? end - begin : 0;
	}
	return to > from ? (double)sum / (double)(to - from) : 0;
}
