# SPDX-License-Identifier: BSD-3-Clause
"""Searches for the load that a system bears. They choose loads and judge trials; they measure nothing.

  mlrsearch()         several loss ratios at once, on a noisy host: draft-ietf-bmwg-mlrsearch-15
  binary_search()     ETSI GS NFV-TST 009, 12.3.2; with @max_repeat 12.3.3, loss verification
  back_to_back()      the longest burst without loss: RFC 9004
  address_capacity()  the largest set of addresses: RFC 2889, 5.7

A trial is a callable `trial(load_pps, seconds) -> Trial`. Loads are whole frames/s of all ports and both
directions together; ratios are between 0 and 1, times are seconds. Each result keeps all raw trials in the
order in which they were made.
"""
import dataclasses
import enum
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

EPS = 1e-9  # sums of durations such as 0.1 s are not exact
COARSE = 2  # stages before a goal proper, see stages()


class Outcome(enum.StrEnum):
    """How a search ended. Only what is REGULAR may be published without its name beside it."""
    REGULAR = "regular"
    MIN_LOSSY = "lossy at the minimum"
    MAX_CLEAN = "clean at the maximum"
    BUDGET = "budget spent"
    LINE_RATE = "throughput is the line rate"


class Bound(enum.StrEnum):
    LOWER = "lower bound"
    UPPER = "upper bound"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Trial:
    """One trial (RFC 2544, 23). @load, frames/s in total, and @seconds are those that were asked for.
    @unsent: frames that the generator could not send in time. They count as lost, else a generator that
    is too slow would make any system look fast."""
    load: int
    seconds: float
    sent: int
    unsent: int
    received: int

    @property
    def loss_ratio(self):
        offered = self.sent + self.unsent
        return (offered - self.received) / offered if offered else 1.0

    @property
    def forwarding_rate(self):
        """Frames/s: the load times what part of it came through (draft, Trial Forwarding Rate)."""
        return self.load * (1 - self.loss_ratio)


@dataclass(frozen=True)
class Goal:
    """A Search Goal of the draft. A load is good if at most @exceed_ratio of @sum_seconds of trials of
    @final_seconds lose more than @loss_ratio; the two bounds shall be @width apart, as a part of the upper one.
    Trials begin with @initial_seconds."""
    name: str
    loss_ratio: float = 0.0
    exceed_ratio: float = 0.5
    width: float = 0.01
    initial_seconds: float = 0.5
    final_seconds: float = 0.5
    sum_seconds: float = 3.5

    def __post_init__(self):
        if not (0 <= self.loss_ratio < 1 and 0 <= self.exceed_ratio < 1 and 0 < self.width < 1):
            raise ValueError(f"goal {self.name}: a ratio is not between 0 and 1")
        if not 0 < self.initial_seconds <= self.final_seconds <= self.sum_seconds:
            raise ValueError(f"goal {self.name}: not 0 < initial <= final <= sum of seconds")


def ndr_pdr(**goal):
    """The pair that everybody reports: no loss (NDR), and 0.5 % of it (PDR)."""
    return Goal("NDR", 0.0, **goal), Goal("PDR", 0.005, **goal)


# For a report that has minutes: 7 trials of 0.5 s, of which 3 may be lossy; both goals take 10 to 50 s.
SHORT = ndr_pdr()
# FD.io CSIT's, 21 trials of 1 s: 1 to 6 minutes.
CSIT = ndr_pdr(width=0.005, initial_seconds=1.0, final_seconds=1.0, sum_seconds=21.0)
# RFC 2544, 24 (draft, MLRsearch Compliant with RFC 2544). Only trials of 60 s make a lower bound.
RFC2544 = (Goal("throughput", 0.0, exceed_ratio=0.0, width=0.005, initial_seconds=1.0, final_seconds=60.0,
                sum_seconds=60.0),)


@dataclass(frozen=True)
class Budget:
    """What a search may spend. @seconds are those of its trials, or @clock's, which tells seconds, too; a trial
    that does not fit any more is not begun."""
    trials: int = 1000
    seconds: float = 1200.0
    clock: Callable[[], float] | None = None


