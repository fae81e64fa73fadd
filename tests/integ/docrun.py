#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the ```console blocks of a document and compares what is printed with what stands there.

  docrun.py FILE.md     in the current folder, with the environment as it is

"$ command", its lines of input "> ...", then its output. In the output `…` stands for any text in a line, and
a line "..." for any lines. A command that ends with & goes on in the background. One that fails must say so
in its last line: FAILED, or a line that begins with "nethv". Commands run one after the other in one shell's
folder; `cd` lasts."""
import os
import pathlib
import re
import subprocess
import sys
import time

PATIENCE = 60  # seconds for a line of a program in the background


def blocks(text):
    return re.findall(r"^```console\n(.*?)^```", text, re.S | re.M)


def steps(block):
    """(command, expected lines)"""
    out = []
    for line in block.splitlines():
        if line.startswith("$ "):
            out.append((line[2:], []))
        elif line.startswith("> ") or line == ">":
            out[-1] = (out[-1][0] + "\n" + line[2:], out[-1][1])
        else:
            out[-1][1].append(line)
    return out


def pattern(lines):
    parts = []
    for line in lines:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(re.escape(p) for p in line.rstrip().split("…")) + r" *\n")
    return "".join(parts)


def in_background(cmd, lines):
    log = pathlib.Path("background.log")
    with log.open("w") as f:
        p = subprocess.Popen(["bash", "-c", "exec " + cmd.rstrip("& ")], stdout=f,
                             stderr=subprocess.STDOUT)
    want = re.compile(pattern(lines))
    for _ in range(PATIENCE * 10):
        if want.match(log.read_text()):
            return p, ""
        if p.poll() is not None:
            break
        time.sleep(0.1)
    return p, f"printed:\n{log.read_text()}"


def in_front(cmd, lines):
    done = subprocess.run(["bash", "-c", cmd], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=300)
    if not re.fullmatch(pattern(lines), done.stdout):
        return f"status {done.returncode}, printed:\n{done.stdout}"
    last = lines[-1] if lines else ""
    if done.returncode and last != "FAILED" and not last.startswith("nethv"):
        return f"status {done.returncode}, which the document does not show"
    if not done.returncode and last == "FAILED":
        return "status 0 though it failed"
    return ""


def main():
    nr, running = 0, []
    begin = time.monotonic()
    for block in blocks(pathlib.Path(sys.argv[1]).read_text()):
        for cmd, lines in steps(block):
            nr += 1
            if cmd.startswith("cd "):
                os.chdir(cmd[3:])
                fault = ""
            elif cmd.endswith("&"):
                p, fault = in_background(cmd, lines)
                running.append(p)
            else:
                fault = in_front(cmd, lines)
            print(f"{'FAIL' if fault else 'ok'}: $ {cmd}", flush=True)
            if fault:
                print("should have printed:", *lines, fault, sep="\n")
                for p in running:
                    p.terminate()
                return 1
    for p in running:
        if p.wait(timeout=PATIENCE):
            print(f"FAIL: a program in the background ended with status {p.returncode}")
            return 1
    print(f"{nr} commands as in {sys.argv[1]}, in {time.monotonic() - begin:.0f} s")
    return 0 if nr > 10 else 1


sys.exit(main())
