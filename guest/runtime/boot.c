/* SPDX-License-Identifier: BSD-3-Clause */
/* From the entry to app_main(), and the life of the other VPs. */
#include "guest/runtime/priv.h"
#include "guest/runtime/rt.h"

static const struct nethv_boot *boot_record;
static uint32_t is_prepared; /* VP 0 has set up what all share */
static uint32_t nr_online;

const struct nethv_boot *rt_boot(void)
{
	return boot_record;
}

struct rt_vp *rt_vp_of(unsigned int index)
{
	return (struct rt_vp *)(uintptr_t)(boot_record->vp_area_base +
					   (uint64_t)index * NETHV_VP_AREA);
}

unsigned int rt_vp_id(void)
{
	return rt_this_vp()->index;
}

unsigned int rt_nr_vps(void)
{
	return boot_record->nr_vps;
}

uint64_t rt_random(void)
{
	struct rt_vp *vp = rt_this_vp();

	vp->random ^= vp->random >> 12;
	vp->random ^= vp->random << 25;
	vp->random ^= vp->random >> 27;
	return vp->random * 0x2545f4914f6cdd1dull;
}

/* Before anything can be reported: all that is left is the status. */
static void boot_check(const struct nethv_boot *b)
{
	if (b->magic != NETHV_BOOT_MAGIC || b->version != NETHV_BOOT_VERSION)
		rt_exit(255);
}

static void prepare(struct nethv_boot *boot)
{
	boot_check(boot);
	boot_record = boot;
	rt_memory_init(boot);
	rt_report_init(boot);
	rt_idt_init(boot);
	rt_hypercall_init();
	rt_time_init();
	__atomic_store_n(&is_prepared, 1, __ATOMIC_RELEASE);
}

static void vp_init(struct rt_vp *vp, unsigned int index)
{
	uint64_t seed;

	memcpy(&seed, boot_record->seed + 8 * (index % 4), sizeof(seed));
	vp->self = vp;
	vp->index = index;
	vp->random = (seed ^ (index + 1) * 0x9e3779b97f4a7c15ull) | 1;
	rt_idt_load();
	rt_synic_init(vp);
	__asm__ volatile("sti" ::: "memory");
	__atomic_fetch_add(&nr_online, 1, __ATOMIC_RELEASE);
}

/* A VP without work: waits for a function, runs it, waits again. */
static void __attribute__((noreturn)) serve(struct rt_vp *vp)
{
	void (*fn)(void *);

	for (;;) {
		rt_wake_clear();
		fn = __atomic_load_n(&vp->job, __ATOMIC_ACQUIRE);
		if (!fn) {
			rt_idle(RT_NEVER);
			continue;
		}
		fn(vp->job_arg);
		__atomic_store_n(&vp->job, NULL, __ATOMIC_RELEASE);
	}
}

void rt_start(struct nethv_boot *boot, unsigned int index)
{
	if (index == 0)
		prepare(boot);
	while (!__atomic_load_n(&is_prepared, __ATOMIC_ACQUIRE))
		rt_pause();
	vp_init(rt_vp_of(index), index);
	if (index != 0)
		serve(rt_this_vp());
	while (__atomic_load_n(&nr_online, __ATOMIC_ACQUIRE) != boot->nr_vps)
		rt_pause();
	rt_exit((uint32_t)app_main());
}

int rt_run_on(unsigned int vp, void (*fn)(void *), void *arg)
{
	struct rt_vp *to;

	if (vp >= rt_nr_vps() || vp == rt_vp_id() || rt_vp_busy(vp))
		return -1;
	to = rt_vp_of(vp);
	to->job_arg = arg;
	__atomic_store_n(&to->job, fn, __ATOMIC_RELEASE);
	rt_wake(vp);
	return 0;
}

bool rt_vp_busy(unsigned int vp)
{
	if (vp >= rt_nr_vps())
		return false;
	return vp == 0 || __atomic_load_n(&rt_vp_of(vp)->job, __ATOMIC_ACQUIRE) != NULL;
}

void rt_barrier_wait(struct rt_barrier *b, unsigned int n)
{
	uint32_t generation = __atomic_load_n(&b->generation, __ATOMIC_ACQUIRE);

	if (__atomic_add_fetch(&b->arrived, 1, __ATOMIC_ACQ_REL) == n) {
		__atomic_store_n(&b->arrived, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&b->generation, generation + 1, __ATOMIC_RELEASE);
		return;
	}
	while (__atomic_load_n(&b->generation, __ATOMIC_ACQUIRE) == generation)
		rt_pause();
}

void rt_exit(uint32_t status)
{
	for (;;)
		__asm__ volatile("outl %0, %1" ::"a"(status), "N"(NETHV_PORT_EXIT) : "memory");
}
