/* SPDX-License-Identifier: BSD-3-Clause */
/* Synthetic timers: without their thread, time is given. */
#include <criterion/criterion.h>

#include <string.h>
#include <unistd.h>

#include "tests/support/hvbed.h"

TestSuite(hv_stimer, .init = bed_up, .fini = bed_down);

#define T0_CONFIG HV_MSR_STIMER0_CONFIG
#define T0_COUNT  HV_MSR_STIMER0_COUNT
#define FAR	  (1ull << 60)

static uint64_t fire(uint64_t now)
{
	uint64_t next;

	pthread_mutex_lock(&bed->vp[0].lock);
	next = hv_stimers_fire(&bed->vp[0], now);
	pthread_mutex_unlock(&bed->vp[0].lock);
	return next;
}

#define DIRECT (HV_STIMER_DIRECT | HV_STIMER_VECTOR_OF(0xed))

Test(hv_stimer, count_in_the_past_fires_at_once_and_once)
{
	bed_wrmsr(T0_CONFIG, DIRECT | HV_STIMER_AUTO_ENABLE);
	bed_wrmsr(T0_COUNT, 1);
	cr_assert_eq(bed_script.nr_irqs[0], 1);
	cr_assert_eq(bed_script.last_vector[0], 0xed);
	cr_assert_eq(bed_rdmsr(T0_CONFIG) & HV_STIMER_ENABLE, 0);
	cr_assert_eq(bed_rdmsr(T0_COUNT), 1);
	cr_assert_eq(fire(FAR), UINT64_MAX);
	cr_assert_eq(bed_script.nr_irqs[0], 1);
}

Test(hv_stimer, one_shot_waits_for_its_time)
{
	bed_wrmsr(T0_CONFIG, DIRECT | HV_STIMER_AUTO_ENABLE);
	bed_wrmsr(T0_COUNT, FAR);
	cr_assert_eq(fire(FAR - 1), FAR);
	cr_assert_eq(bed_script.nr_irqs[0], 0);
	cr_assert_eq(fire(FAR), UINT64_MAX);
	cr_assert_eq(bed_script.nr_irqs[0], 1);
	bed_wrmsr(T0_COUNT, FAR);
	bed_wrmsr(T0_COUNT, 0);
	cr_assert_eq(fire(FAR), UINT64_MAX, "count 0 stops it");
	cr_assert_eq(bed_script.nr_irqs[0], 1);
}

Test(hv_stimer, without_enable_or_auto_enable_nothing_fires)
{
	bed_wrmsr(T0_CONFIG, DIRECT);
	bed_wrmsr(T0_COUNT, 1);
	cr_assert_eq(fire(FAR), UINT64_MAX);
	cr_assert_eq(bed_script.nr_irqs[0], 0);
	bed_wrmsr(T0_CONFIG, DIRECT | HV_STIMER_ENABLE);
	cr_assert_eq(bed_script.nr_irqs[0], 1);
}

Test(hv_stimer, periodic_timer_goes_on_and_drops_what_it_missed)
{
	uint64_t next, period = 1ull << 40;

	bed_wrmsr(T0_CONFIG, DIRECT | HV_STIMER_ENABLE | HV_STIMER_PERIODIC);
	bed_wrmsr(T0_COUNT, period);
	next = fire(1);
	cr_assert_eq(fire(next), next + period);
	cr_assert_eq(bed_script.nr_irqs[0], 1);
	cr_assert_eq(fire(next + 10 * period), next + 11 * period);
	cr_assert_eq(bed_script.nr_irqs[0], 2);
}

Test(hv_stimer, tiny_periods_are_slowed_down)
{
	uint64_t now;

	bed_wrmsr(T0_CONFIG, DIRECT | HV_STIMER_ENABLE | HV_STIMER_PERIODIC);
	bed_wrmsr(T0_COUNT, 1);
	now = FAR;
	cr_assert_eq(fire(now), now + 1000);
}

Test(hv_stimer, timer_message_goes_into_the_slot_of_its_sint)
{
	struct hv_timer_message tm;

	bed_synic_on();
	bed_post(7);
	bed_wrmsr(T0_CONFIG + 2, HV_STIMER_AUTO_ENABLE | HV_STIMER_SINT_OF(2));
	bed_wrmsr(T0_COUNT + 2, 5);
	cr_assert_eq(bed_slot(2)->type, 1);
	cr_assert_eq(bed_slot(2)->flags, HV_MESSAGE_FLAG_PENDING, "the slot was busy");
	bed_slot(2)->type = 0;
	bed_wrmsr(HV_MSR_EOM, 0);
	cr_assert_eq(bed_slot(2)->type, HV_MESSAGE_TIMER_EXPIRED);
	cr_assert_eq(bed_slot(2)->payload_size, 24);
	memcpy(&tm, bed_slot(2)->payload, sizeof(tm));
	cr_assert_eq(tm.timer_index, 1);
	cr_assert_eq(tm.expiration_time, 5);
	cr_assert_geq(tm.delivery_time, 5);
}

Test(hv_stimer, message_timer_on_sint_zero_is_not_enabled)
{
	bed_wrmsr(T0_CONFIG, HV_STIMER_ENABLE);
	cr_assert_eq(bed_rdmsr(T0_CONFIG), 0);
}

Test(hv_stimer, timer_thread_fires_without_anybody_asking)
{
	int i;

	cr_assert_eq(hv_timers_start(bed), 0);
	bed_wrmsr(T0_CONFIG, DIRECT | HV_STIMER_AUTO_ENABLE);
	bed_wrmsr(T0_COUNT, hv_ref_time(bed) + 50000);
	for (i = 0; i < 10000 && !__atomic_load_n(&bed_script.nr_irqs[0], __ATOMIC_RELAXED); i++)
		usleep(1000);
	cr_assert_eq(bed_script.nr_irqs[0], 1);
}
