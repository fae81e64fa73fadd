/* SPDX-License-Identifier: BSD-3-Clause */
/* Assigned devices on a real KVM: routes and irqfds are seen in the local APICs of VPs that never run,
 * memory slots by what KVM refuses and by a guest of a few instructions, without SSE, which any KVM can
 * run. Skipped where /dev/kvm cannot be had. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "hv/bus.h"
#include "hv/device.h"
#include "hv/kvm/priv.h"
#include "hv/priv.h"

#define ID	 0x42ull
#define BAR	 0x20000000ull /* within the first GiB, which the start-up page tables map */
#define WINDOW	 0x20400000ull
#define PAGE	 4096ull
#define APIC_IRR 0x200u
#define WAIT_MS	 20000u

static struct hv_partition *p;
static struct hv_device *dev;
static uint8_t *bar; /* two pages of "device memory" */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool has_stopped;
	enum hv_stop_reason reason;
	uint32_t status;
	char text[512];
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static void on_stopped(void *ctx, enum hv_stop_reason reason, uint32_t status, const char *text)
{
	pthread_mutex_lock(&heard.lock);
	heard.has_stopped = true;
	heard.reason = reason;
	heard.status = status;
	snprintf(heard.text, sizeof(heard.text), "%s", text);
	pthread_cond_broadcast(&heard.cond);
	pthread_mutex_unlock(&heard.lock);
}

static const struct hv_partition_ops ops = {.stopped = on_stopped};

static void kvm_or_skip(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = -1;

	if (fd < 0)
		cr_skip_test("/dev/kvm cannot be opened: %s", strerror(errno));
	vm = ioctl(fd, KVM_CREATE_VM, 0);
	close(fd);
	if (vm < 0)
		cr_skip_test("/dev/kvm cannot create a VM: %s", strerror(errno));
	close(vm);
}

static void up_with(enum hv_synic_kind synic)
{
	const struct hv_device_cfg dc = {.name = "vf0", .device_id = ID, .nr_vectors = 3};
	const struct hv_cfg cfg = {
		.name = "vm/kvm",
		.nr_vps = 2,
		.mem_bytes = 4 << 20,
		.numa_node = -1,
		.synic = synic,
		.flags = HV_CFG_NO_HUGE,
	};
	int rc;

	kvm_or_skip();
	rc = hv_partition_create_on(&p, &cfg, &ops, NULL, &hv_kvm_ops, NULL);
	if (rc == -ENOTSUP && synic == HV_SYNIC_KVM)
		cr_skip_test("%s", err_text());
	cr_assert_eq(rc, 0, "%s", err_text());
	cr_assert_eq(hv_device_create(&dev, p, &dc), 0, "%s", err_text());
	bar = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(bar, MAP_FAILED);
}

static void up(void)
{
	up_with(HV_SYNIC_NETHV);
}

static void down(void)
{
	hv_device_destroy(dev);
	hv_partition_destroy(p);
}

static struct kvm_vm *vm_of(void)
{
	return p->vm;
}

/* ---- Interrupts ----------------------------------------------------------------------------- */

static bool is_requested(unsigned int vp, unsigned int vector)
{
	struct kvm_lapic_state l;
	uint32_t irr;

	cr_assert_eq(ioctl(vm_of()->vp[vp].fd, KVM_GET_LAPIC, &l), 0);
	memcpy(&irr, l.regs + APIC_IRR + vector / 32 * 16, sizeof(irr));
	return irr >> vector % 32 & 1;
}

/* KVM may deliver from a work queue. */
static bool comes(unsigned int vp, unsigned int vector)
{
	unsigned int ms;

	for (ms = 0; ms < WAIT_MS && !is_requested(vp, vector); ms++)
		usleep(1000);
	return is_requested(vp, vector);
}

static uint32_t cookie(void)
{
	uint64_t address;
	uint32_t data;

	cr_assert_eq(hv_device_irq_create(dev, 1, &address, &data), 0);
	return data;
}

static void retarget(uint32_t data, unsigned int vector, unsigned int vp)
{
	const struct hv_retarget_input in = {.partition_id = HV_PARTITION_SELF,
					     .device_id = ID,
					     .source = HV_INTERRUPT_SOURCE_MSI,
					     .address = 0xfee00000,
					     .data = data,
					     .vector = vector,
					     .vps = 1ull << vp};

	cr_assert_eq(gmem_write(&p->gm, gpa(NETHV_IMAGE_BASE), &in, sizeof(in)), 0);
	cr_assert_eq(hv_hypercall(&p->vp[0], HV_CALL_RETARGET, NETHV_IMAGE_BASE, 0), 0);
}

Test(hv_kvm, a_device_s_eventfd_raises_its_vector_and_follows_the_retarget)
{
	uint32_t c;

	up();
	c = cookie();
	hv_device_entry_set(dev, 1, 0xfee00000, c, false);
	retarget(c, 0x61, 0);
	fd_kick(hv_device_entry_fd(dev, 1));
	cr_assert(comes(0, 0x61));
	cr_assert_not(is_requested(1, 0x61));
	retarget(c, 0x72, 1);
	fd_kick(hv_device_entry_fd(dev, 1));
	cr_assert(comes(1, 0x72));
	cr_assert_not(is_requested(0, 0x72));
	cr_assert_not(hv_device_entry_pending(dev, 1));
	down();
}

