/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of a partition, and the small public calls. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hv/devices.h"
#include "hv/priv.h"

static int cfg_check(const struct hv_cfg *cfg)
{
	unsigned int cmdline_max = cfg->kernel_path ? HV_LINUX_CMDLINE_MAX : NETHV_CMDLINE_MAX;

	if (!cfg->name || !cfg->name[0])
		return err_set(-EINVAL, "partition without a name");
	if (cfg->nr_vps == 0 || cfg->nr_vps > HV_VPS_MAX)
		return err_set(-EINVAL, "%s: %u VPs, want 1..%u", cfg->name, cfg->nr_vps,
			       HV_VPS_MAX);
	if (cfg->nr_doorbells > HV_DOORBELLS_MAX)
		return err_set(-EINVAL, "%s: %u doorbells, want 1..%u", cfg->name,
			       cfg->nr_doorbells, HV_DOORBELLS_MAX);
	if (cfg->kernel_path && (cfg->image_path || cfg->image))
		return err_set(-EINVAL, "%s: both a kernel and an image", cfg->name);
	if (cfg->initrd_path && !cfg->kernel_path)
		return err_set(-EINVAL, "%s: an initrd without a kernel", cfg->name);
	if (cfg->cmdline && strlen(cfg->cmdline) > cmdline_max)
		return err_set(-EINVAL, "%s: command line of %zu bytes, want at most %u", cfg->name,
			       strlen(cfg->cmdline), cmdline_max);
	return 0;
}

static int vps_create(struct hv_partition *p)
{
	unsigned int i;

	p->vp = calloc(p->nr_vps, sizeof(*p->vp));
	if (!p->vp)
		return err_set(-ENOMEM, "%s: %u VPs", p->name, p->nr_vps);
	for (i = 0; i < p->nr_vps; i++) {
		p->vp[i].p = p;
		p->vp[i].index = i;
		pthread_mutex_init(&p->vp[i].lock, NULL);
		hv_synic_init(&p->vp[i].synic);
	}
	return 0;
}

static int engine_create(struct hv_partition *p, const struct hv_cfg *cfg, void *arg)
{
	const struct hv_engine_cfg ec = {
		.name = p->name,
		.nr_vps = p->nr_vps,
		.nr_doorbells = p->nr_doorbells,
		.flags = cfg->flags,
		.synic = cfg->synic,
		.has_tsc = p->clock.is_tsc,
		.is_linux = p->is_linux,
		.boot_gpa = NETHV_RAM_BASE,
		.arg = arg,
	};
	unsigned int i;
	int rc;

	rc = p->eng->vm_create(&p->vm, &ec);
	for (i = 0; !rc && i < p->nr_regions; i++)
		rc = p->eng->mem_map(p->vm, p->region[i].gpa, p->region[i].fd, 0, p->region[i].len);
	return rc;
}

/* After the image is in memory: the engine may start a process that maps it. */
static int engine_seal(struct hv_partition *p, const struct hv_vp_start *first)
{
	struct hv_vp_start start;
	unsigned int i;
	int rc;

	for (i = 0; i < p->nr_vps; i++) {
		start = hv_start_of(p, first, i);
		rc = p->eng->vp_create(p->vm, i, &start);
		if (rc)
			return rc;
	}
	return p->eng->vm_seal(p->vm);
}

int hv_partition_create_on(struct hv_partition **out, const struct hv_cfg *cfg,
			   const struct hv_partition_ops *ops, void *ctx,
			   const struct hv_engine_ops *eng, void *arg)
{
	struct hv_vp_start start;
	struct hv_partition *p;
	int rc;

	rc = cfg_check(cfg);
	if (rc)
		return rc;
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(-ENOMEM, "%s", cfg->name);
	snprintf(p->name, sizeof(p->name), "%s", cfg->name);
	p->eng = eng;
	p->ops = ops;
	p->ctx = ctx;
	p->is_linux = cfg->kernel_path != NULL;
	p->nr_vps = cfg->nr_vps;
	p->nr_doorbells = cfg->nr_doorbells ? cfg->nr_doorbells : HV_DOORBELLS_DEF;
	p->timers.fd = -1;
	pthread_mutex_init(&p->msr_lock, NULL);
	pthread_mutex_init(&p->assigned.routing, NULL);
	pthread_mutex_init(&p->assigned.memory, NULL);
	hv_windows_init(&p->windows);
	hv_clock_init(&p->clock, HV_CLOCK_BEST);
	rc = hv_memory_create(p, cfg);
	if (!rc)
		rc = vps_create(p);
	if (!rc)
		rc = hv_timers_create(p);
	if (!rc)
		rc = engine_create(p, cfg, arg);
	if (!rc && p->is_linux)
		rc = hv_devices_create(&p->devices, p);
	if (!rc)
		rc = hv_load(p, cfg, &start);
	if (!rc)
		rc = engine_seal(p, &start);
	if (rc)
		goto fail;
	*out = p;
	return 0;
fail:
	hv_partition_destroy(p);
	return rc;
}

int hv_partition_create(struct hv_partition **out, const struct hv_cfg *cfg,
			const struct hv_partition_ops *ops, void *ctx)
{
	struct hv_engine_report report;
	int rc;

	if (!cfg->image_path && !cfg->image && !cfg->kernel_path)
		return err_set(-EINVAL, "%s: no image and no kernel",
			       cfg->name ? cfg->name : "partition");
	rc = hv_engine_probe(cfg->engine, &report);
	if (rc)
		return rc;
	if (cfg->kernel_path && report.kind != HV_ENGINE_KVM)
		return err_set(-ENOTSUP, "%s: a kernel needs the engine kvm (%s)", cfg->name,
			       report.text);
	return hv_partition_create_on(out, cfg, ops, ctx,
				      report.kind == HV_ENGINE_KVM ? &hv_kvm_ops : &hv_ring3_ops,
				      NULL);
}

