/* SPDX-License-Identifier: BSD-3-Clause */
/* lab_vmqdiff INTERFACE HARDWARE SOFTWARE: two NICs (PCI addresses, at vfio-pci) and the kernel's INTERFACE are on one
 * wire. The first NIC sorts by its VMDq pools, for the second we do. Random operations on queues and filters, the same
 * for both, and after each few of them frames, whose queues must be the same for both, and those that a naive model
 * names: each once, in order. In some groups the last operation comes while frames are under way: then each frame
 * is in the queue before it or in the one after. SEED= and STEPS= (operations and frames) by environment. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>

#include "base/err.h"
#include "tests/lab/vmqwire.h"
#include "tests/support/prng.h"
#include "vswitch/vswitch.h"

#define OWNER	1u
#define FILTERS 48u
#define MACS	6u
#define VLANS	3u  /* of filters: 1 .. 3 */
#define HEARD	4u  /* no filter has it, but groups' frames in VLANs up to it are wanted */
#define STRANGE 9u  /* groups need not be */
#define ERA	60u /* groups, in each eighth of which filters look at no VLAN */
#define HW	0
#define SW	1

struct filter {
	struct vmq_filter f;
	uint32_t id[2];
	uint16_t q;
};

/* The third opinion. */
struct model {
	bool is_allocated[WIRE_QUEUES], is_complete[WIRE_QUEUES];
	struct filter filter[FILTERS];
	uint32_t nr;
};

static struct {
	struct prng rnd;
	struct wire_side side[2];
	struct model now, before; /* @before: a racing operation */
	struct wire_frame frame[WIRE_FRAMES];
	uint32_t nr_frames, number;
	uint64_t seed;
	uint64_t groups, frames, sorted, both_ways, proven;
	uint64_t done, refused;
	bool is_any; /* no VLAN is looked at in this era */
} t;

static uint32_t below(uint32_t n)
{
	return prng_below(&t.rnd, n);
}

/* ---- The model ---------------------------------------------------------------------------------- */

static uint16_t vid_of(const struct wire_frame *f)
{
	return f->tci < 0 ? 0 : (uint16_t)(f->tci & 0xfff);
}

static uint16_t naive(const struct model *m, const struct wire_frame *f)
{
	for (uint32_t i = 0; i < m->nr; i++)
		if (m->is_complete[m->filter[i].q] &&
		    vmq_filter_passes(&m->filter[i].f, f->dmac, vid_of(f)))
			return m->filter[i].q;
	return VMQ_DEFAULT;
}

static void show_frame(const struct wire_frame *f)
{
	printf("# frame %u: %02x:%02x:%02x:%02x:%02x:%02x tci %d, %u bytes: naive %u", f->number,
	       f->dmac[0], f->dmac[1], f->dmac[2], f->dmac[3], f->dmac[4], f->dmac[5], f->tci,
	       f->len, naive(&t.now, f));
	for (int s = 0; s < 2; s++)
		for (uint16_t q = 0; q < WIRE_QUEUES; q++)
			for (uint32_t i = 0; i < t.side[s].nr[q]; i++)
				if (t.side[s].got[q][i] == f->number)
					printf(", %s %u", t.side[s].name, q);
	printf("\n");
}

static void show_filters(void)
{
	char text[VMQ_FILTER_TEXT];

	for (uint32_t i = 0; i < t.now.nr; i++)
		printf("# queue %u%s: %s\n", t.now.filter[i].q,
		       t.now.is_complete[t.now.filter[i].q] ? "" : " (not complete)",
		       vmq_filter_text(&t.now.filter[i].f, text));
}

__attribute__((noreturn)) static void differ(const char *why, const struct wire_frame *f)
{
	show_filters();
	for (uint32_t i = 0; f && i < t.nr_frames; i++)
		show_frame(&t.frame[i]);
	if (f)
		wire_die("%s: frame %u in group %lu; SEED=%lu", why, f->number, t.groups, t.seed);
	wire_die("%s in group %lu; SEED=%lu", why, t.groups, t.seed);
}

/* ---- Operations --------------------------------------------------------------------------------- */

