/* SPDX-License-Identifier: BSD-3-Clause */
/* RNDIS and NDIS on the wire, as NetVSC and NetVSP use them ([MS-RNDIS], NDIS 6.30). All fields
 * little-endian. "rel" offsets count from byte 8 of the message. Compiled by host and guest. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum rndis_msgtype {
	RNDIS_MSG_PACKET = 1,
	RNDIS_MSG_INIT = 2,
	RNDIS_MSG_HALT = 3,
	RNDIS_MSG_QUERY = 4,
	RNDIS_MSG_SET = 5,
	RNDIS_MSG_RESET = 6,
	RNDIS_MSG_INDICATE = 7,
	RNDIS_MSG_KEEPALIVE = 8,
};
#define RNDIS_MSG_COMPLETE 0x80000000u /* or-ed to the request's type */

#define RNDIS_STATUS_SUCCESS	     0u
#define RNDIS_STATUS_FAILURE	     0xC0000001u
#define RNDIS_STATUS_INVALID_PARAM   0xC000000Du
#define RNDIS_STATUS_NOT_SUPPORTED   0xC00000BBu
#define RNDIS_STATUS_INVALID_LENGTH  0xC0010014u
#define RNDIS_STATUS_INVALID_DATA    0xC0010015u
#define RNDIS_STATUS_BUFFER_SHORT    0xC0010016u
#define RNDIS_STATUS_INVALID_OID     0xC0010017u
#define RNDIS_STATUS_MEDIA_CONNECT   0x4001000Bu
#define RNDIS_STATUS_MEDIA_DISCONN   0x4001000Cu
#define RNDIS_STATUS_SPEED_CHANGE    0x40010013u
#define RNDIS_STATUS_NETWORK_CHANGE  0x40010018u
#define RNDIS_STATUS_OFFLOAD_CURRENT 0x40020006u

struct rndis_hdr {
	uint32_t type; /* enum rndis_msgtype */
	uint32_t len;  /* of the whole message */
};

struct rndis_packet {
	struct rndis_hdr hdr;
	uint32_t data_offset; /* rel */
	uint32_t data_len;
	uint32_t oob_offset;
	uint32_t oob_len;
	uint32_t num_oob;
	uint32_t ppi_offset; /* rel; 36 with PPIs, else 0 */
	uint32_t ppi_len;
	uint32_t vc_handle;
	uint32_t reserved;
};
_Static_assert(sizeof(struct rndis_packet) == 44, "RNDIS packet header");

#define RNDIS_REL 8u /* what "rel" offsets count from */

enum rndis_ppi_type {
	RNDIS_PPI_CSUM = 0,
	RNDIS_PPI_LSO = 2,
	RNDIS_PPI_VLAN = 6,
	RNDIS_PPI_HASH = 8,
	RNDIS_PPI_HASH_INFO = 9,
};
#define RNDIS_PPI_INTERNAL 0x80000000u

struct rndis_ppi {
	uint32_t size;	 /* with this header; multiple of 4 */
	uint32_t type;	 /* enum rndis_ppi_type */
	uint32_t offset; /* of the data from here: 12 */
};
_Static_assert(sizeof(struct rndis_ppi) == 12, "PPI header");

/* Checksum PPI of a guest: what is to be computed; bits 25:16 are the offset of the TCP or UDP header
 * in the frame, or 0. */
#define RNDIS_CSUM_IPV4	  0x01u
#define RNDIS_CSUM_IPV6	  0x02u
#define RNDIS_CSUM_TCP	  0x04u
#define RNDIS_CSUM_UDP	  0x08u
#define RNDIS_CSUM_IP_HDR 0x10u
#define RNDIS_CSUM_L4(v)  ((v) >> 16 & 0x3FFu)
/* Checksum PPI of the host: what was found right. */
#define RNDIS_CSUM_TCP_OK 0x08u
#define RNDIS_CSUM_UDP_OK 0x10u
#define RNDIS_CSUM_IP_OK  0x20u

/* Segmentation PPI. */
#define RNDIS_LSO_MSS(v) ((v)&0xFFFFFu)
#define RNDIS_LSO_L4(v)	 ((v) >> 20 & 0x3FFu)
#define RNDIS_LSO_V2	 0x40000000u
#define RNDIS_LSO_IPV6	 0x80000000u

