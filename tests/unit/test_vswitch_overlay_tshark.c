/* SPDX-License-Identifier: BSD-3-Clause */
/* What the overlay sends, in the eyes of tshark: tunnels, inner frames, checksums, ARP,
 * neighbour discovery. */
#include <criterion/criterion.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/support/naive.h"
#include "tests/support/ovnet.h"
#include "tests/support/scratch.h"

static struct ovnet net;
static struct ovbed bed;
static struct naive_frame inner;
static pcap_dumper_t *dump;
static char path[SCRATCH_PATH];

static void take(void *ctx, uint16_t port, uint16_t vlan, const uint8_t *frame, uint32_t len)
{
	struct pcap_pkthdr h = {.caplen = len, .len = len};

	(void)ctx;
	(void)vlan;
	if (port == OVBED_UPLINK)
		pcap_dump((u_char *)dump, &h, frame);
}

static void up(enum vsw_overlay_encap encap, bool is_v6, bool has_hops)
{
	ovnet_init(&net, encap, is_v6);
	if (has_hops) {
		ovnet_mac(net.remote5000[0].next_hop_mac, 0, 2);
		ovnet_mac(net.remote5000[1].next_hop_mac, 0, 3);
		ovnet_mac(net.remote6000[0].next_hop_mac, 0, 2);
	}
	cr_assert_eq(vsw_overlay_create(&bed.ov, &net.cfg, 1, NULL), 0, "%s", err_text());
	bed.privates = 64;
	bed.sink = take;
}

static void sends(bool is_v6)
{
	struct naive_kind k = {.is_v6 = is_v6, .payload = 701};
	uint8_t dst[6], src[6];

	ovnet_mac(dst, 0xBB, 1);
	ovnet_mac(src, 0xAA, 1);
	naive_make(&inner, &k, dst, src, 7);
	ovbed_send(&bed, 1, -1, 0, inner.bytes, inner.len);
}

static void file_make(pcap_t *p)
{
	dump = pcap_dump_open(p, path);
	cr_assert_not_null(dump);
	for (unsigned int i = 0; i < 4; i++) {
		up(i & 2 ? VSW_OVERLAY_GENEVE : VSW_OVERLAY_VXLAN, i & 1, true);
		sends(i & 1);
		vsw_overlay_destroy(bed.ov);
	}
	for (unsigned int i = 0; i < 2; i++) {
		up(VSW_OVERLAY_VXLAN, i, false);
		ovbed_tick(&bed); /* announces, and asks for two next hops */
		vsw_overlay_destroy(bed.ov);
	}
	pcap_dump_close(dump);
}

/* One line a frame. Checksums: 1 is good, 3 is not there. */
static const char *const want[] = {
	"eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:udp:data|5000||3,1|",
	"eth:ethertype:ipv6:udp:vxlan:eth:ethertype:ipv6:udp:data|5000||1,1|",
	"eth:ethertype:ip:udp:geneve:eth:ethertype:ip:udp:data||0x001388|3,1|",
	"eth:ethertype:ipv6:udp:geneve:eth:ethertype:ipv6:udp:data||0x001388|1,1|",
	"eth:ethertype:arp||||",
	"eth:ethertype:arp||||",
	"eth:ethertype:arp||||",
	"eth:ethertype:ipv6:icmpv6||||1",
	"eth:ethertype:ipv6:icmpv6||||1",
	"eth:ethertype:ipv6:icmpv6||||1",
};

static FILE *tshark(const char *args)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd),
		 "tshark -r %s -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE %s 2>/dev/null",
		 path, args);
	return popen(cmd, "r");
}

static bool line_get(FILE *f, char *line, int size)
{
	if (!fgets(line, size, f))
		return false;
	line[strcspn(line, "\n")] = 0;
	return true;
}

static void lines_check(void)
{
	FILE *f = tshark("-T fields -E separator='|' -e frame.protocols -e vxlan.vni -e geneve.vni "
			 "-e udp.checksum.status -e icmpv6.checksum.status");
	unsigned int i, n = sizeof(want) / sizeof(want[0]);
	char line[512];

	for (i = 0; i < n; i++) {
		cr_assert(line_get(f, line, sizeof(line)), "line %u is missing", i);
		cr_assert_str_eq(line, want[i]);
	}
	cr_assert_not(line_get(f, line, sizeof(line)), "one frame too many: %s", line);
	pclose(f);
}

static void nothing_is_wrong(const char *filter)
{
	char args[256], line[512];
	FILE *f;

	snprintf(args, sizeof(args), "-Y '%s'", filter);
	f = tshark(args);
	cr_assert_not(line_get(f, line, sizeof(line)), "%s: %s", filter, line);
	pclose(f);
}

Test(vsw_overlay_tshark, agrees_with_what_is_sent)
{
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 65535);
	int fd;

	if (system("tshark --version >/dev/null 2>&1"))
		cr_skip_test("tshark is not installed");
	fd = scratch_file(path, "overlay");
	file_make(p);
	lines_check();
	nothing_is_wrong("_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0");
	nothing_is_wrong("_ws.expert.severity >= 6291456"); /* warnings, errors */
	unlink(path);
	close(fd);
	pcap_close(p);
}
