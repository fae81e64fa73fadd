#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Adds up meson's test logs: each TAP line counts as a test, a program without TAP as one."""
import json
import re
import sys

LINE = re.compile(r"^(not )?ok\b(.*)$", re.M)
SKIP = re.compile(r"#\s*skip", re.I)
TELLING = re.compile(r"SEED=|[Aa]ssert|expression|^not ok|FAIL|CRASH|crashed|[Tt]imed? ?out|SUMMARY|runtime error|Error:")
LINES_MAX = 12


def count(entry):
    passed = failed = skipped = 0
    for bad, rest in LINE.findall(entry.get("stdout", "")):
        if SKIP.search(rest):
            skipped += 1
        elif bad:
            failed += 1
        else:
            passed += 1
    result = entry["result"]
    if result == "SKIP" and not passed:
        return 0, 0, max(skipped, 1)
    if result not in ("OK", "SKIP") and not failed:
        failed = 1
    if result == "OK" and not passed and not skipped:
        passed = 1
    return passed, failed, skipped


def reason(entry):
    """What the test said of its failure, in some lines: who reads only the end of a log has nothing else."""
    lines = [l for part in ("stdout", "stderr") for l in entry.get(part, "").splitlines() if l.strip()]
    telling = [l for l in lines if TELLING.search(l)] or lines
    return "".join(f"    {l.strip()[:300]}\n" for l in telling[-LINES_MAX:])


total = [0, 0, 0]
for path in sys.argv[1:]:
    with open(path) as f:
        for line in f:
            entry = json.loads(line)
            got = count(entry)
            total = [a + b for a, b in zip(total, got)]
            if got[1]:
                print(f"failed: {entry['name']} ({entry['result']})\n{reason(entry)}", end="")
print("{} passed, {} failed, {} skipped".format(*total))
sys.exit(1 if total[1] or not total[0] else 0)
