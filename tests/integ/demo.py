#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""./dev demo: Linux talks through the switch.

  left namespace --TAP-- [VLAN 10] -- l2fwd partition -- [VLAN 20] --TAP-- right namespace
                             |
                       echo partition                      pktgen partition ---- sink partition

Every packet from left to right goes through NetVSC twice. Ends with a table; exit status 0 only if
nothing was lost that must not be, and the books balance.
"""
import json
import os
import re
import subprocess
import sys
import time

import nv

LEFT, RIGHT, ECHO = "10.99.0.1", "10.99.0.2", "10.99.0.3"
PINGS = 300
FRAMES = int(os.environ.get("FRAMES", "1000000"))

NETWORK = """\
name: demo-{pid}
uplinks:
  - {{name: left, devargs: "net_tap0,iface=tl{pid}", netns: {left}, vlan: {{pvid: 10}}}}
  - {{name: right, devargs: "net_tap1,iface=tr{pid}", netns: {right}, vlan: {{pvid: 20}}}}
partitions:
  - name: l2fwd
    cmdline: app=l2fwd mode=bridge
    memory: 64
    nics:
      - {{mac: "02:4e:00:00:00:0a", vlan: {{pvid: 10}}, allow_spoofing: true}}
      - {{mac: "02:4e:00:00:00:0b", vlan: {{pvid: 20}}, allow_spoofing: true}}
  - name: echo
    cmdline: app=echo ip={echo}
    memory: 64
    nics:
      - {{mac: "02:4e:00:00:00:03", vlan: {{pvid: 10}}}}
"""

# Two pollers, one a core: the steady state that has no exit, no signal and no system call.
POLLED = """\
name: demo-{pid}
switch: {{lcores: [{a}], poll: busy}}
partitions:
  - name: l2fwd
    cpus: [{b}]
    cmdline: app=l2fwd mode=mac poll=1 inject=512 size={size} peer0=02:4e:00:00:00:07 peer1=02:4e:00:00:00:06
    memory: 64
    nics:
      - {{mac: "02:4e:00:00:00:06", vlan: {{pvid: 40}}}}
      - {{mac: "02:4e:00:00:00:07", vlan: {{pvid: 40}}}}
