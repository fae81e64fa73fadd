/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes out by shared pages and what came in at boot: report, control, command line. */
#include "guest/runtime/priv.h"
#include "guest/runtime/rt.h"

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

/* The text behind "key=" or "key" as a whole word, and its length; NULL without the key. */
static const char *arg_find(const char *key, size_t *len)
{
	const char *s = rt_boot()->cmdline;
	size_t n = strlen(key), word;

	for (;; s += word) {
		while (*s == ' ')
			s++;
		for (word = 0; s[word] && s[word] != ' '; word++)
			;
		if (word == 0)
			return NULL;
		if (word < n || strncmp(s, key, n) || (word > n && s[n] != '='))
			continue;
		*len = word > n ? word - n - 1 : 0;
		return s + word - *len;
	}
}

int rt_arg(const char *key, char *buf, size_t size)
{
	size_t len = 0;
	const char *v = arg_find(key, &len);

	if (!v || size == 0)
		return -1;
	if (len >= size)
		len = size - 1;
	memcpy(buf, v, len);
	buf[len] = '\0';
	return (int)len;
}

bool rt_arg_is(const char *key, const char *value)
{
	size_t len = 0;
	const char *v = arg_find(key, &len);

	return v && len == strlen(value) && !strncmp(v, value, len);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return 99;
}

static unsigned int suffix_shift(const char *s, size_t left)
{
	static const char suffix[] = "KMG";
	unsigned int i;

	if (left == 0)
		return 0;
	for (i = 0; left == 1 && suffix[i]; i++) {
		if (*s == suffix[i])
			return 10 * (i + 1);
	}
	return 64;
}

uint64_t rt_arg_u64(const char *key, uint64_t dflt)
{
	size_t len = 0, i = 0;
	const char *v = arg_find(key, &len);
	unsigned int base = 10, shift;
	uint64_t n = 0;

	if (!v)
		return dflt;
	if (len > 2 && v[0] == '0' && v[1] == 'x') {
		base = 16;
		i = 2;
	}
	for (; i < len && digit(v[i]) < (int)base; i++)
		n = n * base + (unsigned int)digit(v[i]);
	shift = suffix_shift(v + i, len - i);
	if (len == 0 || i == 0 || shift == 64)
		rt_panic("argument %s=%.*s: want a number", key, (int)len, v);
	return n << shift;
}