Test(hv_kvm, what_fires_while_masked_comes_at_the_unmask)
{
	uint32_t c;

	up();
	c = cookie();
	hv_device_entry_set(dev, 0, 0xfee00000, c, false);
	retarget(c, 0x63, 1);
	hv_device_entry_set(dev, 0, 0xfee00000, c, true);
	fd_kick(hv_device_entry_fd(dev, 0));
	cr_assert(hv_device_entry_pending(dev, 0));
	cr_assert_not(is_requested(1, 0x63));
	hv_device_entry_set(dev, 0, 0xfee00000, c, false);
	cr_assert(comes(1, 0x63));
	down();
}

/* KVM takes the routing table as a whole: each change must carry all the others along. */
Test(hv_kvm, vps_and_devices_keep_their_routes_beside_each_other)
{
	uint32_t c[3];
	unsigned int i;

	up();
	p->eng->sint_set(p->vm, 1, HV_SINT_VMBUS, 0xf3);
	for (i = 0; i < 3; i++) {
		c[i] = cookie();
		hv_device_entry_set(dev, i, 0xfee00000, c[i], false);
		retarget(c[i], 0x50 + i, i % 2);
	}
	p->eng->sint_set(p->vm, 0, HV_SINT_VMBUS, 0xf4);
	cr_assert_eq(hv_device_irq_delete(dev, 0xfee00000, c[1]), 0);
	for (i = 0; i < 3; i++)
		fd_kick(hv_device_entry_fd(dev, i));
	fd_kick(hv_sint_fd(p, 0, HV_SINT_VMBUS));
	fd_kick(hv_sint_fd(p, 1, HV_SINT_VMBUS));
	cr_assert(comes(0, 0x50));
	cr_assert(comes(0, 0x52));
	cr_assert(comes(0, 0xf4));
	cr_assert(comes(1, 0xf3));
	cr_assert_not(is_requested(1, 0x51));
	cr_assert(hv_device_entry_pending(dev, 1));
	down();
}

Test(hv_kvm, routes_of_devices_stand_beside_the_sints_of_kvm_s_synic)
{
	uint32_t c;

	up_with(HV_SYNIC_KVM);
	c = cookie();
	hv_device_entry_set(dev, 0, 0xfee00000, c, false);
	retarget(c, 0x91, 1);
	fd_kick(hv_device_entry_fd(dev, 0));
	cr_assert(comes(1, 0x91));
	cr_assert(vm_of()->vp[0].has_line && vm_of()->vp[1].has_line);
	down();
}

Test(hv_kvm, a_device_that_is_gone_leaves_no_line_and_the_next_one_takes_its_place)
{
	const struct hv_device_cfg cfg = {.name = "vf1", .device_id = ID, .nr_vectors = 3};
	unsigned int round, i;
	uint32_t c;

	up();
	for (round = 0; round < 3; round++) {
		c = cookie();
		hv_device_entry_set(dev, 2, 0xfee00000, c, false);
		retarget(c, 0x80 + round, 0);
		fd_kick(hv_device_entry_fd(dev, 2));
		cr_assert(comes(0, 0x80 + round));
		hv_device_destroy(dev);
		cr_assert_eq(vm_of()->nr_lines, 0);
		for (i = 0; i < HV_LINES_MAX; i++)
			cr_assert_not(vm_of()->line[i].is_bound);
		cr_assert_eq(hv_device_create(&dev, p, &cfg), 0, "%s", err_text());
	}
	down();
}

/* ---- Memory --------------------------------------------------------------------------------- */

/* Whether KVM has a slot at @at, by trying to put another one there. */
static bool kvm_has_slot(uint64_t at)
{
	struct kvm_userspace_memory_region r = {.slot = 500,
						.guest_phys_addr = at,
						.memory_size = PAGE,
						.userspace_addr = (uintptr_t)bar};

	if (ioctl(vm_of()->fd, KVM_SET_USER_MEMORY_REGION, &r) < 0) {
		cr_assert_eq(errno, EEXIST);
		return true;
	}
	r.memory_size = 0;
	cr_assert_eq(ioctl(vm_of()->fd, KVM_SET_USER_MEMORY_REGION, &r), 0);
	return false;
}

Test(hv_kvm, memory_slots_come_and_go_and_are_used_again)
{
	unsigned int i;

	up();
	for (i = 0; i < 3 * KVM_DEV_SLOTS; i++) {
		cr_assert_eq(hv_device_mem_map(dev, BAR, bar, 2 * PAGE, i % 2), 0, "%s",
			     err_text());
		cr_assert(i % 64 || kvm_has_slot(BAR + PAGE));
		cr_assert_eq(hv_device_mem_unmap(dev, BAR, 2 * PAGE), 0, "%s", err_text());
		cr_assert(i % 64 || !kvm_has_slot(BAR + PAGE));
	}
	cr_assert_eq(hv_device_mem_map(dev, BAR, bar, PAGE, false), 0);
	hv_device_destroy(dev);
	dev = NULL;
	cr_assert_not(kvm_has_slot(BAR));
	down();
}

