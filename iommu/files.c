/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *files_path(char buf[FILES_PATH_MAX], const char *root, const char *fmt, ...)
{
	int n = snprintf(buf, FILES_PATH_MAX, "%s/", root);
	va_list ap;

	if (n < 0 || n >= FILES_PATH_MAX)
		n = FILES_PATH_MAX - 1;
	va_start(ap, fmt);
	vsnprintf(buf + n, (size_t)(FILES_PATH_MAX - n), fmt, ap);
	va_end(ap);
	return buf;
}

ptrdiff_t files_bytes(const char *path, void *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	size_t have = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && have < size) {
		n = read(fd, (char *)buf + have, size - have);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			rc = -errno;
		else
			have += (size_t)n;
	}
	close(fd);
	/* Config space of some devices cannot be read to its end; what came is worth something. */
	return rc && !have ? rc : (ptrdiff_t)have;
}

bool files_text(const char *path, char *buf, size_t size)
{
	ptrdiff_t n = files_bytes(path, buf, size - 1);

	buf[n > 0 ? n : 0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return n >= 0;
}

bool files_number(const char *path, int base, uint64_t *v)
{
	char text[64], *end;

	if (!files_text(path, text, sizeof(text)) || !text[0])
		return false;
	errno = 0;
	*v = strtoull(text, &end, base);
	return errno == 0 && end != text && *end == 0;
}

bool files_link(const char *path, char *buf, size_t size)
{
	char target[FILES_PATH_MAX], *slash;
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	buf[0] = 0;
	if (n <= 0)
		return false;
	target[n] = 0;
	slash = strrchr(target, '/');
	snprintf(buf, size, "%s", slash ? slash + 1 : target);
	return true;
}

bool files_has(const char *path)
{
	return access(path, F_OK) == 0;
}

int files_each(const char *root, const char *dir, files_entry_fn fn, void *ctx)
{
	char p[FILES_PATH_MAX];
	DIR *d = opendir(files_path(p, root, "%s", dir));
	struct dirent *e;
	int rc = 0;

	if (!d)
		return 0;
	while (rc == 0 && (e = readdir(d)))
		if (e->d_name[0] != '.')
			rc = fn(root, e->d_name, ctx);
	closedir(d);
	return rc;
}

bool files_has_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = strstr(line, word); at; at = strstr(at + 1, word))
		if ((at == line || at[-1] == ' ') && (!at[n] || at[n] == ' '))
			return true;
	return false;
}
