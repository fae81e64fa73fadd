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
import signal
import subprocess
import time

from .generator import JUMBO, MAC_A, MAC_B, STD_FRAME, Wire, generator, memif, memif_ports
from .peers import (OVS_QUEUES, PACKED, Peer, memif_between, ovs_between, ovs_memif_between, vhost_between,
                    virtio_ports)
from .process import Failure, Process

# ---- nethv ---------------------------------------------------------------------------------------------

CONFIG = """\
name: {name}
engine: {engine}
switch: {{lcores: [{a}], poll: {poll}{wake}}}
partitions:
  - name: guest
    cpus: [{b}]
    memory: {memory}
    cmdline: "{cmdline}"
    nics:
      - {{mac: "{mac_a}", {nic}}}
      - {{mac: "{mac_b}", {nic}}}
"""


@contextlib.contextmanager
def started(o, work, config):
    """An Instance of the configuration @config(its name)."""
    name = f"bench-{os.getpid()}"
    with open(work + "/nethv.yaml", "w") as f:
        f.write(config(name))
    i = Instance(o, name, Process([o.nethv, "run", work + "/nethv.yaml"], work + "/nethv.log"))
    try:
        yield i
    finally:
        i.p.end(signal.SIGINT)


def all_run(stats):
    """Of Instance.until()."""
    return all(p["guest"]["state"] == "running" for p in stats["partitions"])


class Nethv:
    """Our switch, with VLANs and the guard against spoofed addresses on."""

    def __init__(self, poll="busy", words="", wake_us=None):
        self.poll, self.words = poll, words  # of the guest's, besides
        self.wake = "" if wake_us is None else f", wake_latency_us: {wake_us}"

    def config(self, o, name, frame, cmdline):
        nic = "channels: 1, vlan: {mode: access, pvid: 100}"
        if frame > STD_FRAME:
            nic += f", mtu: {JUMBO - 18}"
        return CONFIG.format(name=name, engine=o.engine, a=o.core_a, b=o.core_b, mac_a=MAC_A, mac_b=MAC_B, nic=nic,
                             poll=self.poll, wake=self.wake, memory=128 if frame <= STD_FRAME else 256, cmdline=cmdline)

    def instance(self, o, work, frame, cmdline):
        return started(o, work, lambda name: self.config(o, name, frame, cmdline))

    def circle(self, o, work, frame, inflight):
        mtu = f" mtu={JUMBO - 18}" if frame > STD_FRAME else ""
        cmdline = f"app=l2fwd nics=0,1 mode=mac poll=1 peer0={MAC_B} peer1={MAC_A} inject={inflight} size={frame}{mtu}{self.words}"
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
            i.until(all_run)
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
                "guest": {"value": (gb["busy_cycles"] - ga["busy_cycles"]) / max(out, 1)},
                "cycles": {"value": (lb["tsc_busy"] - la["tsc_busy"]) / max(packets, 1)},
                "counters": {"packets_a_loop": packets / max(loops, 1),
                             "drops": sb["totals"]["drops"] - sa["totals"]["drops"],
                             "doorbells_a_packet": (gb["doorbells"] - ga["doorbells"]) / max(out, 1)}}

    def trial(self, order, secs):
        number = self.tell(order)
        time.sleep(secs)
        return self.answer(number, order)

    def tell(self, order):
        """Begins a trial; its number."""
        return int(self.nethv("tell", "guest", *order.split(), "--instance", self.name))

    def answer(self, number, order, secs=20):
        """What came of it."""
        end = time.monotonic() + secs
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

    def uplinks(self, o, name, work, frame):
        ports = "".join(f'  - {{name: p{i}, devargs: "{memif(work, i, "server", frame)}"}}\n' for i in (0, 1))
        return (f"name: {name}\nengine: {o.engine}\nswitch: {{lcores: [{o.core_a}], poll: {self.poll}}}\n"
                f"uplinks:\n{ports}partitions:\n"
                "  - {name: idle, memory: 64, cmdline: app=sink, nics: [{vlan: {pvid: 99}}]}\n")

    @contextlib.contextmanager
    def load(self, o, work, frame):
        with started(o, work, lambda name: self.uplinks(o, name, work, frame)) as i:
            i.until(all_run)
            with generator(o, work, memif_ports(work, frame), frame) as g:
                time.sleep(0.5)
                yield g


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
    "ovs-dpdk memif": Peer(ovs_memif_between, memif_ports, queues=OVS_QUEUES),
    "memif": Peer(memif_between, memif_ports),
}
