#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Ten million frames pktgen -> sink: none lost, duplicated, reordered or corrupted, and in = out +
drops. Then the polled steady state: no exit, trap or signal, by count."""
import os

import nv

FRAMES = int(os.environ.get("FRAMES", "10000000"))
POLLED_FRAMES = int(os.environ.get("POLLED", "1000000"))

POLLED = """\
name: frames-{pid}
switch: {{lcores: [{a}], poll: busy}}
partitions:
  - name: l2fwd
    cpus: [{b}]
    cmdline: app=l2fwd mode=mac poll=1 inject=256 size=64 peer0=02:4e:00:00:00:07 peer1=02:4e:00:00:00:06
    memory: 64
    nics: [{{mac: "02:4e:00:00:00:06"}}, {{mac: "02:4e:00:00:00:07"}}]
"""


def flow():
    left = nv.Leftovers()
    with nv.Instance(nv.flow_config(f"frames-{os.getpid()}", FRAMES, 64)) as inst:
        inst.wait_running()
        s = inst.wait_flow(120)
        sink = inst.guest("sink", s)
        t = nv.conservation(s)
        print(f"received {sink['rx_packets']}: lost {sink['lost']}, duplicated "
              f"{sink['duplicated']}, reordered {sink['reordered']}, corrupted "
              f"{sink['corrupted']}; in {t['in']} + copies {t['copies']} = out {t['out']} "
              f"+ drops {t['drops']}")
        assert sink["rx_packets"] == FRAMES, f"{sink['rx_packets']} received"
        for word in ("lost", "duplicated", "reordered", "corrupted"):
            assert sink[word] == 0, f"{sink[word]} {word}"
        assert t["in"] + t["copies"] == t["out"] + t["drops"]
        assert inst.stop() == 0
    left.check(inst)


def exits(stats):
    vp = stats["partitions"][0]["vps"][0]
    return {k: vp[k] for k in ("exits_all", "traps", "irq_signals", "hypercalls", "halts")}


def polled():
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        print("the polled part is left out: it needs two CPUs")
        return
    with nv.Instance(POLLED.format(pid=os.getpid(), a=cpus[0], b=cpus[1])) as inst:
        inst.wait_running()
        nv.wait_until("the steady state", lambda: inst.guest("l2fwd").get("steady"))
        a = inst.stats()
        nv.wait_until(f"{POLLED_FRAMES} packets", lambda: inst.stats()["switch"]["totals"]["out"]
                      > a["switch"]["totals"]["out"] + POLLED_FRAMES)
        b = inst.stats()
        n = b["switch"]["totals"]["out"] - a["switch"]["totals"]["out"]
        print(f"{n} packets in the polled steady state: before {exits(a)}, after {exits(b)}")
        assert exits(a) == exits(b), "an exit, trap or signal in the polled steady state"
        nics = [(x["interrupts"], y["interrupts"]) for x, y in
                zip(a["switch"]["nics"], b["switch"]["nics"])]
        assert all(x == y for x, y in nics), f"interrupts raised: {nics}"
        assert inst.stop() == 0


if __name__ == "__main__":
    flow()
    polled()
