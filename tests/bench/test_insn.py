#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench/insn.py reads callgrind's dumps, and lets no changed figure pass: test_insn.py INSN.PY. A made-up
valgrind writes the dumps."""
import json
import os
import pathlib
import stat
import subprocess
import sys
import tempfile

INSN = pathlib.Path(sys.argv[1]) if __name__ == "__main__" else None
MADE_WITH = {"compiler": "gcc 1", "dpdk": "DPDK 2"}
FAULTS = 0

# Two functions, one calls the other; what callgrind adds to names; the ports, which do not count.
DUMP = """# callgrind format
version: 1
desc: Trigger: {trigger}

positions: line
events: Ir
summary: 18446744073709551615

fn=vsw_lcore_poll
0 {outer}
cfn=give_one.isra.0
calls={calls} 0
0 {inner}
cfn=mill_tx
calls={calls} 0
0 {ports}

fl=./string/memcpy.S
fn=give_one.isra.0
12 {some}
13 {rest}

fn=mill_tx
0 {ports}

totals: {total}
"""

VALGRIND = """#!{python}
import json, pathlib, sys
sys.path.insert(0, {here!r})
import test_insn as t
out = next(a.split("=")[1] for a in sys.argv if a.startswith("--callgrind-out-file="))
program = next(a for a in sys.argv if a.startswith("./"))
t.play(program[2:], sys.argv[sys.argv.index("count") + 1:], pathlib.Path(out), json.loads({play!r}))
"""

CASES = {"micro_netvsp": ["small", "one"], "micro_vswitch": ["b64"], "micro_v2v": ["agg32"], "micro_direct": ["plain"]}


def dump(trigger, packets, outer=10, inner=30, ports=5, once=777, total=None):
    """@once: what a run costs besides its packets."""
    o, i, p = round(outer * packets) + once, round(inner * packets), ports * packets
    return DUMP.format(trigger=trigger, outer=o, calls=packets, inner=i, ports=p, some=i // 3, rest=i - i // 3,
                       total=o + i + p if total is None else total)


def play(program, names, out, how):
    """What the programs do under valgrind. @how: {case: arguments of dump()}, and what is made of all."""
    if "status" in how:
        print("it fell over")
        sys.exit(how["status"])
    print(json.dumps({"made_with": how.get("made_with", MADE_WITH), "counts": how.get("counts", True)}))
    number = 0
    for case in [c for c in CASES[program] if not names or c in names] + how.get("extra", []):
        for packets in how.get("packets", [100, 1100])[:how.get("dumps", 2)]:
            number += 1
            with open(f"{out}.{number}", "w") as f:
                f.write(dump(f"Client Request: {case} {packets}", packets, **how.get(case, {})))
    out.write_text(dump("Program termination", 0))


def say(ok, what, more=""):
    global FAULTS
    FAULTS += not ok
    print(f"{'ok' if ok else 'FAIL'}: {what}{'' if ok else f': {more}'}")


def insn(tmp, how, *args):
    """Status and text of insn.py under that valgrind."""
    bin_dir = tmp / "bin"
    bin_dir.mkdir(exist_ok=True)
    (tmp / "build" / "bench").mkdir(parents=True, exist_ok=True)
    fake = bin_dir / "valgrind"
    fake.unlink(missing_ok=True)
    if how is not None:
        fake.write_text(VALGRIND.format(python=sys.executable, here=str(pathlib.Path(__file__).parent),
                                        play=json.dumps(how)))
        fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    done = subprocess.run([sys.executable, "-B", str(INSN), "--build", str(tmp / "build"), "--kept",
                           str(tmp / "insn.json"), *args], capture_output=True, text=True,
                          env={"PATH": str(bin_dir)})
    return done.returncode, done.stdout + done.stderr


def kept(tmp):
    return json.loads((tmp / "insn.json").read_text())


# what is made of it, arguments of insn.py, status, words, words that may not be there
PLAYS = [
    ("as before", {}, [], 0, ["ok netvsp/small: 40.0 instructions a packet, 40.0 kept", "ok v2v/agg32: 40.0"],
     ["not ok"]),
    ("once a start is no part of it", {"agg32": {"once": 90000}}, [], 0, ["ok v2v/agg32: 40.0"], ["not ok"]),
    ("the ports do not count", {"b64": {"ports": 900}}, [], 0, ["ok vswitch/b64: 40.0"], ["not ok"]),
    ("1 % more", {"agg32": {"outer": 10.4}}, [], 0, ["ok v2v/agg32: 40.4"], ["not ok"]),
    ("2 % more", {"agg32": {"outer": 10.8}}, [], 1,
     ["not ok v2v/agg32: 40.8 instructions a packet, 40.0 kept: +0.8 (+2.0 %): vsw_lcore_poll +0.8",
      "./dev bench insn --update", "ok netvsp/small"], ["give_one"]),
    ("more in the called", {"agg32": {"inner": 35, "outer": 9}}, [], 1,
     ["kept: +4.0 (+10.0 %): give_one +5.0;", "give_one                            30.0 ->    35.0     +5.0   "
      "with all that it calls: 35.0", "vsw_lcore_poll                      10.0 ->     9.0     -1.0"], []),
    ("2 % less", {"small": {"inner": 29.2}}, [], 1,
     ["not ok netvsp/small: 39.2 instructions a packet, 40.0 kept: -0.8 (-2.0 %): give_one -0.8", "tighten"], []),
    ("nothing at all", {"small": {"inner": 0, "outer": 0}}, [], 2, ["not ok insn: small: nothing was counted"], []),
    ("a case is new", {"extra": ["fresh"]}, ["v2v"], 1, ["not ok v2v/fresh: 40.0", "is not kept yet"], []),
    ("half of a case", {"dumps": 1}, ["v2v"], 2, ["not ok insn: 1 dumps"], []),
    ("as many packets twice", {"packets": [100, 100]}, ["v2v"], 2, ["100 packets and then agg32: 100"], []),
    ("a dump that is not understood", {"agg32": {"total": 5}}, ["v2v"], 2, ["do not add up to 5"], []),
    ("a program that fails", {"status": 3}, ["v2v"], 2, ["not ok insn: micro_v2v: status 3", "fell over"], []),
    ("one case", {"small": {"inner": 60}}, ["netvsp/one"], 0, ["ok netvsp/one", "with calls"], ["small", "b64"]),
    ("no such case", {}, ["netvsp/none"], 2, ["no case netvsp/none"], []),
    ("no such group", {}, ["none"], 2, ["no case none: the groups are netvsp, vswitch, v2v, direct"], []),
    ("another compiler", {"made_with": {"compiler": "gcc 9", "dpdk": "DPDK 2"}, "agg32": {"inner": 90}}, ["--gate"],
     77, ["ok insn # SKIP gcc 9, the figures kept are of gcc 1"], ["not ok"]),
    ("another compiler, asked by hand", {"made_with": {"compiler": "gcc 9", "dpdk": "DPDK 2"}}, [], 0,
     ["not compared: gcc 9", "v2v/agg32: 40.0"], ["not ok"]),
    ("without valgrind's headers", {"counts": False}, ["--gate"], 77, ["SKIP", "headers"], []),
    ("without valgrind", None, ["--gate"], 77, ["SKIP valgrind is not installed"], []),
    ("the gate", {"agg32": {"outer": 10.8}}, ["--gate"], 1, ["not ok v2v/agg32"], []),
]


def plays(tmp):
    for name, how, args, status, words, others in PLAYS:
        rc, out = insn(tmp, how, *args)
        say(rc == status and all(w in out for w in words) and not any(w in out.replace("FAIL", "") for w in others),
            name, f"status {rc}: {out}")


def gone(tmp):
    """A case that is kept and does not run any more."""
    now = kept(tmp)
    now["cases"]["v2v/old"] = 1.0
    (tmp / "insn.json").write_text(json.dumps(now))
    rc, out = insn(tmp, {})
    say(rc == 1 and "not ok v2v/old: is kept, but" in out, "a case is gone", out)
    rc, out = insn(tmp, {}, "v2v/agg32")
    say(rc == 0 and "v2v/old" not in out, "a case is gone, another one asked for", out)


def update(tmp):
    rc, out = insn(tmp, {}, "--update")
    now = kept(tmp)
    say(rc == 0 and now["cases"] == {"netvsp/small": 40.0, "netvsp/one": 40.0, "vswitch/b64": 40.0, "v2v/agg32": 40.0,
                                               "direct/plain": 40.0}
        and now["functions"]["v2v/agg32"] == {"give_one": 30.0, "vsw_lcore_poll": 10.0}
        and MADE_WITH.items() <= now["made_with"].items(), "--update keeps all", out)
    rc, out = insn(tmp, {"small": {"inner": 50}, "agg32": {"inner": 50}}, "--update", "v2v/agg32")
    then = kept(tmp)
    say(rc == 0 and then["cases"] == now["cases"] | {"v2v/agg32": 60.0}, "--update of one case keeps one", out)
    rc, out = insn(tmp, {"made_with": {"compiler": "gcc 9", "dpdk": "DPDK 2"}}, "--update", "v2v/agg32")
    say("not compared" in out and kept(tmp) == then, "--update of one case by another compiler is refused", out)
    rc, out = insn(tmp, {"made_with": {"compiler": "gcc 9", "dpdk": "DPDK 2"}}, "--update")
    say(rc == 0 and kept(tmp)["made_with"]["compiler"] == "gcc 9" and kept(tmp)["cases"] == now["cases"],
        "--update of all by another compiler is not", out)
    insn(tmp, {}, "--update")


def as_json(tmp):
    rc, out = insn(tmp, {"agg32": {"inner": 90}}, "--json", "v2v")
    c = json.loads(out)["cases"]["v2v/agg32"] if rc == 0 else {}
    say(c == {"insn": 100.0, "own": {"vsw_lcore_poll": 10.0, "give_one": 90.0},
              "all": {"vsw_lcore_poll": 105.0, "give_one": 90.0, "mill_tx": 5.0}}, "--json", out)


def chosen(tmp):
    """A function that the C library chose by the processor."""
    sys.path.insert(0, str(INSN.parent))
    import insn as m
    dumps = [dump(f"Client Request: x {n}", n).replace("give_one.isra.0", "__memcpy_avx_unaligned_erms")
             for n in (100, 200)]
    cases = m.cases_of([m.parse(d) for d in dumps])
    try:
        m.check_choices(cases)
        say(False, "a function chosen by the processor", cases)
    except m.Cannot as e:
        say("__memcpy_avx_unaligned_erms" in str(e), "a function chosen by the processor", e)
    say(not any(m.CHOSEN_BY_CPU.search(f) for f in ("memcpy", "__memcmp_sse2", "vsw_deliver", "memcpy@GLIBC_2.2.5")),
        "and those that are not")


def main():
    os.environ.pop("PYTHONPATH", None)
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory() as tmp:
        for part in (update, plays, gone, as_json, chosen):
            part(pathlib.Path(tmp))
    print(f"{FAULTS} failed")
    return 1 if FAULTS else 0


if __name__ == "__main__":
    sys.exit(main())
