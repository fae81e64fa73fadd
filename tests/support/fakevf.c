/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtual function and a partition without hardware. */
#include "tests/support/fakevf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static __thread unsigned int inside = ~0u; /* the window whose callback this thread is in */

static void never(bool is, const char *what)
{
	if (!is)
		return;
	fprintf(stderr, "fakevf: %s\n", what);
	abort();
}

static void linger(struct fakevf *f)
{
	sem_post(&f->reached);
	sem_wait(&f->hold);
}

/* ---- The function --------------------------------------------------------------------------- */

static int cfg_read(void *ctx, uint32_t off, unsigned int size, uint32_t *value)
{
	struct fakevf *f = ctx;

	never(off + size > sizeof(f->cfg) || (size != 1 && size != 2 && size != 4) || off % size,
	      "odd config read");
	if (f->fail_cfg_read)
		return -EIO;
	*value = fakevf_reg(f, off, size);
	return 0;
}

static int cfg_write(void *ctx, uint32_t off, unsigned int size, uint32_t value)
{
	struct fakevf *f = ctx;

	never(off + size > sizeof(f->cfg) || (size != 1 && size != 2 && size != 4) || off % size,
	      "odd config write");
	never(off >= 0x10 && off < 0x28, "a BAR of the function is written");
	never(off >= VF_CAP_MSIX && off < VF_CAP_MSIX + 12, "MSI-X of the function is written");
	never(off == VF_CAP_PCIE + 8 && value & 0x8000, "the guest starts an FLR");
	if (f->fail_cfg_write)
		return -EIO;
	memcpy(f->cfg + off, &value, size);
	return 0;
}

static bool is_table(unsigned int bar, uint64_t off, unsigned int size)
{
	return bar == VF_TABLE_BAR &&
	       ((off + size > VF_TABLE_OFF && off < VF_TABLE_OFF + 16 * VF_ENTRIES) ||
		(off + size > VF_PBA_OFF && off < VF_PBA_OFF + 8));
}

static int bar_read(void *ctx, unsigned int bar, uint64_t off, unsigned int size, uint64_t *value)
{
	struct fakevf *f = ctx;

	never(bar >= VPCI_BARS || off + size > f->bar[bar].size, "read beyond a BAR");
	never(is_table(bar, off, size), "read of the function's table");
	__atomic_fetch_add(&f->nr_bar_reads, 1, __ATOMIC_RELAXED);
	if (f->hold_bar_read)
		linger(f);
	*value = 0;
	memcpy(value, f->mem[bar] + off, size);
	return 0;
}

static int bar_write(void *ctx, unsigned int bar, uint64_t off, unsigned int size, uint64_t value)
{
	struct fakevf *f = ctx;

	never(bar >= VPCI_BARS || off + size > f->bar[bar].size, "write beyond a BAR");
	never(is_table(bar, off, size), "write to the function's table");
	__atomic_fetch_add(&f->nr_bar_writes, 1, __ATOMIC_RELAXED);
	memcpy(f->mem[bar] + off, &value, size);
	return 0;
}

static int irqs_on(void *ctx, unsigned int nr_vectors)
{
	struct fakevf *f = ctx;

	never(f->has_irqs || nr_vectors != VF_VECTORS, "interrupts on twice, or too many");
	if (f->fail_irqs_on)
		return -EIO;
	if (f->hold_irqs_on)
		linger(f);
	f->has_irqs = true;
	f->nr_irqs_on++;
	return 0;
}

static void irqs_off(void *ctx)
{
	struct fakevf *f = ctx;

	never(!f->has_irqs, "interrupts off twice");
	f->has_irqs = false;
}

static unsigned int nr_inside(struct fakevf *f, unsigned int slot)
{
	unsigned int nr;

	pthread_mutex_lock(&f->lock);
	nr = f->window[slot].nr_inside;
	pthread_mutex_unlock(&f->lock);
	return nr;
}

static int reset(void *ctx)
{
	struct fakevf *f = ctx;

	never(f->has_irqs, "reset with interrupts on");
	never(fakevf_reg(f, 4, 2) & 4 && !f->fail_cfg_write, "reset of a bus master");
	never(fakevf_nr_maps(f) && !f->fail_unmap, "reset while the guest has its memory");
	for (unsigned int i = 0; i < VPCI_WINDOWS; i++)
		never(nr_inside(f, i), "reset while a VP is in a window");
	f->nr_resets++;
	if (f->fail_reset)
		return err_set(-EIO, "it does not come back");
	return 0;
}

