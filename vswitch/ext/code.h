/* SPDX-License-Identifier: BSD-3-Clause */
/* The code of an extension, wherever it comes from: a shared object, an eBPF object, the switch itself.
 * Several instances share nothing of it but the code. */
#pragma once

#include <stdbool.h>

#include <nethv/extension.h>

struct vsw_ext_code {
	struct nethv_ext
		desc; /* ours: what the extension said, checked, with missing members zero */
	bool is_tainted;
	struct vsw_ext_code *next;	       /* of code that stays for ever: it faulted */
	void (*close)(struct vsw_ext_code *c); /* frees @c, too. Not called after a fault */
};

/* ctl.  By what @path is. @imports: see struct vsw_ext_cfg. 0 or -errno (text set). */
int vsw_ext_code_open(struct vsw_ext_code **out, const char *path, const char *const *imports);

/* so.c, ctl, before the first one is opened.  Shared objects are loaded from where they lie, not from a
 * copy: debuggers and sanitizers find their symbols then. Two instances share the code's variables. */
extern bool vsw_so_in_place;

/* so.c, bpf.c, ctl. */
int vsw_so_open(struct vsw_ext_code **out, const char *path, const char *const *imports);
int vsw_bpf_open(struct vsw_ext_code **out, const char *path);

/* ctl.  The code behind an instance, for create() of code that needs more than its descriptor. */
struct vsw_ext_code *vsw_host_code(const struct nethv_host *h);

/* builtin.c: extensions that come with the switch, ended by NULL. They keep the rules of the SDK. */
extern const struct nethv_ext *const vsw_builtin_exts[];
