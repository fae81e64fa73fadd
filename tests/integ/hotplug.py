#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Adapters come and go under traffic on others, which loses nothing; one that was added is still there
when the switch was killed (-9), and when its partition was reset."""
import json
import os
import signal

import nv

CYCLES = int(os.environ.get("CYCLES", "20"))
SINK_MAC = "02:4e:00:00:00:05"


def nethv(inst, *words, check=True):
    return nv.run(nv.NETHV, *words, "--instance", inst.name, check=check)


def nics(stats, partition):
    return {n["name"]: n for n in stats["switch"].get("nics", []) if n["partition"] == partition}


def channels(stats, partition):
    return [c for p in stats["partitions"] if p["name"] == partition
            for c in p["vmbus"]["channels"]]


def add(inst, partition, *options):
    made = json.loads(nethv(inst, "nic", "add", partition, "--json", *options).stdout)
    assert made["name"].startswith(partition + "/"), made
    return made


def one_cycle(inst, n):
    """Adds two adapters, sees them offered to a guest that does not open them, removes them."""
    partition = ("sink", "pktgen")[n % 2]
    first = add(inst, partition)
    second = add(inst, partition, "--vlan", "7", "--channels", "4", "--mtu", "9000")
    s = nv.wait_until("both to be offered", lambda: next(
        (s for s in [inst.stats()] if len(channels(s, partition)) == 3), None))
    have = nics(s, partition)
    for made in (first, second):
        nic = have[made["name"]]
        assert nic["mac"] == made["mac"] and nic["offered"] and not nic["up"], nic
        assert nic["channels"] == 0, nic
    assert not [c for c in channels(s, partition) if c["reason"]], channels(s, partition)
    nethv(inst, "nic", "set", second["name"], "link", "down")
    assert nics(inst.stats(), partition)[second["name"]]["link"] == "down"
    nethv(inst, "nic", "remove", first["name"])
    nethv(inst, "nic", "remove", second["name"])
    s = nv.wait_until("the guest to give both back", lambda: next(
        (s for s in [inst.stats()] if len(channels(s, partition)) == 1), None))
    assert set(nics(s, partition)) == {f"{partition}/0"}, nics(s, partition)
    r = nethv(inst, "nic", "remove", first["name"], check=False)
    assert r.returncode == 1 and "no adapter" in r.stderr, r.stderr


def no_loss(inst):
    s = inst.stats()
    sink = inst.guest("sink", s)
    for what in ("lost", "duplicated", "reordered", "corrupted"):
        assert sink[what] == 0, f"{sink[what]} {what}"
    t = nv.conservation(s)
    assert t["drops"] == 0, t
    return sink["rx_packets"]


def refusals(inst):
    """What cannot be changes nothing, and says why."""
    before = nics(inst.stats(), "sink")
    for words, text in (
            (("add", "sink", "--mtu", "20000"), "allowed: 68..9000"),
            (("add", "sink", "--mac", SINK_MAC), "each address once"),
            (("add", "sink", "--index", "0"), "each number once"),
            (("add", "sink", "--channels", "x"), "allowed: 1..16"),
            (("add", "nobody"), "no partition nobody"),
            (("remove", "sink/9"), "no adapter sink/9"),
            (("set", "sink/0", "link", "sideways"), "allowed: up, down")):
        r = nethv(inst, "nic", *words, check=False)
        assert r.returncode == 1 and text in r.stderr, (words, r.stderr)
    assert set(nics(inst.stats(), "sink")) == set(before)


def still_there(inst, made):
    """In the switch, and offered to the guest."""
    def look():
        s = inst.json("stats")
        nic = s and nics(s, "sink").get(made["name"])
        return nic and nic["offered"] and nic["mac"] == made["mac"] and nic
    return nv.wait_until("the added adapter", look)


def over_restarts(inst):
    made = add(inst, "sink", "--vlan", "9", "--index", "5")
    assert made["name"] == "sink/5", made
    nethv(inst, "nic", "set", "sink/5", "link", "down")
    os.kill(inst.switch_pid(), signal.SIGKILL)
    late = add(inst, "sink")  # while there is no switch, or one that is just starting
    assert late["name"] == "sink/1", late
    nv.wait_until("the switch to be back", lambda: "all partitions resumed" in inst.text())
    assert still_there(inst, made)["link"] == "down"
    still_there(inst, late)
    before = inst.guest("sink")["rx_packets"]
    nv.wait_until("traffic after the kill",
                  lambda: inst.guest("sink").get("rx_packets", 0) > before + 10000)
    nethv(inst, "reset", "sink")
    nv.wait_until("the new life of the sink", lambda: next(
        (p for p in inst.stats()["partitions"] if p["name"] == "sink" and p["reboots"] == 1
         and (p.get("guest") or {}).get("state") == "running"), None))
    still_there(inst, made)
    nv.wait_until("traffic to the new sink",
                  lambda: inst.guest("sink").get("rx_packets", 0) > 1000)


def main():
    left = nv.Leftovers()
    with nv.Instance(nv.flow_config(f"hotplug-{os.getpid()}", 0, 128, "rate=200000")) as inst:
        inst.wait_running()
        for n in range(CYCLES):
            before = inst.guest("sink").get("rx_packets", 0)
            one_cycle(inst, n)
            nv.wait_until("traffic to go on",
                          lambda: inst.guest("sink").get("rx_packets", 0) > before + 1000)
        print(f"{CYCLES} cycles, {no_loss(inst)} packets, none lost")
        refusals(inst)
        no_loss(inst)
        over_restarts(inst)
        assert inst.stop() == 0
    left.check(inst)


if __name__ == "__main__":
    main()
