/* SPDX-License-Identifier: BSD-3-Clause */
/* The OIDs that Linux, DPDK and our own driver ask for. A reply is never longer than the OID's
 * exact size: drivers refuse longer ones. */
#include <string.h>

#include "netvsp/priv.h"

#define HASH_CAPS 0x00000301u /* Toeplitz; TCP over IPv4 and IPv6 */

struct oid_query {
	uint32_t oid;
	uint32_t (*value)(const struct netvsp_nic *nic); /* u32 answers */
};

static uint32_t zero(const struct netvsp_nic *nic)
{
	return 0;
}

static uint32_t frame_size(const struct netvsp_nic *nic)
{
	return nic->cfg.mtu;
}

static uint32_t total_size(const struct netvsp_nic *nic)
{
	return nic->cfg.mtu + VSW_FRAME_MIN;
}

static uint32_t link_speed(const struct netvsp_nic *nic)
{
	uint64_t units = (uint64_t)nic->cfg.link_mbps * 10000; /* of 100 bit/s */

	return units > UINT32_MAX ? UINT32_MAX : (uint32_t)units;
}

static uint32_t filter(const struct netvsp_nic *nic)
{
	return nic->st->packet_filter;
}

static uint32_t vendor(const struct netvsp_nic *nic)
{
	return 0x00FFFFFF; /* no IEEE vendor code */
}

static uint32_t driver_version(const struct netvsp_nic *nic)
{
	return 0x0600 | 30; /* NDIS 6.30 */
}

static uint32_t mac_options(const struct netvsp_nic *nic)
{
	return 0x9; /* copies lookahead data, no loopback */
}

static uint32_t send_packets(const struct netvsp_nic *nic)
{
	return NETVSP_MSGS_MAX;
}

static uint32_t multicast_size(const struct netvsp_nic *nic)
{
	return 32;
}

static const struct oid_query queries[] = {
	{OID_GEN_HARDWARE_STATUS, zero},
	{OID_GEN_MEDIA_SUPPORTED, zero},
	{OID_GEN_MEDIA_IN_USE, zero},
	{OID_GEN_MAXIMUM_FRAME_SIZE, frame_size},
	{OID_GEN_LINK_SPEED, link_speed},
	{OID_GEN_TRANSMIT_BLOCK_SIZE, total_size},
	{OID_GEN_RECEIVE_BLOCK_SIZE, total_size},
	{OID_GEN_VENDOR_ID, vendor},
	{OID_GEN_CURRENT_PACKET_FILTER, filter},
	{OID_GEN_DRIVER_VERSION, driver_version},
	{OID_GEN_MAXIMUM_TOTAL_SIZE, total_size},
	{OID_GEN_MAC_OPTIONS, mac_options},
	{OID_GEN_MEDIA_CONNECT_STATUS, netvsp_link_media},
	{OID_GEN_MAXIMUM_SEND_PACKETS, send_packets},
	{OID_802_3_MAXIMUM_LIST_SIZE, multicast_size},
};

static const uint32_t bytes_oids[] = {
	OID_802_3_PERMANENT_ADDRESS,	OID_802_3_CURRENT_ADDRESS,
	OID_GEN_VENDOR_DESCRIPTION,	OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES,
	OID_TCP_OFFLOAD_CURRENT_CONFIG, OID_GEN_RECEIVE_SCALE_CAPABILITIES,
	OID_GEN_FRIENDLY_NAME,
};

static int32_t put_bytes(uint8_t *buf, uint32_t room, const void *src, uint32_t len)
{
	if (len > room)
		return (int32_t)RNDIS_STATUS_BUFFER_SHORT;
	memcpy(buf, src, len);
	return (int32_t)len;
}

