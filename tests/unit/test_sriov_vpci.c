/* SPDX-License-Identifier: BSD-3-Clause */
/* The vPCI VSP over its channel: a Linux guest starts, stops, crashes and loses the function. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/vpcibed.h"

static struct pcibed b;

static void setup(void)
{
	pcibed_init(&b);
	pcibed_open(&b);
}

static void teardown(void)
{
	pcibed_fini(&b);
}

TestSuite(sriov_vpci, .init = setup, .fini = teardown, .timeout = 60);

/* ---- Start ---------------------------------------------------------------------------------- */

static void start_and_look(uint32_t version)
{
	struct vpci_status st;

	pcibed_start(&b, version);
	cr_assert_eq(b.vf.nr_irqs_on, 1);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(b.vf.entry[i].address, 0xFEE00000);
		cr_assert_eq(b.vf.entry[i].data, i);
		cr_assert(!b.vf.entry[i].is_masked);
	}
	cr_assert(b.vf.entry[2].is_masked);
	cr_assert_eq(fakevf_reg(&b.vf, 4, 2), 6, "memory and bus master at the function");
	st = pcibed_status(&b);
	cr_assert_str_eq(st.state, "d0");
	cr_assert_eq(st.version, version);
	cr_assert(st.is_assigned && st.has_decode && st.is_master && st.has_msix);
	cr_assert_eq(st.nr_irqs, 2);
	cr_assert_eq(st.nr_unmasked, 2);
	cr_assert_eq(st.bar[4].gpa, BAR4_GPA);
	cr_assert(st.bar[0].is_mapped && st.bar[2].is_mapped && st.bar[3].is_mapped);
	cr_assert_eq(st.refused + st.bad_accesses + st.maps_refused + st.function_fails, 0);
	pcibed_await(&b, &b.vf.nr_d0, 1);
	cr_assert(b.vf.is_d0);
}

Test(sriov_vpci, a_guest_starts_with_version_1_1)
{
	start_and_look(VPCI_V1_1);
}

Test(sriov_vpci, a_guest_starts_with_version_1_2)
{
	start_and_look(VPCI_V1_2);
}

Test(sriov_vpci, a_guest_starts_with_version_1_3)
{
	start_and_look(VPCI_V1_3);
}

Test(sriov_vpci, a_guest_starts_with_version_1_4)
{
	start_and_look(VPCI_V1_4);
}

Test(sriov_vpci, other_versions_mean_try_the_next_lower)
{
	static const uint32_t wrong[] = {0, 0x00010000, 0x00010005, 0x00010006, 0x00020001, ~0u};

	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_eq(pcibed_agree(&b, wrong[i]), VPCI_STATUS_REVISION_MISMATCH);
	cr_assert_eq(pcibed_agree(&b, VPCI_V1_3), 0);
	cr_assert_eq(pcibed_agree(&b, VPCI_V1_2), 0, "it may think again");
	cr_assert_eq(pcibed_d0(&b, WIN_GPA), 0);
	cr_assert_eq(pcibed_agree(&b, VPCI_V1_4), VPCI_STATUS_INVALID_DEVICE_STATE);
}

Test(sriov_vpci, iov_11_the_guest_is_told_what_the_function_is)
{
	struct vpci_function_desc d;

	pcibed_agree(&b, VPCI_V1_4);
	cr_assert_eq(pcibed_relations(&b, &d), 1);
	cr_assert_eq(d.vendor, 0x8086);
	cr_assert_eq(d.device, 0x10CA);
	cr_assert_eq(d.revision, 1);
	cr_assert_eq(d.base_class, 2);
	cr_assert_eq(d.subclass, 0);
	cr_assert_eq(d.subsystem_vendor, 0x8086);
	cr_assert_eq(d.subsystem, 0xA03C);
	cr_assert_eq(d.slot, 0);
	cr_assert_eq(d.serial, VF_SERIAL);
	cr_assert_eq(d.flags, VPCI_DESC_HAS_NUMA);
	cr_assert_eq(d.numa_node, 1);
	pcibed_agree(&b, VPCI_V1_2);
	cr_assert_eq(pcibed_relations(&b, &d), 1);
	cr_assert_eq(d.serial, VF_SERIAL);
	cr_assert_eq(d.flags, 0, "20 bytes each before 1.3");
}

