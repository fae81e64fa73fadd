/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv`: finds the verb, prints help. What verbs do is in run.c, client.c and show*.c. */
#include "mgmt/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "mgmt/tool_exec.h"

static const struct verb {
	const char *name;
	const char *use; /* the words after it */
	unsigned int min_words, max_words;
	bool has_json;
	const struct cli_option *options;
	int (*fn)(const struct cli_args *a);
	const char *brief;
	const char *help;
} verbs[] = {
	{"run", " FILE", 1, 1, false, NULL, cmd_run, "start the switch and the partitions of FILE",
	 "Stays in the foreground; ends cleanly at Ctrl-C, SIGTERM or `nethv stop`. When it is\n"
	 "killed, everything that it started goes with it. FILE: see docs/configuration.md.\n"},
	{"check", " FILE", 1, 1, false, NULL, cmd_check, "check FILE and start nothing",
	 "Exit status 0: good. 2: a mistake, named with file, line, key, what was found and what\n"
	 "is allowed.\n"},
	{"ps", " [NAME]", 0, 1, true, NULL, cmd_ps, "partitions, their state and their adapters",
	 "Without NAME: the only instance that runs. Faults are shown with their reason.\n"},
	{"stats", " [NAME]", 0, 1, true, NULL, cmd_stats,
	 "counters of ports, lcores, VPs and guests",
	 "The last line of the ports says whether in + copies = out + drops; under traffic some\n"
	 "packets are on their way and the difference is shown.\n"},
	{"why-dropped", " [FILTER]", 0, CLI_WORDS_MAX, true, cli_trace_options, cmd_why_dropped,
	 "every packet that was not delivered, with its reason",
	 "Without FILTER: one line for each port and reason, with what it means and what helps.\n"
	 "With FILTER (pcap-filter(7); ''  for all): the dropped packets that match, one line each,\n"
	 "latest first. --for SECONDS: those of the next so many seconds. Without it: those of the\n"
	 "past, which the switch remembers with `remember_drops: true`. --count N: at most so many.\n"
	 "--instance NAME: of that instance; can be left out while one runs.\n"},
	{"trace", " FILTER", 1, CLI_WORDS_MAX, true, cli_trace_options, cmd_trace,
	 "a packet's way through the switch, station by station",
	 "Waits for the next packet that matches FILTER (pcap-filter(7); '' for any) as it enters,\n"
	 "and shows what was decided where, by which extension, in how many cycles.\n"
	 "--count N: the next N (256 at most). --for SECONDS: waits so long, 10 when not given.\n"
	 "--instance NAME: of that instance; can be left out while one runs.\n"},
	{"capture", " [--at STATION] [--filter FILTER] ...", 0, 0, false, cli_capture_options,
	 cmd_capture, "packets at stations of the switch, to pcapng or as lines",
	 "--at: where, several with commas: in (when not given), capture_in, filter_in, policy_in,\n"
	 "    forward, policy_out, filter_out, capture_out, out, drop; all\n"
	 "--filter: pcap-filter(7)   --port PORT: what enters there or goes there\n"
	 "-w FILE: pcapng; - is stdout. Without: a line a packet\n"
	 "--count N: ends after N; else Ctrl-C ends it   --snaplen N: bytes of a packet at most\n"
	 "What was lost because we were too slow is told at the end.\n"
	 "--instance NAME: of that instance; can be left out while one runs.\n"},
	{"stop", " [NAME]", 0, 1, false, NULL, cmd_stop, "end an instance cleanly and wait for it",
	 "Guests are asked to end and get three seconds for it, Linux with `integration: true` ten.\n"},
	{"nic", " add|remove|set ...", 2, 4, true, cli_nic_options, cmd_nic,
	 "adapters of a running partition",
	 "nethv nic add PARTITION [--mac MAC] [--mtu N] [--vlan ID] [--channels N] [--index N]\n"
	 "    [--link-mbps N] [--link up|down] [--monitor] [--no-offload] [--allow-spoofing]\n"
	 "    prints the adapter's name, PARTITION/NUMBER. Values are those of the configuration.\n"
	 "nethv nic remove PARTITION/NUMBER\n"
	 "nethv nic set PARTITION/NUMBER link up|down\n"
	 "A change is made wholly or not at all. It lasts as long as the instance runs, over\n"
	 "restarts of the switch and of partitions; the file is not written.\n"
	 "--instance NAME: of that instance; can be left out while one runs.\n"},
	{"ext", " list|show|load|unload|... ...", 1, 3, true, cli_ext_options, cmd_ext,
	 "extensions of a running switch, and tools to write them",
	 "nethv ext list                     what is loaded, from the top of each class\n"
	 "nethv ext show NAME                everything about one\n"
	 "nethv ext load FILE [--name NAME] [--before NAME] [--disabled] [OF CODE]\n"
	 "nethv ext unload|enable|disable NAME\n"
	 "nethv ext move NAME POSITION       in its class; 0 is the top\n"
	 "nethv ext configure NAME CONFIG    takes the place of all its configuration\n"
	 "nethv ext upgrade NAME [FILE] [OF CODE]    in place, with its state; without FILE the\n"
	 "                                   same file is opened again\n"
	 "nethv ext new|test|check|info ...  to write one: docs/extensions.md\n"
	 "FILE: a shared object, an eBPF object, or builtin:NAME. CONFIG: '{key: value, ...}', a\n"
	 "file, or - for stdin. OF CODE: [--config CONFIG] [--ports PORT,PORT...] [--budget-us N]\n"
	 "[--on-fault pass|drop] [--allow-import NAME,NAME...], as in docs/configuration.md.\n"
	 "A change is made wholly or not at all, under traffic. It lasts as long as the instance\n"
	 "runs, over restarts of the switch; the file is not written.\n"
	 "--instance NAME: of that instance; can be left out while one runs.\n"},
	{"policy", " PORT CONFIG", 2, 2, true, cli_power_options, cmd_policy,
	 "set policies of a port: ACL, guards, limits ...",
	 "CONFIG: '{key: value, ...}', a file, or - for stdin, with the keys of a port's policies in\n"
	 "docs/configuration.md. A key takes the place of the one that was, null takes it away;\n"
	 "others stay.\n"
	 "--instance NAME: of that instance; can be left out while one runs.\n"},
	{"vf", " list|assign|revoke ...", 1, 2, true, cli_vf_options, cmd_vf,
	 "virtual functions of NICs, and who has them",
	 "nethv vf list                      PFs, their VFs and filters; each adapter: who receives\n"
	 "                                   its frames, since when, and why it has no VF\n"
	 "nethv vf assign PARTITION/NUMBER   give it a VF (again)\n"
	 "nethv vf revoke PARTITION/NUMBER [--now]   take it, until it is assigned again: the guest\n"
	 "                                   is asked, and has ten seconds; --now: it is not asked\n"
	 "--dry-run: the steps, and nothing done. Only adapters with `sriov: on` get one.\n"
	 "--instance NAME: of that instance; can be left out while one runs.\n"},
	{"vmq", " list|plan|set ...", 1, 3, true, cli_power_options, cmd_vmq,
	 "queues of uplinks that each belong to an adapter",
	 "nethv vmq list                     each queue: whose, its filters, the CPU that polls it\n"
	 "                                   (!: pinned there), load, and whether the NIC writes\n"
	 "                                   straight into the guest's memory or why not; adapters\n"
	 "                                   without a queue, with the reason\n"
	 "nethv vmq plan                     queues that would be better off on other CPUs now;\n"
	 "                                   nothing is done. It is done when it pays for some time\n"
	 "nethv vmq set PARTITION/NUMBER CONFIG   CONFIG: '{key: value, ...}', a file, or - for stdin,\n"
	 "                                   with the keys of an adapter's vmq in\n"
	 "                                   docs/configuration.md; null takes a key away, others\n"
	 "                                   stay. Under traffic. Says what the adapter has then\n"
	 "It lasts as long as the instance runs, over restarts of the switch; the file is not\n"
	 "written. More: docs/vmq.md.\n"
	 "--instance NAME: of that instance; can be left out while one runs.\n"},
	{"start", " PARTITION", 1, 1, true, cli_power_options, cmd_power,
	 "start a partition that has ended",
	 "Its memory is new, its adapters are those it had. One that runs is left alone.\n"
	 "--instance NAME: of that instance; can be left out while one runs.\n"},
	{"reset", " PARTITION", 1, 1, true, cli_power_options, cmd_power,
	 "end a partition at once and start it again",
	 "The guest is not asked.\n"
	 "--instance NAME: of that instance; can be left out while one runs.\n"},
	{"shutdown", " PARTITION [--reboot] [--now]", 1, 1, true, cli_shutdown_options, cmd_power,
	 "ask a partition's guest to end",
	 "The guest may take its time, or refuse. Linux needs `integration: true` for it.\n"
	 "--reboot: it is started again afterwards. --now: ended at once, the guest is not asked.\n"
	 "--instance NAME: of that instance; can be left out while one runs.\n"},
	{"tell", " PARTITION WORD...", 2, CLI_WORDS_MAX, true, cli_power_options, cmd_tell,
	 "give the application of our own guest image an order",
	 "A line of words, such as those of `cmdline`; docs/using.md says which applications take\n"
	 "which. Prints the order's number: the guest's value `order` in `nethv stats` has it when it\n"
	 "was read. An order that comes before the last one was read takes its place.\n"
	 "--instance NAME: of that instance; can be left out while one runs.\n"},
	{"console", " PARTITION [NAME]", 1, 2, false, cli_power_options, cmd_console,
	 "join this terminal with a partition's",
	 "Shows the last 64 KiB of output and what follows, raw, escape sequences and all; what is\n"
	 "typed goes to the guest. Ctrl-] leaves. Any number may look, and all may type.\n"
	 "With a pipe or file as input all its bytes are sent; after its end output goes on until\n"
	 "the partition ends or SIGINT.\n"
	 "NAME, or --instance NAME: of that instance; can be left out while one runs.\n"},
	{"iommu", " [DEVICE]", 0, 1, true, NULL, cmd_iommu,
	 "what can be passed through to partitions, and why not",
	 "Units, interrupt remapping, VFIO, and for each NIC its group and whether it can be\n"
	 "assigned. With DEVICE (such as 0000:01:10.0): everything against it, each with the next\n"
	 "step. blocks: must be mended first. ours: nethv does it when it assigns. note: to know.\n"
	 "Exit status with DEVICE: 0: it can be assigned. 1: it cannot. It changes nothing; some is\n"
	 "only for root to see. docs/passthrough.md explains it.\n"},
	{"bench", " VERB ...", 0, 0, false, NULL, NULL, "packet paths measured beside their peers",
	 "nethv bench --help says more, and docs/benchmarks.md. Root, and two cores.\n"},
	{"doctor", "", 0, 0, true, NULL, cmd_doctor,
	 "what on this host limits performance or function",
	 "Each line: ok, warn (it works, but slower) or bad (something cannot be done here), what\n"
	 "was found, and what helps. It changes nothing.\n"},
};

#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static int help_all(FILE *to)
{
	fprintf(to, "nethv: network-dataplane hypervisor\n\n");
	for (size_t i = 0; i < NR_VERBS; i++) {
		char use[80];

		snprintf(use, sizeof(use), "%s%s%s", verbs[i].name, verbs[i].use,
			 verbs[i].has_json ? " [--json]" : "");
		fprintf(to, "  nethv %-39s %s\n", use, verbs[i].brief);
	}
	fprintf(to, "  nethv %-39s %s\n  nethv %-39s %s\n", "help [VERB]", "this, or more on VERB",
		"--version", "print the version");
	return to == stdout ? 0 : 2;
}

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < NR_VERBS; i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static int unknown_verb(const char *name)
{
	fprintf(stderr, "nethv: no verb \"%.40s\"; there are", name);
	for (size_t i = 0; i < NR_VERBS; i++)
		fprintf(stderr, " %s", verbs[i].name);
	fprintf(stderr, " help\n");
	return 2;
}

static int help(const char *name)
{
	const struct verb *v;

	if (!name)
		return help_all(stdout);
	v = find(name);
	if (!v)
		return unknown_verb(name);
	printf("nethv %s%s%s: %s\n\n%s", v->name, v->use, v->has_json ? " [--json]" : "", v->brief,
	       v->help);
	return 0;
}

const char *cli_option(const struct cli_args *a, const char *name)
{
	for (unsigned int i = 0; a->options && a->options[i].name; i++)
		if (!strcmp(a->options[i].name, name))
			return a->value[i];
	return NULL;
}

void cli_join(const struct cli_args *a, unsigned int from, char *out, size_t size)
{
	size_t n = 0;

	out[0] = 0;
	for (unsigned int i = from; i < a->nr_words && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i > from ? " " : "", a->word[i]);
}

static int no_option(const struct verb *v, const char *word)
{
	fprintf(stderr, "nethv %s: no option %.40s", v->name, word);
	for (const struct cli_option *o = v->options; o && o->name; o++)
		fprintf(stderr, "%s %s", o == v->options ? "; there are" : "", o->name);
	if (v->has_json)
		fprintf(stderr, "%s --json", v->options ? "" : "; there is");
	fprintf(stderr, "\n");
	return 2;
}

/* An option at @argv[0], before the NULL at the end. Returns how many words it took, or -1 (said). */
static int parse_option(const struct verb *v, char **argv, struct cli_args *a)
{
	if (v->has_json && !strcmp(argv[0], "--json")) {
		a->is_json = true;
		return 1;
	}
	for (unsigned int i = 0; v->options && v->options[i].name; i++) {
		if (strcmp(v->options[i].name, argv[0]) != 0)
			continue;
		if (!v->options[i].has_value) {
			a->value[i] = "";
			return 1;
		}
		a->value[i] = argv[1];
		if (argv[1])
			return 2;
		fprintf(stderr, "nethv %s: %s wants a value\n", v->name, argv[0]);
		return -1;
	}
	no_option(v, argv[0]);
	return -1;
}

static int parse(const struct verb *v, char **argv, struct cli_args *a)
{
	a->verb = v->name;
	a->options = v->options;
	while (*argv) {
		if (argv[0][0] == '-' && argv[0][1]) {
			int n = parse_option(v, argv, a);

			if (n < 0)
				return 2;
			argv += n;
		} else if (a->nr_words == v->max_words) {
			fprintf(stderr, "nethv %s: one word too many: %.80s\n", v->name, *argv);
			return 2;
		} else {
			a->word[a->nr_words++] = *argv++;
		}
	}
	a->operand = a->word[0];
	if (a->nr_words >= v->min_words)
		return 0;
	fprintf(stderr, "nethv %s: which%s? use: nethv %s%s\n", v->name, v->use, v->name, v->use);
	return 2;
}

int main(int argc, char **argv)
{
	struct cli_args a = {0};
	const struct verb *v;
	int rc;

	log_init("nethv", LOG_LVL_INFO);
	if (argc < 2)
		return help_all(stderr);
	if (!strcmp(argv[1], "--version")) {
		puts("nethv " NETHV_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return help(argc > 2 ? argv[2] : NULL);
	if (tool_exec_has(argc, argv))
		return tool_exec(argc, argv);
	v = find(argv[1]);
	if (!v)
		return unknown_verb(argv[1]);
	if (argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h")))
		return help(argv[1]);
	rc = parse(v, argv + 2, &a);
	return rc ? rc : v->fn(&a);
}
