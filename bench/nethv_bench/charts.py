# SPDX-License-Identifier: BSD-3-Clause
"""Which plots a report has: cases that belong on one pair of axes."""
from . import plot, words

LINE_MIN = 3  # so many points make a line


class Chart:
    """draw: (name for ids) -> SVG. kind is where it belongs, caption says what is seen."""

    def __init__(self, kind, title, caption, draw, is_wide=False, is_evidence=False):
        self.kind, self.title, self.caption, self.draw = kind, title, caption, draw
        self.is_wide = is_wide
        self.is_evidence = is_evidence  # how a figure was found, not what it is


def _sorted_into(cases, key):
    groups = {}
    for case in cases:
        groups.setdefault(key(case), []).append(case)
    return list(groups.values())


def _frame_order(case):
    return 1 << 20 if case["frame_bytes"] == "imix" else case["frame_bytes"] or 0


def _measured(cases):
    return [c for c in cases if any(s["starts"] for s in c["systems"])]


def _line(cases, index):
    case = cases[0]
    by = [case["x"]["of"], words.frame(case), words.flows(case)] if "x" in case else ["flows", words.frame(case)]
    return Chart(case["kind"], words.capital(words.place(case)),
                 f"By {', '.join(t for t in by if t)}. Medians with 95 % intervals.",
                 lambda name: plot.lines(cases, index, name))


def _labels(cases):
    """What tells the cases of one bar chart apart: its name, and a label for each. None where it is the title alone."""
    ways = {"frame size": words.frame, "frame size and flows": lambda c: f"{words.frame(c)}, {words.flows(c)}"}
    if "x" in cases[0]:
        ways = {cases[0]["x"]["of"]: lambda c: words.short(c["x"]["value"])}
    for what, say in ways.items():
        labels = [say(c) for c in cases]
        if len(set(labels)) == len(cases):
            return what, labels
    return None


def _bars(cases, index):
    """One chart, or one for each case where nothing short tells them apart."""
    cases = sorted(cases, key=_frame_order)
    if not _labels(cases):
        return [chart for case in cases for chart in _bars([case], index)]
    what, labels = _labels(cases)
    case, where = cases[0], words.capital(words.place(cases[0]))
    alone = len(cases) == 1
    seen = [where] if alone else [f"By {what}"]
    if len({c["flows"] for c in cases}) == 1:
        seen.append(words.flows(case))
    return [Chart(case["kind"], case["title"] if alone else where,
                  f"{', '.join(seen)}. Medians, 95 % intervals, and a dot for each start.",
                  lambda name: plot.bars(cases, labels, index, name),
                  is_wide=plot.bars_size(cases)[0] > plot.WIDTH)]


def _of_one_place(cases, index):
    """Charts of cases that differ in frame size, flows and x alone."""
    found, rest = [], [c for c in cases if "x" not in c]
    for group in _sorted_into([c for c in cases if "x" in c], lambda c: (c["x"]["of"], c["frame_bytes"], c["flows"])):
        found += [_line(group, index)] if len(group) >= LINE_MIN else _bars(group, index)
    in_lines = set()
    for group in _sorted_into(rest, lambda c: c["frame_bytes"]):
        if len({c["flows"] for c in group}) >= LINE_MIN:
            found.append(_line(group, index))
            in_lines.update(c["id"] for c in group)
    left = []
    for group in _sorted_into(rest, lambda c: c["flows"]):
        if len({c["frame_bytes"] for c in group}) == 1:
            left += [c for c in group if c["id"] not in in_lines]
        else:
            found = _bars(group, index) + found
    return found + (_bars(left, index) if left else [])


def _curves(cases, index):
    for case in cases:
        yield Chart("latency", case["title"], f"{words.capital(words.place(case))}, {words.flows(case)}. "
                    "All starts together; thin: each start.", lambda name, case=case: plot.curve(case, index, name))


def _searches(cases, index):
    for case in cases:
        if plot.has_trials(case):
            yield Chart(case["kind"], f"{case['title']}: how it was found",
                        "Of each system the search nearest to the median. A cross lost too much.",
                        lambda name, case=case: plot.trials(case, index, name), is_evidence=True)


def charts(report):
    """All charts, in the order of the report's cases."""
    index = plot.colours(report["cases"])
    found = []
    for kind in words.KINDS:
        cases = _measured([c for c in report["cases"] if c["kind"] == kind])
        if kind == "latency":
            curved = [c for c in cases if plot.has_curve(c)]
            found += _curves(curved, index)
            cases = [c for c in cases if c not in curved]
        if kind in ("soak", "pause"):
            cases = [c for c in cases if any(s.get("median") for s in c["systems"])]  # zeros are no picture
        for group in _sorted_into(cases, lambda c: (c["topology"], c["path"], c["direction"], c["unit"])):
            found += _of_one_place(group, index)
        if kind in ("ndr", "pdr"):
            found += _searches(cases, index)
    return found