static void *vp_thread(void *arg)
{
	struct hv_vp *vp = arg;
	char name[16];

	snprintf(name, sizeof(name), "hv-vp%u", vp->index);
	pthread_setname_np(pthread_self(), name);
	hv_vp_loop(vp);
	return NULL;
}

int hv_partition_start(struct hv_partition *p)
{
	unsigned int i;
	int rc;

	if (p->is_started)
		return err_set(-EALREADY, "%s: started before", p->name);
	p->is_started = true;
	rc = hv_timers_start(p);
	for (i = 0; !rc && i < p->nr_vps; i++) {
		rc = pthread_create(&p->vp[i].thread, NULL, vp_thread, &p->vp[i]);
		if (rc)
			rc = err_sys(-rc, "%s: thread of VP %u", p->name, i);
		else
			p->vp[i].has_thread = true;
	}
	if (rc)
		hv_partition_stop(p);
	return rc;
}

void hv_partition_stop(struct hv_partition *p)
{
	unsigned int i;

	atomic_store(&p->has_stopped, true);
	p->is_stopping = true;
	if (p->vm) {
		for (i = 0; i < p->nr_vps; i++)
			p->eng->vp_kick(p->vm, i);
		p->eng->vm_halt(p->vm);
	}
	for (i = 0; p->vp && i < p->nr_vps; i++) {
		if (p->vp[i].has_thread)
			pthread_join(p->vp[i].thread, NULL);
		p->vp[i].has_thread = false;
	}
	hv_timers_stop(p);
}

void hv_partition_destroy(struct hv_partition *p)
{
	unsigned int i;

	if (!p)
		return;
	hv_partition_stop(p);
	p->eng->vm_destroy(p->vm);
	hv_devices_destroy(p->devices);
	hv_timers_destroy(p);
	for (i = 0; p->vp && i < p->nr_vps; i++) {
		hv_synic_fini(&p->vp[i].synic);
		pthread_mutex_destroy(&p->vp[i].lock);
	}
	free(p->vp);
	for (i = 0; i < HV_DEVICES_MAX; i++)
		assert(!p->assigned.device[i]); /* they go first: see hv/device.h */
	hv_memory_destroy(p);
	hv_windows_fini(&p->windows);
	pthread_mutex_destroy(&p->assigned.memory);
	pthread_mutex_destroy(&p->assigned.routing);
	pthread_mutex_destroy(&p->msr_lock);
	free(p);
}

int hv_raise_vector(struct hv_partition *p, unsigned int vp, unsigned int vector)
{
	if (vp >= p->nr_vps || vector < 16 || vector > 255)
		return err_set(-EINVAL, "%s: vector %u on VP %u", p->name, vector, vp);
	pthread_mutex_lock(&p->vp[vp].lock);
	hv_vp_raise(&p->vp[vp], vector);
	pthread_mutex_unlock(&p->vp[vp].lock);
	return 0;
}

int hv_sint_fd(struct hv_partition *p, unsigned int vp, unsigned int sint)
{
	if (vp >= p->nr_vps || sint >= HV_NR_SINTS)
		return err_set(-EINVAL, "%s: SINT %u of VP %u", p->name, sint, vp);
	return p->eng->sint_fd(p->vm, vp, sint);
}

int hv_doorbell_fd(struct hv_partition *p, unsigned int relid)
{
	if (relid == 0 || relid > p->nr_doorbells)
		return err_set(-EINVAL, "%s: doorbell %u, want 1..%u", p->name, relid,
			       p->nr_doorbells);
	return p->eng->doorbell(p->vm, relid);
}

int hv_memory(const struct hv_partition *p, unsigned int i, int *fd, uint64_t *at, uint64_t *len)
{
	if (i >= p->nr_regions)
		return -ENOENT;
	*fd = p->region[i].fd;
	*at = p->region[i].gpa;
	*len = p->region[i].len;
	return 0;
}

const struct gmem *hv_gmem(const struct hv_partition *p)
{
	return &p->gm;
}

unsigned int hv_nr_vps(const struct hv_partition *p)
{
	return p->nr_vps;
}

int hv_engine_pid(const struct hv_partition *p)
{
	return p->eng->vm_pid(p->vm);
}

uint64_t hv_ref_time(const struct hv_partition *p)
{
	if (p->eng->has_timers && p->eng->has_timers(p->vm))
		return p->eng->ref_time(p->vm);
	return hv_clock_now(&p->clock);
}

const char *hv_synic_name(const struct hv_partition *p)
{
	return p->eng->synic_name ? p->eng->synic_name(p->vm) : "nethv";
}

void hv_vp_stats(struct hv_partition *p, unsigned int vp, struct hv_vp_stats *out)
{
	struct hv_vp *v;
	unsigned int i;

	memset(out, 0, sizeof(*out));
	if (vp >= p->nr_vps)
		return;
	v = &p->vp[vp];
	pthread_mutex_lock(&v->lock);
	out->raised = v->stats.raised;
	out->messages_sent = v->stats.messages_sent;
	pthread_mutex_unlock(&v->lock);
	for (i = 0; i < HV_EXIT_NR; i++)
		out->exits[i] = v->exits[i];
	out->hypercalls = v->hypercalls;
	out->signals_trapped = v->signals_trapped;
	out->nobodys_io = v->nobodys_io;
	out->nobodys_mmio = v->nobodys_mmio;
	p->eng->vp_stats(p->vm, vp, out);
}
