/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/wake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"

#define PLACE	    "/run/nethv"
#define NOTE	    "wake-cpu%u"
#define PLACE_TRIES 100

/* The kernel's words: "n/a" is no latency at all, "0" no limit, else microseconds. */
#define LIMIT_SIZE 16u

/* ---- The kernel's file ---------------------------------------------------------------------- */

static void limit_path(const char *root, uint32_t cpu, char *buf, size_t size)
{
	snprintf(buf, size, "%s/sys/devices/system/cpu/cpu%u/power/pm_qos_resume_latency_us", root,
		 cpu);
}

static int read_limit(const char *root, uint32_t cpu, char out[LIMIT_SIZE])
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	limit_path(root, cpu, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(-errno, "%s", path);
	n = read(fd, out, LIMIT_SIZE - 1);
	if (n < 0)
		n = err_sys(-errno, "%s", path);
	fd_close(&fd);
	if (n < 0)
		return (int)n;
	out[n] = 0;
	out[strcspn(out, "\n")] = 0;
	return out[0] ? 0 : err_set(-EINVAL, "%s is empty", path);
}

static int write_limit(const char *root, uint32_t cpu, const char *text)
{
	char path[PATH_MAX];
	int fd, rc = 0;

	limit_path(root, cpu, path, sizeof(path));
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return err_sys(-errno, "%s", path);
	if (write(fd, text, strlen(text)) < 0)
		rc = err_sys(-errno, "%s <- %s", path, text);
	fd_close(&fd);
	return rc;
}

static uint64_t limit_us(const char *text)
{
	uint64_t us = strtoull(text, NULL, 10);

	if (!strcmp(text, "n/a"))
		return 0;
	return us ? us : UINT64_MAX;
}

static void limit_text(uint32_t us, char out[LIMIT_SIZE])
{
	if (us)
		snprintf(out, LIMIT_SIZE, "%u", us);
	else
		snprintf(out, LIMIT_SIZE, "n/a");
}

/* ---- What was there before ------------------------------------------------------------------ */

/* "EARLIER OURS...": the limit that was found, and those that instances have written since. Each is noted before
 * it is written, so one that is found and not noted is somebody else's, whenever we are killed. */
static int add_note(int fd, const char *limit)
{
	return dprintf(fd, "%s ", limit) < 0 ? err_sys(-errno, "a file in " PLACE) : 0;
}

static bool is_ours(int fd, const char *limit, char earlier[LIMIT_SIZE])
{
	char text[256], *word, *rest;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	word = strtok_r(text, " ", &rest);
	snprintf(earlier, LIMIT_SIZE, "%s", word ? word : "");
	while (word && (word = strtok_r(NULL, " ", &rest)))
		if (!strcmp(word, limit))
			return true;
	return false;
}

/* Nobody holds the CPU. Whether there was something to put back. */
static bool put_back(const char *root, uint32_t cpu, int fd)
{
	char now[LIMIT_SIZE], earlier[LIMIT_SIZE];

	if (read_limit(root, cpu, now) || !is_ours(fd, now, earlier))
		return false;
	if (!write_limit(root, cpu, earlier))
		return true;
	log_warn("switch",
		 "CPU %u"
		 ": its wake-up latency stays limited to %s, which was %s: %s; write it "
		 "back by hand",
		 cpu, now, earlier, err_text());
	return false;
}

/* ---- The place ------------------------------------------------------------------------------ */

static void place_path(const char *root, char *buf, size_t size)
{
	snprintf(buf, size, "%s" PLACE, root);
}

/* The directory, locked: one at a time looks at files and limits. It goes when it is empty, so the one that was
 * waited for may be no more. */
static int open_place(const char *root)
{
	char path[PATH_MAX];
	struct stat st;
	int dir;

	place_path(root, path, sizeof(path));
	for (int i = 0; i < PLACE_TRIES; i++) {
		if (mkdir(path, 0755) && errno != EEXIST)
			return err_sys(-errno, "cannot make %s", path);
		dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0 && errno != ENOENT)
			return err_sys(-errno, "cannot open %s", path);
		if (dir >= 0 && !flock(dir, LOCK_EX) && !fstat(dir, &st) && st.st_nlink)
			return dir;
		fd_close(&dir);
	}
	return err_set(-EBUSY, "%s comes and goes", path);
}

static void close_place(const char *root, int dir)
{
	char path[PATH_MAX];

	place_path(root, path, sizeof(path));
	rmdir(path); /* fails where another one still holds a CPU */
	fd_close(&dir);
}

/* All below: with the place locked. Closes @fd; whether something was put back. */
static bool let_go(const char *root, int dir, uint32_t cpu, int fd)
{
	bool was_put_back = false;
	char name[32];

	if (!flock(fd, LOCK_EX | LOCK_NB)) {
		snprintf(name, sizeof(name), NOTE, cpu);
		was_put_back = put_back(root, cpu, fd);
		unlinkat(dir, name, 0);
	}
	fd_close(&fd);
	return was_put_back;
}

