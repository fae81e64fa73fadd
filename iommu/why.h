/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a device or VF is not handed to a partition, or not used by it: one closed table for iommu/,
 * sriov/ and mgmt/. An operator is told four things: to what (the subject), what happened (text),
 * the facts of this case (detail) and the next step. Programs go by the short id, which never
 * changes its meaning. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

enum iommu_weight {
	IOMMU_BLOCKS, /* nothing works until someone does the next step */
	IOMMU_WAITS,  /* the device is fine; its adapter is synthetic until this is over */
	IOMMU_OURS,   /* nethv mends it by itself when the device is assigned */
	IOMMU_NOTE,   /* works; an operator should know */
};

/* X(name, "id", errno, weight, "what happened", "next step"). Entries are only ever added at the end. */
#define IOMMU_WHYS(X)                                                                              \
	X(NO_IOMMU, "no-iommu", ENODEV, BLOCKS,                                                    \
	  "the firmware describes no IOMMU, so DMA of a guest's device cannot be confined",        \
	  "switch on VT-d or AMD-Vi in the firmware's setup; in a virtual machine, give it a "     \
	  "virtual IOMMU")                                                                         \
	X(IOMMU_OFF, "iommu-off", ENODEV, BLOCKS, "the kernel does not use the IOMMU",             \
	  "boot with intel_iommu=on (AMD: without amd_iommu=off), and without iommu=off")          \
	X(NO_GROUP, "no-group", ENODEV, BLOCKS, "the device is in no IOMMU group",                 \
	  "no IOMMU covers it: put the card into another slot, or look for DMAR or AMD-Vi errors " \
	  "in dmesg")                                                                              \
	X(NO_INTR_REMAP, "no-interrupt-remapping", EPERM, BLOCKS,                                  \
	  "interrupt remapping is off: a guest could raise any interrupt of the host by a DMA "    \
	  "write",                                                                                 \
	  "switch on VT-d with interrupt remapping (x2APIC) in the firmware, boot without "        \
	  "intremap=off")                                                                          \
	X(GROUP_NOT_VIABLE, "group-not-viable", EPERM, BLOCKS,                                     \
	  "other devices of its IOMMU group have drivers of the host, and could be reached by "    \
	  "its DMA",                                                                               \
	  "bind these to vfio-pci or to no driver, or use a slot with a group of its own")         \
	X(NO_ACS, "no-acs", EPERM, BLOCKS,                                                         \
	  "a bridge above it has no ACS, so devices below can reach each other past the IOMMU",    \
	  "use a slot below another root port; pcie_acs_override is no cure, it only hides this")  \
	X(RMRR, "rmrr", EPERM, BLOCKS,                                                             \
	  "the firmware keeps memory for its own DMA by this device (RMRR)",                       \
	  "switch off shared or management use of this NIC in the firmware, or use another card")  \
	X(WRONG_DRIVER, "wrong-driver", EBUSY, OURS, "a driver of the host has it",                \
	  "nothing: it is bound to vfio-pci when assigned; take down what uses it if that fails")  \
	X(UNBIND_FAILED, "unbind-failed", EBUSY, BLOCKS, "its driver does not let it go",          \
	  "take down what uses it (ip link set ... down, containers, DPDK), then try again; see "  \
	  "dmesg")                                                                                 \
	X(NO_VFIO_MODULE, "no-vfio-module", ENOENT, BLOCKS,                                        \
	  "the kernel's vfio-pci driver is not there", "modprobe vfio-pci")                        \
	X(NO_VFIO_ACCESS, "no-vfio-access", EACCES, BLOCKS, "no access to VFIO",                   \
	  "run as root, or give the user the device's file in /dev/vfio (and /dev/iommu)")         \
	X(NO_DEVICE, "no-device", ENODEV, BLOCKS, "there is no such PCI device",                   \
	  "see `nethv iommu` or lspci -D for what there is")                                       \
	X(NOT_A_FUNCTION, "not-a-function", EINVAL, BLOCKS,                                        \
	  "this is not a PCI function that can be assigned",                                       \
	  "name an endpoint as SEGMENT:BUS:DEVICE.FUNCTION, such as 0000:01:10.0")                 \
	X(NOT_SRIOV, "not-sriov", ENOTSUP, BLOCKS, "it is neither a VF nor a PF with SR-IOV",      \
	  "use a NIC with SR-IOV, and switch SR-IOV on in the firmware and in the card's own "     \
	  "setup")                                                                                 \
	X(VF_TOO_MANY, "vf-too-many", ERANGE, BLOCKS, "it has fewer VFs than asked for",           \
	  "ask for fewer; more may be had by the card's own configuration tool")                   \
	X(VF_NONE_FREE, "vf-none-free", EBUSY, WAITS, "all its VFs are in use",                    \
	  "revoke one (nethv vf revoke), or raise the uplink's number of VFs")                     \
	X(VF_ENABLE, "vf-enable-failed", EIO, BLOCKS, "the kernel could not switch on its VFs",    \
	  "switch on SR-IOV and MMIO above 4 GiB in the firmware, or boot with "                   \
	  "pci=realloc,assign-busses; see dmesg")                                                  \
	X(MEMLOCK, "memlock", ENOMEM, BLOCKS,                                                      \
	  "the limit of locked memory is lower than what the device must reach",                   \
	  "raise it: ulimit -l, LimitMEMLOCK= of the service, or run as root")                     \
	X(RESERVED_RANGE, "reserved-range", EADDRNOTAVAIL, BLOCKS,                                 \
	  "guest memory lies at addresses that the IOMMU does not translate for this device",      \
	  "give the partition less memory, or use another device")                                 \
	X(NO_RESET, "no-reset", ENOTSUP, BLOCKS,                                                   \
	  "it has no reset of its own, so one guest's data could reach the next",                  \
	  "use a device with FLR (VFs of SR-IOV cards have it)")                                   \
	X(BUSY, "busy", EBUSY, BLOCKS, "another program has it open",                              \
	  "end that program (fuser -v on the file in /dev/vfio names it)")                         \
	X(ENGINE, "engine", EOPNOTSUPP, BLOCKS,                                                    \
	  "the partition's engine cannot take a device of the host",                               \
	  "use engine: kvm, on a host with VT-x or AMD-V")                                         \
	X(GUEST_NO_SRIOV, "guest-no-sriov", EOPNOTSUPP, WAITS,                                     \
	  "the guest's adapter driver did not say that it can take a VF",                          \
	  "use a guest with hv_netvsc and pci-hyperv; the adapter works without a VF")             \
	X(NO_PF, "no-pf", ENODEV, BLOCKS, "the switch's uplink names no PF",                       \
	  "name it in the uplink's configuration (docs/configuration.md)")                         \
	X(FILTERS_FULL, "filters-full", ENOSPC, WAITS,                                             \
	  "the PF has no free slot for one more MAC filter",                                       \
	  "have fewer adapters behind this uplink, or spread them over two")                       \
	X(FLAPPING, "flapping", EAGAIN, WAITS,                                                     \
	  "its data path changed too often in a short time, so it stays synthetic for now",        \
	  "look in the guest's log why the VF comes and goes; it is tried again by itself")        \
	X(POLICY, "policy", EPERM, WAITS,                                                          \
	  "a policy of the port applies, which traffic through a VF would bypass",                 \
	  "take the policy away (nethv policy), or leave the adapter synthetic")                   \
	X(CAPTURE, "capture", EPERM, WAITS,                                                        \
	  "the port is captured, traced or mirrored, which a VF's traffic would bypass",           \
	  "end the capture or mirror; the VF comes back by itself")                                \
	X(QUARANTINE, "quarantine", EIO, BLOCKS,                                                   \
	  "its reset failed, so it may hold the last guest's data or go on with its DMA",          \
	  "unload and load the PF's driver, or restart the host; then assign it again")            \
	X(UNSAFE_INTERRUPTS, "unsafe-interrupts", EPERM, NOTE,                                     \
	  "allow_unsafe_interrupts is set: the kernel assigns devices without interrupt "          \
	  "remapping",                                                                             \
	  "take the option of vfio_iommu_type1 away unless all guests are trusted")                \
	X(NO_MSIX, "no-msix", ENOTSUP, BLOCKS, "it has no MSI-X", "use another device")            \
	X(MAPS_FULL, "maps-full", ENOSPC, BLOCKS, "the kernel takes no more DMA mappings",         \
	  "raise dma_entry_limit of vfio_iommu_type1, or use huge pages")                          \
	X(MAP_FAILED, "map-failed", EFAULT, BLOCKS,                                                \
	  "the kernel could not map guest memory for DMA",                                         \
	  "see dmesg; a device of another kind in the group or a mapping of device memory may be " \
	  "the cause")                                                                             \
	X(GONE, "gone", ENODEV, BLOCKS, "the device is gone",                                      \
	  "look in dmesg for a hot removal or a PCIe error, and plug it in again")                 \
	X(VFIO_FAILED, "vfio-failed", EIO, BLOCKS, "a VFIO call failed",                           \
	  "see dmesg for the kernel's reason")                                                     \
	X(VF_CONFIG, "vf-config", EIO, BLOCKS,                                                     \
	  "the PF's driver did not take the VF's MAC, VLAN or limits",                             \
	  "see dmesg; a newer PF driver or firmware may be needed")                                \
	X(PF_TIMEOUT, "pf-timeout", ETIMEDOUT, BLOCKS, "the PF's driver does not answer in time",  \
	  "see dmesg; the PF may have to be reset")                                                \
	X(PF_HAS_VFS, "pf-has-vfs", EBUSY, BLOCKS,                                                 \
	  "it is a PF whose VFs are on, so the host needs its driver",                             \
	  "assign one of its VFs, or switch them off first (sriov_numvfs)")                        \
	X(DMA_FAULTS, "dma-faults", EPERM, BLOCKS,                                                 \
	  "its guest had it reach outside of the guest's memory again and again; the IOMMU "       \
	  "stopped it",                                                                            \
	  "look at the driver in the guest; `nethv vf assign` gives the adapter a VF again")

