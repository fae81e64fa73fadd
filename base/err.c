/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread-local error slot. */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#define ERR_TEXT_MAX 512

static __thread char slot[ERR_TEXT_MAX];

int err_set(int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(slot, text, sizeof(slot));
	return code;
}

int err_sys(int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(code, "%s: %s", text, strerror(-code));
}

void err_prefix(const char *fmt, ...)
{
	char head[ERR_TEXT_MAX / 4], old[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(head, sizeof(head), fmt, ap);
	va_end(ap);
	memcpy(old, slot, sizeof(old));
	snprintf(slot, sizeof(slot), "%s: %.380s", head, old);
}

const char *err_text(void)
{
	return slot;
}