/* VLAN PPI: bits 2:0 priority, 3 CFI, 15:4 VID; TCI is priority:3 CFI:1 VID:12. */
static inline uint32_t rndis_vlan_from_tci(uint16_t tci)
{
	return (uint32_t)(tci >> 13) | (uint32_t)((tci >> 12) & 1) << 3 |
	       (uint32_t)(tci & 0xFFF) << 4;
}

static inline uint16_t rndis_vlan_to_tci(uint32_t v)
{
	return (uint16_t)((v & 7) << 13 | ((v >> 3) & 1) << 12 | ((v >> 4) & 0xFFF));
}

struct rndis_init {
	struct rndis_hdr hdr;
	uint32_t req_id;
	uint32_t major;
	uint32_t minor;
	uint32_t max_xfer_size;
};

struct rndis_init_complete {
	struct rndis_hdr hdr;
	uint32_t req_id;
	uint32_t status;
	uint32_t major;
	uint32_t minor;
	uint32_t dev_flags;
	uint32_t medium;
	uint32_t max_pkt_per_msg;
	uint32_t max_xfer_size;
	uint32_t pkt_align_factor;
	uint32_t af_list_offset;
	uint32_t af_list_size;
};
_Static_assert(sizeof(struct rndis_init_complete) == 52, "init complete");

/* QUERY and SET have the same layout. */
struct rndis_request {
	struct rndis_hdr hdr;
	uint32_t req_id;
	uint32_t oid;
	uint32_t info_len;
	uint32_t info_offset; /* rel; 20 */
	uint32_t vc_handle;
};
_Static_assert(sizeof(struct rndis_request) == 28, "query/set");

struct rndis_query_complete {
	struct rndis_hdr hdr;
	uint32_t req_id;
	uint32_t status;
	uint32_t info_len;
	uint32_t info_offset; /* rel; 16 */
};

/* SET_C, KEEPALIVE_C; HALT and KEEPALIVE end after req_id. */
struct rndis_status_complete {
	struct rndis_hdr hdr;
	uint32_t req_id;
	uint32_t status;
};

struct rndis_reset_complete {
	struct rndis_hdr hdr;
	uint32_t status;
	uint32_t addressing_reset;
};

struct rndis_indicate {
	struct rndis_hdr hdr;
	uint32_t status;
	uint32_t status_len;
	uint32_t status_offset; /* rel; 12 */
};

enum rndis_oid {
	OID_GEN_SUPPORTED_LIST = 0x00010101,
	OID_GEN_HARDWARE_STATUS = 0x00010102,
	OID_GEN_MEDIA_SUPPORTED = 0x00010103,
	OID_GEN_MEDIA_IN_USE = 0x00010104,
	OID_GEN_MAXIMUM_FRAME_SIZE = 0x00010106,
	OID_GEN_LINK_SPEED = 0x00010107,
	OID_GEN_TRANSMIT_BLOCK_SIZE = 0x0001010A,
	OID_GEN_RECEIVE_BLOCK_SIZE = 0x0001010B,
	OID_GEN_VENDOR_ID = 0x0001010C,
	OID_GEN_VENDOR_DESCRIPTION = 0x0001010D,
	OID_GEN_CURRENT_PACKET_FILTER = 0x0001010E,
	OID_GEN_DRIVER_VERSION = 0x00010110,
	OID_GEN_MAXIMUM_TOTAL_SIZE = 0x00010111,
	OID_GEN_MAC_OPTIONS = 0x00010113,
	OID_GEN_MEDIA_CONNECT_STATUS = 0x00010114,
	OID_GEN_MAXIMUM_SEND_PACKETS = 0x00010115,
	OID_GEN_RECEIVE_SCALE_CAPABILITIES = 0x00010203,
	OID_GEN_RECEIVE_SCALE_PARAMETERS = 0x00010204,
	OID_GEN_FRIENDLY_NAME = 0x00020216,
	OID_GEN_RNDIS_CONFIG_PARAMETER = 0x0001021B,
	OID_802_3_PERMANENT_ADDRESS = 0x01010101,
	OID_802_3_CURRENT_ADDRESS = 0x01010102,
	OID_802_3_MULTICAST_LIST = 0x01010103,
	OID_802_3_MAXIMUM_LIST_SIZE = 0x01010104,
	OID_TCP_OFFLOAD_CURRENT_CONFIG = (int)0xFC01020B,
	OID_TCP_OFFLOAD_PARAMETERS = (int)0xFC01020C,
	OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES = (int)0xFC01020D,
};

