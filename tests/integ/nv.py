# SPDX-License-Identifier: BSD-3-Clause
"""What integration tests share: an instance of nethv, namespaces of their own, and the check that
nothing is left behind."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NETHV = os.environ.get("NETHV") or os.path.join(ROOT, "build/mgmt/nethv")
SKIP = 77
PATIENCE = int(os.environ.get("NV_PATIENCE", "1"))  # a factor for all waiting, on slow machines


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIP)


def fail(why):
    raise AssertionError(why)


def need_root(what):
    if os.geteuid() != 0:
        skip(f"{what} needs root (or CAP_NET_ADMIN and CAP_SYS_ADMIN): run it with sudo")
    if not os.path.exists("/dev/net/tun"):
        skip(f"{what} needs TAP: /dev/net/tun is not there (modprobe tun)")


def run(*argv, check=True, timeout=60):
    r = subprocess.run(argv, capture_output=True, text=True, timeout=timeout)
    if check and r.returncode:
        fail(f"{' '.join(argv)}: exit status {r.returncode}\n{r.stdout}{r.stderr}")
    return r


def wait_until(what, cond, secs=20):
    end = time.monotonic() + secs * PATIENCE
    while time.monotonic() < end:
        got = cond()
        if got:
            return got
        time.sleep(0.05)
    return fail(f"waited {secs} s for: {what}")


@contextlib.contextmanager
def netns(*names):
    """Namespaces with names of this process, gone at the end."""
    full = [f"nv-{n}-{os.getpid()}" for n in names]
    try:
        for n in full:
            run("ip", "netns", "add", n)
            run("ip", "-n", n, "link", "set", "lo", "up")
        yield full
    finally:
        for n in full:
            run("ip", "netns", "del", n, check=False)


class Instance:
    """`nethv run` in the foreground of a test."""

    def __init__(self, text, env=None):
        self.dir = tempfile.TemporaryDirectory(prefix="nethv-test-")
        self.file = os.path.join(self.dir.name, "nethv.yaml")
        self.log = os.path.join(self.dir.name, "log")
        self.name = next(l.split()[1] for l in text.splitlines() if l.startswith("name:"))
        if "ENGINE" in os.environ and "\nengine:" not in text:
            text += f"engine: {os.environ['ENGINE']}\n"
        with open(self.file, "w") as f:
            f.write(text)
        self.out = open(self.log, "wb")
        self.seen = {}  # processes of the instance, as its status told
        self.p = subprocess.Popen([NETHV, "run", self.file], stdin=subprocess.DEVNULL,
                                  stdout=self.out, stderr=subprocess.STDOUT,
                                  env=dict(os.environ, **(env or {})))

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGINT)
            try:
                self.p.wait(20 * PATIENCE)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        if kind:
            sys.stderr.write(f"--- log of {self.name}\n{self.text()[-6000:]}\n---\n")
        self.out.close()
        self.dir.cleanup()

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def json(self, verb):
        r = run(NETHV, verb, self.name, "--json", check=False)
        if r.returncode:
            return None
        s = json.loads(r.stdout)
        self.seen[s["pid"]] = "nethv run"
        self.seen[s["switch"]["pid"]] = "switch"
        for p in s["partitions"]:
            self.seen[p["pid"]] = f"worker of {p['name']}"
            self.seen[p.get("guest_pid", 0)] = f"guest {p['name']}"
        self.seen.pop(0, None)
        return s

    def stats(self):
        return wait_until(f"nethv stats {self.name}", lambda: self.json("stats"))

    def guest(self, partition, stats=None):
        """The values that the partition's application reports."""
        for p in (stats or self.stats())["partitions"]:
            if p["name"] == partition:
                return (p.get("guest") or {}).get("values", {})
        return fail(f"no partition {partition}")

    def wait_flow(self, secs=20, gen="pktgen", sink="sink"):
        """The statistics in which both ends of a flow report its end. The sink reports now and
        then: that the generator is done (all was acknowledged) does not mean that the sink's
        report holds the last frames."""
        wait_until(f"{gen} to end", lambda: self.guest(gen).get("done"), secs)

        def accounted():
            s = self.stats()
            got = self.guest(sink, s)
            return got["rx_packets"] + got["lost"] >= self.guest(gen, s)["tx_packets"] and s
        return wait_until(f"{sink} to report the last frames", accounted)

    def wait_running(self, secs=30):
        def up():
            if self.p.poll() is not None:
                fail(f"nethv run ended with {self.p.returncode}:\n{self.text()}")
            s = self.json("stats")
            return s and s["state"] == "running" and all(
                (p.get("guest") or {}).get("state") in ("running", "done")
                for p in s["partitions"]) and s
        return wait_until("all partitions to run", up, secs)

    def switch_pid(self):
        return self.stats()["switch"]["pid"]

    def kill_switch(self, n=1):
        """kill -9; the statistics once restart @n has its totals again."""
        os.kill(self.switch_pid(), signal.SIGKILL)
        return wait_until(f"restart {n}", lambda: next(
            (s for s in [self.json("stats")] if s and s["switch"]["restarts"] == n
             and s["switch"]["state"] == "running" and "totals" in s["switch"]), None))

    def stop(self):
        """SIGINT and a clean end; returns the exit status."""
        self.p.send_signal(signal.SIGINT)
        return self.p.wait(30 * PATIENCE)


def conservation(stats):
    """in + copies = out + drops; what is still on the way is 0."""
    t = stats["switch"]["totals"]
    if t["in"] + t["copies"] != t["out"] + t["drops"] + t["on_the_way"]:
        fail(f"the books do not balance: {t}")
    return t


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def sockets(name):
    with open("/proc/net/unix") as f:
        return [l.split()[-1] for l in f if f"@nethv/" in l and name in l]


def taps():
    r = run("ip", "-o", "link", "show", "type", "tun")
    return {l.split(":")[1].strip() for l in r.stdout.splitlines()}


def hugepages_free():
    with open("/proc/meminfo") as f:
        return next(int(l.split()[1]) for l in f if l.startswith("HugePages_Free"))


def flow_config(name, count, size, more=""):
    """pktgen -> sink, both in interrupt mode; @more: further words for pktgen."""
    return f"""\
name: {name}
partitions:
  - name: sink
    cmdline: app=sink
    memory: 64
    nics: [{{mac: "02:4e:00:00:00:05"}}]
  - name: pktgen
    cmdline: app=pktgen dst=02:4e:00:00:00:05 size={size} count={count} {more}
    memory: 64
    nics: [{{mac: "02:4e:00:00:00:04"}}]
"""


class Leftovers:
    """What an instance made must be gone when it has ended, however it ended."""

    def __init__(self):
        self.taps, self.huge = taps(), hugepages_free()

    def check(self, inst):
        def left():
            found = [f"process {p} ({what})" for p, what in inst.seen.items() if is_alive(p)]
            found += [f"TAP {t}" for t in taps() - self.taps]
            found += [f"socket {s}" for s in sockets(inst.name)]
            if hugepages_free() < self.huge:
                found.append(f"{self.huge - hugepages_free()} huge pages")
            return found
        end = time.monotonic() + 10
        while left() and time.monotonic() < end:
            time.sleep(0.1)
        if left():
            fail("left behind: " + ", ".join(left()))
