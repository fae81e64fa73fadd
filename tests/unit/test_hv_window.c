/* SPDX-License-Identifier: BSD-3-Clause */
/* Windows of assigned devices: who answers, what overlaps, and that a window's end waits for the VPs
 * that are in it. Accesses are MMIO exits, as they come from an engine. */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "hv/bus.h"
#include "hv/device.h"
#include "hv/linux/machine.h"
#include "tests/support/hvbed.h"

#define AT   0xf9000000ull
#define PAGE 4096ull

static struct hv_device *dev;

static void up(void)
{
	const struct hv_device_cfg cfg = {.name = "vf0", .device_id = 1, .nr_vectors = 1};

	bed_script.is_linux = true;
	bed_up();
	cr_assert_eq(hv_device_create(&dev, bed, &cfg), 0, "%s", err_text());
}

static void down(void)
{
	hv_device_destroy(dev);
	bed_down();
}

TestSuite(hv_window, .init = up, .fini = down, .timeout = 60);

/* A device that answers with its number and the offset, and notes what was written. */
struct plain {
	uint64_t number;
	uint64_t off, value;
	unsigned int size, nr_writes;
};

static uint64_t plain_read(void *arg, uint64_t off, unsigned int size)
{
	const struct plain *d = arg;

	return d->number << 32 | off;
}

static enum hv_verdict plain_write(void *arg, uint64_t off, unsigned int size, uint64_t value,
				   struct hv_stop *stop)
{
	struct plain *d = arg;

	d->off = off;
	d->size = size;
	d->value = value;
	d->nr_writes++;
	return HV_GO_ON;
}

static const struct hv_bus_ops plain_ops = {plain_read, plain_write};

static uint64_t read_on(unsigned int vp, uint64_t at, uint8_t size)
{
	const struct hv_exit ex = {.kind = HV_EXIT_MMIO, .gpa = at, .size = size};
	struct hv_stop stop;
	uint64_t v = 0;

	cr_assert_eq(hv_dispatch(&bed->vp[vp], &ex, &v, &stop), HV_GO_ON);
	return v;
}

static void write_on(unsigned int vp, uint64_t at, uint8_t size, uint64_t value)
{
	const struct hv_exit ex = {
		.kind = HV_EXIT_MMIO, .gpa = at, .size = size, .value = value, .is_out = 1};
	struct hv_stop stop;
	uint64_t v;

	cr_assert_eq(hv_dispatch(&bed->vp[vp], &ex, &v, &stop), HV_GO_ON);
}

static uint64_t nobodys(void)
{
	struct hv_vp_stats s;

	hv_vp_stats(bed, 0, &s);
	return s.nobodys_mmio;
}

/* --- Who answers ----------------------------------------------------------------------------------- */

Test(hv_window, accesses_inside_reach_the_device_and_others_do_not)
{
	struct plain a = {.number = 7};

	cr_assert_eq(hv_device_window_set(dev, 0, AT, 2 * PAGE, &plain_ops, &a), 0);
	cr_assert_eq(read_on(0, AT, 8), 7ull << 32);
	cr_assert_eq(read_on(0, AT + 0x1234, 2), 0x1234);
	cr_assert_eq(read_on(2, AT + 2 * PAGE - 4, 4), 2 * PAGE - 4);
	write_on(1, AT + 0x1004, 4, 0x11223344);
	cr_assert_eq(a.off, 0x1004);
	cr_assert_eq(a.size, 4);
	cr_assert_eq(a.value, 0x11223344);
	cr_assert_eq(nobodys(), 0);
	cr_assert_eq(read_on(0, AT - 1, 1), 0xff);
	cr_assert_eq(read_on(0, AT + 2 * PAGE, 4), 0xffffffff);
	cr_assert_eq(nobodys(), 2);
	cr_assert_eq(a.nr_writes, 1);
}

