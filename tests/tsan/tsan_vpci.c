/* SPDX-License-Identifier: BSD-3-Clause */
/* vPCI with everybody at work: two VPs in config space, MSI-X table and trapped pages, a guest thread that
 * enters and leaves D0 and creates interrupts while they are, and ctl, which asks for status, ejects,
 * surprises and destroys. A plain program: exits 1 when a request is lost; hangs when somebody waits for
 * somebody who waits for him. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "tests/support/fakevf.h"
#include "tests/tsan/tsan.h"
#include "vmbus/ring.h"
#include "vmbus/vsp/vsp.h"

#define ROUNDS	 12
#define REQUESTS 60u
#define PAGES	 5u /* of each ring */
#define WIN_GPA	 0xF8000000ull
#define BAR2_GPA 0xF8100000ull

static _Alignas(4096) uint8_t ram[2 * PAGES][4096];
static const struct vmbus_local_ops *chan_ops;
static void *chan_ctx;
static bool is_open;
static int bell = -1, irq = -1;
static struct vmbus_ring out, in;
static struct fakevf vf;
static atomic_bool is_over;

/* ---- The bus -------------------------------------------------------------------------------- */

static int offer(void *ctx, const struct vmbus_local_cfg *cfg, const struct vmbus_local_ops *o,
		 void *chan)
{
	chan_ops = o;
	chan_ctx = chan;
	return 1;
}

static void close_chan(void)
{
	if (is_open)
		chan_ops->close(chan_ctx);
	is_open = false;
}

static void rescind(void *ctx, uint32_t relid)
{
	close_chan();
}

static void fault(void *ctx, uint32_t relid, const char *why)
{
	fprintf(stderr, "%s\n", why);
	check(!"a fault");
}

static int doorbell_fd(void *ctx, uint32_t relid)
{
	return bell;
}

static void raise_irq(void *ctx, uint32_t vp, uint32_t relid)
{
	fd_kick(irq);
}

static uint64_t ref_time(void *ctx)
{
	return 0;
}

static const struct vsp_ops ops = {offer, rescind, fault, doorbell_fd, raise_irq, ref_time};

/* ---- The guest ------------------------------------------------------------------------------ */

/* The next packet; an EJECT is of no interest. */
static uint32_t receive(void)
{
	struct vmbus_pkt_desc d;
	uint32_t status;
	int32_t n;

	for (;;) {
		while (!(n = vmbus_ring_avail(&in))) {
			struct pollfd p = {.fd = irq, .events = POLLIN};

			check(poll(&p, 1, 60000) == 1);
			fd_drain(irq);
		}
		check(vmbus_ring_peek(&in, (uint32_t)n, &d) > 0);
		vmbus_ring_read(&in, vmbus_ring_wrap(&in, in.own + 16), &status, 4);
		vmbus_ring_skip(&in, d.len8 * 8u + 8);
		vmbus_ring_publish_read(&in);
		if (d.type == VMBUS_PKT_COMPLETION)
			return status;
	}
}

static uint32_t ask(const void *msg, uint32_t len)
{
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND,
				   .offset8 = 2,
				   .len8 = (uint16_t)((16 + len + 7) / 8),
				   .flags = 1,
				   .trans_id = 3};

	vmbus_ring_put(&out, &d, NULL, 0, msg, len);
	if (vmbus_ring_publish_write(&out))
		fd_kick(bell);
	return receive();
}

static void *guest_main(void *arg)
{
	struct vpci_version_query version = {VPCI_QUERY_PROTOCOL_VERSION, VPCI_V1_4};
	struct vpci_create_interrupt3 create = {VPCI_CREATE_INTERRUPT3, 0, 0, 0, 0, 1, 1, {0}};
	struct vpci_d0_entry entry = {VPCI_D0ENTRY, 0, WIN_GPA};
	uint32_t relations = VPCI_QUERY_BUS_RELATIONS, leave = VPCI_D0EXIT;
	unsigned int *nr_d0 = arg;

	check(ask(&version, sizeof(version)) == 0);
	ask(&relations, sizeof(relations));
	for (unsigned int i = 0; i < REQUESTS; i++) {
		*nr_d0 += ask(&entry, sizeof(entry)) == 0;
		for (unsigned int k = 0; k < 3; k++)
			ask(&create, sizeof(create));
		if (i % 4 == 3)
			ask(&leave, sizeof(leave));
	}
	return NULL;
}

