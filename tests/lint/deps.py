#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks that each module includes only what the dependency table allows."""
import pathlib
import re
import sys

ALLOWED = {
    "base": {"base"},
    "include": set(),
    "vmbus": {"vmbus", "base"},
    "hv": {"hv", "base"},
    "iommu": {"iommu", "base"},
    "vswitch": {"vswitch", "base"},
    "netvsp": {"netvsp", "base", "vmbus", "vswitch"},
    "vmq": {"vmq", "base", "vswitch"},
    "sriov": {"sriov", "base", "hv", "iommu", "vmbus"},
    "guest": {"guest", "vmbus/ring.h"},
    "mgmt": {"mgmt", "base", "hv", "iommu", "vmbus", "vswitch", "netvsp", "vmq", "sriov"},
    "bench": None,
    "tests": None,
}
LOCAL = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
ABI = re.compile(r"^\s*#\s*include\s+<([^>]+)>")
ABI_MAY = {"stdbool.h", "stddef.h", "stdint.h", "string.h", "linux/types.h"}
ABI_DPDK = "include/nethv/extension_dpdk.h" # the one that may say rte_mbuf


def check(root, path):
    rel = path.relative_to(root)
    module = rel.parts[0]
    allowed = ALLOWED.get(module)
    for no, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{rel}:{no}"
        m = LOCAL.match(line)
        if m and not (root / m.group(1)).exists() and not (path.parent / m.group(1)).exists():
            yield f"{where}: {m.group(1)} is not a path from the root"
        elif m and allowed is not None and m.group(1) not in allowed:
            if m.group(1).split("/")[0] not in allowed:
                yield f"{where}: {module} may not use {m.group(1)}"
        m = ABI.match(line)
        if m and module == "include" and m.group(1) not in ABI_MAY:
            is_dpdk = str(rel) == ABI_DPDK and m.group(1) == "rte_mbuf.h"
            if not m.group(1).startswith("nethv/") and not is_dpdk:
                yield f"{where}: an ABI header may not include <{m.group(1)}>"


def main():
    root = pathlib.Path(sys.argv[1])
    faults = []
    for module in ALLOWED:
        for path in sorted((root / module).rglob("*.[chS]")):
            faults += check(root, path)
            if "SPDX-License-Identifier" not in path.read_text()[:200]:
                faults.append(f"{path.relative_to(root)}:1: no SPDX line")
    print("\n".join(faults) if faults else "dependencies are in order")
    return 1 if faults else 0


sys.exit(main())
