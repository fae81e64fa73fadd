/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv ext new`: writes a project out of tree from the templates: code of one class, build files, and a
 * test with frames that go in and frames that must come out. */
#include "mgmt/ext/ext.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "mgmt/ext/frames.h"

#define NAME_MAX_LEN 31u
#define TEMPLATE_MAX (64u << 10)
#define WORD_NAME    "NETHV_NEW_NAME"
#define WORD_GUID    "NETHV_NEW_GUID"
#define WORD_CLASS   "NETHV_NEW_CLASS"
#define CLASS_PLACE  "%CLASS" /* in names of templates */
#define NAME_PLACE   "%NAME"  /* in names of what is written */

enum kind { TEXT, SCRIPT, FRAMES };

static const struct item {
	const char *from;
	const char *to;
	enum kind kind;
	bool may_lack; /* not every class has it */
} items[] = {
	{"%CLASS.c", "%NAME.c", TEXT, false},
	{"Makefile", "Makefile", TEXT, false},
	{"project.meson", "meson.build", TEXT, false},
	{"README.md", "README.md", TEXT, false},
	{"gitignore", ".gitignore", TEXT, false},
	{"run.%CLASS.sh", "test/run.sh", SCRIPT, false},
	{"config.%CLASS.json", "test/config.json", TEXT, false},
	{"in.hex", "test/in.pcap", FRAMES, false},
	{"expect.%CLASS.hex", "test/expect.pcap", FRAMES, false},
	{"expect3.%CLASS.hex", "test/expect3.pcap", FRAMES, true},
};

static const char *const classes[] = {"capture", "filter", "forward"};

struct project {
	const char *name;
	const char *class;
	const char *dir;
	char templates[PATH_MAX];
	char guid[128]; /* as C */
};

/* @text with the first @place, if any, become @word. */
static void fill_place(char *out, size_t size, const char *text, const char *place,
		       const char *word)
{
	const char *at = strstr(text, place);

	if (at)
		snprintf(out, size, "%.*s%s%s", (int)(at - text), text, word, at + strlen(place));
	else
		snprintf(out, size, "%s", text);
}

/* Random, of version 4: RFC 9562. */
static int guid_make(char *out, size_t size)
{
	uint8_t b[16];
	size_t n;

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return err_sys(-errno, "random bytes");
	b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
	n = (size_t)snprintf(out, size, "{{");
	for (unsigned int i = 0; i < sizeof(b); i++)
		n += (size_t)snprintf(out + n, size - n, "%s0x%02x",
				      i == 0   ? ""
				      : i == 8 ? ",\n\t\t  "
					       : ", ",
				      b[i]);
	snprintf(out + n, size - n, "}}");
	return 0;
}

/* Writes @text with the words of the templates become those of the project. */
static void put_words(FILE *f, const struct project *p, const char *text)
{
	const struct {
		const char *word, *value;
	} words[] = {{WORD_NAME, p->name}, {WORD_GUID, p->guid}, {WORD_CLASS, p->class}};

	while (*text) {
		const char *value = NULL;
		size_t len = 1;

		for (unsigned int i = 0; i < 3 && !value; i++) {
			if (strncmp(text, words[i].word, strlen(words[i].word)) != 0)
				continue;
			value = words[i].value;
			len = strlen(words[i].word);
		}
		if (value)
			fputs(value, f);
		else
			fputc(*text, f);
		text += len;
	}
}

static int write_text(const struct project *p, const char *to, const char *text, mode_t mode)
{
	int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		return err_sys(-errno, "%s", to);
	put_words(f, p, text);
	return fclose(f) ? err_sys(-errno, "%s", to) : 0;
}

static int write_frames(const char *to, const char *text, const char *from)
{
	static const char *const port[] = {"in"};
	struct frames fs = {0};
	struct frames_out *o;
	int rc;

	if (!access(to, F_OK))
		return err_sys(-EEXIST, "%s", to);
	rc = frames_from_hex(&fs, text, from);
	if (!rc)
		rc = frames_out_open(&o, to, port, 1);
	for (uint32_t i = 0; !rc && i < fs.n; i++)
		frames_out_put(o, 0, fs.frame[i].ts_ns, frames_bytes(&fs, i), fs.frame[i].len);
	if (!rc)
		rc = frames_out_close(o);
	frames_fini(&fs);
	return rc;
}

static int write_item(const struct project *p, const struct item *it)
{
	char name[128], from[PATH_MAX + 130], to[PATH_MAX + 130];
	char *text;
	int rc;

	fill_place(name, sizeof(name), it->from, CLASS_PLACE, p->class);
	snprintf(from, sizeof(from), "%s/%s", p->templates, name);
	if (it->may_lack && access(from, F_OK))
		return 0;
	fill_place(name, sizeof(name), it->to, NAME_PLACE, p->name);
	snprintf(to, sizeof(to), "%s/%s", p->dir, name);
	rc = ext_file_read(from, TEMPLATE_MAX, &text, NULL);
	if (rc)
		return rc;
	if (it->kind == FRAMES)
		rc = write_frames(to, text, from);
	else
		rc = write_text(p, to, text, it->kind == SCRIPT ? 0777 : 0666);
	free(text);
	if (!rc)
		printf("  %s\n", to);
	return rc;
}

static int dir_make(const char *dir)
{
	struct dirent *e;
	DIR *d;
	int rc = 0;

	if (!mkdir(dir, 0777))
		return 0;
	if (errno != EEXIST)
		return err_sys(-errno, "%s", dir);
	d = opendir(dir);
	if (!d)
		return err_sys(-errno, "%s", dir);
	while (!rc && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = err_set(-EEXIST,
				     "%s: there are files in it already; nothing was written", dir);
	closedir(d);
	return rc;
}

static int project_write(struct project *p)
{
	char test[PATH_MAX];
	int rc = ext_templates_find(p->templates);

	if (!rc)
		rc = guid_make(p->guid, sizeof(p->guid));
	if (!rc)
		rc = dir_make(p->dir);
	if (rc)
		return rc;
	snprintf(test, sizeof(test), "%s/test", p->dir);
	if (mkdir(test, 0777))
		return err_sys(-errno, "%s", test);
	for (size_t i = 0; !rc && i < sizeof(items) / sizeof(items[0]); i++)
		rc = write_item(p, &items[i]);
	return rc;
}

static bool is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n >= 1 && n <= NAME_MAX_LEN && !s[n] && s[0] != '-';
}

static bool is_class(const char *s)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (!strcmp(s, classes[i]))
			return true;
	return false;
}

int ext_cmd_new(int argc, char **argv)
{
	static const struct option options[] = {{"class", required_argument, NULL, 'c'},
						{"dir", required_argument, NULL, 'd'},
						{0}};
	struct project p = {.class = "filter"};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c')
			p.class = optarg;
		else if (c == 'd')
			p.dir = optarg;
		else
			return ext_usage("new", NULL);
	}
	if (argc - optind != 1)
		return ext_usage("new", "want one NAME");
	p.name = argv[optind];
	if (!is_name(p.name))
		return ext_usage("new", "%s: want up to %u of a-z, 0-9 and '-'", p.name,
				 NAME_MAX_LEN);
	if (!is_class(p.class))
		return ext_usage("new", "no class %s; there are capture, filter and forward",
				 p.class);
	if (!p.dir)
		p.dir = p.name;
	printf("%s, class %s:\n", p.name, p.class);
	if (project_write(&p))
		return ext_error();
	printf("next: cd %s && make test\n", p.dir);
	return 0;
}
