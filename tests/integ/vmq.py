#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Queues of an uplink that belong to adapters, sorted in software: two partitions, one in a VLAN, answer numbered
datagrams while their queues go, come and move. Nothing is lost, nothing overtakes; and a killed switch
gives all of it back."""
import ctypes
import json
import os
import select
import signal
import socket
import struct
import tempfile
import threading
import time

import nv

CHANGES = int(os.environ.get("CHANGES", "200"))
WINDOW = 32  # datagrams to a partition on their way at once: fewer than any queue between has room for
OWN_MAC = bytes.fromhex("024e0000f001")
ECHO_PORT = 7
CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_STATISTICS, PACKET_AUXDATA = 263, 6, 8
VLAN_VALID = 1 << 4

CONFIG = """\
name: {name}
switch: {{lcores: {lcores}}}
uplinks:
  - name: up
    devargs: "net_tap0,iface={tap}"
    netns: {ns}
    vlan: {{mode: trunk}}
    vmq: {{queues: 4}}
partitions:
  - name: a
    cmdline: app=echo ip=10.99.7.2
    memory: 64
    nics: [{{mac: "02:4e:00:00:07:0a", vlan: {{pvid: 7}}}}]
  - name: b
    cmdline: app=echo ip=10.99.0.2
    memory: 64
    nics: [{{mac: "02:4e:00:00:07:0b"}}, {{mac: "02:4e:00:00:07:0c", vlan: {{mode: trunk}}}}]
