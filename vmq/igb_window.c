/* SPDX-License-Identifier: BSD-3-Clause */
/* A second file of a device that DPDK has open through VFIO: a group gives as many as are asked for, and the device is
 * released with the last of them. So this one is to be closed before DPDK closes its own. */
#include <errno.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <rte_io.h>
#include <rte_vfio.h>

#include "base/err.h"
#include "base/fd.h"
#include "vmq/igb.h"

#define SIZE_MIN 0x10000u /* all registers of igb_reg.h */

static int device_open(const char *bdf)
{
	int group, fd, rc = rte_vfio_get_group_num("/sys/bus/pci/devices", bdf, &group);

	if (rc <= 0)
		return err_set(-ENOTSUP, "%s: not in a group of VFIO", bdf);
	fd = rte_vfio_get_group_fd(group);
	if (fd < 0)
		return err_set(-ENODEV, "%s: VFIO group %d is not open", bdf, group);
	fd = ioctl(fd, VFIO_GROUP_GET_DEVICE_FD, bdf);
	return fd < 0 ? err_sys(-errno, "%s: a second file of the device", bdf) : fd;
}

static int window_map(struct igb_window *w, const char *bdf)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = VFIO_PCI_BAR0_REGION_INDEX};

	if (ioctl(w->fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
		return err_sys(-errno, "%s: BAR 0", bdf);
	if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP) || info.size < SIZE_MIN)
		return err_set(-ENOTSUP, "%s: BAR 0 cannot be mapped (%llu bytes)", bdf,
			       (unsigned long long)info.size);
	w->at = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd,
		     (off_t)info.offset);
	if (w->at == MAP_FAILED) {
		w->at = NULL;
		return err_sys(-errno, "%s: mapping BAR 0", bdf);
	}
	w->size = info.size;
	return 0;
}

int igb_window_open(struct igb_window *w, const char *bdf)
{
	int rc;

	*w = (struct igb_window){.fd = device_open(bdf)};
	if (w->fd < 0) {
		rc = w->fd;
		w->fd = -1;
		return rc;
	}
	rc = window_map(w, bdf);
	if (rc)
		igb_window_close(w);
	return rc;
}

void igb_window_close(struct igb_window *w)
{
	if (w->at)
		munmap(w->at, w->size);
	w->at = NULL;
	fd_close(&w->fd);
}

static uint32_t window_read(void *ctx, uint32_t reg)
{
	const struct igb_window *w = ctx;

	return rte_read32((char *)w->at + reg);
}

static void window_write(void *ctx, uint32_t reg, uint32_t v)
{
	const struct igb_window *w = ctx;

	rte_write32(v, (char *)w->at + reg);
}

struct igb_io igb_window_io(struct igb_window *w)
{
	return (struct igb_io){window_read, window_write, w};
}
