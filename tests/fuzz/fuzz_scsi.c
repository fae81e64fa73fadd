/* SPDX-License-Identifier: BSD-3-Clause */
/* SCSI commands by a hostile initiator, one after another on a small disk: no command touches anything
 * but its buffer and the disk, and says how much it moved. Input, repeated: CDB length (1), unit (1),
 * buffer bytes (2), CDB (16), what is in the buffer (up to 64). */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/scratch.h"
#include "vmbus/vsp/scsi.h"

#define BLOCKS	64u
#define HEAD	20u
#define BUF_MAX 4096u
#define FENCE	64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct scsi_target target = {.id = 1, .max_transfer = 65536};

static void make(void)
{
	char path[SCRATCH_PATH];
	int fd = scratch_file(path, "fuzz");

	if (ftruncate(fd, BLOCKS * 512) || disk_open(&target.lun[0], path, false) ||
	    disk_open(&target.lun[3], "/proc/self/exe", true))
		disk_close(target.lun[3]);
	if (!target.lun[0])
		abort();
	unlink(path);
	close(fd);
}

/* One command; bytes of the input that it took. */
static size_t step(const uint8_t *data, size_t size)
{
	static uint8_t mem[BUF_MAX + 2 * FENCE];
	uint32_t len = (uint32_t)(data[2] | data[3] << 8) % (BUF_MAX + 1), cut = len / 3;
	struct iovec iov[2] = {{mem + FENCE, cut}, {mem + FENCE + cut, len - cut}};
	struct scsi_cmd c = {.cdb_len = data[0], .lun = data[1], .len = len};
	size_t fill = size - HEAD < 64 ? size - HEAD : 64;

	memset(mem, 0xF5, sizeof(mem));
	memcpy(mem + FENCE, data + HEAD, fill < len ? fill : len);
	memcpy(c.cdb, data + 4, 16);
	c.iov = cut ? iov : iov + 1;
	c.nr_iov = cut ? 2 : len ? 1 : 0;
	scsi_execute(&target, &c);
	if (!c.is_absent && (c.done > len || (c.status != SCSI_GOOD && c.done)))
		abort();
	for (uint32_t i = 0; i < FENCE; i++) {
		if (mem[i] != 0xF5 || mem[FENCE + len + i] != 0xF5)
			abort();
	}
	return HEAD + fill;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!target.lun[0])
		make();
	for (int i = 0; size >= HEAD && i < 16; i++) {
		size_t n = step(data, size);

		data += n;
		size -= n;
	}
	if (disk_blocks(target.lun[0]) != BLOCKS)
		abort();
	return 0;
}