/* What the device has no room for, or cannot do, is not asked of the other. False: it was not done. */
static bool hw_did(int64_t rc)
{
	bool has_room = rc != -ENOSPC && rc != -ENOTSUP;

	t.done += has_room;
	t.refused += !has_room;
	return has_room;
}

/* Both say the same. True: yes. */
static bool both(int64_t hw, int64_t sw, const char *what)
{
	if ((hw < 0 || sw < 0) && hw != sw) {
		printf("# %s: %ld in hardware, %ld in software (%s)\n", what, (long)hw, (long)sw,
		       err_text());
		differ(what, NULL);
	}
	return hw >= 0;
}

static void do_allocate(void)
{
	const struct vmq_params p = {.name = "test", .lcore = VMQ_CPU_ANY};
	int hw = vmq_queue_allocate(t.side[HW].nic, OWNER, &p);
	int sw = vmq_queue_allocate(t.side[SW].nic, OWNER, &p);

	if (hw != sw)
		differ("allocate", NULL);
	if (hw > 0)
		t.now.is_allocated[hw] = true;
	t.done++;
}

static void do_complete(void)
{
	uint16_t q[WIRE_QUEUES], nr = 0;
	int hw;

	for (uint16_t i = 1; i < WIRE_QUEUES; i++)
		if (t.now.is_allocated[i] && !t.now.is_complete[i] && below(2))
			q[nr++] = i;
	hw = vmq_allocation_complete(t.side[HW].nic, q, nr);
	if (!hw_did(hw))
		return;
	if (both(hw, vmq_allocation_complete(t.side[SW].nic, q, nr), "complete"))
		for (uint16_t i = 0; i < nr; i++)
			t.now.is_complete[q[i]] = true;
}

static struct vmq_filter any_filter(void)
{
	struct vmq_filter f = {.mac = {2, 0, 0, 0, 0, (uint8_t)(1 + below(MACS))}};

	if (t.is_any)
		return f;
	f.vlan_test = below(3) ? VMQ_VLAN_IS : VMQ_VLAN_UNTAGGED;
	f.vlan = f.vlan_test == VMQ_VLAN_IS ? (uint16_t)(1 + below(VLANS)) : 0;
	return f;
}

static void do_set(void)
{
	struct filter n = {.f = any_filter(), .q = (uint16_t)below(WIRE_QUEUES)};
	int64_t hw, sw;

	if (t.now.nr == FILTERS)
		return;
	hw = vmq_filter_set(t.side[HW].nic, n.q, OWNER, &n.f);
	if (!hw_did(hw))
		return;
	sw = vmq_filter_set(t.side[SW].nic, n.q, OWNER, &n.f);
	if (!both(hw, sw, "set"))
		return;
	n.id[HW] = (uint32_t)hw;
	n.id[SW] = (uint32_t)sw;
	t.now.filter[t.now.nr++] = n;
}

/* A queue whose last filter goes before it is complete is as if new, one that ran waits for the next. */
static void clear(uint32_t i)
{
	int hw = vmq_filter_clear(t.side[HW].nic, t.now.filter[i].id[HW], OWNER);

	if (hw) /* there is always room for less */
		differ(err_text(), NULL);
	both(hw, vmq_filter_clear(t.side[SW].nic, t.now.filter[i].id[SW], OWNER), "clear");
	t.now.filter[i] = t.now.filter[--t.now.nr];
	t.done++;
}

static void do_clear(void)
{
	if (t.now.nr)
		clear(below(t.now.nr));
}

static void do_move(void)
{
	struct filter *f = &t.now.filter[t.now.nr ? below(t.now.nr) : 0];
	uint16_t to = (uint16_t)below(WIRE_QUEUES);
	int hw;

	if (!t.now.nr)
		return;
	hw = vmq_filter_move(t.side[HW].nic, f->id[HW], OWNER, to);
	if (!hw_did(hw))
		return;
	if (both(hw, vmq_filter_move(t.side[SW].nic, f->id[SW], OWNER, to), "move"))
		f->q = to;
}

static int free_of(struct vmq_nic *n, uint16_t q)
{
	int rc = vmq_queue_free(n, q, OWNER);

	if (!rc)
		rc = vmq_queue_dma_stopped(n, q);
	return rc ? rc : vmq_queue_returned(n, q);
}

