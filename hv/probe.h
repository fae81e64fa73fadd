/* SPDX-License-Identifier: BSD-3-Clause */
/* Can /dev/kvm of this host really run 64-bit code natively? Some can create a VM, and then emulate
 * or fail. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* ctl.  Runs a few instructions, one of them SSE, in a child process: at most 50 ms in the guest,
 * half a second in all. True when that works; @text (never empty) says what was found. */
bool hv_probe_kvm(char *text, size_t size);
