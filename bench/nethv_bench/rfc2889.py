# SPDX-License-Identifier: BSD-3-Clause
"""Address capacity and learning rate (RFC 2889, 5.7 and 5.8). Addresses are announced at one port; then another sends a
frame to each of them while a third port listens: a frame that it hears was flooded, for its address is not known."""
from . import search
from .learners import LEARNERS
from .loads import check_content
from .process import Failure
from .runner import Case

FRAME = 64
SLOW = 50_000                 # addresses/s that are announced when their number is the question
WINDOW = 64                   # frames on their way: the rate of the load is not the question
AGAIN = 2                     # times that what failed is made again: the host may have taken the time to learn
RATES = (4000, 4_000_000)     # addresses/s
WIDTH = 0.05                  # to which a rate is known, as a part
GROSS = 0.1                   # part that is flooded for want of speed, not for the host's sake
LATE_S = 0.002                # that announcing may take longer than asked for
ADDRESSES_MAX = 1 << 20       # of guest/apps/trial.h


def announced(learner, n, rate):
    """A trial with @n addresses, announced at @rate to a system that knows none."""
    learner.forget()
    got = learner.g.trial(f"count={n} macs={n} announce={rate} window={WINDOW} both=0 size={FRAME}", n / rate)
    check_content(got, f"{n} addresses")
    return got


def knows_all(got, n):
    return got["flooded"] == 0 and got["rx_packets"] == n


def in_time(got, n, rate):
    return got["announced"] == n + 1 and got["announce_ns"] / 1e9 <= n / rate * (1 + WIDTH / 2) + LATE_S


def capacity(o, learner):
    def learns(n):
        return any(knows_all(announced(learner, n, SLOW), n) for _ in range(1 + AGAIN))
    r = search.address_capacity(learns, ADDRESSES_MAX, guess=o.table)
    if not r.addresses:
        raise Failure("not one address is learned")
    return {"value": r.addresses, "outcome": str(r.outcome),
            "counters": {"table": o.table, "tried": [n for n, _ in r.tried], "learned": [ok for _, ok in r.tried]}}


def rate(o, learner):
    """Half of the table is announced. What cannot be announced in time counts as flooded, as frames do that cannot be
    sent: a switch that lets the announcing wait takes no more."""
    n, tried = o.table // 2, []

    def trial(load, seconds):
        got = announced(learner, n, load)
        known = n - min(got["flooded"], n) if in_time(got, n, load) else 0
        tried.append({"load": load, "loss": 1 - known / n})
        return search.Trial(load, seconds, n, 0, known)
    r = search.binary_search(trial, *RATES, 1.0, width=WIDTH, max_repeat=AGAIN, gross_loss=GROSS)
    if r.lower is None:
        raise Failure(f"not even {RATES[0]} addresses/s are learned")
    return {"value": r.lower, "outcome": str(r.outcome), "trials": tried, "counters": {"table": o.table, "addresses": n}}


def case(name, title, unit, measure_one, systems):
    def measure(o, system_name, system, work):
        with system.learner(o, work) as learner:
            return measure_one(o, learner)
    return Case(f"v2v/{name}", title, name, unit, "higher", systems, measure, frame=FRAME, direction="one")


def cases(names):
    """Of those systems among @names that learn."""
    systems = {n: s for n, s in LEARNERS.items() if n in names}
    return [case("addresses", "addresses that are learned", "addresses", capacity, systems),
            case("learning", "new addresses that are learned", "addresses/s", rate, systems)]
