/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker knows of its partition, as JSON. The guest's report is the guest's word. */
#include "mgmt/worker.h"

#include <stdio.h>
#include <string.h>

#include "hv/place.h"
#include "mgmt/worker_vf.h"

static const char *const exit_word[HV_EXIT_NR] = {
	[HV_EXIT_INTR] = "intr",   [HV_EXIT_IO] = "io",
	[HV_EXIT_MMIO] = "mmio",   [HV_EXIT_RDMSR] = "rdmsr",
	[HV_EXIT_WRMSR] = "wrmsr", [HV_EXIT_HYPERCALL] = "hypercall",
	[HV_EXIT_HLT] = "hlt",	   [HV_EXIT_SHUTDOWN] = "shutdown",
	[HV_EXIT_FAULT] = "fault", [HV_EXIT_EOI] = "eoi",
};

static json_t *kvm_json(const struct hv_vp_stats *st)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "exits", (json_int_t)st->kvm_exits,
			 "irq_exits", (json_int_t)st->kvm_irq_exits, "io_exits",
			 (json_int_t)st->kvm_io_exits, "mmio_exits", (json_int_t)st->kvm_mmio_exits,
			 "halt_polls", (json_int_t)st->halt_polls, "halt_polls_won",
			 (json_int_t)st->halt_polls_won, "halt_wakeups",
			 (json_int_t)st->halt_wakeups);
}

static json_t *vp_json(struct worker *w, unsigned int vp)
{
	struct hv_vp_stats st;
	json_t *exits = json_object(), *o;
	uint64_t sum = 0;

	hv_vp_stats(w->hv, vp, &st);
	for (int i = 0; i < HV_EXIT_NR; i++) {
		sum += st.exits[i];
		json_object_set_new(exits, exit_word[i], json_integer((json_int_t)st.exits[i]));
	}
	o = json_pack("{s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "exits_all",
		      (json_int_t)sum, "exits", exits, "hypercalls", (json_int_t)st.hypercalls,
		      "signals_trapped", (json_int_t)st.signals_trapped, "messages",
		      (json_int_t)st.messages_sent, "raised", (json_int_t)st.raised, "traps",
		      (json_int_t)st.traps, "irq_signals", (json_int_t)st.irq_signals, "injected",
		      (json_int_t)st.injected, "halts", (json_int_t)st.halts, "nobodys_io",
		      (json_int_t)st.nobodys_io, "nobodys_mmio", (json_int_t)st.nobodys_mmio);
	if (st.has_kvm)
		json_object_set_new(o, "kvm", kvm_json(&st));
	return o;
}

static json_t *channels_json(struct worker *w)
{
	struct vmbus_server_chan_status ch;
	json_t *list = json_array();

	for (uint32_t relid = 0; vmbus_server_chan_next(w->server, relid, &ch); relid = ch.relid)
		json_array_append_new(list,
				      json_pack("{s:i, s:s, s:i, s:i, s:i, s:b, s:s, s:s}", "relid",
						ch.relid, "state", ch.word, "sub", ch.sub_index,
						"vp", (int)ch.target_vp, "gpadls", ch.nr_gpadls,
						"served", strcmp(ch.server, "none") != 0, "server",
						ch.server, "reason", ch.reason));
	return list;
}

static json_t *vmbus_json(struct worker *w)
{
	struct vmbus_server_status st;
	const struct vmbus_server_counters *n = &st.counters;

	vmbus_server_status(w->server, &st);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "version",
			 vmbus_version_text(st.version), "link", st.link, "reason", st.reason,
			 "messages", (json_int_t)n->messages, "posts_refused",
			 (json_int_t)n->posts_refused, "unknown", (json_int_t)n->unknown,
			 "malformed", (json_int_t)n->malformed, "faults", (json_int_t)n->faults,
			 "switch_deaths", (json_int_t)n->switch_deaths, "channels",
			 channels_json(w));
}

static json_t *report_json(struct worker *w)
{
	static const char *const word[] = {"booting", "running", "done", "failed"};
	struct nethv_report r;
	json_t *values;

	if (hv_report_read(w->hv, &r))
		return json_null();
	values = json_object();
	for (uint32_t i = 0; i < r.nr && i < NETHV_REPORT_ENTRIES; i++)
		json_object_set_new(values, r.entry[i].name,
				    json_integer((json_int_t)r.entry[i].value));
	return json_pack("{s:s, s:s, s:o}", "state", word[r.state & 3], "message", r.message,
			 "values", values);
}

static void crash_copy(struct worker *w, char *text, size_t size)
{
	pthread_mutex_lock(&w->lock);
	snprintf(text, size, "%s", w->crash);
	pthread_mutex_unlock(&w->lock);
}

static json_t *console_json(struct worker *w)
{
	const struct worker_console *c = &w->con;

	return json_pack("{s:i, s:I, s:I, s:s}", "attached", (int)console_clients(&c->console),
			 "lost", (json_int_t)c->lost, "log_dropped", (json_int_t)c->log_dropped,
			 "last", c->last.last);
}

json_t *worker_status_json(struct worker *w)
{
	json_t *vps = json_array(), *o;
	char crash[sizeof(w->crash)], cpus[256];

	for (unsigned int vp = 0; vp < hv_nr_vps(w->hv); vp++)
		json_array_append_new(vps, vp_json(w, vp));
	o = json_pack("{s:s, s:o, s:o, s:o, s:o, s:i, s:s, s:s}", "cpus",
		      hv_place_text(cpus, sizeof(cpus)), "vps", vps, "vmbus", vmbus_json(w),
		      "guest", report_json(w), "console", console_json(w), "guest_pid",
		      hv_engine_pid(w->hv), "last_event", w->last_fault, "synic",
		      hv_synic_name(w->hv));
	crash_copy(w, crash, sizeof(crash));
	if (crash[0])
		json_object_set_new(o, "crash", json_string(crash));
	worker_vsp_add_json(w, o);
	worker_vf_add_json(w, o);
	return o;
}

json_t *worker_last_json(struct worker *w)
{
	static const char *const how[] = {
		[HV_STOP_GUEST_EXIT] = "exited", [HV_STOP_GUEST_OFF] = "off",
		[HV_STOP_GUEST_RESET] = "reset", [HV_STOP_GUEST_CRASH] = "crashed",
		[HV_STOP_ENGINE] = "failed",
	};
	json_t *o = worker_status_json(w);
	const char *crash = json_string_value(json_object_get(o, "crash"));
	const char *last = w->con.last.last;
	char reason[sizeof(w->crash) + sizeof(w->end.text) + sizeof(w->con.last.last) + 48];
	struct worker_end end;
	bool tells;

	pthread_mutex_lock(&w->lock);
	end = w->end;
	pthread_mutex_unlock(&w->lock);
	json_object_set_new(o, "how", json_string(end.is_ended ? how[end.reason] : "stopped"));
	json_object_set_new(o, "status", json_integer(end.status));
	/* A kernel that resets itself has often died before it could report anything else. */
	tells = w->part->kernel && end.is_ended && end.reason != HV_STOP_GUEST_OFF && !crash &&
		last[0];
	snprintf(reason, sizeof(reason), "%s%s%s%s%s", end.text, crash ? ", after " : "",
		 crash ? crash : "", tells ? "; last on its serial port: " : "", tells ? last : "");
	json_object_set_new(o, "reason", json_string(reason));
	return o;
}
