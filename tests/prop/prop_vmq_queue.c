/* SPDX-License-Identifier: BSD-3-Clause */
/* Several owners do what they please to the queues of a NIC whose device refuses now and then, beside a model that
 * counts filters and has no states: those follow from whether a queue is complete and has any. */
#include "vmq/queue.h"

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/support/prng.h"
#include "tests/support/vmqbed.h"

#define STEPS	 50000u
#define QUEUES	 6u
#define OWNERS	 3u /* 1 .. */
#define STATIONS 5u
#define VLANS	 3u
#define FILTERS	 (STATIONS * (VLANS + 2)) /* all that there can be */

enum phase { NONE, INCOMPLETE, COMPLETE, STOP, LEAVE };

struct naive_queue {
	enum phase phase;
	uint32_t owner;
	bool is_static;
	uint16_t lcore;
};

struct naive_filter {
	uint32_t id; /* 0: free */
	uint32_t owner;
	uint16_t q;
	bool is_kept; /* by the device, though its queue is not complete */
	struct vmq_filter f;
};

struct naive {
	struct naive_queue queue[QUEUES];
	struct naive_filter filter[FILTERS];
	uint32_t last_id;
};

#define CODES 5
static const int codes[CODES] = {-EPERM, -EEXIST, -ENOSPC, -ENOENT, -EINVAL};

enum seen {
	SEEN_ALLOCATE,
	SEEN_FREE,
	SEEN_STOPPED,
	SEEN_RETURNED,
	SEEN_COMPLETE,
	SEEN_BATCH, /* of several */
	SEEN_SET,
	SEEN_CLEAR,
	SEEN_MOVE,
	SEEN_MOVE_RUNNING, /* a move of the device */
	SEEN_PARAMS,
	SEEN_SET_FAILED,
	SEEN_CLEAR_FAILED,
	SEEN_MOVE_FAILED,
	SEEN_COMPLETE_FAILED,
	SEEN_KEPT,
	SEEN_CHOSEN,			/* a frame for a queue of its own */
	SEEN_DEFAULT,			/* one for the default queue, though a filter wants it */
	SEEN_CODE,			/* + place in codes[] */
	SEEN_STATE = SEEN_CODE + CODES, /* + enum vmq_state */
	SEEN = SEEN_STATE + VMQ_STATES
};

static struct naive m;
static struct vmqbed_dev dev;
static struct vmq_nic *nic;
static struct prng rnd;
static unsigned int seen[SEEN + 1]; /* the last one: what cannot be */

/* ---- The model --------------------------------------------------------------------------------------- */

static unsigned int naive_count(uint16_t q)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < FILTERS; i++)
		n += m.filter[i].id != 0 && m.filter[i].q == q;
	return n;
}

static enum vmq_state naive_state(uint16_t q)
{
	bool has = naive_count(q) > 0;

	switch (m.queue[q].phase) {
	case INCOMPLETE: return has ? VMQ_SET : VMQ_ALLOCATED;
	case COMPLETE: return has || q == VMQ_DEFAULT ? VMQ_RUNNING : VMQ_PAUSED;
	case STOP: return VMQ_STOP_DMA;
	case LEAVE: return VMQ_FREEING;
	default: return VMQ_UNDEFINED;
	}
}

static bool is_open(uint16_t q)
{
	return m.queue[q].phase == INCOMPLETE || m.queue[q].phase == COMPLETE;
}

static struct naive_filter *naive_find(uint32_t id)
{
	for (unsigned int i = 0; i < FILTERS; i++)
		if (id && m.filter[i].id == id)
			return &m.filter[i];
	return NULL;
}

static bool naive_is_taken(uint16_t q, const struct vmq_filter *f, uint32_t self)
{
	for (unsigned int i = 0; i < FILTERS; i++) {
		const struct naive_filter *o = &m.filter[i];

		if (o->id && o->id != self &&
		    (vmqbed_is_same(&o->f, f) || (o->q != q && vmq_filter_overlaps(&o->f, f))))
			return true;
	}
	return false;
}

/* Who may bring a filter to @q. */
static int naive_may_set(uint16_t q, uint32_t owner)
{
	if (q >= QUEUES)
		return -EINVAL;
	return is_open(q) && (q == VMQ_DEFAULT || m.queue[q].owner == owner) ? 0 : -EPERM;
}

