/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch under attack: started as its supervisor does it, and looked at from outside. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "mgmt/config.h"
#include "mgmt/rpc.h"
#include "mgmt/spawn.h"
#include "tests/integ/hostile.h"

#define LOG_TAIL 2000

static struct {
	pid_t pid;
	int pidfd, link_fd, log_fd;
	struct sockaddr_un addr;
	socklen_t addr_len;
	struct rpc_conn conn;
	struct vsw_stats *stats;
} sw = {.log_fd = -1};

static const char config[] =
	"name: hostile\n"
	"switch: {lcores: [%s], poll: shared, memory: 64, hugepages: \"no\"}\n"
	"partitions:\n"
	"  - {name: gen, memory: 64, nics: [{mac: '02:00:00:00:0a:01', vlan: {mode: access, "
	"pvid: 10}}]}\n"
	"  - {name: sink, memory: 64, nics: [{mac: '02:00:00:00:0a:02', vlan: {mode: access, "
	"pvid: 10}}]}\n"
	"  - {name: watch, memory: 64, nics: [{mac: '02:00:00:00:14:01', mtu: 9000, vlan: {mode: "
	"access, pvid: 20}}]}\n"
	"  - {name: evil, memory: 64, nics: [{mac: '02:00:00:00:14:02', mtu: 9000, channels: 8, vlan: {mode: "
	"access, pvid: 20}}]}\n";

/* One lcore a CPU, at most two: with two, the attacker and its peers run on different ones. */
static int config_fd(void)
{
	unsigned int i, n = 0, cpu[2];
	char text[2048], list[32];
	struct mgmt_host host;
	struct mgmt_cfg *cfg;
	int fd;

	mgmt_host_get(&host, "/proc/self/exe"); /* an image that exists; none is run */
	for (i = 0; i < 1024 && n < 2; i++) {
		if (host.cpus[i / 64] >> (i % 64) & 1)
			cpu[n++] = i;
	}
	snprintf(list, sizeof(list), n == 2 ? "%u, %u" : "%u", cpu[0], cpu[1]);
	snprintf(text, sizeof(text), config, list);
	must(!mgmt_config_load(&cfg, "hostile", text, strlen(text), &host), "%s", err_text());
	fd = mgmt_config_memfd(cfg);
	must(fd >= 0, "%s", err_text());
	mgmt_config_free(cfg);
	return fd;
}

/* Bound by the kernel to a name that nobody has. */
static int listen_fd(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	must(fd >= 0 && !bind(fd, (struct sockaddr *)&at, sizeof(sa_family_t)) && !listen(fd, 16),
	     "listening socket: %s", strerror(errno));
	sw.addr_len = sizeof(sw.addr);
	must(!getsockname(fd, (struct sockaddr *)&sw.addr, &sw.addr_len), "getsockname");
	return fd;
}

static void spawn(int conf, int ctl, int stats)
{
	const char *path = getenv("NETHV_SWITCH");
	char text[4][16];
	char *argv[] = {"nethv-switch", text[0], text[1], text[2], text[3], NULL};
	struct spawn s = {
		.path = path, .argv = argv, .fds = {conf, ctl, sw.link_fd, stats}, .nr_fds = 4};
	int i, rc, err = dup(2);

	must(path && err >= 0, "NETHV_SWITCH must name the program nethv-switch");
	for (i = 0; i < 4; i++)
		snprintf(text[i], sizeof(text[i]), "%d", s.fds[i]);
	dup2(sw.log_fd, 2);
	rc = spawn_child(&s, &sw.pid, &sw.pidfd);
	dup2(err, 2);
	close(err);
	must(!rc, "%s", err_text());
}

static void await_ready(void)
{
	json_t *result = NULL;

	must(!rpc_call(&sw.conn, "ping", NULL, 60000, &result), "the switch does not start: %s",
	     err_text());
	json_decref(result);
}

void switch_start(void)
{
	int sv[2], conf = config_fd(), stats;
	void *at;

	sw.link_fd = listen_fd();
	sw.log_fd = memfd_create("log", MFD_CLOEXEC);
	stats = fd_memfd("nethv-stats", sizeof(struct vsw_stats), FD_HUGE_NO, NULL);
	must(sw.log_fd >= 0 && stats >= 0 && !fd_map(stats, 0, sizeof(struct vsw_stats), &at),
	     "memory: %s", err_text());
	sw.stats = at;
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), "socketpair");
	must(!rpc_conn_init(&sw.conn, sv[0]), "%s", err_text());
	spawn(conf, sv[1], stats);
	fd_close(&sv[1]);
	fd_close(&conf);
	fd_close(&stats);
	await_ready();
}