Test(sriov_vpci, iov_11_probed_bars_are_those_of_the_function)
{
	static const uint32_t want[VPCI_BARS] = {0xFFFF000C, 0xFFFFFFFF, 0xFFFF8000,
						 0xFFFFFF00, 0xFFF00004, 0xFFFFFFFF};
	struct vpci_slot_msg msg = {VPCI_QUERY_RESOURCE_REQS, 0};
	struct vpci_resource_reqs r;

	pcibed_agree(&b, VPCI_V1_4);
	cr_assert_eq(pcibed_ask(&b, &msg, sizeof(msg), &r, sizeof(r)), 0);
	cr_assert_arr_eq(r.probed_bar, want, sizeof(want));
}

/* ---- D0 ------------------------------------------------------------------------------------- */

Test(sriov_vpci, the_config_window_lies_in_no_ram)
{
	static const uint64_t wrong[] = {0, VF_RAM - 4096, WIN_GPA + 4, UINT64_MAX & ~4095ull,
					 UINT64_MAX - 8191};

	pcibed_agree(&b, VPCI_V1_4);
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_eq(pcibed_d0(&b, wrong[i]), VPCI_STATUS_INVALID_PARAMETER);
	b.vf.fail_window = true;
	cr_assert_eq(pcibed_d0(&b, WIN_GPA), VPCI_STATUS_NO_RESOURCES);
	b.vf.fail_window = false;
	cr_assert_eq(pcibed_rd(&b, 0, 4), ~0u, "nobody is there");
	cr_assert_eq(pcibed_d0(&b, WIN_GPA), 0);
	cr_assert_eq(pcibed_rd(&b, 0, 4), 0x10CA8086);
}

/* The kernel before died without a word; the new one opened the channel, which nobody closed. */
Test(sriov_vpci, a_crash_kernel_is_told_to_leave_d0_first)
{
	uint32_t type = VPCI_D0EXIT;

	pcibed_start(&b, VPCI_V1_4);
	cr_assert_eq(pcibed_d0(&b, WIN_GPA + 0x100000), VPCI_STATUS_INVALID_DEVICE_STATE);
	pcibed_send(&b, &(struct vpci_slot_msg){VPCI_RESOURCES_RELEASED, 0}, 8);
	cr_assert_eq(pcibed_ask(&b, &type, sizeof(type), NULL, 0), 0);
	pcibed_taken_back(&b);
	cr_assert_eq(b.vf.nr_resets, 1);
	cr_assert_eq(pcibed_d0(&b, WIN_GPA + 0x100000), 0);
	cr_assert_eq(fakevf_read(&b.vf, WIN_GPA + 0x101000, 4), 0x10CA8086);
	cr_assert_eq(fakevf_read(&b.vf, WIN_GPA + 0x101004, 2), 0);
}

Test(sriov_vpci, released_resources_take_the_memory_away)
{
	pcibed_start(&b, VPCI_V1_4);
	pcibed_send(&b, &(struct vpci_slot_msg){VPCI_RESOURCES_RELEASED, 0}, 8);
	cr_assert_eq(pcibed_ask_slot(&b, VPCI_POWER_STATE_CHANGE, 0), 0, "it went before");
	cr_assert_eq(fakevf_nr_maps(&b.vf), 0);
	cr_assert(!b.vf.has_irqs);
	cr_assert_eq(fakevf_reg(&b.vf, 4, 2), 0);
	cr_assert_eq(pcibed_rd(&b, 0x18, 4), 0);
	cr_assert_eq(pcibed_rd(&b, 0, 2), 0x8086, "but it is there");
	cr_assert_eq(b.vf.nr_resets, 0);
	cr_assert_eq(pcibed_assign(&b, 0), 0);
}

Test(sriov_vpci, leaving_d0_twice_is_no_harm)
{
	uint32_t type = VPCI_D0EXIT;

	pcibed_start(&b, VPCI_V1_2);
	cr_assert_eq(pcibed_ask(&b, &type, sizeof(type), NULL, 0), 0);
	cr_assert_eq(pcibed_ask(&b, &type, sizeof(type), NULL, 0), 0);
	cr_assert_eq(b.vf.nr_resets, 1, "once is enough");
	pcibed_await(&b, &b.vf.nr_d0, b.vf.nr_d0 + (b.vf.nr_d0 & 1));
}