static void do_free(void)
{
	uint16_t q = (uint16_t)(1 + below(WIRE_QUEUES - 1));

	t.done++;
	if (both(free_of(t.side[HW].nic, q), free_of(t.side[SW].nic, q), "free"))
		t.now.is_allocated[q] = t.now.is_complete[q] = false;
}

static void operate(void)
{
	static void (*const fn[])(void) = {do_allocate, do_allocate, do_complete, do_complete,
					   do_set,	do_set,	     do_set,	  do_set,
					   do_set,	do_set,	     do_clear,	  do_move,
					   do_move,	do_move,     do_free};

	fn[below(sizeof(fn) / sizeof(fn[0]))]();
}

/* ---- Frames ------------------------------------------------------------------------------------- */

static void any_address(uint8_t a[6])
{
	static const uint8_t group[3][6] = {{255, 255, 255, 255, 255, 255},
					    {1, 0, 0x5e, 0, 0, 1},
					    {0x33, 0x33, 0, 0, 0xab, 0xcd}};
	const uint8_t one[6] = {2, 0, 0, 0, 0, (uint8_t)(1 + below(MACS + 1))};

	memcpy(a, below(6) ? one : group[below(3)], 6);
}

static struct wire_frame any_frame(void)
{
	static const uint16_t vids[] = {0, 1, 2, 3, 1, 2, 3, HEARD, STRANGE};
	static const uint16_t lens[] = {64, 65, 128, 594, 1024, 1514};
	struct wire_frame f = {.tci = -1, .number = ++t.number};
	uint16_t vid = vids[below(sizeof(vids) / sizeof(vids[0]))];

	any_address(f.dmac);
	f.len = lens[below(sizeof(lens) / sizeof(lens[0]))];
	/* That is what an 82576 cannot do: see hear() in vmq/provider.h. */
	if (vid == STRANGE && f.dmac[0] & 1 && !t.is_any)
		vid = HEARD;
	if (below(3)) {
		f.tci = (int)(below(8) << 13 | vid);
		f.len = f.len == 1514 ? 1518 : f.len;
	}
	return f;
}

/* To nobody, so for the default queue. */
static struct wire_frame sentinel(void)
{
	return (struct wire_frame){
		.dmac = {2, 0, 0, 0, 0xff, 1}, .tci = -1, .len = 64, .number = ++t.number};
}

static const struct wire_frame *frame_of(uint32_t number)
{
	for (uint32_t i = 0; i < t.nr_frames; i++)
		if (t.frame[i].number == number)
			return &t.frame[i];
	return NULL;
}

/* Each frame once, in one of the two queues that it may be in, and each queue in order. */
static void check_side(const struct wire_side *s)
{
	uint32_t sum = 0;

	for (uint16_t q = 0; q < WIRE_QUEUES; q++) {
		sum += s->nr[q];
		for (uint32_t i = 0; i < s->nr[q]; i++) {
			const struct wire_frame *f = frame_of(s->got[q][i]);

			if (!f)
				differ("a frame of another group", &t.frame[0]);
			if (i && s->got[q][i - 1] >= f->number)
				differ("order", f);
			if (naive(&t.now, f) != q && naive(&t.before, f) != q)
				differ(s->name, f);
			t.sorted += q != 0;
			t.both_ways += naive(&t.now, f) != naive(&t.before, f);
		}
	}
	if (sum != t.nr_frames) /* numbers rise, so that none is twice in one queue */
		differ("frames are missing, or in several queues", &t.frame[0]);
	for (uint32_t i = 0; i < t.nr_frames; i++) {
		uint32_t n = 0;

		for (uint16_t q = 0; q < WIRE_QUEUES; q++)
			for (uint32_t k = 0; k < s->nr[q]; k++)
				n += s->got[q][k] == t.frame[i].number;
		if (n != 1)
			differ(s->name, &t.frame[i]);
	}
}

