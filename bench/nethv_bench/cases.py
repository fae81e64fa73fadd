# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: each case with what counts as good, and how one start of one system gives its figure."""
import json
import tempfile
import time

from . import search, stats
from .process import Failure, run, tool
from .runner import Case
from .systems import ALONE, JUMBO, STD_FRAME, Wire

# Goals beside each peer (ratio of Mpps through the switch core); the frame's size with FCS.
FLOORS = {
    64: {"ovs-dpdk split": 2.0, "ovs-dpdk packed": 2.0, "vhost packed": 1.3, "memif": 1.5},
    1518: {s: 1.8 for s in ("ovs-dpdk split", "ovs-dpdk packed", "vhost split", "vhost packed", "memif")},
    JUMBO: {s: 1.5 for s in ("ovs-dpdk split", "ovs-dpdk packed", "vhost split", "vhost packed", "memif")},
}
INFLIGHT = (128, 512, 1024)      # a direction; each system at its best
SHARES = (10, 50, 90)            # of the PDR, percent
CEILING = 1.5                    # of what comes through with a window, where a search begins
IDLE_PPS = 20                    # slow enough for a switch to fall asleep between two frames
IDLE_MS = 2000


def floors_of(frame, systems):
    return [{"system": s, "ratio": r} for s, r in FLOORS.get(frame, {}).items() if s in systems]


def max_case(frame, systems):
    """The most that circles without loss."""
    def measure(o, name, system, work):
        return system.circle(o, work, frame, o.inflight.get((name, frame), 1024))
    case = Case(f"v2v/max/{frame}", f"circle, {frame} B", "max", "Mpps", "higher", systems, measure, frame=frame,
                floors=floors_of(frame, systems))
    case.also("cycles", id=f"v2v/cycles/{frame}", title=f"switch core, {frame} B", kind="cycles", unit="cycles",
              better="lower", **({"at_most": 120.0} if frame == 64 else {}))
    return case


def micro(what):
    """The median of bench/micro_v2v's case, in huge pages as the switch is."""
    said = run("env", "EAL_HUGE=1", tool("micro_v2v"), what)
    rows = [json.loads(l) for l in said.splitlines() if l.startswith("{")]
    if not rows:
        raise Failure(f"micro_v2v {what} gives no figure: {said.strip()[-200:]}")
    return rows[0]["median"]


def micro_case(what, title, **limits):
    """What a packet costs the switch when all is on one core and in its caches (bench/micro_v2v)."""
    def measure(o, name, system, work):
        return {"value": micro(what)}
    return Case(f"one-core/cycles/{what}", title, "cycles", "cycles", "lower", ALONE, measure, frame=64,
                **limits)


def guests_case():
    """What 64 partitions in turn cost beside 2, in the same start."""
    def measure(o, name, system, work):
        two, many = micro("agg32"), micro("guests64")
        return {"value": many / two, "counters": {"two": two, "sixty_four": many}}
    return Case("one-core/cycles/guests64", "64 partitions in turn beside 2", "cycles", "times", "lower", ALONE,
                measure, frame=64, at_most=1.3)


def best_inflight(o, frame, systems, say):
    """Before the rounds: a start with each number of frames in flight; the best is used from then on."""
    for name, system in systems.items():
        tried = {}
        for n in INFLIGHT:
            try:
                tried[n] = o.one_try(system, frame, n)
            except Failure as e:
                say(f"{name}, {frame} B, {n} in flight: {e}")
        if tried:
            o.inflight[name, frame] = max(tried, key=tried.get)
            say(f"{name}, {frame} B: " + ", ".join(f"{n} in flight {m:.2f} Mpps" for n, m in tried.items()))


# ---- Loads ---------------------------------------------------------------------------------------------

def order(rate, ms, frame, flows):
    return f"rate={rate} ms={ms} size={frame} flows={flows}"


def quantiles_us(got):
    """Of a generator's answer, in us."""
    if "histogram" in got:
        return {k: v / 1e3 for k, v in stats.percentiles(got["histogram"]).items()}
    names = {"p50": "p50", "p90": "p90", "p99": "p99", "p99.9": "p99.9", "max": "max"}
    return {k: got[f"lat_{v}_ns"] / 1e3 for k, v in names.items()}


def check_content(got, what):
    if got["corrupted"] or got["duplicated"]:
        raise Failure(f"{what}: {got['corrupted']} frames damaged, {got['duplicated']} came twice")