Test(hv_window, accesses_of_odd_sizes_are_cut_up_and_end_with_the_window)
{
	struct plain a = {.number = 0};

	cr_assert_eq(hv_device_window_set(dev, 0, AT, PAGE, &plain_ops, &a), 0);
	cr_assert_eq(read_on(0, AT + 0x10, 3), 0x120010, "2 bytes and 1");
	cr_assert_eq(read_on(0, AT + PAGE - 2, 4), 0xffff0ffe, "what is beyond reads as ones");
	cr_assert_eq(read_on(0, AT, 0), 0);
	cr_assert_eq(read_on(0, AT, 9), ~0ull);
	cr_assert_eq(nobodys(), 2);
	write_on(0, AT + PAGE - 2, 8, 0x4321);
	cr_assert_eq(a.nr_writes, 1);
	cr_assert_eq(a.size, 2);
}

Test(hv_window, the_pc_s_own_devices_go_before)
{
	struct plain a = {.number = 7};

	cr_assert_eq(hv_device_window_set(dev, 0, HV_PC_IOAPIC - PAGE, 4 * PAGE, &plain_ops, &a),
		     0);
	cr_assert_eq(read_on(0, HV_PC_IOAPIC - 8, 8), 7ull << 32 | (PAGE - 8));
	cr_assert_eq(read_on(0, HV_PC_IOAPIC, 4), 0, "its index register");
}

Test(hv_window, a_slot_that_is_set_again_moves_and_one_that_is_clear_is_gone)
{
	struct plain a = {.number = 1}, b = {.number = 2};

	cr_assert_eq(hv_device_window_set(dev, 3, AT, PAGE, &plain_ops, &a), 0);
	cr_assert_eq(hv_device_window_set(dev, 3, AT + PAGE / 2, PAGE, &plain_ops, &b), 0);
	cr_assert_eq(read_on(0, AT, 8), ~0ull);
	cr_assert_eq(read_on(0, AT + PAGE, 8), 2ull << 32 | PAGE / 2);
	hv_device_window_clear(dev, 3);
	hv_device_window_clear(dev, 3);
	hv_device_window_clear(dev, HV_DEVICE_WINDOWS_MAX);
	cr_assert_eq(read_on(0, AT + PAGE, 8), ~0ull);
}

Test(hv_window, refuses_overlaps_and_nonsense_and_keeps_what_was)
{
	struct plain a = {.number = 1}, b = {.number = 2};
	const struct {
		unsigned int slot;
		uint64_t at, len;
		int rc;
	} row[] = {
		{1, AT, 1, -EEXIST},
		{1, AT + 4 * PAGE - 1, PAGE, -EEXIST},
		{1, AT - PAGE, PAGE + 1, -EEXIST},
		{1, AT - PAGE, 8 * PAGE, -EEXIST},
		{1, AT, 0, -EINVAL},
		{HV_DEVICE_WINDOWS_MAX, AT, PAGE, -EINVAL},
		{1, ~0ull, 2, -EINVAL},
		{1, 1ull << 52, 1, -EINVAL},
		{1, AT + 4 * PAGE, PAGE, 0},
		{1, AT - PAGE, PAGE, 0},
		{1, AT, PAGE, -EEXIST},
	};
	unsigned int i;

	cr_assert_eq(hv_device_window_set(dev, 0, AT, 4 * PAGE, &plain_ops, &a), 0);
	cr_assert_eq(hv_device_window_set(dev, 1, AT, 4, NULL, &b), -EINVAL);
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		cr_assert_eq(hv_device_window_set(dev, row[i].slot, row[i].at, row[i].len,
						  &plain_ops, &b),
			     row[i].rc, "row %u: %s", i, err_text());
	cr_assert_eq(read_on(0, AT - 8, 8), 2ull << 32 | (PAGE - 8), "of the last that was good");
	cr_assert_eq(read_on(0, AT, 8), 1ull << 32);
}

