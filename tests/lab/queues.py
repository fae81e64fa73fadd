# SPDX-License-Identifier: BSD-3-Clause
"""Queues of a NIC that belong to partitions: who gets which frames, into whose memory they are written, and that
nothing is lost, late, twice or changed while queues and buffers come and go: the parts of the scenarios `vmq` and
`vmq_short`.

The root has one 82576, the switch the other, on one wire; the root sends, guests and counters say what came."""
import contextlib
import json
import os
import re
import signal
import subprocess
import time

import broken
import lab
import net
import vfs
from lab import nv

PATIENCE = 180
FRAMES, CHANGES, CYCLES = 100000, 200, 10  # unless run() or the environment says otherwise
WARM = 2           # cycles before what is held is looked at
SLACK_KIB = 1024   # what the switch may grow meanwhile, however often
TOOL = os.path.join(lab.BUILD, "tests/lab_frames")
V4 = {"root": "10.0.0.9", "a": "10.0.0.1", "b": "10.0.0.2", "d": "10.0.0.4"}
WORDS = "ipv6.disable=1 lab.load=hv_vmbus,hv_netvsc"  # nobody says anything unasked
EACH = 100         # frames of a kind
SIZES = "60 1514"
SMALL = {"poll": "shared", "hugepages": "no", "memory": 128}


# --- what the switch says ----------------------------------------------------------------------------

def tell_threads(pid):
    """What the threads of a switch that does not answer do."""
    for task in sorted(os.listdir(f"/proc/{pid}/task")):
        def read(name, task=task):
            with open(f"/proc/{pid}/task/{task}/{name}") as f:
                return f.read().strip()
        stack = " ".join(l.split()[-1] for l in read("stack").splitlines()[:6])
        lab.say(f"   {task} {read('comm')} {' '.join(read('stat').rsplit(')', 1)[1].split()[0:13:11])} ticks; "
                f"{read('syscall')}; {stack}")


class Books:
    """The switch's counters at one moment."""

    def __init__(self, inst):
        self.switch = nv.wait_until("the switch's books", lambda: self.ask(inst), PATIENCE)
        self.queues = self.switch["vmq"][0]["queues"]

    @staticmethod
    def ask(inst):
        """A switch that did not answer in time is left out; on a slow machine that is nobody's fault."""
        switch = inst.stats()["switch"]
        if "vmq" in switch:
            return switch
        lab.say(f"the switch did not answer in time: {switch}")
        with contextlib.suppress(OSError):
            tell_threads(switch["pid"])
        return None

    def queue(self, port):
        """None: it has none."""
        return next((q for q in self.queues if q["port"] == port), None)

    def port(self, name):
        return next(p for p in self.switch["ports"] if p["name"] == name)

    def nic(self, name):
        return next(n for n in self.switch["nics"] if n["name"] == name)

    def uplink(self):
        return self.switch["uplinks"][0]

    def quiet(self):
        """What is the same twice when nothing is on its way."""
        return [(p["in"], p["out"]) for p in self.switch["ports"]], [q["packets"] for q in self.queues]


def settled(inst):
    """The books, once nothing moves any more."""
    found = [None, Books(inst)]

    def same():
        found[0], found[1] = found[1], Books(inst)
        return found[0].quiet() == found[1].quiet() and found[1]
    return nv.wait_until("the wire to be quiet", same, PATIENCE)


def until_direct(inst, port, is_direct=True, seconds=PATIENCE):
    """The queue of @port, once its frames are (not) written straight into the guest's memory."""
    def look():
        q = Books(inst).queue(port)
        return q if q and q["direct"] == is_direct else None
    try:
        return nv.wait_until(f"{port} to be {'direct' if is_direct else 'copied'}", look, seconds)
    except AssertionError:
        lab.say(inst.nethv("vmq", "list"))
        raise


def mac(inst, port):
    return Books(inst).nic(port)["mac"]


