/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/worker_vfdev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/err.h"
#include "base/gmem.h"
#include "base/log.h"
#include "hv/bus.h"
#include "hv/device.h"
#include "hv/linux/layout.h"
#include "hv/linux/machine.h"
#include "mgmt/worker.h"
#include "sriov/vpci.h"

#define VECTORS_MAX \
	(HV_DEVICE_VECTORS_MAX < VPCI_VECTORS_MAX ? HV_DEVICE_VECTORS_MAX : VPCI_VECTORS_MAX)

/* A window of vPCI, as libhv's bus calls it. */
struct window {
	const struct vpci_window_ops *ops;
	void *dev;
};

struct vfdev {
	struct worker *w;
	const struct vfdev_ops *ops;
	char name[64]; /* "a/0 VF 0000:01:10.0" */
	uint32_t nic, serial;
	unsigned int nr_vectors;
	struct vfio_dev *vfio;
	bool is_kvm_told;
	struct hv_device *hv;
	struct vpci *vpci;
	struct vpci_bar bar[VPCI_BARS];
	struct window window[HV_DEVICE_WINDOWS_MAX];
	struct loop_src vpci_src, err_src, req_src;
	bool is_ejected;  /* vPCI said so, ... */
	char failed[200]; /* ... or why it failed: told when vpci_process() has returned */
};

/* ---- The function, for vPCI ----------------------------------------------------------------- */

static int cfg_read(void *f, uint32_t off, unsigned int size, uint32_t *value)
{
	struct vfdev *d = f;
	uint64_t v;
	int rc = vfio_dev_read(d->vfio, VFIO_REGION_CONFIG, off, size, &v);

	*value = (uint32_t)v;
	return rc;
}

static int cfg_write(void *f, uint32_t off, unsigned int size, uint32_t value)
{
	return vfio_dev_write(((struct vfdev *)f)->vfio, VFIO_REGION_CONFIG, off, size, value);
}

static int bar_read(void *f, unsigned int bar, uint64_t off, unsigned int size, uint64_t *value)
{
	return vfio_dev_read(((struct vfdev *)f)->vfio, bar, off, size, value);
}

static int bar_write(void *f, unsigned int bar, uint64_t off, unsigned int size, uint64_t value)
{
	return vfio_dev_write(((struct vfdev *)f)->vfio, bar, off, size, value);
}

static int irqs_on(void *f, unsigned int nr_vectors)
{
	struct vfdev *d = f;
	int fds[VECTORS_MAX];

	if (nr_vectors > d->nr_vectors)
		return err_set(-EINVAL, "%s: %u interrupts, it has %u", d->name, nr_vectors,
			       d->nr_vectors);
	for (unsigned int i = 0; i < nr_vectors; i++)
		fds[i] = hv_device_entry_fd(d->hv, i);
	return vfio_dev_irqs_set(d->vfio, VFIO_IRQ_MSIX, fds, nr_vectors);
}

static void irqs_off(void *f)
{
	vfio_dev_irqs_off(((struct vfdev *)f)->vfio, VFIO_IRQ_MSIX);
}

static int reset(void *f)
{
	struct vfdev *d = f;

	hv_device_irqs_reset(d->hv);
	return vfio_dev_reset(d->vfio);
}

static const struct vpci_function_ops func_ops = {
	.cfg_read = cfg_read,
	.cfg_write = cfg_write,
	.bar_read = bar_read,
	.bar_write = bar_write,
	.irqs_on = irqs_on,
	.irqs_off = irqs_off,
	.reset = reset,
};

/* ---- The partition, for vPCI ---------------------------------------------------------------- */

static int irq_create(void *h, struct vpci_irq *irq)
{
	return hv_device_irq_create(((struct vfdev *)h)->hv, irq->count, &irq->address, &irq->data);
}

static void irq_delete(void *h, const struct vpci_irq *irq)
{
	hv_device_irq_delete(((struct vfdev *)h)->hv, irq->address, irq->data);
}

