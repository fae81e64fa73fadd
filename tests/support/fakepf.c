/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/fakepf.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#define DEV "/sys/bus/pci/devices/%s"
#define DRV "/sys/bus/pci/drivers/%s"

/* ---- Files ---------------------------------------------------------------------------------- */

static void path_of(const struct fake_host *h, char out[512], const char *fmt, va_list ap)
{
	int n = snprintf(out, 512, "%s", h->root);

	vsnprintf(out + n, 512 - (size_t)n, fmt, ap);
}

static void folder(const struct fake_host *h, const char *fmt, ...)
{
	char path[512];
	va_list ap;

	va_start(ap, fmt);
	path_of(h, path, fmt, ap);
	va_end(ap);
	for (char *s = path + strlen(h->root) + 1; (s = strchr(s, '/')); s++) {
		*s = 0;
		mkdir(path, 0755);
		*s = '/';
	}
	cr_assert(!mkdir(path, 0755) || errno == EEXIST, "%s: %s", path, strerror(errno));
}

static void put_bytes(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
	cr_assert_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static void put(const struct fake_host *h, const char *text, const char *fmt, ...)
{
	char path[512];
	va_list ap;

	va_start(ap, fmt);
	path_of(h, path, fmt, ap);
	va_end(ap);
	put_bytes(path, text, strlen(text));
}

/* "": no link. */
static void point(const struct fake_host *h, const char *target, const char *fmt, ...)
{
	char path[512];
	va_list ap;

	va_start(ap, fmt);
	path_of(h, path, fmt, ap);
	va_end(ap);
	unlink(path);
	if (target[0])
		cr_assert_eq(symlink(target, path), 0, "%s: %s", path, strerror(errno));
}

/* ---- PCI ------------------------------------------------------------------------------------ */

void fake_vf_bdf(const struct fake_host *h, const struct fake_pf *pf, unsigned int vf,
		 char out[SRIOV_BDF_MAX])
{
	unsigned int p = (unsigned int)(pf - h->pf), devfn = 0x80 + 2 * vf;

	snprintf(out, SRIOV_BDF_MAX, "0000:%02x:%02x.%x", (p + 1) & 0xff, (devfn >> 3) & 0x1f,
		 devfn & 7);
}

static void drive(const struct fake_host *h, const char *bdf, const char *driver)
{
	char target[64];

	snprintf(target, sizeof(target), "../../drivers/%s", driver);
	point(h, driver[0] ? target : "", DEV "/driver", bdf);
	if (driver[0]) {
		folder(h, DRV, driver);
		put(h, "", DRV "/unbind", driver);
	}
}

static void make_function(const struct fake_host *h, const char *bdf)
{
	folder(h, DEV, bdf);
	put(h, "(null)\n", DEV "/driver_override", bdf);
	put(h, "", DEV "/reset", bdf);
}

void fake_master(struct fake_host *h, const char *bdf)
{
	uint8_t config[64] = {0x86, 0x80, 0xca, 0x10, 0x06};
	char path[512];

	snprintf(path, sizeof(path), "%s" DEV "/config", h->root, bdf);
	put_bytes(path, config, sizeof(config));
}

static void make_vf(struct fake_host *h, struct fake_pf *pf, unsigned int vf, bool is_driven)
{
	uint8_t config[64] = {0x86, 0x80, 0xca, 0x10};
	char bdf[SRIOV_BDF_MAX], target[64], path[512];

	fake_vf_bdf(h, pf, vf, bdf);
	make_function(h, bdf);
	snprintf(path, sizeof(path), "%s" DEV "/config", h->root, bdf);
	put_bytes(path, config, sizeof(config));
	snprintf(target, sizeof(target), "../%s", bdf);
	point(h, target, DEV "/virtfn%u", pf->bdf, vf);
	snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%u",
		 16 * (unsigned int)(pf - h->pf) + vf);
	point(h, target, DEV "/iommu_group", bdf);
	if (is_driven)
		drive(h, bdf, "igbvf");
	pf->vf[vf] = (struct sriov_vf){.fields = (1u << SRIOV_FIELDS) - 1,
				       .mac = {0x06, 1, 2, 3, 4, (uint8_t)vf},
				       .spoofchk = true};
}

