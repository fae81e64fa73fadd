/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines on stderr. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char *program_name = "nethv";
static enum log_level level_max = LOG_LVL_INFO;

void log_init(const char *program, enum log_level max)
{
	program_name = program;
	level_max = max;
}

void log_line(enum log_level lvl, const char *obj, const char *fmt, ...)
{
	static const char *const word[] = {"error", "warning", "info", "debug"};
	char line[1024];
	va_list ap;
	int n, m;

	if (lvl > level_max)
		return;
	n = snprintf(line, sizeof(line), "%s %s %s: ", program_name, word[lvl], obj);
	if (n >= (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - 1 - n, fmt, ap);
	va_end(ap);
	n = n + m < (int)sizeof(line) - 1 ? n + m : (int)sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nobody is left to tell */
}
