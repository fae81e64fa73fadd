#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two builds of a micro-benchmark side by side: ./dev bench pair OLD NEW [--starts N]

OLD and NEW are programs that print a line of JSON for each case (micro_vswitch of two builds). They are
started in turns, OLD and NEW and OLD again, so that what else the machine does hits all alike. For each case:
the median of the ratios NEW/OLD of neighbouring starts, its 95 % interval by bootstrap, and the same for
OLD/OLD, which is the noise. A difference inside the noise is called none.
"""
import argparse
import json
import random
import statistics
import subprocess
import sys

KEYS = ("bench", "extension", "ports", "burst", "sources", "size", "case", "who", "rules", "flows")


def start(program):
    r = subprocess.run(program.split(), capture_output=True, text=True, check=True)
    cases = {}
    for line in r.stdout.splitlines():
        if line.startswith("{"):
            o = json.loads(line)
            cases[" ".join(str(o[k]) for k in KEYS if k in o)] = o["median"]
    return cases


def interval(values, rounds=2000):
    """The median and what 95 % of the bootstrap's medians lie between."""
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(rounds))
    return statistics.median(values), medians[int(rounds * 0.025)], medians[int(rounds * 0.975)]


def main():
    ap = argparse.ArgumentParser(prog="./dev bench pair", description=__doc__.splitlines()[0])
    ap.add_argument("old")
    ap.add_argument("new")
    ap.add_argument("--starts", type=int, default=15)
    ap.add_argument("--json", action="store_true")
    o = ap.parse_args()
    runs = []
    for i in range(o.starts):
        runs.append((start(o.old), start(o.new), start(o.old)))
        print(f"\rstart {i + 1} of {o.starts}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    rows = []
    for case in runs[0][0]:
        ab = [new[case] / ((a[case] + b[case]) / 2) for a, new, b in runs]
        aa = [b[case] / a[case] for a, _, b in runs]
        rows.append({
            "case": case,
            "old": statistics.median([a[case] for a, _, _ in runs]),
            "new": statistics.median([n[case] for _, n, _ in runs]),
            "ratio": interval(ab), "noise": interval(aa),
        })
    if o.json:
        print(json.dumps({"starts": o.starts, "cases": rows}, indent=1))
        return
    print(f"{'case':32} {'old':>8} {'new':>8}   new/old              old/old (noise)")
    for r in rows:
        (m, lo, hi), (nm, nlo, nhi) = r["ratio"], r["noise"]
        word = "none" if lo <= nhi and hi >= nlo else ("slower" if m > 1 else "faster")
        print(f"{r['case']:32} {r['old']:8.1f} {r['new']:8.1f}   {m:.3f} [{lo:.3f}..{hi:.3f}]  "
              f"{nm:.3f} [{nlo:.3f}..{nhi:.3f}]  {word}")


main()
