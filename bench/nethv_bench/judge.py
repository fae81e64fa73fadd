# SPDX-License-Identifier: BSD-3-Clause
"""What a report shows and what it does not: the floors, and what cannot be concluded."""
import collections
import statistics

from . import results, words

STATES = ("met", "not met", "uncertain", "not measured")
# Fewer starts than this have no interval to rely on: the extremes of five hold the median in 94 % of cases.
FEW_STARTS = 6
CLOCK_DRIFT = 0.02  # of the clock within a start


def _state(better_than_wanted, low, median):
    """Met only if the whole interval is; what is not met by the median is not met."""
    return "met" if better_than_wanted(low) else "uncertain" if better_than_wanted(median) else "not met"


def _against_peer(case, floor):
    """A floor as a multiple of another system: against, wanted, got {median, low, high} or None, limit, sign."""
    peer = results.system_of(case, floor["system"])
    got = peer.get("ratio") if peer else None
    return floor["system"], f"≥ {words.limit(floor['ratio'])} ×", got, floor["ratio"], 1


def _absolute(case, key):
    ours = results.system_of(case, results.OURS)
    got = ours if ours and ours["starts"] else None
    sign, letter = (1, "≥") if key == "at_least" else (-1, "≤")
    return None, f"{letter} {words.limit(case[key])} {case['unit']}", got, case[key], sign


def _verdict(case, against, wanted, got, limit, sign):
    v = {"case": case["id"], "title": case["title"], "against": against, "wanted": wanted, "limit": limit,
         "sign": sign, "state": "not measured", "unit": None if against else case["unit"]}
    if got:
        v.update(got={k: got[k] for k in ("median", "low", "high")})
        worst = got["low"] if sign > 0 else got["high"]
        v["state"] = _state(lambda x: x * sign >= limit * sign, worst, got["median"])
    return v


def verdicts(report):
    """One for each floor: case, title, against (a system or None), wanted (text), limit, sign (1: at least,
    -1: at most), state (one of STATES), unit (None: a ratio), and got {median, low, high} where measured."""
    found = []
    for case in report["cases"]:
        floors = [_against_peer(case, floor) for floor in case.get("floors", [])]
        floors += [_absolute(case, key) for key in ("at_most", "at_least") if key in case]
        found += [_verdict(case, *floor) for floor in floors]
    return found


def summary(found):
    """In a sentence."""
    n = collections.Counter(v["state"] for v in found)
    if not found:
        return "No floor was set."
    parts = [f"{n['met']} of {words.plural(len(found), 'floor')} met"]
    if n["not met"]:
        parts.append(f"{n['not met']} not met")
    if n["uncertain"]:
        parts.append(f"{n['uncertain']} uncertain (the floor is within the interval)")
    if n["not measured"]:
        parts.append(f"{n['not measured']} not measured")
    return ", ".join(parts) + "."


def _starts(report):
    return [(case, s, start) for case in report["cases"] for s in case["systems"] for start in s["starts"]]


def _drifted(start):
    """Whether the clock of a core changed meanwhile."""
    clock = start.get("clock", {})
    pairs = zip(*(v if isinstance(v, list) else [v] for v in (clock.get("add_before"), clock.get("add_after"))))
    return any(a and b and abs(b / a - 1) > CLOCK_DRIFT for a, b in pairs)


def _share_away(report):
    """The part of the time in which one of the cores was away, where that was measured."""
    counters = [start.get("counters", {}) for _, _, start in _starts(report)]
    found = [c["share_away"] for c in counters if "share_away" in c]
    return statistics.median(found) if found else 0


def _of_run(report):
    if not report["is_complete"]:
        yield "The run was ended before its end: what it did not get to is not here."
    if report["machine"].get("hypervisor"):
        yield ("It ran in a virtual machine. The host may have moved its processors and done other work at any "
               "time: ratios of systems that took turns on the same cores say more than any figure of its own.")
    if all(case["topology"] == "v2v" for case in report["cases"]):
        yield "No frame came from a wire: nothing here is about NICs, line rates or NUMA."
    else:
        yield "Wires were memifs, that is memory: nothing here is about NICs, line rates or NUMA."
    if any(case["kind"] in ("insn", "cycles") for case in report["cases"]):
        yield ("Instructions a packet are of the switch's core alone, and cycles of the core that the case names: each does half "
               "of the work.")


def _of_figures(report):
    few = {(case["id"], s["system"]) for case, s, _ in _starts(report)
           if len(s["starts"]) < FEW_STARTS and case["kind"] != "insn"}
    if few:
        yield (f"{words.plural(len(few), 'figure')} of fewer than {FEW_STARTS} starts: intervals of so few are "
               "a guess.")
    away = _share_away(report)
    if away >= 0.001:
        yield (f"Of frames at a load {away * 100:.2f} % were due while a core was away: they waited for it, or for each other "
               f"when all came at once afterwards; {'p99 and p99.9 are' if away >= 0.01 else 'p99.9 is'} of such frames. The "
               "machine alone is the least that it makes frames wait for, measured after each start; it differs from second "
               "to second.")
    drifted = sum(_drifted(start) for _, _, start in _starts(report))
    if drifted:
        yield (f"In {words.plural(drifted, 'start')} that are kept the clock changed by more than "
               f"{CLOCK_DRIFT:.0%}.")
    seconds = [t["seconds"] for _, _, start in _starts(report) for t in start.get("trials", []) if "seconds" in t]
    if seconds and max(seconds) < 60:
        yield (f"Trials of searches took at most {words.limit(max(seconds))} s; RFC 2544 asks for 60 s. A loss that is "
               "rarer is not seen.")
    intervals = sum("ratio" in s for case in report["cases"] for s in case["systems"])
    if intervals >= 10:
        yield (f"Of {intervals} intervals at 95 %, about {max(1, round(intervals / 20))} miss the true ratio by "
               "chance alone.")


def limits(report):
    """What cannot be concluded: what the benchmark says itself, and what follows from the report."""
    return [*report.get("limits", []), *_of_run(report), *_of_figures(report)]