static uint16_t naive_sort(const uint8_t *mac, uint16_t vlan, bool *is_wanted)
{
	*is_wanted = false;
	for (unsigned int i = 0; i < FILTERS; i++) {
		const struct naive_filter *o = &m.filter[i];

		if (!o->id || !vmq_filter_passes(&o->f, mac, vlan))
			continue;
		*is_wanted = true;
		if (m.queue[o->q].phase == COMPLETE || o->is_kept)
			return o->q;
	}
	return VMQ_DEFAULT;
}

/* ---- What is drawn ----------------------------------------------------------------------------------- */

static bool one_in(uint32_t n)
{
	return prng_below(&rnd, n) == 0;
}

static uint16_t any_queue(void)
{
	return (uint16_t)(one_in(50) ? QUEUES : prng_below(&rnd, QUEUES));
}

/* One of those more often. */
static uint16_t queue_in(enum phase p)
{
	uint16_t q = any_queue();

	for (int tries = 0; tries < 3 && q < QUEUES && m.queue[q].phase != p; tries++)
		q = any_queue();
	return q;
}

/* Mostly the queue's own. */
static uint32_t any_owner(uint16_t q)
{
	if (q < QUEUES && m.queue[q].owner && !one_in(8))
		return m.queue[q].owner;
	return 1 + prng_below(&rnd, OWNERS);
}

static struct vmq_filter any_filter(void)
{
	uint8_t station = (uint8_t)(1 + prng_below(&rnd, STATIONS));

	switch (prng_below(&rnd, 5)) {
	case 0: return vmqbed_any(station);
	case 1: return vmqbed_untagged(station);
	default: return vmqbed_vlan(station, (uint16_t)(1 + prng_below(&rnd, VLANS)));
	}
}

static uint32_t any_id(void)
{
	const struct naive_filter *o = &m.filter[prng_below(&rnd, FILTERS)];

	if (one_in(20))
		return prng_below(&rnd, m.last_id + 2);
	for (unsigned int i = 0; i < FILTERS && !o->id; i++)
		o = &m.filter[(i + prng_below(&rnd, FILTERS)) % FILTERS];
	return o->id;
}

/* The device refuses one of the next calls, or some in a row. */
static void maybe_break(void)
{
	vmqbed_fail_nth(&dev, 1 + prng_below(&rnd, 3), 0, -EIO);
	if (one_in(3))
		dev.nr_fail = 1 + prng_below(&rnd, 5);
}

static bool has_failed(void)
{
	return dev.nr_fail > 0 && dev.asked >= dev.fail_from;
}

/* What came is what the model wants, or, with nothing changed, what the device says. Whether it is done. */
static bool agree(int64_t got, int want, enum seen done, enum seen failed)
{
	if (has_failed()) {
		cr_assert_eq(want, 0, "the device was asked for what is refused");
		cr_assert_eq(got, -EIO, "%lld", (long long)got);
		seen[failed]++;
		return false;
	}
	cr_assert(want ? got == want : got >= 0, "%lld, not %d: %s", (long long)got, want,
		  got < 0 ? err_text() : "");
	for (int i = 0; i < CODES; i++)
		seen[SEEN_CODE + i] += got == codes[i];
	seen[done] += got >= 0;
	return got >= 0;
}

/* ---- Operations ------------------------------------------------------------------------------------- */

static void allocate(void)
{
	struct vmq_params p = {.name = "q", .lcore = (uint16_t)prng_below(&rnd, 4)};
	uint32_t owner = prng_below(&rnd, OWNERS + 1);
	uint16_t q = 1;
	int want, got;

	p.is_static = one_in(2);
	while (q < QUEUES && m.queue[q].phase != NONE)
		q++;
	want = owner == VMQ_NOBODY ? -EPERM : q == QUEUES ? -ENOSPC : 0;
	got = vmq_queue_allocate(nic, owner, &p);
	if (!agree(got, want, SEEN_ALLOCATE, SEEN))
		return;
	cr_assert_eq(got, q);
	m.queue[q] = (struct naive_queue){INCOMPLETE, owner, p.is_static, p.lcore};
}

static void change_params(void)
{
	struct vmq_params p = {.name = "p", .lcore = (uint16_t)prng_below(&rnd, 4)};
	uint16_t q = any_queue();
	uint32_t owner = q == VMQ_DEFAULT && one_in(2) ? VMQ_NOBODY : any_owner(q);
	int want = -EINVAL;

	p.is_static = one_in(2);
	if (q < QUEUES)
		want = is_open(q) && m.queue[q].owner == owner &&
				       !(m.queue[q].is_static && p.is_static &&
					 p.lcore != m.queue[q].lcore)
			       ? 0
			       : -EPERM;
	if (!agree(vmq_queue_params_set(nic, q, owner, &p), want, SEEN_PARAMS, SEEN))
		return;
	m.queue[q].is_static = p.is_static;
	m.queue[q].lcore = p.lcore;
}

