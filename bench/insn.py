#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Instructions a packet: ./dev bench insn [--update] [--json] [CASE…]

Counts what the functions of the fast path execute, by valgrind --tool=callgrind, and compares with the figures
kept in bench/insn.json. A count is exact: it does not know of caches and clocks, so any machine has the same,
busy or not. More than 1 % above fails, and so does more than 1 % below: the gate is to be as tight as the code
is good. --update keeps the figures of now. A CASE is a name of the list or what stands before its slash; of cases
that are named the functions are shown, too.
"""
import argparse
import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOLERANCE = 0.01
ROUNDING = 0.05 # of the figures kept
SHOWN = 8 # functions
SKIPPED = 77

# Group of cases: the program, and the functions that count with all that they call.
PROGRAMS = {
    "netvsp": ("micro_netvsp", ["netvsp_rx", "netvsp_tx", "netvsp_rx_done"]),
    "vswitch": ("micro_vswitch", ["vsw_lcore_poll"]),
    "v2v": ("micro_v2v", ["vsw_lcore_poll"]),
    "direct": ("micro_direct", ["vsw_lcore_poll"]),
}
NOT_COUNTED = re.compile(r"mill_(rx|rx_done|tx)") # ports and drivers of the programs, which do nothing that is ours

# The processor that valgrind plays depends on the host's: has it AVX2 or not. The C library chooses its functions by
# that, so it is told to take those of x86-64, which every processor has; DPDK is told so by bench/count.c. Our own
# code is made for x86-64-v2 and chooses nothing.
CPU = "x86-64, vectors of 128 bits"
HWCAPS = ("-AVX512F", "-AVX512VL", "-AVX2", "-AVX", "-AVX_Fast_Unaligned_Load", "-ERMS", "-FSRM", "-RTM", "-BMI2",
          "-SSE4_2", "-SSE4_1", "-SSSE3", "-Prefer_ERMS", "-Prefer_FSRM", "Fast_Unaligned_Copy")
ENVIRONMENT = {
    "GLIBC_TUNABLES": f"glibc.cpu.hwcaps={','.join(HWCAPS)}:glibc.cpu.x86_non_temporal_threshold=0xc0000",
    "LD_BIND_NOW": "1",
}
CHOSEN_BY_CPU = re.compile(r"_(ssse3|sse4\w*|avx\w*|evex\w*|erms)$")


class Cannot(Exception):
    """Why nothing can be counted or compared here: no fault of the code."""


class Broken(Exception):
    """What went wrong."""


# One dump, or the difference of two: packets, instructions in functions themselves, and with what they call.
Dump = collections.namedtuple("Dump", "case packets own all")


def bare(function):
    """Without what gcc appends to copies (.isra.0), and callgrind to recursion ('2)."""
    return re.split(r"[.'@]", function, maxsplit=1)[0] or function


def parse(text):
    """A dump that a program asked for; None: another one."""
    asked = re.search(r"^desc: Trigger: Client Request: (\S+) (\d+)$", text, re.M)
    total = re.search(r"^totals: (\d+)", text, re.M)
    if not asked:
        return None
    own, every = collections.Counter(), collections.Counter()
    function, is_call = None, False
    for line in text.splitlines():
        if line.startswith("fn="):
            function = bare(line[3:])
        elif line.startswith("calls="):
            is_call = True # the next line has what the call cost
        elif line[:1].isdigit() and function:
            cost = int(line.split()[1])
            every[function] += cost
            own[function] += 0 if is_call else cost
            is_call = False
    if not total or sum(own.values()) != int(total.group(1)):
        raise Broken(f"{asked.group(1)}: functions do not add up to {total and total.group(1)}: not understood")
    return Dump(asked.group(1), int(asked.group(2)), own, every)


def per_packet(few, many):
    """What two runs of a case differ by, for one packet."""
    packets = many.packets - few.packets
    if packets <= 0 or few.case != many.case:
        raise Broken(f"{few.case}: {few.packets} packets and then {many.case}: {many.packets}")
    own = {f: (n - few.own[f]) / packets for f, n in many.own.items() if not NOT_COUNTED.fullmatch(f)}
    every = {f: (n - few.all[f]) / packets for f, n in many.all.items()}
    if not sum(own.values()):
        raise Broken(f"{few.case}: nothing was counted; are the functions in bench/insn.py still called so?")
    return {"insn": sum(own.values()), "own": own, "all": every}


def cases_of(dumps):
    """{case: figures} of the dumps in the order of their making."""
    if len(dumps) % 2:
        raise Broken(f"{len(dumps)} dumps of callgrind, want two of each case")
    return {few.case: per_packet(few, many) for few, many in zip(dumps[::2], dumps[1::2])}


def check_choices(cases):
    for name, c in cases.items():
        for f in c["own"]:
            if CHOSEN_BY_CPU.search(f):
                raise Cannot(f"{name} calls {f}, which the C library chose by the processor against our tunables")


def valgrind(build, group, names):
    program, functions = PROGRAMS[group]
    path = shutil.which("valgrind")
    if not path:
        raise Cannot("valgrind is not installed")
    with tempfile.TemporaryDirectory() as tmp:
        run = subprocess.run(
            [path, "-q", "--tool=callgrind", "--instr-atstart=no", *(f"--toggle-collect={f}" for f in functions),
             "--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={tmp}/out", f"./{program}",
             "count", *names],
            cwd=build / "bench", env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
        if run.returncode:
            raise Broken(f"{program}: status {run.returncode}\n{run.stdout}{run.stderr}")
        files = sorted((f for f in pathlib.Path(tmp).iterdir() if f.suffix), key=lambda f: int(f.suffix[1:]))
        dumps = [d for d in (parse(f.read_text()) for f in files) if d]
    said = next((json.loads(l) for l in run.stdout.splitlines() if l.startswith("{")), None)
    if not said:
        raise Broken(f"{program} does not say what it was made with")
    if not said["counts"]:
        raise Cannot("the programs were made without valgrind's headers")
    return said["made_with"] | {"cpu": CPU}, cases_of(dumps)


def groups_of(names):
    """{group: names of its cases; none: all}."""
    if not names:
        return {g: [] for g in PROGRAMS}
    groups = {}
    for n in names:
        group, _, case = n.partition("/")
        if group not in PROGRAMS:
            raise Broken(f"no case {n}: the groups are {', '.join(PROGRAMS)}")
        groups.setdefault(group, []).append(case)
    return {g: [] if "" in cases else cases for g, cases in groups.items()}


def measure(build, names):
    made_with, cases = None, {}
    for group, wanted in groups_of(names).items():
        made_with, got = valgrind(build, group, wanted)
        check_choices(got)
        missing = [f"{group}/{case}" for case in wanted if case not in got]
        if missing or not got:
            raise Broken(f"no case {', '.join(missing or [group])}")
        cases |= {f"{group}/{case}": c for case, c in got.items()}
    return made_with, cases


# ---- Comparison ----


def differences(kept, own):
    """(function, figure kept, figure now) of what changed most, growth first."""
    rows = [(f, kept.get(f, 0.0), own.get(f, 0.0)) for f in kept.keys() | own.keys()]
    rows = [r for r in rows if abs(r[2] - r[1]) > ROUNDING + 0.01 and (r[0] in kept or r[2] > worth_keeping(own))]
    return sorted(rows, key=lambda r: r[1] - r[2])


def worth_keeping(own):
    return max(ROUNDING, 0.01 * sum(own.values()))


def judge(kept, now):
    """A word for what is wrong with a figure; "": nothing."""
    if kept is None:
        return "new"
    if abs(now - kept) <= TOLERANCE * kept + ROUNDING:
        return ""
    return "more" if now > kept else "less"


WORDS = {
    "new": "is not kept yet: ./dev bench insn --update",
    "more": "above by more than 1 %: if that is wanted, ./dev bench insn --update",
    "less": "below by more than 1 %: tighten the gate, ./dev bench insn --update",
}


def verdict(name, kept, figures, kept_own):
    """(is good, text) of one case."""
    now = figures["insn"]
    word = judge(kept, now)
    if not word:
        return True, f"ok {name}: {now:.1f} instructions a packet, {kept:.1f} kept"
    if word == "new":
        return False, f"not ok {name}: {now:.1f} instructions a packet, {WORDS['new']}"
    rows = differences(kept_own, figures["own"])
    changed = [r for r in rows if (r[2] > r[1]) == (word == "more")]
    changed = changed[:3] if word == "more" else changed[:-4:-1]
    first = ", ".join(f"{f} {new - old:+.1f}" for f, old, new in changed)
    lines = [f"not ok {name}: {now:.1f} instructions a packet, {kept:.1f} kept: {now - kept:+.1f} "
             f"({(now / kept - 1) * 100:+.1f} %){': ' if first else ''}{first}; {WORDS[word]}"]
    lines += [f"    {f:32} {old:7.1f} -> {new:7.1f}  {new - old:+7.1f}   with all that it calls: "
              f"{figures['all'].get(f, 0):.1f}" for f, old, new in rows[:SHOWN]]
    return False, "\n".join(lines)


def compare(kept, cases, is_all):
    """(is good, texts)."""
    out = [verdict(n, kept["cases"].get(n), c, kept["functions"].get(n, {})) for n, c in cases.items()]
    if is_all:
        out += [(False, f"not ok {n}: is kept, but there is no such case any more: ./dev bench insn --update")
                for n in kept["cases"] if n not in cases]
    return all(good for good, _ in out), [text for _, text in out]


def check_made_with(kept, now):
    other = [f"{now[k]}, the figures kept are of {kept.get(k, 'another')}" for k in now if kept.get(k) != now[k]]
    if other:
        raise Cannot("; ".join(other))


# ---- The file ----


def load(path):
    if not path.exists():
        return {"made_with": {}, "cases": {}, "functions": {}}
    return json.loads(path.read_text())


def functions_kept(own):
    rows = [(f, round(n, 1)) for f, n in own.items() if n > worth_keeping(own)]
    return dict(sorted(rows, key=lambda r: (-r[1], r[0])))


def merged(kept, made_with, cases, is_all):
    """What is to be kept from now on."""
    if not is_all:
        check_made_with(kept["made_with"], made_with)
    old = {"cases": {}, "functions": {}} if is_all else kept
    return {
        "made_with": made_with,
        "cases": old["cases"] | {n: round(c["insn"], 1) for n, c in cases.items()},
        "functions": old["functions"] | {n: functions_kept(c["own"]) for n, c in cases.items()},
    }


def text_of(kept):
    """JSON with a line for each case."""
    parts = []
    for key, member in kept.items():
        lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in member.items())
        parts.append(f" {json.dumps(key)}: {{\n{lines}\n }}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


# ---- What is said ----


def show_functions(cases):
    for name, c in cases.items():
        print(f"\n{name}: {c['insn']:.1f} instructions a packet")
        print(f"    {'function':32} {'itself':>8} {'':6} {'with calls':>11}")
        for f, n in sorted(c["own"].items(), key=lambda r: -r[1])[:2 * SHOWN]:
            print(f"    {f:32} {n:8.1f} {n / c['insn'] * 100:5.1f}% {c['all'][f]:11.1f}")


def show_json(made_with, cases):
    print(json.dumps({"made_with": made_with, "cases": {
        n: {"insn": c["insn"], "own": c["own"], "all": c["all"]} for n, c in cases.items()}}, indent=1, sort_keys=True))


def work(o):
    kept = load(o.kept)
    made_with, cases = measure(o.build, o.cases)
    if o.update:
        o.kept.write_text(text_of(merged(kept, made_with, cases, not o.cases)))
    if o.json:
        show_json(made_with, cases)
        return 0
    if o.update:
        kept = load(o.kept)
    if not o.gate and made_with != kept["made_with"]:
        show_functions(cases)
    check_made_with(kept["made_with"], made_with)
    good, texts = compare(kept, cases, not o.cases)
    print("\n".join(texts))
    if o.cases:
        show_functions(cases)
    return 0 if good else 1


def options(argv):
    ap = argparse.ArgumentParser(prog="./dev bench insn", description=__doc__.splitlines()[0])
    ap.add_argument("cases", nargs="*", metavar="CASE")
    ap.add_argument("--update", action="store_true", help="keep the figures of now")
    ap.add_argument("--json", action="store_true", help="all figures, compared with nothing")
    ap.add_argument("--gate", action="store_true", help="as a test: status 77 when nothing can be compared")
    ap.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    ap.add_argument("--kept", type=pathlib.Path, default=ROOT / "bench" / "insn.json")
    return ap.parse_args(argv)


def main(argv):
    o = options(argv)
    try:
        return work(o)
    except Cannot as e:
        print(f"ok insn # SKIP {e}" if o.gate else f"not compared: {e}")
        return SKIPPED if o.gate else 0
    except (Broken, subprocess.TimeoutExpired) as e:
        print(f"not ok insn: {e}")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
