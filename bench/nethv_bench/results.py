# SPDX-License-Identifier: BSD-3-Clause
"""The form of a report file: what it must hold, reading and writing.

A report is JSON, "format": "nethv-bench 1". This module's tables (REPORT, CASE, SYSTEM, START) are the
reference of its keys. What they cannot say:

- A case measures one thing of several systems; `unit` holds for its values, intervals and quantiles.
  A histogram is in nanoseconds whatever the unit is, so a case with one is in ns, us or ms.
- A system's `starts` are process starts, the unit of repetition; `median`, `low` and `high` (95 %) are over
  them, and absent when no start succeeded. `order` is when in the whole run a start was.
- `ratio` says how many times better nethv is than that system: above 1 is good whatever the unit is.
- What nethv must reach: `floors` beside other systems, `at_most` and `at_least` in the unit.
- `x` names the quantity that a row of cases varies, when it is neither frame size nor flows:
  {"of": "MAC addresses", "value": 1024}.
- A trial of a search has a `load` in frames/s (addresses/s where those are learned) and a `loss`, a part of 1.
- `outcome` is how the search of a start ended; what is not "regular" is said beside the figure.
- `machine` says of a latency what the same cores take without any system, beside its `quantiles`.
- `rows` are the seconds of a long load: frames `sent` in it, how many of them were `lost`, the longest latency `max_us`.
- A fact is a string, a number, yes or no, null where it is not known, or a list of such. A start may have
  further facts of its own.
"""
import datetime
import json
import math
import os
import re
import statistics

FORMAT = "nethv-bench 1"
OURS = "nethv"
REGULAR = "regular"  # the outcome of a search that found what it looked for
KINDS = ("max", "ndr", "pdr", "latency", "b2b", "addresses", "learning", "soak", "pause", "insn", "cycles")
TOPOLOGIES = ("v2v", "p2p", "pvp", "pvvp")
PATHS = ("synthetic", "vmq", "vf")
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
NS = {"ns": 1, "us": 1e3, "ms": 1e6}  # units of time


class Wrong(ValueError):
    """Not a report; the text begins with the place: cases[3].systems[0].starts: not a list."""


def _refuse(at, what):
    raise Wrong(f"{at or 'report'}: {what}")


def _text(v, at):
    if not isinstance(v, str):
        _refuse(at, "not a string")


def _number(v, at):
    if isinstance(v, bool) or not isinstance(v, (int, float)):
        _refuse(at, "not a number")
    if not math.isfinite(v):
        _refuse(at, "not a finite number")


def _positive(v, at):
    _number(v, at)
    if v <= 0:
        _refuse(at, "not above 0")


def _not_negative(v, at):
    _number(v, at)
    if v < 0:
        _refuse(at, "below 0")


def _count(v, at):
    if isinstance(v, bool) or not isinstance(v, int) or v < 0:
        _refuse(at, "not a count")


def _yes_or_no(v, at):
    if not isinstance(v, bool):
        _refuse(at, "neither true nor false")


def _loss(v, at):
    """Below 0 where more came than was sent: late frames of the trial before."""
    _number(v, at)
    if v > 1:
        _refuse(at, "above 1")


def _one_of(*words):
    def look(v, at):
        if v not in words:
            _refuse(at, f"not one of {', '.join(str(w) for w in words)}")
    return look


def _each(member):
    def look(v, at):
        if not isinstance(v, list):
            _refuse(at, "not a list")
        for i, e in enumerate(v):
            member(e, f"{at}[{i}]")
    return look


def _table(member, among=None):
    """An object whose keys are free, or some of @among."""
    def look(v, at):
        if not isinstance(v, dict):
            _refuse(at, "not an object")
        for k, e in v.items():
            if among and k not in among:
                _refuse(f"{at}.{k}", f"not one of {', '.join(among)}")
            member(e, f"{at}.{k}")
    return look


