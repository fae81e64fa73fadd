/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's iommufd and VFIO device files, as far as vfio_cdev.c uses them: numbers and layouts of
 * the wire, under names of our own. They came with Linux 6.2 and 6.6; the headers that we build with are
 * older, the kernel that we run on need not be. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define IFD_IO(n)	      _IO(';', (n))
#define IFD_DESTROY	      IFD_IO(0x80)
#define IFD_IOAS_ALLOC	      IFD_IO(0x81)
#define IFD_IOAS_IOVA_RANGES  IFD_IO(0x84)
#define IFD_IOAS_MAP	      IFD_IO(0x85)
#define IFD_IOAS_UNMAP	      IFD_IO(0x86)
#define IFD_VFIO_BIND_IOMMUFD IFD_IO(100 + 18)
#define IFD_VFIO_ATTACH_PT    IFD_IO(100 + 19)
#define IFD_VFIO_DETACH_PT    IFD_IO(100 + 20)

#define IFD_MAP_FIXED_IOVA 1u
#define IFD_MAP_WRITEABLE  2u
#define IFD_MAP_READABLE   4u

/* IN: size and what is not OUT. The kernel refuses bytes that it does not know and that are not 0. */
struct ifd_destroy {
	uint32_t size, id;
};

struct ifd_ioas_alloc {
	uint32_t size, flags;
	uint32_t out_ioas_id; /* OUT */
};

struct ifd_range {
	uint64_t first, last;
};

struct ifd_ioas_iova_ranges {
	uint32_t size, ioas_id;
	uint32_t nr; /* IN: room. OUT: how many there are */
	uint32_t reserved;
	uint64_t ranges;    /* struct ifd_range *, filled */
	uint64_t alignment; /* OUT */
};

struct ifd_ioas_map {
	uint32_t size, flags, ioas_id, reserved;
	uint64_t user_va, length, iova;
};

struct ifd_ioas_unmap {
	uint32_t size, ioas_id;
	uint64_t iova;
	uint64_t length; /* IN: to unmap. OUT: what was */
};

struct ifd_vfio_bind {
	uint32_t argsz, flags;
	int32_t iommufd;
	uint32_t out_devid; /* OUT */
};

struct ifd_vfio_attach {
	uint32_t argsz, flags;
	uint32_t pt_id; /* IN: address space. OUT: page table */
};

struct ifd_vfio_detach {
	uint32_t argsz, flags;
};

_Static_assert(sizeof(struct ifd_ioas_alloc) == 12, "iommufd ABI");
_Static_assert(sizeof(struct ifd_ioas_iova_ranges) == 32, "iommufd ABI");
_Static_assert(sizeof(struct ifd_ioas_map) == 40, "iommufd ABI");
_Static_assert(offsetof(struct ifd_ioas_map, user_va) == 16, "iommufd ABI");
_Static_assert(sizeof(struct ifd_ioas_unmap) == 24, "iommufd ABI");
_Static_assert(sizeof(struct ifd_vfio_bind) == 16, "VFIO ABI");
_Static_assert(sizeof(struct ifd_vfio_attach) == 12, "VFIO ABI");
