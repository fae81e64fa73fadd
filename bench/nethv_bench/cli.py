# SPDX-License-Identifier: BSD-3-Clause
"""nethv bench: packet paths measured beside their peers, on the same two cores, in the same run.

  run CASE...        the cases whose names begin so, or are so ('v2v/pdr/*/one'); `list` names them
  report             the most telling cases, in less than 20 minutes, as JSON and as a page
  ab OLD NEW         two builds of nethv (build directories), in pairs
  compare A B        two reports
  html FILE          the page of a report once more
  svg FILE DIR       its plots as images, and the lines of Markdown that show them
  list [CASE...]     the cases, and the systems that they are measured of
"""
import argparse
import fnmatch
import json
import os
import signal
import sys
import tempfile
import time
from datetime import datetime, timezone

from . import (ab, cases, compare, html, images, lacking, loads, machine, pauses, plot, results, rfc2889, rfc9004,
               runner, search, text, through, words)
from .process import NETHV, Failure, end_all, stand_aside
from .systems import JUMBO, P2P, SYSTEMS, Nethv

LOADED = ["nethv", "ovs-dpdk packed", "vhost packed"]
SIZES = (64, 1518, JUMBO)


class Options(argparse.Namespace):
    """What starts want to know."""

    def one_try(self, system, frame, inflight):
        with tempfile.TemporaryDirectory(prefix="nethv-bench-") as work:
            return system.circle(self, work, frame, inflight)["value"]

    def adaptive(self, system, wake_us=None):
        return Nethv(poll="adaptive", wake_us=wake_us)


def all_cases(o):
    """By the options; none is measured yet."""
    systems, p2p = ({n: s for n, s in all.items() if n in o.systems} for all in (SYSTEMS, P2P))
    loaded = {n: s for n, s in systems.items() if n in LOADED}
    made = [cases.max_case(f, systems) for f in SIZES]
    made += [loads.load_case(f, loaded) for f in (*SIZES, "imix")]
    made += [loads.load_case(64, loaded, n) for n in loads.FLOWS[1:]]
    made += [loads.load_case(64, loaded, direction="one")]
    made += [loads.load_case(f, p2p, topology="p2p") for f in (64, 1518, "imix")]
    made += [rfc9004.burst_case(64, loaded), *rfc2889.cases(o.systems), loads.soak_case(64, loaded)]
    made += [cases.micro_case("agg32", "aggregated, 32 in a burst", at_most=120.0),
             cases.micro_case("one32", "one message each, 32 in a burst", at_most=220.0),
             cases.micro_case("macs100k", "100,000 addresses", at_most=210.0), cases.guests_case()]
    made += [cases.one_case(), *through.through_cases(o)]
    return made + [loads.idle_case(), loads.idle_case(wake_us=0), pauses.swap_case()]


def named_cases(o, others):
    """Those that nobody gets who does not name them, without @others."""
    systems = {n: s for n, s in SYSTEMS.items() if n in o.systems and n in LOADED}
    ids = {c.head["id"] for c in others}
    return [c for c in loads.named(systems) if c.head["id"] not in ids]


def is_named(o, case):
    return any(fnmatch.fnmatchcase(id, p) for id in case.ids() for p in o.cases)


def is_chosen(o, case):
    if o.verb == "report":
        return case.head["id"] in REPORT  # whole: a case with more flows begins as the one with one does
    if not o.cases:
        return "/shared/" not in case.head["id"]
    return is_named(o, case) or any(id.startswith(p) for id in case.ids() for p in o.cases)


def chosen(o):
    usual = all_cases(o)
    found = [c for c in usual if is_chosen(o, c)]
    if o.verb != "report":
        found += [c for c in named_cases(o, usual) if is_named(o, c)]
    if not found:
        raise Failure(f"no case here begins with {' or '.join(o.cases)}; `nethv bench list` names them, and what this "
                      "machine lacks for others")
    return found


# A report takes less than 20 minutes, whatever the machine does meanwhile.
REPORT_DEFAULTS = {"secs": 0.7, "warm": 0.3, "search_s": 8, "latency_ms": 300, "minutes": 19.5,
                   "systems": [s for s in [*SYSTEMS, *P2P] if s != "vhost split"]}  # testpmd's slower half
REPORT = ("v2v/max/64", "v2v/max/1518", "v2v/pdr/64", "v2v/idle/64", "v2v/idle-quick/64", "v2v/cycles-one/64",
          "one-core/cycles/agg32", "one-core/cycles/one32", "one-core/cycles/macs100k", "one-core/cycles/guests64")


