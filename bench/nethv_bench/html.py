# SPDX-License-Identifier: BSD-3-Clause
"""A report as one page that needs nothing else: no request, no script, on a telephone and on a wide screen.

All text goes through el(), which escapes whatever is not Markup already, so that a name from the JSON cannot
become a tag. Plots are SVG within the page (plot.py); a policy in its head forbids to load anything.
"""
import html
import itertools
import math
import re
import shlex

from . import charts, judge, plot, results, words

VOID = ("meta", "link")
FACT_LONG = 60  # letters: longer ones are folded away
TRIALS_SHOWN = 40
EXTENT_MAX = 3.0  # a result so many times better than wanted is at the edge of its little picture

STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1b2026; --soft: #5a6570; --line: #dde1e7;
  --link: #1b57a8; --good: #0d6b4a; --good-bg: #dff3ea; --bad: #ac2318; --bad-bg: #fbe4e1;
  --open: #7a5200; --open-bg: #fbf0d3; --none: #4d5761; --none-bg: #e8ebef; PALETTE-LIGHT }
@media (prefers-color-scheme: dark) { :root { --page: #111418; --card: #191d23; --ink: #e4e8ed; --soft: #9aa5b1;
  --line: #2d343d; --link: #8bbcff; --good: #6ad3a6; --good-bg: #12352a; --bad: #ff9d92; --bad-bg: #431d1a;
  --open: #f2cc72; --open-bg: #3a2f12; --none: #b3bdc8; --none-bg: #2a3038; PALETTE-DARK } }
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "Noto Sans", "DejaVu Sans", sans-serif; overflow-wrap: anywhere }
header, main { max-width: 1240px; margin: 0 auto; padding: 0 20px }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 32px 0 6px }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 48px 0 4px }
h3 { font-size: 1rem; margin: 24px 0 8px }
p { margin: 0 0 12px; max-width: 80ch }
a { color: var(--link) }
code { font: .9em ui-monospace, "DejaVu Sans Mono", monospace }
.soft { color: var(--soft) }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px }
.banner { background: var(--open-bg); color: var(--open); border-radius: 10px; padding: 10px 16px; margin: 16px 0 }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 16px 0 0; padding: 0; font-size: .92rem }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 140px), 1fr)); gap: 10px 16px;
  margin: 16px 0 0 }
.card > .facts:first-child { margin-top: 0 }
.machine .facts + .facts { border-top: 1px solid var(--line); padding-top: 12px }
dt { color: var(--soft); font-size: .78rem }
dd { margin: 0; font-size: .95rem }
.counts { display: flex; flex-wrap: wrap; gap: 8px; margin: 10px 0 14px }
.state { display: inline-block; border-radius: 999px; padding: 1px 10px; font-size: .85rem; font-weight: 600;
  white-space: nowrap }
.met { color: var(--good); background: var(--good-bg) } .not-met { color: var(--bad); background: var(--bad-bg) }
.uncertain { color: var(--open); background: var(--open-bg) }
.not-measured { color: var(--none); background: var(--none-bg) }
.better { color: var(--good) } .worse { color: var(--bad) } .even { color: var(--soft) }
.scroll { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums;
  overflow-wrap: normal }
