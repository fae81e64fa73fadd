# SPDX-License-Identifier: BSD-3-Clause
"""Two partitions with a VF each: the bed of the scenarios `vf`, `vf_cycles` and `isolation`.

Partition a runs 6.1 under KVM's SynIC, b 6.12 under ours; the uplink of their switch is the PF of the VFs."""
import contextlib
import json
import os
import re
import time

import lab
from lab import nv

PATIENCE = 180
TCP_PORT, TCP_RATE = 7003, 250000  # bytes a second
PF = "eth0"
# The kernel's log of a long run is read at its end.
WORDS = "log_buf_len=4M lab.load=hv_vmbus,hv_utils,hv_storvsc,hv_netvsc,pci-hyperv,igbvf"
KERNELS = {"a": "6.1", "b": "6.12"}
SYNICS = {"a": "kvm", "b": "nethv"}
V4 = {"a": "10.0.0.1", "b": "10.0.0.2", "root": "10.0.0.9"}


def sh(command, check=True):
    return nv.run("sh", "-c", command, check=check, timeout=120).stdout


def until(what, good, seconds=PATIENCE):
    return nv.wait_until(what, good, seconds)


def nic(inst, name):
    """What `nethv ps` says of the adapter @name."""
    return next(n for n in inst.stats()["switch"]["nics"] if n["name"] == name)


def state(inst, name):
    """What `nethv vf list` says of it."""
    vfs = json.loads(inst.nethv("vf", "list", "--json"))["nics"]
    return next(v["state"] for v in vfs if v["nic"] == name)


def until_path(inst, name, path):
    return until(f"{name}'s data path to be {path}", lambda: nic(inst, name)["path"] == path)


def synthetic(inst):
    """Frames that went through the switch's ports of the two adapters."""
    return sum(p["in"] + p["out"] for p in inst.stats()["switch"]["ports"] if "/" in p["name"])


def guest_says(guest, pattern):
    return len(re.findall(pattern, guest.ok("dmesg")))


def transfer(client, server, address, seconds=5):
    far = server.start("iperf3 -s -1 -J")
    time.sleep(3)
    near = json.loads(client.ok(f"iperf3 -c {address} -t {seconds} -J", PATIENCE))["end"]
    status, text = far.wait(PATIENCE)
    assert status == 0, text
    return near["sum_received"]["bytes"]


@contextlib.contextmanager
def instance(words=WORDS):
    """The instance with both guests up: (inst, guests). It stops clean, and leaves the NIC as it was."""
    parts = [lab.linux(name, KERNELS[name], nics=[{"sriov": True}], ip=f"eth0:{V4[name]}/24", words=words,
                       on_crash="restart", synic=SYNICS[name], integration=True) for name in KERNELS]
    switch = {"poll": "shared", "hugepages": "no", "memory": 128}
    uplinks = [{"name": "up", "devargs": f"net_af_packet0,iface={PF}", "pf": PF}]
    with lab.Instance(parts, switch=switch, uplinks=uplinks) as inst:
        yield inst, {name: inst.guest(name, 300) for name in KERNELS}
        inst.stop_clean()
    with lab.case("at the end the NIC is as it was found"):
        assert sh(f"cat /sys/class/net/{PF}/device/sriov_numvfs").strip() == "0"
        filters = sh(f"bridge fdb show dev {PF}")
        assert "02:4e:" not in filters, filters


# --- there and back ----------------------------------------------------------------------------------

def away(inst, name):
    inst.nethv("vf", "revoke", name)
    until_path(inst, name, "synthetic")
    until("its VF to be free", lambda: state(inst, name) == "none")


def back(inst, name):
    inst.nethv("vf", "assign", name)
    until_path(inst, name, "vf")


def cycle(inst, name):
    """The VF of the adapter @name is taken away and given back."""
    away(inst, name)
    time.sleep(1)
    back(inst, name)
    time.sleep(1)


