/* SPDX-License-Identifier: BSD-3-Clause */
/* File descriptors and memfds. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

#define HUGE_PAGE (2UL << 20)

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int fd_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(-errno, "fd %d: cannot make it non-blocking", fd);
	return 0;
}

/* Allocates all of it now: a page that cannot be had later would be a SIGBUS in another process. */
static int memfd_fill(const char *name, size_t size, unsigned int flags)
{
	int rc, fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, size) < 0 || fallocate(fd, 0, 0, size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		rc = -errno;
		fd_close(&fd);
		return rc;
	}
	return fd;
}

int fd_memfd(const char *name, size_t size, enum fd_huge huge, int *is_huge)
{
	uint64_t avail;
	int fd = -1;

	if (is_huge)
		*is_huge = 0;
	if (size == 0 || size > INT64_MAX)
		return err_set(-EINVAL, "memory %s: size %zu", name, size);
	if (huge == FD_HUGE_TRY && size % HUGE_PAGE == 0)
		fd = memfd_fill(name, size, MFD_HUGETLB | MFD_HUGE_2MB);
	if (fd >= 0) {
		if (is_huge)
			*is_huge = 1;
		return fd;
	}
	/* Asked first: fallocate(2) of more than there is would call the OOM killer on bystanders. */
	avail = mem_left();
	if (size > avail - avail / 16)
		return err_set(-ENOMEM,
			       "memory %s: cannot allocate %zu MiB, %llu MiB are available", name,
			       size >> 20, (unsigned long long)avail >> 20);
	fd = memfd_fill(name, size, 0);
	if (fd < 0)
		return err_sys(fd, "memory %s: cannot allocate %zu KiB", name, size >> 10);
	return fd;
}

int fd_map(int fd, uint64_t off, size_t len, void **out)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)off);

	if (p == MAP_FAILED)
		return err_sys(-errno, "cannot map %zu KiB of fd %d", len >> 10, fd);
	*out = p;
	return 0;
}

void fd_kick(int fd)
{
	static const uint64_t one = 1;
	int saved = errno;

	if (write(fd, &one, sizeof(one)) < 0)
		errno = saved; /* EAGAIN: a wake-up is pending already; EPIPE: nobody listens */
}

void fd_drain(int fd)
{
	char buf[256];
	int saved = errno;

	while (read(fd, buf, sizeof(buf)) == (ssize_t)sizeof(buf))
		;
	errno = saved;
}
