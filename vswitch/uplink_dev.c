/* SPDX-License-Identifier: BSD-3-Clause */
/* Uplinks, ctl's side: plugging devices in, setting them up, and taking them out. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "vswitch/priv.h"
#include "vswitch/uplink_priv.h"

#define MBUF_CACHE   128u
#define FRAME_EXTRA  22u /* Ethernet header, and two tags' room */
#define BUF_SIZE_MIN 2048u
#define XDP_RINGS    8192u /* its fill, completion and two data rings for each queue */

#define UPLINK_OPS                                                                      \
	.rx = uplink_rx, .rx_done = uplink_rx_done, .tx = uplink_tx, .arm = uplink_arm, \
	.disarm = uplink_disarm, .event_fd = uplink_event_fd

/* Who lends nothing is not asked in each loop. */
static const struct vsw_port_ops uplink_ops = {UPLINK_OPS};
static const struct vsw_port_ops lender_ops = {UPLINK_OPS, .reclaim = uplink_reclaim};

#define STEERED_OPS                                                          \
	.rx = uplink_rx_steered, .rx_done = uplink_rx_done, .tx = uplink_tx, \
	.arm = uplink_arm_steered, .disarm = uplink_disarm_steered,          \
	.event_fd = uplink_event_fd_steered, .quiet = uplink_quiet_steered

static const struct vsw_port_ops steered_ops = {STEERED_OPS};
static const struct vsw_port_ops steered_lender_ops = {STEERED_OPS, .reclaim = uplink_reclaim};

static const struct vsw_port_ops *ops_of(const struct vsw_uplink *u)
{
	if (u->steer)
		return u->is_lender ? &steered_lender_ops : &steered_ops;
	return u->is_lender ? &lender_ops : &uplink_ops;
}

/* Drivers say -1, -ENODEV or -EINVAL for most causes: what to look at, by kind of device. */
static const struct {
	const char *driver, *hint;
} hints[] = {
	{"net_tap", "a TAP needs root or CAP_NET_ADMIN, /dev/net/tun, and a free interface name"},
	{"net_af_packet", "needs root or CAP_NET_RAW, and iface= naming an interface that exists"},
	{"net_af_xdp",
	 "needs root, iface= naming an interface that exists, and a kernel with AF_XDP"},
	{"net_pcap", "needs readable rx_pcap=, writable tx_pcap=, or iface= and root"},
	{"net_memif",
	 "needs socket= in a writable directory; its server must have no other of its id"},
	{"net_vhost", "needs iface= naming a socket in a writable directory"},
	{"net_", "is the name right, and the driver installed (apt list 'librte-net-*')?"},
	{"", "is the address right, and the device bound to vfio-pci?"},
};

static const char *hint_for(const char *devargs)
{
	unsigned int i;

	for (i = 0; strncmp(devargs, hints[i].driver, strlen(hints[i].driver)); i++)
		;
	return hints[i].hint;
}

static int find_port(struct vsw_uplink *u, const char *devargs)
{
	struct rte_dev_iterator it;
	uint16_t id, nr = 0;

	RTE_ETH_FOREACH_MATCHING_DEV(id, devargs, &it)
	{
		if (nr++ == 0)
			u->port_id = id;
	}
	return nr;
}

/* The TAP driver would join an interface that is there, and share its frames with whoever has it. */
static int tap_check(const struct vsw_uplink *u, const char *devargs)
{
	const char *at = strstr(devargs, "iface=");
	char name[IF_NAMESIZE];

	if (strncmp(devargs, "net_tap", 7) || !at)
		return 0;
	at += strlen("iface=");
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, ","), at);
	if (if_nametoindex(name) == 0)
		return 0;
	return err_set(
		-EEXIST,
		"uplink %s: device '%s': interface %s exists already: choose another name, or "
		"remove it (ip link del %s)",
		u->name, devargs, name, name);
}

