/* SPDX-License-Identifier: BSD-3-Clause */
/* Hypervisor Top-Level Functional Specification (TLFS): the numbers and layouts that the root and
 * a guest share. CPUID leaves, synthetic MSRs, hypercalls, SynIC pages, reference TSC page. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CPUID, TLFS 2.4 "Hypervisor CPUID leaves". */
#define HV_CPUID_VENDOR	   0x40000000u
#define HV_CPUID_INTERFACE 0x40000001u
#define HV_CPUID_VERSION   0x40000002u
#define HV_CPUID_FEATURES  0x40000003u
#define HV_CPUID_HINTS	   0x40000004u
#define HV_CPUID_LIMITS	   0x40000005u
#define HV_CPUID_MAX	   HV_CPUID_LIMITS

#define HV_VENDOR_EBX	 0x7263694du /* "Microsoft Hv" */
#define HV_VENDOR_ECX	 0x666f736fu
#define HV_VENDOR_EDX	 0x76482074u
#define HV_INTERFACE_EAX 0x31237648u /* "Hv#1" */

/* HV_CPUID_FEATURES, EAX */
#define HV_FEAT_TIME_REF      (1u << 1)
#define HV_FEAT_SYNIC	      (1u << 2)
#define HV_FEAT_STIMER	      (1u << 3)
#define HV_FEAT_HYPERCALL     (1u << 5)
#define HV_FEAT_VP_INDEX      (1u << 6)
#define HV_FEAT_REFERENCE_TSC (1u << 9)
#define HV_FEAT_FREQ_MSRS     (1u << 11)
#define HV_FEAT_TSC_INVARIANT (1u << 15)
/* EBX */
#define HV_FEAT_POST_MESSAGES (1u << 4)
#define HV_FEAT_SIGNAL_EVENTS (1u << 5)
/* EDX */
#define HV_FEAT_FREQ_AVAILABLE (1u << 8)
#define HV_FEAT_CRASH_MSRS     (1u << 10)
#define HV_FEAT_STIMER_DIRECT  (1u << 19)

/* HV_CPUID_HINTS, EAX */
#define HV_HINT_RELAXED_TIMING (1u << 5)
#define HV_HINT_NO_AUTO_EOI    (1u << 9)

/* Synthetic MSRs, TLFS appendix "Synthetic MSRs". */
#define HV_MSR_GUEST_OS_ID    0x40000000u
#define HV_MSR_HYPERCALL      0x40000001u
#define HV_MSR_VP_INDEX	      0x40000002u
#define HV_MSR_RESET	      0x40000003u
#define HV_MSR_VP_RUNTIME     0x40000010u
#define HV_MSR_TIME_REF_COUNT 0x40000020u
#define HV_MSR_REFERENCE_TSC  0x40000021u
#define HV_MSR_TSC_FREQUENCY  0x40000022u
#define HV_MSR_APIC_FREQUENCY 0x40000023u
#define HV_MSR_VP_ASSIST      0x40000073u
#define HV_MSR_SCONTROL	      0x40000080u
#define HV_MSR_SVERSION	      0x40000081u
#define HV_MSR_SIEFP	      0x40000082u
#define HV_MSR_SIMP	      0x40000083u
#define HV_MSR_EOM	      0x40000084u
#define HV_MSR_SINT0	      0x40000090u
#define HV_MSR_SINT15	      0x4000009fu
#define HV_MSR_STIMER0_CONFIG 0x400000b0u
#define HV_MSR_STIMER0_COUNT  0x400000b1u
#define HV_MSR_STIMER3_COUNT  0x400000b7u
#define HV_MSR_CRASH_P0	      0x40000100u
#define HV_MSR_CRASH_P4	      0x40000104u
#define HV_MSR_CRASH_CTL      0x40000105u
#define HV_MSR_TSC_INVARIANT  0x40000118u

#define HV_MSR_ENABLE	  1ull /* bit 0 of HYPERCALL, SIMP, SIEFP, REFERENCE_TSC, SCONTROL.. */
#define HV_MSR_PFN_MASK	  (~0xfffull)
#define HV_HYPERCALL_LOCK 2ull /* HYPERCALL: immutable from now on */
#define HV_CRASH_NOTIFY	  (1ull << 63)
#define HV_CRASH_MSG	  (1ull << 62) /* P3 = GPA, P4 = length of a text */
#define HV_CRASH_MSG_MAX  4096u

/* SINTx, TLFS 11.8.4. */
#define HV_NR_SINTS	16u
#define HV_SINT_VECTOR	0xffull
#define HV_SINT_MASKED	(1ull << 16)
#define HV_SINT_AUTOEOI (1ull << 17)
#define HV_SINT_POLLING (1ull << 18)
#define HV_SINT_VMBUS	2u

/* STIMERx_CONFIG, TLFS 12.3.1. */
#define HV_NR_STIMERS	       4u
#define HV_STIMER_ENABLE       (1ull << 0)
#define HV_STIMER_PERIODIC     (1ull << 1)
#define HV_STIMER_LAZY	       (1ull << 2)
#define HV_STIMER_AUTO_ENABLE  (1ull << 3)
#define HV_STIMER_VECTOR(cfg)  ((unsigned int)((cfg) >> 4) & 0xff)
#define HV_STIMER_VECTOR_OF(v) ((uint64_t)(v) << 4)
#define HV_STIMER_DIRECT       (1ull << 12)
#define HV_STIMER_SINT(cfg)    ((unsigned int)((cfg) >> 16) & 0xf)
#define HV_STIMER_SINT_OF(s)   ((uint64_t)(s) << 16)
#define HV_STIMER_CONFIG_MASK  0xf1fffull /* everything else must be zero */

