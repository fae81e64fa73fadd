#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""nethv_bench/stats.py against samples whose truth is known, and against the naive way."""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

import tap
from nethv_bench import stats

PAIR = pathlib.Path(stats.__file__).parents[1] / "pair.py"


def noisy(n, centre, spread, seed):
    """@n ratios around @centre."""
    draw = random.Random(seed)
    return [centre * (1 + draw.gauss(0, spread)) for _ in range(n)]


class Samples(unittest.TestCase):
    def test_median_and_quartiles(self):
        self.assertEqual(stats.median([3, 1, 2]), 2)
        self.assertEqual(stats.median([4, 1, 2, 3]), 2.5)
        self.assertEqual(stats.quartiles([5, 1, 4, 2, 3]), (2, 3, 4))
        self.assertEqual(stats.quartiles([1, 2]), (1.25, 1.5, 1.75))
        self.assertEqual(stats.quartiles([7]), (7, 7, 7))

    def test_interval_is_deterministic(self):
        values = noisy(30, 1, 0.02, 1)
        state = random.getstate()
        self.assertEqual(stats.interval(values), stats.interval(values))
        self.assertEqual(random.getstate(), state)
        self.assertNotEqual(stats.interval(values), stats.interval(values, seed=2))

    def test_interval_of_known_samples(self):
        self.assertEqual(stats.interval([5.0] * 9), (5, 5, 5))
        # Of 21 samples, order statistics 6 and 16 hold the median 97 % of the time, 7 and 15 92 %.
        i = stats.interval(list(range(21)))
        self.assertEqual(i.median, 10)
        self.assertIn(i.low, (5, 6))
        self.assertIn(i.high, (14, 15))

    def test_interval_holds_the_truth_as_often_as_it_says(self):
        held = sum(i.low <= 1 <= i.high for i in (stats.interval(noisy(25, 1, 0.02, s), 400) for s in range(200)))
        self.assertGreaterEqual(held, 180)
        self.assertLess(held, 200)

    def test_sandwich(self):
        ab, aa = stats.sandwich([(10, 20, 30), (4, 5, 4)])
        self.assertEqual(ab, [1.0, 1.25])
        self.assertEqual(aa, [3.0, 1.0])

    def test_pairs_have_two_ends(self):
        self.assertEqual(stats.ratios([2, 4], [1, 8]), [0.5, 2])
        with self.assertRaises(ValueError):
            stats.ratios([1, 2], [1])


class Verdicts(unittest.TestCase):
    QUIET = noisy(20, 1, 0.002, 5)

    def refuse(self, ab, aa, why):
        v = stats.verdict(ab, aa)
        self.assertIsNone(v.winner, v)
        self.assertIn(why, v.why)

    def test_names_a_winner(self):
        faster, slower = noisy(20, 0.9, 0.01, 1), noisy(20, 1.1, 0.01, 2)
        self.assertEqual(stats.verdict(faster, self.QUIET).winner, "new")
        self.assertEqual(stats.verdict(slower, self.QUIET).winner, "old")
        self.assertEqual(stats.verdict(faster, self.QUIET, less_is_better=False).winner, "old")
        self.assertEqual(stats.verdict(slower, self.QUIET, less_is_better=False).winner, "new")
        self.assertEqual(stats.verdict(faster, self.QUIET).ratio, stats.interval(faster))
        self.assertEqual(stats.verdict(faster, self.QUIET).noise, stats.interval(self.QUIET))

    def test_refuses_when_one_is_in_the_interval(self):
        self.refuse(noisy(20, 1.02, 0.2, 3), self.QUIET, "1.0")
        self.refuse([1.0] * 20, self.QUIET, "1.0")

    def test_refuses_inside_the_noise(self):
        loud = [0.95, 1.05] * 10
        self.refuse([1.04] * 20, loud, "noise")
        self.refuse([0.96] * 20, loud, "noise")
        self.assertEqual(stats.verdict([1.07] * 20, loud).winner, "old")

    def test_drift_is_noise_either_way(self):
        self.refuse([0.97] * 20, [1.04] * 20, "noise")
        self.assertEqual(stats.verdict([0.95] * 20, [1.04] * 20).winner, "new")

    def test_refuses_small_effects(self):
        self.refuse([1.008] * 20, [1.0] * 20, "1%")
        self.refuse([0.993] * 20, [1.0] * 20, "1%")
        self.assertEqual(stats.verdict([1.012] * 20, [1.0] * 20).winner, "old")

    def test_refuses_few_pairs(self):
        self.refuse([2.0] * 5, [1.0] * 5, "pairs")
        self.refuse([2.0] * 6, [1.0] * 5, "pairs")
        self.assertEqual(stats.verdict([2.0] * 6, [1.0] * 6).winner, "old")

    def test_equals_have_hardly_ever_a_winner(self):
        named = sum(stats.verdict(noisy(15, 1, 0.02, s), noisy(15, 1, 0.02, 1000 + s)).winner is not None
                    for s in range(100))
        self.assertLessEqual(named, 3)

    def test_noise_is_the_farther_end(self):
        self.assertAlmostEqual(stats.noise([1.0] * 9), 0)
        self.assertAlmostEqual(stats.noise([0.8] * 9), stats.noise([1.25] * 9))
        for one_sided in ([1.0, 1.25] * 10, [1.0, 0.8] * 10):
            self.assertAlmostEqual(stats.noise(one_sided), stats.noise([1.25] * 9))


