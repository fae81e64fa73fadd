/* SPDX-License-Identifier: BSD-3-Clause */
/* The ACL benchmark's rules and frames as files that other switches read. */
#include "acl_files.h"

#include <errno.h>
#include <stdio.h>

#include <pcap/pcap.h>

#include "base/err.h"

static int finish(FILE *f, const char *path)
{
	const int bad = ferror(f);

	return fclose(f) || bad ? err_set(-EIO, "%s: cannot be written", path) : 0;
}

/* ---- OpenFlow --------------------------------------------------------------------------------- */

static void put_prefix(FILE *f, const char *field, const struct vsw_acl_prefix *p)
{
	if (p->len)
		fprintf(f, ",%s=%u.%u.%u.%u/%u", field, p->addr[0], p->addr[1], p->addr[2],
			p->addr[3], p->len);
}

static void put_proto(FILE *f, uint8_t proto)
{
	if (proto == 6 || proto == 17)
		fputs(proto == 6 ? ",tcp" : ",udp", f);
	else if (proto)
		fprintf(f, ",ip,nw_proto=%u", proto);
	else
		fputs(",ip", f);
}

/* Ports that one value and mask can say, from @first on and none above @last: how many. */
static uint32_t block(uint32_t first, uint32_t last)
{
	uint32_t n = 1;

	while (first % (2 * n) == 0 && first + 2 * n - 1 <= last)
		n *= 2;
	return n;
}

static void put_flow(FILE *f, const struct vsw_acl_rule *r, uint32_t i, bool stateful)
{
	fprintf(f, "cookie=%#x,table=%u,priority=%u", i + 1, stateful, VSW_ACL_RULES_MAX - i);
	put_proto(f, r->proto);
	put_prefix(f, "nw_src", &r->src);
	put_prefix(f, "nw_dst", &r->dst);
}

static void put_action(FILE *f, const struct vsw_acl_rule *r, bool stateful)
{
	if (r->action == VSW_ACL_DENY)
		fputs(",actions=drop\n", f);
	else if (stateful)
		fputs(",actions=ct(commit,exec(set_field:1->ct_mark)),output:2\n", f);
	else
		fputs(",actions=output:2\n", f);
}

/* A range of ports becomes as many flows as it takes; they do not overlap, so one priority does. */
static void put_rule(FILE *f, const struct vsw_acl_rule *r, uint32_t i, bool stateful)
{
	uint32_t port = r->dst_port.first, n;

	if (!r->dst_port.last) {
		put_flow(f, r, i, stateful);
		put_action(f, r, stateful);
		return;
	}
	for (; port <= r->dst_port.last; port += n) {
		n = block(port, r->dst_port.last);
		put_flow(f, r, i, stateful);
		fprintf(f, ",tp_dst=%#x/%#x", port, 0x10000 - n);
		put_action(f, r, stateful);
	}
}

/* A mark says that the connection was permitted: OVS calls one "established" only after an answer. */
static void put_tracking(FILE *f)
{
	fputs("table=0,priority=1,ip,actions=ct(table=1)\n"
	      "table=1,priority=65535,ct_state=+trk-inv,ct_mark=1,ip,actions=output:2\n",
	      f);
}

int acl_write_openflow(const char *path, const struct vsw_acl_rule *rule, uint32_t n, bool stateful)
{
	FILE *f = fopen(path, "w");
	uint32_t i;

	if (!f)
		return err_set(-errno, "%s: cannot be opened for writing", path);
	if (stateful)
		put_tracking(f);
	for (i = 0; i < n; i++)
		put_rule(f, &rule[i], i, stateful);
	return finish(f, path);
}

/* ---- pcap ------------------------------------------------------------------------------------- */

int acl_write_pcap(const char *path, const uint8_t (*frame)[ACL_FRAME], const uint32_t *order,
		   uint32_t n)
{
	const struct pcap_pkthdr hdr = {.caplen = ACL_FRAME, .len = ACL_FRAME};
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 65535);
	pcap_dumper_t *d = p ? pcap_dump_open(p, path) : NULL;
	uint32_t i;
	int bad;

	if (!d) {
		err_set(-EIO, "%s: %s", path, p ? pcap_geterr(p) : "no memory");
		if (p)
			pcap_close(p);
		return -EIO;
	}
	for (i = 0; i < n; i++)
		pcap_dump((u_char *)d, &hdr, frame[order[i]]);
	bad = pcap_dump_flush(d) || ferror(pcap_dump_file(d));
	pcap_dump_close(d);
	pcap_close(p);
	return bad ? err_set(-EIO, "%s: cannot be written", path) : 0;
}
