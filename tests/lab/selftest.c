/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs the runtime's self-test image on a chosen engine, for hosts where Criterion is not wanted:
 *   lab_selftest kvm|ring3 auto|kvm|nethv VPS [COMMAND-LINE]
 * Prints what the guest said and how it ended. Status 0: it ended by itself with status 0. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/hvhost.h"

static int usage(void)
{
	fprintf(stderr, "usage: lab_selftest kvm|ring3 auto|kvm|nethv VPS [COMMAND-LINE]\n");
	return 2;
}

static enum hv_synic_kind synic_of(const char *word)
{
	if (!strcmp(word, "kvm"))
		return HV_SYNIC_KVM;
	return strcmp(word, "nethv") ? HV_SYNIC_AUTO : HV_SYNIC_NETHV;
}

int main(int argc, char **argv)
{
	static const char *const how[] = {[HV_STOP_GUEST_EXIT] = "exit",
					  [HV_STOP_GUEST_OFF] = "off",
					  [HV_STOP_GUEST_RESET] = "reset",
					  [HV_STOP_GUEST_CRASH] = "crash",
					  [HV_STOP_ENGINE] = "engine"};
	struct hv_vp_stats st;
	struct hvhost h;
	unsigned int vp;
	bool ended;

	if (argc < 4)
		return usage();
	if (hvhost_create(&h, (struct hv_cfg){.nr_vps = (unsigned int)atoi(argv[3]),
					      .engine = strcmp(argv[1], "kvm") ? HV_ENGINE_RING3
									       : HV_ENGINE_KVM,
					      .synic = synic_of(argv[2]),
					      .cmdline = argc > 4 ? argv[4] : NULL}) ||
	    hv_partition_start(h.p)) {
		fprintf(stderr, "lab_selftest: %s\n", err_text());
		return 1;
	}
	printf("SynIC: %s\n", hv_synic_name(h.p));
	ended = hvhost_wait(&h);
	hv_partition_stop(h.p);
	printf("%s", h.console);
	for (vp = 0; vp < hv_nr_vps(h.p); vp++) {
		hv_vp_stats(h.p, vp, &st);
		printf("events: VP %u: %llu hypercalls, %llu messages\n", vp,
		       (unsigned long long)st.hypercalls, (unsigned long long)st.messages_sent);
	}
	printf("events: %u changes of the flags page\n", h.nr_siefp);
	hv_vp_stats(h.p, 0, &st);
	printf("VP 0: io %llu msr %llu+%llu hypercall %llu; in KVM %llu exits, %llu halts\n",
	       (unsigned long long)st.exits[HV_EXIT_IO],
	       (unsigned long long)st.exits[HV_EXIT_RDMSR],
	       (unsigned long long)st.exits[HV_EXIT_WRMSR],
	       (unsigned long long)st.exits[HV_EXIT_HYPERCALL], (unsigned long long)st.kvm_exits,
	       (unsigned long long)st.halts);
	printf("end: %s, status %u: %s\n", ended ? how[h.reason] : "none", h.status, h.text);
	hv_partition_destroy(h.p);
	return ended && h.reason == HV_STOP_GUEST_EXIT && h.status == 0 ? 0 : 1;
}
