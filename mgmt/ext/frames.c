/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading frames. */
#include "mgmt/ext/frames.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "base/err.h"

#define GROW_FRAMES 1024u
#define GROW_BYTES  (1u << 20)
#define NS	    1000000000ull
#define TAG_LEN	    4u
#define MACS_LEN    12u

void frames_fini(struct frames *f)
{
	free(f->frame);
	free(f->bytes);
	memset(f, 0, sizeof(*f));
}

static int make_room(struct frames *f, uint32_t len)
{
	void *p;

	if (f->n == FRAMES_MAX || f->nr_bytes + len > FRAMES_BYTES_MAX)
		return err_set(-EFBIG, "more than %u frames or %llu MiB of them", FRAMES_MAX,
			       FRAMES_BYTES_MAX >> 20);
	if (f->n == f->room) {
		p = realloc(f->frame, (f->room * 2ull + GROW_FRAMES) * sizeof(*f->frame));
		if (!p)
			return err_set(-ENOMEM, "no memory for frames");
		f->frame = p;
		f->room = f->room * 2 + GROW_FRAMES;
	}
	if (f->nr_bytes + len > f->bytes_room) {
		p = realloc(f->bytes, f->bytes_room * 2 + len + GROW_BYTES);
		if (!p)
			return err_set(-ENOMEM, "no memory for frames");
		f->bytes = p;
		f->bytes_room = f->bytes_room * 2 + len + GROW_BYTES;
	}
	return 0;
}

int frames_add(struct frames *f, const void *bytes, uint32_t len, uint64_t ts_ns, uint16_t port)
{
	int rc = make_room(f, len);

	if (rc)
		return rc;
	f->frame[f->n++] = (struct frame){f->nr_bytes, len, len, ts_ns, port};
	if (len) /* an empty frame may have no bytes at all */
		memcpy(f->bytes + f->nr_bytes, bytes, len);
	f->nr_bytes += len;
	return 0;
}

int frames_add_tagged(struct frames *f, const uint8_t *bytes, uint32_t len, int32_t tci,
		      uint64_t ts_ns, uint16_t port)
{
	const uint8_t tag[TAG_LEN] = {0x81, 0, (uint8_t)(tci >> 8), (uint8_t)tci};
	struct frame *fr;
	uint8_t *to;
	int rc;

	if (tci < 0 || len < MACS_LEN)
		return frames_add(f, bytes, len, ts_ns, port);
	rc = make_room(f, len + TAG_LEN);
	if (rc)
		return rc;
	fr = &f->frame[f->n++];
	*fr = (struct frame){f->nr_bytes, len + TAG_LEN, len + TAG_LEN, ts_ns, port};
	to = f->bytes + f->nr_bytes;
	memcpy(to, bytes, MACS_LEN);
	memcpy(to + MACS_LEN, tag, TAG_LEN);
	memcpy(to + MACS_LEN + TAG_LEN, bytes + MACS_LEN, len - MACS_LEN);
	f->nr_bytes += fr->len;
	return 0;
}

static int add_captured(struct frames *f, const struct pcap_pkthdr *h, const u_char *bytes,
			uint16_t port)
{
	uint64_t ts = (uint64_t)h->ts.tv_sec * NS + (uint64_t)h->ts.tv_usec; /* nanoseconds */
	int rc;

	if (h->caplen > FRAME_LEN_MAX)
		return err_set(-EFBIG, "%u bytes, want up to %u", h->caplen, FRAME_LEN_MAX);
	rc = frames_add(f, bytes, h->caplen, ts, port);
	if (rc)
		return rc;
	f->frame[f->n - 1].wire_len = h->len;
	f->nr_cut += h->len > h->caplen;
	return 0;
}

static int read_all(struct frames *f, pcap_t *p, const char *path, uint16_t port)
{
	struct pcap_pkthdr *h;
	const u_char *bytes;
	uint32_t no = 0;
	int rc;

	if (pcap_datalink(p) != DLT_EN10MB)
		return err_set(-EINVAL,
			       "%s: link type %s, want Ethernet; capture on one interface, "
			       "not on \"any\"",
			       path, pcap_datalink_val_to_name(pcap_datalink(p)) ?: "unknown");
	while ((rc = pcap_next_ex(p, &h, &bytes)) == 1) {
		no++;
		rc = add_captured(f, h, bytes, port);
		if (rc) {
			err_prefix("%s: packet %u", path, no);
			return rc;
		}
	}
	return rc == PCAP_ERROR_BREAK
		       ? 0
		       : err_set(-EINVAL, "%s: behind packet %u: %s", path, no, pcap_geterr(p));
}

int frames_read(struct frames *f, const char *path, uint16_t port)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	int rc;

	if (!p)
		return err_set(-EINVAL, "%s%s%s", strstr(why, path) ? "" : path,
			       strstr(why, path) ? "" : ": ", why);
	rc = read_all(f, p, path, port);
	pcap_close(p);
	return rc;
}

/* ---- Text ----------------------------------------------------------------------------------- */

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* One line's digits, appended to @buf. The bytes there are then, or -1. */
static int64_t hex_line(const char *s, const char *end, uint8_t *buf, uint32_t n)
{
	while (s < end && *s != '#') {
		if (isspace((unsigned char)*s)) {
			s++;
			continue;
		}
		if (end - s < 2 || digit(s[0]) < 0 || digit(s[1]) < 0 || n == FRAME_LEN_MAX)
			return -1;
		buf[n++] = (uint8_t)(digit(s[0]) << 4 | digit(s[1]));
		s += 2;
	}
	return n;
}

static int hex_frame_end(struct frames *f, const uint8_t *buf, int64_t *n)
{
	int rc = *n ? frames_add(f, buf, (uint32_t)*n, f->n * NS / 1000, 0) : 0;

	*n = 0;
	return rc;
}

int frames_from_hex(struct frames *f, const char *text, const char *name)
{
	uint8_t *buf = malloc(FRAME_LEN_MAX);
	int64_t n = 0;
	int rc = buf ? 0 : err_set(-ENOMEM, "%s: no memory", name);

	for (unsigned int no = 1; !rc && *text; no++) {
		const char *end = strchrnul(text, '\n');

		if (!isspace((unsigned char)*text) && *text != '#')
			rc = hex_frame_end(f, buf, &n);
		n = rc ? n : hex_line(text, end, buf, (uint32_t)n);
		if (n < 0)
			rc = err_set(-EINVAL, "%s:%u: want pairs of hexadecimal digits", name, no);
		text = *end ? end + 1 : end;
	}
	if (!rc)
		rc = hex_frame_end(f, buf, &n);
	free(buf);
	return rc;
}

/* ---- Order ---------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;

	if (x->ts_ns != y->ts_ns)
		return x->ts_ns < y->ts_ns ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at; /* as they were added */
}

void frames_sort(struct frames *f)
{
	if (f->n)
		qsort(f->frame, f->n, sizeof(*f->frame), by_time);
}