void switch_stop(void)
{
	int status;

	must(!rpc_send(&sw.conn, rpc_notify("stop", NULL)), "stop: %s", err_text());
	status = spawn_reap(sw.pid);
	sw.pid = 0;
	must(WIFEXITED(status) && !WEXITSTATUS(status), "the switch ended with status 0x%x",
	     status);
}

int switch_connect(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	must(fd >= 0 && !connect(fd, (struct sockaddr *)&sw.addr, sw.addr_len),
	     "the switch does not take connections: %s", strerror(errno));
	return fd;
}

/* ---- Log ------------------------------------------------------------------------------------ */

size_t switch_log_bytes(void)
{
	off_t end = sw.log_fd >= 0 ? lseek(sw.log_fd, 0, SEEK_END) : 0;

	return end > 0 ? (size_t)end : 0;
}

/* The last @size - 1 bytes, or those from @from on. */
static void log_read(char *buf, size_t size, size_t from)
{
	ssize_t n = pread(sw.log_fd, buf, size - 1, (off_t)from);

	buf[n > 0 ? n : 0] = 0;
}

void switch_log_print(void)
{
	size_t end = switch_log_bytes();
	char buf[LOG_TAIL + 1];

	log_read(buf, sizeof(buf), end > LOG_TAIL ? end - LOG_TAIL : 0);
	fprintf(stderr, "--- end of the switch's log\n%s---\n", buf);
}

static void log_must_be_clean(void)
{
	static size_t seen;
	char buf[LOG_TAIL + 1];

	for (; seen < switch_log_bytes(); seen += strlen(buf)) {
		log_read(buf, sizeof(buf), seen);
		if (!buf[0])
			return;
		must(!strstr(buf, "Sanitizer") && !strstr(buf, "runtime error"),
		     "a sanitizer complains about the switch");
	}
}

void switch_must_live(void)
{
	int status;

	must(!waitpid(sw.pid, &status, WNOHANG), "the switch died, status 0x%x", status);
	log_must_be_clean();
}

/* ---- Memory and counters ---------------------------------------------------------------------- */

uint64_t switch_rss_kib(void)
{
	unsigned long kib = 0;
	char path[64], line[128];
	FILE *f;

	/* RssAnon: what it allocates itself; the memory of partitions comes and goes. */
	snprintf(path, sizeof(path), "/proc/%d/status", sw.pid);
	f = fopen(path, "re");
	must(f != NULL, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f) && sscanf(line, "RssAnon: %lu kB", &kib) != 1)
		;
	fclose(f);
	return kib;
}

static void add(uint64_t *to, const uint64_t *from)
{
	*to += __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

static void fold(struct vsw_port_stats *to, const struct vsw_stats_slot *slot)
{
	unsigned int l, r;

	for (l = 0; l < VSW_LCORES_MAX; l++) {
		const struct vsw_port_stats *s = &slot->lcore[l];

		add(&to->in_packets, &s->in_packets);
		add(&to->out_packets, &s->out_packets);
		add(&to->copies, &s->copies);
		add(&to->delivered, &s->delivered);
		for (r = 0; r < VSW_DROP_COUNT; r++)
			add(&to->drops[r], &s->drops[r]);
	}
}

void switch_port(const char *port, struct vsw_port_stats *out)
{
	unsigned int i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < VSW_PORTS_MAX; i++) {
		if (!strncmp(sw.stats->port[i].name, port, sizeof(sw.stats->port[i].name)))
			fold(out, &sw.stats->port[i]);
	}
}

void switch_sum(struct vsw_port_stats *out)
{
	unsigned int i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < VSW_PORTS_MAX; i++)
		fold(out, &sw.stats->port[i]);
}

uint64_t drops_of(const struct vsw_port_stats *s)
{
	uint64_t sum = 0;
	unsigned int r;

	for (r = 1; r < VSW_DROP_COUNT; r++)
		sum += s->drops[r];
	return sum;
}

uint64_t switch_faults(const char *port, char *last, size_t size)
{
	json_t *status = NULL, *nic;
	uint64_t n = 0;
	size_t i;

	must(!rpc_call(&sw.conn, "status", NULL, PATIENCE_MS, &status), "status: %s", err_text());
	json_array_foreach(json_object_get(status, "nics"), i, nic)
	{
		if (strcmp(json_string_value(json_object_get(nic, "name")), port) != 0)
			continue;
		n = (uint64_t)json_integer_value(json_object_get(nic, "faults"));
		snprintf(last, size, "%s", json_string_value(json_object_get(nic, "last_fault")));
	}
	json_decref(status);
	return n;
}