/* A VP: config space as a driver uses it, and then what it finds. */
static void *vp_main(void *arg)
{
	const uint64_t cfg = WIN_GPA + VPCI_WINDOW_PAGE;
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	for (unsigned int i = 0; !is_over; i++) {
		uint64_t entry = BAR2_GPA + VF_TABLE_OFF + 16 * (rand_r(&seed) % VF_VECTORS);

		fakevf_write(&vf, cfg + 0x18, 4, BAR2_GPA);
		fakevf_write(&vf, cfg + 4, 2, 6);
		fakevf_write(&vf, cfg + VF_CAP_MSIX + 2, 2, 0x8000);
		fakevf_write(&vf, entry, 8, 0xFEE00000);
		fakevf_write(&vf, entry + 8, 8, rand_r(&seed) % 8);
		fakevf_read(&vf, BAR2_GPA + VF_PBA_OFF, 8);
		fakevf_read(&vf, BAR2_GPA + 0x1000, 4);
		fakevf_read(&vf, cfg, 2);
		if (rand_r(&seed) % 4 == 0)
			fakevf_write(&vf, cfg + VF_CAP_MSIX + 2, 2, 0);
		if (rand_r(&seed) % 4 == 0)
			fakevf_write(&vf, cfg + 4, 2, 0);
		sched_yield();
	}
	return NULL;
}

/* ---- ctl ------------------------------------------------------------------------------------ */

static void open_chan(void)
{
	static uint8_t *page[2 * PAGES];
	struct vmbus_local_open o = {
		.relid = 1, .split = PAGES, .nr_pages = 2 * PAGES, .page = page};

	for (uint32_t i = 0; i < 2 * PAGES; i++)
		page[i] = ram[i];
	memset(ram, 0, sizeof(ram));
	vmbus_ring_init_pages(&out, page, PAGES, 0);
	vmbus_ring_init_pages(&in, page + PAGES, PAGES, 0);
	check(chan_ops->open(chan_ctx, &o) == 0);
	is_open = true;
}

static void run(struct vpci *v, int round, unsigned int *nr_d0)
{
	struct vpci_status st;
	pthread_t guest;

	guest = start(guest_main, nr_d0);
	for (int i = 0; i < 20; i++) {
		vpci_status(v, &st);
		vpci_process(v);
		if (i == 10 && round % 3 == 1)
			vpci_eject(v);
		if (i == 10 && round % 3 == 2)
			vpci_surprise(v);
		sched_yield();
	}
	check(!pthread_join(guest, NULL));
}

int main(void)
{
	unsigned int nr_d0 = 0;
	pthread_t vp[2];

	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fakevf_init(&vf);
	for (uintptr_t i = 0; i < 2; i++)
		vp[i] = start(vp_main, (void *)(i + 1));
	for (int i = 0; i < ROUNDS; i++) {
		struct vpci_cfg cfg = fakevf_cfg(&vf);
		struct vpci *v;

		cfg.bus = &ops;
		vf.is_d0 = false;
		check(vpci_create(&v, &cfg) == 0);
		open_chan();
		run(v, i, &nr_d0);
		if (i % 2)
			close_chan();
		check(vpci_destroy(v) == 0);
		check(!fakevf_nr_maps(&vf) && !fakevf_nr_windows(&vf) && !vf.nr_irqs);
	}
	is_over = true;
	for (int i = 0; i < 2; i++)
		pthread_join(vp[i], NULL);
	check(nr_d0 >= ROUNDS);
	printf("%u times in D0, %u resets\n", nr_d0, vf.nr_resets);
	fakevf_fini(&vf);
	fd_close(&bell);
	fd_close(&irq);
	return 0;
}
