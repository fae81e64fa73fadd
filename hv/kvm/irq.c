/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts and doorbells of the kvm engine, and the only owner of KVM's routing table. Each VP has one
 * line that the switch can raise: an eventfd bound by irqfd to a route, which is KVM's SINT 2 or, with
 * our own SynIC, the MSI of that SINT's vector of the moment. Assigned devices have lines of the same
 * kind (hv/engine.h). Masked or unplugged means: the irqfd is taken away; what was written meanwhile
 * stays in the eventfd and comes when it is bound again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/kvm/priv.h"
#include "hv/priv.h"

static uint32_t gsi_of(unsigned int vp)
{
	return KVM_PINS + vp;
}

/* ---- Routes --------------------------------------------------------------------------------- */

static void msi_fill(struct kvm_irq_routing_entry *e, uint32_t gsi, unsigned int vp,
		     unsigned int vector)
{
	*e = (struct kvm_irq_routing_entry){.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI};
	e->u.msi.address_lo = (uint32_t)(KVM_MSI_BASE | (uint64_t)vp << KVM_APIC_SHIFT);
	e->u.msi.data = vector;
}

static void route_fill(const struct kvm_vm *vm, unsigned int vp, struct kvm_irq_routing_entry *e)
{
	if (!vm->has_synic) {
		msi_fill(e, gsi_of(vp), vp, vm->vp[vp].vector);
		return;
	}
	*e = (struct kvm_irq_routing_entry){.gsi = gsi_of(vp), .type = KVM_IRQ_ROUTING_HV_SINT};
	e->u.hv_sint.vcpu = vp;
	e->u.hv_sint.sint = HV_SINT_VMBUS;
}

/* Lock held.  KVM takes the whole table at once. */
static int routes_set(struct kvm_vm *vm)
{
	struct kvm_irq_routing *t = vm->routes;
	unsigned int i;

	t->nr = 0;
	for (i = 0; i < vm->cfg.nr_vps; i++)
		route_fill(vm, i, &t->entries[t->nr++]);
	for (i = 0; i < vm->nr_lines; i++) {
		const struct kvm_line *l = &vm->line[i];

		if (l->vector)
			msi_fill(&t->entries[t->nr++], KVM_LINE_GSI + i, l->vp, l->vector);
	}
	return ioctl(vm->fd, KVM_SET_GSI_ROUTING, t) < 0 ? -errno : 0;
}

static int irqfd(const struct kvm_vm *vm, int fd, uint32_t gsi, bool is_on)
{
	struct kvm_irqfd q = {
		.fd = (uint32_t)fd, .gsi = gsi, .flags = is_on ? 0 : KVM_IRQFD_FLAG_DEASSIGN};

	return ioctl(vm->fd, KVM_IRQFD, &q) < 0 ? -errno : 0;
}

static int line_bind(struct kvm_vm *vm, unsigned int vp, bool is_on)
{
	struct kvm_vp *v = &vm->vp[vp];
	int rc = v->has_line == is_on ? 0 : irqfd(vm, v->sint_fd, gsi_of(vp), is_on);

	if (!rc)
		v->has_line = is_on;
	return rc;
}

/* ---- Lines of devices ----------------------------------------------------------------------- */

int kvm_line_create(void *arg, int fd)
{
	struct kvm_vm *vm = arg;
	unsigned int i;

	pthread_mutex_lock(&vm->lock);
	for (i = 0; i < HV_LINES_MAX && vm->line[i].is_used; i++)
		;
	if (i < HV_LINES_MAX) {
		vm->line[i] = (struct kvm_line){.is_used = true, .fd = fd};
		if (i >= vm->nr_lines)
			vm->nr_lines = i + 1;
	}
	pthread_mutex_unlock(&vm->lock);
	return i < HV_LINES_MAX ? (int)i
				: err_set(-ENOSPC, "%s: more than %u interrupt lines of devices",
					  vm->name, HV_LINES_MAX);
}