th, td { text-align: left; padding: 5px 7px; border-bottom: 1px solid var(--line); vertical-align: baseline }
th { font-weight: 600 } thead th { color: var(--soft); font-weight: 500; font-size: .8rem; white-space: nowrap }
tbody tr:last-child > * { border-bottom: 0 }
th:first-child, td:first-child { padding-left: 0 } th:last-child, td:last-child { padding-right: 0 }
.n { text-align: right; white-space: nowrap } .line { white-space: nowrap } .case { min-width: 170px }
.ours { font-weight: 600 }
.trials { min-width: 320px; font-size: .8rem; color: var(--soft) }
.mark { display: inline-block; width: .75em; height: .75em; border-radius: 3px; margin-right: .5em }
.spark { display: inline-block; width: 150px; height: 18px; vertical-align: middle }
.columns { columns: 2 560px; column-gap: 16px; margin: 16px 0 0 }
.columns > * { break-inside: avoid; margin: 0 0 16px }
.wide { margin: 16px 0 0 }
.card h3 { margin: 0 0 2px } .card > p { font-size: .85rem; margin-bottom: 6px }
.card:target { outline: 2px solid var(--link) }
figcaption { color: var(--soft); font-size: .85rem; margin-top: 4px }
.plot svg { display: block; width: 100%; max-width: 720px; height: auto; margin: 8px 0 0 }
.plot.wide svg { min-width: 760px; max-width: none }
details { margin: 12px 0 } summary { cursor: pointer; color: var(--link); padding: 4px 0 }
details details { margin: 2px 0 2px 16px }
footer { color: var(--soft); font-size: .85rem; margin: 48px 0 32px }
@media (max-width: 560px) { header, main { padding: 0 12px } .card { padding: 12px } h1 { font-size: 1.4rem }
  .verdicts thead { display: none }
  .verdicts tr { display: flex; flex-wrap: wrap; gap: 2px 10px; align-items: baseline; padding: 8px 0;
    border-bottom: 1px solid var(--line) }
  .verdicts tr:last-child { border-bottom: 0 }
  .verdicts td { border: 0; padding: 0 } .verdicts td:empty { display: none }
  .verdicts .case { flex: 1 1 170px } .verdicts .against::before { content: "against " }
  .verdicts .wanted::before { content: "wanted " } .verdicts .got::before { content: "got " } }
