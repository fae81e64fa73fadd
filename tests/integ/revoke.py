#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A guest that takes its receive buffer back while frames come, and uses the pages at once: nobody writes there any more.
The frames come from a TAP, so it is the switch itself that must not. CYCLES=N."""
import os

import nv
from flood import Flood

CYCLES = int(os.environ.get("CYCLES", "200"))
SIZE = 1514
RX_BYTES = 4 << 20
MAC = "02:4e:00:00:08:0a"

CONFIG = """\
name: {name}
uplinks: [{{name: up, devargs: "net_tap0,iface={tap}", netns: {ns}}}]
partitions:
  - name: a
    cmdline: app=revoke cycles={cycles} rxbuf={rxbuf} wait=1000
    memory: 64
    nics: [{{mac: "02:4e:00:00:08:0a"}}]
  - name: b
    cmdline: app=echo ip=10.99.8.2
    memory: 64
    nics: [{{mac: "02:4e:00:00:08:0b"}}]
"""


def judge(v, cycles, rxbuf):
    """What the guest reports at its end."""
    print(", ".join(f"{k} {v[k]}" for k in ("cycles", "rx_packets", "numbered", "late", "corrupted", "compared_bytes",
                                            "damaged_bytes", "damaged_cycles", "damaged_at")))
    assert v["cycles"] == cycles and v["compared_bytes"] == cycles * rxbuf, v
    assert v["damaged_bytes"] == 0, f"{v['damaged_bytes']} bytes damaged in {v['damaged_cycles']} cycles"
    assert v["numbered"] >= cycles and v["corrupted"] == 0 and v["late"] == 0, v


def is_done(inst):
    part = next(p for p in inst.stats()["partitions"] if p["name"] == "a")
    v = (part.get("guest") or {}).get("values", {})
    assert part["state"] == "running" or v.get("cycles") == CYCLES, part
    return v.get("cycles") == CYCLES


def main():
    nv.need_root("a TAP in a namespace")
    left = nv.Leftovers()
    tap = f"nvr{os.getpid()}"
    with nv.netns("revoke") as (ns,), nv.Instance(CONFIG.format(
            name=f"revoke-{os.getpid()}", tap=tap, ns=ns, cycles=CYCLES, rxbuf=RX_BYTES)) as inst:
        inst.wait_running()
        nv.run("ip", "-n", ns, "addr", "add", "10.99.8.1/24", "dev", tap)
        with Flood(tap, MAC, SIZE, 0, ns) as flood:
            nv.wait_until("all cycles", lambda: is_done(inst), 20 + CYCLES // 2)
            print(f"{flood.end()} frames sent")
        judge(inst.guest("a"), CYCLES, RX_BYTES)
        nv.run("ip", "netns", "exec", ns, "ping", "-q", "-c", "5", "-i", "0.05", "-W", "5", "10.99.8.2")
        t = nv.wait_until("all packets to have an end", lambda: next(
            (t for t in [nv.conservation(inst.stats())] if t["on_the_way"] == 0), None))
        print(f"in {t['in']} + copies {t['copies']} = out {t['out']} + drops {t['drops']} {t['by_reason']}")
        assert inst.stop() == 0
    left.check(inst)


if __name__ == "__main__":
    main()
