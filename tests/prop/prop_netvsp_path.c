/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests that switch, close and reset, workers that answer late or badly, VFs that come and go, policies,
 * and switches that are killed, in random order, against a naive model of who is owed an answer and where
 * frames may come. The real ring, the real link, the real state memory. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/eal.h"
#include "tests/support/prng.h"
#include "tests/support/vfbed.h"
#include "vswitch/policy/config.h"
#include "vswitch/policy/policy.h"
#include "vswitch/vswitch.h"

#define WAITING_MAX 4u

TestSuite(netvsp_path, .init = eal_up, .timeout = 200);

static struct bed bed;
static struct vfbed v;
static struct vmbus_gpadl *recv_buf;
static struct prng rng;

/* What the guest asked and was not answered yet, oldest first; and what it knows. */
static struct {
	uint64_t id[WAITING_MAX];
	bool wants_answer[WAITING_MAX];
	unsigned int n;
	uint64_t next_id;
	bool has_vf; /* heard of it */
	uint32_t serial;
} guest;

/* What the worker did: the NIC as it is now. */
static struct {
	bool has_vf;
	uint32_t serial;
	bool nic_to_vf;	 /* the NIC delivers to the VF */
	bool is_unknown; /* after a failure: either */
} worker;

static bool has_policy;
static unsigned int nr_answered, nr_silent, nr_kills, nr_on_vf;

static struct vsw_acl_rule rule = {
	.name = "r", .layer = VSW_ACL_ETHER, .ways = VSW_ACL_INGRESS, .ether_type = 0x1234};
static const struct vsw_policy_cfg policy = {.rules = &rule, .nr_rules = 1};

static void guest_forgets(void)
{
	guest.n = 0;
	guest.has_vf = false;
}

static void guest_opens(void)
{
	guest_forgets();
	bed.nic->chan[0].vch = &bed.chan[0].vch; /* the backend keeps it over a close */
	bed_open(&bed, 0);
	bed_ready(&bed, recv_buf, NULL);
	bed.nic->st->ndis_caps = NVSP_NDIS_CAP_SRIOV;
	netvsp_vf_greet(bed.nic);
}

/* ---- What the guest reads ------------------------------------------------------------------- */

static void guest_answered(uint64_t id)
{
	/* Those that asked for no answer were taken before. */
	while (guest.n && !guest.wants_answer[0]) {
		memmove(guest.id, guest.id + 1, sizeof(guest.id) - sizeof(guest.id[0]));
		memmove(guest.wants_answer, guest.wants_answer + 1, sizeof(guest.wants_answer) - 1);
		guest.n--;
	}
	cr_assert_gt(guest.n, 0, "an answer that nobody waits for");
	cr_assert_eq(guest.id[0], id, "in order, each once");
	memmove(guest.id, guest.id + 1, sizeof(guest.id) - sizeof(guest.id[0]));
	memmove(guest.wants_answer, guest.wants_answer + 1, sizeof(guest.wants_answer) - 1);
	guest.n--;
	nr_answered++;
}

static void guest_reads(void)
{
	uint8_t buf[512];
	struct vmbus_pkt_desc d;
	struct nvsp_msg m;
	uint32_t len;

	while ((len = bed_recv(&bed, 0, buf, sizeof(buf)))) {
		memcpy(&d, buf, sizeof(d));
		if (d.type == VMBUS_PKT_COMPLETION) {
			cr_assert_eq(len, 16);
			guest_answered(d.trans_id);
			continue;
		}
		cr_assert_eq(d.type, VMBUS_PKT_INBAND);
		memcpy(&m, buf + d.offset8 * 8u, sizeof(m));
		cr_assert_eq(m.type, NVSP_MSG_VF_ASSOCIATION);
		guest.has_vf = m.vf_association.allocated;
		guest.serial = m.vf_association.serial;
		cr_assert(guest.has_vf || !vsw_port_vf_path(bed.nic->port),
			  "it goes after the path is synthetic");
	}
}

/* The oldest request is not in the ring any more. */
static void count_silent(void)
{
	while (guest.n && !guest.wants_answer[0] &&
	       bed.chan[0].to_host.ctrl->read_index == bed.chan[0].to_host.own) {
		memmove(guest.id, guest.id + 1, sizeof(guest.id) - sizeof(guest.id[0]));
		memmove(guest.wants_answer, guest.wants_answer + 1, sizeof(guest.wants_answer) - 1);
		guest.n--;
		nr_silent++;
	}
}

/* ---- Steps ---------------------------------------------------------------------------------- */

static void guest_asks(void)
{
	if (guest.n == WAITING_MAX)
		return;
	guest.id[guest.n] = guest.next_id++;
	guest.wants_answer[guest.n] = prng_below(&rng, 4) != 0;
	vfbed_ask(&v, prng_below(&rng, 2), guest.wants_answer[guest.n], guest.id[guest.n]);
	guest.n++;
}

static void worker_answers(void)
{
	bool fails = prng_below(&rng, 6) == 0;

	if (!v.path_id)
		return;
	worker.is_unknown = fails;
	if (!fails)
		worker.nic_to_vf = v.is_vf;
	vfbed_answer(&v, fails ? -EIO : 0, fails ? "made up" : NULL);
}

