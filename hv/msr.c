/* SPDX-License-Identifier: BSD-3-Clause */
/* Synthetic MSRs: one table of ranges with a reader and a writer each. What is not in it, or has
 * no writer, is refused (#GP, or the end of the partition where an engine cannot do that). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hv/priv.h"

#define APIC_HZ		1000000000ull
#define SYNIC_VERSION	1
#define CRASH_TEXT_SHOW 200u

struct msr_range {
	uint32_t first, last;
	uint64_t (*read)(struct hv_vp *vp, unsigned int i);	    /* NULL: write-only */
	int (*write)(struct hv_vp *vp, unsigned int i, uint64_t v); /* NULL: read-only */
};

static uint64_t rd_guest_os_id(struct hv_vp *vp, unsigned int i)
{
	return vp->p->guest_os_id;
}

static int wr_guest_os_id(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	vp->p->guest_os_id = v;
	if (v == 0)
		vp->p->hypercall &= ~HV_MSR_ENABLE; /* TLFS 3.13 */
	return 0;
}

static uint64_t rd_hypercall(struct hv_vp *vp, unsigned int i)
{
	return vp->p->hypercall;
}

static int wr_hypercall(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	struct hv_partition *p = vp->p;
	uint8_t *page;

	if (p->hypercall & HV_HYPERCALL_LOCK)
		return 0;
	if (p->guest_os_id == 0)
		v &= ~HV_MSR_ENABLE;
	if (v & HV_MSR_ENABLE) {
		page = gmem_page(&p->gm, v >> GMEM_PAGE_SHIFT);
		if (!page)
			return -EINVAL;
		p->eng->hypercall_page(p->vm, page);
	}
	p->hypercall = v;
	return 0;
}

static uint64_t rd_vp_index(struct hv_vp *vp, unsigned int i)
{
	return vp->index;
}

static uint64_t rd_time(struct hv_vp *vp, unsigned int i)
{
	return hv_clock_now(&vp->p->clock);
}

static uint64_t rd_reference_tsc(struct hv_vp *vp, unsigned int i)
{
	return vp->p->reference_tsc;
}

/* TLFS 12.7.3: sequence 0 while the page changes. Pairs with the guest's loads around its read. */
static int wr_reference_tsc(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	struct hv_partition *p = vp->p;
	struct hv_reference_tsc tsc, *page;

	if (v & HV_MSR_ENABLE) {
		page = gmem_page(&p->gm, v >> GMEM_PAGE_SHIFT);
		if (!page)
			return -EINVAL;
		hv_clock_tsc_page(&p->clock, &tsc);
		__atomic_store_n(&page->sequence, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&page->scale, tsc.scale, __ATOMIC_RELAXED);
		__atomic_store_n(&page->offset, tsc.offset, __ATOMIC_RELAXED);
		__atomic_store_n(&page->sequence, tsc.sequence, __ATOMIC_RELEASE);
	}
	p->reference_tsc = v;
	return 0;
}

static uint64_t rd_frequency(struct hv_vp *vp, unsigned int i)
{
	return i == 0 ? vp->p->clock.tsc_hz : APIC_HZ;
}

static uint64_t rd_vp_assist(struct hv_vp *vp, unsigned int i)
{
	return vp->vp_assist;
}

static int wr_vp_assist(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	vp->vp_assist = v;
	return 0;
}

static uint64_t rd_scontrol(struct hv_vp *vp, unsigned int i)
{
	return vp->synic.scontrol;
}

static int wr_scontrol(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	return hv_synic_set_scontrol(vp, v);
}

static uint64_t rd_sversion(struct hv_vp *vp, unsigned int i)
{
	return SYNIC_VERSION;
}

static uint64_t rd_siefp(struct hv_vp *vp, unsigned int i)
{
	return vp->synic.siefp;
}

static int wr_siefp(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	return hv_synic_set_siefp(vp, v);
}

static uint64_t rd_simp(struct hv_vp *vp, unsigned int i)
{
	return vp->synic.simp;
}

static int wr_simp(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	return hv_synic_set_simp(vp, v);
}

static uint64_t rd_zero(struct hv_vp *vp, unsigned int i)
{
	return 0;
}

static int wr_eom(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	hv_synic_eom(vp);
	return 0;
}

static uint64_t rd_sint(struct hv_vp *vp, unsigned int i)
{
	return vp->synic.sint[i];
}

static int wr_sint(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	return hv_synic_set_sint(vp, i, v);
}

