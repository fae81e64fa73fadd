/* SPDX-License-Identifier: BSD-3-Clause */
/* iommu/vfio.h on a real kernel:  lab_vfio VERB DEVICE [group|cdev|auto]
 *   use    memory, attach, registers, interrupts, reset, detach; twice
 *   hole   guest memory over the range of interrupt messages: is to be refused
 *   hold   attaches and waits for the end of its input
 *   fault  has an 82576 VF fetch a descriptor from where nothing is mapped, and waits for the fault
 * Status 0: done. 1: refused, with the line that an operator would see. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "iommu/fault.h"
#include "iommu/vfio.h"
#include "iommu/why.h"

#define RAM_BYTES (64ull << 20)
#define UNMAPPED  0x7654321000ull

static struct vfio_ctx *c;
static struct vfio_dev *d;

static int fail(const char *what)
{
	printf("%s: %s\n", what, err_text());
	return 1;
}

static int open_with_ram(const char *way)
{
	struct vfio_cfg cfg = {.name = "lab", .root = ""};
	void *ram;
	int fd = fd_memfd("lab-ram", RAM_BYTES, FD_HUGE_TRY, NULL);

	cfg.backend = !strcmp(way, "group")  ? VFIO_BACKEND_GROUP
		      : !strcmp(way, "cdev") ? VFIO_BACKEND_CDEV
					     : VFIO_BACKEND_AUTO;
	if (fd < 0 || fd_map(fd, 0, RAM_BYTES, &ram) || vfio_open(&c, &cfg) ||
	    vfio_map(c, 0, ram, RAM_BYTES, VFIO_READ_WRITE))
		return fail("memory");
	return 0;
}

static void show(void)
{
	struct vfio_status st;
	uint64_t id;

	vfio_status(c, &st);
	vfio_dev_read(d, VFIO_REGION_CONFIG, 0, 4, &id);
	printf("backend %s, %u maps, %llu MiB, pages of %llu, %u ranges, id %08llx\n", st.backend,
	       st.nr_maps, (unsigned long long)(st.bytes >> 20), (unsigned long long)st.page_bytes,
	       st.nr_ranges, (unsigned long long)id);
	for (unsigned int i = 0; i < VFIO_REGIONS_MAX; i++) {
		const struct vfio_region *r = vfio_dev_region(d, i);

		if (r)
			printf("region %u: 0x%llx bytes, %u areas%s\n", i,
			       (unsigned long long)r->size, r->nr_areas,
			       r->is_msix_mappable ? ", MSI-X mappable" : "");
	}
	printf("MSI-X %u, error event %s, request event %s\n", vfio_dev_irq_count(d, VFIO_IRQ_MSIX),
	       vfio_dev_err_fd(d) < 0 ? "no" : "yes", vfio_dev_req_fd(d) < 0 ? "no" : "yes");
}

static int try_registers(void)
{
	const struct vfio_region *r = vfio_dev_region(d, 0);
	uint64_t trapped;
	void *bar;

	if (!r || !r->nr_areas || vfio_dev_mmap(d, 0, 0, 4096, &bar))
		return fail("BAR 0");
	if (vfio_dev_read(d, 0, 8, 4, &trapped)) /* STATUS */
		return fail("BAR 0 by read");
	printf("STATUS %08llx, mapped %08x\n", (unsigned long long)trapped,
	       ((volatile uint32_t *)bar)[2]);
	if (((volatile uint32_t *)bar)[2] != (uint32_t)trapped)
		return 1;
	vfio_dev_munmap(d, bar, 4096);
	return 0;
}

static int try_interrupts(void)
{
	unsigned int n = vfio_dev_irq_count(d, VFIO_IRQ_MSIX);
	int fds[VFIO_VECTORS_MAX];

	n = n < VFIO_VECTORS_MAX ? n : VFIO_VECTORS_MAX;
	for (unsigned int i = 0; i < n; i++)
		fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (vfio_dev_irqs_set(d, VFIO_IRQ_MSIX, fds, n) ||
	    vfio_dev_irqs_set(d, VFIO_IRQ_MSIX, fds, 1))
		return fail("interrupts");
	vfio_dev_irqs_off(d, VFIO_IRQ_MSIX);
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
	return 0;
}

static int use(const char *bdf)
{
	for (int round = 0; round < 2; round++) {
		if (vfio_attach(c, bdf, &d))
			return fail("attach");
		if (!round)
			show();
		if (try_registers() || try_interrupts())
			return 1;
		if (vfio_dev_reset(d))
			return fail("reset");
		if (vfio_detach(d))
			return fail("detach");
	}
	if (vfio_unmap(c, 0, RAM_BYTES))
		return fail("unmap");
	printf("used twice\n");
	return 0;
}

static int hole(const char *bdf)
{
	void *big =
		mmap(NULL, 1u << 21, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (big == MAP_FAILED || vfio_map(c, 0xfee00000, big, 1u << 20, VFIO_READ_WRITE))
		return fail("memory");
	return vfio_attach(c, bdf, &d) ? fail("attach") : 0;
}

static int hold(const char *bdf)
{
	if (vfio_attach(c, bdf, &d))
		return fail("attach");
	printf("held\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}

static void reg(uint32_t off, uint32_t v)
{
	if (vfio_dev_write(d, 0, off, 4, v))
		fail("register");
}

/* The PF lets a VF transmit when it asked for its reset by mailbox. */
static void wake_up_vf(void)
{
	reg(0x0c40, 4); /* V2PMAILBOX: the buffer is ours */
	reg(0x0800, 1); /* VMBMEM: reset, please */
	reg(0x0c40, 1); /* request */
	sleep(2);
}

static void see(const struct iommu_fault *f, void *ctx)
{
	char line[200];

	printf("fault %s\n", iommu_fault_line(f, line, sizeof(line)));
	*(bool *)ctx |= f->address == UNMAPPED;
}

static int fault(const char *bdf)
{
	struct iommu_fault_log log;
	bool is_seen = false;
	uint64_t cmd;

	if (iommu_fault_log_open(&log, NULL) || vfio_attach(c, bdf, &d))
		return fail("attach");
	if (vfio_dev_read(d, VFIO_REGION_CONFIG, 4, 2, &cmd) ||
	    vfio_dev_write(d, VFIO_REGION_CONFIG, 4, 2, cmd | 6))
		return fail("bus master");
	wake_up_vf();
	reg(0x3800, (uint32_t)UNMAPPED); /* TDBAL, TDBAH, TDLEN */
	reg(0x3804, UNMAPPED >> 32);
	reg(0x3808, 4096);
	reg(0x3828, 1u << 25); /* TXDCTL: on */
	reg(0x3818, 1);	       /* TDT: one descriptor */
	for (int i = 0; i < 20 && !is_seen; i++) {
		struct pollfd p = {.fd = log.fd, .events = POLLIN};

		poll(&p, 1, 500);
		iommu_fault_log_read(&log, see, &is_seen);
	}
	iommu_fault_log_close(&log);
	return is_seen ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(const char *bdf);
	} verbs[] = {{"use", use}, {"hole", hole}, {"hold", hold}, {"fault", fault}};
	int rc = 2;

	if (argc < 3 || open_with_ram(argc > 3 ? argv[3] : "auto"))
		return 2;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verbs[i].name, argv[1]))
			rc = verbs[i].fn(argv[2]);
	vfio_close(c);
	return rc;
}
