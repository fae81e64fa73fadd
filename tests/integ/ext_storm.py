#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Extensions are loaded, moved, upgraded, configured, switched off and on, crashed in each of their
callbacks and unloaded, CYCLES times each, under traffic:

  left namespace --TAP-- [VLAN 10] --TAP-- right namespace: iperf3, TCP
  pktgen partition ---- sink partition: a stream with sequence numbers

Between partitions nothing is lost, doubled or out of order; TCP goes on; the books balance; the switch
keeps neither descriptors nor threads of what is gone. Pauses are printed, never asserted. LCORE=N lets
the switch poll on CPU N, and all else run on the others. RT=1 gives the switch's threads real-time
priority: so are its own pauses seen on a machine where others take its CPU."""
import collections
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import nv

CYCLES = int(os.environ.get("CYCLES", "7"))  # and one before: each way to crash once
RATE = int(os.environ.get("RATE", "20000"))
TCP = os.environ.get("TCP", "100M")  # iperf3's -b; 0: as fast as it goes
LCORE = os.environ.get("LCORE")
RT = os.environ.get("RT")
TESTS = os.environ.get("EXT_DIR") or os.path.join(os.path.dirname(nv.NETHV), "../tests")
WAYS = ("segv", "fpe", "ill", "abort", "loop", "wild", "stack", "jump")
LANES = ("ingress", "egress", "poll", "flush")  # callbacks that lcores call
MS = 1000000
LIMIT = {"fault on lcore loop": 2 * MS}  # its budget, and 1 ms
# Every tenth packet is late: their order is this one's doing, so only TCP's packets.
HOLDS = {"config": {"hold": True}, "ports": ["left"]}
KEPT = 20 << 10  # private memory that the code of an instance that faulted may keep

CONFIG = """\
name: {name}
{switch}uplinks:
  - {{name: left, devargs: "net_tap0,iface=tl{pid}", netns: {left}, vlan: {{pvid: 10}}}}
  - {{name: right, devargs: "net_tap1,iface=tr{pid}", netns: {right}, vlan: {{pvid: 10}}}}