static void entry_set(void *h, unsigned int entry, uint64_t address, uint32_t data, bool is_masked)
{
	hv_device_entry_set(((struct vfdev *)h)->hv, entry, address, data, is_masked);
}

static bool entry_pending(void *h, unsigned int entry)
{
	return hv_device_entry_pending(((struct vfdev *)h)->hv, entry);
}

static bool is_within(uint64_t gpa, uint64_t len, uint64_t begin, uint64_t end)
{
	return gpa >= begin && gpa < end && len <= end - gpa;
}

/* What the VMBus device's _CRS gives away; libhv sees to what is taken already. */
static bool is_free(void *h, uint64_t gpa, uint64_t len)
{
	struct vfdev *d = h;
	uint64_t high = hv_linux_mmio_high((uint64_t)d->w->part->memory << 20);

	return is_within(gpa, len, HV_PC_MMIO_LOW, HV_PC_MMIO_LOW_END) ||
	       is_within(gpa, len, high, high + HV_PC_MMIO_HIGH_SIZE);
}

static int mem_map(void *h, uint64_t gpa, void *hva, uint64_t len)
{
	return hv_device_mem_map(((struct vfdev *)h)->hv, gpa, hva, len, false);
}

static int mem_unmap(void *h, uint64_t gpa, uint64_t len)
{
	return hv_device_mem_unmap(((struct vfdev *)h)->hv, gpa, len);
}

static uint64_t window_read(void *dev, uint64_t off, unsigned int size)
{
	const struct window *win = dev;

	return win->ops->read(win->dev, off, size);
}

static enum hv_verdict window_write(void *dev, uint64_t off, unsigned int size, uint64_t value,
				    struct hv_stop *stop)
{
	const struct window *win = dev;

	win->ops->write(win->dev, off, size, value);
	return HV_GO_ON;
}

static const struct hv_bus_ops window_ops = {.read = window_read, .write = window_write};

/* A slot has one user for life. An access may be under way in it: it is written once. */
static int window_set(void *h, unsigned int slot, uint64_t gpa, uint64_t len,
		      const struct vpci_window_ops *ops, void *dev)
{
	struct vfdev *d = h;

	if (!d->window[slot].ops)
		d->window[slot] = (struct window){ops, dev};
	return hv_device_window_set(d->hv, slot, gpa, len, &window_ops, &d->window[slot]);
}

static void window_clear(void *h, unsigned int slot)
{
	hv_device_window_clear(((struct vfdev *)h)->hv, slot);
}

static const struct vpci_host_ops host_ops = {
	.irq_create = irq_create,
	.irq_delete = irq_delete,
	.entry_set = entry_set,
	.entry_pending = entry_pending,
	.is_free = is_free,
	.mem_map = mem_map,
	.mem_unmap = mem_unmap,
	.window_set = window_set,
	.window_clear = window_clear,
};

/* ---- Upwards -------------------------------------------------------------------------------- */

/* Who hears of these destroys the device, which must not be from within vPCI. */
static void on_ejected(void *up)
{
	((struct vfdev *)up)->is_ejected = true;
}

static void on_d0(void *up, bool is_d0)
{
	struct vfdev *d = up;

	d->ops->d0_changed(d->w, d->nic, is_d0);
}

static void on_failed(void *up, const char *why)
{
	struct vfdev *d = up;

	snprintf(d->failed, sizeof(d->failed), "%s", why);
}

static const struct vpci_up_ops up_ops = {
	.ejected = on_ejected, .d0_changed = on_d0, .failed = on_failed};

static void on_vpci(void *ctx, uint32_t events)
{
	struct vfdev *d = ctx;

	vpci_process(d->vpci);
	if (d->failed[0])
		d->ops->lost(d->w, d->nic, d->failed);
	else if (d->is_ejected)
		d->ops->ejected(d->w, d->nic);
}

