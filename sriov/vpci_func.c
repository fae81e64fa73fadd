/* SPDX-License-Identifier: BSD-3-Clause */
/* Giving the function to the guest and taking it back. Taken back means: no memory of it in the guest,
 * no interrupt, no bus master, and a reset that worked. If any of it fails, the function is given to
 * nobody any more. */
#include "sriov/vpci_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"

#define COMMAND 0x04u

/* ---- The function's operations -------------------------------------------------------------- */

uint32_t vpci_func_read(struct vpci *v, uint32_t off, unsigned int size)
{
	uint32_t value = 0;

	if (v->cfg.func->cfg_read(v->cfg.func_ctx, off, size, &value)) {
		vpci_count(&v->function_fails);
		value = (uint32_t)VPCI_ONES;
	}
	return size == 4 ? value : value & ((1u << 8 * size) - 1);
}

int vpci_func_write(struct vpci *v, uint32_t off, unsigned int size, uint32_t value)
{
	int rc = v->cfg.func->cfg_write(v->cfg.func_ctx, off, size, value);

	if (rc)
		vpci_count(&v->function_fails);
	return rc;
}

void vpci_func_fail(struct vpci *v, const char *fmt, ...)
{
	uint32_t none = 0;
	va_list ap;

	if (!__atomic_compare_exchange_n(&v->failure, &none, 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	va_start(ap, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
	__atomic_store_n(&v->failure, 2, __ATOMIC_RELEASE); /* pairs with vpci_has_failed() */
	log_err(v->name, "%s; no guest gets this function any more", v->why);
	v->io.tell(v->io.ctx);
}

/* ---- Giving --------------------------------------------------------------------------------- */

static void set_d0(struct vpci *v, bool is_d0)
{
	if (__atomic_exchange_n(&v->is_d0, is_d0, __ATOMIC_ACQ_REL) != is_d0)
		v->io.tell(v->io.ctx);
}

static bool may_be_window(const struct vpci *v, uint64_t gpa)
{
	return gpa && gpa % VPCI_PAGE == 0 && gpa <= UINT64_MAX - VPCI_WINDOW_BYTES &&
	       v->cfg.host->is_free(v->cfg.host_ctx, gpa, VPCI_WINDOW_BYTES);
}

/* The window goes first: its callbacks take the lock under which it is switched on. */
uint32_t vpci_func_enter(struct vpci *v, uint64_t gpa)
{
	const struct vpci_host_ops *host = v->cfg.host;
	bool is_on;

	if (!may_be_window(v, gpa))
		return VPCI_STATUS_INVALID_PARAMETER;
	if (host->window_set(v->cfg.host_ctx, 0, gpa, VPCI_WINDOW_BYTES, &vpci_space_window, v)) {
		vpci_count(&v->maps_refused);
		return VPCI_STATUS_NO_RESOURCES;
	}
	v->proto.has_window = true;
	pthread_mutex_lock(&v->cfg_lock);
	is_on = !vpci_is(&v->is_gone); /* vpci_surprise() sets it, then takes the lock */
	if (is_on) {
		vpci_space_reset(v);
		v->space.window_gpa = gpa;
		v->space.is_on = true;
	}
	pthread_mutex_unlock(&v->cfg_lock);
	__atomic_store_n(&v->slot, 0, __ATOMIC_RELAXED);
	if (!is_on) {
		vpci_func_leave(v);
		return VPCI_STATUS_NO_SUCH_DEVICE;
	}
	v->proto.is_dirty = true;
	set_d0(v, true);
	return VPCI_STATUS_OK;
}

/* ---- Taking back ---------------------------------------------------------------------------- */

void vpci_func_stop(struct vpci *v)
{
	pthread_mutex_lock(&v->cfg_lock);
	v->space.is_on = false;
	vpci_space_reset(v);
	v->space.window_gpa = 0;
	pthread_mutex_unlock(&v->cfg_lock);
}

void vpci_func_release(struct vpci *v)
{
	pthread_mutex_lock(&v->cfg_lock);
	vpci_space_reset(v);
	pthread_mutex_unlock(&v->cfg_lock);
}

static void delete_irqs(struct vpci *v)
{
	struct vpci_proto *p = &v->proto;

	while (p->nr_irqs)
		v->cfg.host->irq_delete(v->cfg.host_ctx, &p->irq[--p->nr_irqs]);
}

/* Also those of BARs that are nowhere by now: who moved them away was a VP, and waited for no other. */
static void clear_windows(struct vpci *v)
{
	if (!v->proto.has_window)
		return;
	for (unsigned int slot = 0; slot < v->nr_windows; slot++)
		v->cfg.host->window_clear(v->cfg.host_ctx, slot);
	v->proto.has_window = false;
}

/* Waits for VPs in config space and BARs and for the reset, so no lock is held. */
void vpci_func_leave(struct vpci *v)
{
	struct vpci_proto *p = &v->proto;
	int rc;

	vpci_func_stop(v);
	clear_windows(v);
	delete_irqs(v);
	if (p->is_dirty) {
		p->is_dirty = false; /* there is no second try */
		rc = v->cfg.func->reset(v->cfg.func_ctx);
		if (rc) {
			vpci_count(&v->function_fails);
			vpci_func_fail(v, "the function's reset failed (%d): %s", rc, err_text());
		}
	}
	set_d0(v, false);
}
