/* SPDX-License-Identifier: BSD-3-Clause */
/* What an instance of an eBPF extension tells (counters and maps as JSON) and hands over to the next
 * version of itself: counters of the same name; maps of the same name, key size and value size. Variables
 * are not handed over: what they mean is the program's own matter.
 *
 * The state: records of a header and its entries, in the switch's own byte order. */
#include "vswitch/ext/bpf_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_rcu_qsbr.h>

#define DUMP_MAX 32u /* pairs of a map in the status */

/* While ctl looks through maps, deleted cells stay as they are. */
static void look_begin(struct bpf_inst *in)
{
	if (in->qsbr)
		rte_rcu_qsbr_thread_online(in->qsbr, in->host->nr_lcores);
}

static void look_end(struct bpf_inst *in)
{
	if (in->qsbr)
		rte_rcu_qsbr_thread_offline(in->qsbr, in->host->nr_lcores);
}

static uint64_t *lcore_counters(const struct bpf_inst *in, uint32_t lcore)
{
	return in->host->lcore_data(in->host, (uint16_t)lcore);
}

static uint64_t counter_sum(const struct bpf_inst *in, unsigned int i)
{
	uint64_t sum = 0;
	uint32_t l;

	for (l = 0; l < in->host->nr_lcores; l++)
		sum += __atomic_load_n(&lcore_counters(in, l)[i], __ATOMIC_RELAXED);
	return sum;
}

/* ---- Status ---- */

static void put_hex(FILE *f, const uint8_t *p, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		fprintf(f, "%02x", p[i]);
}

/* A number when it has the size of one, else bytes. */
static void put_value(FILE *f, const uint8_t *p, uint32_t n)
{
	uint64_t v = 0;

	if (n == 1 || n == 2 || n == 4 || n == 8) {
		memcpy(&v, p, n);
		fprintf(f, "%" PRIu64, v);
		return;
	}
	fputc('"', f);
	put_hex(f, p, n);
	fputc('"', f);
}

static void put_map(FILE *f, const struct bpf_map *m, const struct bpf_map_def *def, uint32_t max)
{
	uint8_t value[NV_VALUE_MAX];
	uint32_t n, at = 0;
	const void *key;

	fprintf(f, "\"%s\":{\"entries\":%u,\"max\":%u,\"full\":%" PRIu64 ",\"pairs\":[", def->name,
		bpf_map_count(m), m->nr_cells - 1, __atomic_load_n(&m->full, __ATOMIC_RELAXED));
	for (n = 0; n < max && bpf_map_next(m, &at, &key, value); n++) {
		fprintf(f, "%s{\"key\":\"", n ? "," : "");
		put_hex(f, key, m->key_size);
		fprintf(f, "\",\"value\":");
		put_value(f, value, m->value_size);
		fputc('}', f);
	}
	fprintf(f, "]}");
}

static void put_all(FILE *f, struct bpf_inst *in, uint32_t max)
{
	const struct bpf_obj *o = in->obj;
	unsigned int i;
	bool is_native =
		(!in->prog[0].bpf || in->prog[0].fn) && (!in->prog[1].bpf || in->prog[1].fn);

	fprintf(f, "{\"native\":%s,\"counters\":{", is_native ? "true" : "false");
	for (i = 0; i < o->nr_counters; i++)
		fprintf(f, "%s\"%s\":%" PRIu64, i ? "," : "", o->info.counters[i],
			counter_sum(in, i));
	fprintf(f, "},\"maps\":{");
	for (i = 0; i < o->nr_maps; i++) {
		if (i)
			fputc(',', f);
		put_map(f, &in->map[i], &o->map[i], max);
	}
	fprintf(f, "}}");
}

int bpf_status(void *inst, char *json, size_t size)
{
	struct bpf_inst *in = inst;
	char *text = NULL;
	uint32_t max;
	size_t len;
	FILE *f;

	for (max = DUMP_MAX;; max /= 2) { /* fewer pairs until it fits */
		f = open_memstream(&text, &len);
		if (!f)
			return -1;
		look_begin(in);
		put_all(f, in, max);
		look_end(in);
		if (fclose(f))
			len = size;
		if (len < size)
			memcpy(json, text, len + 1);
		free(text);
		if (len < size)
			return (int)len;
		if (!max)
			return -1;
	}
}

