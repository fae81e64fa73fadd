#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 of nethv-switch ten times under pktgen -> sink: it is restarted, both guests go on, nothing
is duplicated or corrupted, what was lost is counted as `restart` and nothing else, no wait hangs."""
import os
import time

import nv

KILLS = int(os.environ.get("KILLS", "10"))
STEP = int(os.environ.get("STEP", "50000"))  # frames that must arrive between two kills
RATE = 2000000  # frames a second at most, so that there is traffic until the last kill
LIVES = 0.6  # s; a switch that dies sooner is one that cannot live, and waits before its next try


def main():
    left = nv.Leftovers()
    with nv.Instance(nv.flow_config(f"restart-{os.getpid()}", (KILLS + 2) * 60 * STEP, 128,
                                    f"rate={RATE}")) as inst:
        inst.wait_running()
        for n in range(1, KILLS + 1):
            time.sleep(LIVES)
            before = inst.guest("sink").get("rx_packets", 0)
            nv.wait_until("frames to arrive", lambda: (
                inst.guest("sink").get("rx_packets", 0) >= before + STEP
                or inst.guest("pktgen").get("done")))
            assert not inst.guest("pktgen").get("done"), "pktgen ended before the last kill"
            inst.kill_switch(n)
            nv.wait_until("its pause to be known",
                          lambda: f"restart {n}: all partitions resumed" in inst.text())
        pauses = [int(l.rsplit("after", 1)[1].split()[0]) for l in inst.text().splitlines()
                  if "all partitions resumed after" in l]
        s = inst.wait_flow(240)
        gen, sink = inst.guest("pktgen", s), inst.guest("sink", s)
        t = nv.conservation(s)
        restart = t["by_reason"].get("restart", 0)
        print(f"sent {gen['tx_packets']}, received {sink['rx_packets']}, lost {sink['lost']}, "
              f"counted as restart {restart}, pauses {pauses} ms")
        assert sink["duplicated"] == 0, f"{sink['duplicated']} duplicated"
        assert sink["corrupted"] == 0, f"{sink['corrupted']} corrupted"
        assert sink["reordered"] == 0, f"{sink['reordered']} reordered"
        assert set(t["by_reason"]) <= {"restart"}, f"other drops: {t['by_reason']}"
        assert sink["lost"] <= restart, f"lost {sink['lost']}, only {restart} counted as restart"
        assert gen["tx_packets"] == sink["rx_packets"] + sink["lost"], "the sums do not fit"
        assert len(pauses) == KILLS
        assert inst.stop() == 0
    left.check(inst)


if __name__ == "__main__":
    main()
