# SPDX-License-Identifier: BSD-3-Clause
"""Through partitions, from one wire to the other: PVP and PVVP (RFC 8204), wires being memifs.

    side 0 -- uplink p0 -- partition -- [partition --] uplink p1 -- side 1     of the generator

Each way between two of them is a VLAN of its own on the one switch. A partition's guest rewrites addresses as testpmd's
`mac` mode does; its outer adapters have the addresses of the generator's sides that are behind it, so a frame
arrives as it was sent and is compared whole, and the guard against spoofed addresses is on.

All of them poll. With a core for each the cases are those of other topologies; on fewer, generator and partitions
share core B and give it to each other, and what that measures has a name of its own."""
import contextlib
import time

from .generator import MAC_A, MAC_B, START_S, STD_FRAME, generator, memif, memif_ports
from .loads import check_content, load_case
from .peers import (OVS_QUEUES, PACKED, add_memif, add_vhost, ovs, testpmd_argv, testpmd_between, vhost,
                    virtio_user)
from .process import Failure, Process
from .runner import Case
from .systems import Nethv, all_run, started

LENGTH = {"pvp": 1, "pvvp": 2}
VLAN = 101               # of the first way; the others follow
WINDOW = 512             # frames of a direction on their way, where a core is shared
PROBE = 200000           # frames of a direction by which a rate is estimated
SHARED = "generator and partition share a core"


def cores_of(o, length):
    """(the generator's, the partitions'): core B is the first partition's, C the generator's, D the second's. None:
    there are too few."""
    own = [o.core_c, o.core_b, o.core_d][:1 + length]
    return (own[0], own[1:]) if None not in own else None


def ends(length):
    """(left, right) MAC addresses of each partition's adapters."""
    inner = [f"02:00:00:00:01:{n:02x}" for n in range(2 * length - 2)]
    flat = [MAC_B, *inner, MAC_A]
    return list(zip(flat[::2], flat[1::2]))


def peers_of(length):
    """(left, right) whom each partition's frames go to, by the side they leave by."""
    macs = ends(length)
    return [(macs[i - 1][1] if i else MAC_A, macs[i + 1][0] if i + 1 < length else MAC_B) for i in range(length)]


PARTITION = """\
  - name: part{i}
    cpus: [{cpu}]
    memory: 128
    cmdline: "app=l2fwd nics=0,1 mode=mac peer0={peer0} peer1={peer1} poll={poll}"
    nics:
      - {{mac: "{left}", channels: 1, vlan: {{pvid: {vlan0}}}}}
      - {{mac: "{right}", channels: 1, vlan: {{pvid: {vlan1}}}}}
"""


def config(o, name, work, frame, cpus, vmq=False, polls=True):
    """nethv's configuration with a partition on each of @cpus."""
    length = len(cpus)
    lines = [f"name: {name}", f"engine: {o.engine}", f"switch: {{lcores: [{o.core_a}], poll: busy}}", "uplinks:"]
    for i, vlan in enumerate((VLAN, VLAN + length)):
        queues = ", vmq: {provider: software}" if vmq else ""
        lines.append(f'  - {{name: p{i}, devargs: "{memif(work, i, "server", frame)}", vlan: {{pvid: {vlan}}}{queues}}}')
    text = "\n".join([*lines, "partitions:\n"])
    for i, (cpu, macs, peers) in enumerate(zip(cpus, ends(length), peers_of(length))):
        text += PARTITION.format(i=i, cpu=cpu, left=macs[0], right=macs[1], peer0=peers[0], peer1=peers[1],
                                 vlan0=VLAN + i, vlan1=VLAN + i + 1, poll=int(polls))
    return text


class NethvThrough(Nethv):
    """Our switch with partitions between its uplinks. @vmq: their adapters have queues on the uplinks."""

    def __init__(self, length, vmq=False, shares=False):
        super().__init__()
        self.length, self.vmq, self.shares = length, vmq, shares

    @contextlib.contextmanager
    def load(self, o, work, frame):
        gen, parts = (o.core_b, [o.core_b] * self.length) if self.shares else cores_of(o, self.length)
        with started(o, work, lambda name: config(o, name, work, frame, parts, self.vmq, polls=not self.shares)) as i:
            i.until(all_run)
            with generator(o, work, memif_ports(work, frame), frame, core=gen, yields=self.shares) as g:
                time.sleep(0.5)
                yield g
                if self.vmq:
                    check_queues(i.stats())


def check_queues(stats):
    """What was measured came by queues of the outer adapters' own."""
    for uplink in stats["switch"]["vmq"]:
        counts = {bool(q["port"]): q["packets"] for q in uplink["queues"] if q["packets"]}
        if not counts.get(True) or counts.get(False, 0) > counts[True] / 100:
            raise Failure(f"uplink {uplink['uplink']}: frames came by the default queue: {counts}")


# ---- Peers ---------------------------------------------------------------------------------------------

