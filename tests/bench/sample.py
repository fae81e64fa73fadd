#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A made-up report, the same each time: sample.py FILE.json|FILE.html|FILE.txt

Nothing in it was measured. It has all kinds of cases, a system that never started, searches, histograms with
two modes and a case of each verdict, so that whoever changes the page sees all of it.
"""
import copy
import math
import os
import random
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench"))
from nethv_bench import results

PEERS = {"ovs-dpdk split": 0.5, "ovs-dpdk packed": 0.46, "vhost split": 0.81, "vhost packed": 1.7, "memif": 0.93}
SIZES = (64, 128, 256, 512, 1024, 1280, 1518, "imix")
BUCKETS = [round(100 * 1.05 ** i) for i in range(250)]


def interval(draw, values):
    """The median and its 95 % interval, by bootstrap."""
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(200))
    return {"median": statistics.median(values), "low": medians[5], "high": medians[194]}


def ratio(draw, ours, theirs, better):
    """How many times better ours is, start by start."""
    pairs = [a / b if better == "higher" else b / a for a, b in zip(ours, theirs)]
    return {k: round(v, 4) for k, v in interval(draw, pairs).items()}


class Sample:
    """Makes cases; @faster is how much faster nethv is than in the other sample."""

    def __init__(self, seed, faster, starts):
        self.draw = random.Random(seed)
        self.faster, self.starts, self.order = faster, starts, 0

    def one_start(self, value, spread):
        """The machine has two modes: now and then all are half as fast again. What is counted knows none."""
        mode = 1.5 if spread and self.draw.random() < 0.15 else 1
        self.order += 1
        clock = [round(self.draw.gauss(0.435, 0.002), 4) for _ in range(4)]
        return {"value": round(value * mode * self.draw.lognormvariate(0, spread), 5), "order": self.order,
                "clock": {"add_before": clock[:2], "add_after": clock[2:], "line_ns_before": 61.2,
                          "line_ns_after": 60.8, "stolen_s": 0.01}}

    def system(self, name, value, spread, more=None):
        starts = [self.one_start(value, spread) for _ in range(self.starts)]
        for start in starts:
            start.update(more(start["value"]) if more else {})
        return {"system": name, "starts": starts}

    def case(self, kind, at, title, unit, better, values, **keys):
        """@values: {system: what it is about}, a value of None: never started."""
        more, spread = keys.pop("more", None), keys.pop("spread", 0.05)
        case = {"id": f"v2v/{kind}/{at}", "topology": "v2v", "path": "synthetic", "kind": kind, "title": title,
                "frame_bytes": 64, "flows": 1, "direction": "both", "unit": unit, "better": better,
                "systems": [], **keys}
        for name, value in values.items():
            s = self.system(name, value, spread, more) if value is not None else {"system": name, "starts": []}
            case["systems"].append(s)
            if s["starts"]:
                s.update(interval(self.draw, results.values_of(s)))
            ours = case["systems"][0]
            if s is not ours and s["starts"]:
                s["ratio"] = ratio(self.draw, results.values_of(ours), results.values_of(s), better)
        return case

    def rates(self, base):
        """What each system forwards, @base being nethv's."""
        return {"nethv": base * self.faster, **{n: base * f for n, f in PEERS.items()}}

    def search(self, goal):
        """Trials as MLRsearch would make them around a start's value."""
        def trials(value):
            low, high, made = 0.0, value * 2.2, []
            for k in range(26):
                load = (low + high) / 2 if k else high
                loss = max(0.0, 1 - value / load + self.draw.gauss(0, 0.004)) if load > value * 0.97 else 0.0
                made.append({"load": round(load * 1e6), "loss": round(loss, 6), "seconds": 0.5})
                low, high = (low, load) if loss > goal else (load, high)
                if high - low < value * 0.01:
                    low, high = low * 0.99, high * 1.01
            return {"trials": made, "outcome": "regular"}
        return trials

    def histogram(self, value):
        """Latencies about a median of @value us, with a tail and a second mode."""
        counts, total = [0] * len(BUCKETS), 20000
        for _ in range(total):
            ns = value * 1000 * self.draw.lognormvariate(0, 0.18)
            if self.draw.random() < 0.004:
                ns *= self.draw.uniform(3, 25)
            counts[min(len(BUCKETS) - 1, max(0, math.ceil(math.log(ns / 100, 1.05))))] += 1
        quantiles, below = {}, 0
        for upper, count in zip(BUCKETS, counts):
            below += count
            for name, share in results.QUANTILES.items():
                if name not in quantiles and below >= share * total:
                    quantiles[name] = upper / 1000
        return {"histogram": [[u, c] for u, c in zip(BUCKETS, counts) if c], "quantiles": quantiles}

    def machine(self):
        """What waits for the cores alone."""
        at = self.draw.uniform(8, 12)
        return {"machine": {"p50": 0, "p90": 0, "p99": round(at, 2), "p99.9": round(at * 4, 2), "max": round(at * 9, 2)},
                "counters": {"share_away": round(at / 500, 4)}}


def rate_cases(m):
    for size in SIZES:
        base = 3 + 1100 / (70 if size == 64 else 420 if size == "imix" else size + 6)
        floors = [{"system": "ovs-dpdk split", "ratio": 2.0 if size in (64, 1518) else 1.6},
                  {"system": "vhost packed", "ratio": 0.6}] if size in (64, 512, 1518) else []
        name = "IMIX" if size == "imix" else f"{size} B"
        yield m.case("max", size, f"Highest rate, {name}", "Mpps", "higher", m.rates(base), frame_bytes=size,
                     floors=floors)
    for flows in (1000, 10000, 100000, 1000000):
        values = {"nethv": (18 - math.log10(flows)) * m.faster, "ovs-dpdk split": 10 / (1 + 0.3 * math.log10(flows))}
        yield m.case("max", f"64/{flows}", f"Highest rate, 64 B, {flows} flows", "Mpps", "higher", values, flows=flows)


