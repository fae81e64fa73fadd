# SPDX-License-Identifier: BSD-3-Clause
"""What may be said of samples: medians with intervals, ratios of pairs, a verdict, percentiles of histograms.

Samples on a shared machine have no normal distribution, so there are no means here; intervals come from a
bootstrap with a seed of its own: the same samples always give the same interval.
"""
import math
import random
import statistics
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

LEVEL = Fraction(95, 100)
ROUNDS = 2000
EFFECT_MIN = 0.01  # what is less is not worth a name, however sure it is
PAIRS_MIN = 6  # of 5 samples, the smallest and the largest hold the median between them 94 times in 100
PERCENTILES = {"p50": "50", "p90": "90", "p99": "99", "p99.9": "99.9", "max": "100"}


class Interval(NamedTuple):
    """A median, and what 95 % of the bootstrap's medians lie between. Units are those of the samples."""
    median: float
    low: float
    high: float


class Quartiles(NamedTuple):
    low: float
    median: float
    high: float


def median(values):
    return statistics.median(values)


def quartiles(values):
    """Between samples by linear interpolation; the extremes are those of the samples (R's type 7)."""
    if len(values) == 1:
        return Quartiles(values[0], values[0], values[0])
    return Quartiles(*statistics.quantiles(values, n=4, method="inclusive"))


def interval(values, rounds=ROUNDS, seed=1):
    """The median of @values with its 95 % interval (percentile bootstrap)."""
    draw = random.Random(seed)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(rounds))
    tail = (1 - LEVEL) / 2
    return Interval(statistics.median(values), medians[int(rounds * tail)], medians[int(rounds * (1 - tail))])


def ratios(old, new):
    """New/old of each pair. What disturbs a whole pair is not in its ratio."""
    return [b / a for a, b in zip(old, new, strict=True)]


def sandwich(runs):
    """(B/A, A/A) of starts in the order A, B, A again: B beside the mean of what stands around it, and the second A
    beside the first, which is noise and nothing else."""
    first, b, again = zip(*runs)
    return ratios([(x + y) / 2 for x, y in zip(first, again)], b), ratios(first, again)


def noise(aa):
    """How far the interval of A/A @ratios reaches from 1, either way; so much is the resolution. An A/A that is sure
    to be other than 1 is drift, and counts as noise, too."""
    i = interval(aa)
    return max(abs(math.log(i.low)), abs(math.log(i.high)))


@dataclass(frozen=True)
class Verdict:
    """@winner: "new", "old" or None. @why says why there is none. @ratio is new/old."""
    winner: str | None
    why: str
    ratio: Interval
    noise: Interval


def _doubt(ab, aa, ratio):
    """Why no winner may be named, "" if one may."""
    if min(len(ab), len(aa)) < PAIRS_MIN:
        return f"fewer than {PAIRS_MIN} pairs"
    if ratio.low <= 1 <= ratio.high:
        return "the interval has 1.0 in it"
    reach = noise(aa)
    if math.log(ratio.low) <= reach and math.log(ratio.high) >= -reach:
        return "inside the noise of A/A"
    return f"less than {EFFECT_MIN:.0%}" if abs(ratio.median - 1) < EFFECT_MIN else ""


def verdict(ab, aa, less_is_better=True):
    """Which of two is better, by the ratios new/old in @ab and those of old beside itself in @aa. Of times less is
    better, of rates more. A winner needs 6 pairs, an interval without 1.0 in it that does not touch the noise, and
    1 % of difference."""
    ratio = interval(ab)
    why = _doubt(ab, aa, ratio)
    new = (ratio.median < 1) == less_is_better
    return Verdict(None if why else "new" if new else "old", why, ratio, interval(aa))


# Histograms: lists of [upper bound, count], as an HDR histogram is written down, in any order.

def merge(histograms):
    """One histogram of many. Bounds that only some of them have stay bounds."""
    counts = {}
    for h in histograms:
        for bound, count in h:
            counts[bound] = counts.get(bound, 0) + count
    return [[bound, counts[bound]] for bound in sorted(counts)]


def percentile(histogram, percent):
    """The bound that at least @percent of all values do not exceed, in the histogram's unit; None of nothing.
    @percent may be a string, which is exact: "99.9"."""
    total = sum(count for _, count in histogram)
    rank = max(1, math.ceil(Fraction(str(percent)) * total / 100))
    for bound, count in sorted(map(tuple, histogram)):
        rank -= count
        if rank <= 0:
            return bound
    return None


def percentiles(histogram):
    """p50, p90, p99, p99.9 and max by name. Of n values no percentile above 100 - 100/n tells more than max."""
    return {name: percentile(histogram, p) for name, p in PERCENTILES.items()}