/* An operation in the middle of frames that are under way: nobody has taken any of them yet. */
static void send_group(void)
{
	uint32_t half = below(3) ? 0 : 1 + below(t.nr_frames - 1);

	wire_send(t.frame, half);
	t.before = t.now;
	if (half)
		operate();
	wire_send(t.frame + half, t.nr_frames - half);
}

static void group(void)
{
	t.nr_frames = 8 + below(26);
	for (uint32_t i = 0; i + 1 < t.nr_frames; i++)
		t.frame[i] = any_frame();
	t.frame[t.nr_frames - 1] = sentinel();
	send_group();
	for (int s = 0; s < 2; s++) {
		if (!wire_take(&t.side[s], t.number))
			differ("the last frame did not come", &t.frame[t.nr_frames - 1]);
		check_side(&t.side[s]);
	}
	t.frames += t.nr_frames;
	t.groups++;
}

static void prove_all(void)
{
	for (uint32_t i = 0; i < t.now.nr; i++) {
		const struct filter *f = &t.now.filter[i];
		int rc = 0;

		if (f->q == VMQ_DEFAULT || !t.now.is_complete[f->q])
			continue;
		rc = t.side[HW].ops->prove(t.side[HW].pv, f->q);
		if (rc != (f->f.vlan_test == VMQ_VLAN_ANY ? -ENOTSUP : 0))
			differ(err_text(), NULL);
		t.proven += rc == 0;
	}
}

/* ---- The run ------------------------------------------------------------------------------------ */

static void eal_up(const char *a, const char *b)
{
	const char *argv[] = {"lab_vmqdiff",
			      "--no-huge",
			      "-m",
			      "128",
			      "--iova-mode=va",
			      "--no-shconf",
			      "--no-telemetry",
			      "-l",
			      "0,1",
			      "-a",
			      a,
			      "-a",
			      b};

	if (rte_eal_init(sizeof(argv) / sizeof(argv[0]), (char **)argv) < 0)
		wire_die("no EAL");
}

static void run(unsigned int steps)
{
	while (t.frames + t.done + t.refused < steps) {
		bool was_any = t.is_any;

		t.is_any = t.groups / ERA % 8 == 7;
		while (t.is_any != was_any && t.now.nr)
			clear(t.now.nr - 1);
		for (uint32_t n = below(8); n; n--)
			operate();
		group();
		prove_all();
	}
}

int main(int argc, char **argv)
{
	const struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}};
	const uint64_t heard[64] = {(2u << HEARD) - 2}; /* 1 .. HEARD */
	unsigned int steps = prng_steps(100000);
	time_t begun = time(NULL);
	struct vsw *sw;

	if (argc != 4)
		return 2;
	prng_init(&t.rnd);
	t.seed = t.rnd.s;
	t.now.is_allocated[VMQ_DEFAULT] = t.now.is_complete[VMQ_DEFAULT] = true;
	eal_up(argv[2], argv[3]);
	if (vsw_create(&sw, &cfg))
		wire_die("%s", err_text());
	wire_open(argv[1]);
	t.side[HW] = (struct wire_side){.name = "hardware", .ops = &vmq_vmdq};
	t.side[SW] = (struct wire_side){.name = "software", .ops = &vmq_software};
	for (int s = 0; s < 2; s++)
		wire_side_up(&t.side[s], sw, argv[2 + s]);
	if (vmq_vmdq.hear(t.side[HW].pv, heard))
		wire_die("%s", err_text());
	run(steps);
	printf("# %lu operations done, %lu refused by the device, %lu frames in %lu groups, %lu s\n",
	       t.done, t.refused, t.frames, t.groups, (unsigned long)(time(NULL) - begun));
	printf("# of what came to both %lu were in queues of filters, %lu overtaken by an operation; %lu "
	       "proofs; strange %lu, %lu\n",
	       t.sorted, t.both_ways, t.proven, t.side[HW].strange, t.side[SW].strange);
	for (int s = 0; s < 2; s++)
		wire_side_down(&t.side[s]);
	vsw_destroy(sw);
	if (!t.sorted || !t.proven || !t.refused)
		wire_die("nothing was tried");
	printf("ok vmq_diff: %lu steps, hardware, software and model agree (SEED=%lu)\n",
	       t.frames + t.done + t.refused, t.seed);
	return 0;
}
