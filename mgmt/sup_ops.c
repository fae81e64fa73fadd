/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests for changes: they wait for their turn and for the answers of children without blocking,
 * and each is done wholly or not at all.
 *
 * A change of the configuration is asked of the switch first and becomes ours when it agrees. If the
 * switch dies in between, the next one begins with the old configuration and is asked again. */
#include "mgmt/sup.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "base/fd.h"

#define TURN_MS	  15000 /* for the switch, or a partition, to be ready for the change */
#define ANSWER_MS 5000	/* for a worker; a switch that is silent is killed anyhow */
#define LONG_MS	  55000 /* for a worker, a guest and the kernel */

#define EXT_CHANGE (OP_CONFIG | OP_SWITCH | OP_ONCE)

static const struct op_kind kinds[] = {
	{"nic_add", OP_CONFIG, sup_nics_add},
	{"nic_remove", OP_CONFIG, sup_nics_remove},
	{"nic_set", OP_CONFIG, sup_nics_set},
	{"partition_start", 0, sup_power_start},
	{"partition_reset", 0, sup_power_reset},
	{"partition_shutdown", 0, sup_power_shutdown},
	{"partition_tell", 0, sup_power_tell},
	{"ext_load", EXT_CHANGE, sup_exts_load},
	{"ext_unload", EXT_CHANGE, sup_exts_unload},
	{"ext_enable", EXT_CHANGE, sup_exts_enable},
	{"ext_disable", EXT_CHANGE, sup_exts_disable},
	{"ext_move", EXT_CHANGE, sup_exts_move},
	{"ext_configure", EXT_CHANGE, sup_exts_configure},
	{"ext_upgrade", EXT_CHANGE, sup_exts_upgrade},
	{"policy_set", OP_CONFIG | OP_SWITCH, sup_policy_set},
	{"mirrors_set", OP_CONFIG | OP_SWITCH, sup_mirrors_set},
	{"overlay_set", OP_CONFIG | OP_SWITCH, sup_overlay_set},
	{"ext_status", OP_SWITCH, sup_exts_status},
	{"vf_list", OP_NOBODY, sup_vf_list},
	{"vf_assign", OP_LONG, sup_vf_assign},
	{"vf_revoke", OP_LONG, sup_vf_revoke},
};

static void drop_next(struct op *op)
{
	mgmt_config_free(op->next);
	fd_close(&op->next_fd);
	op->next = NULL;
}

static void op_free(struct op *op)
{
	drop_next(op);
	json_decref(op->id);
	json_decref(op->params);
	json_decref(op->result);
	memset(op, 0, sizeof(*op));
	op->next_fd = -1;
}

/* @rc: 0, or -errno with @text. */
static void finish(struct op *op, int rc, const char *text)
{
	struct client *c = op->client;
	json_t *reply;

	if (rc)
		reply = rpc_error(op->id, rc == -EINVAL ? RPC_BAD_PARAMS : RPC_FAILED, text);
	else
		reply = rpc_result(op->id, json_incref(op->result));
	op_free(op);
	if (c)
		sup_client_send(c, reply);
	else
		json_decref(reply);
}

static const struct op_kind *kind_of(const char *method)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].method, method))
			return &kinds[i];
	return NULL;
}

/* "a" of {partition: "a"}, or of {nic: "a/1"}. */
static struct proc *partition_of(struct sup *sup, json_t *params)
{
	const char *name = json_string_value(json_object_get(params, "partition"));
	size_t n = name ? strlen(name) : 0;

	if (!name) {
		name = json_string_value(json_object_get(params, "nic"));
		n = name ? strcspn(name, "/") : 0;
	}
	for (uint32_t i = 0; i < sup->cfg->partitions_count && n; i++)
		if (strlen(sup->worker[i].name) == n && !memcmp(sup->worker[i].name, name, n))
			return &sup->worker[i];
	if (!n)
		err_set(-EINVAL, "which partition?");
	else
		err_set(-EINVAL, "no partition %.*s", n > 40 ? 40 : (int)n, name);
	return NULL;
}

