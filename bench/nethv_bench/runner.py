# SPDX-License-Identifier: BSD-3-Clause
"""Cases in rounds. The unit of repetition is a process start: two starts of one binary differ by up to 20 %, so each round
starts every system once for every case, in an order of its own, and what is compared are medians over rounds.

Before and after each start the clocks are looked at; one that was disturbed is discarded, by the machine's figures and
not by its own, and is made again."""
import random
import shutil
import subprocess
import sys
import tempfile
import time

from . import machine, stats
from .process import Failure

AGAIN_MAX = 3    # times a start is made again because it was disturbed
NETHV = "nethv"


class Case:
    """What is measured of some systems, {name: system}: @measure(o, name, system, work) -> {"value", ...}, one start."""

    def __init__(self, id, title, kind, unit, better, systems, measure, frame=None, floors=(), path="synthetic",
                 topology="v2v", flows=1, direction="both", **limits):
        self.measure, self.systems = measure, systems
        self.head = {"id": id, "topology": topology, "path": path, "kind": kind, "title": title, "frame_bytes": frame,
                     "flows": flows, "direction": direction, "unit": unit, "better": better, **limits}
        if floors:
            self.head["floors"] = list(floors)
        self.starts = {s: [] for s in self.systems}
        self.others = []   # (key, head): further figures of the same starts

    def ids(self):
        return [self.head["id"], *(head["id"] for _, head in self.others)]

    def also(self, key, **head):
        """@measure's result has under @key another one, {"value", ...}, which makes a case of its own."""
        limits = ("floors", "at_most", "at_least")
        self.others.append((key, {**{k: v for k, v in self.head.items() if k not in limits}, **head}))


class Progress:
    """A line for each start: what, how far, how long yet."""

    def __init__(self, total):
        self.total, self.done, self.begun = total, 0, time.monotonic()

    def say(self, case, system, word):
        self.done += 1
        spent = time.monotonic() - self.begun
        left = spent / self.done * (self.total - self.done)
        print(f"[{self.done}/{self.total}, {left / 60:4.1f} min left] {case.head['title']}, {system}: {word}",
              file=sys.stderr, flush=True)


def one_start(o, case, system):
    """(what came of it, why it does not count or None)"""
    work = tempfile.mkdtemp(prefix="nethv-bench-")
    before, stolen, begun = machine.clocks(o.core_a, o.core_b), machine.steal(), time.monotonic()
    try:
        got = case.measure(o, system, case.systems[system], work)
    finally:
        if not o.keep:
            shutil.rmtree(work, ignore_errors=True)
    stolen, seconds = machine.steal() - stolen, time.monotonic() - begun
    after = machine.clocks(o.core_a, o.core_b)
    got["clock"] = {"add_before": before["add"], "add_after": after["add"], "line_ns_before": before["line_ns"],
                    "line_ns_after": after["line_ns"], "stolen_s": round(stolen, 3)}
    return got, machine.disturbance(before, after, stolen, seconds)


def start(o, case, system, when, discarded, progress):
    word = "given up: always disturbed"
    for _ in range(AGAIN_MAX):
        try:
            got, why = one_start(o, case, system)
        except (Failure, subprocess.SubprocessError, OSError) as e:
            discarded.append({"case": case.head["id"], "system": system, "reason": f"failed: {e}"})
            word = f"failed: {e}"
            break
        if not why:
            got.update(when)
            case.starts[system].append(got)
            word = f"{got['value']:.2f} {case.head['unit']}"
            break
        discarded.append({"case": case.head["id"], "system": system, "reason": why, "value": got["value"]})
    progress.say(case, system, word)


def carry_out(o, cases, rng=random):
    """All rounds of all cases, or as many as fit before o.until (monotonic time, or None). What was discarded: [{case,
    system, reason}], and how many rounds there were."""
    discarded, order, longest = [], 0, 0
    progress = Progress(o.rounds * sum(len(c.systems) for c in cases))
    for k in range(o.rounds):
        begun = time.monotonic()
        if k and o.until and begun + longest > o.until:
            print(f"bench: {k} rounds; there is no time for another one", file=sys.stderr, flush=True)
            return discarded, k
        todo = [(c, s) for c in cases for s in c.systems]
        rng.shuffle(todo)
        for case, system in todo:
            start(o, case, system, {"order": order, "round": k}, discarded, progress)
            order += 1
        longest = max(longest, time.monotonic() - begun)
    return discarded, o.rounds


def ratio(head, ours, theirs):
    """How many times better we are: starts of one round are pairs."""
    other = {s["round"]: s["value"] for s in theirs}
    pairs = [(s["value"], other[s["round"]]) for s in ours if s["round"] in other]
    times = [a / b if head["better"] == "higher" else b / a for a, b in pairs if a and b]
    return stats.interval(times) if times else None


def summary(head, starts):
    """A case as results.py has it."""
    out, ours = dict(head), starts.get(NETHV, [])
    out["systems"] = []
    for system, rows in starts.items():
        values = [s["value"] for s in rows]
        row = {"system": system, "starts": rows}
        if values:
            row["median"], row["low"], row["high"] = stats.interval(values)
        r = ratio(head, ours, rows) if system != NETHV else None
        if r:
            row["ratio"] = dict(zip(("median", "low", "high"), r))
        out["systems"].append(row)
    return out


def summaries(case):
    """The case, and those that come of the same starts."""
    keys = [key for key, _ in case.others]
    own = {s: [{k: v for k, v in r.items() if k not in keys} for r in rows] for s, rows in case.starts.items()}
    out = [summary(case.head, own)]
    for key, head in case.others:
        out.append(summary(head, {s: [{**{k: r[k] for k in ("order", "round", "clock")}, **r[key]} for r in rows if key in r]
                                  for s, rows in case.starts.items() if not rows or any(key in r for r in rows)}))
    return out
