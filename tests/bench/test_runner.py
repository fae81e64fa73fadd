#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""nethv_bench/runner.py and the cases with systems, clocks and machines that are made up: no process is started."""
import contextlib
import os
import random
import tempfile
import types
import unittest
from unittest import mock

import tap
from nethv_bench import cli, loads, machine, rfc2889, rfc9004, runner, search, systems
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
    return types.SimpleNamespace(core_a=0, core_b=1, rounds=rounds, keep=False, until=None)


def carried_out(found, rounds=3, m=None):
    m = m or Machine()
    with mock.patch.object(machine, "clocks", m.clocks), mock.patch.object(machine, "steal", m.steal), \
            mock.patch("sys.stderr"):
        discarded, made = runner.carry_out(options(rounds), found, random.Random(1))
        assert made == rounds
        return discarded


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
    def test_no_round_is_begun_that_would_take_too_long(self):
        o, now, m = options(9), [0.0], Machine()
        o.until = 10

        def measure(*_):
            now[0] += 3
            return {"value": 1}
        c = runner.Case("t/max/64", "t", "max", "Mpps", "higher", {"nethv": None}, measure, frame=64)
        with mock.patch.object(machine, "clocks", m.clocks), mock.patch.object(machine, "steal", m.steal), \
                mock.patch("sys.stderr"), mock.patch("time.monotonic", lambda: now[0]):
            self.assertEqual(runner.carry_out(o, [c]), ([], 3))
        self.assertEqual(len(c.starts["nethv"]), 3)

    def test_starts_of_one_round_are_pairs(self):
        c = case_of({"nethv": [10, Failure("x"), 30], "memif": [1, 2, 3]})
        carried_out([c])
        memif = next(s for s in runner.summaries(c)[0]["systems"] if s["system"] == "memif")
        self.assertEqual(memif["ratio"]["low"], 10)
        self.assertEqual(memif["ratio"]["high"], 10)

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
    """A system that forwards @capacity frames/s and keeps @buffer more (None: its sender waits); a trial as
    guest/apps/trial.h tells of it."""

    def __init__(self, capacity, corrupted=0, buffer=None, tells_rows=True):
        self.capacity, self.corrupted, self.buffer, self.tells_rows = capacity, corrupted, buffer, tells_rows
        self.orders, self.rows = [], []

    def passes(self, words, offered, seconds):
        if "rate" in words:
            return min(offered, int(self.capacity * seconds))
        if "window" in words or self.buffer is None:
            return offered
        return min(offered, self.buffer)

    def trial(self, order, secs):
        self.orders.append(order)
        words = dict(w.split("=") for w in order.split())
        if "show" in words:
            return self.shown(int(words["show"]))
        ways, seconds = 1 + int(words["both"]), int(words.get("ms", 200)) / 1000
        offered = ways * (int(int(words["rate"]) * seconds) if "rate" in words else int(words["count"]))
        passed = self.passes(words, offered, seconds)
        got = {"tx_packets": offered, "unsent": 0, "rx_packets": passed, "corrupted": self.corrupted, "duplicated": 0,
               "receive_ns": passed / self.capacity * 1e9, "send_ns": offered / 20e6 * 1e9, "jitter_ns": 100,
               "histogram": [[1000, passed - 1], [9000, 1]]}
        if "rows" in words:
            n = int(seconds)
            self.rows = [[offered // n, offered // n - (i == 2) * 50, 9000 + i] for i in range(n)] + [[2, 1, 9100]]
            got["rx_packets"] -= 51
        if self.tells_rows:
            got["rows"] = self.rows
        return got

    def shown(self, at):
        """Of a guest: some seconds at once, and zeros where there are none any more."""
        rows = (self.rows[at:] + [[0, 0, 0]] * loads.SHOWN)[:loads.SHOWN]
        return {f"row{i}_{k}": v for i, row in enumerate(rows) for k, v in zip(("sent", "received", "max_ns"), row)}


def load_options(**more):
    return types.SimpleNamespace(goals=search.SHORT, search_s=1e9, latency_ms=100, **more)


class LoadCases(unittest.TestCase):
    def measure(self, g, **how):
        return loads.Loads(load_options(), g, 64, 1000, **how).measure()

    def test_the_search_finds_what_the_system_forwards(self):
        got = self.measure(FakeGenerator(3_000_000))
        self.assertAlmostEqual(got["value"], 3.0, delta=0.05)
        self.assertAlmostEqual(got["ndr"]["value"], 3.0, delta=0.05)
        self.assertEqual(got["outcome"], "regular")
        self.assertGreater(len(got["trials"]), 10)

    def test_one_direction_bears_all_of_the_load(self):
        g = FakeGenerator(3_000_000)
        got = self.measure(g, direction="one")
        self.assertAlmostEqual(got["value"], 3.0, delta=0.05)
        self.assertTrue(all("both=0" in o for o in g.orders))

    def test_latencies_are_taken_at_parts_of_what_was_found(self):
        g = FakeGenerator(3_000_000)
        got = self.measure(g)
        for share in loads.SHARES:
            self.assertAlmostEqual(got[f"at{share}"]["load_pps"] / (got["value"] * 1e6), share / 100, delta=0.001)
            self.assertEqual(got[f"at{share}"]["quantiles"]["p50"], 1.0)
            self.assertEqual(got[f"at{share}"]["quantiles"]["max"], 9.0)
        self.assertTrue(all("flows=1000" in o and "size=64" in o for o in g.orders))

    def test_a_frame_alone_has_no_other_beside_it(self):
        g = FakeGenerator(3_000_000)
        got = self.measure(g)
        order = next(o for o in g.orders if "window=1 " in o)
        self.assertIn("both=0", order)
        self.assertNotIn("rate=", order)
        self.assertEqual(got["at0"]["value"], 1.0)
        self.assertEqual(got["at0"]["load_pps"], 3_000_000)

    def test_the_machine_alone_is_measured_when_the_system_is_gone(self):
        told = {"stalls_us": {"p50": 0, "p99": 12.5}, "share_over_10us": [0.01, 0.02], "watched_s": 0.5}
        alive = []

        class System:
            @contextlib.contextmanager
            def load(self, o, work, frame):
                alive.append(self)
                yield FakeGenerator(3_000_000)
                alive.pop()

        def stalls(switch, guest):
            self.assertEqual((switch, guest, alive), (0, 1, []))
            return dict(told)
        with mock.patch.object(machine, "stalls", stalls):
            for topology, has in (("v2v", True), ("p2p", True), ("pvp", False)):
                case = loads.load_case(64, {"nethv": System()}, topology=topology)
                got = case.measure(load_options(core_a=0, core_b=1), "nethv", case.systems["nethv"], "")
                for share in loads.SHARES:
                    self.assertEqual(got[f"at{share}"].get("machine"), told["stalls_us"] if has else None)
                self.assertEqual("watched_s" in got["at10"].get("counters", {}), has)
                self.assertNotIn("machine", got["at0"])

    def test_damaged_frames_are_no_figure(self):
        with self.assertRaisesRegex(Failure, "1 frames damaged"):
            self.measure(FakeGenerator(1_000_000, corrupted=1))

    def test_a_guests_own_quantiles_do(self):
        got = {f"lat_{p}_ns": 1500 for p in ("p50", "p90", "p99", "p99.9", "max")}
        self.assertEqual(loads.quantiles_us(got)["p99.9"], 1.5)

    def test_each_size_number_of_flows_and_direction_has_a_name(self):
        ids = [c.head["id"] for c in loads.named({})]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(len(ids), len(loads.SIZES) * len(loads.FLOWS) * len(loads.DIRECTIONS))
        for id in ("v2v/pdr/9018", "v2v/pdr/imix/1000000/one", "v2v/pdr/128/1000"):
            self.assertIn(id, ids)


class Sleeper:
    """A switch that sleeps nine tenths of the time, as a system and as the generator on it."""

    def __init__(self, limit):
        self.limit, self.looks = limit, 0

    @contextlib.contextmanager
    def load(self, o, work, frame):
        with open(machine.wake_limit_path(o.core_a), "w") as f:
            f.write(self.limit)
        yield self
        with open(machine.wake_limit_path(o.core_a), "w") as f:
            f.write("100")

    def stats(self):
        self.looks += 1
        return {"switch": {"lcores": [{"tsc_asleep": 90 * self.looks, "tsc_idle": 9 * self.looks, "tsc_busy": self.looks}]}}

    def trial(self, order, secs):
        return {f"lat_{p}_ns": 50000 for p in ("p50", "p90", "p99", "p99.9", "max")}


class IdleCases(unittest.TestCase):
    def idle(self, wake_us, limit):
        """What is measured where the system sees to @limit, the core's limit while the kernel is measured, and afterwards."""
        def wake(sleeping, waking):
            with open(path) as f:
                seen.append((sleeping, f.read()))
            return {"p50": 20.0, "p90": 30.0, "max": 40.0}
        seen = []
        with tempfile.TemporaryDirectory() as root:
            path = os.path.join(root, "limit")
            o = types.SimpleNamespace(core_a=0, core_b=1, adaptive=lambda system, us: Sleeper(limit))
            with mock.patch.object(machine, "wake_limit_path", lambda core: path), \
                    mock.patch.object(machine, "wake", wake), mock.patch.object(loads.time, "sleep"):
                got = loads.idle_case(wake_us=wake_us).measure(o, "nethv", None, root)
            with open(path) as f:
                return got, seen, f.read()

    def test_a_frame_after_idle_is_beside_what_the_kernel_takes_as_it_is(self):
        got, seen, after = self.idle(None, "0")
        self.assertEqual(got["value"], 50.0)
        self.assertEqual(got["counters"], {"asleep_share": 0.9, "wake_p50_us": 20.0, "wake_p90_us": 30.0})
        self.assertEqual((seen, after), ([(0, "100")], "100"))

    def test_with_a_limit_the_kernel_is_measured_under_the_same_on_the_same_core(self):
        for us, word in ((0, "n/a"), (20, "20")):
            _, seen, after = self.idle(us, word)
            self.assertEqual((seen, after), ([(0, word)], "100"))

    def test_a_switch_that_could_not_limit_its_core_is_no_figure(self):
        with self.assertRaisesRegex(Failure, "core 0 may take 0 to wake up .* not 0 us"):
            self.idle(0, "0")

    def test_both_have_a_name_a_title_and_the_same_floor(self):
        plain, quick = (loads.idle_case(wake_us=us).head for us in (None, 0))
        self.assertEqual((plain["id"], quick["id"]), ("v2v/idle/64", "v2v/idle-quick/64"))
        self.assertEqual(quick["title"], plain["title"] + ", wake_latency_us: 0")
        self.assertEqual(plain["at_most"], quick["at_most"])
        self.assertTrue({plain["id"], quick["id"]} <= set(cli.REPORT))

    def test_the_configuration_has_the_key_when_it_is_asked_for(self):
        o = types.SimpleNamespace(engine="auto", core_a=0, core_b=1)
        told = [systems.Nethv(poll="adaptive", wake_us=us).config(o, "x", 64, "app=trial") for us in (None, 0, 5)]
        self.assertIn("poll: adaptive}", told[0])
        self.assertIn("poll: adaptive, wake_latency_us: 0}", told[1])
        self.assertIn("poll: adaptive, wake_latency_us: 5}", told[2])


class SoakCases(unittest.TestCase):
    def soak(self, g, seconds):
        return loads.Loads(load_options(soak_s=seconds), g, 64).soak()

    def test_each_second_has_a_row_whoever_tells_of_it(self):
        for tells, seconds in ((True, 11), (False, 11), (False, 8), (False, 16)):
            got = self.soak(FakeGenerator(2_000_000, tells_rows=tells), seconds)
            self.assertEqual([r["lost"] for r in got["rows"]], [0, 0, 50] + [0] * (seconds - 4) + [1])
            self.assertAlmostEqual(got["load_pps"], 1_000_000, delta=20_000)

    def test_the_worst_second_is_beside_the_whole(self):
        got = self.soak(FakeGenerator(2_000_000), 10)
        self.assertAlmostEqual(got["value"], 5.1, delta=0.2)
        self.assertAlmostEqual(got["worst"]["value"], 50, delta=2)
        self.assertEqual(got["longest"]["value"], 9.1)


class BurstCases(unittest.TestCase):
    def measure(self, g):
        return rfc9004.Bursts(load_options(), g, 64, direction="one").measure()

    def test_the_longest_burst_is_found_and_corrected(self):
        got = self.measure(FakeGenerator(5_000_000, buffer=8000))
        self.assertEqual(got["outcome"], "regular")
        self.assertTrue(8000 - rfc9004.STEP < got["value"] <= 8000)
        # Sent at 20 million frames/s: a quarter is forwarded meanwhile.
        self.assertAlmostEqual(got["counters"]["kept_frames"], got["value"] * 0.75, delta=1)

    def test_a_system_that_lets_its_sender_wait_has_no_longest_burst(self):
        got = self.measure(FakeGenerator(5_000_000))
        self.assertEqual(got["outcome"], "clean at the maximum")
        self.assertEqual(got["counters"]["longest_tried"], rfc9004.MAX_BURST)
        self.assertNotIn("kept_frames", got["counters"])


class FakeLearner:
    """Knows @size addresses, and learns @rate of them a second; its queue takes @rate_in a second."""

    def __init__(self, size, rate=1e9, rate_in=1e9):
        self.size, self.rate, self.rate_in, self.forgot = size, rate, rate_in, 0
        self.g = self

    def forget(self):
        self.forgot += 1

    def trial(self, order, secs):
        words = dict(w.split("=") for w in order.split())
        n, asked = int(words["macs"]), int(words["announce"])
        known = min(n, self.size, int(n * min(1, self.rate / min(asked, self.rate_in))))
        return {"rx_packets": n, "flooded": n - known, "announced": n + 1, "corrupted": 0, "duplicated": 0,
                "announce_ns": n / min(asked, self.rate_in) * 1e9}


class AddressCases(unittest.TestCase):
    O = types.SimpleNamespace(table=65536)

    def test_capacity_is_exact_and_each_trial_finds_an_empty_table(self):
        for size in (65535, 65536, 65537, 8192, 100000):
            l = FakeLearner(size)
            got = rfc2889.capacity(self.O, l)
            self.assertEqual((got["value"], got["outcome"]), (size, "regular"))
            self.assertGreaterEqual(l.forgot, len(got["counters"]["tried"]))

    def test_a_table_of_the_size_that_was_asked_for_takes_few_trials(self):
        self.assertLessEqual(len(rfc2889.capacity(self.O, FakeLearner(65535))["counters"]["tried"]), 3)

    def test_learning_rate(self):
        got = rfc2889.rate(self.O, FakeLearner(10 ** 6, rate=250_000))
        self.assertTrue(250_000 * (1 - rfc2889.WIDTH) <= got["value"] <= 250_000)
        self.assertEqual(got["counters"]["addresses"], 32768)

    def test_what_is_not_taken_in_time_is_not_learned(self):
        got = rfc2889.rate(self.O, FakeLearner(10 ** 6, rate_in=30_000))
        self.assertTrue(30_000 * (1 - 2 * rfc2889.WIDTH) <= got["value"] <= 30_000 * (1 + rfc2889.WIDTH))

    def test_a_switch_that_learns_nothing_has_no_figure(self):
        for measure in (rfc2889.capacity, rfc2889.rate):
            with self.assertRaises(Failure):
                measure(self.O, FakeLearner(0))


if __name__ == "__main__":
    tap.main()
