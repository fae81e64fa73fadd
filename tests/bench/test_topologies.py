#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""PVP, PVVP, what a machine lacks for them, pauses, and plots as files, with machines and figures that are made up."""
import json
import os
import re
import tempfile
import types
import unittest
import xml.dom.minidom
from unittest import mock

import tap
from nethv_bench import cli, images, lacking, pauses, results, through
from nethv_bench.process import Failure

import sample

ALL = ["nethv", "ovs-dpdk packed", "vhost packed"]


def options(cores=2, **more):
    o = types.SimpleNamespace(core_a=0, core_b=1, core_c=None, core_d=None, systems=ALL, engine="auto", secs=1, **more)
    with mock.patch.object(os, "sched_getaffinity", lambda pid: set(range(cores))):
        cli.find_cores(o)
    return o


def ids(o):
    return [c.head["id"] for c in through.through_cases(o)]


class Cores(unittest.TestCase):
    def test_two_are_shared_and_nothing_else_is_there(self):
        found = ids(options(2))
        self.assertIn("pvp/shared/64", found)
        self.assertIn("pvvp-vmq/shared/64", found)
        self.assertTrue(all("/shared/" in i for i in found), found)

    def test_three_are_enough_for_one_partition(self):
        o = options(3)
        self.assertEqual(through.cores_of(o, 1), (2, [1]))
        self.assertIsNone(through.cores_of(o, 2))
        self.assertIn("pvp/pdr/64", ids(o))
        self.assertNotIn("pvvp/pdr/64", ids(o))

    def test_four_are_enough_for_two(self):
        o = options(4)
        self.assertEqual(through.cores_of(o, 2), (2, [1, 3]))
        self.assertIn("pvvp/pdr/64", ids(o))

    def test_cores_that_were_given_are_kept(self):
        o = types.SimpleNamespace(core_a=4, core_b=0, core_c=None, core_d=1)
        with mock.patch.object(os, "sched_getaffinity", lambda pid: set(range(5))):
            cli.find_cores(o)
        self.assertEqual((o.core_c, o.core_d), (2, 1))

    def test_a_shared_core_is_named_in_the_title_and_has_no_peer(self):
        for case in through.through_cases(options(2)):
            self.assertIn(through.SHARED, case.head["title"])
            self.assertEqual(list(case.systems), ["nethv"])
        self.assertTrue(through.limits(through.through_cases(options(2))))
        self.assertFalse(through.limits([]))

    def test_a_shared_core_is_measured_only_when_named(self):
        o = types.SimpleNamespace(verb="run", cases=[])
        shared = through.through_cases(options(2))[0]
        self.assertIn("/shared/", shared.head["id"])
        self.assertFalse(cli.is_chosen(o, shared))
        for case in through.through_cases(options(4)):
            self.assertEqual(cli.is_chosen(o, case), "/shared/" not in case.head["id"])
        o.cases = ["pvp"]
        self.assertTrue(cli.is_chosen(o, shared))

    def test_ids_are_unique_and_heads_can_be_reported(self):
        made = through.through_cases(options(4))
        heads = [h for c in made for h in [c.head, *(h for _, h in c.others)]]
        self.assertEqual(len({h["id"] for h in heads}), len(heads))
        for head in heads:
            results.CASE({**head, "systems": []}, head["id"])
            self.assertEqual(head["path"] == "vmq", "-vmq/" in head["id"])


class Way(unittest.TestCase):
    """A frame's addresses from one side of the generator to the other."""

    def carried(self, length, left_to_right):
        macs, peers = through.ends(length), through.peers_of(length)
        src, dst = (through.MAC_A, through.MAC_B) if left_to_right else (through.MAC_B, through.MAC_A)
        for i in range(length) if left_to_right else reversed(range(length)):
            enter, leave = (0, 1) if left_to_right else (1, 0)
            self.assertEqual(dst, macs[i][enter], "the partition gets what is for its adapter")
            src, dst = macs[i][leave], peers[i][leave]
        return src, dst

    def test_frames_arrive_as_they_were_sent(self):
        for length in (1, 2, 3):
            self.assertEqual(self.carried(length, True), (through.MAC_A, through.MAC_B))
            self.assertEqual(self.carried(length, False), (through.MAC_B, through.MAC_A))

    def test_no_address_is_there_twice(self):
        flat = [m for pair in through.ends(2) for m in pair]
        self.assertEqual(len(set(flat)), 4)

    def test_each_way_is_a_vlan_with_two_ports(self):
        text = through.config(options(4), "x", "/w", 64, [1, 3], vmq=True)
        vlans = re.findall(r"pvid: (\d+)", text)
        self.assertEqual(sorted(vlans), sorted(str(v) for v in (101, 102, 103) for _ in (0, 1)))
        self.assertEqual(text.count("vmq: {provider: software}"), 2)
        self.assertEqual(re.findall(r"cpus: \[(\d)\]", text), ["1", "3"])

    def test_frames_by_the_default_queue_are_no_figure_of_vmq(self):
        def stats(own, default):
            queues = [{"port": "", "packets": default}, {"port": "part0/0", "packets": own}]
            return {"switch": {"vmq": [{"uplink": "p0", "queues": queues}]}}
        through.check_queues(stats(1000, 5))
        for own, default in ((0, 1000), (1000, 500), (0, 0)):
            with self.assertRaisesRegex(Failure, "default queue"):
                through.check_queues(stats(own, default))