static void *read_trapped(void *arg)
{
	fakevf_read(&b.vf, BAR3_GPA, 4);
	return NULL;
}

/* One that moved the BAR away meanwhile was a VP itself, and did not wait for the other. */
Test(sriov_vpci, the_function_is_reset_when_no_vp_is_in_it)
{
	uint32_t type = VPCI_D0EXIT;
	pthread_t vp;

	pcibed_start(&b, VPCI_V1_4);
	b.vf.hold_bar_read = true;
	cr_assert_eq(pthread_create(&vp, NULL, read_trapped, NULL), 0);
	sem_wait(&b.vf.reached);
	pcibed_wr(&b, 4, 2, 0);
	cr_assert_eq(pcibed_ask(&b, &type, sizeof(type), NULL, 0), 0);
	pthread_join(vp, NULL);
	cr_assert_eq(b.vf.nr_resets, 1);
}

/* ---- Close, re-open, guest reset ------------------------------------------------------------ */

Test(sriov_vpci, a_closed_channel_leaves_nothing_and_may_be_opened_again)
{
	for (unsigned int i = 1; i <= 3; i++) {
		pcibed_start(&b, VPCI_V1_4);
		bed_close(b.ch);
		pcibed_taken_back(&b);
		b.vf.next_data = 0;
		cr_assert_eq(b.vf.nr_resets, i);
		cr_assert_str_eq(pcibed_status(&b).state, "closed");
		pcibed_open(&b);
		cr_assert_str_eq(pcibed_status(&b).state, "opened");
	}
	cr_assert_eq(pcibed_agree(&b, VPCI_V1_1), 0);
	cr_assert_eq(pcibed_relations(&b, NULL), 1);
}

Test(sriov_vpci, a_channel_that_never_saw_d0_resets_nothing)
{
	pcibed_agree(&b, VPCI_V1_4);
	bed_close(b.ch);
	cr_assert_eq(b.vf.nr_resets, 0);
}

Test(sriov_vpci, a_function_that_cannot_be_reset_is_given_to_nobody)
{
	b.vf.fail_reset = true;
	pcibed_start(&b, VPCI_V1_4);
	bed_close(b.ch);
	pcibed_taken_back(&b);
	pcibed_await(&b, &b.vf.nr_failed, 1);
	cr_assert(strstr(b.vf.why, "does not come back"), "%s", b.vf.why);
	b.vf.fail_reset = false;
	pcibed_open(&b);
	pcibed_agree(&b, VPCI_V1_4);
	cr_assert_eq(pcibed_relations(&b, NULL), 0);
	cr_assert_eq(pcibed_d0(&b, WIN_GPA), VPCI_STATUS_NO_SUCH_DEVICE);
	cr_assert_str_eq(pcibed_status(&b).state, "failed");
	cr_assert_eq(vpci_destroy(b.v), -EIO);
	b.v = NULL;
}

Test(sriov_vpci, memory_that_cannot_be_taken_back_fails_closed)
{
	pcibed_start(&b, VPCI_V1_4);
	b.vf.fail_unmap = true;
	bed_close(b.ch);
	pcibed_await(&b, &b.vf.nr_failed, 1);
	cr_assert(strstr(b.vf.why, "cannot be taken"), "%s", b.vf.why);
	pcibed_open(&b);
	pcibed_agree(&b, VPCI_V1_4);
	cr_assert_eq(pcibed_d0(&b, WIN_GPA), VPCI_STATUS_NO_SUCH_DEVICE);
}

/* ---- Interrupts ----------------------------------------------------------------------------- */

Test(sriov_vpci, interrupts_are_given_and_taken_back)
{
	struct vpci_interrupt irq[3], wrong = {.data = 99, .address = 1};

	pcibed_start(&b, VPCI_V1_4);
	for (unsigned int i = 0; i < 3; i++)
		cr_assert_eq(pcibed_irq(&b, 0, 1, &irq[i]), 0);
	cr_assert_eq(pcibed_status(&b).nr_irqs, 5);
	pcibed_irq_delete(&b, &irq[1]);
	pcibed_irq_delete(&b, &irq[1]);
	pcibed_irq_delete(&b, &wrong);
	cr_assert_eq(pcibed_irq(&b, 0, 1, &irq[1]), 0);
	cr_assert_eq(pcibed_status(&b).nr_irqs, 5);
	cr_assert_eq(b.vf.nr_irqs, 5);
	cr_assert_eq(pcibed_status(&b).refused, 2);
}

