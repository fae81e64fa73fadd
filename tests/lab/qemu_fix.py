#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Repairs one instruction of Debian's QEMU, in the lab's own copy of it: qemu_fix.py FILE

QEMU's VMRUN leaves the vector of an interrupt that it has injected in CPUState.exception_index (helper_vmrun,
SVM_EVTINJ_TYPE_INTR). When that virtual CPU is then asked to leave its loop for anything but an interrupt,
cpu_handle_interrupt sees an index that is not -1, keeps it, and the interrupt is delivered for a second time:
with interrupts off, in the middle of the guest's entry code. A kernel does not survive that: an L2 guest dies
of a triple fault, hangs, or panics on a GS base of the other mode, about once in five minutes of the lab. (Seen
with QEMU 10.0; with thread=single, where such requests are frequent, no guest boots to its end.)

At this place nothing else than -1 is ever right: so the jump around the store of EXCP_INTERRUPT goes."""
import re
import sys

# mov exception_index(%rbx),%ebp; cmp $-1,%ebp; jne …; movl $EXCP_INTERRUPT,exception_index(%rbx)
PLACE = re.compile(rb"\x8b\xab(....)\x83\xfd\xff(\x0f\x85....)\xc7\x83\1\x00\x00\x01\x00", re.S)
NOP6 = bytes.fromhex("660f1f440000")


def main(path):
    with open(path, "r+b") as f:
        data = f.read()
        found = list(PLACE.finditer(data))
        if len(found) != 1:
            sys.exit(f"{path}: the place to repair is there {len(found)} times, not once: this QEMU is another one "
                     "(tests/lab/qemu_fix.py); guests of the lab may crash without cause")
        f.seek(found[0].start(2))
        f.write(NOP6)


if __name__ == "__main__":
    main(sys.argv[1])
