# SPDX-License-Identifier: BSD-3-Clause
"""How long traffic stands still when something is changed beneath it: extensions are loaded, upgraded and unloaded by
`nethv ext`, as an operator does it, while a steady load passes between two adapters and through an extension.

A pause is what the switch says of a change: the longest time that an lcore spent in one round of its loop during it. What
the kernel gives of the lcore's CPU to others would be part of it, so a change during which the lcore waited for its CPU
does not count: the kernel's figure decides, not the pause. Where there is no core C for the thread that makes changes,
the switch's threads have real-time priority, lcores the higher one, which sends that thread to core B."""
import contextlib
import json
import math
import os
import time

from . import machine
from .loads import Loads, check_content
from .process import Failure, tool
from .runner import Case
from .systems import ALONE

SHARE = 30         # percent of what passes with a window
FRAME = 64
SECONDS = 8        # of load in a trial
SPACE_S = 0.02     # between two changes
CHANGES_MIN = 30   # that count, in a trial
POINTS = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
AT_MOST_US = 1000  # of a change
LCORE = "rte-worker"  # DPDK's name for their threads


def quantiles(values):
    """Nearest rank: each of them was measured."""
    ranked = sorted(values)
    return {name: ranked[max(math.ceil(len(ranked) * share) - 1, 0)] for name, share in POINTS.items()}


def pause_in(answer):
    """us, of an answer of `nethv ext ... --json`: its slowest change."""
    return max(c["pause_ns"] for c in json.loads(answer)["changes"]) / 1e3


def figures(changes, steady, changed):
    """The start's: @changes [(verb, us, whether the lcore waited for its CPU)], and the receiver's figures of the trial
    without and of the one with changes."""
    own = [c for c in changes if not c[2]]
    if len(own) < CHANGES_MIN:
        raise Failure(f"of {len(changes)} changes within {SECONDS} s the lcore had its CPU all the time in {len(own)} only")
    q = quantiles([us for _, us, _ in own])
    counters = {"changes": len(own), "changes_disturbed": len(changes) - len(own),
                "max_with_disturbed_us": max(us for _, us, _ in changes),
                **{f"{verb}_p50_us": quantiles([us for v, us, _ in own if v == verb])["p50"]
                   for verb in sorted({v for v, _, _ in own})},
                "gap_us": changed["gap_ns"] / 1e3, "gap_without_changes_us": steady["gap_ns"] / 1e3}
    lost, lost_before = (got["tx_packets"] - got["rx_packets"] for got in (changed, steady))
    return {"value": q["p99"], "quantiles": q, "counters": counters,
            "lost": {"value": lost, "counters": {"sent": changed["tx_packets"], "unsent": changed["unsent"],
                                                 "lost_without_changes": lost_before}}}


class Threads:
    """Of a switch: {id: name}."""

    def __init__(self, pid):
        base = f"/proc/{pid}/task"
        self.names = {int(tid): machine.text_of(f"{base}/{tid}/comm") for tid in os.listdir(base)}
        self.waits = [f"{base}/{tid}/schedstat" for tid, name in self.names.items() if name.startswith(LCORE)]

    def waited(self):
        """ns for which the lcores could have run and others did."""
        return sum(int(machine.text_of(path).split()[1]) for path in self.waits)

    def go_first(self):
        """The watchdog before lcores before the others."""
        for tid, name in self.names.items():
            level = 3 if "watchdog" in name else 2 if name.startswith(LCORE) else 1
            os.sched_setscheduler(tid, os.SCHED_FIFO, os.sched_param(level))


@contextlib.contextmanager
def on_core(core):
    """What is started meanwhile runs there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Swaps:
    """One start: a load through extension `below`, and changes of one above it."""

    def __init__(self, o, g):
        self.o, self.g, self.is_crowded = o, g, o.core_c is None
        self.core = o.core_b if self.is_crowded else o.core_c
        self.so = tool("passthrough.so")
        self.threads = None

    def ext(self, *args):
        return self.g.nethv("ext", *args, "--instance", self.g.name, "--json")

    def change(self, *args):
        before = self.threads.waited()
        us = pause_in(self.ext(*args))
        waited = self.threads.waited() - before
        time.sleep(SPACE_S)
        return args[0], us, waited > 0

    def changes(self, until):
        found = []
        while time.monotonic() < until:
            found += [self.change("load", self.so, "--name", "swap"), self.change("upgrade", "swap"),
                      self.change("unload", "swap")]
        return found

    def order(self):
        """SECONDS of the load."""
        got = self.g.trial(f"count=400000 window=512 size={FRAME}", 0.2)
        rate = SHARE / 100 * got["rx_packets"] / got["receive_ns"] * 1e9 / 2
        return Loads(self.o, self.g, FRAME).order(f"rate={int(rate)} ms={SECONDS * 1000}")

    def measure(self):
        self.ext("load", self.so, "--name", "below")
        order = self.order()
        self.threads = Threads(self.g.stats()["switch"]["pid"])
        if self.is_crowded:
            self.threads.go_first()
        steady = self.g.trial(order, SECONDS)
        number = self.g.tell(order)
        time.sleep(0.2)  # until the load is under way
        changes = self.changes(time.monotonic() + SECONDS - 1)
        changed = self.g.answer(number, order, SECONDS + 20)
        for got in (steady, changed):
            check_content(got, order)
        return {**figures(changes, steady, changed), "real_time": self.is_crowded}


def swap_case():
    def measure(o, name, system, work):
        with system.load(o, work, FRAME) as g:
            swaps = Swaps(o, g)
            with on_core(swaps.core):
                return swaps.measure()
    case = Case("v2v/pause/swap", f"an extension is changed at {SHARE} % load, p99", "pause", "us", "lower", ALONE, measure,
                frame=FRAME, at_most=AT_MOST_US)
    case.also("lost", id="v2v/pause/swap-lost", title=f"frames lost while extensions are changed at {SHARE} % load",
              unit="frames", at_most=0)
    return case


def limits(o, found):
    """What a report with it does not say."""
    if o.core_c is None and any(c.head["kind"] == "pause" for c in found):
        return ["Pauses are those of a switch that has its core for itself: its threads had real-time priority. Where "
                "changes are made by a thread that finds no CPU but a polled one, they take milliseconds."]
    return []