class _Spent(Exception):
    """Which part of the budget is."""


class _Bench:
    """Makes trials as long as there is a budget, and keeps them."""

    def __init__(self, trial, budget):
        self.trial, self.budget = trial, budget
        self.trials, self.warmup, self.seconds = [], None, 0.0
        self.began = budget.clock() if budget.clock else 0.0

    def _elapsed(self):
        return self.budget.clock() - self.began if self.budget.clock else self.seconds

    def _make(self, load, seconds):
        if len(self.trials) + bool(self.warmup) >= self.budget.trials:
            raise _Spent("trials")
        if self._elapsed() + seconds > self.budget.seconds + EPS:
            raise _Spent("seconds")
        t = self.trial(load, seconds)
        if (t.load, t.seconds) != (load, seconds):
            raise ValueError(f"asked for {load} frames/s for {seconds} s, the trial says {t.load} for {t.seconds}")
        self.seconds += seconds
        return t

    def warm_up(self, load, seconds):
        self.warmup = self._make(load, seconds)

    def run(self, load, seconds):
        self.trials.append(self._make(load, seconds))
        return self.trials[-1]


def _limits(low, high):
    low, high = math.ceil(low), math.floor(high)
    if not 1 <= low < high:
        raise ValueError(f"loads from {low} to {high}: not 1 <= minimum < maximum")
    return low, high


def _outcome(lower, upper, limits, width):
    """What two bounds are to a search between @limits; None: it has not ended."""
    if lower is not None and upper is not None:
        return Outcome.REGULAR if upper - lower <= max(1, width * upper) else None
    if upper is None and lower == limits[1]:
        return Outcome.MAX_CLEAN
    return Outcome.MIN_LOSSY if lower is None and upper == limits[0] else None


# MLRsearch: what trials say of a load.

def _seconds(goal, trials):
    """Seconds of trials, by whether they are full-length and then by whether they are high-loss (draft, Trial
    Classification)."""
    sums = [[0.0, 0.0], [0.0, 0.0]]
    for t in trials:
        sums[t.seconds >= goal.final_seconds][t.loss_ratio > goal.loss_ratio] += t.seconds
    return sums


def exceed_ratios(goal, trials):
    """(optimistic, pessimistic): the part of the time with too much loss, if what is missing to the goal's sum of
    seconds went well, and if it went badly (draft, Load Classification Logic)."""
    (short_low, short_high), (low, high) = _seconds(goal, trials)
    # What is lost in a short trial is lost in a long one, too; that nothing is lost says less. So a short high-loss
    # trial counts, but short low-loss ones make up for as many as the exceed ratio would let pass.
    high += max(0.0, short_high - short_low * goal.exceed_ratio / (1 - goal.exceed_ratio))
    whole = max(low + high, goal.sum_seconds)
    return high / whole, (whole - low) / whole


def classify(goal, trials):
    """What a load with these trials is to @goal, as a Bound (draft, Load Classification)."""
    optimistic, pessimistic = exceed_ratios(goal, trials)
    if optimistic > goal.exceed_ratio + EPS:
        return Bound.UPPER
    return Bound.LOWER if pessimistic <= goal.exceed_ratio + EPS else Bound.UNDECIDED


def conditional_throughput(goal, load, trials):
    """Frames/s that come through at a lower bound: @load without the loss that so many of the goal's seconds stay
    below as must not exceed it (draft, Conditional Throughput Code). Seconds without a trial count as lost."""
    full = sorted((t.loss_ratio, t.seconds) for t in trials if t.seconds >= goal.final_seconds)
    left = max(goal.sum_seconds, math.fsum(s for _, s in full)) * (1 - goal.exceed_ratio)
    for loss, seconds in [*full, (1.0, math.inf)]:
        left -= seconds
        if left <= EPS:
            return load * (1 - max(loss, 0.0))
    raise AssertionError("the last of them is endless")


def by_load(trials):
    loads = {}
    for t in trials:
        loads.setdefault(t.load, []).append(t)
    return loads


