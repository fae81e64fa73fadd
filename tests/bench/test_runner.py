#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""nethv_bench/runner.py and cases.py with systems, clocks and machines that are made up: no process is started."""
import random
import types
import unittest
from unittest import mock

import tap
from nethv_bench import cases, machine, runner, search
from nethv_bench.process import Failure

STILL = {"add": [0.7, 0.7], "line_ns": 60.0}


class Machine:
    """Clocks and stolen time as a list says: one entry for each look."""

    def __init__(self, clocks=(), stolen=()):
        self.clocks_left, self.stolen_left, self.was = list(clocks), list(stolen), 0.0

    def clocks(self, a, b):
        return self.clocks_left.pop(0) if self.clocks_left else STILL

    def steal(self):
        self.was += self.stolen_left.pop(0) if self.stolen_left else 0.0
        return self.was


def options(rounds=3):
    return types.SimpleNamespace(core_a=0, core_b=1, rounds=rounds, keep=False)


def carried_out(found, rounds=3, m=None):
    m = m or Machine()
    with mock.patch.object(machine, "clocks", m.clocks), mock.patch.object(machine, "steal", m.steal), \
            mock.patch("sys.stderr"):
        return runner.carry_out(options(rounds), found, random.Random(1))


def case_of(values, better="higher", **limits):
    """A case whose systems give the values of their lists, one a start."""
    left = {s: list(v) for s, v in values.items()}

    def measure(o, name, system, work):
        value = left[system].pop(0)
        if isinstance(value, Exception):
            raise value
        return {"value": value}
    return runner.Case("t/max/64", "t", "max", "Mpps", better, {n: n for n in values}, measure, frame=64, **limits)


