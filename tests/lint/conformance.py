#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks docs/conformance.md: no rule is missing, and each has a test that carries its name in every
file which the page names for it, or a reason why it has none."""
import pathlib
import re
import sys


def ids(prefix, first, last):
    return [f"{prefix}-{n}" for n in range(first, last + 1)]


RULES = (
    ids("EXT", 1, 11) + ids("DP", 1, 17) + ids("ST", 0, 6) + ids("EV", 1, 12) + ids("POL", 1, 5)
    + ids("RTD", 1, 4) + ids("VP", 1, 2) + ids("EX", 1, 2) + ["SRC-1"] + ids("HWO", 1, 3)
    + ["IOV-9", "FLT-1", "VF-1"] + ids("MMQ", 1, 3) + ids("RSS2", 1, 2) + ids("TEAM", 1, 2)
    + ["QOS-1", "PERF-1", "WFP-1"]
)
ROW = re.compile(r"^\| ([A-Z0-9]+-\d+) \|")
TEST = re.compile(r"^Test\(\w+,\s*(\w+)", re.M)
REASON = re.compile(r"^(does not apply|not yet): \S.{9,}")


def rows(page):
    for no, line in enumerate(page.splitlines(), 1):
        if ROW.match(line):
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            yield no, cells


def tests_of(root, word):
    """Names of the tests in the file that the page calls @word, or None."""
    path = root / "tests" / "unit" / f"test_vswitch_{word}.c"
    return TEST.findall(path.read_text()) if path.exists() else None


def check_row(root, cells):
    if len(cells) != 4:
        yield f"{len(cells)} cells, want 4"
        return
    rule, _, how, shown = cells
    if not shown and not REASON.match(how):
        yield "neither a test nor a reason (\"does not apply: ...\", \"not yet: ...\")"
    name = rule.lower().replace("-", "_") + "_"
    for word in filter(None, re.split(r",\s*", shown)):
        found = tests_of(root, word)
        if found is None:
            yield f"there is no tests/unit/test_vswitch_{word}.c"
        elif not any(t.startswith(name) for t in found):
            yield f"no test {name}... in tests/unit/test_vswitch_{word}.c"


def main():
    root = pathlib.Path(sys.argv[1])
    page = (root / "docs" / "conformance.md").read_text()
    faults, seen = [], []
    for no, cells in rows(page):
        seen.append(cells[0])
        faults += [f"docs/conformance.md:{no}: {cells[0]}: {f}" for f in check_row(root, cells)]
    faults += [f"docs/conformance.md: {r} is missing" for r in RULES if r not in seen]
    faults += [f"docs/conformance.md: {r} is no rule of the list" for r in set(seen) - set(RULES)]
    faults += [f"docs/conformance.md: {r} is there twice" for r in set(seen) if seen.count(r) > 1]
    print("\n".join(faults) if faults else f"{len(seen)} rules: each with its tests, or a reason")
    return 1 if faults else 0


sys.exit(main())
