#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What an ACL of 1,000 rules costs a packet, beside DPDK's classification and OVS-DPDK.

micro_acl measures bare rte_acl_classify(), our ACL without and with connections; it also writes its
rules and frames for OVS-DPDK, which reads the same frames from a pcap for ever and drops them into
a null port. First, frames that aim at the rules go through all of them once, and each rule must take
as many in OVS as in micro_acl. The unit of repetition is a process start: each round starts micro_acl
and OVS in an order of its own; medians over rounds are compared. All figures are TSC cycles a packet.
"""
import argparse
import json
import os
import platform
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from nethv_bench.machine import alone, cpu_model, huge_pages
from nethv_bench.process import ROOT, Failure, end_all
from nethv_bench.peers import ovs

FLOWS = [1, 100000]
MICRO = {"rte_acl": "rte_acl_classify()", "stateless": "nethv, stateless",
         "stateful": "nethv, stateful"}
OVS = {"base": "ovs-dpdk, one rule for all", "acl": "ovs-dpdk, stateless",
       "ct": "ovs-dpdk, conntrack"}
CATCH_ALL = "cookie=0x1,priority=1,ip,actions=output:2\n"
IDLE_MS = 10000  # OVS's own default
PAGES = 560  # of 2 MiB: OVS's packets are 800 MB, and a pcap's all stay in memory


def run(*argv):
    r = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    if r.returncode:
        raise Failure(f"{' '.join(argv[:4])} …: {r.stderr.strip()[-500:]}")
    return r.stdout


class Files:
    """What micro_acl writes for OVS."""

    def __init__(self, o, work):
        self.rules = {k: f"{work}/{k}.flows" for k in OVS}
        self.pcap = {n: f"{work}/{n}.pcap" for n in FLOWS}
        self.aimed = work + "/aimed.pcap"
        with open(self.rules["base"], "w") as f:
            f.write(CATCH_ALL)
        self.expect = json.loads(run(o.micro, "--ovs-rules", self.rules["acl"], "--ovs-ct-rules",
                                     self.rules["ct"], "--check", self.aimed))
        for n, path in self.pcap.items():
            run(o.micro, "--pcap", path, "--flows", str(n),
                "--packets", "32" if n == 1 else "131072")


class Switch:
    """An OVS-DPDK that runs; frames come in by port 1, which is a pcap, and leave by port 2."""

    def __init__(self, o, work, ctl, process):
        self.o, self.work, self.ctl, self.process = o, work, ctl, process
        self.nr_ports = 0
        self.pin = f"other_config:pmd-rxq-affinity=0:{o.core}"
        self.port("out", 2, "net_null0,no-rx=1", self.pin)
        run("ovs-appctl", "-t", f"{work}/vs.ctl", "dpctl/ct-disable-tcp-seq-chk")
        # From the start: it would be reached step by step, and flows above it not be learned.
        run("ovs-appctl", "-t", f"{work}/vs.ctl", "upcall/set-flow-limit", "200000")

    def port(self, name, number, devargs, *more):
        run(*self.ctl, "add-port", "br0", name, "--", "set", "Interface", name, "type=dpdk",
            f"ofport_request={number}", f'options:dpdk-devargs="{devargs}"', *more)
        error = run(*self.ctl, "get", "Interface", name, "error").strip()
        if error != "[]":
            raise Failure(f"ovs: port {name}: {error}")

    def pcap(self, path, more=""):
        self.nr_ports += 1
        # A frame that comes before all parts of OVS know the port is lost. The one thread has a queue
        # pinned to it, so it polls no queue that is not.
        self.port("in", 1, f"net_pcap{self.nr_ports},rx_pcap={path}{more}")
        time.sleep(1)
        run(*self.ctl, "set", "Interface", "in", self.pin)

    def no_pcap(self):
        run(*self.ctl, "del-port", "br0", "in")

    def of(self, verb, *args):
        return run("ovs-ofctl", verb, f"unix:{self.work}/br0.mgmt", *args)

    def app(self, *args):
        return run("ovs-appctl", "-t", f"{self.work}/vs.ctl", *args)

    def forget_after(self, ms):
        run(*self.ctl, "set", "Open_vSwitch", ".", f"other_config:max-idle={ms}")

    def rules(self, path):
        self.of("del-flows")
        self.app("dpctl/flush-conntrack")
        self.of("add-flows", path)

    def taken(self):
        """Packets by cookie (rule number; 0: by a connection's mark), drops among them."""
        by, denied = {}, 0
        for line in self.of("dump-flows").splitlines():
            m = re.search(r"cookie=0x([0-9a-f]+),.*n_packets=(\d+),.*actions=(.*)", line)
            if not m or m[3].startswith("ct(table"):
                continue
            by[int(m[1], 16)] = by.get(int(m[1], 16), 0) + int(m[2])
            denied += int(m[2]) if m[3] == "drop" else 0
        return by, denied

    def thread_ns(self):
        """CPU time of the thread that switches."""
        tasks = f"/proc/{self.process.p.pid}/task"
        for t in os.listdir(tasks):
            with open(f"{tasks}/{t}/comm") as f:
                if not f.read().startswith("pmd-"):
                    continue
            with open(f"{tasks}/{t}/schedstat") as f:
                return int(f.read().split()[0])
        raise Failure("ovs: no thread switches")

    def sample(self):
        wall, cpu = time.monotonic_ns(), self.thread_ns()
        text = self.app("dpif-netdev/pmd-stats-show").split("main thread")[0]
        got = {k: int(re.search(k + r": *(\d+)", text)[1])
               for k in ("packets received", "emc hits", "smc hits", "megaflow hits",
                         "simple match hits", "miss with success upcall", "miss with failed upcall")}
        m = re.search(r"processing cycles: *(\d+)", text)
        got["cycles"] = int(m[1]) if m else 0
        masks = re.search(r"lookups per megaflow hit: *([0-9.]+)", text)
        got["lookups"] = float(masks[1]) * got["megaflow hits"]
        got["wall"], got["cpu"] = wall, cpu
        return got


def settle(s, o):
    """Waits until no packet is new to OVS; the difference of two readings of its counters then."""
    end = time.monotonic() + o.warm_max
    s.app("dpif-netdev/pmd-stats-clear")  # its thread does it, some time later
    time.sleep(max(1, o.warm))
    while True:
        a = s.sample()
        time.sleep(o.secs)
        b = s.sample()
        d = {k: b[k] - a[k] for k in a}
        d["settled"] = d["miss with success upcall"] <= d["packets received"] / 1e5
        if d["settled"] or time.monotonic() > end:
            return d


def measure(s, o, kind, flows):
    """OVS learns some thousand flows a second. While it does, it must not forget the first before
    they come again. With connections it must, later: what only their first packets needed is in the
    way. Without, a round through all flows may take longer than its usual memory, and it never ends."""
    s.forget_after(600000 if flows > 1 else IDLE_MS)
    if flows > 1 and kind == "ct":
        settle(s, o)
        s.forget_after(IDLE_MS)
        time.sleep(IDLE_MS / 1000 + 3)
    d = settle(s, o)
    n = d["packets received"]
    if not n or d["miss with failed upcall"]:
        raise Failure(f"ovs switches nothing, or not all: {d}")
    # Its counter runs on while the thread waits for the processor, which is not the switch's cost.
    return {"cycles": d["cycles"] / n * min(1, d["cpu"] / d["wall"]), "own_counter": d["cycles"] / n,
            "packets": n, "cpu_share": d["cpu"] / d["wall"], "settled": d["settled"],
            "emc": d["emc hits"] / n, "megaflow": d["megaflow hits"] / n,
            "simple_match": d["simple match hits"] / n, "upcalls": d["miss with success upcall"],
            "masks_tried": d["lookups"] / max(1, d["megaflow hits"]),
            "megaflows": s.app("dpctl/dump-flows").count("actions:")}


def run_ovs(o, files, samples):
    cases = [(kind, n) for kind in o.ovs for n in FLOWS]
    random.shuffle(cases)
    work = tempfile.mkdtemp(prefix="nethv-bench-")
    try:
        with ovs(work, o.core) as (ctl, process):
            s = Switch(o, work, ctl, process)
            for kind, flows in cases:
                s.rules(files.rules[kind])
                s.pcap(files.pcap[flows], ",infinite_rx=1")
                m = measure(s, o, kind, flows)
                if s.taken()[1]:
                    raise Failure(f"ovs, {kind}: denied frames that are permitted")
                s.no_pcap()
                samples[kind, flows].append(m)
                print(f"   {OVS[kind]}, {flows} flows: {m['cycles']:.0f} ({m['own_counter']:.0f} by "
                      f"its counter), EMC {m['emc']:.0%}, {m['megaflows']} megaflows, "
                      f"{m['masks_tried']:.0f} masks tried, "
                      f"{m['upcalls']} upcalls{'' if m['settled'] else ': STILL LEARNING'}", file=sys.stderr)
    finally:
        keep_or_remove(o, work)


def run_micro(o, samples):
    for line in run(o.micro, "--core", str(o.core)).splitlines():
        d = json.loads(line)
        if "case" in d:
            samples[d["case"], d["flows"]].append({"cycles": d["median"], "best": d["best"]})
        elif d["denied"]:
            raise Failure("micro_acl denied frames that are permitted")


def aimed_once(s, o, files, kind):
    """Frames that aim at the rules, once; how many each rule took when the counters stand still."""
    s.rules(files.rules[kind])
    s.pcap(files.aimed)
    last, still = -1, 0
    while last < files.expect["check"] and still < 10:
        time.sleep(1)
        by, denied = s.taken()
        still = still + 1 if last == sum(by.values()) > 0 else 0
        last = sum(by.values())
    s.no_pcap()
    got = [by.get(i + 1, 0) for i in range(len(files.expect["by_rule"]))]
    got[-1] += by.get(0, 0)
    return got, denied


def check_one(s, o, files, kind):
    """Rule by rule the counts of DPDK's classification. OVS forgets to count a frame now and then,
    so a few that miss are worth another try; one that another rule took is not."""
    want = files.expect["by_rule"]
    for _ in range(4):
        got, denied = aimed_once(s, o, files, kind)
        bad = [i for i in range(len(want)) if want[i] != got[i]]
        print(f"check, {OVS[kind]}: {sum(got)} frames, {denied} denied, micro_acl denied "
              f"{files.expect['denied']}; {len(bad)} of {len(want)} rules differ", file=sys.stderr)
        if not bad:
            return
        if any(got[i] > want[i] for i in bad) or sum(got) < 0.999 * sum(want):
            break
    raise Failure("not the same ACL: rule, micro_acl, ovs: "
                  + "; ".join(f"{i + 1}, {want[i]}, {got[i]}" for i in bad[:5]))


def check(o, files):
    work = tempfile.mkdtemp(prefix="nethv-bench-")
    try:
        with ovs(work, o.core) as (ctl, process):
            s = Switch(o, work, ctl, process)
            for kind in o.ovs:
                if kind != "base":
                    check_one(s, o, files, kind)
    finally:
        keep_or_remove(o, work)


def keep_or_remove(o, work):
    if o.keep:
        print(f"   logs in {work}", file=sys.stderr)
    else:
        shutil.rmtree(work, ignore_errors=True)


def rounds(o, files):
    samples = {(k, n): [] for k in [*MICRO, *o.ovs] for n in FLOWS}
    failed = 0
    for r in range(o.rounds):
        jobs = [lambda: run_micro(o, samples), lambda: run_ovs(o, files, samples)]
        random.shuffle(jobs)
        print(f"round {r + 1} of {o.rounds}", file=sys.stderr)
        for job in jobs:
            try:
                job()
            except KeyboardInterrupt:
                print("interrupted: what there is so far", file=sys.stderr)
                return samples, failed + 1
            except (Failure, subprocess.SubprocessError) as e:
                failed += 1
                print(f"   failed: {e}", file=sys.stderr)
    return samples, failed


def summarise(o, samples):
    rows = []
    for n in FLOWS:
        med = {k: statistics.median([m["cycles"] for m in samples[k, n]])
               for k in [*MICRO, *o.ovs] if samples[k, n]}
        for k, name in [*MICRO.items(), *((k, OVS[k]) for k in o.ovs)]:
            row = {"system": name, "flows": n, "starts": len(samples[k, n]),
                   "samples": samples[k, n]}
            if k in med:
                got = [m["cycles"] for m in samples[k, n]]
                row.update(median=med[k], min=min(got), max=max(got))
                if "rte_acl" in med:
                    row["to_rte_acl"] = med[k] / med["rte_acl"]
                if k in ("acl", "ct") and "base" in med:
                    row["above_base"] = med[k] - med["base"]
            rows.append(row)
    return rows


def table(o, rows):
    print(f"\nacl: {cpu_model()}, core {o.core}, 1,000 rules, {o.rounds} starts each; "
          "TSC cycles a packet")
    print(f"{'flows':>7}  {'system':<27} {'median':>7} {'min':>7} {'max':>7} {'to rte_acl':>11} "
          f"{'above base':>11}")
    for r in rows:
        if not r["starts"]:
            print(f"{r['flows']:>7}  {r['system']:<27} no start succeeded")
            continue
        ratio = f"{r['to_rte_acl']:.2f} x" if "to_rte_acl" in r else ""
        above = f"{r['above_base']:.0f}" if "above_base" in r else ""
        learning = sum(not m.get("settled", True) for m in r["samples"])
        note = f"  still learning in {learning} of {r['starts']} starts" if learning else ""
        print(f"{r['flows']:>7}  {r['system']:<27} {r['median']:>7.0f} {r['min']:>7.0f} "
              f"{r['max']:>7.0f} {ratio:>11} {above:>11}{note}")


def report(o, rows, files):
    head = {"benchmark": "acl", "unit": "TSC cycles a packet", "cpu": cpu_model(),
            "kernel": platform.release(), "core": o.core, "rules": 1000, "seconds": o.secs,
            "commit": run("git", "-C", ROOT, "rev-parse", "--short", "HEAD").strip(),
            "rounds": o.rounds, "frames_checked": files.expect["check"],
            "frames_denied": files.expect["denied"], "rows": rows}
    table(o, rows)
    with open(o.json, "w") as f:
        json.dump(head, f, indent=1)
    print(f"every sample: {o.json}")


def options():
    p = argparse.ArgumentParser(prog="./dev bench acl", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=5, help="process starts of each system (5)")
    p.add_argument("--secs", type=float, default=2, help="seconds measured of OVS (2)")
    p.add_argument("--warm", type=float, default=2, help="seconds before that, at least (2)")
    p.add_argument("--warm-max", type=float, default=180, help="and at most (180)")
    p.add_argument("--ovs", nargs="*", default=list(OVS), choices=list(OVS), help="OVS's rule sets")
    p.add_argument("--core", type=int, default=0, help="where both are measured (0)")
    p.add_argument("--build", default="build", help="directory of the build (build)")
    p.add_argument("--json", default="build/acl.json", help="where all samples go")
    p.add_argument("--keep", action="store_true", help="keep OVS's logs")
    o = p.parse_args()
    o.micro = os.path.join(ROOT, o.build, "bench/micro_acl")
    return o


def main():
    o = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("acl: ended"))
    if os.geteuid() != 0:
        sys.exit("acl: needs root: OVS wants huge pages and a network namespace")
    work = tempfile.mkdtemp(prefix="nethv-bench-")
    try:
        with alone(), huge_pages(PAGES):
            files = Files(o, work)
            check(o, files)
            samples, failed = rounds(o, files)
    except (Failure, subprocess.SubprocessError) as e:
        sys.exit(f"acl: {e}")
    finally:
        end_all()
        shutil.rmtree(work, ignore_errors=True)
    report(o, summarise(o, samples), files)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