class Rounds(unittest.TestCase):
    def test_each_system_is_started_once_a_round(self):
        c = case_of({"nethv": [1, 2, 3], "memif": [4, 5, 6]})
        self.assertEqual(carried_out([c]), [])
        self.assertEqual([s["value"] for s in c.starts["nethv"]], [1, 2, 3])
        self.assertEqual([s["value"] for s in c.starts["memif"]], [4, 5, 6])
        orders = sorted(s["order"] for rows in c.starts.values() for s in rows)
        self.assertEqual(orders, list(range(6)))
        for i in range(3):  # of one round
            self.assertEqual(len({c.starts["nethv"][i]["order"] // 2, c.starts["memif"][i]["order"] // 2}), 1)

    def test_a_start_during_which_a_clock_changed_is_made_again(self):
        slow = {"add": [0.7, 0.9], "line_ns": 60.0}
        c = case_of({"nethv": [1, 2]})
        gone = carried_out([c], 1, Machine(clocks=[STILL, slow]))
        self.assertEqual([s["value"] for s in c.starts["nethv"]], [2])
        self.assertEqual(gone[0]["value"], 1)
        self.assertIn("clock changed by +29 %", gone[0]["reason"])

    def test_a_start_from_which_time_was_stolen_is_made_again(self):
        c = case_of({"nethv": [1, 2]})
        gone = carried_out([c], 1, Machine(stolen=[0, 5.0]))
        self.assertEqual([s["value"] for s in c.starts["nethv"]], [2])
        self.assertIn("stolen", gone[0]["reason"])

    def test_a_start_during_which_the_cores_moved_apart_is_made_again(self):
        far = {"add": [0.7, 0.7], "line_ns": 160.0}
        c = case_of({"nethv": [1, 2]})
        gone = carried_out([c], 1, Machine(clocks=[STILL, far]))
        self.assertEqual([s["value"] for s in c.starts["nethv"]], [2])
        self.assertIn("changed from 60 to 160 ns", gone[0]["reason"])

    def test_one_that_is_always_disturbed_is_given_up(self):
        c = case_of({"nethv": [1, 2, 3, 4]})
        gone = carried_out([c], 1, Machine(stolen=[0, 5.0] * 10))
        self.assertEqual(c.starts["nethv"], [])
        self.assertEqual(len(gone), runner.AGAIN_MAX)

    def test_a_failure_is_told_and_the_others_go_on(self):
        c = case_of({"nethv": [Failure("no room"), 2], "memif": [3, 4]})
        gone = carried_out([c], 2)
        self.assertEqual(len(c.starts["nethv"]), 1)
        self.assertEqual(len(c.starts["memif"]), 2)
        self.assertEqual(gone, [{"case": "t/max/64", "system": "nethv", "reason": "failed: no room"}])


class Summaries(unittest.TestCase):
    def test_ratio_says_how_many_times_better_we_are(self):
        up = case_of({"nethv": [2, 4, 6], "memif": [1, 2, 3]})
        down = case_of({"nethv": [2, 4, 6], "memif": [1, 2, 3]}, better="lower")
        carried_out([up])
        carried_out([down])
        self.assertEqual(runner.summaries(up)[0]["systems"][1]["ratio"]["median"], 2)
        self.assertEqual(runner.summaries(down)[0]["systems"][1]["ratio"]["median"], 0.5)
        self.assertNotIn("ratio", runner.summaries(up)[0]["systems"][0])

    def test_other_figures_of_the_same_starts_are_cases(self):
        def measure(o, name, system, work):
            return {"value": 5.0, "ndr": {"value": 3.0, "outcome": "regular"}}
        c = runner.Case("t/pdr/64", "t", "pdr", "Mpps", "higher", {"nethv": "nethv"}, measure, frame=64, at_least=1.0)
        c.also("ndr", id="t/ndr/64", kind="ndr", title="n")
        carried_out([c])
        pdr, ndr = runner.summaries(c)
        self.assertEqual((pdr["id"], ndr["id"]), ("t/pdr/64", "t/ndr/64"))
        self.assertEqual((pdr["systems"][0]["median"], ndr["systems"][0]["median"]), (5, 3))
        self.assertNotIn("ndr", pdr["systems"][0]["starts"][0])
        self.assertIn("clock", ndr["systems"][0]["starts"][0])
        self.assertNotIn("at_least", ndr, "the limit of one figure is not the other's")

    def test_a_system_without_a_start_has_no_median(self):
        c = case_of({"nethv": [Failure("x")], "memif": [1]})
        carried_out([c], 1)
        ours, theirs = runner.summaries(c)[0]["systems"]
        self.assertNotIn("median", ours)
        self.assertNotIn("ratio", theirs)


class FakeGenerator:
    """A system that forwards @capacity frames/s; a trial as guest/apps/trial.h tells of it."""

    def __init__(self, capacity, corrupted=0):
        self.capacity, self.corrupted, self.orders = capacity, corrupted, []

    def trial(self, order, secs):
        self.orders.append(order)
        words = dict(w.split("=") for w in order.split())
        ms = int(words.get("ms", 200))
        offered = int(words["rate"]) * 2 * ms // 1000 if "rate" in words else int(words["count"]) * 2
        passed = offered if "count" in words else min(offered, int(self.capacity * ms / 1000))
        return {"tx_packets": offered, "unsent": 0, "rx_packets": passed, "corrupted": self.corrupted, "duplicated": 0,
                "receive_ns": passed / self.capacity * 1e9, "jitter_ns": 100, "histogram": [[1000, passed - 1], [9000, 1]]}


class LoadCases(unittest.TestCase):
    def measure(self, g):
        o = types.SimpleNamespace(goals=search.SHORT, search_s=1e9, latency_ms=100)
        return cases.Loads(o, g, 64, 1000).measure()

    def test_the_search_finds_what_the_system_forwards(self):
        got = self.measure(FakeGenerator(3_000_000))
        self.assertAlmostEqual(got["value"], 3.0, delta=0.05)
        self.assertAlmostEqual(got["ndr"]["value"], 3.0, delta=0.05)
        self.assertEqual(got["outcome"], "regular")
        self.assertGreater(len(got["trials"]), 10)

    def test_latencies_are_taken_at_parts_of_what_was_found(self):
        g = FakeGenerator(3_000_000)
        got = self.measure(g)
        for share in cases.SHARES:
            self.assertAlmostEqual(got[f"at{share}"]["load_pps"] / (got["value"] * 1e6), share / 100, delta=0.001)
            self.assertEqual(got[f"at{share}"]["quantiles"]["p50"], 1.0)
            self.assertEqual(got[f"at{share}"]["quantiles"]["max"], 9.0)
        self.assertTrue(all("flows=1000" in o and "size=64" in o for o in g.orders))

    def test_damaged_frames_are_no_figure(self):
        with self.assertRaisesRegex(Failure, "1 frames damaged"):
            self.measure(FakeGenerator(1_000_000, corrupted=1))

    def test_a_guests_own_quantiles_do(self):
        got = {f"lat_{p}_ns": 1500 for p in ("p50", "p90", "p99", "p99.9", "max")}
        self.assertEqual(cases.quantiles_us(got)["p99.9"], 1.5)


if __name__ == "__main__":
    tap.main()