Test(hv_kvm, what_kvm_itself_refuses_is_told_and_nothing_is_kept)
{
	struct kvm_userspace_memory_region r = {
		.slot = 500, .guest_phys_addr = BAR, .memory_size = PAGE};

	up();
	r.userspace_addr = (uintptr_t)bar; /* now it is there */
	cr_assert_eq(ioctl(vm_of()->fd, KVM_SET_USER_MEMORY_REGION, &r), 0);
	cr_assert_eq(hv_device_mem_map(dev, BAR, bar, PAGE, false), -EEXIST);
	cr_assert(strstr(err_text(), "device memory at 0x20000000"), "%s", err_text());
	cr_assert_eq(hv_device_mem_unmap(dev, BAR, PAGE), -ENOENT);
	down();
}

Test(hv_kvm, a_file_that_is_not_vfio_s_is_refused)
{
	int fd;

	up();
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	cr_assert_lt(hv_device_vfio_attach(p, fd), 0);
	cr_assert(strstr(err_text(), "VFIO"), "%s", err_text());
	hv_device_vfio_detach(p, fd);
	close(fd);
	down();
}

/* ---- A guest of a few instructions ------------------------------------------------------------ */

static uint64_t window_read(void *arg, uint64_t off, unsigned int size)
{
	return off == 8 ? 0x200 : 0;
}

static uint64_t late_read(void *arg, uint64_t off, unsigned int size)
{
	return 0x30;
}

static const struct hv_bus_ops late_ops;

/* As a guest that switches memory decoding off: the memory goes, and a window comes. */
static enum hv_verdict window_write(void *arg, uint64_t off, unsigned int size, uint64_t value,
				    struct hv_stop *stop)
{
	cr_assert_eq(off, 4);
	cr_assert_eq(value, 0x1200);
	cr_assert_eq(hv_device_mem_unmap(dev, BAR, 2 * PAGE), 0, "%s", err_text());
	cr_assert_eq(hv_device_window_set(dev, 1, BAR, PAGE, &late_ops, NULL), 0, "%s", err_text());
	return HV_GO_ON;
}

static const struct hv_bus_ops window_ops = {window_read, window_write};
static const struct hv_bus_ops late_ops = {late_read, window_write};

static const uint8_t program[] = {
	0x85, 0xf6, /* test %esi, %esi: which VP? */
	0x75, 0x25, /* jne: the other waits */
	0x8b, 0x04,
	0x25, 0x10,
	0x10, 0x00,
	0x20, /* mov BAR+0x1010, %eax */
	0x03, 0x04,
	0x25, 0x08,
	0x00, 0x40,
	0x20, /* add WINDOW+8, %eax */
	0x89, 0x04,
	0x25, 0x20,
	0x00, 0x00,
	0x20, /* mov %eax, BAR+0x20 */
	0x89, 0x04,
	0x25, 0x04,
	0x00, 0x40,
	0x20, /* mov %eax, WINDOW+4 */
	0x03, 0x04,
	0x25, 0x10,
	0x00, 0x00,
	0x20,		       /* add BAR+0x10, %eax */
	0xe7, NETHV_PORT_EXIT, /* out %eax, $EXIT */
	0xf4, 0xeb,
	0xfd, /* hlt; jmp */
};

static void run(void)
{
	struct timespec end;
	int rc = 0;

	cr_assert_eq(hv_partition_start(p), 0, "%s", err_text());
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_MS / 1000;
	pthread_mutex_lock(&heard.lock);
	while (!heard.has_stopped && rc == 0)
		rc = pthread_cond_timedwait(&heard.cond, &heard.lock, &end);
	pthread_mutex_unlock(&heard.lock);
	hv_partition_stop(p);
}

Test(hv_kvm, a_guest_reads_device_memory_and_windows_and_takes_them_away)
{
	const uint32_t in_bar = 0x1000;
	uint32_t seen;

	up();
	memcpy(bar + 0x1010, &in_bar, sizeof(in_bar));
	cr_assert_eq(hv_device_mem_map(dev, BAR, bar, 2 * PAGE, false), 0, "%s", err_text());
	cr_assert_eq(hv_device_window_set(dev, 0, WINDOW, PAGE, &window_ops, NULL), 0);
	cr_assert_eq(gmem_write(&p->gm, gpa(NETHV_IMAGE_BASE), program, sizeof(program)), 0);
	run();
	if (heard.reason == HV_STOP_ENGINE)
		cr_skip_test("this KVM cannot run even this guest: %s", heard.text);
	cr_assert_eq(heard.reason, HV_STOP_GUEST_EXIT, "%s", heard.text);
	cr_assert_eq(heard.status, 0x1230, "%#x", heard.status);
	memcpy(&seen, bar + 0x20, sizeof(seen));
	cr_assert_eq(seen, 0x1200);
	down();
}
