#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""switch.wake_latency_us limits the CPU of the lcore while the instance runs, also while its switch is restarted, and
what was there before is back afterwards: after a stop, a failed start, and the start after a kill -9 of `nethv run`."""
import contextlib
import os

import nv

CPU = max(os.sched_getaffinity(0))  # where the lcore of a file that names none is
LIMIT = f"/sys/devices/system/cpu/cpu{CPU}/power/pm_qos_resume_latency_us"
PLACE = "/run/nethv"
EARLIER = ("0", "100", "n/a")  # no limit, one, and the one that we write


def limit():
    with open(LIMIT) as f:
        return f.read().strip()


def set_limit(text):
    with open(LIMIT, "w") as f:
        f.write(text)


def need_limit():
    """Of the CPU's file: there, writable, and nobody's."""
    if not os.path.exists(LIMIT):
        nv.skip(f"this kernel has no {LIMIT}")
    try:
        set_limit(limit())
    except OSError as e:
        nv.skip(f"{LIMIT} cannot be written: {e.strerror}")
    if os.path.exists(PLACE):
        nv.skip(f"an instance of somebody else uses {PLACE}")


@contextlib.contextmanager
def limit_kept():
    before = limit()
    try:
        yield
    finally:
        set_limit(before)


def config(more="wake_latency_us: 0, "):
    return (f"name: wake-{os.getpid()}\nswitch: {{{more}poll: adaptive}}\n"
            "partitions:\n  - {name: a, memory: 64, cmdline: app=sink, nics: [{}]}\n")


def expect(want, when):
    assert limit() == want, f"{when}: {LIMIT} is {limit()}, not {want}"


def expect_put_back(want, when):
    expect(want, when)
    assert not os.path.exists(PLACE), f"{when}: {PLACE} is left"


def started(text):
    inst = nv.Instance(text)
    inst.wait_running()
    return inst


def test_stop(earlier):
    set_limit(earlier)
    with started(config()) as inst:
        cpus = [l["cpu"] for l in inst.stats()["switch"]["lcores"]]
        assert cpus == [CPU], f"lcores on {cpus}, not on {CPU}"
        expect("n/a", "while it runs")
        assert inst.stop() == 0
    expect_put_back(earlier, "after a stop")
    return inst


def test_switch_killed():
    set_limit("100")
    with started(config()) as inst:
        inst.kill_switch()
        expect("n/a", "with a restarted switch")
        assert inst.stop() == 0
    expect_put_back("100", "after a stop with a restarted switch")


def kill_manager(inst):
    """Until its name is free: the switch has the socket for partitions, too, until the last of its threads has ended."""
    inst.p.kill()
    inst.p.wait()
    nv.wait_until("the name to be free", lambda: not nv.sockets(inst.name))


def test_manager_killed(next_one, during):
    """What it leaves is not taken for the operator's by the next start, with the key or without."""
    set_limit("100")
    with started(config()) as inst:
        kill_manager(inst)
    with started(next_one) as inst:
        expect(during, "at the start after a kill -9")
        assert inst.stop() == 0
    expect_put_back("100", "after a kill -9, a start and a stop")


def test_failed_start():
    """The partition's image cannot be run: by then the switch is there."""
    set_limit("100")
    with nv.Instance(config().replace("cmdline: app=sink", "image: /proc/self/status")) as inst:
        assert inst.p.wait(60) != 0, "it started"
    expect_put_back("100", "after a failed start")


def main():
    need_limit()
    left = nv.Leftovers()
    with limit_kept():
        for earlier in EARLIER:
            left.check(test_stop(earlier))
        test_switch_killed()
        test_manager_killed(config(), "n/a")
        test_manager_killed(config(""), "100")
        test_failed_start()
    print(f"CPU {CPU}: as before after stops, a restart, kills and a failed start")


if __name__ == "__main__":
    main()
