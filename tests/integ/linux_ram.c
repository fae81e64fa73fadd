/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes the memory of a partition with an unmodified kernel, as the loader leaves it, into a file, for
 * linux_boot.sh: linux_ram KERNEL INITRD CMDLINE MIB VPS FILE. Prints how VP 0 begins: kind, entry,
 * boot_gpa and area_gpa. Memory above 4 GiB follows that below the hole, as QEMU wants it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "hv/priv.h"
#include "hv/scripted.h"

#define CHUNK 65536u

static const struct hv_partition_ops no_ops;

static int chunk_write(int fd, const uint8_t *mem, uint64_t off)
{
	static const uint8_t zero[CHUNK];

	if (!memcmp(mem, zero, CHUNK))
		return 0;
	return pwrite(fd, mem, CHUNK, (off_t)off) == CHUNK ? 0 : -EIO;
}

static int ram_write(const struct hv_partition *p, int fd)
{
	uint64_t at, base = 0;
	unsigned int i;
	int rc = 0;

	for (i = 0; i < p->nr_regions; i++) {
		for (at = 0; !rc && at < p->region[i].len; at += CHUNK)
			rc = chunk_write(fd, (uint8_t *)p->region[i].hva + at, base + at);
		base += p->region[i].len;
	}
	return rc ? rc : ftruncate(fd, (off_t)base);
}

int main(int argc, char **argv)
{
	static struct hv_script script;
	struct hv_partition *p;
	struct hv_cfg cfg = {.name = "ram", .numa_node = -1, .flags = HV_CFG_NO_HUGE};
	int fd, rc;

	if (argc != 7)
		return 2;
	cfg.kernel_path = argv[1];
	cfg.initrd_path = argv[2][0] ? argv[2] : NULL;
	cfg.cmdline = argv[3];
	cfg.mem_bytes = strtoull(argv[4], NULL, 10) << 20;
	cfg.nr_vps = (unsigned int)strtoul(argv[5], NULL, 10);
	rc = hv_scripted_create_cfg(&p, &script, &cfg, &no_ops, NULL);
	if (rc) {
		fprintf(stderr, "%s\n", err_text());
		return 1;
	}
	fd = open(argv[6], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ram_write(p, fd)) {
		perror(argv[6]);
		return 1;
	}
	close(fd);
	printf("%d %#llx %#llx %#llx\n", script.start[0].kind,
	       (unsigned long long)script.start[0].entry,
	       (unsigned long long)script.start[0].boot_gpa,
	       (unsigned long long)script.start[0].area_gpa);
	hv_partition_destroy(p);
	return 0;
}
