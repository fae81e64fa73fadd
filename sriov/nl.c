/* SPDX-License-Identifier: BSD-3-Clause */
#include "sriov/nl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "base/err.h"

#define REQUEST_MAX  1024u
#define ANSWER_MAX   (256u << 10) /* an interface with many VFs is one long message */
#define SILENT_S     5		  /* for the kernel, which holds a lock while drivers work */
#define UNKNOWN	     UINT32_MAX	  /* the kernel's word for "the driver does not tell" */
#define INTR_RETRIES 10

#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

struct sriov_nl {
	const struct sriov_nl_ops *ops;
	void *ctx;
};

/* ---- The socket ----------------------------------------------------------------------------- */

struct sock {
	struct mnl_socket *nl;
	unsigned int seq;
	char answer[ANSWER_MAX];
};

struct each {
	int (*fn)(const struct nlmsghdr *m, void *data);
	void *data;
	int rc;
};

static int on_data(const struct nlmsghdr *m, void *data)
{
	struct each *e = data;

	if (!e->rc && e->fn)
		e->rc = e->fn(m, e->data);
	return MNL_CB_OK;
}

/* Until the kernel says that it was all. */
static int receive(struct sock *s, struct each *e)
{
	unsigned int port = mnl_socket_get_portid(s->nl);
	int more = MNL_CB_OK;

	while (more > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(s->nl, s->answer, sizeof(s->answer));

		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		/* The rest of an answer that was given up. */
		if (((struct nlmsghdr *)s->answer)->nlmsg_seq != s->seq)
			continue;
		more = mnl_cb_run(s->answer, (size_t)n, s->seq, port, on_data, e);
	}
	return more < 0 ? -errno : e->rc;
}

static int sock_talk(void *ctx, const struct nlmsghdr *req,
		     int (*fn)(const struct nlmsghdr *m, void *data), void *data)
{
	struct sock *s = ctx;
	char copy[REQUEST_MAX];
	struct nlmsghdr *m = (struct nlmsghdr *)copy;
	struct each e = {fn, data, 0};

	memcpy(copy, req, req->nlmsg_len);
	m->nlmsg_seq = ++s->seq;
	if (mnl_socket_sendto(s->nl, m, m->nlmsg_len) < 0)
		return -errno;
	return receive(s, &e);
}

static void sock_close(void *ctx)
{
	struct sock *s = ctx;

	if (s->nl)
		mnl_socket_close(s->nl);
	free(s);
}

static const struct sriov_nl_ops sock_ops = {sock_talk, sock_close};

static int sock_open(struct sock **out)
{
	struct timeval silent = {.tv_sec = SILENT_S};
	struct sock *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(-ENOMEM, "netlink");
	s->seq = (unsigned int)time(NULL);
	s->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (s->nl && !mnl_socket_bind(s->nl, 0, MNL_SOCKET_AUTOPID) &&
	    !setsockopt(mnl_socket_get_fd(s->nl), SOL_SOCKET, SO_RCVTIMEO, &silent,
			sizeof(silent))) {
		*out = s;
		return 0;
	}
	rc = err_sys(-errno, "rtnetlink socket");
	sock_close(s);
	return rc;
}

int sriov_nl_create(struct sriov_nl **out, const struct sriov_nl_ops *ops, void *ctx)
{
	struct sriov_nl *n = calloc(1, sizeof(*n));
	struct sock *s = NULL;
	int rc;

	*out = NULL;
	if (!n)
		return err_set(-ENOMEM, "netlink");
	rc = ops ? 0 : sock_open(&s);
	if (rc) {
		free(n);
		return rc;
	}
	n->ops = ops ? ops : &sock_ops;
	n->ctx = ops ? ctx : s;
	*out = n;
	return 0;
}

