/* SPDX-License-Identifier: BSD-3-Clause */
/* Extensions that are shared objects. What they import is looked at before any of their code runs: a jump
 * out of a fault must not leave a lock of libc behind, so only functions without such are allowed. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "vswitch/ext/priv.h"

#define FILE_MAX_LEN (64u << 20)

bool vsw_so_in_place;

/* Pure functions of libc and libm, and what compilers and linkers put in by themselves. */
static const char *const allowed[] = {
	"memcpy",
	"memmove",
	"memset",
	"memcmp",
	"memchr",
	"strlen",
	"strnlen",
	"strcmp",
	"strncmp",
	"strcasecmp",
	"strncasecmp",
	"strchr",
	"strrchr",
	"strstr",
	"strcpy",
	"strncpy",
	"strcat",
	"strtol",
	"strtoll",
	"strtoul",
	"strtoull",
	"strtod",
	"snprintf",
	"vsnprintf",
	"qsort",
	"bsearch",
	"abs",
	"abort",
	"floor",
	"ceil",
	"sqrt",
	"log",
	"log2",
	"exp",
	"pow",
	"fmod",
	"lround",
	"llround",
	"inet_pton",
	"inet_ntop",
	"htonl",
	"htons",
	"ntohl",
	"ntohs",
	"__isoc99_sscanf",
	"sscanf",
	"__ctype_b_loc",
	"__ctype_tolower_loc",
	"__ctype_toupper_loc",
	"__errno_location",
	"__assert_fail",
	"__stack_chk_fail",
	"__memcpy_chk",
	"__memmove_chk",
	"__memset_chk",
	"__snprintf_chk",
	"__vsnprintf_chk",
	"__strcpy_chk",
	"__strncpy_chk",
	"__strcat_chk",
	"__cxa_finalize",
	"__gmon_start__",
	"_ITM_deregisterTMCloneTable",
	"_ITM_registerTMCloneTable",
	"__tls_get_addr",
	NULL,
};

struct so {
	struct vsw_ext_code code;
	void *handle;
	int fd; /* of the copy, until it is loaded */
	const char *reasons[NETHV_REASONS_MAX];
};

static bool is_in(const char *const *list, const char *name)
{
	for (; list && *list; list++)
		if (!strcmp(*list, name))
			return true;
	return false;
}

/* Sanitizers are for who debugs an extension: they import a runtime of their own. */
static bool is_sanitizer(const char *name)
{
	return !strncmp(name, "__asan_", 7) || !strncmp(name, "__ubsan_", 8) ||
	       !strncmp(name, "__tsan_", 7);
}

static int check_symbols(struct so *so, const char *path, Elf *elf, Elf_Scn *scn,
			 const char *const *more)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Shdr sh;
	GElf_Sym sym;
	int i;

	if (!data || !gelf_getshdr(scn, &sh) || sh.sh_entsize == 0)
		return err_set(-EINVAL, "%s: its symbol table cannot be read", path);
	for (i = 1; gelf_getsym(data, i, &sym); i++) {
		const char *name = elf_strptr(elf, sh.sh_link, sym.st_name);

		if (sym.st_shndx != SHN_UNDEF || !name || !name[0] || is_in(allowed, name) ||
		    is_sanitizer(name))
			continue;
		if (!is_in(more, name))
			return err_set(
				-EPERM,
				"%s: imports %.80s, which is not among the functions that an "
				"extension may call; use the calls of struct nethv_host, or "
				"allow it (allow_imports), which taints the switch",
				path, name);
		so->code.is_tainted = true;
	}
	return 0;
}

/* gcc puts one function of its own there; a further one would run before anybody guards it. */
static int check_constructors(const char *path, Elf_Scn *scn)
{
	GElf_Shdr sh;

	/* Sanitizers need theirs. */
	if (!gelf_getshdr(scn, &sh) || sh.sh_size <= sizeof(void *) || vsw_so_in_place)
		return 0;
	return err_set(-EPERM,
		       "%s: has constructors, which would run outside of its callbacks; do that "
		       "work in create()",
		       path);
}

static int check_elf(struct so *so, const char *path, Elf *elf, const char *const *more)
{
	Elf_Scn *scn = NULL;
	GElf_Ehdr eh;
	GElf_Shdr sh;
	int rc = 0;
	bool has_symbols = false;

	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &eh) || eh.e_machine != EM_X86_64 ||
	    eh.e_type != ET_DYN)
		return err_set(-ENOEXEC, "%s: not a shared object for x86-64", path);
	while (!rc && (scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &sh))
			continue;
		if (sh.sh_type == SHT_DYNSYM) {
			has_symbols = true;
			rc = check_symbols(so, path, elf, scn, more);
		} else if (sh.sh_type == SHT_INIT_ARRAY || sh.sh_type == SHT_PREINIT_ARRAY) {
			rc = check_constructors(path, scn);
		}
	}
	if (!rc && !has_symbols)
		return err_set(-ENOEXEC, "%s: has no dynamic symbols", path);
	return rc;
}

