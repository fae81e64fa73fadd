/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that a device reads in the guest's memory: the guest hears that they are sent when the device has
 * read them, and not before. The test is the device. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/eal.h"
#include "tests/support/nvspguest.h"

static struct nguest g;
static struct prng rng;
static struct netvsp_nic *nic;

static void setup(void)
{
	const struct netvsp_nic_cfg cfg = {.mtu = 1500, .max_channels = 4};

	eal_up();
	prng_init(&rng);
	nguest_up(&g, &cfg, &rng, false, false);
	nic = g.bed.nic;
}

static void teardown(void)
{
	nguest_down(&g);
}

TestSuite(netvsp_lend, .init = setup, .fini = teardown);

static void hear(void *ctx, const uint8_t *msg, uint32_t len)
{
}

/* The guest sends a frame, and the switch takes it. */
static void sends(void)
{
	uint8_t f[60] = {0};

	nguest_add(&g, f, sizeof(f), NULL, 0);
	nguest_send(&g);
}

static uint32_t hears(void)
{
	return nguest_receive(&g, hear, NULL);
}

Test(netvsp_lend, completions_wait_until_the_device_has_read_everything)
{
	sends();
	cr_assert_eq(nguest_host_rx(&g), 1);
	cr_assert_eq(g.vec.lend, &nic->chan[0].lend);
	g.vec.lend->out = 2;
	nguest_host_done(&g);
	cr_expect_eq(hears(), 0);
	g.vec.lend->out = 1;
	sends();
	cr_expect_eq(nguest_host_rx(&g), 0, "the next burst waits, too");
	cr_expect_eq(hears(), 0);
	cr_expect(netvsp_arm(nic, 0), "nobody sleeps meanwhile");
	nic->chan[0].lend.out = 0;
	cr_expect_eq(nguest_host_rx(&g), 1);
	cr_expect_eq(hears(), 1, "the first");
	nguest_host_done(&g);
	cr_expect_eq(hears(), 1, "the second");
}

Test(netvsp_lend, what_is_read_within_the_vector_costs_no_loop)
{
	sends();
	cr_assert_eq(nguest_host_rx(&g), 1);
	g.vec.lend->out = 1;
	g.vec.lend->out = 0;
	nguest_host_done(&g);
	cr_expect_eq(hears(), 1);
}
