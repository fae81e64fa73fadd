# SPDX-License-Identifier: BSD-3-Clause
"""Cases of frames that circle without a rate, and of what the code costs on one core: each with what counts as good, and
how one start of one system gives its figure. Loads are in loads.py, bursts in rfc9004.py, addresses in rfc2889.py."""
import json

from .process import Failure, run, tool
from .runner import Case
from .systems import ALONE, JUMBO, Nethv

# Goals beside each peer (ratio of Mpps through the switch core); the frame's size with FCS.
FLOORS = {
    64: {"ovs-dpdk split": 2.0, "ovs-dpdk packed": 2.0, "vhost packed": 1.3, "memif": 1.5},
    1518: {s: 1.8 for s in ("ovs-dpdk split", "ovs-dpdk packed", "vhost split", "vhost packed", "memif")},
    JUMBO: {s: 1.5 for s in ("ovs-dpdk split", "ovs-dpdk packed", "vhost split", "vhost packed", "memif")},
}
INFLIGHT = (128, 512, 1024)  # a direction; each system at its best
INFLIGHT_TRIES = 2


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
    case.also("guest", id=f"v2v/guest/{frame}", title=f"forwarder's core, {frame} B", kind="cycles", unit="cycles",
              better="lower", floors=[{"system": s, "ratio": 1.0} for s in systems if s != "nethv"] if frame == 64 else [])
    return case


def one_case(inflight=512):
    """The switch's core when the guest sends each message in a packet of its own, as Linux does."""
    def measure(o, name, system, work):
        got = system.circle(o, work, 64, inflight)
        return {"value": got["cycles"]["value"], "counters": {**got["counters"], "mpps": got["value"]}}
    return Case("v2v/cycles-one/64", "switch core, 64 B, one message each", "cycles", "cycles", "lower",
                {"nethv": Nethv(words=" messages=1")}, measure, frame=64, at_most=220.0)


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
    """Before the rounds: starts with each number of frames in flight; the best is used from then on. Of each the better one
    of two that others came between: the machine may have been another one meanwhile."""
    for name, system in systems.items():
        tried = {}
        for n in INFLIGHT * INFLIGHT_TRIES:
            try:
                tried[n] = max(o.one_try(system, frame, n), tried.get(n, 0))
            except Failure as e:
                say(f"{name}, {frame} B, {n} in flight: {e}")
        if tried:
            o.inflight[name, frame] = max(tried, key=tried.get)
            say(f"{name}, {frame} B: " + ", ".join(f"{n} in flight {m:.2f} Mpps" for n, m in tried.items()))