"""


# ---- The wire --------------------------------------------------------------------------------

def checksum(data):
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def packet_socket(ns, iface):
    """In that namespace. Only the thread that opens it goes there."""
    out = []

    def open_it():
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{ns}") as f:
            if libc.setns(f.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {ns}")
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind((iface, 3))
        s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        s.setblocking(False)
        out.append(s)
    t = threading.Thread(target=open_it)
    t.start()
    t.join()
    return out[0] if out else nv.fail(f"no packet socket on {iface} in {ns}")


def head_to(mac, ip, vlan, proto, size):
    """Ethernet and IPv4 in front of @size bytes, from the first address of the network."""
    tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
    ends = socket.inet_aton(ip.rsplit(".", 1)[0] + ".1") + socket.inet_aton(ip)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 0, 0, 64, proto, 0) + ends
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return mac + OWN_MAC + tag + b"\x08\x00" + head


def received(sock):
    """All frames that are there now."""
    while select.select([sock], [], [], 0)[0]:
        yield sock.recv(2048)


class Flow:
    """Numbered datagrams to the echo port of one partition, and what came back."""

    def __init__(self, mac, ip, vlan):
        self.mac, self.vlan = bytes.fromhex(mac.replace(":", "")), vlan
        self.head = head_to(self.mac, ip, vlan, 17, 26) + struct.pack("!HHHH", 4000, ECHO_PORT, 26, 0)
        self.sent = self.next = self.answers = self.late = self.twice = 0
        self.missing, self.since = set(), time.monotonic()

    def fill(self, sock):
        while self.sent - self.next < WINDOW:
            try:
                sock.send(self.head + struct.pack("!Q10x", self.sent))
            except BlockingIOError:
                return
            self.sent += 1

    def take(self, number):
        self.answers += 1
        self.since = time.monotonic()
        if number >= self.next:
            self.missing.update(range(self.next, number))
            self.next = number + 1
        elif number in self.missing:
            self.missing.remove(number)
            self.late += 1
        else:
            self.twice += 1

    def give_up_if_old(self):
        """What was not answered for a long time is lost, and more is sent."""
        if time.monotonic() > self.since + 5 * nv.PATIENCE:
            self.missing.update(range(self.next, self.sent))
            self.next, self.since = self.sent, time.monotonic()


class Traffic(threading.Thread):
    """Keeps WINDOW datagrams to each partition on their way until it is told to end."""

    def __init__(self, ns, tap):
        super().__init__(daemon=True)
        self.ns, self.tap = ns, tap
        self.flows = [Flow("02:4e:00:00:07:0a", "10.99.7.2", 7),
                      Flow("02:4e:00:00:07:0b", "10.99.0.2", 0)]
        self.by_mac = {f.mac: f for f in self.flows}
        self.is_ending, self.fault, self.socket_lost = False, None, 0
        self.dropped = self.kernel_dropped()
        self.sock = packet_socket(ns, tap)
        self.start()

    def kernel_dropped(self):
        """By the interface, both ways."""
        r = nv.run("ip", "-n", self.ns, "-s", "-j", "link", "show", "dev", self.tap)
        s = json.loads(r.stdout)[0]["stats64"]
        return sum(s[way][what] for way in ("rx", "tx") for what in ("dropped", "errors"))

    def take_one(self):
        data, anc, _, _ = self.sock.recvmsg(2048, 256)
        flow = self.by_mac.get(data[6:12])
        if not flow or data[12:14] != b"\x08\x00" or data[34:36] != struct.pack("!H", ECHO_PORT):
            return
        aux = next(v for level, kind, v in anc if kind == PACKET_AUXDATA)
        status, tci = struct.unpack_from("IIIHHH", aux)[0], struct.unpack_from("IIIHHH", aux)[5]
        vlan = tci & 0xfff if status & VLAN_VALID else 0
        if vlan != flow.vlan or data[:6] != OWN_MAC:
            nv.fail(f"an answer in VLAN {vlan} from the partition in {flow.vlan}: {data.hex()}")
        flow.take(struct.unpack_from("!Q", data, 42)[0])

    def take_all(self):
        select.select([self.sock], [], [], 0.02)
        try:
            while True:
                self.take_one()
        except BlockingIOError:
            pass

    def loop(self):
        while not self.is_ending or any(f.next < f.sent for f in self.flows):
            for f in self.flows:
                if not self.is_ending:
                    f.fill(self.sock)
                f.give_up_if_old()
            self.take_all()

    def run(self):
        try:
            self.loop()
        except Exception as e:  # told by the main thread
            self.fault = e

    def more(self):
        """Waits until each partition has answered once more."""
        before = [f.answers for f in self.flows]
        end = time.monotonic() + 20 * nv.PATIENCE
        while not all(f.answers > n for f, n in zip(self.flows, before)):
            if self.fault:
                raise self.fault
            if time.monotonic() > end:
                nv.fail(f"no answers any more: {[f.answers for f in self.flows]}, {before} before")
            time.sleep(0.002)

    def end(self):
        """Ends it and looks at what came of it; how many answers."""
        self.is_ending = True
        self.join()
        if self.fault:
            raise self.fault
        by_socket = struct.unpack("II", self.sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
        by_kernel = self.kernel_dropped() - self.dropped + by_socket
        self.sock.close()
        n, late, twice = (sum(getattr(f, k) for f in self.flows) for k in ("answers", "late", "twice"))
        lost = sum(len(f.missing) for f in self.flows)
        print(f"{n} answers: {lost} lost, of these {by_kernel} by the kernel; {late} out of order, "
              f"{twice} twice")
        assert lost <= by_kernel, f"{lost} lost, {by_kernel} by the kernel"
        assert late == 0 and twice == 0, f"{late} out of order, {twice} twice"
        return n


# ---- What nethv says -------------------------------------------------------------------------

def vmq(inst, *words, check=True):
    return nv.run(nv.NETHV, "vmq", *words, "--instance", inst.name, check=check)


def uplink(inst):
    return json.loads(vmq(inst, "list", "--json").stdout)[0]


def queues(u):
    """By the adapter's name; "" is the default queue."""
    return {q["port"]: q for q in u["queues"]}


def without(u):
    return {p["port"]: p["why"] for p in u["without"]}


def lists(inst, cpus):
    u = uplink(inst)
    assert u["uplink"] == "up" and u["provider"] == "software", u
    assert "vmdq: net_tap has no VMDq" in u["why"] and "; flow: " in u["why"], u
    assert u["queues_max"] == 4 and u["queues_free"] == 1, u
    q = queues(u)
    assert set(q) == {"", "a/0", "b/0", "b/1"} and q[""]["queue"] == 0, q
    assert q["b/1"]["filter"] == ["02:4e:00:00:07:0c any vlan"], q
    assert q["a/0"]["filter"] == ["02:4e:00:00:07:0a vlan 7"], q
    assert q["b/0"]["filter"] == ["02:4e:00:00:07:0b untagged"], q
    for one in q.values():
        assert one["state"] == "running" and one["cpu"] in cpus and not one["pinned"], one
        assert 0 <= one["load"] <= 1000 and one["missed"] == 0 and not one["direct"], one
    assert "the NIC does not sort, we do" in q["a/0"]["why_copied"], q
    text = vmq(inst, "list").stdout
    for line in ("uplink up: 4 queues, 1 free, sorted by software", "(all others)", "a/0", "b/0",
                 "02:4e:00:00:07:0a vlan 7", "b/1", "02:4e:00:00:07:0c any vlan"):
        assert line in text, (line, text)
    rows = [l for l in text.splitlines() if l[:5].strip() in ("0", "1", "2", "3")]
    assert len(rows) == 4 and all(" running " in l for l in rows), text
    plan = vmq(inst, "plan").stdout
    assert plan.startswith("uplink up: ") and len(plan.splitlines()) == max(1, len(u["plan"])), plan


