/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of an exit, and the loop of a VP thread. An exit record may come from a hostile
 * guest: everything in it is data. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "hv/devices.h"
#include "hv/priv.h"

#define SERIAL_LSR	 (NETHV_PORT_SERIAL + 5)
#define SERIAL_LSR_READY 0x60
#define IO_NOBODY	 0xffffffffu

static void console_flush(struct hv_vp *vp)
{
	const struct hv_partition *p = vp->p;

	if (p->ops->console)
		p->ops->console(p->ctx, vp->line, vp->line_len);
	vp->line_len = 0;
}

/* Lines are gathered per VP, so that two VPs do not mix; a full buffer is a line, too. */
static void console_byte(struct hv_vp *vp, uint8_t c)
{
	if (c == '\n') {
		console_flush(vp);
		return;
	}
	if (c == '\r')
		return;
	vp->line[vp->line_len++] = c >= ' ' && c <= '~' ? (char)c : '.';
	if (vp->line_len == sizeof(vp->line))
		console_flush(vp);
}

/* Windows of assigned devices; false: none is there. */
static bool dispatch_window(struct hv_vp *vp, const struct hv_exit *ex, uint64_t *value,
			    enum hv_verdict *v, struct hv_stop *stop)
{
	struct hv_access a = {
		.space = HV_SPACE_MMIO,
		.at = ex->gpa,
		.size = ex->size,
		.value = ex->value,
	};

	if (!hv_windows_access(&vp->p->windows, vp->index, &a, ex->is_out, v, stop))
		return false;
	if (!ex->is_out)
		*value = a.value;
	return true;
}

/* A Linux partition's devices. */
static enum hv_verdict dispatch_bus(struct hv_vp *vp, enum hv_space space, const struct hv_exit *ex,
				    uint64_t *value, struct hv_stop *stop)
{
	const struct hv_bus *bus = &vp->p->devices->bus;
	struct hv_access a = {
		.space = space,
		.at = space == HV_SPACE_PORT ? ex->port : ex->gpa,
		.size = ex->size,
		.value = ex->value,
	};
	enum hv_verdict v = HV_GO_ON;

	if (ex->is_out) {
		v = hv_bus_write(bus, &a, stop);
	} else {
		hv_bus_read(bus, &a);
		*value = a.value;
	}
	if (a.is_nobodys && space == HV_SPACE_MMIO && dispatch_window(vp, ex, value, &v, stop))
		return v;
	if (a.is_nobodys && space == HV_SPACE_PORT)
		vp->nobodys_io++;
	else if (a.is_nobodys)
		vp->nobodys_mmio++;
	return v;
}

/* The ports of our own image. */
static enum hv_verdict dispatch_in(const struct hv_exit *ex, uint64_t *value)
{
	*value = ex->port == SERIAL_LSR ? SERIAL_LSR_READY : IO_NOBODY;
	return HV_GO_ON;
}

static enum hv_verdict dispatch_out(struct hv_vp *vp, const struct hv_exit *ex,
				    struct hv_stop *stop)
{
	switch (ex->port) {
	case NETHV_PORT_SERIAL: console_byte(vp, (uint8_t)ex->value); return HV_GO_ON;
	case NETHV_PORT_EXIT:
		stop->reason = HV_STOP_GUEST_EXIT;
		stop->status = (uint32_t)ex->value;
		snprintf(stop->text, sizeof(stop->text), "the guest ended with status %u",
			 stop->status);
		return HV_STOP;
	default: return HV_GO_ON; /* nobody is there, as on a PC */
	}
}

/* The hypercall page of either kind of guest may use NETHV_PORT_SIGNAL. */
static enum hv_verdict dispatch_io(struct hv_vp *vp, const struct hv_exit *ex, uint64_t *value,
				   struct hv_stop *stop)
{
	if (ex->is_out && ex->port == NETHV_PORT_SIGNAL) {
		hv_hypercall(vp, HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, (uint32_t)ex->value, 0);
		return HV_GO_ON;
	}
	if (vp->p->devices)
		return dispatch_bus(vp, HV_SPACE_PORT, ex, value, stop);
	return ex->is_out ? dispatch_out(vp, ex, stop) : dispatch_in(ex, value);
}

/* Our own image knows its memory and has no business elsewhere. */
static enum hv_verdict dispatch_mmio(struct hv_vp *vp, const struct hv_exit *ex, uint64_t *value,
				     struct hv_stop *stop)
{
	enum hv_verdict v;

	if (vp->p->devices)
		return dispatch_bus(vp, HV_SPACE_MMIO, ex, value, stop);
	if (dispatch_window(vp, ex, value, &v, stop))
		return v;
	snprintf(stop->text, sizeof(stop->text), "%s address %#llx, where nothing is, at RIP %#llx",
		 ex->is_out ? "write to" : "read of", (unsigned long long)ex->gpa,
		 (unsigned long long)ex->rip);
	return HV_STOP;
}

static enum hv_verdict dispatch_triple_fault(const struct hv_exit *ex, struct hv_stop *stop)
{
	size_t n = (size_t)snprintf(stop->text, sizeof(stop->text), "triple fault");

	if (ex->rip)
		snprintf(stop->text + n, sizeof(stop->text) - n, " at RIP %#llx",
			 (unsigned long long)ex->rip);
	return HV_STOP;
}