/* What is checked is what is loaded: a copy that nobody else can write to. It is a file of its own for the
 * dynamic linker, too, so that a new version does not turn out to be the old one. */
static int copy_file(const char *path, void **at, size_t *len)
{
	int in = open(path, O_RDONLY | O_CLOEXEC), fd = -1, rc = 0;
	struct stat st;
	ssize_t n;

	if (in < 0)
		return err_sys(-errno, "%s", path);
	if (fstat(in, &st) || !S_ISREG(st.st_mode) || st.st_size == 0 ||
	    st.st_size > (off_t)FILE_MAX_LEN)
		rc = err_set(-EINVAL, "%s: not a file of 1..%u bytes", path, FILE_MAX_LEN);
	if (!rc) {
		fd = memfd_create("extension", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (fd < 0 || ftruncate(fd, st.st_size))
			rc = err_sys(-errno, "%s: a copy of it", path);
	}
	*len = (size_t)st.st_size;
	*at = rc ? MAP_FAILED : mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!rc && *at == MAP_FAILED)
		rc = err_sys(-errno, "%s: a copy of it", path);
	for (size_t off = 0; !rc && off < *len; off += (size_t)n) {
		n = pread(in, (char *)*at + off, *len - off, (off_t)off);
		if (n <= 0)
			rc = err_set(-EIO, "%s: cannot be read to its end", path);
	}
	fd_close(&in);
	if (!rc)
		return fd;
	if (*at != MAP_FAILED)
		munmap(*at, *len);
	*at = MAP_FAILED;
	fd_close(&fd);
	return rc;
}

#define NAME_MAX_LEN (sizeof("/proc/self/fd") + 64 + 12)

/* The dynamic linker knows libraries by their names, and those of instances that faulted stay: so no name may
 * come again, although descriptors' numbers do. "/" and "/." are the same to the kernel: bits of a counter. */
static void unique_name(char to[NAME_MAX_LEN], int fd)
{
	static uint32_t count; /* ctl only */
	size_t n = sizeof("/proc/self/fd") - 1;
	uint32_t bits;

	memcpy(to, "/proc/self/fd", n);
	for (bits = ++count; bits; bits >>= 1) {
		to[n++] = '/';
		if (bits & 1)
			to[n++] = '.';
	}
	snprintf(to + n, NAME_MAX_LEN - n, "/%d", fd);
}

static int open_copy(struct so *so, const char *path, void *at, size_t len, const char *const *more)
{
	char name[PATH_MAX]; /* NAME_MAX_LEN and more */
	Elf *elf;
	int rc;

	elf_version(EV_CURRENT);
	elf = elf_memory(at, len);
	rc = elf ? check_elf(so, path, elf, more) : err_set(-ENOEXEC, "%s: not an ELF file", path);
	elf_end(elf);
	if (rc)
		return rc;
	if (!vsw_so_in_place)
		unique_name(name, so->fd);
	else if (!realpath(path, name))
		return err_sys(-errno, "%s", path);
	so->handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	fd_close(&so->fd);
	return so->handle ? 0 : err_set(-ENOEXEC, "%s: %s", path, dlerror());
}

/* Some objects stay although they are closed (a destructor of a thread, a unique symbol of C++). Then the
 * number stays taken, too: the next object of that name would turn out to be this one. */
static void so_close(struct vsw_ext_code *c)
{
	struct so *so = (struct so *)c;

	if (so->handle)
		dlclose(so->handle);
	fd_close(&so->fd);
	free(so);
}

/* The descriptor may be shorter than ours (an older header) or longer (a newer one). */
static int take_desc(struct so *so, const char *path)
{
	const struct nethv_ext *d = dlsym(so->handle, "nethv_extension");
	size_t n;

	if (!d)
		return err_set(-ENOEXEC,
			       "%s: exports no nethv_extension; see NETHV_EXTENSION in "
			       "nethv/extension.h",
			       path);
	if (d->abi != NETHV_EXT_ABI)
		return err_set(-ENOEXEC, "%s: made for ABI %u of the SDK, this switch has %u", path,
			       d->abi, NETHV_EXT_ABI);
	n = d->size < sizeof(so->code.desc) ? d->size : sizeof(so->code.desc);
	if (n < offsetof(struct nethv_ext, create))
		return err_set(-ENOEXEC, "%s: its descriptor has %u bytes", path, d->size);
	memcpy(&so->code.desc, d, n);
	return vsw_desc_check(&so->code.desc, path);
}

int vsw_so_open(struct vsw_ext_code **out, const char *path, const char *const *imports)
{
	struct so *so = calloc(1, sizeof(*so));
	size_t len = 0;
	void *at = NULL;
	int rc;

	if (!so)
		return err_set(-ENOMEM, "%s: out of memory", path);
	so->code.close = so_close;
	so->fd = copy_file(path, &at, &len);
	rc = so->fd < 0 ? so->fd : open_copy(so, path, at, len, imports);
	if (at && at != MAP_FAILED)
		munmap(at, len);
	if (!rc)
		rc = take_desc(so, path);
	if (rc) {
		so_close(&so->code);
		return rc;
	}
	*out = &so->code;
	return 0;
}