def _object(needed, further=None, others=None):
    """An object of these keys. One that is not known is a slip of the pen, so it is refused, unless @others looks
    at those."""
    known = {**needed, **(further or {})}

    def look(v, at):
        if not isinstance(v, dict):
            _refuse(at, "not an object")
        before = at + "." if at else ""
        for k in needed:
            if k not in v:
                _refuse(before + k, "missing")
        for k, e in v.items():
            if k not in known and not others:
                _refuse(before + str(k), "not a key of this form")
            known.get(k, others)(e, before + k)
    return look


def _fact(v, at):
    for i, e in enumerate(v if isinstance(v, list) else [v]):
        if e is not None and not isinstance(e, (str, bool)):
            _number(e, f"{at}[{i}]" if isinstance(v, list) else at)


def _facts(v, at):
    """A table of facts, some of which may be tables of facts."""
    _table(lambda e, place: (_table(_fact) if isinstance(e, dict) else _fact)(e, place))(v, at)


def _begun(v, at):
    _text(v, at)
    try:
        when = datetime.datetime.fromisoformat(v)
    except ValueError:
        _refuse(at, "not a time of ISO 8601")
    if when.utcoffset() != datetime.timedelta(0):
        _refuse(at, "not a time in UTC")


def _frame(v, at):
    if v is not None and v != "imix":
        _count(v, at)


def _bucket(v, at):
    if not isinstance(v, list) or len(v) != 2:
        _refuse(at, "not a pair [upper_ns, count]")
    _not_negative(v[0], at + "[0]")
    _count(v[1], at + "[1]")


def _histogram(v, at):
    _each(_bucket)(v, at)
    if v and not sum(count for _, count in v):
        _refuse(at, "counts nothing")
    for i in range(1, len(v)):
        if v[i][0] <= v[i - 1][0]:
            _refuse(f"{at}[{i}]", "not above the bucket before it")


def _interval(v, at):
    if not v["low"] <= v["median"] <= v["high"]:
        _refuse(f"{at}.median" if at else "median", "not between low and high")


def _ratio(v, at):
    _object({"median": _positive, "low": _positive, "high": _positive})(v, at)
    _interval(v, at)


def _trial(v, at):
    _table(_fact)(v, at)
    for k, member in {"load": _not_negative, "loss": _loss}.items():
        if k not in v:
            _refuse(f"{at}.{k}", "missing")
        member(v[k], f"{at}.{k}")


START_KEYS = {
    "value": _number,
    "order": _count,
    "trials": _each(_trial),
    "histogram": _histogram,
    "quantiles": _table(_not_negative, QUANTILES),
    "machine": _table(_not_negative, QUANTILES),
    "outcome": _text,
    "rows": _each(_object({"sent": _count, "lost": _number, "max_us": _not_negative})),
    "clock": _table(_fact),  # add_before, add_after: of each core, the time of an addition
    "counters": _table(_fact),
}
START = _object({k: START_KEYS[k] for k in ("value", "order")}, START_KEYS, others=_fact)

SYSTEM = _object({
    "system": _text,
    "starts": _each(START),
}, {
    "median": _number, "low": _number, "high": _number,
    "ratio": _ratio,
})

CASE = _object({
    "id": _text,
    "topology": _one_of(*TOPOLOGIES),
    "path": _one_of(*PATHS),
    "kind": _one_of(*KINDS),
    "title": _text,
    "frame_bytes": _frame,
    "flows": _count,
    "direction": _one_of("both", "one"),
    "unit": _text,
    "better": _one_of("higher", "lower"),
    "systems": _each(SYSTEM),
}, {
    "floors": _each(_object({"system": _text, "ratio": _positive})),
    "at_most": _not_negative, "at_least": _not_negative,
    "x": _object({"of": _text, "value": _number}),
})

REPORT = _object({
    "format": _one_of(FORMAT),
    "title": _text,
    "begun": _begun,
    "seconds": _not_negative,
    "command": _each(_text),
    "is_complete": _yes_or_no,
    "machine": _facts,
    "versions": _facts,
    "method": _facts,
    "discarded": _each(_object({"case": _text, "system": _text, "reason": _text}, {"value": _number})),
    "cases": _each(CASE),
}, {
    "limits": _each(_text),  # what cannot be concluded, besides what judge.py finds
})


