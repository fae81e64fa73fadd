// SPDX-License-Identifier: BSD-3-Clause
/* Lists of blobs, and their form as one piece of memory. A header, then for each blob a record and its
 * data, filled up with zeros to 8 bytes. All numbers little-endian. There is one form of a list only:
 * what was parsed packs to the same bytes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/objects.h"
#include "vswitch/ext/rtd.h"

struct stream_head {
	char magic[8];
	uint32_t version;
	uint32_t nr_blobs;
	uint64_t len; /* of all, this header included */
};

struct stream_blob {
	uint16_t port, nic;
	uint32_t version;
	struct nethv_guid ext, feature;
	char name[32]; /* zeros behind it */
	uint32_t len;
	uint32_t reserved;
};

_Static_assert(sizeof(struct stream_head) == 24, "");
_Static_assert(sizeof(struct stream_blob) == 80, "");

static const char magic[8] = "nethvRTD";

#define STREAM_VERSION 1u

static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

void vsw_rtd_free(struct vsw_rtd *r)
{
	unsigned int i;

	for (i = 0; i < r->n; i++)
		free(r->blob[i].data);
	free(r->blob);
	*r = (struct vsw_rtd){0};
}

static bool is_same(const struct vsw_blob *a, const struct vsw_blob *b)
{
	return a->port == b->port && a->nic == b->nic &&
	       memcmp(&a->ext, &b->ext, sizeof(a->ext)) == 0 &&
	       memcmp(&a->feature, &b->feature, sizeof(a->feature)) == 0 &&
	       strncmp(a->name, b->name, sizeof(a->name)) == 0;
}

const struct vsw_blob *vsw_rtd_find(const struct vsw_rtd *r, const struct vsw_blob *same)
{
	unsigned int i;

	for (i = 0; i < r->n; i++) {
		if (is_same(&r->blob[i], same))
			return &r->blob[i];
	}
	return NULL;
}

static int room_make(struct vsw_rtd *r)
{
	unsigned int room = r->room ? 2 * r->room : 8;
	struct vsw_blob *b;

	if (r->n < r->room)
		return 0;
	b = realloc(r->blob, room * sizeof(*b));
	if (!b)
		return err_set(-ENOMEM, "run-time data: no memory for %u blobs", room);
	r->blob = b;
	r->room = room;
	return 0;
}

int vsw_rtd_add(struct vsw_rtd *r, const struct vsw_blob *b)
{
	struct vsw_blob copy = *b;
	int rc;

	if (r->n >= VSW_BLOBS_MAX || b->len > VSW_ANSWER_MAX)
		return err_set(
			-EMSGSIZE,
			"run-time data: blob %u of %u bytes; %u blobs of %u bytes are the most",
			r->n, b->len, VSW_BLOBS_MAX, VSW_ANSWER_MAX);
	if (vsw_rtd_find(r, b))
		return err_set(-EEXIST,
			       "run-time data: a blob of %.31s for port %u, adapter %u is there",
			       b->name, b->port, b->nic);
	rc = room_make(r);
	if (rc)
		return rc;
	copy.data = malloc(b->len ? b->len : 1);
	if (!copy.data)
		return err_set(-ENOMEM, "run-time data: no memory for %u bytes", b->len);
	if (b->len)
		memcpy(copy.data, b->data, b->len);
	r->blob[r->n++] = copy;
	r->bytes += b->len;
	return 0;
}

/* ---- The stream ----------------------------------------------------------------------------- */

static uint8_t *pack_blob(uint8_t *at, const struct vsw_blob *b)
{
	struct stream_blob sb = {.port = b->port,
				 .nic = b->nic,
				 .version = b->version,
				 .ext = b->ext,
				 .feature = b->feature,
				 .len = b->len};

	memcpy(sb.name, b->name, strnlen(b->name, sizeof(sb.name) - 1));
	memcpy(at, &sb, sizeof(sb));
	memcpy(at + sizeof(sb), b->data, b->len);
	return at + sizeof(sb) + padded(b->len);
}

