/* SPDX-License-Identifier: BSD-3-Clause */
/* SIGBUS in the switch means that a partition's memory was punched or ran out of huge pages. The
 * handler finds the mapping's name in /proc/self/maps ("memfd:..." carries the partition's name)
 * with async-signal-safe calls only; the supervisor starts the switch again. */
#include "mgmt/switch.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static uintptr_t hex(const char **s)
{
	uintptr_t v = 0;

	for (;; (*s)++) {
		if (**s >= '0' && **s <= '9')
			v = v << 4 | (uintptr_t)(**s - '0');
		else if (**s >= 'a' && **s <= 'f')
			v = v << 4 | (uintptr_t)(**s - 'a' + 10);
		else
			return v;
	}
}

/* "7f0000-7f1000 rw-s ... /memfd:name (deleted)": the name if @at lies inside. */
static const char *name_in(const char *line, uintptr_t at)
{
	uintptr_t from = hex(&line), to;
	const char *slash;

	if (*line++ != '-')
		return NULL;
	to = hex(&line);
	if (at < from || at >= to)
		return NULL;
	slash = strchr(line, '/');
	return slash ? slash : "memory without a name";
}

static void say(const char *text)
{
	if (write(2, text, strlen(text)) < 0)
		return;
}

static void find_and_say(uintptr_t at)
{
	static char line[512];
	int fd = open("/proc/self/maps", O_RDONLY);
	size_t n = 0;
	char c;

	while (fd >= 0 && read(fd, &c, 1) == 1) {
		const char *name;

		if (c != '\n') {
			if (n < sizeof(line) - 1)
				line[n++] = c;
			continue;
		}
		line[n] = 0;
		n = 0;
		name = name_in(line, at);
		if (name) {
			say(name);
			return;
		}
	}
	say("no mapping of ours");
}

static void on_sigbus(int sig, siginfo_t *info, void *uc)
{
	say("nethv err switch: SIGBUS, memory is gone from under ");
	find_and_say((uintptr_t)info->si_addr);
	say(", ending\n");
	signal(sig, SIG_DFL);
	raise(sig);
}

void sw_fault_install(void)
{
	struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	sigaction(SIGBUS, &sa, NULL);
}
