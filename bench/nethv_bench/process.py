# SPDX-License-Identifier: BSD-3-Clause
"""Child processes of a benchmark: their output in a file, ended by their pid however the benchmark ends."""
import os
import re
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NETHV = os.environ.get("NETHV") or os.path.join(ROOT, "build/mgmt/nethv")   # `nethv bench` says which it is


class Failure(Exception):
    """A start that gave no figure; the text says why."""


def stand_aside(core):
    """The benchmark itself, and what it asks systems with, runs on that core only. Systems run where they like."""
    Process.may = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})


class Process:
    alive = []
    may = None # the CPUs of those to come; None: ours

    def __init__(self, argv, log, stdin=False, env=None):
        self.log = log
        self.out = open(log, "wb")
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, stdout=self.out,
                                  stderr=subprocess.STDOUT, env=env, preexec_fn=self.spread)
        Process.alive.append(self)

    @staticmethod
    def spread():
        if Process.may:
            os.sched_setaffinity(0, Process.may)

    def say(self, line):
        try:
            self.p.stdin.write(line.encode() + b"\n")
            self.p.stdin.flush()
        except BrokenPipeError:
            raise Failure(f"{self.p.args[0]} has ended: {self.tail()}") from None

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def tail(self, lines=8):
        return "\n".join(self.text().splitlines()[-lines:])

    def wait_for(self, pattern, secs):
        """Until its output has @pattern. The match."""
        end = time.monotonic() + secs
        while time.monotonic() < end:
            found = re.search(pattern, self.text())
            if found:
                return found
            if self.p.poll() is not None:
                break
            time.sleep(0.02)
        raise Failure(f"{self.p.args[0]}: no '{pattern}' within {secs} s; its last words:\n{self.tail()}")

    def end(self, sig=signal.SIGTERM, secs=10):
        if self.p.poll() is None:
            self.p.send_signal(sig)
            try:
                self.p.wait(secs)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        self.out.close()
        if self in Process.alive:
            Process.alive.remove(self)


def tool(name):
    """A program of ours that only benchmarks need: in the build, or where it was installed."""
    own = os.path.dirname(os.path.realpath(NETHV))
    for where in ("../bench", "../libexec/nethv"):
        path = os.path.normpath(os.path.join(own, where, name))
        if os.access(path, os.X_OK):
            return path
    raise Failure(f"the program {name} is not beside {NETHV}; build or install it")


def end_all():
    for p in list(Process.alive):
        p.end(signal.SIGKILL)


def run(*argv, timeout=90):
    """Runs a short command; its standard output."""
    r = subprocess.run(argv, capture_output=True, text=True, timeout=timeout)
    if r.returncode:
        raise Failure(f"{' '.join(argv[:4])}: {r.stderr.strip() or r.stdout.strip() or r.returncode}")
    return r.stdout