/* Lock held. */
static int dev_line_bind(struct kvm_vm *vm, unsigned int line, bool is_on)
{
	struct kvm_line *l = &vm->line[line];
	int rc = l->is_bound == is_on ? 0 : irqfd(vm, l->fd, KVM_LINE_GSI + line, is_on);

	if (!rc)
		l->is_bound = is_on;
	return rc;
}

/* Lock held.  KVM keeps the old table when it refuses the new one. */
static int dev_route(struct kvm_vm *vm, unsigned int line, unsigned int vp, unsigned int vector)
{
	struct kvm_line *l = &vm->line[line];
	const struct kvm_line was = *l;
	int rc;

	if (l->vp == vp && l->vector == vector)
		return 0;
	l->vp = vp;
	l->vector = vector;
	rc = routes_set(vm);
	if (rc)
		*l = was;
	return rc;
}

/* The route first, then the irqfd: what the eventfd holds goes where it should. */
int kvm_line_set(void *arg, unsigned int line, unsigned int vp, unsigned int vector)
{
	struct kvm_vm *vm = arg;
	int rc;

	pthread_mutex_lock(&vm->lock);
	rc = vector ? dev_route(vm, line, vp, vector) : 0;
	if (!rc)
		rc = dev_line_bind(vm, line, vector != 0);
	pthread_mutex_unlock(&vm->lock);
	return rc ? err_sys(rc, "%s: interrupt line %u, vector %u on VP %u", vm->name, line, vector,
			    vp)
		  : 0;
}

