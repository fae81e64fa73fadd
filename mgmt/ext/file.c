/* SPDX-License-Identifier: BSD-3-Clause */
/* Files and folders that the verbs use. */
#include "mgmt/ext/ext.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "mgmt/config.h"

int ext_file_read(const char *path, size_t max, char **out, size_t *len)
{
	FILE *f = fopen(path, "re");
	size_t n;
	char *b;
	int rc = 0;

	if (!f)
		return err_sys(-errno, "%s", path);
	b = malloc(max + 1);
	n = b ? fread(b, 1, max + 1, f) : 0;
	if (!b)
		rc = err_set(-ENOMEM, "%s: no memory", path);
	else if (ferror(f))
		rc = err_sys(-EIO, "%s", path);
	else if (n > max)
		rc = err_set(-EFBIG, "%s: longer than %zu bytes", path, max);
	fclose(f);
	if (rc) {
		free(b);
		return rc;
	}
	b[n] = 0;
	*out = b;
	if (len)
		*len = n;
	return 0;
}

int ext_config_read(const char *arg, char **out)
{
	const char *path = arg + (*arg == '@');
	char *text = NULL;
	json_t *map = NULL;
	size_t len = 0;
	int rc = 0;

	if (*arg != '{')
		rc = ext_file_read(path, MGMT_FILE_MAX, &text, &len);
	if (!rc)
		rc = text ? mgmt_yaml_map(&map, path, text, len)
			  : mgmt_yaml_map(&map, "command line", arg, strlen(arg));
	free(text);
	if (rc)
		return rc;
	*out = json_dumps(map, JSON_COMPACT);
	json_decref(map);
	return *out ? 0 : err_set(-ENOMEM, "%s: no memory", path);
}

int ext_templates_find(char out[PATH_MAX])
{
	static const char *const rel[] = {"templates", "../../share/nethv/templates"};
	const char *env = getenv("NETHV_TEMPLATES");
	char self[PATH_MAX], path[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (env)
		return realpath(env, out)
			       ? 0
			       : err_sys(-errno, "templates: NETHV_TEMPLATES is %s", env);
	if (n < 0)
		return err_sys(-errno, "/proc/self/exe");
	self[n] = 0;
	slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	for (size_t i = 0; i < sizeof(rel) / sizeof(rel[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", self, rel[i]);
		if (realpath(path, out))
			return 0;
	}
	return err_set(-ENOENT, "templates: not found at %s; install nethv, or set NETHV_TEMPLATES",
		       path);
}