def relevant_bounds(goal, loads):
    """(lower, upper), None where there is none: the smallest upper bound, and the largest lower bound below it.
    @loads are lists of trials by load (draft, Relevant Upper Bound and Relevant Lower Bound)."""
    bounds = {load: classify(goal, trials) for load, trials in loads.items()}
    upper = min((n for n, b in bounds.items() if b == Bound.UPPER), default=None)
    lower = max((n for n, b in bounds.items() if b == Bound.LOWER and (upper is None or n < upper)), default=None)
    return lower, upper


# MLRsearch: what to measure next. The draft leaves that open.

def stages(goal):
    """The goal after coarser ones: each has half the width of that before it, and more seconds a load. With those
    loads are found; the goal itself then looks at few of them."""
    n = COARSE if goal.sum_seconds > goal.initial_seconds else 0
    factor = goal.sum_seconds / goal.initial_seconds
    coarse = []
    for k in range(n):
        seconds = round(goal.initial_seconds * factor ** (k / n), 3)
        coarse.append(dataclasses.replace(
            goal, width=min(0.5, goal.width * 2 ** (n - k)), sum_seconds=seconds,
            initial_seconds=min(goal.final_seconds, seconds), final_seconds=min(goal.final_seconds, seconds)))
    return [*coarse, goal]


def _middle(lower, upper, loads):
    """Between two bounds that have one, by ratio; a load near it that has trials already, for another goal, saves
    some."""
    ideal = round(math.sqrt(lower * upper))
    edge = math.sqrt(math.sqrt(upper / lower))
    near = [n for n in loads if ideal / edge <= n <= ideal * edge]
    return min(near, key=lambda n: abs(n - ideal), default=ideal)


class _Way:
    """One goal's way through its stages. @hints are loads that the stage before thinks interesting."""

    def __init__(self, goal, limits, guess):
        self.left, self.limits = stages(goal), limits
        self._enter([guess])

    def _enter(self, hints):
        self.stage, self.hints = self.left.pop(0), hints
        self.edge, self.step = None, self.stage.width

    def next_load(self, loads):
        """None when the goal is reached. Trials for another goal can undo that, so it is asked again."""
        while True:
            lower, upper = relevant_bounds(self.stage, loads)
            if not _outcome(lower, upper, self.limits, self.stage.width):
                return self._candidate(lower, upper, loads)
            if not self.left:
                return None
            hints = [n for n in (lower, upper) if n is not None]
            # The middle first: whatever it is, only one of the two bounds is needed beside it.
            self._enter([_middle(lower, upper, loads), *hints] if len(hints) == 2 and upper - lower > 1 else hints)

    def _candidate(self, lower, upper, loads):
        """A load between the bounds, so one that the stage has not decided on."""
        for n in self.hints:
            if (lower or 0) < n < (upper or math.inf):
                return n
        if lower is None:
            return max(self.limits[0], min(upper - 1, round(upper * (1 - self._stride(upper)))))
        if upper is None:
            return min(self.limits[1], max(lower + 1, round(lower / (1 - self._stride(lower)))))
        return _middle(lower, upper, loads)

    def _stride(self, edge):
        """How far from @edge to look for the bound that is missing, as a part: further each time that it moves."""
        if self.edge is not None and edge != self.edge:
            self.step = min(0.5, 2 * self.step)
        self.edge = edge
        return self.step


def _next(ways, loads):
    """(load, seconds) of the next trial, None at the end. Coarse stages of all goals come first, so that a budget
    that ends leaves something for each; among equals small loads, so that bounds above them do not fall later."""
    wants = [(-len(w.left), n, w.stage.final_seconds) for w in ways if (n := w.next_load(loads)) is not None]
    return min(wants)[1:] if wants else None


@dataclass(frozen=True)
class GoalResult:
    """Relevant bounds and conditional throughput, frames/s. @by is the goal that they are bounds of: @goal, but where
    the budget ended first a coarser one. MAX_CLEAN has no upper bound, MIN_LOSSY no lower one and no throughput."""
    goal: Goal
    outcome: Outcome
    lower: int | None
    upper: int | None
    throughput: float | None
    by: Goal