Test(hv_window, two_devices_have_slots_of_their_own)
{
	const struct hv_device_cfg cfg = {.name = "vf1", .device_id = 2, .nr_vectors = 1};
	struct plain a = {.number = 1}, b = {.number = 2};
	struct hv_device *other;

	cr_assert_eq(hv_device_create(&other, bed, &cfg), 0);
	cr_assert_eq(hv_device_window_set(dev, 0, AT, PAGE, &plain_ops, &a), 0);
	cr_assert_eq(hv_device_window_set(other, 0, AT + PAGE, PAGE, &plain_ops, &b), 0);
	cr_assert_eq(hv_device_window_set(other, 1, AT, PAGE, &plain_ops, &b), -EEXIST);
	cr_assert_eq(read_on(0, AT, 8), 1ull << 32);
	cr_assert_eq(read_on(0, AT + PAGE, 8), 2ull << 32);
	hv_device_destroy(other);
	cr_assert_eq(read_on(0, AT + PAGE, 8), ~0ull);
	cr_assert_eq(read_on(0, AT, 8), 1ull << 32);
}

Test(hv_window, an_image_of_ours_has_windows_too)
{
	struct hv_devices *pc = bed->devices;
	const struct hv_exit ex = {.kind = HV_EXIT_MMIO, .gpa = AT + PAGE, .size = 4};
	struct plain a = {.number = 7};
	struct hv_stop stop;
	uint64_t v;

	bed->devices = NULL;
	cr_assert_eq(hv_device_window_set(dev, 0, AT, PAGE, &plain_ops, &a), 0);
	cr_assert_eq(read_on(0, AT + 4, 4), 4);
	cr_assert_eq(hv_dispatch(&bed->vp[0], &ex, &v, &stop), HV_STOP);
	cr_assert(strstr(stop.text, "where nothing is"), "%s", stop.text);
	bed->devices = pc;
}

/* --- Waiting --------------------------------------------------------------------------------------- */

/* A device whose callbacks stay until they are let go; except away from its begin. */
struct slow {
	sem_t is_in, go;
	atomic_bool is_dead; /* nobody may be in it any more */
	atomic_bool was_used_dead;
};

#define AWAY	 (PAGE - 8)
#define OLD_AWAY 5u

static uint64_t slow_read(void *arg, uint64_t off, unsigned int size)
{
	struct slow *d = arg;

	if (off)
		return OLD_AWAY;
	sem_post(&d->is_in);
	sem_wait(&d->go);
	if (d->is_dead)
		d->was_used_dead = true;
	return 1;
}

static const struct hv_bus_ops slow_ops = {slow_read, plain_write};

static void slow_init(struct slow *d)
{
	memset(d, 0, sizeof(*d));
	sem_init(&d->is_in, 0, 0);
	sem_init(&d->go, 0, 0);
}

static void *reader(void *vp)
{
	read_on((unsigned int)(uintptr_t)vp, AT, 4);
	return NULL;
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	cr_assert_eq(pthread_create(&t, NULL, fn, arg), 0);
	return t;
}

static struct slow slow;
static struct plain next_one = {.number = 9};
static atomic_uint step;

static void *clearer(void *arg)
{
	step = 1;
	hv_device_window_clear(dev, 0);
	slow.is_dead = true;
	step = 2;
	return NULL;
}

static void *replacer(void *arg)
{
	step = 1;
	hv_device_window_set(dev, 0, AT, PAGE, &plain_ops, &next_one);
	slow.is_dead = true;
	step = 2;
	return NULL;
}

/* VP 1 is in the window while @fn takes it away; @after is what the address answers by then. */
static void end_waits(void *(*fn)(void *), uint64_t after)
{
	pthread_t vp, ctl;

	slow_init(&slow);
	cr_assert_eq(hv_device_window_set(dev, 0, AT, PAGE, &slow_ops, &slow), 0);
	cr_assert_eq(read_on(0, AT + AWAY, 8), OLD_AWAY);
	vp = start(reader, (void *)1);
	sem_wait(&slow.is_in);
	cr_assert_eq(read_on(0, AT + AWAY, 8), OLD_AWAY, "other VPs are not held up");
	ctl = start(fn, NULL);
	while (read_on(0, AT + AWAY, 8) != after)
		sched_yield();
	usleep(20000); /* one that does not wait has its chance to be seen */
	cr_assert_eq(step, 1, "it waits for the VP");
	sem_post(&slow.go);
	pthread_join(vp, NULL);
	pthread_join(ctl, NULL);
	cr_assert_eq(step, 2);
	cr_assert_not(slow.was_used_dead);
	cr_assert_eq(read_on(0, AT + AWAY, 8), after);
}

