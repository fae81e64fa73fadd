#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The offline bench with extensions that misbehave: bench.py NETHV-EXT DIR-OF-EXTENSIONS
test|check.

What goes wrong must be found, with the right rule and exit status; and nothing else."""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

EXT, DIR = sys.argv[1], pathlib.Path(sys.argv[2])
FAULTS = 0

# extension, what goes wrong, the rule that must be found broken
CHECKS = [
    ("capture", "nothing", None),
    ("filter", "nothing", None),
    ("forward", "nothing", None),
    ("holder", "nothing", None),
    ("capture", "edit", "EXT-1"),
    ("capture", "verdict", "CHK-1"),
    ("capture", "veto-create", "EXT-1"),
    ("filter", "late", "EXT-2"),
    ("filter", "veto-create", None),
    ("filter", "veto-connect", "EV-3"),
    ("filter", "reason", "EXT-11"),
    ("filter", "route", "CHK-1"),
    ("filter", "packet", "CHK-1"),
    ("filter", "originate", "DP-10"),
    ("filter", "source", "SRC-1"),
    ("filter", "head", "SDK-1"),
    ("filter", "hold", "SDK-2"),
    ("holder", "handle", "SDK-3"),
    ("filter", "index", "SDK-5"),
    ("filter", "done", "POL-4"),
    ("forward", "dst", "DP-4"),
    ("filter", "status", "CHK-8"),
    ("filter", "bounds", "CHK-4"),
    ("filter", "fixed", "CHK-5"),
    ("filter", "forgets", "CHK-7"),
    ("filter", "once", None), # each load has statics of its own
    ("holder", "keep", "CHK-3"),
    ("filter", "exclude", None),
]
CHECKS += [("filter", f"{kind}-{where}", "CHK-1") for kind, where in
           [("crash", "ingress"), ("abort", "egress"), ("divide", "ingress"), ("loop", "egress"),
            ("crash", "event"), ("crash", "configure"), ("crash", "save"), ("crash", "status"),
            ("crash", "tick")]]
CHECKS += [("holder", "crash-poll", "CHK-1")]


def say(ok, what, more=""):
    global FAULTS
    FAULTS += not ok
    print(f"{'ok' if ok else 'FAIL'}: {what}{'' if ok else f': {more}'}")


def run(*args):
    done = subprocess.run([EXT, *map(str, args)], capture_output=True, text=True, timeout=200)
    return done.returncode, done.stdout, done.stderr


def check(so, how, rule):
    rc, out, err = run("check", DIR / f"{so}.so", "--config", json.dumps({"how": how}),
                       "--steps", 40, "--json")
    try:
        rules = json.loads(out)["rules"]
    except ValueError:
        return say(False, f"check {so} {how}", f"status {rc}: {err}")
    broken = [r["id"] for r in rules if r["state"] == "broken"]
    good = rc == (1 if rule else 0) and (rule in broken if rule else not broken)
    say(good, f"check {so} {how}: {rule or 'nothing broken'}",
        f"status {rc}, broken: {[r for r in rules if r['state'] == 'broken']}")


def pcap(path, frames):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i, b in enumerate(frames):
            f.write(struct.pack("<IIII", 1, i, len(b), len(b)) + b)


def frames_of(path):
    data, at, out = path.read_bytes(), 24, []
    while at < len(data):
        n = struct.unpack_from("<I", data, at + 8)[0]
        out.append(data[at + 16:at + 16 + n])
        at += 16 + n
    return out


FRAMES = [bytes.fromhex("020000000002020000000001") + b"\x88\xb5" + bytes([i] * (46 + i))
          for i in range(10)]


def sizes(tmp):
    """Descriptors that are shorter and longer than ours."""
    pcap(tmp / "in.pcap", FRAMES)
    for so in ("old", "new"):
        rc, out, err = run("test", DIR / f"{so}.so", "--in", tmp / "in.pcap", "--out",
                           tmp / "out.pcap", "--json")
        got = frames_of(tmp / "out.pcap") if rc == 0 else None
        say(rc == 0 and got == [f for f in FRAMES if not len(f) & 1],
            f"a descriptor of an {'older' if so == 'old' else 'newer'} SDK", f"{rc} {out} {err}")


def expect(tmp):
    """The first difference is told: which packet, where, what."""
    so = DIR / "filter.so"
    pcap(tmp / "in.pcap", FRAMES)
    other = list(FRAMES)
    other[3] = other[3][:20] + b"\xee" + other[3][21:]
    for name, want, member in [("same", FRAMES, {"same": True, "packets": 10}),
                               ("differs", other, {"same": False, "packet": 4, "offset": 20}),
                               ("fewer", FRAMES[:9], {"same": False, "packet": 10}),
                               ("more", FRAMES + other[3:4], {"same": False, "packet": 11,
                                                              "missing": 1})]:
        pcap(tmp / "want.pcap", want)
        rc, out, err = run("test", so, "--in", tmp / "in.pcap", "--expect", tmp / "want.pcap",
                           "--json", "--repeat", 1)
        e = json.loads(out)["expect"][0] if out else {}
        say(rc == (not member["same"]) and member.items() <= e.items(), f"expect: {name}",
            f"{rc} {e} {err}")
    pcap(tmp / "want.pcap", other)
    rc, out, _ = run("test", so, "--in", tmp / "in.pcap", "--expect", tmp / "want.pcap")
    say("packet 4 differs at byte 20" in out and "is        03 03" in out and
        "should be ee 03" in out and out.endswith("FAILED\n"), "expect: in words", out)
    rc, out, _ = run("test", so, "--in", tmp / "in.pcap", "--expect-status", '{"mood": "good"}')
    say(rc == 1 and "status is not as expected" in out, "expect-status", out)
    rc, out, _ = run("test", so, "--in", tmp / "in.pcap", "--expect-status", '{"mood": "bad"}')
    say(rc == 0, "expect-status, as it is", out)


def faults(tmp):
    """A fault is told with its place; all packets leave; the exit status says so."""
    pcap(tmp / "in.pcap", FRAMES)
    for how, words in [("crash-ingress", "touched memory"), ("loop-ingress", "budget"),
                       ("divide-egress", "SIGFPE"), ("abort-ingress", "illegal instruction")]:
        rc, out, _ = run("test", DIR / "filter.so", "--config", json.dumps({"how": how}), "--in",
                         tmp / "in.pcap", "--out", tmp / "out.pcap", "--json")
        r = json.loads(out)
        say(rc == 1 and len(r["faults"]) == 1 and words in r["faults"][0]["report"] and
            r["balanced"] and frames_of(tmp / "out.pcap") == FRAMES, f"fault: {how}", out)
    for how in ("crash-create", "loop-create"):
        rc, _, err = run("test", DIR / "filter.so", "--config", json.dumps({"how": how}), "--in",
                         tmp / "in.pcap")
        say(rc == 2 and "misbehave" in err, f"fault: {how} is an error", f"{rc} {err}")
    rc, out, _ = run("test", DIR / "filter.so", "--config", '{"how": "reason"}', "--in",
                     tmp / "in.pcap", "--json", "--burst", 1)
    b = json.loads(out)["broken"]
    say(rc == 1 and len(b) == 1 and b[0]["rule"].startswith("EXT-11: ") and b[0]["times"] == 1010,
        "a broken rule is counted", b)


def ports(tmp):
    """Several inputs, in the order of their times; ports by sender; tags; pcapng with interfaces."""
    so = DIR / "filter.so"
    a, b = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
    ab = [b + a + b"\x88\xb5" + bytes([i]) * 46 for i in range(3)]
    ba = [a + b + b"\x88\xb5" + bytes([i]) * 46 for i in range(3)]
    mixed = [f for pair in zip(ab, ba) for f in pair]
    pcap(tmp / "mixed.pcap", mixed)
    rc, out, err = run("test", so, "--by-mac", "--in", tmp / "mixed.pcap", "--out",
                       tmp / "out.pcapng", "--out-port", f"02:00:00:00:00:02={tmp}/b.pcap",
                       "--json")
    p = {x["name"]: (x["in"], x["out"]) for x in json.loads(out)["ports"]} if out else err
    say(rc == 0 and p == {"02:00:00:00:00:01": (3, 3), "02:00:00:00:00:02": (3, 3)} and
        frames_of(tmp / "b.pcap") == ab, "a port for each sender", f"{p}")
    say(b"02:00:00:00:00:01" in (tmp / "out.pcapng").read_bytes(), "pcapng names the ports")
    pcap(tmp / "ab.pcap", ab)
    pcap(tmp / "ba.pcap", ba)
    rc, out, err = run("test", so, "--in", tmp / "ab.pcap", "--port", f"out={tmp}/ba.pcap",
                       "--out", tmp / "out.pcap")
    say(rc == 0 and frames_of(tmp / "out.pcap") == mixed, "two inputs by their times", out + err)
    tagged = [b + a + b"\x81\x00\x60\x0a\x88\xb5" + bytes(46)]
    pcap(tmp / "tag.pcap", tagged)
    for vlans, want in [(["in=trunk", "out=trunk"], tagged), (["in=trunk", "out=11"], []),
                        (["in=trunk", "out=10"], [b + a + b"\x88\xb5" + bytes(46)])]:
        args = [w for v in vlans for w in ("--vlan", v)]
        rc, out, err = run("test", so, "--in", tmp / "tag.pcap", "--out", tmp / "out.pcap", *args)
        say(rc == 0 and frames_of(tmp / "out.pcap") == want, f"VLAN {' '.join(vlans)}", out + err)


def wrong_use(tmp):
    pcap(tmp / "in.pcap", FRAMES)
    so = DIR / "filter.so"
    for args, words in [(("test", so), "--in FILE"), (("test",), "one extension"),
                        (("test", so, "--in", "/nowhere"), "/nowhere"),
                        (("test", "/nowhere.so", "--in", tmp / "in.pcap"), "/nowhere.so"),
                        (("test", so, "--in", tmp / "in.pcap", "--config", "{"), "command line"),
                        (("test", so, "--in", tmp / "in.pcap", "--config", '{"x": 1}'), 'key "x"'),
                        (("test", so, "--in", tmp / "in.pcap", "--vlan", "in=0"), "1..4094"),
                        (("test", so, "--in", tmp / "in.pcap", "--burst", "65"), "1..64"),
                        (("check",), "one extension"), (("info",), "one extension"),
                        (("new", "Bad"), "a-z"), (("new", "x", "--class", "y"), "no class y"),
                        (("dance",), 'no verb "dance"')]:
        rc, _, err = run(*args)
        say(rc == 2 and words in err, f"wrong use: {words}", f"{rc} {err}")


def info():
    rc, out, err = run("info", DIR / "filter.so", "--json")
    i = json.loads(out) if rc == 0 else {}
    n = i.get("config", {}).get("properties", {}).get("n", {})
    say(i.get("class") == "filter" and i["guid"].startswith("517e0b2a-601d-4c55-") and
        n == {"type": "integer", "description": "a number", "minimum": 1, "maximum": 9,
              "default": 5} and i["config"]["additionalProperties"] is False,
        "info --json has the schema", f"{rc} {i} {err}")
    rc, out, _ = run("info", DIR / "filter.so")
    say("integer  1..9" in out and "no: it does not want it" in out, "info in words", out)


def main():
    if sys.argv[3] == "check":
        for so, how, rule in CHECKS:
            check(so, how, rule)
    else:
        with tempfile.TemporaryDirectory() as tmp:
            for part in (sizes, expect, faults, ports, wrong_use):
                part(pathlib.Path(tmp))
        info()
    print(f"{FAULTS} failed")
    return 1 if FAULTS else 0


sys.exit(main())