def pings(ns, tap):
    """Linux's own, untagged; in VLAN 7 by hand, since not every kernel has VLAN interfaces."""
    nv.run("ip", "-n", ns, "addr", "add", "10.99.0.1/24", "dev", tap)
    nv.run("ip", "netns", "exec", ns, "ping", "-q", "-c", "10", "-i", "0.05", "-W", "5", "10.99.0.2")
    mac = bytes.fromhex("024e0000070a")
    sock = packet_socket(ns, tap)
    for n in range(10):
        echo = struct.pack("!BBHHH16s", 8, 0, 0, 1, n, b"are you there?")
        echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
        sock.send(head_to(mac, "10.99.7.2", 7, 1, len(echo)) + echo)
        want = (b"\0\0", echo[4:])
        nv.wait_until(f"answer {n} to a ping in VLAN 7", lambda: any(
            d[:12] == OWN_MAC + mac and (d[34:36], d[38:38 + len(want[1])]) == want
            for d in received(sock)))
    sock.close()


def steady(inst, ns, tap):
    """Frames for an adapter come by its queue, all of them, and its load is measured."""
    before = queues(uplink(inst))
    t = Traffic(ns, tap)
    nv.wait_until("loads to be measured", lambda: all(
        queues(uplink(inst))[p]["load"] > 0 for p in ("a/0", "b/0")))
    t.end()
    after = queues(uplink(inst))
    for port, flow in zip(("a/0", "b/0"), t.flows):
        n = after[port]["packets"] - before[port]["packets"]
        assert n >= flow.answers, f"{n} frames in the queue of {port}, {flow.answers} answers"
    others = after[""]["packets"] - before[""]["packets"]
    assert others < 100, f"{others} frames in the default queue"


# ---- Changes ---------------------------------------------------------------------------------

def sequence(cpus):
    """What is set, one after the other, again and again."""
    first, last = cpus[0], cpus[-1]
    while True:
        yield from (("a/0", "enabled", "off"), ("b/0", "lcore", last), ("a/0", "enabled", "on"),
                    ("b/0", "lcore", first), ("a/0", "lcore", first), ("b/0", "lcore", None),
                    ("a/0", "lcore", last), ("b/0", "enabled", "off"), ("a/0", "lcore", None),
                    ("b/0", "enabled", "on"))


def is_as_set(u, want):
    """Each adapter's queue is as the keys say that were set last."""
    for port, keys in want.items():
        q = queues(u).get(port)
        if keys.get("enabled") == "off":
            assert q is None and "switched off" in without(u)[port], u
            continue
        pin = keys.get("lcore")
        assert q and q["state"] == "running" and q["filters"] == 1, u
        assert q["pinned"] == (pin is not None), q
        assert pin is None or q["cpu"] == pin, q


def changes(inst, ns, tap, cpus):
    want = {"a/0": {}, "b/0": {}}
    t = Traffic(ns, tap)
    t.more()
    for n, (port, key, value) in zip(range(CHANGES), sequence(cpus)):
        word = "null" if value is None else value
        vmq(inst, "set", port, f"{{{key}: {word}}}")
        want[port][key] = value
        t.more()
        if n % 7 == 0:
            is_as_set(uplink(inst), want)
    for port in want:
        vmq(inst, "set", port, "{enabled: null, lcore: null}")
    t.end()
    is_as_set(uplink(inst), {"a/0": {}, "b/0": {}})
    assert all(q["missed"] == 0 for q in queues(uplink(inst)).values())
    print(f"{CHANGES} changes of queues under traffic")


