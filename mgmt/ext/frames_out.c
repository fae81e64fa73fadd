/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing frames: pcap with nanoseconds (magic number A1B23C4D), and pcapng (draft-ietf-opsawg-pcapng:
 * section header, an interface description for each port with its name and nanoseconds, enhanced packet
 * blocks). libpcap writes no pcapng. All in the byte order of this machine. */
#include "mgmt/ext/frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define LINKTYPE_ETHER	1u
#define SNAPLEN		262144u
#define NS		1000000000ull
#define PCAP_MAGIC_NS	0xA1B23C4Du
#define NG_SECTION	0x0A0D0D0Au
#define NG_BYTE_ORDER	0x1A2B3C4Du
#define NG_INTERFACE	1u
#define NG_PACKET	6u
#define NG_OPT_IF_NAME	2u
#define NG_OPT_TSRESOL	9u
#define NG_TSRESOL_NANO 9u

struct frames_out {
	FILE *f;
	char *path;
	bool is_ng;
};

static void put32(FILE *f, uint32_t v)
{
	fwrite(&v, sizeof(v), 1, f);
}

static void put16x2(FILE *f, uint16_t a, uint16_t b)
{
	fwrite(&a, sizeof(a), 1, f);
	fwrite(&b, sizeof(b), 1, f);
}

static uint32_t padded(uint32_t len)
{
	return (len + 3) & ~3u;
}

static void put_padded(FILE *f, const void *bytes, uint32_t len)
{
	static const uint8_t zero[4];

	fwrite(bytes, 1, len, f);
	fwrite(zero, 1, padded(len) - len, f);
}

static void ng_begin(FILE *f, const char *const *port, uint32_t nr_ports)
{
	const uint8_t resol = NG_TSRESOL_NANO;

	put32(f, NG_SECTION);
	put32(f, 28);
	put32(f, NG_BYTE_ORDER);
	put16x2(f, 1, 0);     /* version */
	put32(f, 0xFFFFFFFF); /* length of the section: not known */
	put32(f, 0xFFFFFFFF);
	put32(f, 28);
	for (uint32_t i = 0; i < nr_ports; i++) {
		uint32_t name_len = (uint32_t)strlen(port[i]);
		uint32_t len = 20 + 4 + padded(name_len) + 8 + 4;

		put32(f, NG_INTERFACE);
		put32(f, len);
		put16x2(f, LINKTYPE_ETHER, 0);
		put32(f, SNAPLEN);
		put16x2(f, NG_OPT_IF_NAME, (uint16_t)name_len);
		put_padded(f, port[i], name_len);
		put16x2(f, NG_OPT_TSRESOL, 1);
		put_padded(f, &resol, 1);
		put32(f, 0); /* end of options */
		put32(f, len);
	}
}

static void pcap_begin(FILE *f)
{
	put32(f, PCAP_MAGIC_NS);
	put16x2(f, 2, 4); /* version */
	put32(f, 0);
	put32(f, 0);
	put32(f, SNAPLEN);
	put32(f, LINKTYPE_ETHER);
}

int frames_out_open(struct frames_out **out, const char *path, const char *const *port,
		    uint32_t nr_ports)
{
	struct frames_out *o = calloc(1, sizeof(*o));
	const char *dot = strrchr(path, '.');
	int rc;

	if (!o || !(o->path = strdup(path))) {
		free(o);
		return err_set(-ENOMEM, "%s: no memory", path);
	}
	o->is_ng = dot && !strcmp(dot, ".pcapng");
	o->f = fopen(path, "we");
	if (!o->f) {
		rc = err_sys(-errno, "%s", path);
		free(o->path);
		free(o);
		return rc;
	}
	if (o->is_ng)
		ng_begin(o->f, port, nr_ports);
	else
		pcap_begin(o->f);
	*out = o;
	return 0;
}

void frames_out_put(struct frames_out *o, uint32_t port, uint64_t ts_ns, const uint8_t *bytes,
		    uint32_t len)
{
	FILE *f = o->f;

	if (!o->is_ng) {
		put32(f, (uint32_t)(ts_ns / NS));
		put32(f, (uint32_t)(ts_ns % NS));
		put32(f, len);
		put32(f, len);
		fwrite(bytes, 1, len, f);
		return;
	}
	put32(f, NG_PACKET);
	put32(f, 32 + padded(len));
	put32(f, port);
	put32(f, (uint32_t)(ts_ns >> 32));
	put32(f, (uint32_t)ts_ns);
	put32(f, len);
	put32(f, len);
	put_padded(f, bytes, len);
	put32(f, 32 + padded(len));
}

int frames_out_close(struct frames_out *o)
{
	int rc = 0;

	if (!o)
		return 0;
	if (ferror(o->f))
		rc = err_sys(-EIO, "%s", o->path);
	if (fclose(o->f) && !rc)
		rc = err_sys(-errno, "%s", o->path);
	free(o->path);
	free(o);
	return rc;
}