static void remove_vf(struct fake_host *h, struct fake_pf *pf, unsigned int vf)
{
	char bdf[SRIOV_BDF_MAX], path[512];

	fake_vf_bdf(h, pf, vf, bdf);
	point(h, "", DEV "/virtfn%u", pf->bdf, vf);
	snprintf(path, sizeof(path), "%s" DEV, h->root, bdf);
	scratch_remove(path);
}

struct fake_pf *fake_pf_add(struct fake_host *h, const char *ifname, unsigned int total_vfs)
{
	struct fake_pf *pf = &h->pf[h->nr_pfs];
	char text[32];

	*pf = (struct fake_pf){.ifindex = 7 + h->nr_pfs, .is_up = true};
	snprintf(pf->bdf, sizeof(pf->bdf), "0000:%02x:00.0", ++h->nr_pfs);
	snprintf(pf->ifname, sizeof(pf->ifname), "%s", ifname);
	make_function(h, pf->bdf);
	drive(h, pf->bdf, "igb");
	folder(h, DEV "/net/%s", pf->bdf, ifname);
	snprintf(text, sizeof(text), "%u\n", total_vfs);
	put(h, text, DEV "/sriov_totalvfs", pf->bdf);
	put(h, "0\n", DEV "/sriov_numvfs", pf->bdf);
	put(h, "1\n", DEV "/sriov_drivers_autoprobe", pf->bdf);
	put(h, "0x8086\n", DEV "/vendor", pf->bdf);
	put(h, "0x10c9\n", DEV "/device", pf->bdf);
	folder(h, "/sys/class/net/%s", ifname);
	snprintf(text, sizeof(text), "%u\n", pf->ifindex);
	put(h, text, "/sys/class/net/%s/ifindex", ifname);
	snprintf(text, sizeof(text), "../../../%s", pf->bdf);
	point(h, text, "/sys/class/net/%s/device", ifname);
	return pf;
}

static struct fake_pf *pf_of(struct fake_host *h, const char *bdf)
{
	for (unsigned int i = 0; i < h->nr_pfs; i++)
		if (!strncmp(h->pf[i].bdf, bdf, strlen(h->pf[i].bdf)))
			return &h->pf[i];
	cr_assert_fail("no PF %s", bdf);
	return NULL;
}

static int set_numvfs(struct fake_host *h, struct fake_pf *pf, unsigned int nr)
{
	uint32_t total = 0, autoprobe = 0;
	unsigned int shown = pf->appear && pf->appear < nr ? pf->appear : nr;
	char text[16];

	sriov_sys_number(&h->sys, &total, DEV "/sriov_totalvfs", pf->bdf);
	sriov_sys_number(&h->sys, &autoprobe, DEV "/sriov_drivers_autoprobe", pf->bdf);
	if (nr && pf->nr_vfs)
		return -EBUSY;
	if (nr > total)
		return -ERANGE;
	for (unsigned int i = 0; i < pf->nr_vfs; i++)
		remove_vf(h, pf, i);
	for (unsigned int i = 0; i < shown; i++)
		make_vf(h, pf, i, autoprobe);
	pf->nr_vfs = nr;
	snprintf(text, sizeof(text), "%u\n", nr);
	put(h, text, DEV "/sriov_numvfs", pf->bdf);
	return 0;
}

static int probe(struct fake_host *h, const char *bdf)
{
	char override[SRIOV_NAME_MAX], now[SRIOV_NAME_MAX];

	if (!sriov_sys_exists(&h->sys, DEV, bdf))
		return -ENODEV;
	if (!sriov_sys_link(&h->sys, now, sizeof(now), DEV "/driver", bdf))
		return 0;
	sriov_sys_read(&h->sys, override, sizeof(override), DEV "/driver_override", bdf);
	if (!strcmp(override, "(null)"))
		drive(h, bdf, "igbvf");
	else if (sriov_sys_exists(&h->sys, DRV, override))
		drive(h, bdf, override);
	return 0;
}

