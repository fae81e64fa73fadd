/* SPDX-License-Identifier: BSD-3-Clause */
/* MSRs, hypercalls, time, SynIC. */
#include "guest/runtime/priv.h"
#include "guest/runtime/rt.h"

#define GUEST_OS_ID 0x8e00000000010000ull /* open source, not registered */

static uint8_t hypercall_page[RT_PAGE] __attribute__((aligned(4096)));
static struct hv_reference_tsc tsc_page[RT_PAGE / sizeof(struct hv_reference_tsc)]
	__attribute__((aligned(4096)));

uint64_t rt_rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return (uint64_t)hi << 32 | lo;
}

void rt_wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

bool rt_rdmsr_safe(uint32_t msr, uint64_t *value)
{
	uint32_t lo = 0, hi = 0, is_ok = 0;

	__asm__ volatile("1:\trdmsr\n\tmovl $1, %2\n2:\n\t" RT_ON_FAULT("1b", "2b")
			 : "+a"(lo), "+d"(hi), "+r"(is_ok)
			 : "c"(msr)
			 : "memory");
	*value = (uint64_t)hi << 32 | lo;
	return is_ok;
}

bool rt_wrmsr_safe(uint32_t msr, uint64_t value)
{
	uint32_t is_ok = 0;

	__asm__ volatile("1:\twrmsr\n\tmovl $1, %0\n2:\n\t" RT_ON_FAULT("1b", "2b")
			 : "+r"(is_ok)
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
	return is_ok;
}

struct nethv_cpuid hv_cpuid(uint32_t leaf, uint32_t subleaf)
{
	const struct nethv_boot *b = rt_boot();
	struct nethv_cpuid r = {.leaf = leaf, .subleaf = subleaf};
	uint32_t i;

	for (i = 0; i < b->nr_cpuid && i < NETHV_CPUID_MAX; i++) {
		if (b->cpuid[i].leaf == leaf && b->cpuid[i].subleaf == subleaf)
			return b->cpuid[i];
	}
	return r;
}

void rt_hypercall_init(void)
{
	rt_wrmsr(HV_MSR_GUEST_OS_ID, GUEST_OS_ID);
	rt_wrmsr(HV_MSR_HYPERCALL, rt_gpa(hypercall_page) | HV_MSR_ENABLE);
}

uint64_t rt_hypercall(uint64_t control, uint64_t in, uint64_t out)
{
	register uint64_t r8 __asm__("r8") = out;
	uint64_t rax;

	__asm__ volatile("call *%[page]"
			 : "=a"(rax), "+c"(control), "+d"(in), "+r"(r8)
			 : [page] "r"(hypercall_page)
			 : "r9", "r10", "r11", "memory", "cc");
	return rax;
}

unsigned int rt_signal_event(uint32_t connection)
{
	return rt_hypercall(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, connection, 0) & 0xffff;
}

unsigned int rt_post_message(uint32_t connection, uint32_t type, const void *payload, size_t len)
{
	struct hv_post_message_input *m = &rt_this_vp()->post;

	if (len > HV_MESSAGE_PAYLOAD_MAX)
		return HV_STATUS_INVALID_PARAMETER;
	memset(m, 0, sizeof(*m));
	m->connection_id = connection;
	m->message_type = type;
	m->payload_size = (uint32_t)len;
	memcpy(m->payload, payload, len);
	return rt_hypercall(HV_CALL_POST_MESSAGE, rt_gpa(m), 0) & 0xffff;
}

void rt_wake(unsigned int vp)
{
	rt_hypercall(HV_CALL_SEND_IPI | HV_CALL_FAST, NETHV_VECTOR_WAKE, 1ull << vp);
}

/* --- time ------------------------------------------------------------------------------------ */

void rt_time_init(void)
{
	rt_wrmsr(HV_MSR_REFERENCE_TSC, rt_gpa(tsc_page) | HV_MSR_ENABLE);
}

uint64_t rt_tsc_hz(void)
{
	return rt_boot()->tsc_hz;
}

/* TLFS 12.7.4. The host writes the page once: no loop on the sequence is needed, but its 0. */
uint64_t rt_ref_time(void)
{
	const struct hv_reference_tsc *p = tsc_page;

	if (__atomic_load_n(&p->sequence, __ATOMIC_ACQUIRE) == 0)
		return rt_rdmsr(HV_MSR_TIME_REF_COUNT);
	return (uint64_t)((unsigned __int128)rt_tsc() * p->scale >> 64) + (uint64_t)p->offset;
}

/* --- SynIC ----------------------------------------------------------------------------------- */

void rt_synic_init(struct rt_vp *vp)
{
	rt_wrmsr(HV_MSR_SIMP, rt_gpa(vp->messages) | HV_MSR_ENABLE);
	rt_wrmsr(HV_MSR_SIEFP, rt_gpa(vp->flags) | HV_MSR_ENABLE);
	rt_wrmsr(HV_MSR_SINT0 + HV_SINT_VMBUS, RT_VECTOR_SINT);
	rt_wrmsr(HV_MSR_SCONTROL, HV_MSR_ENABLE);
	rt_wrmsr(HV_MSR_STIMER0_CONFIG,
		 HV_STIMER_AUTO_ENABLE | HV_STIMER_DIRECT | HV_STIMER_VECTOR_OF(RT_VECTOR_TIMER));
}

bool rt_message_take(struct hv_message *out)
{
	struct hv_message *slot = &rt_this_vp()->messages[HV_SINT_VMBUS];

	/* Pairs with the host's release store: the message is whole. */
	if (__atomic_load_n(&slot->type, __ATOMIC_ACQUIRE) == HV_MESSAGE_NONE)
		return false;
	memcpy(out, slot, sizeof(*out));
	/* Free first, then look at the flag: the host sets the flag, then looks at the slot. */
	__atomic_exchange_n(&slot->type, HV_MESSAGE_NONE, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&slot->flags, __ATOMIC_SEQ_CST) & HV_MESSAGE_FLAG_PENDING)
		rt_wrmsr(HV_MSR_EOM, 0);
	return true;
}

static unsigned int word_count(unsigned int max)
{
	return ((max < HV_EVENT_FLAGS ? max : HV_EVENT_FLAGS) + 63) / 64;
}

bool rt_event_flags_pending(unsigned int max)
{
	const uint64_t *word = rt_this_vp()->flags[HV_SINT_VMBUS];
	unsigned int i;

	for (i = 0; i < word_count(max); i++) {
		if (__atomic_load_n(&word[i], __ATOMIC_ACQUIRE))
			return true;
	}
	return false;
}

unsigned int rt_event_flags_take(unsigned int max, void (*fn)(void *arg, unsigned int flag),
				 void *arg)
{
	uint64_t bits, *word = rt_this_vp()->flags[HV_SINT_VMBUS];
	unsigned int i, n = 0;

	for (i = 0; i < word_count(max); i++) {
		if (!__atomic_load_n(&word[i], __ATOMIC_RELAXED))
			continue;
		/* Taken before the channel is looked at: a later signal sets the flag anew. */
		bits = __atomic_exchange_n(&word[i], 0, __ATOMIC_SEQ_CST);
		for (; bits; bits &= bits - 1, n++)
			fn(arg, i * 64 + (unsigned int)__builtin_ctzll(bits));
	}
	return n;
}
