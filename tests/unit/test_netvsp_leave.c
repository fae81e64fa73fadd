/* SPDX-License-Identifier: BSD-3-Clause */
/* Adapters that are taken away while their guest talks with them. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/eal.h"
#include "tests/support/nvspbed.h"
#include "vswitch/vswitch.h"

static const struct netvsp_nic_cfg cfg = {.max_channels = 4};
static struct bed b;
static struct vsw_vec vec;
static uint64_t now;

static void setup(void)
{
	eal_up();
	bed_create(&b, &cfg, NULL, 64);
	bed_open(&b, 0);
	now = netvsp_now_ms();
}

static void teardown(void)
{
	bed_destroy(&b);
}

TestSuite(netvsp_leave, .init = setup, .fini = teardown);

static bool is_there(void)
{
	return b.nv->nics == b.nic;
}

/* The adapter is gone, and so is what the bed has of it. */
static void expect_gone(void)
{
	cr_assert_neq(b.nv->nics, b.nic);
	b.nic = NULL;
}

/* The bed's channel is no real one, so nothing is to be rescinded. */
static void without_channel(void)
{
	b.nic->chan[0].vch = NULL;
}

static uint32_t ask(void)
{
	struct nvsp_msg m = {.type = NVSP_MSG_INIT,
			     .init = {.min_version = NVSP_V6_1, .max_version = NVSP_V6_1}};
	uint8_t answer[256];
	struct nvsp_msg got;

	cr_assert(bed_send_nvsp(&b, &m, 7));
	netvsp_rx(b.nic, 0, &vec);
	if (bed_recv(&b, 0, answer, sizeof(answer)) <
	    sizeof(struct vmbus_pkt_desc) + sizeof(got.type))
		return 0;
	memcpy(&got.type, answer + sizeof(struct vmbus_pkt_desc), sizeof(got.type));
	return got.type;
}

Test(netvsp_leave, a_guest_that_sets_it_up_gets_its_answers_first)
{
	netvsp_nic_remove(b.nic);
	cr_assert(is_there());
	cr_expect_null(netvsp_nic_find(b.nv, "bed"));
	cr_expect_eq(ask(), NVSP_MSG_INIT_COMPLETE);
	netvsp_leave_check(b.nv, now + 4000);
	cr_assert(is_there());
	bed_close(&b, 0);
	netvsp_leave_check(b.nv, now + 4000);
	expect_gone();
}

Test(netvsp_leave, a_guest_that_never_comes_to_its_end_has_five_seconds)
{
	netvsp_nic_remove(b.nic);
	netvsp_leave_check(b.nv, now + 4999);
	cr_assert(is_there());
	without_channel();
	netvsp_leave_check(b.nv, now + 6000);
	expect_gone();
}

Test(netvsp_leave, one_that_was_just_asked_waits_for_the_next_question)
{
	bed_ready(&b, NULL, NULL);
	ask();
	now = netvsp_now_ms();
	netvsp_nic_remove(b.nic);
	netvsp_leave_check(b.nv, now + 400);
	cr_assert(is_there());
	without_channel();
	b.nic->control_tsc = 0; /* long ago */
	netvsp_leave_check(b.nv, now + 500);
	expect_gone();
}

Test(netvsp_leave, one_that_was_asked_nothing_of_late_goes_at_once)
{
	bed_ready(&b, NULL, NULL);
	without_channel();
	netvsp_nic_remove(b.nic);
	expect_gone();
}

Test(netvsp_leave, it_passes_nothing_meanwhile)
{
	static const uint16_t idx[1] = {0};
	uint8_t reason[1] = {0};
	struct vsw_slot *s = &vec.slot[0];

	bed_ready(&b, NULL, NULL);
	ask();
	netvsp_nic_remove(b.nic);
	netvsp_rx(b.nic, 0, &vec); /* the reader applies it */
	memset(&s->pkt, 0, sizeof(s->pkt));
	s->pkt.hdr_off = VSW_SNAP_OFF;
	s->pkt.len = s->pkt.hdr_len = 60;
	netvsp_tx(b.nic, &vec, idx, 1, reason);
	cr_expect_eq(reason[0], VSW_DROP_link_down);
}

Test(netvsp_leave, its_number_and_its_address_are_free_for_another)
{
	struct netvsp_nic_cfg again = b.nic->cfg;
	struct netvsp_nic *nic;

	netvsp_nic_remove(b.nic);
	without_channel();
	cr_assert_eq(netvsp_nic_create(&nic, b.nv, &again), 0);
	expect_gone();
	cr_expect_eq(netvsp_nic_find(b.nv, "bed"), nic);
	netvsp_nic_remove(nic);
	cr_expect_null(b.nv->nics);
}