@dataclass(frozen=True)
class MlrResult:
    """@goals in the order of those asked for. @warmup is not among @trials. @spent: "trials" or "seconds", if the
    budget ended the search."""
    goals: list[GoalResult]
    trials: list[Trial]
    warmup: Trial | None
    spent: str

    def __getitem__(self, name):
        return next(g for g in self.goals if g.goal.name == name)


def _goal_result(goal, loads, limits):
    lower, upper = relevant_bounds(goal, loads)
    by, outcome = goal, _outcome(lower, upper, limits, goal.width)
    if not outcome:
        # The finest stage that has a lower bound tells most; an upper bound alone is better than nothing.
        known = [(s, *relevant_bounds(s, loads)) for s in reversed(stages(goal))]
        known.sort(key=lambda k: (k[1] is None, k[2] is None))
        (by, lower, upper), outcome = known[0], Outcome.BUDGET
    throughput = None if lower is None else conditional_throughput(by, lower, loads[lower])
    return GoalResult(goal, outcome, lower, upper, throughput, by)


def _reach(goals, bench, limits):
    seconds = max(g.initial_seconds for g in goals)
    bench.warm_up(limits[1], seconds)
    # What comes through at the maximum is near what can.
    guess = bench.run(limits[1], seconds).forwarding_rate / (1 - min(g.loss_ratio for g in goals))
    ways = [_Way(g, limits, min(max(round(guess), limits[0]), limits[1])) for g in goals]
    while pick := _next(ways, by_load(bench.trials)):
        bench.run(*pick)


def mlrsearch(trial, min_load, max_load, goals=SHORT, budget=Budget()):
    """Bounds and conditional throughput of each goal between two loads, frames/s (draft-ietf-bmwg-mlrsearch-15).
    The first trial, at @max_load, warms up and is thrown away."""
    limits = _limits(min_load, max_load)
    bench, spent = _Bench(trial, budget), ""
    try:
        _reach(goals, bench, limits)
    except _Spent as e:
        spent = str(e)
    loads = by_load(bench.trials)
    return MlrResult([_goal_result(g, loads, limits) for g in goals], bench.trials, bench.warmup, spent)


# Binary search.

