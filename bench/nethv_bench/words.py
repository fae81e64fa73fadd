# SPDX-License-Identifier: BSD-3-Clause
"""How reports say things: numbers, intervals, names of kinds. Shared by the page, the terminal and compare."""
import datetime

from . import results

# kind: heading, what it means
KINDS = {
    "max": ("Highest rate", "What passes through the switch's core when a fixed number of frames circles for ever."),
    "ndr": ("Rate without loss", "The highest load at which no frame is lost (NDR), found by MLRsearch."),
    "pdr": ("Rate with little loss", "The highest load at which at most 0.5 % of the frames are lost (PDR), "
            "found by MLRsearch."),
    "latency": ("Latency", "How long a frame takes, at the load that the case names; all frames of all starts. The machine "
                "alone: the least that cores which are away for moments make a frame wait for."),
    "b2b": ("Back to back", "The longest burst at full speed of which no frame is lost (RFC 9004). Clean at the maximum: no "
            "burst that was tried loses any, for its sender has to wait when there is no room."),
    "addresses": ("Addresses", "How many MAC addresses are learned so that no frame to any of them reaches a third port "
                  "(RFC 2889), with a table as large as the samples say."),
    "learning": ("Learning", "How many new addresses a second are learned so that no frame to any of them reaches a third "
                 "port (RFC 2889); addresses that a system does not take in time count as not learned."),
    "soak": ("Soak", "A steady load for a long time, every frame compared with what was sent: what of a million was lost, "
             "over all and in the worst second."),
    "pause": ("Pauses", "How long traffic stands still when something is changed beneath it."),
    "insn": ("Instructions", "Instructions that the switch's core executes for a packet: counted, not timed, so "
             "the machine's noise has no part in it."),
    "cycles": ("Cycles", "Time of a core for a packet, in cycles of the time-stamp counter: the switch's, or that of who forwards "
               "(our guest's l2fwd, the peers' testpmd)."),
}
UNITS = {"ns": "ns", "us": "us", "ms": "ms", "s": "s", "mhz": "MHz", "mib": "MiB", "bytes": "bytes"}  # of facts
SPELT = ("cpu", "dpdk", "gcc", "ovs", "qemu", "smt", "tsc")  # letter by letter
MACHINE = "the machine alone"
BETTER = {"higher": "more is better", "lower": "less is better"}
LETTERS = {"v2v": "partition to partition", "p2p": "wire to wire", "pvp": "wire, partition, wire",
           "pvvp": "wire, two partitions, wire"}
PATHS = {"synthetic": "synthetic path", "vmq": "VMQ", "vf": "VF"}


def number(v):
    """Four digits are more than any measurement here is worth."""
    if v == 0:
        return "0"
    if abs(v) >= 999.95 or (v == int(v) and abs(v) >= 100):
        return f"{v:,.0f}"
    if isinstance(v, int):
        return str(v)
    return f"{v:#.4g}" if abs(v) >= 0.001 else f"{v:.3g}"


def limit(v):
    """A number that somebody chose, so it is said as it was."""
    return f"{v:,}" if isinstance(v, int) else f"{v:,.10g}"


def times(v):
    """A ratio."""
    return f"{v:,.0f} ×" if v >= 1000 else f"{v:#.3g} ×".replace(". ", " ")


def span(of, say=number):
    return f"{say(of['low'])}–{say(of['high'])}".replace(" ×", "")


def frame(case):
    """Its size; nothing where a case is not about frames."""
    if case["frame_bytes"] is None:
        return ""
    return "IMIX" if case["frame_bytes"] == "imix" else f"{case['frame_bytes']} B"


def short(count):
    """1000 is 1k, 1500 is 1500: as exact as it was."""
    for letter, size in (("M", 1000000), ("k", 1000)):
        if count >= size and count % size == 0:
            return f"{count // size:.0f}{letter}"
    return str(count) if isinstance(count, int) else f"{count:g}"


def flows(case):
    return "1 flow" if case["flows"] == 1 else f"{short(case['flows'])} flows"


def way(case):
    return [LETTERS[case["topology"]], PATHS[case["path"]],
            "both directions" if case["direction"] == "both" else "one direction"]


def place(case):
    """Where a case was measured, without frame size and flows."""
    return ", ".join(way(case))


def unit(case):
    return f"{case['unit']}, {BETTER[case['better']]}"


def traits(case):
    """How it was measured: what a reader must know besides the title."""
    return [t for t in (frame(case), flows(case), *way(case), unit(case)) if t]


def shared(cases):
    """What all of them have in common, and for each id what it has of its own and its title does not say."""
    common = [t for t in traits(cases[0]) if all(t in traits(c) for c in cases)]
    return common, {c["id"]: [t for t in traits(c) if t not in common and t not in c["title"]] for c in cases}


def capital(text):
    return text[:1].upper() + text[1:]


def fact(v):
    if v is None:
        return "not known"
    if isinstance(v, dict):
        return ", ".join(f"{key(k)}: {fact(e)}" for k, e in v.items())
    if isinstance(v, list):
        return ", ".join(fact(e) for e in v)
    if isinstance(v, bool):
        return "yes" if v else "no"
    if isinstance(v, str):
        return v
    return f"{v:,}" if isinstance(v, int) else f"{v:,g}"


def key(name):
    """core_to_core_ns: core to core, ns."""
    parts = [w.upper() if w in SPELT else w for w in name.split("_")]
    if len(parts) > 1 and parts[-1] in UNITS:
        return f"{' '.join(parts[:-1])}, {UNITS[parts[-1]]}"
    return " ".join(parts)


def irregular(case):
    """A sentence for each system whose searches did not all find what they looked for."""
    for s in case["systems"]:
        for end, n in results.irregular(s).items():
            starts = "each start" if n == len(s["starts"]) > 1 else f"{n} of {plural(len(s['starts']), 'start')}"
            yield f"{s['system']}: {end}, in {starts}"


def plural(n, one, many=None):
    return f"{n} {one if n == 1 else many or one + 's'}"


def lasting(seconds):
    """Rounded as one would say it."""
    m, s = divmod(round(seconds), 60)
    h, m = divmod(m, 60)
    return f"{h} h {m} min" if h else f"{m} min {s} s" if m else f"{s} s"


def moment(iso):
    when = datetime.datetime.fromisoformat(iso)
    return when.strftime("%Y-%m-%d %H:%M UTC")


def tendency(ratio):
    """Whether nethv is better, worse, or neither can be said."""
    return "better" if ratio["low"] > 1 else "worse" if ratio["high"] < 1 else "even"
