/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of what a partition boots: our image or a kernel, what goes with the one or the other, and
 * the files that must be there. */
#include "mgmt/config_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* @allowed ends the sentence. */
static int check_file(const struct check *c, uint32_t part, const char *key, const char *path,
		      int mode, const char *allowed)
{
	struct stat st;
	char rest[512];
	int rc = 0;

	if (c->host->no_files)
		return 0;
	if (access(path, mode) || stat(path, &st))
		rc = errno;
	else if (S_ISDIR(st.st_mode))
		rc = EISDIR;
	if (!rc)
		return 0;
	snprintf(rest, sizeof(rest), "found \"%.300s\" (%s); allowed: %s", path, strerror(rc),
		 allowed);
	return mgmt_complain(c, rest, "partitions[%u].%s", part, key);
}

static int check_image(const struct check *c, uint32_t part)
{
	const struct mgmt_partition *p = &c->cfg->partitions[part];
	char rest[128];

	snprintf(rest, sizeof(rest),
		 "found %zu characters; allowed: %u, or a kernel, which takes %u",
		 strlen(p->cmdline), NETHV_CMDLINE_MAX, MGMT_CMDLINE_MAX);
	if (strlen(p->cmdline) > NETHV_CMDLINE_MAX)
		return mgmt_complain(c, rest, "partitions[%u].cmdline", part);
	return check_file(c, part, "image", p->image, R_OK,
			  "an ELF file that can be read, or no key for the built-in guest image");
}

/* What our own image knows nothing of. */
static int check_no_kernel(const struct check *c, uint32_t part)
{
	const struct mgmt_partition *p = &c->cfg->partitions[part];
	const char *key = p->initrd	   ? "initrd"
			  : p->disks_count ? "disks"
			  : p->integration ? "integration"
					   : NULL;

	if (!key)
		return 0;
	return mgmt_complain(c, "found without a kernel; allowed: together with the key kernel",
			     "partitions[%u].%s", part, key);
}

static int check_kernel(const struct check *c, uint32_t part)
{
	const struct mgmt_partition *p = &c->cfg->partitions[part];
	char rest[128];
	int rc;

	if (p->image)
		return mgmt_complain(c, "found beside a kernel; allowed: one of image and kernel",
				     "partitions[%u].image", part);
	if (mgmt_config_engine(c->cfg, p) == HV_ENGINE_RING3)
		return mgmt_complain(
			c,
			"found with engine ring3; allowed: engine kvm or auto: a kernel needs engine kvm",
			"partitions[%u].kernel", part);
	snprintf(rest, sizeof(rest), "found \"%u\"; allowed: with a kernel at least %u (MiB)",
		 p->memory, MGMT_KERNEL_MIB);
	if (p->memory < MGMT_KERNEL_MIB)
		return mgmt_complain(c, rest, "partitions[%u].memory", part);
	rc = check_file(c, part, "kernel", p->kernel, R_OK,
			"a Linux kernel (bzImage or vmlinux) that can be read");
	if (!rc && p->initrd)
		rc = check_file(c, part, "initrd", p->initrd, R_OK, "a file that can be read");
	return rc;
}

int mgmt_check_boot(const struct check *c, uint32_t part)
{
	const struct mgmt_partition *p = &c->cfg->partitions[part];
	char key[32];
	int rc;

	rc = p->kernel ? check_kernel(c, part) : check_no_kernel(c, part);
	if (!rc && !p->kernel)
		rc = check_image(c, part);
	if (!rc && p->synic != HV_SYNIC_AUTO && mgmt_config_engine(c->cfg, p) == HV_ENGINE_RING3)
		rc = mgmt_complain(c, "found with engine ring3; allowed: with engine kvm",
				   "partitions[%u].synic", part);
	for (uint32_t i = 0; i < p->disks_count && !rc; i++) {
		snprintf(key, sizeof(key), "disks[%u].path", i);
		rc = check_file(c, part, key, p->disks[i].path,
				p->disks[i].readonly ? R_OK : R_OK | W_OK,
				p->disks[i].readonly
					? "a file that can be read"
					: "a file that can be read and written, or readonly: true");
	}
	return rc;
}

struct disk_at {
	uint32_t part, disk;
};

static const struct mgmt_disk *disk_of(const struct check *c, struct disk_at at)
{
	return &c->cfg->partitions[at.part].disks[at.disk];
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat sa, sb;

	if (!strcmp(a, b))
		return true;
	return !stat(a, &sa) && !stat(b, &sb) && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static int check_pair(const struct check *c, struct disk_at old, struct disk_at at)
{
	const struct mgmt_disk *a = disk_of(c, old), *b = disk_of(c, at);
	char rest[512];

	if ((a->readonly && b->readonly) || !is_same_file(a->path, b->path))
		return 0;
	snprintf(rest, sizeof(rest),
		 "found \"%.300s\", which partitions[%u].disks[%u] uses, too; allowed: a file "
		 "twice only if readonly: true in both",
		 b->path, old.part, old.disk);
	return mgmt_complain(c, rest, "partitions[%u].disks[%u].path", at.part, at.disk);
}

/* Moves @at to the disk after it; false behind the last. */
static bool next_disk(const struct check *c, struct disk_at *at)
{
	at->disk++;
	while (at->part < c->cfg->partitions_count &&
	       at->disk >= c->cfg->partitions[at->part].disks_count)
		*at = (struct disk_at){at->part + 1, 0};
	return at->part < c->cfg->partitions_count;
}

int mgmt_check_disks(const struct check *c)
{
	struct disk_at at = {0, UINT32_MAX}, old;
	int rc = 0;

	if (c->host->no_files)
		return 0;
	while (!rc && next_disk(c, &at)) {
		old = (struct disk_at){0, UINT32_MAX};
		while (!rc && next_disk(c, &old) && (old.part != at.part || old.disk != at.disk))
			rc = check_pair(c, old, at);
	}
	return rc;
}
