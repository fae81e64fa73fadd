# SPDX-License-Identifier: BSD-3-Clause
"""Two reports side by side: an older one (a) and a newer one (b).

On one machine every system that both measured is compared with itself. On two machines that would compare the
machines, so only how nethv stood to a common peer is compared with how it stands to it.

All ratios say how many times better b is; "none" says that no difference was seen.
"""
import math
import random
import statistics

from . import results, text, words

FORMAT = "nethv-bench-compare 1"
SAME = ("cpu", "cores", "hypervisor")  # facts that make a machine what it is, and
NEARLY = {"tsc_mhz": 0.005, "core_to_core_ns": 0.25}  # measured ones, which differ a little each time
SMALLEST = 0.01  # differences below this are none, whatever the interval says
SMALLEST_COUNTED = 0.005  # of instructions, which no noise reaches


def _changes(a, b):
    """What differs: {key: [in a, in b]}."""
    return {k: [a.get(k), b.get(k)] for k in dict.fromkeys([*a, *b]) if a.get(k) != b.get(k)}


def _apart(a, b, most):
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) and v > 0 for v in (a, b))
    return abs(math.log(a / b)) > most if numbers else a != b


def _other_machine(a, b):
    """The facts by which two machines are not one."""
    return [k for k in (*SAME, *NEARLY) if _apart(a.get(k), b.get(k), NEARLY.get(k, 0))]


def _word(ratio, kind):
    """Whether a difference was seen, and which."""
    least = SMALLEST_COUNTED if kind == "insn" else SMALLEST
    if abs(ratio["median"] - 1) <= least or ratio["low"] <= 1 <= ratio["high"]:
        return "none"
    return "faster" if ratio["median"] > 1 else "slower"


def _of_starts(case, a, b, ratio_interval):
    """How many times better the starts of b are. ratio_interval(x, y) is of x / y."""
    x, y = results.values_of(b), results.values_of(a)
    median, low, high = ratio_interval(x, y) if case["better"] == "higher" else ratio_interval(y, x)
    return {"median": median, "low": low, "high": high}


def _of_ratios(a, b):
    """The ratio of two ratios, which are of different runs: their errors, as logarithms, add up like the sides
    of a right angle."""
    middle = math.log(b["median"] / a["median"])
    down = math.hypot(math.log(b["median"] / b["low"]), math.log(a["high"] / a["median"]))
    up = math.hypot(math.log(b["high"] / b["median"]), math.log(a["median"] / a["low"]))
    return {"median": math.exp(middle), "low": math.exp(middle - down), "high": math.exp(middle + up)}


def _row(case, system, against, a, b, ratio, word=None):
    return {"id": case["id"], "title": case["title"], "kind": case["kind"], "system": system, "against": against,
            "unit": case["unit"] if against is None else "times", "a": a, "b": b, "ratio": ratio,
            "word": word or _word(ratio, case["kind"])}


def _without_ratio(case, a, b):
    """Zeros, such as of frames lost, have no ratio; more or less they are all the same."""
    more = "faster" if case["better"] == "higher" else "slower"
    less = "slower" if more == "faster" else "faster"
    return "none" if a == b else more if b > a else less


def _pairs(a, b):
    """The systems that have starts in both cases."""
    for s in b["systems"]:
        other = results.system_of(a, s["system"])
        if other and other["starts"] and s["starts"]:
            yield other, s


def _same_machine(a, b, ratio_interval):
    for x, y in _pairs(a, b):
        old, new = x["median"], y["median"]
        if min(results.values_of(x) + results.values_of(y)) > 0:
            yield _row(b, y["system"], None, old, new, _of_starts(b, x, y, ratio_interval))
        else:
            yield _row(b, y["system"], None, old, new, None, _without_ratio(b, old, new))


def _two_machines(a, b):
    for x, y in _pairs(a, b):
        if "ratio" in x and "ratio" in y:
            yield _row(b, results.OURS, y["system"], x["ratio"]["median"], y["ratio"]["median"],
                       _of_ratios(x["ratio"], y["ratio"]))


