/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes out by shared pages and what came in at boot: report, control, command line. */
#include "guest/runtime/priv.h"
#include "guest/runtime/rt.h"
#include "guest/runtime/words.h"

static struct nethv_report *report;
static const struct nethv_control *control;
static struct rt_lock report_lock;
static uint64_t overflow_cell;

void rt_report_init(const struct nethv_boot *boot)
{
	report = (void *)(uintptr_t)boot->report_gpa;
	control = (void *)(uintptr_t)boot->control_gpa;
	__atomic_store_n(&report->magic, NETHV_REPORT_MAGIC, __ATOMIC_RELEASE);
}

static uint64_t *cell_find(const char *name)
{
	uint32_t i;

	for (i = 0; i < report->nr; i++) {
		if (!strncmp(report->entry[i].name, name, NETHV_REPORT_NAME - 1))
			return &report->entry[i].value;
	}
	return NULL;
}

static uint64_t *cell_add(const char *name)
{
	struct nethv_report_entry *e;
	size_t len = strlen(name);

	if (report->nr >= NETHV_REPORT_ENTRIES)
		return &overflow_cell;
	e = &report->entry[report->nr];
	memcpy(e->name, name, len < NETHV_REPORT_NAME ? len : NETHV_REPORT_NAME - 1);
	/* The host reads the count first: a counted entry has its name. */
	__atomic_store_n(&report->nr, report->nr + 1, __ATOMIC_RELEASE);
	return &e->value;
}

uint64_t *rt_report_u64(const char *name)
{
	uint64_t *cell;

	rt_lock(&report_lock);
	cell = cell_find(name);
	if (!cell)
		cell = cell_add(name);
	rt_unlock(&report_lock);
	return cell;
}

void rt_report_state(unsigned int state)
{
	__atomic_store_n(&report->state, state, __ATOMIC_RELEASE);
}

void rt_report_message(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	rt_vsnprintf(report->message, sizeof(report->message), fmt, ap);
	va_end(ap);
}

bool rt_stop_requested(void)
{
	return __atomic_load_n(&control->stop, __ATOMIC_ACQUIRE) != 0;
}

uint32_t rt_order(char *line)
{
	uint32_t seq = __atomic_load_n(&control->order_seq, __ATOMIC_ACQUIRE);

	if (seq == 0 || seq % 2)
		return 0;
	memcpy(line, control->order, sizeof(control->order));
	line[NETHV_ORDER_MAX] = '\0';
	__atomic_thread_fence(__ATOMIC_ACQUIRE); /* pairs with hv_order() */
	return __atomic_load_n(&control->order_seq, __ATOMIC_RELAXED) == seq ? seq : 0;
}

int rt_arg(const char *key, char *buf, size_t size)
{
	return words_copy(rt_boot()->cmdline, key, buf, size);
}

bool rt_arg_is(const char *key, const char *value)
{
	return words_is(rt_boot()->cmdline, key, value);
}

uint64_t rt_arg_u64(const char *key, uint64_t dflt)
{
	uint64_t n = dflt;
	char text[32];

	if (!words_u64(rt_boot()->cmdline, key, &n)) {
		rt_arg(key, text, sizeof(text));
		rt_panic("argument %s=%s: want a number", key, text);
	}
	return n;
}
