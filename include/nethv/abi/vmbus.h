/* SPDX-License-Identifier: BSD-3-Clause */
/* VMBus on the wire: control messages, ring control page, ring packets. All fields little-endian.
 * Compiled by host and guest. Sources: Hyper-V's VMBus as Linux 6.1 and 6.12 speak it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* ---- Identities and limits ---------------------------------------------------------------- */

struct vmbus_guid {
	uint32_t data1;
	uint16_t data2;
	uint16_t data3;
	uint8_t data4[8];
};
_Static_assert(sizeof(struct vmbus_guid) == 16, "GUID is 16 bytes");

/* f8615163-df3e-46c5-913f-f2d2f965ed0e: synthetic network adapter */
#define VMBUS_CLASS_NIC       \
	((struct vmbus_guid){ \
		0xf8615163, 0xdf3e, 0x46c5, {0x91, 0x3f, 0xf2, 0xd2, 0xf9, 0x65, 0xed, 0x0e}})

#define VMBUS_SINT		2u
#define VMBUS_MSG_TYPE_CHANNEL	1u
#define VMBUS_MSG_CONN_ID	1u /* protocols before 5.0 */
#define VMBUS_MSG_CONN_ID_V5	4u
#define VMBUS_EVENT_CONN_BASE	0x2000u /* connection id of a channel = base | relid (ours) */
#define VMBUS_RELID_MAX		2047u
#define VMBUS_MSG_PAYLOAD_MAX	240u
#define VMBUS_GPADL_PFNS_HEADER 26u
#define VMBUS_GPADL_PFNS_BODY	28u
#define VMBUS_GPADL_PAGES_MAX	8190u /* range_buflen is 16 bits: 8 + 8 * pages */
#define VMBUS_VP_NONE		0xFFFFFFFFu

enum vmbus_version {
	VMBUS_V2_4 = 0x00020004,
	VMBUS_V3_0 = 0x00030000,
	VMBUS_V4_0 = 0x00040000,
	VMBUS_V4_1 = 0x00040001,
	VMBUS_V5_0 = 0x00050000,
	VMBUS_V5_1 = 0x00050001,
	VMBUS_V5_2 = 0x00050002,
	VMBUS_V5_3 = 0x00050003,
};

/* ---- Control messages --------------------------------------------------------------------- */

enum vmbus_msgtype {
	VMBUS_MSG_INVALID = 0,
	VMBUS_MSG_OFFER = 1,
	VMBUS_MSG_RESCIND = 2,
	VMBUS_MSG_REQUEST_OFFERS = 3,
	VMBUS_MSG_ALL_OFFERS_DELIVERED = 4,
	VMBUS_MSG_OPEN = 5,
	VMBUS_MSG_OPEN_RESULT = 6,
	VMBUS_MSG_CLOSE = 7,
	VMBUS_MSG_GPADL_HEADER = 8,
	VMBUS_MSG_GPADL_BODY = 9,
	VMBUS_MSG_GPADL_CREATED = 10,
	VMBUS_MSG_GPADL_TEARDOWN = 11,
	VMBUS_MSG_GPADL_TORNDOWN = 12,
	VMBUS_MSG_RELID_RELEASED = 13,
	VMBUS_MSG_INITIATE_CONTACT = 14,
	VMBUS_MSG_VERSION_RESPONSE = 15,
	VMBUS_MSG_UNLOAD = 16,
	VMBUS_MSG_UNLOAD_RESPONSE = 17,
	VMBUS_MSG_TL_CONNECT = 21,
	VMBUS_MSG_MODIFY = 22,
	VMBUS_MSG_MODIFY_RESPONSE = 24,
};

struct vmbus_msg_hdr {
	uint32_t msgtype; /* enum vmbus_msgtype */
	uint32_t padding;
};

struct vmbus_msg_offer {
	struct vmbus_msg_hdr hdr;
	struct vmbus_guid if_type;
	struct vmbus_guid if_instance;
	uint64_t reserved1;
	uint64_t reserved2;
	uint16_t flags;
	uint16_t mmio_megabytes;
	uint8_t user_defined[120];
	uint16_t sub_channel_index; /* 0: primary */
	uint16_t reserved3;
	uint32_t child_relid;
	uint8_t monitor_id;
	uint8_t monitor_allocated;
	uint16_t is_dedicated_interrupt;
	uint32_t connection_id; /* for HvSignalEvent */
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_offer) == 196, "offer");
_Static_assert(offsetof(struct vmbus_msg_offer, child_relid) == 184, "offer relid");

/* RESCIND, CLOSE, RELID_RELEASED */
struct vmbus_msg_relid {
	struct vmbus_msg_hdr hdr;
	uint32_t child_relid;
};

struct vmbus_msg_open {
	struct vmbus_msg_hdr hdr;
	uint32_t child_relid;
	uint32_t openid;
	uint32_t ring_gpadl;
	uint32_t target_vp;
	uint32_t downstream_offset; /* pages of the guest->host ring */
	uint8_t user_data[120];
};
_Static_assert(sizeof(struct vmbus_msg_open) == 148, "open");

struct vmbus_msg_open_result {
	struct vmbus_msg_hdr hdr;
	uint32_t child_relid;
	uint32_t openid;
	uint32_t status; /* 0: open */
};

struct vmbus_msg_gpadl_header {
	struct vmbus_msg_hdr hdr;
	uint32_t child_relid;
	uint32_t gpadl;
	uint16_t range_buflen;
	uint16_t rangecount;
	/* struct vmbus_gpa_range range[rangecount], as many bytes as fit */
};
_Static_assert(sizeof(struct vmbus_msg_gpadl_header) == 20, "gpadl header");