/* Hypercalls, TLFS 3 and appendix A. */
#define HV_CALL_SEND_IPI     0x000bu
#define HV_CALL_POST_MESSAGE 0x005cu
#define HV_CALL_SIGNAL_EVENT 0x005du
#define HV_CALL_RETARGET     0x007eu /* HvRetargetDeviceInterrupt */

#define HV_CALL_CODE_MASK  0xffffull
#define HV_CALL_FAST	   (1ull << 16)
#define HV_CALL_VARHEAD(c) (((c) >> 17) & 0x3ff)
#define HV_CALL_REPS(c)	   (((c) >> 32) & 0xfff)
#define HV_CALL_START(c)   (((c) >> 48) & 0xfff)
#define HV_CALL_RESERVED   0xf000f00078000000ull /* bits 30:27, 47:44, 63:60 */
#define HV_CALL_NESTED	   (1ull << 31)

enum hv_status {
	HV_STATUS_SUCCESS = 0,
	HV_STATUS_INVALID_HYPERCALL_CODE = 2,
	HV_STATUS_INVALID_HYPERCALL_INPUT = 3,
	HV_STATUS_INVALID_ALIGNMENT = 4,
	HV_STATUS_INVALID_PARAMETER = 5,
	HV_STATUS_ACCESS_DENIED = 6,
	HV_STATUS_INSUFFICIENT_MEMORY = 11,
	HV_STATUS_INVALID_PARTITION_ID = 13,
	HV_STATUS_INVALID_VP_INDEX = 14,
	HV_STATUS_INVALID_CONNECTION_ID = 18,
	HV_STATUS_INSUFFICIENT_BUFFERS = 19,
};

#define HV_MESSAGE_PAYLOAD_MAX 240u
#define HV_CONNECTION_MASK     0xffffffu
#define HV_CONNECTION_DOORBELL 0x2000u /* | relid: our HvSignalEvent connection of that channel */

/* HvPostMessage input, TLFS 11.11.1. */
struct hv_post_message_input {
	uint32_t connection_id;
	uint32_t reserved;
	uint32_t message_type;
	uint32_t payload_size;
	uint8_t payload[HV_MESSAGE_PAYLOAD_MAX];
};
_Static_assert(sizeof(struct hv_post_message_input) == 256, "TLFS HvPostMessage");

#define HV_PARTITION_SELF (~0ull)

/* HvRetargetDeviceInterrupt input; a variable header of 8-byte units follows. Without
 * HV_RETARGET_VP_SET `vps` is a mask of the first 64 VPs and there is no such header. With it, `vps` is
 * an enum hv_vp_set_format, and the header is a mask of banks and a mask of 64 VPs for each of them. */
struct hv_retarget_input {
	uint64_t partition_id;
	uint64_t device_id;
	uint32_t source; /* HV_INTERRUPT_SOURCE_MSI */
	uint32_t reserved1;
	uint32_t address; /* of the MSI, low half */
	uint32_t data;
	uint64_t reserved2;
	uint32_t vector;
	uint32_t flags; /* HV_RETARGET_* */
	uint64_t vps;
};
_Static_assert(sizeof(struct hv_retarget_input) == 56, "TLFS HvRetargetDeviceInterrupt");
_Static_assert(offsetof(struct hv_retarget_input, vector) == 40, "TLFS HvRetargetDeviceInterrupt");

#define HV_INTERRUPT_SOURCE_MSI 1u
#define HV_RETARGET_MULTICAST	(1u << 0)
#define HV_RETARGET_VP_SET	(1u << 1)
#define HV_VP_SET_BANKS_MAX	64u

enum hv_vp_set_format { HV_VP_SET_SPARSE_4K = 0, HV_VP_SET_ALL = 1 };

/* A slot of the message page (SIMP), TLFS 11.7. Slot n lies at n * 256. */
#define HV_MESSAGE_NONE		 0u
#define HV_MESSAGE_VMBUS	 1u
#define HV_MESSAGE_TIMER_EXPIRED 0x80000010u
#define HV_MESSAGE_FLAG_PENDING	 1u

struct hv_message {
	uint32_t type; /* 0: the slot is free */
	uint8_t payload_size;
	uint8_t flags;
	uint16_t reserved;
	uint64_t sender;
	uint8_t payload[HV_MESSAGE_PAYLOAD_MAX];
};
_Static_assert(sizeof(struct hv_message) == 256, "TLFS HV_MESSAGE");
_Static_assert(offsetof(struct hv_message, payload) == 16, "TLFS HV_MESSAGE");

struct hv_timer_message {
	uint32_t timer_index;
	uint32_t reserved;
	uint64_t expiration_time;
	uint64_t delivery_time;
};
_Static_assert(sizeof(struct hv_timer_message) == 24, "TLFS timer message");

/* Event flags page (SIEFP), TLFS 11.9: flag f of SINT n is bit f % 8 of byte n * 256 + f / 8. */
#define HV_EVENT_FLAGS	    2048u
#define HV_EVENT_AREA_BYTES 256u

/* Reference TSC page, TLFS 12.7.1: time = ((tsc * scale) >> 64) + offset, in 100 ns. */
struct hv_reference_tsc {
	uint32_t sequence; /* 0: not valid, read HV_MSR_TIME_REF_COUNT */
	uint32_t reserved;
	uint64_t scale;
	int64_t offset;
};
_Static_assert(sizeof(struct hv_reference_tsc) == 24, "TLFS reference TSC page");
