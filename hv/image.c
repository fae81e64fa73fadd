/* SPDX-License-Identifier: BSD-3-Clause */
/* ELF program headers of a guest image. */
#include "hv/image.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

#define BAD(...) err_set(-ENOEXEC, __VA_ARGS__)
#define WHAT	 "image"

static int program_header(struct hv_image *img, const Elf64_Phdr *ph, unsigned int i, size_t len,
			  uint64_t min, uint64_t max)
{
	if (ph->p_type == PT_INTERP || ph->p_type == PT_DYNAMIC)
		return BAD(WHAT ": segment %u is for a dynamic linker: link with -static", i);
	if (ph->p_type != PT_LOAD || ph->p_memsz == 0)
		return 0;
	if (ph->p_vaddr != ph->p_paddr)
		return BAD(WHAT ": segment %u: address %#llx, load address %#llx: want the same", i,
			   (unsigned long long)ph->p_vaddr, (unsigned long long)ph->p_paddr);
	return hv_elf_map_add(&img->map, WHAT, i, ph, len, min, max);
}

int hv_image_parse(const uint8_t *buf, size_t len, uint64_t min, uint64_t max, struct hv_image *out)
{
	unsigned int i;
	Elf64_Ehdr eh;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = hv_elf_header(WHAT, buf, len, &eh);
	if (rc)
		return rc;
	if (eh.e_type != ET_EXEC)
		return BAD(WHAT ": ELF type %u, want %u (linked without -pie)", eh.e_type, ET_EXEC);
	for (i = 0; !rc && i < eh.e_phnum; i++) {
		Elf64_Phdr ph = hv_elf_phdr(buf, &eh, i);

		rc = program_header(out, &ph, i, len, min, max);
	}
	if (rc)
		return rc;
	out->entry = eh.e_entry;
	if (!hv_elf_map_has(&out->map, out->entry))
		return BAD(WHAT ": entry point %#llx lies in no segment",
			   (unsigned long long)out->entry);
	return 0;
}