def search_cases(m):
    for kind, goal in (("ndr", 0), ("pdr", 0.005)):
        for size in (64, 1518):
            values = {**m.rates(14 if size == 64 else 7), "memif": None}
            yield m.case(kind, size, f"{kind.upper()}, {size} B", "Mpps", "higher", values, frame_bytes=size,
                         more=m.search(goal), floors=[{"system": "ovs-dpdk split", "ratio": 2.0},
                                                      {"system": "memif", "ratio": 1.0}])


def time_cases(m):
    for load in (10, 50, 90):
        values = {"nethv": 3.1 / m.faster * (1 + load / 60), "ovs-dpdk split": 5 * (1 + load / 40),
                  "vhost split": 4 * (1 + load / 50)}
        yield m.case("latency", f"64/{load}", f"Round trip at {load} % of the rate without loss", "us", "lower",
                     values, more=lambda value: {**m.histogram(value), **m.machine()}, at_most=15.0)
    values = {"nethv": 210 / m.faster, "ovs-dpdk split": 1900}
    yield m.case("pause", "extension", "An extension is replaced", "us", "lower", values, at_most=250.0)


def count_cases(m):
    for macs in (64, 256, 1024, 4096, 16384):
        values = {"nethv": 90 + 4 * math.log2(macs), "ovs-dpdk split": 190 + 16 * math.log2(macs)}
        yield m.case("addresses", macs, f"Forwarding among {macs} addresses", "cycles", "lower", values,
                     x={"of": "MAC addresses", "value": macs})
    for parts in (2, 4, 8, 16, 32):
        values = {"nethv": 110 + 2.2 * parts, "ovs-dpdk split": 205 + 6 * parts, "vhost split": 150 + 4.5 * parts}
        yield m.case("cycles", parts, f"{parts} partitions", "cycles", "lower", values,
                     x={"of": "partitions", "value": parts})
    for size in (64, 1518):
        values = {"nethv": 288 / m.faster, "ovs-dpdk split": 611, "vhost split": 402}
        yield m.case("insn", size, f"Instructions a packet, {size} B", "insn", "lower", values, frame_bytes=size,
                     spread=0, at_most=300.0)


def other_cases(m):
    burst = m.case("b2b", 64, "Longest burst without loss", "frames", "higher", m.rates(1900))
    for start in burst["systems"][0]["starts"][:2]:
        start["outcome"] = "clean at the maximum"
    yield burst
    yield m.case("learning", 64, "Addresses learnt in a second", "addresses/s", "higher",
                 {"nethv": 4.1e6, "ovs-dpdk split": 1.2e4}, at_least=1000000)
    soak = m.case("soak", 64, "Lost in 30 min at 90 %", "ppm", "lower", {"nethv": 1.0}, spread=0,
                  at_most=0)
    ours = soak["systems"][0]
    ours.update(starts=[{"value": 0, "order": ours["starts"][0]["order"], "counters": {"sent": 2712843112},
                          "rows": [{"sent": 1507135 + i, "lost": 0, "max_us": 80.5 + i % 7} for i in range(1800)]}],
                median=0, low=0, high=0)
    yield soak


MACHINE = {
    "cpu": "Made-up Processor 9000 @ 2.30 GHz", "cores": 2, "kernel": "6.1.0-sample",
    "cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/vda1 isolcpus=1 nohz_full=1 rcu_nocbs=1 default_hugepagesz=2M",
    "mitigations": {"spectre_v2": "Mitigation: Enhanced IBRS, IBPB: conditional, RSB filling",
                    "mds": "Not affected", "retbleed": "Not affected"},
    "hugepages": "2048 of 2 MiB", "memory_mib": 7938, "hypervisor": "KVM", "tsc_mhz": 2300.0,
    "core_to_core_ns": 61.0, "cores_used": [0, 1], "siblings": None,
}


def sample(seed=1, faster=1.0, starts=9):
    """A whole report."""
    m = Sample(seed, faster, starts)
    makers = (rate_cases, search_cases, time_cases, count_cases, other_cases)
    return {
        "format": results.FORMAT, "title": "nethv beside its peers (made up)", "begun": "2026-01-02T03:04:05Z",
        "seconds": 3725.5, "command": ["./dev", "bench", "report", "--starts", str(starts)], "is_complete": True,
        "machine": copy.deepcopy(MACHINE),
        "versions": {"nethv": "0123abc", "dpdk": "22.11.7", "ovs": "3.1.0", "gcc": "12.2.0", "qemu": "7.2.13"},
        "method": {"seconds": 2, "warm": 1, "starts": starts, "inflight": 1024, "order": "random in each round",
                   "frames_in_flight": {"nethv, 64 B": 512, "memif, 64 B": 1024}},
        "discarded": [
            {"case": "v2v/max/64", "system": "memif", "reason": "1.4 % of the time was stolen", "value": 17.2},
            {"case": "v2v/ndr/64", "system": "memif", "reason": "failed: no testpmd> within 30 s"},
        ],
        "cases": [case for make in makers for case in make(m)],
        "limits": ["Nothing at all: these figures are made up."],
    }


def main():
    if len(sys.argv) != 2 or os.path.splitext(sys.argv[1])[1] not in (".json", ".html", ".txt"):
        sys.exit(__doc__.strip())
    path = sys.argv[1]
    if path.endswith(".json"):
        results.save(path, sample())
        return
    from nethv_bench import html, text
    with open(path, "w", encoding="utf-8") as f:
        f.write((html if path.endswith(".html") else text).render(sample()))


if __name__ == "__main__":
    main()
