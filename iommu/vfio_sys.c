/* SPDX-License-Identifier: BSD-3-Clause */
/* The real system calls. */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "iommu/vfio.h"

static int sys_open(void *sys, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void sys_close(void *sys, int fd)
{
	close(fd);
}

static int sys_ioctl(void *sys, int fd, unsigned long request, void *arg)
{
	int rc;

	do {
		rc = ioctl(fd, request, arg);
	} while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : rc;
}

static int sys_mmap(void *sys, int fd, uint64_t off, uint64_t len, enum vfio_access access,
		    void **out)
{
	int prot = PROT_READ | (access == VFIO_READ_WRITE ? PROT_WRITE : 0);
	void *at = mmap(NULL, len, prot, MAP_SHARED, fd, (off_t)off);

	if (at == MAP_FAILED)
		return -errno;
	*out = at;
	return 0;
}

static void sys_munmap(void *sys, void *at, uint64_t len)
{
	munmap(at, len);
}

static ptrdiff_t sys_pread(void *sys, int fd, void *buf, size_t len, uint64_t off)
{
	ssize_t n = pread(fd, buf, len, (off_t)off);

	return n < 0 ? -errno : n;
}

static ptrdiff_t sys_pwrite(void *sys, int fd, const void *buf, size_t len, uint64_t off)
{
	ssize_t n = pwrite(fd, buf, len, (off_t)off);

	return n < 0 ? -errno : n;
}

static int sys_eventfd(void *sys)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

/* The hard limit may be raised by the privileged only; up to it anyone may go. */
static int sys_memlock(void *sys, uint64_t want, uint64_t *have)
{
	struct rlimit now, more;

	if (getrlimit(RLIMIT_MEMLOCK, &now))
		return -errno;
	if (now.rlim_cur != RLIM_INFINITY && now.rlim_cur < want) {
		more.rlim_cur = want;
		more.rlim_max = now.rlim_max < want ? want : now.rlim_max;
		if (setrlimit(RLIMIT_MEMLOCK, &more) && now.rlim_cur < now.rlim_max) {
			more.rlim_max = now.rlim_max;
			more.rlim_cur = now.rlim_max < want ? now.rlim_max : want;
			setrlimit(RLIMIT_MEMLOCK, &more);
		}
		if (getrlimit(RLIMIT_MEMLOCK, &now))
			return -errno;
	}
	*have = now.rlim_cur == RLIM_INFINITY ? UINT64_MAX : now.rlim_cur;
	return *have < want ? -EPERM : 0;
}

static void sys_nap(void *sys, unsigned int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

static uint64_t sys_now_ns(void *sys)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

const struct vfio_ops vfio_sys_ops = {
	.open = sys_open,
	.close = sys_close,
	.ioctl = sys_ioctl,
	.mmap = sys_mmap,
	.munmap = sys_munmap,
	.pread = sys_pread,
	.pwrite = sys_pwrite,
	.eventfd = sys_eventfd,
	.memlock = sys_memlock,
	.nap = sys_nap,
	.now_ns = sys_now_ns,
};