class _Bracket:
    """The largest number that passed and the smallest that did not, brought together by halving."""

    def __init__(self, passes):
        self.passes, self.lower, self.upper = passes, None, None

    def test(self, n):
        passed = self.passes(n)
        if passed:
            self.lower = n
        else:
            self.upper = n
        return passed

    def halve(self, near):
        while self.upper - self.lower > max(1, near()):
            self.test((self.lower + self.upper) // 2)


@dataclass(frozen=True)
class BinaryResult:
    """The largest load that passed and the smallest that did not, frames/s; None: none did."""
    outcome: Outcome
    lower: int | None
    upper: int | None
    trials: list[Trial]
    spent: str


def binary_search(trial, min_load, max_load, seconds, loss_ratio=0.0, width=0.02, max_repeat=0, gross_loss=1.0,
                  budget=Budget()):
    """The largest load, frames/s, with no more than @loss_ratio in a trial of @seconds, to @width of the upper bound
    (TST 009, 12.3.2). A trial with more is made again up to @max_repeat times, and one that passes is a pass; 2 or 3
    are usual (12.3.3, loss verification). A loss above @gross_loss is no noise: it is not made again (its z)."""
    limits = _limits(min_load, max_load)
    bench, spent = _Bench(trial, budget), ""

    def passes(load):
        for _ in range(1 + max_repeat):
            loss = bench.run(load, seconds).loss_ratio
            if loss <= loss_ratio or loss > gross_loss:
                break
        return loss <= loss_ratio

    b = _Bracket(passes)
    try:
        if not b.test(limits[1]) and b.test(limits[0]):
            b.halve(lambda: width * b.upper)
    except _Spent as e:
        spent = str(e)
    outcome = _outcome(b.lower, b.upper, limits, width) or Outcome.BUDGET
    return BinaryResult(outcome, b.lower, b.upper, bench.trials, spent)


# Bursts and addresses.

@dataclass(frozen=True)
class BackToBack:
    """@lengths, frames: the longest burst without loss of each search; @bursts: all of them, (frames, received).
    @throughput and @max_rate, frames/s, are the system's and the line's. MAX_CLEAN: a search ended at the longest
    burst allowed, the average says nothing; LINE_RATE: no buffer ever fills, nothing was measured."""
    outcome: Outcome
    lengths: list[int]
    bursts: list[tuple[int, int]] = field(repr=False)
    step: int
    throughput: float
    max_rate: float

    @property
    def average(self):
        """The benchmark, frames (RFC 9004, 6.3)."""
        return statistics.fmean(self.lengths) if self.lengths else None

    @property
    def min(self):
        return min(self.lengths, default=None)

    @property
    def max(self):
        return max(self.lengths, default=None)

    @property
    def stdev(self):
        """Of the lengths as a sample, frames."""
        return statistics.stdev(self.lengths) if len(self.lengths) > 1 else None

    @property
    def implied_buffer_seconds(self):
        """How long the burst is on the line (RFC 9004, 6.4)."""
        return self.average / self.max_rate if self.lengths else None

    @property
    def corrected_buffer_seconds(self):
        """That, without the part of the burst that the system forwards while it comes in (RFC 9004, 6.4)."""
        return self.implied_buffer_seconds * (1 - self.throughput / self.max_rate) if self.lengths else None


def back_to_back(burst, max_frames, throughput, max_rate, searches=10, step=1, max_repeat=0):
    """The longest burst without loss (RFC 9004, 6). `burst(n) -> received` sends @n frames to an idle system at
    @max_rate, frames/s. Of each of @searches the result is @step frames exact; @max_repeat as in binary_search()."""
    bursts, lengths = [], []

    def passes(n):
        for _ in range(1 + max_repeat):
            bursts.append((n, burst(n)))
            if bursts[-1][1] >= n:
                return True
        return False

    for _ in range(searches if throughput < max_rate else 0):
        b = _Bracket(passes)
        if not b.test(max_frames):
            b.lower = 0
            b.halve(lambda: step)
        lengths.append(b.lower)
    outcome = (Outcome.LINE_RATE if not lengths else Outcome.MAX_CLEAN if max(lengths) == max_frames else
               Outcome.REGULAR if any(lengths) else Outcome.MIN_LOSSY)
    return BackToBack(outcome, lengths, bursts, step, throughput, max_rate)


@dataclass(frozen=True)
class Capacity:
    """@addresses: the largest number that all were learned of, 0 if there is none; @tried: (number, all learned)."""
    outcome: Outcome
    addresses: int
    tried: list[tuple[int, bool]] = field(repr=False)


def _doubling(b, n, most):
    while b.test(n) and n < most:
        n = min(2 * n, most)


def _around(b, guess, most):
    """Further and further from where it is expected."""
    way, n = 1 if b.test(guess) else -1, 1
    while (b.upper if way > 0 else b.lower) is None and 1 <= (at := guess + way * n) <= most:
        b.test(at)
        n *= 2
    if b.upper is None and b.lower < most:
        b.test(most)
    if b.lower is None and b.upper > 1:
        b.test(1)


def address_capacity(addresses, max_addresses, initial=1, guess=None):
    """The address caching capacity, exact (RFC 2889, 5.7). `addresses(n) -> bool` empties the table, has @n addresses
    learned and says whether frames to all of them came out of their port and of no other. From @initial it doubles
    until they do not, as a table that is too full takes long; or it begins where the capacity should be, at @guess."""
    tried = []

    def passes(n):
        tried.append((n, bool(addresses(n))))
        return tried[-1][1]

    b = _Bracket(passes)
    if guess:
        _around(b, min(guess, max_addresses), max_addresses)
    else:
        _doubling(b, min(initial, max_addresses), max_addresses)
    b.lower = b.lower or 0
    if b.upper is None:
        return Capacity(Outcome.MAX_CLEAN, b.lower, tried)
    b.halve(lambda: 1)
    return Capacity(Outcome.REGULAR if b.lower else Outcome.MIN_LOSSY, b.lower, tried)
