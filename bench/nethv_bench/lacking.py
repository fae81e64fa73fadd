# SPDX-License-Identifier: BSD-3-Clause
"""What RFC 8204 asks for and a machine cannot show: which cases, and what it lacks."""
import glob
import os

from .machine import text_of
from .through import LENGTH, cores_of

VMDQ = {"0x10c9", "0x10e6", "0x10e7", "0x10e8", "0x150a", "0x1518", "0x1526"}  # 82576, whose pools vmq/ drives
INTEL = "0x8086"
NETWORK = "0x02"


def nics(root="/sys/bus/pci/devices"):
    """(addresses of those that sort by pools, addresses of those with virtual functions)."""
    pools, functions = [], []
    for path in sorted(glob.glob(root + "/*")):
        if not text_of(path + "/class").startswith(NETWORK):
            continue
        if text_of(path + "/vendor") == INTEL and text_of(path + "/device") in VMDQ:
            pools.append(os.path.basename(path))
        if int(text_of(path + "/sriov_totalvfs") or 0):
            functions.append(os.path.basename(path))
    return pools, functions


def _of_cores(o):
    there = len(o.cores_there)
    for topology, length in LENGTH.items():
        if not cores_of(o, length):
            yield (f"{topology}/pdr, ndr, latency", f"wants {2 + length} cores that all poll; there are {there}. "
                   f"{topology}/shared is the same path on two")


def _of_nics(found):
    pools, functions = found
    wire = "its frames come by a wire, and no generator here has the other end of it"
    yield ("pvp, pvvp: VMQ by a NIC", f"{pools[0]} sorts by pools, but {wire}" if pools else
           "there is no NIC with VMDq; pvp-vmq and pvvp-vmq have the queues, sorted by software")
    yield ("p2p, pvp, pvvp, v2v: VF", f"{functions[0]} has virtual functions, but {wire}" if functions else
           "there is no NIC with virtual functions (SR-IOV)")


def reasons(o, found=None):
    """(cases, what is lacking) for each kind of case that is not in `all_cases`."""
    yield from _of_cores(o)
    yield from _of_nics(nics() if found is None else found)
    yield "v2v-vmq, p2p-vmq", "no such path: queues are adapters' own, for what comes by an uplink"
    yield "VF switch-over pause", "measured in the nested lab, on any machine: ./dev lab vf_cycles"
