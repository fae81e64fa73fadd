/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors are negative errno values; the text that explains one is set once, where it arises,
 * in a slot of the calling thread. The outermost caller prints the slot. Not for lcores. */
#pragma once

#include <stdarg.h>

/* any.  Stores the text and evaluates to @code, so that `return err_set(-EINVAL, ...)` reads well. */
int err_set(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* any.  As err_set(), with ": <strerror(-code)>" appended. For failed system calls. */
int err_sys(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* any.  Puts what only the caller knows before the stored text ("<prefix>: <text>"). */
void err_prefix(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));

/* any.  The text of this thread's last error; "" when there was none. Valid until the next call. */
const char *err_text(void);
