# SPDX-License-Identifier: BSD-3-Clause
"""hv_netvsc of 6.1 and 6.12 against our NetVSP: the bed of the scenarios `netvsc`, `offload` and `channels`.

Partition a runs 6.1 under KVM's SynIC, b 6.12 under ours; eth0 of both and a TAP of the root are trunk ports of
one switch, eth1 are access ports of two VLANs. What one end does is judged by another: tcpdump there, and the
switch's counters.
LAB_ONLY=name,… runs some of a scenario's parts."""
import contextlib
import hashlib
import re
import shlex
import signal
import socket
import struct
import subprocess
import threading
import time

import lab
from lab import nv

TAP = "nv0"
TAP_PORT = "up"  # its name in the switch
V4 = {"root": "10.9.0.1", "a": "10.9.0.2", "b": "10.9.0.3"}
CHANNELS = {"a": 2, "b": 4}  # of eth0
V6 = {"root": "fd00:9::1", "a": "fd00:9::2", "b": "fd00:9::3"}
TMP = "/tmp"


def sh(command, check=True, timeout=120):
    return nv.run("sh", "-c", command, check=check, timeout=timeout).stdout


# --- what the switch and the guests count ------------------------------------------------------------

def port(stats, name):
    return next(p for p in stats["switch"]["ports"] if p["name"] == name)


def nic(stats, name):
    return next(n for n in stats["switch"]["nics"] if n["name"] == name)


class Delta:
    """How the counters of the ports moved since it was made."""

    def __init__(self, inst):
        self.inst, self.old = inst, inst.stats()

    def now(self, name):
        new, old = port(self.inst.stats(), name), port(self.old, name)
        drops = {k: v - old["drops"].get(k, 0) for k, v in new["drops"].items()}
        d = {k: new[k] - old[k] for k in ("in", "out", "copies", "delivered", "in_bytes", "out_bytes")}
        return dict(d, drops={k: v for k, v in drops.items() if v})

    def until(self, name, what, test, seconds=15):
        """Waits until @test of the port's changes holds; returns them."""
        got = {}

        def good():
            got.update(self.now(name))
            return test(got)
        end = time.monotonic() + seconds
        while not good():
            assert time.monotonic() < end, f"{name}: {what}: {got}"
            time.sleep(0.2)
        return got


def ethtool_stats(guest, dev="eth0"):
    text = guest.ok(f"ethtool -S {dev}")
    return {k: int(v) for k, v in re.findall(r"^\s+(\S+): (\d+)$", text, re.M)}


def queues(stats, way="rx", what="packets"):
    found = {int(m[1]): v for k, v in stats.items() if (m := re.match(rf"{way}_queue_(\d+)_{what}$", k))}
    return [found[q] for q in sorted(found)]


def minus(new, old):
    return [x - y for x, y in zip(new, old)]


def snmp(guest, proto, field):
    head, values = [l.split() for l in guest.ok("cat /proc/net/snmp").splitlines() if l.startswith(proto + ":")]
    return int(values[head.index(field)])


# --- captures -------------------------------------------------------------------------------------

class Capture:
    """tcpdump in the root, on the TAP; text() after stop()."""

    count = 0

    def __init__(self, words, dev=TAP):
        Capture.count += 1
        self.file = f"{TMP}/cap{Capture.count}.pcap"
        self.p = subprocess.Popen(["tcpdump", "-i", dev, "-p", "-U", "--immediate-mode", "-Z", "root", "-B", "16384",
                                   "-w", self.file, *words.split()], stderr=subprocess.PIPE, text=True)
        while "listening on" not in (line := self.p.stderr.readline()):
            assert line, "tcpdump did not start"

    def __enter__(self):
        return self

    def __exit__(self, *what):
        if self.p.poll() is None:
            time.sleep(0.5)
            self.p.send_signal(signal.SIGINT)
            self.p.communicate(timeout=30)

    def lines(self, words="-vv"):
        """One line a packet: -vv prints IPv4's header on a line of its own, with the rest indented below."""
        self.__exit__()
        text = nv.run("tcpdump", "-nn", "-e", "-r", self.file, *words.split(), timeout=240).stdout
        return re.sub(r"\n\s+", " ", text).splitlines()


class GuestCapture:
    """The same in a guest."""

    def __init__(self, guest, words, dev="eth0", options=""):
        self.guest, self.file = guest, f"/tmp/cap{next(guest.ids)}.pcap"
        self.bg = guest.start(f"exec tcpdump -i {dev} -p -U --immediate-mode -Z root -B 8192 -w {self.file} "
                              f"{options} {shlex.quote(words)}")
        nv.wait_until("tcpdump in the guest", lambda: "listening on" in self.bg.output(), 30)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        if self.bg:
            time.sleep(0.5)
            self.bg.kill()
            self.bg = None

    def text(self, pipe="cat", words="-vv", seconds=120):
        self.__exit__()
        return self.guest.ok(f"tcpdump -nn -e {words} -r {self.file} 2>/dev/null | sed ':a;N;$!ba;s/\\n  */ /g' |"
                             f" {pipe}; true", seconds)

    def lines(self, words="-vv"):
        return self.text(words=words).splitlines()

    def count(self, pattern, words="-vv"):
        return int(self.text(f"grep -c -E '{pattern}'", words))


