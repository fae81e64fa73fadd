/* SPDX-License-Identifier: BSD-3-Clause */
/* The status of an instance as JSON: what the supervisor knows, with the answers of the children
 * put in their places. docs/status.md lists the members. */
#include "mgmt/sup.h"

#include <string.h>
#include <unistd.h>

const char *sup_state_word(enum sup_state state)
{
	static const char *const word[] = {
		[SUP_SWITCH_UP] = "starting",	[SUP_WORKERS_UP] = "starting",
		[SUP_RUNNING] = "running",	[SUP_STOP_WORKERS] = "stopping",
		[SUP_STOP_SWITCH] = "stopping", [SUP_OVER] = "over",
	};

	return word[state];
}

static json_t *switch_json(const struct sup *sup, json_t *answer)
{
	const struct proc *sw = &sup->sw;
	json_t *o = json_is_object(answer) ? json_copy(answer) : json_object();
	const char *state = sw->state == PROC_RUNNING ? "running" : "starting";

	if (sw->state == PROC_RUNNING && !json_is_object(answer))
		state = "silent";
	json_object_set_new(o, "state", json_string(state));
	json_object_set_new(o, "pid", json_integer(sw->pid));
	json_object_set_new(o, "restarts", json_integer(sup->restarts));
	if (sup->pause_ms >= 0)
		json_object_set_new(o, "last_pause_ms", json_integer(sup->pause_ms));
	return o;
}

static const char *partition_state(const struct proc *p, json_t *answer)
{
	const char *how;

	switch (p->state) {
	case PROC_OFF: return p->reboots || p->restart_at_ms ? "restarting" : "starting";
	case PROC_STARTING: return "starting";
	case PROC_RUNNING: return json_is_null(answer) ? "silent" : "running";
	case PROC_STOPPING: return "stopping";
	default: break;
	}
	how = json_string_value(json_object_get(p->ended, "how"));
	return how ? how : "failed";
}

static json_t *disks_json(const struct mgmt_partition *part)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < part->disks_count; i++)
		json_array_append_new(list, json_pack("{s:s, s:b}", "path", part->disks[i].path,
						      "readonly", part->disks[i].readonly));
	return list;
}

static void add_config(json_t *o, const struct mgmt_partition *part)
{
	json_object_set_new(o, "engine", json_string(hv_engine_name(part->engine)));
	json_object_set_new(o, "nr_vps", json_integer(part->vps));
	json_object_set_new(o, "memory_mib", json_integer(part->memory));
	json_object_set_new(o, "nr_nics", json_integer(part->nics_count));
	json_object_set_new(o, "cmdline", json_string(part->cmdline));
	if (part->kernel)
		json_object_set_new(o, "kernel", json_string(part->kernel));
	else
		json_object_set_new(o, "image", json_string(part->image));
	if (part->initrd)
		json_object_set_new(o, "initrd", json_string(part->initrd));
	if (part->disks_count && !json_object_get(o, "disks")) /* the worker knows more of them */
		json_object_set_new(o, "disks", disks_json(part));
}

/* The guest's and the VMBus' side: from the worker while it lives, from its last words after. */
static json_t *partition_json(const struct proc *p, json_t *answer)
{
	const struct mgmt_partition *part = p->part;
	json_t *last = json_is_object(answer) ? answer : p->ended;
	json_t *o = json_is_object(last) ? json_copy(last) : json_object();

	json_object_set_new(o, "name", json_string(part->name));
	json_object_set_new(o, "state", json_string(partition_state(p, answer)));
	json_object_set_new(o, "pid", json_integer(p->pid));
	json_object_set_new(o, "reboots", json_integer(p->reboots));
	if (p->last_end[0])
		json_object_set_new(o, "last_end", json_string(p->last_end));
	if (p->pid)
		json_object_set_new(o, "uptime_ms", json_integer(loop_now_ms() - p->started_ms));
	add_config(o, part);
	if (p->state == PROC_ENDED && !p->ended)
		json_object_set_new(o, "reason", json_string(p->failure));
	return o;
}

json_t *sup_status_json(const struct sup *sup, json_t *answers)
{
	json_t *parts = json_array(), *o, *vf = sup_vf_json(sup);

	for (uint32_t i = 0; i < sup->cfg->partitions_count; i++) {
		const struct proc *p = &sup->worker[i];

		json_array_append_new(parts, partition_json(p, json_object_get(answers, p->name)));
	}
	o = json_pack("{s:s, s:s, s:i, s:s, s:I, s:{s:s, s:s}, s:s, s:o, s:o}", "name",
		      sup->cfg->name, "state", sup_state_word(sup->state), "pid", (int)getpid(),
		      "file", sup->file, "uptime_ms", (json_int_t)(loop_now_ms() - sup->started_ms),
		      "engine", "name", hv_engine_name(sup->engine.kind), "why", sup->engine.text,
		      "memory", sup->preflight.memory, "switch",
		      switch_json(sup, json_object_get(answers, sup->sw.name)), "partitions",
		      parts);
	if (vf)
		json_object_set_new(o, "sriov", vf);
	return o;
}