enum iommu_why {
	IOMMU_WHY_NONE, /* nothing is wrong */
#define X(name, id, code, weight, text, step) IOMMU_WHY_##name,
	IOMMU_WHYS(X)
#undef X
		IOMMU_WHY_COUNT
};

struct iommu_why_row {
	const char *name; /* "GROUP_NOT_VIABLE" */
	const char *id;	  /* "group-not-viable" */
	int code;	  /* negative errno */
	enum iommu_weight weight;
	const char *text;
	const char *step;
};

/* any.  The row of @why; that of IOMMU_WHY_NONE (id "none", code 0) for what is not in the table. */
const struct iommu_why_row *iommu_why_row(enum iommu_why why);

/* any.  The cause with this id, or IOMMU_WHY_NONE. */
enum iommu_why iommu_why_find(const char *id);

/* any.  "blocks", "waits", "ours", "note". */
const char *iommu_weight_word(enum iommu_weight weight);

/* any.  One line into @buf: "SUBJECT: text (DETAIL) [id] -> step". @detail may be NULL or "".
 * Cut to @size. Returns @buf. */
char *iommu_why_line(char *buf, size_t size, enum iommu_why why, const char *subject,
		     const char *detail);

/* any.  A refusal: sets the error text to iommu_why_line() and evaluates to the row's negative errno,
 * as err_set() does. @fmt makes the detail; NULL: there is none. */
int iommu_refuse(enum iommu_why why, const char *subject, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

/* any.  The cause of this thread's last iommu_refuse(); NONE after iommu_refuse_clear(). So a caller
 * can tell causes apart without reading text. */
enum iommu_why iommu_refused(void);
void iommu_refuse_clear(void);
