# SPDX-License-Identifier: BSD-3-Clause
"""Cases of loads at a rate: the most that a system bears and latencies at parts of it, a frame that travels alone, one that
finds everybody asleep, and a load that lasts."""
import math
import tempfile
import time

from . import machine, search, stats
from .generator import JUMBO, STD_FRAME, Wire
from .process import Failure
from .runner import Case
from .systems import ALONE

SHARES = (10, 50, 90)   # of the PDR, percent
CEILING = 1.5           # of what comes through with a window, where a search begins
ALONE_A_MS = 200        # frames that travel alone, for a millisecond of other latencies
SOAK_SHARE = 50         # of the PDR, percent
SHOWN = 8               # seconds that a guest tells of at once
TWO_CORES = ("v2v", "p2p")   # who sends receives, too; the switch is on the other core
IDLE_PPS = 20           # slow enough for a switch to fall asleep between two frames
IDLE_MS = 2000

# What a row of cases varies; each of these has a case of its own name, see named().
SIZES = (64, 128, 256, 512, 1024, 1280, 1518, JUMBO, "imix")
FLOWS = (1, 1000, 10000, 100000, 1000000)
DIRECTIONS = ("both", "one")


def quantiles_us(got):
    """Of a generator's answer, in us."""
    if "histogram" in got:
        return {k: v / 1e3 for k, v in stats.percentiles(got["histogram"]).items()}
    names = {"p50": "p50", "p90": "p90", "p99": "p99", "p99.9": "p99.9", "max": "max"}
    return {k: got[f"lat_{v}_ns"] / 1e3 for k, v in names.items()}


def check_content(got, what):
    if got["corrupted"] or got["duplicated"]:
        raise Failure(f"{what}: {got['corrupted']} frames damaged, {got['duplicated']} came twice")


def largest(frame):
    """Bytes that ports must take for it."""
    return STD_FRAME if frame == "imix" else frame


