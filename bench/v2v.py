#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Partition to partition through the switch, beside its peers on the same two cores.

Core A switches, core B runs the one guest: two adapters, frames circle between them for ever, MACs
rewritten as testpmd's `mac` mode does. The unit of repetition is a process start: two starts of one
binary differ by up to 20 %, so every round starts every system once, in an order of its own, and
what is compared are medians over rounds. Frame sizes count the FCS, as everywhere in the field.
"""
import argparse
import contextlib
import json
import os
import platform
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAC_A, MAC_B = "02:00:00:00:00:01", "02:00:00:00:00:02"
HUGE = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
PACKED = ",packed_vq=1,in_order=1,mrg_rxbuf=0"
EAL = ["--no-pci", "--in-memory", "--single-file-segments", "-m", "1024"]


class Failure(Exception):
    pass


class Process:
    """A child with its output in a file, ended by its pid however the benchmark ends."""

    alive = []

    def __init__(self, argv, log, stdin=False):
        self.log = log
        self.out = open(log, "wb")
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                  stdout=self.out, stderr=subprocess.STDOUT)
        Process.alive.append(self)

    def say(self, line):
        self.p.stdin.write(line.encode() + b"\n")
        self.p.stdin.flush()

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def wait_for(self, pattern, secs):
        end = time.monotonic() + secs
        while time.monotonic() < end:
            if re.search(pattern, self.text()):
                return
            if self.p.poll() is not None:
                break
            time.sleep(0.05)
        tail = "\n".join(self.text().splitlines()[-8:])
        raise Failure(f"{self.p.args[0]}: no '{pattern}' within {secs} s; its last words:\n{tail}")

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


def testpmd_mpps(o, work, vdev0, vdev1, frame):
    """The generator of the peers: a testpmd in mac mode on core B."""
    argv = ["dpdk-testpmd", *EAL, "--file-prefix=gen", "-l", f"{o.core_a},{o.core_b}",
            "--main-lcore", str(o.core_a), "--vdev", vdev0, "--vdev", vdev1, "--", "-i",
            "--nb-cores=1", "--txd=1024", "--rxd=1024", "--total-num-mbufs=32768",
            f"--eth-peer=0,{MAC_B}", f"--eth-peer=1,{MAC_A}"]
    g = Process(argv, work + "/gen.log", stdin=True)
    try:
        g.wait_for("testpmd> ", 30)
        for line in ("set fwd mac", "set burst 64", f"set txpkts {frame - 4}"):
            g.say(line)
        time.sleep(1)
        g.say(f"start tx_first {o.inflight // 64}")
        time.sleep(o.warm)
        g.say("show port stats all")
        time.sleep(o.secs)
        for line in ("show port stats all", "stop", "quit"):
            g.say(line)
        g.p.wait(15)  # its output comes when it ends: it is a file, so it is buffered
        rates = [int(n) for n in re.findall(r"Rx-pps: *(\d+)", g.text())]
        if len(rates) < 4:
            raise Failure("testpmd told no rates:\n" + g.text()[-500:])
        return sum(rates[-2:]) / 1e6
    finally:
        g.end()


def virtio_user(work, i, extra):
    mac = MAC_A if i == 0 else MAC_B
    return (f"net_virtio_user{i},path={work}/v{i}.sock,server=1,queues=1,queue_size=1024,"
            f"mac={mac}{extra}")


@contextlib.contextmanager
def ovs(work, core, mem=1024):
    """An OVS-DPDK of its own in its own network namespace, switching on @core with an empty bridge
    br0 on the userspace datapath. What it gives is ovs-vsctl's argv and the process."""
    db = f"unix:{work}/db.sock"
    ctl = ["ovs-vsctl", f"--db={db}", "--timeout=90"]  # its huge pages are zeroed first
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True}
    os.environ.update(OVS_RUNDIR=work, OVS_LOGDIR=work, OVS_DBDIR=work)
    subprocess.run(["ovsdb-tool", "create", work + "/conf.db",
                    "/usr/share/openvswitch/vswitch.ovsschema"], **quiet)
    server = Process(["ovsdb-server", work + "/conf.db", f"--remote=punix:{work}/db.sock",
                      f"--unixctl={work}/db.ctl"], work + "/db.log")
    switch = None
    try:
        for _ in range(100):
            if os.path.exists(work + "/db.sock"):
                break
            time.sleep(0.05)
        subprocess.run([*ctl, "--no-wait", "set", "Open_vSwitch", ".",
                        "other_config:dpdk-init=true", f"other_config:dpdk-socket-mem={mem}",
                        f"other_config:pmd-cpu-mask={hex(1 << core)}",
                        "other_config:dpdk-extra=--no-pci"], **quiet)
        switch = Process(["unshare", "-n", "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk",
                          db, f"--unixctl={work}/vs.ctl"], work + "/vs.log")
        subprocess.run([*ctl, "add-br", "br0", "--", "set", "bridge", "br0",
                        "datapath_type=netdev"], **quiet)
        yield ctl, switch
    finally:
        if switch:
            switch.end()
        server.end()


