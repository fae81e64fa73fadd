#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Reports of benchmarks: their form, the page, the terminal and the comparison. TAP on stdout.

The page is also opened by Chromium, at two widths and in both colour schemes. PAGES=DIR keeps it and pictures
of it for those who want to look.
"""
import copy
import functools
import html.parser
import json
import math
import os
import re
import shutil
import statistics
import sys
import tempfile
import traceback
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import browser
import sample
from nethv_bench import charts, compare, html as page, judge, plot, results, text, words

EVIL = """<script>alert("1")</script>&'`touch evil`$(touch evil)' ; system('touch evil') #\\"""
GNUPLOT = shutil.which("gnuplot")
CHROMIUM = shutil.which("chromium")
NO_PLOT = '<svg><g id="gnuplot_canvas"><text id="gnuplot_x">-</text></g></svg>'
VOID = ("meta", "link")


cached = functools.lru_cache(sample.sample)


def made(*args, **keys):
    """A sample of one's own."""
    return copy.deepcopy(cached(*args, **keys))


def small(**keys):
    """A report of two cases, one of which is a search."""
    report = made(starts=3)
    keep = ("v2v/max/64", "v2v/ndr/64")
    report["cases"] = [c for c in report["cases"] if c["id"] in keep]
    report.update(keys)
    return report


def each_text(value, change):
    """The same report with all free texts changed."""
    fixed = ("format", "begun", "topology", "path", "kind", "direction", "better", "frame_bytes")
    if isinstance(value, dict):
        return {k: v if k in fixed else each_text(v, change) for k, v in value.items()}
    if isinstance(value, list):
        return [each_text(v, change) for v in value]
    return change(value) if isinstance(value, str) else value