static int reset(struct fake_host *h, const char *device)
{
	uint8_t config[64] = {0x86, 0x80, 0xca, 0x10};
	char bdf[SRIOV_BDF_MAX], path[512];

	snprintf(bdf, sizeof(bdf), "%.12s", device);
	snprintf(path, sizeof(path), "%s" DEV "/config", h->root, bdf);
	if (!h->keeps_mastering)
		put_bytes(path, config, sizeof(config));
	return 0;
}

/* ---- What is written, and how it reacts ----------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

/* 1: no fault. */
static int fault_of(struct fake_host *h, const char *path, int type)
{
	for (unsigned int i = 0; i < h->nr_faults; i++) {
		bool is_hit = path ? h->fault[i].end && ends_with(path, h->fault[i].end)
				   : !h->fault[i].end && h->fault[i].type == type;

		if (!is_hit || !h->fault[i].times)
			continue;
		if (h->fault[i].times > 0)
			h->fault[i].times--;
		return h->fault[i].kind == FAKE_IGNORE ? 0 : h->fault[i].rc;
	}
	return 1;
}

static int on_write(void *ctx, const char *path, const char *text, int timeout_ms)
{
	struct fake_host *h = ctx;
	const char *rel = path + strlen(h->root), *dev = strstr(rel, "/devices/");
	char bdf[SRIOV_BDF_MAX];
	int rc = fault_of(h, path, 0);

	h->nr_writes++;
	if (rc <= 0)
		return rc;
	if (ends_with(rel, "/drivers_probe"))
		return probe(h, text);
	cr_assert_not_null(dev, "a write to %s", path);
	dev += strlen("/devices/");
	snprintf(bdf, sizeof(bdf), "%.12s", dev);
	if (access(path, F_OK))
		return -errno;
	if (ends_with(rel, "/sriov_numvfs"))
		return set_numvfs(h, pf_of(h, dev), (unsigned int)atoi(text));
	if (ends_with(rel, "/driver/unbind")) {
		drive(h, text, "");
		return strcmp(text, bdf) != 0 ? -ENODEV : 0;
	}
	if (ends_with(rel, "/reset"))
		return reset(h, dev);
	if (ends_with(rel, "/driver_override") && text[0] == '\n')
		text = "(null)\n";
	put_bytes(path, text, strlen(text));
	return 0;
}

static int on_is_open(void *ctx, const char *path)
{
	struct fake_host *h = ctx;

	return h->is_group_open[atoi(strrchr(path, '/') + 1) % 64];
}

static void on_sleep(void *ctx, int ms)
{
	((struct fake_host *)ctx)->slept_ms += ms;
}

static const struct sriov_sys_ops sys_ops = {on_write, on_is_open, on_sleep};

/* ---- Netlink -------------------------------------------------------------------------------- */

static struct fake_pf *pf_at(struct fake_host *h, int ifindex)
{
	for (unsigned int i = 0; i < h->nr_pfs; i++)
		if ((int)h->pf[i].ifindex == ifindex)
			return &h->pf[i];
	return NULL;
}

static void put_vf(struct nlmsghdr *m, const struct fake_pf *pf, uint32_t i)
{
	const struct sriov_vf *v = &pf->vf[i];
	struct ifla_vf_mac mac = {.vf = i};
	struct ifla_vf_vlan vlan = {i, v->vlan, v->qos};
	struct ifla_vf_spoofchk spoof = {i, pf->cannot & 1u << SRIOV_SPOOFCHK ? UINT32_MAX
									      : v->spoofchk};
	struct ifla_vf_trust trust = {i, pf->cannot & 1u << SRIOV_TRUST ? UINT32_MAX : v->trust};
	struct ifla_vf_rate rate = {i, v->min_mbps, v->max_mbps};
	struct ifla_vf_link_state link = {i, v->link};
	struct nlattr *info = mnl_attr_nest_start(m, IFLA_VF_INFO);

	memcpy(mac.mac, v->mac, 6);
	mnl_attr_put(m, IFLA_VF_MAC, sizeof(mac), &mac);
	mnl_attr_put(m, IFLA_VF_VLAN, sizeof(vlan), &vlan);
	mnl_attr_put(m, IFLA_VF_SPOOFCHK, sizeof(spoof), &spoof);
	mnl_attr_put(m, IFLA_VF_TRUST, sizeof(trust), &trust);
	mnl_attr_put(m, IFLA_VF_RATE, sizeof(rate), &rate);
	mnl_attr_put(m, IFLA_VF_LINK_STATE, sizeof(link), &link);
	mnl_attr_nest_end(m, info);
}