class Path:
    """What the guest's kernel says of its data path, in the clock of its log: [(when, what)], what being
    "up" (a VF is there), "to" and "from" (the path is switched)."""
    SAYS = {"VF registering": "up", "Data path switched to VF": "to", "Data path switched from VF": "from"}

    def __init__(self, guest):
        # Not all of it: a serial port is slow.
        text = guest.ok(f"dmesg | grep -E '{'|'.join(self.SAYS)}|numbered: '; true", PATIENCE)
        found = re.findall(rf"^\[ *([0-9.]+)\] hv_netvsc .*({'|'.join(self.SAYS)}): ", text, re.M)
        self.events = [(float(when), self.SAYS[what]) for when, what in found]
        clock = re.search(r"^\[ *([0-9.]+)\] numbered: ([0-9.]+)$", text, re.M)
        self.skew = float(clock[1]) - float(clock[2]) if clock else 0

    def coming(self, slack=0.5):
        """When both paths may deliver: from each VF that comes to its being the path."""
        begun, found = None, []
        for when, what in self.events:
            if what == "up":
                begun = when
            elif what == "to" and begun is not None:
                found.append((begun, when + slack))
                begun = None
        return found


class Numbers:
    """Numbered datagrams from one guest to the other, RATE a second."""
    RATE, PORT, GAP, IDLE = 100, 7001, 40, 20

    def __init__(self, source, sink, address, seconds):
        self.sink = sink
        self.far = sink.start(f"numbered tally {self.PORT} {self.GAP} {self.IDLE}")
        time.sleep(1)
        self.near = source.start(f"numbered send {address} {self.PORT} {self.RATE} {seconds}")

    def end(self, seconds):
        status, text = self.near.wait(seconds)
        assert status == 0, text
        self.sent = json.loads(text)["sent"]
        status, text = self.far.wait(PATIENCE)
        assert status == 0, text
        self.got = json.loads(text)
        self.path = Path(self.sink)

    def twice(self):
        """(those between a VF's coming and its being the path, the others)"""
        times = [t + self.path.skew for t, _ in self.got["twice_at"]]
        coming = self.path.coming()
        known = [t for t in times if any(a <= t <= b for a, b in coming)]
        return len(known), [t for t in times if not any(a <= t <= b for a, b in coming)]

    def gaps(self, what, around=3):
        """The longest gap, in ms, around each switch to or from the VF."""
        gaps = [(t + self.path.skew - ms / 1000, t + self.path.skew, ms) for t, ms in self.got["gaps_at"]]
        return sorted(max([ms for a, b, ms in gaps if a < when + around and b > when - around], default=0)
                      for when, word in self.path.events if word == what)


def spread(ms):
    """"median 50 ms, p99 120 ms, longest 130 ms" of a sorted list."""
    return (f"median {ms[len(ms) // 2]:.0f} ms, p99 {ms[len(ms) * 99 // 100]:.0f} ms, longest {ms[-1]:.0f} ms"
            if ms else "none")


# --- what is held ------------------------------------------------------------------------------------

def holding(pid):
    """(descriptors, KiB of memory of its own, KiB locked)"""
    with open(f"/proc/{pid}/status") as f:
        values = dict(re.findall(r"^(\w+):\s+(\d+) kB", f.read(), re.M))
    return len(os.listdir(f"/proc/{pid}/fd")), int(values["RssAnon"]), int(values["VmLck"])


def holdings(inst):
    """What each process of the instance holds, and how many IOMMU groups there are."""
    stats = inst.stats()
    pids = {"nethv run": stats["pid"], "switch": stats["switch"]["pid"],
            **{f"worker of {p['name']}": p["pid"] for p in stats["partitions"]}}
    return {name: holding(pid) for name, pid in pids.items()}, len(os.listdir("/sys/kernel/iommu_groups"))


