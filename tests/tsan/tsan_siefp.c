/* SPDX-License-Identifier: BSD-3-Clause */
/* Lcores that set event flags while the worker moves the flag page: once a move returned, nobody
 * touches the old page, and a flag set while there was none is in the next one. */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <nethv/abi/vmbus.h>

#include "tests/support/prng.h"
#include "tests/tsan/tsan.h"
#include "vmbus/state.h"

#define LCORES	 3u
#define PAGES	 2u
#define ON(page) ((uint64_t)(page) << 12 | 1)

static struct vmbus_state *st;
static struct gmem gm;
static _Alignas(4096) uint8_t ram[PAGES][4096];
static int sint_fd;
static bool is_over;

static bool nobody_dies(void *ctx)
{
	return false;
}

static void *signal_on(void *arg)
{
	unsigned int lcore = (unsigned int)(uintptr_t)arg, n = 0;

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		vmbus_state_signal(st, &gm, lcore, 0, lcore + 1, sint_fd);
		if (++n % 16 == 0)
			usleep(1); /* between signals: else it is put off the CPU within one */
	}
	vmbus_state_signal(st, &gm, lcore, 0, lcore + 1, sint_fd);
	return NULL;
}

/* Plain accesses: the page is ours alone now. */
static void page_is_left(unsigned int page, bool was_on)
{
	unsigned int i, bits = 0;

	for (i = 0; i < 4096; i++)
		bits += ram[page][i];
	check(was_on || bits == 0);
	memset(ram[page], 0, 4096);
}

static void move_about(struct prng *p, unsigned int steps)
{
	unsigned int on = PAGES, next, i; /* PAGES: none */

	for (i = 0; i < steps; i++) {
		next = prng_below(p, PAGES + 1);
		vmbus_state_set_siefp(st, &gm, 0, next == PAGES ? 0 : ON(next), nobody_dies, NULL);
		if (next != 0)
			page_is_left(0, on == 0);
		if (next != 1)
			page_is_left(1, on == 1);
		on = next;
	}
}

int main(void)
{
	unsigned int i, steps = 10 * prng_steps(3000);
	pthread_t t[LCORES];
	struct prng p;
	uint64_t *word;

	prng_init(&p);
	st = aligned_alloc(4096, sizeof(*st));
	check(st);
	memset(st, 0, sizeof(*st));
	vmbus_state_init(st, 1);
	check(gmem_add(&gm, gpa(0), sizeof(ram), ram) == 0);
	sint_fd = eventfd(0, EFD_NONBLOCK);
	for (i = 0; i < LCORES; i++)
		t[i] = start(signal_on, (void *)(uintptr_t)i);
	move_about(&p, steps);
	vmbus_state_set_siefp(st, &gm, 0, 0, nobody_dies, NULL);
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	for (i = 0; i < LCORES; i++)
		check(pthread_join(t[i], NULL) == 0);
	check(vmbus_state_set_siefp(st, &gm, 0, ON(0), nobody_dies, NULL));
	word = (uint64_t *)(ram[0] + VMBUS_SINT * 256);
	check((*word & 0xE) == 0xE);
	printf("%u moves of the flag page under %u signallers\n", steps, LCORES);
	free(st);
	return 0;
}
