/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker's own devices behind the real control server: a guest finds, opens, uses and closes them
 * by messages, and loses the one whose protocol it breaks. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <nethv/abi/ic.h>
#include <nethv/abi/storvsc.h>

#include "base/err.h"
#include "base/fd.h"
#include "tests/support/vmbus_guest.h"
#include "tests/support/vspbed.h"

#define SPLIT 8u

static struct vsp *v;
static char path[SCRATCH_PATH];
static int bell[16], irq;
static uint32_t irq_vp, irq_relid; /* of the last interrupt; atomic */
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
	__atomic_store_n(&irq_vp, vp, __ATOMIC_RELAXED);
	__atomic_store_n(&irq_relid, relid, __ATOMIC_RELAXED);
	fd_kick(irq);
}

static uint64_t ref_time(void *ctx)
{
	return 0;
}

static const struct vsp_ops ops = {offer, rescind, fault, doorbell_fd, raise_irq, ref_time};

static void setup(void)
{
	struct vsp_disk_cfg disk = {path, false};
	struct vsp_cfg cfg = {.name = "vm/test",
			      .id = "test",
			      .disk = &disk,
			      .nr_disks = 1,
			      .has_integration = true};

	start((struct loop_cfg){.is_alone = true});
	bed_file(path, 65536);
	irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (int i = 0; i < 16; i++)
		bell[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cfg.gm = loop_gmem(l);
	cr_assert_eq(vsp_create(&v, &cfg, &ops, NULL), 0, "%s", err_text());
}

static void teardown(void)
{
	vsp_destroy(v);
	stop();
	bed_file_gone(path);
	fd_close(&irq);
	for (int i = 0; i < 16; i++)
		fd_close(&bell[i]);
}

TestSuite(vmbus_vsp_bus, .init = setup, .fini = teardown, .timeout = 60);

/* ---- The guest ------------------------------------------------------------------------------ */

static uint32_t open_class(struct vmbus_guid class)
{
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

static void send(uint32_t relid, uint32_t op)
{
	struct vstor_packet p = {.operation = op, .flags = 1};
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND,
				   .offset8 = 2,
				   .len8 = (16 + sizeof(p)) / 8,
				   .flags = 1,
				   .trans_id = 5};

	vmbus_ring_put(&out, &d, NULL, 0, &p, sizeof(p));
	if (vmbus_ring_publish_write(&out))
		fd_kick(bell[relid]);
}

static void await(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	cr_assert_eq(poll(&p, 1, 30000), 1);
	fd_drain(fd);
}

static struct vmbus_pkt_desc receive(void)
{
	struct vmbus_pkt_desc d;
	int32_t n;

	while (!(n = vmbus_ring_avail(&in)))
		await(irq);
	n = vmbus_ring_peek(&in, (uint32_t)n, &d);
	cr_assert_gt(n, 0);
	vmbus_ring_skip(&in, (uint32_t)n);
	vmbus_ring_publish_read(&in);
	return d;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

Test(vmbus_vsp_bus, a_guest_finds_opens_and_closes_them)
{
	uint32_t relid;

	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 5, "a controller and four components");
	for (int i = 0; i < 3; i++) {
		relid = open_class(VSTOR_CLASS);
		send(relid, VSTOR_BEGIN_INITIALIZATION);
		cr_assert_eq(receive().type, VMBUS_PKT_COMPLETION);
		cr_assert_eq(irq_vp, 1);
		cr_assert_eq(irq_relid, relid);
		loop_close(l, relid);
		loop_teardown(l, relid, RING + relid);
	}
	relid = open_class(IC_CLASS_HEARTBEAT);
	cr_assert_eq(receive().type, VMBUS_PKT_INBAND, "the host speaks first");
	cr_assert_eq(irq_relid, relid);
}

Test(vmbus_vsp_bus, who_breaks_the_protocol_loses_the_device)
{
	uint32_t relid;

	loop_connect(l, VMBUS_V5_3);
	relid = open_class(VSTOR_CLASS);
	send(relid, VSTOR_EXECUTE_SRB);
	await(vsp_fd(v));
	vsp_process(v);
	loop_expect(l, VMBUS_MSG_RESCIND, buf);
	cr_assert(strstr(chan(relid).reason, "out of order"), "%s", chan(relid).reason);
	cr_assert(chan(relid).is_rescinded);
	relid = open_class(IC_CLASS_KVP);
	cr_assert_eq(receive().type, VMBUS_PKT_INBAND, "the others stay");
}

Test(vmbus_vsp_bus, a_guest_that_leaves_may_come_again)
{
	struct vmbus_msg_hdr unload = {.msgtype = VMBUS_MSG_UNLOAD};
	uint32_t relid;

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(loop_connect(l, VMBUS_V5_3), 5);
		relid = open_class(VSTOR_CLASS);
		send(relid, VSTOR_BEGIN_INITIALIZATION);
		receive();
		open_class(IC_CLASS_SHUTDOWN);
		cr_assert_eq(loop_post(l, &unload, sizeof(unload)), VMBUS_POST_OK);
		loop_expect(l, VMBUS_MSG_UNLOAD_RESPONSE, buf);
		memset(page[0], 0x77, 4096); /* it is the guest's again */
		fd_kick(bell[relid]);
	}
}

Test(vmbus_vsp_bus, the_worker_may_end_at_any_time)
{
	loop_connect(l, VMBUS_V5_3);
	send(open_class(VSTOR_CLASS), VSTOR_BEGIN_INITIALIZATION);
	open_class(IC_CLASS_TIMESYNC);
}