static const struct vpci_function_ops function_ops = {
	.cfg_read = cfg_read,
	.cfg_write = cfg_write,
	.bar_read = bar_read,
	.bar_write = bar_write,
	.irqs_on = irqs_on,
	.irqs_off = irqs_off,
	.reset = reset,
};

/* ---- The partition -------------------------------------------------------------------------- */

static int irq_create(void *ctx, struct vpci_irq *irq)
{
	struct fakevf *f = ctx;

	if (f->fail_irq)
		return err_set(-ENOSPC, "no interrupt left");
	f->nr_irqs++;
	irq->address = 0xFEE00000;
	irq->data = f->next_data++;
	return 0;
}

static void irq_delete(void *ctx, const struct vpci_irq *irq)
{
	struct fakevf *f = ctx;

	never(!f->nr_irqs || irq->address != 0xFEE00000 || irq->data >= f->next_data,
	      "an interrupt that was not given is deleted");
	f->nr_irqs--;
}

static void entry_set(void *ctx, unsigned int i, uint64_t address, uint32_t data, bool is_masked)
{
	struct fakevf *f = ctx;

	never(i >= VF_VECTORS, "entry beyond the table");
	f->entry[i].address = address;
	f->entry[i].data = data;
	f->entry[i].is_masked = is_masked;
	f->entry[i].nr_sets++;
}

static bool entry_pending(void *ctx, unsigned int i)
{
	never(i >= VF_VECTORS, "pending bit beyond the table");
	return __atomic_load_n(&((struct fakevf *)ctx)->pending, __ATOMIC_RELAXED) >> i & 1;
}

static bool overlaps(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a_len && b_len && a < b + b_len && b < a + a_len;
}

/* Under the lock. Whether something of the guest or of the function is there. */
static bool is_taken(struct fakevf *f, uint64_t gpa, uint64_t len)
{
	if (gpa < VF_RAM || gpa + len < gpa)
		return true;
	for (unsigned int i = 0; i < VF_MAPS; i++) {
		if (overlaps(gpa, len, f->map[i].gpa, f->map[i].len))
			return true;
	}
	for (unsigned int i = 0; i < VPCI_WINDOWS; i++) {
		if (overlaps(gpa, len, f->window[i].gpa, f->window[i].len))
			return true;
	}
	return false;
}

static bool is_free(void *ctx, uint64_t gpa, uint64_t len)
{
	return gpa >= VF_RAM && gpa + len > gpa;
}

