#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""nethv_bench/search.py on systems that are made up: what they bear is known, and no time passes."""
import dataclasses
import json
import math
import random
import unittest
from fractions import Fraction

import tap
from nethv_bench.search import (CSIT, RFC2544, SHORT, Bound, Budget, Goal, Outcome, Trial, address_capacity,
                                back_to_back, binary_search, by_load, classify, conditional_throughput, exceed_ratios,
                                mlrsearch, relevant_bounds, stages)

MIN, MAX = 1000, 14_000_000
SEEDS = 200


class System:
    """Forwards @capacity frames/s and drops the rest. @jitter: how much less that is in one trial, a normal
    distribution's half; @noise: part of the trials that the host disturbs, whatever their load; @generator:
    frames/s that can be sent; @collapse: what is lost of the capacity for each time that it is offered more than
    once, or gained, if less than 0."""

    def __init__(self, capacity, seed=0, jitter=0.0, noise=0.0, generator=1e12, collapse=0.0):
        self.capacity, self.jitter, self.noise = capacity, jitter, noise
        self.generator, self.collapse = generator, collapse
        self.draw, self.trials = random.Random(seed), []

    def forwarded(self, sent, seconds):
        can = self.capacity * seconds * (1 - abs(self.draw.gauss(0, self.jitter)))
        return sent if sent <= can else max(0, int(can - self.collapse * (sent - can)))

    def __call__(self, load, seconds):
        offered = round(load * seconds)
        sent = min(offered, round(self.generator * seconds))
        received = self.forwarded(sent, seconds)
        if self.draw.random() < self.noise:
            received = int(received * self.draw.uniform(0.7, 0.98))
        self.trials.append(Trial(load, seconds, sent, offered - sent, received))
        return self.trials[-1]


def lossy(load, seconds, percent):
    """A trial that loses so much."""
    return Trial(load, seconds, 1000 * 100, 0, round(1000 * (100 - percent)))


class Trials(unittest.TestCase):
    def test_loss_ratio(self):
        self.assertEqual(Trial(1000, 1, 1000, 0, 990).loss_ratio, 0.01)
        self.assertEqual(Trial(1000, 1, 1000, 0, 990).forwarding_rate, 990)
        self.assertEqual(Trial(1000, 2, 1999, 0, 1999).forwarding_rate, 1000)

    def test_unsent_frames_are_lost(self):
        t = Trial(1000, 1, 600, 400, 600)
        self.assertEqual(t.loss_ratio, 0.4)
        self.assertEqual(t.forwarding_rate, 600)

    def test_nothing_offered_is_all_lost(self):
        self.assertEqual(Trial(1000, 1, 0, 0, 0).loss_ratio, 1)

    def test_goals_that_make_no_sense(self):
        for wrong in ({"loss_ratio": 1}, {"loss_ratio": -0.1}, {"exceed_ratio": 1}, {"width": 0},
                      {"initial_seconds": 2, "final_seconds": 1}, {"final_seconds": 5, "sum_seconds": 1},
                      {"initial_seconds": 0}):
            with self.subTest(wrong), self.assertRaises(ValueError):
                Goal("x", **wrong)

    def test_presets(self):
        self.assertEqual([(g.name, g.loss_ratio) for g in SHORT], [("NDR", 0), ("PDR", 0.005)])
        self.assertEqual([(g.name, g.loss_ratio) for g in CSIT], [("NDR", 0), ("PDR", 0.005)])
        for g in CSIT:
            self.assertEqual((g.initial_seconds, g.final_seconds, g.sum_seconds, g.width, g.exceed_ratio),
                             (1, 1, 21, 0.005, 0.5))
        g, = RFC2544
        self.assertEqual((g.final_seconds, g.sum_seconds, g.loss_ratio, g.exceed_ratio), (60, 60, 0, 0))


