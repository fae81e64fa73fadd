#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""abi.py finds what breaks binaries, and lets grow what may: test_abi.py CC HEADER GOLDEN."""
import pathlib
import shutil
import sys
import tempfile
import subprocess

HERE = pathlib.Path(__file__).parent
CC, HEADER, GOLDEN = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])

# name, text in the header, what takes its place, what abi.py says; "": it may be added
CASES = [
    ("two members change places", "\tuint32_t nr_lcores;\n\tuint32_t budget_us;",
     "\tuint32_t budget_us;\n\tuint32_t nr_lcores;", "member nethv_host.nr_lcores was"),
    ("a member goes away", "\tuint64_t now_tsc;\n", "", "member nethv_burst.now_tsc is gone"),
    ("a member in the middle", "\tuint64_t now_ns;", "\tuint64_t more;\n\tuint64_t now_ns;",
     "member nethv_burst.now_ns was"),
    ("a member changes its type", "uint32_t hash;", "int32_t hash;", "member nethv_pkt.hash was"),
    ("a call gets an argument", "(*hold)(struct nethv_burst *b,", "(*hold)(struct nethv_burst *b, int x,",
     "member nethv_host.hold was"),
    ("an enumerator in the middle", "NETHV_CAPTURE = 1", "NETHV_CAPTURE = 4",
     "enumerator nethv_ext_class.NETHV_CAPTURE was 1, is 4"),
    ("a constant", "#define NETHV_VECTOR_MAX  64u", "#define NETHV_VECTOR_MAX  65u",
     "constant NETHV_VECTOR_MAX was 64, is 65"),
    ("what lies in arrays grows", "\tdouble min, max;", "\tdouble min, max, step;",
     "struct nethv_key was"),
    ("a member at the end", "\tvoid (*flush)(void *inst, struct nethv_burst *b);",
     "\tvoid (*flush)(void *inst, struct nethv_burst *b);\n\tvoid (*more)(void *inst);", ""),
    ("an enumerator at the end", "\tNETHV_KEY_LIST = 5,", "\tNETHV_KEY_MORE = 6,\n\tNETHV_KEY_LIST = 5,",
     ""),
]


def abi(header, golden, *more):
    done = subprocess.run([sys.executable, str(HERE / "abi.py"), CC, str(header), str(golden), *more],
                          capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def try_case(text, old, new, says, tmp):
    if text.count(old) != 1:
        return f"{old!r} stands {text.count(old)} times in the header"
    header, golden = tmp / "nethv" / HEADER.name, tmp / "golden.txt"
    header.write_text(text.replace(old, new))
    shutil.copy(GOLDEN, golden)
    rc, out = abi(header, golden)
    if rc != 1 or (says or "is new") not in out:
        return f"status {rc}: {out}"
    rc, out = abi(header, golden, "--update")
    if rc != (1 if says else 0):
        return f"--update: status {rc}: {out}"
    if says and golden.read_text() != GOLDEN.read_text():
        return "a refused change was written"
    return "" if says or abi(header, golden)[0] == 0 else "what was added is not accepted"


def main():
    text, faults = HEADER.read_text(), 0
    with tempfile.TemporaryDirectory() as tmp:
        (pathlib.Path(tmp) / "nethv").mkdir()
        for name, old, new, says in CASES:
            fault = try_case(text, old, new, says, pathlib.Path(tmp))
            faults += bool(fault)
            print(f"{'FAIL' if fault else 'ok'}: {name} {fault}")
    return 1 if faults else 0


sys.exit(main())