def say(line):
    print(f"   {line}", file=sys.stderr, flush=True)


def prepare(o, found):
    for c in found:
        if c.head["kind"] == "max" and c.head["topology"] == "v2v":
            cases.best_inflight(o, c.head["frame_bytes"], c.systems, say)
    for c in found:
        frame = words.frame(c.head)
        if c.head["kind"] == "pdr" and frame not in o.generator_mpps:
            o.generator_mpps[frame] = round(loads.generator_alone(o, c.head["frame_bytes"]), 2)
            say(f"the generator alone, {frame}: {o.generator_mpps[frame]} Mpps")


def measured(o, title):
    """The report of the chosen cases."""
    plot.need()  # before the measuring, not after it
    found, begun = chosen(o), time.monotonic()
    o.until = begun + o.minutes * 60 if o.minutes else None
    report = {"format": results.FORMAT, "title": title, "begun": datetime.now(timezone.utc).isoformat(timespec="seconds"),
              "command": ["nethv", "bench", *sys.argv[1:]], "machine": machine.facts(o.core_a, o.core_b, o.core_c),
              "versions": machine.versions()}
    with machine.alone(), machine.huge_pages(2560) as pages:
        report["machine"]["hugepages"] = f"{pages} of 2 MiB"
        report["machine"]["core_to_core_ns"] = machine.clocks(o.core_a, o.core_b)["line_ns"]
        try:
            prepare(o, found)
            report["discarded"], o.rounds = runner.carry_out(o, found)
            report["is_complete"] = True
        except KeyboardInterrupt:
            print("bench: stopped; what was measured until now is kept", file=sys.stderr)
            report["is_complete"] = False
            report.setdefault("discarded", [])
        finally:
            end_all()
    report["method"] = {"rounds": o.rounds, "seconds_measured": o.secs, "seconds_warm": o.warm,
                        "frames_in_flight": {f"{s}, {f} B": n for (s, f), n in o.inflight.items()},
                        "engine": o.engine, "search_s": o.search_s, "latency_ms": o.latency_ms,
                        "generator_alone_mpps": o.generator_mpps}
    report["seconds"] = round(time.monotonic() - begun, 1)
    report["limits"] = through.limits(found) + pauses.limits(o, found)
    report["cases"] = [s for c in found for s in runner.summaries(c)]
    return report


def keep(o, report):
    """Both files, and the tables on the terminal."""
    results.save(o.json, report)
    page = os.path.splitext(o.json)[0] + ".html"
    with open(page, "w") as f:
        f.write(html.render(report))
    print(text.render(report))
    print(f"\nevery sample: {o.json}\nthe page:     {page}")
    return 0 if report["is_complete"] else 1


def do_run(o):
    return keep(o, measured(o, "nethv beside its peers"))


def do_list(o):
    for c in chosen(o):
        print(f"{c.head['id']:24} {c.head['title']:28} {', '.join(c.systems)}")
        for _, head in c.others:
            print(f"  {head['id']:22} {head['title']}")
    if not o.cases:
        print("v2v/pdr/SIZE[/FLOWS][/one]: of each size, number of flows and direction, by its whole name or a pattern\n"
              f"  SIZE   {' '.join(str(s) for s in loads.SIZES)}\n  FLOWS  {' '.join(str(n) for n in loads.FLOWS[1:])}")
        print("\nNot here:")
        for which, why in lacking.reasons(o):
            print(f"{which:24} {why}")
    return 0


def do_ab(o):
    with machine.alone(), machine.huge_pages(512):
        try:
            report = ab.carry_out(o)
        finally:
            end_all()
    if o.json:
        with open(o.json, "w") as f:
            json.dump(report, f, indent=1)
    print(ab.render(report))
    return 0


def do_compare(o):
    found = compare.compare(results.load(o.a), results.load(o.b))
    print(json.dumps(found, indent=1) if o.as_json else compare.render(found))
    return 0


def do_html(o):
    page = os.path.splitext(o.file)[0] + ".html"
    with open(page, "w") as f:
        f.write(html.render(results.load(o.file)))
    print(page)
    return 0


def do_svg(o):
    print("\n".join(line for _, line in images.write(results.load(o.file), o.dir)))
    return 0


