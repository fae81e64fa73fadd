/* SPDX-License-Identifier: BSD-3-Clause */
#include "sriov/sys.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "iommu/files.h"

static int path_of(const struct sriov_sys *s, char out[SRIOV_PATH_MAX], const char *fmt, va_list ap)
{
	int n = snprintf(out, SRIOV_PATH_MAX, "%s", s->root), m;

	if (n < 0 || n >= (int)SRIOV_PATH_MAX)
		return -ENAMETOOLONG;
	m = vsnprintf(out + n, SRIOV_PATH_MAX - (size_t)n, fmt, ap);
	return m < 0 || m >= (int)SRIOV_PATH_MAX - n ? -ENAMETOOLONG : 0;
}

/* The path of a function's arguments after @fmt into @path, its error into @rc. */
#define PATH(s, path, rc, fmt)                   \
	do {                                     \
		va_list ap_;                     \
		va_start(ap_, fmt);              \
		rc = path_of(s, path, fmt, ap_); \
		va_end(ap_);                     \
	} while (0)

static int read_file(const char *path, char *buf, size_t size)
{
	ptrdiff_t n = files_bytes(path, buf, size - 1);

	if (n < 0)
		return (int)n;
	while (n > 0 && isspace((unsigned char)buf[n - 1]))
		n--;
	buf[n] = 0;
	return 0;
}

int sriov_sys_read(const struct sriov_sys *s, char *buf, size_t size, const char *fmt, ...)
{
	char path[SRIOV_PATH_MAX];
	int rc;

	PATH(s, path, rc, fmt);
	return rc ? rc : read_file(path, buf, size);
}

int sriov_sys_number(const struct sriov_sys *s, uint32_t *out, const char *fmt, ...)
{
	char path[SRIOV_PATH_MAX], text[40], *end;
	unsigned long v;
	int rc;

	PATH(s, path, rc, fmt);
	if (!rc)
		rc = read_file(path, text, sizeof(text));
	if (rc)
		return rc;
	v = strtoul(text, &end, 0);
	if (!isdigit((unsigned char)text[0]) || *end || v > UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

int sriov_sys_bytes(const struct sriov_sys *s, void *buf, size_t len, uint64_t off, const char *fmt,
		    ...)
{
	char path[SRIOV_PATH_MAX];
	ssize_t n;
	int rc, fd;

	PATH(s, path, rc, fmt);
	if (rc)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pread(fd, buf, len, (off_t)off);
	if (n < 0)
		rc = -errno;
	else if ((size_t)n != len)
		rc = -ENODATA;
	fd_close(&fd);
	return rc;
}

int sriov_sys_link(const struct sriov_sys *s, char *buf, size_t size, const char *fmt, ...)
{
	char path[SRIOV_PATH_MAX], target[SRIOV_PATH_MAX];
	const char *last;
	ssize_t n;
	int rc;

	PATH(s, path, rc, fmt);
	if (rc)
		return rc;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = 0;
	last = strrchr(target, '/');
	rc = snprintf(buf, size, "%s", last ? last + 1 : target);
	return rc < 0 || (size_t)rc >= size ? -ENAMETOOLONG : 0;
}

bool sriov_sys_exists(const struct sriov_sys *s, const char *fmt, ...)
{
	char path[SRIOV_PATH_MAX];
	int rc;

	PATH(s, path, rc, fmt);
	return !rc && files_has(path);
}

int sriov_sys_first(const struct sriov_sys *s, char *buf, size_t size, const char *fmt, ...)
{
	char path[SRIOV_PATH_MAX];
	struct dirent *e;
	DIR *d;
	int rc;

	PATH(s, path, rc, fmt);
	if (rc)
		return rc;
	d = opendir(path);
	if (!d)
		return -errno;
	do
		e = readdir(d);
	while (e && e->d_name[0] == '.');
	rc = e ? snprintf(buf, size, "%s", e->d_name) : -ENOENT;
	closedir(d);
	if (rc < 0)
		return rc;
	return (size_t)rc >= size ? -ENAMETOOLONG : 0;
}

int sriov_sys_write(const struct sriov_sys *s, const char *text, const char *fmt, ...)
{
	char path[SRIOV_PATH_MAX];
	int rc;

	PATH(s, path, rc, fmt);
	return rc ? rc : s->ops->write(s->ctx, path, text, SRIOV_TIMEOUT_MS);
}

int sriov_sys_is_open(const struct sriov_sys *s, const char *fmt, ...)
{
	char path[SRIOV_PATH_MAX];
	int rc;

	PATH(s, path, rc, fmt);
	return rc ? rc : s->ops->is_open(s->ctx, path);
}

void sriov_sys_sleep(const struct sriov_sys *s, int ms)
{
	s->ops->sleep_ms(s->ctx, ms);
}

/* ---- This host ------------------------------------------------------------------------------ */

/* In the child: only what is safe after fork(). The exit status is the errno; all of ours fit. */
static void write_and_exit(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		_exit(errno);
	n = write(fd, text, len);
	if (n < 0)
		_exit(errno);
	_exit((size_t)n == len ? 0 : EIO);
}

/* A child that hangs in the kernel is killed as soon as the kernel lets it go; its process id is never
 * waited for by us then, and goes to init when we end. */
static int await(pid_t pid, int pidfd, int timeout_ms)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int n, status;

	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n != 1) {
		kill(pid, SIGKILL);
		if (waitpid(pid, &status, WNOHANG) == pid && WIFEXITED(status))
			return -WEXITSTATUS(status);
		return -ETIMEDOUT;
	}
	if (waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static int host_write(void *ctx, const char *path, const char *text, int timeout_ms)
{
	size_t len = strlen(text);
	pid_t pid = fork();
	int pidfd, rc;

	if (pid < 0)
		return -errno;
	if (!pid)
		write_and_exit(path, text, len);
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		rc = -errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return rc;
	}
	rc = await(pid, pidfd, timeout_ms);
	fd_close(&pidfd);
	return rc;
}

/* A VFIO group can be open once; so trying is the one question that the kernel answers. */
static int host_is_open(void *ctx, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return errno == EBUSY ? 1 : -errno;
	fd_close(&fd);
	return 0;
}

static void host_sleep(void *ctx, int ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000l};

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

struct sriov_sys sriov_sys_host(void)
{
	static const struct sriov_sys_ops ops = {host_write, host_is_open, host_sleep};

	return (struct sriov_sys){.root = "", .ops = &ops};
}