/* The timer thread clears the enable bit of a one-shot: read under the lock. */
static uint64_t rd_stimer(struct hv_vp *vp, unsigned int i)
{
	const struct hv_stimer *t = &vp->stimer[i / 2];
	uint64_t v;

	pthread_mutex_lock(&vp->lock);
	v = i % 2 ? t->count : t->config;
	pthread_mutex_unlock(&vp->lock);
	return v;
}

static int wr_stimer(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	return i % 2 ? hv_stimer_set_count(vp, i / 2, v) : hv_stimer_set_config(vp, i / 2, v);
}

static uint64_t rd_crash(struct hv_vp *vp, unsigned int i)
{
	return vp->p->crash[i];
}

static int wr_crash(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	vp->p->crash[i] = v;
	return 0;
}

static uint64_t rd_crash_ctl(struct hv_vp *vp, unsigned int i)
{
	return HV_CRASH_NOTIFY | HV_CRASH_MSG;
}

static uint64_t rd_tsc_invariant(struct hv_vp *vp, unsigned int i)
{
	return vp->p->tsc_invariant;
}

static int wr_tsc_invariant(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	if (v & ~1ull)
		return -EINVAL;
	vp->p->tsc_invariant = v;
	return 0;
}

/* Writes to HV_MSR_CRASH_CTL and HV_MSR_RESET end the partition: hv_wrmsr() takes them before it
 * looks here. */
static const struct msr_range table[] = {
	{HV_MSR_GUEST_OS_ID, HV_MSR_GUEST_OS_ID, rd_guest_os_id, wr_guest_os_id},
	{HV_MSR_HYPERCALL, HV_MSR_HYPERCALL, rd_hypercall, wr_hypercall},
	{HV_MSR_VP_INDEX, HV_MSR_VP_INDEX, rd_vp_index, NULL},
	{HV_MSR_RESET, HV_MSR_RESET, rd_zero, NULL},
	{HV_MSR_TIME_REF_COUNT, HV_MSR_TIME_REF_COUNT, rd_time, NULL},
	{HV_MSR_REFERENCE_TSC, HV_MSR_REFERENCE_TSC, rd_reference_tsc, wr_reference_tsc},
	{HV_MSR_TSC_FREQUENCY, HV_MSR_APIC_FREQUENCY, rd_frequency, NULL},
	{HV_MSR_VP_ASSIST, HV_MSR_VP_ASSIST, rd_vp_assist, wr_vp_assist},
	{HV_MSR_SCONTROL, HV_MSR_SCONTROL, rd_scontrol, wr_scontrol},
	{HV_MSR_SVERSION, HV_MSR_SVERSION, rd_sversion, NULL},
	{HV_MSR_SIEFP, HV_MSR_SIEFP, rd_siefp, wr_siefp},
	{HV_MSR_SIMP, HV_MSR_SIMP, rd_simp, wr_simp},
	{HV_MSR_EOM, HV_MSR_EOM, rd_zero, wr_eom},
	{HV_MSR_SINT0, HV_MSR_SINT15, rd_sint, wr_sint},
	{HV_MSR_STIMER0_CONFIG, HV_MSR_STIMER3_COUNT, rd_stimer, wr_stimer},
	{HV_MSR_CRASH_P0, HV_MSR_CRASH_P4, rd_crash, wr_crash},
	{HV_MSR_CRASH_CTL, HV_MSR_CRASH_CTL, rd_crash_ctl, NULL},
	{HV_MSR_TSC_INVARIANT, HV_MSR_TSC_INVARIANT, rd_tsc_invariant, wr_tsc_invariant},
};

static const struct msr_range *range_find(uint32_t msr)
{
	unsigned int i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (msr >= table[i].first && msr <= table[i].last)
			return &table[i];
	}
	return NULL;
}

/* Partition-wide registers are written under a lock of their own; those below VP_ASSIST are. */
static bool is_shared(uint32_t msr)
{
	return msr < HV_MSR_VP_ASSIST || msr >= HV_MSR_CRASH_P0;
}

enum hv_verdict hv_rdmsr(struct hv_vp *vp, uint32_t msr, uint64_t *value, struct hv_stop *stop)
{
	const struct msr_range *r = range_find(msr);

	if (!r || !r->read) {
		snprintf(stop->text, sizeof(stop->text), "RDMSR %#x: no such register here", msr);
		return HV_REFUSE;
	}
	if (is_shared(msr))
		pthread_mutex_lock(&vp->p->msr_lock);
	*value = r->read(vp, msr - r->first);
	if (is_shared(msr))
		pthread_mutex_unlock(&vp->p->msr_lock);
	return HV_GO_ON;
}