class LoadClassification(unittest.TestCase):
    """The draft's appendix "Example Search": four goals, and what each says of one load at six moments."""
    GOALS = [Goal(name, loss, exceed, 0.01, 1, final, total) for name, final, total, loss, exceed in (
        ("RFC2544", 60, 60, 0, 0), ("TST009", 60, 120, 0, 0.5), ("1s final", 1, 120, 0.005, 0.5),
        ("20% exceed", 60, 60, 0.005, 0.2))]
    ADDED = [(59, 1, 0), (1, 1, 1), (59, 1, 1), (1, 1, 0), (1, 60, 0.1), (1, 60, 0)]
    # Optimistic and pessimistic exceed ratio in percent.
    RATIOS = [
        [(0, 100), (0, 100), (0, 50.833), (0, 100)],
        [(1.667, 100), (0, 100), (0.833, 50.833), (0, 100)],
        [(100, 100), (0.833, 100), (50, 50.833), (75.417, 100)],
        [(100, 100), (0, 100), (50, 50), (75, 100)],
        [(100, 100), (50, 100), (33.333, 33.333), (42.857, 42.857)],
        [(66.667, 66.667), (50, 50), (25, 25), (27.273, 27.273)],
    ]
    # The draft's tables say "Lower Bound" in the last column of points 5 and 6, beside exceed ratios of 43 % and 27 %,
    # which are more than 20 %. Its code, which is what counts, says upper bound.
    BOUNDS = ["????", "U???", "U??U", "U?LU", "U?LU", "ULLU"]
    LETTERS = {Bound.UPPER: "U", Bound.LOWER: "L", Bound.UNDECIDED: "?"}

    def points(self):
        trials = []
        for point, (n, seconds, percent) in enumerate(self.ADDED):
            trials += [lossy(1_000_000, seconds, percent)] * n
            yield point, trials

    def test_example_search(self):
        for point, trials in self.points():
            self.assertEqual("".join(self.LETTERS[classify(g, trials)] for g in self.GOALS), self.BOUNDS[point],
                             f"point {point + 1}")
            for goal, want in zip(self.GOALS, self.RATIOS[point]):
                for got, percent in zip(exceed_ratios(goal, trials), want):
                    self.assertAlmostEqual(100 * got, percent, 3, f"point {point + 1}, {goal.name}")

    def test_example_throughput(self):
        *_, (_, trials) = self.points()
        got = [conditional_throughput(g, 1_000_000, trials) for g in self.GOALS[1:]]
        self.assertEqual([round(n) for n in got], [1_000_000, 1_000_000, 999_000])

    def test_throughput_counts_missing_seconds_as_lost(self):
        goal = Goal("x", 0, 0.5, 0.01, 1, 1, 10)
        self.assertEqual(conditional_throughput(goal, 1000, [lossy(1000, 1, 0)] * 4), 0)
        self.assertEqual(conditional_throughput(goal, 1000, [lossy(1000, 1, 0)] * 5), 1000)
        self.assertEqual(conditional_throughput(goal, 1000, []), 0)

    def test_no_trials_is_undecided(self):
        for goal in (*SHORT, *CSIT, *RFC2544):
            self.assertEqual(classify(goal, []), Bound.UNDECIDED)

    def test_sums_of_tenths(self):
        """0.1 + 0.2 is more than 0.3 in floating point: half of the trials are lossy, no more."""
        goal = Goal("x", 0, 0.5, 0.01, 0.1, 0.1, 0.6)
        trials = [lossy(1, 0.1, 0)] * 3 + [lossy(1, 0.1, 1)] * 3
        self.assertEqual(classify(goal, trials), Bound.LOWER)

    def test_loss_inversion(self):
        """An upper bound stands, whatever loads above it say."""
        goal = Goal("x", sum_seconds=0.5)
        loads = by_load([lossy(100, 0.5, 0), lossy(200, 0.5, 1), lossy(300, 0.5, 0), lossy(400, 0.5, 1)])
        self.assertEqual(relevant_bounds(goal, loads), (100, 200))
        self.assertEqual(relevant_bounds(goal, {300: loads[300]}), (300, None))
        self.assertEqual(relevant_bounds(goal, {n: loads[n] for n in (200, 300)}), (None, 200))

    def test_stages_end_with_the_goal(self):
        for goal in (*SHORT, *CSIT, *RFC2544):
            way = stages(goal)
            self.assertEqual(way[-1], goal)
            for a, b in zip(way, way[1:]):
                self.assertGreater(a.width, b.width)
                self.assertLess(a.sum_seconds, b.sum_seconds)
                self.assertLessEqual(a.final_seconds, b.final_seconds)
        self.assertEqual(stages(Goal("x", sum_seconds=0.5)), [Goal("x", sum_seconds=0.5)])


