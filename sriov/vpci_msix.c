/* SPDX-License-Identifier: BSD-3-Clause */
/* The MSI-X table that the guest writes. The function's own holds what the host put there; the guest's
 * entries go to the partition, which knows what its cookies mean. Entries that the function has beyond
 * those of the guest read 0. */
#include "sriov/vpci_priv.h"

#include <string.h>

enum { WORD_ADDRESS_LOW, WORD_ADDRESS_HIGH, WORD_DATA, WORD_CONTROL };

#define ENTRY_BYTES    16u
#define CONTROL_MASKED 1u

/* ---- Places --------------------------------------------------------------------------------- */

static bool touches(uint64_t off, unsigned int size, uint64_t at, uint64_t len)
{
	return off < at + len && at < off + size;
}

static bool is_inside(uint64_t off, unsigned int size, uint64_t at, uint64_t len)
{
	return off >= at && off + size <= at + len;
}

enum vpci_msix_what vpci_msix_what(const struct vpci *v, unsigned int bar, uint64_t off,
				   unsigned int size)
{
	const struct vpci_msix_place *p = &v->place;

	if (bar == p->table_bar && touches(off, size, p->table_off, p->table_len))
		return is_inside(off, size, p->table_off, p->table_len) ? VPCI_MSIX_TABLE
									: VPCI_MSIX_CUT;
	if (bar == p->pba_bar && touches(off, size, p->pba_off, p->pba_len))
		return is_inside(off, size, p->pba_off, p->pba_len) ? VPCI_MSIX_PBA : VPCI_MSIX_CUT;
	return VPCI_MSIX_NONE;
}

/* ---- Entries (under msix) ------------------------------------------------------------------- */

static bool is_masked(const struct vpci *v, unsigned int i)
{
	return !v->msix.is_on || v->msix.is_masked ||
	       v->msix.entry[i].word[WORD_CONTROL] & CONTROL_MASKED;
}

static void push(struct vpci *v, unsigned int i)
{
	const uint32_t *word = v->msix.entry[i].word;

	v->cfg.host->entry_set(v->cfg.host_ctx, i,
			       word[WORD_ADDRESS_LOW] | (uint64_t)word[WORD_ADDRESS_HIGH] << 32,
			       word[WORD_DATA], is_masked(v, i));
}

static void push_all(struct vpci *v)
{
	for (unsigned int i = 0; i < v->cfg.nr_vectors; i++)
		push(v, i);
}

void vpci_msix_control(struct vpci *v, bool is_on, bool is_fn_masked)
{
	pthread_mutex_lock(&v->msix_lock);
	if (is_on != v->msix.is_on || is_fn_masked != v->msix.is_masked) {
		v->msix.is_on = is_on;
		v->msix.is_masked = is_fn_masked;
		push_all(v);
	}
	pthread_mutex_unlock(&v->msix_lock);
}

void vpci_msix_reset(struct vpci *v)
{
	pthread_mutex_lock(&v->msix_lock);
	memset(&v->msix, 0, sizeof(v->msix));
	for (unsigned int i = 0; i < VPCI_VECTORS_MAX; i++)
		v->msix.entry[i].word[WORD_CONTROL] = CONTROL_MASKED;
	push_all(v);
	pthread_mutex_unlock(&v->msix_lock);
}

unsigned int vpci_msix_unmasked(struct vpci *v)
{
	unsigned int nr = 0;

	pthread_mutex_lock(&v->msix_lock);
	for (unsigned int i = 0; i < v->cfg.nr_vectors; i++)
		nr += !is_masked(v, i);
	pthread_mutex_unlock(&v->msix_lock);
	return nr;
}

/* ---- Accesses ------------------------------------------------------------------------------- */

uint64_t vpci_msix_table_read(struct vpci *v, uint64_t off, unsigned int size)
{
	uint64_t len = v->cfg.nr_vectors * (uint64_t)ENTRY_BYTES, value = 0;

	pthread_mutex_lock(&v->msix_lock);
	for (unsigned int i = 0; i < size && off + i < len; i++)
		value |= (uint64_t)((const uint8_t *)v->msix.entry)[off + i] << 8 * i;
	pthread_mutex_unlock(&v->msix_lock);
	return value;
}

uint64_t vpci_msix_pba_read(struct vpci *v, uint64_t off, unsigned int size)
{
	uint64_t value = 0, first = off * 8;

	for (unsigned int i = 0; i < size * 8 && first + i < v->cfg.nr_vectors; i++) {
		if (v->cfg.host->entry_pending(v->cfg.host_ctx, (unsigned int)first + i))
			value |= 1ull << i;
	}
	return value;
}

static void write_word(struct vpci *v, uint64_t off, uint32_t value)
{
	unsigned int i = (unsigned int)(off / ENTRY_BYTES), word = off % ENTRY_BYTES / 4;

	if (i >= v->cfg.nr_vectors)
		return;
	if (word == WORD_CONTROL)
		value &= CONTROL_MASKED;
	else if (word == WORD_ADDRESS_LOW)
		value &= ~3u;
	v->msix.entry[i].word[word] = value;
}

/* PCI knows aligned dwords and qwords here; anything else does nothing. A qword is one change. */
void vpci_msix_table_write(struct vpci *v, uint64_t off, unsigned int size, uint64_t value)
{
	if ((size != 4 && size != 8) || off % size) {
		vpci_count(&v->bad_accesses);
		return;
	}
	pthread_mutex_lock(&v->msix_lock);
	write_word(v, off, (uint32_t)value);
	if (size == 8)
		write_word(v, off + 4, (uint32_t)(value >> 32));
	if (off / ENTRY_BYTES < v->cfg.nr_vectors)
		push(v, (unsigned int)(off / ENTRY_BYTES));
	pthread_mutex_unlock(&v->msix_lock);
}
