/* SPDX-License-Identifier: BSD-3-Clause */
/* DMA faults of VFs: whose they are, what is shown of them, and when a VF is taken away for them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/support/supvfbed.h"

static int kmsg = -1; /* where the kernel would write */

static void setup(void)
{
	char path[300];

	supvf_setup();
	snprintf(path, sizeof(path), "%s/dev", supvf.h.root);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/dev/kmsg", supvf.h.root);
	cr_assert_eq(mkfifo(path, 0600), 0);
	kmsg = open(path, O_RDWR | O_CLOEXEC);
	cr_assert_geq(kmsg, 0);
	supvf_begin(SUPVF_UPLINK(""));
}

static void teardown(void)
{
	supvf_teardown();
	close(kmsg);
}

TestSuite(mgmt_sup_vf_fault, .init = setup, .fini = teardown, .timeout = 60);

/* The kernel tells of a write by the device to an address, and the supervisor's loop runs. */
static void faults(const char *bdf, unsigned int times)
{
	char rec[200];
	int n = snprintf(
		rec, sizeof(rec),
		"4,1,2,-;DMAR: [DMA Write NO_PASID] Request device [%s] fault addr 0x7654000 "
		"[fault reason 0x05] PTE Write access is not set\n",
		bdf + strlen("0000:"));

	while (times--) {
		cr_assert_eq(write(kmsg, rec, (size_t)n), n);
		cr_assert_eq(loop_once(&supvf.sup->loop, 1000), 1);
	}
}

static json_t *nic_json(const char *name)
{
	json_t *all = sup_vf_json(supvf.sup), *nic, *found = NULL;
	size_t i;

	json_array_foreach(json_object_get(all, "nics"), i,
			   nic) if (!strcmp(json_string_value(json_object_get(nic, "nic")), name))
		found = json_incref(nic);
	json_decref(all);
	cr_assert_not_null(found);
	return found;
}

static json_int_t shown(const char *name)
{
	json_t *o = nic_json(name);
	json_int_t n = json_integer_value(json_object_get(o, "dma_faults"));

	json_decref(o);
	return n;
}

Test(mgmt_sup_vf_fault, is_counted_for_who_has_the_vf_with_its_address)
{
	json_t *o;

	supvf_bring_up(0, "p/0");
	supvf_bring_up(1, "q/0");
	faults(supvf_nic("q/0")->vf->bdf, 2);
	cr_expect_eq(shown("p/0"), 0);
	cr_expect_eq(shown("q/0"), 2);
	o = nic_json("q/0");
	cr_expect(strstr(json_string_value(json_object_get(o, "last_dma_fault")),
			 "a write to 0x7654000 was stopped"));
	json_decref(o);
	supvf_expect_state("q/0", VFM_PATH_VF);
}

Test(mgmt_sup_vf_fault, of_others_is_nobodys)
{
	supvf_bring_up(0, "p/0");
	faults("0000:77:00.0", 40);
	cr_expect_eq(shown("p/0"), 0);
	supvf_expect_state("p/0", VFM_PATH_VF);
}

Test(mgmt_sup_vf_fault, again_and_again_takes_the_vf_away_until_the_operator_gives_one)
{
	char bdf[SRIOV_BDF_MAX];
	json_t *o;

	supvf_bring_up(0, "p/0");
	snprintf(bdf, sizeof(bdf), "%s", supvf_nic("p/0")->vf->bdf);
	faults(bdf, 15);
	supvf_expect_state("p/0", VFM_PATH_VF);
	faults(bdf, 3);
	supvf_worker_answers(0, "vf_remove", NULL);
	supvf_said(0, "p/0", "gone");
	cr_expect(fake_has_filter(supvf.fake, supvf_mac_p));
	supvf_time_passes();
	supvf_expect_state("p/0", VFM_NONE);
	cr_expect_eq(shown("p/0"), 18);
	o = nic_json("p/0");
	cr_expect_str_eq(json_string_value(json_object_get(o, "cause")), "dma-faults");
	cr_expect(strstr(json_string_value(json_object_get(o, "why")), "0x7654000"));
	json_decref(o);
	sup_vf_configured(supvf.sup);
	supvf_expect_state("p/0", VFM_NONE);
	supvf_ask(3, "vf_assign", "{\"nic\": \"p/0\"}");
	supvf_worker_answers(0, "vf_add", NULL);
	supvf_said(0, "p/0", "guest");
	faults(supvf_nic("p/0")->vf->bdf, 15);
	cr_expect_eq(supvf_nic("p/0")->m.state, VFM_GUEST, "another VF begins at 0");
}

static ssize_t fails(int fd, void *buf, size_t len)
{
	errno = EIO;
	return -1;
}

Test(mgmt_sup_vf_fault, a_log_that_cannot_be_read_is_no_busy_loop)
{
	supvf.sup->vf->faults.read = fails;
	supvf_bring_up(0, "p/0");
	faults(supvf_nic("p/0")->vf->bdf, 1);
	cr_expect_eq(supvf.sup->vf->faults.fd, -1);
	cr_expect_eq(loop_once(&supvf.sup->loop, 0), 0);
	supvf_expect_state("p/0", VFM_PATH_VF);
}
