/* SPDX-License-Identifier: BSD-3-Clause */
/* What an eBPF object says of itself: the description made by NV_EXTENSION, the sizes of its maps. All of
 * it will be printed and counted by, so texts are bounded and printable. */
#include "vswitch/ext/bpf_priv.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

static int bad(const struct bpf_obj *o, const char *what)
{
	return err_set(-ENOEXEC, "%s: %s", o->label, what);
}

static bool is_word(const char *s, size_t size, const char *letters)
{
	size_t n = strnlen(s, size);

	return n && n < size && strspn(s, letters) == n;
}

static bool is_text(const char *s, size_t size)
{
	size_t i, n = strnlen(s, size);

	for (i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == '"' || s[i] == '\\' || s[i] == 0x7f)
			return false;
	return n < size;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'		    ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : -1;
}

static bool parse_guid(struct nethv_guid *g, const char *s)
{
	unsigned int i, n = 0;
	int hi, lo;

	for (i = 0; i < 36;) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i++] != '-')
				return false;
			continue;
		}
		hi = hex_digit(s[i]);
		lo = hi < 0 ? -1 : hex_digit(s[i + 1]);
		if (lo < 0)
			return false;
		g->b[n++] = (uint8_t)(hi << 4 | lo);
		i += 2;
	}
	return !s[36];
}

static bool is_zero(const struct nethv_guid *g)
{
	static const struct nethv_guid none;

	return !memcmp(g, &none, sizeof(none));
}

static int check_lists(struct bpf_obj *o)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	const struct nv_info *info = &o->info;

	for (; o->nr_reasons < NV_REASONS_MAX; o->nr_reasons++) {
		const char *s = info->reasons[o->nr_reasons];

		if (!s[0])
			break;
		if (!is_text(s, sizeof(info->reasons[0])) || !strstr(s, ": ") ||
		    strspn(s, word) != (size_t)(strchr(s, ':') - s) || s[0] == ':')
			return err_set(-ENOEXEC, "%s: .reasons[%u] is not \"word: sentence\"",
				       o->label, o->nr_reasons);
	}
	for (; o->nr_counters < NV_COUNTERS_MAX; o->nr_counters++) {
		const char *s = info->counters[o->nr_counters];

		if (!s[0])
			break;
		if (!is_word(s, sizeof(info->counters[0]), word))
			return err_set(-ENOEXEC, "%s: .counters[%u] is not of [a-z0-9_], 1 to 31",
				       o->label, o->nr_counters);
	}
	return 0;
}

static int check_info(struct bpf_obj *o)
{
	const struct nv_info *info = &o->info;

	if (info->abi != NV_BPF_ABI || info->size < sizeof(*info))
		return err_set(-ENOEXEC, "%s: made for version %u of nethv/bpf.h, not %u", o->label,
			       info->abi, NV_BPF_ABI);
	if (info->cls == NETHV_FORWARD)
		return bad(o, "an eBPF extension is a capture or a filter; a forwarder is a shared "
			      "object (docs/extensions.md)");
	if (info->cls != NV_CAPTURE && info->cls != NV_FILTER)
		return bad(o, ".cls is not NV_CAPTURE or NV_FILTER");
	if (info->flags & ~NV_PLAIN)
		return bad(o, ".flags has an unknown bit");
	if (!is_word(info->name, sizeof(info->name), "abcdefghijklmnopqrstuvwxyz0123456789-"))
		return bad(o, ".name is not of [a-z0-9-], 1 to 31");
	if (!is_text(info->version, sizeof(info->version)) || !info->version[0])
		return bad(o, ".version is not a line of text");
	if (!is_text(info->summary, sizeof(info->summary)))
		return bad(o, ".summary is not a line of text");
	if (!parse_guid(&o->guid, info->guid) || is_zero(&o->guid))
		return bad(o, ".guid is not like 01234567-89ab-cdef-0123-456789abcdef");
	return check_lists(o);
}

static int check_maps(const struct bpf_obj *o)
{
	unsigned int i;

	for (i = 0; i < o->nr_maps; i++) {
		const struct nv_map *m = &o->map[i].size;

		if (!m->key_size || m->key_size > NV_KEY_MAX)
			return err_set(-ENOEXEC, "%s: map %s: key of %u bytes, want 1 to %u",
				       o->label, o->map[i].name, m->key_size, NV_KEY_MAX);
		if (!m->value_size || m->value_size > NV_VALUE_MAX)
			return err_set(-ENOEXEC, "%s: map %s: value of %u bytes, want 1 to %u",
				       o->label, o->map[i].name, m->value_size, NV_VALUE_MAX);
		if (!m->entries || m->entries > NV_ENTRIES_MAX ||
		    (uint64_t)m->entries * m->value_size > NV_MAP_BYTES)
			return err_set(-ENOEXEC,
				       "%s: map %s: %u entries, want 1 to %u, and %u MiB in all",
				       o->label, o->map[i].name, m->entries, NV_ENTRIES_MAX,
				       NV_MAP_BYTES >> 20);
		if (m->flags)
			return err_set(-ENOEXEC, "%s: map %s: unknown flags", o->label,
				       o->map[i].name);
	}
	return 0;
}

int bpf_info_check(struct bpf_obj *o)
{
	int rc = check_info(o);

	return rc ? rc : check_maps(o);
}
