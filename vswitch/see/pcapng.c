/* SPDX-License-Identifier: BSD-3-Clause */
/* pcapng (IETF draft-ietf-opsawg-pcapng): Section Header, Interface Description, Enhanced Packet and
 * Interface Statistics Blocks, in the byte order of this machine. A block is put together at the
 * buffer's end and counts only when it is complete. */
#include "vswitch/see/pcapng.h"

#include <string.h>

#define BLOCK_SHB 0x0A0D0D0Au
#define BLOCK_IDB 1u
#define BLOCK_ISB 5u
#define BLOCK_EPB 6u
#define MAGIC	  0x1A2B3C4Du
#define ETHERNET  1u
#define TEXT_MAX  4000u

enum {
	OPT_END = 0,
	OPT_COMMENT = 1,
	OPT_SHB_PROGRAM = 4,
	OPT_IF_NAME = 2,
	OPT_IF_TSRESOL = 9,
	OPT_EPB_FLAGS = 2,
	OPT_ISB_START = 2,
	OPT_ISB_END = 3,
	OPT_ISB_RECEIVED = 4,
	OPT_ISB_DROPPED = 5,
};

/* A block in work. */
struct block {
	struct see_buf *b;
	size_t start, len;
	bool is_full;
};

static void put(struct block *k, const void *data, size_t n)
{
	size_t pad = -n & 3;

	if (k->is_full || n > k->b->size - k->len || pad > k->b->size - k->len - n) {
		k->is_full = true;
		return;
	}
	if (n)
		memcpy(k->b->mem + k->len, data, n);
	memset(k->b->mem + k->len + n, 0, pad);
	k->len += n + pad;
}

static void put32(struct block *k, uint32_t v)
{
	put(k, &v, sizeof(v));
}

static void put_time(struct block *k, uint64_t ns)
{
	put32(k, (uint32_t)(ns >> 32));
	put32(k, (uint32_t)ns);
}

static struct block begin(struct see_buf *b, uint32_t type)
{
	struct block k = {.b = b, .start = b->len, .len = b->len};

	put32(&k, type);
	put32(&k, 0); /* total length: set by end() */
	return k;
}

static bool end(struct block *k)
{
	uint32_t total = (uint32_t)(k->len - k->start + 4);

	put32(k, total);
	if (k->is_full)
		return false;
	memcpy(k->b->mem + k->start + 4, &total, sizeof(total));
	k->b->len = k->len;
	return true;
}

static void option(struct block *k, uint16_t code, const void *data, uint16_t n)
{
	uint16_t head[2] = {code, n};

	put(k, head, sizeof(head));
	put(k, data, n);
}

static void option_text(struct block *k, uint16_t code, const char *text)
{
	if (text && *text)
		option(k, code, text, (uint16_t)strnlen(text, TEXT_MAX));
}

static void option_time(struct block *k, uint16_t code, uint64_t ns)
{
	uint32_t half[2] = {(uint32_t)(ns >> 32), (uint32_t)ns};

	option(k, code, half, sizeof(half));
}

static void options_end(struct block *k)
{
	option(k, OPT_END, NULL, 0);
}

bool see_pcapng_head(struct see_buf *b, const char *program)
{
	struct block k = begin(b, BLOCK_SHB);
	uint16_t version[2] = {1, 0};
	uint64_t any_length = UINT64_MAX;

	put32(&k, MAGIC);
	put(&k, version, sizeof(version));
	put(&k, &any_length, sizeof(any_length));
	option_text(&k, OPT_SHB_PROGRAM, program);
	options_end(&k);
	return end(&k);
}

bool see_pcapng_iface(struct see_buf *b, const char *name, uint32_t snaplen)
{
	struct block k = begin(b, BLOCK_IDB);
	uint16_t link[2] = {ETHERNET, 0};
	uint8_t nanoseconds = 9;

	put(&k, link, sizeof(link));
	put32(&k, snaplen);
	option_text(&k, OPT_IF_NAME, name);
	option(&k, OPT_IF_TSRESOL, &nanoseconds, 1);
	options_end(&k);
	return end(&k);
}

bool see_pcapng_packet(struct see_buf *b, const struct see_pcapng_packet *p)
{
	struct block k = begin(b, BLOCK_EPB);
	uint32_t flags = p->dir;

	put32(&k, p->iface);
	put_time(&k, p->ns);
	put32(&k, p->cap);
	put32(&k, p->len);
	put(&k, p->bytes, p->cap);
	if (flags)
		option(&k, OPT_EPB_FLAGS, &flags, sizeof(flags));
	option_text(&k, OPT_COMMENT, p->comment);
	options_end(&k);
	return end(&k);
}

bool see_pcapng_stats(struct see_buf *b, const struct see_pcapng_stats *st)
{
	struct block k = begin(b, BLOCK_ISB);

	put32(&k, st->iface);
	put_time(&k, st->end_ns);
	option_time(&k, OPT_ISB_START, st->start_ns);
	option_time(&k, OPT_ISB_END, st->end_ns);
	option(&k, OPT_ISB_RECEIVED, &st->received, sizeof(st->received));
	option(&k, OPT_ISB_DROPPED, &st->dropped, sizeof(st->dropped));
	options_end(&k);
	return end(&k);
}