/* The first one that holds a CPU finds what the operator wants, once nothing is left of killed instances. */
static int begin_note(const char *root, uint32_t cpu, int fd)
{
	char now[LIMIT_SIZE];
	int rc;

	put_back(root, cpu, fd);
	rc = read_limit(root, cpu, now);
	if (!rc && ftruncate(fd, 0))
		rc = err_sys(-errno, "a file in " PLACE);
	return rc ? rc : add_note(fd, now);
}

static int tighten(const char *root, uint32_t cpu, int fd, uint32_t us)
{
	char now[LIMIT_SIZE], want[LIMIT_SIZE];
	int rc = read_limit(root, cpu, now);

	limit_text(us, want);
	if (rc || limit_us(now) <= us)
		return rc;
	rc = add_note(fd, want);
	return rc ? rc : write_limit(root, cpu, want);
}

static int hold(struct wake *w, int dir, uint32_t cpu, uint32_t us)
{
	char name[32];
	int fd, rc = 0;

	snprintf(name, sizeof(name), NOTE, cpu);
	fd = openat(dir, name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(-errno, "cannot make " PLACE "/%s", name);
	if (!flock(fd, LOCK_EX | LOCK_NB))
		rc = begin_note(w->root, cpu, fd);
	if (!rc && flock(fd, LOCK_SH))
		rc = err_sys(-errno, "cannot lock " PLACE "/%s", name);
	if (!rc)
		rc = tighten(w->root, cpu, fd, us);
	if (rc) {
		let_go(w->root, dir, cpu, fd);
		return rc;
	}
	w->held[w->nr++] = (struct wake_cpu){cpu, fd};
	return 0;
}

/* ---- For the supervisor --------------------------------------------------------------------- */

static bool has_cpu(const uint32_t *cpus, unsigned int n, uint32_t cpu)
{
	for (unsigned int i = 0; i < n; i++)
		if (cpus[i] == cpu)
			return true;
	return false;
}

static bool is_held(const struct wake *w, uint32_t cpu)
{
	for (unsigned int i = 0; i < w->nr; i++)
		if (w->held[i].cpu == cpu)
			return true;
	return false;
}

static void keep_only(struct wake *w, int dir, const uint32_t *cpus, unsigned int n)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < w->nr; i++) {
		struct wake_cpu c = w->held[i];

		if (has_cpu(cpus, n, c.cpu))
			w->held[kept++] = c;
		else
			let_go(w->root, dir, c.cpu, c.fd);
	}
	w->nr = kept;
}

static void say_without(uint32_t cpu)
{
	log_warn(
		"switch",
		"CPU %u: switch.wake_latency_us has no effect, the kernel decides: %s; it needs root, "
		"/sys and /run writable, and a kernel with CONFIG_PM: see to that, or take the key away",
		cpu, err_text());
}

void wake_limit(struct wake *w, const uint32_t *cpus, unsigned int n, uint32_t us)
{
	int dir = open_place(w->root);

	if (dir >= 0)
		keep_only(w, dir, cpus, n);
	for (unsigned int i = 0; i < n; i++)
		if (!is_held(w, cpus[i]) &&
		    (dir < 0 || w->nr == WAKE_CPUS_MAX || hold(w, dir, cpus[i], us)))
			say_without(cpus[i]);
	if (dir >= 0)
		close_place(w->root, dir);
}

void wake_end(struct wake *w)
{
	int dir = w->nr ? open_place(w->root) : -1;

	if (dir >= 0) {
		keep_only(w, dir, NULL, 0);
		close_place(w->root, dir);
	} else if (w->nr) {
		log_warn("switch", "CPUs' wake-up latency stays limited until the next start: %s",
			 err_text());
	}
	for (unsigned int i = 0; i < w->nr; i++)
		fd_close(&w->held[i].fd);
	w->nr = 0;
}

static void sweep(const char *root, int dir, const char *name)
{
	uint32_t cpu;
	int fd;

	if (sscanf(name, "wake-cpu%u", &cpu) != 1)
		return;
	fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && let_go(root, dir, cpu, fd))
		log_info("switch",
			 "CPU %u: an instance that was killed had left its wake-up "
			 "latency limited; it is as before",
			 cpu);
}

void wake_sweep(const char *root)
{
	char path[PATH_MAX];
	struct dirent *e;
	int dir;
	DIR *d;

	place_path(root, path, sizeof(path));
	if (access(path, W_OK))
		return; /* nothing was left, or nothing of ours */
	dir = open_place(root);
	if (dir < 0)
		return;
	d = opendir(path);
	while (d && (e = readdir(d)))
		sweep(root, dir, e->d_name);
	if (d)
		closedir(d);
	close_place(root, dir);
}
