# SPDX-License-Identifier: BSD-3-Clause
"""The systems under test. Core A switches, core B is the one guest, or the generator that stands for it: two ports on
the switch, a frame that comes from one goes out of the other. Each system is started anew for each figure.

Each has two ways to be driven:
    circle(o, work, frame, inflight)   frames circle for ever, MACs rewritten as testpmd's `mac` mode does; Mpps
    load(o, work, frame)               a context: a Generator that makes the load it is told (guest/apps/trial.h)
Frame sizes count the FCS, as everywhere in the field."""
import contextlib
import json
import os
import re
import signal
import subprocess
import time

from .process import Failure, Process, run, tool

MAC_A, MAC_B = "02:00:00:00:00:01", "02:00:00:00:00:02"
PACKED = ",packed_vq=1,in_order=1,mrg_rxbuf=0"
EAL = ["--no-pci", "--in-memory", "--single-file-segments", "-m", "1024", "--no-telemetry"]
STD_FRAME = 1518
JUMBO = 9018
START_S = 30


def mbuf(frame):
    """Bytes of a buffer that holds the frame whole."""
    return 2176 if frame <= STD_FRAME else 9728


# ---- Generators of the peers -------------------------------------------------------------------------

def testpmd_argv(prefix, cores, main, vdevs, frame):
    return ["dpdk-testpmd", *EAL, f"--file-prefix={prefix}", "-l", cores, "--main-lcore", str(main),
            *(w for v in vdevs for w in ("--vdev", v)), "--", "-i", "--nb-cores=1", "--txd=1024", "--rxd=1024",
            f"--mbuf-size={mbuf(frame)}", f"--total-num-mbufs={32768 if frame <= STD_FRAME else 8192}",
            *([f"--max-pkt-len={JUMBO}"] if frame > STD_FRAME else [])]


def testpmd_circle(o, work, vdevs, frame, inflight):
    """A testpmd in mac mode on core B."""
    argv = testpmd_argv("gen", f"{o.core_a},{o.core_b}", o.core_a, vdevs, frame)
    argv += [f"--eth-peer=0,{MAC_B}", f"--eth-peer=1,{MAC_A}"]
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
        return sum(rates[-2:]) / 1e6
    finally:
        g.end()


class Generator:
    """bench/load on core B: the trials of guest/apps/trial.h on two DPDK ports."""

    def __init__(self, o, work, vdevs, frame):
        argv = [tool("load"), *EAL, "--file-prefix=load", "-l", str(o.core_b),
                *(w for v in vdevs for w in ("--vdev", v)), "--", MAC_A, MAC_B, str(max(frame, STD_FRAME))]
        self.p = Process(argv, work + "/load.log", stdin=True)
        self.p.wait_for('"ready"', START_S)
        self.seen = 1

    def trial(self, order, secs):
        self.p.say(order)
        end = time.monotonic() + secs + START_S
        while time.monotonic() < end:
            lines = [l for l in self.p.text().splitlines() if l.startswith("{") and l.endswith("}")]
            if len(lines) > self.seen:
                self.seen = len(lines)
                return taken(json.loads(lines[-1]), order)
            if self.p.p.poll() is not None:
                break
            time.sleep(0.01)
        raise Failure(f"the generator does not answer '{order}': {self.p.tail()}")

    def end(self):
        self.p.end()


def taken(result, order):
    if result.get("refused"):
        raise Failure(f"'{order}': {result['refused']}")
    return result


@contextlib.contextmanager
def generator(*args):
    g = Generator(*args)
    try:
        yield g
    finally:
        g.end()


# ---- Peers' switches -----------------------------------------------------------------------------------

def virtio_user(work, i, extra):
    mac = MAC_A if i == 0 else MAC_B
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


@contextlib.contextmanager
def ovs_between(o, work, frame, ports=2):
    """The NORMAL action between vhost ports: it learns addresses. What it gives is ovs-vsctl's argv."""
    with ovs(work, o.core_a) as (ctl, _):
        for i in range(ports):
            mtu = [f"mtu_request={JUMBO - 18}"] if frame > STD_FRAME else []
            run(*ctl, "add-port", "br0", f"v{i}", "--", "set", "Interface", f"v{i}", "type=dpdkvhostuserclient",
                f"options:vhost-server-path={work}/v{i}.sock", *mtu)
        yield ctl


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


