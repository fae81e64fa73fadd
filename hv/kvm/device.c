/* SPDX-License-Identifier: BSD-3-Clause */
/* Assigned devices in the kvm engine: memory slots that come and go, and KVM's link to VFIO. Their
 * interrupt lines are in irq.c, with the routing table. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/kvm/priv.h"

/* Linux 6.6 has new names for these, with the same numbers, and takes device fds, too. */
#define VFIO_FILE     1u
#define VFIO_FILE_ADD 1u
#define VFIO_FILE_DEL 2u

/* ---- Memory. dev_lock is held by what is called from map and unmap. ------------------------------- */

static int slot_set(const struct kvm_vm *vm, unsigned int i, const struct kvm_mem *m,
		    uint32_t flags)
{
	struct kvm_userspace_memory_region r = {
		.slot = KVM_REGIONS_MAX + i,
		.flags = flags,
		.guest_phys_addr = m->gpa,
		.memory_size = m->len,
		.userspace_addr = (uintptr_t)m->hva,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r) < 0)
		return err_sys(-errno, "%s: %#llx bytes of device memory at %#llx", vm->name,
			       (unsigned long long)m->len, (unsigned long long)m->gpa);
	return 0;
}

/* The slot of exactly this range; @len 0: a free one. KVM_DEV_SLOTS: none. */
static unsigned int slot_find(const struct kvm_vm *vm, uint64_t at, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < KVM_DEV_SLOTS; i++) {
		if (vm->dev_mem[i].len == len && (len == 0 || vm->dev_mem[i].gpa == at))
			break;
	}
	return i;
}

static int map(struct kvm_vm *vm, const struct kvm_mem *m, uint32_t flags)
{
	unsigned int i = slot_find(vm, 0, 0);
	int rc;

	if (i == KVM_DEV_SLOTS)
		return err_set(-ENOSPC, "%s: more than %u pieces of device memory", vm->name,
			       KVM_DEV_SLOTS);
	rc = slot_set(vm, i, m, flags);
	if (!rc)
		vm->dev_mem[i] = *m;
	return rc;
}

int kvm_dev_map(void *arg, uint64_t gpa, void *hva, uint64_t len, bool is_readonly)
{
	const struct kvm_mem m = {.gpa = gpa, .len = len, .hva = hva};
	struct kvm_vm *vm = arg;
	int rc;

	if (len == 0)
		return err_set(-EINVAL, "%s: no device memory at %#llx", vm->name,
			       (unsigned long long)gpa);
	pthread_mutex_lock(&vm->dev_lock);
	rc = map(vm, &m, is_readonly ? KVM_MEM_READONLY : 0);
	pthread_mutex_unlock(&vm->dev_lock);
	return rc;
}

/* KVM waits for VPs that are in the slot, and drops their translations. */
static int unmap(struct kvm_vm *vm, uint64_t at, uint64_t len)
{
	const struct kvm_mem none = {.gpa = at};
	unsigned int i = len ? slot_find(vm, at, len) : KVM_DEV_SLOTS;
	int rc;

	if (i == KVM_DEV_SLOTS)
		return err_set(-ENOENT, "%s: no device memory of %#llx bytes at %#llx", vm->name,
			       (unsigned long long)len, (unsigned long long)at);
	rc = slot_set(vm, i, &none, 0);
	if (!rc)
		vm->dev_mem[i] = (struct kvm_mem){0};
	return rc;
}

int kvm_dev_unmap(void *arg, uint64_t gpa, uint64_t len)
{
	struct kvm_vm *vm = arg;
	int rc;

	pthread_mutex_lock(&vm->dev_lock);
	rc = unmap(vm, gpa, len);
	pthread_mutex_unlock(&vm->dev_lock);
	return rc;
}

/* ---- VFIO ----------------------------------------------------------------------------------- */

static int vfio_open(struct kvm_vm *vm)
{
	struct kvm_create_device c = {.type = KVM_DEV_TYPE_VFIO};

	if (vm->vfio >= 0)
		return 0;
	if (ioctl(vm->fd, KVM_CREATE_DEVICE, &c) < 0)
		return err_sys(-errno, "%s: KVM's VFIO device (CONFIG_KVM_VFIO; module vfio)",
			       vm->name);
	vm->vfio = (int)c.fd;
	return 0;
}

static int vfio_tell(const struct kvm_vm *vm, uint64_t what, int fd)
{
	const int32_t file = fd;
	struct kvm_device_attr a = {.group = VFIO_FILE, .attr = what, .addr = (uintptr_t)&file};

	return ioctl(vm->vfio, KVM_SET_DEVICE_ATTR, &a) < 0 ? -errno : 0;
}

int kvm_vfio_attach(void *arg, int fd)
{
	struct kvm_vm *vm = arg;
	int rc;

	pthread_mutex_lock(&vm->dev_lock);
	rc = vfio_open(vm);
	if (!rc) {
		rc = vfio_tell(vm, VFIO_FILE_ADD, fd);
		if (rc)
			err_sys(rc, "%s: KVM does not take the VFIO file", vm->name);
	}
	pthread_mutex_unlock(&vm->dev_lock);
	return rc;
}

void kvm_vfio_detach(void *arg, int fd)
{
	struct kvm_vm *vm = arg;
	int rc;

	pthread_mutex_lock(&vm->dev_lock);
	rc = vm->vfio >= 0 ? vfio_tell(vm, VFIO_FILE_DEL, fd) : -ENOENT;
	pthread_mutex_unlock(&vm->dev_lock);
	if (rc)
		log_warn(vm->name, "KVM does not give the VFIO file back: %s", strerror(-rc));
}