/* Where to begin in the text: Linux sends the end of its log, in which one line says why. */
static const char *crash_begin(const char *text, size_t len)
{
	const char *at = strstr(text, "Kernel panic");

	if (at)
		return at;
	return len > CRASH_TEXT_SHOW ? text + len - CRASH_TEXT_SHOW : text;
}

static void crash_text(struct hv_partition *p, uint64_t ctl, struct hv_stop *stop)
{
	char all[HV_CRASH_MSG_MAX + 1] = "", msg[CRASH_TEXT_SHOW + 1];
	size_t i, len = p->crash[4] < HV_CRASH_MSG_MAX ? p->crash[4] : HV_CRASH_MSG_MAX;

	if (!(ctl & HV_CRASH_MSG) || gmem_read(&p->gm, gpa(p->crash[3]), all, len))
		len = 0;
	all[len] = '\0';
	snprintf(msg, sizeof(msg), "%.*s", (int)CRASH_TEXT_SHOW, crash_begin(all, strlen(all)));
	for (i = 0; msg[i]; i++) {
		if (msg[i] < ' ' || msg[i] > '~')
			msg[i] = ' ';
	}
	snprintf(stop->text, sizeof(stop->text),
		 "the guest reported a crash: %#llx %#llx %#llx %#llx %#llx%s%s",
		 (unsigned long long)p->crash[0], (unsigned long long)p->crash[1],
		 (unsigned long long)p->crash[2], (unsigned long long)p->crash[3],
		 (unsigned long long)p->crash[4], msg[0] ? ": " : "", msg);
}

static enum hv_verdict crash_notify(struct hv_vp *vp, uint64_t ctl, struct hv_stop *stop)
{
	if (!(ctl & HV_CRASH_NOTIFY))
		return HV_GO_ON;
	stop->reason = HV_STOP_GUEST_CRASH;
	pthread_mutex_lock(&vp->p->msr_lock);
	crash_text(vp->p, ctl, stop);
	pthread_mutex_unlock(&vp->p->msr_lock);
	if (!vp->p->is_linux)
		return HV_STOP;
	if (vp->p->ops->crashed)
		vp->p->ops->crashed(vp->p->ctx, stop->text);
	return HV_GO_ON;
}

/* What an engine's own SynIC must know. An interrupt of the switch may have come between our look
 * and the engine's unmasking: look again. */
static void synic_forward(struct hv_vp *vp, uint32_t msr, uint64_t value)
{
	const struct hv_partition *p = vp->p;

	if (!p->eng->synic_msr || msr < HV_MSR_SCONTROL || msr > HV_MSR_SINT15)
		return;
	p->eng->synic_msr(p->vm, vp->index, msr, value);
	if (msr == HV_MSR_SCONTROL)
		hv_synic_recheck(vp, UINT16_MAX);
	else if (msr >= HV_MSR_SINT0)
		hv_synic_recheck(vp, 1u << (msr - HV_MSR_SINT0));
}

static enum hv_verdict reset(uint64_t v, struct hv_stop *stop)
{
	if (!(v & 1))
		return HV_GO_ON;
	stop->reason = HV_STOP_GUEST_RESET;
	snprintf(stop->text, sizeof(stop->text), "reset by the hypervisor's reset MSR");
	return HV_STOP;
}

enum hv_verdict hv_wrmsr(struct hv_vp *vp, uint32_t msr, uint64_t value, struct hv_stop *stop)
{
	const struct msr_range *r = range_find(msr);
	int rc;

	if (msr == HV_MSR_CRASH_CTL)
		return crash_notify(vp, value, stop);
	if (msr == HV_MSR_RESET)
		return reset(value, stop);
	if (!r || !r->write) {
		snprintf(stop->text, sizeof(stop->text), "WRMSR %#x: %s", msr,
			 r ? "read-only" : "no such register here");
		return HV_REFUSE;
	}
	if (is_shared(msr))
		pthread_mutex_lock(&vp->p->msr_lock);
	rc = r->write(vp, msr - r->first, value);
	if (is_shared(msr))
		pthread_mutex_unlock(&vp->p->msr_lock);
	if (rc) {
		snprintf(stop->text, sizeof(stop->text), "WRMSR %#x: value %#llx is not valid", msr,
			 (unsigned long long)value);
		return HV_REFUSE;
	}
	synic_forward(vp, msr, value);
	return HV_GO_ON;
}
