/* SPDX-License-Identifier: BSD-3-Clause */
/* BARs: which of their pages the guest reaches straight, which trap, and when. A BAR is cut into pieces
 * once; it is there with all of them, or not at all. */
#include "sriov/vpci_priv.h"

#include <errno.h>

#include "base/err.h"
#include "base/log.h"

#define TRAPS_MAX   3u /* of a BAR: what is not mapped, table, PBA */
#define SIZE_MIN    16ull
#define SIZE_MAX_32 (1ull << 31)
#define SIZE_MAX_64 (1ull << 62)

/* ---- Cutting (ctl) -------------------------------------------------------------------------- */

struct range {
	uint64_t off, end;
};

static int check(const struct vpci *v, unsigned int i)
{
	const struct vpci_bar *b = &v->cfg.bar[i];

	if (!b->size)
		return 0;
	if (b->size & (b->size - 1) || b->size < SIZE_MIN ||
	    b->size > (b->is_64 ? SIZE_MAX_64 : SIZE_MAX_32))
		return err_set(-EINVAL, "%s: BAR %u of 0x%llx bytes", v->name, i,
			       (unsigned long long)b->size);
	if (b->is_64 && (i + 1 == VPCI_BARS || v->cfg.bar[i + 1].size))
		return err_set(-EINVAL, "%s: BAR %u has no room for its upper half", v->name, i);
	if ((uintptr_t)b->map % VPCI_PAGE || b->trap_off % VPCI_PAGE || b->trap_len % VPCI_PAGE ||
	    b->trap_len > b->size || b->trap_off > b->size - b->trap_len)
		return err_set(-EINVAL, "%s: BAR %u is not mapped in pages", v->name, i);
	return 0;
}

/* The pages of [@off, @off + @len), joined with what they touch of the two that may be there already; all
 * are in order. */
static void add_trap(struct range *trap, unsigned int *nr, uint64_t off, uint64_t len)
{
	struct range r = {off & ~(uint64_t)(VPCI_PAGE - 1),
			  (off + len + VPCI_PAGE - 1) & ~(uint64_t)(VPCI_PAGE - 1)};
	unsigned int i = 0;

	if (!len)
		return;
	while (i < *nr) {
		if (trap[i].off > r.end || r.off > trap[i].end) {
			i++;
			continue;
		}
		r.off = trap[i].off < r.off ? trap[i].off : r.off;
		r.end = trap[i].end > r.end ? trap[i].end : r.end;
		trap[i] = trap[--*nr];
		i = 0;
	}
	for (i = *nr; i > 0 && trap[i - 1].off > r.off; i--)
		trap[i] = trap[i - 1];
	trap[i] = r;
	++*nr;
}

static void add_piece(struct vpci *v, unsigned int bar, uint64_t off, uint64_t end,
		      unsigned int slot)
{
	struct vpci_layout *l = &v->layout[bar];

	if (off < end)
		l->piece[l->nr++] = (struct vpci_piece){
			.v = v, .bar = bar, .slot = slot, .off = off, .len = end - off};
}

/* No more than one window for each BAR, and two more for table and PBA. */
static void cut(struct vpci *v, unsigned int i)
{
	const struct vpci_msix_place *p = &v->place;
	const struct vpci_bar *b = &v->cfg.bar[i];
	struct range trap[TRAPS_MAX];
	unsigned int nr = 0;
	uint64_t at = 0;

	if (!b->size)
		return;
	if (!b->map || b->size < VPCI_PAGE) {
		add_piece(v, i, 0, b->size, v->nr_windows++);
		return;
	}
	add_trap(trap, &nr, b->trap_off, b->trap_len);
	if (p->table_bar == i)
		add_trap(trap, &nr, p->table_off, p->table_len);
	if (p->pba_bar == i)
		add_trap(trap, &nr, p->pba_off, p->pba_len);
	for (unsigned int k = 0; k < nr; k++) {
		add_piece(v, i, at, trap[k].off, 0);
		add_piece(v, i, trap[k].off, trap[k].end, v->nr_windows++);
		at = trap[k].end;
	}
	add_piece(v, i, at, b->size, 0);
}

int vpci_bar_init(struct vpci *v)
{
	int rc;

	for (unsigned int i = 0; i < VPCI_BARS; i++) {
		rc = check(v, i);
		if (rc)
			return rc;
	}
	v->nr_windows = 1; /* config space */
	for (unsigned int i = 0; i < VPCI_BARS; i++)
		cut(v, i);
	return 0;
}

/* ---- Registers ------------------------------------------------------------------------------ */

uint32_t vpci_bar_probe(const struct vpci *v, unsigned int i)
{
	const struct vpci_bar *b = &v->cfg.bar[i];

	if (b->size)
		return ((uint32_t) ~(b->size - 1) & ~0xFu) | (b->is_64 ? 0x4 : 0) |
		       (b->is_prefetch ? 0x8 : 0);
	if (i && v->cfg.bar[i - 1].size && v->cfg.bar[i - 1].is_64)
		return (uint32_t)(~(v->cfg.bar[i - 1].size - 1) >> 32);
	return 0;
}

uint64_t vpci_bar_address(const struct vpci *v, unsigned int i)
{
	const struct vpci_bar *b = &v->cfg.bar[i];

	if (!b->size)
		return 0;
	return v->space.bar[i] | (b->is_64 ? (uint64_t)v->space.bar[i + 1] << 32 : 0);
}

/* ---- Traps ---------------------------------------------------------------------------------- */

static bool is_good(struct vpci *v, unsigned int bar, uint64_t off, unsigned int size)
{
	uint64_t len = v->cfg.bar[bar].size;

	if ((size == 1 || size == 2 || size == 4 || size == 8) && len >= size && off <= len - size)
		return true;
	vpci_count(&v->bad_accesses);
	return false;
}

