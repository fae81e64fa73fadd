/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/capture_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { BLOCK_HEAD = 0x0A0D0D0A, BLOCK_IFACE = 1, BLOCK_PACKET = 6 };
enum { OPT_END = 0, OPT_COMMENT = 1, OPT_IF_NAME = 2 };

#define BYTE_ORDER_MAGIC 0x1A2B3C4Du

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v)); /* our own writer's byte order */
	return v;
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Option @code of the list in [@p, @p + @n) as text. False: it is not there. */
static bool option_text(const uint8_t *p, size_t n, uint16_t code, char *out, size_t size)
{
	while (n >= 4) {
		uint16_t is = get16(p), len = get16(p + 2);
		size_t step = 4 + (((size_t)len + 3) & ~(size_t)3);

		if (is == OPT_END || step > n)
			return false;
		if (is == code) {
			size_t keep = len < size ? len : size - 1;

			memcpy(out, p + 4, keep);
			out[keep] = 0;
			return true;
		}
		p += step;
		n -= step;
	}
	return false;
}

static int take_iface(struct capture_reader *r, const uint8_t *body, size_t n)
{
	char(*list)[32];

	if (n < 8 || r->nr_ifaces == CAPTURE_IFACES_MAX)
		return err_set(-EINVAL, "capture: more than %u interfaces", CAPTURE_IFACES_MAX);
	list = realloc(r->iface, (r->nr_ifaces + 1) * sizeof(*list));
	if (!list)
		return err_set(-ENOMEM, "capture: out of memory");
	r->iface = list;
	if (!option_text(body + 8, n - 8, OPT_IF_NAME, list[r->nr_ifaces], sizeof(*list)))
		strcpy(list[r->nr_ifaces], "?");
	r->nr_ifaces++;
	return 0;
}

static int take_packet(const struct capture_reader *r, const uint8_t *body, size_t n,
		       void (*fn)(const struct capture_packet *p, void *ctx), void *ctx)
{
	struct capture_packet p = {.iface = "?"};
	size_t padded;
	uint32_t iface;

	if (n < 20)
		return err_set(-EINVAL, "capture: a packet block of %zu bytes", n);
	iface = get32(body);
	p.ns = (uint64_t)get32(body + 4) << 32 | get32(body + 8);
	p.cap = get32(body + 12);
	p.len = get32(body + 16);
	p.bytes = body + 20;
	padded = ((size_t)p.cap + 3) & ~(size_t)3;
	if (padded > n - 20)
		return err_set(-EINVAL, "capture: %u bytes in a packet block of %zu", p.cap, n);
	if (iface < r->nr_ifaces)
		p.iface = r->iface[iface];
	option_text(body + 20 + padded, n - 20 - padded, OPT_COMMENT, p.comment, sizeof(p.comment));
	fn(&p, ctx);
	return 0;
}

/* The block at @at of @len bytes, which are all there. */
static int take_block(struct capture_reader *r, const uint8_t *at, uint32_t len,
		      void (*fn)(const struct capture_packet *p, void *ctx), void *ctx)
{
	switch (get32(at)) {
	case BLOCK_HEAD:
		if (len < 28 || get32(at + 8) != BYTE_ORDER_MAGIC)
			return err_set(-EINVAL, "capture: of another byte order");
		r->nr_ifaces = 0;
		return 0;
	case BLOCK_IFACE: return take_iface(r, at + 8, len - 12);
	case BLOCK_PACKET: return take_packet(r, at + 8, len - 12, fn, ctx);
	default: return 0;
	}
}

static int append(struct capture_reader *r, const void *data, size_t len)
{
	size_t cap = r->cap ? r->cap : 65536;
	uint8_t *grown;

	while (cap < r->len + len)
		cap *= 2;
	grown = cap == r->cap ? r->buf : realloc(r->buf, cap);
	if (!grown)
		return err_set(-ENOMEM, "capture: out of memory");
	r->buf = grown;
	r->cap = cap;
	memcpy(r->buf + r->len, data, len);
	r->len += len;
	return 0;
}

int capture_feed(struct capture_reader *r, const void *data, size_t len,
		 void (*fn)(const struct capture_packet *p, void *ctx), void *ctx)
{
	int rc = append(r, data, len);
	size_t done = 0;

	while (!rc && r->len - done >= 12) {
		uint32_t size = get32(r->buf + done + 4);

		if (size < 12 || size % 4 || size > CAPTURE_BLOCK_MAX)
			return err_set(-EINVAL, "capture: a block of %u bytes", size);
		if (size > r->len - done)
			break;
		rc = take_block(r, r->buf + done, size, fn, ctx);
		done += size;
	}
	memmove(r->buf, r->buf + done, r->len - done);
	r->len -= done;
	return rc;
}

void capture_fini(struct capture_reader *r)
{
	free(r->buf);
	free(r->iface);
	memset(r, 0, sizeof(*r));
}
