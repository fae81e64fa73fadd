/* SPDX-License-Identifier: BSD-3-Clause */
/* What the loader in the root and our guest image agree on: how a VP starts, the boot record, the
 * report and control pages, the I/O ports. The same for every engine. It is not a TLFS format.
 *
 * Start: every VP begins at the ELF entry in 64-bit mode (CPL 0 or 3) with interrupts off,
 *   RDI = GPA of struct nethv_boot,  RSI = VP index,
 *   RSP = top of the VP's private area (NETHV_VP_AREA bytes),  GS base = bottom of that area.
 * Memory is identity mapped (GVA = GPA), RAM begins at NETHV_RAM_BASE, the image lies at or above
 * NETHV_IMAGE_BASE. All RAM that the loader did not fill is zero. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NETHV_RAM_BASE	 0x100000ull /* boot record, report and control pages: 1 MiB of its own */
#define NETHV_IMAGE_BASE 0x200000ull
#define NETHV_VP_AREA	 0x10000u

#define NETHV_BOOT_MAGIC   0x746f6f427668746eull /* "nthvBoot" */
#define NETHV_BOOT_VERSION 1u
#define NETHV_CMDLINE_MAX  1024u /* without the closing NUL */
#define NETHV_MEM_MAX	   8u
#define NETHV_CPUID_MAX	   64u

/* I/O ports. None is one that a legacy driver probes. */
#define NETHV_PORT_HYPERCALL \
	0xe4			/* OUT imm8: RCX, RDX, R8 in; RAX out. In the hypercall page only */
#define NETHV_PORT_SIGNAL 0xe5	/* OUT imm8, EAX: doorbell of that connection (engine kvm) */
#define NETHV_PORT_EXIT	  0xe6	/* OUT imm8, EAX: the partition ends with this status */
#define NETHV_PORT_SERIAL 0x3f8 /* OUT DX, AL: console byte; lines end with \n */

#define NETHV_VECTOR_WAKE 0xf0 /* sent by the host, and by a VP to another, to end a sleep */

enum nethv_boot_flags {
	NETHV_BOOT_RING3 = 1u << 0, /* CPL 3: privileged instructions trap and are slow */
	NETHV_BOOT_APIC_EOI =
		1u << 1, /* write the x2APIC EOI register at the end of an interrupt */
};

enum nethv_mem_type {
	NETHV_MEM_RESERVED = 0, /* boot pages, image, VP areas */
	NETHV_MEM_USABLE = 1,	/* the guest's to allocate from; zeroed */
};

struct nethv_mem {
	uint64_t base;
	uint64_t len;
	uint32_t type;
	uint32_t reserved;
};

struct nethv_cpuid {
	uint32_t leaf;
	uint32_t subleaf;
	uint32_t eax, ebx, ecx, edx;
};

struct nethv_boot {
	uint64_t magic;
	uint32_t version;
	uint32_t size; /* of this struct as the host knows it */
	uint32_t nr_vps;
	uint32_t flags; /* enum nethv_boot_flags */
	uint64_t tsc_hz;
	uint64_t vp_area_base; /* VP n's area begins at base + n * NETHV_VP_AREA */
	uint64_t report_gpa;
	uint64_t control_gpa;
	uint32_t nr_doorbells; /* relids 1..nr have a doorbell without an exit */
	uint32_t nr_mem;
	uint32_t nr_cpuid;
	uint32_t reserved;
	uint8_t seed[32];
	struct nethv_mem mem[NETHV_MEM_MAX];
	struct nethv_cpuid cpuid[NETHV_CPUID_MAX];
	char cmdline[NETHV_CMDLINE_MAX + 8];
};

_Static_assert(offsetof(struct nethv_boot, mem) == 104, "boot record layout");
_Static_assert(sizeof(struct nethv_boot) == 104 + 8 * 24 + 64 * 24 + 1032, "boot record layout");
_Static_assert(sizeof(struct nethv_boot) <= 4096, "the boot record is one page");

/* Report page: written by the guest, read by the host at any time without an exit. The host copies
 * it once and trusts nothing in it. */
#define NETHV_REPORT_MAGIC   0x7470655276687461ull /* "athvRept" */
#define NETHV_REPORT_ENTRIES 112u
#define NETHV_REPORT_NAME    24u
#define NETHV_REPORT_MESSAGE 256u

enum nethv_report_state {
	NETHV_STATE_BOOTING = 0,
	NETHV_STATE_RUNNING = 1, /* the app said that it is up */
	NETHV_STATE_DONE = 2,	 /* finished well; message may hold the result */
	NETHV_STATE_FAILED = 3,	 /* message says why */
};

struct nethv_report_entry {
	char name[NETHV_REPORT_NAME]; /* [a-z0-9_.-], NUL-terminated */
	uint64_t value;
};

struct nethv_report {
	uint64_t magic;
	uint32_t nr;
	uint32_t state; /* enum nethv_report_state */
	char message[NETHV_REPORT_MESSAGE];
	struct nethv_report_entry entry[NETHV_REPORT_ENTRIES];
};

_Static_assert(offsetof(struct nethv_report, entry) == 272, "report page layout");
_Static_assert(sizeof(struct nethv_report) <= 4096, "the report is one page");

/* Control page: written by the host only, polled by the guest. An order is a line of words for the application, as
 * those of the command line; what it means is the application's. @order_seq is odd while the host writes; the guest
 * copies the line, and has it if the number did not change meanwhile. */
#define NETHV_ORDER_MAX 255u /* without the closing NUL */

struct nethv_control {
	uint32_t stop;	    /* 1: end soon, by NETHV_PORT_EXIT */
	uint32_t order_seq; /* 0: there was no order yet */
	char order[NETHV_ORDER_MAX + 1];
};

_Static_assert(sizeof(struct nethv_control) <= 4096, "control is one page");
