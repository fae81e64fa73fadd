# SPDX-License-Identifier: BSD-3-Clause
"""The generator on DPDK's ports (bench/load), and the ports that it has in common with the systems under test."""
import contextlib
import json
import time

from .process import Failure, Process, tool

MAC_A, MAC_B = "02:00:00:00:00:01", "02:00:00:00:00:02"
EAL = ["--no-pci", "--in-memory", "--single-file-segments", "-m", "512", "--no-telemetry"]
STD_FRAME = 1518
JUMBO = 9018
START_S = 30


def mbuf(frame):
    """Bytes of a buffer that holds the frame whole."""
    return 2176 if frame <= STD_FRAME else 9728


def memif(work, i, role, frame, extra=""):
    return (f"net_memif{i},role={role},id={i},socket={work}/m.sock,socket-abstract=no,rsize=10,"
            f"bsize={mbuf(frame)}{extra}")


def memif_ports(work, frame):
    return [memif(work, i, "client", frame, f",mac={mac}") for i, mac in enumerate((MAC_A, MAC_B))]


class Generator:
    """bench/load, on core B unless @core says another: the trials of guest/apps/trial.h on two DPDK ports. @queues: it
    receives from each; one that @yields leaves its core to others whenever it has nothing to do."""

    def __init__(self, o, work, vdevs, frame, core=None, queues=1, yields=False):
        argv = [tool("load"), *EAL, "--file-prefix=load", "-l", str(o.core_b if core is None else core),
                *(w for v in vdevs for w in ("--vdev", v)), "--", MAC_A, MAC_B, str(max(frame, STD_FRAME)), str(queues),
                *(["yield"] if yields else [])]
        self.p = Process(argv, work + "/load.log", stdin=True)
        self.p.wait_for('"ready"', START_S)
        self.seen = 1

    def trial(self, order, secs):
        self.p.say(order)
        end = time.monotonic() + secs + START_S
        while time.monotonic() < end:
            lines = [l for l in self.p.text().splitlines() if l.startswith("{") and l.endswith("}")]
            if len(lines) > self.seen:
                self.seen = len(lines)
                return taken(json.loads(lines[-1]), order)
            if self.p.p.poll() is not None:
                break
            time.sleep(0.01)
        raise Failure(f"the generator does not answer '{order}': {self.p.tail()}")

    def end(self):
        self.p.end()


def taken(result, order):
    if result.get("refused"):
        raise Failure(f"'{order}': {result['refused']}")
    return result


@contextlib.contextmanager
def generator(*args, **keys):
    g = Generator(*args, **keys)
    try:
        yield g
    finally:
        g.end()


class Wire:
    """No switch at all: the generator's two ports are one memif. What comes through is the generator's own limit."""

    @contextlib.contextmanager
    def load(self, o, work, frame):
        vdevs = [memif(work, 0, "server", frame), memif(work, 0, "client", frame).replace("net_memif0", "net_memif1")]
        with generator(o, work, vdevs, frame) as g:
            time.sleep(0.5)
            yield g
