/* SPDX-License-Identifier: BSD-3-Clause */
#include "sriov/bind.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "iommu/why.h"

#define DEV		   "/sys/bus/pci/devices/%s"
#define PCI_COMMAND	   4
#define PCI_COMMAND_MASTER 0x4

int sriov_driver(const struct sriov_sys *s, const char *bdf, char out[SRIOV_NAME_MAX])
{
	int rc = sriov_sys_link(s, out, SRIOV_NAME_MAX, DEV "/driver", bdf);

	if (!rc)
		return 0;
	out[0] = 0;
	if (!sriov_sys_exists(s, DEV, bdf))
		return iommu_refuse(IOMMU_WHY_GONE, bdf, NULL);
	return 0;
}

int sriov_is_open(const struct sriov_sys *s, const char *bdf)
{
	char group[SRIOV_NAME_MAX];

	if (sriov_sys_link(s, group, sizeof(group), DEV "/iommu_group", bdf))
		return 0;
	return sriov_sys_is_open(s, "/dev/vfio/%s", group) == 1;
}

/* Until @bdf has @driver ("": none). */
static int await_driver(const struct sriov_sys *s, const char *bdf, const char *driver,
			char now[SRIOV_NAME_MAX])
{
	for (int waited = 0;; waited += SRIOV_TRY_MS) {
		int rc = sriov_driver(s, bdf, now);

		if (rc || !strcmp(now, driver))
			return rc;
		if (waited >= SRIOV_TIMEOUT_MS)
			return -ETIMEDOUT;
		sriov_sys_sleep(s, SRIOV_TRY_MS);
	}
}

/* @driver "": none. What is there without an override reads "(null)". */
static int set_override(const struct sriov_sys *s, const char *bdf, const char *driver)
{
	char now[SRIOV_NAME_MAX];
	int rc = sriov_sys_write(s, driver[0] ? driver : "\n", DEV "/driver_override", bdf);

	if (!rc)
		rc = sriov_sys_read(s, now, sizeof(now), DEV "/driver_override", bdf);
	if (rc)
		return iommu_refuse(IOMMU_WHY_VFIO_FAILED, bdf, "driver_override = %s: %s",
				    driver[0] ? driver : "none", strerror(-rc));
	if (!strcmp(now, "(null)"))
		now[0] = 0;
	if (strcmp(now, driver) != 0)
		return iommu_refuse(IOMMU_WHY_VFIO_FAILED, bdf,
				    "driver_override: expected %s, found %s",
				    driver[0] ? driver : "none", now[0] ? now : "none");
	return 0;
}

static int take_from(const struct sriov_sys *s, const char *bdf, const char *driver)
{
	char now[SRIOV_NAME_MAX];
	int rc;

	/* The kernel would wait in the write until the program closes it, for ever if need be. */
	if (sriov_is_open(s, bdf))
		return iommu_refuse(IOMMU_WHY_BUSY, bdf, "driver %s", driver);
	rc = sriov_sys_write(s, bdf, DEV "/driver/unbind", bdf);
	if (rc == -ETIMEDOUT)
		return iommu_refuse(IOMMU_WHY_UNBIND_FAILED, bdf,
				    "unbind from %s: still not done after %d s", driver,
				    SRIOV_TIMEOUT_MS / 1000);
	if (rc && rc != -ENOENT && rc != -ENODEV)
		return iommu_refuse(IOMMU_WHY_UNBIND_FAILED, bdf, "unbind from %s: %s", driver,
				    strerror(-rc));
	rc = await_driver(s, bdf, "", now);
	if (rc == -ETIMEDOUT)
		return iommu_refuse(IOMMU_WHY_UNBIND_FAILED, bdf,
				    "unbind: expected no driver, found %s", now);
	return rc;
}

