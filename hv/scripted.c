/* SPDX-License-Identifier: BSD-3-Clause */
/* The scripted engine. */
#include "hv/scripted.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "hv/devices.h"
#include "hv/priv.h"

#define CPUID_ADDRESSES 0x80000008u

struct scripted {
	struct hv_script *s;
	pthread_mutex_t lock;
	unsigned int next;
	int kick[HV_VPS_MAX];
	int doorbell[HV_DOORBELLS_MAX];
	int sint[HV_VPS_MAX];
};

static void s_vm_destroy(void *arg)
{
	struct scripted *e = arg;
	unsigned int i;

	if (!e)
		return;
	for (i = 0; i < HV_VPS_MAX; i++) {
		fd_close(&e->kick[i]);
		fd_close(&e->sint[i]);
	}
	for (i = 0; i < HV_DOORBELLS_MAX; i++)
		fd_close(&e->doorbell[i]);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static int event(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static int s_vm_create(void **vm, const struct hv_engine_cfg *cfg)
{
	struct scripted *e = calloc(1, sizeof(*e));
	unsigned int i;

	if (!e)
		return err_set(-ENOMEM, "scripted engine");
	e->s = cfg->arg;
	pthread_mutex_init(&e->lock, NULL);
	for (i = 0; i < HV_VPS_MAX; i++) {
		e->kick[i] = i < cfg->nr_vps ? event() : -1;
		e->sint[i] = i < cfg->nr_vps ? event() : -1;
	}
	for (i = 0; i < HV_DOORBELLS_MAX; i++)
		e->doorbell[i] = i < cfg->nr_doorbells ? event() : -1;
	*vm = e;
	return 0;
}

static int s_mem_map(void *vm, uint64_t at, int fd, uint64_t off, uint64_t len)
{
	return 0;
}

static int s_vp_create(void *vm, unsigned int vp, const struct hv_vp_start *start)
{
	((struct scripted *)vm)->s->start[vp] = *start;
	return 0;
}

static int s_vm_seal(void *vm)
{
	return 0;
}

static void s_vm_halt(void *vm)
{
}

static int s_vm_pid(void *vm)
{
	return 0;
}

static unsigned int s_cpuid(void *vm, struct nethv_cpuid *table, unsigned int max)
{
	unsigned int bits = ((struct scripted *)vm)->s->address_bits;
	unsigned int i, n = hv_cpuid_host(table, max);

	for (i = 0; bits && i < n; i++) {
		if (table[i].leaf == CPUID_ADDRESSES)
			table[i].eax = bits;
	}
	return n;
}

static void s_hypercall_page(void *vm, uint8_t page[4096])
{
	memset(page, 0xc3, 4096);
}

static bool script_next(struct scripted *e, struct hv_exit *ex)
{
	const struct hv_script *s = e->s;

	if (!s->is_run || e->next >= s->nr_exits)
		return false;
	*ex = s->exit[e->next++];
	return true;
}

static int s_vp_run(void *arg, unsigned int vp, struct hv_exit *ex)
{
	struct scripted *e = arg;
	struct pollfd pfd = {.fd = e->kick[vp], .events = POLLIN};

	if (vp == 0 && script_next(e, ex))
		return 0;
	while (poll(&pfd, 1, -1) < 0)
		;
	fd_drain(e->kick[vp]);
	*ex = (struct hv_exit){.kind = HV_EXIT_INTR};
	return 0;
}

static void s_vp_complete(void *arg, unsigned int vp, uint64_t value, enum hv_complete how)
{
	struct hv_script *s = ((struct scripted *)arg)->s;

	if (vp != 0 || s->nr_completed >= HV_SCRIPT_MAX)
		return;
	s->value[s->nr_completed] = value;
	s->was_gp[s->nr_completed] = how == HV_COMPLETE_GP;
	s->nr_completed++;
}

static void s_vp_kick(void *arg, unsigned int vp)
{
	fd_kick(((struct scripted *)arg)->kick[vp]);
}

static void s_irq(void *arg, unsigned int vp, unsigned int vector)
{
	struct scripted *e = arg;

	pthread_mutex_lock(&e->lock);
	e->s->nr_irqs[vp]++;
	e->s->last_vector[vp] = vector;
	pthread_mutex_unlock(&e->lock);
}

static void s_msi(void *arg, uint64_t address, uint32_t data)
{
	struct scripted *e = arg;

	pthread_mutex_lock(&e->lock);
	e->s->nr_msis++;
	e->s->msi_address = address;
	e->s->msi_data = data;
	pthread_mutex_unlock(&e->lock);
}

static int s_sint_fd(void *arg, unsigned int vp, unsigned int sint)
{
	return ((struct scripted *)arg)->sint[vp];
}

static void s_sint_set(void *arg, unsigned int vp, unsigned int sint, unsigned int vector)
{
	((struct scripted *)arg)->s->sint_vector[vp][sint] = vector;
}

static int s_doorbell(void *arg, unsigned int relid)
{
	return ((struct scripted *)arg)->doorbell[relid - 1];
}

static void s_vp_stats(void *vm, unsigned int vp, struct hv_vp_stats *out)
{
}

/* ---- Devices -------------------------------------------------------------------------------- */

static void line_poll(struct hv_script_line *l)
{
	uint64_t n;

	if (!l->is_used || !l->vector || read(l->fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		return;
	l->nr_raised++;
	l->raised_vp = l->vp;
	l->raised_vector = l->vector;
}

void hv_scripted_poll(struct hv_script *s)
{
	unsigned int i;

	for (i = 0; i < HV_SCRIPT_LINES; i++)
		line_poll(&s->line[i]);
}

static int s_line_create(void *arg, int fd)
{
	struct hv_script *s = ((struct scripted *)arg)->s;
	unsigned int i;

	for (i = 0; i < HV_SCRIPT_LINES && s->line[i].is_used; i++)
		;
	if (i == HV_SCRIPT_LINES)
		return err_set(-ENOSPC, "scripted engine: more than %u lines", HV_SCRIPT_LINES);
	s->line[i] = (struct hv_script_line){.is_used = true, .fd = fd};
	return (int)i;
}

static void s_line_destroy(void *arg, unsigned int line)
{
	((struct scripted *)arg)->s->line[line] = (struct hv_script_line){.fd = -1};
}

static int s_line_set(void *arg, unsigned int line, unsigned int vp, unsigned int vector)
{
	struct hv_script *s = ((struct scripted *)arg)->s;
	struct hv_script_line *l = &s->line[line];

	s->nr_line_sets++;
	if (vector && s->line_error)
		return err_set(s->line_error, "scripted engine: line %u", line);
	l->vp = vp;
	l->vector = vector;
	line_poll(l);
	return 0;
}

static struct hv_script_map *map_find(struct hv_script *s, uint64_t at, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < HV_SCRIPT_MAPS; i++) {
		if (s->map[i].len == len && (len == 0 || s->map[i].gpa == at))
			return &s->map[i];
	}
	return NULL;
}

static int s_dev_map(void *arg, uint64_t at, void *hva, uint64_t len, bool is_readonly)
{
	struct hv_script_map *m = map_find(((struct scripted *)arg)->s, 0, 0);

	if (!m)
		return err_set(-ENOSPC, "scripted engine: more than %u maps", HV_SCRIPT_MAPS);
	*m = (struct hv_script_map){.gpa = at, .len = len, .hva = hva, .is_readonly = is_readonly};
	return 0;
}

static int s_dev_unmap(void *arg, uint64_t at, uint64_t len)
{
	struct hv_script_map *m = map_find(((struct scripted *)arg)->s, at, len);

	if (!m)
		return err_set(-ENOENT, "scripted engine: no map at %#llx", (unsigned long long)at);
	*m = (struct hv_script_map){0};
	return 0;
}

static int s_vfio_attach(void *arg, int fd)
{
	((struct scripted *)arg)->s->vfio_fd = fd;
	return 0;
}

static void s_vfio_detach(void *arg, int fd)
{
	((struct scripted *)arg)->s->vfio_fd = -1;
}

#define SCRIPTED_OPS(gp, device)                                                            \
	{                                                                                   \
		.name = "scripted", .kind = HV_ENGINE_AUTO, .can_gp = (gp),                 \
		.vm_create = s_vm_create, .vm_destroy = s_vm_destroy, .mem_map = s_mem_map, \
		.vp_create = s_vp_create, .vm_seal = s_vm_seal, .vm_halt = s_vm_halt,       \
		.vm_pid = s_vm_pid, .cpuid = s_cpuid, .hypercall_page = s_hypercall_page,   \
		.vp_run = s_vp_run, .vp_complete = s_vp_complete, .vp_kick = s_vp_kick,     \
		.irq = s_irq, .msi = s_msi, .sint_fd = s_sint_fd, .sint_set = s_sint_set,   \
		.doorbell = s_doorbell, .vp_stats = s_vp_stats, device                      \
	}
#define DEVICE_OPS                                                                            \
	.line_create = s_line_create, .line_destroy = s_line_destroy, .line_set = s_line_set, \
	.dev_map = s_dev_map, .dev_unmap = s_dev_unmap, .vfio_attach = s_vfio_attach,         \
	.vfio_detach = s_vfio_detach

static const struct hv_engine_ops ops_crash = SCRIPTED_OPS(false, DEVICE_OPS);
static const struct hv_engine_ops ops_gp = SCRIPTED_OPS(true, DEVICE_OPS);
static const struct hv_engine_ops ops_bare = SCRIPTED_OPS(false, .dev_map = NULL);

static const struct hv_engine_ops *ops_of(const struct hv_script *s)
{
	if (s->is_bare)
		return &ops_bare;
	return s->can_gp ? &ops_gp : &ops_crash;
}

int hv_scripted_create_cfg(struct hv_partition **out, struct hv_script *s, const struct hv_cfg *cfg,
			   const struct hv_partition_ops *ops, void *ctx)
{
	return hv_partition_create_on(out, cfg, ops, ctx, ops_of(s), s);
}

int hv_scripted_create(struct hv_partition **out, struct hv_script *s, unsigned int nr_vps,
		       const struct hv_partition_ops *ops, void *ctx)
{
	const struct hv_cfg cfg = {
		.name = "scripted",
		.nr_vps = nr_vps,
		.mem_bytes = 4 << 20,
		.numa_node = -1,
		.flags = HV_CFG_NO_HUGE,
	};

	int rc = hv_scripted_create_cfg(out, s, &cfg, ops, ctx);

	if (rc || !s->is_linux)
		return rc;
	(*out)->is_linux = true;
	rc = hv_devices_create(&(*out)->devices, *out);
	if (rc)
		hv_partition_destroy(*out);
	return rc;
}
