/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/doctor.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mgmt/cli.h"

static const char *const level_word[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_WARN] = "warn",
	[DOCTOR_BAD] = "bad",
};

void doctor_say(struct doctor *d, enum doctor_level level, const char *what, const char *advice,
		const char *found, ...)
{
	struct doctor_finding *f = &d->finding[d->nr];
	va_list ap;

	if (d->nr == DOCTOR_MAX)
		return;
	d->nr++;
	f->level = level;
	f->what = what;
	snprintf(f->advice, sizeof(f->advice), "%s", advice ? advice : "");
	va_start(ap, found);
	vsnprintf(f->found, sizeof(f->found), found, ap);
	va_end(ap);
}

bool doctor_read(const struct doctor *d, const char *path, char *buf, size_t size)
{
	char full[512];
	size_t have = 0;
	ssize_t n = 1;
	int fd;

	snprintf(full, sizeof(full), "%s%s", d->root, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (n > 0 && have < size - 1) {
		n = read(fd, buf + have, size - 1 - have);
		have += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	buf[have] = 0;
	if (have && buf[have - 1] == '\n')
		buf[have - 1] = 0;
	return n >= 0;
}

static json_t *findings_json(const struct doctor *d)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < d->nr; i++) {
		const struct doctor_finding *f = &d->finding[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "level",
						      level_word[f->level], "what", f->what,
						      "found", f->found, "advice", f->advice));
	}
	return list;
}

static void print(const struct doctor *d)
{
	unsigned int nr[3] = {0};

	for (unsigned int i = 0; i < d->nr; i++) {
		const struct doctor_finding *f = &d->finding[i];

		nr[f->level]++;
		printf("%-5s %-16s %s\n", level_word[f->level], f->what, f->found);
		if (f->advice[0])
			printf("%-5s %-16s -> %s\n", "", "", f->advice);
	}
	printf("\n%u ok, %u warn (slower), %u bad (cannot be done here)\n", nr[DOCTOR_OK],
	       nr[DOCTOR_WARN], nr[DOCTOR_BAD]);
}

int cmd_doctor(const struct cli_args *a)
{
	static struct doctor d = {.root = ""};
	json_t *list;
	int rc = 0;

	doctor_look_at_rights(&d);
	doctor_look_at_files(&d);
	if (!a->is_json) {
		print(&d);
		return 0;
	}
	list = findings_json(&d);
	rc = cli_print_json(list);
	json_decref(list);
	return rc;
}