Test(hv_window, clearing_waits_for_the_vp_that_is_in_it)
{
	end_waits(clearer, ~0ull);
}

Test(hv_window, replacing_waits_for_the_vp_that_is_in_the_old_one)
{
	end_waits(replacer, 9ull << 32 | AWAY);
}

/* From a callback: the config window moves itself, and takes away one that another VP is in. */
static unsigned int nr_moves;

static enum hv_verdict mover_write(void *arg, uint64_t off, unsigned int size, uint64_t value,
				   struct hv_stop *stop)
{
	hv_device_window_clear(dev, 0);
	cr_assert_eq(hv_device_window_set(dev, 1, AT + value * PAGE, PAGE, arg, NULL), 0);
	nr_moves++;
	return HV_GO_ON;
}

static uint64_t mover_read(void *arg, uint64_t off, unsigned int size)
{
	return 0x77;
}

static const struct hv_bus_ops mover_ops = {mover_read, mover_write};

Test(hv_window, a_callback_may_move_its_own_window_and_end_one_that_a_vp_is_in)
{
	pthread_t vp;

	slow_init(&slow);
	cr_assert_eq(hv_device_window_set(dev, 0, AT, PAGE, &slow_ops, &slow), 0);
	cr_assert_eq(hv_device_window_set(dev, 1, AT + PAGE, PAGE, &mover_ops, (void *)&mover_ops),
		     0);
	vp = start(reader, (void *)1);
	sem_wait(&slow.is_in);
	write_on(0, AT + PAGE, 4, 2);
	cr_assert_eq(nr_moves, 1);
	cr_assert_eq(read_on(0, AT + AWAY, 8), ~0ull);
	cr_assert_eq(read_on(0, AT + PAGE, 4), 0xffffffff);
	cr_assert_eq(read_on(0, AT + 2 * PAGE, 1), 0x77);
	sem_post(&slow.go);
	pthread_join(vp, NULL);
}

Test(hv_window, a_later_change_from_elsewhere_waits_for_what_a_callback_left_behind)
{
	pthread_t vp, ctl;

	slow_init(&slow);
	cr_assert_eq(hv_device_window_set(dev, 0, AT, PAGE, &slow_ops, &slow), 0);
	cr_assert_eq(hv_device_window_set(dev, 1, AT + PAGE, PAGE, &mover_ops, (void *)&mover_ops),
		     0);
	vp = start(reader, (void *)1);
	sem_wait(&slow.is_in);
	write_on(0, AT + PAGE, 4, 2);
	ctl = start(clearer, NULL);
	usleep(20000);
	cr_assert_neq(step, 2, "the VP is still in it");
	sem_post(&slow.go);
	pthread_join(vp, NULL);
	pthread_join(ctl, NULL);
	cr_assert_eq(step, 2);
	cr_assert_not(slow.was_used_dead);
}

Test(hv_window, destroying_a_device_waits_for_its_callbacks)
{
	const struct hv_device_cfg cfg = {.name = "vf1", .device_id = 2, .nr_vectors = 1};
	struct hv_device *first = dev;
	pthread_t vp;

	cr_assert_eq(hv_device_create(&dev, bed, &cfg), 0);
	slow_init(&slow);
	cr_assert_eq(hv_device_window_set(dev, 0, AT, PAGE, &slow_ops, &slow), 0);
	vp = start(reader, (void *)1);
	sem_wait(&slow.is_in);
	sem_post(&slow.go);
	hv_device_destroy(dev);
	slow.is_dead = true;
	pthread_join(vp, NULL);
	cr_assert_not(slow.was_used_dead);
	dev = first;
}