#define NDIS_FILTER_DIRECTED	  0x01u
#define NDIS_FILTER_MULTICAST	  0x02u
#define NDIS_FILTER_ALL_MULTICAST 0x04u
#define NDIS_FILTER_BROADCAST	  0x08u
#define NDIS_FILTER_PROMISCUOUS	  0x20u

struct ndis_object_hdr {
	uint8_t type;
	uint8_t revision;
	uint16_t size;
};

/* TCP_OFFLOAD_HARDWARE_CAPABILITIES. Checksum flags: 0x100 IPv4 header, 0x40 UDP, 0x10 TCP, with 0x4 TCP
 * options, with 0x1 IP options or extension headers. */
struct ndis_offload {
	struct ndis_object_hdr hdr;
	struct {
		uint32_t ip4_tx_encap, ip4_tx, ip4_rx_encap, ip4_rx;
		uint32_t ip6_tx_encap, ip6_tx, ip6_rx_encap, ip6_rx;
	} csum;
	uint32_t lso_v1[4];
	uint32_t ipsec_v1[7];
	struct {
		uint32_t ip4_encap, ip4_max, ip4_min_segments;
		uint32_t ip6_encap, ip6_max, ip6_min_segments;
		uint32_t ip6_options; /* 1 extension headers, 4 TCP options */
		uint32_t flags;
	} lso_v2;
	uint8_t later[44]; /* IPsec v2, RSC, encapsulated packets */
} __attribute__((packed));
_Static_assert(offsetof(struct ndis_offload, lso_v2) == 80, "NDIS offload");

#define NDIS_ENCAP_8023 2u
#define NDIS_LSO_V6_ALL 5u

/* TCP_OFFLOAD_PARAMETERS; later revisions are longer. */
struct ndis_offload_params {
	struct ndis_object_hdr hdr;
	uint8_t ip4, tcp4, udp4, tcp6, udp6; /* NDIS_PARAM_*; checksums */
	uint8_t lso_v1;
	uint8_t ipsec_v1;
	uint8_t lso4, lso6; /* 1 off, 2 on */
	uint8_t conn4, conn6;
	uint8_t pad;
};
_Static_assert(sizeof(struct ndis_offload_params) == 16, "offload parameters");

#define NDIS_PARAM_KEEP 0u
#define NDIS_PARAM_OFF	1u
#define NDIS_PARAM_TX	2u
#define NDIS_PARAM_RX	3u
#define NDIS_PARAM_BOTH 4u
#define NDIS_PARAM_LSO	2u

#define NDIS_OBJECT_OFFLOAD	 0xA7u
#define NDIS_OBJECT_RSS_CAPS	 0x88u
#define NDIS_OBJECT_RSS_PARAMS	 0x89u
#define NDIS_OBJECT_OFFLOAD_PARM 0x80u
#define NDIS_OFFLOAD_SIZE	 156u /* revision 3 */
#define NDIS_OFFLOAD_SIZE_REV2	 144u
#define NDIS_OFFLOAD_SIZE_REV1	 112u
#define NDIS_RSS_CAPS_SIZE	 18u
#define NDIS_RSS_TABLE_MAX	 128u
#define NDIS_RSS_KEY_SIZE	 40u

struct ndis_rss_params {
	struct ndis_object_hdr hdr;
	uint16_t flags; /* NDIS_RSS_DISABLE, ..._UNCHANGED */
	uint16_t base_cpu;
	uint32_t hash_info;
	uint16_t table_size; /* bytes */
	uint16_t pad1;
	uint32_t table_offset; /* from this struct */
	uint16_t key_size;
	uint16_t pad2;
	uint32_t key_offset; /* from this struct */
	uint32_t cpu_mask_offset;
	uint32_t cpu_mask_count;
	uint32_t entry_size;
};
_Static_assert(sizeof(struct ndis_rss_params) == 40, "RSS parameters");

/* Hash types, in ndis_rss_params.hash_info and in the hash info PPI, with the function in the low byte. */
#define NDIS_HASH_TOEPLITZ 0x00001u
#define NDIS_HASH_IPV4	   0x00100u
#define NDIS_HASH_TCP_IPV4 0x00200u
#define NDIS_HASH_IPV6	   0x00400u
#define NDIS_HASH_TCP_IPV6 0x01000u
#define NDIS_HASH_UDP_IPV4 0x04000u
#define NDIS_HASH_UDP_IPV6 0x08000u

#define NDIS_RSS_TABLE_UNCHANGED 0x04u
#define NDIS_RSS_KEY_UNCHANGED	 0x08u
#define NDIS_RSS_DISABLE	 0x10u