int vsw_rtd_pack(const struct vsw_rtd *r, void **out, size_t *len)
{
	struct stream_head h = {.version = STREAM_VERSION, .nr_blobs = r->n, .len = sizeof(h)};
	uint8_t *buf, *at;
	unsigned int i;

	memcpy(h.magic, magic, sizeof(magic));
	for (i = 0; i < r->n; i++)
		h.len += sizeof(struct stream_blob) + padded(r->blob[i].len);
	buf = calloc(1, h.len);
	if (!buf)
		return err_set(-ENOMEM, "run-time data: no memory for %zu bytes", (size_t)h.len);
	memcpy(buf, &h, sizeof(h));
	at = buf + sizeof(h);
	for (i = 0; i < r->n; i++)
		at = pack_blob(at, &r->blob[i]);
	*out = buf;
	*len = h.len;
	return 0;
}

static int head_check(const struct stream_head *h, size_t len)
{
	if (memcmp(h->magic, magic, sizeof(magic)) != 0)
		return err_set(-EBADMSG, "run-time data: it does not begin with %.8s", magic);
	if (h->version != STREAM_VERSION)
		return err_set(-EBADMSG, "run-time data: version %u, want %u", h->version,
			       STREAM_VERSION);
	if (h->len != len)
		return err_set(-EBADMSG, "run-time data: %zu bytes, its header says %llu", len,
			       (unsigned long long)h->len);
	if (h->nr_blobs > VSW_BLOBS_MAX)
		return err_set(-EMSGSIZE, "run-time data: %u blobs, %u are the most", h->nr_blobs,
			       VSW_BLOBS_MAX);
	return 0;
}

static bool is_zero(const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n > 0 && *b == 0) {
		b++;
		n--;
	}
	return n == 0;
}

static int blob_check(const struct stream_blob *sb, unsigned int i)
{
	size_t name_len = strnlen(sb->name, sizeof(sb->name));

	if (sb->port >= NETHV_PORTS_MAX || sb->nic > NETHV_NICS_MAX)
		return err_set(-EBADMSG, "run-time data: blob %u: port %u, adapter %u", i, sb->port,
			       sb->nic);
	if (name_len == sizeof(sb->name) || sb->reserved ||
	    !is_zero(sb->name + name_len, sizeof(sb->name) - name_len))
		return err_set(
			-EBADMSG,
			"run-time data: blob %u: its name has no end, or more than zeros behind it",
			i);
	if (sb->len > VSW_ANSWER_MAX)
		return err_set(-EMSGSIZE, "run-time data: blob %u: %u bytes, %u are the most", i,
			       sb->len, VSW_ANSWER_MAX);
	return 0;
}

/* The next blob at *@at, of which *@left bytes are left. */
static int parse_blob(struct vsw_rtd *out, const uint8_t **at, size_t *left)
{
	struct stream_blob sb;
	struct vsw_blob b;
	int rc;

	if (*left < sizeof(sb))
		return err_set(-EBADMSG, "run-time data: blob %u: %zu bytes are left", out->n,
			       *left);
	memcpy(&sb, *at, sizeof(sb));
	*at += sizeof(sb);
	*left -= sizeof(sb);
	rc = blob_check(&sb, out->n);
	if (rc)
		return rc;
	if (padded(sb.len) > *left || !is_zero(*at + sb.len, padded(sb.len) - sb.len))
		return err_set(
			-EBADMSG,
			"run-time data: blob %u: %u bytes and zeros to a multiple of 8, %zu are left",
			out->n, sb.len, *left);
	b = (struct vsw_blob){.port = sb.port,
			      .nic = sb.nic,
			      .version = sb.version,
			      .ext = sb.ext,
			      .feature = sb.feature,
			      .len = sb.len,
			      .data = (void *)*at};
	memcpy(b.name, sb.name, sizeof(b.name));
	*at += padded(sb.len);
	*left -= padded(sb.len);
	rc = vsw_rtd_add(out, &b);
	return rc == -EEXIST ? -EBADMSG : rc;
}

int vsw_rtd_parse(struct vsw_rtd *out, const void *in, size_t len)
{
	const uint8_t *at = in;
	struct stream_head h;
	unsigned int i;
	int rc;

	*out = (struct vsw_rtd){0};
	if (len < sizeof(h))
		return err_set(-EBADMSG, "run-time data: %zu bytes, its header has %zu", len,
			       sizeof(h));
	memcpy(&h, at, sizeof(h));
	rc = head_check(&h, len);
	at += sizeof(h);
	len -= sizeof(h);
	for (i = 0; i < h.nr_blobs && rc == 0; i++)
		rc = parse_blob(out, &at, &len);
	if (rc == 0 && len)
		rc = err_set(-EBADMSG, "run-time data: %zu bytes behind the last blob", len);
	if (rc)
		vsw_rtd_free(out);
	return rc;
}