void sriov_nl_destroy(struct sriov_nl *n)
{
	if (!n)
		return;
	if (n->ops->close)
		n->ops->close(n->ctx);
	free(n);
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Keeps attributes @d->at[] up to @d->max; a later one of a type replaces the former. */
struct attrs {
	const struct nlattr **at;
	int max;
};

static int keep(const struct nlattr *a, void *data)
{
	struct attrs *d = data;

	if (mnl_attr_get_type(a) <= d->max)
		d->at[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

/* The payload as a struct of @size, or NULL: there is none, or it is too short. */
static const void *payload(const struct nlattr *a, size_t size)
{
	return a && mnl_attr_get_payload_len(a) >= size ? mnl_attr_get_payload(a) : NULL;
}

static void read_numbers(const struct nlattr *const *at, struct sriov_vf *vf)
{
	const struct ifla_vf_spoofchk *spoof = payload(at[IFLA_VF_SPOOFCHK], sizeof(*spoof));
	const struct ifla_vf_trust *trust = payload(at[IFLA_VF_TRUST], sizeof(*trust));
	const struct ifla_vf_rate *rate = payload(at[IFLA_VF_RATE], sizeof(*rate));
	const struct ifla_vf_link_state *link = payload(at[IFLA_VF_LINK_STATE], sizeof(*link));

	if (spoof && spoof->setting != UNKNOWN) {
		vf->fields |= 1u << SRIOV_SPOOFCHK;
		vf->spoofchk = spoof->setting;
	}
	if (trust && trust->setting != UNKNOWN) {
		vf->fields |= 1u << SRIOV_TRUST;
		vf->trust = trust->setting;
	}
	if (rate) {
		vf->fields |= 1u << SRIOV_RATE;
		vf->min_mbps = rate->min_tx_rate;
		vf->max_mbps = rate->max_tx_rate;
	}
	if (link && link->link_state <= SRIOV_LINK_DOWN) {
		vf->fields |= 1u << SRIOV_LINK;
		vf->link = (enum sriov_link)link->link_state;
	}
}

static void read_vf(const struct nlattr *info, struct sriov_link_state *out)
{
	const struct nlattr *at[IFLA_VF_MAX + 1] = {NULL};
	struct attrs d = {at, IFLA_VF_MAX};
	const struct ifla_vf_mac *mac;
	const struct ifla_vf_vlan *vlan;
	struct sriov_vf *vf;

	mnl_attr_parse_nested(info, keep, &d);
	mac = payload(at[IFLA_VF_MAC], sizeof(*mac));
	vlan = payload(at[IFLA_VF_VLAN], sizeof(*vlan));
	if (!mac || mac->vf >= SRIOV_VFS_MAX)
		return;
	vf = &out->vf[mac->vf];
	vf->fields = 1u << SRIOV_MAC;
	memcpy(vf->mac, mac->mac, sizeof(vf->mac));
	if (vlan) {
		vf->fields |= 1u << SRIOV_VLAN;
		vf->vlan = (uint16_t)vlan->vlan;
		vf->qos = (uint8_t)vlan->qos;
	}
	read_numbers(at, vf);
}

static int on_link(const struct nlmsghdr *m, void *data)
{
	const struct nlattr *at[IFLA_VFINFO_LIST + 1] = {NULL}, *a;
	struct attrs d = {at, IFLA_VFINFO_LIST};
	struct sriov_link_state *out = data;
	const struct ifinfomsg *ifi;

	if (m->nlmsg_type != RTM_NEWLINK || m->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*ifi))
		return 0;
	ifi = mnl_nlmsg_get_payload(m);
	out->is_up = ifi->ifi_flags & IFF_UP;
	out->is_promisc = ifi->ifi_flags & IFF_PROMISC;
	mnl_attr_parse(m, sizeof(*ifi), keep, &d);
	if (payload(at[IFLA_NUM_VF], sizeof(uint32_t)))
		out->nr_vfs = mnl_attr_get_u32(at[IFLA_NUM_VF]);
	if (out->nr_vfs > SRIOV_VFS_MAX)
		out->nr_vfs = SRIOV_VFS_MAX;
	if (at[IFLA_VFINFO_LIST])
		mnl_attr_for_each_nested(a, at[IFLA_VFINFO_LIST]) read_vf(a, out);
	return 0;
}

/* ---- Requests ------------------------------------------------------------------------------- */

static struct nlmsghdr *request(char buf[REQUEST_MAX], uint16_t type, uint16_t flags)
{
	struct nlmsghdr *m;

	memset(buf, 0, REQUEST_MAX);
	m = mnl_nlmsg_put_header(buf);
	m->nlmsg_type = type;
	m->nlmsg_flags = NLM_F_REQUEST | flags;
	return m;
}

static struct ifinfomsg *link_request(char buf[REQUEST_MAX], uint16_t type, uint16_t flags,
				      unsigned int ifindex)
{
	struct nlmsghdr *m = request(buf, type, flags);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(m, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = (int)ifindex;
	return ifi;
}

static int talk(struct sriov_nl *n, const void *m,
		int (*each)(const struct nlmsghdr *m, void *data), void *data)
{
	return n->ops->talk(n->ctx, m, each, data);
}

int sriov_nl_get(struct sriov_nl *n, unsigned int ifindex, struct sriov_link_state *out)
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));

	memset(out, 0, sizeof(*out));
	link_request(buf, RTM_GETLINK, NLM_F_ACK, ifindex);
	mnl_attr_put_u32((struct nlmsghdr *)buf, IFLA_EXT_MASK,
			 RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS);
	return talk(n, buf, on_link, out);
}

