/* SPDX-License-Identifier: BSD-3-Clause */
/* A raw image, a regular file or a block device, as a disk of 512-byte blocks. It knows nothing of
 * SCSI or of guests. Several threads may read and write one disk at the same time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define DISK_BLOCK	  512u
#define DISK_ZERO_BYTES	  65536u       /* what disk_fill() writes at once */
#define DISK_DISCARD_MAX  (1ull << 30) /* bytes, in one request */
#define DISK_DISCARD_UNIT 4096u

struct disk;

struct disk_counters {
	uint64_t reads, writes, flushes, discards;
	uint64_t bytes_read, bytes_written;
	uint64_t errors;
};

/* ctl.  Opens and locks @path (borrowed for the call). 0, -EINVAL (neither file nor block device, or
 * not whole blocks), -EBUSY (somebody else has it), or the error of open(2); text set. */
int disk_open(struct disk **out, const char *path, bool readonly);
void disk_close(struct disk *d); /* ctl.  Nobody uses it any more; NULL is fine */

/* any. */
const char *disk_path(const struct disk *d);
bool disk_is_readonly(const struct disk *d);
bool disk_can_discard(const struct disk *d); /* discarded blocks read as zeros then */
uint64_t disk_blocks(const struct disk *d);
void disk_counters(const struct disk *d, struct disk_counters *out);

/* any.  All of @iov at byte @at, inside the disk; @iov is used up. 0 or -errno; blocks. */
int disk_read(struct disk *d, uint64_t at, struct iovec *iov, unsigned int nr);
int disk_write(struct disk *d, uint64_t at, struct iovec *iov, unsigned int nr);
/* any.  Writes @block (DISK_BLOCK bytes) over and over, @len bytes in all. 0 or -errno; blocks. */
int disk_fill(struct disk *d, uint64_t at, uint64_t len, const void *block);
/* any.  Makes the range zeros and gives its space back; disk_can_discard(). 0 or -errno; blocks. */
int disk_discard(struct disk *d, uint64_t at, uint64_t len);
/* any.  What was written is on the medium. 0 or -errno; blocks. */
int disk_flush(struct disk *d);
