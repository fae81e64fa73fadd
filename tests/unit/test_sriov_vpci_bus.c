/* SPDX-License-Identifier: BSD-3-Clause */
/* vPCI behind the real control server: a guest finds the bus, resets with the function in D0, breaks the
 * protocol, or goes away. */
#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/err.h"
#include "base/fd.h"
#include "sriov/vpci.h"
#include "tests/support/fakevf.h"
#include "tests/support/vmbus_guest.h"
#include "vmbus/vsp/vsp.h"

#define SPLIT	5u
#define WIN_GPA 0xF8000000ull

static struct fakevf vf;
static struct vpci *v;
static int bell[16], irq;
static uint8_t *page[2 * SPLIT];
static struct vmbus_ring out, in;

static int offer(void *ctx, const struct vmbus_local_cfg *cfg, const struct vmbus_local_ops *ops,
		 void *ch)
{
	return vmbus_server_offer_local(loop_server(l), cfg, ops, ch);
}

static void rescind(void *ctx, uint32_t relid)
{
	vmbus_server_rescind_local(loop_server(l), relid);
}

static void fault(void *ctx, uint32_t relid, const char *why)
{
	vmbus_server_fault_local(loop_server(l), relid, why);
}

static int doorbell_fd(void *ctx, uint32_t relid)
{
	return bell[relid];
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

static void setup(void)
{
	struct vpci_cfg cfg;

	start((struct loop_cfg){.is_alone = true});
	irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (int i = 0; i < 16; i++)
		bell[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fakevf_init(&vf);
	cfg = fakevf_cfg(&vf);
	cfg.bus = &ops;
	cr_assert_eq(vpci_create(&v, &cfg), 0, "%s", err_text());
}

static void teardown(void)
{
	vpci_destroy(v);
	stop();
	fakevf_fini(&vf);
	fd_close(&irq);
	for (int i = 0; i < 16; i++)
		fd_close(&bell[i]);
}

TestSuite(sriov_vpci_bus, .init = setup, .fini = teardown, .timeout = 60);

/* ---- The guest ------------------------------------------------------------------------------ */

static uint32_t open_bus(void)
{
	struct vmbus_guid class = VPCI_CLASS;
	uint32_t relid = loop_offer(l, &class, 0)->child_relid;
	uint64_t pfn = loop_alloc(l, 2 * SPLIT);

	cr_assert_eq(loop_gpadl(l, relid, RING + relid, NULL, pfn, 2 * SPLIT), 0);
	loop_pages(l, NULL, pfn, 2 * SPLIT, page);
	for (uint32_t i = 0; i < 2 * SPLIT; i++)
		memset(page[i], 0, 4096);
	cr_assert_eq(loop_open(l, relid, RING + relid, SPLIT, 1), 0);
	vmbus_ring_init_pages(&out, page, SPLIT, 0);
	vmbus_ring_init_pages(&in, page + SPLIT, SPLIT, 0);
	return relid;
}

static void send(uint32_t relid, const void *msg, uint32_t len)
{
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND,
				   .offset8 = 2,
				   .len8 = (uint16_t)((16 + len + 7) / 8),
				   .flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED,
				   .trans_id = 5};

	vmbus_ring_put(&out, &d, NULL, 0, msg, len);
	if (vmbus_ring_publish_write(&out))
		fd_kick(bell[relid]);
}

static void await(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	cr_assert_eq(poll(&p, 1, 30000), 1);
	fd_drain(fd);
}

/* The status of the next completion. */
static uint32_t receive(void)
{
	struct vmbus_pkt_desc d;
	uint32_t status;
	int32_t n;

	while (!(n = vmbus_ring_avail(&in)))
		await(irq);
	n = vmbus_ring_peek(&in, (uint32_t)n, &d);
	cr_assert_gt(n, 0);
	cr_assert_eq(d.type, VMBUS_PKT_COMPLETION);
	vmbus_ring_read(&in, vmbus_ring_wrap(&in, in.own + 16), &status, sizeof(status));
	vmbus_ring_skip(&in, (uint32_t)n);
	vmbus_ring_publish_read(&in);
	return status;
}

/* Opened, in D0, with memory and mastery. */
static uint32_t start_function(void)
{
	struct vpci_version_query version = {VPCI_QUERY_PROTOCOL_VERSION, VPCI_V1_4};
	struct vpci_d0_entry entry = {VPCI_D0ENTRY, 0, WIN_GPA};
	uint64_t cfg = WIN_GPA + VPCI_WINDOW_PAGE;
	uint32_t relid = open_bus();

	send(relid, &version, sizeof(version));
	cr_assert_eq(receive(), 0);
	send(relid, &entry, sizeof(entry));
	cr_assert_eq(receive(), 0);
	fakevf_write(&vf, cfg + 0x18, 4, 0xF8100000);
	fakevf_write(&vf, cfg + VF_CAP_MSIX + 2, 2, 0x8000);
	fakevf_write(&vf, cfg + 4, 2, 6);
	cr_assert_gt(fakevf_nr_maps(&vf), 0);
	return relid;
}

static void expect_taken_back(unsigned int nr_resets)
{
	cr_assert_eq(fakevf_nr_maps(&vf) + fakevf_nr_windows(&vf), 0);
	cr_assert_eq(vf.window[0].len, 0);
	cr_assert(!vf.has_irqs);
	cr_assert_eq(fakevf_reg(&vf, 4, 2), 0);
	cr_assert_eq(vf.nr_resets, nr_resets);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

Test(sriov_vpci_bus, a_guest_that_resets_leaves_the_function_as_after_power_on)
{
	struct vmbus_msg_hdr unload = {.msgtype = VMBUS_MSG_UNLOAD};

	for (unsigned int i = 1; i <= 3; i++) {
		cr_assert_eq(loop_connect(l, VMBUS_V5_3), 1);
		start_function();
		cr_assert_eq(loop_post(l, &unload, sizeof(unload)), VMBUS_POST_OK);
		loop_expect(l, VMBUS_MSG_UNLOAD_RESPONSE, buf);
		expect_taken_back(i);
	}
}

/* A crash kernel says nothing to the bus of before: the connection begins anew. */
Test(sriov_vpci_bus, a_new_contact_takes_the_function_back)
{
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 1);
	start_function();
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 1);
	expect_taken_back(1);
	start_function();
}

Test(sriov_vpci_bus, who_breaks_the_protocol_loses_the_function)
{
	uint32_t relid, type = VPCI_CREATE_INTERRUPT3;

	loop_connect(l, VMBUS_V5_3);
	relid = start_function();
	send(relid, &type, sizeof(type));
	while (!chan(relid).is_rescinded) { /* it may tell of D0 before */
		await(vpci_fd(v));
		vpci_process(v);
	}
	loop_expect(l, VMBUS_MSG_RESCIND, buf);
	cr_assert(strstr(chan(relid).reason, "0x4249001b"), "%s", chan(relid).reason);
	expect_taken_back(1);
}

Test(sriov_vpci_bus, iov_6_destroying_it_withdraws_the_channel)
{
	loop_connect(l, VMBUS_V5_3);
	start_function();
	vpci_surprise(v);
	cr_assert_eq(vpci_destroy(v), 0);
	v = NULL;
	loop_expect(l, VMBUS_MSG_RESCIND, buf);
	expect_taken_back(1);
}