static void on_err(void *ctx, uint32_t events)
{
	struct vfdev *d = ctx;

	d->ops->lost(d->w, d->nic, "it reported an error that cannot be corrected");
}

static void on_req(void *ctx, uint32_t events)
{
	struct vfdev *d = ctx;

	d->ops->lost(d->w, d->nic, "the host wants it back (unplugged, or unbound from vfio-pci)");
}

/* ---- Life ----------------------------------------------------------------------------------- */

int vfdev_vfio_open(struct vfio_ctx **out, struct worker *w)
{
	const struct vfio_cfg cfg = {.name = w->part->name, .root = ""};
	const struct gmem *gm = hv_gmem(w->hv);
	int rc = vfio_open(out, &cfg);

	for (unsigned int i = 0; !rc && i < gm->nr_regions; i++)
		rc = vfio_map(*out, gm->region[i].gpa, gm->region[i].hva, gm->region[i].len,
			      VFIO_READ_WRITE);
	if (rc) {
		vfio_close(*out);
		*out = NULL;
	}
	return rc;
}

/* One area over all of it is what a BAR has, unless the kernel keeps the MSI-X table's pages: then all
 * accesses trap, and the guest is slow but right. */
static int bar_make(struct vfdev *d, unsigned int i)
{
	const struct vfio_region *r = vfio_dev_region(d->vfio, i);
	struct vpci_bar *b = &d->bar[i];
	uint64_t word = 0;
	int rc;

	if (!r || !r->size)
		return 0;
	rc = vfio_dev_read(d->vfio, VFIO_REGION_CONFIG, 0x10 + 4 * i, 4, &word);
	if (rc)
		return rc;
	b->size = r->size;
	b->is_64 = (word & 6) == 4;
	b->is_prefetch = word & 8;
	if (r->nr_areas != 1 || r->area[0].first != 0 || r->area[0].last != r->size - 1)
		return 0;
	return vfio_dev_mmap(d->vfio, i, 0, r->size, &b->map);
}

static int vpci_make(struct vfdev *d)
{
	struct vpci_cfg cfg = {
		.name = d->name,
		/* "neth", then what pairs it; data2 is the guest's PCI domain. */
		.instance = {.data1 = 0x6e657468,
			     .data2 = (uint16_t)(d->nic + 1),
			     .data3 = 0x4008,
			     .data4 = {0x80, 1}},
		.serial = d->serial,
		.nr_vectors = d->nr_vectors,
		.numa_node = -1,
		.func = &func_ops,
		.func_ctx = d,
		.host = &host_ops,
		.host_ctx = d,
		.up = &up_ops,
		.up_ctx = d,
		.bus = &worker_bus_ops,
		.bus_ctx = d->w,
	};
	struct hv_device_cfg hc = {.name = d->name, .nr_vectors = d->nr_vectors};
	int rc;

	memcpy(cfg.instance.data4 + 4, &d->serial, sizeof(d->serial));
	memcpy(cfg.bar, d->bar, sizeof(cfg.bar));
	hc.device_id = (uint64_t)cfg.instance.data2 << 16 | (cfg.instance.data3 & 0xfff8);
	rc = hv_device_create(&d->hv, d->w->hv, &hc);
	return rc ? rc : vpci_create(&d->vpci, &cfg);
}

static int watch(struct vfdev *d)
{
	struct loop *loop = &d->w->child.loop;
	int rc;

	d->vpci_src = (struct loop_src){-1, on_vpci, d};
	d->err_src = (struct loop_src){-1, on_err, d};
	d->req_src = (struct loop_src){-1, on_req, d};
	rc = loop_add(loop, &d->vpci_src, vpci_fd(d->vpci), EPOLLIN);
	if (!rc && vfio_dev_err_fd(d->vfio) >= 0)
		rc = loop_add(loop, &d->err_src, vfio_dev_err_fd(d->vfio), EPOLLIN);
	if (!rc && vfio_dev_req_fd(d->vfio) >= 0)
		rc = loop_add(loop, &d->req_src, vfio_dev_req_fd(d->vfio), EPOLLIN);
	return rc;
}