static int plug(struct vsw_uplink *u, const char *devargs)
{
	struct rte_eth_dev_info info;
	int rc, nr;

	if (find_port(u, devargs)) /* the EAL would let us have it twice */
		return err_set(-EEXIST, "uplink %s: device '%s' is in use by another uplink",
			       u->name, devargs);
	rc = tap_check(u, devargs);
	if (rc)
		return rc;
	rc = rte_dev_probe(devargs);
	if (rc)
		return err_set(rc == -1 ? -EPERM : rc, "uplink %s: cannot make device '%s': %s",
			       u->name, devargs, hint_for(devargs));
	nr = find_port(u, devargs);
	if (nr == 0)
		return err_set(-ENODEV, "uplink %s: device '%s' is no Ethernet device", u->name,
			       devargs);
	rc = rte_eth_dev_info_get(u->port_id, &info);
	if (rc)
		return err_sys(rc, "uplink %s: device '%s' does not answer", u->name, devargs);
	u->dev = info.device;
	u->is_plugged = true;
	snprintf(u->driver, sizeof(u->driver), "%s", info.driver_name);
	if (nr > 1)
		log_warn(u->name, "device '%s' has %d ports, using the first", devargs, nr);
	return 0;
}

/* Receive queues as asked for; a send queue for each lcore, where the device has that many. */
static void choose_queues(struct vsw_uplink *u, const struct vsw_uplink_cfg *cfg,
			  const struct rte_eth_dev_info *info)
{
	uint16_t want_rx = cfg->nr_queues ? cfg->nr_queues : 1;
	uint16_t want_tx = (uint16_t)u->sw->nr_lcores;

	u->nr_rxq = RTE_MIN(want_rx, info->max_rx_queues);
	u->nr_txq = RTE_MIN(want_tx, info->max_tx_queues);
	if (strcmp(u->driver, "net_tap") == 0)
		u->nr_txq = u->nr_rxq = RTE_MIN(u->nr_rxq, VSW_LCORES_MAX); /* wants them equal */
	u->is_txq_shared = u->nr_txq < u->sw->nr_lcores;
	if (u->nr_rxq < want_rx)
		log_warn(u->name, "%s has %u receive queues, not %u, using these", u->driver,
			 u->nr_rxq, want_rx);
}

static int pool_create(struct vsw_uplink *u, const struct vsw_uplink_cfg *cfg, uint16_t mtu,
		       uint32_t nr_desc)
{
	uint32_t n = nr_desc + (u->sw->nr_lcores + 1) * (MBUF_CACHE * 2 + VSW_VEC_SIZE) +
		     (u->steer ? u->steer->nr_bufs : 0);
	uint32_t size = RTE_MAX(BUF_SIZE_MIN, RTE_ALIGN_CEIL(mtu + FRAME_EXTRA, 64u));
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "up_%p", (void *)u);
	u->pool = rte_pktmbuf_pool_create(
		name, n, MBUF_CACHE, cfg->zero_copy ? UPLINK_LENT_SIZE : 0,
		(uint16_t)(size + RTE_PKTMBUF_HEADROOM), rte_eth_dev_socket_id(u->port_id));
	if (!u->pool)
		return err_set(-rte_errno,
			       "uplink %s: device '%s': cannot have %u buffers of %u bytes: %s; "
			       "give the switch more memory",
			       u->name, cfg->devargs, n, size, rte_strerror(rte_errno));
	return 0;
}

/* These do in software what we do on the copy that we make anyway; net_tap cannot even cut IPv6. */
static bool is_soft(const char *driver)
{
	static const char *const soft[] = {"net_tap", "net_vhost", "net_memif", "net_af_packet"};
	unsigned int i;

	for (i = 0; i < sizeof(soft) / sizeof(soft[0]); i++) {
		if (strcmp(driver, soft[i]) == 0)
			return true;
	}
	return false;
}

