/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts and doorbells of the kvm engine. Each VP has one line that the switch can raise: an
 * eventfd bound by irqfd to a route, which is KVM's SINT 2 or, with our own SynIC, the MSI of that
 * SINT's vector of the moment. Masked means: the irqfd is taken away; what was written meanwhile
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

static void route_fill(const struct kvm_vm *vm, unsigned int vp, struct kvm_irq_routing_entry *e)
{
	e->gsi = gsi_of(vp);
	if (vm->has_synic) {
		e->type = KVM_IRQ_ROUTING_HV_SINT;
		e->u.hv_sint.vcpu = vp;
		e->u.hv_sint.sint = HV_SINT_VMBUS;
		return;
	}
	e->type = KVM_IRQ_ROUTING_MSI;
	e->u.msi.address_lo = (uint32_t)(KVM_MSI_BASE | (uint64_t)vp << KVM_APIC_SHIFT);
	e->u.msi.data = vm->vp[vp].vector;
}

/* Lock held.  KVM takes the whole table at once. */
static int routes_set(struct kvm_vm *vm)
{
	const unsigned int n = vm->cfg.nr_vps;
	struct kvm_irq_routing *t;
	unsigned int i;
	int rc;

	t = calloc(1, sizeof(*t) + n * sizeof(t->entries[0]));
	if (!t)
		return -ENOMEM;
	t->nr = n;
	for (i = 0; i < n; i++)
		route_fill(vm, i, &t->entries[i]);
	rc = ioctl(vm->fd, KVM_SET_GSI_ROUTING, t) < 0 ? -errno : 0;
	free(t);
	return rc;
}

static int line_bind(struct kvm_vm *vm, unsigned int vp, bool is_on)
{
	struct kvm_vp *v = &vm->vp[vp];
	struct kvm_irqfd q = {.fd = (uint32_t)v->sint_fd,
			      .gsi = gsi_of(vp),
			      .flags = is_on ? 0 : KVM_IRQFD_FLAG_DEASSIGN};

	if (v->has_line == is_on)
		return 0;
	if (ioctl(vm->fd, KVM_IRQFD, &q) < 0)
		return -errno;
	v->has_line = is_on;
	return 0;
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
	unsigned int i;
	int rc;

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