"""


def so(name):
    return os.path.realpath(os.path.join(TESTS, name + ".so"))


class Refused(Exception):
    pass


class Control:
    """The control socket of an instance: JSON-RPC, one message a line."""

    def __init__(self, name):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.s.connect(f"\0nethv/{os.geteuid()}/{name}")
        self.f = self.s.makefile("rwb")
        self.n = 0

    def __call__(self, method, **params):
        self.n += 1
        m = {"jsonrpc": "2.0", "id": self.n, "method": method, "params": params}
        self.f.write(json.dumps(m).encode() + b"\n")
        self.f.flush()
        a = json.loads(self.f.readline())
        assert a["id"] == self.n, a
        if "error" in a:
            raise Refused(a["error"]["message"])
        return a["result"]


class Pauses:
    """How long no packet went through the slowest lcore, and how long the kernel kept that lcore's and
    the control thread from their CPUs meanwhile: who waits for a CPU is not paused by us."""

    def __init__(self, pid):
        self.seen = collections.OrderedDict()
        self.tasks = [f"/proc/{pid}/task/{t}/schedstat" for t in os.listdir(f"/proc/{pid}/task")
                      if int(t) == pid or "worker" in open(f"/proc/{pid}/task/{t}/comm").read()]

    def waited(self):
        try:
            return sum(int(open(t).read().split()[1]) for t in self.tasks)
        except OSError:
            return 0

    def add(self, what, ns, waited):
        self.seen.setdefault(what, []).append((ns, waited))

    def table(self):
        head = ("operation", "count", "p50 us", "p99 us", "max us", "limit ms", "over",
                "of these, CPU taken")
        rows = [head]
        for what, all_ in self.seen.items():
            ns = sorted(n for n, _ in all_)
            limit = LIMIT.get(what, MS)
            over = [(n, w) for n, w in all_ if n > limit]
            rows.append((what, len(ns), *(f"{v / 1000:.1f}" for v in (
                ns[len(ns) // 2], ns[min(len(ns) - 1, len(ns) * 99 // 100)], ns[-1])),
                limit // MS, len(over), sum(n - w <= limit for n, w in over)))
        width = [max(len(str(r[i])) for r in rows) for i in range(len(head))]
        for r in rows:
            print("  ".join(str(c).ljust(w) if not i else str(c).rjust(w)
                            for i, (c, w) in enumerate(zip(r, width))))


class Storm:
    def __init__(self, inst):
        self.inst = inst
        self.call = Control(inst.name)
        self.pid = inst.switch_pid()
        self.pauses = Pauses(self.pid)
        self.kept = 0  # instances whose code stays, because they faulted
        self.faults = collections.Counter()

    # ---- One change ----

    def change(self, word, method, **params):
        before = self.pauses.waited()
        got = self.call(method, **params)
        waited = self.pauses.waited() - before
        for c in got["changes"]:
            if c["change"] == word:
                self.pauses.add(word, c["pause_ns"], waited)
        assert [c for c in got["changes"] if c["change"] == word], got
        return got

    def load(self, name, file, **more):
        self.change("loaded", "ext_load", name=name, path=so(file), **more)

    def unload(self, name):
        self.change("unloaded", "ext_unload", name=name)

    def list(self):
        """A control thread in a loop, which has 500 ms of CPU time, may be too late for a status."""
        exts = nv.wait_until("the switch's status", lambda: next(
            (s for s in [self.call("status")["switch"]] if "extensions" in s), None))["extensions"]
        return {e["name"]: e for e in exts}

    def one(self, name):
        return self.call("ext_status", name=name)["extensions"][0]

    def refused(self, text, method, **params):
        try:
            self.call(method, **params)
        except Refused as e:
            assert text in str(e), (text, str(e))
            return str(e)
        return nv.fail(f"{method} {params} was not refused")

    # ---- What does no harm ----

    def order(self):
        return [n for n, e in sorted(self.list().items(), key=lambda i: i[1]["position"])]

    def peaceful(self, n):
        self.load("hold", "crash", **HOLDS)
        self.load("pass", "passthrough")  # the last one is on top
        self.load("count", "state-v1", before="pass")
        assert self.order() == ["count", "pass", "hold"], self.order()
        self.change("moved", "ext_move", name="count", before="hold")
        assert self.order() == ["pass", "count", "hold"], self.order()
        seen = self.upgrades(n)
        self.change("configured", "ext_configure", name="hold", config={"hold": True, "nth": 2})
        self.refused("nth", "ext_configure", name="hold", config={"nth": 0})
        self.change("disabled", "ext_disable", name="hold")
        self.change("enabled", "ext_enable", name="hold")
        nv.wait_until("packets to be counted", lambda: self.one("count")["says"]["seen"] > seen)
        for name in ("hold", "pass", "count"):
            self.unload(name)
        assert not self.list(), self.list()

    def upgrades(self, n):
        """Back and forth, and what cannot be; the count goes on."""
        seen = 0
        for v, wrong in (2, "restore"), (1, "save"):
            self.change("upgraded", "ext_upgrade", name="count", path=so(f"state-v{v}"))
            says = self.one("count")["says"]
            assert says["version"] == v and says["seen"] >= seen, (says, seen)
            seen = says["seen"]
        self.refused("version 3 cannot read it", "ext_upgrade", name="count", path=so("state-v3"))
        self.refused("another extension", "ext_upgrade", name="count", path=so("passthrough"))
        assert self.one("count")["says"]["version"] == 1
        return seen

    # ---- What crashes ----

    def report_in_log(self, name, where):
        """An instance that is gone has no status any more: what it did is in the log."""
        nv.wait_until(f"the report of {name}", lambda: re.search(
            rf"error {name}: .*{where}\(\)", self.inst.text()[-20000:]))

    def crash(self, n, where):
        how = WAYS[n % len(WAYS)]
        name = f"{where}-{n}"
        config = {"where": where, "how": how}
        before = self.pauses.waited()
        more = {"config": config}
        if n % 2:
            more = {"config": {**config, **HOLDS["config"]}, "ports": HOLDS["ports"]}
        gone = getattr(self, "crash_" + where, self.crash_soon)(name, more)
        self.faults[where, how] += 1
        self.kept += 1
        if gone:
            return
        e = nv.wait_until(f"{name} to fault", lambda: next(
            (e for e in [self.list()[name]] if e["report"]), None))
        waited = self.pauses.waited() - before
        assert e["state"] == "faulted" and f"{where}()" in e["report"], e
        assert e["held"] == 0, e
        loop = " loop" if how == "loop" else ""
        side = "lcore" if where in LANES else "control"
        self.pauses.add(f"fault on {side}{loop}", e["last_pause_ns"], waited)
        self.unload(name)

    def crash_soon(self, name, more):
        self.load(name, "crash", **more)

    def crash_create(self, name, more):
        self.refused("create()", "ext_load", name=name, path=so("crash"), **more)
        return True

    def crash_configure(self, name, more):
        self.load(name, "crash", **{k: v for k, v in more.items() if k != "config"})
        self.refused("configure()", "ext_configure", name=name, config=more["config"])

    def crash_event(self, name, more):
        self.load(name, "crash", **more)
        made = self.call("nic_add", partition="sink", nic={})
        self.call("nic_remove", nic=made["name"])

    def crash_save(self, name, more):
        self.load(name, "crash", **more)
        self.refused("save()", "ext_upgrade", name=name)

    def crash_restore(self, name, more):
        self.load(name, "crash")
        self.refused("restore()", "ext_upgrade", name=name, **more)
        assert self.list()[name]["state"] == "enabled", self.list()
        self.unload(name)
        return True

    def crash_status(self, name, more):
        self.load(name, "crash", **more)
        self.call("ext_status", name=name)

    def crash_flush(self, name, more):
        self.load(name, "crash", **more)
        if "ports" in more:
            self.change("disabled", "ext_disable", name=name)
            return False
        self.unload(name)
        self.report_in_log(name, "flush")
        return True

    def crash_destroy(self, name, more):
        self.load(name, "crash", **more)
        self.unload(name)
        self.report_in_log(name, "destroy")
        return True

    # ---- The command line, now and then ----

    def by_hand(self):
        nv.run(nv.NETHV, "ext", "load", so("passthrough"), "--name", "cli", "--instance",
               self.inst.name)
        out = nv.run(nv.NETHV, "ext", "list", "--instance", self.inst.name).stdout
        assert "cli" in out, out
        out = nv.run(nv.NETHV, "ext", "unload", "cli", "--instance", self.inst.name).stdout
        assert "paused" in out, out

    def cycle(self, n):
        self.peaceful(n)
        for where in ("create", "configure", "event", "save", "restore", "status", "notify", "tick",
                      "ingress", "egress", "poll", "flush", "destroy"):
            self.crash(n, where)
        if n % 10 == 0:
            self.by_hand()

    # ---- What the switch's process has ----

    def process(self):
        status = open(f"/proc/{self.pid}/status").read()
        return {
            "fds": len(os.listdir(f"/proc/{self.pid}/fd")),
            "threads": int(re.search(r"Threads:\s+(\d+)", status)[1]),
            "maps": open(f"/proc/{self.pid}/maps").read().count("\n"),
            "anonymous memory": int(re.search(r"RssAnon:\s+(\d+)", status)[1]) << 10,
        }


def check_process(before, after, kept):
    print(f"the switch before and after, {kept} instances that faulted in between (their code stays "
          "mapped):")
    for what, v in before.items():
        print(f"  {what} {v} -> {after[what]}")
    assert after["fds"] <= before["fds"] + 2, "descriptors are left open"
    assert after["threads"] <= before["threads"], "threads are left"
    more = after["anonymous memory"] - before["anonymous memory"]
    # Two stacks were filled, 8 MiB each.
    assert more <= kept * KEPT + (24 << 20), "memory is left"


def others():
    """The CPUs for all but the switch's lcore."""
    return sorted(os.sched_getaffinity(0) - ({int(LCORE)} if LCORE else set()))