static uint64_t if_all(uint64_t capa, uint64_t bits)
{
	return (capa & bits) == bits ? bits : 0;
}

/* A chain of buffers that holds the longest frame. */
static bool can_chain(const struct rte_eth_dev_info *info)
{
	return info->tx_desc_lim.nb_seg_max == 0 ||
	       info->tx_desc_lim.nb_seg_max >= VSW_LSO_MAX / BUF_SIZE_MIN + 2;
}

static void choose_offloads(struct vsw_uplink *u, enum vsw_uplink_offload who,
			    const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	const uint64_t csum = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
			      RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	const uint64_t tso = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
			    RTE_ETH_RX_OFFLOAD_UDP_CKSUM;

	if (who == VSW_UPLINK_OFFLOAD_SWITCH ||
	    (who == VSW_UPLINK_OFFLOAD_AUTO && is_soft(u->driver)))
		return;
	conf->rxmode.offloads |= if_all(info->rx_offload_capa, rx);
	u->has_csum = if_all(info->tx_offload_capa, csum) != 0;
	u->has_tso = u->has_csum && if_all(info->tx_offload_capa, tso) && can_chain(info);
	if (u->has_csum)
		conf->txmode.offloads |= csum;
	if (u->has_tso)
		conf->txmode.offloads |= tso;
}

static int steer_configure(struct vsw_uplink *u, const struct rte_eth_dev_info *info,
			   struct rte_eth_conf *conf)
{
	int n;

	if (!u->steer)
		return 0;
	n = u->steer->ops->configure(u->steer->ctx, u->port_id, info, conf);
	if (n < 0)
		return err_prefix("uplink %s", u->name), n;
	u->nr_rxq = (uint16_t)n;
	return 0;
}

static int configure(struct vsw_uplink *u, const struct vsw_uplink_cfg *cfg,
		     const struct rte_eth_dev_info *info)
{
	struct rte_eth_conf conf = {.intr_conf.rxq = 1};
	int rc;

	conf.txmode.offloads = 0;
	if (cfg->zero_copy)
		conf.txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (cfg->mtu && (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER))
		conf.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER;
	conf.rxmode.mtu = cfg->mtu;
	choose_offloads(u, cfg->offload, info, &conf);
	rc = steer_configure(u, info, &conf);
	if (rc)
		return rc;
	rc = rte_eth_dev_configure(u->port_id, u->nr_rxq, u->nr_txq, &conf);
	if (rc) { /* no receive interrupts */
		conf.intr_conf.rxq = 0;
		rc = rte_eth_dev_configure(u->port_id, u->nr_rxq, u->nr_txq, &conf);
	}
	/* Some devices keep what was configured to themselves: a TAP's interface learns it only so. */
	if (!rc && cfg->mtu) {
		rc = rte_eth_dev_set_mtu(u->port_id, cfg->mtu);
		rc = rc == -ENOTSUP ? 0 : rc;
	}
	if (rc)
		return err_sys(rc,
			       "uplink %s: device '%s': cannot configure %u receive and %u send "
			       "queues, MTU %u",
			       u->name, cfg->devargs, u->nr_rxq, u->nr_txq, cfg->mtu);
	return 0;
}

static struct rte_mempool *pool_of(struct vsw_uplink *u, uint16_t q, uint16_t nr_desc)
{
	const uint32_t size = rte_pktmbuf_data_room_size(u->pool);
	struct rte_mempool *p = NULL;

	if (u->steer && u->steer->ops->pool)
		p = u->steer->ops->pool(u->steer->ctx, q, nr_desc, size);
	u->is_direct[q] = p != NULL;
	return p ? p : u->pool;
}

/* A full queue of one port must not hold up those of the others. */
static struct rte_eth_rxconf rxconf_of(const struct vsw_uplink *u)
{
	struct rte_eth_dev_info info;
	struct rte_eth_rxconf c;

