#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two builds of a micro-benchmark side by side: ./dev bench pair OLD NEW [--starts N]

OLD and NEW are programs that print a line of JSON for each case (micro_vswitch of two builds). They are
started in turns, OLD and NEW and OLD again, so that what else the machine does hits all alike. For each case:
the median of the ratios NEW/OLD of neighbouring starts, its 95 % interval by bootstrap, and the same for
OLD/OLD, which is the noise. A difference inside the noise is called none, and so is one of less than 1 %, or of
fewer than six starts.
"""
import argparse
import json
import subprocess
import sys

from nethv_bench import stats

KEYS = ("bench", "extension", "ports", "burst", "sources", "size", "case", "who", "rules", "flows")
WORDS = {"new": "faster", "old": "slower", None: "none"}


def start(program):
    r = subprocess.run(program.split(), capture_output=True, text=True, check=True)
    cases = {}
    for line in r.stdout.splitlines():
        if line.startswith("{"):
            o = json.loads(line)
            cases[" ".join(str(o[k]) for k in KEYS if k in o)] = o["median"]
    return cases


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
    rows, verdicts = [], {}
    for case in runs[0][0]:
        of_case = [(a[case], new[case], b[case]) for a, new, b in runs]
        verdicts[case] = stats.verdict(*stats.sandwich(of_case))
        rows.append({
            "case": case,
            "old": stats.median([a for a, _, _ in of_case]),
            "new": stats.median([new for _, new, _ in of_case]),
            "ratio": verdicts[case].ratio, "noise": verdicts[case].noise,
        })
    if o.json:
        print(json.dumps({"starts": o.starts, "cases": rows}, indent=1))
        return
    print(f"{'case':32} {'old':>8} {'new':>8}   new/old              old/old (noise)")
    for r in rows:
        (m, lo, hi), (nm, nlo, nhi) = r["ratio"], r["noise"]
        word = WORDS[verdicts[r["case"]].winner]
        print(f"{r['case']:32} {r['old']:8.1f} {r['new']:8.1f}   {m:.3f} [{lo:.3f}..{hi:.3f}]  "
              f"{nm:.3f} [{nlo:.3f}..{nhi:.3f}]  {word}")


main()