static const char *trap_name(uint32_t trap)
{
	static const char *const name[] = {
		[0] = "divide error",
		[1] = "debug",
		[3] = "breakpoint",
		[4] = "overflow",
		[5] = "bound range",
		[6] = "invalid opcode",
		[7] = "no FPU",
		[8] = "double fault",
		[10] = "invalid TSS",
		[11] = "segment",
		[12] = "stack segment",
		[13] = "general protection",
		[14] = "page fault",
		[16] = "x87 error",
		[17] = "alignment check",
		[19] = "SIMD error",
		[21] = "control protection",
	};

	if (trap < sizeof(name) / sizeof(name[0]) && name[trap])
		return name[trap];
	return "trap";
}

static void bytes_text(const struct hv_exit *ex, char *buf, size_t size)
{
	unsigned int i, n = ex->nr_bytes < HV_EXIT_BYTES ? ex->nr_bytes : HV_EXIT_BYTES;
	size_t len = 0;

	if (n == 0)
		snprintf(buf, size, " (not in guest memory)");
	for (i = 0; i < n && len + 4 < size; i++)
		len += (size_t)snprintf(buf + len, size - len, " %02x", ex->bytes[i]);
}

static enum hv_verdict dispatch_fault(const struct hv_exit *ex, struct hv_stop *stop)
{
	char bytes[3 * HV_EXIT_BYTES + 32];

	bytes_text(ex, bytes, sizeof(bytes));
	stop->reason = HV_STOP_GUEST_CRASH;
	snprintf(stop->text, sizeof(stop->text),
		 "%s (trap %u, error %#x, address %#llx) at RIP %#llx, bytes%s",
		 trap_name(ex->trap), ex->trap, ex->error, (unsigned long long)ex->value,
		 (unsigned long long)ex->rip, bytes);
	return HV_STOP;
}

static enum hv_verdict dispatch_kind(struct hv_vp *vp, const struct hv_exit *ex, uint64_t *value,
				     struct hv_stop *stop)
{
	switch (ex->kind) {
	case HV_EXIT_INTR: return HV_GO_ON;
	case HV_EXIT_IO: return dispatch_io(vp, ex, value, stop);
	case HV_EXIT_MMIO: return dispatch_mmio(vp, ex, value, stop);
	case HV_EXIT_RDMSR: return hv_rdmsr(vp, ex->msr, value, stop);
	case HV_EXIT_WRMSR: return hv_wrmsr(vp, ex->msr, ex->value, stop);
	case HV_EXIT_HYPERCALL:
		*value = hv_hypercall(vp, ex->rcx, ex->rdx, ex->r8);
		return HV_GO_ON;
	case HV_EXIT_SHUTDOWN: return dispatch_triple_fault(ex, stop);
	case HV_EXIT_FAULT: return dispatch_fault(ex, stop);
	case HV_EXIT_EOI:
		if (vp->p->devices)
			hv_ioapic_eoi(&vp->p->devices->ioapic, (uint8_t)ex->value);
		return HV_GO_ON;
	default: break;
	}
	stop->reason = HV_STOP_ENGINE;
	snprintf(stop->text, sizeof(stop->text), "unexpected exit of kind %u", ex->kind);
	return HV_STOP;
}

static void text_prefix(struct hv_vp *vp, const struct hv_exit *ex, struct hv_stop *stop,
			enum hv_verdict v)
{
	char text[HV_STOP_TEXT];

	snprintf(text, sizeof(text), "%s", stop->text);
	if (v == HV_REFUSE)
		snprintf(stop->text, sizeof(stop->text), "VP %u: %.300s, at RIP %#llx", vp->index,
			 text, (unsigned long long)ex->rip);
	else
		snprintf(stop->text, sizeof(stop->text), "VP %u: %.360s", vp->index, text);
}

enum hv_verdict hv_dispatch(struct hv_vp *vp, const struct hv_exit *ex, uint64_t *value,
			    struct hv_stop *stop)
{
	enum hv_verdict v;

	*value = 0;
	*stop = (struct hv_stop){.reason = HV_STOP_GUEST_CRASH};
	if (ex->kind < HV_EXIT_NR)
		vp->exits[ex->kind]++;
	v = dispatch_kind(vp, ex, value, stop);
	if (v != HV_GO_ON)
		text_prefix(vp, ex, stop, v);
	if (v == HV_REFUSE && !vp->p->eng->can_gp)
		v = HV_STOP;
	return v;
}

void hv_stopped(struct hv_partition *p, const struct hv_stop *stop)
{
	unsigned int i;

	if (atomic_exchange(&p->has_stopped, true))
		return;
	p->is_stopping = true;
	for (i = 0; i < p->nr_vps; i++)
		p->eng->vp_kick(p->vm, i);
	p->eng->vm_halt(p->vm);
	if (p->ops->stopped)
		p->ops->stopped(p->ctx, stop->reason, stop->status, stop->text);
}

static void engine_stop(struct hv_stop *stop, const char *text)
{
	*stop = (struct hv_stop){.reason = HV_STOP_ENGINE};
	snprintf(stop->text, sizeof(stop->text), "%s", text);
}

void hv_vp_loop(struct hv_vp *vp)
{
	struct hv_partition *p = vp->p;
	enum hv_verdict v;
	struct hv_stop stop;
	struct hv_exit ex;
	uint64_t value;

	while (!p->is_stopping) {
		if (p->eng->vp_run(p->vm, vp->index, &ex) < 0) {
			engine_stop(&stop, err_text());
			hv_stopped(p, &stop);
			break;
		}
		v = hv_dispatch(vp, &ex, &value, &stop);
		if (v == HV_STOP) {
			hv_stopped(p, &stop);
			break;
		}
		if (ex.kind != HV_EXIT_INTR)
			p->eng->vp_complete(p->vm, vp->index, value,
					    v == HV_REFUSE ? HV_COMPLETE_GP : HV_COMPLETE_OK);
	}
	if (vp->line_len)
		console_flush(vp);
}