"""


class Markup(str):
    """Text that is HTML already."""


def esc(v):
    return v if isinstance(v, Markup) else Markup(html.escape(str(v)))


def join(*parts):
    """Parts, and lists of parts, one after the other."""
    flat = itertools.chain.from_iterable(p if isinstance(p, (list, tuple)) else [p] for p in parts)
    return Markup("".join(esc(p) for p in flat if p is not None))


def el(name, /, *inner, **attrs):
    """An element. cls is class; an attribute that is None or False is not there, True has no value."""
    words_of = []
    for k, v in attrs.items():
        if v is None or v is False:
            continue
        k = "class" if k == "cls" else k.replace("_", "-")
        words_of.append(k if v is True else f'{k}="{html.escape(str(v))}"')
    head = " ".join([name, *words_of])
    return Markup(f"<{head}>" if name in VOID else f"<{head}>{join(*inner)}</{name}>")


class Ids:
    """What becomes an id: unique, and of letters that need no escape anywhere."""

    def __init__(self):
        self.of, self.taken = {}, set()

    def __call__(self, text):
        if text not in self.of:
            base = "c-" + (re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x")
            name = next(n for i in itertools.count(1) if (n := base if i == 1 else f"{base}-{i}") not in self.taken)
            self.taken.add(name)
            self.of[text] = name
        return self.of[text]


class Page:
    """What its parts share."""

    def __init__(self, report):
        self.report = report
        self.colours = plot.colours(report["cases"])
        self.ids = Ids()
        self.charts = charts.charts(report)
        self.kinds = [k for k in words.KINDS if any(c["kind"] == k for c in report["cases"])]
        self.plots = 0


def table(head, rows, cls=None):
    """@head: (text, class) for each column; @rows: lists of cells, texts or (content, class)."""
    def cell(name, c):
        content, kind = c if isinstance(c, tuple) else (c, None)
        return el(name, content, cls=kind)
    return el("div", el("table", el("thead", el("tr", [cell("th", h) for h in head])),
                        el("tbody", [el("tr", [cell("td", c) for c in row]) for row in rows]), cls=cls),
              cls="scroll", tabindex="0")


def facts(items):
    """Pairs of a key and a fact."""
    return el("dl", [el("div", el("dt", words.key(k)), el("dd", words.fact(v)),
                        cls="all" if len(words.fact(v)) > FACT_LONG else None) for k, v in items], cls="facts")


def section(ident, heading, *inner):
    return el("section", el("h2", heading), *inner, id=ident)


def state(word, text=None):
    return el("span", text or word, cls=f"state {word.replace(' ', '-')}")


# The head of the page

def begin(page):
    r = page.report
    starts = sum(len(s["starts"]) for c in r["cases"] for s in c["systems"])
    told = (f"Begun {words.moment(r['begun'])}, took {words.lasting(r['seconds'])}: "
            f"{words.plural(len(r['cases']), 'case')}, {words.plural(starts, 'start')}.")
    links = [("verdict", "Verdict"), *((f"kind-{k}", words.KINDS[k][0]) for k in page.kinds),
             ("method", "Method"), ("limits", "What it does not say"), ("samples", "Samples")]
    return el(
        "header", el("h1", r["title"]), el("p", told, cls="soft"),
        None if r["is_complete"] else el("p", "This run was ended before its end.", cls="banner"),
        machine(r), el("nav", [el("a", text, href="#" + ident) for ident, text in links]))


def machine(r):
    """The machine and what ran on it; what is long is folded."""
    flat, folded = [], []
    for k, v in r["machine"].items():
        if isinstance(v, dict):
            folded += [(f"{k}: {name}", e) for name, e in v.items()]
        else:
            (folded if len(words.fact(v)) > FACT_LONG else flat).append((k, v))
    return el("div", facts(flat), facts(r["versions"].items()),
              el("details", el("summary", "Command line of the kernel, mitigations"), facts(folded))
              if folded else None, cls="card machine")


# Floors

def _merit(v, value):
    """How many times what was wanted, so that above 1 is good; None where that has no meaning."""
    if not v["limit"] or not value:
        return None
    return value / v["limit"] if v["sign"] > 0 else v["limit"] / value


def _extent(found):
    """How far the little pictures reach to both sides of the floor, as a factor."""
    merits = [m for v in found if "got" in v for m in (_merit(v, x) for x in v["got"].values()) if m]
    return min(EXTENT_MAX, max([1.5, *merits, *(1 / m for m in merits)]) * 1.1)


def spark(v, extent):
    """The interval beside the floor, which is the line in the middle; right is good."""
    merits = [_merit(v, v["got"][k]) for k in ("low", "median", "high")] if "got" in v else []
    if not merits or None in merits:
        return None
    def x(m):
        return round(75 + 69 * max(-1.0, min(1.0, math.log(m) / math.log(extent))), 1)
    low, median, high = x(min(merits)), x(merits[1]), x(max(merits))
    tone = {"met": "good", "not met": "bad"}.get(v["state"], "open")
    return Markup(
        f'<svg class="spark" viewBox="0 0 150 18" aria-hidden="true"><path d="M75 1V17" stroke="currentColor" '
        f'stroke-opacity=".45"/><path d="M{low} 9H{high}" stroke="var(--{tone})" stroke-width="3" '
        f'stroke-linecap="round"/><circle cx="{median}" cy="9" r="4.5" fill="var(--{tone})"/></svg>')


def _verdict_row(page, v, extent):
    say = words.times if v["unit"] is None else words.number
    unit = "" if v["unit"] is None else " " + v["unit"]
    got = v.get("got")
    return [state(v["state"]), (el("a", words.capital(v["title"]), href="#" + page.ids(v["case"])), "case"),
            (v["against"] or "", "line against"), (v["wanted"], "line wanted"),
            (say(got["median"]) + unit, "n got") if got else ("—", "n"),
            (words.span(got, say), "n soft") if got else "", spark(v, extent) or ""]


def verdict(page):
    found = judge.verdicts(page.report)
    extent = _extent(found)
    if not found:
        return section("verdict", "Verdict", el("p", judge.summary(found)))
    counts = [(s, sum(v["state"] == s for v in found)) for s in judge.STATES]
    head = ["", "case", "against", ("wanted", "line"), ("got", "n"), ("95 % interval", "n"),
            ("worse | better than wanted", "line")]
    return section(
        "verdict", "Verdict",
        el("p", "What nethv must reach. Met: the whole 95 % interval is on the good side of the floor; uncertain: "
           "the median is, not the whole interval.", cls="soft"),
        el("div", [state(s, f"{n} {s}") for s, n in counts if n], cls="counts"),
        el("div", table(head, [_verdict_row(page, v, extent) for v in found], "verdicts"), cls="card"))


# A kind of case

def figure(page, chart):
    page.plots += 1
    svg = Markup(chart.draw(f"p{page.plots}"))
    return el("figure", el("h3", words.capital(chart.title)), el("div", svg, cls="scroll" if chart.is_wide else None),
              el("figcaption", chart.caption), cls="card plot wide" if chart.is_wide else "card plot")


def swatch(page, name):
    return el("span", cls="mark", style=f"background: var(--s{page.colours[name]})")


def _name(page, name):
    return (join(swatch(page, name), name), "line ours" if name == results.OURS else "line")


def ratio_cell(ratio):
    if not ratio:
        return ("", "n")
    return (join(el("span", words.times(ratio["median"]), cls=words.tendency(ratio)), " ",
                 el("span", words.span(ratio, words.times), cls="soft")), "n")


def _system_row(page, s, quantiles, has_ratio):
    if not s["starts"]:
        return [_name(page, s["system"]), ("—", "n"), ("no start succeeded", "n soft")]
    q = results.quantiles_of(s)
    return [_name(page, s["system"]), (words.number(s["median"]), "n"), (words.span(s), "n soft"),
            *((words.number(q[k]) if k in q else "", "n") for k in quantiles),
            (len(s["starts"]), "n"), *([ratio_cell(s.get("ratio"))] if has_ratio else [])]


def _machine_row(case, quantiles, has_ratio):
    """What the machine alone takes, beside the systems' quantiles."""
    q = results.machine_of(case)
    return [(words.MACHINE, "line soft"), "", "", *((words.number(q[k]) if k in q else "", "n soft") for k in quantiles),
            *[""] * (1 + has_ratio)]


