# SPDX-License-Identifier: BSD-3-Clause
"""For scenarios of broken set-ups: what nethv says of them must name the cause, by its id, and the next step.
Both stand in the scenario as an operator reads them, so a table that says something else is noticed."""
import os
import re
import subprocess

import lab
from lab import nv

PCI = "/sys/bus/pci"
VFIO = os.path.join(lab.BUILD, "tests/lab_vfio")
TOLD = set()  # ids of causes that were seen with their next step


def said(*argv, status=None, is_shown=True):
    """All that a program says; @status: what it must end with."""
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    if is_shown:
        lab.say(f"$ {' '.join(argv)}\n{r.stdout.rstrip()}")
    assert status is None or r.returncode == status, f"{' '.join(argv)}: exit status {r.returncode}"
    return r.stdout


def find(cause, step, text):
    """The id and, after it, the next step; as one line, or as `nethv iommu` breaks it."""
    return any(step in after for after in re.findall(rf"\[{re.escape(cause)}\]\s*-> ([^\n]*)", text))


def tells(cause, where, step, fn):
    """A result: what fn() returns tells @cause and @step."""
    with lab.case(f"{cause}: {where}"):
        text = fn()
        assert find(cause, step, text), f"no [{cause}] -> ... {step} ... in: {' / '.join(text.splitlines())}"
        TOLD.add(cause)


def refuses(device, cause, step, where="nethv iommu"):
    """`nethv iommu` does not let @device be assigned, for this cause among others."""
    tells(cause, where, step, lambda: said(lab.NETHV, "iommu", device, status=1))


def mentions(device, cause, step, where="nethv iommu"):
    """It does let it be assigned, and has this to say."""
    tells(cause, where, step, lambda: said(lab.NETHV, "iommu", device, status=0))


def vfs(inst):
    return said(lab.NETHV, "vf", "list", "--instance", inst.name, status=0, is_shown=False)


def listed(inst, cause, step, where):
    """`nethv vf list` tells it, as soon as it is so."""
    def look():
        text = vfs(inst)
        return find(cause, step, text) and text

    def shown():
        try:
            return nv.wait_until(f"[{cause}] in nethv vf list", look, 60)
        finally:
            lab.say(f"$ nethv vf list\n{vfs(inst).rstrip()}")

    tells(cause, where, step, shown)


def assign(inst, nic, status=1):
    return said(lab.NETHV, "vf", "assign", nic, "--instance", inst.name, status=status)


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def pfs():
    """PCI addresses and interfaces of the NICs, in the order of the slots."""
    found = sorted(d for d in os.listdir(f"{PCI}/drivers/igb") if d.startswith("0000:"))
    return [(d, os.listdir(f"{PCI}/devices/{d}/net")[0]) for d in found]


def make_vfs(pf, n):
    """Addresses of @n VFs of the PF at @pf, which no driver of the host has."""
    write(f"{PCI}/devices/{pf}/sriov_drivers_autoprobe", "0")
    write(f"{PCI}/devices/{pf}/sriov_numvfs", str(n))
    return nv.wait_until(f"{n} VFs of {pf}", lambda: links(pf, n), 30)


def links(pf, n):
    paths = [f"{PCI}/devices/{pf}/virtfn{i}" for i in range(n)]
    return all(os.path.exists(p) for p in paths) and [os.path.basename(os.readlink(p)) for p in paths]


def bind(device):
    write(f"{PCI}/devices/{device}/driver_override", "vfio-pci")
    if os.path.exists(f"{PCI}/devices/{device}/driver"):
        write(f"{PCI}/devices/{device}/driver/unbind", device)
    write(f"{PCI}/drivers_probe", device)


def instance(nics, uplinks, **keys):
    """One partition a with @nics, whose guest need not come up: a VF is prepared for it without."""
    part = lab.linux("a", nics=nics)
    return lab.Instance([part], switch={"poll": "shared", "hugepages": "no", "memory": 128, **keys},
                        uplinks=uplinks)


def finish():
    lab.say(f"causes seen with their next step: {len(TOLD)}: {' '.join(sorted(TOLD))}")
    lab.finish()
