/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of extensions: names, files, and the ports that they are for. What is in an extension's own
 * configuration only the extension can check, when it is loaded. */
#include "mgmt/config_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

#define BUILTIN "builtin:"

static bool is_builtin(const char *path)
{
	return !strncmp(path, BUILTIN, strlen(BUILTIN));
}

/* The name of an extension that was given none: its file's, without folder and suffix. */
static char *name_from(const char *path)
{
	const char *base = strrchr(path, '/');

	base = is_builtin(path) ? path + strlen(BUILTIN) : base ? base + 1 : path;
	return strndup(base, strcspn(base, "."));
}

static int check_name(const struct check *c, uint32_t i)
{
	struct mgmt_ext *ext = &c->cfg->sw.exts[i];
	bool is_given = ext->name;
	char rest[256];

	if (!is_given)
		ext->name = name_from(ext->path);
	if (!ext->name)
		return err_set(-ENOMEM, "%s: out of memory", c->label);
	snprintf(rest, sizeof(rest), "found %s\"%.60s\"; allowed: 1..%u of " MGMT_NAME_RULE,
		 is_given ? "" : "no name, and the file's is ", ext->name, MGMT_EXT_NAME_MAX);
	if (!mgmt_is_name(ext->name) || strlen(ext->name) > MGMT_EXT_NAME_MAX)
		return mgmt_complain(c, rest, "switch.extensions[%u].name", i);
	for (uint32_t k = 0; k < i; k++) {
		snprintf(rest, sizeof(rest),
			 "found \"%s\", which switch.extensions[%u] has, too; allowed: each name "
			 "once",
			 ext->name, k);
		if (!strcmp(c->cfg->sw.exts[k].name, ext->name))
			return mgmt_complain(c, rest, "switch.extensions[%u].name", i);
	}
	return 0;
}

static int make_absolute(const struct check *c, struct mgmt_ext *ext)
{
	char *path;

	if (is_builtin(ext->path) || ext->path[0] == '/' || !c->host->folder)
		return 0;
	if (asprintf(&path, "%s/%s", c->host->folder, ext->path) < 0)
		return err_set(-ENOMEM, "%s: out of memory", c->label);
	free(ext->path);
	ext->path = path;
	return 0;
}

static int check_path(const struct check *c, uint32_t i)
{
	struct mgmt_ext *ext = &c->cfg->sw.exts[i];
	int rc = make_absolute(c, ext);
	struct stat st;
	char rest[512];

	if (rc || c->host->no_files || is_builtin(ext->path))
		return rc;
	if (access(ext->path, R_OK) || stat(ext->path, &st))
		rc = errno;
	else if (!S_ISREG(st.st_mode))
		rc = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	snprintf(rest, sizeof(rest),
		 "found \"%.300s\" (%s); allowed: a shared object, an eBPF object, or builtin:NAME",
		 ext->path, strerror(rc));
	return rc ? mgmt_complain(c, rest, "switch.extensions[%u].path", i) : 0;
}

static int check_ports(const struct check *c, uint32_t i)
{
	const struct mgmt_ext *ext = &c->cfg->sw.exts[i];
	char rest[160];

	for (uint32_t k = 0; k < ext->ports_count; k++) {
		snprintf(rest, sizeof(rest),
			 "found \"%s\"; allowed: an adapter (PARTITION/NUMBER) or uplink of this "
			 "file",
			 ext->ports[k]);
		if (!mgmt_config_has_port(c->cfg, ext->ports[k]))
			return mgmt_complain(c, rest, "switch.extensions[%u].ports[%u]", i, k);
	}
	return 0;
}

int mgmt_check_exts(const struct check *c)
{
	int rc = 0;

	for (uint32_t i = 0; i < c->cfg->sw.exts_count && !rc; i++) {
		rc = check_name(c, i);
		if (!rc)
			rc = check_path(c, i);
		if (!rc)
			rc = check_ports(c, i);
	}
	return rc;
}
