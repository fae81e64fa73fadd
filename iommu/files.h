/* SPDX-License-Identifier: BSD-3-Clause */
/* Small files and links of sysfs and procfs, below a root that tests lay out themselves. Nothing here
 * sets an error: what is not there is not there, and the caller knows what that means. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILES_PATH_MAX 512

/* any.  "<root>/<path>" by a format. Returns @buf. */
char *files_path(char buf[FILES_PATH_MAX], const char *root, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* any.  Bytes read, at most @size, or -errno. */
ptrdiff_t files_bytes(const char *path, void *buf, size_t size);

/* any.  The text up to the first newline, cut to @size. False when it cannot be read. */
bool files_text(const char *path, char *buf, size_t size);

/* any.  A number as C writes it (0x..: hexadecimal); @base 16: hexadecimal without a prefix, too. */
bool files_number(const char *path, int base, uint64_t *v);

/* any.  Last component of where a link points to. False when it is no link. */
bool files_link(const char *path, char *buf, size_t size);

/* any.  Whether the path exists. */
bool files_has(const char *path);

/* any.  Calls @fn for each entry of the folder "<root>/<dir>" whose name does not begin with a dot, in the
 * kernel's order, until it returns other than 0. That, or 0; a folder that is not there has none. */
typedef int (*files_entry_fn)(const char *root, const char *name, void *ctx);
int files_each(const char *root, const char *dir, files_entry_fn fn, void *ctx);

/* any.  Whether "word" is one of the words of @line. */
bool files_has_word(const char *line, const char *word);