static void worker_changes_vf(void)
{
	worker.has_vf = !worker.has_vf;
	if (worker.has_vf)
		worker.serial++;
	vfbed_vf(&v, worker.serial, worker.has_vf);
}

static void guest_reopens(void)
{
	bed_close(&bed, 0);
	guest_opens();
}

static void guest_resets(void)
{
	bed_close(&bed, 0);
	bed.nic->chan[0].vch = &bed.chan[0].vch;
	vfbed_reset(&v);
	guest_opens();
	cr_assert(!vsw_port_vf_path(bed.nic->port) || (v.path_id && !v.is_vf));
}

/* A new process: what is in no shared memory is gone, the link is new, requests on it are void. */
static void switch_dies(void)
{
	const struct vmbus_backend_ops *ops = netvsp_backend(bed.nv)->ops;

	nr_kills++;
	vsw_event_process(bed.sw); /* of the dead: nothing comes of it */
	vfbed_hear(&v);
	bed.chan[0].vch.path_id = 0;
	v.path_id = 0;
	bed.nic->chan[0].vch = NULL;
	ops->close(&bed.chan[0].vch);
	vsw_port_vf_path_set(bed.nic->port, VSW_VF_PATH_OFF, NULL);
	memset(&bed.nic->vf, 0, sizeof(bed.nic->vf));
	netvsp_vf_init(bed.nic);
	bed.nic->chan[0].vch = &bed.chan[0].vch;
	if (worker.serial)
		vfbed_vf(&v, worker.serial, worker.has_vf);
	cr_assert_eq(ops->open(&bed.chan[0].vch, VMBUS_OPEN_RESUME), 0);
}

static void policy_changes(void)
{
	has_policy = !has_policy;
	cr_assert_eq(vsw_port_set_policy(bed.nic->port, has_policy ? &policy : NULL), 0);
	netvsp_vf_tick(bed.nic, bed.nic->vf.asked_ms);
	vfbed_hear(&v);
}

static void time_passes(void)
{
	netvsp_vf_tick(bed.nic, bed.nic->vf.asked_ms + 10000 * prng_below(&rng, 2));
	vfbed_hear(&v);
}

static void lcore_turns(void)
{
	vfbed_turn(&v);
}

/* What holds after each step, whatever came before. */
static void judge(void)
{
	const struct netvsp_path *p = &bed.nic->vf.path;
	bool on = vsw_port_vf_path(bed.nic->port);

	cr_assert_not(bed.nic->chan[0].is_faulted);
	cr_assert_eq(on, p->state != NETVSP_PATH_SYNTHETIC, "the port delivers iff it is so");
	cr_assert_eq(bed.chan[0].vch.info.state->path.state, p->state, "and a successor knows");
	if (p->state == NETVSP_PATH_VF) {
		cr_assert(worker.nic_to_vf && !worker.is_unknown, "someone delivers");
		cr_assert(worker.has_vf && !has_policy);
		nr_on_vf++;
	}
	if (p->state == NETVSP_PATH_SYNTHETIC && !v.path_id && !worker.is_unknown && !p->is_dirty)
		cr_assert_not(worker.nic_to_vf, "and nobody twice");
	guest_reads();
	count_silent();
}

/* With everybody doing what he owes, nobody waits any more. */
static void settle(void)
{
	unsigned int i;

	for (i = 0; i < 200 && (guest.n || v.path_id); i++) {
		if (v.path_id) {
			worker.is_unknown = false;
			worker.nic_to_vf = v.is_vf;
			vfbed_answer(&v, 0, NULL);
		}
		lcore_turns();
		judge();
	}
	lcore_turns(); /* what it is to hear */
	judge();
	cr_assert_eq(guest.n, 0, "%u requests without answer", guest.n);
	cr_assert_eq(guest.has_vf, worker.has_vf && !has_policy);
	cr_assert(!guest.has_vf || guest.serial == worker.serial);
}

Test(netvsp_path, each_request_is_answered_once_and_frames_come_one_way)
{
	static const struct netvsp_nic_cfg cfg = {.mtu = 1500,
						  .max_channels = 4,
						  .vf_switches_max = NETVSP_VF_HISTORY,
						  .vf_window_ms = 1,
						  .vf_quiet_ms = 1};
	static void (*const step[])(void) = {
		guest_asks,	guest_asks,	guest_asks,	   worker_answers, worker_answers,
		worker_answers, worker_answers, lcore_turns,	   lcore_turns,	   lcore_turns,
		lcore_turns,	lcore_turns,	worker_changes_vf, guest_reopens,  guest_resets,
		switch_dies,	policy_changes, time_passes,
	};
	unsigned int i, steps = prng_steps(6000);

	prng_init(&rng);
	bed_create(&bed, &cfg, NULL, 64);
	recv_buf = bed_gpadl(&bed, 0x10, NULL, bed_alloc(&bed, 24), 24);
	vfbed_up(&v, &bed);
	guest_opens();
	for (i = 0; i < steps; i++) {
		step[prng_below(&rng, sizeof(step) / sizeof(step[0]))]();
		judge();
		if (i % 100 == 99)
			settle();
	}
	if (steps >= 6000) {
		cr_assert_gt(nr_answered, 100);
		cr_assert_gt(nr_silent, 10);
		cr_assert_gt(nr_kills, 100);
		cr_assert_gt(nr_on_vf, 100);
	}
	vfbed_down(&v);
	bed_destroy(&bed);
}
