#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The ABI of include/nethv/extension.h: every size, offset, signature, enumerator and constant.

  abi.py CC HEADER GOLDEN            compares with the golden list
  abi.py CC HEADER GOLDEN --update   writes what is new into it; what changed is refused
"""
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

# In arrays, or members of another struct: they can never grow.
FIXED = {"nethv_pkt", "nethv_dst", "nethv_route", "nethv_guid", "nethv_key"}

STRUCT = re.compile(r"\bstruct (\w+) \{(.*?)\n?\};", re.S)
ENUM = re.compile(r"\benum (\w+) \{(.*?)\};", re.S)
DEFINE = re.compile(r"^#define (NETHV_[A-Z0-9_]+)[ \t]+\(?(-?(?:0x[0-9A-Fa-f]+|\d+))u?\)?[ \t]*$", re.M)
INLINE = re.compile(r"^static inline ([^;{]*?)(\w+)\(([^{;]*)\)\n\{", re.M)
FUNCTION = re.compile(r"\(\*(\w+)\)\(")
PLAIN = re.compile(r"^(?P<type>[\w ]+?[\w*] ?(?:\*|const )*)(?P<names>\w+(?:\[\w+\])?(?:, \w+)*)$")


class Strange(Exception):
    pass


def clean(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r"\\\n\s*", " ", text)


def members(body):
    """(name, declaration) of each member; a declaration that is not understood is an error."""
    for decl in body.split(";"):
        decl = " ".join(decl.split())
        if not decl:
            continue
        m = FUNCTION.search(decl)
        if m:
            yield m.group(1), decl
            continue
        m = PLAIN.match(decl)
        if not m:
            raise Strange(f"member not understood: {decl}")
        for name in m.group("names").split(", "):
            bare = name.split("[")[0]
            yield bare, f"{m.group('type').strip()} {name}"


def enumerators(body):
    for e in body.split(","):
        e = " ".join(e.split())
        if e:
            yield e.split("=")[0].strip()


def questions(text):
    """(key, C expressions, remark) of everything that the header promises."""
    for name, body in STRUCT.findall(text):
        yield f"struct {name}", [f"sizeof(struct {name})"], ""
        for member, decl in members(body):
            if member != "reserved":
                where = [f"offsetof(struct {name}, {member})",
                         f"sizeof(((struct {name} *)0)->{member})"]
                yield f"member {name}.{member}", where, decl
    for name, body in ENUM.findall(text):
        yield f"enum {name}", [f"sizeof(enum {name})"], ""
        for e in enumerators(body):
            yield f"enumerator {name}.{e}", [e], ""
    for name, _ in DEFINE.findall(text):
        yield f"constant {name}", [name], ""
    for kind, name, args in INLINE.findall(text): # of the source, not of binaries
        yield f"inline {name}", [], " ".join(f"{kind}({args})".split())


def ask(cc, header, text):
    asked = list(questions(text))
    if len(asked) < 100:
        raise Strange(f"only {len(asked)} promises found in {header}")
    lines = ["#include <stdio.h>", f'#include "{header.name}"', "int main(void) {"]
    lines += [f'printf("%lld\\n", (long long)({c}));' for _, cs, _ in asked for c in cs]
    with tempfile.TemporaryDirectory() as tmp:
        src, exe = pathlib.Path(tmp, "abi.c"), pathlib.Path(tmp, "abi")
        src.write_text("\n".join(lines + ["return 0; }", ""]))
        subprocess.run(shlex.split(cc) + ["-std=c11", "-I", str(header.parent),
                                          "-o", str(exe), str(src)], check=True)
        values = iter(subprocess.run([str(exe)], check=True, capture_output=True,
                                     text=True).stdout.split())
    return {key: " ".join([next(values) for _ in cs] + ([remark] if remark else []))
            for key, cs, remark in asked}


def is_growth(key, old, new):
    kind, name = key.split()
    return kind == "struct" and name not in FIXED and int(new) > int(old)


def compare(golden, now):
    """(broken, grown): what must not be, and what is to be added to the list."""
    broken, grown = [], []
    for key, old in golden.items():
        new = now.get(key)
        if new is None:
            broken.append(f"{key} is gone; it was {old}")
        elif new != old:
            (grown if is_growth(key, old, new) else broken).append(f"{key} was {old}, is {new}")
    grown += [f"{key} is new: {now[key]}" for key in now if key not in golden]
    return broken, grown


def read(path):
    lines = [ln for ln in path.read_text().splitlines() if ln and not ln.startswith("#")]
    return dict(ln.split(": ", 1) for ln in lines)


def write(path, now):
    path.write_text("# SPDX-License-Identifier: BSD-3-Clause\n"
                    "# What binaries of extensions rely on. Written by `./dev abi --update`.\n" +
                    "".join(f"{key}: {value}\n" for key, value in now.items()))


def main():
    cc, header, golden = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    is_update = "--update" in sys.argv[4:]
    now = ask(cc, header, clean(header.read_text()))
    broken, grown = compare(read(golden) if golden.exists() else {}, now)
    if broken:
        print("binaries of extensions would break:", *broken, sep="\n  ")
        return 1
    if is_update:
        write(golden, now)
        print(*(grown or ["nothing is new"]), sep="\n")
        return 0
    if grown:
        print("not in the golden list yet; if it is meant, run ./dev abi --update:", *grown,
              sep="\n  ")
        return 1
    print(f"{len(now)} promises of the ABI are kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
