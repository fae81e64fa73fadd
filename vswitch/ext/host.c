/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl's half of struct nethv_host: memory, configuration, ports, references, properties. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

/* The instance in whose callback on ctl we are, whatever @h a caller may have. NULL: not in one, as on an
 * lcore, where none of this may be called. */
struct vsw_ext *vsw_host_begin(void)
{
	struct vsw_guard *g = vsw_guard_mine();

	if (!g || g->owner || !(g->seq & 1))
		return NULL;
	vsw_guard_in(g);
	return g->ext;
}

static void end(void)
{
	vsw_guard_out(vsw_guard_mine());
}

/* ---- Memory -------------------------------------------------------------------------------- */

/* Between two pages without access: who writes beyond the end is caught there, so the end is what is
 * at the border (to 64 bytes). */
static void *mem_map(struct vsw_ext *e, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (size + 63) & ~(size_t)63, len = (room + page - 1) / page * page + 2 * page;
	struct vsw_ext_mem *m = calloc(1, sizeof(*m));
	uint8_t *at;

	if (!m || size == 0 || size > SIZE_MAX / 2)
		goto fail;
	at = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		goto fail;
	if (mprotect(at + page, len - 2 * page, PROT_READ | PROT_WRITE)) {
		munmap(at, len);
		goto fail;
	}
	*m = (struct vsw_ext_mem){e->mem, at, len};
	e->mem = m;
	return at + len - page - room;
fail:
	free(m);
	return NULL;
}

static void *call_alloc(const struct nethv_host *h, size_t size)
{
	struct vsw_ext *e = vsw_host_begin();
	void *p;

	if (!e)
		return NULL;
	p = mem_map(e, size);
	end();
	return p;
}

static void mem_free(struct vsw_ext *e, const void *p)
{
	struct vsw_ext_mem **at = &e->mem, *m;

	for (; *at; at = &(*at)->next) {
		m = *at;
		if ((const char *)p < (char *)m->at || (const char *)p >= (char *)m->at + m->len)
			continue;
		*at = m->next;
		munmap(m->at, m->len);
		free(m);
		return;
	}
}

static void call_free(const struct nethv_host *h, void *p)
{
	struct vsw_ext *e = vsw_host_begin();

	if (!e)
		return;
	mem_free(e, p);
	end();
}

void vsw_host_free_all(struct vsw_ext *e)
{
	struct vsw_ext_mem *m;

	while ((m = e->mem)) {
		e->mem = m->next;
		munmap(m->at, m->len);
		free(m);
	}
}

/* ---- Words and configuration --------------------------------------------------------------- */

/* The extension's text, read as its own fault. */
static void text_take(char *to, size_t max, const char *text)
{
	size_t n;

	end();
	n = text ? strnlen(text, max - 1) : 0;
	memcpy(to, text ? text : "", n);
	to[n] = 0;
	vsw_guard_in(vsw_guard_mine());
}

static void call_log(const struct nethv_host *h, int level, const char *text)
{
	struct vsw_ext *e = vsw_host_begin();
	char line[400];

	if (!e)
		return;
	text_take(line, sizeof(line), text);
	switch (level) {
	case NETHV_LOG_ERROR: log_err(e->name, "%s", line); break;
	case NETHV_LOG_WARN: log_warn(e->name, "%s", line); break;
	case NETHV_LOG_INFO: log_info(e->name, "%s", line); break;
	default: log_dbg(e->name, "%s", line); break;
	}
	end();
}

static int call_fail(const struct nethv_host *h, const char *text)
{
	struct vsw_ext *e = vsw_host_begin();

	if (!e)
		return -1;
	text_take(e->fail, sizeof(e->fail), text);
	end();
	return -1;
}

static json_t *value(const struct vsw_ext *e, const char *key)
{
	char path[128];

	text_take(path, sizeof(path), key);
	return vsw_keys_get(e->cfg, path);
}

static const char *call_cfg_text(const struct nethv_host *h, const char *key)
{
	struct vsw_ext *e = vsw_host_begin();
	const char *text;

	if (!e)
		return "";
	text = json_string_value(value(e, key));
	end();
	return text ? text : "";
}

static int64_t call_cfg_int(const struct nethv_host *h, const char *key)
{
	struct vsw_ext *e = vsw_host_begin();
	const json_t *v;
	int64_t n;

	if (!e)
		return 0;
	v = value(e, key);
	n = json_is_true(v) ? 1 : json_integer_value(v);
	end();
	return n;
}

static double call_cfg_real(const struct nethv_host *h, const char *key)
{
	struct vsw_ext *e = vsw_host_begin();
	double n;

	if (!e)
		return 0;
	n = json_number_value(value(e, key));
	end();
	return n;
}

static uint32_t call_cfg_count(const struct nethv_host *h, const char *key)
{
	struct vsw_ext *e = vsw_host_begin();
	size_t n;

	if (!e)
		return 0;
	n = json_array_size(value(e, key));
	end();
	return (uint32_t)n;
}

/* ---- The switch ---------------------------------------------------------------------------- */

static void call_quiesce(const struct nethv_host *h)
{
	struct vsw_ext *e = vsw_host_begin();

	if (!e)
		return;
	if (e->sw->is_started)
		vsw_quiesce(e->sw);
	end();
}

static void *call_lcore_data(const struct nethv_host *h, uint16_t lcore)
{
	struct vsw_ext *e = vsw_host_begin();
	void *p;

	if (!e)
		return NULL;
	p = lcore < e->sw->nr_lcores ? e->lane[lcore].data : NULL;
	end();
	return p;
}

/* Their memory: once, before create(). */
static int lanes_create(struct vsw_ext *e)
{
	unsigned int i, n = e->host.nr_lcores;

	e->lane = aligned_alloc(64, n * sizeof(e->lane[0]));
	if (!e->lane)
		return err_set(-ENOMEM, "%s: out of memory", e->name);
	memset(e->lane, 0, n * sizeof(e->lane[0]));
	for (i = 0; i < n && e->code->desc.lcore_size; i++) {
		e->lane[i].data = mem_map(e, e->code->desc.lcore_size);
		if (!e->lane[i].data)
			return err_set(-ENOMEM, "%s: out of memory for its data of lcore %u",
				       e->name, i);
	}
	return 0;
}

int vsw_host_init(struct vsw_ext *e)
{
	struct nethv_host *h = &e->host;

	*h = (struct nethv_host){
		.size = sizeof(*h),
		.abi = NETHV_EXT_ABI,
		.priv = e,
		.nr_lcores = e->sw->nr_lcores,
		.budget_us = e->budget_us,
		.tsc_hz = e->sw->tsc_hz,
		.alloc = call_alloc,
		.free = call_free,
		.log = call_log,
		.quiesce = call_quiesce,
		.lcore_data = call_lcore_data,
		.fail = call_fail,
		.cfg_text = call_cfg_text,
		.cfg_int = call_cfg_int,
		.cfg_real = call_cfg_real,
		.cfg_count = call_cfg_count,
	};
	vsw_calls_fill(h);
	vsw_host_objs_fill(h);
	return lanes_create(e);
}
