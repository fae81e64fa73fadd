/* SPDX-License-Identifier: BSD-3-Clause */
/* lab_pf PF: the PF's side against a driver and a NIC that are not ours: VFs made, set up, given to vfio-pci
 * and taken back, filters counted. Leaves the PF without VFs. Prints "ok NAME" or "not ok NAME - why". */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "iommu/why.h"
#include "sriov/bind.h"
#include "sriov/filter.h"
#include "sriov/pf.h"

static struct sriov_sys sys;
static struct sriov_nl *nl;
static struct sriov_pf *pf;
static int bad;

static void say(const char *name, bool is_ok, const char *why)
{
	bad |= !is_ok;
	printf(is_ok ? "ok %s\n" : "not ok %s - %s\n", name, why);
	fflush(stdout);
}

/* 0, or the text of the error. */
static void check(const char *name, int rc)
{
	say(name, !rc, err_text());
}

static void refused(const char *name, int rc, enum iommu_why why)
{
	bool is_told =
		rc < 0 && iommu_refused() == why && strstr(err_text(), iommu_why_row(why)->step);

	printf("# %s\n", err_text());
	say(name, is_told, rc < 0 ? err_text() : "it was done");
}

static void show(const struct sriov_plan *plan)
{
	for (unsigned int i = 0; i < plan->nr; i++)
		printf("# %s: %s %s\n", plan->step[i].text, sriov_step_word(plan->step[i].state),
		       plan->step[i].why);
}

static const struct sriov_vf_want wanted[] = {
	{.vf = 0,
	 .to = {.fields = (1u << SRIOV_FIELDS) - 1,
		.mac = {2, 0x4e, 0, 0, 0, 1},
		.spoofchk = true}},
	{.vf = 1,
	 .to = {.fields = (1u << SRIOV_FIELDS) - 1,
		.mac = {2, 0x4e, 0, 0, 0, 2},
		.vlan = 5,
		.qos = 2,
		.trust = true,
		.link = SRIOV_LINK_UP}},
};

static void numbers(void)
{
	struct sriov_pf_want two = {
		.nr_vfs = 2, .autoprobe = 0, .is_up = 1, .is_promisc = SRIOV_KEEP};
	struct sriov_pf_want many = {
		.nr_vfs = 255, .autoprobe = 0, .is_up = 1, .is_promisc = SRIOV_KEEP};
	struct sriov_plan plan;

	check("two VFs", sriov_pf_set(pf, &two));
	say("as wanted", !sriov_pf_plan(pf, &two, &plan) && !plan.nr, "a second time has steps");
	sriov_plan_fini(&plan);
	refused("too many VFs", sriov_pf_set(pf, &many), IOMMU_WHY_VF_TOO_MANY);
}

static void settings(void)
{
	struct sriov_pf_want want = {SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP, wanted, 2};
	static const struct sriov_vf_want none = {
		.vf = 0, .to = {.fields = 1u << SRIOV_MAC | 1u << SRIOV_VLAN}};
	struct sriov_pf_want away = {SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP, &none, 1};
	static const struct sriov_vf_want odd = {
		.vf = 0, .to = {.fields = 1u << SRIOV_VLAN, .vlan = 5, .qos = 8}};
	struct sriov_pf_want bad_qos = {SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP, &odd, 1};
	struct sriov_plan plan;
	int rc = sriov_pf_plan(pf, &want, &plan);
	bool has_link = false;

	if (!rc)
		rc = sriov_pf_apply(pf, &plan);
	check("settings of two VFs", rc);
	show(&plan);
	for (unsigned int i = 0; i < plan.nr; i++)
		has_link |= plan.step[i].field == SRIOV_LINK && plan.step[i].kind == SRIOV_DO_VF &&
			    plan.step[i].state == SRIOV_STEP_UNSUPPORTED;
	say("link state is said not to be supported", has_link, "it was done");
	sriov_plan_fini(&plan);
	check("address taken away", sriov_pf_set(pf, &away));
	refused("a priority that there is not", sriov_pf_set(pf, &bad_qos), IOMMU_WHY_VF_CONFIG);
}

static void drivers(void)
{
	char bdf[SRIOV_BDF_MAX], former[SRIOV_NAME_MAX], group[SRIOV_NAME_MAX], path[64];
	int fd;

	check("address of a VF", sriov_pf_vf(pf, 1, bdf));
	check("bind to vfio-pci", sriov_bind(&sys, bdf, "vfio-pci", former));
	check("nobody has it open", sriov_is_open(&sys, bdf));
	check("reset", sriov_clean(&sys, bdf));
	sriov_sys_link(&sys, group, sizeof(group), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	snprintf(path, sizeof(path), "/dev/vfio/%s", group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	say("its group can be opened", fd >= 0, strerror(errno));
	say("somebody has it open", sriov_is_open(&sys, bdf) == 1, "not noticed");
	refused("unbind while open", sriov_unbind(&sys, bdf, former), IOMMU_WHY_BUSY);
	close(fd);
	check("unbind", sriov_unbind(&sys, bdf, former));
	check("bind to a host's driver", sriov_bind(&sys, bdf, "igbvf", former));
	check("from there to vfio-pci", sriov_bind(&sys, bdf, "vfio-pci", former));
	say("the former driver is known", !strcmp(former, "igbvf"), former);
	check("and back", sriov_unbind(&sys, bdf, former));
}

static void filters(void)
{
	const struct sriov_pf_info *i = sriov_pf_info(pf);
	uint8_t mac[6] = {2, 0x4e, 1, 0, 0, 0};
	struct sriov_filter *f;
	int rc = sriov_filter_create(&f, nl, i->ifindex, i->ifname, sriov_pf_filter_slots(i, 2));
	unsigned int n = 0;

	for (; !rc; n++) {
		mac[5] = (uint8_t)n;
		rc = sriov_filter_to_pf(f, mac);
	}
	printf("# %u filters: %s\n", n - 1, err_text());
	refused("filters are full", rc, IOMMU_WHY_FILTERS_FULL);
	say("21 filters fit beside two VFs", n - 1 == 21, err_text());
	mac[5] = 3;
	check("one goes to a VF", sriov_filter_to_vf(f, mac));
	check("and comes back", sriov_filter_to_pf(f, mac));
	sriov_filter_forget_all(f);
	sriov_filter_destroy(f);
}

static void finish(void)
{
	struct sriov_pf_want none = {
		.nr_vfs = 0, .autoprobe = 1, .is_up = SRIOV_KEEP, .is_promisc = SRIOV_KEEP};

	check("no VFs any more", sriov_pf_set(pf, &none));
}

int main(int argc, char **argv)
{
	int rc;

	if (argc != 2)
		return 2;
	sys = sriov_sys_host();
	rc = sriov_nl_create(&nl, NULL, NULL);
	if (!rc)
		rc = sriov_pf_open(&pf, &sys, nl, argv[1]);
	check("the PF is found", rc);
	if (!rc) {
		numbers();
		settings();
		drivers();
		filters();
		finish();
	}
	sriov_pf_close(pf);
	sriov_nl_destroy(nl);
	return bad;
}
