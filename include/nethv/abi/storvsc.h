/* SPDX-License-Identifier: BSD-3-Clause */
/* The SCSI controller on the wire, as hv_storvsc of Linux 6.1 and 6.12 speaks it. All fields
 * little-endian, but for what lies in CDBs and SCSI data. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* ba6163d9-04a1-4d29-b605-72e2ffb1dc7f: synthetic SCSI controller */
#define VSTOR_CLASS           \
	((struct vmbus_guid){ \
		0xba6163d9, 0x04a1, 0x4d29, {0xb6, 0x05, 0x72, 0xe2, 0xff, 0xb1, 0xdc, 0x7f}})

enum vstor_op {
	VSTOR_COMPLETE_IO = 1,
	VSTOR_REMOVE_DEVICE = 2,
	VSTOR_EXECUTE_SRB = 3,
	VSTOR_RESET_LUN = 4,
	VSTOR_RESET_ADAPTER = 5,
	VSTOR_RESET_BUS = 6,
	VSTOR_BEGIN_INITIALIZATION = 7,
	VSTOR_END_INITIALIZATION = 8,
	VSTOR_QUERY_PROTOCOL_VERSION = 9,
	VSTOR_QUERY_PROPERTIES = 10,
	VSTOR_ENUMERATE_BUS = 11,
	VSTOR_FCHBA_DATA = 12,
	VSTOR_CREATE_SUB_CHANNELS = 13,
};

#define VSTOR_FLAG_COMPLETION 1u

enum vstor_version {
	VSTOR_V5_1 = 0x0501,
	VSTOR_V6_0 = 0x0600,
	VSTOR_V6_2 = 0x0602,
};

/* NT status words of a completion; the guest only asks whether it is 0. */
#define VSTOR_STATUS_OK		       0u
#define VSTOR_STATUS_INVALID_PARAMETER 0xC000000Du
#define VSTOR_STATUS_REVISION_MISMATCH 0xC0000059u
#define VSTOR_STATUS_NOT_SUPPORTED     0xC00000BBu

enum vstor_srb_status {
	VSTOR_SRB_PENDING = 0x00,
	VSTOR_SRB_SUCCESS = 0x01,
	VSTOR_SRB_ERROR = 0x04,
	VSTOR_SRB_INVALID_REQUEST = 0x06,
	VSTOR_SRB_INVALID_LUN = 0x20,
	VSTOR_SRB_AUTOSENSE_VALID = 0x80, /* a flag */
};

enum vstor_data_dir { VSTOR_DATA_OUT = 0, VSTOR_DATA_IN = 1, VSTOR_DATA_NONE = 2 };

#define VSTOR_CDB_MAX	16u
#define VSTOR_SENSE_MAX 20u

struct vstor_srb {
	uint16_t length; /* of this struct */
	uint8_t srb_status;
	uint8_t scsi_status;
	uint8_t port;
	uint8_t path_id;
	uint8_t target_id;
	uint8_t lun;
	uint8_t cdb_length;
	uint8_t sense_info_length;
	uint8_t data_in; /* enum vstor_data_dir */
	uint8_t reserved;
	uint32_t data_transfer_length;
	union {
		uint8_t cdb[VSTOR_CDB_MAX];
		uint8_t sense[VSTOR_SENSE_MAX];
	};
	uint16_t reserved2;
	uint8_t queue_tag;
	uint8_t queue_action;
	uint32_t srb_flags;
	uint32_t timeout; /* seconds */
	uint32_t queue_sort_key;
};
_Static_assert(sizeof(struct vstor_srb) == 52, "SRB");
_Static_assert(offsetof(struct vstor_srb, cdb) == 16, "SRB CDB");
_Static_assert(offsetof(struct vstor_srb, srb_flags) == 40, "SRB flags");

struct vstor_version_query {
	uint16_t version; /* major << 8 | minor */
	uint16_t revision;
};

struct vstor_properties {
	uint32_t reserved;
	uint16_t max_channel_count; /* sub-channels */
	uint16_t reserved2;
	uint32_t flags; /* bit 0: sub-channels work */
	uint32_t max_transfer_bytes;
	uint64_t reserved3;
} __attribute__((packed));
_Static_assert(sizeof(struct vstor_properties) == 24, "properties");

struct vstor_packet {
	uint32_t operation; /* enum vstor_op */
	uint32_t flags;	    /* VSTOR_FLAG_... */
	uint32_t status;
	union {
		struct vstor_srb srb;
		struct vstor_version_query version;
		struct vstor_properties properties;
		uint16_t sub_channel_count;
		uint8_t bytes[52];
	};
};
_Static_assert(sizeof(struct vstor_packet) == 64, "vstor packet");
_Static_assert(offsetof(struct vstor_packet, srb) == 12, "vstor union");