int vfdev_create(struct vfdev **out, struct worker *w, struct vfio_ctx *vfio, const char *bdf,
		 uint32_t nic, uint32_t serial, const struct vfdev_ops *ops)
{
	struct vfdev *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return err_set(-ENOMEM, "%s/%u: VF %s", w->part->name, nic, bdf);
	*d = (struct vfdev){.w = w, .ops = ops, .nic = nic, .serial = serial};
	d->vpci_src.fd = d->err_src.fd = d->req_src.fd = -1;
	snprintf(d->name, sizeof(d->name), "%s/%u VF %s", w->part->name, nic, bdf);
	rc = vfio_attach(vfio, bdf, &d->vfio);
	if (!rc) {
		d->nr_vectors = vfio_dev_irq_count(d->vfio, VFIO_IRQ_MSIX);
		if (d->nr_vectors > VECTORS_MAX)
			d->nr_vectors = VECTORS_MAX;
		rc = hv_device_vfio_attach(w->hv, vfio_dev_kvm_fd(d->vfio));
		d->is_kvm_told = !rc;
	}
	for (unsigned int i = 0; !rc && i < VPCI_BARS; i++)
		rc = bar_make(d, i);
	if (!rc)
		rc = vpci_make(d);
	if (!rc)
		rc = watch(d);
	if (rc) {
		char why[512];

		snprintf(why, sizeof(why), "%s", err_text());
		vfdev_destroy(d);
		return err_set(rc, "%s", why);
	}
	*out = d;
	return 0;
}

int vfdev_destroy(struct vfdev *d)
{
	struct loop *loop;
	int rc, reset_rc;

	if (!d)
		return 0;
	loop = &d->w->child.loop;
	loop_del(loop, &d->vpci_src);
	loop_del(loop, &d->err_src);
	loop_del(loop, &d->req_src);
	rc = vpci_destroy(d->vpci);
	hv_device_destroy(d->hv);
	for (unsigned int i = 0; i < VPCI_BARS; i++)
		if (d->bar[i].map)
			vfio_dev_munmap(d->vfio, d->bar[i].map, d->bar[i].size);
	if (d->is_kvm_told)
		hv_device_vfio_detach(d->w->hv, vfio_dev_kvm_fd(d->vfio));
	reset_rc = vfio_detach(d->vfio);
	free(d);
	return rc ? rc : reset_rc;
}

int vfdev_eject(struct vfdev *d)
{
	return vpci_eject(d->vpci);
}

void vfdev_surprise(struct vfdev *d)
{
	vpci_surprise(d->vpci);
}

/* ---- Status --------------------------------------------------------------------------------- */

json_t *vfdev_json(struct vfdev *d)
{
	json_t *bars = json_array(), *o;
	struct vpci_status st;

	vpci_status(d->vpci, &st);
	for (unsigned int i = 0; i < VPCI_BARS; i++)
		if (st.bar[i].size)
			json_array_append_new(bars, json_pack("{s:i, s:I, s:I, s:b}", "bar", (int)i,
							      "gpa", (json_int_t)st.bar[i].gpa,
							      "size", (json_int_t)st.bar[i].size,
							      "mapped", st.bar[i].is_mapped));
	o = json_pack("{s:s, s:I, s:s, s:I, s:b, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:o}",
		      "function", vfio_dev_name(d->vfio), "serial", (json_int_t)d->serial, "vpci",
		      st.state, "version", (json_int_t)st.version, "decode", st.has_decode,
		      "master", st.is_master, "msix", st.has_msix, "vectors",
		      (json_int_t)st.nr_vectors, "unmasked", (json_int_t)st.nr_unmasked, "messages",
		      (json_int_t)st.messages, "refused", (json_int_t)st.refused, "function_fails",
		      (json_int_t)st.function_fails, "bars", bars);
	return o;
}