def spreads(inst, ns, tap):
    """An adapter has two queues, then one, again and again."""
    t = Traffic(ns, tap)
    t.more()
    for n in (2, 1) * 10:
        out = vmq(inst, "set", "a/0", f"{{queues: {n}}}").stdout
        assert out.count("uplink up: a/0 has queue ") == n == len(out.splitlines()), out
        t.more()
        have = [q for q in uplink(inst)["queues"] if q["port"] == "a/0"]
        assert [q["shares"] for q in have] == [None, have[0]["queue"]][:n], have
        assert [q["filters"] for q in have] == [1, 0][:n], have
        assert all(q["state"] == "running" for q in have), have
        line = f"      shares the filters of queue {have[0]['queue']}\n"
        assert vmq(inst, "list").stdout.count(line) == n - 1, have
    vmq(inst, "set", "a/0", "{queues: null}")
    t.end()


def comes_and_goes(inst, ns, tap):
    """Adapters get queues while there are some, and give them back."""
    def nic(*words):
        return nv.run(nv.NETHV, "nic", *words, "--instance", inst.name).stdout.strip()
    t = Traffic(ns, tap)
    t.more()
    for _ in range(5):
        made = [nic("add", "a", "--vlan", "9"), nic("add", "b"), nic("add", "a")]
        u = uplink(inst)
        have = queues(u)
        assert set(have) == {"", "a/0", "b/0", "b/1", made[0]} and u["queues_free"] == 0, u
        assert have[made[0]]["filter"][0].endswith(" vlan 9"), have[made[0]]
        assert all("queues is left" in without(u)[name] for name in made[1:]), u
        t.more()
        for name in made:
            nic("remove", name)
        u = uplink(inst)
        assert set(queues(u)) == {"", "a/0", "b/0", "b/1"} and u["queues_free"] == 1, u
        assert not without(u), u
        t.more()
    t.end()


def told(inst):
    """A change can be made and still leave the adapter without a queue: then that is said."""
    for config, text in (
            ("{enabled: off}", "uplink up: a/0 has no queue: switched off"),
            ("{queues: 2}", "uplink up: a/0 has no queue: switched off"),
            ("{enabled: null, queues: null, direct: off}", "uplink up: a/0 has queue 1, CPU "),
            ("{direct: null}", ", copied")):
        out = vmq(inst, "set", "a/0", config).stdout
        assert text in out and len(out.splitlines()) == 1, (config, out)
    made = json.loads(vmq(inst, "set", "a/0", "{direct: null}", "--json").stdout)
    assert made["name"] == "a/0" and made["vmq"] == {"direct": None}, made


# ---- Refusals, and a killed switch -----------------------------------------------------------

def refusals(inst):
    """What cannot be changes nothing, and says why."""
    before = [(q["port"], q["filter"], q["pinned"]) for q in uplink(inst)["queues"]]
    for words, status, text in (
            (("set", "a/0", "{enabled: perhaps}"), 1, "nics[0].vmq.enabled"),
            (("set", "a/0", "{queues: 17}"), 1, "1..16 (queues)"),
            (("set", "a/0", "{lcore: x}"), 1, "nics[0].vmq.lcore"),
            (("set", "a/0", "{lcore: 1000}"), 1, "switch.lcores"),
            (("set", "a/0", "{no_such: 1}"), 1, "no_such"),
            (("set", "a/9", "{lcore: 0}"), 1, "no adapter a/9"),
            (("set", "a/0", "[1]"), 2, "nethv: "),
            (("set", "a/0", "{lcore"), 2, "command line:2: not YAML"),
            (("set", "a/0"), 2, "set PARTITION/NUMBER CONFIG"),
            (("show",), 2, "use: list, plan, or set")):
        r = vmq(inst, *words, check=False)
        assert r.returncode == status and text in r.stderr, (words, r.returncode, r.stderr)
    assert before == [(q["port"], q["filter"], q["pinned"]) for q in uplink(inst)["queues"]]