static void release(void)
{
	uint16_t q = any_queue();
	uint32_t owner = any_owner(q);
	enum vmq_state s = q < QUEUES ? naive_state(q) : VMQ_UNDEFINED;
	int want = q >= QUEUES ? -EINVAL : -EPERM;

	if (q && (s == VMQ_ALLOCATED || s == VMQ_PAUSED) && m.queue[q].owner == owner)
		want = 0;
	if (agree(vmq_queue_free(nic, q, owner), want, SEEN_FREE, SEEN))
		m.queue[q].phase = STOP;
}

static void go_on(void)
{
	bool is_stopped = one_in(2);
	uint16_t q = queue_in(is_stopped ? LEAVE : STOP);
	int want = q >= QUEUES ? -EINVAL : -EPERM;

	if (q < QUEUES && m.queue[q].phase == (is_stopped ? LEAVE : STOP))
		want = 0;
	if (!is_stopped && agree(vmq_queue_dma_stopped(nic, q), want, SEEN_STOPPED, SEEN))
		m.queue[q].phase = LEAVE;
	if (is_stopped && agree(vmq_queue_returned(nic, q), want, SEEN_RETURNED, SEEN))
		m.queue[q] = (struct naive_queue){NONE};
}

/* What the first wrong one of the batch is refused with. */
static int naive_complete(const uint16_t *q, uint16_t nr)
{
	for (uint16_t i = 0; i < nr; i++) {
		if (q[i] >= QUEUES)
			return -EINVAL;
		for (uint16_t k = 0; k < i; k++)
			if (q[k] == q[i])
				return -EINVAL;
		if (m.queue[q[i]].phase != INCOMPLETE)
			return -EPERM;
	}
	return 0;
}

/* A device that does not forget what it got before it refused: it is the queue's, or nobody's. */
static void learn_kept(const uint16_t *q, uint16_t nr)
{
	for (unsigned int i = 0; i < nr * FILTERS; i++) {
		struct naive_filter *o = &m.filter[i % FILTERS];

		if (!o->id || o->q != q[i / FILTERS])
			continue;
		o->is_kept = dev.nr_fail > 1 && vmqbed_has(&dev, o->q, &o->f);
		seen[SEEN_KEPT] += o->is_kept;
	}
}

static void complete(void)
{
	uint16_t q[3], nr = (uint16_t)(1 + prng_below(&rnd, 3));

	for (uint16_t i = 0; i < nr; i++) {
		q[i] = queue_in(INCOMPLETE);
	}
	if (!agree(vmq_allocation_complete(nic, q, nr), naive_complete(q, nr), SEEN_COMPLETE,
		   SEEN_COMPLETE_FAILED)) {
		if (has_failed())
			learn_kept(q, nr);
		return;
	}
	seen[SEEN_BATCH] += nr > 1;
	for (uint16_t i = 0; i < nr; i++)
		m.queue[q[i]].phase = COMPLETE;
}

static void set(void)
{
	uint16_t q = queue_in(INCOMPLETE);
	uint32_t owner = any_owner(q);
	struct vmq_filter f = any_filter();
	int want = naive_may_set(q, owner);
	unsigned int i = 0;
	int64_t id;

	if (!want && one_in(30)) {
		f.mac[0] = 1;
		want = -EINVAL;
	}
	if (!want && naive_is_taken(q, &f, 0))
		want = -EEXIST;
	id = vmq_filter_set(nic, q, owner, &f);
	if (!agree(id, want, SEEN_SET, SEEN_SET_FAILED))
		return;
	cr_assert_eq(id, ++m.last_id);
	while (m.filter[i].id)
		i++;
	m.filter[i] = (struct naive_filter){(uint32_t)id, owner, q, false, f};
}

static uint32_t filter_owner(const struct naive_filter *o)
{
	return o && !one_in(8) ? o->owner : 1 + prng_below(&rnd, OWNERS);
}

static void clear_id(uint32_t id)
{
	struct naive_filter *o = naive_find(id);
	uint32_t owner = filter_owner(o);
	int want = !o ? -ENOENT : o->owner != owner ? -EPERM : 0;

	if (agree(vmq_filter_clear(nic, id, owner), want, SEEN_CLEAR, SEEN_CLEAR_FAILED))
		o->id = 0;
}

static void clear(void)
{
	clear_id(any_id());
}