	rte_eth_dev_info_get(u->port_id, &info);
	c = info.default_rxconf;
	if (u->steer)
		c.rx_drop_en = 1;
	return c;
}

static int setup_queues(struct vsw_uplink *u, const struct vsw_uplink_cfg *cfg)
{
	const struct rte_eth_rxconf rxconf = rxconf_of(u);
	const char *devargs = cfg->devargs;
	uint16_t rxd = VSW_UPLINK_RX_DESC, txd = VSW_UPLINK_TX_DESC, q, mtu = 0;
	uint32_t nr_desc;
	int rc, socket = rte_eth_dev_socket_id(u->port_id);

	rte_eth_dev_get_mtu(u->port_id, &mtu);
	u->frame_max = mtu + 14u;
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(u->port_id, &rxd, &txd);
	if (rc)
		return err_sys(rc, "uplink %s: device '%s': descriptors", u->name, devargs);
	u->nr_txd = txd;
	nr_desc = rxd * u->nr_rxq + txd * u->nr_txq;
	if (strcmp(u->driver, "net_af_xdp") == 0)
		nr_desc += u->nr_rxq * XDP_RINGS; /* whatever the descriptors asked for */
	rc = pool_create(u, cfg, mtu, nr_desc);
	if (rc)
		return rc;
	for (q = 0; q < u->nr_rxq && !rc; q++)
		rc = rte_eth_rx_queue_setup(u->port_id, q, rxd, socket, &rxconf,
					    pool_of(u, q, rxd));
	if (rc)
		return err_sys(rc, "uplink %s: device '%s': cannot set up receive queue %d: %s",
			       u->name, devargs, q - 1, hint_for(devargs));
	for (q = 0; q < u->nr_txq && !rc; q++)
		rc = rte_eth_tx_queue_setup(u->port_id, q, txd, socket, NULL);
	if (rc)
		return err_sys(rc, "uplink %s: device '%s': cannot set up send queue %d", u->name,
			       devargs, q - 1);
	return 0;
}

static int start(struct vsw_uplink *u, const char *devargs)
{
	int rc = rte_eth_dev_start(u->port_id);

	if (rc)
		return err_sys(rc, "uplink %s: device '%s': cannot start", u->name, devargs);
	u->is_started = true;
	rc = rte_eth_promiscuous_enable(u->port_id);
	if (rc && rc != -ENOTSUP)
		log_warn(u->name, "%s refuses promiscuous mode, so frames to adapters may not come",
			 u->driver);
	rc = rte_eth_allmulticast_enable(u->port_id);
	if (rc && rc != -ENOTSUP)
		log_warn(u->name, "%s refuses to receive all multicast", u->driver);
	rc = u->steer ? u->steer->ops->started(u->steer->ctx) : 0;
	return rc ? err_prefix("uplink %s", u->name), rc : 0;
}

/* Wraps an fd that must not be read (a TAP's frames come out of it) so that it can be waited for. */
static int epoll_around(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		fd_close(&ep);
	if (ep >= 0 && fd_nonblock(ep) < 0)
		fd_close(&ep);
	return ep;
}

static void queues_find_wakeups(struct vsw_uplink *u)
{
	uint16_t q;

	for (q = 0; q < u->nr_rxq; q++) {
		int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(u->port_id, q);

		if (fd < 0)
			return;
		u->has_intr = rte_eth_dev_rx_intr_enable(u->port_id, q) == 0;
		if (u->has_intr)
			rte_eth_dev_rx_intr_disable(u->port_id, q);
		else
			u->needs_epoll = true;
		u->event_fd[q] = u->needs_epoll ? epoll_around(fd) : fd;
	}
}

/* A device that cannot wake us is no error, but ethdev logs it as one. */
static void find_wakeups(struct vsw_uplink *u)
{
	int type = rte_log_register("lib.ethdev"), level = rte_log_get_level(type);

	rte_log_set_level(type, RTE_LOG_CRIT);
	queues_find_wakeups(u);
	rte_log_set_level(type, level);
}