class Loads:
    """One start of a system under load: the search for NDR and PDR, then latencies at parts of the PDR."""

    def __init__(self, o, generator, frame, flows):
        self.o, self.g, self.frame, self.flows = o, generator, frame, flows

    def trial(self, load, seconds):
        """Both directions share @load."""
        got = self.g.trial(order(load // 2, int(seconds * 1000), self.frame, self.flows), seconds)
        check_content(got, f"{load} frames/s")
        return search.Trial(load, seconds, got["tx_packets"], got["unsent"], got["rx_packets"])

    def ceiling(self):
        """Frames/s of both directions that a search need not go beyond."""
        got = self.g.trial(f"count=400000 window=512 size={self.frame} flows={self.flows}", 0.2)
        return int(CEILING * got["rx_packets"] / got["receive_ns"] * 1e9)

    def latency(self, load):
        got = self.g.trial(order(max(load // 2, 1), self.o.latency_ms, self.frame, self.flows),
                           self.o.latency_ms / 1e3)
        check_content(got, f"{load} frames/s")
        return {"load_pps": load, "quantiles": quantiles_us(got), "jitter_us": got["jitter_ns"] / 1e3,
                "histogram": got.get("histogram", []), "lost": got["tx_packets"] - got["rx_packets"]}

    def measure(self):
        high = self.ceiling()
        r = search.mlrsearch(self.trial, max(high // 100, 2000), high, self.o.goals,
                             search.Budget(seconds=self.o.search_s, clock=time.monotonic))
        pdr, ndr = r["PDR"], r["NDR"]
        if pdr.throughput is None:
            raise Failure(f"no load without loss: {pdr.outcome}")
        return {"value": pdr.throughput / 1e6, "outcome": str(pdr.outcome),
                "ndr": {"value": (ndr.throughput or 0) / 1e6, "outcome": str(ndr.outcome)},
                "trials": [{"load": t.load, "seconds": t.seconds, "loss": t.loss_ratio} for t in r.trials],
                **{f"at{s}": self.latency_row(int(pdr.throughput * s / 100)) for s in SHARES}}

    def latency_row(self, load):
        row = self.latency(load)
        return {"value": row["quantiles"]["p50"], **row}


def generator_alone(o, frame=64):
    """Mpps of both directions that the generator makes and checks with nothing between its ports: whatever is measured
    close to it is the generator."""
    with tempfile.TemporaryDirectory(prefix="nethv-bench-") as work, Wire().load(o, work, frame) as g:
        return Loads(o, g, frame, 1).ceiling() / CEILING / 1e6


def load_case(frame, systems, flows=1, topology="v2v"):
    """PDR, and from the same starts the NDR and latencies at parts of the PDR."""
    def measure(o, name, system, work):
        with system.load(o, work, STD_FRAME if frame == "imix" else frame) as g:
            return Loads(o, g, frame, flows).measure()
    way = "" if topology == "v2v" else f"{topology.upper()}, "
    name = way + ("IMIX" if frame == "imix" else f"{frame} B") + (f", {flows} flows" if flows > 1 else "")
    tail = f"{frame}" + (f"/{flows}" if flows > 1 else "")
    case = Case(f"{topology}/pdr/{tail}", f"PDR, {name}", "pdr", "Mpps", "higher", systems, measure, frame=frame,
                flows=flows, topology=topology)
    case.also("ndr", id=f"{topology}/ndr/{tail}", title=f"NDR, {name}", kind="ndr")
    for share in SHARES:
        limit = {"at_most": 6.0} if share == 10 and frame == 64 and topology == "v2v" else {}
        case.also(f"at{share}", id=f"{topology}/latency{share}/{tail}", title=f"latency at {share} % of the PDR, p50, {name}",
                  kind="latency", unit="us", better="lower", **limit)
    return case


def idle_case(frame=64):
    """The way of a frame that finds everybody asleep."""
    def measure(o, name, system, work):
        with o.adaptive(system).load(o, work, frame) as g:
            time.sleep(0.5)
            a = g.stats()
            got = g.trial(f"rate={IDLE_PPS} ms={IDLE_MS} both=0 size={frame}", IDLE_MS / 1e3)
            b = g.stats()
        q = quantiles_us(got)
        asleep, all_tsc = 0, 0
        for la, lb in zip(a["switch"]["lcores"], b["switch"]["lcores"]):
            asleep += lb["tsc_asleep"] - la["tsc_asleep"]
            all_tsc += sum(lb[k] - la[k] for k in ("tsc_asleep", "tsc_idle", "tsc_busy"))
        return {"value": q["p90"], "quantiles": q, "counters": {"asleep_share": asleep / max(all_tsc, 1)}}
    return Case(f"v2v/idle/{frame}", "first frame after idle, p90", "latency", "us", "lower", ALONE, measure,
                frame=frame, direction="one", at_most=100.0)