static struct op *free_slot(struct sup *sup)
{
	for (unsigned int i = 0; i < SUP_OPS_MAX; i++)
		if (!sup->op[i].kind)
			return &sup->op[i];
	return NULL;
}

bool sup_op_new(struct client *c, const struct rpc_msg *m)
{
	const struct op_kind *kind = kind_of(m->method);
	struct sup *sup = c->sup;
	struct op *op = free_slot(sup);
	struct proc *part = NULL;

	if (!kind)
		return false;
	if (!(kind->flags & (OP_SWITCH | OP_NOBODY)))
		part = partition_of(sup, m->params);
	if (!part && !(kind->flags & (OP_SWITCH | OP_NOBODY))) {
		sup_client_send(c, rpc_error(m->id, RPC_BAD_PARAMS, err_text()));
		return true;
	}
	if (!op) {
		sup_client_send(c, rpc_error(m->id, RPC_FAILED, "too many changes at once"));
		return true;
	}
	*op = (struct op){
		.kind = kind,
		.sup = sup,
		.client = c,
		.id = json_incref(m->id),
		.params = json_incref(m->params),
		.part = part,
		.number = ++sup->next_number,
		.until_ms = loop_now_ms() + TURN_MS,
		.next_fd = -1,
	};
	sup_ops_run(sup);
	return true;
}

int sup_op_ask(struct op *op, struct proc *p, const char *method, json_t *params)
{
	int rc = rpc_send(&p->conn, rpc_request(op->number, method, params));

	if (rc)
		return err_set(rc, "%s is ending", p->name);
	if (rpc_wants_write(&p->conn))
		loop_mod(&p->sup->loop, &p->conn_src, EPOLLIN | EPOLLOUT);
	return OP_ASKED;
}

static bool is_config(const struct op *op)
{
	return op->kind && op->kind->flags & OP_CONFIG;
}

/* Whom it waits for, when asked. */
static bool is_for_switch(const struct op *op)
{
	return op->kind->flags & (OP_CONFIG | OP_SWITCH);
}

/* Why it cannot begin now; NULL: it can. Sets no text. */
static const char *obstacle(const struct sup *sup, const struct op *op)
{
	if (!is_for_switch(op))
		return NULL;
	if (sup->state < SUP_RUNNING)
		return "the instance is still starting";
	if (sup->sw.state != PROC_RUNNING)
		return "the switch is being started again";
	if (!is_config(op))
		return NULL;
	if (op->part && op->part->state == PROC_STARTING)
		return "the partition is starting";
	for (unsigned int i = 0; i < SUP_OPS_MAX; i++)
		if (is_config(&sup->op[i]) && sup->op[i].number < op->number)
			return "another change is still under way";
	return NULL;
}

/* Whoever was to agree is gone, or was never there. */
static void put_back(struct op *op)
{
	drop_next(op);
	json_decref(op->result);
	op->result = NULL;
	op->is_asked = false;
}

static void begin(struct op *op)
{
	int rc = op->kind->begin(op);

	if (rc == OP_ASKED) {
		op->is_asked = true;
		op->until_ms = loop_now_ms() + (op->kind->flags & OP_LONG ? LONG_MS : ANSWER_MS);
	} else if (rc == -EPIPE && is_for_switch(op)) {
		put_back(op); /* a switch whose death we have not been told of yet */
	} else {
		finish(op, rc, err_text());
	}
}

/* A switch that is asked either answers or is killed; a worker may be silent for ever. */
static void look_at(struct sup *sup, struct op *op)
{
	bool is_late = loop_now_ms() >= op->until_ms;
	const char *why;

	if (op->is_asked) {
		if (is_late && op->kind->flags & OP_LONG)
			finish(op, -ETIMEDOUT,
			       "still under way; `nethv vf list` shows what it waits for");
		else if (is_late && !is_for_switch(op))
			finish(op, -ETIMEDOUT, "the partition's worker does not answer");
		return;
	}
	why = obstacle(sup, op);
	if (sup->state >= SUP_STOP_WORKERS)
		finish(op, -ESHUTDOWN, "the instance is ending");
	else if (!why)
		begin(op);
	else if (is_late)
		finish(op, -ETIMEDOUT, why);
}

