#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Repairs two instructions of Debian's QEMU 10, in the lab's own copy of it: qemu_fix.py FILE

Without them a guest of the lab dies about once in three minutes: of a triple fault, at 100 % of a CPU, or
together with L1.

1. VMRUN leaves the vector of an interrupt that it has injected in CPUState.exception_index (helper_vmrun,
   SVM_EVTINJ_TYPE_INTR). When that virtual CPU is then asked to leave its loop for anything but an interrupt,
   cpu_handle_interrupt sees an index that is not -1, keeps it, and the interrupt is delivered for a second time:
   with interrupts off, in the middle of the guest's entry code. (With thread=single, where such requests are
   frequent, no guest boots to its end.) At that place nothing else than -1 is ever right: so the jump around the
   store of EXCP_INTERRUPT goes.
2. Each FXRSTOR, XRSTOR and FLDENV on any virtual CPU clears HF2_IGNNE in the flags of virtual CPU 0, from its own
   thread, without a lock or an atomic instruction (cpu_clear_ignne). When CPU 0 passes through a VMRUN or a #VMEXIT
   in that moment, its change to the same word is lost, and it goes on as the host with the guest's nested paging
   (HF2_NPT), or the reverse. The bit serves the FERR# line of DOS; nothing here uses it: so the write goes."""
import re
import sys

REPAIRS = (
    # mov exception_index(%rbx),%ebp; cmp $-1,%ebp; jne …; movl $EXCP_INTERRUPT,exception_index(%rbx)
    ("the interrupt delivered twice",
     re.compile(rb"\x8b\xab(....)\x83\xfd\xff(?P<out>\x0f\x85....)\xc7\x83\1\x00\x00\x01\x00", re.S)),
    # call object_dynamic_cast_assert; andl $~HF2_IGNNE_MASK,hflags2(%rax)
    ("the flags of CPU 0 overwritten", re.compile(rb"\xe8....(?P<out>\x81\xa0....\x7f\xff\xff\xff)", re.S)),
)
NOP = {6: "660f1f440000", 10: "662e0f1f840000000000"}  # by length


def main(path):
    with open(path, "r+b") as f:
        data = f.read()
        for what, place in REPAIRS:
            found = list(place.finditer(data))
            if len(found) != 1:
                sys.exit(f"{path}: {what}: the place to repair is there {len(found)} times, not once: this QEMU is "
                         "another one (tests/lab/qemu_fix.py); guests of the lab may crash without cause")
            out = found[0].span("out")
            f.seek(out[0])
            f.write(bytes.fromhex(NOP[out[1] - out[0]]))


if __name__ == "__main__":
    main(sys.argv[1])