struct vmbus_gpa_range {
	uint32_t byte_count;
	uint32_t byte_offset;
	/* uint64_t pfn[] */
};

struct vmbus_msg_gpadl_body {
	struct vmbus_msg_hdr hdr;
	uint32_t msgnumber; /* always 0 from Linux */
	uint32_t gpadl;
	/* uint64_t pfn[] */
};

struct vmbus_msg_gpadl_created {
	struct vmbus_msg_hdr hdr;
	uint32_t child_relid;
	uint32_t gpadl;
	uint32_t status;
};

struct vmbus_msg_gpadl_teardown {
	struct vmbus_msg_hdr hdr;
	uint32_t child_relid;
	uint32_t gpadl;
};

struct vmbus_msg_gpadl_torndown {
	struct vmbus_msg_hdr hdr;
	uint32_t gpadl;
};

struct vmbus_msg_initiate_contact {
	struct vmbus_msg_hdr hdr;
	uint32_t version;
	uint32_t target_vp;
	union {
		uint64_t interrupt_page; /* before 5.0 */
		struct {
			uint8_t msg_sint;
			uint8_t msg_vtl;
			uint8_t reserved[6];
		};
	};
	uint64_t monitor_page1; /* parent -> child */
	uint64_t monitor_page2; /* child -> parent */
};
_Static_assert(sizeof(struct vmbus_msg_initiate_contact) == 40, "initiate contact");

struct vmbus_msg_version_response {
	struct vmbus_msg_hdr hdr;
	uint8_t version_supported;
	uint8_t connection_state; /* 0 ok, 1 low resources, 2 failed */
	uint16_t padding;
	uint32_t msg_conn_id;
};

struct vmbus_msg_modify {
	struct vmbus_msg_hdr hdr;
	uint32_t child_relid;
	uint32_t target_vp;
};

struct vmbus_msg_modify_response {
	struct vmbus_msg_hdr hdr;
	uint32_t child_relid;
	uint32_t status;
};

/* ---- Monitor pages ------------------------------------------------------------------------- */

#define VMBUS_MONITORS_MAX	 128u
#define VMBUS_MONITOR_GROUP_BITS 32u

/* The child -> parent page: instead of a hypercall a guest sets bit id % 32 of group id / 32. The
 * host looks at it within latency[id] and fills in all but pending. */
struct vmbus_monitor_page {
	uint32_t trigger_state; /* bit: group is in use */
	uint32_t reserved1;
	struct {
		uint32_t pending;
		uint32_t armed;
	} group[4];
	uint8_t reserved2[24];
	uint32_t next_checktime[VMBUS_MONITORS_MAX];
	uint16_t latency[VMBUS_MONITORS_MAX]; /* units of 100 ns */
	uint8_t reserved3[256];
	struct {
		uint32_t connection_id;
		uint16_t flag;
		uint16_t reserved;
	} parameter[VMBUS_MONITORS_MAX];
	uint8_t reserved4[1984];
};
_Static_assert(offsetof(struct vmbus_monitor_page, next_checktime) == 0x40, "monitor page");
_Static_assert(offsetof(struct vmbus_monitor_page, latency) == 0x240, "monitor page");
_Static_assert(offsetof(struct vmbus_monitor_page, parameter) == 0x440, "monitor page");
_Static_assert(sizeof(struct vmbus_monitor_page) == 4096, "monitor page");

/* ---- Rings -------------------------------------------------------------------------------- */

/* First page of each ring; the data area follows. Indices are byte offsets into the data area. */
struct vmbus_ring_ctrl {
	uint32_t write_index;	  /* producer */
	uint32_t read_index;	  /* consumer */
	uint32_t interrupt_mask;  /* consumer: non-zero = do not signal me */
	uint32_t pending_send_sz; /* producer: signal me once more than this is free */
	uint32_t reserved[12];
	uint32_t feature_bits; /* bit 0: pending_send_sz works */
};
_Static_assert(offsetof(struct vmbus_ring_ctrl, feature_bits) == 64, "ring control");

#define VMBUS_RING_FEATURE_PENDING_SEND 1u
#define VMBUS_PAGE_SIZE			4096u

enum vmbus_pkttype {
	VMBUS_PKT_INBAND = 6,
	VMBUS_PKT_XFER_PAGES = 7,
	VMBUS_PKT_GPA_DIRECT = 9,
	VMBUS_PKT_COMPLETION = 11,
};

#define VMBUS_PKT_FLAG_COMPLETION_REQUESTED 1u

struct vmbus_pkt_desc {
	uint16_t type;	  /* enum vmbus_pkttype */
	uint16_t offset8; /* of the payload, from the descriptor, in units of 8 bytes */
	uint16_t len8;	  /* without the trailer, in units of 8 bytes */
	uint16_t flags;
	uint64_t trans_id;
};
_Static_assert(sizeof(struct vmbus_pkt_desc) == 16, "packet descriptor");

#define VMBUS_PKT_TRAILER 8u

/* Behind the descriptor of a type 7 packet, followed by struct vmbus_xfer_range[range_count]. */
struct vmbus_pkt_xfer {
	uint16_t set_id;
	uint8_t sender_owns_set;
	uint8_t reserved;
	uint32_t range_count;
};

struct vmbus_xfer_range {
	uint32_t byte_count;
	uint32_t byte_offset;
};

/* Behind the descriptor of a type 9 packet, followed by range_count struct vmbus_gpa_range, each
 * with ceil((byte_offset + byte_count) / 4096) PFNs. */
struct vmbus_pkt_gpa_direct {
	uint32_t reserved;
	uint32_t range_count;
};