def run_ovs(o, work, frame, extra):
    with ovs(work, o.core_a) as (ctl, _):
        for i in (0, 1):
            subprocess.run([*ctl, "add-port", "br0", f"v{i}", "--", "set", "Interface", f"v{i}",
                            "type=dpdkvhostuserclient",
                            f"options:vhost-server-path={work}/v{i}.sock"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return testpmd_mpps(o, work, virtio_user(work, 0, extra), virtio_user(work, 1, extra),
                            frame)


def testpmd_switch(o, work, vdev0, vdev1):
    argv = ["dpdk-testpmd", *EAL, "--file-prefix=sw", "-l", f"{o.core_a},{o.core_b}",
            "--main-lcore", str(o.core_b), "--vdev", vdev0, "--vdev", vdev1, "--", "-i",
            "--nb-cores=1", "--total-num-mbufs=32768", "--rxd=1024", "--txd=1024"]
    s = Process(argv, work + "/sw.log", stdin=True)
    s.wait_for("testpmd> ", 30)
    s.say("set burst 64")
    s.say("start")
    return s


def run_vhost(o, work, frame, extra):
    s = testpmd_switch(o, work, f"net_vhost0,iface={work}/v0.sock,client=1",
                       f"net_vhost1,iface={work}/v1.sock,client=1")
    try:
        return testpmd_mpps(o, work, virtio_user(work, 0, extra), virtio_user(work, 1, extra),
                            frame)
    finally:
        s.end()


def memif(work, i, role, extra=""):
    return (f"net_memif{i},role={role},id={i},socket={work}/m.sock,socket-abstract=no,rsize=10,"
            f"bsize=2048{extra}")


def run_memif(o, work, frame):
    s = testpmd_switch(o, work, memif(work, 0, "server"), memif(work, 1, "server"))
    try:
        return testpmd_mpps(o, work, memif(work, 0, "client", f",mac={MAC_A}"),
                            memif(work, 1, "client", f",mac={MAC_B}"), frame)
    finally:
        s.end()


NETHV_CONFIG = """\
name: {name}
engine: {engine}
switch: {{lcores: [{a}], poll: busy}}
partitions:
  - name: fwd
    cpus: [{b}]
    memory: 128
    cmdline: "app=l2fwd nics=0,1 mode=mac poll=1 peer0={mac_b} peer1={mac_a} inject={n} size={size}"
    nics:
      - {{mac: "{mac_a}", channels: 1, vlan: {{mode: access, pvid: 100}}}}
      - {{mac: "{mac_b}", channels: 1, vlan: {{mode: access, pvid: 100}}}}
"""


def nethv_json(o, *args):
    r = subprocess.run([o.nethv, *args, "--json"], capture_output=True, text=True, timeout=20)
    if r.returncode:
        raise Failure(f"nethv {' '.join(args)}: {r.stderr.strip()}")
    return json.loads(r.stdout)


def nethv_sample(o, name):
    """(nanoseconds, frames that left the switch), read at one moment by the switch itself."""
    sw = nethv_json(o, "stats", name)["switch"]
    return sw["time_ns"], sw["totals"]["out"]


def run_nethv(o, work, frame):
    name = f"bench-{os.getpid()}"
    with open(work + "/v2v.yaml", "w") as f:
        f.write(NETHV_CONFIG.format(name=name, engine=o.engine, a=o.core_a, b=o.core_b,
                                    mac_a=MAC_A, mac_b=MAC_B, n=o.inflight, size=frame))
    p = Process([o.nethv, "run", work + "/v2v.yaml"], work + "/nethv.log")
    try:
        end = time.monotonic() + 20
        while True:
            time.sleep(0.2)
            try:
                if nethv_sample(o, name)[1] > 100000:
                    break
            except (Failure, KeyError):
                pass
            if time.monotonic() > end or p.p.poll() is not None:
                raise Failure("nethv forwards nothing:\n" + p.text()[-2000:])
        time.sleep(o.warm)
        t0, n0 = nethv_sample(o, name)
        time.sleep(o.secs)
        t1, n1 = nethv_sample(o, name)
        return (n1 - n0) / (t1 - t0) * 1e3
    finally:
        p.end(signal.SIGINT)


SYSTEMS = {
    "nethv": run_nethv,
    "ovs-dpdk split": lambda o, w, f: run_ovs(o, w, f, ""),
    "ovs-dpdk packed": lambda o, w, f: run_ovs(o, w, f, PACKED),
    "vhost split": lambda o, w, f: run_vhost(o, w, f, ""),
    "vhost packed": lambda o, w, f: run_vhost(o, w, f, PACKED),
    "memif": run_memif,
}


def one_start(o, system, frame):
    work = tempfile.mkdtemp(prefix="nethv-bench-")
    try:
        return SYSTEMS[system](o, work, frame)
    finally:
        if o.keep:
            print(f"   logs in {work}", file=sys.stderr)
        else:
            shutil.rmtree(work, ignore_errors=True)


def huge_pages(want):
    """Sees to enough huge pages for everybody; returns what to put back."""
    with open(HUGE) as f:
        had = int(f.read())
    if had < want:
        with open(HUGE, "w") as f:
            f.write(str(want))
    with open(HUGE) as f:
        got = int(f.read())
    if got < want:
        print(f"v2v: only {got} of {want} huge pages of 2 MiB could be had", file=sys.stderr)
    return had


def measure(o):
    samples = {(s, f): [] for s in o.systems for f in o.sizes}
    total = o.rounds * len(o.systems) * len(o.sizes)
    done = 0
    for r in range(o.rounds):
        order = [(s, f) for s in o.systems for f in o.sizes]
        random.shuffle(order)
        for system, frame in order:
            done += 1
            try:
                mpps = one_start(o, system, frame)
                samples[system, frame].append(mpps)
                word = f"{mpps:.2f} Mpps"
            except (Failure, subprocess.SubprocessError) as e:
                word = f"failed: {e}"
            print(f"[{done}/{total}] round {r + 1}, {system}, {frame} B: {word}", file=sys.stderr)
    return samples


def summarise(o, samples):
    rows = []
    for frame in o.sizes:
        ours = samples.get(("nethv", frame), [])
        base = statistics.median(ours) if ours else None
        for system in o.systems:
            got = samples[system, frame]
            row = {"system": system, "frame_bytes": frame, "starts": len(got), "mpps": got}
            if got:
                row["median_mpps"] = statistics.median(got)
                row["min_mpps"], row["max_mpps"] = min(got), max(got)
                if base and system != "nethv":
                    row["nethv_ratio"] = base / row["median_mpps"]
            rows.append(row)
    return rows


def cpu_model():
    with open("/proc/cpuinfo") as f:
        return next((l.split(":", 1)[1].strip() for l in f if l.startswith("model name")), "?")


def report(o, rows):
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    head = {"benchmark": "v2v", "unit": "Mpps through the switch core, both directions",
            "cpu": cpu_model(), "kernel": platform.release(), "cores": [o.core_a, o.core_b],
            "commit": commit, "frames_in_flight": 2 * o.inflight, "seconds": o.secs,
            "rounds": o.rounds, "engine": o.engine, "rows": rows}
    print(f"\nv2v: {head['cpu']}, switch on core {o.core_a}, guest on core {o.core_b}, "
          f"{2 * o.inflight} frames in flight, {o.rounds} starts each, {o.secs} s a start")
    print(f"{'frame':>6}  {'system':<16} {'median':>7} {'min':>7} {'max':>7}  Mpps   nethv is")
    for r in rows:
        if not r["starts"]:
            print(f"{r['frame_bytes']:>6}  {r['system']:<16} no start succeeded")
            continue
        ratio = f"{r['nethv_ratio']:.2f} x" if "nethv_ratio" in r else ""
        print(f"{r['frame_bytes']:>6}  {r['system']:<16} {r['median_mpps']:>7.2f} "
              f"{r['min_mpps']:>7.2f} {r['max_mpps']:>7.2f}         {ratio}")
    with open(o.json, "w") as f:
        json.dump(head, f, indent=1)
    print(f"every sample: {o.json}")


def options():
    p = argparse.ArgumentParser(prog="./dev bench v2v", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=9, help="process starts of each system (9)")
    p.add_argument("--secs", type=float, default=2, help="seconds measured in a start (2)")
    p.add_argument("--warm", type=float, default=1, help="seconds before that (1)")
    p.add_argument("--sizes", type=int, nargs="+", default=[64, 1518], help="frame bytes with FCS")
    p.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    p.add_argument("--core-a", type=int, default=0, help="the switch's core (0)")
    p.add_argument("--core-b", type=int, default=1, help="the guest's core (1)")
    p.add_argument("--inflight", type=int, default=1024, help="frames in flight each way (1024)")
    p.add_argument("--engine", default="auto", help="of our partition: auto, ring3 (auto)")
    p.add_argument("--json", default="build/v2v.json", help="where all samples go")
    p.add_argument("--keep", action="store_true", help="keep the logs of each start")
    o = p.parse_args()
    o.nethv = os.path.join(ROOT, "build/mgmt/nethv")
    return o


def main():
    o = options()
    if os.geteuid() != 0:
        sys.exit("v2v: needs root: the peers want huge pages and AF_UNIX sockets of the system")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("v2v: needs two cores, one for the switch and one for the guest")
    had = huge_pages(2048)
    try:
        rows = summarise(o, measure(o))
    finally:
        for p in list(Process.alive):
            p.end(signal.SIGKILL)
        with open(HUGE, "w") as f:
            f.write(str(had))
    report(o, rows)
    missing = [r for r in rows if r["starts"] < o.rounds]
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
