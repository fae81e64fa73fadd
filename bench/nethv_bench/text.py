# SPDX-License-Identifier: BSD-3-Clause
"""A report for a terminal: aligned tables, at most 100 columns."""
import itertools
import textwrap

from . import judge, results, words

WIDTH = 100
TITLE = 30  # letters of a case's title on a line


def clip(text, width):
    """One line of it: what a terminal would take for a command is left out."""
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain if len(plain) <= width else plain[:width - 1] + "…"


def table(head, rows):
    """Lines: columns as wide as their content, those with ">" before the head to the right. Where lines would be
    too long, the widest of the others gives way."""
    right = [h.startswith(">") for h in head]
    cells = [[h.lstrip(">") for h in head], *([str(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    give = [i for i in range(len(head)) if not right[i]]
    while sum(widths) + 2 * (len(head) - 1) > WIDTH and max(widths[i] for i in give) > 8:
        widths[max(give, key=lambda i: widths[i])] -= 1
    for row in cells:
        line = "  ".join(clip(c, w).rjust(w) if r else clip(c, w).ljust(w) for c, w, r in zip(row, widths, right))
        yield clip(line.rstrip(), WIDTH)


def paragraph(text, first="", indent=""):
    yield from textwrap.wrap("".join(c if c.isprintable() else "?" for c in text), WIDTH, initial_indent=first,
                             subsequent_indent=indent or " " * len(first), break_long_words=True)


def heading(text):
    yield ""
    yield clip(text, WIDTH)
    yield "-" * min(len(text), WIDTH)


def _facts(name, items):
    told = "; ".join(f"{words.key(k)} {words.fact(v)}" for k, v in items)
    return paragraph(told, first=f"{name + ':':10}")


def _begin(r):
    starts = sum(len(s["starts"]) for c in r["cases"] for s in c["systems"])
    yield from paragraph(r["title"])
    yield f"{words.moment(r['begun'])}, {words.lasting(r['seconds'])}, {words.plural(starts, 'start')}"
    if not r["is_complete"]:
        yield "THIS RUN WAS ENDED BEFORE ITS END"
    yield ""
    yield from _facts("machine", [(k, v) for k, v in r["machine"].items() if k != "mitigations"])
    yield from _facts("versions", r["versions"].items())
    yield from _facts("method", r["method"].items())


def _verdicts(r):
    found = judge.verdicts(r)
    yield from heading("Verdict")
    yield from paragraph(judge.summary(found))
    if not found:
        return
    rows = []
    for v in found:
        say = words.times if v["unit"] is None else words.number
        got = v.get("got")
        rows.append([v["state"], v["case"], v["against"] or "", v["wanted"],
                     say(got["median"]) if got else "-", words.span(got, say) if got else ""])
    yield ""
    yield from table(["", "case", "against", "wanted", ">got", "95 % interval"], rows)


def _system_row(s):
    if not s["starts"]:
        return [s["system"], "-", "no start succeeded", "0", "", ""]
    ratio = s.get("ratio")
    return [s["system"], words.number(s["median"]), words.span(s), str(len(s["starts"])),
            words.times(ratio["median"]) if ratio else "", words.span(ratio, words.times) if ratio else ""]


def _quantile_rows(case, quantiles):
    """Of each system, and of the machine alone where that is known."""
    machine = results.machine_of(case)
    found = [(s["system"], results.quantiles_of(s)) for s in case["systems"]]
    for name, q in [*found, (words.MACHINE, machine)] if machine else found:
        yield [name, *(words.number(q[k]) if k in q else "" for k in quantiles)]


def _titled(case, differs, head, rows):
    """Below @head. The title, and what else tells the case from others, runs down beside the rows."""
    beside = textwrap.wrap("; ".join([case["title"], *differs]), TITLE)
    for title, row in itertools.zip_longest(beside, rows):
        yield [title or "", *(row or [""] * (len(head) - 1))]


def _kind(r, kind):
    """A table for the cases of a kind. Quantiles have one of their own: they are too many for a line."""
    cases = [c for c in r["cases"] if c["kind"] == kind]
    common, differs = words.shared(cases)
    quantiles = [q for q in results.QUANTILES if any(q in results.quantiles_in(c) for c in cases)]
    yield from heading(words.KINDS[kind][0])
    yield from paragraph(f"{words.KINDS[kind][1]} {words.capital(', '.join(common))}{'.' if common else ''}")
    yield ""
    head = ["case", "system", ">median", "95 % interval", ">starts", ">nethv is", "better"]
    yield from table(head, [row for c in cases
                            for row in _titled(c, differs[c["id"]], head, map(_system_row, c["systems"]))])
    for case in cases:
        for told in words.irregular(case):
            yield from paragraph(f"{case['title']}, {told}", first="! ")
    if quantiles:
        yield ""
        head = ["quantiles", "system", *(">" + q for q in quantiles)]
        yield from table(head, [row for c in cases
                                for row in _titled(c, differs[c["id"]], head, _quantile_rows(c, quantiles))])


def _end(r):
    yield from heading("What it does not say")
    for limit in judge.limits(r):
        yield from paragraph(limit, first="- ")
    if r["discarded"]:
        yield from heading(f"Discarded: {words.plural(len(r['discarded']), 'start')}")
        yield from table(["case", "system", "reason"],
                         [[d["case"], d["system"], d["reason"]] for d in r["discarded"]])


def render(report):
    results.check(report)
    lines = [*_begin(report), *_verdicts(report)]
    for kind in words.KINDS:
        if any(c["kind"] == kind for c in report["cases"]):
            lines += _kind(report, kind)
    return "\n".join([*lines, *_end(report)]) + "\n"