def add_start_options(p):
    p.add_argument("--rounds", type=int, default=9, help="process starts of each system (9)")
    p.add_argument("--secs", type=float, default=2, help="seconds measured in a start (%(default)s)")
    p.add_argument("--warm", type=float, default=0.5, help="seconds before that (%(default)s)")
    p.add_argument("--core-a", type=int, default=0, help="the switch's core (0)")
    p.add_argument("--core-b", type=int, default=1, help="the guest's core (1)")
    p.add_argument("--core-c", type=int, help="the generator's core, where there is a guest besides (the first that is free)")
    p.add_argument("--core-d", type=int, help="the second guest's core (the next one)")
    p.add_argument("--engine", default="auto", help="of our partition: auto, ring3 (auto)")
    p.add_argument("--keep", action="store_true", help="keep the logs of each start")


def add_measure_options(p):
    add_start_options(p)
    p.add_argument("--systems", nargs="+", default=list(SYSTEMS) + list(P2P), choices=list(SYSTEMS) + list(P2P), metavar="SYSTEM")
    p.add_argument("--search-s", type=float, default=12, help="seconds for a search of NDR and PDR (%(default)s)")
    p.add_argument("--latency-ms", type=int, default=500, help="of load for a latency (%(default)s)")
    p.add_argument("--minutes", type=float, help="in all: no round is begun that would go beyond them")
    p.add_argument("--soak-s", type=float, default=30, help="seconds of a long load, an hour at most (30)")
    p.add_argument("--table", type=int, default=65536, help="MAC addresses that switches have room for, where addresses are "
                   "the question (65536)")
    p.add_argument("--goals", choices=("short", "csit"), default="short", help="of a search (short)")
    p.add_argument("--json", default="build/bench.json", help="where all samples go, and the page beside it")


def options():
    top = argparse.ArgumentParser(prog="nethv bench", description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, fn in (("run", do_run), ("report", do_run), ("list", do_list)):
        p = verbs.add_parser(name)
        if name != "report":
            p.add_argument("cases", nargs="*", metavar="CASE")
        add_measure_options(p)
        p.set_defaults(fn=fn, **(REPORT_DEFAULTS if name == "report" else {}))
    p = verbs.add_parser("ab")
    p.add_argument("old", help="a build directory")
    p.add_argument("new")
    add_start_options(p)
    p.add_argument("--size", type=int, default=64, help="frame bytes with FCS (64)")
    p.add_argument("--json", help="where all samples go")
    p.set_defaults(fn=do_ab)
    p = verbs.add_parser("compare")
    p.add_argument("a")
    p.add_argument("b")
    p.add_argument("--json", dest="as_json", action="store_true")
    p.set_defaults(fn=do_compare)
    p = verbs.add_parser("html")
    p.add_argument("file")
    p.set_defaults(fn=do_html)
    p = verbs.add_parser("svg")
    p.add_argument("file")
    p.add_argument("dir")
    p.set_defaults(fn=do_svg)
    o = top.parse_args(namespace=Options())
    o.nethv = NETHV
    o.inflight = {}
    o.generator_mpps = {}  # by frame size
    o.goals = search.CSIT if getattr(o, "goals", "") == "csit" else search.SHORT
    return o


def find_cores(o):
    """Cores C and D, where there are any."""
    o.cores_there = sorted(os.sched_getaffinity(0))
    free = [c for c in o.cores_there if c not in (o.core_a, o.core_b, o.core_c, o.core_d)]
    for key in ("core_c", "core_d"):
        if getattr(o, key) is None and free:
            setattr(o, key, free.pop(0))


def check(o):
    if os.geteuid() != 0:
        raise Failure("needs root: the peers want huge pages and sockets of the system")
    there = os.sched_getaffinity(0)
    if o.core_a == o.core_b or not {o.core_a, o.core_b} <= there:
        raise Failure(f"needs two cores, one for the switch and one for the guest; there are {sorted(there)}, "
                      "--core-a and --core-b choose")
    given = [c for c in (o.core_a, o.core_b, o.core_c, o.core_d) if c is not None]
    if len(set(given)) < len(given) or not set(given) <= there:
        raise Failure(f"each of --core-a to --core-d is a core of its own, of {sorted(there)}")


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `nethv bench list | head`
    o = options()
    try:
        if hasattr(o, "core_a"):
            find_cores(o)
            if o.verb != "list":
                check(o)
                stand_aside(o.core_b)
        return o.fn(o)
    except (Failure, results.Wrong, plot.NoGnuplot) as e:
        print(f"nethv bench: {e}", file=sys.stderr)
        return 1
