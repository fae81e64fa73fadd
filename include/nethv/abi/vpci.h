/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual PCI on the wire, as pci-hyperv of Linux 6.1 and 6.12 speaks it: versions 1.1 to 1.4. All
 * fields little-endian; each message begins with its type, in an in-band packet. A request that asks
 * for a completion gets one that begins with a status. (protocol.md 7) */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* 44c4f61d-4444-4400-9d52-802e27ede19f: virtual PCI bus */
#define VPCI_CLASS            \
	((struct vmbus_guid){ \
		0x44c4f61d, 0x4444, 0x4400, {0x9d, 0x52, 0x80, 0x2e, 0x27, 0xed, 0xe1, 0x9f}})

/* ---- Messages (7.1) ------------------------------------------------------------------------- */

enum vpci_msgtype {
	VPCI_BUS_RELATIONS = 0x42490000,	  /* host -> guest */
	VPCI_QUERY_BUS_RELATIONS = 0x42490001,	  /* answered by BUS_RELATIONS, not completed */
	VPCI_POWER_STATE_CHANGE = 0x42490004,	  /* not from Linux */
	VPCI_QUERY_RESOURCE_REQS = 0x42490005,	  /* completed by vpci_resource_reqs */
	VPCI_QUERY_RESOURCES = 0x42490006,	  /* not from Linux */
	VPCI_D0ENTRY = 0x42490007,		  /* completed */
	VPCI_D0EXIT = 0x42490008,		  /* completed */
	VPCI_READ_BLOCK = 0x42490009,		  /* completed */
	VPCI_WRITE_BLOCK = 0x4249000A,		  /* completed */
	VPCI_EJECT = 0x4249000B,		  /* host -> guest */
	VPCI_EJECTION_COMPLETE = 0x4249000F,	  /* not completed */
	VPCI_RESOURCES_ASSIGNED = 0x42490010,	  /* completed */
	VPCI_RESOURCES_RELEASED = 0x42490011,	  /* not completed */
	VPCI_INVALIDATE_BLOCK = 0x42490012,	  /* host -> guest */
	VPCI_QUERY_PROTOCOL_VERSION = 0x42490013, /* completed by vpci_version_reply */
	VPCI_CREATE_INTERRUPT = 0x42490014,	  /* completed by vpci_interrupt_reply */
	VPCI_DELETE_INTERRUPT = 0x42490015,	  /* not completed */
	VPCI_RESOURCES_ASSIGNED2 = 0x42490016,	  /* 1.2; completed */
	VPCI_CREATE_INTERRUPT2 = 0x42490017,	  /* 1.2; completed by vpci_interrupt_reply */
	VPCI_BUS_RELATIONS2 = 0x42490019,	  /* 1.3; host -> guest */
	VPCI_CREATE_INTERRUPT3 = 0x4249001B,	  /* 1.4; completed by vpci_interrupt_reply */
};

enum vpci_version {
	VPCI_V1_1 = 0x00010001,
	VPCI_V1_2 = 0x00010002,
	VPCI_V1_3 = 0x00010003,
	VPCI_V1_4 = 0x00010004,
};

/* NT status words. Linux asks for the sign only, but for the mismatch: "try the next lower" (7.2). */
#define VPCI_STATUS_OK			 0x00000000u
#define VPCI_STATUS_UNSUCCESSFUL	 0xC0000001u
#define VPCI_STATUS_INVALID_PARAMETER	 0xC000000Du
#define VPCI_STATUS_NO_SUCH_DEVICE	 0xC000000Eu
#define VPCI_STATUS_REVISION_MISMATCH	 0xC0000059u
#define VPCI_STATUS_NO_RESOURCES	 0xC000009Au
#define VPCI_STATUS_NOT_SUPPORTED	 0xC00000BBu
#define VPCI_STATUS_INVALID_DEVICE_STATE 0xC0000184u

/* Slot: device number in bits 4:0, function in 7:5. */
#define VPCI_SLOTS	  256u
#define VPCI_BARS	  6u
#define VPCI_CPUS_MAX	  32u /* of a CREATE_INTERRUPT2 or 3 */
#define VPCI_WINDOW_BYTES 0x2000u
#define VPCI_WINDOW_PAGE \
	0x1000u /* 0: u32 that selects the slot; from here on its config space (7.4) */

/* Any message that names nothing but a slot: QUERY_RESOURCE_REQS, RESOURCES_RELEASED, EJECT, and the
 * beginning of many others. */
struct vpci_slot_msg {
	uint32_t type;
	uint32_t slot;
};
_Static_assert(sizeof(struct vpci_slot_msg) == 8, "slot message");

/* 7.2 */
struct vpci_version_query {
	uint32_t type;
	uint32_t version;
};
_Static_assert(sizeof(struct vpci_version_query) == 8, "version query");

struct vpci_version_reply {
	uint32_t status;
	uint32_t version;
};
_Static_assert(sizeof(struct vpci_version_reply) == 8, "version reply");

