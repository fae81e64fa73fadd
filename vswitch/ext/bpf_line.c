/* SPDX-License-Identifier: BSD-3-Clause */
/* From an instruction to the line of the source it came from, by what clang -g writes into .BTF and
 * .BTF.ext (the kernel's Documentation/bpf/btf.rst, section 3). The numbers come from a file: each is
 * compared with what is left before it is used. */
#include "vswitch/ext/bpf_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/err.h"

#define BTF_MAGIC 0xeb9f

struct btf_header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t hdr_len;
	uint32_t type_off, type_len, str_off, str_len; /* from the header's end */
};

struct btf_ext_header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t hdr_len;
	uint32_t func_off, func_len, line_off, line_len; /* from the header's end */
};

struct line_sec {
	uint32_t sec_name_off, num_info;
};

struct line_info {
	uint32_t insn_off; /* bytes from the section's begin */
	uint32_t file_name_off, line_off;
	uint32_t line_col; /* line << 10 | column */
};

/* The part [@off, @off + @len) of @v behind its first @skip bytes. */
static bool sub(struct bpf_view *out, const struct bpf_view *v, size_t skip, size_t off, size_t len)
{
	if (skip > v->len || off > v->len - skip || len > v->len - skip - off)
		return false;
	out->at = v->at + skip + off;
	out->len = len;
	return true;
}

static bool take(struct bpf_view *v, void *out, size_t len)
{
	if (len > v->len)
		return false;
	memcpy(out, v->at, len);
	v->at += len;
	v->len -= len;
	return true;
}

static bool find_strings(const struct bpf_obj *o, struct bpf_view *out)
{
	struct bpf_view v = o->btf;
	struct btf_header h;

	return take(&v, &h, sizeof(h)) && h.magic == BTF_MAGIC &&
	       sub(out, &o->btf, h.hdr_len, h.str_off, h.str_len);
}

static bool find_lines(const struct bpf_obj *o, struct bpf_view *out)
{
	struct bpf_view v = o->btf_ext;
	struct btf_ext_header h;

	return take(&v, &h, sizeof(h)) && h.magic == BTF_MAGIC &&
	       sub(out, &o->btf_ext, h.hdr_len, h.line_off, h.line_len);
}

/* The string at @off as far as it goes: at most @max - 1 letters, printable, without blanks before. */
static void copy_string(char *out, size_t max, const struct bpf_view *strings, uint32_t off)
{
	size_t n = 0;

	for (; off < strings->len && (strings->at[off] == ' ' || strings->at[off] == '\t'); off++)
		;
	for (; off < strings->len && strings->at[off] && n < max - 1; off++, n++)
		out[n] =
			strings->at[off] >= ' ' && strings->at[off] < 0x7f ? strings->at[off] : '?';
	out[n] = 0;
}

/* Without the directories, of which there may be many. */
static void copy_file_name(char *out, size_t max, const struct bpf_view *strings, uint32_t off)
{
	uint32_t i, base = off;

	for (i = off; i < strings->len && strings->at[i]; i++)
		if (strings->at[i] == '/')
			base = i + 1;
	copy_string(out, max, strings, base);
}

static bool section_is(const struct bpf_view *strings, uint32_t off, const char *name)
{
	size_t n = strlen(name) + 1;

	return off <= strings->len && n <= strings->len - off &&
	       !memcmp(strings->at + off, name, n);
}

/* The last record of the section that begins at or before @at. Line 0 is code that the compiler made of
 * several lines. */
static bool find_record(struct bpf_view v, const struct bpf_view *strings, const char *section,
			uint32_t at, struct line_info *best)
{
	uint32_t rec_size, i;
	struct bpf_view rec;
	struct line_info li;
	struct line_sec sec;
	bool is_found = false;

	if (!take(&v, &rec_size, sizeof(rec_size)) || rec_size < sizeof(li))
		return false;
	while (take(&v, &sec, sizeof(sec))) {
		bool is_it = section_is(strings, sec.sec_name_off, section);

		for (i = 0; i < sec.num_info && sub(&rec, &v, 0, 0, rec_size); i++) {
			v.at += rec_size;
			v.len -= rec_size;
			take(&rec, &li, sizeof(li));
			if (!is_it || !(li.line_col >> 10) || li.insn_off > at ||
			    (is_found && li.insn_off < best->insn_off))
				continue;
			*best = li;
			is_found = true;
		}
	}
	return is_found;
}

bool bpf_line_find(const struct bpf_obj *o, const struct bpf_prog *p, uint32_t pc,
		   struct bpf_line *out)
{
	struct bpf_view lines, strings;
	struct line_info li = {0};

	if (!find_strings(o, &strings) || !find_lines(o, &lines) ||
	    !find_record(lines, &strings, p->section,
			 (p->first + pc) * (uint32_t)sizeof(struct ebpf_insn), &li))
		return false;
	copy_file_name(out->file, sizeof(out->file), &strings, li.file_name_off);
	copy_string(out->text, sizeof(out->text), &strings, li.line_off);
	out->line = li.line_col >> 10;
	return true;
}

int bpf_refuse(const struct bpf_obj *o, const struct bpf_prog *p, uint32_t pc, const char *fmt, ...)
{
	struct bpf_line l;
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (!bpf_line_find(o, p, pc, &l))
		return err_set(-EINVAL,
			       "%s: %s, instruction %u: %s (compile with -g to see the line)",
			       o->label, p->section, pc, why);
	if (!l.text[0])
		return err_set(-EINVAL, "%s: %s:%u: %s", o->label, l.file, l.line, why);
	return err_set(-EINVAL, "%s: %s:%u: %s\n    %u | %s", o->label, l.file, l.line, why, l.line,
		       l.text);
}