WRONG = (
    ("    vmq: {provider: hardware}\n", "", 5, "uplinks[0].vmq.provider", "auto, vmdq, flow"),
    ("    vmq: {queues: 0}\n", "", 5, "uplinks[0].vmq.queues", "1..127 (queues)"),
    ("    vmq: {direct: perhaps}\n", "", 5, "uplinks[0].vmq.direct", "true, false"),
    ("    queues: 2\n    vmq: {}\n", "", 5, "uplinks[0].queues", "vmq.queues"),
    ("", "{vmq: {queues: 17}}", 7, "partitions[0].nics[0].vmq.queues", "1..16 (queues)"),
    ("", "{vmq: {enabled: 7}}", 7, "partitions[0].nics[0].vmq.enabled", "true, false"),
    ("", "{vmq: {lcore: -1}}", 7, "partitions[0].nics[0].vmq.lcore", "0..1023 (a CPU number)"),
    ("", "{vmq: {lcore: 1000}}", 7, "partitions[0].nics[0].vmq.lcore", "switch.lcores"),
)


def mistakes(cpu):
    """In a file: `nethv check` names line, key and what is allowed."""
    nv.run(nv.NETHV, "check", os.path.join(nv.ROOT, "docs/examples/vmq.yaml"))
    with tempfile.NamedTemporaryFile("w", prefix="nethv-test-", suffix=".yaml") as f:
        for up, nic, line, key, text in WRONG:
            f.seek(0)
            f.truncate()
            f.write(f"switch: {{lcores: [{cpu}]}}\nuplinks:\n  - name: up\n    devargs: net_null0\n"
                    f"{up}partitions:\n  - name: a\n    nics: [{nic}]\n")
            f.flush()
            r = nv.run(nv.NETHV, "check", f.name, check=False)
            want = f"{f.name}:{line}: {key}:"
            assert r.returncode == 2 and want in r.stderr and text in r.stderr, (want, r)


def cannot():
    """A provider that is named and cannot ends the start, and says why."""
    with tempfile.NamedTemporaryFile("w", prefix="nethv-test-", suffix=".yaml") as f:
        f.write(f"name: vmqno-{os.getpid()}\nengine: ring3\npartitions: [{{name: a}}]\n"
                "uplinks: [{name: up, devargs: net_null0, vmq: {provider: vmdq}}]\n")
        f.flush()
        r = nv.run(nv.NETHV, "run", f.name, check=False)
    assert r.returncode == 1 and "net_null has no VMDq" in r.stdout + r.stderr, r


def killed(inst, ns, tap, cpus):
    """What was set is set again, and traffic goes on."""
    vmq(inst, "set", "a/0", f"{{lcore: {cpus[-1]}}}")
    vmq(inst, "set", "b/0", "{enabled: off}")
    os.kill(inst.switch_pid(), signal.SIGKILL)
    nv.wait_until("the switch to be back", lambda: "all partitions resumed" in inst.text())
    nv.wait_until("a status of it", lambda: (inst.json("stats") or {}).get(
        "switch", {}).get("vmq"))
    is_as_set(uplink(inst), {"a/0": {"lcore": cpus[-1]}, "b/0": {"enabled": "off"}})
    assert "b/1" in queues(uplink(inst))
    t = Traffic(ns, tap)
    t.more()
    vmq(inst, "set", "b/0", "{enabled: null}")
    t.more()
    t.end()
    is_as_set(uplink(inst), {"a/0": {"lcore": cpus[-1]}, "b/0": {}})


def balance(inst):
    t = nv.wait_until("all packets to have an end", lambda: next(
        (t for t in [nv.conservation(inst.stats())] if t["on_the_way"] == 0), None))
    print(f"in {t['in']} + copies {t['copies']} = out {t['out']} + drops {t['drops']} {t['by_reason']}")
    assert t["in"] + t["copies"] == t["out"] + t["drops"]


def main():
    nv.need_root("a TAP in a namespace")
    cpus = sorted(os.sched_getaffinity(0))[:2]
    mistakes(cpus[0])
    cannot()
    left = nv.Leftovers()
    tap = f"nvq{os.getpid()}"
    with nv.netns("vmq") as (ns,), nv.Instance(CONFIG.format(
            name=f"vmq-{os.getpid()}", lcores=cpus, tap=tap, ns=ns)) as inst:
        inst.wait_running()
        lists(inst, cpus)
        pings(ns, tap)
        steady(inst, ns, tap)
        told(inst)
        refusals(inst)
        changes(inst, ns, tap, cpus)
        spreads(inst, ns, tap)
        comes_and_goes(inst, ns, tap)
        balance(inst)
        killed(inst, ns, tap, cpus)
        balance(inst)
        assert inst.stop() == 0
    left.check(inst)


if __name__ == "__main__":
    main()
