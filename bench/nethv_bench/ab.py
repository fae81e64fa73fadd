# SPDX-License-Identifier: BSD-3-Clause
"""Two builds of nethv in pairs: OLD, NEW and OLD again, round after round, so that what else the machine does hits all
alike. What differs by no more than OLD differs from itself is no difference."""
import os
import sys
import tempfile

from . import machine, stats
from .process import Failure
from .systems import Nethv

INFLIGHT = 512


def program(build):
    path = os.path.join(build, "mgmt/nethv")
    if not os.access(path, os.X_OK):
        raise Failure(f"{build}: no mgmt/nethv in it; is it a build directory?")
    return os.path.abspath(path)


def start(o, path):
    o.nethv = path
    with tempfile.TemporaryDirectory(prefix="nethv-bench-") as work:
        got = Nethv().circle(o, work, o.size, INFLIGHT)
    return got["value"], got["cycles"]["value"]


def carry_out(o):
    old, new = program(o.old), program(o.new)
    mpps, cycles = [], []
    for i in range(o.rounds):
        runs = [start(o, p) for p in (old, new, old)]
        mpps.append(tuple(r[0] for r in runs))
        cycles.append(tuple(r[1] for r in runs))
        print(f"round {i + 1} of {o.rounds}: old {runs[0][0]:.2f}, new {runs[1][0]:.2f}, old {runs[2][0]:.2f} Mpps",
              file=sys.stderr, flush=True)
    return {"old": o.old, "new": o.new, "frame_bytes": o.size, "machine": machine.facts(o.core_a, o.core_b),
            "rows": [row("Mpps", mpps, False), row("TSC cycles a packet", cycles, True)]}


def row(unit, runs, less_is_better):
    v = stats.verdict(*stats.sandwich(runs), less_is_better)
    return {"unit": unit, "runs": runs, "ratio": list(v.ratio), "noise": list(v.noise), "winner": v.winner,
            "why": v.why}


def render(report):
    lines = [f"{report['frame_bytes']} B circle through the switch, {len(report['rows'][0]['runs'])} rounds of old, new, old"]
    for r in report["rows"]:
        m, lo, hi = r["ratio"]
        nm, nlo, nhi = r["noise"]
        word = f"{r['winner']} is better" if r["winner"] else f"no winner: {r['why']}"
        lines.append(f"{r['unit']:20} new/old {m:.3f} [{lo:.3f}..{hi:.3f}]   old/old {nm:.3f} [{nlo:.3f}..{nhi:.3f}]   "
                     f"{word}")
    return "\n".join(lines)