/* ---- Hand-over ---- */

enum record_kind { RECORD_COUNTER = 1, RECORD_MAP = 2, RECORD_END = 3 };

struct record {
	uint32_t kind;
	uint32_t key_size, value_size;
	uint32_t reserved;
	uint64_t value; /* of a counter */
	char name[BPF_NAME];
};

/* Behind a map's record: pairs, each behind a 1; then a 0. */
static int save_map(const struct bpf_map *m, const struct bpf_map_def *def, struct nethv_writer *w)
{
	struct record r = {
		.kind = RECORD_MAP, .key_size = m->key_size, .value_size = m->value_size};
	uint8_t value[NV_VALUE_MAX], more = 1;
	uint32_t at = 0;
	const void *key;
	int rc;

	memcpy(r.name, def->name, sizeof(r.name));
	rc = w->put(w, &r, sizeof(r));
	while (!rc && bpf_map_next(m, &at, &key, value)) {
		rc = w->put(w, &more, 1);
		if (!rc)
			rc = w->put(w, key, m->key_size);
		if (!rc)
			rc = w->put(w, value, m->value_size);
	}
	more = 0;
	return rc ? rc : w->put(w, &more, 1);
}

int bpf_save(void *inst, struct nethv_writer *w)
{
	struct bpf_inst *in = inst;
	const struct bpf_obj *o = in->obj;
	struct record r = {.kind = RECORD_COUNTER};
	unsigned int i;
	int rc = 0;

	for (i = 0; i < o->nr_counters && !rc; i++) {
		r.value = counter_sum(in, i);
		memcpy(r.name, o->info.counters[i], sizeof(r.name));
		rc = w->put(w, &r, sizeof(r));
	}
	look_begin(in);
	for (i = 0; i < o->nr_maps && !rc; i++)
		rc = save_map(&in->map[i], &o->map[i], w);
	look_end(in);
	r = (struct record){.kind = RECORD_END};
	return rc ? rc : w->put(w, &r, sizeof(r));
}

struct input {
	const uint8_t *at;
	size_t left;
};

static const void *take(struct input *in, size_t n)
{
	const uint8_t *p = in->at;

	if (n > in->left)
		return NULL;
	in->at += n;
	in->left -= n;
	return p;
}

static struct bpf_map *find_map(struct bpf_inst *in, const struct record *r)
{
	unsigned int i;

	for (i = 0; i < in->obj->nr_maps; i++)
		if (!strncmp(in->obj->map[i].name, r->name, sizeof(r->name)) &&
		    in->map[i].key_size == r->key_size && in->map[i].value_size == r->value_size)
			return &in->map[i];
	return NULL;
}

/* Pairs for which the new map has no room are counted in full. */
static bool restore_map(struct bpf_inst *in, const struct record *r, struct input *from)
{
	struct bpf_map *m = find_map(in, r);
	const uint8_t *more, *key, *value;

	if (!r->key_size || r->key_size > NV_KEY_MAX || r->value_size > NV_VALUE_MAX)
		return false;
	while ((more = take(from, 1)) && *more) {
		key = take(from, r->key_size);
		value = key ? take(from, r->value_size) : NULL;
		if (!value)
			return false;
		if (m)
			bpf_map_update(m, key, value);
	}
	return more;
}

static void restore_counter(struct bpf_inst *in, const struct record *r)
{
	unsigned int i;

	for (i = 0; i < in->obj->nr_counters; i++)
		if (!strncmp(in->obj->info.counters[i], r->name, sizeof(r->name)))
			lcore_counters(in, 0)[i] = r->value;
}

int bpf_restore(void *inst, const void *data, size_t len, uint32_t state_version)
{
	struct input from = {.at = data, .left = len};
	struct bpf_inst *in = inst;
	const void *p;
	struct record r;

	if (state_version != BPF_STATE_VERSION)
		return in->host->fail(in->host, "state of an unknown version");
	while ((p = take(&from, sizeof(r)))) {
		memcpy(&r, p, sizeof(r));
		if (r.kind == RECORD_END)
			return 0;
		if (r.kind == RECORD_COUNTER)
			restore_counter(in, &r);
		else if (r.kind != RECORD_MAP || !restore_map(in, &r, &from))
			break;
	}
	return in->host->fail(in->host, "the state is cut off");
}
