# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest of the lab, seen through its serial port: commands go to l2/agent there.

    guest = Guest("a", connect("/path/of/the/socket"))
    guest.wait_ready()
    status, text = guest.run("ip -br addr")
    guest.ok("ping -c 3 10.0.0.2")              # raises GuestError unless its status is 0
    server = guest.start("iperf3 -s -1")        # in the background there
    server.wait(60)
"""
import base64
import itertools
import os
import re
import shlex
import socket
import threading
import time


class GuestError(Exception):
    pass


class GuestHung(GuestError):
    """It does not answer any more; the text has the end of its console."""


def connect(path, seconds=30):
    """A stream to the unix socket @path, which may still have to come."""
    end = time.monotonic() + seconds
    while True:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            s.connect(path)
            return s
        except OSError as e:
            s.close()
            if time.monotonic() > end:
                raise GuestError(f"cannot connect to {path}: {e}") from e
            time.sleep(0.1)


class Guest:
    """@stream: a connected socket, or anything with fileno() and close() that can be read and written.
    @log: where all that the console says is kept."""

    ids = itertools.count(1)

    def __init__(self, name, stream, log=None):
        self.name, self.stream = name, stream
        self.log = open(log, "ab", buffering=0) if log else None
        self.text = b""          # all that came
        self.closed = False
        self.news = threading.Condition()
        threading.Thread(target=self.reader, daemon=True).start()

    def reader(self):
        while True:
            try:
                data = os.read(self.stream.fileno(), 65536)
            except (OSError, ValueError):
                data = b""
            if data and self.log:
                self.log.write(data)
            with self.news:
                self.text += data
                self.closed = not data
                self.news.notify_all()
            if not data:
                return

    def close(self):
        self.stream.close()

    def tail(self, lines=20):
        text = self.text.decode(errors="replace").replace("\r", "")
        return "\n".join(f"   {self.name}| {l}" for l in text.splitlines()[-lines:])

    def hung(self, what):
        return GuestHung(f"{self.name}: {what}; the end of its console:\n{self.tail()}")

    def mark(self):
        """A place in what the console says, for expect()."""
        with self.news:
            return len(self.text)

    def expect(self, pattern, seconds, since=0):
        """Waits until the bytes regex @pattern is in what came after @since; returns the match."""
        end = time.monotonic() + seconds
        seek = re.compile(pattern)
        with self.news:
            while True:
                found = seek.search(self.text, since)
                if found:
                    return found
                if self.closed:
                    raise self.hung("the console was closed")
                if not self.news.wait(max(0, end - time.monotonic())):
                    raise self.hung(f"{seek.pattern!r} not seen within {seconds} s")

    def send(self, data):
        data = data.encode() if isinstance(data, str) else data
        while data:
            data = data[os.write(self.stream.fileno(), data):]

    def wait_ready(self, seconds=120):
        """Until its agent answers, whatever was said before."""
        end = time.monotonic() + seconds
        word = f"{os.getpid()}.{next(self.ids)}"
        while True:
            self.send(f"\n@@sync {word}\n")
            try:
                self.expect(rb"\n@@synced %s\n" % re.escape(word.encode()), 2)
                return self
            except GuestHung:
                if self.closed or time.monotonic() > end:
                    raise

    def run(self, command, seconds=90):
        """Runs a shell script there: (exit status, what it printed, on both streams). Status 124: it was
        ended after @seconds. GuestHung when nothing comes back."""
        n = next(self.ids)
        mark = self.mark()
        script = base64.b64encode(command.encode()).decode()
        self.send(f"@@run {n} {int(seconds)} {script}\n")
        found = self.expect(rb"\n@@begin %d\n((?s:.*?))\n@@end %d (\d+)\n" % (n, n), seconds + 15, mark)
        return int(found.group(2)), found.group(1).decode(errors="replace")

    def ok(self, command, seconds=90):
        """What the command prints; it must end with status 0."""
        status, text = self.run(command, seconds)
        if status:
            raise GuestError(f"{self.name}: status {status} of: {command}\n{text}")
        return text

    def start(self, command):
        return Background(self, command)

    def warnings(self):
        """Lines of its kernel log at level warning or worse that are our fault: see HARMLESS."""
        lines = self.ok("dmesg -r | grep '^<[0-4]>' || true", 60).splitlines()
        return [l for l in lines if not HARMLESS.search(l)]

    def power_off(self):
        """Orders it; the caller looks at how the partition ended."""
        self.send("@@run 0 30 " + base64.b64encode(b"poweroff").decode() + "\n")


# What Debian's kernels say at level warning or worse with no fault of ours.
HARMLESS = re.compile("|".join((
    r"PCI: Fatal: No config space access function found",  # there is no PCI but what VMBus brings
    r"PCI: System does not support PCI",
    r"Speculative Return Stack Overflow",                   # of the CPU model, as on iron
    r"hrtimer: interrupt took \d+ ns",                      # the lab's processor is slow
    r"sched: DL replenish lagged too much",                 # likewise
    r"clocksource: (Long readout interval|timekeeping watchdog|wd-tsc-wd read-back)",  # likewise
    r"amd_pstate: the _CPC object is not present",          # 6.12 on AMD: nobody scales frequencies here
    r"tsc: Unable to calibrate against PIT",                # in the QEMU that stands in for nethv
)))


class Background:
    """A command that goes on in the guest while others run."""

    def __init__(self, guest, command):
        self.guest, self.command = guest, command
        self.file = f"/tmp/bg.{next(guest.ids)}"
        keep = f'(eval "$1"); echo $? >{self.file}.new; mv {self.file}.new {self.file}.rc'
        self.pid = int(guest.ok(f"setsid /bin/sh -c {shlex.quote(keep)} sh {shlex.quote(command)} "
                                f">{self.file} 2>&1 </dev/null & echo $!"))

    def status(self):
        """None while it runs."""
        text = self.guest.run(f"cat {self.file}.rc")[1]
        return int(text) if text.strip().isdigit() else None

    def output(self):
        return self.guest.ok(f"cat {self.file}")

    def wait(self, seconds=60):
        """(exit status, what it printed)"""
        end = time.monotonic() + seconds
        while self.status() is None:
            if time.monotonic() > end:
                raise GuestError(f"{self.guest.name}: not done after {seconds} s: {self.command}\n"
                                 f"{self.output()}")
            time.sleep(0.3)
        return self.status(), self.output()

    def kill(self, sig="TERM"):
        self.guest.run(f"kill -{sig} -{self.pid}; [ -e {self.file}.rc ] || echo 143 >{self.file}.rc")
