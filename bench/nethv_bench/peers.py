# SPDX-License-Identifier: BSD-3-Clause
"""The peers: OVS-DPDK's NORMAL action, and testpmd, which hands frames from one port to the other."""
import contextlib
import os
import re
import time

from .generator import EAL, JUMBO, MAC_A, MAC_B, START_S, STD_FRAME, generator, mbuf, memif, memif_ports
from .process import Failure, Process, run

PACKED = ",packed_vq=1,in_order=1,mrg_rxbuf=0"
OVS_QUEUES = 2  # of its one polling thread and its main thread


# ---- The peers' guest -----------------------------------------------------------------------------------

def testpmd_argv(prefix, cores, main, vdevs, frame):
    return ["dpdk-testpmd", *EAL, f"--file-prefix={prefix}", "-l", cores, "--main-lcore", str(main),
            *(w for v in vdevs for w in ("--vdev", v)), "--", "-i", "--nb-cores=1", "--txd=1024", "--rxd=1024",
            f"--mbuf-size={mbuf(frame)}", f"--total-num-mbufs={32768 if frame <= STD_FRAME else 8192}",
            *([f"--max-pkt-len={JUMBO}"] if frame > STD_FRAME else [])]


def testpmd_circle(o, work, vdevs, frame, inflight):
    """A testpmd in mac mode on core B: what a start gives."""
    argv = testpmd_argv("gen", f"{o.core_a},{o.core_b}", o.core_a, vdevs, frame)
    argv += [f"--eth-peer=0,{MAC_B}", f"--eth-peer=1,{MAC_A}", "--record-core-cycles"]
    g = Process(argv, work + "/gen.log", stdin=True)
    try:
        g.wait_for("testpmd> ", START_S)
        for line in ("set fwd mac", "set burst 64", f"set txpkts {frame - 4}"):
            g.say(line)
        time.sleep(1)
        g.say(f"start tx_first {max(inflight // 64, 1)}")
        time.sleep(o.warm)
        g.say("show port stats all")
        time.sleep(o.secs)
        for line in ("show port stats all", "stop", "quit"):
            g.say(line)
        g.p.wait(15)  # its output comes when it ends: it is a file, so it is buffered
        rates = [int(n) for n in re.findall(r"Rx-pps: *(\d+)", g.text())]
        if len(rates) < 4 or not sum(rates[-2:]):
            raise Failure("testpmd forwarded nothing:\n" + g.tail())
        own = re.findall(r"CPU cycles/packet=([0-9.]+)", g.text())
        return {"value": sum(rates[-2:]) / 1e6, **({"guest": {"value": float(own[-1])}} if own else {})}
    finally:
        g.end()


# ---- Peers' switches -----------------------------------------------------------------------------------

def virtio_user(work, i, extra, mac):
    return f"net_virtio_user{i},path={work}/v{i}.sock,server=1,queues=1,queue_size=1024,mac={mac}{extra}"


@contextlib.contextmanager
def ovs(work, core, mem=1024):
    """An OVS-DPDK of its own in its own network namespace, switching on @core with an empty bridge br0 on the
    userspace datapath. What it gives is ovs-vsctl's argv and the process."""
    db = f"unix:{work}/db.sock"
    ctl = ["ovs-vsctl", f"--db={db}", "--timeout=90"]  # its huge pages are zeroed first
    os.environ.update(OVS_RUNDIR=work, OVS_LOGDIR=work, OVS_DBDIR=work)
    run("ovsdb-tool", "create", work + "/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
    server = Process(["ovsdb-server", work + "/conf.db", f"--remote=punix:{work}/db.sock",
                      f"--unixctl={work}/db.ctl"], work + "/db.log")
    switch = None
    try:
        for _ in range(100):
            if os.path.exists(work + "/db.sock"):
                break
            time.sleep(0.05)
        run(*ctl, "--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
            f"other_config:dpdk-socket-mem={mem}", f"other_config:pmd-cpu-mask={hex(1 << core)}",
            "other_config:dpdk-extra=--no-pci")
        switch = Process(["unshare", "-n", "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk", db,
                          f"--unixctl={work}/vs.ctl"], work + "/vs.log")
        run(*ctl, "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev")
        yield ctl, switch
    finally:
        if switch:
            switch.end()
        server.end()


def mtu_request(frame):
    return [f"mtu_request={JUMBO - 18}"] if frame > STD_FRAME else []


def add_vhost(ctl, work, i, frame, *keys):
    """A port v@i of br0 to the guest's virtio-user port of that number."""
    run(*ctl, "add-port", "br0", f"v{i}", *keys, "--", "set", "Interface", f"v{i}", "type=dpdkvhostuserclient",
        f"options:vhost-server-path={work}/v{i}.sock", *mtu_request(frame))


def add_memif(ctl, work, i, frame, *keys):
    """A port p@i of br0, a memif. OVS sends by a queue of each thread's own: who has the other end needs OVS_QUEUES."""
    run(*ctl, "add-port", "br0", f"p{i}", *keys, "--", "set", "Interface", f"p{i}", "type=dpdk",
        f"options:dpdk-devargs={memif(work, i, 'server', frame)}", *mtu_request(frame))


@contextlib.contextmanager
def ovs_between(o, work, frame, ports=2):
    """The NORMAL action between vhost ports: it learns addresses. What it gives is ovs-vsctl's argv."""
    with ovs(work, o.core_a) as (ctl, _):
        for i in range(ports):
            add_vhost(ctl, work, i, frame)
        yield ctl


@contextlib.contextmanager
def ovs_memif_between(o, work, frame):
    """The same between two memifs."""
    with ovs(work, o.core_a) as (ctl, _):
        for i in (0, 1):
            add_memif(ctl, work, i, frame)
        yield


@contextlib.contextmanager
def testpmd_between(o, work, vdevs, frame):
    """testpmd hands frames from one port to the other: no switching at all."""
    s = Process(testpmd_argv("sw", f"{o.core_a},{o.core_b}", o.core_b, vdevs, frame), work + "/sw.log", stdin=True)
    try:
        s.wait_for("testpmd> ", START_S)
        s.say("set burst 64")
        s.say("start")
        yield
    finally:
        s.end()


def vhost(work, i):
    return f"net_vhost{i},iface={work}/v{i}.sock,client=1"


def vhost_between(o, work, frame):
    return testpmd_between(o, work, [vhost(work, i) for i in (0, 1)], frame)


def virtio_ports(extra):
    return lambda work, frame: [virtio_user(work, i, extra, mac) for i, mac in enumerate((MAC_A, MAC_B))]


def memif_between(o, work, frame):
    return testpmd_between(o, work, [memif(work, i, "server", frame) for i in (0, 1)], frame)


class Peer:
    def __init__(self, switch, ports, queues=1):
        self.switch, self.ports, self.queues = switch, ports, queues

    def circle(self, o, work, frame, inflight):
        with self.switch(o, work, frame):
            return testpmd_circle(o, work, self.ports(work, frame), frame, inflight)

    @contextlib.contextmanager
    def load(self, o, work, frame):
        with self.switch(o, work, frame), \
                generator(o, work, self.ports(work, frame), frame, queues=self.queues) as g:
            time.sleep(0.5)  # for the rings to be found
            yield g