/* 7.3: who is on the bus. The first 20 bytes are all of it before 1.3. */
struct vpci_function_desc {
	uint16_t vendor;
	uint16_t device;
	uint8_t revision;
	uint8_t prog_if;
	uint8_t subclass;
	uint8_t base_class;
	uint16_t subsystem_vendor;
	uint16_t subsystem;
	uint32_t slot;
	uint32_t serial; /* the guest names the slot so, in decimal; of a VF as in VF_ASSOCIATION */
	uint32_t flags;	 /* VPCI_DESC_... */
	uint16_t numa_node;
	uint16_t reserved;
};
_Static_assert(sizeof(struct vpci_function_desc) == 28, "function description, 1.3");
_Static_assert(offsetof(struct vpci_function_desc, flags) == 20, "function description, 1.1");
#define VPCI_DESC_BYTES	   20u
#define VPCI_DESC2_BYTES   28u
#define VPCI_DESC_HAS_NUMA 1u

struct vpci_bus_relations {
	uint32_t type;
	uint32_t device_count;
	/* device_count descriptions follow */
};
_Static_assert(sizeof(struct vpci_bus_relations) == 8, "bus relations");

/* 7.3.4: what each BAR reads after all ones were written; 0: there is none. */
struct vpci_resource_reqs {
	uint32_t status;
	uint32_t probed_bar[VPCI_BARS];
};
_Static_assert(sizeof(struct vpci_resource_reqs) == 28, "resource requirements");

/* 7.3.5 */
struct vpci_d0_entry {
	uint32_t type;
	uint32_t reserved;
	uint64_t window_gpa;
};
_Static_assert(sizeof(struct vpci_d0_entry) == 16, "D0 entry");

/* 7.3.7: all zero behind the slot; it only says that resources are settled. */
#define VPCI_RESOURCES_BYTES  148u
#define VPCI_RESOURCES2_BYTES 202u

/* ---- Interrupts (7.5) ----------------------------------------------------------------------- */

/* 1.1 */
struct vpci_create_interrupt {
	uint32_t type;
	uint32_t slot;
	uint8_t vector;
	uint8_t delivery_mode;
	uint16_t vector_count;
	uint32_t reserved;
	uint64_t cpu_mask;
};
_Static_assert(sizeof(struct vpci_create_interrupt) == 24, "create interrupt");

/* 1.2, 1.3. Vector and processors are place holders; the retarget hypercall brings the real ones. */
struct vpci_create_interrupt2 {
	uint32_t type;
	uint32_t slot;
	uint8_t vector;
	uint8_t delivery_mode;
	uint16_t vector_count;
	uint16_t processor_count;
	uint16_t processor[VPCI_CPUS_MAX];
} __attribute__((packed));
_Static_assert(sizeof(struct vpci_create_interrupt2) == 78, "create interrupt 2");
_Static_assert(offsetof(struct vpci_create_interrupt2, vector_count) == 10, "create interrupt 2");

/* 1.4 */
struct vpci_create_interrupt3 {
	uint32_t type;
	uint32_t slot;
	uint32_t vector;
	uint8_t delivery_mode;
	uint8_t reserved;
	uint16_t vector_count;
	uint16_t processor_count;
	uint16_t processor[VPCI_CPUS_MAX];
} __attribute__((packed));
_Static_assert(sizeof(struct vpci_create_interrupt3) == 82, "create interrupt 3");
_Static_assert(offsetof(struct vpci_create_interrupt3, vector_count) == 14, "create interrupt 3");

/* What the guest writes into an MSI-X entry, and names the interrupt by from then on. */
struct vpci_interrupt {
	uint16_t reserved;
	uint16_t vector_count;
	uint32_t data;
	uint64_t address;
};
_Static_assert(sizeof(struct vpci_interrupt) == 16, "interrupt");

struct vpci_interrupt_reply {
	uint32_t status;
	uint32_t reserved;
	struct vpci_interrupt interrupt;
};
_Static_assert(sizeof(struct vpci_interrupt_reply) == 24, "interrupt reply");
_Static_assert(offsetof(struct vpci_interrupt_reply, interrupt.data) == 12, "interrupt reply");

struct vpci_delete_interrupt {
	uint32_t type;
	uint32_t slot;
	struct vpci_interrupt interrupt;
};
_Static_assert(sizeof(struct vpci_delete_interrupt) == 24, "delete interrupt");

/* ---- Removal and the back channel (7.6, 7.7) ------------------------------------------------ */

struct vpci_ejection_complete {
	uint32_t type;
	uint32_t slot;
	uint32_t status;
};
_Static_assert(sizeof(struct vpci_ejection_complete) == 12, "ejection complete");

struct vpci_read_block {
	uint32_t type;
	uint32_t block;
	uint32_t slot;
	uint32_t bytes;
};
_Static_assert(sizeof(struct vpci_read_block) == 16, "read block");

#define VPCI_BLOCK_MAX 128u

struct vpci_write_block {
	uint32_t type;
	uint32_t block;
	uint32_t slot;
	uint32_t bytes;
	uint8_t data[VPCI_BLOCK_MAX];
};
_Static_assert(sizeof(struct vpci_write_block) == 144, "write block");