Test(sriov_vpci, counts_beyond_bounds_are_refused)
{
	struct vpci_create_interrupt3 c = {VPCI_CREATE_INTERRUPT3, 0, 0xEF, 0, 0, 1, 33, {0}};
	unsigned int i;

	pcibed_start(&b, VPCI_V1_4);
	cr_assert_eq(pcibed_irq(&b, 0, 0, NULL), VPCI_STATUS_INVALID_PARAMETER);
	cr_assert_eq(pcibed_irq(&b, 0, VF_VECTORS + 1, NULL), VPCI_STATUS_INVALID_PARAMETER);
	cr_assert_eq(pcibed_irq(&b, 0, 0xFFFF, NULL), VPCI_STATUS_INVALID_PARAMETER);
	cr_assert_eq(pcibed_ask(&b, &c, sizeof(c), NULL, 0), VPCI_STATUS_INVALID_PARAMETER);
	cr_assert_eq(pcibed_irq(&b, 0, VF_VECTORS, NULL), 0);
	for (i = 3; pcibed_irq(&b, 0, 1, NULL) == 0; i++)
		cr_assert_lt(i, 1000, "as many as it wants");
	cr_assert_eq(i, 2 * VPCI_VECTORS_MAX);
	bed_close(b.ch);
	pcibed_taken_back(&b);
	pcibed_open(&b);
	b.vf.fail_irq = true;
	pcibed_agree(&b, VPCI_V1_4);
	pcibed_d0(&b, WIN_GPA);
	cr_assert_eq(pcibed_irq(&b, 0, 1, NULL), VPCI_STATUS_NO_RESOURCES);
}

static void *switch_msix_on(void *arg)
{
	pcibed_wr(&b, VF_CAP_MSIX + 2, 2, 0x8000);
	return NULL;
}

/* A VP waits for the completion with its interrupts off. Another may be long in config space. */
Test(sriov_vpci, interrupts_are_created_while_a_vp_is_in_config_space)
{
	struct vpci_interrupt irq;
	pthread_t vp;

	pcibed_agree(&b, VPCI_V1_4);
	pcibed_d0(&b, WIN_GPA);
	b.vf.hold_irqs_on = true;
	cr_assert_eq(pthread_create(&vp, NULL, switch_msix_on, NULL), 0);
	sem_wait(&b.vf.reached);
	cr_assert_eq(pcibed_irq(&b, 0, 1, &irq), 0);
	pcibed_irq_delete(&b, &irq);
	cr_assert_eq(pcibed_irq(&b, 0, 1, &irq), 0);
	sem_post(&b.vf.hold);
	pthread_join(vp, NULL);
	cr_assert(b.vf.has_irqs);
}

/* ---- Removal -------------------------------------------------------------------------------- */

static void recv_eject(void)
{
	struct vmbus_pkt_desc d;
	struct vpci_slot_msg msg;

	cr_assert_eq(bed_recv(b.ch, &d, &msg, sizeof(msg)), sizeof(msg));
	cr_assert_eq(d.type, VMBUS_PKT_INBAND);
	cr_assert_eq(d.flags, 0);
	cr_assert_eq(msg.type, VPCI_EJECT);
	cr_assert_eq(msg.slot, 0);
}

