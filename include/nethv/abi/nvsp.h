/* SPDX-License-Identifier: BSD-3-Clause */
/* NVSP on the wire: the messages between NetVSC and NetVSP inside VMBus packets. All fields
 * little-endian. Compiled by host and guest. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum nvsp_version {
	NVSP_V1 = 0x00000002,
	NVSP_V2 = 0x00030002,
	NVSP_V4 = 0x00040000,
	NVSP_V5 = 0x00050000,
	NVSP_V6 = 0x00060000,
	NVSP_V6_1 = 0x00060001,
};

enum nvsp_msgtype {
	NVSP_MSG_NONE = 0,
	NVSP_MSG_INIT = 1,
	NVSP_MSG_INIT_COMPLETE = 2,
	NVSP_MSG_NDIS_VER = 100,
	NVSP_MSG_RECV_BUF = 101,
	NVSP_MSG_RECV_BUF_COMPLETE = 102,
	NVSP_MSG_REVOKE_RECV_BUF = 103,
	NVSP_MSG_SEND_BUF = 104,
	NVSP_MSG_SEND_BUF_COMPLETE = 105,
	NVSP_MSG_REVOKE_SEND_BUF = 106,
	NVSP_MSG_RNDIS_PKT = 107,
	NVSP_MSG_RNDIS_PKT_COMPLETE = 108,
	NVSP_MSG_NDIS_CONFIG = 125,
	NVSP_MSG_VF_ASSOCIATION = 128,
	NVSP_MSG_SWITCH_DATA_PATH = 129,
	NVSP_MSG_SUBCHANNEL = 133,
	NVSP_MSG_INDIRECTION_TABLE = 134,
};

enum nvsp_status {
	NVSP_STATUS_NONE = 0,
	NVSP_STATUS_SUCCESS = 1,
	NVSP_STATUS_FAIL = 2,
	NVSP_STATUS_TOO_NEW = 3,
	NVSP_STATUS_TOO_OLD = 4,
	NVSP_STATUS_INVALID_RNDIS = 5,
	NVSP_STATUS_BUSY = 6,
	NVSP_STATUS_UNSUPPORTED = 7,
};

#define NVSP_MSG_SIZE	      40u /* every message we send has this size, zero-padded */
#define NVSP_RECV_BUF_ID      0xCAFEu
#define NVSP_SECTION_NONE     0xFFFFFFFFu
#define NVSP_CHANNEL_DATA     0u
#define NVSP_CHANNEL_CONTROL  1u
#define NVSP_SEND_TABLE_COUNT 16u

#define NVSP_NDIS_CAP_VMQ     (1ull << 0)
#define NVSP_NDIS_CAP_SRIOV   (1ull << 2)
#define NVSP_NDIS_CAP_8021Q   (1ull << 3)
#define NVSP_NDIS_CAP_TEAMING (1ull << 5)
#define NVSP_NDIS_CAP_RSC     (1ull << 7)

struct nvsp_msg {
	uint32_t type; /* enum nvsp_msgtype */
	union {
		struct {
			uint32_t min_version;
			uint32_t max_version;
		} init;
		struct {
			uint32_t version;
			uint32_t max_mdl_chain_len;
			uint32_t status;
		} init_complete;
		struct {
			uint32_t major;
			uint32_t minor;
		} ndis_ver;
		struct {
			uint32_t gpadl;
			uint16_t id;
		} buf; /* RECV_BUF and SEND_BUF */
		struct {
			uint32_t status;
			uint32_t num_sections;
			uint32_t offset;
			uint32_t sub_alloc_size;
			uint32_t num_sub_allocs;
			uint32_t end_offset;
		} recv_buf_complete;
		struct {
			uint16_t id;
		} revoke;
		struct {
			uint32_t status;
			uint32_t section_size;
		} send_buf_complete;
		struct {
			uint32_t channel_type;
			uint32_t section_index;
			uint32_t section_size;
		} rndis_pkt;
		struct {
			uint32_t status;
		} rndis_pkt_complete;
		struct {
			uint32_t mtu; /* with the 14 bytes of the Ethernet header */
			uint32_t reserved;
			uint64_t capabilities;
		} __attribute__((packed)) ndis_config;
		struct {
			uint32_t allocated;
			uint32_t serial;
		} vf_association;
		struct {
			uint32_t active; /* 0 synthetic, 1 VF */
		} switch_data_path;
		struct {
			uint32_t op; /* 1: allocate */
			uint32_t num;
		} subchannel;
		struct {
			uint32_t status;
			uint32_t num;
		} subchannel_complete;
		struct {
			uint32_t count;
			uint32_t offset; /* from the start of the message */
		} indirection_table;	 /* followed by u32[count]; 12 + 64 bytes in all */
		uint8_t pad[36];
	};
} __attribute__((packed));
_Static_assert(sizeof(struct nvsp_msg) == NVSP_MSG_SIZE, "NVSP message");
_Static_assert(offsetof(struct nvsp_msg, ndis_config.capabilities) == 12, "NDIS config");