/* An access that is cut by the table's edge is read byte by byte. */
static uint64_t read_cut(struct vpci *v, unsigned int bar, uint64_t off, unsigned int size)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < size; i++)
		value |= (vpci_bar_read(v, bar, off + i, 1) & 0xFF) << 8 * i;
	return value;
}

uint64_t vpci_bar_read(struct vpci *v, unsigned int bar, uint64_t off, unsigned int size)
{
	const struct vpci_msix_place *p = &v->place;
	uint64_t value = 0;

	if (!is_good(v, bar, off, size))
		return VPCI_ONES;
	switch (vpci_msix_what(v, bar, off, size)) {
	case VPCI_MSIX_TABLE: return vpci_msix_table_read(v, off - p->table_off, size);
	case VPCI_MSIX_PBA: return vpci_msix_pba_read(v, off - p->pba_off, size);
	case VPCI_MSIX_CUT: return read_cut(v, bar, off, size);
	default: break;
	}
	if (!v->cfg.func->bar_read(v->cfg.func_ctx, bar, off, size, &value))
		return value;
	vpci_count(&v->function_fails);
	return VPCI_ONES;
}

void vpci_bar_write(struct vpci *v, unsigned int bar, uint64_t off, unsigned int size,
		    uint64_t value)
{
	if (!is_good(v, bar, off, size))
		return;
	switch (vpci_msix_what(v, bar, off, size)) {
	case VPCI_MSIX_TABLE:
		vpci_msix_table_write(v, off - v->place.table_off, size, value);
		return;
	case VPCI_MSIX_PBA: return; /* read-only */
	case VPCI_MSIX_CUT: vpci_count(&v->bad_accesses); return;
	default: break;
	}
	if (v->cfg.func->bar_write(v->cfg.func_ctx, bar, off, size, value))
		vpci_count(&v->function_fails);
}

static uint64_t trap_read(void *dev, uint64_t off, unsigned int size)
{
	const struct vpci_piece *p = dev;

	return vpci_bar_read(p->v, p->bar, p->off + off, size);
}

static void trap_write(void *dev, uint64_t off, unsigned int size, uint64_t value)
{
	const struct vpci_piece *p = dev;

	vpci_bar_write(p->v, p->bar, p->off + off, size, value);
}

static const struct vpci_window_ops trap_ops = {trap_read, trap_write};

/* ---- Mapping (under cfg) -------------------------------------------------------------------- */

static bool overlaps(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

static bool may_be_at(const struct vpci *v, unsigned int i, uint64_t gpa)
{
	uint64_t size = v->cfg.bar[i].size;

	if (gpa > UINT64_MAX - size || overlaps(gpa, size, v->space.window_gpa, VPCI_WINDOW_BYTES))
		return false;
	for (unsigned int k = 0; k < VPCI_BARS; k++) {
		const struct vpci_map *m = &v->space.map[k];

		if (m->is_mapped && overlaps(gpa, size, m->gpa, v->cfg.bar[k].size))
			return false;
	}
	return v->cfg.host->is_free(v->cfg.host_ctx, gpa, size);
}

static int map_piece(struct vpci *v, struct vpci_piece *p, uint64_t gpa)
{
	const struct vpci_host_ops *host = v->cfg.host;

	if (p->slot)
		return host->window_set(v->cfg.host_ctx, p->slot, gpa + p->off, p->len, &trap_ops,
					p);
	return host->mem_map(v->cfg.host_ctx, gpa + p->off,
			     (uint8_t *)v->cfg.bar[p->bar].map + p->off, p->len);
}

static int unmap_piece(struct vpci *v, const struct vpci_piece *p, uint64_t gpa)
{
	if (!p->slot)
		return v->cfg.host->mem_unmap(v->cfg.host_ctx, gpa + p->off, p->len);
	v->cfg.host->window_clear(v->cfg.host_ctx, p->slot);
	return 0;
}

/* Pieces up to @nr of BAR @i leave. What does not is there for ever: a later BAR must not lie on it. */
static bool unmap_pieces(struct vpci *v, unsigned int i, unsigned int nr, uint64_t gpa)
{
	bool is_gone = true;

	while (nr--) {
		if (!unmap_piece(v, &v->layout[i].piece[nr], gpa))
			continue;
		is_gone = false;
		vpci_func_fail(v, "BAR %u cannot be taken from the guest: %s", i, err_text());
	}
	return is_gone;
}

static void map_bar(struct vpci *v, unsigned int i)
{
	uint64_t gpa = vpci_bar_address(v, i);
	struct vpci_map *m = &v->space.map[i];
	unsigned int nr;

	if (!gpa || m->is_mapped)
		return;
	if (!may_be_at(v, i, gpa)) {
		vpci_count(&v->maps_refused);
		return;
	}
	m->gpa = gpa;
	for (nr = 0; nr < v->layout[i].nr; nr++) {
		if (!map_piece(v, &v->layout[i].piece[nr], gpa))
			continue;
		vpci_count(&v->maps_refused);
		m->is_mapped = !unmap_pieces(v, i, nr, gpa);
		return;
	}
	m->is_mapped = true;
}

void vpci_bar_map(struct vpci *v)
{
	for (unsigned int i = 0; i < VPCI_BARS; i++)
		map_bar(v, i);
}

void vpci_bar_unmap(struct vpci *v)
{
	for (unsigned int i = 0; i < VPCI_BARS; i++) {
		struct vpci_map *m = &v->space.map[i];

		if (m->is_mapped)
			m->is_mapped = !unmap_pieces(v, i, v->layout[i].nr, m->gpa);
	}
}