static int mem_map(void *ctx, uint64_t gpa, void *hva, uint64_t len)
{
	struct fakevf *f = ctx;
	unsigned int i;

	never(gpa % 4096 || len % 4096 || (uintptr_t)hva % 4096 || !len, "not pages");
	if (f->fail_map)
		return err_set(-ENOSPC, "no slot left");
	pthread_mutex_lock(&f->lock);
	never(is_taken(f, gpa, len), "memory over memory");
	for (i = 0; i < VF_MAPS && f->map[i].len; i++)
		;
	never(i == VF_MAPS, "too many mappings");
	f->map[i] = (struct vf_map){gpa, len, hva};
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static int mem_unmap(void *ctx, uint64_t gpa, uint64_t len)
{
	struct fakevf *f = ctx;
	unsigned int i;

	if (f->fail_unmap)
		return err_set(-EIO, "stuck");
	pthread_mutex_lock(&f->lock);
	for (i = 0; i < VF_MAPS && (f->map[i].gpa != gpa || f->map[i].len != len); i++)
		;
	never(i == VF_MAPS || !len, "what is unmapped was not mapped");
	f->map[i].len = 0;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

/* Under the lock: nobody is in the window any more. Who is in one himself does not wait. */
static void await_left(struct fakevf *f, unsigned int slot)
{
	while (inside == ~0u && f->window[slot].nr_inside) {
		if (f->hold_bar_read)
			sem_post(&f->hold);
		pthread_cond_wait(&f->left, &f->lock);
	}
}

static int window_set(void *ctx, unsigned int slot, uint64_t gpa, uint64_t len,
		      const struct vpci_window_ops *ops, void *dev)
{
	struct fakevf *f = ctx;
	struct vf_window *w = &f->window[slot];

	never(slot >= VPCI_WINDOWS || !len, "no such window");
	if (f->in_window_set)
		f->in_window_set();
	if (f->fail_window)
		return err_set(-ENOSPC, "no window left");
	pthread_mutex_lock(&f->lock);
	w->len = 0;
	await_left(f, slot);
	never(is_taken(f, gpa, len), "window over memory");
	w->gpa = gpa;
	w->len = len;
	w->ops = ops;
	w->dev = dev;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static void window_clear(void *ctx, unsigned int slot)
{
	struct fakevf *f = ctx;

	never(slot >= VPCI_WINDOWS, "no such window");
	pthread_mutex_lock(&f->lock);
	f->window[slot].len = 0;
	await_left(f, slot);
	pthread_mutex_unlock(&f->lock);
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

/* ---- Upcalls -------------------------------------------------------------------------------- */

static void ejected(void *ctx)
{
	((struct fakevf *)ctx)->nr_ejected++;
}

static void d0_changed(void *ctx, bool is_d0)
{
	struct fakevf *f = ctx;

	never(f->is_d0 == is_d0, "D0 did not change");
	f->is_d0 = is_d0;
	f->nr_d0++;
}

static void failed(void *ctx, const char *why)
{
	struct fakevf *f = ctx;

	f->nr_failed++;
	snprintf(f->why, sizeof(f->why), "%s", why);
}

static const struct vpci_up_ops up_ops = {ejected, d0_changed, failed};

/* ---- Life ----------------------------------------------------------------------------------- */

static void put(struct fakevf *f, unsigned int off, unsigned int size, uint32_t value)
{
	memcpy(f->cfg + off, &value, size);
}

static void build_cfg(struct fakevf *f)
{
	put(f, 0x00, 4, 0x10CA8086);
	put(f, 0x06, 2, 0x0010);
	put(f, 0x08, 4, 0x02000001);
	put(f, 0x2C, 4, 0xA03C8086);
	put(f, 0x30, 4, 0xFFFF0001); /* a ROM, and an interrupt pin, that nobody is to see */
	put(f, 0x3C, 4, 0x0000010B);
	put(f, 0x34, 1, VF_CAP_PM);
	put(f, VF_CAP_PM, 4, 0xFFC30001 | 0x50 << 8);
	put(f, VF_CAP_PM + 4, 4, 0x00000100);
	put(f, 0x50, 4, 0x00100009 | VF_CAP_MSIX << 8);
	put(f, VF_CAP_MSIX, 4, 0x00000011 | VF_CAP_PCIE << 8 | (VF_ENTRIES - 1) << 16);
	put(f, VF_CAP_MSIX + 4, 4, VF_TABLE_OFF | VF_TABLE_BAR);
	put(f, VF_CAP_MSIX + 8, 4, VF_PBA_OFF | VF_TABLE_BAR);
	put(f, VF_CAP_PCIE, 4, 0x00020010);
	put(f, VF_CAP_PCIE + 4, 4, 0x10008001);
	put(f, VF_CAP_PCIE + 8, 4, 0x00002810);
	put(f, 0x100, 4, 0x00010001); /* AER */
}

void fakevf_init(struct fakevf *f)
{
	static const struct vpci_bar bar[VPCI_BARS] = {
		[0] = {.size = 0x10000, .is_64 = true, .is_prefetch = true},
		[2] = {.size = 0x8000},
		[3] = {.size = 0x100},
		[4] = {.size = 0x100000, .is_64 = true, .trap_off = 0x2000, .trap_len = 0x1000},
	};

	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->left, NULL);
	sem_init(&f->reached, 0, 0);
	sem_init(&f->hold, 0, 0);
	build_cfg(f);
	memcpy(f->bar, bar, sizeof(bar));
	for (unsigned int i = 0; i < VPCI_BARS; i++) {
		if (!bar[i].size)
			continue;
		f->mem[i] = aligned_alloc(4096, (bar[i].size + 4095) & ~4095ull);
		never(!f->mem[i], "no memory");
		for (uint64_t at = 0; at < bar[i].size; at++)
			f->mem[i][at] = fakevf_byte(i, at);
		f->bar[i].map = f->mem[i];
	}
}

void fakevf_fini(struct fakevf *f)
{
	for (unsigned int i = 0; i < VPCI_BARS; i++)
		free(f->mem[i]);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->left);
	sem_destroy(&f->reached);
	sem_destroy(&f->hold);
}

struct vpci_cfg fakevf_cfg(struct fakevf *f)
{
	struct vpci_cfg cfg = {
		.name = "vm/test/vf0",
		.instance = {.data1 = 1, .data2 = 0x1234, .data3 = 8},
		.serial = VF_SERIAL,
		.nr_vectors = VF_VECTORS,
		.numa_node = 1,
		.func = &function_ops,
		.func_ctx = f,
		.host = &host_ops,
		.host_ctx = f,
		.up = &up_ops,
		.up_ctx = f,
	};

	memcpy(cfg.bar, f->bar, sizeof(cfg.bar));
	return cfg;
}

uint8_t fakevf_byte(unsigned int bar, uint64_t off)
{
	return (uint8_t)((off * 7 + (off >> 12) * 31 + bar * 67) % 255);
}

/* ---- The guest's accesses ------------------------------------------------------------------- */

/* Enters the window that has the access, or finds what is mapped there. *@as: the window as it was then,
 * since one that is moved from within another does not wait for who is in it. */
static struct vf_window *enter(struct fakevf *f, uint64_t gpa, unsigned int size, uint8_t **hva,
			       struct vf_window *as)
{
	struct vf_window *found = NULL;

	*hva = NULL;
	pthread_mutex_lock(&f->lock);
	for (unsigned int i = 0; i < VPCI_WINDOWS && !found; i++) {
		struct vf_window *w = &f->window[i];

		if (w->len >= size && gpa >= w->gpa && gpa - w->gpa <= w->len - size)
			found = w;
	}
	if (found) {
		found->nr_inside++;
		*as = *found;
	}
	for (unsigned int i = 0; i < VF_MAPS && !found; i++) {
		struct vf_map *m = &f->map[i];

		if (m->len >= size && gpa >= m->gpa && gpa - m->gpa <= m->len - size)
			*hva = m->hva + (gpa - m->gpa);
	}
	pthread_mutex_unlock(&f->lock);
	if (found)
		inside = (unsigned int)(found - f->window);
	return found;
}

static void leave(struct fakevf *f, struct vf_window *w)
{
	inside = ~0u;
	pthread_mutex_lock(&f->lock);
	w->nr_inside--;
	pthread_cond_broadcast(&f->left);
	pthread_mutex_unlock(&f->lock);
}

uint64_t fakevf_read(struct fakevf *f, uint64_t gpa, unsigned int size)
{
	uint8_t *hva;
	struct vf_window as, *w = enter(f, gpa, size, &hva, &as);
	uint64_t value = ~0ull;

	if (w) {
		value = as.ops->read(as.dev, gpa - as.gpa, size);
		leave(f, w);
	} else if (hva) {
		memcpy(&value, hva, size);
	}
	return size == 8 ? value : value & ((1ull << 8 * size) - 1);
}

void fakevf_write(struct fakevf *f, uint64_t gpa, unsigned int size, uint64_t value)
{
	uint8_t *hva;
	struct vf_window as, *w = enter(f, gpa, size, &hva, &as);

	if (w) {
		as.ops->write(as.dev, gpa - as.gpa, size, value);
		leave(f, w);
	} else if (hva) {
		memcpy(hva, &value, size);
	}
}

unsigned int fakevf_nr_maps(struct fakevf *f)
{
	unsigned int nr = 0;

	pthread_mutex_lock(&f->lock);
	for (unsigned int i = 0; i < VF_MAPS; i++)
		nr += f->map[i].len != 0;
	pthread_mutex_unlock(&f->lock);
	return nr;
}

unsigned int fakevf_nr_windows(struct fakevf *f)
{
	unsigned int nr = 0;

	pthread_mutex_lock(&f->lock);
	for (unsigned int i = 1; i < VPCI_WINDOWS; i++)
		nr += f->window[i].len != 0;
	pthread_mutex_unlock(&f->lock);
	return nr;
}
