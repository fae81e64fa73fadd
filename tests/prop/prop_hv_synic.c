/* SPDX-License-Identifier: BSD-3-Clause */
/* Message queues, slots, EOM and event flags of one VP against a naive model: random posts, timer
 * expiries, guest reads, maskings and page switches. Every message arrives once and in order, and
 * whenever something waits that the guest has not been told of, an interrupt is due. */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "hv/priv.h"
#include "hv/scripted.h"
#include "tests/support/prng.h"

#define SIMP   (NETHV_IMAGE_BASE + 0x1000)
#define SIEFP  (NETHV_IMAGE_BASE + 0x2000)
#define VECTOR 0xf3u
#define SINTS  3u /* SINTs 1..3 are used */
#define NFLAGS 64u

struct naive {
	uint32_t sent[HV_NR_SINTS], got[HV_NR_SINTS]; /* numbers of messages */
	bool simp, siefp, scontrol, masked[HV_NR_SINTS];
	bool flag[HV_NR_SINTS][NFLAGS]; /* set and not yet taken */
};

static struct hv_script script;
static struct hv_partition *p;
static struct naive nv;
static const struct hv_partition_ops no_ops;

static void wr(uint32_t msr, uint64_t v)
{
	const struct hv_exit ex = {.kind = HV_EXIT_WRMSR, .msr = msr, .value = v};
	struct hv_stop stop;
	uint64_t ignored;

	cr_assert_eq(hv_dispatch(&p->vp[0], &ex, &ignored, &stop), HV_GO_ON, "%s", stop.text);
}

static struct hv_message *slot(unsigned int sint)
{
	return (struct hv_message *)gmem_page(&p->gm, SIMP >> 12) + sint;
}

static uint8_t *flags(unsigned int sint)
{
	return (uint8_t *)gmem_page(&p->gm, SIEFP >> 12) + sint * HV_EVENT_AREA_BYTES;
}

static void sint_write(unsigned int sint)
{
	wr(HV_MSR_SINT0 + sint, VECTOR + sint + (nv.masked[sint] ? HV_SINT_MASKED : 0));
}

static void do_post(unsigned int sint)
{
	uint32_t n = nv.sent[sint];
	int rc = hv_post_to_guest(p, 0, sint, 1, &n, sizeof(n));

	if (rc == 0)
		nv.sent[sint]++;
	else
		cr_assert(rc == -EAGAIN && nv.sent[sint] - nv.got[sint] >= HV_MSGQ_MAX);
}

/* The guest's side: take the message, free the slot, EOM if the flag says so. */
static void do_take(unsigned int sint)
{
	struct hv_message m = *slot(sint);
	uint32_t n;

	if (!nv.simp || m.type == HV_MESSAGE_NONE)
		return;
	memcpy(&n, m.payload, sizeof(n));
	cr_assert_eq(n, nv.got[sint], "SINT %u: out of order", sint);
	nv.got[sint]++;
	slot(sint)->type = HV_MESSAGE_NONE;
	if (slot(sint)->flags & HV_MESSAGE_FLAG_PENDING)
		wr(HV_MSR_EOM, 0);
	else if (nv.scontrol && !nv.masked[sint])
		cr_assert_eq(nv.sent[sint], nv.got[sint], "no pending flag, yet more wait");
}

static void do_flag(unsigned int sint, unsigned int f)
{
	cr_assert_eq(hv_signal_event_flag(p, 0, sint, f), 0);
	nv.flag[sint][f] = true;
}

static void do_take_flags(unsigned int sint)
{
	unsigned int f;

	if (!nv.siefp)
		return;
	for (f = 0; f < NFLAGS; f++) {
		bool is_set = flags(sint)[f / 8] & 1u << (f % 8);

		cr_assert_eq(is_set, nv.flag[sint][f], "SINT %u flag %u", sint, f);
		flags(sint)[f / 8] &= (uint8_t) ~(1u << (f % 8));
		nv.flag[sint][f] = false;
	}
}