def check_holdings(before, after, slack_kib):
    assert before[1] == after[1], f"{before[1]} IOMMU groups, then {after[1]}"
    for name, (fds, kib, locked) in before[0].items():
        now = after[0][name]
        lab.say(f"{name}: {fds} descriptors, then {now[0]}; {kib} KiB of its own, then {now[1]}; "
                f"{locked} KiB locked, then {now[2]}")
        assert now[0] == fds, f"{name}: {fds} descriptors, then {now[0]}"
        assert now[1] <= kib + slack_kib, f"{name}: {kib} KiB, then {now[1]}"
        assert now[2] == locked, f"{name}: {locked} KiB locked, then {now[2]}"


# --- under traffic -----------------------------------------------------------------------------------

class Leg:
    """What a stretch of cycles under traffic showed; legs add up."""

    def __init__(self, cycles=0, tcp=(0, 0), udp=(0, 0, 0, 0), gaps_to=(), gaps_from=()):
        self.cycles, self.tcp, self.udp = cycles, tcp, udp
        self.gaps_to, self.gaps_from = list(gaps_to), list(gaps_from)

    def __add__(self, other):
        return Leg(self.cycles + other.cycles, [x + y for x, y in zip(self.tcp, other.tcp)],
                   [x + y for x, y in zip(self.udp, other.udp)],
                   self.gaps_to + other.gaps_to, self.gaps_from + other.gaps_from)

    def say(self):
        sent, came, late, coming = self.udp
        lab.say(f"{self.cycles} cycles; TCP: {self.tcp[0]} bytes, {self.tcp[1]} sent again")
        lab.say(f"datagrams: {sent} sent, {came} came, {late} of them late; twice: {coming} while a VF came, "
                "0 at other times")
        lab.say(f"gap at a switch to the VF: {spread(sorted(self.gaps_to))}; "
                f"from it: {spread(sorted(self.gaps_from))}")


class Resets:
    """Who of two guests sends or gets a TCP reset."""

    def __init__(self, guests):
        self.dumps = {n: g.start(f"tcpdump -i any -n -e -l -c 20 'tcp[13] & 4 != 0 and port {TCP_PORT}' 2>&1")
                      for n, g in guests.items()}

    def end(self):
        """What each saw, with how its side of the stream ended."""
        for d in self.dumps.values():
            d.kill("INT")
        time.sleep(1)
        return "\n".join(f"{n}: {d.output()}" for n, d in self.dumps.items())


def comes_and_goes(inst, guests, cycles, seconds):
    """The VF of a is taken away and given back @cycles times in @seconds, or as often as it takes, under TCP and
    under numbered datagrams, while b keeps its own: what goes between them goes by way of NIC, root and
    switch then. @return: Leg."""
    a, b = guests["a"], guests["b"]
    before = Path(a).events[-1:]
    far = b.start(f"steady take {TCP_PORT}")
    resets = Resets(guests)
    time.sleep(2)
    numbers = Numbers(b, a, V4["a"], seconds)
    near = a.start(f"steady give {V4['b']} {TCP_PORT} {TCP_RATE} {seconds}")
    done = 0
    while done == 0 or done < cycles and near.status() is None:
        cycle(inst, "a/0")
        done += 1
    status, text = near.wait(seconds + PATIENCE)
    seen = resets.end()
    assert status == 0, f"TCP did not live through it: {text}; the other side: {far.output()}; resets:\n{seen}"
    tcp, taken = json.loads(text), json.loads(far.wait(PATIENCE)[1])
    numbers.end(seconds + PATIENCE)
    udp = numbers.got
    coming, others = numbers.twice()
    assert tcp["received"] == tcp["bytes"] == taken["bytes"] > 100000 and taken["wrong"] == 0, (tcp, taken)
    assert udp["received"] > numbers.sent / 2, udp["received"]
    assert not others, f"came twice although no VF came, at {others[:20]}"
    numbers.path.events = [e for e in numbers.path.events if not before or e[0] > before[0][0]]
    switched = [what for _, what in numbers.path.events]
    assert switched.count("to") >= done and switched.count("from") >= done, switched
    return Leg(done, (tcp["received"], tcp["sent_again"]),
               (numbers.sent, udp["received"], udp["late"], coming), numbers.gaps("to"), numbers.gaps("from"))