def faults():
    """DMA that the IOMMU stopped, as L1's kernel says."""
    text = subprocess.run(["dmesg"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.findall(r"DMAR: \[DMA .*", text)


# --- numbered frames ---------------------------------------------------------------------------------

class Numbers:
    """Numbered frames from the root to eth0 of a guest. @count 0: until end()."""

    def __init__(self, wire, guest, to, count=0, sizes=SIZES, vlan=""):
        self.count = count
        self.far = guest.start(f"frames take eth0 {sizes}")
        nv.wait_until("the receiver", lambda: "ready" in self.far.output(), 60)
        self.near = subprocess.Popen([TOOL, "send", wire, to, *sizes.split(), str(count), *vlan.split()],
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self, seconds=PATIENCE):
        """(what the sender says, what the receiver says)"""
        if not self.count:
            self.near.terminate()
        text = self.near.communicate(timeout=seconds)[0]
        if self.near.returncode:
            self.far.kill()
            time.sleep(2)  # it says what it has
            raise AssertionError(f"{text}; the receiver: {self.far.wait(60)}")
        status, got = self.far.wait(60)
        assert status == 0, got
        return json.loads(text), json.loads(got.splitlines()[-1])

    def check(self, what, seconds=PATIENCE, may_lose=False):
        sent, got = self.end(seconds)
        lab.say(f"{what}: {sent['sent']} frames in {sent['seconds']} s, {sent['sent'] / sent['seconds']:.0f} a second; "
                f"lost {got['lost']} ({got['gone']}), late {got['late']}, twice {got['twice']}, wrong {got['wrong']}; "
                f"asked {sent['asked']} times")
        assert sent["sent"] == self.count or not self.count and sent["sent"] > 0, sent
        assert got["wrong"] == 0, got
        assert got["late"] == got["twice"] == 0, got
        assert 0 <= got["lost"] and got["received"] + got["lost"] == sent["sent"], (sent, got)
        assert may_lose or got["lost"] == 0, got
        return sent, got


# --- A: who gets what ---------------------------------------------------------------------------------

class Tally:
    """What each guest sees of the frames that say their kind."""

    def __init__(self, guests):
        self.guests = guests
        self.jobs = {n: g.start("frames tally eth0") for n, g in guests.items()}
        for job in self.jobs.values():
            nv.wait_until("the tally", lambda j=job: "ready" in j.output(), 60)

    def end(self):
        """{kind: {guest: {VLAN: count}}}"""
        found = {}
        for name, job in self.jobs.items():
            self.guests[name].ok("killall -TERM frames")
            status, text = job.wait(60)
            assert status == 0, text
            for kind, seen in json.loads(text.splitlines()[-1]).items():
                found.setdefault(int(kind), {})[name] = {int(v): n for v, n in seen.items()}
        return found


def kinds(macs):
    """(what, address, the root's tag or 0, who sees it with which tag, whose queue it comes by; "": the default
    one; None: it is nobody's). Guests look at everything that their adapter delivers."""
    everyone, group, unknown = "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:55", "02:aa:bb:cc:dd:ee"
    untagged = {"a": 0, "b": 0, "d": 0}
    return [
        ("to a", macs["a"], 0, {"a": 0}, "a"),
        ("to b", macs["b"], 0, {"b": 0}, "b"),
        ("to c, in its VLAN", macs["c"], 10, {"c": 0}, "c"),
        ("to d, untagged", macs["d"], 0, {"d": 0}, "d"),
        ("to d, in its VLAN", macs["d"], 20, {"d": 20}, "d"),
        ("to a, in c's VLAN", macs["a"], 10, {"c": 0}, ""),
        ("to c, untagged", macs["c"], 0, untagged, ""),
        ("to d, in c's VLAN", macs["d"], 10, {"c": 0}, ""),
        ("broadcast", everyone, 0, untagged, ""),
        ("broadcast in c's VLAN", everyone, 10, {"c": 0}, ""),
        ("broadcast in d's VLAN", everyone, 20, {"d": 20}, ""),
        ("multicast", group, 0, untagged, ""),
        ("multicast in c's VLAN", group, 10, {"c": 0}, ""),
        ("unknown", unknown, 0, untagged, ""),
        ("unknown in d's VLAN", unknown, 20, {"d": 20}, ""),
        ("broadcast in nobody's VLAN", everyone, 30, {}, None),
        ("to d, in nobody's VLAN", macs["d"], 30, {}, None),
    ]


def where_it_goes(inst, wire, guests):
    macs = {n: mac(inst, f"{n}/0") for n in guests}
    table, by_queue = kinds(macs), []
    tally = Tally(guests)
    for number, (_, address, vlan, _, _) in enumerate(table):
        before = settled(inst)
        nv.run(TOOL, "say", wire, address, str(number), str(EACH), *([str(vlan)] if vlan else []))
        after = settled(inst)
        by_queue.append({q["port"]: q["packets"] - old for q in after.queues
                         if q["packets"] != (old := next(o["packets"] for o in before.queues
                                                         if o["queue"] == q["queue"]))})
    seen = tally.end()
    for number, (what, _, _, who, queue) in enumerate(table):
        with lab.case(f"{what}: who should gets it, nobody else, by the right queue"):
            assert seen.get(number, {}) == {g: {v: EACH} for g, v in who.items()}, seen.get(number)
            if queue is not None:
                want = {f"{queue}/0" if queue else "": EACH}
                assert by_queue[number] == want, (by_queue[number], want)


def guest_counts(guest):
    rx, tx, bad = guest.ok("cd /sys/class/net/eth0/statistics; cat rx_packets tx_packets; "
                           "cat rx_dropped rx_errors tx_dropped tx_errors | paste -s -d+ | bc").split()
    return int(rx), int(tx), int(bad)


def root_counts(wire):
    def value(name):
        with open(f"/sys/class/net/{wire}/statistics/{name}") as f:
            return int(f.read())
    return value("rx_packets"), value("tx_packets")


def counters_agree(inst, wire, guests, work):
    """NIC, queues, ports and both ends say the same of @work."""
    before, old = settled(inst), {n: guest_counts(g) for n, g in guests.items()}
    root = root_counts(wire)
    work()
    after, new = settled(inst), {n: guest_counts(g) for n, g in guests.items()}
    root = [n - o for n, o in zip(root_counts(wire), root)]

    def more(get):
        return get(after) - get(before)
    came, went = more(lambda b: b.uplink()["rx_packets"]), more(lambda b: b.uplink()["tx_packets"])
    queues = more(lambda b: sum(q["packets"] for q in b.queues))
    lab.say(f"the root sent {root[1]} and got {root[0]}; the NIC got {came} and sent {went}; its queues had {queues}")
    assert came == root[1] == queues == more(lambda b: b.port("up")["in"]), (came, root, queues)
    assert went == root[0] == more(lambda b: b.port("up")["out"]), (went, root)
    assert after.uplink()["rx_missed"] == 0 and all(q["missed"] == 0 for q in after.queues), after.switch
    for n in guests:
        rx, tx, bad = (x - y for x, y in zip(new[n], old[n]))
        port = f"{n}/0"
        out, into = more(lambda b: b.port(port)["out"]), more(lambda b: b.port(port)["in"])
        given = more(lambda b: b.nic(port)["direct"] + b.nic(port)["copies"])
        lab.say(f"{n}: got {rx}, sent {tx}; its port: {out} and {into}; {given} written into its memory")
        assert bad == 0 and rx == out == given and tx == into, (n, rx, tx, bad, out, into, given)
    nv.conservation({"switch": after.switch})


def udp(guest, root, address):
    """All arrive at the guest: what its socket had no room for, since its reader did not run, is its own loss."""
    def full():
        head, values = [l.split() for l in guest.ok("grep ^Udp: /proc/net/snmp").splitlines()]
        return int(values[head.index("RcvbufErrors")])
    before = full()
    r = net.iperf(guest, root, address, "-u -b 2M -l 1400 -n 1M")
    assert r.packets >= 2**20 // 1400 and r.lost <= full() - before, (r.packets, r.lost, full() - before)


def traffic(wire, guests):
    root = net.Root()
    for name in ("a", "b", "d"):
        with lab.case(f"{name} and the root: ping, TCP both ways, UDP"):
            net.ping(root, V4[name], 10, 1000)
            net.tcp(guests[name], root, V4[name], 1)
            net.tcp(guests[name], root, V4[name], 1, "-R")
            udp(guests[name], root, V4[name])


def sorting(wire):
    nics = {"a": {}, "b": {}, "c": {"vlan": {"pvid": 10}}, "d": {"vlan": {"mode": "trunk", "allowed": [20]}}}
    parts = [lab.linux(n, nics=[nic], ip=f"eth0:{V4[n]}/24" if n in V4 else "", words=WORDS)
             for n, nic in nics.items()]
    up = {"name": "up", "vlan": {"mode": "trunk", "allowed": [10, 20]}, "vmq": {"provider": "vmdq"}}
    with instance(parts, up) as inst:
        guests = {n: inst.guest(n, 400) for n in nics}
        guests["c"].ok("ip link set eth0 up")
        with lab.case("each partition has a queue of its own, that runs, is direct and has its filters"):
            found = [until_direct(inst, f"{n}/0") for n in nics]
            lab.say(inst.nethv("vmq", "list"))
            assert len({q["queue"] for q in found} - {0}) == len(found), found
            for n, q in zip(nics, found):
                address = mac(inst, f"{n}/0")
                want = {"c": [f"{address} vlan 10"], "d": [f"{address} untagged", f"{address} vlan 20"]}
                assert q["state"] == "running" and q["filter"] == want.get(n, [f"{address} untagged"]), q
        where_it_goes(inst, wire, guests)

        def numbered():
            for n, vlan in (("a", ""), ("b", ""), ("c", "10"), ("d", ""), ("d", "20")):
                Numbers(wire, guests[n], mac(inst, f"{n}/0"), 2000, vlan=vlan).check(f"{n} {vlan}".strip())
        with lab.case("each answers; counters of NIC, queues, ports, guests and root agree exactly"):
            counters_agree(inst, wire, guests, numbered)
        traffic(wire, guests)
        with lab.case("after all of it they agree"):
            counters_agree(inst, wire, guests, lambda: net.ping(net.Root(), V4["a"]))
            lab.say(inst.nethv("vmq", "list"))
        quiet_end(inst, guests)


# --- B: written once, where it is read -----------------------------------------------------------------

RING = 512  # descriptors of a queue


def warm(inst, wire, guest):
    """What lies under descriptors when a queue becomes direct is still the switch's: one round of the ring is copied."""
    until_direct(inst, "a/0")
    Numbers(wire, guest, mac(inst, "a/0"), RING + 64).check("the first round of the ring")


def no_copies(inst, wire, guest, count, sizes):
    before = settled(inst)
    numbers = Numbers(wire, guest, mac(inst, "a/0"), count, sizes)
    sent, _ = numbers.check(f"{sizes} bytes", 60 + count // 50)
    after = settled(inst)
    copies = after.nic("a/0")["copies"] - before.nic("a/0")["copies"]
    direct = after.nic("a/0")["direct"] - before.nic("a/0")["direct"]
    own = after.queue("a/0")["own_buffers"] - before.queue("a/0")["own_buffers"]
    lab.say(f"{direct} frames were received in the guest's memory, {copies} copied; {own} buffers of our own meanwhile")
    assert copies == 0, copies
    assert direct == count + sent["asked"] + 1, (direct, sent)  # and what was asked, the end among it
    assert after.uplink()["rx_missed"] == 0, after.uplink()


def direct(inst, wire, guests):
    with lab.case(f"direct: {FRAMES} frames, each byte as it was sent, none copied"):
        warm(inst, wire, guests["a"])
        no_copies(inst, wire, guests["a"], FRAMES, SIZES)


def jumbo(wire):
    nv.run("ip", "link", "set", wire, "mtu", "9000")
    part = lab.linux("a", nics=[{"mtu": 9000}], ip=f"eth0:{V4['a']}/24", words=WORDS)
    up = {"name": "up", "mtu": 9000, "vmq": {"provider": "vmdq"}}
    with instance([part], up, memory=384) as inst:
        guest = inst.guest("a", 400)
        guest.ok("ip link set eth0 mtu 9000")
        with lab.case(f"direct, MTU 9000: {FRAMES // 5} frames, each byte as it was sent, none copied"):
            warm(inst, wire, guest)
            no_copies(inst, wire, guest, FRAMES // 5, "60 9014")
        with lab.case("direct, MTU 9000: full frames only"):
            no_copies(inst, wire, guest, FRAMES // 20, "9014 9014")
        net.ping(net.Root(), V4["a"], 5, 8900)
        quiet_end(inst, {"a": guest})
    nv.run("ip", "link", "set", wire, "mtu", "1500")


# --- C: changes under traffic ----------------------------------------------------------------------------

def moving(inst, port, frames=64):
    """Until so many more frames have come."""
    before = Books(inst).port(port)["out"]
    nv.wait_until(f"{port} to get frames", lambda: Books(inst).port(port)["out"] >= before + frames, PATIENCE)


STEPS = (("{direct: off}", lambda q: q and not q["direct"]), ("{direct: on}", lambda q: q and q["direct"]),
         ("{enabled: off}", lambda q: q is None), ("{enabled: on}", lambda q: q and q["direct"]))


@contextlib.contextmanager
def judged(inst):
    """Frames are to be looked at first meanwhile: copied, and direct again afterwards."""
    yield lambda: until_direct(inst, "a/0", False)
    until_direct(inst, "a/0")


def captured(inst):
    with judged(inst) as is_copied:
        p = subprocess.Popen([lab.NETHV, "capture", "--at", "out", "--port", "a/0", "-w", "/tmp/vmq.pcapng", "--instance", inst.name],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            q, before = is_copied(), Books(inst)
            moving(inst, "a/0")
            assert Books(inst).nic("a/0")["copies"] > before.nic("a/0")["copies"], "none was copied"
            lab.say(f"meanwhile copied: {q['why_copied']}")
        finally:
            p.send_signal(signal.SIGINT)
            text = p.communicate(timeout=60)[0]
        assert os.path.getsize("/tmp/vmq.pcapng") > 64 * 60, text


def extended(inst):
    with judged(inst) as is_copied:
        inst.nethv("ext", "load", "builtin:sflow", "--name", "look", "--config",
                   "{collector: '127.0.0.1:6343', rate: 1000}")
        q = is_copied()
        moving(inst, "a/0")
        lab.say(f"meanwhile copied: {q['why_copied']}")
        inst.nethv("ext", "unload", "look")


def changes(inst, wire, guests):
    until_direct(inst, "a/0")
    with lab.case(f"{CHANGES} changes of its queue under traffic: nothing lost, late or twice"):
        numbers, others = [Numbers(wire, guests[n], mac(inst, f"{n}/0")) for n in ("a", "b")]
        for i in range(CHANGES):
            words, is_so = STEPS[i % len(STEPS)]
            inst.nethv("vmq", "set", "a/0", words)
            q = Books(inst).queue("a/0")
            assert is_so(q), f"after {words}: {q}"
            moving(inst, "a/0")
            if i % 20 == 19:
                lab.say(f"{i + 1} changes")
        for words in ("{enabled: on}", "{direct: on}"):
            inst.nethv("vmq", "set", "a/0", words)
        numbers.check(f"{CHANGES} changes")
        others.check("another partition meanwhile")
        assert Books(inst).uplink()["rx_missed"] == 0
    with lab.case("frames that are to be judged first are copied meanwhile, and nothing is lost"):
        numbers = Numbers(wire, guests["a"], mac(inst, "a/0"))
        for what in (captured, extended) * 3:
            what(inst)
        numbers.check("three captures, three extensions")
    no_faults("a change")


def no_faults(what):
    with lab.case(f"the IOMMU stopped no DMA: {what}"):
        found = faults()
        assert not found, f"{len(found)}, the last: {found[-1]}"


# --- D and E: memory goes ----------------------------------------------------------------------------------

def buffers(inst, wire, guests):
    guest = guests["a"]
    name = f"{CYCLES} times another receive buffer under traffic: nothing wrong, late or twice"
    with lab.case(name):
        numbers, others = [Numbers(wire, guests[n], mac(inst, f"{n}/0")) for n in ("a", "b")]
        rings = [2000 + i * 37 for i in range(WARM + CYCLES)]
        rings[-1] = rings[WARM - 1]  # as long as when what is held was looked at
        for i, ring in enumerate(rings):
            if i == WARM:
                before = vfs.holdings(inst)
            guest.ok(f"ethtool -G eth0 rx {ring}", 60)
            until_direct(inst, "a/0")
            moving(inst, "a/0")
        # What comes while there is no buffer has nowhere to go.
        numbers.check(f"{CYCLES} buffers", may_lose=True)
        others.check("another partition meanwhile")
        vfs.check_holdings(before, vfs.holdings(inst), SLACK_KIB)
    no_faults("a buffer is taken away")


def pid_of(inst, name):
    return inst.part(name, inst.json("ps"))["pid"]


@contextlib.contextmanager
def flooded(wire, address):
    """Frames that nobody waits for, 32 at a time."""
    p = subprocess.Popen([TOOL, "say", wire, address, "1", "0"])
    try:
        yield
    finally:
        p.terminate()
        p.wait()


def kill(inst, name):
    """Its worker, while the NIC writes into its memory; until it is started again."""
    until_direct(inst, f"{name}/0")
    moving(inst, f"{name}/0", 32)
    pid = pid_of(inst, name)
    os.kill(pid, signal.SIGKILL)
    nv.wait_until(f"{name} to be gone", lambda: pid_of(inst, name) != pid, PATIENCE)
    inst.nethv("start", name)  # who ends often is given a pause otherwise
    nv.wait_until(f"{name} to be started again", lambda: pid_of(inst, name) not in (0, pid), PATIENCE)


def stock_killed(inst, wire, guests):
    with lab.case("so is a stock kernel's, which receives directly again when it is back"):
        with flooded(wire, mac(inst, "a/0")):
            kill(inst, "a")
            guests["a"] = inst.reborn("a", 400)
            until_direct(inst, "a/0")
        Numbers(wire, guests["a"], mac(inst, "a/0"), 2000).check("and then")


def kills(inst, wire, guests):
    others = Numbers(wire, guests["b"], mac(inst, "b/0"))
    with lab.case(f"{CYCLES} times a worker is killed while the NIC writes into its partition: nothing is kept"):
        with flooded(wire, mac(inst, "v/0")):
            for i in range(WARM + CYCLES):
                if i == WARM:
                    until_direct(inst, "v/0")
                    before = held(inst)
                kill(inst, "v")
                if i % 10 == 9:
                    lab.say(f"{i + 1} kills")
            until_direct(inst, "v/0")
            vfs.check_holdings(before, held(inst), SLACK_KIB)
    if CYCLES >= 10:  # it takes its time to boot
        stock_killed(inst, wire, guests)
    with lab.case("the other partition lost nothing meanwhile"):
        others.check("the other partition")
        assert inst.stats()["switch"]["restarts"] == 0
    no_faults("a worker is killed")


def held(inst):
    """Of what goes on: the worker of v is another one each time."""
    found, groups = vfs.holdings(inst)
    found.pop("worker of v")
    return found, groups


# --- the bed -------------------------------------------------------------------------------------------

def quiet_end(inst, guests):
    with lab.case("no warning, no fault, and the books balance"):
        for name, guest in guests.items():
            assert not guest.warnings(), (name, guest.warnings())
        books = Books(inst)
        lab.say(f"dropped: {books.switch['totals']['by_reason']}; the NIC missed {books.uplink()['rx_missed']}")
        assert books.switch["restarts"] == 0, "the switch was started again: its counts began anew"
        assert all(n["faults"] == 0 for n in books.switch["nics"]), books.switch["nics"]
        nv.conservation({"switch": books.switch})


@contextlib.contextmanager
def instance(parts, up, **keys):
    with lab.Instance(parts, switch=dict(SMALL, **keys), uplinks=[dict(up, devargs=DEVICE)]) as inst:
        yield inst
        with lab.case("a clean end"):
            inst.stop_clean()


CHANGING = {"direct": direct, "changes": changes, "buffers": buffers, "kills": kills}


def changing(wire, names):
    """The parts where something changes share an instance."""
    parts = [lab.linux(n, ip=f"eth0:{V4[n]}/24", words=WORDS, on_crash="restart") for n in ("a", "b")]
    if "kills" in names:
        parts.append({"name": "v", "cmdline": "app=sink", "memory": 64, "nics": [{}], "engine": "kvm",
                      "on_crash": "restart"})
    with instance(parts, {"name": "up", "vmq": {"provider": "vmdq"}}) as inst:
        guests = {n: inst.guest(n, 400) for n in ("a", "b")}
        for name in names:
            begun = time.monotonic()
            with lab.attempt(name):
                CHANGING[name](inst, wire, guests)
            lab.say(f"-- {name}: {time.monotonic() - begun:.1f} s")
        quiet_end(inst, guests)


(_, WIRE), (DEVICE, _) = broken.pfs()


def run(parts, **numbers):
    """@parts in their order; @numbers: FRAMES, CHANGES, CYCLES."""
    names = lab.chosen(parts)
    globals().update(numbers)
    globals().update((n, int(os.environ[n])) for n in ("FRAMES", "CHANGES", "CYCLES") if n in os.environ)
    broken.bind(DEVICE)
    nv.run("sysctl", "-q", "-w", f"net.ipv6.conf.{WIRE}.disable_ipv6=1")
    nv.run("ip", "addr", "add", f"{V4['root']}/24", "dev", WIRE)
    nv.run("ip", "link", "set", WIRE, "up")
    inner = [n for n in names if n in CHANGING]
    for name, part in (("sorting", sorting), ("changing", lambda wire: changing(wire, inner)), ("jumbo", jumbo)):
        if name in names or name == "changing" and inner:
            begun = time.monotonic()
            with lab.attempt(name):
                part(WIRE)
            lab.say(f"-- {name}: {time.monotonic() - begun:.1f} s")
    lab.finish()
