/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the code of an extension comes from, and whether its descriptor makes sense. */
#include "vswitch/ext/code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/priv.h"

#define BUILTIN	 "builtin:"
#define KEYS_MAX 1024u

static bool is_name(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	return n >= 1 && n <= 31 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static int check_class(const struct nethv_ext *d, const char *path)
{
	bool is_forward = d->cls == NETHV_FORWARD;

	if (d->cls < NETHV_CAPTURE || d->cls > NETHV_FORWARD)
		return err_set(-EINVAL, "%s: class %u, want capture, filter or forward", path,
			       d->cls);
	if ((d->flags & (NETHV_EXT_VLAN | NETHV_EXT_TEAM)) && !is_forward)
		return err_set(-EINVAL, "%s: NETHV_EXT_VLAN and _TEAM are for forwarders", path);
	if ((d->flags & NETHV_EXT_HOLDS) && (d->cls != NETHV_FILTER || !d->poll || !d->flush))
		return err_set(-EINVAL,
			       "%s: NETHV_EXT_HOLDS is for filters, with poll() and flush()", path);
	if (is_forward && !d->ingress)
		return err_set(-EINVAL, "%s: a forwarder without ingress() chooses nothing", path);
	return 0;
}

static int check_reasons(const struct nethv_ext *d, const char *path)
{
	uint32_t i;

	if (d->nr_reasons > NETHV_REASONS_MAX || (d->nr_reasons && !d->reasons))
		return err_set(-EINVAL, "%s: %u drop reasons, want up to %u", path, d->nr_reasons,
			       NETHV_REASONS_MAX);
	for (i = 0; i < d->nr_reasons; i++)
		if (!d->reasons[i])
			return err_set(-EINVAL, "%s: drop reason %u has no text", path, i);
	return 0;
}

static int check_keys(const struct nethv_ext *d, const char *path)
{
	const struct nethv_key *k;
	unsigned int n = 0;

	for (k = d->keys; k && k->name; k++) {
		if (k->kind < NETHV_KEY_TEXT || k->kind > NETHV_KEY_LIST)
			return err_set(-EINVAL, "%s: key %.40s is of kind %u, want text to list",
				       path, k->name, k->kind);
		if (++n > KEYS_MAX)
			return err_set(-EINVAL,
				       "%s: more than %u keys; does the table end with a name "
				       "that is NULL?",
				       path, KEYS_MAX);
	}
	return 0;
}

int vsw_desc_check(const struct nethv_ext *d, const char *path)
{
	int rc;

	static const struct nethv_guid none;

	if (!is_name(d->name))
		return err_set(-EINVAL, "%s: its name must be [a-z0-9-]{1,31}", path);
	if (!d->version || !d->summary)
		return err_set(-EINVAL, "%s: version and summary are needed", path);
	if (memcmp(&d->guid, &none, sizeof(none)) == 0)
		return err_set(-EINVAL, "%s: its GUID is zero; `nethv ext new` makes one", path);
	if (d->lcore_size > 1u << 30)
		return err_set(-EINVAL, "%s: %u bytes for each lcore, want up to 1 GiB", path,
			       d->lcore_size);
	rc = check_reasons(d, path);
	if (!rc)
		rc = check_keys(d, path);
	return rc ? rc : check_class(d, path);
}

static void builtin_close(struct vsw_ext_code *c)
{
	free(c);
}

static int builtin_open(struct vsw_ext_code **out, const char *name)
{
	const struct nethv_ext *const *e;
	struct vsw_ext_code *c;

	for (e = vsw_builtin_exts; *e && strcmp((*e)->name, name) != 0; e++)
		;
	if (!*e)
		return err_set(-ENOENT,
			       "no extension \"%.40s\" comes with the switch; `nethv ext "
			       "list` shows those that do",
			       name);
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(-ENOMEM, "%s: out of memory", name);
	c->desc = **e;
	c->close = builtin_close;
	*out = c;
	return vsw_desc_check(&c->desc, name);
}

int vsw_ext_code_open(struct vsw_ext_code **out, const char *path, const char *const *imports)
{
	size_t n = strlen(path);

	if (!strncmp(path, BUILTIN, sizeof(BUILTIN) - 1))
		return builtin_open(out, path + sizeof(BUILTIN) - 1);
	if (n > 2 && !strcmp(path + n - 2, ".o"))
		return vsw_bpf_open(out, path);
	return vsw_so_open(out, path, imports);
}

struct vsw_ext_code *vsw_host_code(const struct nethv_host *h)
{
	return ext_of(h)->code;
}

/* ---- Rules --------------------------------------------------------------------------------- */

static const char *const rule_ids[] = {
#define X(word, id, text) id,
	VSW_RULES(X)
#undef X
};

static const char *const rule_texts[] = {
#define X(word, id, text) text,
	VSW_RULES(X)
#undef X
};

const char *vsw_rule_id(enum vsw_rule rule)
{
	return rule < VSW_RULE_COUNT ? rule_ids[rule] : "?";
}

const char *vsw_rule_text(enum vsw_rule rule)
{
	return rule < VSW_RULE_COUNT ? rule_texts[rule] : "?";
}
