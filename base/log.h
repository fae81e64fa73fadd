/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines for people: "<program> <level> <object>: <fact, value, what we did about it>" on
 * stderr. Whatever a guest can trigger must be counted or limited by the caller. Not for lcores. */
#pragma once

enum log_level { LOG_LVL_ERR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DBG };

/* ctl, once, before other threads run.  @program is borrowed for ever. */
void log_init(const char *program, enum log_level max);

/* any.  One line, written with one write(2). @obj is the object path, such as "vm0/nic1". */
void log_line(enum log_level lvl, const char *obj, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

#define log_err(obj, ...)  log_line(LOG_LVL_ERR, obj, __VA_ARGS__)
#define log_warn(obj, ...) log_line(LOG_LVL_WARN, obj, __VA_ARGS__)
#define log_info(obj, ...) log_line(LOG_LVL_INFO, obj, __VA_ARGS__)
#define log_dbg(obj, ...)  log_line(LOG_LVL_DBG, obj, __VA_ARGS__)