class Mlr(unittest.TestCase):
    def assert_found(self, result, name, capacity):
        """Bounds of @name hold @capacity between them, the goal's width apart; frames are whole, so by 2 frames/s."""
        g = result[name]
        self.assertEqual((g.outcome, g.by, result.spent), (Outcome.REGULAR, g.goal, ""))
        self.assertLessEqual(g.lower, capacity + 2)
        self.assertGreater(g.upper, capacity - 2)
        self.assertLessEqual(g.upper - g.lower, g.goal.width * g.upper)

    def test_deterministic_capacity(self):
        for goals in (SHORT, CSIT):
            for capacity in (20_000, 40_000, 999_983, 5_555_555, 13_800_000):
                for collapse in (0, 0.1, 1):
                    with self.subTest(capacity=capacity, collapse=collapse):
                        r = mlrsearch(System(capacity, collapse=collapse), MIN, MAX, goals)
                        self.assert_found(r, "NDR", capacity)
                        # What loses 0.5 % is a load a little above the capacity; how much the collapse says.
                        over = next(k / 1e5 for k in range(1000) if System(1e9, collapse=collapse)(
                            round(1e9 * (1 + k / 1e5)), 1).loss_ratio > 0.005)
                        self.assert_found(r, "PDR", capacity * (1 + over))
                        self.assertEqual(r["NDR"].throughput, r["NDR"].lower)

    def test_rfc2544(self):
        r = mlrsearch(System(3_000_000), MIN, MAX, RFC2544)
        self.assert_found(r, "throughput", 3_000_000)
        g = r["throughput"]
        self.assertEqual(g.throughput, g.lower)
        self.assertEqual([t.seconds for t in r.trials if t.load == g.lower][-1], 60)
        self.assertLessEqual(sum(t.seconds for t in r.trials), 300)

    def test_loads_of_a_few_frames(self):
        """Bounds are never less than a frame/s apart, and a step is never less, up or down."""
        goal = Goal("x", width=0.001, initial_seconds=10, final_seconds=10, sum_seconds=70)
        for capacity in range(3, 100):
            for collapse in (0, 0.3, -0.3):
                g = mlrsearch(System(capacity, collapse=collapse), 2, 100, [goal], Budget(seconds=math.inf)).goals[0]
                self.assertEqual((g.outcome, g.lower, g.upper), (Outcome.REGULAR, capacity, capacity + 1))
        for seed in range(50):
            r = mlrsearch(System(50, seed, noise=0.3), 2, 100, [goal], Budget(seconds=math.inf))
            self.assertEqual((r.goals[0].outcome, r.spent), (Outcome.REGULAR, ""), seed)

    def test_throughput_is_without_the_loss(self):
        def three_per_mille(load, seconds):
            n = round(load * seconds)
            return Trial(load, seconds, n, 0, n - math.ceil(n * (0.003 if load <= 2_000_000 else 0.1)))
        g = mlrsearch(three_per_mille, MIN, MAX)["PDR"]
        self.assertAlmostEqual(g.throughput / g.lower, 0.997, 5)

    def test_all_trials_are_kept_but_the_first(self):
        system = System(1_000_000)
        r = mlrsearch(system, MIN, MAX)
        self.assertEqual([r.warmup, *r.trials], system.trials)
        self.assertEqual((r.warmup.load, r.trials[0].load), (MAX, MAX))

    def test_a_bad_first_trial_does_no_harm(self):
        class Cold(System):
            def forwarded(self, sent, seconds):
                return super().forwarded(sent, seconds) if self.trials else 0
        system = Cold(MAX * 2)
        self.assertEqual(mlrsearch(system, MIN, MAX)["NDR"].outcome, Outcome.MAX_CLEAN)
        self.assertEqual(system.trials[0].received, 0)

    def test_clean_at_the_maximum(self):
        for goals in (SHORT, CSIT, RFC2544):
            r = mlrsearch(System(MAX), MIN, MAX, goals)
            for g in r.goals:
                self.assertEqual((g.outcome, g.lower, g.upper, g.throughput), (Outcome.MAX_CLEAN, MAX, None, MAX))
            self.assertEqual({t.load for t in r.trials}, {MAX})

    def test_lossy_at_the_minimum(self):
        for capacity in (0, MIN // 2):
            for g in mlrsearch(System(capacity), MIN, MAX).goals:
                self.assertEqual((g.outcome, g.lower, g.upper, g.throughput), (Outcome.MIN_LOSSY, None, MIN, None))

    def test_one_goal_may_end_otherwise_than_another(self):
        def always_a_little(load, seconds):
            return Trial(load, seconds, round(load * seconds), 0, math.floor(load * seconds * 0.997))
        r = mlrsearch(always_a_little, MIN, MAX)
        self.assertEqual(r["NDR"].outcome, Outcome.MIN_LOSSY)
        self.assertEqual((r["PDR"].outcome, r["PDR"].lower), (Outcome.MAX_CLEAN, MAX))
        self.assertAlmostEqual(r["PDR"].throughput, MAX * 0.997, -3)

    def test_a_slow_generator_is_not_a_fast_system(self):
        r = mlrsearch(System(9_000_000, generator=2_000_000), MIN, MAX)
        self.assert_found(r, "NDR", 2_000_000)
        self.assertGreater(r.trials[0].unsent, 0)

    def test_noisy_capacity(self):
        for seed in range(50):
            for g in mlrsearch(System(4_000_000, seed, jitter=0.01), MIN, MAX).goals:
                self.assertEqual(g.outcome, Outcome.REGULAR)
                # Half of the trials are above 1 - 0.67 sigma; no trial is above 1.
                self.assertTrue(0.96 * 4_000_000 < g.lower < 1.006 * 4_000_000, f"seed {seed}: {g}")

    def test_budget_of_trials(self):
        for n in range(1, 12):
            system = System(1_000_000, collapse=0.2)
            r = mlrsearch(system, MIN, MAX, CSIT, Budget(trials=n))
            self.assertEqual((len(system.trials), r.spent), (n, "trials"))
            self.assertEqual(len(r.trials), n - 1)
            for g in r.goals:
                self.assertEqual(g.outcome, Outcome.BUDGET)
        self.assertEqual(mlrsearch(System(1_000_000), MIN, MAX, SHORT, Budget(trials=0)).goals[0].lower, None)

    def test_budget_ends_with_what_is_known(self):
        r = mlrsearch(System(1_000_000, collapse=0.2), MIN, MAX, CSIT, Budget(seconds=18))
        self.assertEqual(r.spent, "seconds")
        self.assertLessEqual(1 + sum(t.seconds for t in r.trials), 18)
        for g in r.goals:
            self.assertEqual(g.outcome, Outcome.BUDGET)
            self.assertNotEqual(g.by, g.goal)
            self.assertEqual(relevant_bounds(g.by, by_load(r.trials)), (g.lower, g.upper))
            self.assertTrue(0.9 * 1_000_000 < g.lower < g.upper < 1.1 * 1_000_000, g)
            self.assertEqual(g.throughput, conditional_throughput(g.by, g.lower, by_load(r.trials)[g.lower]))

    def test_budget_leaves_something_for_each_goal(self):
        goals = [Goal("none", 0.0, sum_seconds=20), Goal("half", 0.5, sum_seconds=20)]
        for order in (goals, goals[::-1]):
            r = mlrsearch(System(1_000_000), MIN, MAX, order, Budget(seconds=20))
            for name, bears in (("none", 1_000_000), ("half", 2_000_000)):
                self.assertTrue(0.95 * bears < r[name].lower < r[name].upper < 1.05 * bears, r[name])

    def test_budget_by_a_clock(self):
        """Trials of 0.5 s that take 3."""
        system = System(1_000_000)
        r = mlrsearch(system, MIN, MAX, SHORT, Budget(seconds=20, clock=lambda: 100.0 + 3 * len(system.trials)))
        self.assertEqual((len(system.trials), r.spent), (7, "seconds"))

    def test_enough_budget_says_nothing(self):
        need = len(mlrsearch(System(1_000_000), MIN, MAX).trials) + 1
        self.assertEqual(mlrsearch(System(1_000_000), MIN, MAX, SHORT, Budget(trials=need)).spent, "")
        self.assertEqual(mlrsearch(System(1_000_000), MIN, MAX, SHORT, Budget(trials=need - 1)).spent, "trials")

    def test_a_trial_that_is_not_what_was_asked_for(self):
        with self.assertRaisesRegex(ValueError, "asked for"):
            mlrsearch(lambda load, seconds: Trial(load, seconds * 0.999, 1, 0, 1), MIN, MAX)
        with self.assertRaisesRegex(ValueError, "minimum < maximum"):
            mlrsearch(System(1), MAX, MIN)
        with self.assertRaisesRegex(ValueError, "1 <= minimum"):
            mlrsearch(System(1), 0, MAX)

    def test_results_can_be_written_as_json(self):
        r = mlrsearch(System(1_000_000), MIN, MAX)
        again = json.loads(json.dumps(dataclasses.asdict(r)))
        self.assertEqual(again["goals"][0]["outcome"], "regular")
        self.assertEqual(Trial(**again["trials"][3]), r.trials[3])


class Binary(unittest.TestCase):
    def test_deterministic_capacity(self):
        for capacity in (1500, 40_000, 999_983, 13_800_000):
            system = System(capacity)
            r = binary_search(system, MIN, MAX, 1.0, width=0.001)
            self.assertEqual((r.outcome, r.trials, r.spent), (Outcome.REGULAR, system.trials, ""))
            self.assertTrue(r.lower <= capacity < r.upper, r)
            self.assertLessEqual(r.upper - r.lower, max(1, 0.001 * r.upper))
            self.assertLessEqual(len(r.trials), 2 + math.log2(MAX / (0.001 * capacity)) + 1)

    def test_loads_of_a_few_frames(self):
        for capacity in range(10, 40):
            r = binary_search(System(capacity), 10, 40, 1.0, width=0.001)
            self.assertEqual((r.outcome, r.lower, r.upper), (Outcome.REGULAR, capacity, capacity + 1))
            self.assertLess(len(r.trials), 8)

    def test_width_is_of_the_upper_bound(self):
        self.assertEqual(len(binary_search(System(150), 100, 199, 1.0, width=0.5).trials), 2)
        self.assertEqual(len(binary_search(System(150), 100, 202, 1.0, width=0.5).trials), 3)

    def test_loss_ratio(self):
        r = binary_search(System(1_000_000), MIN, MAX, 1.0, loss_ratio=0.5, width=0.001)
        self.assertAlmostEqual(r.lower / 2_000_000, 1, 2)

    def test_irregular(self):
        r = binary_search(System(MAX), MIN, MAX, 1.0)
        self.assertEqual((r.outcome, r.lower, r.upper, len(r.trials)), (Outcome.MAX_CLEAN, MAX, None, 1))
        r = binary_search(System(MIN - 1), MIN, MAX, 1.0)
        self.assertEqual((r.outcome, r.lower, r.upper, len(r.trials)), (Outcome.MIN_LOSSY, None, MIN, 2))

    def test_unsent(self):
        r = binary_search(System(9_000_000, generator=2_000_000), MIN, MAX, 1.0)
        self.assertTrue(r.lower <= 2_000_000 < r.upper, r)

    def test_budget(self):
        for n, lower, upper in ((0, None, None), (1, None, MAX), (2, MIN, MAX), (4, MIN, (MAX + 3 * MIN) // 4)):
            r = binary_search(System(1_000_000), MIN, MAX, 1.0, budget=Budget(trials=n))
            self.assertEqual((r.outcome, r.spent, r.lower, r.upper), (Outcome.BUDGET, "trials", lower, upper))
        r = binary_search(System(1_000_000), MIN, MAX, 60.0, budget=Budget(seconds=200))
        self.assertEqual((len(r.trials), r.spent), (3, "seconds"))

    def lose_first(self, n):
        """The first @n trials of each load below 1,000,000 are lossy."""
        seen = {}

        def trial(load, seconds):
            seen[load] = seen.get(load, 0) + 1
            bad = load > 1_000_000 or seen[load] <= n
            return Trial(load, seconds, 1000, 0, 900 if bad else 1000)
        return trial, seen

    def test_one_clean_repeat_is_a_pass(self):
        trial, seen = self.lose_first(2)
        r = binary_search(trial, MIN, MAX, 1.0, max_repeat=2)
        self.assertEqual(r.outcome, Outcome.REGULAR)
        self.assertTrue(r.lower <= 1_000_000 < r.upper, r)
        self.assertEqual(set(seen.values()), {3})
        self.assertEqual(binary_search(self.lose_first(2)[0], MIN, MAX, 1.0, max_repeat=1).outcome, Outcome.MIN_LOSSY)

    def test_a_pass_is_not_repeated(self):
        trial, seen = self.lose_first(0)
        r = binary_search(trial, MIN, MAX, 1.0, max_repeat=3)
        self.assertTrue(all(seen[n] == (4 if n > 1_000_000 else 1) for n in seen), seen)
        self.assertEqual(len(r.trials), sum(seen.values()))

    def test_gross_loss_is_not_repeated(self):
        trial, seen = self.lose_first(0)
        binary_search(trial, MIN, MAX, 1.0, max_repeat=3, gross_loss=0.05)
        self.assertEqual(set(seen.values()), {1})


class HostNoise(unittest.TestCase):
    """One trial in ten loses frames because of the host, whatever the load. How often a search then ends 5 % and more
    below what the system bears, of 200."""
    CAPACITY, NOISE = 1_000_000, 0.1

    def far_below(self, find):
        lows = [find(System(self.CAPACITY, seed, noise=self.NOISE, collapse=0.1)) for seed in range(SEEDS)]
        self.assertLess(max(n or 0 for n in lows), 1.01 * self.CAPACITY)
        return sum((n or 0) < 0.95 * self.CAPACITY for n in lows)

    def test_plain_binary_search_falls(self):
        n = self.far_below(lambda s: binary_search(s, MIN, MAX, 1.0).lower)
        self.assertGreater(n, SEEDS * 0.1)

    def test_loss_verification_does_not(self):
        n = self.far_below(lambda s: binary_search(s, MIN, MAX, 1.0, max_repeat=2).lower)
        self.assertLess(n, SEEDS * 0.02)

    def test_exceed_ratio_does_not(self):
        for goals, most in ((SHORT, 0.02), (CSIT, 0)):
            for name in ("NDR", "PDR"):
                n = self.far_below(lambda s: mlrsearch(s, MIN, MAX, goals)[name].lower)
                self.assertLessEqual(n, SEEDS * most, name)

    def test_it_is_the_exceed_ratio(self):
        strict = [dataclasses.replace(g, exceed_ratio=0.0) for g in SHORT]
        n = self.far_below(lambda s: mlrsearch(s, MIN, MAX, strict)["NDR"].lower)
        self.assertGreater(n, SEEDS * 0.2)


class Bursts(unittest.TestCase):
    """A buffer of 1024 frames that drains at 6,000,000 frames/s and fills at 10,000,000."""
    RATE, LINE = 6_000_000, 10_000_000

    @staticmethod
    def holds(longest):
        return lambda n: min(n, longest)

    def test_longest_burst(self):
        for longest in (1, 2, 2559, 2560, 99_999):
            r = back_to_back(self.holds(longest), 100_000, self.RATE, self.LINE, searches=3)
            self.assertEqual((r.outcome, r.lengths), (Outcome.REGULAR, [longest] * 3))
            self.assertEqual((r.average, r.min, r.max, r.stdev), (longest, longest, longest, 0))

    def test_buffer_time(self):
        r = back_to_back(self.holds(2560), 100_000, self.RATE, self.LINE)
        self.assertAlmostEqual(r.implied_buffer_seconds, 256e-6)
        # The buffer itself: 1024 frames at the line's rate.
        self.assertAlmostEqual(r.corrected_buffer_seconds, 1024 / self.LINE)

    def test_statistics_over_searches(self):
        now = {"bursts": 0}

        def burst(n):
            now["bursts"] += 1
            return min(n, 1000 if now["bursts"] <= 15 else 1100)
        r = back_to_back(burst, 2 ** 14, self.RATE, self.LINE, searches=2)
        self.assertEqual(r.lengths, [1000, 1100])
        self.assertEqual((r.average, r.min, r.max), (1050, 1000, 1100))
        self.assertAlmostEqual(r.stdev, 70.71, 2)
        self.assertEqual(len(r.bursts), now["bursts"])
        self.assertEqual(r.bursts[0], (2 ** 14, 1000))

    def test_step(self):
        r = back_to_back(self.holds(2560), 100_000, self.RATE, self.LINE, searches=1, step=64)
        self.assertTrue(2560 - 64 < r.average <= 2560, r)
        self.assertLess(len(r.bursts), 14)

    def test_loss_verification(self):
        draw = random.Random(3)

        def burst(n):
            return min(n, 2560) - (draw.random() < 0.1)
        plain = back_to_back(burst, 100_000, self.RATE, self.LINE, searches=50)
        verified = back_to_back(burst, 100_000, self.RATE, self.LINE, searches=50, max_repeat=3)
        self.assertGreater(sum(n < 2560 for n in plain.lengths), 10)
        self.assertLess(sum(n < 2560 for n in verified.lengths), 3)

    def test_irregular(self):
        r = back_to_back(self.holds(10 ** 9), 100_000, self.RATE, self.LINE)
        self.assertEqual((r.outcome, r.lengths), (Outcome.MAX_CLEAN, [100_000] * 10))
        r = back_to_back(self.holds(0), 100_000, self.RATE, self.LINE)
        self.assertEqual((r.outcome, r.average), (Outcome.MIN_LOSSY, 0))
        r = back_to_back(self.holds(5), 100_000, self.LINE, self.LINE)
        self.assertEqual((r.outcome, r.lengths, r.bursts, r.average), (Outcome.LINE_RATE, [], [], None))
        self.assertEqual((r.stdev, r.min, r.max, r.corrected_buffer_seconds), (None,) * 4)


class Addresses(unittest.TestCase):
    def test_exact(self):
        for size in (1, 2, 3, 1023, 1024, 1025, 65_535, 65_536):
            for initial in (1, 1000, 65_536):
                r = address_capacity(lambda n: n <= size, 65_537, initial)
                self.assertEqual((r.addresses, r.outcome), (size, Outcome.REGULAR))

    def test_does_not_begin_with_a_full_table(self):
        r = address_capacity(lambda n: n <= 3000, 10 ** 9)
        self.assertEqual(r.addresses, 3000)
        self.assertLess(max(n for n, _ in r.tried), 6000)

    def test_begins_where_it_is_expected(self):
        for size in (1, 2, 999, 1000, 1001, 1002, 3000, 5000):
            for guess in (1, 1000, 5000, 9999):
                r = address_capacity(lambda n: n <= size, 5000, guess=guess)
                end = Outcome.MAX_CLEAN if size == 5000 else Outcome.REGULAR
                self.assertEqual((r.addresses, r.outcome), (size, end), (size, guess))
        self.assertEqual([n for n, _ in address_capacity(lambda n: n <= 1001, 5000, guess=1000).tried], [1000, 1001, 1002])
        self.assertEqual(address_capacity(lambda n: False, 5000, guess=1000).outcome, Outcome.MIN_LOSSY)

    def test_irregular(self):
        r = address_capacity(lambda n: True, 5000)
        self.assertEqual((r.addresses, r.outcome), (5000, Outcome.MAX_CLEAN))
        self.assertEqual(r.tried[-1], (5000, True))
        r = address_capacity(lambda n: True, 50, initial=100)
        self.assertEqual((r.addresses, r.tried), (50, [(50, True)]))
        r = address_capacity(lambda n: False, 5000)
        self.assertEqual((r.addresses, r.outcome), (0, Outcome.MIN_LOSSY))


def naive_classify(goal, trials):
    """The draft's "Load Classification Logic", step by step and in fractions."""
    def lost_too_much(t):
        offered = t.sent + t.unsent
        return offered == 0 or offered - t.received > Fraction(str(goal.loss_ratio)) * offered

    def total(full, high):
        return sum(Fraction(str(t.seconds)) for t in trials
                   if (t.seconds >= goal.final_seconds) == full and lost_too_much(t) == high)
    exceed = Fraction(str(goal.exceed_ratio))
    balancing = total(False, False) * (exceed / (1 - exceed))
    effective_high = total(True, True) + max(0, total(False, True) - balancing)
    effective_full = effective_high + total(True, False)
    whole = max(effective_full, Fraction(str(goal.sum_seconds)))
    missing = whole - effective_full
    if effective_high / whole > exceed:
        return Bound.UPPER
    return Bound.LOWER if (effective_high + missing) / whole <= exceed else Bound.UNDECIDED


class AnySystem(unittest.TestCase):
    """Properties of every search, whatever the system."""

    @staticmethod
    def goal(draw, name):
        initial, longer, more = draw.randint(1, 10), draw.randint(0, 10), draw.randint(0, 40)
        return Goal(name, draw.choice((0.0, 0.0, 0.001, 0.005, 0.1)), draw.choice((0.0, 0.2, 0.5, 0.7)),
                    draw.choice((0.002, 0.01, 0.05, 0.2)), initial / 10, (initial + longer) / 10,
                    (initial + longer + more) / 10)

    @staticmethod
    def system(draw, limits):
        capacity = draw.choice((draw.randint(*limits), limits[0], limits[1], limits[1] * 2, limits[0] // 2))
        return System(capacity, draw.randrange(1 << 30), draw.choice((0, 0, 0.001, 0.03)),
                      draw.choice((0, 0, 0.1, 0.5)), draw.choice((1e12, limits[1] / 2)), draw.choice((0, 0.1, 1, -0.1)))

    def bounds(self, g, r, limits):
        """What was found follows from all trials, and from them only."""
        of = {load: naive_classify(g.by, [t for t in r.trials if t.load == load])
              for load in {t.load for t in r.trials}}
        uppers = [n for n in of if of[n] == Bound.UPPER]
        self.assertEqual(g.upper, min(uppers, default=None))
        self.assertEqual(g.lower, max((n for n in of if of[n] == Bound.LOWER and n < (g.upper or math.inf)),
                                      default=None))
        if g.outcome != Outcome.BUDGET:
            self.assertEqual(g.by, g.goal)
        self.assertEqual(g.outcome == Outcome.MAX_CLEAN, (g.lower, g.upper, g.by) == (limits[1], None, g.goal))
        self.assertEqual(g.outcome == Outcome.MIN_LOSSY, (g.lower, g.upper, g.by) == (None, limits[0], g.goal))
        if g.outcome == Outcome.REGULAR:
            self.assertTrue(limits[0] <= g.lower < g.upper <= limits[1])
            self.assertLessEqual(g.upper - g.lower, max(1, g.goal.width * g.upper))

    def throughput(self, g):
        if g.lower is None:
            self.assertIsNone(g.throughput)
        else:
            self.assertLessEqual(g.throughput, g.lower)
            self.assertGreaterEqual(g.throughput, g.lower * (1 - g.goal.loss_ratio) - 1)

    def mlr(self, draw):
        low = draw.choice((1, 1000, draw.randint(1, 10 ** 6)))
        limits = low, low + draw.choice((1, 10, 10 ** 4, 10 ** 7))
        system = self.system(draw, limits)
        goals = [self.goal(draw, name) for name in "abc"[:draw.randint(1, 3)]]
        budget = Budget(draw.choice((10, 100, 5000)), draw.choice((20, 10 ** 6)))
        r = mlrsearch(system, *limits, goals, budget)
        self.assertEqual([g.goal for g in r.goals], goals)
        self.assertEqual(([r.warmup] if r.warmup else []) + r.trials, system.trials)
        self.assertLessEqual(len(system.trials), budget.trials)
        self.assertLessEqual(sum(t.seconds for t in system.trials), budget.seconds + 1e-6)
        self.assertLess(len(system.trials), 5000, "does not come to an end")
        for t in system.trials:
            self.assertTrue(isinstance(t.load, int) and limits[0] <= t.load <= limits[1], t)
        for g in r.goals:
            self.bounds(g, r, limits)
            self.throughput(g)
            self.assertTrue(r.spent or g.outcome != Outcome.BUDGET)
            if system.jitter == system.noise == 0 and g.goal.loss_ratio == 0 and g.outcome == Outcome.REGULAR:
                bears = min(system.capacity, system.generator)
                # A trial has a whole number of frames.
                self.assertTrue(g.lower - 10 <= bears < g.upper + 10, (bears, g))

    def test_mlrsearch(self):
        draw, steps = tap.property_test(200)
        for _ in range(steps):
            self.mlr(draw)

    def test_same_system_same_search(self):
        draw, steps = tap.property_test(20)
        for _ in range(steps):
            seed, goals = draw.randrange(1 << 30), [self.goal(draw, "x")]
            first, again = (mlrsearch(System(10 ** 6, seed, 0.01, 0.2), MIN, MAX, goals) for _ in range(2))
            self.assertEqual(first, again)

    def test_order_of_goals(self):
        """No goal is forgotten: each ends, in whatever order they stand."""
        draw, steps = tap.property_test(20)
        for _ in range(steps):
            goals = [self.goal(draw, n) for n in "abc"]
            for order in (goals, goals[::-1]):
                r = mlrsearch(System(draw.randint(MIN, MAX // 2)), MIN, MAX, order, Budget(5000, 1e9))
                self.assertEqual({g.outcome for g in r.goals}, {Outcome.REGULAR})

    def test_binary_search(self):
        draw, steps = tap.property_test(300)
        for _ in range(steps):
            low = draw.randint(1, 10 ** 6)
            limits = low, low + draw.choice((1, 10, 10 ** 7))
            system, width = self.system(draw, limits), draw.choice((0.001, 0.02))
            r = binary_search(system, *limits, 1.0, draw.choice((0, 0.005)), width, draw.randint(0, 3))
            self.assertEqual(r.trials, system.trials)
            if r.outcome == Outcome.REGULAR:
                self.assertTrue(limits[0] <= r.lower < r.upper <= limits[1])
                self.assertLessEqual(r.upper - r.lower, max(1, width * r.upper))
            else:
                self.assertIn((r.outcome, r.lower, r.upper), ((Outcome.MAX_CLEAN, limits[1], None),
                                                              (Outcome.MIN_LOSSY, None, limits[0])))


if __name__ == "__main__":
    tap.main()
