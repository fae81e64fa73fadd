#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Only the lcore is on its CPU: all other threads of `nethv run` and of the switch stay off it, after a restart of the
switch, too. Partitions may run wherever we may."""
import glob
import os

import nv

ALL = os.sched_getaffinity(0)
CPU = max(ALL)


def threads(pid):
    """[(name, CPUs)]"""
    found = []
    for task in glob.glob(f"/proc/{pid}/task/*"):
        with open(f"{task}/comm") as f:
            found.append((f.read().strip(), os.sched_getaffinity(int(os.path.basename(task)))))
    return found


def config():
    return (f"name: aside-{os.getpid()}\nswitch: {{poll: adaptive, lcores: [{CPU}]}}\n"
            "partitions:\n  - {name: a, memory: 64, cmdline: app=sink, nics: [{}]}\n")


def check(inst, when):
    s = inst.stats()
    others = ALL - {CPU}
    lcores = [cpus for name, cpus in threads(s["switch"]["pid"]) if name.startswith("rte-worker")]
    assert lcores == [{CPU}], f"{when}: the lcores run on {lcores}"
    for pid in (s["pid"], s["switch"]["pid"]):
        for name, cpus in threads(pid):
            if not name.startswith("rte-worker"):
                assert cpus == others, f"{when}: thread {name} of process {pid} may run on {cpus}, not on {others} only"
    worker, = s["partitions"]
    for name, cpus in threads(worker["pid"]):
        assert cpus == ALL, f"{when}: thread {name} of the partition may run on {cpus}, not on {ALL}"


def main():
    if len(ALL) < 2:
        nv.skip("there is one CPU: all threads share it")
    with nv.Instance(config()) as inst:
        inst.wait_running()
        check(inst, "at first")
        inst.kill_switch()
        check(inst, "after a restart")
        assert inst.stop() == 0
    print(f"CPU {CPU} is the lcore's alone")


main()