/* So that queues come to their end. */
static void clear_queue(void)
{
	uint16_t q = any_queue();

	for (unsigned int i = 0; i < FILTERS; i++)
		if (m.filter[i].id && m.filter[i].q == q) {
			maybe_break();
			clear_id(m.filter[i].id);
		}
}

static void move(void)
{
	uint32_t id = any_id();
	struct naive_filter *o = naive_find(id);
	uint32_t owner = filter_owner(o);
	unsigned int moves = dev.calls[VMQBED_MOVE];
	uint16_t to = any_queue();
	int want = !o ? -ENOENT : o->owner != owner ? -EPERM : naive_may_set(to, owner);

	if (!want && to != o->q && naive_is_taken(to, &o->f, id))
		want = -EEXIST;
	if (!agree(vmq_filter_move(nic, id, owner, to), want, SEEN_MOVE, SEEN_MOVE_FAILED))
		return;
	seen[SEEN_MOVE_RUNNING] += dev.calls[VMQBED_MOVE] - moves;
	o->is_kept = o->is_kept && to == o->q;
	o->q = to;
}

/* ---- Comparison -------------------------------------------------------------------------------------- */

static void compare_filter(const struct vmq_filter_info *i, void *ctx)
{
	const struct naive_filter *o = naive_find(i->id);

	cr_assert_not_null(o, "filter %u", i->id);
	cr_assert(o->q == i->q && o->owner == i->owner && vmqbed_is_same(&o->f, &i->f), "filter %u",
		  i->id);
	++*(unsigned int *)ctx;
}

static void compare_queue(const struct vmq_queue_info *i, void *ctx)
{
	const struct naive_queue *q = &m.queue[i->q];

	cr_assert(i->owner == q->owner && i->params.is_static == q->is_static, "queue %u", i->q);
	cr_assert(i->params.lcore == q->lcore && i->nr_filters == naive_count(i->q), "queue %u",
		  i->q);
	++*(unsigned int *)ctx;
}

static void compare_frames(void)
{
	for (uint8_t s = 1; s <= STATIONS; s++)
		for (uint16_t vlan = 0; vlan <= VLANS + 1; vlan++) {
			struct vmq_filter f = vmqbed_any(s);
			bool is_wanted;
			uint16_t q = naive_sort(f.mac, vlan, &is_wanted);

			cr_assert_eq(vmqbed_sort(&dev, f.mac, vlan), q,
				     "station %u, VLAN %u: not queue %u", s, vlan, q);
			seen[SEEN_CHOSEN] += q != VMQ_DEFAULT;
			seen[SEEN_DEFAULT] += q == VMQ_DEFAULT && is_wanted;
		}
}

static void compare(void)
{
	unsigned int filters = 0, queues = 0, want_filters = 0, want_queues = 0;

	cr_assert_str_empty(dev.fault, "%s", dev.fault);
	for (uint16_t q = 0; q < QUEUES; q++) {
		cr_assert_eq(vmq_queue_state(nic, q), naive_state(q), "queue %u is %s, not %s", q,
			     vmq_state_name(vmq_queue_state(nic, q)),
			     vmq_state_name(naive_state(q)));
		seen[SEEN_STATE + naive_state(q)]++;
		want_filters += naive_count(q);
		want_queues += m.queue[q].phase != NONE;
	}
	vmq_filter_enum(nic, UINT16_MAX, compare_filter, &filters);
	vmq_queue_enum(nic, compare_queue, &queues);
	cr_assert(filters == want_filters && queues == want_queues);
	compare_frames();
}

static void step(void)
{
	static void (*const ops[])(void) = {
		allocate, allocate, complete, complete, set,	     set,   set,
		set,	  set,	    set,      clear,	clear_queue, move,  move,
		move,	  release,  release,  go_on,	go_on,	     go_on, change_params,
	};

	maybe_break();
	ops[prng_below(&rnd, sizeof(ops) / sizeof(ops[0]))]();
	compare();
}

Test(vmq_queue, agrees_with_a_model_without_states)
{
	unsigned int steps = prng_steps(STEPS);

	prng_init(&rnd);
	m.queue[VMQ_DEFAULT] = (struct naive_queue){COMPLETE, VMQ_NOBODY, false, VMQ_CPU_ANY};
	cr_assert_eq(vmq_nic_create(&nic, QUEUES, &vmqbed_ops, &dev), 0, "%s", err_text());
	for (unsigned int i = 0; i < steps; i++)
		step();
	for (int i = 0; i < SEEN && steps >= STEPS; i++)
		cr_expect_gt(seen[i], 0, "never saw number %d of enum seen", i);
	vmq_nic_destroy(nic);
}