static int32_t supported_list(uint8_t *buf, uint32_t room)
{
	uint32_t i, n = 0, list[32];

	list[n++] = OID_GEN_SUPPORTED_LIST;
	for (i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		list[n++] = queries[i].oid;
	for (i = 0; i < sizeof(bytes_oids) / sizeof(bytes_oids[0]); i++)
		list[n++] = bytes_oids[i];
	return put_bytes(buf, room, list, n * 4);
}

/* In UTF-16; Linux shows it as the interface's alias. */
static int32_t friendly_name(const struct netvsp_nic *nic, uint8_t *buf, uint32_t room)
{
	uint8_t name[2 * sizeof(nic->cfg.name)] = {0};
	uint32_t i;

	for (i = 0; nic->cfg.name[i]; i++)
		name[i * 2] = (uint8_t)nic->cfg.name[i];
	return put_bytes(buf, room, name, i * 2);
}

static int32_t rss_caps(const struct netvsp_nic *nic, uint8_t *buf, uint32_t room)
{
	const struct {
		struct ndis_object_hdr hdr;
		uint32_t flags;
		uint32_t interrupts;
		uint32_t queues;
		uint16_t entries;
	} caps = {{NDIS_OBJECT_RSS_CAPS, 2, NDIS_RSS_CAPS_SIZE},
		  HASH_CAPS,
		  nic->cfg.max_channels,
		  nic->cfg.max_channels,
		  NDIS_RSS_TABLE_MAX};

	return put_bytes(buf, room, &caps, NDIS_RSS_CAPS_SIZE);
}

int32_t netvsp_oid_query(const struct netvsp_nic *nic, uint32_t oid, const uint8_t *in,
			 uint32_t in_len, uint8_t *buf, uint32_t room)
{
	static const char description[] = "nethv synthetic adapter";
	uint32_t i, v;

	for (i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		if (queries[i].oid == oid) {
			v = queries[i].value(nic);
			return put_bytes(buf, room, &v, sizeof(v));
		}
	}
	switch (oid) {
	case OID_GEN_SUPPORTED_LIST: return supported_list(buf, room);
	case OID_802_3_PERMANENT_ADDRESS: return put_bytes(buf, room, nic->cfg.mac, 6);
	case OID_802_3_CURRENT_ADDRESS: return put_bytes(buf, room, nic->mac, 6);
	case OID_GEN_VENDOR_DESCRIPTION:
		return put_bytes(buf, room, description, sizeof(description));
	case OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES:
		return netvsp_offload_query(nic, false, in, in_len, buf, room);
	case OID_TCP_OFFLOAD_CURRENT_CONFIG:
		return netvsp_offload_query(nic, true, in, in_len, buf, room);
	case OID_GEN_FRIENDLY_NAME: return friendly_name(nic, buf, room);
	case OID_GEN_RECEIVE_SCALE_CAPABILITIES: return rss_caps(nic, buf, room);
	default: return (int32_t)RNDIS_STATUS_NOT_SUPPORTED;
	}
}

/* ---- Set ----------------------------------------------------------------------------------- */

static uint32_t set_filter(struct netvsp_nic *nic, const uint8_t *in, uint32_t in_len)
{
	uint32_t f;

	if (in_len < 4)
		return RNDIS_STATUS_INVALID_LENGTH;
	memcpy(&f, in, 4);
	__atomic_store_n(&nic->st->packet_filter, f, __ATOMIC_RELAXED); /* ctl reads it */
	netvsp_update_rx_on(nic);
	return RNDIS_STATUS_SUCCESS;
}

static int hex_utf16(const uint8_t *p)
{
	if (p[1])
		return -1;
	if (p[0] >= '0' && p[0] <= '9')
		return p[0] - '0';
	if ((p[0] | 0x20) >= 'a' && (p[0] | 0x20) <= 'f')
		return (p[0] | 0x20) - 'a' + 10;
	return -1;
}

/* "NetworkAddress", a string of 12 hex digits, both UTF-16: `ip link set address`. */
static uint32_t set_config(struct netvsp_nic *nic, const uint8_t *in, uint32_t in_len)
{
	static const uint8_t name[] = "N\0e\0t\0w\0o\0r\0k\0A\0d\0d\0r\0e\0s\0s";
	struct {
		uint32_t name_offset, name_len, type, value_offset, value_len;
	} c;
	uint8_t mac[6];
	unsigned int i;

	if (in_len < sizeof(c))
		return RNDIS_STATUS_INVALID_LENGTH;
	memcpy(&c, in, sizeof(c));
	if (c.name_offset > in_len || c.name_len > in_len - c.name_offset ||
	    c.value_offset > in_len || c.value_len > in_len - c.value_offset)
		return RNDIS_STATUS_INVALID_LENGTH;
	if (c.name_len != sizeof(name) || memcmp(in + c.name_offset, name, c.name_len) ||
	    c.type != 2 || c.value_len != 24)
		return RNDIS_STATUS_INVALID_DATA;
	for (i = 0; i < 6; i++) {
		int hi = hex_utf16(in + c.value_offset + i * 4);
		int lo = hex_utf16(in + c.value_offset + i * 4 + 2);

		if (hi < 0 || lo < 0)
			return RNDIS_STATUS_INVALID_DATA;
		mac[i] = (uint8_t)(hi << 4 | lo);
	}
	if (mac[0] & 1 || (!nic->cfg.allow_spoofing && memcmp(mac, nic->cfg.mac, 6)))
		return RNDIS_STATUS_INVALID_DATA; /* the spoof guard would drop its frames */
	memcpy(nic->st->mac, mac, 6);
	nic->st->has_mac = 1;
	memcpy(nic->mac, mac, 6);
	return RNDIS_STATUS_SUCCESS;
}

uint32_t netvsp_oid_set(struct netvsp_nic *nic, uint32_t oid, const uint8_t *in, uint32_t in_len)
{
	switch (oid) {
	case OID_GEN_CURRENT_PACKET_FILTER: return set_filter(nic, in, in_len);
	case OID_TCP_OFFLOAD_PARAMETERS: return netvsp_offload_set(nic, in, in_len);
	case OID_GEN_RECEIVE_SCALE_PARAMETERS: return netvsp_rss_set(nic, in, in_len);
	case OID_GEN_RNDIS_CONFIG_PARAMETER: return set_config(nic, in, in_len);
	case OID_802_3_MULTICAST_LIST: /* the filter bit decides; a list narrows nothing */
		return in_len % 6 ? RNDIS_STATUS_INVALID_LENGTH : RNDIS_STATUS_SUCCESS;
	default: return RNDIS_STATUS_NOT_SUPPORTED;
	}
}