Test(sriov_vpci, iov_6_the_guest_lets_go_when_it_is_asked_to)
{
	struct vpci_ejection_complete done = {VPCI_EJECTION_COMPLETE, 0, 0};

	pcibed_start(&b, VPCI_V1_4);
	cr_assert_eq(pcibed_ask(&b, &done, sizeof(done), NULL, 0), VPCI_STATUS_INVALID_DEVICE_STATE,
		     "nobody asked");
	cr_assert_eq(vpci_eject(b.v), 0);
	recv_eject();
	cr_assert_eq(vpci_eject(b.v), -EALREADY);
	cr_assert_str_eq(pcibed_status(&b).state, "ejecting");
	cr_assert_eq(pcibed_rd(&b, 0, 2), 0x8086, "it works until the guest has let go");
	cr_assert_eq(b.vf.nr_ejected, 0);
	pcibed_send(&b, &done, sizeof(done));
	pcibed_await(&b, &b.vf.nr_ejected, 1);
	pcibed_taken_back(&b);
	cr_assert_eq(b.vf.nr_resets, 1);
	cr_assert_eq(pcibed_relations(&b, NULL), 0);
	cr_assert_eq(pcibed_d0(&b, WIN_GPA), VPCI_STATUS_NO_SUCH_DEVICE);
	cr_assert_str_eq(pcibed_status(&b).state, "ejected");
}

Test(sriov_vpci, iov_6_a_guest_that_knows_of_no_function_has_nothing_to_let_go)
{
	pcibed_agree(&b, VPCI_V1_4);
	cr_assert_eq(vpci_eject(b.v), 0);
	pcibed_await(&b, &b.vf.nr_ejected, 1);
	cr_assert(!bed_has_packet(b.ch));
	cr_assert_eq(pcibed_relations(&b, NULL), 0);
}

Test(sriov_vpci, iov_6_a_guest_that_closes_has_let_go)
{
	pcibed_start(&b, VPCI_V1_4);
	cr_assert_eq(vpci_eject(b.v), 0);
	bed_close(b.ch);
	pcibed_await(&b, &b.vf.nr_ejected, 1);
	pcibed_taken_back(&b);
	pcibed_open(&b);
	pcibed_agree(&b, VPCI_V1_4);
	cr_assert_eq(pcibed_relations(&b, NULL), 0);
}

Test(sriov_vpci, iov_6_surprise_takes_memory_and_interrupts_at_once)
{
	pcibed_start(&b, VPCI_V1_4);
	vpci_surprise(b.v);
	cr_assert_eq(fakevf_nr_maps(&b.vf), 0);
	cr_assert_eq(fakevf_nr_windows(&b.vf), 0);
	cr_assert(!b.vf.has_irqs);
	cr_assert_eq(fakevf_reg(&b.vf, 4, 2), 0, "no bus master");
	cr_assert_eq(pcibed_rd(&b, 0, 2), 0xFFFF, "the guest sees that it is gone");
	cr_assert_eq(pcibed_rd(&b, VF_CAP_MSIX, 4), ~0u);
	pcibed_wr(&b, 4, 2, 6);
	cr_assert_eq(fakevf_reg(&b.vf, 4, 2), 0);
	cr_assert_eq(pcibed_irq(&b, 0, 1, NULL), VPCI_STATUS_NO_SUCH_DEVICE);
	cr_assert_eq(pcibed_relations(&b, NULL), 0);
	cr_assert_str_eq(pcibed_status(&b).state, "gone");
	cr_assert_eq(vpci_eject(b.v), -ENODEV);
	cr_assert_eq(vpci_destroy(b.v), 0);
	b.v = NULL;
	pcibed_taken_back(&b);
	cr_assert_eq(b.vf.nr_resets, 1);
}

/* The guest's own index says that the ring is full. */
Test(sriov_vpci, an_eject_waits_for_room_in_the_ring)
{
	struct vpci_ejection_complete done = {VPCI_EJECTION_COMPLETE, 0, 0};
	uint32_t *index, old;

	pcibed_start(&b, VPCI_V1_4);
	index = &b.ch->in.ctrl->read_index;
	old = *index;
	__atomic_store_n(index, (old + 8) % b.ch->in.size, __ATOMIC_RELEASE);
	cr_assert_eq(vpci_eject(b.v), 0);
	for (int i = 0; i < 2; i++) /* the second is after the turn that could not send */
		cr_assert_str_eq(pcibed_status(&b).state, "ejecting");
	cr_assert(!bed_has_packet(b.ch));
	__atomic_store_n(index, old, __ATOMIC_RELEASE);
	recv_eject();
	pcibed_send(&b, &done, sizeof(done));
	pcibed_await(&b, &b.vf.nr_ejected, 1);
}