/* A driver that the override names. */
static int give_to(const struct sriov_sys *s, const char *bdf, const char *driver)
{
	char now[SRIOV_NAME_MAX];
	int rc = sriov_sys_write(s, bdf, "/sys/bus/pci/drivers_probe"), err = rc;

	if (rc == -ETIMEDOUT)
		return iommu_refuse(IOMMU_WHY_PF_TIMEOUT, bdf,
				    "probe by %s: still not done after %d s", driver,
				    SRIOV_TIMEOUT_MS / 1000);
	if (!rc)
		rc = await_driver(s, bdf, driver, now);
	if (rc == -ETIMEDOUT)
		return iommu_refuse(IOMMU_WHY_VFIO_FAILED, bdf,
				    "probe: expected driver %s, found %s", driver,
				    now[0] ? now : "none");
	if (err)
		return iommu_refuse(IOMMU_WHY_VFIO_FAILED, bdf, "probe by %s: %s", driver,
				    strerror(-err));
	return rc;
}

static int change(const struct sriov_sys *s, const char *bdf, const char *was, const char *driver)
{
	int rc = set_override(s, bdf, driver);

	if (!rc && was[0])
		rc = take_from(s, bdf, was);
	if (!rc && driver[0])
		rc = give_to(s, bdf, driver);
	return rc;
}

/* After a failure: as it was, as far as it goes. The failure's text stays. */
static void take_back(const struct sriov_sys *s, const char *bdf, const char *was)
{
	char now[SRIOV_NAME_MAX];

	if (was[0] && !sriov_sys_link(s, now, sizeof(now), DEV "/driver", bdf) &&
	    !strcmp(now, was)) {
		sriov_sys_write(s, "\n", DEV "/driver_override", bdf);
		return;
	}
	sriov_sys_write(s, was[0] ? was : "\n", DEV "/driver_override", bdf);
	if (!was[0])
		return;
	if (sriov_sys_write(s, bdf, "/sys/bus/pci/drivers_probe"))
		log_warn(bdf, "could not be given back to %s", was);
	sriov_sys_write(s, "\n", DEV "/driver_override", bdf);
}

int sriov_bind(const struct sriov_sys *s, const char *bdf, const char *driver,
	       char former[SRIOV_NAME_MAX])
{
	char was[SRIOV_NAME_MAX];
	int rc = sriov_driver(s, bdf, was);

	if (rc)
		return rc;
	if (former)
		memcpy(former, was, SRIOV_NAME_MAX);
	if (!strcmp(was, driver))
		return 0;
	if (!sriov_sys_exists(s, "/sys/bus/pci/drivers/%s", driver))
		return iommu_refuse(IOMMU_WHY_NO_VFIO_MODULE, bdf, "no driver %s", driver);
	rc = change(s, bdf, was, driver);
	if (rc)
		take_back(s, bdf, was);
	return rc;
}

int sriov_unbind(const struct sriov_sys *s, const char *bdf, const char *former)
{
	char was[SRIOV_NAME_MAX];
	int rc = sriov_driver(s, bdf, was);

	if (!rc && strcmp(was, former) != 0)
		rc = change(s, bdf, was, former);
	return rc ? rc : set_override(s, bdf, "");
}

int sriov_clean(const struct sriov_sys *s, const char *bdf)
{
	uint8_t command[2];
	int rc;

	if (!sriov_sys_exists(s, DEV, bdf))
		return iommu_refuse(IOMMU_WHY_GONE, bdf, NULL);
	if (sriov_is_open(s, bdf))
		return iommu_refuse(IOMMU_WHY_BUSY, bdf, "reset");
	if (!sriov_sys_exists(s, DEV "/reset", bdf))
		return iommu_refuse(IOMMU_WHY_NO_RESET, bdf, NULL);
	rc = sriov_sys_write(s, "1", DEV "/reset", bdf);
	/* The file stays when all ways of a reset were taken out of reset_method. */
	if (rc == -ENOTTY)
		return iommu_refuse(IOMMU_WHY_NO_RESET, bdf, "its reset_method is empty");
	if (rc)
		return iommu_refuse(IOMMU_WHY_QUARANTINE, bdf, "reset: %s", strerror(-rc));
	rc = sriov_sys_bytes(s, command, sizeof(command), PCI_COMMAND, DEV "/config", bdf);
	if (rc)
		return iommu_refuse(IOMMU_WHY_QUARANTINE, bdf, "its command register: %s",
				    strerror(-rc));
	if (command[0] & PCI_COMMAND_MASTER)
		return iommu_refuse(IOMMU_WHY_QUARANTINE, bdf,
				    "bus mastering: expected off, found on");
	return 0;
}