static bool waits(unsigned int sint)
{
	unsigned int f;

	if (nv.simp && slot(sint)->type != HV_MESSAGE_NONE)
		return true;
	for (f = 0; nv.siefp && f < NFLAGS; f++) {
		if (nv.flag[sint][f])
			return true;
	}
	return false;
}

/* After each step: what could be delivered has been, and an unmask was told of what waits. */
static void check(unsigned int sint)
{
	bool open = nv.simp && nv.scontrol && !nv.masked[sint];

	if (open && nv.sent[sint] != nv.got[sint])
		cr_assert_neq(slot(sint)->type, HV_MESSAGE_NONE, "SINT %u: stuck", sint);
	cr_assert_eq(script.sint_vector[0][sint],
		     nv.scontrol && !nv.masked[sint] ? VECTOR + sint : 0);
}

static void do_mask(unsigned int sint)
{
	unsigned int before = script.nr_irqs[0];

	nv.masked[sint] = !nv.masked[sint];
	sint_write(sint);
	if (!nv.masked[sint] && nv.scontrol && waits(sint))
		cr_assert_gt(script.nr_irqs[0], before, "unmask with work and no interrupt");
}

/* Page off: the guest gives up what lies in the slots, so it takes it first. */
static void do_pages(struct prng *r)
{
	unsigned int sint;

	for (sint = 1; sint <= SINTS; sint++) {
		while (nv.simp && slot(sint)->type != HV_MESSAGE_NONE &&
		       (!nv.scontrol || nv.masked[sint]))
			do_take(sint);
		do_take_flags(sint);
	}
	if (prng_below(r, 2)) {
		nv.siefp = !nv.siefp;
		wr(HV_MSR_SIEFP, SIEFP | nv.siefp);
	} else {
		nv.scontrol = !nv.scontrol;
		wr(HV_MSR_SCONTROL, nv.scontrol);
	}
}

/* Mostly open and with short queues: that is where slots change between free and busy. */
static void step(struct prng *r)
{
	unsigned int sint = 1 + prng_below(r, SINTS);

	switch (prng_below(r, 16)) {
	case 0 ... 2: do_post(sint); break;
	case 3 ... 8: do_take(sint); break;
	case 9 ... 10: do_flag(sint, prng_below(r, NFLAGS)); break;
	case 11 ... 12: do_take_flags(sint); break;
	case 13:
		if (nv.masked[sint] || prng_below(r, 8) == 0)
			do_mask(sint);
		break;
	default:
		if (!nv.scontrol || !nv.siefp || prng_below(r, 8) == 0)
			do_pages(r);
		break;
	}
	check(sint);
}

static void drain(unsigned int sint)
{
	unsigned int i;

	for (i = 0; i <= HV_MSGQ_MAX + 1; i++)
		do_take(sint);
	do_take_flags(sint);
	cr_assert_eq(nv.sent[sint], nv.got[sint], "SINT %u: messages lost", sint);
}

Test(hv_synic, agrees_with_a_naive_model)
{
	unsigned int i, sint, steps = prng_steps(20000);
	struct prng r;

	prng_init(&r);
	cr_assert_eq(hv_scripted_create(&p, &script, 1, &no_ops, NULL), 0);
	wr(HV_MSR_SIMP, SIMP | 1);
	nv.simp = true;
	for (sint = 1; sint <= SINTS; sint++) {
		nv.masked[sint] = true;
		sint_write(sint);
	}
	for (i = 0; i < steps; i++)
		step(&r);
	nv.scontrol = nv.siefp = true;
	wr(HV_MSR_SCONTROL, 1);
	wr(HV_MSR_SIEFP, SIEFP | 1);
	for (sint = 1; sint <= SINTS; sint++) {
		nv.masked[sint] = false;
		sint_write(sint);
		drain(sint);
	}
	hv_partition_destroy(p);
}