class Loads:
    """One start of a system under load. Loads are frames/s of all directions together."""

    def __init__(self, o, generator, frame, flows=1, direction="both"):
        self.o, self.g = o, generator
        self.frame, self.flows, self.ways = frame, flows, 2 if direction == "both" else 1

    def order(self, words, ways=None):
        return f"{words} size={self.frame} flows={self.flows} both={(ways or self.ways) - 1}"

    def constant(self, load, seconds, more=""):
        got = self.g.trial(self.order(f"rate={max(load // self.ways, 1)} ms={int(seconds * 1000)}{more}"), seconds)
        check_content(got, f"{load} frames/s")
        return got

    def trial(self, load, seconds):
        got = self.constant(load, seconds)
        return search.Trial(load, seconds, got["tx_packets"], got["unsent"], got["rx_packets"])

    def windowed(self):
        """Frames/s that come through when never more than a window of them is on its way."""
        got = self.g.trial(self.order("count=400000 window=512"), 0.2)
        check_content(got, "with a window")
        if got["unsent"]:
            raise Failure("a frame is lost though few are on their way")
        return got["rx_packets"] / got["receive_ns"] * 1e9

    def search(self):
        high = int(CEILING * self.windowed())
        r = search.mlrsearch(self.trial, max(high // 100, 2000), high, self.o.goals,
                             search.Budget(seconds=self.o.search_s, clock=time.monotonic))
        if r["PDR"].throughput is None:
            raise Failure(f"no load without loss: {r['PDR'].outcome}")
        return r

    def latency_row(self, load, got):
        q = quantiles_us(got)
        return {"value": q["p50"], "load_pps": load, "quantiles": q, "jitter_us": got["jitter_ns"] / 1e3,
                "histogram": got.get("histogram", []), "lost": got["tx_packets"] - got["rx_packets"]}

    def latency(self, load):
        return self.latency_row(load, self.constant(load, self.o.latency_ms / 1e3))

    def latency_alone(self):
        """No frame is sent before the one before it has come."""
        got = self.g.trial(self.order(f"count={self.o.latency_ms * ALONE_A_MS} window=1", ways=1), self.o.latency_ms / 1e3)
        check_content(got, "one frame at a time")
        if got["unsent"]:
            raise Failure("a frame that travels alone is lost")
        return self.latency_row(round(got["rx_packets"] / got["receive_ns"] * 1e9), got)

    def measure(self):
        r = self.search()
        pdr, ndr = r["PDR"], r["NDR"]
        return {"value": pdr.throughput / 1e6, "outcome": str(pdr.outcome),
                "ndr": {"value": (ndr.throughput or 0) / 1e6, "outcome": str(ndr.outcome)},
                "trials": [{"load": t.load, "seconds": t.seconds, "loss": t.loss_ratio} for t in r.trials],
                "at0": self.latency_alone(),
                **{f"at{s}": self.latency(int(pdr.throughput * s / 100)) for s in SHARES}}

    def soak(self):
        """A part of the PDR for a long time, second by second."""
        pdr = self.search()["PDR"]
        load = int(pdr.throughput * SOAK_SHARE / 100)
        got = self.constant(load, self.o.soak_s, " rows=1")
        rows = rows_of(self.g, got, math.ceil(self.o.soak_s))
        lost = got["tx_packets"] + got["unsent"] - got["rx_packets"]
        return {"value": ppm(lost, got["tx_packets"] + got["unsent"]), "load_pps": load, "rows": rows,
                "counters": {"sent": got["tx_packets"], "unsent": got["unsent"], "lost": lost,
                             "pdr_mpps": pdr.throughput / 1e6},
                "worst": {"value": max(ppm(r["lost"], r["sent"]) for r in rows)},
                "longest": {"value": max(r["max_us"] for r in rows)}}


def ppm(part, whole):
    return part / whole * 1e6 if whole else 0.0


def rows_of(g, got, seconds):
    """What became of the frames that were sent in each second: a generator tells of all at once, a guest of some."""
    rows = got.get("rows", [])
    while len(rows) <= seconds and "rows" not in got:
        v = g.trial(f"show={len(rows)}", 0)
        rows += [[v[f"row{i}_{what}"] for what in ("sent", "received", "max_ns")] for i in range(SHOWN)]
    # The last frames may have been late: they are the last second's.
    whole, late = rows[:seconds - 1], rows[seconds - 1:]
    whole.append([sum(r[0] for r in late), sum(r[1] for r in late), max((r[2] for r in late), default=0)])
    return [{"sent": sent, "lost": sent - received, "max_us": ns / 1e3} for sent, received, ns in whole]


def beside_machine(o, got):
    """A start's figures, its latencies at a rate with what the same cores keep a frame waiting for when the system is gone.
    A frame alone has none: it is not due at a random moment."""
    m = machine.stalls(o.core_a, o.core_b)
    waits = m.pop("stalls_us")
    for share in SHARES:
        got[f"at{share}"].update(machine=waits, counters=m)
    return got


def generator_alone(o, frame):
    """Mpps of both directions that the generator makes and checks with nothing between its ports: whatever is measured
    close to it is the generator."""
    with tempfile.TemporaryDirectory(prefix="nethv-bench-") as work, Wire().load(o, work, largest(frame)) as g:
        return Loads(o, g, frame).windowed() / 1e6


def load_case(frame, systems, flows=1, topology="v2v", direction="both"):
    """PDR, and from the same starts the NDR, latencies at parts of the PDR and that of a frame alone."""
    def measure(o, name, system, work):
        with system.load(o, work, largest(frame)) as g:
            got = Loads(o, g, frame, flows, direction).measure()
        return beside_machine(o, got) if topology in TWO_CORES else got
    way = "" if topology == "v2v" else f"{topology.upper()}, "
    one = direction == "one"
    name = (way + ("IMIX" if frame == "imix" else f"{frame} B") + (f", {flows} flows" if flows > 1 else "") +
            (", one direction" if one else ""))
    tail = f"{frame}" + (f"/{flows}" if flows > 1 else "") + ("/one" if one else "")
    case = Case(f"{topology}/pdr/{tail}", f"PDR, {name}", "pdr", "Mpps", "higher", systems, measure, frame=frame,
                flows=flows, topology=topology, direction=direction)
    case.also("ndr", id=f"{topology}/ndr/{tail}", title=f"NDR, {name}", kind="ndr")
    case.also("at0", id=f"{topology}/latency0/{tail}", title=f"latency of a frame alone, p50, {name}", kind="latency",
              unit="us", better="lower", direction="one")
    for share in SHARES:
        limit = {"at_most": 6.0} if share == 10 and case.head["id"] == "v2v/pdr/64" else {}
        case.also(f"at{share}", id=f"{topology}/latency{share}/{tail}", title=f"latency at {share} % of the PDR, p50, {name}",
                  kind="latency", unit="us", better="lower", **limit)
    return case


def named(systems):
    """A load case for each size, number of flows and direction: too many for a run of all, so each is for who names it."""
    return [load_case(f, systems, n, direction=d) for d in DIRECTIONS for f in SIZES for n in FLOWS]


def soak_case(frame, systems):
    def measure(o, name, system, work):
        with system.load(o, work, largest(frame)) as g:
            return Loads(o, g, frame).soak()
    said = f"at {SOAK_SHARE} % of the PDR, {frame} B"
    case = Case(f"v2v/soak/{frame}", f"lost {said}", "soak", "ppm", "lower", systems, measure, frame=frame)
    case.also("worst", id=f"v2v/soak-second/{frame}", title=f"lost in the worst second {said}")
    case.also("longest", id=f"v2v/soak-latency/{frame}", title=f"longest latency {said}", unit="us")
    return case


def idle_case(frame=64, wake_us=None):
    """The way of a frame that finds everybody asleep, on a CPU that may take @wake_us to wake up (None: as it is)."""
    def measure(o, name, system, work):
        with o.adaptive(system, wake_us).load(o, work, frame) as g:
            if wake_us is not None:
                machine.check_wake_limit(o.core_a, wake_us)
            time.sleep(0.5)
            a = g.stats()
            got = g.trial(f"rate={IDLE_PPS} ms={IDLE_MS} both=0 size={frame}", IDLE_MS / 1e3)
            b = g.stats()
        q = quantiles_us(got)
        asleep, all_tsc = 0, 0
        for la, lb in zip(a["switch"]["lcores"], b["switch"]["lcores"]):
            asleep += lb["tsc_asleep"] - la["tsc_asleep"]
            all_tsc += sum(lb[k] - la[k] for k in ("tsc_asleep", "tsc_idle", "tsc_busy"))
        with machine.wake_limit(o.core_a, wake_us):
            wake = machine.wake(o.core_a, o.core_b)
        return {"value": q["p90"], "quantiles": q,
                "counters": {"asleep_share": asleep / max(all_tsc, 1), "wake_p50_us": wake["p50"], "wake_p90_us": wake["p90"]}}
    which, how = ("idle", "") if wake_us is None else ("idle-quick", f", wake_latency_us: {wake_us}")
    return Case(f"v2v/{which}/{frame}", f"first frame after idle, p90{how}", "latency", "us", "lower", ALONE, measure,
                frame=frame, direction="one", at_most=100.0)