def _is_like(a, b):
    """Whether two cases of one id measure the same thing."""
    return all(a[k] == b[k] for k in ("kind", "topology", "path", "frame_bytes", "flows", "direction", "unit",
                                      "better")) and a.get("x") == b.get("x")


def _warnings(a, b, differs, other):
    if other:
        yield (f"not the same machine ({', '.join(words.key(k) for k in other)}): only ratios to a common peer are "
               "compared")
    if differs["method"]:
        yield f"not measured in the same way ({', '.join(words.key(k) for k in differs['method'])})"
    for name, report in (("a", a), ("b", b)):
        if not report["is_complete"]:
            yield f"{name} was ended before its end"


def of_medians(x, y, rounds=2000):
    """The ratio of the medians of @x and @y with its 95 % interval, by bootstrap. Starts of two runs are no pairs."""
    draw = random.Random(1)
    drawn = sorted(statistics.median(draw.choices(x, k=len(x))) / statistics.median(draw.choices(y, k=len(y)))
                   for _ in range(rounds))
    return statistics.median(x) / statistics.median(y), drawn[int(rounds * 0.025)], drawn[int(rounds * 0.975)]


def compare(a, b, ratio_interval=of_medians):
    """The comparison as JSON. @ratio_interval(x_values, y_values) -> (median, low, high) of x / y."""
    results.check(a)
    results.check(b)
    differs = {k: _changes(a[k], b[k]) for k in ("machine", "versions", "method")}
    other = _other_machine(a["machine"], b["machine"])
    warnings = list(_warnings(a, b, differs, other))
    before, rows, common = {c["id"]: c for c in a["cases"]}, [], set()
    for case in b["cases"]:
        old = before.get(case["id"])
        if not old:
            continue
        common.add(case["id"])
        if not _is_like(old, case):
            warnings.append(f"{case['id']} is not the same case in both")
            continue
        rows += _two_machines(old, case) if other else _same_machine(old, case, ratio_interval)
    return {
        "format": FORMAT, "a": {k: a[k] for k in ("title", "begun")}, "b": {k: b[k] for k in ("title", "begun")},
        "is_same_machine": not other, "differs": differs, "warnings": warnings, "cases": rows,
        "only_a": [c["id"] for c in a["cases"] if c["id"] not in common],
        "only_b": [c["id"] for c in b["cases"] if c["id"] not in common],
    }


def _line(c):
    say = words.number if c["against"] is None else words.times
    ratio = c["ratio"]
    return [c["id"], c["system"] if c["against"] is None else f"to {c['against']}", say(c["a"]), say(c["b"]),
            c["unit"] if c["against"] is None else "", f"{ratio['median']:.3f}" if ratio else "",
            words.span(ratio, "{:.3f}".format) if ratio else "", c["word"]]


def render(compared):
    """The comparison for a terminal."""
    lines = []
    for name in ("a", "b"):
        told = f"{compared[name]['title']}, {words.moment(compared[name]['begun'])}"
        lines += text.paragraph(told, first=name + ": ")
    for warning in compared["warnings"]:
        lines += text.paragraph(warning, first="WARNING: ")
    for what, changes in compared["differs"].items():
        for k, (old, new) in changes.items():
            lines += text.paragraph(f"{what}, {words.key(k)}: {words.fact(old)} -> {words.fact(new)}", indent="    ")
    rows = [_line(c) for c in compared["cases"]]
    if rows:
        whom = "system" if compared["is_same_machine"] else "nethv"
        lines += ["", *text.table(["case", whom, ">a", ">b", "", ">b is", "better", ""], rows)]
    else:
        lines += ["", "There is nothing in both that could be compared."]
    for name in ("a", "b"):
        if compared[f"only_{name}"]:
            lines += text.paragraph(", ".join(compared[f"only_{name}"]), first=f"only in {name}: ")
    return "\n".join(lines) + "\n"