def vhost_between(o, work, frame):
    return testpmd_between(o, work, [f"net_vhost{i},iface={work}/v{i}.sock,client=1" for i in (0, 1)], frame)


def memif(work, i, role, frame, extra=""):
    return (f"net_memif{i},role={role},id={i},socket={work}/m.sock,socket-abstract=no,rsize=10,"
            f"bsize={mbuf(frame)}{extra}")


def memif_between(o, work, frame):
    return testpmd_between(o, work, [memif(work, i, "server", frame) for i in (0, 1)], frame)


class Peer:
    def __init__(self, switch, ports):
        self.switch, self.ports = switch, ports

    def circle(self, o, work, frame, inflight):
        with self.switch(o, work, frame):
            return {"value": testpmd_circle(o, work, self.ports(work, frame), frame, inflight)}

    @contextlib.contextmanager
    def load(self, o, work, frame):
        with self.switch(o, work, frame), generator(o, work, self.ports(work, frame), frame) as g:
            time.sleep(0.5)  # for the rings to be found
            yield g


class Wire:
    """No switch at all: the generator's two ports are one memif. What comes through is the generator's own limit."""

    @contextlib.contextmanager
    def load(self, o, work, frame):
        vdevs = [memif(work, 0, "server", frame), memif(work, 0, "client", frame).replace("net_memif0", "net_memif1")]
        with generator(o, work, vdevs, frame) as g:
            time.sleep(0.5)
            yield g


def virtio_ports(extra):
    return lambda work, frame: [virtio_user(work, i, extra) for i in (0, 1)]


def memif_ports(work, frame):
    return [memif(work, i, "client", frame, f",mac={mac}") for i, mac in enumerate((MAC_A, MAC_B))]


# ---- nethv ---------------------------------------------------------------------------------------------

CONFIG = """\
name: {name}
engine: {engine}
switch: {{lcores: [{a}], poll: {poll}}}
partitions:
  - name: guest
    cpus: [{b}]
    memory: {memory}
    cmdline: "{cmdline}"
    nics:
      - {{mac: "{mac_a}", {nic}}}
      - {{mac: "{mac_b}", {nic}}}
"""


class Nethv:
    """Our switch, with VLANs and the guard against spoofed addresses on."""

    def __init__(self, poll="busy"):
        self.poll = poll

    def config(self, o, name, frame, cmdline):
        nic = "channels: 1, vlan: {mode: access, pvid: 100}"
        if frame > STD_FRAME:
            nic += f", mtu: {JUMBO - 18}"
        return CONFIG.format(name=name, engine=o.engine, a=o.core_a, b=o.core_b, mac_a=MAC_A, mac_b=MAC_B, nic=nic,
                             poll=self.poll, memory=128 if frame <= STD_FRAME else 256, cmdline=cmdline)

    @contextlib.contextmanager
    def instance(self, o, work, frame, cmdline):
        name = f"bench-{os.getpid()}"
        with open(work + "/nethv.yaml", "w") as f:
            f.write(self.config(o, name, frame, cmdline))
        i = Instance(o, name, Process([o.nethv, "run", work + "/nethv.yaml"], work + "/nethv.log"))
        try:
            yield i
        finally:
            i.p.end(signal.SIGINT)

    def circle(self, o, work, frame, inflight):
        mtu = f" mtu={JUMBO - 18}" if frame > STD_FRAME else ""
        cmdline = f"app=l2fwd nics=0,1 mode=mac poll=1 peer0={MAC_B} peer1={MAC_A} inject={inflight} size={frame}{mtu}"
        with self.instance(o, work, frame, cmdline) as i:
            i.until(lambda s: s["switch"]["totals"]["out"] > 100000)
            time.sleep(o.warm)
            a = i.stats()
            time.sleep(o.secs)
            return i.between(a, i.stats())

    @contextlib.contextmanager
    def load(self, o, work, frame):
        mtu = f" mtu={JUMBO - 18}" if frame > STD_FRAME else ""
        with self.instance(o, work, frame, f"app=trial nics=0,1 poll=1{mtu}") as i:
            i.until(lambda s: s["partitions"][0]["guest"]["state"] == "running")
            yield i


