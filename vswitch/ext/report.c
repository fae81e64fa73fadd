/* SPDX-License-Identifier: BSD-3-Clause */
/* What happened, in words: an extension's fault for the operator and its author. */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/ext/priv.h"

/* "fn+0x12 (acl.so+0x1234)", or just an address. */
static void place_text(const struct vsw_ext *e, char *to, size_t max)
{
	const char *file = strrchr(e->path, '/');
	Dl_info info;

	if (!dladdr((void *)e->fault.ip, &info) || !info.dli_fbase) {
		snprintf(to, max, "%#lx", (unsigned long)e->fault.ip);
		return;
	}
	file = file ? file + 1 : e->path;
	if (!strstr(info.dli_fname, "memfd:") && !strstr(info.dli_fname, "/proc/self/fd/"))
		file = info.dli_fname;
	if (info.dli_sname)
		snprintf(to, max, "%s+%#lx (%s+%#lx)", info.dli_sname,
			 (unsigned long)(e->fault.ip - (uintptr_t)info.dli_saddr), file,
			 (unsigned long)(e->fault.ip - (uintptr_t)info.dli_fbase));
	else
		snprintf(to, max, "%s+%#lx", file,
			 (unsigned long)(e->fault.ip - (uintptr_t)info.dli_fbase));
}

/* As it was asked for: that of a callback on ctl is not ours to stretch. */
static unsigned int budget_us(const struct vsw_ext *e)
{
	uint64_t us = e->fault.budget_ns / 1000;

	return (unsigned int)(e->fault.budget_ns == CTL_BUDGET_NS ? us : us / VSW_BUDGET_SCALE);
}

static void what_text(const struct vsw_ext *e, char *to, size_t max)
{
	switch (e->fault.sig) {
	case VSW_SIG_BUDGET:
		snprintf(to, max, "did not return within its budget of %u us of CPU time",
			 budget_us(e));
		break;
	case SIGABRT: snprintf(to, max, "called abort()"); break;
	case SIGSEGV:
	case SIGBUS:
		snprintf(to, max, "touched memory at 0x%lx that is not there or read only (%s)",
			 (unsigned long)e->fault.addr,
			 e->fault.sig == SIGBUS ? "SIGBUS" : "SIGSEGV");
		break;
	case SIGFPE: snprintf(to, max, "divided by zero or the like (SIGFPE)"); break;
	case SIGILL: snprintf(to, max, "ran into an illegal instruction (SIGILL)"); break;
	default: snprintf(to, max, "signal %d", e->fault.sig); break;
	}
}

void vsw_fault_text(const struct vsw_ext *e, char *to, size_t max)
{
	char what[160], place[160], where[48];

	what_text(e, what, sizeof(what));
	place_text(e, place, sizeof(place));
	if (e->fault_lcore < e->host.nr_lcores)
		snprintf(where, sizeof(where), "lcore %u, burst of %u", e->fault_lcore,
			 e->fault_burst);
	else
		snprintf(where, sizeof(where), "control thread");
	snprintf(to, max, "%s %s: %s() %s, at %s, %s; detached, none of its code runs any more%s",
		 e->code->desc.name, e->code->desc.version, e->fault_callback, what, place, where,
		 e->is_fail_closed ? "; its packets are dropped (fail closed)" : "");
}