class Window(unittest.TestCase):
    def rate(self, **wrong):
        def trial(order, secs):
            n = 2 * int(re.search(r"count=(\d+)", order)[1])
            return {"tx_packets": n, "rx_packets": n, "receive_ns": n * 250, "corrupted": 0, "duplicated": 0, **wrong}
        return through.steady_mpps(types.SimpleNamespace(trial=trial), 64, 1)

    def test_it_is_what_arrives(self):
        self.assertAlmostEqual(self.rate(), 4.0)

    def test_frames_that_are_damaged_or_lost_are_no_figure(self):
        for wrong in ({"corrupted": 1}, {"rx_packets": 7}):
            with self.assertRaises(Failure):
                self.rate(**wrong)


class Lacking(unittest.TestCase):
    def reasons(self, cores, found=((), ())):
        return dict(lacking.reasons(options(cores), found))

    def test_cores(self):
        self.assertIn("wants 3 cores that all poll; there are 2", self.reasons(2)["pvp/pdr, ndr, latency"])
        self.assertNotIn("pvp/pdr, ndr, latency", self.reasons(3))
        self.assertIn("wants 4", self.reasons(3)["pvvp/pdr, ndr, latency"])
        self.assertFalse([k for k in self.reasons(4) if "pdr" in k])

    def test_nics(self):
        self.assertIn("no NIC with VMDq", self.reasons(4)["pvp, pvvp: VMQ by a NIC"])
        there = self.reasons(4, (["0000:01:00.0"], ["0000:01:00.0"]))
        self.assertTrue(all("0000:01:00.0" in there[k] for k in ("pvp, pvvp: VMQ by a NIC", "p2p, pvp, pvvp, v2v: VF")))

    def test_nics_are_found_by_what_they_are(self):
        devices = {"0000:01:00.0": ("0x020000", "0x8086", "0x10c9", "7"), "0000:02:00.0": ("0x020000", "0x1af4", "0x1000", None),
                   "0000:03:00.0": ("0x010802", "0x8086", "0x10c9", "4")}
        with tempfile.TemporaryDirectory() as root:
            for address, values in devices.items():
                os.mkdir(f"{root}/{address}")
                for key, value in zip(("class", "vendor", "device", "sriov_totalvfs"), values):
                    if value:
                        with open(f"{root}/{address}/{key}", "w") as f:
                            f.write(value + "\n")
            self.assertEqual(lacking.nics(root), (["0000:01:00.0"], ["0000:01:00.0"]))


class Pauses(unittest.TestCase):
    STEADY = {"tx_packets": 1000, "rx_packets": 1000, "gap_ns": 5000, "unsent": 0}

    def test_quantiles_are_samples(self):
        q = pauses.quantiles(list(range(1, 201)))
        self.assertEqual(q, {"p50": 100, "p90": 180, "p99": 198, "max": 200})
        self.assertEqual(pauses.quantiles([7.5]), dict.fromkeys(pauses.POINTS, 7.5))

    def test_the_slowest_change_of_an_answer(self):
        answer = {"name": "x", "changes": [{"change": "moved", "pause_ns": 2500}, {"change": "loaded", "pause_ns": 1500}]}
        self.assertEqual(pauses.pause_in(json.dumps(answer)), 2.5)

    def test_changes_without_the_cpu_do_not_count_but_are_told(self):
        changes = [("load", 2.0, False), ("upgrade", 60.0, False)] * 20 + [("load", 50000.0, True)]
        got = pauses.figures(changes, self.STEADY, {**self.STEADY, "rx_packets": 997})
        self.assertEqual((got["value"], got["quantiles"]["p50"]), (60.0, 2.0))
        self.assertEqual(got["counters"]["changes_disturbed"], 1)
        self.assertEqual(got["counters"]["max_with_disturbed_us"], 50000)
        self.assertEqual((got["counters"]["load_p50_us"], got["counters"]["upgrade_p50_us"]), (2, 60))
        self.assertEqual(got["lost"]["value"], 3)

    def test_too_few_changes_are_no_figure(self):
        with self.assertRaisesRegex(Failure, "of 40 changes .* in 5 only"):
            pauses.figures([("load", 1.0, i >= 5) for i in range(40)], self.STEADY, self.STEADY)

    def test_the_start_can_be_reported(self):
        got = pauses.figures([("load", 1.0, False)] * 30, self.STEADY, self.STEADY)
        lost = got.pop("lost")
        for start in (got, lost):
            results.START({**start, "order": 0, "real_time": True}, "start")


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.drawn = images.draw(sample.sample(starts=9))

    def test_each_is_one_small_file_that_needs_nothing_else(self):
        self.assertGreater(len(self.drawn), 8)
        self.assertEqual(len({name for name, *_ in self.drawn}), len(self.drawn))
        for name, title, _, svg in self.drawn:
            self.assertRegex(name, r"^[a-z0-9-]+\.svg$")
            self.assertLess(len(svg.encode()), 100 << 10, name)
            self.assertNotRegex(svg, r"var\(|<script|<image|<style|url\((?!#)|href=['\"](?!#)|file:", name)
            self.assertNotIn(os.path.expanduser("~") + "/", svg)
            root = xml.dom.minidom.parseString(svg).documentElement
            self.assertTrue(root.getAttribute("width") and root.getAttribute("height"), name)
            self.assertEqual(root.getElementsByTagName("title")[0].firstChild.data, title)

    def test_they_are_written_and_shown(self):
        with tempfile.TemporaryDirectory() as there:
            lines = list(images.write(sample.sample(starts=2), there + "/docs/plots/"))
            for path, line in lines:
                self.assertTrue(os.path.exists(path))
                self.assertTrue(line.endswith(f"(plots/{os.path.basename(path)})"), line)

    def test_one_that_is_too_large_is_refused(self):
        with mock.patch.object(images, "BYTES_MAX", 1000), self.assertRaisesRegex(results.Wrong, "more than 1000"):
            images.draw(sample.sample(starts=2))


if __name__ == "__main__":
    tap.main()
