/* SPDX-License-Identifier: BSD-3-Clause */
/* How much memory the host can still give. Asked before an allocation, because shared memory beyond
 * what there is does not fail: it brings the OOM killer on bystanders. */
#pragma once

#include <stdint.h>

/* any.  Bytes that can be had in small pages: the machine's, or what the container's limit (cgroup,
 * either version) leaves if that is less. UINT64_MAX when the kernel does not say. */
uint64_t mem_left(void);

/* any.  Bytes free in 2 MiB pages; 0 when there are none. */
uint64_t mem_huge_free(void);
