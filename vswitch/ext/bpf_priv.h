/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of eBPF extensions share.
 *
 *   bpf_elf.c    object file -> programs, maps, variables
 *   bpf_info.c   what it says of itself
 *   bpf_line.c   instruction -> line of the source; the text of a refusal
 *   bpf_scan.c   lets only known instructions through
 *   bpf_check.c  decides whether a program is safe. Nothing else is relied on: librte_bpf's own verifier
 *                runs behind it, and is known to misjudge ranges
 *   bpf_map.c    maps
 *   bpf_help.c   what programs call
 *   bpf_link.c   puts addresses into a checked program and hands it to librte_bpf
 *   bpf_state.c  what an instance tells and hands over
 *   bpf.c        the extension: descriptor, instances, bursts */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <bpf_def.h>
#include <rte_spinlock.h>

#include <nethv/bpf.h>

#include "vswitch/ext/code.h"

#define BPF_FILE_MAX  (4u << 20)
#define BPF_DATA_MAX  8u	  /* sections of variables */
#define BPF_DATA_SIZE (64u << 10) /* of one of them at most */
#define BPF_STACK     512
#define BPF_NAME      32u

enum bpf_helper {
	BPF_LOAD,
	BPF_COPY,
	BPF_COUNT,
	BPF_MAP_LOOKUP,
	BPF_MAP_UPDATE,
	BPF_MAP_DELETE,
	BPF_MAP_ADD,
	BPF_HELPERS
};

/* What an instruction refers to by a relocation. */
enum bpf_ref_kind {
	BPF_REF_NONE,
	BPF_REF_MAP,
	BPF_REF_DATA, /* a variable */
	BPF_REF_HELPER,
	BPF_REF_OWN,	/* calls a function of the same object */
	BPF_REF_UNKNOWN /* anything else */
};

struct bpf_ref {
	uint8_t kind;	  /* enum bpf_ref_kind */
	uint8_t index;	  /* of the map, section of variables or enum bpf_helper */
	uint8_t map;	  /* calls for maps, set by the check: which */
	uint16_t len;	  /* nv_copy(), set by the check: how many bytes */
	uint32_t off;	  /* in the section of variables */
	const char *name; /* of the symbol, or "" */
};

/* Parts of the context that are only made when the program reads them. */
enum bpf_needs { BPF_NEEDS_L4 = 1 << 0, BPF_NEEDS_IP = 1 << 1 };

struct bpf_prog {
	const char *section; /* "ingress", "egress"; NULL: there is none */
	struct ebpf_insn *ins;
	struct bpf_ref *ref; /* [n] */
	uint32_t n;
	uint32_t first; /* instructions of the section before it */
	/* Set by the check. */
	uint32_t needs;	   /* enum bpf_needs */
	uint32_t nr_bytes; /* of nv_ctx.bytes that it reads: up to which */
	bool has_delete;
};

struct bpf_map_def {
	char name[BPF_NAME];
	struct nv_map size;
};

struct bpf_data {
	uint8_t *image; /* [size]; zero for .bss */
	uint32_t size;
	bool is_const;
};

struct bpf_view {
	const uint8_t *at;
	size_t len;
};

/* An object file as read. Everything is a copy of its own but names, which point into elf. */
struct bpf_obj {
	char label[64]; /* the file's name, for texts */
	void *file;
	void *elf;
	struct nv_info info;
	struct nethv_guid guid;
	uint32_t nr_reasons, nr_counters, nr_maps, nr_data;
	struct bpf_map_def map[NV_MAPS_MAX];
	struct bpf_data data[BPF_DATA_MAX];
	struct bpf_prog prog[2]; /* ingress, egress */
	struct bpf_view btf, btf_ext;
};

/* bpf_elf.c, ctl.  Reads @len bytes at @file, which it copies. Everything is bounded and checked but the
 * programs' instructions. 0, -ENOEXEC or -ENOMEM (text set). */
int bpf_obj_read(struct bpf_obj **out, const char *label, const void *file, size_t len);
void bpf_obj_free(struct bpf_obj *o);

/* bpf_info.c, ctl.  Are the description and the sizes of the maps good? Counts reasons and counters.
 * 0 or -ENOEXEC (text set). */
int bpf_info_check(struct bpf_obj *o);

/* bpf_line.c, any.  The line of instruction @pc: @file is its last path component, @text its source or
 * "", both printable. False: the object does not say. */