"""

rows = []
faults = []


def step(text):
    print(f"-- {text}", flush=True)


def row(path, frame, packets, lost, mpps="", p50="", p99="", copies="", exits=""):
    rows.append((path, frame, packets, lost, mpps, p50, p99, copies, exits))


def expect(cond, what):
    if not cond:
        faults.append(what)
        print(f"   WRONG: {what}", flush=True)


def us(ns):
    return f"{ns / 1000:.0f} us"


def copies_a_packet(before, after, packets):
    """Copies by the switch (into guests, into uplinks' buffers) and by the guests, a packet."""
    def total(s):
        n = sum(nic["copies"] for nic in s["switch"]["nics"])
        n += sum(p["out"] for p in s["switch"]["ports"] if p["name"] in ("left", "right"))
        return n + sum((p.get("guest") or {}).get("values", {}).get("copies", 0)
                       for p in s["partitions"])
    return f"{(total(after) - total(before)) / packets:.2f}" if packets else ""


def ping(inst, ns, dst, path):
    before = inst.stats()
    r = nv.run("ip", "netns", "exec", ns, "ping", "-i", "0.005", "-c", str(PINGS), "-W", "2", dst,
               check=False)
    times = sorted(float(t) * 1e6 for t in re.findall(r"time=([\d.]+) ms", r.stdout))
    lost = PINGS - len(times)
    if times:
        row(path, 98, PINGS, lost, "", us(times[len(times) // 2]),
            us(times[int(len(times) * 0.99)]), copies_a_packet(before, inst.stats(), 2 * PINGS))
    expect(lost == 0, f"{lost} of {PINGS} pings {path} were lost")


def iperf(inst, left, right, path, *args):
    server = subprocess.Popen(["ip", "netns", "exec", right, "iperf3", "-s", "-1"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        nv.wait_until("iperf3 to listen", lambda: ":5201" in nv.run(
            "ip", "netns", "exec", right, "ss", "-ltn").stdout)
        before = inst.stats()
        r = nv.run("ip", "netns", "exec", left, "iperf3", "-c", RIGHT, "-J", "-t", "5", *args,
                   check=False, timeout=60)
        after = inst.stats()
        end = json.loads(r.stdout).get("end", {}) if r.stdout else {}
    finally:
        server.terminate()
        server.wait()
    if "sum_received" not in end and "sum" not in end:
        expect(False, f"iperf3 {path} failed: {r.stdout[-300:]}")
        return None
    def out(s, name):
        return next(p["out"] for p in s["switch"]["ports"] if p["name"] == name)
    packets = out(after, "right") - out(before, "right")
    back = out(after, "left") - out(before, "left")
    return end, packets, copies_a_packet(before, after, packets + back)


def network_part():
    pid = os.getpid()
    before = nv.Leftovers()
    with nv.netns("left", "right") as (left, right):
        text = NETWORK.format(pid=pid, left=left, right=right, echo=ECHO)
        step("two namespaces, two TAP uplinks, partitions l2fwd and echo")
        with nv.Instance(text) as inst:
            s = inst.wait_running()
            print(f"   engine {s['engine']['name']}: {s['engine']['why']}")
            print(f"   memory {s['memory']}; switch polls: {s['switch']['poll']}")
            for ns, dev, ip in ((left, f"tl{pid}", LEFT), (right, f"tr{pid}", RIGHT)):
                nv.wait_until(f"{dev} in its namespace", lambda: nv.run(
                    "ip", "-n", ns, "link", "show", dev, check=False).returncode == 0)
                nv.run("ip", "-n", ns, "addr", "add", ip + "/24", "dev", dev)
                nv.run("ip", "-n", ns, "link", "set", dev, "up")
            # Address resolution and learning first: what is measured is the steady path.
            for dst in (ECHO, RIGHT):
                nv.run("ip", "netns", "exec", left, "ping", "-c", "3", "-i", "0.2", "-W", "5", dst,
                       check=False)
            step("ping")
            ping(inst, left, ECHO, "left <-> echo")
            ping(inst, left, RIGHT, "left <-> l2fwd <-> right")
            step("iperf3 TCP and UDP, 5 s each")
            got = iperf(inst, left, right, "TCP")
            if got:
                end, n, copies = got
                bps = end["sum_received"]["bits_per_second"]
                row("left -> l2fwd -> right, TCP", 1514, n, end["sum_sent"].get("retransmits", 0),
                    f"{n / 5e6:.3f}", "", "", copies)
                print(f"   TCP {bps / 1e9:.2f} Gbit/s")
            got = iperf(inst, left, right, "UDP", "-u", "-b", "200M", "-l", "1400")
            if got:
                end, n, copies = got
                row("left -> l2fwd -> right, UDP", 1442, end["sum"]["packets"],
                    end["sum"]["lost_packets"], f"{n / 5e6:.3f}", "", "", copies)
                expect(end["sum"]["lost_packets"] <= end["sum"]["packets"] // 100,
                       f"UDP at 200 Mbit/s lost {end['sum']['lost_packets']} packets")
            time.sleep(0.2)
            finish(inst, before)


def finish(inst, left):
    t = nv.conservation(inst.stats())
    print(f"   in {t['in']} + copies {t['copies']} = out {t['out']} + drops {t['drops']}: balanced"
          + (f"; drops: {t['by_reason']}" if t["drops"] else ""))
    rc = inst.stop()
    expect(rc == 0, f"nethv run ended with {rc}")
    left.check(inst)


def flow_part(size):
    step(f"pktgen -> sink, {FRAMES} frames of {size} B, interrupt mode")
    left = nv.Leftovers()
    with nv.Instance(nv.flow_config(f"demo-{os.getpid()}", FRAMES, size)) as inst:
        t0 = time.monotonic()
        nv.wait_until("pktgen to end", lambda: inst.json("stats") and
                      inst.guest("pktgen").get("done"), 60)
        secs = time.monotonic() - t0
        s = inst.wait_flow()
        gen, sink = inst.guest("pktgen", s), inst.guest("sink", s)
        wrong = {k: sink[k] for k in ("lost", "duplicated", "reordered", "corrupted") if sink[k]}
        row("pktgen -> sink", size, sink["rx_packets"], sink["lost"],
            f"{sink['rx_packets'] / secs / 1e6:.2f}", us(gen["rtt_p50_ns"]), us(gen["rtt_p99_ns"]),
            "1.00" if not s["switch"]["nics"] else
            f"{sum(n['copies'] for n in s['switch']['nics']) / s['switch']['totals']['out']:.2f}")
        expect(sink["rx_packets"] == FRAMES, f"sink got {sink['rx_packets']} of {FRAMES}")
        expect(not wrong, f"pktgen -> sink {size} B: {wrong}")
        finish(inst, left)


def exits(stats):
    vp = [v for p in stats["partitions"] for v in p["vps"]]
    return sum(v["exits_all"] + v["traps"] + v["irq_signals"] for v in vp)


def polled_part(size):
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        print("   left out: two pollers need two cores")
        return
    step(f"l2fwd, frames of {size} B in a circle, both sides polling: exits and copies a packet")
    left = nv.Leftovers()
    with nv.Instance(POLLED.format(pid=os.getpid(), a=cpus[0], b=cpus[1], size=size)) as inst:
        inst.wait_running()
        nv.wait_until("the steady state", lambda: inst.guest("l2fwd").get("steady"))
        a = inst.stats()
        time.sleep(2)
        b = inst.stats()
        n = b["switch"]["totals"]["out"] - a["switch"]["totals"]["out"]
        secs = (b["switch"]["time_ns"] - a["switch"]["time_ns"]) / 1e9
        row("l2fwd circle, polled", size, n, b["switch"]["totals"]["drops"],
            f"{n / secs / 1e6:.2f}", "", "", copies_a_packet(a, b, n),
            f"{(exits(b) - exits(a)) / n:.6f}" if n else "")
        expect(n > 0, "nothing went round")
        expect(exits(a) == exits(b),
               f"{exits(b) - exits(a)} exits, traps or signals in the polled steady state")
        finish(inst, left)


def table():
    head = ("path", "frame", "packets", "lost", "Mpps", "RTT p50", "RTT p99", "copies", "exits")
    lines = [head] + [tuple(str(c) for c in r) for r in rows]
    width = [max(len(l[i]) for l in lines) for i in range(len(head))]
    print()
    for l in lines:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w)
                        for i, (c, w) in enumerate(zip(l, width))))
    print("frame: bytes with FCS for pktgen and l2fwd; lost: TCP shows retransmits; copies and "
          "exits: a packet")


def main():
    nv.need_root("the demo")
    t0 = time.monotonic()
    network_part()
    for size in (64, 1518):
        flow_part(size)
    for size in (64, 1518):
        polled_part(size)
    table()
    if faults:
        print(f"\nNOT well ({time.monotonic() - t0:.0f} s): " + "; ".join(faults))
        sys.exit(1)
    print(f"\nall is well ({time.monotonic() - t0:.0f} s)")


if __name__ == "__main__":
    main()
