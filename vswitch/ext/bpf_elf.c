/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads an eBPF object: which sections it has, what its instructions refer to, what it says of itself.
 * libelf keeps offsets inside the file; what the numbers mean is checked here. */
#include "vswitch/ext/bpf_priv.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define R_64_64 1u  /* 64-bit immediate: address of a symbol */
#define R_64_32 10u /* call */

#define INSN_LDDW (BPF_LD | BPF_IMM | EBPF_DW)
#define INSN_CALL (BPF_JMP | EBPF_CALL)

/* Sections of interest by their index in the file; 0: absent. */
struct reader {
	struct bpf_obj *o;
	Elf *elf;
	size_t shstr;
	Elf_Data *sym;
	size_t sym_str; /* section of the symbols' names */
	size_t nr_sections;
	size_t info, maps;
	size_t prog[2];
	size_t data[BPF_DATA_MAX];
};

static int bad(const struct reader *r, const char *what)
{
	return err_set(-ENOEXEC, "%s: %s", r->o->label, what);
}

static bool starts_with(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* ---- Sections ---- */

static Elf_Data *section_data(struct reader *r, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *d = elf_getdata(scn, NULL);

	return d && d->d_buf && d->d_size == sh->sh_size ? d : NULL;
}

static int read_prog(struct reader *r, unsigned int which, Elf_Scn *scn, const GElf_Shdr *sh)
{
	static const char *const names[] = {"ingress", "egress"};
	struct bpf_prog *p = &r->o->prog[which];
	Elf_Data *d;

	if (r->prog[which])
		return bad(r, "two sections of the same name");
	d = section_data(r, scn, sh);
	if (!d || d->d_size % sizeof(*p->ins))
		return bad(r, "its program is cut off");
	p->section = names[which];
	p->n = d->d_size / sizeof(*p->ins);
	p->ins = malloc(d->d_size);
	p->ref = calloc(p->n, sizeof(*p->ref));
	if (!p->ins || !p->ref)
		return err_set(-ENOMEM, "%s", r->o->label);
	memcpy(p->ins, d->d_buf, d->d_size);
	r->prog[which] = elf_ndxscn(scn);
	return 0;
}

static int read_data(struct reader *r, Elf_Scn *scn, const GElf_Shdr *sh)
{
	struct bpf_obj *o = r->o;
	struct bpf_data *data = &o->data[o->nr_data];
	Elf_Data *d = NULL;

	if (!sh->sh_size)
		return 0;
	if (o->nr_data == BPF_DATA_MAX)
		return bad(r, "too many sections of variables");
	if (sh->sh_size > BPF_DATA_SIZE)
		return bad(r, "more than 64 KiB of variables");
	if (sh->sh_type != SHT_NOBITS) {
		d = section_data(r, scn, sh);
		if (!d)
			return bad(r, "its variables are cut off");
	}
	data->image = calloc(1, sh->sh_size);
	if (!data->image)
		return err_set(-ENOMEM, "%s", o->label);
	data->size = sh->sh_size;
	data->is_const = !(sh->sh_flags & SHF_WRITE);
	if (d)
		memcpy(data->image, d->d_buf, d->d_size);
	r->data[o->nr_data++] = elf_ndxscn(scn);
	return 0;
}

static int read_maps(struct reader *r, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *d = section_data(r, scn, sh);
	struct bpf_obj *o = r->o;
	unsigned int i;

	if (!d || d->d_size % sizeof(struct nv_map))
		return bad(r, "a map in it is not made by NV_MAP()");
	if (d->d_size / sizeof(struct nv_map) > NV_MAPS_MAX)
		return err_set(-ENOEXEC, "%s: more than %u maps", o->label, NV_MAPS_MAX);
	o->nr_maps = d->d_size / sizeof(struct nv_map);
	for (i = 0; i < o->nr_maps; i++)
		memcpy(&o->map[i].size, (uint8_t *)d->d_buf + i * sizeof(struct nv_map),
		       sizeof(struct nv_map));
	r->maps = elf_ndxscn(scn);
	return 0;
}

static int read_info(struct reader *r, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *d = section_data(r, scn, sh);
	struct nv_info *info = &r->o->info;

	if (!d || d->d_size < sizeof(*info))
		return bad(r, "its description is not made by NV_EXTENSION");
	memcpy(info, d->d_buf, sizeof(*info));
	r->info = elf_ndxscn(scn);
	return 0;
}

static int read_symbols(struct reader *r, Elf_Scn *scn, const GElf_Shdr *sh)
{
	if (r->sym)
		return bad(r, "two tables of symbols");
	r->sym = section_data(r, scn, sh);
	r->sym_str = sh->sh_link;
	return r->sym ? 0 : bad(r, "its table of symbols is cut off");
}

static int read_view(struct reader *r, struct bpf_view *v, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *d = section_data(r, scn, sh);

	if (!d)
		return bad(r, "its line numbers are cut off");
	v->at = d->d_buf;
	v->len = d->d_size;
	return 0;
}

static int read_section(struct reader *r, Elf_Scn *scn)
{
	const char *name;
	GElf_Shdr sh;

	if (!gelf_getshdr(scn, &sh))
		return bad(r, "a section's header is broken");
	name = elf_strptr(r->elf, r->shstr, sh.sh_name);
	if (!name)
		return bad(r, "a section has no name");
	if (sh.sh_flags & SHF_COMPRESSED)
		return bad(r, "compressed sections");
	if (sh.sh_type == SHT_SYMTAB)
		return read_symbols(r, scn, &sh);
	if (sh.sh_type != SHT_PROGBITS && sh.sh_type != SHT_NOBITS)
		return 0;
	if (sh.sh_flags & SHF_EXECINSTR)
		return !strcmp(name, "ingress")	 ? read_prog(r, 0, scn, &sh)
		       : !strcmp(name, "egress") ? read_prog(r, 1, scn, &sh)
						 : 0;
	if (!strcmp(name, "nethv"))
		return read_info(r, scn, &sh);
	if (!strcmp(name, ".maps"))
		return read_maps(r, scn, &sh);
	if (!strcmp(name, ".BTF"))
		return read_view(r, &r->o->btf, scn, &sh);
	if (!strcmp(name, ".BTF.ext"))
		return read_view(r, &r->o->btf_ext, scn, &sh);
	if (starts_with(name, ".bss") || starts_with(name, ".data") || starts_with(name, ".rodata"))
		return read_data(r, scn, &sh);
	return 0;
}

/* ---- Symbols and relocations ---- */

static bool symbol(const struct reader *r, size_t i, GElf_Sym *s, const char **name)
{
	if (!r->sym || i > INT32_MAX || !gelf_getsym(r->sym, (int)i, s))
		return false;
	*name = elf_strptr(r->elf, r->sym_str, s->st_name);
	if (!*name)
		*name = "";
	return true;
}

static size_t nr_symbols(const struct reader *r)
{
	return r->sym ? r->sym->d_size / sizeof(Elf64_Sym) : 0;
}

/* Which map begins there; nr_maps: none. */
static unsigned int map_at(const struct reader *r, uint64_t off)
{
	uint64_t i = off / sizeof(struct nv_map);

	return off % sizeof(struct nv_map) || i >= r->o->nr_maps ? r->o->nr_maps : (unsigned int)i;
}

static bool is_identifier(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return n && n < BPF_NAME && !s[n];
}

static int name_maps(struct reader *r)
{
	struct bpf_obj *o = r->o;
	const char *name;
	unsigned int m;
	GElf_Sym s;
	size_t i;

	for (i = 0; r->maps && i < nr_symbols(r); i++) {
		if (!symbol(r, i, &s, &name) || s.st_shndx != r->maps ||
		    GELF_ST_TYPE(s.st_info) != STT_OBJECT)
			continue;
		m = map_at(r, s.st_value);
		if (m == o->nr_maps || !is_identifier(name))
			return bad(r, "a map's name is missing or longer than 31 letters");
		strcpy(o->map[m].name, name);
	}
	for (m = 0; m < o->nr_maps; m++)
		if (!o->map[m].name[0])
			return bad(r, "a map has no name");
	return 0;
}

/* The one function of a program's section: cuts the section down to it. */
static int find_function(struct reader *r, unsigned int which)
{
	struct bpf_prog *p = &r->o->prog[which];
	size_t i, size = p->n * sizeof(*p->ins);
	unsigned int nr = 0;
	const char *name;
	GElf_Sym s, f = {0};

	for (i = 0; i < nr_symbols(r); i++) {
		if (!symbol(r, i, &s, &name) || s.st_shndx != r->prog[which] ||
		    GELF_ST_TYPE(s.st_info) != STT_FUNC)
			continue;
		nr++;
		f = s;
	}
	if (nr != 1)
		return err_set(-ENOEXEC, "%s: section %s has %u functions, not one", r->o->label,
			       p->section, nr);
	if (f.st_value % sizeof(*p->ins) || f.st_size % sizeof(*p->ins) || f.st_value > size ||
	    f.st_size > size - f.st_value || !f.st_size)
		return bad(r, "its function lies outside of its section");
	p->first = f.st_value / sizeof(*p->ins);
	p->n = f.st_size / sizeof(*p->ins);
	memmove(p->ins, p->ins + p->first, f.st_size);
	return 0;
}

static void refer_address(const struct reader *r, struct bpf_ref *ref, const GElf_Sym *s,
			  const struct ebpf_insn *ins)
{
	uint64_t at = s->st_value + (uint64_t)(int64_t)ins[0].imm;
	unsigned int i;

	ref->kind = BPF_REF_UNKNOWN;
	if (r->maps && s->st_shndx == r->maps) {
		ref->index = map_at(r, at);
		if (ref->index < r->o->nr_maps)
			ref->kind = BPF_REF_MAP;
		return;
	}
	for (i = 0; i < r->o->nr_data; i++) {
		if (s->st_shndx != r->data[i] || at > r->o->data[i].size)
			continue;
		ref->kind = BPF_REF_DATA;
		ref->index = i;
		ref->off = at;
	}
}

static void refer_call(struct bpf_ref *ref, const GElf_Sym *s)
{
	unsigned int h = bpf_helper_find(ref->name);

	if (s->st_shndx != SHN_UNDEF) {
		ref->kind = BPF_REF_OWN;
	} else if (h < BPF_HELPERS) {
		ref->kind = BPF_REF_HELPER;
		ref->index = h;
	} else {
		ref->kind = BPF_REF_UNKNOWN;
	}
}

static int relocate(struct reader *r, struct bpf_prog *p, const GElf_Rel *rel)
{
	uint64_t pc = rel->r_offset / sizeof(*p->ins);
	struct bpf_ref *ref;
	const char *name;
	GElf_Sym s;

	if (rel->r_offset % sizeof(*p->ins) || !symbol(r, GELF_R_SYM(rel->r_info), &s, &name))
		return bad(r, "a relocation of its program is broken");
	if (pc < p->first || pc - p->first >= p->n)
		return 0;
	pc -= p->first;
	ref = &p->ref[pc];
	ref->name = name;
	ref->kind = BPF_REF_UNKNOWN;
	if (GELF_R_TYPE(rel->r_info) == R_64_64 && p->ins[pc].code == INSN_LDDW)
		refer_address(r, ref, &s, &p->ins[pc]);
	else if (GELF_R_TYPE(rel->r_info) == R_64_32 && p->ins[pc].code == INSN_CALL)
		refer_call(ref, &s);
	return 0;
}

static bool is_read(const struct reader *r, size_t section)
{
	unsigned int i;

	for (i = 0; i < r->o->nr_data; i++)
		if (r->data[i] == section)
			return true;
	return section && (section == r->maps || section == r->info);
}

static int read_relocations(struct reader *r, Elf_Scn *scn)
{
	unsigned int which;
	GElf_Shdr sh;
	GElf_Rel rel;
	Elf_Data *d;
	int i, n, rc = 0;

	if (!gelf_getshdr(scn, &sh) || (sh.sh_type != SHT_REL && sh.sh_type != SHT_RELA))
		return 0;
	if (is_read(r, sh.sh_info))
		return bad(r, "a variable or the description holds an address: not supported");
	for (which = 0; which < 2; which++)
		if (r->prog[which] && r->prog[which] == sh.sh_info)
			break;
	if (which == 2)
		return 0;
	d = section_data(r, scn, &sh);
	if (sh.sh_type != SHT_REL || !d || d->d_size % sizeof(Elf64_Rel))
		return bad(r, "its relocations are cut off or of a kind that clang does not make");
	n = d->d_size / sizeof(Elf64_Rel);
	for (i = 0; i < n && !rc; i++)
		rc = gelf_getrel(d, i, &rel) ? relocate(r, &r->o->prog[which], &rel)
					     : bad(r, "a relocation of its program is broken");
	return rc;
}

static int each_section(struct reader *r, int (*fn)(struct reader *r, Elf_Scn *scn))
{
	Elf_Scn *scn = NULL;
	int rc = 0;

	while (!rc && (scn = elf_nextscn(r->elf, scn)))
		rc = fn(r, scn);
	return rc;
}

/* ---- The whole ---- */

static int check_header(struct reader *r)
{
	GElf_Ehdr eh;

	if (elf_kind(r->elf) != ELF_K_ELF || !gelf_getehdr(r->elf, &eh) ||
	    elf_getshdrstrndx(r->elf, &r->shstr))
		return bad(r, "not an ELF object");
	if (eh.e_machine != EM_BPF || eh.e_type != ET_REL || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB)
		return bad(r,
			   "not an eBPF object: compile with clang -O2 -g -target bpf -mcpu=v2 -c");
	return 0;
}

static int read_all(struct reader *r)
{
	unsigned int i;
	int rc = check_header(r);

	if (!rc)
		rc = each_section(r, read_section);
	if (!rc && !r->info)
		rc = bad(r, "no NV_EXTENSION in it: it does not say what it is");
	if (!rc)
		rc = name_maps(r);
	if (!rc)
		rc = bpf_info_check(r->o);
	for (i = 0; i < 2 && !rc; i++)
		rc = r->prog[i] ? find_function(r, i) : 0;
	if (!rc)
		rc = each_section(r, read_relocations);
	if (!rc && !r->prog[0] && !r->prog[1])
		rc = bad(r, "no function in section \"ingress\" or \"egress\"");
	return rc;
}

int bpf_obj_read(struct bpf_obj **out, const char *label, const void *file, size_t len)
{
	struct reader r = {0};
	int rc = -ENOMEM;

	elf_version(EV_CURRENT);
	r.o = calloc(1, sizeof(*r.o));
	if (!r.o)
		return err_set(-ENOMEM, "%s", label);
	snprintf(r.o->label, sizeof(r.o->label), "%s", label);
	r.o->file = malloc(len ? len : 1);
	if (!r.o->file)
		goto fail;
	memcpy(r.o->file, file, len);
	r.elf = elf_memory(r.o->file, len);
	r.o->elf = r.elf;
	rc = r.elf ? read_all(&r) : bad(&r, "not an ELF object");
	if (rc)
		goto fail;
	*out = r.o;
	return 0;
fail:
	bpf_obj_free(r.o);
	return rc;
}

void bpf_obj_free(struct bpf_obj *o)
{
	unsigned int i;

	if (!o)
		return;
	for (i = 0; i < 2; i++) {
		free(o->prog[i].ins);
		free(o->prog[i].ref);
	}
	for (i = 0; i < o->nr_data; i++)
		free(o->data[i].image);
	elf_end(o->elf);
	free(o->file);
	free(o);
}
