/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

#define MODE 0600

int serial_parse(const char *text, enum serial_kind *kind, const char **path)
{
	static const struct {
		const char *word;
		enum serial_kind kind;
	} with_path[] = {{"file ", SERIAL_FILE}, {"socket ", SERIAL_SOCKET}};

	*path = "";
	*kind = SERIAL_LOG;
	if (!strcmp(text, "log"))
		return 0;
	for (size_t i = 0; i < sizeof(with_path) / sizeof(with_path[0]); i++) {
		size_t n = strlen(with_path[i].word);

		if (strncmp(text, with_path[i].word, n) != 0)
			continue;
		*kind = with_path[i].kind;
		*path = text + n + strspn(text + n, " ");
		return **path ? 0 : -EINVAL;
	}
	return -EINVAL;
}

/* Not a device or pipe: they may block us, and cannot be renamed. */
static int open_file(struct serial_file *f)
{
	struct stat st;
	int rc;

	f->fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		     MODE);
	if (f->fd < 0)
		return err_sys(-errno, "serial file %s", f->path);
	if (fstat(f->fd, &st))
		rc = err_sys(-errno, "serial file %s", f->path);
	else if (!S_ISREG(st.st_mode))
		rc = err_set(-EINVAL, "serial file %s: not a regular file", f->path);
	else
		rc = 0;
	if (rc)
		fd_close(&f->fd);
	else
		f->size = (uint64_t)st.st_size;
	return rc;
}

int serial_file_open(struct serial_file *f, const char *path, uint64_t max)
{
	*f = (struct serial_file){.path = path, .fd = -1, .max = max};
	return open_file(f);
}

static int rotate(struct serial_file *f)
{
	char old[PATH_MAX + 3];

	fd_close(&f->fd);
	snprintf(old, sizeof(old), "%s.1", f->path);
	if (rename(f->path, old))
		return err_sys(-errno, "serial file %s: cannot rename it to %s", f->path, old);
	return open_file(f);
}

int serial_file_write(struct serial_file *f, const void *buf, size_t n)
{
	const char *at = buf;
	ssize_t done;
	int rc = 0;

	while (n && f->fd >= 0 && !rc) {
		size_t room = f->size < f->max ? (size_t)(f->max - f->size) : 0;

		if (!room) {
			rc = rotate(f);
			continue;
		}
		done = write(f->fd, at, n < room ? n : room);
		if (done < 0) {
			rc = err_sys(-errno, "serial file %s", f->path);
			fd_close(&f->fd);
			continue;
		}
		f->size += (uint64_t)done;
		at += done;
		n -= (size_t)done;
	}
	return rc;
}

void serial_file_close(struct serial_file *f)
{
	fd_close(&f->fd);
}

/* Whether somebody listens there. */
static bool is_live(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool live = fd >= 0 && (!connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) ||
				errno != ECONNREFUSED);

	fd_close(&fd);
	return live;
}

static int bind_at(int fd, const struct sockaddr_un *sa)
{
	struct stat st;

	if (!bind(fd, (const struct sockaddr *)sa, sizeof(*sa)))
		return 0;
	if (errno != EADDRINUSE)
		return err_sys(-errno, "serial socket %s", sa->sun_path);
	if (lstat(sa->sun_path, &st) || !S_ISSOCK(st.st_mode) || is_live(sa))
		return err_set(-EADDRINUSE, "serial socket %s: is there already", sa->sun_path);
	if (unlink(sa->sun_path) || bind(fd, (const struct sockaddr *)sa, sizeof(*sa)))
		return err_sys(-errno, "serial socket %s", sa->sun_path);
	return 0;
}

int serial_listen(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, rc;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(-ENAMETOOLONG, "serial socket %s: longer than %zu bytes", path,
			       sizeof(sa.sun_path) - 1);
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(-errno, "serial socket %s", path);
	rc = fchmod(fd, MODE) ? err_sys(-errno, "serial socket %s", path) : bind_at(fd, &sa);
	if (!rc && listen(fd, 8))
		rc = err_sys(-errno, "serial socket %s", path);
	if (!rc)
		return fd;
	fd_close(&fd);
	return rc;
}