static struct op *oldest_after(struct sup *sup, int64_t number)
{
	struct op *found = NULL;

	for (unsigned int i = 0; i < SUP_OPS_MAX; i++) {
		struct op *op = &sup->op[i];

		if (op->kind && op->number > number && (!found || op->number < found->number))
			found = op;
	}
	return found;
}

void sup_ops_run(struct sup *sup)
{
	struct op *op = oldest_after(sup, 0);

	while (op) {
		int64_t number = op->number;

		look_at(sup, op);
		op = oldest_after(sup, number);
	}
}

/* From here on restarted children get the new configuration. */
static void commit(struct sup *sup, struct op *op)
{
	struct mgmt_cfg *old = sup->cfg;

	if (!op->next)
		return;
	sup->cfg = op->next;
	op->next = NULL;
	for (uint32_t i = 0; i < sup->cfg->partitions_count; i++)
		sup->worker[i].part = &sup->cfg->partitions[i];
	fd_close(&sup->config_fd);
	sup->config_fd = op->next_fd;
	op->next_fd = -1;
	mgmt_config_free(old);
	sup_vf_configured(sup);
}

static void add_answer(struct op *op, json_t *answer)
{
	if (!op->result)
		op->result = json_object();
	json_object_update(op->result, answer);
}

void sup_ops_answer(struct proc *p, const struct rpc_msg *m)
{
	struct sup *sup = p->sup;

	for (unsigned int i = 0; i < SUP_OPS_MAX; i++) {
		struct op *op = &sup->op[i];

		if (!op->kind || !op->is_asked || op->number != json_integer_value(m->id))
			continue;
		if (m->kind == RPC_ERROR) {
			finish(op, -EREMOTEIO, m->error);
		} else {
			commit(sup, op);
			add_answer(op, m->result);
			finish(op, 0, NULL);
		}
		sup_ops_run(sup);
		return;
	}
}

void sup_op_done(struct sup *sup, int64_t number, int rc, const char *text, json_t *result)
{
	for (unsigned int i = 0; i < SUP_OPS_MAX; i++) {
		struct op *op = &sup->op[i];

		if (!op->kind || !op->is_asked || op->number != number)
			continue;
		json_decref(op->result);
		op->result = json_incref(result);
		finish(op, rc, text);
		break;
	}
	json_decref(result);
}

void sup_ops_death(struct proc *p)
{
	for (unsigned int i = 0; i < SUP_OPS_MAX; i++) {
		struct op *op = &p->sup->op[i];
		bool is_his = op->kind && (is_for_switch(op) ? !p->part : op->part == p);

		if (!is_his || !op->is_asked || op->kind->flags & OP_LONG)
			continue;
		if (op->kind->flags & OP_ONCE) {
			finish(op, -EREMOTEIO,
			       "the switch died while it made this change, and is started again "
			       "without it");
		} else if (is_for_switch(op)) {
			put_back(op);
			op->until_ms = loop_now_ms() + TURN_MS;
		} else {
			finish(op, -ESHUTDOWN, "the partition has just ended");
		}
	}
}

void sup_ops_forget(struct sup *sup, const struct client *c)
{
	for (unsigned int i = 0; i < SUP_OPS_MAX; i++)
		if (sup->op[i].client == c)
			sup->op[i].client = NULL;
}

bool sup_ops_hold(const struct sup *sup)
{
	for (unsigned int i = 0; i < SUP_OPS_MAX; i++)
		if (is_config(&sup->op[i]) && sup->op[i].is_asked)
			return true;
	return false;
}

void sup_ops_fini(struct sup *sup)
{
	for (unsigned int i = 0; i < SUP_OPS_MAX; i++)
		if (sup->op[i].kind)
			op_free(&sup->op[i]);
}
