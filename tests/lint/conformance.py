#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks docs/conformance.md: no rule is missing, and each has a test that carries its name in every
file which the page names for it, or a reason why it has none; and what a test has the name of is on the page."""
import pathlib
import re
import sys


def ids(prefix, first, last):
    return [f"{prefix}-{n}" for n in range(first, last + 1)]


RULES = (
    ids("EXT", 1, 11) + ids("DP", 1, 17) + ids("ST", 0, 6) + ids("EV", 1, 12) + ids("POL", 1, 5)
    + ids("RTD", 1, 4) + ids("VMQ", 1, 13) + ids("VP", 1, 2) + ids("EX", 1, 2) + ["SRC-1"] + ids("HWO", 1, 3)
    + ["IOV-9", "FLT-1", "VF-1"] + ids("MMQ", 1, 3) + ids("RSS2", 1, 2) + ids("TEAM", 1, 2)
    + ["QOS-1", "PERF-1", "WFP-1"]
)
ROW = re.compile(r"^\| ([A-Z0-9]+-\d+) \|")
TEST = re.compile(r"^Test\(\w+,\s*(\w+)", re.M)
NAMED = re.compile(r"^([a-z0-9]+)_(\d+)_")
OTHERS = ("vmq_", "mgmt_", "netvsp_")
REASON = re.compile(r"^(does not apply|not yet): \S.{9,}")


def rows(page):
    for no, line in enumerate(page.splitlines(), 1):
        if ROW.match(line):
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            yield no, cells


def file_of(word):
    """What the page calls `objects` is the switch's; other modules' files have the module's name in front."""
    return f"test_{word}.c" if word.startswith(OTHERS) else f"test_vswitch_{word}.c"


def tests_of(root, word):
    """Names of the tests in the file that the page calls @word, or None."""
    path = root / "tests" / "unit" / file_of(word)
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
            yield f"there is no tests/unit/{file_of(word)}"
        elif not any(t.startswith(name) for t in found):
            yield f"no test {name}... in tests/unit/{file_of(word)}"


def check_named(root, rows_by_rule):
    """Files with a test of a rule that the rule's row does not name."""
    for path in sorted((root / "tests" / "unit").glob("test_vmq_*.c")):
        word = path.stem.removeprefix("test_")
        for name in TEST.findall(path.read_text()):
            m = NAMED.match(name.lower())
            rule = m and f"{m.group(1)}-{m.group(2)}".upper()
            if rule in rows_by_rule and word not in re.split(r",\s*", rows_by_rule[rule][-1]):
                yield f"{rule} does not name {word}, which has a test {name}"


def main():
    root = pathlib.Path(sys.argv[1])
    page = (root / "docs" / "conformance.md").read_text()
    faults, seen, by_rule = [], [], {}
    for no, cells in rows(page):
        seen.append(cells[0])
        by_rule[cells[0]] = cells
        faults += [f"docs/conformance.md:{no}: {cells[0]}: {f}" for f in check_row(root, cells)]
    faults += [f"docs/conformance.md: {f}" for f in check_named(root, by_rule)]
    faults += [f"docs/conformance.md: {r} is missing" for r in RULES if r not in seen]
    faults += [f"docs/conformance.md: {r} is no rule of the list" for r in set(seen) - set(RULES)]
    faults += [f"docs/conformance.md: {r} is there twice" for r in set(seen) if seen.count(r) > 1]
    print("\n".join(faults) if faults else f"{len(seen)} rules: each with its tests, or a reason")
    return 1 if faults else 0


sys.exit(main())
