/* SPDX-License-Identifier: BSD-3-Clause */
/* Raw images by preadv(2) and pwritev(2), through the host's page cache: a flush is fdatasync(2). */
#include "vmbus/vsp/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

struct disk {
	char *path;
	int fd;
	bool is_readonly;
	bool can_discard;
	uint64_t size;		/* bytes */
	struct disk_counters n; /* atomic, relaxed */
};

static void count(uint64_t *what, uint64_t by)
{
	__atomic_fetch_add(what, by, __ATOMIC_RELAXED);
}

/* An OFD lock belongs to the open file, so two disks of one process exclude each other, too. */
static int lock(struct disk *d)
{
	struct flock fl = {.l_type = d->is_readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};

	if (!fcntl(d->fd, F_OFD_SETLK, &fl))
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return err_sys(-errno, "disk %s: cannot lock it", d->path);
	return err_set(-EBUSY, "disk %s: in use by another partition or program%s", d->path,
		       d->is_readonly ? " that writes to it" : "");
}

static int measure(struct disk *d)
{
	struct stat st;

	if (fstat(d->fd, &st))
		return err_sys(-errno, "disk %s", d->path);
	if (S_ISREG(st.st_mode))
		d->size = (uint64_t)st.st_size;
	else if (!S_ISBLK(st.st_mode))
		return err_set(-EINVAL, "disk %s: neither a file nor a block device", d->path);
	else if (ioctl(d->fd, BLKGETSIZE64, &d->size))
		return err_sys(-errno, "disk %s: cannot tell its size", d->path);
	if (!d->size || d->size % DISK_BLOCK)
		return err_set(-EINVAL,
			       "disk %s: %llu bytes are not a whole number of blocks of %u",
			       d->path, (unsigned long long)d->size, DISK_BLOCK);
	return 0;
}

/* Behind the end of a file a hole is made of nothing: that tells whether one could be made, and changes
 * nothing. A block device refuses such a range, so discarding is not offered there. */
static bool probe_discard(const struct disk *d)
{
	return !d->is_readonly && !fallocate(d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					     (off_t)((d->size + 4095) & ~4095ull), 4096);
}

int disk_open(struct disk **out, const char *path, bool readonly)
{
	struct disk *d = calloc(1, sizeof(*d));
	int rc;

	*out = NULL;
	if (!d)
		return err_sys(-ENOMEM, "disk %s", path);
	d->is_readonly = readonly;
	d->path = strdup(path);
	d->fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (!d->path || d->fd < 0)
		rc = err_sys(d->path ? -errno : -ENOMEM, "disk %s: cannot open it%s", path,
			     readonly ? "" : " for writing");
	else
		rc = measure(d);
	if (!rc)
		rc = lock(d);
	if (rc) {
		disk_close(d);
		return rc;
	}
	d->can_discard = probe_discard(d);
	*out = d;
	return 0;
}

void disk_close(struct disk *d)
{
	if (!d)
		return;
	fd_close(&d->fd);
	free(d->path);
	free(d);
}

const char *disk_path(const struct disk *d)
{
	return d->path;
}

bool disk_is_readonly(const struct disk *d)
{
	return d->is_readonly;
}

bool disk_can_discard(const struct disk *d)
{
	return d->can_discard;
}

uint64_t disk_blocks(const struct disk *d)
{
	return d->size / DISK_BLOCK;
}

void disk_counters(const struct disk *d, struct disk_counters *out)
{
	const uint64_t *from = (const uint64_t *)&d->n;
	uint64_t *to = (uint64_t *)out;

	for (size_t i = 0; i < sizeof(*out) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* Steps over @n bytes that were moved. */
static void advance(struct iovec **iov, unsigned int *nr, size_t n)
{
	while (*nr && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		(*iov)++;
		(*nr)--;
	}
	if (*nr) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
}

/* Moves all of it, however often the kernel stops short. An image that was cut behind our back
 * reads as an error. */
static int move(struct disk *d, bool is_write, uint64_t at, struct iovec *iov, unsigned int nr)
{
	ssize_t n;

	while (nr) {
		n = is_write ? pwritev(d->fd, iov, (int)nr, (off_t)at)
			     : preadv(d->fd, iov, (int)nr, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			count(&d->n.errors, 1);
			return n < 0 ? -errno : -EIO;
		}
		count(is_write ? &d->n.bytes_written : &d->n.bytes_read, (uint64_t)n);
		at += (uint64_t)n;
		advance(&iov, &nr, (size_t)n);
	}
	return 0;
}

int disk_read(struct disk *d, uint64_t at, struct iovec *iov, unsigned int nr)
{
	count(&d->n.reads, 1);
	return move(d, false, at, iov, nr);
}

int disk_write(struct disk *d, uint64_t at, struct iovec *iov, unsigned int nr)
{
	count(&d->n.writes, 1);
	return move(d, true, at, iov, nr);
}

int disk_fill(struct disk *d, uint64_t at, uint64_t len, const void *block)
{
	uint8_t *buf = malloc(DISK_ZERO_BYTES);
	int rc = buf ? 0 : -ENOMEM;

	for (uint32_t i = 0; buf && i < DISK_ZERO_BYTES; i += DISK_BLOCK)
		memcpy(buf + i, block, DISK_BLOCK);
	count(&d->n.writes, 1);
	while (len && !rc) {
		size_t n = len < DISK_ZERO_BYTES ? (size_t)len : DISK_ZERO_BYTES;
		struct iovec iov = {buf, n};

		rc = move(d, true, at, &iov, 1);
		at += n;
		len -= n;
	}
	free(buf);
	return rc;
}

static int checked(struct disk *d, int failed)
{
	int rc = failed ? -errno : 0;

	if (failed)
		count(&d->n.errors, 1);
	return rc;
}

int disk_discard(struct disk *d, uint64_t at, uint64_t len)
{
	count(&d->n.discards, 1);
	return checked(d, fallocate(d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
				    (off_t)len));
}

int disk_flush(struct disk *d)
{
	count(&d->n.flushes, 1);
	return checked(d, fdatasync(d->fd));
}