def case_table(page, case, differs):
    quantiles = results.quantiles_in(case)
    has_ratio = any("ratio" in s for s in case["systems"])
    head = ["system", (case["unit"], "n"), ("95 % interval", "n"), *((q, "n") for q in quantiles),
            ("starts", "n"), *([("nethv is … better", "n")] if has_ratio else [])]
    rows = [_system_row(page, s, quantiles, has_ratio) for s in case["systems"]]
    if results.machine_of(case):
        rows.append(_machine_row(case, quantiles, has_ratio))
    lead = el("p", ", ".join(differs), cls="soft") if differs else None
    irregular = [el("p", told, cls="soft") for told in words.irregular(case)]
    return el("div", el("h3", words.capital(case["title"])), lead, table(head, rows), irregular, _seconds(page, case),
              cls="card wide" if quantiles else "card", id=page.ids(case["id"]))


def _seconds(page, case):
    """A long load, second by second: of each system one start."""
    shown = [(s, s["starts"][0]["rows"]) for s in case["systems"] if s["starts"] and "rows" in s["starts"][0]]
    if not shown:
        return None
    head = ["second", "system", ("Mpps", "n"), ("lost", "n"), ("longest, us", "n")]
    longest = max(len(rows) for _, rows in shown)
    rows = [[str(i + 1), _name(page, s["system"]), (words.number(r[i]["sent"] / 1e6), "n"),
             (words.number(r[i]["lost"]), "n"), (words.number(r[i]["max_us"]), "n")]
            for i in range(longest) for s, r in shown if i < len(r)]
    return el("details", el("summary", "Second by second, of the first start"), table(head, rows))


def _evidence(page, found):
    if not found:
        return None
    return el("details", el("summary", f"How it was found: {words.plural(len(found), 'search', 'searches')}"),
              el("div", [figure(page, c) for c in found], cls="columns"))


