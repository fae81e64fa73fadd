/* SPDX-License-Identifier: BSD-3-Clause */
/* Key-value pairs: walks through the guest's pool of what it tells of itself (name, system, addresses)
 * now and then. All of it is the guest's word, made safe to print. A guest without its daemon answers
 * each request by a failure after half a minute; it is asked again, patiently. */
#include "vmbus/vsp/services.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define FIRST_MS  5000
#define PERIOD_MS 30000

static const struct ic_version versions[] = {{1, 0}, {3, 0}, {4, 0}};

/* ---- Text ----------------------------------------------------------------------------------- */

/* Control characters, and those that turn the direction of what is printed around them. */
static bool is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) ||
	       (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
	       (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF);
}

/* The character at @at; what has no other half is a question mark. */
static uint32_t next_char(const uint8_t *utf16, uint32_t len, uint32_t *at)
{
	uint32_t c = utf16[*at] | (uint32_t)utf16[*at + 1] << 8, low;

	*at += 2;
	if (c < 0xD800 || c > 0xDFFF)
		return c;
	if (c > 0xDBFF || len - *at < 2)
		return '?';
	low = utf16[*at] | (uint32_t)utf16[*at + 1] << 8;
	if (low < 0xDC00 || low > 0xDFFF)
		return '?';
	*at += 2;
	return 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
}

static uint32_t put_utf8(uint8_t *out, uint32_t c)
{
	static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
	uint32_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (n == 1) {
		out[0] = (uint8_t)c;
		return 1;
	}
	for (uint32_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3F));
	out[0] = (uint8_t)(lead[n] | c);
	return n;
}

void kvp_text(char *out, uint32_t size, const uint8_t *utf16, uint32_t len)
{
	uint32_t at = 0, to = 0;

	while (len - at >= 2) {
		uint8_t utf8[4];
		uint32_t c = next_char(utf16, len, &at), n;

		if (!c)
			break;
		n = put_utf8(utf8, is_unsafe(c) ? '?' : c);
		if (n >= size - to)
			break;
		memcpy(out + to, utf8, n);
		to += n;
	}
	out[to] = '\0';
}

int kvp_decode(struct vsp_kvp_pair *out, const struct ic_kvp_enumerate *m)
{
	uint64_t number = 0;

	if (m->key_size > IC_KVP_KEY_MAX || m->value_size > IC_KVP_VALUE_MAX)
		return err_set(-EPROTO, "key of %u bytes, value of %u", m->key_size, m->value_size);
	kvp_text(out->key, sizeof(out->key), m->key, m->key_size);
	switch (m->value_type) {
	case IC_KVP_STRING:
		kvp_text(out->value, sizeof(out->value), m->value, m->value_size);
		return 0;
	case IC_KVP_U32: memcpy(&number, m->value, 4); break;
	case IC_KVP_U64_LINUX:
	case IC_KVP_U64: memcpy(&number, m->value, 8); break;
	default: return err_set(-EPROTO, "value of type %u", m->value_type);
	}
	snprintf(out->value, sizeof(out->value), "%llu", (unsigned long long)number);
	return 0;
}

/* ---- Service -------------------------------------------------------------------------------- */

static void reset(struct ic *ic)
{
	struct kvp *k = (struct kvp *)ic;

	k->index = k->nr_next = k->nr = 0;
	k->seen_ms = -1;
}

static void ready(struct ic *ic, int64_t now_ms)
{
	ic->deadline_ms = now_ms + FIRST_MS;
}

static int due(struct ic *ic, int64_t now_ms)
{
	struct ic_kvp_enumerate m = {
		.op = IC_KVP_ENUMERATE,
		.pool = IC_KVP_POOL_AUTO,
		.index = ((struct kvp *)ic)->index,
	};

	return ic_request(ic, &m, sizeof(m));
}

/* The end of an enumeration. One that told nothing at all changes nothing: the guest's daemon may be
 * away for a moment. */
static void finish(struct kvp *k, int64_t now_ms)
{
	if (k->nr_next) {
		memcpy(k->pair, k->next, k->nr_next * sizeof(k->pair[0]));
		k->nr = k->nr_next;
		k->seen_ms = now_ms;
	}
	k->index = k->nr_next = 0;
	k->ic.deadline_ms = now_ms + PERIOD_MS;
}

static int answered(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t len,
		    int64_t now_ms)
{
	struct kvp *k = (struct kvp *)ic;
	struct ic_kvp_enumerate m;
	int rc;

	if (status) {
		finish(k, now_ms);
		return 0;
	}
	if (len < sizeof(m))
		return err_set(-EPROTO, "key-value message of %u bytes, want %zu", len, sizeof(m));
	memcpy(&m, body, sizeof(m));
	rc = kvp_decode(&k->next[k->nr_next], &m);
	if (rc)
		return rc;
	k->nr_next += k->next[k->nr_next].key[0] != '\0';
	k->index++;
	if (k->index == VSP_KVP_MAX)
		finish(k, now_ms);
	else
		ic->deadline_ms = now_ms;
	return 0;
}

const struct ic_service kvp_service = {
	.name = "kvp",
	.type = IC_MSG_KVP,
	.if_type = IC_CLASS_KVP,
	/* 242ff919-07db-4180-9c2e-b86cb68c8c55 */
	.if_instance = {0x242ff919,
			0x07db,
			0x4180,
			{0x9c, 0x2e, 0xb8, 0x6c, 0xb6, 0x8c, 0x8c, 0x55}},
	.version = versions,
	.nr_versions = sizeof(versions) / sizeof(versions[0]),
	.reset = reset,
	.ready = ready,
	.due = due,
	.answered = answered,
};