static void put_field(struct nlmsghdr *m, unsigned int vf, enum sriov_field field,
		      const struct sriov_vf *to)
{
	struct ifla_vf_mac mac = {.vf = vf};
	struct ifla_vf_vlan vlan = {vf, to->vlan, to->qos};
	struct ifla_vf_spoofchk spoof = {vf, to->spoofchk};
	struct ifla_vf_trust trust = {vf, to->trust};
	struct ifla_vf_rate rate = {vf, to->min_mbps, to->max_mbps};
	struct ifla_vf_link_state link = {vf, to->link};
	const struct {
		uint16_t type;
		size_t size;
		const void *data;
	} what[SRIOV_FIELDS] = {
		[SRIOV_MAC] = {IFLA_VF_MAC, sizeof(mac), &mac},
		[SRIOV_VLAN] = {IFLA_VF_VLAN, sizeof(vlan), &vlan},
		[SRIOV_SPOOFCHK] = {IFLA_VF_SPOOFCHK, sizeof(spoof), &spoof},
		[SRIOV_TRUST] = {IFLA_VF_TRUST, sizeof(trust), &trust},
		[SRIOV_RATE] = {IFLA_VF_RATE, sizeof(rate), &rate},
		[SRIOV_LINK] = {IFLA_VF_LINK_STATE, sizeof(link), &link},
	};

	memcpy(mac.mac, to->mac, sizeof(to->mac));
	mnl_attr_put(m, what[field].type, what[field].size, what[field].data);
}

int sriov_nl_set(struct sriov_nl *n, unsigned int ifindex, unsigned int vf, enum sriov_field field,
		 const struct sriov_vf *to)
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *m = (struct nlmsghdr *)buf;
	struct nlattr *list, *info;

	link_request(buf, RTM_SETLINK, NLM_F_ACK, ifindex);
	list = mnl_attr_nest_start(m, IFLA_VFINFO_LIST);
	info = mnl_attr_nest_start(m, IFLA_VF_INFO);
	put_field(m, vf, field, to);
	mnl_attr_nest_end(m, info);
	mnl_attr_nest_end(m, list);
	return talk(n, m, NULL, NULL);
}

int sriov_nl_set_flag(struct sriov_nl *n, unsigned int ifindex, unsigned int flag, bool is_on)
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct ifinfomsg *ifi = link_request(buf, RTM_SETLINK, NLM_F_ACK, ifindex);

	ifi->ifi_change = flag;
	ifi->ifi_flags = is_on ? flag : 0;
	return talk(n, buf, NULL, NULL);
}

static int filter(struct sriov_nl *n, uint16_t type, uint16_t flags, unsigned int ifindex,
		  const uint8_t mac[6])
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *m = request(buf, type, NLM_F_ACK | flags);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(m, sizeof(*nd));

	nd->ndm_family = AF_BRIDGE;
	nd->ndm_ifindex = (int)ifindex;
	nd->ndm_state = NUD_PERMANENT;
	nd->ndm_flags = NTF_SELF;
	mnl_attr_put(m, NDA_LLADDR, ETH_ALEN, mac);
	return talk(n, m, NULL, NULL);
}

int sriov_nl_filter_add(struct sriov_nl *n, unsigned int ifindex, const uint8_t mac[6])
{
	return filter(n, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, ifindex, mac);
}

int sriov_nl_filter_del(struct sriov_nl *n, unsigned int ifindex, const uint8_t mac[6])
{
	return filter(n, RTM_DELNEIGH, 0, ifindex, mac);
}

struct filters {
	unsigned int ifindex;
	uint8_t (*out)[6];
	int n;
};

static int on_filter(const struct nlmsghdr *m, void *data)
{
	const struct nlattr *at[NDA_LLADDR + 1] = {NULL};
	struct attrs d = {at, NDA_LLADDR};
	struct filters *f = data;
	const struct ndmsg *nd;
	const uint8_t *mac;

	if (m->nlmsg_type != RTM_NEWNEIGH || m->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*nd))
		return 0;
	nd = mnl_nlmsg_get_payload(m);
	mnl_attr_parse(m, sizeof(*nd), keep, &d);
	mac = payload(at[NDA_LLADDR], ETH_ALEN);
	if (nd->ndm_ifindex != (int)f->ifindex || !(nd->ndm_flags & NTF_SELF) || !mac ||
	    (mac[0] & 1))
		return 0;
	if (f->n == SRIOV_FILTERS_MAX)
		return -ENOSPC;
	memcpy(f->out[f->n++], mac, ETH_ALEN);
	return 0;
}

int sriov_nl_filters(struct sriov_nl *n, unsigned int ifindex, uint8_t out[SRIOV_FILTERS_MAX][6])
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct filters f = {ifindex, out, 0};
	int rc, tries = 0;

	link_request(buf, RTM_GETNEIGH, NLM_F_DUMP, ifindex)->ifi_family = AF_BRIDGE;
	do { /* a list that changed while it was told is told again */
		f.n = 0;
		rc = talk(n, buf, on_filter, &f);
	} while (rc == -EINTR && ++tries < INTR_RETRIES);
	return rc ? rc : f.n;
}