class Iperf:
    """TCP from left to right until the end."""

    def __init__(self, left, right):
        self.log = tempfile.TemporaryFile("w+")
        ns = ["taskset", "-c", ",".join(map(str, others())), "ip", "netns", "exec"]
        self.server = subprocess.Popen([*ns, right, "iperf3", "-s", "-1"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        nv.wait_until("iperf3 to listen", lambda: ":5201" in nv.run(*ns, right, "ss",
                                                                    "-ltn").stdout)
        self.client = subprocess.Popen([*ns, left, "iperf3", "-c", "10.99.1.2", "-t", "36000",
                                        "-J", "-i", "1", "-b", TCP],
                                       stdout=self.log, stderr=subprocess.STDOUT)

    def is_alive(self):
        return self.client.poll() is None and self.server.poll() is None

    def end(self):
        """Its intervals."""
        self.client.send_signal(signal.SIGINT)
        self.client.wait(20 * nv.PATIENCE)
        self.log.seek(0)
        return json.loads(self.log.read())["intervals"]

    def kill(self):
        for p in (self.client, self.server):
            p.kill()
            p.wait()
        self.log.close()


def address(ns, dev, ip):
    nv.wait_until(f"{dev} in its namespace", lambda: nv.run(
        "ip", "-n", ns, "link", "show", dev, check=False).returncode == 0)
    nv.run("ip", "-n", ns, "addr", "add", ip + "/24", "dev", dev)
    nv.run("ip", "-n", ns, "link", "set", dev, "up")


def tap_drops(ns, dev):
    """Frames that found the TAP's queue full: its ring."""
    s = json.loads(nv.run("ip", "-n", ns, "-s", "-j", "link", "show", dev).stdout)[0]
    return s["stats64"]["tx"]["dropped"]


def check_stream(inst, storm):
    """Ends the stream in an orderly way: all that was sent has arrived."""
    storm.call("partition_shutdown", partition="pktgen")
    s = inst.wait_flow()
    sent, sink = inst.guest("pktgen", s)["tx_packets"], inst.guest("sink", s)
    wrong = {k: sink[k] for k in ("lost", "duplicated", "reordered", "corrupted") if sink[k]}
    print(f"pktgen sent {sent}, the sink got {sink['rx_packets']}: {wrong or 'all, in order'}")
    assert not wrong and sink["rx_packets"] == sent, (sent, sink)


def drops(stats):
    return collections.Counter({(p["name"], r): n for p in stats["switch"]["ports"]
                                for r, n in p["drops"].items()})


def check_switch(inst, storm, taps):
    s = inst.stats()
    t = nv.conservation(s)
    missed = {u["name"]: u["rx_missed"] for u in s["switch"]["uplinks"]}
    print(f"in {t['in']} + copies {t['copies']} = out {t['out']} + drops {t['drops']}: "
          f"{t['by_reason']}; uplinks missed {missed}; TAPs' queues full: {taps}")
    # The sink thanks a pktgen that is gone.
    allowed = {("left", "uplink_full"), ("right", "uplink_full"), ("sink/0", "no_destination")}
    new = +(drops(s) - storm.early_drops)
    assert set(new) <= allowed, new
    assert s["switch"]["restarts"] == 0 and "SIGBUS" not in inst.text()
    return t["by_reason"].get("uplink_full", 0) + sum(missed.values()) + sum(taps.values())


def check_tcp(intervals, lost):
    mbps = [i["sum"]["bits_per_second"] / 1e6 for i in intervals if i["sum"]["seconds"] > 0.5]
    again = sum(i["sum"]["retransmits"] for i in intervals)
    print(f"iperf3: {len(mbps)} s, {sum(mbps) / len(mbps):.0f} Mbit/s, the slowest second "
          f"{min(mbps):.0f}; {again} segments again; {lost} frames found a full ring")


def real_time(pid):
    """The watchdog before lcores before the control thread."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        name = open(f"/proc/{pid}/task/{tid}/comm").read()
        level = 3 if "watchdog" in name else 2 if "worker" in name else 1
        os.sched_setscheduler(int(tid), os.SCHED_FIFO, os.sched_param(level))


def flow(storm, left, right, pid):
    address(left, f"tl{pid}", "10.99.1.1")
    address(right, f"tr{pid}", "10.99.1.2")
    tcp = Iperf(left, right)
    try:
        nv.wait_until("TCP traffic", lambda: storm.call("status")["switch"]["totals"]["in"] > 1000)
        # Frames of the namespaces' own before both links were up.
        storm.early_drops = drops(storm.call("status"))
        storm.cycle(0)  # what is made once is made now
        storm.pauses.seen.clear()
        if RT:
            real_time(storm.pid)
        before, kept = storm.process(), storm.kept
        for n in range(1, CYCLES + 1):
            storm.cycle(n)
            assert tcp.is_alive(), "iperf3 ended"
        after = storm.process()
        intervals = tcp.end()
    finally:
        tcp.kill()
    check_process(before, after, storm.kept - kept)
    return intervals


def main():
    nv.need_root("the storm")
    pid = os.getpid()
    switch = ""
    if LCORE:
        switch = f"switch: {{lcores: [{LCORE}], poll: busy}}\n"
    t0 = time.monotonic()
    before = nv.Leftovers()
    with nv.netns("left", "right") as (left, right):
        text = CONFIG.format(name=f"storm-{pid}", pid=pid, left=left, right=right, switch=switch)
        flow_text = nv.flow_config("", 0, 128, f"rate={RATE}").split("\n", 1)[1]
        if LCORE:
            flow_text = flow_text.replace("memory: 64", f"memory: 64\n    cpus: [{others()[0]}]")
        with nv.Instance(text + flow_text) as inst:
            inst.wait_running()
            os.sched_setaffinity(0, others())
            storm = Storm(inst)
            poll = inst.stats()["switch"]["poll"]
            intervals = flow(storm, left, right, pid)
            check_stream(inst, storm)
            lost = check_switch(inst, storm, {"left": tap_drops(left, f"tl{pid}"),
                                              "right": tap_drops(right, f"tr{pid}")})
            check_tcp(intervals, lost)
            assert not storm.list(), storm.list()
            assert inst.stop() == 0
    before.check(inst)
    print(f"{CYCLES + 1} cycles, {sum(storm.faults.values())} faults in {len(storm.faults)} "
          f"callbacks and ways, {time.monotonic() - t0:.0f} s")
    print(f"pauses of {CYCLES} cycles, the switch polls: {poll}"
          + (", real-time priority" if RT else ""))
    storm.pauses.table()


if __name__ == "__main__":
    sys.exit(main())