static int tell_link(struct fake_pf *pf, int (*each)(const struct nlmsghdr *, void *), void *data)
{
	char buf[16384] __attribute__((aligned(8)));
	struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(m, sizeof(*ifi));
	struct nlattr *list;

	m->nlmsg_type = RTM_NEWLINK;
	ifi->ifi_index = (int)pf->ifindex;
	ifi->ifi_flags = (pf->is_up ? IFF_UP : 0) | (pf->is_promisc ? IFF_PROMISC : 0);
	mnl_attr_put_strz(m, IFLA_IFNAME, pf->ifname);
	mnl_attr_put_u32(m, IFLA_NUM_VF, pf->nr_vfs);
	list = mnl_attr_nest_start(m, IFLA_VFINFO_LIST);
	for (uint32_t i = 0; i < pf->nr_vfs; i++)
		put_vf(m, pf, i);
	mnl_attr_nest_end(m, list);
	return each(m, data);
}

static int set_vf(struct fake_host *h, struct fake_pf *pf, const struct nlattr *a)
{
	static const int field_of[IFLA_VF_MAX + 1] = {
		[IFLA_VF_MAC] = SRIOV_MAC,     [IFLA_VF_VLAN] = SRIOV_VLAN,
		[IFLA_VF_TRUST] = SRIOV_TRUST, [IFLA_VF_SPOOFCHK] = SRIOV_SPOOFCHK,
		[IFLA_VF_RATE] = SRIOV_RATE,   [IFLA_VF_LINK_STATE] = SRIOV_LINK,
	};
	const uint32_t *w = mnl_attr_get_payload(a);
	int field = field_of[mnl_attr_get_type(a)], rc = fault_of(h, NULL, FAKE_SET(field));
	struct sriov_vf *v;

	if (rc <= 0)
		return rc;
	if (w[0] >= pf->nr_vfs)
		return -EINVAL;
	if (pf->cannot & 1u << field)
		return -EOPNOTSUPP;
	pf->nr_sets++;
	v = &pf->vf[w[0]];
	switch (field) {
	case SRIOV_MAC: memcpy(v->mac, w + 1, 6); break;
	case SRIOV_VLAN:
		v->vlan = (uint16_t)w[1];
		v->qos = (uint8_t)w[2];
		break;
	case SRIOV_TRUST: v->trust = w[1]; break;
	case SRIOV_SPOOFCHK: v->spoofchk = w[1]; break;
	case SRIOV_RATE:
		v->min_mbps = w[1];
		v->max_mbps = w[2];
		break;
	default: v->link = (enum sriov_link)w[1]; break;
	}
	return 0;
}

static int set_link(struct fake_host *h, struct fake_pf *pf, const struct nlmsghdr *m)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(m);
	const struct nlattr *list, *info, *a;
	int rc = 0;

	if (ifi->ifi_change & IFF_UP)
		pf->is_up = ifi->ifi_flags & IFF_UP;
	if (ifi->ifi_change & IFF_PROMISC)
		pf->is_promisc = ifi->ifi_flags & IFF_PROMISC;
	mnl_attr_for_each(list, m, sizeof(*ifi)) mnl_attr_for_each_nested(info, list)
		mnl_attr_for_each_nested(a, info) rc = rc ? rc : set_vf(h, pf, a);
	return rc;
}

bool fake_has_filter(const struct fake_pf *pf, const uint8_t mac[6])
{
	for (unsigned int i = 0; i < pf->nr_filters; i++)
		if (!memcmp(pf->filter[i], mac, 6))
			return true;
	return false;
}

