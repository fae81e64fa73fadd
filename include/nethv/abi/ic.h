/* SPDX-License-Identifier: BSD-3-Clause */
/* The integration components on the wire: heartbeat, shutdown, time synchronisation and key-value
 * pairs, as hv_utils of Linux 6.1 and 6.12 speaks them. All fields little-endian. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* 57164f39-9115-4e78-ab55-382f3bd5422d */
#define IC_CLASS_HEARTBEAT    \
	((struct vmbus_guid){ \
		0x57164f39, 0x9115, 0x4e78, {0xab, 0x55, 0x38, 0x2f, 0x3b, 0xd5, 0x42, 0x2d}})
/* 0e0b6031-5213-4934-818b-38d90ced39db */
#define IC_CLASS_SHUTDOWN     \
	((struct vmbus_guid){ \
		0x0e0b6031, 0x5213, 0x4934, {0x81, 0x8b, 0x38, 0xd9, 0x0c, 0xed, 0x39, 0xdb}})
/* 9527e630-d0ae-497b-adce-e80ab0175caf */
#define IC_CLASS_TIMESYNC     \
	((struct vmbus_guid){ \
		0x9527e630, 0xd0ae, 0x497b, {0xad, 0xce, 0xe8, 0x0a, 0xb0, 0x17, 0x5c, 0xaf}})
/* a9a0f4e7-5a45-4d96-b827-8a841e8c03e6 */
#define IC_CLASS_KVP          \
	((struct vmbus_guid){ \
		0xa9a0f4e7, 0x5a45, 0x4d96, {0xb8, 0x27, 0x8a, 0x84, 0x1e, 0x8c, 0x03, 0xe6}})

#define IC_OFFER_FLAGS	   0x10u /* named pipe */
#define IC_PIPE_MODE	   4u	 /* message mode; first word of the offer's user data */
#define IC_PIPE_TYPE_DATA  1u
#define IC_VERSIONS_MAX	   100u	 /* in a negotiation; Linux refuses more */
#define IC_NEGOTIATED_SIZE 0x10u /* what Linux answers: two counts, two versions */

enum ic_msg_type {
	IC_MSG_NEGOTIATE = 0,
	IC_MSG_HEARTBEAT = 1,
	IC_MSG_KVP = 2,
	IC_MSG_SHUTDOWN = 3,
	IC_MSG_TIMESYNC = 4,
};

enum ic_flags {
	IC_FLAG_TRANSACTION = 1,
	IC_FLAG_REQUEST = 2,
	IC_FLAG_RESPONSE = 4,
};

#define IC_STATUS_OK	   0u
#define IC_STATUS_FAIL	   0x80004005u
#define IC_STATUS_NO_MORE  0x80070103u
#define IC_STATUS_NOT_SUPP 0x80070032u

struct ic_version {
	uint16_t major;
	uint16_t minor;
};

struct ic_pipe_hdr {
	uint32_t type; /* IC_PIPE_TYPE_DATA */
	uint32_t length;
};

struct ic_hdr {
	struct ic_version framework;
	uint16_t type; /* enum ic_msg_type */
	struct ic_version message;
	uint16_t size; /* bytes behind this header */
	uint32_t status;
	uint8_t trans_id;
	uint8_t flags; /* enum ic_flags */
	uint16_t reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct ic_hdr) == 20, "IC header");
_Static_assert(offsetof(struct ic_hdr, status) == 12, "IC status");

#define IC_HDRS_SIZE ((uint32_t)(sizeof(struct ic_pipe_hdr) + sizeof(struct ic_hdr)))

struct ic_negotiate {
	uint16_t framework_count;
	uint16_t message_count;
	uint32_t reserved;
	/* struct ic_version[]: frameworks, then messages */
};
_Static_assert(sizeof(struct ic_negotiate) == 8, "IC negotiation");

struct ic_heartbeat {
	uint64_t sequence; /* the answer is one more */
	uint32_t application_state;
	uint32_t reserved[7];
};
_Static_assert(sizeof(struct ic_heartbeat) == 40, "heartbeat");

enum ic_shutdown_flags {
	IC_SHUTDOWN_OFF = 0,
	IC_SHUTDOWN_OFF_FORCED = 1,
	IC_SHUTDOWN_REBOOT = 2,
	IC_SHUTDOWN_REBOOT_FORCED = 3,
};

#define IC_SHUTDOWN_PLANNED 0x80000000u

struct ic_shutdown {
	uint32_t reason;
	uint32_t timeout_s;
	uint32_t flags; /* enum ic_shutdown_flags */
	uint8_t text[2048];
};
_Static_assert(sizeof(struct ic_shutdown) == 2060, "shutdown");

enum ic_timesync_flags { IC_TIMESYNC_SYNC = 1, IC_TIMESYNC_SAMPLE = 2 };

#define IC_TIME_UNIX_EPOCH 116444736000000000ull /* 1970 in 100 ns since 1601 */

struct ic_timesync_v4 {
	uint64_t parent_time; /* 100 ns since 1601 */
	uint64_t ref_time;    /* the partition's reference time at that moment */
	uint8_t flags;	      /* enum ic_timesync_flags */
	uint8_t leap;
	uint8_t stratum;
	uint8_t reserved[5];
};
_Static_assert(sizeof(struct ic_timesync_v4) == 24, "timesync 4.0");

struct ic_timesync_v1 {
	uint64_t parent_time;
	uint64_t child_time;
	uint64_t round_trip;
	uint8_t flags;
} __attribute__((packed));
_Static_assert(sizeof(struct ic_timesync_v1) == 25, "timesync 1.0, 3.0");

enum ic_kvp_op { IC_KVP_ENUMERATE = 3 };
enum ic_kvp_pool { IC_KVP_POOL_AUTO = 2 };

enum ic_kvp_type { IC_KVP_STRING = 1, IC_KVP_U32 = 4, IC_KVP_U64_LINUX = 8, IC_KVP_U64 = 11 };

#define IC_KVP_KEY_MAX	 512u
#define IC_KVP_VALUE_MAX 2048u

struct ic_kvp_enumerate {
	uint8_t op; /* enum ic_kvp_op */
	uint8_t pool;
	uint16_t pad;
	uint32_t index;
	uint32_t value_type; /* enum ic_kvp_type */
	uint32_t key_size;   /* bytes, with the terminator */
	uint32_t value_size;
	uint8_t key[IC_KVP_KEY_MAX]; /* UTF-16LE */
	uint8_t value[IC_KVP_VALUE_MAX];
};
_Static_assert(sizeof(struct ic_kvp_enumerate) == 2580, "KVP enumerate");
_Static_assert(offsetof(struct ic_kvp_enumerate, key) == 20, "KVP key");