@contextlib.contextmanager
def testpmd_guests(o, work, cpus, frame):
    """A testpmd in mac mode for each partition, on virtio-user ports; its prompt waits on the switch's core."""
    with contextlib.ExitStack() as stack:
        for i, (cpu, macs, peers) in enumerate(zip(cpus, ends(len(cpus)), peers_of(len(cpus)))):
            vdevs = [virtio_user(work, 2 * i + side, PACKED, macs[side]) for side in (0, 1)]
            argv = testpmd_argv(f"part{i}", f"{o.core_a},{cpu}", o.core_a, vdevs, frame)
            argv += [f"--eth-peer={side},{peers[side]}" for side in (0, 1)]
            g = Process(argv, f"{work}/part{i}.log", stdin=True)
            stack.callback(g.end)
            g.wait_for("testpmd> ", START_S)
            for line in ("set fwd mac", "set burst 64", "start"):
                g.say(line)
        yield


@contextlib.contextmanager
def ovs_switch(o, work, frame, length):
    """The NORMAL action, with an access VLAN for each way."""
    with ovs(work, o.core_a) as (ctl, _):
        for i in (0, 1):
            add_memif(ctl, work, i, frame, f"tag={VLAN + i * length}")
        for i in range(2 * length):
            add_vhost(ctl, work, i, frame, f"tag={VLAN + (i + 1) // 2}")
        yield


def testpmd_switch(o, work, frame, length):
    """testpmd hands frames from each port to the one that it is paired with: no switching at all."""
    wires = [memif(work, i, "server", frame) for i in (0, 1)]
    return testpmd_between(o, work, [wires[0], *(vhost(work, i) for i in range(2 * length)), wires[1]], frame)


class PeerThrough:
    def __init__(self, length, switch, queues=1):
        self.length, self.switch, self.queues = length, switch, queues

    @contextlib.contextmanager
    def load(self, o, work, frame):
        gen, parts = cores_of(o, self.length)
        with self.switch(o, work, frame, self.length), testpmd_guests(o, work, parts, frame), \
                generator(o, work, memif_ports(work, frame), frame, core=gen, queues=self.queues) as g:
            time.sleep(1)  # for the rings to be found
            yield g


def systems_of(length):
    return {"nethv": NethvThrough(length), "ovs-dpdk packed": PeerThrough(length, ovs_switch, OVS_QUEUES),
            "vhost packed": PeerThrough(length, testpmd_switch)}


# ---- Cases ---------------------------------------------------------------------------------------------

def by_vmq(case):
    """The case, said to be of adapters with queues of their own on the uplinks."""
    for head in [case.head, *(head for _, head in case.others)]:
        topology, rest = head["id"].split("/", 1)
        head.update(id=f"{topology}-vmq/{rest}", path="vmq",
                    title=head["title"].replace(topology.upper(), f"{topology.upper()} by VMQ", 1))
    return case


def steady_mpps(g, frame, secs):
    """What arrives while a fixed number of frames is on its way: nobody can lose any."""
    def once(count):
        got = g.trial(f"count={count} window={WINDOW} size={frame}", secs)
        check_content(got, f"{WINDOW} frames in flight")
        if got["rx_packets"] < got["tx_packets"]:
            raise Failure(f"{got['tx_packets'] - got['rx_packets']} of {got['tx_packets']} frames were lost")
        return got["rx_packets"] / got["receive_ns"] * 1e3
    return once(max(int(once(PROBE) * secs * 1e6 / 2), PROBE))


def shared_case(topology, frame, vmq=False):
    """For machines with two cores. No peer: testpmd never gives its core away, so it would be measured at a loss."""
    def measure(o, name, system, work):
        with system.load(o, work, max(frame, STD_FRAME)) as g:
            return {"value": steady_mpps(g, frame, o.secs)}
    system = {"nethv": NethvThrough(LENGTH[topology], vmq, shares=True)}
    case = Case(f"{topology}/shared/{frame}", f"{topology.upper()}, {frame} B, {WINDOW} in flight, {SHARED}", "max", "Mpps",
                "higher", system, measure, frame=frame, topology=topology)
    return by_vmq(case) if vmq else case


def own_cases(o, topology):
    length = LENGTH[topology]
    systems = {n: s for n, s in systems_of(length).items() if n in o.systems}
    made = [load_case(f, systems, topology=topology) for f in (64, 1518, "imix")]
    if "nethv" in o.systems:
        made.append(by_vmq(load_case(64, {"nethv": NethvThrough(length, vmq=True)}, topology=topology)))
    return made


def through_cases(o):
    """Those that this machine can run; what it lacks for the others is in lacking.py."""
    made = []
    for topology, length in LENGTH.items():
        if cores_of(o, length):
            made += own_cases(o, topology)
        if "nethv" in o.systems:
            made += [shared_case(topology, 64), shared_case(topology, 1518), shared_case(topology, 64, vmq=True)]
    return made


def limits(found):
    """What a report with some of them does not say."""
    if any("/shared/" in c.head["id"] for c in found):
        return [f"Where {SHARED}, the two waited for each other by turns: such a figure says that all frames come through "
                "whole, not how fast the path is."]
    return []