static int set_filter(struct fake_pf *pf, const struct nlmsghdr *m)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(m);
	const struct nlattr *a = mnl_nlmsg_get_payload_offset(m, sizeof(*nd));
	const uint8_t *mac = mnl_attr_get_payload(a);

	if (nd->ndm_family != AF_BRIDGE || nd->ndm_flags != NTF_SELF ||
	    nd->ndm_state != NUD_PERMANENT || mnl_attr_get_type(a) != NDA_LLADDR)
		return -EINVAL;
	if (m->nlmsg_type == RTM_NEWNEIGH) {
		if (fake_has_filter(pf, mac))
			return -EEXIST;
		memcpy(pf->filter[pf->nr_filters++], mac, 6);
		return 0;
	}
	for (unsigned int i = 0; i < pf->nr_filters; i++)
		if (!memcmp(pf->filter[i], mac, 6)) {
			memcpy(pf->filter[i], pf->filter[--pf->nr_filters], 6);
			return 0;
		}
	return -ENOENT;
}

/* With those of another interface, and a multicast one, between them. */
static int tell_filters(struct fake_pf *pf, int (*each)(const struct nlmsghdr *, void *),
			void *data)
{
	static const uint8_t group[6] = {0x33, 0x33, 0, 0, 0, 1};
	int rc = 0;

	for (unsigned int i = 0; i < 2 * pf->nr_filters + 1 && !rc; i++) {
		char buf[256] __attribute__((aligned(8)));
		struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
		struct ndmsg *nd = mnl_nlmsg_put_extra_header(m, sizeof(*nd));

		m->nlmsg_type = RTM_NEWNEIGH;
		nd->ndm_family = AF_BRIDGE;
		nd->ndm_state = NUD_PERMANENT;
		nd->ndm_flags = NTF_SELF;
		nd->ndm_ifindex = (int)pf->ifindex + (int)(i & 1) * 100;
		mnl_attr_put(m, NDA_LLADDR, 6, i == 2 * pf->nr_filters ? group : pf->filter[i / 2]);
		rc = each(m, data);
	}
	return rc;
}

int fake_talk(void *ctx, const struct nlmsghdr *m, int (*each)(const struct nlmsghdr *, void *),
	      void *data)
{
	struct fake_host *h = ctx;
	const struct ndmsg *nd = mnl_nlmsg_get_payload(m);
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(m);
	bool is_nd = m->nlmsg_type == RTM_NEWNEIGH || m->nlmsg_type == RTM_DELNEIGH;
	struct fake_pf *pf = pf_at(h, is_nd ? nd->ndm_ifindex : ifi->ifi_index);
	int rc = fault_of(h, NULL, m->nlmsg_type);

	if (rc <= 0)
		return rc;
	if (!pf)
		return -ENODEV;
	switch (m->nlmsg_type) {
	case RTM_GETLINK: return tell_link(pf, each, data);
	case RTM_SETLINK: return set_link(h, pf, m);
	case RTM_GETNEIGH: return tell_filters(pf, each, data);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH: return set_filter(pf, m);
	default: return -EOPNOTSUPP;
	}
}

static const struct sriov_nl_ops nl_ops = {fake_talk, NULL};

/* ---- Life ----------------------------------------------------------------------------------- */

void fake_host_init(struct fake_host *h)
{
	memset(h, 0, sizeof(*h));
	scratch_dir(h->root, "pf");
	h->sys = (struct sriov_sys){h->root, &sys_ops, h};
	cr_assert_eq(sriov_nl_create(&h->nl, &nl_ops, h), 0);
	folder(h, "/sys/bus/pci/devices");
	folder(h, DRV, "vfio-pci");
	folder(h, DRV, "igbvf");
}

void fake_host_fini(struct fake_host *h)
{
	sriov_nl_destroy(h->nl);
	scratch_remove(h->root);
}

void fake_fail_write(struct fake_host *h, const char *end, enum fake_fault kind, int rc, int times)
{
	h->fault[h->nr_faults].kind = kind;
	h->fault[h->nr_faults].end = end;
	h->fault[h->nr_faults].rc = rc;
	h->fault[h->nr_faults++].times = times;
}

void fake_fail_nl(struct fake_host *h, int type, enum fake_fault kind, int rc, int times)
{
	fake_fail_write(h, NULL, kind, rc, times);
	h->fault[h->nr_faults - 1].type = type;
}
