/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's files that SR-IOV is about: sysfs and /dev/vfio, below a root path, so that tests lay out
 * a host of their own. A write to sysfs runs a driver's code and may not come back for a long time, or
 * ever (unbinding a device that is open), so it is made by a process of its own, with a time-out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRIOV_BDF_MAX	 16u /* "0000:01:10.2" */
#define SRIOV_NAME_MAX	 32u /* of a driver, an interface */
#define SRIOV_PATH_MAX	 256u
#define SRIOV_TRY_MS	 20   /* between two looks whether something has happened */
#define SRIOV_TIMEOUT_MS 5000 /* for what the kernel is told */

struct sriov_sys_ops {
	/* Writes @text to the whole @path. 0, -ETIMEDOUT, or the kernel's -errno (text not set). */
	int (*write)(void *ctx, const char *path, const char *text, int timeout_ms);
	/* 1: another program has the VFIO file @path open, 0: none has, -errno: there is no telling. */
	int (*is_open)(void *ctx, const char *path);
	void (*sleep_ms)(void *ctx, int ms);
};

/* The caller's; what it points to is borrowed. */
struct sriov_sys {
	const char *root; /* "" is this host */
	const struct sriov_sys_ops *ops;
	void *ctx;
};

/* any.  This host. */
struct sriov_sys sriov_sys_host(void);

/* ctl.  What stands in the file, without white space at its end, cut to @size. 0 or -errno (no text: that
 * something is not there is often fine). The rest of the arguments is the path below the root. */
int sriov_sys_read(const struct sriov_sys *s, char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The same for a number, decimal or 0x.... -EINVAL: there is none. */
int sriov_sys_number(const struct sriov_sys *s, uint32_t *out, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* @len bytes at @off of the file: all of them, or -errno (no text). */
int sriov_sys_bytes(const struct sriov_sys *s, void *buf, size_t len, uint64_t off, const char *fmt,
		    ...) __attribute__((format(printf, 5, 6)));
/* The last part of what the symbolic link points to. */
int sriov_sys_link(const struct sriov_sys *s, char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
bool sriov_sys_exists(const struct sriov_sys *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The first entry of the folder that does not begin with a dot. 0 or -errno (no text). */
int sriov_sys_first(const struct sriov_sys *s, char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* ctl.  Writes @text within SRIOV_TIMEOUT_MS. 0 or -errno (no text). */
int sriov_sys_write(const struct sriov_sys *s, const char *text, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ctl.  As sriov_sys_ops::is_open. */
int sriov_sys_is_open(const struct sriov_sys *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void sriov_sys_sleep(const struct sriov_sys *s, int ms); /* ctl */