void kvm_line_destroy(void *arg, unsigned int line)
{
	struct kvm_vm *vm = arg;
	bool had_route;

	pthread_mutex_lock(&vm->lock);
	dev_line_bind(vm, line, false);
	had_route = vm->line[line].vector != 0;
	vm->line[line] = (struct kvm_line){.fd = -1};
	while (vm->nr_lines > 0 && !vm->line[vm->nr_lines - 1].is_used)
		vm->nr_lines--;
	if (had_route && routes_set(vm))
		log_warn(vm->name, "interrupt line %u: its route stays, unused", line);
	pthread_mutex_unlock(&vm->lock);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static int doorbell_bind(struct kvm_vm *vm, unsigned int i)
{
	struct kvm_ioeventfd io = {
		.datamatch = HV_CONNECTION_DOORBELL | (i + 1),
		.addr = NETHV_PORT_SIGNAL,
		.len = 4,
		.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	vm->doorbell[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->doorbell[i] < 0)
		return err_sys(-errno, "%s: doorbell %u", vm->name, i + 1);
	io.fd = vm->doorbell[i];
	if (ioctl(vm->fd, KVM_IOEVENTFD, &io) < 0)
		return err_sys(-errno, "%s: KVM_IOEVENTFD for doorbell %u", vm->name, i + 1);
	return 0;
}

static int lines_make(struct kvm_vm *vm)
{
	const size_t room = vm->cfg.nr_vps + HV_LINES_MAX;
	unsigned int i;
	int rc;

	vm->routes = calloc(1, sizeof(*vm->routes) + room * sizeof(vm->routes->entries[0]));
	if (!vm->routes)
		return err_set(-ENOMEM, "%s: interrupt routes", vm->name);
	for (i = 0; i < vm->cfg.nr_vps; i++) {
		vm->vp[i].sint_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vm->vp[i].sint_fd < 0)
			return err_sys(-errno, "%s: SINT line of VP %u", vm->name, i);
	}
	rc = routes_set(vm);
	for (i = 0; !rc && vm->has_synic && i < vm->cfg.nr_vps; i++)
		rc = line_bind(vm, i, true);
	return rc ? err_sys(rc, "%s: interrupt lines", vm->name) : 0;
}

int kvm_irq_create(struct kvm_vm *vm)
{
	unsigned int i;
	int rc = lines_make(vm);

	for (i = 0; !rc && i < vm->cfg.nr_doorbells; i++)
		rc = doorbell_bind(vm, i);
	return rc;
}

void kvm_irq_destroy(struct kvm_vm *vm)
{
	unsigned int i;

	for (i = 0; i < HV_VPS_MAX; i++)
		fd_close(&vm->vp[i].sint_fd);
	for (i = 0; i < HV_DOORBELLS_MAX; i++)
		fd_close(&vm->doorbell[i]);
}

/* ---- Raising -------------------------------------------------------------------------------- */

void kvm_msi(void *arg, uint64_t address, uint32_t data)
{
	const struct kvm_vm *vm = arg;
	struct kvm_msi m = {.address_lo = (uint32_t)address,
			    .address_hi = (uint32_t)(address >> 32),
			    .data = data};

	if (ioctl(vm->fd, KVM_SIGNAL_MSI, &m) < 0)
		log_dbg(vm->name, "MSI %#llx, %#x: %s", (unsigned long long)address, data,
			strerror(errno));
}

void kvm_irq(void *arg, unsigned int vp, unsigned int vector)
{
	kvm_msi(arg, KVM_MSI_BASE | (uint64_t)vp << KVM_APIC_SHIFT, vector);
}

int kvm_sint_fd(void *arg, unsigned int vp, unsigned int sint)
{
	const struct kvm_vm *vm = arg;

	if (sint != HV_SINT_VMBUS)
		return err_set(-EOPNOTSUPP, "%s: kvm has an fd for SINT %u only, not for %u",
			       vm->name, HV_SINT_VMBUS, sint);
	return vm->vp[vp].sint_fd;
}

/* KVM's SynIC knows by itself (kvm_synic_msr()). Ours: the route first, then the line. */
void kvm_sint_set(void *arg, unsigned int vp, unsigned int sint, unsigned int vector)
{
	struct kvm_vm *vm = arg;
	struct kvm_vp *v = &vm->vp[vp];
	int rc = 0;

	if (vm->has_synic || sint != HV_SINT_VMBUS)
		return;
	pthread_mutex_lock(&vm->lock);
	if (vector && vector != v->vector) {
		v->vector = vector;
		rc = routes_set(vm);
	}
	if (!rc)
		rc = line_bind(vm, vp, vector != 0);
	pthread_mutex_unlock(&vm->lock);
	if (rc)
		log_err(vm->name, "VP %u: its VMBus interrupt cannot be set: %s", vp,
			strerror(-rc));
}

int kvm_doorbell(void *arg, unsigned int relid)
{
	const struct kvm_vm *vm = arg;

	return vm->doorbell[relid - 1];
}

/* ---- Hypercall page ------------------------------------------------------------------------- */

/* endbr64; cmp $0x1005d,%rcx; jne slow; mov %rdx,%rax; shr $32,%rax; jne slow; xor %r9d,%r9d;
 * mov %edx,%eax; out %eax,$SIGNAL; mov %r9d,%eax; ret; slow: out %eax,$HYPERCALL; ret
 * A doorbell that is bound costs no exit to the worker; one that is not gets its status in R9. What
 * has more than a connection in its parameter (a flag, reserved bits) is judged there, too. */
static const uint8_t page_code[] = {
	0xf3, 0x0f,
	0x1e, 0xfa, /* endbr64 */
	0x48, 0x81,
	0xf9, 0x5d,
	0x00, 0x01,
	0x00,	    /* cmp */
	0x75, 0x14, /* jne slow */
	0x48, 0x89,
	0xd0, /* mov */
	0x48, 0xc1,
	0xe8, 0x20, /* shr */
	0x75, 0x0b, /* jne slow */
	0x45, 0x31,
	0xc9,			 /* xor */
	0x89, 0xd0,		 /* mov */
	0xe7, NETHV_PORT_SIGNAL, /* out */
	0x44, 0x89,
	0xc8,			    /* mov */
	0xc3,			    /* ret */
	0xe7, NETHV_PORT_HYPERCALL, /* slow: out */
	0xc3,
};

void kvm_hypercall_page(void *vm, uint8_t page[4096])
{
	memset(page, 0xcc, GMEM_PAGE_SIZE);
	memcpy(page, page_code, sizeof(page_code));
}