struct bpf_line {
	char file[64];
	char text[96];
	uint32_t line;
};
bool bpf_line_find(const struct bpf_obj *o, const struct bpf_prog *p, uint32_t pc,
		   struct bpf_line *out);
/* any.  Sets the text of an error, with the line before the reason. Returns -EINVAL. */
int bpf_refuse(const struct bpf_obj *o, const struct bpf_prog *p, uint32_t pc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));

/* bpf_scan.c, ctl.  Looks at each instruction by itself, and whether all ways end. @order [n]: the
 * instructions so that each is behind all that lead to it. Their number, or -EINVAL or -ENOMEM (text
 * set). */
int bpf_scan(const struct bpf_obj *o, const struct bpf_prog *p, uint32_t *order);
/* any.  Where instruction @pc of a scanned program leads: 0 to 2 places. */
unsigned int bpf_next(const struct bpf_prog *p, uint32_t pc, uint32_t next[2]);
/* any.  The helper of that name, or BPF_HELPERS. */
unsigned int bpf_helper_find(const char *name);
extern const char *const bpf_helper_names[BPF_HELPERS];

/* bpf_check.c, ctl.  0; -EINVAL or -ENOMEM (text set: line and reason). */
int bpf_check(const struct bpf_obj *o, struct bpf_prog *p);

/* ---- An instance ---- */

struct rte_hash;
struct rte_rcu_qsbr;

struct bpf_map {
	struct rte_hash *hash; /* key -> cell */
	uint32_t key_size, value_size, stride;
	uint32_t nr_cells;
	uint8_t *cells; /* [nr_cells * stride] */
	/* Writers that add or delete; never ctl while packets come. */
	rte_spinlock_t lock;
	uint32_t nr_free;
	uint32_t *free; /* cells without a key */
	uint64_t full;	/* additions refused; under the lock */
};

struct bpf_run_prog {
	uint64_t (*fn)(void *ctx); /* native code, or NULL: interpreted */
	struct rte_bpf *bpf;
	const struct bpf_prog *src;
};

struct bpf_inst {
	const struct nethv_host *host;
	const struct bpf_obj *obj;
	struct bpf_run_prog prog[2];
	bool is_filter;
	struct rte_rcu_qsbr
		*qsbr; /* with deletions: when a deleted cell is free. Tokens: lcores, ctl */
	struct bpf_map map[NV_MAPS_MAX];
	uint8_t *data[BPF_DATA_MAX];
};

/* What a program gets is the first member; helpers find the rest from there. */
struct bpf_run {
	struct nv_ctx ctx;
	struct nethv_burst *b;
	uint32_t nr_counters;
	uint16_t i;
};

/* bpf_map.c, ctl.  0 or -ENOMEM (text set). */
int bpf_map_create(struct bpf_map *m, const struct nethv_host *h, const struct bpf_map_def *def,
		   struct rte_rcu_qsbr *qsbr);
void bpf_map_destroy(struct bpf_map *m);
uint32_t bpf_map_count(const struct bpf_map *m);
/* ctl, online in the QSBR if there is one.  The next pair after *@at (begins with 0). @value: room for
 * value_size bytes. */
bool bpf_map_next(const struct bpf_map *m, uint32_t *at, const void **key, void *value);
/* lcore, or ctl while no packets come.  As the helpers of these names in nethv/bpf.h. */
int64_t bpf_map_lookup(const struct bpf_map *m, const void *key, void *value);
int64_t bpf_map_update(struct bpf_map *m, const void *key, const void *value);
int64_t bpf_map_delete(struct bpf_map *m, const void *key);
int64_t bpf_map_add(struct bpf_map *m, const void *key, uint64_t n);

/* bpf_help.c.  What programs call. */
typedef uint64_t (*bpf_helper_fn)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
extern const bpf_helper_fn bpf_helper_fns[BPF_HELPERS];

/* bpf_link.c, ctl.  Makes @out of @p, with maps and variables at the addresses in @in. 0 or -errno (text
 * set). */
int bpf_link(struct bpf_run_prog *out, const struct bpf_obj *o, const struct bpf_prog *p,
	     struct bpf_inst *in);
void bpf_unlink(struct bpf_run_prog *r);

/* bpf_state.c, ctl: members of struct nethv_ext. */
int bpf_status(void *inst, char *json, size_t size);
int bpf_save(void *inst, struct nethv_writer *w);
int bpf_restore(void *inst, const void *data, size_t len, uint32_t state_version);
#define BPF_STATE_VERSION 1u
