/* SPDX-License-Identifier: BSD-3-Clause */
/* Binds libhv to the VMBus server: the only place where the two meet. */
#include "mgmt/worker.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/place.h"
#include "mgmt/control.h"
#include "mgmt/worker_vf.h"

/* ---- Upward calls of libhv (VP threads) ----------------------------------------------------- */

static int on_post(void *ctx, unsigned int vp, uint32_t connection_id, uint32_t type,
		   const void *payload, size_t len)
{
	struct worker *w = ctx;

	return vmbus_server_post(w->server, vp, connection_id, type, payload, len);
}

static void on_siefp(void *ctx, unsigned int vp, uint64_t siefp)
{
	struct worker *w = ctx;
	uint64_t one = 1;

	if (!vmbus_state_set_siefp(w->state, hv_gmem(w->hv), vp, siefp, vmbus_server_switch_dead,
				   w->server))
		return;
	if (write(hv_sint_fd(w->hv, vp, HV_SINT_VMBUS), &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_warn(w->part->name, "VP %u: cannot raise its VMBus interrupt", vp);
}

static void on_stopped(void *ctx, enum hv_stop_reason reason, uint32_t status, const char *text)
{
	struct worker *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->end.is_ended = true;
	w->end.reason = reason;
	w->end.status = status;
	snprintf(w->end.text, sizeof(w->end.text), "%s", text ? text : "");
	pthread_mutex_unlock(&w->lock);
	fd_kick(w->wake_fd);
}

/* Linux tells why it panics, and then resets, halts or boots a crash kernel, as it was told to. */
static void on_crashed(void *ctx, const char *text)
{
	struct worker *w = ctx;
	bool is_first;

	pthread_mutex_lock(&w->lock);
	is_first = !w->crash[0];
	if (is_first)
		snprintf(w->crash, sizeof(w->crash), "%s", text);
	pthread_mutex_unlock(&w->lock);
	if (is_first)
		log_warn(w->part->name, "%s", text);
}

static void on_console(void *ctx, const char *line, size_t n)
{
	struct worker *w = ctx;

	worker_console_line(&w->con, line, n);
}

static void on_serial_ready(void *ctx)
{
	struct worker *w = ctx;

	worker_console_ready(&w->con);
}

static void on_serial_room(void *ctx)
{
	struct worker *w = ctx;

	worker_console_room(&w->con);
}

static const struct hv_partition_ops hv_ops = {
	.post_message = on_post,
	.siefp_changed = on_siefp,
	.stopped = on_stopped,
	.crashed = on_crashed,
	.console = on_console,
	.serial_ready = on_serial_ready,
	.serial_room = on_serial_room,
};

/* ---- Upward calls of the server (ctl) ------------------------------------------------------- */

static int post(void *ctx, uint32_t vp, const void *msg, size_t len)
{
	struct worker *w = ctx;
	int rc = hv_post_to_guest(w->hv, vp, HV_SINT_VMBUS, VMBUS_MSG_TYPE_CHANNEL, msg, len);

	w->has_backlog |= rc == -EAGAIN;
	return rc;
}

static void vp_interrupt(void *ctx, uint32_t vp)
{
	struct worker *w = ctx;

	fd_kick(hv_sint_fd(w->hv, vp, HV_SINT_VMBUS));
}

static void need_kill(void *ctx, const char *why)
{
	struct worker *w = ctx;

	child_say(&w->child, "need_kill", json_pack("{s:s}", "why", why));
}

static void event(void *ctx, const char *text)
{
	struct worker *w = ctx;

	snprintf(w->last_fault, sizeof(w->last_fault), "%s", text);
	log_info(w->part->name, "%s", text);
}

static void offered(void *ctx, uint32_t relid)
{
	worker_vf_offered(ctx, relid);
}

static void path(void *ctx, uint32_t relid, bool is_vf, uint32_t ticket)
{
	worker_vf_path(ctx, relid, is_vf, ticket);
}

static void vf_remove(void *ctx, uint32_t relid, const char *why)
{
	worker_vf_unwanted(ctx, relid, why);
}

static const struct vmbus_server_ops server_ops = {
	.post = post,
	.vp_interrupt = vp_interrupt,
	.need_kill = need_kill,
	.offered = offered,
	.path = path,
	.vf_remove = vf_remove,
	.event = event,
};

/* ---- Building ------------------------------------------------------------------------------- */

/* VP threads and the engine's process inherit it. */
static int pin(const struct mgmt_partition *part)
{
	cpu_set_t set;
	int rc;

	CPU_ZERO(&set);
	for (uint32_t i = 0; i < part->cpus_count; i++)
		CPU_SET(part->cpus[i], &set);
	if (part->cpus_count && sched_setaffinity(0, sizeof(set), &set))
		return err_sys(-errno, "sched_setaffinity");
	rc = hv_place(part->numa_node ? *part->numa_node : -1);
	if (rc != -ENOENT)
		return rc;
	log_warn(part->name, "%s; its memory will be far from them", err_text());
	return 0;
}

static int make_partition(struct worker *w)
{
	const struct mgmt_partition *part = w->part;
	struct hv_cfg cfg = {
		.name = part->name,
		.nr_vps = part->vps,
		.mem_bytes = (uint64_t)part->memory << 20,
		.numa_node = part->numa_node ? *part->numa_node : -1,
		.engine = mgmt_config_engine(w->child.cfg, part),
		.synic = part->synic,
		.image_path = part->image,
		.kernel_path = part->kernel,
		.initrd_path = part->initrd,
		.cmdline = part->cmdline,
		.flags = w->child.cfg->sw.hugepages == MGMT_HUGE_NO ? HV_CFG_NO_HUGE : 0,
	};

	return hv_partition_create(&w->hv, &cfg, &hv_ops, w);
}

static int make_state(struct worker *w)
{
	void *at;
	int rc;

	w->state_fd = fd_memfd("nethv-state", sizeof(struct vmbus_state), FD_HUGE_NO, NULL);
	if (w->state_fd < 0)
		return w->state_fd;
	rc = fd_map(w->state_fd, 0, sizeof(struct vmbus_state), &at);
	if (rc)
		return rc;
	w->state = at;
	vmbus_state_init(w->state, w->part->vps);
	return 0;
}

static int collect_fds(struct worker *w, struct vmbus_server_cfg *cfg)
{
	for (uint32_t vp = 0; vp < cfg->nr_vps; vp++) {
		cfg->sint_fd[vp] = hv_sint_fd(w->hv, vp, HV_SINT_VMBUS);
		if (cfg->sint_fd[vp] < 0)
			return cfg->sint_fd[vp];
	}
	for (uint32_t relid = 1; relid < VMBUS_CHANS_MAX; relid++) {
		cfg->doorbell_fd[relid] = hv_doorbell_fd(w->hv, relid);
		if (cfg->doorbell_fd[relid] < 0)
			return cfg->doorbell_fd[relid];
	}
	for (uint32_t i = 0; i < GMEM_REGIONS_MAX; i++) {
		struct vmbus_server_region *r = &cfg->region[i];

		if (hv_memory(w->hv, i, &r->fd, &r->gpa, &r->len))
			break;
		cfg->nr_regions++;
	}
	return 0;
}

static int make_server(struct worker *w)
{
	struct vmbus_server_cfg cfg = {
		.name = w->part->name,
		.max_version = w->part->vmbus_version,
		.nr_vps = w->part->vps,
		.gm = hv_gmem(w->hv),
		.state_fd = w->state_fd,
		.state = w->state,
	};
	int rc = collect_fds(w, &cfg);

	return rc ? rc : vmbus_server_create(&w->server, &cfg, &server_ops, w);
}

int worker_build(struct worker *w, const char *partition)
{
	int rc;

	w->part = mgmt_config_partition(w->child.cfg, partition);
	if (!w->part)
		return err_set(-EINVAL, "no partition %s in the configuration", partition);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0)
		return err_sys(-errno, "eventfd");
	w->con.wake_fd = w->wake_fd;
	rc = pin(w->part);
	if (!rc)
		rc = make_state(w);
	if (!rc)
		rc = make_partition(w);
	if (!rc)
		rc = worker_vf_build(w);
	if (!rc)
		rc = make_server(w);
	return rc ? rc : worker_vsp_build(w);
}

void worker_demolish(struct worker *w)
{
	if (w->hv)
		hv_partition_stop(w->hv);
	worker_console_close(&w->con);
	worker_vsp_demolish(w);
	worker_vf_demolish(w);
	vmbus_server_destroy(w->server);
	hv_partition_destroy(w->hv);
	if (w->state)
		munmap(w->state, sizeof(*w->state));
	fd_close(&w->state_fd);
	fd_close(&w->wake_fd);
	w->server = NULL;
	w->hv = NULL;
	w->state = NULL;
}
