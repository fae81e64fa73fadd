/* SPDX-License-Identifier: BSD-3-Clause */
/* VPs in windows while the control thread replaces them and a callback moves its own: once a change
 * from outside returned, nobody uses the old device, so its memory is written without a lock. */
#include <string.h>
#include <unistd.h>

#include "hv/bus.h"
#include "hv/device.h"
#include "hv/priv.h"
#include "hv/scripted.h"
#include "tests/tsan/tsan.h"

#define READERS 2u
#define SLOTS	3u /* the control thread's; one more is the mover's */
#define AT	0xf9000000ull
#define PAGE	4096ull
#define ROUNDS	2000u

/* Plain members: the sanitizer sees who else is there. */
struct thing {
	uint64_t value;
	bool is_dead;
};

static struct hv_script script;
static struct hv_partition *p;
static struct hv_device *dev;
static struct thing thing[SLOTS][2];
static _Atomic bool is_over;
static _Atomic unsigned int nr_seen, nr_moves;

static uint64_t thing_read(void *arg, uint64_t off, unsigned int size)
{
	const struct thing *t = arg;

	check(!t->is_dead);
	return t->value;
}

static enum hv_verdict thing_write(void *arg, uint64_t off, unsigned int size, uint64_t value,
				   struct hv_stop *stop)
{
	return HV_GO_ON;
}

static const struct hv_bus_ops thing_ops = {thing_read, thing_write};

static uint64_t mover_read(void *arg, uint64_t off, unsigned int size)
{
	return 1;
}

static enum hv_verdict mover_write(void *arg, uint64_t off, unsigned int size, uint64_t value,
				   struct hv_stop *stop)
{
	check(!hv_device_window_set(dev, SLOTS, AT + (SLOTS + value % 2) * PAGE, PAGE, arg, arg));
	nr_moves++;
	return HV_GO_ON;
}

static const struct hv_bus_ops mover_ops = {mover_read, mover_write};

static void access_one(unsigned int vp, unsigned int page, unsigned int n)
{
	struct hv_exit ex = {.kind = HV_EXIT_MMIO,
			     .gpa = AT + page * PAGE,
			     .size = 8,
			     .value = n,
			     .is_out = page >= SLOTS};
	struct hv_stop stop;
	uint64_t v = 0;

	check(hv_dispatch(&p->vp[vp], &ex, &v, &stop) == HV_GO_ON);
	if (!ex.is_out && v != ~0ull)
		nr_seen++;
}

static void *vp_body(void *arg)
{
	unsigned int vp = (unsigned int)(uintptr_t)arg, n;

	for (n = 0; !is_over; n++) {
		access_one(vp, n % (SLOTS + 2), n / (SLOTS + 2));
		if (n % 64 == 0)
			usleep(1);
	}
	return NULL;
}

static void change(unsigned int slot, unsigned int round)
{
	struct thing *now = &thing[slot][round % 2], *old = &thing[slot][1 - round % 2];

	now->is_dead = false;
	now->value = round;
	if (round % 5 == 4)
		hv_device_window_clear(dev, slot);
	else
		check(!hv_device_window_set(dev, slot, AT + slot * PAGE, PAGE, &thing_ops, now));
	old->is_dead = true;
	if (round % 5 == 4)
		now->is_dead = true;
}

int main(void)
{
	static const struct hv_partition_ops none;
	const struct hv_device_cfg cfg = {.name = "vf0", .device_id = 1, .nr_vectors = 1};
	pthread_t t[READERS];
	unsigned int i;

	script.is_linux = true;
	check(!hv_scripted_create(&p, &script, READERS, &none, NULL));
	check(!hv_device_create(&dev, p, &cfg));
	check(!hv_device_window_set(dev, SLOTS, AT + SLOTS * PAGE, PAGE, &mover_ops,
				    (void *)&mover_ops));
	for (i = 0; i < READERS; i++)
		t[i] = start(vp_body, (void *)(uintptr_t)i);
	for (i = 0; i < ROUNDS || nr_seen < 100 || nr_moves < 100; i++) {
		change(i % SLOTS, i / SLOTS);
		if (i % 32 == 0)
			usleep(1);
	}
	is_over = true;
	for (i = 0; i < READERS; i++)
		pthread_join(t[i], NULL);
	hv_device_destroy(dev);
	hv_partition_destroy(p);
	return 0;
}