class Histograms(unittest.TestCase):
    def test_percentiles(self):
        h = [[10, 900], [20, 90], [50, 9], [400, 1]]
        self.assertEqual(stats.percentiles(h), {"p50": 10, "p90": 10, "p99": 20, "p99.9": 50, "max": 400})
        self.assertEqual(stats.percentile(h, 90.0), 10)
        self.assertEqual(stats.percentiles([h[3], h[0], h[2], h[1]]), stats.percentiles(h))

    def test_percents_are_exact(self):
        # 99.9 * 10000 / 100 is a little more than 9990 in floating point for some totals.
        for total in range(1000, 200000, 1000):
            h = [[1, total - total // 1000], [2, total // 1000]]
            self.assertEqual(stats.percentile(h, "99.9"), 1, total)
            self.assertEqual(stats.percentile(h, 99.9), 1, total)

    def test_order_and_empty_buckets_do_not_matter(self):
        self.assertEqual(stats.percentiles([[7, 1], [3, 0], [9, 0]]), dict.fromkeys(stats.PERCENTILES, 7))

    def test_nothing_has_no_percentiles(self):
        self.assertEqual(stats.percentiles([]), dict.fromkeys(stats.PERCENTILES))
        self.assertEqual(stats.percentiles([[3, 0]]), dict.fromkeys(stats.PERCENTILES))

    def test_merge(self):
        a, b = [[1, 2], [4, 1]], [[2, 5], [4, 3]]
        self.assertEqual(stats.merge([a, b]), [[1, 2], [2, 5], [4, 4]])
        self.assertEqual((a, b), ([[1, 2], [4, 1]], [[2, 5], [4, 3]]))
        self.assertEqual(stats.merge([]), [])

    def test_any_histogram(self):
        draw, steps = tap.property_test(300)
        for _ in range(steps):
            values = [draw.randrange(1, 60) for _ in range(draw.randrange(1, 400))]
            cut = draw.randrange(len(values) + 1)
            parts = [[[v, part.count(v)] for v in set(part)] for part in (values[:cut], values[cut:])]
            whole = stats.merge(parts)
            values.sort()
            self.assertEqual(sum(c for _, c in whole), len(values))
            for per_mille in (1, 500, 900, 990, 999, 1000):
                naive = next(v for i, v in enumerate(values, 1) if 1000 * i >= per_mille * len(values))
                self.assertEqual(stats.percentile(whole, f"{per_mille / 10}"), naive)

    def test_any_interval(self):
        draw, steps = tap.property_test(60)
        for _ in range(steps):
            values = [draw.lognormvariate(0, 1) for _ in range(draw.randrange(1, 40))]
            i = stats.interval(values, 200)
            q = stats.quartiles(values)
            self.assertTrue(min(values) <= i.low <= i.median <= i.high <= max(values))
            self.assertTrue(min(values) <= q.low <= q.median <= q.high <= max(values))
            self.assertEqual(i.median, q.median)
            doubled = stats.interval([2 * v for v in values], 200)
            self.assertEqual(doubled, tuple(2 * v for v in i))


class Pair(unittest.TestCase):
    """bench/pair.py, with programs that are made up."""

    def run_pair(self, new, *args, starts=8):
        with tempfile.TemporaryDirectory() as tmp:
            for name, ns in (("old", 100), ("new", new)):
                (pathlib.Path(tmp) / name).write_text(json.dumps({"bench": "x", "size": 64, "median": ns}) + "\n")
            argv = [sys.executable, PAIR, f"cat {tmp}/old", f"cat {tmp}/new", "--starts", str(starts), *args]
            return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def test_words(self):
        for new, starts, word in ((90, 8, "faster"), (110, 8, "slower"), (100, 8, "none"), (100.5, 8, "none"),
                                  (110, 5, "none")):
            head, row = self.run_pair(new, starts=starts).splitlines()
            self.assertTrue(head.startswith("case "))
            self.assertTrue(row.startswith("x 64 ") and row.endswith("  " + word), row)
            self.assertIn(f"{new / 100:.3f} [{new / 100:.3f}..{new / 100:.3f}]  1.000 [1.000..1.000]", row)

    def test_json(self):
        self.assertEqual(json.loads(self.run_pair(90, "--json")), {"starts": 8, "cases": [
            {"case": "x 64", "old": 100, "new": 90, "ratio": [0.9] * 3, "noise": [1.0] * 3}]})


if __name__ == "__main__":
    tap.main()