static int attach(struct vsw_uplink *u, const struct vsw_uplink_cfg *cfg)
{
	struct vsw_port_cfg pc = {
		.kind = VSW_PORT_UPLINK,
		.vlan_mode = cfg->vlan_mode,
		.pvid = cfg->pvid,
		.nr_queues = u->steer ? 1 : u->nr_rxq, /* the others when they have somebody */
		.has_load = u->steer != NULL,
	};
	int rc;

	u->is_soft = cfg->zero_copy && strcmp(u->driver, "net_ring") == 0;
	memcpy(pc.name, cfg->name, sizeof(pc.name));
	memcpy(pc.allowed, cfg->allowed, sizeof(pc.allowed));
	if (cfg->zero_copy) {
		rc = uplink_lend_begin(u);
		if (rc)
			return rc;
	}
	rc = vsw_port_create(&u->port, u->sw, &pc, ops_of(u), u);
	if (!rc)
		rc = vsw_port_attach(u->port);
	return rc;
}

static void unplug(struct vsw_uplink *u)
{
	int saved;

	if (!u->is_plugged)
		return;
	if (vsw_netns_enter(u->netns, &saved))
		log_warn(u->name, "%s",
			 err_text()); /* deleted meanwhile, and our interface with it */
	if (u->is_started && u->steer)
		u->steer->ops->stopping(u->steer->ctx);
	if (u->is_started && rte_eth_dev_stop(u->port_id))
		log_warn(u->name, "%s does not stop", u->driver);
	uplink_lend_end(u);
	if (rte_eth_dev_close(u->port_id))
		log_warn(u->name, "%s does not close", u->driver);
	if (u->steer)
		u->steer->ops->closed(u->steer->ctx);
	if (rte_dev_remove(u->dev))
		log_warn(u->name, "%s cannot be unplugged", u->driver);
	u->is_plugged = u->is_started = false;
	vsw_netns_leave(&saved);
}

/* A driver that passes buffers on to another device may not have all of them back. */
static void pool_free(struct vsw_uplink *u)
{
	if (!u->pool)
		return;
	if (rte_mempool_full(u->pool))
		rte_mempool_free(u->pool);
	else
		log_warn(u->name, "%u buffers are still in use elsewhere, keeping their pool",
			 rte_mempool_in_use_count(u->pool));
	u->pool = NULL;
}

static int set_up(struct vsw_uplink *u, const struct vsw_uplink_cfg *cfg)
{
	struct rte_eth_dev_info info;
	int rc = plug(u, cfg->devargs);

	if (rc)
		return rc;
	rte_eth_dev_info_get(u->port_id, &info);
	choose_queues(u, cfg, &info);
	if (u->nr_rxq == 0 || u->nr_txq == 0)
		return err_set(-EINVAL, "uplink %s: device '%s' cannot %s", u->name, cfg->devargs,
			       u->nr_rxq ? "send" : "receive");
	rc = configure(u, cfg, &info);
	if (!rc)
		rc = setup_queues(u, cfg);
	if (!rc)
		rc = start(u, cfg->devargs);
	return rc;
}

static int bring_up(struct vsw_uplink *u, const struct vsw_uplink_cfg *cfg)
{
	int rc = set_up(u, cfg);

	/* Whoever sorts has found out that the device cannot do what it said. */
	while (rc == -EAGAIN && u->is_started) {
		unplug(u);
		pool_free(u);
		rc = set_up(u, cfg);
	}
	if (!rc)
		find_wakeups(u);
	return rc;
}

