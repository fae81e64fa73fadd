/* SPDX-License-Identifier: BSD-3-Clause */
/* The EAL's arguments from the configuration, and its log. */
#include "mgmt/switch.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "base/err.h"
#include "base/log.h"
#include "mgmt/aside.h"

#define ARGS_MAX 24

#define LINES_MAX 50u /* logged in a life; a broken device must not flood the terminal */

/* DPDK's last line: the cause, when the start fails. Drivers also complain about what does no harm
 * (net_tap about each missing qdisc), so lines are logged from sw_eal_log_on() on only. */
static char last_line[256];
static bool is_logging;
static unsigned int nr_lines;

void sw_eal_log_on(void)
{
	is_logging = true;
}

const char *sw_eal_last_line(void)
{
	return last_line;
}

static ssize_t on_log(void *cookie, const char *text, size_t size)
{
	int n = size < sizeof(last_line) ? (int)size : (int)sizeof(last_line) - 1;

	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	if (n > 0)
		snprintf(last_line, sizeof(last_line), "%.*s", n, text);
	if (n > 0 && is_logging && nr_lines++ < LINES_MAX)
		log_warn("dpdk", "%.*s", n, text);
	return (ssize_t)size;
}

int sw_eal_capture_log(void)
{
	cookie_io_functions_t io = {.write = on_log};
	FILE *f = fopencookie(NULL, "w", io);

	if (!f)
		return err_set(-ENOMEM, "log stream");
	setvbuf(f, NULL, _IOLBF, 1024);
	return rte_openlog_stream(f) ? err_set(-ENOMEM, "log stream") : 0;
}

static void choose_cpus(struct sw *sw, const struct mgmt_host *host)
{
	const struct mgmt_switch *cfg = &sw->child.cfg->sw;

	sw->nr_lcores = cfg->lcores_count;
	for (uint32_t i = 0; i < cfg->lcores_count; i++)
		sw->cpu[i] = cfg->lcores[i];
	if (sw->nr_lcores)
		return;
	sw->nr_lcores = 1;
	sw->cpu[0] = mgmt_host_last_cpu(host);
}

/* "0@(0,2),1@1": the main lcore, and with it the threads that DPDK makes for itself, may run anywhere else, each
 * poll lcore has its CPU. */
static void lcores_text(const struct sw *sw, char *buf, size_t size)
{
	size_t n = snprintf(buf, size, "0@(");
	cpu_set_t set;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	set = aside_of(&set, sw->cpu, sw->nr_lcores);
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE && n < size; cpu++)
		if (CPU_ISSET(cpu, &set))
			n += snprintf(buf + n, size - n, "%s%u", buf[n - 1] == '(' ? "" : ",", cpu);
	n += snprintf(buf + n, size - n, ")");
	for (unsigned int i = 0; i < sw->nr_lcores && n < size; i++)
		n += snprintf(buf + n, size - n, ",%u@%u", i + 1, sw->cpu[i]);
}

static bool is_pci(const char *devargs)
{
	return isxdigit((unsigned char)devargs[0]) && strchr(devargs, ':') &&
	       strcspn(devargs, ":") <= 4;
}

static bool wants_pci(const struct mgmt_cfg *cfg)
{
	for (uint32_t i = 0; i < cfg->uplinks_count; i++)
		if (is_pci(cfg->uplinks[i].devargs))
			return true;
	return false;
}

int sw_eal_start(struct sw *sw)
{
	const struct mgmt_cfg *cfg = sw->child.cfg;
	static char lcores[8192], mem[16], *argv[ARGS_MAX];
	struct mgmt_host host;
	int n = 0;

	mgmt_host_get(&host, "");
	choose_cpus(sw, &host);
	lcores_text(sw, lcores, sizeof(lcores));
	snprintf(mem, sizeof(mem), "%u", cfg->sw.memory);
	argv[n++] = "nethv-switch";
	argv[n++] = "--lcores";
	argv[n++] = lcores;
	argv[n++] = "--main-lcore=0";
	argv[n++] = "-m";
	argv[n++] = mem;
	argv[n++] = "--no-telemetry";
	argv[n++] = "--log-level=error";
	argv[n++] = cfg->sw.hugepages == MGMT_HUGE_YES ? "--in-memory" : "--no-huge";
	if (cfg->sw.hugepages != MGMT_HUGE_YES)
		argv[n++] = "--no-shconf";
	/* An allow list of a device that no driver takes: uplinks are plugged in later, by name. */
	argv[n++] = wants_pci(cfg) ? "--allow=0000:00:00.0" : "--no-pci";
	if (!wants_pci(cfg))
		argv[n++] = "--iova-mode=va";
	if (rte_eal_init(n, argv) < 0)
		return err_set(-rte_errno, "switch: DPDK does not start: %s",
			       rte_strerror(rte_errno));
	sw->has_eal = true;
	return 0;
}