class Instance:
    """One that runs; also the generator that its guest is."""

    def __init__(self, o, name, p):
        self.o, self.name, self.p = o, name, p

    def nethv(self, *args):
        r = subprocess.run([self.o.nethv, *args], capture_output=True, text=True, timeout=20)
        if r.returncode:
            raise Failure(f"nethv {' '.join(args)}: {r.stderr.strip()}")
        return r.stdout

    def stats(self):
        return json.loads(self.nethv("stats", self.name, "--json"))

    def until(self, is_so, secs=20):
        end = time.monotonic() + secs
        while time.monotonic() < end and self.p.p.poll() is None:
            time.sleep(0.1)
            with contextlib.suppress(Failure, KeyError, TypeError, IndexError):
                s = self.stats()
                if is_so(s):
                    return s
        raise Failure("nethv does not get under way:\n" + self.p.tail(20))

    def between(self, a, b):
        """The figure between two looks: frames that left the switch, by its own clock."""
        sa, sb = a["switch"], b["switch"]
        out = sb["totals"]["out"] - sa["totals"]["out"]
        la, lb = ({k: sum(l[k] for l in s["lcores"]) for k in ("tsc_busy", "busy_loops", "packets")} for s in (sa, sb))
        ga, gb = (s["partitions"][0]["guest"]["values"] for s in (a, b))
        packets = lb["packets"] - la["packets"]
        loops = lb["busy_loops"] - la["busy_loops"]
        return {"value": out / (sb["time_ns"] - sa["time_ns"]) * 1e3,
                "cycles": {"value": (lb["tsc_busy"] - la["tsc_busy"]) / max(packets, 1)},
                "counters": {"packets_a_loop": packets / max(loops, 1),
                             "drops": sb["totals"]["drops"] - sa["totals"]["drops"],
                             "guest_cycles_a_packet": (gb["busy_cycles"] - ga["busy_cycles"]) / max(out, 1),
                             "doorbells_a_packet": (gb["doorbells"] - ga["doorbells"]) / max(out, 1)}}

    def trial(self, order, secs):
        number = int(self.nethv("tell", "guest", *order.split(), "--instance", self.name))
        end = time.monotonic() + secs + 20
        time.sleep(secs)
        while time.monotonic() < end:
            guest = self.stats()["partitions"][0]["guest"]
            v = guest["values"]
            if v.get("refused") == number:
                raise Failure(guest["message"])
            if v.get("done") == number:
                return v
            time.sleep(0.02)
        raise Failure(f"the guest does not answer '{order}':\n" + self.p.tail(20))


class NethvUplinks(Nethv):
    """Our switch between two uplinks; the one partition that a configuration must have sleeps."""

    @contextlib.contextmanager
    def load(self, o, work, frame):
        name = f"bench-{os.getpid()}"
        ports = "".join(f'  - {{name: p{i}, devargs: "{memif(work, i, "server", frame)}"}}\n' for i in (0, 1))
        with open(work + "/nethv.yaml", "w") as f:
            f.write(f"name: {name}\nengine: {o.engine}\nswitch: {{lcores: [{o.core_a}], poll: {self.poll}}}\n"
                    f"uplinks:\n{ports}partitions:\n"
                    "  - {name: idle, memory: 64, cmdline: app=sink, nics: [{vlan: {pvid: 99}}]}\n")
        i = Instance(o, name, Process([o.nethv, "run", work + "/nethv.yaml"], work + "/nethv.log"))
        try:
            i.until(lambda s: s["partitions"][0]["guest"]["state"] == "running")
            with generator(o, work, memif_ports(work, frame), frame) as g:
                time.sleep(0.5)
                yield g
        finally:
            i.p.end(signal.SIGINT)


# Two partitions, or what stands for them. Known names have known colours in reports.
SYSTEMS = {
    "nethv": Nethv(),
    "ovs-dpdk split": Peer(ovs_between, virtio_ports("")),
    "ovs-dpdk packed": Peer(ovs_between, virtio_ports(PACKED)),
    "vhost split": Peer(vhost_between, virtio_ports("")),
    "vhost packed": Peer(vhost_between, virtio_ports(PACKED)),
    "memif": Peer(memif_between, memif_ports),
}

ALONE = {"nethv": SYSTEMS["nethv"]}
# Two ports of the machine: memifs, so that no NIC is needed and none is measured.
P2P = {
    "nethv": NethvUplinks(),
    "memif": Peer(memif_between, memif_ports),
}