def _check_system(s, at):
    has = [k for k in ("median", "low", "high") if k in s]
    if not s["starts"]:
        if has or "ratio" in s:
            _refuse(f"{at}.{(has or ['ratio'])[0]}", "there, but no start is")
        return
    for k in ("median", "low", "high"):
        if k not in s:
            _refuse(f"{at}.{k}", "missing")
    _interval(s, at)
    values = [start["value"] for start in s["starts"]]
    if not min(values) <= s["median"] <= max(values):
        _refuse(f"{at}.median", "not among the values of its starts")
    if s["system"] == OURS and "ratio" in s:
        _refuse(f"{at}.ratio", f"{OURS} has none to itself")


def _check_case(case, at):
    seen = set()
    for i, s in enumerate(case["systems"]):
        place = f"{at}.systems[{i}]"
        if s["system"] in seen:
            _refuse(place + ".system", f"{s['system']} for the second time")
        seen.add(s["system"])
        _check_system(s, place)
        if case["unit"] not in NS and any("histogram" in start for start in s["starts"]):
            _refuse(at + ".unit", "a histogram is in nanoseconds, so this is one of ns, us, ms")


def check(report):
    """Raises Wrong at the first thing that is not as it must be."""
    if isinstance(report, dict) and "format" in report:
        _one_of(FORMAT)(report["format"], "format")
    REPORT(report, "")
    seen = set()
    for i, case in enumerate(report["cases"]):
        at = f"cases[{i}]"
        if case["id"] in seen:
            _refuse(at + ".id", f"{case['id']} for the second time")
        seen.add(case["id"])
        _check_case(case, at)


def load(path):
    """The report in a file; Wrong names the file, too."""
    try:
        with open(path, encoding="utf-8") as f:
            report = json.load(f)
        check(report)
    except (Wrong, ValueError) as e:  # ValueError: neither JSON nor UTF-8
        raise Wrong(f"{path}: {e}") from None
    return report


def save(path, report):
    """Either the whole report is there afterwards, or what was there before. A report that is not as it must be is
    put beside it, for it may have taken an hour, and refused."""
    try:
        check(report)
    except Wrong as e:
        _write(path + ".refused", json.dumps(report, indent=1, default=repr))
        raise Wrong(f"{e}; the report is in {path}.refused") from None
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    # Lists of numbers on one line: a histogram is hundreds of pairs. A string has no line break in JSON.
    text = re.sub(r"\[\n([^\[\]{}\"]*)\n *\]", lambda m: "[" + " ".join(m[1].split()) + "]", text)
    _write(path, text)


def _write(path, text):
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "w", encoding="utf-8") as f:
            f.write(text + "\n")
            f.flush()
            os.fsync(f.fileno())
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def system_of(case, name):
    """The system of that name in a case, or None."""
    return next((s for s in case["systems"] if s["system"] == name), None)


def values_of(system):
    return [start["value"] for start in system["starts"]]


def irregular(system):
    """How searches ended that did not find what they looked for: {outcome: starts}."""
    ends = [start.get("outcome", REGULAR) for start in system["starts"]]
    return {end: ends.count(end) for end in dict.fromkeys(ends) if end != REGULAR}


def quantiles_in(case):
    """The names of the quantiles that a case has."""
    has = {q for s in case["systems"] for start in s["starts"] for q in start.get("quantiles", {})}
    return [q for q in QUANTILES if q in has]


def quantiles_of(system):
    """Each quantile's median over starts."""
    return _medians([start.get("quantiles", {}) for start in system["starts"]])


def machine_of(case):
    """The same of the machine alone, over the starts of all systems."""
    return _medians([start.get("machine", {}) for s in case["systems"] for start in s["starts"]])


def _medians(starts):
    found = {q: [s[q] for s in starts if q in s] for q in QUANTILES}
    return {q: statistics.median(values) for q, values in found.items() if values}


def systems_in(cases):
    """The names of all systems, ours first, the others in the order in which they appear."""
    names = dict.fromkeys(s["system"] for case in cases for s in case["systems"])
    return sorted(names, key=lambda n: n != OURS)