def kind_section(page, kind):
    """What is wide takes the width of the page; plots and tables share the columns between."""
    cases = [c for c in page.report["cases"] if c["kind"] == kind]
    mine = [c for c in page.charts if c.kind == kind]
    heading, meaning = words.KINDS[kind]
    common, differs = words.shared(cases)
    wide = [figure(page, c) for c in mine if c.is_wide]
    plots = [figure(page, c) for c in mine if not c.is_wide and not c.is_evidence]
    tables, wide_tables = ([case_table(page, c, differs[c["id"]]) for c in cases if bool(results.quantiles_in(c)) == w]
                           for w in (False, True))
    lead = el("p", meaning, " ", words.capital(", ".join(common)), "." if common else None, cls="soft")
    return section(f"kind-{kind}", heading, lead, wide,
                   el("div", plots, tables, cls="columns") if plots or tables else None, wide_tables,
                   _evidence(page, [c for c in mine if c.is_evidence]))


# Method and what is left

def method(page):
    r = page.report
    return section(
        "method", "Method",
        el("p", "The unit of repetition is a process start. Figures are medians over starts, with the 95 % intervals "
           "of those medians; ratios are of starts that took turns on the same cores."),
        el("div", facts(r["method"].items()),
           el("details", el("summary", "Command"), el("code", shlex.join(r["command"]))), cls="card"))


def limits(page):
    return section("limits", "What it does not say",
                   el("ul", [el("li", t) for t in judge.limits(page.report)]))


def discarded(page):
    gone = page.report["discarded"]
    if not gone:
        return section("discarded", "Discarded starts", el("p", "None."))
    rows = [[d["case"], d["system"], d["reason"]] for d in gone]
    return section("discarded", "Discarded starts",
                   el("p", "They failed, or the machine was disturbed. None is left out for what it measured.",
                      cls="soft"),
                   el("div", table(["case", "system", "reason"], rows), cls="card"))


def _trials(start):
    made = start.get("trials", [])
    told = [f"{t['load'] / 1e6:.3f}: {t['loss']:.3%}" for t in made[:TRIALS_SHOWN]]
    more = f", and {len(made) - TRIALS_SHOWN} more in the file" if len(made) > TRIALS_SHOWN else ""
    return ", ".join(told) + more


def _pairs(flat):
    return ", ".join(f"{words.key(k)} {words.fact(v)}" for k, v in flat.items())


def sample_table(page, case):
    """All starts of a case, in the order in which they were."""
    columns = [("order", "n"), "system", (case["unit"], "n"), "quantiles", words.MACHINE, "clock", "counters",
               "trials: millions a second, lost"]
    rows = []
    for start, name in sorted(((start, s["system"]) for s in case["systems"] for start in s["starts"]),
                              key=lambda pair: pair[0]["order"]):
        further = {k: v for k, v in start.items() if k not in results.START_KEYS}
        rows.append([(start["order"], "n"), _name(page, name), (words.number(start["value"]), "n"),
                     *((_pairs(start.get(k, {})), "line") for k in ("quantiles", "machine", "clock")),
                     _pairs({**further, **start.get("counters", {})}), (_trials(start), "trials")])
    used = [i for i in range(len(columns)) if i < 3 or any((r[i][0] if isinstance(r[i], tuple) else r[i])
                                                           for r in rows)]
    return el("details", el("summary", case["title"], " ", el("code", case["id"]), f" ({len(rows)})"),
              table([columns[i] for i in used], [[r[i] for i in used] for r in rows]))


def samples(page):
    return section("samples", "Samples", el("p", "Histograms are in the JSON file alone.", cls="soft"),
                   el("details", el("summary", "Every start of every case"),
                      [sample_table(page, c) for c in page.report["cases"]]))


def render(report):
    """The page. Raises results.Wrong, or plot.NoGnuplot where there is none."""
    results.check(report)
    page = Page(report)
    style = STYLE.replace("PALETTE-LIGHT", plot.palette(0)).replace("PALETTE-DARK", plot.palette(1))
    head = el(
        "head", el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'; "
           "img-src data:"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", report["title"]), el("link", rel="icon", href="data:,"), el("style", Markup(style)))
    body = el(
        "body", begin(page),
        el("main", verdict(page), [kind_section(page, k) for k in page.kinds], method(page), limits(page),
           discarded(page), samples(page), el("footer", f"Form of the data: {results.FORMAT}.")))
    return "<!doctype html>\n" + el("html", head, "\n", body, lang="en") + "\n"
