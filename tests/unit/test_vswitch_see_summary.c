/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets in words, and what is left of the words when the packet is cut. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/see/see.h"

#define MACS "020000000002 020000000001 "
#define IP4  "0a000001 0a000002 "
#define IP6  "fe800000000000000000000000000001 fe800000000000000000000000000002 "

static const struct {
	const char *hex, *text;
} rows[] = {
	{MACS "0806 0001080006040001 020000000001 0a000001 000000000000 0a000002",
	 "ARP who-has 10.0.0.2 tell 10.0.0.1"},
	{MACS "0806 0001080006040002 020000000001 0a000001 020000000002 0a000002",
	 "ARP 10.0.0.1 is-at 02:00:00:00:00:01"},
	{MACS "0806 0001080006040009 020000000001 0a000001 020000000002 0a000002", "ARP op 9"},
	{MACS "0800 45000028 00000000 4006 0000 " IP4
	      "0050 0cef 00000000 00000000 5012 0000 0000 0000",
	 "IPv4 TCP 10.0.0.1:80 > 10.0.0.2:3311 [S.]"},
	{MACS "8100200a 0800 45000020 00000000 4011 0000 " IP4 "0035 0400 000c 0000",
	 "VLAN 10 IPv4 UDP 10.0.0.1:53 > 10.0.0.2:1024"},
	{MACS "88a80064 8100000a 0800 45000020 00000000 4011 0000 " IP4 "0035 0400 000c 0000",
	 "VLAN 100 VLAN 10 IPv4 UDP 10.0.0.1:53 > 10.0.0.2:1024"},
	{MACS "0800 4700002c 00000000 4001 0000 " IP4 "01010101 01010100 0800 0000 0007 0003",
	 "IPv4 ICMP 10.0.0.1 > 10.0.0.2 echo request id 7 seq 3"},
	{MACS "0800 4500001c 00000000 4001 0000 " IP4 "0303 0000 0000 0000",
	 "IPv4 ICMP 10.0.0.1 > 10.0.0.2 unreachable"},
	{MACS "0800 4500001c 00000000 4001 0000 " IP4 "2a07 0000 0000 0000",
	 "IPv4 ICMP 10.0.0.1 > 10.0.0.2 type 42 code 7"},
	{MACS "0800 45000020 000020b9 4011 0000 " IP4 "0035 0400 000c 0000",
	 "IPv4 fragment at 1480, proto 17, 10.0.0.1 > 10.0.0.2"},
	{MACS "0800 45000020 00000000 402f 0000 " IP4 "0000 0000",
	 "IPv4 proto 47 10.0.0.1 > 10.0.0.2"},
	{MACS "0800 43000020 00000000 4011 0000 " IP4 "0035 0400 000c 0000", "IPv4 bad header"},
	{MACS "0800 65000020 00000000 4011 0000 " IP4 "0035 0400 000c 0000", "IPv4 bad header"},
	{MACS "86dd 60000000 0008 11 40 " IP6 "0035 0400 0008 0000",
	 "IPv6 UDP [fe80::1]:53 > [fe80::2]:1024"},
	{MACS "86dd 60000000 0010 00 40 " IP6 "0600 0000 00000000 1f90 01bb 00000000 00000000 5004",
	 "IPv6 TCP [fe80::1]:8080 > [fe80::2]:443 [R]"},
	{MACS "86dd 60000000 0020 3a 40 " IP6 "8700 0000 00000000 fe800000000000000000000000000009",
	 "IPv6 ICMPv6 fe80::1 > fe80::2 neighbor solicit for fe80::9"},
	{MACS "86dd 60000000 0010 2c 40 " IP6 "1100 05a8 00000001 00000000 00000000",
	 "IPv6 fragment at 1448, proto 17, fe80::1 > fe80::2"},
	{MACS "86dd 60000000 0010 2c 40 " IP6 "1100 0001 00000001 0035 0400 00000000",
	 "IPv6 UDP [fe80::1]:53 > [fe80::2]:1024"},
	{MACS "88b5 0000", "type 0x88b5 02:00:00:00:00:01 > 02:00:00:00:00:02"},
	{MACS "0026 4242", "LLC 02:00:00:00:00:01 > 02:00:00:00:00:02"},
	{"0200", "runt"},
};

static uint32_t unhex(const char *hex, uint8_t *out)
{
	uint32_t n = 0;

	while (*hex) {
		unsigned int v;

		if (*hex == ' ') {
			hex++;
			continue;
		}
		sscanf(hex, "%2x", &v);
		out[n++] = (uint8_t)v;
		hex += 2;
	}
	return n;
}

Test(vsw_see_summary, says_what_a_packet_is)
{
	uint8_t frame[256];
	char text[256];
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t n = unhex(rows[i].hex, frame);
		unsigned int len = vsw_see_summary(frame, n, n, text, sizeof(text));

		cr_assert_str_eq(text, rows[i].text, "row %u: %s", i, text);
		cr_assert_eq(len, strlen(text));
	}
}

/* A sanitizer sees each byte too many; what is not there is not told. */
Test(vsw_see_summary, takes_packets_that_are_cut_anywhere)
{
	uint8_t frame[256];
	char text[256];
	unsigned int i;
	uint32_t k;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t n = unhex(rows[i].hex, frame);

		for (k = 0; k <= n; k++) {
			uint8_t *cut = malloc(k ? k : 1);

			memcpy(cut, frame, k);
			vsw_see_summary(cut, k, n, text, sizeof(text));
			if (n >= 14 && k < 14)
				cr_assert_str_eq(text, "frame of unknown content");
			free(cut);
		}
	}
}

Test(vsw_see_summary, says_that_a_header_is_cut)
{
	static const struct {
		unsigned int row, n;
		const char *text;
	} cuts[] = {
		{0, 30, "ARP (cut)"},
		{3, 33, "IPv4 (cut)"},
		{3, 37, "IPv4 TCP 10.0.0.1 > 10.0.0.2 (cut)"},
		{3, 40, "IPv4 TCP 10.0.0.1:80 > 10.0.0.2:3311 (cut)"},
		{13, 50, "IPv6 (cut)"},
		{13, 55, "IPv6 UDP fe80::1 > fe80::2 (cut)"},
	};
	uint8_t frame[256];
	char text[256];
	unsigned int i;

	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		uint32_t n = unhex(rows[cuts[i].row].hex, frame);

		vsw_see_summary(frame, cuts[i].n, n, text, sizeof(text));
		cr_assert_str_eq(text, cuts[i].text, "%u: %s", i, text);
	}
}

Test(vsw_see_summary, keeps_to_its_room)
{
	uint8_t frame[256];
	uint32_t n = unhex(rows[15].hex, frame);
	size_t size;

	for (size = 1; size < 80; size++) {
		char *text = malloc(size), whole[256];

		vsw_see_summary(frame, n, n, whole, sizeof(whole));
		cr_assert_eq(vsw_see_summary(frame, n, n, text, size), strlen(text));
		cr_assert_eq(strncmp(whole, text, strlen(text)), 0);
		cr_assert_eq(strlen(text), size - 1 < strlen(whole) ? size - 1 : strlen(whole));
		free(text);
	}
	vsw_see_summary(frame, n, n, NULL, 0);
}