class Tags(html.parser.HTMLParser):
    """The tags of a page, their attributes, and its text. A tag that is not closed is a failure."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], "", []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes another tag")

    def handle_data(self, data):
        self.text += data

    def values(self, name):
        return [v for k, v in self.attributes if k == name]


def ratio_interval(x, y):
    median = statistics.median(x) / statistics.median(y)
    return median, median * 0.98, median * 1.02


class Form(unittest.TestCase):
    """check() names the place of what is wrong."""

    def refuses(self, place, change, report=None):
        report = report or small()
        change(report)
        with self.assertRaises(results.Wrong) as caught:
            results.check(report)
        self.assertTrue(str(caught.exception).startswith(place + ": "), f"{place}: {caught.exception}")

    def test_what_is_good_is_taken(self):
        results.check(made())
        results.check(small(cases=[], limits=["nothing"]))

    def test_not_a_report(self):
        for value in (None, [], "x", 1):
            with self.assertRaisesRegex(results.Wrong, "^report: not an object"):
                results.check(value)

    def test_head(self):
        self.refuses("format", lambda r: r.update(format="nethv-bench 2"))
        self.refuses("title", lambda r: r.pop("title"))
        self.refuses("titel", lambda r: r.update(titel="x"))
        self.refuses("begun", lambda r: r.update(begun="yesterday"))
        self.refuses("begun", lambda r: r.update(begun="2026-01-02T03:04:05+01:00"))
        self.refuses("begun", lambda r: r.update(begun="2026-01-02T03:04:05"))
        self.refuses("seconds", lambda r: r.update(seconds=-1))
        self.refuses("is_complete", lambda r: r.update(is_complete=1))
        self.refuses("command[1]", lambda r: r.update(command=["x", 1]))
        self.refuses("discarded[0].reason", lambda r: r.update(discarded=[{"case": "a", "system": "b"}]))

    def test_facts_are_flat(self):
        self.refuses("machine.mitigations.mds", lambda r: r["machine"]["mitigations"].update(mds={}))
        self.refuses("machine.cores_used[1]", lambda r: r["machine"].update(cores_used=[0, {}]))
        self.refuses("method.seconds", lambda r: r["method"].update(seconds=math.inf))
        self.refuses("versions", lambda r: r.update(versions=[]))

    def test_case(self):
        for key, value in (("topology", "ring"), ("path", "fast"), ("kind", "speed"), ("direction", "up"),
                           ("better", "more"), ("frame_bytes", "big"), ("frame_bytes", 64.0), ("flows", True),
                           ("flows", -1), ("unit", None), ("systems", {})):
            self.refuses(f"cases[1].{key}", lambda r: r["cases"][1].update({key: value}))
        self.refuses("cases[1].id", lambda r: r["cases"][1].update(id=r["cases"][0]["id"]))
        self.refuses("cases[0].x.value", lambda r: r["cases"][0].update(x={"of": "MACs", "value": "1"}))
        self.refuses("cases", lambda r: r.update(cases=None))

    def test_floors(self):
        for key, floor in (("system", {}), ("ratio", {"system": "memif"}), ("system", {"ratio": 2}),
                           ("at_most", {"system": "memif", "ratio": 2, "at_most": 1})):
            self.refuses(f"cases[0].floors[1].{key}", lambda r: r["cases"][0]["floors"].insert(1, floor))
        self.refuses("cases[0].at_most", lambda r: r["cases"][0].update(at_most="6"))
        self.refuses("cases[0].at_least", lambda r: r["cases"][0].update(at_least=-1))
        self.refuses("cases[0].floors[0].ratio", lambda r: r["cases"][0]["floors"][0].update(ratio=0))

    def test_systems(self):
        def change(where, **keys):
            return lambda r: r["cases"][0]["systems"][where].update(keys)
        self.refuses("cases[0].systems[0].starts", change(0, starts="no"))
        self.refuses("cases[0].systems[1].system", change(1, system="nethv"))
        self.refuses("cases[0].systems[0].ratio", change(0, ratio={"median": 1, "low": 1, "high": 1}))
        self.refuses("cases[0].systems[1].ratio.low", change(1, ratio={"median": 1, "high": 1}))
        self.refuses("cases[0].systems[1].ratio.median", change(1, ratio={"median": 3, "low": 1, "high": 2}))
        self.refuses("cases[0].systems[2].median", change(2, median=1e9, high=2e9))
        self.refuses("cases[0].systems[2].median", change(2, low=1e9))
        self.refuses("cases[0].systems[2].median", change(2, starts=[]))
        self.refuses("cases[0].systems[3].low", lambda r: r["cases"][0]["systems"][3].pop("low"))
        self.refuses("cases[0].systems[3].medain", change(3, medain=1))

    def test_starts(self):
        def change(**keys):
            return lambda r: r["cases"][1]["systems"][1]["starts"][2].update(keys)
        at = "cases[1].systems[1].starts[2]"
        self.refuses(f"{at}.value", change(value=math.nan))
        self.refuses(f"{at}.order", change(order=1.5))
        self.refuses(f"{at}.trials[0].loss", change(trials=[{"load": 1}]))
        self.refuses(f"{at}.trials[0].loss", change(trials=[{"load": 1, "loss": 1.5}]))
        self.refuses(f"{at}.quantiles.p42", change(quantiles={"p42": 1}))
        self.refuses(f"{at}.machine.p42", change(machine={"p42": 1}))
        self.refuses(f"{at}.machine.p99", change(machine={"p99": -1}))
        self.refuses(f"{at}.clock.add", change(clock={"add": {}}))
        self.refuses(f"{at}.outcome", change(outcome={}))
        self.refuses(f"{at}.rows[0].lost", change(rows=[{"sent": 1, "max_us": 1}]))
        self.refuses(f"{at}.rows[1].sent", change(rows=[{"sent": 1, "lost": 0, "max_us": 1},
                                                       {"sent": 0.5, "lost": 0, "max_us": 1}]))
        self.refuses(f"{at}.histogram[1]", change(histogram=[[100, 1], [100, 1]]))
        self.refuses(f"{at}.histogram[0]", change(histogram=[[100]]))
        self.refuses(f"{at}.histogram", change(histogram=[[100, 0]]))
        self.refuses("cases[1].unit", change(histogram=[[100, 1]]))  # Mpps

    def test_file(self):
        with tempfile.TemporaryDirectory() as work:
            path = work + "/r.json"
            report = made()
            report["title"] = "[\n 1,\n 2 ] ☃"  # looks like a list of numbers
            results.save(path, report)
            self.assertEqual(results.load(path), report)
            self.assertEqual(os.listdir(work), ["r.json"])
            with self.assertRaisesRegex(results.Wrong, "^title: not a string; the report is in .*r.json.refused"):
                results.save(path, small(title=None))
            self.assertEqual(results.load(path), report)
            with open(path + ".refused", encoding="utf-8") as f:
                self.assertEqual(json.load(f)["cases"], small()["cases"])

    def test_file_of_something_else(self):
        with tempfile.TemporaryDirectory() as work:
            path = work + "/r.json"
            for content, why in ((b"{", "Expecting"), (b"\xff", "decode"), (b"{}", "format: missing")):
                with open(path, "wb") as f:
                    f.write(content)
                with self.assertRaisesRegex(results.Wrong, f"^{path}: .*{why}"):
                    results.load(path)


class Judge(unittest.TestCase):
    def states(self, ours=(), **wanted):
        report = small()
        case = report["cases"][0]
        case.pop("floors")
        case.update(wanted)
        case["systems"][0].update(ours)
        case["systems"][1]["ratio"] = {"median": 2.0, "low": 1.8, "high": 2.2}
        return [v["state"] for v in judge.verdicts(report) if v["case"] == case["id"]]

    def test_against_a_peer(self):
        floors = [{"system": "ovs-dpdk split", "ratio": r} for r in (1.8, 1.9, 2.0, 2.01)]
        self.assertEqual(self.states(floors=floors), ["met", "uncertain", "uncertain", "not met"])
        self.assertEqual(self.states(floors=[{"system": "nobody", "ratio": 1.0}]), ["not measured"])

    def test_absolute(self):
        value = small()["cases"][0]["systems"][0]["median"]
        ours = {"low": value - 1, "high": value + 1}
        for d, state in ((1, "met"), (0.5, "uncertain"), (0, "uncertain"), (-0.5, "not met")):
            self.assertEqual(self.states(ours, at_most=value + d), [state])
            self.assertEqual(self.states(ours, at_least=value - d), [state])
        self.assertEqual(len(self.states(ours, at_least=1, at_most=2, floors=[{"system": "memif", "ratio": 1}])), 3)

    def test_summary(self):
        self.assertIn("of 22 floors met", judge.summary(judge.verdicts(made())))
        self.assertEqual(judge.summary([]), "No floor was set.")

    def test_limits(self):
        told = " ".join(judge.limits(small(is_complete=False, limits=["FIRST"])))
        for part in ("FIRST", "ended before", "virtual machine", "wire", "fewer than 6 starts", "RFC 2544"):
            self.assertIn(part, told)
        self.assertNotIn("RFC", " ".join(judge.limits(small(cases=[]))))

    def test_cores_that_are_away_are_told_of(self):
        def told(share):
            report = made()
            for start in [s for c in report["cases"] for system in c["systems"] for s in system["starts"] if "machine" in s]:
                start["counters"]["share_away"] = share
            return " ".join(judge.limits(report))
        self.assertIn("Of frames at a load 2.50 % were due while a core was away", told(0.025))
        self.assertIn("p99 and p99.9 are of such frames", told(0.01))
        self.assertIn("; p99.9 is of such frames", told(0.009))
        self.assertNotIn("was away", told(0.0009))

    def test_clock(self):
        def told(**clock):
            report = small()
            report["cases"][0]["systems"][0]["starts"][0]["clock"] = clock
            return "In 1 start" in " ".join(judge.limits(report))
        self.assertTrue(told(add_before=[1, 1], add_after=[1, 1.03]))
        self.assertTrue(told(add_before=1, add_after=0.97))
        self.assertFalse(told(add_before=[1, 1], add_after=[1, 1.01]))
        self.assertFalse(told(add_before=[1, 1]))


class Words(unittest.TestCase):
    def test_numbers(self):
        for value, said in ((0, "0"), (12, "12"), (12.0, "12.00"), (0.5, "0.5000"), (999.96, "1,000"),
                            (1234567.8, "1,234,568"), (0.00012, "0.00012"), (250.0, "250")):
            self.assertEqual(words.number(value), said)
        for value, said in ((2.0, "2.00 ×"), (0.5, "0.500 ×"), (100.4, "100 ×"), (1234.0, "1,234 ×")):
            self.assertEqual(words.times(value), said)

    def test_keys(self):
        self.assertEqual(words.key("core_to_core_ns"), "core to core, ns")
        self.assertEqual(words.key("cpu"), "CPU")
        self.assertEqual(words.key("ns"), "ns")

    def test_facts(self):
        self.assertEqual(words.fact({"a_ns": [1, 2.5], "b": None, "c": True}), "a, ns: 1, 2.5, b: not known, c: yes")


class Page(unittest.TestCase):
    """Without a browser, and without gnuplot where there is none."""

    @classmethod
    def setUpClass(cls):
        stub = mock.patch.object(plot, "_run", lambda script: NO_PLOT)
        if not GNUPLOT:
            stub.start()
            cls.addClassCleanup(stub.stop)
        cls.report = made()
        cls.source = page.render(cls.report)
        cls.tags = Tags(cls.source)

    def test_all_is_there(self):
        self.assertEqual(self.tags.tags.count("figure"), len(charts.charts(self.report)))
        self.assertEqual(self.tags.tags.count("figure"), sum(v == "img" for v in self.tags.values("role")))
        for what in ("How it was found: 2 searches", "no start succeeded", "not measured",
                     "1.4 % of the time was stolen", "What it does not say", "v2v/latency/64/90"):
            self.assertIn(what, self.tags.text)
        for case in self.report["cases"]:
            self.assertIn(case["title"], self.tags.text)
        if GNUPLOT:
            for axis in ("flows", "MAC addresses", "partitions", "trial, in order", "lost"):
                self.assertRegex(self.source, rf"<text>(<tspan *>)?\s*{axis}<")
        for kind in ("met", "not met", "uncertain", "not measured"):
            self.assertIn(f" {kind.replace(' ', '-')}\"", self.source)

    def test_ids_are_unique_and_links_lead_somewhere(self):
        ids = self.tags.values("id")
        self.assertEqual(len(ids), len(set(ids)))
        links = [v[1:] for v in self.tags.values("href") if v.startswith("#")]
        self.assertEqual(set(links) - set(ids), set())
        self.assertNotIn("xlink:href", self.source)

    def test_nothing_is_fetched(self):
        fetching = ("src", "href", "srcset", "data", "action", "poster", "background", "xlink:href", "ping")
        for k, v in self.tags.attributes:
            if k in fetching:
                self.assertTrue(v.startswith("#") or v == "data:,", v)
            self.assertFalse(k.startswith("on"), k)
        self.assertEqual(set(self.tags.tags) & {"script", "iframe", "object", "embed", "img", "base", "form"}, set())
        self.assertNotRegex(self.source, r"url\(|@import")
        self.assertEqual(set(re.findall(r"https?://[^\"' <]*", self.source)), {"http://www.w3.org/2000/svg"})

    def test_names_are_text(self):
        plain, taken = small(), {}
        report = each_text(plain, lambda v: taken.setdefault(v, f"{EVIL} {len(taken)}"))
        with tempfile.TemporaryDirectory() as work:
            before = os.getcwd()
            os.chdir(work)
            try:
                source = page.render(report)
            finally:
                os.chdir(before)
            self.assertEqual(os.listdir(work), [])
        tags = Tags(source)
        self.assertNotIn("script", tags.tags)
        self.assertEqual({k for k, _ in tags.attributes}, {k for k, _ in Tags(page.render(plain)).attributes})
        self.assertIn(EVIL, tags.text)
        self.assertEqual(tags.open, [])

    def test_names_are_text_in_keys(self):
        report = small()
        report["machine"][EVIL] = 1
        report["machine"]["mitigations"][EVIL] = EVIL
        report["method"][EVIL] = EVIL
        report["cases"][0]["systems"][0]["starts"][0]["counters"] = {EVIL: EVIL}
        tags = Tags(page.render(report))
        self.assertNotIn("script", tags.tags)

    def test_attributes(self):
        self.assertEqual(page.el("a", "<b>", title='"><script>', cls=None, open=True),
                         '<a title="&quot;&gt;&lt;script&gt;" open>&lt;b&gt;</a>')
        self.assertEqual(page.Ids()('"><script>'), "c-script")

    def test_nothing_measured(self):
        report = small()
        for case in report["cases"]:
            case["systems"] = [{"system": s["system"], "starts": []} for s in case["systems"]]
        self.assertNotIn("figure", Tags(page.render(report)).tags)
        self.assertIn("No floor was set", page.render(small(cases=[])))

    def test_one_system_alone(self):
        report = made(starts=1)
        for case in report["cases"]:
            case["systems"] = case["systems"][:1]
        page.render(report)

    def test_charts(self):
        """Which cases share a chart."""
        def seen(*cases):
            base = made()["cases"][0]
            return [(c.title, c.caption.split(".")[0]) for c in
                    charts.charts({"cases": [{**base, "id": str(i), **c} for i, c in enumerate(cases)]})]
        where = "Partition to partition, synthetic path, both directions"
        sizes, flows = [{"frame_bytes": n} for n in (1518, 64)], [{"flows": n} for n in (1, 1000, 10000)]
        steps = [{"x": {"of": "partitions", "value": n}} for n in (2, 4, 8)]
        self.assertEqual(seen(*sizes), [(where, "By frame size, 1 flow")])
        self.assertEqual(seen(*flows), [(where, "By flows, 64 B")])
        self.assertEqual(seen(*flows[:2]), [(where, "By frame size and flows")])
        self.assertEqual(len(seen(*sizes, *flows[1:])), 2)
        self.assertEqual(seen(*steps), [(where, "By partitions, 64 B, 1 flow")])
        self.assertEqual(seen(*steps[:2]), [(where, "By partitions, 1 flow")])
        self.assertEqual(seen({"title": "A"}, {"title": "B"}), [("A", where + ", 1 flow"), ("B", where + ", 1 flow")])
        self.assertEqual(len(seen({}, {"path": "vf"}, {"direction": "one"}, {"kind": "cycles"})), 4)

    def test_latency_without_histograms(self):
        report = made()
        for case in report["cases"]:
            for start in [s for system in case["systems"] for s in system["starts"]]:
                start.pop("histogram", None)
        self.assertEqual(len(charts.charts(report)), len(charts.charts(self.report)))
        page.render(report)

    def test_colours_of_strangers(self):
        case = {"systems": [{"system": n} for n in ("nethv", "memif", "x", "y", "z", "w")]}
        got = plot.colours([case])
        self.assertEqual(len({got[s["system"]] for s in case["systems"]}), 6)

    def test_each_second_of_a_long_load_is_in_a_table(self):
        found = page.render(self.report)
        self.assertIn("Second by second", found)
        self.assertIn("1.507", found)
        self.assertIn(">1800<", found)

    def test_a_search_that_found_no_end_says_so(self):
        told = "nethv: clean at the maximum, in 2 of 9 starts"
        self.assertIn(told, page.render(self.report))
        self.assertIn(told, " ".join(text.render(self.report).split()))
        for case in self.report["cases"]:
            if case["kind"] != "b2b":
                self.assertEqual(list(words.irregular(case)), [])

    def test_the_machine_alone_is_beside_latencies_and_nothing_else(self):
        rows = [r for r in re.findall(r"<tr>.*?</tr>", self.source) if words.MACHINE in r and "<th" not in r]
        cases = [c for c in self.report["cases"] if results.machine_of(c)]
        self.assertEqual(len(rows), len(cases))
        for row, case in zip(rows, cases):
            for value in results.machine_of(case).values():
                self.assertIn(f">{words.number(value)}<", row)
        told = [l for l in text.render(self.report).splitlines() if re.search(words.MACHINE + r" .*\d$", l)]
        self.assertEqual([l.split()[-2] for l in told],
                         [words.number(results.machine_of(c)["p99.9"]) for c in cases])
        without = small()
        self.assertNotIn(words.MACHINE, text.render(without) + page.render(without))

    def test_the_machine_alone_is_over_all_starts_of_all_systems(self):
        def system(*p99):
            return {"system": "x", "starts": [{"machine": {"p99": v}} for v in p99]}
        self.assertEqual(results.machine_of({"systems": [system(1, 9), system(3, 4, 5)]}), {"p99": 4})
        self.assertEqual(results.machine_of({"systems": [{"system": "x", "starts": [{}]}]}), {})

    def test_all_zero(self):
        report = made(starts=2)
        for case in report["cases"]:
            for s in case["systems"]:
                s.pop("ratio", None)
                for start in s["starts"]:
                    start["value"] = 0
                    start.pop("histogram", None)
                    start.pop("quantiles", None)
                if s["starts"]:
                    s.update(median=0, low=0, high=0)
        page.render(report)

    def test_same_colour_in_all_reports(self):
        first = plot.colours(self.report["cases"])
        second = plot.colours(small()["cases"])
        for name in second:
            self.assertEqual(first[name], second[name])
        self.assertEqual(len({first[n] for n in plot.KNOWN}), len(plot.KNOWN))

    def test_missing_gnuplot_is_named(self):
        with mock.patch.dict(os.environ, PATH="/nonexistent"), self.assertRaisesRegex(plot.NoGnuplot, "gnuplot-nox"):
            plot.need()


class Terminal(unittest.TestCase):
    def test_lines(self):
        for report in (made(), small(), small(cases=[]), each_text(small(), lambda v: v + "\x1b[2J" * 40)):
            told = text.render(report)
            self.assertLessEqual(max(len(line) for line in told.splitlines()), 100)
            self.assertNotIn("\x1b", told)
        told = text.render(made())
        for what in ("of 22 floors met", "no start succeeded", "99.9", "Discarded: 2 starts"):
            self.assertIn(what, told)


class Compare(unittest.TestCase):
    def both(self, change=None, **keys):
        a, b = made(1), made(1, **keys)
        if change:
            change(b)
        result = compare.compare(a, b, ratio_interval)
        json.dumps(result, allow_nan=False)
        told = compare.render(result)
        self.assertLessEqual(max(len(line) for line in told.splitlines()), 100)
        return result, told

    def word(self, result, case, system):
        return next(c["word"] for c in result["cases"] if c["id"] == case and c["system"] == system)

    def test_the_same(self):
        result, _ = self.both()
        self.assertTrue(result["is_same_machine"])
        self.assertEqual({c["word"] for c in result["cases"]}, {"none"})
        self.assertEqual((result["warnings"], result["only_a"], result["only_b"]), ([], [], []))
        self.assertEqual(result["differs"], {"machine": {}, "versions": {}, "method": {}})

    def test_faster(self):
        result, told = self.both(faster=1.3)
        self.assertEqual(self.word(result, "v2v/max/64", "nethv"), "faster")
        self.assertEqual(self.word(result, "v2v/insn/64", "nethv"), "faster")  # where less is better
        self.assertEqual(self.word(result, "v2v/insn/64", "vhost split"), "none")
        self.assertIn("1.300", told)
        ratio = next(c["ratio"] for c in result["cases"] if c["id"] == "v2v/insn/64")
        self.assertAlmostEqual(ratio["median"], 1.3, 3)

    def test_slower(self):
        result, _ = self.both(faster=0.7)
        self.assertEqual(self.word(result, "v2v/max/64", "nethv"), "slower")
        self.assertEqual(self.word(result, "v2v/insn/64", "nethv"), "slower")

    def test_too_little_to_tell(self):
        case = {"kind": "max"}
        self.assertEqual(compare._word({"median": 1.009, "low": 1.008, "high": 1.01}, case["kind"]), "none")
        self.assertEqual(compare._word({"median": 1.009, "low": 1.008, "high": 1.01}, "insn"), "faster")

    def test_other_machine(self):
        result, told = self.both(lambda b: b["machine"].update(cpu="Another"), faster=1.3)
        self.assertFalse(result["is_same_machine"])
        self.assertIn("WARNING: not the same machine (CPU)", told)
        self.assertEqual({c["system"] for c in result["cases"]}, {"nethv"})
        self.assertTrue(all(c["against"] for c in result["cases"]))
        insn = next(c for c in result["cases"] if c["id"] == "v2v/insn/64")
        self.assertAlmostEqual(insn["ratio"]["median"], 1.3, 3)
        self.assertEqual(insn["word"], "faster")

    def test_measured_facts_vary(self):
        self.assertTrue(self.both(lambda b: b["machine"].update(tsc_mhz=2301.0))[0]["is_same_machine"])
        self.assertFalse(self.both(lambda b: b["machine"].update(core_to_core_ns=120))[0]["is_same_machine"])
        self.assertFalse(self.both(lambda b: b["machine"].pop("tsc_mhz"))[0]["is_same_machine"])

    def test_what_differs_is_told(self):
        def change(b):
            b["versions"]["nethv"] = "89abcde"
            b["method"]["warm"] = 5
            b["is_complete"] = False
        _, told = self.both(change)
        for what in ("versions, nethv: 0123abc -> 89abcde", "method, warm: 1 -> 5", "WARNING: not measured in the same",
                     "WARNING: b was ended"):
            self.assertIn(what, told)

    def test_cases_of_one(self):
        def change(b):
            b["cases"] = [c for c in b["cases"] if c["id"] != "v2v/max/64"]
            b["cases"][0]["id"] = "v2v/max/new"
            b["cases"][1]["frame_bytes"] = 257
        result, told = self.both(change)
        self.assertEqual(result["only_a"], ["v2v/max/64", "v2v/max/128"])
        self.assertEqual(result["only_b"], ["v2v/max/new"])
        self.assertIn("v2v/max/256 is not the same case", told)
        self.assertNotIn("v2v/max/256", [c["id"] for c in result["cases"]])

    def test_nothing_in_common(self):
        self.assertIn("nothing in both", self.both(lambda b: b.update(cases=[]))[1])

    def test_zeros(self):
        def change(b):
            soak = next(c for c in b["cases"] if c["kind"] == "soak")["systems"][0]
            soak["starts"][0]["value"] = 3
            soak.update(median=3, low=3, high=3)
        self.assertEqual(self.word(self.both()[0], "v2v/soak/64", "nethv"), "none")
        self.assertEqual(self.word(self.both(change)[0], "v2v/soak/64", "nethv"), "slower")

    def test_ratio_of_medians(self):
        middle, low, high = compare.of_medians([2, 4, 6], [1, 2, 3])
        self.assertEqual(middle, 2)
        self.assertTrue(low < 2 < high)
        self.assertEqual(compare.of_medians([3] * 5, [2] * 5), (1.5, 1.5, 1.5))
        self.assertTrue(compare.compare(made(), made())["is_same_machine"])

    def test_error_of_two_ratios(self):
        one = {"median": 2.0, "low": 1.8, "high": 2.2}
        both = compare._of_ratios(one, one)
        self.assertEqual(both["median"], 1)
        self.assertAlmostEqual(both["low"] * both["high"], 1, 9)
        self.assertLess(both["low"], 0.9)
        self.assertAlmostEqual(math.log(both["high"]), math.hypot(math.log(2.2 / 2), math.log(2 / 1.8)), 9)


MEASURE = """(() => {
  document.querySelectorAll("details").forEach(d => d.open = true);
  const name = e => e.tagName + "." + (e.className.baseVal ?? e.className) + " " + e.textContent.slice(0, 30);
  const rgb = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const f = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const [r, g, b] = rgb(c); return .2126 * f(r) + .7152 * f(g) + .0722 * f(b) };
  const under = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if (rgb(c)[3] !== 0) return c } return "rgb(255, 255, 255)" };
  const wide = [], faint = [], cut = [];
  for (const e of document.querySelectorAll("body, body *")) {
    const r = e.getBoundingClientRect();
    if (r.width && !e.closest(".scroll > *") && (r.right > innerWidth + 1 || r.left < -1)) wide.push(name(e));
    if (![...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim())) continue;
    const s = getComputedStyle(e), pair = [light(e instanceof SVGElement ? s.fill : s.color), light(under(e))];
    if ((Math.max(...pair) + .05) / (Math.min(...pair) + .05) < 4.5) faint.push(name(e));
  }
  for (const t of document.querySelectorAll("figure svg text")) {
    const r = t.getBoundingClientRect(), o = t.ownerSVGElement.getBoundingClientRect();
    if (r.left < o.left || r.right > o.right || r.top < o.top || r.bottom > o.bottom) cut.push(name(t));
  }
  const plots = [...document.querySelectorAll("figure svg")].map(s => {
    const r = s.getBoundingClientRect(), t = s.querySelector("text")?.getBoundingClientRect();
    return [r.width, r.height, t ? t.width : 0, s.querySelectorAll("path, polygon, use").length] });
  return JSON.stringify({wide, faint, cut, plots, scroll: document.scrollingElement.scrollWidth, inner: innerWidth,
    dark: light(under(document.body)) < .2, title: document.title});
})()"""


@unittest.skipUnless(GNUPLOT, "no gnuplot (Debian package gnuplot-nox)")
@unittest.skipUnless(CHROMIUM, "no chromium (Debian package chromium)")
class InABrowser(unittest.TestCase):
    """With the network cut off. Measures the page with all that is folded open."""

    @classmethod
    def setUpClass(cls):
        cls.work = os.environ.get("PAGES") or cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.report = made()
        cls.path = os.path.join(os.path.abspath(cls.work), "report.html")
        with open(cls.path, "w", encoding="utf-8") as f:
            f.write(page.render(cls.report))
        cls.browser = cls.enterClassContext(browser.browser())

    def look(self, width, dark):
        b = self.browser
        b.open(self.path, width, 900, dark)
        name = f"{self.work}/report-{width}-{'dark' if dark else 'light'}"
        self.assertGreater(b.picture(name + ".png", 0, 1800), 20000)
        found = json.loads(b.value(MEASURE))
        self.assertEqual(b.requests(), [f"file://{self.path}"])
        self.assertEqual(found["title"], self.report["title"])
        self.assertEqual(found["inner"], width)
        self.assertLessEqual(found["scroll"], width)
        self.assertEqual(found["wide"], [], "wider than the window")
        self.assertEqual(found["faint"], [], "hard to read")
        self.assertEqual(found["cut"], [], "beyond the plot")
        self.assertEqual(found["dark"], dark)
        self.assertEqual(len(found["plots"]), len(charts.charts(self.report)))
        for w, h, letters, shapes in found["plots"]:
            self.assertGreater(min(w, h), 150)
            self.assertGreater(letters, 0)
            self.assertGreater(shapes, 10)

    def test_wide_light(self):
        self.look(1280, False)

    def test_wide_dark(self):
        self.look(1280, True)

    def test_narrow_light(self):
        self.look(400, False)

    def test_narrow_dark(self):
        self.look(400, True)


class Tap(unittest.TestResult):
    """A line for each test; what failed goes to stderr."""

    def __init__(self):
        super().__init__()
        self.number, self.bad = 0, set()

    def line(self, test, ok, more=""):
        self.number += 1
        print(f"{'ok' if ok else 'not ok'} {self.number} - {test.id().removeprefix('__main__.')}{more}", flush=True)

    def addSuccess(self, test):
        self.line(test, True)

    def addSkip(self, test, reason):
        self.line(test, True, f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line(test, False)
        traceback.print_exception(*err)

    def addError(self, test, err):
        super().addError(test, err)
        self.line(test, False)
        traceback.print_exception(*err)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = Tap()
    suite.run(result)
    print(f"1..{result.number}")
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