BAD = re.compile(r"incorrect|bad udp cksum|bad cksum")
GOOD = re.compile(r"\(correct\)|udp sum ok")


def sums(lines):
    """(frames with a good TCP or UDP checksum, with a bad one)"""
    return sum(bool(GOOD.search(l)) for l in lines), sum(bool(BAD.search(l)) for l in lines)


def longest(lines):
    return max(int(m[1]) for l in lines if (m := re.search(r", length (\d+): ", l)))


# --- traffic --------------------------------------------------------------------------------------

class Sink(threading.Thread):
    """Takes one TCP stream in the root."""

    def __init__(self, host, number):
        super().__init__(daemon=True)
        self.s = socket.create_server((host, number), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.s.settimeout(240)
        self.sha, self.size = hashlib.sha1(), 0
        self.start()

    def run(self):
        with self.s, self.s.accept()[0] as c:
            c.settimeout(240)
            while data := c.recv(1 << 18):
                self.sha.update(data)
                self.size += len(data)

    def digest(self):
        self.join(240)
        return self.sha.hexdigest()


def send_file(guest, host, number, seconds=240):
    guest.ok(f"talk send {host} {number} </tmp/file", seconds)


def raw(dst, src="02:aa:00:00:00:01", ether=0x88B5, payload=bytes(46), n=1, tag=None):
    """@n frames out of the root's TAP, as they are."""
    head = bytes.fromhex((dst + src).replace(":", ""))
    head += struct.pack("!HH", 0x8100, tag) if tag is not None else b""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((TAP, 0))
        for _ in range(n):
            s.send(head + struct.pack("!H", ether) + payload)


class Load(threading.Thread):
    """UDP from the root to a guest, 200 a second, until stopped: traffic under which things change."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.host, self.go, self.sent = host, True, 0
        self.start()

    def run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            while self.go:
                with contextlib.suppress(OSError):
                    s.sendto(bytes(40), (self.host, 9))
                    self.sent += 1
                time.sleep(0.005)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.go = False
        self.join(10)
        assert self.sent > 20, f"the load stood still: {self.sent}"


def reach(guest, host, words="-c 3"):
    """Pings until it works once, then @words must work."""
    guest.ok(f"for i in 1 2 3 4 5 6 7 8 9 10; do ping -c 1 -W 1 {host} >/dev/null && break; done", 30)
    guest.ok(f"ping {words} -i 0.2 -W 5 {host}", 60)


# --- the bed --------------------------------------------------------------------------------------

class Net:
    """The instance and its two guests."""

    def __init__(self, inst):
        self.inst, self.a, self.b = inst, inst.guest("a", 400), inst.guest("b", 400)

    def guests(self):
        return ("6.1", "a", self.a), ("6.12", "b", self.b)

    def addresses(self):
        """IPv6 goes when the MTU falls below 1280."""
        for _, n, g in self.guests():
            g.ok(f"ip -6 addr replace {V6[n]}/64 dev eth0 nodad")
        sh(f"ip -6 addr replace {V6['root']}/64 dev {TAP} nodad")

    def mac(self, name):
        return nic(self.inst.stats(), name)["mac"]


def run(parts):
    """Runs @parts, {name: function of a Net}, one after the other; then looks whether anything was left behind."""
    partitions = [
        lab.linux("a", "6.1", vps=CHANNELS["a"], synic="kvm", ip=f"eth0:{V4['a']}/24",
                  nics=[{"mtu": 9000, "vlan": {"mode": "trunk", "allowed": [30]}},
                        {"vlan": {"pvid": 10}, "allow_spoofing": True}]),
        lab.linux("b", "6.12", vps=CHANNELS["b"], synic="nethv", ip=f"eth0:{V4['b']}/24",
                  nics=[{"mtu": 9000, "vlan": {"mode": "trunk"}}, {"vlan": {"pvid": 20}}])]
    uplinks = [{"name": TAP_PORT, "devargs": f"net_tap0,iface={TAP}", "vlan": {"mode": "trunk"}}]
    sh("modprobe 8021q", check=False)
    with lab.Instance(partitions, uplinks=uplinks) as inst:
        net = Net(inst)
        sh(f"ip addr add {V4['root']}/24 dev {TAP}; ip link set {TAP} up; sysctl -q net.ipv4.ping_group_range='0 0'")
        for _, _, g in net.guests():
            g.ok("ip link set eth1 up; sysctl -q -w net.ipv4.icmp_ratelimit=0")
        net.addresses()
        with lab.case("two guests and the root reach each other, IPv4 and IPv6"):
            for host in (V4["root"], V4["b"], V6["root"], V6["b"]):
                reach(net.a, host)
        for part in lab.chosen(parts):
            begun = time.monotonic()
            with lab.attempt(part):
                parts[part](net)
            lab.say(f"-- {part}: {time.monotonic() - begun:.1f} s")
        for kernel, _, g in net.guests():
            with lab.case(f"{kernel}: no warning"):
                assert not g.warnings(), g.warnings()
        with lab.case("no fault, and the books balance"):
            stats = inst.stats()
            assert stats["switch"]["restarts"] == 0, "the switch was started again: its counts began anew"
            assert all(n["faults"] == 0 for n in stats["switch"]["nics"]), stats["switch"]["nics"]
            nv.conservation(stats)
        with lab.case("a clean end"):
            inst.stop_clean()
    lab.finish()