static int cfg_check(const struct vsw_uplink_cfg *cfg)
{
	if (!memchr(cfg->name, '\0', sizeof(cfg->name)) || cfg->name[0] == '\0')
		return err_set(-EINVAL, "uplink: name of 1..%zu characters wanted",
			       sizeof(cfg->name) - 1);
	if (!cfg->devargs || cfg->devargs[0] == '\0')
		return err_set(-EINVAL, "uplink %s: no devargs (such as net_tap0,iface=nv0)",
			       cfg->name);
	if (cfg->nr_queues > VSW_QUEUES_MAX)
		return err_set(-EINVAL, "uplink %s: %u queues, want 1..%u", cfg->name,
			       cfg->nr_queues, VSW_QUEUES_MAX);
	if (cfg->mtu && (cfg->mtu < 68 || cfg->mtu > VSW_FRAME_MAX - 18))
		return err_set(-EINVAL, "uplink %s: MTU %u, want 68..%u", cfg->name, cfg->mtu,
			       VSW_FRAME_MAX - 18);
	return 0;
}

static struct vsw_uplink *uplink_new(struct vsw *sw, const struct vsw_uplink_cfg *cfg)
{
	struct vsw_uplink *u = aligned_alloc(64, sizeof(*u));
	unsigned int q;

	if (!u)
		return NULL;
	memset(u, 0, sizeof(*u));
	u->sw = sw;
	for (q = 0; q < VSW_QUEUES_MAX; q++)
		u->event_fd[q] = -1;
	u->steer = cfg->steer;
	snprintf(u->name, sizeof(u->name), "%s", cfg->name);
	snprintf(u->netns, sizeof(u->netns), "%s", cfg->netns ? cfg->netns : "");
	return u;
}

int vsw_uplink_create(struct vsw_uplink **out, struct vsw *sw, const struct vsw_uplink_cfg *cfg)
{
	struct vsw_uplink *u;
	int rc, saved;

	rc = cfg_check(cfg);
	if (rc)
		return rc;
	u = uplink_new(sw, cfg);
	if (!u)
		return err_set(-ENOMEM, "uplink %s: out of memory", cfg->name);
	rc = vsw_netns_enter(u->netns, &saved);
	if (rc) {
		err_prefix("uplink %s", cfg->name);
		goto fail;
	}
	rc = bring_up(u, cfg);
	vsw_netns_leave(&saved);
	if (!rc)
		rc = attach(u, cfg);
	if (rc)
		goto fail;
	*out = u;
	return 0;
fail:
	vsw_uplink_destroy(u);
	return rc;
}

/* unlink and quiesce: vsw_port_detach(); then no lcore is in our functions. */
void vsw_uplink_destroy(struct vsw_uplink *u)
{
	uint16_t q;

	if (!u)
		return;
	if (u->port)
		vsw_port_detach(u->port);
	vsw_port_destroy(u->port);
	for (q = 0; u->needs_epoll && q < u->nr_rxq; q++)
		fd_close(&u->event_fd[q]);
	unplug(u);
	pool_free(u);
	free(u->lane);
	free(u);
}

struct vsw_port *vsw_uplink_port(const struct vsw_uplink *u)
{
	return u->port;
}

const char *vsw_uplink_driver(const struct vsw_uplink *u)
{
	return u->driver;
}

uint16_t vsw_uplink_dev(const struct vsw_uplink *u)
{
	return u->port_id;
}

void vsw_uplink_status(const struct vsw_uplink *u, struct vsw_uplink_status *out)
{
	struct rte_eth_link link = {0};
	struct rte_eth_stats st = {0};

	rte_eth_link_get_nowait(u->port_id, &link);
	rte_eth_stats_get(u->port_id, &st);
	*out = (struct vsw_uplink_status){
		.is_link_up = link.link_status == RTE_ETH_LINK_UP,
		.has_wakeup = u->event_fd[0] >= 0,
		.rx_packets = st.ipackets,
		.tx_packets = st.opackets,
		.rx_missed = st.imissed + st.rx_nombuf,
		.tx_errors = st.oerrors,
		.has_zero_copy = u->is_lender && !u->is_lending_off,
	};
	uplink_lend_count(u, &out->tx_lent, &out->tx_copied);
}
